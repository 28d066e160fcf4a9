//! The timeline's own evaluator: its events, one after another, on `K x V` states. This is what a timeline means; it is short
//! so that it can be believed, and serves tests of the lowering and of the dual (whose givens it takes by row).
//!
//! ```text
//! decay  S <- diag(d) S diag(e)      read  p = S^T b      write  S <- S + a u^T      mix  S_i <- sum_j M_ij S_j
//! ```

use crate::adjoint::entries;
use crate::data::{Inputs, Outputs, Real};
use crate::eval::{Workspace, evaluate, len};
use chunkwise_dsl::graph::{Expr, ReadId, StateId, Value};
use chunkwise_dsl::timeline::{Event, Factor, Side, Timeline};

/// Runs a sequence through a timeline. `given(number, token, out)` supplies givens (none in a rule's own timeline);
/// `read(token, id, p)` is told what every read tapped. `order` lists the tokens, reversed for a dual.
pub fn run<R: Real>(
    t: &Timeline,
    inputs: &Inputs<R>,
    order: impl Iterator<Item = usize>,
    given: impl Fn(u32, usize, &mut [R]),
    mut read: impl FnMut(usize, ReadId, &[R]),
) -> Outputs<R> {
    let mut states = inputs.states.clone();
    let mut outputs: Vec<Vec<R>> = vec![Vec::new(); t.outputs.len()];
    let live = t.graph.reachable(t.roots());
    let mut ws = Workspace::new(&t.graph, inputs.sizes, 1, t.graph.values());
    for token in order {
        let mut done = vec![false; t.graph.len()];
        let mut taps: Vec<Vec<R>> = vec![Vec::new(); t.reads.len()];
        for event in &t.events {
            let needed: Vec<Value> = operands(t, event);
            let below = t.graph.reachable(needed);
            let now: Vec<Value> = t
                .graph
                .values()
                .filter(|v| live[v.index()] && below[v.index()] && !done[v.index()])
                .collect();
            now.iter().for_each(|v| done[v.index()] = true);
            compute(t, inputs, &mut ws, &now, token, &taps, &given);
            apply(t, inputs.sizes, &ws, event, &mut states, &mut taps);
            if let Event::Read(r) = event {
                read(token, *r, &taps[r.index()]);
            }
        }
        let rest: Vec<Value> = t.graph.values().filter(|v| live[v.index()] && !done[v.index()]).collect();
        compute(t, inputs, &mut ws, &rest, token, &taps, &given);
        for (out, &v) in outputs.iter_mut().zip(&t.outputs) {
            out.extend_from_slice(ws.row(v, 0));
        }
    }
    Outputs { outputs, states }
}

fn operands(t: &Timeline, event: &Event) -> Vec<Value> {
    match event {
        Event::Decay { factor, .. } => vec![factor.value()],
        Event::Read(r) => vec![t.read(*r).key],
        Event::Write { key, value, .. } => vec![*key, *value],
        Event::Mix { matrix, .. } => entries(matrix).map(|e| e.2).collect(),
    }
}

fn compute<R: Real>(
    t: &Timeline,
    inputs: &Inputs<R>,
    ws: &mut Workspace<R>,
    values: &[Value],
    token: usize,
    taps: &[Vec<R>],
    given: &impl Fn(u32, usize, &mut [R]),
) {
    evaluate(&t.graph, inputs.sizes, ws, values, 0..1, |_, e, _, out| match e {
        Expr::Param(p, j) => {
            out.copy_from_slice(inputs.params[p.index()].row(token, j.unwrap_or(0) as usize))
        }
        Expr::Read(r) => out.copy_from_slice(&taps[r.index()]),
        Expr::Given(n) => given(n, token, out),
        _ => {}
    });
}

fn apply<R: Real>(
    t: &Timeline,
    sizes: &[usize],
    ws: &Workspace<R>,
    event: &Event,
    states: &mut [Vec<R>],
    taps: &mut [Vec<R>],
) {
    let width = |s: StateId| len(t.form(s).value_shape(), sizes);
    match event {
        Event::Decay { state, factor } => {
            let d: Vec<R> = match factor {
                Factor::Log(v) => ws.row(*v, 0).iter().map(|x| x.exp()).collect(),
                Factor::Raw(v) => ws.row(*v, 0).to_vec(),
            };
            scale(&mut states[state.index()], width(*state), &d, t.side(*state, factor.value()));
        }
        Event::Read(r) => {
            let (state, b) = (t.read(*r).state, ws.row(t.read(*r).key, 0));
            let mut p = vec![R::zero(); width(state)];
            for (row, &b) in states[state.index()].chunks(p.len()).zip(b) {
                p.iter_mut().zip(row).for_each(|(p, &s)| *p += b * s);
            }
            taps[r.index()] = p;
        }
        Event::Write { state, key, value } => {
            let (a, u) = (ws.row(*key, 0), ws.row(*value, 0));
            for (row, &a) in states[state.index()].chunks_mut(u.len()).zip(a) {
                row.iter_mut().zip(u).for_each(|(s, &u)| *s += a * u);
            }
        }
        Event::Mix { states: mixed, matrix } => {
            let old: Vec<Vec<R>> = mixed.iter().map(|s| states[s.index()].clone()).collect();
            mixed.iter().for_each(|s| states[s.index()].fill(R::zero()));
            for (i, j, m) in entries(matrix) {
                let mut term = old[j].clone();
                scale(&mut term, width(mixed[j]), ws.row(m, 0), t.side(mixed[j], m));
                states[mixed[i].index()].iter_mut().zip(&term).for_each(|(s, &x)| *s += x);
            }
        }
    }
}

/// Multiplies a state, by rows of `width` numbers, with a factor on one of its sides.
fn scale<R: Real>(state: &mut [R], width: usize, d: &[R], side: Side) {
    for (k, row) in state.chunks_mut(width).enumerate() {
        for (v, s) in row.iter_mut().enumerate() {
            *s *= match side {
                Side::Scalar => d[0],
                Side::Key => d[k],
                Side::Value => d[v],
            };
        }
    }
}
