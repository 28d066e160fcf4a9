//! The quickstart as a user meets it: run on a small text, and on input that it has to refuse.
//!
//! The small text is the start of the shipped one. What is checked is that the run ends well, prints its tables and
//! leaves a plot that begins and ends like one; the numbers themselves are checked by the example's own tests.

use crate::command::{example, root, run_on, said, target};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs the example on each input.
pub(crate) fn check() -> Result<(), String> {
    let folder = target().join("xtask");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let program = example("quickstart")?;
    accepts_a_text(&program, &folder)?;
    for (what, path) in refused_inputs(&folder)? {
        refuses(&program, what, &path)?;
    }
    Ok(())
}

/// Some hundred words must give tables and a plot.
fn accepts_a_text(program: &Path, folder: &Path) -> Result<(), String> {
    let shipped = root().join("data/moby-dick.txt");
    let text = fs::read_to_string(&shipped).map_err(|e| format!("cannot read {}: {e}", shipped.display()))?;
    let small: String = text.chars().take(6_000).collect();
    let input = write(folder, "small.txt", small.as_bytes())?;
    let output = run_on(program, &input)?;
    if !output.status.success() {
        return Err(format!(
            "the quickstart ended with {} on a small text:\n{}",
            output.status,
            said(&output)
        ));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    for expected in ["linear attention", "delta", "gated delta", "recall", "next word", "quickstart.svg"] {
        if !printed.contains(expected) {
            return Err(format!("the quickstart does not print `{expected}`:\n{}", said(&output)));
        }
    }
    let plot = target().join("quickstart.svg");
    let svg = fs::read_to_string(&plot).map_err(|e| format!("no plot at {}: {e}", plot.display()))?;
    if !svg.starts_with("<svg") || !svg.trim_end().ends_with("</svg>") {
        return Err(format!("{} is not an SVG document", plot.display()));
    }
    Ok(())
}

/// Input that the quickstart has to refuse, each with what is wrong about it.
fn refused_inputs(folder: &Path) -> Result<[(&'static str, PathBuf); 5], String> {
    Ok([
        ("a missing file", folder.join("there-is-no-such-file.txt")),
        ("a folder", folder.to_path_buf()),
        ("an empty file", write(folder, "empty.txt", b"")?),
        ("one word", write(folder, "word.txt", b"Ishmael\n")?),
        ("bytes that are not UTF-8", write(folder, "latin1.txt", b"caf\xe9 caf\xe9 caf\xe9")?),
    ])
}

/// A refusal is exit code 2, an error that names the file, and a hint.
fn refuses(program: &Path, what: &str, path: &Path) -> Result<(), String> {
    let output = run_on(program, path)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let names_the_file = path.file_name().is_some_and(|name| errors.contains(&*name.to_string_lossy()));
    let polite = errors.contains("error: ") && errors.contains("help: ") && names_the_file;
    if output.status.code() == Some(2) && polite {
        return Ok(());
    }
    Err(format!(
        "the quickstart should refuse {what} with exit code 2, but ended with {}:\n{}",
        output.status,
        said(&output)
    ))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(path)
}
