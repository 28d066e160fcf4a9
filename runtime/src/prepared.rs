//! Launches for those who serve models: everything is checked, compiled and laid out once, and from then on a launch costs the
//! host little more than the driver's own call.
//!
//! ```no_run
//! use chunkwise_runtime::{Bindings, Device, Element, RuleExt, View};
//! # fn serve(rule: &chunkwise_dsl::rule::Rule) -> chunkwise_runtime::Result<()> {
//! # let (q_address, k_address, v_address, o_address, s_address) = (0, 0, 0, 0, 0);
//! let executable = rule.on(&Device::parse("cuda:0")?)?;
//! let mut queue = executable.queue()?; // or `queue_on`, for a stream that is there
//! let vectors = || View::elsewhere(Element::BF16, [8, 1, 16, 128]); // [B, T, H, D]
//! let like = Bindings::new().with("q", vectors()?).with("k", vectors()?).with("v", vectors()?);
//! let mut decode = executable.prepare(&like, &mut queue)?;
//! let [q, k, v, o, before, after] = decode.slots(["q", "k", "v", "o", "s0", "s"])?;
//! loop {
//!     decode.point(q, q_address)?;
//!     decode.point(k, k_address)?;
//!     decode.point(v, v_address)?;
//!     decode.point(o, o_address)?;
//!     decode.point(before, s_address)?; // a state may begin and end in one buffer
//!     decode.point(after, s_address)?;
//!     // SAFETY: the addresses are those of tensors on the GPU, of the shapes that were prepared for.
//!     unsafe { decode.launch(&mut queue)? };
//! }
//! # }
//! ```
//!
//! Invariants: [`Prepared::launch`], [`Prepared::point`], [`Prepared::set_strides`] and [`Prepared::resize`] allocate no memory,
//! copy none, wait for nothing and compile nothing, and a launch is one call of the driver's for each kernel of the plan; so a
//! CUDA graph captures it. Other lengths and batches are other numbers to the same kernels.

use crate::error::{Error, Result};
#[cfg(feature = "cuda")]
use crate::gpu::cuda::{Cuda, CudaQueue};
use crate::gpu::driver::Queue as _;
use crate::gpu::null::{Null, NullQueue, Requests};
use crate::gpu::prepared;
#[cfg(feature = "sim")]
use crate::gpu::sim::{Simulated, Simulator};
use crate::tensor::{Data, Element, Tensor, element_count};

/// Memory of a device, and the order of what happens there: on a GPU a stream. What is taken from a queue lives as long as it.
#[derive(Debug)]
pub struct Queue(pub(crate) QueueKind);

#[derive(Debug)]
pub(crate) enum QueueKind {
    #[cfg(feature = "cuda")]
    Cuda(CudaQueue),
    #[cfg(feature = "sim")]
    Sim(Simulated),
    Null(NullQueue),
}

/// A plan, ready to be launched; see [`Executable::prepare`](crate::Executable::prepare).
#[derive(Debug)]
pub struct Prepared(pub(crate) PreparedKind);

#[derive(Debug)]
pub(crate) enum PreparedKind {
    #[cfg(feature = "cuda")]
    Cuda(prepared::Prepared<Cuda>),
    #[cfg(feature = "sim")]
    Sim(prepared::Prepared<Simulator>),
    Null(prepared::Prepared<Null>),
}

/// A tensor of a prepared launch, found by its name once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(usize);

/// Applies one expression to whichever kind there is.
macro_rules! each {
    ($of:ident, $kind:expr, $x:ident => $body:expr) => {
        match $kind {
            #[cfg(feature = "cuda")]
            $of::Cuda($x) => $body,
            #[cfg(feature = "sim")]
            $of::Sim($x) => $body,
            $of::Null($x) => $body,
        }
    };
}

impl Queue {
    /// The address of a copy of a tensor, contiguous as the tensor is; a view's strides are in numbers of it. `name` is what
    /// messages call it.
    ///
    /// # Errors
    /// A limitation where the memory is not there.
    pub fn upload(&mut self, name: &str, tensor: &Tensor) -> Result<u64> {
        let bytes = tensor.data().to_le_bytes();
        each!(QueueKind, &mut self.0, queue => queue.upload(name, &bytes))
    }

    /// The address of room for a tensor. What it holds is of no use before a launch has written it.
    ///
    /// # Errors
    /// A limitation where the memory is not there.
    pub fn allocate(&mut self, name: &str, shape: &[usize], element: Element) -> Result<u64> {
        let bytes = bytes(shape, element)?;
        each!(QueueKind, &mut self.0, queue => queue.allocate(name, bytes))
    }

    /// A copy of a contiguous tensor of the device's, after all that was launched.
    ///
    /// # Errors
    /// What the device found wrong with a launch, or with the address.
    pub fn download(&mut self, address: u64, shape: &[usize], element: Element) -> Result<Tensor> {
        let bytes = bytes(shape, element)?;
        let found = each!(QueueKind, &mut self.0, queue => queue.download(address, bytes))?;
        Tensor::new(shape, Data::from_le_bytes(element, &found))
    }

