//! The front end: from Rust syntax to a checked [`Rule`], with every mistake told at its tokens.
//!
//! ```text
//! text  --lex, bounds-->  tokens  --syn-->  ItemFn  --signature-->  Header  --elaborate-->  Body  --lower-->  Rule
//! ```
//!
//! | file | |
//! |---|---|
//! | `limits` | bounds on nesting, before anything recurses |
//! | `attributes`, `types`, `signature` | the typed outside of a rule |
//! | `elaborate`, `loops`, `assign`, `expression`, `call` | statements and expressions, straight into the graph |
//! | `scope`, `names` | what names stand for, misspelt ones, tensors that would share a name |
//! | `spans`, `show` | where things stand, the messages, and syntax in them |
//! | `unused` | inputs that nothing needs, and the output's shape |
//! | `text` | the text of a function under the macro |
//!
//! One path serves the macro ([`parse_item`]) and files ([`parse_file`]), so messages are the same word for word. All of a
//! user's mistakes are told at once: a wrong part has no value, and what depends on it is silent.

mod assign;
mod attributes;
mod call;
mod elaborate;
mod expression;
mod limits;
mod loops;
mod names;
mod scope;
mod show;
mod signature;
mod spans;
mod text;
mod types;
mod unused;

use crate::diagnostic::{Diagnostic, Kind};
use crate::report::{Located, Report};
use crate::rule::Rule;
use crate::verify;
use attributes::Options;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use spans::Messages;
use syn::{Item, ItemFn};

pub use text::source as source_text;

/// The stack that a file is parsed on; what [`limits`] lets through needs a fraction of it.
const STACK: usize = 64 << 20;

/// Parses every `#[rule]` function of a Rust file; other items are ignored.
///
/// ```
/// let rules = chunkwise_dsl::parse_file(
///     "#[rule] fn linear(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
///          s += outer(k, v);
///          s.read(q)
///      }",
/// )?;
/// assert_eq!(rules[0].signature.name, "linear");
/// assert_eq!(rules[0].signature.dims, ["K", "V"]);
///
/// let report = chunkwise_dsl::parse_file("#[rule] fn f(mut s: State<K, V>, q: Vector<K>) -> Vector<V> { s.read(qq) }");
/// assert_eq!(report.unwrap_err().diagnostics[0].message, "there is no `qq` here");
/// # Ok::<(), chunkwise_dsl::Report>(())
/// ```
///
/// # Errors
///
/// Every mistake in every rule, in source order: text that is not Rust, a file with no rule, two rules of one name, and
/// whatever is wrong inside a rule.
pub fn parse_file(text: &str) -> Result<Vec<Rule>, Report> {
    // A thread of its own bounds the stack whatever the caller's, and frees the parser's copy of the text at its end.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || parse_text(text));
        match thread.map(|t| t.join()) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(bug)) => std::panic::resume_unwind(bug),
            Err(_) => parse_text(text),
        }
    })
}

/// Parses the function under `#[rule]`, for the macro: `attribute` is what stands between the attribute's brackets.
///
/// # Errors
///
/// Every mistake, in source order, each over exactly its tokens.
pub fn parse_item(attribute: TokenStream, item: TokenStream) -> Result<Rule, Vec<syn::Error>> {
    let mut messages = Messages::new(&item);
    if let Err(large) = limits::check(&item) {
        let span = messages.add(large.span, large.span);
        let diagnostic = Diagnostic::limitation(span, large.message, large.hint);
        return Err(vec![messages.compile_error(&diagnostic)]);
    }
    let source = item.to_string();
    let function = match syn::parse2::<Item>(item) {
        Ok(Item::Fn(function)) => function,
        Ok(other) => {
            messages.wrong(&without_attributes(&other), NOT_A_FUNCTION.0, NOT_A_FUNCTION.1);
            return Err(messages.sorted().iter().map(|d| messages.compile_error(d)).collect());
        }
        Err(error) => return Err(error.into_iter().collect()),
    };
    let mut messages = Messages::new(&function.sig.ident);
    let options = attributes::options(&mut messages, attribute);
    match check(&mut messages, options, &function, source) {
        Some(rule) => Ok(rule),
        None => Err(messages.sorted().iter().map(|d| messages.compile_error(d)).collect()),
    }
}

