//! What the equations need to know of a timeline: who reads, who writes, how far they stand from each other in decays.
//!
//! ```text
//! decay(s, exp(g)); p0 = read(s, k); write(s, beta * k, v - p0); p1 = read(s, q)
//!     clock of s: [g]        p0, the write and p1 stand after it, at place 1 of 1
//!     p1 sees this token's write, p0 does not
//!     the write uses p0: feedback; p1 feeds the output
//! ```
//!
//! A clock counts decays along the timeline. States that decay by equal factors share one. Place 0 is before the token's
//! decays, the last place after all of them. Lanes are feedback writes that differ in an array index only: they stack.

use chunkwise_dsl::class::{self, Feedback};
use chunkwise_dsl::graph::{Expr, ReadId, StateId, Value};
use chunkwise_dsl::timeline::{Event, Factor, Side, Timeline};

/// The decays of one side of a state, in token order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Clock {
    /// The factors.
    pub(crate) factors: Vec<Factor>,
    /// Whether any factor is a vector.
    pub(crate) wide: bool,
}

/// A position in the token, counted in decays of each side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Scalar and key-side decays of the state before it.
    pub(crate) key: usize,
    /// Value-side decays of the state before it.
    pub(crate) value: usize,
    /// The event's number.
    pub(crate) event: usize,
}

/// A read or a write, where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    /// The state.
    pub(crate) state: StateId,
    /// `b` or `a`.
    pub(crate) key: Value,
    /// Where.
    pub(crate) place: Place,
}

/// A write.
#[derive(Clone, Debug)]
pub(crate) struct Deposit {
    /// State, key, place.
    pub(crate) tap: Tap,
    /// `u`.
    pub(crate) value: Value,
    /// How reads of its own stratum enter `u`.
    pub(crate) feedback: Feedback,
    /// The reads that enter `u`.
    pub(crate) reads: Vec<ReadId>,
}

/// A write's value as `constant + sum coefficient * read`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// The part that no read enters; `None` is 0.
    pub(crate) constant: Option<Value>,
    /// Coefficients by read.
    pub(crate) terms: Vec<(ReadId, Value)>,
}

/// The same timeline with a graph that also holds the linear parts of every write that has them, in event order.
pub(crate) fn extend(t: &Timeline) -> (Timeline, Vec<Parts>) {
    let mut extended = t.clone();
    let mut parts = Vec::new();
    for event in &t.events {
        if let Event::Write { value, .. } = event {
            let tainted = extended.graph.dependents(|e| matches!(e, Expr::Read(_)));
            let linear = class::linear(&mut extended.graph, *value, &tainted);
            parts.push(linear.map_or(Parts::default(), |l| Parts { constant: l.constant, terms: l.terms }));
        }
    }
    (extended, parts)
}

/// A timeline, taken apart.
pub(crate) struct System<'a> {
    /// The timeline.
    pub(crate) t: &'a Timeline,
    /// Distinct clocks.
    pub(crate) clocks: Vec<Clock>,
    /// For each state, its clock of scalar and key-side decays and its clock of value-side decays.
    pub(crate) clock_of: Vec<(Option<usize>, Option<usize>)>,
    /// By `ReadId`.
    pub(crate) reads: Vec<Tap>,
    /// In event order.
    pub(crate) writes: Vec<Deposit>,
    /// The linear parts of each write, where it is linear.
    pub(crate) parts: Vec<Parts>,
    /// Which reads the outputs use.
    pub(crate) for_output: Vec<bool>,
    /// `reach[i][j]`: whether what is in state `j` comes to state `i`, now or later.
    pub(crate) reach: Vec<Vec<bool>>,
    /// Which states are mixed.
    pub(crate) coupled: Vec<bool>,
}

