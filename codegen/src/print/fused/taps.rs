//! What reads find of the states as a chunk begins.
//!
//! ```text
//! held       an operand:  pack_pairs(s_operand, s);  multiply_rows(p, s_operand, k);  ..  multiply_rows(p_1, s_operand, q);
//! at once    for each 16 keys:  pack_fragment(a, s, n);  multiply_fragment(p, k, n, a);  multiply_fragment(p_1, q, n, a);
//! ```
//!
//! Compilers keep an operand that is needed twice, be it written once or twice. So where a thread has no registers for it, all
//! reads are made in one place ([`Plan::reads_at_once`](crate::fused::Plan::reads_at_once)), and what hands the state on takes
//! the same fragments.
//!
//! Invariant: whichever it is, and in whichever kernel, a product's numbers are added in one order.

use super::recurrence::Warp;
use super::{Fused, Packed, TileName, always, handed, mixes, registers};
use crate::fused::Held;
use crate::writer::Writer;
use chunkwise_algebra::program::{KeysId, NodeId, Op, phases};
use chunkwise_dsl::graph::StateId;
use std::collections::BTreeMap;

/// Every read of the warp's states that this kernel makes, and what it hands on of them.
pub(super) fn at_once(warp: &mut Warp<'_, '_>, w: &mut Writer) {
    let (fused, plan) = (warp.fused, warp.fused.plan);
    let phases = phases(&plan.chunk);
    let mut taps: Vec<(KeysId, String)> = Vec::new();
    for (at, node) in plan.chunk.nodes.iter().enumerate() {
        let Op::Tap(keys) = node.op else { continue };
        if warp.states.contains(&plan.chunk.keys(keys).state) && plan.computes(phases[at]) {
            let node = NodeId(at as u32);
            let name = warp.rows_of(node, "tap", w);
            warp.known.insert(node, name.clone());
            taps.push((keys, name));
        }
    }
    let mut begun = Begun::new();
    for state in warp.states.clone() {
        of_state(warp, state, (&taps, &mut begun), w);
    }
    for (keys, name) in &taps {
        if let Some(Some(since)) = begun.remove(keys) {
            w.line(format_args!("scale_columns({name}, {since});"));
        }
    }
    for (keys, name) in &taps {
        if let Some(rows) = fused.decays(*keys).filter(|_| plan.table_of(*keys).is_none()) {
            w.line(format_args!("scale_columns({name}, {});", rows.from_start));
        }
    }
}

/// Reads that have found something of a state, with what that is still to be multiplied by.
type Begun = BTreeMap<KeysId, Option<String>>;

/// What reads find of one state.
struct Found {
    keys: KeysId,
    /// Accumulators of the product.
    part: String,
    /// Of states that meet, what stands between the chunk's begin and the read.
    since: Option<String>,
    /// What it is added to, where another state has been there.
    sum: Option<String>,
}

/// What the reads find of one state. What those that have begun found before is multiplied after this state's products: compilers
/// would load the numbers early and hold them meanwhile. The products are behind a branch, or compilers would begin with them
/// during those of the state before.
fn of_state(
    warp: &Warp<'_, '_>,
    state: StateId,
    (taps, begun): (&[(KeysId, String)], &mut Begun),
    w: &mut Writer,
) {
    let (fused, plan) = (warp.fused, warp.fused.plan);
    let hand = plan.hand(warp.owner.state, Held::State(state)).filter(|_| plan.hands_on());
    let mut found: Vec<Found> = Vec::new();
    for (keys, name) in taps {
        let since = mixes::since_begin(fused, *keys, state);
        let own = plan.table_of(*keys).is_none() && plan.chunk.keys(*keys).state == state;
        if !own && since.is_none() {
            continue;
        }
        let sum = begun.contains_key(keys).then(|| name.clone());
        let part = if sum.is_some() { fused.fresh("part") } else { name.clone() };
        found.push(Found { keys: *keys, part, since, sum });
    }
    if found.is_empty() && hand.is_none() {
        return;
    }
    let head = if begun.is_empty() { String::new() } else { always(fused, w) };
    w.block(head, |w| {
        for Found { keys, part, .. } in found.iter().filter(|found| found.sum.is_some()) {
            w.line(format_args!("float {part}[{}][4] = {{}};", fused.eighths(plan.chunk.keys(*keys).stack)));
        }
        each_fragment(fused, w, |n, w| {
            let parts = fragment(fused, state, n, w);
            for Found { keys, part, .. } in &found {
                multiply(fused, (part, &tile(fused, *keys)), (n, &parts), w);
                // Compilers would make fragments ahead of the products that take them, more than there are registers.
                w.line("__syncwarp();");
            }
            if let Some(hand) = &hand {
                handed::give_fragment(fused, hand, (warp.owner, &warp.column), (n, &parts), w);
                w.line("__syncwarp();");
            }
        });
        for Found { keys, part, since, sum } in found {
            let Some(sum) = sum else {
                begun.insert(keys, since);
                continue;
            };
            let before = begun.insert(keys, None).flatten().map(|since| (&sum, since));
            for (rows, since) in before.into_iter().chain(since.map(|since| (&part, since))) {
                w.line(format_args!("scale_columns({rows}, {since});"));
            }
            w.line(format_args!("add_to({sum}, {part});"));
        }
    });
}

