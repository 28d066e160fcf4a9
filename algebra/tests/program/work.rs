//! Counts of a chunk's matrix products.

use crate::rules;
use chunkwise_algebra::program::{Work, derive, simplify, work};

/// Chunk, key and value sizes that no product of others is equal to.
const C: u64 = 16;
const K: u64 = 11;
const V: u64 = 7;

fn of(name: &str) -> Work {
    let rules = [rules::catalogue(), rules::others()].concat();
    let rule =
        rules.into_iter().find(|r| r.signature.name == name).unwrap_or_else(|| panic!("no rule {name}"));
    let sizes: Vec<usize> =
        rule.signature.dims.iter().map(|d| if d == "K" { K as usize } else { V as usize }).collect();
    let timeline = rule.timeline.as_ref().unwrap_or_else(|why| panic!("{name}: {why}"));
    work(&simplify(&derive(timeline).unwrap_or_else(|why| panic!("{name}: {why}"))), &sizes, C as usize)
}

/// `gram`s, products with the state, with rows of values, and inverses of so many chunks' rows.
fn expected(grams: u64, with_state: u64, inside: u64, inverses: u64) -> Work {
    Work {
        grams: 2 * C * C * K * grams,
        with_state: 2 * C * K * V * with_state,
        inside: 2 * C * C * V * inside,
        inverses: (inverses * C).pow(3) / 3,
    }
}

#[test]
fn products_are_counted() {
    assert_eq!(of("linear_attention"), expected(1, 2, 1, 0));
    // Keys with keys and queries with keys; keys and queries read, keys write; the inverse and the output are products.
    assert_eq!(of("gated_deltanet"), expected(2, 3, 2, 1));
    // Two reads and two writes: `V` reaches both reads, what `B` writes reaches the output.
    assert_eq!(of("rwkv7"), expected(4, 4, 4, 1));
    // Two steps a token: (2 + 1) 2 pairs of keys.
    assert_eq!(of("deltaproduct2"), expected(4 + 2, 5, 4 + 2, 2));
    // Momentum: each read finds both states, each write ends in both.
    assert_eq!(of("momentum_delta"), expected(2, 2 * 2 + 2, 2, 1));
    // Rows in order instead of an inverse.
    assert_eq!(of("tanh_feedback"), expected(2, 3, 2, 0));
    // Two grams, one of them inside `reach`.
    assert_eq!(of("two_sided"), expected(2, 3, 2, 0));
}
