//! Evaluates graph nodes into a workspace: one buffer a node, one row a token.
//!
//! The order is the caller's: a list of values, operands before users. So the same code evaluates the keys of a whole chunk
//! at once, one token's feedback inside a substitution, and a rule's body in the token loop.
//!
//! ```text
//! evaluate(graph, [k2, dot], rows 0..64, leaf)     for each node: for each row: one elementwise loop or einsum
//! ```

use crate::data::Real;
use chunkwise_dsl::graph::{Binary, Dim, Expr, Graph, Shape, Unary, Value};
use std::ops::Range;

/// Values of graph nodes: `rows` rows of `len(shape)` numbers each.
#[derive(Clone, Debug)]
pub struct Workspace<R> {
    buffers: Vec<Vec<R>>,
    lens: Vec<usize>,
}

impl<R: Real> Workspace<R> {
    /// Room for the listed values, `rows` rows each.
    pub fn new(graph: &Graph, sizes: &[usize], rows: usize, values: impl IntoIterator<Item = Value>) -> Self {
        let lens: Vec<usize> = graph.values().map(|v| len(graph.shape(v), sizes)).collect();
        let mut buffers = vec![Vec::new(); lens.len()];
        for v in values {
            buffers[v.index()] = vec![R::zero(); rows * lens[v.index()]];
        }
        Workspace { buffers, lens }
    }

    /// Row `t` of a value.
    pub fn row(&self, v: Value, t: usize) -> &[R] {
        let n = self.lens[v.index()];
        &self.buffers[v.index()][t * n..(t + 1) * n]
    }

    /// Row `t` of a value, to fill a leaf.
    pub fn row_mut(&mut self, v: Value, t: usize) -> &mut [R] {
        let n = self.lens[v.index()];
        &mut self.buffers[v.index()][t * n..(t + 1) * n]
    }
}

/// Number of elements of a shape.
pub fn len(shape: Shape, sizes: &[usize]) -> usize {
    shape.dims().map(|d| sizes[d.index()]).product()
}

/// Computes `values` (operands first) for the given rows. Leaves are asked of `leaf(expr, row, out)`, which may also read
/// what is computed already; it is not asked for literals and dim sizes.
pub fn evaluate<R: Real>(
    graph: &Graph,
    sizes: &[usize],
    ws: &mut Workspace<R>,
    values: &[Value],
    rows: Range<usize>,
    mut leaf: impl FnMut(&[Vec<R>], Expr, usize, &mut [R]),
) {
    for &v in values {
        let (done, rest) = ws.buffers.split_at_mut(v.index());
        let out_len = ws.lens[v.index()];
        for t in rows.clone() {
            let out = &mut rest[0][t * out_len..(t + 1) * out_len];
            let operand = |x: Value| {
                let n = ws.lens[x.index()];
                (&done[x.index()][t * n..(t + 1) * n], graph.shape(x))
            };
            let shape = graph.shape(v);
            match graph.expr(v) {
                Expr::Const(c) => out[0] = R::of(c.0),
                Expr::Size(d) => out[0] = R::of(sizes[d.index()] as f64),
                Expr::Unary(op, x) => {
                    let x = operand(x).0;
                    out.iter_mut().zip(x).for_each(|(o, &x)| *o = unary(op, x));
                }
                Expr::Binary(op, x, y) => elementwise(op, operand(x), operand(y), (out, shape), sizes),
                Expr::Contract(x, y) => contract(operand(x), operand(y), (out, shape), sizes),
                Expr::Sum(x) => contract(operand(x), (&[R::one()], Shape::Scalar), (out, shape), sizes),
                Expr::Spread(x) => {
                    elementwise(Binary::Mul, operand(x), (&[R::one()], Shape::Scalar), (out, shape), sizes);
                }
                Expr::Softmax(x) => softmax(operand(x).0, out),
                Expr::L2norm(x) => l2norm(operand(x).0, out),
                e => leaf(done, e, t, out),
            }
        }
    }
}

/// A function of one number.
pub fn unary<R: Real>(op: Unary, x: R) -> R {
    let (one, zero) = (R::one(), R::zero());
    let sigmoid = |x: R| one / (one + (-x).exp());
    let softplus = |x: R| if x.is_nan() { x } else { x.max(zero) + (-x.abs()).exp().ln_1p() };
    match op {
        Unary::Neg => -x,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sigmoid => sigmoid(x),
        Unary::LogSigmoid => -softplus(-x),
        Unary::Softplus => softplus(x),
        Unary::Silu => x * sigmoid(x),
        Unary::Elu if x > zero => x,
        Unary::Elu => x.exp_m1(),
        Unary::Gelu => R::of(0.5) * x * (one + (x * R::of(std::f64::consts::FRAC_1_SQRT_2)).erf()),
        Unary::Relu if x.is_nan() => x,
        Unary::Relu => x.max(zero),
        Unary::Tanh => x.tanh(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => one / x.sqrt(),
        Unary::Square => x * x,
        Unary::Abs => x.abs(),
        Unary::Erf => x.erf(),
        Unary::Step if x.is_nan() => x,
        Unary::Step => {
            if x > zero {
                one
            } else {
                zero
            }
        }
        Unary::Sign if x == zero || x.is_nan() => x,
        Unary::Sign => x.signum(),
    }
}

/// A function of two numbers; `max` and `min` pass a NaN on.
pub fn binary<R: Real>(op: Binary, x: R, y: R) -> R {
    match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Max | Binary::Min if x.is_nan() || y.is_nan() => x + y,
        Binary::Max => x.max(y),
        Binary::Min => x.min(y),
        Binary::Greater if x == y => R::of(0.5),
        Binary::Greater => R::of(if x > y { 1.0 } else { 0.0 }),
    }
}

