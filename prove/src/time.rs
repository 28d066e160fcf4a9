//! Times of kernels on a GPU, next to the fewest bytes that they have to move.
//!
//! ```text
//! case                                             ms     least  GB/s of the floor
//! gated_deltanet-bf16-B1-T8192-H16-D128 fused    0.41      0.40               335
//! ```
//!
//! The floor is every input read once and every output written once. Inputs are random, and as many copies of them take
//! turns as pass the second-level cache.

use crate::kernels::case::rule;
use chunkwise::{Device, Element, Error, Options, Rule, RuleExt, Tensor, Tensors};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::{draw, element};
use chunkwise_cli::table::{Align, table};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Plan, Role, Schedule};
use serde_json::{Value, json};
use std::path::Path;

/// Rules that are timed: those that have peers elsewhere, and one of each other kind.
const RULES: [&str; 9] = [
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

/// Bytes that all copies of a case's tensors have together, at least: several times the cache.
const ROTATED: usize = 256 << 20;

/// Launches that are timed, after so many that are not.
const REPEATS: usize = 30;
const WARM_UP: usize = 5;

/// One thing to time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timed {
    /// A name of the catalogue.
    pub rule: &'static str,
    /// Sequences.
    pub batch: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// States.
    pub heads: usize,
    /// Of every dim.
    pub size: usize,
    /// The algorithm.
    pub plan: Plan,
}

/// What is timed: every plan that has a kernel of the rule; one token is for the token loop alone.
pub fn cases() -> Vec<Timed> {
    let of_shape = |(batch, tokens, heads, size)| {
        let of_rule = move |rule| Plan::ALL.map(|plan| Timed { rule, batch, tokens, heads, size, plan });
        RULES.into_iter().flat_map(of_rule)
    };
    let wanted = |case: &Timed| case.plan == Plan::Recurrent || (case.tokens > 1 && case.schedule().is_ok());
    SHAPES.into_iter().flat_map(of_shape).filter(wanted).collect()
}

impl Timed {
    /// What is computed, without characters that file names lack.
    pub fn problem(&self) -> String {
        let Timed { rule, batch, tokens, heads, size, .. } = self;
        format!("{rule}-bf16-B{batch}-T{tokens}-H{heads}-D{size}")
    }

    /// What is computed, and how.
    pub fn name(&self) -> String {
        format!("{} {}", self.problem(), self.plan)
    }

    /// The kernels. Their arguments do not depend on the architecture.
    fn schedule(&self) -> Result<Schedule, Error> {
        let rule = rule(self.rule).ok_or_else(|| Error::bug(format!("no rule `{}`", self.rule)))?;
        let timeline = rule.timeline.as_ref().map_err(|why| Error::limitation(&why.message, &why.hint))?;
        let spec = Spec::new(vec![self.size; rule.signature.dims.len()], DType::BF16);
        Ok(self.plan.emit(timeline, &spec, Arch::Sm90)?)
    }

    /// Random inputs in the types that the kernels take.
    fn inputs(&self, rule: &Rule, schedule: &Schedule) -> Result<Tensors, Error> {
        let frame = Frame {
            name: "timed",
            batch: self.batch,
            tokens: self.tokens,
            heads: self.heads,
            grouped: false,
            initial: true,
            lengths: None,
        };
        let sizes = vec![self.size; rule.signature.dims.len()];
        let drawn = draw::inputs(rule, &frame, &sizes, 0.1, 1)?;
        let typed = |(name, tensor): (&str, &Tensor)| {
            Ok((name.to_owned(), tensor.cast(type_of(schedule, name).unwrap_or(Element::F32))?))
        };
        drawn.iter().map(typed).collect()
    }

    /// Times the kernel. With a folder, leaves inputs and results there for others to be timed on.
    ///
    /// # Errors
    /// Whatever the device or the files do not do.
    pub fn run(&self, device: &Device, folder: Option<&Path>) -> Result<Value, Error> {
        let rule = rule(self.rule).ok_or_else(|| Error::bug(format!("no rule `{}`", self.rule)))?;
        let inputs = self.inputs(rule, &self.schedule()?)?;
        let options = Options { plan: self.plan.into(), dtype: Some(Element::BF16), ..Options::default() };
        let executable = rule.on(device)?.with_options(options);
        let results = executable.forward(&inputs)?;
        if let Some(folder) = folder {
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
            "dtype": "bf16", "B": self.batch,
            "T": self.tokens, "H": self.heads, "D": self.size, "ms": median, "ms_least": least,
            "ms_most": times[times.len() - 1], "floor_bytes": bytes, "copies": copies, "repeats": REPEATS,
        }))
    }
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
