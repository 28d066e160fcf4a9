//! What a run asks of a machine, word for word.

use super::super::driver::Call;
use super::super::launches::offsets;
use super::*;
use crate::bind::Bindings;
use crate::nvrtc::{Binary, Code};
use crate::validate::{Pass, validate};
use chunkwise_codegen::Kernel;
use chunkwise_codegen::recurrent::{Spec, emit};
use chunkwise_codegen::{Arch, DType};
use std::ffi::c_void;
use std::sync::Mutex;

/// A machine that writes down what it is asked for and fills every result with the byte 0x3f.
#[derive(Debug, Default)]
struct Scribe {
    log: Mutex<Vec<String>>,
    /// What has the addresses from one on.
    names: Mutex<Vec<(u64, String)>>,
}

impl Scribe {
    fn write(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn name(&self, bytes: usize, name: &str) -> u64 {
        let mut names = self.names.lock().unwrap();
        let address = names.last().map_or(4096, |(last, _)| last + 4096);
        assert!(bytes < 4096);
        names.push((address, name.to_owned()));
        address
    }

    /// What an address is called: `q`, or `q+64` for a place in it.
    fn called(&self, address: u64) -> String {
        let names = self.names.lock().unwrap();
        match names.iter().rev().find(|(from, _)| *from <= address) {
            Some((from, name)) if *from == address => name.clone(),
            Some((from, name)) => format!("{name}+{}", address - from),
            None => "null".to_owned(),
        }
    }
}

impl Driver for Scribe {
    type Function = ();
    type Queue = Arc<Scribe>;

    fn arch(&self) -> Arch {
        Arch::Sm80
    }

    fn multiprocessors(&self) -> usize {
        108
    }

    fn code(&self) -> Code {
        Code::Machine
    }

    fn compiler_options(&self) -> &'static [&'static str] {
        &[]
    }

    fn stands_in(&self) -> bool {
        false
    }

    fn load(&self, _: &Binary, _: &Kernel) -> Result<()> {
        Ok(())
    }

    fn queue(self: &Arc<Self>) -> Result<Arc<Scribe>> {
        Ok(self.clone())
    }

    unsafe fn queue_on(self: &Arc<Self>, _: *mut c_void) -> Result<Arc<Scribe>> {
        self.queue()
    }
}

impl Queue for Arc<Scribe> {
    type Function = ();

    fn upload(&mut self, name: &str, bytes: &[u8]) -> Result<u64> {
        self.write(format!("upload {name} {}", bytes.len()));
        Ok(self.name(bytes.len(), name))
    }

    fn allocate(&mut self, name: &str, bytes: usize) -> Result<u64> {
        self.write(format!("allocate {name} {bytes}"));
        Ok(self.name(bytes, name))
    }

    fn launch(&mut self, call: Call<'_, ()>) -> Result<()> {
        let (offsets, bytes) = offsets(call.kernel);
        assert_eq!(call.arguments.len(), bytes);
        let number = |at: usize| i64::from_le_bytes(call.arguments[at..at + 8].try_into().unwrap());
        let values = call.kernel.arguments.iter().zip(offsets).map(|(argument, at)| match argument.role {
            Role::Strides(_) => {
                let group = number(at + 32);
                format!("{}/{}/{}x{group}", number(at), number(at + 8), number(at + 24))
            }
            Role::Heads => format!("H={}", number(at) as u32),
            _ if argument.is_pointer() => self.called(number(at) as u64),
            _ => number(at).to_string(),
        });
        let values = values.collect::<Vec<_>>().join(" ");
        self.write(format!("launch {} blocks: {values}", call.blocks));
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        Ok(())
    }

