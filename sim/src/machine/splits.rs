//! Lanes of a warp that go separate ways, and where they meet again.
//!
//! ```text
//! @p bra ELSE        one split {0..31}        ->  {0..15} at the next instruction, {16..31} at ELSE,
//! ..                                              both joined at MEET: expected {0..31}, arrived {}
//! MEET:              the last one to arrive   ->  one split {0..31} at MEET, joined where the first one was
//! ```
//!
//! A *split* is a set of lanes at one instruction. A branch that parts a split makes a *join* at the instruction where all
//! paths from the branch meet (its immediate post-dominator), unless the split already waits for that very join. A split
//! that reaches its join stops there; the last one to arrive goes on with all lanes. Lanes that end leave every join they
//! were expected at.
//!
//! Splits take turns at backward branches, and splits of one join that stand at one instruction become one. So a lane
//! may wait in a loop for another lane of its warp, as on GPUs since Volta. Where a loop keeps going while others stand
//! at its join, these are let go after [`PATIENCE`] rounds, which is what a lock between lanes of a warp needs.
//!
//! A collective that not all of its lanes have reached puts its split to wait, and the other splits run first. Lanes wait
//! under a key; the collective happens when every lane of its members that has not ended waits under that key.
//!
//! Invariant: each live lane is in exactly one of `now`, `ready`, `waiting`, `held`, or arrived at one join.
//!
//! The idea of joins at immediate post-dominators: Fung, Sham, Yuan, Aamodt 2007, "Dynamic Warp Formation"; joins as
//! barriers that any split may arrive at are how Volta's convergence barriers are described in NVIDIA's US 2016/0019066.

use std::collections::VecDeque;

/// No instruction: paths that never meet.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Turns at backward branches before lanes that stand at a join are let go.
const PATIENCE: u32 = 1 << 16;

/// No join.
const NONE: u32 = u32::MAX;

/// Lanes at one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Split {
    /// The instruction.
    pub(crate) pc: u32,
    /// The lanes.
    pub(crate) mask: u32,
    join: u32,
}

/// What lanes that wait have to agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    /// The instruction, or for what may come from several instructions a number above all of theirs.
    pub(crate) what: u32,
    /// The member mask.
    pub(crate) members: u32,
}

#[derive(Clone, Copy, Debug)]
struct Join {
    meet: u32,
    expected: u32,
    arrived: u32,
    parent: u32,
    used: bool,
}

/// What a warp does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// `now` has lanes to run.
    Run,
    /// A collective is complete: take its splits with [`Splits::take`].
    Complete(Key),
    /// All lanes have ended.
    Ended,
    /// Lanes wait for a collective that will never be complete.
    Stuck,
}

/// Where some lanes are, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whereabouts {
    /// They wait at a collective.
    Waiting(u32),
    /// They stand at a join.
    Past(u32),
    /// They are about to run.
    Running(u32),
}

/// All splits of a warp.
#[derive(Default, Debug)]
pub(crate) struct Splits {
    /// The split that runs; without lanes when none does.
    pub(crate) now: Split,
    /// Lanes that have not ended.
    pub(crate) live: u32,
    /// Branches that parted a split.
    pub(crate) partings: u64,
    /// Splits that are held by a barrier of the block.
    pub(crate) held: Vec<Split>,
    meet: u32,
    rounds: u32,
    ready: VecDeque<Split>,
    waiting: Vec<(Split, Key)>,
    joins: Vec<Join>,
}

impl Default for Split {
    fn default() -> Split {
        Split { pc: 0, mask: 0, join: NONE }
    }
}

impl Splits {
    /// All of `mask` at the first instruction.
    pub(crate) fn start(&mut self, mask: u32) {
        self.ready.clear();
        self.waiting.clear();
        self.held.clear();
        self.joins.clear();
        self.live = mask;
        self.rounds = 0;
        self.partings = 0;
        self.run(Split { pc: 0, mask, join: NONE });
    }

