//! From `fn f(mut s: State<K, V>, q: Vector<K>) -> Vector<V>` to a [`Signature`].
//!
//! Every parameter gets an entry in [`Header::names`], a wrong one as [`Named::Wrong`], so that the body is checked all
//! the same and a wrong declaration is told once, not at each of its uses.

use super::attributes;
use super::names::{collisions, tensors};
use super::show::show;
use super::spans::Messages;
use super::types::{Declared, declared};
use crate::diagnostic::Span;
use crate::graph::{ParamId, Shape, StateId};
use crate::signature::{Output, Param, Signature, State};
use std::collections::BTreeMap;
use syn::ext::IdentExt;
use syn::{FnArg, ItemFn, Pat, PatIdent, PatType, ReturnType, Type};

/// What a parameter's name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    /// An input.
    Param(ParamId),
    /// A state.
    State(StateId),
    /// A parameter whose declaration is wrong; it has been reported.
    Wrong,
}

/// A signature with what the checks of the body need.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Names, shapes and docs.
    pub(super) signature: Signature,
    /// What each parameter's name stands for.
    pub(super) names: BTreeMap<String, Named>,
    /// Where each input's name stands, by [`ParamId`].
    pub(super) params: Vec<Span>,
    /// Where each state's name stands, by [`StateId`].
    pub(super) states: Vec<Span>,
    /// Whether the return type is right, so that the output can be held against it.
    pub(super) has_output: bool,
    /// The return type as written.
    pub(super) returns: String,
}

impl Header {
    /// Whether some parameter's declaration is wrong.
    pub(super) fn has_wrong(&self) -> bool {
        self.names.values().any(|n| *n == Named::Wrong)
    }
}

/// Reads the signature of a rule.
pub(super) fn header(messages: &mut Messages, function: &ItemFn) -> Header {
    let mut header = Header::default();
    header.signature.name = function.sig.ident.unraw().to_string();
    header.signature.docs = attributes::function(messages, &function.attrs);
    plain_function(messages, function);
    let mut order = Vec::new();
    let before = messages.count();
    for argument in &function.sig.inputs {
        match argument {
            FnArg::Receiver(receiver) => {
                let hint =
                    "a rule is a free function; its memory is a parameter such as `mut s: State<K, V>`";
                messages.wrong(receiver, "a rule has no `self`", hint);
            }
            FnArg::Typed(typed) => order.extend(parameter(messages, &mut header, typed)),
        }
    }
    let is_whole = messages.count() == before;
    output(messages, &mut header, function);
    shared_names(messages, &header, &order);
    if is_whole {
        needed(messages, &header, function);
    }
    header
}

/// Refuses what Rust has around a function and a rule has not.
fn plain_function(messages: &mut Messages, function: &ItemFn) {
    let sig = &function.sig;
    if let Some(token) = &sig.constness {
        messages.wrong(token, "a rule is not a `const fn`", "remove `const`");
    }
    if let Some(token) = &sig.asyncness {
        messages.wrong(token, "a rule is not an `async fn`", "remove `async`");
    }
    if !matches!(sig.safety, syn::Safety::Default) {
        messages.wrong(&sig.safety, "a rule is neither `unsafe` nor `safe`", "remove the word");
    }
    if let Some(abi) = &sig.abi {
        messages.wrong(abi, "a rule has no `extern`", "remove it");
    }
    if let Some(variadic) = &sig.variadic {
        messages.wrong(variadic, "a rule has a fixed list of parameters", "name each parameter");
    }
    if let Some(clause) = &sig.generics.where_clause {
        messages.wrong(clause, "a rule has no `where` clause", "remove it");
    }
    if !sig.generics.params.is_empty() {
        let names = show(&sig.generics.params);
        let message = format!("a rule has no generic parameters: `{names}`");
        messages.wrong(&sig.generics.params, message, "remove the angle brackets: dims need no declaration");
    }
}

/// One parameter; returns its name and whether it is a state, with the name's place, unless it has no name.
fn parameter(messages: &mut Messages, header: &mut Header, typed: &PatType) -> Option<(String, bool, Span)> {
    let declared = declared(messages, &mut header.signature.dims, &typed.ty);
    let is_state = matches!(declared, Some(Declared::State(_)));
    let range = attributes::parameter(messages, &typed.attrs, is_state);
    let Pat::Ident(PatIdent { by_ref: None, mutability, ident, subpat: None, .. }) = &*typed.pat else {
        messages.wrong(&typed.pat, "a parameter is a plain name", "write `name: Type`");
        return None;
    };
    let name = ident.unraw().to_string();
    let span = messages.span(ident);
    if header.names.contains_key(&name) {
        let message = format!("two parameters have the name `{name}`");
        messages.mistake(span, message, "rename one of them: a parameter's name is its tensor's name");
        return None;
    }
    let named = match declared {
        None => Named::Wrong,
        Some(Declared::State(shape)) => {
            if mutability.is_none() {
                let hint = format!("write `mut {name}: {}`", show(&typed.ty));
                messages.mistake(span, format!("the state `{name}` changes at every token"), hint);
            }
            header.signature.states.push(State { name: name.clone(), shape });
            header.states.push(span);
            Named::State(StateId(header.states.len() as u32 - 1))
        }
        Some(Declared::Token { shape, count, per_head }) => {
            if mutability.is_some() {
                let span = messages.span(&typed.pat);
                let hint = format!("remove `mut`; `let {name} = ..;` gives the name a new value");
                messages.mistake(
                    span,
                    format!("the parameter `{name}` cannot change: it is not a state"),
                    hint,
                );
            }
            header.signature.params.push(Param { name: name.clone(), shape, count, per_head, range });
            header.params.push(span);
            Named::Param(ParamId(header.params.len() as u32 - 1))
        }
    };
    header.names.insert(name.clone(), named);
    (named != Named::Wrong).then_some((name, is_state, span))
}

