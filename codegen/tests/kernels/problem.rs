//! A random problem for a rule: tensors as a kernel takes them, and what the f64 token loop makes of them.

use super::host::{Host, Value};
use chunkwise_algebra::{Evaluator, Inputs, Plan, Rows};
use chunkwise_codegen::schedule::Extent;
use chunkwise_codegen::{DType, Kernel, Role, Strides};
use chunkwise_dsl::graph::Shape;
use chunkwise_dsl::rule::Rule;
use half::{bf16, f16};

/// Batches, heads and states of a problem.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Tokens of each sequence; all the same unless packed.
    pub lengths: Vec<usize>,
    /// Whether the sequences are packed into one (`cu_seqlens`).
    pub packed: bool,
    /// State heads.
    pub heads: usize,
    /// Whether there are initial states.
    pub initial: bool,
}

/// Numbers of a problem, all rounded to their element type.
pub(crate) struct Problem<'a> {
    rule: &'a Rule,
    sizes: Vec<usize>,
    pub(crate) frame: Frame,
    /// By parameter: heads and numbers.
    pub(crate) params: Vec<(usize, Vec<f64>)>,
    pub(crate) states: Vec<Vec<f64>>,
}

/// Outputs and final states, in the kernel's layouts.
pub(crate) struct Results {
    pub(crate) outputs: Vec<Vec<f64>>,
    pub(crate) states: Vec<Vec<f64>>,
}

