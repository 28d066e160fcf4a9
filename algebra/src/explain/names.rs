//! Names of matrices: which capital letter stands for which rows.
//!
//! `outer(beta * k, v)` writes along the key `k`, scaled by one number per token: its rows stack to `K`, and `beta` goes
//! to a diagonal matrix beside it. `q - d * k` has no name of its own, so it takes that of its first vector, `Q`, and the
//! legend says what the rows are.
//!
//! One namer owns all names of one explanation, so no two things share one. Numbers that are constant over the chunk stay
//! inside the rows.

use super::formula::Formula;
use super::system::reads_in;
use chunkwise_dsl::graph::{Binary, Expr, ReadId, Shape, StateId, Unary, Value};
use chunkwise_dsl::print::Printer;
use chunkwise_dsl::timeline::Timeline;
use std::collections::{BTreeMap, BTreeSet};

/// Gives out names, each once.
#[derive(Default)]
pub(crate) struct Namer {
    taken: BTreeSet<String>,
}

impl Namer {
    /// The first of `wanted` that is free; otherwise the first of them with primes.
    pub(crate) fn fresh<S: AsRef<str>>(&mut self, wanted: &[S]) -> String {
        let first = wanted.first().map_or("X", |w| w.as_ref());
        let free = wanted.iter().map(|w| w.as_ref()).find(|w| !self.taken.contains(*w));
        let mut name = free.unwrap_or(first).to_string();
        while !self.taken.insert(name.clone()) {
            name.push('\'');
        }
        name
    }
}

/// A matrix as it enters a formula: a sign, one number per token, and the rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stack {
    /// Whether all of it is negated.
    pub(crate) minus: bool,
    /// The product of numbers that differ from token to token, as text.
    pub(crate) scale: Option<String>,
    /// The rows.
    pub(crate) matrix: Formula,
}

/// One line of the legend.
#[derive(Clone)]
pub(crate) struct Rows {
    /// The matrix.
    pub(crate) name: String,
    /// What its row is.
    pub(crate) text: String,
    /// The reads of an earlier pass that it is made of.
    pub(crate) reads: Vec<ReadId>,
}

/// All stacks made so far.
pub(crate) struct Stacks<'a> {
    t: &'a Timeline,
    printer: &'a Printer<'a>,
    varies: Vec<bool>,
    /// The namer of the whole explanation.
    pub(crate) namer: Namer,
    known: BTreeMap<String, String>,
    states: Vec<String>,
    /// The legend, in order of first use.
    pub(crate) rows: Vec<Rows>,
}

impl<'a> Stacks<'a> {
    /// No stack yet; the letters that equations use and the names of states and outputs are taken.
    pub(crate) fn new(t: &'a Timeline, printer: &'a Printer<'a>) -> Self {
        let mut namer = Namer::default();
        ["C", "I", "T", "U", "G", "D", "L", "E"].iter().for_each(|letter| {
            namer.fresh(&[letter]);
        });
        let states = t.signature.states.iter().map(|s| {
            let name = namer.fresh(&[capital(&s.name), s.name.clone()]);
            namer.fresh(&[format!("{name}0")]);
            name
        });
        let states = states.collect();
        for o in &t.signature.outputs {
            namer.fresh(&[capital(&o.name)]);
        }
        Stacks { t, printer, varies: varies(t), namer, known: BTreeMap::new(), states, rows: Vec::new() }
    }

    /// The matrix of a state at the chunk's end; at its start it has a 0 behind.
    pub(crate) fn state(&self, s: StateId) -> &str {
        &self.states[s.index()]
    }

    /// Names an expression early if it has a name of its own, so that no longer one takes its letter.
    pub(crate) fn claim(&mut self, v: Value, role: &str, lane: Option<u32>) {
        let core = self.peel(v, &mut false, &mut Vec::new());
        if let Some(core) = core.filter(|&c| identifier(&generic(&self.printer.show(c), lane)).is_some()) {
            self.name(core, role, lane);
        }
    }

    /// Whether a value differs from token to token.
    pub(crate) fn varies(&self, v: Value) -> bool {
        self.varies[v.index()]
    }

