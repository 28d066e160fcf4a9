//! The printer of chunk programs: the text that people and golden files read.
//!
//! ```text
//! token = decay(s, exp(g)), p0, u0, p1
//! K     = k at u0                           keys: what they are, and the read or write that they belong to
//! K'    = k at p0
//! Q     = q at p1
//! V     = v
//! c0    = beta                              coefficients, a number a row
//! c1    = -beta
//! M     = diag(c1) gram(K', K)
//! R     = diag(c0) V + diag(c1) tap(K')
//! U     = inverse(M) R
//! P     = tap(Q) + gram(Q, K) U
//! s     = carry(s) + deposit(K, U)
//! p1    = P
//! o     = p1
//! ```
//!
//! Several rows a token print as a list, by slot. Matrices bear the names of the inputs that they are made of; one that is used
//! once stands where it is used, unless it is inverted or leaves the chunk.

use super::verify::operands;
use super::walk::reaches;
use super::{Columns, Keys, KeysId, NodeId, Op, Program, SystemId};
use chunkwise_dsl::graph::{Expr, StateId, Value};
use chunkwise_dsl::print::{Printer, event};
use chunkwise_dsl::timeline::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The program's text, one line a definition.
pub fn print(program: &Program) -> String {
    let t = &program.timeline;
    let roots = program.roots();
    let printer = Printer::new(&t.signature, &t.graph, &t.givens, &roots);
    let mut text = Text { p: program, printer, names: Names::new(program), lines: Vec::new() };
    text.lines.extend(text.printer.definitions());
    text.token();
    text.operands();
    for id in (0..program.nodes.len() as u32).map(NodeId) {
        text.matrix(id);
    }
    text.ends();
    let width = text.lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, definition) in &text.lines {
        let between = if name.is_empty() { "   " } else { " = " };
        let _ = writeln!(out, "{name:width$}{between}{definition}");
    }
    out
}

struct Text<'a> {
    p: &'a Program,
    printer: Printer<'a>,
    names: Names,
    /// Names and definitions; no name goes on with the line before.
    lines: Vec<(String, String)>,
}

