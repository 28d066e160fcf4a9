//! Cuts a text of PTX into tokens, without allocating.
//!
//! ```text
//! @!%p1 ld.shared::cta.f32 %f1, [%rd1+-8];   // a comment
//!
//! @  !  %p1  ld  .shared::cta  .f32  %f1  ,  [  %rd1  +  -  8  ]  ;
//! ```
//!
//! A word after a dot is one token with its dot, `::` included, so that a modifier is one token. A number is a token as it
//! stands; [`super::number`] says what it means. What is no token at all becomes one of the kind `Bad`, which no rule of the
//! grammar takes; so the lexer itself never fails, and each byte is looked at once.

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A name: `ld`, `%r1`, `$L__BB0_1`, `_`.
    Word,
    /// A name with a dot before it: `.f32`, `.L2::128B`.
    Dot,
    /// `12`, `0x1F`, `0f3F800000`, `1.5e-3`.
    Number,
    /// `"..."`, quotes included.
    Text,
    /// One character of punctuation.
    Mark(u8),
    /// Something that PTX does not have, and what.
    Bad(&'static str),
    /// The end of the text.
    End,
}

/// A token, where it starts, and its line from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) line: u32,
}

/// Reads one token after the other.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        // A mark of byte order may stand at the beginning of a file; it means nothing.
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Lexer { text, at, line: 1 }
    }

    /// The next token; `End` for ever after the last.
    pub(super) fn next(&mut self) -> Token<'a> {
        let open_comment = self.skip_blank();
        let (start, line) = (self.at, self.line);
        let kind = match self.byte(0) {
            _ if open_comment => self.rest("a comment without end"),
            None => Kind::End,
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'%') => self.word(),
            Some(b'0'..=b'9') => self.number(),
            Some(b'.') => self.dot(),
            Some(b'"') => self.quoted(),
            Some(mark) if mark.is_ascii_graphic() => {
                self.at += 1;
                Kind::Mark(mark)
            }
            Some(_) => {
                self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
                Kind::Bad("a character that PTX does not use")
            }
        };
        Token { kind, text: &self.text[start..self.at], start, line }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Goes past blanks and comments; whether a comment has no end.
    fn skip_blank(&mut self) -> bool {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'\n'), _) => {
                    self.line += 1;
                    self.at += 1;
                }
                (Some(b' ' | b'\t' | b'\r' | 0x0b | 0x0c), _) => self.at += 1,
                (Some(b'/'), Some(b'/')) => {
                    let rest = &self.text.as_bytes()[self.at..];
                    self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                }
                (Some(b'/'), Some(b'*')) => match self.text[self.at + 2..].find("*/") {
                    Some(length) => {
                        let comment = &self.text.as_bytes()[self.at..self.at + length + 4];
                        self.line += comment.iter().filter(|&&b| b == b'\n').count() as u32;
                        self.at += length + 4;
                    }
                    None => return true,
                },
                // Some emitters leave the zero byte of a C string at the end of the text.
                (Some(0), None) => self.at += 1,
                _ => return false,
            }
        }
    }

    fn rest(&mut self, what: &'static str) -> Kind {
        self.at = self.text.len();
        Kind::Bad(what)
    }

    fn word(&mut self) -> Kind {
        self.at += 1;
        while self.byte(0).is_some_and(is_word) {
            self.at += 1;
        }
        Kind::Word
    }

    fn dot(&mut self) -> Kind {
        self.at += 1;
        let start = self.at;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(byte), _) if is_word(byte) => self.at += 1,
                (Some(b':'), Some(b':')) => self.at += 2,
                _ if self.at == start => return Kind::Mark(b'.'),
                _ => return Kind::Dot,
            }
        }
    }

    fn number(&mut self) -> Kind {
        let start = self.at;
        self.digits();
        let whole = &self.text.as_bytes()[start..self.at];
        let is_decimal = whole.iter().all(u8::is_ascii_digit);
        if is_decimal && self.byte(0) == Some(b'.') && self.byte(1).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
            self.digits();
        }
        // An exponent's sign belongs to the number, but the plus of `0x1e+4` does not.
        let text = &self.text.as_bytes()[start..self.at];
        let is_open = match text.split_last() {
            Some((b'e' | b'E', rest)) => rest.iter().all(|b| b.is_ascii_digit() || *b == b'.'),
            _ => false,
        };
        if is_open && matches!(self.byte(0), Some(b'+' | b'-')) {
            self.at += 1;
            self.digits();
        }
        Kind::Number
    }

    fn digits(&mut self) {
        while self.byte(0).is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> Kind {
        self.at += 1;
        loop {
            match self.byte(0) {
                Some(b'"') => {
                    self.at += 1;
                    return Kind::Text;
                }
                None | Some(b'\n') => return Kind::Bad("a text without its closing quote"),
                // What a backslash stands before is part of the text, unless the line ends there.
                Some(b'\\') if self.byte(1).is_some_and(|b| b.is_ascii() && b != b'\n') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(Kind, &str)> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            let token = lexer.next();
            if token.kind == Kind::End {
                return tokens;
            }
            tokens.push((token.kind, token.text));
        }
    }

    fn texts(text: &str) -> Vec<&str> {
        cut(text).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn modifiers_keep_their_double_colons() {
        let found = texts("ld.global.L2::cache_hint.f32 %f1,[%rd1+-8];");
        let wanted =
            ["ld", ".global", ".L2::cache_hint", ".f32", "%f1", ",", "[", "%rd1", "+", "-", "8", "]", ";"];
        assert_eq!(found, wanted);
        assert_eq!(texts("$L__BB0_1:"), ["$L__BB0_1", ":"]);
        assert_eq!(texts("%r<12>"), ["%r", "<", "12", ">"]);
    }

    #[test]
    fn an_exponent_keeps_its_sign_and_a_hexadecimal_number_does_not() {
        assert_eq!(texts("1.5e-3 0x1e+4 9.5 1e+2"), ["1.5e-3", "0x1e", "+", "4", "9.5", "1e+2"]);
        assert_eq!(texts("0f3F800000-1"), ["0f3F800000", "-", "1"]);
    }

    #[test]
    fn comments_and_lines_are_counted() {
        let mut lexer = Lexer::new("// one\n/* two\nthree */ word\n\"text\"");
        let (word, text) = (lexer.next(), lexer.next());
        assert_eq!((word.text, word.line), ("word", 3));
        assert_eq!((text.text, text.line, text.kind), ("\"text\"", 4, Kind::Text));
        assert_eq!(lexer.next().kind, Kind::End);
        assert_eq!(lexer.next().kind, Kind::End);
    }

    #[test]
    fn what_is_no_token_is_bad_and_does_not_stop_the_rest() {
        let kinds = cut("é /* open");
        assert!(matches!(kinds[0].0, Kind::Bad(_)));
        assert!(matches!(kinds[1].0, Kind::Bad(_)));
        assert!(matches!(cut("\"open\n\"")[0].0, Kind::Bad(_)));
        assert!(matches!(cut("\u{1}")[0].0, Kind::Bad(_)));
        assert_eq!(cut("}\0").len(), 1);
    }
}