    /// The stack of an expression; `role` names it where nothing else does. `lane` is the array index that stands for
    /// all of them.
    pub(crate) fn stack(&mut self, v: Value, role: &str, lane: Option<u32>) -> Stack {
        let mut minus = false;
        let mut scales = Vec::new();
        let core = self.peel(v, &mut minus, &mut scales);
        let scale = match scales.as_slice() {
            [] => None,
            [one] => Some(generic(&self.printer.show(*one), lane)),
            many => {
                let factors: Vec<String> = many.iter().map(|&s| self.printer.factor(s)).collect();
                Some(generic(&factors.join(" * "), lane))
            }
        };
        let matrix = match core {
            None => Formula::Ones,
            Some(core) => Formula::symbol(self.name(core, role, lane)),
        };
        Stack { minus, scale, matrix }
    }

    /// Takes signs and per-token numbers off a vector; `None` where only ones are left.
    fn peel(&self, v: Value, minus: &mut bool, scales: &mut Vec<Value>) -> Option<Value> {
        let g = &self.t.graph;
        if let Some(c) = g.literal(v).filter(|c| c.abs() == 1.0) {
            *minus ^= c < 0.0;
            return None;
        }
        let is_scalar = |v: Value| g.shape(v) == Shape::Scalar;
        match g.expr(v) {
            Expr::Unary(Unary::Neg, x) => {
                *minus ^= true;
                self.peel(x, minus, scales)
            }
            Expr::Spread(x) if is_scalar(x) => self.peel(x, minus, scales),
            _ if is_scalar(v) => {
                scales.push(v);
                None
            }
            _ if g.names.contains_key(&v) => Some(v),
            Expr::Binary(Binary::Mul, x, y) if is_scalar(x) && self.varies(x) => {
                scales.push(x);
                self.peel(y, minus, scales)
            }
            Expr::Binary(Binary::Mul, x, y) if is_scalar(y) && self.varies(y) => {
                scales.push(y);
                self.peel(x, minus, scales)
            }
            _ => Some(v),
        }
    }

    fn name(&mut self, core: Value, role: &str, lane: Option<u32>) -> String {
        let text = generic(&self.printer.show(core), lane);
        if let Some(name) = self.known.get(&text) {
            return name.clone();
        }
        let mut wanted = Vec::new();
        if let Some(base) = identifier(&text).or_else(|| self.first_vector(core)) {
            wanted.push(capital(&base));
        }
        wanted.push(role.to_string());
        let name = self.namer.fresh(&wanted);
        self.known.insert(text.clone(), name.clone());
        self.rows.push(Rows { name: name.clone(), text, reads: reads_in(self.t, core) });
        name
    }

    /// The name of the first vector input that an expression uses.
    fn first_vector(&self, v: Value) -> Option<String> {
        let g = &self.t.graph;
        match g.expr(v) {
            Expr::Param(p, _) if g.shape(v) != Shape::Scalar => Some(self.t.signature.param(p).name.clone()),
            e => e.operands().find_map(|o| self.first_vector(o)),
        }
    }
}

/// Which values differ from token to token: those that an input of the token, a read or a given enters.
fn varies(t: &Timeline) -> Vec<bool> {
    t.graph.dependents(|e| match e {
        Expr::Param(p, _) => !t.signature.param(p).per_head,
        Expr::Read(_) | Expr::Given(_) => true,
        _ => false,
    })
}

/// `k` to `K`, `kappa` to `Kappa`.
pub(crate) fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `k`, `k_1` (a name that shadows), `k[j]` to `k`; `None` for anything longer.
fn identifier(text: &str) -> Option<String> {
    let base =
        text.trim_end_matches("[j]").trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    let plain = !base.is_empty() && base.chars().all(|c| c.is_alphanumeric() || c == '_');
    plain.then(|| base.to_string()).filter(|b| !b.starts_with(|c: char| c.is_ascii_digit()))
}

/// Text of entry `lane` of an array, written for all entries: `k[0]` to `k[j]`.
pub(crate) fn generic(text: &str, lane: Option<u32>) -> String {
    match lane {
        Some(lane) => text.replace(&format!("[{lane}]"), "[j]"),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_once() {
        let mut namer = Namer::default();
        assert_eq!(namer.fresh(&["K", "A"]), "K");
        assert_eq!(namer.fresh(&["K", "A"]), "A");
        assert_eq!(namer.fresh(&["K", "A"]), "K'");
    }

    #[test]
    fn identifiers_lose_numbers_and_indices() {
        assert_eq!(identifier("k_1").as_deref(), Some("k"));
        assert_eq!(identifier("k[j]").as_deref(), Some("k"));
        assert_eq!(identifier("l2norm(k)"), None);
        assert_eq!(generic("beta[0] * k[0]", Some(0)), "beta[j] * k[j]");
    }
}
