//! How a rule runs: the plan, the chunk length, the element type, the precision of operands.
//!
//! ```text
//! Options { plan: PlanChoice::Fused, chunk: 32, ..Options::default() }
//! PlanChoice::Chunkwise   ->   fused, split or segmented, as the launch's shape has it
//! ```

use crate::error::{Error, Result};
use crate::tensor::Element;
use chunkwise_codegen::Plan;
pub use chunkwise_codegen::Precision;
use std::fmt;
use std::str::FromStr;

/// Which algorithm runs a rule (design, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum PlanChoice {
    /// Chosen by the device: on the CPU chunkwise, or recurrent where the rule has no chunkwise form; on a GPU by the
    /// shape of the launch and the machine (`chunkwise_codegen::choice`).
    #[default]
    Auto,
    /// The token loop.
    Recurrent,
    /// Any chunkwise plan; on the CPU there is one.
    Chunkwise,
    /// One block per sequence, head and value tile walks the chunks.
    Fused,
    /// Three kernels, chunks in parallel.
    Split,
    /// Split over segments, by composition.
    Segmented,
}

impl PlanChoice {
    /// Every choice, in the order the command line lists them.
    pub const ALL: [PlanChoice; 6] = [
        PlanChoice::Auto,
        PlanChoice::Recurrent,
        PlanChoice::Chunkwise,
        PlanChoice::Fused,
        PlanChoice::Split,
        PlanChoice::Segmented,
    ];

    /// The plans of kernels among which to choose.
    pub fn kernels(self) -> &'static [Plan] {
        match self {
            PlanChoice::Auto => &Plan::ALL,
            PlanChoice::Recurrent => &[Plan::Recurrent],
            PlanChoice::Chunkwise => &Plan::CHUNKWISE,
            PlanChoice::Fused => &[Plan::Fused],
            PlanChoice::Split => &[Plan::Split],
            PlanChoice::Segmented => &[Plan::Segmented],
        }
    }
}

impl From<Plan> for PlanChoice {
    fn from(plan: Plan) -> PlanChoice {
        match plan {
            Plan::Recurrent => PlanChoice::Recurrent,
            Plan::Fused => PlanChoice::Fused,
            Plan::Segmented => PlanChoice::Segmented,
            Plan::Split => PlanChoice::Split,
        }
    }
}

impl fmt::Display for PlanChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlanChoice::Auto => "auto",
            PlanChoice::Recurrent => "recurrent",
            PlanChoice::Chunkwise => "chunkwise",
            PlanChoice::Fused => "fused",
            PlanChoice::Split => "split",
            PlanChoice::Segmented => "segmented",
        })
    }
}

impl FromStr for PlanChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        PlanChoice::ALL.into_iter().find(|p| p.to_string() == text).ok_or_else(|| {
            Error::mistake(
                format!("`{text}` is not a plan"),
                "the plans are auto, recurrent, chunkwise, fused, split and segmented",
            )
        })
    }
}

/// What a run does whose kernels are not compiled yet. A launch that is prepared always waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Cold {
    /// As the device has it: on a GPU [`Cold::StandIn`], in the simulator [`Cold::Wait`].
    #[default]
    Auto,
    /// Runs what is ready sooner, while a thread of its own compiles: any plan among those to choose from that is loaded for these
    /// sizes and this type, or the token loop, whose kernel compiles in a fraction of the time. The chosen plan runs as soon as it
    /// is compiled; until then results are right but not of the same bits. A plan that is named has no other to stand in for it,
    /// but other columns of a block may.
    StandIn,
    /// Waits for the chosen plan, so that every run of these options on these tensors gives the same bits.
    Wait,
}

impl Cold {
    /// Whether runs wait, on a device where kernels stand in or not unless told otherwise.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    pub(crate) fn waits(self, stands_in: bool) -> bool {
        match self {
            Cold::Auto => !stands_in,
            Cold::StandIn => false,
            Cold::Wait => true,
        }
    }
}

/// How to run a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// The algorithm.
    pub plan: PlanChoice,
    /// Tokens in a chunk, at least 1; the token loop ignores it.
    pub chunk: usize,
    /// The element type of the token vectors other than decays and of the outputs. `F64` computes everything in f64;
    /// `F32`, `F16` and `BF16` compute in f32 and round to the type. `None` follows the inputs.
    pub dtype: Option<Element>,
    /// How tensor cores round their operands, in plans that use them. [`Precision::High`] is refused by all others: they
    /// round no operand.
    pub precision: Precision,
    /// Tokens of a segment, in the plan that has segments: rounded up to whole chunks. `None` leaves it to the device: as many
    /// segments as fill it.
    pub piece: Option<usize>,
    /// The most value columns of a block, in chunkwise plans on a GPU: 16 to 128. `None` leaves it to the device: fewer where
    /// there are few sequences and heads.
    pub columns: Option<usize>,
    /// What a run does whose kernels are not compiled yet.
    pub cold: Cold,
}

impl Options {
    /// Refuses [`Precision::High`] where nothing rounds operands.
    pub(crate) fn rounds_no_operand(&self) -> Result<()> {
        match self.precision {
            Precision::Fast => Ok(()),
            Precision::High => Err(Error::limitation(
                "precision `high` splits the operands of tensor cores, and this plan uses none: it rounds no operand",
                "leave it out, or choose the plan `fused` on a GPU or in the simulator",
            )),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            plan: PlanChoice::Auto,
            chunk: 64,
            dtype: None,
            precision: Precision::Fast,
            piece: None,
            columns: None,
            cold: Cold::Auto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_parse_as_they_print() {
        for plan in PlanChoice::ALL {
            assert_eq!(plan.to_string().parse::<PlanChoice>().unwrap(), plan);
        }
        assert!("fast".parse::<PlanChoice>().is_err());
    }
}
