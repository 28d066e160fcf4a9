//! One warp: it fetches, and follows control; what an instruction computes is in `execute` and its siblings.
//!
//! ```text
//! fetch at now.pc -> guard -> branch, exit, trap        Splits moves lanes
//!                          -> collective                 lanes gather first, then it happens once for all of them
//!                          -> barrier of the block       the warp stops until the block lets it go on
//!                          -> anything else              execute, next instruction
//! ```
//!
//! A warp runs until it ends, stops at a barrier, or has used up its slice.
//!
//! A collective names its members by a mask of lanes (those that shuffle, vote, ..) or means all lanes (`.aligned`
//! alone: barriers, matrix instructions). Its members that have not ended have to be there together. Those that are there
//! early wait while the rest of the warp runs; when nothing can run any more, lanes are missing for good: a fault.

use super::barrier::Path;
use super::block::Surroundings;
use super::collective;
use super::execute;
use super::faults;
use super::registers::{ALL, Registers, lanes};
use super::splits::{Key, Split, Splits, Turn};
use super::tensor::Fragments;
use crate::check::{Fault, Wrong};
use crate::decode::Instruction;
use crate::decode::op::{Op, Src32};
use crate::decode::unwritten::{Moves, Read, Suspects, Watch};
use crate::memory::Strictness;

/// [`Key::what`] of `bar.warp.sync`, which lanes may reach at different instructions.
const WARP_BARRIER: u32 = u32::MAX - 1;

/// [`Key::what`] of `barrier` without `.aligned`.
const BLOCK_BARRIER: u32 = u32::MAX - 2;

/// What a warp can do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum State {
    /// Run.
    #[default]
    Ready,
    /// Wait at a barrier of the block.
    AtBarrier,
    /// Nothing: all of its lanes have ended.
    Ended,
}

/// A warp of a block.
#[derive(Default, Debug)]
pub(crate) struct Warp {
    /// In its block.
    pub(crate) index: u32,
    /// What it can do.
    pub(crate) state: State,
    /// Its registers.
    pub(crate) registers: Registers,
    /// Where its lanes are.
    pub(crate) splits: Splits,
    /// Room for matrices.
    pub(crate) fragments: Fragments,
    /// The longest chain of instructions behind it.
    pub(crate) path: Path,
}

/// Runs a warp for at most `slice` instructions.
pub(crate) fn run(warp: &mut Warp, around: &mut Surroundings<'_>, slice: u32) -> Result<(), Fault> {
    let code = &around.run.program.kernel.code;
    let watches = watches(around);
    for _ in 0..slice {
        if warp.splits.now.mask == 0 && !turn(warp, around)? {
            return Ok(());
        }
        let pc = warp.splits.now.pc;
        let Some(instruction) = code.get(pc as usize) else {
            warp.splits.end(warp.splits.now.mask);
            continue;
        };
        let mask = guarded(warp, instruction);
        around.pc = pc;
        around.executed += 1;
        warp.path.instructions += 1;
        let row = &mut around.tally.rows[pc as usize];
        row.executed += 1;
        // Counting bits takes a dozen instructions on hosts that are not asked what they have.
        row.lanes += u64::from(if mask == ALL { 32 } else { mask.count_ones() });
        if let Some(Some(watch)) = watches.get(pc as usize) {
            observe(warp, &around.run.program.kernel.suspects, watch, mask)?;
        }
        step(warp, around, instruction, mask)?;
        if warp.state != State::Ready || std::mem::take(&mut around.pause) {
            return Ok(());
        }
    }
    Ok(())
}

/// What to watch by instruction: registers that may be read before they are written. Nothing without checks.
fn watches<'a>(around: &Surroundings<'a>) -> &'a [Option<Box<Watch>>] {
    match around.run.options.checks {
        Strictness::Bounds => &[],
        _ => &around.run.program.kernel.suspects.watches,
    }
}