/// The rule of a text that the macro has already accepted; generated code calls this.
///
/// # Panics
///
/// If the text that compiled is refused, which is a bug of ours.
#[doc(hidden)]
pub fn embedded(text: &str) -> Rule {
    match parse_file(text).map(|mut rules| rules.pop()) {
        Ok(Some(rule)) => rule,
        Ok(None) => {
            panic!("a rule that compiled has no text; this is a bug in chunkwise, please report it:\n{text}")
        }
        Err(report) => panic!(
            "a rule that compiled is refused; this is a bug in chunkwise, please report it:\n{report}\n{text}"
        ),
    }
}

const NOT_A_FUNCTION: (&str, &str) =
    ("`#[rule]` stands on a function", "write `#[rule] fn name(mut s: State<K, V>, ..) -> Vector<V> { .. }`");

const NOT_RUST: &str = "a rule file is Rust: `#[rule] fn name(mut s: State<K, V>, ..) -> Vector<V> { .. }`";

fn parse_text(text: &str) -> Result<Vec<Rule>, Report> {
    let start = start_of_code(text);
    let report = |diagnostics: Vec<Located>| Report { diagnostics: clamp(diagnostics, text) };
    let tokens: TokenStream = text[start..].parse().map_err(|error: proc_macro2::LexError| {
        let range = error.span().byte_range();
        let message = "this is not Rust: a token without meaning, or a bracket or quote without its partner"
            .to_string();
        report(vec![Located {
            kind: Kind::Mistake,
            message,
            hint: NOT_RUST.into(),
            range: range.start + start..range.end + start,
        }])
    })?;
    if let Err(large) = limits::check(&tokens) {
        let range = large.span.byte_range();
        let range = range.start + start..range.end + start;
        return Err(report(vec![Located {
            kind: Kind::Limitation,
            message: large.message,
            hint: large.hint,
            range,
        }]));
    }
    let mut file = syn::parse2::<syn::File>(tokens).map_err(|errors| {
        let located = errors.into_iter().map(|e| {
            let range = e.span().byte_range();
            let message = format!("this is not Rust: {e}");
            Located {
                kind: Kind::Mistake,
                message,
                hint: NOT_RUST.into(),
                range: range.start + start..range.end + start,
            }
        });
        report(located.collect())
    })?;
    file_rules(&text[start..], start, &mut file.items).map_err(report)
}

/// Checks every rule of a file.
fn file_rules(text: &str, start: usize, items: &mut [Item]) -> Result<Vec<Rule>, Vec<Located>> {
    let mut located = Vec::new();
    let mut rules: Vec<Rule> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for item in items.iter_mut() {
        let Some(at) = item_attributes(item).iter().position(attributes::is_rule) else { continue };
        let Item::Fn(function) = item else {
            let mut messages = Messages::new(item);
            messages.wrong(&without_attributes(item), NOT_A_FUNCTION.0, NOT_A_FUNCTION.1);
            located.extend(messages.sorted().iter().map(|d| messages.located(d, start)));
            continue;
        };
        let mut messages = Messages::new(&function.sig.ident);
        let name = function.sig.ident.to_string();
        if names.contains(&name) {
            messages.wrong(
                &function.sig.ident,
                format!("two rules have the name `{name}`"),
                "rename one of them",
            );
        }
        names.push(name);
        let span = messages.span(function);
        let range = messages.located(&Diagnostic::mistake(span, "", ""), 0).range;
        let source = text.get(range).unwrap_or_default().to_string();
        // Without it, the function is what the macro is given.
        let attribute = function.attrs.remove(at);
        let options = attributes::rule_options(&mut messages, &attribute);
        match check(&mut messages, options, function, source) {
            Some(rule) => rules.push(rule),
            None => located.extend(messages.sorted().iter().map(|d| messages.located(d, start))),
        }
    }
    if names.is_empty() && located.is_empty() {
        located.push(no_rule(start, text.len(), items));
    }
    if located.is_empty() { Ok(rules) } else { Err(located) }
}

