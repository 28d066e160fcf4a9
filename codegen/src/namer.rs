//! The one owner of identifiers in generated text: every name is legal C++, unique, and as close to the rule's own
//! name as that allows.
//!
//! ```
//! use chunkwise_codegen::namer::Namer;
//! let mut names = Namer::default();
//! assert_eq!(names.fresh("beta"), "beta");
//! assert_eq!(names.fresh("beta"), "beta_1");
//! assert_eq!(names.fresh("float"), "float_1"); // A keyword.
//! assert_eq!(names.fresh("Δt"), "u394t"); // Not every compiler takes letters outside ASCII.
//! ```
//!
//! Invariant: names depend on the order of the calls alone, so that the same rule gives the same text.

use crate::device;
use std::collections::BTreeSet;

/// What a rule may call a value but CUDA may not: keywords, types and functions that the generated text uses.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    // C++ keywords and alternative tokens
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char",
    "char8_t", "char16_t", "char32_t", "class", "compl", "concept", "const", "const_cast", "consteval", "constexpr",
    "constinit", "continue", "co_await", "co_return", "co_yield", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "final", "float", "for", "friend", "goto",
    "if", "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator",
    "or", "or_eq", "override", "private", "protected", "public", "register", "reinterpret_cast", "requires", "return",
    "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual",
    "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "restrict", "main", "std", "NULL", "linux", "unix",
    // CUDA
    "threadIdx", "blockIdx", "blockDim", "gridDim", "warpSize", "dim3", "half",
    // functions and macros of the C library that the compiler declares
    "abs", "acos", "acosf", "acosh", "asin", "asinf", "asinh", "assert", "atan", "atan2", "atanf", "atanh", "cbrt",
    "ceil", "ceilf", "clock", "cos", "cosf", "cosh", "erf", "erfc", "erfcf", "erff", "exp", "exp10", "exp2", "exp2f",
    "expf", "expm1", "expm1f", "fabs", "fabsf", "fdim", "floor", "floorf", "fma", "fmaf", "fmax", "fmaxf", "fmin",
    "fminf", "fmod", "free", "hypot", "isfinite", "isinf", "isnan", "j0", "j1", "jn", "labs", "ldexp", "lgamma",
    "llabs", "log", "log10", "log1p", "log1pf", "log2", "log2f", "logb", "logf", "malloc", "max", "memcpy", "memset",
    "min", "norm", "normcdf", "pow", "powf", "printf", "rcbrt", "remainder", "rint", "rnorm", "round", "rsqrt", "rsqrtf",
    "signbit", "sin", "sinf", "sinh", "sqrt", "sqrtf", "tan", "tanf", "tanh", "tanhf", "tgamma", "trunc", "y0", "y1",
    "yn",
];

/// Hands out names.
#[derive(Default)]
pub struct Namer {
    taken: BTreeSet<String>,
}

impl Namer {
    /// The wish as a legal name; with a number where it is taken or reserved.
    pub fn fresh(&mut self, wish: &str) -> String {
        let base = legal(wish);
        if !is_reserved(&base) && self.taken.insert(base.clone()) {
            return base;
        }
        let numbered = (1u32..).map(|n| format!("{base}_{n}")).find(|name| !self.taken.contains(name));
        // There are fewer than 2^32 names in one kernel, so one of them is free.
        let name = numbered.unwrap_or(base);
        self.taken.insert(name.clone());
        name
    }
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || device::defines(name)
}

/// ASCII letters, digits and single underscores, beginning with a letter; double and leading underscores are the
/// implementation's.
fn legal(wish: &str) -> String {
    let mut name = String::new();
    for c in wish.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => name.push(c),
            '_' if name.is_empty() || name.ends_with('_') => {}
            '_' => name.push('_'),
            other => name.push_str(&format!("u{:x}", other as u32)),
        }
    }
    let name = name.trim_end_matches('_');
    match name.chars().next() {
        None => "x".to_owned(),
        Some(c) if c.is_ascii_digit() => format!("x{name}"),
        Some(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_and_differ() {
        let mut names = Namer::default();
        let wishes = ["k", "k", "k_1", "__k", "r#k", "", "_", "sigmoid", "i64", "exp", "x__y", "1x", "k"];
        let got: Vec<String> = wishes.iter().map(|wish| names.fresh(wish)).collect();
        let expected = [
            "k",
            "k_1",
            "k_1_1",
            "k_2",
            "ru23k",
            "x",
            "x_1",
            "sigmoid_1",
            "i64_1",
            "exp_1",
            "x_y",
            "x1x",
            "k_3",
        ];
        assert_eq!(got, expected);
    }
}
