//! Three memories read a text. Which of them remember it?
//!
//! ```text
//! cargo run --release --example quickstart [FILE]
//! ```
//!
//! Nothing is trained. Every word has a fixed random vector; a memory is a 128 x 128 matrix, and a rule says how it
//! changes at one word. Before each write the memory is asked what it has stored for the word at hand. The three rules
//! stand below as a user writes them; Chunkwise derives from each the algorithm that runs it, chunk by chunk.
//!
//! The other files, in reading order: `text` (words), `embedding` (their vectors), `memory` (the loop over the text),
//! `device` (which one runs the rules),
//! `score` (questions and right answers), `report` (tables), `plot` (the SVG).

mod device;
mod embedding;
mod memory;
mod plot;
mod report;
mod score;
mod text;

use chunkwise::prelude::*;
use chunkwise::{Error, rule};
use embedding::Embeddings;
use indicatif::{ProgressBar, ProgressStyle};
use memory::{Memory, Reading};
use report::Row;
use score::Score;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use text::Text;

/// Linear attention: each pair is added to all the others. Katharopoulos et al. 2020, arXiv 2006.16236.
#[rule]
fn linear_attention(mut s: State<K, V>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    let answer = s.read(k);
    s += outer(k, v);
    answer
}

/// The delta rule: what the word has stored is taken away first. Schlag, Irie, Schmidhuber 2021, arXiv 2102.11174.
#[rule]
fn delta(mut s: State<K, V>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    let answer = s.read(k);
    s += outer(k, v - answer);
    answer
}

/// The delta rule with a decay: everything fades a little first. Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464.
#[rule]
fn gated_delta(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    let answer = s.read(k);
    s *= exp(g);
    s += outer(k, v - s.read(k));
    answer
}

/// The gate is constant here: what is stored fades by half in this many words. A trained model would set it by itself.
const HALF_LIFE: f32 = 128.0;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let text = match arguments.as_slice() {
        [] => Text::shipped(),
        [word] if word == "-h" || word == "--help" => return usage(),
        [file] => Text::read(Path::new(file)),
        [_, extra, ..] => {
            let what = format!("one file is read, but `{}` was given too", extra.display());
            Err(Error::mistake(what, "cargo run --release --example quickstart [FILE]"))
        }
    };
    match text.and_then(|text| run(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn usage() -> ExitCode {
    println!("usage: cargo run --release --example quickstart [FILE]\n");
    println!(
        "Three memories read FILE, a text in UTF-8 (without one, the first chapters of Moby-Dick), and are asked"
    );
    println!("what they remember. Prints tables and writes a plot, quickstart.svg, into the build folder.");
    ExitCode::SUCCESS
}

/// The experiment, from the text to the plot.
fn run(text: &Text) -> Result<(), Error> {
    let (device, about) = device::choose()?;
    let questions = score::questions(&text.words);
    print!("{}", report::introduction(text, &questions));
    println!("{about}\n");

    let memories = memories(&device)?;
    let embeddings = Embeddings::of(&text.vocabulary);
    let bar = progress(memories.len() * (text.words.len() - 1));
    let readings: Result<Vec<Reading>, Error> =
        memories.iter().map(|memory| memory.read(&text.words, &embeddings, &bar)).collect();
    bar.finish_and_clear();
    let readings = readings?;
    let rows: Vec<Row> = memories
        .iter()
        .zip(&readings)
        .map(|(memory, reading)| Row {
            name: memory.name,
            score: Score::new(&questions, &reading.answers),
            time: reading.time,
        })
        .collect();

    println!("{}", report::tables(&rows, &questions));
    println!("{}", report::conclusion(&rows));
    let plot = plot_path();
    write_plot(&plot, &plot::document(&text.title, text.words.len() - 1, &rows))?;
    println!("plot     {}", plot.display());
    Ok(())
}

/// The three rules on a device, under the names that tables and plot give them.
fn memories(device: &Device) -> Result<[Memory; 3], Error> {
    let (linear, plain, gated) =
        (linear_attention().on(device)?, delta().on(device)?, gated_delta().on(device)?);
    let fade = -std::f32::consts::LN_2 / HALF_LIFE;
    Ok([
        Memory {
            name: "linear attention",
            forward: Box::new(move |k, v, s| linear.forward(linear_attention::Inputs { k, v }.with("s0", s))),
        },
        Memory {
            name: "delta",
            forward: Box::new(move |k, v, s| plain.forward(delta::Inputs { k, v }.with("s0", s))),
        },
        Memory {
            name: "gated delta",
            forward: Box::new(move |k, v, s| {
                let words = k.shape()[1];
                let g = Tensor::new([1, words, 1], vec![fade; words])?;
                gated.forward(gated_delta::Inputs { k, v, g: &g }.with("s0", s))
            }),
        },
    ])
}

/// A bar on a terminal, nothing elsewhere.
fn progress(words: usize) -> ProgressBar {
    let bar = ProgressBar::new(words as u64);
    match ProgressStyle::with_template("{msg:<17} [{bar:40}] {percent:>3}%  {eta} left") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// `quickstart.svg` in cargo's build folder.
fn plot_path() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), PathBuf::from);
    target.join("quickstart.svg")
}

