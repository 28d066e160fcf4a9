//! From a rule's timeline to the values that its inputs should be drawn from, so that random inputs behave like those of
//! a model: decays shrink, keys have length one, what is divided by stays away from zero.
//!
//! ```text
//! s *= exp(g);                             g      reaches a log decay: drawn below 0
//! s += outer(beta * k, v - s.read(k));     k      a key: drawn with length 1;  beta a scalar: in (0, 1)
//! s.read(q)                                v, q   normal (q is a key too)
//! ```
//!
//! A declared range goes before everything. These are guesses about *sensible* inputs, not proofs: a check redraws with
//! smaller values where a state grows all the same (see [`super::draw`]).

use chunkwise::Rule;
use chunkwise_dsl::graph::{Binary, Expr, Graph, ParamId, Shape, Unary, Value};
use chunkwise_dsl::signature::State;
use chunkwise_dsl::timeline::{Event, Factor, Timeline};

/// What an input is drawn from. Later ones give way to earlier ones where an input has several uses.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Role {
    /// Uniform within a declared range.
    Range(f64, f64),
    /// Uniform in (-1, -0.01): a log decay, which a state shrinks by.
    Negative,
    /// Uniform in (0.5, 1): a raw decay.
    Fraction,
    /// Uniform in (0.1, 1): something that a decay subtracts from one, a denominator, a logarithm's argument.
    Positive,
    /// Normal, scaled to length 1: a key that a state is read or written with.
    Key,
    /// Uniform in (0, 1): any other scalar, such as a learning rate or a gate.
    Gate,
    /// Normal.
    Normal,
}

/// The role of every parameter, in order.
pub fn roles(rule: &Rule) -> Vec<Role> {
    let mut roles: Vec<Role> =
        rule.signature.params.iter().map(|param| default_role(rule, param.shape)).collect();
    if let Ok(timeline) = &rule.timeline {
        mark_keys(timeline, &mut roles);
        mark_denominators(timeline, &mut roles);
        mark_decays(timeline, &mut roles);
    }
    for (role, param) in roles.iter_mut().zip(&rule.signature.params) {
        if let Some(range) = &param.range {
            let (low, high) = within(*role, *range.start(), *range.end());
            // Off the ends, so that rounding to the type under test does not leave the range.
            let margin = 0.02 * (high - low);
            *role = Role::Range(low + margin, high - margin);
        }
    }
    roles
}

/// The part of a declared range that suits a role; where they have nothing in common, the part of the range next to it.
/// Both ends are finite.
fn within(role: Role, low: f64, high: f64) -> (f64, f64) {
    let (least, most) = match role {
        Role::Range(least, most) => (least, most),
        Role::Negative => (-1.0, -0.01),
        Role::Fraction => (0.5, 1.0),
        Role::Positive => (0.1, 1.0),
        Role::Gate => (0.0, 1.0),
        Role::Key | Role::Normal => (-1.0, 1.0),
    };
    if high < least {
        (low.max(high - 1.0), high)
    } else if low > most {
        (low, high.min(low + 1.0))
    } else {
        (low.max(least), high.min(most))
    }
}

/// The role of an input of which nothing else is known. A rule without a timeline does not tell its keys; there, every
/// vector of a state's first dim is taken for one.
fn default_role(rule: &Rule, shape: Shape) -> Role {
    let first_dim = |state: &State| state.shape.dims().next();
    match shape {
        Shape::Scalar => Role::Gate,
        Shape::Vector(dim)
            if rule.timeline.is_err() && rule.signature.states.iter().any(|s| first_dim(s) == Some(dim)) =>
        {
            Role::Key
        }
        _ => Role::Normal,
    }
}

/// Vectors that enter a read key or a write key as they are, or scaled, have length 1.
fn mark_keys(timeline: &Timeline, roles: &mut [Role]) {
    for event in &timeline.events {
        let key = match event {
            Event::Read(read) => timeline.read(*read).key,
            Event::Write { key, .. } => *key,
            Event::Decay { .. } | Event::Mix { .. } => continue,
        };
        factors(&timeline.graph, key, &mut |graph, leaf| {
            if let (Expr::Param(param, _), Shape::Vector(_)) = (graph.expr(leaf), graph.shape(leaf)) {
                roles[param.index()] = Role::Key;
            }
        });
    }
}

