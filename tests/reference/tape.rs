//! A number that remembers how it was computed, so that a recurrence written as plain arithmetic has exact gradients.
//!
//! ```text
//! let x = Num::leaf(3.0);
//! let y = x * x + x.exp();
//! adjoints(&[(y, 1.0)]).of(x)      // 2 * 3 + e^3
//! ```
//!
//! This is reverse-mode differentiation in its smallest form: every operation appends one node with its (at most two)
//! parents and the slopes towards them, and [`adjoints`] walks the list backwards. It shares nothing with the library
//! under test. Node 0 stands for every constant. The list belongs to the thread; [`clear`] empties it, after which
//! numbers made before must not be used.

use std::cell::RefCell;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// One operation: where its operands stand, and the derivative towards each.
#[derive(Clone, Copy)]
struct Node {
    parents: [u32; 2],
    slopes: [f64; 2],
}

const CONSTANT: Node = Node { parents: [0; 2], slopes: [0.0; 2] };

thread_local! {
    static TAPE: RefCell<Vec<Node>> = RefCell::new(vec![CONSTANT]);
}

/// Forgets every number of this thread.
pub(crate) fn clear() {
    TAPE.with_borrow_mut(|tape| tape.truncate(1));
}

/// A number and its place on the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Num {
    /// The number.
    pub(crate) value: f64,
    node: u32,
}

fn push(node: Node) -> u32 {
    TAPE.with_borrow_mut(|tape| {
        tape.push(node);
        u32::try_from(tape.len() - 1).expect("a test's tape fits 2^32 operations")
    })
}

impl Num {
    /// A variable: something to ask the derivative of.
    pub(crate) fn leaf(value: f64) -> Num {
        Num { value, node: push(CONSTANT) }
    }

    fn one(self, value: f64, slope: f64) -> Num {
        let node =
            if self.node == 0 { 0 } else { push(Node { parents: [self.node, 0], slopes: [slope, 0.0] }) };
        Num { value, node }
    }

    fn two(self, other: Num, value: f64, slopes: [f64; 2]) -> Num {
        let constant = self.node == 0 && other.node == 0;
        let node = if constant { 0 } else { push(Node { parents: [self.node, other.node], slopes }) };
        Num { value, node }
    }

    /// `e^x`
    pub(crate) fn exp(self) -> Num {
        let y = self.value.exp();
        self.one(y, y)
    }

    /// natural logarithm
    pub(crate) fn log(self) -> Num {
        self.one(self.value.ln(), 1.0 / self.value)
    }

    /// `1 / (1 + e^-x)`
    pub(crate) fn sigmoid(self) -> Num {
        let y = 1.0 / (1.0 + (-self.value).exp());
        self.one(y, y * (1.0 - y))
    }

    /// `log(1 + e^x)`
    pub(crate) fn softplus(self) -> Num {
        let x = self.value;
        self.one(x.max(0.0) + (-x.abs()).exp().ln_1p(), 1.0 / (1.0 + (-x).exp()))
    }

    /// `log(sigmoid(x))`
    pub(crate) fn log_sigmoid(self) -> Num {
        -(-self).softplus()
    }

    /// `x sigmoid(x)`
    pub(crate) fn silu(self) -> Num {
        self * self.sigmoid()
    }

    /// `x` above 0, `e^x - 1` below
    pub(crate) fn elu(self) -> Num {
        if self.value > 0.0 {
            self.one(self.value, 1.0)
        } else {
            self.one(self.value.exp_m1(), self.value.exp())
        }
    }

    /// `x` times the normal distribution function
    pub(crate) fn gelu(self) -> Num {
        let x = self.value;
        let below = 0.5 * (1.0 + libm::erf(x / std::f64::consts::SQRT_2));
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        self.one(x * below, below + x * density)
    }

    /// `max(x, 0)`
    pub(crate) fn relu(self) -> Num {
        self.one(self.value.max(0.0), if self.value > 0.0 { 1.0 } else { 0.0 })
    }

    /// hyperbolic tangent
    pub(crate) fn tanh(self) -> Num {
        let y = self.value.tanh();
        self.one(y, 1.0 - y * y)
    }

    /// square root
    pub(crate) fn sqrt(self) -> Num {
        let y = self.value.sqrt();
        self.one(y, 0.5 / y)
    }

    /// `1 / sqrt(x)`
    pub(crate) fn rsqrt(self) -> Num {
        let y = 1.0 / self.value.sqrt();
        self.one(y, -0.5 * y / self.value)
    }

    /// `x x`
    pub(crate) fn square(self) -> Num {
        self * self
    }

    /// `|x|`
    pub(crate) fn abs(self) -> Num {
        self.one(self.value.abs(), if self.value < 0.0 { -1.0 } else { 1.0 })
    }

    /// the greater
    pub(crate) fn max(self, other: Num) -> Num {
        if self.value >= other.value { self } else { other }
    }

