//! The rule language of Chunkwise: syntax, types, diagnostics, and the timeline normal form.

mod affine;
pub mod class;
pub mod diagnostic;
pub mod front;
pub mod graph;
pub mod lower;
pub mod print;
pub mod report;
pub mod rule;
pub mod signature;
pub mod strata;
pub mod timeline;
pub mod verify;

pub use front::{parse_file, parse_item};
pub use report::{Located, Report};
