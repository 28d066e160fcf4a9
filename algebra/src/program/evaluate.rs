//! The evaluator of chunk programs: a sequence, chunk after chunk.
//!
//! ```text
//! for each chunk:    values free of reads    matrices, in order    next states    outputs
//! ```
//!
//! The program of a [dual](crate::adjoint) runs from the last token to the first; rows are then numbered in that order.

use super::matrices::Chunk;
use super::{Node, Op, Program};
use crate::adjoint::entries;
use crate::data::{Inputs, Outputs, Real};
use crate::eval::{Workspace, evaluate};
use chunkwise_dsl::graph::{Expr, Value};
use chunkwise_dsl::timeline::Event;

/// Which way tokens are walked, and what givens are.
pub struct Walk<'a, R> {
    /// From the last token to the first, as a dual is.
    pub reversed: bool,
    /// Supplies given `number` at a token.
    pub given: &'a dyn Fn(u32, usize, &mut [R]),
}

/// Runs one sequence and one head, `chunk` tokens (at least 1) at a time.
pub fn forward<R: Real>(program: &Program, chunk: usize, inputs: &Inputs<R>) -> Outputs<R> {
    run(program, chunk, inputs, &Walk { reversed: false, given: &|_, _, _| {} })
}

/// The same for any walk; outputs are in the walk's order.
pub fn run<R: Real>(program: &Program, chunk: usize, inputs: &Inputs<R>, walk: &Walk<'_, R>) -> Outputs<R> {
    let t = &program.timeline;
    let lists = Lists::new(program);
    let mut states = inputs.states.clone();
    let mut outputs = vec![Vec::new(); t.outputs.len()];
    for first in (0..inputs.tokens).step_by(chunk.max(1)) {
        let tokens = chunk.max(1).min(inputs.tokens - first);
        let mut ws = Workspace::new(&t.graph, inputs.sizes, tokens, lists.all.iter().copied());
        let leaf = |e: Expr, row: usize, out: &mut [R]| {
            let token = if walk.reversed { inputs.tokens - 1 - first - row } else { first + row };
            match e {
                Expr::Param(p, j) => {
                    out.copy_from_slice(inputs.params[p.index()].row(token, j.unwrap_or(0) as usize))
                }
                Expr::Given(n) => (walk.given)(n, token, out),
                _ => {}
            }
        };
        let free = |_: &[Vec<R>], e: Expr, row: usize, out: &mut [R]| leaf(e, row, out);
        evaluate(&t.graph, inputs.sizes, &mut ws, &lists.before, 0..tokens, free);
        let chunk = Chunk::new(program, inputs.sizes, tokens, &ws, &leaf, &states);
        let (next, found) = (chunk.next(), chunk.found());
        evaluate(&t.graph, inputs.sizes, &mut ws, &lists.after, 0..tokens, |_, e, row, out| match e {
            Expr::Read(r) => out.copy_from_slice(&found[r.index()][row * out.len()..][..out.len()]),
            e => leaf(e, row, out),
        });
        for row in 0..tokens {
            outputs.iter_mut().zip(&t.outputs).for_each(|(o, &v)| o.extend_from_slice(ws.row(v, row)));
        }
        states = next;
    }
    Outputs { outputs, states }
}

/// What is computed of the program's graph, and when.
struct Lists {
    all: Vec<Value>,
    /// Free of reads.
    before: Vec<Value>,
    /// Outputs, and what leads from reads to them.
    after: Vec<Value>,
}

impl Lists {
    fn new(program: &Program) -> Self {
        let g = &program.timeline.graph;
        let tainted = g.dependents(|e| matches!(e, Expr::Read(_)));
        let live = g.reachable(program.roots());
        let of_outputs = g.reachable(program.timeline.outputs.iter().copied());
        let list = |of: &[bool], reads: bool| {
            g.values().filter(|v| of[v.index()] && tainted[v.index()] == reads).collect()
        };
        let all = g.values().filter(|v| live[v.index()]).collect();
        Lists { all, before: list(&live, false), after: list(&of_outputs, true) }
    }
}

impl Program {
    /// Every value that the program computes of inputs, and the outputs.
    pub(super) fn roots(&self) -> Vec<Value> {
        let of_node = |n: &Node| match &n.op {
            Op::Values(values) => values.iter().flatten().copied().collect(),
            Op::Scale(by, _) => by.clone(),
            _ => Vec::new(),
        };
        let of_event = |e: &Event| match e {
            Event::Decay { factor, .. } => vec![factor.value()],
            Event::Mix { matrix, .. } => entries(matrix).map(|e| e.2).collect(),
            Event::Read(_) | Event::Write { .. } => Vec::new(),
        };
        let mut roots: Vec<Value> = self.nodes.iter().flat_map(of_node).collect();
        roots.extend(self.keys.iter().flat_map(|k| k.slots.iter().filter_map(|s| s.key)));
        roots.extend(self.timeline.events.iter().flat_map(of_event));
        roots.extend(self.reads.iter().map(|(_, f)| f.scale));
        roots.extend(self.systems.iter().flat_map(|s| s.roots()));
        roots.extend(self.timeline.outputs.iter().copied());
        roots
    }
}
