//! Running a form on both machines, and comparing the words.

use super::{Agree, BLOCKS, Form};
use chunkwise_cli::check::random::Random;
use chunkwise_sim::machine::{Arguments, Launch, Module, Options};
use chunkwise_sim::memory::global::Global;

/// A machine that runs micro-kernels: words in, words out.
pub trait Machine {
    /// Runs `micro` of `ptx` on [`BLOCKS`] blocks of 32 threads and returns `writes` words.
    ///
    /// # Errors
    /// What the machine said.
    fn run(&self, ptx: &str, reads: &[u32], writes: usize) -> Result<Vec<u32>, String>;
}

/// The simulator, with all checks.
pub struct Simulator;

impl Machine for Simulator {
    fn run(&self, ptx: &str, reads: &[u32], writes: usize) -> Result<Vec<u32>, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let kernel = Module::parse(ptx).and_then(|m| m.kernel("micro")).map_err(|e| text(&e))?;
        let mut memory = Global::new();
        let from = memory.alloc_named(4 * reads.len().max(1) as u64, 256, "from").map_err(|e| text(&e))?;
        let to = memory.alloc_named(4 * writes as u64, 256, "to").map_err(|e| text(&e))?;
        memory.write(from, &bytes(reads)).map_err(|e| text(&e))?;
        let arguments = Arguments::new().pointer(from).pointer(to);
        kernel
            .run(&Launch::linear(BLOCKS, 32), &arguments, &mut memory, &Options::default())
            .map_err(|e| text(&e))?;
        let mut out = vec![0; 4 * writes];
        memory.read(to, &mut out).map_err(|e| text(&e))?;
        Ok(words(&out))
    }
}

/// The bytes of words, little end first.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// Words of bytes.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// What two machines made of one form.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Words compared.
    pub words: usize,
    /// Words with different bits (NaNs of the same kind are the same).
    pub different: usize,
    /// Words that are further apart than the form allows.
    pub wrong: usize,
    /// The largest distance, in units in the last place or absolute, as the form counts.
    pub distance: f64,
    /// The first wrong word in words: lane, inputs, both results.
    pub example: String,
}

/// The words that a form reads, in order: block by block, lane by lane.
pub fn drawn(form: &Form, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..BLOCKS * 32).flat_map(|_| form.draw.clone()).map(|draw| draw.word(&mut random)).collect()
}

/// Runs a form on both and compares.
///
/// # Errors
/// What a machine said, with its name.
pub fn compare(form: &Form, one: &dyn Machine, other: &dyn Machine, seed: u64) -> Result<Outcome, String> {
    let reads = drawn(form, seed);
    let writes = (form.writes * BLOCKS * 32) as usize;
    let ptx = form.ptx();
    let expected = one.run(&ptx, &reads, writes).map_err(|e| format!("the simulator: {e}"))?;
    let found = other.run(&ptx, &reads, writes).map_err(|e| format!("the GPU: {e}"))?;
    Ok(judge(form, &reads, &expected, &found))
}

/// Compares two results of a form.
pub fn judge(form: &Form, reads: &[u32], expected: &[u32], found: &[u32]) -> Outcome {
    let mut outcome =
        Outcome { words: expected.len(), different: 0, wrong: 0, distance: 0.0, example: String::new() };
    for (at, (&x, &y)) in expected.iter().zip(found).enumerate() {
        if x == y {
            continue;
        }
        let Some((distance, fits)) = apart(form.agree, pair(expected, at), pair(found, at), at) else {
            continue;
        };
        outcome.different += 1;
        outcome.distance = outcome.distance.max(distance);
        if !fits {
            outcome.wrong += 1;
            if outcome.example.is_empty() {
                outcome.example = example(form, reads, at, x, y);
            }
        }
    }
    outcome
}

/// The word at a place, and its neighbour in an f64.
fn pair(words: &[u32], at: usize) -> (u32, u32) {
    (words[at], words.get(at ^ 1).copied().unwrap_or(0))
}

