//! Decays of value channels: a state's products with the rows of a chunk, block after block of 16 tokens.
//!
//! ```text
//! P = tap(Q) + reach(Q, K, U)       gram(Q, K) is a square as any other; what value channels lose on the way is taken from
//!                                   rows of U and of P, which lie in accumulators (channels.cuh)
//! ```
//!
//! A row of `U` that has been taken to the end of its block is taken on from block to block; so is what reads will find of the
//! chunk's first state. Inside a block the tree of runs does it, and where feedback waits for the rows before it, the row loop.

use super::choose::not_fused;
use super::plan::Plan;
use crate::kernel::Limitation;
use crate::program::{Op as TokenOp, Step};
use chunkwise_algebra::program::{Columns, Keys, KeysId, Node, NodeId, Op, Program, SystemId};
use chunkwise_dsl::graph::{Binary, Graph, Shape, StateId, Unary, Value};
use chunkwise_dsl::timeline::{Event, Factor, Side, Timeline};

/// The decays of a state's value channels, all factors of a token as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelClock {
    /// The state.
    pub state: StateId,
    /// The decay itself, of the value shape.
    pub decay: Value,
}

/// What reads of a state whose value channels decay find: of the chunk's first state, and of rows written before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The tap of the first state.
    pub tap: NodeId,
    /// The reads.
    pub reads: KeysId,
    /// Writes, and the rows that they store.
    pub rows: Vec<(KeysId, NodeId)>,
}

/// The decays of a state by side, key side or scalar ones first.
pub(super) fn factors(t: &Timeline, state: StateId) -> (Vec<Factor>, Vec<Factor>) {
    let of_state = |e: &Event| match e {
        Event::Decay { state: s, factor } if *s == state => Some(*factor),
        _ => None,
    };
    let all = t.events.iter().filter_map(of_state);
    all.partition(|f| t.side(state, f.value()) != Side::Value)
}

/// The decay itself, of a factor that may be its logarithm.
pub(super) fn decay_of(g: &mut Graph, factor: Factor) -> Value {
    match factor {
        Factor::Raw(v) => v,
        Factor::Log(v) => g.unary(Unary::Exp, v),
    }
}

/// The product of decays, as a value of this shape.
pub(super) fn product(g: &mut Graph, factors: &[Factor], shape: Shape) -> Value {
    let mut decay = g.constant(1.0);
    for factor in factors {
        let factor = decay_of(g, *factor);
        decay = g.binary(Binary::Mul, decay, factor).unwrap_or(factor);
    }
    g.spread(decay, shape)
}

/// The chunk program with a Gram matrix for every [`Op::Reach`].
pub(super) fn with_grams(chunk: &Program) -> Program {
    let mut chunk = chunk.clone();
    for at in 0..chunk.nodes.len() {
        let Op::Reach { reads, writes, .. } = chunk.nodes[at].op else { continue };
        let columns = Columns::Rows(chunk.keys(writes).stack);
        let gram = Node { op: Op::Gram(reads, writes), rows: chunk.keys(reads).stack, columns };
        if !chunk.nodes.contains(&gram) {
            chunk.nodes.push(gram);
        }
    }
    chunk
}

/// Takes a matrix apart that is made of a tap and reaches.
pub(super) fn finding(chunk: &Program, node: NodeId) -> Option<Finding> {
    match chunk.node(node).op {
        Op::Tap(reads) => Some(Finding { tap: node, reads, rows: Vec::new() }),
        Op::Add(x, y) => match chunk.node(y).op {
            Op::Reach { writes, values, .. } => {
                let mut finding = finding(chunk, x)?;
                finding.rows.push((writes, values));
                Some(finding)
            }
            _ => None,
        },
        _ => None,
    }
}

impl Plan {
    /// The clock of a state's value channels, and its number.
    pub fn channel_clock(&self, state: StateId) -> Option<(usize, &ChannelClock)> {
        self.channel_clocks.iter().enumerate().find(|(_, clock)| clock.state == state)
    }

    /// The Gram matrix of reads and writes.
    pub fn gram_of(&self, reads: KeysId, writes: KeysId) -> Option<NodeId> {
        let at = self.chunk.nodes.iter().position(|node| node.op == Op::Gram(reads, writes))?;
        Some(NodeId(at as u32))
    }

    /// Bit `slot`: whether it stands after its token's decay of value channels.
    pub fn after(&self, keys: KeysId) -> u32 {
        let slots = self.chunk.keys(keys).slots.iter().enumerate();
        slots.map(|(at, slot)| u32::from(slot.value_place > 0) << at).sum()
    }

