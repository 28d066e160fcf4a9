//! Compiled kernels, kept in memory and on disk, so that each is compiled once.
//!
//! ```text
//! chunkwise cache list
//! 5f0c..e1-13.5   gated_deltanet_recurrent   sm_90   48.1 KB   3 days
//! ```
//!
//! The folder is `CHUNKWISE_CACHE_DIR`, or `chunkwise/kernels` in the user's cache folder (XDG: `~/.cache`). It may be
//! shared by any number of processes, and deleted at any time. What a kernel is known by: `recipe.rs`; what an entry looks
//! like: `entry.rs`; how processes keep out of each other's way: `disk.rs`.
//!
//! Invariants: a binary that is handed out is byte for byte the one that was compiled; an entry that is not is compiled
//! anew; a folder that cannot be read, written or locked costs compilations and one warning, never an error.

mod disk;
mod entry;
mod recipe;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use etcetera::BaseStrategy;

use crate::nvrtc::Binary;
use crate::{Error, Result};
use disk::{Disk, Found, Lock};
use entry::Entry;
use recipe::Key;

pub(crate) use recipe::Recipe;

/// A place in memory for one kernel; locked while somebody gets it, so that the other threads wait.
type Slot = Arc<Mutex<Option<Arc<Binary>>>>;

/// Compiled kernels in memory and, where there is a folder, on disk.
#[derive(Default)]
pub struct Cache {
    slots: Mutex<HashMap<String, Slot>>,
    disk: Option<Disk>,
    warned: AtomicBool,
}

/// One entry on disk, as `chunkwise cache list` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// What it is known by: a content hash, and the version of the compiler that made it.
    pub key: String,
    /// The kernel's name and architecture; `None` where the entry is damaged (it will be compiled anew when needed).
    pub kernel: Option<(String, String)>,
    /// The file's size.
    pub bytes: u64,
    /// The time since it was written.
    pub age: Duration,
}

