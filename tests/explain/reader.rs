//! Reads a page as a person would, and computes with what it says: legend, definitions, equations, phases.
//!
//! It takes the text alone. Equations run in the order of the phases, and what is said to be free of the carried state runs
//! while that state is unknown. So a wrong formula, a missing parenthesis or an equation in the wrong phase fails.

use crate::expression::{self, Names, Row};
use crate::matrices::{self, Matrix, Scope};
use crate::transitions::{Event, Transitions};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// One equation: the names on its left, its right side in lines.
#[derive(Clone, Debug)]
struct Equation {
    names: Vec<String>,
    lines: Vec<String>,
    by_rows: bool,
}

/// What a page says.
pub(crate) struct Page {
    definitions: BTreeMap<String, String>,
    events: Vec<Event>,
    legend: Vec<(String, String)>,
    masks: Vec<Equation>,
    steps: Vec<Equation>,
    phases: Vec<Vec<Step>>,
}

/// A line of a phase: an equation by name, or one of its own.
enum Step {
    Name(String),
    Own(Equation),
}

/// Inputs at each token, by name (`k`, `k[1]`), initial states by name, sizes by dim.
pub(crate) struct Data {
    /// By name: a row for each token.
    pub(crate) inputs: BTreeMap<String, Vec<Row>>,
    /// By matrix name with its 0: `S0`.
    pub(crate) states: BTreeMap<String, Matrix>,
    /// By dim.
    pub(crate) sizes: BTreeMap<String, usize>,
    /// Tokens.
    pub(crate) tokens: usize,
}

impl Page {
    /// Takes a page apart.
    pub(crate) fn read(text: &str) -> Page {
        let token = section(text, "one token");
        let chunk = section(text, "one chunk of C tokens");
        let groups: Vec<&[String]> = chunk.split(|l| l.is_empty()).filter(|g| !g.is_empty()).collect();
        let (last, first) = groups.split_last().expect("a page has equations");
        // What is said about the masks is prose, apart from their definitions.
        let is_row =
            |l: &&String| !l.trim().starts_with('Φ') && (l.contains("  rows (t, j)") || !l.contains(" = "));
        let (rows, masks): (Vec<&String>, Vec<&String>) =
            first.iter().flat_map(|g| g.iter()).partition(is_row);
        let masks = equations(&masks.into_iter().cloned().collect::<Vec<_>>());
        let legend = rows.into_iter().filter_map(|l| {
            let (name, row) = l.trim().split_once("  ")?;
            Some((name.to_string(), row.split("  rows").next()?.trim().to_string()))
        });
        Page {
            definitions: token
                .iter()
                .filter_map(|l| l.trim().split_once(" = "))
                .filter(|(_, body)| !body.starts_with("read("))
                .map(|(name, body)| (name.to_string(), body.to_string()))
                .collect(),
            events: token.iter().filter_map(|l| Event::read(l.trim())).collect(),
            legend: legend.collect(),
            masks,
            steps: equations(last),
            phases: phases(&section(text, "phases")),
        }
    }

    /// Computes everything that the equations name.
    pub(crate) fn run(&self, data: &Data) -> BTreeMap<String, Matrix> {
        let run = Run { page: self, data, known: RefCell::new(BTreeMap::new()) };
        run.legend();
        self.masks.iter().for_each(|e| run.mask(e));
        if self.phases.is_empty() {
            run.carry();
            self.steps.iter().for_each(|e| run.step(e));
        }
        for (n, phase) in self.phases.iter().enumerate() {
            if n == 1 {
                run.carry();
            }
            phase.iter().for_each(|step| run.phase_step(step));
        }
        run.known.into_inner()
    }
}

/// The lines of a section, its title left out.
fn section(text: &str, title: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|l| !l.starts_with(title)).skip(1);
    lines.take_while(|l| l.is_empty() || l.starts_with(' ')).map(str::to_string).collect()
}

/// Remarks stand three blanks to the right, or in parentheses on a line of their own.
fn without_remark(line: &str) -> &str {
    line.split("   ").find(|part| !part.trim().is_empty()).unwrap_or("").trim()
}

