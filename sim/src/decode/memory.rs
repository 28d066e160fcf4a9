//! Loads and stores: `ld ldu st`, and what is only advice: `prefetch prefetchu applypriority createpolicy discard`.
//!
//! ```text
//! ld.global.nc.v4.f32 {%f1, %f2, %f3, _}, [%rd1+16];   Load { constant, bytes: 4, dst: [f1, f2, f3, Sink], address: .. }
//! ld.shared.s8 %r1, [buffer];                          Load { bytes: 1, signed, dst: [Reg32], .. }
//! st.global.b128 [%rd1], %q1;                          Store { bytes: 8, values: [low, high], .. }
//! ```
//!
//! A destination may be wider than the element, and so may a stored register, whose upper bits are cut off. The address has to
//! be a multiple of the whole access, vector included; the machine checks that. Source: PTX ISA, sections "ld", "ldu", "st",
//! "prefetch", "createpolicy", "applypriority", "discard".

use super::access::{Flags, Kind};
use super::bits::constant;
use super::op::{Dst, Op, Order, Reg64, Src, Src64};
use super::operands::{Fit, kind};
use super::place::Slot;
use super::words::{Reader, What};
use crate::syntax::ast::{Operand, Space, Type};

const STORED: [Type; 15] = [
    Type::B8,
    Type::B16,
    Type::B32,
    Type::B64,
    Type::B128,
    Type::U8,
    Type::U16,
    Type::U32,
    Type::U64,
    Type::S8,
    Type::S16,
    Type::S32,
    Type::S64,
    Type::F32,
    Type::F64,
];

const VECTORS: [(&str, usize); 3] = [("v2", 2), ("v4", 4), ("v8", 8)];

/// `ld`
pub(crate) fn load(r: &mut Reader) -> What<Op> {
    let mut flags = Flags::default();
    flags.read(r, Kind::Load)?;
    let (space, order) = flags.resolve(Kind::Load)?;
    let op = load_elements(r, space, order, flags.is_constant())?;
    flags.policy(r)?;
    Ok(op)
}

/// `ldu`: a load of what nobody writes, from one address for all lanes.
pub(crate) fn load_uniform(r: &mut Reader) -> What<Op> {
    let space = if r.take("global") { Space::Global } else { Space::Generic };
    let op = load_elements(r, space, Order::Weak, space == Space::Global)?;
    match &op {
        Op::Load { bytes, dst, .. } if bytes * dst.len() as u32 <= 16 => Ok(op),
        _ => Err("`ldu` loads at most 16 bytes".into()),
    }
}

fn load_elements(r: &mut Reader, space: Space, order: Order, constant: bool) -> What<Op> {
    let (elements, ty) = shape(r, space)?;
    let parts = parts(r, elements)?;
    if parts.iter().all(|part| *part == Operand::Sink) {
        return Err("a load has to have a destination other than `_`".into());
    }
    let mut dst = Vec::new();
    for part in parts {
        match long_halves(r, part, ty)? {
            Some([low, high]) => dst.extend([Dst::Reg64(low), Dst::Reg64(high)]),
            None => dst.push(r.dst_of(part, ty, Fit::Wider)?),
        }
    }
    let address = r.address(space)?;
    let bytes = ty.bytes().min(8);
    Ok(Op::Load { order, constant, bytes, signed: ty.is_signed(), dst: dst.into(), address })
}

/// `st`
pub(crate) fn store(r: &mut Reader) -> What<Op> {
    let mut flags = Flags::default();
    flags.read(r, Kind::Store)?;
    let (space, order) = flags.resolve(Kind::Store)?;
    let (elements, ty) = shape(r, space)?;
    let address = r.address(space)?;
    if matches!(address.space, Space::Param | Space::Const) {
        return Err("the parameters of a kernel and constants cannot be written".into());
    }
    let parts = parts(r, elements)?;
    let mut values = Vec::new();
    for part in parts {
        match long_halves(r, part, ty)? {
            Some([low, high]) => values.extend([Src::Reg64(low), Src::Reg64(high)]),
            None => values.push(r.src_of(part, ty, Fit::Wider)?),
        }
    }
    flags.policy(r)?;
    Ok(Op::Store { order, bytes: ty.bytes().min(8), values: values.into(), address })
}

