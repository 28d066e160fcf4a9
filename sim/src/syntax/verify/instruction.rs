//! Whether one instruction makes sense in its function.

use super::{Result, check, is_name, widths};
use crate::syntax::ast::*;
use crate::syntax::error::quote;
use std::collections::{HashMap, HashSet};

/// Elements of a vector: `wgmma` has accumulators of 128 registers.
const LONGEST_VECTOR: usize = 256;

/// Operands of an instruction; the longest are those of `mma` and of bulk copies.
const MOST_OPERANDS: usize = 16;

/// What an instruction stands in.
pub(super) struct Around<'m> {
    pub(super) function: &'m Function,
    /// The module's functions by name.
    pub(super) functions: &'m HashMap<&'m str, &'m Function>,
    /// The labels that name lists of branch targets.
    pub(super) lists: &'m HashSet<Label>,
}

/// Says what does not make sense in an instruction.
pub(super) fn is_sound(around: &Around<'_>, instruction: &Instruction) -> Result<()> {
    let line = instruction.line;
    let context = Context { function: around.function, line };
    check(is_word(&instruction.opcode), line, || format!("{} is no opcode", quote(&instruction.opcode)))?;
    for modifier in &instruction.modifiers {
        check(modifier.split("::").all(is_word), line, || format!("{} is no modifier", quote(modifier)))?;
    }
    if let Some(guard) = instruction.guard {
        context.predicate(guard.register)?;
    }
    let is_call = instruction.opcode == "call";
    check(instruction.operands.len() <= MOST_OPERANDS, line, || {
        format!("{} operands, more than any instruction takes", instruction.operands.len())
    })?;
    for operand in &instruction.operands {
        context.operand(operand, is_call)?;
    }
    names_stand_where_they_may(instruction)?;
    branch_has_targets(around.lists, instruction)?;
    if is_call {
        call_fits(around.functions, instruction)?;
    }
    vector_has_its_length(instruction)?;
    widths::fit(around.function, instruction)
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

struct Context<'f> {
    function: &'f Function,
    line: u32,
}

impl Context<'_> {
    fn register(&self, reg: Reg) -> Result<&Register> {
        match self.function.registers.get(reg.0 as usize) {
            Some(register) => Ok(register),
            None => Err(self.lacks("register", reg.0)),
        }
    }

    fn lacks(&self, what: &str, id: u32) -> super::Error {
        let what = format!("{} has no {what} {id}", quote(&self.function.name));
        super::Error { kind: super::Kind::Malformed, line: self.line, column: 0, what, hint: String::new() }
    }

    fn predicate(&self, reg: Reg) -> Result<()> {
        let register = self.register(reg)?;
        check(register.ty == Type::Pred, self.line, || {
            format!("{} is `.{}`, and a predicate is due", quote(&register.name), register.ty)
        })
    }

    fn variable(&self, var: Var) -> Result<()> {
        match self.function.variables.get(var.0 as usize) {
            Some(_) => Ok(()),
            None => Err(self.lacks("variable", var.0)),
        }
    }

    fn base(&self, base: Base) -> Result<()> {
        match base {
            Base::Absolute => Ok(()),
            Base::Var(var) => self.variable(var),
            Base::Reg(reg) => {
                let register = self.register(reg)?;
                let is_address = matches!(register.ty.bytes(), 4 | 8);
                check(is_address, self.line, || {
                    let name = quote(&register.name);
                    format!("{name} is `.{}`; an address has 32 or 64 bits", register.ty)
                })
            }
        }
    }

    fn operand(&self, operand: &Operand, is_call: bool) -> Result<()> {
        match operand {
            Operand::Vector(elements) => {
                let fewest = if is_call { 0 } else { 1 };
                check((fewest..=LONGEST_VECTOR).contains(&elements.len()), self.line, || {
                    format!("a vector of {} elements; 1 to {LONGEST_VECTOR} there are", elements.len())
                })?;
                elements.iter().try_for_each(|element| self.element(element))
            }
            Operand::Tensor { base, coordinates, .. } => {
                self.base(*base)?;
                check((1..=5).contains(&coordinates.len()), self.line, || {
                    format!("{} coordinates; a tensor has 1 to 5", coordinates.len())
                })?;
                coordinates.iter().try_for_each(|coordinate| self.element(coordinate))
            }
            Operand::Pair(first, second) => {
                let is_plain = matches!(**first, Operand::Reg(_) | Operand::Sink);
                check(is_plain, self.line, || "a register or `_` is due before `|`".to_string())?;
                self.element(first)?;
                match &**second {
                    Operand::Sink => Ok(()),
                    Operand::Reg(reg) => self.predicate(*reg),
                    _ => check(false, self.line, || "a predicate or `_` is due behind `|`".to_string()),
                }
            }
            Operand::Address { base, .. } => self.base(*base),
            Operand::Label(label) => match self.function.labels.get(label.0 as usize) {
                Some(_) => Ok(()),
                None => Err(self.lacks("label", label.0)),
            },
            Operand::Name(name) => is_name(name, self.line),
            plain => self.element(plain),
        }
    }

    /// An operand of one word.
    fn element(&self, operand: &Operand) -> Result<()> {
        match operand {
            Operand::Reg(reg) => self.register(*reg).map(|_| ()),
            Operand::Not(reg) => self.predicate(*reg),
            Operand::Variable(var, _) => self.variable(*var),
            Operand::Special(_) | Operand::Int(_) | Operand::F32(_) | Operand::F64(_) | Operand::Sink => {
                Ok(())
            }
            _ => check(false, self.line, || {
                "a vector, an address, a pair or a name stands within another operand".to_string()
            }),
        }
    }
}

