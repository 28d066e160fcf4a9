//! What reads give back to writes, by the class of the function between them.
//!
//! ```text
//! linear, one stack     T = (I - C L)⁻¹            U = T (X + C (what the reads see without U))
//! linear, several       the same over interleaved rows, in blocks
//! any function          row by row: p_t = E_t + sum_s L_ts u_s,  u_t = f(p_t)
//! ```

use super::super::formula::Formula;
use super::super::names::generic;
use super::{Body, Derivation, Equation, Terms};
use chunkwise_dsl::class::Feedback;
use chunkwise_dsl::graph::{Expr, Unary, Value};

impl Derivation<'_, '_> {
    pub(super) fn feedback(&mut self) {
        let writes = self.s.feedback_writes();
        let widest = writes.iter().map(|&w| self.s.writes[w].feedback).max();
        match widest {
            None | Some(Feedback::None) => {}
            Some(Feedback::Linear) if self.lanes.is_some() || writes.len() == 1 => self.solve(writes[0]),
            Some(Feedback::Linear) => self.solve_blocks(&writes),
            Some(_) => self.substitute(&writes),
        }
    }

    /// One stack of writes with linear feedback: `T = (I - sum c L)⁻¹`, `U = T (X + sum c (P without U))`.
    pub(super) fn solve(&mut self, w: usize) {
        let (inverse, right) = self.system_row(w, &[w]);
        let left = Formula::sum([(false, Formula::Identity)].into_iter().chain(inverse));
        let left = left.unwrap_or(Formula::Identity);
        self.steps.push(
            Equation::matrix("T", Formula::Inverse(Box::new(left)))
                .note("unit lower triangular: one solve a chunk"),
        );
        let right = Formula::sum(right).unwrap_or(Formula::Identity);
        self.steps.push(Equation::matrix("U", Formula::product([Formula::symbol("T"), right])));
    }

    /// The row of the system `(I - C L) U = X + C (rest of P)` that belongs to write `w`: the terms of `- C L` for each of
    /// `columns`, and the right side. Value-side decays go to units of the write's place.
    pub(super) fn system_row(&mut self, w: usize, columns: &[usize]) -> (Terms, Terms) {
        let lane = self.is_lane_write(w).then_some(0);
        let parts = self.s.parts[w].clone();
        let mut left = Vec::new();
        let mut right = Vec::new();
        if let Some(x) = parts.constant {
            right.push(self.constant_rows(w, x, lane));
        }
        for (r, c) in parts.terms {
            let (minus, factor) = self.coefficient(c, lane);
            let read = self.read_stack(r);
            let minus = minus ^ read.minus;
            let scale = read.scale.map(Formula::Diag);
            let scaled = |f: Formula| Formula::product(factor.iter().chain(&scale).cloned().chain([f]));
            for &column in columns {
                if let Some(gram) = self.gram(r, column) {
                    let key_minus = self.write_stack(column).minus;
                    left.push((!(minus ^ key_minus), scaled(gram)));
                }
            }
            let rest = Formula::sum(self.read_terms(r, false)).unwrap_or(Formula::Identity);
            right.push((minus, scaled(rest)));
        }
        (left, right)
    }

    /// The part of a write's value that is free of reads, as rows with a sign.
    pub(super) fn constant_rows(&mut self, w: usize, x: Value, lane: Option<u32>) -> (bool, Formula) {
        let tap = self.s.writes[w].tap.clone();
        let decay = self.value_decay(tap.state, tap.place, true);
        let stack = self.stacks.stack(x, "X", lane);
        let rows = Formula::hadamard([stack.matrix].into_iter().chain(decay));
        match stack.scale {
            Some(scale) => (stack.minus, Formula::product([Formula::Diag(scale), rows])),
            None => (stack.minus, rows),
        }
    }

    /// A coefficient's sign and the rest of it; nothing where that is one.
    fn coefficient(&self, c: Value, lane: Option<u32>) -> (bool, Option<Formula>) {
        let g = &self.s.t.graph;
        if let Some(x) = g.literal(c) {
            return (x < 0.0, (x.abs() != 1.0).then(|| Formula::Number(x.abs().to_string())));
        }
        let (minus, core) = match g.expr(c) {
            Expr::Unary(Unary::Neg, x) => (true, x),
            _ => (false, c),
        };
        let text = generic(&self.printer.show(core), lane);
        (minus, Some(if self.stacks.varies(core) { Formula::Diag(text) } else { Formula::Number(text) }))
    }

