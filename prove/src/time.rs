//! Times of kernels on a GPU, next to the fewest bytes that they have to move.
//!
//! ```text
//! case                                             ms     least  GB/s of the floor
//! gated_deltanet-bf16-B1-T8192-H16-D128 fused    0.41      0.40               335
//! gated_deltanet-bf16-B1-T8192-H16of32-D128 auto ..                               q and k have 16 heads for 32 states
//! ```
//!
//! The floor is every input read once and every output written once. Inputs are random, and as many copies of them take
//! turns as pass the second-level cache. `auto` is the plan that a user gets who names none; the others are there to see whether
//! the choice was right.

use crate::kernels::case::rule;
use chunkwise::{Cold, Data, Device, Element, Error, Options, PlanChoice, Rule, RuleExt, Tensor, Tensors};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::{draw, element};
use chunkwise_cli::table::{Align, table};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Plan, Role, Schedule};
use chunkwise_dsl::graph::Shape;
use chunkwise_dsl::signature::Param;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::Path;

/// Rules that flash-linear-attention has too, under one of the shapes that times are published for.
const PEERS: [&str; 15] = [
    "linear_attention",
    "retnet",
    "lightning_attention",
    "gated_retention",
    "gla",
    "rwkv6",
    "hgrn2",
    "deltanet",
    "gated_deltanet",
    "kda",
    "comba",
    "rwkv7",
    "dplr",
    "iplr",
    "gated_deltaproduct2",
];

/// Rules of which all shapes are timed: those that have peers most often, and one of each other kind.
const KINDS: [&str; 9] = [
    "linear_attention",
    "gla",
    "deltanet",
    "gated_deltanet",
    "kda",
    "rwkv7",
    "mamba2",
    "momentum_delta",
    "hgrn",
];

/// `B`, `T`, heads, size of every dim: a long sequence, a batch, small heads, decoding.
const SHAPES: [(usize, usize, usize, usize); 4] =
    [(1, 8192, 16, 128), (8, 2048, 16, 128), (8, 2048, 32, 64), (64, 1, 16, 128)];

/// `B`, `T`, heads of queries and keys, states: what times of gated delta rules are published for, all with dims of 128.
const GROUPED: [(usize, usize, usize, usize); 4] =
    [(1, 8192, 16, 32), (1, 32768, 16, 32), (4, 8192, 16, 64), (1, 32768, 2, 8)];

/// Tokens that are drawn; longer sequences repeat them, since a kernel takes as long for them.
const PERIOD: usize = 512;

/// Bytes that all copies of a case's tensors have together, at least: several times the cache.
const ROTATED: usize = 256 << 20;

/// Launches that are timed, after so many that are not.
const REPEATS: usize = 30;
const WARM_UP: usize = 5;

/// Which shapes: those that others publish times for, or ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Shapes {
    /// Those that times of other kernels are published for, and one for each rule that others have
    Published,
    /// A long sequence, a batch, small heads, decoding
    Kinds,
}

/// One thing to time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timed {
    /// A name of the catalogue.
    pub rule: &'static str,
    /// Sequences.
    pub batch: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// Heads of the vectors of the key dim.
    pub key_heads: usize,
    /// States.
    pub heads: usize,
    /// Of every dim.
    pub size: usize,
    /// The algorithm: a plan, or the choice.
    pub plan: PlanChoice,
}

/// Problems by shapes, each with the rule that is timed.
fn problems(shapes: Shapes) -> Vec<Timed> {
    let plain = |rule, (batch, tokens, heads, size)| {
        let plan = PlanChoice::Auto;
        Timed { rule, batch, tokens, key_heads: heads, heads, size, plan }
    };
    match shapes {
        Shapes::Kinds => {
            let all = SHAPES.into_iter().flat_map(|shape| KINDS.map(|rule| plain(rule, shape)));
            all.collect()
        }
        Shapes::Published => {
            let grouped = GROUPED.map(|(batch, tokens, key_heads, heads)| Timed {
                key_heads,
                ..plain("gated_deltanet", (batch, tokens, heads, 128))
            });
            let kda = plain("kda", (2, 8192, 64, 128));
            let rules = PEERS.into_iter().filter(|rule| !KINDS.contains(rule));
            grouped.into_iter().chain([kda]).chain(rules.map(|rule| plain(rule, SHAPES[0]))).collect()
        }
    }
}

