//! When the segmented plan pays: its time beside the fused plan's, in chunks of the fused plan.
//!
//! ```text
//! fused        chunks  *  rounds of blocks on the machine  *  a block's chunk (fewer value columns a block: more blocks)
//! segmented    chunks / n  *  sum over its kernels of (rounds of n times the blocks) * (its flops a chunk / the rule's)
//!              + n * a step of composition + launches
//! ```
//!
//! With `B` blocks of a launch and `P` multiprocessors, `n = P / B` pieces cost `(1 + l + t) chunks B / P`, where `l` and `t` are
//! the parts of a rule's work that its local rule and its transition do: .4 and 0 for linear attention, .3 and 0 for GLA, .6
//! and .6 for the gated delta rule, counted in the simulator as well. So the plan pays where `P / B` is above `1 + l + t` and
//! sequences have many chunks for each piece. With K = V = 128 on 132 multiprocessors that is up to 33 heads of a sequence of 8192
//! tokens for the gated delta rule, and 22 of one of 2048 (1024 tokens are too few); for linear attention 44 heads from 1024 tokens
//! on. A model, not a measurement.

use crate::arch::Arch;
use crate::fused;
use crate::kernel::{Limitation, Spec};
use chunkwise_algebra::segment::{Map, segment};
use chunkwise_dsl::graph::Dim;
use chunkwise_dsl::timeline::Timeline;

/// A launch of a kernel more takes as long as half a chunk (some 2 us of 5; modelled).
const LAUNCH: f64 = 0.5;

/// A step of composition with matrices of 128 x 128 takes a third longer than a chunk: a warp issues 3,600 instructions for it, and
/// 2,750 one after the other for a chunk of the gated delta rule (both counted in the simulator). A step without matrices
/// waits for memory.
const STEP: (f64, f64) = (1.3, 0.2);

/// What decides whether the plan pays, for one rule, sizes and type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cost {
    /// Tokens of a chunk.
    chunk: usize,
    /// Whether narrow blocks of the fused plan have two crews.
    crews: bool,
    /// Columns of the state's values, and of its keys: those of the transition.
    columns: (usize, usize),
    /// What the local rule and the transition do of the rule's work.
    parts: (f64, f64),
    /// A step of composition, in chunks.
    step: f64,
    /// Kernels beyond the fused plan's one.
    launches: f64,
}

impl Cost {
    /// Derives the parts.
    ///
    /// # Errors
    /// A [`Limitation`]: the rule has no segmented plan.
    pub fn of(timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Cost, Limitation> {
        let parts = segment(timeline).map_err(|why| Limitation::NotFused(why.to_string()))?;
        let wide = Spec { sizes: parts.sizes(&spec.sizes), ..spec.clone() };
        let rule = fused::choose(timeline, spec, arch)?;
        // Flops a token, since kernels may have chunks of their own.
        let flops = |plan: &fused::Plan| plan.work().tensor_flops as f64 / f64::from(plan.tokens);
        let whole = flops(&rule).max(1.0);
        let local = flops(&fused::choose(&parts.local, spec, arch)?) / whole;
        let transition = match &parts.transition {
            Some(transition) => parts.runs() as f64 * flops(&fused::choose(transition, &wide, arch)?) / whole,
            None => 0.0,
        };
        let size = |dim: Dim| spec.sizes[dim.index()];
        let (keys, values) = (size(rule.dims.0), size(rule.dims.1));
        // Products of matrices, states without any, and kernels: one for states that meet.
        let (mut matrices, mut others, mut composes) = (0.0, 0.0, 0.0);
        for map in &parts.maps {
            match map {
                Map::Matrices { from, .. } => {
                    matrices += from.len() as f64;
                    composes += 1.0 / from.len() as f64;
                }
                _ => (others, composes) = (others + 1.0, composes + 1.0),
            }
        }
        let area = (keys as f64 / 128.0).powi(2);
        Ok(Cost {
            chunk: rule.tokens as usize,
            crews: fused::has_crews(timeline, spec, arch),
            columns: (values, keys),
            parts: (local, transition),
            step: matrices * STEP.0 * area + others * STEP.1,
            launches: 1.0 + parts.runs() as f64 + composes,
        })
    }

    /// The tokens of a piece with which the plan takes less time than the fused plan, and how many times less; `None` where the
    /// fused plan is as fast. For `pairs` of a sequence of `tokens` tokens and a state head.
    pub fn pays(&self, pairs: usize, tokens: usize, multiprocessors: usize) -> Option<(usize, f64)> {
        let chunks = tokens.div_ceil(self.chunk);
        let launch = (pairs, multiprocessors);
        let fused = fused::COLUMNS.map(|c| fused::chunk_cost((self.columns.0, c), self.crews, launch));
        let fused = fused.into_iter().fold(f64::INFINITY, f64::min) * chunks as f64;
        let most = (multiprocessors / pairs.max(1)).min(chunks);
        let of = |pieces: usize| {
            let each = chunks.div_ceil(pieces);
            (each * self.chunk, fused / self.segmented(pieces, each, pairs, multiprocessors))
        };
        (2..=most).map(of).filter(|(_, gain)| *gain > 1.0).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The time of `pieces` pieces of `chunks` chunks.
    fn segmented(&self, pieces: usize, chunks: usize, pairs: usize, multiprocessors: usize) -> f64 {
        let widest = fused::COLUMNS[0];
        let launch = (pairs * pieces, multiprocessors);
        let of = |values: usize| fused::chunk_cost((values, widest), self.crews, launch);
        let (local, transition) = self.parts;
        let walks = (1.0 + local) * of(self.columns.0) + transition * of(self.columns.1);
        chunks as f64 * walks + pieces as f64 * self.step + self.launches * LAUNCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    const GATED: &str = "#[rule] fn gated(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, \
                         beta: Scalar) -> Vector<V> { s *= exp(g); s += outer(beta * k, v - s.read(k)); s.read(q) }";

    const LINEAR: &str = "#[rule] fn linear(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> { \
                          s += outer(k, v); s.read(q) }";

    fn cost(text: &str) -> Cost {
        let rules = chunkwise_dsl::parse_file(text).unwrap();
        let timeline = rules[0].timeline.as_ref().unwrap();
        Cost::of(timeline, &Spec::new(vec![128, 128], DType::BF16), Arch::Sm90).unwrap()
    }

    #[test]
    fn few_long_sequences_are_cut() {
        let (gated, linear) = (cost(GATED), cost(LINEAR));
        // One sequence of few heads, on 132 multiprocessors.
        let (piece, gain) = gated.pays(8, 32768, 132).unwrap();
        assert!(piece.is_multiple_of(64) && gain > 2.0, "{piece} {gain}");
        // Composition costs more than it saves on short sequences, and so do pieces where blocks fill the machine.
        assert_eq!(gated.pays(8, 256, 132), None);
        assert_eq!(gated.pays(4 * 32, 8192, 132), None);
        assert_eq!(gated.pays(8, 0, 132), None);
        // Without matrices it pays sooner.
        let pairs = |cost: Cost| (1..=132).filter(|heads| cost.pays(*heads, 16384, 132).is_some()).max();
        assert!(pairs(gated) < pairs(linear), "{:?} {:?}", pairs(gated), pairs(linear));
    }
}
