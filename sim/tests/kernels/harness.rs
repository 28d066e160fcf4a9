//! Runs a case in the simulator and compares every buffer with what the CPU says.

use crate::cases::{Arg, Buffer, Case, Expected};
use crate::random::seed;
use chunkwise_sim::count::Report;
use chunkwise_sim::machine::{Arguments, Error, Kernel, Launch, Module, Options};
use chunkwise_sim::memory::global::Global;

/// What became of a launch.
pub(crate) enum Outcome {
    /// All buffers are right.
    Right(Report),
    /// The first number that is not.
    Wrong(String),
    /// The simulator refused the kernel or found a violation.
    Refused(Error),
}

/// Runs a case with all checks.
pub(crate) fn run(case: &Case, kernel: &Kernel, options: &Options) -> Outcome {
    let mut memory = Global::new();
    let mut arguments = Arguments::new();
    let mut buffers = Vec::new();
    for (index, arg) in case.args.iter().enumerate() {
        arguments = match arg {
            Arg::Value(bytes) => arguments.bytes(bytes),
            Arg::Buffer(buffer) => {
                let address = place(&mut memory, buffer, index);
                buffers.push((index, address, buffer));
                arguments.pointer(address)
            }
        };
    }
    let launch = Launch { grid: case.grid, block: case.block, dynamic_shared: case.dynamic };
    let report = match kernel.run(&launch, &arguments, &mut memory, options) {
        Ok(report) => report,
        Err(error) => return Outcome::Refused(error),
    };
    for (index, address, buffer) in buffers {
        let mut found = vec![0; size(buffer)];
        memory.read(address, &mut found).expect("the buffer is there");
        if let Some(what) = difference(&buffer.after, &found) {
            return Outcome::Wrong(format!("argument {index}: {what}"));
        }
    }
    Outcome::Right(report)
}

/// Runs a case, which has to come out right.
pub(crate) fn check(case: &Case) -> Report {
    let kernel = Module::parse(case.text).and_then(|module| module.kernel(case.kernel));
    let kernel = kernel.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    match run(case, &kernel, &Options { instruction_limit: 20_000_000, ..Options::default() }) {
        Outcome::Right(report) => report,
        Outcome::Wrong(what) => panic!("{} (seed {}): {what}", case.name, seed()),
        Outcome::Refused(error) => panic!("{} (seed {}): {error}", case.name, seed()),
    }
}

fn size(buffer: &Buffer) -> usize {
    match &buffer.after {
        Expected::Exactly(bytes) => bytes.len(),
        Expected::Near(element, numbers) => numbers.len() * element.bytes(),
    }
}

/// Memory for a buffer, with what it holds before.
fn place(memory: &mut Global, buffer: &Buffer, index: usize) -> u64 {
    let name = format!("argument {index}");
    let address = memory.alloc_named(size(buffer) as u64, 256, &name).expect("a small buffer");
    if let Some(bytes) = &buffer.before {
        memory.write(address, bytes).expect("the buffer is there");
    }
    address
}

/// The first difference in words.
fn difference(expected: &Expected, found: &[u8]) -> Option<String> {
    match expected {
        Expected::Exactly(bytes) => {
            let at = (0..bytes.len()).find(|at| bytes[*at] != found[*at])?;
            let word = |bytes: &[u8]| {
                bytes[at / 4 * 4..].iter().take(4).map(|b| format!("{b:02x}")).collect::<String>()
            };
            Some(format!("byte {at}: {} instead of {}", word(found), word(bytes)))
        }
        Expected::Near(element, numbers) => {
            for (at, (number, slack)) in numbers.iter().enumerate() {
                let value = element.read(&found[at * element.bytes()..]);
                // Not "above", which a NaN never is.
                let is_near = (value - number).abs() <= *slack;
                if !is_near {
                    return Some(format!("number {at}: {value:e} instead of {number:e}, within {slack:.1e}"));
                }
            }
            None
        }
    }
}
