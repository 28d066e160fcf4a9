//! One chunk, forward: Gram matrices under decay, the substitution, the state at the chunk's end.
//!
//! ```text
//! L[t, s] = b_t . carried(a_s)            B0_j = b * carried(1_j)            A_i = carried(a) at the end
//! P = sum_j B0_j S_j + L U                u = f(inputs, P of the same token)
//! S_i <- sum_j Phi_ij S_j + A_i^T U
//! ```
//!
//! Rows of `P` that no write waits for are one matmul after the substitution. A value-side decay acts on what is written and on
//! what is read of the initial state, so the rows of `U` are carried through it in place.
//! Source: `math/timeline.py`, `math/coupled.py`, `math/substitution.py` of the design.

use super::carry::{Step, add_scaled, carry, scale};
use super::program::{Group, Program};
use crate::adjoint::entries;
use crate::data::Real;
use crate::eval::{Workspace, evaluate, len};
use chunkwise_dsl::graph::{Expr, Value};
use chunkwise_dsl::timeline::{Event, Factor, Side};
use ndarray::{Array2, ArrayView2, Axis, s};

/// The tokens of a chunk, and which way they are walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub tokens: usize,
    pub reversed: bool,
}

impl Span {
    /// The row (token within the chunk) that stands at a position of the walk.
    pub(crate) fn row(self, position: usize) -> usize {
        if self.reversed { self.tokens - 1 - position } else { position }
    }
}

/// Everything that is known of one group after a chunk.
pub(crate) struct Evaluated<R> {
    pub steps: Vec<Step<R>>,
    /// Write keys, `writes x K`, and read keys, `reads x K`.
    pub a: Array2<R>,
    pub b: Array2<R>,
    /// `reads x writes`: the decayed Gram matrix, 0 where the write comes later.
    pub l: Array2<R>,
    /// By state `j`: read keys against its value at the chunk's start, `reads x K`.
    pub b0: Vec<Array2<R>>,
    /// By state `i`: write keys carried to the end, `writes x K`.
    pub a_end: Vec<Array2<R>>,
    /// `[i][j]`: what start state `j` gives to end state `i`, `K` numbers.
    pub phi_end: Vec<Vec<Vec<R>>>,
    /// Write values as written, and as they stand at the end, `writes x V`.
    pub u: Array2<R>,
    pub u_end: Array2<R>,
    /// Value-side decay of the whole chunk, `V` numbers.
    pub psi_end: Vec<R>,
    /// Reads, `reads x V`.
    pub p: Array2<R>,
}

/// One evaluated chunk.
pub(crate) struct Chunk<R> {
    pub ws: Workspace<R>,
    pub groups: Vec<Evaluated<R>>,
}

/// Runs a chunk from `states`, which then hold the states at its end. `leaf` gives parameters and givens by row.
pub(crate) fn run<R: Real>(
    program: &Program,
    sizes: &[usize],
    span: Span,
    states: &mut [Vec<R>],
    leaf: &dyn Fn(Expr, usize, &mut [R]),
) -> Chunk<R> {
    let t = &program.timeline;
    let mut ws = Workspace::new(&t.graph, sizes, span.tokens, program.values());
    evaluate(&t.graph, sizes, &mut ws, &program.before, 0..span.tokens, |_, e, row, out| leaf(e, row, out));
    let mut groups: Vec<Evaluated<R>> =
        program.groups.iter().enumerate().map(|(n, g)| masks(program, n, g, sizes, span, &ws)).collect();
    for (group, e) in program.groups.iter().zip(&mut groups) {
        from_start(group, e, states, sizes);
    }
    substitute(program, sizes, span, &mut ws, &mut groups, leaf);
    for (group, e) in program.groups.iter().zip(&mut groups) {
        if !group.by_column {
            finish_reads(group, e);
        }
        to_end(group, e, states, sizes);
    }
    let read = |e: Expr, row: usize, out: &mut [R]| match e {
        Expr::Read(_) => copy_read(program, span, &groups, e, row, out),
        e => leaf(e, row, out),
    };
    evaluate(&t.graph, sizes, &mut ws, &program.after, 0..span.tokens, |_, e, row, out| read(e, row, out));
    Chunk { ws, groups }
}

