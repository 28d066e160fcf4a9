//! Where inputs lie, in the words of kernels, and whether kernels can read them there.
//!
//! ```text
//! q [B, T, H, K] of strides [6144, 3072, 128, 1]  ->  Strides { batch: 6144, token: 3072, head: 128, .. }
//! ```
//!
//! A kernel copies in runs of [`Argument::align`] bytes. So its last dim is contiguous, and the address and every other
//! stride are multiples of them; a stride of a dim of one place is never used and may be anything.

use crate::error::{Error, Result};
use crate::layout::Axis;
use crate::tensor::{Element, shape_text};
use chunkwise_codegen::{Argument, DType, Strides};

/// A tensor's strides, by its axes, as kernels take them; `group` is how many state heads share a head of it.
pub(super) fn strides(axes: &[Axis], strides: &[usize], group: usize) -> Strides {
    let mut found = Strides { group: u32::try_from(group).unwrap_or(u32::MAX).max(1), ..Strides::default() };
    for (axis, &stride) in axes.iter().zip(strides) {
        let stride = i64::try_from(stride).unwrap_or(i64::MAX);
        match axis {
            Axis::Batch => found.batch = stride,
            Axis::Tokens => found.token = stride,
            Axis::Count(_) => found.entry = stride,
            Axis::Heads | Axis::StateHeads => found.head = stride,
            Axis::Sequences | Axis::Size(_) => {}
        }
    }
    found
}

/// Whether a kernel can read a tensor of this shape and these strides.
///
/// # Errors
/// A limitation that says what the kernel wants.
pub(super) fn check(
    argument: &Argument,
    axes: &[Axis],
    shape: impl IntoIterator<Item = usize>,
    strides: &[usize],
) -> Result<()> {
    let bytes = element(argument)?.bytes();
    for (axis, (size, &stride)) in axes.iter().zip(shape.into_iter().zip(strides)) {
        let fits = match axis {
            _ if size <= 1 => true,
            Axis::Size(_) => stride == 1,
            _ => stride.checked_mul(bytes).is_some_and(|apart| apart % argument.align == 0),
        };
        if !fits {
            let text = shape_text(strides);
            return Err(refused(argument, format!("tensor `{}` has the strides {text}", argument.name)));
        }
    }
    Ok(())
}

/// Whether a kernel can read or write a tensor that begins there.
///
/// # Errors
/// A limitation that says what the kernel wants.
pub(super) fn check_address(argument: &Argument, address: u64) -> Result<()> {
    match address.is_multiple_of(argument.align as u64) {
        true => Ok(()),
        false => {
            let past = address % argument.align as u64;
            let what = format!(
                "tensor `{}` begins {past} bytes after a multiple of {}",
                argument.name, argument.align
            );
            Err(refused(argument, what))
        }
    }
}

fn refused(argument: &Argument, what: String) -> Error {
    let align = argument.align;
    let numbers = argument.dtype.map_or(1, |dtype| align / dtype.size());
    Error::limitation(
        format!("{what}, and the kernel moves it in runs of {align} bytes"),
        format!(
            "its last dim has to be contiguous, and its address and other strides multiples of {align} bytes ({numbers} \
             numbers); copy it (`View::to_tensor`), or run on `cpu`, which takes any"
        ),
    )
}

/// The element type of a pointer.
pub(super) fn element(argument: &Argument) -> Result<Element> {
    match argument.dtype {
        Some(DType::F64) => Ok(Element::F64),
        Some(DType::F32) => Ok(Element::F32),
        Some(DType::F16) => Ok(Element::F16),
        Some(DType::BF16) => Ok(Element::BF16),
        None => Err(Error::bug(format!("a kernel states no type for `{}`", argument.name))),
    }
}
