//! Operands: registers of the right bank and type, immediates as bit patterns, addresses in their space.
//!
//! ```text
//! %f1 under .f32      Reg(Reg32(0))          %r1 under .f32, declared .u32     an error: ptxas refuses it too
//! -1 under .u16       Imm(0xFFFF)            70000 under .u16                  an error
//! %tid.x              a register of its own, which a `Special` operation before fills
//! [buffer+8]          Address { space: Shared, base: Zero, offset: 24 } where `buffer` lies at 16
//! ```
//!
//! Types follow the ISA's table "Operand Type Checking": sizes have to be equal, integers of either sign and bits go together,
//! a float goes with floats of its type and with bits. `ld`, `st` and `cvt` of integers and bits also take wider registers.

use super::op::{Address, Base, Dst, Op, Pred, Reg32, Reg64, Src, Src32, Src64, SrcPred};
use super::place::{Place, Slot};
use super::words::{Reader, What};
use crate::syntax::ast::{self, Operand, Reg, Space, Special, Type, Var};

/// How a register's type has to stand to the instruction's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Exact,
    Wider,
}

#[derive(PartialEq, Eq)]
enum Class {
    Bits,
    Integer,
    Float,
    Pred,
}

fn class(ty: Type) -> Class {
    use Type::*;
    match ty {
        B8 | B16 | B32 | B64 | B128 | E4M3 | E5M2 | E4M3x2 | E5M2x2 => Class::Bits,
        U8 | U16 | U32 | U64 | S8 | S16 | S32 | S64 => Class::Integer,
        F16 | F16x2 | BF16 | BF16x2 | TF32 | F32 | F64 => Class::Float,
        Pred => Class::Pred,
    }
}

/// Whether a register of a type may stand for an operand of a type.
pub(crate) fn fits(register: Type, wanted: Type, fit: Fit) -> bool {
    let (have, want) = (class(register), class(wanted));
    let wider = fit == Fit::Wider && have != Class::Float && (want != Class::Float || have == Class::Bits);
    let size = register.bytes() == wanted.bytes() || wider && register.bytes() > wanted.bytes();
    let kind = match (&have, &want) {
        (Class::Pred, _) | (_, Class::Pred) => have == want,
        (Class::Float, Class::Float) => register == wanted,
        (Class::Float, Class::Integer) | (Class::Integer, Class::Float) => false,
        _ => true,
    };
    size && kind
}

