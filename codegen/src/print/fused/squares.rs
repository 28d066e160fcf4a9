//! The square matrices of a chunk: Gram matrices, and what rows are solved with, 16 rows a warp.
//!
//! ```text
//! decays by channel:   for each length h:  decay the keys run by run; add their products      (`keys`)
//! every square:        its rows from Gram matrices and coefficients, stored
//! those solved with:   their blocks of the diagonal inverted
//! ```
//!
//! What differs by decays alone is made once: `made`.

mod alike;
mod keys;
mod made;

use super::{Fused, TileName, mixes};
use crate::fused::{ClockKind, Square};
use crate::writer::Writer;
use alike::{Alike, Copies};
use chunkwise_algebra::program::{KeysId, NodeId, Op, Phase};
use made::{Made, decay, store};

/// A square while it is made.
struct Rows<'a> {
    made: Made<'a>,
    square: &'a Square,
    /// The first of this warp's rows; past the end for a warp that has none.
    row: String,
    /// Gram matrices of decays by channel: accumulators that are filled already.
    grams: Vec<(NodeId, String)>,
}

/// What warps make at one time.
enum Task<'a> {
    One(Rows<'a>),
    /// Squares of one form.
    Alike(Box<Alike<'a>>),
}

/// Every square that a product needs, into its tile: those that the crew of a phase makes.
pub(super) fn print(fused: &Fused<'_>, maker: Phase, w: &mut Writer) {
    let plan = fused.plan;
    let mine = |group: &Vec<usize>| plan.maker(plan.squares[group[0]].node) == maker;
    let named = |at: usize| (&plan.squares[at], &fused.squares[at]);
    let groups = plan.made().into_iter().filter(mine);
    let made: Vec<Copies<'_>> = groups.map(|group| group.into_iter().map(named).collect()).collect();
    if !made.is_empty() {
        w.blank();
        w.comment("Square matrices: rows are reads, columns are writes");
    }
    let crew = plan.crew(maker);
    let (mut taken, warp, warps) = (0, fused.warp_from(crew.start), crew.len() as u32);
    let mut all = Vec::new();
    for squares in alike::groups(fused, made, warps) {
        // Different warps where there are enough.
        let turn = match taken % warps {
            0 => warp.clone(),
            before => format!("({warp} + {}) % {warps}", warps - before),
        };
        taken += squares.iter().map(|copies| copies[0].0.rows / 16).sum::<u32>();
        let mut squares: Vec<Made<'_>> = squares.into_iter().map(Made::new).collect();
        all.push(match (squares.len(), squares.pop()) {
            (1, Some(made)) => {
                let row = fused.fresh("row");
                w.line(format_args!("const int {row} = {turn} * 16;"));
                Task::One(Rows { square: made.square(), made, row, grams: Vec::new() })
            }
            (_, last) => {
                squares.extend(last);
                Task::Alike(Box::new(Alike::new(fused, squares, (&turn, warps), w)))
            }
        });
    }
    if maker == Phase::Before {
        by_channel(fused, &mut all, w);
    }
    for task in &all {
        match task {
            Task::One(rows) => fill(fused, rows, w),
            Task::Alike(alike) => alike.fill(fused, w),
        }
    }
    if all.is_empty() {
        return;
    }
    // Two crews meet anyway, after what is prepared.
    if plan.preparing == 0 || maker != Phase::Before {
        fused.barrier(maker, w);
    }
}

/// The Gram matrices of states that decay by channel, and then their keys as products with the state take them.
fn by_channel(fused: &Fused<'_>, all: &mut [Task<'_>], w: &mut Writer) {
    let plan = fused.plan;
    if !plan.clocks.iter().any(|clock| matches!(clock.kind, ClockKind::ByChannel { .. })) {
        return;
    }
    for task in all.iter_mut() {
        let rows = match task {
            Task::One(rows) => rows,
            Task::Alike(alike) => {
                alike.begin(w);
                continue;
            }
        };
        for own in plan
            .own
            .iter()
            .filter(|own| !mixes::is_of(fused, own.gram) && uses(fused, whole(rows.square), own.gram))
        {
            let name = fused.fresh("gram");
            w.line(format_args!("float {name}[{}][4] = {{}};", rows.square.columns / 8));
            rows.grams.push((own.gram, name));
        }
    }
    keys::print(fused, all, w);
    if all.is_empty() {
        fused.barrier(Phase::Before, w);
    }
}

/// Decayed write keys as a square takes them: where one part is enough, only the state takes the second.
fn written(fused: &Fused<'_>, keys: TileName) -> TileName {
    TileName { low: keys.low.filter(|_| fused.plan.split), ..keys }
}

/// The node whose rows are computed: what rows are solved with, or the square itself.
fn whole(square: &Square) -> NodeId {
    square.feedback.unwrap_or(square.base)
}

