//! Composition: what a segment of tokens does to the states, as rules.
//!
//! Every state enters its own next value linearly, so that a segment is a map `S -> M S + N`, and segments compose. Both parts
//! are what a rule ends with, so both are rules, with the same reads, decays and writes:
//!
//! ```text
//! gated_deltanet       the rule                        local, from zero: ends with N    transition, from I: ends with M
//!                      decay(s, exp(g))                decay(s, exp(g))                 decay(s_map, exp(g))
//!                      p0 = read(s, k)                 p0 = read(s, k)                  p0 = read(s_map, k)
//!                      write(s, beta * k, v - p0)      write(s, beta * k, v - p0)       write(s_map, beta * k, -p0)
//!                      p1 = read(s, q);  o = p1
//! ```
//!
//! The value columns of `s_map` are those of `M`: as many as there are keys (a dim of its own, `K_in`). Where no write of a
//! state feeds back, `M` is diagonal, and a vector that begins as ones ends with it; it goes with the local rule, which has the
//! same decays. Where nothing decays either, `M` is the identity.
//!
//! States that meet in mixes, or store reads of each other, have maps from each to each: the transition runs once for each of
//! them, from the identity of that one and zeros of the others.
//!
//! ```text
//! m *= eta;  m += outer(k, v - s.read(k));  s = s + m          S <- M_ss S + M_sm M + N_s,  M <- M_ms S + M_mm M + N_m
//! s *= e (value channels)                                      S <- (M S) * E + N: E from ones, decayed as the state is
//! ```
//!
//! Invariants: the two timelines have no outputs, and inputs, dims and their numbers are the rule's. Feedback that is not linear
//! has no such map. Source: design, section 2 (composition); Blelloch 1990, prefix sums and their applications.

mod evaluate;

pub use evaluate::run;

use crate::Unsupported;
use chunkwise_dsl::class::{self, Feedback, Linear};
use chunkwise_dsl::graph::{Binary, Dim, Expr, Graph, ReadId, Shape, StateId, Value};
use chunkwise_dsl::signature::{Signature, State};
use chunkwise_dsl::timeline::{Event, Factor, Form, Read, Side, Timeline};
use chunkwise_dsl::{print, verify};
use std::collections::HashMap;

/// A segment of tokens, as rules.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Ends with `N` in the rule's states, from zero; behind them what only decays, from ones.
    pub local: Timeline,
    /// Ends with the maps that are matrices, from the identity, run by run; `None` where there is none.
    pub transition: Option<Timeline>,
    /// By state of the rule, its map.
    pub maps: Vec<Map>,
    /// Dims that [`Segment::transition`] has beside the rule's: the new one, and the one that it is as long as.
    pub copies: Vec<(Dim, Dim)>,
}

/// What a segment makes of a state, beside what it adds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Map {
    /// Nothing decays and nothing feeds back.
    Identity,
    /// A number for each key channel: a vector state of [`Segment::local`].
    Diagonal(StateId),
    /// A number for each element, since value channels decay: a state of [`Segment::local`].
    Elements(StateId),
    /// A matrix for each state that it is made from.
    Matrices {
        /// The state of [`Segment::transition`] that ends with them.
        state: StateId,
        /// The states that they multiply, by run of the transition.
        from: Vec<StateId>,
        /// What each element is multiplied by after that, where value channels decay: a state of [`Segment::local`].
        elements: Option<StateId>,
    },
}

/// What a state of a segment's rules begins as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Zeros.
    Zeros,
    /// Ones, every element.
    Ones,
    /// The identity.
    Identity,
}

/// The rules of a segment.
///
/// # Errors
/// [`Unsupported`]: the rule has no such map, or one that is not built yet.
pub fn segment(timeline: &Timeline) -> Result<Segment, Unsupported> {
    let writes = writes(timeline)?;
    let (maps, extras) = maps(timeline, &writes);
    let local = checked("local", local(timeline, &writes, &extras));
    let (transition, copies) = match transition(timeline, &writes, &maps) {
        Some((transition, copies)) => (Some(checked("transition", transition)), copies),
        None => (None, Vec::new()),
    };
    Ok(Segment { local, transition, maps, copies })
}

