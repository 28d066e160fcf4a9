//! Simplification of chunk programs: a table of named rules, applied until none fits, and dead work gone.
//!
//! ```text
//! R = diag(beta) V + diag(-beta) tap(K)    =>    R = diag(beta) (V - tap(K))
//! ```
//!
//! Every rule holds in exact arithmetic for all finite numbers; a zero is a row that nothing can enter (a slot without a key or
//! value), never a number that happens to be 0. Equal matrices are one matrix without any rule: the builder keeps each once.

use super::build::Builder;
use super::compact::{compact, map, map_system};
use super::factor::scalar;
use super::share::{common_gram, common_inverse, equal_gram};
use super::verify::checked;
use super::{Columns, Deposit, KeysId, Node, NodeId, Op, Program};
use chunkwise_dsl::graph::{Binary, Expr, Graph, Unary, Value};

/// What stands for what; `X`, `Y` are matrices, `a`, `b`, `c` coefficients.
pub struct Rule {
    /// The name.
    pub name: &'static str,
    /// The pattern.
    pub before: &'static str,
    /// What replaces it.
    pub after: &'static str,
    apply: Apply,
}

/// What takes a matrix's place, from what it was and the matrix over new operands. Keys have the same numbers in both programs.
type Apply = fn(&mut Builder, &Was<'_>, &Node) -> Option<NodeId>;

/// A matrix of the program as it was.
pub(super) struct Was<'a> {
    pub program: &'a Program,
    pub node: &'a Node,
}

/// All rules.
pub const RULES: [Rule; 11] = [
    rule("scale one", "diag(1) X", "X", scale_one),
    rule("scale scale", "diag(a) diag(b) X", "diag(a b) X", scale_scale),
    rule("common scale", "diag(a) X + diag(a b) Y", "diag(a) (X + diag(b) Y)", common_scale),
    rule("add zero", "X + 0", "X", add_zero),
    rule("scale zero", "diag(a) 0", "0", scale_zero),
    rule("zero product", "0 X, X 0", "0", zero_product),
    rule("zero reach", "reach(0, A, X), reach(B, A, 0)", "0", zero_reach),
    rule("solve zero", "inverse(0) X", "X", solve_zero),
    rule("equal gram", "gram(B', A') of equal keys and decays", "gram(B, A)", equal_gram),
    COMMON_GRAM,
    COMMON_INVERSE,
];

const COMMON_GRAM: Rule = rule(
    "common gram",
    "gram(B, A), gram(B', A') of the same keys",
    "decay(B, A) .* plain(B, A)",
    common_gram,
);

const COMMON_INVERSE: Rule = rule(
    "common inverse",
    "inverse(gram(B, A)), inverse(gram(B', A')) of the same keys",
    "decay(A, A) .* inverse(plain(B, A))",
    common_inverse,
);

const fn rule(name: &'static str, before: &'static str, after: &'static str, apply: Apply) -> Rule {
    Rule { name, before, after, apply }
}

/// Simplifies a program; it means the same.
pub fn simplify(program: &Program) -> Program {
    let rules: Vec<&Rule> = RULES.iter().collect();
    simplify_by(program, &rules)
}

/// Makes once what several states share but for their decays, and leaves the rest as it is: for kernels, which bring it to a form
/// of their own.
pub fn share(program: &Program) -> Program {
    simplify_by(program, &[&COMMON_INVERSE, &COMMON_GRAM])
}

/// Applies the rules until none fits, then drops what nothing uses.
pub fn simplify_by(program: &Program, rules: &[&Rule]) -> Program {
    let mut now = compact(program);
    loop {
        let next = checked("simplify", compact(&rewrite(&now, rules)));
        // Rules make matrices fewer or their operands smaller, so that this ends.
        if next.nodes == now.nodes && next.deposits == now.deposits {
            return next;
        }
        now = next;
    }
}

/// One pass over the matrices, operands first.
fn rewrite(program: &Program, rules: &[&Rule]) -> Program {
    let mut b = Builder::new(&program.timeline);
    b.program = Program { nodes: Vec::new(), deposits: Vec::new(), reads: Vec::new(), ..program.clone() };
    let mut new: Vec<NodeId> = Vec::new();
    for node in &program.nodes {
        if let Op::Solved(id, _) = node.op {
            b.program.systems[id.index()] = map_system(program.system(id), |x| new[x.index()], |k| k);
        }
        let was = Was { program, node };
        let node = Node { op: map(&node.op, |x| new[x.index()], |k| k, |s| s), ..node.clone() };
        let simpler = rules.iter().find_map(|rule| (rule.apply)(&mut b, &was, &node));
        new.push(simpler.unwrap_or_else(|| b.node(node.op.clone(), node.rows, node.columns)));
    }
    let deposits = program.deposits.iter().map(|d| Deposit { values: new[d.values.index()], ..*d });
    b.program.deposits = deposits.collect();
    b.program.reads.clone_from(&program.reads);
    b.program.reads.iter_mut().for_each(|(_, found)| found.node = new[found.node.index()]);
    b.program
}

fn scale_one(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    let Op::Scale(by, x) = &node.op else { return None };
    by.iter().all(|c| b.program.timeline.graph.literal(*c) == Some(1.0)).then_some(*x)
}

