//! Operands.
//!
//! ```text
//! %r1   !%p1   %tid.x   -5   0f3F800000   buffer+16   _          one word
//! %r1|%p1   {%f1, %f2}   [%rd1+-8]   [map, {%r1, %r2}]           several
//! ```

use super::scope::Meaning;
use super::{Parser, Result};
use crate::syntax::ast::*;
use crate::syntax::error::quote;
use crate::syntax::lexer::{Kind, Token};
use crate::syntax::number::Literal;
use crate::syntax::special;

/// The names of a function; a place in the text is a token.
pub(super) type Scopes<'a> = super::scope::Scopes<'a, Token<'a>>;

const OPERAND: &str = "an operand";

/// The operands of an instruction, and whether one of them is provisional: a label's slot or a variable of the module.
#[derive(Default)]
pub(super) struct Operands {
    pub(super) list: Vec<Operand>,
    pub(super) is_provisional: bool,
}

impl<'a> Parser<'a> {
    /// Operands up to a semicolon, which is taken.
    pub(super) fn operands(&mut self, scopes: &mut Scopes<'a>, opcode: &str) -> Result<Operands> {
        let mut operands = Operands::default();
        if self.accept(b';') {
            return Ok(operands);
        }
        if !matches!(self.token.kind, Kind::Word | Kind::Number | Kind::Mark(_)) || self.is_mark(b'}') {
            return Err(self.wanted("an operand or `;`"));
        }
        loop {
            let operand = match opcode {
                "call" => self.call_operand(scopes, &mut operands)?,
                "bra" => self.label_operand(scopes, &mut operands)?,
                "brx" if !operands.list.is_empty() => self.label_operand(scopes, &mut operands)?,
                _ => self.operand(scopes, &mut operands)?,
            };
            operands.list.push(operand);
            if !self.accept(b',') {
                break;
            }
        }
        self.expect(b';', "after the operands")?;
        Ok(operands)
    }

    fn operand(&mut self, scopes: &mut Scopes<'a>, operands: &mut Operands) -> Result<Operand> {
        match self.token.kind {
            Kind::Mark(b'{') => self.list(scopes, operands, b'}').map(Operand::Vector),
            Kind::Mark(b'[') => self.address(scopes, operands),
            _ => {
                let first = self.element(scopes, operands)?;
                if !self.accept(b'|') {
                    return Ok(first);
                }
                let second = self.element(scopes, operands)?;
                Ok(Operand::Pair(Box::new(first), Box::new(second)))
            }
        }
    }

    fn label_operand(&mut self, scopes: &mut Scopes<'a>, operands: &mut Operands) -> Result<Operand> {
        let name = self.word("a label")?;
        operands.is_provisional = true;
        Ok(Operand::Label(scopes.mention(name.text, name)))
    }

    /// A call's lists stand in parentheses; its function, and what an indirect call may reach, are names.
    fn call_operand(&mut self, scopes: &mut Scopes<'a>, operands: &mut Operands) -> Result<Operand> {
        if self.is_mark(b'(') {
            return self.list(scopes, operands, b')').map(Operand::Vector);
        }
        let name = self.word("a function")?;
        match scopes.meaning(name.text) {
            Some(Meaning::Register(reg)) => Ok(Operand::Reg(reg)),
            _ => Ok(Operand::Name(name.text.to_string())),
        }
    }

    /// Elements between braces, or between the parentheses of a call, which may hold none.
    fn list(&mut self, scopes: &mut Scopes<'a>, operands: &mut Operands, close: u8) -> Result<Vec<Operand>> {
        self.take();
        let mut list = Vec::new();
        if close == b')' && self.accept(close) {
            return Ok(list);
        }
        loop {
            list.push(self.element(scopes, operands)?);
            if !self.accept(b',') {
                break;
            }
        }
        self.expect(close, "after the elements")?;
        Ok(list)
    }

    /// An operand of one word: no vector, address or pair.
    fn element(&mut self, scopes: &mut Scopes<'a>, operands: &mut Operands) -> Result<Operand> {
        match self.token.kind {
            Kind::Mark(b'!') => {
                self.take();
                self.predicate(scopes).map(Operand::Not)
            }
            Kind::Mark(b'-') | Kind::Number => self.constant(),
            Kind::Word => self.name(scopes, operands),
            _ => Err(self.wanted(OPERAND)),
        }
    }

    /// A register that a guard or an exclamation mark needs.
    pub(super) fn predicate(&mut self, scopes: &mut Scopes<'a>) -> Result<Reg> {
        let name = self.word("a predicate register")?;
        match scopes.meaning(name.text) {
            Some(Meaning::Register(reg)) => Ok(reg),
            _ => Err(self.malformed(
                name,
                format!("found {}, expected a predicate register", quote(name.text)),
                "",
            )),
        }
    }

