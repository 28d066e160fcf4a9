//! One run: tensors into the machine's memory, the launches of a plan on them, and the results back to the host.
//!
//! A kernel lists its arguments by role ([`chunkwise_codegen::kernel`]); each gets its value here. The same code serves a
//! GPU and the simulator.

use super::driver::{Driver, Queue};
use super::inputs::{check, check_address, element, strides};
use super::launches::{Launches, Loaded};
use crate::bind::Tensors;
use crate::error::{Error, Result};
use crate::layout::{output_axes, param_axes, state_axes};
use crate::tensor::{Data, Element, Tensor, element_count};
use crate::validate::{Problem, index_text};
use crate::view::View;
use chunkwise_codegen::schedule::{Extent, Pieces};
use chunkwise_codegen::{Argument, Role, Schedule};
use chunkwise_dsl::graph::ParamId;
use chunkwise_dsl::signature::Signature;
use std::sync::Arc;

/// A run's rule and tensors.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) signature: &'a Signature,
    pub(super) problem: &'a Problem<'a>,
    /// Tokens of a piece, where the plan leaves them open and the caller does not.
    pub(super) piece: Option<usize>,
}

/// Room for a result.
struct Room {
    role: Role,
    address: u64,
    shape: Vec<usize>,
    element: Element,
}

/// What was uploaded: a tensor by its place on the host, the type on the machine, and the address there.
type Uploads = Vec<(usize, Element, u64)>;

