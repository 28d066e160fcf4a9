//! What a warp does for its 16 value columns: reads, the solve, outputs, the next state. Everything is transposed: rows are
//! value columns, columns are rows of stacks. No barrier.

use super::{ClockNames, Fused, registers};
use crate::fused::copy_run;
use crate::kernel::Limitation;
use crate::writer::Writer;
use chunkwise_algebra::program::{Columns, Found, KeysId, NodeId, Op};
use chunkwise_dsl::graph::{Expr, Value};
use std::collections::BTreeMap;

/// How an output leaves the kernel: rows of a matrix, as they are.
pub(super) struct Output {
    /// The matrix and its slot.
    found: Found,
    /// The output's position.
    index: usize,
}

/// Where outputs come from.
///
/// # Errors
/// [`Limitation::NotFused`]: an output that is more than a read.
pub(super) fn outputs(fused: &Fused<'_>) -> Result<Vec<Output>, Limitation> {
    let chunk = &fused.plan.chunk;
    let (t, g) = (&chunk.timeline, &chunk.timeline.graph);
    let of = |(index, value): (usize, &Value)| {
        let found = match g.expr(*value) {
            Expr::Read(r) => chunk.reads.iter().find(|(read, _)| *read == r).map(|(_, found)| *found),
            _ => None,
        };
        found.map(|found| Output { found, index }).ok_or_else(|| {
            Limitation::NotFused(format!(
                "the fused plan of `{}` is not built: output `{}` is more than a read",
                t.signature.name, t.signature.outputs[index].name
            ))
        })
    };
    t.outputs.iter().enumerate().map(of).collect()
}

/// The matrices that a warp has evaluated so far.
struct Warp<'a, 'b> {
    fused: &'a Fused<'b>,
    /// The states as operands, by state.
    states: Vec<String>,
    /// Accumulators, by node.
    known: BTreeMap<NodeId, String>,
    /// Operands, by node.
    packed: BTreeMap<NodeId, String>,
}

pub(super) fn print(fused: &Fused<'_>, outputs: &[Output], w: &mut Writer) {
    let plan = fused.plan;
    w.blank();
    w.comment("This warp's value columns");
    let mut states = Vec::new();
    for state in fused.context.timeline.signature.state_ids() {
        let s = registers(fused, state);
        let operand = fused.fresh(&format!("{s}_operand"));
        w.line(format_args!("unsigned {operand}[{}][4];", fused.key_eighths() / 2));
        w.line(format_args!("pack_pairs<{}>({operand}, {s});", fused.operand()));
        states.push(operand);
    }
    let mut warp = Warp { fused, states, known: BTreeMap::new(), packed: BTreeMap::new() };
    // Outputs may take the place of the values that they are made from.
    for deposit in &plan.chunk.deposits {
        warp.matrix(deposit.values, "u", w);
    }
    for output in outputs {
        warp.output(output, w);
    }
    for (at, deposit) in plan.chunk.deposits.iter().enumerate() {
        let state = plan.chunk.keys(deposit.keys).state;
        let first = plan.chunk.deposits[..at].iter().all(|d| plan.chunk.keys(d.keys).state != state);
        warp.deposit(deposit.keys, deposit.values, first, w);
    }
}

impl Warp<'_, '_> {
    /// Accumulators of a matrix, evaluated where they are new.
    fn matrix(&mut self, node: NodeId, wish: &str, w: &mut Writer) -> String {
        if let Some(name) = self.known.get(&node) {
            return name.clone();
        }
        let name = self.fused.fresh(wish);
        let rows = self.fused.eighths(self.fused.plan.chunk.node(node).rows);
        w.line(format_args!("float {name}[{rows}][4] = {{}};"));
        self.accumulate(node, &name, true, w);
        self.known.insert(node, name.clone());
        name
    }

    /// A matrix as the left operand of a product.
    fn operand(&mut self, node: NodeId, w: &mut Writer) -> String {
        if let Some(name) = self.packed.get(&node) {
            return name.clone();
        }
        let from = self.matrix(node, "u", w);
        let name = self.pack(&from, node, w);
        self.packed.insert(node, name.clone());
        name
    }

    fn pack(&mut self, from: &str, node: NodeId, w: &mut Writer) -> String {
        let name = self.fused.fresh("packed");
        let rows = self.fused.eighths(self.fused.plan.chunk.node(node).rows);
        w.line(format_args!("unsigned {name}[{}][4];", rows / 2));
        w.line(format_args!("pack_pairs<{}>({name}, {from});", self.fused.operand()));
        name
    }

