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
//! gives its place to the piece's first state.
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
use chunkwise_algebra::segment::{Map, Segment, segment};
use chunkwise_dsl::graph::StateId;
use chunkwise_dsl::timeline::Timeline;

/// The kernel that composes the pieces of one state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compose {
    /// The rule's name.
    pub rule: String,
    /// The state, and its name.
    pub state: (StateId, String),
    /// Its rows and columns; a vector has one column.
    pub sizes: (u32, u32),
    /// What each piece adds, and after it what each begins with: a buffer.
    pub pieces: usize,
    /// What each piece multiplies by: a buffer, unless nothing.
    pub map: Factor,
}

/// What a piece multiplies a state by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Factor {
    /// Nothing.
    Identity,
    /// A number a row.
    Diagonal(usize),
    /// A matrix.
    Matrix(usize),
}

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

    let buffers = buffers(&parts, &wide);
    let states = || timeline.signature.state_ids();
    let matrices = parts.local.forms.len();
    part(&mut local, "local", |at| Ends {
        begin: if at < parts.maps.len() { Begin::Zero } else { Begin::One },
        end: Some(Role::Workspace(at)),
    });
    part(&mut plan, "outputs", |at| Ends { begin: Begin::Memory(Role::Workspace(at)), end: None });
    let mut kernels = vec![kernel(spec, &local, arch)?];
    if let Some(transition) = &mut transition {
        part(transition, "transition", |at| Ends {
            begin: Begin::One,
            end: Some(Role::Workspace(matrices + at)),
        });
        kernels.push(kernel(&wide, transition, arch)?);
    }
    for state in states() {
        kernels.push(print::compose::kernel(&compose(timeline, spec, &parts, state)));
    }
    kernels.push(kernel(spec, &plan, arch)?);
    let longest =
        [Some(&plan), Some(&local), transition.as_ref()].into_iter().flatten().map(|p| p.tokens).max();
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

/// The states of the local rule, then those of the transition.
fn buffers(parts: &Segment, wide: &Spec) -> Vec<Buffer> {
    let of = |t: &Timeline| {
        let one = |state: StateId| {
            let declared = t.signature.state(state);
            let elements = declared.shape.dims().map(|dim| wide.sizes[dim.index()]).product();
            Buffer { name: declared.name.clone(), dtype: DType::F32, unit: Unit::Piece, elements }
        };
        t.signature.state_ids().map(one).collect::<Vec<_>>()
    };
    [Some(&parts.local), parts.transition.as_ref()].into_iter().flatten().flat_map(of).collect()
}

fn compose(t: &Timeline, spec: &Spec, parts: &Segment, state: StateId) -> Compose {
    let size = |dim: Option<chunkwise_dsl::graph::Dim>| dim.map_or(1, |dim| spec.sizes[dim.index()] as u32);
    let form = t.form(state);
    Compose {
        rule: t.signature.name.clone(),
        state: (state, t.signature.state(state).name.clone()),
        sizes: (size(form.key), size(form.value)),
        pieces: state.index(),
        map: match parts.maps[state.index()] {
            Map::Identity => Factor::Identity,
            Map::Diagonal(map) => Factor::Diagonal(map.index()),
            Map::Matrix(map) => Factor::Matrix(parts.local.forms.len() + map.index()),
        },
    }
}