    fn time(&mut self, sets: &[Vec<Call<'_, ()>>], repeats: usize) -> Result<Vec<f64>> {
        for call in sets.iter().cycle().take(repeats).flatten() {
            self.launch(*call)?;
        }
        Ok(vec![1.0; repeats])
    }

    fn unwritten(&self, address: u64, _: usize) -> Option<usize> {
        self.lines().iter().any(|line| line == "forget").then_some(9).filter(|_| self.called(address) == "o")
    }

    fn download(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>> {
        self.write(format!("download {}", self.called(address)));
        Ok(vec![0x3f; bytes])
    }
}

const RULE: &str = "#[rule]
    fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
        s *= exp(g);
        s += outer(k, v);
        s.read(q)
    }";

/// What a machine is asked for, for tensors of bf16 vectors.
fn asked(tensors: &[(&str, &[usize])], cuts: Option<Vec<i32>>) -> (Vec<String>, Tensors) {
    let (log, results) = ask(Scribe::default(), tensors, cuts);
    (log, results.unwrap())
}

fn ask(
    scribe: Scribe,
    tensors: &[(&str, &[usize])],
    cuts: Option<Vec<i32>>,
) -> (Vec<String>, Result<Tensors>) {
    let scribe = Arc::new(scribe);
    let results = with_run(tensors, cuts, |run, loaded| run.launch(&scribe, loaded));
    (scribe.lines(), results)
}

/// Makes the run and the kernel for tensors of bf16 vectors.
fn with_run<R>(
    tensors: &[(&str, &[usize])],
    cuts: Option<Vec<i32>>,
    work: impl FnOnce(Run<'_>, &Arc<Loaded<Scribe>>) -> R,
) -> R {
    let owned: Vec<_> =
        tensors.iter().map(|(n, s)| (*n, Tensor::zeros(*s, Element::BF16).unwrap())).collect();
    let cuts = cuts.map(|cuts| Tensor::new([cuts.len()], cuts).unwrap());
    let bindings = owned.iter().fold(Bindings::new(), |b, (name, tensor)| b.with(*name, tensor));
    let bindings = cuts.iter().fold(bindings, |b, cuts| b.with("cu_seqlens", cuts));
    of_bindings(&bindings, work)
}

fn of_bindings<R>(bindings: &Bindings<'_>, work: impl FnOnce(Run<'_>, &Arc<Loaded<Scribe>>) -> R) -> R {
    let rule = chunkwise_dsl::parse_file(RULE).unwrap().remove(0);
    let timeline = rule.timeline.as_ref().unwrap();
    let problem = validate(&rule.signature, bindings, Pass::Forward).unwrap();
    let spec = Spec::new(problem.layout.sizes.clone(), DType::BF16);
    let kernel = emit(timeline, &spec).unwrap();
    let loaded = Arc::new(Loaded { schedule: Schedule::from(kernel), functions: vec![()] });
    work(Run { signature: &rule.signature, problem: &problem, piece: None }, &loaded)
}

#[test]
fn parts_of_one_tensor_are_uploaded_once() {
    // [B, T, 3, H, D], and decays that are [B, H, T].
    let (qkv, g) = (Tensor::zeros([2, 3, 3, 2, 8], Element::BF16), Tensor::zeros([2, 2, 3], Element::F32));
    let (qkv, g) = (qkv.unwrap(), g.unwrap());
    let part = |i| View::from(&qkv).select(2, i).unwrap();
    let bindings = Bindings::new().with("q", part(0)).with("k", part(1)).with("v", part(2));
    let bindings = bindings.with("g", View::from(&g).swap(1, 2).unwrap());
    let scribe = Arc::new(Scribe::default());
    of_bindings(&bindings, |run, loaded| run.launch(&scribe, loaded)).unwrap();
    let expected = [
        "upload q 576",
        "upload g 48",
        "allocate o 192",
        "allocate s 1024",
        "launch 4 blocks: q q+32 q+64 g null o s null 3 H=2 144/48/8x1 144/48/8x1 144/48/8x1 6/1/3x1",
        "download o",
        "download s",
    ];
    assert_eq!(scribe.lines(), expected);
}

#[test]
fn what_kernels_cannot_read_is_a_limitation() {
    let wide = Tensor::zeros([1, 3, 1, 16], Element::BF16).unwrap();
    let g = Tensor::zeros([1, 3, 1], Element::F32).unwrap();
    let refused = |k: View<'_>| {
        let whole = || View::from(&wide).slice(3, 0..8).unwrap();
        let bindings = Bindings::new().with("q", whole()).with("k", k).with("v", whole()).with("g", &g);
        of_bindings(&bindings, |run, loaded| run.launch(&Arc::new(Scribe::default()), loaded)).unwrap_err()
    };
    let shifted = refused(View::from(&wide).slice(3, 1..9).unwrap());
    insta::assert_snapshot!(shifted.to_string(), @r"
    error: tensor `k` begins 2 bytes after a multiple of 4, and the kernel moves it in runs of 4 bytes
    help: its last dim has to be contiguous, and its address and other strides multiples of 4 bytes (2 numbers); copy it (`View::to_tensor`), or run on `cpu`, which takes any
    ");
    assert_eq!(shifted.exit_code(), 3);
    let scattered = refused(View::from(&wide).split(3, 2).unwrap().select(4, 0).unwrap());
    insta::assert_snapshot!(scattered.to_string(), @r"
    error: tensor `k` has the strides [48, 16, 16, 2], and the kernel moves it in runs of 4 bytes
    help: its last dim has to be contiguous, and its address and other strides multiples of 4 bytes (2 numbers); copy it (`View::to_tensor`), or run on `cpu`, which takes any
    ");
}

#[test]
fn timed_launches_take_the_copies_in_turns() {
    let shapes: [(&str, &[usize]); 4] =
        [("q", &[1, 3, 1, 4]), ("k", &[1, 3, 1, 4]), ("v", &[1, 3, 1, 8]), ("g", &[1, 3, 1])];
    let scribe = Arc::new(Scribe::default());
    let times = with_run(&shapes, None, |run, loaded| run.time(&scribe, loaded, 2, 5)).unwrap();
    assert_eq!(times, [1.0; 5]);
    let log = scribe.lines();
    let count = |start: &str| log.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("upload q"), count("allocate o"), count("launch"), count("download")), (2, 2, 5, 0));
    // Nothing to launch takes no time.
    let empty: [(&str, &[usize]); 4] =
        [("q", &[0, 3, 1, 4]), ("k", &[0, 3, 1, 4]), ("v", &[0, 3, 1, 8]), ("g", &[0, 3, 1])];
    let scribe = Arc::new(Scribe::default());
    let times = with_run(&empty, None, |run, loaded| run.time(&scribe, loaded, 2, 5)).unwrap();
    assert_eq!(times, [0.0; 5]);
    assert!(!scribe.lines().iter().any(|line| line.starts_with("launch")));
}

