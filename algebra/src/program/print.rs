//! The printer of chunk programs: the text that people and golden files read.
//!
//! ```text
//! token = in order:                         the timeline
//!         decay(s, exp(g))
//!         p0 = read(s)
//!         write(s, u0)
//!         p1 = read(s)
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

use super::build::by_channel;
use super::names::{Names, is_number, with_units};
use super::part::{Part, crossing};
use super::walk::reaches;
use super::{KeysId, NodeId, Op, Phase, Program, Sought, System, SystemId};
use chunkwise_dsl::graph::{ReadId, StateId, Value};
use chunkwise_dsl::print::{Printer, event};
use chunkwise_dsl::timeline::{Event, Timeline};
use std::fmt::Write;

/// The program's text, one line a definition.
pub fn print(program: &Program) -> String {
    let program = &with_units(program);
    text(program, program.roots(), (Part::whole(program), Names::new(program, &[])), true)
}

/// The text of what some phases compute, to be read below the token's own ([`timeline`](chunkwise_dsl::print::timeline)): it leaves
/// out what stands there. What crosses from one phase to another has a name.
pub fn print_phases(program: &Program, phases: &[Phase]) -> String {
    let program = &with_units(program);
    let whole = [Phase::Before, Phase::Carry, Phase::After].iter().all(|phase| phases.contains(phase));
    let part = if whole { Part::whole(program) } else { Part::of(program, phases) };
    let named = if whole { Vec::new() } else { crossing(program) };
    let roots = part.roots(program);
    text(program, roots, (part, Names::new(program, &named)), false)
}

/// What the operations of a text mean, a line each.
pub fn legend(text: &str) -> String {
    let used = MEANINGS.iter().filter(|(form, _)| {
        let name = form.split_inclusive('(').next().unwrap_or(form);
        text.contains(name)
    });
    used.fold(String::new(), |lines, (form, meaning)| format!("{lines}{form:14} {meaning}\n"))
}

/// What prints as a function of keys and matrices.
const MEANINGS: [(&str, &str); 8] = [
    (
        "gram(B, A)",
        "b_t . a_s times the decays and mixes between a write s and a read t after it; otherwise 0",
    ),
    ("plain(B, A)", "b_t . a_s"),
    ("decay(B, A)", "the decays between a write s and what does not come before it, t; otherwise 0"),
    ("tap(B)", "what the reads find of the chunk's first states"),
    ("reach(B, A, U)", "gram(B, A) U, where the channels of U decay as well"),
    ("inverse(M)", "(I - M)^-1, by a solve"),
    ("carry(s)", "what is left of the chunk's first states at its end"),
    ("deposit(A, U)", "what is left at the chunk's end of the rows U that keys A write"),
];

