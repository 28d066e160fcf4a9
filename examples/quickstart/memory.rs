//! A memory reads a text, word by word, and answers before it is told.
//!
//! ```text
//! for each pair (word, next):   answer = nearest(s.read(word));   then the rule writes (word, next) into s
//! ```
//!
//! The text goes through the rule in pieces; the state that a piece ends with is the one the next piece starts from, so
//! the length of a piece changes nothing but the memory it takes.

use crate::embedding::{DIM, Embeddings};
use chunkwise::{Element, Error, Tensor, Tensors};
use indicatif::ProgressBar;
use std::time::{Duration, Instant};

/// Words in a piece.
const PIECE: usize = 1024;

/// Keys, values and the state, to what the rule makes of them.
pub(crate) type Forward = dyn Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensors, Error>;

/// A rule ready to run: keys, values and the state in; the outputs `o` and the state `s` out.
pub(crate) struct Memory {
    /// Its name in tables and in the plot.
    pub(crate) name: &'static str,
    /// One piece of text through the rule.
    pub(crate) forward: Box<Forward>,
}

/// What a memory answered.
pub(crate) struct Reading {
    /// One word a position, the last one left out: nothing follows it.
    pub(crate) answers: Vec<usize>,
    /// The time that the rule itself took, without the search for the nearest word.
    pub(crate) time: Duration,
}

impl Memory {
    /// Reads the words in order, from an empty memory.
    pub(crate) fn read(
        &self,
        words: &[usize],
        embeddings: &Embeddings,
        bar: &ProgressBar,
    ) -> Result<Reading, Error> {
        bar.set_message(self.name);
        let mut reading = Reading { answers: Vec::with_capacity(words.len()), time: Duration::ZERO };
        let mut state = Tensor::zeros([1, 1, DIM, DIM], Element::F32)?;
        let (keys, values) = (&words[..words.len() - 1], &words[1..]);
        for (keys, values) in keys.chunks(PIECE).zip(values.chunks(PIECE)) {
            let (k, v) = (embeddings.tensor(keys)?, embeddings.tensor(values)?);
            let begun = Instant::now();
            let mut result = (self.forward)(&k, &v, &state)?;
            reading.time += begun.elapsed();
            reading.answers.extend(embeddings.nearest(&result["o"].to_f32()));
            state = result.remove("s").unwrap_or(state);
            bar.inc(keys.len() as u64);
        }
        Ok(reading)
    }
}
