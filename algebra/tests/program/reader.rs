//! Reads the text of a chunk program as a person would, and computes with what it says.
//!
//! It takes the text alone, and the operations' meanings from their description: what reads find of states and writes comes
//! from running the token's events, not from masks. So a wrong name, a missing parenthesis, or a term that the text leaves out
//! fails.

use crate::expression::{self, Names, Row, zip};
use crate::matrices::{Parser, read, sum, write};
use std::collections::BTreeMap;

pub(crate) type Matrix = Vec<Row>;

/// An event of the token.
#[derive(Clone, Debug)]
enum Event {
    Decay(String, String),
    /// The read or write of that name, of that state.
    Touch(String, String),
    /// States, and a row of coefficients each.
    Mix(Vec<String>, Vec<Vec<String>>),
}

/// Rows of keys: what they are and where they stand, by slot.
#[derive(Clone)]
struct Keys {
    slots: Vec<String>,
    places: Vec<String>,
}

/// Everything but the numbers.
struct Text {
    events: Vec<Event>,
    definitions: BTreeMap<String, String>,
    keys: BTreeMap<String, Keys>,
    /// Names, and the lines of what they are.
    rest: Vec<(String, Vec<String>)>,
}

/// Numbers of one chunk.
pub(crate) struct Data {
    /// By name, `k` or `k[1]`: a row for each token.
    pub(crate) inputs: BTreeMap<String, Vec<Row>>,
    /// By name, `K x V`.
    pub(crate) states: BTreeMap<String, Matrix>,
    /// By dim.
    pub(crate) sizes: BTreeMap<String, usize>,
    pub(crate) tokens: usize,
}

/// `[a, b]` as `a` and `b`, anything else as itself.
fn list(text: &str) -> Vec<String> {
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inside) => split(inside, ", "),
        None => vec![text.to_string()],
    }
}

/// Parts between separators that stand in no parentheses.
fn split(text: &str, separator: &str) -> Vec<String> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0i32, 0);
    for (at, c) in text.char_indices() {
        depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
        if depth == 0 && at >= from && text[at..].starts_with(separator) {
            parts.push(text[from..at].to_string());
            from = at + separator.len();
        }
    }
    parts.push(text[from..].to_string());
    parts
}

fn event(line: &str) -> Event {
    let (name, call) = line.split_once(" = ").map_or((None, line), |(name, call)| (Some(name), call));
    let (function, inside) = call.split_once('(').unwrap_or_else(|| panic!("`{line}` is no event"));
    let inside = inside.strip_suffix(')').unwrap_or_else(|| panic!("`{line}` does not end"));
    match (function, name) {
        ("read", Some(name)) => Event::Touch(name.into(), inside.into()),
        ("write", None) => {
            let (state, name) = inside.split_once(", ").expect("a write has a name");
            Event::Touch(name.into(), state.into())
        }
        ("decay", None) => {
            let (state, factor) = inside.split_once(", ").expect("a decay has a factor");
            Event::Decay(state.into(), factor.into())
        }
        ("mix", None) => {
            let mut rows = split(inside, "; ").into_iter().map(|row| split(&row, ", "));
            Event::Mix(rows.next().expect("a mix lists states"), rows.collect())
        }
        _ => panic!("`{line}` is no event"),
    }
}

impl Text {
    fn read(text: &str) -> Text {
        let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix(' '), blocks.last_mut()) {
                (Some(rest), Some((_, lines))) => lines.push(rest.trim().to_string()),
                _ => {
                    let (name, first) = line.split_once(" = ").unwrap_or_else(|| panic!("`{line}`"));
                    blocks.push((name.trim().into(), vec![first.to_string()]));
                }
            }
        }
        let at = blocks.iter().position(|b| b.0 == "token").expect("the text has a token");
        let definitions = blocks.drain(..at).map(|(name, lines)| (name, lines.concat())).collect();
        let token = blocks.remove(0).1;
        assert_eq!(token[0], "in order:");
        let is_keys = |b: &(String, Vec<String>)| b.1[0].contains(" at ");
        let (keys, rest): (Vec<_>, Vec<_>) = blocks.into_iter().partition(is_keys);
        let keys = keys.into_iter().map(|(name, lines)| {
            let (slots, places) = lines[0].split_once(" at ").expect("keys stand somewhere");
            (name, Keys { slots: list(slots), places: list(places) })
        });
        Text {
            events: token[1..].iter().map(|l| event(l)).collect(),
            definitions,
            keys: keys.collect(),
            rest,
        }
    }
}

