//! From a timeline to the equations of one chunk.
//!
//! Write `P_r` for the stacked reads and `U_w` for the stacked writes of a chunk, `S0` for the state it starts from. Every
//! rule obeys
//!
//! ```text
//! P_r = (B_r ⊙ e^G) S0 + sum_w L_rw U_w       L_rw: the Gram matrix of B_r and A_w under decay and the causal mask
//! U_w = f_w(inputs, reads of the same token)
//! S   = e^(G_C) S0 + sum_w (A_w ⊙ e^(G_C - G))ᵀ U_w
//! ```
//!
//! and this pass writes those out for the rule at hand, leaving out what is not there: no decay, no mask; no feedback, no
//! solve; linear feedback, one inverse; any other, a substitution row by row. It looks at events only.
//!
//! Source: `math/timeline.py`, `math/substitution.py`, `math/coupled.py` of the design.

use super::formula::Formula;
use super::names::{Namer, Stack, Stacks, capital, generic};
use super::system::{Place, System, Tap};
use chunkwise_dsl::class::Feedback;
use chunkwise_dsl::graph::{Expr, ReadId, StateId, Unary, Value};
use chunkwise_dsl::print::Printer;
use chunkwise_dsl::timeline::{Event, Factor};
use std::collections::BTreeMap;

/// One equation, or one definition that equations use.
#[derive(Clone, Debug)]
pub(crate) struct Equation {
    /// The left side.
    pub(crate) name: String,
    /// The right side.
    pub(crate) body: Body,
    /// A remark for the margin.
    pub(crate) note: String,
}

/// The right side of an equation.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A matrix formula.
    Matrix(Formula),
    /// Text that uses matrices by name, such as a definition entry by entry.
    Text {
        /// The lines.
        lines: Vec<String>,
        /// The matrices in it.
        uses: Vec<String>,
    },
    /// Steps that run once for each row.
    Rows {
        /// The steps.
        lines: Vec<String>,
        /// The matrices in them.
        uses: Vec<String>,
    },
}

impl Equation {
    fn matrix(name: impl Into<String>, f: Formula) -> Self {
        Equation { name: name.into(), body: Body::Matrix(f), note: String::new() }
    }

    fn text(name: impl Into<String>, line: String, uses: &[&str]) -> Self {
        let uses = uses.iter().map(|u| u.to_string()).collect();
        Equation { name: name.into(), body: Body::Text { lines: vec![line], uses }, note: String::new() }
    }

    fn note(mut self, note: &str) -> Self {
        self.note = note.into();
        self
    }

    /// The names that the right side uses.
    pub(crate) fn uses(&self) -> Vec<String> {
        match &self.body {
            Body::Matrix(f) => f.symbols().into_iter().collect(),
            Body::Text { uses, .. } | Body::Rows { uses, .. } => uses.clone(),
        }
    }
}

/// The equations of one chunk.
pub(crate) struct Equations {
    /// What the capital letters stack: name and row.
    pub(crate) rows: Vec<(String, String)>,
    /// Cumulative decays and masks.
    pub(crate) definitions: Vec<Equation>,
    /// The algorithm, in an order in which it can run.
    pub(crate) steps: Vec<Equation>,
    /// The names of the carried states: at the chunk's start and at its end.
    pub(crate) carried: Vec<(String, String)>,
    /// The lanes' count, where several steps a token are one stack.
    pub(crate) lanes: usize,
    /// The namer, for passes that name more.
    pub(crate) namer: Namer,
}

/// Derives the equations.
pub(crate) fn derive(s: &System<'_>, printer: &Printer<'_>) -> Equations {
    let mut d = Derivation {
        s,
        printer,
        stacks: Stacks::new(s.t, printer),
        clock_names: Vec::new(),
        labels: BTreeMap::new(),
        masks: BTreeMap::new(),
        transitions: BTreeMap::new(),
        values: BTreeMap::new(),
        definitions: Vec::new(),
        steps: Vec::new(),
        lanes: s.lanes(),
    };
    d.claim_names();
    d.name_clocks();
    d.feedback();
    d.outputs();
    let carried = d.states();
    d.define();
    Equations {
        rows: d.legend(),
        definitions: d.definitions,
        steps: d.steps,
        carried,
        lanes: d.lanes.as_ref().map_or(1, Vec::len),
        namer: d.stacks.namer,
    }
}

