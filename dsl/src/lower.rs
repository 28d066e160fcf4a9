//! From a rule's body to its timeline.
//!
//! ```text
//! s = alpha * s + outer(b, s.read(a))      p0 = read(s, a)
//! s.read(q)                            =>  decay(s, alpha)
//!                                          write(s, b, p0)
//!                                          p1 = read(s, q);  o = p1
//! ```
//!
//! Updates are taken in program order. Before a state changes, every read of it that anything uses is emitted, so a read
//! taps the state as it stood where the user wrote it; equal reads are one read. What a state keeps of itself is a decay
//! (in log space where the rule says `exp` or `sigmoid`), what it keeps of others is a mix, the rest are writes.
//!
//! Checked here: read keys, write keys, decays and mixes do not depend on reads of their own stratum.

use crate::affine::{Affine, Parts, decompose, version};
use crate::diagnostic::{Diagnostic, Span};
use crate::graph::{Binary, Expr, Graph, ReadId, Shape, StateId, Unary, Value};
use crate::rule::Body;
use crate::signature::Signature;
use crate::strata::{self, Dependence};
use crate::timeline::{Event, Factor, Form, Read, Side, Timeline};
use std::collections::HashMap;

/// Derives the timeline; the diagnostics say what has none, and where.
pub fn lower(signature: &Signature, body: &Body) -> Result<Timeline, Vec<Diagnostic>> {
    let parts = decompose(signature, body)?;
    let mut l = Lowering::new(signature, body, &parts);
    for (n, affine) in parts.updates.iter().enumerate() {
        l.update(n, affine);
    }
    let outputs: Vec<Value> = body.outputs.iter().map(|&o| l.rewrite(o)).collect();
    for s in signature.state_ids() {
        l.flush(s);
    }
    l.timeline.outputs = outputs;
    l.check_strata();
    l.check_coupling();
    if l.errors.is_empty() { Ok(l.timeline) } else { Err(l.errors) }
}

struct Lowering<'a> {
    body: &'a Body,
    graph: &'a Graph,
    timeline: Timeline,
    /// The leaf that stands for each state now.
    current: Vec<Expr>,
    /// Body value to timeline value.
    done: HashMap<Value, Value>,
    /// Live reads of each leaf, in body order.
    reads_of: HashMap<Expr, Vec<Value>>,
    known_reads: HashMap<(Expr, Value), Value>,
    /// The statement that each event came from.
    spans: Vec<Span>,
    span: Span,
    errors: Vec<Diagnostic>,
}

impl<'a> Lowering<'a> {
    fn new(signature: &Signature, body: &'a Body, parts: &'a Parts) -> Self {
        Lowering {
            body,
            graph: &parts.graph,
            timeline: Timeline {
                signature: signature.clone(),
                graph: Graph::default(),
                forms: parts.forms.clone(),
                reads: Vec::new(),
                events: Vec::new(),
                outputs: Vec::new(),
                read_prefix: "p",
                givens: Vec::new(),
            },
            current: signature.state_ids().map(Expr::State).collect(),
            done: HashMap::new(),
            reads_of: reads_of(body, parts),
            known_reads: HashMap::new(),
            spans: Vec::new(),
            span: Span::default(),
            errors: Vec::new(),
        }
    }

    fn emit(&mut self, event: Event) {
        self.timeline.events.push(event);
        self.spans.push(self.span);
    }

    fn update(&mut self, n: usize, affine: &Affine) {
        let state = self.body.updates[n].state;
        self.span = self.body.updates[n].span;
        self.flush(state);
        let writes: Vec<(Value, Value)> =
            affine.writes.iter().map(|&(a, u)| (self.rewrite(a), self.rewrite(u))).collect();
        let keeps: Vec<(StateId, Vec<Value>)> = affine
            .keeps
            .iter()
            .map(|(s, factors)| (*s, factors.iter().map(|&f| self.rewrite(f)).collect()))
            .collect();
        self.keep(state, &keeps);
        for (key, value) in writes {
            let key = self.fit(key, self.timeline.form(state).key_shape());
            let value = self.fit(value, self.timeline.form(state).value_shape());
            self.emit(Event::Write { state, key, value });
        }
        self.current[state.index()] = Expr::Updated(n as u32);
    }

    fn fit(&mut self, v: Value, shape: Shape) -> Value {
        self.timeline.graph.spread(v, shape)
    }

