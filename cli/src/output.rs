//! Standard output: buffered, and quiet about a reader that went away.
//!
//! `println!` panics on a closed pipe; here that is [`Failure::Closed`](crate::failure::Failure::Closed), which ends
//! the command with success.

use crate::failure::Outcome;
use std::io::{BufWriter, Stdout, Write};

/// Standard output.
#[derive(Debug)]
pub struct Output(BufWriter<Stdout>);

impl Output {
    /// Standard output of this process.
    pub fn new() -> Output {
        Output(BufWriter::new(std::io::stdout()))
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// `Closed` where the reader is gone, a mistake where the text cannot be written (a full disk).
    pub fn text(&mut self, text: impl AsRef<str>) -> Outcome {
        Ok(self.0.write_all(text.as_ref().as_bytes())?)
    }

    /// Prints text and a newline.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn line(&mut self, text: impl AsRef<str>) -> Outcome {
        self.text(text)?;
        self.text("\n")
    }

    /// Brings everything to the reader.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn flush(&mut self) -> Outcome {
        Ok(self.0.flush()?)
    }
}

impl Default for Output {
    fn default() -> Output {
        Output::new()
    }
}
