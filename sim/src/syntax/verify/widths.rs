//! The classes of registers that an instruction's types ask for.
//!
//! ```text
//! add.s32 %r1, %r2, %rd3;        error: %rd3 has 64 bits and 32 are due
//! selp.b32 %r1, %r2, %r3, %r4;   error: %r4 is no predicate
//! cvt.u16.u32 %r1, %r2;          fine: a conversion may write a wider register
//! ```
//!
//! An instruction whose opcode has no row here, or another number of types than its row counts, is left alone; so is what
//! is no register. Source: PTX ISA, "Operand Size Exceeding Instruction-Type Size" and each instruction's operands.

use super::{Result, check};
use crate::syntax::ast::*;
use crate::syntax::error::quote;
use std::fmt;

/// What a register has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    /// Anything.
    Any,
    /// A predicate.
    P,
    /// As wide as the first type, as the second type, or twice the first.
    T,
    U,
    TwiceT,
    /// At least as wide as the first type, or the second.
    FromT,
    FromU,
    /// 32 bits, or 64.
    B32,
    B64,
}

use Slot::{Any, B32, B64, FromT, FromU, P, T, TwiceT, U};

/// How many types an opcode's modifiers have to name (`None`: however many), and the slots of its operands; the last slot
/// is for all further ones.
type Row = (Option<usize>, &'static [Slot]);

/// Says which register does not fit its instruction.
pub(super) fn fit(function: &Function, instruction: &Instruction) -> Result<()> {
    let Some((count, slots)) = row(instruction) else { return Ok(()) };
    let mut types = [Type::B8; 2];
    let mut found = 0;
    for ty in instruction.modifiers.iter().filter_map(|modifier| Type::parse(modifier)) {
        if found < types.len() {
            types[found] = ty;
        }
        found += 1;
    }
    if count.is_some_and(|count| count != found) {
        return Ok(());
    }
    let is_packing = instruction.opcode == "mov";
    for (index, operand) in instruction.operands.iter().enumerate() {
        let slot = slots[index.min(slots.len() - 1)];
        let check = Check { function, instruction, slot, types };
        match operand {
            Operand::Reg(reg) => check.register(*reg)?,
            Operand::Pair(first, _) => check.element(first)?,
            Operand::Vector(elements) if is_packing => check.parts(elements)?,
            Operand::Vector(elements) => elements.iter().try_for_each(|element| check.element(element))?,
            _ => {}
        }
    }
    Ok(())
}

/// What a register has to be, in bits.
#[derive(Clone, Copy)]
enum Due {
    Predicate,
    Exactly(u32),
    AtLeast(u32),
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Due::Predicate => f.write_str("a predicate"),
            Due::Exactly(bits) => write!(f, "a register of {bits} bits"),
            Due::AtLeast(bits) => write!(f, "a register of at least {bits} bits"),
        }
    }
}

struct Check<'f> {
    function: &'f Function,
    instruction: &'f Instruction,
    slot: Slot,
    types: [Type; 2],
}

