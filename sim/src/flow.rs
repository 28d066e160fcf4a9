//! Control flow: basic blocks, and where the lanes that part at a branch meet again.
//!
//! ```text
//! 0  setp.eq p, x, y       block 0
//! 1  @p bra 3                        its lanes meet at 3
//! 2  add                   block 1
//! 3  mul                   block 2
//! 4  ret
//! ```
//!
//! Lanes that part meet at the immediate post-dominator of the branch: the first block that every way to the end of the
//! function goes through. Taken literally this is too pessimistic where a function has several ends: in
//!
//! ```text
//! while (..) { if (bad) return; .. }      lanes leave the loop after different numbers of turns
//! z = __shfl_sync(..);
//! ```
//!
//! a way through the `return` misses `z`, so that lanes which left the loop early would never wait for the others. A lane
//! that returns is gone, though, and need not be waited for. So one end counts, and lanes that take another vanish: the end
//! that most instructions lead to, and a trap only if there is nothing else. Blocks that cannot reach it count towards the next
//! end, and so on; those of a loop without end count towards their last block. Each block belongs to one end, and an edge
//! between blocks of different ends is left out. A jump to a bare `ret` is an end of its own, as compilers to machine code
//! treat it.
//!
//! Invariants: a meeting point is the start of a block, and lies on every way from the branch to the end of the branch's
//! block; a lane that passes by it never comes to it. Linear in the instructions but for the inverse Ackermann or logarithm
//! of the dominator algorithm; no recursion.

mod dominators;

use std::ops::Range;

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
    /// Nowhere: an unguarded `ret` or `exit`.
    Ends,
    /// Nowhere, and nobody should come here: an unguarded `trap`.
    Aborts,
}

/// The control flow of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flow {
    /// For each block its first instruction; then the number of instructions.
    starts: Vec<u32>,
    /// For each block the instruction where its lanes meet again.
    meets: Vec<u32>,
}

impl Flow {
    /// What [`Flow::meet`] says of lanes that do not meet before they end.
    pub const END: u32 = u32::MAX;

    /// The flow of a function, given where each instruction leads.
    ///
    /// ```
    /// use chunkwise_sim::flow::{Flow, Next};
    /// let branch = Next::Branch { targets: vec![3], conditional: true };
    /// let flow = Flow::of(&[Next::Falls, branch, Next::Falls, Next::Falls, Next::Ends]);
    /// assert_eq!(flow.meet(1), 3);
    /// assert_eq!(flow.blocks().collect::<Vec<_>>(), [0..2, 2..3, 3..5]);
    /// ```
    pub fn of(steps: &[Next]) -> Flow {
        let starts = starts(steps);
        let graph = Graph::new(steps, &starts);
        let exit_of = graph.exits();
        let meets = graph
            .post_dominators(&exit_of)
            .into_iter()
            .map(|block| block.map_or(Flow::END, |block| starts[block as usize]))
            .collect();
        Flow { starts, meets }
    }

    /// The instruction where the lanes that part after an instruction meet again, or [`Flow::END`]. For an instruction that
    /// no lanes part after, it is the next one.
    pub fn meet(&self, instruction: u32) -> u32 {
        let block = self.block(instruction);
        match self.meets.get(block) {
            Some(meet) if self.starts[block + 1] == instruction + 1 => *meet,
            Some(_) => instruction + 1,
            None => Flow::END,
        }
    }

    /// The basic blocks, as ranges of instructions in order: control enters at the first and leaves after the last.
    pub fn blocks(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The block of an instruction, as an index into [`Flow::blocks`]; their number for one beyond the last.
    pub fn block(&self, instruction: u32) -> usize {
        let blocks = &self.starts[..self.starts.len() - 1];
        match self.starts.last() {
            Some(end) if instruction < *end => blocks.partition_point(|start| *start <= instruction) - 1,
            _ => blocks.len(),
        }
    }
}

/// The first instruction of each block, and the number of instructions.
fn starts(steps: &[Next]) -> Vec<u32> {
    let mut is_start = vec![false; steps.len() + 1];
    is_start[0] = true;
    is_start[steps.len()] = true;
    for (index, step) in steps.iter().enumerate() {
        if let Next::Branch { targets, .. } = step {
            for target in targets {
                is_start[(*target as usize).min(steps.len())] = true;
            }
        }
        if *step != Next::Falls {
            is_start[index + 1] = true;
        }
    }
    (0..=steps.len()).filter(|index| is_start[*index]).map(|index| index as u32).collect()
}

/// How a block may leave the function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Leaves {
    Never,
    ByTrap,
    ByReturn,
}

/// Blocks and their edges.
struct Graph {
    successors: Vec<Vec<u32>>,
    predecessors: Vec<Vec<u32>>,
    leaves: Vec<Leaves>,
    /// Instructions of each block.
    lengths: Vec<u32>,
}

