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

use super::{Fused, Packed, tokens};
use crate::fused::{Kept, Owner, Substitution};
use crate::namer::Namer;
use crate::print::names::{DimNames, Names};
use crate::print::{Context, express, token};
use crate::program::{NodeId, Op, Step};
use crate::writer::Writer;
use chunkwise_algebra::program::{NodeId as Matrix, SystemId};
use chunkwise_dsl::graph::ReadId;

/// What one substitution is called.
pub(super) struct SubstitutionNames<'a> {
    /// What prints the expressions of rows: its `member` is a value column.
    pub(super) context: Context<'a>,
    /// Rows of a block's reads.
    pub(super) found: String,
    /// Rows of a block.
    pub(super) solved: String,
    /// The blocks of the diagonal.
    pub(super) diagonal: String,
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
            let text = format!(
                "const int {member} = {} % {} * 16 + {} % 16;",
                fused.warp, plan.value_warps, fused.context.names.lane
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
        let (_, sought) = fused.plan.pair(substitution.system);
        if sought.grams.contains(&Some(node)) {
            let slots = slots(fused, substitution.system);
            w.line(format_args!("store_diagonal<{slots}>({}, {sum}, {row});", names.diagonal));
        }
    }
}

/// Read and write slots a token, as template arguments.
fn slots(fused: &Fused<'_>, system: SystemId) -> String {
    let (member, sought) = fused.plan.pair(system);
    format!("{}, {}", sought.reads.len(), member.values.len())
}

/// One system, for one warp.
struct Rows<'a, 'b> {
    fused: &'a Fused<'b>,
    owner: &'a Owner,
    substitution: &'a Substitution,
    names: &'a SubstitutionNames<'b>,
    /// The number of its barrier.
    barrier: usize,
    /// The block's number, and the rows of a block that a lane keeps.
    block: String,
    rows: String,
    /// What a channel has decayed since the block's begin.
    since: String,
}

/// Solves a system: `found`, accumulators of its reads, are used up; its rows are added to `into`. The result is the rows as
/// an operand.
pub(super) fn print(
    fused: &Fused<'_>,
    (owner, column): (&Owner, &str),
    system: SystemId,
    (found, into): (&str, &str),
    w: &mut Writer,
) -> Packed {
    rows(fused, owner, system).print(column, (found, into), w)
}

/// One block of a system whose state's value channels decay: `found` stands at its begin, its rows go to `into`.
pub(super) fn block(
    fused: &Fused<'_>,
    (owner, column): (&Owner, &str),
    system: SystemId,
    (found, into, block): (&str, &str, &str),
    w: &mut Writer,
) {
    let rows = Rows { block: block.to_owned(), ..rows(fused, owner, system) };
    rows.one(column, (found, into), w);
}

fn rows<'a, 'b>(fused: &'a Fused<'b>, owner: &'a Owner, system: SystemId) -> Rows<'a, 'b> {
    let plan = fused.plan;
    let at = plan.substitutions.iter().position(|s| s.system == system).unwrap_or(0);
    Rows {
        fused,
        owner,
        substitution: &plan.substitutions[at],
        names: &fused.substitutions[at],
        barrier: at + 1,
        block: fused.fresh("block"),
        rows: fused.fresh("rows"),
        since: fused.fresh("since"),
    }
}

impl Rows<'_, '_> {
    fn print(&self, column: &str, (found, into): (&str, &str), w: &mut Writer) -> Packed {
        let (fused, plan, block) = (self.fused, self.fused.plan, &self.block);
        let (member, sought) = plan.pair(self.substitution.system);
        let (reads, writes, e) = (sought.reads.len(), member.values.len(), fused.operand());
        let operands = plan.rows(writes) / 16;
        // In two parts, whatever the precision of other products: what is rounded here is fed back.
        let (high, low) = (fused.fresh("packed"), fused.fresh("packed_low"));
        w.line(format_args!("unsigned {high}[{operands}][4] = {{}}, {low}[{operands}][4] = {{}};"));
        let earlier = Packed { high: high.clone(), low: Some(low.clone()) };
        let gram = sought.grams.first().copied().flatten();
        let square = plan.squares.iter().position(|s| Some(s.node) == gram).unwrap_or(0);
        w.line("#pragma unroll");
        w.block(format_args!("for (int {block} = 0; {block} < {}; ++{block})", plan.tokens / 16), |w| {
            let head = format!("multiply_earlier<{e}, {reads}, {writes}>");
            fused.product((&head, found, &format!(", {block}")), &earlier, &fused.squares[square], w);
            self.one(column, (found, into), w);
            w.line(format_args!("pack_block<{e}, {writes}>({high}, {into}, {block});"));
            w.line(format_args!("pack_block_rest<{e}, {writes}>({low}, {into}, {block});"));
        });
        Packed { high, low: Some(low) }
    }

    /// The rows of a block, from what its reads find of earlier ones.
    fn one(&self, column: &str, (found, into): (&str, &str), w: &mut Writer) {
        let (fused, block) = (self.fused, &self.block);
        let (member, sought) = fused.plan.pair(self.substitution.system);
        let (reads, writes) = (sought.reads.len(), member.values.len());
        w.line(format_args!("store_block<{reads}>({}, {found}, {column}, {block});", self.names.found));
        self.meet(w);
        match self.substitution.mixes {
            true => w.block(format_args!("if ({} == {})", fused.warp, self.owner.first), |w| self.each(w)),
            false => w.block("", |w| self.each(w)),
        }
        self.meet(w);
        w.line(format_args!("load_block<{writes}>({into}, {}, {column}, {block});", self.names.solved));
    }

