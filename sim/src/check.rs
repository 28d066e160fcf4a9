//! What a kernel did wrong: the fault as a memory or a warp finds it, and the violation as a person reads it.
//!
//! ```text
//! race on shared memory in `gemm`, line 42 of gemm.cu (PTX line 310: ld.shared.f32)
//!   block (1, 0, 0), warp 2, lane 7 reads 4 bytes at 0x120
//!   written by warp 0, lane 3 at line 37 of gemm.cu (PTX line 288: st.shared.f32), and no barrier stands between
//!   help: put bar.sync (__syncthreads) between the two
//! ```

use std::fmt;

/// An instruction of a kernel, by index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Site(pub u32);

/// Who did something: a lane of a warp of the block at hand (or of another one).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Party {
    /// Linear index of the block in its grid.
    pub block: u64,
    /// The warp in its block.
    pub warp: u32,
    /// The lane in its warp.
    pub lane: u32,
    /// With which instruction.
    pub site: Site,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// An address that belongs to no allocation, or lies beyond its end.
    OutOfBounds,
    /// An address that is no multiple of the access's size.
    Misaligned,
    /// A read of bytes that nobody wrote.
    Uninitialised,
    /// A read of a register that no instruction wrote in this lane.
    UnwrittenRegister,
    /// Two accesses, at least one a write, that nothing orders.
    Race,
    /// Bytes that an asynchronous copy may still be writing (or reading).
    CopyInFlight,
    /// A collective that some lanes of its warp do not take part in.
    Divergent,
    /// Warps wait for one another and none can go on.
    Deadlock,
    /// A barrier used against its rules: a count that is no multiple of 32, a number above 15, two counts at once.
    Barrier,
    /// A write to memory that must not be written (constants, parameters, `ld.global.nc` data).
    ReadOnly,
    /// A shuffle that reads a lane which does not take part.
    AbsentLane,
    /// More instructions than the launch allows: most likely a loop without end.
    Endless,
    /// `trap`, or an `assert` in the kernel.
    Trap,
}

/// A fault, found where it happens; the machine knows the rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What is wrong.
    pub wrong: Wrong,
    /// The first lane it holds for.
    pub lane: u32,
    /// The address, where there is one.
    pub address: Option<u64>,
    /// The space of the address: `global`, `shared`, `local`, `const`, `param`; or empty.
    pub space: &'static str,
    /// Bytes of the access; 0 where there is none.
    pub bytes: u32,
    /// Whether the access writes.
    pub writes: bool,
    /// The other party of a race or of an asynchronous copy, and whether it wrote.
    pub other: Option<(Party, bool)>,
    /// One sentence on the circumstances: which allocation is nearest, which lanes are missing. May be empty.
    pub detail: String,
}

impl Fault {
    /// A fault without an address.
    pub fn new(wrong: Wrong, lane: u32, detail: impl Into<String>) -> Fault {
        let detail = detail.into();
        Fault { wrong, lane, address: None, space: "", bytes: 0, writes: false, other: None, detail }
    }
}

/// A violation, with everything that a CUDA programmer needs to act on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The kernel.
    pub kernel: String,
    /// The fault.
    pub fault: Fault,
    /// Who did it.
    pub party: Party,
    /// Coordinates of the block.
    pub block: [u32; 3],
    /// The instruction in words: source line, PTX line and text.
    pub place: String,
    /// The other party's instruction in words, or empty.
    pub other_place: String,
}

impl std::error::Error for Violation {}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fault, [x, y, z]) = (&self.fault, self.block);
        let space =
            if fault.space.is_empty() { String::new() } else { format!(" on {} memory", fault.space) };
        writeln!(f, "{}{space} in `{}`, {}", fault.wrong.title(), self.kernel, self.place)?;
        write!(f, "  block ({x}, {y}, {z}), warp {}, lane {}", self.party.warp, fault.lane)?;
        if let Some(address) = fault.address {
            let verb = if fault.writes { "writes" } else { "reads" };
            write!(f, " {verb} {} bytes at {address:#x}", fault.bytes)?;
        }
        if let Some((other, wrote)) = fault.other {
            let verb = if wrote { "written" } else { "read" };
            let elsewhere = if other.block == self.party.block {
                String::new()
            } else {
                format!("block {} (linear), ", other.block)
            };
            write!(
                f,
                "\n  {verb} by {elsewhere}warp {}, lane {} at {}",
                other.warp, other.lane, self.other_place
            )?;
        }
        if !fault.detail.is_empty() {
            write!(f, "\n  {}", fault.detail)?;
        }
        write!(f, "\n  help: {}", self.help())
    }
}

impl Violation {
    /// What to do about it. What ends a race depends on who the other party is.
    pub fn help(&self) -> &'static str {
        match self.fault.other {
            Some((other, _)) if self.fault.wrong == Wrong::Race && other.block != self.party.block => {
                "let one block alone touch these bytes, use atomics, or make two launches of it"
            }
            Some((other, true))
                if self.fault.wrong == Wrong::Race
                    && (other.warp, other.site) == (self.party.warp, self.party.site) =>
            {
                "let one lane alone write, or give each lane an address of its own"
            }
            Some((other, _)) if self.fault.wrong == Wrong::Race && other.warp == self.party.warp => {
                "put bar.warp.sync (__syncwarp) between the two; bar.sync (__syncthreads) where warps share these bytes"
            }
            _ => self.fault.wrong.help(),
        }
    }
}

impl Wrong {
    /// A few words.
    pub fn title(self) -> &'static str {
        match self {
            Wrong::OutOfBounds => "access out of bounds",
            Wrong::Misaligned => "misaligned access",
            Wrong::Uninitialised => "read of bytes that nobody wrote",
            Wrong::UnwrittenRegister => "read of a register that nobody wrote",
            Wrong::Race => "race",
            Wrong::CopyInFlight => "use of bytes that an asynchronous copy has in flight",
            Wrong::Divergent => "collective in divergent code",
            Wrong::Deadlock => "deadlock",
            Wrong::Barrier => "barrier against its rules",
            Wrong::ReadOnly => "write to read-only bytes",
            Wrong::AbsentLane => "shuffle from a lane that takes no part",
            Wrong::Endless => "instruction limit reached",
            Wrong::Trap => "trap",
        }
    }

    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Wrong::OutOfBounds => "check the index and the guard of this access against the tensor's size",
            Wrong::Misaligned => "an access of n bytes needs an address that is a multiple of n",
            Wrong::Uninitialised => "write these bytes first; on a GPU they hold whatever was there before",
            Wrong::UnwrittenRegister => "set the variable on every way that leads here",
            Wrong::Race => "put bar.sync (__syncthreads) between the two",
            Wrong::CopyInFlight => {
                "wait first (cp.async.wait_group or wait_all), then a barrier before other threads read"
            }
            Wrong::Divergent => {
                "every lane of the warp, or of the member mask, has to reach this instruction together"
            }
            Wrong::Deadlock => "every thread that a barrier counts has to arrive at it",
            Wrong::Barrier => {
                "use a number below 16 and one thread count, a multiple of 32, for each use of a barrier"
            }
            Wrong::ReadOnly => "these bytes may not change during the launch",
            Wrong::AbsentLane => "include the source lane in the member mask, or choose another",
            Wrong::Endless => "look for a loop whose condition never fails; or raise the limit of the launch",
            Wrong::Trap => "the kernel stopped itself",
        }
    }
}
