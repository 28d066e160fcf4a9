//! A bench as tables for people.
//!
//! ```text
//! rule            plan   bytes  /least  sectors/least  tensor flop  /reference  ..  blocks/SM  held by       ms  bound by
//! gated_deltanet  fused  1,092    1.06           1.01      145,408        0.89  ..          1  registers  0.543  shared
//! ```

use super::{Bench, Part, Problem, REFERENCE_CHUNK, Setup};
use crate::table::{Align, table};
use chunkwise::Error;
use chunkwise_codegen::schedule::Unit;
use chunkwise_codegen::{Plan, Precision};

/// Targets of every chunkwise kernel: bytes over the least, tensor flops over the reference work, barriers a chunk.
pub const TARGETS: (f64, f64, f64) = (1.3, 1.6, 3.0);

/// `K = 128, V = 128`.
pub fn sizes(names: &[String], sizes: &[usize]) -> String {
    let dims = names.iter().zip(sizes).map(|(name, size)| format!("{name} = {size}"));
    dims.collect::<Vec<_>>().join(", ")
}

/// What is benched, and what the figures mean.
pub fn header(setup: &Setup) -> String {
    let Problem { batch, tokens, heads } = setup.problem;
    let beside = setup.beside.as_ref().map_or(String::new(), |beside| {
        let gpu = beside.gpu.as_ref().map_or(String::new(), |gpu| format!(", measured on {gpu}"));
        format!("beside: milliseconds of {}, the fastest of each rule{gpu}\n", beside.file)
    });
    let precision = match setup.precision {
        Precision::Fast => "",
        Precision::High => ", operands split in two",
    };
    format!(
        "{} kernels for {}{precision}, counted in the simulator: a token of one head\n\
         predicted: a model of the {} for B = {batch}, T = {tokens}, HV = {heads}, not a measurement; kernels take 1.2 \
         to 1.6 times as long\n{beside}",
        setup.dtype, setup.arch, setup.gpu.title
    )
}

/// One row a rule and plan.
pub fn rows(benches: &[Bench]) -> String {
    let shown = Shown {
        measured: benches.iter().any(|b| b.measured.is_some()),
        beside: benches.iter().any(|b| b.beside.is_some()),
        ratio: benches.iter().any(|b| b.beside_ratio().is_some()),
    };
    let mut header = vec![
        "rule",
        "plan",
        "bytes",
        "/least",
        "sectors/least",
        "tensor flop",
        "/reference",
        "wavefronts",
        "conflicts",
        "barriers/chunk",
        "instructions",
        "in a row",
        "registers",
        "spilled",
        "blocks/SM",
        "held by",
        "ms",
        "bound by",
    ];
    header.extend(shown.of(["measured", "beside", "beside/measured"]));
    let mut all = vec![header.iter().map(|name| (*name).to_owned()).collect()];
    for b in benches {
        all.push(row(b, shown));
        if b.parts.len() > 1 {
            all.extend(b.parts.iter().map(|part| part_row(b, part, shown)));
        }
    }
    use Align::{Left, Right};
    let mut columns = vec![Left, Left];
    columns.extend([Right; 13]);
    columns.extend([Left, Right, Left]);
    columns.extend(shown.of([Right; 3]));
    table(&columns, &all)
}

/// Columns that are there where they say something.
#[derive(Clone, Copy)]
struct Shown {
    measured: bool,
    beside: bool,
    ratio: bool,
}

impl Shown {
    /// Those of three cells that are there.
    fn of<T>(self, cells: [T; 3]) -> impl Iterator<Item = T> {
        let there = [self.measured, self.beside, self.ratio];
        cells.into_iter().zip(there).filter(|(_, there)| *there).map(|(cell, _)| cell)
    }
}

