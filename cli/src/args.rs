//! The command line's grammar and its help: every command, every flag, and worked examples.
//!
//! ```text
//! chunkwise run rule.rs --input in.safetensors --output out.safetensors --backward
//! ```
//!
//! Only form is checked here (a number is a number, a plan is one of five); what depends on the rule or on the device
//! is checked by the commands, which can name the dim or the tensor. Usage errors end with exit code 2.

mod values;

use chunkwise_codegen::arch::Arch;
use chunkwise_codegen::dtype::DType;
use chunkwise_codegen::model::Gpu;
use chunkwise_runtime::PlanChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use values::{arch, chunk, columns, dtype, gpu, heads, named_size, plan, problem, size, tokens};

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "chunkwise",
    version,
    max_term_width = 100,
    about = "A compiler for recurrences with a matrix memory",
    long_about = "A compiler for recurrences with a matrix memory.\n\nYou declare, in a few lines of Rust, how the \
                  memory changes at one token. Chunkwise derives the chunkwise-parallel algorithm from it, runs it on \
                  the CPU, and emits CUDA for it.",
    after_help = AFTER
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
RULE is the name of a rule in the catalogue, or `path.rs`, or `path.rs::name` where a file holds several.

Exit codes: 0 success; 1 a check failed, or a bug of ours; 2 a mistake in what was asked; 3 not supported, or a device \
that is not there.

Examples:
  chunkwise list
  chunkwise explain gated_deltanet
  chunkwise check my_rule.rs
  chunkwise run my_rule.rs --input in.safetensors --output out.safetensors
  chunkwise COMMAND --help        the flags of one command, with examples";

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// The catalogue: each rule's class and what works
    ///
    /// The catalogue: every rule with its paper's family, its class (what the compiler found in it) and what works.
    /// Rules of the literature that wait are listed below, each with the reason.
    List(List),
    /// What was derived from a rule: timeline, chunkwise equations, phases, costs
    ///
    /// What was derived from a rule: its timeline of events, the chunkwise equations after simplification, the phases
    /// they fall into, flops and bytes per token, and why the rule is in its class.
    Explain(Explain),
    /// The generated CUDA of a rule, its PTX, or the compiler's log
    ///
    /// The generated CUDA C++ of a rule, on standard output: self-contained text without includes. With --ptx or --log
    /// it is compiled by NVRTC (through the kernel cache), which needs no GPU.
    Emit(Emit),
    /// Run a rule, forward or backward, on tensors from a safetensors file
    ///
    /// Runs a rule on tensors from a safetensors file and writes the results to another.
    ///
    /// Tensors carry the names of the rule's parameters: `Vector<D>` is [B, T, H, D], `Scalar` is [B, T, H],
    /// `[Vector<D>; N]` is [B, T, N, H, D], `PerHead<Vector<D>>` is [H, D]. The initial state of state `s` is `s0` ([N,
    /// HV, K, V], optional), its final value `s`; one output is `o`, several are `o0`, `o1`, and so on. `cu_seqlens`
    /// (i32 or i64, with B = 1) packs sequences. With --backward the cotangents `do` and `ds` come in (absent ones are
    /// zero), and the gradients `d<name>` and `ds0` go out beside the results of the forward pass. Tensors of these
    /// names that are not needed are ignored; any other name is an error.
    ///
    /// The output file appears whole or not at all.
    Run(Run),
    /// Random inputs through a rule, against the token loop in f64
    ///
    /// Draws random inputs for a rule (within declared ranges, decays below one), runs it forward and backward, and
    /// compares every output, state and gradient with the token loop in f64. The cases cover lengths that are no
    /// multiple of the chunk, initial states, grouped heads and packed sequences. The figure is RMS(error) /
    /// RMS(reference) of a tensor; it may be up to 1e-9 in f64, 1e-4 in f32, 1e-3 in f16, 5e-3 in bf16. Exit code 1 says
    /// that one is above that.
    Check(Check),
    /// What kernels cost: counted in the simulator, predicted for a GPU, measured on one
    ///
    /// What the kernels of rules cost. Bytes, tensor-core flops, shared-memory wavefronts, bank conflicts, barriers and
    /// instructions are counted in the simulator, for one token of one head, and set against the least: every input and
    /// output once, and the flops of the chunkwise form. Registers, spills and the blocks that a multiprocessor holds
    /// come from the compiler's log.
    ///
    /// The time is a model, not a measurement: what is counted over what the GPU of the data sheet does, the
    /// largest of memory, tensor cores, shared memory, CUDA cores, special functions, issue slots and latency. With
    /// --device cuda:0 the measured time stands beside it.
    Bench(Bench),
    /// The disk cache of compiled kernels
    ///
    /// The disk cache of compiled kernels. It lies in the user's cache directory, or where CHUNKWISE_CACHE_DIR says. It
    /// can be deleted at any time; what is needed is compiled again.
    Cache(Cache),
    /// What this machine has, and what to install
    ///
    /// What was found on this machine: the GPU and its driver, NVRTC (every place that was searched, in order), the
    /// kernel cache; and what to install for what is missing. Everything on the CPU works without any of it.
    Doctor(Doctor),
}

