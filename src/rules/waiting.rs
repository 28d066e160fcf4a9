//! Systems of the literature that the language does not reach yet, each with what it would take.

use crate::catalogue::{Entry, Family};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::waits(
        "gsa",
        "Gated slot attention",
        Family::TwoPass,
        "Zhang, Yang, Zhu, Zhang, Cui et al. 2024, arXiv 2409.07146",
        "needs two passes: the softmax of one memory's reads is the query of the next",
    ),
    Entry::waits(
        "abc",
        "Attention with bounded-memory control",
        Family::TwoPass,
        "Peng, Kasai, Pappas, Yogatama, Wu et al. 2021, arXiv 2110.02488",
        "needs two passes: the softmax of one memory's reads is the query of the next",
    ),
    Entry::waits(
        "slstm",
        "sLSTM (xLSTM)",
        Family::Nonlinear,
        "Beck et al. 2024, arXiv 2405.04517",
        "its gates depend on its own output through recurrent weights: needs a recurrent plan with weights",
    ),
    Entry::waits(
        "hyena",
        "Hyena",
        Family::Convolution,
        "Poli, Massaroli, Nguyen, Fu, Dao et al. 2023, arXiv 2302.10866",
        "a long implicit convolution: it has no state of fixed size",
    ),
    Entry::waits(
        "jet_block",
        "JetBlock (Jet-Nemotron)",
        Family::Convolution,
        "Gu, Hu, Yang, Xi, Chen et al. 2025, arXiv 2508.15884",
        "its values pass through a convolution whose kernel the token makes: needs a window of past inputs",
    ),
];