impl<'a> Reader<'a> {
    /// Takes the next operand.
    pub(crate) fn any(&mut self) -> What<&'a Operand> {
        let operand = self.instruction.operands.get(self.operand).ok_or_else(|| {
            format!("an operand is missing: {} are given to `{}`", self.operand, self.instruction.opcode)
        })?;
        self.operand += 1;
        Ok(operand)
    }

    /// The next operand, not taken.
    pub(crate) fn ahead(&self) -> Option<&'a Operand> {
        self.instruction.operands.get(self.operand)
    }

    pub(crate) fn register(&self, register: Reg, wanted: Type, fit: Fit) -> What<(Slot, Type)> {
        let found = self.scope.registers.get(register.0 as usize).copied();
        let name = self.scope.names.get(register.0 as usize).map_or("?", String::as_str);
        let (slot, ty) = found.ok_or("a register that the function does not declare")?;
        if fits(ty, wanted, fit) {
            return Ok((slot, ty));
        }
        let verb = if fit == Fit::Wider { "takes" } else { "needs" };
        Err(format!("`{name}` is declared `.{ty}`, but this operand {verb} `.{wanted}`"))
    }

    /// Takes a destination of the 32-bit bank.
    pub(crate) fn dst32(&mut self, ty: Type) -> What<Reg32> {
        let operand = self.any()?;
        self.word_of(operand, ty)
    }

    pub(crate) fn word_of(&self, operand: &Operand, ty: Type) -> What<Reg32> {
        match self.dst_of(operand, ty, Fit::Exact)? {
            Dst::Reg8(r) | Dst::Reg16(r) | Dst::Reg32(r) => Ok(r),
            Dst::Reg64(_) | Dst::Sink => Err(format!("a register is expected, not {}", kind(operand))),
        }
    }

    /// Takes a destination of the 64-bit bank.
    pub(crate) fn dst64(&mut self, ty: Type) -> What<Reg64> {
        let operand = self.any()?;
        match self.dst_of(operand, ty, Fit::Exact)? {
            Dst::Reg64(r) => Ok(r),
            _ => Err(format!("a register of 64 bits is expected, not {}", kind(operand))),
        }
    }

    /// Takes a destination of any width, or `_`.
    pub(crate) fn dst(&mut self, ty: Type, fit: Fit) -> What<Dst> {
        let operand = self.any()?;
        self.dst_of(operand, ty, fit)
    }

    pub(crate) fn dst_of(&self, operand: &Operand, ty: Type, fit: Fit) -> What<Dst> {
        match operand {
            Operand::Sink => Ok(Dst::Sink),
            Operand::Reg(reg) => match self.register(*reg, ty, fit)? {
                (Slot::Word(r), own) if own.bytes() == 1 => Ok(Dst::Reg8(r)),
                (Slot::Word(r), own) if own.bytes() == 2 => Ok(Dst::Reg16(r)),
                (Slot::Word(r), _) => Ok(Dst::Reg32(r)),
                (Slot::Long(r), _) => Ok(Dst::Reg64(r)),
                (Slot::Pair(_) | Slot::Pred(_), own) => {
                    Err(format!("a register of type `.{own}` is not supported here"))
                }
            },
            other => Err(format!("a register is expected, not {}", kind(other))),
        }
    }

    /// Takes a predicate to write.
    pub(crate) fn dst_pred(&mut self) -> What<Pred> {
        let operand = self.any()?;
        self.maybe_pred_of(operand)?.ok_or_else(|| "a predicate register is expected, not `_`".to_string())
    }

    /// A predicate to write, or none for `_`.
    pub(crate) fn maybe_pred_of(&self, operand: &Operand) -> What<Option<Pred>> {
        match operand {
            Operand::Sink => Ok(None),
            Operand::Reg(reg) => match self.register(*reg, Type::Pred, Fit::Exact)? {
                (Slot::Pred(pred), _) => Ok(Some(pred)),
                _ => Err("a predicate register is expected".into()),
            },
            other => Err(format!("a predicate register is expected, not {}", kind(other))),
        }
    }

    /// Takes `p`, `!p` or a constant.
    pub(crate) fn src_pred(&mut self) -> What<SrcPred> {
        let operand = self.any()?;
        match operand {
            Operand::Not(reg) => match self.register(*reg, Type::Pred, Fit::Exact)? {
                (Slot::Pred(pred), _) => Ok(SrcPred::Reg { pred, negated: true }),
                _ => Err("a predicate register is expected".into()),
            },
            Operand::Int(value) => Ok(SrcPred::Imm(*value != 0)),
            other => match self.maybe_pred_of(other)? {
                Some(pred) => Ok(SrcPred::Reg { pred, negated: false }),
                None => Err("a predicate is expected, not `_`".into()),
            },
        }
    }

    /// Takes a source of up to 32 bits.
    pub(crate) fn src32(&mut self, ty: Type) -> What<Src32> {
        let operand = self.any()?;
        self.src32_of(operand, ty)
    }

    pub(crate) fn src32_of(&mut self, operand: &Operand, ty: Type) -> What<Src32> {
        match self.src_of(operand, ty, Fit::Exact)? {
            Src::Reg32(r) => Ok(Src32::Reg(r)),
            Src::Imm(value) => Ok(Src32::Imm(value as u32)),
            Src::Reg64(_) => Err(format!("a register of up to 32 bits is expected, not {}", kind(operand))),
        }
    }

    /// Takes a source of 64 bits.
    pub(crate) fn src64(&mut self, ty: Type) -> What<Src64> {
        let operand = self.any()?;
        match self.src_of(operand, ty, Fit::Exact)? {
            Src::Reg64(r) => Ok(Src64::Reg(r)),
            Src::Imm(value) => Ok(Src64::Imm(value)),
            Src::Reg32(_) => Err(format!("a register of 64 bits is expected, not {}", kind(operand))),
        }
    }

    /// Takes a source of any width.
    pub(crate) fn src(&mut self, ty: Type, fit: Fit) -> What<Src> {
        let operand = self.any()?;
        self.src_of(operand, ty, fit)
    }

    pub(crate) fn src_of(&mut self, operand: &Operand, ty: Type, fit: Fit) -> What<Src> {
        match operand {
            Operand::Reg(reg) => match self.register(*reg, ty, fit)? {
                (Slot::Word(r), _) => Ok(Src::Reg32(r)),
                (Slot::Long(r), _) => Ok(Src::Reg64(r)),
                (Slot::Pair(_) | Slot::Pred(_), own) => {
                    Err(format!("a register of type `.{own}` is not supported here"))
                }
            },
            Operand::Special(which) => self.special(*which, ty, fit),
            Operand::Variable(var, offset) => self.variable(*var, *offset, ty),
            other => immediate(other, ty).map(Src::Imm),
        }
    }

    /// A special register as a source: a register of its own, filled before.
    fn special(&mut self, which: Special, ty: Type, fit: Fit) -> What<Src> {
        let opcode = &self.instruction.opcode;
        if opcode != "cvt" {
            return Err(format!("`{opcode}` takes no special register: bring it into a register with `mov`"));
        }
        let own = special_type(which);
        if class(ty) == Class::Float || !fits(own, ty, fit) {
            return Err(format!("a special register of type `.{own}` where `.{ty}` is expected"));
        }
        match self.scope.banks.add(own) {
            Slot::Word(r) => {
                self.before.push(Op::Special { dst: Dst::Reg32(r), which });
                Ok(Src::Reg32(r))
            }
            Slot::Long(r) => {
                self.before.push(Op::Special { dst: Dst::Reg64(r), which });
                Ok(Src::Reg64(r))
            }
            Slot::Pair(_) | Slot::Pred(_) => Err("a special register of an odd width".into()),
        }
    }

    /// The address of a variable in its own space, as a source.
    fn variable(&mut self, var: Var, offset: i64, ty: Type) -> What<Src> {
        let opcode = &self.instruction.opcode;
        if opcode != "mov" && opcode != "cvta" {
            return Err(format!("`{opcode}` takes no address: bring it into a register with `mov`"));
        }
        if class(ty) == Class::Float || ty.bytes() < 4 {
            return Err(format!("the address of a variable where `.{ty}` is expected"));
        }
        let declared = self.scope.variables.get(var.0 as usize).map(|v| v.declared);
        match self.place(var)? {
            // `ld.param` by a register reads the kernel's parameters, and could not know this one from them.
            Place::At(Space::Local, _) if self.scope.is_entry && declared == Some(Space::Param) => {
                Err("the address of a call's parameter is not supported in a kernel".into())
            }
            Place::At(_, at) => {
                let address = i64::from(at).wrapping_add(offset) as u64;
                Ok(Src::Imm(if ty.bytes() == 4 { address & 0xFFFF_FFFF } else { address }))
            }
            Place::Module(_, variable) => {
                let (dst, src) = match self.scope.banks.add(ty) {
                    Slot::Word(r) => (Dst::Reg32(r), Src::Reg32(r)),
                    Slot::Long(r) => (Dst::Reg64(r), Src::Reg64(r)),
                    Slot::Pair(_) | Slot::Pred(_) => return Err("an address of an odd width".into()),
                };
                self.before.push(Op::VariableAddress { dst, variable, offset });
                Ok(src)
            }
            Place::Nowhere(why) => Err(why.into()),
        }
    }

    pub(crate) fn place(&self, var: Var) -> What<Place> {
        let found = self.scope.variables.get(var.0 as usize);
        found.map(|v| v.place).ok_or_else(|| "a variable that the function does not know".into())
    }

    /// Takes `[address]` in a space.
    pub(crate) fn address(&mut self, space: Space) -> What<Address> {
        let operand = self.any()?;
        let Operand::Address { base, offset } = operand else {
            return Err(format!("an address in brackets is expected, not {}", kind(operand)));
        };
        // The parameters of device functions lie in local memory, since a call only hands their places on.
        let by_register = if space == Space::Param && !self.scope.is_entry { Space::Local } else { space };
        match base {
            ast::Base::Absolute if by_register == Space::Local => {
                Ok(Address { space: Space::Local, base: Base::Zero, offset: *offset })
            }
            ast::Base::Absolute => Err("an address has to be a register or a variable".into()),
            ast::Base::Reg(reg) => self.address_register(*reg, by_register, *offset),
            ast::Base::Var(var) => self.address_variable(*var, space, *offset),
        }
    }

    fn address_register(&self, reg: Reg, space: Space, offset: i64) -> What<Address> {
        let (slot, own) = self
            .register(reg, Type::B64, Fit::Exact)
            .or_else(|_| self.register(reg, Type::B32, Fit::Exact))
            .map_err(|_| "an address has to be a register of 32 or 64 bits".to_string())?;
        let base = match slot {
            Slot::Word(_) if matches!(space, Space::Global | Space::Generic) => {
                return Err("a global or generic address has 64 bits".into());
            }
            Slot::Word(r) if class(own) != Class::Float => Base::Reg32(r),
            Slot::Long(r) if class(own) != Class::Float => Base::Reg64(r),
            _ => return Err(format!("an address cannot be a register of type `.{own}`")),
        };
        Ok(Address { space, base, offset })
    }

    fn address_variable(&self, var: Var, space: Space, offset: i64) -> What<Address> {
        let name = self.scope.variables.get(var.0 as usize).map_or("?", |v| v.name.as_str());
        let wrong = |own: Space| {
            format!("`{name}` lies in {} space, but the instruction says {}", own.name(), space.name())
        };
        match self.place(var)? {
            // In a generic access the name of a global variable is its generic address already; others need `cvta`.
            Place::Module(own, variable)
                if own == space || (own, space) == (Space::Global, Space::Generic) =>
            {
                Ok(Address { space: own, base: Base::Module(variable), offset })
            }
            Place::At(own, at) if own == space || (own, space) == (Space::Local, Space::Param) => {
                Ok(Address { space: own, base: Base::Zero, offset: i64::from(at).wrapping_add(offset) })
            }
            Place::At(own, _) | Place::Module(own, _) => Err(wrong(own)),
            Place::Nowhere(why) => Err(why.into()),
        }
    }
}

