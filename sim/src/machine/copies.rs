//! `cp.async`: copies from global to shared memory that land when the lane waits for them.
//!
//! ```text
//! cp.async.cg.shared.global [%r1], [%rd1], 16, %r2;      %r2 bytes from global memory, then zeros
//! cp.async.commit_group;  ..  cp.async.wait_group 1;     `Shared` knows what is in flight
//! ```
//!
//! The source is read when the copy sets out. Source sizes may be any number up to the copy's; they are read in pieces
//! whose sizes are powers of two, which the source's alignment allows.

use super::access::{Data, Request, addresses, read_all, record};
use super::block::Surroundings;
use super::registers::{Longs, lanes};
use super::warp::Warp;
use crate::check::{Fault, Wrong};
use crate::decode::op::{Address, Src32, SrcPred};
use crate::memory;
use crate::syntax::ast::Space;

/// `cp.async`
pub(crate) fn copy(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    mask: u32,
    bytes: u32,
    (to, from): (&Address, &Address),
    (source_bytes, ignore): (Option<Src32>, Option<SrcPred>),
) -> Result<(), Fault> {
    let registers = &warp.registers;
    let ignored = ignore.map_or(0, |p| registers.pred(p));
    let mut wanted = source_bytes.map_or([bytes; 32], |source| registers.word(source));
    if let Some(lane) = lanes(mask & !ignored).find(|lane| wanted[*lane] > bytes) {
        let detail = format!("a copy of {bytes} bytes cannot take {} of them from its source", wanted[lane]);
        return Err(Fault::new(Wrong::OutOfBounds, lane as u32, detail));
    }
    for lane in lanes(ignored) {
        wanted[lane] = 0;
    }
    let source = addresses(registers, around, from);
    let target = addresses(registers, around, to);
    let order = memory::Order::Weak;
    let mut data = [[0; 32]; 4];
    let mut left = lanes(mask).filter(|lane| wanted[*lane] != 0).fold(0, |set, lane| set | 1u32 << lane);
    while left != 0 {
        let size = wanted[left.trailing_zeros() as usize & 31];
        let alike = lanes(left).filter(|lane| wanted[*lane] == size).fold(0, |set, lane| set | 1u32 << lane);
        left &= !alike;
        if size == bytes {
            let request = Request { warp: warp.index, bytes, order };
            read_all(around, request, from.space, alike, &source, &mut data)?;
        } else {
            read_part(warp.index, around, (from.space, alike), &source, size, &mut data)?;
        }
    }
    let request = Request { warp: warp.index, bytes, order };
    let target = match to.space {
        Space::Generic => target.map(|address| memory::resolve(address).1),
        _ => target,
    };
    let access = request.access(around, mask, &target);
    let traffic = around.shared.copy(&around.clocks, &access, &data)?;
    record(around, Space::Shared, mask, bytes, traffic);
    Ok(())
}

/// The first `size` bytes of each lane's source, in pieces whose sizes are powers of two.
fn read_part(
    warp: u32,
    around: &mut Surroundings<'_>,
    (space, mask): (Space, u32),
    source: &Longs,
    size: u32,
    data: &mut Data,
) -> Result<(), Fault> {
    let mut done = 0;
    while done < size {
        let bytes = 1 << (size - done).ilog2();
        let at = source.map(|address| address.wrapping_add(u64::from(done)));
        let mut piece = [[0; 32]; 4];
        let request = Request { warp, bytes, order: memory::Order::Weak };
        read_all(around, request, space, mask, &at, &mut piece)?;
        let (word, shift) = (done as usize / 4, 8 * (done & 3));
        for (index, from) in piece.iter().enumerate().take(bytes.div_ceil(4) as usize) {
            for lane in lanes(mask) {
                data[(word + index) & 3][lane] |= from[lane] << shift;
            }
        }
        done += bytes;
    }
    Ok(())
}
