//! The text of a function under the macro, as its author laid it out.
//!
//! The compiled program holds the text of each rule and parses it once, through the path that reads files. Bracketed groups
//! know their source text, comments included; the few tokens around them are printed. Where a group came out of a macro its
//! source text is not its tokens, and the tokens are printed instead.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;

/// The text of an item with `#[rule(attribute)]` in front.
pub fn source(attribute: &TokenStream, item: &TokenStream) -> String {
    let option = if attribute.is_empty() { String::new() } else { format!("({attribute})") };
    let mut text = format!("#[rule{option}]\n");
    let mut printed = TokenStream::new();
    for token in item.clone() {
        let source = match &token {
            TokenTree::Group(group) => group.span().source_text().filter(|text| is_text_of(text, &token)),
            _ => None,
        };
        match source {
            Some(source) => {
                text.push_str(&visible(printed, false).to_string());
                text.push_str(&source);
                printed = TokenStream::new();
            }
            None => printed.extend([token]),
        }
    }
    text.push_str(&visible(printed, false).to_string());
    text
}

/// The tokens with the invisible groups that macros put around their arguments made visible: `$x * q` with `1 + 1` for `$x`
/// is `(1 + 1) * q`. Outside of the function's brackets, and in attributes, such a group holds no expression.
fn visible(tokens: TokenStream, in_brackets: bool) -> TokenStream {
    let mut after_hash = false;
    let tokens = tokens.into_iter().flat_map(|token| {
        let is_attribute =
            std::mem::replace(&mut after_hash, matches!(&token, TokenTree::Punct(p) if p.as_char() == '#'));
        let TokenTree::Group(group) = token else { return TokenStream::from(token) };
        let stream =
            visible(group.stream(), !is_attribute && (in_brackets || group.delimiter() != Delimiter::None));
        let delimiter = match group.delimiter() {
            Delimiter::None if !in_brackets || stream.clone().into_iter().count() < 2 => return stream,
            Delimiter::None => Delimiter::Parenthesis,
            other => other,
        };
        TokenStream::from(TokenTree::Group(Group::new(delimiter, stream)))
    });
    tokens.collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn invisible(tokens: TokenStream) -> TokenTree {
        TokenTree::Group(Group::new(Delimiter::None, tokens))
    }

    #[test]
    fn groups_that_macros_make_keep_their_meaning() {
        let (sum, one, word, access) = (
            invisible(quote!(1 + 1)),
            invisible(quote!(2)),
            invisible(quote!(Vector<V>)),
            invisible(quote!(pub(crate))),
        );
        let item = quote!(#access fn f(q: #word) -> #word { #sum * #one * q });
        let expected = quote!(
            pub(crate) fn f(q: (Vector<V>)) -> Vector<V> {
                (1 + 1) * 2 * q
            }
        );
        assert_eq!(source(&quote!(recurrent), &item), format!("#[rule(recurrent)]\n{expected}"));
    }
}
