//! The segmented plan: pieces of a sequence side by side, for long sequences that are too few to fill a GPU.
//!
//! ```text
//! local        a block a piece       the rule without outputs, from zero: N
//! transition   a block a piece       the rule of the transition, from the identity: M; not there where M is diagonal
//! compose      a block a sequence    S = initial; for each piece: it begins with S; S = M S + N
//! outputs      a block a piece       the rule itself, from its piece's first state
//! ```
//!
//! All but `compose` are kernels of the [fused] plan, of rules that [`segment`] derives: they begin and end in
//! memory between kernels, a row a piece. `compose` runs in f32, so that a state is as exact as in the fused plan. A piece's `N`
//! gives its place to the piece's first state. Of states that meet each has a transition, which differs from the others in what it
//! begins with, and one `compose` makes the next states of all: `S_i = sum_j M_ij S_j + N_i`.
//!
//! Source: design, section 2 (composition).

mod cost;

pub use cost::Cost;

use crate::arch::Arch;
use crate::dtype::DType;
use crate::fused::{self, Plan};
use crate::kernel::{Begin, Ends, Kernel, Limitation, Role, Spec};
use crate::print;
use crate::schedule::{Buffer, Pieces, Schedule, Unit};
use chunkwise_algebra::segment::{Map, Segment, Start, segment};
use chunkwise_dsl::graph::{Dim, StateId};
use chunkwise_dsl::timeline::Timeline;

/// The kernel that composes the pieces of a state, or of states that meet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compose {
    /// The rule's name.
    pub rule: String,
    /// The states, and their names.
    pub states: Vec<(StateId, String)>,
    /// The rows and columns of each; a vector has one column.
    pub sizes: (u32, u32),
    /// By state, what each piece adds, and after it what each begins with: a buffer.
    pub pieces: Vec<usize>,
    /// What each piece multiplies by.
    pub map: Factor,
}

/// What a piece multiplies states by: buffers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Factor {
    /// Nothing.
    Identity,
    /// A number a row.
    Diagonal(usize),
    /// A number an element.
    Elements(usize),
    /// By state, a matrix for each of the states, from the left; and then, maybe, a number an element.
    Matrices(Vec<usize>, Option<usize>),
}

/// What the kernels of transitions are called, by run.
const TRANSITIONS: [&str; 4] = ["transition", "transition_2", "transition_3", "transition_4"];

