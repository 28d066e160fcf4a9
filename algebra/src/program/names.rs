//! Names of what a chunk program's text defines: keys, values, coefficients and matrices.
//!
//! ```text
//! keys and values made of the input k     K, K', ..         coefficients       c0, c1, ..
//! what is inverted, a right side          M, R              written, read      U, P
//! an inverse that several solves share    T
//! ```
//!
//! No two are alike, none is that of an input or state, and the same program gives the same names.

use super::verify::operands;
use super::{Columns, Keys, NodeId, Op, Program, Sought};
use crate::eval::NORM_EPSILON;
use chunkwise_dsl::graph::{Binary, Expr, Unary, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Names of everything that is defined once.
pub(super) struct Names {
    pub keys: Vec<String>,
    /// Stacks of values, each once.
    pub values: Vec<(Vec<Option<Value>>, String)>,
    pub coefficients: Vec<(Vec<Value>, String)>,
    pub nodes: BTreeMap<NodeId, String>,
}

impl Names {
    /// Of these squares each has a name, even if it is used once.
    pub(super) fn new(p: &Program, squares: &[NodeId]) -> Self {
        let signature = &p.timeline.signature;
        let mut taken: BTreeSet<String> = signature.params.iter().map(|p| p.name.clone()).collect();
        taken.extend(signature.states.iter().map(|s| s.name.clone()));
        taken.extend(p.timeline.graph.names.values().cloned());
        let mut unique = |mut name: String| {
            while !taken.insert(name.clone()) {
                name.push('\'');
            }
            name
        };
        let keys = p.keys.iter().map(|k| unique(of_keys(p, k))).collect();
        let mut names = Names { keys, values: Vec::new(), coefficients: Vec::new(), nodes: BTreeMap::new() };
        let mut scales: Vec<Vec<Value>> = Vec::new();
        for node in &p.nodes {
            match &node.op {
                Op::Values(values) if !names.values.iter().any(|(v, _)| v == values) => {
                    let name = of_inputs(p, values.iter().flatten().copied()).unwrap_or("X".into());
                    names.values.push((values.clone(), unique(name)));
                }
                Op::Scale(by, _) => scales.push(by.clone()),
                _ => {}
            }
        }
        let of_reads = |s: &Sought| s.reads.iter().map(|(_, scale)| *scale).collect();
        scales.extend(p.systems.iter().flat_map(|s| s.sought.iter().map(of_reads)));
        for by in scales {
            if !is_number(p, &by) && !names.coefficients.iter().any(|(c, _)| *c == by) {
                let name = unique(format!("c{}", names.coefficients.len()));
                names.coefficients.push((by, name));
            }
        }
        let letters = letters(p, squares);
        for (id, letter) in &letters {
            let alike: Vec<NodeId> =
                letters.iter().filter(|(_, l)| *l == letter).map(|(id, _)| *id).collect();
            let name = match alike.as_slice() {
                [_] => letter.to_string(),
                many => format!("{letter}{}", many.iter().filter(|other| *other < id).count()),
            };
            names.nodes.insert(*id, unique(name));
        }
        names
    }

    pub(super) fn of_values(&self, values: &[Option<Value>]) -> String {
        self.values.iter().find(|(v, _)| v == values).map_or_else(|| "?".into(), |(_, name)| name.clone())
    }

    pub(super) fn of_coefficients(&self, by: &[Value]) -> String {
        self.coefficients.iter().find(|(c, _)| c == by).map_or_else(|| "?".into(), |(_, name)| name.clone())
    }
}

/// The program with a name for each factor that makes a vector one of unit length: `unit_k`, for `rsqrt(sum(square(k)) + ..)`.
pub(super) fn with_units(p: &Program) -> Program {
    let mut p = p.clone();
    let g = &mut p.timeline.graph;
    let scaled = |v: Value| {
        let Expr::Unary(Unary::Rsqrt, length) = g.expr(v) else { return None };
        let Expr::Binary(Binary::Add, sum, epsilon) = g.expr(length) else { return None };
        let Expr::Sum(squares) = g.expr(sum) else { return None };
        let Expr::Unary(Unary::Square, x) = g.expr(squares) else { return None };
        (g.literal(epsilon) == Some(NORM_EPSILON)).then_some((v, x))
    };
    let units: Vec<(Value, Value)> = g.values().filter_map(scaled).collect();
    for (v, x) in units {
        let of = match (g.expr(x), g.names.get(&x)) {
            (Expr::Param(param, None), _) => format!("_{}", p.timeline.signature.param(param).name),
            (Expr::Param(param, Some(n)), _) => format!("_{}{n}", p.timeline.signature.param(param).name),
            (_, Some(name)) => format!("_{name}"),
            _ => String::new(),
        };
        g.names.entry(v).or_insert(format!("unit{of}"));
    }
    p
}

/// The matrices with a name of their own, and its letter.
fn letters(p: &Program, squares: &[NodeId]) -> BTreeMap<NodeId, char> {
    let mut uses = vec![0; p.nodes.len()];
    p.nodes.iter().flat_map(|n| operands(p, &n.op)).for_each(|x| uses[x.index()] += 1);
    let ids = (0..p.nodes.len() as u32).map(NodeId);
    let shared = ids.clone().filter(|id| uses[id.index()] > 1).map(|id| match p.node(id).columns {
        Columns::Rows(_) if matches!(p.node(id).op, Op::Inverse(_)) => (id, 'T'),
        Columns::Rows(_) => (id, 'L'),
        Columns::Value(_) => (id, 'X'),
    });
    let special = ids.filter_map(|id| match p.node(id).op {
        Op::Inverse(m) => Some((m, 'M')),
        Op::Product(x, y) if is_inverse(p, x) => Some((y, 'R')),
        Op::Solved(..) => Some((id, 'U')),
        _ => None,
    });
    let deposited = p.deposits.iter().map(|d| (d.values, 'U'));
    let found = p.reads.iter().map(|(_, found)| (found.node, 'P'));
    let squares = squares.iter().map(|id| (*id, 'L'));
    // Where a matrix is several of these, the last one names it; values have names already.
    let mut letters: BTreeMap<NodeId, char> =
        squares.chain(shared).chain(special).chain(deposited).chain(found).collect();
    letters.retain(|id, _| !matches!(p.node(*id).op, Op::Values(_)));
    letters
}

/// Whether a matrix is an inverse, decayed or not.
fn is_inverse(p: &Program, id: NodeId) -> bool {
    match p.node(id).op {
        Op::Inverse(_) => true,
        Op::Decay(_, _, x) => is_inverse(p, x),
        _ => false,
    }
}

fn of_keys(p: &Program, keys: &Keys) -> String {
    let name = of_inputs(p, keys.slots.iter().filter_map(|s| s.key));
    name.unwrap_or_else(|| "B".into())
}

/// The input that all the values are made of, or the user's name of the one value, as a matrix.
fn of_inputs(p: &Program, values: impl Iterator<Item = Value>) -> Option<String> {
    let g = &p.timeline.graph;
    let values: Vec<Value> = values.collect();
    if let ([v], true) = (values.as_slice(), values.iter().any(|v| g.names.contains_key(v))) {
        return g.names.get(v).map(|name| name.to_uppercase());
    }
    let live = g.reachable(values);
    let leaves = g.values().filter(|v| live[v.index()]).filter_map(|v| match g.expr(v) {
        Expr::Param(param, _) => Some(p.timeline.signature.param(param).name.to_uppercase()),
        _ => None,
    });
    let leaves: BTreeSet<String> = leaves.collect();
    if leaves.len() == 1 { leaves.into_iter().next() } else { None }
}

/// Whether coefficients are one literal.
pub(super) fn is_number(p: &Program, by: &[Value]) -> bool {
    by.iter().all(|c| *c == by[0]) && p.timeline.graph.literal(by[0]).is_some()
}
