//! Duality: the backward pass of a timeline is a timeline.
//!
//! Walk the token's events backwards with an adjoint state `dS`:
//!
//! ```text
//! forward                    reverse
//! write(s, a, u)             q = read(s, a)          q is du
//! p = read(s, b)             write(s, b, dp)         dp: what the outputs' cotangents and the du's give to p
//! decay(s, d)                decay(s, d)
//! mix(M)                     mix(M^T)
//! ```
//!
//! `dp` is the vector-Jacobian product of the outputs and of the write values, derived symbolically, so nonlinear feedback is
//! covered: its coefficients are functions of the forward reads. Those come in as givens (`p0`, ..), with the outputs'
//! cotangents (`do`). The dual's reads are the `du`; with them and the operand cotangents that are bilinear in both passes
//! (keys, decay factors, mix entries; see `chunk`) the gradients of the parameters are expressions of one token.
//! Source: `math/adjoint.py` of the design.

use crate::vjp;
use chunkwise_dsl::graph::{Binary, Expr, Graph, ParamId, ReadId, Unary, Value};
use chunkwise_dsl::timeline::{Event, Factor, Given, Read, Timeline};
use std::collections::HashMap;

/// What a `Given` leaf of the dual stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Meaning {
    /// What a read of the forward pass tapped.
    Read(ReadId),
    /// The cotangent of an output.
    Output(usize),
    /// The cotangent of the key of event `n` (a read or a write) of the forward timeline.
    Key(usize),
    /// The cotangent of the decay factor of event `n`: of `d` itself, also where the factor is in log space.
    Factor(usize),
    /// The cotangent of entry `(i, j)` of the mix at event `n`.
    Entry(usize, usize, usize),
}

/// The dual of a timeline.
#[derive(Clone, Debug)]
pub struct Adjoint {
    /// The reverse pass, in reversed token order. It has no outputs.
    pub dual: Timeline,
    /// Meaning of its givens, by number.
    pub givens: Vec<Meaning>,
    /// For each event of the forward timeline that is a write: the dual's read that gives its `du`.
    pub du: HashMap<usize, ReadId>,
    /// For each read of the forward timeline, its `dp`, if anything depends on it.
    pub dp: Vec<Option<Value>>,
    /// Gradient of each parameter leaf: parameter, array index, expression in the dual's graph.
    pub params: Vec<(ParamId, usize, Value)>,
}

/// Derives the dual of a timeline with one stratum.
pub fn adjoint(t: &Timeline) -> Adjoint {
    let mut b = Builder::new(t);
    let seeds = b.seeds();
    let cotangents = vjp::pull(&mut b.graph, seeds, |_| None);
    let mut params = Vec::new();
    let mut dp = vec![None; t.reads.len()];
    let leaves: Vec<Value> = b.graph.values().collect();
    for v in leaves {
        match (b.graph.expr(v), cotangents.get(v)) {
            (Expr::Param(p, j), Some(dv)) => params.push((p, j.unwrap_or(0) as usize, dv)),
            (Expr::Given(n), Some(dv)) => {
                if let Meaning::Read(r) = b.givens[n as usize] {
                    dp[r.index()] = Some(dv);
                }
            }
            _ => {}
        }
    }
    b.finish(dp, params)
}

struct Builder<'a> {
    forward: &'a Timeline,
    graph: Graph,
    givens: Vec<Meaning>,
    named: Vec<Given>,
    /// Value of the forward graph to value of the dual graph.
    moved: Vec<Value>,
    /// Dual reads in the dual's event order.
    reads: Vec<Read>,
    du: HashMap<usize, ReadId>,
}

impl<'a> Builder<'a> {
    /// Moves the forward graph over, its reads becoming givens, and numbers the dual's reads.
    fn new(forward: &'a Timeline) -> Self {
        let mut b = Builder {
            forward,
            graph: Graph::default(),
            givens: Vec::new(),
            named: Vec::new(),
            moved: Vec::new(),
            reads: Vec::new(),
            du: HashMap::new(),
        };
        for v in forward.graph.values() {
            let shape = forward.graph.shape(v);
            let new = match forward.graph.expr(v) {
                Expr::Read(r) => b.given(Meaning::Read(r), r.to_string(), v),
                e => b.graph.push(e.map(|x| b.moved[x.index()]), shape),
            };
            if let Some(name) = forward.graph.names.get(&v) {
                b.graph.names.entry(new).or_insert_with(|| name.clone());
            }
            b.moved.push(new);
        }
        for (n, e) in forward.events.iter().enumerate().rev() {
            if let Event::Write { state, key, .. } = e {
                b.du.insert(n, ReadId(b.reads.len() as u32));
                b.reads.push(Read { state: *state, key: b.moved[key.index()] });
            }
        }
        b
    }

