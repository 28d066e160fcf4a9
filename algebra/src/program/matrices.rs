//! The operations of a chunk program, which this defines: each a loop over rows.
//!
//! A row is a token and a slot, row `token * slots + slot`. Decays are those of [`Clock`], so that nothing here divides.
//!
//! ```text
//! gram[t, s] = b_t . what is left at t of a_s
//! decay[t, s] = what is left at t of 1 put in at s
//! tap[t] = what is left at t of each state, read with b_t
//! ```

use super::build::by_channel;
use super::walk::{Clock, Place, reaches};
use super::{Columns, Deposit, KeysId, Node, NodeId, Op, Program, StackId, System};
use crate::data::Real;
use crate::eval::{Workspace, evaluate, len};
use chunkwise_dsl::graph::{Expr, ReadId, Shape, StateId, Value};
use ndarray::{Array2, ArrayView2, Axis};

/// One chunk: its numbers, and the matrices so far.
pub(super) struct Chunk<'a, R> {
    program: &'a Program,
    sizes: &'a [usize],
    tokens: usize,
    ws: &'a Workspace<R>,
    leaf: &'a dyn Fn(Expr, usize, &mut [R]),
    clock: Clock<'a, R>,
    states: &'a [Vec<R>],
    reaches: Vec<Vec<bool>>,
    nodes: Vec<Array2<R>>,
}

impl<'a, R: Real> Chunk<'a, R> {
    /// Computes every matrix of a chunk from its first states; `leaf` gives inputs by row.
    pub(super) fn new(
        program: &'a Program,
        sizes: &'a [usize],
        tokens: usize,
        ws: &'a Workspace<R>,
        leaf: &'a dyn Fn(Expr, usize, &mut [R]),
        states: &'a [Vec<R>],
    ) -> Self {
        let t = &program.timeline;
        let (clock, reaches) = (Clock::new(t, sizes, tokens, ws), reaches(t));
        let mut chunk = Chunk { program, sizes, tokens, ws, leaf, clock, states, reaches, nodes: Vec::new() };
        for node in &program.nodes {
            chunk.nodes.push(chunk.matrix(node));
        }
        chunk
    }

    fn matrix(&self, node: &Node) -> Array2<R> {
        match &node.op {
            Op::Values(values) => self.values(node, values),
            Op::Scale(by, x) => self.scale(by, *x),
            Op::Add(x, y) => self.node(*x) + self.node(*y),
            Op::Gram(reads, writes) => self.gram(*reads, *writes),
            Op::Plain(reads, writes) => self.plain(*reads, *writes),
            Op::Decay(to, from, x) => self.between(*to, *from) * self.node(*x),
            Op::Tap(reads) => self.tap(node, *reads),
            Op::Inverse(m) => inverse(self.node(*m)),
            Op::Product(x, y) => self.node(*x).dot(self.node(*y)),
            Op::Reach { reads, writes, values } => self.reach(node, *reads, *writes, *values),
            Op::Solved(system, member) => self.solve(self.program.system(*system)).swap_remove(*member),
        }
    }

    fn node(&self, id: NodeId) -> &Array2<R> {
        &self.nodes[id.index()]
    }

    fn rows(&self, stack: StackId) -> usize {
        self.tokens * self.program.slots(stack)
    }

    fn zeros(&self, node: &Node) -> Array2<R> {
        let columns = match node.columns {
            Columns::Rows(stack) => self.rows(stack),
            Columns::Value(dim) => len(Shape::of(None, dim), self.sizes),
        };
        Array2::zeros((self.rows(node.rows), columns))
    }

    fn values(&self, node: &Node, values: &[Option<Value>]) -> Array2<R> {
        let mut rows = self.zeros(node);
        for (n, mut row) in rows.axis_iter_mut(Axis(0)).enumerate() {
            if let Some(v) = values[n % values.len()] {
                row.iter_mut().zip(self.ws.row(v, n / values.len())).for_each(|(x, &value)| *x = value);
            }
        }
        rows
    }

