//! Segments: run from zero and from the identity, side by side, and composed, they give what one run over all tokens gives.

use crate::agree::{contractive, variable};
use crate::case::{Case, difference};
use crate::problem::Fill;
use crate::rules;
use crate::source::{Source, shrink};
use chunkwise_algebra::segment::{Map, Segment, run, segment};
use chunkwise_algebra::{Evaluator, Plan, Unsupported};
use chunkwise_dsl::class::{Feedback, classify};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::timeline::Timeline;
use chunkwise_dsl::{print, verify};

/// Composes segments of a case and compares with the token loop.
fn compared(rule: &Rule, segment: &Segment, case: &Case, length: usize) -> Result<(), String> {
    for timeline in [Some(&segment.local), segment.transition.as_ref()].into_iter().flatten() {
        verify::timeline(timeline).map_err(|broken| broken.to_string())?;
    }
    let Ok(timeline) = &rule.timeline else { return Err("no timeline".into()) };
    let inputs = case.inputs(rule);
    let expected = Evaluator::new(rule).forward(Plan::Recurrent, &inputs).map_err(|why| why.to_string())?;
    match difference(&run(timeline, segment, &inputs, length), &expected) {
        None => Ok(()),
        Some(what) => {
            Err(format!("{what}; {} tokens in pieces of {length}\n{}", case.tokens, shown(segment)))
        }
    }
}

/// Both timelines, and the maps.
fn shown(segment: &Segment) -> String {
    let transition = segment.transition.as_ref().map_or(String::new(), print::timeline);
    format!("local:\n{}transition:\n{transition}maps: {:?}\n", print::timeline(&segment.local), segment.maps)
}

fn timeline(rule: &Rule) -> Option<&Timeline> {
    rule.timeline.as_ref().ok()
}

/// The rules that have no segments, each with why.
fn refused(rules: &[Rule]) -> Vec<String> {
    let of = |rule: &Rule| -> Option<String> {
        let segment = match segment(timeline(rule)?) {
            Ok(segment) => segment,
            Err(Unsupported(why)) => return Some(why),
        };
        for (tokens, length) in [(0, 4), (1, 3), (7, 3), (23, 8), (23, 1)] {
            let sizes = (0..rule.signature.dims.len()).map(|d| 3 + 2 * d).collect();
            let case = Case::new(rule, sizes, tokens, 3, contractive(rule, timeline(rule)?));
            if let Err(what) = compared(rule, &segment, &case, length) {
                panic!("{}: {what}", rule.signature.name);
            }
        }
        None
    };
    rules.iter().filter_map(of).collect()
}

#[test]
fn segments_of_the_catalogue_compose() {
    insta::assert_snapshot!(refused(&rules::catalogue()).join("\n"));
}

#[test]
fn segments_of_every_class_compose() {
    insta::assert_snapshot!(refused(&rules::others()).join("\n"));
}

/// The two rules of a segment, as text: feedback, decays by channel, a vector state, a rule that keeps everything.
#[test]
fn rules_of_a_segment() {
    let names = ["gated_deltanet", "rwkv7", "linear_attention_normalised", "gla"];
    let of = |rule: &Rule| -> Option<String> {
        let segment = segment(timeline(rule)?).unwrap_or_else(|why| panic!("{why}"));
        Some(format!("{}\n{}", rule.signature.name, shown(&segment)))
    };
    let all = rules::catalogue();
    let chosen = names.iter().filter_map(|name| all.iter().find(|rule| rule.signature.name == *name));
    insta::assert_snapshot!(chosen.filter_map(of).collect::<Vec<_>>().join("\n"));
}

/// One random rule: whether each kind of map was among its states, nothing where it has none.
fn random_rule(source: &mut Source) -> Result<[bool; 6], String> {
    let (rule, fields) = rules::random(source);
    let Some(t) = timeline(&rule) else { return Ok([false; 6]) };
    let sizes = rule.signature.dims.iter().map(|_| source.pick(&[2, 3, 1, 5, 4])).collect();
    let (tokens, length) = (source.pick(&[3, 1, 7, 16, 21, 0]), source.pick(&[4, 1, 16, 3]));
    let segment = match segment(t) {
        Ok(segment) => segment,
        Err(why) if classify(t).feedback == Feedback::None && is_plain(t) => return Err(why.to_string()),
        Err(_) => return Ok([false; 6]),
    };
    let case = Case::new(&rule, sizes, tokens, source.below(1 << 20) as u64, |n| {
        let field = fields.iter().find(|f| f.name == rule.signature.params[n].name);
        field.map_or(Fill::Normal, |f| f.fill)
    });
    compared(&rule, &segment, &case, length).map_err(|what| format!("{what}\n{}", rule.source))?;
    let has = |is: fn(&Map) -> bool| segment.maps.iter().any(is);
    Ok([
        has(|m| matches!(m, Map::Identity)),
        has(|m| matches!(m, Map::Diagonal(_))),
        has(|m| matches!(m, Map::Elements(_))),
        has(|m| matches!(m, Map::Matrices { elements: None, .. })),
        has(|m| matches!(m, Map::Matrices { from, .. } if from.len() > 1)),
        has(|m| matches!(m, Map::Matrices { elements: Some(_), .. })),
    ])
}

/// One state.
fn is_plain(t: &Timeline) -> bool {
    t.forms.len() == 1
}

#[test]
fn segments_of_random_rules_compose() {
    let (first, cases) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 500));
    let mut counts = [0; 6];
    for seed in first..first + cases {
        match random_rule(&mut Source::random(seed)) {
            Ok(found) => counts.iter_mut().zip(found).for_each(|(count, found)| *count += u64::from(found)),
            Err(what) => {
                let small = shrink(seed, &|source| random_rule(source).map(|_| ()), 400);
                panic!("CHUNKWISE_SEED={seed}\n{what}\n\nthe smallest case found:\n{small}");
            }
        }
    }
    println!(
        "of {cases} rules, maps that are the identity, diagonal, by element, matrices, several, both: {counts:?}"
    );
    assert!(cases < 100 || counts.iter().all(|&n| n >= cases / 200), "{counts:?} of {cases}");
}
