//! Random programs of branches and loops, lane by lane against an interpreter that runs one thread at a time.
//!
//! ```text
//! if (x ^ lane) % 3 < 1 { x = 5 x + 1; while .. { break if ..; continue if ..; exit if .. } } else { .. }
//! ```
//!
//! A program is a tree of statements on two numbers of each thread. Every loop counts down, so that all programs end. In
//! half of the programs all lanes meet in a vote at top level between statements, which needs them to be together again
//! (or ended). `CHUNKWISE_SEED` (default 1) moves the programs, and a failure prints seed and text.

use crate::harness::{NOTHING, module, run_with};
use chunkwise_sim::machine::{Launch, Options};

/// A statement. Conditions are `(x + k * lane) % modulus < limit`.
enum Statement {
    /// `x = x * a + b`
    Update(u32, u32),
    If(Condition, Vec<Statement>, Vec<Statement>),
    /// At most so many times, while the condition holds.
    While(u32, Condition, Vec<Statement>),
    Break(Condition),
    Continue(Condition),
    Exit(Condition),
    /// All lanes that have not ended count those with an odd `x`.
    Vote,
}

#[derive(Clone, Copy)]
struct Condition {
    k: u32,
    modulus: u32,
    limit: u32,
}

impl Condition {
    fn holds(self, x: u32, lane: u32) -> bool {
        x.wrapping_add(self.k.wrapping_mul(lane)) % self.modulus < self.limit
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u32 % n
    }

    fn condition(&mut self) -> Condition {
        let modulus = 2 + self.below(5);
        Condition { k: self.below(4), modulus, limit: 1 + self.below(modulus - 1) }
    }

    fn statements(&mut self, depth: u32, in_loop: bool) -> Vec<Statement> {
        (0..1 + self.below(4)).map(|_| self.statement(depth, in_loop)).collect()
    }

    fn statement(&mut self, depth: u32, in_loop: bool) -> Statement {
        match self.below(10) {
            0..3 if depth > 0 => {
                let condition = self.condition();
                let then = self.statements(depth - 1, in_loop);
                let other = if self.below(2) == 0 { vec![] } else { self.statements(depth - 1, in_loop) };
                Statement::If(condition, then, other)
            }
            3..5 if depth > 0 => {
                let (most, condition) = (1 + self.below(6), self.condition());
                Statement::While(most, condition, self.statements(depth - 1, true))
            }
            5 if in_loop => Statement::Break(self.condition()),
            6 if in_loop => Statement::Continue(self.condition()),
            7 if self.below(6) == 0 => Statement::Exit(self.condition()),
            _ => Statement::Update(1 + 2 * self.below(4), self.below(100)),
        }
    }

    fn program(&mut self) -> Vec<Statement> {
        let votes = self.below(2) == 0;
        let mut all = Vec::new();
        for _ in 0..2 + self.below(4) {
            all.push(self.statement(4, false));
            if votes {
                all.push(Statement::Vote);
            }
        }
        all
    }
}

/// Writes a program as PTX.
#[derive(Default)]
struct Writer {
    text: String,
    labels: u32,
    counters: u32,
}

impl Writer {
    fn label(&mut self) -> String {
        self.labels += 1;
        format!("L{}", self.labels)
    }

    /// `%p1`: whether a condition holds.
    fn condition(&mut self, Condition { k, modulus, limit }: Condition) {
        self.text += &format!(
            "    mad.lo.u32 %r5, %lane, {k}, %r1;\n    rem.u32 %r5, %r5, {modulus};\n    setp.lt.u32 %p1, %r5, {limit};\n"
        );
    }

    fn statements(&mut self, all: &[Statement], way_out: Option<(&str, &str)>) {
        for statement in all {
            self.statement(statement, way_out);
        }
    }

