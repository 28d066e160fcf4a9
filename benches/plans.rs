//! What plans cost on this machine: to derive and print a kernel, to run it in the simulator, and, where there is a GPU, the
//! kernel itself by the GPU's own clock.
//!
//! ```text
//! cargo bench --bench plans
//! emit/gated_deltanet/fused          time: ..          rule -> CUDA text
//! simulate/gated_deltanet/fused      time: ..          256 tokens of one head, all checks on; elements are tokens
//! cuda:0/gated_deltanet/fused        time: ..          8192 tokens of 64 heads, bf16
//! ```
//!
//! What a kernel costs on a GPU that is not here is counted and predicted by `chunkwise bench`.

use chunkwise::{Device, Element, Error, Executable, Options, Rule, RuleExt, Tensor, Tensors};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Plan};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

/// A rule of each kind: no decay and no solve, a solve, a decay by channel, several steps a token.
fn rules() -> [&'static Rule; 4] {
    use chunkwise::rules::{deltaproduct2, gated_deltanet, gla, linear_attention};
    [linear_attention(), gated_deltanet(), gla(), deltaproduct2()]
}

/// Of every dim.
const SIZE: usize = 128;

fn name(rule: &Rule, plan: Plan) -> String {
    format!("{}/{plan}", rule.signature.name)
}

/// Moderate numbers: log decays below 0, rates between 0 and 1.
fn inputs(rule: &Rule, tokens: usize, heads: usize) -> Result<Tensors, Error> {
    let mut tensors = Tensors::new();
    for param in &rule.signature.params {
        let mut shape = vec![1, tokens];
        shape.extend(param.count.map(|count| count as usize));
        shape.push(heads);
        shape.extend(param.shape.dims().map(|_| SIZE));
        let number = |at: usize| match param.name.as_str() {
            "g" => -0.1,
            "beta" => 0.5,
            _ => 0.1 * (0.7 * (at % 4093) as f32).sin(),
        };
        let numbers: Vec<f32> = (0..shape.iter().product()).map(number).collect();
        tensors.insert(param.name.clone(), Tensor::new(shape, numbers)?);
    }
    Ok(tensors)
}

fn executable(rule: &Rule, plan: Plan, device: &Device) -> Result<Executable, Error> {
    let options = Options { plan: plan.into(), dtype: Some(Element::BF16), ..Options::default() };
    Ok(rule.on(device)?.with_options(options))
}

fn emit(c: &mut Criterion) {
    let mut group = c.benchmark_group("emit");
    group.sample_size(10);
    for (rule, plan) in rules().into_iter().flat_map(|rule| Plan::ALL.map(|plan| (rule, plan))) {
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
    for (rule, plan) in rules().into_iter().flat_map(|rule| Plan::ALL.map(|plan| (rule, plan))) {
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
    const HEADS: usize = 64;
    let device = Device::parse("cuda:0").expect("a name that parses");
    let mut group = c.benchmark_group("cuda:0");
    group.sample_size(10).throughput(Throughput::Elements((TOKENS * HEADS) as u64));
    for (rule, plan) in rules().into_iter().flat_map(|rule| Plan::ALL.map(|plan| (rule, plan))) {
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
