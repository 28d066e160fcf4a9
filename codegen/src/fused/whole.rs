//! What stays whole where inputs are f32: the solve of feedback, and what it leaves in a state. Of f16 in two parts, squares.
//!
//! ```text
//! gated_deltanet, f32   gram(K', K) that rows are solved with   k in three parts, 24 bits: six products
//!                       the solve                               both sides in three parts, 24 bits: six products (`solve.cuh`)
//!                       rows that enter the state               three parts, 24 bits, by k in two: five products (`whole.cuh`)
//!                       all else                                two parts of bf16, 16 bits: three products
//!
//! longhorn, f32         what is read of the state               both sides in three parts: six products
//!                       rows that enter the state               both sides in three parts: six products
//! ```
//!
//! Feedback of 2 on a key that repeats is a reflection, and what is lost of it in one token is lost in each: errors of the solve
//! grow with a chunk's tokens, those of other products with chunks (a delta rule without decay, beta = 2, 130 tokens of one key,
//! where operands of 16 bits are left in one place only: 34e-5 with the Gram matrix, 30e-5 with what it is in the solve, at most
//! 4e-5 any other; none, 1e-5). It is the same for each chunk of the same keys, so that what it loses is the same too (2048 tokens of
//! two keys in turns: 12e-5 to 24e-5 with numbers of 22 bits, 4e-5 to 8e-5 with all 24).
//! What rows lose as they enter a state stays there, a new error with each token, where keys lose the same each time (512 tokens of
//! one key, the state: rows in two parts 11e-5, in three .4e-5; 4096 tokens: 38e-5 and 2e-5).
//!
//! Where rows are solved one by one, 16 tokens at a time, their Gram matrices are whole, and so are the products by which the
//! rows of earlier blocks are taken to them (512 tokens, keys of which a tenth differs: 22e-5 with Gram matrices of 16 bits, 3e-5).
//! What such rows do with what they read may be anything, a division by its length among it. So their states are read and written
//! with all bits, or where little is found in a large state it is the rounding of keys that is found (a layer norm of what is read,
//! from a state of zeros, of which the first token makes a thousand times what others do: 14e-5, and 1e-5).

use super::plan::{Decayed, Input, Operand, Plan, Square};
use super::shared::{Part, Region};
use crate::dtype::DType;
use chunkwise_algebra::program::{Deposit, KeysId, NodeId, Op, Phase, phases};
use chunkwise_dsl::graph::{Expr, StateId, Value};

impl Plan {
    /// Whether a square is in f32, and its products with rows are of all bits: what rows are solved with, and what earlier rows
    /// are taken by to those that are solved one by one. With f16 operands in two parts it is all that rows are multiplied with: a
    /// square has products of two keys that may both be small, and that a number of each token makes large again, and what is below
    /// 6e-5 has no second part (keys of length .002 to 1: 47e-5 of outputs, and nothing but their storing).
    pub fn is_whole(&self, square: &Square) -> bool {
        match self.operand {
            DType::F16 => self.split && square.feedback.is_none(),
            _ => self.dtype == DType::F32 && (square.feedback.is_some() || self.is_sought(square)),
        }
    }

    /// Whether rows that are solved one by one are solved from it.
    pub(super) fn is_sought(&self, square: &Square) -> bool {
        self.sought().any(|gram| gram == square.node)
    }

    /// Whether rows enter a state with all bits: those that are made of what was read. Where nothing decays, each token's error
    /// stays, and a chunk has as many as it has tokens.
    pub fn deposit_whole(&self, deposit: &Deposit) -> bool {
        self.dtype == DType::F32 && phases(&self.chunk)[deposit.values.index()] != Phase::Before
    }

    /// Whether keys are in three parts: those that feedback is solved with, and those of a state that is whole. For want of room they
    /// are in two.
    pub fn keys_whole(&self, keys: KeysId) -> bool {
        let solves =
            || self.solves().any(|of| self.grams_of(of).iter().any(|(r, w)| [*r, *w].contains(&keys)));
        self.dtype == DType::F32 && !self.lean && (solves() || self.stays_whole(keys))
    }

