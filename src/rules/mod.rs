//! The rules of the literature, one file per paper.
//!
//! To add one: write `src/rules/<paper>.rs` with its `#[rule]` functions and its `ENTRIES`, and name the file in the list
//! below. Every public rule is then `chunkwise::rules::<name>()`, and a row of [`catalogue`](crate::catalogue()).
//!
//! Each rule's comment has one sentence, the citation, and the paper's own update equation in the paper's own notation.
//! Decays named `g` or `w` are natural logarithms. Queries are scaled by `1/sqrt(K)` where flash-linear-attention does so by
//! default, and normalised to unit length together with the keys where the paper says so.

use crate::catalogue::Entry;

/// Declares the files, collects their entries in this order, and gathers the rules of those before `;` under one roof.
macro_rules! papers {
    ($($paper:ident)*; $($waiting:ident)*) => {
        $(mod $paper;)*
        $(mod $waiting;)*

        /// The entries of every paper, in the order of the list.
        pub(crate) const PAPERS: &[&[Entry]] = &[$($paper::ENTRIES,)* $($waiting::ENTRIES),*];

        /// Every rule of the catalogue, as a function that returns it and a module with its typed inputs.
        pub mod all {
            $(pub use super::$paper::*;)*
        }
    };
}

papers! {
    linear_attention retnet lightning_attention gated_retention mamba2 mlstm gla rwkv6 hgrn2 rodimus decaying_fast_weights
    deltanet gated_deltanet kda gdn2 comba rwkv7 dplr deltaproduct titans
    longhorn ttt
    hgrn rg_lru mamba s4d;
    waiting
}
