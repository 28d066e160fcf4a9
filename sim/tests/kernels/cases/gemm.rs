//! Matrix products, with the work that they must take, counted by hand.

use super::{Arg, Case, Element, input, int, near, parts};
use crate::random::Random;

/// What tells the kernels of `gemm.cu` apart.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// The kernel.
    pub(crate) kernel: &'static str,
    /// Of A and B.
    pub(crate) element: Element,
    /// Of C.
    pub(crate) output: Element,
    /// Whether A lies as [M, K], and B as [N, K].
    pub(crate) along_k: [bool; 2],
}

/// A [M, K], B [K, N].
pub(crate) const BF16: Kind =
    Kind { kernel: "gemm_bf16", element: Element::BF16, output: Element::F32, along_k: [true, false] };
/// A [K, M], B [N, K].
pub(crate) const F16: Kind =
    Kind { kernel: "gemm_f16", element: Element::F16, output: Element::F32, along_k: [false, true] };
/// A [M, K], B [K, N]; all in f16.
pub(crate) const F16_SMALL: Kind =
    Kind { kernel: "gemm_f16_small", element: Element::F16, output: Element::F16, along_k: [true, false] };
/// A [M, K], B [N, K].
pub(crate) const TF32: Kind =
    Kind { kernel: "gemm_tf32", element: Element::F32, output: Element::F32, along_k: [true, true] };
/// As `BF16`, without the swizzle.
pub(crate) const CONFLICTS: Kind = Kind { kernel: "gemm_conflicts", ..BF16 };

/// What a product must count, by hand.
pub(crate) struct Work {
    /// `2 M N K` of every mma, those on zeros included.
    pub(crate) tensor_flops: u64,
    /// Bytes inside the matrices, by block.
    pub(crate) load_bytes: u64,
    /// C, once.
    pub(crate) store_bytes: u64,
    /// By warp: two a tile.
    pub(crate) barriers: u64,
    /// Bank conflicts.
    pub(crate) conflicts: u64,
}

/// Numbers of one matrix: rows of `width` numbers, which start at multiples of 16 bytes; between them lie NaNs.
struct Matrix {
    numbers: Vec<f32>,
    bytes: Vec<u8>,
    pitch: usize,
}

impl Matrix {
    fn random(rows: usize, width: usize, element: Element, random: &mut Random) -> Matrix {
        let pitch = (width * element.bytes()).next_multiple_of(16);
        let mut matrix = Matrix { numbers: Vec::new(), bytes: Vec::new(), pitch };
        for row in 0..rows {
            for x in random.floats(width, 1.0) {
                let written = element.write(x);
                matrix.numbers.push(element.read(&written) as f32);
                matrix.bytes.extend(written);
            }
            while matrix.bytes.len() < (row + 1) * pitch {
                matrix.bytes.extend(element.write(f32::NAN));
            }
        }
        matrix
    }
}

/// A number as tensor cores see it: tf32 has 10 bits of fraction, rounded to nearest, ties away from zero.
fn seen(x: f32, element: Element) -> f64 {
    let bits = if element == Element::F32 { (x.to_bits() + 0x1000) & !0x1FFF } else { x.to_bits() };
    f64::from(f32::from_bits(bits))
}

/// C = A B, with m x n x k.
pub(crate) fn case(kind: &Kind, m: usize, n: usize, k: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let matrix = |along_k: bool, size: usize, random: &mut Random| {
        let (rows, width) = if along_k { (size, k) } else { (k, size) };
        Matrix::random(rows, width, kind.element, random)
    };
    let a = matrix(kind.along_k[0], m, &mut random);
    let b = matrix(kind.along_k[1], n, &mut random);
    let at = |matrix: &Matrix, along_k: bool, size: usize, i: usize, p: usize| {
        let index = if along_k { i * k + p } else { p * size + i };
        seen(matrix.numbers[index], kind.element)
    };
    let mut c = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let terms = (0..k).map(|p| at(&a, kind.along_k[0], m, i, p) * at(&b, kind.along_k[1], n, j, p));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), x: f64| (sum + x, size + x.abs()));
            c.push((sum, slack(kind, k, size)));
        }
    }
    Case {
        name: format!("{} {m} x {n} x {k}", kind.kernel),
        text: include_str!("../gemm.ptx"),
        kernel: kind.kernel,
        grid: [parts(n, 64), parts(m, 64), 1],
        block: [128, 1, 1],
        dynamic: 0,
        args: [matrix_args(a), matrix_args(b)]
            .into_iter()
            .flatten()
            .chain([near(kind.output, c), int(m as i32), int(n as i32), int(k as i32)])
            .collect(),
    }
}

fn matrix_args(matrix: Matrix) -> [Arg; 2] {
    [input(matrix.bytes), int(matrix.pitch as i32)]
}

/// How far a sum of `k` products may be off, when the sum of their sizes is `size`: a truncation at every addition in f32
/// (products are exact there); in f16 a rounding after every mma, and sums start anew with 16 products.
fn slack(kind: &Kind, k: usize, size: f64) -> f64 {
    match kind.output {
        Element::F32 => k as f64 * 2f64.powi(-23) * size,
        _ => (k.div_ceil(16) + 1) as f64 * 2f64.powi(-11) * size + 1e-6,
    }
}

/// The work of a product.
pub(crate) fn work(kind: &Kind, m: usize, n: usize, k: usize) -> Work {
    let bytes = kind.element.bytes();
    let blocks = m.div_ceil(64) * n.div_ceil(64);
    let tiles = k.div_ceil(64 / bytes);
    // A warp multiplies 32 x 32 a step, two steps a tile: 8 mma of 16 x 8 each.
    let mmas = blocks * 4 * tiles * 2 * 8;
    // Without the swizzle, 8 rows of 64 bytes lie in 2 groups of banks: 4 passes for each of 4 matrices, where 1 is enough;
    // 8 rows of 128 bytes lie in 1 group: 8 passes. A warp loads 4 times 4 matrices of each operand a tile.
    let conflicts =
        if kind.kernel == CONFLICTS.kernel { blocks * 4 * tiles * 4 * (4 * 3 + 4 * 7) } else { 0 };
    Work {
        tensor_flops: (mmas * 2 * 16 * 8 * (32 / bytes)) as u64,
        load_bytes: (n.div_ceil(64) * m * k * bytes + m.div_ceil(64) * n * k * bytes) as u64,
        store_bytes: (m * n * kind.output.bytes()) as u64,
        barriers: (blocks * 4 * tiles * 2) as u64,
        conflicts: conflicts as u64,
    }
}
