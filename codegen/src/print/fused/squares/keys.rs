//! Keys of states that decay by channel, as products take them, and what is found of pairs of tokens (`keys.cuh` says why).
//!
//! ```text
//! for each length within a block:   decay_since_middle(reads), decay_until_middle(writes); add_near(..)    a warp by itself
//! store_near(..)                    all wait
//! for each length of blocks:        decay_since(reads), decay_until(writes)                                all wait
//!                                   add_far(..), 16 rows a warp                                            all wait
//! decay_since(reads), decay_until(writes), from the chunk's begin and to its end
//! ```
//!
//! A warp has a block of 16 tokens, 64 columns at a time; where there are more warps than blocks, some share one.

use super::{Task, slots, written};
use crate::fused::{ClockKind, Decayed};
use crate::print::fused::{ClockNames, Fused, TileName};
use crate::writer::Writer;
use chunkwise_algebra::program::{KeysId, Op, Phase};

/// What a warp has: names of its block, of its number among the warps of that block, and of a lane's columns.
struct Place<'a, 'b> {
    fused: &'a Fused<'b>,
    block: String,
    part: String,
    strip: String,
    lane: String,
    column: String,
    /// Columns of keys.
    columns: u32,
    /// Blocks of 16 tokens.
    blocks: u32,
}

/// A clock by channel: the rows of decays, and the decays of blocks and of the chunk.
struct Clock<'a> {
    at: usize,
    decay: &'a str,
    blocks: &'a str,
    all: &'a str,
}

/// A Gram matrix, by position among those that have pairs of one token.
struct Gram {
    own: usize,
    reads: KeysId,
    writes: KeysId,
    /// The accumulators of pairs within a block.
    sum: String,
}

/// The Gram matrices, but for pairs within blocks, which those who fill the squares take; then the keys as states take them.
pub(super) fn print(fused: &Fused<'_>, all: &[Task<'_>], w: &mut Writer) {
    let plan = fused.plan;
    let names = ["block", "part", "strip", "lane", "column"].map(|wish| fused.fresh(wish));
    let [block, part, strip, lane, column] = names;
    let (blocks, columns) = (plan.tokens / 16, plan.columns(plan.dims.0));
    // What follows from it would take registers of a tight kernel from chunk to chunk.
    let warp = match plan.is_tight() {
        true => "fresh_warp()".to_owned(),
        false => fused.warp_from(plan.crew(Phase::Before).start),
    };
    w.line(format_args!("const int {block} = {warp} % {blocks}, {part} = {warp} / {blocks};"));
    let place = Place { fused, block, part, strip, lane, column, columns, blocks };
    let grams = grams(fused);
    near(&place, &grams, w);
    fused.barrier(Phase::Before, w);
    if place.blocks > 1 && !grams.is_empty() {
        far(&place, w);
        fused.barrier(Phase::Before, w);
        let half = fused.fresh("half");
        w.line("#pragma unroll 1");
        w.block(format_args!("for (int {half} = 16; {half} < {}; {half} *= 2)", plan.tokens), |w| {
            all.iter().for_each(|task| add_far(fused, task, &half, w));
        });
        fused.barrier(Phase::Before, w);
    }
    place.each_strip(w, |w| {
        for clock in clocks(fused) {
            place.whole(&clock, w);
        }
    });
}

/// What pairs within a block of 16 tokens add to 16 rows of a Gram matrix.
pub(super) fn take_near(fused: &Fused<'_>, slots: &str, into: &str, near: &str, row: &str, w: &mut Writer) {
    w.line(format_args!("take_near<{slots}, {}>({into}, {near}, {row});", fused.plan.near_parts));
}

fn clocks<'a>(fused: &'a Fused<'_>) -> Vec<Clock<'a>> {
    let named = fused.plan.clocks.iter().zip(&fused.clocks).enumerate();
    let by_channel = named.filter_map(|(at, (clock, names))| match (&clock.kind, names) {
        (ClockKind::ByChannel { .. }, ClockNames::ByChannel { decay, all, blocks }) => {
            // One block is the chunk.
            Some(Clock { at, decay, blocks: if fused.plan.tokens > 16 { blocks } else { all }, all })
        }
        _ => None,
    });
    by_channel.collect()
}

fn grams(fused: &Fused<'_>) -> Vec<Gram> {
    let plan = fused.plan;
    let own = plan.own.iter().enumerate().filter(|(_, own)| plan.is_by_channel(own));
    let gram = |(at, own): (usize, &crate::fused::Own)| match plan.chunk.node(own.gram).op {
        Op::Gram(reads, writes) => Some(Gram { own: at, reads, writes, sum: fused.fresh("pairs") }),
        _ => None,
    };
    own.filter_map(gram).collect()
}

