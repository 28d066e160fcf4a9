//! Parts of tensors, where they lie: no number is copied to hand a rule a slice of a packed tensor, or one whose heads come
//! before its tokens.
//!
//! ```
//! use chunkwise_runtime::{Bindings, Tensor, View};
//! // One projection's result, [B, T, 3, H, D]: q, k and v are parts of it.
//! let qkv = Tensor::new([1, 4, 3, 2, 8], vec![0.5f32; 192])?;
//! let part = |i| View::from(&qkv).select(2, i);
//! let inputs = Bindings::new().with("q", part(0)?).with("k", part(1)?).with("v", part(2)?);
//! assert_eq!(inputs.get("k").map(View::shape), Some(&[1, 4, 2, 8][..]));
//! assert_eq!(inputs.get("k").map(View::strides), Some(&[192, 48, 8, 1][..]));
//! # Ok::<(), chunkwise_runtime::Error>(())
//! ```
//!
//! Kernels read parameters through views as they are, with one upload for all views on one tensor; what they ask of strides
//! is said by [`View::strides`]. The CPU, initial states, cotangents and `cu_seqlens` take any view too, by a copy inside.
//!
//! Invariant: every number of a view of a tensor is a number of that tensor. Each step makes a view smaller or changes the
//! order of its dims, so none can leave it.

use crate::error::{Error, Result};
use crate::tensor::{Element, Tensor, element_count, shape_text};
use std::borrow::Cow;
use std::ops::Range;

/// A part of a tensor, or the description of a tensor that lies elsewhere.
#[derive(Clone, PartialEq, Debug)]
pub struct View<'a> {
    base: Option<&'a Tensor>,
    element: Element,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
}

impl<'a> From<&'a Tensor> for View<'a> {
    /// The whole tensor.
    fn from(tensor: &'a Tensor) -> View<'a> {
        let shape = tensor.shape().to_vec();
        let strides = contiguous(&shape);
        View { base: Some(tensor), element: tensor.element(), shape, strides, offset: 0 }
    }
}

/// The strides of a tensor in row-major order.
pub(crate) fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    pack(shape, &mut strides);
    strides
}

/// The same, in place.
pub(crate) fn pack(shape: &[usize], strides: &mut [usize]) {
    let mut apart = 1usize;
    for (stride, size) in strides.iter_mut().zip(shape).rev() {
        *stride = apart;
        // Only a shape with a 0 can pass `usize`; nothing is ever read from it.
        apart = apart.saturating_mul(*size);
    }
}

impl View<'static> {
    /// A tensor of which only type and shape are known, since its numbers are elsewhere, such as in a GPU's memory. It can
    /// be prepared for ([`Executable::prepare`](crate::Executable::prepare)), but not run on.
    ///
    /// # Errors
    /// A mistake where the shape has more elements than fit in memory.
    pub fn elsewhere(element: Element, shape: impl Into<Vec<usize>>) -> Result<View<'static>> {
        let shape = shape.into();
        if element_count(&shape).is_none_or(|n| i64::try_from(n).is_err()) {
            return Err(Error::mistake(
                format!("a tensor of shape {} does not fit in memory", shape_text(&shape)),
                "use smaller tensors",
            ));
        }
        let strides = contiguous(&shape);
        Ok(View { base: None, element, shape, strides, offset: 0 })
    }
}

