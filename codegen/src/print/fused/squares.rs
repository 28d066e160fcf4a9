//! The square matrices of a chunk: Gram matrices and inverses, 16 rows a warp.

use super::Fused;
use crate::fused::Square;
use crate::writer::Writer;
use chunkwise_algebra::program::{KeysId, NodeId, Op};

/// Every square that a product needs, into its tile.
pub(super) fn print(fused: &Fused<'_>, w: &mut Writer) {
    let squares = || fused.plan.squares.iter().zip(&fused.squares);
    if fused.plan.squares.is_empty() {
        return;
    }
    w.blank();
    w.comment("Square matrices: rows are reads, columns are writes");
    for (square, tile) in squares() {
        let rows = match square.inverse_of {
            Some(m) => (m, format!("store_square({}, ", fused.exact)),
            None => (square.node, format!("store_rows<{}>({tile}, ", fused.operand())),
        };
        row_blocks(fused, *square, rows, w);
        if square.inverse_of.is_some() {
            let (rows, warps) = (square.rows, fused.plan.warps);
            fused.barrier(w);
            w.line(format_args!("invert_diagonal<{rows}, {warps}>({});", fused.exact));
            fused.barrier(w);
            w.line(format_args!(
                "merge_blocks<{}, {rows}, {warps}>({tile}, {});",
                fused.operand(),
                fused.exact
            ));
        }
    }
    fused.barrier(w);
}

fn row_blocks(fused: &Fused<'_>, square: Square, (node, store): (NodeId, String), w: &mut Writer) {
    let (step, row) = (fused.plan.warps * 16, &fused.row);
    let head = match square.rows <= step {
        true => format!("if (const int {row} = {} * 16; {row} < {})", fused.warp, square.rows),
        false => format!("for (int {row} = {} * 16; {row} < {}; {row} += {step})", fused.warp, square.rows),
    };
    w.block(head, |w| {
        let sum = fused.fresh("sum");
        w.line(format_args!("float {sum}[{}][4] = {{}};", square.columns / 8));
        accumulate(fused, square, node, &sum, true, w);
        w.line(format_args!("{store}{sum}, {row});"));
    });
}

/// Adds 16 rows of a matrix to `into`, which is zero where `fresh`.
fn accumulate(fused: &Fused<'_>, square: Square, node: NodeId, into: &str, fresh: bool, w: &mut Writer) {
    match &fused.plan.chunk.node(node).op {
        Op::Add(x, y) => {
            accumulate(fused, square, *x, into, fresh, w);
            accumulate(fused, square, *y, into, false, w);
        }
        Op::Gram(reads, writes) if fresh => gram(fused, *reads, *writes, into, w),
        Op::Scale(by, x) => {
            let coefficient = fused.coefficient(by).to_owned();
            inner(fused, square, *x, w, |name, w| {
                w.line(format_args!("add_scaled_rows({into}, {name}, {coefficient}, {});", fused.row));
            });
        }
        _ => inner(fused, square, node, w, |name, w| w.line(format_args!("add_to({into}, {name});"))),
    }
}

/// A matrix in registers of its own.
fn inner(
    fused: &Fused<'_>,
    square: Square,
    node: NodeId,
    w: &mut Writer,
    then: impl FnOnce(&str, &mut Writer),
) {
    w.block("", |w| {
        let part = fused.fresh("part");
        w.line(format_args!("float {part}[{}][4] = {{}};", square.columns / 8));
        accumulate(fused, square, node, &part, true, w);
        then(&part, w);
    });
}

fn gram(fused: &Fused<'_>, reads: KeysId, writes: KeysId, into: &str, w: &mut Writer) {
    let chunk = &fused.plan.chunk;
    let (b, a) = (chunk.keys(reads), chunk.keys(writes));
    let (r, s) = (b.slots.len(), a.slots.len());
    let row = &fused.row;
    w.line(format_args!(
        "gram<{}, {r}, {s}>({into}, {}, {}, {row});",
        fused.operand(),
        fused.keys(reads),
        fused.keys(writes)
    ));
    if let (Some([read, ..]), Some([write, ..])) = (fused.decays(reads), fused.decays(writes)) {
        w.line(format_args!("decay_between({into}, {read}, {write}, {row});"));
    }
    let mut same = 0u32;
    for (i, read) in b.slots.iter().enumerate() {
        for (j, write) in a.slots.iter().enumerate() {
            same |= u32::from(write.event < read.event) << (i * s + j);
        }
    }
    w.line(format_args!("mask_later<{r}, {s}, {same}u>({into}, {row});"));
}
