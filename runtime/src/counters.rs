//! What launches in the simulator did, counted: instructions, bytes, sectors, bank conflicts, barriers.
//!
//! ```no_run
//! # use chunkwise_runtime::{Bindings, Device, RuleExt};
//! # fn f(rule: &chunkwise_dsl::rule::Rule, inputs: Bindings<'_>) -> chunkwise_runtime::Result<()> {
//! let executable = rule.on(&Device::parse("sim")?)?.counting_lines()?;
//! executable.forward(inputs)?;
//! for launched in executable.counters() {
//!     println!("{}: {} instructions", launched.kernel, launched.report.total.instructions);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The same kernel on the same inputs counts the same, whatever the machine and its load.

pub use chunkwise_sim::count::{Counters, Report};
use std::sync::Arc;

/// One launch and its counts.
#[derive(Clone, PartialEq, Debug)]
pub struct Launched {
    /// The kernel's name.
    pub kernel: String,
    /// Its CUDA text, whose lines the report counts by.
    pub source: Arc<str>,
    /// Blocks of the launch.
    pub blocks: u32,
    /// Threads of a block.
    pub threads: u32,
    /// The counts, whole and, where they were asked for, by line.
    pub report: Report,
}