    fn scale(&self, by: &[Value], x: NodeId) -> Array2<R> {
        let mut rows = self.node(x).clone();
        for (n, mut row) in rows.axis_iter_mut(Axis(0)).enumerate() {
            let factor = self.ws.row(by[n % by.len()], n / by.len())[0];
            row.iter_mut().for_each(|x| *x *= factor);
        }
        rows
    }

    /// The row of a key, and where on the timeline it stands; by row.
    fn keys(&self, id: KeysId) -> Vec<(Place, Vec<R>)> {
        let keys = self.program.keys(id);
        let zeros = vec![R::zero(); self.clock.key_len(keys.state)];
        let row = |n: usize| {
            let (token, slot) = (n / keys.slots.len(), keys.slots[n % keys.slots.len()]);
            let key = slot.key.map_or(zeros.clone(), |key| self.ws.row(key, token).to_vec());
            ((token, slot.event), key)
        };
        (0..self.rows(keys.stack)).map(row).collect()
    }

    fn gram(&self, reads: KeysId, writes: KeysId) -> Array2<R> {
        let (b, a) = (self.keys(reads), self.keys(writes));
        let (from, to) = (self.program.keys(writes).state, self.program.keys(reads).state.index());
        let mut gram = Array2::zeros((b.len(), a.len()));
        for (s, ((token, event), key)) in a.iter().enumerate() {
            self.clock.carry((*token, event + 1), from, key, |place, carried| {
                for (t, (_, key)) in b.iter().enumerate().filter(|(_, b)| b.0 == place) {
                    gram[(t, s)] = dot(key, &carried.keys[to]);
                }
            });
        }
        gram
    }

    fn plain(&self, reads: KeysId, writes: KeysId) -> Array2<R> {
        let (b, a) = (self.keys(reads), self.keys(writes));
        Array2::from_shape_fn((b.len(), a.len()), |(t, s)| match a[s].0 < b[t].0 {
            true => dot(&b[t].1, &a[s].1),
            false => R::zero(),
        })
    }

    /// The decays between rows of a state that decays by one number.
    fn between(&self, to: KeysId, from: KeysId) -> Array2<R> {
        let state = self.program.keys(from).state;
        let (to, from) = (self.keys(to), self.keys(from));
        let (ones, mut decays) =
            (vec![R::one(); self.clock.key_len(state)], Array2::zeros((to.len(), from.len())));
        for (s, ((token, event), _)) in from.iter().enumerate() {
            let mut at = |place, decay: R| {
                for (t, _) in to.iter().enumerate().filter(|(_, row)| row.0 == place) {
                    decays[(t, s)] = decay;
                }
            };
            at((*token, *event), R::one());
            self.clock.carry((*token, event + 1), state, &ones, |place, carried| {
                at(place, carried.keys[state.index()].first().copied().unwrap_or(R::one()));
            });
        }
        decays
    }

    fn tap(&self, node: &Node, reads: KeysId) -> Array2<R> {
        let b = self.keys(reads);
        let to = self.program.keys(reads).state;
        let mut found = self.zeros(node);
        for from in self.sources(to) {
            let start = self.state(from);
            self.clock.carry((0, 0), from, &vec![R::one(); self.clock.key_len(from)], |place, carried| {
                for (t, (_, key)) in b.iter().enumerate().filter(|(_, b)| b.0 == place) {
                    for ((row, &b), &d) in start.rows().into_iter().zip(key).zip(&carried.keys[to.index()]) {
                        add_scaled(&mut found, t, b * d, row.iter().copied(), &carried.channels);
                    }
                }
            });
        }
        found
    }

    fn reach(&self, node: &Node, reads: KeysId, writes: KeysId, values: NodeId) -> Array2<R> {
        let (gram, mut found) = (self.gram(reads, writes), self.zeros(node));
        for (row, mut found) in found.axis_iter_mut(Axis(0)).enumerate() {
            let sum = self.reach_row((reads, row), writes, &gram, self.node(values));
            found.iter_mut().zip(sum).for_each(|(x, y)| *x = y);
        }
        found
    }