/// What reads find of the states as the chunk begins, in accumulators that are zero, or that a single state adds to.
pub(super) fn add(warp: &Warp<'_, '_>, keys: KeysId, into: &str, w: &mut Writer) {
    let (fused, plan) = (warp.fused, warp.fused.plan);
    if plan.table_of(keys).is_none() {
        let packed = warp.first_state(plan.chunk.keys(keys).state, w);
        multiply_rows(fused, (into, &tile(fused, keys)), &packed, w);
        if let Some(rows) = fused.decays(keys) {
            w.line(format_args!("scale_columns({into}, {});", rows.from_start));
        }
        return;
    }
    let mut begun = false;
    for state in &warp.states {
        let Some(since) = mixes::since_begin(fused, keys, *state) else { continue };
        w.block("", |w| {
            let part = if begun { fused.fresh("part") } else { into.to_owned() };
            if begun {
                let eighths = fused.eighths(plan.chunk.keys(keys).stack);
                w.line(format_args!("float {part}[{eighths}][4] = {{}};"));
            }
            let packed = warp.first_state(*state, w);
            multiply_rows(fused, (&part, &tile(fused, keys)), &packed, w);
            w.line(format_args!("scale_columns({part}, {since});"));
            if begun {
                w.line(format_args!("add_to({into}, {part});"));
            }
        });
        begun = true;
    }
}

/// `into += S^T B^T` for a state as an operand.
fn multiply_rows(fused: &Fused<'_>, (into, tile): (&str, &TileName), packed: &Packed, w: &mut Writer) {
    if packed.low.is_none() && tile.low.is_none() {
        let e = fused.operand();
        return w.line(format_args!("multiply_rows<{e}>({into}, {}, {});", packed.high, tile.high));
    }
    each_fragment(fused, w, |n, w| {
        let parts: Vec<String> = packed.parts().map(|name| format!("{name}[{n}]")).collect();
        multiply(fused, (into, tile), (n, &parts), w);
    });
}

/// The tile that reads multiply a state by.
fn tile(fused: &Fused<'_>, keys: KeysId) -> TileName {
    let tile = fused.state_keys(keys);
    TileName { last: tile.last.filter(|_| fused.plan.stays_whole(keys)), ..tile }
}

/// Each fragment of an operand that has the channels of keys.
fn each_fragment(fused: &Fused<'_>, w: &mut Writer, body: impl FnOnce(&str, &mut Writer)) {
    let n = fused.fresh("n");
    w.line("#pragma unroll");
    w.block(format_args!("for (int {n} = 0; {n} < {}; ++{n})", fused.key_eighths() / 2), |w| body(&n, w));
}

/// A fragment of a state in registers, in its parts, the largest first.
fn fragment(fused: &Fused<'_>, state: StateId, n: &str, w: &mut Writer) -> Vec<String> {
    let (e, name, whole) = (fused.operand(), fused.fresh("fragment"), fused.plan.state_whole(state));
    let state = registers(fused, state);
    if whole {
        w.line(format_args!("unsigned {name}[3][4];"));
        w.line(format_args!("split_fragment_whole({name}, {state}, {n});"));
        return (0..3).map(|part| format!("{name}[{part}]")).collect();
    }
    if !fused.plan.split {
        w.line(format_args!("unsigned {name}[4];"));
        w.line(format_args!("pack_fragment<{e}>({name}, {state}, {n});"));
        return vec![name];
    }
    let low = fused.fresh("fragment_low");
    w.line(format_args!("unsigned {name}[4], {low}[4];"));
    w.line(format_args!("split_fragment<{e}>({name}, {low}, {state}, {n});"));
    vec![name, low]
}

/// A fragment's product with every part of the keys, the smaller ones first, each with the parts that matter beside it: of keys in
/// one part all.
fn multiply(
    fused: &Fused<'_>,
    (into, tile): (&str, &TileName),
    (n, fragment): (&str, &[String]),
    w: &mut Writer,
) {
    let e = fused.operand();
    let keys: Vec<&String> = [&tile.high].into_iter().chain(&tile.low).chain(&tile.last).collect();
    for (at, part) in keys.iter().enumerate().rev() {
        let most = if keys.len() == 1 { fragment.len() } else { keys.len() - at };
        let parts = fragment[..most.min(fragment.len())].join(", ");
        w.line(format_args!("multiply_fragment<{e}>({into}, {part}, {n}, {parts});"));
    }
}
