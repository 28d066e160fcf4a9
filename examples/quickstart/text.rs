//! A text as a sequence of word numbers.
//!
//! ```text
//! "Call me Ishmael. Don't call me!"   ->   words [0, 1, 2, 3, 0, 1], vocabulary ["call", "me", "ishmael", "don't"]
//! ```
//!
//! A word is a run of letters and digits, apostrophes inside it included, in lower case. Numbers are given in order of
//! first appearance. Invariants: at least two words, and at least one of them followed by another occurs again later.

use chunkwise::Error;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How much of a text is read: enough to see the memories saturate, and some seconds of work.
pub(crate) const LIMIT: usize = 60_000;

/// How many bytes of a file are looked at; a longer file is cut there.
const BYTES: u64 = 8 << 20;

/// The text that ships with the repository; `data/PROVENANCE.md` says where it comes from.
const SHIPPED: &str = include_str!("../../data/moby-dick.txt");

/// A text.
#[derive(Debug)]
pub(crate) struct Text {
    /// Where it comes from, for people.
    pub(crate) title: String,
    /// The words in order, as positions in the vocabulary.
    pub(crate) words: Vec<usize>,
    /// The different words.
    pub(crate) vocabulary: Vec<String>,
    /// Whether only its beginning was read.
    pub(crate) cut: bool,
}

impl Text {
    /// The shipped text.
    pub(crate) fn shipped() -> Result<Text, Error> {
        Text::of("Herman Melville, Moby-Dick, chapters 1 to 9 (data/moby-dick.txt)", SHIPPED, false)
    }

    /// The text of a file, or the first [`LIMIT`] words of it.
    ///
    /// # Errors
    /// A mistake where it cannot be read, is not UTF-8, or holds nothing to remember.
    pub(crate) fn read(path: &Path) -> Result<Text, Error> {
        let name = path.display().to_string();
        let refuse = |what: String| Error::mistake(what, "give the path of a plain text file in UTF-8");
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|e| refuse(format!("cannot open {name}: {e}")))?;
        file.take(BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| refuse(format!("cannot read {name}: {e}")))?;
        let cut = bytes.len() as u64 > BYTES;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            // The cut may fall inside a character: `error_len` is then `None`, and what comes before is good.
            Err(e) if cut && e.error_len().is_none() => {
                str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default()
            }
            Err(e) => {
                return Err(refuse(format!(
                    "{name} is not UTF-8: byte {} begins no character",
                    e.valid_up_to()
                )));
            }
        };
        Text::of(&name, text, cut)
    }

    /// The text of a string.
    fn of(title: &str, text: &str, cut: bool) -> Result<Text, Error> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut result = Text { title: title.into(), words: Vec::new(), vocabulary: Vec::new(), cut };
        for word in words(text) {
            if result.words.len() == LIMIT {
                result.cut = true;
                break;
            }
            let number = *numbers.entry(word).or_insert_with_key(|word| {
                result.vocabulary.push(word.clone());
                result.vocabulary.len() - 1
            });
            result.words.push(number);
        }
        result.check()
    }

    /// Refuses a text that leaves nothing to ask.
    fn check(self) -> Result<Text, Error> {
        let recurring = self.words.len().saturating_sub(1) > self.first_occurrences();
        let what = match self.words.len() {
            _ if recurring => return Ok(self),
            0 => "holds no word".to_string(),
            1 => "holds one word, so no word follows another".to_string(),
            count => format!("holds {count} words, none of which comes back with a word after it"),
        };
        Err(Error::mistake(format!("{} {what}", self.title), "give a text of some hundred words or more"))
    }

    /// How many different words occur before the last position.
    fn first_occurrences(&self) -> usize {
        let followed = &self.words[..self.words.len().saturating_sub(1)];
        followed.iter().max().map_or(0, |last| last + 1)
    }
}

/// The words of a text, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '\'' || c == '\u{2019}';
    let runs = text.split(move |c| !is_part(c));
    runs.map(|run| run.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().replace('\u{2019}', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_runs_of_letters() {
        let text = Text::of("t", "Call me Ishmael. Don’t call 'me'!", false).unwrap();
        assert_eq!(text.vocabulary, ["call", "me", "ishmael", "don't"]);
        assert_eq!(text.words, [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn texts_with_nothing_to_remember_are_refused() {
        for (text, expected) in [
            ("", "t holds no word"),
            (" .. \n", "t holds no word"),
            ("Ishmael", "t holds one word, so no word follows another"),
            ("call me ishmael call", "t holds 4 words, none of which comes back with a word after it"),
        ] {
            let error = Text::of("t", text, false).unwrap_err();
            assert_eq!(error.messages()[0].what, expected, "{text:?}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(Text::of("t", "a a a", false).is_ok());
    }

    #[test]
    fn long_texts_are_cut() {
        let text = Text::of("t", &"a b ".repeat(LIMIT), false).unwrap();
        assert!(text.cut);
        assert_eq!(text.words.len(), LIMIT);
    }

    #[test]
    fn the_shipped_text_is_whole() {
        let text = Text::shipped().unwrap();
        assert_eq!((text.words.len(), text.vocabulary.len(), text.cut), (18_377, 4_004, false));
    }
}
