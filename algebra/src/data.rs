//! What goes into an evaluator and what comes out, for one sequence and one state head. Everything is flat, in storage
//! order; the caller (a device) has already picked the sequence, the head and the group.

use ndarray::LinalgScalar;
use num_traits::Float;
use std::fmt::Debug;
use std::ops::{AddAssign, MulAssign};

/// The element types that evaluators run in: `f32` and `f64`.
pub trait Real:
    Float + LinalgScalar + AddAssign + MulAssign + Debug + Send + Sync + Default + 'static
{
    /// From a literal.
    fn of(x: f64) -> Self;
    /// To `f64`.
    fn wide(self) -> f64;
    /// The error function.
    fn erf(self) -> Self;
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        self.into()
    }
    fn erf(self) -> Self {
        libm::erff(self)
    }
}

/// One input seen from one head: element `i` of array entry `j` at token `t` is `data[start + t * token + j * index + i]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, R> {
    /// The whole tensor.
    pub data: &'a [R],
    /// Offset of the first token's row.
    pub start: usize,
    /// Distance between tokens; 0 for `PerHead`.
    pub token: usize,
    /// Distance between entries of `[Vector<D>; N]`; 0 without one.
    pub index: usize,
    /// Length of a row: the dim's size, or 1 for a scalar.
    pub len: usize,
}

impl<'a, R> Rows<'a, R> {
    /// The row of entry `index` at token `t`.
    pub fn row(&self, t: usize, index: usize) -> &'a [R] {
        let at = self.start + t * self.token + index * self.index;
        &self.data[at..at + self.len]
    }
}

/// Everything one head needs.
#[derive(Clone, Debug)]
pub struct Inputs<'a, R> {
    /// Size of each dim, by `Dim`.
    pub sizes: &'a [usize],
    /// Number of tokens (0 is allowed).
    pub tokens: usize,
    /// One entry a parameter, by `ParamId`.
    pub params: Vec<Rows<'a, R>>,
    /// Initial states, by `StateId`, each `K V` (or `K`) numbers.
    pub states: Vec<Vec<R>>,
}

/// Results of a forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs<R> {
    /// One entry an output: `tokens x len` numbers.
    pub outputs: Vec<Vec<R>>,
    /// Final states, like [`Inputs::states`].
    pub states: Vec<Vec<R>>,
}

/// Cotangents that a backward pass starts from, in the layout of [`Outputs`].
pub type Cotangents<R> = Outputs<R>;

/// Results of a backward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<R> {
    /// One entry a parameter: `tokens x count x len` numbers (`1 x count x len` for `PerHead`, summed over tokens).
    pub params: Vec<Vec<R>>,
    /// Gradients of the initial states.
    pub states: Vec<Vec<R>>,
}

/// The two ways to run a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// The token loop: the definition of the rule.
    Recurrent,
    /// Chunk by chunk, through the timeline.
    Chunkwise {
        /// Tokens in a chunk, at least 1.
        chunk: usize,
    },
}
