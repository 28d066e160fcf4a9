//! What a launch is made of: the grid, the arguments, the options, and what may go wrong.
//!
//! ```text
//! Launch { grid: [ceil(n / 256), 1, 1], block: [256, 1, 1], dynamic_shared: 0 }
//! Arguments::new().pointer(x).f32(2.0).u32(n)
//! ```
//!
//! Arguments are packed by the kernel's list of parameters, and each has to be as large as its parameter. The limits are
//! those of compute capability 8.0 and later, from the CUDA C++ Programming Guide, "Compute Capabilities".

use crate::check::Violation;
use crate::decode::{self, Kernel};
use crate::memory::Strictness;
use crate::syntax;

/// Threads of a block, at most.
pub const MAX_THREADS: u32 = 1024;

/// Shared memory that a kernel may declare, in bytes.
pub const MAX_STATIC_SHARED: u32 = 48 * 1024;

/// A grid of blocks of threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Launch {
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Bytes of shared memory beyond what the kernel declares: the size of its `extern .shared` arrays.
    pub dynamic_shared: u32,
}

impl Launch {
    /// Blocks and threads along x alone.
    pub fn linear(blocks: u32, threads: u32) -> Launch {
        Launch { grid: [blocks, 1, 1], block: [threads, 1, 1], dynamic_shared: 0 }
    }

    /// The same with so many bytes of dynamic shared memory.
    pub fn dynamic_shared(self, bytes: u32) -> Launch {
        Launch { dynamic_shared: bytes, ..self }
    }

    /// Threads of a block; `u32::MAX` where there are more.
    pub fn threads(&self) -> u32 {
        self.block.iter().fold(1, |all, n| all.saturating_mul(*n))
    }

    /// Blocks of the grid; `u64::MAX` where there are more.
    pub fn blocks(&self) -> u64 {
        self.grid.iter().fold(1, |all, n| all.saturating_mul(u64::from(*n)))
    }
}

/// How a launch runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// What memories check. Default: everything.
    pub checks: Strictness,
    /// Whether the report has counts by source line. Default: no.
    pub lines: bool,
    /// Warp instructions that a block may execute before it counts as endless. Default: 2^30.
    pub instruction_limit: u64,
    /// Blocks that run at a time, at most as many as rayon has threads; 0 means that many. Default: 0.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { checks: Strictness::default(), lines: false, instruction_limit: 1 << 30, threads: 0 }
    }
}

/// Arguments of a launch, in the order of the kernel's parameters.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Arguments {
    values: Vec<(&'static str, Vec<u8>)>,
    /// All of them as they lie, where given so.
    space: Option<Vec<u8>>,
}

impl Arguments {
    /// No arguments yet.
    pub fn new() -> Arguments {
        Arguments::default()
    }

    /// The address of an allocation, or of a place in one.
    pub fn pointer(self, address: u64) -> Arguments {
        self.push("pointer", &address.to_le_bytes())
    }

    /// A `u32`.
    pub fn u32(self, value: u32) -> Arguments {
        self.push("u32", &value.to_le_bytes())
    }

    /// An `i32`.
    pub fn i32(self, value: i32) -> Arguments {
        self.push("i32", &value.to_le_bytes())
    }

    /// A `u64`.
    pub fn u64(self, value: u64) -> Arguments {
        self.push("u64", &value.to_le_bytes())
    }

    /// An `f32`.
    pub fn f32(self, value: f32) -> Arguments {
        self.push("f32", &value.to_le_bytes())
    }

    /// An `f64`.
    pub fn f64(self, value: f64) -> Arguments {
        self.push("f64", &value.to_le_bytes())
    }

    /// All arguments as they lie in the parameter space, each at a multiple of its alignment; takes the place of any other.
    pub fn packed(space: &[u8]) -> Arguments {
        Arguments { values: Vec::new(), space: Some(space.to_vec()) }
    }

    /// A value of any size, such as a struct, as its bytes.
    pub fn bytes(self, value: &[u8]) -> Arguments {
        self.push("value", value)
    }

