//! The RULE argument: a catalogue name, `path.rs`, or `path.rs::name`.
//!
//! An argument is a path where its part before `::` ends in `.rs` or holds a `/`; otherwise it is a catalogue name.
//! So `gla` never depends on what lies in the current directory.

use crate::diagnostics;
use crate::failure::{Failure, Outcome};
use crate::nearest::nearest;
use chunkwise::Rule;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest rule file that is read; a rule is a few lines.
const LARGEST_FILE: u64 = 4 << 20;

/// A rule, from the catalogue or from a file.
#[derive(Debug)]
pub enum Source {
    /// From the catalogue.
    Catalogue(&'static Rule),
    /// From a file at this path.
    File(Box<Rule>, PathBuf),
}

impl Source {
    /// The rule.
    pub fn rule(&self) -> &Rule {
        match self {
            Source::Catalogue(rule) => rule,
            Source::File(rule, _) => rule,
        }
    }

    /// The file that it came from.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Source::Catalogue(_) => None,
            Source::File(_, path) => Some(path),
        }
    }
}

/// Finds the rule that an argument names.
///
/// # Errors
/// A mistake that names what was looked for and the nearest thing that exists; all diagnostics of a file that does not
/// parse.
pub fn find(argument: &str) -> Outcome<Source> {
    let (path, name) = match argument.rsplit_once("::") {
        Some((path, name)) => (path, Some(name)),
        None => (argument, None),
    };
    if path.ends_with(".rs") || path.contains(['/', '\\']) {
        from_file(path, name).map(|rule| Source::File(Box::new(rule), path.into()))
    } else {
        from_catalogue(argument).map(Source::Catalogue)
    }
}

/// A rule of the catalogue.
fn from_catalogue(name: &str) -> Outcome<&'static Rule> {
    let all = chunkwise::catalogue();
    let Some(entry) = all.iter().find(|entry| entry.name == name) else {
        let help = match nearest(name, all.iter().map(|entry| entry.name)) {
            Some(known) => format!("did you mean `{known}`? `chunkwise list` shows all of them"),
            None => "`chunkwise list` shows all of them; a rule of your own is given as `path.rs` or `path.rs::name`"
                .to_owned(),
        };
        return Err(Failure::mistake(format!("there is no rule `{name}` in the catalogue"), help));
    };
    let reason = entry.waiting.unwrap_or("it is not written yet");
    let works = entry.rule.ok_or_else(|| {
        Failure::limitation(
            format!("{} (`{name}`) does not work yet: {reason}", entry.title),
            "`chunkwise list` shows what works",
        )
    })?;
    Ok(works())
}

/// The one rule of a file, or the one of that name.
fn from_file(path: &str, name: Option<&str>) -> Outcome<Rule> {
    let text = read(path)?;
    let rules =
        chunkwise_dsl::parse_file(&text).map_err(|report| diagnostics::failure(path, &text, &report))?;
    let names: Vec<String> = rules.iter().map(|rule| rule.signature.name.clone()).collect();
    let listed = || names.iter().map(|name| format!("`{path}::{name}`")).collect::<Vec<_>>().join(", ");
    let chosen = match (name, names.len()) {
        (_, 0) => Err(Failure::mistake(
            format!("{path} holds no rule"),
            "a rule is a function under `#[rule]`; `chunkwise explain gla` shows one",
        )),
        (None, 2..) => Err(Failure::mistake(
            format!("{path} holds {} rules", names.len()),
            format!("say which one: {}", listed()),
        )),
        (None, _) => Ok(rules.into_iter().next()),
        (Some(name), _) => Ok(rules.into_iter().find(|rule| rule.signature.name == name)),
    };
    chosen?.ok_or_else(|| {
        let wanted = name.unwrap_or_default();
        let help = match nearest(wanted, names.iter().map(String::as_str)) {
            Some(known) => format!("did you mean `{path}::{known}`?"),
            None => format!("it holds {}", listed()),
        };
        Failure::mistake(format!("{path} holds no rule `{wanted}`"), help)
    })
}

/// The name and the text of a CUDA file.
///
/// # Errors
/// A mistake where it cannot be read, or is no text.
pub fn kernel(path: &Path) -> Outcome<(String, String)> {
    let name = path.display().to_string();
    let text = read_text(path, |why| {
        Failure::mistake(format!("cannot read the kernel {name}: {why}"), "`chunkwise emit` prints kernels")
    })?;
    Ok((name, text))
}

/// The text of a rule file.
fn read(path: &str) -> Outcome<String> {
    read_text(Path::new(path), |why| {
        Failure::mistake(format!("cannot read the rule file {path}: {why}"), FILE_HELP)
    })
}

/// A text of moderate length.
fn read_text(path: &Path, unreadable: impl Fn(String) -> Failure) -> Outcome<String> {
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a file that is too long, whatever its length claims (`/dev/zero`).
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(reason(&error)))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(unreadable(format!("it is longer than {} MiB", LARGEST_FILE >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        unreadable(format!("it is not text (byte {} is not UTF-8)", error.utf8_error().valid_up_to()))
    })
}

/// Why the system refused, without its error number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

const FILE_HELP: &str = "RULE is a catalogue name, `path.rs`, or `path.rs::name`";
