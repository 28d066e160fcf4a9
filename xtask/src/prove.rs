//! Running kernels in the simulator against the token loop in f64: the share that a test run takes, or all of them.
//!
//! ```text
//! cargo xtask prove                                   some kernels of each rule
//! cargo xtask prove --all                             every rule, element type and size; hours
//! cargo xtask prove --rule gla --seed 7
//! cargo xtask prove --case gla/bf16/K=64,V=100/7      one kernel, as a failure names it
//! ```
//!
//! The work is done by `tests/simulator`, which takes its orders from the environment, so that a test run and a proof
//! are one program.

use crate::command::cargo;
use std::process::ExitCode;

/// Options, and the variables that `tests/simulator` reads them from.
const OPTIONS: [(&str, &str); 3] =
    [("--seed", "CHUNKWISE_SEED"), ("--rule", "CHUNKWISE_RULE"), ("--case", "CHUNKWISE_CASE")];

/// What the command line asks for, as variables.
///
/// # Errors
/// The first word that is no option, or an option without its value.
pub(crate) fn variables<'a>(words: &[&'a str]) -> Result<Vec<(&'static str, &'a str)>, String> {
    let mut variables = Vec::new();
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        if word == "--all" {
            variables.push(("CHUNKWISE_PROVE", "all"));
            continue;
        }
        let known = OPTIONS.iter().find(|(option, _)| *option == word);
        let (option, variable) = known.ok_or_else(|| format!("`prove` has no option `{word}`"))?;
        let value = words.next().ok_or_else(|| format!("`{option}` needs a value"))?;
        if *option == "--seed" && value.parse::<u64>().is_err() {
            return Err(format!("`--seed {value}`: a seed is a whole number"));
        }
        variables.push((*variable, *value));
    }
    Ok(variables)
}

/// Runs the proof; what fails is named on the way, with the command that repeats it.
pub(crate) fn run(variables: &[(&str, &str)]) -> ExitCode {
    let test = ["test", "--quiet", "--package", "chunkwise", "--test", "simulator", "--"];
    let arguments = [test.as_slice(), &["--exact", "every_kernel", "--nocapture"]].concat();
    match cargo(&arguments, variables) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nFAILED: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_variables() {
        assert_eq!(variables(&[]), Ok(vec![]));
        let all = variables(&["--all", "--seed", "7", "--rule", "gla"]).unwrap();
        assert_eq!(all, [("CHUNKWISE_PROVE", "all"), ("CHUNKWISE_SEED", "7"), ("CHUNKWISE_RULE", "gla")]);
        for wrong in [["--al", ""].as_slice(), &["--seed"], &["--seed", "x"], &["gla"]] {
            assert!(variables(wrong).is_err(), "{wrong:?}");
        }
    }
}
