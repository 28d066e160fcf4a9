//! Rows with feedback that is not linear: blocks of 16 tokens, the rows of a block one after the other.
//!
//! ```text
//! for each block:   what the rows of earlier blocks leave: a product, in accumulators
//!                   its reads, to rows of float
//!                   for each token of it: p += what earlier rows of the block leave; u = f(p)
//!                   its rows, to accumulators and operands
//! ```
//!
//! Where channels stay apart a warp does all this on its own; where they meet, one warp makes the rows of all, between barriers
//! of the state's warps.

use super::{Fused, Packed, inputs, tokens};
use crate::fused::{Kept, Owner, Substitution};
use crate::namer::Namer;
use crate::print::names::{DimNames, Names};
use crate::print::{Context, express, token};
use crate::program::{NodeId, Op, Step};
use crate::writer::Writer;
use chunkwise_algebra::program::{NodeId as Matrix, Sought, System, SystemId};
use chunkwise_dsl::graph::ReadId;
use std::collections::BTreeMap;

/// What one substitution is called.
pub(super) struct SubstitutionNames<'a> {
    /// What prints the expressions of rows: its `member` is a value column.
    pub(super) context: Context<'a>,
    /// Rows of a block's reads, by state that they read.
    pub(super) found: Vec<String>,
    /// Rows of a block, by member.
    pub(super) solved: Vec<String>,
    /// The blocks of the diagonal, by reads and member.
    pub(super) diagonals: BTreeMap<(usize, usize), String>,
}

impl SubstitutionNames<'_> {
    /// The blocks of the diagonal of what these reads find of a member's rows.
    pub(super) fn diagonal(&self, sought: usize, member: usize) -> &str {
        self.diagonals.get(&(sought, member)).map_or("", String::as_str)
    }
}

/// Names for a row's expressions: each lane has value columns of its own.
pub(super) fn row_names(substitution: &Substitution, names: Names, value: usize, n: &mut Namer) -> Names {
    let mut dims = names.dims.clone();
    dims[value] = DimNames { first: n.fresh("channel_first"), left: n.fresh("channel_left") };
    let member = if substitution.mixes { names.lane.clone() } else { n.fresh("channel") };
    Names { member, dims, ..names }
}

/// Which value columns a thread has.
pub(super) fn position<'a>(fused: &'a Fused<'_>) -> Vec<(&'a str, String)> {
    let plan = fused.plan;
    let value = plan.dims.1.index();
    let mut lines: Vec<(&str, String)> = Vec::new();
    for (substitution, names) in plan.substitutions.iter().zip(&fused.substitutions) {
        let names = &names.context.names;
        let (dim, member) = (&names.dims[value], &names.member);
        if !substitution.mixes {
            let holder = match plan.preparing {
                0 => fused.warp.clone(),
                preparing => format!("({} + {} - {preparing})", fused.warp, plan.value_warps * preparing),
            };
            let text = format!(
                "const int {member} = {holder} % {} * 16 + {} % 16;",
                plan.value_warps, fused.context.names.lane
            );
            lines.push((member, text));
        }
        let size = plan.layout.axis(plan.dims.1).size;
        lines.push((&dim.first, format!("const int {} = {} + {member};", dim.first, fused.column)));
        lines.push((&dim.left, format!("const int {} = {size} - {};", dim.left, dim.first)));
    }
    lines
}

/// A square is a system's: the blocks of its diagonal are needed as they are.
pub(super) fn keep_diagonal(fused: &Fused<'_>, node: Matrix, (sum, row): (&str, &str), w: &mut Writer) {
    for (substitution, names) in fused.plan.substitutions.iter().zip(&fused.substitutions) {
        let system = fused.plan.chunk.system(substitution.system);
        for (sought, member, _) in system.pairs().filter(|(_, _, gram)| *gram == node) {
            let slots = slots(system, sought, member);
            w.line(format_args!(
                "store_diagonal<{slots}>({}, {sum}, {row});",
                names.diagonal(sought, member)
            ));
        }
    }
}

/// What the rows of earlier blocks leave in a block's reads, by a square that is whole.
pub(super) fn earlier_whole(
    slots: &str,
    (found, rows): (&str, &str),
    (square, block): (&str, &str),
    w: &mut Writer,
) {
    w.line(format_args!("multiply_earlier_whole<{slots}>({found}, {rows}, {square}, {block});"));
}

/// Read and write slots a token, as template arguments.
fn slots(system: &System, sought: usize, member: usize) -> String {
    format!("{}, {}", system.sought[sought].reads.len(), system.members[member].values.len())
}

