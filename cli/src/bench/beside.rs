//! Times of others beside ours: of flash-linear-attention, as the GPU bundle measures them, or of anything that writes such a file.
//!
//! ```text
//! {"gpu": "NVIDIA H200", "cases": [{"rule": "gla", "peer": "chunk_gla", "dtype": "bf16", "B": 1, "T": 8192, "H": 16, "D": 128,
//!                                   "ms": 0.61}, ..]}
//! rule  plan   ..  measured  beside  beside/measured
//! gla   fused  ..     0.205   0.610             2.98
//! ```
//!
//! `D` is the size of every dim. A case whose keys have fewer heads (`HK`) is none of a bench's problems. A case whose `ms` is missing
//! failed there. Of several for one problem the fastest counts. A
//! figure is shown for its own problem and for no other; so a file that has a rule, but of other shapes, is refused.

use super::Problem;
use crate::failure::{Failure, Outcome};
use chunkwise::Rule;
use chunkwise_codegen::DType;
use serde_json::Value;
use std::path::Path;

/// Times of others.
#[derive(Clone, PartialEq, Debug)]
pub struct Beside {
    /// The file's name.
    pub file: String,
    /// The GPU that they were measured on, where the file says so.
    pub gpu: Option<String>,
    cases: Vec<Case>,
}

/// What was timed, of which rule.
#[derive(Clone, PartialEq, Debug)]
struct Case {
    rule: String,
    dtype: String,
    /// `B`, `T`, `H`, `D`.
    shape: [usize; 4],
    /// The function.
    peer: String,
    /// `None` where it failed.
    ms: Option<f64>,
}

/// The fastest of a problem.
#[derive(Clone, PartialEq, Debug)]
pub struct Fastest {
    /// The function.
    pub peer: String,
    /// Milliseconds.
    pub ms: f64,
}

