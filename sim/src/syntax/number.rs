//! What a literal of PTX means.
//!
//! ```text
//! 12  0x1F  0b101  017  4U       integers, 64 bits
//! 0f3F800000                     the bits of an f32
//! 0d3FF0000000000000  1.5e-3     an f64
//! ```
//!
//! Source: PTX ISA, "Integer Constants" and "Floating-Point Constants".

/// A literal, without a sign.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Literal {
    /// An integer of up to 64 bits.
    Int(u64),
    /// The bits of an f32.
    F32(u32),
    /// The bits of an f64.
    F64(u64),
}

/// The meaning of a number's text; `None` where it has none, or does not fit in 64 bits.
pub(super) fn parse(text: &str) -> Option<Literal> {
    let bytes = text.as_bytes();
    match (bytes.first()?, bytes.get(1)) {
        (b'0', Some(b'f' | b'F')) => {
            let hex = text.get(2..).filter(|hex| hex.len() == 8)?;
            Some(Literal::F32(u32::try_from(digits(hex, 16)?).ok()?))
        }
        (b'0', Some(b'd' | b'D')) => {
            Some(Literal::F64(digits(text.get(2..).filter(|hex| hex.len() == 16)?, 16)?))
        }
        (b'0', Some(b'x' | b'X')) => Some(Literal::Int(digits(unsuffixed(text.get(2..)?), 16)?)),
        (b'0', Some(b'b' | b'B')) => Some(Literal::Int(digits(unsuffixed(text.get(2..)?), 2)?)),
        _ if bytes.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) => {
            text.parse().ok().map(|value: f64| Literal::F64(value.to_bits()))
        }
        (b'0', Some(b'0'..=b'9')) => Some(Literal::Int(digits(unsuffixed(text), 8)?)),
        _ => Some(Literal::Int(digits(unsuffixed(text), 10)?)),
    }
}

/// An integer's text without the `U` that says unsigned, which changes nothing for 64 bits.
fn unsuffixed(text: &str) -> &str {
    text.strip_suffix(['U', 'u']).unwrap_or(text)
}

/// Digits alone: `from_str_radix` would take a sign too.
fn digits(text: &str, radix: u32) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| u64::from_str_radix(text, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_every_base() {
        let table = [
            ("0", 0),
            ("12", 12),
            ("4U", 4),
            ("0x1F", 31),
            ("0XffU", 255),
            ("0b101", 5),
            ("017", 15),
            ("18446744073709551615", u64::MAX),
            ("0xFFFFFFFFFFFFFFFF", u64::MAX),
        ];
        for (text, value) in table {
            assert_eq!(parse(text), Some(Literal::Int(value)), "{text}");
        }
    }

    #[test]
    fn floats_by_their_bits_and_by_their_value() {
        assert_eq!(parse("0f3F800000"), Some(Literal::F32(0x3f80_0000)));
        assert_eq!(parse("0F7f800000"), Some(Literal::F32(0x7f80_0000)));
        assert_eq!(parse("0d3FF0000000000000"), Some(Literal::F64(1f64.to_bits())));
        assert_eq!(parse("1.5"), Some(Literal::F64(1.5f64.to_bits())));
        assert_eq!(parse("25e-1"), Some(Literal::F64(2.5f64.to_bits())));
    }

    #[test]
    fn what_is_no_number_has_no_meaning() {
        for text in [
            "0x",
            "0b2",
            "09",
            "0f3F80000",
            "0d0",
            "12a",
            "1__2",
            "18446744073709551616",
            "1e",
            "0b",
            "0f+F800000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
