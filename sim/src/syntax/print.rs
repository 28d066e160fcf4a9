//! A tree as text, which parses to the same tree.
//!
//! ```text
//! .visible .entry f(
//!     .param .align 8 .u64 x
//! )
//! {
//!     .reg .b32 %r1, %r2;
//!     ld.param.u64 %rd1, [x];
//! $L:
//!     @%p1 bra $L;
//! }
//! ```
//!
//! The tree has no scopes, so a name that scopes shared gets a number here: the second `t` is `t$1`. All else stays, but for
//! line numbers, which are those of the new text. The output is deterministic. Of a tree that [`super::verify`] refuses the
//! text may not parse, but printing it does not fail: an id that nothing has prints as `?`.

use super::ast::*;
use super::special;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// The text of a module.
pub fn print(module: &Module) -> String {
    let mut text = String::new();
    let (major, minor) = module.version;
    line(&mut text, format_args!(".version {major}.{minor}"));
    line(&mut text, format_args!(".target {}", module.target));
    line(&mut text, format_args!(".address_size 64"));
    for (number, name) in &module.files {
        line(&mut text, format_args!(".file {number} \"{name}\""));
    }
    for variable in &module.variables {
        line(&mut text, format_args!("{};", declaration(variable, &variable.name)));
    }
    let taken: HashSet<&str> = module
        .variables
        .iter()
        .map(|variable| variable.name.as_str())
        .chain(module.functions.iter().map(|function| function.name.as_str()))
        .collect();
    for function in &module.functions {
        text.push('\n');
        Printer::new(function, &taken, &mut text).function();
    }
    text
}

/// Writing to a string does not fail.
fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
    text.push('\n');
}

/// A declaration without its semicolon.
fn declaration(variable: &Variable, name: &str) -> String {
    let link = if variable.elements.is_none() { ".extern " } else { "" };
    let space = variable.space.name();
    let bound = match variable.elements {
        Some(1) => String::new(),
        Some(elements) => format!("[{elements}]"),
        None => "[]".to_string(),
    };
    let head = format!("{link}.{space} .align {} .{} {name}{bound}", variable.align, variable.ty);
    if variable.initial.is_empty() {
        return head;
    }
    let size = variable.ty.bytes() as usize;
    let values: Vec<String> = variable.initial.chunks(size).map(|bytes| value(variable.ty, bytes)).collect();
    if variable.elements == Some(1) {
        format!("{head} = {}", values.join(", "))
    } else {
        format!("{head} = {{{}}}", values.join(", "))
    }
}

fn value(ty: Type, bytes: &[u8]) -> String {
    let mut word = [0; 8];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let bits = u64::from_le_bytes(word);
    match ty {
        Type::F32 => format!("0f{:08X}", bits as u32),
        Type::F64 => format!("0d{bits:016X}"),
        _ => bits.to_string(),
    }
}

/// Names of a function's registers, variables and labels, all different.
struct Names {
    registers: Vec<String>,
    variables: Vec<String>,
    labels: Vec<String>,
}

impl Names {
    /// Names that differ from those of the module too, but for its variables, which keep theirs.
    fn new(function: &Function, of_module: &HashSet<&str>) -> Names {
        let own = function.variables.len().min(function.params + function.locals);
        let mut namer = Namer { of_module, taken: HashSet::new(), next: HashMap::new() };
        let mut variables: Vec<String> =
            function.variables[..own].iter().map(|v| namer.name(&v.name)).collect();
        variables.extend(function.variables[own..].iter().map(|v| v.name.clone()));
        let registers = function.registers.iter().map(|r| namer.name(&r.name)).collect();
        let labels = function.labels.iter().map(|l| namer.name(&l.name)).collect();
        Names { registers, variables, labels }
    }
}

struct Namer<'m> {
    of_module: &'m HashSet<&'m str>,
    taken: HashSet<String>,
    /// For each name that had to be numbered, the next number to try.
    next: HashMap<String, u32>,
}