impl<'a> View<'a> {
    /// The numbers from `range` on along `axis`, as `x[:, 2:5]` takes them elsewhere.
    ///
    /// # Errors
    /// A mistake where there is no such axis, or the range is not in it.
    pub fn slice(mut self, axis: usize, range: Range<usize>) -> Result<View<'a>> {
        let size = self.axis(axis)?;
        if range.start > range.end || range.end > size {
            return Err(self.wrong(format!("has no {range:?} on axis {axis}"), format!("it ends at {size}")));
        }
        self.shape[axis] = range.len();
        // Nothing is read of an empty view: its range may begin at the end, and its strides may be of no tensor.
        if !self.shape.contains(&0) {
            self.offset += range.start * self.strides[axis];
        }
        Ok(self)
    }

    /// The numbers at `index` of `axis`, which is gone from the shape.
    ///
    /// # Errors
    /// A mistake where there is no such axis or index.
    pub fn select(self, axis: usize, index: usize) -> Result<View<'a>> {
        let mut one = self.slice(axis, index..index.saturating_add(1))?;
        one.shape.remove(axis);
        one.strides.remove(axis);
        Ok(one)
    }

    /// The same numbers with two axes exchanged: `[B, H, T, D]` as `[B, T, H, D]` by `swap(1, 2)`.
    ///
    /// # Errors
    /// A mistake where there is no such axis.
    pub fn swap(mut self, a: usize, b: usize) -> Result<View<'a>> {
        self.axis(a)?;
        self.axis(b)?;
        self.shape.swap(a, b);
        self.strides.swap(a, b);
        Ok(self)
    }

    /// The same numbers with one axis as two, the inner of which has `inner` places: `[B, T, H D]` as `[B, T, H, D]` by
    /// `split(2, D)`.
    ///
    /// # Errors
    /// A mistake where there is no such axis, or `inner` does not divide it.
    pub fn split(mut self, axis: usize, inner: usize) -> Result<View<'a>> {
        let size = self.axis(axis)?;
        if inner == 0 || size % inner != 0 {
            return Err(self.wrong(
                format!("has {size} places on axis {axis}"),
                format!("{inner} does not divide them"),
            ));
        }
        let stride = self.strides[axis];
        self.shape[axis] = size / inner;
        self.strides[axis] = stride.saturating_mul(inner);
        self.shape.insert(axis + 1, inner);
        self.strides.insert(axis + 1, stride);
        Ok(self)
    }

    /// The size of each dim, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers lie from one place of each dim to the next. Kernels want 1 for the last dim of a vector, and what
    /// lies at other dims at multiples of 16 bytes, or fewer where the vector itself has fewer or is not a multiple of them.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// How many of the tensor's numbers come before this view's first.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The type of the elements.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The tensor that this is a part of; `None` where it is elsewhere.
    pub fn base(&self) -> Option<&'a Tensor> {
        self.base
    }

    /// A tensor of these numbers, copied; `None` where they are elsewhere.
    pub fn to_tensor(&self) -> Option<Tensor> {
        let base = self.base?;
        // A part of a tensor has no more elements than it.
        let count = element_count(&self.shape).unwrap_or(0);
        let place = |mut at: usize| {
            let dims = self.shape.iter().zip(&self.strides).rev();
            dims.fold(self.offset, |sum, (size, stride)| {
                let here = at % size;
                at /= size;
                sum + here * stride
            })
        };
        Tensor::new(self.shape.clone(), base.data().pick((0..count).map(place))).ok()
    }

    /// The numbers, in row-major order, copied only where they are a part or in another order.
    pub(crate) fn numbers(&self) -> Result<Cow<'a, Tensor>> {
        match self.base {
            Some(base) if base.shape() == self.shape && contiguous(&self.shape) == self.strides => {
                Ok(Cow::Borrowed(base))
            }
            _ => self.to_tensor().map(Cow::Owned).ok_or_else(|| {
                Error::mistake(
                    format!("a tensor of shape {} has no numbers on this machine", shape_text(&self.shape)),
                    "a `View::elsewhere` is for `Executable::prepare`; run on a `Tensor`",
                )
            }),
        }
    }

    /// The size of an axis that must be there.
    fn axis(&self, axis: usize) -> Result<usize> {
        let missing = || self.wrong(format!("has no axis {axis}"), "axes count from 0".to_owned());
        self.shape.get(axis).copied().ok_or_else(missing)
    }

    fn wrong(&self, what: String, help: String) -> Error {
        Error::mistake(format!("a view of shape {} {what}", shape_text(&self.shape)), help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(shape: &[usize]) -> Tensor {
        let count = shape.iter().product::<usize>();
        Tensor::new(shape, (0..count as i64).collect::<Vec<_>>()).unwrap()
    }

    fn read(view: &View<'_>) -> Vec<i64> {
        view.numbers().unwrap().to_i64().unwrap().into_owned()
    }

    #[test]
    fn views_find_their_numbers() {
        let x = numbered(&[2, 3, 4]);
        let view = || View::from(&x);
        assert_eq!(read(&view().select(1, 2).unwrap()), [8, 9, 10, 11, 20, 21, 22, 23]);
        assert_eq!(read(&view().slice(2, 1..3).unwrap().select(0, 1).unwrap()), [13, 14, 17, 18, 21, 22]);
        let swapped = view().swap(0, 1).unwrap();
        assert_eq!((swapped.shape(), swapped.strides()), (&[3, 2, 4][..], &[4, 12, 1][..]));
        assert_eq!(read(&swapped)[..8], [0, 1, 2, 3, 12, 13, 14, 15]);
        let split = view().split(2, 2).unwrap();
        assert_eq!((split.shape(), read(&split)), (&[2, 3, 2, 2][..], read(&view())));
        assert_eq!(read(&view().slice(0, 2..2).unwrap()), [0i64; 0]);
    }

    #[test]
    fn whole_tensors_are_not_copied() {
        let x = numbered(&[2, 3]);
        assert!(matches!(View::from(&x).numbers().unwrap(), Cow::Borrowed(_)));
        let back = View::from(&x).swap(0, 1).unwrap().swap(0, 1).unwrap();
        assert!(matches!(back.numbers().unwrap(), Cow::Borrowed(_)));
        assert!(matches!(View::from(&x).swap(0, 1).unwrap().numbers().unwrap(), Cow::Owned(_)));
    }

    #[test]
    fn what_is_not_there_is_a_mistake() {
        let x = numbered(&[2, 3]);
        let view = || View::from(&x);
        for wrong in [view().slice(2, 0..1), view().slice(1, 2..4), view().select(0, 2), view().split(1, 2)] {
            assert_eq!(wrong.unwrap_err().exit_code(), 2);
        }
        assert!(view().swap(0, 2).is_err() && view().split(1, 0).is_err());
        assert!(view().select(0, usize::MAX).is_err());
        let empty = Tensor::new([0, 5, usize::MAX, 2], Vec::<i64>::new()).unwrap();
        let part = View::from(&empty).slice(1, 2..4).and_then(|view| view.slice(2, 7..usize::MAX)).unwrap();
        assert_eq!((part.offset(), part.to_tensor().unwrap().len()), (0, 0));
        let elsewhere = View::elsewhere(Element::BF16, [4, 2]).unwrap();
        assert_eq!(elsewhere.numbers().unwrap_err().exit_code(), 2);
        assert!(View::elsewhere(Element::BF16, [usize::MAX, 2]).is_err());
    }
}