/// One system, for one warp.
struct Rows<'a, 'b> {
    fused: &'a Fused<'b>,
    owner: &'a Owner,
    substitution: &'a Substitution,
    names: &'a SubstitutionNames<'b>,
    /// The number of its barrier; 1 and 2 are those of crews.
    barrier: usize,
    system: &'a System,
    /// The block's number, and by member the rows of a block that a lane keeps.
    block: String,
    rows: Vec<String>,
    /// What a channel has decayed since the block's begin.
    since: String,
}

/// Solves a system: `found`, accumulators of its reads, are used up; its rows are added to `into`, by member. The results are
/// the rows as operands.
pub(super) fn print(
    fused: &Fused<'_>,
    (owner, column): (&Owner, &str),
    system: SystemId,
    (found, into): (&[String], &[String]),
    w: &mut Writer,
) -> Vec<Packed> {
    rows(fused, owner, system).print(column, (found, into), w)
}

/// One block of a system whose state's value channels decay: `found` stands at its begin, its rows go to `into`.
pub(super) fn block(
    fused: &Fused<'_>,
    (owner, column): (&Owner, &str),
    system: SystemId,
    (found, into, block): (String, String, &str),
    w: &mut Writer,
) {
    let rows = Rows { block: block.to_owned(), ..rows(fused, owner, system) };
    rows.one(column, (&[found], &[into]), w);
}

fn rows<'a, 'b>(fused: &'a Fused<'b>, owner: &'a Owner, system: SystemId) -> Rows<'a, 'b> {
    let plan = fused.plan;
    let at = plan.substitutions.iter().position(|s| s.system == system).unwrap_or(0);
    let members = plan.chunk.system(system).members.iter();
    Rows {
        fused,
        owner,
        system: plan.chunk.system(system),
        substitution: &plan.substitutions[at],
        names: &fused.substitutions[at],
        barrier: at + 3,
        block: fused.fresh("block"),
        rows: members.map(|_| fused.fresh("rows")).collect(),
        since: fused.fresh("since"),
    }
}

impl Rows<'_, '_> {
    fn print(&self, column: &str, (found, into): (&[String], &[String]), w: &mut Writer) -> Vec<Packed> {
        let (fused, plan, block, system) = (self.fused, self.fused.plan, &self.block, self.system);
        let e = fused.operand();
        // In two parts, whatever the precision of other products: what is rounded here is fed back. Whole squares take rows as they
        // are.
        let whole = system.pairs().all(|(.., gram)| self.whole(gram).is_some());
        let packed: Vec<[String; 2]> = (if whole { &[] } else { into })
            .iter()
            .map(|_| ["packed", "packed_low"].map(|wish| fused.fresh(wish)))
            .collect();
        for ([high, low], member) in packed.iter().zip(&system.members) {
            let operands = plan.rows(member.values.len()) / 16;
            w.line(format_args!("unsigned {high}[{operands}][4] = {{}}, {low}[{operands}][4] = {{}};"));
        }
        let operand =
            |[high, low]: &[String; 2]| Packed { high: high.clone(), low: Some(low.clone()), last: None };
        w.line("#pragma unroll");
        w.block(format_args!("for (int {block} = 0; {block} < {}; ++{block})", plan.tokens / 16), |w| {
            for (sought, member, gram) in system.pairs() {
                let slots = slots(system, sought, member);
                if let Some(tile) = self.whole(gram) {
                    earlier_whole(&slots, (&found[sought], &into[member]), (tile, block), w);
                    continue;
                }
                let square = plan.square_of(gram).unwrap_or(0);
                let head = format!("multiply_earlier<{e}, {slots}>");
                let tail = format!(", {block}");
                let earlier = operand(&packed[member]);
                fused.product((&head, &found[sought], &tail), &earlier, &fused.squares[square], w);
            }
            self.one(column, (found, into), w);
            for (([high, low], into), member) in packed.iter().zip(into).zip(&system.members) {
                let writes = member.values.len();
                w.line(format_args!("pack_block<{e}, {writes}>({high}, {into}, {block});"));
                w.line(format_args!("pack_block_rest<{e}, {writes}>({low}, {into}, {block});"));
            }
        });
        packed.iter().map(operand).collect()
    }

    /// The rows of a square that is whole.
    fn whole(&self, gram: Matrix) -> Option<&str> {
        let plan = self.fused.plan;
        let at = plan.square_of(gram).filter(|at| plan.is_whole(&plan.squares[*at]))?;
        Some(&self.fused.squares[at].high)
    }