impl Namer<'_> {
    fn name(&mut self, name: &str) -> String {
        // Parameters of a declaration may all be called `_`, and nobody can refer to them.
        if name == "_" || self.take(name) {
            return name.to_string();
        }
        let mut number = self.next.get(name).copied().unwrap_or(1);
        let mut numbered = format!("{name}${number}");
        while !self.take(&numbered) {
            number += 1;
            numbered = format!("{name}${number}");
        }
        self.next.insert(name.to_string(), number + 1);
        numbered
    }

    fn take(&mut self, name: &str) -> bool {
        !self.of_module.contains(name) && self.taken.insert(name.to_string())
    }
}

struct Printer<'p> {
    function: &'p Function,
    names: Names,
    /// By label, the targets that it lists.
    lists: HashMap<Label, &'p [Label]>,
    text: &'p mut String,
}

impl<'p> Printer<'p> {
    fn new(function: &'p Function, of_module: &HashSet<&str>, text: &'p mut String) -> Printer<'p> {
        let names = Names::new(function, of_module);
        let lists = function.branch_targets.iter().map(|(name, list)| (*name, list.as_slice())).collect();
        Printer { function, names, lists, text }
    }

    fn function(&mut self) {
        let function = self.function;
        self.head();
        if !function.has_body {
            self.text.push_str(";\n");
            return;
        }
        if let Some(threads) = function.max_threads {
            line(self.text, format_args!("\n.maxntid {threads}"));
        } else {
            self.text.push('\n');
        }
        self.text.push_str("{\n");
        self.registers();
        let own = function.params..function.variables.len().min(function.params + function.locals);
        for index in own {
            let declaration = declaration(&function.variables[index], &self.names.variables[index]);
            line(self.text, format_args!("\t{declaration};"));
        }
        self.body();
        self.text.push_str("}\n");
    }

    fn head(&mut self) {
        let function = self.function;
        let kind = if function.is_entry { ".entry" } else { ".func" };
        let link = if function.has_body { ".visible" } else { ".extern" };
        self.text.push_str(&format!("{link} {kind} "));
        let params = function.params.min(function.variables.len());
        let returns = function.returns.min(params);
        if returns > 0 {
            self.parameters(0..returns);
            self.text.push(' ');
        }
        self.text.push_str(&function.name);
        self.parameters(returns..params);
    }

    fn parameters(&mut self, range: std::ops::Range<usize>) {
        let function = self.function;
        self.text.push('(');
        for index in range.clone() {
            let comma = if index == range.start { "" } else { "," };
            let declaration = declaration(&function.variables[index], &self.names.variables[index]);
            let _ = write!(self.text, "{comma}\n\t{declaration}");
        }
        self.text.push_str(if range.is_empty() { ")" } else { "\n)" });
    }

    /// Registers in order, one statement for neighbours of one type.
    fn registers(&mut self) {
        const ON_A_LINE: usize = 12;
        let mut index = 0;
        for group in self.function.registers.chunk_by(|a, b| a.ty == b.ty) {
            for names in self.names.registers[index..index + group.len()].chunks(ON_A_LINE) {
                line(self.text, format_args!("\t.reg .{} {};", group[0].ty, names.join(", ")));
            }
            index += group.len();
        }
    }

    fn body(&mut self) {
        let function = self.function;
        // Labels by their place; of one place in the order of their ids.
        let mut labels: Vec<u32> = (0..function.labels.len() as u32).collect();
        labels.sort_by_key(|label| function.labels[*label as usize].instruction);
        let mut labels = labels.into_iter().peekable();
        let mut source = None;
        for (index, instruction) in function.body.iter().enumerate() {
            while let Some(label) =
                labels.next_if(|label| function.labels[*label as usize].instruction <= index as u32)
            {
                self.label(label);
            }
            if instruction.source != source {
                self.location(instruction.source, source);
                source = instruction.source;
            }
            self.instruction(instruction);
        }
        for label in labels {
            self.label(label);
        }
    }

    fn label(&mut self, label: u32) {
        let name = &self.names.labels[label as usize];
        match self.lists.get(&Label(label)) {
            None => line(self.text, format_args!("{name}:")),
            Some(targets) => {
                let targets: Vec<&str> = targets.iter().map(|target| self.label_name(*target)).collect();
                let text = format!("{name}: .branchtargets {};", targets.join(", "));
                line(self.text, format_args!("{text}"));
            }
        }
    }

    fn location(&mut self, source: Option<Source>, before: Option<Source>) {
        let file = source.or(before).map_or(1, |source| source.file);
        let number = source.map_or(0, |source| source.line);
        line(self.text, format_args!("\t.loc {file} {number} 0"));
    }

    fn instruction(&mut self, instruction: &Instruction) {
        self.text.push('\t');
        if let Some(guard) = instruction.guard {
            let negated = if guard.negated { "!" } else { "" };
            let register = self.register(guard.register).to_string();
            self.text.push_str(&format!("@{negated}{register} "));
        }
        self.text.push_str(&instruction.opcode);
        for modifier in &instruction.modifiers {
            self.text.push('.');
            self.text.push_str(modifier);
        }
        for (index, operand) in instruction.operands.iter().enumerate() {
            self.text.push_str(if index == 0 { " " } else { ", " });
            match operand {
                Operand::Vector(list) if instruction.opcode == "call" => self.list('(', list, ')'),
                operand => self.operand(operand),
            }
        }
        self.text.push_str(";\n");
    }

    fn operand(&mut self, operand: &Operand) {
        // Pairs and vectors hold plain operands in a verified tree; the depth of others is that of the tree given.
        let text = match operand {
            Operand::Reg(reg) => self.register(*reg).to_string(),
            Operand::Not(reg) => format!("!{}", self.register(*reg)),
            Operand::Special(special) => special::name(*special),
            Operand::Int(value) => value.to_string(),
            Operand::F32(bits) => format!("0f{bits:08X}"),
            Operand::F64(bits) => format!("0d{bits:016X}"),
            Operand::Variable(var, 0) => self.variable(*var).to_string(),
            Operand::Variable(var, offset) => format!("{}+{offset}", self.variable(*var)),
            Operand::Sink => "_".to_string(),
            Operand::Label(label) => self.label_name(*label).to_string(),
            Operand::Name(name) => name.clone(),
            Operand::Address { base, offset } => format!("[{}]", self.base(*base, *offset)),
            Operand::Tensor { base, offset, coordinates } => {
                self.text.push_str(&format!("[{}, ", self.base(*base, *offset)));
                self.list('{', coordinates, '}');
                "]".to_string()
            }
            Operand::Vector(elements) => return self.list('{', elements, '}'),
            Operand::Pair(first, second) => {
                self.operand(first);
                self.text.push('|');
                return self.operand(second);
            }
        };
        self.text.push_str(&text);
    }

    fn list(&mut self, open: char, elements: &[Operand], close: char) {
        self.text.push(open);
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.operand(element);
        }
        self.text.push(close);
    }

    fn base(&self, base: Base, offset: i64) -> String {
        let name = match base {
            Base::Absolute => return offset.to_string(),
            Base::Reg(reg) => self.register(reg),
            Base::Var(var) => self.variable(var),
        };
        if offset == 0 { name.to_string() } else { format!("{name}+{offset}") }
    }

    fn register(&self, reg: Reg) -> &str {
        self.names.registers.get(reg.0 as usize).map_or("?", String::as_str)
    }

    fn variable(&self, var: Var) -> &str {
        self.names.variables.get(var.0 as usize).map_or("?", String::as_str)
    }

    fn label_name(&self, label: Label) -> &str {
        self.names.labels.get(label.0 as usize).map_or("?", String::as_str)
    }
}
