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

mod decays;
mod feedback;
mod reads;
mod states;

use super::formula::Formula;
use super::names::{Namer, Stack, Stacks};
use super::system::System;
use chunkwise_dsl::class::Feedback;
use chunkwise_dsl::graph::{ReadId, StateId, Value};
use chunkwise_dsl::print::Printer;
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
    d.earlier_passes();
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

/// One signed sum, term by term.
type Terms = Vec<(bool, Formula)>;

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

    /// Keys that are made of an earlier pass's reads are steps, not inputs: each goes in front of its first user, behind the
    /// reads that it needs.
    fn earlier_passes(&mut self) {
        let mut done = 0;
        while done < self.stacks.rows.len() {
            let rows = self.stacks.rows[done].clone();
            done += 1;
            if rows.reads.is_empty() {
                continue;
            }
            let user = |e: &Equation| e.uses().contains(&rows.name);
            let mut at = self.steps.iter().position(user).unwrap_or(0);
            let mut uses = Vec::new();
            for &r in &rows.reads {
                let name = format!("P{}", r.0);
                if !self.steps.iter().any(|e| e.name == name) {
                    let f = self.read_formula(r, true);
                    self.steps.insert(at, Equation::matrix(name.clone(), f));
                    at += 1;
                }
                uses.push(name);
            }
            let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
            let step = Equation::text(rows.name, rows.text, &uses)
                .note("row by row: the pass before, then this one");
            self.steps.insert(at, step);
        }
    }

    fn legend(&self) -> Vec<(String, String)> {
        let inputs = self.stacks.rows.iter().filter(|r| r.reads.is_empty());
        inputs.map(|r| (r.name.clone(), r.text.clone())).collect()
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