    /// Whether a state is read and written with all bits: one that rows are solved from one by one, and those that it meets. Where
    /// value channels decay, it is packed.
    pub fn state_whole(&self, state: StateId) -> bool {
        let team = self.team(state);
        let sought = || self.sought().flat_map(|gram| self.grams_of(gram));
        let seeks = || sought().any(|(reads, _)| team.contains(&self.chunk.keys(reads).state));
        self.dtype == DType::F32 && !self.lean && self.channel_clock(state).is_none() && seeks()
    }

    /// Whether keys stay whole until a state is read and written by them.
    pub fn stays_whole(&self, keys: KeysId) -> bool {
        self.state_whole(self.chunk.keys(keys).state)
    }

    /// Whether a tile's third one is used by value columns too, not by squares alone.
    pub(super) fn last_stays(&self, region: Region) -> bool {
        let stays =
            |operand: &Operand| self.ids().any(|keys| self.stays_whole(keys) && self.is_of(keys, operand));
        match region {
            Region::Input(at, Part::Last) => self.operands.iter().any(|o| o.alias == Some(at) && stays(o)),
            Region::Operand(at, Part::Last) => stays(&self.operands[at]),
            Region::Decayed(at, Part::Last) => self.stays_whole(self.decayed[at].keys),
            _ => false,
        }
    }

    /// Whether an operand's tile has a third one.
    pub fn operand_whole(&self, operand: &Operand) -> bool {
        let is_whole = |keys: KeysId| self.is_of(keys, operand) && self.keys_whole(keys);
        !self.is_floats(operand) && self.key_ids().any(is_whole)
    }

    /// Whether decayed keys have a third tile.
    pub fn decayed_whole(&self, decayed: &Decayed) -> bool {
        self.keys_whole(decayed.keys)
    }

    /// Whether an input's tile has a third one: as it is or by what tokens compute of it, feedback is solved with it, or a state that
    /// is whole read or written by it.
    pub fn input_whole(&self, input: &Input) -> bool {
        let graph = &self.chunk.timeline.graph;
        let mut roots = Vec::new();
        self.solves().for_each(|of| self.numbers_of(of, &mut roots));
        let staying = self.ids().filter(|keys| self.stays_whole(*keys));
        roots.extend(staying.flat_map(|keys| self.vectors(keys)));
        let live = graph.reachable(roots);
        let takes = |v: Value| matches!(graph.expr(v), Expr::Param(param, _) if param == input.param);
        self.dtype == DType::F32 && !self.lean && graph.values().any(|v| live[v.index()] && takes(v))
    }

    /// What rows are solved with, where that is whole, and what others are solved from.
    fn solves(&self) -> impl Iterator<Item = NodeId> {
        let linear =
            self.squares.iter().filter(|square| self.is_whole(square)).filter_map(|square| square.feedback);
        linear.chain(self.sought())
    }

    /// The Gram matrices that rows are solved from one by one.
    fn sought(&self) -> impl Iterator<Item = NodeId> {
        let sought = self.chunk.systems.iter().flat_map(|system| &system.sought);
        sought.flat_map(|sought| sought.grams.iter().flatten().copied())
    }

    fn ids(&self) -> impl Iterator<Item = KeysId> {
        (0..self.chunk.keys.len() as u32).map(KeysId)
    }

    /// The vectors of keys.
    fn vectors(&self, keys: KeysId) -> impl Iterator<Item = Value> {
        self.chunk.keys(keys).slots.iter().filter_map(|slot| slot.key)
    }

    /// The keys and coefficients of a square.
    fn numbers_of(&self, square: NodeId, into: &mut Vec<Value>) {
        match &self.chunk.node(square).op {
            Op::Add(x, y) => {
                self.numbers_of(*x, into);
                self.numbers_of(*y, into);
            }
            Op::Scale(by, x) => {
                into.extend(by);
                self.numbers_of(*x, into);
            }
            Op::Decay(_, _, x) => self.numbers_of(*x, into),
            Op::Gram(reads, writes) | Op::Plain(reads, writes) => {
                into.extend(self.vectors(*reads).chain(self.vectors(*writes)));
            }
            _ => {}
        }
    }
}