fn text(program: &Program, roots: Vec<Value>, (part, names): (Part, Names), token: bool) -> String {
    // The printer defines what the timeline uses; here that is what the program is made of.
    let used = Timeline { events: Vec::new(), outputs: roots, ..program.timeline.clone() };
    let mut text = Text { p: program, printer: Printer::of(&used), part, names, lines: Vec::new() };
    let known = if token { Vec::new() } else { Printer::of(&program.timeline).definitions() };
    text.lines.extend(text.printer.definitions().into_iter().filter(|line| !known.contains(line)));
    if token {
        text.token();
    }
    text.operands();
    for id in (0..program.nodes.len() as u32).map(NodeId) {
        text.matrix(id);
    }
    if text.part.carries {
        text.states();
    }
    if text.part.ends {
        text.outputs();
    }
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
    part: Part,
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
        let name = |s: StateId| &t.signature.state(s).name;
        let events = t.events.iter().enumerate().map(|(n, e)| match e {
            Event::Read(r) => format!("{} = read({})", place(self.p, n), name(t.read(*r).state)),
            Event::Write { state, .. } => format!("write({}, {})", name(*state), place(self.p, n)),
            e => event(t, &self.printer, e),
        });
        let events: Vec<String> = events.collect();
        self.line("token", "in order:");
        events.into_iter().for_each(|e| self.line("", e));
    }

    /// Definitions of keys, values and coefficients.
    fn operands(&mut self) {
        for (at, name) in self.names.keys.clone().into_iter().enumerate() {
            if !self.part.uses(KeysId(at as u32)) {
                continue;
            }
            let keys = &self.p.keys[at];
            let what = self.values(keys.slots.iter().map(|s| s.key));
            let places = self.list(keys.slots.iter().map(|s| place(self.p, s.event)));
            self.line(name, format!("{what} at {places}"));
        }
        let made: Vec<Op> = self.part.ops(self.p).cloned().collect();
        for (values, name) in self.names.values.clone() {
            if !made.contains(&Op::Values(values.clone())) {
                continue;
            }
            let what = self.values(values);
            self.line(name, what);
        }
        for (values, name) in self.names.coefficients.clone() {
            if !made.iter().any(|op| self.multiplies(op, &values)) {
                continue;
            }
            let what = self.list(values.iter().map(|v| self.printer.show(*v)));
            self.line(name, what);
        }
    }

    /// Whether a matrix is made with these coefficients.
    fn multiplies(&self, op: &Op, coefficients: &[Value]) -> bool {
        match op {
            Op::Scale(by, _) => by == coefficients,
            Op::Solved(system, _) => {
                let sought = &self.p.system(*system).sought;
                sought.iter().any(|s| s.reads.iter().map(|r| r.1).eq(coefficients.iter().copied()))
            }
            _ => false,
        }
    }

    fn matrix(&mut self, id: NodeId) {
        let Some(name) = self.names.nodes.get(&id).cloned().filter(|_| self.part.makes(id)) else { return };
        match self.p.node(id).op {
            Op::Solved(system, 0) => self.system(system),
            Op::Solved(..) | Op::Values(_) => {}
            _ => {
                let definition = self.expand(id, false);
                self.line(name, definition);
            }
        }
    }

    /// What the reads of a system find, and whether that is a sum.
    fn sought(&self, system: &System, sought: &Sought, names: &[String]) -> (String, bool) {
        let mut sum = self.show(sought.found, false);
        let reads = &self.names.keys[sought.keys.index()];
        let mut is_sum = matches!(self.p.node(sought.found).op, Op::Add(..));
        for ((member, gram), name) in system.members.iter().zip(&sought.grams).zip(names) {
            let Some(gram) = gram else { continue };
            is_sum = true;
            let _ = match by_channel(&self.p.timeline, self.p.keys(member.keys).state) {
                true => write!(sum, " + reach({reads}, {}, {name})", self.names.keys[member.keys.index()]),
                false => write!(sum, " + {} {name}", self.show(*gram, true)),
            };
        }
        (sum, is_sum)
    }

    /// `diag(c0)`, or the literal.
    fn coefficient(&self, by: &[Value]) -> String {
        match self.number(by) {
            Some(number) => self.printer.factor(number),
            None => format!("diag({})", self.names.of_coefficients(by)),
        }
    }

    /// The literal that every row is multiplied by.
    fn number(&self, by: &[Value]) -> Option<Value> {
        is_number(self.p, by).then(|| by[0])
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
            let reads = self.list(sought.reads.iter().map(|(r, _)| read(self.p, *r)));
            let scale: Vec<Value> = sought.reads.iter().map(|(_, scale)| *scale).collect();
            let (sum, is_sum) = self.sought(system, sought, &names);
            let definition = match self.number(&scale).and_then(|v| self.p.timeline.graph.literal(v)) {
                Some(1.0) => format!("{reads} = {sum}"),
                _ if is_sum => format!("{reads} = {} ({sum})", self.coefficient(&scale)),
                _ => format!("{reads} = {} {sum}", self.coefficient(&scale)),
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
            Op::Scale(by, x) => format!("{} {}", self.coefficient(by), self.show(*x, true)),
            Op::Add(x, y) => {
                let sum = match self.negated(*y) {
                    Some(y) => format!("{} - {}", self.show(*x, false), self.show(y, true)),
                    None => format!("{} + {}", self.show(*x, false), self.show(*y, false)),
                };
                if factor { format!("({sum})") } else { sum }
            }
            Op::Gram(reads, writes) => format!("gram({}, {})", keys(reads), keys(writes)),
            Op::Plain(reads, writes) => format!("plain({}, {})", keys(reads), keys(writes)),
            Op::Decay(reads, writes, x) => {
                let all = format!("decay({}, {}) .* {}", keys(reads), keys(writes), self.show(*x, true));
                if factor { format!("({all})") } else { all }
            }
            Op::Tap(reads) => format!("tap({})", keys(reads)),
            Op::Inverse(m) => format!("inverse({})", self.show(*m, false)),
            Op::Product(x, y) => format!("{} {}", self.show(*x, true), self.show(*y, true)),
            Op::Reach { reads, writes, values } => {
                format!("reach({}, {}, {})", keys(reads), keys(writes), self.show(*values, false))
            }
            Op::Solved(system, member) => self.member(*system, *member),
        }
    }

    /// States at the end.
    fn states(&mut self) {
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
    }

    /// Reads and outputs.
    fn outputs(&mut self) {
        let t = &self.p.timeline;
        for (r, found) in &self.p.reads {
            let row = match self.p.slots(self.p.node(found.node).rows) {
                1 => self.name(found.node),
                _ => format!("{}[{}]", self.name(found.node), found.slot),
            };
            let definition = match t.graph.literal(found.scale) {
                Some(1.0) => row,
                _ => format!("{} * {row}", self.printer.factor(found.scale)),
            };
            self.line(read(self.p, *r), definition);
        }
        for (output, &v) in t.signature.outputs.iter().zip(&t.outputs) {
            let definition = self.printer.show(v);
            self.line(&output.name, definition);
        }
    }
}

/// What a read finds, as a dual calls it too: `p0`, `du0`.
fn read(p: &Program, r: ReadId) -> String {
    format!("{}{}", p.timeline.read_prefix, r.0)
}

/// The read or write of an event: `p0`, `u0`.
fn place(p: &Program, event: usize) -> String {
    match &p.timeline.events[event] {
        Event::Read(r) => read(p, *r),
        _ => {
            let writes = p.timeline.events[..event].iter().filter(|e| matches!(e, Event::Write { .. }));
            format!("u{}", writes.count())
        }
    }
}
