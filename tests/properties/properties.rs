//! What must hold of every rule; each function makes one case from a source and judges it.

use crate::compare;
use crate::interpret;
use crate::library::{self, Plan, Subject};
use crate::problem::{Array, Arrays, Kind, Layout, Problem, Sequences, random_array};
use crate::random::Random;
use crate::source::{Source, Verdict};
use crate::{ast, statements};
use chunkwise_runtime::Element;
use std::fmt::Display;
use std::rc::Rc;

/// A random rule with its text, parsed, and a way to lay out its tensors.
pub(crate) struct Case {
    pub(crate) rule: chunkwise_dsl::rule::Rule,
    pub(crate) problem: Problem,
    pub(crate) layout: Layout,
    pub(crate) seed: u64,
}

/// Makes a rule, checks that the library reads it, and draws sizes, lengths and a seed for the numbers.
pub(crate) fn case(
    source: &mut Source,
    sequences: impl FnOnce(&mut Source) -> Sequences,
) -> Result<Case, String> {
    let tree = Rc::new(statements::rule(source));
    let text = tree.to_string();
    let mut problem = problem(&tree, text);
    let rule = library::parse(&problem.text, &problem.name);
    let rule = rule.map_err(|message| format!("{}\n{message}", problem.text))?;
    for size in problem.sizes.values_mut() {
        *size = source.pick(&[2, 3, 1, 5, 4]);
    }
    // A dim that no parameter has is known from the initial state alone.
    let has = |d: &str| {
        tree.fields.iter().any(
            |f| matches!(&f.kind, Kind::Vector(x) | Kind::Vectors(_, x) | Kind::PerHeadVector(x) if x == d),
        )
    };
    let known = tree.states.iter().all(|(_, dims)| dims.iter().all(|d| has(d)));
    let layout = Layout {
        name: "a random layout",
        sequences: sequences(source),
        sizes: vec![],
        initial: !source.one_in(4) || !known,
        cotangents: (true, !source.one_in(4)),
    };
    Ok(Case { rule, problem, layout, seed: source.below(1 << 20) as u64 })
}

