//! The name that a misspelt one most likely meant: `deltanett` -> `deltanet`.

/// The nearest of `names` by edit distance (insertions, deletions, replacements), where about a third of the letters
/// differ at most, and none of a single one; the first of equals.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() + 1) / 3;
    let scored = names.into_iter().map(|known| (distance(name, known), known));
    scored.filter(|&(cost, _)| cost <= limit).min_by_key(|&(cost, _)| cost).map(|(_, known)| known)
}

/// Levenshtein's distance, one row of the table at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("Gla", "gla", 0)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_a_likely_name_is_suggested() {
        let names = ["gla", "deltanet", "gated_deltanet", "rwkv7"];
        assert_eq!(nearest("deltanett", names), Some("deltanet"));
        assert_eq!(nearest("rwkv_7", names), Some("rwkv7"));
        assert_eq!(nearest("gl", names), Some("gla"));
        assert_eq!(nearest("softmax_attention", names), None);
        assert_eq!(nearest("M", ["K", "V"]), None);
    }
}
