//! Reads ptxas's report (`--ptxas-options=-v`) out of a compilation's log, and finds the source lines of its errors.
//!
//! ```text
//! ptxas info    : Compiling entry function 'step' for 'sm_90a'
//! ptxas info    : Function properties for step
//! ptxas         .     144 bytes stack frame, 404 bytes spill stores, 396 bytes spill loads
//! ptxas info    : Used 64 registers, used 1 barriers, 144 bytes cumulative stack size, 256 bytes smem
//! ```
//!
//! NVRTC 12 prints the third line without its `ptxas .`, and leaves out what is zero. A function that was not inlined is
//! reported after the kernel that was compiled with it: its spills are counted to that kernel, so that a module without
//! spills has none in any entry.

use super::binary::KernelResources;

/// The resources of each kernel that the log mentions, in the log's order.
pub(crate) fn resources(log: &str) -> Vec<KernelResources> {
    let mut kernels: Vec<KernelResources> = Vec::new();
    for line in log.lines() {
        if let Some(kernel) = quoted_after(line, "Compiling entry function ") {
            kernels.push(KernelResources { kernel: kernel.to_owned(), ..KernelResources::default() });
        }
        let Some(kernel) = kernels.last_mut() else { continue };
        if line.contains("bytes stack frame") {
            kernel.stack_bytes = kernel.stack_bytes.max(number_before(line, "bytes stack frame"));
            kernel.spill_store_bytes += number_before(line, "bytes spill stores");
            kernel.spill_load_bytes += number_before(line, "bytes spill loads");
        } else if let Some((_, used)) = line.split_once(": Used ") {
            kernel.registers = number_before(used, "registers");
            kernel.barriers = number_before(used, "barriers");
            kernel.shared_bytes = number_before(used, "bytes smem");
            kernel.stack_bytes = kernel.stack_bytes.max(number_before(used, "bytes cumulative stack size"));
        }
    }
    kernels
}

/// The log without the lines that tell how long ptxas took, which differ from run to run.
pub(crate) fn without_timings(log: &str) -> String {
    let kept = log.lines().filter(|line| !line.contains("Compile time ="));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// The source lines that the log's errors point at (`name(12): error: ..`), each with two lines around it; at most
/// five places, since the later errors mostly follow from the first.
pub(crate) fn excerpts(log: &str, file: &str, source: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let mut out = String::new();
    for at in error_lines(log, file).into_iter().filter(|&at| at <= lines.len()).take(5) {
        for number in at.saturating_sub(2).max(1)..=(at + 2).min(lines.len()) {
            let mark = if number == at { '>' } else { ' ' };
            out += &format!("{mark}{number:5} | {}\n", lines[number - 1]);
        }
        out += "\n";
    }
    out
}

/// The line numbers that errors name, in order, each once.
fn error_lines(log: &str, file: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    for line in log.lines() {
        let rest = line.strip_prefix(file).and_then(|rest| rest.strip_prefix('('));
        let Some((number, message)) = rest.and_then(|rest| rest.split_once(')')) else { continue };
        if let Ok(number) = number.parse()
            && message.contains("error")
            && !numbers.contains(&number)
        {
            numbers.push(number);
        }
    }
    numbers
}

/// The text between the quotes that follow `key`.
fn quoted_after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(key)?;
    rest.strip_prefix('\'')?.split('\'').next()
}

/// The number that stands before `unit` in a list such as `32 registers, used 1 barriers, 256 bytes smem`; 0 where the
/// unit is not listed. `256+0 bytes smem` (older compilers: plus the driver's own) is a sum.
fn number_before(line: &str, unit: &str) -> u32 {
    let item = line.split(',').find_map(|item| item.trim().strip_suffix(unit));
    let word = item.and_then(|item| item.split_whitespace().last()).unwrap_or("0");
    word.split('+').filter_map(|term| term.parse::<u32>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NVRTC_13: &str = "\
ptxas warning : Value of threads per SM for entry two is out of range. .minnctapersm will be ignored
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'two' for 'sm_120'
ptxas info    : Function properties for two
ptxas         .     144 bytes stack frame, 404 bytes spill stores, 396 bytes spill loads
ptxas info    : Used 64 registers, used 0 barriers, 144 bytes cumulative stack size
ptxas info    : Compile time = 20.170 ms
ptxas info    : Compiling entry function 'one' for 'sm_120'
ptxas info    : Function properties for one
ptxas         .     160 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 33 registers, used 1 barriers, 160 bytes cumulative stack size, 256 bytes smem, 364 bytes cmem[0]
ptxas info    : Compile time = 3.008 ms
ptxas info    : Function properties for _Z4slowfi
ptxas         .     8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
";

    const NVRTC_12: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'one' for 'sm_80'
ptxas info    : Function properties for one
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 12 registers, 256+16 bytes smem, 364 bytes cmem[0]
";

    #[test]
    fn several_kernels_are_read_from_one_log() {
        let two = KernelResources {
            kernel: "two".to_owned(),
            registers: 64,
            spill_store_bytes: 404,
            spill_load_bytes: 396,
            stack_bytes: 144,
            shared_bytes: 0,
            barriers: 0,
        };
        let one = KernelResources {
            kernel: "one".to_owned(),
            registers: 33,
            spill_store_bytes: 4,
            spill_load_bytes: 12,
            stack_bytes: 160,
            shared_bytes: 256,
            barriers: 1,
        };
        assert_eq!(resources(NVRTC_13), [two, one]);
    }

    #[test]
    fn the_older_format_is_read_too() {
        let one = KernelResources {
            kernel: "one".to_owned(),
            registers: 12,
            shared_bytes: 272,
            ..KernelResources::default()
        };
        assert_eq!(resources(NVRTC_12), [one]);
        assert_eq!(resources(""), []);
    }

    #[test]
    fn timings_are_dropped_and_nothing_else() {
        let kept = without_timings(NVRTC_13);
        assert_eq!(kept.lines().count(), NVRTC_13.lines().count() - 2);
        assert!(!kept.contains(" ms"));
        assert_eq!(without_timings(NVRTC_12), NVRTC_12);
    }

    #[test]
    fn excerpts_show_the_lines_around_each_error_once() {
        let log = "a.cu(2): error: identifier \"y\" is undefined\n    int a = y;\na.cu(2): error: more\n\
                   a.cu(1): warning #177-D: unused\nb.cu(1): error: another file\na.cu(99): error: past the end\n";
        let text = excerpts(log, "a.cu", "one\ntwo\nthree\nfour\nfive");
        assert_eq!(text, "     1 | one\n>    2 | two\n     3 | three\n     4 | four\n\n");
    }
}