impl Segment {
    /// The sizes of the transition's dims.
    pub fn sizes(&self, sizes: &[usize]) -> Vec<usize> {
        let copied = self.copies.iter().map(|(_, of)| sizes[of.index()]);
        sizes.iter().copied().chain(copied).collect()
    }

    /// How often the transition runs: once for each state of the largest group that meets.
    pub fn runs(&self) -> usize {
        let runs = |map: &Map| match map {
            Map::Matrices { from, .. } => from.len(),
            _ => 0,
        };
        self.maps.iter().map(runs).max().unwrap_or(0)
    }

    /// What the states of [`Segment::local`] begin as.
    pub fn local_starts(&self) -> Vec<Start> {
        let start = |at: usize| if at < self.maps.len() { Start::Zeros } else { Start::Ones };
        (0..self.local.forms.len()).map(start).collect()
    }

    /// What the states of [`Segment::transition`] begin as in one of its runs.
    pub fn transition_starts(&self, run: usize) -> Vec<Start> {
        let start = |(at, map): (usize, &Map)| match map {
            Map::Matrices { from, .. } if from.get(run) == Some(&StateId(at as u32)) => Some(Start::Identity),
            Map::Matrices { .. } => Some(Start::Zeros),
            _ => None,
        };
        self.maps.iter().enumerate().filter_map(start).collect()
    }
}

/// In debug and tests, the timeline has been verified.
fn checked(pass: &str, timeline: Timeline) -> Timeline {
    if cfg!(debug_assertions)
        && let Err(broken) = verify::timeline(&timeline)
    {
        panic!("segment, {pass}: {broken}\n{}", print::timeline(&timeline));
    }
    timeline
}

/// The coefficients of the reads in each write, by event; what is no write has none.
struct Writes {
    /// The rule's graph, and the coefficients.
    graph: Graph,
    terms: Vec<Vec<(ReadId, Value)>>,
}

/// Takes writes apart, and refuses what has no map of its own.
fn writes(t: &Timeline) -> Result<Writes, Unsupported> {
    let name = &t.signature.name;
    let refuse =
        |why: String| Err(Unsupported(format!("segments of `{name}` are no maps that compose: {why}")));
    let later = |what: String| Err(Unsupported(format!("segments of `{name}` are not composed yet: {what}")));
    let state = |s: StateId| &t.signature.state(s).name;
    if class::classify(t).passes > 1 {
        return later("it needs more than one pass over the tokens".into());
    }
    let mut graph = t.graph.clone();
    let tainted = graph.dependents(|e| matches!(e, Expr::Read(_)));
    let mut terms = Vec::new();
    for (n, event) in t.events.iter().enumerate() {
        let mut here = Vec::new();
        match event {
            Event::Mix { states, matrix } => {
                let by_value =
                    |v: &Value| t.side(states[0], *v) == Side::Value && t.graph.shape(*v) != Shape::Scalar;
                if matrix.iter().flatten().flatten().any(by_value) {
                    return later("its states are mixed channel by channel".into());
                }
            }
            Event::Write { state: s, value, .. } => {
                let Some(Linear { terms, .. }) = class::linear(&mut graph, *value, &tainted) else {
                    return refuse(format!(
                        "what is written to `{}` is not linear in what is read",
                        state(*s)
                    ));
                };
                if !matches!(class::feedback_of(t, n), Feedback::None | Feedback::Linear) {
                    return refuse(format!("what is read for `{}` is scaled channel by channel", state(*s)));
                }
                let is_alike = |&(r, c): &(ReadId, Value)| {
                    graph.shape(c) == Shape::Scalar && t.form(t.read(r).state) == t.form(*s)
                };
                if !terms.iter().all(is_alike) {
                    return later(format!("`{}` stores reads of a state of another shape", state(*s)));
                }
                if !terms.is_empty() && t.form(*s).key.is_none() {
                    return later(format!("`{}` is read whole and feeds back", state(*s)));
                }
                here = terms;
            }
            _ => {}
        }
        terms.push(here);
    }
    let writes = Writes { graph, terms };
    for s in t.signature.state_ids().filter(|s| group(t, &writes, *s).len() > 1) {
        if t.form(s).key.is_none() {
            return later(format!("`{}` is read whole and coupled", state(s)));
        }
        if !decays(t, s, &[Side::Value]).is_empty() {
            return later(format!(
                "the value channels of `{}` decay, which another state is made from or into",
                state(s)
            ));
        }
    }
    Ok(writes)
}

