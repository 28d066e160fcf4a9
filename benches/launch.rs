//! What a prepared launch costs the host: everything but the driver's own call, for which a device stands in that does nothing.
//!
//! ```text
//! cargo bench --bench launch
//! launch/gated_deltanet/recurrent      time: ..      the launch of all kernels of the plan
//! point/gated_deltanet/recurrent       time: ..      with new addresses of every tensor before it
//! resize/gated_deltanet/recurrent      time: ..      with another batch and length before it
//! gated_deltanet/recurrent: 0.06 us a launch, of 5 us that it may take
//! ```
//!
//! A driver's call is some 2 us on top for each kernel.

use chunkwise::{Arch, Bindings, Device, Element, Error, Options, Prepared, Queue, RuleExt, Slot, View};
use chunkwise_codegen::Plan;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::{Compile, Jit, Source};
use chunkwise_runtime::nvrtc::Binary;
use criterion::{Criterion, criterion_group, criterion_main};
use std::sync::Arc;
use std::time::Instant;

/// Microseconds that a prepared launch may cost the host.
const TARGET: f64 = 5.0;

/// A compiler that compiles nothing: a device that does nothing takes any binary.
struct Nothing;

impl Compile for Nothing {
    fn version(&self) -> Result<String, Error> {
        Ok("0".to_owned())
    }

    fn compile(&self, _: &Source, _: Arch) -> Result<Binary, Error> {
        Ok(Binary { cubin: Vec::new(), ptx: String::new(), log: String::new(), resources: Vec::new() })
    }
}

/// A gated delta rule of 32 heads, prepared for 8 sequences of 4096 tokens.
fn prepared(plan: Plan) -> Result<(Prepared, Queue, Vec<Slot>), Error> {
    let vector = || View::elsewhere(Element::BF16, [8, 4096, 32, 128]);
    let number = || View::elsewhere(Element::F32, [8, 4096, 32]);
    let like = Bindings::new().with("q", vector()?).with("k", vector()?).with("v", vector()?);
    let like = like.with("g", number()?).with("beta", number()?);
    let jit = Arc::new(Jit::new(Nothing, Cache::in_memory()));
    let options = Options { plan: plan.into(), ..Options::default() };
    let executable = chunkwise::rules::gated_deltanet().on(&Device::null(Arch::Sm90))?;
    let executable = executable.with_jit(jit).with_options(options);
    let mut queue = executable.queue()?;
    let mut prepared = executable.prepare(&like, &mut queue)?;
    let slots = prepared.slots(["q", "k", "v", "g", "beta", "o", "s0", "s"])?;
    for slot in slots {
        prepared.point(slot, 4096)?;
    }
    Ok((prepared, queue, slots.to_vec()))
}

fn launches(criterion: &mut Criterion) {
    for plan in Plan::ALL {
        let (mut prepared, mut queue, slots) = prepared(plan).expect("the rule has this plan");
        // SAFETY: the device reads nothing and writes nothing.
        let mut launch =
            move |prepared: &mut Prepared| unsafe { prepared.launch(&mut queue) }.expect("it is ready");
        const LAUNCHES: u32 = 100_000;
        let begin = Instant::now();
        (0..LAUNCHES).for_each(|_| launch(&mut prepared));
        let each = begin.elapsed().as_secs_f64() * 1e6 / f64::from(LAUNCHES);
        println!("gated_deltanet/{plan}: {each:.2} us a launch, of {TARGET} us that it may take");
        let name = |what: &str| format!("{what}/gated_deltanet/{plan}");
        criterion.bench_function(&name("launch"), |b| b.iter(|| launch(&mut prepared)));
        let mut address = 0;
        criterion.bench_function(&name("point"), |b| {
            b.iter(|| {
                address += 4096;
                slots.iter().for_each(|slot| prepared.point(*slot, address).expect("it is aligned"));
                launch(&mut prepared);
            });
        });
        let mut step = 0;
        criterion.bench_function(&name("resize"), |b| {
            b.iter(|| {
                step += 1;
                prepared.resize(1 + step % 8, 1 + step % 4096).expect("it is no more than was prepared for");
                launch(&mut prepared);
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default();
    targets = launches
}
criterion_main!(benches);
