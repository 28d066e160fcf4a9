//! One launch: every argument of a kernel from the tensors of a run, and the results back to the host.
//!
//! A kernel lists its arguments by role ([`chunkwise_codegen::kernel`]); each becomes a [`Slot`] here, in that order. A
//! buffer of no elements still gets an address, since null means "absent" to a kernel.

use super::Loaded;
use super::driver::{Gpu, failed};
use crate::bind::Tensors;
use crate::error::{Error, Result};
use crate::layout::{output_axes, state_axes};
use crate::tensor::{Data, Element, Tensor, element_count};
use crate::validate::Problem;
use chunkwise_codegen::{Argument, DType, Kernel, Role};
use chunkwise_dsl::signature::Signature;
use cudarc::driver::{CudaSlice, LaunchConfig, PushKernelArg};

/// One argument, as it is passed.
enum Slot {
    Buffer(CudaSlice<u8>),
    Null(u64),
    Tokens(i64),
    Heads(u32),
}

/// Uploads, launches, downloads. The tensors were checked and fit the kernel's sizes.
pub(super) fn launch(
    gpu: &Gpu,
    loaded: &Loaded,
    signature: &Signature,
    problem: &Problem<'_>,
) -> Result<Tensors> {
    gpu.bind()?;
    let kernel = &loaded.kernel;
    let (sequences, heads) = (problem.layout.sequences.len(), problem.layout.heads);
    let blocks = kernel.grid(sequences, heads).ok_or_else(|| {
        Error::limitation(
            format!("{sequences} sequences of {heads} heads are more than one launch holds"),
            "run fewer sequences at a time, or run on `cpu`",
        )
    })?;
    let slots: Vec<Slot> =
        kernel.arguments.iter().map(|a| slot(gpu, a, signature, problem)).collect::<Result<_>>()?;
    // With no sequence or no head there is nothing to launch, and results without elements.
    if blocks > 0 {
        enqueue(gpu, loaded, &slots, blocks)?;
    }
    download(gpu, kernel, &slots, signature, problem)
}

/// Puts the launch on the stream, and waits for it so that its own failure is not blamed on a copy.
fn enqueue(gpu: &Gpu, loaded: &Loaded, slots: &[Slot], blocks: u32) -> Result<()> {
    let mut arguments = gpu.stream.launch_builder(&loaded.function);
    for slot in slots {
        match slot {
            Slot::Buffer(buffer) => arguments.arg(buffer),
            Slot::Null(null) => arguments.arg(null),
            Slot::Tokens(tokens) => arguments.arg(tokens),
            Slot::Heads(heads) => arguments.arg(heads),
        };
    }
    let geometry = LaunchConfig {
        grid_dim: (blocks, 1, 1),
        block_dim: (loaded.kernel.threads, 1, 1),
        shared_mem_bytes: loaded.kernel.shared,
    };
    // SAFETY: the slots were made from the kernel's own list of arguments, one each, in order, with the types it
    // states; the buffers have the sizes that its tensors have for the sizes it was emitted for, and they outlive the
    // launch, which is waited for below.
    unsafe { arguments.launch(geometry) }.map_err(|e| failed("launching a kernel", e))?;
    gpu.stream.synchronize().map_err(|e| failed("running a kernel", e))
}

/// One argument from the tensors of the run.
fn slot(gpu: &Gpu, argument: &Argument, signature: &Signature, problem: &Problem<'_>) -> Result<Slot> {
    let layout = &problem.layout;
    // A row of tokens for each sequence, all of one length: `cu_seqlens` would say nothing new.
    let dense = layout.sequences.len() == layout.batch;
    match argument.role {
        Role::Input(p) => tensor(gpu, argument, problem.params.get(p.index()).copied()),
        Role::InitialState(s) => match problem.initial.get(s.index()).copied().flatten() {
            Some(given) => tensor(gpu, argument, Some(given)),
            None => Ok(Slot::Null(0)),
        },
        Role::Output(_) | Role::FinalState(_) => {
            room(gpu, argument, &result_shape(argument.role, signature, problem)?)
        }
        Role::CuSeqlens if dense => Ok(Slot::Null(0)),
        Role::CuSeqlens => {
            let cuts = std::iter::once(0).chain(layout.sequences.iter().map(|s| s.end as i64));
            upload(gpu, cuts.flat_map(i64::to_le_bytes).collect())
        }
        Role::Tokens => Ok(Slot::Tokens(layout.tokens as i64)),
        Role::Heads => heads(layout.heads),
        Role::InputHeads(p) => heads(layout.param_heads.get(p.index()).copied().unwrap_or_default()),
    }
}

