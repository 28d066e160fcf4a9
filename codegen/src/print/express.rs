//! Expressions as text. A stored value prints as its variable, any other as the expression of its parts.

use super::Context;
use crate::program::{NodeId, Op};
use chunkwise_dsl::graph::{Binary, Unary};

/// How tightly a text binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Sum,
    Product,
    Sign,
    Atom,
}

/// The value: the variable where it has one.
pub(super) fn value(context: &Context<'_>, id: NodeId) -> String {
    text(context, id).0
}

/// What a stored value is computed from.
pub(super) fn definition(context: &Context<'_>, id: NodeId) -> String {
    expression(context, id).0
}

/// The number, where the value is a literal.
pub(super) fn literal(context: &Context<'_>, id: NodeId) -> Option<f64> {
    match context.program.node(id).op {
        Op::Constant(number) => Some(number.0),
        Op::Spread(x) if !context.program.node(id).stored => literal(context, x),
        _ => None,
    }
}

/// A literal of type float.
pub(super) fn number(x: f64) -> String {
    let narrow = x as f32;
    if narrow.is_nan() {
        "(infinity() - infinity())".to_owned()
    } else if narrow.is_infinite() {
        if narrow > 0.0 { "infinity()".to_owned() } else { "-infinity()".to_owned() }
    } else {
        format!("{narrow:?}f")
    }
}

fn text(context: &Context<'_>, id: NodeId) -> (String, Binding) {
    let node = context.program.node(id);
    if !node.stored {
        return expression(context, id);
    }
    let name = &context.names.nodes[id.index()];
    let text = node.dim.map_or(name.clone(), |dim| format!("{name}[{}]", context.index(dim)));
    (text, Binding::Atom)
}

fn at_least(context: &Context<'_>, id: NodeId, least: Binding) -> String {
    let (text, binding) = text(context, id);
    if binding < least { format!("({text})") } else { text }
}

fn expression(context: &Context<'_>, id: NodeId) -> (String, Binding) {
    match context.program.node(id).op {
        Op::Constant(x) if x.0.is_sign_negative() => (number(x.0), Binding::Sign),
        Op::Constant(x) => (number(x.0), Binding::Atom),
        Op::Size(dim) => (number(context.axis(dim).size.into()), Binding::Atom),
        Op::Unary(Unary::Neg, x) => (format!("-{}", at_least(context, x, Binding::Atom)), Binding::Sign),
        Op::Unary(op, x) => (format!("{}({})", function(op), value(context, x)), Binding::Atom),
        Op::Binary(op, x, y) => binary(context, op, x, y),
        Op::Spread(x) => text(context, x),
        // Inputs, reads and what is kept are always stored; reductions are printed by whoever defines them.
        Op::Input(..) | Op::Tap(_) | Op::Kept(_) | Op::Dot(..) | Op::Sum(_) | Op::Greatest(_) => {
            (context.names.nodes[id.index()].clone(), Binding::Atom)
        }
    }
}

fn binary(context: &Context<'_>, op: Binary, x: NodeId, y: NodeId) -> (String, Binding) {
    let infix = |sign: &str, own: Binding, right: Binding| {
        (format!("{} {sign} {}", at_least(context, x, own), at_least(context, y, right)), own)
    };
    let call = |name: &str| (format!("{name}({}, {})", value(context, x), value(context, y)), Binding::Atom);
    match op {
        Binary::Add => infix("+", Binding::Sum, Binding::Product),
        Binary::Sub => infix("-", Binding::Sum, Binding::Product),
        Binary::Mul => infix("*", Binding::Product, Binding::Sign),
        Binary::Div => infix("/", Binding::Product, Binding::Sign),
        Binary::Max => call("greater_of"),
        Binary::Min => call("smaller_of"),
        Binary::Greater => call("greater"),
    }
}

/// CUDA's own function where there is one, otherwise a helper of `functions.cuh`.
fn function(op: Unary) -> &'static str {
    match op {
        Unary::Neg => "-",
        Unary::Exp => "expf",
        Unary::Log => "logf",
        Unary::Sigmoid => "sigmoid",
        Unary::LogSigmoid => "log_sigmoid",
        Unary::Softplus => "softplus",
        Unary::Silu => "silu",
        Unary::Elu => "elu",
        Unary::Gelu => "gelu",
        Unary::Relu => "relu",
        Unary::Tanh => "tanhf",
        Unary::Sqrt => "sqrtf",
        Unary::Rsqrt => "rsqrtf",
        Unary::Square => "square",
        Unary::Abs => "fabsf",
        Unary::Erf => "erff",
        Unary::Step => "step",
        Unary::Sign => "sign",
    }
}
