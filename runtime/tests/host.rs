//! What a prepared launch costs the host, and what it asks of the driver: no memory, no copy, no wait, and one launch a kernel.
//! A device that does nothing counts the requests; the allocator of this process counts itself.

#![cfg(any(feature = "cuda", feature = "sim"))]

use chunkwise_codegen::{Arch, Plan};
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::{Compile, Jit, Source};
use chunkwise_runtime::nvrtc::Binary;
use chunkwise_runtime::{
    Bindings, Device, Element, Executable, Options, PlanChoice, Requests, Result, RuleExt, View,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends may still free memory after its count is gone.
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: every request goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often the work asked for memory or gave some back.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ASKED.get();
    work();
    ASKED.get() - before
}

/// A compiler that compiles nothing: a device that does nothing takes any binary.
struct Nothing;

impl Compile for Nothing {
    fn version(&self) -> Result<String> {
        Ok("0".to_owned())
    }

    fn compile(&self, _: &Source, _: Arch) -> Result<Binary> {
        Ok(Binary { cubin: Vec::new(), ptx: String::new(), log: String::new(), resources: Vec::new() })
    }
}

const DELTA: &str = "
#[rule]
fn delta(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}
";

fn idle(plan: Plan, jit: &Arc<Jit>) -> Executable {
    let rule = chunkwise_dsl::parse_file(DELTA).unwrap().remove(0);
    let options = Options { plan: PlanChoice::from(plan), ..Options::default() };
    rule.on(&Device::null(Arch::Sm90)).unwrap().with_jit(jit.clone()).with_options(options)
}

/// The shapes of a batch.
fn like(batch: usize, tokens: usize) -> Bindings<'static> {
    like_heads(batch, tokens, 4)
}

fn like_heads(batch: usize, tokens: usize, heads: usize) -> Bindings<'static> {
    let vector = || View::elsewhere(Element::BF16, [batch, tokens, heads, 64]).unwrap();
    let number = || View::elsewhere(Element::F32, [batch, tokens, heads]).unwrap();
    let vectors = ["q", "k", "v"].into_iter().map(|name| (name, vector()));
    let numbers = ["g", "beta"].into_iter().map(|name| (name, number()));
    vectors.chain(numbers).fold(Bindings::new(), |bindings, (name, view)| bindings.with(name, view))
}

#[test]
fn a_launch_allocates_nothing_and_asks_for_launches_alone() {
    // The allocator that counts is the one that is used.
    assert!(allocations(|| drop(std::hint::black_box(Box::new(1)))) >= 2);
    for plan in Plan::ALL {
        let jit = Arc::new(Jit::new(Nothing, Cache::in_memory()));
        let executable = idle(plan, &jit);
        let mut queue = executable.queue().unwrap();
        let mut prepared = executable.prepare(like(4, 1024), &mut queue).unwrap();
        let (kernels, ready) = (jit.compilations(), queue.requests().unwrap());
        assert!(kernels >= 1 && ready.launches == 0, "{plan}: {kernels} kernels, {ready:?}");
        let slots = prepared.slots(["q", "k", "v", "g", "beta", "o", "s0", "s"]).unwrap();
        let asked = allocations(|| {
            for step in 1..=100u64 {
                for (at, slot) in (1..).zip(slots) {
                    prepared.point(slot, at * 4096 * step).unwrap();
                }
                prepared.resize(1 + step as usize % 4, 10 * step as usize).unwrap();
                prepared.set_strides(slots[0], &[1 << 20, 1024, 128, 1]).unwrap();
                // SAFETY: the device reads nothing and writes nothing.
                unsafe { prepared.launch(&mut queue) }.unwrap();
            }
        });
        assert_eq!(asked, 0, "{plan}: requests to the allocator");
        let after = queue.requests().unwrap();
        let expected = Requests { launches: 100 * kernels, blocks: after.blocks, ..ready };
        assert_eq!(after, expected, "{plan}");
        assert!(after.blocks >= 100 * kernels);
        assert_eq!(jit.compilations(), kernels, "{plan}: compiled again");
    }
}

#[test]
fn fewer_tokens_need_no_more_memory() {
    for plan in [Plan::Split, Plan::Segmented] {
        let executable = idle(plan, &Arc::new(Jit::new(Nothing, Cache::in_memory())));
        let mut queue = executable.queue().unwrap();
        let mut prepared = executable.prepare(like(1, 1000), &mut queue).unwrap();
        for tokens in (0..=1000).rev() {
            prepared.resize(1, tokens).unwrap_or_else(|error| panic!("{plan}, {tokens} tokens: {error}"));
        }
        assert_eq!(prepared.resize(1, 1 << 20).unwrap_err().exit_code(), 2);
    }
}

/// Counts that no machine has are refused, and none of them overflows on the way.
#[test]
fn any_size_is_an_answer() {
    let few = [0, 1, 63, 1 << 31, 1 << 40, i64::MAX as usize, usize::MAX];
    for plan in [PlanChoice::Auto, PlanChoice::Fused, PlanChoice::Split, PlanChoice::Segmented] {
        let executable = idle(Plan::Fused, &Arc::new(Jit::new(Nothing, Cache::in_memory())));
        for piece in [None, Some(0), Some(usize::MAX)] {
            let executable = executable.clone().with_options(Options { plan, piece, ..Options::default() });
            let mut queue = executable.queue().unwrap();
            let mut prepared = executable.prepare(like(2, 100), &mut queue).unwrap();
            for (sequences, tokens) in few.into_iter().flat_map(|n| few.map(|t| (n, t))) {
                if let Err(error) = prepared.resize(sequences, tokens) {
                    assert!([2, 3].contains(&error.exit_code()), "{error}");
                }
            }
            let cuts = View::elsewhere(Element::I64, [1 << 60]).unwrap();
            let refused = executable.prepare(like(1, 100).with("cu_seqlens", cuts), &mut queue);
            assert_eq!(refused.unwrap_err().exit_code(), 2);
            let heads = executable.prepare(like_heads(8, 0, 1 << 62), &mut queue);
            assert!([2, 3].contains(&heads.unwrap_err().exit_code()));
            assert_eq!(queue.allocate("all", &[usize::MAX / 8], Element::F64).unwrap_err().exit_code(), 3);
        }
    }
}
