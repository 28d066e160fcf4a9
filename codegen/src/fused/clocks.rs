//! How states decay: by one number, kept cumulative, or by channel, applied to keys.

use super::channels::{factors, product};
use super::plan::{Clock, ClockKind, Decayed, Own, Plan};
use crate::dtype::DType;
use chunkwise_algebra::bounds::bounds;
use chunkwise_algebra::program::{KeysId, NodeId, Op, Slot};
use chunkwise_dsl::graph::{Binary, Shape, StateId, Value};
use chunkwise_dsl::timeline::Factor;

/// The natural logarithm of what decays of a run may come to: e^60 leaves keys of up to e^28 below the largest bf16 and f32.
const LARGEST_LOG: f64 = 60.0;

impl Plan {
    /// A clock for all states whose decays are the same.
    pub(super) fn take_clocks(&mut self) {
        let coupled = self.chunk.timeline.coupled();
        let mut alike: Vec<(Vec<StateId>, Vec<Factor>)> = Vec::new();
        for state in self.chunk.timeline.signature.state_ids().filter(|s| !coupled[s.index()]) {
            let (factors, _) = factors(&self.chunk.timeline, state);
            match alike.iter_mut().find(|(_, known)| *known == factors) {
                _ if factors.is_empty() => {}
                Some((states, _)) => states.push(state),
                None => alike.push((vec![state], factors)),
            }
        }
        for (states, factors) in alike {
            let g = &self.chunk.timeline.graph;
            let kind = match factors.iter().any(|f| g.shape(f.value()) != Shape::Scalar) {
                false => self.scalar_clock(&states, factors),
                true => self.clock_by_channel(&states, &factors),
            };
            self.clocks.push(Clock { states, kind });
        }
    }

    /// Where a state decays by channel, keys stand at their token's begin or end: a product of decays of the token takes them there
    /// that stand between, reads to the begin and writes to the end. What reads find of their own token is said here, pair by pair.
    pub(super) fn settle_keys(&mut self) {
        let coupled = self.chunk.timeline.coupled();
        for state in self.chunk.timeline.signature.state_ids().filter(|s| !coupled[s.index()]) {
            let (factors, _) = factors(&self.chunk.timeline, state);
            let g = &self.chunk.timeline.graph;
            if factors.iter().all(|f| g.shape(f.value()) == Shape::Scalar) {
                continue;
            }
            for at in 0..self.chunk.nodes.len() {
                if let Op::Gram(reads, writes) = self.chunk.nodes[at].op
                    && self.chunk.keys(reads).state == state
                {
                    let values = self.own_pairs(reads, writes, &factors);
                    self.own.push(Own { gram: NodeId(at as u32), values });
                }
            }
            for at in 0..self.chunk.keys.len() {
                if self.chunk.keys[at].state == state {
                    self.settle(at, &factors);
                }
            }
        }
    }

    fn settle(&mut self, at: usize, factors: &[Factor]) {
        let writes = self.are_written(KeysId(at as u32));
        let (key, g) = (Shape::of(Some(self.dims.0), None), &mut self.chunk.timeline.graph);
        let between = |slot: &&mut Slot| slot.place != 0 && slot.place != factors.len();
        for slot in self.chunk.keys[at].slots.iter_mut().filter(between) {
            let (crossed, place) = match writes {
                true => (&factors[slot.place..], factors.len()),
                false => (&factors[..slot.place], 0),
            };
            let by = product(g, crossed, key);
            slot.key = slot.key.and_then(|key| g.binary(Binary::Mul, key, by));
            slot.place = place;
        }
    }

    fn scalar_clock(&self, states: &[StateId], factors: Vec<Factor>) -> ClockKind {
        let (g, signature) = (&self.chunk.timeline.graph, &self.chunk.timeline.signature);
        let signed =
            factors.iter().any(|f| matches!(f, Factor::Raw(v) if bounds(g, signature, *v).least < 0.0));
        let mut places: Vec<Vec<usize>> = Vec::new();
        for keys in self.chunk.keys.iter().filter(|k| states.contains(&k.state)) {
            let here = keys.slots.iter().map(|s| s.place).collect();
            if !places.contains(&here) {
                places.push(here);
            }
        }
        ClockKind::Scalar { factors, places, signed }
    }

    fn clock_by_channel(&mut self, states: &[StateId], factors: &[Factor]) -> ClockKind {
        let key = Shape::of(Some(self.dims.0), None);
        let decay = product(&mut self.chunk.timeline.graph, factors, key);
        for keys in self.key_ids().filter(|id| states.contains(&self.chunk.keys(*id).state)) {
            let slots = &self.chunk.keys(keys).slots;
            let after = slots.iter().enumerate().map(|(at, s)| u32::from(s.place > 0) << at).sum();
            let (writes, operand) = (self.are_written(keys), self.operand_of_keys(keys).unwrap_or(0));
            self.decayed.push(Decayed { keys, operand, writes, after });
        }
        let span = self.span_of(factors);
        ClockKind::ByChannel { decay, columns: self.columns(self.dims.0), span }
    }

    /// Tokens of a run in which the decays of one channel, multiplied, are proven to stay where an operand can say them and
    /// their reciprocal: a power of two up to 16.
    fn span_of(&self, factors: &[Factor]) -> u32 {
        let t = &self.chunk.timeline;
        let logarithms = |factor: &Factor| {
            let of = bounds(&t.graph, &t.signature, factor.value());
            match factor {
                Factor::Log(_) => [of.least, of.most],
                Factor::Raw(_) => [of.least.max(0.0).ln(), of.most.max(0.0).ln()],
            }
        };
        let size = |[least, most]: [f64; 2]| least.abs().max(most.abs());
        let of_token: f64 = factors.iter().map(logarithms).map(size).sum();
        // An f16 goes no further than e^11, which leaves nothing for keys.
        let widest = if self.operand == DType::BF16 { LARGEST_LOG } else { 0.0 };
        [16, 8, 4, 2].into_iter().find(|span| of_token * f64::from(*span) <= widest).unwrap_or(1)
    }

    /// `b . a`, with those of the token's decays that stand between the two.
    fn own_pairs(&mut self, reads: KeysId, writes: KeysId, factors: &[Factor]) -> Vec<Option<Value>> {
        let (reads, writes) = (self.chunk.keys(reads).slots.clone(), self.chunk.keys(writes).slots.clone());
        let (key, g) = (Shape::of(Some(self.dims.0), None), &mut self.chunk.timeline.graph);
        let mut pair = |read: &Slot, write: &Slot| {
            let (b, mut a) = (read.key?, write.key?);
            if write.event > read.event {
                return None;
            }
            if write.place < read.place {
                let between = product(g, &factors[write.place..read.place], key);
                a = g.binary(Binary::Mul, a, between)?;
            }
            Some(g.contract(b, a, Shape::Scalar))
        };
        reads
            .iter()
            .flat_map(|read| writes.iter().map(|write| pair(read, write)).collect::<Vec<_>>())
            .collect()
    }
}