    /// The rows of a block, from what its reads find of earlier ones.
    fn one(&self, column: &str, (found, into): (&[String], &[String]), w: &mut Writer) {
        let (fused, block, names) = (self.fused, &self.block, self.names);
        for ((from, to), sought) in found.iter().zip(&names.found).zip(&self.system.sought) {
            w.line(format_args!("store_block<{}>({to}, {from}, {column}, {block});", sought.reads.len()));
        }
        self.meet(w);
        match self.substitution.mixes {
            true => w.block(format_args!("if ({} == {})", fused.warp, self.owner.first), |w| self.each(w)),
            false => w.block("", |w| self.each(w)),
        }
        self.meet(w);
        for ((to, from), member) in into.iter().zip(&names.solved).zip(&self.system.members) {
            w.line(format_args!("load_block<{}>({to}, {from}, {column}, {block});", member.values.len()));
        }
    }

    /// The rows of decays of the state's value channels.
    fn decays(&self) -> Option<&str> {
        let (clock, _) = self.fused.plan.channel_clock(self.owner.state)?;
        Some(&self.fused.channels[clock])
    }

    /// A token's decay of a lane's channel.
    fn decay(&self, w: &mut Writer) {
        let names = &self.names.context.names;
        let Some(decays) = self.decays() else { return };
        if self.substitution.mixes {
            let stride = self.names.context.axis(self.fused.plan.dims.1).stride;
            let place = format!("{}, {}", names.token, names.member);
            w.line(format_args!("decay_row<{stride}>({}, {decays}, {place});", self.since));
        } else {
            let by = format!("*{decays}.at({}, {})", names.token, names.member);
            self.rows
                .iter()
                .for_each(|rows| w.line(format_args!("decay_kept({rows}, {}, {by});", self.since)));
        }
    }

    /// Waits for the warps that have a part of a row.
    fn meet(&self, w: &mut Writer) {
        match self.substitution.mixes {
            true => w.line(format_args!("meet_warps<{}, {}>();", self.barrier, self.owner.warps)),
            false => w.line("__syncwarp();"),
        }
    }

    /// The tokens of a block.
    fn each(&self, w: &mut Writer) {
        let (fused, context) = (self.fused, &self.names.context);
        let (t, block) = (&context.names.token, &self.block);
        for (rows, member) in self.rows.iter().zip(&self.system.members).filter(|_| !self.substitution.mixes)
        {
            w.line(format_args!("float {rows}[{}] = {{}};", 8 * member.values.len()));
        }
        match self.decays() {
            Some(_) if self.substitution.mixes => {
                let registers = context.axis(fused.plan.dims.1).registers;
                w.line(format_args!("float {}[{registers}];", self.since));
                let i = context.index(fused.plan.dims.1);
                w.unrolled(i, registers, format_args!("{}[{i}] = 1.0f;", self.since));
            }
            Some(_) => w.line(format_args!("float {} = 1.0f;", self.since)),
            None => {}
        }
        let mut places = fused.plan.after_by_step(self.substitution.system).into_iter();
        let mut decayed = false;
        w.line("#pragma unroll 1");
        let head = format!("for (int {t} = {block} * 16; {t} < {block} * 16 + 16; ++{t})");
        w.block(head, |w| {
            w.line(format_args!("const bool {} = {t} < {};", fused.there, fused.count));
            // How many of the token's own rows are there, by member.
            let mut done = vec![0; self.rows.len()];
            for step in &context.program.steps {
                if self.is_placed(step) && places.next() == Some(true) && !decayed {
                    self.decay(w);
                    decayed = true;
                }
                match step {
                    Step::Define(id) => self.define(*id, &done, w),
                    Step::Output { index, value } => {
                        let (member, slot) = self.substitution.places[*index];
                        self.store((member, slot), *value, w);
                        done[member] += 1;
                    }
                    _ => {}
                }
            }
            if !decayed {
                self.decay(w);
            }
        });
    }

    /// Whether a step stands before or after the token's decay of value channels.
    fn is_placed(&self, step: &Step) -> bool {
        match step {
            Step::Define(id) => matches!(self.names.context.program.node(*id).op, Op::Tap(_)),
            step => matches!(step, Step::Output { .. }),
        }
    }

    fn define(&self, id: NodeId, done: &[usize], w: &mut Writer) {
        let context = &self.names.context;
        match context.program.node(id).op {
            Op::Tap(read) => self.seek(id, read, done, w),
            Op::Kept(at) => self.take(id, self.substitution.kept[at as usize], w),
            Op::Input(..) => tokens::define(self.fused, context, id, w),
            _ => token::define(context, id, w),
        }
    }