/// Emits the forward kernels of a rule.
///
/// # Errors
/// A [`Limitation`]: the rule's segments have no maps that compose, or it has no fused kernel.
pub fn emit(timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Schedule, Limitation> {
    let refused = |why: String| Limitation::NotFused(format!("no segmented plan: {why}"));
    let parts = segment(timeline).map_err(|why| refused(why.to_string()))?;
    let wide = Spec { sizes: parts.sizes(&spec.sizes), ..spec.clone() };
    // The rule first, so that what it has no kernel for is told in its words.
    let mut plan = fused::choose(timeline, spec, arch)?;
    let mut local = fused::choose(&parts.local, spec, arch)?;
    let transition = parts.transition.as_ref();
    let mut transition = transition.map(|map| fused::choose(map, &wide, arch)).transpose()?;

    let begins = |start: &Start| match start {
        Start::Zeros => Begin::Zero,
        Start::Ones => Begin::Ones,
        Start::Identity => Begin::One,
    };
    let local_begins: Vec<Begin> = parts.local_starts().iter().map(begins).collect();
    part(&mut local, "local", |at| Ends { begin: local_begins[at], end: Some(Role::Workspace(at)) });
    part(&mut plan, "outputs", |at| Ends { begin: Begin::Memory(Role::Workspace(at)), end: None });
    let mut kernels = vec![kernel(spec, &local, arch)?];
    if parts.runs() > TRANSITIONS.len() {
        return Err(refused(format!("more than {} of its states meet", TRANSITIONS.len())));
    }
    for (run, name) in TRANSITIONS.into_iter().enumerate().take(parts.runs()) {
        let Some(transition) = &mut transition else { continue };
        let begins: Vec<Begin> = parts.transition_starts(run).iter().map(begins).collect();
        let first = matrices(&parts, run);
        part(transition, name, |at| Ends { begin: begins[at], end: Some(Role::Workspace(first + at)) });
        kernels.push(kernel(&wide, transition, arch)?);
    }
    for compose in composes(timeline, spec, &parts) {
        kernels.push(print::compose::kernel(&compose));
    }
    kernels.push(kernel(spec, &plan, arch)?);
    let longest =
        [Some(&plan), Some(&local), transition.as_ref()].into_iter().flatten().map(|p| p.tokens).max();
    let buffers = buffers(&parts, &wide);
    Ok(Schedule { kernels, buffers, pieces: Pieces::MultipleOf(longest.unwrap_or(plan.tokens)) })
}

/// Makes a plan one of pieces, by state with these ends.
fn part(plan: &mut Plan, name: &'static str, ends: impl Fn(usize) -> Ends) {
    plan.part = name;
    plan.unit = Unit::Piece;
    plan.ends = (0..plan.ends.len()).map(ends).collect();
}

fn kernel(spec: &Spec, plan: &Plan, arch: Arch) -> Result<Kernel, Limitation> {
    fused::verify(plan, arch)?;
    Ok(print::fused::kernel(spec, plan))
}

/// The first buffer of a run of the transition.
fn matrices(parts: &Segment, run: usize) -> usize {
    let states = parts.transition.as_ref().map_or(0, |t| t.forms.len());
    parts.local.forms.len() + run * states
}

/// The states of the local rule, then those of the transition, run by run.
fn buffers(parts: &Segment, wide: &Spec) -> Vec<Buffer> {
    let of = |t: &Timeline, end: String| {
        let one = |state: StateId| {
            let declared = t.signature.state(state);
            let elements = declared.shape.dims().map(|dim| wide.sizes[dim.index()]).product();
            let name = format!("{}{end}", declared.name);
            Buffer { name, dtype: DType::F32, unit: Unit::Piece, elements }
        };
        t.signature.state_ids().map(one).collect::<Vec<_>>()
    };
    let end = |run: usize| if run == 0 { String::new() } else { format!("_{}", run + 1) };
    let transitions = (0..parts.runs()).filter_map(|run| Some(of(parts.transition.as_ref()?, end(run))));
    [of(&parts.local, String::new())].into_iter().chain(transitions).flatten().collect()
}

/// A kernel for each state, or for all that meet.
fn composes(t: &Timeline, spec: &Spec, parts: &Segment) -> Vec<Compose> {
    let size = |dim: Option<Dim>| dim.map_or(1, |dim| spec.sizes[dim.index()] as u32);
    let mut all = Vec::new();
    for state in t.signature.state_ids() {
        let (states, map) = match &parts.maps[state.index()] {
            Map::Identity => (vec![state], Factor::Identity),
            Map::Diagonal(map) => (vec![state], Factor::Diagonal(map.index())),
            Map::Elements(map) => (vec![state], Factor::Elements(map.index())),
            Map::Matrices { from, elements, .. } => {
                let to = from.iter().filter_map(|s| match &parts.maps[s.index()] {
                    Map::Matrices { state, .. } => Some(state.index()),
                    _ => None,
                });
                let runs = |to: usize| (0..from.len()).map(move |run| matrices(parts, run) + to);
                let by = elements.map(|e| e.index());
                (from.clone(), Factor::Matrices(to.flat_map(runs).collect(), by))
            }
        };
        if states[0] != state {
            continue;
        }
        let form = t.form(state);
        all.push(Compose {
            rule: t.signature.name.clone(),
            states: states.iter().map(|s| (*s, t.signature.state(*s).name.clone())).collect(),
            sizes: (size(form.key), size(form.value)),
            pieces: states.iter().map(|s| s.index()).collect(),
            map,
        });
    }
    all
}
