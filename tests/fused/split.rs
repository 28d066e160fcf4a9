//! The plan `split`: the same chunks in three kernels. What crosses between them crosses as it is, so that the results are those
//! of the fused plan to the bit, where both take chunks of one length and sum in one order.

use crate::case::{Case, KINDS, dense, packed, rules, variable};
use crate::limits::{any, complaints, none};
use chunkwise::{Arch, Tensor, Tensors};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_codegen::Plan;
use chunkwise_codegen::schedule::Pieces;
use rayon::prelude::*;

/// Sizes of the first and the other dims: padded, more than one block of the carry, more than one of the outputs.
const SIZES: [(usize, usize); 4] = [(24, 40), (33, 100), (64, 16), (16, 200)];

/// Packed sequences of which one is empty, grouped heads, a dense batch; with initial states and without.
fn frames(params: usize) -> Vec<Frame> {
    let mut frames = vec![
        Frame { initial: true, ..packed(&[17, 0, 66, 64], 2) },
        Frame { initial: true, ..dense(2, 130, 1) },
    ];
    if params > 1 {
        frames.push(Frame { name: "grouped", grouped: true, initial: false, ..dense(1, 65, 2) });
    }
    frames
}

/// A quarter of the rules, by the seed, or all; each with one of the types, and one of the sizes, in turn.
fn cases() -> Vec<(usize, Case)> {
    let seed = variable("CHUNKWISE_SEED", 1) as usize;
    let draws = variable("CHUNKWISE_CASES", 1) as usize;
    println!("CHUNKWISE_SEED={seed} CHUNKWISE_CASES={draws}");
    let mut cases = Vec::new();
    for draw in seed..seed + draws {
        let takes = |at: usize| draws > 1 || (at + seed).is_multiple_of(4);
        for (at, rule) in rules().into_iter().enumerate().filter(|(at, _)| takes(*at)) {
            let turn = at / 4 + draw;
            let ((dtype, precision), (first, others)) = (KINDS[turn % 5], SIZES[turn % 4]);
            let sizes = (0..rule.signature.dims.len()).map(|dim| if dim == 0 { first } else { others });
            let case =
                Case { precision, plan: Plan::Split, ..Case::new(rule.clone(), dtype, sizes.collect()) };
            match (case.kernel(Arch::Sm80), case.schedule(Arch::Sm80)) {
                (_, Ok(_)) => cases.push((turn, case)),
                (Ok(_), Err(why)) => panic!("{} has a fused kernel: {why}", case.label()),
                (Err(_), Err(_)) => {}
            }
        }
    }
    let of = if draws > 1 { draws * rules().len() } else { rules().len() / 4 };
    assert!(100 * cases.len() >= 80 * of, "only {} of {of} rules have kernels", cases.len());
    cases
}

#[test]
fn results_are_those_of_the_fused_plan() {
    let wrong = cases().into_par_iter().map(|(turn, case)| run(&case, turn));
    none(wrong.collect::<Vec<_>>().concat());
}

fn run(case: &Case, turn: usize) -> Vec<String> {
    let frames = frames(case.rule.signature.params.len());
    let frame = &frames[turn % frames.len()];
    let inputs = case.inputs(frame, turn as u64);
    let fused = Case { plan: Plan::Fused, ..case.clone() };
    let wrong = match (case.simulator().forward(&inputs), fused.simulator().forward(&inputs)) {
        (Ok(split), Ok(fused_results)) if is_exact(case, &fused) => differences(&split, &fused_results),
        (Ok(split), _) => complaints(case, any(case), &split, &case.expected(&inputs)),
        (Err(error), _) => vec![error.to_string()],
    };
    wrong.into_iter().map(|what| format!("{}, {frame:?}: {what}", case.label())).collect()
}

/// Whether both plans have chunks of one length, and every sum over the value dim in one block.
fn is_exact(split: &Case, fused: &Case) -> bool {
    let tokens = match split.schedule(Arch::Sm80).map(|schedule| schedule.pieces) {
        Ok(Pieces::Of(tokens)) => format!("chunks of {tokens} "),
        _ => return false,
    };
    let same = fused.kernel(Arch::Sm80).is_ok_and(|kernel| kernel.source.contains(&tokens));
    same && split.sizes.iter().all(|size| *size <= 128)
}

fn differences(split: &Tensors, fused: &Tensors) -> Vec<String> {
    let bits = |tensor: &Tensor| tensor.to_f64().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let differs =
        |(name, tensor): &(&str, &Tensor)| split.get(name).is_none_or(|found| bits(found) != bits(tensor));
    fused.iter().filter(differs).map(|(name, _)| format!("`{name}` is not that of the fused plan")).collect()
}

/// Rows that are solved one by one and that outputs take are in two parts in both plans.
#[test]
fn what_is_fed_back_goes_out_alike() {
    let rule = rules().into_iter().find(|rule| rule.signature.name == "returned").expect("among the rules");
    let case = Case { plan: Plan::Split, ..Case::new(rule, KINDS[0].0, vec![64, 32]) };
    none(run(&case, 0));
}
