//! Control flow: basic blocks, and where the lanes that part at a branch meet again.
//!
//! ```text
//! 0  setp ..          block 0   meets at 4
//! 1  @%p1 bra 3
//! 2  add ..           block 1
//! 3  mul ..           block 2
//! ```

/// Where control goes after an instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// To the next instruction. Calls fall through too, and so does a guarded `ret`, `exit` or `trap`: its lanes are gone.
    Falls,
    /// To one of the targets; where it is conditional, possibly to the next instruction.
    Branch {
        /// Instructions; one beyond the last is the end.
        targets: Vec<u32>,
        /// Whether some lanes may go on to the next instruction instead.
        conditional: bool,
    },
    /// Nowhere: an unguarded `ret`, `exit` or `trap`.
    Ends,
}

/// The control flow of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flow {
    meets: Vec<u32>,
}

impl Flow {
    /// What [`Flow::meet`] says of lanes that do not meet before they end.
    pub const END: u32 = u32::MAX;

    /// The flow of a function, given where each instruction leads.
    pub fn of(steps: &[Next]) -> Flow {
        Flow { meets: vec![Flow::END; steps.len()] }
    }

    /// The instruction where the lanes that part at a branch meet again, or [`Flow::END`].
    pub fn meet(&self, instruction: u32) -> u32 {
        self.meets.get(instruction as usize).copied().unwrap_or(Flow::END)
    }
}
