//! A state whose value channels decay: its reads and rows, block after block of 16 tokens (`channels.cuh` says why).
//!
//! ```text
//! for each block:   reads += what rows of earlier blocks have left at its begin: a product
//!                   rows with feedback, one after the other, decaying what they keep
//!                   pairs of the block, by lengths: products with decayed rows, times what decays since
//!                   rows and later reads *= the block's decays
//! ```
//!
//! In the end rows stand at the chunk's end, as the next state takes them.

use super::recurrence::Warp;
use super::{Fused, Packed, TileName, substitution};
use crate::fused::{Finding, Square};
use crate::writer::Writer;
use chunkwise_algebra::program::{KeysId, NodeId, Op, System, SystemId};

/// Rows of writes, in accumulators.
struct Rows {
    keys: KeysId,
    values: NodeId,
    name: String,
    /// The system that makes them.
    system: Option<SystemId>,
}

/// Rows of reads, in accumulators.
struct Reads {
    finding: Finding,
    name: String,
    /// The system that seeks them.
    system: Option<SystemId>,
}

/// A read's share in a block: what decays since its begin, and what it finds of the block.
struct Near {
    since: String,
    sum: String,
}

/// Computes the rows and the reads of this warp's state.
pub(super) fn print(warp: &mut Warp<'_, '_>, clock: usize, w: &mut Writer) {
    let (fused, state) = (warp.fused, warp.owner.state);
    let plan = fused.plan;
    let rows: Vec<Rows> = rows(warp, w);
    let mut reads: Vec<Reads> = Vec::new();
    for (node, finding) in plan.findings(state) {
        let name = fused.fresh("p");
        let eighths = fused.eighths(plan.chunk.node(node).rows);
        w.line(format_args!("float {name}[{eighths}][4] = {{}};"));
        warp.accumulate(finding.tap, &name, true, w);
        let seeks = |s: &System| s.sought.iter().any(|s| s.found == node);
        let system = plan.chunk.systems.iter().position(seeks).map(|at| SystemId(at as u32));
        warp.known.insert(node, name.clone());
        reads.push(Reads { finding, name, system });
    }
    let walk = Walk {
        fused,
        column: warp.column.clone(),
        decays: fused.channels[clock].clone(),
        block: fused.fresh("block"),
        half: fused.fresh("half"),
    };
    let blocks = plan.tokens / 16;
    w.line("#pragma unroll");
    w.block(format_args!("for (int {0} = 0; {0} < {blocks}; ++{0})", walk.block), |w| {
        walk.earlier(&rows, &reads, w);
        for row in &rows {
            let Some(system) = row.system else { continue };
            let found =
                reads.iter().find(|r| r.system == Some(system)).map_or(String::new(), |r| r.name.clone());
            substitution::block(
                fused,
                (warp.owner, &walk.column),
                system,
                (found, row.name.clone(), &walk.block),
                w,
            );
        }
        walk.near(&rows, &reads, w);
    });
    for row in rows {
        warp.known.insert(row.values, row.name);
    }
}

/// Accumulators of everything that is written to the state; rows with feedback are not there yet.
fn rows(warp: &mut Warp<'_, '_>, w: &mut Writer) -> Vec<Rows> {
    let (fused, state) = (warp.fused, warp.owner.state);
    let chunk = &fused.plan.chunk;
    let mut rows = Vec::new();
    for deposit in chunk.deposits.iter().filter(|d| chunk.keys(d.keys).state == state) {
        let (name, system) = match chunk.node(deposit.values).op {
            Op::Solved(system, _) => {
                let name = fused.fresh("u");
                w.line(format_args!(
                    "float {name}[{}][4] = {{}};",
                    fused.eighths(chunk.node(deposit.values).rows)
                ));
                (name, Some(system))
            }
            _ => (warp.matrix(deposit.values, "u", w), None),
        };
        rows.push(Rows { keys: deposit.keys, values: deposit.values, name, system });
    }
    rows
}

struct Walk<'a, 'b> {
    fused: &'a Fused<'b>,
    /// The first of the warp's columns.
    column: String,
    /// Rows of decays.
    decays: String,
    block: String,
    half: String,
}

