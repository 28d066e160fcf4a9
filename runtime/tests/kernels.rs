//! The generated kernels under the real compiler: every text of `codegen`'s golden files, the device helpers by
//! themselves, every rule of the catalogue, awkward sizes. Nothing may spill or use a stack.

use chunkwise_codegen::recurrent::{Spec, emit};
use chunkwise_codegen::{Arch, DType, Kernel, Plan, Precision, device};
use chunkwise_dsl::rule::Rule;
use chunkwise_runtime::nvrtc::{Binary, Nvrtc};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

fn compiler() -> Nvrtc {
    Nvrtc::find().unwrap_or_else(|error| panic!("{error}"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rules(text: &str) -> Vec<Rule> {
    chunkwise_dsl::parse_file(text).unwrap_or_else(|report| panic!("{report:?}"))
}

/// Compiles, and says what spills.
fn compile(nvrtc: &Nvrtc, text: &str, name: &str, arch: Arch) -> Result<Binary, String> {
    let binary = nvrtc.compile(text, name, arch, &[]).map_err(|error| format!("{name}: {error}"))?;
    for used in &binary.resources {
        let spills = used.spill_store_bytes + used.spill_load_bytes;
        if spills + used.stack_bytes > 0 {
            return Err(format!(
                "{name} for {arch} spills {spills} bytes and has a stack of {}",
                used.stack_bytes
            ));
        }
    }
    if binary.resources.is_empty() {
        return Err(format!("{name} for {arch}: the log names no kernel"));
    }
    Ok(binary)
}

/// Does all jobs on two threads and panics with every failure.
fn all<J: Send>(jobs: Vec<J>, work: impl Fn(J) -> Result<(), String> + Sync) {
    let jobs = Mutex::new(jobs);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(job) = jobs.lock().unwrap().pop() else { break };
                    if let Err(failure) = work(job) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The texts of the golden files, by name.
fn golden() -> Vec<(String, String)> {
    let folder = repository().join("codegen/tests/kernels/snapshots");
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snap") {
            let file = std::fs::read_to_string(&path).unwrap();
            // Three dashes open and close insta's own lines.
            let text = file.splitn(3, "---\n").nth(2).unwrap();
            texts.push((path.file_stem().unwrap().to_string_lossy().into_owned(), text.to_owned()));
        }
    }
    texts.sort();
    texts
}

/// Architectures take turns.
#[test]
fn every_golden_kernel() {
    let nvrtc = compiler();
    let texts = golden();
    assert!(texts.len() >= 13, "only {} golden kernels", texts.len());
    let jobs = texts.iter().zip(Arch::ALL.into_iter().cycle()).collect();
    all(jobs, |((name, text), arch)| compile(&nvrtc, text, name, arch).map(|_| ()));
}

/// Every template is instantiated, every function called.
const CALLS: &str = r#"
template <typename T> __device__ void rows(const T *from, T *to, int left) {
    float x[8], y[8];
    Run<T, 4> runs[2];
    fetch<32>(runs, from);
    widen(x, runs);
    fetch_edge<32>(runs, from, left);
    widen(y, runs);
    clear_padding<4, 32, 4>(y, left);
    store<4, 32>(to, x);
    store_edge<4, 32>(to + 64, y, left);
    load<2, 16>(x, to);
    load_edge<1, 8>(y, to, left);
    store<8, 8>(to + i64(128), x);
    store<1, 8>(to + i64(256), y);
}

extern "C" __global__ void __launch_bounds__(64)
device_helpers(const f32 *a, const bf16 *b, const f16 *c, f32 *x, bf16 *y, f16 *z, int left) {
    __shared__ float scratch[2][2];
    int turn = 0;
    rows(a, x, left);
    rows(b, y, left);
    rows(c, z, left);
    float u = a[threadIdx.x].wide();
    u = sum_lanes<8>(u) + max_lanes<16>(u) + sum_block<8>(u, scratch, turn) + max_block<32>(u, scratch, turn);
    u += square(u) + sigmoid(u) + softplus(u) + log_sigmoid(u) + silu(u) + elu(u) + gelu(u) + relu(u) + step(u) + sign(u);
    x[threadIdx.x] = f32::of(greater_of(u, 1.0f) + smaller_of(u, infinity()) + greater(u, 2.0f));
}
"#;

/// Feedback of each value channel by itself, with decays of its own, and of rows whose channels meet and decay, decays by
/// channel in a declared range or of computed keys, outputs of what is fed back, and states that differ by decays of either sign:
/// no rule of the file has those.
const MORE: &str = "
#[rule] fn by_channel(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<V>) -> Vector<V> {
    s += outer(k, w * (v - s.read(k)));
    s.read(q)
}
#[rule] fn ranged(
    mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, #[range(-1.0..=0.0)] g: Vector<K>,
) -> Vector<V> {
    s *= exp(g);
    s += outer(k, v);
    s.read(q)
}
#[rule] fn computed_keys(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>) -> Vector<V> {
    s *= exp(g);
    s += outer(silu(k), v);
    s.read(q)
}
#[rule] fn decaying_channels(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Vector<V>) -> Vector<V> {
    s *= d;
    s += outer(k, v - s.read(k));
    s.read(q)
}
#[rule] fn decaying_rows(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Vector<V>) -> Vector<V> {
    s *= d;
    s += outer(k, v - l2norm(s.read(k)));
    s.read(q)
}
#[rule] fn returned(mut s: State<K, V>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    let p = s.read(k);
    s += outer(k, v - tanh(p));
    p
}
#[rule] fn returned_channels(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, d: Vector<V>) -> Vector<V> {
    let p = s.read(k);
    s *= d;
    s += outer(k, v - p);
    p
}
#[rule] fn scales(
    mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, f: Scalar, d: Scalar, b: Scalar,
) -> Vector<V> {
    let key = l2norm(k);
    s *= sigmoid(f);
    s += outer(sigmoid(b) * key, v - s.read(key));
    t *= max(min(d, 1), -1);
    t += outer(sigmoid(b) * key, v - t.read(key));
    s.read(q) + t.read(q)
}
";

