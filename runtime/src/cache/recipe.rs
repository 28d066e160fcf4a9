//! What a kernel is known by: a content hash, and the version of the compiler beside it.
//!
//! ```text
//! 5f0c..e1-13.5.kernel        the entry of recipe 5f0c..e1 as made by NVRTC 13.5
//! ```
//!
//! The hash (BLAKE3) covers the text, its name, the whole command line, the architecture and our own version: whatever
//! else could change the binary. NVRTC's version stands in the name instead of in the hash, so that a machine
//! *without* NVRTC can find what another version made of the same recipe; with NVRTC, only the same version matches.
//!
//! Invariants: two recipes with one hash have equal parts (each part is hashed with its length); names consist of
//! characters that every file system allows.

use std::fmt;

use chunkwise_codegen::arch::Arch;

use crate::jit::Source;
use crate::nvrtc::Nvrtc;

/// Everything but the compiler that a binary depends on, as a hash; and what lists call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Recipe {
    /// The hash in hexadecimal, 64 digits.
    pub(super) hash: String,
    /// The source's name.
    pub(super) name: String,
    /// The architecture.
    pub(super) arch: Arch,
}

impl Recipe {
    pub(crate) fn of(source: &Source, arch: Arch) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("chunkwise kernel cache, recipe, version 1");
        let command_line = Nvrtc::command_line(arch, source.code, &source.options);
        let fixed = [env!("CARGO_PKG_VERSION"), arch.name(), &source.name, &source.text];
        for part in fixed.into_iter().chain(command_line.iter().map(String::as_str)) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        Self { hash: hasher.finalize().to_hex().to_string(), name: source.name.clone(), arch }
    }

    /// The key of what one version of the compiler makes of it.
    pub(super) fn key(&self, compiler: &str) -> Key {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
        Key(format!("{}-{}", self.hash, compiler.chars().map(plain).collect::<String>()))
    }
}

/// The name of an entry, without its ending.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key(String);

impl Key {
    /// The key in the name of an entry's file; `None` for files that are no entries.
    pub(super) fn of_file(name: &str, ending: &str) -> Option<Self> {
        let key = name.strip_suffix(ending)?;
        let (hash, compiler) = key.split_once('-')?;
        let hexadecimal = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hexadecimal && !compiler.is_empty()).then(|| Self(key.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is of this recipe, whatever the compiler.
    pub(super) fn is_of(&self, recipe: &Recipe) -> bool {
        self.0.starts_with(&recipe.hash)
    }

    /// The version of the compiler.
    pub(super) fn compiler(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, compiler)| compiler)
    }

    /// The version as numbers, to tell the newest.
    pub(super) fn compiler_numbers(&self) -> Vec<u64> {
        self.compiler().split('.').map(|number| number.parse().unwrap_or(0)).collect()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvrtc::Code;

    fn source(name: &str, text: &str, options: &[&str]) -> Source {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Source { name: name.to_owned(), text: text.to_owned(), options, code: Code::Machine }
    }

    #[test]
    fn every_part_changes_the_hash_and_parts_do_not_run_together() {
        let recipes = [
            Recipe::of(&source("a", "bc", &[]), Arch::Sm80),
            Recipe::of(&source("ab", "c", &[]), Arch::Sm80),
            Recipe::of(&source("a", "bd", &[]), Arch::Sm80),
            Recipe::of(&source("a", "bc", &[]), Arch::Sm86),
            Recipe::of(&source("a", "bc", &["xy"]), Arch::Sm80),
            Recipe::of(&source("a", "bc", &["x", "y"]), Arch::Sm80),
            Recipe::of(&source("a", "bc", &["y", "x"]), Arch::Sm80),
            Recipe::of(&Source { code: Code::Ptx, ..source("a", "bc", &[]) }, Arch::Sm80),
        ];
        for (i, a) in recipes.iter().enumerate() {
            for b in &recipes[i + 1..] {
                assert_ne!(a.hash, b.hash, "{a:?} {b:?}");
            }
        }
        assert_eq!(recipes[0], Recipe::of(&source("a", "bc", &[]), Arch::Sm80));
    }

    #[test]
    fn keys_are_plain_file_names_and_read_back() {
        let recipe = Recipe::of(&source("../../etc", "text", &[]), Arch::Sm90);
        let key = recipe.key("13.5/../x y");
        assert_eq!(key.compiler(), "13.5_.._x_y");
        assert_eq!(Key::of_file(&format!("{key}.kernel"), ".kernel"), Some(key.clone()));
        assert!(key.is_of(&recipe));
        assert!(recipe.key("13.10").compiler_numbers() > recipe.key("13.5").compiler_numbers());
        for other in ["", ".kernel", "notes.kernel", "ab-13.5.kernel", &format!("{}-.kernel", recipe.hash)] {
            assert_eq!(Key::of_file(other, ".kernel"), None, "{other}");
        }
    }
}
