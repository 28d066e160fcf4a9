//! Integer arithmetic of 16, 32 and 64 bits, signed and unsigned.
//!
//! ```text
//! mul.hi.s32  %r3, %r1, %r2;      mul_hi(a as i32, b as i32)
//! add.cc.u32  %r3, %r1, %r2;      add_carry(a, b, false) == (sum, carry out)
//! ```
//!
//! Functions are generic over [`Integer`], implemented by the host's own types; bits come and go by `as`. All arithmetic
//! wraps around unless its name says otherwise. What the ISA leaves open is decided here: a quotient or remainder by zero
//! is all ones. Addition, subtraction, logic, negation and comparison are the host's own operators.
//! Source: PTX ISA, "Integer Arithmetic Instructions" and "Extended-Precision Integer Arithmetic Instructions".

/// A type of PTX's integer arithmetic.
pub trait Integer: Copy + Ord {
    /// Bits.
    const BITS: u32;
    /// All bits set.
    const ONES: Self;
    /// The lowest number.
    const LEAST: Self;
    /// The highest number.
    const MOST: Self;

    /// The number, exactly.
    fn wide(self) -> i128;
    /// The low bits of a number.
    fn cut(number: i128) -> Self;
    /// `a + b`
    fn plus(self, other: Self) -> Self;
    /// `a - b`
    fn minus(self, other: Self) -> Self;
    /// The low half of `a b`.
    fn times(self, other: Self) -> Self;
    /// `a / b` cut towards zero, or `None` for `b = 0`.
    fn quotient(self, other: Self) -> Option<Self>;
    /// `a - b (a / b)`, or `None` for `b = 0`.
    fn remainder(self, other: Self) -> Option<Self>;
}

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl Integer for $ty {
            const BITS: u32 = $ty::BITS;
            const ONES: $ty = !0;
            const LEAST: $ty = $ty::MIN;
            const MOST: $ty = $ty::MAX;

            #[inline(always)]
            fn wide(self) -> i128 {
                i128::from(self)
            }

            #[inline(always)]
            fn cut(number: i128) -> $ty {
                number as $ty
            }

            #[inline(always)]
            fn plus(self, other: $ty) -> $ty {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: $ty) -> $ty {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn times(self, other: $ty) -> $ty {
                self.wrapping_mul(other)
            }

            #[inline(always)]
            fn quotient(self, other: $ty) -> Option<$ty> {
                (other != 0).then(|| self.wrapping_div(other))
            }

            #[inline(always)]
            fn remainder(self, other: $ty) -> Option<$ty> {
                (other != 0).then(|| self.wrapping_rem(other))
            }
        }
    )*};
}

integers!(u16 i16 u32 i32 u64 i64);

/// `add.sat.s32`: `a + b`, clamped to the type.
#[inline(always)]
pub fn add_sat<T: Integer>(a: T, b: T) -> T {
    clamp(a.wide() + b.wide())
}

/// `sub.sat.s32`: `a - b`, clamped to the type.
#[inline(always)]
pub fn sub_sat<T: Integer>(a: T, b: T) -> T {
    clamp(a.wide() - b.wide())
}

/// A number, clamped to the type.
#[inline(always)]
pub fn clamp<T: Integer>(number: i128) -> T {
    T::cut(number.clamp(T::LEAST.wide(), T::MOST.wide()))
}

/// `mul.lo`: the low half of `a b`.
#[inline(always)]
pub fn mul_lo<T: Integer>(a: T, b: T) -> T {
    a.times(b)
}

/// `mul.hi`: the high half of `a b`.
#[inline(always)]
pub fn mul_hi<T: Integer>(a: T, b: T) -> T {
    // Two u64 may have a product beyond i128, whose bits are right all the same.
    T::cut(a.wide().wrapping_mul(b.wide()) >> T::BITS)
}

/// `mad.lo`: the low half of `a b`, plus `c`.
#[inline(always)]
pub fn mad_lo<T: Integer>(a: T, b: T, c: T) -> T {
    a.times(b).plus(c)
}

/// `mad.hi`: the high half of `a b`, plus `c`.
#[inline(always)]
pub fn mad_hi<T: Integer>(a: T, b: T, c: T) -> T {
    mul_hi(a, b).plus(c)
}

/// `mad.hi.sat.s32`: the high half of `a b`, plus `c`, clamped to the type.
#[inline(always)]
pub fn mad_hi_sat<T: Integer>(a: T, b: T, c: T) -> T {
    add_sat(mul_hi(a, b), c)
}

