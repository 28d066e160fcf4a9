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
    let (k, v) = compose.sizes;
    let states: Vec<&str> = compose.states.iter().map(|(_, name)| name.as_str()).collect();
    let name = format!("{}_compose_{}", compose.rule, states.join("_"));
    let (blocks, shared) = match compose.map {
        Factor::Matrices(..) => (v.div_ceil(COLUMNS), shared(k, states.len() as u32)),
        _ => ((k * v).div_ceil(THREADS), 0),
    };
    let arguments = arguments(compose);
    let entry = entry(compose, &name, &arguments, blocks);
    let mut w = Writer::default();
    w.comment(format_args!(
        "{}, {} of {k} x {v}: what pieces begin with.",
        compose.rule,
        states.join(" and ")
    ));
    w.quotation(
        "The pieces of a sequence are p = 0, 1, ..; what they begin with takes the place of what they add:",
        &equations(compose),
    );
    w.section(&device::embed(&entry));
    w.section(&entry);
    Kernel {
        name,
        source: w.finish(),
        arguments: arguments.into_iter().map(|(argument, _)| argument).collect(),
        threads: THREADS,
        shared,
        unit: Unit::Sequence,
        blocks_per_head: blocks,
    }
}

/// The first states of a sequence's pieces, p = 0, 1, ..: the text of the recurrence that this computes.
fn equations(compose: &Compose) -> String {
    let several = compose.states.len() > 1;
    let (maps, names) = (map_names(compose), compose.states.iter().map(|(_, name)| name.as_str()));
    let names: Vec<&str> = names.collect();
    let mapped = |to: usize, state: &str| match &compose.map {
        Factor::Identity => format!("{state}[p]"),
        Factor::Diagonal(_) => format!("diag(maps[p]) {state}[p]"),
        Factor::Elements(_) => format!("maps[p] .* {state}[p]"),
        Factor::Matrices(_, by) => {
            let row = maps[to * names.len()..].iter().zip(&names);
            let terms = row.map(|(map, from)| match by {
                Some(_) => format!("{map}[p] (elements[p] .* {from}[p])"),
                None => format!("{map}[p] {from}[p]"),
            });
            terms.collect::<Vec<_>>().join(" + ")
        }
    };
    let lines = names.iter().enumerate().map(|(to, state)| {
        let (mapped, added) = (mapped(to, state), numbered("pieces", state, several));
        format!("{state}[0] = {state}0\n{state}[p + 1] = {mapped} + {added}[p]\n")
    });
    lines.collect()
}

/// Bytes of two panels of a map and of the states' columns.
fn shared(k: u32, states: u32) -> u32 {
    let rows = k.div_ceil(32) * 32;
    4 * (2 * rows * 20 + states * rows * COLUMNS)
}

/// `name`, or of several things `name_of`.
fn numbered(name: &str, of: &str, several: bool) -> String {
    if several { format!("{name}_{of}") } else { name.to_owned() }
}

/// `maps`, or of several states one for each pair: to the first, from the second.
fn map_names(compose: &Compose) -> Vec<String> {
    let states = compose.states.len();
    let pairs = (0..states).flat_map(|to| (0..states).map(move |from| format!("{to}_{from}")));
    pairs.map(|pair| numbered("maps", &pair, states > 1)).collect()
}