    /// What row `row` of the reads finds of rows that the writes have stored.
    fn reach_row(
        &self,
        (reads, row): (KeysId, usize),
        writes: KeysId,
        gram: &Array2<R>,
        values: &Array2<R>,
    ) -> Vec<R> {
        let state = self.program.keys(writes).state;
        let decays = by_channel(&self.program.timeline, state);
        let to = self.place(reads, row);
        let mut sum = vec![R::zero(); values.ncols()];
        for (s, value) in values.rows().into_iter().enumerate() {
            let (token, event) = self.place(writes, s);
            if (token, event) >= to {
                break;
            }
            let ones = vec![R::one(); sum.len()];
            let channels = if decays { self.clock.channels(state, (token, event + 1), to) } else { ones };
            let terms = value.iter().zip(channels).map(|(&v, c)| gram[(row, s)] * v * c);
            sum.iter_mut().zip(terms).for_each(|(x, term)| *x += term);
        }
        sum
    }

    /// Row after row, in timeline order.
    fn solve(&self, system: &System) -> Vec<Array2<R>> {
        let rows = |keys: KeysId| self.rows(self.program.keys(keys).stack);
        let width = |keys: KeysId| self.clock.value_len(self.program.keys(keys).state);
        let members = &system.members;
        let mut solved: Vec<Array2<R>> =
            members.iter().map(|m| Array2::zeros((rows(m.keys), width(m.keys)))).collect();
        let all = (0..members.len()).flat_map(|m| (0..rows(members[m].keys)).map(move |row| (m, row)));
        let mut order: Vec<(usize, usize)> = all.collect();
        order.sort_by_key(|&(m, row)| self.place(members[m].keys, row));
        let (g, mut ws) = (&self.program.timeline.graph, self.ws.clone());
        let tainted = g.dependents(|e| matches!(e, Expr::Read(_)));
        for (m, row) in order {
            let values = &members[m].values;
            let (token, value) = (row / values.len(), values[row % values.len()]);
            let live = g.reachable([value]);
            let inside: Vec<Value> = g.values().filter(|v| live[v.index()] && tainted[v.index()]).collect();
            evaluate(g, self.sizes, &mut ws, &inside, token..token + 1, |_, e, token, out| match e {
                Expr::Read(r) => self.seek(system, r, token, &solved, out),
                e => (self.leaf)(e, token, out),
            });
            solved[m].row_mut(row).iter_mut().zip(ws.row(value, token)).for_each(|(x, &u)| *x = u);
        }
        solved
    }

    /// What one read of a system finds, given the rows before it.
    fn seek(&self, system: &System, r: ReadId, token: usize, solved: &[Array2<R>], out: &mut [R]) {
        for sought in &system.sought {
            let Some(slot) = sought.reads.iter().position(|(read, _)| *read == r) else { continue };
            let row = token * sought.reads.len() + slot;
            out.iter_mut().zip(self.node(sought.found).row(row)).for_each(|(x, &f)| *x = f);
            for ((member, gram), u) in system.members.iter().zip(&sought.grams).zip(solved) {
                let Some(gram) = gram else { continue };
                let sum = self.reach_row((sought.keys, row), member.keys, self.node(*gram), u);
                out.iter_mut().zip(sum).for_each(|(x, y)| *x += y);
            }
            let scale = self.ws.row(sought.reads[slot].1, token)[0];
            out.iter_mut().for_each(|x| *x *= scale);
        }
    }

    /// Where on the timeline a row stands.
    fn place(&self, keys: KeysId, row: usize) -> Place {
        let slots = &self.program.keys(keys).slots;
        (row / slots.len(), slots[row % slots.len()].event)
    }