/// A small generator; its seed is in every failure message.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Uniform in -1..1.
    pub(crate) fn signed(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn len(shape: Shape, sizes: &[usize]) -> usize {
    shape.dims().map(|dim| sizes[dim.index()]).product()
}

impl<'a> Problem<'a> {
    /// Random numbers; the heads of each parameter are a random divisor of the state heads.
    pub(crate) fn new(
        rule: &'a Rule,
        kernel: &Kernel,
        sizes: &[usize],
        frame: Frame,
        random: &mut Random,
    ) -> Self {
        let tokens: usize = frame.lengths.iter().sum();
        let divisors: Vec<usize> = (1..=frame.heads).filter(|n| frame.heads.is_multiple_of(*n)).collect();
        let params = rule.signature.params.iter().map(|param| {
            let heads = divisors[random.next() as usize % divisors.len()];
            let size = len(param.shape, sizes);
            let rows =
                if param.per_head { heads } else { tokens * param.count.unwrap_or(1) as usize * heads };
            let argument = kernel.arguments.iter().find(|argument| argument.name == param.name);
            let dtype = argument.and_then(|argument| argument.dtype).unwrap_or(DType::F32);
            // Vectors of length about 1, so that the delta rules neither vanish nor explode.
            let scale = 1.5 / (size as f64).sqrt();
            (heads, (0..rows * size).map(|_| round(dtype, random.signed() * scale)).collect())
        });
        let params = params.collect();
        let places = frame.lengths.len() * frame.heads;
        let states = rule.signature.states.iter().map(|state| {
            let count = places * len(state.shape, sizes);
            (0..count).map(|_| if frame.initial { round(DType::F32, random.signed()) } else { 0.0 }).collect()
        });
        let states = states.collect();
        Problem { rule, sizes: sizes.to_vec(), frame, params, states }
    }

    /// First token of each sequence, and the end.
    fn offsets(&self) -> Vec<usize> {
        let mut at = 0;
        let ends = self.frame.lengths.iter().map(|length| {
            at += length;
            at
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// What the rule's definition makes of the numbers, in f64.
    pub(crate) fn expected(&self) -> Results {
        let signature = &self.rule.signature;
        let evaluator = Evaluator::new(self.rule);
        let offsets = self.offsets();
        let tokens = offsets[self.frame.lengths.len()];
        let heads = self.frame.heads;
        let sizes: Vec<usize> =
            signature.outputs.iter().map(|output| len(output.shape, &self.sizes)).collect();
        let mut results = Results {
            outputs: sizes.iter().map(|size| vec![0.0; tokens * heads * size]).collect(),
            states: self.states.clone(),
        };
        for (sequence, &length) in self.frame.lengths.iter().enumerate() {
            for head in 0..heads {
                let place = sequence * heads + head;
                let inputs = self.seen(offsets[sequence], length, head, place);
                let got = evaluator.forward::<f64>(Plan::Recurrent, &inputs).unwrap();
                for ((all, own), size) in results.outputs.iter_mut().zip(&got.outputs).zip(&sizes) {
                    for t in 0..length {
                        let at = ((offsets[sequence] + t) * heads + head) * size;
                        all[at..at + size].copy_from_slice(&own[t * size..(t + 1) * size]);
                    }
                }
                for (all, own) in results.states.iter_mut().zip(&got.states) {
                    all[place * own.len()..(place + 1) * own.len()].copy_from_slice(own);
                }
            }
        }
        results
    }

    /// The problem of one sequence and one head.
    fn seen(&self, first: usize, tokens: usize, head: usize, place: usize) -> Inputs<'_, f64> {
        let rows = self.rule.signature.params.iter().zip(&self.params).map(|(param, (heads, data))| {
            let size = len(param.shape, &self.sizes);
            let own = head * heads / self.frame.heads;
            let token = if param.per_head { 0 } else { param.count.unwrap_or(1) as usize * heads * size };
            Rows { data, start: first * token + own * size, token, index: heads * size, len: size }
        });
        let states = self.states.iter().zip(&self.rule.signature.states).map(|(all, state)| {
            let size = len(state.shape, &self.sizes);
            all[place * size..(place + 1) * size].to_vec()
        });
        Inputs { sizes: &self.sizes, tokens, params: rows.collect(), states: states.collect() }
    }

    /// What the kernel makes of them on the host. `in_place` gives initial and final states one buffer.
    pub(crate) fn run(
        &self,
        host: &Host,
        index: usize,
        kernel: &Kernel,
        in_place: bool,
    ) -> Result<Results, String> {
        let offsets = self.offsets();
        let tokens = offsets[self.frame.lengths.len()];
        let places = self.frame.lengths.len() * self.frame.heads;
        let initial = |state: usize| {
            kernel
                .arguments
                .iter()
                .position(|a| matches!(a.role, Role::InitialState(s) if s.index() == state))
        };
        let value = |argument: &chunkwise_codegen::Argument| match argument.role {
            Role::Input(param) => {
                Value::Buffer(bytes(argument.dtype.unwrap(), &self.params[param.index()].1))
            }
            Role::InitialState(state) if self.frame.initial => {
                Value::Buffer(bytes(DType::F32, &self.states[state.index()]))
            }
            Role::InitialState(_) => Value::Null,
            // Nobody may rely on what an output held: NaN in every type.
            Role::Output(at) => {
                let size = len(self.rule.signature.outputs[at].shape, &self.sizes);
                Value::Buffer(vec![0xff; tokens * self.frame.heads * size * argument.dtype.unwrap().size()])
            }
            Role::FinalState(state) if in_place && self.frame.initial => {
                Value::Same(initial(state.index()).unwrap() as u32)
            }
            Role::FinalState(state) => {
                let size = len(self.rule.signature.state(state).shape, &self.sizes);
                Value::Buffer(vec![0xff; places * size * 4])
            }
            Role::CuSeqlens if self.frame.packed => {
                Value::Buffer(offsets.iter().flat_map(|&at| (at as i64).to_le_bytes()).collect())
            }
            Role::CuSeqlens => Value::Null,
            Role::Tokens => Value::Tokens(self.frame.lengths[0] as i64),
            Role::Heads => Value::Heads(self.frame.heads as u32),
            Role::Workspace(_) | Role::Sequences | Role::PieceTokens => panic!("of plans of several kernels"),
            Role::Strides(param) => {
                let declared = self.rule.signature.param(param);
                let (tokens, heads) = (self.frame.lengths[0], self.params[param.index()].0);
                let strides = Strides::contiguous(declared, &self.sizes, tokens, heads, self.frame.heads);
                Value::Strides(strides)
            }
        };
        let values: Vec<Value> = kernel.arguments.iter().map(value).collect();
        let (sequences, heads) = (self.frame.lengths.len(), self.frame.heads);
        let extent = Extent { sequences, tokens, heads, piece: 0 };
        let blocks = kernel.grid(&extent).unwrap();
        let buffers = host.run(index, kernel, blocks, &values)?;
        let mut results = Results { outputs: Vec::new(), states: Vec::new() };
        let with_buffer =
            kernel.arguments.iter().zip(&values).filter(|(_, value)| matches!(value, Value::Buffer(_)));
        for ((argument, _), buffer) in with_buffer.zip(&buffers) {
            let numbers = || numbers(argument.dtype.unwrap(), buffer);
            match argument.role {
                Role::Output(_) => results.outputs.push(numbers()),
                Role::FinalState(_) => results.states.push(numbers()),
                Role::InitialState(_) if in_place => results.states.push(numbers()),
                _ => {}
            }
        }
        Ok(results)
    }
}

/// Rounds a number to an element type.
pub(crate) fn round(dtype: DType, x: f64) -> f64 {
    match dtype {
        DType::F64 => x,
        DType::F32 => f64::from(x as f32),
        DType::F16 => f16::from_f64(x).to_f64(),
        DType::BF16 => bf16::from_f64(x).to_f64(),
    }
}

/// Numbers as they lie in memory.
fn bytes(dtype: DType, numbers: &[f64]) -> Vec<u8> {
    let of = |&x: &f64| match dtype {
        DType::F64 => x.to_le_bytes().to_vec(),
        DType::F32 => (x as f32).to_le_bytes().to_vec(),
        DType::F16 => f16::from_f64(x).to_le_bytes().to_vec(),
        DType::BF16 => bf16::from_f64(x).to_le_bytes().to_vec(),
    };
    numbers.iter().flat_map(of).collect()
}

fn numbers(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    let pair = |b: &[u8]| [b[0], b[1]];
    match dtype {
        DType::F64 => bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
        DType::F32 => bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
        DType::F16 => bytes.chunks(2).map(|b| f16::from_le_bytes(pair(b)).to_f64()).collect(),
        DType::BF16 => bytes.chunks(2).map(|b| bf16::from_le_bytes(pair(b)).to_f64()).collect(),
    }
}

/// Root mean square of the difference over that of the expected.
pub(crate) fn distance(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let square = |x: f64| x * x;
    let error: f64 = got.iter().zip(expected).map(|(g, e)| square(g - e)).sum();
    let size: f64 = expected.iter().map(|&e| square(e)).sum();
    if error == 0.0 { 0.0 } else { (error / size).sqrt() }
}
