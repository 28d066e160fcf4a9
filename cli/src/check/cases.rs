//! The shapes that a check runs: lengths that are no multiple of the chunk, initial states, heads shared between tensors,
//! packed sequences with an empty one among them.

use chunkwise_dsl::signature::{Param, Signature};

/// One shape of inputs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Its name in the table.
    pub name: &'static str,
    /// `B`.
    pub batch: usize,
    /// `T`.
    pub tokens: usize,
    /// Number of states; the largest head count.
    pub heads: usize,
    /// Whether every second parameter has half the heads.
    pub grouped: bool,
    /// Whether initial states are given.
    pub initial: bool,
    /// Lengths of packed sequences, with `B = 1`; they add up to `tokens`.
    pub lengths: Option<Vec<usize>>,
}

impl Case {
    /// How many sequences there are.
    pub fn sequences(&self) -> usize {
        self.lengths.as_ref().map_or(self.batch, Vec::len)
    }

    /// The head count of parameter number `index`. The first one always has all heads, so that there are that many.
    pub fn heads_of(&self, index: usize) -> usize {
        if self.grouped && index % 2 == 1 { self.heads / 2 } else { self.heads }
    }

    /// The shape of the tensor of parameter number `index`, from the sizes of the dims.
    pub fn shape(&self, index: usize, param: &Param, sizes: &[usize]) -> Vec<usize> {
        let mut shape = if param.per_head { vec![] } else { vec![self.batch, self.tokens] };
        shape.extend(param.count.map(|count| count as usize));
        shape.push(self.heads_of(index));
        shape.extend(param.shape.dims().map(|dim| sizes[dim.index()]));
        shape
    }
}

/// The cases of a check whose longest sequence has `tokens` tokens.
pub fn cases(tokens: usize, heads: usize, chunk: usize, signature: &Signature) -> Vec<Case> {
    // A length that the chunk divides would leave the last, shorter chunk untested.
    let ragged = if tokens > 1 && tokens.is_multiple_of(chunk) { tokens - 1 } else { tokens };
    let plain = Case {
        name: "plain",
        batch: 2,
        tokens: ragged,
        heads: 1,
        grouped: false,
        initial: false,
        lengths: None,
    };
    let whole = (tokens / chunk).max(1) * chunk;
    let mut all = vec![
        plain.clone(),
        Case { name: "initial", batch: 1, tokens: whole, heads: 2, initial: true, ..plain.clone() },
        Case { name: "packed", batch: 1, initial: true, lengths: Some(split(ragged)), ..plain.clone() },
    ];
    if signature.params.len() > 1 {
        let grouped = Case { name: "grouped", batch: 1, heads, grouped: true, initial: true, ..plain };
        all.insert(2, grouped);
    }
    all
}

/// Lengths of packed sequences: a long one, an empty one, a single token, the rest.
fn split(tokens: usize) -> Vec<usize> {
    let long = tokens / 2;
    let one = (tokens - long).min(1);
    vec![long, 0, one, tokens - long - one]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up() {
        for tokens in [0, 1, 2, 3, 50] {
            assert_eq!(split(tokens).iter().sum::<usize>(), tokens, "{tokens}");
        }
    }
}
