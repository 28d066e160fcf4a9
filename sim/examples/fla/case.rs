//! A launch of a kernel whose PTX is in a file, its random inputs, and what must come out.

use chunkwise_sim::machine::{Arguments, Launch, Module, Options};
use chunkwise_sim::memory::Strictness;
use chunkwise_sim::memory::global::Global;
use std::path::Path;

/// Numbers, each with by how much it may be off.
pub(crate) type Near = Vec<(f64, f64)>;

/// A launch and what must come of it.
pub(crate) struct Case {
    /// The kernel's file, without `.ptx`.
    pub(crate) file: &'static str,
    /// How long the sequence is.
    pub(crate) tokens: usize,
    /// Blocks.
    pub(crate) grid: [u32; 3],
    /// In the order of the kernel's parameters.
    pub(crate) args: Vec<Arg>,
    /// What is checked.
    pub(crate) checks: Strictness,
}

/// An argument.
pub(crate) enum Arg {
    /// A value of 4 or 8 bytes.
    Value(Vec<u8>),
    /// A pointer to bytes that the kernel leaves as they are.
    Input(Vec<u8>),
    /// A pointer to numbers that the kernel writes, all of them.
    Output(Element, Near),
    /// The same where it writes some, and the others are zeros.
    Zeroed(Element, Near),
}

/// The type of a float in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Bf16,
    F32,
}

impl Element {
    fn bytes(self) -> usize {
        if self == Element::F32 { 4 } else { 2 }
    }

    fn read(self, bytes: &[u8]) -> f64 {
        let mut word = [0; 4];
        word[4 - self.bytes()..].copy_from_slice(&bytes[..self.bytes()]);
        f32::from_le_bytes(word).into()
    }

    fn write(self, x: f32) -> Vec<u8> {
        match self {
            Element::F32 => x.to_le_bytes().to_vec(),
            Element::Bf16 => half::bf16::from_f32(x).to_le_bytes().to_vec(),
        }
    }
}

/// The bytes of numbers.
pub(crate) fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A stream of random numbers (splitmix64: Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number in [-1, 1).
    pub(crate) fn float(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// `n` numbers in [-scale, scale) as an element type holds them, and their bytes.
    pub(crate) fn floats(&mut self, n: usize, scale: f32, element: Element) -> (Vec<f64>, Vec<u8>) {
        let written: Vec<Vec<u8>> = (0..n).map(|_| element.write(self.float() * scale)).collect();
        (written.iter().map(|bytes| element.read(bytes)).collect(), written.concat())
    }
}

impl Case {
    /// Runs the launch with the PTX of a folder. What it cost, in words, or what went wrong.
    pub(crate) fn run(&self, folder: &Path) -> Result<String, String> {
        let path = folder.join(format!("{}.ptx", self.file));
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (name, warps, shared) = head(&text).ok_or_else(|| {
            format!("{}: its first line is not `// launch: kernel=.. warps=.. shared=..`", path.display())
        })?;
        let kernel = Module::parse(&text).and_then(|module| module.kernel(name));
        let kernel = kernel.map_err(|error| error.to_string())?;
        let mut memory = Global::new();
        let mut arguments = Arguments::new();
        let mut buffers = Vec::new();
        for (index, arg) in self.args.iter().enumerate() {
            if let Arg::Value(bytes) = arg {
                arguments = arguments.bytes(bytes);
                continue;
            }
            let address = place(&mut memory, index, arg)?;
            buffers.push((index, address, arg));
            arguments = arguments.pointer(address);
        }
        // Two pointers to scratch memory, which none of these kernels uses.
        arguments = arguments.pointer(0).pointer(0);
        let launch = Launch { grid: self.grid, block: [32 * warps, 1, 1], dynamic_shared: shared };
        let options = Options { checks: self.checks, instruction_limit: 20_000_000, ..Options::default() };
        let report = kernel.run(&launch, &arguments, &mut memory, &options);
        let total = report.map_err(|error| error.to_string())?.total;
        for (index, address, arg) in buffers {
            compare(&memory, address, arg).map_err(|error| format!("argument {index}: {error}"))?;
        }
        Ok(format!(
            "{} instructions, {} tensor flops, {} + {} bytes, {} wavefronts, {} of them conflicts",
            total.instructions,
            total.tensor_flops,
            total.global_load_bytes,
            total.global_store_bytes,
            total.wavefronts,
            total.conflicts
        ))
    }
}

/// What the first line of a file says: the kernel, its warps, its bytes of dynamic shared memory.
fn head(text: &str) -> Option<(&str, u32, u32)> {
    let line = text.lines().next()?.strip_prefix("// launch: ")?;
    let word = |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    Some((word("kernel")?, word("warps")?.parse().ok()?, word("shared")?.parse().ok()?))
}

/// Memory for a buffer, with what it holds before. Outputs are memory that nobody wrote, so that a read of it is found.
fn place(memory: &mut Global, index: usize, arg: &Arg) -> Result<u64, String> {
    let (size, before) = match arg {
        Arg::Value(bytes) | Arg::Input(bytes) => (bytes.len(), Some(bytes.clone())),
        Arg::Output(element, near) => (element.bytes() * near.len(), None),
        Arg::Zeroed(element, near) => {
            (element.bytes() * near.len(), Some(vec![0; element.bytes() * near.len()]))
        }
    };
    let address = memory.alloc_named(size as u64, 256, &format!("argument {index}"));
    let address = address.map_err(|error| error.to_string())?;
    memory.write(address, &before.unwrap_or_default()).map_err(|error| error.to_string())?;
    Ok(address)
}

/// The first difference in words. Inputs are compared too: a kernel may not change them.
fn compare(memory: &Global, address: u64, arg: &Arg) -> Result<(), String> {
    let (element, near) = match arg {
        Arg::Value(bytes) | Arg::Input(bytes) => {
            let found = read(memory, address, bytes.len())?;
            return match found.iter().zip(bytes).position(|(found, byte)| found != byte) {
                Some(at) => Err(format!("byte {at} of an input has changed")),
                None => Ok(()),
            };
        }
        Arg::Output(element, near) | Arg::Zeroed(element, near) => (*element, near),
    };
    let found = read(memory, address, element.bytes() * near.len())?;
    for (at, ((number, slack), bytes)) in near.iter().zip(found.chunks_exact(element.bytes())).enumerate() {
        let value = element.read(bytes);
        // Not "above", which a NaN never is.
        let is_near = (value - number).abs() <= *slack;
        if !is_near {
            return Err(format!("number {at}: {value:e} instead of {number:e}, within {slack:.1e}"));
        }
    }
    Ok(())
}

fn read(memory: &Global, address: u64, size: usize) -> Result<Vec<u8>, String> {
    let mut found = vec![0; size];
    memory.read(address, &mut found).map_err(|error| error.to_string())?;
    Ok(found)
}
