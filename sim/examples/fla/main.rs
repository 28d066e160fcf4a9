//! Runs kernels of flash-linear-attention, as Triton compiles them for sm_80, and compares what they compute with the CPU.
//!
//! ```text
//! python sim/examples/fla/make.py WHEEL FOLDER            their PTX, made from the wheel: no part of this project
//! cargo run --release -p chunkwise-sim --example fla -- FOLDER
//!
//! chunk_cumsum, 64 tokens: 228 instructions, 0 tensor flops, 512 + 512 bytes, 8 wavefronts, 0 of them conflicts
//! chunk_fwd_o, 150 tokens: argument 5: number 4: 1.25e0 instead of 1e0, within 1.0e-2
//! ```
//!
//! It shows that the simulator reads and runs what others write, and gives their counts. One sequence, two heads of 64, chunks
//! of 64. Ends with 1 if a kernel is missing, refused or wrong, and with 2 if it is not asked rightly.

mod case;
mod kernels;

use case::Case;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: fla FOLDER [SEED]
FOLDER has the PTX that sim/examples/fla/make.py makes; SEED (a number, 1 if left out) moves the random inputs.";

fn main() -> ExitCode {
    let Some((folder, seed)) = asked() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut failed = 0;
    for case in kernels::all(seed) {
        let Case { file, tokens, .. } = &case;
        match case.run(&folder) {
            Ok(said) => println!("{file}, {tokens} tokens: {said}"),
            Err(error) => {
                eprintln!("{file}, {tokens} tokens: {error}");
                failed += 1;
            }
        }
    }
    if failed > 0 {
        eprintln!("{failed} launches failed (seed {seed})");
    }
    ExitCode::from(u8::from(failed > 0))
}

/// The folder and the seed of the command line.
fn asked() -> Option<(PathBuf, u64)> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [folder] => Some((folder.into(), 1)),
        [folder, seed] => Some((folder.into(), seed.to_str()?.parse().ok()?)),
        _ => None,
    }
}
