//! The rule language of Chunkwise: syntax, types, diagnostics, and the timeline normal form.

pub mod diagnostic;
pub mod graph;
pub mod rule;
pub mod signature;
pub mod timeline;
