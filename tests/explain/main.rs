//! `explain` as whole golden texts: every rule of the catalogue, and rules of every class of feedback that no paper has.
//! `INSTA_UPDATE=always cargo test --test explain` renews them. Beside the goldens, what must be there is counted, and
//! every page is read as text and computed with: its equations give what the token loop gives.

mod expression;
mod matrices;
mod reader;
mod transitions;

use chunkwise::{Rule, catalogue};
use chunkwise_algebra::explain::{Setting, explain};
use chunkwise_algebra::{Evaluator, Inputs, Plan, Rows};
use chunkwise_dsl::graph::Shape;
use reader::{Data, Page};
use std::collections::BTreeMap;

fn page(rule: &Rule) -> String {
    explain(rule, &Setting::square(rule.signature.dims.len(), 128))
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => ".",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

/// Rules that are not in the catalogue, by file.
fn others() -> Vec<Rule> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/explain/rules");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let parse = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        chunkwise_dsl::parse_file(&text).unwrap_or_else(|e| panic!("{}: {:?}", path.display(), e.diagnostics))
    };
    files.iter().flat_map(parse).collect()
}

#[test]
fn catalogue_rules() {
    for entry in catalogue() {
        if let Some(rule) = entry.rule {
            golden(entry.name, &page(rule()));
        }
    }
}

#[test]
fn other_rules() {
    for rule in others() {
        golden(&format!("other_{}", rule.signature.name), &page(&rule));
    }
}

#[test]
fn the_same_rule_gives_the_same_text() {
    for entry in catalogue() {
        if let Some(rule) = entry.rule {
            assert_eq!(page(rule()), page(&rule().clone()), "{}", entry.name);
        }
    }
}

#[test]
fn lines_fit_a_terminal() {
    let rules = catalogue().iter().filter_map(|e| e.rule.map(|f| f().clone())).chain(others());
    for rule in rules {
        let text = page(&rule);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{}: control codes", rule.signature.name);
        // Events are printed as they are; all other lines wrap.
        let laid_out = text.lines().filter(|l| !l.starts_with("  write(") && !l.contains(" = "));
        for line in laid_out {
            assert!(line.chars().count() <= 98, "{}: {line}", rule.signature.name);
        }
    }
}

/// The part of a page between a section's title and the next blank line but one.
fn equations(text: &str) -> &str {
    let from = text.find("one chunk of C tokens").expect("every affine rule has equations");
    let to = text.find("\nphases").expect("every affine rule has phases");
    &text[from..to]
}

#[test]
fn each_class_shows_what_it_needs_and_nothing_else() {
    use chunkwise_dsl::class::{Feedback, classify};
    for rule in catalogue().iter().filter_map(|e| e.rule.map(|f| f())).chain(others().iter()) {
        let Ok(timeline) = &rule.timeline else { continue };
        let class = classify(timeline);
        let text = page(rule);
        let equations = equations(&text);
        let name = &rule.signature.name;
        let solves = equations.matches("⁻¹").count();
        let rows = equations.matches("row by row, t = 1 .. C").count();
        let expected = match class.feedback {
            Feedback::None => (0, 0),
            Feedback::Linear => (1, 0),
            Feedback::PerChannel | Feedback::RowMixing => (0, 1),
        };
        assert_eq!((solves, rows), expected, "{name}: solves and substitutions\n{equations}");
    }
}

#[test]
fn the_delta_rule_solves_with_its_own_keys() {
    let rule = catalogue().iter().find(|e| e.name == "gated_deltanet").and_then(|e| e.rule).unwrap()();
    let text = page(rule);
    let found: Vec<&str> =
        equations(&text).lines().filter(|l| l.starts_with("  T ") || l.starts_with("  U ")).collect();
    assert_eq!(
        found,
        [
            "  T    = (I + tril(K Kᵀ diag(beta) ⊙ D, -1))⁻¹      unit lower triangular: one solve a chunk",
            "  U    = T (V - (K ⊙ e^G) S0)",
        ]
    );
}

/// Flat random numbers for one rule, and the same for the reader of its page.
struct Drawn {
    params: Vec<Vec<f64>>,
    states: Vec<Vec<f64>>,
    sizes: Vec<usize>,
}

const TOKENS: usize = 6;

