//! Tensor cores: `ldmatrix stmatrix movmatrix mma`.
//!
//! ```text
//! ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r1, %r2, %r3, %r4}, [%r5];     MatrixLoad { transposed, dst: four registers }
//! mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {..}, {..}, {..}, {..};     MatrixMultiply { shape: (16, 8, 16), .. }
//! ```
//!
//! How many registers each matrix takes follows from the shape and the types; other counts are refused. Which shapes
//! and types can be multiplied is what `math::tensor` says. Source: PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions".

use super::op::{Multiplier, Multiply, Op, Src};
use super::operands::{Fit, kind};
use super::words::{Reader, What};
use crate::math::tensor::{Accumulator, Element, Mma, Shape, double};
use crate::syntax::ast::{Operand, Space, Type};

/// `.sync.aligned.m8n8`, the number of matrices, `.trans`, the space, `.b16`.
fn matrices(r: &mut Reader) -> What<(usize, bool, Space)> {
    r.need("sync")?;
    r.need("aligned")?;
    r.need("m8n8")?;
    let count = r.need_one_of(&[("x1", 1), ("x2", 2), ("x4", 4)])?;
    let transposed = r.flag("trans");
    let space = r.one_of(&[("shared", Space::Shared), ("shared::cta", Space::Shared)]);
    r.need("b16")?;
    Ok((count, transposed, space.unwrap_or(Space::Generic)))
}

/// The registers of a fragment.
fn fragment<'a>(r: &mut Reader<'a>, name: &str, count: usize) -> What<&'a [Operand]> {
    let parts = match r.any()? {
        Operand::Vector(parts) => parts.as_slice(),
        other => return Err(format!("a vector is expected for {name}, not {}", kind(other))),
    };
    match parts.len() {
        given if given == count => Ok(parts),
        given => Err(format!("{name} has {count} registers here, but {given} are given")),
    }
}

/// `ldmatrix`
pub(crate) fn load(r: &mut Reader) -> What<Op> {
    let (count, transposed, space) = matrices(r)?;
    let parts = fragment(r, "the destination", count)?;
    let dst = parts.iter().map(|p| r.dst_of(p, Type::B32, Fit::Exact)).collect::<What<Vec<_>>>()?;
    Ok(Op::MatrixLoad { transposed, dst: dst.into(), address: r.address(space)? })
}

/// `stmatrix`
pub(crate) fn store(r: &mut Reader) -> What<Op> {
    let (count, transposed, space) = matrices(r)?;
    let address = r.address(space)?;
    let parts = fragment(r, "the source", count)?;
    if let Some(other) = parts.iter().find(|p| !matches!(p, Operand::Reg(_))) {
        return Err(format!("`stmatrix` stores registers, not {}", kind(other)));
    }
    let values = parts.iter().map(|p| r.src_of(p, Type::B32, Fit::Exact)).collect::<What<Vec<_>>>()?;
    Ok(Op::MatrixStore { transposed, values: values.into(), address })
}

/// `movmatrix`
pub(crate) fn transpose(r: &mut Reader) -> What<Op> {
    for word in ["sync", "aligned", "m8n8", "trans", "b16"] {
        r.need(word)?;
    }
    Ok(Op::MatrixTranspose { dst: r.dst32(Type::B32)?, a: r.src32(Type::B32)? })
}

const fn extents(m: u8, n: u8, k: u16) -> Shape {
    Shape { m, n, k }
}

const SHAPES: [(&str, Shape); 11] = [
    ("m8n8k4", extents(8, 8, 4)),
    ("m8n8k16", extents(8, 8, 16)),
    ("m8n8k32", extents(8, 8, 32)),
    ("m8n8k128", extents(8, 8, 128)),
    ("m16n8k4", extents(16, 8, 4)),
    ("m16n8k8", extents(16, 8, 8)),
    ("m16n8k16", extents(16, 8, 16)),
    ("m16n8k32", extents(16, 8, 32)),
    ("m16n8k64", extents(16, 8, 64)),
    ("m16n8k128", extents(16, 8, 128)),
    ("m16n8k256", extents(16, 8, 256)),
];