impl<'a> System<'a> {
    /// Takes a timeline that [`extend`] made apart.
    pub(crate) fn new(t: &'a Timeline, parts: Vec<Parts>) -> Self {
        let (clocks, clock_of) = clocks(t);
        let live = t.graph.reachable(t.outputs.iter().copied());
        let mut for_output = vec![false; t.reads.len()];
        for v in t.graph.values().filter(|v| live[v.index()]) {
            if let Expr::Read(r) = t.graph.expr(v) {
                for_output[r.index()] = true;
            }
        }
        let mut s = System {
            t,
            clocks,
            clock_of,
            reads: Vec::new(),
            writes: Vec::new(),
            parts,
            for_output,
            reach: reach(t),
            coupled: t.coupled(),
        };
        s.place_events();
        s
    }

    fn place_events(&mut self) {
        let mut places = vec![Place { key: 0, value: 0, event: 0 }; self.t.forms.len()];
        for (n, event) in self.t.events.iter().enumerate() {
            let at = |s: StateId| Place { event: n, ..places[s.index()] };
            match event {
                Event::Decay { state, factor } => match self.t.side(*state, factor.value()) {
                    Side::Value => places[state.index()].value += 1,
                    _ => places[state.index()].key += 1,
                },
                Event::Read(r) => {
                    let read = self.t.read(*r);
                    self.reads.push(Tap { state: read.state, key: read.key, place: at(read.state) });
                }
                Event::Write { state, key, value } => self.writes.push(Deposit {
                    tap: Tap { state: *state, key: *key, place: at(*state) },
                    value: *value,
                    feedback: class::feedback_of(self.t, n),
                    reads: reads_in(self.t, *value),
                }),
                Event::Mix { .. } => {}
            }
        }
    }

    /// Writes with feedback, by position in `writes`.
    pub(crate) fn feedback_writes(&self) -> Vec<usize> {
        (0..self.writes.len()).filter(|&w| self.writes[w].feedback != Feedback::None).collect()
    }

    /// Writes without feedback, by position in `writes`.
    pub(crate) fn free_writes(&self) -> Vec<usize> {
        (0..self.writes.len()).filter(|&w| self.writes[w].feedback == Feedback::None).collect()
    }

    /// Reads that a write with feedback uses, in order.
    pub(crate) fn feedback_reads(&self) -> Vec<ReadId> {
        let mut reads: Vec<ReadId> =
            self.feedback_writes().iter().flat_map(|&w| self.writes[w].reads.iter().copied()).collect();
        reads.sort();
        reads.dedup();
        reads
    }

    /// Reads that outputs use, in order.
    pub(crate) fn output_reads(&self) -> Vec<ReadId> {
        (0..self.reads.len()).filter(|&r| self.for_output[r]).map(|r| ReadId(r as u32)).collect()
    }

    /// Whether what `write` stores can come to `read` at all.
    pub(crate) fn meets(&self, read: &Tap, write: &Tap) -> bool {
        self.reach[read.state.index()][write.state.index()]
    }

    /// Whether a read sees this token's write, or only those of earlier tokens.
    pub(crate) fn sees_own(&self, read: &Tap, write: &Tap) -> bool {
        write.place.event < read.place.event
    }

    /// The number of decays of the token on a state's clock.
    pub(crate) fn length(&self, clock: usize) -> usize {
        self.clocks[clock].factors.len()
    }

