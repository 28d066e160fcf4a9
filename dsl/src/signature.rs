//! What a rule takes, keeps and returns: the typed outside of a rule, with no expression in it.
//!
//! `fn delta(mut s: State<K, V>, k: Vector<K>, beta: Scalar) -> Vector<V>` has dims `[K, V]`, one state of shape `K x V`,
//! two params and one output `o`. Tensor layouts follow from it (design: rule language):
//!
//! | declaration | tensor |
//! |---|---|
//! | `State<K, V>` | `[N, HV, K, V]` |
//! | `State<K>` | `[N, HV, K]` |
//! | `Vector<D>`, `Scalar` | `[B, T, H, D]`, `[B, T, H]` |
//! | `[Vector<D>; N]`, `[Scalar; N]` | `[B, T, N, H, D]`, `[B, T, N, H]` |
//! | `PerHead<Vector<D>>`, `PerHead<Scalar>` | `[H, D]`, `[H]` |

use crate::graph::{Dim, ParamId, Shape, StateId};
use std::ops::RangeInclusive;

/// The typed outside of a rule.
#[derive(Clone, Debug, Default)]
pub struct Signature {
    /// The function's name.
    pub name: String,
    /// The doc comment, without comment markers.
    pub docs: String,
    /// Dim names in order of first appearance; [`Dim`] indexes them.
    pub dims: Vec<String>,
    /// The inputs, states left out.
    pub params: Vec<Param>,
    /// The states, in order.
    pub states: Vec<State>,
    /// The outputs: `o`, or `o0, o1, ..` where there are several.
    pub outputs: Vec<Output>,
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The parameter's name, which is its tensor's name.
    pub name: String,
    /// `Scalar` or `Vector`: the shape of one element.
    pub shape: Shape,
    /// `Some(n)` for `[Vector<D>; n]` and `[Scalar; n]`.
    pub count: Option<u32>,
    /// Whether it is constant in time (`PerHead`).
    pub per_head: bool,
    /// The values that `#[range(lo..=hi)]` promises.
    pub range: Option<RangeInclusive<f64>>,
}

/// One state: `Matrix(K, V)` or `Vector(K)`.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The parameter's name: its final value's tensor; the initial value's is this name and `0`.
    pub name: String,
    /// `Matrix` or `Vector`.
    pub shape: Shape,
}

/// One output.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// `o`, or `o0, o1, ..`.
    pub name: String,
    /// `Scalar` or `Vector`.
    pub shape: Shape,
}

impl Signature {
    /// The name of a dim.
    pub fn dim(&self, d: Dim) -> &str {
        &self.dims[d.index()]
    }

    /// A parameter.
    pub fn param(&self, p: ParamId) -> &Param {
        &self.params[p.index()]
    }

    /// A state.
    pub fn state(&self, s: StateId) -> &State {
        &self.states[s.index()]
    }

    /// All state ids.
    pub fn state_ids(&self) -> impl Iterator<Item = StateId> + use<> {
        (0..self.states.len() as u32).map(StateId)
    }

    /// The shape as a user writes it: `Scalar`, `Vector<K>`, `State<K, V>`.
    pub fn describe(&self, shape: Shape) -> String {
        match shape {
            Shape::Scalar => "Scalar".into(),
            Shape::Vector(d) => format!("Vector<{}>", self.dim(d)),
            Shape::Matrix(k, v) => format!("State<{}, {}>", self.dim(k), self.dim(v)),
        }
    }
}
