//! Mutants: copies of a module with one thing broken in one kernel (or in a function that it calls).
//!
//! ```text
//! bar.sync 0;                            drop
//! cp.async.wait_group 1;                 drop, allow one more
//! ldmatrix...trans..                     without .trans
//! @%p3 bra L;                            without the guard, with the guard negated
//! ld.shared.u32 %r1, [%r2+8];            offset +4, -4, +16, -16
//! add.s32 %r2, %r1, 31;                  constant + 1 (of a mask: a bit fewer), constant * 2; where an address hangs on %r2
//! shfl.sync.bfly.b32 %r1|%p, %r2, 8, 31, -1;    lane / 2, bound 0, without lane 31
//! ```
//!
//! A constant that a compiler puts into a register of its own (`mov.u32 %r56, 8;`) counts as the operand it is used as.

use chunkwise_sim::syntax::ast::{Base, Function, Instruction, Module, Operand, Reg};
use std::collections::{BTreeMap, BTreeSet};

/// A mutation: which instruction of which function, and how.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    /// Index of the function in the module.
    pub(crate) function: usize,
    /// Index of the instruction.
    pub(crate) instruction: usize,
    /// What is broken.
    pub(crate) change: Change,
}

/// What is broken.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The instruction is not there.
    Drop,
    /// `trap` instead: to find out whether the instruction is ever executed.
    Trap,
    /// This modifier is not there.
    Modifier(&'static str),
    /// No guard.
    Unguarded,
    /// The other guard.
    Negated,
    /// An operand's address moves by bytes.
    Offset(usize, i64),
    /// An operand is another constant; a few words say how.
    Constant(usize, i64, &'static str),
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Change::Drop => write!(f, "dropped"),
            Change::Trap => write!(f, "trap"),
            Change::Modifier(word) => write!(f, "without .{word}"),
            Change::Unguarded => write!(f, "without its guard"),
            Change::Negated => write!(f, "with its guard negated"),
            Change::Offset(_, bytes) => write!(f, "address {bytes:+}"),
            Change::Constant(index, value, how) => write!(f, "operand {index}: {how}, {value}"),
        }
    }
}

/// Everything that can be broken in the functions of a module.
pub(crate) fn mutations(module: &Module) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (index, function) in module.functions.iter().enumerate() {
        let facts = Facts::of(function);
        for (at, instruction) in function.body.iter().enumerate() {
            let changes = changes(&facts, instruction);
            all.extend(changes.into_iter().map(|change| Mutation {
                function: index,
                instruction: at,
                change,
            }));
        }
    }
    all
}

/// The module with the mutation done.
pub(crate) fn apply(module: &Module, mutation: &Mutation) -> Module {
    let mut module = module.clone();
    let function = &mut module.functions[mutation.function];
    let at = mutation.instruction;
    let instruction = &mut function.body[at];
    match mutation.change {
        Change::Drop => {
            function.body.remove(at);
            for label in &mut function.labels {
                label.instruction -= u32::from(label.instruction as usize > at);
            }
        }
        Change::Trap => {
            instruction.opcode = "trap".to_string();
            instruction.modifiers.clear();
            instruction.operands.clear();
        }
        Change::Modifier(word) => instruction.modifiers.retain(|modifier| modifier != word),
        Change::Unguarded => instruction.guard = None,
        Change::Negated => {
            if let Some(guard) = &mut instruction.guard {
                guard.negated = !guard.negated;
            }
        }
        Change::Offset(operand, bytes) => {
            if let Operand::Address { offset, .. } = &mut instruction.operands[operand] {
                *offset += bytes;
            }
        }
        Change::Constant(operand, value, _) => instruction.operands[operand] = Operand::Int(value),
    }
    module
}

/// What has to be known of a function as a whole.
struct Facts {
    /// Registers that hold one constant and nothing else.
    constants: BTreeMap<Reg, i64>,
    /// Registers that addresses are computed from.
    addressing: BTreeSet<Reg>,
}

impl Facts {
    fn of(function: &Function) -> Facts {
        let mut written: BTreeMap<Reg, (usize, Option<i64>)> = BTreeMap::new();
        for instruction in &function.body {
            for reg in destinations(instruction) {
                let constant = match (instruction.opcode.as_str(), instruction.operands.get(1)) {
                    ("mov", Some(Operand::Int(value))) => Some(*value),
                    _ => None,
                };
                let entry = written.entry(reg).or_insert((0, constant));
                entry.0 += 1;
            }
        }
        let constants = written
            .into_iter()
            .filter_map(|(reg, (times, value))| Some(reg).zip(value.filter(|_| times == 1)))
            .collect();
        Facts { constants, addressing: addressing(function) }
    }

    /// The constant that an operand is.
    fn constant(&self, operand: &Operand) -> Option<i64> {
        match operand {
            Operand::Int(value) => Some(*value),
            Operand::Reg(reg) => self.constants.get(reg).copied(),
            _ => None,
        }
    }
}

