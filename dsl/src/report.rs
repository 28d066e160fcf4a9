//! All that is wrong with a rule file, each message at its bytes.
//!
//! ```text
//! error: there is no `kk` here                 a command line renders each over the text at `range`
//!  --> rule.rs:4:12
//! help: did you mean `k`?
//! ```
//!
//! The messages are those of the `#[rule]` macro, word for word: both come from one path ([`crate::front`]).

use crate::diagnostic::Kind;
use std::fmt;
use std::ops::Range;

/// Every message about one file, in source order; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The messages.
    pub diagnostics: Vec<Located>,
}

/// One message and the bytes of the file that it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    /// The user's mistake, or a limitation.
    pub kind: Kind,
    /// What is wrong, in one line.
    pub message: String,
    /// What to write instead.
    pub hint: String,
    /// Byte range in the text that was given to [`parse_file`](crate::parse_file); it lies within the text and on
    /// character boundaries.
    pub range: Range<usize>,
}

impl Report {
    /// Whether every message is a limitation: the text is right, but not supported.
    pub fn is_limitation(&self) -> bool {
        self.diagnostics.iter().all(|d| d.kind == Kind::Limitation)
    }
}

impl Located {
    /// Line and column of the first byte in `text`, both counted from 1, columns in characters.
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.range.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.message, self.hint)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.diagnostics.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}error: {d}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
