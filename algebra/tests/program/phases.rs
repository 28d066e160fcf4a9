//! The cut by dependence on the carried state.

use crate::rules;
use chunkwise_algebra::program::{Op, Phase, Program, derive, phases, simplify, simplify_by};
use std::fmt::Write;

fn programs() -> Vec<(String, Program)> {
    let rules = [rules::catalogue(), rules::others()].concat();
    let derived = rules.iter().filter_map(|r| {
        let program = derive(r.timeline.as_ref().ok()?).ok()?;
        Some((r.signature.name.clone(), simplify(&program)))
    });
    derived.collect()
}

/// Matrices by phase, for people.
#[test]
fn kinds_of_matrices_by_phase() {
    let mut text = String::new();
    for (name, p) in programs() {
        let _ = writeln!(text, "{name}");
        let phases = phases(&p);
        for phase in [Phase::Before, Phase::Carry, Phase::After] {
            let kinds =
                p.nodes.iter().zip(&phases).filter(|(_, at)| **at == phase).map(|(n, _)| match n.op {
                    Op::Values(_) => "values",
                    Op::Scale(..) => "scale",
                    Op::Add(..) => "add",
                    Op::Gram(..) => "gram",
                    Op::Plain(..) => "plain",
                    Op::Decay(..) => "decay",
                    Op::Tap(_) => "tap",
                    Op::Inverse(_) => "inverse",
                    Op::Product(..) => "product",
                    Op::Reach { .. } => "reach",
                    Op::Solved(..) => "solved",
                });
            let kinds: Vec<&str> = kinds.collect();
            if !kinds.is_empty() {
                let _ = writeln!(text, "    {phase:?}: {}", kinds.join(", "));
            }
        }
    }
    insta::assert_snapshot!(text);
}

/// Without its outputs a program has no matrix that only they use; without a solve, nothing needs the state to be carried.
#[test]
fn what_outputs_alone_use_comes_after() {
    let mut solves = 0;
    for (name, mut p) in programs() {
        let feedback = p.nodes.iter().any(|n| matches!(n.op, Op::Inverse(_) | Op::Solved(..)));
        let carried = phases(&p).contains(&Phase::Carry);
        assert!(feedback || !carried, "{name} carries without feedback");
        solves += usize::from(carried);
        p.reads.clear();
        p.timeline.outputs.clear();
        let rest = simplify_by(&p, &[]);
        assert!(!phases(&rest).contains(&Phase::After), "{name}: {:?}", phases(&rest));
    }
    assert!(solves >= 15, "only {solves} programs carry");
}
