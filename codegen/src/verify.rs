//! Verifiers of the kernel stages. A failure is our bug, never the user's.
//!
//! Checked, of a program: operands come before users; elementwise operands are numbers or vectors of the node's dim;
//! reductions reduce a vector; every stored value is defined exactly once, before anything uses it; nothing that changes
//! from token to token is defined before the loop; factors, keys and values fit the side of the state they meet; the
//! events are those of the timeline, in order, but for reads that nothing uses; every output is stored once.
//!
//! Checked, of a layout: lanes and registers of every dim cover each element exactly once, runs are aligned and inside
//! the dim; the axes of a matrix state lie on different sides; a sum over columns happens in a block that has them all;
//! a block and its registers fit a multiprocessor.
//!
//! Not checked: that the nodes mean what the timeline's graph means, and the printed text (tests run both); the register
//! count, which is an estimate (tests read the compiler's log).

use crate::kernel::Limitation;
use crate::layout::{Layout, Side};
use crate::program::{NodeId, Op, Program, Step};
use chunkwise_dsl::graph::{Dim, StateId};
use chunkwise_dsl::timeline::{Event, Timeline};

fn ensure(ok: bool, message: impl FnOnce() -> String) -> Result<(), Limitation> {
    if ok { Ok(()) } else { Err(Limitation::Invalid(message())) }
}

/// Checks a program against the timeline it came from.
///
/// # Errors
/// [`Limitation::Invalid`].
pub fn program(timeline: &Timeline, program: &Program) -> Result<(), Limitation> {
    for at in 0..program.nodes.len() {
        node(program, NodeId(at as u32))?;
    }
    definitions(program)?;
    for step in &program.steps {
        fits(timeline, program, step)?;
    }
    events(timeline, program)?;
    let outputs: Vec<usize> = program.steps.iter().filter_map(output_of).collect();
    let expected: Vec<usize> = (0..timeline.outputs.len()).collect();
    ensure(outputs == expected, || format!("outputs {outputs:?} of {expected:?} are stored"))
}

fn output_of(step: &Step) -> Option<usize> {
    match step {
        Step::Output { index, .. } => Some(*index),
        _ => None,
    }
}

fn node(program: &Program, id: NodeId) -> Result<(), Limitation> {
    let node = program.node(id);
    for x in node.op.operands() {
        ensure(x < id, || format!("{id:?} uses {x:?}, which comes later"))?;
        let dim = program.node(x).dim;
        let ok = match node.op {
            op if op.is_reduction() => dim.is_some() && node.dim.is_none(),
            Op::Spread(_) => dim.is_none() && node.dim.is_some(),
            _ => dim.is_none() || dim == node.dim,
        };
        ensure(ok, || format!("{id:?} = {:?} of dim {:?} has an operand of dim {dim:?}", node.op, node.dim))?;
    }
    if let Op::Dot(x, y) = node.op {
        ensure(program.node(x).dim == program.node(y).dim, || format!("{id:?} is a dot of two dims"))?;
    }
    Ok(())
}

/// Walks definitions in the order of execution.
fn definitions(program: &Program) -> Result<(), Limitation> {
    let mut defined = vec![false; program.nodes.len()];
    let mut define = |id: NodeId, before_loop: bool, by_read: bool| {
        let node = program.node(id);
        ensure(node.stored && !defined[id.index()], || {
            format!("{id:?} is defined twice or needs no definition")
        })?;
        ensure(node.constant == before_loop, || format!("{id:?} is defined on the wrong side of the loop"))?;
        ensure(matches!(node.op, Op::Tap(_)) == by_read, || format!("{id:?} is not what a read gives"))?;
        for x in node.op.operands() {
            available(program, &defined, x)?;
        }
        defined[id.index()] = true;
        Ok(())
    };
    for &id in &program.once {
        define(id, true, false)?;
    }
    for step in &program.steps {
        match step {
            Step::Define(id) => define(*id, false, false)?,
            Step::Read { into, .. } => define(*into, false, true)?,
            _ => {}
        }
    }
    used_after_definition(program)
}

fn available(program: &Program, defined: &[bool], id: NodeId) -> Result<(), Limitation> {
    let node = program.node(id);
    if node.stored {
        return ensure(defined[id.index()], || format!("{id:?} is used before it is defined"));
    }
    ensure(!matches!(node.op, Op::Input(..) | Op::Tap(_)), || format!("{id:?} has no variable"))?;
    node.op.operands().try_for_each(|x| available(program, defined, x))
}

fn used_after_definition(program: &Program) -> Result<(), Limitation> {
    let mut defined = vec![false; program.nodes.len()];
    for &id in &program.once {
        defined[id.index()] = true;
    }
    for step in &program.steps {
        for x in step.operands() {
            available(program, &defined, x)?;
        }
        if let Step::Define(id) | Step::Read { into: id, .. } = step {
            defined[id.index()] = true;
        }
    }
    Ok(())
}