/// Calls `visit` on the factors, terms and quotients that a value is made of.
fn factors(graph: &Graph, value: Value, visit: &mut impl FnMut(&Graph, Value)) {
    match graph.expr(value) {
        Expr::Binary(Binary::Mul | Binary::Div | Binary::Add | Binary::Sub, x, y) => {
            factors(graph, x, visit);
            factors(graph, y, visit);
        }
        Expr::Unary(Unary::Neg, x) => factors(graph, x, visit),
        _ => visit(graph, value),
    }
}

/// Inputs that reach a denominator, a logarithm or a root, directly or through a state, are positive: a denominator near
/// zero makes any two orders of summation differ, and says nothing about the rule.
fn mark_denominators(timeline: &Timeline, roles: &mut [Role]) {
    let graph = &timeline.graph;
    for value in graph.values() {
        match graph.expr(value) {
            Expr::Binary(Binary::Div, _, denominator) => mark_positive(timeline, denominator, roles),
            Expr::Unary(Unary::Log | Unary::Sqrt | Unary::Rsqrt, argument) => {
                mark_positive(timeline, argument, roles)
            }
            _ => {}
        }
    }
}

/// Makes everything that `value` is a sum or product of positive, as far as inputs decide it.
fn mark_positive(timeline: &Timeline, value: Value, roles: &mut [Role]) {
    match timeline.graph.expr(value) {
        Expr::Param(param, _) => roles[param.index()] = Role::Positive,
        Expr::Binary(Binary::Add | Binary::Mul | Binary::Div, x, y) | Expr::Contract(x, y) => {
            mark_positive(timeline, x, roles);
            mark_positive(timeline, y, roles);
        }
        Expr::Sum(x) | Expr::Spread(x) => mark_positive(timeline, x, roles),
        Expr::Read(read) => {
            let tapped = timeline.read(read);
            mark_positive(timeline, tapped.key, roles);
            for event in &timeline.events {
                match event {
                    // A write that itself reads would lead back here.
                    Event::Write { state, key, value }
                        if *state == tapped.state && reads(timeline, *value) == 0 =>
                    {
                        mark_positive(timeline, *key, roles);
                        mark_positive(timeline, *value, roles);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// How many read events a value depends on.
fn reads(timeline: &Timeline, value: Value) -> usize {
    let reached = timeline.graph.reachable([value]);
    let is_read = |v: &Value| reached[v.index()] && matches!(timeline.graph.expr(*v), Expr::Read(_));
    timeline.graph.values().filter(is_read).count()
}

/// Inputs of decays get the sign and size that make the factor lie in (0, 1).
fn mark_decays(timeline: &Timeline, roles: &mut [Role]) {
    for event in &timeline.events {
        match event {
            Event::Decay { factor: Factor::Log(value), .. } => {
                mark_sign(&timeline.graph, *value, Sign::Minus, roles)
            }
            Event::Decay { factor: Factor::Raw(value), .. } => mark_fraction(&timeline.graph, *value, roles),
            Event::Mix { matrix, .. } => {
                for coefficient in matrix.iter().flatten().flatten() {
                    mark_fraction(&timeline.graph, *coefficient, roles);
                }
            }
            Event::Read(_) | Event::Write { .. } => {}
        }
    }
}

/// A sign that a value has, or should have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn flipped(self) -> Sign {
        match self {
            Sign::Plus => Sign::Minus,
            Sign::Minus => Sign::Plus,
        }
    }

    fn times(self, other: Sign) -> Sign {
        if self == other { Sign::Plus } else { Sign::Minus }
    }
}

/// The sign of a value for all inputs, where its outermost operation tells.
fn known_sign(graph: &Graph, value: Value) -> Option<Sign> {
    use Unary::{Abs, Exp, LogSigmoid, Neg, Relu, Rsqrt, Sigmoid, Softplus, Sqrt, Square};
    match graph.expr(value) {
        Expr::Const(number) if number.0 > 0.0 => Some(Sign::Plus),
        Expr::Const(number) if number.0 < 0.0 => Some(Sign::Minus),
        Expr::Size(_) | Expr::Softmax(_) => Some(Sign::Plus),
        Expr::Unary(Exp | Sigmoid | Softplus | Relu | Sqrt | Rsqrt | Square | Abs, _) => Some(Sign::Plus),
        Expr::Unary(LogSigmoid, _) => Some(Sign::Minus),
        Expr::Unary(Neg, x) => known_sign(graph, x).map(Sign::flipped),
        Expr::Binary(Binary::Mul | Binary::Div, x, y) => {
            Some(known_sign(graph, x)?.times(known_sign(graph, y)?))
        }
        _ => None,
    }
}

/// Gives the inputs of `value` roles that make it have the sign.
fn mark_sign(graph: &Graph, value: Value, sign: Sign, roles: &mut [Role]) {
    match graph.expr(value) {
        Expr::Param(param, _) => {
            roles[param.index()] = if sign == Sign::Minus { Role::Negative } else { Role::Positive };
        }
        Expr::Unary(Unary::Neg, x) => mark_sign(graph, x, sign.flipped(), roles),
        Expr::Binary(Binary::Add, x, y) => {
            mark_sign(graph, x, sign, roles);
            mark_sign(graph, y, sign, roles);
        }
        Expr::Binary(Binary::Mul | Binary::Div, x, y) => match (known_sign(graph, x), known_sign(graph, y)) {
            (Some(_), Some(_)) => {}
            (Some(of_x), None) => mark_sign(graph, y, sign.times(of_x), roles),
            (None, Some(of_y)) => mark_sign(graph, x, sign.times(of_y), roles),
            (None, None) => {
                mark_sign(graph, x, sign, roles);
                mark_sign(graph, y, Sign::Plus, roles);
            }
        },
        _ => {}
    }
}

/// Gives the inputs of a raw decay or mix coefficient roles that make it lie in (0, 1).
fn mark_fraction(graph: &Graph, value: Value, roles: &mut [Role]) {
    match graph.expr(value) {
        Expr::Param(ParamId(n), _) => roles[n as usize] = Role::Fraction,
        Expr::Unary(Unary::Neg, x) => mark_fraction(graph, x, roles),
        Expr::Binary(Binary::Mul, x, y) => {
            mark_fraction(graph, x, roles);
            mark_fraction(graph, y, roles);
        }
        Expr::Binary(Binary::Sub, one, x) if graph.literal(one) == Some(1.0) => {
            factors(graph, x, &mut |graph, leaf| {
                if let Expr::Param(param, _) = graph.expr(leaf) {
                    roles[param.index()] = Role::Positive;
                }
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_ranges_meet_roles() {
        assert_eq!(within(Role::Negative, -50.0, 0.0), (-1.0, -0.01));
        assert_eq!(within(Role::Gate, 0.0, 2.0), (0.0, 1.0));
        assert_eq!(within(Role::Normal, 3.0, f64::INFINITY), (3.0, 4.0));
        assert_eq!(within(Role::Fraction, f64::NEG_INFINITY, -2.0), (-3.0, -2.0));
        assert_eq!(within(Role::Key, f64::NEG_INFINITY, f64::INFINITY), (-1.0, 1.0));
    }

    #[test]
    fn uses_in_the_rule_decide() {
        let text = "#[rule]
            fn f(mut s: State<K, V>, mut z: State<K>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, \
                 dt: Scalar, a: PerHead<Scalar>, beta: Scalar) -> Vector<V> {
                s *= exp(g + a * softplus(dt));
                z *= 1.0 - beta;
                s += outer(beta * k, v);
                z += q;
                s.read(k) / dot(z, q)
            }";
        let rule = chunkwise_dsl::parse_file(text).unwrap().remove(0);
        let [q, k, v, g, dt, a, beta] = roles(&rule)[..] else { panic!() };
        assert_eq!((q, k, v), (Role::Positive, Role::Key, Role::Normal));
        assert_eq!((g, dt, a, beta), (Role::Negative, Role::Gate, Role::Negative, Role::Positive));
    }
}
