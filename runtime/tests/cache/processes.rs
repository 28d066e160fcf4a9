//! Several processes on one folder, and writers that die: at a file size limit (in the middle of a write, every time),
//! by SIGKILL while they compile, by SIGKILL at any other moment.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::support::{Ended, Worker, files, lines, wait_until};

const SIGKILL: i32 = 9;
const SIGXFSZ: i32 = 25;
/// Larger than the limit on file sizes below, and than a page.
const LARGE: usize = 100_000;

/// Starts eight at once, and waits for all.
fn eight(worker: &Worker, here: &Path) -> Vec<Ended> {
    let go = here.join("go");
    let worker = worker.clone().starting_at(&go);
    let running: Vec<_> = (0..8).map(|_| worker.start()).collect();
    fs::write(&go, "").unwrap();
    let ended: Vec<Ended> = running.into_iter().map(|running| running.end()).collect();
    fs::remove_file(&go).unwrap();
    ended
}

/// Checks that all got the same binary without a warning; returns how many compiled.
fn agree(ended: &[Ended]) -> u64 {
    for each in ended {
        assert!(each.output.status.success() && each.error.is_none(), "{each:?}");
        assert_eq!(each.binaries, ended[0].binaries);
        assert_eq!((each.binaries.len(), each.warnings.len()), (1, 0), "{each:?}");
    }
    ended.iter().map(|each| each.compilations).sum()
}

#[test]
fn eight_processes_compile_once() {
    let here = tempfile::tempdir().unwrap();
    let (folder, log) = (here.path().join("kernels"), here.path().join("log"));
    let worker = Worker::new(&folder, "delta").noting(&log).pausing(Duration::from_millis(500));
    assert_eq!(agree(&eight(&worker, here.path())), 1);
    assert_eq!(lines(&log).len(), 1);
    assert_eq!(agree(&eight(&worker, here.path())), 0);
    assert_eq!((files(&folder, ".kernel").len(), files(&folder, ".partial").len()), (1, 0));
}

#[test]
fn eight_processes_mend_a_damaged_entry_once() {
    let here = tempfile::tempdir().unwrap();
    let (folder, log) = (here.path().join("kernels"), here.path().join("log"));
    let worker = Worker::new(&folder, "delta").noting(&log).pausing(Duration::from_millis(300));
    let good = worker.run();
    let entry = files(&folder, ".kernel").pop().unwrap();
    let mut bytes = fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&entry, bytes).unwrap();
    let ended = eight(&worker, here.path());
    assert_eq!(lines(&log).len(), 2, "one compilation at first, one for the damage");
    assert!(ended.iter().all(|each| each.binaries == good.binaries), "{ended:?}");
    let warnings: Vec<_> = ended.iter().flat_map(|each| &each.warnings).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("compiled anew") && warnings[0].contains("digest"), "{warnings:?}");
}

#[test]
fn eight_processes_share_the_real_compiler() {
    let here = tempfile::tempdir().unwrap();
    let worker = Worker::new(&here.path().join("kernels"), "delta").for_real();
    let ended = eight(&worker, here.path());
    if let Some(error) = &ended[0].error {
        panic!("{error}\nthis test needs NVRTC: run `cargo xtask nvrtc`");
    }
    assert_eq!(agree(&ended), 1);
    assert_eq!(agree(&[worker.run()]), 0);
}

#[test]
fn a_process_killed_while_it_compiles_lets_go_of_its_kernel_alone() {
    let here = tempfile::tempdir().unwrap();
    let (folder, log) = (here.path().join("kernels"), here.path().join("log"));
    let worker = Worker::new(&folder, "delta").noting(&log);
    let stuck = worker.clone().pausing(Duration::from_secs(3600)).start();
    wait_until("the first compiles", || lines(&log).len() == 1);

    // Another kernel does not wait for it; the same one does.
    let other = Worker::new(&folder, "gated").run();
    assert_eq!((other.compilations, other.warnings.len()), (1, 0), "{other:?}");
    let mut waiting = worker.start();
    sleep(Duration::from_millis(500));
    assert!(waiting.is_running());
    assert_eq!(lines(&log).len(), 1);

    assert_eq!(stuck.kill().status.signal(), Some(SIGKILL));
    let ended = waiting.end();
    assert_eq!((ended.compilations, ended.warnings.len()), (1, 0), "{ended:?}");
    assert_eq!(worker.run().compilations, 0);
}

