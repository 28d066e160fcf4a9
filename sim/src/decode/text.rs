//! An instruction as text again, for messages.
//!
//! ```text
//! @!%p1 ld.global.v2.f32 {%f1, %f2}, [%rd1+8];
//! ```

use crate::syntax::ast::{Base, Function, Instruction, Operand};

/// The instruction as a person would write it.
pub(crate) fn text(function: &Function, instruction: &Instruction) -> String {
    let mut out = String::new();
    if let Some(guard) = instruction.guard {
        let not = if guard.negated { "!" } else { "" };
        out += &format!("@{not}{} ", register(function, guard.register.0));
    }
    out += &instruction.opcode;
    for word in &instruction.modifiers {
        out += ".";
        out += word;
    }
    let is_call = instruction.opcode == "call";
    let print = |o: &Operand| match o {
        Operand::Vector(parts) if is_call => format!("({})", list(function, parts)),
        o => operand(function, o),
    };
    let operands: Vec<String> = instruction.operands.iter().map(print).collect();
    if !operands.is_empty() {
        out += " ";
        out += &operands.join(", ");
    }
    out + ";"
}

fn register(function: &Function, index: u32) -> &str {
    function.registers.get(index as usize).map_or("?", |r| r.name.as_str())
}

fn variable(function: &Function, index: u32) -> &str {
    function.variables.get(index as usize).map_or("?", |v| v.name.as_str())
}

fn offset(offset: i64) -> String {
    if offset == 0 { String::new() } else { format!("{offset:+}") }
}

fn address(function: &Function, base: &Base, bytes: i64) -> String {
    match base {
        Base::Reg(reg) => format!("{}{}", register(function, reg.0), offset(bytes)),
        Base::Var(var) => format!("{}{}", variable(function, var.0), offset(bytes)),
        Base::Absolute => bytes.to_string(),
    }
}

fn list(function: &Function, operands: &[Operand]) -> String {
    operands.iter().map(|o| operand(function, o)).collect::<Vec<_>>().join(", ")
}

fn operand(function: &Function, which: &Operand) -> String {
    match which {
        Operand::Reg(reg) => register(function, reg.0).to_string(),
        Operand::Not(reg) => format!("!{}", register(function, reg.0)),
        Operand::Special(register) => special(&format!("{register:?}")),
        Operand::Int(value) => value.to_string(),
        Operand::F32(bits) => format!("0f{bits:08X}"),
        Operand::F64(bits) => format!("0d{bits:016X}"),
        Operand::Address { base, offset } => format!("[{}]", address(function, base, *offset)),
        Operand::Tensor { base, offset, coordinates } => {
            format!("[{}, {{{}}}]", address(function, base, *offset), list(function, coordinates))
        }
        Operand::Variable(var, bytes) => format!("{}{}", variable(function, var.0), offset(*bytes)),
        Operand::Vector(parts) => format!("{{{}}}", list(function, parts)),
        Operand::Pair(d, p) => format!("{}|{}", operand(function, d), operand(function, p)),
        Operand::Sink => "_".to_string(),
        Operand::Label(label) => {
            function.labels.get(label.0 as usize).map_or("?", |l| l.name.as_str()).to_string()
        }
        Operand::Name(name) => name.clone(),
    }
}

/// `Tid(0)` as `%tid.x`, `LaneId` as `%laneid`, `ClockHi` as `%clock_hi`.
fn special(name: &str) -> String {
    let (word, index) = name.trim_end_matches(')').split_once('(').unwrap_or((name, ""));
    let mut out = String::new();
    for (at, c) in word.char_indices() {
        if at > 0 && c.is_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    let out = out.replace("_id", "id");
    match ["x", "y", "z"].get(index.parse::<usize>().unwrap_or(3)) {
        Some(component) => format!("%{out}.{component}"),
        None => format!("%{out}"),
    }
}