fn draw(rule: &Rule, seed: u64) -> Drawn {
    let s = &rule.signature;
    let sizes: Vec<usize> = s
        .dims
        .iter()
        .map(|d| match d.as_str() {
            "K" => 5,
            "V" => 7,
            _ => 4,
        })
        .collect();
    let len = |shape: Shape| shape.dims().map(|d| sizes[d.index()]).product::<usize>();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    // Scalars may be raw decays, whose logarithm the page takes: they are positive.
    let params = s
        .params
        .iter()
        .map(|p| {
            let rows = if p.per_head { 1 } else { TOKENS };
            let scalar = p.shape == Shape::Scalar;
            let count = rows * p.count.unwrap_or(1) as usize * len(p.shape);
            (0..count).map(|_| if scalar { 0.1 + 0.8 * uniform() } else { 2.0 * uniform() - 1.0 }).collect()
        })
        .collect();
    let states = s.states.iter().map(|x| (0..len(x.shape)).map(|_| 0.5 + uniform()).collect()).collect();
    Drawn { params, states, sizes }
}

impl Drawn {
    fn inputs(&self, rule: &Rule) -> Inputs<'_, f64> {
        let params = rule.signature.params.iter().zip(&self.params).map(|(p, data)| {
            let len = p.shape.dims().map(|d| self.sizes[d.index()]).product::<usize>();
            let token = if p.per_head { 0 } else { p.count.unwrap_or(1) as usize * len };
            Rows { data, start: 0, token, index: len, len }
        });
        let params = params.collect();
        Inputs { sizes: &self.sizes, tokens: TOKENS, params, states: self.states.clone() }
    }

    /// The same numbers by name. A state's matrix is called by its capital, or as it is where the page calls it so.
    fn data(&self, rule: &Rule, text: &str) -> Data {
        let s = &rule.signature;
        let timeline = rule.timeline.as_ref().expect("an affine rule");
        let inputs = self.inputs(rule);
        let mut rows = BTreeMap::new();
        for (n, p) in s.params.iter().enumerate() {
            for j in 0..p.count.unwrap_or(1) as usize {
                let name = if p.count.is_some() { format!("{}[{j}]", p.name) } else { p.name.clone() };
                rows.insert(name, (0..TOKENS).map(|t| inputs.params[n].row(t, j).to_vec()).collect());
            }
        }
        let states = s.state_ids().map(|id| {
            let form = timeline.form(id);
            let columns = form.value.map_or(1, |d| self.sizes[d.index()]);
            let matrix = self.states[id.index()].chunks(columns).map(<[f64]>::to_vec).collect();
            (format!("{}0", state_name(&s.state(id).name, text)), matrix)
        });
        let sizes = s.dims.iter().cloned().zip(self.sizes.iter().copied()).collect();
        Data { inputs: rows, states: states.collect(), sizes, tokens: TOKENS }
    }
}

fn state_name(name: &str, text: &str) -> String {
    let capital = name[..1].to_uppercase() + &name[1..];
    if equations_of(text).contains(&format!("{capital}0")) { capital } else { name.to_string() }
}

fn equations_of(text: &str) -> &str {
    let from = text.find("one chunk of C tokens").and_then(|at| text[at..].find('\n').map(|n| at + n));
    &text[from.unwrap_or(0)..]
}

#[test]
fn the_equations_of_every_page_compute_the_rule() {
    for rule in catalogue().iter().filter_map(|e| e.rule.map(|f| f().clone())).chain(others()) {
        if rule.timeline.is_err() {
            continue;
        }
        let name = &rule.signature.name;
        let text = page(&rule);
        for seed in [1, 2] {
            let drawn = draw(&rule, seed);
            let expected = Evaluator::new(&rule).forward(Plan::Recurrent, &drawn.inputs(&rule)).unwrap();
            let computed = Page::read(&text).run(&drawn.data(&rule, &text));
            let value = |name: &str| {
                let capital = name[..1].to_uppercase() + &name[1..];
                let found = computed.get(&capital).or_else(|| computed.get(name));
                found.unwrap_or_else(|| panic!("the page has no `{name}`:\n{text}")).concat()
            };
            let outputs = rule.signature.outputs.iter().map(|o| o.name.as_str()).zip(&expected.outputs);
            let states = rule.signature.states.iter().map(|s| s.name.as_str()).zip(&expected.states);
            for (what, numbers) in outputs.chain(states) {
                let found = value(what);
                assert_eq!(found.len(), numbers.len(), "{name}: `{what}` has another size");
                let largest = numbers.iter().fold(0.0f64, |m, x| m.max(x.abs()));
                for (a, b) in found.iter().zip(numbers) {
                    assert!(
                        (a - b).abs() <= 1e-9 * largest,
                        "{name}: `{what}` is {a}, not {b} (seed {seed})\n{text}"
                    );
                }
            }
        }
    }
}