fn example(form: &Form, reads: &[u32], at: usize, x: u32, y: u32) -> String {
    let thread = at / form.writes as usize;
    let from = thread * form.reads as usize;
    let inputs: Vec<String> =
        reads[from..from + form.reads as usize].iter().map(|w| format!("{w:#010x}")).collect();
    format!(
        "block {}, lane {}, word {} of ({}): simulator {x:#010x}, GPU {y:#010x}",
        thread / 32,
        thread % 32,
        at % form.writes as usize,
        inputs.join(", ")
    )
}

/// How far two different words are from each other and whether that is allowed; `None` where they are both NaNs.
fn apart(agree: Agree, x: (u32, u32), y: (u32, u32), at: usize) -> Option<(f64, bool)> {
    match agree {
        Agree::Bits { nan } => {
            let same = match nan {
                16 => halves(x.0, y.0).all(|(x, y)| x == y || is_nan16(x) && is_nan16(y)),
                32 => is_nan32(x.0) && is_nan32(y.0),
                64 => is_nan64(x, at) && is_nan64(y, at),
                _ => false,
            };
            (!same).then_some((1.0, false))
        }
        Agree::Ulps { ulps, absolute } => {
            if is_nan32(x.0) && is_nan32(y.0) {
                return None;
            }
            let (a, b) = (f32::from_bits(x.0), f32::from_bits(y.0));
            let units = f64::from(ordered(x.0).abs_diff(ordered(y.0)));
            Some((units, units <= f64::from(ulps) || (a - b).abs() <= absolute))
        }
        Agree::HalfUlps { ulps, brain } => {
            let nan = |h: u32| if brain { h & 0x7fff > 0x7f80 } else { h & 0x7fff > 0x7c00 };
            let worst = halves(x.0, y.0)
                .filter(|&(x, y)| !(nan(x) && nan(y)))
                .map(|(x, y)| ordered16(x).abs_diff(ordered16(y)))
                .max()?;
            Some((f64::from(worst), worst <= ulps))
        }
        Agree::Sum { absolute, halves: false } => {
            let d = (f32::from_bits(x.0) - f32::from_bits(y.0)).abs();
            Some((f64::from(d), d <= absolute))
        }
        Agree::Sum { absolute, halves: true } => {
            let d = halves(x.0, y.0).map(|(x, y)| (half(x) - half(y)).abs()).fold(0.0, f32::max);
            Some((f64::from(d), d <= absolute))
        }
    }
}

fn halves(x: u32, y: u32) -> impl Iterator<Item = (u32, u32)> {
    [(x & 0xffff, y & 0xffff), (x >> 16, y >> 16)].into_iter()
}

/// A NaN of f16 or of bf16; no form's pairs are of unknown kind, and their NaNs do not overlap with numbers that differ.
fn is_nan16(h: u32) -> bool {
    h & 0x7fff > 0x7c00
}

fn is_nan32(w: u32) -> bool {
    w & 0x7fff_ffff > 0x7f80_0000
}

/// Of the two words of an f64, the upper one is at the odd place.
fn is_nan64(x: (u32, u32), at: usize) -> bool {
    let (low, high) = if at % 2 == 1 { (x.1, x.0) } else { (x.0, x.1) };
    let bits = u64::from(high) << 32 | u64::from(low);
    bits & 0x7fff_ffff_ffff_ffff > 0x7ff0_0000_0000_0000
}

/// Floats in their order, as integers.
fn ordered(w: u32) -> i32 {
    if w >> 31 == 1 { -((w & 0x7fff_ffff) as i32) } else { w as i32 }
}

fn ordered16(h: u32) -> i32 {
    if h >> 15 == 1 { -((h & 0x7fff) as i32) } else { h as i32 }
}

/// An f16 as an f32.
fn half(h: u32) -> f32 {
    let magnitude = match h >> 10 & 31 {
        0 => (h & 0x3ff) as f32 * 2f32.powi(-24),
        31 => f32::INFINITY,
        e => (1.0 + (h & 0x3ff) as f32 / 1024.0) * 2f32.powi(e as i32 - 15),
    };
    if h >> 15 == 1 { -magnitude } else { magnitude }
}
