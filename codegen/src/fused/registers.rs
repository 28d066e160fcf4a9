//! What a thread has registers for: 255 of them, of which states take most.
//!
//! ```text
//! K = 128, of 16 value columns                    registers            a chunk
//! gated_deltanet, one part                        a state: 64          64 tokens
//! gated_deltanet, two parts                       and its like: 128    32, reads at once
//! momentum_delta, one part                        two states: 128      32, reads at once
//! momentum_delta, two parts                       and their like: 256  32, reads at once; 16 where floats lie in pairs
//! ```
//!
//! Counts of the plan say what gives way: the length of chunks, and with it the rows that a thread holds; the state as an operand;
//! what would be computed once and kept. How many states a block's warps have is `choose`'s.

use super::plan::Plan;
use chunkwise_dsl::graph::StateId;

/// Channels by key of what is held, beside which there are registers for rows of 64 tokens; a state of more takes what it needs,
/// however short chunks are.
const HELD: u32 = 128;

impl Plan {
    /// The most tokens of a chunk that leave a thread registers for its rows: fewer where a warp has several states, or where what
    /// it multiplies is in two parts, and fewer still with both where numbers have to lie in pairs. The same for every kernel of a
    /// rule, whose results are the same to the bit.
    pub(super) fn most_tokens(&self) -> u32 {
        let states = self.chunk.timeline.signature.state_ids().map(|state| self.team(state).len() as u32);
        let parts = if self.split { 2 } else { 1 };
        let held = states.max().unwrap_or(1) * parts * self.columns(self.dims.0).min(HELD);
        match held.div_ceil(HELD) {
            0 | 1 => 64,
            2 => 32,
            _ if self.pairs_floats => 16,
            _ => 32,
        }
    }

    /// Whether all that is read of a state as a chunk begins is made before anything else, 16 of its keys at a time. Rows of reads
    /// then are what a warp holds, not the state as an operand: that is fewer registers where an operand has two parts, or where
    /// there are several states.
    pub fn reads_at_once(&self, state: StateId) -> bool {
        self.team(state).len() > 1 || self.split && self.channel_clock(state).is_none()
    }

    /// Whether a thread has no register to spare: with operands in two parts, states that meet, one whose value channels decay,
    /// which is taken through a chunk block by block, keys that decay by channel and meet no others, whose rows compilers make side
    /// by side, or a solve where numbers have to lie in pairs. What follows from a thread's number is then computed where it is
    /// used, and outputs wait for the solve.
    pub fn is_tight(&self) -> bool {
        let solves = self.squares.iter().any(|square| square.feedback.is_some());
        let states = !self.mixings.is_empty() || !self.channel_clocks.is_empty();
        let only_writes = self.squares.is_empty() && !self.decayed.is_empty();
        self.split || states || only_writes || self.pairs_floats && solves
    }
}

#[cfg(test)]
mod tests {
    use crate::arch::Arch;
    use crate::dtype::DType;
    use crate::fused::choose;
    use crate::kernel::Spec;

    const ONE: &str = "s += outer(k, v - s.read(k)); t *= 0.5; t += outer(k, v);";
    const TWO: &str = "t += outer(k, v - s.read(k)); s = 0.5 * s + t;";

    fn tokens(body: &str, keys: usize, dtype: DType, arch: Arch) -> u32 {
        let text = format!(
            "#[rule] fn r(mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {{ \
             {body} s.read(q) + t.read(q) }}"
        );
        let rule = chunkwise_dsl::parse_file(&text).unwrap().remove(0);
        choose(rule.timeline.as_ref().unwrap(), &Spec::new(vec![keys, 64], dtype), arch).unwrap().tokens
    }

    #[test]
    fn chunks_are_as_long_as_registers_suffice() {
        let on = |body, keys, arch| [DType::BF16, DType::F32].map(|dtype| tokens(body, keys, dtype, arch));
        let of = |body, keys| on(body, keys, Arch::Sm90);
        assert_eq!((of(ONE, 64), of(ONE, 128)), ([64, 64], [64, 32]));
        assert_eq!((of(TWO, 64), of(TWO, 128)), ([64, 32], [32, 32]));
        assert_eq!(on(TWO, 128, Arch::Sm100), [32, 16]);
    }
}
