//! Where NVRTC is looked for, in order, with a report of every place for `chunkwise doctor`.
//!
//! ```text
//! CHUNKWISE_NVRTC: not set
//! target/nvrtc: /home/a/chunkwise/target/nvrtc: NVRTC 13.5
//! ```
//!
//! 1. `CHUNKWISE_NVRTC`, a library or a folder: if set, the only place.
//! 2. `target/nvrtc` of the Cargo workspaces (folders with a `Cargo.toml`) around the working folder and the program,
//!    and `nvrtc` in the build folder that the program lies in: what `cargo xtask nvrtc` fetches.
//! 3. `chunkwise/nvrtc` in the user's data folder: what `chunkwise doctor --install` fetches.
//! 4. `CUDA_HOME`, `CUDA_PATH`, `/usr/local/cuda`.
//! 5. pip's `site-packages`: `VIRTUAL_ENV`, `CONDA_PREFIX`, the user's own; then those that `python3` itself names.
//! 6. The system's loader.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use etcetera::BaseStrategy;

use super::files;
use super::library::Api;

/// One place that was searched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Searched {
    /// What kind of place: `CUDA_HOME`, `site-packages`.
    pub place: &'static str,
    /// The file or folder; `None` where the place named none.
    pub path: Option<PathBuf>,
    /// What was there.
    pub outcome: Outcome,
}

/// What a place held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A usable NVRTC of this version; the search ended here.
    Found(String),
    /// Nothing: a variable that is not set, a folder without the library.
    Nothing(&'static str),
    /// A library that cannot be used, and why.
    Unusable(String),
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        match &self.outcome {
            Outcome::Found(version) => write!(f, "NVRTC {version}"),
            Outcome::Nothing(what) => f.write_str(what),
            Outcome::Unusable(reason) => f.write_str(reason),
        }
    }
}

/// A library that was opened.
pub(super) struct Opened {
    pub(super) api: Api,
    pub(super) version: (u32, u32),
    /// The library's file, or the name by which the system's loader knew it.
    pub(super) path: PathBuf,
}

/// What the search depends on, so that tests can give it another world.
pub(super) struct Surroundings<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) working_folder: Option<PathBuf>,
    pub(super) program: Option<PathBuf>,
}

impl Surroundings<'_> {
    fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The file or folder that the user asked for.
    pub(super) fn asked(&self) -> Option<PathBuf> {
        self.path("CHUNKWISE_NVRTC")
    }
}

/// The folder that `chunkwise doctor --install` fills; `None` where the user has no home.
pub fn data_folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.data_dir().join("chunkwise/nvrtc"))
}

