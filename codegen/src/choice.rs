//! Which plan a launch takes, and how it is cut, from its shape and the machine's.
//!
//! ```text
//! recurrent    tokens / 24                                                      rounds of pairs on the machine
//! fused        chunks                                                           rounds of blocks, narrow ones where pairs are few
//! split        chunks * .44  +  1.1 chunks of every pair, side by side          2 launches more
//!              chunks * .25  +  2 chunks                                        where all warps of the fused plan do all
//! segmented    chunks of a piece, three times or so, and a composition          where feedback is linear
//! ```
//!
//! The unit is a chunk of the fused plan with a block of 128 value columns; a *pair* is a sequence and a head. The factors are
//! counted in the simulator (`chunkwise bench gated_deltanet --plan split --heads 32`), not measured: a model that has to be right
//! about which is faster, not by how much. Nothing is timed, and the same shapes choose the same.

use crate::arch::Arch;
use crate::fused;
use crate::kernel::Spec;
use crate::plan::Plan;
use crate::segmented::Cost;
use chunkwise_dsl::timeline::Timeline;

/// As many tokens of the loop take about as long as one chunk: a chunk is some 5 us (the probe in the design's notes on
/// kernels), a token of the loop some 0.2 us (a read, a reduction over lanes, a write). The loop's tokens wait for each other.
pub const LOOP_TOKENS: usize = 24;

/// What a chunk's carry takes in the split plan, of a fused chunk, and what the phases before and after it take of one
/// multiprocessor.
const SPLIT: (f64, f64) = (0.44, 1.1);

/// The same where narrow blocks of the fused plan have one crew: keys that decay by channel, of which most is made before
/// (`chunkwise bench gla --plan split --heads 16`; kda and rwkv7 alike).
const SPLIT_ALONE: (f64, f64) = (0.25, 2.0);

/// Blocks of the carry have 64 value columns, and a multiprocessor holds as many of them.
const CARRY_BLOCK: (usize, usize) = (64, 2);

/// A launch more (some 2 us).
const LAUNCH: f64 = 0.5;

/// More pairs than any grid has blocks, and few enough to compute with.
const MOST_PAIRS: usize = 1 << 40;

/// How large a launch is, and the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Sequences.
    pub sequences: usize,
    /// Tokens of each: the mean of those that have any.
    pub tokens: usize,
    /// State heads.
    pub heads: usize,
    /// Multiprocessors.
    pub multiprocessors: usize,
}

impl Shape {
    /// Sequences times heads.
    fn pairs(&self) -> usize {
        self.sequences.saturating_mul(self.heads).min(MOST_PAIRS)
    }
}

/// What to launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// The plan.
    pub plan: Plan,
    /// The most value columns of a block: [`Spec::columns`].
    pub columns: usize,
    /// Tokens of a piece, where the plan leaves them open.
    pub piece: Option<usize>,
}

/// What the choice among some plans needs to know of a rule at some sizes and of some type. Deriving it takes milliseconds: keep
/// it. One plan alone is not compared with anything, so that nothing is derived but how it is cut.
#[derive(Clone, Debug)]
pub struct Costs {
    /// The plans.
    plans: Vec<Plan>,
    /// Value columns, padded; `None` where states are vectors.
    values: Option<usize>,
    /// Tokens of a chunk; `None` where the rule has no fused kernel, or none that would be compared.
    chunk: Option<usize>,
    /// Whether narrow blocks of the fused plan have two crews; `false` where nobody asks.
    crews: bool,
    /// Whether the split plan has kernels, and would be compared.
    split: bool,
    /// `None` where pieces do not compose, and where they are not asked for.
    segmented: Option<Cost>,
}

