//! A cursor over the words and the operands of an instruction.
//!
//! ```text
//! add.rn.ftz.f32 %f3, %f1, 1.5;
//!
//! r.flag_of(ROUND)    Some(Nearest)      takes `rn`
//! r.flag("ftz")       true               takes `ftz`
//! r.flag("sat")       false
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
    /// A bit for each word that has been taken.
    taken: u64,
    pub(super) operand: usize,
    /// Operations that have to come first: they bring special registers and addresses into registers of their own.
    pub(super) before: Vec<Op>,
}

impl<'a> Reader<'a> {
    /// At the first word and the first operand.
    pub(crate) fn new(scope: &'a mut Scope, instruction: &'a Instruction) -> Reader<'a> {
        Reader { scope, instruction, taken: 0, operand: 0, before: Vec::new() }
    }

    /// The words that are left, with their places.
    fn words(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let (taken, words) = (self.taken, &self.instruction.modifiers);
        let words = words.iter().map(String::as_str).enumerate();
        words.filter(move |(index, _)| *index >= 64 || taken & 1 << index == 0)
    }

    fn mark(&mut self, index: usize) {
        // More words than bits stay untaken, so that `finish` refuses them.
        self.taken |= 1u64.checked_shl(index as u32).unwrap_or(0);
    }

    /// The next word, or an empty one.
    pub(crate) fn peek(&self) -> &'a str {
        self.words().next().map_or("", |(_, word)| word)
    }

    /// Takes the next word, whatever it is.
    pub(crate) fn next(&mut self) -> &'a str {
        let Some((index, word)) = self.words().next() else { return "" };
        self.mark(index);
        word
    }

    /// Takes the next word where it is this one.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        self.one_of(&[(word, ())]).is_some()
    }

    /// Takes the next word, which has to be this one.
    pub(crate) fn need(&mut self, word: &str) -> What<()> {
        if self.take(word) { Ok(()) } else { Err(self.expected(&[word])) }
    }

    /// Takes the next word where the table has it.
    pub(crate) fn one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        let (index, next) = self.words().next()?;
        let found = table.iter().find(|(word, _)| *word == next)?;
        self.mark(index);
        Some(found.1)
    }

    /// Takes a word that means the same wherever it stands: `add.rn.ftz.f32` is `add.ftz.rn.f32`.
    pub(crate) fn flag(&mut self, word: &str) -> bool {
        self.flag_of(&[(word, ())]).is_some()
    }

    /// Takes one of these words, wherever it stands.
    pub(crate) fn flag_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        let mut words = self.words();
        let (index, value) = words.find_map(|(index, next)| {
            table.iter().find(|(word, _)| *word == next).map(|(_, value)| (index, *value))
        })?;
        self.mark(index);
        Some(value)
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
                self.next();
                Ok(ty)
            }
            None if Type::parse(self.peek()).is_none() && self.peek() != "" => {
                let (opcode, list) = (&self.instruction.opcode, list(allowed.iter().map(|ty| ty.name())));
                Err(format!("{}; a type of `{opcode}` is {list}", self.refused()))
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
                _ if self.words().any(|(_, word)| Type::parse(word).is_some()) => {
                    format!("the type of `{opcode}` has to come last, behind `.{last}`")
                }
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
        if self.peek() != "" {
            return Err(self.refused());
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

    /// What to say of the next word, which nobody takes.
    fn refused(&self) -> String {
        let opcode = &self.instruction.opcode;
        let Some((index, word)) = self.words().next() else { return String::new() };
        let before = &self.instruction.modifiers[..index];
        match before.last() {
            Some(_) if before.iter().any(|w| w == word) => format!("`.{word}` stands twice in `{opcode}`"),
            Some(last) => format!("`.{word}` is not supported after `.{last}` in `{opcode}`"),
            None => format!("`.{word}` is not supported here in `{opcode}`"),
        }
    }

    /// What to say where one of these words has to stand.
    pub(crate) fn expected(&self, words: &[&str]) -> String {
        let opcode = &self.instruction.opcode;
        let list = list(words.iter().copied());
        match self.peek() {
            "" => format!("`{opcode}` needs {list} at its end"),
            _ => format!("{}: expected {list}", self.refused()),
        }
    }
}

/// Words as a list, ``one of `.a`, `.b` ``.
fn list<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let list = words.map(|word| format!("`.{word}`")).collect::<Vec<_>>();
    if list.len() == 1 { list.concat() } else { format!("one of {}", list.join(", ")) }
}