/// `chunkwise list`.
#[derive(Args, Debug)]
#[command(after_long_help = LIST_EXAMPLES)]
pub struct List {}

const LIST_EXAMPLES: &str = "\
Examples:
  chunkwise list
  chunkwise list | grep delta";

/// `chunkwise explain`.
#[derive(Args, Debug)]
#[command(after_long_help = EXPLAIN_EXAMPLES)]
pub struct Explain {
    /// A catalogue name, `path.rs`, or `path.rs::name`
    pub rule: String,
    /// Sizes of the rule's dims
    #[command(flatten)]
    pub dims: Dims,
    /// Tokens in a chunk, for the costs
    #[arg(long, value_name = "TOKENS", default_value_t = 64, value_parser = chunk)]
    pub chunk: usize,
    /// Element type of the token vectors, for the costs
    #[arg(long, value_name = "TYPE", default_value = "bf16", value_parser = dtype)]
    pub dtype: DType,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  chunkwise explain gated_deltanet
  chunkwise explain my_rules.rs::second -k 64 -v 128 --chunk 32";

/// `chunkwise emit`.
#[derive(Args, Debug)]
#[command(after_long_help = EMIT_EXAMPLES)]
pub struct Emit {
    /// A catalogue name, `path.rs`, or `path.rs::name`
    pub rule: String,
    /// The architecture: sm_80, sm_86, sm_89, sm_90, sm_100, sm_120
    #[arg(long, value_name = "ARCH", default_value = "sm_90", value_parser = arch)]
    pub arch: Arch,
    /// Sizes of the rule's dims
    #[command(flatten)]
    pub dims: Dims,
    /// Element type of the token vectors and the output: f32, f16, bf16
    #[arg(long, value_name = "TYPE", default_value = "bf16", value_parser = dtype)]
    pub dtype: DType,
    /// The algorithm: recurrent, fused, split, segmented
    #[arg(long, value_name = "PLAN", default_value = "recurrent", value_parser = plan)]
    pub plan: PlanChoice,
    /// How tensor cores round their operands: in one pass, or split in two. Plans without tensor cores round no operand
    /// and refuse `high`
    #[arg(long, value_name = "PRECISION", default_value = "fast")]
    pub precision: Precision,
    /// The most value columns of a block, in chunkwise plans: 16 to 128
    #[arg(long, value_name = "COUNT", default_value_t = 128, value_parser = columns)]
    pub columns: usize,
    /// Which kernel
    #[arg(long, value_name = "PASS", default_value = "forward")]
    pub pass: Pass,
    /// Compile, and print the PTX instead
    #[arg(long, conflicts_with = "log")]
    pub ptx: bool,
    /// Compile, and print the compiler's log instead: registers, spills, shared memory
    #[arg(long)]
    pub log: bool,
}

const EMIT_EXAMPLES: &str = "\
Examples:
  chunkwise emit gated_deltanet --arch sm_90 -k 128 -v 128 --dtype bf16
  chunkwise emit my_rule.rs --dim M=64 --dtype f32 > kernel.cu
  chunkwise emit gla --arch sm_80 --log";

/// `chunkwise run`.
#[derive(Args, Debug)]
#[command(after_long_help = RUN_EXAMPLES)]
pub struct Run {
    /// A catalogue name, `path.rs`, or `path.rs::name`
    pub rule: String,
    /// The safetensors file to read
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// The safetensors file to write; never the input file
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Where to run: cpu; sim (the simulator of a GPU, also of another one: sim:sm_90); cuda:0
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// The algorithm: recurrent, chunkwise (any chunkwise plan, chosen by shape), fused, split, segmented. Left out,
    /// the device chooses (the CPU: chunkwise where the rule allows it; a GPU: by a model of each plan's time)
    #[arg(long, value_name = "PLAN", value_parser = plan)]
    pub plan: Option<PlanChoice>,
    /// Tokens in a chunk of a chunkwise plan [default: 64]
    #[arg(long, value_name = "TOKENS", value_parser = chunk)]
    pub chunk: Option<usize>,
    /// The most value columns of a block: 16 to 128, in chunkwise plans on a GPU. Left out, it follows from the shape: fewer
    /// where few sequences and heads would leave multiprocessors idle
    #[arg(long, value_name = "COUNT", value_parser = columns)]
    pub columns: Option<usize>,
    /// Element type of the token vectors and the output: f64, f32, bf16, f16. Left out, that of the input file.
    /// Scalars, decays, `PerHead` tensors and states are f32, or f64 under f64
    #[arg(long, value_name = "TYPE", value_parser = dtype)]
    pub dtype: Option<DType>,
    /// How tensor cores round their operands: in one pass, or split in two. Plans without tensor cores round no operand
    /// and refuse `high`
    #[arg(long, value_name = "PRECISION", default_value = "fast")]
    pub precision: Precision,
    /// Also run the backward pass, and write gradients
    #[arg(long)]
    pub backward: bool,
    /// Print what the kernel did, whole and by line of its text: instructions, bytes, bank conflicts, barriers. Only `sim`
    /// counts
    #[arg(long)]
    pub counters: bool,
}

const RUN_EXAMPLES: &str = "\
Examples:
  chunkwise run gla --input in.safetensors --output out.safetensors
  chunkwise run my_rules.rs::second --input in.safetensors --output out.safetensors --plan recurrent
  chunkwise run deltanet --input in.safetensors --output grads.safetensors --backward --chunk 32
  chunkwise run deltanet --input in.safetensors --output out.safetensors --device sim --counters";

/// `chunkwise check`.
#[derive(Args, Debug)]
#[command(after_long_help = CHECK_EXAMPLES)]
pub struct Check {
    /// A catalogue name, `path.rs`, or `path.rs::name`
    pub rule: String,
    /// Where to run: cpu; sim (the simulator of a GPU, also of another one: sim:sm_90); cuda:0
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// The algorithm, as for `run`; left out, both recurrent and chunkwise, where the rule allows it
    #[arg(long, value_name = "PLAN", value_parser = plan)]
    pub plan: Option<PlanChoice>,
    /// Tokens in a chunk of a chunkwise plan [default: 16]
    #[arg(long, value_name = "TOKENS", value_parser = chunk)]
    pub chunk: Option<usize>,
    /// Sizes of the rule's dims
    #[command(flatten)]
    pub dims: Dims,
    /// Tokens of the longest case
    #[arg(short = 't', long, value_name = "COUNT", default_value_t = 50, value_parser = tokens)]
    pub tokens: usize,
    /// State heads of the grouped case (an even number)
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = heads)]
    pub heads: usize,
    /// Seed of the inputs; the same seed draws the same inputs
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Element type of the token vectors and the output: f64, f32, bf16, f16
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = dtype)]
    pub dtype: DType,
    /// How tensor cores round their operands: in one pass, or split in two. Plans without tensor cores round no operand
    /// and refuse `high`
    #[arg(long, value_name = "PRECISION", default_value = "fast")]
    pub precision: Precision,
    /// How many draws of every case
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub cases: u32,
    /// A kernel changed by hand to run in place of the generated one, on `sim` or a GPU: begin from what `emit` prints
    /// for the same rule, sizes, type and plan (left out: recurrent), and keep the kernel's name and parameters
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  chunkwise check my_rule.rs
  chunkwise check rwkv7 --dtype f64 --chunk 64 -t 200
  chunkwise check gla --plan chunkwise --cases 20 --seed 7
  chunkwise emit gla -k 64 -v 64 --dtype bf16 > gla.cu
  chunkwise check gla -k 64 -v 64 --dtype bf16 --device sim --kernel gla.cu";

