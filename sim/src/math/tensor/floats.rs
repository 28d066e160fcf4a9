//! `mma.sync` of floats, the fast path.
//!
//! ```text
//! b: 2 registers of 32 lanes of bf16x2 -> [[f64; 8]; 16]
//! then four rows at a time: a -> [[f64; 16]; 4], c -> [[f64; 8]; 4] -> sums -> d
//! ```
//!
//! Rows of A and B are in an order of k that keeps the lanes of a register together, the same for both, and the columns of B
//! and C in one that keeps the registers of C together; so reading and writing fragments are moves of whole vectors,
//! and only B is transposed. Nothing is allocated. What it computes is said in [`super::mma`].

use super::super::half::{self, F16, Half};
use super::super::packed::{self, Byte};
use super::super::single::NAN;
use super::Lanes;

/// How elements lie in a register.
pub(super) trait Unpack {
    /// How many there are.
    const SLOTS: usize;
    /// One of them; all formats are part of `f32`.
    fn element(word: u32, slot: usize) -> f32;
}

impl<H: Half> Unpack for H {
    const SLOTS: usize = 2;

    #[inline(always)]
    fn element(word: u32, slot: usize) -> f32 {
        H::widen((word >> (16 * slot)) as u16)
    }
}

/// `tf32`: an `f32` whose low 13 bits are ignored.
pub(super) struct Tf32;

impl Unpack for Tf32 {
    const SLOTS: usize = 1;

    #[inline(always)]
    fn element(word: u32, _: usize) -> f32 {
        f32::from_bits(word & 0xffff_e000)
    }
}

/// `e4m3`
pub(super) struct E4m3;

impl Unpack for E4m3 {
    const SLOTS: usize = 4;

    #[inline(always)]
    fn element(word: u32, slot: usize) -> f32 {
        packed::widen((word >> (8 * slot)) as u8, Byte::E4m3)
    }
}

/// `e5m2`
pub(super) struct E5m2;

impl Unpack for E5m2 {
    const SLOTS: usize = 4;

    #[inline(always)]
    fn element(word: u32, slot: usize) -> f32 {
        packed::widen((word >> (8 * slot)) as u8, Byte::E5m2)
    }
}

/// A row of C or D: columns 0, 2, 4, 6 before 1, 3, 5, 7, so that the lanes of a register are neighbours.
type Row = [f64; 8];

/// How C and D lie in registers.
pub(super) trait Total {
    /// Registers.
    const REGISTERS: usize;
    /// Row `8 half + group` of C.
    fn read(c: &[Lanes], half: usize, group: usize) -> Row;
    /// Writes rows of D from row `8 half + group` on, rounded.
    fn write(sums: &[Row; TOGETHER], d: &mut [Lanes], half: usize, group: usize);
}

/// Rows whose sums are made together: as many as leave the vector registers of a host with AVX2 room for a row of B.
const TOGETHER: usize = 4;

/// A multiplication of floats, `m16n8` and `K`, with `RA` registers of A and `RB` of B; with the widest vectors that the
/// host has.
///
/// Products are exact, so that it makes no difference whether the host fuses them with sums.
pub(super) fn floats<A: Unpack, B: Unpack, T: Total, const K: usize, const RA: usize, const RB: usize>(
    [a, b, c]: [&[Lanes]; 3],
    d: &mut [Lanes],
) {
    let (Some(a), Some(b)) = (a.first_chunk(), b.first_chunk()) else { return };
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the host has the features that the function is compiled for.
        return unsafe { floats_fused::<A, B, T, K, RA, RB>(a, b, c, d) };
    }
    floats_by::<A, B, T, K, RA, RB>(|x, y, sum| sum + x * y, a, b, c, d);
}

/// The same code, compiled for vectors of four `f64` that multiply and add at once.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn floats_fused<A: Unpack, B: Unpack, T: Total, const K: usize, const RA: usize, const RB: usize>(
    a: &[Lanes; RA],
    b: &[Lanes; RB],
    c: &[Lanes],
    d: &mut [Lanes],
) {
    floats_by::<A, B, T, K, RA, RB>(f64::mul_add, a, b, c, d);
}

/// The multiplication, given how a product is added to a sum.
#[inline(always)]
fn floats_by<A: Unpack, B: Unpack, T: Total, const K: usize, const RA: usize, const RB: usize>(
    add_product: impl Fn(f64, f64, f64) -> f64,
    a: &[Lanes; RA],
    b: &[Lanes; RB],
    c: &[Lanes],
    d: &mut [Lanes],
) {
    let (Some(c), Some(d)) = (c.get(..T::REGISTERS), d.get_mut(..T::REGISTERS)) else { return };
    let right = read_b::<B, K, RB>(b);
    for start in (0..16).step_by(TOGETHER) {
        let (half, group) = (start / 8, start % 8);
        let rows = read_a::<A, K, RA>(a, half, group);
        let mut sums = [[0.0; 8]; TOGETHER];
        for (row, sums) in sums.iter_mut().enumerate() {
            *sums = T::read(c, half, group + row);
        }
        for (k, column) in right.iter().enumerate() {
            for (sums, row) in sums.iter_mut().zip(&rows) {
                for (sum, y) in sums.iter_mut().zip(column) {
                    *sum = add_product(row[k], *y, *sum);
                }
            }
        }
        T::write(&sums, d, half, group);
    }
}

