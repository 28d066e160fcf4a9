//! `chunkwise cache`: where compiled kernels lie, which there are, and deleting them.

use crate::args::CacheAction;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::table::{Align, table};
use chunkwise_runtime::cache::{Cache, Listed};
use std::path::Path;
use std::time::Duration;

/// Runs the command.
///
/// # Errors
/// A limitation where there is no place for a cache; a mistake where an entry cannot be deleted.
pub fn cache(arguments: &crate::args::Cache, output: &mut Output) -> Outcome {
    let cache = Cache::user();
    let folder = folder(&cache)?;
    match arguments.action {
        CacheAction::Path => output.line(folder.display().to_string()),
        CacheAction::List => list(&cache, folder, output),
        CacheAction::Clear => {
            let cleared = cache.clear()?;
            let entries = counted(cleared.entries);
            output.line(format!("{entries} deleted, {} freed, in {}", size(cleared.bytes), folder.display()))
        }
    }
}

/// The folder of the user's cache.
fn folder(cache: &Cache) -> Outcome<&Path> {
    cache.folder().ok_or_else(|| {
        Failure::limitation(
            "there is no folder for a cache: this user has no home folder",
            "set CHUNKWISE_CACHE_DIR to a folder that can be written",
        )
    })
}

/// The entries, in the order of their keys.
fn list(cache: &Cache, folder: &Path, output: &mut Output) -> Outcome {
    let entries = cache.list();
    if entries.is_empty() {
        return output.line(format!("no entries in {}", folder.display()));
    }
    let header = ["kernel", "architecture", "size", "age", "key"].map(String::from).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(entries.iter().map(row)).collect();
    use Align::{Left, Right};
    output.text(table(&[Left, Left, Right, Right, Left], &rows))?;
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    output.line(format!("{}, {}, in {}", counted(entries.len()), size(bytes), folder.display()))
}

/// One entry; a damaged one says so.
fn row(entry: &Listed) -> Vec<String> {
    let (kernel, arch) = match &entry.kernel {
        Some((kernel, arch)) => (kernel.as_str(), arch.as_str()),
        None => ("(damaged; compiled again when needed)", ""),
    };
    vec![kernel.to_owned(), arch.to_owned(), size(entry.bytes), age(entry.age), entry.key.clone()]
}

/// `1 entry`, `2 entries`.
pub(crate) fn counted(entries: usize) -> String {
    if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") }
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A time span for people, in its largest unit.
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_for_people() {
        assert_eq!([0, 9_999, 10_000, 123_456_789].map(size), ["0 B", "9999 B", "10 kB", "123 MB"]);
        let ages = [0, 119, 120, 7_200, 200_000].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}