    fn push(mut self, kind: &'static str, value: &[u8]) -> Arguments {
        self.values.push((kind, value.to_vec()));
        self
    }

    /// The kernel's parameter space.
    pub(crate) fn pack(&self, kernel: &Kernel) -> Result<Vec<u8>, Error> {
        let (name, params) = (&kernel.name, &kernel.params);
        if let Some(space) = &self.space {
            return match space.len() == kernel.param_bytes as usize {
                true => Ok(space.clone()),
                false => Err(Error::Launch(format!(
                    "the arguments of `{name}` have {} bytes, and its parameters {}",
                    space.len(),
                    kernel.param_bytes
                ))),
            };
        }
        if params.len() != self.values.len() {
            return Err(Error::Launch(format!(
                "`{name}` has {} parameters, and {} arguments were given",
                params.len(),
                self.values.len()
            )));
        }
        let mut space = vec![0; kernel.param_bytes as usize];
        for (index, (param, (kind, value))) in params.iter().zip(&self.values).enumerate() {
            let place = param.offset as usize..(param.offset + param.bytes) as usize;
            match space.get_mut(place) {
                Some(place) if place.len() == value.len() => place.copy_from_slice(value),
                _ => {
                    return Err(Error::Launch(format!(
                        "argument {index} of `{name}` is a {kind} of {} bytes, and its parameter `{}` (.{}) has {} bytes",
                        value.len(),
                        param.name,
                        param.ty,
                        param.bytes
                    )));
                }
            }
        }
        Ok(space)
    }
}

/// Why a kernel was not loaded, or a launch has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no PTX that the simulator reads.
    #[error(transparent)]
    Syntax(#[from] syntax::Error),
    /// An instruction that the simulator does not understand.
    #[error(transparent)]
    Decode(#[from] decode::Error),
    /// The launch cannot be: a kernel that is not there, arguments that do not fit, a limit exceeded.
    #[error("{0}")]
    Launch(String),
    /// The kernel did something wrong.
    #[error(transparent)]
    Violation(Box<Violation>),
}

/// Shared memory that a block may have in all, in bytes, on a target such as `sm_90a`.
pub fn max_shared(target: &str) -> u32 {
    let digits: String =
        target.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let kilobytes = match digits.parse().unwrap_or(0) {
        80 | 87 => 163,
        86 | 89 | 120 | 121 => 99,
        90..=119 => 227,
        75 => 64,
        70 | 72 => 96,
        _ => 48,
    };
    kilobytes * 1024
}

/// Whether a device of `target` could run this launch.
pub(crate) fn check(kernel: &Kernel, target: &str, launch: &Launch) -> Result<(), Error> {
    let name = &kernel.name;
    let refuse = |what: String| Err(Error::Launch(format!("`{name}` cannot be launched: {what}")));
    let (grid, block) = (launch.grid, launch.block);
    if grid.contains(&0) || block.contains(&0) {
        return refuse(format!(
            "the grid {grid:?} and the block {block:?} need at least 1 in each direction"
        ));
    }
    let most = kernel.max_threads.unwrap_or(MAX_THREADS).min(MAX_THREADS);
    let threads = launch.threads();
    if threads > most || block[2] > 64 {
        return refuse(format!(
            "a block of {block:?} has {threads} threads, and it may have {most}, 64 of them in z"
        ));
    }
    if grid[0] > 0x7fff_ffff || grid[1] > 0xffff || grid[2] > 0xffff {
        return refuse(format!("a grid of {grid:?} is above [2147483647, 65535, 65535]"));
    }
    if kernel.shared_bytes > MAX_STATIC_SHARED {
        let bytes = kernel.shared_bytes;
        return refuse(format!(
            "it declares {bytes} bytes of shared memory, and {MAX_STATIC_SHARED} is the most"
        ));
    }
    let (all, most) = (u64::from(kernel.shared_bytes) + u64::from(launch.dynamic_shared), max_shared(target));
    if all > u64::from(most) {
        return refuse(format!(
            "{} bytes of shared memory declared and {} dynamic exceed the {most} of {target}",
            kernel.shared_bytes, launch.dynamic_shared
        ));
    }
    Ok(())
}
