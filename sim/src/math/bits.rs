//! Bits and bytes: counting, fields, masks, funnel shifts, three-input logic, byte permutations.
//!
//! ```text
//! bfe.u32 %r2, %r1, 8, 4;                 bfe(a.into(), 8, 4) == a >> 8 & 0xf
//! lop3.b32 %r4, %r1, %r2, %r3, 0x96;      lop3(a, b, c, 0x96) == a ^ b ^ c
//! ```
//!
//! Functions on `u64` and `i64` serve 32 bits too: extend the operands as their type says, and cut the result.
//! Positions and lengths have the ranges of the ISA's pseudo-code: 8 bits for fields, 5 bits where `.wrap`, clamped where
//! `.clamp`. Counting bits (`popc`, `clz`, `brev`) is the host's `count_ones`, `leading_zeros`, `reverse_bits`.
//! Source: PTX ISA, "Integer Arithmetic Instructions", "Logic and Shift Instructions" and "prmt".

use super::integer::Integer;

/// `bfind`: the position of the highest bit that differs from the sign (of unsigned types, of the highest 1); all ones where
/// there is none.
#[inline(always)]
pub fn bfind<T: Integer>(a: T) -> u32 {
    let number = a.wide();
    let magnitude = if number < 0 { !number } else { number };
    127u32.wrapping_sub(magnitude.leading_zeros())
}

/// `bfind.shiftamt`: the left shift that brings that bit to the top; all ones where there is none.
#[inline(always)]
pub fn bfind_shift<T: Integer>(a: T) -> u32 {
    match bfind(a) {
        u32::MAX => u32::MAX,
        position => T::BITS - 1 - position,
    }
}

/// `fns.b32`: the position of a set bit of `mask`, counted from bit `base`: the `offset`-th upwards, or downwards where
/// `offset` is negative, the bit at `base` included; 0 asks for `base` itself. All ones where there is none, and where
/// `base` is above 31 (which the ISA leaves open).
pub fn fns(mask: u32, base: u32, offset: i32) -> u32 {
    if base > 31 {
        return u32::MAX;
    }
    let skip = (offset.unsigned_abs() as usize).saturating_sub(1);
    let set = |position: &u32| mask >> position & 1 == 1;
    let found = match offset {
        0 => Some(base).filter(set),
        1.. => (base..32).filter(set).nth(skip),
        _ => (0..=base).rev().filter(set).nth(skip),
    };
    found.unwrap_or(u32::MAX)
}

/// The lowest `length` bits set.
#[inline(always)]
fn low_bits(length: u32) -> u64 {
    if length > 63 { u64::MAX } else { (1 << length) - 1 }
}

/// `bfe.u32`, `bfe.u64`: `length` bits from `start` on, extended by zeros.
#[inline(always)]
pub fn bfe(a: u64, start: u32, length: u32) -> u64 {
    let (start, length) = (start & 0xff, length & 0xff);
    a.checked_shr(start).unwrap_or(0) & low_bits(length)
}

/// `bfe.s32`, `bfe.s64`: `length` bits from `start` on, extended by the highest of them; what lies beyond the top of `a`
/// counts as its sign. A length of 0 gives 0.
#[inline(always)]
pub fn bfe_signed(a: i64, start: u32, length: u32) -> i64 {
    let field = a >> (start & 0xff).min(63);
    match length & 0xff {
        0 => 0,
        length => field << (64 - length.min(64)) >> (64 - length.min(64)),
    }
}

/// `bfi`: `b`, with `length` bits from `start` on replaced by the low bits of `a`.
#[inline(always)]
pub fn bfi(a: u64, b: u64, start: u32, length: u32) -> u64 {
    let (start, length) = (start & 0xff, length & 0xff);
    let mask = low_bits(length).checked_shl(start).unwrap_or(0);
    b & !mask | a.checked_shl(start).unwrap_or(0) & mask
}

/// Whether amounts above 31 count as 32, or only their low 5 bits count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Excess {
    /// `.clamp`
    Clamp,
    /// `.wrap`
    Wrap,
}

impl Excess {
    #[inline(always)]
    fn limit(self, amount: u32) -> u32 {
        match self {
            Excess::Clamp => amount.min(32),
            Excess::Wrap => amount & 31,
        }
    }
}

