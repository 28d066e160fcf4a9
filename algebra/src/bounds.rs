//! Between which numbers a value lies, from its form and from the ranges that the user declared.
//!
//! ```text
//! #[range(-5.0..=0.0)] g             exp(g)         [e^-5, 1]
//! sigmoid(x)                         [0, 1]
//! 15 * tanh(x / 15)                  [-15, 15]
//! dot(l2norm(k), l2norm(q))          [-1, 1]
//! ```
//!
//! Interval arithmetic, without regard to rounding: bounds choose between ways to compute the same, with room to spare. A value
//! that is not finite lies in no interval; what follows then is the user's own.

use chunkwise_dsl::graph::{Binary, Expr, Graph, Unary, Value};
use chunkwise_dsl::signature::Signature;

/// The least and the greatest that a value may be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bounds {
    /// At least.
    pub least: f64,
    /// At most.
    pub most: f64,
}

impl Bounds {
    /// The bounds of a product, or of a square.
    pub fn times(self, other: Bounds, same: bool) -> Bounds {
        binary(Binary::Mul, self, other, same)
    }

    /// The bounds of a quotient.
    pub fn over(self, other: Bounds) -> Bounds {
        binary(Binary::Div, self, other, false)
    }

    /// Whether every such value lies between the two.
    pub fn within(self, least: f64, most: f64) -> bool {
        self.least >= least && self.most <= most
    }
}

const ANY: Bounds = Bounds { least: f64::NEG_INFINITY, most: f64::INFINITY };

/// The bounds of a value.
pub fn bounds(g: &Graph, signature: &Signature, v: Value) -> Bounds {
    let of = |v: Value| bounds(g, signature, v);
    match g.expr(v) {
        Expr::Const(number) => Bounds { least: number.0, most: number.0 },
        Expr::Size(_) => Bounds { least: 1.0, most: f64::INFINITY },
        Expr::Param(param, _) => match &signature.param(param).range {
            Some(range) => Bounds { least: *range.start(), most: *range.end() },
            None => ANY,
        },
        Expr::Unary(op, x) => unary(op, of(x)),
        Expr::Binary(op, x, y) => binary(op, of(x), of(y), x == y),
        Expr::Softmax(_) => Bounds { least: 0.0, most: 1.0 },
        Expr::L2norm(_) => Bounds { least: -1.0, most: 1.0 },
        Expr::Spread(x) => of(x),
        Expr::Sum(x) => match g.expr(x) {
            Expr::Unary(Unary::Square, x) => inner(g, (x, x), sum(of(x).times(of(x), true))),
            _ => sum(of(x)),
        },
        Expr::Contract(x, y) => inner(g, (x, y), sum(of(x).times(of(y), x == y))),
        _ => ANY,
    }
}

/// What an inner product of two vectors may be, of which more is known where neither is longer than 1.
fn inner(g: &Graph, (x, y): (Value, Value), any: Bounds) -> Bounds {
    let short = |v: Value| matches!(g.expr(v), Expr::Softmax(_) | Expr::L2norm(_));
    match short(x) && short(y) {
        true => Bounds { least: any.least.max(-1.0), most: any.most.min(1.0) },
        false => any,
    }
}

/// The sum of any number of values.
fn sum(x: Bounds) -> Bounds {
    let least = if x.least >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
    let most = if x.most <= 0.0 { 0.0 } else { f64::INFINITY };
    Bounds { least, most }
}

fn unary(op: Unary, x: Bounds) -> Bounds {
    let rising = |f: fn(f64) -> f64| Bounds { least: f(x.least), most: f(x.most) };
    let size = x.least.abs().max(x.most.abs());
    let nearest = if x.least <= 0.0 && x.most >= 0.0 { 0.0 } else { x.least.abs().min(x.most.abs()) };
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    match op {
        Unary::Neg => Bounds { least: -x.most, most: -x.least },
        Unary::Exp => rising(f64::exp),
        Unary::Log => Bounds { least: x.least.max(0.0).ln(), most: x.most.max(0.0).ln() },
        Unary::Sigmoid => rising(|x| 1.0 / (1.0 + (-x).exp())),
        Unary::LogSigmoid => Bounds { least: -softplus(-x.least), most: -softplus(-x.most) },
        Unary::Softplus => Bounds { least: softplus(x.least), most: softplus(x.most) },
        Unary::Relu => rising(|x| x.max(0.0)),
        Unary::Tanh => rising(f64::tanh),
        Unary::Sqrt => rising(|x| x.max(0.0).sqrt()),
        Unary::Rsqrt => {
            Bounds { least: x.most.max(0.0).sqrt().recip(), most: x.least.max(0.0).sqrt().recip() }
        }
        Unary::Square => Bounds { least: nearest * nearest, most: size * size },
        Unary::Abs => Bounds { least: nearest, most: size },
        Unary::Elu => rising(|x| if x > 0.0 { x } else { x.exp_m1() }),
        Unary::Step => Bounds { least: 0.0, most: 1.0 },
        Unary::Erf | Unary::Sign => Bounds { least: -1.0, most: 1.0 },
        // Both fall before they rise; neither is below -0.3.
        Unary::Silu | Unary::Gelu => Bounds { least: -0.3, most: x.most.max(0.0) },
    }
}

