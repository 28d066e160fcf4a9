//! Every rule of simplification, on a program made to fit it: the texts before and after, and the same numbers.

use crate::case::{Case, difference};
use crate::problem::Fill;
use crate::rules;
use chunkwise_algebra::program::{
    Columns, Keys, KeysId, Node, NodeId, Op, Program, RULES, Slot, derive, forward, print, simplify_by,
    verify,
};
use chunkwise_dsl::graph::{Binary, Expr, Value};
use chunkwise_dsl::rule::Rule;
use std::fmt::Write;

const RULE: &str = "#[rule]
fn base(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], a: [Scalar; 2], b: [Scalar; 2], g: Scalar)
    -> Vector<V> {
    for j in 0..2 {
        s *= sigmoid(g);
        s += outer(a[j] * b[j] * k[j], v[j] - s.read(k[j]));
    }
    s.read(q)
}";

/// Two states that differ by their decays alone.
const SHARED: &str = "#[rule]
fn shared(mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, f: Scalar, g: Scalar, b: Scalar)
    -> (Vector<V>, Vector<V>) {
    let beta = 2 * sigmoid(b);
    s *= sigmoid(f);
    s += outer(beta * l2norm(k), v - s.read(l2norm(k)));
    t *= sigmoid(g);
    t += outer(beta * l2norm(k), v - t.read(l2norm(k)));
    (s.read(q), t.read(q))
}";

/// A program under change: what it deposits is what a test looks at.
struct Bench {
    p: Program,
}

impl Bench {
    fn new(rule: &Rule) -> Bench {
        let timeline = rule.timeline.as_ref().unwrap_or_else(|why| panic!("{why}"));
        Bench { p: derive(timeline).unwrap_or_else(|why| panic!("{why}")) }
    }

    fn find(&self, is: fn(&Op) -> bool) -> NodeId {
        let at = self.p.nodes.iter().position(|n| is(&n.op)).expect("the program has such a matrix");
        NodeId(at as u32)
    }

    fn values(&self) -> NodeId {
        self.find(|op| matches!(op, Op::Values(_)))
    }

    fn tap(&self) -> NodeId {
        self.find(|op| matches!(op, Op::Tap(_)))
    }

    /// Adds a matrix of two rows a token.
    fn push(&mut self, op: Op, columns: Columns) -> NodeId {
        let rows = self.p.node(self.values()).rows;
        self.p.nodes.push(Node { op, rows, columns });
        NodeId(self.p.nodes.len() as u32 - 1)
    }

    fn push_values(&mut self, op: Op) -> NodeId {
        let columns = self.p.node(self.values()).columns;
        self.push(op, columns)
    }

    fn zero(&mut self) -> NodeId {
        self.push_values(Op::Values(vec![None; 2]))
    }

    fn writes(&self) -> KeysId {
        self.p.deposits[0].keys
    }

    /// Reads without keys.
    fn no_reads(&mut self) -> KeysId {
        let Keys { state, stack, slots } = self.p.keys(self.writes()).clone();
        let slots = slots.into_iter().map(|s| Slot { key: None, ..s }).collect();
        self.p.keys.push(Keys { state, stack, slots });
        KeysId(self.p.keys.len() as u32 - 1)
    }

    fn no_gram(&mut self) -> NodeId {
        let (reads, writes) = (self.no_reads(), self.writes());
        self.push(Op::Gram(reads, writes), Columns::Rows(self.p.keys(writes).stack))
    }

    /// Element `j` of a parameter.
    fn scalar(&self, name: &str, j: u32) -> Value {
        let t = &self.p.timeline;
        let is =
            |e: Expr| matches!(e, Expr::Param(p, Some(i)) if t.signature.param(p).name == name && i == j);
        t.graph.values().find(|v| is(t.graph.expr(*v))).expect("the rule uses the parameter")
    }

    fn product(&mut self, x: Value, y: Value) -> Value {
        self.p.timeline.graph.binary(Binary::Mul, x, y).expect("scalars have a product")
    }

    fn deposit(&mut self, values: NodeId) {
        self.p.deposits[0].values = values;
    }