impl Text<'_> {
    fn line(&mut self, name: impl Into<String>, definition: impl Into<String>) {
        self.lines.push((name.into(), definition.into()));
    }

    /// One text a slot, as a list where there are several.
    fn list(&self, slots: impl IntoIterator<Item = String>) -> String {
        let slots: Vec<String> = slots.into_iter().collect();
        if slots.len() == 1 { slots.concat() } else { format!("[{}]", slots.join(", ")) }
    }

    fn values(&self, values: impl IntoIterator<Item = Option<Value>>) -> String {
        self.list(values.into_iter().map(|v| v.map_or("0".into(), |v| self.printer.show(v))))
    }

    /// The token's events in order: decays and mixes as they are, reads and writes by name.
    fn token(&mut self) {
        let t = &self.p.timeline;
        let events = t.events.iter().enumerate().map(|(n, e)| match e {
            Event::Read(_) | Event::Write { .. } => place(self.p, n),
            e => event(t, &self.printer, e),
        });
        let events = events.collect::<Vec<_>>().join(", ");
        self.line("token", events);
    }

    /// Definitions of keys, values and coefficients.
    fn operands(&mut self) {
        for (keys, name) in self.p.keys.iter().zip(self.names.keys.clone()) {
            let what = self.values(keys.slots.iter().map(|s| s.key));
            let places = self.list(keys.slots.iter().map(|s| place(self.p, s.event)));
            self.line(name, format!("{what} at {places}"));
        }
        for (values, name) in self.names.values.clone() {
            let what = self.values(values);
            self.line(name, what);
        }
        for (values, name) in self.names.coefficients.clone() {
            if self.number(&values).is_some() {
                continue;
            }
            let what = self.list(values.iter().map(|v| self.printer.show(*v)));
            self.line(name, what);
        }
    }

    fn matrix(&mut self, id: NodeId) {
        let Some(name) = self.names.nodes.get(&id).cloned() else { return };
        match self.p.node(id).op {
            Op::Solved(system, 0) => self.system(system),
            Op::Solved(..) | Op::Values(_) => {}
            _ => {
                let definition = self.expand(id, false);
                self.line(name, definition);
            }
        }
    }

    /// The literal that every row is multiplied by.
    fn number(&self, by: &[Value]) -> Option<Value> {
        let same = by.iter().all(|c| *c == by[0]) && self.p.timeline.graph.literal(by[0]).is_some();
        same.then(|| by[0])
    }

    /// `X`, where the matrix is `-1 X` and has no name.
    fn negated(&self, id: NodeId) -> Option<NodeId> {
        let Op::Scale(by, x) = &self.p.node(id).op else { return None };
        let literal = self.p.timeline.graph.literal(self.number(by)?);
        (literal == Some(-1.0) && !self.names.nodes.contains_key(&id)).then_some(*x)
    }

    fn name(&self, id: NodeId) -> String {
        self.names.nodes.get(&id).cloned().unwrap_or_default()
    }

    /// The name of a system's member.
    fn member(&self, system: SystemId, member: usize) -> String {
        let node = self.p.nodes.iter().position(|n| n.op == Op::Solved(system, member));
        node.map_or_else(|| "?".into(), |n| self.name(NodeId(n as u32)))
    }

    fn system(&mut self, id: SystemId) {
        let system = self.p.system(id);
        let names: Vec<String> = (0..system.members.len()).map(|m| self.member(id, m)).collect();
        self.line(names.join(", "), "rows in order:");
        for sought in &system.sought {
            let mut sum = self.show(sought.found, false);
            for (gram, name) in sought.grams.iter().zip(&names) {
                if let Some(gram) = gram {
                    let _ = write!(sum, " + {} {name}", self.show(*gram, true));
                }
            }
            let reads = self.list(sought.reads.iter().map(|(r, _)| r.to_string()));
            let one = |v: &Value| self.p.timeline.graph.literal(*v) == Some(1.0);
            let definition = match sought.reads.iter().all(|(_, scale)| one(scale)) {
                true => format!("{reads} = {sum}"),
                false => {
                    let scales = self.list(sought.reads.iter().map(|(_, scale)| self.printer.factor(*scale)));
                    format!("{reads} = {scales} * ({sum})")
                }
            };
            self.line("", definition);
        }
        for member in &system.members {
            for (slot, value) in self.p.keys(member.keys).slots.iter().zip(&member.values) {
                let definition = format!("{} = {}", place(self.p, slot.event), self.printer.show(*value));
                self.line("", definition);
            }
        }
    }

    /// A matrix where it is used, in parentheses where it is a sum that is a `factor`.
    fn show(&self, id: NodeId, factor: bool) -> String {
        match self.names.nodes.get(&id) {
            Some(name) => name.clone(),
            None => self.expand(id, factor),
        }
    }

    fn expand(&self, id: NodeId, factor: bool) -> String {
        let keys = |k: &KeysId| &self.names.keys[k.index()];
        match &self.p.node(id).op {
            Op::Values(values) => self.names.of_values(values),
            Op::Scale(by, x) => match self.number(by) {
                Some(number) => format!("{} {}", self.printer.factor(number), self.show(*x, true)),
                None => format!("diag({}) {}", self.names.of_coefficients(by), self.show(*x, true)),
            },
            Op::Add(x, y) => {
                let sum = match self.negated(*y) {
                    Some(y) => format!("{} - {}", self.show(*x, false), self.show(y, true)),
                    None => format!("{} + {}", self.show(*x, false), self.show(*y, false)),
                };
                if factor { format!("({sum})") } else { sum }
            }
            Op::Gram(reads, writes) => format!("gram({}, {})", keys(reads), keys(writes)),
            Op::Tap(reads) => format!("tap({})", keys(reads)),
            Op::Inverse(m) => format!("inverse({})", self.show(*m, false)),
            Op::Product(x, y) => format!("{} {}", self.show(*x, true), self.show(*y, true)),
            Op::Reach { reads, writes, values } => {
                format!("reach({}, {}, {})", keys(reads), keys(writes), self.show(*values, false))
            }
            Op::Solved(system, member) => self.member(*system, *member),
        }
    }

    /// States at the end, reads and outputs.
    fn ends(&mut self) {
        let t = &self.p.timeline;
        let reaches = reaches(t);
        for to in t.signature.state_ids() {
            let name = |s: StateId| t.signature.state(s).name.as_str();
            let from = |s: StateId| reaches[s.index()][to.index()];
            let carried: Vec<&str> = t.signature.state_ids().filter(|s| from(*s)).map(name).collect();
            let mut sum = format!("carry({})", carried.join(", "));
            for deposit in self.p.deposits.iter().filter(|d| from(self.p.keys(d.keys).state)) {
                let keys = &self.names.keys[deposit.keys.index()];
                let _ = write!(sum, " + deposit({keys}, {})", self.show(deposit.values, false));
            }
            self.line(name(to), sum);
        }
        for (r, found) in &self.p.reads {
            let row = match self.p.slots(self.p.node(found.node).rows) {
                1 => self.name(found.node),
                _ => format!("{}[{}]", self.name(found.node), found.slot),
            };
            let definition = match t.graph.literal(found.scale) {
                Some(1.0) => row,
                _ => format!("{} * {row}", self.printer.factor(found.scale)),
            };
            self.line(r.to_string(), definition);
        }
        for (output, &v) in t.signature.outputs.iter().zip(&t.outputs) {
            let definition = self.printer.show(v);
            self.line(&output.name, definition);
        }
    }
}

/// The read or write of an event: `p0`, `u0`.
fn place(p: &Program, event: usize) -> String {
    match &p.timeline.events[event] {
        Event::Read(r) => r.to_string(),
        _ => {
            let writes = p.timeline.events[..event].iter().filter(|e| matches!(e, Event::Write { .. }));
            format!("u{}", writes.count())
        }
    }
}

