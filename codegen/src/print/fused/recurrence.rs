//! What a warp does for its 16 value columns: reads, the solve, outputs, the next state. Everything is transposed: rows are
//! value columns, columns are rows of stacks. No barrier.

mod outputs;

use super::{ClockNames, Fused, Packed, always, channels, handed, mixes, registers, substitution, taps};
use crate::fused::{Held, Owner};
use crate::writer::Writer;
use chunkwise_algebra::program::{Deposit, KeysId, NodeId, Op, Phase, SystemId};
use chunkwise_dsl::graph::StateId;
use std::collections::BTreeMap;

/// The matrices that a warp has evaluated so far.
pub(super) struct Warp<'a, 'b> {
    pub(super) fused: &'a Fused<'b>,
    pub(super) owner: &'a Owner,
    /// The states: the owner's team.
    pub(super) states: Vec<StateId>,
    /// The state as an operand, where it is held.
    state: Option<Packed>,
    /// The first of this warp's value columns in a tile.
    pub(super) column: String,
    /// Accumulators, by node.
    pub(super) known: BTreeMap<NodeId, String>,
    /// Operands, by node.
    packed: BTreeMap<NodeId, Packed>,
}

/// What each warp does for the state that it holds.
pub(super) fn print(fused: &Fused<'_>, w: &mut Writer) {
    let plan = fused.plan;
    w.blank();
    w.comment("This warp's value columns");
    handed::registers_row(fused, w);
    for (at, owner) in plan.owners.iter().enumerate() {
        let states = plan.team(owner.state);
        // A team's states are the first one's.
        if states[0] != owner.state {
            continue;
        }
        let mine = fused.is_owner(owner).map_or(String::new(), |is| format!("if ({is})"));
        let column = format!("{} * 16", fused.warp_from(owner.first));
        w.block(mine, |w| {
            let s = registers(fused, owner.state);
            let numbers = owner.value.is_none() && plan.computes(Phase::Carry);
            if numbers {
                w.line(format_args!("float {s}[{}][4];", fused.key_eighths()));
                w.line(format_args!("load_numbers({s}, {});", fused.vectors[at]));
            }
            let held = states.len() == 1 && !(plan.computes(Phase::Carry) && plan.reads_at_once(owner.state));
            let state = held.then(|| first_state(fused, owner.state, (owner, &column), w));
            let (known, packed) = (BTreeMap::new(), BTreeMap::new());
            Warp { fused, owner, states, state, column, known, packed }.print(w);
            if numbers {
                w.line("__syncwarp();");
                w.line(format_args!("store_numbers({}, {s});", fused.vectors[at]));
            }
        });
    }
}

/// A chunk's first state as an operand: that of the registers, or what another kernel has packed.
fn first_state(fused: &Fused<'_>, state: StateId, (owner, column): (&Owner, &str), w: &mut Writer) -> Packed {
    let s = registers(fused, state);
    let wish = format!("{s}_operand");
    if fused.plan.computes(Phase::Carry) {
        return fused.pack(s, fused.key_eighths(), fused.plan.split, &wish, w);
    }
    match fused.plan.hand(owner.state, Held::State(state)) {
        Some(hand) => handed::take_operand(fused, &hand, (owner, column), (&wish, fused.key_eighths()), w),
        None => Packed::default(),
    }
}

impl Warp<'_, '_> {
    fn print(&mut self, w: &mut Writer) {
        let (plan, state) = (self.fused.plan, self.owner.state);
        let states = self.states.clone();
        let carries = plan.computes(Phase::Carry);
        let mine = |keys: KeysId| carries && states.contains(&plan.chunk.keys(keys).state);
        let deposits: Vec<_> = plan.chunk.deposits.iter().filter(|d| mine(d.keys)).collect();
        if carries && plan.reads_at_once(state) {
            taps::at_once(self, w);
        }
        if let Some((clock, _)) = plan.channel_clock(state) {
            channels::print(self, clock, w);
        }
        // Outputs may take the place of the values that they are made from.
        for deposit in &deposits {
            self.matrix(deposit.values, "u", w);
        }
        if carries && plan.is_tight() {
            self.outputs_behind_branch(w)
        } else {
            self.outputs(w)
        }
        if carries {
            self.next_state(&deposits, w);
        }
    }

