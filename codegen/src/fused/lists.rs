//! What each list of a plan holds: inputs, operands, coefficients, squares, what tokens compute before and after.
//!
//! ```text
//! M = diag(c0) gram(K', K)      operands: k (an input as it lies in memory)    coefficients: c0    squares: M
//! o = rsqrt(dim(K)) * P         scales of reads are coefficients too; any other output is the epilogue's
//! ```
//!
//! Every list is filled from the chunk program, each value once, in order.

use super::choose::{BLOCK_WARPS, MOST_NUMBERS, not_fused};
use super::plan::{
    ClockKind, Coefficient, Epilogue, Input, Number, Operand, Plan, Reader, Root, Square, WARP_COLUMNS,
    copy_run,
};
use super::substitution;
use crate::dtype::DType;
use crate::kernel::{Limitation, Spec};
use crate::layout;
use crate::program::{self, NodeId as TokenNode};
use chunkwise_algebra::program::{Columns, Node, NodeId, Op, Phase};
use chunkwise_dsl::graph::{Dim, Expr, Value};

impl Plan {
    /// Vector inputs that any product, coefficient or output is made from.
    pub(super) fn take_inputs(&mut self, spec: &Spec) -> Result<(), Limitation> {
        let t = &self.chunk.timeline;
        let live = t.graph.reachable(self.values().chain(t.outputs.iter().copied()));
        let decays = layout::decay_params(t);
        let mut inputs: Vec<Input> = Vec::new();
        for value in t.graph.values().filter(|v| live[v.index()]) {
            let Expr::Param(param, _) = t.graph.expr(value) else { continue };
            let declared = t.signature.param(param);
            let Some(dim) = declared.shape.dims().next() else { continue };
            if declared.per_head || inputs.iter().any(|i| i.param == param) {
                continue;
            }
            // Decays are f32 and used once: they go to registers.
            if decays[param.index()] {
                continue;
            }
            let size = spec.sizes[dim.index()] as u32;
            let (slots, columns, run) = (declared.count.unwrap_or(1), self.columns(dim), copy_run(size));
            inputs.push(Input { param, slots, dim, columns, run });
        }
        inputs.sort_by_key(|i| i.param);
        self.inputs = inputs;
        Ok(())
    }

    /// Scalar inputs, by who reads them.
    pub(super) fn take_numbers(&mut self) {
        let t = &self.chunk.timeline;
        for (program, reader) in [(&self.prologue, Reader::Tokens), (&self.decays, Reader::Decays)] {
            for (node, param, _) in program.inputs(false) {
                let number = Number { param, slots: t.signature.param(param).count.unwrap_or(1), reader };
                if program.node(node).dim.is_none() && !self.numbers.contains(&number) {
                    self.numbers.push(number);
                }
            }
        }
    }

