//! Where every number of a run lies: the sizes that one set of tensors agrees on, and the shapes and strides they give.
//!
//! ```text
//! q: Vector<K>  [B, T, H, K]     row (b, t, h) starts at ((b T + t) H + h) K
//! ```
//!
//! Batch and time are one axis of `B T` rows here: a sequence is a range of it, `T` rows of one batch entry or, with
//! `cu_seqlens`, the rows between two of its entries. Each tensor has its own head count `H`, which divides the number
//! of states `HV`; state `h` reads head `h H / HV` of it (grouped heads).
//!
//! [`Axis`] lists are the one place that says how a declaration becomes a tensor; checks, shapes and strides follow.
//! Invariant of a [`Layout`]: it was built by [`crate::validate`], so every product of a given tensor's dims fits.

use chunkwise_algebra::Rows;
use chunkwise_dsl::graph::{Dim, Shape};
use chunkwise_dsl::signature::{Param, Signature};
use std::ops::Range;

/// What one dim of a tensor stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Axis {
    /// `B`
    Batch,
    /// `T`
    Tokens,
    /// The entries of `[Vector<D>; n]`.
    Count(usize),
    /// `H`, the tensor's own head count.
    Heads,
    /// `HV`, the number of states of a sequence.
    StateHeads,
    /// `N`
    Sequences,
    /// A dim of the rule.
    Size(Dim),
}

impl Axis {
    /// As it stands in messages: `B`, `HV`, `2`, `K`.
    pub(crate) fn name(self, signature: &Signature) -> String {
        match self {
            Axis::Batch => "B".into(),
            Axis::Tokens => "T".into(),
            Axis::Count(n) => n.to_string(),
            Axis::Heads => "H".into(),
            Axis::StateHeads => "HV".into(),
            Axis::Sequences => "N".into(),
            Axis::Size(d) => signature.dim(d).into(),
        }
    }
}

/// The axes of a parameter's tensor.
pub(crate) fn param_axes(param: &Param) -> Vec<Axis> {
    let mut axes = if param.per_head { Vec::new() } else { vec![Axis::Batch, Axis::Tokens] };
    axes.extend(param.count.map(|n| Axis::Count(n as usize)));
    axes.push(Axis::Heads);
    axes.extend(param.shape.dims().map(Axis::Size));
    axes
}

/// The axes of an output and of its cotangent.
pub(crate) fn output_axes(shape: Shape) -> Vec<Axis> {
    [Axis::Batch, Axis::Tokens, Axis::StateHeads].into_iter().chain(shape.dims().map(Axis::Size)).collect()
}

/// The axes of a state: its initial and final value, their gradients and cotangents.
pub(crate) fn state_axes(shape: Shape) -> Vec<Axis> {
    [Axis::Sequences, Axis::StateHeads].into_iter().chain(shape.dims().map(Axis::Size)).collect()
}

/// Axes as they stand in messages: `[B, T, H, K]`.
pub(crate) fn axes_text(axes: &[Axis], signature: &Signature) -> String {
    format!("[{}]", axes.iter().map(|a| a.name(signature)).collect::<Vec<_>>().join(", "))
}

/// The sizes of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// `B`
    pub(crate) batch: usize,
    /// `T`
    pub(crate) tokens: usize,
    /// `HV`
    pub(crate) heads: usize,
    /// The size of each dim, by `Dim`.
    pub(crate) sizes: Vec<usize>,
    /// The head count of each parameter, by `ParamId`; all divide `heads`.
    pub(crate) param_heads: Vec<usize>,
    /// The rows of each sequence on the joint axis of `B T` rows; together they cover it, in order.
    pub(crate) sequences: Vec<Range<usize>>,
}

impl Layout {
    /// Number of elements of a value of this shape. Two dims of empty tensors may pass `usize` together; that many do
    /// not fit in memory, and neither does the greatest number.
    pub(crate) fn size(&self, shape: Shape) -> usize {
        shape.dims().map(|d| self.sizes[d.index()]).fold(1, usize::saturating_mul)
    }

    /// The shape of a tensor with these axes; `own_heads` stands for [`Axis::Heads`].
    pub(crate) fn shape(&self, axes: &[Axis], own_heads: usize) -> Vec<usize> {
        axes.iter()
            .map(|axis| match *axis {
                Axis::Batch => self.batch,
                Axis::Tokens => self.tokens,
                Axis::Count(n) => n,
                Axis::Heads => own_heads,
                Axis::StateHeads => self.heads,
                Axis::Sequences => self.sequences.len(),
                Axis::Size(d) => self.sizes[d.index()],
            })
            .collect()
    }

    /// The head of a tensor with `own_heads` heads that state `head` reads.
    pub(crate) fn group(&self, own_heads: usize, head: usize) -> usize {
        head / (self.heads / own_heads)
    }

    /// What state `head` of `sequence` sees of parameter number `index`, whose whole tensor is `data`.
    pub(crate) fn rows<'a, R>(
        &self,
        param: &Param,
        index: usize,
        data: &'a [R],
        sequence: usize,
        head: usize,
    ) -> Rows<'a, R> {
        let own_heads = self.param_heads[index];
        let len = self.size(param.shape);
        let entry = own_heads * len;
        let token = if param.per_head { 0 } else { entry * param.count.map_or(1, |n| n as usize) };
        let first = self.sequences[sequence].start;
        Rows {
            data,
            start: first * token + self.group(own_heads, head) * len,
            token,
            index: if param.count.is_some() { entry } else { 0 },
            len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(shape: Shape, count: Option<u32>, per_head: bool) -> Param {
        Param { name: "x".into(), shape, count, per_head, range: None }
    }

    #[test]
    fn rows_find_their_numbers() {
        let layout = Layout {
            batch: 1,
            tokens: 5,
            heads: 4,
            sizes: vec![3],
            param_heads: vec![2],
            sequences: vec![0..2, 2..2, 2..5],
        };
        // [B = 1, T = 5, N = 2, H = 2, K = 3], numbered as stored.
        let data: Vec<usize> = (0..60).collect();
        let p = param(Shape::Vector(Dim(0)), Some(2), false);
        let rows = layout.rows(&p, 0, &data, 2, 3);
        // Sequence 2 starts at token 2; state 3 of 4 reads head 1 of 2. ((t 2 + j) 2 + h) 3
        assert_eq!(rows.row(0, 0), [27, 28, 29]);
        assert_eq!(rows.row(1, 1), [45, 46, 47]);
        let constant = param(Shape::Scalar, None, true);
        let rows = layout.rows(&constant, 0, &data[..2], 2, 1);
        assert_eq!((rows.row(0, 0), rows.row(2, 0)), (&data[..1], &data[..1]));
    }

    #[test]
    fn axes_print_as_layouts() {
        let signature = Signature { dims: vec!["K".into(), "V".into()], ..Signature::default() };
        let text = |axes: &[Axis]| axes_text(axes, &signature);
        assert_eq!(text(&param_axes(&param(Shape::Vector(Dim(0)), Some(2), false))), "[B, T, 2, H, K]");
        assert_eq!(text(&param_axes(&param(Shape::Scalar, None, true))), "[H]");
        assert_eq!(text(&output_axes(Shape::Vector(Dim(1)))), "[B, T, HV, V]");
        assert_eq!(text(&state_axes(Shape::Matrix(Dim(0), Dim(1)))), "[N, HV, K, V]");
    }
}
