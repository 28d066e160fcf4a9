//! Attributes: `#[rule]`, `#[rule(recurrent)]` and docs on the function, `#[range(lo..=hi)]` on a parameter.
//!
//! ```text
//! #[range(-8.0..=0.0)] g: Scalar      ->  Param { name: "g", range: Some(-8.0..=0.0), .. }
//! ```

use super::names::nearest;
use super::spans::Messages;
use proc_macro2::TokenStream;
use quote::ToTokens;
use std::ops::RangeInclusive;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, ExprRange, ExprUnary, Lit, Meta, RangeLimits, Token, UnOp};

/// What `#[rule(..)]` says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    /// `recurrent`: the rule needs no timeline.
    pub(super) recurrent: bool,
}

/// Whether this is `#[rule]`, `#[rule(..)]` or `#[chunkwise::rule]`.
pub(super) fn is_rule(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|s| s.ident == "rule")
}

/// The options of a `#[rule]` found in a file.
pub(super) fn rule_options(messages: &mut Messages, attribute: &Attribute) -> Options {
    match &attribute.meta {
        Meta::Path(_) => Options::default(),
        Meta::List(list) => options(messages, list.tokens.clone()),
        Meta::NameValue(_) => {
            messages.wrong(attribute, "`#[rule]` takes no value", "write `#[rule]` or `#[rule(recurrent)]`");
            Options::default()
        }
    }
}

/// The options between the brackets of `#[rule(..)]`.
pub(super) fn options(messages: &mut Messages, tokens: TokenStream) -> Options {
    let mut options = Options::default();
    let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
    let Ok(list) = syn::parse::Parser::parse2(parser, tokens.clone()) else {
        messages.wrong(&tokens, "`#[rule]` does not take this", "the only option is `#[rule(recurrent)]`");
        return options;
    };
    for meta in list {
        let name = meta.path().to_token_stream().to_string();
        match meta {
            Meta::Path(path) if path.is_ident("recurrent") => options.recurrent = true,
            other => {
                let hint = match nearest(&name, ["recurrent"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "the only option is `#[rule(recurrent)]`".into(),
                };
                messages.wrong(&other, format!("`#[rule]` has no option `{name}`"), hint);
            }
        }
    }
    options
}

/// Checks the attributes that stand beside the rule's own `#[rule]`, and returns its doc comment, without comment markers.
pub(super) fn function(messages: &mut Messages, attributes: &[Attribute]) -> String {
    for attribute in attributes {
        let path = attribute.path();
        if is_rule(attribute) {
            messages.wrong(attribute, "`#[rule]` stands here twice", "keep one of the two");
        } else if !["doc", "allow", "expect", "warn", "cfg", "deprecated"]
            .iter()
            .any(|name| path.is_ident(name))
            && path.segments.first().is_none_or(|s| s.ident != "rustfmt" && s.ident != "clippy")
        {
            let name = path.to_token_stream().to_string();
            let hint = "a rule takes doc comments, lint levels and `#[cfg(..)]`";
            messages.wrong(attribute, format!("`#[{name}]` means nothing on a rule"), hint);
        }
    }
    docs(attributes)
}

/// The text of the doc comments, one line a line, one leading space removed.
fn docs(attributes: &[Attribute]) -> String {
    let text = attributes.iter().filter_map(|a| match &a.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = text.collect::<Vec<_>>().join("\n").lines().map(strip_marker).collect();
    lines.join("\n").trim().to_string()
}

fn strip_marker(line: &str) -> String {
    line.strip_prefix(' ').unwrap_or(line).trim_end().to_string()
}

/// The range that a parameter's attributes promise.
pub(super) fn parameter(
    messages: &mut Messages,
    attributes: &[Attribute],
    is_state: bool,
) -> Option<RangeInclusive<f64>> {
    let mut found = None;
    for attribute in attributes {
        let path = attribute.path();
        if path.is_ident("doc") {
            continue;
        }
        let name = path.to_token_stream().to_string();
        if !path.is_ident("range") {
            let hint = "the only attribute of a parameter is `#[range(lo..=hi)]`";
            messages.wrong(attribute, format!("`#[{name}]` means nothing on a parameter"), hint);
        } else if is_state {
            let message = "a state has no `#[range(..)]`: its values follow from the rule";
            messages.wrong(attribute, message, "put the range on a parameter, or remove it");
        } else if found.is_some() {
            messages.wrong(attribute, "`#[range(..)]` stands here twice", "keep one of the two");
        } else {
            found = Some(range(messages, attribute));
        }
    }
    found.flatten()
}

/// The two numbers of `#[range(lo..=hi)]`.
fn range(messages: &mut Messages, attribute: &Attribute) -> Option<RangeInclusive<f64>> {
    let hint = "write `#[range(lo..=hi)]` with two numbers, such as `#[range(-8.0..=0.0)]`";
    let Ok(range) = attribute.parse_args::<ExprRange>() else {
        messages.wrong(attribute, "`#[range(..)]` needs a range of numbers", hint);
        return None;
    };
    if matches!(range.limits, RangeLimits::HalfOpen(_)) {
        messages.wrong(&range, "a range of real numbers includes both its ends", hint);
        return None;
    }
    let ends = (range.start.as_deref().and_then(number), range.end.as_deref().and_then(number));
    match ends {
        (Some(low), Some(high)) if low <= high => Some(low..=high),
        (Some(low), Some(high)) => {
            let hint = format!("write the smaller end first: `#[range({high:?}..={low:?})]`");
            messages.wrong(&range, format!("no number lies between {low:?} and {high:?}"), hint);
            None
        }
        _ => {
            messages.wrong(&range, "both ends of a range are numbers, written out", hint);
            None
        }
    }
}

/// A literal number with an optional minus.
fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => number(expr).map(|x| -x),
        Expr::Paren(inner) => number(&inner.expr),
        Expr::Group(inner) => number(&inner.expr),
        Expr::Lit(literal) => literal_number(&literal.lit).ok(),
        _ => None,
    }
}

/// The value of a number literal, or what is wrong with it.
pub(super) fn literal_number(literal: &Lit) -> Result<f64, (String, &'static str)> {
    let (digits, suffix) = match literal {
        Lit::Int(int) => (int.base10_digits().to_string(), int.suffix().to_string()),
        Lit::Float(float) => (float.base10_digits().to_string(), float.suffix().to_string()),
        _ => return Err(("this literal is not a number".into(), "a rule computes with numbers only")),
    };
    if !suffix.is_empty() {
        let message = format!("a number has no suffix `{suffix}` here");
        return Err((message, "write the number alone; the device chooses the precision"));
    }
    match digits.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err(("this number is too large".into(), "numbers lie within the range of `f64`")),
    }
}