impl Walk<'_, '_> {
    /// The square between reads and rows; `None` where those reads find nothing of these rows.
    fn square(&self, reads: &Reads, row: &Rows) -> Option<(&Square, &TileName)> {
        let plan = self.fused.plan;
        let own = row.system.is_some() && row.system == reads.system;
        let reached = reads.finding.rows.iter().any(|(_, values)| *values == row.values);
        let gram = plan.gram_of(reads.finding.reads, row.keys).filter(|_| own || reached)?;
        let at = plan.square_of(gram)?;
        Some((&plan.squares[at], &self.fused.squares[at]))
    }

    fn slots(&self, keys: KeysId) -> usize {
        self.fused.plan.chunk.keys(keys).slots.len()
    }

    /// A block's rows as an operand.
    fn pack(&self, rows: &Rows, block: Option<&str>, w: &mut Writer) -> Packed {
        let (fused, slots) = (self.fused, self.slots(rows.keys));
        let (high, e) = (fused.fresh("packed"), fused.operand());
        let eighths = fused.plan.rows(slots) / 8;
        let mut part = |name: &str, all: &str, one: &str| {
            w.line(format_args!("unsigned {name}[{}][4] = {{}};", eighths / 2));
            w.line(match block {
                None => format!("{all}<{e}>({name}, {});", rows.name),
                Some(block) => format!("{one}<{e}, {slots}>({name}, {}, {block});", rows.name),
            });
        };
        part(&high, "pack_pairs", "pack_block");
        // In two parts what is fed back, whatever the precision of other products.
        let low = (fused.plan.split || rows.system.is_some()).then(|| fused.fresh("packed_low"));
        if let Some(low) = &low {
            part(low, "pack_rest", "pack_block_rest");
        }
        Packed { high, low, last: None }
    }

    /// What the rows of earlier blocks have left at the block's begin.
    fn earlier(&self, rows: &[Rows], reads: &[Reads], w: &mut Writer) {
        let (fused, e) = (self.fused, self.fused.operand());
        for row in rows {
            let found = reads.iter().filter_map(|read| Some((read, self.square(read, row)?)));
            let (whole, rounded): (Vec<_>, Vec<_>) =
                found.partition(|(_, (square, _))| fused.plan.is_whole(square));
            let slots =
                |read: &Reads| format!("{}, {}", self.slots(read.finding.reads), self.slots(row.keys));
            for (read, (_, tile)) in whole {
                let to = (read.name.as_str(), row.name.as_str());
                substitution::earlier_whole(&slots(read), to, (&tile.high, &self.block), w);
            }
            if rounded.is_empty() {
                continue;
            }
            w.block("", |w| {
                let packed = self.pack(row, None, w);
                for (read, (_, tile)) in rounded {
                    let head = format!("multiply_earlier<{e}, {}>", slots(read));
                    fused.product((&head, &read.name, &format!(", {}", self.block)), &packed, tile, w);
                }
            });
        }
    }

    /// Pairs of the block, then the block's end.
    fn near(&self, rows: &[Rows], reads: &[Reads], w: &mut Writer) {
        let fused = self.fused;
        let Walk { column, decays, block, half, .. } = self;
        let plain: Vec<&Reads> = reads.iter().filter(|r| r.system.is_none()).collect();
        let near = plain.iter().map(|read| {
            let near = Near { since: fused.fresh("since"), sum: fused.fresh("near") };
            let eighths = 2 * self.slots(read.finding.reads);
            w.line(format_args!("float {}[{eighths}][4], {}[{eighths}][4] = {{}};", near.since, near.sum));
            w.line(format_args!("fill_ones({});", near.since));
            near
        });
        let near: Vec<Near> = near.collect();
        let place = format!("{decays}, {column}, {block}");
        self.length(rows, &plain, &near, "0", w);
        for row in rows {
            let (slots, after) = (self.slots(row.keys), fused.plan.after(row.keys));
            w.line(format_args!("decay_in_token<{slots}, {after}u, false>({}, {place});", row.name));
        }
        if self.crosses(rows, &plain) {
            self.length(rows, &plain, &near, "-1", w);
        }
        for (read, near) in plain.iter().zip(&near) {
            let (slots, after) = (self.slots(read.finding.reads), fused.plan.after(read.finding.reads));
            w.line(format_args!("decay_in_token<{slots}, {after}u, true>({}, {place});", near.since));
        }
        w.line("#pragma unroll");
        w.block(format_args!("for (int {half} = 1; {half} < 16; {half} *= 2)"), |w| {
            self.length(rows, &plain, &near, half, w);
            for row in rows {
                let slots = self.slots(row.keys);
                w.line(format_args!("decay_to_end<{slots}>({}, {place}, {half});", row.name));
            }
            for (read, near) in plain.iter().zip(&near) {
                let slots = self.slots(read.finding.reads);
                w.line(format_args!("decay_from_begin<{slots}>({}, {place}, {half});", near.since));
            }
            w.line(format_args!("join_runs({place}, {half});"));
        });
        for (read, near) in plain.iter().zip(&near) {
            let slots = self.slots(read.finding.reads);
            w.line(format_args!(
                "finish_block<{slots}>({}, {}, {}, {block});",
                read.name, near.since, near.sum
            ));
        }
        self.end(rows, reads, w);
    }

