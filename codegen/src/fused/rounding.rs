//! How each thing is rounded: in how many parts, and to which type.
//!
//! ```text
//! bf16, fast    inputs                      as they lie
//!               computed keys and values    two parts where that costs no product, or stays in a state
//!               squares                     tf32; two parts where rows are solved from them one by one; what rows are solved with, f32
//!               rows that enter a state     two parts, tf32 or one part, by what the state forgets
//! high, f32     all of it                   two parts; with f32 inputs some of it stays whole (`whole`), with f16 squares do
//! ```

use super::plan::{Decayed, Operand, Plan, Square};
use crate::dtype::DType;
use chunkwise_algebra::program::{Deposit, KeysId, NodeId, Op, Phase, phases};

impl Plan {
    /// Whether an input's tile has a second one, of what rounding lost.
    pub fn input_split(&self) -> bool {
        self.dtype == DType::F32
    }

    /// Whether a square's tile has a second one, where it is not whole. Rows with feedback that is not linear are solved from it:
    /// one rounding there would cost more than all others.
    pub fn square_split(&self, square: &Square) -> bool {
        !self.is_whole(square) && (self.split || self.is_sought(square))
    }

    /// Whether a square is in tf32: both sides of its products are made here, so both may have the type that loses least
    /// without a known range; or in f32, see [`Plan::is_whole`]. Where value channels decay, other products are of single blocks,
    /// which are packed.
    pub fn is_fine(&self, square: &Square) -> bool {
        let in_one_part = || !self.square_split(square) && !self.is_by_value(square);
        square.feedback.is_none() && (self.is_whole(square) || in_one_part())
    }

    /// Whether an operand's tile has a second one. An input is in one part as it lies in memory. What is computed loses a
    /// rounding more than what was given; in two parts it does not, and that costs a product only where it is a key that
    /// products take as it is: of those, the written ones, whose error stays in the state.
    pub fn operand_split(&self, operand: &Operand) -> bool {
        let written = || self.chunk.deposits.iter().any(|d| self.is_of(d.keys, operand));
        match operand.alias {
            Some(_) => self.input_split(),
            None => {
                let stays = || operand.dim == self.dims.1 || written();
                !self.is_source(operand) && (self.split || !self.lean && stays())
            }
        }
    }

    /// Whether rows enter a state in two parts, where it is alone and decays by no value channel. One that does not decay keeps
    /// forever what rounding loses of them; a vector state has one column, which makes it cheap. An input is whole in one part.
    pub fn deposit_split(&self, deposit: &Deposit) -> bool {
        let state = self.chunk.keys(deposit.keys).state;
        let is_vector = || self.chunk.timeline.form(state).value.is_none();
        let fades = || self.clocks.iter().any(|clock| clock.states.contains(&state));
        let mixes = || self.mixing_of(state).is_some() || self.channel_clock(state).is_some();
        self.split || !mixes() && (is_vector() || !(fades() || self.is_input(deposit.values)))
    }

    /// Whether rows enter a state in tf32: those that are computed of inputs alone, or whose keys are and decay by channel. The
    /// rounding to bf16 would be the one error that such a state has; rows with feedback have those of what they read, and one that
    /// does not decay takes its rows in two parts. f16 has as many bits.
    pub fn deposit_fine(&self, deposit: &Deposit) -> bool {
        let state = self.chunk.keys(deposit.keys).state;
        let is_alone = self.mixing_of(state).is_none() && self.channel_clock(state).is_none();
        let free = || phases(&self.chunk)[deposit.values.index()] == Phase::Before;
        self.operand == DType::BF16
            && is_alone
            && !self.deposit_split(deposit)
            && free()
            && (!self.is_input(deposit.values) || self.is_computed(deposit.keys))
    }

    /// Whether rows with value columns are in two parts as an operand: those that are solved one by one are, whatever the
    /// precision, since they are fed back.
    pub fn rows_split(&self, rows: NodeId) -> bool {
        self.split || matches!(self.chunk.node(rows).op, Op::Solved(..))
    }

    /// Whether keys decayed by channel are in two parts: where they enter a state as they are computed.
    pub fn decayed_split(&self, decayed: &Decayed) -> bool {
        let deposits = || self.chunk.deposits.iter().filter(|d| d.keys == decayed.keys);
        let computed = || self.is_computed(decayed.keys) && deposits().any(|d| self.deposit_fine(d));
        self.split || !self.lean && computed()
    }

    /// Whether keys that decay by channel are computed: no input as it lies in memory.
    fn is_computed(&self, keys: KeysId) -> bool {
        self.decayed_of(keys).is_some_and(|at| self.operands[self.decayed[at].operand].alias.is_none())
    }

    /// Whether an operand's rows are floats: computed keys that products take once they are decayed, and rounded then.
    pub fn is_floats(&self, operand: &Operand) -> bool {
        operand.alias.is_none() && self.is_source(operand) && (self.split || !self.lean)
    }
}