impl Check<'_> {
    fn element(&self, element: &Operand) -> Result<()> {
        match element {
            Operand::Reg(reg) => self.register(*reg),
            _ => Ok(()),
        }
    }

    fn register(&self, reg: Reg) -> Result<()> {
        let Some(register) = self.function.registers.get(reg.0 as usize) else { return Ok(()) };
        let Some(due) = self.due() else { return Ok(()) };
        let bits = register.ty.bytes() * 8;
        let fits = match due {
            Due::Predicate => register.ty == Type::Pred,
            // A predicate counts as a byte, but it is no number.
            _ if register.ty == Type::Pred => false,
            Due::Exactly(due) => bits == due,
            Due::AtLeast(due) => bits >= due,
        };
        check(fits, self.instruction.line, || {
            let (name, words) = (quote(&register.name), words(self.instruction));
            format!("{name} is `.{}`, and {due} is due in {words}", register.ty)
        })
    }

    fn due(&self) -> Option<Due> {
        let [first, second] = self.types;
        Some(match self.slot {
            Any => return None,
            P => Due::Predicate,
            T | FromT if first == Type::Pred => Due::Predicate,
            U | FromU if second == Type::Pred => Due::Predicate,
            T => Due::Exactly(first.bytes() * 8),
            U => Due::Exactly(second.bytes() * 8),
            TwiceT => Due::Exactly(first.bytes() * 16),
            FromT => Due::AtLeast(first.bytes() * 8),
            FromU => Due::AtLeast(second.bytes() * 8),
            B32 => Due::Exactly(32),
            B64 => Due::Exactly(64),
        })
    }

    /// The parts of a packed register, which together are as wide as the type.
    fn parts(&self, elements: &[Operand]) -> Result<()> {
        let mut total = 0;
        for element in elements {
            let Operand::Reg(reg) = element else { return Ok(()) };
            let Some(register) = self.function.registers.get(reg.0 as usize) else { return Ok(()) };
            total += register.ty.bytes() * 8;
        }
        let due = self.types[0].bytes() * 8;
        check(total == due, self.instruction.line, || {
            format!("the parts have {total} bits together, and {due} are due in {}", words(self.instruction))
        })
    }
}

fn words(instruction: &Instruction) -> String {
    let modifiers = instruction.modifiers.iter().map(|modifier| format!(".{modifier}"));
    quote(&format!("{}{}", instruction.opcode, modifiers.collect::<String>()))
}

/// The row of an instruction.
fn row(instruction: &Instruction) -> Option<Row> {
    let has = |word: &str| instruction.modifiers.iter().any(|modifier| modifier == word);
    Some(match instruction.opcode.as_str() {
        "mul" if has("wide") => (Some(1), &[TwiceT, T, T]),
        "mad" if has("wide") => (Some(1), &[TwiceT, T, T, TwiceT]),
        "add" | "sub" | "mul" | "mad" | "mul24" | "mad24" | "sad" | "addc" | "subc" | "madc" | "div"
        | "rem" | "abs" | "neg" | "min" | "max" | "fma" | "rcp" | "sqrt" | "rsqrt" | "sin" | "cos"
        | "lg2" | "ex2" | "tanh" | "copysign" | "and" | "or" | "xor" | "not" | "cnot" | "brev" | "prmt"
        | "shf" | "bmsk" | "fns" | "cvta" | "activemask" | "mov" => (Some(1), &[T]),
        "dp4a" | "dp2a" => (Some(2), &[T]),
        "shl" | "shr" | "szext" => (Some(1), &[T, T, B32]),
        "lop3" => (Some(1), &[T, T, T, T, Any, P]),
        "bfe" => (Some(1), &[T, T, B32, B32]),
        "bfi" => (Some(1), &[T, T, T, B32, B32]),
        "popc" | "clz" | "bfind" => (Some(1), &[B32, T]),
        "selp" => (Some(1), &[T, T, T, P]),
        "slct" => (Some(2), &[T, T, T, U]),
        "setp" => (Some(1), &[P, T, T, P]),
        "set" => (Some(2), &[T, U, U, P]),
        "testp" | "isspacep" => (Some(1), &[P, T]),
        "cvt" => (Some(2), &[FromT, FromU]),
        "shfl" => (Some(1), &[T, T, B32]),
        "match" => (Some(1), &[B32, T, B32]),
        "redux" => (Some(1), &[T, T, B32]),
        "vote" if has("ballot") => (Some(1), &[B32, P, B32]),
        "vote" => (Some(1), &[P, P, B32]),
        "ld" | "ldu" => (Some(1), &[FromT, Any, B64]),
        "st" if has("async") || has("bulk") => return None,
        "st" => (Some(1), &[Any, FromT, B64]),
        "atom" => (Some(1), &[T, Any, T, Any]),
        "red" if has("async") => return None,
        "red" => (Some(1), &[Any, T, Any]),
        "brx" => (None, &[B32]),
        "ldmatrix" => (None, &[B32, Any]),
        "stmatrix" => (None, &[Any, B32]),
        "mma" if has("f64") || has("block_scale") => return None,
        "mma" => (None, &[B32]),
        _ => return None,
    })
}
