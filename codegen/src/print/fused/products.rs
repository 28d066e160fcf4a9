//! How a product of named operands is said: in one part each, or in all products of parts that matter.
//!
//! ```text
//! multiply_lower<E, 1, 1>(p, packed_low, gram_tile);  ..(p, packed, gram_rest);  ..(p, packed, gram_tile);       a product a part
//! for (int part = 3; part < 6; ++part) { gram<E, 1, 1>(sum, left_part(part, ..), right_part(part, ..), row); }   one text for all
//! ```

use super::{Fused, TileName};
use crate::writer::Writer;
use chunkwise_algebra::program::KeysId;

/// The first product of two parts each; see `left_part` in the kernel's helpers.
pub(super) const TWO_PARTS: &str = "3";

/// Numbers in registers as the left operand of a product: rounded, what rounding lost, and of a state that is whole what that lost.
#[derive(Clone, Default)]
pub(super) struct Packed {
    pub(super) high: String,
    pub(super) low: Option<String>,
    pub(super) last: Option<String>,
}

impl Packed {
    /// Its parts, the largest first.
    pub(super) fn parts(&self) -> impl Iterator<Item = &String> {
        [&self.high].into_iter().chain(&self.low).chain(&self.last)
    }
}

impl Fused<'_> {
    /// A product of parts: `head(into, a, b, tail)` for the rounded parts, and for each part that rounding lost.
    pub(super) fn product(
        &self,
        (head, into, tail): (&str, &str, &str),
        a: &Packed,
        b: &TileName,
        w: &mut Writer,
    ) {
        if let Some(low) = &a.low {
            w.line(format_args!("{head}({into}, {low}, {}{tail});", b.high));
        }
        if let Some(low) = &b.low {
            w.line(format_args!("{head}({into}, {}, {low}{tail});", a.high));
        }
        w.line(format_args!("{head}({into}, {}, {}{tail});", a.high, b.high));
    }

    /// The products of two tiles in all their parts, one after the other: of one text, since compilers take their time over each.
    pub(super) fn products(&self, call: (&str, &str, &str), a: &TileName, b: &TileName, w: &mut Writer) {
        let first = if a.last.is_some() && b.last.is_some() { "0" } else { TWO_PARTS };
        self.products_from(first, call, a, b, w);
    }

    /// The same where it is known as late as in the kernel whether they are in three parts, from product 0 on, or in two.
    pub(super) fn products_from(
        &self,
        first: &str,
        (head, into, tail): (&str, &str, &str),
        a: &TileName,
        b: &TileName,
        w: &mut Writer,
    ) {
        let (Some(a_low), Some(b_low)) = (&a.low, &b.low) else {
            return self.product((head, into, tail), &left(a), b, w);
        };
        let [a_last, b_last] = [(a, a_low), (b, b_low)].map(|(tile, low)| tile.last.as_ref().unwrap_or(low));
        let part = self.fresh("part");
        w.line("#pragma unroll 1");
        w.block(format_args!("for (int {part} = {first}; {part} < 6; ++{part})"), |w| {
            let left = format!("left_part({part}, {}, {a_low}, {a_last})", a.high);
            let right = format!("right_part({part}, {}, {b_low}, {b_last})", b.high);
            w.line(format_args!("{head}({into}, {left}, {right}{tail});"));
        });
    }

    /// Adds to a state what rows leave in it by the keys of a tile, with all bits of the rows; and of the keys, where they stay.
    pub(super) fn deposit_whole(
        &self,
        state: &str,
        rows: &str,
        (id, keys): (KeysId, &TileName),
        w: &mut Writer,
    ) {
        let last = keys.last.as_ref().filter(|_| self.plan.stays_whole(id));
        let smaller = keys.low.iter().chain(last).map(|part| format!(", {part}")).collect::<String>();
        let e = self.operand();
        w.line(format_args!("multiply_columns_whole<{e}>({state}, {rows}, {}{smaller});", keys.high));
    }

    /// Packs accumulators of `rows` columns of 8, in two parts where `split`.
    pub(super) fn pack(&self, from: &str, eighths: u32, split: bool, wish: &str, w: &mut Writer) -> Packed {
        let high = self.fresh(wish);
        w.line(format_args!("unsigned {high}[{}][4];", eighths / 2));
        w.line(format_args!("pack_pairs<{}>({high}, {from});", self.operand()));
        let low = split.then(|| {
            let low = self.fresh(&format!("{wish}_low"));
            w.line(format_args!("unsigned {low}[{}][4];", eighths / 2));
            w.line(format_args!("pack_rest<{}>({low}, {from});", self.operand()));
            low
        });
        Packed { high, low, last: None }
    }
}

/// A tile as the left side of a product of tiles.
fn left(tile: &TileName) -> Packed {
    Packed { high: tile.high.clone(), low: tile.low.clone(), last: None }
}
