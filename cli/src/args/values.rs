//! The values of flags: from a text to a number, a plan, an architecture, or what was expected instead.
//!
//! ```text
//! --chunk 0   ->   expected a whole number from 1 to 65536
//! ```

use chunkwise_codegen::arch::Arch;
use chunkwise_codegen::dtype::DType;
use chunkwise_codegen::model::Gpu;
use chunkwise_runtime::PlanChoice;

/// The largest size of a dim that a command takes: far above any use, far below overflow.
const LARGEST: usize = 65_536;

/// An element type of kernels.
pub(super) fn dtype(text: &str) -> Result<DType, String> {
    text.parse::<DType>().map_err(|error| error.to_string())
}

/// A plan, or any chunkwise one.
pub(super) fn plan(text: &str) -> Result<PlanChoice, String> {
    // "Chosen by the device" is said by leaving the flag out.
    let named = PlanChoice::ALL.into_iter().filter(|plan| *plan != PlanChoice::Auto);
    let names = named.clone().map(|plan| plan.to_string()).collect::<Vec<_>>().join(", ");
    named.clone().find(|plan| plan.to_string() == text).ok_or_else(|| format!("the plans are {names}"))
}

/// An architecture.
pub(super) fn arch(text: &str) -> Result<Arch, String> {
    text.parse::<Arch>().map_err(|error| error.to_string())
}

/// A dim's size.
pub(super) fn size(text: &str) -> Result<usize, String> {
    count(text, 1, LARGEST)
}

/// Tokens of a chunk.
pub(super) fn chunk(text: &str) -> Result<usize, String> {
    count(text, 1, LARGEST)
}

/// Value columns of a block.
pub(super) fn columns(text: &str) -> Result<usize, String> {
    count(text, 16, 128)
}

/// Tokens of inputs that are drawn.
pub(super) fn tokens(text: &str) -> Result<usize, String> {
    count(text, 0, LARGEST)
}

/// A count of a problem that is predicted: nothing of it need be held.
pub(super) fn problem(text: &str) -> Result<usize, String> {
    count(text, 1, 1 << 20)
}

/// A GPU of the model.
pub(super) fn gpu(text: &str) -> Result<&'static Gpu, String> {
    Gpu::named(text).map_err(|error| error.to_string())
}

/// Heads that can be shared by two.
pub(super) fn heads(text: &str) -> Result<usize, String> {
    match count(text, 2, 1024)? {
        odd if odd % 2 == 1 => {
            Err(format!("expected an even number, so that heads can be shared by two; got {odd}"))
        }
        even => Ok(even),
    }
}

/// A whole number within bounds, or a text that says so.
fn count(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| format!("expected a whole number from {least} to {most}"))
}

/// A dim of any name, and its size.
pub(super) fn named_size(text: &str) -> Result<(String, usize), String> {
    let (name, number) = text.split_once('=').ok_or("expected NAME=SIZE, as in M=64")?;
    if name.is_empty() {
        return Err("expected the name of a dim before `=`, as in M=64".into());
    }
    Ok((name.to_owned(), size(number)?))
}
