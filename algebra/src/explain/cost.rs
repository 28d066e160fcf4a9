//! What one token costs, per state head: the reference work of the chunkwise form, the work of the token loop, and the bytes
//! that must move in either case.
//!
//! ```text
//! 2 C K R W  +  2 K V (R + W)  +  2 C V (R_o W + W_f^2)        C tokens a chunk, R reads (R_o of them for outputs),
//! Gram          with the state    inside the chunk             W writes (W_f of them with feedback) a token
//! ```
//!
//! It counts every C x C matrix as full, and no inverse: a kernel that skips the blocks above the diagonal does less, the
//! inverse adds about C^2 / 3. With several states, pairs that never meet cost nothing; where mixes make one state part of
//! another, R_s and W_s stand for R + W: a read takes a product with each state that it finds part of, a write with each that it
//! becomes part of.

use super::system::{self, System};
use chunkwise_dsl::graph::{Dim, Expr, Shape};
use chunkwise_dsl::signature::Param;
use chunkwise_dsl::timeline::{Event, Timeline};

/// Sizes, chunk length and element type that numbers are given for.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The size of each dim, by [`Dim`].
    pub sizes: Vec<usize>,
    /// Tokens in a chunk, at least 1.
    pub chunk: usize,
    /// The name of the element type of token vectors and outputs: `bf16`.
    pub element: String,
    /// Its size in bytes.
    pub element_bytes: usize,
}

impl Setting {
    /// `size` for every dim of a rule, chunks of 64, bf16.
    pub fn square(dims: usize, size: usize) -> Setting {
        Setting { sizes: vec![size; dims], chunk: 64, element: "bf16".into(), element_bytes: 2 }
    }

    fn size(&self, dim: Option<Dim>) -> u64 {
        dim.map_or(1, |d| self.sizes.get(d.index()).copied().unwrap_or(1) as u64)
    }

    fn elements(&self, shape: Shape) -> u64 {
        shape.dims().map(|d| self.size(Some(d))).product()
    }

    /// The element type of scalars, decays, `PerHead` tensors and states: f64 under f64, otherwise f32.
    pub(crate) fn wide(&self) -> (&'static str, u64) {
        if self.element_bytes == 8 { ("f64", 8) } else { ("f32", 4) }
    }
}

/// Operations and bytes per token and state head.
pub(crate) struct Costs {
    /// Gram matrices.
    pub(crate) grams: u64,
    /// Products with the carried state.
    pub(crate) with_state: u64,
    /// Products inside the chunk.
    pub(crate) inside: u64,
    /// The token loop: every decay, read and write touches the whole state.
    pub(crate) recurrent: u64,
    /// Bytes of each tensor that has a time axis: its name, its bytes per token.
    pub(crate) bytes: Vec<(String, u64)>,
    /// Reads, reads for outputs, writes, writes with feedback.
    pub(crate) counts: (usize, usize, usize, usize),
    /// Pairs of a read and a state that it finds part of, and of a write and a state that it becomes part of.
    pub(crate) met: (u64, u64),
}

impl Costs {
    /// All of the chunkwise form.
    pub(crate) fn chunkwise(&self) -> u64 {
        self.grams + self.with_state + self.inside
    }

    /// All bytes.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.bytes.iter().map(|b| b.1).sum()
    }
}

/// What no algorithm can do without, and what the chunkwise form does by the formula above: per token and state head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Least {
    /// Bytes of the inputs that have a time axis, each read once.
    pub input_bytes: u64,
    /// Bytes of the outputs, each written once.
    pub output_bytes: u64,
    /// Flops of the chunkwise form, every C x C matrix full and no inverse.
    pub chunkwise_flops: u64,
    /// Flops of the token loop.
    pub recurrent_flops: u64,
}

impl Least {
    /// Inputs and outputs.
    pub fn bytes(&self) -> u64 {
        self.input_bytes + self.output_bytes
    }
}

