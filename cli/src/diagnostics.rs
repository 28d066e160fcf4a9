//! Diagnostics of a rule file as rustc shows them: the tokens underlined, what is wrong, what to write instead.
//!
//! ```text
//! error: there is no value `kk` here
//!  --> rule.rs:4:18
//!   |
//! 4 |     s += outer(beta * kk, v);
//!   |                       ^^
//!   |
//!   = help: did you mean `k`?
//! ```
//!
//! Message and help are those of the macro, word for word: both come from one parser.

use crate::failure::Failure;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use chunkwise_dsl::diagnostic::Kind;
use chunkwise_dsl::report::{Located, Report};
use std::io::IsTerminal;
use std::ops::Range;

/// All diagnostics of `text`, which came from the file `path`, as one failure: a mistake if any of them is one.
pub fn failure(path: &str, text: &str, report: &Report) -> Failure {
    let renderer = if colours() { Renderer::styled() } else { Renderer::plain() };
    let mut rendered = String::new();
    for diagnostic in &report.diagnostics {
        rendered.push_str(&render(&renderer, path, text, diagnostic));
        rendered.push_str("\n\n");
    }
    rendered.pop();
    let mistake = report.diagnostics.iter().any(|d| d.kind == Kind::Mistake);
    Failure::Diagnosed(rendered, if mistake { Kind::Mistake } else { Kind::Limitation })
}

/// One diagnostic, without a final newline.
fn render(renderer: &Renderer, path: &str, text: &str, diagnostic: &Located) -> String {
    let place = AnnotationKind::Primary.span(within(text, diagnostic.range.clone()));
    let snippet = Snippet::source(text).path(path).annotation(place);
    let mut group = Level::ERROR.primary_title(diagnostic.message.as_str()).element(snippet);
    if !diagnostic.hint.is_empty() {
        group = group.element(Level::HELP.message(diagnostic.hint.as_str()));
    }
    renderer.render(&[group])
}

/// The range cut to the text and widened to whole characters: a renderer must not fall over a position, even one of
/// ours that is wrong.
fn within(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = range.end.min(text.len()).max(start);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Whether standard error shows colours: it is a terminal, and `NO_COLOR` is not set (no-color.org).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_whole_characters_of_the_text() {
        let text = "aé";
        assert_eq!(within(text, 0..1), 0..1);
        assert_eq!(within(text, 2..2), 1..3);
        assert_eq!(within(text, 9..12), 3..3);
        #[expect(clippy::reversed_empty_ranges, reason = "a wrong range is the point")]
        let backwards = within(text, 1..0);
        assert_eq!(backwards, 1..1);
    }
}
