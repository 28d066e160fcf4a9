//! Programs broken on purpose: the verifier finds each.

use crate::rules;
use chunkwise_algebra::program::{Columns, KeysId, NodeId, Op, Program, derive, verify};
use chunkwise_dsl::graph::{Expr, ReadId, Shape, Value};

fn program(name: &str) -> Program {
    let rules = [rules::catalogue(), rules::others()].concat();
    let rule =
        rules.into_iter().find(|r| r.signature.name == name).unwrap_or_else(|| panic!("no rule {name}"));
    derive(rule.timeline.as_ref().expect("the rule has a timeline")).expect("the rule has a program")
}

/// A value of the wanted shape that depends on a read, or does not.
fn value(p: &Program, shape: Shape, reads: bool) -> Value {
    let g = &p.timeline.graph;
    let tainted = g.dependents(|e| matches!(e, Expr::Read(_)));
    g.values()
        .find(|v| g.shape(*v) == shape && tainted[v.index()] == reads)
        .expect("the rule has such a value")
}

fn position(p: &Program, op: fn(&Op) -> bool) -> usize {
    p.nodes.iter().position(|n| op(&n.op)).expect("the program has such a matrix")
}

/// Breaks a program and expects the verifier to say so.
fn finds(name: &str, what: &str, breakage: impl FnOnce(&mut Program)) {
    let mut p = program(name);
    verify(&p).unwrap_or_else(|broken| panic!("{name} as derived: {broken}"));
    breakage(&mut p);
    let found = verify(&p).expect_err(what).to_string();
    assert!(found.contains(what), "{what}: {found}");
}

#[test]
fn keys() {
    let delta = "gated_deltanet";
    finds(delta, "keys", |p| p.keys[0].slots[0].place += 1);
    finds(delta, "keys", |p| p.keys[0].slots[0].value_place += 1);
    finds(delta, "keys", |p| p.keys[0].slots[0].event = 0);
    finds(delta, "keys", |p| p.keys[0].slots.clear());
    finds(delta, "keys", |p| {
        let form = p.timeline.forms[0];
        p.keys[0].slots[0].key = Some(value(p, form.value_shape(), false));
    });
    // Keys of a row are numbers, and so is this.
    finds("hgrn", "keys", |p| {
        p.keys[0].slots[0].key = Some(p.timeline.graph.push(Expr::Read(ReadId(0)), Shape::Scalar));
    });
}

#[test]
fn matrices() {
    let delta = "gated_deltanet";
    finds(delta, "matrix", |p| p.nodes.reverse());
    finds(delta, "matrix", |p| {
        let scale = position(p, |op| matches!(op, Op::Scale(..)));
        let Op::Scale(by, _) = &mut p.nodes[scale].op else { unreachable!("found above") };
        by.clear();
    });
    finds(delta, "matrix", |p| {
        let read = value(p, p.timeline.forms[0].value_shape(), true);
        let values = position(p, |op| matches!(op, Op::Values(_)));
        p.nodes[values].op = Op::Values(vec![Some(read)]);
    });
    finds(delta, "matrix", |p| {
        let product = position(p, |op| matches!(op, Op::Product(..)));
        p.nodes[product].columns = Columns::Value(None);
    });
    // Queries read after the write of their token: their matrix has a diagonal.
    finds(delta, "matrix", |p| {
        let inverse = position(p, |op| matches!(op, Op::Inverse(_)));
        let Op::Inverse(NodeId(m)) = p.nodes[inverse].op else { unreachable!("found above") };
        let Op::Scale(_, gram) = p.nodes[m as usize].op else {
            panic!("a coefficient stands before the matrix")
        };
        let Op::Gram(_, writes) = p.node(gram).op else { panic!("a gram is scaled") };
        let query = p.keys.len() - 1;
        p.nodes[gram.index()].op = Op::Gram(KeysId(query as u32), writes);
    });
    finds("two_sided", "matrix", |p| {
        let reach = position(p, |op| matches!(op, Op::Reach { .. }));
        let Op::Reach { reads, writes, .. } = &mut p.nodes[reach].op else { unreachable!("found above") };
        std::mem::swap(reads, writes);
    });
    finds("tanh_feedback", "matrix", |p| {
        let solved = position(p, |op| matches!(op, Op::Solved(..)));
        let Op::Solved(_, member) = &mut p.nodes[solved].op else { unreachable!("found above") };
        *member += 1;
    });
}

#[test]
fn systems() {
    let tanh = "tanh_feedback";
    finds(tanh, "system", |p| p.systems[0].sought.clear());
    finds(tanh, "system", |p| p.systems[0].sought[0].grams[0] = None);
    finds(tanh, "system", |p| p.systems[0].members[0].values.clear());
    finds(tanh, "system", |p| {
        // The output's read comes after the write.
        let late = p.timeline.graph.push(Expr::Read(ReadId(1)), p.timeline.forms[0].value_shape());
        p.systems[0].members[0].values[0] = late;
    });
}

#[test]
fn ends() {
    let delta = "gated_deltanet";
    finds(delta, "deposited", |p| p.deposits.push(p.deposits[0]));
    finds(delta, "deposited", |p| p.deposits.clear());
    finds(delta, "malformed", |p| {
        p.deposits[0].values = NodeId(position(p, |op| matches!(op, Op::Gram(..))) as u32)
    });
    finds(delta, "not found", |p| p.reads.clear());
    finds(delta, "not found", |p| p.reads[0].1.slot = 1);
}
