//! Matrices of a warp: `ldmatrix`, `stmatrix`, `movmatrix`, `mma.sync`.
//!
//! ```text
//! ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2, %r3, %r4}, [%r5];
//!     lanes 0-7 name the rows of the first 8x8 matrix, 8-15 of the second, ..: 16 bytes each
//! mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {..};
//! ```
//!
//! Which lane holds which element is `math::tensor`'s to know.

use super::access::{Request, addresses, read_all, write_all};
use super::block::Surroundings;
use super::registers::{Longs, Registers, spare};
use super::warp::Warp;
use crate::check::Fault;
use crate::decode::op::{Address, Dst, Multiplier, Multiply, Op, Src};
use crate::math::Round;
use crate::math::tensor::{double, matrix};
use crate::memory::{Lanes, Order};

/// A matrix instruction of the lanes of `mask`: all that have not ended.
pub(crate) fn execute(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    op: &Op,
    mask: u32,
) -> Result<(), Fault> {
    match op {
        Op::MatrixLoad { transposed, dst, address } => load(warp, around, mask, *transposed, dst, address),
        Op::MatrixStore { transposed, values, address } => {
            store(warp, around, mask, *transposed, values, address)
        }
        Op::MatrixTranspose { dst, a } => {
            let value = matrix::transpose(&warp.registers.word(*a));
            warp.registers.set_word(mask, *dst, &value);
            Ok(())
        }
        Op::MatrixMultiply(multiply) => {
            multiply_add(warp, mask, multiply);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The lanes that name rows of so many matrices.
fn rows_of(mask: u32, matrices: usize) -> u32 {
    mask & (u32::MAX >> (32 - 8 * matrices.clamp(1, 4)))
}

fn load(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    mask: u32,
    transposed: bool,
    dst: &[Dst],
    address: &Address,
) -> Result<(), Fault> {
    let at = addresses(&warp.registers, around, address);
    let mut data = [[0; 32]; 4];
    let request = Request { warp: warp.index, bytes: 16, order: Order::Weak };
    read_all(around, request, address.space, rows_of(mask, dst.len()), &at, &mut data)?;
    for (index, dst) in dst.iter().enumerate() {
        let mut words = [[0; 8]; 4];
        for (word, lanes) in words.iter_mut().zip(&data) {
            word.copy_from_slice(&lanes.as_chunks::<8>().0[index & 3]);
        }
        warp.registers.set_low(mask, *dst, &matrix::load_columns(&words, transposed));
    }
    Ok(())
}

fn store(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    mask: u32,
    transposed: bool,
    values: &[Src],
    address: &Address,
) -> Result<(), Fault> {
    let at = addresses(&warp.registers, around, address);
    let mut data = [[0; 32]; 4];
    for (index, value) in values.iter().enumerate() {
        let rows = matrix::store(&warp.registers.low(*value), transposed);
        for (row, words) in rows.iter().enumerate() {
            for (word, value) in words.iter().enumerate() {
                data[word][(8 * index + row) & 31] = *value;
            }
        }
    }
    let request = Request { warp: warp.index, bytes: 16, order: Order::Weak };
    write_all(around, request, address.space, rows_of(mask, values.len()), &at, &data)
}

/// Registers of a fragment of the 32-bit bank, at most: those of A in `m16n8k16` of halves, and all others of 16 rows.
const MOST: usize = 4;

/// Room for the fragments of a multiplication, A, B, C and D, kept so that nobody has to clear it.
#[derive(Default, Debug)]
pub(crate) struct Fragments([[Lanes; MOST]; 4]);

fn multiply_add(warp: &mut Warp, mask: u32, multiply: &Multiply) {
    let (registers, Fragments([a, b, c, d])) = (&mut warp.registers, &mut warp.fragments);
    match multiply.multiplier {
        Multiplier::Word(mma) => {
            let a = fill(registers, &multiply.a, a);
            let b = fill(registers, &multiply.b, b);
            let c = fill(registers, &multiply.c, c);
            let d = &mut d[..c.len()];
            mma.run(a, b, c, d);
            for (dst, value) in multiply.d.iter().zip(d) {
                registers.set_low(mask, *dst, value);
            }
        }
        Multiplier::Double => {
            let fragment = |sources: &[Src]| -> Vec<Longs> {
                sources.iter().map(|source| registers.any(*source)).collect()
            };
            let (a, b, c) = (fragment(&multiply.a), fragment(&multiply.b), fragment(&multiply.c));
            let mut d = c.clone();
            double::mma(multiply.shape, &a, &b, &c, &mut d, Round::Nearest);
            for (dst, value) in multiply.d.iter().zip(&d) {
                registers.set(mask, *dst, value);
            }
        }
    }
}

/// Copies the registers of a fragment to one place. By loops, since arrays that functions return are copied again.
#[inline(always)]
fn fill<'a>(registers: &Registers, sources: &[Src], place: &'a mut [Lanes; MOST]) -> &'a [Lanes] {
    for (to, source) in place.iter_mut().zip(sources) {
        *to = *registers.see_low(*source, &mut spare());
    }
    &place[..sources.len().min(MOST)]
}

#[cfg(test)]
mod tests {
    use super::MOST;
    use crate::math::tensor::{Accumulator, Element, Mma, Shape};

    #[test]
    fn no_fragment_has_more_registers_than_there_is_room_for() {
        use Element::*;
        let mut found = 0;
        for element in [F16, Bf16, Tf32, E4m3, E5m2, S8, U8, S4, U4, B1Xor, B1And] {
            for sum in [Accumulator::F32, Accumulator::F16, Accumulator::S32, Accumulator::S32Clamped] {
                for (m, k) in [8, 16].into_iter().flat_map(|m| (2..9).map(move |log| (m, 1 << log))) {
                    if let Some(mma) = Mma::new(Shape { m, n: 8, k }, element, element, sum) {
                        found += 1;
                        assert!(mma.registers().iter().all(|n| *n <= MOST), "{mma:?}");
                    }
                }
            }
        }
        assert!(found > 20, "{found}");
    }
}
