//! Declarations of variables and parameters.
//!
//! ```text
//! .align 16 .b8 buffer[1024]              elements Some(1024), align 16
//! .u64 .ptr .global .align 16 x           a parameter; what it points to is forgotten
//! .u32 table[2][2] = {1, 2}               elements Some(4), initial 01 00 00 00 02 00 00 00
//! ```

use super::{Parser, Result};
use crate::syntax::ast::{Space, Type, Variable};
use crate::syntax::error::quote;
use crate::syntax::lexer::{Kind, Token};
use crate::syntax::number::Literal;

/// What stands before the names of a declaration.
struct Head {
    ty: Type,
    align: Option<u32>,
}

impl<'a> Parser<'a> {
    /// The variables of a statement, after the word for their space and up to its semicolon.
    pub(super) fn variables_of(
        &mut self,
        space: Space,
        is_extern: bool,
    ) -> Result<Vec<(Token<'a>, Variable)>> {
        let head = self.head()?;
        let mut variables = Vec::new();
        loop {
            let (name, mut variable) = self.declarator(space, &head)?;
            if self.is_mark(b'=') {
                self.initial(&mut variable)?;
            }
            self.has_size(name, &variable, is_extern)?;
            variables.push((name, variable));
            if !self.accept(b',') {
                break;
            }
        }
        self.expect(b';', "after the declaration")?;
        Ok(variables)
    }

    /// The parameters between parentheses, the first of which is taken.
    pub(super) fn parameters(&mut self) -> Result<Vec<(Token<'a>, Variable)>> {
        let mut parameters = Vec::new();
        if self.accept(b')') {
            return Ok(parameters);
        }
        loop {
            if self.token.text == ".reg" {
                return Err(self.unsupported(
                    self.token,
                    "a parameter in a register",
                    "compile with the stack ABI, where parameters are `.param`",
                ));
            }
            if !self.accept_dot(".param") {
                return Err(self.wanted("`.param`"));
            }
            let head = self.head()?;
            let (name, parameter) = self.declarator(Space::Param, &head)?;
            self.has_size(name, &parameter, false)?;
            parameters.push((name, parameter));
            if !self.accept(b',') {
                break;
            }
        }
        self.expect(b')', "after the parameters")?;
        Ok(parameters)
    }

    fn head(&mut self) -> Result<Head> {
        let (mut ty, mut align, mut is_pointer) = (None, None, false);
        while self.token.kind == Kind::Dot {
            let token = self.take();
            match token.text {
                ".align" => {
                    let bytes = self.small("an alignment in bytes")?;
                    // After `.ptr` it is the alignment of what the parameter points to.
                    if !is_pointer {
                        align = Some(bytes);
                    }
                }
                ".ptr" => is_pointer = true,
                ".global" | ".const" | ".shared" | ".local" | ".generic" | ".param" if is_pointer => {}
                ".v2" | ".v4" | ".v8" => {
                    return Err(self.unsupported(
                        token,
                        "a variable of a vector type",
                        "declare an array, with the alignment of the vector",
                    ));
                }
                // That the host may reach a variable, or that devices share its address, changes nothing here.
                ".attribute" => self.skip_group(b'(', b')', "after the attribute")?,
                text => match Type::parse(&text[1..]) {
                    Some(found) if ty.is_none() => ty = Some(found),
                    _ => {
                        return Err(self.malformed(
                            token,
                            format!("found {}, expected a type", quote(text)),
                            "",
                        ));
                    }
                },
            }
        }
        match ty {
            Some(ty) => Ok(Head { ty, align }),
            None => Err(self.wanted("a type such as `.b32`")),
        }
    }

    /// A name and its array bounds.
    fn declarator(&mut self, space: Space, head: &Head) -> Result<(Token<'a>, Variable)> {
        let name = self.word("a variable's name")?;
        let mut elements = Some(1u64);
        let mut is_first = true;
        while self.accept(b'[') {
            let bound = if is_first && self.is_mark(b']') { None } else { Some(self.integer("a size")?) };
            elements = match (elements, bound) {
                (Some(product), Some(bound)) => {
                    let product = product.checked_mul(bound);
                    Some(product.ok_or_else(|| self.malformed(name, "an array too large for memory", ""))?)
                }
                _ => None,
            };
            self.expect(b']', "after the size")?;
            is_first = false;
        }
        let variable = Variable {
            space,
            name: name.text.to_string(),
            ty: head.ty,
            elements,
            align: head.align.unwrap_or(head.ty.bytes()),
            initial: Vec::new(),
            line: name.line,
        };
        Ok((name, variable))
    }

