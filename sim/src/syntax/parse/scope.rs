//! The names of a function: scopes within scopes become flat ids.
//!
//! ```text
//! { .reg .b32 t; mov.u32 t, 1; done: }       t is Reg(0), done is Label(0)
//! { .reg .b64 t; mov.u64 t, 1; done: }       t is Reg(1), done is Label(1)
//! ```
//!
//! A name means what the innermost open scope says. One table holds the meaning at hand; each scope remembers what its
//! declarations replaced and puts it back when it closes, so that a name costs one look however deep the scopes are.
//! Registers of a range such as `%r<100>` get an id when they are first named, the others when they are declared.
//!
//! A branch may name a label that comes later, in its scope or in one around it. So each mention becomes a numbered slot;
//! a scope that closes claims, for each of its labels, the mentions made since it opened. Mentions stand in the order of
//! the text, so they are taken from the end of a list, each once. Variables of the module are marked by the highest bit of
//! their id. [`Scopes::finish`] replaces slots and marks.

use super::super::ast::*;
use std::collections::{HashMap, HashSet};

/// The bit of a [`Var`] that says: the rest is an index of the module's variables.
const OF_MODULE: u32 = 1 << 31;

/// What a name means.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// A register.
    Register(Reg),
    /// A variable.
    Variable(Var),
}

#[derive(Clone, Copy)]
struct Binding {
    depth: u32,
    meaning: Meaning,
}

#[derive(Clone, Copy)]
struct Range {
    depth: u32,
    ty: Type,
    count: u64,
}