/// One element of each lane.
#[inline(always)]
fn plane<U: Unpack, const LANES: usize>(lanes: &[u32; LANES], slot: usize) -> [f32; LANES] {
    let mut elements = [0.0; LANES];
    for (element, &word) in elements.iter_mut().zip(lanes) {
        *element = U::element(word, slot);
    }
    elements
}

/// Rows of A from row `8 half + group` on: the registers of the half, their slots, four threads each.
#[inline(always)]
fn read_a<A: Unpack, const K: usize, const RA: usize>(
    a: &[Lanes; RA],
    half: usize,
    group: usize,
) -> [[f64; K]; TOGETHER] {
    let mut rows = [[0.0; K]; TOGETHER];
    for index in 0..RA / 2 {
        let (lanes, _) = a[2 * index + half].as_chunks::<{ 4 * TOGETHER }>();
        for slot in 0..A::SLOTS {
            let block = (index * A::SLOTS + slot) % (K / 4);
            let elements = plane::<A, _>(&lanes[group / TOGETHER % lanes.len()], slot);
            for (row, elements) in rows.iter_mut().zip(elements.as_chunks::<4>().0) {
                for (thread, element) in elements.iter().enumerate() {
                    row[4 * block + thread] = (*element).into();
                }
            }
        }
    }
    rows
}

/// B by rows, in the order register, slot, thread; its columns in the order of [`Row`].
#[inline(always)]
fn read_b<B: Unpack, const K: usize, const RB: usize>(b: &[Lanes; RB]) -> [Row; K] {
    let mut right = [[0.0; 8]; K];
    for (register, lanes) in b.iter().enumerate() {
        for slot in 0..B::SLOTS {
            let block = (register * B::SLOTS + slot) % (K / 4);
            let elements = plane::<B, _>(lanes, slot);
            for (group, elements) in elements.as_chunks::<4>().0.iter().enumerate() {
                for (thread, element) in elements.iter().enumerate() {
                    right[4 * block + thread][group % 2 * 4 + group / 2] = (*element).into();
                }
            }
        }
    }
    right
}

/// `f32`: registers `2 half` and `2 half + 1` hold the even and the odd columns of the rows of a half.
pub(super) struct Single;

impl Total for Single {
    const REGISTERS: usize = 4;

    #[inline(always)]
    fn read(c: &[Lanes], half: usize, group: usize) -> Row {
        let mut sums = [0.0; 8];
        for thread in 0..4 {
            sums[thread] = f32::from_bits(c[2 * half][4 * group + thread]).into();
            sums[4 + thread] = f32::from_bits(c[2 * half + 1][4 * group + thread]).into();
        }
        sums
    }

    #[inline(always)]
    fn write(sums: &[Row; TOGETHER], d: &mut [Lanes], half: usize, group: usize) {
        let round = |sum: f64| {
            let sum = sum as f32;
            if sum.is_nan() { NAN } else { sum.to_bits() }
        };
        for (row, sums) in sums.iter().enumerate() {
            for thread in 0..4 {
                d[2 * half][4 * (group + row) + thread] = round(sums[thread]);
                d[2 * half + 1][4 * (group + row) + thread] = round(sums[4 + thread]);
            }
        }
    }
}

/// `f16`: register `half` holds the even columns of its rows in low halves, the odd ones in high halves.
pub(super) struct Halves;

impl Total for Halves {
    const REGISTERS: usize = 2;

    #[inline(always)]
    fn read(c: &[Lanes], half: usize, group: usize) -> Row {
        let mut sums = [0.0; 8];
        for thread in 0..4 {
            let word = c[half][4 * group + thread];
            sums[thread] = F16::widen(word as u16).into();
            sums[4 + thread] = F16::widen((word >> 16) as u16).into();
        }
        sums
    }

    #[inline(always)]
    fn write(sums: &[Row; TOGETHER], d: &mut [Lanes], half: usize, group: usize) {
        let mut bits = [0; 8 * TOGETHER];
        for (bits, &sum) in bits.iter_mut().zip(sums.as_flattened()) {
            *bits = half::nearest(sum, F16::FORMAT);
        }
        for (row, bits) in bits.as_chunks::<8>().0.iter().enumerate() {
            for thread in 0..4 {
                d[half][4 * (group + row) + thread] = bits[thread] | bits[4 + thread] << 16;
            }
        }
    }
}
