//! Checks the tensors of a run against the rule, and finds the sizes they agree on.
//!
//! ```text
//! error: tensor `v` [1, 15, 2, 8] has T = 15, but `q` [1, 16, 2, 4] has T = 16
//! help: `v` is [B, T, H, V], and every tensor has the same T
//! ```
//!
//! Checked, in three steps of which each reports all it finds:
//! 1. names (missing, unknown, given twice), element types, ranks: see [`names`];
//! 2. sizes: batch, tokens, dims, entries and head counts agree, no dim or head count is 0, `cu_seqlens` is a rising
//!    list from 0 to T, states are `[N, HV, ..]`;
//! 3. values: `#[range]` holds.
//!
//! Not checked: whether numbers are finite. A NaN is no violation of a range either: it stays in its own sequence, and
//! is as visible in the result as it was in the input. A bound holds if the number lies inside it or equals the bound
//! rounded to the tensor's type, so that 0.1 as `f32` is inside `0.0..=0.1`.

mod names;

use crate::bind::Bindings;
use crate::error::{Error, Message, Result};
use crate::layout::{Axis, Layout, axes_text};
use crate::tensor::{Element, Tensor, shape_text};
use crate::view::View;
use chunkwise_dsl::signature::Signature;
use names::{Given, Role};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is to be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pass {
    /// Outputs and final states.
    Forward,
    /// Gradients too.
    Backward,
}

/// The tensors of a run, checked.
#[derive(Clone, Debug)]
pub(crate) struct Problem<'a> {
    /// The sizes they agree on.
    pub(crate) layout: Layout,
    /// By `ParamId`.
    pub(crate) params: Vec<View<'a>>,
    /// Initial states by `StateId`; absent is zero.
    pub(crate) initial: Vec<Option<View<'a>>>,
    /// Cotangents of the outputs, in order; absent is zero. All absent in a forward pass.
    pub(crate) output_cotangents: Vec<Option<View<'a>>>,
    /// Cotangents of the final states by `StateId`; absent is zero.
    pub(crate) state_cotangents: Vec<Option<View<'a>>>,
}

/// Checks `bindings` against the rule's signature for one pass.
pub(crate) fn validate<'a>(
    signature: &Signature,
    bindings: &Bindings<'a>,
    pass: Pass,
) -> Result<Problem<'a>> {
    let given = names::given(signature, bindings, pass)?;
    let layout = sizes(signature, &given)?;
    ranges(signature, &given)?;
    let mut problem = Problem {
        layout,
        params: Vec::new(),
        initial: vec![None; signature.states.len()],
        output_cotangents: vec![None; signature.outputs.len()],
        state_cotangents: vec![None; signature.states.len()],
    };
    for g in given {
        match g.role {
            Role::Param(_) => problem.params.push(g.tensor),
            Role::Initial(s) => problem.initial[s] = Some(g.tensor),
            Role::OutputCotangent(o) => problem.output_cotangents[o] = Some(g.tensor),
            Role::StateCotangent(s) => problem.state_cotangents[s] = Some(g.tensor),
            Role::Boundaries => {}
        }
    }
    if problem.params.len() != signature.params.len() {
        return Err(Error::bug("the checked tensors are not one a parameter"));
    }
    Ok(problem)
}

/// Which size: what several tensors have to agree on. Ordered, so that messages come in a fixed order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quantity {
    Batch,
    Tokens,
    Dim(usize),
}

impl Quantity {
    /// What a dim says something about; head and sequence counts are compared once all are known.
    fn of(axis: Axis) -> Option<Quantity> {
        match axis {
            Axis::Batch => Some(Quantity::Batch),
            Axis::Tokens => Some(Quantity::Tokens),
            Axis::Size(d) => Some(Quantity::Dim(d.index())),
            Axis::Count(_) | Axis::Heads | Axis::StateHeads | Axis::Sequences => None,
        }
    }
}

/// The sizes of a run, each with the first tensor that says it.
type Found<'g, 'a> = BTreeMap<Quantity, (usize, &'g Given<'a>)>;

