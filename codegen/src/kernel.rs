//! What a launcher needs: text, entry point, arguments in order, and the launch geometry.
//!
//! Pointers come first, then integers, then where each input's numbers lie:
//!
//! | role | type | tensor or value |
//! |---|---|---|
//! | [`Role::Input`] | `const T *` | the parameter's tensor |
//! | [`Role::InitialState`] | `const float *` | `<state>0`; null means zero |
//! | [`Role::Output`] | `T *` | `o`, or `o0`, `o1`, .. |
//! | [`Role::FinalState`] | `float *` | the state after the last token; null means not wanted |
//! | [`Role::CuSeqlens`] | `const long long *` | `cu_seqlens`, always as i64; null where the batch is dense |
//! | [`Role::Tokens`] | `long long` | `T` of a dense batch; not read when `cu_seqlens` is given |
//! | [`Role::Heads`] | `unsigned` | `HV`, the number of state heads |
//! | [`Role::Workspace`] | `T *` | a buffer of the plan's [`Schedule`](crate::Schedule) |
//! | [`Role::Sequences`] | `long long` | the number of sequences |
//! | [`Role::PieceTokens`] | `long long` | tokens of a piece |
//! | [`Role::Strides`] | `Strides`, by value | where the numbers of one parameter's tensor lie: [`Strides`] |
//!
//! Dims are in the order of `chunkwise_dsl::signature`. The last dim of an input is contiguous, the others lie as far
//! apart as its strides say, so that a part of a packed tensor, or one with heads before tokens, is read where it is.
//! States and outputs are contiguous. Kernels move numbers in runs, so a pointer, and every stride of an input, is a
//! multiple of the pointer's [`Argument::align`] bytes. An initial and a final state may be one buffer (each thread reads
//! its part before it writes it); no other output may overlap anything. With no sequence or no head there is nothing to
//! launch; `T = 0` may be launched.

use crate::dtype::DType;
use crate::schedule::{Extent, Unit};
use chunkwise_dsl::graph::{ParamId, StateId};
use chunkwise_dsl::signature::Param;
use std::fmt;

/// What a kernel is made for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    /// Size of each dim, by `Dim`; 1 to 256.
    pub sizes: Vec<usize>,
    /// Type of the token vectors other than decays, and of the outputs: f32, f16 or bf16. Scalars, decays, `PerHead`
    /// tensors and states are f32.
    pub dtype: DType,
    /// How tensor cores round their operands.
    pub precision: Precision,
    /// The most tokens in a chunk of a chunkwise plan. Kernels take chunks of 16, 32 or 64 tokens: the longest that is not
    /// above this and fits into shared memory, 16 at least.
    pub chunk: usize,
    /// The most value columns of a block of a chunkwise plan: fewer make more blocks of a head. Where a rule sums over the
    /// value dim, a block takes all of them, whatever this is.
    pub columns: usize,
}

impl Spec {
    /// The size of each dim, by `Dim`.
    ///
    /// # Errors
    /// [`Limitation::Size`]: one is missing, 0, or above [`MAX_SIZE`].
    pub fn checked_sizes(&self, dims: &[String]) -> Result<Vec<u32>, Limitation> {
        let checked = |(at, name): (usize, &String)| {
            let size = self.sizes.get(at).copied().unwrap_or(0);
            match u32::try_from(size) {
                Ok(small) if (1..=MAX_SIZE).contains(&size) => Ok(small),
                _ => Err(Limitation::Size { dim: name.clone(), size }),
            }
        };
        dims.iter().enumerate().map(checked).collect()
    }

    /// The default precision, chunk length and value columns.
    pub fn new(sizes: Vec<usize>, dtype: DType) -> Spec {
        Spec { sizes, dtype, precision: Precision::Fast, chunk: 64, columns: 128 }
    }
}

/// How tensor cores round their operands. Inputs in f32 are always split.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Precision {
    /// Once, to 16 bits.
    #[default]
    Fast,
    /// As the sum of two numbers of 16 bits, where rounding loses anything: two or three products for one.
    High,
}

