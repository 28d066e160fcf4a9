//! Whether a tree makes sense, before anything runs.
//!
//! It checks:
//! - the module: names are names and declared once, sources name a file that there is;
//! - variables: alignments are powers of two, sizes stay within what a GPU has, initial values fit;
//! - functions: an entry returns nothing, parameters, locals and the module's variables stand in their order;
//! - labels: in the order of their places, none beyond the end, and each branch has one;
//! - instructions: ids exist, guards are predicates, vectors hold plain operands and are not too long, calls give what the
//!   function takes;
//! - the classes of registers where the opcode's types say them, see `widths`: a predicate where one is due and nowhere
//!   else, registers as wide as their type (wider is fine where PTX says so), addresses in 32 or 64 bits.
//!
//! It does not check: that an opcode exists or its modifiers go together (decoding does), that integers and floats are kept
//! apart (PTX's untyped registers take both), that a register is written before it is read, that paths meet, that the
//! target has an instruction.

use super::ast::*;
use super::error::{Error, Kind, quote};
use std::collections::{HashMap, HashSet};

mod instruction;
mod widths;

type Result<T> = std::result::Result<T, Error>;

/// Registers of a function; compilers unroll to some ten thousand.
const MOST_REGISTERS: usize = 1 << 20;

/// Says what does not make sense in a module; the error names the line.
pub fn verify(module: &Module) -> Result<()> {
    let mut names = HashSet::new();
    for variable in &module.variables {
        is_name(&variable.name, variable.line)?;
        variable_is_sound(variable)?;
        let fits = matches!(variable.space, Space::Global | Space::Const | Space::Shared);
        check(fits, variable.line, || {
            format!("{} lies outside functions, in a space of functions", quote(&variable.name))
        })?;
        check(names.insert(variable.name.as_str()), variable.line, || twice(&variable.name))?;
    }
    for space in [Space::Global, Space::Const, Space::Shared] {
        sizes_fit(space, module.variables.iter())?;
    }
    let by_name: HashMap<&str, &Variable> =
        module.variables.iter().map(|variable| (variable.name.as_str(), variable)).collect();
    let functions = module.functions.iter().map(|function| (function.name.as_str(), function)).collect();
    let files: HashSet<u32> = module.files.iter().map(|(number, _)| *number).collect();
    for function in &module.functions {
        is_name(&function.name, function.line)?;
        check(names.insert(function.name.as_str()), function.line, || twice(&function.name))?;
        function_is_sound(function, &by_name)?;
        let lists = function.branch_targets.iter().map(|(name, _)| *name).collect();
        let around = instruction::Around { function, functions: &functions, lists: &lists };
        for instruction in &function.body {
            source_is_known(instruction, &files)?;
            instruction::is_sound(&around, instruction)?;
        }
    }
    Ok(())
}

/// An error unless something holds.
fn check(holds: bool, line: u32, what: impl FnOnce() -> String) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error { kind: Kind::Malformed, line, column: 0, what: what(), hint: String::new() })
}

fn twice(name: &str) -> String {
    format!("{} is declared twice", quote(name))
}

/// Whether a text is a name of PTX.
fn is_name(name: &str, line: u32) -> Result<()> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$' | '%'));
    let goes_on = name.bytes().skip(1).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
    check(starts && goes_on, line, || format!("{} is no name", quote(name)))
}

fn variable_is_sound(variable: &Variable) -> Result<()> {
    let Variable { name, ty, line, .. } = variable;
    let is_aligned = variable.align.is_power_of_two() && variable.align <= 1 << 16;
    check(is_aligned, *line, || {
        format!("{} has the alignment {}, which is no power of two up to 65536", quote(name), variable.align)
    })?;
    check(*ty != Type::Pred, *line, || format!("{} is a predicate in memory", quote(name)))?;
    check(variable.elements.is_some() || variable.space == Space::Shared, *line, || {
        format!("{} has no size", quote(name))
    })?;
    if variable.initial.is_empty() {
        return Ok(());
    }
    let has_values = matches!(variable.space, Space::Global | Space::Const);
    check(has_values && ty.bytes() <= 8, *line, || format!("{} cannot have initial values", quote(name)))?;
    let size = variable.initial.len() as u64;
    check(size <= variable.bytes() && size.is_multiple_of(u64::from(ty.bytes())), *line, || {
        format!("{} has {} bytes and {size} initial ones", quote(name), variable.bytes())
    })
}