/// An open scope, and what its declarations replaced.
#[derive(Default)]
struct Scope<'a> {
    /// Different for each scope of the function.
    serial: u32,
    /// Mentions of labels before it opened.
    first_slot: usize,
    names: Vec<(&'a str, Option<Binding>)>,
    ranges: Vec<(&'a str, Option<Range>)>,
    deepest_range: u32,
    labels: Vec<(&'a str, Label)>,
}

/// A mention of a label: its name, where in the text, and what it means once that is known.
struct Mention<'a, T> {
    name: &'a str,
    place: T,
    label: Option<Label>,
}

/// The names of the function at hand, and the function as far as it is read. `T` says where in the text something is.
pub(super) struct Scopes<'a, T> {
    pub(super) function: Function,
    open: Vec<Scope<'a>>,
    serials: u32,
    names: HashMap<&'a str, Binding>,
    ranges: HashMap<&'a str, Range>,
    /// Depth of the innermost scope that declares a range.
    deepest_range: u32,
    label_names: HashSet<(u32, &'a str)>,
    mentions: Vec<Mention<'a, T>>,
    /// For each label's name, its mentions that no closed scope claimed.
    unclaimed: HashMap<&'a str, Vec<u32>>,
    /// Instructions with a label's slot or a variable of the module.
    provisional: Vec<u32>,
}

impl<'a, T: Copy> Scopes<'a, T> {
    /// A function with a scope for its parameters.
    pub(super) fn new(function: Function) -> Scopes<'a, T> {
        Scopes {
            function,
            open: vec![Scope::default()],
            serials: 0,
            names: HashMap::new(),
            ranges: HashMap::new(),
            deepest_range: 0,
            label_names: HashSet::new(),
            mentions: Vec::new(),
            unclaimed: HashMap::new(),
            provisional: Vec::new(),
        }
    }

    /// How many scopes are open, that of the parameters included.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(super) fn open(&mut self) {
        self.serials += 1;
        self.open.push(Scope {
            serial: self.serials,
            first_slot: self.mentions.len(),
            deepest_range: self.deepest_range,
            ..Scope::default()
        });
    }

    pub(super) fn close(&mut self) {
        let Some(scope) = self.open.pop() else { return };
        for (name, label) in scope.labels {
            let Some(slots) = self.unclaimed.get_mut(name) else { continue };
            while let Some(slot) = slots.pop_if(|slot| *slot as usize >= scope.first_slot) {
                self.mentions[slot as usize].label = Some(label);
            }
        }
        for (name, before) in scope.names.into_iter().rev() {
            restore(&mut self.names, name, before);
        }
        for (prefix, before) in scope.ranges.into_iter().rev() {
            restore(&mut self.ranges, prefix, before);
        }
        self.deepest_range = scope.deepest_range;
    }

    /// Gives a variable an id; `None` where its scope has the name already. A name `_` may repeat.
    pub(super) fn variable(&mut self, name: &'a str, variable: Variable) -> Option<Var> {
        let var = Var(self.function.variables.len() as u32);
        if name != "_" {
            self.bind(name, Meaning::Variable(var))?;
        }
        self.function.variables.push(variable);
        Some(var)
    }

    /// Gives a register an id; `None` where its scope has the name already.
    pub(super) fn register(&mut self, name: &'a str, ty: Type) -> Option<Reg> {
        let reg = Reg(self.function.registers.len() as u32);
        self.bind(name, Meaning::Register(reg))?;
        self.function.registers.push(Register { name: name.to_string(), ty });
        Some(reg)
    }

    /// Declares registers `prefix0`, `prefix1`, up to a count; `None` where its scope has the prefix already.
    pub(super) fn range(&mut self, prefix: &'a str, ty: Type, count: u64) -> Option<()> {
        let depth = self.open.len() as u32;
        let before = self.ranges.insert(prefix, Range { depth, ty, count });
        self.open.last_mut()?.ranges.push((prefix, before));
        self.deepest_range = depth;
        before.is_none_or(|range| range.depth < depth).then_some(())
    }

    fn bind(&mut self, name: &'a str, meaning: Meaning) -> Option<()> {
        let depth = self.open.len() as u32;
        let before = self.names.insert(name, Binding { depth, meaning });
        self.open.last_mut()?.names.push((name, before));
        before.is_none_or(|binding| binding.depth < depth).then_some(())
    }

    /// What a name means here.
    pub(super) fn meaning(&mut self, name: &'a str) -> Option<Meaning> {
        let bound = self.names.get(name).copied();
        let depth = bound.map_or(0, |binding| binding.depth);
        if depth < self.deepest_range
            && let Some(range) = self.range_of(name).filter(|range| range.depth > depth)
        {
            return Some(self.materialise(name, range));
        }
        bound.map(|binding| binding.meaning)
    }

    /// The range that a name belongs to. A prefix may itself end in digits, so each way to cut is tried.
    fn range_of(&self, name: &str) -> Option<Range> {
        const LONGEST: usize = 10;
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).take(LONGEST).count();
        let ranges = (name.len() - digits..name.len()).filter_map(|cut| {
            let (prefix, index) = name.split_at(cut);
            let range = self.ranges.get(prefix)?;
            let is_plain = index.len() == 1 || !index.starts_with('0');
            let is_within = is_plain && index.parse::<u64>().is_ok_and(|index| index < range.count);
            is_within.then_some(*range)
        });
        ranges.max_by_key(|range| range.depth)
    }

    /// Gives a register of a range its id, in the scope of the range.
    fn materialise(&mut self, name: &'a str, range: Range) -> Meaning {
        let reg = Reg(self.function.registers.len() as u32);
        self.function.registers.push(Register { name: name.to_string(), ty: range.ty });
        let meaning = Meaning::Register(reg);
        let before = self.names.insert(name, Binding { depth: range.depth, meaning });
        self.open[range.depth as usize - 1].names.push((name, before));
        meaning
    }

    /// Marks a variable of the module, to be replaced in [`Scopes::finish`].
    pub(super) fn of_module(index: u32) -> Var {
        Var(OF_MODULE | index)
    }

    /// Places a label before the next instruction; `None` where its scope has it already.
    pub(super) fn label(&mut self, name: &'a str) -> Option<Label> {
        let label = Label(self.function.labels.len() as u32);
        let instruction = self.function.body.len() as u32;
        self.function.labels.push(Target { name: name.to_string(), instruction });
        let scope = self.open.last_mut()?;
        scope.labels.push((name, label));
        self.label_names.insert((scope.serial, name)).then_some(label)
    }

    /// Mentions a label, as a slot to be replaced in [`Scopes::finish`].
    pub(super) fn mention(&mut self, name: &'a str, place: T) -> Label {
        let slot = self.mentions.len() as u32;
        self.mentions.push(Mention { name, place, label: None });
        self.unclaimed.entry(name).or_default().push(slot);
        Label(slot)
    }

    /// Appends an instruction.
    pub(super) fn instruction(&mut self, instruction: Instruction, is_provisional: bool) {
        if is_provisional {
            self.provisional.push(self.function.body.len() as u32);
        }
        self.function.body.push(instruction);
    }

    /// The function with its ids final, or the first mention of a label that is nowhere.
    pub(super) fn finish(mut self, module: &[Variable]) -> Result<Function, (&'a str, T)> {
        while !self.open.is_empty() {
            self.close();
        }
        if let Some(mention) = self.mentions.iter().find(|mention| mention.label.is_none()) {
            return Err((mention.name, mention.place));
        }
        let slots: Vec<Label> = self.mentions.iter().filter_map(|mention| mention.label).collect();
        let mut function = self.function;
        function.locals = function.variables.len() - function.params;
        let mut last =
            Last { slots: &slots, module, variables: &mut function.variables, seen: HashMap::new() };
        for index in &self.provisional {
            last.operands(&mut function.body[*index as usize].operands);
        }
        for (_, targets) in &mut function.branch_targets {
            targets.iter_mut().for_each(|target| *target = slots[target.0 as usize]);
        }
        Ok(function)
    }
}

