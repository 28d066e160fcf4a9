//! How NVRTC's files are called and where they lie inside a folder that holds an installation.
//!
//! A toolkit has `lib64/libnvrtc.so.13`, pip's package `nvidia/cu13/lib/libnvrtc.so.13` (CUDA 12:
//! `nvidia/cuda_nvrtc/lib/libnvrtc.so.12`), each with `libnvrtc-builtins.so.13.N` beside it. Of several versions in one
//! folder the newest is taken. `libnvrtc.alt.so` and `libnvrtc_static.a` are other things.

use std::path::{Path, PathBuf};

/// The names that the system loader is asked for.
#[cfg(not(windows))]
pub(super) const SYSTEM_NAMES: &[&str] = &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
#[cfg(windows)]
pub(super) const SYSTEM_NAMES: &[&str] = &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"];

/// The library inside a folder: directly, or where a toolkit or pip's package puts it.
pub(super) fn library_in(folder: &Path) -> Option<PathBuf> {
    let fixed = ["", "lib64", "lib", "bin", "bin/x64", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"];
    let packages = entries(&folder.join("nvidia")).into_iter().rev();
    let folders = fixed
        .iter()
        .map(|sub| folder.join(sub))
        .chain(packages.flat_map(|package| ["lib", "bin", "bin/x86_64"].map(|sub| package.join(sub))));
    folders.into_iter().find_map(|folder| newest_library(&folder))
}

fn newest_library(folder: &Path) -> Option<PathBuf> {
    let libraries = entries(folder).into_iter().filter(|path| path.is_file());
    libraries
        .filter_map(|path| library_version(&file_name(&path)).map(|version| (version, path)))
        .max()
        .map(|(_, path)| path)
}

/// The builtins libraries in the folder of this library that belong to its major version.
pub(super) fn builtins_beside(library: &Path) -> Vec<PathBuf> {
    // `libnvrtc.so` bears no version; what it links to does.
    let real = library.canonicalize().unwrap_or_else(|_| library.to_owned());
    let major = library_version(&file_name(&real)).and_then(|version| version.first().copied());
    let same_major = |path: &PathBuf| {
        let version = builtins_version(&file_name(path));
        version
            .is_some_and(|version| major.is_none() || version.is_empty() || version.first().copied() == major)
    };
    let folder = library.parent().unwrap_or(Path::new("/"));
    entries(folder).into_iter().filter(|path| path.is_file()).filter(same_major).collect()
}

/// `[13, 0, 88]` for `libnvrtc.so.13.0.88`, `[]` for `libnvrtc.so`, `[13, 0]` for `nvrtc64_130_0.dll`; `None` for
/// every other name.
fn library_version(name: &str) -> Option<Vec<u32>> {
    if let Some(rest) = name.strip_prefix("nvrtc64_") {
        let number: u32 = rest.strip_suffix("_0.dll")?.parse().ok()?;
        return Some(vec![number / 10, number % 10]);
    }
    numbers(name.strip_prefix("libnvrtc.so")?)
}

fn builtins_version(name: &str) -> Option<Vec<u32>> {
    if let Some(rest) = name.strip_prefix("nvrtc-builtins64_") {
        let number: u32 = rest.strip_suffix(".dll")?.parse().ok()?;
        return Some(vec![number / 10, number % 10]);
    }
    numbers(name.strip_prefix("libnvrtc-builtins.so")?)
}

/// `.13.0` as numbers; the empty text as none.
fn numbers(text: &str) -> Option<Vec<u32>> {
    match text.strip_prefix('.') {
        None => text.is_empty().then(Vec::new),
        Some(text) => text.split('.').map(|number| number.parse().ok()).collect(),
    }
}

/// What lies in a folder, sorted; nothing where it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn touch(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    #[test]
    fn versions_are_read_from_names() {
        assert_eq!(library_version("libnvrtc.so.13.0.88"), Some(vec![13, 0, 88]));
        assert_eq!(library_version("libnvrtc.so"), Some(vec![]));
        assert_eq!(library_version("nvrtc64_120_0.dll"), Some(vec![12, 0]));
        for other in
            ["libnvrtc.alt.so.13", "libnvrtc_static.a", "libnvrtc.so.x", "libnvrtc-builtins.so.13.0", ""]
        {
            assert_eq!(library_version(other), None, "{other}");
        }
        assert_eq!(builtins_version("libnvrtc-builtins.so.13.5"), Some(vec![13, 5]));
        assert_eq!(builtins_version("libnvrtc-builtins.alt.so.13.5"), None);
    }

    #[test]
    fn the_newest_library_of_the_nearest_layout_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(library_in(root), None);
        touch(root, &["nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "nvidia/other/lib/libother.so"]);
        assert_eq!(library_in(root), Some(root.join("nvidia/cuda_nvrtc/lib/libnvrtc.so.12")));
        touch(
            root,
            &["lib64/libnvrtc.so.9", "lib64/libnvrtc.so.13", "lib64/libnvrtc.alt.so.14", "lib64/libnvrtc.so"],
        );
        assert_eq!(library_in(root), Some(root.join("lib64/libnvrtc.so.13")));
        assert_eq!(library_in(&root.join("absent")), None);
    }

    #[test]
    fn builtins_are_those_of_the_same_major_version() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        touch(root, &["libnvrtc.so.13", "libnvrtc-builtins.so.12.4", "libnvrtc-builtins.so.13.5"]);
        let beside = builtins_beside(&root.join("libnvrtc.so.13"));
        assert_eq!(beside, [root.join("libnvrtc-builtins.so.13.5")]);
    }
}