/// All kernels of a plan together: the most registers, the fewest blocks.
fn row(b: &Bench, shown: Shown) -> Vec<String> {
    let t = b.per_token();
    let longest = b.parts.iter().max_by(|x, y| milliseconds_of(x).total_cmp(&milliseconds_of(y)));
    let bound = match longest.map(|part| &part.predicted) {
        Some(Some(p)) => p.bound.to_string(),
        _ => "does not fit".to_owned(),
    };
    let fewest = b.parts.iter().min_by_key(|part| part.occupancy.blocks);
    let mut cells = vec![
        b.rule.clone(),
        b.plan.to_string(),
        number(t.bytes()),
        format!("{:.2}", b.byte_ratio()),
        format!("{:.2}", b.sector_ratio()),
        number(t.tensor_flops),
        b.flop_ratio().map_or("-".to_owned(), |x| format!("{x:.2}")),
        number(t.wavefronts),
        number(t.conflicts),
        format!("{:.1}", b.parts.iter().map(|part| part.barriers_per_chunk).sum::<f64>()),
        number(t.instructions),
        number(t.path),
        b.parts.iter().map(|part| part.resources.registers).max().unwrap_or(0).to_string(),
        b.parts.iter().map(Part::spilled).sum::<u32>().to_string(),
        fewest.map_or(0, |part| part.occupancy.blocks).to_string(),
        fewest.map_or("-".to_owned(), |part| part.occupancy.bound.to_string()),
        b.predicted_ms().map_or("-".to_owned(), milliseconds),
        bound,
    ];
    let (measured, beside) = (b.measured.map(milliseconds), b.beside.as_ref().map(|f| milliseconds(f.ms)));
    let ratio = b.beside_ratio().map(|ratio| format!("{ratio:.2}"));
    cells.extend(shown.of([measured, beside, ratio]).map(|cell| cell.unwrap_or("-".to_owned())));
    cells
}

/// The model's time; one that does not fit is the longest.
fn milliseconds_of(part: &Part) -> f64 {
    part.predicted.as_ref().map_or(f64::INFINITY, |p| p.ms)
}

/// One kernel of several, in the same columns.
fn part_row(b: &Bench, part: &Part, shown: Shown) -> Vec<String> {
    let alone = Bench { parts: vec![part.clone()], measured: None, beside: None, ..b.clone() };
    let mut cells = row(&alone, shown);
    cells[0] = format!("  {}", part.name);
    cells[1] = match part.unit {
        Unit::Sequence => "a sequence".to_owned(),
        Unit::Piece => "a piece".to_owned(),
    };
    cells
}

/// Everything about a plan's kernels, one after the other.
pub fn detail(b: &Bench) -> String {
    b.parts.iter().map(|part| part_detail(b, part)).collect()
}

fn part_detail(b: &Bench, part: &Part) -> String {
    let alone = b.parts.len() == 1;
    let b = &Bench { parts: vec![part.clone()], ..b.clone() };
    let t = &part.per_token;
    let per_token = |name: &str, x: f64, remark: String| vec![format!("  {name}"), number(x), remark];
    let flops = b.flop_ratio().map_or(String::new(), |x| {
        format!(
            "{x:.2} times the {} of the reference work, C = {REFERENCE_CHUNK}",
            number(b.least.chunkwise_flops as f64)
        )
    });
    let plain = |name: &str, text: String, remark: &str| vec![format!("  {name}"), text, remark.to_owned()];
    let mut rows = vec![
        per_token(
            "global bytes",
            t.bytes(),
            format!("{:.2} times the least, {}", b.byte_ratio(), b.least.bytes()),
        ),
        per_token("  loaded", t.load_bytes, format!("inputs have {}", b.least.input_bytes)),
        per_token("  stored", t.store_bytes, format!("outputs have {}", b.least.output_bytes)),
        per_token("sectors of 32 bytes", t.sectors, format!("{:.2} times the least", b.sector_ratio())),
        per_token("tensor-core flops", t.tensor_flops, flops),
        per_token("multiply-adds on CUDA cores", t.fma, String::new()),
        per_token("special functions", t.special, String::new()),
        per_token("shared-memory wavefronts", t.wavefronts, String::new()),
        per_token("  by bank conflicts", t.conflicts, String::new()),
        per_token("warp instructions", t.instructions, String::new()),
        per_token("one after the other", t.path, String::new()),
        plain("barriers a chunk", format!("{:.1}", part.barriers_per_chunk), &chunks(b)),
        plain(
            "registers",
            part.resources.registers.to_string(),
            &format!("{} bytes spilled", part.spilled()),
        ),
        plain("shared memory", number(f64::from(part.shared)), "bytes a block"),
        plain(
            "blocks a multiprocessor",
            part.occupancy.blocks.to_string(),
            &format!(
                "of {} threads, {} a head; {} bound them",
                part.threads, part.blocks_per_head, part.occupancy.bound
            ),
        ),
    ];
    if let Some(p) = &part.predicted {
        rows.push(plain("predicted ms", milliseconds(p.ms), &format!("{} bounds it", p.bound)));
        rows.extend(p.alone.iter().map(|(r, ms)| plain(&format!("  {r} alone"), milliseconds(*ms), "")));
    }
    rows.extend(b.measured.filter(|_| alone).map(|ms| plain("measured ms", milliseconds(ms), "")));
    let beside = b.beside.as_ref().filter(|_| alone);
    rows.extend(beside.map(|fastest| plain("beside ms", milliseconds(fastest.ms), &fastest.peer)));
    let rows = table(&[Align::Left, Align::Right, Align::Left], &rows);
    let which = if alone { String::new() } else { format!(", kernel {}", part.name) };
    format!("\n{}, {}, {}{which}\n{rows}", b.rule, b.plan, b.sizes)
}

