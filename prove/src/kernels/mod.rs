//! Generated kernels on a device that runs kernels, against the token loop in f64.
//!
//! ```text
//! asked for: some kernels of each rule, or all    ->    verdicts: proved, refused, failed    ->    a table, failures
//! ```

pub mod case;
pub mod report;
pub mod run;

use case::{Case, SIZES, Way, product, rules, sample};
use chunkwise::{Device, Rule};
use chunkwise_runtime::nvrtc::Nvrtc;
use rayon::prelude::*;
use run::Verdict;

/// Which kernels are proved, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// What runs the kernels.
    pub device: Device,
    /// Every kernel there is, not a sample.
    pub all: bool,
    /// A handful for a tool that makes everything slow: one small kernel of each rule and plan.
    pub few: bool,
    /// Which kernels and numbers are drawn.
    pub seed: u64,
    /// This rule alone.
    pub rule: Option<String>,
    /// This plan alone, of all kernels.
    pub plan: Option<Way>,
    /// Dims of these sizes alone, of all kernels; of every size where there is none.
    pub sizes: Vec<usize>,
    /// This kernel alone.
    pub case: Option<Case>,
}

impl Asked {
    /// The kernels.
    ///
    /// # Errors
    /// A rule that is not there.
    pub fn cases(&self) -> Result<Vec<Case>, String> {
        if let Some(case) = &self.case {
            return Ok(vec![case.clone()]);
        }
        let mut chosen: Vec<&Rule> = rules();
        if let Some(name) = &self.rule {
            chosen.retain(|rule| rule.signature.name == *name);
            if chosen.is_empty() {
                return Err(format!("there is no rule `{name}` that works"));
            }
        }
        Ok(match (self.all, self.few) {
            (true, _) => {
                let ways = self.plan.map_or(Way::ALL.to_vec(), |way| vec![way]);
                let sizes = if self.sizes.is_empty() { &SIZES } else { self.sizes.as_slice() };
                product(&chosen, &ways, sizes, self.seed)
            }
            (false, true) => chosen.iter().flat_map(|rule| case::small(rule, self.seed)).collect(),
            (false, false) => sample(&chosen, self.seed),
        })
    }
}

/// Proves every case, `threads` of them at a time on a simulator and one at a time on a GPU; `seen` is called when one is
/// done.
pub fn prove(
    asked: &Asked,
    cases: &[Case],
    nvrtc: &Nvrtc,
    seen: impl Fn(&Case) + Sync,
) -> Vec<(Case, Verdict)> {
    let one = |case: &Case| {
        let verdict = run::run(case, &asked.device, nvrtc);
        seen(case);
        (case.clone(), verdict)
    };
    cases.par_iter().map(one).collect()
}

/// Kernels that should be there and are not. The token loop has them all; of a chunkwise plan one may be missing where shared
/// memory is too small, or where what sums over the value dim needs all of it in one block.
pub fn unexpected_refusals(verdicts: &[(Case, Verdict)]) -> Vec<String> {
    let unexpected = |(case, verdict): &(Case, Verdict)| {
        let Verdict::Refused(why) = verdict else { return None };
        let known = match case.way {
            Way::Recurrent => false,
            Way::Fused | Way::FusedHigh | Way::Split | Way::Segmented => {
                why.contains("bytes of shared memory") || why.contains("sums over a value dim of more than")
            }
        };
        (!known).then(|| format!("{case} has no kernel: {why}"))
    };
    verdicts.iter().filter_map(unexpected).collect()
}
