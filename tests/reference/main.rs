//! Rules that are not in the catalogue, against recurrences written by hand.
//!
//! Each rule file in `rules/` has a [`Problem`](problem::Problem): the same update as loops over numbers that record
//! their own derivatives ([`tape`]), so that outputs, final states and *every* gradient have an independent reference.
//! Each is run recurrently and chunk by chunk (1, 16, 64, 128 tokens) in `f64` and `f32`, in several layouts: batched,
//! packed with empty sequences, one key or value channel, no tokens, one token, a multiple of the chunk, without initial
//! states, without one of the cotangents. Errors are RMS(error) / RMS(reference) of each tensor, at most 1e-9 in `f64`
//! and 1e-4 in `f32`.

mod affine;
mod assignments;
mod compare;
mod declare;
mod expressions;
mod extremes;
mod feedback;
mod library;
mod maths;
mod problem;
mod random;
mod several;
mod tape;

use chunkwise_runtime::Element;
use library::{Plan, Subject};
use problem::{Arrays, Layout, Problem, Sequences};

const F64_TOLERANCE: f64 = 1e-9;
const F32_TOLERANCE: f64 = 1e-4;

/// The plans and chunk lengths that every rule is held to.
const PLANS: [Plan; 5] =
    [Plan::Recurrent, Plan::Chunkwise(1), Plan::Chunkwise(16), Plan::Chunkwise(64), Plan::Chunkwise(128)];

/// A layout and what it is run with.
struct Trial {
    layout: Layout,
    plans: &'static [Plan],
    elements: &'static [Element],
}

fn trials() -> Vec<Trial> {
    const FEW: &[Plan] = &[Plan::Recurrent, Plan::Chunkwise(16)];
    const BOTH: &[Element] = &[Element::F64, Element::F32];
    const F64: &[Element] = &[Element::F64];
    let batch = |batch, tokens| Sequences::Batch { batch, tokens };
    let plain =
        |name, sequences| Layout { name, sequences, sizes: vec![], initial: true, cotangents: (true, true) };
    let sized = |name, sizes| Layout { sizes, ..plain(name, batch(1, 37)) };
    let trial = |layout, plans, elements| Trial { layout, plans, elements };
    vec![
        trial(plain("batch of 2 x 150", batch(2, 150)), &PLANS, BOTH),
        trial(plain("packed", Sequences::Packed(vec![0, 37, 0, 64, 1, 48, 0])), &PLANS, BOTH),
        trial(plain("two chunks of 64", batch(1, 128)), &PLANS, F64),
        trial(plain("no tokens", batch(2, 0)), &PLANS, BOTH),
        trial(plain("packed, all empty", Sequences::Packed(vec![0, 0])), FEW, F64),
        trial(plain("one token", batch(1, 1)), &PLANS, F64),
        trial(sized("K = D = 1", vec![("K", 1), ("D", 1)]), FEW, F64),
        trial(sized("V = 1", vec![("V", 1)]), FEW, F64),
        trial(sized("all dims 1", vec![("K", 1), ("V", 1), ("D", 1)]), FEW, F64),
        trial(sized("all dims equal", vec![("K", 4), ("V", 4), ("D", 4)]), FEW, F64),
        trial(Layout { initial: false, ..plain("no initial states", batch(1, 37)) }, FEW, F64),
        trial(Layout { cotangents: (true, false), ..plain("outputs alone", batch(1, 37)) }, FEW, F64),
        trial(Layout { cotangents: (false, true), ..plain("states alone", batch(1, 37)) }, FEW, F64),
        trial(Layout { cotangents: (false, false), ..plain("no cotangent", batch(1, 5)) }, FEW, F64),
    ]
}

/// Everything wrong with one run, as text.
fn run(subject: Result<Subject, String>, inputs: &Arrays, expected: &Arrays, tolerance: f64) -> Vec<String> {
    let attempt = || -> Result<Vec<String>, String> {
        let subject = subject?;
        let values =
            expected.iter().filter(|(name, _)| !name.starts_with('d')).map(|(n, x)| (n.clone(), x.clone()));
        let forward = compare::differences(&values.collect(), &subject.forward(inputs)?, tolerance);
        let backward = compare::differences(expected, &subject.backward(inputs)?, tolerance);
        let label = |pass, found: Vec<String>| found.into_iter().map(move |f| format!("{pass}: {f}"));
        Ok(label("forward", forward).chain(label("backward", backward)).collect())
    };
    attempt().unwrap_or_else(|message| vec![message])
}

