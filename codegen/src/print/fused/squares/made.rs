//! Squares that differ by decays alone: made once, and each takes what is made with its own.
//!
//! ```text
//! decay_between(part, fast_log, fast_log, row);  store_fine(gram_tile, part, row);                   rows before they are stored
//! store_feedback(feedback, part, row);  invert_eighths(feedback, row);                     those that rows are solved with
//! ```
//!
//! Invariant: a square that differs from no other is stored as it is, and nothing is said of it.

use super::mask;
use crate::fused::Square;
use crate::print::fused::{Fused, TileName, substitution};
use crate::writer::Writer;
use chunkwise_algebra::program::KeysId;

/// A square, and those that differ from it by decays, each with its tile.
pub(super) struct Made<'a> {
    copies: Vec<(&'a Square, &'a TileName)>,
}

impl<'a> Made<'a> {
    pub(super) fn new(copies: Vec<(&'a Square, &'a TileName)>) -> Made<'a> {
        Made { copies }
    }

    /// One of them, of which only decays are its own.
    pub(super) fn square(&self) -> &'a Square {
        self.copies[0].0
    }

    /// Whether some square takes its rows without decays of its own, or rows are solved with it: what is later is 0 before that.
    pub(super) fn as_it_is(&self) -> bool {
        self.square().feedback.is_some() || self.copies.iter().any(|(square, _)| square.decay.is_none())
    }
}

/// 16 rows of a square go where products look for them, each with its decays, or the solve.
pub(super) fn store(fused: &Fused<'_>, made: &Made<'_>, (sum, row): (&str, &str), w: &mut Writer) {
    let last = made.copies.len() - 1;
    for (at, (square, tile)) in made.copies.iter().enumerate() {
        if at == last {
            return store_copy(fused, (square, tile), (sum, row), w);
        }
        // Each copy changes the rows.
        w.block("", |w| {
            let part = fused.fresh("part");
            w.line(format_args!("float {part}[{}][4] = {{}};", square.columns / 8));
            w.line(format_args!("add_to({part}, {sum});"));
            store_copy(fused, (square, tile), (&part, row), w);
        });
    }
}

/// The rows of one square.
fn store_copy(
    fused: &Fused<'_>,
    (square, tile): (&Square, &TileName),
    (sum, row): (&str, &str),
    w: &mut Writer,
) {
    let e = fused.operand();
    if square.feedback.is_some() {
        // It decays between rows of writes, and above the diagonal no decay may make anything of its zeros.
        if let Some((_, rows)) = square.decay {
            decay(fused, (rows, rows), sum, row, w);
            w.line(format_args!("mask_later<1, 1, 0u>({sum}, {row});"));
        }
        w.line(format_args!("store_feedback({}, {sum}, {row});", tile.high));
        return w.line(format_args!("invert_eighths({}, {row});", tile.high));
    }
    if let Some((reads, writes)) = square.decay {
        decay(fused, (reads, writes), sum, row, w);
        mask(fused, reads, writes, (sum, row), w);
    }
    substitution::keep_diagonal(fused, square.node, (sum, row), w);
    if fused.plan.is_fine(square) {
        let whole = if fused.plan.is_whole(square) { "_whole" } else { "" };
        return w.line(format_args!("store_fine{whole}({}, {sum}, {row});", tile.high));
    }
    w.line(format_args!("store_rows<{e}>({}, {sum}, {row});", tile.high));
    if let Some(low) = &tile.low {
        w.line(format_args!("subtract_rounded<{e}>({sum});"));
        w.line(format_args!("store_rows<{e}>({low}, {sum}, {row});"));
    }
}

/// Multiplies by the decays between rows of a state that decays by one number.
pub(super) fn decay(fused: &Fused<'_>, (to, from): (KeysId, KeysId), into: &str, row: &str, w: &mut Writer) {
    if let (Some(read), Some(write)) = (fused.decays(to), fused.decays(from)) {
        w.line(format_args!("decay_between({into}, {}, {}, {row});", read.log, write.log));
        if let (Some(read), Some(write)) = (&read.sign, &write.sign) {
            w.line(format_args!("sign_between({into}, {read}, {write}, {row});"));
        }
    }
}
