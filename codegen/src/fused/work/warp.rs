//! What one warp multiplies in a chunk, as `print::fused::recurrence` has it: reads, squares with rows, rows into states.

use super::lower_blocks;
use crate::fused::plan::{ClockKind, Owner, Plan, Square};
use chunkwise_algebra::program::{KeysId, NodeId, Op, SystemId, reaches};
use chunkwise_dsl::graph::StateId;

/// Products of one warp, as it evaluates the matrices of its state.
pub(super) struct Warp<'a> {
    plan: &'a Plan,
    state: StateId,
    /// The state's team; of it the first has them all.
    states: Vec<StateId>,
    /// Products of blocks of 16 x 16.
    pub(super) blocks: u64,
    /// Of them in tf32.
    pub(super) fine: u64,
    /// Products of blocks of 8 x 8, and of them in tf32.
    pub(super) solved: u64,
    pub(super) solved_fine: u64,
    /// Matrices that it has.
    known: Vec<NodeId>,
}

impl Warp<'_> {
    /// What one warp of a state multiplies.
    pub(super) fn of<'a>(plan: &'a Plan, owner: &Owner) -> Warp<'a> {
        let states = plan.team(owner.state);
        let mut warp = Warp {
            plan,
            state: owner.state,
            states,
            blocks: 0,
            fine: 0,
            solved: 0,
            solved_fine: 0,
            known: Vec::new(),
        };
        if warp.states[0] != owner.state {
            return warp;
        }
        if plan.reads_at_once(owner.state) {
            warp.taps();
        }
        if plan.channel_clock(owner.state).is_some() {
            warp.channels();
        }
        let deposits = plan.chunk.deposits.iter();
        for deposit in
            deposits.filter(|d| warp.states.contains(&plan.chunk.keys(d.keys).state)).collect::<Vec<_>>()
        {
            warp.matrix(deposit.values);
            let from = plan.chunk.keys(deposit.keys).state;
            let parts =
                if plan.deposit_whole(deposit) { 3 } else { 1 + u64::from(plan.deposit_split(deposit)) };
            if plan.deposit_fine(deposit) {
                warp.with_state_fine(deposit.keys);
                continue;
            }
            (0..warp.meeting(from, |to| (from, to))).for_each(|_| warp.with_state(deposit.keys, parts));
        }
        for (read, found) in &plan.chunk.reads {
            if warp.states.contains(&plan.chunk.timeline.read(*read).state) && warp.is_wanted(found.node) {
                warp.matrix(found.node);
            }
        }
        warp
    }

    /// What is read of the states as the chunk begins, once each.
    fn taps(&mut self) {
        let plan = self.plan;
        for (at, node) in plan.chunk.nodes.iter().enumerate() {
            let Op::Tap(keys) = node.op else { continue };
            if self.states.contains(&plan.chunk.keys(keys).state) {
                let node = NodeId(at as u32);
                self.accumulate(node, true);
                self.known.push(node);
            }
        }
    }

    /// Whether reads leave the warp: as outputs, or for the epilogue.
    fn is_wanted(&self, node: NodeId) -> bool {
        self.plan.epilogue.as_ref().is_none_or(|epilogue| epilogue.reads.contains(&node))
    }

    /// A product of keys with the state's operand, or with rows that enter it, in so many parts. Of keys in two parts the
    /// smaller one is taken with all parts of those but the smallest; those that stay whole have three.
    fn with_state(&mut self, keys: KeysId, parts: u64) {
        let plan = self.plan;
        let passes = match plan.keys_split(keys) {
            true if parts == 3 && plan.stays_whole(keys) => 6,
            true => parts + (parts - 1).max(1),
            false => parts,
        };
        self.blocks += passes * plan.row_blocks(keys) * plan.key_blocks();
    }

    /// The same in tf32: one product, whatever the parts of the keys.
    fn with_state_fine(&mut self, keys: KeysId) {
        let blocks = self.plan.row_blocks(keys) * self.plan.key_blocks();
        self.blocks += blocks;
        self.fine += blocks;
    }

    fn matrix(&mut self, node: NodeId) {
        if self.known.contains(&node) {
            return;
        }
        match self.plan.chunk.node(node).op {
            Op::Solved(system, _) => {
                let solved =
                    |node: &NodeId| matches!(self.plan.chunk.node(*node).op, Op::Solved(s, _) if s == system);
                self.known.extend((0..self.plan.chunk.nodes.len() as u32).map(NodeId).filter(solved));
                self.solve(system);
            }
            _ => self.accumulate(node, true),
        }
        self.known.push(node);
    }

    fn accumulate(&mut self, node: NodeId, fresh: bool) {
        let plan = self.plan;
        let state_parts = |keys| if plan.stays_whole(keys) { 3 } else { 1 + u64::from(plan.split) };
        match &plan.chunk.node(node).op {
            Op::Add(x, y) => {
                self.accumulate(*x, fresh);
                self.accumulate(*y, false);
            }
            Op::Product(left, right) => {
                self.matrix(*right);
                self.product(*left, *right);
            }
            Op::Tap(_) if (fresh || plan.reads_at_once(self.state)) && self.known.contains(&node) => {}
            Op::Tap(keys) if plan.table_of(*keys).is_some() => {
                let to = plan.chunk.keys(*keys).state;
                (0..self.meeting(to, |from| (from, to)))
                    .for_each(|_| self.with_state(*keys, state_parts(*keys)));
            }
            Op::Tap(keys) if fresh || !self.is_scaled(*keys) => self.with_state(*keys, state_parts(*keys)),
            Op::Scale(_, x) if fresh => self.accumulate(*x, true),
            Op::Values(_) => {}
            _ => self.matrix(node),
        }
    }

    /// How many of the states that a state meets stand so to each other that what is put into the first can come to stand in the
    /// second.
    fn meeting(&self, state: StateId, pair: impl Fn(StateId) -> (StateId, StateId)) -> usize {
        let reaches = reaches(&self.plan.chunk.timeline);
        let mixed = self.plan.mixing_of(state).map(|(_, mixing)| mixing.states.clone());
        let meets = |state: &&StateId| {
            let (from, to) = pair(**state);
            reaches[from.index()][to.index()]
        };
        mixed.unwrap_or_else(|| vec![state]).iter().filter(meets).count()
    }

    /// Rows and reads of a state whose value channels decay; see `channels.cuh`.
    fn channels(&mut self) {
        let plan = self.plan;
        let systems = |values: NodeId| match plan.chunk.node(values).op {
            Op::Solved(system, _) => Some(system),
            _ => None,
        };
        let deposits = plan.chunk.deposits.iter();
        let rows: Vec<_> = deposits.filter(|d| plan.chunk.keys(d.keys).state == self.state).collect();
        let blocks = plan.tokens / 16;
        for (node, finding) in plan.findings(self.state) {
            self.accumulate(finding.tap, true);
            self.known.push(node);
            let seeks = |system: SystemId| plan.chunk.system(system).sought.iter().any(|s| s.found == node);
            for row in &rows {
                let system = systems(row.values);
                let own = system.is_some_and(seeks);
                if !own && finding.rows.iter().all(|(_, values)| *values != row.values) {
                    continue;
                }
                let gram = plan.gram_of(finding.reads, row.keys);
                let square = gram.and_then(|gram| plan.square_of(gram)).map(|at| &plan.squares[at]);
                let slots = |keys: KeysId| plan.chunk.keys(keys).slots.len() as u64;
                let (r, w) = (slots(finding.reads), slots(row.keys));
                let earlier = r * w * u64::from(blocks * (blocks - 1) / 2);
                // Pairs of one token, on one side of its decay and on both; then of tokens 1, 2, 4, 8 apart.
                let lengths = [0, 1, 2, 4, 8].into_iter();
                let lengths = lengths.chain(plan.crosses(finding.reads, row.keys).then_some(0));
                let in_block = lengths.map(|half| near_blocks((r, w), half)).sum::<u64>();
                let near = if own { 0 } else { u64::from(blocks) * in_block };
                if let Some(square) = square {
                    self.with_square(square, system.is_some(), earlier + near);
                }
            }
        }
        self.known.extend(rows.iter().map(|row| row.values));
    }

    /// Whether a clock of one number scales what keys find.
    fn is_scaled(&self, keys: KeysId) -> bool {
        let state = self.plan.chunk.keys(keys).state;
        let scalar = |kind: &ClockKind| matches!(kind, ClockKind::Scalar { .. });
        self.plan.clocks.iter().any(|clock| clock.states.contains(&state) && scalar(&clock.kind))
    }

    fn product(&mut self, left: NodeId, right: NodeId) {
        let plan = self.plan;
        let Some(square) = plan.square_of(left).map(|at| &plan.squares[at]) else { return };
        if square.feedback.is_some() {
            let eighths = u64::from(square.rows / 8);
            let pairs = eighths * (eighths + 1) / 2;
            self.solved += pairs * if plan.split { 6 } else { 2 };
            self.solved_fine += if plan.split { 0 } else { pairs * 2 };
            return;
        }
        let (reads, writes) = plan.slots_of(left);
        let solved = matches!(plan.chunk.node(right).op, Op::Solved(..));
        let columns = plan.rows(plan.chunk.slots(plan.chunk.node(right).rows));
        self.with_square(square, solved, lower_blocks(square.rows, columns, reads, writes));
    }

    /// Products of a square's blocks with rows; those that are solved come in two parts where it is not whole.
    fn with_square(&mut self, square: &Square, solved: bool, blocks: u64) {
        let plan = self.plan;
        let whole = plan.is_whole(square);
        let fine = plan.is_fine(square) && !whole;
        let passes = match (whole, fine) {
            (true, _) => 6,
            (false, true) => 1,
            (false, false) => Plan::passes(plan.split || solved, plan.square_split(square)),
        };
        self.blocks += passes * blocks;
        self.fine += u64::from(fine) * blocks;
    }

    /// What the rows of earlier blocks of 16 tokens leave in each block's reads.
    fn solve(&mut self, system: SystemId) {
        let plan = self.plan;
        let system = plan.chunk.system(system);
        system.sought.iter().for_each(|sought| self.accumulate(sought.found, true));
        for (sought, member, gram) in system.pairs() {
            let Some(square) = plan.square_of(gram).map(|at| &plan.squares[at]) else { continue };
            let slots = system.sought[sought].reads.len() * system.members[member].values.len();
            let of_block = |block: u32| slots as u64 * u64::from(block);
            self.with_square(square, true, (0..plan.tokens / 16).map(of_block).sum());
        }
    }
}

/// Blocks of 16 reads and 16 writes, of as many slots a token, that can have pairs of one length within a block of 16 tokens; as
/// in `channels.cuh`.
fn near_blocks((reads, writes): (u64, u64), half: u64) -> u64 {
    let tokens = |block: u64, slots: u64| (block * 16 / slots, (block * 16 + 15) / slots);
    let run = (2 * half).max(1);
    let can_meet = |((first, last), (begin, end)): ((u64, u64), (u64, u64))| {
        begin / run <= last / run && first / run <= end / run && (half < 8 || (last >= 8 && begin < 8))
    };
    let pairs = (0..reads).flat_map(|r| (0..writes).map(move |w| (tokens(r, reads), tokens(w, writes))));
    pairs.filter(|pair| can_meet(*pair)).count() as u64
}