/// The type that a special register has.
pub(crate) fn special_type(which: Special) -> Type {
    match which {
        Special::Clock64 | Special::Globaltimer | Special::GridId => Type::U64,
        _ => Type::U32,
    }
}

/// An immediate as the bits of a type.
pub(crate) fn immediate(operand: &Operand, ty: Type) -> What<u64> {
    match (operand, ty) {
        (Operand::Int(_), Type::F32 | Type::F64) => Err(format!(
            "an integer where `.{ty}` is expected: write a decimal such as `1.0`, or the bits as `0f3F800000`"
        )),
        (Operand::Int(_), Type::F16 | Type::F16x2 | Type::BF16 | Type::BF16x2) => {
            Err(format!("a constant where `.{ty}` is expected: bring its bits into a register with `mov`"))
        }
        (Operand::Int(value), _) => integer(*value, ty),
        (Operand::F32(bits), Type::F32 | Type::B32) => Ok(u64::from(*bits)),
        (Operand::F64(bits), Type::F64 | Type::B64) => Ok(*bits),
        (Operand::F64(bits), Type::F32) => Ok(u64::from((f64::from_bits(*bits) as f32).to_bits())),
        (Operand::F32(_) | Operand::F64(_), _) => {
            Err(format!("a floating-point constant where `.{ty}` is expected"))
        }
        (Operand::Name(name), _) => {
            Err(format!("the address of a function (`{name}`) is not supported: call it by name"))
        }
        (other, _) => Err(format!("a register or a constant is expected, not {}", kind(other))),
    }
}

fn integer(value: i64, ty: Type) -> What<u64> {
    let bits = ty.bytes() * 8;
    if bits >= 64 {
        return Ok(value as u64);
    }
    let fits = (-(1i64 << (bits - 1))..1i64 << bits).contains(&value);
    if fits { Ok(value as u64 & ((1 << bits) - 1)) } else { Err(format!("{value} does not fit `.{ty}`")) }
}

/// What an operand is, for messages.
pub(crate) fn kind(operand: &Operand) -> &'static str {
    match operand {
        Operand::Reg(_) => "a register",
        Operand::Not(_) => "a negated predicate",
        Operand::Special(_) => "a special register",
        Operand::Int(_) => "an integer constant",
        Operand::F32(_) | Operand::F64(_) => "a floating-point constant",
        Operand::Address { .. } => "an address",
        Operand::Tensor { .. } => "a place in a tensor",
        Operand::Variable(..) => "a variable",
        Operand::Vector(_) => "a vector",
        Operand::Pair(..) => "a pair",
        Operand::Sink => "`_`",
        Operand::Label(_) => "a label",
        Operand::Name(_) => "a name",
    }
}