fn chunks(b: &Bench) -> String {
    match b.plan {
        Plan::Recurrent => "a chunk is a token".to_owned(),
        Plan::Fused | Plan::Split | Plan::Segmented => format!("of {} tokens", b.chunk),
    }
}

/// What was asked for and has no kernel, each with the reason.
pub fn refused(refused: &[(String, Error)]) -> String {
    let reason = |error: &Error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("error: ").unwrap_or(first).to_owned()
    };
    let rows: Vec<_> = refused.iter().map(|(what, why)| vec![format!("  {what}"), reason(why)]).collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("\nnot benched:\n{}", table(&[Align::Left; 2], &rows))
    }
}

/// What chunkwise kernels miss of the project's targets.
pub fn targets(benches: &[Bench]) -> String {
    let (bytes, flops, barriers) = TARGETS;
    let mut rows = vec![vec!["rule".to_owned(), "misses".to_owned()]];
    for b in benches.iter().filter(|b| b.plan == Plan::Fused) {
        let missed = missed(b).join("; ");
        rows.push(vec![b.rule.clone(), if missed.is_empty() { "nothing".to_owned() } else { missed }]);
    }
    format!(
        "\ntargets of fused kernels: bytes at most {bytes:.1} times the least, tensor flops at most {flops:.1} times the \
         reference work,\nno bank conflicts, at most {barriers:.0} barriers a chunk, no spills\n{}",
        table(&[Align::Left; 2], &rows)
    )
}

/// The targets that a kernel misses, with its figures.
pub fn missed(b: &Bench) -> Vec<String> {
    let (bytes, flops, barriers) = TARGETS;
    let mut missed = Vec::new();
    if b.byte_ratio() > bytes {
        missed.push(format!("bytes {:.2}", b.byte_ratio()));
    }
    if let Some(ratio) = b.flop_ratio().filter(|ratio| *ratio > flops) {
        missed.push(format!("tensor flops {ratio:.2}"));
    }
    let conflicts = b.per_token().conflicts;
    if conflicts > 0.0 {
        missed.push(format!("bank conflicts {}", number(conflicts)));
    }
    let most = b.parts.iter().map(|part| part.barriers_per_chunk).fold(0.0, f64::max);
    if most > barriers {
        missed.push(format!("barriers {most:.1}"));
    }
    let spilled: u32 = b.parts.iter().map(Part::spilled).sum();
    if spilled > 0 {
        missed.push(format!("spills {spilled} B"));
    }
    missed
}

/// Three figures or so, thousands apart.
fn number(x: f64) -> String {
    if x != 0.0 && x.abs() < 1000.0 && x.fract() != 0.0 {
        return format!("{x:.1}");
    }
    crate::counters::grouped(x.round().max(0.0) as u64)
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.3}")
}

