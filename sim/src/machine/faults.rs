//! The words for what a warp or a block finds wrong by itself, rather than in a memory.
//!
//! ```text
//! lanes 0-15 are here, and lanes 16-31 are missing:
//!   lanes 16-31 have gone past it, to PTX line 40: add.u32 %r1, %r1, 1;
//!
//! warp 0 waits at PTX line 31: bar.sync 1, 64;
//! warps 1, 2, 3 have ended
//! ```

use super::block::Surroundings;
use super::registers::lane_list;
use super::splits::Whereabouts;
use super::warp::{State, Warp};
use crate::check::{Fault, Wrong};

/// A collective that some members can never reach.
pub(crate) fn missing(warp: &Warp, around: &mut Surroundings<'_>) -> Fault {
    let splits = &warp.splits;
    let Some((split, key)) = splits.waiting().first().copied() else {
        return Fault::new(Wrong::Divergent, 0, "no lane of the warp can go on");
    };
    let there = splits.waiting().iter().filter(|(_, k)| *k == key).fold(0, |lanes, (s, _)| lanes | s.mask);
    let missing = key.members & splits.live & !there;
    around.pc = split.pc;
    let mut detail = if key.members == u32::MAX {
        format!("lanes {} are here, and lanes {} are missing:", lane_list(there), lane_list(missing))
    } else {
        format!("lanes {} of the member mask {:#010x} are missing:", lane_list(missing), key.members)
    };
    for (lanes, place) in splits.whereabouts() {
        let lanes = lanes & missing;
        if lanes == 0 {
            continue;
        }
        let (verb, pc) = match place {
            Whereabouts::Waiting(pc) => ("wait at", pc),
            Whereabouts::Past(pc) => ("have gone past it, to", pc),
            Whereabouts::Running(pc) => ("are at", pc),
        };
        detail += &format!("\n    lanes {} {verb} {}", lane_list(lanes), around.run.program.place(pc));
    }
    Fault::new(Wrong::Divergent, there.trailing_zeros(), detail)
}

/// A collective executed by a lane that its own member mask leaves out.
pub(crate) fn not_a_member(lane: u32, members: u32) -> Fault {
    Fault::new(Wrong::Divergent, lane, format!("its member mask {members:#010x} leaves this lane out"))
}

/// A read of a register that these lanes have never written.
pub(crate) fn unwritten(register: &str, lanes: u32) -> Fault {
    let detail =
        format!("no instruction that lanes {} have come through wrote `{register}`", lane_list(lanes));
    Fault::new(Wrong::UnwrittenRegister, lanes.trailing_zeros(), detail)
}

/// `bra.uni` with lanes that disagree.
pub(crate) fn not_uniform(taken: u32, rest: u32) -> Fault {
    let detail = format!(
        "the branch says .uni, and lanes {} take it while lanes {} do not",
        lane_list(taken),
        lane_list(rest)
    );
    Fault::new(Wrong::Divergent, taken.trailing_zeros(), detail)
}

/// No warp can go on. Gives the first warp that waits, too.
pub(crate) fn deadlock(around: &mut Surroundings<'_>, warps: &[Warp]) -> (usize, Fault) {
    let first = warps.iter().position(|warp| warp.state == State::AtBarrier).unwrap_or(0);
    // Warps by the instruction that they wait at, in order of their first.
    let mut places: Vec<(Option<u32>, Vec<String>)> = Vec::new();
    for warp in warps {
        let at = warp.splits.held.first().map(|split| split.pc);
        match places.iter_mut().find(|(place, _)| *place == at) {
            Some((_, warps)) => warps.push(warp.index.to_string()),
            None => places.push((at, vec![warp.index.to_string()])),
        }
    }
    let say = |(at, warps): &(Option<u32>, Vec<String>)| {
        let (who, one) = (warps.join(", "), warps.len() == 1);
        match at {
            Some(pc) if one => format!("warp {who} waits at {}", around.run.program.place(*pc)),
            Some(pc) => format!("warps {who} wait at {}", around.run.program.place(*pc)),
            None if one => format!("warp {who} has ended"),
            None => format!("warps {who} have ended"),
        }
    };
    let detail = places.iter().map(say).collect::<Vec<_>>().join("\n  ");
    let held = warps.get(first).and_then(|warp| warp.splits.held.first());
    let lane = held.map_or(0, |split| split.mask.trailing_zeros());
    around.pc = held.map_or(0, |split| split.pc);
    (first, Fault::new(Wrong::Deadlock, lane, detail))
}