/// Registers that the address of a load or store hangs on, through integer arithmetic.
fn addressing(function: &Function) -> BTreeSet<Reg> {
    let mut found = BTreeSet::new();
    for instruction in function.body.iter().filter(|i| is_access(i)) {
        for operand in &instruction.operands {
            if let Operand::Address { base: Base::Reg(reg), .. } = operand {
                found.insert(*reg);
            }
        }
    }
    loop {
        let before = found.len();
        for instruction in function.body.iter().filter(|i| is_arithmetic(i)) {
            if destinations(instruction).iter().any(|reg| found.contains(reg)) {
                found.extend(instruction.operands[1..].iter().filter_map(|operand| match operand {
                    Operand::Reg(reg) => Some(*reg),
                    _ => None,
                }));
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Registers that an instruction writes.
fn destinations(instruction: &Instruction) -> Vec<Reg> {
    let mut found = Vec::new();
    let writes = !matches!(instruction.opcode.as_str(), "st" | "bra" | "red" | "bar" | "barrier" | "cp");
    if let (true, Some(first)) = (writes, instruction.operands.first()) {
        collect(first, &mut found);
    }
    found
}

fn collect(operand: &Operand, found: &mut Vec<Reg>) {
    match operand {
        Operand::Reg(reg) => found.push(*reg),
        Operand::Vector(parts) => parts.iter().for_each(|part| collect(part, found)),
        Operand::Pair(a, b) => {
            collect(a, found);
            collect(b, found);
        }
        _ => {}
    }
}

/// Whether an instruction goes to memory with an address (parameters are no memory).
fn is_access(instruction: &Instruction) -> bool {
    let is_copy = instruction.opcode == "cp" && instruction.operands.len() > 1;
    let space = instruction.modifiers.iter().any(|word| word == "param");
    is_copy || (matches!(instruction.opcode.as_str(), "ld" | "st" | "atom" | "red" | "ldmatrix") && !space)
}

fn is_arithmetic(instruction: &Instruction) -> bool {
    const OPCODES: [&str; 24] = [
        "add", "sub", "mul", "mad", "shl", "shr", "and", "or", "xor", "not", "neg", "cvt", "cvta", "mov",
        "selp", "min", "max", "bfe", "bfi", "prmt", "lop3", "shf", "rem", "div",
    ];
    OPCODES.contains(&instruction.opcode.as_str())
}

fn changes(facts: &Facts, instruction: &Instruction) -> Vec<Change> {
    let mut changes = ordering(facts, instruction);
    if instruction.guard.is_some() {
        changes.extend([Change::Unguarded, Change::Negated]);
    }
    if instruction.opcode == "ldmatrix" && instruction.modifiers.iter().any(|word| word == "trans") {
        changes.push(Change::Modifier("trans"));
    }
    if is_access(instruction) {
        changes.extend(offsets(instruction));
    } else if is_arithmetic(instruction) {
        changes.extend(index_constants(facts, instruction));
    } else {
        changes.extend(exchange(facts, instruction));
    }
    changes
}

/// Barriers, fences, asynchronous copies' groups.
fn ordering(facts: &Facts, instruction: &Instruction) -> Vec<Change> {
    let has = |word: &str| instruction.modifiers.iter().any(|modifier| modifier == word);
    match instruction.opcode.as_str() {
        "bar" | "barrier" if !has("red") => vec![Change::Drop],
        "membar" | "fence" => vec![Change::Drop],
        "cp" if has("wait_all") || has("commit_group") => vec![Change::Drop],
        "cp" if has("wait_group") => match instruction.operands.first().and_then(|n| facts.constant(n)) {
            Some(n) => vec![Change::Drop, Change::Constant(0, n + 1, "allows one more")],
            None => vec![Change::Drop],
        },
        _ => Vec::new(),
    }
}

fn offsets(instruction: &Instruction) -> Vec<Change> {
    let is_address = |operand: &Operand| matches!(operand, Operand::Address { .. });
    let addresses = instruction.operands.iter().enumerate().filter(|(_, operand)| is_address(operand));
    addresses.flat_map(|(at, _)| [4, -4, 16, -16].map(|bytes| Change::Offset(at, bytes))).collect()
}

/// Constants that addresses are computed with.
fn index_constants(facts: &Facts, instruction: &Instruction) -> Vec<Change> {
    if !destinations(instruction).iter().any(|reg| facts.addressing.contains(reg)) {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for (at, operand) in instruction.operands.iter().enumerate().skip(1) {
        if let Operand::Int(value) = operand {
            // A mask with its lowest bit set would let through what is zero already.
            changes.push(match (instruction.opcode.as_str(), *value) {
                ("and", value) if value != 0 => Change::Constant(at, value & (value - 1), "a bit fewer"),
                (_, value) => Change::Constant(at, value.wrapping_add(1), "one more"),
            });
            if *value != 0 {
                changes.push(Change::Constant(at, value.wrapping_mul(2), "twice"));
            }
        }
    }
    changes
}

/// Shuffles, votes, matches, reductions: lanes, bounds and member masks.
fn exchange(facts: &Facts, instruction: &Instruction) -> Vec<Change> {
    let shuffle = match instruction.opcode.as_str() {
        "shfl" => true,
        "vote" | "match" | "redux" => false,
        _ => return Vec::new(),
    };
    let count = instruction.operands.len();
    let constant = |at: usize| instruction.operands.get(at).and_then(|operand| facts.constant(operand));
    let mut changes = Vec::new();
    if shuffle {
        if let Some(lane) = constant(2).filter(|lane| *lane > 0) {
            changes.push(Change::Constant(2, lane / 2, "half the lane"));
        }
        if let Some(bounds) = constant(3) {
            changes.push(Change::Constant(3, bounds ^ 31, "the other end as bound"));
        }
    }
    if let Some(mask) = constant(count - 1) {
        let without = if mask & 0x8000_0000 == 0 { mask & (mask - 1) } else { mask & 0x7fff_ffff };
        changes.push(Change::Constant(count - 1, without, "one member fewer"));
    }
    changes
}

/// The module with one kernel alone, and the functions that it may call.
pub(crate) fn only(module: &Module, kernel: &str) -> Module {
    let mut module = module.clone();
    module.functions.retain(|function| !function.is_entry || function.name == kernel);
    module
}
