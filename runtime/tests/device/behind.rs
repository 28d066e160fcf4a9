//! What runs while kernels compile: something else of the same rule that is ready sooner, right, and only for as long.

use crate::common::*;
use chunkwise_codegen::Arch;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::{Compile, Jit, Source};
use chunkwise_runtime::nvrtc::{Binary, Nvrtc};
use chunkwise_runtime::{
    Cold, Device, Element, Error, Executable, Options, PlanChoice, Result, RuleExt, Tensors,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Holds what it compiles back until it is opened; token loops pass. Counts what it has been asked for.
#[derive(Clone)]
struct Held(Arc<(Mutex<bool>, Condvar)>, Nvrtc, Arc<AtomicU64>);

impl Held {
    fn new() -> Held {
        Held(Arc::default(), Nvrtc::find().unwrap_or_else(|error| panic!("{error}")), Arc::default())
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn close(&self) {
        *self.0.0.lock().unwrap() = false;
    }
}

impl Compile for Held {
    fn version(&self) -> Result<String> {
        Ok(self.1.version())
    }

    fn compile(&self, source: &Source, arch: Arch) -> Result<Binary> {
        if !source.name.ends_with("_recurrent") {
            let limit = Duration::from_secs(60);
            self.2.fetch_add(1, Ordering::SeqCst);
            let opened = self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), limit, |open| !*open);
            assert!(!opened.unwrap().1.timed_out(), "a run waited for {}", source.name);
        }
        Compile::compile(&self.1, source, arch)
    }
}

fn executable(jit: &Arc<Jit>, options: Options) -> Executable {
    rule(DELTA).on(&Device::sim(Arch::Sm80)).unwrap().with_jit(jit.clone()).with_options(options)
}

/// What runs as soon as anything can.
const SOON: Options = Options {
    plan: PlanChoice::Auto,
    chunk: 32,
    dtype: Some(Element::BF16),
    precision: chunkwise_runtime::Precision::Fast,
    piece: None,
    columns: None,
    cold: Cold::StandIn,
};

/// Inputs of [`DELTA`], long enough that chunks pay.
fn inputs(batch: usize) -> Tensors {
    println!("seed 7");
    let mut r = Random(7);
    let t = 192;
    [
        ("q", r.tensor(&[batch, t, 1, 16])),
        ("k", r.between(&[batch, t, 1, 16], -0.2, 0.2)),
        ("v", r.tensor(&[batch, t, 1, 64])),
        ("g", r.between(&[batch, t, 1], -1.0, 0.0)),
        ("beta", r.between(&[batch, t, 1], 0.0, 1.0)),
    ]
    .into_iter()
    .map(|(name, tensor)| (name, tensor.cast(Element::BF16).unwrap().cast(Element::F32).unwrap()))
    .collect()
}

/// Runs, holds the results to those of the CPU, and says which kernels ran.
fn ran(executable: &Executable, inputs: &Tensors) -> Vec<String> {
    let expected = rule(DELTA).on(&Device::cpu()).unwrap().forward(inputs).unwrap();
    let got = executable.forward(inputs).unwrap();
    for (name, expected) in expected.iter() {
        let got = got.get(name).unwrap().cast(Element::F32).unwrap();
        let worst = difference(&got, &expected.cast(Element::F32).unwrap());
        assert!(worst < 2e-2, "{name}: {worst}");
    }
    executable.counters().into_iter().map(|launched| launched.kernel).collect()
}

#[test]
fn the_token_loop_stands_in_until_the_plan_is_compiled() {
    let held = Held::new();
    let jit = Arc::new(Jit::new(held.clone(), Cache::in_memory()));
    let executable = executable(&jit, SOON);
    let inputs = inputs(1);
    for _ in 0..3 {
        assert_eq!(ran(&executable, &inputs), ["delta_recurrent"]);
    }
    held.open();
    // Who waits gets what is on its way, and compiles nothing again.
    let waiting = executable.clone().with_options(Options { cold: Cold::Wait, ..SOON });
    let chosen = ran(&waiting, &inputs);
    assert!(!chosen.iter().any(|kernel| kernel.ends_with("_recurrent")), "{chosen:?}");
    assert_eq!(ran(&executable, &inputs), chosen);
    assert_eq!(jit.compilations(), 1 + chosen.len() as u64);
}

