//! The experiment as text: what was read, who remembers how much, where and how long.
//!
//! Every sentence with a number in it is made from the numbers of this very run.

use crate::score::{Question, Score, Share, lookup_table};
use crate::text::{LIMIT, Text};
use std::fmt::Write;
use std::time::Duration;

/// Parts of the text in the table.
const PARTS: usize = 10;

/// Ages in the table: the youngest of each column; a column ends before the next begins.
const AGES: [usize; 6] = [1, 9, 33, 129, 513, 2049];

/// Characters of a full bar.
const BAR: f64 = 24.0;

/// One memory's result.
pub(crate) struct Row<'a> {
    /// The rule's name.
    pub(crate) name: &'a str,
    /// Its answers against the questions.
    pub(crate) score: Score<'a>,
    /// The time the rule took.
    pub(crate) time: Duration,
}

/// What is about to happen.
pub(crate) fn introduction(text: &Text, questions: &[Question]) -> String {
    let mut out = String::new();
    let size =
        format!("{} words, {} different", thousands(text.words.len()), thousands(text.vocabulary.len()));
    let _ = writeln!(out, "text     {}", text.title);
    let cut = if text.cut {
        format!(" (the beginning; at most {} are read)", thousands(LIMIT))
    } else {
        String::new()
    };
    let _ = writeln!(out, "         {size}{cut}");
    let _ = writeln!(
        out,
        "task     At each word a memory is asked what followed that word the last time, and is then told what"
    );
    let _ = writeln!(
        out,
        "         follows now. {} times the word has come before, so there is a right answer.",
        thousands(questions.len())
    );
    out
}

/// The tables.
pub(crate) fn tables(rows: &[Row], questions: &[Question]) -> String {
    let mut out = String::new();
    overall(&mut out, rows, questions);
    by_age(&mut out, rows);
    along(&mut out, rows);
    out
}

/// Recall with a bar, next word and time.
fn overall(out: &mut String, rows: &[Row], questions: &[Question]) {
    let _ = writeln!(out, "{:<18}{:>6}  {:<26}{:>9}{:>9}", "rule", "recall", "", "next word", "time");
    for row in rows {
        let (recall, next) = (row.score.recall(), row.score.next_word());
        line(out, row.name, recall.value(), next.value(), &format!("{:.2} s", row.time.as_secs_f64()));
    }
    line(out, "(a lookup table)", Some(1.0), lookup_table(questions).value(), "");
    let _ = writeln!(
        out,
        "\nrecall: the answer is the word stored last; next word: it is the word that really follows."
    );
}

fn line(out: &mut String, name: &str, recall: Option<f64>, next: Option<f64>, time: &str) {
    let bar = "█".repeat((recall.unwrap_or(0.0) * BAR).round() as usize);
    let _ = writeln!(out, "{name:<18}{:>6}  {bar:<26}{:>9}{time:>9}", number(recall), number(next));
}

/// Recall by how long ago the pair was stored.
fn by_age(out: &mut String, rows: &[Row]) {
    let ends = AGES.iter().skip(1).map(|next| next - 1);
    let columns: Vec<(usize, usize)> = AGES.iter().copied().zip(ends.chain([usize::MAX])).collect();
    let title = |&(from, to): &(usize, usize)| {
        if to == usize::MAX { format!("{from}+") } else { format!("{from}-{to}") }
    };
    let _ = writeln!(out, "\nrecall by how many words ago the pair was stored");
    row(out, "", columns.iter().map(title));
    for r in rows {
        row(out, r.name, columns.iter().map(|&(from, to)| number(r.score.recall_by_age(from, to).value())));
    }
    let Some(first) = rows.first() else { return };
    row(
        out,
        "(questions)",
        columns.iter().map(|&(from, to)| thousands(first.score.recall_by_age(from, to).asked)),
    );
}

/// Recall by place in the text.
fn along(out: &mut String, rows: &[Row]) {
    let _ = writeln!(out, "\nrecall along the text");
    let ends = (1..=PARTS).map(|i| format!("{}%", i * 100 / PARTS));
    narrow_row(out, "up to", ends);
    for row in rows {
        let parts: Vec<Share> = row.score.recall_along(PARTS);
        narrow_row(out, row.name, parts.into_iter().map(|share| number(share.value())));
    }
}

fn row(out: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.map(|cell| format!("{cell:>10}")).collect();
    let _ = writeln!(out, "{name:<18}{cells}");
}

fn narrow_row(out: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.map(|cell| format!("{cell:>6}")).collect();
    let _ = writeln!(out, "{name:<18}{cells}");
}

/// What the numbers say, in words: the best and the worst memory, and how little this has to do with prediction.
pub(crate) fn conclusion(rows: &[Row]) -> String {
    let ranked = |row: &&Row| percent(row.score.recall());
    let (Some(best), Some(worst)) = (rows.iter().max_by_key(ranked), rows.iter().min_by_key(ranked)) else {
        return String::new();
    };
    let (high, low) = (percent(best.score.recall()), percent(worst.score.recall()));
    let predicted = (percent(best.score.next_word()), percent(worst.score.next_word()));
    let mut out = String::new();
    if high == low {
        let _ = writeln!(out, "Of 100 answers {high} are the word stored last, whatever the rule.");
    } else {
        let _ = write!(
            out,
            "Of 100 answers, {high} ({}) and {low} ({}) are the word stored last; ",
            best.name, worst.name
        );
        let _ = writeln!(
            out,
            "{} and {}\nare the word that really follows. Remembering is not predicting: nothing was trained.",
            predicted.0, predicted.1
        );
    }
    out
}

fn percent(share: Share) -> u64 {
    share.value().map_or(0, |x| (x * 100.0).round() as u64)
}

/// A share with two digits, as in `0.62`; a dash where nothing was asked.
pub(crate) fn number(share: Option<f64>) -> String {
    share.map_or("-".into(), |x| format!("{x:.2}"))
}

/// A count with its thousands apart: `18,377`.
pub(crate) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(thousands));
        assert_eq!(["0.62", "1.00", "-"].map(String::from), [Some(0.618), Some(1.0), None].map(number));
    }
}
