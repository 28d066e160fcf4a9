//! The plans that have kernels, and the one door to all of them.

use crate::arch::Arch;
use crate::kernel::{Kernel, Limitation, Spec};
use crate::{fused, recurrent};
use chunkwise_dsl::timeline::Timeline;
use std::fmt;

/// The algorithm of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Plan {
    /// The token loop, for every rule: [`recurrent`].
    Recurrent,
    /// One block walks the chunks of a sequence on tensor cores: [`fused`].
    Fused,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Plan::Recurrent => "recurrent",
            Plan::Fused => "fused",
        })
    }
}

impl Plan {
    /// Every plan.
    pub const ALL: [Plan; 2] = [Plan::Recurrent, Plan::Fused];

    /// Emits the forward kernel of a rule.
    ///
    /// # Errors
    /// A [`Limitation`]: the rule, a size or the type has no kernel of this plan.
    pub fn emit(self, timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Kernel, Limitation> {
        match self {
            Plan::Recurrent => recurrent::emit(timeline, spec),
            Plan::Fused => fused::emit(timeline, spec, arch),
        }
    }
}