/// `mma`
pub(crate) fn multiply(r: &mut Reader) -> What<Op> {
    if r.peek() == "sp" || r.peek().starts_with("sp::") {
        return Err("sparse matrices (`mma.sp`) are not supported".into());
    }
    r.need("sync")?;
    r.need("aligned")?;
    let shape = r.need_one_of(&SHAPES)?;
    if !(r.take("row") && r.take("col")) {
        return Err("only `.row.col` is supported: A by rows and B by columns".into());
    }
    let satfinite = r.take("satfinite");
    let [d, a, b, c] = [r.next(), r.next(), r.next(), r.next()];
    let missing = || {
        let Shape { m, n, k } = shape;
        format!("mma of m{m}n{n}k{k} with types {d}.{a}.{b}.{c} does not exist or is not supported")
    };
    if [d, a, b, c] == ["f64"; 4] && !satfinite {
        return multiply_f64(r, shape);
    }
    let xor = match (a, b) {
        ("b1", "b1") => bit_operation(r)?,
        _ => false,
    };
    let sum = accumulator(c, satfinite).filter(|_| c == d).ok_or_else(missing)?;
    let factors = element(a, xor).zip(element(b, xor)).ok_or_else(missing)?;
    let mma = Mma::new(shape, factors.0, factors.1, sum).ok_or_else(missing)?;
    let sum_ty = match sum {
        Accumulator::F32 => Type::F32,
        Accumulator::F16 => Type::F16x2,
        Accumulator::S32 | Accumulator::S32Clamped => Type::S32,
    };
    let factor_ty = match factors.0 {
        Element::F16 => Type::F16x2,
        Element::Bf16 => Type::BF16x2,
        Element::Tf32 => Type::TF32,
        _ => Type::B32,
    };
    operands(r, shape, Multiplier::Word(mma), mma.registers(), [factor_ty, sum_ty])
}

/// `.xor.popc` or `.and.popc`, how bits are multiplied and summed.
fn bit_operation(r: &mut Reader) -> What<bool> {
    let xor = r.need_one_of(&[("xor", true), ("and", false)])?;
    r.need("popc")?;
    Ok(xor)
}

fn multiply_f64(r: &mut Reader, shape: Shape) -> What<Op> {
    if !double::is_shape(shape) {
        return Err("mma of f64 has shapes m8n8k4, m16n8k4, m16n8k8 and m16n8k16".into());
    }
    operands(r, shape, Multiplier::Double, double::registers_of(shape), [Type::F64, Type::F64])
}

/// D, A, B and C; `counts` and `types` are of A, B, C and of A and B, C.
fn operands(
    r: &mut Reader,
    shape: Shape,
    multiplier: Multiplier,
    counts: [usize; 3],
    types: [Type; 2],
) -> What<Op> {
    let [of_a, of_b, of_c] = counts;
    let [factor, sum] = types;
    let d = fragment(r, "D", of_c)?.iter().map(|p| r.dst_of(p, sum, Fit::Exact)).collect::<What<Vec<_>>>()?;
    let a = fragment(r, "A", of_a)?;
    let a = a.iter().map(|p| source(r, p, factor)).collect::<What<Vec<_>>>()?;
    let b = fragment(r, "B", of_b)?;
    let b = b.iter().map(|p| source(r, p, factor)).collect::<What<Vec<_>>>()?;
    let c = fragment(r, "C", of_c)?;
    let c = c.iter().map(|p| source(r, p, sum)).collect::<What<Vec<_>>>()?;
    let multiply = Multiply { shape, multiplier, d: d.into(), a: a.into(), b: b.into(), c: c.into() };
    Ok(Op::MatrixMultiply(Box::new(multiply)))
}

/// A register of a fragment; an integer stands for the bits of one.
fn source(r: &mut Reader, part: &Operand, ty: Type) -> What<Src> {
    let is_bits = matches!(part, Operand::Int(_)) && ty.bytes() == 4 && ty != Type::F32;
    r.src_of(part, if is_bits { Type::B32 } else { ty }, Fit::Exact)
}

fn element(word: &str, xor: bool) -> Option<Element> {
    Some(match word {
        "f16" => Element::F16,
        "bf16" => Element::Bf16,
        "tf32" => Element::Tf32,
        "e4m3" => Element::E4m3,
        "e5m2" => Element::E5m2,
        "s8" => Element::S8,
        "u8" => Element::U8,
        "s4" => Element::S4,
        "u4" => Element::U4,
        "b1" if xor => Element::B1Xor,
        "b1" => Element::B1And,
        _ => return None,
    })
}

fn accumulator(word: &str, satfinite: bool) -> Option<Accumulator> {
    Some(match word {
        "f32" if !satfinite => Accumulator::F32,
        "f16" if !satfinite => Accumulator::F16,
        "s32" if satfinite => Accumulator::S32Clamped,
        "s32" => Accumulator::S32,
        _ => return None,
    })
}
