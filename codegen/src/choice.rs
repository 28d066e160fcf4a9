//! Which plan a launch takes, and how it is cut, from its shape and the machine's.
//!
//! ```text
//! recurrent    tokens / 24                                                      rounds of pairs on the machine
//! fused        chunks                                                           rounds of blocks, narrow ones where pairs are few
//! split        chunks * .32  +  1.1 chunks of every pair, side by side          2 launches more
//! segmented    chunks of a piece, three times or so, and a composition          where feedback is linear
//! ```
//!
//! The unit is a chunk of the fused plan with a block of 128 value columns; a *pair* is a sequence and a head. The factors are
//! counted in the simulator (`chunkwise bench gated_deltanet --plan split --heads 8`), not measured: a model that has to be right
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

/// What a chunk's carry takes in the split plan, of a fused chunk.
const CARRY: f64 = 0.32;

/// What the phases before and after it take of one multiprocessor.
const ASIDE: f64 = 1.1;

/// Blocks of the carry have 64 value columns, and a multiprocessor holds as many of them.
const CARRY_BLOCK: (usize, usize) = (64, 2);

/// A launch more (some 2 us).
const LAUNCH: f64 = 0.5;

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

/// What the choice needs to know of a rule at some sizes and of some type. Deriving it takes milliseconds: keep it.
#[derive(Clone, Debug)]
pub struct Costs {
    /// Tokens of a chunk, and the value columns; `None` where the rule has no fused kernel.
    fused: Option<(usize, usize)>,
    /// Whether the split plan has kernels.
    split: bool,
    /// `None` where pieces do not compose.
    segmented: Option<Cost>,
}

impl Costs {
    /// Derives them.
    pub fn of(timeline: &Timeline, spec: &Spec, arch: Arch) -> Costs {
        let fused = fused::choose(timeline, spec, arch).ok().map(|plan| {
            let values = spec.sizes.get(plan.dims.1.index()).copied().unwrap_or(1);
            (plan.tokens as usize, values.next_multiple_of(16))
        });
        Costs {
            fused,
            split: fused::has_split(timeline, spec, arch),
            segmented: Cost::of(timeline, spec, arch).ok(),
        }
    }

    /// The fastest of some plans; the first of them where the rule has none.
    pub fn choose(&self, plans: &[Plan], shape: Shape) -> Choice {
        let timed = plans.iter().filter_map(|plan| self.time(*plan, shape));
        let best = timed.min_by(|(x, _), (y, _)| x.total_cmp(y)).map(|(_, choice)| choice);
        let first = plans.first().copied().unwrap_or(Plan::Recurrent);
        best.unwrap_or(Choice { plan: first, columns: fused::COLUMNS[0], piece: None })
    }

    /// How long a plan takes.
    fn time(&self, plan: Plan, shape: Shape) -> Option<(f64, Choice)> {
        let Shape { sequences, tokens, heads, multiprocessors } = shape;
        let (pairs, machine) = (sequences * heads, multiprocessors.max(1));
        let choice = Choice { plan, columns: fused::COLUMNS[0], piece: None };
        if plan == Plan::Recurrent {
            let rounds = pairs.div_ceil(machine);
            return Some(((tokens * rounds) as f64 / LOOP_TOKENS as f64, choice));
        }
        let (chunk, values) = self.fused?;
        let chunks = tokens.div_ceil(chunk) as f64;
        let whole = fused::chunk_cost(values, fused::COLUMNS[0], 1, usize::MAX) as f64;
        let cost = |columns: &usize| fused::chunk_cost(values, *columns, pairs, machine);
        let columns = fused::COLUMNS.into_iter().min_by_key(cost).unwrap_or(choice.columns);
        let fused = chunks * cost(&columns) as f64 / whole;
        match plan {
            Plan::Recurrent => None,
            Plan::Fused => Some((fused, Choice { columns, ..choice })),
            Plan::Split => self.split.then(|| {
                let blocks = pairs * values.div_ceil(CARRY_BLOCK.0);
                let rounds = blocks.div_ceil(CARRY_BLOCK.1 * machine);
                let aside = ASIDE * pairs as f64 / machine as f64;
                (chunks * (CARRY * rounds as f64 + aside) + 2.0 * LAUNCH, choice)
            }),
            Plan::Segmented => {
                let pays = self.segmented.as_ref()?.pays(sequences, tokens, heads, machine);
                // Asked for by name, it is chosen where it does not pay as well.
                let (piece, gain) = pays.map_or((None, 0.1), |(piece, gain)| (Some(piece), gain));
                Some((fused / gain, Choice { piece, ..choice }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    const LINEAR: &str = "s *= exp(g); s += outer(beta * k, v - s.read(k)); s.read(q)";
    const CURVED: &str = "s *= exp(g); s += outer(beta * k, v - tanh(s.read(k))); s.read(q)";
    const LOOP: &str = "s = tanh(s + outer(beta * exp(g) * k, v)); s.read(q)";

    fn costs(body: &str) -> Costs {
        let kind = if body == LOOP { "#[rule(recurrent)]" } else { "#[rule]" };
        let text = format!(
            "{kind} fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> \
             Vector<V> {{ {body} }}"
        );
        let rule = chunkwise_dsl::parse_file(&text).unwrap().remove(0);
        let spec = Spec::new(vec![128, 128], DType::BF16);
        match &rule.timeline {
            Ok(timeline) => Costs::of(timeline, &spec, Arch::Sm90),
            Err(_) => Costs { fused: None, split: false, segmented: None },
        }
    }

    fn chosen(body: &str, sequences: usize, tokens: usize, heads: usize) -> Choice {
        costs(body).choose(&Plan::ALL, Shape { sequences, tokens, heads, multiprocessors: 132 })
    }

    #[test]
    fn plans_follow_shapes() {
        // Decoding and short prompts walk tokens; many heads walk chunks, in wide blocks; fewer heads in narrow ones.
        assert_eq!(chosen(LINEAR, 64, 1, 32).plan, Plan::Recurrent);
        let many = chosen(LINEAR, 8, 4096, 64);
        assert_eq!((many.plan, many.columns), (Plan::Fused, 128));
        let fewer = chosen(LINEAR, 1, 8192, 64);
        assert_eq!((fewer.plan, fewer.columns), (Plan::Fused, 64));
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
            assert_eq!(costs(LINEAR).choose(&[plan], shape).plan, plan);
            assert_eq!(costs(LOOP).choose(&[plan], shape).plan, plan);
        }
    }
}