    /// the smaller
    pub(crate) fn min(self, other: Num) -> Num {
        if self.value <= other.value { self } else { other }
    }
}

impl From<f64> for Num {
    fn from(value: f64) -> Num {
        Num { value, node: 0 }
    }
}

/// The four operators between numbers, and between a number and a literal on either side.
macro_rules! operator {
    ($trait:ident, $method:ident, |$x:ident, $y:ident| $value:expr, $slopes:expr) => {
        impl $trait for Num {
            type Output = Num;
            fn $method(self, other: Num) -> Num {
                let ($x, $y) = (self.value, other.value);
                self.two(other, $value, $slopes)
            }
        }
        impl $trait<f64> for Num {
            type Output = Num;
            fn $method(self, other: f64) -> Num {
                $trait::$method(self, Num::from(other))
            }
        }
        impl $trait<Num> for f64 {
            type Output = Num;
            fn $method(self, other: Num) -> Num {
                $trait::$method(Num::from(self), other)
            }
        }
    };
}

operator!(Add, add, |x, y| x + y, [1.0, 1.0]);
operator!(Sub, sub, |x, y| x - y, [1.0, -1.0]);
operator!(Mul, mul, |x, y| x * y, [y, x]);
operator!(Div, div, |x, y| x / y, [1.0 / y, -x / (y * y)]);

impl Neg for Num {
    type Output = Num;
    fn neg(self) -> Num {
        self.one(-self.value, -1.0)
    }
}

impl AddAssign for Num {
    fn add_assign(&mut self, other: Num) {
        *self = *self + other;
    }
}

impl SubAssign for Num {
    fn sub_assign(&mut self, other: Num) {
        *self = *self - other;
    }
}

/// The derivatives of one number with respect to all others.
pub(crate) struct Adjoints(Vec<f64>);

impl Adjoints {
    /// The derivative with respect to `x`.
    pub(crate) fn of(&self, x: Num) -> f64 {
        self.0[x.node as usize]
    }
}

/// Derivatives of the weighted sum of `roots`. A node that nothing depends on passes nothing on, even where its slope
/// is infinite.
pub(crate) fn adjoints(roots: &[(Num, f64)]) -> Adjoints {
    TAPE.with_borrow(|tape| {
        let mut adjoint = vec![0.0; tape.len()];
        for (root, weight) in roots {
            adjoint[root.node as usize] += weight;
        }
        for (at, node) in tape.iter().enumerate().rev() {
            let here = adjoint[at];
            if here != 0.0 {
                adjoint[node.parents[0] as usize] += node.slopes[0] * here;
                adjoint[node.parents[1] as usize] += node.slopes[1] * here;
            }
        }
        adjoint[0] = 0.0;
        Adjoints(adjoint)
    })
}

/// The tape is itself checked, operation by operation, against central differences.
#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, f: impl Fn(Num, Num) -> Num) {
        for (x, y) in [(0.7, 1.3), (1.9, 0.4)] {
            let (a, b) = (Num::leaf(x), Num::leaf(y));
            let exact = adjoints(&[(f(a, b), 1.0)]);
            let step = 1e-6;
            let value = |x: f64, y: f64| f(x.into(), y.into()).value;
            let along_x = (value(x + step, y) - value(x - step, y)) / (2.0 * step);
            let along_y = (value(x, y + step) - value(x, y - step)) / (2.0 * step);
            for (got, expected) in [(exact.of(a), along_x), (exact.of(b), along_y)] {
                assert!(
                    (got - expected).abs() < 1e-8 * (1.0 + expected.abs()),
                    "{name}: {got} against {expected}"
                );
            }
        }
    }

    #[test]
    fn every_operation_has_the_right_slope() {
        check("add", |x, y| x + y);
        check("sub", |x, y| 2.0 * x - y);
        check("mul", |x, y| x * y * x);
        check("div", |x, y| x / y);
        check("neg", |x, y| -x * y);
        check("exp", |x, y| (x * y).exp());
        check("log", |x, y| (x * y).log());
        check("sigmoid", |x, y| (x - y).sigmoid());
        check("log_sigmoid", |x, y| (x - y).log_sigmoid());
        check("softplus", |x, y| (x - y).softplus());
        check("silu", |x, y| (x - y).silu());
        check("elu", |x, y| (x - y).elu() * (y - x).elu());
        check("gelu", |x, y| (x - y).gelu());
        check("relu", |x, y| (x - y).relu() + 3.0 * (y - x).relu());
        check("tanh", |x, y| (x - y).tanh());
        check("sqrt", |x, y| (x + y).sqrt());
        check("rsqrt", |x, y| (x + y).rsqrt());
        check("square", |x, y| (x - y).square());
        check("abs", |x, y| (x - y).abs());
        check("max", |x, y| (2.0 * x).max(y));
        check("min", |x, y| (2.0 * x).min(y));
        check("repeated", |x, y| {
            let z = x + y;
            z * z * z
        });
    }
}
