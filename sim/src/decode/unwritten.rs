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
//! move registers about that they never set on ways where nobody uses them; so what is moved to is a suspect too. They also
//! fill bytes with what they never set where an instruction uses others, so bytes are told apart:
//!
//! ```text
//!     prmt.b32 %r3, %r4, %r5, 0x5410;                 hands on two bytes of %r4 and two of %r5
//!     dp2a.lo.u32.u32 %r6, %r7, %r3, %r8;             uses two bytes of %r3
//! ```
//!
//! What is not seen: the other half of a register that a narrower write left as it was.

use super::place::{Scope, Slot};
use crate::flow::{Flow, Next};
use crate::syntax::ast::{self, Base, Instruction, Operand, Reg};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of the search for suspects; beyond them all registers that are left are taken for such.
const PATIENCE: usize = 1 << 26;

/// A register, or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// Which; in a [`Watch`], an index into [`Suspects::names`].
    pub register: u32,
    /// Bit `n`: whether byte `n` is used. Of what does not have 32 bits it is all or none.
    pub bytes: u8,
}

/// All bytes of a register.
const WHOLE: u8 = 0xf;

/// A byte of a register, if it comes from one.
pub type Byte = Option<(u32, u8)>;

/// What an instruction that only moves hands on: a lane that reads what nobody wrote has written nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moves {
    /// Each byte as it stands in all that is read: `mov`.
    Alike,
    /// Each byte of the result from where it comes: `prmt`.
    Bytes([Byte; 4]),
}

/// What an instruction does with suspects, as indices into [`Suspects::names`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Watch {
    /// Read by the lanes that do the instruction.
    pub reads: Vec<Read>,
    /// The predicate of the guard, read by all lanes that come to it.
    pub guard: Option<u32>,
    /// Written by it.
    pub writes: Vec<u32>,
    /// What it hands on, if it only moves.
    pub moves: Option<Moves>,
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
    reads: Vec<Read>,
    writes: Vec<u32>,
    moves: Option<Moves>,
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
        let mut uses = Uses::default();
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
        for (at, operand) in sources.iter().enumerate() {
            let bytes = bytes_of(i, at);
            registers(operand, &mut |r| {
                uses.reads.extend(number(r).map(|register| Read { register, bytes }))
            });
        }
        uses.moves = match i.opcode.as_str() {
            "mov" => Some(Moves::Alike),
            "prmt" => chosen(i).map(|chosen| {
                Moves::Bytes(chosen.map(|(operand, byte)| match operand {
                    Operand::Reg(r) => number(*r).map(|register| (register, byte)),
                    _ => None,
                }))
            }),
            _ => None,
        };
        uses
    }
}

/// The bytes of a source that an instruction uses.
fn bytes_of(i: &Instruction, source: usize) -> u8 {
    match (i.opcode.as_str(), i.modifiers.first().map(String::as_str), source) {
        ("dp2a", Some("lo"), 1) => 0b0011,
        ("dp2a", Some("hi"), 1) => 0b1100,
        _ => WHOLE,
    }
}

/// Where the bytes of a `prmt` come from, the lowest first; nothing where a register says so, or a mode.
fn chosen(i: &Instruction) -> Option<[(&Operand, u8); 4]> {
    match (i.modifiers.as_slice(), i.operands.as_slice()) {
        ([_], [_, a, b, Operand::Int(selector)]) => Some([0, 4, 8, 12].map(|shift| {
            let byte = (selector >> shift & 7) as u8;
            (if byte < 4 { a } else { b }, byte % 4)
        })),
        _ => None,
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
    for uses in uses.iter().filter(|uses| uses.moves.is_some()) {
        uses.reads.iter().for_each(|from| moved.entry(from.register).or_default().extend(&uses.writes));
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
    let suspect = |register: u32| order.get(&register).copied();
    let watch = |uses: &Uses| {
        let read = |read: &Read| suspect(read.register).map(|register| Read { register, ..*read });
        let byte = |(register, byte)| suspect(register).map(|register| (register, byte));
        let watch = Watch {
            reads: uses.reads.iter().filter_map(read).collect(),
            guard: uses.guard.and_then(suspect),
            writes: uses.writes.iter().copied().filter_map(suspect).collect(),
            moves: uses.moves.as_ref().map(|moves| match moves {
                Moves::Alike => Moves::Alike,
                Moves::Bytes(bytes) => Moves::Bytes(bytes.map(|from| from.and_then(byte))),
            }),
        };
        let is_of_use = !watch.reads.is_empty() || !watch.writes.is_empty() || watch.guard.is_some();
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
                for register in uses.guard.iter().chain(uses.reads.iter().map(|read| &read.register)) {
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

    fn whole(register: u32) -> Read {
        Read { register, bytes: WHOLE }
    }

    fn any_step() -> impl Strategy<Value = (Next, Uses)> {
        let branch = (prop::collection::vec(0..24u32, 1..3), any::<bool>())
            .prop_map(|(targets, conditional)| Next::Branch { targets, conditional });
        let next = prop_oneof![6 => Just(Next::Falls), 3 => branch, 1 => Just(Next::Ends)];
        let some = || prop::collection::vec(0..5u32, 0..2);
        (next, some(), some(), prop::option::weighted(0.2, 0..5u32)).prop_map(
            |(next, reads, writes, guard)| {
                let reads = reads.into_iter().map(whole).collect();
                (next, Uses { guard, reads, writes, moves: None })
            },
        )
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
                now.extend(uses.guard.iter().chain(uses.reads.iter().map(|read| &read.register)));
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
        let moves = Some(Moves::Alike);
        let moved = |from, to| Uses {
            reads: vec![whole(from)],
            writes: vec![to],
            moves: moves.clone(),
            ..Uses::default()
        };
        let uses = [moved(1, 2), moved(0, 1), Uses { reads: vec![whole(2)], ..Uses::default() }];
        let names = (0..3).map(|r| (r, format!("%r{r}"))).collect();
        let found = suspects(&[Next::Falls, Next::Falls, Next::Ends], &uses, &names);
        assert_eq!(found.names, ["%r0", "%r1", "%r2"]);
        assert!(found.watches.iter().all(Option::is_some));
        let fine = [Uses { writes: vec![0], ..Uses::default() }, moved(0, 1)];
        assert_eq!(suspects(&[Next::Falls, Next::Ends], &fine, &names), Suspects::default());
    }
}