/// `chunkwise bench`.
#[derive(Args, Debug)]
#[command(after_long_help = BENCH_EXAMPLES)]
pub struct Bench {
    /// Catalogue names, `path.rs`, or `path.rs::name`
    #[arg(value_name = "RULE", required_unless_present = "all", conflicts_with = "all")]
    pub rules: Vec<String>,
    /// Every rule of the catalogue
    #[arg(long)]
    pub all: bool,
    /// The algorithm: recurrent, fused, split, segmented. Left out, every plan that has a kernel
    #[arg(long, value_name = "PLAN", value_parser = plan)]
    pub plan: Option<PlanChoice>,
    /// The most value columns of a block: 16 to 128, in chunkwise plans on a GPU. Left out, it follows from the shape: fewer
    /// where few sequences and heads would leave multiprocessors idle
    #[arg(long, value_name = "COUNT", value_parser = columns)]
    pub columns: Option<usize>,
    /// Sizes of the rules' dims [default: 128]
    #[command(flatten)]
    pub dims: Dims,
    /// Tokens of each sequence
    #[arg(short = 't', long, value_name = "COUNT", default_value_t = 8192, value_parser = problem)]
    pub tokens: usize,
    /// State heads
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = problem)]
    pub heads: usize,
    /// Sequences
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = problem)]
    pub batch: usize,
    /// Element type of the token vectors and the output: f32, f16, bf16
    #[arg(long, value_name = "TYPE", default_value = "bf16", value_parser = dtype)]
    pub dtype: DType,
    /// How tensor cores round their operands: in one pass, or split in two. Plans without tensor cores round no operand, and have no
    /// row with `high`
    #[arg(long, value_name = "PRECISION", default_value = "fast")]
    pub precision: Precision,
    /// The architecture of the kernels; left out, that of the GPU
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub arch: Option<Arch>,
    /// The GPU of the model: a100, l40s, h200, h100, b200, rtx5090. Left out, one of the architecture; h200 without either
    #[arg(long, value_name = "NAME", value_parser = gpu)]
    pub gpu: Option<&'static Gpu>,
    /// Where to run: sim counts; cuda:0 also measures
    #[arg(long, value_name = "DEVICE", default_value = "sim")]
    pub device: String,
    /// Times of others to show beside: the `peers.json` of the GPU bundle (cargo xtask gpu-bundle), or a file like it, of these
    /// tokens, heads, sequences, sizes and type
    #[arg(long, value_name = "FILE")]
    pub beside: Option<PathBuf>,
    /// Also write everything to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// All figures of each kernel, below the table
    #[arg(long)]
    pub detail: bool,
    /// Which of the project's targets the fused kernels miss
    #[arg(long)]
    pub targets: bool,
    /// Only how long a rule takes to be ready: its first run, which does not wait for the plan that suits it, and each plan's
    /// kernels, derived, printed and compiled, or read from the cache on disk; at K = V = 64 and 128 where no sizes are given
    #[arg(long, conflicts_with_all = ["beside", "json", "detail", "targets", "tokens", "heads", "batch", "columns", "device", "precision"])]
    pub first: bool,
}

