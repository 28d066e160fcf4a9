//! Inputs of a bench: a short sequence of one head drawn at random, and the same repeated to any size.
//!
//! What a kernel does depends on shapes alone, and hardly on numbers; so a GPU's inputs are one drawn sequence repeated over
//! tokens, heads and batch, which takes no time to draw.

use super::Problem;
use crate::check::cases::Case;
use crate::check::draw;
use crate::failure::{Failure, Outcome};
use chunkwise::{Rule, Tensor, Tensors};

/// How far random numbers are shrunk, so that states stay small.
const SCALE: f64 = 0.1;

/// Tokens that are drawn before they repeat.
const DRAWN: usize = 256;

/// The most numbers of a tensor of a whole problem: 8 GiB in f32.
const MOST: usize = 1 << 31;

/// One head of one sequence of `tokens` tokens, in f64.
///
/// # Errors
/// A mistake where a tensor is too large.
pub fn drawn(rule: &Rule, sizes: &[usize], tokens: usize) -> Outcome<Tensors> {
    let case =
        Case { name: "bench", batch: 1, tokens, heads: 1, grouped: false, initial: false, lengths: None };
    Ok(draw::inputs(rule, &case, sizes, SCALE, 1)?)
}

/// The inputs of a whole problem, in f32.
///
/// # Errors
/// A mistake where a tensor is too large.
pub fn tiled(rule: &Rule, sizes: &[usize], problem: Problem) -> Outcome<Tensors> {
    let tokens = problem.tokens.min(DRAWN);
    let drawn = drawn(rule, sizes, tokens)?;
    let mut tensors = Tensors::new();
    for param in &rule.signature.params {
        let Some(tensor) = drawn.get(&param.name) else { continue };
        let numbers = tensor.to_f32();
        let of_head: usize = param.shape.dims().map(|dim| sizes[dim.index()]).product();
        let axes = usize::from(!param.per_head) * 2 + usize::from(param.count.is_some());
        let mut shape = tensor.shape().to_vec();
        shape[axes] = problem.heads;
        if !param.per_head {
            shape[..2].copy_from_slice(&[problem.batch, problem.tokens]);
        }
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        if count.is_none_or(|count| count > MOST) {
            return Err(Failure::mistake(
                format!(
                    "`{}` of this problem has the shape {shape:?}, which is too large to measure",
                    param.name
                ),
                "give fewer tokens, heads or sequences; without `--device cuda:0` any size is predicted",
            ));
        }
        let repeated: Vec<f32> = if param.per_head {
            numbers.chunks(of_head).flat_map(|head| head.repeat(problem.heads)).collect()
        } else {
            let token: Vec<f32> =
                numbers.chunks(of_head).flat_map(|head| head.repeat(problem.heads)).collect();
            let length = token.len() / tokens * problem.tokens;
            let sequence = token.iter().copied().cycle().take(length).collect::<Vec<f32>>();
            sequence.repeat(problem.batch)
        };
        tensors.insert(param.name.clone(), Tensor::new(shape, repeated)?);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_that_fits_no_memory_is_a_mistake() {
        let problem = Problem { batch: 1 << 20, tokens: 1 << 20, heads: 1 << 20 };
        let failure = tiled(chunkwise::rules::gla(), &[128, 128], problem).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.text().contains("too large to measure"), "{}", failure.text());
    }

    #[test]
    fn every_head_and_sequence_is_the_drawn_one() {
        let rule = chunkwise::rules::deltaproduct2();
        let (sizes, problem) =
            (vec![4; rule.signature.dims.len()], Problem { batch: 2, tokens: 300, heads: 3 });
        let one = drawn(rule, &sizes, DRAWN).unwrap();
        let all = tiled(rule, &sizes, problem).unwrap();
        for param in &rule.signature.params {
            let (one, all) = (&one[param.name.as_str()], &all[param.name.as_str()]);
            let (few, many) = (one.to_f32(), all.to_f32());
            let slots = param.count.unwrap_or(1) as usize;
            let width: usize = param.shape.dims().map(|dim| sizes[dim.index()]).product();
            assert_eq!(many.len(), 2 * 300 * slots * 3 * width, "{}", param.name);
            for (at, head) in many.chunks(width).enumerate() {
                let (slot, token) = (at / 3 % slots, at / 3 / slots % 300 % DRAWN);
                let row = (token * slots + slot) * width;
                assert_eq!(head, &few[row..row + width], "{} at row {at}", param.name);
            }
        }
    }
}
