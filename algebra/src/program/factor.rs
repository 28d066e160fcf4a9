//! Takes scalar factors out of vectors: `beta * l2norm(k)` is `beta / |k|` times `k`.
//!
//! What is left of a key is a direction, and reads and writes on one direction share it. The factors go to coefficients,
//! which stay in full precision; a direction that is an input as it lies in memory needs no rounding as an operand.

use chunkwise_dsl::graph::{Binary, Expr, Graph, Shape, Unary, Value};

/// The number under the root in `l2norm(x) = x / sqrt(sum(x^2) + 1e-6)`.
const NORM_EPSILON: f64 = 1e-6;

/// `v` as `(scalar, rest)` with `v = scalar * rest` in exact arithmetic; the rest has the shape of `v`.
pub(super) fn factor(g: &mut Graph, v: Value) -> (Value, Value) {
    let shape = g.shape(v);
    let one = g.constant(1.0);
    if shape == Shape::Scalar {
        return (v, one);
    }
    match g.expr(v) {
        Expr::Unary(Unary::Neg, x) => {
            let (s, rest) = factor(g, x);
            (g.unary(Unary::Neg, s), rest)
        }
        Expr::Binary(op @ (Binary::Mul | Binary::Div), x, y) if g.shape(y) == Shape::Scalar => {
            let (s, rest) = factor(g, x);
            (scalar(g, op, s, y), rest)
        }
        Expr::Binary(Binary::Mul, x, y) if g.shape(x) == Shape::Scalar => {
            let (s, rest) = factor(g, y);
            (scalar(g, Binary::Mul, x, s), rest)
        }
        Expr::Binary(Binary::Mul, x, y) => {
            let ((s, x_rest), (r, y_rest)) = (factor(g, x), factor(g, y));
            match g.binary(Binary::Mul, x_rest, y_rest) {
                Some(rest) if (x_rest, y_rest) != (x, y) => (scalar(g, Binary::Mul, s, r), rest),
                _ => (one, v),
            }
        }
        Expr::Spread(x) => (x, g.spread(one, shape)),
        Expr::L2norm(x) => {
            let (s, rest) = factor(g, x);
            let squares = g.unary(Unary::Square, x);
            let sum = g.sum(squares, Shape::Scalar);
            let epsilon = g.constant(NORM_EPSILON);
            let length = scalar(g, Binary::Add, sum, epsilon);
            let inverse = g.unary(Unary::Rsqrt, length);
            (scalar(g, Binary::Mul, s, inverse), rest)
        }
        _ => (one, v),
    }
}

/// An operation on two scalars, which always broadcast.
pub(super) fn scalar(g: &mut Graph, op: Binary, x: Value, y: Value) -> Value {
    g.binary(op, x, y).unwrap_or(x)
}