/// A generated kernel.
#[derive(Clone, PartialEq, Debug)]
pub struct Kernel {
    /// The entry point, `extern "C"`.
    pub name: String,
    /// Self-contained CUDA C++, without includes.
    pub source: String,
    /// The arguments, in order.
    pub arguments: Vec<Argument>,
    /// Threads in a block (one dimension).
    pub threads: u32,
    /// Bytes of dynamic shared memory to ask for at launch.
    pub shared: u32,
    /// What it has blocks for.
    pub unit: Unit,
    /// Blocks that share one state head of one unit.
    pub blocks_per_head: u32,
}

/// One kernel argument.
#[derive(Clone, PartialEq, Debug)]
pub struct Argument {
    /// The tensor's name as users know it; for an integer, the name in the text.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Element type of a pointer; `None` for `cu_seqlens` (i64) and for integers.
    pub dtype: Option<DType>,
    /// Bytes that a pointer's address, and the strides of its tensor, must be multiples of; for other arguments, what
    /// they are aligned to among the arguments (8 for tokens and strides, 4 for heads).
    pub align: usize,
}

/// What an argument is; see the table above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A parameter's tensor.
    Input(ParamId),
    /// A state before the first token, or null.
    InitialState(StateId),
    /// An output, by position.
    Output(usize),
    /// A state after the last token, or null.
    FinalState(StateId),
    /// Offsets of packed sequences, or null.
    CuSeqlens,
    /// Tokens in each sequence of a dense batch.
    Tokens,
    /// State heads.
    Heads,
    /// Where the numbers of a parameter's tensor lie.
    Strides(ParamId),
    /// Memory between kernels, by position in [`Schedule::buffers`](crate::Schedule::buffers).
    Workspace(usize),
    /// Sequences.
    Sequences,
    /// Tokens of a piece.
    PieceTokens,
}

/// Where an input's numbers lie: how far apart neighbours are along every dim but the last, in numbers of the tensor's
/// type, and how many heads share one of the input's.
///
/// ```
/// use chunkwise_codegen::kernel::Strides;
/// // q of a packed [B, T, 3, H, D], T = 64, H = 8, D = 128: tokens are three times as far apart as they would be.
/// let q = Strides { batch: 64 * 3072, token: 3072, entry: 0, head: 128, group: 1 };
/// assert_eq!(q.to_le_bytes().len(), Strides::BYTES);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Strides {
    /// Between the sequences of a dense batch; not used where sequences are packed.
    pub batch: i64,
    /// Between tokens; not used for what is constant in time.
    pub token: i64,
    /// Between the entries of an array; not used where the parameter is none.
    pub entry: i64,
    /// Between heads.
    pub head: i64,
    /// State heads that read one head of this tensor: `HV / H`, at least 1.
    pub group: u32,
}

impl Strides {
    /// Of a contiguous tensor, `[B, T, (n), H, ..]`, or `[H, ..]` where it is constant in time, with `heads` heads of its
    /// own for `state_heads`. `sizes` is by `Dim`.
    pub fn contiguous(
        param: &Param,
        sizes: &[usize],
        tokens: usize,
        heads: usize,
        state_heads: usize,
    ) -> Strides {
        let times = |a: i64, b: usize| a.saturating_mul(i64::try_from(b).unwrap_or(i64::MAX));
        let head = param.shape.dims().map(|d| sizes[d.index()]).fold(1, times);
        let entry = times(head, heads);
        let token = times(entry, param.count.unwrap_or(1) as usize);
        let group = u32::try_from(state_heads / heads.max(1)).unwrap_or(u32::MAX);
        Strides { batch: times(token, tokens), token, entry, head, group: group.max(1) }
    }

    /// Bytes that the struct takes among a kernel's arguments, padding included.
    pub const BYTES: usize = 40;

    /// As kernels take it.
    pub fn to_le_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (distances, group) = bytes.split_at_mut(32);
        let all = [self.batch, self.token, self.entry, self.head];
        for (place, stride) in distances.as_chunks_mut::<8>().0.iter_mut().zip(all) {
            *place = stride.to_le_bytes();
        }
        group[..4].copy_from_slice(&self.group.to_le_bytes());
        bytes
    }
}