struct Derivation<'a, 's> {
    s: &'s System<'a>,
    printer: &'s Printer<'s>,
    stacks: Stacks<'s>,
    clock_names: Vec<String>,
    /// Names of cumulative decays at other places than the token's end: (clock, place) to name.
    labels: BTreeMap<(usize, usize), String>,
    /// Names of decay masks: (clock, row's place, column's place).
    masks: BTreeMap<(usize, usize, usize), String>,
    /// Names of products of mixes: (to, from, whether the read stands before the token's last mix of them).
    transitions: BTreeMap<(StateId, StateId, Option<usize>), String>,
    /// The stacked values of writes.
    values: BTreeMap<usize, Stack>,
    definitions: Vec<Equation>,
    steps: Vec<Equation>,
    lanes: Option<Vec<(ReadId, usize)>>,
}

impl Derivation<'_, '_> {
    /// Gives plain inputs their own letters before anything else can take them.
    fn claim_names(&mut self) {
        let mut claims: Vec<(usize, Value, &str, Option<u32>)> = Vec::new();
        for (r, read) in self.s.reads.iter().enumerate() {
            let lane = self.lane_of(ReadId(r as u32)).then_some(0);
            claims.push((read.place.event, read.key, "B", lane));
        }
        for (w, write) in self.s.writes.iter().enumerate() {
            let lane = self.is_lane_write(w).then_some(0);
            claims.push((write.tap.place.event, write.tap.key, "A", lane));
            match write.feedback {
                Feedback::None => claims.push((write.tap.place.event, write.value, "X", lane)),
                Feedback::Linear => {
                    claims.extend(self.s.parts[w].constant.map(|c| (write.tap.place.event, c, "X", lane)));
                }
                _ => {}
            }
        }
        claims.sort_by_key(|c| c.0);
        claims.into_iter().for_each(|(_, v, role, lane)| self.stacks.claim(v, role, lane));
    }

    // Decays.

    fn name_clocks(&mut self) {
        for n in 0..self.s.clocks.len() {
            let name = if n == 0 { "G".into() } else { self.stacks.namer.fresh(&["H", "G2", "G3", "G4"]) };
            self.clock_names.push(name);
        }
    }

    /// The name of a clock's cumulative decay at a place.
    fn label(&mut self, clock: usize, place: usize) -> String {
        let name = &self.clock_names[clock];
        if place == self.s.length(clock) {
            return name.clone();
        }
        let label = if place == 0 { format!("{name}⁻") } else { format!("{name}{}", superscript(place)) };
        self.labels.entry((clock, place)).or_insert(label).clone()
    }

    fn mask(&mut self, clock: usize, row: usize, column: usize) -> String {
        if let Some(name) = self.masks.get(&(clock, row, column)) {
            return name.clone();
        }
        let wanted = if self.masks.is_empty() {
            "D".to_string()
        } else {
            self.stacks.namer.fresh(&["D2", "D3", "D4"])
        };
        self.masks.insert((clock, row, column), wanted.clone());
        wanted
    }

    /// `e^(H)` on the value side of a state at a place, with a sign.
    fn value_decay(&mut self, state: StateId, place: Place, minus: bool) -> Option<Formula> {
        let clock = self.s.clock_of[state.index()].1?;
        let label = self.label(clock, place.value);
        Some(exponent(&label, minus))
    }

    // Reads.

    fn lane_of(&self, read: ReadId) -> bool {
        self.lanes.as_ref().is_some_and(|l| l.iter().any(|&(r, _)| r == read))
    }

    fn read_stack(&mut self, r: ReadId) -> Stack {
        let lane = self.lane_of(r).then_some(0);
        let role = if self.s.for_output[r.index()] { "Q" } else { "B" };
        self.stacks.stack(self.s.reads[r.index()].key, role, lane)
    }

    fn write_stack(&mut self, w: usize) -> Stack {
        let lane = self.is_lane_write(w).then_some(0);
        self.stacks.stack(self.s.writes[w].tap.key, "A", lane)
    }

    fn is_lane_write(&self, w: usize) -> bool {
        self.lanes.as_ref().is_some_and(|l| l.iter().any(|&(_, x)| x == w))
    }

