//! Layout of plain text: sections, aligned columns, wrapped paragraphs. Widths count characters, never bytes, and no line
//! passes [`WIDTH`] unless one word of it does.

/// The longest line.
pub(crate) const WIDTH: usize = 98;

/// Collects an explanation, section by section.
#[derive(Default)]
pub(crate) struct Page {
    out: String,
}

impl Page {
    /// Opens a section: a blank line, its title, a remark at the right of it.
    pub(crate) fn section(&mut self, title: &str, remark: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let gap = WIDTH.saturating_sub(width(title) + width(remark)).max(2);
        let line =
            if remark.is_empty() { title.to_string() } else { format!("{title}{}{remark}", " ".repeat(gap)) };
        self.line(&line);
    }

    /// One line as it is, trailing blanks cut.
    pub(crate) fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A paragraph at an indent, wrapped between words.
    pub(crate) fn paragraph(&mut self, indent: usize, text: &str) {
        for line in wrap(text, WIDTH - indent) {
            self.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }

    /// A label and a text beside it; the text wraps under itself.
    pub(crate) fn labelled(&mut self, indent: usize, column: usize, label: &str, text: &str) {
        let lines = wrap(text, WIDTH.saturating_sub(indent + column));
        for (n, line) in lines.iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            self.line(&format!("{}{}{line}", " ".repeat(indent), pad(label, column)));
        }
    }

    /// Rows in columns, each as wide as its widest cell. Columns of numbers stand right.
    pub(crate) fn table(&mut self, indent: usize, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|x| width(x)).max().unwrap_or(0))
            .collect();
        for row in rows {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(c, cell)| {
                    if is_number(cell) {
                        format!("{}{cell}", " ".repeat(widths[c] - width(cell)))
                    } else {
                        pad(cell, widths[c])
                    }
                })
                .collect();
            self.line(&format!("{}{}", " ".repeat(indent), cells.join("  ")));
        }
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.out
    }
}

/// The number of characters.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Blanks up to a width.
pub(crate) fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// `163840` to `163,840`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn is_number(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit())
        && cell.chars().all(|c| c.is_ascii_digit() || ",.".contains(c))
}

/// Breaks between words.
pub(crate) fn wrap(text: &str, to: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > to {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_words_left() {
        let mut page = Page::default();
        page.table(
            2,
            &[vec!["in".into(), "1,028".into()], vec!["output".into(), "256".into(), "bytes".into()]],
        );
        assert_eq!(page.finish(), "  in      1,028\n  output    256  bytes\n");
    }

    #[test]
    fn words_wrap_by_characters() {
        assert_eq!(wrap("ᵀᵀᵀ ᵀᵀᵀ ᵀᵀᵀ", 7), ["ᵀᵀᵀ ᵀᵀᵀ", "ᵀᵀᵀ"]);
        assert_eq!(thousands(1234567), "1,234,567");
        assert_eq!(thousands(64), "64");
    }
}
