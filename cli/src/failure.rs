//! How a command ends badly, its exit code, and what standard error says.
//!
//! ```text
//! error: there is no rule `deltanett` in the catalogue
//! help: did you mean `deltanet`? `chunkwise list` shows all of them
//! ```
//!
//! | ending | exit code |
//! |---|---|
//! | a check that ran and failed; our bug | 1 |
//! | the user's mistake | 2 |
//! | something that is not supported; a device or library that is not there | 3 |
//!
//! Standard output holds results alone. A reader that went away (`chunkwise list | head -1`) ends the command in
//! silence and with success: it has all that it wanted.

use chunkwise_dsl::diagnostic::Kind;
use chunkwise_runtime::Error;
use std::io;

/// What a command comes to.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// A mistake, a limitation, an absent device or a bug, as the library speaks of them.
    Error(Error),
    /// Diagnostics of a rule file, already rendered, and the gravest kind among them.
    Diagnosed(String, Kind),
    /// A check that ran and did not pass: what standard error says about it.
    Failed(String),
    /// Standard output was closed by its reader.
    Closed,
}

impl Failure {
    /// The user's mistake: what, and what to write instead.
    pub fn mistake(what: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::Error(Error::mistake(what, help))
    }

    /// Something that is not supported, and what is.
    pub fn limitation(what: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::Error(Error::limitation(what, help))
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Closed => 0,
            Failure::Failed(_) => 1,
            Failure::Diagnosed(_, Kind::Mistake) => 2,
            Failure::Diagnosed(_, Kind::Limitation) => 3,
            Failure::Error(error) => error.exit_code(),
        }
    }

    /// What standard error says, with its final newline; empty where there is nothing to say.
    pub fn text(&self) -> String {
        match self {
            Failure::Error(error) => format!("{error}\n"),
            Failure::Diagnosed(text, _) => text.clone(),
            Failure::Failed(text) => format!("error: {text}\n"),
            Failure::Closed => String::new(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

impl From<io::Error> for Failure {
    /// Errors of standard output; errors of files have messages of their own, which name the file.
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::mistake(format!("cannot write to standard output: {error}"), "write it elsewhere"),
        }
    }
}
