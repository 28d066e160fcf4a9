//! A plan prepared for tensors that the caller owns: everything is checked, compiled and laid out before the first launch,
//! and a launch is nothing but the launches of its kernels.

use super::Gpu;
use super::driver::Driver;
use super::inputs::{check, check_address, element, strides};
use super::launch::extent;
use super::launches::Launches;
use crate::bind::Bindings;
use crate::error::{Error, Message, Result};
use crate::layout::{Axis, param_axes};
use crate::options::Options;
use crate::tensor::Element;
use crate::validate::{Pass, Problem};
use crate::view::{contiguous, pack};
use chunkwise_codegen::schedule::{Buffer, Extent};
use chunkwise_codegen::{Argument, Role, Strides};

/// Launches on memory of the caller's.
#[derive(Debug)]
pub(crate) struct Prepared<D: Driver> {
    launches: Launches<D>,
    /// By number of the argument; of those that are inputs.
    inputs: Vec<Option<Input>>,
    /// By number of the argument: has no address yet, and needs one.
    missing: Vec<bool>,
    /// Whether `cu_seqlens` says where sequences are.
    packed: bool,
    heads: usize,
    piece: Option<usize>,
    multiprocessors: usize,
    /// What the memory between kernels is enough for.
    largest: Extent,
}

/// Where an input lies.
#[derive(Debug)]
struct Input {
    axes: Vec<Axis>,
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// Whether its strides follow from its shape.
    contiguous: bool,
    group: usize,
    /// The number of the argument that says so to kernels.
    number: usize,
}

impl Input {
    fn strides(&self) -> Strides {
        strides(&self.axes, &self.strides, self.group)
    }
}

impl<D: Driver> Gpu<D> {
    /// Everything before the first launch. `bindings` are what the tensors will be like.
    pub(crate) fn prepare(
        &self,
        bindings: &Bindings<'_>,
        options: &Options,
        queue: &mut D::Queue,
    ) -> Result<Prepared<D>> {
        let (problem, loaded, piece) = self.checked(bindings, options, Pass::Forward, true)?;
        let launches = Launches::new(loaded);
        self.check_types(&problem, &launches, bindings)?;
        let layout = &problem.layout;
        let tokens = layout.sequences.last().map_or(0, |s| s.end);
        let size = (layout.sequences.len(), tokens, layout.heads);
        let multiprocessors = self.driver.multiprocessors();
        let largest = extent(launches.schedule(), size, multiprocessors, piece);
        let inputs = launches.all().map(|argument| self.input(&problem, &launches, argument)).collect();
        let needed =
            |a: &Argument| a.is_pointer() && !a.is_optional() && !matches!(a.role, Role::Workspace(_));
        let packed = bindings.get("cu_seqlens").is_some();
        let missing = launches.all().map(|a| needed(a) || packed && a.role == Role::CuSeqlens).collect();
        let mut prepared = Prepared {
            launches,
            inputs,
            missing,
            packed,
            heads: layout.heads,
            piece,
            multiprocessors,
            largest,
        };
        prepared.launches.allocate(queue, &largest)?;
        prepared.resize(layout.sequences.len(), layout.tokens)?;
        Ok(prepared)
    }

    fn input(&self, problem: &Problem<'_>, launches: &Launches<D>, argument: &Argument) -> Option<Input> {
        let Role::Input(p) = argument.role else { return None };
        let (view, own) = (problem.params.get(p.index())?, problem.layout.param_heads.get(p.index())?);
        let (shape, strides) = (view.shape().to_vec(), view.strides().to_vec());
        Some(Input {
            axes: param_axes(self.timeline.signature.param(p)),
            contiguous: contiguous(&shape) == strides,
            shape,
            strides,
            group: problem.layout.heads / (*own).max(1),
            number: launches.find(Role::Strides(p))?,
        })
    }

    /// Nothing converts what lies on the machine, so every tensor has the type that kernels read.
    fn check_types(
        &self,
        problem: &Problem<'_>,
        launches: &Launches<D>,
        bindings: &Bindings<'_>,
    ) -> Result<()> {
        let mut messages = Vec::new();
        for argument in launches.all() {
            let (given, wanted) = match argument.role {
                Role::Input(p) => (problem.params.get(p.index()).map(|v| v.element()), element(argument)?),
                Role::InitialState(s) => {
                    let given = problem.initial.get(s.index()).and_then(Option::as_ref);
                    (given.map(|v| v.element()), element(argument)?)
                }
                Role::CuSeqlens => (bindings.get("cu_seqlens").map(|v| v.element()), Element::I64),
                _ => continue,
            };
            if let Some(given) = given.filter(|given| *given != wanted) {
                messages.push(Message::new(
                    format!("tensor `{}` holds {given}, and a prepared launch reads {wanted}", argument.name),
                    "what lies on a device is not converted; scalars, decays, what is `PerHead` and states are f32, \
                     `cu_seqlens` is i64",
                ));
            }
        }
        Error::mistakes(messages)
    }
}