#[cfg(test)]
mod tests {
    use super::super::PerToken;
    use super::super::beside::Fastest;
    use super::*;
    use chunkwise_algebra::explain::Least;
    use chunkwise_codegen::model::{Gpu, Launch, Limit, Occupancy, Work, predict};
    use chunkwise_codegen::{Arch, DType};
    use chunkwise_runtime::jit::Jit;
    use chunkwise_runtime::nvrtc::KernelResources;
    use std::sync::Arc;

    /// A hand-written gated delta rule's figures, with one bank conflict a token, on an H200.
    fn bench() -> Bench {
        let per_token = PerToken {
            load_bytes: 776.0,
            store_bytes: 256.0,
            sectors: 32.25,
            tensor_flops: 145_408.0,
            fma: 700.5,
            special: 82.0,
            wavefronts: 104.94,
            conflicts: 1.0,
            instructions: 256.0,
            path: 32.0,
        };
        let work = Work {
            tensor_flops: 145_408.0 * 8192.0,
            wavefronts: 104.94 * 8192.0,
            instructions: 256.0 * 8192.0,
            float: 60.0 * 8192.0,
            special: 82.0 * 8192.0,
            path: 32.0 * 8192.0,
            barriers: 384.0,
        };
        let launch = Launch { blocks: 64, resident: 1, dram_bytes: 64.0 * 8192.0 * 1032.0, work };
        Bench {
            rule: "gated_deltanet".into(),
            plan: Plan::Fused,
            sizes: sizes(&["K".into(), "V".into()], &[128, 128]),
            chunk: 64,
            least: Least {
                input_bytes: 776,
                output_bytes: 256,
                chunkwise_flops: 163_840,
                recurrent_flops: 131_072,
            },
            parts: vec![Part {
                name: "gated_deltanet_fused".into(),
                threads: 256,
                blocks_per_head: 1,
                unit: Unit::Sequence,
                shared: 128_768,
                resources: KernelResources {
                    registers: 255,
                    spill_store_bytes: 4,
                    ..KernelResources::default()
                },
                occupancy: Occupancy { blocks: 1, warps: 8, bound: Limit::Registers },
                per_token,
                barriers_per_chunk: 3.0,
                predicted: Some(predict(Gpu::named("h200").unwrap(), &launch)),
            }],
            measured: None,
            beside: None,
        }
    }

    #[test]
    fn the_tables_are_as_they_were() {
        let setup = Setup {
            arch: Arch::Sm90,
            gpu: Gpu::named("h200").unwrap(),
            device: None,
            dtype: DType::BF16,
            precision: Precision::Fast,
            problem: Problem { batch: 1, tokens: 8192, heads: 64 },
            columns: None,
            beside: None,
            jit: Arc::new(Jit::user()),
        };
        let [part] = &bench().parts[..] else { panic!("one kernel") };
        let per_token = PerToken { tensor_flops: 0.0, ..part.per_token };
        let part = Part { per_token, predicted: None, ..part.clone() };
        let token_loop = Bench { plan: Plan::Recurrent, parts: vec![part], measured: Some(2.5), ..bench() };
        let all = [bench(), token_loop];
        let fastest = Fastest { peer: "chunk_gated_delta_rule".into(), ms: 6.0 };
        let beside = all.clone().map(|bench| Bench { beside: Some(fastest.clone()), ..bench });
        let refusal = ("hgrn, fused".to_owned(), Error::limitation("no kernel of it", "take another"));
        let text = format!(
            "{}\n{}\n{}\n{}\n{}{}{}{}",
            header(&setup),
            rows(&all),
            rows(&beside),
            rows(&beside[1..]),
            rows(&all[..1]),
            targets(&all),
            detail(&beside[0]),
            refused(&[refusal])
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_reaches_the_targets_misses_nothing() {
        let mut good = bench();
        good.parts[0].per_token.conflicts = 0.0;
        good.parts[0].resources.spill_store_bytes = 0;
        assert_eq!(missed(&good), [""; 0]);
        good.parts[0].per_token.load_bytes += 500.0;
        good.parts[0].barriers_per_chunk = 3.5;
        assert_eq!(missed(&good), ["bytes 1.48", "barriers 3.5"]);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.25, 104.94, 999.0, 1032.4, 145_408.0].map(number);
        assert_eq!(texts, ["0", "0.2", "104.9", "999", "1,032", "145,408"]);
    }
}
