//! Registers that a lane may read before any instruction has written them.
//!
//! ```text
//!     @%p mov.u32 %r1, 5;        %r1 is a suspect: there is a way from the entry to the read that writes it in no lane
//!     add.u32 %r2, %r1, 1;       the machine watches both instructions, and no other
//! ```
//!
//! A register is a suspect if it is live at the entry: some way through the code reads it before an unguarded write. What
//! compilers emit has few or none, so that it costs nothing to have the machine note, lane by lane, which suspects have been
//! written, and check the reads. A `mov` of a suspect is not checked, but hands on whether it has been written, for compilers
//! move registers about that they never set on ways where nobody uses them; so what is moved to is a suspect too.
//!
//! What is not seen: the other half of a register that a narrower write left as it was.

use super::place::{Scope, Slot};
use crate::flow::{Flow, Next};
use crate::syntax::ast::{self, Base, Operand, Reg};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of the search for suspects; beyond them all registers that are left are taken for such.
const PATIENCE: usize = 1 << 26;

/// What an instruction does with suspects, as indices into [`Suspects::names`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Watch {
    /// Read by the lanes that do the instruction.
    pub reads: Vec<u32>,
    /// The predicate of the guard, read by all lanes that come to it.
    pub guard: Option<u32>,
    /// Written by it.
    pub writes: Vec<u32>,
    /// Whether it only moves: a lane that reads what nobody wrote has written nothing.
    pub moves: bool,
}

/// Registers that may be read before they are written, and the instructions to watch.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Suspects {
    /// Their names.
    pub names: Vec<String>,
    /// By instruction; empty where there is no suspect.
    pub watches: Vec<Option<Box<Watch>>>,
}

/// The registers of an instruction, as numbers that are their own in the whole kernel.
#[derive(Clone, Default, Debug)]
pub(crate) struct Uses {
    guard: Option<u32>,
    reads: Vec<u32>,
    writes: Vec<u32>,
    moves: bool,
}

/// Opcodes without a destination; but `bar.red` has one.
const NO_RESULT: [&str; 19] = [
    "st",
    "red",
    "cp",
    "bar",
    "barrier",
    "membar",
    "fence",
    "bra",
    "brx",
    "ret",
    "exit",
    "trap",
    "prefetch",
    "prefetchu",
    "applypriority",
    "discard",
    "stmatrix",
    "nanosleep",
    "call",
];

impl Uses {
    /// What an instruction reads and writes. Its registers are told apart from those of other functions by their places.
    pub(crate) fn of(scope: &Scope, i: &ast::Instruction, names: &mut BTreeMap<u32, String>) -> Uses {
        let mut uses = Uses { moves: i.opcode == "mov", ..Uses::default() };
        let mut number = |register: Reg| {
            let (slot, _) = scope.registers.get(register.0 as usize)?;
            let number = number_of(*slot);
            names.entry(number).or_insert_with(|| scope.names[register.0 as usize].clone());
            Some(number)
        };
        uses.guard = i.guard.and_then(|guard| number(guard.register));
        let has_result =
            !NO_RESULT.contains(&i.opcode.as_str()) || i.modifiers.iter().any(|word| word == "red");
        let (results, sources) = i.operands.split_at(usize::from(has_result).min(i.operands.len()));
        results.iter().for_each(|operand| registers(operand, &mut |r| uses.writes.extend(number(r))));
        sources.iter().for_each(|operand| registers(operand, &mut |r| uses.reads.extend(number(r))));
        uses
    }
}

/// Registers of the three banks take turns.
fn number_of(slot: Slot) -> u32 {
    match slot {
        Slot::Word(r) => 3 * r.0,
        Slot::Long(r) | Slot::Pair(r) => 3 * r.0 + 1,
        Slot::Pred(p) => 3 * p.0 + 2,
    }
}

