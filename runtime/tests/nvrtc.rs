//! The real compiler: every architecture, the report of resources, errors with their lines, threads.

use std::path::Path;

use chunkwise_codegen::arch::Arch;
use chunkwise_runtime::Error;
use chunkwise_runtime::nvrtc::{Code, Nvrtc, Outcome};

/// Two kernels: `calm` needs few registers; `greedy` keeps 64 values alive in the 32 registers it may have.
const TEXT: &str = r#"
extern "C" __global__ void calm(float* x) {
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[63 - threadIdx.x];
}
extern "C" __global__ void __launch_bounds__(1024, 2) greedy(float* x) {
    float a[64];
    for (int i = 0; i < 64; i++) a[i] = x[i * 32 + threadIdx.x];
    for (int j = 0; j < 100; j++)
#pragma unroll
        for (int i = 0; i < 64; i++) a[i] = a[i] * a[(i + 7) % 64] + 1.0f;
#pragma unroll
    for (int i = 0; i < 64; i++) x[i * 32 + threadIdx.x] = a[i];
}
"#;

fn nvrtc() -> Nvrtc {
    Nvrtc::find().unwrap_or_else(|error| panic!("{error}\nthis test needs NVRTC: run `cargo xtask nvrtc`"))
}

#[test]
fn every_architecture_gives_machine_code_ptx_and_resources() {
    for arch in Arch::ALL {
        let binary = nvrtc().compile(TEXT, "two", arch, &[]).unwrap();
        assert!(binary.cubin.starts_with(b"\x7fELF"), "{arch}");
        assert!(binary.ptx.contains(&format!(".target {}\n", arch.target())), "{arch}: {}", binary.ptx);
        assert_eq!(binary.resources.len(), 2, "{arch}: {}", binary.log);
        let calm = binary.resources_of("calm").unwrap();
        assert_eq!((calm.spill_store_bytes, calm.spill_load_bytes), (0, 0), "{arch}: {}", binary.log);
        assert_eq!((calm.shared_bytes, calm.barriers), (256, 1), "{arch}: {}", binary.log);
        assert!(calm.registers > 0, "{arch}: {}", binary.log);
        assert_eq!(binary.resources_of("absent"), None);
    }
}

#[test]
fn ptx_alone_is_that_of_the_machine_code() {
    for arch in Arch::ALL {
        let whole = nvrtc().compile(TEXT, "two", arch, &[]).unwrap();
        let alone = nvrtc().compile_to(Code::Ptx, TEXT, "two", arch, &[]).unwrap();
        assert_eq!(alone.ptx, whole.ptx, "{arch}");
        assert!(alone.cubin.is_empty() && alone.resources.is_empty(), "{arch}: {}", alone.log);
    }
}

#[test]
fn spills_are_seen() {
    let binary = nvrtc().compile(TEXT, "two", Arch::Sm80, &[]).unwrap();
    let greedy = binary.resources_of("greedy").unwrap();
    assert_eq!(greedy.registers, 32);
    assert!(greedy.spill_store_bytes > 0 && greedy.spill_load_bytes > 0, "{}", binary.log);
    assert!(greedy.stack_bytes > 0, "{}", binary.log);
}

#[test]
fn options_are_passed_on_and_results_repeat() {
    let (nvrtc, lines) = (nvrtc(), ["-lineinfo".to_owned()]);
    let first = nvrtc.compile(TEXT, "two", Arch::Sm90, &lines).unwrap();
    assert_eq!(first, nvrtc.compile(TEXT, "two", Arch::Sm90, &lines).unwrap());
    assert!(first.ptx.contains("two.cu"), "no line information: {}", first.ptx);
    assert!(!nvrtc.compile(TEXT, "two", Arch::Sm90, &[]).unwrap().ptx.contains("two.cu"));
}

#[test]
fn a_text_that_does_not_compile_is_our_bug_and_shows_its_lines() {
    let text =
        "extern \"C\" __global__ void broken(float* x) {\n    int first = 1;\n    x[0] = missing;\n}\n";
    let error = nvrtc().compile(text, "broken", Arch::Sm80, &[]).unwrap_err();
    assert!(matches!(error, Error::Bug(_)), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("the kernel `broken` does not compile for sm_80"), "{message}");
    assert!(message.contains("identifier \"missing\" is undefined"), "{message}");
    assert!(message.contains(">    3 |     x[0] = missing;\n     4 | }"), "{message}");

    let assembly = "extern \"C\" __global__ void broken() { asm volatile(\"nonsense.op;\"); }\n";
    let error = nvrtc().compile(assembly, "broken", Arch::Sm90, &[]).unwrap_err();
    assert!(matches!(error, Error::Bug(_)) && error.to_string().contains("nonsense"), "{error:?}");
}

#[test]
fn bad_arguments_are_errors() {
    for (text, option) in [("", "--nonsense"), ("a\0b", "-lineinfo"), ("", "a\0b")] {
        let error = nvrtc().compile(text, "bad", Arch::Sm80, &[option.to_owned()]).unwrap_err();
        assert!(matches!(error, Error::Bug(_)), "{error:?}");
    }
}

#[test]
fn threads_compile_at_once() {
    let nvrtc = nvrtc();
    let compile = |arch| nvrtc.compile(TEXT, "two", arch, &[]).unwrap();
    let alone: Vec<_> = Arch::ALL.map(compile).into();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = Arch::ALL.map(|arch| scope.spawn(move || compile(arch))).into();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(alone == together);
}

#[test]
fn the_search_reports_every_place_up_to_the_library() {
    let (found, searched) = Nvrtc::search();
    let found = found.unwrap_or_else(|error| panic!("{error}\nrun `cargo xtask nvrtc`"));
    assert_eq!(searched.last().unwrap().outcome, Outcome::Found(found.version()));
    let usable = searched.iter().filter(|searched| matches!(searched.outcome, Outcome::Found(_))).count();
    assert_eq!(usable, 1);
    assert_eq!(format!("{found:?}"), format!("NVRTC {} at {}", found.version(), found.path().display()));
    assert_eq!(Nvrtc::open(found.path()).unwrap().version(), found.version());
    assert_eq!(Nvrtc::open(found.path().parent().unwrap()).unwrap().version(), found.version());
}

#[test]
fn a_place_without_a_library_says_why() {
    assert_eq!(Nvrtc::open(Path::new("/nonexistent")).unwrap_err(), "no such file or folder");
    assert_eq!(Nvrtc::open(Path::new("src")).unwrap_err(), "no libnvrtc in it");
    let reason = Nvrtc::open(Path::new("Cargo.toml")).unwrap_err();
    assert!(reason.contains("has no libnvrtc-builtins beside it"), "{reason}");
}