    /// What a read finds: that of earlier blocks, and that of earlier rows of this one.
    fn seek(&self, id: NodeId, read: ReadId, done: &[usize], w: &mut Writer) {
        let (fused, context) = (self.fused, &self.names.context);
        let name = &context.names.nodes[id.index()];
        let slot_in = |sought: &Sought| sought.reads.iter().position(|(r, _)| *r == read);
        let mut all = self.system.sought.iter().enumerate();
        let Some((at, slot, sought)) = all.find_map(|(at, s)| Some((at, slot_in(s)?, s))) else { return };
        let (axis, slots) = (context.axis(fused.plan.dims.1), sought.reads.len());
        let t = &context.names.token;
        let (here, row) = (inputs::row(&format!("{t} % 16"), slots, slot), inputs::row(t, slots, slot));
        w.line(format_args!("float {name}[{}];", axis.registers));
        w.line(format_args!(
            "load_wide<1, {}>({name}, {}, {here}, {});",
            axis.stride, self.names.found[at], context.names.member
        ));
        match self.decays() {
            Some(_) if self.substitution.mixes => {
                let i = context.index(fused.plan.dims.1);
                w.unrolled(i, axis.registers, format_args!("{name}[{i}] *= {}[{i}];", self.since));
            }
            Some(_) => w.line(format_args!("{name}[0] *= {};", self.since)),
            None => {}
        }
        for (_, member, _) in self.system.pairs().filter(|(sought, ..)| *sought == at) {
            let diagonal = format!("{}.at({row}, 0)", self.names.diagonal(at, member));
            let writes = self.system.members[member].values.len();
            let rows = &self.names.solved[member];
            let there = inputs::row(&format!("{t} % 16"), writes, done[member]);
            let (stride, first) = (axis.stride, &context.names.member);
            match (self.substitution.mixes, self.decays()) {
                (false, _) => w.line(format_args!("add_earlier({name}, {diagonal}, {});", self.rows[member])),
                (true, None) => {
                    w.line(format_args!("add_rows<{stride}>({name}, {diagonal}, {rows}, {there}, {first});"))
                }
                (true, Some(decays)) => {
                    let after = fused.plan.after(self.system.members[member].keys);
                    let read_after = fused.plan.after(sought.keys) >> slot & 1;
                    let order = format!("{writes}, {after}u, {read_after}");
                    w.line(format_args!(
                        "add_decayed_rows<{stride}, {order}>({name}, {diagonal}, {rows}, {decays}, {there}, {t}, {first});"
                    ));
                }
            }
        }
        let scale = self.substitution.numbers.iter().position(|v| *v == sought.reads[slot].1);
        if let Some(number) = scale {
            let i = context.index(fused.plan.dims.1);
            let text = format!("{name}[{i}] *= {};", self.number(number));
            w.unrolled(i, axis.registers, text);
        }
    }

    /// A number that was computed before.
    fn number(&self, slot: usize) -> String {
        let numbers = &self.substitution.numbers;
        let row = inputs::row(&self.names.context.names.token, numbers.len(), slot);
        format!("{}[{row}]", self.fused.coefficient(numbers))
    }

    fn take(&self, id: NodeId, kept: Kept, w: &mut Writer) {
        let (fused, context) = (self.fused, &self.names.context);
        let name = &context.names.nodes[id.index()];
        match kept {
            Kept::Number(slot) => w.line(format_args!("const float {name} = {};", self.number(slot))),
            Kept::Row(value) => {
                let Some(operand) = fused.plan.operand_of(&[Some(value)]) else { return };
                let tile = (&fused.operands[operand], context.names.token.as_str());
                inputs::load_row(fused, context, (name, fused.plan.dims.1), tile, w);
            }
        }
    }

    /// A row is there: the next rows of its block use it from registers, products from shared memory.
    fn store(&self, (member, slot): (usize, usize), value: NodeId, w: &mut Writer) {
        let (fused, context) = (self.fused, &self.names.context);
        let (dim, lanes) = (fused.plan.dims.1, self.substitution.lanes());
        let (axis, i, line) = (context.axis(dim), context.index(dim), &fused.line);
        let writes = self.system.members[member].values.len();
        let row = inputs::row(&format!("{} % 16", context.names.token), writes, slot);
        let text = express::value(context, value);
        w.block("", |w| {
            w.line(format_args!("float {line}[{}];", axis.registers));
            w.unrolled(i, axis.registers, format_args!("{line}[{i}] = {} ? {text} : 0.0f;", fused.there));
            if axis.padded {
                let left = &context.names.dims[dim.index()].left;
                w.line(format_args!("clear_padding<1, {}, 0>({line}, {left});", axis.stride));
            }
            if !self.substitution.mixes {
                w.line(format_args!("keep_row({}, {line}, {row});", self.rows[member]));
            }
            let to = &self.names.solved[member];
            w.line(format_args!(
                "store_wide_row<{lanes}, {}>({to}, {line}, {row}, {});",
                axis.stride, context.names.member
            ));
        });
    }
}
