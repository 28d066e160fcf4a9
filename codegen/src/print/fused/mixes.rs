//! States that mix: what stands between tokens as small matrices, and the states of a warp that meet (`mixes.cuh` says why).
//!
//! ```text
//! each token:      its matrix; its rows' vectors inside the token
//! one warp:        the same for runs of 2, 4, .. tokens, up to the chunk
//! gram(B, A):      each product of keys times what stands between the two
//! tap(B):          from each state that the read can find, rows times what stands since the chunk's begin
//! next states:     S_i <- sum_j A_ij S_j, and rows times what stands until the chunk's end
//! ```

use super::recurrence::Warp;
use super::{Fused, always, registers};
use crate::fused::{Mixing, Root};
use crate::print::Context;
use crate::writer::Writer;
use chunkwise_algebra::program::{Deposit, KeysId, NodeId, Op, reaches};
use chunkwise_dsl::graph::StateId;

/// An entry of a token's matrix, or a number of a vector; after the sequence's end a token leaves states as they are.
pub(super) fn ready(fused: &Fused<'_>, context: &Context<'_>, root: Root, text: &str, w: &mut Writer) {
    let (plan, names) = (fused.plan, &fused.context.names);
    let t = &names.token;
    // Where decays are computed a lane has a token.
    let alone = std::ptr::eq(context.program, &plan.decays);
    let head = if alone { String::new() } else { format!("if ({} == 0) ", names.member) };
    let (place, none) = match root {
        Root::Mix(m, at) => {
            let states = plan.mixings[m].states.len();
            let identity = if at / states == at % states { "1.0f" } else { "0.0f" };
            (format!("{}[{t} * {} + {at}]", fused.mixings[m].runs, states * states), identity)
        }
        Root::MixVector(m, table, at) => {
            let slots = plan.mixings[m].tables[table].slots;
            let first = at / slots * plan.rows(slots) as usize + at % slots;
            (format!("{}[{t} * {slots} + {first}]", fused.mixings[m].tables[table]), "0.0f")
        }
        _ => return,
    };
    w.line(format_args!("{head}{place} = {} ? {text} : {none};", fused.there));
}

/// Tables of longer and longer runs. For one warp.
pub(super) fn cumulative(fused: &Fused<'_>, w: &mut Writer) {
    let tokens = fused.plan.tokens;
    for (mixing, names) in fused.plan.mixings.iter().zip(&fused.mixings) {
        let (states, level) = (mixing.states.len(), fused.fresh("level"));
        w.line("__syncwarp();");
        w.line("#pragma unroll 1");
        let head = format!("for (int {level} = 0; {level} < {}; ++{level})", tokens.ilog2());
        w.block(head, |w| {
            for (table, name) in mixing.tables.iter().zip(&names.tables) {
                let (slots, writes) = (table.slots, table.writes);
                w.line(format_args!(
                    "mix_rows<{tokens}, {slots}, {states}, {writes}>({name}, {}, {level});",
                    names.runs
                ));
            }
            w.line(format_args!("join_mixes<{tokens}, {states}>({}, {level});", names.runs));
        });
    }
}

/// Whether a Gram matrix is of states that meet.
pub(super) fn is_of(fused: &Fused<'_>, gram: NodeId) -> bool {
    match fused.plan.chunk.node(gram).op {
        Op::Gram(reads, _) => fused.plan.table_of(reads).is_some(),
        _ => false,
    }
}

/// Multiplies products of keys by what stands between them; false where their states meet no others.
pub(super) fn between(
    fused: &Fused<'_>,
    (reads, writes): (KeysId, KeysId),
    into: &str,
    row: &str,
    w: &mut Writer,
) -> bool {
    let plan = fused.plan;
    let (Some((m, read)), Some((_, write))) = (plan.table_of(reads), plan.table_of(writes)) else {
        return false;
    };
    let gram = plan.gram_of(reads, writes);
    let Some(own) = plan.own.iter().position(|own| Some(own.gram) == gram) else { return false };
    let (mixing, names) = (&plan.mixings[m], &fused.mixings[m]);
    w.line(format_args!(
        "mix_between<{}, {}, {}, {}>({into}, {}, {}, {}, {row});",
        plan.tokens,
        mixing.tables[read].slots,
        mixing.tables[write].slots,
        mixing.states.len(),
        names.tables[read],
        names.tables[write],
        fused.own[own],
    ));
    true
}

