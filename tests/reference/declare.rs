//! Short constructors for [`Problem`]s, so that a case file shows its recurrence and little else.

use crate::maths::{Matrix, Vector, zip};
use crate::problem::{Field, Fill, Kind, Problem, Token};
use crate::tape::Num;

/// Ready-made distributions.
pub(crate) const NORMAL: Fill = Fill::Normal;
/// Rows of length 1.
pub(crate) const UNIT: Fill = Fill::Unit;

/// Uniform between the two.
pub(crate) fn within(low: f64, high: f64) -> Fill {
    Fill::Uniform(low, high)
}

/// Uniform between the two, but every fifth number is `special`.
pub(crate) fn sometimes(special: f64, low: f64, high: f64) -> Fill {
    Fill::Sometimes(low, high, special)
}

/// `-10^x` with x uniform between the two.
pub(crate) fn sinks(low: f64, high: f64) -> Fill {
    Fill::Sinks(low, high)
}

/// `10^x` of either sign, with x uniform between the two.
pub(crate) fn powers(low: f64, high: f64) -> Fill {
    Fill::Powers(low, high)
}

fn field(name: &str, kind: Kind, heads: usize, fill: Fill) -> Field {
    Field { name: name.into(), kind, heads, fill }
}

/// `name: Scalar` with so many heads.
pub(crate) fn scalar(name: &str, heads: usize, fill: Fill) -> Field {
    field(name, Kind::Scalar, heads, fill)
}

/// `name: Vector<dim>`
pub(crate) fn vector(name: &str, dim: &str, heads: usize, fill: Fill) -> Field {
    field(name, Kind::Vector(dim.into()), heads, fill)
}

/// `name: [Scalar; count]`
pub(crate) fn scalars(name: &str, count: usize, heads: usize, fill: Fill) -> Field {
    field(name, Kind::Scalars(count), heads, fill)
}

/// `name: [Vector<dim>; count]`
pub(crate) fn vectors(name: &str, count: usize, dim: &str, heads: usize, fill: Fill) -> Field {
    field(name, Kind::Vectors(count, dim.into()), heads, fill)
}

/// `name: PerHead<Scalar>`
pub(crate) fn head_scalar(name: &str, heads: usize, fill: Fill) -> Field {
    field(name, Kind::PerHeadScalar, heads, fill)
}

/// `name: PerHead<Vector<dim>>`
pub(crate) fn head_vector(name: &str, dim: &str, heads: usize, fill: Fill) -> Field {
    field(name, Kind::PerHeadVector(dim.into()), heads, fill)
}

/// Queries, keys and values as most rules have them: two heads, keys of length 1.
pub(crate) fn attention() -> Vec<Field> {
    vec![vector("q", "K", 2, NORMAL), vector("k", "K", 2, UNIT), vector("v", "V", 2, NORMAL)]
}

/// A problem with K = 5, V = 3, D = 4. States by name and dims, outputs by dims.
pub(crate) fn problem(
    (name, text): (&str, &str),
    states: &[(&str, &[&str])],
    outputs: &[&[&str]],
    fields: impl IntoIterator<Item = Field>,
    step: impl Fn(&Token, &mut [Matrix]) -> Vec<Vector> + 'static,
) -> Problem {
    let owned = |dims: &[&str]| -> Vec<String> { dims.iter().map(|d| d.to_string()).collect() };
    Problem {
        name: name.into(),
        text: text.into(),
        sizes: [("K", 5), ("V", 3), ("D", 4)].map(|(d, n)| (d.to_string(), n)).into(),
        fields: fields.into_iter().collect(),
        states: states.iter().map(|(name, dims)| (name.to_string(), owned(dims))).collect(),
        outputs: outputs.iter().map(|dims| owned(dims)).collect(),
        step: Box::new(step),
    }
}

/// Single numbers of a token.
impl Token<'_> {
    /// A `Scalar` or `PerHead<Scalar>`.
    pub(crate) fn scalar(&self, name: &str) -> Num {
        self.vector(name)[0]
    }

    /// Element `index` of a `[Scalar; N]`.
    pub(crate) fn scalar_item(&self, name: &str, index: usize) -> Num {
        self.item(name, index)[0]
    }
}

/// `x + y`
pub(crate) fn add(x: &[Num], y: &[Num]) -> Vector {
    zip(x, y, |x, y| x + y)
}

/// `x - y`
pub(crate) fn sub(x: &[Num], y: &[Num]) -> Vector {
    zip(x, y, |x, y| x - y)
}

/// The name and the text of `rules/<name>.rs`.
macro_rules! rule_file {
    ($name:literal) => {
        ($name, include_str!(concat!("rules/", $name, ".rs")))
    };
}
pub(crate) use rule_file;
