//! Loads, stores and updates: from operands to a warp's access to one of the memories, and back.
//!
//! ```text
//! ld.shared.v4.u16 {%rs1, .., %rs4}, [%r1+8];
//!     addresses %r1 + 8 of each lane -> Shared::load of 8 bytes -> data[0..2] -> four registers of 16 bits
//! ```
//!
//! A generic address says by itself which memory it means; lanes of one instruction may differ, and then the memories are
//! asked one after the other. Accesses of 32 bytes are two of 16.

use super::block::Surroundings;
use super::registers::{Longs, Registers, lanes};
use super::warp::Warp;
use crate::check::{Fault, Site, Wrong};
use crate::decode::op::{self, Address, Base, Dst, Src, Src32};
use crate::memory::{self, Access, Lanes, Traffic};
use crate::syntax::ast::Space;

/// Four words a lane.
pub(crate) type Data = [Lanes; 4];

/// Addresses of all lanes in the address's space.
pub(crate) fn addresses(registers: &Registers, around: &Surroundings<'_>, address: &Address) -> Longs {
    let offset = address.offset as u64;
    match address.base {
        Base::Zero => [offset; 32],
        // Compilers rely on 32-bit addresses to wrap: a register may hold less than 0 where its offset makes up for it.
        Base::Reg32(r) => {
            registers.word(Src32::Reg(r)).map(|base| u64::from(base.wrapping_add(offset as u32)))
        }
        Base::Reg64(r) => registers.long(op::Src64::Reg(r)).map(|base| base.wrapping_add(offset)),
        Base::Module(variable) => [around.run.variable(variable).wrapping_add(offset); 32],
    }
}

/// The space that the generic addresses of all lanes mean, and their addresses in it; `None` where they differ.
fn one_space(mask: u32, at: &Longs) -> Option<(Space, Longs)> {
    let first = at[mask.trailing_zeros() as usize & 31];
    let (space, address) = memory::resolve(first);
    let start = first.wrapping_sub(address);
    let alike = lanes(mask).all(|lane| memory::resolve(at[lane]).0 == space);
    alike.then(|| (space, at.map(|address| address.wrapping_sub(start))))
}

/// Does the work in the memory that the addresses are of; in each of the memories that generic ones mean, for its lanes.
#[inline]
fn in_each_space(
    space: Space,
    mask: u32,
    at: &Longs,
    mut work: impl FnMut(Space, u32, &Longs) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if space != Space::Generic {
        return work(space, mask, at);
    }
    if let Some((space, at)) = one_space(mask, at) {
        return work(space, mask, &at);
    }
    by_space(mask, at).into_iter().try_for_each(|(space, mask, at)| work(space, mask, &at))
}

/// The lanes of each space, with addresses in it.
fn by_space(mask: u32, addresses: &Longs) -> Vec<(Space, u32, Longs)> {
    let mut all: Vec<(Space, u32, Longs)> = Vec::new();
    for lane in lanes(mask) {
        let (space, address) = memory::resolve(addresses[lane]);
        match all.iter_mut().find(|(s, _, _)| *s == space) {
            Some((_, lanes, addresses)) => {
                *lanes |= 1 << lane;
                addresses[lane] = address;
            }
            None => {
                let mut addresses = [0; 32];
                addresses[lane] = address;
                all.push((space, 1 << lane, addresses));
            }
        }
    }
    all
}

fn order(order: op::Order, constant: bool) -> memory::Order {
    match order {
        _ if constant => memory::Order::Constant,
        op::Order::Weak => memory::Order::Weak,
        _ => memory::Order::Strong,
    }
}

/// What an instruction asks of a memory, apart from addresses and lanes.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) warp: u32,
    pub(crate) bytes: u32,
    pub(crate) order: memory::Order,
}

impl Request {
    /// The access of some lanes.
    pub(crate) fn access<'a>(&self, around: &Surroundings<'_>, mask: u32, address: &'a Longs) -> Access<'a> {
        let (warp, bytes, order) = (self.warp, self.bytes, self.order);
        Access { warp, site: Site(around.pc), mask, address, bytes, order }
    }
}

