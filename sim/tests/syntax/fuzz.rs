//! No text makes parsing, verifying or printing panic.

use crate::random::Random;
use crate::texts::{fixture, real, without_lines};
use chunkwise_sim::syntax::{parse, print, verify};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Puts a text through everything; what is verified has to survive printing.
fn goes_through(text: &str) {
    match parse(text) {
        Ok(module) => {
            let is_sound = verify(&module).is_ok();
            let printed = print(&module);
            if is_sound {
                let again = parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
                assert_eq!(print(&again), printed);
                assert_eq!(verify(&again).map_err(|error| error.to_string()), Ok(()), "{printed}");
                assert_eq!(without_lines(again).functions.len(), module.functions.len());
            }
        }
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1 && !error.what.is_empty());
            assert!(error.line as usize <= text.lines().count() + 1, "{error}");
        }
    }
}

/// Pieces of real texts that go together, and some that do not.
static PIECES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut pieces: Vec<String> = [
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        ",",
        ";",
        ":",
        "|",
        "!",
        "@",
        "+",
        "-",
        "=",
        "_",
        "%",
        ".",
        "::",
        "/*",
        "*/",
        "//",
        "\"",
        "\n",
        "0x",
        "0f",
        "1e+",
        "18446744073709551616",
        "\u{0}",
        "é",
        "\u{feff}",
        ".entry",
        ".func",
        ".param",
        ".reg",
        ".b32",
        ".extern",
        ".shared",
        ".align",
        ".section",
        ".loc",
        ".file",
        ".branchtargets",
        ".callprototype",
        "call",
        "bra",
        "brx",
        "%tid",
        "WARP_SZ",
    ]
    .map(String::from)
    .to_vec();
    let text = fixture("forms.ptx");
    pieces.extend(text.split_whitespace().step_by(7).map(String::from));
    pieces.extend(text.lines().step_by(11).map(String::from));
    pieces
});

static REAL: LazyLock<Vec<(String, String)>> = LazyLock::new(real);

/// A real text with pieces removed, doubled, moved and put in.
fn mutated(seed: u64) -> String {
    let random = &mut Random::new(seed);
    let mut bytes = REAL[random.below(REAL.len())].1.clone().into_bytes();
    // A short piece of a long text, so that a mutation is likely to matter.
    let length = bytes.len().min(6000);
    bytes.truncate(length);
    for _ in 0..random.below(6) + 1 {
        let from = random.below(bytes.len() + 1);
        let to = (from + random.below(12)).min(bytes.len());
        match random.below(5) {
            0 => drop(bytes.drain(from..to)),
            1 => {
                let piece = bytes[from..to].to_vec();
                let at = random.below(bytes.len() + 1);
                bytes.splice(at..at, piece);
            }
            2 => {
                let piece = &PIECES[random.below(PIECES.len())];
                bytes.splice(from..to, piece.bytes());
            }
            3 if from < bytes.len() => bytes[from] = random.next() as u8,
            _ => bytes.truncate(from.max(1)),
        }
        bytes.push(b' ');
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        goes_through(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_pieces(choices in prop::collection::vec(any::<prop::sample::Index>(), 0..80)) {
        let pieces: Vec<&str> = choices.iter().map(|choice| PIECES[choice.index(PIECES.len())].as_str()).collect();
        goes_through(&pieces.join(" "));
        goes_through(&crate::texts::around(&pieces.join(" ")));
        goes_through(&pieces.concat());
    }

    #[test]
    fn real_texts_with_mutations(seed in any::<u64>()) {
        goes_through(&mutated(seed));
    }
}

#[test]
fn every_prefix_of_a_real_text() {
    let text = fixture("forms.ptx");
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        if let Err(error) = parse(&text[..end]) {
            assert!(error.column >= 1 && error.line as usize <= text[..end].lines().count() + 1);
        }
    }
}

#[test]
fn every_real_text_without_one_of_its_lines() {
    for (_, text) in REAL.iter().filter(|(_, text)| text.len() < 20_000) {
        let lines: Vec<&str> = text.lines().collect();
        for missing in (0..lines.len()).step_by(5) {
            let rest: Vec<&str> =
                lines.iter().enumerate().filter(|(index, _)| *index != missing).map(|(_, l)| *l).collect();
            goes_through(&rest.join("\n"));
        }
    }
}