fn registers(operand: &Operand, work: &mut impl FnMut(Reg)) {
    match operand {
        Operand::Reg(register) | Operand::Not(register) => work(*register),
        Operand::Address { base: Base::Reg(register), .. } => work(*register),
        Operand::Vector(parts) => parts.iter().for_each(|part| registers(part, work)),
        Operand::Pair(first, second) => [first, second].into_iter().for_each(|part| registers(part, work)),
        _ => {}
    }
}

/// Finds the suspects of a kernel, given where control goes after each instruction.
pub(crate) fn suspects(steps: &[Next], uses: &[Uses], names: &BTreeMap<u32, String>) -> Suspects {
    let mut found = live_at_entry(steps, uses);
    let mut moved: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for uses in uses.iter().filter(|uses| uses.moves) {
        uses.reads.iter().for_each(|from| moved.entry(*from).or_default().extend(&uses.writes));
    }
    let mut waiting: Vec<u32> = found.iter().copied().collect();
    while let Some(from) = waiting.pop() {
        let to = moved.get(&from).map_or(&[][..], Vec::as_slice);
        waiting.extend(to.iter().filter(|to| found.insert(**to)));
    }
    if found.is_empty() {
        return Suspects::default();
    }
    let order: BTreeMap<u32, u32> = found.iter().copied().zip(0..).collect();
    let of = |registers: &[u32]| registers.iter().filter_map(|r| order.get(r).copied()).collect::<Vec<_>>();
    let watch = |uses: &Uses| {
        let guard = uses.guard.and_then(|guard| order.get(&guard).copied());
        let watch = Watch { reads: of(&uses.reads), guard, writes: of(&uses.writes), moves: uses.moves };
        let is_of_use = !watch.reads.is_empty() || !watch.writes.is_empty() || guard.is_some();
        is_of_use.then(|| Box::new(watch))
    };
    let names = found.iter().map(|r| names.get(r).cloned().unwrap_or_default()).collect();
    Suspects { names, watches: uses.iter().map(watch).collect() }
}

/// The registers that some way from the entry reads before an unguarded write, register by register: backwards from the
/// blocks that read it first, through those that do not write it.
fn live_at_entry(steps: &[Next], uses: &[Uses]) -> BTreeSet<u32> {
    let graph = Graph::new(steps);
    let (reads, writes) = graph.first_reads(uses);
    let mut seen = vec![usize::MAX; graph.predecessors.len()];
    let (mut found, mut walked) = (BTreeSet::new(), 0);
    for (turn, (register, mut waiting)) in reads.into_iter().enumerate() {
        let written = writes.get(&register).map_or(&[][..], Vec::as_slice);
        waiting.iter().for_each(|block| seen[*block as usize] = turn);
        while let Some(block) = waiting.pop() {
            walked += 1;
            if block == 0 || walked > PATIENCE {
                found.insert(register);
                break;
            }
            for before in &graph.predecessors[block as usize] {
                if seen[*before as usize] != turn && written.binary_search(before).is_err() {
                    seen[*before as usize] = turn;
                    waiting.push(*before);
                }
            }
        }
    }
    found
}

/// Blocks by register.
type Blocks = BTreeMap<u32, Vec<u32>>;

/// Basic blocks and what comes before them.
struct Graph {
    blocks: Vec<std::ops::Range<u32>>,
    predecessors: Vec<Vec<u32>>,
}

impl Graph {
    fn new(steps: &[Next]) -> Graph {
        let flow = Flow::of(steps);
        let blocks: Vec<_> = flow.blocks().collect();
        let mut predecessors = vec![Vec::new(); blocks.len()];
        for (index, block) in (0..).zip(&blocks) {
            let mut to = |target: u32| {
                if let Some(list) = predecessors.get_mut(flow.block(target)) {
                    list.push(index);
                }
            };
            match steps.get(block.end as usize - 1) {
                Some(Next::Branch { targets, conditional }) => {
                    targets.iter().for_each(|target| to(*target));
                    if *conditional {
                        to(block.end);
                    }
                }
                Some(Next::Falls) => to(block.end),
                _ => {}
            }
        }
        Graph { blocks, predecessors }
    }

