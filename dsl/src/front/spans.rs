//! Where things stand in the source, and the list of messages about them.
//!
//! A [`Span`] is a row of this table: the first and the last token of a run. The compiler reports an expression by its
//! first token only and cannot join two spans on stable Rust, so both ends are kept and the report is built over
//! exactly those tokens. In a file the same two spans are byte ranges (`span-locations`).
//!
//! ```text
//! beta * k      Span(7) -> (span of `beta`, span of `k`)      macro: ^^^^^^^^     file: bytes 211..219
//! ```
//!
//! Row 0 is the function's name: where a message goes when nothing better is known.

use crate::diagnostic::{Diagnostic, Span};
use crate::report::Located;
use proc_macro2::{Ident, LineColumn, Span as TokenSpan, TokenStream, TokenTree};
use quote::ToTokens;
use std::ops::Range;

/// The spans and the messages of one rule.
#[derive(Debug, Default)]
pub(super) struct Messages {
    table: Vec<(TokenSpan, TokenSpan)>,
    list: Vec<Diagnostic>,
}

impl Messages {
    /// A table whose row 0 is `fallback`.
    pub(super) fn new(fallback: &impl ToTokens) -> Self {
        let mut messages = Messages::default();
        messages.span(fallback);
        messages
    }

    /// A new row for all tokens of a piece of syntax.
    pub(super) fn span(&mut self, syntax: &impl ToTokens) -> Span {
        let (first, last) = ends(syntax.to_token_stream());
        self.add(first, last)
    }

    /// A new row for an explicit run.
    pub(super) fn add(&mut self, first: TokenSpan, last: TokenSpan) -> Span {
        self.table.push((first, last));
        Span(self.table.len() as u32 - 1)
    }

    /// A new row from the first token of one run to the last token of another.
    pub(super) fn join(&mut self, first: Span, last: Span) -> Span {
        let (first, _) = self.ends(first);
        let (_, last) = self.ends(last);
        self.add(first, last)
    }

    /// Adds a message.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// The user's mistake at a row.
    pub(super) fn mistake(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic::mistake(at, message, hint));
    }

    /// The user's mistake at a piece of syntax.
    pub(super) fn wrong(&mut self, at: &impl ToTokens, message: impl Into<String>, hint: impl Into<String>) {
        let span = self.span(at);
        self.mistake(span, message, hint);
    }

    /// Number of messages so far.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// All messages in source order, each once (an unrolled loop finds a mistake once a turn).
    pub(super) fn sorted(&self) -> Vec<Diagnostic> {
        let mut list: Vec<_> = self.list.iter().map(|d| (self.position(d.span), d)).collect();
        list.sort_by_key(|(position, _)| *position);
        let mut kept: Vec<(_, &Diagnostic)> = Vec::new();
        for (position, d) in list {
            let told = kept.iter().rev().take_while(|(p, _)| *p == position);
            if !told.clone().any(|(_, k)| k.message == d.message) {
                kept.push((position, d));
            }
        }
        kept.into_iter().map(|(_, d)| d.clone()).collect()
    }

    /// A message as the macro reports it: over exactly its tokens, the hint on a line of its own.
    pub(super) fn compile_error(&self, diagnostic: &Diagnostic) -> syn::Error {
        let (first, last) = self.ends(diagnostic.span);
        let mut tokens = TokenStream::new();
        tokens
            .extend([TokenTree::from(Ident::new("first", first)), TokenTree::from(Ident::new("last", last))]);
        syn::Error::new_spanned(tokens, diagnostic)
    }

    /// A message at its place in a file whose parsed text starts `offset` bytes in.
    pub(super) fn located(&self, diagnostic: &Diagnostic, offset: usize) -> Located {
        let range = self.bytes(diagnostic.span);
        let Diagnostic { kind, message, hint, .. } = diagnostic.clone();
        Located { kind, message, hint, range: range.start + offset..range.end + offset }
    }

    fn ends(&self, span: Span) -> (TokenSpan, TokenSpan) {
        let call_site = || (TokenSpan::call_site(), TokenSpan::call_site());
        self.table.get(span.0 as usize).copied().unwrap_or_else(call_site)
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let (first, last) = self.ends(span);
        first.byte_range().start..last.byte_range().end
    }

    fn position(&self, span: Span) -> (LineColumn, LineColumn) {
        let (first, last) = self.ends(span);
        (first.start(), last.end())
    }
}

/// The first and the last token of a run; the call site where it is empty.
fn ends(tokens: TokenStream) -> (TokenSpan, TokenSpan) {
    let mut tokens = tokens.into_iter();
    let Some(first) = tokens.next() else {
        return (TokenSpan::call_site(), TokenSpan::call_site());
    };
    let last = tokens.last().unwrap_or_else(|| first.clone());
    let open = match &first {
        TokenTree::Group(group) => group.span_open(),
        token => token.span(),
    };
    let close = match &last {
        TokenTree::Group(group) => group.span_close(),
        token => token.span(),
    };
    (open, close)
}