impl Costs {
    /// Derives them for some plans.
    pub fn of(timeline: &Timeline, spec: &Spec, arch: Arch, plans: &[Plan]) -> Costs {
        let compared = plans.len() > 1;
        let chunkwise = compared && plans.iter().any(|plan| *plan != Plan::Recurrent);
        let chunk = chunkwise.then(|| fused::choose(timeline, spec, arch).ok()).flatten();
        let segmented = plans.contains(&Plan::Segmented) && (chunk.is_some() || !compared);
        let value = timeline.forms.iter().find_map(|form| form.value);
        Costs {
            plans: plans.to_vec(),
            values: value.map(|v| spec.sizes.get(v.index()).map_or(1, |size| size.next_multiple_of(16))),
            split: chunk.is_some() && plans.contains(&Plan::Split) && fused::has_split(timeline, spec, arch),
            crews: (chunk.is_some() || plans == [Plan::Fused]) && fused::has_crews(timeline, spec, arch),
            chunk: chunk.map(|plan| plan.tokens as usize),
            segmented: segmented.then(|| Cost::of(timeline, spec, arch).ok()).flatten(),
        }
    }

    /// The fastest of the plans; the first of them where the rule has none.
    pub fn choose(&self, shape: Shape) -> Choice {
        let timed = self.plans.iter().filter_map(|plan| Some((self.time(*plan, shape)?, *plan)));
        let best = timed.min_by(|(x, _), (y, _)| x.total_cmp(y)).map(|(_, plan)| plan);
        let plan = best.or(self.plans.first().copied()).unwrap_or(Plan::Recurrent);
        let (columns, piece) = match plan {
            Plan::Fused => (self.columns(shape), None),
            Plan::Segmented => (fused::COLUMNS[0], self.pays(shape).map(|(piece, _)| piece)),
            Plan::Recurrent | Plan::Split => (fused::COLUMNS[0], None),
        };
        Choice { plan, columns, piece }
    }

    /// How long a plan takes; `None` where it is not known to have kernels.
    fn time(&self, plan: Plan, shape: Shape) -> Option<f64> {
        let Shape { tokens, multiprocessors, .. } = shape;
        let (pairs, machine) = (shape.pairs(), multiprocessors.max(1));
        if plan == Plan::Recurrent {
            return Some(tokens as f64 * pairs.div_ceil(machine) as f64 / LOOP_TOKENS as f64);
        }
        let (chunk, values) = (self.chunk?, self.values?);
        let chunks = tokens.div_ceil(chunk) as f64;
        let widths = (values, self.columns(shape));
        let fused = chunks * fused::chunk_cost(widths, self.crews, (pairs, machine));
        match plan {
            Plan::Recurrent => None,
            Plan::Fused => Some(fused),
            Plan::Split => self.split.then(|| {
                let blocks = pairs * values.div_ceil(CARRY_BLOCK.0);
                let rounds = blocks.div_ceil(CARRY_BLOCK.1 * machine);
                let (carry, aside) = if self.crews { SPLIT } else { SPLIT_ALONE };
                let aside = aside * pairs as f64 / machine as f64;
                chunks * (carry * rounds as f64 + aside) + 2.0 * LAUNCH
            }),
            // Where pieces do not pay, another plan is better.
            Plan::Segmented => self.segmented.map(|_| fused / self.pays(shape).map_or(0.1, |(_, gain)| gain)),
        }
    }

    /// The value columns of the fused plan's blocks.
    fn columns(&self, shape: Shape) -> usize {
        let values = self.values.unwrap_or(1);
        let launch = (shape.pairs(), shape.multiprocessors);
        let cost = |columns: &usize| fused::chunk_cost((values, *columns), self.crews, launch);
        let least = |x: &usize, y: &usize| cost(x).total_cmp(&cost(y));
        fused::COLUMNS.into_iter().min_by(least).unwrap_or(fused::COLUMNS[0])
    }

