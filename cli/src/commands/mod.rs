//! The commands, one file each: arguments in, text on standard output, or a failure.

mod cache;
mod check;
mod doctor;
mod emit;
mod explain;
mod list;
mod run;

pub use cache::cache;
pub use check::check;
pub use doctor::doctor;
pub use emit::emit;
pub use explain::explain;
pub use list::list;
pub use run::run;
