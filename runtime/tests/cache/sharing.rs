//! One memory, many threads; one folder, several memories; what the command line lists and clears.

use std::fs;
use std::thread;
use std::time::Duration;

use chunkwise_codegen::arch::Arch;
use chunkwise_runtime::Error;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::{Jit, Source};
use chunkwise_runtime::nvrtc::Code;

use crate::support::{Dawdler, files, quick_jit, source};

#[test]
fn eight_threads_compile_once_with_and_without_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    for cache in [Cache::in_memory(), Cache::at(folder.path())] {
        let slow = Dawdler { pause: Duration::from_millis(200), ..Dawdler::quick() };
        let jit = Jit::new(slow, cache);
        let binaries: Vec<_> = thread::scope(|scope| {
            let compile = || jit.compile(&source("delta"), Arch::Sm90).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(compile)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(jit.compilations(), 1);
        assert!(binaries.iter().all(|binary| std::sync::Arc::ptr_eq(binary, &binaries[0])));
    }
}

#[test]
fn what_differs_is_compiled_apart() {
    let jit = Jit::new(Dawdler::quick(), Cache::in_memory());
    let (plain, mut lines, mut text) = (source("delta"), source("delta"), source("delta"));
    lines.options.push("-lineinfo".to_owned());
    text.text.push(' ');
    for source in [&plain, &lines, &text, &source("other")] {
        for arch in [Arch::Sm80, Arch::Sm90] {
            jit.compile(source, arch).unwrap();
            jit.compile(source, arch).unwrap();
        }
    }
    assert_eq!(jit.compilations(), 8);
}

#[test]
fn a_new_process_finds_it_on_disk_and_a_new_compiler_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = quick_jit(folder.path());
    let compiled = first.compile(&source("delta"), Arch::Sm90).unwrap();
    let second = quick_jit(folder.path());
    assert_eq!(second.compile(&source("delta"), Arch::Sm90).unwrap(), compiled);
    assert_eq!((first.compilations(), second.compilations()), (1, 0));
    let newer = Jit::new(Dawdler { version: Some("1.3"), ..Dawdler::quick() }, Cache::at(folder.path()));
    newer.compile(&source("delta"), Arch::Sm90).unwrap();
    assert_eq!(newer.compilations(), 1);
    assert_eq!(files(folder.path(), ".kernel").len(), 2);
}

/// Of one text, machine code serves who wants PTX alone, from memory and from disk; not the other way round.
#[test]
fn machine_code_brings_its_ptx() {
    let (whole, ptx) = (source("delta"), Source { code: Code::Ptx, ..source("delta") });
    let folder = tempfile::tempdir().unwrap();
    let first = quick_jit(folder.path());
    let compiled = first.compile(&whole, Arch::Sm90).unwrap();
    let second = quick_jit(folder.path());
    for jit in [&first, &second] {
        assert_eq!(jit.compile(&ptx, Arch::Sm90).unwrap(), compiled);
    }
    assert_eq!((first.compilations(), second.compilations()), (1, 0));
    first.compile(&ptx, Arch::Sm80).unwrap();
    first.compile(&whole, Arch::Sm80).unwrap();
    assert_eq!(first.compilations(), 3);
}

#[test]
fn without_a_compiler_the_newest_entry_serves() {
    let folder = tempfile::tempdir().unwrap();
    for (version, bytes) in [("1.9", 9), ("1.10", 10), ("1.2", 2)] {
        let compiler = Dawdler { version: Some(version), bytes, ..Dawdler::quick() };
        Jit::new(compiler, Cache::at(folder.path())).compile(&source("delta"), Arch::Sm90).unwrap();
    }
    let absent = || Dawdler { version: None, ..Dawdler::quick() };
    let jit = Jit::new(absent(), Cache::at(folder.path()));
    assert_eq!(jit.compile(&source("delta"), Arch::Sm90).unwrap().cubin.len(), 10);
    // A damaged one does not: the next serves.
    let newest = files(folder.path(), "-1.10.kernel").pop().unwrap();
    fs::write(newest, "damaged").unwrap();
    let jit = Jit::new(absent(), Cache::at(folder.path()));
    assert_eq!(jit.compile(&source("delta"), Arch::Sm90).unwrap().cubin.len(), 9);
    // Another kernel, or another architecture, does not.
    for (name, arch) in [("other", Arch::Sm90), ("delta", Arch::Sm80)] {
        let error = jit.compile(&source(name), arch).unwrap_err();
        assert!(matches!(error, Error::Absent(_)), "{error:?}");
    }
    assert_eq!(jit.compilations(), 0);
}

#[test]
fn a_failure_is_not_kept() {
    struct Fails;
    impl chunkwise_runtime::jit::Compile for Fails {
        fn version(&self) -> chunkwise_runtime::Result<String> {
            Ok("1.2".to_owned())
        }
        fn compile(
            &self,
            _: &chunkwise_runtime::jit::Source,
            _: Arch,
        ) -> chunkwise_runtime::Result<chunkwise_runtime::nvrtc::Binary> {
            Err(Error::bug("it does not compile"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let jit = Jit::new(Fails, Cache::at(folder.path()));
    for _ in 0..2 {
        assert!(matches!(jit.compile(&source("delta"), Arch::Sm90), Err(Error::Bug(_))));
    }
    assert_eq!(jit.compilations(), 2);
    assert!(files(folder.path(), ".kernel").is_empty());
    let mended = quick_jit(folder.path());
    assert!(mended.compile(&source("delta"), Arch::Sm90).is_ok());
}

#[test]
fn list_shows_every_entry_and_clear_removes_only_ours() {
    let folder = tempfile::tempdir().unwrap();
    let jit = quick_jit(folder.path());
    assert_eq!(jit.cache().list(), []);
    for name in ["delta", "gated"] {
        jit.compile(&source(name), Arch::Sm80).unwrap();
    }
    let remains = folder.path().join(format!("{}-1.2.7-0.partial", "0".repeat(64)));
    for file in [&folder.path().join("notes.txt"), &folder.path().join("mine.kernel"), &remains] {
        fs::write(file, "12345").unwrap();
    }
    let list = jit.cache().list();
    let mut names: Vec<_> = list.iter().map(|entry| entry.kernel.clone().unwrap()).collect();
    names.sort();
    assert_eq!(names, [("delta".into(), "sm_80".into()), ("gated".into(), "sm_80".into())]);
    assert!(list.iter().all(|entry| entry.bytes > 500 && entry.age < Duration::from_secs(3600)), "{list:?}");
    assert!(list.is_sorted_by_key(|entry| &entry.key));

    let damaged = &files(folder.path(), ".kernel")[0];
    let bytes = fs::read(damaged).unwrap();
    fs::write(damaged, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(jit.cache().list().iter().filter(|entry| entry.kernel.is_none()).count(), 1);

    let total: u64 = list.iter().map(|entry| entry.bytes).sum();
    let cleared = jit.cache().clear().unwrap();
    assert_eq!((cleared.entries, cleared.bytes), (2, total - 1 + 5));
    let mut left: Vec<_> =
        files(folder.path(), "").iter().map(|f| f.file_name().unwrap().to_owned()).collect();
    left.sort();
    assert_eq!(left, ["mine.kernel", "notes.txt"]);
    assert_eq!(jit.cache().list(), []);
    jit.compile(&source("delta"), Arch::Sm80).unwrap();
    assert_eq!(jit.compilations(), 3, "the memory was not cleared");
}