    /// Waits for all that was launched.
    ///
    /// # Errors
    /// What the device found wrong with a launch.
    pub fn wait(&mut self) -> Result<()> {
        each!(QueueKind, &mut self.0, queue => queue.wait())
    }

    /// What was asked of a device that does nothing ([`Device::null`](crate::Device::null)) so far; `None` on all others.
    pub fn requests(&self) -> Option<Requests> {
        match &self.0 {
            QueueKind::Null(queue) => Some(queue.requests),
            #[cfg(any(feature = "cuda", feature = "sim"))]
            _ => None,
        }
    }
}

/// Bytes of a tensor.
fn bytes(shape: &[usize], element: Element) -> Result<usize> {
    let bytes = element_count(shape).and_then(|n| n.checked_mul(element.bytes()));
    bytes.ok_or_else(|| {
        Error::mistake(format!("a tensor of shape {shape:?} does not fit in memory"), "use smaller tensors")
    })
}

impl Prepared {
    /// Where to put the address of a tensor: a parameter, `cu_seqlens`, an initial state (`s0`), an output (`o`) or a final
    /// state (`s`).
    ///
    /// # Errors
    /// A mistake where the rule has no tensor of that name, or one that it never reads.
    pub fn slot(&self, name: &str) -> Result<Slot> {
        let (found, names) = each!(PreparedKind, &self.0, p => (p.find(name), p.names()));
        found.map(Slot).ok_or_else(|| {
            Error::mistake(
                format!("this launch has no tensor `{name}`"),
                format!("its tensors are {}", names.join(", ")),
            )
        })
    }

    /// The same for several tensors.
    ///
    /// # Errors
    /// As [`Prepared::slot`].
    pub fn slots<const N: usize>(&self, names: [&str; N]) -> Result<[Slot; N]> {
        let mut slots = [Slot(0); N];
        for (slot, name) in slots.iter_mut().zip(names) {
            *slot = self.slot(name)?;
        }
        Ok(slots)
    }

    /// Says where a tensor's first number is, until told otherwise. 0 stands for an initial state of zeros, and for a final
    /// state that nobody wants; both are what no address at all stands for.
    ///
    /// # Errors
    /// A limitation where the address is no multiple of what the kernel moves at a time: 16 bytes, or fewer for vectors that
    /// are no multiple of it.
    pub fn point(&mut self, slot: Slot, address: u64) -> Result<()> {
        each!(PreparedKind, &mut self.0, p => p.point(slot.0, address))
    }

    /// Says how an input lies from now on, by one stride for each dim, in numbers, as `View::strides` lists them. Inputs lie
    /// as they were prepared for until then: contiguous ones are contiguous after [`Prepared::resize`] too.
    ///
    /// # Errors
    /// A limitation where the last dim is not contiguous, or another stride is no multiple of what the kernel moves at a time;
    /// a mistake where the slot is no input's.
    pub fn set_strides(&mut self, slot: Slot, strides: &[usize]) -> Result<()> {
        each!(PreparedKind, &mut self.0, p => p.set_strides(slot.0, strides))
    }

    /// Launches are of so many sequences from now on: `tokens` of each, or, where the launch was prepared with `cu_seqlens`,
    /// `tokens` of all together. The kernels stay the same.
    ///
    /// # Errors
    /// A mistake where the plan has memory between kernels and this is more than was prepared for; then nothing changes.
    pub fn resize(&mut self, sequences: usize, tokens: usize) -> Result<()> {
        each!(PreparedKind, &mut self.0, p => p.resize(sequences, tokens))
    }

    /// Launches every kernel of the plan into the queue, and returns while a GPU still runs them.
    ///
    /// # Safety
    /// Every tensor with an address has the element type, the shape and the strides that were prepared for, as changed since,
    /// in memory of the queue's device, and stays there until the launch is over. `cu_seqlens` rises from 0 to the number of
    /// tokens. No output overlaps any other tensor, but that an initial and a final state may be one buffer. The queue that
    /// this was prepared with is there still: the plan's memory between kernels is of it, so that launches of one `Prepared`
    /// follow one another, on one stream or by events.
    ///
    /// # Errors
    /// A mistake where a tensor has no address, or the queue is of another kind of device; what the driver refuses; in the
    /// simulator, what it finds wrong.
    pub unsafe fn launch(&mut self, queue: &mut Queue) -> Result<()> {
        match (&mut self.0, &mut queue.0) {
            #[cfg(feature = "cuda")]
            (PreparedKind::Cuda(p), QueueKind::Cuda(queue)) => p.launch(queue),
            #[cfg(feature = "sim")]
            (PreparedKind::Sim(p), QueueKind::Sim(queue)) => p.launch(queue),
            (PreparedKind::Null(p), QueueKind::Null(queue)) => p.launch(queue),
            #[cfg(any(feature = "cuda", feature = "sim"))]
            _ => Err(other_device()),
        }
    }
}

/// A queue of another device than the launch.
#[cfg(any(feature = "cuda", feature = "sim"))]
pub(crate) fn other_device() -> Error {
    Error::mistake(
        "the queue is of another device than the launch",
        "ask the executable that prepares the launch for the queue",
    )
}