fn names(left: &str) -> Vec<String> {
    let parts = left.split(|c: char| "[];, ".contains(c)).filter(|n| !n.is_empty());
    parts.map(str::to_string).collect()
}

fn equations(lines: &[String]) -> Vec<Equation> {
    let mut found: Vec<Equation> = Vec::new();
    for line in lines {
        let text = line.trim();
        if let Some((left, _)) = text.split_once("   row by row, t = 1 .. C") {
            found.push(Equation { names: names(left), lines: Vec::new(), by_rows: true });
        } else if text.starts_with("+ ") || text.starts_with("- ") {
            let lines = &mut found.last_mut().expect("a line goes on from one before").lines;
            let last = lines.last_mut().expect("an equation has a line");
            *last = format!("{last} {}", without_remark(text));
        } else if found.last().is_some_and(|e| e.by_rows) && line.starts_with("       ") {
            found.last_mut().unwrap().lines.push(text.to_string());
        } else if let Some((left, right)) = text.split_once(" = ") {
            let right = without_remark(right).to_string();
            found.push(Equation { names: names(left), lines: vec![right], by_rows: false });
        }
    }
    found
}

fn phases(lines: &[String]) -> Vec<Vec<Step>> {
    let mut found: Vec<Vec<Step>> = Vec::new();
    for title in ["before ", "carry ", "after "] {
        let own = lines.iter().skip_while(|l| !l.trim().starts_with(title)).skip(1);
        let own: Vec<String> = own.take_while(|l| l.starts_with("           ")).cloned().collect();
        found.push(steps_of(&own));
    }
    if found.iter().all(Vec::is_empty) { Vec::new() } else { found }
}

/// Equations and names, in the order in which they stand.
fn steps_of(lines: &[String]) -> Vec<Step> {
    let mut steps = Vec::new();
    for line in lines {
        let text = line.trim();
        if text.contains(" = ") {
            steps.extend(equations(std::slice::from_ref(line)).into_iter().map(Step::Own));
        } else if let (true, Some(Step::Own(e))) =
            (text.starts_with("+ ") || text.starts_with("- "), steps.last_mut())
        {
            e.lines[0] = format!("{} {}", e.lines[0], without_remark(text));
        } else if !text.starts_with('(') {
            steps.extend(names(text).into_iter().map(Step::Name));
        }
    }
    steps
}

struct Run<'a> {
    page: &'a Page,
    data: &'a Data,
    known: RefCell<BTreeMap<String, Matrix>>,
}

