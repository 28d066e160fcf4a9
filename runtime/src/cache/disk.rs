//! The folder of entries, shared by processes that know nothing of each other.
//!
//! ```text
//! KEY.kernel               an entry; appears whole (written beside, then renamed) or not at all
//! KEY.lock                 empty; held (flock) by the process that compiles KEY, and let go by the system when it dies
//! KEY.PID-N.partial        being written; left over when its writer was killed, removed by the next writer of KEY
//! ```
//!
//! Invariants: reading takes no lock and writes nothing, so a folder that may only be read serves as well; nothing here
//! but these three kinds of file is ever touched. Entries are not synced to the disk: after a power failure an entry may
//! be cut off, which its digest shows.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::entry::{Damage, Entry};
use super::recipe::{Key, Recipe};

pub(super) const ENTRY: &str = ".kernel";
const LOCK: &str = ".lock";
const PARTIAL: &str = ".partial";

/// How long a process waits for another that compiles the same kernel. Past it the other is taken to hang, and both
/// compile, which harms nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder of entries; it need not exist yet.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) folder: PathBuf,
}

/// What was found under a key.
#[derive(Debug)]
pub(super) enum Found {
    Entry(Box<Entry>),
    Nothing,
    Damaged(Damage),
}

/// The right to compile a key; given back when dropped.
pub(super) struct Lock {
    _file: File,
}

impl Disk {
    pub(super) fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{key}{ENTRY}"))
    }

    /// Reads an entry.
    pub(super) fn read(&self, key: &Key) -> io::Result<Found> {
        let bytes = match fs::read(self.path(key)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        Ok(match Entry::decode(&bytes) {
            Ok(entry) if entry.key == key.as_str() => Found::Entry(Box::new(entry)),
            Ok(_) => Found::Damaged(Damage::Key),
            Err(damage) => Found::Damaged(damage),
        })
    }

    /// The keys of a recipe, the newest compiler first.
    pub(super) fn keys_of(&self, recipe: &Recipe) -> Vec<Key> {
        let mut keys: Vec<Key> = self.keys().into_iter().filter(|key| key.is_of(recipe)).collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.compiler_numbers()));
        keys
    }

    /// Every key, sorted.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.names().iter().filter_map(|name| Key::of_file(name, ENTRY)).collect();
        keys.sort();
        keys
    }

    /// Waits for the right to compile a key, creating the folder if need be.
    pub(super) fn lock(&self, key: &Key) -> io::Result<Lock> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{key}{LOCK}"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let (begun, mut pause) = (Instant::now(), Duration::from_millis(1));
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => {
                    return Err(io::Error::new(
                        ErrorKind::TimedOut,
                        "another process has held its lock for too long",
                    ));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Publishes an entry: other processes see all of it or nothing. The lock shows that nobody else writes this key.
    pub(super) fn publish(&self, key: &Key, entry: &Entry, _lock: &Lock) -> io::Result<()> {
        self.remove_partials(key);
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let number = WRITES.fetch_add(1, Ordering::Relaxed);
        let partial = self.folder.join(format!("{key}.{}-{number}{PARTIAL}", std::process::id()));
        let written =
            write_new(&partial, &entry.encode()).and_then(|()| fs::rename(&partial, self.path(key)));
        written.inspect_err(|_| {
            let _may_not_exist = fs::remove_file(&partial);
        })
    }

    /// Removes what killed writers of this key left.
    fn remove_partials(&self, key: &Key) {
        let start = format!("{key}.");
        for name in self.names().iter().filter(|name| name.starts_with(&start) && name.ends_with(PARTIAL)) {
            let _only_clutter = fs::remove_file(self.folder.join(name));
        }
    }

    /// Every file of ours.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let names = self.names().into_iter().filter(|name| is_ours(name));
        names.map(|name| self.folder.join(name)).collect()
    }

    /// The names in the folder; nothing where it cannot be read.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = self.folder.read_dir() else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// Whether a file is one of the three kinds above; anything else in the folder is the user's.
fn is_ours(name: &str) -> bool {
    [ENTRY, LOCK, PARTIAL].iter().any(|ending| Key::of_file(name, ending).is_some())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jit::Source;
    use crate::nvrtc::Binary;
    use crate::nvrtc::Code;
    use chunkwise_codegen::arch::Arch;

    fn recipe() -> Recipe {
        let source = Source {
            name: "delta".to_owned(),
            text: "text".to_owned(),
            options: Vec::new(),
            code: Code::Machine,
        };
        Recipe::of(&source, Arch::Sm90)
    }

    fn entry(key: &Key) -> Entry {
        let binary = Binary { cubin: vec![1], ptx: String::new(), log: String::new(), resources: Vec::new() };
        Entry { key: key.to_string(), name: "delta".to_owned(), arch: "sm_90".to_owned(), binary }
    }

    fn publish(disk: &Disk, key: &Key) {
        let lock = disk.lock(key).unwrap();
        disk.publish(key, &entry(key), &lock).unwrap();
    }

    #[test]
    fn an_entry_under_another_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk { folder: folder.path().to_owned() };
        let (key, other) = (recipe().key("13.5"), recipe().key("13.4"));
        publish(&disk, &key);
        assert!(matches!(disk.read(&key).unwrap(), Found::Entry(found) if *found == entry(&key)));
        fs::rename(disk.path(&key), disk.path(&other)).unwrap();
        assert!(matches!(disk.read(&key).unwrap(), Found::Nothing));
        assert!(matches!(disk.read(&other).unwrap(), Found::Damaged(Damage::Key)));
    }

    #[test]
    fn the_newest_compiler_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk { folder: folder.path().to_owned() };
        for version in ["13.5", "13.10", "12.8"] {
            publish(&disk, &recipe().key(version));
        }
        let versions: Vec<String> =
            disk.keys_of(&recipe()).iter().map(|key| key.compiler().to_owned()).collect();
        assert_eq!(versions, ["13.10", "13.5", "12.8"]);
    }

    #[test]
    fn a_writer_removes_the_remains_of_killed_ones_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk { folder: folder.path().to_owned() };
        let (key, other) = (recipe().key("13.5"), recipe().key("13.4"));
        let remains = folder.path().join(format!("{key}.1-0.partial"));
        let others = folder.path().join(format!("{other}.1-0.partial"));
        for path in [&remains, &others] {
            fs::write(path, "cut off").unwrap();
        }
        publish(&disk, &key);
        assert!(!remains.exists() && others.exists());
    }

    #[test]
    fn only_our_own_files_are_ours() {
        let key = recipe().key("13.5");
        for ours in [format!("{key}.kernel"), format!("{key}.lock"), format!("{key}.77-3.partial")] {
            assert!(is_ours(&ours), "{ours}");
        }
        for others in ["notes.txt", "thesis.kernel", "Cargo.lock", "x.partial", ".kernel", ".lock"] {
            assert!(!is_ours(others), "{others}");
        }
    }
}
