//! The sizes of `cp.async`: what it reads, and what it fills with zeros.
//!
//! ```text
//! cp.async.cg.shared.global [to], [from], 16, 6;      split(16, Some(6), false) == Some((6, 10))
//! ```
//!
//! Source: PTX ISA, "Data Movement and Conversion Instructions: cp.async".

/// Whether a copy may have so many bytes: 4, 8 or 16 with `.ca`, 16 with `.cg`. Both addresses have to be multiples of it.
pub fn is_size(bytes: u32, cg: bool) -> bool {
    bytes == 16 || !cg && matches!(bytes, 4 | 8)
}

/// Bytes that a copy reads, and bytes after them that it fills with zeros.
///
/// `source` is the optional source size; `ignore` the optional predicate, which makes all bytes zeros. A source size above
/// the copy's is undefined in PTX: `None`.
pub fn split(bytes: u32, source: Option<u32>, ignore: bool) -> Option<(u32, u32)> {
    let read = if ignore { 0 } else { source.unwrap_or(bytes) };
    (source.unwrap_or(0) <= bytes).then(|| (read, bytes - read.min(bytes)))
}