/// `ld`, `ldu`
pub(crate) fn load(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    mask: u32,
    (how, constant): (op::Order, bool),
    (bytes, signed): (u32, bool),
    dst: &[Dst],
    address: &Address,
) -> Result<(), Fault> {
    let all = bytes * dst.len() as u32;
    let mut at = addresses(&warp.registers, around, address);
    let request = Request { warp: warp.index, bytes: all.min(16), order: order(how, constant) };
    let mut data = [[0; 32]; 4];
    if address.space == Space::Param && address.base == Base::Zero {
        let first = mask & mask.wrapping_neg();
        read(around, request, Space::Param, first, &at, &mut data)?;
        let lane = mask.trailing_zeros() as usize & 31;
        data = data.map(|word| [word[lane]; 32]);
        unpack(&mut warp.registers, mask, bytes, signed, dst, &data);
        return Ok(());
    }
    check_whole(address.space, mask, &at, all)?;
    for (part, dst) in dst.chunks((16 / bytes) as usize).enumerate() {
        if part > 0 {
            at = at.map(|address| address.wrapping_add(16));
        }
        read_all(around, request, address.space, mask, &at, &mut data)?;
        unpack(&mut warp.registers, mask, bytes, signed, dst, &data);
    }
    Ok(())
}

/// An access of 32 bytes has to be aligned to 32.
fn check_whole(space: Space, mask: u32, at: &Longs, bytes: u32) -> Result<(), Fault> {
    if bytes <= 16 {
        return Ok(());
    }
    match lanes(mask).find(|lane| !at[*lane].is_multiple_of(u64::from(bytes))) {
        None => Ok(()),
        Some(lane) => {
            let mut fault = Fault::new(Wrong::Misaligned, lane as u32, "");
            (fault.address, fault.bytes, fault.space) = (Some(at[lane]), bytes, space.name());
            Err(fault)
        }
    }
}

/// Reads from the memory, or the memories, that the addresses mean.
#[inline]
pub(crate) fn read_all(
    around: &mut Surroundings<'_>,
    request: Request,
    space: Space,
    mask: u32,
    at: &Longs,
    data: &mut Data,
) -> Result<(), Fault> {
    in_each_space(space, mask, at, |space, mask, at| read(around, request, space, mask, at, data))
}

/// Writes to the memory, or the memories, that the addresses mean.
#[inline]
pub(crate) fn write_all(
    around: &mut Surroundings<'_>,
    request: Request,
    space: Space,
    mask: u32,
    at: &Longs,
    data: &Data,
) -> Result<(), Fault> {
    in_each_space(space, mask, at, |space, mask, at| write(around, request, space, mask, at, data))
}

#[inline]
fn read(
    around: &mut Surroundings<'_>,
    request: Request,
    space: Space,
    mask: u32,
    at: &Longs,
    data: &mut Data,
) -> Result<(), Fault> {
    let access = request.access(around, mask, at);
    let traffic = match space {
        Space::Shared => around.shared.load(&around.clocks, &access, data)?,
        Space::Global | Space::Generic => around.global.load(&around.clocks, &access, data)?,
        Space::Local => {
            around.local[request.warp as usize].load(&access, data)?;
            Traffic::default()
        }
        Space::Const => {
            around.run.program.constants.load(&access, data)?;
            Traffic::default()
        }
        Space::Param => {
            around.run.params.load(&access, data)?;
            Traffic::default()
        }
    };
    record(around, space, mask, request.bytes, traffic);
    Ok(())
}

/// Counts an access.
pub(crate) fn record(around: &mut Surroundings<'_>, space: Space, mask: u32, bytes: u32, traffic: Traffic) {
    let bytes = u64::from(mask.count_ones()) * u64::from(bytes);
    around.tally.rows[around.pc as usize].access(space, bytes, traffic);
}

/// Words of memory into registers.
#[inline]
fn unpack(registers: &mut Registers, mask: u32, bytes: u32, signed: bool, dst: &[Dst], data: &Data) {
    for (index, dst) in dst.iter().enumerate() {
        match bytes {
            4 if signed => registers.set(mask, *dst, &data[index & 3].map(|v| v as i32 as i64 as u64)),
            4 => registers.set_low(mask, *dst, &data[index & 3]),
            8 => {
                let (low, high) = (&data[(2 * index) & 3], &data[(2 * index + 1) & 3]);
                let value = std::array::from_fn(|lane| u64::from(low[lane]) | u64::from(high[lane]) << 32);
                registers.set(mask, *dst, &value);
            }
            _ => {
                let at = index * bytes as usize;
                let (shift, unused) = (8 * (at & 3) as u32, 32 - 8 * bytes);
                let word = &data[at >> 2 & 3];
                if signed {
                    let value = word.map(|v| ((v >> shift << unused) as i32 >> unused) as i64 as u64);
                    registers.set(mask, *dst, &value);
                } else {
                    registers.set_low(mask, *dst, &word.map(|v| v >> shift << unused >> unused));
                }
            }
        }
    }
}

