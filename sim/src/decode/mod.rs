//! Instructions with all their modifiers understood.
//!
//! ```text
//! ld.global.nc.L1::no_allocate.v2.f32 {%f1, %f2}, [%rd4+8];
//!     -> Load { order: Weak, constant: true, bytes: 4, dst: [Reg32, Reg32], address: { Global, Reg64, 8 } }
//! ld.global.nc.fast.f32 %f1, [%rd4];
//!     -> line 12: ld.global.nc.fast.f32 %f1, [%rd4];
//!          `.fast` is not supported here in `ld`: expected one of `.b8`, `.b16`, ..
//! ```
//!
//! | file | |
//! |---|---|
//! | [`op`] | what an instruction may do |
//! | [`kernel`](mod@kernel) | a kernel as the machine runs it |
//! | `assemble` | a module's kernel: places of variables, calls replaced by what they call |
//! | `place`, `words`, `operands` | names, modifiers and operands, understood one by one |
//! | [`unwritten`] | registers that may be read before they are written |
//! | the rest | one file for each family of opcodes |
//!
//! Invariants: a word or an operand that is not understood is an error that names line and text; what does the same is the same
//! [`op::Op`]. Source: PTX ISA 9, chapter "Instruction Set"; the set is that of sm_80, without textures and surfaces.

mod access;
mod assemble;
mod atomic;
mod bits;
mod block;
mod choose;
mod control;
mod convert;
mod copies;
mod float;
mod integer;
pub mod kernel;
mod matrix;
mod memory;
mod moves;
pub mod op;
mod operands;
mod place;
mod text;
pub mod unwritten;
mod warp;
mod words;

pub use assemble::kernel;
pub use kernel::{Banks, Instruction, Kernel, Parameter};

use crate::syntax::ast;
use op::{CarryOp, FloatOp, IntegerOp, Logic, Op};
use place::Scope;
use words::{Reader, What};

/// An instruction that the simulator does not understand.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {text}\n  {what}")]
pub struct Error {
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// The instruction.
    pub text: String,
    /// What is wrong or not supported, and what would be.
    pub what: String,
}

/// The operations of an instruction other than `call`: one, behind those that fetch its special registers.
fn instruction(scope: &mut Scope, instruction: &ast::Instruction) -> What<Vec<Op>> {
    let mut reader = Reader::new(scope, instruction);
    let op = family(&mut reader)?;
    reader.finish()?;
    let mut ops = reader.before;
    ops.push(op);
    Ok(ops)
}

/// Hands an opcode to its family.
fn family(r: &mut Reader) -> What<Op> {
    let is_float = || r.last_type().map(float::is_float);
    match r.instruction.opcode.as_str() {
        "add" | "sub" | "mul" | "mad" | "div" | "abs" | "neg" | "min" | "max" => match is_float()? {
            true => of_floats(r),
            false => of_integers(r),
        },
        "fma" | "rcp" | "sqrt" | "rsqrt" | "sin" | "cos" | "lg2" | "ex2" | "tanh" | "copysign" | "testp" => {
            of_floats(r)
        }
        "mul24" | "mad24" | "sad" | "rem" | "dp4a" | "dp2a" | "addc" | "subc" | "madc" => of_integers(r),
        "and" | "or" | "xor" | "not" | "cnot" | "lop3" | "shl" | "shr" | "shf" | "prmt" | "popc" | "clz"
        | "bfind" | "brev" | "bfe" | "bfi" | "szext" | "bmsk" | "fns" => of_bits(r),
        "setp" => choose::setp(r),
        "set" => choose::set(r),
        "selp" => choose::selp(r),
        "slct" => choose::slct(r),
        "mov" => moves::mov(r),
        "cvta" => moves::cvta(r),
        "isspacep" => moves::isspacep(r),
        "cvt" => convert::cvt(r),
        "ld" | "ldu" | "st" | "prefetch" | "prefetchu" | "applypriority" | "discard" | "createpolicy"
        | "atom" | "red" | "cp" => of_memory(r),
        "ldmatrix" => matrix::load(r),
        "stmatrix" => matrix::store(r),
        "movmatrix" => matrix::transpose(r),
        "mma" => matrix::multiply(r),
        "shfl" => warp::shuffle(r),
        "vote" => warp::vote(r),
        "match" => warp::matching(r),
        "redux" => warp::reduce(r),
        "activemask" => warp::active_mask(r),
        "elect" => warp::elect(r),
        "bar" => block::barrier(r, true),
        "barrier" => block::barrier(r, false),
        "membar" => block::membar(r),
        "fence" => block::fence(r),
        "bra" => control::branch(r),
        "brx" => control::branch_indexed(r),
        "ret" => control::ret(r),
        "exit" => Ok(Op::Exit),
        "trap" => Ok(Op::Trap),
        "nanosleep" => control::sleep(r),
        "pmevent" => control::event(r),
        "griddepcontrol" => control::dependents(r),
        opcode => Err(unsupported(opcode)),
    }
}