fn scale_scale(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    let Op::Scale(outer, x) = &node.op else { return None };
    let Op::Scale(inner, x) = b.program.node(*x).op.clone() else { return None };
    let g = &mut b.program.timeline.graph;
    let product = outer.iter().zip(&inner).map(|(&o, &i)| scalar(g, Binary::Mul, o, i)).collect();
    Some(b.scale(product, x))
}

fn common_scale(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    let Op::Add(x, y) = node.op else { return None };
    let (Op::Scale(of_x, x), Op::Scale(of_y, y)) =
        (b.program.node(x).op.clone(), b.program.node(y).op.clone())
    else {
        return None;
    };
    let g = &mut b.program.timeline.graph;
    let parted: Option<Vec<_>> = of_x.iter().zip(&of_y).map(|(&x, &y)| common(g, x, y)).collect();
    let parted = parted?;
    // Otherwise there would be three multiplications, not two.
    let one = g.constant(1.0);
    if !parted.iter().all(|p| p.1 == one) && !parted.iter().all(|p| p.2 == one) {
        return None;
    }
    let x = b.scale(parted.iter().map(|p| p.1).collect(), x);
    let y = b.scale(parted.iter().map(|p| p.2).collect(), y);
    let sum = b.add(Some(x), y);
    Some(b.scale(parted.iter().map(|p| p.0).collect(), sum))
}

/// `(common, x / common, y / common)`, by the factors that both are written with; `None` where there is none.
fn common(g: &mut Graph, x: Value, y: Value) -> Option<(Value, Value, Value)> {
    let (one, zero) = (g.constant(1.0), g.constant(0.0));
    match (x == zero, y == zero) {
        (true, true) => return Some((one, zero, zero)),
        (true, false) => return Some((y, zero, one)),
        (false, true) => return Some((x, one, zero)),
        (false, false) => {}
    }
    let (mut of_x, mut of_y) = (Vec::new(), Vec::new());
    factors(g, x, false, &mut of_x);
    factors(g, y, false, &mut of_y);
    let mut shared = Vec::new();
    of_x.retain(|factor| match of_y.iter().position(|other| other == factor) {
        Some(at) if g.literal(factor.0).is_none() => {
            shared.push(of_y.remove(at));
            false
        }
        _ => true,
    });
    let all = [&shared, &of_x, &of_y].map(|list| product(g, list));
    (!shared.is_empty()).then_some((all[0], all[1], all[2]))
}

/// What a scalar is a product of; true stands below the line.
pub(super) fn factors(g: &mut Graph, v: Value, below: bool, list: &mut Vec<(Value, bool)>) {
    match g.expr(v) {
        Expr::Unary(Unary::Neg, x) => {
            list.push((g.constant(-1.0), below));
            factors(g, x, below, list);
        }
        Expr::Binary(op @ (Binary::Mul | Binary::Div), x, y) => {
            factors(g, x, below, list);
            factors(g, y, below != (op == Binary::Div), list);
        }
        _ => list.push((v, below)),
    }
}

fn product(g: &mut Graph, factors: &[(Value, bool)]) -> Value {
    let one = g.constant(1.0);
    factors.iter().fold(one, |product, &(v, below)| {
        scalar(g, if below { Binary::Div } else { Binary::Mul }, product, v)
    })
}

/// Whether a matrix is 0 whatever the inputs are: made of rows without keys or values.
fn is_zero(p: &Program, id: NodeId) -> bool {
    let no_keys = |keys: &KeysId| p.keys(*keys).slots.iter().all(|s| s.key.is_none());
    match &p.node(id).op {
        Op::Values(values) => values.iter().all(Option::is_none),
        Op::Gram(reads, _) | Op::Plain(reads, _) | Op::Tap(reads) => no_keys(reads),
        Op::Decay(_, _, x) => is_zero(p, *x),
        _ => false,
    }
}

fn add_zero(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    match node.op {
        Op::Add(x, y) if is_zero(&b.program, y) => Some(x),
        Op::Add(x, y) if is_zero(&b.program, x) => Some(y),
        _ => None,
    }
}

fn scale_zero(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    match node.op {
        Op::Scale(_, x) if is_zero(&b.program, x) => Some(x),
        _ => None,
    }
}

/// Rows without values, in the shape of a matrix that stores or reads them.
fn zero(b: &mut Builder, node: &Node) -> Option<NodeId> {
    let slots = b.program.slots(node.rows);
    match node.columns {
        Columns::Value(_) => Some(b.node(Op::Values(vec![None; slots]), node.rows, node.columns)),
        Columns::Rows(_) => None,
    }
}

fn zero_product(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    match node.op {
        Op::Product(x, y) if is_zero(&b.program, x) || is_zero(&b.program, y) => zero(b, node),
        _ => None,
    }
}

fn zero_reach(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    let Op::Reach { reads, values, .. } = node.op else { return None };
    let no_reads = b.program.keys(reads).slots.iter().all(|s| s.key.is_none());
    if no_reads || is_zero(&b.program, values) { zero(b, node) } else { None }
}

fn solve_zero(b: &mut Builder, _: &Was<'_>, node: &Node) -> Option<NodeId> {
    let Op::Product(inverse, x) = node.op else { return None };
    match b.program.node(inverse).op {
        Op::Inverse(m) if is_zero(&b.program, m) => Some(x),
        _ => None,
    }
}