    /// The first state of this chunk, or one that it meets, as an operand.
    pub(super) fn first_state(&self, state: StateId, w: &mut Writer) -> Packed {
        let pack = |w: &mut Writer| first_state(self.fused, state, (self.owner, &self.column), w);
        self.state.clone().unwrap_or_else(|| pack(w))
    }

    /// States that meet first, since what they are left is taken from copies of rows.
    fn next_state(&mut self, deposits: &[&Deposit], w: &mut Writer) {
        let plan = self.fused.plan;
        let state_of = |deposit: &Deposit| plan.chunk.keys(deposit.keys).state;
        let (meeting, alone): (Vec<StateId>, _) =
            self.states.iter().partition(|state| plan.mixing_of(**state).is_some());
        for state in &meeting {
            if plan.mixing_of(*state).is_some_and(|(_, mixing)| mixing.states[0] == *state) {
                mixes::mix(self.fused, *state, w);
            }
        }
        for deposit in deposits.iter().filter(|d| meeting.contains(&state_of(d))) {
            mixes::deposit(self, deposit, w);
        }
        for state in alone {
            let mine: Vec<_> = deposits.iter().filter(|d| state_of(d) == state).collect();
            for (at, deposit) in mine.iter().enumerate() {
                let others = deposits.iter().filter(|d| d.values == deposit.values).count() > 1;
                self.deposit(deposit, (at == 0, others), w);
            }
            // A state that nothing is written to fades all the same.
            if mine.is_empty() {
                self.fade(state, w);
            }
        }
    }

    /// Accumulators of a matrix, evaluated where they are new.
    pub(super) fn matrix(&mut self, node: NodeId, wish: &str, w: &mut Writer) -> String {
        if let Some(name) = self.known.get(&node) {
            return name.clone();
        }
        let hand = handed::taken(self.fused, self.owner, Held::Rows, node);
        if let (None, Op::Solved(system, member)) = (hand, &self.fused.plan.chunk.node(node).op) {
            return self.solve(*system, wish, w).swap_remove(*member);
        }
        let name = self.rows_of(node, wish, w);
        match hand {
            Some(hand) => handed::take_rows(self.fused, &hand, (self.owner, &self.column), &name, w),
            None => self.accumulate(node, &name, true, w),
        }
        self.known.insert(node, name.clone());
        name
    }

    /// Accumulators for a matrix, zero.
    pub(super) fn rows_of(&self, node: NodeId, wish: &str, w: &mut Writer) -> String {
        let (name, rows) =
            (self.fused.fresh(wish), self.fused.eighths(self.fused.plan.chunk.node(node).rows));
        w.line(format_args!("float {name}[{rows}][4] = {{}};"));
        name
    }

    /// Rows with feedback that is not linear, by member.
    fn solve(&mut self, id: SystemId, wish: &str, w: &mut Writer) -> Vec<String> {
        let fused = self.fused;
        let (chunk, system) = (&fused.plan.chunk, fused.plan.chunk.system(id));
        let node = |member: usize| {
            chunk.deposits.iter().map(|d| d.values).find(|n| chunk.node(*n).op == Op::Solved(id, member))
        };
        // What a member writes stays in its state.
        let members: Vec<NodeId> = (0..system.members.len()).filter_map(node).collect();
        let into: Vec<String> = members.iter().map(|node| self.rows_of(*node, wish, w)).collect();
        let mut found = Vec::new();
        for sought in &system.sought {
            let name = self.rows_of(sought.found, "found", w);
            self.accumulate(sought.found, &name, true, w);
            found.push(name);
        }
        let packed = substitution::print(fused, (self.owner, &self.column), id, (&found, &into), w);
        self.known.extend(members.iter().copied().zip(into.iter().cloned()));
        self.packed.extend(members.into_iter().zip(packed));
        into
    }

