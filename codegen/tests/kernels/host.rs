//! Runs the text of kernels on the CPU: a C++ compiler, `host/cuda.hpp` for CUDA's words, and `host/scheduler.cpp`,
//! which runs a block's threads as coroutines.

use chunkwise_codegen::device;
use chunkwise_codegen::{Argument, Kernel, Role, Strides};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One argument of a launch.
pub(crate) enum Value {
    Null,
    Buffer(Vec<u8>),
    Tokens(i64),
    Heads(u32),
    Strides(Strides),
    /// The buffer of an earlier argument.
    Same(u32),
}

/// A program that holds kernels.
pub(crate) struct Host {
    _folder: tempfile::TempDir,
    program: PathBuf,
}

impl Host {
    /// Compiles kernels into one program.
    pub(crate) fn build(kernels: &[Kernel]) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("kernels.cpp");
        let program = folder.path().join("kernels");
        std::fs::write(&text, translation_unit(kernels)).unwrap();
        let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host");
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        // Functions that leave by longjmp for another stack are what coroutines are; fortified longjmp forbids it.
        let options =
            ["-std=c++17", "-O1", "-fno-strict-aliasing", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-w"];
        let output = Command::new(&compiler)
            .args(options)
            .arg("-I")
            .arg(&support)
            .args([&text, &support.join("scheduler.cpp")])
            .arg("-o")
            .arg(&program)
            .output()
            .unwrap_or_else(|error| panic!("the C++ compiler `{compiler}` does not run ({error}); set CXX"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Host { _folder: folder, program }
    }

    /// Runs a kernel and returns every buffer as it is afterwards, in the order of arguments.
    pub(crate) fn run(
        &self,
        index: usize,
        kernel: &Kernel,
        blocks: u32,
        values: &[Value],
    ) -> Result<Vec<Vec<u8>>, String> {
        assert_eq!(values.len(), kernel.arguments.len());
        let mut request = Vec::new();
        for number in [index as u32, blocks, kernel.threads, values.len() as u32] {
            request.extend(number.to_le_bytes());
        }
        let sized = |kind: u32, bytes: &[u8]| {
            [&kind.to_le_bytes(), &(bytes.len() as u64).to_le_bytes()[..], bytes].concat()
        };
        for value in values {
            request.extend(match value {
                Value::Null => 0u32.to_le_bytes().to_vec(),
                Value::Buffer(bytes) => sized(1, bytes),
                Value::Tokens(number) => sized(2, &number.to_le_bytes()),
                Value::Heads(number) => sized(2, &number.to_le_bytes()),
                Value::Strides(strides) => sized(2, &strides.to_le_bytes()),
                Value::Same(of) => [3u32.to_le_bytes(), of.to_le_bytes()].concat(),
            });
        }
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program reads everything before it writes anything, so one after the other cannot block.
        let sent = child.stdin.take().unwrap().write_all(&request);
        let mut answer = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut answer).unwrap();
        let output = child.wait_with_output().unwrap();
        if !output.status.success() || sent.is_err() {
            return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
        let mut rest = &answer[..];
        let buffers = values.iter().filter_map(|value| match value {
            Value::Buffer(bytes) => Some(bytes.len()),
            _ => None,
        });
        Ok(buffers
            .map(|size| {
                let (buffer, others) = rest.split_at(size);
                rest = others;
                buffer.to_vec()
            })
            .collect())
    }
}

/// Every kernel in a namespace of its own, and a function that calls them by number.
fn translation_unit(kernels: &[Kernel]) -> String {
    let mut text = "#include \"cuda.hpp\"\n".to_owned();
    let mut calls = String::new();
    for (index, kernel) in kernels.iter().enumerate() {
        let mut source = kernel.source.replace("extern \"C\" __global__", "__global__");
        for item in device::items().iter().filter(|item| item.file == "numbers.cuh") {
            source = source.replace(item.text.trim_end(), "");
        }
        assert!(!source.contains("asm("), "the host has no inline PTX");
        writeln!(text, "namespace k{index} {{\n{source}\n}}").unwrap();
        let arguments: Vec<String> = kernel.arguments.iter().enumerate().map(|a| passed(index, a)).collect();
        writeln!(calls, "    case {index}: k{index}::{}({}); break;", kernel.name, arguments.join(", "))
            .unwrap();
    }
    format!("{text}\nvoid call(unsigned kernel, void **a) {{\n    switch (kernel) {{\n{calls}    }}\n}}\n")
}

fn passed(index: usize, (at, argument): (usize, &Argument)) -> String {
    let element = argument.dtype.map_or("i64", |dtype| dtype.name());
    match argument.role {
        Role::Input(_) | Role::InitialState(_) | Role::CuSeqlens => {
            format!("static_cast<const {element} *>(a[{at}])")
        }
        Role::Output(_) | Role::FinalState(_) | Role::Workspace(_) => {
            format!("static_cast<{element} *>(a[{at}])")
        }
        Role::Tokens | Role::Sequences | Role::PieceTokens => format!("*static_cast<i64 *>(a[{at}])"),
        Role::Heads => format!("*static_cast<unsigned *>(a[{at}])"),
        Role::Strides(_) => format!("*static_cast<k{index}::Strides *>(a[{at}])"),
    }
}
