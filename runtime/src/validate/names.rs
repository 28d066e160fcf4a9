//! The first step of checking: every tensor has a name the rule knows, the element type its role asks for, and the rank
//! of its layout.
//!
//! | name | role |
//! |---|---|
//! | a parameter's | that parameter; required |
//! | state's + `0` | initial state; optional |
//! | `cu_seqlens` | sequence boundaries, integers; optional |
//! | `d` + output's, `d` + state's | cotangent; read by the backward pass alone, optional |
//! | other names of results | an output, a final state, a gradient: ignored, so that a result file can be an input |

use super::Pass;
use crate::bind::Bindings;
use crate::error::{Error, Message, Result};
use crate::layout::{Axis, axes_text, output_axes, param_axes, state_axes};
use crate::tensor::shape_text;
use crate::view::View;
use chunkwise_dsl::signature::Signature;

/// What a tensor is to the rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// By `ParamId`.
    Param(usize),
    /// By `StateId`.
    Initial(usize),
    /// `cu_seqlens`
    Boundaries,
    /// By number of the output.
    OutputCotangent(usize),
    /// By `StateId`.
    StateCotangent(usize),
}

/// One tensor that the run reads.
#[derive(Clone, Debug)]
pub(super) struct Given<'a> {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) tensor: View<'a>,
    /// As many as the tensor's rank; empty for `cu_seqlens`.
    pub(super) axes: Vec<Axis>,
}

impl Given<'_> {
    /// ``tensor `q` [1, 16, 2, 4]``
    pub(super) fn title(&self) -> String {
        format!("tensor {}", self.short_title())
    }

    /// `` `q` [1, 16, 2, 4] ``
    pub(super) fn short_title(&self) -> String {
        format!("`{}` {}", self.name, shape_text(self.tensor.shape()))
    }

    /// The tensor's own head count.
    pub(super) fn heads(&self) -> Option<usize> {
        let at = self.axes.iter().position(|a| matches!(a, Axis::Heads | Axis::StateHeads))?;
        self.tensor.shape().get(at).copied()
    }
}

/// A name the rule knows, and what it asks of the tensor.
struct Known {
    name: String,
    role: Role,
    axes: Vec<Axis>,
    /// How the user declared it, for messages.
    declared: String,
}

/// All tensors the pass reads, in a fixed order: parameters, initial states, boundaries, cotangents.
pub(super) fn given<'a>(
    signature: &Signature,
    bindings: &Bindings<'a>,
    pass: Pass,
) -> Result<Vec<Given<'a>>> {
    let known = known(signature);
    let results = results(signature);
    let mut messages = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (name, _) in bindings.iter() {
        if seen.contains(&name) {
            messages.push(Message::new(format!("tensor `{name}` is given twice"), "give every tensor once"));
        } else if !known.iter().any(|k| k.name == name) && !results.iter().any(|r| r == name) {
            messages.push(unknown(signature, name, &known));
        }
        seen.push(name);
    }
    let mut given = Vec::new();
    for k in known {
        let wanted = match k.role {
            Role::OutputCotangent(_) | Role::StateCotangent(_) => pass == Pass::Backward,
            _ => true,
        };
        match bindings.get(&k.name) {
            Some(tensor) if wanted => {
                messages.extend(misfit(signature, &k, tensor));
                given.push(Given { name: k.name, role: k.role, tensor: tensor.clone(), axes: k.axes });
            }
            None if matches!(k.role, Role::Param(_)) => messages.push(Message::new(
                format!("tensor `{}` is missing", k.name),
                format!(
                    "`{}` takes it as {}, of shape {}",
                    signature.name,
                    k.declared,
                    axes_text(&k.axes, signature)
                ),
            )),
            _ => {}
        }
    }
    Error::mistakes(messages)?;
    Ok(given)
}