/// A thread that waits for a plan, the first that wants it, keeps no other from what is ready sooner; and both get one compilation.
#[test]
fn who_waits_holds_nobody_up() {
    let held = Held::new();
    let jit = Arc::new(Jit::new(held.clone(), Cache::in_memory()));
    let soon = executable(&jit, SOON);
    let waiting = soon.clone().with_options(Options { cold: Cold::Wait, ..SOON });
    let inputs = inputs(1);
    let chosen = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| ran(&waiting, &inputs));
        let limit = Instant::now() + Duration::from_secs(60);
        while held.2.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < limit, "the compiler is never asked");
            std::thread::yield_now();
        }
        let before = Instant::now();
        assert_eq!(ran(&soon, &inputs), ["delta_recurrent"]);
        assert!(before.elapsed() < Duration::from_secs(50), "it waited as well");
        held.open();
        waiter.join().unwrap()
    });
    assert_eq!(ran(&soon.with_options(Options { cold: Cold::Wait, ..SOON }), &inputs), chosen);
    assert_eq!(jit.compilations(), 1 + chosen.len() as u64);
}

#[test]
fn a_plan_on_disk_needs_no_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let (held, inputs) = (Held::new(), inputs(1));
    held.open();
    let jit = || Arc::new(Jit::new(held.clone(), Cache::at(folder.path())));
    let chosen = ran(&executable(&jit(), Options { cold: Cold::Wait, ..SOON }), &inputs);
    let later = jit();
    assert_eq!(ran(&executable(&later, SOON), &inputs), chosen);
    assert_eq!(later.compilations(), 0);
}

#[test]
fn other_columns_stand_in_for_a_plan_by_name() {
    let held = Held::new();
    let jit = Arc::new(Jit::new(held.clone(), Cache::in_memory()));
    let fused = |columns, cold| Options { plan: PlanChoice::Fused, columns, cold, ..SOON };
    // Many sequences, so that the choice is a block of all columns.
    let (few, all) = (inputs(1), inputs(70));
    held.open();
    let narrow = executable(&jit, fused(Some(32), Cold::Wait));
    assert_eq!(ran(&narrow, &few), ["delta_fused"]);
    let blocks = |executable: &Executable| executable.counters()[0].blocks;
    assert_eq!(blocks(&narrow), 2);
    held.close();
    let soon = narrow.clone().with_options(fused(None, Cold::StandIn));
    assert_eq!((ran(&soon, &all), blocks(&soon)), (vec!["delta_fused".to_owned()], 140));
    // Columns that were asked for have no other to stand in.
    let asked = narrow.clone().with_options(fused(Some(64), Cold::StandIn));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            held.open();
        });
        assert_eq!((ran(&asked, &all), blocks(&asked)), (vec!["delta_fused".to_owned()], 70));
    });
    assert_eq!((ran(&soon, &all), blocks(&soon)), (vec!["delta_fused".to_owned()], 70));
    assert_eq!(jit.compilations(), 2);
}

/// Refuses all but token loops.
struct Refusing(Nvrtc);

impl Compile for Refusing {
    fn version(&self) -> Result<String> {
        Ok(self.0.version())
    }

    fn compile(&self, source: &Source, arch: Arch) -> Result<Binary> {
        match source.name.ends_with("_recurrent") {
            true => Compile::compile(&self.0, source, arch),
            false => Err(Error::bug(format!("{} does not compile", source.name))),
        }
    }
}

#[test]
fn what_does_not_compile_is_said_once_it_is_known() {
    let refusing = Refusing(Nvrtc::find().unwrap_or_else(|error| panic!("{error}")));
    let executable = executable(&Arc::new(Jit::new(refusing, Cache::in_memory())), SOON);
    let inputs = inputs(1);
    assert_eq!(ran(&executable, &inputs), ["delta_recurrent"]);
    let limit = Instant::now() + Duration::from_secs(60);
    let error = loop {
        match executable.forward(&inputs) {
            Ok(_) => assert!(Instant::now() < limit, "the failure is never said"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Bug(_)) && error.to_string().contains("does not compile"), "{error}");
}

/// A process that ends while it compiles. What it does is told by its environment; without that it is no test.
#[test]
fn exit_waits_for_what_compiles() {
    const FOLDER: &str = "CHUNKWISE_TEST_EXIT";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let jit = Arc::new(Jit::new(Nvrtc::find().unwrap(), Cache::at(folder)));
        executable(&jit, SOON).forward(&inputs(1)).unwrap();
        std::process::exit(0);
    }
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let ended =
            command.args(["exit_waits", "--test-threads=1"]).env(FOLDER, folder.path()).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        let kept = Cache::at(folder.path()).list();
        assert!(kept.len() > 1, "{kept:?}");
    }
}