/// Adds pairs of blocks of one length.
fn add_far(fused: &Fused<'_>, task: &Task<'_>, half: &str, w: &mut Writer) {
    let rows = match task {
        Task::One(rows) => rows,
        Task::Alike(alike) => return alike.add_far(fused, half, w),
    };
    for (node, name) in &rows.grams {
        let Op::Gram(reads, writes) = fused.plan.chunk.node(*node).op else { continue };
        w.block(format_args!("if ({} < {})", rows.row, rows.square.rows), |w| {
            let head = format!("add_far<{}, {}>", fused.operand(), slots(fused, reads, writes));
            let call = (head.as_str(), name.as_str(), &*format!(", {}, {half}", rows.row));
            products(fused, call, (reads, writes), w);
        });
    }
}

/// Products of decayed keys, in all their parts.
fn products(fused: &Fused<'_>, call: (&str, &str, &str), (reads, writes): (KeysId, KeysId), w: &mut Writer) {
    let (reads, writes) = (fused.state_keys(reads), written(fused, fused.state_keys(writes)));
    fused.products(call, &reads, &writes, w);
}

/// Pairs within a block: every length, and first those within runs whose decays are proven not to vanish, in one product.
fn near(place: &Place<'_, '_>, grams: &[Gram], w: &mut Writer) {
    let (fused, plan) = (place.fused, place.fused.plan);
    let slots_of = |keys: KeysId| plan.chunk.keys(keys).slots.len();
    w.comment("Pairs within blocks of 16 tokens, of which a warp has one");
    for Gram { reads, writes, sum, .. } in grams {
        w.line(format_args!("float {sum}[{}][{}][4] = {{}};", slots_of(*reads), 2 * slots_of(*writes)));
    }
    let span = plan.span();
    let halves = [8, 4, 2, 1].into_iter().filter(|half| *half >= span).map(|half| (half, false));
    let lengths: Vec<(u32, bool)> = (span > 1).then_some((span, true)).into_iter().chain(halves).collect();
    place.each_strip(w, |w| {
        for clock in clocks(fused) {
            let (columns, block, column) = (place.columns, &place.block, &place.column);
            let mine = |keys: KeysId| plan.clocks[clock.at].states.contains(&plan.chunk.keys(keys).state);
            let grams: Vec<&Gram> = grams.iter().filter(|gram| mine(gram.reads)).collect();
            w.block("", |w| {
                let decays = fused.fresh("decays");
                w.line(format_args!("float2 {decays}[16];"));
                w.line(format_args!("load_decays<{columns}>({decays}, {}, {block}, {column});", clock.decay));
                w.line(format_args!(
                    "decay_block<{columns}>({}, {decays}, {block}, {column});",
                    clock.blocks
                ));
                for (nth, &(length, run)) in lengths.iter().enumerate().filter(|_| !grams.is_empty()) {
                    if nth > 0 {
                        w.line("__syncwarp();");
                    }
                    place.decay_near(&clock, (length, run), &decays, w);
                    w.line("__syncwarp();");
                    grams.iter().for_each(|gram| place.add_near(gram, (length, run), w));
                }
            });
        }
    });
    place.if_mine(w, |w| {
        for Gram { own, reads, writes, sum } in grams {
            let (reads, eighths) = (slots_of(*reads), 2 * slots_of(*writes));
            let floats = plan.tokens as usize * reads * eighths * 8;
            let to = format!("{} + {} * {floats}", fused.near[*own], place.part);
            w.line(format_args!("store_near<{reads}, {eighths}>({to}, {sum}, {});", place.block));
        }
    });
}

/// Keys of pairs of blocks: reads in the second half of a run from its middle, writes in the first half until there.
fn far(place: &Place<'_, '_>, w: &mut Writer) {
    let (fused, block) = (place.fused, &place.block);
    w.comment("Pairs of blocks");
    place.each_strip(w, |w| {
        let [half, length] = ["half", "length"].map(|wish| fused.fresh(wish));
        w.line("#pragma unroll 1");
        w.block(format_args!("for (int {half} = 16; {half} < {}; {half} *= 2)", fused.plan.tokens), |w| {
            w.line(format_args!("const int {length} = {half} / 16;"));
            for clock in clocks(fused) {
                let side = |writes: bool, w: &mut Writer| {
                    let at = format!("far_place<{writes}>({block}, {half})");
                    let (first, end) = match writes {
                        false => (format!("{block} & -{length}"), block.clone()),
                        true => (format!("{block} + 1"), format!("({block} & -{length}) + {length}")),
                    };
                    place.decay_rows(&clock, writes, (&at, false), (&first, &end), w);
                };
                let both = format!("if ({block} & {length})");
                w.either(both, |w| side(false, w), |w| side(true, w));
            }
        });
    });
}

impl Place<'_, '_> {
    /// What the warps do that have a block; some have none where there are more than parts.
    fn if_mine(&self, w: &mut Writer, body: impl FnOnce(&mut Writer)) {
        let (plan, parts) = (self.fused.plan, self.fused.plan.near_parts);
        if plan.crew(Phase::Before).len() as u32 == parts * self.blocks {
            return body(w);
        }
        w.block(format_args!("if ({} < {parts})", self.part), body);
    }

