//! Which kernels there are, and what each is run on.
//!
//! ```text
//! gated_deltanet/bf16/K=64,V=100/7        rule, element type, sizes, seed of the numbers: one kernel, and all its runs
//! gla/fused-high/f16/K=16,V=3/7           the same of another way than the token loop
//! ```
//!
//! A kernel is made for a rule, a plan, an element type and the sizes of the rule's dims; nothing else changes its text.
//! Batches, sequences, heads and states are arguments, so each kernel runs on every frame of [`frames`].

use chunkwise::{Rule, catalogue};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::random::Random;
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Limitation, Plan, Precision, Schedule};
use std::fmt;
use std::str::FromStr;

/// Sizes of a dim: 1, odd ones, around 64, the usual 128, the largest.
pub const SIZES: [usize; 10] = [1, 3, 16, 63, 64, 65, 100, 128, 200, 256];

/// Element types that kernels are made for.
pub const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// A plan, with how it rounds the operands of tensor cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The token loop.
    Recurrent,
    /// Chunks on tensor cores, operands rounded once.
    Fused,
    /// The same, operands in two parts, and few value columns a block.
    FusedHigh,
    /// A kernel for each phase of a chunk.
    Split,
    /// Pieces of a sequence, composed.
    Segmented,
}

impl Way {
    /// Every way.
    pub const ALL: [Way; 5] = [Way::Recurrent, Way::Fused, Way::FusedHigh, Way::Split, Way::Segmented];

    /// The name in labels.
    pub fn name(self) -> &'static str {
        match self {
            Way::Recurrent => "recurrent",
            Way::Fused => "fused",
            Way::FusedHigh => "fused-high",
            Way::Split => "split",
            Way::Segmented => "segmented",
        }
    }

    /// The plan.
    pub fn plan(self) -> Plan {
        match self {
            Way::Recurrent => Plan::Recurrent,
            Way::Fused | Way::FusedHigh => Plan::Fused,
            Way::Split => Plan::Split,
            Way::Segmented => Plan::Segmented,
        }
    }

    /// The precision of operands.
    pub fn precision(self) -> Precision {
        if self == Way::FusedHigh { Precision::High } else { Precision::Fast }
    }

    /// The most value columns of a block: with few, several blocks share a head.
    pub fn columns(self) -> usize {
        if self == Way::FusedHigh { 32 } else { 128 }
    }

    /// Element types that this way has kernels of its own for: f32 is always split.
    pub fn dtypes(self) -> &'static [DType] {
        if self == Way::FusedHigh { &DTYPES[1..] } else { &DTYPES }
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Way, String> {
        let names = Way::ALL.map(Way::name).join(", ");
        Way::ALL.into_iter().find(|way| way.name() == text).ok_or_else(|| format!("the plans are {names}"))
    }
}

/// Whether a rule has kernels of this way at all, asked for small ones.
pub fn has(rule: &Rule, way: Way) -> bool {
    let sizes = vec![16; rule.signature.dims.len()];
    let case = Case { rule: rule.signature.name.clone(), way, dtype: DType::BF16, sizes, seed: 0 };
    way == Way::Recurrent || case.schedule(rule, Arch::Sm90).is_ok()
}

/// One kernel, and the seed of the numbers that it runs on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// A name of the catalogue.
    pub rule: String,
    /// The plan.
    pub way: Way,
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

impl Case {
    /// What the plan launches.
    ///
    /// # Errors
    /// A limitation: there is nothing.
    pub fn schedule(&self, rule: &Rule, arch: Arch) -> Result<Schedule, Limitation> {
        // A rule that has no timeline has no kernel of any plan.
        let timeline = rule.timeline.as_ref().map_err(|why| Limitation::NotFused(why.message.clone()))?;
        let (precision, columns) = (self.way.precision(), self.way.columns());
        let spec = Spec { precision, columns, ..Spec::new(self.sizes.clone(), self.dtype) };
        self.way.plan().emit(timeline, &spec, arch)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: &[String] = rule(&self.rule).map_or(&[], |rule| &rule.signature.dims);
        let sizes = dims.iter().zip(&self.sizes).map(|(dim, size)| format!("{dim}={size}"));
        let sizes = sizes.collect::<Vec<_>>().join(",");
        // The token loop is what a label is about where it does not say.
        let way = if self.way == Way::Recurrent { String::new() } else { format!("/{}", self.way.name()) };
        write!(f, "{}{way}/{}/{sizes}/{}", self.rule, self.dtype, self.seed)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let wrong = |what: &str| format!("`{text}`: {what}; a case is written as gla/bf16/K=64,V=100/7");
        let (name, way, dtype, sizes, seed) = match text.split('/').collect::<Vec<_>>()[..] {
            [name, dtype, sizes, seed] => (name, Way::Recurrent.name(), dtype, sizes, seed),
            [name, way, dtype, sizes, seed] => (name, way, dtype, sizes, seed),
            _ => return Err(wrong("it has neither four parts nor five")),
        };
        let way = way.parse().map_err(|_| wrong("no such plan"))?;
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
        Ok(Case { rule: name.to_owned(), way, dtype, sizes, seed })
    }
}