impl Graph {
    fn new(steps: &[Next], starts: &[u32]) -> Graph {
        let count = starts.len() - 1;
        let mut graph = Graph {
            successors: vec![Vec::new(); count],
            predecessors: vec![Vec::new(); count],
            leaves: vec![Leaves::Never; count],
            lengths: starts.windows(2).map(|pair| pair[1] - pair[0]).collect(),
        };
        for block in 0..count {
            let last = starts[block + 1] - 1;
            match &steps[last as usize] {
                Next::Falls => graph.connect(steps, starts, block, last + 1),
                Next::Ends => graph.leaves[block] = Leaves::ByReturn,
                Next::Aborts => graph.leaves[block] = Leaves::ByTrap,
                Next::Branch { targets, conditional } => {
                    for target in targets {
                        graph.connect(steps, starts, block, *target);
                    }
                    if *conditional {
                        graph.connect(steps, starts, block, last + 1);
                    }
                }
            }
        }
        graph
    }

    fn connect(&mut self, steps: &[Next], starts: &[u32], block: usize, target: u32) {
        match end_at(steps, target) {
            Some(leaves) => self.leaves[block] = self.leaves[block].max(leaves),
            None => {
                let target = starts.partition_point(|start| *start <= target) - 1;
                self.successors[block].push(target as u32);
                self.predecessors[target].push(block as u32);
            }
        }
    }

    /// For each block the block whose leaving it counts towards. Reaching one of these means belonging to it, unless an
    /// earlier one is reached too.
    fn exits(&self) -> Vec<u32> {
        let mut exit_of = vec![u32::MAX; self.leaves.len()];
        for exit in self.ranked() {
            if exit_of[exit as usize] == u32::MAX {
                self.claim(exit, &mut exit_of);
            }
        }
        exit_of
    }

    /// All blocks, those that leave first: by return before by trap, then the one that most instructions lead to, then the
    /// last.
    fn ranked(&self) -> Vec<u32> {
        let mut blocks: Vec<u32> = (0..self.leaves.len() as u32).rev().collect();
        blocks.sort_by_key(|block| std::cmp::Reverse(self.leaves[*block as usize]));
        // Counting costs a walk over the graph each, so only a few are counted.
        const COUNTED: usize = 32;
        let by_return = blocks.partition_point(|block| self.leaves[*block as usize] == Leaves::ByReturn);
        blocks[..by_return.min(COUNTED)].sort_by_cached_key(|block| {
            let mut reached = vec![u32::MAX; self.leaves.len()];
            std::cmp::Reverse(self.claim(*block, &mut reached))
        });
        blocks
    }

    /// Gives an exit all blocks that reach it and belong to none yet; how many instructions they have.
    fn claim(&self, exit: u32, exit_of: &mut [u32]) -> u64 {
        let mut waiting = vec![exit];
        let mut instructions = 0;
        exit_of[exit as usize] = exit;
        while let Some(block) = waiting.pop() {
            instructions += u64::from(self.lengths[block as usize]);
            for before in &self.predecessors[block as usize] {
                if exit_of[*before as usize] == u32::MAX {
                    exit_of[*before as usize] = exit;
                    waiting.push(*before);
                }
            }
        }
        instructions
    }

    /// The immediate post-dominator of each block among the blocks of its exit; `None` for the exit itself.
    fn post_dominators(&self, exit_of: &[u32]) -> Vec<Option<u32>> {
        // Dominators of the reversed graph, from a root that leads to every exit.
        let root = self.leaves.len() as u32;
        let mut backwards = vec![Vec::new(); self.leaves.len() + 1];
        for (block, exit) in exit_of.iter().enumerate() {
            if *exit == block as u32 {
                backwards[root as usize].push(*exit);
            }
            for after in &self.successors[block] {
                if exit_of[*after as usize] == *exit {
                    backwards[*after as usize].push(block as u32);
                }
            }
        }
        let dominators = dominators::immediate(&backwards, root);
        dominators[..self.leaves.len()].iter().map(|d| (*d).filter(|d| *d != root)).collect()
    }
}

/// How a jump to an instruction leaves the function, where it does so at once.
fn end_at(steps: &[Next], mut target: u32) -> Option<Leaves> {
    // A jump to a jump to an end; more than a few in a row is no compiler's work.
    for _ in 0..4 {
        match steps.get(target as usize) {
            None | Some(Next::Ends) => return Some(Leaves::ByReturn),
            Some(Next::Aborts) => return Some(Leaves::ByTrap),
            Some(Next::Branch { targets, conditional: false }) if targets.len() == 1 => target = targets[0],
            Some(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests;
