//! The CUDA text that composes pieces: `compose.cuh` does the work, this says for which state and where it lies.

use crate::device;
use crate::dtype::DType;
use crate::kernel::{Argument, Kernel, Role};
use crate::schedule::Unit;
use crate::segmented::{Compose, Factor};
use crate::writer::Writer;

/// Threads of a block, as in `compose.cuh`.
const THREADS: u32 = 128;

/// Value columns of a block where maps are matrices, as in `compose.cuh`.
const COLUMNS: u32 = 16;

/// Prints the kernel.
pub fn kernel(compose: &Compose) -> Kernel {
    let ((_, state), (k, v)) = (&compose.state, compose.sizes);
    let name = format!("{}_compose_{state}", compose.rule);
    let (blocks, shared) = match compose.map {
        Factor::Matrix(_) => (v.div_ceil(COLUMNS), shared(k)),
        _ => ((k * v).div_ceil(THREADS), 0),
    };
    let arguments = arguments(compose);
    let entry = entry(compose, &name, &arguments, blocks);
    let mut w = Writer::default();
    w.comment(format_args!("{}, {state} of {k} x {v}: what its pieces begin with.", compose.rule));
    w.section(&device::embed(&entry));
    w.section(&entry);
    Kernel {
        name,
        source: w.finish(),
        arguments,
        threads: THREADS,
        shared,
        unit: Unit::Sequence,
        blocks_per_head: blocks,
    }
}

/// Bytes of two panels of the map and of the state's columns.
fn shared(k: u32) -> u32 {
    let rows = k.div_ceil(32) * 32;
    4 * (2 * rows * 20 + rows * COLUMNS)
}

fn arguments(compose: &Compose) -> Vec<Argument> {
    let (id, state) = &compose.state;
    let float = |name: &str, role: Role, align: usize| Argument {
        name: name.to_owned(),
        role,
        dtype: Some(DType::F32),
        align,
    };
    let mut arguments = vec![float("pieces", Role::Workspace(compose.pieces), 16)];
    match compose.map {
        Factor::Identity => {}
        Factor::Diagonal(at) | Factor::Matrix(at) => arguments.push(float("maps", Role::Workspace(at), 16)),
    }
    arguments.push(float(&format!("{state}0"), Role::InitialState(*id), 4));
    arguments.push(float(state, Role::FinalState(*id), 4));
    let number =
        |name: &str, role: Role, align: usize| Argument { name: name.to_owned(), role, dtype: None, align };
    arguments.extend([
        number("cu_seqlens", Role::CuSeqlens, 8),
        number("tokens", Role::Tokens, 8),
        number("heads", Role::Heads, 4),
        number("length", Role::PieceTokens, 8),
    ]);
    arguments
}

fn declaration(argument: &Argument, (k, v): (u32, u32), map: Factor) -> String {
    match argument.role {
        Role::Workspace(_) if argument.name == "pieces" => {
            format!("f32 *pieces{{}} // [pieces, heads, {k}, {v}]")
        }
        Role::Workspace(_) => match map {
            Factor::Matrix(_) => format!("const f32 *maps{{}} // [pieces, heads, {k}, {k}]"),
            _ => format!("const f32 *maps{{}} // [pieces, heads, {k}]"),
        },
        Role::InitialState(_) => {
            format!("const f32 *initial{{}} // {} [N, heads, {k}, {v}], null is zero", argument.name)
        }
        Role::FinalState(_) => format!("f32 *end{{}} // {} [N, heads, {k}, {v}], may be null", argument.name),
        Role::CuSeqlens => {
            "const i64 *cu_seqlens{} // [N + 1], null where sequences are all of `tokens`".to_owned()
        }
        Role::Heads => "unsigned heads{} // HV".to_owned(),
        Role::Tokens => "i64 tokens{} // T".to_owned(),
        _ => "i64 length{} // tokens of a piece".to_owned(),
    }
}

fn entry(compose: &Compose, name: &str, arguments: &[Argument], blocks: u32) -> String {
    let (k, v) = compose.sizes;
    let mut w = Writer::default();
    w.line(format_args!("extern \"C\" __global__ void __launch_bounds__({THREADS}, 1)"));
    w.line(format_args!("{name}("));
    for (at, argument) in arguments.iter().enumerate() {
        let end = if at + 1 == arguments.len() { ")" } else { "," };
        let declared = declaration(argument, compose.sizes, compose.map).replace("{}", end);
        w.line(format_args!("    {declared}"));
    }
    w.block("", |w| {
        w.line(format_args!("const i64 place = blockIdx.x / {blocks};"));
        w.line(format_args!("const int part = blockIdx.x % {blocks};"));
        w.line("const i64 sequence = place / heads, head = place % heads;");
        w.line("const PieceRange range(cu_seqlens, tokens, sequence, length);");
        w.line("const i64 first = range.first * heads + head;");
        let size = k * v;
        let ends =
            format!("initial ? initial + place * {size} : nullptr, end ? end + place * {size} : nullptr");
        let rest = format!("heads, range.count, {ends}");
        let added = format!("pieces + first * {size}");
        let element = format!("part * {THREADS} + threadIdx.x");
        w.line(match compose.map {
            Factor::Identity => format!("compose_diagonal<{k}, {v}>({added}, nullptr, {rest}, {element});"),
            Factor::Diagonal(_) => {
                format!("compose_diagonal<{k}, {v}>({added}, maps + first * {k}, {rest}, {element});")
            }
            Factor::Matrix(_) => {
                format!(
                    "compose_matrix<{k}, {v}>({added}, maps + first * {}, {rest}, part * {COLUMNS});",
                    k * k
                )
            }
        });
    });
    w.finish()
}
