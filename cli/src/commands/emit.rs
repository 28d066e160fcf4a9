//! `chunkwise emit`: the CUDA C++ of a rule, or what NVRTC makes of it.

use crate::args::{Emit, Pass};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::{dims, source};
use chunkwise::Rule;
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::kernel::{Kernel, Limitation, MAX_SIZE};
use chunkwise_codegen::schedule::Unit;
use chunkwise_codegen::{Arch, Plan, Precision, Schedule};
use chunkwise_runtime::jit::{Jit, Source};
use chunkwise_runtime::nvrtc::{Code, Nvrtc};

/// Runs the command.
///
/// # Errors
/// Mistakes in the rule or its dims; limitations of the generator; an absent NVRTC, where it has to compile.
pub fn emit(arguments: &Emit, output: &mut Output) -> Outcome {
    let found = source::find(&arguments.rule)?;
    let rule = found.rule();
    let plan = plan(arguments)?;
    let sizes = dims::sizes(&rule.signature, &arguments.dims, |_| 128)?;
    let (precision, columns) = (arguments.precision.into(), arguments.columns);
    let spec = Spec { precision, columns, ..Spec::new(sizes, arguments.dtype) };
    if plan == Plan::Recurrent && spec.precision == Precision::High {
        return Err(Failure::mistake(
            "--precision high splits the operands of tensor cores, and the recurrent plan uses none",
            "leave it out, or add `--plan fused`",
        ));
    }
    let schedule = schedule(rule, plan, arguments.arch, spec)?;
    for kernel in schedule.kernels {
        if !arguments.ptx && !arguments.log {
            output.text(header(arguments, &kernel))?;
            output.text(&kernel.source)?;
            continue;
        }
        // PTX alone would do for `--ptx`, but machine code serves a GPU too, and `--log` after it.
        let (name, text) = (kernel.name, kernel.source);
        let source = Source { name, text, options: Vec::new(), code: Code::Machine };
        let binary = Jit::user().compile(&source, arguments.arch)?;
        output.text(if arguments.ptx { &binary.ptx } else { &binary.log })?;
    }
    Ok(())
}

/// How the text is compiled and launched: what a reader who takes it elsewhere needs to know.
fn header(arguments: &Emit, kernel: &Kernel) -> String {
    let options = Nvrtc::command_line(arguments.arch, Code::Machine, &[]).join(" ");
    let per_head = match kernel.blocks_per_head {
        1 => "one block".to_owned(),
        blocks => format!("{blocks} blocks"),
    };
    let unit = match kernel.unit {
        Unit::Sequence => "sequence",
        Unit::Piece => "piece of a sequence",
    };
    format!(
        "// {}: {per_head} of {} threads for each head of each {unit}, {} bytes of dynamic shared memory.\n\
         // Compile with NVRTC: {options}\n\n",
        kernel.name, kernel.threads, kernel.shared
    )
}

/// The plan, where it and the pass have kernels.
fn plan(arguments: &Emit) -> Outcome<Plan> {
    if arguments.pass == Pass::Backward {
        return Err(Failure::limitation(
            "there are no CUDA kernels for --pass backward yet",
            "the cpu device runs every rule backward",
        ));
    }
    // Without a shape there is nothing to choose by: the first.
    Ok(arguments.plan.kernels().first().copied().unwrap_or(Plan::Recurrent))
}

/// What a plan launches.
///
/// # Errors
/// A mistake for sizes that no kernel takes; a limitation that says what there is instead.
pub(crate) fn schedule(rule: &Rule, plan: Plan, arch: Arch, spec: Spec) -> Outcome<Schedule> {
    let name = &rule.signature.name;
    let timeline = rule.timeline.as_ref().map_err(|why| {
        Failure::limitation(
            format!("`{name}` has no timeline, so there are no CUDA kernels for it: {}", why.message),
            "the cpu device runs it",
        )
    })?;
    plan.emit(timeline, &spec, arch).map_err(|limitation| refused(name, &limitation))
}

/// What the generator refuses: a size that the user named is the user's mistake.
fn refused(name: &str, limitation: &Limitation) -> Failure {
    match limitation {
        Limitation::Size { dim, size } => Failure::mistake(
            format!("dim `{dim}` of `{name}` is {size}; a kernel takes 1 to {MAX_SIZE}"),
            "give a smaller size; the cpu device takes any",
        ),
        other => Failure::limitation(format!("`{name}`: {other}"), other.hint()),
    }
}
