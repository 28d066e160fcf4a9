//! The bytes of a safetensors file, read in three steps so that a hostile file is refused before it costs anything.
//!
//! 1. The header's length (8 bytes) against the file's length and a limit.
//! 2. The header alone: valid JSON, valid offsets, no name twice.
//! 3. The numbers, into memory that the system may refuse.
//!
//! The format's reader keeps the last of two equal names in silence, so step 2 looks for them itself.

use super::{damaged, named, reason};
use crate::error::{Error, Result};
use safetensors::{SafeTensorError, SafeTensors};
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest header that is read. Tensors of a run number in the tens; a header of 16 MB lists more than 100,000.
const MAX_HEADER: u64 = 16 << 20;

/// All bytes of a file whose header is sound.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let refused = |why: &str| {
        Error::mistake(
            format!("{} cannot be read: {why}", named(path)),
            "give the path of a safetensors file",
        )
    };
    let failed = |e: std::io::Error| refused(&reason(&e));
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(refused(if about.is_dir() { "it is a folder" } else { "it is not a plain file" }));
    }
    let mut file = File::open(path).map_err(failed)?;
    let length = about.len();
    let mut bytes = Vec::new();
    append(&mut file, &mut bytes, 8.min(length)).map_err(failed)?;
    let Ok(prefix) = <[u8; 8]>::try_from(bytes.as_slice()) else {
        return Err(invalid(path, &format!("it has {length} bytes, and the format starts with 8")));
    };
    let header = u64::from_le_bytes(prefix);
    if header > length - 8 {
        return Err(invalid(
            path,
            &format!("it tells a header of {header} bytes, but has {length} bytes in all"),
        ));
    }
    if header > MAX_HEADER {
        return Err(invalid(path, &format!("its header has {header} bytes; up to {MAX_HEADER} are read")));
    }
    append(&mut file, &mut bytes, header).map_err(failed)?;
    check_header(path, &bytes)?;
    append(&mut file, &mut bytes, length - 8 - header).map_err(failed)?;
    Ok(bytes)
}

/// Reads exactly `count` more bytes; the file may have been cut since its length was asked.
fn append(file: &mut File, bytes: &mut Vec<u8>, count: u64) -> std::io::Result<()> {
    let too_large = || std::io::Error::other("it does not fit in memory");
    let size = usize::try_from(count).map_err(|_| too_large())?;
    bytes.try_reserve_exact(size).map_err(|_| too_large())?;
    let got = file.take(count).read_to_end(bytes)?;
    if got == size { Ok(()) } else { Err(std::io::Error::other("it changed while it was read")) }
}

/// The prefix and header alone: everything but the length of the numbers.
fn check_header(path: &Path, bytes: &[u8]) -> Result<()> {
    match SafeTensors::read_metadata(bytes) {
        Ok(_) | Err(SafeTensorError::MetadataIncompleteBuffer) => {}
        Err(e) => return Err(damaged(path, &e)),
    }
    let text = bytes.get(8..).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default();
    match repeated_name(text) {
        Some(name) => Err(invalid(path, &format!("it holds two tensors named `{name}`"))),
        None => Ok(()),
    }
}

fn invalid(path: &Path, why: &str) -> Error {
    Error::mistake(
        format!("{} is no valid safetensors file: {why}", named(path)),
        "write it again, for example with `safetensors.numpy.save_file`",
    )
}

/// A key that stands twice in the outermost object of valid JSON.
fn repeated_name(json: &str) -> Option<String> {
    let mut seen = HashSet::new();
    let mut depth = 0usize;
    let mut rest = json.char_indices();
    let mut last = None;
    while let Some((at, c)) = rest.next() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            '"' => {
                let end = end_of_string(&mut rest, json.len());
                last = Some(unescaped(&json[at + 1..end]));
            }
            // Only keys are followed by a colon.
            ':' if depth == 1 => {
                let name = last.take()?;
                if !seen.insert(name.clone()) {
                    return Some(name);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the string that `rest` stands in ends: the byte position of its closing quote.
fn end_of_string(rest: &mut std::str::CharIndices<'_>, length: usize) -> usize {
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return at,
            '\\' => drop(rest.next()),
            _ => {}
        }
    }
    length
}

/// The text that the inside of a JSON string stands for; lone surrogates become replacement characters.
fn unescaped(inside: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        let plain = match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('u')) => {
                let digits: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
                continue;
            }
            (_, Some('n')) => '\n',
            (_, Some('t')) => '\t',
            (_, Some('r')) => '\r',
            (_, Some('b')) => '\u{8}',
            (_, Some('f')) => '\u{c}',
            (_, Some(escaped)) => escaped,
            (c, None) => c,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_found_however_they_are_spelled() {
        let found = |json: &str| repeated_name(json);
        assert_eq!(found(r#"{"a": {"dtype": "F32"}, "b": {"dtype": "F32"}}"#), None);
        assert_eq!(found(r#"{"a": 1, "b": [{"a": 2}], "a": 3}"#), Some("a".into()));
        assert_eq!(found(r#"{"\u0061": 1, "a": 2}"#), Some("a".into()));
        assert_eq!(found(r#"{"\"": 1, "\\": 2, "\ud83d\ude00": 3, "😀": 4}"#), Some("😀".into()));
        assert_eq!(found(r#"{"a\"b": 1, "a": ":", "b": "a"}"#), None);
    }
}
