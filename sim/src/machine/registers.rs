//! The registers of a warp: three banks, 32 lanes wide.
//!
//! ```text
//! words   [u32; 32] a register     words[r][lane]
//! longs   [u64; 32] a register
//! preds   one bit a lane
//! carry   one bit a lane
//! ```
//!
//! Reads give all 32 lanes, whatever the mask: what a lane that does not take part holds is thrown away when the result is
//! written. Full masks and registers are thus plain loops over arrays of 32, which the compiler turns into vector code.

use crate::decode::Banks;
use crate::decode::op::{Dst, Guard, Pred, Reg32, Reg64, Src, Src32, Src64, SrcPred};
use crate::memory::Lanes;
use std::mem::MaybeUninit;

/// One 64-bit number a lane.
pub(crate) type Longs = [u64; 32];

/// All lanes.
pub(crate) const ALL: u32 = u32::MAX;

/// Room for the lanes of an immediate, not filled before one is there.
#[inline(always)]
pub(crate) fn spare<T>() -> MaybeUninit<[T; 32]> {
    MaybeUninit::uninit()
}

/// The registers of one warp.
#[derive(Default, Debug)]
pub(crate) struct Registers {
    words: Vec<Lanes>,
    longs: Vec<Longs>,
    preds: Vec<u32>,
    /// The carry bit of each lane.
    pub(crate) carry: u32,
    /// By suspect register, the lanes that have written each of its bytes.
    pub(crate) written: Vec<[u32; 4]>,
}

impl Registers {
    /// Makes room for the banks of a kernel. All registers are 0, so that what a kernel does never depends on what ran
    /// before.
    pub(crate) fn reset(&mut self, banks: Banks, suspects: usize) {
        self.written.clear();
        self.written.resize(suspects, [0; 4]);
        self.words.clear();
        self.words.resize(banks.words as usize, [0; 32]);
        self.longs.clear();
        self.longs.resize(banks.longs as usize, [0; 32]);
        self.preds.clear();
        self.preds.resize(banks.preds as usize, 0);
        self.carry = 0;
    }

    /// A source of 32 bits where it stands; an immediate is spread over the lanes of `spare`.
    #[inline(always)]
    pub(crate) fn see<'a>(&'a self, source: Src32, spare: &'a mut MaybeUninit<Lanes>) -> &'a Lanes {
        match source {
            Src32::Reg(Reg32(r)) => &self.words[r as usize],
            Src32::Imm(value) => spare.write([value; 32]),
        }
    }

    /// A source of 64 bits where it stands; an immediate is spread over the lanes of `spare`.
    #[inline(always)]
    pub(crate) fn see_long<'a>(&'a self, source: Src64, spare: &'a mut MaybeUninit<Longs>) -> &'a Longs {
        match source {
            Src64::Reg(Reg64(r)) => &self.longs[r as usize],
            Src64::Imm(value) => spare.write([value; 32]),
        }
    }

    /// The low 32 bits of a source of any width, where it stands if it can.
    #[inline(always)]
    pub(crate) fn see_low<'a>(&'a self, source: Src, spare: &'a mut MaybeUninit<Lanes>) -> &'a Lanes {
        match source {
            Src::Reg32(Reg32(r)) => &self.words[r as usize],
            Src::Reg64(Reg64(r)) => spare.write(self.longs[r as usize].map(|v| v as u32)),
            Src::Imm(value) => spare.write([value as u32; 32]),
        }
    }

    /// A source of 32 bits.
    #[inline(always)]
    pub(crate) fn word(&self, source: Src32) -> Lanes {
        match source {
            Src32::Reg(Reg32(r)) => self.words[r as usize],
            Src32::Imm(value) => [value; 32],
        }
    }

    /// A source of 64 bits.
    #[inline(always)]
    pub(crate) fn long(&self, source: Src64) -> Longs {
        match source {
            Src64::Reg(Reg64(r)) => self.longs[r as usize],
            Src64::Imm(value) => [value; 32],
        }
    }

    /// A source of any width as 64 bits, zero-extended.
    #[inline(always)]
    pub(crate) fn any(&self, source: Src) -> Longs {
        match source {
            Src::Reg32(Reg32(r)) => self.words[r as usize].map(u64::from),
            Src::Reg64(Reg64(r)) => self.longs[r as usize],
            Src::Imm(value) => [value; 32],
        }
    }

    /// The low 32 bits of a source of any width.
    #[inline(always)]
    pub(crate) fn low(&self, source: Src) -> Lanes {
        match source {
            Src::Reg32(Reg32(r)) => self.words[r as usize],
            Src::Reg64(Reg64(r)) => self.longs[r as usize].map(|v| v as u32),
            Src::Imm(value) => [value as u32; 32],
        }
    }

