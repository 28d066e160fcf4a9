//! The fused plan, from its specification: in the simulator with every check on, against the token loop in f64 on the same
//! rounded inputs; and its texts, compiled for every generation of GPUs.
//!
//! ```text
//! whatever the plan accepts  ->  product, properties, launches, compile     nothing here names the rules that it runs
//! what it has to accept      ->  accepted.snap                              so that coverage does not shrink unseen
//! ```
//!
//! | file | what |
//! |---|---|
//! | `accepted` | a golden list: each rule, or why not |
//! | `product` | a seeded sample of types, precisions, sizes, chunks, lengths, heads, packed sequences, states |
//! | `accuracy` | no more error than the policy on numerics allows |
//! | `exact` | what holds to the bit: causality, containment |
//! | `extremes` | decays down to nothing, feedback at its worst |
//! | `limits` | how far off results may be, by the policy on numerics |
//! | `scales` | states whose rows are solved with one square, and states for which there are two |
//! | `teams` | states that share warps, since one stores what is read of another |
//! | `ranges` | declared ranges: the products that they save |
//! | `own` | rules that nobody tuned for, which all of the above take too |
//! | `launches` | the launch contract: null and shared states, least alignment |
//! | `segmented` | the segmented plan: pieces side by side, composed |
//! | `split` | the same chunks in three kernels: the same results |
//! | `targets` | bytes and tensor work of the catalogue, against the least |
//! | `texts` | golden texts, and their structure |
//! | `work` | a plan's count of its flops and bytes, against the simulator's |
//! | `compile` | NVRTC on all of them: no spills, no warnings, shared memory that fits |
//!
//! `CHUNKWISE_SEED` sets the seed of samples (default 1), `CHUNKWISE_CASES` how many kernels of each rule and type are
//! drawn (default 1).

mod accepted;
mod accuracy;
mod case;
mod compile;
mod exact;
mod extremes;
mod launches;
mod limits;
mod own;
mod product;
mod ranges;
mod scales;
mod segmented;
mod split;
mod targets;
mod teams;
mod texts;
mod work;
