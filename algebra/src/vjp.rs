//! Reverse differentiation of a graph, symbolically: one table of local rules, used by the token loop and by the adjoint.
//!
//! ```text
//! z = beta * k      dbeta += contract(dz, k -> scalar)      dk += contract(dz, beta -> K)
//! z = s.read(b)     ds += contract(dz, b -> K x V)          db += contract(dz, s -> K)
//! ```
//!
//! Because a product is an einsum over named dims, the adjoint of a product is again one, whatever the shapes: the cotangent
//! times the other operand, summed to the operand's dims.

use chunkwise_dsl::graph::{Binary, Expr, Graph, Shape, Unary, Value};
use std::collections::BTreeMap;

/// Cotangents of values, added up.
#[derive(Default)]
pub(crate) struct Cotangents(BTreeMap<Value, Value>);

impl Cotangents {
    /// Adds a contribution of the value's own shape.
    pub(crate) fn add(&mut self, g: &mut Graph, v: Value, dv: Value) {
        debug_assert_eq!(g.shape(v), g.shape(dv), "a cotangent has the shape of its value");
        let sum = match self.0.get(&v) {
            Some(&known) => g.binary(Binary::Add, known, dv).unwrap_or(known),
            None => dv,
        };
        self.0.insert(v, sum);
    }

    /// The cotangent of a value, if anything depends on it.
    pub(crate) fn get(&self, v: Value) -> Option<Value> {
        self.0.get(&v).copied()
    }
}

/// Pulls cotangents back from the seeds to the leaves. `alias` names the value that a leaf stands for (a state after
/// an update), to which its cotangent then goes.
pub(crate) fn pull(
    g: &mut Graph,
    seeds: impl IntoIterator<Item = (Value, Value)>,
    alias: impl Fn(Expr) -> Option<Value>,
) -> Cotangents {
    let mut cotangents = Cotangents::default();
    let primal: Vec<Value> = g.values().collect();
    for (v, dv) in seeds {
        cotangents.add(g, v, dv);
    }
    for &v in primal.iter().rev() {
        let Some(dz) = cotangents.get(v) else { continue };
        if let Some(target) = alias(g.expr(v)) {
            cotangents.add(g, target, dz);
        }
        for (x, dx) in local(g, v, dz) {
            cotangents.add(g, x, dx);
        }
    }
    cotangents
}

/// What a node's cotangent gives to each operand.
fn local(g: &mut Graph, z: Value, dz: Value) -> Vec<(Value, Value)> {
    match g.expr(z) {
        Expr::Unary(op, x) => match derivative(g, op, x, z) {
            Some(d) => vec![(x, mul(g, dz, d))],
            None => vec![],
        },
        Expr::Binary(op, x, y) => elementwise(g, op, (x, y), z, dz),
        Expr::Contract(x, y) => vec![(x, onto(g, dz, y, x)), (y, onto(g, dz, x, y))],
        Expr::Sum(x) => {
            let shape = g.shape(x);
            vec![(x, g.spread(dz, shape))]
        }
        Expr::Spread(x) => {
            let shape = g.shape(x);
            vec![(x, g.sum(dz, shape))]
        }
        Expr::Softmax(x) => {
            let inner = g.contract(dz, z, Shape::Scalar);
            let centred = sub(g, dz, inner);
            vec![(x, mul(g, z, centred))]
        }
        Expr::L2norm(x) => {
            let squares = g.contract(x, x, Shape::Scalar);
            let epsilon = g.constant(1e-6);
            let sum = add(g, squares, epsilon);
            let scale = g.unary(Unary::Rsqrt, sum);
            let along = g.contract(z, dz, Shape::Scalar);
            let parallel = mul(g, along, z);
            let across = sub(g, dz, parallel);
            vec![(x, mul(g, scale, across))]
        }
        _ => vec![],
    }
}

fn elementwise(
    g: &mut Graph,
    op: Binary,
    (x, y): (Value, Value),
    z: Value,
    dz: Value,
) -> Vec<(Value, Value)> {
    let one = g.constant(1.0);
    match op {
        Binary::Add => vec![(x, onto(g, dz, one, x)), (y, onto(g, dz, one, y))],
        Binary::Sub => {
            let dy = onto(g, dz, one, y);
            vec![(x, onto(g, dz, one, x)), (y, g.unary(Unary::Neg, dy))]
        }
        Binary::Mul => vec![(x, onto(g, dz, y, x)), (y, onto(g, dz, x, y))],
        Binary::Div => {
            let inverse = div(g, one, y);
            let ratio = div(g, z, y);
            let dy = onto(g, dz, ratio, y);
            vec![(x, onto(g, dz, inverse, x)), (y, g.unary(Unary::Neg, dy))]
        }
        Binary::Max | Binary::Min => {
            let (shape, swapped) = (g.shape(z), op == Binary::Min);
            let (a, b) = if swapped { (y, x) } else { (x, y) };
            let picks_x = g.push(Expr::Binary(Binary::Greater, a, b), shape);
            let picks_y = g.push(Expr::Binary(Binary::Greater, b, a), shape);
            vec![(x, onto(g, dz, picks_x, x)), (y, onto(g, dz, picks_y, y))]
        }
        Binary::Greater => vec![],
    }
}