/// Kernels on tensor cores: rules of every kind, operands in one part and in two.
fn fused_texts() -> Vec<String> {
    let rules = rules(&(include_str!("../../codegen/tests/rules/catalogue.rs").to_owned() + MORE));
    let specs = |rule: &Rule| {
        let spec =
            |dtype, precision| Spec { precision, ..Spec::new(vec![64; rule.signature.dims.len()], dtype) };
        [
            spec(DType::BF16, Precision::Fast),
            spec(DType::F16, Precision::High),
            spec(DType::F32, Precision::Fast),
        ]
    };
    let texts = rules.iter().flat_map(|rule| {
        let timeline = rule.timeline.as_ref().unwrap();
        let plans = specs(rule).into_iter().flat_map(|spec| Plan::CHUNKWISE.map(|plan| (plan, spec.clone())));
        plans.filter_map(|(plan, spec)| plan.emit(timeline, &spec, Arch::Sm90).ok())
    });
    texts.flat_map(|schedule| schedule.kernels).map(|kernel| kernel.source).collect()
}

#[test]
fn device_helpers_by_themselves() {
    // Helpers of tensor cores mean something in a whole kernel only.
    let fused = fused_texts();
    let mut used = device::words(CALLS);
    // What only a comment names is not used.
    let code = fused.iter().flat_map(|text| text.lines()).filter_map(|line| line.split("//").next());
    code.for_each(|line| used.extend(device::words(line)));
    for item in device::items() {
        assert!(used.contains(item.name), "nothing here uses {}", item.name);
    }
    let text = device::FILES.map(|(_, text)| text).concat() + CALLS;
    let nvrtc = compiler();
    let jobs = [Arch::Sm80, Arch::Sm90, Arch::Sm120].to_vec();
    all(jobs, |arch| compile(&nvrtc, &text, "device_helpers", arch).map(|_| ()));
}

