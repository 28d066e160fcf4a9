//! Random tensors for one case: every parameter from its role, initial states, `cu_seqlens`, cotangents.
//!
//! A rule whose state grows all the same (an expansive write, say) is drawn again at half the size, a few times: an
//! error of rounding that has been multiplied by 1e30 says nothing about an algorithm.

use super::cases::Case;
use super::random::Random;
use super::roles::{Role, roles};
use chunkwise::{Error, Rule, Tensor, Tensors};
use chunkwise_dsl::graph::Shape;

/// The f64 inputs of a case. `scale` is 1 at first.
pub fn inputs(rule: &Rule, case: &Case, sizes: &[usize], scale: f64, seed: u64) -> Result<Tensors, Error> {
    let mut random = Random::new(seed);
    let signature = &rule.signature;
    let mut tensors = Tensors::new();
    for (index, (param, role)) in signature.params.iter().zip(roles(rule)).enumerate() {
        let row = param.shape.dims().map(|dim| sizes[dim.index()]).product();
        let shape = case.shape(index, param, sizes);
        tensors.insert(param.name.clone(), fill(shape, row, |row| draw(&mut random, role, scale, row))?);
    }
    for state in signature.states.iter().filter(|_| case.initial) {
        let tensor = normal(&mut random, state_shape(case, state.shape, sizes), scale)?;
        tensors.insert(format!("{}0", state.name), tensor);
    }
    if let Some(lengths) = &case.lengths {
        let ends = lengths.iter().scan(0i64, |end, &length| {
            *end += length as i64;
            Some(*end)
        });
        let offsets: Vec<i64> = std::iter::once(0).chain(ends).collect();
        tensors.insert("cu_seqlens", Tensor::new([offsets.len()], offsets)?);
    }
    for output in &signature.outputs {
        let mut shape = vec![case.batch, case.tokens, case.heads];
        shape.extend(output.shape.dims().map(|dim| sizes[dim.index()]));
        tensors.insert(format!("d{}", output.name), normal(&mut random, shape, 1.0)?);
    }
    for state in &signature.states {
        let tensor = normal(&mut random, state_shape(case, state.shape, sizes), 1.0)?;
        tensors.insert(format!("d{}", state.name), tensor);
    }
    Ok(tensors)
}

/// `[N, HV, ..]`.
fn state_shape(case: &Case, shape: Shape, sizes: &[usize]) -> Vec<usize> {
    let dims = shape.dims().map(|dim| sizes[dim.index()]);
    [case.sequences(), case.heads].into_iter().chain(dims).collect()
}

/// A tensor of normal numbers.
fn normal(random: &mut Random, shape: Vec<usize>, scale: f64) -> Result<Tensor, Error> {
    fill(shape, 1, |row| draw(random, Role::Normal, scale, row))
}

/// The most numbers of a tensor: a check holds every tensor several times, in f64.
const MOST: usize = 1 << 25;

/// Every number moved by this part of itself, up or down as `up` says for each; integers stay.
///
/// # Errors
/// None that inputs of a rule give: shapes are as they were.
pub fn nudged(inputs: &Tensors, part: f64, mut up: impl FnMut() -> bool) -> Result<Tensors, Error> {
    let mut one = |(name, tensor): (&str, &Tensor)| {
        if !tensor.element().is_float() {
            return Ok((name.to_owned(), tensor.clone()));
        }
        let mut sign = || if up() { part } else { -part };
        let numbers: Vec<f64> = tensor.to_f64().iter().map(|x| x * (1.0 + sign())).collect();
        Ok((name.to_owned(), Tensor::new(tensor.shape().to_vec(), numbers)?))
    };
    inputs.iter().map(&mut one).collect()
}

/// A tensor whose rows of `row` numbers are filled one after the other.
fn fill(shape: Vec<usize>, row: usize, mut one: impl FnMut(&mut [f64])) -> Result<Tensor, Error> {
    let count =
        shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size)).filter(|&count| count <= MOST);
    let count = count.ok_or_else(|| {
        Error::mistake(
            format!("a check of these sizes needs a tensor of shape {shape:?}, and takes at most {MOST} numbers each"),
            "give smaller sizes: of the dims, --heads or --tokens",
        )
    })?;
    let mut numbers = vec![0.0; count];
    numbers.chunks_mut(row.max(1)).for_each(&mut one);
    Tensor::new(shape, numbers)
}

/// Fills one row.
fn draw(random: &mut Random, role: Role, scale: f64, row: &mut [f64]) {
    for x in row.iter_mut() {
        *x = match role {
            Role::Range(low, high) => random.uniform(low, high),
            Role::Negative => random.uniform(-1.0, -0.01),
            Role::Fraction => random.uniform(0.5, 1.0),
            Role::Positive => random.uniform(0.1, 1.0),
            Role::Gate => scale * random.uniform(0.0, 1.0),
            Role::Normal | Role::Key => scale * random.normal(),
        };
    }
    if role == Role::Key {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().filter(|_| length > 0.0).for_each(|x| *x *= scale / length);
    }
}