    /// Decays for what the state keeps of itself, a mix for what it keeps of others.
    fn keep(&mut self, state: StateId, keeps: &[(StateId, Vec<Value>)]) {
        let own = keeps.iter().find(|(s, _)| *s == state);
        let others: Vec<_> = keeps.iter().filter(|(s, _)| *s != state).collect();
        match own {
            Some((_, factors)) => self.decay(state, factors),
            None if others.is_empty() => {
                let zero = self.timeline.graph.constant(0.0);
                self.emit(Event::Decay { state, factor: Factor::Raw(zero) });
            }
            None => {}
        }
        if others.is_empty() {
            return;
        }
        let one = self.timeline.graph.constant(1.0);
        let states: Vec<StateId> = std::iter::once(state).chain(others.iter().map(|(s, _)| *s)).collect();
        let mut first = vec![own.map(|_| one)];
        for (_, factors) in &others {
            let product = factors.iter().fold(one, |p, &f| self.multiply(p, f));
            first.push(Some(product));
        }
        let mut matrix = vec![first];
        for i in 1..states.len() {
            matrix.push((0..states.len()).map(|j| (i == j).then_some(one)).collect());
        }
        self.emit(Event::Mix { states, matrix });
    }

    /// The factors of a decay, grouped by the side they scale; log factors stay logs.
    fn decay(&mut self, state: StateId, factors: &[Value]) {
        let mut flat = Vec::new();
        for &f in factors {
            self.flatten(f, &mut flat);
        }
        let sides: Vec<Side> = flat.iter().map(|f| self.timeline.side(state, f.value())).collect();
        let lead = [Side::Key, Side::Value].into_iter().find(|s| sides.contains(s)).unwrap_or(Side::Scalar);
        for side in [Side::Scalar, Side::Key, Side::Value] {
            let here = |i: usize| sides[i] == side || (sides[i] == Side::Scalar && side == lead);
            if side == Side::Scalar && lead != Side::Scalar {
                continue;
            }
            let (mut log, mut raw) = (None, None);
            for (_, f) in flat.iter().enumerate().filter(|(i, _)| here(*i)) {
                match *f {
                    Factor::Log(v) => log = Some(log.map_or(v, |x| self.combine(Binary::Add, x, v))),
                    Factor::Raw(v) => raw = Some(raw.map_or(v, |x| self.combine(Binary::Mul, x, v))),
                }
            }
            if let Some(v) = log {
                self.emit(Event::Decay { state, factor: Factor::Log(v) });
            }
            if let Some(v) = raw.filter(|&v| self.timeline.graph.literal(v) != Some(1.0)) {
                self.emit(Event::Decay { state, factor: Factor::Raw(v) });
            }
        }
    }

    /// `a * exp(g) * -b` into raw `a`, log `g`, raw `-1`, raw `b`.
    fn flatten(&mut self, v: Value, flat: &mut Vec<Factor>) {
        let g = &mut self.timeline.graph;
        match g.expr(v) {
            Expr::Unary(Unary::Exp, x) => flat.push(Factor::Log(x)),
            Expr::Unary(Unary::Sigmoid, x) => flat.push(Factor::Log(g.unary(Unary::LogSigmoid, x))),
            Expr::Binary(Binary::Mul, x, y) => {
                self.flatten(x, flat);
                self.flatten(y, flat);
            }
            Expr::Unary(Unary::Neg, x) => {
                flat.push(Factor::Raw(g.constant(-1.0)));
                self.flatten(x, flat);
            }
            _ => flat.push(Factor::Raw(v)),
        }
    }

    fn combine(&mut self, op: Binary, x: Value, y: Value) -> Value {
        let g = &mut self.timeline.graph;
        g.binary(op, x, y).unwrap_or(x)
    }

    fn multiply(&mut self, x: Value, y: Value) -> Value {
        self.combine(Binary::Mul, x, y)
    }

    /// Emits the reads of a state that are still to come, before it changes.
    fn flush(&mut self, state: StateId) {
        let pending = self.reads_of.remove(&self.current[state.index()]).unwrap_or_default();
        for v in pending {
            self.rewrite(v);
        }
    }

    /// Moves a value to the timeline's graph; reads become events on the way.
    fn rewrite(&mut self, v: Value) -> Value {
        if let Some(&known) = self.done.get(&v) {
            return known;
        }
        let shape = self.graph.shape(v);
        let new = match (self.read_parts(v), self.graph.expr(v)) {
            (Some((leaf, key)), _) => {
                let key = match key {
                    Some(key) => self.rewrite(key),
                    None => self.timeline.graph.constant(1.0),
                };
                self.read(leaf, key)
            }
            (None, e) => {
                let e = e.map(|x| self.rewrite(x));
                self.timeline.graph.push(e, shape)
            }
        };
        if let Some(name) = self.graph.names.get(&v) {
            self.timeline.graph.names.entry(new).or_insert_with(|| name.clone());
        }
        self.done.insert(v, new);
        new
    }

