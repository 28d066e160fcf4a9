//! Folders that cannot hold a cache, and where the folder is: the answer is right, with one warning.

use std::fs;
use std::process::Command;

use crate::support::Worker;

#[test]
fn a_file_in_the_place_of_the_folder_costs_one_warning() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    fs::write(&file, "mine").unwrap();
    for folder in [file.clone(), file.join("deeper")] {
        let ended = Worker::new(&folder, "delta,gated,delta").run();
        assert_eq!((ended.binaries.len(), ended.compilations), (3, 2), "{ended:?}");
        assert_eq!(ended.warnings.len(), 1, "{ended:?}");
        assert!(ended.warnings[0].contains(folder.to_str().unwrap()), "{ended:?}");
        assert!(ended.warnings[0].contains("CHUNKWISE_CACHE_DIR"), "{ended:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn without_a_variable_the_folder_is_in_the_users_cache() {
    let here = tempfile::tempdir().unwrap();
    let xdg = here.path().join("xdg");
    let worker = Worker::new(here.path(), "delta").with("XDG_CACHE_HOME", xdg.display());
    for unset in [worker.clone().without_cache_variable(), worker.with("CHUNKWISE_CACHE_DIR", "")] {
        let ended = unset.run();
        assert_eq!((ended.binaries.len(), ended.warnings.len()), (1, 0), "{ended:?}");
    }
    assert_eq!(crate::support::files(&xdg.join("chunkwise/kernels"), ".kernel").len(), 1);
}

#[test]
fn a_wrong_chunkwise_nvrtc_is_the_users_mistake() {
    let here = tempfile::tempdir().unwrap();
    for wrong in ["/nonexistent/libnvrtc.so.13", "/"] {
        let ended = Worker::new(here.path(), "delta").for_real().with("CHUNKWISE_NVRTC", wrong).run();
        let error = ended.error.clone().unwrap_or_default();
        assert!(error.starts_with("2 error: CHUNKWISE_NVRTC is set to "), "{ended:?}");
        assert!(error.contains(wrong), "{ended:?}");
    }
}

/// Runs as a user who may only read: root, who may do anything, gives up its rights first.
#[cfg(unix)]
#[test]
fn a_read_only_folder_is_read_and_costs_one_warning_to_write() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let here = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(here.path(), 0o755);
    let program = here.path().join("program");
    // By another process: what this one writes, forks of other tests hold open, and then it cannot be run (ETXTBSY).
    let copied =
        Command::new("install").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    let nobody = (fs::metadata(&program).unwrap().uid() == 0).then_some(65534);
    let folder = here.path().join("kernels");
    fs::create_dir(&folder).unwrap();
    let filled = Worker::new(&folder, "delta").run();
    assert_eq!(filled.warnings.len(), 0, "{filled:?}");
    let before = crate::support::files(&folder, "");

    mode(&folder, 0o555);
    let reader = |kernels| Worker::new(&folder, kernels).run_by(nobody, program.clone()).run();
    let hit = reader("delta");
    let miss = reader("delta,gated,deltaproduct");
    let after = crate::support::files(&folder, "");
    mode(&folder, 0o755);

    assert_eq!((hit.compilations, hit.warnings.len()), (0, 0), "{hit:?}");
    assert_eq!(hit.binaries, filled.binaries);
    assert_eq!((miss.compilations, miss.binaries.len()), (2, 3), "{miss:?}");
    assert_eq!(miss.warnings.len(), 1, "{miss:?}");
    assert!(miss.warnings[0].contains("ermission denied"), "{miss:?}");
    assert_eq!(after, before);
}