    /// On to the next instruction.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.now.pc += 1;
        if self.now.pc == self.meet {
            self.arrive();
        }
    }

    /// The lanes of `taken` jump to `target`, the others go on; all paths meet at `meet`.
    #[inline]
    pub(crate) fn branch(&mut self, taken: u32, target: u32, meet: u32) {
        if taken == self.now.mask {
            self.jump(target);
        } else if taken == 0 {
            self.advance();
        } else {
            let next = self.now.pc + 1;
            self.part(&[(next, self.now.mask & !taken), (target, taken)], meet);
        }
    }

    /// Each set of lanes goes its way; together they are all lanes of the split.
    pub(crate) fn part(&mut self, ways: &[(u32, u32)], meet: u32) {
        let all = self.now.mask;
        if let Some(&(target, _)) = ways.iter().find(|(_, lanes)| *lanes == all) {
            return self.jump(target);
        }
        self.partings += 1;
        let join = self.join_at(meet);
        self.now.mask = 0;
        for &(pc, mask) in ways.iter().filter(|(_, lanes)| *lanes != 0) {
            self.resume(Split { pc, mask, join });
        }
        if self.now.mask == 0
            && let Some(split) = self.ready.pop_back()
        {
            self.run(split);
        }
    }

    fn join_at(&mut self, meet: u32) -> u32 {
        let join = self.now.join;
        if meet == NOWHERE || self.meet == meet {
            return join;
        }
        let join = Join { meet, expected: self.now.mask, arrived: 0, parent: join, used: true };
        if let Some(free) = self.joins.iter().position(|j| !j.used) {
            self.joins[free] = join;
            return free as u32;
        }
        self.joins.push(join);
        self.joins.len() as u32 - 1
    }

    /// All lanes jump.
    #[inline]
    pub(crate) fn jump(&mut self, target: u32) {
        let backward = target <= self.now.pc;
        self.now.pc = target;
        if target == self.meet {
            self.arrive();
        } else if backward && self.now.join != NONE {
            self.give_way();
        }
    }

    /// Lets other splits of the warp run, so that lanes may wait for one another in loops.
    fn give_way(&mut self) {
        self.rounds += 1;
        if self.rounds > PATIENCE {
            self.rounds = 0;
            self.let_go();
        }
        if self.ready.is_empty() {
            return;
        }
        let split = self.now;
        self.now.mask = 0;
        self.queue(split);
        if let Some(split) = self.ready.pop_front() {
            self.run(split);
        }
    }

    /// Lanes that stand at a join without the others go on alone; the others will follow one by one.
    fn let_go(&mut self) {
        for index in 0..self.joins.len() {
            let join = self.joins[index];
            if join.used && join.arrived != 0 {
                self.joins[index].expected &= !join.arrived;
                self.joins[index].arrived = 0;
                self.resume(Split { pc: join.meet, mask: join.arrived, join: join.parent });
                return;
            }
        }
    }

    #[inline]
    fn run(&mut self, split: Split) {
        self.now = split;
        self.meet = self.meet_of(split.join);
    }

    fn meet_of(&self, join: u32) -> u32 {
        self.joins.get(join as usize).map_or(NOWHERE, |join| join.meet)
    }

    fn queue(&mut self, split: Split) {
        match self.ready.iter_mut().find(|s| s.pc == split.pc && s.join == split.join) {
            Some(same) => same.mask |= split.mask,
            None => self.ready.push_back(split),
        }
    }

    fn arrive(&mut self) {
        let split = self.now;
        self.now.mask = 0;
        self.resume(split);
    }

    /// Lets a split go on: it runs if nothing else does, waits its turn otherwise, or stops at its join.
    fn resume(&mut self, mut split: Split) {
        while split.join != NONE && self.meet_of(split.join) == split.pc {
            let join = &mut self.joins[split.join as usize];
            join.arrived |= split.mask;
            if join.arrived != join.expected {
                return;
            }
            join.used = false;
            split = Split { pc: split.pc, mask: join.arrived, join: join.parent };
            self.rounds = 0;
        }
        if self.now.mask == 0 {
            self.run(split);
        } else {
            self.queue(split);
        }
    }

    /// Lanes of the split end.
    pub(crate) fn end(&mut self, mask: u32) {
        self.live &= !mask;
        for join in &mut self.joins {
            join.expected &= !mask;
        }
        let rest = Split { mask: self.now.mask & !mask, ..self.now };
        self.now.mask = 0;
        if rest.mask != 0 {
            self.run(rest);
            self.advance();
        }
        self.settle();
    }

    /// Lets go of joins that no lane is missing at any more.
    fn settle(&mut self) {
        for index in 0..self.joins.len() {
            let join = self.joins[index];
            if !join.used || join.arrived != join.expected {
                continue;
            }
            self.joins[index].used = false;
            if join.arrived != 0 {
                self.resume(Split { pc: join.meet, mask: join.arrived, join: join.parent });
            }
        }
    }

    /// The running split waits under `key`.
    pub(crate) fn wait(&mut self, key: Key) {
        self.waiting.push((self.now, key));
        self.now.mask = 0;
    }

    /// Some lanes of the running split, and no others, go on as a split of their own; the rest waits its turn.
    pub(crate) fn narrow(&mut self, mask: u32) {
        let rest = Split { mask: self.now.mask & !mask, ..self.now };
        self.now.mask &= mask;
        if rest.mask != 0 {
            self.ready.push_back(rest);
        }
    }

    /// What comes next.
    pub(crate) fn turn(&mut self) -> Turn {
        if let Some(key) = self.complete() {
            return Turn::Complete(key);
        }
        if self.now.mask != 0 {
            return Turn::Run;
        }
        if let Some(split) = self.ready.pop_front() {
            self.run(split);
            return Turn::Run;
        }
        if self.live == 0 { Turn::Ended } else { Turn::Stuck }
    }

    fn complete(&self) -> Option<Key> {
        let all = |key: &Key| {
            self.waiting.iter().filter(|(_, k)| k == key).fold(0, |lanes, (split, _)| lanes | split.mask)
        };
        self.waiting.iter().map(|(_, key)| *key).find(|key| key.members & self.live & !all(key) == 0)
    }

    /// Takes out the splits that wait under a key; [`Splits::release`] lets them go on.
    pub(crate) fn take(&mut self, key: Key) -> Vec<Split> {
        let (taken, left) = self.waiting.iter().partition(|(_, k)| *k == key);
        self.waiting = left;
        let taken: Vec<(Split, Key)> = taken;
        taken.into_iter().map(|(split, _)| split).collect()
    }

    /// Lets a split that waited, or was held, go on after its instruction.
    pub(crate) fn release(&mut self, split: Split) {
        self.resume(Split { pc: split.pc + 1, ..split });
    }

    /// The splits that wait, with what they wait for.
    pub(crate) fn waiting(&self) -> &[(Split, Key)] {
        &self.waiting
    }

    /// Where each live lane is.
    pub(crate) fn whereabouts(&self) -> Vec<(u32, Whereabouts)> {
        let mut all: Vec<_> =
            self.waiting.iter().map(|(split, _)| (split.mask, Whereabouts::Waiting(split.pc))).collect();
        all.extend(self.held.iter().map(|split| (split.mask, Whereabouts::Waiting(split.pc))));
        let running = self.ready.iter().chain([&self.now]).filter(|split| split.mask != 0);
        all.extend(running.map(|split| (split.mask, Whereabouts::Running(split.pc))));
        for join in self.joins.iter().filter(|join| join.used && join.arrived != 0) {
            all.push((join.arrived, Whereabouts::Past(join.meet)));
        }
        all
    }
}
