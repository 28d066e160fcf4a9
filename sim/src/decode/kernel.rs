//! A kernel as the machine runs it: typed instructions, banks of registers, and the places of its variables.

use super::op::{Guard, Op};
use super::unwritten::Suspects;
use crate::flow::Next;
use crate::syntax::ast::{Source, Type};

/// A decoded instruction.
#[derive(Clone, PartialEq, Debug)]
pub struct Instruction {
    /// Lanes for which it does anything; all where there is none.
    pub guard: Option<Guard>,
    /// What it does.
    pub op: Op,
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// Line of the source, where the compiler told.
    pub source: Option<Source>,
    /// Where its text stands: an index into [`Kernel::texts`].
    pub text: u32,
}

impl Instruction {
    /// Where control goes from here.
    pub(crate) fn next(&self) -> Next {
        match &self.op {
            Op::Branch { target, .. } => {
                Next::Branch { targets: vec![*target], conditional: self.guard.is_some() }
            }
            Op::BranchIndexed { targets, .. } => {
                Next::Branch { targets: targets.to_vec(), conditional: self.guard.is_some() }
            }
            Op::Exit if self.guard.is_none() => Next::Ends,
            Op::Trap if self.guard.is_none() => Next::Aborts,
            _ => Next::Falls,
        }
    }
}

/// A parameter of the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its name as written.
    pub name: String,
    /// Its type; an array of bytes is how a struct comes.
    pub ty: Type,
    /// Its place in parameter space, in bytes.
    pub offset: u32,
    /// Its size in bytes.
    pub bytes: u32,
}

/// How many registers a lane has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Banks {
    /// Of 8, 16 and 32 bits.
    pub words: u32,
    /// Of 64 bits.
    pub longs: u32,
    /// Predicates.
    pub preds: u32,
}

/// A kernel with the functions it calls put in place of their calls.
#[derive(Clone, PartialEq, Debug)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// In order. Control that reaches the end leaves the kernel.
    pub code: Vec<Instruction>,
    /// The instructions as text, for messages.
    pub texts: Vec<String>,
    /// Registers of a lane.
    pub banks: Banks,
    /// Those of them that may be read before they are written.
    pub suspects: Suspects,
    /// Parameters, and the size of parameter space.
    pub params: Vec<Parameter>,
    /// Bytes of parameter space.
    pub param_bytes: u32,
    /// Bytes of shared memory that the kernel declares; `extern .shared` arrays begin at the end of these.
    pub shared_bytes: u32,
    /// Bytes of local memory of a lane, those of the parameters of functions included.
    pub local_bytes: u32,
    /// `.maxntid`, `.reqntid`: the most threads of a block, where it says.
    pub max_threads: Option<u32>,
}