    /// The pattern of a rule, as what is deposited.
    fn pattern(&mut self, rule: &str) {
        // The rule's own program has what several states can share.
        if ["equal gram", "common gram", "common inverse"].contains(&rule) {
            return;
        }
        let (x, tap) = (self.values(), self.tap());
        let (a, b) = ([0, 1].map(|j| self.scalar("a", j)), [0, 1].map(|j| self.scalar("b", j)));
        let one = self.p.timeline.graph.constant(1.0);
        let top = match rule {
            "scale one" => {
                let scaled = self.push_values(Op::Scale(vec![one; 2], x));
                self.push_values(Op::Add(scaled, tap))
            }
            "scale scale" => {
                let inner = self.push_values(Op::Scale(a.to_vec(), x));
                self.push_values(Op::Scale(b.to_vec(), inner))
            }
            "common scale" => {
                let half = self.p.timeline.graph.constant(0.5);
                let of_x = b.to_vec();
                let of_y = vec![self.product(b[0], half), self.product(b[1], a[1])];
                let x = self.push_values(Op::Scale(of_x, x));
                let y = self.push_values(Op::Scale(of_y, tap));
                self.push_values(Op::Add(x, y))
            }
            "add zero" => {
                let zero = self.zero();
                let sum = self.push_values(Op::Add(zero, x));
                self.push_values(Op::Add(sum, zero))
            }
            "scale zero" => {
                let zero = self.zero();
                let scaled = self.push_values(Op::Scale(a.to_vec(), zero));
                self.push_values(Op::Add(x, scaled))
            }
            "zero product" => {
                let gram = self.no_gram();
                let product = self.push_values(Op::Product(gram, x));
                self.push_values(Op::Add(x, product))
            }
            "zero reach" => {
                let (reads, writes) = (self.no_reads(), self.writes());
                let reach = self.push_values(Op::Reach { reads, writes, values: x });
                self.push_values(Op::Add(x, reach))
            }
            "solve zero" => {
                let gram = self.no_gram();
                let columns = self.p.node(gram).columns;
                let inverse = self.push(Op::Inverse(gram), columns);
                self.push_values(Op::Product(inverse, x))
            }
            other => panic!("the rule `{other}` has no test"),
        };
        self.deposit(top);
    }
}

/// The lines of a program that a deposit is made of.
fn shown(p: &Program) -> String {
    let text = print(p);
    let of_interest =
        |line: &&str| ["c", "X", "L", "M", "T", "R", "U", "s "].iter().any(|start| line.starts_with(start));
    text.lines().filter(of_interest).map(|line| format!("    {line}\n")).collect()
}

#[test]
fn rules_change_texts_and_no_numbers() {
    let alike = SHARED.replace("sigmoid(g)", "sigmoid(f)").replace(", g: Scalar", "");
    let [base, shared, alike] = [RULE, SHARED, &alike].map(|text| {
        let rule = rules::parse(text).swap_remove(0);
        let case = Case::new(&rule, vec![4, 3], 11, 5, |_| Fill::Uniform(-1.0, 1.0));
        (rule, case)
    });
    let mut text = String::new();
    for simplification in &RULES {
        let name = simplification.name;
        let (rule, case) = match name {
            "equal gram" => &alike,
            "common gram" | "common inverse" => &shared,
            _ => &base,
        };
        let mut bench = Bench::new(rule);
        bench.pattern(name);
        // What the deposit had been made of is dead now.
        let before = simplify_by(&bench.p, &[]);
        let after = simplify_by(&bench.p, &[simplification]);
        for p in [&bench.p, &before, &after] {
            verify(p).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        }
        assert_ne!(print(&before), print(&after), "{name} changed nothing");
        let _ = writeln!(text, "{name}: {} => {}", simplification.before, simplification.after);
        let _ = writeln!(text, "{}  =>\n{}", shown(&before), shown(&after));
        for chunk in [1, 4, 16] {
            let inputs = case.inputs(rule);
            let numbers = [&bench.p, &before, &after].map(|p| forward(p, chunk, &inputs));
            for found in &numbers[1..] {
                if let Some(what) = difference(found, &numbers[0]) {
                    panic!("{name}, chunk {chunk}, seed 5: {what}");
                }
            }
        }
    }
    insta::assert_snapshot!(text);
}

/// A program is as small as it gets: nothing in it is unused, and no rule fits it any more.
#[test]
fn simplified_programs_stay_as_they_are() {
    for rule in rules::catalogue() {
        let Ok(timeline) = &rule.timeline else { continue };
        let program = derive(timeline).unwrap_or_else(|why| panic!("{why}"));
        let all: Vec<_> = RULES.iter().collect();
        let once = simplify_by(&program, &all);
        assert_eq!(print(&once), print(&simplify_by(&once, &all)), "{}", rule.signature.name);
        assert!(once.nodes.len() <= program.nodes.len() + 1, "{} grew", rule.signature.name);
    }
}
