//! What plans cost on this machine: to derive and print a kernel, to run it in the simulator, and, where there is a GPU, the
//! kernel itself by the GPU's own clock.
//!
//! ```text
//! cargo bench --bench plans
//! emit/gated_deltanet/fused          time: ..          rule -> CUDA text, of every rule that has the plan
//! simulate/gated_deltanet/fused      time: ..          256 tokens of one head, all checks on; elements are tokens; of four rules
//! cuda:0/gated_deltanet/fused        time: ..          8192 tokens of 16 heads, bf16, of every rule that has the plan
//! ```
//!
//! What a kernel costs on a GPU that is not here is counted and predicted by `chunkwise bench`.

use chunkwise::{Device, Element, Error, Executable, Options, Rule, RuleExt, Tensors, catalogue};
use chunkwise_cli::check::cases::Case;
use chunkwise_cli::check::draw;
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Plan};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

/// Rules of the catalogue with plans that they have kernels of.
fn kernels() -> impl Iterator<Item = (&'static Rule, Plan)> {
    let rules = catalogue().iter().filter_map(|entry| entry.rule.map(|rule| rule()));
    rules.flat_map(|rule| Plan::ALL.map(|plan| (rule, plan))).filter(|(rule, plan)| {
        let spec = Spec::new(vec![SIZE; rule.signature.dims.len()], DType::BF16);
        rule.timeline.as_ref().is_ok_and(|timeline| plan.emit(timeline, &spec, Arch::Sm90).is_ok())
    })
}

/// A rule of each kind, for what takes long: no decay and no solve, a solve, a decay by channel, several steps a token.
const SIMULATED: [&str; 4] = ["linear_attention", "gated_deltanet", "gla", "deltaproduct2"];

/// Of every dim.
const SIZE: usize = 128;

fn name(rule: &Rule, plan: Plan) -> String {
    format!("{}/{plan}", rule.signature.name)
}

/// Random numbers as a check draws them.
fn inputs(rule: &Rule, tokens: usize, heads: usize) -> Result<Tensors, Error> {
    let frame =
        Case { name: "bench", batch: 1, tokens, heads, grouped: false, initial: false, lengths: None };
    let drawn = draw::inputs(rule, &frame, &vec![SIZE; rule.signature.dims.len()], 0.1, 1)?;
    let params = rule.signature.params.iter().map(|param| (param.name.clone(), drawn[&param.name].clone()));
    Ok(params.collect())
}

fn executable(rule: &Rule, plan: Plan, device: &Device) -> Result<Executable, Error> {
    let options = Options { plan: plan.into(), dtype: Some(Element::BF16), ..Options::default() };
    Ok(rule.on(device)?.with_options(options))
}

fn emit(c: &mut Criterion) {
    let mut group = c.benchmark_group("emit");
    group.sample_size(10);
    for (rule, plan) in kernels() {
        let Ok(timeline) = &rule.timeline else { continue };
        let spec = Spec::new(vec![SIZE; rule.signature.dims.len()], DType::BF16);
        group.bench_function(name(rule, plan), |b| b.iter(|| plan.emit(timeline, &spec, Arch::Sm90)));
    }
    group.finish();
}

fn simulate(c: &mut Criterion) {
    const TOKENS: usize = 256;
    let mut group = c.benchmark_group("simulate");
    group.sample_size(10).throughput(Throughput::Elements(TOKENS as u64));
    for (rule, plan) in kernels().filter(|(rule, _)| SIMULATED.contains(&rule.signature.name.as_str())) {
        let ready = executable(rule, plan, &Device::sim(Arch::Sm90)).and_then(|executable| {
            let inputs = inputs(rule, TOKENS, 1)?;
            // The first run compiles.
            executable.forward(&inputs)?;
            Ok((executable, inputs))
        });
        match ready {
            Ok((executable, inputs)) => {
                group.bench_function(name(rule, plan), |b| b.iter(|| executable.forward(&inputs)));
            }
            Err(why) => eprintln!("simulate/{}: left out\n{why}", name(rule, plan)),
        }
    }
    group.finish();
}

/// Launches on the first GPU, on inputs that take turns, so that they do not come from its cache.
fn gpu(c: &mut Criterion) {
    const TOKENS: usize = 8192;
    const HEADS: usize = 16;
    let device = Device::parse("cuda:0").expect("a name that parses");
    let mut group = c.benchmark_group("cuda:0");
    group.sample_size(10).throughput(Throughput::Elements((TOKENS * HEADS) as u64));
    for (rule, plan) in kernels() {
        let executable = match executable(rule, plan, &device) {
            Ok(executable) => executable,
            Err(why) => return eprintln!("cuda:0: left out\n{why}"),
        };
        let Ok(inputs) = inputs(rule, TOKENS, HEADS) else { continue };
        group.bench_function(name(rule, plan), |b| {
            b.iter_custom(|launches| match executable.time(&inputs, 2, launches as usize) {
                Ok(times) => Duration::from_secs_f64(times.iter().sum::<f64>() / 1e3),
                Err(why) => panic!("{why}"),
            });
        });
    }
    group.finish();
}

criterion_group!(benches, emit, simulate, gpu);
criterion_main!(benches);