    /// A matrix as the left operand of a product, in two parts where `split`.
    fn operand(&mut self, node: NodeId, split: bool, w: &mut Writer) -> Packed {
        if let Some(packed) = self.packed.get(&node) {
            return packed.clone();
        }
        let packed = match handed::taken(self.fused, self.owner, Held::Operand, node) {
            Some(hand) => {
                let eighths = self.fused.eighths(self.fused.plan.chunk.node(node).rows);
                handed::take_operand(self.fused, &hand, (self.owner, &self.column), ("packed", eighths), w)
            }
            None => {
                let from = self.matrix(node, "u", w);
                self.pack(&from, node, split, w)
            }
        };
        self.packed.insert(node, packed.clone());
        packed
    }

    fn pack(&self, from: &str, node: NodeId, split: bool, w: &mut Writer) -> Packed {
        let fused = self.fused;
        fused.pack(from, fused.eighths(fused.plan.chunk.node(node).rows), split, "packed", w)
    }

    /// Adds a matrix to `into`, which is zero where `fresh`.
    pub(super) fn accumulate(&mut self, node: NodeId, into: &str, fresh: bool, w: &mut Writer) {
        let fused = self.fused;
        let e = fused.operand();
        if handed::taken(fused, self.owner, Held::Rows, node).is_some() {
            let part = self.matrix(node, "part", w);
            return w.line(format_args!("add_to({into}, {part});"));
        }
        match &fused.plan.chunk.node(node).op {
            Op::Add(x, y) => {
                self.accumulate(*x, into, fresh, w);
                self.accumulate(*y, into, false, w);
            }
            Op::Product(left, right) => {
                let (square, slots) = self.square(*left);
                let tile = &fused.squares[square];
                if fused.plan.squares[square].feedback.is_some() {
                    self.solve_linear(*right, (into, fresh), &tile.high, w);
                } else if fused.plan.is_whole(&fused.plan.squares[square]) {
                    let values = self.matrix(*right, "u", w);
                    w.line(format_args!("multiply_whole<{slots}>({into}, {values}, {});", tile.high));
                } else if fused.plan.is_fine(&fused.plan.squares[square]) {
                    let values = self.matrix(*right, "u", w);
                    let exact = fused.plan.is_input(*right);
                    w.line(format_args!("multiply_fine<{slots}, {exact}>({into}, {values}, {});", tile.high));
                } else {
                    let packed = self.operand(*right, fused.plan.split, w);
                    fused.product((&format!("multiply_lower<{e}, {slots}>"), into, ""), &packed, tile, w);
                }
            }
            Op::Tap(_) if fresh && self.known.contains_key(&node) => {
                w.line(format_args!("copy_to({into}, {});", self.known[&node]));
            }
            Op::Tap(keys) if fresh || !self.reads_apart(*keys) => taps::add(self, *keys, into, w),
            Op::Values(rows) if fresh && self.owner.value.is_none() => {
                let numbers = fused.coefficient(&fused.plan.numbers(rows)).to_owned();
                w.line(format_args!("load_numbers({into}, {numbers});"));
            }
            Op::Values(rows) if fresh => {
                let Some(tile) = fused.plan.operand_of(rows).map(|o| &fused.operands[o]) else { return };
                w.line(format_args!("load_columns<{e}>({into}, {}, {});", tile.high, self.column));
                if let Some(low) = &tile.low {
                    w.line(format_args!("add_columns<{e}>({into}, {low}, {});", self.column));
                }
            }
            Op::Scale(by, x) if fresh => {
                self.accumulate(*x, into, true, w);
                w.line(format_args!("scale_columns({into}, {});", fused.coefficient(by)));
            }
            _ => {
                let part = self.matrix(node, "part", w);
                w.line(format_args!("add_to({into}, {part});"));
            }
        }
    }

    /// Rows with linear feedback: solved in place, where they are not added to others.
    fn solve_linear(&mut self, right: NodeId, (into, fresh): (&str, bool), square: &str, w: &mut Writer) {
        let eighth = if self.fused.plan.split { "Kept" } else { "Rounded" };
        let known = self.known.get(&right).cloned();
        let rows = if fresh { into.to_owned() } else { self.rows_of(right, "u", w) };
        match known {
            Some(known) => w.line(format_args!("copy_to({rows}, {known});")),
            None => self.accumulate(right, &rows, true, w),
        }
        let solve = format!("solve_rows<{eighth}>({rows}, {square});");
        match self.fused.plan.is_tight() {
            // Compilers would begin to load the square while other products are made.
            true => {
                let head = always(self.fused, w);
                w.block(head, |w| w.line(solve));
            }
            false => w.line(solve),
        }
        if !fresh {
            w.line(format_args!("add_to({into}, {rows});"));
        }
    }