    fn constant(&mut self) -> Result<Operand> {
        let is_negative = self.accept(b'-');
        Ok(match (self.literal("a number")?, is_negative) {
            (Literal::Int(value), false) => Operand::Int(value as i64),
            (Literal::Int(value), true) => Operand::Int((value as i64).wrapping_neg()),
            (Literal::F32(bits), _) => Operand::F32(bits ^ (u32::from(is_negative) << 31)),
            (Literal::F64(bits), _) => Operand::F64(bits ^ (u64::from(is_negative) << 63)),
        })
    }

    fn name(&mut self, scopes: &mut Scopes<'a>, operands: &mut Operands) -> Result<Operand> {
        let name = self.take();
        match name.text {
            "_" => return Ok(Operand::Sink),
            "WARP_SZ" => return Ok(Operand::Int(32)),
            _ => {}
        }
        if let Some(base) = self.base(scopes, operands, name) {
            return match base {
                Base::Reg(_) if self.token.kind == Kind::Dot => Err(self.unsupported(
                    self.token,
                    "a component of a register",
                    "take it out with `bfe` or `mov` first",
                )),
                Base::Reg(reg) => Ok(Operand::Reg(reg)),
                Base::Var(var) => Ok(Operand::Variable(var, self.offset()?)),
                Base::Absolute => Ok(Operand::Int(0)),
            };
        }
        if name.text.starts_with('%') {
            return self.special(name);
        }
        self.named.push(name);
        Ok(Operand::Name(name.text.to_string()))
    }

    fn special(&mut self, name: Token<'a>) -> Result<Operand> {
        if self.token.kind == Kind::Dot {
            let component = self.take();
            return match special::component(name.text, component.text) {
                Some(special) => Ok(Operand::Special(special)),
                None => Err(self.unknown(name, &format!("{}{}", name.text, component.text))),
            };
        }
        special::scalar(name.text).map(Operand::Special).ok_or_else(|| self.unknown(name, name.text))
    }

    fn unknown(&self, at: Token<'a>, name: &str) -> super::Error {
        let hint = format!("declare it with `.reg`; of the special registers, {}", special::KNOWN);
        self.malformed(at, format!("{} is no register that is declared here", quote(name)), &hint)
    }

    /// The register or variable of a name.
    fn base(&self, scopes: &mut Scopes<'a>, operands: &mut Operands, name: Token<'a>) -> Option<Base> {
        match scopes.meaning(name.text) {
            Some(Meaning::Register(reg)) => Some(Base::Reg(reg)),
            Some(Meaning::Variable(var)) => Some(Base::Var(var)),
            None => {
                let index = self.variables.get(name.text)?;
                operands.is_provisional = true;
                Some(Base::Var(Scopes::of_module(*index)))
            }
        }
    }

    fn address(&mut self, scopes: &mut Scopes<'a>, operands: &mut Operands) -> Result<Operand> {
        self.take();
        let (base, offset) = match self.token.kind {
            Kind::Word => {
                let name = self.take();
                match self.base(scopes, operands, name) {
                    Some(base) => (base, 0),
                    None => {
                        return Err(self.malformed(
                            name,
                            format!(
                                "{} is no register and no variable that is declared here",
                                quote(name.text)
                            ),
                            "",
                        ));
                    }
                }
            }
            Kind::Mark(b'-') | Kind::Number => (Base::Absolute, self.signed()?),
            _ => return Err(self.wanted("a register, a variable or a number")),
        };
        let offset = offset.wrapping_add(self.offset()?);
        if !self.accept(b',') {
            self.expect(b']', "after the address")?;
            return Ok(Operand::Address { base, offset });
        }
        if !self.is_mark(b'{') {
            return Err(self.wanted("`{` before the coordinates"));
        }
        let coordinates = self.list(scopes, operands, b'}')?;
        self.expect(b']', "after the coordinates")?;
        Ok(Operand::Tensor { base, offset, coordinates })
    }

    /// `+4`, `-4`, `+-4`, `+4+8` or nothing.
    fn offset(&mut self) -> Result<i64> {
        let mut offset = 0i64;
        loop {
            if self.accept(b'+') {
                offset = offset.wrapping_add(self.signed()?);
            } else if self.accept(b'-') {
                offset = offset.wrapping_sub(self.signed()?);
            } else {
                return Ok(offset);
            }
        }
    }

    fn signed(&mut self) -> Result<i64> {
        let is_negative = self.accept(b'-');
        let value = self.integer("an offset in bytes")? as i64;
        Ok(if is_negative { value.wrapping_neg() } else { value })
    }
}
