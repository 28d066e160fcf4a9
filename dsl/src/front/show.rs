//! Syntax on one line, as a person would space it, for messages.
//!
//! ```text
//! Vector < K >  ->  Vector<K>        l2norm (q)  ->  l2norm(q)        - beta * k  ->  -beta * k
//! ```
//!
//! The text of the source would do in a file, but the compiler gives none for a run of tokens; so both print the tokens.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The syntax on one line.
pub(super) fn show(syntax: &impl ToTokens) -> String {
    let mut text = String::new();
    print(syntax.to_token_stream(), &mut text);
    text
}

/// What stands before the token that is printed next.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// Nothing, or something that the next token sticks to.
    Open,
    /// A name, a number or a closing bracket.
    Operand,
    /// Something that a space follows.
    Space,
}

fn print(tokens: TokenStream, text: &mut String) {
    let mut before = Before::Open;
    for token in tokens {
        before = match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => (" { ", " }"),
                    Delimiter::None => ("", ""),
                };
                if before == Before::Space {
                    text.push(' ');
                }
                text.push_str(open);
                print(group.stream(), text);
                text.push_str(close);
                Before::Operand
            }
            TokenTree::Punct(punct) => mark(punct.as_char(), punct.spacing() == Spacing::Joint, before, text),
            word => {
                if before != Before::Open {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
                Before::Operand
            }
        };
    }
}

fn mark(mark: char, joint: bool, before: Before, text: &mut String) -> Before {
    let spaced = match mark {
        ',' | ';' => {
            text.push(mark);
            return Before::Space;
        }
        '.' | '<' | '>' | '?' | '!' | '\'' | '&' | '#' => false,
        ':' => false,
        _ => before == Before::Operand,
    };
    if spaced || (before == Before::Space && !matches!(mark, '.' | '<' | '>' | '?' | ':')) {
        text.push(' ');
    }
    text.push(mark);
    match mark {
        _ if joint => Before::Open,
        '>' => Before::Operand,
        _ if spaced => Before::Space,
        _ => Before::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_is_spaced_as_people_do() {
        let texts = [
            "Vector<K>",
            "State<K, V>",
            "[Vector<K>; 2]",
            "PerHead<Vector<K>>",
            "l2norm(q)",
            "outer(beta * k, v - s.read(k))",
            "-beta * k",
            "x * -2.0",
            "k[j + 1]",
            "&Vector<K>",
            "a::B",
        ];
        for text in texts {
            let tokens: TokenStream = text.parse().expect("Rust tokens");
            assert_eq!(show(&tokens), text);
        }
    }
}