    /// The states at the chunk's end: the carried ones, and what was written.
    pub(super) fn next(&self) -> Vec<Vec<R>> {
        let t = &self.program.timeline;
        let empty = |s| Array2::zeros((self.clock.key_len(s), self.clock.value_len(s)));
        let mut next: Vec<Array2<R>> = t.signature.state_ids().map(empty).collect();
        for from in t.signature.state_ids() {
            let ones = vec![R::one(); self.clock.key_len(from)];
            let end = self.clock.carry((0, 0), from, &ones, |_, _| {});
            for to in self.targets(from) {
                for (k, row) in self.state(from).rows().into_iter().enumerate() {
                    let d = end.keys[to.index()][k];
                    add_scaled(&mut next[to.index()], k, d, row.iter().copied(), &end.channels);
                }
            }
        }
        for deposit in &self.program.deposits {
            self.deposit(*deposit, &mut next);
        }
        next.into_iter().map(|s| s.into_iter().collect()).collect()
    }

    fn deposit(&self, Deposit { keys, values }: Deposit, next: &mut [Array2<R>]) {
        let from = self.program.keys(keys).state;
        let written = self.keys(keys).into_iter().zip(self.node(values).rows());
        for (((token, event), key), u) in written {
            let end = self.clock.carry((token, event + 1), from, &key, |_, _| {});
            for to in self.targets(from) {
                for (k, &a) in end.keys[to.index()].iter().enumerate() {
                    add_scaled(&mut next[to.index()], k, a, u.iter().copied(), &end.channels);
                }
            }
        }
    }

    /// By read: what it finds, a row a token; empty where no output uses the read.
    pub(super) fn found(&self) -> Vec<Vec<R>> {
        let mut found = vec![Vec::new(); self.program.timeline.reads.len()];
        for (r, f) in &self.program.reads {
            let slots = self.program.slots(self.program.node(f.node).rows);
            for token in 0..self.tokens {
                let scale = self.ws.row(f.scale, token)[0];
                let row = self.node(f.node).row(token * slots + f.slot);
                found[r.index()].extend(row.iter().map(|&x| x * scale));
            }
        }
        found
    }

    /// States whose start a read of `to` can find.
    fn sources(&self, to: StateId) -> impl Iterator<Item = StateId> {
        let ids = self.program.timeline.signature.state_ids();
        ids.filter(move |from| self.reaches[from.index()][to.index()])
    }

    /// States that something put into `from` can end in.
    fn targets(&self, from: StateId) -> impl Iterator<Item = StateId> {
        let ids = self.program.timeline.signature.state_ids();
        ids.filter(move |to| self.reaches[from.index()][to.index()])
    }

    /// A state at the chunk's start, `K x V`.
    fn state(&self, s: StateId) -> ArrayView2<'_, R> {
        let shape = (self.clock.key_len(s), self.clock.value_len(s));
        ArrayView2::from_shape(shape, &self.states[s.index()]).unwrap_or_else(|_| ArrayView2::from(&[[]; 0]))
    }
}

/// `x[row] += factor * values * channels`.
fn add_scaled<R: Real>(
    x: &mut Array2<R>,
    row: usize,
    factor: R,
    values: impl Iterator<Item = R>,
    channels: &[R],
) {
    let scaled = values.zip(channels).map(|(v, &c)| factor * v * c);
    x.row_mut(row).iter_mut().zip(scaled).for_each(|(x, v)| *x += v);
}

fn dot<R: Real>(x: &[R], y: &[R]) -> R {
    x.iter().zip(y).fold(R::zero(), |sum, (&x, &y)| sum + x * y)
}

/// `(I - M)^-1`, row after row: row `r` is `e_r + sum_{c < r} M[r, c] row c`.
fn inverse<R: Real>(m: &Array2<R>) -> Array2<R> {
    let mut t = Array2::eye(m.nrows());
    for r in 0..m.nrows() {
        for c in 0..r {
            let (above, mut below) = t.view_mut().split_at(Axis(0), r);
            below.row_mut(0).scaled_add(m[(r, c)], &above.row(c));
        }
    }
    t
}