/// The row of `P` that a read leaf stands for.
pub(crate) fn copy_read<R: Real>(
    program: &Program,
    span: Span,
    groups: &[Evaluated<R>],
    e: Expr,
    row: usize,
    out: &mut [R],
) {
    let Expr::Read(r) = e else { return };
    let (g, _) = program.home(program.timeline.read(r).state);
    let reads = &program.groups[g].reads;
    let at = reads.iter().position(|x| *x == r).unwrap_or(0);
    let index = span.row(row) * reads.len() + at;
    out.iter_mut().zip(groups[g].p.row(index)).for_each(|(o, &p)| *o = p);
}

/// The group's events with their numbers.
fn steps<R: Real>(program: &Program, g: usize, group: &Group, span: Span, ws: &Workspace<R>) -> Vec<Step<R>> {
    let t = &program.timeline;
    let (mut reads, mut writes) = (0.., 0..);
    let mut steps = Vec::new();
    for position in 0..span.tokens {
        let row = span.row(position);
        for (event, e) in t.events.iter().enumerate() {
            let slot_of = |s| (program.home(s).0 == g).then(|| program.home(s).1);
            let step = match e {
                Event::Decay { state, factor } => slot_of(*state).map(|slot| {
                    let factor_row = numbers(*factor, ws, row);
                    match t.side(*state, factor.value()) {
                        Side::Value => Step::Column { factor: factor_row, event, row },
                        _ => Step::Key { slot, factor: factor_row, event, row },
                    }
                }),
                Event::Read(r) => slot_of(t.read(*r).state)
                    .and_then(|slot| reads.next().map(|index| Step::Read { slot, index })),
                Event::Write { state, .. } => {
                    slot_of(*state).and_then(|slot| writes.next().map(|index| Step::Write { slot, index }))
                }
                Event::Mix { states, matrix } => slot_of(states[0]).map(|_| {
                    let slot = |i: usize| program.home(states[i]).1;
                    let listed = entries(matrix).map(|(i, j, m)| (slot(i), slot(j), ws.row(m, row).to_vec()));
                    Step::Mix { entries: complete(listed.collect(), states.len(), group), event, row }
                }),
            };
            steps.extend(step);
        }
    }
    steps
}

/// States of the group that the mix does not list stay as they are.
fn complete<R: Real>(
    mut entries: Vec<(usize, usize, Vec<R>)>,
    listed: usize,
    group: &Group,
) -> Vec<(usize, usize, Vec<R>)> {
    if listed < group.states.len() {
        let missing: Vec<usize> =
            (0..group.states.len()).filter(|i| !entries.iter().any(|e| e.0 == *i || e.1 == *i)).collect();
        entries.extend(missing.into_iter().map(|i| (i, i, vec![R::one()])));
    }
    entries
}

fn numbers<R: Real>(factor: Factor, ws: &Workspace<R>, row: usize) -> Vec<R> {
    match factor {
        Factor::Log(v) => ws.row(v, row).iter().map(|x| x.exp()).collect(),
        Factor::Raw(v) => ws.row(v, row).to_vec(),
    }
}

/// One row a token and listed value, in walk order.
fn stack<R: Real>(span: Span, keys: &[Value], width: usize, ws: &Workspace<R>) -> Array2<R> {
    let mut rows = Array2::zeros((span.tokens * keys.len(), width));
    for position in 0..span.tokens {
        for (n, &key) in keys.iter().enumerate() {
            let mut to = rows.row_mut(position * keys.len() + n);
            to.iter_mut().zip(ws.row(key, span.row(position))).for_each(|(to, &x)| *to = x);
        }
    }
    rows
}