/// The strides of an operand along two loop dims: 0 along a dim that it does not have.
fn strides(shape: Shape, dims: [Option<Dim>; 2], sizes: &[usize]) -> [usize; 2] {
    dims.map(|d| match (d, shape) {
        (Some(d), Shape::Vector(a)) if a == d => 1,
        (Some(d), Shape::Matrix(_, b)) if b == d => 1,
        (Some(d), Shape::Matrix(a, b)) if a == d => sizes[b.index()],
        _ => 0,
    })
}

/// The two loop dims of an operation, those of its matrix in storage order; one dim alone is the inner one.
fn loop_dims(shapes: [Shape; 3]) -> [Option<Dim>; 2] {
    let matrix = shapes.iter().find(|s| s.is_matrix());
    let mut dims = [None; 2];
    let all = matrix.into_iter().chain(&shapes).flat_map(|s| s.dims());
    for d in all {
        if dims.contains(&Some(d)) {
            continue;
        }
        if let Some(free) = dims.iter_mut().find(|x| x.is_none()) {
            *free = Some(d);
        }
    }
    if dims[1].is_none() { [None, dims[0]] } else { dims }
}

fn extents(dims: [Option<Dim>; 2], sizes: &[usize]) -> [usize; 2] {
    dims.map(|d| d.map_or(1, |d| sizes[d.index()]))
}

type Operand<'a, R> = (&'a [R], Shape);

/// One operand along the inner loop: contiguous numbers, or the same one again.
#[derive(Clone, Copy)]
enum Lane<'a, R> {
    Each(&'a [R]),
    One(R),
}

/// An operation as two nested loops over at most two dims, the inner one contiguous or constant in every operand.
struct Loops {
    outer: usize,
    inner: usize,
    /// Strides of both operands and of the result.
    strides: [[usize; 2]; 3],
}

impl Loops {
    fn new(x: Shape, y: Shape, out: Shape, sizes: &[usize]) -> Self {
        let dims = loop_dims([out, x, y]);
        let [outer, inner] = extents(dims, sizes);
        Loops { outer, inner, strides: [x, y, out].map(|shape| strides(shape, dims, sizes)) }
    }

    fn lane<'a, R: Real>(&self, operand: usize, data: &'a [R], i: usize) -> Lane<'a, R> {
        let [outer, inner] = self.strides[operand];
        debug_assert!(inner <= 1, "matrices of one node have one storage order (dsl::verify)");
        match inner {
            0 => Lane::One(data[i * outer]),
            _ => Lane::Each(&data[i * outer..i * outer + self.inner]),
        }
    }
}

/// Calls `f(n, x, y)` for each element of two lanes.
fn zip<R: Real>(x: Lane<R>, y: Lane<R>, len: usize, mut f: impl FnMut(usize, R, R)) {
    match (x, y) {
        (Lane::Each(x), Lane::Each(y)) => x.iter().zip(y).enumerate().for_each(|(n, (&x, &y))| f(n, x, y)),
        (Lane::Each(x), Lane::One(y)) => x.iter().enumerate().for_each(|(n, &x)| f(n, x, y)),
        (Lane::One(x), Lane::Each(y)) => y.iter().enumerate().for_each(|(n, &y)| f(n, x, y)),
        (Lane::One(x), Lane::One(y)) => (0..len).for_each(|n| f(n, x, y)),
    }
}

fn elementwise<R: Real>(op: Binary, x: Operand<R>, y: Operand<R>, out: (&mut [R], Shape), sizes: &[usize]) {
    let loops = Loops::new(x.1, y.1, out.1, sizes);
    for i in 0..loops.outer {
        let start = i * loops.strides[2][0];
        let to = &mut out.0[start..start + loops.inner];
        let (x, y) = (loops.lane(0, x.0, i), loops.lane(1, y.0, i));
        match op {
            Binary::Add => zip(x, y, loops.inner, |n, x, y| to[n] = x + y),
            Binary::Sub => zip(x, y, loops.inner, |n, x, y| to[n] = x - y),
            Binary::Mul => zip(x, y, loops.inner, |n, x, y| to[n] = x * y),
            op => zip(x, y, loops.inner, |n, x, y| to[n] = binary(op, x, y)),
        }
    }
}

fn contract<R: Real>(x: Operand<R>, y: Operand<R>, out: (&mut [R], Shape), sizes: &[usize]) {
    let loops = Loops::new(x.1, y.1, out.1, sizes);
    out.0.fill(R::zero());
    for i in 0..loops.outer {
        let (x, y) = (loops.lane(0, x.0, i), loops.lane(1, y.0, i));
        let start = i * loops.strides[2][0];
        if loops.strides[2][1] == 0 {
            let mut sum = R::zero();
            zip(x, y, loops.inner, |_, x, y| sum += x * y);
            out.0[start] += sum;
        } else {
            let to = &mut out.0[start..start + loops.inner];
            zip(x, y, loops.inner, |n, x, y| to[n] += x * y);
        }
    }
}

fn softmax<R: Real>(x: &[R], out: &mut [R]) {
    let top = x.iter().copied().fold(R::neg_infinity(), |a, b| binary(Binary::Max, a, b));
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = (x - top).exp());
    let sum = out.iter().copied().fold(R::zero(), |a, b| a + b);
    out.iter_mut().for_each(|o| *o = *o / sum);
}

/// The number under the root in `l2norm(x) = x / sqrt(sum(x^2) + 1e-6)`.
pub const NORM_EPSILON: f64 = 1e-6;

fn l2norm<R: Real>(x: &[R], out: &mut [R]) {
    let sum = x.iter().fold(R::zero(), |a, &x| a + x * x);
    let scale = R::one() / (sum + R::of(NORM_EPSILON)).sqrt();
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = x * scale);
}