    /// Only an external shared variable may leave its size to the launch, and nothing else may be external.
    fn has_size(&self, name: Token<'a>, variable: &Variable, is_extern: bool) -> Result<()> {
        let is_dynamic = variable.space == Space::Shared && variable.elements.is_none();
        match (is_extern, is_dynamic, variable.elements) {
            (true, true, _) | (false, _, Some(_)) => Ok(()),
            (true, ..) => Err(self.unsupported(
                name,
                "a variable of another module",
                "external may be only `.shared` with `[]`; define the variable in this module",
            )),
            (false, ..) => Err(self.malformed(
                name,
                format!("{} has no size", quote(name.text)),
                "write its elements between the brackets; only `.extern .shared` may leave them out",
            )),
        }
    }

    /// An equals sign and the values behind it.
    fn initial(&mut self, variable: &mut Variable) -> Result<()> {
        let equals = self.take();
        if !matches!(variable.space, Space::Global | Space::Const) {
            return Err(self.malformed(
                equals,
                "an initial value of a variable that is neither global nor constant",
                "store to it at the beginning of the kernel",
            ));
        }
        let mut count = 0u64;
        if self.accept(b'{') {
            while !self.is_mark(b'}') {
                self.value(variable)?;
                count += 1;
                if !self.accept(b',') {
                    break;
                }
            }
            self.expect(b'}', "after the initial values")?;
        } else {
            self.value(variable)?;
            count = 1;
        }
        let elements = *variable.elements.get_or_insert(count);
        if count > elements {
            return Err(self.malformed(
                equals,
                format!("{count} initial values for {elements} elements"),
                "",
            ));
        }
        Ok(())
    }

    /// One value, as the bytes of the variable's type.
    fn value(&mut self, variable: &mut Variable) -> Result<()> {
        match self.token.kind {
            Kind::Mark(b'{') => {
                return Err(self.unsupported(
                    self.token,
                    "an initial value with braces inside",
                    "write the rows as one list",
                ));
            }
            Kind::Word => {
                return Err(self.unsupported(
                    self.token,
                    "an address as an initial value",
                    "pass the address to the kernel",
                ));
            }
            _ => {}
        }
        let token = self.token;
        let is_negative = self.accept(b'-');
        let literal = self.literal("an initial value")?;
        match bytes_of(variable.ty, literal, is_negative) {
            Some(bytes) => {
                variable.initial.extend_from_slice(&bytes[..variable.ty.bytes() as usize]);
                Ok(())
            }
            None => Err(self.unsupported(
                token,
                &format!("an initial value of the type `.{}`", variable.ty),
                "declare the variable as bits of the same size",
            )),
        }
    }
}

/// The value in the least significant bytes.
fn bytes_of(ty: Type, literal: Literal, is_negative: bool) -> Option<[u8; 8]> {
    let value = |literal| match literal {
        Literal::Int(value) => value as f64,
        Literal::F32(bits) => f64::from(f32::from_bits(bits)),
        Literal::F64(bits) => f64::from_bits(bits),
    };
    let bits = match (ty, literal) {
        // The bits as they stand: a round trip through f64 would quiet a signalling NaN.
        (Type::F32, Literal::F32(bits)) => u64::from(bits ^ (u32::from(is_negative) << 31)),
        (Type::F64, Literal::F64(bits)) => bits ^ (u64::from(is_negative) << 63),
        (Type::F32, _) => {
            let value = value(literal) as f32;
            u64::from((if is_negative { -value } else { value }).to_bits())
        }
        (Type::F64, _) => {
            let value = value(literal);
            (if is_negative { -value } else { value }).to_bits()
        }
        (ty, Literal::Int(value)) if ty.bytes() <= 8 && is_integer(ty) => {
            if is_negative {
                value.wrapping_neg()
            } else {
                value
            }
        }
        (Type::B32, Literal::F32(bits)) if !is_negative => u64::from(bits),
        (Type::B64, Literal::F64(bits)) if !is_negative => bits,
        _ => return None,
    };
    Some(bits.to_le_bytes())
}

fn is_integer(ty: Type) -> bool {
    use Type::*;
    matches!(ty, B8 | B16 | B32 | B64 | U8 | U16 | U32 | U64 | S8 | S16 | S32 | S64)
}