impl Run<'_> {
    /// Uploads, launches, downloads. The tensors were checked and fit the kernels' sizes.
    pub(super) fn launch<D: Driver>(self, driver: &Arc<D>, loaded: &Arc<Loaded<D>>) -> Result<Tensors> {
        let mut queue = driver.queue()?;
        let (launches, rooms) = self.lay_out(driver, &mut queue, loaded)?;
        launches.launch(&mut queue)?;
        // So that a kernel's own failure is not blamed on a copy.
        queue.wait()?;
        self.download(&mut queue, &loaded.schedule, &rooms)
    }

    /// Uploads the tensors `copies` times and times `repeats` launches, each on the next copy. Milliseconds.
    pub(super) fn time<D: Driver>(
        self,
        driver: &Arc<D>,
        loaded: &Arc<Loaded<D>>,
        copies: usize,
        repeats: usize,
    ) -> Result<Vec<f64>> {
        let mut queue = driver.queue()?;
        let copies = (0..copies.max(1)).map(|_| Ok(self.lay_out(driver, &mut queue, loaded)?.0));
        let copies: Vec<_> = copies.collect::<Result<_>>()?;
        let sets: Vec<Vec<_>> = copies.iter().map(|launches| launches.calls().collect()).collect();
        if sets.iter().all(Vec::is_empty) {
            return Ok(vec![0.0; repeats]);
        }
        queue.time(&sets, repeats)
    }

    /// The launches with all their arguments, and where their results will be.
    fn lay_out<D: Driver>(
        self,
        driver: &Arc<D>,
        queue: &mut D::Queue,
        loaded: &Arc<Loaded<D>>,
    ) -> Result<(Launches<D>, Vec<Room>)> {
        let layout = &self.problem.layout;
        let tokens = layout.sequences.last().map_or(0, |s| s.end);
        let size = (layout.sequences.len(), tokens, layout.heads);
        let extent = extent(&loaded.schedule, size, driver.multiprocessors(), self.piece);
        let mut launches = Launches::new(loaded.clone());
        launches.resize(&extent, layout.tokens)?;
        let arguments: Vec<Argument> = launches.all().cloned().collect();
        let (mut rooms, mut uploads) = (Vec::new(), Uploads::new());
        for (number, argument) in arguments.iter().enumerate() {
            match argument.role {
                Role::Input(p) => {
                    let address = self.input(queue, argument, p, &mut uploads)?;
                    launches.set(number, &address.to_le_bytes());
                }
                Role::Strides(p) => {
                    let strides =
                        strides(&param_axes(self.signature.param(p)), self.view(p)?.strides(), self.group(p));
                    launches.set(number, &strides.to_le_bytes());
                }
                Role::InitialState(s) => {
                    if let Some(given) = self.problem.initial.get(s.index()).and_then(Option::as_ref) {
                        let bytes = given.numbers()?.cast(element(argument)?)?.data().to_le_bytes();
                        launches.set(number, &queue.upload(&argument.name, &bytes)?.to_le_bytes());
                    }
                }
                Role::Output(_) | Role::FinalState(_) => {
                    let room = self.room(queue, argument)?;
                    launches.set(number, &room.address.to_le_bytes());
                    rooms.push(room);
                }
                Role::CuSeqlens => {
                    let address = self.cuts(queue, argument)?;
                    launches.set(number, &address.to_le_bytes());
                }
                // Set by their size.
                Role::Tokens | Role::Heads | Role::Sequences | Role::PieceTokens | Role::Workspace(_) => {}
            }
        }
        launches.allocate(queue, &extent)?;
        Ok((launches, rooms))
    }

    fn view(&self, param: ParamId) -> Result<&View<'_>> {
        let view = self.problem.params.get(param.index());
        view.ok_or_else(|| Error::bug("a kernel reads what its rule does not have"))
    }

    /// State heads that share a head of this parameter.
    fn group(self, param: ParamId) -> usize {
        let layout = &self.problem.layout;
        layout.heads / layout.param_heads.get(param.index()).map_or(1, |heads| (*heads).max(1))
    }

    /// The address of an input, uploaded with the whole tensor that it is a part of, once for all its parts.
    fn input<Q: Queue>(
        self,
        queue: &mut Q,
        argument: &Argument,
        param: ParamId,
        uploads: &mut Uploads,
    ) -> Result<u64> {
        let view = self.view(param)?;
        let element = element(argument)?;
        let axes = param_axes(self.signature.param(param));
        check(argument, &axes, view.shape().iter().copied(), view.strides())?;
        let Some(base) = view.base() else {
            view.numbers()?;
            return Err(Error::bug("a tensor that is elsewhere has numbers"));
        };
        let place = std::ptr::from_ref(base).addr();
        let known = uploads.iter().find(|(at, e, _)| (*at, *e) == (place, element));
        let address = match known {
            Some((_, _, address)) => *address,
            None => {
                let address = queue.upload(&argument.name, &base.cast(element)?.data().to_le_bytes())?;
                uploads.push((place, element, address));
                address
            }
        };
        let address = address + (view.offset() * element.bytes()) as u64;
        check_address(argument, address)?;
        Ok(address)
    }

    /// Where packed sequences begin; null where every row of tokens is a sequence, all of one length.
    fn cuts<Q: Queue>(self, queue: &mut Q, argument: &Argument) -> Result<u64> {
        let layout = &self.problem.layout;
        if layout.sequences.len() == layout.batch {
            return Ok(0);
        }
        let cuts = std::iter::once(0).chain(layout.sequences.iter().map(|s| s.end as i64));
        queue.upload(&argument.name, &cuts.flat_map(i64::to_le_bytes).collect::<Vec<u8>>())
    }

    /// Room for a result.
    fn room<Q: Queue>(self, queue: &mut Q, argument: &Argument) -> Result<Room> {
        let (shape, element) = (self.result_shape(argument.role)?, element(argument)?);
        let bytes = element_count(&shape).and_then(|n| n.checked_mul(element.bytes()));
        let bytes = bytes.ok_or_else(|| {
            Error::mistake(format!("`{}` does not fit in memory", argument.name), "use smaller tensors")
        })?;
        Ok(Room { role: argument.role, address: queue.allocate(&argument.name, bytes)?, shape, element })
    }

    /// The shape of an output or a final state.
    fn result_shape(self, role: Role) -> Result<Vec<usize>> {
        let signature = self.signature;
        let axes = match role {
            Role::Output(i) => signature.outputs.get(i).map(|o| output_axes(o.shape)),
            Role::FinalState(s) => signature.states.get(s.index()).map(|s| state_axes(s.shape)),
            _ => None,
        };
        let axes = axes.ok_or_else(|| Error::bug("a kernel writes what its rule does not have"))?;
        Ok(self.problem.layout.shape(&axes, self.problem.layout.heads))
    }

    /// Outputs, then final states, under the names that every device gives them.
    fn download<Q: Queue>(self, queue: &mut Q, schedule: &Schedule, rooms: &[Room]) -> Result<Tensors> {
        let signature = self.signature;
        let mut tensors = Tensors::new();
        let outputs = signature.outputs.iter().enumerate().map(|(i, o)| (Role::Output(i), &o.name));
        let states = signature.state_ids().map(|s| (Role::FinalState(s), &signature.state(s).name));
        for (role, name) in outputs.chain(states) {
            let Some(room) = rooms.iter().find(|room| room.role == role) else {
                return Err(Error::bug(format!("no kernel writes `{name}`")));
            };
            let Room { address, shape, element, .. } = room;
            let bytes = shape.iter().product::<usize>() * element.bytes();
            if let Some(at) = queue.unwritten(*address, bytes) {
                let (place, kernels) = (index_text(shape, at / element.bytes()), names(schedule));
                return Err(Error::bug(format!("{kernels} never wrote `{name}` at {place}")));
            }
            let data = Data::from_le_bytes(*element, &queue.download(*address, bytes)?);
            tensors.insert(name.as_str(), Tensor::new(shape.clone(), data)?);
        }
        Ok(tensors)
    }
}

/// The most tokens of a piece: more than fit in any memory, few enough that kernels can add them up.
const LONGEST: usize = 1 << 40;

/// How large a launch is, of so many sequences, tokens and heads.
pub(super) fn extent(
    schedule: &Schedule,
    (sequences, tokens, heads): (usize, usize, usize),
    multiprocessors: usize,
    piece: Option<usize>,
) -> Extent {
    let piece = match (schedule.pieces, piece) {
        (Pieces::MultipleOf(of), Some(given)) => given.clamp(1, LONGEST).next_multiple_of(of.max(1) as usize),
        _ => schedule.piece(sequences, tokens, heads, multiprocessors),
    };
    Extent { sequences, tokens, heads, piece }
}

/// ``the kernels `a`, `b` ``, for messages.
fn names(schedule: &Schedule) -> String {
    let names: Vec<String> = schedule.kernels.iter().map(|kernel| format!("`{}`", kernel.name)).collect();
    let what = if names.len() == 1 { "the kernel" } else { "the kernels" };
    format!("{what} {}", names.join(", "))
}

#[cfg(test)]
mod tests;