    /// The lanes that a guard lets through.
    #[inline(always)]
    pub(crate) fn guard(&self, Guard { pred: Pred(p), negated }: Guard) -> u32 {
        self.preds[p as usize] ^ if negated { ALL } else { 0 }
    }

    /// The lanes whose predicate holds.
    #[inline(always)]
    pub(crate) fn pred(&self, source: SrcPred) -> u32 {
        match source {
            SrcPred::Reg { pred: Pred(p), negated } => self.preds[p as usize] ^ if negated { ALL } else { 0 },
            SrcPred::Imm(value) => {
                if value {
                    ALL
                } else {
                    0
                }
            }
        }
    }

    /// Writes a register of the 32-bit bank.
    #[inline(always)]
    pub(crate) fn set_word(&mut self, mask: u32, Reg32(r): Reg32, value: &Lanes) {
        blend(&mut self.words[r as usize], mask, value);
    }

    /// Writes a register of the 64-bit bank.
    #[inline(always)]
    pub(crate) fn set_long(&mut self, mask: u32, Reg64(r): Reg64, value: &Longs) {
        blend(&mut self.longs[r as usize], mask, value);
    }

    /// Writes a predicate.
    #[inline(always)]
    pub(crate) fn set_pred(&mut self, mask: u32, Pred(p): Pred, value: u32) {
        let register = &mut self.preds[p as usize];
        *register = (*register & !mask) | (value & mask);
    }

    /// Writes a destination of any width; `value` has been extended to 64 bits as the operation's type says.
    pub(crate) fn set(&mut self, mask: u32, dst: Dst, value: &Longs) {
        match dst {
            Dst::Sink => {}
            Dst::Reg8(r) => self.set_word(mask, r, &value.map(|v| v as u32 & 0xff)),
            Dst::Reg16(r) => self.set_word(mask, r, &value.map(|v| v as u32 & 0xffff)),
            Dst::Reg32(r) => self.set_word(mask, r, &value.map(|v| v as u32)),
            Dst::Reg64(r) => self.set_long(mask, r, value),
        }
    }

    /// Writes a destination of any width with 32 bits, extended by zeros.
    pub(crate) fn set_low(&mut self, mask: u32, dst: Dst, value: &Lanes) {
        match dst {
            Dst::Sink => {}
            Dst::Reg8(r) => self.set_word(mask, r, &value.map(|v| v & 0xff)),
            Dst::Reg16(r) => self.set_word(mask, r, &value.map(|v| v & 0xffff)),
            Dst::Reg32(r) => self.set_word(mask, r, value),
            Dst::Reg64(r) => self.set_long(mask, r, &value.map(u64::from)),
        }
    }
}

/// Copies the lanes of a mask.
#[inline(always)]
fn blend<T: Copy>(to: &mut [T; 32], mask: u32, from: &[T; 32]) {
    if mask == ALL {
        *to = *from;
        return;
    }
    // Every lane is written, so that the compiler can choose between two vectors.
    for lane in 0..32 {
        to[lane] = if mask >> lane & 1 != 0 { from[lane] } else { to[lane] };
    }
}

/// A function of one operand, lane by lane.
#[inline(always)]
pub(crate) fn map1<R: Copy>(a: &[R; 32], f: impl Fn(R) -> R) -> [R; 32] {
    let mut result = *a;
    for lane in 0..32 {
        result[lane] = f(a[lane]);
    }
    result
}

/// A function of two operands, lane by lane.
#[inline(always)]
pub(crate) fn map2<R: Copy>(a: &[R; 32], b: &[R; 32], f: impl Fn(R, R) -> R) -> [R; 32] {
    let mut result = *a;
    for lane in 0..32 {
        result[lane] = f(a[lane], b[lane]);
    }
    result
}

/// A function of three operands, lane by lane.
#[inline(always)]
pub(crate) fn map3<R: Copy>(a: &[R; 32], b: &[R; 32], c: &[R; 32], f: impl Fn(R, R, R) -> R) -> [R; 32] {
    let mut result = *a;
    for lane in 0..32 {
        result[lane] = f(a[lane], b[lane], c[lane]);
    }
    result
}

/// The lanes of a mask, in order.
pub(crate) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let lane = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        (lane < 32).then_some(lane as usize)
    })
}

/// A set of lanes in words: `0-15, 20`.
pub(crate) fn lane_list(mask: u32) -> String {
    let mut ranges: Vec<String> = Vec::new();
    let mut lane = 0;
    while lane < 32 {
        let run = (mask >> lane).trailing_ones();
        match run {
            0 => lane += 1,
            1 => ranges.push(format!("{lane}")),
            _ => ranges.push(format!("{lane}-{}", lane + run - 1)),
        }
        lane += run;
    }
    ranges.join(", ")
}