/// What is timed: the choice, and every plan that has kernels of the rule; one token is for the token loop alone.
pub fn cases(shapes: &[Shapes], rule: Option<&str>) -> Vec<Timed> {
    let wanted = |case: &Timed| rule.is_none_or(|rule| rule == case.rule);
    let with_plans = |case: Timed| {
        let named = Plan::ALL.map(|plan| Timed { plan: plan.into(), ..case.clone() });
        let named = named.into_iter().filter(|case| case.tokens > 1 && case.schedule().is_ok());
        std::iter::once(case.clone()).chain(named).collect::<Vec<_>>()
    };
    shapes.iter().flat_map(|shapes| problems(*shapes)).filter(wanted).flat_map(with_plans).collect()
}

impl Timed {
    /// What is computed, without characters that file names lack.
    pub fn problem(&self) -> String {
        let Timed { rule, batch, tokens, key_heads, heads, size, .. } = self;
        let heads = match key_heads == heads {
            true => heads.to_string(),
            false => format!("{key_heads}of{heads}"),
        };
        format!("{rule}-bf16-B{batch}-T{tokens}-H{heads}-D{size}")
    }

    /// What is computed, and how.
    pub fn name(&self) -> String {
        format!("{} {}", self.problem(), self.plan)
    }

    fn rule(&self) -> Result<&'static Rule, Error> {
        rule(self.rule).ok_or_else(|| Error::bug(format!("no rule `{}`", self.rule)))
    }

    /// The kernels, of the token loop where the plan is open. Their arguments do not depend on the architecture.
    fn schedule(&self) -> Result<Schedule, Error> {
        let rule = self.rule()?;
        let timeline = rule.timeline.as_ref().map_err(|why| Error::limitation(&why.message, &why.hint))?;
        let spec = Spec::new(vec![self.size; rule.signature.dims.len()], DType::BF16);
        let plan = match self.plan.kernels() {
            [plan] => *plan,
            _ => Plan::Recurrent,
        };
        Ok(plan.emit(timeline, &spec, Arch::Sm90)?)
    }

    /// Random inputs in the types that the kernels take: one sequence of a period, repeated.
    fn inputs(&self, rule: &Rule, schedule: &Schedule) -> Result<Tensors, Error> {
        let period = self.tokens.min(PERIOD);
        let drawn = |heads| {
            let frame = Frame {
                name: "timed",
                batch: 1,
                tokens: period,
                heads,
                grouped: false,
                initial: true,
                lengths: None,
            };
            draw::inputs(rule, &frame, &vec![self.size; rule.signature.dims.len()], 0.1, 1)
        };
        let (of_states, of_keys) = (drawn(self.heads)?, drawn(self.key_heads)?);
        let mut inputs = Tensors::new();
        let key = rule.signature.states.first().and_then(|state| state.shape.dims().next());
        for param in &rule.signature.params {
            let is_key = key.is_some_and(|key| param.shape == Shape::Vector(key));
            let tensor = if is_key { &of_keys[&param.name] } else { &of_states[&param.name] };
            let typed = tensor.cast(type_of(schedule, &param.name).unwrap_or(Element::F32))?;
            inputs.insert(param.name.clone(), self.repeated(param, &typed)?);
        }
        for state in &rule.signature.states {
            let name = format!("{}0", state.name);
            let typed = of_states[&name].cast(Element::F32)?;
            let shape = [&[self.batch], &typed.shape()[1..]].concat();
            inputs.insert(name, tiled(&typed, shape)?);
        }
        Ok(inputs)
    }

    /// The tensor of a period for all tokens and sequences.
    fn repeated(&self, param: &Param, tensor: &Tensor) -> Result<Tensor, Error> {
        if param.per_head {
            return Ok(tensor.clone());
        }
        tiled(tensor, [&[self.batch, self.tokens], &tensor.shape()[2..]].concat())
    }

    /// Times the kernels. With a folder, leaves inputs and results there for others to be timed on.
    ///
    /// # Errors
    /// Whatever the device or the files do not do.
    pub fn run(&self, device: &Device, folder: Option<&Path>) -> Result<Value, Error> {
        let rule = self.rule()?;
        let inputs = self.inputs(rule, &self.schedule()?)?;
        let options =
            Options { plan: self.plan, dtype: Some(Element::BF16), cold: Cold::Wait, ..Options::default() };
        let executable = rule.on(device)?.with_options(options);
        let results = executable.forward(&inputs)?;
        if let Some(folder) = folder.filter(|_| self.plan == PlanChoice::Auto) {
            chunkwise::io::write(&folder.join(format!("{}.in.safetensors", self.problem())), &inputs)?;
            chunkwise::io::write(&folder.join(format!("{}.out.safetensors", self.problem())), &results)?;
        }
        let bytes: usize = inputs.iter().chain(results.iter()).map(|(_, tensor)| size(tensor)).sum();
        let copies = (ROTATED / bytes.max(1)).clamp(1, 64) + 1;
        let mut times = executable.time(&inputs, copies, WARM_UP + REPEATS)?.split_off(WARM_UP);
        times.sort_by(f64::total_cmp);
        let (median, least) = (times[times.len() / 2], times[0]);
        Ok(json!({
            "name": self.name(), "problem": self.problem(), "rule": self.rule, "plan": self.plan.to_string(),
            "dtype": "bf16", "B": self.batch, "T": self.tokens, "HK": self.key_heads,
            "H": self.heads, "D": self.size, "ms": median, "ms_least": least,
            "ms_most": times[times.len() - 1], "floor_bytes": bytes, "copies": copies, "repeats": REPEATS,
        }))
    }
}

