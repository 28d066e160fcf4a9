//! Which types a run computes in, reads as and returns (design, section 6).
//!
//! | `Options::dtype` | token vectors other than decays, outputs | everything else | computes in |
//! |---|---|---|---|
//! | `F64` | f64 | f64 | f64 |
//! | `F32` | f32 | f32 | f32 |
//! | `F16`, `BF16` | that type | f32 | f32 |
//! | `None`, some input is f64 | f64 | f64 | f64 |
//! | `None` otherwise | the one type of the token vectors, or f32 where they differ | f32 | f32 |
//!
//! Inputs are rounded to their type before the run, and results to theirs after it; nothing is rounded in between.
//! A decay is a parameter that a decay factor of the timeline is made from; a rule without a timeline has none.

use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Element, Tensor};
use crate::validate::Problem;
use chunkwise_algebra::Real;
use chunkwise_dsl::graph::{Expr, Shape};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::timeline::{Event, Timeline};
use std::borrow::Cow;

/// The types of one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Precision {
    /// `F32` or `F64`.
    pub(crate) compute: Element,
    /// Token vectors other than decays, outputs, and their gradients and cotangents.
    pub(crate) tokens: Element,
}

/// Chooses the types. `vectors` is what [`token_vectors`] found.
pub(crate) fn precision(problem: &Problem<'_>, vectors: &[bool], options: &Options) -> Result<Precision> {
    let tokens = match options.dtype {
        Some(element) if element.is_float() => element,
        Some(element) => {
            return Err(Error::mistake(
                format!("a rule cannot run in {element}"),
                "choose dtype f64, f32, f16 or bf16",
            ));
        }
        None => natural(problem, vectors),
    };
    Ok(Precision { compute: if tokens == Element::F64 { Element::F64 } else { Element::F32 }, tokens })
}

/// The type that loses nothing of the inputs.
fn natural(problem: &Problem<'_>, vectors: &[bool]) -> Element {
    let states = problem.initial.iter().flatten();
    if problem.params.iter().chain(states).any(|t| t.element() == Element::F64) {
        return Element::F64;
    }
    let mut types = problem.params.iter().zip(vectors).filter(|(_, v)| **v).map(|(t, _)| t.element());
    match types.next() {
        Some(first) if types.all(|t| t == first) => first,
        _ => Element::F32,
    }
}

/// Which parameters are token vectors other than decays, by `ParamId`.
pub(crate) fn token_vectors(rule: &Rule) -> Vec<bool> {
    let decays = rule.timeline.as_ref().map(decays).unwrap_or_default();
    let is_vector = |s| matches!(s, Shape::Vector(_));
    let params = rule.signature.params.iter().enumerate();
    params.map(|(i, p)| is_vector(p.shape) && !p.per_head && !decays.get(i).is_some_and(|d| *d)).collect()
}

/// Which parameters a decay factor is made from, by `ParamId`.
fn decays(timeline: &Timeline) -> Vec<bool> {
    let factors = timeline.events.iter().filter_map(|e| match e {
        Event::Decay { factor, .. } => Some(factor.value()),
        _ => None,
    });
    let live = timeline.graph.reachable(factors);
    let mut decays = vec![false; timeline.signature.params.len()];
    for v in timeline.graph.values().filter(|v| live[v.index()]) {
        if let Expr::Param(p, _) = timeline.graph.expr(v) {
            decays[p.index()] = true;
        }
    }
    decays
}

/// `f32` or `f64`, with the way from and to tensors.
pub(crate) trait Computed: Real {
    /// A tensor's numbers in this type, rounded to `element` on the way; borrowed where nothing changes.
    fn read(tensor: &Tensor, element: Element) -> Result<Cow<'_, [Self]>>;
    /// A tensor of `element` from numbers of this type.
    fn tensor(shape: Vec<usize>, data: Vec<Self>, element: Element) -> Result<Tensor>;
}

/// The two implementations differ in names alone.
macro_rules! computed {
    ($real:ty, $element:ident, $numbers:ident) => {
        impl Computed for $real {
            fn read(tensor: &Tensor, element: Element) -> Result<Cow<'_, [Self]>> {
                // Through a narrower type only: f64 to f32 to f32 would be the same, but a copy more.
                if element == Element::$element || tensor.element() == element {
                    return Ok(tensor.$numbers());
                }
                Ok(Cow::Owned(tensor.cast(element)?.$numbers().into_owned()))
            }

            fn tensor(shape: Vec<usize>, data: Vec<Self>, element: Element) -> Result<Tensor> {
                let tensor = Tensor::new(shape, data)?;
                if tensor.element() == element { Ok(tensor) } else { tensor.cast(element) }
            }
        }
    };
}
computed!(f32, F32, to_f32);
computed!(f64, F64, to_f64);
