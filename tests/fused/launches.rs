//! The launch contract, which `Executable` does not use up: a final state that nobody wants, initial and final states in
//! one buffer, and inputs that are no contiguous tensors: pointers and strides with no more than the alignment that an
//! argument asks for, heads before tokens, and between any two vectors memory that nobody wrote.

use crate::case::{Case, dense, fused, nvrtc, packed, variable};
use crate::limits::{all, any, complaints};
use chunkwise::{Arch, Data, Element, Tensor, Tensors};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::element;
use chunkwise_codegen::schedule::Extent;
use chunkwise_codegen::{Argument, Kernel, Role, Strides};
use chunkwise_dsl::signature::Param;
use chunkwise_runtime::nvrtc::Code;
use chunkwise_sim::{Arguments, Global, Launch, Module, Options};

/// How a launch passes states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum States {
    /// Final states are null.
    Unwanted,
    /// A state begins and ends in one buffer.
    Shared,
}

/// A buffer of a launch, and how to read it.
struct Buffer {
    name: String,
    address: u64,
    shape: Vec<usize>,
    element: Element,
}

#[test]
fn states_may_be_absent_or_shared() {
    let seed = variable("CHUNKWISE_SEED", 1);
    println!("CHUNKWISE_SEED={seed}");
    // Odd sizes align the least. A sixth of the rules, by the seed, or all.
    let takes = |at: usize| variable("CHUNKWISE_CASES", 1) > 1 || (at as u64 + seed).is_multiple_of(6);
    let cases = fused(24, 33).into_iter().enumerate().filter(|(at, _)| takes(*at)).map(|(_, case)| case);
    all(cases.collect(), |case| launches(case).unwrap_or_else(|error| vec![error]));
}

/// Compiles a case once and launches it on every frame, with every way to pass states.
fn launches(case: &Case) -> Result<Vec<String>, String> {
    let kernel = case.kernel(Arch::Sm80).map_err(|why| why.to_string())?;
    let lines = ["-lineinfo".to_owned()];
    let binary = nvrtc().compile_to(Code::Ptx, &kernel.source, &kernel.name, Arch::Sm80, &lines);
    let binary = binary.map_err(|error| error.to_string())?;
    let module = Module::parse(&binary.ptx).map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    for frame in [dense(2, 70, 2), packed(&[3, 0, 66], 1)] {
        for states in [States::Unwanted, States::Shared] {
            let found = launch(case, (&kernel, &module), &Frame { initial: true, ..frame.clone() }, states);
            let found = found.unwrap_or_else(|error| vec![error]);
            wrong.extend(found.into_iter().map(|what| format!("{states:?}, {}: {what}", frame.name)));
        }
    }
    Ok(wrong)
}

fn launch(
    case: &Case,
    (kernel, module): (&Kernel, &Module),
    frame: &Frame,
    states: States,
) -> Result<Vec<String>, String> {
    let function = module.kernel(&kernel.name).map_err(|error| error.to_string())?;
    let inputs = case.inputs(frame, 11);
    let mut memory = Global::new();
    let (arguments, results) = arguments(case, frame, kernel, &inputs, states, &mut memory)?;
    let tokens = frame.batch * frame.tokens;
    let extent = Extent { sequences: frame.sequences(), tokens, heads: frame.heads, piece: 0 };
    let blocks = kernel.grid(&extent).ok_or("too many blocks")?;
    let grid = Launch::linear(blocks, kernel.threads).dynamic_shared(kernel.shared);
    function.run(&grid, &arguments, &mut memory, &Options::default()).map_err(|error| error.to_string())?;
    let got = results.iter().map(|buffer| Ok((buffer.name.clone(), read(buffer, &memory)?)));
    let got: Tensors = got.collect::<Result<Vec<_>, String>>()?.into_iter().collect();
    let wanted = |name: &str| states != States::Unwanted || !case.is_state(name);
    let expected: Tensors = case.expected(&inputs).into_iter().filter(|(name, _)| wanted(name)).collect();
    Ok(complaints(case, any(case), &got, &expected))
}

/// A place that is a multiple of `align` and of nothing more.
fn place(memory: &mut Global, argument: &Argument, bytes: usize) -> Result<u64, String> {
    let allocated = memory.alloc_named((bytes + argument.align) as u64, 256, &argument.name);
    Ok(allocated.map_err(|error| error.to_string())? + argument.align as u64)
}

fn write(memory: &mut Global, argument: &Argument, tensor: &Tensor) -> Result<u64, String> {
    let bytes = tensor.data().to_le_bytes();
    let address = place(memory, argument, bytes.len())?;
    memory.write(address, &bytes).map_err(|error| error.to_string())?;
    Ok(address)
}