/// The number of a place among the token's reads and writes.
fn touches_at(touches: &[String], place: &str) -> usize {
    touches.iter().position(|t| t == place).unwrap_or_else(|| panic!("`{place}` is no read or write"))
}

/// A computation: the text, the numbers, and what is known so far.
pub(crate) struct Run<'a> {
    text: Text,
    pub(crate) data: &'a Data,
    pub(crate) matrices: BTreeMap<String, Matrix>,
    /// What reads found, by token.
    reads: BTreeMap<String, Vec<Row>>,
}

/// Computes a text; gives outputs (a row a token) and states at the end, by name.
pub(crate) fn compute(text: &str, data: &Data) -> BTreeMap<String, Matrix> {
    let mut run = Run { text: Text::read(text), data, matrices: BTreeMap::new(), reads: BTreeMap::new() };
    let mut ends = BTreeMap::new();
    for (name, lines) in std::mem::take(&mut run.text.rest) {
        let first = lines[0].as_str();
        let is_read = name.strip_prefix('p').is_some_and(|n| n.parse::<usize>().is_ok());
        if first == "rows in order:" {
            run.rows_in_order(&split(&name, ", "), &lines[1..]);
        } else if first.starts_with("carry(") {
            ends.insert(name.clone(), run.carry(&name, first));
        } else if is_read {
            let rows = run.found(first);
            run.reads.insert(name, rows);
        } else if let Some(matrix) = run.operand(&name, first) {
            run.matrices.insert(name, matrix);
        } else {
            let rows = (0..data.tokens).map(|t| run.row(first, t)).collect();
            ends.insert(name, rows);
        }
    }
    ends
}