/// Every name that a run may read.
fn known(signature: &Signature) -> Vec<Known> {
    let mut known = Vec::new();
    for (i, p) in signature.params.iter().enumerate() {
        let element = signature.describe(p.shape);
        let declared = match (p.count, p.per_head) {
            (Some(n), _) => format!("`[{element}; {n}]`"),
            (None, true) => format!("`PerHead<{element}>`"),
            (None, false) => format!("`{element}`"),
        };
        known.push(Known { name: p.name.clone(), role: Role::Param(i), axes: param_axes(p), declared });
    }
    let state = |name: String, role, shape| Known {
        name,
        role,
        axes: state_axes(shape),
        declared: format!("`{}`", signature.describe(shape)),
    };
    for (i, s) in signature.states.iter().enumerate() {
        known.push(state(format!("{}0", s.name), Role::Initial(i), s.shape));
    }
    known.push(Known {
        name: "cu_seqlens".into(),
        role: Role::Boundaries,
        axes: Vec::new(),
        declared: "integers".into(),
    });
    for (i, o) in signature.outputs.iter().enumerate() {
        known.push(Known {
            name: format!("d{}", o.name),
            role: Role::OutputCotangent(i),
            axes: output_axes(o.shape),
            declared: format!("`{}`", signature.describe(o.shape)),
        });
    }
    for (i, s) in signature.states.iter().enumerate() {
        known.push(state(format!("d{}", s.name), Role::StateCotangent(i), s.shape));
    }
    known
}

/// Every name that a run may write, and that an input file may therefore hold.
fn results(signature: &Signature) -> Vec<String> {
    let outputs = signature.outputs.iter().map(|o| o.name.clone());
    let states = signature.states.iter().flat_map(|s| [s.name.clone(), format!("d{}0", s.name)]);
    let gradients = signature.params.iter().map(|p| format!("d{}", p.name));
    outputs.chain(states).chain(gradients).collect()
}

/// A name that the rule does not know.
fn unknown(signature: &Signature, name: &str, known: &[Known]) -> Message {
    let near = known.iter().map(|k| (distance(name, &k.name), &k.name)).min();
    let help = match near {
        Some((d, near)) if d <= 1 + name.chars().count() / 4 => format!("did you mean `{near}`?"),
        _ => {
            let params: Vec<_> = signature.params.iter().map(|p| format!("`{}`", p.name)).collect();
            let others = known.iter().filter(|k| !matches!(k.role, Role::Param(_)));
            let others: Vec<_> = others.map(|k| format!("`{}`", k.name)).collect();
            format!("it takes {}; optional are {}", params.join(", "), others.join(", "))
        }
    };
    Message::new(format!("tensor `{name}` is unknown to `{}`", signature.name), help)
}

/// The number of letters to change, drop or add, case apart, in the first 64 of each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A wrong element type or rank.
fn misfit(signature: &Signature, known: &Known, tensor: &View<'_>) -> Option<Message> {
    let (name, rank) = (&known.name, tensor.shape().len());
    if known.role == Role::Boundaries {
        return if tensor.element().is_float() {
            let what = format!("tensor `cu_seqlens` holds {}, but integers are wanted", tensor.element());
            Some(Message::new(what, "store it as i32 or i64"))
        } else if rank != 1 {
            let what = format!(
                "tensor `cu_seqlens` {} has rank {rank}, but 1 is wanted",
                shape_text(tensor.shape())
            );
            Some(Message::new(what, "`cu_seqlens` is [N + 1]: where each of N sequences starts, and the end"))
        } else {
            None
        };
    }
    if !tensor.element().is_float() {
        let what = format!("tensor `{name}` holds {}, but floats are wanted", tensor.element());
        return Some(Message::new(what, "store it as bf16, f16, f32 or f64"));
    }
    if rank != known.axes.len() {
        let what = format!(
            "tensor `{name}` {} has rank {rank}, but {} is wanted",
            shape_text(tensor.shape()),
            known.axes.len()
        );
        let help = format!("`{name}` is {}, of shape {}", known.declared, axes_text(&known.axes, signature));
        return Some(Message::new(what, help));
    }
    None
}
