//! Chunk programs give what token loops give.

use crate::case::Case;
use crate::problem::Fill;
use crate::rules;
use crate::source::{Source, shrink};
use chunkwise_algebra::program::{Op, Program, System, derive, print, simplify, verify};
use chunkwise_dsl::class::{Decay, Feedback, classify};
use chunkwise_dsl::graph::{Expr, Shape, Value};
use chunkwise_dsl::print::timeline as shown_timeline;
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::timeline::{Event, Factor, Timeline};

/// Tokens and the chunk lengths that they are cut into.
const LENGTHS: [(usize, &[usize]); 4] = [(0, &[4]), (1, &[1, 8]), (7, &[1, 3, 16]), (37, &[1, 8, 64])];

/// Values for parameters with which no state grows: logarithms of decays below 0, keys of length 1, the rest between 0 and 1.
pub(crate) fn contractive(rule: &Rule, timeline: &Timeline) -> impl Fn(usize) -> Fill {
    let log = |v: Value| match timeline.graph.expr(v) {
        Expr::Param(p, _) => Some(p.index()),
        _ => None,
    };
    let logs = timeline.events.iter().filter_map(|e| match e {
        Event::Decay { factor: Factor::Log(v), .. } => log(*v),
        _ => None,
    });
    let (logs, shapes): (Vec<usize>, Vec<Shape>) =
        (logs.collect(), rule.signature.params.iter().map(|p| p.shape).collect());
    move |n| match shapes[n] {
        _ if logs.contains(&n) => Fill::Uniform(-1.0, 0.0),
        Shape::Scalar => Fill::Uniform(0.0, 1.0),
        _ => Fill::Unit,
    }
}

/// Whether the rule has a program; panics where that gives other results than the token loop.
fn agrees(rule: &Rule) -> bool {
    let name = &rule.signature.name;
    let Ok(timeline) = &rule.timeline else { return false };
    let Ok(program) = derive(timeline) else { return false };
    let simpler = simplify(&program);
    verify(&simpler).unwrap_or_else(|broken| panic!("{name}, simplified: {broken}\n{}", print(&simpler)));
    if let Some(what) = misclassified(timeline, &program) {
        panic!("{name}: {what}");
    }
    verify(&program).unwrap_or_else(|broken| panic!("{name}: {broken}\n{}", print(&program)));
    for (tokens, chunks) in LENGTHS {
        let seed = 1 + tokens as u64;
        let sizes = (0..rule.signature.dims.len()).map(|d| 3 + 2 * d).collect();
        let case = Case::new(rule, sizes, tokens, seed, contractive(rule, timeline));
        for &chunk in chunks {
            let wrong = [&program, &simpler].into_iter().find_map(|p| case.difference(rule, p, chunk));
            if let Some(what) = wrong {
                panic!("{name}: {what}; seed {seed}\n{}", shown_timeline(timeline));
            }
        }
    }
    true
}

/// Runs all, and names those without a program.
fn refused(rules: &[Rule]) -> Vec<&str> {
    rules.iter().filter(|r| !agrees(r)).map(|r| r.signature.name.as_str()).collect()
}

#[test]
fn rules_of_the_catalogue() {
    assert_eq!(refused(&rules::catalogue()), [""; 0]);
}

#[test]
fn rules_of_every_class() {
    // One timeline reads keys from reads, the others are token loops by their own wish.
    assert_eq!(refused(&rules::others()), ["two_passes", "squashed", "recurrent", "two_passes"]);
}