/// Everything of a chunk that does not depend on states or values: keys carried through the decays.
fn masks<R: Real>(
    program: &Program,
    g: usize,
    group: &Group,
    sizes: &[usize],
    span: Span,
    ws: &Workspace<R>,
) -> Evaluated<R> {
    let t = &program.timeline;
    let (k, v) = (len(group.form.key_shape(), sizes), len(group.form.value_shape(), sizes));
    let m = group.states.len();
    let write_keys: Vec<Value> = group.writes.iter().map(|&n| write_key(&t.events[n])).collect();
    let read_keys: Vec<Value> = group.reads.iter().map(|&r| t.read(r).key).collect();
    let (a, b) = (stack(span, &write_keys, k, ws), stack(span, &read_keys, k, ws));
    let steps = steps(program, g, group, span, ws);
    let (reads, writes) = (b.nrows(), a.nrows());
    let mut e = Evaluated {
        l: Array2::zeros((reads, writes)),
        b0: vec![Array2::zeros((reads, k)); m],
        a_end: vec![Array2::zeros((writes, k)); m],
        phi_end: vec![vec![vec![R::zero(); k]; m]; m],
        u: Array2::zeros((writes, v)),
        u_end: Array2::zeros((writes, v)),
        psi_end: vec![R::one(); v],
        p: Array2::zeros((reads, v)),
        steps,
        a,
        b,
    };
    for j in 0..m {
        let mut alpha = vec![R::zero(); m * k];
        alpha[j * k..(j + 1) * k].fill(R::one());
        let (b, b0) = (&e.b, &mut e.b0[j]);
        carry(&e.steps, k, &mut alpha, |r, key| {
            b0.row_mut(r).iter_mut().zip(b.row(r).iter().zip(key)).for_each(|(o, (&b, &x))| *o = b * x);
        });
        (0..m).for_each(|i| e.phi_end[i][j].copy_from_slice(&alpha[i * k..(i + 1) * k]));
    }
    for from in 0..e.steps.len() {
        if let Step::Write { slot, index } = e.steps[from] {
            let mut alpha = vec![R::zero(); m * k];
            alpha[slot * k..(slot + 1) * k].iter_mut().zip(e.a.row(index)).for_each(|(o, &x)| *o = x);
            let (b, l) = (&e.b, &mut e.l);
            carry(&e.steps[from..], k, &mut alpha, |r, key| {
                l[(r, index)] = b.row(r).iter().zip(key).fold(R::zero(), |sum, (&b, &x)| sum + b * x);
            });
            for i in 0..m {
                let here = &alpha[i * k..(i + 1) * k];
                e.a_end[i].row_mut(index).iter_mut().zip(here).for_each(|(o, &x)| *o = x);
            }
        }
    }
    e
}

fn write_key(e: &Event) -> Value {
    match e {
        Event::Write { key, .. } => *key,
        _ => Value(0),
    }
}

/// A state as a `K x V` matrix.
pub(crate) fn matrix<'a, R: Real>(state: &'a [R], group: &Group, sizes: &[usize]) -> ArrayView2<'a, R> {
    let (k, v) = (len(group.form.key_shape(), sizes), len(group.form.value_shape(), sizes));
    ArrayView2::from_shape((k, v), state).unwrap_or_else(|_| ArrayView2::from(&[[]; 0]))
}

/// `P <- sum_j B0_j S_j`.
fn from_start<R: Real>(group: &Group, e: &mut Evaluated<R>, states: &[Vec<R>], sizes: &[usize]) {
    for (j, s) in group.states.iter().enumerate() {
        let start = matrix(&states[s.index()], group, sizes);
        e.p += &e.b0[j].dot(&start);
    }
}