    /// Everything that is computed of a token before the products.
    pub(super) fn values(&self) -> impl Iterator<Item = Value> + '_ {
        let keys = self.chunk.keys.iter().flat_map(|k| k.slots.iter().filter_map(|s| s.key));
        let of_node = |op: &Op| match op {
            Op::Values(rows) => rows.iter().flatten().copied().collect(),
            Op::Scale(by, _) => by.clone(),
            _ => Vec::new(),
        };
        let scales = self.chunk.reads.iter().map(|(_, found)| found.scale);
        let systems = self.chunk.systems.iter().flat_map(substitution::values);
        keys.chain(self.chunk.nodes.iter().flat_map(move |n| of_node(&n.op))).chain(scales).chain(systems)
    }

    pub(super) fn take_operands(&mut self) {
        let (key, value) = self.dims;
        self.chunk.timeline.graph.constant(0.0);
        let mut wanted: Vec<(Vec<Option<Value>>, Dim)> = Vec::new();
        let mut scales: Vec<Vec<Value>> = Vec::new();
        for keys in &self.chunk.keys {
            wanted.push((keys.slots.iter().map(|s| s.key).collect(), key));
        }
        for node in &self.chunk.nodes {
            match &node.op {
                Op::Values(rows) if node.columns == Columns::Value(None) => scales.push(self.numbers(rows)),
                Op::Values(rows) => wanted.push((rows.clone(), value)),
                Op::Scale(by, _) => scales.push(by.clone()),
                _ => {}
            }
        }
        scales.extend(self.chunk.reads.iter().filter_map(|(_, found)| self.scale_of(found.node)));
        for substitution in &self.substitutions {
            scales.extend((!substitution.numbers.is_empty()).then(|| substitution.numbers.clone()));
            wanted.extend(substitution.rows().map(|row| (vec![Some(row)], value)));
        }
        for values in scales {
            if self.coefficient_of(&values).is_none() {
                self.coefficients.push(Coefficient { values });
            }
        }
        for (rows, dim) in wanted {
            if self.operand_of(&rows).is_none() {
                let alias = self.alias(&rows);
                self.operands.push(Operand { columns: self.columns(dim), rows, dim, alias });
            }
        }
    }

    /// The input whose tile is these rows, entry by entry.
    fn alias(&self, rows: &[Option<Value>]) -> Option<usize> {
        let g = &self.chunk.timeline.graph;
        self.inputs.iter().position(|input| {
            let is = |(slot, row): (usize, &Option<Value>)| match row.map(|v| g.expr(v)) {
                Some(Expr::Param(p, entry)) => p == input.param && entry.unwrap_or(0) as usize == slot,
                _ => false,
            };
            rows.len() == input.slots as usize && rows.iter().enumerate().all(is)
        })
    }

    /// The left sides of products, in order.
    pub(super) fn take_squares(&mut self) {
        let product = |node: &Node| match node.op {
            Op::Product(left, _) => Some(left),
            _ => None,
        };
        let sought = self.chunk.systems.iter().flat_map(|s| &s.sought);
        let grams = sought.flat_map(|s| s.grams.iter().copied().flatten());
        let reached = self.chunk.nodes.iter().filter_map(|node| match node.op {
            Op::Reach { reads, writes, .. } => self.gram_of(reads, writes),
            _ => None,
        });
        let products = self.chunk.nodes.iter().filter_map(product);
        let all: Vec<NodeId> = grams.chain(reached).chain(products).collect();
        for left in all {
            if self.square_of(left).is_some() {
                continue;
            }
            let of = self.chunk.node(left);
            let columns = match of.columns {
                Columns::Rows(stack) => self.chunk.slots(stack),
                Columns::Value(_) => 1,
            };
            let (base, decay) = match of.op {
                Op::Decay(to, from, x) => (x, Some((to, from))),
                _ => (left, None),
            };
            let feedback = match self.chunk.node(base).op {
                Op::Inverse(m) => Some(m),
                _ => None,
            };
            let (rows, columns) = (self.rows(self.chunk.slots(of.rows)), self.rows(columns));
            self.squares.push(Square { node: left, base, decay, feedback, rows, columns });
        }
    }

    pub(super) fn take_prologue(&mut self) -> Result<(), Limitation> {
        let mut roots: Vec<(Root, Value)> = Vec::new();
        for (c, coefficient) in self.coefficients.iter().enumerate() {
            roots.extend(coefficient.values.iter().enumerate().map(|(s, v)| (Root::Coefficient(c, s), *v)));
        }
        for (o, operand) in self.operands.iter().enumerate().filter(|(_, o)| o.alias.is_none()) {
            let rows = operand.rows.iter().enumerate();
            roots.extend(rows.filter_map(|(s, v)| Some((Root::Operand(o, s), (*v)?))));
        }
        for (c, clock) in self.clocks.iter().enumerate() {
            match &clock.kind {
                ClockKind::Scalar { factors, .. } => {
                    roots.extend(factors.iter().enumerate().map(|(f, v)| (Root::Decay(c, f), v.value())));
                }
                ClockKind::ByChannel { decay, .. } => roots.push((Root::DecayRow(c), *decay)),
            }
        }
        let channels = self.channel_clocks.iter().enumerate();
        roots.extend(channels.map(|(c, clock)| (Root::ChannelRow(c), clock.decay)));
        for (m, mixing) in self.mixings.iter().enumerate() {
            roots.extend(mixing.token.iter().enumerate().map(|(at, v)| (Root::Mix(m, at), *v)));
            for (table, vectors) in mixing.tables.iter().map(|table| &table.vectors).enumerate() {
                let vectors = vectors.iter().enumerate();
                roots.extend(vectors.map(|(at, v)| (Root::MixVector(m, table, at), *v)));
            }
        }
        for (o, own) in self.own.iter().enumerate() {
            let values = own.values.iter().enumerate();
            roots.extend(values.filter_map(|(at, v)| Some((Root::Own(o, at), (*v)?))));
        }
        let is_decay =
            |(root, _): &(Root, Value)| matches!(root, Root::Decay(..) | Root::Mix(..) | Root::MixVector(..));
        let (decays, rest): (Vec<_>, Vec<_>) = roots.iter().copied().partition(is_decay);
        let alone = program::expressions(&self.chunk.timeline, &wishes(&decays))?;
        let scalars = alone.nodes.iter().all(|node| node.dim.is_none() && !node.op.is_reduction());
        if scalars {
            self.decays = alone;
            self.decay_roots = decays.into_iter().map(|(root, _)| root).collect();
            roots = rest;
        }
        self.prologue = program::expressions(&self.chunk.timeline, &wishes(&roots))?;
        self.roots = roots.into_iter().map(|(root, _)| root).collect();
        Ok(())
    }

    /// Outputs that are reads leave as they are; all others are computed, token by token, from rows of reads.
    pub(super) fn take_epilogue(&mut self) -> Result<(), Limitation> {
        let t = &self.chunk.timeline;
        if t.outputs.is_empty() {
            return Ok(());
        }
        let rows_of = |v: &Value| match t.graph.expr(*v) {
            Expr::Read(r) => {
                self.chunk.reads.iter().find(|(read, _)| *read == r).map(|(_, found)| found.node)
            }
            _ => None,
        };
        let matrix = |node: NodeId| self.chunk.node(node).columns == Columns::Value(Some(self.dims.1));
        // The warps of a second matrix state would read the values whose place outputs take.
        let is_alone = self.owners.iter().filter(|o| o.value.is_some()).all(|o| o.first == self.preparing);
        let as_they_are = t.outputs.iter().all(|v| rows_of(v).is_some_and(matrix));
        if self.dtype != DType::F32 && is_alone && as_they_are {
            let fits = |o: &Operand| o.dim == self.dims.1 && self.rows(o.rows.len()) >= self.output_rows();
            self.output = self.operands.iter().position(fits);
            return Ok(());
        }
        let roots: Vec<(Value, &str)> =
            t.outputs.iter().zip(&t.signature.outputs).map(|(v, o)| (*v, o.name.as_str())).collect();
        let program = program::expressions(t, &roots)?;
        let mut reads: Vec<NodeId> = self.chunk.reads.iter().map(|(_, found)| found.node).collect();
        reads.sort();
        reads.dedup();
        self.epilogue = Some(Epilogue { program, reads });
        Ok(())
    }

    /// Each state has warps of its own.
    pub(super) fn check_warps(&self) -> Result<(), Limitation> {
        match self.warps > BLOCK_WARPS {
            true => not_fused(
                &self.chunk.timeline,
                &format!("has more states than the {BLOCK_WARPS} warps of a block hold"),
            ),
            false => Ok(()),
        }
    }

    /// A sum over the value dim needs all of it in one block.
    pub(super) fn check_reductions(&self) -> Result<(), Limitation> {
        let before = self.computes(Phase::Before).then_some(&self.prologue);
        let after = self.epilogue.iter().map(|e| &e.program).filter(|_| self.computes(Phase::After));
        let rows = self.substitutions.iter().map(|s| &s.program).filter(|_| self.computes(Phase::Carry));
        let reduced = before.into_iter().chain(after).chain(rows).any(|program| {
            let sums = |id: TokenNode| program.node(id).dim == Some(self.dims.1);
            program.nodes.iter().any(|n| n.op.is_reduction() && n.op.operands().any(sums))
        });
        match reduced && self.blocks > 1 {
            true => {
                let [key, value] = [self.dims.0, self.dims.1].map(|dim| self.layout.axis(dim).size);
                not_fused(
                    &self.chunk.timeline,
                    &format!(
                        "sums over value channels, so that a block has all of them, and states of {key} x {value} are more \
                         than it holds: {MOST_NUMBERS} numbers in registers, and {BLOCK_WARPS} warps of {WARP_COLUMNS} \
                         value channels of a state each"
                    ),
                )
            }
            false => Ok(()),
        }
    }
}

/// Roots with what their variables would like to be called.
fn wishes(roots: &[(Root, Value)]) -> Vec<(Value, &'static str)> {
    let wish = |root: &Root| match root {
        Root::Coefficient(..) => "coefficient",
        Root::Operand(..) => "operand",
        Root::Decay(..) | Root::DecayRow(_) | Root::ChannelRow(_) => "decay",
        Root::Mix(..) | Root::MixVector(..) => "mix",
        Root::Own(..) => "own",
    };
    roots.iter().map(|(root, v)| (*v, wish(root))).collect()
}
