//! Feedback that is not linear: what a row is made of, and which lanes make it.
//!
//! ```text
//! longhorn    u = beta / (1 + beta * kept0) * (x - p)      kept0 = dot(k, k), once a token, in the prologue
//! ```
//!
//! Everything scalar that no read enters is computed before, and so are rows that sum over the value dim. Where value channels
//! stay apart, a warp solves its own 16, a lane a channel. Where a row's channels meet, one warp holds whole rows.
//!
//! Source: `math/substitution.py` of the design.

use super::choose::not_fused;
use super::plan::{Plan, WARP_COLUMNS};
use crate::kernel::Limitation;
use crate::layout::{Axis, Layout, Side};
use crate::program::{self, Program};
use chunkwise_algebra::program::{KeysId, Member, Program as Chunk, System, SystemId};
use chunkwise_dsl::graph::{Dim, Expr, Shape, Value};

/// How a system's rows are made.
#[derive(Clone, PartialEq, Debug)]
pub struct Substitution {
    /// The system.
    pub system: SystemId,
    /// A token's rows, as its outputs.
    pub program: Program,
    /// Whose rows these are: members of the system, and their slots, in the order of the token's events.
    pub places: Vec<(usize, usize)>,
    /// What [`program::Op::Kept`] is, by number.
    pub kept: Vec<Kept>,
    /// Scalars that are computed before: the slots of a coefficient.
    pub numbers: Vec<Value>,
    /// Whether a row's channels meet.
    pub mixes: bool,
    /// Where a row lives: 16 lanes, a channel each, or a whole warp.
    pub layout: Layout,
}

/// Where a value lies that was computed before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// A slot of [`Substitution::numbers`].
    Number(usize),
    /// A row: the one slot of an operand.
    Row(Value),
}

/// Whether a system is of matrix states alone.
pub(super) fn supported(chunk: &Chunk) -> Result<(), Limitation> {
    let t = &chunk.timeline;
    let is_vector = |keys: KeysId| t.form(chunk.keys(keys).state).value.is_none();
    for system in &chunk.systems {
        if system.members.iter().any(|m| is_vector(m.keys)) {
            return not_fused(t, "has feedback of a vector state that is not linear");
        }
        if system.sought.iter().any(|s| is_vector(s.keys)) {
            return not_fused(t, "has feedback that is not linear and uses reads of a vector state");
        }
    }
    Ok(())
}

/// Every value that a system's rows and reads are made from.
pub(super) fn values(system: &System) -> impl Iterator<Item = Value> + '_ {
    let rows = system.members.iter().flat_map(|m| m.values.iter().copied());
    rows.chain(system.sought.iter().flat_map(|s| s.reads.iter().map(|(_, scale)| *scale)))
}

impl Substitution {
    /// Lanes that hold a row's channels.
    pub fn lanes(&self) -> u32 {
        self.layout.lanes
    }

    /// The rows that are computed before.
    pub fn rows(&self) -> impl Iterator<Item = Value> + '_ {
        self.kept.iter().filter_map(|kept| match kept {
            Kept::Row(value) => Some(*value),
            Kept::Number(_) => None,
        })
    }
}

impl Plan {
    pub(super) fn take_substitutions(&mut self) -> Result<(), Limitation> {
        for at in 0..self.chunk.systems.len() {
            let substitution = self.substitution(SystemId(at as u32))?;
            self.substitutions.push(substitution);
        }
        Ok(())
    }

    fn substitution(&self, id: SystemId) -> Result<Substitution, Limitation> {
        let t = &self.chunk.timeline;
        let system = self.chunk.system(id);
        let mut before = Before { plan: self, tainted: tainted(&self.chunk), values: Vec::new() };
        let slots = |(m, member): (usize, &Member)| (0..member.values.len()).map(move |slot| (m, slot));
        let mut places: Vec<(usize, usize)> = system.members.iter().enumerate().flat_map(slots).collect();
        places.sort_by_key(|(m, slot)| self.chunk.keys(system.members[*m].keys).slots[*slot].event);
        let row = |(m, slot): &(usize, usize)| system.members[*m].values[*slot];
        places.iter().map(row).try_for_each(|value| before.visit(value))?;
        let scales = system.sought.iter().flat_map(|s| s.reads.iter().map(|(_, scale)| *scale));
        for scale in scales.filter(|s| t.graph.literal(*s) != Some(1.0)) {
            before.keep(scale);
        }
        let values = before.values;
        let name = |m: &Member| format!("{}_value", t.signature.state(self.chunk.keys(m.keys).state).name);
        let names: Vec<String> = system.members.iter().map(name).collect();
        let roots: Vec<(Value, &str)> = places.iter().map(|p| (row(p), names[p.0].as_str())).collect();
        let program = program::expressions_of(t, &roots, &values)?;
        let mixes = program.nodes.iter().any(|node| node.op.is_reduction());
        let is_number = |v: &Value| t.graph.shape(*v) == Shape::Scalar;
        let numbers: Vec<Value> = values.iter().copied().filter(is_number).collect();
        let kept = |v: &Value| match numbers.iter().position(|n| n == v) {
            Some(slot) => Kept::Number(slot),
            None => Kept::Row(*v),
        };
        let kept = values.iter().map(kept).collect();
        let layout = self.row_layout(mixes);
        Ok(Substitution { system: id, program, places, kept, numbers, mixes, layout })
    }

    /// A lane a channel, or a warp a row: runs of one number, so that lanes' accesses lie side by side.
    fn row_layout(&self, mixes: bool) -> Layout {
        let value = self.dims.1;
        let columns = self.columns(value);
        let lanes = if mixes { 32 } else { WARP_COLUMNS };
        let registers = if mixes { columns.div_ceil(lanes) } else { 1 };
        let covered = if mixes { registers * lanes } else { columns * self.blocks };
        let axis = |(at, axis): (usize, &Axis)| match Dim(at as u32) == value {
            true => Axis {
                size: axis.size,
                side: Side::Lanes,
                run: 1,
                stride: lanes,
                registers,
                padded: covered != axis.size,
            },
            false => *axis,
        };
        let axes = self.layout.axes.iter().enumerate().map(axis).collect();
        Layout { lanes, axes, ..self.layout.clone() }
    }
}

/// What is computed before, as a search from the rows finds it.
struct Before<'a> {
    plan: &'a Plan,
    tainted: Vec<bool>,
    values: Vec<Value>,
}

impl Before<'_> {
    fn keep(&mut self, value: Value) {
        if !self.values.contains(&value) {
            self.values.push(value);
        }
    }

    fn visit(&mut self, value: Value) -> Result<(), Limitation> {
        let t = &self.plan.chunk.timeline;
        let (expr, shape) = (t.graph.expr(value), t.graph.shape(value));
        let free = !self.tainted[value.index()];
        match expr {
            Expr::Const(_) | Expr::Size(_) | Expr::Read(_) => return Ok(()),
            _ if free && shape == Shape::Scalar => {
                self.keep(value);
                return Ok(());
            }
            _ if shape != Shape::Scalar && shape.dims().any(|dim| dim != self.plan.dims.1) => {
                return not_fused(t, "has feedback with vectors of another dim than the state's values");
            }
            Expr::Softmax(_) | Expr::L2norm(_) | Expr::Contract(..) | Expr::Sum(_) if free => {
                self.keep(value);
                return Ok(());
            }
            _ => {}
        }
        expr.operands().try_for_each(|x| self.visit(x))
    }
}

/// What depends on a read.
fn tainted(chunk: &Chunk) -> Vec<bool> {
    chunk.timeline.graph.dependents(|e| matches!(e, Expr::Read(_)))
}
