//! The verifier of chunk programs. A failure is our bug, never the user's.
//!
//! Checked: keys stand where their reads and writes do on the timeline, and are free of reads; operands come before users;
//! rows and columns fit; decays that act on entries are numbers; coefficients are scalars that are free of reads; what
//! is inverted is strictly lower triangular in timeline order; a system's values use only its own reads, of the same
//! token and before them; every write is deposited once; every read that an output uses is found.
//!
//! Not checked: that the program means what the timeline means (the evaluators' tests do that).

use super::build::by_number;
use super::derive::reads_of;
use super::print::print;
use super::walk::reaches;
use super::{Columns, Found, Keys, KeysId, Node, NodeId, Op, Program, Slot, System};
use chunkwise_dsl::graph::{Expr, Shape, StateId, Value};
use chunkwise_dsl::timeline::{Event, Side};
use chunkwise_dsl::verify::{Broken, graph};

/// Checks a chunk program.
///
/// # Errors
/// What is malformed.
pub fn verify(program: &Program) -> Result<(), Broken> {
    graph(&program.timeline.graph)?;
    let tainted = program.timeline.graph.dependents(|e| matches!(e, Expr::Read(_)));
    let v = Verifier { p: program, tainted, reaches: reaches(&program.timeline) };
    for (n, keys) in program.keys.iter().enumerate() {
        ensure(v.keys(keys), || format!("keys {n}, {keys:?}, are malformed"))?;
    }
    for (n, node) in program.nodes.iter().enumerate() {
        ensure(v.node(n, node), || format!("matrix {n}, {node:?}, is malformed"))?;
    }
    for (n, system) in program.systems.iter().enumerate() {
        ensure(v.system(system), || format!("system {n}, {system:?}, is malformed"))?;
    }
    v.ends()
}

/// The program of a pass; in debug builds it is verified, and a failure names the pass.
pub(super) fn checked(pass: &str, program: Program) -> Program {
    if cfg!(debug_assertions)
        && let Err(broken) = verify(&program)
    {
        panic!("after {pass}, {broken}\n{}", print(&program));
    }
    program
}

fn ensure(ok: bool, message: impl FnOnce() -> String) -> Result<(), Broken> {
    if ok { Ok(()) } else { Err(Broken { message: format!("in a chunk program, {}", message()) }) }
}

struct Verifier<'a> {
    p: &'a Program,
    /// By value: whether it depends on a read.
    tainted: Vec<bool>,
    reaches: Vec<Vec<bool>>,
}