    /// `way_out`: where `continue` and `break` go.
    fn statement(&mut self, statement: &Statement, way_out: Option<(&str, &str)>) {
        match statement {
            Statement::Update(a, b) => {
                self.text += &format!("    mad.lo.u32 %r1, %r1, {a}, {b};\n");
            }
            Statement::If(condition, then, other) => {
                let (alternative, end) = (self.label(), self.label());
                self.condition(*condition);
                self.text += &format!("    @!%p1 bra {alternative};\n");
                self.statements(then, way_out);
                self.text += &format!("    bra {end};\n{alternative}:\n");
                self.statements(other, way_out);
                self.text += &format!("{end}:\n");
            }
            Statement::While(most, condition, body) => {
                let (head, end) = (self.label(), self.label());
                let counter = format!("%count{}", self.counters);
                self.counters += 1;
                self.text +=
                    &format!("    mov.u32 {counter}, {most};\n{head}:\n    setp.eq.u32 %p1, {counter}, 0;\n");
                self.text += &format!("    @%p1 bra {end};\n    sub.u32 {counter}, {counter}, 1;\n");
                self.condition(*condition);
                self.text += &format!("    @!%p1 bra {end};\n");
                self.statements(body, Some((&head, &end)));
                self.text += &format!("    bra {head};\n{end}:\n");
            }
            Statement::Break(condition) | Statement::Continue(condition) => {
                let Some((head, end)) = way_out else { return };
                let to = if matches!(statement, Statement::Break(_)) { end } else { head };
                self.condition(*condition);
                self.text += &format!("    @%p1 bra {to};\n");
            }
            Statement::Exit(condition) => {
                self.condition(*condition);
                self.text += "    @%p1 exit;\n";
            }
            Statement::Vote => {
                self.text += "    and.b32 %r5, %r1, 1;\n    setp.eq.u32 %p1, %r5, 1;\n";
                self.text += "    vote.sync.ballot.b32 %r5, %p1, -1;\n    popc.b32 %r5, %r5;\n";
                self.text += "    add.u32 %r1, %r1, %r5;\n";
            }
        }
    }
}

/// What a thread does after a statement.
#[derive(PartialEq)]
enum Then {
    Next,
    Break,
    Continue,
    Exit,
}

fn run_all(all: &[Statement], x: &mut u32, lane: u32) -> Then {
    for statement in all {
        let then = step(statement, x, lane);
        if then != Then::Next {
            return then;
        }
    }
    Then::Next
}

fn step(statement: &Statement, x: &mut u32, lane: u32) -> Then {
    match statement {
        Statement::Update(a, b) => *x = x.wrapping_mul(*a).wrapping_add(*b),
        Statement::If(condition, then, other) => {
            return run_all(if condition.holds(*x, lane) { then } else { other }, x, lane);
        }
        Statement::While(most, condition, body) => {
            for _ in 0..*most {
                if !condition.holds(*x, lane) {
                    break;
                }
                match run_all(body, x, lane) {
                    Then::Break => break,
                    Then::Exit => return Then::Exit,
                    Then::Next | Then::Continue => {}
                }
            }
        }
        Statement::Break(condition) if condition.holds(*x, lane) => return Then::Break,
        Statement::Continue(condition) if condition.holds(*x, lane) => return Then::Continue,
        Statement::Exit(condition) if condition.holds(*x, lane) => return Then::Exit,
        _ => {}
    }
    Then::Next
}

/// What each thread ends with; `None` for one that exited.
fn expected(program: &[Statement], threads: u32) -> Vec<Option<u32>> {
    let mut all: Vec<Option<u32>> = (0..threads).map(Some).collect();
    for statement in program {
        for (thread, state) in all.iter_mut().enumerate() {
            if let Some(x) = state
                && step(statement, x, thread as u32 % 32) == Then::Exit
            {
                *state = None;
            }
        }
        if let Statement::Vote = statement {
            for warp in all.chunks_mut(32) {
                let odd = warp.iter().flatten().filter(|x| **x % 2 == 1).count() as u32;
                warp.iter_mut().flatten().for_each(|x| *x = x.wrapping_add(odd));
            }
        }
    }
    all
}

#[test]
fn random_programs_agree_with_one_thread_at_a_time() {
    let seed = std::env::var("CHUNKWISE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    for number in 0..400 {
        let program = random.program();
        let mut writer = Writer::default();
        writer.text += "    mov.u32 %r1, %r0;\n";
        writer.statements(&program, None);
        let declarations = format!(".reg .b32 %count<{}>;", writer.counters + 1);
        let text = module("", &declarations, &writer.text);
        let threads = 64;
        let found = run_with(&text, Launch::linear(1, threads), &Options::default());
        let found = found.unwrap_or_else(|error| panic!("seed {seed}, program {number}: {error}\n{text}"));
        let expected: Vec<u32> = expected(&program, threads).iter().map(|x| x.unwrap_or(NOTHING)).collect();
        assert_eq!(found, expected, "seed {seed}, program {number}\n{text}");
    }
}
