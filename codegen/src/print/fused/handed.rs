//! What crosses between the kernels of a cut: regions of shared memory, and what warps hold in registers.
//!
//! ```text
//! before   send_rows(..)                            from shared memory, once a chunk
//! carry    fetch_rows(..)  give_operand(..)         cp.async with the chunk's inputs; from registers
//! after    fetch_rows(..)  take_operand(..)
//! ```
//!
//! A chunk and head have one row of each buffer, by the number of the chunk's piece ([`crate::schedule`]).

use super::shared::{Type, region_name};
use super::{Fused, Packed};
use crate::dtype::DType;
use crate::fused::{Hand, Held, Owner, Transfer, WARP_COLUMNS};
use crate::kernel::{Argument, Role};
use crate::schedule::Unit;
use crate::writer::Writer;
use chunkwise_algebra::program::NodeId;

/// What a kernel's pointers to the workspace are called, and its row of each.
pub(super) struct HandedNames {
    /// Buffers of regions and of registers.
    pub(super) buffers: [String; 2],
    /// This chunk's row of each.
    pub(super) rows: [String; 2],
}

/// Whether the kernel has a part of the buffers.
fn uses(fused: &Fused<'_>) -> [bool; 2] {
    let cut = &fused.plan.cut;
    [!cut.imports.is_empty() || !cut.exports.is_empty(), !cut.handed.is_empty()]
}

/// The pointers to the workspace.
pub(super) fn arguments<'a>(fused: &'a Fused<'_>) -> impl Iterator<Item = Argument> + 'a {
    let used = (0..2).filter(|at| uses(fused)[*at]);
    used.map(|at| Argument {
        name: fused.handed.buffers[at].clone(),
        role: Role::Workspace(at),
        dtype: Some(DType::F32),
        align: 16,
    })
}

/// The chunk's row of regions.
pub(super) fn regions_row(fused: &Fused<'_>, w: &mut Writer) {
    row(fused, 0, fused.plan.cut.bytes.0, w);
}

/// The chunk's row of registers.
pub(super) fn registers_row(fused: &Fused<'_>, w: &mut Writer) {
    row(fused, 1, fused.plan.cut.bytes.1, w);
}

fn row(fused: &Fused<'_>, at: usize, bytes: u32, w: &mut Writer) {
    if !uses(fused)[at] {
        return;
    }
    let (n, tokens) = (&fused.context.names, fused.plan.tokens);
    let number = match fused.plan.unit {
        Unit::Piece => n.place.clone(),
        Unit::Sequence => format!(
            "(({} / {tokens} + {} + {} / {tokens}) * {} + {})",
            n.start, n.sequence, fused.first, n.heads, n.head
        ),
    };
    let (row, buffer) = (&fused.handed.rows[at], &fused.handed.buffers[at]);
    w.line(format_args!("char *const {row} = reinterpret_cast<char *>({buffer}) + {number} * {bytes};"));
}

/// Starts copying the regions that another kernel has filled.
pub(super) fn fetch(fused: &Fused<'_>, w: &mut Writer) {
    let row = &fused.handed.rows[0];
    for transfer in &fused.plan.cut.imports {
        let Transfer { offset, whole, bytes, .. } = *transfer;
        let (column, left) = match transfer.number {
            Some(size) if fused.plan.blocks > 1 => {
                (format!(" + {} * {size}", fused.column), format!("{whole} - {} * {size}", fused.column))
            }
            _ => (String::new(), bytes.to_string()),
        };
        let to = address(fused, transfer);
        let head = template("fetch_rows", fused, transfer);
        w.line(format_args!("{head}({to}, {row} + {offset}{column}, {whole}, {left});"));
    }
}

/// Copies the regions that other kernels need.
pub(super) fn send(fused: &Fused<'_>, w: &mut Writer) {
    let exports = &fused.plan.cut.exports;
    if exports.is_empty() {
        return;
    }
    w.blank();
    w.comment("What the chunk's other kernels need");
    regions_row(fused, w);
    for transfer in exports {
        let (head, from) = (template("send_rows", fused, transfer), address(fused, transfer));
        let (row, offset, whole) = (&fused.handed.rows[0], transfer.offset, transfer.whole);
        w.line(format_args!("{head}({row} + {offset}, {whole}, {from});"));
    }
}

fn template(function: &str, fused: &Fused<'_>, transfer: &Transfer) -> String {
    let Transfer { rows, bytes, pitch, .. } = transfer;
    let (reads, writes, group) = transfer.lower.unwrap_or_default();
    format!("{function}<{rows}, {bytes}, {pitch}, {reads}, {writes}, {group}, {}>", fused.threads())
}

/// Where a region's part that crosses begins.
fn address(fused: &Fused<'_>, transfer: &Transfer) -> String {
    let (ty, name) = region_name(fused, transfer.region);
    match (ty, transfer.skip) {
        (Some(Type::Tile(_)), _) => format!("{name}.base"),
        (Some(_), _) => format!("reinterpret_cast<char *>({name}.base)"),
        (None, 0) => format!("reinterpret_cast<char *>({name})"),
        (None, skip) => format!("reinterpret_cast<char *>({name} + {})", skip / 4),
    }
}