/// A head count as kernels take it.
fn heads(count: usize) -> Result<Slot> {
    u32::try_from(count).map(Slot::Heads).map_err(|_| {
        Error::limitation(format!("{count} heads are more than a kernel counts"), "run on `cpu`")
    })
}

/// The shape of an output or a final state.
fn result_shape(role: Role, signature: &Signature, problem: &Problem<'_>) -> Result<Vec<usize>> {
    let axes = match role {
        Role::Output(i) => signature.outputs.get(i).map(|o| output_axes(o.shape)),
        Role::FinalState(s) => signature.states.get(s.index()).map(|s| state_axes(s.shape)),
        _ => None,
    };
    let axes = axes.ok_or_else(|| Error::bug("a kernel writes what its rule does not have"))?;
    Ok(problem.layout.shape(&axes, problem.layout.heads))
}

/// A tensor's numbers in the argument's type, on the GPU.
fn tensor(gpu: &Gpu, argument: &Argument, given: Option<&Tensor>) -> Result<Slot> {
    let given = given
        .ok_or_else(|| Error::bug(format!("a kernel reads `{}`, which the rule lacks", argument.name)))?;
    upload(gpu, given.cast(element(argument)?)?.data().to_le_bytes())
}

/// Bytes on the GPU; at least one, so that the buffer has an address.
fn upload(gpu: &Gpu, mut bytes: Vec<u8>) -> Result<Slot> {
    if bytes.is_empty() {
        bytes.push(0);
    }
    gpu.stream.clone_htod(&bytes).map(Slot::Buffer).map_err(|e| failed("copying to the GPU", e))
}

/// Zeroed room for a result.
fn room(gpu: &Gpu, argument: &Argument, shape: &[usize]) -> Result<Slot> {
    let bytes = element_count(shape).and_then(|n| n.checked_mul(element(argument).ok()?.bytes()));
    let bytes = bytes.ok_or_else(|| {
        Error::mistake(format!("`{}` does not fit in memory", argument.name), "use smaller tensors")
    })?;
    gpu.stream.alloc_zeros(bytes.max(1)).map(Slot::Buffer).map_err(|e| failed("asking for memory", e))
}

/// The element type of a pointer.
fn element(argument: &Argument) -> Result<Element> {
    match argument.dtype {
        Some(DType::F64) => Ok(Element::F64),
        Some(DType::F32) => Ok(Element::F32),
        Some(DType::F16) => Ok(Element::F16),
        Some(DType::BF16) => Ok(Element::BF16),
        None => Err(Error::bug(format!("a kernel states no type for `{}`", argument.name))),
    }
}

/// Outputs, then final states, under the names that every device gives them.
fn download(
    gpu: &Gpu,
    kernel: &Kernel,
    slots: &[Slot],
    signature: &Signature,
    problem: &Problem<'_>,
) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    let outputs = signature.outputs.iter().map(|o| o.name.as_str());
    for name in outputs.chain(signature.states.iter().map(|s| s.name.as_str())) {
        let is_result = |a: &Argument| match a.role {
            Role::Output(i) => signature.outputs.get(i).is_some_and(|o| o.name == name),
            Role::FinalState(s) => signature.states.get(s.index()).is_some_and(|s| s.name == name),
            _ => false,
        };
        let found = kernel.arguments.iter().zip(slots).find(|(a, _)| is_result(a));
        let Some((argument, Slot::Buffer(buffer))) = found else {
            return Err(Error::bug(format!("a kernel does not write `{name}`")));
        };
        let bytes = gpu.stream.clone_dtoh(buffer).map_err(|e| failed("copying from the GPU", e))?;
        gpu.stream.synchronize().map_err(|e| failed("copying from the GPU", e))?;
        let shape = result_shape(argument.role, signature, problem)?;
        let element = element(argument)?;
        let used = element_count(&shape).unwrap_or(0) * element.bytes();
        let data = Data::from_le_bytes(element, bytes.get(..used).unwrap_or_default());
        tensors.insert(name, Tensor::new(shape, data)?);
    }
    Ok(tensors)
}