/// The states that meet a state, in mixes or since one stores reads of the other, directly or through others; in order.
fn group(t: &Timeline, writes: &Writes, state: StateId) -> Vec<StateId> {
    let meet = |x: StateId, y: StateId| {
        t.events.iter().zip(&writes.terms).any(|(event, terms)| match event {
            Event::Mix { states, .. } => states.contains(&x) && states.contains(&y),
            event => changes(event, x) && terms.iter().any(|(r, _)| t.read(*r).state == y),
        })
    };
    let mut group = vec![state];
    loop {
        let joins = |s: &StateId| !group.contains(s) && group.iter().any(|m| meet(*m, *s) || meet(*s, *m));
        let Some(next) = t.signature.state_ids().find(joins) else { break };
        group.push(next);
    }
    group.sort();
    group
}

/// A state beside the local rule's own, from ones, with decays of one of them.
struct Extra {
    of: StateId,
    form: Form,
    /// The sides whose decays it has.
    sides: &'static [Side],
}

const ALL_SIDES: &[Side] = &[Side::Scalar, Side::Key, Side::Value];

/// By state its map, and the states that the local rule needs for them.
fn maps(t: &Timeline, writes: &Writes) -> (Vec<Map>, Vec<Extra>) {
    let (mut maps, mut extras, mut matrices) = (Vec::new(), Vec::<Extra>::new(), 0);
    let extra = |extras: &mut Vec<Extra>, of: StateId, form: Form, sides: &'static [Side]| {
        let alike = |e: &Extra| {
            e.form == form && e.sides == sides && decays(t, e.of, e.sides) == decays(t, of, sides)
        };
        let at = extras.iter().position(alike).unwrap_or_else(|| {
            extras.push(Extra { of, form, sides });
            extras.len() - 1
        });
        StateId((t.forms.len() + at) as u32)
    };
    for state in t.signature.state_ids() {
        let from = group(t, writes, state);
        let feeds = |(event, terms): (&Event, &Vec<_>)| changes(event, state) && !terms.is_empty();
        let (form, by_value) = (t.form(state), !decays(t, state, &[Side::Value]).is_empty());
        maps.push(if from.len() > 1 || t.events.iter().zip(&writes.terms).any(feeds) {
            matrices += 1;
            let elements = by_value.then(|| extra(&mut extras, state, form, &[Side::Value]));
            Map::Matrices { state: StateId(matrices - 1), from, elements }
        } else if decays(t, state, ALL_SIDES).is_empty() {
            Map::Identity
        } else if by_value || form.key.is_none() {
            Map::Elements(extra(&mut extras, state, form, ALL_SIDES))
        } else {
            Map::Diagonal(extra(&mut extras, state, Form { value: None, ..form }, ALL_SIDES))
        });
    }
    (maps, extras)
}