/// What most tensors say, so that the odd one out is the one that a message blames; between equals, the first to speak.
fn sizes_of_most<'g, 'a>(given: &'g [Given<'a>]) -> Found<'g, 'a> {
    let mut said: BTreeMap<Quantity, Vec<(usize, &Given<'_>)>> = BTreeMap::new();
    for g in given {
        for (&axis, &size) in g.axes.iter().zip(g.tensor.shape()) {
            // No dim has size 0, whatever else it may be.
            if let Some(quantity) = Quantity::of(axis).filter(|q| size > 0 || !matches!(q, Quantity::Dim(_)))
            {
                said.entry(quantity).or_default().push((size, g));
            }
        }
    }
    let most = |sizes: Vec<(usize, &'g Given<'a>)>| {
        let count = |size: usize| sizes.iter().filter(|(other, _)| *other == size).count();
        sizes.iter().rev().max_by_key(|(size, _)| count(*size)).copied()
    };
    said.into_iter().filter_map(|(quantity, sizes)| Some((quantity, most(sizes)?))).collect()
}

/// Step 2: the sizes that all tensors agree on.
fn sizes(signature: &Signature, given: &[Given<'_>]) -> Result<Layout> {
    let mut messages = Vec::new();
    let found = sizes_of_most(given);
    for g in given {
        let mut dims = g.axes.iter().zip(g.tensor.shape());
        // One message a tensor is enough: a wrong layout is wrong in several places at once.
        messages.extend(dims.find_map(|(&axis, &size)| check_axis(signature, g, axis, size, &found)));
    }
    let size_of = |q| found.get(&q).map(|f| f.0);
    let (Some(batch), Some(tokens)) = (size_of(Quantity::Batch), size_of(Quantity::Tokens)) else {
        return Err(Error::mistake(
            format!("no input of `{}` has tokens, so their number is unknown", signature.name),
            "a rule needs an input that is not `PerHead`",
        ));
    };
    let sizes: Vec<_> = (0..signature.dims.len()).filter_map(|d| size_of(Quantity::Dim(d))).collect();
    if messages.is_empty() && sizes.len() < signature.dims.len() {
        messages.extend(unsaid_dims(signature, &found));
    }
    let sequences = match given.iter().find(|g| g.role == Role::Boundaries) {
        Some(g) => boundaries(&g.tensor, batch, tokens, &mut messages)?,
        None if messages.is_empty() => Some(one_sequence_a_row(batch, tokens)?),
        None => None,
    };
    let heads = head_counts(signature, given, &mut messages);
    if let Some(sequences) = &sequences {
        state_counts(signature, given, sequences.len(), heads, &mut messages);
    }
    Error::mistakes(messages)?;
    let params = given.iter().filter(|g| matches!(g.role, Role::Param(_)));
    let param_heads = params.filter_map(Given::heads).collect();
    Ok(Layout { batch, tokens, heads, sizes, param_heads, sequences: sequences.unwrap_or_default() })
}

/// Dims that only states have, when no initial state is given.
fn unsaid_dims(signature: &Signature, found: &Found<'_, '_>) -> Vec<Message> {
    let unsaid = (0..signature.dims.len()).filter(|&d| !found.contains_key(&Quantity::Dim(d)));
    let message = |d: usize| {
        let help = match signature.states.iter().find(|s| s.shape.dims().any(|x| x.index() == d)) {
            Some(s) => format!("give the initial state `{}0`, whose shape says it", s.name),
            None => "add an input of that dim to the rule".to_string(),
        };
        Message::new(format!("no tensor says how large {} is", signature.dims[d]), help)
    };
    unsaid.map(message).collect()
}

/// The sequences of a run without `cu_seqlens`.
fn one_sequence_a_row(batch: usize, tokens: usize) -> Result<Vec<Range<usize>>> {
    let sequences = batch.checked_mul(tokens).and_then(|_| cut(batch, |b| b * tokens));
    sequences.ok_or_else(|| {
        Error::mistake(format!("B = {batch} sequences do not fit in memory"), "use a smaller batch")
    })
}

/// So many sequences, each from one cut to the next. There may be any number of them where tensors are empty or elsewhere, so the
/// memory is asked for kindly; `None` where it is not there.
fn cut(count: usize, at: impl Fn(usize) -> usize) -> Option<Vec<Range<usize>>> {
    let mut sequences = Vec::new();
    sequences.try_reserve_exact(count).ok()?;
    sequences.extend((0..count).map(|n| at(n)..at(n + 1)));
    Some(sequences)
}

/// One dim of one tensor against what most tensors say.
fn check_axis(
    signature: &Signature,
    g: &Given<'_>,
    axis: Axis,
    size: usize,
    found: &Found<'_, '_>,
) -> Option<Message> {
    let (name, layout) = (axis.name(signature), axes_text(&g.axes, signature));
    let wrong =
        |what: String, rule: String| Some(Message::new(what, format!("`{}` is {layout}{rule}", g.name)));
    match axis {
        Axis::Count(n) if n != size => {
            return wrong(
                format!("{} has {size} entries a token, but the rule takes {n}", g.title()),
                String::new(),
            );
        }
        Axis::Heads | Axis::StateHeads if size == 0 => {
            return wrong(format!("{} has no heads", g.title()), ", with at least one head".into());
        }
        Axis::Size(_) if size == 0 => {
            return wrong(format!("{} has {name} = 0", g.title()), format!(", and {name} is at least 1"));
        }
        _ => {}
    }
    let (most, by) = *Quantity::of(axis).and_then(|quantity| found.get(&quantity))?;
    if most == size {
        return None;
    }
    wrong(
        format!("{} has {name} = {size}, but {} has {name} = {most}", g.title(), by.short_title()),
        format!(", and every tensor has the same {name}"),
    )
}

/// `HV`, the largest head count; every parameter's must divide it.
fn head_counts(signature: &Signature, given: &[Given<'_>], messages: &mut Vec<Message>) -> usize {
    let counting = |g: &&Given<'_>| matches!(g.role, Role::Param(_) | Role::Initial(_));
    // The first of the largest, so that the message names it whatever the order of the bindings.
    let mut largest: Option<(usize, &Given<'_>)> = None;
    for g in given.iter().filter(counting) {
        let heads = g.heads().unwrap_or(0);
        if largest.is_none_or(|(most, _)| heads > most) {
            largest = Some((heads, g));
        }
    }
    let Some((most, by)) = largest else { return 0 };
    for g in given.iter().filter(|g| matches!(g.role, Role::Param(_))) {
        let heads = g.heads().unwrap_or(0);
        if heads > 0 && most % heads != 0 {
            messages.push(Message::new(
                format!(
                    "{} has {heads} heads, which do not divide the {most} heads of {}",
                    g.title(),
                    by.short_title()
                ),
                format!(
                    "`{}` is {}; every head count H must divide the largest, HV",
                    g.name,
                    axes_text(&g.axes, signature)
                ),
            ));
        }
    }
    most
}

/// States, and the cotangents of outputs and states, have `HV` heads, and states one entry a sequence.
fn state_counts(
    signature: &Signature,
    given: &[Given<'_>],
    sequences: usize,
    heads: usize,
    messages: &mut Vec<Message>,
) {
    for g in given {
        for (&axis, &size) in g.axes.iter().zip(g.tensor.shape()) {
            let wanted = match axis {
                Axis::Sequences => sequences,
                Axis::StateHeads if size != 0 => heads,
                _ => continue,
            };
            if size != wanted {
                let name = axis.name(signature);
                let (meaning, rule) = match axis {
                    Axis::Sequences => ("sequences", "N is B, or what `cu_seqlens` cuts it into"),
                    _ => ("heads", "HV is the largest head count of the inputs"),
                };
                messages.push(Message::new(
                    format!("{} has {name} = {size}, but this run has {wanted} {meaning}", g.title()),
                    format!("`{}` is {}; {rule}", g.name, axes_text(&g.axes, signature)),
                ));
            }
        }
    }
}

/// The sequences that `cu_seqlens` cuts one row of tokens into.
fn boundaries(
    tensor: &View<'_>,
    batch: usize,
    tokens: usize,
    messages: &mut Vec<Message>,
) -> Result<Option<Vec<Range<usize>>>> {
    let help = format!("`cu_seqlens` is [N + 1]: it starts at 0, never falls, and ends at T = {tokens}");
    let mut wrong = |what: String| {
        messages.push(Message::new(what, help.clone()));
        Ok(None)
    };
    if batch != 1 {
        return wrong(format!("`cu_seqlens` packs sequences into one row of tokens, B = 1, but B = {batch}"));
    }
    let Some(sequences) = tensor.shape().first().and_then(|cuts| cuts.checked_sub(1)) else {
        return wrong("`cu_seqlens` is empty".to_string());
    };
    if tensor.base().is_none() {
        // How many there are is known. Where they begin is not, and nothing that is prepared depends on it.
        let at = |n: usize| (tokens as u128 * n as u128 / sequences.max(1) as u128) as usize;
        return match cut(sequences, at) {
            None => wrong(format!("the {sequences} sequences of `cu_seqlens` do not fit in memory")),
            sequences => Ok(sequences),
        };
    }
    let numbers = tensor.numbers()?;
    let Some(cuts) = numbers.to_i64() else { return Ok(None) };
    let (first, last) = (cuts[0], cuts[sequences]);
    if first != 0 {
        return wrong(format!("`cu_seqlens` starts at {first}"));
    }
    if let Some(i) = cuts.windows(2).position(|w| w[0] > w[1]) {
        return wrong(format!("`cu_seqlens` falls from {} to {} at index {}", cuts[i], cuts[i + 1], i + 1));
    }
    if usize::try_from(last) != Ok(tokens) {
        return wrong(format!("`cu_seqlens` ends at {last}, but there are {tokens} tokens"));
    }
    // From 0, never falling, up to T: every cut fits in `usize`.
    Ok(Some(cuts.windows(2).map(|w| w[0] as usize..w[1] as usize).collect()))
}

/// Step 3: declared ranges hold. The first offender of each tensor is named.
fn ranges(signature: &Signature, given: &[Given<'_>]) -> Result<()> {
    let mut messages = Vec::new();
    for g in given {
        let Role::Param(p) = g.role else { continue };
        let Some(range) = &signature.params[p].range else { continue };
        let (low, high) = (*range.start(), *range.end());
        let (low, high) =
            (low.min(rounded(low, g.tensor.element())), high.max(rounded(high, g.tensor.element())));
        // What is elsewhere is checked by nobody.
        let Some(numbers) = g.tensor.base().map(|_| g.tensor.numbers()) else { continue };
        let numbers = numbers?;
        let values = numbers.to_f64();
        if let Some(at) = values.iter().position(|&x| x < low || x > high) {
            let index = index_text(g.tensor.shape(), at);
            messages.push(Message::new(
                format!("tensor `{}` is {:?} at {index}", g.name, values[at]),
                format!("the rule declares `#[range({}..={})]` for it", range.start(), range.end()),
            ));
        }
    }
    Error::mistakes(messages)
}

/// A number as the nearest one of a type.
fn rounded(x: f64, element: Element) -> f64 {
    let cast = Tensor::new([1], vec![x]).and_then(|t| t.cast(element));
    cast.ok().and_then(|t| t.to_f64().first().copied()).unwrap_or(x)
}

/// The index of element number `at`, as `[b, t, h, ..]`.
pub(crate) fn index_text(shape: &[usize], mut at: usize) -> String {
    let mut index = vec![0; shape.len()];
    for (i, &d) in index.iter_mut().zip(shape).rev() {
        *i = at % d;
        at /= d;
    }
    shape_text(&index)
}
