//! What some phases of the chunk program are made from: a walk over the matrices with value columns.
//!
//! ```text
//! after:  o = tap(q) + T U      tap(q) -> the tile of q, its decays, the chunk's first state (registers)
//!                               T -> its square, U -> rows that the carry has made (registers)
//! ```

use super::Held;
use crate::fused::plan::{ClockKind, Plan, Square};
use crate::fused::shared::{ClockPart, Part, Region};
use crate::program::Program;
use chunkwise_algebra::program::{KeysId, NodeId, Op, Phase, SystemId, phases, reaches};
use chunkwise_dsl::graph::{StateId, Value};

/// What the phases use, as far as the walk has come.
pub(super) struct Walk<'a> {
    plan: &'a Plan,
    here: &'a [Phase],
    /// By node.
    phases: Vec<Phase>,
    /// Regions of shared memory, each by its high part.
    pub(super) used: Vec<Region>,
    /// What comes from another kernel's registers, and the state whose warps take it.
    pub(super) held: Vec<(StateId, Held)>,
}

impl Walk<'_> {
    /// Walks over what these phases compute.
    pub(super) fn over<'a>(plan: &'a Plan, here: &'a [Phase]) -> Walk<'a> {
        let phases = phases(&plan.chunk);
        let mut walk = Walk { plan, here, phases, used: Vec::new(), held: Vec::new() };
        if here.contains(&Phase::Carry) {
            walk.carry();
        }
        if here.contains(&Phase::After) {
            walk.after();
        }
        walk
    }

    /// The next chunk's first states.
    fn carry(&mut self) {
        self.used.extend((0..self.plan.mixings.len()).map(Region::Mixes));
        self.used.extend((0..self.plan.channel_clocks.len()).map(Region::Channels));
        for deposit in &self.plan.chunk.deposits {
            let state = self.holder(self.plan.chunk.keys(deposit.keys).state);
            self.rows(state, deposit.values, true);
            self.keys(deposit.keys, ClockPart::ToEnd);
        }
        for (at, clock) in self.plan.clocks.iter().enumerate() {
            let parts: &[ClockPart] = match clock.kind {
                ClockKind::Scalar { .. } => &[ClockPart::Before, ClockPart::SignBefore],
                ClockKind::ByChannel { .. } => &[ClockPart::All],
            };
            self.used.extend(parts.iter().map(|part| Region::Clock(at, *part)));
        }
    }

    /// The rows that outputs are made from.
    fn after(&mut self) {
        let plan = self.plan;
        for (read, found) in &plan.chunk.reads {
            self.rows(self.holder(plan.chunk.timeline.read(*read).state), found.node, false);
            self.used.extend(plan.scale_of(found.node).and_then(|by| self.coefficient(&by)));
        }
        if let Some(epilogue) = &plan.epilogue {
            self.inputs(&epilogue.program);
        }
    }

    /// A matrix with value columns that a state's warps take, as the operand of a product or as it is.
    fn rows(&mut self, state: StateId, node: NodeId, operand: bool) {
        let phase = self.phases[node.index()];
        if phase != Phase::Before && !self.here.contains(&phase) {
            return self.hold(state, if operand { Held::Operand(node) } else { Held::Rows(node) });
        }
        let plan = self.plan;
        match &plan.chunk.node(node).op {
            Op::Add(x, y) => {
                self.rows(state, *x, false);
                self.rows(state, *y, false);
            }
            Op::Product(left, right) => {
                self.square(*left);
                let square = plan.square_of(*left).map(|at| &plan.squares[at]);
                let takes_rows = |square: &Square| square.feedback.is_some() || plan.is_fine(square);
                self.rows(state, *right, !square.is_some_and(takes_rows));
            }
            Op::Scale(by, x) => {
                self.used.extend(self.coefficient(by));
                self.rows(state, *x, false);
            }
            Op::Tap(keys) => {
                self.keys(*keys, ClockPart::FromStart);
                if !self.here.contains(&Phase::Carry) {
                    self.first_states(state, plan.chunk.keys(*keys).state);
                }
            }
            Op::Values(rows) if plan.is_number(node) => {
                self.used.extend(self.coefficient(&plan.numbers(rows)));
            }
            Op::Values(rows) => {
                self.used.extend(plan.operand_of(rows).map(|o| plan.tile_of_operand(o)));
            }
            Op::Solved(system, _) => self.system(state, *system),
            Op::Reach { reads, writes, values } => {
                plan.gram_of(*reads, *writes).into_iter().for_each(|gram| self.square(gram));
                self.rows(state, *values, true);
            }
            Op::Gram(..) | Op::Plain(..) | Op::Decay(..) | Op::Inverse(_) => {}
        }
    }

    /// Whose warps hold a state: a team's are the first one's.
    fn holder(&self, state: StateId) -> StateId {
        self.plan.team(state)[0]
    }

    /// What a read can find of the chunk's first states.
    fn first_states(&mut self, holder: StateId, read: StateId) {
        match self.plan.mixing_of(read) {
            None => self.hold(holder, Held::State(read)),
            Some((_, mixing)) => {
                let reaches = reaches(&self.plan.chunk.timeline);
                for from in mixing.states.iter().filter(|s| reaches[s.index()][read.index()]) {
                    self.hold(holder, Held::State(*from));
                }
            }
        }
    }

    fn hold(&mut self, state: StateId, held: Held) {
        if !self.held.contains(&(state, held)) {
            self.held.push((state, held));
        }
    }

    fn coefficient(&self, values: &[Value]) -> Option<Region> {
        self.plan.coefficient_of(values).map(Region::Coefficient)
    }

    /// A square that was made before, or what it is made from here.
    fn square(&mut self, node: NodeId) {
        if self.plan.maker(node) != Phase::Before {
            return self.made(node);
        }
        let at = self.plan.square_of(node);
        self.used.extend(at.map(|at| Region::Square(at, Part::High)));
    }

    /// What a late square is made from.
    fn made(&mut self, node: NodeId) {
        match &self.plan.chunk.node(node).op {
            Op::Gram(reads, writes) => self.decays_between(*reads, *writes),
            Op::Plain(reads, writes) => {
                let plan = self.plan;
                self.used.extend([reads, writes].iter().filter_map(|keys| plan.tile_of_keys(**keys)));
            }
            Op::Decay(reads, writes, x) => {
                self.decays_between(*reads, *writes);
                self.made(*x);
            }
            Op::Add(x, y) => {
                self.made(*x);
                self.made(*y);
            }
            Op::Scale(by, x) => {
                self.used.extend(self.coefficient(by));
                self.made(*x);
            }
            _ => {}
        }
    }

    /// Two keys' tiles, and what their rows decay by since the chunk's start.
    fn decays_between(&mut self, reads: KeysId, writes: KeysId) {
        for keys in [reads, writes] {
            self.keys(keys, ClockPart::Log);
            self.keys(keys, ClockPart::Sign);
        }
    }

    /// Keys as products with the state take them, and the decays of their rows.
    fn keys(&mut self, keys: KeysId, part: fn(usize) -> ClockPart) {
        let plan = self.plan;
        if let Some(at) = plan.decayed_of(keys) {
            return self.used.push(Region::Decayed(at, Part::High));
        }
        self.used.extend(plan.tile_of_keys(keys));
        if let Some((at, table)) = plan.table_of(keys) {
            return self.used.push(Region::Table(at, table));
        }
        let of = plan.chunk.keys(keys);
        let here: Vec<usize> = of.slots.iter().map(|slot| slot.place).collect();
        for (at, clock) in
            plan.clocks.iter().enumerate().filter(|(_, clock)| clock.states.contains(&of.state))
        {
            if let ClockKind::Scalar { places, .. } = &clock.kind {
                let place = places.iter().position(|place| *place == here);
                self.used.extend(place.map(|place| Region::Clock(at, part(place))));
            }
        }
    }

    /// Rows with feedback that is not linear.
    fn system(&mut self, state: StateId, system: SystemId) {
        let plan = self.plan;
        for sought in &plan.chunk.system(system).sought {
            self.rows(state, sought.found, false);
            sought.grams.iter().flatten().for_each(|gram| self.square(*gram));
        }
        for (at, substitution) in plan.substitutions.iter().enumerate().filter(|(_, s)| s.system == system) {
            let pairs = plan.chunk.system(system).pairs();
            self.used.extend(pairs.map(|(sought, member, _)| Region::Diagonal(at, sought, member)));
            self.used.extend(self.coefficient(&substitution.numbers));
            for row in substitution.rows() {
                self.used.extend(plan.operand_of(&[Some(row)]).map(|o| plan.tile_of_operand(o)));
            }
            self.inputs(&substitution.program);
        }
    }

    /// The vector inputs that expressions use.
    fn inputs(&mut self, program: &Program) {
        for (_, param, _) in program.inputs(false) {
            let at = self.plan.inputs.iter().position(|input| input.param == param);
            self.used.extend(at.map(|at| Region::Input(at, Part::High)));
        }
    }
}
