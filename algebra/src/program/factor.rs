//! Takes scalar factors out of vectors: `beta * l2norm(k)` is `beta / |k|` times `k`.
//!
//! What is left of a key is a direction, and reads and writes on one direction share it. The factors go to coefficients,
//! which stay in full precision; a direction that is an input as it lies in memory needs no rounding as an operand.

use crate::eval::NORM_EPSILON;
use chunkwise_dsl::graph::{Binary, Expr, Graph, Shape, Unary, Value};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Workspace, evaluate};
    use chunkwise_dsl::parse_file;

    const RULE: &str = "#[rule]
        fn products(mut z: State<K>, k: Vector<K>, w: Vector<K>, b: Scalar, c: Scalar)
            -> (Vector<K>, Vector<K>, Vector<K>, Vector<K>, Vector<K>, Vector<K>, Vector<K>, Scalar) {
            z += k;
            (b * l2norm(k), -(k / c), b * k * w * c, l2norm(l2norm(k) * b) * l2norm(w), k + b * w, tanh(b * k),
             -(c * (w * -b)), b * c)
        }";

    /// Numbers between 1/2 and 3/2, none like another.
    fn number(seed: usize) -> f64 {
        0.5 + (seed as f64 * 0.618_033_988_75).fract()
    }

    #[test]
    fn factors_are_exact() {
        let rule = parse_file(RULE).expect("the rule is legal").swap_remove(0);
        let mut graph = rule.timeline.expect("the rule has a timeline").graph;
        let outputs = rule.body.outputs.len();
        let values: Vec<Value> = graph.values().collect();
        let factored: Vec<_> = values.iter().map(|&v| (v, factor(&mut graph, v))).collect();
        let all: Vec<Value> = graph.values().collect();
        let mut ws = Workspace::new(&graph, &[5], 1, all.iter().copied());
        evaluate(&graph, &[5], &mut ws, &all, 0..1, |_, e, _, out| {
            let seed = match e {
                Expr::Param(p, _) => p.index(),
                _ => 100,
            };
            out.iter_mut().enumerate().for_each(|(i, x)| *x = number(31 * seed + 7 * i + 1));
        });
        let mut moved = 0;
        for (v, (s, rest)) in factored {
            assert_eq!(graph.shape(s), Shape::Scalar);
            assert_eq!(graph.shape(rest), graph.shape(v));
            moved += usize::from(graph.shape(v) != Shape::Scalar && graph.literal(s) != Some(1.0));
            let scale = ws.row(s, 0)[0];
            for (x, y) in ws.row(v, 0).iter().zip(ws.row(rest, 0)) {
                assert!(
                    (x - scale * y).abs() < 1e-14 * x.abs(),
                    "{:?}: {x} is not {scale} * {y}",
                    graph.expr(v)
                );
            }
        }
        assert!(moved >= outputs - 3, "{moved} values of {outputs} outputs have a factor");
    }
}
