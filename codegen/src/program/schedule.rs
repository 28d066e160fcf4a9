//! Which values have a variable, and where each is computed.
//!
//! ```text
//! Write s += (beta * k) v^T        Define k, Define beta, Define s_key = beta * k, Define v, Write s += s_key v^T
//! ```

use super::{Node, NodeId, Op, Program, Step, UNNAMED};

/// Drops reads whose value reaches no write, decay, mix or output.
pub(super) fn without_unused_reads(nodes: &[Node], events: Vec<Step>) -> Vec<Step> {
    let mut live = vec![false; nodes.len()];
    let mut kept: Vec<Step> = Vec::new();
    // A read is used by later events only, so one walk backwards decides.
    for step in events.into_iter().rev() {
        if matches!(&step, Step::Read { into, .. } if !live[into.index()]) {
            continue;
        }
        for operand in step.operands() {
            mark(nodes, operand, &mut live);
        }
        kept.push(step);
    }
    kept.reverse();
    kept
}

fn mark(nodes: &[Node], node: NodeId, live: &mut [bool]) {
    if !live[node.index()] {
        live[node.index()] = true;
        for operand in nodes[node.index()].op.operands() {
            mark(nodes, operand, live);
        }
    }
}

/// Decides which live nodes have a variable: inputs and reads, what the rule named, what events use, reductions and
/// their operands, what is used twice, one number used in a vector's loop, what need not be computed at every token.
pub(super) fn choose_stored(nodes: &mut [Node], events: &[Step]) {
    let mut uses = vec![0u32; nodes.len()];
    let mut stored = vec![false; nodes.len()];
    let mut live = vec![false; nodes.len()];
    for operand in events.iter().flat_map(Step::operands) {
        mark(nodes, operand, &mut live);
        stored[operand.index()] = true;
    }
    for (at, node) in nodes.iter().enumerate().filter(|&(at, _)| live[at]) {
        for x in node.op.operands() {
            let operand = &nodes[x.index()];
            uses[x.index()] += 1;
            stored[x.index()] |= node.op.is_reduction()
                || operand.dim != node.dim
                || (operand.constant && !node.constant)
                || uses[x.index()] > 1;
        }
        stored[at] |= matches!(node.op, Op::Input(..) | Op::Tap(_) | Op::Kept(_))
            || node.op.is_reduction()
            || node.wish != UNNAMED;
    }
    for (at, node) in nodes.iter_mut().enumerate() {
        let number = matches!(node.op, Op::Constant(_) | Op::Size(_));
        node.stored = live[at] && stored[at] && !number;
    }
}

/// Puts every definition just before the first step that needs it.
pub(super) fn schedule(nodes: Vec<Node>, events: Vec<Step>) -> Program {
    let mut program = Program { nodes, once: Vec::new(), steps: Vec::new() };
    let mut done = vec![false; program.nodes.len()];
    for step in events {
        for operand in step.operands() {
            define(&mut program, operand, &mut done);
        }
        if let Step::Read { into, .. } = step {
            done[into.index()] = true;
        }
        program.steps.push(step);
    }
    program
}

fn define(program: &mut Program, node: NodeId, done: &mut [bool]) {
    if done[node.index()] {
        return;
    }
    done[node.index()] = true;
    for operand in program.node(node).op.operands() {
        define(program, operand, done);
    }
    let Node { stored, constant, .. } = *program.node(node);
    match (stored, constant) {
        (false, _) => {}
        (true, true) => program.once.push(node),
        (true, false) => program.steps.push(Step::Define(node)),
    }
}
