//! The plot: recall along the text, and recall by the age of what is asked, one line a memory, as SVG.
//!
//! The text of the document is written by hand, in three layers: [`document`] places two panels under one legend, a
//! [`Panel`] draws axes and lines in its own units, and [`Axis`] maps units to pixels. Colours are picked to be told
//! apart by the colour-blind and to stand on white and on black; the background follows the reader's setting.

use crate::report::{Row, number, thousands};
use crate::score::Share;
use std::fmt::Write;

/// Size of the document in pixels.
const SIZE: (f64, f64) = (980.0, 460.0);

/// Top and bottom edges of both panels.
const TOP: f64 = 140.0;
const BOTTOM: f64 = 394.0;

/// Colour and dash of each line, in the order of the rules.
const STROKES: [(&str, &str); 3] = [("#c2455c", "2 5"), ("#2a7fc9", ""), ("#c77700", "9 5")];

/// Fewer questions than this make no point: its noise would be greater than what there is to see.
const FEWEST: usize = 20;

/// Characters of a title that fit.
const LONGEST: usize = 120;

const STYLE: &str = "\
    text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #3d4450; }\n\
    .title { font-size: 19px; font-weight: 600; fill: #14181f; }\n\
    .panel { font-size: 14px; font-weight: 600; fill: #14181f; }\n\
    .paper { fill: #ffffff; }\n\
    .grid { stroke: #8b95a3; stroke-opacity: .28; }\n\
    .axis { stroke: #8b95a3; }\n\
    .line { fill: none; stroke-width: 2.4; stroke-linejoin: round; stroke-linecap: round; }\n\
    @media (prefers-color-scheme: dark) {\n\
      text { fill: #b6bfcb; } .title, .panel { fill: #eef2f7; } .paper { fill: #0f141b; }\n\
    }\n";

/// The plot of all memories. `positions` is how many words were asked or passed over; `title` is the text's.
pub(crate) fn document(title: &str, positions: usize, rows: &[Row]) -> String {
    let (width, height) = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n"
    );
    let _ = writeln!(svg, "<title>Recall of three memories along a text</title>\n<style>\n{STYLE}</style>");
    let _ = writeln!(svg, "<rect class=\"paper\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>");
    label(
        &mut svg,
        (32.0, 40.0),
        "title",
        "start",
        "Which memory still knows what followed a word the last time?",
    );
    label(&mut svg, (32.0, 61.0), "", "start", &shortened(title));
    legend(&mut svg, rows);
    along(positions, rows).draw(&mut svg);
    by_age(positions, rows).draw(&mut svg);
    svg.push_str("</svg>\n");
    svg
}

/// The end of a title too long for the line: a path says most where it ends.
fn shortened(title: &str) -> String {
    let skipped = title.chars().count().saturating_sub(LONGEST);
    if skipped == 0 { title.into() } else { format!("..{}", title.chars().skip(skipped).collect::<String>()) }
}

/// The left panel.
fn along(positions: usize, rows: &[Row]) -> Panel {
    let questions = rows.first().map_or(0, |row| row.score.recall().asked);
    let parts = (questions / 300).clamp(4, 60);
    let middle = |part: usize| (part as f64 + 0.5) * positions as f64 / parts as f64;
    let points =
        |row: &Row| curve(row.score.recall_along(parts).into_iter().enumerate().map(|(i, s)| (middle(i), s)));
    Panel {
        title: "Recall along the text",
        unit: "words read",
        axis: Axis { pixels: (78.0, 500.0), units: (0.0, positions as f64), logarithmic: false },
        ticks: round_ticks(positions),
        curves: rows.iter().map(points).collect(),
    }
}

/// The right panel: one point for each octave of ages.
fn by_age(positions: usize, rows: &[Row]) -> Panel {
    let octaves: Vec<usize> = (0..).map(|n| 1 << n).take_while(|age| *age < positions.max(2)).collect();
    let last = octaves.last().map_or(1, |age| age * 2);
    let middle = |age: usize| (age as f64 * (age * 2 - 1) as f64).sqrt();
    let points =
        |row: &Row| curve(octaves.iter().map(|&a| (middle(a), row.score.recall_by_age(a, 2 * a - 1))));
    Panel {
        title: "Recall by the age of the pair",
        unit: "words since the pair was stored",
        axis: Axis { pixels: (574.0, 944.0), units: (1.0, last as f64), logarithmic: true },
        // Long numbers need room: never more than some six of them.
        ticks: octaves.iter().copied().step_by(octaves.len().div_ceil(6)).collect(),
        curves: rows.iter().map(points).collect(),
    }
}

