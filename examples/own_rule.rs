//! A rule of one's own, forward and backward, with typed inputs; the README shows what follows.
//!
//! ```text
//! cargo run --release --example own_rule
//! ```
//!
//! The command line reads the same file: `chunkwise explain examples/own_rule.rs`.

use chunkwise::prelude::*;

/// A memory that forgets, and edits what a key holds.
#[rule]
fn memory(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    #[range(-8.0..=0.0)] g: Scalar,
    beta: Scalar,
) -> Vector<V> {
    let k = l2norm(k);
    s *= exp(g);
    s += outer(sigmoid(beta) * k, v - s.read(k));
    s.read(q)
}

fn main() -> chunkwise::Result<()> {
    // Two sequences of 100 tokens, K = 16, V = 32. `v` has four heads, so there are four states; a head of the
    // others serves two or all of them.
    let q = wave([2, 100, 2, 16], 0.0)?;
    let k = wave([2, 100, 2, 16], 0.0)?;
    let v = wave([2, 100, 4, 32], 0.0)?;
    let g = wave([2, 100, 1], -1.0)?;
    let beta = wave([2, 100, 1], 0.0)?;
    let inputs = memory::Inputs { q: &q, k: &k, v: &v, g: &g, beta: &beta };

    let memory = memory().on(&Device::cpu())?;
    let results = memory.forward(inputs)?;
    println!("o {:?}, s {:?}", results["o"].shape(), results["s"].shape());

    // An initial state and the cotangents `do` and `ds` are optional. The gradients come beside the results.
    let start = wave([2, 4, 16, 32], 0.0)?;
    let cotangent = wave([2, 100, 4, 32], 0.5)?;
    let results = memory.backward(inputs.with("s0", &start).with("do", &cotangent))?;
    for name in ["dq", "dk", "dv", "dg", "dbeta", "ds0"] {
        println!("{name} {:?}", results[name].shape());
    }
    Ok(())
}

/// Numbers between `centre - 1` and `centre + 1`.
fn wave<const N: usize>(shape: [usize; N], centre: f32) -> chunkwise::Result<Tensor> {
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|i| centre + (0.7 * i as f32).sin()).collect();
    Tensor::new(shape, numbers)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_runs() {
        assert_eq!(super::main(), Ok(()));
    }
}
