//! Bounds on what is parsed, so that no text overflows the stack.
//!
//! The parser, and the syntax tree when it is dropped, recurse with the nesting of brackets and with operators that nest
//! to the right without any (`- - - x`, `a = a = a`, `|x| |x| x`, `A<A<A<..`). Both are counted on the tokens, in a loop,
//! before anything is parsed.

use proc_macro2::{Delimiter, Spacing, Span as TokenSpan, TokenStream, TokenTree, token_stream};

/// Brackets within brackets.
const DEEPEST: usize = 48;
/// Tokens that nest without brackets, between two separators.
const MOST_NESTING: usize = 96;
/// Tokens between two separators (`;`, `,` or the end of a bracket).
const MOST_IN_A_ROW: usize = 2_000;

/// What is too large, and where.
#[derive(Debug)]
pub(super) struct TooLarge {
    /// The token that passed the bound.
    pub(super) span: TokenSpan,
    /// What it is, in words.
    pub(super) message: String,
    /// What would be accepted.
    pub(super) hint: String,
}

/// One open bracket.
struct Level {
    tokens: token_stream::IntoIter,
    row: usize,
    /// Nesting without brackets so far, and that of the brackets around.
    nesting: usize,
    around: usize,
    after_operand: bool,
}

impl Level {
    fn new(tokens: TokenStream, around: usize) -> Self {
        Level { tokens: tokens.into_iter(), row: 0, nesting: around, around, after_operand: false }
    }

    fn separate(&mut self) {
        (self.row, self.nesting, self.after_operand) = (0, self.around, false);
    }
}

/// Checks the bounds.
pub(super) fn check(tokens: &TokenStream) -> Result<(), TooLarge> {
    let mut levels = vec![Level::new(tokens.clone(), 0)];
    while let Some(level) = levels.last_mut() {
        let Some(token) = level.tokens.next() else {
            levels.pop();
            continue;
        };
        level.row += 1;
        level.nesting += usize::from(nests(&token, level.after_operand));
        level.after_operand = !matches!(token, TokenTree::Punct(_));
        let (row, nesting, span) = (level.row, level.nesting, token.span());
        match token {
            TokenTree::Punct(p) if matches!(p.as_char(), ';' | ',') => level.separate(),
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace {
                    level.separate();
                }
                levels.push(Level::new(group.stream(), nesting));
            }
            _ => {}
        }
        let too_large = |message: &str, hint: String| Err(TooLarge { span, message: message.into(), hint });
        if levels.len() > DEEPEST {
            let hint = format!(
                "at most {DEEPEST} brackets within brackets are supported; name inner parts with `let`"
            );
            return too_large("the brackets nest too deeply", hint);
        }
        if nesting > MOST_NESTING {
            let hint =
                format!("at most {MOST_NESTING} of them in a row are supported; name parts with `let`");
            return too_large("too many operators nest here", hint);
        }
        if row > MOST_IN_A_ROW {
            let hint =
                format!("at most {MOST_IN_A_ROW} tokens in a row are supported; name parts with `let`");
            return too_large("this expression is too long", hint);
        }
    }
    Ok(())
}

/// Whether the parser may go one level deeper at this token.
fn nests(token: &TokenTree, after_operand: bool) -> bool {
    match token {
        TokenTree::Punct(p) => match p.as_char() {
            // `->` begins a type.
            '-' => !after_operand || p.spacing() == Spacing::Joint,
            '*' | '!' | '&' | '.' => !after_operand,
            '+' | '/' | '%' | '^' | '>' | ':' | '#' | '?' => false,
            _ => !matches!(p.as_char(), ';' | ','),
        },
        TokenTree::Ident(ident) => KEYWORDS.iter().any(|k| ident == k),
        _ => false,
    }
}

/// Words that are followed by an expression, a type or a pattern without brackets.
const KEYWORDS: [&str; 25] = [
    "as", "async", "await", "box", "break", "const", "do", "dyn", "else", "extern", "fn", "for", "if",
    "impl", "in", "let", "loop", "match", "move", "mut", "ref", "return", "unsafe", "while", "yield",
];