    /// The same, strip by strip of 64 columns.
    fn each_strip(&self, w: &mut Writer, body: impl FnOnce(&mut Writer)) {
        let Place { part, strip, lane, column, columns, .. } = self;
        let parts = self.fused.plan.near_parts;
        self.if_mine(w, |w| {
            w.line("#pragma unroll 1");
            let steps = format!("int {strip} = {part} * 64; {strip} < {columns}; {strip} += {}", parts * 64);
            w.block(format_args!("for ({steps})"), |w| {
                w.line(format_args!("const int {lane} = fresh_lane(), {column} = {strip} + {lane} * 2;"));
                body(w);
            });
        });
    }

    /// Keys that decay by a clock.
    fn decayed(&self, clock: &Clock<'_>) -> impl Iterator<Item = (&Decayed, &TileName)> {
        let (plan, at) = (self.fused.plan, clock.at);
        let all = plan.decayed.iter().zip(&self.fused.decayed);
        all.filter(move |(d, _)| plan.clocks[at].states.contains(&plan.chunk.keys(d.keys).state))
    }

    /// `E, split, slots, after`, of keys.
    fn form(&self, decayed: &Decayed, split: bool) -> String {
        let slots = self.fused.plan.chunk.keys(decayed.keys).slots.len();
        format!("{}, {split}, {slots}, {}u", self.fused.operand(), decayed.after)
    }

    /// The tiles of decayed keys, and the rows that they are made from.
    fn tiles(&self, decayed: &Decayed, tile: &TileName) -> [String; 2] {
        let (operand, rows) =
            (&self.fused.plan.operands[decayed.operand], &self.fused.operands[decayed.operand]);
        let floats = self.fused.plan.is_floats(operand);
        [self.parts(tile), if floats { rows.high.clone() } else { self.parts(rows) }]
    }

    /// A tile in its parts.
    fn parts(&self, tile: &TileName) -> String {
        let both = tile.both(self.columns);
        tile.last.as_ref().map_or(both.clone(), |last| format!("Three<{}>{{{both}, {last}}}", self.columns))
    }

    fn decay_near(&self, clock: &Clock<'_>, (length, run): (u32, bool), decays: &str, w: &mut Writer) {
        for (decayed, tile) in self.decayed(clock) {
            let (form, [to, from]) = (self.form(decayed, self.fused.plan.split), self.tiles(decayed, tile));
            let head = match (run, decayed.writes) {
                (true, lift) => format!("decay_since_begin<{form}, {length}, {lift}>"),
                (false, true) => format!("decay_until_middle<{form}, {length}>"),
                (false, false) => format!("decay_since_middle<{form}, {length}>"),
            };
            w.line(format_args!("{head}({to}, {from}, {decays}, {}, {});", self.block, self.column));
        }
    }

    fn add_near(&self, gram: &Gram, (length, run): (u32, bool), w: &mut Writer) {
        let (fused, slots) = (self.fused, slots(self.fused, gram.reads, gram.writes));
        let head = format!("add_near<{}, {slots}, {length}, {run}>", fused.operand());
        let tail = format!(", {}, {}, {}", self.block, self.strip, self.lane);
        products(fused, (&head, &gram.sum, &tail), (gram.reads, gram.writes), w);
    }

    /// Decays the reads or the writes of the block, with those of the blocks from `first` on and before `end`, into the rows of
    /// block `at`; in as many parts as the state takes, or as the squares.
    fn decay_rows(
        &self,
        clock: &Clock<'_>,
        writes: bool,
        (at, of_state): (&str, bool),
        (first, end): (&str, &str),
        w: &mut Writer,
    ) {
        let (fused, columns, block, column) = (self.fused, self.columns, &self.block, &self.column);
        let others = format!("decay_of_blocks<{columns}>({}, {first}, {end}, {column})", clock.blocks);
        let name = if writes { "decay_until" } else { "decay_since" };
        for (decayed, tile) in self.decayed(clock).filter(|(decayed, _)| decayed.writes == writes) {
            let split = if of_state { fused.plan.decayed_split(decayed) } else { fused.plan.split };
            let (form, [to, from]) = (self.form(decayed, split), self.tiles(decayed, tile));
            w.line(format_args!(
                "{name}<{form}>({to}, {at}, {from}, {}, {block}, {column}, {others});",
                clock.decay
            ));
        }
    }

    /// Keys and decays of the whole chunk.
    fn whole(&self, clock: &Clock<'_>, w: &mut Writer) {
        let Place { block, column, columns, blocks, .. } = self;
        self.decay_rows(clock, false, (block, true), ("0", block), w);
        self.decay_rows(clock, true, (block, true), (&format!("{block} + 1"), &blocks.to_string()), w);
        if *blocks == 1 {
            return;
        }
        let all = format!("decay_chunk<{blocks}, {columns}>({}, {}, {column});", clock.all, clock.blocks);
        w.line(format_args!("if ({block} == 0) {all}"));
    }
}