fn of_floats(r: &mut Reader) -> What<Op> {
    use FloatOp::*;
    match r.instruction.opcode.as_str() {
        "add" => float::arithmetic(r, Add),
        "sub" => float::arithmetic(r, Sub),
        "mul" => float::arithmetic(r, Mul),
        "fma" | "mad" => float::fma(r),
        "div" => float::quotient(r, Div, DivApprox),
        "rcp" => float::quotient(r, Rcp, RcpApprox),
        "sqrt" => float::quotient(r, Sqrt, SqrtApprox),
        "rsqrt" => float::special(r, RsqrtApprox),
        "sin" => float::special(r, SinApprox),
        "cos" => float::special(r, CosApprox),
        "lg2" => float::special(r, Lg2Approx),
        "ex2" => float::special(r, Ex2Approx),
        "tanh" => float::special(r, TanhApprox),
        "abs" => float::sign(r, Abs),
        "neg" => float::sign(r, Neg),
        "min" => float::extreme(r, Min),
        "max" => float::extreme(r, Max),
        "copysign" => float::copysign(r),
        "testp" => float::test(r),
        opcode => Err(unsupported(opcode)),
    }
}

fn of_integers(r: &mut Reader) -> What<Op> {
    use IntegerOp::*;
    match r.instruction.opcode.as_str() {
        "add" => integer::sum(r, Add, AddSat, CarryOp::Add),
        "sub" => integer::sum(r, Sub, SubSat, CarryOp::Sub),
        "mul" => integer::product(r),
        "mad" => integer::product_sum(r),
        "mul24" => integer::product24(r),
        "mad24" => integer::product_sum24(r),
        "sad" => integer::plain(r, Sad),
        "div" => integer::plain(r, Div),
        "rem" => integer::plain(r, Rem),
        "abs" => integer::sign(r, Abs),
        "neg" => integer::sign(r, Neg),
        "min" => integer::extreme(r, Min, MinRelu),
        "max" => integer::extreme(r, Max, MaxRelu),
        "dp4a" => integer::dot(r, true),
        "dp2a" => integer::dot(r, false),
        "addc" => integer::sum_with_carry(r, CarryOp::Add),
        "subc" => integer::sum_with_carry(r, CarryOp::Sub),
        "madc" => integer::product_with_carry(r),
        opcode => Err(unsupported(opcode)),
    }
}

fn of_bits(r: &mut Reader) -> What<Op> {
    use IntegerOp::*;
    match r.instruction.opcode.as_str() {
        "and" => bits::logic(r, And, Logic::And),
        "or" => bits::logic(r, Or, Logic::Or),
        "xor" => bits::logic(r, Xor, Logic::Xor),
        "not" => bits::not(r),
        "cnot" => bits::cnot(r),
        "lop3" => bits::lop3(r),
        "shl" => bits::shift(r, Shl),
        "shr" => bits::shift(r, Shr),
        "shf" => bits::funnel(r),
        "prmt" => bits::permute(r),
        "popc" => bits::count(r, Popc),
        "clz" => bits::count(r, Clz),
        "bfind" => bits::count(r, Bfind),
        "brev" => bits::reverse(r),
        "bfe" => bits::extract(r),
        "bfi" => bits::insert(r),
        "szext" => bits::extend(r),
        "bmsk" => bits::mask(r),
        "fns" => bits::nth(r),
        opcode => Err(unsupported(opcode)),
    }
}

fn of_memory(r: &mut Reader) -> What<Op> {
    match r.instruction.opcode.as_str() {
        "ld" => memory::load(r),
        "ldu" => memory::load_uniform(r),
        "st" => memory::store(r),
        "prefetch" => memory::prefetch(r),
        "prefetchu" => memory::prefetch_uniform(r),
        "applypriority" => memory::apply_priority(r),
        "discard" => memory::discard(r),
        "createpolicy" => memory::create_policy(r),
        "atom" => atomic::atomic(r, true),
        "red" => atomic::atomic(r, false),
        "cp" => copies::copy(r),
        opcode => Err(unsupported(opcode)),
    }
}

/// What to say of an opcode that no family knows.
fn unsupported(opcode: &str) -> String {
    let why = match opcode {
        "mbarrier"
        | "wgmma"
        | "tcgen05"
        | "multimem"
        | "mapa"
        | "getctarank"
        | "setmaxnreg"
        | "tensormap"
        | "clusterlaunchcontrol" => "belongs to sm_90 and later; the simulator has the set of sm_80",
        "tex" | "tld4" | "txq" | "suld" | "sust" | "sured" | "suq" | "istypep" => {
            "is of textures and surfaces, which the simulator does not have"
        }
        "wmma" => "is not supported: write `ldmatrix` and `mma.sync`, which it is made of",
        "alloca" | "stacksave" | "stackrestore" => "is not supported: give local arrays a constant size",
        "brkpt" => "is not supported: there is no debugger to stop in",
        _ => "is no opcode that the simulator knows",
    };
    format!("`{opcode}` {why}")
}