type Place = (&'static str, &'static str, fn(&Surroundings<'_>) -> Vec<PathBuf>);

/// The folders that are searched after `CHUNKWISE_NVRTC`: name, what to say where there is none, folders.
const PLACES: &[Place] = &[
    ("target/nvrtc", "not inside a Cargo workspace", workspace_folders),
    ("data folder", "the user has no home folder", |_| data_folder().into_iter().collect()),
    ("CUDA_HOME, CUDA_PATH, /usr/local/cuda", "not set", toolkit_folders),
    ("site-packages", "no Python environment", site_packages),
    ("python3's own path", "no python3", |_| ask_python()),
];

/// Searches every place until one holds a usable library.
pub(super) fn search(around: &Surroundings<'_>) -> (Option<Opened>, Vec<Searched>) {
    let mut searched =
        vec![Searched { place: "CHUNKWISE_NVRTC", path: None, outcome: Outcome::Nothing("not set") }];
    for &(place, without, folders) in PLACES {
        let folders = folders(around);
        if folders.is_empty() {
            searched.push(Searched { place, path: None, outcome: Outcome::Nothing(without) });
        }
        for folder in folders {
            let (opened, outcome) = open_in(&folder);
            searched.push(Searched { place, path: Some(folder), outcome });
            if opened.is_some() {
                return (opened, searched);
            }
        }
    }
    let opened = files::SYSTEM_NAMES.iter().find_map(|name| {
        let (opened, outcome) = describe(Api::open_by_name(name), Path::new(name));
        searched.push(Searched { place: "system loader", path: Some(name.into()), outcome });
        opened
    });
    (opened, searched)
}

/// Opens the library in a folder.
fn open_in(folder: &Path) -> (Option<Opened>, Outcome) {
    let nothing = if folder.is_dir() { "no libnvrtc in it" } else { "no such folder" };
    // The loader is only sure to take the file that is meant when its path is absolute.
    match files::library_in(folder).and_then(|path| std::path::absolute(path).ok()) {
        None => (None, Outcome::Nothing(nothing)),
        Some(path) => describe(Api::open(&path), &path),
    }
}

/// Opens a library, or the one in a folder; the error is a sentence.
pub(super) fn open(path: &Path) -> Result<Opened, String> {
    let (opened, outcome) = if path.is_dir() {
        open_in(path)
    } else if path.is_file() {
        let path = std::path::absolute(path).map_err(|error| error.to_string())?;
        describe(Api::open(&path), &path)
    } else {
        return Err("no such file or folder".to_owned());
    };
    opened.ok_or_else(|| match outcome {
        Outcome::Found(version) => version,
        Outcome::Nothing(what) => what.to_owned(),
        Outcome::Unusable(reason) => reason,
    })
}

/// Asks an opened library for its version. Before CUDA 12 there is neither sm_90a nor the report that we read.
fn describe(api: Result<Api, String>, path: &Path) -> (Option<Opened>, Outcome) {
    let version = api.and_then(|api| Ok((api, api.version().map_err(|error| error.to_string())?)));
    match version {
        Err(reason) => (None, Outcome::Unusable(reason)),
        Ok((_, (major, minor))) if major < 12 => {
            (None, Outcome::Unusable(format!("NVRTC {major}.{minor} is too old, 12.0 or newer is needed")))
        }
        Ok((api, version)) => {
            let found = Outcome::Found(format!("{}.{}", version.0, version.1));
            (Some(Opened { api, version, path: path.to_owned() }), found)
        }
    }
}

/// A folder named `target` counts only beside a `Cargo.toml`: a library is not loaded from just any folder around.
fn workspace_folders(around: &Surroundings<'_>) -> Vec<PathBuf> {
    let starts = [around.working_folder.as_deref(), around.program.as_deref()];
    let ancestors = starts.into_iter().flatten().flat_map(Path::ancestors);
    let workspaces = ancestors.filter(|folder| folder.join("Cargo.toml").is_file());
    // Cargo tags its build folder, which need not be called `target` nor lie in the workspace.
    let builds = around.program.iter().flat_map(|program| program.ancestors());
    let builds = builds.filter(|folder| folder.join("CACHEDIR.TAG").is_file());
    let mut folders: Vec<PathBuf> = builds.map(|folder| folder.join("nvrtc")).collect();
    for folder in workspaces.map(|folder| folder.join("target/nvrtc")) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

fn toolkit_folders(around: &Surroundings<'_>) -> Vec<PathBuf> {
    let asked = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(|name| around.path(name));
    let usual = Some(PathBuf::from("/usr/local/cuda")).filter(|folder| folder.is_dir());
    asked.chain(usual).collect()
}

/// `lib/python3.N/site-packages` of the active environments and of the user, newest Python first.
fn site_packages(around: &Surroundings<'_>) -> Vec<PathBuf> {
    let home = around.path("HOME").map(|home| home.join(".local"));
    let prefixes = [around.path("VIRTUAL_ENV"), around.path("CONDA_PREFIX"), home];
    let pythons = prefixes.into_iter().flatten().flat_map(|prefix| {
        let inside = files::entries(&prefix.join("lib"));
        inside.into_iter().rev().chain([prefix.join("Lib")])
    });
    pythons.map(|python| python.join("site-packages")).filter(|folder| folder.is_dir()).collect()
}

/// The folders for packages that the Python on the path knows.
fn ask_python() -> Vec<PathBuf> {
    let script = "import sys\nfor p in sys.path:\n  if p.endswith('-packages'): print(p)";
    let ask = |python: &str| {
        let command = Command::new(python).args(["-c", script]).stdin(Stdio::null()).output().ok();
        command.filter(|output| output.status.success())
    };
    let output = ask("python3").or_else(|| ask("python"));
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn workspaces_need_a_manifest_and_come_from_both_starts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("work/inner/deep")).unwrap();
        fs::create_dir_all(root.join("program/built")).unwrap();
        fs::write(root.join("work/Cargo.toml"), "").unwrap();
        fs::write(root.join("program/Cargo.toml"), "").unwrap();
        fs::write(root.join("program/built/CACHEDIR.TAG"), "").unwrap();
        let around = Surroundings {
            variable: &|_| None,
            working_folder: Some(root.join("work/inner/deep")),
            program: Some(root.join("program/built/debug/chunkwise")),
        };
        let expected = ["program/built/nvrtc", "work/target/nvrtc", "program/target/nvrtc"];
        assert_eq!(workspace_folders(&around), expected.map(|path| root.join(path)));
    }

    #[test]
    fn python_environments_are_searched_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["venv/lib/python3.11", "venv/lib/python3.12", "home/.local/lib/python3.11"] {
            fs::create_dir_all(root.join(path).join("site-packages")).unwrap();
        }
        let around = Surroundings {
            variable: &|name| match name {
                "VIRTUAL_ENV" => Some(root.join("venv").into()),
                "HOME" => Some(root.join("home").into()),
                "CONDA_PREFIX" => Some("".into()),
                _ => None,
            },
            working_folder: None,
            program: None,
        };
        let expected = ["venv/lib/python3.12", "venv/lib/python3.11", "home/.local/lib/python3.11"];
        assert_eq!(site_packages(&around), expected.map(|path| root.join(path).join("site-packages")));
    }

    #[test]
    fn a_broken_library_is_reported_and_the_search_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let lib = folder.path().join("nvrtc/lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(folder.path().join("CACHEDIR.TAG"), "").unwrap();
        fs::write(lib.join("libnvrtc.so.13"), "not a library").unwrap();
        let reason = open(&folder.path().join("nvrtc")).err().unwrap();
        assert!(reason.contains("no libnvrtc-builtins beside it"), "{reason}");
        fs::write(lib.join("libnvrtc-builtins.so.13.0"), "nor this").unwrap();
        let around = Surroundings {
            variable: &|_| None,
            working_folder: None,
            program: Some(folder.path().join("debug/chunkwise")),
        };
        let (_, searched) = search(&around);
        assert_eq!(searched[0].to_string(), "CHUNKWISE_NVRTC: not set");
        assert_eq!(searched[1].path, Some(folder.path().join("nvrtc")));
        assert!(matches!(&searched[1].outcome, Outcome::Unusable(_)), "{}", searched[1]);
        assert!(searched.len() > 3, "the search stopped at a broken library: {searched:?}");
    }
}
