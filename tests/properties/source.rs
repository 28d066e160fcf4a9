//! Where a generator gets its choices from, and how a failing case is made small.
//!
//! Every choice is a number below some bound, and the choices made are kept. The same list gives the same case, so a
//! case shrinks by making its list smaller: 0 is always the plainest choice, and a list that ends early goes on as zeros.

use crate::random::Random;

/// A list of choices, continued at random or with zeros.
pub(crate) struct Source {
    choices: Vec<u64>,
    at: usize,
    random: Option<Random>,
}

impl Source {
    /// Choices at random.
    pub(crate) fn random(seed: u64) -> Source {
        Source { choices: Vec::new(), at: 0, random: Some(Random::new(seed)) }
    }

    /// The given choices, then zeros.
    fn replay(choices: Vec<u64>) -> Source {
        Source { choices, at: 0, random: None }
    }

    /// A number from `0..bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        if self.at == self.choices.len() {
            self.choices.push(self.random.as_mut().map_or(0, |r| r.bits() >> 32));
        }
        let choice = self.choices[self.at];
        self.at += 1;
        (choice % bound as u64) as usize
    }

    /// True once in `n` times; false is the plain choice.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of a list; the first is the plain choice.
    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// What a property says about the case that a source makes: nothing, or the case and what is wrong with it.
pub(crate) type Verdict = Result<(), String>;

/// The failure of the smallest case found from a failing seed, trying at most `attempts` smaller ones.
pub(crate) fn shrink(seed: u64, property: &dyn Fn(&mut Source) -> Verdict, attempts: usize) -> String {
    let mut source = Source::random(seed);
    let mut message = property(&mut source).err().unwrap_or_else(|| "the case no longer fails".into());
    let mut best = source.choices;
    let mut left = attempts;
    let mut span = best.len().div_ceil(2).max(1);
    while left > 0 {
        let mut improved = false;
        for start in (0..best.len()).step_by(span) {
            for candidate in smaller(&best, start, span) {
                if left == 0 {
                    break;
                }
                left -= 1;
                let mut source = Source::replay(candidate);
                if let Err(found) = property(&mut source) {
                    source.choices.truncate(source.at);
                    if weight(&source.choices) < weight(&best) {
                        (message, best, improved) = (found, source.choices, true);
                        break;
                    }
                }
            }
        }
        match (improved, span) {
            (true, _) => {}
            (false, 1) => break,
            (false, _) => span = span.div_ceil(2),
        }
    }
    message
}

/// Shorter first, then smaller numbers.
fn weight(choices: &[u64]) -> (usize, u128) {
    (choices.len(), choices.iter().map(|&c| u128::from(c)).sum())
}

/// The list without a span, and with the span made zero or halved.
fn smaller(choices: &[u64], start: usize, span: usize) -> Vec<Vec<u64>> {
    if start >= choices.len() {
        return Vec::new();
    }
    let end = (start + span).min(choices.len());
    let without = [&choices[..start], &choices[end..]].concat();
    let with = |f: fn(u64) -> u64| -> Vec<u64> {
        let middle = choices[start..end].iter().map(|&c| f(c));
        choices[..start].iter().copied().chain(middle).chain(choices[end..].iter().copied()).collect()
    };
    let mut all = vec![without, with(|_| 0)];
    if span == 1 {
        all.push(with(|c| c % 16));
        all.push(with(|c| c.saturating_sub(1)));
    }
    all
}
