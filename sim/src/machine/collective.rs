//! What lanes do together: shuffles, votes, matches, reductions, warp barriers, and the barriers of the block.
//!
//! ```text
//! shfl.sync.down.b32 %r2|%p1, %r1, 1, 31, -1;      lane n reads lane n + 1; lane 31 reads itself and gets p = false
//! vote.sync.ballot.b32 %r3, %p2, -1;               one bit a lane
//! bar.red.popc.u32 %r4, 0, %p3;                    the block's threads with p3
//! ```
//!
//! Who takes part is settled before (see `warp`): `mask` is all members that have not ended. A shuffle that reads a lane
//! outside of it reads nothing that the ISA defines: a fault.

use super::barrier::{Arrival, COUNT, Completion, Path};
use super::block::Surroundings;
use super::registers::{Longs, lane_list, lanes};
use super::splits::Split;
use super::tensor;
use super::warp::{State, Warp};
use crate::check::{Fault, Wrong};
use crate::decode::op::{BarrierOp, Logic, Op, Pred, ReduceOp, Reg32, ShuffleMode, Src, Src32, VoteMode};
use crate::math::exchange;
use crate::memory::Lanes;

/// A collective of the lanes of `mask`, other than a barrier of the block.
pub(crate) fn execute(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    op: &Op,
    mask: u32,
) -> Result<(), Fault> {
    let registers = &mut warp.registers;
    match op {
        Op::Shuffle { mode, dst, test, a, b, c, .. } => {
            return shuffle(warp, mask, *mode, (*dst, *test), (*a, *b, *c));
        }
        Op::Vote { mode, dst, a, .. } => {
            let holding = registers.pred(*a) & mask;
            let result = match mode {
                VoteMode::All => holding == mask,
                VoteMode::Any => holding != 0,
                VoteMode::Uni => holding == mask || holding == 0,
            };
            registers.set_pred(mask, *dst, spread(result));
        }
        Op::Ballot { dst, a, .. } => {
            let holding = registers.pred(*a) & mask;
            registers.set_word(mask, *dst, &[holding; 32]);
        }
        Op::MatchAny { dst, a, wide, .. } => {
            let values = narrow(registers.any(*a), *wide);
            let same = |lane: usize| {
                lanes(mask).filter(|other| values[*other] == values[lane]).fold(0, |set, l| set | 1 << l)
            };
            let result: Lanes = std::array::from_fn(same);
            registers.set_word(mask, *dst, &result);
        }
        Op::MatchAll { dst, test, a, wide, .. } => match_all(warp, mask, *dst, *test, *a, *wide),
        Op::Reduce { kind, signed, dst, a, .. } => {
            let values = registers.word(*a);
            let result = reduce(*kind, *signed, lanes(mask).map(|lane| values[lane]));
            registers.set_word(mask, *dst, &[result; 32]);
        }
        Op::Elect { dst, test, .. } => {
            let leader = mask.trailing_zeros();
            registers.set_pred(mask, *test, 1 << leader);
            if let Some(dst) = dst {
                registers.set_word(mask, *dst, &[leader; 32]);
            }
        }
        Op::WarpBarrier { .. } => around.clocks.warp_sync(warp.index, mask),
        _ => return tensor::execute(warp, around, op, mask),
    }
    Ok(())
}

fn spread(holds: bool) -> u32 {
    if holds { u32::MAX } else { 0 }
}

fn narrow(values: Longs, wide: bool) -> Longs {
    if wide { values } else { values.map(|v| v & 0xffff_ffff) }
}

fn shuffle(
    warp: &mut Warp,
    mask: u32,
    mode: ShuffleMode,
    (dst, test): (Option<Reg32>, Option<Pred>),
    (a, b, c): (Src32, Src32, Src32),
) -> Result<(), Fault> {
    let registers = &mut warp.registers;
    let (a, b, c) = (registers.word(a), registers.word(b), registers.word(c));
    let mode = match mode {
        ShuffleMode::Up => exchange::Shuffle::Up,
        ShuffleMode::Down => exchange::Shuffle::Down,
        ShuffleMode::Bfly => exchange::Shuffle::Butterfly,
        ShuffleMode::Idx => exchange::Shuffle::Index,
    };
    let (mut result, mut in_range, mut absent) = ([0; 32], 0, 0);
    for lane in 0..32 {
        let (from, within) = exchange::source(mode, lane as u32, b[lane], c[lane]);
        result[lane] = a[from as usize & 31];
        in_range |= u32::from(within) << lane;
        absent |= (!mask >> (from & 31) & 1) << lane;
    }
    if absent & mask != 0 {
        let lane = (absent & mask).trailing_zeros();
        let (from, _) = exchange::source(mode, lane, b[lane as usize], c[lane as usize]);
        let detail = format!("it reads lane {from}, and lanes {} take part", lane_list(mask));
        return Err(Fault::new(Wrong::AbsentLane, lane, detail));
    }
    if let Some(dst) = dst {
        registers.set_word(mask, dst, &result);
    }
    if let Some(test) = test {
        registers.set_pred(mask, test, in_range);
    }
    Ok(())
}

