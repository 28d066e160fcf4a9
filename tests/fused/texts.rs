//! The whole text of three kernels, the kernels of others without their helpers, and what the kernels of five rules do in a chunk,
//! counted in the simulator, as golden files. `INSTA_UPDATE=always cargo test --test fused` renews them.

use crate::case::{Case, dense, fused};
use chunkwise::Arch;
use chunkwise_codegen::Plan;
use chunkwise_runtime::counters::Counters;
use std::fmt::Write;

/// No feedback, a decay with feedback, several steps a token.
const TEXTS: [&str; 3] = ["linear_attention", "gated_deltanet", "deltaproduct2"];

/// Decays by channel, with feedback too; feedback that is not linear, by channel and by row; states that meet in a mix; decays of
/// value channels: the header and the kernel itself, without the helpers.
const ENTRIES: [&str; 6] =
    ["gla", "kda", "longhorn", "ttt_linear_online", "momentum_delta", "decaying_fast_weights"];

/// Besides, decays by channel.
const COUNTED: [&str; 5] = ["linear_attention", "gla", "gated_deltanet", "kda", "deltaproduct2"];

fn case(name: &str) -> Case {
    let found = fused(128, 128).into_iter().find(|case| case.rule.signature.name == name);
    found.unwrap_or_else(|| panic!("{name} has no kernel"))
}

#[test]
fn texts() {
    for name in TEXTS {
        let kernel = case(name).kernel(Arch::Sm80).unwrap_or_else(|why| panic!("{name}: {why}"));
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, kernel.source);
        });
    }
}

#[test]
fn entries() {
    for name in ENTRIES {
        let kernel = case(name).kernel(Arch::Sm80).unwrap_or_else(|why| panic!("{name}: {why}"));
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, entry(&kernel.source));
        });
    }
}

/// A narrow block with two crews of warps: the kernel itself, without the helpers.
#[test]
fn crews_text() {
    let case = Case { columns: 64, arch: Arch::Sm90, ..case("gated_deltanet") };
    let kernel = case.kernel(Arch::Sm90).unwrap_or_else(|why| panic!("{why}"));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("gated_deltanet_crews", entry(&kernel.source));
    });
}

/// The header and the kernel itself.
fn entry(source: &str) -> String {
    let parts = source.split_once("\n\n").zip(source.split_once("extern \"C\""));
    let ((header, _), (_, entry)) = parts.unwrap_or_else(|| panic!("no header, or no kernel:\n{source}"));
    format!("{header}\n\nextern \"C\"{entry}")
}

/// Of the plan `split` what is its own: the kernels themselves, without the helpers.
#[test]
fn split_texts() {
    let case = Case { plan: Plan::Split, ..case("gated_deltanet") };
    let schedule = case.schedule(Arch::Sm80).unwrap_or_else(|why| panic!("{why}"));
    let texts: Vec<String> = schedule.kernels.iter().map(|kernel| entry(&kernel.source)).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("gated_deltanet_split", texts.join("\n"));
    });
}

/// Tokens of a chunk, as the text's first line says.
fn chunk(source: &str) -> u64 {
    let after = source.split("chunks of ").nth(1).and_then(|rest| rest.split(' ').next());
    after
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("the text does not name its chunks:\n{source}"))
}

/// Counts of whole chunks: of a long run less those of a short one, which leaves what is done once a sequence out.
#[test]
fn structure() {
    let mut table = String::from("per chunk of one sequence and head, bf16, K = V = 128, sm_80\n");
    for name in COUNTED {
        let case = case(name);
        let simulator = case.simulator();
        let mut counted = [64, 192].map(|tokens| {
            let run = simulator.forward(&case.inputs(&dense(1, tokens, 1), 1));
            run.unwrap_or_else(|error| panic!("{name}: {error}"));
            simulator.counters().remove(0)
        });
        let tokens = chunk(&counted[0].source);
        let warps = u64::from(counted[0].threads / 32);
        let [short, long] = counted.each_mut().map(|launched| launched.report.total);
        let chunks = 128 / tokens;
        let each = |of: fn(&Counters) -> u64| (of(&long) - of(&short)) / chunks;
        writeln!(
            table,
            "{name}: {tokens} tokens, {} barriers, {} tensor-core instructions, {} bytes in, {} bytes out, {} sectors, {} bank conflicts",
            each(|c| c.barriers) / warps,
            each(|c| c.tensor),
            each(|c| c.global_load_bytes),
            each(|c| c.global_store_bytes),
            each(|c| c.load_sectors + c.store_sectors),
            each(|c| c.conflicts),
        )
        .unwrap();
    }
    table.push_str(&split_structure());
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("structure", table);
    });
}

/// The same of the plan `split`, by kernel.
fn split_structure() -> String {
    let case = Case { plan: Plan::Split, ..case("gated_deltanet") };
    let simulator = case.simulator();
    let [short, long] = [64, 192].map(|tokens| {
        let run = simulator.forward(&case.inputs(&dense(1, tokens, 1), 1));
        run.unwrap_or_else(|error| panic!("split: {error}"));
        simulator.counters()
    });
    let mut table = String::new();
    for (short, long) in short.iter().zip(&long) {
        let each = |of: fn(&Counters) -> u64| (of(&long.report.total) - of(&short.report.total)) / 2;
        writeln!(
            table,
            "{}: {} barriers of warps, {} tensor-core instructions, {} bytes in, {} bytes out, {} bank conflicts",
            long.kernel,
            each(|c| c.barriers),
            each(|c| c.tensor),
            each(|c| c.global_load_bytes),
            each(|c| c.global_store_bytes),
            each(|c| c.conflicts),
        )
        .unwrap();
    }
    table
}
