//! The recurrent plan: one kernel walks the tokens of a sequence with the state in registers.
//!
//! ```text
//! Timeline -> program (values and steps of a token) -> layout (where they live) -> verified -> printed
//! ```
//!
//! It is the plan for decoding and short sequences, for every rule with a timeline. The state is read once and written
//! once, every input is read once per strip of value columns, prologue and epilogue are fused, and the inputs of a token
//! are fetched while the one before it is computed. The text does not depend on the architecture.
//!
//! Where an expression sums over a value dim, one block holds the whole state; one that does not fit into the block's
//! registers lies in local memory, which is slower and gives the same numbers.

use crate::dtype::DType;
pub use crate::kernel::Spec;
use crate::kernel::{Kernel, Limitation};
use crate::{layout, print, program, verify};
use chunkwise_dsl::timeline::Timeline;

/// Emits the forward kernel of a rule.
///
/// # Errors
/// A [`Limitation`]: a size outside 1..=256, `f64`, a dim on both sides of states, vectors that take too many registers.
pub fn emit(timeline: &Timeline, spec: &Spec) -> Result<Kernel, Limitation> {
    if spec.dtype == DType::F64 {
        return Err(Limitation::DType(spec.dtype));
    }
    let program = program::lower(timeline)?;
    verify::program(timeline, &program)?;
    let layout = layout::choose(timeline, &program, spec)?;
    verify::layout(timeline, &program, &layout)?;
    Ok(print::kernel(timeline, spec, &program, &layout))
}