fn match_all(warp: &mut Warp, mask: u32, dst: Option<Reg32>, test: Option<Pred>, a: Src, wide: bool) {
    let values = narrow(warp.registers.any(a), wide);
    let first = values[mask.trailing_zeros() as usize & 31];
    let all = lanes(mask).all(|lane| values[lane] == first);
    if let Some(dst) = dst {
        warp.registers.set_word(mask, dst, &[if all { mask } else { 0 }; 32]);
    }
    if let Some(test) = test {
        warp.registers.set_pred(mask, test, spread(all));
    }
}

fn reduce(kind: ReduceOp, signed: bool, values: impl Iterator<Item = u32>) -> u32 {
    let combine = |a: u32, b: u32| match kind {
        ReduceOp::Add => a.wrapping_add(b),
        ReduceOp::Min if signed => (a as i32).min(b as i32) as u32,
        ReduceOp::Max if signed => (a as i32).max(b as i32) as u32,
        ReduceOp::Min => a.min(b),
        ReduceOp::Max => a.max(b),
        ReduceOp::And => a & b,
        ReduceOp::Or => a | b,
        ReduceOp::Xor => a ^ b,
    };
    values.reduce(combine).unwrap_or(0)
}

/// A warp arrives at a barrier of the block: all of its lanes, in one split or in several.
pub(crate) fn arrive(warp: &mut Warp, around: &mut Surroundings<'_>, splits: &[Split]) -> Result<(), Fault> {
    let mut arrival =
        Arrival { warp: warp.index, threads: None, waits: true, lanes: 0, holding: 0, path: warp.path };
    let mut at = None;
    let code = &around.run.program.kernel.code;
    for split in splits {
        let Some(Op::Barrier { kind, number, threads, .. }) = code.get(split.pc as usize).map(|i| &i.op)
        else {
            continue;
        };
        let number = alike(warp, *number, split.mask, "the barrier's number")?;
        let threads =
            threads.map(|threads| alike(warp, threads, split.mask, "the thread count")).transpose()?;
        let wrong = if number >= COUNT as u32 {
            Some(format!("a block has barriers 0 to 15, and this is barrier {number}"))
        } else {
            let other = at.filter(|before| *before != (number, threads));
            other.map(|(before, _)| {
                format!("lanes of one warp wait at barriers {before} and {number}, or for other counts")
            })
        };
        if let Some(detail) = wrong {
            return Err(Fault::new(Wrong::Barrier, split.mask.trailing_zeros(), detail));
        }
        at = Some((number, threads));
        arrival.threads = threads;
        arrival.waits = *kind != BarrierOp::Arrive;
        arrival.lanes += split.mask.count_ones();
        if let BarrierOp::Popc(_, test) | BarrierOp::Vote(_, _, test) = kind {
            arrival.holding += (warp.registers.pred(*test) & split.mask).count_ones();
        }
    }
    let number = at.map_or(0, |(number, _)| number as usize);
    let warps = around.run.launch.threads().div_ceil(32);
    around.barriers[number].arrive(number, warps, arrival)?;
    around.arrived |= 1 << number;
    around.clocks.arrive(number as u32, warp.index);
    if arrival.waits {
        warp.splits.held.extend_from_slice(splits);
        warp.state = State::AtBarrier;
    } else {
        splits.iter().for_each(|split| warp.splits.release(*split));
        around.pause = true;
    }
    Ok(())
}

fn alike(warp: &Warp, source: Src32, mask: u32, what: &str) -> Result<u32, Fault> {
    let values = warp.registers.word(source);
    let first = values[mask.trailing_zeros() as usize & 31];
    match lanes(mask).find(|lane| values[*lane] != first) {
        None => Ok(first),
        Some(lane) => {
            let detail = format!("{what} is {first} for one lane and {} for another", values[lane]);
            Err(Fault::new(Wrong::Barrier, lane as u32, detail))
        }
    }
}

/// A barrier is complete, and a warp that waited at it goes on.
pub(crate) fn pass(warp: &mut Warp, around: &Surroundings<'_>, done: &Completion) {
    warp.state = State::Ready;
    warp.path = Path { barriers: done.path.barriers + 1, ..done.path }.max(warp.path);
    for split in std::mem::take(&mut warp.splits.held) {
        let code = &around.run.program.kernel.code;
        match code.get(split.pc as usize).map(|instruction| &instruction.op) {
            Some(Op::Barrier { kind: BarrierOp::Popc(dst, _), .. }) => {
                warp.registers.set_word(split.mask, *dst, &[done.holding; 32]);
            }
            Some(Op::Barrier { kind: BarrierOp::Vote(logic, dst, _), .. }) => {
                let holds = match logic {
                    Logic::And => done.holding == done.lanes,
                    Logic::Or | Logic::Xor => done.holding != 0,
                };
                warp.registers.set_pred(split.mask, *dst, spread(holds));
            }
            _ => {}
        }
        warp.splits.release(split);
    }
}
