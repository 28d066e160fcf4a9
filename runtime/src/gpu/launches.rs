//! The launches of a plan, laid out: every kernel with its blocks and the bytes of its arguments. Between two launches only
//! bytes change; nothing is allocated, and nothing is asked of the machine but the launches.
//!
//! ```text
//! arguments   | q: 8 bytes | k: 8 | .. | tokens: 8 | heads: 4 |  | q_strides: 40 | ..      one row a kernel
//! places      q -> [(kernel 0, byte 0), (kernel 2, byte 8)]                                one entry a role
//! ```
//!
//! Each argument is at the next multiple of its own alignment (PTX ISA, "Kernel Function Parameters"); that is how
//! `cuLaunchKernel` takes them as one buffer.

use super::driver::{Call, Driver, Queue};
use crate::error::{Error, Result};
use chunkwise_codegen::schedule::Extent;
use chunkwise_codegen::{Argument, Kernel, Role, Schedule};
use std::sync::Arc;

/// The kernels of a plan, loaded.
#[derive(Debug)]
pub(super) struct Loaded<D: Driver> {
    pub(super) schedule: Schedule,
    /// In the schedule's order.
    pub(super) functions: Vec<D::Function>,
}

/// An argument, in every kernel that takes it.
#[derive(Clone, Debug)]
struct Place {
    argument: Argument,
    /// Kernel, and byte among its arguments.
    at: Vec<(usize, usize)>,
}

/// Launches whose arguments are bytes.
#[derive(Debug)]
pub(super) struct Launches<D: Driver> {
    loaded: Arc<Loaded<D>>,
    places: Vec<Place>,
    /// By kernel.
    arguments: Vec<Vec<u8>>,
    /// By kernel; none where there is nothing to launch.
    blocks: Vec<u32>,
}

/// Where a kernel's arguments lie among its bytes, and how many bytes there are.
pub(super) fn offsets(kernel: &Kernel) -> (Vec<usize>, usize) {
    let mut end = 0;
    let offsets = kernel.arguments.iter().map(|argument| {
        // A pointer's own alignment is not that of what it points to.
        let align = if argument.is_pointer() { 8 } else { argument.align };
        let start = usize::next_multiple_of(end, align);
        end = start + argument.size();
        start
    });
    (offsets.collect(), end)
}

impl<D: Driver> Launches<D> {
    /// Launches on nothing: every argument is 0 and every grid is empty.
    pub(super) fn new(loaded: Arc<Loaded<D>>) -> Launches<D> {
        let mut places = Vec::<Place>::new();
        let mut arguments = Vec::new();
        for (kernel, of) in loaded.schedule.kernels.iter().enumerate() {
            let (offsets, bytes) = offsets(of);
            arguments.push(vec![0; bytes]);
            for (argument, offset) in of.arguments.iter().zip(offsets) {
                match places.iter_mut().find(|place| place.argument.role == argument.role) {
                    Some(place) => {
                        // Of several kernels the strictest says how a tensor is aligned.
                        place.argument.align = place.argument.align.max(argument.align);
                        place.at.push((kernel, offset));
                    }
                    None => {
                        places.push(Place { argument: argument.clone(), at: vec![(kernel, offset)] });
                    }
                }
            }
        }
        let blocks = vec![0; loaded.schedule.kernels.len()];
        Launches { loaded, places, arguments, blocks }
    }

    /// What is launched.
    pub(super) fn schedule(&self) -> &Schedule {
        &self.loaded.schedule
    }

    /// Every argument once, whichever kernels take it; its position is its number here.
    pub(super) fn all(&self) -> impl Iterator<Item = &Argument> {
        self.places.iter().map(|place| &place.argument)
    }

    /// The number of an argument; `None` where no kernel takes it.
    pub(super) fn find(&self, role: Role) -> Option<usize> {
        self.places.iter().position(|place| place.argument.role == role)
    }

    /// An argument by its number.
    pub(super) fn argument(&self, number: usize) -> Option<&Argument> {
        self.places.get(number).map(|place| &place.argument)
    }

    /// Sets an argument by its number.
    pub(super) fn set(&mut self, number: usize, value: &[u8]) {
        let Some(place) = self.places.get(number) else { return };
        for &(kernel, offset) in &place.at {
            self.arguments[kernel][offset..offset + value.len()].copy_from_slice(value);
        }
    }

    /// Sets an argument where a kernel takes it.
    pub(super) fn set_role(&mut self, role: Role, value: &[u8]) {
        if let Some(number) = self.find(role) {
            self.set(number, value);
        }
    }

    /// Grids and counts for launches of this size, `row` tokens in a row of a dense batch.
    pub(super) fn resize(&mut self, extent: &Extent, row: usize) -> Result<()> {
        let heads = u32::try_from(extent.heads).map_err(|_| {
            Error::limitation(format!("{} heads are more than a kernel counts", extent.heads), "run on `cpu`")
        })?;
        let grid = |kernel: &Kernel| {
            kernel.grid(extent).ok_or_else(|| {
                Error::limitation(
                    format!(
                        "{} sequences of {} heads are more than one launch holds",
                        extent.sequences, extent.heads
                    ),
                    "run fewer sequences at a time, or run on `cpu`",
                )
            })
        };
        // First all, then any: a size that is refused leaves the launches as they were.
        let kernels = &self.loaded.schedule.kernels;
        kernels.iter().try_for_each(|kernel| grid(kernel).map(drop))?;
        for (kernel, blocks) in kernels.iter().zip(&mut self.blocks) {
            *blocks = grid(kernel)?;
        }
        self.set_role(Role::Heads, &heads.to_le_bytes());
        self.set_role(Role::Tokens, &(row as i64).to_le_bytes());
        self.set_role(Role::Sequences, &(extent.sequences as i64).to_le_bytes());
        self.set_role(Role::PieceTokens, &(extent.piece as i64).to_le_bytes());
        Ok(())
    }

    /// Memory between kernels, for launches of at most this size.
    pub(super) fn allocate(&mut self, queue: &mut D::Queue, extent: &Extent) -> Result<()> {
        for number in 0..self.places.len() {
            let Role::Workspace(at) = self.places[number].argument.role else { continue };
            let buffer = self.loaded.schedule.buffers.get(at);
            let buffer =
                buffer.ok_or_else(|| Error::bug("a kernel takes memory that its plan does not have"))?;
            let bytes = buffer.len(extent).and_then(|n| n.checked_mul(buffer.dtype.size()));
            let bytes = bytes.ok_or_else(|| {
                Error::mistake(
                    format!("the plan's `{}` does not fit in memory", buffer.name),
                    "use smaller tensors",
                )
            })?;
            let address = queue.allocate(&buffer.name, bytes)?;
            self.set(number, &address.to_le_bytes());
        }
        Ok(())
    }

    /// The launches, in order. Where a kernel has no block there is nothing to launch, and results are without elements.
    pub(super) fn calls(&self) -> impl Iterator<Item = Call<'_, D::Function>> {
        let kernels = self.loaded.schedule.kernels.iter().zip(&self.loaded.functions);
        let each = kernels.zip(self.arguments.iter().zip(&self.blocks));
        each.filter(|(_, (_, blocks))| **blocks > 0).map(|((kernel, function), (arguments, &blocks))| Call {
            function,
            kernel,
            blocks,
            arguments,
        })
    }

    /// Launches every kernel.
    pub(super) fn launch(&self, queue: &mut D::Queue) -> Result<()> {
        self.calls().try_for_each(|call| queue.launch(call))
    }
}