fn write_plot(path: &Path, svg: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, svg)).map_err(|e| {
        let help = "set CARGO_TARGET_DIR to a folder that can be written";
        Error::mistake(format!("cannot write the plot to {}: {e}", path.display()), help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedding::DIM;

    /// The three rules as plain token loops in f64: the share of the state kept, and whether the key is cleared first.
    const LOOPS: [(f64, bool); 3] = [(1.0, false), (1.0, true), (0.994_599_423_483_633, true)];

    /// What the memory holds for each word before it is written.
    fn token_loop(rows: &[f32], (kept, clears): (f64, bool)) -> Vec<f32> {
        let mut state = vec![0.0; DIM * DIM];
        let mut answers = Vec::new();
        let rows: Vec<&[f32]> = rows.chunks(DIM).collect();
        for pair in rows.windows(2) {
            let (key, value) = (pair[0], pair[1]);
            let column = |j: usize| (0..DIM).map(|i| f64::from(key[i]) * state[i * DIM + j]).sum::<f64>();
            let read: Vec<f64> = (0..DIM).map(column).collect();
            for (at, s) in state.iter_mut().enumerate() {
                let (i, j) = (at / DIM, at % DIM);
                let known = if clears { kept * read[j] } else { 0.0 };
                *s = kept * *s + f64::from(key[i]) * (f64::from(value[j]) - known);
            }
            answers.extend(read.iter().map(|&x| x as f32));
        }
        answers
    }

    /// The first words of the shipped text, as words, and as one piece: keys, values and an empty memory.
    fn sample() -> (Vec<usize>, Embeddings, [Tensor; 3]) {
        let text = Text::shipped().unwrap();
        let embeddings = Embeddings::of(&text.vocabulary);
        let words = text.words[..2_500].to_vec();
        let keys = embeddings.tensor(&words[..words.len() - 1]).unwrap();
        let values = embeddings.tensor(&words[1..]).unwrap();
        let empty = Tensor::new([1, 1, DIM, DIM], vec![0.0f32; DIM * DIM]).unwrap();
        (words, embeddings, [keys, values, empty])
    }

    /// What the rules read, in one piece, is what plain loops read, to a tenth of the bound for f32 (1e-4).
    #[test]
    fn reads_are_those_of_plain_token_loops() {
        let (words, embeddings, [k, v, empty]) = sample();
        let rows = embeddings.tensor(&words).unwrap();
        for (memory, reference) in memories(&Device::cpu()).unwrap().iter().zip(LOOPS) {
            let expected = token_loop(&rows.to_f32(), reference);
            let read = (memory.forward)(&k, &v, &empty).unwrap()["o"].to_f32().into_owned();
            assert_eq!(read.len(), expected.len());
            let error: f32 = read.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
            let size: f32 = expected.iter().map(|b| b.powi(2)).sum();
            assert!((error / size).sqrt() < 1e-5, "{}: {}", memory.name, (error / size).sqrt());
        }
    }

    /// A text read in pieces gives the answers of the text read in one.
    #[test]
    fn pieces_change_no_answer() {
        let (words, embeddings, [k, v, empty]) = sample();
        let [_, memory, _] = memories(&Device::cpu()).unwrap();
        let whole = (memory.forward)(&k, &v, &empty).unwrap();
        let read = memory.read(&words, &embeddings, &ProgressBar::hidden()).unwrap();
        assert_eq!(read.answers, embeddings.nearest(&whole["o"].to_f32()));
    }

    /// The README's tables, which leave the times out.
    #[test]
    fn the_shipped_text_gives_the_published_tables() {
        let text = Text::shipped().unwrap();
        let embeddings = Embeddings::of(&text.vocabulary);
        let questions = score::questions(&text.words);
        let memories = memories(&Device::cpu()).unwrap();
        let readings = memories.each_ref().map(|memory| {
            let reading = memory.read(&text.words, &embeddings, &ProgressBar::hidden()).unwrap();
            (memory.name, reading.answers, reading.time)
        });
        let rows = readings.each_ref().map(|(name, answers, time)| Row {
            name,
            score: Score::new(&questions, answers),
            time: *time,
        });
        let printed = report::tables(&rows, &questions);
        let readme = include_str!("../../README.md");
        let shown = readme.split("```").find(|block| block.contains("rule              recall")).unwrap();
        let shown: Vec<&str> = shown.lines().skip(1).filter(|line| !line.is_empty()).collect();
        assert!(shown.len() > 8);
        let mut lines = printed.lines();
        for line in shown {
            assert!(lines.any(|printed| printed.starts_with(line)), "`{line}` is not in\n{printed}");
        }
    }
}
