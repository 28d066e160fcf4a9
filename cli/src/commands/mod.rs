//! The commands, one file each: arguments in, text on standard output, or a failure.

mod bench;
mod cache;
mod check;
mod doctor;
pub(crate) mod emit;
mod explain;
mod list;
mod run;

pub use bench::bench;
pub use cache::cache;
pub use check::check;
pub use doctor::doctor;
pub use emit::emit;
pub use explain::explain;
pub use list::list;
pub use run::run;

use chunkwise_runtime::PlanChoice;
use std::io::Write;

/// Says that `--chunk` is idle where there are no chunks. It is no mistake: scripts loop over plans and chunk lengths.
fn note_chunk_without_chunks(plan: Option<PlanChoice>, chunk: Option<usize>) {
    if plan == Some(PlanChoice::Recurrent) && chunk.is_some() {
        let text = "note: --chunk is not used by `--plan recurrent`, which walks the tokens one by one\n";
        // Standard error may be closed; a note is not worth an error.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}
