//! What a run in the simulator did, as tables: the counts of each launch, and those of every line of its source.
//!
//! ```text
//! gla_recurrent, 4 blocks of 64 threads
//! warp instructions    18,204
//!   integer             3,112
//! ..
//!
//! line  instructions  float  global bytes  sectors  wavefronts  conflicts  barriers
//!  118         2,048  2,048             0        0           0          0         0  p[j] = fmaf(k[i], s[i][j], p[j]);
//! ```
//!
//! Counts are those of the PTX, before the assembler; lines are left out that nothing was counted for.

use crate::table::{Align, table};
use chunkwise_runtime::counters::{Counters, Launched};

/// Everything that is known of some launches.
pub fn text(launches: &[Launched]) -> String {
    launches.iter().map(launch).collect::<Vec<_>>().join("\n")
}

/// The tables of one launch.
fn launch(launched: &Launched) -> String {
    let Launched { kernel, blocks, threads, report, .. } = launched;
    let blocks = plural(u64::from(*blocks), "block");
    let title = format!("{kernel}, {blocks} of {}", plural(u64::from(*threads), "thread"));
    let lines = lines(launched);
    let separator = if lines.is_empty() { "" } else { "\n" };
    format!("{title}\n{}{separator}{lines}", total(&report.total))
}

/// A count with its noun.
fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

/// The counts of all blocks together.
fn total(c: &Counters) -> String {
    let rows = [
        ("warp instructions", c.instructions),
        ("  integer", c.integer),
        ("  float", c.float),
        ("  tensor core", c.tensor),
        ("  global memory", c.global),
        ("  shared memory", c.shared),
        ("  local memory", c.local),
        ("  exchanges within warps", c.exchanges),
        ("  block barriers", c.barriers),
        ("  divergent branches", c.divergent_branches),
        ("  on the longest path", c.path),
        ("multiply-adds of lanes", c.lane_fma),
        ("special functions of lanes", c.lane_special),
        ("tensor-core flops", c.tensor_flops),
        ("global bytes loaded", c.global_load_bytes),
        ("  in sectors of 32 bytes", c.load_sectors),
        ("global bytes stored", c.global_store_bytes),
        ("  in sectors of 32 bytes", c.store_sectors),
        ("shared-memory wavefronts", c.wavefronts),
        ("  by bank conflicts", c.conflicts),
    ];
    let rows: Vec<_> = rows.into_iter().map(|(name, count)| vec![name.to_owned(), grouped(count)]).collect();
    table(&[Align::Left, Align::Right], &rows)
}

/// The counts by line, in the order of the text; empty where none are known.
fn lines(launched: &Launched) -> String {
    const HEADER: [&str; 9] = [
        "line",
        "instructions",
        "float",
        "global bytes",
        "sectors",
        "wavefronts",
        "conflicts",
        "barriers",
        "",
    ];
    if launched.report.lines.is_empty() {
        return String::new();
    }
    let source: Vec<&str> = launched.source.lines().collect();
    let mut rows = vec![HEADER.map(String::from).to_vec()];
    for (&(_, line), c) in &launched.report.lines {
        let at = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
        let text = at.and_then(|at| source.get(at)).map_or("", |text| text.trim());
        let counts = [
            c.instructions,
            c.float,
            c.global_load_bytes + c.global_store_bytes,
            c.load_sectors + c.store_sectors,
            c.wavefronts,
            c.conflicts,
            c.barriers,
        ];
        let cells = std::iter::once(line.to_string()).chain(counts.map(grouped));
        rows.push(cells.chain([text.to_owned()]).collect());
    }
    let mut columns = vec![Align::Right; HEADER.len() - 1];
    columns.push(Align::Left);
    table(&columns, &rows)
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunkwise_runtime::counters::Report;

    #[test]
    fn thousands_have_commas() {
        let numbers = [0, 7, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn lines_stand_beside_their_text() {
        let counted =
            Counters { instructions: 1200, global_load_bytes: 64, load_sectors: 2, ..Counters::default() };
        let report = Report { total: counted, lines: [((1, 2), counted)].into() };
        let launched = Launched {
            kernel: "f".into(),
            source: "void f() {\n    x = *p;\n}".into(),
            blocks: 1,
            threads: 32,
            report,
        };
        let text = text(&[launched]);
        assert!(text.starts_with("f, 1 block of 32 threads\nwarp instructions           1,200\n"), "{text}");
        let line =
            "   2         1,200      0            64        2           0          0         0  x = *p;\n";
        assert!(text.ends_with(line), "{text}");
    }
}
