//! What a random rule means, token by token, straight from the design's text: statements in order, a right side sees
//! the states before it, reads see the state as it stands. Over recorded numbers, so gradients come with it.

use crate::ast::{Expr, Index, Rule, Side, Stmt, Style, Term};
use crate::maths::{self, Matrix, Vector};
use crate::problem::Token;
use crate::tape::Num;
use std::collections::BTreeMap;

/// What names mean at one point: locals and loop variables; parameters come from the token.
#[derive(Clone, Default)]
struct Scope {
    locals: BTreeMap<String, Vector>,
    loops: BTreeMap<String, usize>,
}

/// One token: changes the states, returns the outputs.
pub(crate) fn step(rule: &Rule, token: &Token, states: &mut [Matrix]) -> Vec<Vector> {
    let mut machine = Machine { rule, token, states };
    let mut scope = Scope::default();
    machine.block(&rule.body, &mut scope);
    rule.outputs.iter().map(|(e, _)| machine.value(e, &scope)).collect()
}

struct Machine<'a> {
    rule: &'a Rule,
    token: &'a Token<'a>,
    states: &'a mut [Matrix],
}

/// Elementwise, a single number against every element.
fn broadcast(x: &[Num], y: &[Num], f: impl Fn(Num, Num) -> Num) -> Vector {
    match (x, y) {
        ([x], y) => maths::map(y, |y| f(*x, y)),
        (x, [y]) => maths::map(x, |x| f(x, *y)),
        (x, y) => maths::zip(x, y, f),
    }
}

impl Machine<'_> {
    fn state(&self, name: &str) -> usize {
        self.rule.states.iter().position(|(n, _)| n == name).expect("a generated rule declares its states")
    }

    fn block(&mut self, body: &[Stmt], scope: &mut Scope) {
        for stmt in body {
            match stmt {
                Stmt::Let(name, value) => {
                    let value = self.value(value, scope);
                    scope.locals.insert(name.clone(), value);
                }
                Stmt::Scale { state, side, factor } => {
                    let factor = self.value(factor, scope);
                    let at = self.state(state);
                    scale(&mut self.states[at], *side, &factor);
                }
                Stmt::Write { state, style, terms } => {
                    let terms = self.terms(terms, scope);
                    let at = self.state(state);
                    terms.iter().for_each(|t| apply(&mut self.states[at], t, *style == Style::Minus));
                }
                Stmt::Affine { state, side, factor, mixes, terms } => {
                    let terms = self.terms(terms, scope);
                    let factor = self.value(factor, scope);
                    let others: Vec<(Num, Matrix)> = mixes
                        .iter()
                        .map(|(c, other)| (self.value(c, scope)[0], self.states[self.state(other)].clone()))
                        .collect();
                    let at = self.state(state);
                    scale(&mut self.states[at], *side, &factor);
                    others.iter().for_each(|(c, other)| maths::add_state(&mut self.states[at], *c, other));
                    terms.iter().for_each(|t| apply(&mut self.states[at], t, false));
                }
                Stmt::Loop { variable, count, body } => {
                    for i in 0..*count {
                        let mut inner = scope.clone();
                        inner.loops.insert(variable.clone(), i);
                        self.block(body, &mut inner);
                    }
                }
            }
        }
    }

    /// Sign, key (with the coefficient in it) and value of each summand.
    fn terms(&self, terms: &[Term], scope: &Scope) -> Vec<(bool, Option<Vector>, Vector)> {
        let one = |t: &Term| {
            let c = t.coefficient.as_ref().map_or(Num::from(1.0), |c| self.value(c, scope)[0]);
            let value = maths::scale(c, &self.value(&t.value, scope));
            (t.minus, t.key.as_ref().map(|k| self.value(k, scope)), value)
        };
        terms.iter().map(one).collect()
    }

    fn value(&self, e: &Expr, scope: &Scope) -> Vector {
        match e {
            Expr::Name(name) => match scope.locals.get(name) {
                Some(local) => local.clone(),
                None => self.token.vector(name),
            },
            Expr::Item(name, Index::Literal(i)) => self.token.item(name, *i),
            Expr::Item(name, Index::Loop(variable)) => self.token.item(name, scope.loops[variable]),
            Expr::Literal(text) => vec![text.parse::<f64>().expect("a literal is a number").into()],
            Expr::LoopNumber(variable) => vec![(scope.loops[variable] as f64).into()],
            Expr::Size(dim) => vec![(self.token.sizes[*dim] as f64).into()],
            Expr::Call(name, x) => call(name, &self.value(x, scope)),
            Expr::Call2(name, x, y) => call2(name, &self.value(x, scope), &self.value(y, scope)),
            Expr::Negate(x) => maths::map(&self.value(x, scope), |x| -x),
            Expr::Binary(op, x, y) => {
                let (x, y) = (self.value(x, scope), self.value(y, scope));
                match op {
                    '+' => broadcast(&x, &y, |x, y| x + y),
                    '-' => broadcast(&x, &y, |x, y| x - y),
                    '*' => broadcast(&x, &y, |x, y| x * y),
                    _ => broadcast(&x, &y, |x, y| x / y),
                }
            }
            Expr::Read(state, key) => maths::read(&self.states[self.state(state)], &self.value(key, scope)),
            Expr::Bare(state) => self.states[self.state(state)][0].clone(),
        }
    }
}

fn scale(state: &mut Matrix, side: Side, factor: &[Num]) {
    match side {
        Side::Whole => maths::decay(state, factor[0]),
        Side::Rows => maths::decay_rows(state, factor),
        Side::Columns => maths::decay_columns(state, factor),
    }
}

fn apply(state: &mut Matrix, (minus, key, value): &(bool, Option<Vector>, Vector), flip: bool) {
    let sign = if minus ^ flip { -1.0 } else { 1.0 };
    let key = key.clone().unwrap_or_else(|| vec![1.0.into()]);
    maths::write(state, &maths::scale(sign, &key), value);
}

fn call(name: &str, x: &[Num]) -> Vector {
    let each: fn(Num) -> Num = match name {
        "sum" => return vec![maths::sum(x)],
        "softmax" => return maths::softmax(x),
        "l2norm" => return maths::l2norm(x),
        "exp" => Num::exp,
        "log" => Num::log,
        "sigmoid" => Num::sigmoid,
        "log_sigmoid" => Num::log_sigmoid,
        "softplus" => Num::softplus,
        "silu" => Num::silu,
        "elu" => Num::elu,
        "gelu" => Num::gelu,
        "relu" => Num::relu,
        "tanh" => Num::tanh,
        "sqrt" => Num::sqrt,
        "rsqrt" => Num::rsqrt,
        "square" => Num::square,
        "abs" => Num::abs,
        other => panic!("the generator uses no function `{other}`"),
    };
    maths::map(x, each)
}

fn call2(name: &str, x: &[Num], y: &[Num]) -> Vector {
    match name {
        "dot" => vec![maths::dot(x, y)],
        "max" => broadcast(x, y, Num::max),
        "min" => broadcast(x, y, Num::min),
        other => panic!("the generator uses no function `{other}`"),
    }
}
