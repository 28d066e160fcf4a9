//! Golden timelines: for each rule of `rules/all.rs`, its timeline, its class and its dual, as whole files.

use chunkwise_algebra::adjoint::adjoint;
use chunkwise_dsl::class::classify;
use chunkwise_dsl::{parse_file, print};
use std::fmt::Write;

#[test]
fn timelines_and_their_duals() {
    let rules = match parse_file(include_str!("rules/all.rs")) {
        Ok(rules) => rules,
        Err(report) => panic!("{report:?}"),
    };
    let mut text = String::new();
    for rule in &rules {
        let _ = writeln!(text, "== {}", rule.signature.name);
        match &rule.timeline {
            Ok(t) => {
                let class = classify(t);
                let _ = writeln!(text, "{class}\n\n{}", print::timeline(t));
                if class.passes == 1 {
                    let _ = writeln!(text, "-- dual\n{}", print::timeline(&adjoint(t).dual));
                }
            }
            Err(why) => {
                let _ = writeln!(text, "recurrent only: {}\n", why.message);
            }
        }
    }
    insta::assert_snapshot!(text);
}
