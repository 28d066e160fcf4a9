//! Device helpers: fixed CUDA text, kept in real `.cuh` files, of which a kernel embeds what it uses.
//!
//! A file is a list of *items* parted by blank lines; each is a comment and one definition. [`embed`] takes the items
//! whose names a kernel mentions, and those that they mention in turn, in file order; so a kernel without a softplus has
//! no text about one. The file's opening comment is not an item.
//!
//! Invariant: an item mentions only items above it or in an earlier file.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The files, in order of dependence.
pub const FILES: [(&str, &str); 19] = [
    ("numbers.cuh", include_str!("device/numbers.cuh")),
    ("pieces.cuh", include_str!("device/pieces.cuh")),
    ("rows.cuh", include_str!("device/rows.cuh")),
    ("reduce.cuh", include_str!("device/reduce.cuh")),
    ("functions.cuh", include_str!("device/functions.cuh")),
    ("tiles.cuh", include_str!("device/tiles.cuh")),
    ("inputs.cuh", include_str!("device/inputs.cuh")),
    ("products.cuh", include_str!("device/products.cuh")),
    ("accumulators.cuh", include_str!("device/accumulators.cuh")),
    ("handed.cuh", include_str!("device/handed.cuh")),
    ("fine.cuh", include_str!("device/fine.cuh")),
    ("whole.cuh", include_str!("device/whole.cuh")),
    ("solve.cuh", include_str!("device/solve.cuh")),
    ("decays.cuh", include_str!("device/decays.cuh")),
    ("keys.cuh", include_str!("device/keys.cuh")),
    ("substitute.cuh", include_str!("device/substitute.cuh")),
    ("compose.cuh", include_str!("device/compose.cuh")),
    ("channels.cuh", include_str!("device/channels.cuh")),
    ("mixes.cuh", include_str!("device/mixes.cuh")),
];

/// One definition, with its comment.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// The file it is from.
    pub file: &'static str,
    /// What it defines.
    pub name: &'static str,
    /// Comment and definition.
    pub text: &'static str,
}

/// Every item, in order of dependence.
pub fn items() -> &'static [Item] {
    // Names are compared with them one by one, so the files are taken apart once.
    static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(|| {
        let of_file = |&(file, text): &(&'static str, &'static str)| {
            text.split("\n\n").filter_map(move |text| Some(Item { file, name: defined(text)?, text }))
        };
        FILES.iter().flat_map(of_file).collect()
    });
    &ITEMS
}

/// Whether a helper has this name.
pub fn defines(name: &str) -> bool {
    items().iter().any(|item| item.name == name)
}

/// The items that `body` uses outside its comments, directly or through other items, each followed by a blank line.
pub fn embed(body: &str) -> String {
    used(body).iter().map(|item| paragraph(item.text)).collect()
}

/// The same for a kernel that has no register to spare: what follows from a thread's number is computed where it is used.
pub fn embed_sparing(body: &str) -> String {
    let text = |item: &&Item| if item.name == "this_thread" { ANEW } else { item.text };
    used(body).iter().map(|item| paragraph(text(item))).collect()
}

/// What stands in for the item `this_thread`.
const ANEW: &str = include_str!("device/anew.cuh");

fn paragraph(text: &str) -> String {
    format!("{}\n\n", text.trim_end())
}

/// In order of dependence.
fn used(body: &str) -> Vec<&'static Item> {
    let without_comment = |line: &'_ str| line.split_once("//").map_or(line.len(), |(code, _)| code.len());
    let mut mentioned: HashSet<&str> =
        body.lines().flat_map(|line| identifiers(&line[..without_comment(line)])).collect();
    let mut used: Vec<&Item> = Vec::new();
    // Later items mention earlier ones only, so one walk backwards finds them all.
    for item in items().iter().rev() {
        if mentioned.contains(item.name) {
            mentioned.extend(identifiers(code(item.text)));
            used.push(item);
        }
    }
    used.reverse();
    used
}

/// The text after the leading comment.
fn code(item: &str) -> &str {
    let mut rest = item;
    while rest.starts_with("//") {
        rest = rest.split_once('\n').map_or("", |(_, below)| below);
    }
    rest
}

/// The name that an item defines: of a struct or a typedef, or what stands before the first call parenthesis of a
/// function. `None` for text without a definition.
fn defined(item: &'static str) -> Option<&'static str> {
    let code = code(item);
    let code = match code.strip_prefix("template <") {
        Some(rest) => rest.split_once(">\n")?.1,
        None => code,
    };
    if let Some(alias) = code.strip_prefix("typedef ") {
        return identifiers(alias.split(';').next()?).last();
    }
    if let Some(record) = code.strip_prefix("struct ") {
        let record =
            record.strip_prefix("alignas").and_then(|r| r.split_once(")) ")).map_or(record, |(_, r)| r);
        return identifiers(record).next();
    }
    identifiers(code.split_once('(')?.0).last()
}

/// The words of a text.
pub fn words(text: &str) -> HashSet<&str> {
    identifiers(text).collect()
}

/// Whether `text` has this word.
pub fn mentions(text: &str, word: &str) -> bool {
    identifiers(text).any(|found| found == word)
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part of a file but its opening comment is an item, and no two have one name.
    #[test]
    fn every_definition_is_found_by_its_name() {
        for (file, text) in FILES {
            let parts = text.split("\n\n").filter(|part| !code(part).trim().is_empty()).count();
            let found: Vec<&str> =
                items().iter().filter(|item| item.file == file).map(|item| item.name).collect();
            assert_eq!(found.len(), parts, "{file}: {found:?}");
        }
        let mut names: Vec<&str> = items().iter().map(|item| item.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for name in ["i64", "Run", "Strides", "silu", "bf16_pair", "solve_rows", "sequence_of", "add_far"] {
            assert!(names.contains(&name), "{name} is not found among {names:?}");
        }
    }

    #[test]
    fn every_item_says_what_it_is() {
        for item in items() {
            assert!(item.text.starts_with("// "), "{} has no comment", item.name);
        }
    }

    #[test]
    fn items_mention_only_items_above() {
        let all = items();
        for (at, item) in all.iter().enumerate() {
            for later in &all[at + 1..] {
                assert!(
                    !identifiers(code(item.text)).any(|word| word == later.name),
                    "{} uses {}",
                    item.name,
                    later.name
                );
            }
        }
    }

    #[test]
    fn embedding_follows_mentions_and_leaves_the_rest() {
        let text = embed("y = silu(x);");
        assert_eq!(text.split("\n\n").filter(|text| !text.is_empty()).count(), 2);
        assert!(text.find("float sigmoid(").unwrap() < text.find("float silu(").unwrap());
        assert_eq!(embed("y = x; // not silu(x)"), "");
        let [lasting, anew] = [embed, embed_sparing].map(|embed| embed("x = this_thread();"));
        assert!(!lasting.contains("asm") && anew.contains("asm") && anew.contains("int this_thread() {"));
    }
}