pub(crate) fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// One random rule: its program, as it is derived and simplified, or what is wrong with it.
fn random_rule(source: &mut Source) -> Result<(Program, Program), String> {
    let (rule, fields) = rules::random(source);
    let Ok(timeline) = &rule.timeline else { return Err(format!("no timeline\n{}", rule.source)) };
    let sizes = rule.signature.dims.iter().map(|_| source.pick(&[2, 3, 1, 5, 4])).collect();
    let (tokens, chunk) = (source.pick(&[3, 1, 7, 16, 21, 0]), source.pick(&[4, 1, 16, 2, 64]));
    let seed = source.below(1 << 20) as u64;
    let case = Case::new(&rule, sizes, tokens, seed, |n| {
        let field = fields.iter().find(|f| f.name == rule.signature.params[n].name);
        field.map_or(Fill::Normal, |f| f.fill)
    });
    let shown = |what| format!("{what}; seed {seed}\n{}\n{}", rule.source, shown_timeline(timeline));
    let program = derive(timeline).map_err(|why| shown(why.to_string()))?;
    verify(&program).map_err(|broken| shown(broken.to_string()))?;
    let simpler = simplify(&program);
    verify(&simpler).map_err(|broken| shown(format!("simplified: {broken}")))?;
    if let Some(what) = misclassified(timeline, &program) {
        return Err(shown(what));
    }
    for p in [&program, &simpler] {
        let text = print(p);
        let defined = text.lines().filter(|l| !l.starts_with(' '));
        let names: Vec<&str> =
            defined.filter_map(|l| l.split_once(" = ")).map(|(name, _)| name.trim()).collect();
        let twice = names.iter().enumerate().find(|(n, name)| names[..*n].contains(name));
        if let Some((_, name)) = twice {
            return Err(shown(format!("the text defines `{name}` twice:\n{text}")));
        }
    }
    let wrong = [&program, &simpler].into_iter().find_map(|p| case.difference(&rule, p, chunk));
    match wrong {
        None => Ok((program, simpler)),
        Some(what) => Err(shown(what)),
    }
}

/// The program has the form that the rule's class of feedback asks for: nothing, an inverse, or rows in order.
fn misclassified(timeline: &Timeline, program: &Program) -> Option<String> {
    let inverses = program.nodes.iter().filter(|n| matches!(n.op, Op::Inverse(_))).count();
    let waits = |s: &System| s.sought.iter().any(|s| s.grams.iter().any(Option::is_some));
    let in_order = program.systems.iter().filter(|s| waits(s)).count();
    let class = classify(timeline);
    // What channels decay by has no inverse, nor have states that wait for each other.
    let channels = matches!(class.decay, Decay::Value | Decay::Both);
    let fits = match class.feedback {
        Feedback::None => inverses == 0 && in_order == 0,
        Feedback::Linear if channels || timeline.forms.len() > 1 => true,
        Feedback::Linear => inverses == 1 && in_order == 0,
        Feedback::PerChannel | Feedback::RowMixing => in_order > 0 || timeline.forms.len() > 1,
    };
    (!fits).then(|| format!("{class}, but {inverses} inverses and {in_order} systems\n{}", print(program)))
}

#[test]
fn random_rules() {
    let (first, cases) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 500));
    // Solves, rows in order, channels that decay, coupled states, inverses that several states share.
    let mut counts = [0; 5];
    for seed in first..first + cases {
        match random_rule(&mut Source::random(seed)) {
            Ok((program, simpler)) => {
                let shares = |op: &Op| match *op {
                    Op::Decay(_, _, x) => matches!(simpler.node(x).op, Op::Inverse(_)),
                    _ => false,
                };
                let has = |op: fn(&Op) -> bool| program.nodes.iter().any(|n| op(&n.op));
                let found = [
                    has(|op| matches!(op, Op::Inverse(_))),
                    has(|op| matches!(op, Op::Solved(..))),
                    has(|op| matches!(op, Op::Reach { .. })),
                    program.timeline.coupled().contains(&true),
                    simpler.nodes.iter().any(|n| shares(&n.op)),
                ];
                counts.iter_mut().zip(found).for_each(|(count, found)| *count += u64::from(found));
            }
            Err(what) => {
                let small = shrink(seed, &|source| random_rule(source).map(|_| ()), 400);
                panic!("CHUNKWISE_SEED={seed}\n{what}\n\nthe smallest case found:\n{small}");
            }
        }
    }
    println!("of {cases} programs, solves, systems, channels, coupled states, shared inverses: {counts:?}");
    let least = [50, 50, 50, 50, 200].map(|part| cases / part);
    assert!(cases < 100 || counts.iter().zip(least).all(|(&n, least)| n >= least), "{counts:?} of {cases}");
}
