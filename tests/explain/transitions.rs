//! The masks of coupled states, from the events of one token as a page lists them.
//!
//! `Φ_ij` at `(t, s)`: what is left in state `i`, when token `t` ends, of a unit that token `s` writes into state `j`.
//! `Φ⁻` is taken when token `t` first reads `i`; `·0` starts at the chunk's start instead of a write, `·C` ends at its end.

/// An event that moves or touches states.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Decay(String, String),
    Read(String),
    Write(String),
    Mix(Vec<String>, Vec<Vec<String>>),
}

impl Event {
    /// `decay(s, 1 - alpha)`, `p0 = read(s, k)`, `write(m, ..)`, `mix(s, m; 1, 1; 0, 1)`.
    pub(crate) fn read(line: &str) -> Option<Event> {
        let call = line.split_once(" = ").map_or(line, |(_, call)| call);
        let (name, inside) = call.split_once('(')?;
        let inside = inside.strip_suffix(')')?;
        let (first, rest) = inside.split_once(", ").unwrap_or((inside, ""));
        match name {
            "decay" => {
                let log = rest.strip_prefix("exp(").and_then(|r| r.strip_suffix(')'));
                Some(Event::Decay(first.into(), log.map_or(rest.to_string(), |g| format!("exp({g})"))))
            }
            "read" => Some(Event::Read(first.into())),
            "write" => Some(Event::Write(first.into())),
            "mix" => {
                let mut rows =
                    inside.split("; ").map(|r| r.split(", ").map(str::to_string).collect::<Vec<_>>());
                Some(Event::Mix(rows.next()?, rows.collect()))
            }
            _ => None,
        }
    }
}

/// Where a path through the tokens begins or ends: a token, and an event in it.
#[derive(Clone, Copy)]
struct Place(usize, usize);

/// The events of a token, and how to evaluate their numbers.
pub(crate) struct Transitions<'a> {
    /// In order.
    pub(crate) events: &'a [Event],
    /// An expression at a token.
    pub(crate) number: &'a dyn Fn(&str, usize) -> f64,
    /// Tokens.
    pub(crate) tokens: usize,
}

impl Transitions<'_> {
    /// The matrix of a name such as `Φ⁻_sm·0`.
    pub(crate) fn matrix(&self, name: &str) -> Vec<Vec<f64>> {
        let (head, tail) = name.split_once('_').unwrap_or_else(|| panic!("`{name}` is no Φ_ij"));
        let (pair, suffix) = tail.split_once('·').unwrap_or((tail, ""));
        let mut letters = pair.chars().map(|c| c.to_string());
        let (to, from) = (letters.next().unwrap(), letters.next().unwrap());
        let early = head.ends_with('⁻');
        let last = Place(self.tokens - 1, self.events.len());
        let start = Place(0, 0);
        let read = |t: usize| Place(t, if early { self.first_read(&to) } else { self.events.len() });
        let write = |s: usize| Place(s, self.write(&from).map_or(self.events.len(), |w| w + 1));
        let all = 0..self.tokens;
        match suffix {
            "" => all
                .clone()
                .map(|t| all.clone().map(|s| self.path(&to, &from, write(s), read(t))).collect())
                .collect(),
            "0" => all.map(|t| vec![self.path(&to, &from, start, read(t))]).collect(),
            "C" => all.map(|s| vec![self.path(&to, &from, write(s), last)]).collect(),
            "C0" => vec![vec![self.path(&to, &from, start, last)]],
            other => panic!("`·{other}` in `{name}`"),
        }
    }

    fn first_read(&self, state: &str) -> usize {
        self.events.iter().position(|e| matches!(e, Event::Read(s) if s == state)).expect("a read")
    }

    /// The state's write; what nothing writes to counts from the token's end.
    fn write(&self, state: &str) -> Option<usize> {
        self.events.iter().rposition(|e| matches!(e, Event::Write(s) if s == state))
    }

    /// What is left in `to` of a unit in `from`; 0 where the path runs backwards.
    fn path(&self, to: &str, from: &str, start: Place, end: Place) -> f64 {
        if (start.0, start.1) > (end.0, end.1) {
            return 0.0;
        }
        let mut content = std::collections::BTreeMap::from([(from.to_string(), 1.0)]);
        for t in start.0..=end.0 {
            let first = if t == start.0 { start.1 } else { 0 };
            let last = if t == end.0 { end.1 } else { self.events.len() };
            for event in &self.events[first..last] {
                self.apply(event, t, &mut content);
            }
        }
        content.get(to).copied().unwrap_or(0.0)
    }

    fn apply(&self, event: &Event, t: usize, content: &mut std::collections::BTreeMap<String, f64>) {
        match event {
            Event::Decay(state, factor) => {
                if let Some(x) = content.get_mut(state) {
                    *x *= (self.number)(factor, t);
                }
            }
            Event::Mix(states, rows) => {
                let old: Vec<f64> = states.iter().map(|s| content.get(s).copied().unwrap_or(0.0)).collect();
                for (state, row) in states.iter().zip(rows) {
                    let sum = row.iter().zip(&old).map(|(m, x)| (self.number)(m, t) * x).sum();
                    content.insert(state.clone(), sum);
                }
            }
            Event::Read(_) | Event::Write(_) => {}
        }
    }
}
