//! The dual of a timeline has a chunk program like any other: walked backwards, its final states are the gradients of the initial
//! ones.

use crate::agree::contractive;
use crate::case::Case;
use crate::problem::{Fill, random_array};
use crate::random::Random;
use crate::rules;
use crate::source::Source;
use chunkwise_algebra::adjoint::{Meaning, adjoint};
use chunkwise_algebra::program::{Walk, derive, print, run, simplify, verify};
use chunkwise_algebra::{Cotangents, Evaluator, Outputs, Plan, events};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::timeline::Timeline;

/// Cotangents of every output and final state.
fn cotangents(outputs: &Outputs<f64>, seed: u64) -> Cotangents<f64> {
    let mut random = Random::new(seed);
    let mut like = |tensors: &[Vec<f64>]| -> Vec<Vec<f64>> {
        tensors.iter().map(|x| random_array(&mut random, vec![x.len()], Fill::Normal).data).collect()
    };
    Cotangents { outputs: like(&outputs.outputs), states: like(&outputs.states) }
}

/// Compares; says what is wrong.
fn wrong(rule: &Rule, timeline: &Timeline, case: &Case, chunk: usize) -> Option<String> {
    let inputs = case.inputs(rule);
    let loops = Evaluator::new(rule);
    let outputs = loops.forward(Plan::Recurrent, &inputs).expect("every rule has a token loop");
    let d = cotangents(&outputs, 17);
    let (_, expected) = loops.backward(Plan::Recurrent, &inputs, &d).expect("every rule has a token loop");
    let mut reads = vec![vec![Vec::new(); timeline.reads.len()]; case.tokens];
    let found =
        |token: usize, r: chunkwise_dsl::graph::ReadId, p: &[f64]| reads[token][r.index()] = p.to_vec();
    events::run(timeline, &inputs, 0..case.tokens, |_, _, _| {}, found);
    let dual = adjoint(timeline);
    let given = |n: u32, token: usize, out: &mut [f64]| match dual.givens[n as usize] {
        Meaning::Read(r) => out.copy_from_slice(&reads[token][r.index()]),
        Meaning::Output(i) => {
            let n = out.len();
            out.copy_from_slice(&d.outputs[i][token * n..(token + 1) * n]);
        }
        _ => {}
    };
    let program = match derive(&dual.dual) {
        Ok(program) => simplify(&program),
        Err(why) => return Some(why.to_string()),
    };
    if let Err(broken) = verify(&program) {
        return Some(broken.to_string());
    }
    let start = chunkwise_algebra::Inputs { states: d.states.clone(), ..inputs };
    let back = run(&program, chunk, &start, &Walk { reversed: true, given: &given });
    let states = |states: Vec<Vec<f64>>| Outputs { outputs: vec![], states };
    let difference = crate::case::difference(&states(back.states), &states(expected.states));
    difference.map(|what| format!("{what}; chunk {chunk}\n{}", print(&program)))
}

#[test]
fn duals_of_rules() {
    for rule in rules::catalogue().iter().chain(&rules::others()) {
        let Ok(timeline) = &rule.timeline else { continue };
        if derive(timeline).is_err() {
            continue;
        }
        let sizes = (0..rule.signature.dims.len()).map(|d| 3 + 2 * d).collect();
        let case = Case::new(rule, sizes, 21, 9, contractive(rule, timeline));
        for chunk in [1, 8, 32] {
            if let Some(what) = wrong(rule, timeline, &case, chunk) {
                panic!("the dual of {}, seed 9: {what}", rule.signature.name);
            }
        }
    }
}

#[test]
fn duals_of_random_rules() {
    for seed in 1..=100 {
        let mut source = Source::random(seed);
        let (rule, fields) = rules::random(&mut source);
        let timeline = rule.timeline.as_ref().unwrap_or_else(|why| panic!("{why}\n{}", rule.source));
        let sizes = rule.signature.dims.iter().map(|_| source.pick(&[2, 3, 1, 5, 4])).collect();
        let case = Case::new(&rule, sizes, source.pick(&[3, 1, 7, 16]), seed, |n| {
            let field = fields.iter().find(|f| f.name == rule.signature.params[n].name);
            field.map_or(Fill::Normal, |f| f.fill)
        });
        if let Some(what) = wrong(&rule, timeline, &case, source.pick(&[4, 1, 16])) {
            panic!("seed {seed}: {what}\n{}", rule.source);
        }
    }
}