/// What the variables of a space take together, against what there is.
fn sizes_fit<'m>(space: Space, variables: impl Iterator<Item = &'m Variable>) -> Result<()> {
    let (most, what) = match space {
        Space::Param => (32_764, "parameters"),
        Space::Const => (64 << 10, "constant variables"),
        Space::Shared => (256 << 10, "shared variables"),
        Space::Local => (512 << 10, "local variables"),
        Space::Global | Space::Generic => (1 << 32, "global variables"),
    };
    let mut total = 0u64;
    for variable in variables.filter(|variable| variable.space == space) {
        let align = u64::from(variable.align.max(1));
        total = total.next_multiple_of(align).saturating_add(variable.bytes());
        check(total <= most, variable.line, || {
            format!("{what} take {total} bytes with {}, of at most {most}", quote(&variable.name))
        })?;
    }
    Ok(())
}

fn function_is_sound(function: &Function, module: &HashMap<&str, &Variable>) -> Result<()> {
    let (name, line) = (quote(&function.name), function.line);
    let own = function.params.checked_add(function.locals).filter(|own| *own <= function.variables.len());
    let Some(own) = own.filter(|_| function.returns <= function.params) else {
        return check(false, line, || format!("{name} counts more variables than it has"));
    };
    check(!function.is_entry || function.returns == 0, line, || format!("the entry {name} returns a value"))?;
    check(function.max_threads.is_none_or(|most| (1..=1024).contains(&most)), line, || {
        format!("{name} has blocks of {} threads; 1 to 1024 there are", function.max_threads.unwrap_or(0))
    })?;
    check(function.registers.len() <= MOST_REGISTERS, line, || {
        format!("{name} has {} registers, more than {MOST_REGISTERS}", function.registers.len())
    })?;
    check(function.has_body || (function.body.is_empty() && own == function.params), line, || {
        format!("{name} has no body and something in it")
    })?;
    let (own, borrowed) = function.variables.split_at(own);
    for (index, variable) in own.iter().enumerate() {
        is_name(&variable.name, variable.line)?;
        variable_is_sound(variable)?;
        let is_param = variable.space == Space::Param;
        let fits = if index < function.params { is_param } else { variable.space != Space::Generic };
        check(fits, variable.line, || format!("{} lies in the wrong space", quote(&variable.name)))?;
    }
    // The parameters of calls come and go with their scopes; those of the function are together.
    sizes_fit(Space::Param, own[..function.params].iter())?;
    for space in [Space::Shared, Space::Local, Space::Global, Space::Const] {
        sizes_fit(space, own.iter())?;
    }
    for variable in borrowed {
        let is_known = module.get(variable.name.as_str()).is_some_and(|known| is_same(variable, known));
        check(is_known, line, || format!("{name} names {}, which the module lacks", quote(&variable.name)))?;
    }
    for register in &function.registers {
        is_name(&register.name, line)?;
    }
    labels_are_sound(function)
}

/// Whether a function's view of a variable is that of the module; initial values stay with the module.
fn is_same(view: &Variable, known: &Variable) -> bool {
    let key = |v: &Variable| (v.space, v.ty, v.elements, v.align);
    key(view) == key(known) && view.initial.is_empty()
}

fn labels_are_sound(function: &Function) -> Result<()> {
    let line = function.line;
    let end = function.body.len() as u32;
    for label in &function.labels {
        is_name(&label.name, line)?;
        check(label.instruction <= end, line, || {
            format!("the label {} stands beyond the end of {}", quote(&label.name), quote(&function.name))
        })?;
    }
    check(function.labels.is_sorted_by_key(|label| label.instruction), line, || {
        format!("the labels of {} are not in the order of their places", quote(&function.name))
    })?;
    let mut lists = HashSet::new();
    for (name, targets) in &function.branch_targets {
        let exist = std::iter::once(name).chain(targets).all(|l| (l.0 as usize) < function.labels.len());
        check(exist && !targets.is_empty() && lists.insert(name.0), line, || {
            format!(
                "a list of branch targets of {} is empty, double or names no label",
                quote(&function.name)
            )
        })?;
    }
    Ok(())
}

fn source_is_known(instruction: &Instruction, files: &HashSet<u32>) -> Result<()> {
    let Some(source) = instruction.source else { return Ok(()) };
    check(source.line > 0 && files.contains(&source.file), instruction.line, || {
        format!("the source line {} of file {}, which no `.file` names", source.line, source.file)
    })
}