    /// Rows of earlier blocks and reads of later ones decay by the whole block.
    fn end(&self, rows: &[Rows], reads: &[Reads], w: &mut Writer) {
        let Walk { column, decays, block, .. } = self;
        let (place, blocks) = (format!("{decays}, {column}, {block}"), self.fused.plan.tokens / 16);
        for row in rows {
            let slots = self.slots(row.keys);
            w.line(format_args!("decay_blocks<{slots}>({}, {place}, 0, {block});", row.name));
        }
        for read in reads {
            let slots = self.slots(read.finding.reads);
            w.line(format_args!("decay_blocks<{slots}>({}, {place}, {block} + 1, {blocks});", read.name));
        }
    }

    /// Whether a read after a token's decay finds a row from before it.
    fn crosses(&self, rows: &[Rows], reads: &[&Reads]) -> bool {
        let plan = self.fused.plan;
        rows.iter().any(|row| reads.iter().any(|read| plan.crosses(read.finding.reads, row.keys)))
    }

    /// Adds the pairs of one length.
    fn length(&self, rows: &[Rows], reads: &[&Reads], near: &[Near], half: &str, w: &mut Writer) {
        let (fused, plan) = (self.fused, self.fused.plan);
        let wanted = |read: &Reads, row: &Rows| half != "-1" || plan.crosses(read.finding.reads, row.keys);
        for row in rows {
            let found = reads.iter().zip(near).filter(|(read, _)| wanted(read, row));
            let found = found.filter_map(|(read, near)| Some((*read, near, self.square(read, row)?)));
            let (whole, rounded): (Vec<_>, Vec<_>) =
                found.partition(|(.., (square, _))| plan.is_whole(square));
            for (read, near, (_, tile)) in whole {
                let head = format!("multiply_pairs_whole<{}>", self.pair(read, row));
                self.add_pairs(near, read, w, |part, w| {
                    w.line(format_args!(
                        "{head}({part}, {}, {}, {}, {half});",
                        row.name, tile.high, self.block
                    ));
                });
            }
            if rounded.is_empty() {
                continue;
            }
            w.block("", |w| {
                let packed = self.pack(row, Some(&self.block), w);
                for (read, near, (_, tile)) in rounded {
                    let head = format!("multiply_pairs<{}, {}>", fused.operand(), self.pair(read, row));
                    let tail = format!(", {}, {half}", self.block);
                    self.add_pairs(near, read, w, |part, w| {
                        fused.product((&head, part, &tail), &packed, tile, w);
                    });
                }
            });
        }
    }

    /// Slots of reads and of rows, and which of them stand after the token's decay, as template arguments.
    fn pair(&self, read: &Reads, row: &Rows) -> String {
        let (reads, writes) = (read.finding.reads, row.keys);
        let after = |keys: KeysId| self.fused.plan.after(keys);
        format!("{}, {}, {}u, {}u", self.slots(reads), self.slots(writes), after(reads), after(writes))
    }

    /// Adds a product of pairs to what a read finds of the block.
    fn add_pairs(&self, near: &Near, read: &Reads, w: &mut Writer, product: impl FnOnce(&str, &mut Writer)) {
        w.block("", |w| {
            let part = self.fused.fresh("part");
            w.line(format_args!("float {part}[{}][4] = {{}};", 2 * self.slots(read.finding.reads)));
            product(&part, w);
            w.line(format_args!("add_since({}, {}, {part});", near.sum, near.since));
        });
    }
}
