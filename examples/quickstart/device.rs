//! Which device runs the rules: a GPU that answers as the processor does, otherwise the processor.
//!
//! ```text
//! device   cpu (2 cores)
//! gpu      no NVIDIA driver was found for `cuda:0`; ..
//!          run on `cpu`, or install the NVIDIA driver; ..
//! ```
//!
//! A GPU is first asked to run a few words, so that whatever it lacks, the compiler of its kernels for one, is told in
//! one line and the experiment still runs.

use crate::embedding::{DIM, Embeddings};
use crate::memories;
use chunkwise::{Device, Element, Error, Tensor};
use std::thread::available_parallelism;

/// The greatest relative error, RMS over RMS, between the two devices; f32 rounding gives some 1e-7.
const BOUND: f64 = 1e-4;

/// The device, and what to tell the user about it.
pub(crate) fn choose() -> Result<(Device, String), Error> {
    let gpu = Device::parse("cuda:0")?;
    let Err(reason) = compare(&gpu) else { return Ok((gpu, "device   cuda:0".into())) };
    let cores = available_parallelism().map_or("1 core".into(), |n| format!("{n} cores"));
    let mut about = format!("device   cpu ({cores})");
    for message in reason.messages() {
        about += &format!("\ngpu      {}\n         {}", message.what, message.help);
    }
    Ok((Device::cpu(), about))
}

/// Runs a few words on the device and on the processor.
///
/// # Errors
/// What the device lacks; a bug of ours where the two disagree.
fn compare(device: &Device) -> Result<(), Error> {
    let words = ["call", "me", "ishmael", "call", "me", "again"].map(String::from);
    let (embeddings, numbers) = (Embeddings::of(&words), [0, 1, 2, 3, 4, 5]);
    let (k, v) = (embeddings.tensor(&numbers[..5])?, embeddings.tensor(&numbers[1..])?);
    let empty = Tensor::zeros([1, 1, DIM, DIM], Element::F32)?;
    for (here, there) in memories(&Device::cpu())?.iter().zip(&memories(device)?) {
        let (expected, found) = ((here.forward)(&k, &v, &empty)?, (there.forward)(&k, &v, &empty)?);
        for name in ["o", "s"] {
            let error = relative_error(&found[name].to_f64(), &expected[name].to_f64());
            // Written so that a NaN counts as a difference.
            if !error.is_some_and(|error| error < BOUND) {
                return Err(Error::bug(format!(
                    "`{}` on {device} differs from `{}` on cpu",
                    here.name, there.name
                )));
            }
        }
    }
    Ok(())
}

/// RMS of the difference over RMS of what was expected; `None` where the lengths differ.
fn relative_error(found: &[f64], expected: &[f64]) -> Option<f64> {
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    let error = squares(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    let size = squares(&mut expected.iter().copied());
    (found.len() == expected.len()).then(|| (error / size).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_agrees_with_itself() {
        assert!(compare(&Device::cpu()).is_ok());
    }

    #[test]
    fn a_device_that_is_wrong_or_short_is_noticed() {
        assert_eq!(relative_error(&[3.0, 4.0], &[3.0, 4.0]), Some(0.0));
        assert_eq!(relative_error(&[0.0, 0.0], &[3.0, 4.0]), Some(1.0));
        assert_eq!(relative_error(&[3.0], &[3.0, 4.0]), None);
        assert!(relative_error(&[f64::NAN, 4.0], &[3.0, 4.0]).is_some_and(f64::is_nan));
    }
}
