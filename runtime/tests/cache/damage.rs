//! Entries that are not what was written: each is found, compiled anew and mended.

use std::fs;
use std::path::{Path, PathBuf};

use chunkwise_codegen::arch::Arch;
use chunkwise_runtime::nvrtc::Binary;

use crate::support::{files, quick_jit, source};

/// A folder with one entry, its bytes, and the binary that they hold.
fn filled(folder: &Path) -> (PathBuf, Vec<u8>, Binary) {
    let binary = quick_jit(folder).compile(&source("delta"), Arch::Sm90).unwrap();
    let entry = files(folder, ".kernel").pop().unwrap();
    let bytes = fs::read(&entry).unwrap();
    (entry, bytes, Binary::clone(&binary))
}

/// Checks that `damaged` is compiled anew, and that the entry is then as it was.
fn is_mended(folder: &Path, entry: &Path, damaged: &[u8], good: &[u8], binary: &Binary, what: &str) {
    fs::write(entry, damaged).unwrap();
    let jit = quick_jit(folder);
    assert_eq!(*jit.compile(&source("delta"), Arch::Sm90).unwrap(), *binary, "{what}");
    assert_eq!(jit.compilations(), 1, "{what}: the damage was not seen");
    assert!(fs::read(entry).unwrap() == good, "{what}: the entry was not mended");
    let jit = quick_jit(folder);
    assert_eq!(*jit.compile(&source("delta"), Arch::Sm90).unwrap(), *binary, "{what}");
    assert_eq!(jit.compilations(), 0, "{what}: the mended entry does not serve");
}

/// Where each region of an entry begins and ends.
fn regions(bytes: &[u8], binary: &Binary) -> Vec<(&'static str, usize, usize)> {
    let find = |part: &[u8]| bytes.windows(part.len()).position(|window| window == part).unwrap();
    let ptx = find(binary.ptx.as_bytes());
    let cubin = find(&binary.cubin);
    let log = find(binary.log.as_bytes());
    vec![
        ("first line", 0, 16),
        ("digest", 16, 48),
        ("length of the key", 48, 56),
        ("key, name, architecture", 56, cubin - 8),
        ("length of the cubin", cubin - 8, cubin),
        ("cubin", cubin, cubin + binary.cubin.len()),
        ("ptx", ptx, ptx + binary.ptx.len()),
        ("log", log, log + binary.log.len()),
        ("resources", log + binary.log.len(), bytes.len()),
    ]
}

#[test]
fn a_flipped_byte_anywhere_is_found_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let (entry, good, binary) = filled(folder.path());
    for (region, start, end) in regions(&good, &binary) {
        assert!(start < end, "{region}");
        for at in [start, (start + end) / 2, end - 1] {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = good.clone();
                damaged[at] ^= flip;
                let what = format!("{region}, byte {at}, flipped by {flip:#x}");
                is_mended(folder.path(), &entry, &damaged, &good, &binary, &what);
            }
        }
    }
}

#[test]
fn a_truncated_or_longer_entry_is_found_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let (entry, good, binary) = filled(folder.path());
    for length in [0, 1, 15, 16, 47, 48, 55, 56, good.len() / 2, good.len() - 1] {
        let what = format!("cut to {length} bytes");
        is_mended(folder.path(), &entry, &good[..length], &good, &binary, &what);
    }
    is_mended(folder.path(), &entry, &[&good, &b"\0"[..]].concat(), &good, &binary, "one byte more");
    is_mended(folder.path(), &entry, &vec![0; good.len()], &good, &binary, "zeros, as after a power failure");
}

#[test]
fn the_entry_of_another_kernel_is_found_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (entry, good, binary) = filled(folder.path());
    quick_jit(elsewhere.path()).compile(&source("other"), Arch::Sm90).unwrap();
    let other = fs::read(files(elsewhere.path(), ".kernel").pop().unwrap()).unwrap();
    is_mended(folder.path(), &entry, &other, &good, &binary, "another kernel's entry");
}

#[test]
fn something_else_in_the_place_of_an_entry_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (entry, _, binary) = filled(folder.path());
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    let jit = quick_jit(folder.path());
    for _ in 0..2 {
        assert_eq!(*jit.compile(&source("delta"), Arch::Sm90).unwrap(), binary);
    }
    assert_eq!(jit.compilations(), 1);
    assert!(files(folder.path(), ".partial").is_empty());
}