/// Walks the chunk's events in order; each write's value may use the reads before it in its token.
fn substitute<R: Real>(
    program: &Program,
    sizes: &[usize],
    span: Span,
    ws: &mut Workspace<R>,
    groups: &mut [Evaluated<R>],
    leaf: &dyn Fn(Expr, usize, &mut [R]),
) {
    let t = &program.timeline;
    let mut reads = vec![0usize; groups.len()];
    let mut writes = vec![0usize; groups.len()];
    for position in 0..span.tokens {
        let row = span.row(position);
        for (n, event) in t.events.iter().enumerate() {
            match event {
                Event::Read(r) => {
                    let g = program.home(t.read(*r).state).0;
                    let group = &program.groups[g];
                    if group.by_column || group.feeds[reads[g] % group.reads.len()] {
                        read_now(&mut groups[g], reads[g], writes[g]);
                    }
                    reads[g] += 1;
                }
                Event::Write { state, value, .. } => {
                    let g = program.home(*state).0;
                    let shared: &[Evaluated<R>] = groups;
                    evaluate(
                        &t.graph,
                        sizes,
                        ws,
                        &program.inside[n],
                        row..row + 1,
                        |_, e, row, out| match e {
                            Expr::Read(_) => copy_read(program, span, shared, e, row, out),
                            e => leaf(e, row, out),
                        },
                    );
                    let u = ws.row(*value, row);
                    for to in [&mut groups[g].u, &mut groups[g].u_end] {
                        to.row_mut(writes[g]).iter_mut().zip(u).for_each(|(o, &x)| *o = x);
                    }
                    writes[g] += 1;
                }
                Event::Decay { state, factor } if t.side(*state, factor.value()) == Side::Value => {
                    let g = program.home(*state).0;
                    let factor = numbers(*factor, ws, row);
                    let e = &mut groups[g];
                    scale(&mut e.psi_end, &factor);
                    for mut u in e.u_end.slice_mut(s![..writes[g], ..]).axis_iter_mut(Axis(0)) {
                        u.iter_mut().zip(&factor).for_each(|(u, &f)| *u *= f);
                    }
                }
                _ => {}
            }
        }
    }
}

/// `p <- psi p + sum_s L[r, s] u_s`, over the writes so far.
fn read_now<R: Real>(e: &mut Evaluated<R>, r: usize, writes: usize) {
    let mut p: Vec<R> = e.p.row(r).iter().zip(&e.psi_end).map(|(&p, &psi)| p * psi).collect();
    for w in 0..writes {
        if let Some(u) = e.u_end.row(w).as_slice() {
            add_scaled(&mut p, e.l[(r, w)], u);
        }
    }
    e.p.row_mut(r).iter_mut().zip(p).for_each(|(o, x)| *o = x);
}

/// The reads that no write waited for: `P += L U`.
fn finish_reads<R: Real>(group: &Group, e: &mut Evaluated<R>) {
    let per_token = group.reads.len();
    for slot in (0..per_token).filter(|&slot| !group.feeds[slot]) {
        let rows = s![slot..;per_token, ..];
        let gram = e.l.slice(rows);
        let added = gram.dot(&e.u);
        let mut p = e.p.slice_mut(rows);
        p += &added;
    }
}

/// `S_i <- (sum_j Phi_ij S_j) psi + A_i^T U`.
fn to_end<R: Real>(group: &Group, e: &Evaluated<R>, states: &mut [Vec<R>], sizes: &[usize]) {
    let (k, v) = (len(group.form.key_shape(), sizes), len(group.form.value_shape(), sizes));
    let start: Vec<Vec<R>> = group.states.iter().map(|s| states[s.index()].clone()).collect();
    for (i, s) in group.states.iter().enumerate() {
        let mut end = e.a_end[i].t().dot(&e.u_end);
        for (j, start) in start.iter().enumerate() {
            for row in 0..k {
                let from = &start[row * v..(row + 1) * v];
                let to = end.row_mut(row);
                let phi = e.phi_end[i][j][row];
                to.into_iter()
                    .zip(from.iter().zip(&e.psi_end))
                    .for_each(|(o, (&x, &psi))| *o += phi * x * psi);
            }
        }
        states[s.index()] = end.iter().copied().collect();
    }
}