    /// Adds a matrix to `into`, which is zero where `fresh`.
    fn accumulate(&mut self, node: NodeId, into: &str, fresh: bool, w: &mut Writer) {
        let fused = self.fused;
        let e = fused.operand();
        match &fused.plan.chunk.node(node).op {
            Op::Add(x, y) => {
                self.accumulate(*x, into, fresh, w);
                self.accumulate(*y, into, false, w);
            }
            Op::Product(left, right) => {
                let packed = self.operand(*right, w);
                let (tile, slots) = self.square(*left);
                w.line(format_args!("multiply_lower<{e}, {slots}>({into}, {packed}, {tile});"));
            }
            Op::Tap(keys) if fresh || fused.decays(*keys).is_none() => {
                let s = &self.states[fused.plan.chunk.keys(*keys).state.index()];
                w.line(format_args!("multiply_rows<{e}>({into}, {s}, {});", fused.state_keys(*keys)));
                if let Some(rows) = fused.decays(*keys) {
                    w.line(format_args!("scale_columns({into}, {});", rows.from_start));
                }
            }
            Op::Values(rows) if fresh => {
                let tile = fused.plan.operand_of(rows).map_or("", |o| &fused.operands[o]);
                w.line(format_args!("load_columns<{e}>({into}, {tile}, {} * 16);", fused.warp));
            }
            Op::Scale(by, x) if fresh => {
                self.accumulate(*x, into, true, w);
                w.line(format_args!("scale_columns({into}, {});", fused.coefficient(by)));
            }
            _ => {
                let part = self.matrix(node, "part", w);
                w.line(format_args!("add_to({into}, {part});"));
            }
        }
    }

    /// The tile of a product's left side, and its slots a token as template arguments: an inverse is triangular by rows.
    fn square(&self, node: NodeId) -> (&str, String) {
        let (plan, chunk) = (self.fused.plan, &self.fused.plan.chunk);
        let at = plan.squares.iter().position(|s| s.node == node);
        let tile = at.map_or("", |at| &self.fused.squares[at]);
        let of = chunk.node(node);
        let slots = match (&of.op, of.columns) {
            (Op::Inverse(_), _) | (_, Columns::Value(_)) => "1, 1".to_owned(),
            (_, Columns::Rows(writes)) => format!("{}, {}", chunk.slots(of.rows), chunk.slots(writes)),
        };
        (tile, slots)
    }

    fn output(&mut self, output: &Output, w: &mut Writer) {
        let fused = self.fused;
        let (plan, context) = (fused.plan, &fused.context);
        let Found { node, slot, .. } = output.found;
        let known = self.known.contains_key(&node);
        let p = self.matrix(node, "p", w);
        let tile = &fused.output;
        if !known {
            if let Some(by) = plan.scale_of(node) {
                w.line(format_args!("scale_columns({p}, {});", fused.coefficient(&by)));
            }
            w.line("__syncwarp();");
            w.line(format_args!("store_columns<{}>({tile}, {p}, {} * 16);", fused.operand(), fused.warp));
            w.line("__syncwarp();");
        }
        let own = &context.names.outputs[output.index];
        let size = plan.layout.axis(plan.dims.1).size;
        let run = copy_run(size);
        let left = if plan.blocks > 1 { format!("{size} - {}", fused.column) } else { size.to_string() };
        w.line(format_args!(
            "send_columns<{}, {}, {run}>({} + {} * {}, {}, {tile}, {slot}, {} * 16, {}, {left});",
            plan.tokens,
            plan.chunk.slots(plan.chunk.node(node).rows),
            own.at,
            fused.first,
            own.step,
            own.step,
            fused.warp,
            fused.count,
        ));
        w.line("__syncwarp();");
    }

    /// `S^T <- decay S^T + U^T (decay * A)`
    fn deposit(&mut self, keys: KeysId, values: NodeId, first: bool, w: &mut Writer) {
        let fused = self.fused;
        let state = fused.plan.chunk.keys(keys).state;
        let s = registers(fused, state);
        let packed = match fused.decays(keys) {
            None => self.operand(values, w),
            Some(rows) => {
                let u = self.matrix(values, "u", w);
                w.line(format_args!("scale_columns({u}, {});", rows.to_end));
                self.pack(&u, values, w)
            }
        };
        let last = fused.plan.tokens;
        match fused.clock(state).filter(|_| first) {
            Some((_, ClockNames::ByChannel { all, .. })) => {
                w.line(format_args!("scale_columns({s}, {all});"))
            }
            Some((_, ClockNames::Scalar { before, signs, .. })) => {
                let sign = signs.as_ref().map_or(String::new(), |(sign, _)| format!(" * {sign}[{last}]"));
                w.line(format_args!("scale_all({s}, exp2_fast({before}[{last}]){sign});"));
            }
            None => {}
        }
        w.line(format_args!(
            "multiply_columns<{}>({s}, {packed}, {});",
            fused.operand(),
            fused.state_keys(keys)
        ));
    }
}