/// Names of everything that is defined once.
struct Names {
    keys: Vec<String>,
    /// Stacks of values, each once.
    values: Vec<(Vec<Option<Value>>, String)>,
    coefficients: Vec<(Vec<Value>, String)>,
    nodes: BTreeMap<NodeId, String>,
}

impl Names {
    fn new(p: &Program) -> Self {
        let signature = &p.timeline.signature;
        let mut taken: BTreeSet<String> = signature.params.iter().map(|p| p.name.clone()).collect();
        taken.extend(signature.states.iter().map(|s| s.name.clone()));
        taken.extend(p.timeline.graph.names.values().cloned());
        let mut unique = |mut name: String| {
            while !taken.insert(name.clone()) {
                name.push('\'');
            }
            name
        };
        let keys = p.keys.iter().map(|k| unique(of_keys(p, k))).collect();
        let mut names = Names { keys, values: Vec::new(), coefficients: Vec::new(), nodes: BTreeMap::new() };
        for node in &p.nodes {
            match &node.op {
                Op::Values(values) if !names.values.iter().any(|(v, _)| v == values) => {
                    let name = of_inputs(p, values.iter().flatten().copied()).unwrap_or("X".into());
                    names.values.push((values.clone(), unique(name)));
                }
                Op::Scale(by, _) if !names.coefficients.iter().any(|(c, _)| c == by) => {
                    let name = unique(format!("c{}", names.coefficients.len()));
                    names.coefficients.push((by.clone(), name));
                }
                _ => {}
            }
        }
        let letters = letters(p);
        for (id, letter) in &letters {
            let alike: Vec<NodeId> =
                letters.iter().filter(|(_, l)| *l == letter).map(|(id, _)| *id).collect();
            let name = match alike.as_slice() {
                [_] => letter.to_string(),
                many => format!("{letter}{}", many.iter().filter(|other| *other < id).count()),
            };
            names.nodes.insert(*id, unique(name));
        }
        names
    }

    fn of_values(&self, values: &[Option<Value>]) -> String {
        self.values.iter().find(|(v, _)| v == values).map_or_else(|| "?".into(), |(_, name)| name.clone())
    }

    fn of_coefficients(&self, by: &[Value]) -> String {
        self.coefficients.iter().find(|(c, _)| c == by).map_or_else(|| "?".into(), |(_, name)| name.clone())
    }
}

/// The matrices with a name of their own, and its letter.
fn letters(p: &Program) -> BTreeMap<NodeId, char> {
    let mut uses = vec![0; p.nodes.len()];
    p.nodes.iter().flat_map(|n| operands(p, &n.op)).for_each(|x| uses[x.index()] += 1);
    let ids = (0..p.nodes.len() as u32).map(NodeId);
    let shared = ids.clone().filter(|id| uses[id.index()] > 1).map(|id| match p.node(id).columns {
        Columns::Rows(_) => (id, 'L'),
        Columns::Value(_) => (id, 'X'),
    });
    let special = ids.filter_map(|id| match p.node(id).op {
        Op::Inverse(m) => Some((m, 'M')),
        Op::Product(x, y) if matches!(p.node(x).op, Op::Inverse(_)) => Some((y, 'R')),
        Op::Solved(..) => Some((id, 'U')),
        _ => None,
    });
    let deposited = p.deposits.iter().map(|d| (d.values, 'U'));
    let found = p.reads.iter().map(|(_, found)| (found.node, 'P'));
    // Where a matrix is several of these, the last one names it; values have names already.
    let mut letters: BTreeMap<NodeId, char> = shared.chain(special).chain(deposited).chain(found).collect();
    letters.retain(|id, _| !matches!(p.node(*id).op, Op::Values(_)));
    letters
}

fn of_keys(p: &Program, keys: &Keys) -> String {
    let name = of_inputs(p, keys.slots.iter().filter_map(|s| s.key));
    name.unwrap_or_else(|| "B".into())
}

/// The input that all the values are made of, or the user's name of the one value, as a matrix.
fn of_inputs(p: &Program, values: impl Iterator<Item = Value>) -> Option<String> {
    let g = &p.timeline.graph;
    let values: Vec<Value> = values.collect();
    if let ([v], true) = (values.as_slice(), values.iter().any(|v| g.names.contains_key(v))) {
        return g.names.get(v).map(|name| name.to_uppercase());
    }
    let live = g.reachable(values);
    let leaves = g.values().filter(|v| live[v.index()]).filter_map(|v| match g.expr(v) {
        Expr::Param(param, _) => Some(p.timeline.signature.param(param).name.to_uppercase()),
        _ => None,
    });
    let leaves: BTreeSet<String> = leaves.collect();
    if leaves.len() == 1 { leaves.into_iter().next() } else { None }
}
