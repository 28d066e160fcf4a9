//! A cursor over the words and the operands of an instruction.
//!
//! ```text
//! add.rn.ftz.f32 %f3, %f1, 1.5;
//!
//! r.one_of(ROUND)     Some(Nearest)      takes `rn`
//! r.take("ftz")       true               takes `ftz`
//! r.take("sat")       false
//! r.ty(&[F32, F64])   Ok(F32)            takes `f32`
//! r.dst32(F32)        Ok(Reg32(2))       takes `%f3`
//! r.src32(F32)        Ok(Reg(Reg32(0)))  takes `%f1`
//! r.src32(F32)        Ok(Imm(0x3FC00000))
//! r.finish()          Ok(()): nothing is left
//! ```
//!
//! Each family of opcodes is a function that takes what it knows, in the ISA's order. What it does not take is left over,
//! and `finish` refuses it; so a word is understood or an error, never skipped.

use super::op::Op;
use super::place::Scope;
use crate::syntax::ast::{Instruction, Type};

/// The result of a step of decoding; the error says what is wrong and is given its line later.
pub(crate) type What<T> = Result<T, String>;

/// The cursor.
pub(crate) struct Reader<'a> {
    pub(super) scope: &'a mut Scope,
    pub(super) instruction: &'a Instruction,
    word: usize,
    pub(super) operand: usize,
    /// Operations that have to come first: they bring special registers and addresses into registers of their own.
    pub(super) before: Vec<Op>,
}

impl<'a> Reader<'a> {
    /// At the first word and the first operand.
    pub(crate) fn new(scope: &'a mut Scope, instruction: &'a Instruction) -> Reader<'a> {
        Reader { scope, instruction, word: 0, operand: 0, before: Vec::new() }
    }

    /// The next word, or an empty one.
    pub(crate) fn peek(&self) -> &'a str {
        self.instruction.modifiers.get(self.word).map_or("", String::as_str)
    }

    /// Takes the next word, whatever it is.
    pub(crate) fn next(&mut self) -> &'a str {
        let word = self.peek();
        self.word += 1;
        word
    }

    /// Takes the next word where it is this one.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == word;
        self.word += usize::from(found);
        found
    }

    /// Takes the next word, which has to be this one.
    pub(crate) fn need(&mut self, word: &str) -> What<()> {
        if self.take(word) { Ok(()) } else { Err(self.expected(&[word])) }
    }

    /// Takes the next word where the table has it.
    pub(crate) fn one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        let found = table.iter().find(|(word, _)| *word == self.peek())?;
        self.word += 1;
        Some(found.1)
    }

    /// Takes the next word, which the table has to have.
    pub(crate) fn need_one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> What<T> {
        self.one_of(table)
            .ok_or_else(|| self.expected(&table.iter().map(|(word, _)| *word).collect::<Vec<_>>()))
    }

    /// Takes the next word, which has to be one of these types.
    pub(crate) fn ty(&mut self, allowed: &[Type]) -> What<Type> {
        match Type::parse(self.peek()).filter(|ty| allowed.contains(ty)) {
            Some(ty) => {
                self.word += 1;
                Ok(ty)
            }
            None => Err(self.expected(&allowed.iter().map(|ty| ty.name()).collect::<Vec<_>>())),
        }
    }

    /// The type that the last word names: opcodes such as `add` differ by it.
    pub(crate) fn last_type(&self) -> What<Type> {
        let last = self.instruction.modifiers.last().map_or("", String::as_str);
        Type::parse(last).ok_or_else(|| {
            let opcode = &self.instruction.opcode;
            match last {
                "" => format!("`{opcode}` needs a type, as in `{opcode}.f32`"),
                _ => format!("`.{last}` is no type that `{opcode}` is supported with"),
            }
        })
    }

    /// How many operands are left.
    pub(crate) fn left(&self) -> usize {
        self.instruction.operands.len().saturating_sub(self.operand)
    }

    /// Refuses what is left over.
    pub(crate) fn finish(&self) -> What<()> {
        let opcode = &self.instruction.opcode;
        if let Some(word) = self.instruction.modifiers.get(self.word) {
            let taken = &self.instruction.modifiers[..self.word];
            let place = match taken.last() {
                Some(last) if !taken.contains(word) => format!("after `.{last}`"),
                Some(_) => "twice".to_string(),
                None => "here".to_string(),
            };
            return Err(format!("`.{word}` is not supported {place} in `{opcode}`"));
        }
        match self.left() {
            0 => Ok(()),
            left => Err(format!(
                "{} operands are given, but this form of `{opcode}` has {}",
                self.operand + left,
                self.operand
            )),
        }
    }

    /// What to say where one of these words has to stand.
    pub(crate) fn expected(&self, words: &[&str]) -> String {
        let list = words.iter().map(|word| format!("`.{word}`")).collect::<Vec<_>>().join(", ");
        let one = if words.len() == 1 { "" } else { "one of " };
        let opcode = &self.instruction.opcode;
        match self.peek() {
            "" => format!("`{opcode}` needs {one}{list} at its end"),
            word => format!("`.{word}` is not supported here in `{opcode}`: expected {one}{list}"),
        }
    }
}
