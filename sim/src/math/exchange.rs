//! Exchanges inside a warp: which lane a shuffle reads, and votes, matches and reductions over lanes.
//!
//! ```text
//! shfl.sync.down.b32 d|p, a, 4, 0x1f, mask;       source(Shuffle::Down, lane, 4, 0x1f) == (lane + 4, true) for lanes 0..28
//!                                                                                     (lane, false) for the last 4
//! ```
//!
//! Everything is pure: who takes part, and what a lane that does not take part means, the warp decides.
//! Source: PTX ISA, "shfl.sync", "vote.sync", "match.sync", "redux.sync".

/// The mode of a shuffle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shuffle {
    /// `.up`: from `b` lanes below.
    Up,
    /// `.down`: from `b` lanes above.
    Down,
    /// `.bfly`: from the lane whose number differs in the bits of `b`.
    Butterfly,
    /// `.idx`: from lane `b` of the segment.
    Index,
}

/// `shfl.sync`: the lane whose register a lane reads, and the predicate that says whether it was in range.
///
/// Only the low 5 bits of `b` count. Bits 0..5 of `c` are the clamp, bits 8..13 the mask that cuts the warp into segments.
/// Out of range a lane reads its own register.
#[inline(always)]
pub fn source(mode: Shuffle, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (lane, b, clamp, segment) = (lane & 31, b & 31, c & 31, c >> 8 & 31);
    let least = lane & segment;
    let most = least | (clamp & !segment);
    let (j, in_range) = match mode {
        // `lane - b` may fall below 0, and a signed comparison is meant.
        Shuffle::Up => (lane.wrapping_sub(b), lane as i32 - b as i32 >= most as i32),
        Shuffle::Down => (lane + b, lane + b <= most),
        Shuffle::Butterfly => (lane ^ b, lane ^ b <= most),
        Shuffle::Index => {
            let j = least | (b & !segment);
            (j, j <= most)
        }
    };
    (if in_range { j & 31 } else { lane }, in_range)
}

/// What a vote asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Vote {
    /// `.all`: whether all have it.
    All,
    /// `.any`: whether any has it.
    Any,
    /// `.uni`: whether all have it or none.
    Uniform,
}

/// `vote.sync.all`, `.any`, `.uni`. `.ballot` is `votes & members`.
#[inline(always)]
pub fn vote(mode: Vote, votes: u32, members: u32) -> bool {
    let yes = votes & members;
    match mode {
        Vote::All => yes == members,
        Vote::Any => yes != 0,
        Vote::Uniform => yes == members || yes == 0,
    }
}

/// The lanes of a mask, from the lowest.
#[inline(always)]
pub fn lanes(members: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |lane| members >> lane & 1 == 1)
}

/// `match.any.sync`: for each member the mask of members with the same value; 0 for others.
pub fn match_any<T: Copy + PartialEq>(values: &[T; 32], members: u32) -> [u32; 32] {
    let mut masks = [0; 32];
    for lane in lanes(members) {
        masks[lane] = lanes(members)
            .filter(|&other| values[other] == values[lane])
            .fold(0, |mask, other| mask | 1 << other);
    }
    masks
}

/// `match.all.sync`: the members and true where all have the same value, else 0 and false.
pub fn match_all<T: Copy + PartialEq>(values: &[T; 32], members: u32) -> (u32, bool) {
    let mut held = lanes(members).map(|lane| values[lane]);
    let first = held.next();
    if held.all(|value| Some(value) == first) { (members, true) } else { (0, false) }
}

/// How `redux.sync` combines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reduce {
    /// `.add`, wrapping around.
    Add,
    /// `.min` of unsigned numbers.
    Min,
    /// `.max` of unsigned numbers.
    Max,
    /// `.min` of signed numbers.
    MinSigned,
    /// `.max` of signed numbers.
    MaxSigned,
    /// `.and`
    And,
    /// `.or`
    Or,
    /// `.xor`
    Xor,
}

/// `redux.sync`: all members' values, combined; 0 where there are no members.
pub fn reduce(mode: Reduce, values: &[u32; 32], members: u32) -> u32 {
    let combine = |a: u32, b: u32| match mode {
        Reduce::Add => a.wrapping_add(b),
        Reduce::Min => a.min(b),
        Reduce::Max => a.max(b),
        Reduce::MinSigned => (a as i32).min(b as i32) as u32,
        Reduce::MaxSigned => (a as i32).max(b as i32) as u32,
        Reduce::And => a & b,
        Reduce::Or => a | b,
        Reduce::Xor => a ^ b,
    };
    lanes(members).map(|lane| values[lane]).reduce(combine).unwrap_or(0)
}
