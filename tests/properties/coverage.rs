//! How many random rules have kernels of each chunkwise plan, and why the others have none.
//!
//! ```text
//! fused, Linear: 55 of 82 rules
//!    14  the rule has states of different dims (seed 11)
//! ```
//!
//! A rule counts where a matrix is among its states and no key or decay waits for a read: then it has a chunk program, and what
//! stands between it and a kernel is what the plan cannot say yet. Segments compose where feedback is linear: of the others the
//! maps of pieces are none that anybody could compose, so that they do not count for that plan.

use crate::properties::{batch, case};
use crate::source::Source;
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Plan};
use chunkwise_dsl::class::{Feedback, classify};
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

/// The plans by class of feedback, each with the least part of the rules that has to have it, in hundredths.
pub(crate) const PLANS: [(Plan, Feedback, usize); 10] = [
    (Plan::Fused, Feedback::None, 60),
    (Plan::Fused, Feedback::Linear, 70),
    (Plan::Fused, Feedback::PerChannel, 55),
    (Plan::Fused, Feedback::RowMixing, 33),
    (Plan::Split, Feedback::None, 60),
    (Plan::Split, Feedback::Linear, 70),
    (Plan::Split, Feedback::PerChannel, 55),
    (Plan::Split, Feedback::RowMixing, 33),
    (Plan::Segmented, Feedback::None, 60),
    (Plan::Segmented, Feedback::Linear, 70),
];

/// Plans for rules of any class, and the least part of all that has them.
pub(crate) const ALL: [(Plan, usize); 3] = [(Plan::Fused, 50), (Plan::Split, 50), (Plan::Segmented, 70)];

/// What one plan has kernels for.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) rules: usize,
    pub(crate) kernels: usize,
    /// Why not, and of how many rules; with the seed of one.
    reasons: BTreeMap<String, (usize, u64)>,
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} of {} rules", self.kernels, self.rules)?;
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(why, (count, _))| (usize::MAX - count, *why));
        reasons.iter().try_for_each(|(why, (count, seed))| writeln!(f, "{count:5}  {why} (seed {seed})"))
    }
}

/// Counts the rules of some seeds, as [`PLANS`] lists them.
pub(crate) fn tally(seeds: std::ops::Range<u64>) -> Result<[Tally; PLANS.len()], String> {
    let mut tallies = [(); PLANS.len()].map(|()| Tally::default());
    for seed in seeds {
        let case = case(&mut Source::random(seed), batch)?;
        let Ok(timeline) = &case.rule.timeline else { continue };
        let has_matrix = timeline.forms.iter().any(|f| f.key.zip(f.value).is_some_and(|(k, v)| k != v));
        if !has_matrix || chunkwise_algebra::program::derive(timeline).is_err() {
            continue;
        }
        let spec = Spec::new(vec![16; timeline.signature.dims.len()], DType::BF16);
        let feedback = classify(timeline).feedback;
        let listed = PLANS.iter().zip(&mut tallies).filter(|((_, of, _), _)| *of == feedback);
        for ((plan, ..), tally) in listed {
            match plan.emit(timeline, &spec, Arch::Sm80) {
                Ok(_) => tally.kernels += 1,
                Err(why) if why.to_string().contains("no maps that compose") => continue,
                Err(why) => {
                    let why = why.to_string();
                    let why = why.rsplit(": ").next().unwrap_or(&why).to_owned();
                    tally.reasons.entry(why).or_insert((0, seed)).0 += 1;
                }
            }
            tally.rules += 1;
        }
    }
    Ok(tallies)
}
