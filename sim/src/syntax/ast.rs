//! A PTX module as a tree: names resolved, scopes flat, modifiers still words.
//!
//! ```text
//! @%p1 ld.global.nc.v2.f32 {%f1, %f2}, [%rd4+8];
//!
//! guard     %p1
//! opcode    ld             modifiers  global nc v2 f32
//! operands  Vector[Reg, Reg], Address { base: Reg, offset: 8 }
//! ```
//!
//! The parser gives each register, variable and label of a function one id, so that nested `{ }` scopes which reuse a name
//! are gone. Source: PTX ISA, chapters "Syntax" and "State Spaces, Types, and Variables".

use std::fmt;

/// A register of a function, as an index into [`Function::registers`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Reg(pub u32);

/// A variable, as an index into [`Function::variables`] (parameters first, then those of the body, then the module's that
/// the function names).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Var(pub u32);

/// A label of a function, as an index into [`Function::labels`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Label(pub u32);

/// A fundamental type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Type {
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    BF16,
    BF16x2,
    TF32,
    F32,
    F64,
    E4M3,
    E5M2,
    E4M3x2,
    E5M2x2,
    Pred,
}

impl Type {
    /// The type of a word such as `f16x2`.
    pub fn parse(word: &str) -> Option<Type> {
        NAMES.iter().find(|(_, name)| *name == word).map(|(ty, _)| *ty)
    }

    /// PTX's word for it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(ty, _)| *ty == self).map_or("?", |(_, name)| name)
    }

    /// Bytes in memory; 1 for a predicate.
    pub fn bytes(self) -> u32 {
        use Type::*;
        match self {
            B8 | U8 | S8 | E4M3 | E5M2 | Pred => 1,
            B16 | U16 | S16 | F16 | BF16 | E4M3x2 | E5M2x2 => 2,
            B32 | U32 | S32 | F16x2 | BF16x2 | TF32 | F32 => 4,
            B64 | U64 | S64 | F64 => 8,
            B128 => 16,
        }
    }

    /// Whether it is a signed integer.
    pub fn is_signed(self) -> bool {
        matches!(self, Type::S8 | Type::S16 | Type::S32 | Type::S64)
    }
}

const NAMES: [(Type, &str); 25] = [
    (Type::B8, "b8"),
    (Type::B16, "b16"),
    (Type::B32, "b32"),
    (Type::B64, "b64"),
    (Type::B128, "b128"),
    (Type::U8, "u8"),
    (Type::U16, "u16"),
    (Type::U32, "u32"),
    (Type::U64, "u64"),
    (Type::S8, "s8"),
    (Type::S16, "s16"),
    (Type::S32, "s32"),
    (Type::S64, "s64"),
    (Type::F16, "f16"),
    (Type::F16x2, "f16x2"),
    (Type::BF16, "bf16"),
    (Type::BF16x2, "bf16x2"),
    (Type::TF32, "tf32"),
    (Type::F32, "f32"),
    (Type::F64, "f64"),
    (Type::E4M3, "e4m3"),
    (Type::E5M2, "e5m2"),
    (Type::E4M3x2, "e4m3x2"),
    (Type::E5M2x2, "e5m2x2"),
    (Type::Pred, "pred"),
];

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A state space.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Space {
    /// A kernel's or a function's parameters.
    Param,
    /// Memory of all blocks.
    Global,
    /// Constant memory.
    Const,
    /// Memory of a block.
    Shared,
    /// Memory of a lane.
    Local,
    /// No space named: the address says which.
    Generic,
}

impl Space {
    /// PTX's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Space::Param => "param",
            Space::Global => "global",
            Space::Const => "const",
            Space::Shared => "shared",
            Space::Local => "local",
            Space::Generic => "generic",
        }
    }
}

/// A variable with an address.
#[derive(Clone, PartialEq, Debug)]
pub struct Variable {
    /// Where it lies.
    pub space: Space,
    /// Its name as written.
    pub name: String,
    /// Type of an element.
    pub ty: Type,
    /// Elements; 1 for a scalar; `None` for `extern .shared x[]`, whose size the launch gives.
    pub elements: Option<u64>,
    /// Alignment in bytes.
    pub align: u32,
    /// Initial bytes of a global or constant variable; what is not given is zero.
    pub initial: Vec<u8>,
    /// Line of the text, from 1.
    pub line: u32,
}

impl Variable {
    /// Bytes; 0 where the launch gives the size.
    pub fn bytes(&self) -> u64 {
        self.elements.unwrap_or(0).saturating_mul(u64::from(self.ty.bytes()))
    }
}