/// The rule without outputs, and the states beside its own.
fn local(t: &Timeline, writes: &Writes, extras: &[Extra]) -> Timeline {
    let mut b = Builder::new(t, &t.graph);
    b.timeline.signature.states = t.signature.states.clone();
    b.timeline.forms = t.forms.clone();
    let maps: Vec<StateId> = extras.iter().map(|e| b.state(e.of, e.form)).collect();
    let used: Vec<ReadId> = writes.terms.iter().flatten().map(|(r, _)| *r).collect();
    for event in &t.events {
        match event {
            Event::Decay { state, factor } => {
                b.decay(*state, *factor);
                let side = t.side(*state, factor.value());
                let mine =
                    extras.iter().zip(&maps).filter(|(e, _)| e.of == *state && e.sides.contains(&side));
                mine.for_each(|(_, map)| b.decay(*map, *factor));
            }
            Event::Read(r) if used.contains(r) => b.read(*r, t.read(*r).state),
            Event::Write { state, key, value } => {
                let value = b.take(*value);
                b.write(*state, *key, value);
            }
            Event::Mix { states, matrix } => b.mix(states.clone(), matrix),
            Event::Read(_) => {}
        }
    }
    b.timeline
}

/// The rule where writes store nothing but reads, for the states whose maps are matrices.
fn transition(t: &Timeline, writes: &Writes, maps: &[Map]) -> Option<(Timeline, Vec<(Dim, Dim)>)> {
    let mut b = Builder::new(t, &writes.graph);
    let mut copies: Vec<(Dim, Dim)> = Vec::new();
    for state in t.signature.state_ids().filter(|s| matches!(maps[s.index()], Map::Matrices { .. })) {
        let key = t.form(state).key?;
        let known = copies.iter().find(|(_, of)| *of == key).map(|(copy, _)| *copy);
        let columns = known.unwrap_or_else(|| {
            copies.push((b.dim(key), key));
            copies[copies.len() - 1].0
        });
        b.state(state, Form { key: Some(key), value: Some(columns) });
    }
    let map = |state: StateId| match &maps[state.index()] {
        Map::Matrices { state, .. } => Some(*state),
        _ => None,
    };
    let used: Vec<ReadId> = writes.terms.iter().flatten().map(|(r, _)| *r).collect();
    for (event, terms) in t.events.iter().zip(&writes.terms) {
        match event {
            // Value channels are those of the state, which the map multiplies from the left.
            Event::Decay { state, factor } if t.side(*state, factor.value()) != Side::Value => {
                map(*state).into_iter().for_each(|map| b.decay(map, *factor));
            }
            Event::Mix { states, matrix } => b.mix(states.iter().copied().filter_map(map).collect(), matrix),
            Event::Read(r) if used.contains(r) => {
                map(t.read(*r).state).into_iter().for_each(|map| b.read(*r, map));
            }
            Event::Write { state, key, .. } if !terms.is_empty() => {
                let value = b.sum(terms)?;
                map(*state).into_iter().for_each(|map| b.write(map, *key, value));
            }
            _ => {}
        }
    }
    (!b.timeline.forms.is_empty()).then_some((b.timeline, copies))
}

/// Whether an event is a write of a state.
fn changes(event: &Event, state: StateId) -> bool {
    matches!(event, Event::Write { state: s, .. } if *s == state)
}

/// The decays of a state of these sides, in order.
fn decays(t: &Timeline, state: StateId, sides: &[Side]) -> Vec<Factor> {
    let of_state = |e: &Event| match e {
        Event::Decay { state: s, factor } if *s == state => Some(*factor),
        _ => None,
    };
    t.events.iter().filter_map(of_state).filter(|f| sides.contains(&t.side(state, f.value()))).collect()
}

/// A timeline while it is made of parts of another.
struct Builder<'a> {
    from: &'a Timeline,
    /// The other's graph, and what was added to it.
    graph: &'a Graph,
    timeline: Timeline,
    /// By value of the other graph.
    moved: HashMap<Value, Value>,
    /// By read of the other timeline.
    reads: HashMap<ReadId, Value>,
}

