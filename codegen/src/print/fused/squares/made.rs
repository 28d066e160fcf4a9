//! Squares that differ by decays alone: made once, and each takes what is made with its own.
//!
//! ```text
//! const auto inverses = both(faded(inverse_tile, fast_log), faded(inverse_tile_1, slow_log));
//! invert_block<..>(inverses, exact, row);  ..  merge_blocks<..>(inverses, exact);       blocks as they are put
//! decay_between(part, fast_log, fast_log, row);  store_fine(gram_tile, part, row);      rows before they are stored
//! ```
//!
//! Invariant: a square that differs from no other is stored as it is, and nothing is said of it.

use super::mask;
use crate::fused::Square;
use crate::print::fused::{Fused, TileName, substitution};
use crate::writer::Writer;
use chunkwise_algebra::program::KeysId;

/// A square, and those that differ from it by decays.
pub(super) struct Made<'a> {
    /// Each with its tile.
    copies: Vec<(&'a Square, &'a TileName)>,
    /// Where the blocks of an inverse are put.
    pub(super) to: String,
}

impl<'a> Made<'a> {
    /// Names where an inverse goes, if that is more than a tile.
    pub(super) fn new(
        fused: &'a Fused<'_>,
        copies: Vec<(&'a Square, &'a TileName)>,
        w: &mut Writer,
    ) -> Made<'a> {
        if fused.plan.is_whole(copies[0].0) {
            let all: Vec<String> = copies.iter().map(|(square, tile)| whole(fused, square, tile)).collect();
            return Made { copies, to: all.join(", ") };
        }
        let faded = |(square, tile): &(&Square, &TileName)| {
            let to = whole_tile(fused, square, tile);
            let Some(rows) = square.decay.and_then(|(_, from)| fused.decays(from)) else { return to };
            let to = rows.sign.as_ref().map_or(to.clone(), |sign| format!("turned({to}, {sign})"));
            format!("faded({to}, {})", rows.log)
        };
        let mut all: Vec<String> = copies.iter().map(faded).collect();
        let last = all.pop().unwrap_or_default();
        let to = all.into_iter().rev().fold(last, |rest, to| format!("both({to}, {rest})"));
        let is_tile = matches!(copies[..], [(square, _)] if square.decay.is_none());
        let mut made = Made { copies, to };
        if made.square().inverse_of.is_some() && !is_tile {
            let name = fused.fresh("inverses");
            w.line(format_args!("const auto {name} = {};", made.to));
            made.to = name;
        }
        made
    }

    /// One of them, of which only decays are its own.
    pub(super) fn square(&self) -> &'a Square {
        self.copies[0].0
    }

    /// Whether rows are stored without decays of their own, or inverted so.
    pub(super) fn as_it_is(&self) -> bool {
        self.square().inverse_of.is_some() || self.copies.iter().any(|(square, _)| square.decay.is_none())
    }
}

/// 16 rows of a square go where products look for them, each with its decays, or where the inverse is made.
pub(super) fn store(fused: &Fused<'_>, made: &Made<'_>, (sum, row): (&str, &str), w: &mut Writer) {
    let e = fused.operand();
    if made.square().inverse_of.is_some() {
        let exact = fused.exact(made.square());
        if fused.plan.is_whole(made.square()) {
            w.line(format_args!("store_whole({exact}, {sum}, {row});"));
            return w.line(format_args!("invert_whole({exact}, {row}, {});", made.to));
        }
        w.line(format_args!("store_parts<{e}>({exact}, {sum}, {row});"));
        return w.line(format_args!("invert_block<{e}>({}, {exact}, {row});", made.to));
    }
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

/// Where the blocks of an inverse in f32 go, with its decays and their signs.
fn whole(fused: &Fused<'_>, square: &Square, tile: &TileName) -> String {
    let rows = square.decay.and_then(|(_, from)| fused.decays(from));
    let log = rows.map_or("nullptr", |rows| &rows.log);
    let sign = rows.and_then(|rows| rows.sign.as_deref()).unwrap_or("nullptr");
    format!("Whole<{}>{{{}, {log}, {sign}}}", square.rows, tile.high)
}

/// The tile of an inverse, all parts of it.
fn whole_tile(fused: &Fused<'_>, square: &Square, tile: &TileName) -> String {
    if fused.plan.is_fine(square) { tile.high.clone() } else { tile.both(square.rows) }
}