/// A file without a rule: shown at its first function, if it has one.
fn no_rule(start: usize, length: usize, items: &[Item]) -> Located {
    let function = items.iter().find_map(|item| match item {
        Item::Fn(function) => Some(function.sig.ident.span().byte_range()),
        _ => None,
    });
    let range = function.unwrap_or(0..length.min(1));
    let message = "this file holds no rule".to_string();
    let hint = "put `#[rule]` above a function at the top level of the file".to_string();
    Located { kind: Kind::Mistake, message, hint, range: range.start + start..range.end + start }
}

/// The whole check of one rule; `None` where something was reported.
fn check(messages: &mut Messages, options: Options, function: &ItemFn, source: String) -> Option<Rule> {
    let header = signature::header(messages, function);
    let elaborated = elaborate::elaborate(messages, &header, options.recurrent, &function.block);
    let is_whole = messages.count() == 0;
    unused::check(messages, &header, &elaborated, is_whole);
    let body = elaborated.body;
    let timeline = match is_whole.then(|| crate::lower::lower(&header.signature, &body)) {
        Some(Ok(timeline)) => Ok(timeline),
        Some(Err(mut diagnostics)) if options.recurrent && !diagnostics.is_empty() => {
            Err(diagnostics.swap_remove(0))
        }
        Some(Err(diagnostics)) => {
            diagnostics.into_iter().for_each(|d| messages.push(d));
            return None;
        }
        None => return None,
    };
    if messages.count() > 0 {
        return None;
    }
    let rule = Rule { signature: header.signature, body, source, timeline };
    debug_assert_eq!(verified(&rule), Ok(()), "{}", rule.source);
    Some(rule)
}

/// What the verifiers say of both stages.
fn verified(rule: &Rule) -> Result<(), verify::Broken> {
    verify::body(rule)?;
    rule.timeline.as_ref().map_or(Ok(()), verify::timeline)
}

/// The byte after a byte order mark and a `#!` line.
fn start_of_code(text: &str) -> usize {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let code = &text[mark..];
    let is_script = code.starts_with("#!") && !code[2..].trim_start().starts_with('[');
    mark + if is_script { code.find('\n').unwrap_or(code.len()) } else { 0 }
}

/// Keeps every range inside the text, on character boundaries and, unless the text ends there, not empty.
fn clamp(diagnostics: Vec<Located>, text: &str) -> Vec<Located> {
    let fit = |mut d: Located| {
        let boundary = |i: &usize| text.is_char_boundary(*i);
        let start = (0..=d.range.start.min(text.len())).rev().find(boundary).unwrap_or(0);
        // The lexer points between characters; something must be shown.
        let end = d.range.end.max(start + 1).min(text.len());
        d.range = start..(end..=text.len()).find(boundary).unwrap_or(text.len());
        d
    };
    diagnostics.into_iter().map(fit).collect()
}

fn item_attributes(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The tokens of an item after its attributes.
fn without_attributes(item: &Item) -> TokenStream {
    let mut tokens = item.to_token_stream().into_iter().peekable();
    while let Some(TokenTree::Punct(_)) = tokens.peek() {
        tokens.nth(1);
    }
    tokens.collect()
}

/// Whether the two hold the same tokens, whatever their spans and spacing.
fn same_tokens(a: &impl ToTokens, b: TokenStream) -> bool {
    text::flat(a.to_token_stream()) == text::flat(b)
}
