//! The last net: a panic anywhere says that it is our bug and how to report it, and the process ends with code 1.
//!
//! No input should get here. Where one does, the user must not be left with a Rust backtrace and the question whose
//! fault it was.

use chunkwise_runtime::Error;
use std::io::Write;
use std::panic::{PanicHookInfo, UnwindSafe};

/// Replaces Rust's panic message by ours. A panic in any thread speaks once, when it happens.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let text = format!("{}\n", Error::bug(describe(info)));
        // Standard error may be closed; then there is nobody left to tell.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
}

/// Runs `command`; a panic inside becomes `None`, its message already on standard error.
pub fn catch<T>(command: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    std::panic::catch_unwind(command).ok()
}

/// `index out of bounds (algebra/src/chunk.rs:12:3)`.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let message =
        text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
    match info.location() {
        Some(place) => format!("{message} ({}:{}:{})", place.file(), place.line(), place.column()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_in_none() {
        assert_eq!(catch(|| 1), Some(1));
        assert_eq!(catch(|| -> u32 { panic!("on purpose, by a test") }), None);
    }
}