fn restore<'a, T>(table: &mut HashMap<&'a str, T>, name: &'a str, before: Option<T>) {
    match before {
        Some(before) => table.insert(name, before),
        None => table.remove(name),
    };
}

/// Replaces slots and marks by ids.
struct Last<'s> {
    slots: &'s [Label],
    module: &'s [Variable],
    variables: &'s mut Vec<Variable>,
    seen: HashMap<u32, Var>,
}

impl Last<'_> {
    fn operands(&mut self, operands: &mut [Operand]) {
        for operand in operands {
            match operand {
                // What these hold is plain, see `operand`; the lists of a call are such vectors too.
                Operand::Vector(elements) => elements.iter_mut().for_each(|element| self.operand(element)),
                Operand::Tensor { base, coordinates, .. } => {
                    self.base(base);
                    coordinates.iter_mut().for_each(|coordinate| self.operand(coordinate));
                }
                Operand::Pair(first, second) => {
                    self.operand(first);
                    self.operand(second);
                }
                plain => self.operand(plain),
            }
        }
    }

    fn operand(&mut self, operand: &mut Operand) {
        match operand {
            Operand::Label(label) => *label = self.slots[label.0 as usize],
            Operand::Variable(var, _) => *var = self.variable(*var),
            Operand::Address { base, .. } => self.base(base),
            _ => {}
        }
    }

    fn base(&mut self, base: &mut Base) {
        if let Base::Var(var) = base {
            *var = self.variable(*var);
        }
    }

    /// The function's own id of a variable of the module.
    fn variable(&mut self, var: Var) -> Var {
        if var.0 & OF_MODULE == 0 {
            return var;
        }
        let index = var.0 & !OF_MODULE;
        let variables = &mut *self.variables;
        *self.seen.entry(index).or_insert_with(|| {
            // The initial bytes stay with the module: many functions may name one large table.
            let Variable { space, name, ty, elements, align, line, .. } = &self.module[index as usize];
            variables.push(Variable {
                space: *space,
                name: name.clone(),
                ty: *ty,
                elements: *elements,
                align: *align,
                initial: Vec::new(),
                line: *line,
            });
            Var(variables.len() as u32 - 1)
        })
    }
}
