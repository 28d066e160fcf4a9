//! The bundle as a user meets it: the scripts beside the program, on a machine that most likely has no GPU.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle")
}

/// The bundle's folder, with the program under test in it: linked, since a program that this process has just written
/// cannot be run while a fork made meanwhile by another test still holds the file open (ETXTBSY).
fn bundle(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for script in ["run.sh", "peers.py"] {
        std::fs::copy(scripts().join(script), folder.join(script)).unwrap();
    }
    let program = folder.join("chunkwise-prove");
    let _ = std::fs::remove_file(&program);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_chunkwise-prove"), program).unwrap();
    folder
}

fn bash(script: &Path, arguments: &[&str]) -> Output {
    Command::new("bash").arg(script).args(arguments).output().unwrap()
}

#[test]
fn without_arguments_it_says_how_it_is_used() {
    let output = bash(&bundle("usage").join("run.sh"), &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("./run.sh OUT") && text.contains("exits with 3"), "{text}");
}

/// Where there is a GPU, the run itself is the proof; here only that its lack is told.
#[test]
fn without_a_gpu_it_says_so() {
    let folder = bundle("absent");
    let output = Command::new(folder.join("chunkwise-prove"))
        .args(["all", "--device", "cuda:63", "--out"])
        .arg(folder.join("out"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("cuda:63") && text.contains("help: "), "{text}");
    if !text.contains("no NVIDIA driver") {
        return;
    }
    let output = bash(&folder.join("run.sh"), &[folder.join("out").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_peers_need_nothing_that_may_be_absent() {
    let folder = bundle("peers");
    std::fs::write(folder.join("times.json"), "{\"cases\": []}").unwrap();
    let output = Command::new("python3")
        .arg(folder.join("peers.py"))
        .args(["--cases", "none", "--times"])
        .arg(folder.join("times.json"))
        .arg("--out")
        .arg(folder.join("peers.json"))
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    assert!(text.contains("peers: ") || folder.join("peers.json").exists(), "{text}");
}