impl<D: Driver> Prepared<D> {
    /// The number of a tensor by its name; `None` where no kernel takes one of that name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.launches.all().position(|argument| {
            let between = matches!(argument.role, Role::Workspace(_));
            argument.is_pointer() && !between && argument.name == name
        })
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> Vec<String> {
        let tensors = self.launches.all().filter(|a| a.is_pointer() && !matches!(a.role, Role::Workspace(_)));
        tensors.map(|argument| argument.name.clone()).collect()
    }

    /// Says where a tensor is; 0 where it is nowhere.
    pub(crate) fn point(&mut self, number: usize, address: u64) -> Result<()> {
        let Some(argument) = self.launches.argument(number) else {
            return Err(Error::mistake(
                "a slot of another prepared launch",
                "ask `Prepared::slot` for slots",
            ));
        };
        check_address(argument, address)?;
        let is_cuts = argument.role == Role::CuSeqlens;
        if is_cuts && !self.packed && address != 0 {
            return Err(Error::mistake(
                "this launch was prepared for a dense batch, and takes no `cu_seqlens`",
                "prepare it with `cu_seqlens` among the tensors",
            ));
        }
        self.missing[number] = address == 0 && (!argument.is_optional() || is_cuts && self.packed);
        self.launches.set(number, &address.to_le_bytes());
        Ok(())
    }

    /// Says how an input lies, by the strides of all its dims.
    pub(crate) fn set_strides(&mut self, number: usize, given: &[usize]) -> Result<()> {
        let input = self.inputs.get_mut(number).and_then(Option::as_mut);
        let (Some(input), Some(argument)) = (input, self.launches.argument(number)) else {
            return Err(Error::mistake(
                "only inputs have strides",
                "states and outputs are contiguous; `cu_seqlens` is a list",
            ));
        };
        if given.len() != input.shape.len() {
            return Err(Error::mistake(
                format!(
                    "tensor `{}` has {} dims, and {} strides were given",
                    argument.name,
                    input.shape.len(),
                    given.len()
                ),
                "give one a dim, outermost first, in numbers and not in bytes",
            ));
        }
        check(argument, &input.axes, input.shape.iter().copied(), given)?;
        input.strides.copy_from_slice(given);
        input.contiguous = false;
        let (to, value) = (input.number, input.strides().to_le_bytes());
        self.launches.set(to, &value);
        Ok(())
    }

    /// Other lengths: so many sequences, and tokens of each, or of all together where they are packed.
    pub(crate) fn resize(&mut self, sequences: usize, tokens: usize) -> Result<()> {
        let all = if self.packed { Some(tokens) } else { sequences.checked_mul(tokens) };
        let all = all.filter(|all| i64::try_from(*all).is_ok()).ok_or_else(|| {
            Error::mistake(
                format!("{sequences} sequences of {tokens} tokens fit in no memory"),
                "use smaller tensors",
            )
        })?;
        let extent = self.within((sequences, all, self.heads))?;
        let batch = if self.packed { 1 } else { sequences };
        for (number, input) in self.inputs.iter().enumerate() {
            let (Some(input), Some(argument)) = (input, self.launches.argument(number)) else { continue };
            if !input.contiguous {
                let sizes = input.axes.iter().zip(&input.shape);
                let sizes = sizes.map(|(axis, size)| resized(*axis, *size, batch, tokens));
                check(argument, &input.axes, sizes, &input.strides)?;
            }
        }
        self.launches.resize(&extent, tokens)?;
        for input in self.inputs.iter_mut().flatten() {
            for (axis, size) in input.axes.iter().zip(&mut input.shape) {
                *size = resized(*axis, *size, batch, tokens);
            }
            if input.contiguous {
                pack(&input.shape, &mut input.strides);
            }
            self.launches.set(input.number, &input.strides().to_le_bytes());
        }
        Ok(())
    }

    /// A launch of this size with the memory that there is between kernels. Fewer tokens may be cut into more pieces, so where
    /// those are too many, pieces are as long as those that the memory is for.
    fn within(&self, size: (usize, usize, usize)) -> Result<Extent> {
        let chosen = extent(self.launches.schedule(), size, self.multiprocessors, self.piece);
        let longer = Extent { piece: chosen.piece.max(self.largest.piece), ..chosen };
        [chosen, longer].into_iter().find(|extent| self.fits(extent)).ok_or_else(|| {
            let most = &self.largest;
            Error::mistake(
                format!(
                    "{} sequences of {} tokens in all need more memory between kernels than this launch was prepared with, for \
                     {} sequences of {}",
                    chosen.sequences, chosen.tokens, most.sequences, most.tokens
                ),
                "prepare with the largest shapes, then launch any that need no more",
            )
        })
    }

    /// Whether the memory between kernels is enough.
    fn fits(&self, extent: &Extent) -> bool {
        let fits = |buffer: &Buffer| {
            buffer.len(extent).is_some_and(|needed| Some(needed) <= buffer.len(&self.largest))
        };
        self.launches.schedule().buffers.iter().all(fits)
    }

    /// Launches.
    pub(crate) fn launch(&self, queue: &mut D::Queue) -> Result<()> {
        if let Some(number) = self.missing.iter().position(|missing| *missing) {
            let name = self.launches.argument(number).map_or("", |argument| &argument.name);
            // Without a block nobody reads it.
            if self.launches.calls().next().is_some() {
                return Err(Error::mistake(
                    format!("tensor `{name}` has no address"),
                    "say where every input and output is, by `Prepared::point`, before the launch",
                ));
            }
        }
        self.launches.launch(queue)
    }
}

/// The size of a dim after the batch and the tokens changed.
fn resized(axis: Axis, size: usize, batch: usize, tokens: usize) -> usize {
    match axis {
        Axis::Batch => batch,
        Axis::Tokens => tokens,
        _ => size,
    }
}
