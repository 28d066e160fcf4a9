//! What can go wrong at run time, in five kinds that a caller may tell apart, each a list of messages with help.
//!
//! ```text
//! error: tensor `k` has 3 heads, which do not divide the 4 heads of `v`
//! help: the head count of every tensor must divide the largest one
//! ```
//!
//! | kind | meaning | exit code |
//! |---|---|---|
//! | [`Error::Mistake`] | the user's mistake: what, where, what was expected | 2 |
//! | [`Error::Limitation`] | it means something that is not supported; the help says what is | 3 |
//! | [`Error::Absent`] | a device or library that is not there; the help says what to install | 3 |
//! | [`Error::Kernel`] | a kernel that somebody changed by hand does wrong; the message says what | 1 |
//! | [`Error::Bug`] | our bug; the help says how to report it | 1 |
//!
//! All mistakes found in one step are in one error, so that a user mends them in one go.

use std::fmt;
use thiserror::Error as ThisError;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was refused; prints as `error: ..` and `help: ..` lines.
#[derive(Clone, PartialEq, Eq, Debug, ThisError)]
pub enum Error {
    /// The user's mistake.
    #[error("{0}")]
    Mistake(Messages),
    /// Something that is not supported.
    #[error("{0}")]
    Limitation(Messages),
    /// A device, driver or library that this machine lacks.
    #[error("{0}")]
    Absent(Messages),
    /// A kernel that somebody gave in place of a generated one does not compile, or does what no kernel may do.
    #[error("{0}")]
    Kernel(Messages),
    /// A fault of ours.
    #[error("{0}")]
    Bug(Messages),
}

/// One or more messages; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Messages(Vec<Message>);

/// What is wrong, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// What is wrong, in one line that names the thing and what was expected.
    pub what: String,
    /// What to write, install or do instead.
    pub help: String,
}

impl Message {
    /// A message with its help.
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Message { what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if !self.help.is_empty() {
            write!(f, "\nhelp: {}", self.help)?;
        }
        Ok(())
    }
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, message) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{message}")?;
        }
        Ok(())
    }
}

impl Error {
    /// The user's mistake.
    pub fn mistake(what: impl Into<String>, help: impl Into<String>) -> Self {
        Error::Mistake(Messages(vec![Message::new(what, help)]))
    }

    /// Something that is not supported; the help says what is.
    pub fn limitation(what: impl Into<String>, help: impl Into<String>) -> Self {
        Error::Limitation(Messages(vec![Message::new(what, help)]))
    }

    /// A device or library that is not there; the help says what to install.
    pub fn absent(what: impl Into<String>, help: impl Into<String>) -> Self {
        Error::Absent(Messages(vec![Message::new(what, help)]))
    }

    /// A fault of ours; the help says how to report it.
    pub fn bug(what: impl Into<String>) -> Self {
        let help = concat!(
            "this is a bug in chunkwise ",
            env!("CARGO_PKG_VERSION"),
            ", not in your input; please report it with the rule and this message at ",
            env!("CARGO_PKG_REPOSITORY"),
            "/issues"
        );
        Error::Bug(Messages(vec![Message::new(what, help)]))
    }

    /// What was found in a kernel that somebody gave, which would be our bug in a generated one.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    pub(crate) fn of_kernel(file: &str, found: Messages) -> Self {
        let help = "this kernel was given in place of the generated one; mend it there";
        let what = |message: Message| Message::new(format!("{file}: {}", message.what), help);
        Error::Kernel(Messages(found.0.into_iter().map(what).collect()))
    }

    /// The user's mistakes as one error, or `Ok` where there are none.
    pub fn mistakes(messages: Vec<Message>) -> Result<()> {
        if messages.is_empty() { Ok(()) } else { Err(Error::Mistake(Messages(messages))) }
    }

    /// What is wrong, in order; at least one message.
    pub fn messages(&self) -> &[Message] {
        match self {
            Error::Mistake(m)
            | Error::Limitation(m)
            | Error::Absent(m)
            | Error::Kernel(m)
            | Error::Bug(m) => &m.0,
        }
    }

    /// The exit code of the command line: 1 for a kernel at fault or our bug, 2 for a mistake, 3 for a limitation or an
    /// absent device.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Kernel(_) | Error::Bug(_) => 1,
            Error::Mistake(_) => 2,
            Error::Limitation(_) | Error::Absent(_) => 3,
        }
    }
}

/// A size that the user named is the user's mistake; a rule or type without a kernel is a limitation.
impl From<chunkwise_codegen::Limitation> for Error {
    fn from(why: chunkwise_codegen::Limitation) -> Error {
        use chunkwise_codegen::Limitation as L;
        match &why {
            L::Size { .. } => Error::mistake(why.to_string(), why.hint()),
            L::DType(_) | L::BothSides { .. } | L::Registers { .. } | L::NotFused(_) => {
                Error::limitation(why.to_string(), why.hint())
            }
            L::Invalid(what) => Error::bug(format!("invalid timeline: {what}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_every_message_with_its_help() {
        let e = Error::mistakes(vec![Message::new("a", "b"), Message::new("c", "")]).unwrap_err();
        assert_eq!(e.to_string(), "error: a\nhelp: b\nerror: c");
        assert_eq!(e.exit_code(), 2);
    }

    #[test]
    fn exit_codes_tell_the_kinds_apart() {
        assert_eq!(Error::limitation("", "").exit_code(), 3);
        assert_eq!(Error::absent("", "").exit_code(), 3);
        assert_eq!(Error::bug("").exit_code(), 1);
        assert!(Error::mistakes(Vec::new()).is_ok());
    }
}