#[test]
fn a_dense_batch_without_states() {
    let shapes: [(&str, &[usize]); 4] =
        [("q", &[2, 3, 2, 4]), ("k", &[2, 3, 1, 4]), ("v", &[2, 3, 2, 8]), ("g", &[2, 3, 2])];
    let (log, results) = asked(&shapes, None);
    // Vectors are bf16, the decay is f32; states are f32, and every result is allocated, none uploaded.
    let expected = [
        "upload q 96",
        "upload k 48",
        "upload v 192",
        "upload g 48",
        "allocate o 192",
        "allocate s 512",
        "launch 4 blocks: q k v g null o s null 3 H=2 24/8/4x1 12/4/4x2 48/16/8x1 6/2/1x1",
        "download o",
        "download s",
    ];
    assert_eq!(log, expected);
    assert_eq!((results["o"].shape(), results["o"].element()), (&[2, 3, 2, 8][..], Element::BF16));
    assert_eq!((results["s"].shape(), results["s"].element()), (&[2, 2, 4, 8][..], Element::F32));
}

#[test]
fn packed_sequences_with_states() {
    let shapes: [(&str, &[usize]); 5] = [
        ("q", &[1, 5, 1, 4]),
        ("k", &[1, 5, 1, 4]),
        ("v", &[1, 5, 1, 8]),
        ("g", &[1, 5, 1]),
        ("s0", &[3, 1, 4, 8]),
    ];
    let (log, results) = asked(&shapes, Some(vec![0, 2, 2, 5]));
    // Cuts are always i64, whatever the user's type.
    assert!(log.contains(&"upload cu_seqlens 32".to_owned()), "{log:?}");
    let launch = "launch 3 blocks: q k v g s0 o s cu_seqlens 5 H=1 20/4/4x1 20/4/4x1 40/8/8x1 5/1/1x1";
    assert!(log.contains(&launch.to_owned()), "{log:?}");
    assert_eq!(results["s"].shape(), [3, 1, 4, 8]);
}

#[test]
fn what_was_never_written_is_named_by_its_index() {
    let shapes: [(&str, &[usize]); 4] =
        [("q", &[2, 3, 2, 4]), ("k", &[2, 3, 1, 4]), ("v", &[2, 3, 2, 3]), ("g", &[2, 3, 2])];
    let (_, results) =
        ask(Scribe { log: Mutex::new(vec!["forget".to_owned()]), ..Scribe::default() }, &shapes, None);
    let error = results.unwrap_err();
    // Byte 9 is in element 4: the second number of the second head.
    assert!(error.to_string().contains("_recurrent` never wrote `o` at [0, 0, 1, 1]"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn without_a_sequence_nothing_is_launched() {
    let shapes: [(&str, &[usize]); 4] =
        [("q", &[0, 3, 1, 4]), ("k", &[0, 3, 1, 4]), ("v", &[0, 3, 1, 8]), ("g", &[0, 3, 1])];
    let (log, results) = asked(&shapes, None);
    assert!(!log.iter().any(|line| line.starts_with("launch")), "{log:?}");
    assert!(results["o"].is_empty() && results["s"].is_empty());
}