/// Writes an input with its heads before its tokens, and as much between any two vectors as the alignment allows: memory
/// that nobody writes, and that nobody may therefore read.
fn spread(
    memory: &mut Global,
    argument: &Argument,
    param: &Param,
    tensor: &Tensor,
) -> Result<(u64, Strides), String> {
    let of_vector = param.shape.dims().count();
    let (outer, inner) = tensor.shape().split_at(tensor.shape().len() - of_vector);
    let bytes = tensor.element().bytes();
    let vector = inner.iter().product::<usize>() * bytes;
    // The next multiple of the alignment that leaves a gap.
    let apart = (vector / argument.align + 1) * argument.align;
    // [B, T, (n), H] as they lie: [H, (n), B, T].
    let (mut strides, mut count) = (vec![0; outer.len()], 1);
    let constant = usize::from(!param.per_head) * 2;
    for at in (constant..outer.len()).chain(0..constant).rev() {
        strides[at] = count * apart;
        count *= outer[at];
    }
    let address = place(memory, argument, count * apart)?;
    for (at, numbers) in tensor.data().to_le_bytes().chunks(vector.max(1)).enumerate() {
        let (mut rest, mut offset) = (at, 0);
        for (size, stride) in outer.iter().zip(&strides).rev() {
            offset += rest % size * stride;
            rest /= size;
        }
        memory.write(address + offset as u64, numbers).map_err(|error| error.to_string())?;
    }
    let number = |at: usize| strides.get(at).map_or(0, |&stride| (stride / bytes) as i64);
    let entry = if param.count.is_some() { number(constant) } else { 0 };
    let head = number(outer.len() - 1);
    let found = Strides { batch: number(0), token: number(1), entry, head, group: 1 };
    Ok((address, found))
}

fn read(buffer: &Buffer, memory: &Global) -> Result<Tensor, String> {
    let mut bytes = vec![0; buffer.shape.iter().product::<usize>() * buffer.element.bytes()];
    memory.read(buffer.address, &mut bytes).map_err(|error| error.to_string())?;
    Tensor::new(buffer.shape.clone(), Data::from_le_bytes(buffer.element, &bytes)).map_err(|e| e.to_string())
}

/// Every argument in the kernel's order, and the buffers of the results.
fn arguments(
    case: &Case,
    frame: &Frame,
    kernel: &Kernel,
    inputs: &Tensors,
    states: States,
    memory: &mut Global,
) -> Result<(Arguments, Vec<Buffer>), String> {
    let signature = &case.rule.signature;
    let sizes = |shape: chunkwise_dsl::graph::Shape| shape.dims().map(|dim| case.sizes[dim.index()]);
    let (mut arguments, mut results) = (Arguments::new(), Vec::<Buffer>::new());
    let mut initial: Vec<u64> = vec![0; signature.states.len()];
    let mut strides = vec![Strides::default(); signature.params.len()];
    for argument in &kernel.arguments {
        let typed = |tensor: &Tensor| {
            let to = argument.dtype.map_or(tensor.element(), element);
            tensor.cast(to).map_err(|error| error.to_string())
        };
        arguments = match argument.role {
            Role::Input(param) => {
                let tensor = typed(&inputs[argument.name.as_str()])?;
                let heads = frame.heads_of(param.index());
                let group = (frame.heads / heads) as u32;
                let (address, found) = spread(memory, argument, signature.param(param), &tensor)?;
                strides[param.index()] = Strides { group, ..found };
                arguments.pointer(address)
            }
            Role::InitialState(state) => {
                let address = write(memory, argument, &typed(&inputs[argument.name.as_str()])?)?;
                initial[state.index()] = address;
                arguments.pointer(address)
            }
            Role::FinalState(_) if states == States::Unwanted => arguments.pointer(0),
            Role::FinalState(state) => {
                let of = sizes(signature.state(state).shape);
                let shape = [frame.sequences(), frame.heads].into_iter().chain(of).collect();
                let address = initial[state.index()];
                results.push(Buffer { name: argument.name.clone(), address, shape, element: Element::F32 });
                arguments.pointer(address)
            }
            Role::Output(index) => {
                let of = sizes(signature.outputs[index].shape);
                let shape: Vec<usize> =
                    [frame.batch, frame.tokens, frame.heads].into_iter().chain(of).collect();
                let element = element(case.dtype);
                let address = place(memory, argument, shape.iter().product::<usize>() * element.bytes())?;
                results.push(Buffer { name: argument.name.clone(), address, shape, element });
                arguments.pointer(address)
            }
            Role::CuSeqlens => match inputs.get("cu_seqlens") {
                Some(offsets) => arguments.pointer(write(memory, argument, offsets)?),
                None => arguments.pointer(0),
            },
            Role::Tokens => arguments.bytes(&(frame.tokens as i64).to_le_bytes()),
            Role::Heads => arguments.u32(frame.heads as u32),
            Role::Strides(param) => arguments.bytes(&strides[param.index()].to_le_bytes()),
            Role::Workspace(_) | Role::Sequences | Role::PieceTokens => {
                return Err(format!("one kernel alone takes `{}`", argument.name));
            }
        };
    }
    Ok((arguments, results))
}
