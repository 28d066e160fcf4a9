//! CUDA kernels from Chunkwise timelines.
//!
//! ```text
//! Timeline --program--> values and steps --layout--> lanes and registers --verify--> --print--> Kernel
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | the plans by name: [`Plan::emit`] |
//! | [`choice`] | which plan a launch takes, from its shape and the machine's |
//! | [`recurrent`] | the pipeline of the token-loop plan: [`recurrent::emit`] |
//! | [`fused`] | the pipeline of the chunkwise plan on tensor cores: [`fused::emit`] |
//! | [`segmented`] | the plan for few long sequences: [`segmented::emit`] |
//! | [`program`] | a token's expressions cut into named values, its events in order |
//! | [`layout`] | which dim is split over lanes, which over columns, at how many registers; pure data |
//! | [`verify`] | what must hold of the two |
//! | [`mod@print`] | the CUDA text; the only part that writes CUDA |
//! | [`writer`], [`namer`], [`device`] | text, identifiers, fixed device code |
//! | [`kernel`], [`schedule`] | what a launcher needs to know, of one kernel and of all that a plan launches |
//! | [`arch`], [`dtype`] | architectures and element types |
//! | [`model`] | how long a kernel takes on a GPU, by a model; how many blocks a multiprocessor holds |

pub mod arch;
pub mod choice;
pub mod device;
pub mod dtype;
pub mod fused;
pub mod kernel;
pub mod layout;
pub mod model;
pub mod namer;
pub mod plan;
pub mod print;
pub mod program;
pub mod recurrent;
pub mod schedule;
pub mod segmented;
pub mod verify;
pub mod writer;

pub use arch::Arch;
pub use dtype::DType;
pub use kernel::{Argument, Kernel, Limitation, Precision, Role, Strides};
pub use plan::Plan;
pub use schedule::Schedule;
