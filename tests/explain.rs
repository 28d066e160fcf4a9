//! `explain` as whole golden texts: every rule of the catalogue, and rules of every class of feedback that no paper has.
//! `INSTA_UPDATE=always cargo test --test explain` renews them. Beside the goldens, what must be there is counted.

use chunkwise::{Rule, catalogue};
use chunkwise_algebra::explain::{Setting, explain};

fn page(rule: &Rule) -> String {
    explain(rule, &Setting::square(rule.signature.dims.len(), 128))
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "explain",
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
    let found: Vec<&str> = text.lines().filter(|l| l.starts_with("  T ") || l.starts_with("  U ")).collect();
    assert_eq!(
        found,
        [
            "  T    = (I + tril(K Kᵀ diag(beta) ⊙ D, -1))⁻¹      unit lower triangular: one solve a chunk",
            "  U    = T (V - (K ⊙ e^G) S0)",
        ]
    );
}
