//! The catalogue: every system of the literature, the ones that work and the ones that wait.
//!
//! ```
//! let entry = chunkwise::catalogue().iter().find(|e| e.name == "gated_deltanet").unwrap();
//! let rule = entry.rule.unwrap()();
//! assert_eq!(rule.signature.states[0].name, "s");
//! ```
//!
//! Invariants (tests/catalogue.rs): names are unique; an entry has either a rule of the same name, or a reason to wait.

use crate::Rule;
use std::sync::LazyLock;

/// What kind of recurrence a system is; the reason why it is easy or hard to run in chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The memory decays and is added to; nothing it recalls is fed back. No solve.
    Additive,
    /// What the memory recalls is fed back linearly: one triangular solve per chunk.
    Delta,
    /// What the memory recalls is fed back through a function, or with a gain per channel: substitution in the chunk.
    Nonlinear,
    /// A vector memory whose channels do not meet.
    Elementwise,
    /// One memory's reads are the keys of another.
    TwoPass,
    /// Updates are computed once per mini-batch, from a state older than the token.
    MiniBatch,
    /// A convolution rather than a recurrence.
    Convolution,
}

impl Family {
    /// How `list` prints it.
    pub fn label(self) -> &'static str {
        match self {
            Family::Additive => "additive",
            Family::Delta => "delta",
            Family::Nonlinear => "nonlinear feedback",
            Family::Elementwise => "elementwise",
            Family::TwoPass => "two passes",
            Family::MiniBatch => "mini-batch",
            Family::Convolution => "convolution",
        }
    }
}

/// One system of the literature.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What the command line calls it, and the name of its function in [`rules`](crate::rules).
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its kind.
    pub family: Family,
    /// Authors, year and arXiv number.
    pub paper: &'static str,
    /// The rule; `None` while the system waits.
    pub rule: Option<fn() -> &'static Rule>,
    /// What it waits for; `None` where it works.
    pub waiting: Option<&'static str>,
}

impl Entry {
    /// A system that works.
    pub(crate) const fn works(
        name: &'static str,
        title: &'static str,
        family: Family,
        paper: &'static str,
        rule: fn() -> &'static Rule,
    ) -> Entry {
        Entry { name, title, family, paper, rule: Some(rule), waiting: None }
    }

    /// A system that does not work yet, and what it would take.
    pub(crate) const fn waits(
        name: &'static str,
        title: &'static str,
        family: Family,
        paper: &'static str,
        reason: &'static str,
    ) -> Entry {
        Entry { name, title, family, paper, rule: None, waiting: Some(reason) }
    }
}

/// Every system of the literature, in the order of `src/rules/mod.rs`.
pub fn catalogue() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(|| crate::papers::PAPERS.concat());
    &ALL
}
