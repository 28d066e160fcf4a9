//! Cumulative decays, masks, and the products of mixes that take their place between coupled states.
//!
//! ```text
//! decay(s, exp(g))                               G = cumsum(g),  D_ts = e^(G_t - G_s)
//! decay(m, eta); decay(s, d); s <- s + m         Φ_sm = Φ_ss Φ_mm, the product of two decay masks
//! ```

use super::{Body, Derivation, Equation, product_operand};
use chunkwise_dsl::graph::{StateId, Value};
use chunkwise_dsl::timeline::{Event, Factor};

impl Derivation<'_, '_> {
    /// The name of the mask that carries state `from` to state `to`; `before` is the event that reads, `None` the end.
    pub(super) fn transition(&mut self, to: StateId, from: StateId, before: Option<usize>) -> String {
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

    pub(super) fn moves(&self, event: &Event, to: StateId, from: StateId) -> bool {
        match event {
            Event::Decay { state, .. } => *state == to || *state == from,
            Event::Mix { states, .. } => states.contains(&to) || states.contains(&from),
            _ => false,
        }
    }

    pub(super) fn define(&mut self) {
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
    pub(super) fn is_used(&self, clock: usize) -> bool {
        self.s
            .clock_of
            .iter()
            .enumerate()
            .any(|(s, &(key, value))| value == Some(clock) || (key == Some(clock) && !self.s.coupled[s]))
    }

    pub(super) fn define_clock(&mut self, c: usize) {
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
        let raw = clock.factors.iter().any(|f| matches!(f, Factor::Raw(_)));
        let note = if raw { format!("{note}; signs and zeros apart") } else { note.to_string() };
        self.definitions.push(Equation::text(name.clone(), body, &[]).note(&note));
        let places: Vec<(usize, String)> =
            self.labels.iter().filter(|((k, _), _)| *k == c).map(|((_, p), l)| (*p, l.clone())).collect();
        for (place, label) in places {
            let rest = logs[place..].iter().map(|l| format!(" - {}", product_operand(l))).collect::<String>();
            let note = if place == 0 { "before the token's own decay" } else { "between the token's decays" };
            self.definitions.push(Equation::text(label, format!("{name}{rest}"), &[]).note(note));
        }
    }

    /// The logarithm of a decay factor, as text.
    pub(super) fn logarithm(&self, factor: Factor) -> String {
        match factor {
            Factor::Log(v) => self.printer.show(v),
            Factor::Raw(v) => format!("log|{}|", self.printer.show(v)),
        }
    }

    pub(super) fn define_transitions(&mut self) {
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
    pub(super) fn chains(&self) -> Vec<(StateId, StateId)> {
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
}
