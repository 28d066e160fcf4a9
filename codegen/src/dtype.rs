//! Element types of tensors in memory. State, accumulation and decays are `f32` in kernels whatever the dtype.
//!
//! ```
//! use chunkwise_codegen::dtype::DType;
//! assert_eq!("bf16".parse(), Ok(DType::BF16));
//! assert_eq!(DType::BF16.size(), 2);
//! ```

use std::fmt;
use std::str::FromStr;

/// The type of a tensor's elements, widest first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// IEEE 754 binary64; on the CPU only.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
}

/// A text that names no [`DType`]; its message lists those that exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownDType(
    /// The text as given.
    pub String,
);

impl DType {
    /// Every element type, widest first.
    pub const ALL: [Self; 4] = [Self::F64, Self::F32, Self::F16, Self::BF16];

    /// The name in texts: `f64`, `f32`, `f16`, `bf16`; the inverse of parsing.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DType {
    type Err = UnknownDType;

    fn from_str(text: &str) -> Result<Self, UnknownDType> {
        Self::ALL.into_iter().find(|dtype| text == dtype.name()).ok_or_else(|| UnknownDType(text.to_owned()))
    }
}

impl fmt::Display for UnknownDType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = DType::ALL.map(DType::name).join(", ");
        write!(f, "unknown dtype `{}`: expected one of {known}", self.0)
    }
}

impl std::error::Error for UnknownDType {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for dtype in DType::ALL {
            assert_eq!(dtype.to_string().parse(), Ok(dtype));
            let bits: usize = dtype.name().trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            assert_eq!(dtype.size() * 8, bits);
        }
    }

    #[test]
    fn other_texts_are_named_with_the_known_ones() {
        for text in ["", "float", "F32", "fp16", "bf16 "] {
            let error = text.parse::<DType>().unwrap_err().to_string();
            assert_eq!(error, format!("unknown dtype `{text}`: expected one of f64, f32, f16, bf16"));
        }
    }
}