/// The arguments, each with its declaration.
fn arguments(compose: &Compose) -> Vec<(Argument, String)> {
    let ((k, v), several) = (compose.sizes, compose.states.len() > 1);
    let mut all: Vec<(Argument, String)> = Vec::new();
    let mut float = |name: String, role: Role, align: usize, declared: &str, rest: &str| {
        let declared = format!("{declared}{name}{{}} // {rest}");
        all.push((Argument { name, role, dtype: Some(DType::F32), align }, declared));
    };
    for ((_, state), at) in compose.states.iter().zip(&compose.pieces) {
        let name = numbered("pieces", state, several);
        float(name, Role::Workspace(*at), 16, "f32 *", &format!("[pieces, heads, {k}, {v}]"));
    }
    let elements = format!("[pieces, heads, {k}, {v}]");
    match &compose.map {
        Factor::Identity => {}
        Factor::Diagonal(at) => {
            let shape = format!("[pieces, heads, {k}]");
            float("maps".to_owned(), Role::Workspace(*at), 16, "const f32 *", &shape);
        }
        Factor::Elements(at) => {
            float("maps".to_owned(), Role::Workspace(*at), 16, "const f32 *", &elements);
        }
        Factor::Matrices(maps, by) => {
            for (map, name) in maps.iter().zip(map_names(compose)) {
                float(name, Role::Workspace(*map), 16, "const f32 *", &format!("[pieces, heads, {k}, {k}]"));
            }
            if let Some(at) = by {
                float("elements".to_owned(), Role::Workspace(*at), 16, "const f32 *", &elements);
            }
        }
    }
    for (id, state) in &compose.states {
        let (first, last) = (numbered("initial", state, several), numbered("end", state, several));
        let ends = [
            (
                format!("{state}0"),
                Role::InitialState(*id),
                format!("const f32 *{first}{{}} // {state}0 [N, heads, {k}, {v}], null is zero"),
            ),
            (
                state.clone(),
                Role::FinalState(*id),
                format!("f32 *{last}{{}} // {state} [N, heads, {k}, {v}], may be null"),
            ),
        ];
        for (name, role, declared) in ends {
            all.push((Argument { name, role, dtype: Some(DType::F32), align: 4 }, declared));
        }
    }
    let numbers = [
        (
            "cu_seqlens",
            Role::CuSeqlens,
            8,
            "const i64 *cu_seqlens{} // [N + 1], null where sequences are all of `tokens`",
        ),
        ("tokens", Role::Tokens, 8, "i64 tokens{} // T"),
        ("heads", Role::Heads, 4, "unsigned heads{} // HV"),
        ("length", Role::PieceTokens, 8, "i64 length{} // tokens of a piece"),
    ];
    all.extend(numbers.map(|(name, role, align, declared)| {
        (Argument { name: name.to_owned(), role, dtype: None, align }, declared.to_owned())
    }));
    all
}

fn entry(compose: &Compose, name: &str, arguments: &[(Argument, String)], blocks: u32) -> String {
    let mut w = Writer::default();
    w.line(format_args!("extern \"C\" __global__ void __launch_bounds__({THREADS}, 1)"));
    w.line(format_args!("{name}("));
    for (at, (_, declared)) in arguments.iter().enumerate() {
        let end = if at + 1 == arguments.len() { ")" } else { "," };
        w.line(format_args!("    {}", declared.replace("{}", end)));
    }
    w.block("", |w| {
        w.line(format_args!("const i64 place = blockIdx.x / {blocks};"));
        w.line(format_args!("const int part = blockIdx.x % {blocks};"));
        w.line("const i64 sequence = place / heads, head = place % heads;");
        w.line("const PieceRange range(cu_seqlens, tokens, sequence, length);");
        w.line("const i64 first = range.first * heads + head;");
        match &compose.map {
            Factor::Matrices(..) => by_matrices(compose, w),
            map => by_numbers(compose, map, w),
        }
    });
    w.finish()
}

/// A number a row or an element, or none.
fn by_numbers(compose: &Compose, map: &Factor, w: &mut Writer) {
    let (k, v) = compose.sizes;
    let size = k * v;
    let (of, maps) = match map {
        Factor::Diagonal(_) => (v, format!("maps + first * {k}")),
        Factor::Elements(_) => (1, format!("maps + first * {size}")),
        _ => (v, "nullptr".to_owned()),
    };
    let ends = format!("initial ? initial + place * {size} : nullptr, end ? end + place * {size} : nullptr");
    w.line(format_args!(
        "compose_numbers<{size}, {of}>(pieces + first * {size}, {maps}, heads, range.count, {ends}, part * {THREADS} + \
         threadIdx.x);"
    ));
}

/// A matrix for each of the states.
fn by_matrices(compose: &Compose, w: &mut Writer) {
    let ((k, v), states) = (compose.sizes, compose.states.len());
    let size = k * v;
    let list = |declared: &str, names: &[String], each: &dyn Fn(&str) -> String, w: &mut Writer| {
        let items: Vec<String> = names.iter().map(|name| each(name)).collect();
        w.line(format_args!("{declared}[{}] = {{{}}};", items.len(), items.join(", ")));
    };
    let several = states > 1;
    let of_states = |name: &str| -> Vec<String> {
        compose.states.iter().map(|(_, state)| numbered(name, state, several)).collect()
    };
    let pointer = |name: &str| format!("{name} ? {name} + place * {size} : nullptr");
    list("f32 *const added", &of_states("pieces"), &|name| format!("{name} + first * {size}"), w);
    list("const f32 *const by", &map_names(compose), &|name| format!("{name} + first * {}", k * k), w);
    list("const f32 *const from", &of_states("initial"), &pointer, w);
    list("f32 *const to", &of_states("end"), &pointer, w);
    let elements = match &compose.map {
        Factor::Matrices(_, Some(_)) => format!("elements + first * {size}"),
        _ => "nullptr".to_owned(),
    };
    w.line(format_args!(
        "compose_matrices<{k}, {v}>(added, by, {elements}, heads, range.count, from, to, part * {COLUMNS});"
    ));
}
