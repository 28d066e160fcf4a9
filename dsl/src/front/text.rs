//! The text of a function under the macro, as its author laid it out.
//!
//! The compiled program holds the text of each rule and parses it once, through the path that reads files. Bracketed groups
//! know their source text, comments included; the few tokens around them are printed. Where a group came out of a macro its
//! source text is not its tokens, and the tokens are printed instead.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

/// The text of an item with `#[rule(attribute)]` in front.
pub fn source(attribute: &TokenStream, item: &TokenStream) -> String {
    let option = if attribute.is_empty() { String::new() } else { format!("({attribute})") };
    let mut text = format!("#[rule{option}]\n");
    let mut printed = TokenStream::new();
    for token in item.clone() {
        match &token {
            TokenTree::Group(group) => {
                match group.span().source_text().filter(|text| is_text_of(text, &token)) {
                    Some(source) => {
                        text.push_str(&printed.to_string());
                        text.push_str(&source);
                        printed = TokenStream::new();
                    }
                    None => printed.extend([token]),
                }
            }
            _ => printed.extend([token]),
        }
    }
    text.push_str(&printed.to_string());
    text
}

fn is_text_of(text: &str, token: &TokenTree) -> bool {
    text.parse().is_ok_and(|parsed| super::same_tokens(token, parsed))
}

/// Every token and bracket as text, one after another.
pub(super) fn flat(tokens: TokenStream) -> Vec<String> {
    let mut flat = Vec::new();
    let mut levels = vec![(tokens.into_iter(), String::new())];
    while let Some((tokens, close)) = levels.last_mut() {
        match tokens.next() {
            Some(TokenTree::Group(group)) => {
                let bracket = format!("{:?}", group.delimiter());
                flat.push(bracket.clone());
                levels.push((group.stream().into_iter(), bracket));
            }
            Some(token) => flat.push(token.to_token_stream().to_string()),
            None => {
                flat.push(std::mem::take(close));
                levels.pop();
            }
        }
    }
    flat
}