    /// Tokens of a piece, and how many times less time they take than no pieces; `None` where they do not pay.
    fn pays(&self, shape: Shape) -> Option<(usize, f64)> {
        self.segmented.as_ref()?.pays(shape.pairs(), shape.tokens, shape.multiprocessors.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    const LINEAR: &str = "s *= exp(g); s += outer(beta * k, v - s.read(k)); s.read(q)";
    const CURVED: &str = "s *= exp(w); s += outer(beta * k, v - tanh(s.read(k))); s.read(q)";
    const LOOP: &str = "s = tanh(s + outer(beta * exp(g) * k, v)); s.read(q)";

    fn costs(body: &str, plans: &[Plan]) -> Costs {
        let kind = if body == LOOP { "#[rule(recurrent)]" } else { "#[rule]" };
        let gate = if body == CURVED { "w: Vector<K>" } else { "g: Scalar" };
        let text = format!(
            "{kind} fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, {gate}, beta: Scalar) -> \
             Vector<V> {{ {body} }}"
        );
        let rule = chunkwise_dsl::parse_file(&text).unwrap().remove(0);
        let spec = Spec::new(vec![128, 128], DType::BF16);
        match &rule.timeline {
            Ok(timeline) => Costs::of(timeline, &spec, Arch::Sm90, plans),
            Err(_) => Costs {
                plans: plans.to_vec(),
                values: None,
                crews: false,
                chunk: None,
                split: false,
                segmented: None,
            },
        }
    }

    fn chosen(body: &str, sequences: usize, tokens: usize, heads: usize) -> Choice {
        costs(body, &Plan::ALL).choose(Shape { sequences, tokens, heads, multiprocessors: 132 })
    }

    #[test]
    fn plans_follow_shapes() {
        // Decoding and short prompts walk tokens; many heads walk chunks, in wide blocks; fewer heads in narrow ones.
        assert_eq!(chosen(LINEAR, 64, 1, 32).plan, Plan::Recurrent);
        let many = chosen(LINEAR, 8, 4096, 64);
        assert_eq!((many.plan, many.columns), (Plan::Fused, 128));
        let fewer = chosen(LINEAR, 1, 8192, 64);
        assert_eq!((fewer.plan, fewer.columns), (Plan::Fused, 64));
        let few = chosen(LINEAR, 1, 8192, 32);
        assert_eq!((few.plan, few.columns), (Plan::Fused, 32));
        // A long sequence of few heads is cut; where segments do not compose, by phases.
        let long = chosen(LINEAR, 1, 32768, 4);
        assert!(long.plan == Plan::Segmented && long.piece.is_some_and(|piece| piece % 64 == 0), "{long:?}");
        assert_eq!(chosen(CURVED, 1, 32768, 4).plan, Plan::Split);
        assert_eq!(chosen(LOOP, 1, 32768, 4).plan, Plan::Recurrent);
    }

    #[test]
    fn what_is_asked_for_is_chosen() {
        let shape = Shape { sequences: 0, tokens: 0, heads: 0, multiprocessors: 0 };
        for plan in Plan::ALL {
            assert_eq!(costs(LINEAR, &[plan]).choose(shape).plan, plan);
            assert_eq!(costs(LOOP, &[plan]).choose(shape).plan, plan);
        }
    }

    #[test]
    fn a_plan_alone_is_cut_as_among_others() {
        for (tokens, heads) in [(1, 32), (8192, 64), (4096, 512), (32768, 4)] {
            let shape = Shape { sequences: 1, tokens, heads, multiprocessors: 132 };
            let among = costs(LINEAR, &Plan::ALL).choose(shape);
            assert_eq!(costs(LINEAR, &[among.plan]).choose(shape), among);
        }
    }

    #[test]
    fn a_plan_alone_is_compared_with_nothing() {
        for plan in [Plan::Recurrent, Plan::Fused, Plan::Split] {
            let Costs { chunk, split, segmented, .. } = costs(LINEAR, &[plan]);
            assert_eq!((chunk, split, segmented), (None, false, None));
        }
        assert!(costs(LINEAR, &[Plan::Segmented]).segmented.is_some());
        assert!(costs(LINEAR, &[Plan::Recurrent, Plan::Fused]).segmented.is_none());
    }
}
