//! Numbers at the edge: decays of 0, below 0, of -1e4 and minus infinity in log space; keys that repeat under step sizes up to 2;
//! later tokens; and `f32`.

use crate::agree::contractive;
use crate::case::{Case, difference, farther};
use crate::problem::Fill;
use crate::rules;
use chunkwise_algebra::program::{Program, derive, forward, simplify};
use chunkwise_algebra::{Evaluator, Inputs, Outputs, Plan, Rows};
use chunkwise_dsl::rule::Rule;

const TOKENS: usize = 23;

fn rule(text: &str) -> (Rule, Program) {
    let rule = rules::parse(text).swap_remove(0);
    let program = simplify(&derive(rule.timeline.as_ref().expect("a timeline")).expect("a program"));
    (rule, program)
}

/// The program and the token loop agree, and nothing is a NaN.
fn agrees(rule: &Rule, program: &Program, case: &Case) {
    for chunk in [1, 4, 16, 64] {
        if let Some(what) = case.difference(rule, program, chunk) {
            panic!("{}: {what}", rule.signature.name);
        }
    }
}

/// Sets every third number of a parameter.
fn every_third(case: &mut Case, param: usize, x: f64) {
    case.params[param].iter_mut().step_by(3).for_each(|p| *p = x);
}

#[test]
fn raw_decays_of_zero_and_below() {
    let sides = ["d: Scalar", "d: Vector<K>", "d: Vector<V>"];
    for side in sides {
        let (rule, program) = rule(&format!(
            "#[rule] fn raw(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, {side}) -> Vector<V> {{
                 s *= d;
                 s += outer(k, 0.5 * (v - s.read(k)));
                 s.read(q)
             }}"
        ));
        let mut case = Case::new(&rule, vec![4, 3], TOKENS, 2, |n| match n {
            3 => Fill::Uniform(-1.0, 1.0),
            _ => Fill::Unit,
        });
        every_third(&mut case, 3, 0.0);
        agrees(&rule, &program, &case);
    }
}

#[test]
fn log_decays_down_to_minus_infinity() {
    for side in ["Scalar", "Vector<K>", "Vector<V>"] {
        for lowest in [-50.0, -1e4, f64::NEG_INFINITY] {
            let (rule, program) = rule(&format!(
                "#[rule] fn log(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: {side}) -> Vector<V> {{
                     s *= exp(g);
                     s += outer(k, v - s.read(k));
                     s.read(q)
                 }}"
            ));
            let mut case = Case::new(&rule, vec![4, 3], TOKENS, 4, |n| match n {
                3 => Fill::Uniform(-0.1, 0.0),
                _ => Fill::Unit,
            });
            every_third(&mut case, 3, lowest);
            agrees(&rule, &program, &case);
        }
    }
}

#[test]
fn one_key_again_and_again_with_steps_up_to_two() {
    let (rule, program) = rule(
        "#[rule] fn delta(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
             s += outer(beta * k, v - s.read(k));
             s.read(q)
         }",
    );
    for beta in [1.0, 1.9, 2.0] {
        let mut case = Case::new(&rule, vec![4, 3], 128, 6, |_| Fill::Unit);
        let key = case.params[1][..4].to_vec();
        case.params[1] = key.iter().copied().cycle().take(128 * 4).collect();
        case.params[3].fill(beta);
        agrees(&rule, &program, &case);
    }
}

/// New values for the tokens after `t` change no bit at or before it.
#[test]
fn later_tokens_change_nothing() {
    for rule in rules::catalogue().iter().chain(&rules::others()) {
        let Ok(timeline) = &rule.timeline else { continue };
        let Ok(program) = derive(timeline) else { continue };
        let sizes: Vec<usize> = (0..rule.signature.dims.len()).map(|d| 3 + 2 * d).collect();
        let case = Case::new(rule, sizes.clone(), TOKENS, 8, contractive(rule, timeline));
        let mut other = Case::new(rule, sizes, TOKENS, 9, contractive(rule, timeline));
        let t = 10;
        for (n, p) in rule.signature.params.iter().enumerate() {
            let row = case.params[n].len() / if p.per_head { 1 } else { TOKENS };
            let kept = if p.per_head { row } else { row * (t + 1) };
            other.params[n][..kept].copy_from_slice(&case.params[n][..kept]);
        }
        other.states.clone_from(&case.states);
        for chunk in [4, 16, 64] {
            let [before, after] = [&case, &other].map(|c| forward(&program, chunk, &c.inputs(rule)).outputs);
            for (x, y) in before.iter().zip(&after) {
                let kept = x.len() / TOKENS * (t + 1);
                let bits = |o: &[f64]| o[..kept].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(x), bits(y), "{}, chunk {chunk}, seeds 8 and 9", rule.signature.name);
                assert_ne!(x[kept..], y[kept..], "{} does not see its inputs", rule.signature.name);
            }
        }
    }
}

#[test]
fn programs_run_in_single_precision() {
    for rule in rules::catalogue() {
        let Ok(timeline) = &rule.timeline else { continue };
        let Ok(program) = derive(timeline) else { continue };
        let sizes = (0..rule.signature.dims.len()).map(|d| 3 + 2 * d).collect();
        let case = Case::new(&rule, sizes, TOKENS, 1, contractive(&rule, timeline));
        let inputs = case.inputs(&rule);
        let expected = Evaluator::new(&rule).forward(Plan::Recurrent, &inputs).expect("a token loop");
        let narrow = |x: &Vec<f64>| x.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        let params: Vec<Vec<f32>> = case.params.iter().map(narrow).collect();
        let rows = inputs.params.iter().zip(&params).map(|(r, data)| Rows { data, ..rows(r) });
        let inputs = Inputs {
            sizes: inputs.sizes,
            tokens: inputs.tokens,
            params: rows.collect(),
            states: case.states.iter().map(narrow).collect(),
        };
        let found = forward(&program, 8, &inputs);
        let wide = |x: &Vec<f32>| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let found = Outputs {
            outputs: found.outputs.iter().map(wide).collect(),
            states: found.states.iter().map(wide).collect(),
        };
        let name = &rule.signature.name;
        assert!(farther(1e-4, &found, &expected).is_none(), "{name}: {:?}", farther(1e-4, &found, &expected));
        assert!(difference(&found, &expected).is_some(), "{name} is not computed in single precision");
    }
}

/// The layout of rows, without their data.
fn rows(r: &Rows<'_, f64>) -> Rows<'static, f32> {
    Rows { data: &[], start: r.start, token: r.token, index: r.index, len: r.len }
}