    /// The rows of decays of the state's value channels.
    fn decays(&self) -> Option<&str> {
        let (clock, _) = self.fused.plan.channel_clock(self.owner.state)?;
        Some(&self.fused.channels[clock])
    }

    /// A token's decay of a lane's channel.
    fn decay(&self, w: &mut Writer) {
        let names = &self.names.context.names;
        if let Some(decays) = self.decays() {
            let by = format!("*{decays}.at({}, {})", names.token, names.member);
            w.line(format_args!("decay_kept({}, {}, {by});", self.rows, self.since));
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
        let (member, _) = fused.plan.pair(self.substitution.system);
        let (t, block) = (&context.names.token, &self.block);
        if !self.substitution.mixes {
            w.line(format_args!("float {}[{}] = {{}};", self.rows, 8 * member.values.len()));
        }
        if self.decays().is_some() {
            w.line(format_args!("float {} = 1.0f;", self.since));
        }
        let mut places = fused.plan.after_by_step(self.substitution.system).into_iter();
        let mut decayed = false;
        w.line("#pragma unroll 1");
        let head = format!("for (int {t} = {block} * 16; {t} < {block} * 16 + 16; ++{t})");
        w.block(head, |w| {
            w.line(format_args!("const bool {} = {t} < {};", fused.there, fused.count));
            // How many of the token's own rows are there.
            let mut done = 0;
            for step in &context.program.steps {
                if self.is_placed(step) && places.next() == Some(true) && !decayed {
                    self.decay(w);
                    decayed = true;
                }
                match step {
                    Step::Define(id) => self.define(*id, done, w),
                    Step::Output { index, value } => {
                        self.store(*index, *value, w);
                        done += 1;
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

    fn define(&self, id: NodeId, done: usize, w: &mut Writer) {
        let context = &self.names.context;
        match context.program.node(id).op {
            Op::Tap(read) => self.seek(id, read, done, w),
            Op::Kept(at) => self.take(id, self.substitution.kept[at as usize], w),
            Op::Input(..) => tokens::define(self.fused, context, id, w),
            _ => token::define(context, id, w),
        }
    }

    /// What a read finds: that of earlier blocks, and that of earlier rows of this one.
    fn seek(&self, id: NodeId, read: ReadId, done: usize, w: &mut Writer) {
        let (fused, context) = (self.fused, &self.names.context);
        let name = &context.names.nodes[id.index()];
        let (member, sought) = fused.plan.pair(self.substitution.system);
        let Some(slot) = sought.reads.iter().position(|(r, _)| *r == read) else { return };
        let (axis, slots) = (context.axis(fused.plan.dims.1), sought.reads.len());
        let t = &context.names.token;
        let (here, row) = (tokens::row(&format!("{t} % 16"), slots, slot), tokens::row(t, slots, slot));
        w.line(format_args!("float {name}[{}];", axis.registers));
        w.line(format_args!(
            "load_wide<1, {}>({name}, {}, {here}, {});",
            axis.stride, self.names.found, context.names.member
        ));
        if self.decays().is_some() {
            w.line(format_args!("{name}[0] *= {};", self.since));
        }
        let diagonal = format!("{}.at({row}, 0)", self.names.diagonal);
        match self.substitution.mixes {
            false => w.line(format_args!("add_earlier({name}, {diagonal}, {});", self.rows)),
            true => w.line(format_args!(
                "add_rows<{}>({name}, {diagonal}, {}, {}, {});",
                axis.stride,
                self.names.solved,
                tokens::row(&format!("{t} % 16"), member.values.len(), done),
                context.names.member
            )),
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
        let row = tokens::row(&self.names.context.names.token, numbers.len(), slot);
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
                tokens::load_row(fused, context, (name, fused.plan.dims.1), tile, w);
            }
        }
    }

    /// A row is there: the next rows of its block use it from registers, products from shared memory.
    fn store(&self, slot: usize, value: NodeId, w: &mut Writer) {
        let (fused, context) = (self.fused, &self.names.context);
        let (dim, lanes) = (fused.plan.dims.1, self.substitution.lanes());
        let (axis, i, line) = (context.axis(dim), context.index(dim), &fused.line);
        let (member, _) = fused.plan.pair(self.substitution.system);
        let row = tokens::row(&format!("{} % 16", context.names.token), member.values.len(), slot);
        let text = express::value(context, value);
        w.block("", |w| {
            w.line(format_args!("float {line}[{}];", axis.registers));
            w.unrolled(i, axis.registers, format_args!("{line}[{i}] = {} ? {text} : 0.0f;", fused.there));
            if axis.padded {
                let left = &context.names.dims[dim.index()].left;
                w.line(format_args!("clear_padding<1, {}, 0>({line}, {left});", axis.stride));
            }
            if !self.substitution.mixes {
                w.line(format_args!("keep_row({}, {line}, {row});", self.rows));
            }
            let to = &self.names.solved;
            w.line(format_args!(
                "store_wide_row<{lanes}, {}>({to}, {line}, {row}, {});",
                axis.stride, context.names.member
            ));
        });
    }
}
