//! The one writer of generated text: it owns indentation, blocks and comments. Nothing else makes CUDA.
//!
//! ```
//! use chunkwise_codegen::writer::Writer;
//! let mut w = Writer::default();
//! w.block("for (int t = 0; t < 4; ++t)", |w| w.line("x += t;"));
//! assert_eq!(w.finish(), "for (int t = 0; t < 4; ++t) {\n    x += t;\n}\n");
//! ```
//!
//! Invariants: no line ends in a blank, no two blank lines follow each other, every block is closed.

use std::fmt::Display;

const INDENT: &str = "    ";
const COMMENT_WIDTH: usize = 112;

/// Text under construction.
#[derive(Default)]
pub struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// One line.
    pub fn line(&mut self, text: impl Display) {
        let text = text.to_string();
        if text.is_empty() {
            return self.blank();
        }
        for _ in 0..self.depth {
            self.text.push_str(INDENT);
        }
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// An empty line, unless the text just began or the last line is empty or opens a block.
    pub fn blank(&mut self) {
        let after = self.text.trim_end_matches('\n');
        if !after.is_empty() && !after.ends_with('{') && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A full-line comment, wrapped.
    pub fn comment(&mut self, text: impl Display) {
        let width = COMMENT_WIDTH.saturating_sub(self.depth * INDENT.len() + 3);
        let mut line = String::new();
        for word in text.to_string().split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                self.line(format_args!("// {line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(format_args!("// {line}"));
    }

    /// A comment whose lines and spacing stay as they are.
    pub fn verbatim_comment(&mut self, text: impl Display) {
        for line in text.to_string().lines() {
            self.line(format_args!("// {line}").to_string().trim_end());
        }
    }

    /// A text under a title, as a comment; nothing where there is no text.
    pub fn quotation(&mut self, title: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.line("//");
        self.comment(title);
        self.verbatim_comment(text.lines().map(|line| format!("    {line}\n")).collect::<String>());
    }

    /// `head { .. }`.
    pub fn block(&mut self, head: impl Display, body: impl FnOnce(&mut Writer)) {
        self.block_ending(head, "}", body);
    }

    /// `head { ..` closed by `end`, for lambdas (`};`).
    pub fn block_ending(&mut self, head: impl Display, end: &str, body: impl FnOnce(&mut Writer)) {
        self.line(format!("{head} {{").trim_start());
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line(end);
    }

    /// `head { then } else { otherwise }`
    pub fn either(
        &mut self,
        head: impl Display,
        then: impl FnOnce(&mut Writer),
        otherwise: impl FnOnce(&mut Writer),
    ) {
        self.block_ending(head, "} else {", then);
        self.depth += 1;
        otherwise(self);
        self.depth -= 1;
        self.line("}");
    }

    /// A loop over registers, unrolled, of one statement.
    pub fn unrolled(&mut self, index: &str, count: u32, statement: impl Display) {
        self.line("#pragma unroll");
        self.line(format_args!("for (int {index} = 0; {index} < {count}; ++{index}) {statement}"));
    }

    /// A loop over registers, unrolled, of several statements.
    pub fn unrolled_block(&mut self, index: &str, count: u32, body: impl FnOnce(&mut Writer)) {
        self.line("#pragma unroll");
        self.block(format_args!("for (int {index} = 0; {index} < {count}; ++{index})"), body);
    }

    /// A loop over an array in memory, of one statement: not unrolled, since an array whose indices are all known lies in
    /// registers.
    pub fn rolled(&mut self, index: &str, count: u32, statement: impl Display) {
        self.line("#pragma unroll 1");
        self.line(format_args!("for (int {index} = 0; {index} < {count}; ++{index}) {statement}"));
    }

    /// The same, of several statements.
    pub fn rolled_block(&mut self, index: &str, count: u32, body: impl FnOnce(&mut Writer)) {
        self.line("#pragma unroll 1");
        self.block(format_args!("for (int {index} = 0; {index} < {count}; ++{index})"), body);
    }

    /// Text made elsewhere (device helpers), as it is.
    pub fn section(&mut self, text: &str) {
        self.blank();
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_do_not_pile_up() {
        let mut w = Writer::default();
        w.blank();
        w.block("a", |w| {
            w.blank();
            w.line("b;");
            w.blank();
            w.blank();
            w.line("");
            w.line("c;");
        });
        assert_eq!(w.finish(), "a {\n    b;\n\n    c;\n}\n");
    }

    #[test]
    fn comments_wrap_between_words() {
        let mut w = Writer::default();
        w.comment("word ".repeat(40));
        let text = w.finish();
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.starts_with("// word") && line.len() <= COMMENT_WIDTH));
    }
}