/// A tensor of this shape, whose numbers are those of the smaller one again and again.
fn tiled(tensor: &Tensor, shape: Vec<usize>) -> Result<Tensor, Error> {
    let (element, run) = (tensor.element(), tensor.data().to_le_bytes());
    let mut left = shape.iter().product::<usize>() * element.bytes();
    let mut bytes = Vec::with_capacity(left);
    while left > 0 && !run.is_empty() {
        let part = &run[..left.min(run.len())];
        bytes.extend_from_slice(part);
        left -= part.len();
    }
    Tensor::new(shape, Data::from_le_bytes(element, &bytes))
}

/// The element type in which the kernels take a tensor.
fn type_of(schedule: &Schedule, name: &str) -> Option<Element> {
    let named = |role: Role, argument: &str| match role {
        Role::InitialState(_) | Role::Input(_) => argument == name,
        _ => false,
    };
    let argument =
        schedule.kernels.iter().flat_map(|kernel| &kernel.arguments).find(|a| named(a.role, &a.name))?;
    argument.dtype.map(element)
}

fn size(tensor: &Tensor) -> usize {
    tensor.len() * tensor.element().bytes()
}

/// The times as a table.
pub fn text(times: &[Value]) -> String {
    let mut rows = vec![["case", "ms", "least", "GB/s of the floor"].map(String::from).to_vec()];
    for case in times {
        let number = |key: &str| case[key].as_f64().unwrap_or(f64::NAN);
        let name = case["name"].as_str().unwrap_or_default().to_owned();
        rows.push(match case["error"].as_str() {
            Some(error) => vec![name, error.to_owned()],
            None => {
                let rate = number("floor_bytes") / number("ms") / 1e6;
                let (ms, least) = (number("ms"), number("ms_least"));
                vec![name, format!("{ms:.4}"), format!("{least:.4}"), format!("{rate:.1}")]
            }
        });
    }
    table(&[Align::Left, Align::Right, Align::Right, Align::Right], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_repeat_a_period_and_keys_have_their_own_heads() {
        let all = cases(&[Shapes::Published], Some("gated_deltanet"));
        let small =
            Timed { batch: 2, tokens: PERIOD + 3, key_heads: 2, heads: 4, size: 16, ..all[0].clone() };
        let inputs = small.inputs(small.rule().unwrap(), &small.schedule().unwrap()).unwrap();
        assert_eq!(inputs["q"].shape(), [2, PERIOD + 3, 2, 16]);
        assert_eq!(inputs["v"].shape(), [2, PERIOD + 3, 4, 16]);
        assert_eq!(inputs["beta"].shape(), [2, PERIOD + 3, 4]);
        assert_eq!(inputs["s0"].shape(), [2, 4, 16, 16]);
        let v = inputs["v"].to_f32();
        assert_eq!(v[..64], v[PERIOD * 64..][..64]);
        assert_ne!(v[..64], v[64..][..64]);
    }

    #[test]
    fn every_rule_of_the_lists_is_there_and_the_choice_comes_first() {
        for shapes in [Shapes::Published, Shapes::Kinds] {
            let problems = problems(shapes);
            assert!(problems.iter().all(|case| case.schedule().is_ok() && case.plan == PlanChoice::Auto));
        }
        let all: Vec<Timed> = [Shapes::Published, Shapes::Kinds].into_iter().flat_map(problems).collect();
        for rule in PEERS {
            assert!(all.iter().any(|case| case.rule == rule), "{rule} is not timed");
        }
    }
}