/// `szext.u32`, `szext.s32`: the low `width` bits of `a`, extended to 32. A width of 0 gives 0.
#[inline(always)]
pub fn szext(a: u32, width: u32, excess: Excess, signed: bool) -> u32 {
    match (excess.limit(width), signed) {
        (0, _) => 0,
        (width, false) => a << (32 - width) >> (32 - width),
        (width, true) => ((a << (32 - width)) as i32 >> (32 - width)) as u32,
    }
}

/// `bmsk.b32`: `width` bits set from position `start` on.
#[inline(always)]
pub fn bmsk(start: u32, width: u32, excess: Excess) -> u32 {
    let (start, width) = (excess.limit(start), excess.limit(width));
    (low_bits(width) << start) as u32
}

/// `shf.l.b32`: the upper 32 bits of `{b, a} << amount`.
#[inline(always)]
pub fn funnel_left(a: u32, b: u32, amount: u32, excess: Excess) -> u32 {
    ((u64::from(b) << 32 | u64::from(a)) << excess.limit(amount) >> 32) as u32
}

/// `shf.r.b32`: the lower 32 bits of `{b, a} >> amount`.
#[inline(always)]
pub fn funnel_right(a: u32, b: u32, amount: u32, excess: Excess) -> u32 {
    ((u64::from(b) << 32 | u64::from(a)) >> excess.limit(amount)) as u32
}

/// `lop3.b32`: bit by bit the function of three inputs whose table this is: its bit `4 a + 2 b + c`.
#[inline(always)]
pub fn lop3(a: u32, b: u32, c: u32, table: u8) -> u32 {
    let table = u32::from(table);
    // A row of the table as a mask: all ones or all zeros. The table is one for a loop over lanes, and so are the masks.
    let row = |index: u32| 0u32.wrapping_sub(table >> index & 1);
    let choose = |bit: u32, one: u32, zero: u32| bit & one | !bit & zero;
    let without_a = choose(b, choose(c, row(3), row(2)), choose(c, row(1), row(0)));
    let with_a = choose(b, choose(c, row(7), row(6)), choose(c, row(5), row(4)));
    choose(a, with_a, without_a)
}

/// How `prmt` reads its selector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Permute {
    /// Four nibbles, from the low one: the number of a byte, and in bit 3 whether its sign is repeated instead.
    Default,
    /// `.f4e`: four bytes forward from byte `c`.
    F4e,
    /// `.b4e`: four bytes backward from byte `c`.
    B4e,
    /// `.rc8`: byte `c` four times.
    Rc8,
    /// `.ecl`: bytes 0..4, those below `c` replaced by byte `c`.
    Ecl,
    /// `.ecr`: bytes 0..4, those above `c` replaced by byte `c`.
    Ecr,
    /// `.rc16`: half `c` twice.
    Rc16,
}

/// `prmt.b32`: bytes of `{b, a}` (numbered from the low byte of `a`) chosen by `c`.
#[inline(always)]
pub fn prmt(a: u32, b: u32, c: u32, mode: Permute) -> u32 {
    let both = u64::from(b) << 32 | u64::from(a);
    let nibbles = selector(c, mode);
    (0..4).fold(0, |word, i| {
        let nibble = nibbles >> (4 * i) & 0xf;
        let byte = (both >> (8 * (nibble & 7))) as u8;
        let byte = if nibble & 8 != 0 { (byte as i8 >> 7) as u8 } else { byte };
        word | u32::from(byte) << (8 * i)
    })
}

/// The nibbles of the default mode that do the same.
#[inline(always)]
fn selector(c: u32, mode: Permute) -> u32 {
    const F4E: [u32; 4] = [0x3210, 0x4321, 0x5432, 0x6543];
    const B4E: [u32; 4] = [0x5670, 0x6701, 0x7012, 0x0123];
    const RC8: [u32; 4] = [0x0000, 0x1111, 0x2222, 0x3333];
    const ECL: [u32; 4] = [0x3210, 0x3211, 0x3222, 0x3333];
    const ECR: [u32; 4] = [0x0000, 0x1110, 0x2210, 0x3210];
    const RC16: [u32; 4] = [0x1010, 0x3232, 0x1010, 0x3232];
    let row = (c & 3) as usize;
    match mode {
        Permute::Default => c,
        Permute::F4e => F4E[row],
        Permute::B4e => B4E[row],
        Permute::Rc8 => RC8[row],
        Permute::Ecl => ECL[row],
        Permute::Ecr => ECR[row],
        Permute::Rc16 => RC16[row],
    }
}