/// What every kernel runs on: a dense batch, heads in groups, packed sequences with empty ones among them, one token (as
/// in decoding), no token at all; with and without initial states. Few tokens each where tokens are walked one by one: what
/// differs from one to the next shows in the first three, and the cost grows with them. More than a chunk where there are
/// chunks.
pub fn frames(rule: &Rule, way: Way) -> Vec<Frame> {
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
    let has_chunks = way != Way::Recurrent;
    let (dense, lengths, grouped) = match has_chunks {
        true => (frame("dense", 1, 130, 1, false), [65, 0, 1, 16], 64),
        false => (frame("dense", 2, 5, 1, false), [3, 0, 1, 2], 4),
    };
    let mut all = vec![
        dense,
        packed("packed", &lengths, if has_chunks { 1 } else { 2 }, true),
        packed("packed without states", &[0, 2], 1, false),
        frame("one token", if has_chunks { 1 } else { 3 }, 1, 2, true),
        frame("no token", 2, 0, 1, true),
    ];
    if rule.signature.params.len() > 1 {
        let heads = if has_chunks { 2 } else { 4 };
        all.push(Frame { grouped: true, ..frame("grouped", 1, grouped, heads, true) });
    }
    all
}

/// Every kernel of the given rules and ways, each dim of each of the given sizes.
pub fn product(rules: &[&Rule], ways: &[Way], sizes: &[usize], seed: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for (rule, &way) in rules.iter().flat_map(|rule| ways.iter().map(move |way| (rule, way))) {
        if !has(rule, way) {
            continue;
        }
        let dims = rule.signature.dims.len();
        for &dtype in way.dtypes() {
            for index in 0..sizes.len().pow(dims as u32) {
                let sizes =
                    (0..dims as u32).map(|d| sizes[index / sizes.len().pow(d) % sizes.len()]).collect();
                cases.push(Case { rule: rule.signature.name.clone(), way, dtype, sizes, seed });
            }
        }
    }
    cases
}

/// How many kernels of the token loop a sample takes of each rule and element type.
const DRAWS: usize = 2;

/// One small kernel of each of a rule's plans.
pub fn small(rule: &Rule, seed: u64) -> Vec<Case> {
    let ways = Way::ALL.into_iter().filter(|way| way.precision() == Precision::Fast && has(rule, *way));
    let sizes: Vec<usize> = rule.signature.dims.iter().map(|_| 16).collect();
    let case =
        |way| Case { rule: rule.signature.name.clone(), way, dtype: DType::BF16, sizes: sizes.clone(), seed };
    ways.map(case).collect()
}

/// Some kernels of every rule: each element type of the token loop, and one kernel of a chunkwise plan, whose kernels cost
/// more, with types and precisions in turns. Sizes are dealt from a shuffled deck, so that every size comes up as often as
/// any other.
pub fn sample(rules: &[&Rule], seed: u64) -> Vec<Case> {
    let mut deck = Deck { random: Random::new(seed), left: Vec::new() };
    // Of each plan in turns, and of each one's types.
    let longest = Way::ALL.iter().map(|way| way.dtypes().len()).max().unwrap_or(1);
    let of = |at: usize| Way::ALL[1..].iter().filter_map(move |way| Some((*way, *way.dtypes().get(at)?)));
    let turns: Vec<(Way, DType)> = (0..longest).flat_map(of).collect();
    let mut cases = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let mut kinds: Vec<(Way, DType)> =
            DTYPES.into_iter().flat_map(|dtype| [(Way::Recurrent, dtype); DRAWS]).collect();
        let first = (at as u64 % 1000 + seed) as usize % turns.len();
        let mut turn = turns.iter().cycle().skip(first).take(turns.len());
        kinds.extend(turn.find(|(way, _)| has(rule, *way)));
        for (way, dtype) in kinds {
            let sizes = rule.signature.dims.iter().map(|_| deck.deal()).collect();
            cases.push(Case { rule: rule.signature.name.clone(), way, dtype, sizes, seed });
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