/// Registers into words of memory.
#[inline]
fn pack(registers: &Registers, bytes: u32, values: &[Src], data: &mut Data) {
    for (index, value) in values.iter().enumerate() {
        match bytes {
            4 => data[index & 3] = registers.low(*value),
            8 => {
                let value = registers.any(*value);
                data[(2 * index) & 3] = value.map(|v| v as u32);
                data[(2 * index + 1) & 3] = value.map(|v| (v >> 32) as u32);
            }
            _ => {
                let at = index * bytes as usize;
                let (shift, keep) = (8 * (at & 3) as u32, u32::MAX >> (32 - 8 * bytes));
                let value = registers.low(*value);
                let word = &mut data[at >> 2 & 3];
                for lane in 0..32 {
                    let kept = if shift == 0 { 0 } else { word[lane] };
                    word[lane] = kept | (value[lane] & keep) << shift;
                }
            }
        }
    }
}

/// `st`
pub(crate) fn store(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    mask: u32,
    how: op::Order,
    bytes: u32,
    values: &[Src],
    address: &Address,
) -> Result<(), Fault> {
    let all = bytes * values.len() as u32;
    let mut at = addresses(&warp.registers, around, address);
    let request = Request { warp: warp.index, bytes: all.min(16), order: order(how, false) };
    check_whole(address.space, mask, &at, all)?;
    let mut data = [[0; 32]; 4];
    for (part, values) in values.chunks((16 / bytes) as usize).enumerate() {
        if part > 0 {
            at = at.map(|address| address.wrapping_add(16));
        }
        pack(&warp.registers, bytes, values, &mut data);
        write_all(around, request, address.space, mask, &at, &data)?;
    }
    Ok(())
}

#[inline]
fn write(
    around: &mut Surroundings<'_>,
    request: Request,
    space: Space,
    mask: u32,
    at: &Longs,
    data: &Data,
) -> Result<(), Fault> {
    let access = request.access(around, mask, at);
    let traffic = match space {
        Space::Shared => around.shared.store(&around.clocks, &access, data)?,
        Space::Global | Space::Generic => around.global.store(&around.clocks, &access, data)?,
        Space::Local => {
            around.local[request.warp as usize].store(&access, data)?;
            Traffic::default()
        }
        Space::Const => {
            around.run.program.constants.store(&access)?;
            Traffic::default()
        }
        Space::Param => {
            around.run.params.store(&access)?;
            Traffic::default()
        }
    };
    record(around, space, mask, request.bytes, traffic);
    Ok(())
}

/// A read-modify-write of one word a lane, of 2, 4 or 8 bytes; gives what was there before.
pub(crate) fn update(
    around: &mut Surroundings<'_>,
    request: Request,
    mask: u32,
    (space, at): (Space, &Longs),
    change: &mut dyn FnMut(Space, usize, u64) -> u64,
) -> Result<Data, Fault> {
    let mut old = [[0; 32]; 4];
    in_each_space(space, mask, at, |space, mask, at| {
        let access = request.access(around, mask, at);
        let change = &mut |lane: usize, old: u64| change(space, lane, old);
        let traffic = match space {
            Space::Shared => around.shared.atomic(&around.clocks, &access, change, &mut old)?,
            Space::Global | Space::Generic => {
                around.global.atomic(&around.clocks, &access, change, &mut old)?
            }
            Space::Const => return Err(refused(around.run.program.constants.store(&access))),
            Space::Param => return Err(refused(around.run.params.store(&access))),
            Space::Local => {
                let detail = "atomics work on global and shared memory, and this address is of local memory";
                return Err(Fault::new(Wrong::OutOfBounds, mask.trailing_zeros(), detail));
            }
        };
        record(around, space, mask, request.bytes, traffic);
        Ok(())
    })?;
    Ok(old)
}

fn refused(outcome: Result<(), Fault>) -> Fault {
    outcome.err().unwrap_or_else(|| Fault::new(Wrong::ReadOnly, 0, ""))
}