/// What stands between the chunk's begin, where a state is, and what reads these keys' rows find of it; `None` where they find
/// nothing of that state.
pub(super) fn since_begin(fused: &Fused<'_>, keys: KeysId, from: StateId) -> Option<String> {
    let plan = fused.plan;
    let (m, table) = plan.table_of(keys)?;
    let at = plan.mixings[m].states.iter().position(|state| *state == from)?;
    let found = reaches(&plan.chunk.timeline)[from.index()][plan.chunk.keys(keys).state.index()];
    found.then(|| of_chunk(fused, &plan.mixings[m], (m, table), at))
}

/// The numbers of the chunk's level of a table, for one state.
fn of_chunk(fused: &Fused<'_>, mixing: &Mixing, (m, table): (usize, usize), state: usize) -> String {
    let rows = fused.plan.rows(mixing.tables[table].slots) as usize;
    let level = fused.plan.tokens.ilog2() as usize;
    format!("{} + {}", fused.mixings[m].tables[table], (level * mixing.states.len() + state) * rows)
}

/// What the chunk's tokens make of the states. Compilers would begin with it while rows are solved, and hold the new states beside
/// the old ones.
pub(super) fn mix(fused: &Fused<'_>, state: StateId, w: &mut Writer) {
    let plan = fused.plan;
    let Some((m, mixing)) = plan.mixing_of(state) else { return };
    let reaches = reaches(&plan.chunk.timeline);
    let (count, last) = (mixing.states.len(), plan.tokens as usize - 1);
    let [n, e, all, old] = ["n", "e", "all", "old"].map(|wish| fused.fresh(wish));
    let states: Vec<&str> = mixing.states.iter().map(|s| registers(fused, *s)).collect();
    let values: Vec<String> = states.iter().map(|s| format!("{s}[{n}][{e}]")).collect();
    let head = always(fused, w);
    w.block(head, |w| {
        w.line(format_args!(
            "const float *const {all} = {} + {};",
            fused.mixings[m].runs,
            last * count * count
        ));
        w.line("#pragma unroll");
        w.block(format_args!("for (int {n} = 0; {n} < {}; ++{n})", fused.key_eighths()), |w| {
            w.line("#pragma unroll");
            w.block(format_args!("for (int {e} = 0; {e} < 4; ++{e})"), |w| {
                w.line(format_args!("const float {old}[{count}] = {{{}}};", values.join(", ")));
                for (i, to) in mixing.states.iter().enumerate() {
                    let terms = mixing.states.iter().enumerate();
                    let terms = terms.filter(|(_, from)| reaches[from.index()][to.index()]);
                    let terms: Vec<String> =
                        terms.map(|(j, _)| format!("{all}[{}] * {old}[{j}]", i * count + j)).collect();
                    w.line(format_args!("{} = {};", values[i], terms.join(" + ")));
                }
            });
        });
    });
}

/// What rows leave in each state by the chunk's end.
pub(super) fn deposit(warp: &mut Warp<'_, '_>, deposit: &Deposit, w: &mut Writer) {
    let (fused, Deposit { keys, values }) = (warp.fused, *deposit);
    let plan = fused.plan;
    let Some((m, table)) = plan.table_of(keys) else { return };
    let u = warp.matrix(values, "u", w);
    let (mixing, from) = (&plan.mixings[m], plan.chunk.keys(keys).state);
    let reaches = reaches(&plan.chunk.timeline);
    let eighths = fused.eighths(plan.chunk.keys(keys).stack);
    for (at, to) in mixing.states.iter().enumerate().filter(|(_, s)| reaches[from.index()][s.index()]) {
        w.block("", |w| {
            let part = fused.fresh("part");
            w.line(format_args!("float {part}[{eighths}][4] = {{}};"));
            w.line(format_args!("add_to({part}, {u});"));
            w.line(format_args!("scale_columns({part}, {});", of_chunk(fused, mixing, (m, table), at)));
            let (to, tile) = (registers(fused, *to), fused.keys(keys));
            if plan.deposit_whole(deposit) {
                return fused.deposit_whole(to, &part, (deposit.keys, &tile), w);
            }
            let packed = fused.pack(&part, eighths, plan.split, "packed", w);
            let head = format!("multiply_columns<{}>", fused.operand());
            fused.product((&head, to, ""), &packed, &tile, w);
        });
    }
}