    /// What a read sees of the carried states: `(B ⊙ e^G) S0`, its own scale left out.
    fn carried_part(&mut self, r: ReadId) -> Formula {
        let read = self.s.reads[r.index()].clone();
        let b = self.read_stack(r).matrix;
        let mut terms = Vec::new();
        for from in self.s.t.signature.state_ids() {
            if !self.s.reach[read.state.index()][from.index()] {
                continue;
            }
            let decay = self.from_start(&read, from);
            let left = Formula::hadamard([b.clone()].into_iter().chain(decay));
            let start = Formula::symbol(format!("{}0", self.stacks.state(from)));
            terms.push((false, Formula::product([left, start])));
        }
        Formula::sum(terms).unwrap_or(Formula::Identity)
    }

    /// The decay from the chunk's start to a read.
    fn from_start(&mut self, read: &Tap, from: StateId) -> Option<Formula> {
        if self.s.coupled[read.state.index()] {
            let name = self.transition(read.state, from, Some(read.place.event));
            return Some(Formula::symbol(format!("{name}·0")));
        }
        let clock = self.s.clock_of[read.state.index()].0?;
        let label = self.label(clock, read.place.key);
        Some(exponent(&label, false))
    }

    /// The Gram matrix of a read and a write under decay and the causal mask; `None` where they never meet.
    fn gram(&mut self, r: ReadId, w: usize) -> Option<Formula> {
        let read = self.s.reads[r.index()].clone();
        let write = self.s.writes[w].tap.clone();
        if !self.s.meets(&read, &write) {
            return None;
        }
        let (b, a) = (self.read_stack(r).matrix, self.write_stack(w));
        let scale = join_scales([a.scale, self.free_scale(w)]);
        let columns = scale.map(Formula::Diag).unwrap_or(Formula::Identity);
        let clock = self.s.clock_of[read.state.index()].0;
        let inner = match clock {
            _ if self.s.coupled[read.state.index()] => {
                let name = self.transition(read.state, write.state, Some(read.place.event));
                let product = Formula::product([b, a.matrix.transpose(), columns]);
                Formula::hadamard([product, Formula::symbol(name)])
            }
            Some(c) if self.s.clocks[c].wide => {
                let rows = Formula::hadamard([b, exponent(&self.label(c, read.place.key), false)]);
                let cols = Formula::hadamard([a.matrix, exponent(&self.label(c, write.place.key), true)]);
                Formula::product([rows, cols.transpose(), columns])
            }
            Some(c) => {
                let mask = self.mask(c, read.place.key, write.place.key);
                let product = Formula::product([b, a.matrix.transpose(), columns]);
                Formula::hadamard([product, Formula::symbol(mask)])
            }
            None => Formula::product([b, a.matrix.transpose(), columns]),
        };
        let strict = !self.s.sees_own(&read, &write);
        Some(inner.tril(strict))
    }

    /// Numbers per token that scale the value of a write without feedback.
    fn free_scale(&mut self, w: usize) -> Option<String> {
        (self.s.writes[w].feedback == Feedback::None).then(|| self.value_stack(w).scale).flatten()
    }

    /// The stacked value of a write without feedback.
    fn value_stack(&mut self, w: usize) -> Stack {
        if let Some(known) = self.values.get(&w) {
            return known.clone();
        }
        let stack = self.stacks.stack(self.s.writes[w].value, "X", None);
        self.values.insert(w, stack.clone());
        stack
    }

    /// The rows that a write stores, in units of the value-side decay at its place, with its sign.
    fn stored(&mut self, w: usize) -> (bool, Formula) {
        let minus_key = self.write_stack(w).minus;
        if self.s.writes[w].feedback != Feedback::None {
            return (minus_key, Formula::symbol(self.name_of(w)));
        }
        let value = self.value_stack(w);
        let tap = self.s.writes[w].tap.clone();
        let decay = self.value_decay(tap.state, tap.place, true);
        let rows = Formula::hadamard([value.matrix].into_iter().chain(decay));
        (minus_key ^ value.minus, rows)
    }

    /// The name of the stacked value of a write with feedback.
    fn name_of(&self, w: usize) -> String {
        let writes = self.s.feedback_writes();
        if self.lanes.is_some() || writes.len() == 1 {
            return "U".into();
        }
        let n = writes.iter().position(|&x| x == w).unwrap_or(0);
        format!("U{n}")
    }