/// Where a warp's 16 value columns of something begin.
fn place(fused: &Fused<'_>, hand: &Hand, (owner, column): (&Owner, &str)) -> String {
    let row = &fused.handed.rows[1];
    match owner.value {
        None => format!("{row} + {}", hand.offset),
        Some(_) if fused.plan.blocks > 1 => {
            format!(
                "{row} + {} + ({} + {column}) / {WARP_COLUMNS} * {}",
                hand.offset, fused.column, hand.tile
            )
        }
        Some(_) => format!("{row} + {} + {column} / {WARP_COLUMNS} * {}", hand.offset, hand.tile),
    }
}

/// Whether a warp has columns that are there: blocks may have more than the dim does, and of a vector's number each block has one.
fn guard(fused: &Fused<'_>, (owner, column): (&Owner, &str), gives: bool) -> String {
    let plan = fused.plan;
    let beyond = plan.blocks * plan.value_warps > plan.value_tiles();
    match owner.value {
        None if gives && plan.blocks > 1 => format!("if ({} == 0) ", fused.column),
        Some(dim) if beyond => {
            format!("if ({} + {column} < {}) ", fused.column, plan.layout.axis(dim).size)
        }
        _ => String::new(),
    }
}

/// Hands an operand on.
pub(super) fn give_operand(
    fused: &Fused<'_>,
    hand: &Hand,
    (owner, column): (&Owner, &str),
    packed: &Packed,
    w: &mut Writer,
) {
    let (place, guard) = (place(fused, hand, (owner, column)), guard(fused, (owner, column), true));
    for (part, to) in packed.parts().zip(parts_of(hand, &place)) {
        w.line(format_args!("{guard}give_operand({to}, {part});"));
    }
}

/// Hands fragment `k` of an operand on, in its parts.
pub(super) fn give_fragment(
    fused: &Fused<'_>,
    hand: &Hand,
    (owner, column): (&Owner, &str),
    (k, parts): (&str, &[String]),
    w: &mut Writer,
) {
    let (place, guard) = (place(fused, hand, (owner, column)), guard(fused, (owner, column), true));
    for (part, to) in parts.iter().zip(parts_of(hand, &place)) {
        w.line(format_args!("{guard}give_fragment({to}, {k}, {part});"));
    }
}

/// Takes an operand of `eighths` columns of 8, in its parts.
pub(super) fn take_operand(
    fused: &Fused<'_>,
    hand: &Hand,
    (owner, column): (&Owner, &str),
    (wish, eighths): (&str, u32),
    w: &mut Writer,
) -> Packed {
    let (place, guard) = (place(fused, hand, (owner, column)), guard(fused, (owner, column), false));
    let mut take = |(place, part): (String, &str)| {
        let name = fused.fresh(&format!("{wish}{part}"));
        w.line(format_args!("unsigned {name}[{}][4] = {{}};", eighths / 2));
        w.line(format_args!("{guard}take_operand({name}, {place});"));
        name
    };
    let mut parts = parts_of(hand, &place).zip(["", "_low", "_last"]).map(&mut take);
    Packed { high: parts.next().unwrap_or_default(), low: parts.next(), last: parts.next() }
}

/// Where the parts of an operand lie, the largest first.
fn parts_of(hand: &Hand, place: &str) -> impl Iterator<Item = String> {
    let at =
        move |part: u32| if part == 0 { place.to_owned() } else { format!("{place} + {}", part * hand.part) };
    (0..hand.tile / hand.part).map(at)
}

/// Hands accumulators on.
pub(super) fn give_rows(
    fused: &Fused<'_>,
    hand: &Hand,
    (owner, column): (&Owner, &str),
    rows: &str,
    w: &mut Writer,
) {
    let (place, guard) = (place(fused, hand, (owner, column)), guard(fused, (owner, column), true));
    w.line(format_args!("{guard}give_rows({place}, {rows});"));
}

/// Takes accumulators.
pub(super) fn take_rows(
    fused: &Fused<'_>,
    hand: &Hand,
    (owner, column): (&Owner, &str),
    into: &str,
    w: &mut Writer,
) {
    let (place, guard) = (place(fused, hand, (owner, column)), guard(fused, (owner, column), false));
    w.line(format_args!("{guard}take_rows({into}, {place});"));
}

/// The part of the workspace that a matrix comes from, where another kernel makes it.
pub(super) fn taken(
    fused: &Fused<'_>,
    owner: &Owner,
    held: fn(NodeId) -> Held,
    node: NodeId,
) -> Option<Hand> {
    match fused.plan.hands_on() {
        true => None,
        false => fused.plan.hand(owner.state, held(node)),
    }
}
