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
