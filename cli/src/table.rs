//! Aligned tables of text: columns as wide as their widest cell, two spaces apart, no trailing blanks.
//!
//! ```text
//! name       family  decay
//! deltanet  delta   none
//! ```

/// Where a column's cells stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Lines of a table, each with its newline. The first row is the header; every row has as many cells as `columns`.
pub fn table(columns: &[Align], rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = columns.iter().zip(&widths).enumerate().map(|(column, (align, &width))| match align {
            Align::Left => format!("{:<width$}", cell(row, column)),
            Align::Right => format!("{:>width$}", cell(row, column)),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A cell; a row that is too short has empty ones.
fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_have_no_trailing_blanks() {
        let rows =
            [["name", "ms"], ["gla", "1.25"], ["deltanet", ""]].map(|row| row.map(String::from).to_vec());
        let text = table(&[Align::Left, Align::Right], &rows);
        assert_eq!(text, "name        ms\ngla       1.25\ndeltanet\n");
    }
}
