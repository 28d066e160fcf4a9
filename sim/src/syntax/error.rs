//! What is wrong with a text of PTX, and where.
//!
//! ```text
//! PTX line 14, column 22: found `;`, expected `]` after the address
//! PTX line 3, column 1: `.alias` is not supported
//!   help: name the function itself
//! ```

use std::fmt;

/// Whose the fault is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The text is not PTX, or contradicts itself.
    Malformed,
    /// It is PTX that this simulator does not know.
    Unsupported,
}

/// The first thing that is wrong with a text of PTX.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// Whose the fault is.
    pub kind: Kind,
    /// Line of the text, from 1.
    pub line: u32,
    /// Character of the line, from 1; 0 where only the line is known.
    pub column: u32,
    /// What was found, and what was expected instead.
    pub what: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PTX line {}", self.line)?;
        if self.column > 0 {
            write!(f, ", column {}", self.column)?;
        }
        write!(f, ": {}", self.what)?;
        if !self.hint.is_empty() {
            write!(f, "\n  help: {}", self.hint)?;
        }
        Ok(())
    }
}

/// A piece of text between backticks, short and on one line whatever it holds.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 40;
    let short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(LONGEST).is_some() { ".." } else { "" };
    format!("`{short}{more}`")
}
