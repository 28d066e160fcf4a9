//! A plan's own count of its work, against what the simulator counts.
//!
//! A run of one more chunk differs by that chunk: what is moved and computed once a sequence cancels out. Of a state that nobody
//! reads the compiler leaves out the padding, and the plan does not: such rules are not compared.

use crate::case::{Case, dense, timeline};
use chunkwise::Executable;
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_codegen::fused;
use chunkwise_dsl::timeline::Event;
use chunkwise_runtime::counters::Counters;

/// Whether the case is compared: every state is read.
pub(crate) fn is_counted(case: &Case) -> bool {
    let timeline = timeline(&case.rule);
    let read = |state| {
        timeline.events.iter().any(|e| matches!(e, Event::Read(r) if timeline.read(*r).state == state))
    };
    timeline.signature.state_ids().all(read)
}

/// How far the two may lie apart.
const NEAR: f64 = 0.02;

/// What is wrong with a plan's count; `simulator` runs its kernel.
pub(crate) fn complaints(case: &Case, simulator: &Executable) -> Vec<String> {
    let plan = match fused::choose(timeline(&case.rule), &case.spec(), case.arch) {
        Ok(plan) => plan,
        Err(why) => return vec![why.to_string()],
    };
    if !is_counted(case) {
        return Vec::new();
    }
    let (work, tokens) = (plan.work(), plan.tokens as usize);
    let (one, two) = match (run(case, simulator, tokens), run(case, simulator, 2 * tokens)) {
        (Ok(one), Ok(two)) => (one, two),
        (Err(error), _) | (_, Err(error)) => return vec![error],
    };
    let figures: [Figure; 4] = [
        ("tensor flops", work.tensor_flops, |c| c.tensor_flops),
        ("tf32 flops", work.tf32_flops, |c| c.tf32_flops),
        ("bytes loaded", work.load_bytes, |c| c.global_load_bytes),
        ("bytes stored", work.store_bytes, |c| c.global_store_bytes),
    ];
    let wrong = |(what, planned, of): Figure| {
        let counted = of(&two) - of(&one);
        let near = planned.abs_diff(counted) as f64 <= NEAR * counted as f64;
        (!near)
            .then(|| format!("a chunk of {tokens} tokens: {planned} {what} by the plan, {counted} counted"))
    };
    figures.into_iter().filter_map(wrong).collect()
}

/// What is counted, as planned, and where the simulator counts it.
type Figure = (&'static str, u64, fn(&Counters) -> u64);

/// What one head of one sequence counts.
pub(crate) fn run(case: &Case, simulator: &Executable, tokens: usize) -> Result<Counters, String> {
    let inputs = case.inputs(&Frame { initial: true, ..dense(1, tokens, 1) }, 1);
    simulator.forward(&inputs).map_err(|error| error.to_string())?;
    let mut total = Counters::default();
    simulator.counters().iter().for_each(|launched| total += launched.report.total);
    Ok(total)
}
