//! Inputs that a rule declares and does not need, and the output's shape against the declared one.
//!
//! ```text
//! fn f(mut s: State<K, V>, q: .., w: Scalar) { .. s.read(q) }     the input `w` is never used
//! ```
//!
//! Where the body is whole, an input is used if an update or an output depends on it. Where something was wrong, it is used
//! if any expression mentions it, so that one mistake does not look like two.

use super::elaborate::{Elaborated, Elaborator};
use super::show::show;
use super::signature::Header;
use super::spans::Messages;
use crate::graph::{Expr as Node, ParamId, Shape, StateId};
use syn::Expr;

/// Reports unused inputs and states.
pub(super) fn check(messages: &mut Messages, header: &Header, elaborated: &Elaborated, is_whole: bool) {
    let body = &elaborated.body;
    let live = body.graph.reachable(body.updates.iter().map(|u| u.value).chain(body.outputs.iter().copied()));
    let needed = |node: Node| body.graph.values().any(|v| live[v.index()] && body.graph.expr(v) == node);
    for (i, param) in header.signature.params.iter().enumerate() {
        let id = ParamId(i as u32);
        let entries: Vec<Option<u32>> = param.count.map_or(vec![None], |n| (0..n).map(Some).collect());
        let idle: Vec<_> = entries.iter().filter(|&&entry| !needed(Node::Param(id, entry))).collect();
        let is_used = elaborated.mentioned.contains(&param.name) && (!is_whole || idle.len() < entries.len());
        if !is_used {
            let hint = "use it, or remove the parameter";
            messages.mistake(header.params[i], format!("the input `{}` is never used", param.name), hint);
        } else if let (true, Some(Some(entry))) = (is_whole, idle.first()) {
            let message = format!("`{0}[{entry}]` is never used", param.name);
            let hint = "use every element, or declare fewer";
            messages.mistake(header.params[i], message, hint);
        }
    }
    for (i, state) in header.signature.states.iter().enumerate() {
        let id = StateId(i as u32);
        let is_updated = body.updates.iter().any(|u| u.state == id);
        let is_used = match is_whole {
            true => is_updated || needed(Node::State(id)),
            false => elaborated.mentioned.contains(&state.name),
        };
        if !is_used {
            let hint = "write to it and read it, or remove the parameter";
            messages.mistake(header.states[i], format!("the state `{}` is never used", state.name), hint);
        }
    }
}

impl Elaborator<'_> {
    /// The last line of a rule, held against the return type.
    pub(super) fn output(&mut self, tail: &Expr) {
        let elements: Vec<&Expr> = match tail {
            Expr::Tuple(tuple) => tuple.elems.iter().collect(),
            single => vec![single],
        };
        let values: Vec<_> = elements.iter().map(|e| self.value(e)).collect();
        if !self.header.has_output {
            return;
        }
        let wanted: Vec<Shape> = self.header.signature.outputs.iter().map(|o| o.shape).collect();
        let returns = &self.header.returns;
        if wanted.len() != values.len() {
            let count = |n: usize| if n == 1 { "one output".to_string() } else { format!("{n} outputs") };
            let message =
                format!("the return type has {}, and this is {}", count(wanted.len()), count(values.len()));
            return self.wrong(tail, message, format!("put out `{returns}`, or change the return type"));
        }
        for ((expr, value), wanted) in elements.into_iter().zip(values).zip(wanted) {
            let Some(value) = value else { continue };
            let found = self.shape(value);
            if found == wanted {
                self.body.outputs.push(value);
                continue;
            }
            let message = format!(
                "the output is a {}, and the return type says {}",
                self.describe(found),
                self.describe(wanted)
            );
            let hint = match found {
                Shape::Matrix(..) => format!(
                    "read the state: `{}.read(q)`; its final value is returned in any case",
                    show(expr)
                ),
                _ => format!(
                    "put out a {}, or write {} in the return type",
                    self.describe(wanted),
                    self.describe(found)
                ),
            };
            self.wrong(expr, message, hint);
        }
    }
}
