//! A timeline prepared for chunkwise evaluation: which states go together, and which expressions are computed when.
//!
//! | when | what |
//! |---|---|
//! | before | everything free of reads, for the whole chunk at once: keys, decays, the free part of write values |
//! | inside | what a write's value needs from reads, row by row in timeline order (the substitution) |
//! | after | what outputs need from reads, for the whole chunk at once |
//!
//! A *group* is a set of coupled states (most often one state); groups meet only where a value depends on another's read.

use chunkwise_dsl::class::classify;
use chunkwise_dsl::graph::{Expr, ReadId, StateId, Value};
use chunkwise_dsl::timeline::{Event, Form, Side, Timeline};

/// States that are mixed with each other.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub states: Vec<StateId>,
    pub form: Form,
    /// The group's reads in one token, in order.
    pub reads: Vec<ReadId>,
    /// The group's writes in one token, in order, as event numbers.
    pub writes: Vec<usize>,
    /// By position in `reads`: whether a write of any group waits for it.
    pub feeds: Vec<bool>,
    /// Whether a decay acts on its value side.
    pub by_column: bool,
}

/// A timeline with its groups and evaluation order.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub timeline: Timeline,
    pub groups: Vec<Group>,
    /// Values free of reads that events need.
    pub before: Vec<Value>,
    /// By event: values that its write's value needs and that wait for reads.
    pub inside: Vec<Vec<Value>>,
    /// Values that outputs need beside those.
    pub after: Vec<Value>,
    /// Values that the roots of [`Program::new`] need beside those; the caller computes them.
    pub extra: Vec<Value>,
}

impl Program {
    /// Prepares a timeline, with room for what the caller will compute of `roots` once the chunk has run.
    pub(crate) fn new(timeline: &Timeline, roots: &[Value]) -> Self {
        let g = &timeline.graph;
        let tainted = g.dependents(|e| matches!(e, Expr::Read(_)));
        let all = timeline.roots();
        let event_roots = &all[..all.len() - timeline.outputs.len()];
        let live = g.reachable(event_roots.iter().copied());
        let before: Vec<Value> = g.values().filter(|v| live[v.index()] && !tainted[v.index()]).collect();
        let mut computed: Vec<bool> = g.values().map(|v| live[v.index()] && !tainted[v.index()]).collect();
        let mut inside = vec![Vec::new(); timeline.events.len()];
        for (n, e) in timeline.events.iter().enumerate() {
            if let Event::Write { value, .. } = e {
                inside[n] = take(&mut computed, g.reachable([*value]));
            }
        }
        let after = take(&mut computed, g.reachable(timeline.outputs.iter().copied()));
        let extra = take(&mut computed, g.reachable(roots.iter().copied()));
        let groups = groups(timeline, &tainted);
        Program { timeline: timeline.clone(), groups, before, inside, after, extra }
    }

    /// All values that are computed at some time.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> + '_ {
        self.before.iter().chain(self.inside.iter().flatten()).chain(&self.after).chain(&self.extra).copied()
    }

    /// The group that a state belongs to, and its position there.
    pub(crate) fn home(&self, s: StateId) -> (usize, usize) {
        let found = self
            .groups
            .iter()
            .enumerate()
            .find_map(|(g, group)| group.states.iter().position(|x| *x == s).map(|slot| (g, slot)));
        found.unwrap_or((0, 0))
    }

    /// Why there is no chunkwise evaluation, if there is none.
    pub(crate) fn refusal(timeline: &Timeline) -> Option<String> {
        let passes = classify(timeline).passes;
        (passes > 1).then(|| {
            format!("the chunkwise plan of `{}` needs {passes} passes over a chunk (a key or decay depends on a read of another \
                     state), which is not built yet; the recurrent plan works", timeline.signature.name)
        })
    }
}

/// The live values that are not computed yet, in order; they are from now on.
fn take(computed: &mut [bool], live: Vec<bool>) -> Vec<Value> {
    let mut taken = Vec::new();
    for (n, done) in computed.iter_mut().enumerate() {
        if live[n] && !*done {
            *done = true;
            taken.push(Value(n as u32));
        }
    }
    taken
}

fn groups(t: &Timeline, tainted: &[bool]) -> Vec<Group> {
    let mut root: Vec<usize> = (0..t.forms.len()).collect();
    for e in &t.events {
        if let Event::Mix { states, .. } = e {
            let to = root[states[0].index()];
            for s in states {
                let from = root[s.index()];
                root.iter_mut().filter(|r| **r == from).for_each(|r| *r = to);
            }
        }
    }
    let waited = waited(t, tainted);
    let mut groups: Vec<Group> = Vec::new();
    for lead in 0..root.len() {
        let states: Vec<StateId> =
            (0..root.len()).filter(|&s| root[s] == lead).map(|s| StateId(s as u32)).collect();
        if states.is_empty() {
            continue;
        }
        let reads: Vec<ReadId> = (0..t.reads.len())
            .map(|r| ReadId(r as u32))
            .filter(|r| states.contains(&t.read(*r).state))
            .collect();
        let is_write = |e: &Event| matches!(e, Event::Write { state, .. } if states.contains(state));
        let by_column = t.events.iter().any(|e| match e {
            Event::Decay { state, factor } => {
                states.contains(state) && t.side(*state, factor.value()) == Side::Value
            }
            _ => false,
        });
        groups.push(Group {
            form: t.form(states[0]),
            feeds: reads.iter().map(|r| waited[r.index()]).collect(),
            writes: (0..t.events.len()).filter(|&n| is_write(&t.events[n])).collect(),
            states,
            reads,
            by_column,
        });
    }
    groups
}

/// Which reads some write's value depends on.
fn waited(t: &Timeline, tainted: &[bool]) -> Vec<bool> {
    let values = t.events.iter().filter_map(|e| match e {
        Event::Write { value, .. } if tainted[value.index()] => Some(*value),
        _ => None,
    });
    let live = t.graph.reachable(values);
    let mut waited = vec![false; t.reads.len()];
    for v in t.graph.values().filter(|v| live[v.index()]) {
        if let Expr::Read(r) = t.graph.expr(v) {
            waited[r.index()] = true;
        }
    }
    waited
}