impl Run<'_> {
    fn get(&self, name: &str) -> Option<Matrix> {
        let known = self.known.borrow().get(name).cloned();
        known.or_else(|| name.starts_with('Φ').then(|| self.transition(name)))
    }

    fn set(&self, name: &str, value: Matrix) {
        self.known.borrow_mut().insert(name.to_string(), value);
    }

    fn carry(&self) {
        self.data.states.iter().for_each(|(name, value)| self.set(name, value.clone()));
    }

    /// An expression at a token; `extra` are rows that only this line knows.
    fn row(&self, text: &str, t: usize, lane: usize, extra: &BTreeMap<String, Row>) -> Row {
        let rows = |name: &str| -> Option<Row> {
            let input = || self.data.inputs.get(name).map(|rows| rows[t].clone());
            let read = || {
                let number = name.strip_prefix('p').filter(|n| n.chars().all(|c| c.is_ascii_digit()));
                let matrix = number.and_then(|n| self.get(&format!("P{n}")));
                matrix.map(|m| m[t].clone())
            };
            let named =
                || self.get(name.strip_suffix("_t").unwrap_or(name)).map(|m| m[t.min(m.len() - 1)].clone());
            extra.get(name).cloned().or_else(input).or_else(read).or_else(|| {
                let is_definition = self.page.definitions.contains_key(name);
                if is_definition { None } else { named() }
            })
        };
        let definitions = &self.page.definitions;
        expression::evaluate(text, &Names { rows: &rows, definitions, sizes: &self.data.sizes, lane })
    }

    /// An expression at every token, and at every step of a token where it has `[j]`.
    fn rows(&self, text: &str) -> Matrix {
        let lanes = if text.contains("[j]") { self.lanes() } else { 1 };
        let at = |t: usize| (0..lanes).map(move |j| (t, j));
        (0..self.data.tokens).flat_map(at).map(|(t, j)| self.row(text, t, j, &BTreeMap::new())).collect()
    }

    fn lanes(&self) -> usize {
        let index = |name: &String| {
            name.split_once('[').and_then(|(_, n)| n.strip_suffix(']')?.parse::<usize>().ok())
        };
        self.data.inputs.keys().filter_map(index).max().map_or(1, |n| n + 1)
    }

    fn legend(&self) {
        for (name, text) in &self.page.legend {
            self.set(name, self.rows(text));
        }
    }

    fn mask(&self, e: &Equation) {
        let (name, body) = (&e.names[0], &e.lines[0]);
        if name.starts_with('Φ') {
            return self.product_of_masks(name, body);
        }
        if let Some(mask) = name.strip_suffix("_ts") {
            let inside =
                body.strip_prefix("e^(").and_then(|b| b.strip_suffix(')')).expect("a mask is a power of e");
            let (row, column) = inside.split_once(" - ").expect("of a difference");
            let (row, column) = (
                self.get(row.trim_end_matches("_t")).unwrap(),
                self.get(column.trim_end_matches("_s")).unwrap(),
            );
            let value = row.iter().map(|r| column.iter().map(|c| (r[0] - c[0]).exp()).collect()).collect();
            return self.set(mask, value);
        }
        if let Some(inside) = body.strip_prefix("cumsum(").and_then(|b| b.strip_suffix(')')) {
            let mut total: Option<Row> = None;
            let rows = self.rows(inside).into_iter().map(|row| {
                let sum = match &total {
                    Some(so_far) => expression::zip(so_far, &row, |a, b| a + b),
                    None => row,
                };
                total = Some(sum.clone());
                sum
            });
            let rows = rows.collect();
            return self.set(name, rows);
        }
        if let Some(each) = body.strip_prefix("t * ") {
            let rows = self.rows(each).into_iter().enumerate();
            let value = rows.map(|(t, r)| r.iter().map(|x| (t + 1) as f64 * x).collect()).collect();
            return self.set(name, value);
        }
        self.set(name, self.rows(body));
    }

    /// `Φ_sm = Φ_ss Φ_mm: ..`: a claim, so it is checked.
    fn product_of_masks(&self, name: &str, body: &str) {
        let Some((product, _)) = body.split_once(':').filter(|_| name.contains('_')) else { return };
        let scope = Scope { matrix: &|n| self.get(n), numbers: &|_| Vec::new(), tokens: self.data.tokens };
        let (claimed, real) = (matrices::evaluate(product, &scope), self.transition(name));
        for (a, b) in claimed.concat().iter().zip(real.concat()) {
            assert!((a - b).abs() < 1e-12, "{name} is not {product}");
        }
    }

    fn phase_step(&self, step: &Step) {
        match step {
            Step::Own(e) => self.step(e),
            Step::Name(name) => {
                let is_mask = |e: &&Equation| e.names[0].trim_end_matches("_ts") == name;
                if self.page.masks.iter().any(|e| is_mask(&e)) {
                    return;
                }
                let found = self.page.steps.iter().find(|e| e.names.contains(name));
                self.step(found.unwrap_or_else(|| panic!("the phases name `{name}`, which has no equation")));
            }
        }
    }

    fn step(&self, e: &Equation) {
        if e.by_rows {
            return self.substitution(e);
        }
        let output_by_rows = e.names[0].starts_with(|c: char| c.is_lowercase());
        let derived_key =
            !output_by_rows && self.page.legend.iter().all(|(n, _)| *n != e.names[0]) && is_call(&e.lines[0]);
        let is_state = self.data.states.contains_key(&format!("{}0", e.names[0]));
        if (output_by_rows && !is_state) || derived_key {
            return self.set(&e.names[0], self.rows(&e.lines[0]));
        }
        let scope = Scope {
            matrix: &|name| self.get(name),
            numbers: &|text| self.rows(text).concat(),
            tokens: self.data.tokens,
        };
        let value = matrices::evaluate(&e.lines[0], &scope);
        let height = value.len() / e.names.len();
        for (n, name) in e.names.iter().enumerate() {
            self.set(name, value[n * height..(n + 1) * height].to_vec());
        }
    }

    /// `p0 = E_t + Σ_s L_ts u_s;  u = f(p0)`, row by row.
    fn substitution(&self, e: &Equation) {
        let mut rows: BTreeMap<String, Matrix> = BTreeMap::new();
        for t in 0..self.data.tokens {
            let mut here: BTreeMap<String, Row> = BTreeMap::new();
            for line in &e.lines {
                let (name, body) = line.split_once(" = ").expect("a step is an equation");
                let body = self.open(body, t, &rows, &mut here);
                let row = self.row(&body, t, 0, &here);
                here.insert(name.to_string(), row.clone());
                rows.entry(name.to_string()).or_default().push(row);
            }
        }
        for (name, value) in rows {
            let name = name.chars().next().map(|c| format!("{}{}", c.to_uppercase(), &name[1..])).unwrap();
            self.set(&name, value);
        }
    }

    /// Turns `Σ_s L_ts u_s` and `e^G_t` into names of rows.
    fn open(
        &self,
        body: &str,
        t: usize,
        rows: &BTreeMap<String, Matrix>,
        here: &mut BTreeMap<String, Row>,
    ) -> String {
        let mut out = String::new();
        let mut rest = body;
        while let Some(at) = [rest.find("Σ_s "), rest.find("e^")].into_iter().flatten().min() {
            out.push_str(&rest[..at]);
            let name = format!("row{}", here.len());
            let (row, after) = match rest[at..].strip_prefix("Σ_s ") {
                Some(sum) => {
                    let (l, sum) = sum.split_once("_ts ").expect("a sum over s of L_ts u_s");
                    let (u, after) = sum.split_once("_s").expect("a sum over s of L_ts u_s");
                    let weights = self.get(l).unwrap_or_else(|| panic!("`{l}` is not known"))[t].clone();
                    let earlier = rows.get(u).cloned().unwrap_or_default();
                    assert!(
                        weights[earlier.len()..].iter().all(|w| *w == 0.0),
                        "`{l}` needs rows that are still to come"
                    );
                    let terms =
                        earlier.iter().zip(&weights).map(|(r, w)| r.iter().map(|x| w * x).collect::<Row>());
                    let sum = terms.reduce(|a, b| expression::zip(&a, &b, |x, y| x + y));
                    (sum.unwrap_or_else(|| vec![0.0]), after)
                }
                None => {
                    let (label, after) = rest[at + 2..].split_once("_t").expect("e^X_t");
                    let (sign, label) = label.strip_prefix('-').map_or((1.0, label), |l| (-1.0, l));
                    let row = self.get(label).unwrap_or_else(|| panic!("`{label}` is not known"))[t].clone();
                    (row.iter().map(|x| (sign * x).exp()).collect(), after)
                }
            };
            here.insert(name.clone(), row);
            out.push_str(&name);
            rest = after;
        }
        out + rest
    }

    fn transition(&self, name: &str) -> Matrix {
        let number = |text: &str, t: usize| self.row(text, t, 0, &BTreeMap::new())[0];
        Transitions { events: &self.page.events, number: &number, tokens: self.data.tokens }.matrix(name)
    }
}

/// Whether a body is one call of a function, as keys made of an earlier pass are.
fn is_call(body: &str) -> bool {
    let Some((name, _)) = body.split_once('(') else { return false };
    ["softmax", "l2norm", "sigmoid", "tanh", "exp"].contains(&name)
}