    /// What is found of a state whose value channels decay, by matrix: what systems seek first, then what outputs use.
    pub fn findings(&self, state: StateId) -> Vec<(NodeId, Finding)> {
        let chunk = &self.chunk;
        let sought = chunk.systems.iter().flat_map(|s| &s.sought).map(|s| s.found);
        let mut nodes: Vec<NodeId> = Vec::new();
        for node in sought.chain(chunk.reads.iter().map(|(_, found)| found.node)) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let here = |node| Some((node, finding(chunk, node)?));
        nodes.into_iter().filter_map(here).filter(|(_, f)| chunk.keys(f.reads).state == state).collect()
    }

    /// Whether some read after a token's decay finds a row of `writes` from before it.
    pub fn crosses(&self, reads: KeysId, writes: KeysId) -> bool {
        let slots = self.chunk.keys(writes).slots.len() as u32;
        self.after(reads) != 0 && self.after(writes).count_ones() < slots
    }

    pub(super) fn take_channel_clocks(&mut self) -> Result<(), Limitation> {
        for state in self.chunk.timeline.signature.state_ids() {
            let (_, factors) = factors(&self.chunk.timeline, state);
            if factors.is_empty() {
                continue;
            }
            let t = &self.chunk.timeline;
            let mine = |keys: &&Keys| keys.state == state;
            let keys = self.chunk.keys.iter().filter(mine);
            let mut places = keys.flat_map(|k| k.slots.iter().map(|slot| slot.value_place));
            if places.any(|place| place != 0 && place != factors.len()) {
                return not_fused(t, "reads or writes between two decays of value channels");
            }
            let shape = Shape::of(None, Some(self.dims.1));
            let decay = product(&mut self.chunk.timeline.graph, &factors, shape);
            self.channel_clocks.push(ChannelClock { state, decay });
        }
        self.check_channels()
    }

    /// What the walk over blocks cannot say.
    fn check_channels(&self) -> Result<(), Limitation> {
        let (chunk, t) = (&self.chunk, &self.chunk.timeline);
        for clock in &self.channel_clocks {
            let of_state = |keys: KeysId| chunk.keys(keys).state == clock.state;
            if self.team(clock.state).len() > 1 {
                return not_fused(
                    t,
                    "decays value channels of a state and stores reads of it in another, or of another in it",
                );
            }
            for (at, system) in chunk.systems.iter().enumerate() {
                if !system.members.iter().any(|m| of_state(m.keys)) {
                    continue;
                }
                if system.members.len() + system.sought.len() > 2 {
                    return not_fused(t, "decays value channels of states that share feedback");
                }
                if finding(chunk, system.sought[0].found).is_none_or(|f| !f.rows.is_empty()) {
                    return not_fused(t, "decays value channels and has writes with and without feedback");
                }
                if !self.decays_in_order(SystemId(at as u32)) {
                    return not_fused(t, "needs a read after the decay of value channels for one before it");
                }
            }
            let found = chunk.reads.iter().filter(|(r, _)| t.read(*r).state == clock.state);
            if found.clone().any(|(_, found)| finding(chunk, found.node).is_none()) {
                return not_fused(t, "decays value channels and reads more than one state");
            }
        }
        Ok(())
    }

    /// Whether a token's steps that stand before the decay come before those after it.
    fn decays_in_order(&self, system: SystemId) -> bool {
        let places = self.after_by_step(system);
        places.windows(2).all(|pair| pair[0] <= pair[1])
    }

    /// By step of a substitution that is a read or a row: whether it stands after the decay of value channels.
    pub fn after_by_step(&self, system: SystemId) -> Vec<bool> {
        let substitution = &self.substitutions[system.index()];
        // The state is alone, so that there is one of each.
        let system = self.chunk.system(system);
        let (member, sought) = (&system.members[0], &system.sought[0]);
        let (reads, writes) = (self.after(sought.keys), self.after(member.keys));
        let after = |step: &Step| match step {
            Step::Define(id) => match substitution.program.node(*id).op {
                TokenOp::Tap(read) => {
                    let slot = sought.reads.iter().position(|(r, _)| *r == read)?;
                    Some(reads >> slot & 1 == 1)
                }
                _ => None,
            },
            Step::Output { index, .. } => Some(writes >> substitution.places[*index].1 & 1 == 1),
            _ => None,
        };
        substitution.program.steps.iter().filter_map(after).collect()
    }
}
