//! `explain`: what was derived from a rule, and why, as plain text.
//!
//! ```text
//! one chunk of C tokens
//!   G    = cumsum(g)                                          cumulative log decay, one number a token
//!   D_ts = e^(G_t - G_s)                                      decay from the write at s to the read at t
//!   T    = (I + tril(K Kᵀ diag(beta) ⊙ D, -1))⁻¹              unit lower triangular: one solve a chunk
//!   U    = T (V - (K ⊙ e^G) S0)
//!   O    = (Q ⊙ e^G) S0 + tril(Q Kᵀ diag(beta) ⊙ D) U
//!   S    = e^G_C ⊙ S0 + (K ⊙ e^(G_C - G))ᵀ diag(beta) U
//! ```
//!
//! The text is a pure function of the rule and a [`Setting`]: signature and layouts, the token's events, the class and
//! what decides it, the equations of one chunk, their phases, the costs. Every line is derived from the events of the
//! timeline; nothing here knows a rule by name. The chunk program that kernels are made from stands beside the equations.
//!
//! Passes: `system` takes the timeline apart, `derive` writes the equations as formulas, `phases` shares Gram matrices
//! and cuts by dependence on the state, `cost` counts; `page` and `why` lay the results out.

mod cost;
mod derive;
mod formula;
mod names;
mod page;
mod phases;
mod system;
mod text;
mod why;

pub use cost::{Least, Setting, least};

use chunkwise_dsl::rule::Rule;

/// Explains a rule: what it takes, what happens at a token, its class and why, its chunkwise equations, phases and costs.
///
/// The same rule and setting give the same text, bit for bit. Plain UTF-8, no terminal codes, lines below 100 columns
/// (a single long expression may pass that).
pub fn explain(rule: &Rule, setting: &Setting) -> String {
    page::explain(rule, setting)
}
