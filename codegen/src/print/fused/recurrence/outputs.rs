//! What leaves a warp in a chunk: outputs, rows for the epilogue, or what another kernel makes outputs from.
//!
//! ```text
//! every output a read     scale_columns(p, ..);  store_columns(tile, p);  send_columns(o, tile)      16-byte stores
//! any other               store_wide(reads, p)                                                       (`epilogue`)
//! the carry alone         give_operand(..), give_rows(..)                                            (`handed`)
//! ```

use super::Warp;
use crate::fused::{Held, copy_run};
use crate::print::fused::{Packed, handed};
use crate::writer::Writer;
use chunkwise_algebra::program::{Found, NodeId, Phase};
use chunkwise_dsl::graph::{Expr, ReadId};

impl Warp<'_, '_> {
    /// Outputs, or what another kernel makes them from.
    pub(super) fn outputs(&mut self, w: &mut Writer) {
        match &self.fused.plan.epilogue {
            _ if self.fused.plan.hands_on() => self.hand_on(w),
            None => self.send_outputs(w),
            Some(epilogue) => self.keep_reads(&epilogue.reads, w),
        }
    }

    /// The same where nothing of it may be loaded while the solve's products are alive: compilers keep what is behind a branch
    /// there, and this one is always taken.
    pub(super) fn outputs_behind_branch(&mut self, w: &mut Writer) {
        let fused = self.fused;
        let Some(output) = fused.context.names.outputs.first().filter(|_| fused.plan.computes(Phase::After))
        else {
            return self.outputs(w);
        };
        let outside = (self.known.clone(), self.packed.clone());
        w.comment("Always; what is behind a branch takes no register before it");
        w.block(format_args!("if ({})", output.pointer), |w| self.outputs(w));
        // Names of the block are no longer there.
        (self.known, self.packed) = outside;
    }

    /// What outputs are made from, for the kernel that makes them.
    fn hand_on(&mut self, w: &mut Writer) {
        let (fused, owner) = (self.fused, self.owner);
        // Stores, and the addresses that they need, stay behind the products: registers suffice for one of both.
        if fused.plan.computes(Phase::Carry) {
            w.line("__syncwarp();");
        }
        for hand in fused.plan.cut.handed.iter().filter(|hand| hand.state == owner.state) {
            let (packed, rows) = match hand.held {
                // It went as it was read.
                Held::State(_) if fused.plan.reads_at_once(owner.state) => (None, None),
                Held::State(state) => (Some(self.first_state(state, w)), None),
                Held::Operand(node) => {
                    let packed = self.operand(node, fused.plan.split, w);
                    (Some(Packed { low: packed.low.filter(|_| fused.plan.rows_split(node)), ..packed }), None)
                }
                Held::Rows(node) => (None, Some(self.matrix(node, "p", w))),
            };
            let to = (owner, self.column.as_str());
            packed.iter().for_each(|packed| handed::give_operand(fused, hand, to, packed, w));
            rows.iter().for_each(|rows| handed::give_rows(fused, hand, to, rows, w));
        }
    }

    /// Whether a matrix of reads is of this warp's state.
    fn reads_here(&self, node: NodeId) -> bool {
        let chunk = &self.fused.plan.chunk;
        let of = |(read, found): &(ReadId, Found)| {
            found.node == node && self.states.contains(&chunk.timeline.read(*read).state)
        };
        chunk.reads.iter().any(of)
    }

    /// Reads, multiplied by what their keys were parted from.
    fn reads(&mut self, node: NodeId, w: &mut Writer) -> String {
        let p = self.matrix(node, "p", w);
        if let Some(by) = self.fused.plan.scale_of(node) {
            w.line(format_args!("scale_columns({p}, {});", self.fused.coefficient(&by)));
        }
        p
    }

    /// Every output is a read: it goes to memory as it is.
    fn send_outputs(&mut self, w: &mut Writer) {
        let fused = self.fused;
        let chunk = &fused.plan.chunk;
        let mut sent: Vec<NodeId> = Vec::new();
        for (index, value) in chunk.timeline.outputs.iter().enumerate() {
            let Expr::Read(r) = chunk.timeline.graph.expr(*value) else { continue };
            let Some((_, found)) = chunk.reads.iter().find(|(read, _)| *read == r) else { continue };
            if !self.reads_here(found.node) {
                continue;
            }
            if !sent.contains(&found.node) {
                let p = self.reads(found.node, w);
                w.line("__syncwarp();");
                w.line(format_args!(
                    "store_columns<{}>({}, {p}, {});",
                    fused.operand(),
                    fused.output,
                    self.column
                ));
                w.line("__syncwarp();");
                sent.push(found.node);
            }
            self.send(index, *found, w);
        }
    }

    fn send(&self, index: usize, found: Found, w: &mut Writer) {
        let fused = self.fused;
        let (plan, own) = (fused.plan, &fused.context.names.outputs[index]);
        let size = plan.layout.axis(plan.dims.1).size;
        let left = if plan.blocks > 1 { format!("{size} - {}", fused.column) } else { size.to_string() };
        w.line(format_args!(
            "send_columns<{}, {}, {}>({} + {} * {}, {}, {}, {}, {}, {}, {left});",
            plan.tokens,
            plan.chunk.slots(plan.chunk.node(found.node).rows),
            copy_run(size),
            own.at,
            fused.first,
            own.step,
            own.step,
            fused.output,
            found.slot,
            self.column,
            fused.count,
        ));
    }

    /// Reads that the epilogue takes.
    fn keep_reads(&mut self, nodes: &[NodeId], w: &mut Writer) {
        for (at, node) in nodes.iter().enumerate() {
            if !self.reads_here(*node) {
                continue;
            }
            let p = self.reads(*node, w);
            let rows = &self.fused.reads[at];
            match self.owner.value {
                Some(_) => w.line(format_args!("store_wide({rows}, {p}, {});", self.column)),
                None => w.line(format_args!("store_numbers({rows}, {p});")),
            }
        }
    }
}
