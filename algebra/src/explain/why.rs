//! The class of a rule, each part with the expressions that decide it.

use super::system::System;
use chunkwise_dsl::class::{self, Class, Decay, Feedback};
use chunkwise_dsl::graph::{ReadId, Value};
use chunkwise_dsl::print::{self, Printer};
use chunkwise_dsl::timeline::{Event, Side};

/// Label and reason, in reading order.
pub(crate) fn reasons(s: &System<'_>, p: &Printer<'_>) -> Vec<(String, String)> {
    let class = class::classify(s.t);
    vec![
        ("decay".into(), decay(s, p, &class)),
        ("feedback".into(), feedback(s, p, &class)),
        ("rank".into(), rank(s, &class)),
        ("states".into(), states(s, &class)),
    ]
}

fn decay(s: &System<'_>, p: &Printer<'_>, class: &Class) -> String {
    let mut parts: Vec<String> = Vec::new();
    for event in &s.t.events {
        if let Event::Decay { state, factor } = event {
            let what = match s.t.side(*state, factor.value()) {
                Side::Scalar => "scales all of",
                Side::Key => "scales the rows of",
                Side::Value => "scales the columns of",
            };
            parts.push(format!(
                "`{}` {what} {}",
                print::factor(p, *factor),
                s.t.signature.state(*state).name
            ));
        }
    }
    let meaning = match class.decay {
        Decay::None => return "none: no event scales a state".into(),
        Decay::Constant => "the same at every token: masks are known in advance",
        Decay::Scalar => "one number a token: it leaves every Gram matrix as a mask",
        Decay::Key => "a vector over the key: it stays inside the Gram matrices",
        Decay::Value => "a vector over the value: it scales the channels of what is written and read",
        Decay::Both => {
            "on both sides: inside the Gram matrices, and on the channels of what is written and read"
        }
    };
    format!("{}: {}; {meaning}", class.decay, parts.join(", "))
}

fn feedback(s: &System<'_>, p: &Printer<'_>, class: &Class) -> String {
    let evidence: Vec<String> = s
        .feedback_writes()
        .into_iter()
        .map(|w| {
            let write = &s.writes[w];
            let reads: Vec<String> = write.reads.iter().map(|r| read(s, p, *r)).collect();
            let value = shown(s, p, write.value);
            format!("`{value}` is written and uses {}", reads.join(" and "))
        })
        .collect();
    let meaning = match class.feedback {
        Feedback::None => {
            return "none: no written value depends on what is read, so there is nothing to solve".into();
        }
        Feedback::Linear => "one number per token and read, so one triangular solve a chunk",
        Feedback::PerChannel => "value channels stay apart: substitution row by row, all channels at once",
        Feedback::RowMixing => "value channels meet: substitution row by row, with a reduction over each row",
    };
    format!("{}: {}; {meaning}", class.feedback, evidence.join("; "))
}

/// A value in full: a user's name is opened once, so that the reads in it show.
fn shown(s: &System<'_>, p: &Printer<'_>, v: Value) -> String {
    let text = p.show(v);
    let definition = p.definitions().into_iter().find(|(name, _)| *name == text);
    match definition {
        Some((name, body)) if s.t.graph.expr(v).operands().next().is_some() => format!("{name} = {body}"),
        _ => text,
    }
}

fn read(s: &System<'_>, p: &Printer<'_>, r: ReadId) -> String {
    let read = s.t.read(r);
    format!("{r} = `{}.read({})`", s.t.signature.state(read.state).name, p.show(read.key))
}

fn rank(s: &System<'_>, class: &Class) -> String {
    let reads = count(class.reads, "read");
    let writes = count(class.writes, "write");
    let transition = match class.rank {
        0 => "the transition is diagonal".to_string(),
        n => format!("the transition is diagonal plus rank {n}"),
    };
    let lanes = match s.lanes() {
        Some(l) => format!(", {} steps of one form, stacked", l.len()),
        None => String::new(),
    };
    format!("{}: {reads} and {writes} a token{lanes}; {transition}", class.rank)
}

fn states(s: &System<'_>, class: &Class) -> String {
    let n = s.t.forms.len();
    let coupled: Vec<&str> =
        s.t.signature
            .state_ids()
            .filter(|i| s.coupled[i.index()])
            .map(|i| s.t.signature.state(i).name.as_str())
            .collect();
    let kind = match (n, coupled.len()) {
        (1, _) => "one".to_string(),
        (_, 0) => format!("{n}, each by itself"),
        _ => format!(
            "{n}, coupled: {} are mixed by scalars, the masks are products of masks",
            coupled.join(" and ")
        ),
    };
    match class.passes {
        1 => format!("{kind}; one pass over a chunk"),
        n => format!(
            "{kind}; {n} passes over a chunk: keys or decays of a later state are made of reads of an earlier one"
        ),
    }
}

/// `1 read`, `2 reads`.
pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