const BENCH_EXAMPLES: &str = "\
Examples:
  chunkwise bench gated_deltanet
  chunkwise bench gla kda rwkv7 --plan fused --gpu a100 --batch 8 --heads 16
  chunkwise bench my_rule.rs -k 64 -v 64 --detail
  chunkwise bench deltanet --plan fused --precision high
  chunkwise bench gla kda --tokens 8192 --heads 16 --device cuda:0 --beside OUT/peers.json
  chunkwise bench --all --plan fused --targets --json bench.json
  chunkwise bench gla kda --first
  chunkwise bench gated_deltanet --device cuda:0 --gpu h100";

/// `chunkwise cache`.
#[derive(Args, Debug)]
#[command(after_long_help = CACHE_EXAMPLES)]
pub struct Cache {
    /// What to do with it
    #[command(subcommand)]
    pub action: CacheAction,
}

/// What to do with the cache.
#[derive(Subcommand, Debug)]
pub enum CacheAction {
    /// Print its directory
    Path,
    /// List its entries
    List,
    /// Delete its entries
    Clear,
}

const CACHE_EXAMPLES: &str = "\
Examples:
  chunkwise cache path
  chunkwise cache list
  CHUNKWISE_CACHE_DIR=/scratch/kernels chunkwise cache clear";

/// `chunkwise doctor`.
#[derive(Args, Debug)]
#[command(after_long_help = DOCTOR_EXAMPLES)]
pub struct Doctor {
    /// Fetch NVRTC through pip into the user's data directory
    #[arg(long)]
    pub install: bool,
}

const DOCTOR_EXAMPLES: &str = "\
Examples:
  chunkwise doctor
  chunkwise doctor --install
  CHUNKWISE_NVRTC=/opt/nvrtc/libnvrtc.so.13 chunkwise doctor";

/// Sizes of a rule's dims.
#[derive(Args, Debug, Clone, Default)]
pub struct Dims {
    /// Size of the dim named K
    #[arg(short = 'k', value_name = "SIZE", value_parser = size)]
    pub k: Option<usize>,
    /// Size of the dim named V
    #[arg(short = 'v', value_name = "SIZE", value_parser = size)]
    pub v: Option<usize>,
    /// Size of a dim of any name, as in M=64; may be repeated
    #[arg(long = "dim", value_name = "NAME=SIZE", value_parser = named_size)]
    pub named: Vec<(String, usize)>,
}

/// Forward or backward.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pass {
    /// Outputs and final states
    Forward,
    /// Gradients
    Backward,
}

/// How tensor cores round their operands.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precision {
    /// Every operand in one pass
    Fast,
    /// Split operands
    High,
}

impl From<Precision> for chunkwise_codegen::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Fast => chunkwise_codegen::Precision::Fast,
            Precision::High => chunkwise_codegen::Precision::High,
        }
    }
}
