//! Random rules: states, decays of every kind, writes with feedback of all three classes, loops, coupled states.
//!
//! Contractive by construction. A delta write (read and write on one key of length at most 1, strength at most 1, a
//! feedback with slopes in [0, 1]) cannot grow; any other feedback is scaled by a tenth and its state halved at the end
//! of the token; what coupled states give each other is bounded the same way.

use crate::ast::{Expr, Rule, Shape, Side, Stmt, Style, Term};
use crate::complete;
use crate::generate::{Generator, binary, call, call2};
use crate::problem::{Fill, Kind};
use crate::shadow;
use crate::source::Source;

/// A random rule; its function is called `random`.
pub(crate) fn rule(source: &mut Source) -> Rule {
    let mut g = Generator::new(source);
    let coupled = states(&mut g);
    let mut pending = Vec::new();
    let statements = 1 + g.source.below(4);
    let mut body = damped(&mut g, |g, body, restless| {
        for _ in 0..statements {
            if g.source.one_in(5) {
                body.push(loop_over_some(g, coupled));
            } else {
                statement(g, body, coupled, restless);
            }
            if g.source.one_in(5) {
                let shape = Shape::Vector(g.source.pick(&["V", "K"]));
                if let Some(read) = g.read(shape) {
                    pending.push((g.name(body, read, shape, true), shape));
                }
            }
        }
    });
    let mut outputs = outputs(&mut g, &mut body, pending);
    if g.fields.iter().all(|f| matches!(f.kind, Kind::PerHeadScalar | Kind::PerHeadVector(_))) {
        // Something must say how many tokens there are.
        outputs.push((g.parameter(Kind::Scalar, Fill::Normal), Shape::Scalar));
    }
    let idle = |i: &usize| !complete::mentions(&body, &outputs, &g.states[*i].0);
    for at in (0..g.states.len()).filter(idle).collect::<Vec<_>>() {
        let mut restless = vec![true; g.states.len()];
        let terms = terms(&mut g, &mut body, at, false, &mut restless);
        body.push(Stmt::Write { state: g.states[at].0.clone(), style: Style::Plus, terms });
    }
    let mut rule =
        Rule { fields: std::mem::take(&mut g.fields), states: std::mem::take(&mut g.states), body, outputs };
    complete::use_every_element(&mut rule);
    shadow::some(&mut rule, source);
    rule
}

/// A block that ends by halving the states whose feedback in it could make them grow.
fn damped(g: &mut Generator, fill: impl FnOnce(&mut Generator, &mut Vec<Stmt>, &mut [bool])) -> Vec<Stmt> {
    let mut block = Vec::new();
    let mut restless = vec![false; g.states.len()];
    fill(g, &mut block, &mut restless);
    for ((state, _), restless) in g.states.iter().zip(restless) {
        if restless {
            block.push(Stmt::Scale { state: state.clone(), side: Side::Whole, factor: Expr::Literal("0.5") });
        }
    }
    block
}

/// A loop of one to three turns around one or two statements, or around another loop.
fn loop_over_some(g: &mut Generator, coupled: bool) -> Stmt {
    let (count, variable) = (1 + g.source.below(3), format!("j{}", g.loops.len()));
    g.loops.push((variable.clone(), count));
    let nested = g.loops.len() == 1 && g.source.one_in(4);
    let statements = 1 + g.source.below(2);
    let body = g.scoped(|g| {
        damped(g, |g, block, restless| {
            if nested {
                block.push(loop_over_some(g, coupled));
            }
            (0..statements).for_each(|_| statement(g, block, coupled, restless));
        })
    });
    g.loops.pop();
    Stmt::Loop { variable, count, body }
}

