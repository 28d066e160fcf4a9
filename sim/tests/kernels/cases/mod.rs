//! Launches of the reference kernels, each with its inputs and with what the CPU says must come out.
//!
//! A [`Case`] is data: the PTX, the shape of the launch, its arguments in order. A buffer that a kernel fills starts as
//! memory that nobody wrote, so that a read before the write is found; and all that is expected is compared, inputs too: a
//! kernel may not change them.

pub(crate) mod atomics;
pub(crate) mod attention;
pub(crate) mod calls;
pub(crate) mod diverge;
pub(crate) mod gemm;
pub(crate) mod memory;
pub(crate) mod pipeline;
pub(crate) mod scan;
pub(crate) mod softmax;
pub(crate) mod transpose;
pub(crate) mod warp;

/// A launch and what must come of it.
#[derive(Clone)]
pub(crate) struct Case {
    /// For messages: the kernel and the sizes.
    pub(crate) name: String,
    /// The module.
    pub(crate) text: &'static str,
    /// The kernel.
    pub(crate) kernel: &'static str,
    /// Blocks.
    pub(crate) grid: [u32; 3],
    /// Threads of a block.
    pub(crate) block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub(crate) dynamic: u32,
    /// In the order of the kernel's parameters.
    pub(crate) args: Vec<Arg>,
}

/// An argument.
#[derive(Clone)]
pub(crate) enum Arg {
    /// A value, as its bytes.
    Value(Vec<u8>),
    /// A pointer to memory of its own.
    Buffer(Buffer),
}

/// Memory of a launch.
#[derive(Clone)]
pub(crate) struct Buffer {
    /// What it holds before; `None` is memory that nobody wrote.
    pub(crate) before: Option<Vec<u8>>,
    /// What it must hold after.
    pub(crate) after: Expected,
}

/// What a buffer must hold.
#[derive(Clone)]
pub(crate) enum Expected {
    /// These bytes.
    Exactly(Vec<u8>),
    /// Numbers of a type, each within its own slack.
    Near(Element, Vec<(f64, f64)>),
}

/// The type of a float in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F16,
    BF16,
    F32,
}

impl Element {
    pub(crate) fn bytes(self) -> usize {
        if self == Element::F32 { 4 } else { 2 }
    }

    /// The number that these bytes hold.
    pub(crate) fn read(self, bytes: &[u8]) -> f64 {
        match self {
            Element::F32 => f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
            Element::F16 => half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f64(),
            Element::BF16 => half::bf16::from_le_bytes([bytes[0], bytes[1]]).to_f64(),
        }
    }

    /// The bytes of the nearest number.
    pub(crate) fn write(self, x: f32) -> Vec<u8> {
        match self {
            Element::F32 => x.to_le_bytes().to_vec(),
            Element::F16 => half::f16::from_f32(x).to_le_bytes().to_vec(),
            Element::BF16 => half::bf16::from_f32(x).to_le_bytes().to_vec(),
        }
    }
}

/// An integer argument.
pub(crate) fn int(x: i32) -> Arg {
    Arg::Value(x.to_le_bytes().to_vec())
}

/// A 64-bit integer argument.
pub(crate) fn long(x: i64) -> Arg {
    Arg::Value(x.to_le_bytes().to_vec())
}

/// A buffer that the kernel reads and leaves as it is.
pub(crate) fn input(bytes: Vec<u8>) -> Arg {
    Arg::Buffer(Buffer { before: Some(bytes.clone()), after: Expected::Exactly(bytes) })
}

/// A buffer that nobody wrote before the kernel does.
pub(crate) fn output(bytes: Vec<u8>) -> Arg {
    Arg::Buffer(Buffer { before: None, after: Expected::Exactly(bytes) })
}

/// A buffer of floats that nobody wrote before the kernel does: each number, and by how much it may be off.
pub(crate) fn near(element: Element, numbers: Vec<(f64, f64)>) -> Arg {
    Arg::Buffer(Buffer { before: None, after: Expected::Near(element, numbers) })
}

/// A buffer that the kernel changes.
pub(crate) fn changed(before: Vec<u8>, after: Vec<u8>) -> Arg {
    Arg::Buffer(Buffer { before: Some(before), after: Expected::Exactly(after) })
}

/// The bytes of numbers, one after another.
pub(crate) fn bytes<const N: usize, T: Bytes<N> + Copy>(numbers: &[T]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.bytes()).collect()
}

/// A number with `N` bytes.
pub(crate) trait Bytes<const N: usize> {
    /// Little-endian.
    fn bytes(self) -> [u8; N];
}

macro_rules! bytes_of {
    ($($ty:ty: $n:literal),*) => {$(
        impl Bytes<$n> for $ty {
            fn bytes(self) -> [u8; $n] {
                self.to_le_bytes()
            }
        }
    )*};
}
bytes_of!(u8: 1, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8);

/// `a / b`, rounded up.
pub(crate) fn parts(a: usize, b: usize) -> u32 {
    a.div_ceil(b) as u32
}

/// Small launches of every kernel, several where one alone leaves something out: what the mutations run on.
pub(crate) fn small(seed: u64) -> Vec<Vec<Case>> {
    vec![
        vec![gemm::case(&gemm::BF16, 72, 72, 88, seed)],
        vec![gemm::case(&gemm::F16, 72, 72, 88, seed)],
        vec![gemm::case(&gemm::F16_SMALL, 72, 72, 88, seed)],
        vec![gemm::case(&gemm::TF32, 72, 72, 44, seed)],
        vec![attention::case(74, seed), attention::case(82, seed), attention::case(90, seed)],
        vec![softmax::by_warp(8, 70, seed)],
        vec![softmax::by_block(12, 150, seed)],
        vec![scan::segmented(700, seed), scan::segmented(3000, seed)],
        vec![atomics::histogram(500, 2, seed)],
        vec![atomics::extremes(300, 2, seed)],
        vec![atomics::last_block(700, 3, seed)],
        vec![transpose::case("transpose_padded", 40, 50, seed)],
        vec![pipeline::case(7, seed), pipeline::case(0, seed)],
        vec![warp::collectives(2, seed)],
        vec![warp::halves(2, seed)],
        vec![warp::block_votes(2, seed)],
        vec![diverge::collatz(50, seed)],
        vec![diverge::interpret(64, 40, seed), diverge::interpret(32, 0, seed)],
        vec![diverge::meet(5, seed)],
        vec![memory::index64(50, seed)],
        vec![memory::reverse(2, 12_800, seed)],
        vec![memory::sort16(40, seed)],
        vec![memory::tables(50, seed)],
        vec![calls::case(50, seed)],
        vec![crate::triton::matmul(70, 80, 144, seed)],
    ]
}