/// The outputs, from the return type.
fn output(messages: &mut Messages, header: &mut Header, function: &ItemFn) {
    let ReturnType::Type(_, ty) = &function.sig.output else {
        let hint = "say what a token puts out: `-> Vector<V>`";
        messages.wrong(
            &function.sig.ident,
            format!("the rule `{}` has no output", header.signature.name),
            hint,
        );
        return;
    };
    header.returns = show(ty);
    let shapes = match outputs_of(ty) {
        Some(elements) if elements.len() < 2 => {
            let hint = "write `-> Vector<V>`, or `-> (Vector<V>, Scalar)` for several outputs";
            let message = if elements.is_empty() {
                "a rule has an output"
            } else {
                "a tuple of one element is not an output"
            };
            messages.wrong(ty, message, hint);
            return;
        }
        Some(elements) => elements.iter().map(|e| output_shape(messages, header, e)).collect(),
        None => vec![output_shape(messages, header, ty)],
    };
    let Some(shapes) = shapes.into_iter().collect::<Option<Vec<Shape>>>() else {
        return;
    };
    let single = shapes.len() == 1;
    let name = |i: usize| if single { "o".to_string() } else { format!("o{i}") };
    header.signature.outputs =
        shapes.into_iter().enumerate().map(|(i, shape)| Output { name: name(i), shape }).collect();
    header.has_output = true;
}

/// The elements of a tuple type, brackets removed.
fn outputs_of(ty: &Type) -> Option<Vec<&Type>> {
    match ty {
        Type::Tuple(tuple) => Some(tuple.elems.iter().collect()),
        Type::Paren(inner) => outputs_of(&inner.elem),
        Type::Group(inner) => outputs_of(&inner.elem),
        _ => None,
    }
}

fn output_shape(messages: &mut Messages, header: &mut Header, ty: &Type) -> Option<Shape> {
    let known = header.signature.dims.len();
    let hint = "an output is a `Vector<D>`, a `Scalar`, or a tuple of these";
    let shape = match declared(messages, &mut header.signature.dims, ty)? {
        Declared::Token { shape, count: None, per_head: false } => shape,
        Declared::State(_) => {
            let hint = "write `-> Vector<V>` and read the state with `s.read(q)`; its final value is returned in any case";
            messages.wrong(ty, "a state is not an output", hint);
            return None;
        }
        Declared::Token { per_head: true, .. } => {
            messages.wrong(ty, "an output has a value at every token, so it is not `PerHead`", hint);
            return None;
        }
        Declared::Token { .. } => {
            messages.wrong(ty, "an array is not an output", hint);
            return None;
        }
    };
    if header.signature.dims.len() > known {
        let new = header.signature.dims.split_off(known);
        let used: Vec<_> = header.signature.dims.iter().map(|d| format!("`{d}`")).collect();
        let hint = match used.as_slice() {
            [] => "declare a parameter with this dim".to_string(),
            used => format!("the parameters' dims are {}", used.join(", ")),
        };
        messages.wrong(ty, format!("no parameter has the dim `{}`", new.join("`, `")), hint);
        return None;
    }
    Some(shape)
}

/// Reports declarations that would give one tensor name to two tensors.
fn shared_names(messages: &mut Messages, header: &Header, order: &[(String, bool, Span)]) {
    let params: Vec<_> = order.iter().map(|(name, is_state, _)| (name.clone(), *is_state)).collect();
    let outputs: Vec<_> = header.signature.outputs.iter().map(|o| o.name.clone()).collect();
    let all = tensors(&params, &outputs);
    for (first, second) in collisions(&all) {
        // The later parameter of the two is the one to rename; an output has no declaration of its own.
        let Some((name, _, span)) = first.owner.max(second.owner).and_then(|i| order.get(i)) else {
            continue;
        };
        let message =
            format!("two tensors would be called `{}`: {} and {}", first.name, first.role, second.role);
        messages.mistake(*span, message, format!("rename the parameter `{name}`"));
    }
}

/// A rule has a state, and an input that says how many tokens there are.
fn needed(messages: &mut Messages, header: &Header, function: &ItemFn) {
    let name = &header.signature.name;
    if header.states.is_empty() {
        let hint = "declare its memory: `mut s: State<K, V>`";
        messages.wrong(&function.sig.ident, format!("the rule `{name}` has no state"), hint);
    } else if header.signature.params.iter().all(|p| p.per_head) {
        let hint = "declare one, such as `q: Vector<K>`; it says how many tokens there are";
        messages.wrong(
            &function.sig.ident,
            format!("the rule `{name}` has no input that comes with each token"),
            hint,
        );
    }
}