/// The figures that `explain` prints, as numbers.
pub fn least(timeline: &Timeline, setting: &Setting) -> Least {
    let (extended, parts) = system::extend(timeline);
    let costs = costs(&System::new(&extended, parts), setting);
    let outputs = &timeline.signature.outputs;
    let output_bytes = outputs.iter().map(|o| setting.elements(o.shape) * setting.element_bytes as u64).sum();
    Least {
        input_bytes: costs.total_bytes() - output_bytes,
        output_bytes,
        chunkwise_flops: costs.chunkwise(),
        recurrent_flops: costs.recurrent,
    }
}

/// Counts the work of a timeline.
pub(crate) fn costs(s: &System<'_>, setting: &Setting) -> Costs {
    let c = setting.chunk as u64;
    let key = |state: chunkwise_dsl::graph::StateId| setting.size(s.t.form(state).key);
    let value = |state: chunkwise_dsl::graph::StateId| setting.size(s.t.form(state).value);
    let feedback = s.feedback_writes();
    let (mut grams, mut with_state, mut inside) = (0, 0, 0);
    let mut met_states = (0, 0);
    for (r, read) in s.reads.iter().enumerate() {
        let met = s.writes.iter().filter(|w| s.meets(read, &w.tap)).count() as u64;
        grams += 2 * c * key(read.state) * met;
        inside += if s.for_output[r] { 2 * c * value(read.state) * met } else { 0 };
        let sources = s.reach[read.state.index()].iter().filter(|x| **x).count() as u64;
        with_state += 2 * key(read.state) * value(read.state) * sources;
        met_states.0 += sources;
    }
    for write in &s.writes {
        let targets = s.reach.iter().filter(|row| row[write.tap.state.index()]).count() as u64;
        with_state += 2 * key(write.tap.state) * value(write.tap.state) * targets;
        met_states.1 += targets;
    }
    for &w in &feedback {
        inside += 2 * c * value(s.writes[w].tap.state) * feedback.len() as u64;
    }
    let reads_for_output = s.for_output.iter().filter(|x| **x).count();
    Costs {
        grams,
        with_state,
        inside,
        recurrent: recurrent(s.t, setting),
        bytes: bytes(s.t, setting),
        counts: (s.reads.len(), reads_for_output, s.writes.len(), feedback.len()),
        met: met_states,
    }
}

fn recurrent(t: &Timeline, setting: &Setting) -> u64 {
    let area = |s: chunkwise_dsl::graph::StateId| setting.size(t.form(s).key) * setting.size(t.form(s).value);
    t.events
        .iter()
        .map(|e| match e {
            Event::Decay { state, .. } => area(*state),
            Event::Read(r) => 2 * area(t.read(*r).state),
            Event::Write { state, .. } => 2 * area(*state),
            Event::Mix { states, matrix } => {
                let terms = matrix.iter().flatten().flatten().count().saturating_sub(states.len());
                2 * area(states[0]) * terms as u64
            }
        })
        .sum()
}

/// Bytes per token and state head of every tensor with a time axis, each moved once.
fn bytes(t: &Timeline, setting: &Setting) -> Vec<(String, u64)> {
    let inputs = t.signature.params.iter().enumerate().filter(|(_, p)| !p.per_head).map(|(n, p)| {
        let elements = setting.elements(p.shape) * u64::from(p.count.unwrap_or(1));
        (p.name.clone(), elements * element(t, n, p, setting).1)
    });
    let outputs = t
        .signature
        .outputs
        .iter()
        .map(|o| (o.name.clone(), setting.elements(o.shape) * setting.element_bytes as u64));
    inputs.chain(outputs).collect()
}

/// The element type of an input: token vectors follow the setting, decays and everything else are wide.
pub(crate) fn element<'a>(t: &Timeline, n: usize, p: &Param, setting: &'a Setting) -> (&'a str, u64) {
    if p.shape == Shape::Scalar || p.per_head || is_decay(t, n) {
        setting.wide()
    } else {
        (&setting.element, setting.element_bytes as u64)
    }
}

/// Whether an input enters a decay.
pub(crate) fn is_decay(t: &Timeline, param: usize) -> bool {
    let factors = t.events.iter().filter_map(|e| match e {
        Event::Decay { factor, .. } => Some(factor.value()),
        _ => None,
    });
    let live = t.graph.reachable(factors);
    t.graph
        .values()
        .any(|v| live[v.index()] && matches!(t.graph.expr(v), Expr::Param(p, _) if p.index() == param))
}