fn problem(tree: &Rc<ast::Rule>, text: String) -> Problem {
    let owned = |dims: &[&'static str]| -> Vec<String> { dims.iter().map(|d| d.to_string()).collect() };
    let outputs = tree.outputs.iter().map(|(_, shape)| match shape {
        ast::Shape::Scalar => vec![],
        ast::Shape::Vector(d) => owned(&[d]),
    });
    let outputs = outputs.collect();
    let states = tree.states.iter().map(|(name, dims)| (name.clone(), owned(dims))).collect();
    let meaning = tree.clone();
    Problem {
        name: "random".into(),
        text,
        sizes: [("K".to_string(), 1), ("V".to_string(), 1)].into(),
        fields: tree.fields.clone(),
        states,
        outputs,
        step: Box::new(move |token, states| interpret::step(&meaning, token, states)),
    }
}

pub(crate) fn batch(source: &mut Source) -> Sequences {
    Sequences::Batch { batch: source.pick(&[1, 2]), tokens: source.pick(&[3, 1, 7, 16, 21, 0]) }
}

pub(crate) fn packed(source: &mut Source) -> Sequences {
    Sequences::Packed((0..2 + source.below(3)).map(|_| source.pick(&[2, 5, 0, 1, 9, 17])).collect())
}

fn plan(source: &mut Source) -> Plan {
    source.pick(&[
        Plan::Chunkwise(2),
        Plan::Recurrent,
        Plan::Chunkwise(1),
        Plan::Chunkwise(16),
        Plan::Chunkwise(5),
    ])
}

impl Case {
    fn subject(&self, plan: Plan) -> Result<Subject, String> {
        Subject::new(&self.rule, plan, Element::F64)
    }

    /// The verdict with everything needed to see the case.
    pub(crate) fn verdict(&self, plan: impl Display, wrong: &[String]) -> Verdict {
        if wrong.is_empty() {
            return Ok(());
        }
        let sizes = &self.problem.sizes;
        let heads: Vec<String> =
            self.problem.fields.iter().map(|f| format!("{}: {}", f.name, f.heads)).collect();
        let (text, heads, layout) = (&self.problem.text, heads.join(", "), &self.layout);
        let lines = wrong.join("\n");
        Err(format!(
            "{text}{plan}; sizes {sizes:?}; heads {heads}; {}: {layout:?}; seed {}\n{lines}",
            layout.name, self.seed
        ))
    }

    /// The verdict on something that may also have been refused.
    fn judge(&self, plan: Plan, attempt: impl FnOnce() -> Result<Vec<String>, String>) -> Verdict {
        self.verdict(plan, &attempt().unwrap_or_else(|message| vec![message]))
    }
}

/// Names of tensors whose bits differ.
fn changed(before: &Arrays, after: &Arrays) -> Vec<String> {
    let bits = |x: &Array| -> Vec<u64> { x.data.iter().map(|x| x.to_bits()).collect() };
    before
        .iter()
        .filter(|(name, x)| bits(x) != bits(&after[*name]))
        .map(|(name, _)| format!("`{name}` changed"))
        .collect()
}

/// The interpreter of the tree agrees, outputs, states and gradients, to 1e-9.
pub(crate) fn reference(source: &mut Source) -> Verdict {
    let case = case(source, |s| if s.one_in(3) { packed(s) } else { batch(s) })?;
    let posed = case.problem.pose(&case.layout, case.seed);
    for plan in [Plan::Recurrent, Plan::Chunkwise(4), Plan::Chunkwise(16)] {
        case.judge(plan, || {
            Ok(compare::differences(&posed.expected, &case.subject(plan)?.backward(&posed.inputs)?, 1e-9))
        })?;
    }
    Ok(())
}

/// Along a random direction of each input, the gradient is the central difference of the recurrent forward pass.
pub(crate) fn differences(source: &mut Source) -> Verdict {
    let case = case(source, |s| Sequences::Batch { batch: 1, tokens: s.pick(&[3, 1, 7, 12]) })?;
    let posed = case.problem.pose(&case.layout, case.seed);
    for plan in [Plan::Recurrent, Plan::Chunkwise(4)] {
        case.judge(plan, || {
            let gradients = case.subject(plan)?.backward(&posed.inputs)?;
            let forward = case.subject(Plan::Recurrent)?;
            let functional = |inputs: &Arrays| -> Result<f64, String> {
                let results = forward.forward(inputs)?;
                let weighted =
                    results.iter().filter_map(|(name, x)| Some(dot(x, inputs.get(&format!("d{name}"))?)));
                Ok(weighted.sum())
            };
            let mut wrong = Vec::new();
            let mut random = Random::new(case.seed + 1);
            for (name, input) in &posed.inputs {
                let Some(gradient) = gradients.get(&format!("d{name}")) else { continue };
                let mut direction =
                    random_array(&mut random, input.shape.clone(), crate::problem::Fill::Normal);
                // A log decay of minus infinity has no neighbours to differ from.
                let fixed = direction.data.iter_mut().zip(&input.data).filter(|(_, x)| x.is_infinite());
                fixed.for_each(|(d, _)| *d = 0.0);
                let step = 1e-6;
                let along = |step: f64| {
                    let moved = input.data.iter().zip(&direction.data).map(|(x, d)| x + step * d);
                    let moved = Array { shape: input.shape.clone(), data: moved.collect() };
                    let mut inputs = posed.inputs.clone();
                    inputs.insert(name.clone(), moved);
                    functional(&inputs)
                };
                let (above, below) = (along(step)?, along(-step)?);
                let difference = (above - below) / (2.0 * step);
                let exact = dot(gradient, &direction);
                // The difference itself rounds by the functional's last digits over the step.
                let allowed = 1e-5 * (1.0 + exact.abs()) + 1e-8 * (1.0 + above.abs());
                if (difference - exact).abs() > allowed || exact.is_nan() {
                    wrong.push(format!(
                        "`d{name}` along a direction is {exact:.9e}, differences say {difference:.9e}"
                    ));
                }
            }
            Ok(wrong)
        })?;
    }
    Ok(())
}

fn dot(x: &Array, y: &Array) -> f64 {
    x.data.iter().zip(&y.data).map(|(x, y)| x * y).sum()
}

/// The rows of tokens after `t` of one batch entry; `None` for a tensor that has no tokens.
fn after(case: &Case, name: &str, array: &Array, t: usize) -> Option<std::ops::Range<usize>> {
    let field = case.problem.fields.iter().find(|f| f.name == name);
    let timeless = matches!(field?.kind, Kind::PerHeadScalar | Kind::PerHeadVector(_));
    if timeless || array.data.is_empty() {
        return None;
    }
    let row = array.data.len() / array.shape[1];
    Some((t + 1) * row..array.data.len())
}

/// New values for the tokens after `t` change nothing at or before it, bit for bit.
pub(crate) fn causality(source: &mut Source) -> Verdict {
    let case = case(source, |s| Sequences::Batch { batch: 1, tokens: s.pick(&[4, 2, 9, 18]) })?;
    let tokens = case.layout.sequences.extent().1;
    let t = source.below(tokens - 1);
    let plan = plan(source);
    let posed = case.problem.pose(&case.layout, case.seed);
    let other = case.problem.pose(&case.layout, case.seed + 1);
    case.judge(plan, || {
        let subject = case.subject(plan)?;
        let mut inputs = posed.inputs.clone();
        for (name, array) in &mut inputs {
            if let Some(range) = after(&case, name, array, t) {
                array.data[range.clone()].copy_from_slice(&other.inputs[name].data[range]);
            }
        }
        let cut = |results: Arrays| -> Arrays {
            let names = case.problem.output_names();
            let outputs = results.into_iter().filter(|(name, _)| names.contains(name));
            let head = |x: Array| Array { data: x.data[..x.data.len() / tokens * (t + 1)].to_vec(), ..x };
            outputs.map(|(name, x)| (name, head(x))).collect()
        };
        let (before, after) = (cut(subject.forward(&posed.inputs)?), cut(subject.forward(&inputs)?));
        Ok(changed(&before, &after).into_iter().map(|c| format!("{c} at or before token {t}")).collect())
    })
}

/// The part of every tensor that belongs to one packed sequence: outputs and gradients by tokens, states by number.
fn part(case: &Case, arrays: &Arrays, sequence: usize) -> Arrays {
    let (first, length) = case.layout.sequences.rows()[sequence];
    let count = case.layout.sequences.rows().len();
    let total = case.layout.sequences.extent().1;
    let heads_only = |name: &str| {
        let field =
            case.problem.fields.iter().find(|f| name == f.name || name.strip_prefix('d') == Some(&f.name));
        field.is_some_and(|f| matches!(f.kind, Kind::PerHeadScalar | Kind::PerHeadVector(_)))
    };
    let is_state = |name: &str| {
        case.problem.states.iter().any(|(s, _)| {
            [s.clone(), format!("{s}0"), format!("d{s}"), format!("d{s}0")].contains(&name.into())
        })
    };
    let slice = |name: &str, x: &Array| {
        let (start, len, all, dim) =
            if is_state(name) { (sequence, 1, count, 0) } else { (first, length, total, 1) };
        let row = x.data.len().checked_div(all).unwrap_or(0);
        let mut shape = x.shape.clone();
        shape[dim] = len;
        Array { shape, data: x.data[start * row..(start + len) * row].to_vec() }
    };
    let kept = arrays.iter().filter(|(name, _)| *name != "cu_seqlens");
    kept.map(|(name, x)| (name.clone(), if heads_only(name) { x.clone() } else { slice(name, x) })).collect()
}

/// NaN in every tensor of one sequence changes no bit of the others: outputs, states, gradients.
pub(crate) fn containment(source: &mut Source) -> Verdict {
    let case = case(source, packed)?;
    let plan = plan(source);
    let lengths = case.layout.sequences.rows();
    let poisoned = source.below(lengths.len());
    let posed = case.problem.pose(&case.layout, case.seed);
    case.judge(plan, || {
        let subject = case.subject(plan)?;
        let mut inputs = posed.inputs.clone();
        let (first, length) = lengths[poisoned];
        for (name, array) in &mut inputs {
            let Some(all) = after(&case, name, array, 0) else { continue };
            let row = array.data.len() - all.len();
            array.data[first * row..(first + length) * row].fill(f64::NAN);
        }
        let (before, after) = (subject.backward(&posed.inputs)?, subject.backward(&inputs)?);
        let mut wrong = Vec::new();
        for other in (0..lengths.len()).filter(|n| *n != poisoned) {
            let (mut before, mut after) = (part(&case, &before, other), part(&case, &after, other));
            // What is constant in time is shared by all sequences, and so is its gradient.
            for f in case
                .problem
                .fields
                .iter()
                .filter(|f| matches!(f.kind, Kind::PerHeadScalar | Kind::PerHeadVector(_)))
            {
                before.remove(&format!("d{}", f.name));
                after.remove(&format!("d{}", f.name));
            }
            let label = |c: String| format!("{c} in sequence {other}, NaN in sequence {poisoned}");
            wrong.extend(changed(&before, &after).into_iter().map(label));
        }
        Ok(wrong)
    })
}

/// Packed sequences give what each gives alone; gradients of what they share add up.
pub(crate) fn packing(source: &mut Source) -> Verdict {
    let case = case(source, packed)?;
    let plan = plan(source);
    let posed = case.problem.pose(&case.layout, case.seed);
    case.judge(plan, || {
        let subject = case.subject(plan)?;
        let mut together = subject.backward(&posed.inputs)?;
        let mut wrong = Vec::new();
        let shared: Vec<String> = case
            .problem
            .fields
            .iter()
            .filter(|f| matches!(f.kind, Kind::PerHeadScalar | Kind::PerHeadVector(_)))
            .map(|f| format!("d{}", f.name))
            .collect();
        let mut sums: Arrays = shared.iter().filter_map(|name| together.remove_entry(name)).collect();
        let totals = sums.clone();
        sums.values_mut().for_each(|x| x.data.fill(0.0));
        for sequence in 0..case.layout.sequences.rows().len() {
            let mut alone = subject.backward(&part(&case, &posed.inputs, sequence))?;
            for (name, sum) in &mut sums {
                let part = alone.remove(name).ok_or_else(|| format!("`{name}` is missing"))?;
                sum.data.iter_mut().zip(&part.data).for_each(|(sum, x)| *sum += x);
            }
            let found = compare::differences(&part(&case, &together, sequence), &alone, 1e-13);
            wrong.extend(found.into_iter().map(|f| format!("sequence {sequence} alone: {f}")));
        }
        wrong.extend(compare::differences(&sums, &totals, 1e-11));
        Ok(wrong)
    })
}

/// Repeating heads by hand changes nothing, and gradients of the repeated heads add up.
pub(crate) fn grouping(source: &mut Source) -> Verdict {
    let case = case(source, batch)?;
    let plan = plan(source);
    let heads = case.problem.heads();
    let posed = case.problem.pose(&case.layout, case.seed);
    // The heads' dim is the last but one of what ends in a vector, otherwise the last.
    let around = |kind: &Kind, x: &Array| -> (usize, usize) {
        let vector = matches!(kind, Kind::Vector(_) | Kind::Vectors(..) | Kind::PerHeadVector(_));
        let at = x.shape.len() - 1 - usize::from(vector);
        (at, x.shape[at + 1..].iter().product())
    };
    case.judge(plan, || {
        let subject = case.subject(plan)?;
        let mut inputs = posed.inputs.clone();
        for f in &case.problem.fields {
            let x = inputs.get_mut(&f.name).ok_or("an input is missing")?;
            let (at, row) = around(&f.kind, x);
            let groups = x.data.chunks(f.heads * row);
            x.data = groups
                .flat_map(|g| (0..heads).flat_map(move |h| g[h * f.heads / heads * row..][..row].to_vec()))
                .collect();
            x.shape[at] = heads;
        }
        let (grouped, mut repeated) = (subject.backward(&posed.inputs)?, subject.backward(&inputs)?);
        for f in &case.problem.fields {
            let Some(x) = repeated.get_mut(&format!("d{}", f.name)) else { continue };
            let (at, row) = around(&f.kind, x);
            let sum = |all: &[f64]| {
                let mut sums = vec![0.0; f.heads * row];
                for h in 0..heads {
                    for i in 0..row {
                        sums[h * f.heads / heads * row + i] += all[h * row + i];
                    }
                }
                sums
            };
            x.data = x.data.chunks(heads * row).flat_map(sum).collect();
            x.shape[at] = f.heads;
        }
        Ok(compare::differences(&repeated, &grouped, 1e-12))
    })
}

/// The verifiers accept the body and the timeline, and every printer has something to say.
pub(crate) fn stages(source: &mut Source) -> Verdict {
    let case = case(source, batch)?;
    case.judge(Plan::Recurrent, || {
        let mut wrong: Vec<String> = Vec::new();
        wrong.extend(chunkwise_dsl::verify::body(&case.rule).err().map(|e| format!("body: {e}")));
        if chunkwise_dsl::print::rule(&case.rule).is_empty() {
            wrong.push("the rule prints as nothing".into());
        }
        match &case.rule.timeline {
            Ok(timeline) => {
                wrong.extend(
                    chunkwise_dsl::verify::timeline(timeline).err().map(|e| format!("timeline: {e}")),
                );
                if chunkwise_dsl::print::timeline(timeline).is_empty() {
                    wrong.push("the timeline prints as nothing".into());
                }
            }
            Err(message) => wrong.push(format!("no timeline: {message}")),
        }
        // The text is what the user wrote, so it can be read again, to the same rule.
        let again = library::parse(&case.rule.source, "random").map(|r| chunkwise_dsl::print::rule(&r));
        match again {
            Ok(text) if text == chunkwise_dsl::print::rule(&case.rule) => {}
            Ok(_) => wrong.push("its own source makes another rule".into()),
            Err(message) => wrong.push(format!("its own source does not parse: {message}")),
        }
        Ok(wrong)
    })
}