/// A special register, such as `%tid.x`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own; an index is x, y, z = 0, 1, 2")]
pub enum Special {
    Tid(u8),
    Ntid(u8),
    Ctaid(u8),
    Nctaid(u8),
    LaneId,
    WarpId,
    NwarpId,
    SmId,
    NsmId,
    GridId,
    LanemaskEq,
    LanemaskLe,
    LanemaskLt,
    LanemaskGe,
    LanemaskGt,
    Clock,
    ClockHi,
    Clock64,
    Globaltimer,
    DynamicSmemSize,
    TotalSmemSize,
}

/// What an address counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// A register.
    Reg(Reg),
    /// A variable.
    Var(Var),
    /// Zero.
    Absolute,
}

/// An operand.
#[derive(Clone, PartialEq, Debug)]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// A negated predicate register, as in `selp`'s or `setp`'s last operand.
    Not(Reg),
    /// A special register.
    Special(Special),
    /// An integer constant, as its 64 bits.
    Int(i64),
    /// A floating constant: `0f3F800000` (as f32 bits), or
    F32(u32),
    /// `0d3FF0000000000000` or a decimal such as `1.5` (as f64 bits).
    F64(u64),
    /// `[base+offset]`
    Address {
        /// What it counts from.
        base: Base,
        /// Bytes.
        offset: i64,
    },
    /// `[base+offset, {x, y}]`: a place in a tensor that a tensor map describes, or in a texture.
    Tensor {
        /// What it counts from.
        base: Base,
        /// Bytes.
        offset: i64,
        /// The coordinates, innermost first.
        coordinates: Vec<Operand>,
    },
    /// The address of a variable, as in `mov.u32 %r1, buffer;`, with an offset in bytes.
    Variable(Var, i64),
    /// `{a, b, ..}`
    Vector(Vec<Operand>),
    /// `d|p`; either side may be a sink.
    Pair(Box<Operand>, Box<Operand>),
    /// `_`
    Sink,
    /// A label.
    Label(Label),
    /// A name that is nothing of the above: a function to call.
    Name(String),
}

/// A guard: `@p` or `@!p`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guard {
    /// The predicate.
    pub register: Reg,
    /// Whether it is `@!p`.
    pub negated: bool,
}

/// A place in a source file, from `.loc`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source {
    /// Key of [`Module::files`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
}

/// An instruction.
#[derive(Clone, PartialEq, Debug)]
pub struct Instruction {
    /// Lanes for which it does anything.
    pub guard: Option<Guard>,
    /// The first word: `ld`.
    pub opcode: String,
    /// The words after dots, in order: `global`, `nc`, `v2`, `f32`; `::` stays inside a word (`L2::128B`).
    pub modifiers: Vec<String>,
    /// In order; a call's lists are vectors.
    pub operands: Vec<Operand>,
    /// Line of the text, from 1.
    pub line: u32,
    /// Line of the source, where the compiler told.
    pub source: Option<Source>,
}

/// A register: its name as written and its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// Such as `%r12`.
    pub name: String,
    /// Its declared type.
    pub ty: Type,
}

/// A label, and the instruction it stands before (the number of instructions where it stands at the end).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Its name as written.
    pub name: String,
    /// An index into [`Function::body`].
    pub instruction: u32,
}

/// A kernel or a function.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whether it is an `.entry`.
    pub is_entry: bool,
    /// How many of the variables are parameters: the first ones. What a function returns comes before what it takes.
    pub params: usize,
    /// How many of the parameters are what a function returns: the first ones; 0 for an entry.
    pub returns: usize,
    /// How many variables after the parameters are the body's own; the rest are the module's.
    pub locals: usize,
    /// Parameters, variables of the body, and the module's variables that it names, in the order of first use and
    /// without their initial bytes (find those by name in [`Module::variables`]).
    pub variables: Vec<Variable>,
    /// Registers.
    pub registers: Vec<Register>,
    /// Labels.
    pub labels: Vec<Target>,
    /// `.branchtargets` lists, by the label that names them (for `brx.idx`).
    pub branch_targets: Vec<(Label, Vec<Label>)>,
    /// `.maxntid`, `.reqntid`: the most threads of a block, where it says.
    pub max_threads: Option<u32>,
    /// Whether it has a body; one without is a declaration that the module never defines, such as `vprintf`.
    pub has_body: bool,
    /// In order.
    pub body: Vec<Instruction>,
    /// Line of the text, from 1.
    pub line: u32,
}

/// A module.
#[derive(Clone, PartialEq, Debug)]
pub struct Module {
    /// `.version`
    pub version: (u32, u32),
    /// `.target`: `sm_80`
    pub target: String,
    /// Variables outside functions.
    pub variables: Vec<Variable>,
    /// Kernels and functions.
    pub functions: Vec<Function>,
    /// `.file` numbers and names.
    pub files: Vec<(u32, String)>,
}

impl Module {
    /// The kernel of a name.
    pub fn kernel(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.is_entry && f.has_body && f.name == name)
    }
}