/// The points that rest on enough questions.
fn curve(shares: impl Iterator<Item = (f64, Share)>) -> Vec<(f64, f64)> {
    shares
        .filter(|(_, share)| share.asked >= FEWEST)
        .filter_map(|(x, share)| Some((x, share.value()?)))
        .collect()
}

/// Multiples of 1, 2 or 5 times a power of ten, at most seven up to `end`.
fn round_ticks(end: usize) -> Vec<usize> {
    let powers = (0..18).map(|n| 10usize.pow(n));
    let mut steps = powers.flat_map(|p| [p, 2 * p, 5 * p]);
    let step = steps.find(|step| end / step <= 6).unwrap_or(end.max(1));
    (0..=end).step_by(step).collect()
}

/// Name, stroke and overall recall of each memory, in one line under the titles.
fn legend(svg: &mut String, rows: &[Row]) {
    let mut x = 32.0;
    for (row, stroke) in rows.iter().zip(STROKES) {
        line(svg, &[(x, 86.0), (x + 30.0, 86.0)], stroke);
        let text = format!("{}: recall {}", row.name, number(row.score.recall().value()));
        label(svg, (x + 38.0, 90.5), "", "start", &text);
        x += 62.0 + 7.2 * text.len() as f64;
    }
}

/// One pair of axes with its lines; the vertical axis is a share, from 0 to 1.
struct Panel {
    title: &'static str,
    unit: &'static str,
    axis: Axis,
    ticks: Vec<usize>,
    curves: Vec<Vec<(f64, f64)>>,
}

impl Panel {
    fn draw(&self, svg: &mut String) {
        let (left, right) = self.axis.pixels;
        label(svg, (left, TOP - 13.0), "panel", "start", self.title);
        for quarter in 0..=4 {
            let share = f64::from(quarter) / 4.0;
            let y = height_of(share);
            rule(svg, if quarter == 0 { "axis" } else { "grid" }, (left, y), (right, y));
            label(svg, (left - 8.0, y + 4.5), "", "end", &format!("{share:.2}"));
        }
        for &tick in &self.ticks {
            let x = self.axis.pixel(tick as f64);
            rule(svg, "axis", (x, BOTTOM), (x, BOTTOM + 5.0));
            label(svg, (x, BOTTOM + 21.0), "", "middle", &thousands(tick));
        }
        label(svg, ((left + right) / 2.0, BOTTOM + 46.0), "", "middle", self.unit);
        for (points, stroke) in self.curves.iter().zip(STROKES) {
            let pixels: Vec<_> =
                points.iter().map(|&(x, share)| (self.axis.pixel(x), height_of(share))).collect();
            line(svg, &pixels, stroke);
        }
    }
}

/// A horizontal axis: the pixels and the units of its two ends.
struct Axis {
    pixels: (f64, f64),
    units: (f64, f64),
    logarithmic: bool,
}

impl Axis {
    fn pixel(&self, x: f64) -> f64 {
        let scale = |x: f64| if self.logarithmic { x.log2() } else { x };
        let (from, to) = (scale(self.units.0), scale(self.units.1));
        self.pixels.0 + (scale(x) - from) / (to - from) * (self.pixels.1 - self.pixels.0)
    }
}

fn height_of(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

/// A line through points; a single point is a dot, thanks to the round caps.
fn line(svg: &mut String, points: &[(f64, f64)], (colour, dash): (&str, &str)) {
    let Some(first) = points.first() else { return };
    let path: String = points.iter().map(|(x, y)| format!(" L{x:.1} {y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<path class=\"line\" stroke=\"{colour}\" stroke-dasharray=\"{}\" d=\"M{:.1} {:.1}{path}\"/>",
        if dash.is_empty() { "none" } else { dash },
        first.0,
        first.1
    );
}

fn rule(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let (x1, y1, x2, y2) = (from.0, from.1, to.0, to.1);
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn label(svg: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(round_ticks(18_376), [0, 5_000, 10_000, 15_000]);
        assert_eq!(round_ticks(6), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(round_ticks(1), [0, 1]);
    }

    #[test]
    fn axes_map_their_ends_to_their_pixels() {
        for logarithmic in [false, true] {
            let axis = Axis { pixels: (10.0, 20.0), units: (1.0, 16.0), logarithmic };
            assert_eq!((axis.pixel(1.0), axis.pixel(16.0)), (10.0, 20.0));
            assert_eq!(axis.pixel(4.0), if logarithmic { 15.0 } else { 12.0 });
        }
    }

    #[test]
    fn text_is_escaped() {
        let mut svg = String::new();
        label(&mut svg, (0.0, 0.0), "", "start", "a < b & c");
        assert!(svg.contains("a &lt; b &amp; c"));
    }
}
