//! The plans that have kernels, and the one door to all of them.

use crate::arch::Arch;
use crate::kernel::{Limitation, Spec};
use crate::schedule::Schedule;
use crate::{fused, recurrent, segmented};
use chunkwise_dsl::timeline::Timeline;
use std::fmt;

/// The algorithm of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Plan {
    /// The token loop, for every rule: [`recurrent`].
    Recurrent,
    /// One block walks the chunks of a sequence on tensor cores: [`fused`].
    Fused,
    /// A kernel for each phase of a chunk: all chunks at one time, but for what the next state is made from.
    Split,
    /// Pieces of each sequence side by side, composed: [`segmented`].
    Segmented,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Plan::Recurrent => "recurrent",
            Plan::Fused => "fused",
            Plan::Segmented => "segmented",
            Plan::Split => "split",
        })
    }
}

impl Plan {
    /// Every plan.
    pub const ALL: [Plan; 4] = [Plan::Recurrent, Plan::Fused, Plan::Split, Plan::Segmented];

    /// Those that walk chunks.
    pub const CHUNKWISE: [Plan; 3] = [Plan::Fused, Plan::Split, Plan::Segmented];

    /// Whether a rule has kernels of this plan; nothing is printed.
    pub fn has_kernels(self, timeline: &Timeline, spec: &Spec, arch: Arch) -> bool {
        match self {
            Plan::Recurrent => recurrent::emit(timeline, spec).is_ok(),
            Plan::Fused => fused::choose(timeline, spec, arch).is_ok(),
            Plan::Split => fused::has_split(timeline, spec, arch),
            Plan::Segmented => segmented::Cost::of(timeline, spec, arch).is_ok(),
        }
    }

    /// Emits the forward kernels of a rule.
    ///
    /// # Errors
    /// A [`Limitation`]: the rule, a size or the type has no kernel of this plan.
    pub fn emit(self, timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Schedule, Limitation> {
        match self {
            Plan::Recurrent => recurrent::emit(timeline, spec).map(Schedule::from),
            Plan::Fused => fused::emit(timeline, spec, arch).map(Schedule::from),
            Plan::Segmented => segmented::emit(timeline, spec, arch),
            Plan::Split => fused::emit_split(timeline, spec, arch),
        }
    }
}