    /// The square of a product's left side, and its slots a token as template arguments.
    fn square(&self, node: NodeId) -> (usize, String) {
        let plan = self.fused.plan;
        // Every left side of a product has a square.
        let at = plan.square_of(node).unwrap_or(0);
        let (reads, writes) = plan.slots_of(node);
        (at, format!("{reads}, {writes}"))
    }

    /// Whether what reads find of the first state is added to other rows as a whole: it decays, or is made before them.
    fn reads_apart(&self, keys: KeysId) -> bool {
        self.fused.decays(keys).is_some() || self.fused.plan.reads_at_once(self.owner.state)
    }

    /// `S^T <- decay S^T + U^T (decay * A)`; the first one of a state lets it decay, and others may store the same rows.
    fn deposit(&mut self, deposit: &Deposit, (first, others): (bool, bool), w: &mut Writer) {
        let (fused, Deposit { keys, values }) = (self.fused, *deposit);
        let state = fused.plan.chunk.keys(keys).state;
        let s = registers(fused, state);
        let split = fused.plan.deposit_split(deposit);
        let (e, tile) = (fused.operand(), fused.state_keys(keys));
        let decayed = fused.decays(keys).map(|rows| {
            let mut u = self.matrix(values, "u", w);
            if others {
                let part = self.rows_of(values, "part", w);
                w.line(format_args!("add_to({part}, {u});"));
                u = part;
            }
            w.line(format_args!("scale_columns({u}, {});", rows.to_end));
            u
        });
        if fused.plan.deposit_fine(deposit) {
            let u = decayed.unwrap_or_else(|| self.matrix(values, "u", w));
            if first {
                self.fade(state, w);
            }
            let rest = tile.low.as_ref().map_or(String::new(), |rest| format!(", {rest}"));
            return w.line(format_args!("multiply_fine_columns<{e}>({s}, {u}, {}{rest});", tile.high));
        }
        if fused.plan.deposit_whole(deposit) {
            let u = decayed.unwrap_or_else(|| self.matrix(values, "u", w));
            if first {
                self.fade(state, w);
            }
            return fused.deposit_whole(s, &u, (deposit.keys, &tile), w);
        }
        let Packed { high, low, .. } = match decayed {
            None => self.operand(values, split, w),
            Some(u) => self.pack(&u, values, split, w),
        };
        if first {
            self.fade(state, w);
        }
        if let Some(rest) = &tile.low {
            w.line(format_args!("multiply_columns<{e}>({s}, {high}, {rest});"));
        }
        // Each fragment of the keys is loaded once.
        let low = low.filter(|_| split).map_or(String::new(), |low| format!(", {low}"));
        w.line(format_args!("multiply_columns<{e}>({s}, {high}, {}{low});", tile.high));
    }

    /// The decay of the whole chunk.
    fn fade(&self, state: StateId, w: &mut Writer) {
        let fused = self.fused;
        let (s, last) = (registers(fused, state), fused.plan.tokens);
        if let Some((clock, _)) = fused.plan.channel_clock(state) {
            let blocks = last / 16;
            w.line(format_args!("decay_state<{blocks}>({s}, {}, {});", fused.channels[clock], self.column));
        }
        match fused.clock(state) {
            Some((_, ClockNames::ByChannel { all, .. })) => {
                w.line(format_args!("scale_columns({s}, {all});"))
            }
            Some((_, ClockNames::Scalar { before, signs, .. })) => {
                let sign = signs.as_ref().map_or(String::new(), |(sign, _)| format!(" * {sign}[{last}]"));
                w.line(format_args!("scale_all({s}, exp2_fast({before}[{last}]){sign});"));
            }
            None => {}
        }
    }
}