/// Holds a rule to its reference, with every plan it is meant to have, in the given layouts.
fn check(problem: &Problem, trials: Vec<Trial>, plans: &[Plan]) {
    const SEED: u64 = 20_260;
    let rule = library::parse(&problem.text, &problem.name);
    let rule = rule.unwrap_or_else(|message| panic!("{}\n{message}", problem.text));
    let mut wrong = Vec::new();
    for trial in trials {
        let posed = problem.pose(&trial.layout, SEED);
        for &element in trial.elements {
            let tolerance = if element == Element::F64 { F64_TOLERANCE } else { F32_TOLERANCE };
            for &plan in trial.plans.iter().filter(|p| plans.contains(p)) {
                let found =
                    run(Subject::new(&rule, plan, element), &posed.inputs, &posed.expected, tolerance);
                wrong.extend(
                    found.into_iter().map(|f| format!("{}, {plan}, {element}: {f}", trial.layout.name)),
                );
            }
        }
    }
    let shown = wrong.iter().take(25).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "seed {SEED}\n{}\n{} differences:\n{shown}", problem.text, wrong.len());
}

/// One test a problem, and the list of all.
macro_rules! tests {
    ($($file:ident, $plans:expr => $($name:ident),+;)+) => {
        $($(#[test]
        fn $name() {
            check(&$file::$name(), trials(), $plans);
        })+)+

        fn all() -> Vec<Problem> {
            vec![$($($file::$name()),+),+]
        }
    };
}

tests! {
    affine, &PLANS => erase_then_write, read_decay_write, value_decay, both_sides, signed_rows, signed_columns, log_reset,
        log_reset_rows, constant_decay, decay_sandwich, grouped;
    expressions, &PLANS => three_steps, nested_loops, prologue, epilogue, shadows;
    feedback, &PLANS => tanh_feedback, vector_gain, product_of_reads, layer_norm_memory, softmax_feedback,
        normalised_feedback;
    several, &PLANS => ratio, bare_vector, elementwise, elementwise_feedback, momentum_tanh, momentum_linear,
        three_coupled, two_memories, two_shapes, unread_state;
    assignments, &PLANS => overwrite, assignments, swap, copy, mixed_rows, from_one, untouched_states, vector_forms;
    extremes, &PLANS => steep, tiny, near_one, growing;
    assignments, &[Plan::Recurrent] => saturated_state, decay_from_read, product_of_states, slots;
}

/// Long sequences, where sums over all tokens lose their last digits if taken carelessly.
#[test]
fn long_sequences() {
    for problem in [extremes::near_one(), extremes::steep(), affine::both_sides(), several::momentum_linear()]
    {
        let sequences = Sequences::Batch { batch: 1, tokens: 1500 };
        let layout =
            Layout { name: "1500 tokens", sequences, sizes: vec![], initial: true, cotangents: (true, true) };
        check(
            &problem,
            vec![Trial { layout, plans: &PLANS, elements: &[Element::F64, Element::F32] }],
            &PLANS,
        );
    }
}

/// A rule that only the token loop can run says so when it is asked for chunks, and runs by default.
#[test]
fn recurrent_rules_have_no_chunkwise_plan() {
    for problem in
        [assignments::saturated_state(), assignments::decay_from_read(), assignments::product_of_states()]
    {
        let rule = library::parse(&problem.text, &problem.name).expect("the rule is well formed");
        let inputs = problem.pose(&trials()[5].layout, 1).inputs;
        let chunkwise =
            Subject::new(&rule, Plan::Chunkwise(16), Element::F64).and_then(|s| s.forward(&inputs));
        let message = chunkwise.expect_err("there is no chunkwise plan");
        assert!(message.contains("recurrent"), "{}: the message names no way out: {message}", problem.name);
    }
}

/// Reads of one state that decide where another is read need two passes over a chunk: the message says so, and that this
/// is not the rule's fault.
#[test]
fn two_passes_are_a_limitation() {
    let problem = assignments::slots();
    let rule = library::parse(&problem.text, &problem.name).expect("the rule is well formed");
    let inputs = problem.pose(&trials()[5].layout, 1).inputs;
    let chunkwise = Subject::new(&rule, Plan::Chunkwise(16), Element::F64).and_then(|s| s.forward(&inputs));
    let message = chunkwise.expect_err("two passes are not built");
    assert!(message.contains("2 passes") && message.contains("not built yet"), "{message}");
    assert!(message.contains("recurrent"), "the message names no way out: {message}");
}

/// A reference that grows would measure conditioning, not the library: all numbers stay finite and of ordinary size.
#[test]
fn references_are_well_conditioned() {
    for problem in all() {
        for trial in trials() {
            for (name, array) in problem.pose(&trial.layout, 1).expected {
                let size = compare::size(&array);
                let bound = if problem.name == "normalised_feedback" { 1e4 } else { 1e2 };
                assert!(size < bound, "{}, {}: `{name}` has RMS {size:.1e}", problem.name, trial.layout.name);
            }
        }
    }
}