    fn read_parts(&self, v: Value) -> Option<(Expr, Option<Value>)> {
        read_parts(self.body, self.graph, &self.timeline.forms, v)
    }

    fn read(&mut self, leaf: Expr, key: Value) -> Value {
        if let Some(&known) = self.known_reads.get(&(leaf, key)) {
            return known;
        }
        let Some(state) = version(self.body, leaf) else { return key };
        debug_assert_eq!(self.current[state.index()], leaf, "a read of a state that has already changed");
        let form = self.timeline.form(state);
        let key = self.fit(key, form.key_shape());
        let id = ReadId(self.timeline.reads.len() as u32);
        self.timeline.reads.push(Read { state, key });
        self.emit(Event::Read(id));
        let value = self.timeline.graph.push(Expr::Read(id), form.value_shape());
        self.known_reads.insert((leaf, key), value);
        value
    }

    /// Refuses keys, decays and mixes that depend on a read of their own stratum.
    fn check_strata(&mut self) {
        for Dependence { event, what, read } in strata::violations(&self.timeline) {
            let state = &self.timeline.signature.state(self.timeline.read(read).state).name;
            let key = crate::print::expression(&self.timeline, self.timeline.read(read).key);
            self.errors.push(Diagnostic::mistake(
                self.spans[event],
                format!("{what} depends on `{state}.read({key})`, a read of the same state"),
                "decays and keys must come from inputs alone (values may depend on reads); or write `#[rule(recurrent)]` to get \
                 the token loop only",
            ));
        }
    }

    /// Coupled states scale as wholes or by rows: a factor for each column of one of them has no chunkwise form.
    fn check_coupling(&mut self) {
        let coupled = self.timeline.coupled();
        let by_column = |t: &Timeline, s: StateId, v: Value| t.side(s, v) == Side::Value;
        for (n, event) in self.timeline.events.iter().enumerate() {
            let refused = match event {
                Event::Decay { state, factor } => {
                    coupled[state.index()] && by_column(&self.timeline, *state, factor.value())
                }
                Event::Mix { states, matrix } => {
                    matrix[0].iter().flatten().any(|&m| by_column(&self.timeline, states[0], m))
                }
                _ => false,
            };
            if refused {
                self.errors.push(Diagnostic::limitation(
                    self.spans[n],
                    "coupled states (one is added to another) with a decay on the value side",
                    "scale coupled states by scalars or by rows, or write `#[rule(recurrent)]` to get the token loop only",
                ));
            }
        }
    }
}

/// The leaf that a value reads and the key it reads with (`None`: the whole of a row).
fn read_parts(body: &Body, g: &Graph, forms: &[Form], v: Value) -> Option<(Expr, Option<Value>)> {
    let by_key = |x: Value| version(body, g.expr(x)).filter(|s| forms[s.index()].key.is_some());
    match g.expr(v) {
        Expr::Contract(x, y) if by_key(x).is_some() => Some((g.expr(x), Some(y))),
        Expr::Contract(x, y) if by_key(y).is_some() => Some((g.expr(y), Some(x))),
        e => version(body, e).map(|_| (e, None)),
    }
}

/// Every read that something needs, by the leaf it reads.
fn reads_of(body: &Body, parts: &Parts) -> HashMap<Expr, Vec<Value>> {
    let g = &parts.graph;
    let used = parts.updates.iter().flat_map(|u| {
        let keeps = u.keeps.iter().flat_map(|(_, f)| f.iter().copied());
        keeps.chain(u.writes.iter().flat_map(|&(a, u)| [a, u]))
    });
    let live = g.reachable_through(used.chain(body.outputs.iter().copied()), |g, v| {
        match read_parts(body, g, &parts.forms, v) {
            Some((_, key)) => key.into_iter().collect(),
            None => g.expr(v).operands().collect(),
        }
    });
    let mut reads: HashMap<Expr, Vec<Value>> = HashMap::new();
    for v in g.values().filter(|v| live[v.index()]) {
        if let Some((leaf, _)) = read_parts(body, g, &parts.forms, v) {
            reads.entry(leaf).or_default().push(v);
        }
    }
    reads
}