/// The derivative of an elementwise function at `x`, whose value there is `z`; `None` is 0.
fn derivative(g: &mut Graph, op: Unary, x: Value, z: Value) -> Option<Value> {
    let one = g.constant(1.0);
    Some(match op {
        Unary::Neg => g.constant(-1.0),
        Unary::Exp => z,
        Unary::Log => div(g, one, x),
        Unary::Sigmoid => {
            let rest = sub(g, one, z);
            mul(g, z, rest)
        }
        Unary::LogSigmoid => {
            let minus = g.unary(Unary::Neg, x);
            g.unary(Unary::Sigmoid, minus)
        }
        Unary::Softplus => g.unary(Unary::Sigmoid, x),
        Unary::Silu => {
            let s = g.unary(Unary::Sigmoid, x);
            let rest = sub(g, one, s);
            let slope = mul(g, z, rest);
            add(g, s, slope)
        }
        Unary::Elu => {
            let zero = g.constant(0.0);
            let below = g.binary(Binary::Min, x, zero)?;
            g.unary(Unary::Exp, below)
        }
        Unary::Gelu => normal_slope(g, x),
        Unary::Relu => g.unary(Unary::Step, x),
        Unary::Tanh => {
            let square = g.unary(Unary::Square, z);
            sub(g, one, square)
        }
        Unary::Sqrt => {
            let half = g.constant(0.5);
            div(g, half, z)
        }
        Unary::Rsqrt => {
            let (minus_half, square) = (g.constant(-0.5), g.unary(Unary::Square, z));
            let cube = mul(g, square, z);
            mul(g, minus_half, cube)
        }
        Unary::Square => {
            let two = g.constant(2.0);
            mul(g, two, x)
        }
        Unary::Abs => g.unary(Unary::Sign, x),
        Unary::Erf => {
            let scale = g.constant(std::f64::consts::FRAC_2_SQRT_PI);
            let bell = bell(g, x, -1.0);
            mul(g, scale, bell)
        }
        Unary::Step | Unary::Sign => return None,
    })
}

/// `e^(c x^2)`.
fn bell(g: &mut Graph, x: Value, c: f64) -> Value {
    let (square, c) = (g.unary(Unary::Square, x), g.constant(c));
    let exponent = mul(g, c, square);
    g.unary(Unary::Exp, exponent)
}

/// The derivative of `x Phi(x)`: `Phi(x) + x phi(x)`.
fn normal_slope(g: &mut Graph, x: Value) -> Value {
    let (half, one) = (g.constant(0.5), g.constant(1.0));
    let scale = g.constant(std::f64::consts::FRAC_1_SQRT_2);
    let scaled = mul(g, x, scale);
    let erf = g.unary(Unary::Erf, scaled);
    let twice = add(g, one, erf);
    let below = mul(g, half, twice);
    let height = g.constant(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
    let bell = bell(g, x, -0.5);
    let density = mul(g, height, bell);
    let slope = mul(g, x, density);
    add(g, below, slope)
}

/// `dz` times `factor`, summed or spread to the shape of `target`.
fn onto(g: &mut Graph, dz: Value, factor: Value, target: Value) -> Value {
    let (a, b, full) = (g.shape(dz), g.shape(factor), g.shape(target));
    let mut kept = full.dims().filter(|&d| a.has(d) || b.has(d));
    let keep = match (kept.next(), kept.next()) {
        (None, _) => Shape::Scalar,
        (Some(d), None) => Shape::Vector(d),
        (Some(k), Some(v)) => Shape::Matrix(k, v),
    };
    let product = g.contract(dz, factor, keep);
    g.spread(product, full)
}

/// Elementwise operations of values whose shapes are known to broadcast.
fn apply(g: &mut Graph, op: Binary, x: Value, y: Value) -> Value {
    let shape = g.shape(x).broadcast(g.shape(y)).unwrap_or(g.shape(x));
    match g.binary(op, x, y) {
        Some(v) => v,
        None => g.push(Expr::Binary(op, x, y), shape),
    }
}

fn add(g: &mut Graph, x: Value, y: Value) -> Value {
    apply(g, Binary::Add, x, y)
}

fn sub(g: &mut Graph, x: Value, y: Value) -> Value {
    apply(g, Binary::Sub, x, y)
}

fn mul(g: &mut Graph, x: Value, y: Value) -> Value {
    apply(g, Binary::Mul, x, y)
}

fn div(g: &mut Graph, x: Value, y: Value) -> Value {
    apply(g, Binary::Div, x, y)
}