    /// The lanes, where all feedback is linear and of writes that differ in an array index only: `(read, write)` pairs in
    /// order. Rows that are substituted one by one keep the names of their writes apart instead.
    pub(crate) fn lanes(&self) -> Option<Vec<(ReadId, usize)>> {
        let writes = self.feedback_writes();
        let pairs: Option<Vec<(ReadId, usize)>> = writes
            .iter()
            .map(|&w| match self.writes[w].reads.as_slice() {
                [r] if self.writes[w].feedback == Feedback::Linear => Some((*r, w)),
                _ => None,
            })
            .collect();
        let pairs = pairs.filter(|p| p.len() > 1)?;
        let (r0, w0) = pairs[0];
        let alike = |x: Value, y: Value, lane: u32| same_lane(self.t, x, y, lane);
        let same_place =
            |a: &Tap, b: &Tap| (a.state, a.place.key, a.place.value) == (b.state, b.place.key, b.place.value);
        let mut last = 0;
        for (j, &(r, w)) in pairs.iter().enumerate() {
            let (read, write) = (&self.reads[r.index()], &self.writes[w]);
            let in_order = last <= read.place.event && read.place.event < write.tap.place.event;
            last = write.tap.place.event;
            let j = j as u32;
            let fits = in_order
                && same_place(read, &self.reads[r0.index()])
                && same_place(&write.tap, &self.writes[w0].tap)
                && alike(self.reads[r0.index()].key, read.key, j)
                && alike(self.writes[w0].tap.key, write.tap.key, j)
                && alike(self.writes[w0].value, write.value, j);
            if !fits {
                return None;
            }
        }
        Some(pairs)
    }
}

/// Whether `y` is `x` with array index 0 turned into `lane` (and the read of lane 0 into another read).
fn same_lane(t: &Timeline, x: Value, y: Value, lane: u32) -> bool {
    match (t.graph.expr(x), t.graph.expr(y)) {
        (Expr::Param(p, Some(0)), Expr::Param(q, Some(j))) => p == q && j == lane,
        (Expr::Read(_), Expr::Read(_)) => true,
        (a, b) => {
            let zero = Value(0);
            a.map(|_| zero) == b.map(|_| zero)
                && a.operands().zip(b.operands()).all(|(a, b)| same_lane(t, a, b, lane))
        }
    }
}

/// The reads that a value is made of.
pub(crate) fn reads_in(t: &Timeline, v: Value) -> Vec<ReadId> {
    let live = t.graph.reachable([v]);
    let reads = t.graph.values().filter(|v| live[v.index()]).filter_map(|v| match t.graph.expr(v) {
        Expr::Read(r) => Some(r),
        _ => None,
    });
    let mut reads: Vec<ReadId> = reads.collect();
    reads.sort();
    reads
}

/// A clock for each side of each state, by position among the distinct ones; `None` where that side never decays.
type ClocksOf = Vec<(Option<usize>, Option<usize>)>;

fn clocks(t: &Timeline) -> (Vec<Clock>, ClocksOf) {
    let mut found: Vec<Clock> = Vec::new();
    let mut of_state = Vec::new();
    for state in t.signature.state_ids() {
        let mut sides = [Vec::new(), Vec::new()];
        let mut wide = [false, true];
        for event in &t.events {
            if let Event::Decay { state: s, factor } = event
                && *s == state
            {
                let side = t.side(state, factor.value());
                sides[usize::from(side == Side::Value)].push(*factor);
                wide[0] |= side == Side::Key;
            }
        }
        let mut number = |factors: &Vec<Factor>, wide: bool| {
            let clock = Clock { factors: factors.clone(), wide };
            (!factors.is_empty()).then(|| {
                found.iter().position(|c| *c == clock).unwrap_or_else(|| {
                    found.push(clock);
                    found.len() - 1
                })
            })
        };
        of_state.push((number(&sides[0], wide[0]), number(&sides[1], wide[1])));
    }
    (found, of_state)
}

/// The transitive closure of all mixes.
fn reach(t: &Timeline) -> Vec<Vec<bool>> {
    let n = t.forms.len();
    let mut reach: Vec<Vec<bool>> = (0..n).map(|i| (0..n).map(|j| i == j).collect()).collect();
    for event in &t.events {
        if let Event::Mix { states, matrix } = event {
            for (i, row) in matrix.iter().enumerate() {
                for (j, entry) in row.iter().enumerate() {
                    reach[states[i].index()][states[j].index()] |= entry.is_some();
                }
            }
        }
    }
    for via in 0..n {
        for i in 0..n {
            for j in 0..n {
                reach[i][j] |= reach[i][via] && reach[via][j];
            }
        }
    }
    reach
}
