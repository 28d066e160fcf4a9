//! Words as fixed random unit vectors, and the word nearest to a vector.
//!
//! Each of the `DIM` numbers of a word is `+1` or `-1` over `sqrt(DIM)`, by a coin that the word's letters seed. So a word
//! has one vector in every text and on every machine, its length is exactly 1, and two words are nearly orthogonal:
//! their product has mean 0 and deviation `1 / sqrt(DIM)`, which is .09 here.

use chunkwise::{Error, Tensor};
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

/// Numbers in a vector: `K` and `V` of the memories.
pub(crate) const DIM: usize = 128;

/// Vectors that one thread compares with the vocabulary at a time.
const BLOCK: usize = 64;

/// The vectors of a vocabulary.
pub(crate) struct Embeddings {
    /// `[words, DIM]`, row by row.
    rows: Vec<f32>,
}

impl Embeddings {
    /// The vectors of these words.
    pub(crate) fn of(vocabulary: &[String]) -> Embeddings {
        Embeddings { rows: vocabulary.iter().flat_map(|word| signs(word)).collect() }
    }

    /// The vectors of some words as one head of one sequence: `[1, words, 1, DIM]`.
    pub(crate) fn tensor(&self, words: &[usize]) -> Result<Tensor, Error> {
        let rows: Vec<f32> = words.iter().flat_map(|w| &self.rows[w * DIM..(w + 1) * DIM]).copied().collect();
        Tensor::new([1, words.len(), 1, DIM], rows)
    }

    /// For each row of `vectors` the word whose vector has the greatest product with it, the first of equals.
    /// All rows of the vocabulary have length 1, so that is the greatest cosine too.
    pub(crate) fn nearest(&self, vectors: &[f32]) -> Vec<usize> {
        let vocabulary = matrix(&self.rows);
        let blocks = vectors.par_chunks(BLOCK * DIM).map(|block| {
            let products = matrix(block).dot(&vocabulary.t());
            products.axis_iter(Axis(0)).map(|row| greatest(row.iter().copied())).collect::<Vec<_>>()
        });
        blocks.flatten().collect()
    }
}

/// Rows of `DIM` numbers as a matrix.
fn matrix(rows: &[f32]) -> ArrayView2<'_, f32> {
    let (whole, _) = rows.as_chunks::<DIM>();
    ArrayView2::from(whole)
}

/// The position of the greatest number, the first of equals.
fn greatest(row: impl Iterator<Item = f32>) -> usize {
    let start = (0, f32::NEG_INFINITY);
    row.enumerate().fold(start, |best, (i, x)| if x > best.1 { (i, x) } else { best }).0
}

/// The vector of a word.
fn signs(word: &str) -> [f32; DIM] {
    let unit = 1.0 / (DIM as f32).sqrt();
    let mut state = seed(word);
    let mut bits = 0;
    std::array::from_fn(|i| {
        if i % 64 == 0 {
            bits = split_mix(&mut state);
        }
        if bits >> (i % 64) & 1 == 1 { unit } else { -unit }
    })
}

/// FNV-1a (Fowler, Noll, Vo): a word's letters as one number.
fn seed(word: &str) -> u64 {
    word.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// SplitMix64 (Steele, Lea, Flood 2014): the next 64 coins.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_the_published_numbers() {
        let mut state = 1_234_567;
        let drawn: [u64; 3] = std::array::from_fn(|_| split_mix(&mut state));
        assert_eq!(drawn, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn each_word_is_nearest_to_itself() {
        let words: Vec<String> = (0..300).map(|i| format!("word{i}")).collect();
        let embeddings = Embeddings::of(&words);
        let order: Vec<usize> = (0..300).rev().collect();
        let tensor = embeddings.tensor(&order).unwrap();
        assert_eq!(tensor.shape(), [1, 300, 1, DIM]);
        assert_eq!(embeddings.nearest(tensor.as_f32().unwrap()), order);
    }

    #[test]
    fn vectors_are_nearly_orthogonal_units() {
        let product = |a: &str, b: &str| signs(a).iter().zip(signs(b)).map(|(x, y)| x * y).sum::<f32>();
        assert!((product("whale", "whale") - 1.0).abs() < 1e-6);
        assert!(product("whale", "sea").abs() < 0.4);
    }
}
