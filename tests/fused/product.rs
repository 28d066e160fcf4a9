//! A seeded sample of the whole product: rules, types, sizes, lengths, heads, packed sequences, initial states.

use crate::case::{Case, KINDS, dense, packed, rules, variable};
use crate::limits::{any, complaints, none};
use crate::work;
use chunkwise::{Arch, Rule};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::random::Random;
use chunkwise_dsl::graph::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Sizes of a dim: one, odd ones, tiles and halves of tiles, more than one block's columns.
const SIZES: [usize; 10] = [1, 3, 8, 16, 33, 64, 100, 128, 200, 256];

/// Lengths around sub-blocks and chunks.
const LENGTHS: [usize; 8] = [0, 1, 15, 16, 63, 64, 65, 130];

/// Bounds of chunks, the default more often than others.
const CHUNKS: [usize; 4] = [64, 32, 64, 16];

/// Value columns of a block, and what it is simulated as: narrow blocks have warps that prepare where shared memory suffices.
const BLOCKS: [(usize, Arch); 5] =
    [(128, Arch::Sm80), (128, Arch::Sm86), (64, Arch::Sm90), (32, Arch::Sm120), (16, Arch::Sm100)];

/// Deals from a list in random order, each once before any comes again.
struct Deck {
    random: Random,
    all: &'static [usize],
    left: Vec<usize>,
}

impl Deck {
    fn new(seed: u64, all: &'static [usize]) -> Deck {
        Deck { random: Random::new(seed), all, left: Vec::new() }
    }

    fn deal(&mut self) -> usize {
        if self.left.is_empty() {
            self.left = self.all.to_vec();
        }
        let at = self.random.bits() % self.left.len() as u64;
        self.left.swap_remove(at as usize)
    }
}

/// What a kernel runs on: a dense batch, packed sequences of which one is empty, heads in groups.
fn frames(rule: &Rule, lengths: &mut Deck, random: &mut Random) -> Vec<Frame> {
    let mut coin = || random.bits() & 1 == 1;
    // A dim that no parameter has is known from the initial state.
    let known = |dim: usize| {
        let has = |shape: &Shape| shape.dims().any(|d| d.index() == dim);
        rule.signature.params.iter().any(|p| has(&p.shape))
    };
    let unknown = !(0..rule.signature.dims.len()).all(known);
    let parts = [lengths.deal(), 0, lengths.deal(), lengths.deal()];
    let mut frames = vec![
        Frame { initial: coin() || unknown, ..dense(2, lengths.deal(), 1) },
        Frame { initial: coin() || unknown, ..packed(&parts, 1 + usize::from(coin())) },
    ];
    if rule.signature.params.len() > 1 {
        frames.push(Frame {
            name: "grouped",
            grouped: true,
            initial: coin() || unknown,
            ..dense(1, lengths.deal(), 2)
        });
    }
    frames
}

/// A kernel, what it runs on, and the seed of the numbers.
type Job = (Case, Vec<Frame>, u64);

/// Two rules of three, by the seed, or all.
fn dealt(seed: u64, draws: u64) -> Vec<Arc<Rule>> {
    let takes = |at: usize| draws > 1 || !(at as u64 + seed).is_multiple_of(3);
    rules().into_iter().enumerate().filter(|(at, _)| takes(*at)).map(|(_, rule)| rule).collect()
}

fn jobs(seed: u64, draws: u64) -> Vec<Job> {
    let (mut sizes, mut lengths) = (Deck::new(seed, &SIZES), Deck::new(seed + 1, &LENGTHS));
    let (mut kinds, mut chunks) = (Deck::new(seed + 3, &[0, 1, 2, 3, 4]), Deck::new(seed + 4, &CHUNKS));
    let mut blocks = Deck::new(seed + 5, &[0, 1, 2, 3, 4]);
    let mut random = Random::new(seed + 2);
    let mut jobs = Vec::new();
    for _ in 0..draws {
        for rule in dealt(seed, draws) {
            let sizes = rule.signature.dims.iter().map(|_| sizes.deal()).collect();
            let (dtype, precision) = KINDS[kinds.deal()];
            let chunk = chunks.deal();
            let (columns, arch) = BLOCKS[blocks.deal()];
            let case = Case { precision, chunk, columns, arch, ..Case::new(rule, dtype, sizes) };
            // What needs more shared memory than an architecture has is run as one that has more.
            let cases = [arch, Arch::Sm90].map(|arch| Case { arch, ..case.clone() });
            if let Some(case) = cases.into_iter().find(|case| case.kernel(case.arch).is_ok()) {
                let frames = frames(&case.rule, &mut lengths, &mut random);
                jobs.push((case, frames, random.bits()));
            }
        }
    }
    jobs
}

#[test]
fn sample() {
    let (seed, draws) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 1));
    println!("CHUNKWISE_SEED={seed} CHUNKWISE_CASES={draws}");
    let jobs = jobs(seed, draws);
    // Up to nine of a hundred dealt rules are elementwise, and few that sum over value channels are dealt more numbers than a block has
    // registers for.
    assert!(
        100 * jobs.len() as u64 >= 84 * draws * dealt(seed, draws).len() as u64,
        "only {} kernels",
        jobs.len()
    );
    let counted = jobs.iter().filter(|(case, ..)| work::is_counted(case)).count();
    assert!(10 * counted >= 8 * jobs.len(), "the work of only {counted} kernels is compared");
    none(jobs.par_iter().map(run).collect::<Vec<_>>().concat());
}

fn run((case, frames, seed): &Job) -> Vec<String> {
    let simulator = case.simulator();
    let of_frame = |frame: &Frame| -> Vec<String> {
        let inputs = case.inputs(frame, *seed);
        let wrong = match simulator.forward(&inputs) {
            Ok(results) => complaints(case, any(case), &results, &case.expected(&inputs)),
            Err(error) => vec![error.to_string()],
        };
        wrong.into_iter().map(|what| format!("{}, seed {seed}, {frame:?}: {what}", case.label())).collect()
    };
    let found: Vec<String> = frames.iter().flat_map(of_frame).collect();
    let work = work::complaints(case, &simulator).into_iter().map(|what| format!("{}: {what}", case.label()));
    found.into_iter().chain(work).collect()
}