/// Whether a step's operands fit its state.
fn fits(timeline: &Timeline, program: &Program, step: &Step) -> Result<(), Limitation> {
    let dim = |id: NodeId| program.node(id).dim;
    let form = |state: StateId| timeline.form(state);
    let scales = |state: StateId, id: NodeId| {
        dim(id).is_none() || dim(id) == form(state).key || dim(id) == form(state).value
    };
    // A vector side takes a vector of its dim; a missing side takes a number.
    let side = |id: NodeId, expected: Option<Dim>| dim(id) == expected;
    let ok = match step {
        Step::Define(_) => true,
        Step::Decay { state, factor } => scales(*state, *factor),
        Step::Read { state, key, into } => side(*key, form(*state).key) && side(*into, form(*state).value),
        Step::Write { state, key, value } => side(*key, form(*state).key) && side(*value, form(*state).value),
        Step::Mix { states, matrix } => {
            matrix.len() == states.len()
                && matrix.iter().all(|row| row.len() == states.len())
                && states.iter().all(|&state| form(state) == form(states[0]))
                && matrix.iter().flatten().flatten().all(|&entry| scales(states[0], entry))
        }
        Step::Output { index, value } => {
            let shape = timeline.signature.outputs.get(*index).map(|output| output.shape);
            shape.is_some_and(|shape| shape.dims().next() == dim(*value))
        }
    };
    ensure(ok, || format!("{step:?} does not fit its state or output"))
}

/// The timeline's events without the reads that the program dropped, in order.
pub fn kept_events<'a>(timeline: &'a Timeline, program: &'a Program) -> impl Iterator<Item = &'a Event> {
    let taps: Vec<_> = program
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Read { into, .. } => Some(program.node(*into).op),
            _ => None,
        })
        .collect();
    timeline.events.iter().filter(move |event| match event {
        Event::Read(read) => taps.contains(&Op::Tap(*read)),
        _ => true,
    })
}

fn events(timeline: &Timeline, program: &Program) -> Result<(), Limitation> {
    let mut expected = kept_events(timeline, program);
    for step in &program.steps {
        if matches!(step, Step::Define(_) | Step::Output { .. }) {
            continue;
        }
        let same = match (step, expected.next()) {
            (Step::Decay { state, .. }, Some(Event::Decay { state: other, .. })) => state == other,
            (Step::Write { state, .. }, Some(Event::Write { state: other, .. })) => state == other,
            (Step::Mix { states, .. }, Some(Event::Mix { states: others, .. })) => states == others,
            (Step::Read { state, into, .. }, Some(Event::Read(read))) => {
                *state == timeline.read(*read).state && program.node(*into).op == Op::Tap(*read)
            }
            _ => false,
        };
        ensure(same, || format!("{step:?} is out of order"))?;
    }
    ensure(expected.next().is_none(), || "an event is missing".to_owned())
}

/// Checks a layout for a program.
///
/// # Errors
/// [`Limitation::Invalid`].
pub fn layout(timeline: &Timeline, program: &Program, layout: &Layout) -> Result<(), Limitation> {
    ensure(layout.lanes.is_power_of_two() && layout.lanes <= 32, || format!("{} lanes", layout.lanes))?;
    let threads = layout.threads();
    ensure((32..=1024).contains(&threads) && layout.blocks >= 1, || format!("{threads} threads in a block"))?;
    ensure(!layout.whole || layout.blocks == 1, || "sums over columns need them in one block".to_owned())?;
    let (registers, all) = (layout.registers, layout.registers * threads);
    ensure(registers <= 255 && all <= 65536, || format!("{registers} registers, {all} in a block"))?;
    for (at, axis) in layout.axes.iter().enumerate() {
        let aligned = axis.run.is_power_of_two() && axis.size.is_multiple_of(axis.run);
        ensure(aligned && axis.registers.is_multiple_of(axis.run), || {
            format!("runs of axis {at}: {axis:?}")
        })?;
        coverage(layout, Dim(at as u32))?;
    }
    for form in &timeline.forms {
        if let (Some(key), Some(value)) = (form.key, form.value) {
            let sides = (layout.axis(key).side, layout.axis(value).side);
            ensure(sides == (Side::Lanes, Side::Columns), || format!("a state lies on {sides:?}"))?;
        }
    }
    for node in program.nodes.iter().filter(|node| node.stored && node.op.is_reduction()) {
        let dims = node.op.operands().filter_map(|x| program.node(x).dim);
        let columns = dims.map(|dim| layout.axis(dim).side).any(|side| side == Side::Columns);
        ensure(!columns || layout.whole, || format!("{:?} sums over columns of other blocks", node.op))?;
    }
    Ok(())
}

/// Every element of a dim is in one register of one lane (of a group, or of all groups), or is padding.
fn coverage(layout: &Layout, dim: Dim) -> Result<(), Limitation> {
    let axis = layout.axis(dim);
    let holders = match axis.side {
        Side::Lanes => layout.lanes,
        Side::Columns => layout.groups() * layout.warps * layout.blocks,
    };
    let mut count = vec![0u32; axis.size as usize];
    let mut padding = false;
    for holder in 0..holders {
        for register in 0..axis.registers {
            let first = holder * if axis.side == Side::Lanes { axis.run } else { axis.registers };
            let element = first + register / axis.run * axis.stride + register % axis.run;
            match count.get_mut(element as usize) {
                Some(seen) => *seen += 1,
                None => padding = true,
            }
        }
    }
    let once = count.iter().all(|&seen| seen == 1);
    ensure(once && padding == axis.padded, || format!("{axis:?} covers its elements {count:?} times"))
}