/// What a state is before a kernel's first token, and where it goes after the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// What it begins as.
    pub begin: Begin,
    /// Where it goes: a final state or a buffer. `None` is nowhere.
    pub end: Option<Role>,
}

/// What a state begins as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// Zero.
    Zero,
    /// What maps every state to itself: the identity, and ones for a vector, which stands for a diagonal.
    One,
    /// Ones, every element: what only decays ends with what it multiplies each element by.
    Ones,
    /// What memory holds: an initial state or a buffer.
    Memory(Role),
}

impl Ends {
    /// From the initial to the final state.
    pub fn whole(state: StateId) -> Ends {
        Ends { begin: Begin::Memory(Role::InitialState(state)), end: Some(Role::FinalState(state)) }
    }
}

impl Argument {
    /// Whether this is a pointer.
    pub fn is_pointer(&self) -> bool {
        !matches!(
            self.role,
            Role::Tokens | Role::Heads | Role::Strides(_) | Role::Sequences | Role::PieceTokens
        )
    }

    /// Bytes that the argument takes.
    pub fn size(&self) -> usize {
        match self.role {
            Role::Heads => 4,
            Role::Strides(_) => Strides::BYTES,
            _ => 8,
        }
    }

    /// Whether null stands for "absent".
    pub fn is_optional(&self) -> bool {
        matches!(self.role, Role::InitialState(_) | Role::FinalState(_) | Role::CuSeqlens)
    }
}

impl Kernel {
    /// Blocks to launch (one dimension); `None` where that is more than a grid holds (2^31 - 1). 0 means that there is
    /// nothing to launch.
    pub fn grid(&self, extent: &Extent) -> Option<u32> {
        let units = extent.units(self.unit);
        let blocks = units.checked_mul(extent.heads)?.checked_mul(self.blocks_per_head as usize)?;
        (blocks <= i32::MAX as usize).then_some(blocks as u32)
    }
}

/// Why there is no kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Limitation {
    /// A dim's size is 0 or above [`MAX_SIZE`]; the user named it.
    Size {
        /// The dim's name.
        dim: String,
        /// Its size.
        size: usize,
    },
    /// Kernels take `f32`, `f16` and `bf16`.
    DType(DType),
    /// A dim is the key side of one matrix state and the value side of another.
    BothSides {
        /// The dim's name.
        dim: String,
    },
    /// The vectors of one token need more registers than a thread has, wherever the states are.
    Registers {
        /// The dims, as text: `K = 256, V = 256`.
        sizes: String,
        /// Registers needed, by estimate.
        needed: u32,
    },
    /// The rule has no kernel of the fused plan; the text says why.
    NotFused(String),
    /// The timeline holds what no rule's timeline holds. Our bug.
    Invalid(String),
}

/// The largest size of a dim.
pub const MAX_SIZE: usize = 256;

impl Limitation {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Limitation::Size { .. } => "kernels take sizes from 1 to 256; the cpu device takes any",
            Limitation::DType(_) => "use f32, f16 or bf16, or the cpu device",
            Limitation::BothSides { .. } => {
                "use the cpu device; on a GPU a dim must be on one side of all states"
            }
            Limitation::Registers { .. } => "use smaller dims or fewer inputs, or the cpu device",
            Limitation::NotFused(_) => "use the recurrent plan, which every rule has",
            Limitation::Invalid(_) => "this is a bug in chunkwise; please report it with the rule",
        }
    }
}

impl fmt::Display for Limitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limitation::Size { dim, size } => write!(f, "no kernel for {dim} = {size}"),
            Limitation::DType(dtype) => write!(f, "no kernel for {dtype}"),
            Limitation::BothSides { dim } => {
                write!(f, "no kernel: `{dim}` is the key dim of one state and the value dim of another")
            }
            Limitation::Registers { sizes, needed } => {
                write!(f, "no kernel for {sizes}: a thread would need {needed} registers")
            }
            Limitation::NotFused(why) => f.write_str(why),
            Limitation::Invalid(what) => write!(f, "invalid timeline: {what}"),
        }
    }
}

impl std::error::Error for Limitation {}