/// `mul.wide`, and `mad.wide` with a `c` other than 0: all bits of `a b`, plus `c`, in a type of twice the width.
#[inline(always)]
pub fn mad_wide<T: Integer, W: Integer>(a: T, b: T, c: W) -> W {
    W::cut(a.wide()).times(W::cut(b.wide())).plus(c)
}

/// `mul24.lo`: the low 32 bits of the product of the low 24 bits, taken as signed or unsigned numbers.
#[inline(always)]
pub fn mul24_lo<T: Integer>(a: T, b: T) -> T {
    T::cut(low24(a) * low24(b))
}

/// `mul24.hi`: bits 16..48 of that product.
#[inline(always)]
pub fn mul24_hi<T: Integer>(a: T, b: T) -> T {
    T::cut((low24(a) * low24(b)) >> 16)
}

/// The low 24 bits of a number, extended as its type says.
#[inline(always)]
fn low24<T: Integer>(a: T) -> i128 {
    let bits = a.wide() as i64 as i32;
    i128::from(if T::LEAST.wide() < 0 { bits << 8 >> 8 } else { bits & 0xff_ffff })
}

/// `sad`: `c + |a - b|`.
#[inline(always)]
pub fn sad<T: Integer>(a: T, b: T, c: T) -> T {
    c.plus(a.max(b).minus(a.min(b)))
}

/// `div`: cut towards zero; the lowest number by -1 wraps around; by zero, all ones.
#[inline(always)]
pub fn div<T: Integer>(a: T, b: T) -> T {
    a.quotient(b).unwrap_or(T::ONES)
}

/// `rem`: with the sign of `a`; by zero, all ones.
#[inline(always)]
pub fn rem<T: Integer>(a: T, b: T) -> T {
    a.remainder(b).unwrap_or(T::ONES)
}

/// `abs`: of the lowest number it is that number.
#[inline(always)]
pub fn abs<T: Integer>(a: T) -> T {
    let zero = a.minus(a);
    if a < zero { zero.minus(a) } else { a }
}

/// `min.relu.s32`, `max.relu.s32`: what follows `min` and `max`, not below zero.
#[inline(always)]
pub fn relu<T: Integer>(a: T) -> T {
    a.max(a.minus(a))
}

/// `shl`: amounts above the width count as the width, so that nothing is left.
#[inline(always)]
pub fn shl<T: Integer>(a: T, amount: u32) -> T {
    if amount >= T::BITS { a.minus(a) } else { T::cut(a.wide() << amount) }
}

/// `shr`: filled with the sign of a signed type, else with zeros; amounts above the width count as the width.
#[inline(always)]
pub fn shr<T: Integer>(a: T, amount: u32) -> T {
    T::cut(a.wide() >> amount.min(T::BITS))
}

/// `add.cc`, `addc`: `a + b + carry`, and the carry out. Of unsigned types.
#[inline(always)]
pub fn add_carry<T: Integer>(a: T, b: T, carry: bool) -> (T, bool) {
    let sum = a.wide() + b.wide() + i128::from(carry);
    (T::cut(sum), sum >> T::BITS != 0)
}

/// `sub.cc`, `subc`: `a - (b + borrow)`, and the borrow out. Of unsigned types.
#[inline(always)]
pub fn sub_borrow<T: Integer>(a: T, b: T, borrow: bool) -> (T, bool) {
    let difference = a.wide() - b.wide() - i128::from(borrow);
    (T::cut(difference), difference < 0)
}

/// `dp4a`: `c` plus the products of the four bytes of `a` and `b`.
#[inline(always)]
pub fn dp4a(a: u32, b: u32, c: u32, a_signed: bool, b_signed: bool) -> u32 {
    (0..4).fold(c, |sum, i| sum.wrapping_add(byte(a, i, a_signed).wrapping_mul(byte(b, i, b_signed)) as u32))
}

/// `dp2a.lo`, `dp2a.hi`: `c` plus the products of the two halves of `a` and the lower (upper) two bytes of `b`.
#[inline(always)]
pub fn dp2a(a: u32, b: u32, c: u32, a_signed: bool, b_signed: bool, high: bool) -> u32 {
    (0..2).fold(c, |sum, i| {
        let half = (a >> (16 * i)) as u16;
        let half = if a_signed { i32::from(half as i16) } else { i32::from(half) };
        sum.wrapping_add(half.wrapping_mul(byte(b, i + 2 * u32::from(high), b_signed)) as u32)
    })
}

/// A byte of a register, extended.
#[inline(always)]
pub fn byte(word: u32, index: u32, signed: bool) -> i32 {
    let byte = (word >> (8 * (index & 3))) as u8;
    if signed { i32::from(byte as i8) } else { i32::from(byte) }
}
