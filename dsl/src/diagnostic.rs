//! What a user is told about a rule: a message at exact tokens, and what to write instead.
//!
//! A [`Span`] is a number into a table that the front end keeps beside the rule while it parses: in the macro it stands
//! for compiler spans, in a file for byte ranges. So the checks know nothing of where the text came from, and a rule is
//! `Send + Sync`.

use std::fmt;

/// A run of tokens, by number in the front end's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span(pub u32);

/// Which of the two kinds of refusal a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The text is wrong; the hint says what to write.
    Mistake,
    /// The text means something that is not supported; the hint says what is.
    Limitation,
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Mistake or limitation.
    pub kind: Kind,
    /// Where.
    pub span: Span,
    /// What is wrong, in one line, naming the thing.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Diagnostic {
    /// The user's mistake.
    pub fn mistake(span: Span, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Diagnostic { kind: Kind::Mistake, span, message: message.into(), hint: hint.into() }
    }

    /// Something the language does not support.
    pub fn limitation(span: Span, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Diagnostic { kind: Kind::Limitation, span, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.message, self.hint)
    }
}