fn binary(op: Binary, x: Bounds, y: Bounds, same: bool) -> Bounds {
    // Nothing times infinity is nothing here: the bound is not reached.
    let times = |x: f64, y: f64| if x == 0.0 || y == 0.0 { 0.0 } else { x * y };
    let corners = |f: &dyn Fn(f64, f64) -> f64| {
        let all = [f(x.least, y.least), f(x.least, y.most), f(x.most, y.least), f(x.most, y.most)];
        Bounds {
            least: all.into_iter().fold(f64::INFINITY, f64::min),
            most: all.into_iter().fold(f64::NEG_INFINITY, f64::max),
        }
    };
    match op {
        Binary::Add => Bounds { least: x.least + y.least, most: x.most + y.most },
        Binary::Sub => Bounds { least: x.least - y.most, most: x.most - y.least },
        Binary::Mul if same => unary(Unary::Square, x),
        Binary::Mul => corners(&times),
        Binary::Div if y.least > 0.0 || y.most < 0.0 => corners(&|x, y| times(x, y.recip())),
        // A quotient of numbers that are not negative is none either, or no number at all.
        Binary::Div if x.least >= 0.0 && y.least >= 0.0 => Bounds { least: 0.0, most: f64::INFINITY },
        Binary::Div => ANY,
        Binary::Max => Bounds { least: x.least.max(y.least), most: x.most.max(y.most) },
        Binary::Min => Bounds { least: x.least.min(y.least), most: x.most.min(y.most) },
        Binary::Greater => Bounds { least: 0.0, most: 1.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expression: &str) -> Bounds {
        let text = format!(
            "#[rule] fn f(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, x: Scalar, #[range(-5.0..=0.0)] g: Scalar, \
             #[range(0.5..=2.0)] h: Scalar) -> Vector<V> {{ s *= {expression}; s += outer(k, v); (x + g + h) * s.read(k) }}"
        );
        let rule = chunkwise_dsl::parse_file(&text).unwrap().remove(0);
        let timeline = rule.timeline.as_ref().unwrap();
        let decays = timeline.events.iter().map(|event| match event {
            chunkwise_dsl::timeline::Event::Decay { factor, .. } => Some((timeline, factor.value())),
            _ => None,
        });
        let (timeline, value) = decays.flatten().next().unwrap();
        bounds(&timeline.graph, &timeline.signature, value)
    }

    #[test]
    fn forms_and_ranges_bound_values() {
        // The factor of `exp(g)` is `g`: decays live in logarithms.
        assert_eq!(of("exp(g)"), Bounds { least: -5.0, most: 0.0 });
        assert_eq!(of("h"), Bounds { least: 0.5, most: 2.0 });
        assert_eq!(of("0.5 + sigmoid(x)"), Bounds { least: 0.5, most: 1.5 });
        assert_eq!(of("h / h"), Bounds { least: 0.25, most: 4.0 });
        assert_eq!(of("g * h"), Bounds { least: -10.0, most: 0.0 });
        assert_eq!(of("x * x"), Bounds { least: 0.0, most: f64::INFINITY });
        assert_eq!(of("square(g) - h"), Bounds { least: -2.0, most: 24.5 });
        assert_eq!(of("3 * tanh(x)"), Bounds { least: -3.0, most: 3.0 });
        assert_eq!(of("dot(k, k)"), Bounds { least: 0.0, most: f64::INFINITY });
        assert_eq!(of("dot(l2norm(k), l2norm(k))"), Bounds { least: 0.0, most: 1.0 });
        assert_eq!(of("dot(softmax(k), l2norm(k))"), Bounds { least: -1.0, most: 1.0 });
        assert_eq!(of("dot(softmax(k), k)"), ANY);
        assert_eq!(of("h + x"), ANY);
    }

    /// Every function of one number, at many numbers: each value lies between the bounds.
    #[test]
    fn values_lie_between_their_bounds() {
        for op in [
            Unary::Neg,
            Unary::Exp,
            Unary::Log,
            Unary::Sigmoid,
            Unary::LogSigmoid,
            Unary::Softplus,
            Unary::Silu,
            Unary::Elu,
            Unary::Gelu,
            Unary::Relu,
            Unary::Tanh,
            Unary::Sqrt,
            Unary::Rsqrt,
            Unary::Square,
            Unary::Abs,
            Unary::Erf,
            Unary::Step,
            Unary::Sign,
        ] {
            for (least, most) in [(-3.0, -1.0), (-2.0, 0.5), (0.0, 0.0), (0.25, 4.0), (-9.0, 9.0)] {
                let within = unary(op, Bounds { least, most });
                for step in 0..=20 {
                    let x = least + (most - least) * f64::from(step) / 20.0;
                    let y = crate::eval::unary(op, x);
                    let slack = 1e-12 * y.abs().clamp(1.0, 1e3);
                    let inside = y.is_nan() || (within.least - slack <= y && y <= within.most + slack);
                    assert!(inside, "{op:?} of {x} is {y}, not in {within:?}");
                }
            }
        }
    }
}