/// Checks what an instruction reads, and notes what it writes.
#[cold]
fn observe(warp: &mut Warp, suspects: &Suspects, watch: &Watch, mask: u32) -> Result<(), Fault> {
    let (all, written) = (warp.splits.now.mask, &mut warp.registers.written);
    let missing = |read: Read, lanes: u32| {
        let bytes = written[read.register as usize].into_iter().enumerate();
        lanes & !bytes.filter(|(byte, _)| read.bytes >> byte & 1 == 1).fold(!0, |all, (_, lanes)| all & lanes)
    };
    let guard = watch.guard.map(|register| (Read { register, bytes: 1 }, all));
    let reads = watch.reads.iter().filter(|_| watch.moves.is_none()).map(|read| (*read, mask));
    if let Some((read, lanes)) =
        guard.into_iter().chain(reads).find(|(read, lanes)| missing(*read, *lanes) != 0)
    {
        return Err(faults::unwritten(&suspects.names[read.register as usize], missing(read, lanes)));
    }
    let handed = |byte: usize| match &watch.moves {
        None => mask,
        Some(Moves::Alike) => {
            watch.reads.iter().fold(mask, |lanes, r| lanes & written[r.register as usize][byte])
        }
        Some(Moves::Bytes(from)) => {
            from[byte].map_or(mask, |(register, byte)| mask & written[register as usize][byte as usize])
        }
    };
    let handed = [0, 1, 2, 3].map(handed);
    for register in &watch.writes {
        for (lanes, handed) in written[*register as usize].iter_mut().zip(handed) {
            *lanes = *lanes & !mask | handed;
        }
    }
    Ok(())
}

#[inline(always)]
fn guarded(warp: &Warp, instruction: &Instruction) -> u32 {
    let mask = warp.splits.now.mask;
    match instruction.guard {
        None => mask,
        Some(guard) => mask & warp.registers.guard(guard),
    }
}

/// Finds lanes to run. False where there are none, for now or for good.
fn turn(warp: &mut Warp, around: &mut Surroundings<'_>) -> Result<bool, Fault> {
    loop {
        match warp.splits.turn() {
            Turn::Run => return Ok(true),
            Turn::Complete(key) => {
                complete(warp, around, key)?;
                if warp.state != State::Ready {
                    return Ok(false);
                }
            }
            Turn::Ended => {
                warp.state = State::Ended;
                return Ok(false);
            }
            Turn::Stuck => return Err(faults::missing(warp, around)),
        }
    }
}

#[inline(always)]
fn step(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    instruction: &Instruction,
    mask: u32,
) -> Result<(), Fault> {
    match &instruction.op {
        Op::Branch { target, uniform } => branch(warp, around, mask, *target, *uniform),
        Op::BranchIndexed { index, targets, .. } => branch_indexed(warp, around, mask, *index, targets),
        Op::Exit => {
            if mask == 0 {
                warp.splits.advance();
            } else {
                warp.splits.end(mask);
            }
            Ok(())
        }
        Op::Trap if mask != 0 => Err(Fault::new(Wrong::Trap, mask.trailing_zeros(), String::new())),
        op => match members(op) {
            None => {
                if mask != 0 {
                    execute::execute(warp, around, op, mask)?;
                }
                warp.splits.advance();
                Ok(())
            }
            Some(members) => gather(warp, around, op, members, mask),
        },
    }
}

fn branch(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    taken: u32,
    target: u32,
    uniform: bool,
) -> Result<(), Fault> {
    let mask = warp.splits.now.mask;
    if taken != mask && taken != 0 {
        if uniform {
            return Err(faults::not_uniform(taken, mask & !taken));
        }
        around.tally.rows[around.pc as usize].partings += 1;
    }
    warp.splits.branch(taken, target, around.run.program.meets[around.pc as usize]);
    Ok(())
}

fn branch_indexed(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    mask: u32,
    index: Src32,
    targets: &[u32],
) -> Result<(), Fault> {
    let index = warp.registers.word(index);
    let mut ways: Vec<(u32, u32)> = Vec::new();
    if mask != warp.splits.now.mask {
        ways.push((around.pc + 1, warp.splits.now.mask & !mask));
    }
    for lane in lanes(mask) {
        let Some(&target) = targets.get(index[lane] as usize) else {
            let what = format!("index {} of a list of {} branch targets", index[lane], targets.len());
            return Err(Fault::new(Wrong::OutOfBounds, lane as u32, what));
        };
        match ways.iter_mut().find(|(pc, _)| *pc == target) {
            Some((_, lanes)) => *lanes |= 1 << lane,
            None => ways.push((target, 1 << lane)),
        }
    }
    around.tally.rows[around.pc as usize].partings += u64::from(ways.len() > 1);
    warp.splits.part(&ways, around.run.program.meets[around.pc as usize]);
    Ok(())
}