#[test]
fn a_writer_killed_in_the_middle_of_its_entry_leaves_no_entry() {
    let here = tempfile::tempdir().unwrap();
    let folder = here.path().join("kernels");
    let worker = Worker::new(&folder, "delta").making(LARGE);
    // The system kills a process that writes past this limit, which is in the middle of the entry.
    let killed = worker.clone().after("ulimit -c 0; ulimit -f 4").run();
    assert_eq!(killed.output.status.signal(), Some(SIGXFSZ), "{killed:?}");
    assert_eq!(files(&folder, ".kernel").len(), 0);
    let partial = files(&folder, ".partial");
    assert_eq!(partial.len(), 1);
    let left = fs::metadata(&partial[0]).unwrap().len();
    assert!(left > 0 && left < LARGE as u64, "{left}");

    let next = worker.run();
    assert_eq!((next.compilations, next.warnings.len()), (1, 0), "{next:?}");
    assert_eq!((files(&folder, ".kernel").len(), files(&folder, ".partial").len()), (1, 0));
    assert_eq!(worker.run().compilations, 0);
}

#[test]
fn a_full_disk_costs_one_warning_and_leaves_nothing_behind() {
    let here = tempfile::tempdir().unwrap();
    let folder = here.path().join("kernels");
    let good = Worker::new(&here.path().join("elsewhere"), "delta,gated,delta").making(LARGE).run();
    // With the signal ignored, writing past the limit fails as it does on a full disk.
    let full = Worker::new(&folder, "delta,gated,delta").making(LARGE);
    let ended = full.after("trap '' XFSZ; ulimit -f 4").run();
    assert!(ended.output.status.success(), "{ended:?}");
    assert_eq!(ended.binaries, good.binaries);
    assert_eq!((ended.compilations, ended.warnings.len()), (2, 1), "{ended:?}");
    assert!(ended.warnings[0].contains(folder.to_str().unwrap()), "{ended:?}");
    assert_eq!((files(&folder, ".kernel").len(), files(&folder, ".partial").len()), (0, 0));
}

/// Whenever the killing comes (before, in, or after the write), what is there is whole: nobody is ever warned of damage.
#[test]
fn writers_killed_at_any_moment_never_leave_a_broken_entry() {
    let here = tempfile::tempdir().unwrap();
    let log = here.path().join("log");
    let mut kills_in_a_write = 0;
    for round in 0..12 {
        let folder = here.path().join(format!("kernels{round}"));
        let worker = Worker::new(&folder, "delta").making(4_000_000).noting(&log);
        let compiled = lines(&log).len();
        let mut victim = worker.start();
        wait_until("it compiles", || lines(&log).len() > compiled);
        if round % 2 == 0 {
            let writes = || !files(&folder, ".partial").is_empty() || !files(&folder, ".kernel").is_empty();
            wait_until("it writes", || writes() || !victim.is_running());
        }
        sleep(Duration::from_millis(round / 2));
        victim.kill();
        kills_in_a_write += files(&folder, ".partial").len();

        let whole = !files(&folder, ".kernel").is_empty();
        let next = worker.run();
        assert_eq!(next.compilations, u64::from(!whole), "round {round}: {next:?}");
        assert_eq!((next.binaries.len(), next.warnings.len()), (1, 0), "round {round}: {next:?}");
        assert!(files(&folder, ".partial").len() <= usize::from(whole), "round {round}");
    }
    println!("{kills_in_a_write} of 12 kills came in the middle of a write");
}