/// Whether a square is made from a node.
fn uses(fused: &Fused<'_>, square: NodeId, node: NodeId) -> bool {
    square == node
        || match fused.plan.chunk.node(square).op {
            Op::Add(x, y) => uses(fused, x, node) || uses(fused, y, node),
            Op::Scale(_, x) => uses(fused, x, node),
            _ => false,
        }
}

fn fill(fused: &Fused<'_>, rows: &Rows<'_>, w: &mut Writer) {
    let Rows { made, square, row, .. } = rows;
    w.block(format_args!("if ({row} < {})", square.rows), |w| {
        let sum = fused.fresh("sum");
        w.line(format_args!("float {sum}[{}][4] = {{}};", square.columns / 8));
        accumulate(fused, rows, whole(square), &sum, true, w);
        store(fused, made, (&sum, row), w);
    });
}

/// Adds 16 rows of a matrix to `into`, which is zero where `fresh`.
fn accumulate(fused: &Fused<'_>, rows: &Rows<'_>, node: NodeId, into: &str, fresh: bool, w: &mut Writer) {
    if let Some((_, gram)) = rows.grams.iter().find(|(known, _)| *known == node) {
        own(fused, node, gram, &rows.row, w);
        return w.line(format_args!("add_to({into}, {gram});"));
    }
    match &fused.plan.chunk.node(node).op {
        Op::Add(x, y) => {
            accumulate(fused, rows, *x, into, fresh, w);
            accumulate(fused, rows, *y, into, false, w);
        }
        Op::Gram(reads, writes) | Op::Decay(reads, writes, _) if fresh => {
            gram(fused, (*reads, *writes), true, (into, &rows.row), w)
        }
        Op::Plain(reads, writes) if fresh => gram(fused, (*reads, *writes), false, (into, &rows.row), w),
        Op::Scale(by, x) => {
            let coefficient = fused.coefficient(by).to_owned();
            inner(fused, rows, *x, w, |name, w| {
                w.line(format_args!("add_scaled_rows({into}, {name}, {coefficient}, {});", rows.row));
            });
        }
        _ => inner(fused, rows, node, w, |name, w| w.line(format_args!("add_to({into}, {name});"))),
    }
}

/// A matrix in registers of its own.
fn inner(
    fused: &Fused<'_>,
    rows: &Rows<'_>,
    node: NodeId,
    w: &mut Writer,
    then: impl FnOnce(&str, &mut Writer),
) {
    w.block("", |w| {
        let part = fused.fresh("part");
        w.line(format_args!("float {part}[{}][4] = {{}};", rows.square.columns / 8));
        accumulate(fused, rows, node, &part, true, w);
        then(&part, w);
    });
}

/// Read and write slots a token, as template arguments.
fn slots(fused: &Fused<'_>, reads: KeysId, writes: KeysId) -> String {
    let chunk = &fused.plan.chunk;
    format!("{}, {}", chunk.keys(reads).slots.len(), chunk.keys(writes).slots.len())
}

/// What reads find of writes of their own token, and of others of its block.
fn own(fused: &Fused<'_>, node: NodeId, gram: &str, row: &str, w: &mut Writer) {
    let at = fused.plan.own.iter().position(|own| own.gram == node);
    if let (Some(at), Op::Gram(reads, writes)) = (at, &fused.plan.chunk.node(node).op) {
        let slots = slots(fused, *reads, *writes);
        keys::take_near(fused, &slots, gram, &fused.near[at], row, w);
        w.line(format_args!("add_own<{slots}>({gram}, {}, {row});", fused.own[at]));
    }
}

/// A Gram matrix of a state that decays by one number, or not; its decays are left out of products that several states share.
fn gram(
    fused: &Fused<'_>,
    (reads, writes): (KeysId, KeysId),
    decays: bool,
    (into, row): (&str, &str),
    w: &mut Writer,
) {
    let head = format!("gram<{}, {}>", fused.operand(), slots(fused, reads, writes));
    let tail = format!(", {row}");
    let (left, right) = (fused.keys(reads), fused.keys(writes));
    fused.products((&head, into, &tail), &left, &right, w);
    if mixes::between(fused, (reads, writes), into, row, w) {
        return;
    }
    if decays {
        decay(fused, (reads, writes), into, row, w);
    }
    mask(fused, reads, writes, (into, row), w);
}

/// Keeps the products of writes that come before the read.
fn mask(fused: &Fused<'_>, reads: KeysId, writes: KeysId, (into, row): (&str, &str), w: &mut Writer) {
    let (b, a) = (fused.plan.chunk.keys(reads), fused.plan.chunk.keys(writes));
    let mut same = 0u64;
    for (i, read) in b.slots.iter().enumerate() {
        for (j, write) in a.slots.iter().enumerate() {
            same |= u64::from(write.event < read.event) << (i * a.slots.len() + j);
        }
    }
    w.line(format_args!("mask_later<{}, {same}u>({into}, {row});", slots(fused, reads, writes)));
}
