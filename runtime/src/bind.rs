//! Tensors by name: what goes into a rule ([`Bindings`], borrowed) and what comes out ([`Tensors`], owned).
//!
//! ```
//! use chunkwise_runtime::{Bindings, Tensor};
//! let q = Tensor::new([1, 1, 1, 2], vec![1f32, 0.0])?;
//! let s0 = Tensor::new([1, 1, 2, 2], vec![0f32; 4])?;
//! let inputs = Bindings::new().with("q", &q).with("s0", &s0);
//! assert_eq!(inputs.get("q").map(|q| q.shape()), Some(q.shape()));
//! # Ok::<(), chunkwise_runtime::Error>(())
//! ```
//!
//! A tensor may be a part of another, or lie in another order: a [`View`].
//!
//! Names (design, section 6): parameters by their name, the initial state of `s` is `s0`, `cu_seqlens`; backward takes
//! the cotangents `do` (`do0`, `do1`, ..) and `ds`. Out come `o` (or `o0`, `o1`, ..), `s`, and backward `dq`, .., `ds0`.

use crate::tensor::Tensor;
use crate::view::View;
use std::borrow::Cow;
use std::ops::Index;

/// Borrowed tensors by name, in the order given. Whether a rule wants them is checked when it runs.
#[derive(Clone, Debug, Default)]
pub struct Bindings<'a> {
    entries: Vec<(Cow<'a, str>, View<'a>)>,
}

impl<'a> Bindings<'a> {
    /// No tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// These and one more: a parameter, an initial state (`s0`), `cu_seqlens`, or a cotangent (`do`, `ds`).
    /// A name given twice is a mistake that the run reports.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'a, str>>, tensor: impl Into<View<'a>>) -> Self {
        self.entries.push((name.into(), tensor.into()));
        self
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&View<'a>> {
        self.entries.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }

    /// All names and tensors, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &View<'a>)> {
        self.entries.iter().map(|(n, t)| (n.as_ref(), t))
    }
}

/// What can be handed to a rule: [`Bindings`], [`Tensors`] by reference, and the `Inputs` that `#[rule]` makes.
pub trait Bind<'a> {
    /// The tensors by name.
    fn bind(&self) -> Bindings<'a>;

    /// These and one more, such as `s0`, `cu_seqlens` or `do`.
    fn with(&self, name: &'a str, tensor: impl Into<View<'a>>) -> Bindings<'a>
    where
        Self: Sized,
    {
        self.bind().with(name, tensor)
    }
}

impl<'a> Bind<'a> for Bindings<'a> {
    fn bind(&self) -> Bindings<'a> {
        self.clone()
    }
}

impl<'a> Bind<'a> for &'a Tensors {
    fn bind(&self) -> Bindings<'a> {
        Bindings { entries: self.iter().map(|(n, t)| (Cow::Borrowed(n), t.into())).collect() }
    }
}

impl<'a, B: Bind<'a>> Bind<'a> for &B {
    fn bind(&self) -> Bindings<'a> {
        (**self).bind()
    }
}

/// Owned tensors by name, in the order inserted: outputs, then states, then gradients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    entries: Vec<(String, Tensor)>,
}

impl Tensors {
    /// No tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor, or replaces the one of that name in its place and returns it.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) -> Option<Tensor> {
        let name = name.into();
        match self.entries.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => Some(std::mem::replace(old, tensor)),
            None => {
                self.entries.push((name, tensor));
                None
            }
        }
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.iter().find(|(n, _)| *n == name).map(|(_, t)| t)
    }

    /// Takes the tensor of a name out.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        let at = self.entries.iter().position(|(n, _)| n == name)?;
        Some(self.entries.remove(at).1)
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All names and tensors, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(n, t)| (n.as_str(), t))
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(n, _)| n)
    }
}

impl Index<&str> for Tensors {
    type Output = Tensor;

    /// The tensor of a name.
    ///
    /// # Panics
    /// Where there is none, like every map; [`Tensors::get`] does not.
    fn index(&self, name: &str) -> &Tensor {
        match self.get(name) {
            Some(tensor) => tensor,
            None => panic!("no tensor `{name}`; there are: {}", self.names().collect::<Vec<_>>().join(", ")),
        }
    }
}

impl IntoIterator for Tensors {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<(String, Tensor)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<S: Into<String>> FromIterator<(S, Tensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (S, Tensor)>>(iter: I) -> Self {
        let mut tensors = Tensors::new();
        for (name, tensor) in iter {
            tensors.insert(name, tensor);
        }
        tensors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(x: f32) -> Tensor {
        Tensor::new([1], vec![x]).unwrap()
    }

    #[test]
    fn tensors_keep_their_order() {
        let mut t: Tensors = [("o", one(1.0)), ("s", one(2.0))].into_iter().collect();
        assert_eq!(t.insert("o", one(3.0)), Some(one(1.0)));
        assert_eq!(t.names().collect::<Vec<_>>(), ["o", "s"]);
        assert_eq!(t["o"], one(3.0));
        assert_eq!(t.remove("o"), Some(one(3.0)));
        assert_eq!(t.len(), 1);
    }

    #[test]
    fn owned_tensors_bind_by_reference() {
        fn names<'a>(b: impl Bind<'a>) -> Vec<String> {
            b.bind().iter().map(|(n, _)| n.to_string()).collect()
        }
        let t: Tensors = [("q", one(1.0))].into_iter().collect();
        let x = one(2.0);
        assert_eq!(names(&t), ["q"]);
        assert_eq!(names((&t).with("s0", &x)), ["q", "s0"]);
        let more = (&t).with("s0", &x);
        assert_eq!(names(&more), names(more.clone()));
    }
}