/// What [`Cache::clear`] removed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cleared {
    /// Entries.
    pub entries: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Cache {
    /// The user's cache: `CHUNKWISE_CACHE_DIR`, or `chunkwise/kernels` in the user's cache folder; memory alone, with a
    /// warning, where the user has neither.
    pub fn user() -> Self {
        let asked = std::env::var_os("CHUNKWISE_CACHE_DIR").filter(|folder| !folder.is_empty());
        let usual = || Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("chunkwise/kernels"));
        match asked.map(PathBuf::from).or_else(usual) {
            Some(folder) => Self::at(folder),
            None => {
                tracing::warn!(
                    "no home folder and no CHUNKWISE_CACHE_DIR: compiled kernels are not kept on disk"
                );
                Self::in_memory()
            }
        }
    }

    /// A cache in this folder, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { disk: Some(Disk { folder: folder.into() }), ..Self::default() }
    }

    /// A cache that ends with the process.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Its folder; `None` for one in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.disk.as_ref().map(|disk| disk.folder.as_path())
    }

    /// The entries on disk, sorted by key, each checked.
    pub fn list(&self) -> Vec<Listed> {
        let Some(disk) = &self.disk else { return Vec::new() };
        let list = disk.keys().into_iter().filter_map(|key| {
            let metadata = disk.path(&key).metadata().ok()?;
            let kernel = match disk.read(&key) {
                Ok(Found::Entry(entry)) => Some((entry.name, entry.arch)),
                Ok(Found::Damaged(_)) | Err(_) => None,
                Ok(Found::Nothing) => return None,
            };
            let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let age = written.elapsed().unwrap_or_default();
            Some(Listed { key: key.to_string(), kernel, bytes: metadata.len(), age })
        });
        list.collect()
    }

    /// Removes every entry, from memory and from disk. Files that are not of the cache stay, and so does the folder.
    ///
    /// # Errors
    /// [`Error::Mistake`] naming the first file that could not be removed; the others are gone nevertheless.
    pub fn clear(&self) -> Result<Cleared> {
        held(&self.slots).clear();
        let (mut cleared, mut failed) = (Cleared::default(), None);
        for path in self.disk.iter().flat_map(Disk::files) {
            let bytes = path.metadata().map_or(0, |metadata| metadata.len());
            match std::fs::remove_file(&path) {
                Ok(()) => {
                    cleared.bytes += bytes;
                    cleared.entries += usize::from(path.to_string_lossy().ends_with(disk::ENTRY));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed = failed.or(Some((path, error))),
            }
        }
        match failed {
            None => Ok(cleared),
            Some((path, error)) => Err(Error::mistake(
                format!("{} cannot be removed: {error}", path.display()),
                "clear the cache as the user who owns its folder",
            )),
        }
    }

    /// The binary in memory, or the one that `get` gives, which is then remembered. Of several threads that want one
    /// kernel, one gets it and the others wait.
    pub(crate) fn remember(
        &self,
        recipe: &Recipe,
        get: impl FnOnce() -> Result<Binary>,
    ) -> Result<Arc<Binary>> {
        let slot = held(&self.slots).entry(recipe.hash.clone()).or_default().clone();
        let mut slot = held(&slot);
        if let Some(binary) = &*slot {
            return Ok(binary.clone());
        }
        let binary = Arc::new(get()?);
        *slot = Some(binary.clone());
        Ok(binary)
    }

    /// The binary in memory or on disk, if it is there, under the compiler's version, or any where there is no compiler. One that
    /// another thread is about to get is not there yet.
    pub(crate) fn kept(
        &self,
        recipe: &Recipe,
        version: impl FnOnce() -> Option<String>,
    ) -> Option<Arc<Binary>> {
        let slot = held(&self.slots).entry(recipe.hash.clone()).or_default().clone();
        let mut slot = slot.try_lock().ok()?;
        if slot.is_none() {
            *slot = self.read(recipe, version()).map(Arc::new);
        }
        slot.clone()
    }

    /// The binary on disk that this version of the compiler made, or any.
    fn read(&self, recipe: &Recipe, version: Option<String>) -> Option<Binary> {
        let Some(version) = version else { return self.read_of_any_compiler(recipe) };
        match self.disk.as_ref()?.read(&recipe.key(&version)) {
            Ok(Found::Entry(entry)) => Some(entry.binary),
            _ => None,
        }
    }

    /// The binary on disk, or the one that `make` makes, which is then published. Of several processes that want one
    /// kernel, one makes it and the others wait.
    pub(crate) fn read_or_make(
        &self,
        recipe: &Recipe,
        compiler: &str,
        make: impl FnOnce() -> Result<Binary>,
    ) -> Result<Binary> {
        let Some(disk) = &self.disk else { return make() };
        let key = recipe.key(compiler);
        if let Ok(Found::Entry(entry)) = disk.read(&key) {
            return Ok(entry.binary);
        }
        let lock = disk.lock(&key).map_err(|error| self.warn_once(disk, &error)).ok();
        // While this process waited, another may have published it.
        match disk.read(&key) {
            Ok(Found::Entry(entry)) => return Ok(entry.binary),
            Ok(Found::Nothing) => {}
            Ok(Found::Damaged(damage)) => {
                let path = disk.path(&key);
                tracing::warn!("cache entry {} is compiled anew: {damage}", path.display());
            }
            Err(error) => self.warn_once(disk, &error),
        }
        let binary = make()?;
        if let Some(lock) = lock {
            self.publish(disk, recipe, &key, &binary, &lock);
        }
        Ok(binary)
    }

    /// The binary that the newest of all compilers made, for a machine that has none.
    pub(crate) fn read_of_any_compiler(&self, recipe: &Recipe) -> Option<Binary> {
        let disk = self.disk.as_ref()?;
        disk.keys_of(recipe).iter().find_map(|key| match disk.read(key) {
            Ok(Found::Entry(entry)) => Some(entry.binary),
            _ => None,
        })
    }

    fn publish(&self, disk: &Disk, recipe: &Recipe, key: &Key, binary: &Binary, lock: &Lock) {
        let entry = Entry {
            key: key.to_string(),
            name: recipe.name.clone(),
            arch: recipe.arch.to_string(),
            binary: binary.clone(),
        };
        if let Err(error) = disk.publish(key, &entry, lock) {
            self.warn_once(disk, &error);
        }
    }

    /// One warning is enough: what fails for one kernel fails for the next.
    fn warn_once(&self, disk: &Disk, error: &io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let folder = disk.folder.display();
            tracing::warn!(
                "the kernel cache {folder} cannot be written: {error}; new kernels are kept in memory only \
                 (CHUNKWISE_CACHE_DIR names another folder)"
            );
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({:?}, {} in memory)", self.folder(), held(&self.slots).len())
    }
}

/// Locks; a thread that panicked elsewhere leaves nothing half done in here.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
