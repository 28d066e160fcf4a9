//! Comparisons and choices: `setp set selp slct`.
//!
//! ```text
//! setp.lt.and.f32 %p1|%p2, %f1, %f2, !%p3;   Compare { test: { Lt, F32, combine: (And, !p3) }, dst: p1, also: p2 }
//! set.gtu.u32.f32 %r1, %f1, %f2;             Set { test: { GtU, F32 }, value: Ones32 }
//! slct.u32.f32 %r1, %r2, %r3, %f1;           Sign { a: r2, b: r3, c: f1, float: true }
//! ```
//!
//! Source: PTX ISA, section "Comparison and Selection Instructions" and its half-precision sister.

use super::op::{Comparison, Logic, Op, Relation, SetAs};
use super::operands::Fit;
use super::words::{Reader, What};
use crate::syntax::ast::{Operand, Type};

use Relation::*;

const RELATIONS: [(&str, Relation); 18] = [
    ("eq", Eq),
    ("ne", Ne),
    ("lt", Lt),
    ("le", Le),
    ("gt", Gt),
    ("ge", Ge),
    ("lo", Lt),
    ("ls", Le),
    ("hi", Gt),
    ("hs", Ge),
    ("equ", EqU),
    ("neu", NeU),
    ("ltu", LtU),
    ("leu", LeU),
    ("gtu", GtU),
    ("geu", GeU),
    ("num", Num),
    ("nan", Nan),
];

const LOGIC: [(&str, Logic); 3] = [("and", Logic::And), ("or", Logic::Or), ("xor", Logic::Xor)];

const SCALARS: [Type; 11] = [
    Type::B16,
    Type::B32,
    Type::B64,
    Type::U16,
    Type::U32,
    Type::U64,
    Type::S16,
    Type::S32,
    Type::S64,
    Type::F32,
    Type::F64,
];

const HALVES: [Type; 4] = [Type::F16, Type::F16x2, Type::BF16, Type::BF16x2];

/// The words before the types: relation, how it combines, `.ftz`.
struct Test {
    word: String,
    relation: Relation,
    combine: Option<Logic>,
    ftz: bool,
}

fn test(r: &mut Reader) -> What<Test> {
    let (ftz, combine) = (r.flag("ftz"), r.flag_of(&LOGIC));
    let word = r.peek().to_string();
    Ok(Test { word, relation: r.need_one_of(&RELATIONS)?, combine, ftz })
}

/// Whether the relation and `.ftz` exist for what is compared.
fn check(test: &Test, ty: Type) -> What<()> {
    let float = super::float::is_float(ty);
    let bits = matches!(ty, Type::B16 | Type::B32 | Type::B64);
    let fine = match test.word.as_str() {
        "eq" | "ne" => true,
        "lt" | "le" | "gt" | "ge" => !bits,
        "lo" | "ls" | "hi" | "hs" => matches!(ty, Type::U16 | Type::U32 | Type::U64),
        _ => float,
    };
    if !fine {
        return Err(format!("`.{}` does not compare {ty}", test.word));
    }
    if test.ftz && !matches!(ty, Type::F32 | Type::F16 | Type::F16x2) {
        return Err(format!("`.ftz` is of f32 and f16, not of {ty}"));
    }
    Ok(())
}

/// The sides, and the predicate that the result is combined with.
fn comparison(r: &mut Reader, test: &Test, ty: Type) -> What<Comparison> {
    check(test, ty)?;
    let (a, b) = (r.src(ty, Fit::Exact)?, r.src(ty, Fit::Exact)?);
    let combine = match test.combine {
        Some(logic) => Some((logic, r.src_pred()?)),
        None => None,
    };
    Ok(Comparison { relation: test.relation, ty, ftz: test.ftz, a, b, combine })
}

/// `setp`
pub(crate) fn setp(r: &mut Reader) -> What<Op> {
    let head = test(r)?;
    let ty = r.ty(&[&SCALARS[..], &HALVES[..]].concat())?;
    let packed = matches!(ty, Type::F16x2 | Type::BF16x2);
    let (dst, also) = match r.any()? {
        Operand::Pair(p, q) => (r.maybe_pred_of(p)?, r.maybe_pred_of(q)?),
        _ if packed => return Err(format!("`setp` of {ty} writes a pair `p|q`, one for each half")),
        p => (r.maybe_pred_of(p)?, None),
    };
    Ok(Op::Compare { test: comparison(r, &head, ty)?, dst, also })
}

/// `set`
pub(crate) fn set(r: &mut Reader) -> What<Op> {
    let head = test(r)?;
    let results = [
        Type::U32,
        Type::S32,
        Type::F32,
        Type::U16,
        Type::S16,
        Type::F16,
        Type::F16x2,
        Type::BF16,
        Type::BF16x2,
    ];
    let (to, ty) = (r.ty(&results)?, r.ty(&[&SCALARS[..], &HALVES[..]].concat())?);
    let packed = matches!(ty, Type::F16x2 | Type::BF16x2);
    let half = matches!(ty, Type::F16 | Type::BF16);
    let value = match to {
        Type::U32 | Type::S32 => SetAs::Ones32,
        Type::F32 if !half && !packed => SetAs::F32,
        Type::U16 | Type::S16 if half => SetAs::Ones16,
        Type::F16 if !packed && ty != Type::BF16 => SetAs::F16,
        Type::F16x2 if ty == Type::F16x2 => SetAs::F16,
        Type::BF16 if !packed && !head.ftz => SetAs::BF16,
        Type::BF16x2 if ty == Type::BF16x2 => SetAs::BF16,
        _ => return Err(format!("`set` from {ty} to {to} does not exist")),
    };
    let dst = r.dst32(to)?;
    Ok(Op::Set { test: comparison(r, &head, ty)?, dst, value })
}

/// `selp`
pub(crate) fn selp(r: &mut Reader) -> What<Op> {
    let ty = r.ty(&SCALARS)?;
    if ty.bytes() == 8 {
        return Ok(Op::Select64 { dst: r.dst64(ty)?, a: r.src64(ty)?, b: r.src64(ty)?, p: r.src_pred()? });
    }
    Ok(Op::Select { dst: r.dst32(ty)?, a: r.src32(ty)?, b: r.src32(ty)?, p: r.src_pred()? })
}

/// `slct`
pub(crate) fn slct(r: &mut Reader) -> What<Op> {
    let ftz = r.take("ftz");
    let (ty, sign) = (r.ty(&SCALARS)?, r.ty(&[Type::S32, Type::F32])?);
    let float = sign == Type::F32;
    if ftz && !float {
        return Err("`.ftz` needs the sign of an f32".into());
    }
    let (dst, a, b) = (r.dst(ty, Fit::Exact)?, r.src(ty, Fit::Exact)?, r.src(ty, Fit::Exact)?);
    Ok(Op::Sign { dst, a, b, c: r.src32(sign)?, float, ftz })
}
