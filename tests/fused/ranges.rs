//! Declared ranges of decays by channel: runs whose decays are proven not to vanish take one product in place of one a length.

use crate::case::{Case, changed, dense, parse};
use crate::limits::{all, any, complaints};
use crate::own;
use chunkwise::{Arch, Tensor};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_codegen::DType;
use chunkwise_codegen::fused::choose;

/// Rule, input, and numbers at the ends of its range and between.
const RANGED: [(&str, &str, [f64; 3]); 3] = [
    (own::RANGED, "g", [-5.0, 0.0, -0.7]),
    (own::RANGED_STEPS, "d", [0.5, 1.0, 0.9]),
    (own::RANGED_LATE, "g", [-3.0, 0.0, -2.9]),
];

fn case(text: &str, dtype: DType) -> Case {
    Case::new(parse(&format!("#[rule]\n{text}")), dtype, vec![64, 32])
}

/// Tokens of a run.
fn span(case: &Case) -> u32 {
    let timeline = case.rule.timeline.as_ref().unwrap_or_else(|why| panic!("{}", why.message));
    choose(timeline, &case.spec(), Arch::Sm80).unwrap_or_else(|why| panic!("{}: {why}", case.label())).span()
}

#[test]
fn runs_are_as_long_as_the_range_proves() {
    let with = |range: &str| own::RANGED.replace("-5.0..=0.0", range);
    let of = |range: &str| span(&case(&with(range), DType::BF16));
    assert_eq!([of("-5.0..=0.0"), of("-3.75..=0.0"), of("-20.0..=0.0")], [8, 16, 2]);
    // Growth counts as decay does, and what is not bounded proves nothing; an f16 has no room.
    assert_eq!([of("-1.0..=7.0"), of("-31.0..=0.0")], [8, 1]);
    assert_eq!(span(&case(own::RANGED, DType::F16)), 1);
    assert_eq!(span(&case(&own::RANGED.replace("#[range(-5.0..=0.0)] ", ""), DType::BF16)), 1);
    // A form bounds a value as well as a declaration does.
    let bounded = own::RAW_KEYS.replace("s *= d", "s *= exp(3 * tanh(d))");
    assert_eq!(span(&case(&bounded, DType::BF16)), 16);
}

/// Everywhere at one end, at the other, and at both in turns.
#[test]
fn decays_at_the_ends_of_their_range() {
    let cases = RANGED.map(|(text, ..)| case(text, DType::BF16)).to_vec();
    all(cases, |case| {
        let of = |(text, ..): &&(&str, &str, [f64; 3])| {
            text.contains(&format!("fn {}(", case.rule.signature.name))
        };
        let (_, name, [first, last, between]) = RANGED.iter().find(of).unwrap();
        let frame = Frame { initial: true, ..dense(1, 130, 2) };
        let mut wrong = Vec::new();
        for pattern in [vec![*first], vec![*last], vec![*first, *last, *between], vec![*first, *first, *last]]
        {
            let mut inputs = case.inputs(&frame, 5);
            let filled = |tensor: &Tensor| {
                let row: usize = tensor.shape()[2..].iter().product();
                changed(tensor, |numbers| {
                    numbers
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, x)| *x = pattern[(i / row + i) % pattern.len()]);
                })
            };
            inputs.insert(*name, filled(&inputs[*name]));
            let inputs = case.round(&inputs);
            let results = case.simulator().forward(&inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
            let found = complaints(case, any(case), &results, &case.expected(&inputs));
            wrong.extend(found.into_iter().map(|c| format!("`{name}` {pattern:?}: {c}")));
        }
        wrong
    });
}

/// The range pays: fewer products and instructions, and no other bytes.
#[test]
fn a_range_saves_products() {
    let count = |text: &str| {
        let case = case(text, DType::BF16);
        let simulator = case.simulator();
        let run = simulator.forward(&case.inputs(&dense(1, 128, 1), 3));
        run.unwrap_or_else(|error| panic!("{}: {error}", case.label()));
        simulator.counters().remove(0).report.total
    };
    let (with, without) = (count(own::RANGED), count(&own::RANGED.replace("#[range(-5.0..=0.0)] ", "")));
    // Of the lengths 32 to 1 the last three are one product. Warps make those by themselves: nobody waits for it.
    assert_eq!(without.barriers, with.barriers);
    assert!(with.instructions < without.instructions, "{} of {}", with.instructions, without.instructions);
    assert!(with.tensor_flops < without.tensor_flops, "{} of {}", with.tensor_flops, without.tensor_flops);
    assert_eq!(with.global_load_bytes, without.global_load_bytes);
}
