//! Where the registers and the variables of a function lie.
//!
//! ```text
//! .reg .b16 %rs<2>;  .reg .f32 %f<1>;  .reg .b64 %rd<1>;  .reg .b128 %q<1>;  .reg .pred %p<1>;
//!     %rs0, %rs1, %f0 -> words 0, 1, 2      %rd0 -> long 0      %q0 -> longs 1 and 2      %p0 -> predicate 0
//! .shared .align 4 .b8 a[6];  .shared .align 8 .b64 b;  .extern .shared .align 16 .b8 rest[];
//!     a -> 0      b -> 8      rest -> 16, which is also the kernel's number of shared bytes
//! ```
//!
//! Banks grow function by function: a function that is put in place of its call gets registers of its own.

use super::kernel::Banks;
use super::op::{Pred, Reg32, Reg64};
use crate::syntax::ast::{Function, Label, Space, Type, Variable};

/// A register in its bank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    Word(Reg32),
    Long(Reg64),
    /// A `.b128` register: this is its low half, the high half comes next.
    Pair(Reg64),
    Pred(Pred),
}

/// Where a variable lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// At this offset of shared, local or the kernel's parameter space.
    At(Space, u32),
    /// A global or constant variable of the module, by index.
    Module(Space, u32),
    /// Nowhere that the simulator knows, and why.
    Nowhere(&'static str),
}

/// A variable as a function sees it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// The space that it is declared in: `Param` also for what lies in local memory.
    pub(crate) declared: Space,
}

/// The most registers of a bank: beyond what compilers ask for, and little enough to hold.
const MOST_REGISTERS: u32 = 1 << 20;

/// What the names of a function stand for.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// By [`Reg`](crate::syntax::ast::Reg).
    pub(crate) registers: Vec<(Slot, Type)>,
    /// Names of registers, for messages.
    pub(crate) names: Vec<String>,
    /// By [`Var`](crate::syntax::ast::Var).
    pub(crate) variables: Vec<Named>,
    /// Whether it is the kernel itself, so that `ld.param` by a register reads the kernel's parameters.
    pub(crate) is_entry: bool,
    /// The instruction of the body that a label stands before, by [`Label`](crate::syntax::ast::Label).
    pub(crate) labels: Vec<u32>,
    /// What `brx.idx` may reach by the label of its list.
    pub(crate) targets: Vec<(u32, Vec<u32>)>,
    /// The number of instructions of the body.
    pub(crate) end: u32,
    /// The banks so far; grows by the registers that decoding itself needs.
    pub(crate) banks: Banks,
}

impl Scope {
    /// The scope of a function whose variables lie at `places`, with its registers behind those of `banks`; `None` where
    /// these are too many.
    pub(crate) fn new(function: &Function, places: Vec<Place>, mut banks: Banks) -> Option<Scope> {
        let mut registers = Vec::with_capacity(function.registers.len());
        for register in &function.registers {
            registers.push((banks.add(register.ty), register.ty));
            if banks.words.max(banks.longs).max(banks.preds) > MOST_REGISTERS {
                return None;
            }
        }
        let names = function.registers.iter().map(|r| r.name.clone()).collect();
        let named = |(place, v): (Place, &Variable)| Named {
            place,
            name: v.name.clone(),
            bytes: v.bytes(),
            declared: v.space,
        };
        let variables = places.into_iter().zip(&function.variables).map(named).collect();
        let labels: Vec<u32> = function.labels.iter().map(|l| l.instruction).collect();
        let place = |label: &Label| labels.get(label.0 as usize).copied().unwrap_or(u32::MAX);
        let targets = function
            .branch_targets
            .iter()
            .map(|(own, list)| (own.0, list.iter().map(place).collect()))
            .collect();
        let end = function.body.len() as u32;
        let is_entry = function.is_entry;
        Some(Scope { registers, names, variables, is_entry, labels, targets, end, banks })
    }
}

impl Banks {
    /// One more register.
    pub(crate) fn add(&mut self, ty: Type) -> Slot {
        let take = |count: &mut u32, n: u32| {
            let first = *count;
            *count += n;
            first
        };
        match ty {
            Type::Pred => Slot::Pred(Pred(take(&mut self.preds, 1))),
            Type::B128 => Slot::Pair(Reg64(take(&mut self.longs, 2))),
            _ if ty.bytes() == 8 => Slot::Long(Reg64(take(&mut self.longs, 1))),
            _ => Slot::Word(Reg32(take(&mut self.words, 1))),
        }
    }
}

/// Bytes of a space, handed out in order.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Bump(u32);

impl Bump {
    /// The next place of a size and an alignment; `None` beyond 4 GiB.
    pub(crate) fn take(&mut self, bytes: u64, align: u32) -> Option<u32> {
        let start = self.0.checked_next_multiple_of(align.max(1))?;
        self.0 = start.checked_add(u32::try_from(bytes).ok()?)?;
        Some(start)
    }

    /// Bytes handed out so far.
    pub(crate) fn bytes(self) -> u32 {
        self.0
    }
}
