//! The plans that have kernels, and the one door to all of them.

use crate::arch::Arch;
use crate::kernel::{Limitation, Spec};
use crate::schedule::Schedule;
use crate::{fused, recurrent, segmented};
use chunkwise_dsl::timeline::Timeline;
use std::fmt;

/// As many tokens of the loop take about as long as one chunk. Modelled, not measured: a chunk is some 5 us (the probe in the
/// design's notes on kernels), a token of the loop some 0.2 us (a read, a reduction over lanes, a write).
pub const LOOP_TOKENS: usize = 24;

/// The algorithm of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Plan {
    /// The token loop, for every rule: [`recurrent`].
    Recurrent,
    /// One block walks the chunks of a sequence on tensor cores: [`fused`].
    Fused,
    /// Pieces of each sequence side by side, composed: [`segmented`].
    Segmented,
    /// The same with a kernel for each phase of a chunk: all chunks at one time, but for what the next state is made from.
    Split,
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
    pub const ALL: [Plan; 3] = [Plan::Recurrent, Plan::Fused, Plan::Split];

    /// The plan for sequences of about `tokens` tokens, of those that have a kernel.
    ///
    /// A chunk's products with the state cost the same for one token as for 64, so that a chunk takes about as long as
    /// [`LOOP_TOKENS`] tokens of the loop: the loop reads and scales the whole state at every token, and its tokens wait for
    /// each other. Both plans have one block per state and value tile, so that the number of heads does not change the choice.
    pub fn best(tokens: usize) -> &'static [Plan] {
        match tokens {
            0..LOOP_TOKENS => &[Plan::Recurrent],
            _ => &[Plan::Fused, Plan::Recurrent],
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
