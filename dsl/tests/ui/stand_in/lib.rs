//! Stands in for `chunkwise` where a compiler refuses a rule: the macro, and the type that its stubs name.
//!
//! ```text
//! use chunkwise::rule;   #[rule] fn f(..) { .. }   ->   error: ..   fn f() -> &'static ::chunkwise::Rule { unreachable!() }
//! ```

pub use chunkwise_macros::rule;

/// Nobody has one.
pub enum Rule {}