/// The vector, if there is one, and the type of an element. A lane's access has at most 32 bytes, and beyond `.global` 16.
fn shape(r: &mut Reader, space: Space) -> What<(Option<usize>, Type)> {
    let elements = r.one_of(&VECTORS);
    let ty = r.ty(&STORED)?;
    let bytes = elements.unwrap_or(1) as u32 * ty.bytes();
    let most = if space == Space::Global { 32 } else { 16 };
    let odd = bytes > 16 && ty.bytes() == 16 || elements == Some(8) && ty.bytes() != 4;
    if bytes > most || odd {
        return Err(format!("a vector of {} x .{ty} does not exist in this space", elements.unwrap_or(1)));
    }
    Ok((elements, ty))
}

/// The operands of the elements.
fn parts<'a>(r: &mut Reader<'a>, elements: Option<usize>) -> What<&'a [Operand]> {
    match (r.any()?, elements) {
        (Operand::Vector(parts), Some(n)) if parts.len() == n => Ok(parts),
        (Operand::Vector(parts), None) if parts.len() == 1 => Ok(parts),
        (Operand::Vector(parts), _) => {
            Err(format!("{} elements are given, but .v{} says otherwise", parts.len(), elements.unwrap_or(1)))
        }
        (other, Some(n)) => Err(format!("a vector of {n} is expected, not {}", kind(other))),
        (other, None) => Ok(std::slice::from_ref(other)),
    }
}

/// The halves of a `.b128` register.
fn long_halves(r: &Reader, part: &Operand, ty: Type) -> What<Option<[Reg64; 2]>> {
    if ty != Type::B128 {
        return Ok(None);
    }
    match part {
        Operand::Reg(reg) => match r.register(*reg, ty, Fit::Exact)?.0 {
            Slot::Pair(low) => Ok(Some([low, Reg64(low.0 + 1)])),
            _ => Err("a register of 128 bits is expected".into()),
        },
        other => Err(format!("a register of 128 bits is expected, not {}", kind(other))),
    }
}

/// `prefetch`: nothing but its address is looked at.
pub(crate) fn prefetch(r: &mut Reader) -> What<Op> {
    let space = r.one_of(&[("global", Space::Global), ("local", Space::Local)]).unwrap_or(Space::Generic);
    let levels = [("L1", ()), ("L2", ()), ("L2::evict_last", ()), ("L2::evict_normal", ())];
    r.need_one_of(if space == Space::Local { &levels[..2] } else { &levels })?;
    r.address(space)?;
    Ok(Op::Nop)
}

/// `prefetchu`
pub(crate) fn prefetch_uniform(r: &mut Reader) -> What<Op> {
    r.need("L1")?;
    r.address(Space::Generic)?;
    Ok(Op::Nop)
}

/// `applypriority`
pub(crate) fn apply_priority(r: &mut Reader) -> What<Op> {
    let space = if r.take("global") { Space::Global } else { Space::Generic };
    r.need("L2::evict_normal")?;
    r.address(space)?;
    line(r)?;
    Ok(Op::Nop)
}

/// `discard`
pub(crate) fn discard(r: &mut Reader) -> What<Op> {
    let space = if r.take("global") { Space::Global } else { Space::Generic };
    r.need("L2")?;
    let address = r.address(space)?;
    Ok(Op::Discard { bytes: line(r)?, address })
}

/// A size that has to be a cache line.
fn line(r: &mut Reader) -> What<u32> {
    match constant(r, 128, "the size")? {
        128 => Ok(128),
        other => Err(format!("the size has to be 128 bytes, not {other}")),
    }
}

/// `createpolicy`: a policy is advice, so that any value stands for it.
pub(crate) fn create_policy(r: &mut Reader) -> What<Op> {
    const PRIMARY: [(&str, ()); 4] = [
        ("L2::evict_last", ()),
        ("L2::evict_normal", ()),
        ("L2::evict_first", ()),
        ("L2::evict_unchanged", ()),
    ];
    let ranged = match r.next() {
        "fractional" => false,
        "range" => {
            r.take("global");
            true
        }
        "cvt" => {
            r.need("L2")?;
            r.need("b64")?;
            let dst = r.dst64(Type::B64)?;
            r.src64(Type::B64)?;
            return Ok(Op::Move64 { dst, a: Src64::Imm(0) });
        }
        other => return Err(format!("`createpolicy.{other}` does not exist: fractional, range or cvt")),
    };
    r.need_one_of(&PRIMARY)?;
    r.one_of(&[("L2::evict_first", ()), ("L2::evict_unchanged", ())]);
    r.need("b64")?;
    let dst = r.dst64(Type::B64)?;
    if ranged {
        r.address(Space::Global)?;
        r.src32(Type::U32)?;
        r.src32(Type::U32)?;
    } else if r.left() > 0 {
        r.src32(Type::F32)?;
    }
    Ok(Op::Move64 { dst, a: Src64::Imm(0) })
}