impl Beside {
    /// Reads a file.
    ///
    /// # Errors
    /// A mistake where it cannot be read, or is no such file.
    pub fn read(path: &Path) -> Outcome<Beside> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::mistake(format!("cannot read {file}: {error}"), "give the file that has the times")
        })?;
        Beside::parse(&file, &text)
    }

    fn parse(file: &str, text: &str) -> Outcome<Beside> {
        let wrong = |what: String| {
            Failure::mistake(
                format!("{file} {what}"),
                "it is `peers.json`, which the GPU bundle writes (`./gpu/run.sh OUT`): {\"cases\": [{\"rule\", \"peer\", \
                 \"dtype\", \"B\", \"T\", \"H\", \"D\", \"ms\"}, ..]}",
            )
        };
        let document: Value =
            serde_json::from_str(text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
        let cases = document["cases"].as_array().ok_or_else(|| wrong("has no list `cases`".to_owned()))?;
        let one = |(at, case): (usize, &Value)| -> Outcome<Case> {
            let lacks = |key: &str| wrong(format!("says no `{key}` of case {at}"));
            let word = |key: &str| case[key].as_str().map(str::to_owned).ok_or_else(|| lacks(key));
            let size = |key: &str| {
                let size = case[key].as_u64().and_then(|n| usize::try_from(n).ok());
                size.ok_or_else(|| lacks(key))
            };
            let ms = match &case["ms"] {
                Value::Null => None,
                given => Some(given.as_f64().filter(|ms| *ms > 0.0).ok_or_else(|| lacks("ms"))?),
            };
            let shape = [size("B")?, size("T")?, size("H")?, size("D")?];
            Ok(Case { rule: word("rule")?, dtype: word("dtype")?, shape, peer: word("peer")?, ms })
        };
        let is_grouped = |case: &Value| !case["HK"].is_null() && case["HK"] != case["H"];
        let whole = cases.iter().enumerate().filter(|(_, case)| !is_grouped(case));
        let cases = whole.map(one).collect::<Outcome<_>>()?;
        Ok(Beside { file: file.to_owned(), gpu: document["gpu"].as_str().map(str::to_owned), cases })
    }

    /// The fastest of a rule and problem; `None` where nobody has the rule, or everybody failed.
    ///
    /// # Errors
    /// A mistake where there are times of the rule, but all of other problems.
    pub fn fastest(
        &self,
        rule: &Rule,
        sizes: &[usize],
        problem: Problem,
        dtype: DType,
    ) -> Outcome<Option<Fastest>> {
        let name = &rule.signature.name;
        let of_rule: Vec<&Case> = self.cases.iter().filter(|case| case.rule == *name).collect();
        let Problem { batch, tokens, heads } = problem;
        let is_same = |case: &&&Case| {
            let [b, t, h, d] = case.shape;
            (b, t, h) == (batch, tokens, heads)
                && sizes.iter().all(|size| *size == d)
                && case.dtype == dtype.to_string()
        };
        let same: Vec<&&Case> = of_rule.iter().filter(is_same).collect();
        if same.is_empty() && !of_rule.is_empty() {
            let mut shapes: Vec<String> = of_rule.iter().map(|case| flags(case)).collect();
            shapes.dedup();
            return Err(Failure::mistake(
                format!(
                    "{} has `{name}`, but not in {dtype} with B = {batch}, T = {tokens}, H = {heads} and dims {sizes:?}",
                    self.file
                ),
                format!("it has {}", shapes.join("; ")),
            ));
        }
        let times = same.iter().filter_map(|case| Some((case.ms?, &case.peer)));
        let fastest = times.min_by(|x, y| x.0.total_cmp(&y.0));
        Ok(fastest.map(|(ms, peer)| Fastest { peer: peer.clone(), ms }))
    }

    /// That some rule has a figure, and each that the file has is of the bench's problem; before anything is counted, which takes
    /// its time.
    ///
    /// # Errors
    /// A mistake where the file has none of the rules, and as [`Beside::fastest`].
    pub fn check(&self, rules: &[(&Rule, Vec<usize>)], problem: Problem, dtype: DType) -> Outcome {
        for (rule, sizes) in rules {
            self.fastest(rule, sizes, problem, dtype)?;
        }
        let has = |(rule, _): &(&Rule, _)| self.cases.iter().any(|case| case.rule == rule.signature.name);
        if rules.iter().any(has) {
            return Ok(());
        }
        let mut names: Vec<&str> = self.cases.iter().map(|case| case.rule.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        Err(Failure::mistake(
            format!("{} has a time of none of these rules", self.file),
            format!("its rules are {}", names.join(", ")),
        ))
    }
}

/// What has to be asked for to have a case's problem.
fn flags(case: &Case) -> String {
    let [b, t, h, d] = case.shape;
    format!("--batch {b} --tokens {t} --heads {h} -k {d} -v {d} --dtype {}", case.dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"gpu": "NVIDIA H200", "fla": "0.6.0", "cases": [
        {"rule": "gla", "peer": "fused_recurrent_gla", "dtype": "bf16", "B": 1, "T": 64, "H": 2, "D": 32, "ms": 3.5},
        {"rule": "gla", "peer": "chunk_gla", "dtype": "bf16", "B": 1, "T": 64, "HK": 2, "H": 2, "D": 32, "ms": 0.5},
        {"rule": "gla", "peer": "chunk_gla", "dtype": "bf16", "B": 1, "T": 64, "HK": 1, "H": 2, "D": 32, "ms": 0.1},
        {"rule": "kda", "peer": "chunk_kda", "dtype": "bf16", "B": 1, "T": 64, "H": 2, "D": 32, "error": "no"}]}"#;

    const PROBLEM: Problem = Problem { batch: 1, tokens: 64, heads: 2 };

    #[test]
    fn the_fastest_of_the_same_problem_counts() {
        let beside = Beside::parse("peers.json", TEXT).unwrap();
        let of = |rule: &Rule, size: usize, problem| {
            beside.fastest(rule, &vec![size; rule.signature.dims.len()], problem, DType::BF16)
        };
        let gla = of(chunkwise::rules::gla(), 32, PROBLEM).unwrap();
        assert_eq!(gla, Some(Fastest { peer: "chunk_gla".to_owned(), ms: 0.5 }));
        // It failed there; nobody has it.
        assert_eq!(of(chunkwise::rules::kda(), 32, PROBLEM).unwrap(), None);
        assert_eq!(of(chunkwise::rules::retnet(), 32, PROBLEM).unwrap(), None);
        for (size, tokens) in [(64, 64), (32, 65)] {
            let refused = of(chunkwise::rules::gla(), size, Problem { tokens, ..PROBLEM }).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(
                refused.text().contains("--tokens 64 --heads 2 -k 32 -v 32 --dtype bf16"),
                "{}",
                refused.text()
            );
        }
        assert!(beside.fastest(chunkwise::rules::gla(), &[32, 32], PROBLEM, DType::F16).is_err());
    }

    #[test]
    fn what_has_none_of_the_rules_is_refused() {
        let beside = Beside::parse("peers.json", TEXT).unwrap();
        let check = |rules: &[&'static Rule]| {
            let rules: Vec<_> =
                rules.iter().map(|rule| (*rule, vec![32; rule.signature.dims.len()])).collect();
            beside.check(&rules, PROBLEM, DType::BF16)
        };
        assert!(check(&[chunkwise::rules::retnet(), chunkwise::rules::gla()]).is_ok());
        let refused = check(&[chunkwise::rules::retnet()]).unwrap_err();
        assert!(refused.text().contains("its rules are gla, kda"), "{}", refused.text());
    }

    #[test]
    fn other_files_are_mistakes() {
        for (text, what) in [
            ("", "is no JSON"),
            ("[]", "has no list `cases`"),
            (
                r#"{"cases": [{"rule": "gla", "peer": "f", "dtype": "bf16", "B": 1, "T": 1, "H": 1}]}"#,
                "no `D` of case 0",
            ),
            (
                r#"{"cases": [{"rule": "gla", "peer": "f", "dtype": "bf16", "B": 1, "T": 1, "H": 1, "D": 1, "ms": "a"}]}"#,
                "no `ms` of case 0",
            ),
        ] {
            let refused = Beside::parse("times.json", text).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(
                refused.text().contains(what) && refused.text().contains("peers.json"),
                "{}",
                refused.text()
            );
        }
    }
}