/// Names of functions are for calls, and for `mov`, which takes an address.
fn names_stand_where_they_may(instruction: &Instruction) -> Result<()> {
    let has_name = instruction.operands.iter().any(|operand| matches!(operand, Operand::Name(_)));
    let may = matches!(instruction.opcode.as_str(), "call" | "mov");
    check(!has_name || may, instruction.line, || {
        format!("the name of a function as an operand of {}", quote(&instruction.opcode))
    })
}

fn branch_has_targets(lists: &HashSet<Label>, instruction: &Instruction) -> Result<()> {
    let has_label = |operand: &Operand| matches!(operand, Operand::Label(_));
    let holds = match (instruction.opcode.as_str(), instruction.operands.as_slice()) {
        ("bra", operands) => matches!(operands, [Operand::Label(_)]),
        ("brx", [Operand::Reg(_), Operand::Label(list)]) => lists.contains(list),
        ("brx", _) => false,
        (_, operands) => !operands.iter().any(has_label),
    };
    check(holds, instruction.line, || match instruction.opcode.as_str() {
        "bra" => "`bra` goes to one label".to_string(),
        "brx" => "`brx.idx` takes a register and the label of a `.branchtargets` list".to_string(),
        opcode => format!("a label as an operand of {}", quote(opcode)),
    })
}

/// A call names a function that is no entry, and gives what it takes. What an indirect call reaches is not known here.
fn call_fits(functions: &HashMap<&str, &Function>, instruction: &Instruction) -> Result<()> {
    use Operand::{Name, Reg, Vector};
    let line = instruction.line;
    let nothing = &Vec::new();
    let (returns, callee, takes) = match instruction.operands.as_slice() {
        [callee @ (Name(_) | Reg(_))] => (nothing, callee, nothing),
        [callee @ (Name(_) | Reg(_)), Vector(takes), ..] => (nothing, callee, takes),
        [Vector(returns), callee @ (Name(_) | Reg(_))] => (returns, callee, nothing),
        [Vector(returns), callee @ (Name(_) | Reg(_)), Vector(takes), ..] => (returns, callee, takes),
        _ => return check(false, line, || "a call without the name of a function".to_string()),
    };
    let Name(name) = callee else { return Ok(()) };
    let Some(function) = functions.get(name.as_str()) else {
        return check(false, line, || format!("{} is no function of this module", quote(name)));
    };
    check(!function.is_entry, line, || format!("{} is an entry, which nobody calls", quote(name)))?;
    let due = (function.returns, function.params - function.returns);
    let given = (returns.len(), takes.len());
    check(given == due, line, || {
        let (name, (returns, takes)) = (quote(name), due);
        format!("{name} returns {returns} and takes {takes}; the call has {} and {}", given.0, given.1)
    })
}

/// A load or a store of `.v4` has four elements.
fn vector_has_its_length(instruction: &Instruction) -> Result<()> {
    let is_access = matches!(instruction.opcode.as_str(), "ld" | "st" | "ldu" | "atom" | "red");
    let length = instruction.modifiers.iter().find_map(|modifier| match modifier.as_str() {
        "v2" => Some(2),
        "v4" => Some(4),
        "v8" => Some(8),
        _ => None,
    });
    // One register may stand in braces of its own.
    let length = length.unwrap_or(1);
    let vectors = instruction.operands.iter().filter_map(|operand| match operand {
        Operand::Vector(elements) => Some(elements.len()),
        _ => None,
    });
    for found in vectors.filter(|_| is_access) {
        check(found == length, instruction.line, || {
            format!("{found} elements for an access of {length}: {}", instruction.modifiers.join("."))
        })?;
    }
    Ok(())
}