fn kernel(rule: &Rule, k: usize, v: usize, dtype: DType) -> Result<Kernel, String> {
    let name = &rule.signature.name;
    let timeline = rule.timeline.as_ref().map_err(|why| format!("{name}: {why}"))?;
    let sizes = rule.signature.dims.iter().map(|dim| if dim == "V" { v } else { k }).collect();
    emit(timeline, &Spec::new(sizes, dtype)).map_err(|why| format!("{name}: {why}"))
}

/// Emits and compiles rules at many sizes, of which each has every other one, in turn.
fn sweep(rules: &[Rule], shapes: &[(usize, usize, DType)], arch: Arch) {
    let nvrtc = compiler();
    let jobs = rules.iter().enumerate().flat_map(|(at, rule)| {
        let half = shapes.iter().skip(at % 2).step_by(2);
        half.map(move |shape| (rule, *shape))
    });
    let jobs = jobs.collect();
    all(jobs, |(rule, (k, v, dtype))| {
        let kernel = kernel(rule, k, v, dtype)?;
        let name = format!("{}_{k}x{v}_{dtype}", rule.signature.name);
        compile(&nvrtc, &kernel.source, &name, arch).map(|_| ())
    });
}

#[test]
fn awkward_sizes() {
    let sizes = [1, 3, 16, 63, 64, 65, 100, 128, 200, 256];
    let mut shapes = Vec::new();
    for (at, &size) in sizes.iter().enumerate() {
        // Each size with itself, with a common one on either side, and with one of the others.
        let other = sizes[(at * 7 + 3) % sizes.len()];
        let dtype = [DType::BF16, DType::F32, DType::F16][at % 3];
        shapes.extend([
            (size, size, dtype),
            (size, 128, dtype),
            (128, size, dtype),
            (size, other, DType::F32),
        ]);
    }
    let named = ["gated_delta", "rwkv7", "momentum", "normalised"];
    let rules: Vec<Rule> = rules(include_str!("../../codegen/tests/rules/catalogue.rs"))
        .into_iter()
        .filter(|rule| named.contains(&rule.signature.name.as_str()))
        .collect();
    assert_eq!(rules.len(), named.len());
    sweep(&rules, &shapes, Arch::Sm90);
}

/// What one token costs, counted in the PTX of the gated delta rule at K = V = 128 (the loop over tokens is the only one
/// that stays a loop, and the prefetch appears twice: for the first token and inside it).
#[test]
fn instructions_of_the_gated_delta_rule() {
    let rules = rules(include_str!("../../codegen/tests/rules/catalogue.rs"));
    let rule = rules.iter().find(|rule| rule.signature.name == "gated_delta").unwrap();
    let kernel = kernel(rule, 128, 128, DType::BF16).unwrap();
    let ptx = compile(&compiler(), &kernel.source, "gated_delta", Arch::Sm90).unwrap().ptx;
    let count = |word: &str| ptx.lines().filter(|line| line.trim_start().starts_with(word)).count();
    // Two reads of 4 columns over 8 lanes: 3 exchanges each.
    assert_eq!(count("shfl.sync.bfly"), 2 * 4 * 3);
    assert_eq!(count("bar."), 0);
    // q and k in 4 runs each, v in one: all loads of token vectors are of 4 numbers.
    assert_eq!(count("ld.global.nc.v4.u16"), 2 * (4 + 4 + 1));
    assert_eq!(count("st.global.v4.u16"), 1);
    // The state: 16 rows of 4 columns, in and out. (The compiler likes to take the first store apart.)
    assert_eq!(count("ld.global.v4.f32"), 16);
    assert!(count("st.global.v4.f32") >= 15, "{} stores of 4", count("st.global.v4.f32"));
    assert_eq!(4 * count("st.global.v4.f32") + count("st.global.f32"), 64);
    // Two reads and a write of 64 registers each, at least.
    assert!(count("fma.rn.f32") >= 3 * 64, "{} fused multiply-adds", count("fma.rn.f32"));
}