impl Verifier<'_> {
    fn free(&self, v: Value, shape: Shape) -> bool {
        !self.tainted[v.index()] && self.p.timeline.graph.shape(v) == shape
    }

    fn keys(&self, keys: &Keys) -> bool {
        let shape = self.p.timeline.form(keys.state).key_shape();
        keys.slots.len() == self.p.slots(keys.stack)
            && !keys.slots.is_empty()
            && keys.slots.iter().all(|slot| match slot.key {
                Some(key) => self.free(key, shape) && self.stands(keys.state, slot),
                None => slot.event < self.p.timeline.events.len(),
            })
    }

    /// Whether the slot is at a read or write of the state, after as many decays as it says.
    fn stands(&self, state: StateId, slot: &Slot) -> bool {
        let t = &self.p.timeline;
        let touched = match t.events.get(slot.event) {
            Some(Event::Read(r)) => t.read(*r).state == state,
            Some(Event::Write { state: s, .. }) => *s == state,
            _ => false,
        };
        let before = |side: fn(Side) -> bool| {
            let decays = t.events.iter().take(slot.event).filter(|e| match e {
                Event::Decay { state: s, factor } => *s == state && side(t.side(*s, factor.value())),
                _ => false,
            });
            decays.count()
        };
        touched
            && slot.place == before(|side| side != Side::Value)
            && slot.value_place == before(|side| side == Side::Value)
    }

    fn all_reads(&self, keys: &Keys) -> bool {
        let is_read = |s: &Slot| matches!(self.p.timeline.events[s.event], Event::Read(_));
        keys.slots.iter().all(|s| s.key.is_none() || is_read(s))
    }

    /// Writes only, in timeline order.
    fn all_writes(&self, keys: &Keys) -> bool {
        let is_write = |s: &Slot| matches!(self.p.timeline.events[s.event], Event::Write { .. });
        keys.slots.iter().all(|s| s.key.is_some() && is_write(s))
            && keys.slots.is_sorted_by(|a, b| a.event < b.event)
    }

    fn value_columns(&self, keys: &Keys) -> Columns {
        Columns::Value(self.p.timeline.form(keys.state).value)
    }

    /// Whether reads and writes meet.
    fn meet(&self, reads: KeysId, writes: KeysId) -> bool {
        let (Some(reads), Some(writes)) = (self.p.keys.get(reads.index()), self.p.keys.get(writes.index()))
        else {
            return false;
        };
        self.all_reads(reads)
            && self.all_writes(writes)
            && self.reaches[writes.state.index()][reads.state.index()]
    }

    fn node(&self, n: usize, node: &Node) -> bool {
        let Node { op, rows, columns } = node;
        let slots = self.p.slots(*rows);
        let before = operands(self.p, op).iter().all(|x| x.index() < n);
        before
            && match op {
                Op::Values(values) => match columns {
                    Columns::Value(dim) => {
                        let shape = Shape::of(None, *dim);
                        values.len() == slots && values.iter().flatten().all(|v| self.free(*v, shape))
                    }
                    Columns::Rows(_) => false,
                },
                Op::Scale(by, x) => {
                    by.len() == slots
                        && by.iter().all(|c| self.free(*c, Shape::Scalar))
                        && self.alike(*x, node)
                }
                Op::Add(x, y) => self.alike(*x, node) && self.alike(*y, node),
                Op::Gram(reads, writes) | Op::Plain(reads, writes) => {
                    self.meet(*reads, *writes)
                        && *rows == self.p.keys(*reads).stack
                        && *columns == Columns::Rows(self.p.keys(*writes).stack)
                }
                Op::Decay(to, from, x) => {
                    let (to, from) = (self.p.keys(*to), self.p.keys(*from));
                    (self.all_reads(to) || self.all_writes(to))
                        && self.all_writes(from)
                        && to.state == from.state
                        && by_number(&self.p.timeline, to.state)
                        && self.alike(*x, node)
                        && *rows == to.stack
                        && *columns == Columns::Rows(from.stack)
                }
                Op::Tap(reads) => {
                    let reads = self.p.keys(*reads);
                    self.all_reads(reads) && *rows == reads.stack && *columns == self.value_columns(reads)
                }
                Op::Inverse(m) => {
                    *columns == Columns::Rows(*rows) && self.alike(*m, node) && self.strictly_lower(*m)
                }
                Op::Product(x, y) => {
                    let (x, y) = (self.p.node(*x), self.p.node(*y));
                    x.columns == Columns::Rows(y.rows) && *rows == x.rows && *columns == y.columns
                }
                Op::Reach { reads, writes, values } => {
                    let values = self.p.node(*values);
                    self.meet(*reads, *writes)
                        && *rows == self.p.keys(*reads).stack
                        && values.rows == self.p.keys(*writes).stack
                        && *columns == values.columns
                        && *columns == self.value_columns(self.p.keys(*reads))
                }
                Op::Solved(system, member) => {
                    let system = self.p.systems.get(system.index());
                    system.and_then(|s| s.members.get(*member)).is_some_and(|m| {
                        let keys = self.p.keys(m.keys);
                        *rows == keys.stack && *columns == self.value_columns(keys)
                    })
                }
            }
    }

    fn alike(&self, x: NodeId, node: &Node) -> bool {
        let x = self.p.node(x);
        x.rows == node.rows && x.columns == node.columns
    }

    /// Whether each row, which stands for the write of its slot, holds only what was written before it: its reads stand before
    /// the write.
    fn strictly_lower(&self, m: NodeId) -> bool {
        match &self.p.node(m).op {
            Op::Scale(_, x) | Op::Decay(_, _, x) => self.strictly_lower(*x),
            Op::Add(x, y) => self.strictly_lower(*x) && self.strictly_lower(*y),
            Op::Gram(reads, writes) | Op::Plain(reads, writes) => {
                let (reads, writes) = (self.p.keys(*reads), self.p.keys(*writes));
                let pairs = reads.slots.iter().zip(&writes.slots);
                reads.stack == writes.stack
                    && pairs.into_iter().all(|(r, w)| r.key.is_none() || r.event < w.event)
            }
            _ => false,
        }
    }

    fn system(&self, system: &System) -> bool {
        let t = &self.p.timeline;
        let mut sought =
            system.sought.iter().flat_map(|s| s.reads.iter().map(|(r, _)| *r)).collect::<Vec<_>>();
        sought.sort();
        let at = |read| t.events.iter().position(|e| *e == Event::Read(read));
        let once = sought.is_sorted_by(|a, b| a < b);
        let member = |m: &super::Member| {
            let keys = self.p.keys(m.keys);
            let shape = t.form(keys.state).value_shape();
            let fits = |(slot, value): (&Slot, &Value)| {
                let reads = reads_of(t, *value);
                t.graph.shape(*value) == shape
                    && reads.iter().all(|r| sought.contains(r) && at(*r).is_some_and(|e| e < slot.event))
            };
            self.all_writes(keys)
                && keys.slots.len() == m.values.len()
                && keys.slots.iter().zip(&m.values).all(fits)
        };
        let reads = |s: &super::Sought| {
            let (keys, found) = (self.p.keys(s.keys), self.p.node(s.found));
            let slots = keys.slots.iter().zip(&s.reads);
            let placed = slots.into_iter().all(|(slot, (r, scale))| {
                Some(slot.event) == at(*r) && slot.key.is_some() && self.free(*scale, Shape::Scalar)
            });
            let grams = s.grams.iter().zip(&system.members).all(|(gram, m)| match gram {
                Some(gram) => self.p.node(*gram).op == Op::Gram(s.keys, m.keys),
                None => !self.reaches[self.p.keys(m.keys).state.index()][keys.state.index()],
            });
            placed
                && grams
                && s.grams.len() == system.members.len()
                && keys.slots.len() == s.reads.len()
                && found.rows == keys.stack
                && found.columns == self.value_columns(keys)
        };
        once && system.members.iter().all(member) && system.sought.iter().all(reads)
    }

    /// What leaves the chunk: deposits and found reads.
    fn ends(&self) -> Result<(), Broken> {
        let p = self.p;
        let mut written = Vec::new();
        for deposit in &p.deposits {
            let (keys, values) = (p.keys(deposit.keys), p.node(deposit.values));
            let fits = values.rows == keys.stack && values.columns == self.value_columns(keys);
            ensure(fits && self.all_writes(keys), || format!("{deposit:?} is malformed"))?;
            written.extend(keys.slots.iter().map(|s| s.event));
        }
        written.sort_unstable();
        let is_write = |n: &usize| matches!(p.timeline.events[*n], Event::Write { .. });
        let writes: Vec<usize> = (0..p.timeline.events.len()).filter(is_write).collect();
        ensure(written == writes, || format!("the writes {writes:?} are deposited as {written:?}"))?;
        for r in p.timeline.outputs.iter().flat_map(|&o| reads_of(&p.timeline, o)) {
            let found = p.reads.iter().filter(|(read, _)| *read == r).collect::<Vec<_>>();
            let fits = |Found { node, slot, scale }: &Found| {
                *slot < p.slots(p.node(*node).rows)
                    && p.node(*node).columns
                        == Columns::Value(p.timeline.form(p.timeline.read(r).state).value)
                    && self.free(*scale, Shape::Scalar)
            };
            ensure(found.len() == 1 && fits(&found[0].1), || format!("{r} is not found once"))?;
        }
        Ok(())
    }
}

/// The matrices that an operation uses.
pub(super) fn operands(p: &Program, op: &Op) -> Vec<NodeId> {
    match op {
        Op::Values(_) | Op::Gram(..) | Op::Plain(..) | Op::Tap(_) => Vec::new(),
        Op::Scale(_, x) | Op::Decay(_, _, x) | Op::Inverse(x) => vec![*x],
        Op::Add(x, y) | Op::Product(x, y) => vec![*x, *y],
        Op::Reach { values, .. } => vec![*values],
        Op::Solved(system, _) => {
            let sought = p.systems.get(system.index()).into_iter().flat_map(|s| &s.sought);
            sought.flat_map(|s| s.grams.iter().flatten().copied().chain([s.found])).collect()
        }
    }
}