/// The members of a collective; `None` for what each lane does alone.
#[inline(always)]
fn members(op: &Op) -> Option<Src32> {
    match op {
        Op::Shuffle { members, .. }
        | Op::Vote { members, .. }
        | Op::Ballot { members, .. }
        | Op::MatchAny { members, .. }
        | Op::MatchAll { members, .. }
        | Op::Reduce { members, .. }
        | Op::Elect { members, .. }
        | Op::WarpBarrier { members } => Some(*members),
        Op::MatrixLoad { .. }
        | Op::MatrixStore { .. }
        | Op::MatrixTranspose { .. }
        | Op::MatrixMultiply(_)
        | Op::Barrier { .. } => Some(Src32::Imm(ALL)),
        _ => None,
    }
}

/// Lanes reach a collective: it happens if they are all there, else they wait.
fn gather(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    op: &Op,
    members: Src32,
    mask: u32,
) -> Result<(), Fault> {
    if mask == 0 {
        warp.splits.advance();
        return Ok(());
    }
    let (live, all) = (warp.splits.live, warp.registers.word(members));
    let members = all[mask.trailing_zeros() as usize & 31];
    let together = members & live == mask && warp.splits.now.mask == mask;
    if together && all.iter().fold(0, |differ, m| differ | (m ^ members)) == 0 {
        return happen(warp, around, op, mask);
    }
    let alike = lanes(mask).filter(|lane| all[*lane] == members).fold(0, |set, lane| set | 1 << lane);
    if let Some(lane) = lanes(mask).find(|lane| all[*lane] >> lane & 1 == 0) {
        return Err(faults::not_a_member(lane as u32, all[lane]));
    }
    if alike == mask && together {
        return happen(warp, around, op, mask);
    }
    if each_complete(&all, mask, live) && !matches!(op, Op::Barrier { .. }) {
        for (group, _) in groups(&all, mask) {
            collective::execute(warp, around, op, group)?;
        }
        warp.splits.advance();
        return Ok(());
    }
    if warp.splits.now.mask != mask {
        let (pc, rest) = (warp.splits.now.pc, warp.splits.now.mask & !mask);
        warp.splits.part(&[(pc, mask), (pc + 1, rest)], pc + 1);
    }
    warp.splits.narrow(alike);
    let what = match op {
        Op::WarpBarrier { .. } => WARP_BARRIER,
        Op::Barrier { aligned: false, .. } => BLOCK_BARRIER,
        _ => around.pc,
    };
    warp.splits.wait(Key { what, members });
    Ok(())
}

/// Lanes by the member mask that they name.
fn groups(members: &[u32; 32], mask: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let first = members[left.trailing_zeros() as usize & 31];
        let group = lanes(left).filter(|lane| members[*lane] == first).fold(0, |set, lane| set | 1 << lane);
        left &= !group;
        (group != 0).then_some((group, first))
    })
}

fn each_complete(members: &[u32; 32], mask: u32, live: u32) -> bool {
    groups(members, mask).all(|(group, members)| members & live == group)
}

/// A collective whose lanes run together happens.
#[inline]
fn happen(warp: &mut Warp, around: &mut Surroundings<'_>, op: &Op, mask: u32) -> Result<(), Fault> {
    if let Op::Barrier { .. } = op {
        let split = warp.splits.now;
        warp.splits.now.mask = 0;
        return collective::arrive(warp, around, &[split]);
    }
    collective::execute(warp, around, op, mask)?;
    warp.splits.advance();
    Ok(())
}

/// A collective whose lanes came one split after the other happens.
fn complete(warp: &mut Warp, around: &mut Surroundings<'_>, key: Key) -> Result<(), Fault> {
    let splits = warp.splits.take(key);
    let Some(Split { pc, .. }) = splits.first().copied() else { return Ok(()) };
    around.pc = pc;
    let code = &around.run.program.kernel.code;
    let Some(Instruction { op, .. }) = code.get(pc as usize) else { return Ok(()) };
    if let Op::Barrier { .. } = op {
        return collective::arrive(warp, around, &splits);
    }
    let mask = splits.iter().fold(0, |lanes, split| lanes | split.mask);
    collective::execute(warp, around, op, mask)?;
    splits.into_iter().for_each(|split| warp.splits.release(split));
    Ok(())
}