impl Run<'_> {
    /// An expression at a token.
    fn row(&self, text: &str, token: usize) -> Row {
        let rows = |name: &str| {
            let of_read = self.reads.get(name).and_then(|rows| rows.get(token).cloned());
            of_read.or_else(|| self.data.inputs.get(name).map(|rows| rows[token].clone()))
        };
        let names =
            Names { rows: &rows, definitions: &self.text.definitions, sizes: &self.data.sizes, lane: 0 };
        expression::evaluate(text, &names)
    }

    /// Rows of values or coefficients (told by what the names are: the text puts a list or an expression), or a matrix; `None`
    /// where the line is an output.
    fn operand(&self, name: &str, text: &str) -> Option<Matrix> {
        let matrix = ["U", "P", "M", "R", "X", "L", "T"].iter().any(|letter| {
            let number = name.strip_prefix(letter).map(|rest| rest.trim_end_matches('\''));
            number.is_some_and(|n| n.is_empty() || n.parse::<usize>().is_ok())
        });
        let is_operation = ["tap(", "gram(", "plain(", "decay(", "diag(", "inverse(", "reach("]
            .iter()
            .any(|o| text.contains(o));
        let of_matrices = split(text, " + ")
            .iter()
            .any(|term| split(term, " ").iter().any(|factor| self.matrices.contains_key(factor.trim())));
        if matrix && (is_operation || of_matrices) {
            return Some(Parser::new(text).all(self));
        }
        let is_input = name.chars().next().is_some_and(char::is_uppercase);
        let is_coefficient = name.strip_prefix('c').is_some_and(|n| n.parse::<usize>().is_ok());
        if !is_input && !is_coefficient {
            return None;
        }
        let slots = list(text);
        let rows = (0..self.data.tokens).flat_map(|t| slots.iter().map(move |slot| (t, slot)));
        Some(rows.map(|(t, slot)| self.row(slot, t)).collect())
    }

    fn keys(&self, name: &str) -> &Keys {
        self.text.keys.get(name).unwrap_or_else(|| panic!("`{name}` are no keys"))
    }

    /// Runs the token's events from states (`None`: zero, `width` columns) with the given writes, and says what the reads find
    /// and what the states are at the end.
    pub(crate) fn run(
        &self,
        start: Option<&BTreeMap<String, Matrix>>,
        writes: Option<(&str, &Matrix)>,
        reads: Option<&str>,
        width: Option<usize>,
    ) -> (Matrix, BTreeMap<String, Matrix>) {
        let mut states = self.data.states.clone();
        for (name, state) in &mut states {
            match (start, width) {
                (Some(start), _) => state.clone_from(&start[name]),
                (None, Some(width)) => state.iter_mut().for_each(|row| *row = vec![0.0; width]),
                (None, None) => state.iter_mut().for_each(|row| row.fill(0.0)),
            }
        }
        let mut found = Vec::new();
        for token in 0..self.data.tokens {
            let mut of_token: BTreeMap<usize, Row> = BTreeMap::new();
            for event in &self.text.events {
                match event {
                    Event::Decay(state, factor) => {
                        self.decay(&mut states, state, factor, token, width.is_some())
                    }
                    Event::Mix(names, rows) => self.mix(&mut states, names, rows, token),
                    Event::Touch(place, state) => {
                        let slots = |keys: &Keys| {
                            let all = keys.places.iter().enumerate().filter(|(_, p)| *p == place);
                            all.map(|(slot, _)| slot).collect::<Vec<_>>()
                        };
                        if let Some((keys, rows)) = writes.map(|(k, rows)| (self.keys(k), rows)) {
                            for slot in slots(keys) {
                                let key = self.row(&keys.slots[slot], token);
                                let values = &rows[token * keys.slots.len() + slot];
                                write(states.get_mut(state).expect("a state"), &key, values);
                            }
                        }
                        if let Some(keys) = reads.map(|k| self.keys(k)) {
                            for slot in slots(keys) {
                                let key = self.row(&keys.slots[slot], token);
                                of_token.insert(slot, read(&states[state], &key));
                            }
                        }
                    }
                }
            }
            found.extend(of_token.into_values());
        }
        (found, states)
    }

    fn decay(
        &self,
        states: &mut BTreeMap<String, Matrix>,
        state: &str,
        factor: &str,
        token: usize,
        keys_only: bool,
    ) {
        let factor = self.row(factor, token);
        let matrix = states.get_mut(state).expect("a state");
        let rows = matrix.len();
        // A row state has one row; its factors are channels of it. Dims of states have different sizes here.
        for (k, row) in matrix.iter_mut().enumerate() {
            match factor.len() {
                n if n == rows && n > 1 => row.iter_mut().for_each(|x| *x *= factor[k]),
                1 => row.iter_mut().for_each(|x| *x *= factor[0]),
                _ if keys_only => panic!("a Gram matrix of a state whose channels decay"),
                _ => *row = zip(row, &factor, |x, d| x * d),
            }
        }
    }

    fn mix(
        &self,
        states: &mut BTreeMap<String, Matrix>,
        names: &[String],
        rows: &[Vec<String>],
        token: usize,
    ) {
        let old: Vec<Matrix> = names.iter().map(|n| states[n].clone()).collect();
        for (name, row) in names.iter().zip(rows) {
            let mut new: Matrix = old[0].iter().map(|r| vec![0.0; r.len()]).collect();
            for (coefficient, old) in row.iter().zip(&old) {
                let factor = self.row(coefficient, token);
                for (k, (new, old)) in new.iter_mut().zip(old).enumerate() {
                    let factor = if factor.len() == 1 { factor[0] } else { factor[k] };
                    *new = zip(new, old, |x, y| x + factor * y);
                }
            }
            states.insert(name.clone(), new);
        }
    }

    /// `carry(s, m) + deposit(K, U)`: the end of the named state.
    fn carry(&self, name: &str, text: &str) -> Matrix {
        let mut terms = split(text, " + ").into_iter();
        let carried = terms.next().expect("a carry");
        let listed = carried.strip_prefix("carry(").and_then(|t| t.strip_suffix(')')).expect("a carry");
        let listed = split(listed, ", ");
        let mut start = self.data.states.clone();
        for (state, matrix) in &mut start {
            if !listed.contains(state) {
                matrix.iter_mut().for_each(|row| row.fill(0.0));
            }
        }
        let mut end = self.run(Some(&start), None, None, None).1.remove(name).expect("a state");
        for term in terms {
            let inside = term.strip_prefix("deposit(").and_then(|t| t.strip_suffix(')')).expect("a deposit");
            let (keys, values) = inside.split_once(", ").expect("keys and values");
            let values = Parser::new(values).all(self);
            let added = &self.run(None, Some((keys, &values)), None, None).1[name];
            end = sum(&end, added, 1.0);
        }
        end
    }

    /// `P`, `P[1]`, `scale * P`: what a read finds, by token.
    fn found(&self, text: &str) -> Vec<Row> {
        let (scale, matrix) = text.rsplit_once(" * ").unwrap_or(("1", text));
        let (name, slot) = match matrix.split_once('[') {
            Some((name, slot)) => (name, slot.trim_end_matches(']').parse().expect("a slot")),
            None => (matrix, 0),
        };
        let rows = &self.matrices[name];
        let slots = rows.len() / self.data.tokens;
        let row = |t: usize| zip(&self.row(scale, t), &rows[t * slots + slot], |c, x| c * x);
        (0..self.data.tokens).map(row).collect()
    }

    /// Rows that wait for each other: token by token, event by event, each from the rows before it.
    fn rows_in_order(&mut self, members: &[String], lines: &[String]) {
        let parsed: Vec<(Vec<String>, String)> = lines
            .iter()
            .map(|l| {
                l.split_once(" = ").map(|(names, body)| (list(names), body.to_string())).expect("a line")
            })
            .collect();
        let is_write = |names: &[String]| names[0].starts_with('u');
        // The member of a write is told by its state: members stand in the order of their writes' lines.
        let places: Vec<String> = parsed.iter().filter(|l| is_write(&l.0)).map(|l| l.0[0].clone()).collect();
        let states: Vec<String> = places.iter().map(|p| self.state_of(p)).collect();
        let mut order: Vec<&String> = states.iter().collect();
        order.dedup();
        assert_eq!(order.len(), members.len(), "a state for each of {members:?}");
        let stacks: Vec<Vec<&String>> = order
            .iter()
            .map(|s| places.iter().zip(&states).filter(|(_, of)| of == s).map(|(p, _)| p).collect())
            .collect();
        for (name, stack) in members.iter().zip(&stacks) {
            let width = self.data.states[&self.state_of(stack[0])][0].len();
            self.matrices.insert(name.clone(), vec![vec![0.0; width]; self.data.tokens * stack.len()]);
        }
        for (names, _) in parsed.iter().filter(|l| !is_write(&l.0)) {
            for name in names {
                self.reads.insert(name.clone(), vec![vec![]; self.data.tokens]);
            }
        }
        for token in 0..self.data.tokens {
            for place in self.touches() {
                for (names, body) in &parsed {
                    let Some(slot) = names.iter().position(|n| *n == place) else { continue };
                    if is_write(names) {
                        let (m, slot) = stacks
                            .iter()
                            .enumerate()
                            .find_map(|(m, s)| Some((m, s.iter().position(|p| **p == place)?)))
                            .expect("a member");
                        let row = self.row(body, token);
                        let at = token * stacks[m].len() + slot;
                        let to = &mut self.matrices.get_mut(&members[m]).expect("a member")[at];
                        *to = zip(&vec![0.0; to.len()], &row, |_, x| x);
                    } else {
                        let rows = Parser::new(body).all(self);
                        let row = rows[token * names.len() + slot].clone();
                        self.reads.get_mut(&place).expect("a read")[token] = row;
                    }
                }
            }
        }
        // Outputs take what they read from their own lines.
        for (names, _) in parsed.iter().filter(|l| !is_write(&l.0)) {
            names.iter().for_each(|n| drop(self.reads.remove(n)));
        }
    }

    /// Reads and writes of a token, in order.
    fn touches(&self) -> Vec<String> {
        let name = |e: &Event| match e {
            Event::Touch(place, _) => Some(place.clone()),
            _ => None,
        };
        self.text.events.iter().filter_map(name).collect()
    }

    fn state_of(&self, place: &str) -> String {
        let found = self.text.events.iter().find_map(|e| match e {
            Event::Touch(p, state) if p == place => Some(state.clone()),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("`{place}` is no read or write"))
    }

    /// Rows of keys, by token and slot: where on the timeline they stand, what they are, and of which state.
    fn rows_of(&self, name: &str) -> Vec<((usize, usize), Row, String)> {
        let (keys, touches) = (self.keys(name), self.touches());
        let slots = |token: usize| {
            let row = move |(slot, place): (&String, &String)| {
                let at = touches_at(&self.touches(), place);
                ((token, at), self.row(slot, token), self.state_of(place))
            };
            keys.slots.iter().zip(&keys.places).map(row).collect::<Vec<_>>()
        };
        assert!(!touches.is_empty(), "`{name}` stand nowhere");
        (0..self.data.tokens).flat_map(slots).collect()
    }

    /// Products of keys of which the second are written before the first are read.
    pub(crate) fn plain(&self, reads: &str, writes: &str) -> Matrix {
        let (reads, writes) = (self.rows_of(reads), self.rows_of(writes));
        let dot = |x: &Row, y: &Row| zip(x, y, |x, y| x * y).iter().sum();
        let entry = |r: &((usize, usize), Row, String), w: &((usize, usize), Row, String)| {
            if w.0 < r.0 { dot(&r.1, &w.1) } else { 0.0 }
        };
        reads.iter().map(|r| writes.iter().map(|w| entry(r, w)).collect()).collect()
    }

    /// What is left at the first of 1 that is put in at the second.
    pub(crate) fn between(&self, to: &str, from: &str) -> Matrix {
        let (to, from) = (self.rows_of(to), self.rows_of(from));
        let mut between = vec![vec![0.0; from.len()]; to.len()];
        for (s, (start, _, state)) in from.iter().enumerate() {
            let mut left = None;
            for token in 0..self.data.tokens {
                let mut touch = 0;
                for event in &self.text.events {
                    match event {
                        Event::Decay(of, factor) if of == state => {
                            left = left.map(|left: f64| left * self.row(factor, token)[0]);
                        }
                        Event::Touch(..) => {
                            left = if (token, touch) == *start { Some(1.0) } else { left };
                            let rows = to.iter().enumerate().filter(|(_, row)| row.0 == (token, touch));
                            rows.for_each(|(t, _)| between[t][s] = left.unwrap_or(0.0));
                            touch += 1;
                        }
                        _ => {}
                    }
                }
            }
        }
        between
    }

    pub(crate) fn gram(&self, reads: &str, writes: &str) -> Matrix {
        let columns = self.keys(writes).slots.len() * self.data.tokens;
        let unit = |s: usize| (0..columns).map(|row| vec![f64::from(row == s)]).collect::<Matrix>();
        let column = |s: usize| self.run(None, Some((writes, &unit(s))), Some(reads), Some(1)).0;
        let columns: Vec<Matrix> = (0..columns).map(column).collect();
        (0..columns.first().map_or(0, Vec::len)).map(|t| columns.iter().map(|c| c[t][0]).collect()).collect()
    }
}