    /// Several different writes with linear feedback: one solve over their rows, interleaved in token order.
    pub(super) fn solve_blocks(&mut self, writes: &[usize]) {
        let mut blocks = Vec::new();
        let mut rights = Vec::new();
        for (i, &w) in writes.iter().enumerate() {
            let mut row = Vec::new();
            for (j, &column) in writes.iter().enumerate() {
                let (left, _) = self.system_row(w, &[column]);
                let block = Formula::sum(left);
                row.push(block.map(|f| {
                    let name = self.stacks.namer.fresh(&[format!("L{i}{j}")]);
                    self.steps.push(Equation::matrix(name.clone(), f));
                    Formula::symbol(name)
                }));
            }
            blocks.push(row);
            let (_, right) = self.system_row(w, &[]);
            rights.push(vec![Formula::sum(right)]);
        }
        let left = Formula::Sum(vec![(false, Formula::Identity), (false, Formula::Blocks(blocks))]);
        self.steps.push(
            Equation::matrix("T", Formula::Inverse(Box::new(left)))
                .note("unit lower triangular in token order: one solve a chunk"),
        );
        for (i, right) in rights.iter_mut().enumerate() {
            if let Some(f) = right[0].take() {
                let name = self.stacks.namer.fresh(&[format!("R{i}")]);
                self.steps.push(Equation::matrix(name.clone(), f));
                right[0] = Some(Formula::symbol(name));
            }
        }
        let stacked: Vec<Vec<Option<Formula>>> =
            writes.iter().map(|&w| vec![Some(Formula::symbol(self.name_of(w)))]).collect();
        let left = Formula::Blocks(stacked).to_string();
        let product = Formula::product([Formula::symbol("T"), Formula::Blocks(rights)]);
        self.steps.push(Equation::matrix(left, product));
    }

    /// Feedback through a function: row by row inside the chunk.
    pub(super) fn substitute(&mut self, writes: &[usize]) {
        let reads = self.s.feedback_reads();
        let mut lines = Vec::new();
        let mut uses = Vec::new();
        for &r in &reads {
            let suffix = if reads.len() == 1 { String::new() } else { format!("{}", r.0) };
            let terms = self.read_terms(r, false);
            let name =
                if suffix.is_empty() { "E".into() } else { self.stacks.namer.fresh(&[format!("E{suffix}")]) };
            let sum = Formula::sum(terms).unwrap_or(Formula::Identity);
            self.steps.push(
                Equation::matrix(name.clone(), sum).note("all that reads see but this chunk's feedback"),
            );
            let mut seen = vec![format!("{name}_t")];
            uses.push(name);
            for &w in writes {
                if let Some(gram) = self.gram(r, w) {
                    let n = if writes.len() == 1 {
                        suffix.clone()
                    } else {
                        format!("{suffix}{}", &self.name_of(w)[1..])
                    };
                    let name =
                        if n.is_empty() { "L".into() } else { self.stacks.namer.fresh(&[format!("L{n}")]) };
                    self.steps.push(Equation::matrix(name.clone(), gram));
                    let minus = self.write_stack(w).minus;
                    let row = self.name_of(w).to_lowercase();
                    seen.push(format!("{} Σ_s {name}_ts {row}_s", if minus { "-" } else { "+" }));
                    uses.push(name);
                }
            }
            let read = self.s.reads[r.index()].clone();
            let decay = self.value_decay(read.state, read.place, false);
            let sum = seen.join(" ");
            let scaled = match (decay, self.read_stack(r).scale) {
                (None, None) => sum,
                (Some(d), None) => format!("{d}_t * ({sum})"),
                (None, Some(x)) => format!("{x} * ({sum})"),
                (Some(d), Some(x)) => format!("{x} * {d}_t * ({sum})"),
            };
            lines.push((read.place.event, format!("p{} = {scaled}", r.0)));
        }
        let mut names = Vec::new();
        for &w in writes {
            let name = self.name_of(w);
            let tap = self.s.writes[w].tap.clone();
            let value = self.printer.show(self.s.writes[w].value);
            let stored = match self.value_decay(tap.state, tap.place, true) {
                Some(d) => format!("{d}_t * ({value})"),
                None => value,
            };
            lines.push((tap.place.event, format!("{} = {stored}", name.to_lowercase())));
            names.push(name);
        }
        // In the token's own order: a read may see what the token has written just before.
        lines.sort_by_key(|(event, _)| *event);
        let lines = lines.into_iter().map(|(_, line)| line).collect();
        let equation = Equation {
            name: names.join(", "),
            body: Body::Rows { lines, uses },
            note: "row by row, t = 1 .. C; the sums need earlier rows only".into(),
        };
        self.steps.push(equation);
    }
}