    /// A given of the shape of forward value `like`.
    fn given(&mut self, meaning: Meaning, name: String, like: Value) -> Value {
        let shape = self.forward.graph.shape(like);
        let n = match self.givens.iter().position(|m| *m == meaning) {
            Some(n) => n,
            None => {
                self.givens.push(meaning);
                self.named.push(Given { name, shape });
                self.givens.len() - 1
            }
        };
        self.graph.push(Expr::Given(n as u32), shape)
    }

    /// Every place where a cotangent enters: outputs, write values, and the operands of events.
    fn seeds(&mut self) -> Vec<(Value, Value)> {
        let t = self.forward;
        let mut seeds = Vec::new();
        for (i, &o) in t.outputs.iter().enumerate() {
            let name = format!("d{}", t.signature.outputs[i].name);
            seeds.push((self.moved[o.index()], self.given(Meaning::Output(i), name, o)));
        }
        for (n, e) in t.events.iter().enumerate() {
            match e {
                Event::Write { state, key, value } => {
                    let du = self.graph.push(Expr::Read(self.du[&n]), t.form(*state).value_shape());
                    seeds.push((self.moved[value.index()], du));
                    seeds
                        .push((self.moved[key.index()], self.given(Meaning::Key(n), format!("da{n}"), *key)));
                }
                Event::Read(r) => {
                    let key = t.read(*r).key;
                    seeds.push((self.moved[key.index()], self.given(Meaning::Key(n), format!("db{n}"), key)));
                }
                Event::Decay { factor, .. } => {
                    let v = factor.value();
                    let d = self.given(Meaning::Factor(n), format!("dd{n}"), v);
                    seeds.push((self.moved[v.index()], self.log_cotangent(*factor, d)));
                }
                Event::Mix { matrix, .. } => {
                    for (i, j, m) in entries(matrix) {
                        let d = self.given(Meaning::Entry(n, i, j), format!("dm{n}_{i}{j}"), m);
                        seeds.push((self.moved[m.index()], d));
                    }
                }
            }
        }
        seeds
    }

    /// `d = e^g`: `dg = d dd`.
    fn log_cotangent(&mut self, factor: Factor, dd: Value) -> Value {
        match factor {
            Factor::Raw(_) => dd,
            Factor::Log(g) => {
                let d = self.graph.unary(Unary::Exp, self.moved[g.index()]);
                let shape = self.graph.shape(d);
                self.graph.push(Expr::Binary(Binary::Mul, d, dd), shape)
            }
        }
    }

    fn finish(mut self, dp: Vec<Option<Value>>, params: Vec<(ParamId, usize, Value)>) -> Adjoint {
        let t = self.forward;
        let mut events = Vec::new();
        for (n, e) in t.events.iter().enumerate().rev() {
            match e {
                Event::Write { .. } => events.push(Event::Read(self.du[&n])),
                Event::Read(r) => {
                    let Read { state, key } = t.read(*r);
                    if let Some(dp) = dp[r.index()] {
                        let value = self.graph.spread(dp, t.form(state).value_shape());
                        events.push(Event::Write { state, key: self.moved[key.index()], value });
                    }
                }
                Event::Decay { state, factor } => {
                    events.push(Event::Decay {
                        state: *state,
                        factor: map_factor(*factor, |v| self.moved[v.index()]),
                    });
                }
                Event::Mix { states, matrix } => events.push(Event::Mix {
                    states: states.clone(),
                    matrix: (0..states.len())
                        .map(|i| {
                            (0..states.len()).map(|j| matrix[j][i].map(|m| self.moved[m.index()])).collect()
                        })
                        .collect(),
                }),
            }
        }
        let mut signature = t.signature.clone();
        signature.outputs.clear();
        for s in &mut signature.states {
            s.name = format!("d{}", s.name);
        }
        let dual = Timeline {
            signature,
            graph: self.graph,
            forms: t.forms.clone(),
            reads: self.reads,
            events,
            outputs: Vec::new(),
            read_prefix: "du",
            givens: self.named,
        };
        Adjoint { dual, givens: self.givens, du: self.du, dp, params }
    }
}

fn map_factor(f: Factor, g: impl Fn(Value) -> Value) -> Factor {
    match f {
        Factor::Log(v) => Factor::Log(g(v)),
        Factor::Raw(v) => Factor::Raw(g(v)),
    }
}

/// The entries of a mix that are not 0.
pub fn entries(matrix: &[Vec<Option<Value>>]) -> impl Iterator<Item = (usize, usize, Value)> + '_ {
    matrix
        .iter()
        .enumerate()
        .flat_map(|(i, row)| row.iter().enumerate().filter_map(move |(j, m)| m.map(|m| (i, j, m))))
}