    /// All of a read but the part through the writes in `skip`: carried state and writes without feedback.
    fn read_terms(&mut self, r: ReadId, with_feedback: bool) -> Vec<(bool, Formula)> {
        let mut terms = vec![(false, self.carried_part(r))];
        let mut writes = self.s.free_writes();
        if with_feedback {
            let lanes_first = self.lanes.as_ref().map(|l| vec![l[0].1]);
            writes.extend(lanes_first.unwrap_or_else(|| self.s.feedback_writes()));
        }
        for w in writes {
            if let Some(gram) = self.gram(r, w) {
                let (minus, rows) = self.stored(w);
                terms.push((minus, Formula::product([gram, rows])));
            }
        }
        terms
    }

    /// A read: its scale, its value-side decay, and everything it sees.
    fn read_formula(&mut self, r: ReadId, with_feedback: bool) -> Formula {
        let stack = self.read_stack(r);
        let read = self.s.reads[r.index()].clone();
        let terms = self.read_terms(r, with_feedback);
        let sum = Formula::sum(terms).unwrap_or(Formula::Identity);
        let decayed = match self.value_decay(read.state, read.place, false) {
            Some(decay) => Formula::hadamard([decay, sum]),
            None => sum,
        };
        let scaled = match stack.scale {
            Some(scale) => Formula::product([Formula::Diag(scale), decayed]),
            None => decayed,
        };
        if stack.minus { Formula::sum([(true, scaled.clone())]).unwrap_or(scaled) } else { scaled }
    }

    // Feedback.