    /// For each register the blocks that read it before they write it, and those that write it whatever the guards.
    fn first_reads(&self, uses: &[Uses]) -> (Blocks, Blocks) {
        let (mut reads, mut writes) = (Blocks::new(), Blocks::new());
        for (index, block) in (0..).zip(&self.blocks) {
            for uses in &uses[block.start as usize..block.end as usize] {
                for register in uses.guard.iter().chain(&uses.reads) {
                    let is_written = writes.get(register).is_some_and(|blocks| blocks.last() == Some(&index));
                    let blocks = reads.entry(*register).or_default();
                    if !is_written && blocks.last() != Some(&index) {
                        blocks.push(index);
                    }
                }
                for register in uses.writes.iter().filter(|_| uses.guard.is_none()) {
                    let blocks = writes.entry(*register).or_default();
                    if blocks.last() != Some(&index) {
                        blocks.push(index);
                    }
                }
            }
        }
        (reads, writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_step() -> impl Strategy<Value = (Next, Uses)> {
        let branch = (prop::collection::vec(0..24u32, 1..3), any::<bool>())
            .prop_map(|(targets, conditional)| Next::Branch { targets, conditional });
        let next = prop_oneof![6 => Just(Next::Falls), 3 => branch, 1 => Just(Next::Ends)];
        let some = || prop::collection::vec(0..5u32, 0..2);
        (next, some(), some(), prop::option::weighted(0.2, 0..5u32))
            .prop_map(|(next, reads, writes, guard)| (next, Uses { guard, reads, writes, moves: false }))
    }

    /// Liveness by its equations, instruction by instruction, until nothing changes.
    fn live(steps: &[Next], uses: &[Uses]) -> BTreeSet<u32> {
        let mut live = vec![BTreeSet::new(); steps.len() + 1];
        loop {
            let before = live.clone();
            for (pc, (step, uses)) in steps.iter().zip(uses).enumerate().rev() {
                let mut after: Vec<u32> = match step {
                    Next::Branch { targets, .. } => targets.clone(),
                    _ => Vec::new(),
                };
                if matches!(step, Next::Falls | Next::Branch { conditional: true, .. }) {
                    after.push(pc as u32 + 1);
                }
                let all = |pc: &u32| before.get(*pc as usize).cloned().unwrap_or_default();
                let mut now: BTreeSet<u32> = after.iter().flat_map(all).collect();
                now.retain(|register| uses.guard.is_some() || !uses.writes.contains(register));
                now.extend(uses.guard.iter().chain(&uses.reads));
                live[pc] = now;
            }
            if live == before {
                return live.swap_remove(0);
            }
        }
    }

    proptest! {
        #[test]
        fn suspects_are_what_is_live_at_the_entry(code in prop::collection::vec(any_step(), 1..24)) {
            let (steps, uses): (Vec<Next>, Vec<Uses>) = code.into_iter().unzip();
            prop_assert_eq!(live_at_entry(&steps, &uses), live(&steps, &uses));
        }
    }

    #[test]
    fn what_is_moved_to_is_suspect_too() {
        let moved = |from, to| Uses { reads: vec![from], writes: vec![to], moves: true, ..Uses::default() };
        let uses = [moved(1, 2), moved(0, 1), Uses { reads: vec![2], ..Uses::default() }];
        let names = (0..3).map(|r| (r, format!("%r{r}"))).collect();
        let found = suspects(&[Next::Falls, Next::Falls, Next::Ends], &uses, &names);
        assert_eq!(found.names, ["%r0", "%r1", "%r2"]);
        assert!(found.watches.iter().all(Option::is_some));
        let fine = [Uses { writes: vec![0], ..Uses::default() }, moved(0, 1)];
        assert_eq!(suspects(&[Next::Falls, Next::Ends], &fine, &names), Suspects::default());
    }
}