impl<'a> Builder<'a> {
    /// The same inputs and dims; no state, no event and no output.
    fn new(from: &'a Timeline, graph: &'a Graph) -> Self {
        let signature = Signature { states: Vec::new(), outputs: Vec::new(), ..from.signature.clone() };
        let timeline = Timeline {
            signature,
            graph: Graph::default(),
            forms: Vec::new(),
            reads: Vec::new(),
            events: Vec::new(),
            outputs: Vec::new(),
            read_prefix: from.read_prefix,
            givens: from.givens.clone(),
        };
        Builder { from, graph, timeline, moved: HashMap::new(), reads: HashMap::new() }
    }

    /// A copy of a dim: `K_in`.
    fn dim(&mut self, of: Dim) -> Dim {
        let dims = &mut self.timeline.signature.dims;
        let mut name = format!("{}_in", dims[of.index()]);
        while dims.contains(&name) {
            name.push('_');
        }
        dims.push(name);
        Dim(dims.len() as u32 - 1)
    }

    /// The map of a state.
    fn state(&mut self, of: StateId, form: Form) -> StateId {
        let states = &mut self.timeline.signature.states;
        let mut name = format!("{}_map", self.from.signature.state(of).name);
        while states.iter().any(|s| s.name == name) {
            name.push('_');
        }
        states.push(State { name, shape: Shape::of(form.key, form.value) });
        self.timeline.forms.push(form);
        StateId(self.timeline.forms.len() as u32 - 1)
    }

    fn decay(&mut self, state: StateId, factor: Factor) {
        let factor = match factor {
            Factor::Log(v) => Factor::Log(self.take(v)),
            Factor::Raw(v) => Factor::Raw(self.take(v)),
        };
        self.timeline.events.push(Event::Decay { state, factor });
    }

    /// A mix of the other timeline, of states here.
    fn mix(&mut self, states: Vec<StateId>, matrix: &[Vec<Option<Value>>]) {
        let rows = matrix.iter().map(|row| row.iter().map(|v| v.map(|v| self.take(v))).collect());
        let matrix = rows.collect();
        self.timeline.events.push(Event::Mix { states, matrix });
    }

    /// A read of the other timeline, of `state` here.
    fn read(&mut self, read: ReadId, state: StateId) {
        let key = self.take(self.from.read(read).key);
        let id = ReadId(self.timeline.reads.len() as u32);
        self.timeline.reads.push(Read { state, key });
        self.timeline.events.push(Event::Read(id));
        let shape = self.timeline.form(state).value_shape();
        self.reads.insert(read, self.timeline.graph.push(Expr::Read(id), shape));
    }

    fn write(&mut self, state: StateId, key: Value, value: Value) {
        let key = self.take(key);
        self.timeline.events.push(Event::Write { state, key, value });
    }

    /// `sum c_r p_r`
    fn sum(&mut self, terms: &[(ReadId, Value)]) -> Option<Value> {
        let mut sum = None;
        for (read, coefficient) in terms {
            let (c, p) = (self.take(*coefficient), *self.reads.get(read)?);
            let g = &mut self.timeline.graph;
            let term = g.binary(Binary::Mul, c, p)?;
            sum = Some(match sum {
                Some(sum) => g.binary(Binary::Add, sum, term)?,
                None => term,
            });
        }
        sum
    }

    /// A value of the other graph, here.
    fn take(&mut self, v: Value) -> Value {
        if let Some(known) = self.moved.get(&v) {
            return *known;
        }
        let new = match self.graph.expr(v) {
            // A read comes before the writes that use it.
            Expr::Read(r) if self.reads.contains_key(&r) => self.reads[&r],
            e => {
                let e = e.map(|x| self.take(x));
                self.timeline.graph.push(e, self.graph.shape(v))
            }
        };
        if let Some(name) = self.graph.names.get(&v) {
            self.timeline.graph.names.entry(new).or_insert_with(|| name.clone());
        }
        self.moved.insert(v, new);
        new
    }
}