/// Declares states; true where the first two are coupled.
fn states(g: &mut Generator) -> bool {
    let states = &mut g.states;
    let mut add = |name: &str, dims: &[&'static str]| states.push((name.into(), dims.to_vec()));
    match g.source.below(8) {
        0..=2 => add("s", &["K", "V"]),
        3 => {
            add("s", &["K", "V"]);
            add("z", &["K"]);
        }
        4 => add("z", &["V"]),
        5 => {
            add("s", &["K", "V"]);
            add("t", &["V", "K"]);
        }
        6 => {
            // Mostly two; several have warps of their own each, and blocks no more of them than there can be.
            let count = if g.source.one_in(4) { 3 + g.source.below(4) } else { 2 };
            ["s", "t", "u", "r", "p", "w"][..count].iter().for_each(|name| add(name, &["K", "V"]));
        }
        _ => {
            add("s", &["K", "V"]);
            add("m", &["K", "V"]);
            return true;
        }
    }
    false
}

/// One statement about one state, with the `let`s before it.
fn statement(g: &mut Generator, block: &mut Vec<Stmt>, coupled: bool, restless: &mut [bool]) {
    if !coupled && g.states.len() == 2 && g.states[0].1 == g.states[1].1 && g.source.one_in(2) {
        return side_by_side(g, block);
    }
    let at = g.source.below(g.states.len());
    let (state, dims) = g.states[at].clone();
    match g.source.below(6) {
        0 | 1 => {
            let style = g.source.pick(&[Style::Plus, Style::Minus, Style::Assign]);
            let terms = terms(g, block, at, style != Style::Minus, restless);
            block.push(Stmt::Write { state, style, terms });
        }
        2 | 3 => {
            let (side, factor) = factor(g, block, &dims, coupled);
            block.push(Stmt::Scale { state, side, factor });
        }
        _ if coupled => {
            let terms = if g.source.below(2) == 0 { terms(g, block, at, false, restless) } else { vec![] };
            let other = g.states[1 - at].0.clone();
            let factor = binary('*', Expr::Literal("0.5"), g.fraction());
            let share = binary('*', Expr::Literal(g.source.pick(&["0.25", "0.5"])), g.fraction());
            restless[at] = true;
            block.push(Stmt::Affine { state, side: Side::Whole, factor, mixes: vec![(share, other)], terms });
        }
        _ => {
            let terms = terms(g, block, at, false, restless);
            let (side, factor) = factor(g, block, &dims, coupled);
            block.push(Stmt::Affine { state, side, factor, mixes: vec![], terms });
        }
    }
}

/// The same delta write to every state, each with a decay of its own: states that differ by those alone.
fn side_by_side(g: &mut Generator, block: &mut Vec<Stmt>) {
    let (key_shape, value_shape) = (Shape::Vector(g.states[0].1[0]), Shape::Vector(g.states[0].1[1]));
    let direction = g.expression(key_shape, 1, false);
    let key = call(g.source.pick(&["l2norm", "softmax"]), direction);
    let key = g.name(block, key, key_shape, false);
    let strength = call("sigmoid", g.expression(Shape::Scalar, 1, false));
    let twice = binary('*', Expr::Literal("2"), strength.clone());
    let strength = if g.source.one_in(2) { twice } else { strength };
    let strength = g.name(block, strength, Shape::Scalar, false);
    let target = g.expression(value_shape, 1, false);
    let target = g.name(block, target, value_shape, false);
    for (state, dims) in g.states.clone() {
        if !g.source.one_in(4) {
            let (side, factor) = match g.source.one_in(4) {
                true => factor(g, block, &dims, false),
                false => (Side::Whole, call("sigmoid", g.input(Shape::Scalar, Fill::Normal))),
            };
            block.push(Stmt::Scale { state: state.clone(), side, factor });
        }
        let value = binary('-', target.clone(), Expr::Read(state.clone(), key.clone().into()));
        let key = Some(binary('*', strength.clone(), key.clone()));
        let terms = vec![Term { minus: false, coefficient: None, key, value }];
        block.push(Stmt::Write { state, style: Style::Plus, terms });
    }
}

/// A decay: which side, and a factor of one of the kinds, all of size at most 1.
fn factor(g: &mut Generator, block: &mut Vec<Stmt>, dims: &[&'static str], coupled: bool) -> (Side, Expr) {
    let (side, shape) = match (g.source.below(if coupled { 1 } else { 3 }), dims) {
        (1, [key, ..]) if dims.len() == 2 => (Side::Rows, Shape::Vector(key)),
        (2, [_, value]) => (Side::Columns, Shape::Vector(value)),
        (1 | 2, [one]) => (Side::Columns, Shape::Vector(one)),
        _ => (Side::Whole, Shape::Scalar),
    };
    let factor = match g.source.below(10) {
        0 => call("exp", g.input(shape, Fill::Uniform(-0.5, 0.0))),
        1 => call("sigmoid", binary('+', g.expression(shape, 1, false), Expr::Literal("2"))),
        2 => call("exp", g.input(shape, Fill::Sometimes(-1.0, 0.0, f64::NEG_INFINITY))),
        3 => g.input(shape, Fill::Sometimes(-0.95, 0.95, 0.0)),
        4 => call("exp", Expr::Negate(call("softplus", g.expression(shape, 1, false)).into())),
        5 => binary(
            '*',
            call("exp", g.input(shape, Fill::Uniform(-0.5, 0.0))),
            g.input(shape, Fill::Uniform(-1.0, 1.0)),
        ),
        6 => binary(
            '-',
            Expr::Literal("1"),
            binary('*', Expr::Literal("0.5"), call("sigmoid", g.expression(shape, 1, false))),
        ),
        7 => call("tanh", g.expression(shape, 1, false)),
        8 if shape == Shape::Scalar => Expr::Literal(g.source.pick(&["0.9", "0.5", "1", "0"])),
        _ => call("exp", Expr::Negate(call("exp", g.input(shape, Fill::Uniform(-3.0, -1.0))).into())),
    };
    (side, g.hoist(block, factor, shape, false))
}

/// One or two summands of a write, the first a delta only where that contracts: with its own sign, on the state as the
/// statement leaves it.
fn terms(
    g: &mut Generator,
    block: &mut Vec<Stmt>,
    at: usize,
    delta: bool,
    restless: &mut [bool],
) -> Vec<Term> {
    let first = term(g, block, at, false, delta, restless);
    let mut terms = vec![first];
    if g.source.one_in(3) {
        let minus = g.source.below(2) == 1;
        terms.push(term(g, block, at, minus, false, restless));
    }
    terms
}

fn term(
    g: &mut Generator,
    block: &mut Vec<Stmt>,
    at: usize,
    minus: bool,
    delta: bool,
    restless: &mut [bool],
) -> Term {
    let (state, dims) = g.states[at].clone();
    let [key_dim, value_dim] = dims.as_slice() else {
        return vector_term(g, block, at, minus, restless);
    };
    let value_shape = Shape::Vector(value_dim);
    let key = g.key(key_dim);
    let key = g.hoist(block, key, Shape::Vector(key_dim), false);
    let target = g.expression(value_shape, 1, false);
    match g.source.below(4) {
        0 => {
            let coefficient = if g.source.one_in(3) { Some(g.fraction()) } else { None };
            let value = g.hoist(block, target, value_shape, false);
            Term { minus, coefficient, key: Some(key), value }
        }
        1 if delta => {
            let read = Expr::Read(state, key.clone().into());
            let read = g.hoist(block, read, value_shape, true);
            let fed = gentle(g, read, value_dim);
            let value = binary('-', target, fed);
            let value = g.hoist(block, value, value_shape, true);
            let key = if g.source.below(2) == 0 { binary('*', g.fraction(), key) } else { key };
            Term { minus, coefficient: None, key: Some(key), value }
        }
        _ => {
            let fed = match g.read(value_shape) {
                Some(read) => {
                    let read = g.hoist(block, read, value_shape, true);
                    if g.source.below(3) == 0 {
                        steep(g, read, value_dim)
                    } else {
                        gentle(g, read, value_dim)
                    }
                }
                None => target.clone(),
            };
            let op = g.source.pick(&['-', '+']);
            let value = binary(op, target, fed);
            let value = g.hoist(block, value, value_shape, true);
            restless[at] = true;
            Term { minus, coefficient: Some(Expr::Literal("0.1")), key: Some(key), value }
        }
    }
}

/// What is added to a vector state.
fn vector_term(
    g: &mut Generator,
    block: &mut Vec<Stmt>,
    at: usize,
    minus: bool,
    restless: &mut [bool],
) -> Term {
    let (state, dims) = g.states[at].clone();
    let (dim, shape) = (dims[0], Shape::Vector(dims[0]));
    let tenth = Some(Expr::Literal("0.1"));
    let term = match g.source.below(4) {
        0 => Term { minus, coefficient: None, key: None, value: g.expression(shape, 1, false) },
        1 => {
            let key = g.key(dim);
            let fed = call2("dot", Expr::Bare(state), key.clone());
            let error = binary('-', g.expression(Shape::Scalar, 1, false), fed);
            Term { minus, coefficient: tenth, key: None, value: binary('*', key, error) }
        }
        2 => {
            let fed = gentle(g, Expr::Bare(state), dim);
            Term {
                minus,
                coefficient: tenth,
                key: None,
                value: binary('-', g.expression(shape, 1, false), fed),
            }
        }
        _ => {
            let fed = match g.read(shape) {
                Some(read) => gentle(g, read, dim),
                None => g.expression(shape, 0, false),
            };
            Term { minus, coefficient: tenth, key: None, value: fed }
        }
    };
    restless[at] = true;
    let value = g.hoist(block, term.value, shape, true);
    Term { value, ..term }
}

/// Feedback with slopes of size at most about 1: linear, by channel, or across the row.
fn gentle(g: &mut Generator, p: Expr, dim: &'static str) -> Expr {
    let vector = Shape::Vector(dim);
    match g.source.below(8) {
        0 => p,
        1 => call("tanh", p),
        2 => binary('*', call("sigmoid", g.expression(vector, 0, false)), p),
        3 => binary('-', p.clone(), binary('/', call("sum", p), Expr::Size(dim))),
        4 => call("softmax", p),
        5 => {
            let mean = binary('/', call("sum", call("square", p.clone())), Expr::Size(dim));
            binary('*', p, call("rsqrt", binary('+', mean, Expr::Literal("1"))))
        }
        6 => binary('*', g.fraction(), p),
        _ => {
            let other = g.input(vector, Fill::Normal);
            call2("max", p, other)
        }
    }
}

/// Feedback with steeper slopes, products of reads among them.
fn steep(g: &mut Generator, p: Expr, dim: &'static str) -> Expr {
    let vector = Shape::Vector(dim);
    let second = g.read(vector).unwrap_or_else(|| p.clone());
    match g.source.below(4) {
        0 => binary('*', call("tanh", p), call("sigmoid", second)),
        1 => call("silu", binary('+', p, second)),
        2 => binary('*', call("tanh", call2("dot", p, second)), g.input(vector, Fill::Normal)),
        _ => call("tanh", binary('*', p, second)),
    }
}

/// One to three outputs, the pending names among them; the first reads a state.
fn outputs(g: &mut Generator, block: &mut Vec<Stmt>, pending: Vec<(Expr, Shape)>) -> Vec<(Expr, Shape)> {
    let mut outputs = Vec::new();
    let first = match g.states[0].1.as_slice() {
        [_, value] => Shape::Vector(value),
        other => Shape::Vector(other[0]),
    };
    let read = g.read(first).expect("the first state can be read");
    outputs.push((read, first));
    for _ in 0..g.source.below(3) {
        let shape = match g.source.below(3) {
            0 => Shape::Vector("V"),
            1 => Shape::Scalar,
            _ => Shape::Vector("K"),
        };
        let e = g.expression(shape, 2, true);
        outputs.push((g.hoist(block, e, shape, true), shape));
    }
    for (name, shape) in pending {
        match outputs.iter_mut().find(|(_, s)| *s == shape) {
            Some((e, _)) => *e = binary('+', e.clone(), name),
            None => outputs.push((name, shape)),
        }
    }
    outputs
}