    fn feedback(&mut self) {
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
    fn solve(&mut self, w: usize) {
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
    fn system_row(&mut self, w: usize, columns: &[usize]) -> (Vec<(bool, Formula)>, Vec<(bool, Formula)>) {
        let lane = self.is_lane_write(w).then_some(0);
        let parts = self.s.parts[w].clone();
        let mut left = Vec::new();
        let mut right = Vec::new();
        if let Some(x) = parts.constant {
            right.push(self.constant_rows(w, x, lane));
        }
        for (r, c) in parts.terms {
            let (minus, scale) = self.coefficient(c, lane);
            let read = self.read_stack(r);
            let scale = join_scales([scale, read.scale]);
            let minus = minus ^ read.minus;
            let scaled = |f: Formula| match &scale {
                Some(s) => Formula::product([Formula::Diag(s.clone()), f]),
                None => f,
            };
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
    fn constant_rows(&mut self, w: usize, x: Value, lane: Option<u32>) -> (bool, Formula) {
        let tap = self.s.writes[w].tap.clone();
        let decay = self.value_decay(tap.state, tap.place, true);
        let stack = self.stacks.stack(x, "X", lane);
        let rows = Formula::hadamard([stack.matrix].into_iter().chain(decay));
        match stack.scale {
            Some(scale) => (stack.minus, Formula::product([Formula::Diag(scale), rows])),
            None => (stack.minus, rows),
        }
    }

    /// A coefficient's sign and text; no text where it is one.
    fn coefficient(&self, c: Value, lane: Option<u32>) -> (bool, Option<String>) {
        let g = &self.s.t.graph;
        if let Some(x) = g.literal(c) {
            return (x < 0.0, (x.abs() != 1.0).then(|| x.abs().to_string()));
        }
        match g.expr(c) {
            Expr::Unary(Unary::Neg, x) => (true, Some(generic(&self.printer.show(x), lane))),
            _ => (false, Some(generic(&self.printer.show(c), lane))),
        }
    }

    /// Several different writes with linear feedback: one solve over their rows, interleaved in token order.
    fn solve_blocks(&mut self, writes: &[usize]) {
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
    fn substitute(&mut self, writes: &[usize]) {
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
            lines.push(format!("p{} = {scaled}", r.0));
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
            lines.push(format!("{} = {stored}", name.to_lowercase()));
            names.push(name);
        }
        let equation = Equation {
            name: names.join(", "),
            body: Body::Rows { lines, uses },
            note: "row by row, t = 1 .. C; the sums need earlier rows only".into(),
        };
        self.steps.push(equation);
    }

    // Outputs and states.

    fn outputs(&mut self) {
        let outputs = &self.s.t.outputs;
        let substituted = self.s.writes.iter().any(|w| w.feedback > Feedback::Linear);
        let known = if substituted { self.s.feedback_reads() } else { Vec::new() };
        for r in self.s.output_reads() {
            if known.contains(&r) {
                continue;
            }
            let direct = outputs.iter().position(|&o| self.s.t.graph.expr(o) == Expr::Read(r));
            let name = match direct {
                Some(n) => capital(&self.s.t.signature.outputs[n].name),
                None => format!("P{}", r.0),
            };
            let f = self.read_formula(r, true);
            self.steps.push(Equation::matrix(name, f));
        }
        for (n, &o) in outputs.iter().enumerate() {
            if matches!(self.s.t.graph.expr(o), Expr::Read(r) if !known.contains(&r)) {
                continue;
            }
            let live = self.s.t.graph.reachable([o]);
            let uses: Vec<String> =
                (0..self.s.reads.len())
                    .filter(|&r| {
                        self.s.t.graph.values().any(|v| {
                            live[v.index()] && self.s.t.graph.expr(v) == Expr::Read(ReadId(r as u32))
                        })
                    })
                    .map(|r| {
                        if known.contains(&ReadId(r as u32)) {
                            self.name_of(self.s.feedback_writes()[0])
                        } else {
                            format!("P{r}")
                        }
                    })
                    .collect();
            let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
            let name = self.s.t.signature.outputs[n].name.clone();
            self.steps.push(
                Equation::text(name, self.printer.show(o), &uses)
                    .note("row by row: p is a row of P, fused as epilogue"),
            );
        }
    }

    fn states(&mut self) -> Vec<(String, String)> {
        let mut carried = Vec::new();
        for state in self.s.t.signature.state_ids() {
            let name = self.stacks.state(state).to_string();
            let mut terms = self.kept(state);
            let lanes = self.lanes.clone();
            for w in 0..self.s.writes.len() {
                let repeated = lanes.as_ref().is_some_and(|l| l[1..].iter().any(|&(_, x)| x == w));
                let from = self.s.writes[w].tap.state;
                if !repeated && self.s.reach[state.index()][from.index()] {
                    terms.push(self.end_term(state, w));
                }
            }
            let sum = Formula::sum(terms).unwrap_or(Formula::Identity);
            let value_clock = self.s.clock_of[state.index()].1;
            let f = match value_clock {
                Some(c) => Formula::hadamard([Formula::Exp(format!("{}_C", self.clock_names[c])), sum]),
                None => sum,
            };
            self.steps.push(Equation::matrix(name.clone(), f));
            carried.push((format!("{name}0"), name));
        }
        carried
    }

    /// What a state keeps of the chunk's start.
    fn kept(&mut self, state: StateId) -> Vec<(bool, Formula)> {
        let mut terms = Vec::new();
        for from in self.s.t.signature.state_ids() {
            if !self.s.reach[state.index()][from.index()] {
                continue;
            }
            let start = Formula::symbol(format!("{}0", self.stacks.state(from)));
            let clock = self.s.clock_of[state.index()].0;
            let f = if self.s.coupled[state.index()] {
                let name = self.transition(state, from, None);
                Formula::hadamard([Formula::symbol(format!("{name}·C0")), start])
            } else {
                match clock {
                    Some(c) => Formula::hadamard([Formula::Exp(format!("{}_C", self.clock_names[c])), start]),
                    None => start,
                }
            };
            terms.push((false, f));
        }
        terms
    }

    /// What a write leaves in a state at the chunk's end.
    fn end_term(&mut self, state: StateId, w: usize) -> (bool, Formula) {
        let tap = self.s.writes[w].tap.clone();
        let a = self.write_stack(w);
        let (minus, rows) = self.stored(w);
        let mut scale = join_scales([a.scale, self.free_scale(w)]);
        let mut left = a.matrix;
        if self.s.coupled[state.index()] {
            let name = self.transition(state, tap.state, None);
            scale = join_scales([scale, Some(format!("{name}·C"))]);
        } else if let Some(c) = self.s.clock_of[state.index()].0 {
            let (end, here) = (self.clock_names[c].clone(), self.label(c, tap.place.key));
            left = Formula::hadamard([left, Formula::Exp(format!("{end}_C - {here}"))]);
        }
        let diag = scale.map(Formula::Diag).unwrap_or(Formula::Identity);
        (minus, Formula::product([left.transpose(), diag, rows]))
    }

    // Coupled states.

    /// The name of the mask that carries state `from` to state `to`; `before` is the event that reads, `None` the end.
    fn transition(&mut self, to: StateId, from: StateId, before: Option<usize>) -> String {
        // Reads after the last event that moves the two states see all of the token's mixes.
        let moves = |n: &usize| self.s.t.events.get(*n).is_some_and(|e| self.moves(e, to, from));
        let last = (0..self.s.t.events.len()).filter(moves).max();
        let early = before.filter(|&b| last.is_some_and(|l| b < l));
        let names: Vec<String> =
            [to, from].iter().map(|&s| self.s.t.signature.state(s).name.clone()).collect();
        let mark = if early.is_some() { "⁻" } else { "" };
        let name = format!("Φ{mark}_{}{}", names[0], names[1]);
        self.transitions.entry((to, from, early)).or_insert(name).clone()
    }

    fn moves(&self, event: &Event, to: StateId, from: StateId) -> bool {
        match event {
            Event::Decay { state, .. } => *state == to || *state == from,
            Event::Mix { states, .. } => states.contains(&to) || states.contains(&from),
            _ => false,
        }
    }

    // Definitions.

    fn define(&mut self) {
        for c in 0..self.s.clocks.len() {
            if self.is_used(c) {
                self.define_clock(c);
            }
        }
        for ((c, row, column), name) in self.masks.clone() {
            let (row, column) = (self.label(c, row), self.label(c, column));
            let body = format!("e^({row}_t - {column}_s)");
            self.definitions.push(
                Equation::text(format!("{name}_ts"), body, &[])
                    .note("decay from the write at s to the read at t"),
            );
        }
        if !self.transitions.is_empty() {
            self.define_transitions();
        }
    }

    /// Whether any formula shows a clock (a clock of coupled states is inside their masks instead).
    fn is_used(&self, clock: usize) -> bool {
        self.s
            .clock_of
            .iter()
            .enumerate()
            .any(|(s, &(key, value))| value == Some(clock) || (key == Some(clock) && !self.s.coupled[s]))
    }

    fn define_clock(&mut self, c: usize) {
        let clock = self.s.clocks[c].clone();
        let name = self.clock_names[c].clone();
        let logs: Vec<String> = clock.factors.iter().map(|f| self.logarithm(*f)).collect();
        let constant = clock.factors.iter().all(|f| !self.stacks.varies(f.value()));
        let total = logs.join(" + ");
        let (body, note) = match (constant, clock.wide) {
            (true, false) => {
                (format!("t * {}", product_operand(&total)), "constant decay: the same at every chunk")
            }
            (_, false) => (format!("cumsum({total})"), "cumulative log decay, one number a token"),
            (_, true) => (format!("cumsum({total})"), "cumulative log decay, a row a token"),
        };
        self.definitions.push(Equation::text(name.clone(), body, &[]).note(note));
        let places: Vec<(usize, String)> =
            self.labels.iter().filter(|((k, _), _)| *k == c).map(|((_, p), l)| (*p, l.clone())).collect();
        for (place, label) in places {
            let rest = logs[place..].iter().map(|l| format!(" - {}", product_operand(l))).collect::<String>();
            let note = if place == 0 { "before the token's own decay" } else { "between the token's decays" };
            self.definitions.push(Equation::text(label, format!("{name}{rest}"), &[]).note(note));
        }
    }

    /// The logarithm of a decay factor, as text.
    fn logarithm(&self, factor: Factor) -> String {
        match factor {
            Factor::Log(v) => self.printer.show(v),
            Factor::Raw(v) => format!("log({})", self.printer.show(v)),
        }
    }

    fn define_transitions(&mut self) {
        let mut steps = Vec::new();
        for event in &self.s.t.events {
            let name = |s: &StateId| self.s.t.signature.state(*s).name.clone();
            match event {
                Event::Decay { state, factor } if self.s.coupled[state.index()] => {
                    let factor = match factor {
                        Factor::Log(v) => format!("exp({})", self.printer.show(*v)),
                        Factor::Raw(v) => self.printer.factor(*v),
                    };
                    steps.push(format!("{0} <- {factor} {0}", name(state)));
                }
                Event::Mix { states, matrix } => {
                    for (i, row) in matrix.iter().enumerate() {
                        let is_identity = row.iter().enumerate().all(|(j, m)| match m {
                            Some(v) => i == j && self.s.t.graph.literal(*v) == Some(1.0),
                            None => i != j,
                        });
                        if !is_identity {
                            let terms = row.iter().zip(states).filter_map(|(m, s)| {
                                m.map(|v| match self.s.t.graph.literal(v) {
                                    Some(1.0) => name(s),
                                    _ => format!("{} {}", self.printer.factor(v), name(s)),
                                })
                            });
                            let sum = terms.collect::<Vec<_>>().join(" + ");
                            steps.push(format!("{} <- {sum}", name(&states[i])));
                        }
                    }
                }
                _ => {}
            }
        }
        let wide = self.s.clocks.iter().any(|c| c.wide);
        let mut lines = vec![steps.join(";  ")];
        lines.push("Φ_ij(t, s): what is left in state i at t of a write into state j at s;".into());
        let names: Vec<&String> = self.transitions.values().collect();
        let early = names.iter().any(|n| n.contains('⁻'));
        let tail = if early { "  Φ⁻: at a read before the token's mix;" } else { "" };
        lines.push(format!("Φ·0: from the chunk's start;  Φ·C: at its end;{tail}"));
        for (to, from) in self.chains() {
            let (i, j) =
                (self.s.t.signature.state(to).name.clone(), self.s.t.signature.state(from).name.clone());
            lines.push(format!(
                "Φ_{i}{j} = Φ_{i}{i} Φ_{j}{j}: the product of the two states' own decay masks"
            ));
        }
        if wide {
            lines.push(
                "with key-wise decays there is one Φ for each key channel, inside the Gram matrix".into(),
            );
        }
        self.definitions.push(Equation {
            name: "Φ".into(),
            body: Body::Text { lines, uses: Vec::new() },
            note: String::new(),
        });
    }

    /// Pairs of states where one hands its content to the other, once a token and unscaled, and gets nothing back; decays
    /// stand before, writes between their state's decays and the mix, so that the mask from one to the other is the
    /// matrix product of their own.
    fn chains(&self) -> Vec<(StateId, StateId)> {
        let events = &self.s.t.events;
        let mixes: Vec<usize> =
            (0..events.len()).filter(|&n| matches!(events[n], Event::Mix { .. })).collect();
        let [at] = mixes.as_slice() else { return Vec::new() };
        let Event::Mix { states, matrix } = &events[*at] else { return Vec::new() };
        let one = |m: &Option<Value>| m.is_some_and(|v| self.s.t.graph.literal(v) == Some(1.0));
        let ([to, from], [first, second]) = (states.as_slice(), matrix.as_slice()) else { return Vec::new() };
        if !first.iter().all(one) || second[0].is_some() || !one(&second[1]) {
            return Vec::new();
        }
        let decays = |s: StateId| {
            (0..events.len()).filter(move |&n| matches!(events[n], Event::Decay { state, .. } if state == s))
        };
        let last_decay = decays(*from).max().unwrap_or(0);
        let ordered = events.iter().enumerate().all(|(n, e)| match e {
            Event::Decay { state, .. } if state == to || state == from => n < *at,
            Event::Write { state, .. } if state == from => last_decay <= n && n < *at,
            Event::Write { state, .. } => state != to,
            _ => true,
        });
        if ordered { vec![(*to, *from)] } else { Vec::new() }
    }

    fn legend(&self) -> Vec<(String, String)> {
        self.stacks.rows.iter().map(|r| (r.name.clone(), r.text.clone())).collect()
    }
}

/// `e^x` or `e^-x`.
fn exponent(label: &str, minus: bool) -> Formula {
    Formula::Exp(if minus { format!("-{label}") } else { label.to_string() })
}

/// A sum in parentheses where a product needs it.
fn product_operand(text: &str) -> String {
    if text.contains(' ') && !text.ends_with(')') { format!("({text})") } else { text.to_string() }
}

fn join_scales(scales: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let parts: Vec<String> = scales.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" * "))
}

fn superscript(n: usize) -> String {
    n.to_string()
        .chars()
        .map(|c| ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][c as usize - '0' as usize])
        .collect()
}
