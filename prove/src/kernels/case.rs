//! Which kernels there are, and what each is run on.
//!
//! ```text
//! gated_deltanet/bf16/K=64,V=100/7        rule, element type, sizes, seed of the numbers: one kernel, and all its runs
//! ```
//!
//! A kernel is made for a rule, an element type and the sizes of the rule's dims; nothing else changes its text. Batches,
//! sequences, heads and states are arguments, so each kernel runs on every frame of [`frames`].

use chunkwise::{Rule, catalogue};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::random::Random;
use chunkwise_codegen::DType;
use std::fmt;
use std::str::FromStr;

/// Sizes of a dim: 1, odd ones, around 64, the usual 128, the largest.
pub const SIZES: [usize; 10] = [1, 3, 16, 63, 64, 65, 100, 128, 200, 256];

/// Element types that kernels are made for.
pub const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// One kernel, and the seed of the numbers that it runs on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// A name of the catalogue.
    pub rule: String,
    /// Type of the token vectors.
    pub dtype: DType,
    /// By dim.
    pub sizes: Vec<usize>,
    /// Of the numbers.
    pub seed: u64,
}

/// Every rule that works, in the order of the catalogue.
pub fn rules() -> Vec<&'static Rule> {
    catalogue().iter().filter_map(|entry| entry.rule.map(|rule| rule())).collect()
}

/// The rule of a name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    rules().into_iter().find(|rule| rule.signature.name == name)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: &[String] = rule(&self.rule).map_or(&[], |rule| &rule.signature.dims);
        let sizes = dims.iter().zip(&self.sizes).map(|(dim, size)| format!("{dim}={size}"));
        let sizes = sizes.collect::<Vec<_>>().join(",");
        write!(f, "{}/{}/{sizes}/{}", self.rule, self.dtype, self.seed)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let wrong = |what: &str| format!("`{text}`: {what}; a case is written as gla/bf16/K=64,V=100/7");
        let [name, dtype, sizes, seed] = text.split('/').collect::<Vec<_>>()[..] else {
            return Err(wrong("it has not four parts"));
        };
        let rule = rule(name).ok_or_else(|| wrong("there is no such rule"))?;
        let dtype = DTYPES.into_iter().find(|d| d.name() == dtype).ok_or_else(|| wrong("no such type"))?;
        let given: Vec<(&str, usize)> = sizes
            .split(',')
            .map(|part| part.split_once('=').and_then(|(dim, size)| Some((dim, size.parse().ok()?))))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("sizes are written as K=64"))?;
        let of = |dim: &String| given.iter().find(|(name, _)| name == dim).map(|(_, size)| *size);
        let sizes: Vec<usize> = rule
            .signature
            .dims
            .iter()
            .map(of)
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("a dim has no size"))?;
        let seed = seed.parse().map_err(|_| wrong("the seed is no number"))?;
        Ok(Case { rule: name.to_owned(), dtype, sizes, seed })
    }
}

/// What every kernel runs on: a dense batch, heads in groups, packed sequences with empty ones among them, one token (as
/// in decoding), no token at all; with and without initial states. Few tokens each: what differs from one to the next
/// shows in the first three, and the cost grows with them.
pub fn frames(rule: &Rule) -> Vec<Frame> {
    let frame = |name, batch, tokens, heads, initial| Frame {
        name,
        batch,
        tokens,
        heads,
        grouped: false,
        initial,
        lengths: None,
    };
    let packed = |name, lengths: &[usize], heads, initial| Frame {
        lengths: Some(lengths.to_vec()),
        ..frame(name, 1, lengths.iter().sum(), heads, initial)
    };
    let mut all = vec![
        frame("dense", 2, 5, 1, false),
        packed("packed", &[3, 0, 1, 2], 2, true),
        packed("packed without states", &[0, 2], 1, false),
        frame("one token", 3, 1, 2, true),
        frame("no token", 2, 0, 1, true),
    ];
    if rule.signature.params.len() > 1 {
        all.push(Frame { grouped: true, ..frame("grouped", 1, 4, 4, true) });
    }
    all
}

/// Every kernel of the given rules.
pub fn product(rules: &[&Rule], seed: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for rule in rules {
        let dims = rule.signature.dims.len();
        for dtype in DTYPES {
            for index in 0..SIZES.len().pow(dims as u32) {
                let sizes =
                    (0..dims as u32).map(|d| SIZES[index / SIZES.len().pow(d) % SIZES.len()]).collect();
                cases.push(Case { rule: rule.signature.name.clone(), dtype, sizes, seed });
            }
        }
    }
    cases
}

/// How many kernels of each rule and element type a sample takes.
const DRAWS: usize = 2;

/// One small kernel of a rule.
pub fn small(rule: &Rule, seed: u64) -> Case {
    let sizes = rule.signature.dims.iter().map(|_| 16).collect();
    Case { rule: rule.signature.name.clone(), dtype: DType::BF16, sizes, seed }
}

/// Some kernels of every rule: each element type, with sizes dealt from a shuffled deck, so that every size comes up as
/// often as any other.
pub fn sample(rules: &[&Rule], seed: u64) -> Vec<Case> {
    let mut deck = Deck { random: Random::new(seed), left: Vec::new() };
    let mut cases = Vec::new();
    for rule in rules {
        for dtype in DTYPES.into_iter().flat_map(|dtype| [dtype; DRAWS]) {
            let sizes = rule.signature.dims.iter().map(|_| deck.deal()).collect();
            cases.push(Case { rule: rule.signature.name.clone(), dtype, sizes, seed });
        }
    }
    cases
}

/// Sizes in random order, each once before any comes again.
struct Deck {
    random: Random,
    left: Vec<usize>,
}

impl Deck {
    fn deal(&mut self) -> usize {
        if self.left.is_empty() {
            self.left = SIZES.to_vec();
        }
        let at = self.random.bits() % self.left.len() as u64;
        self.left.swap_remove(at as usize)
    }
}
