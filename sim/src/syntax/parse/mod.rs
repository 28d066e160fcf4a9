//! Text of PTX to its tree, in one pass from the first token to the last.
//!
//! | file | |
//! |---|---|
//! | `mod` | the token at hand, and what to say when it is not the expected one |
//! | `module` | directives outside functions |
//! | `variable` | declarations with their sizes and initial values |
//! | `function` | headers, statements, instructions |
//! | `operand` | operands |
//! | `scope` | names: each register, variable and label of a function gets one id |
//!
//! No function calls itself, so that no text, however deep its braces, overflows the stack; each token is looked at once and
//! each name is found through a table, so that no text takes more than linear time (expected; the tables hash). Parsing
//! stops at the first mistake: the texts come from compilers, and what follows a mistake says little.
//!
//! What is read and forgotten: `.pragma`, linkage (`.visible`, `.weak`), debug sections, `inlined_at`, call prototypes,
//! attributes, the pointee of `.ptr`, and the performance directives other than the most threads of a block. None
//! changes what runs.

mod function;
mod module;
mod operand;
mod scope;
mod variable;

use super::ast::Module;
use super::error::{self, Error, quote};
use super::lexer::{Kind, Lexer, Token};
use super::number::{self, Literal};
use std::collections::HashMap;

type Result<T> = std::result::Result<T, Error>;

/// Reads a module of PTX. The error names line and column, what was found there and what was expected.
///
/// ```
/// let module = chunkwise_sim::syntax::parse(
///     ".version 8.0 .target sm_80 .address_size 64
///      .visible .entry nothing() { ret; }",
/// ).unwrap();
/// assert_eq!(module.kernel("nothing").unwrap().body[0].opcode, "ret");
///
/// let error = chunkwise_sim::syntax::parse(".version 8.0 .target sm_80 .entry f() { ret }").unwrap_err();
/// assert_eq!(error.to_string(), "PTX line 1, column 45: found `}`, expected an operand or `;`");
/// ```
pub fn parse(text: &str) -> std::result::Result<Module, Error> {
    let mut parser = Parser::new(text);
    // Ids count in 32 bits and a bit of them is set aside, see `scope`.
    if text.len() >= 1 << 31 {
        return Err(parser.unsupported(parser.token, "a text of 2 GiB or more", "split the module"));
    }
    parser.module()?;
    Ok(parser.module)
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The token at hand: read, and not yet taken.
    token: Token<'a>,
    module: Module,
    /// The module's variables by name.
    variables: HashMap<&'a str, u32>,
    /// The module's functions by name, and whether each has its body.
    functions: HashMap<&'a str, bool>,
    /// Names that have to be functions once the module ends.
    named: Vec<Token<'a>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next();
        let module = Module {
            version: (0, 0),
            target: String::new(),
            variables: Vec::new(),
            functions: Vec::new(),
            files: Vec::new(),
        };
        let (variables, functions, named) = (HashMap::new(), HashMap::new(), Vec::new());
        Parser { text, lexer, token, module, variables, functions, named }
    }

    /// Takes the token at hand.
    fn take(&mut self) -> Token<'a> {
        std::mem::replace(&mut self.token, self.lexer.next())
    }

    fn is_mark(&self, mark: u8) -> bool {
        self.token.kind == Kind::Mark(mark)
    }

    /// Takes a mark if it is at hand.
    fn accept(&mut self, mark: u8) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.take();
        }
        found
    }

    /// Takes a mark, which has to be at hand.
    fn expect(&mut self, mark: u8, place: &str) -> Result<Token<'a>> {
        if self.is_mark(mark) {
            return Ok(self.take());
        }
        Err(self.wanted(&format!("`{}` {place}", mark as char)))
    }

    /// Takes a word with a dot if it is at hand.
    fn accept_dot(&mut self, dot: &str) -> bool {
        let found = self.token.kind == Kind::Dot && self.token.text == dot;
        if found {
            self.take();
        }
        found
    }

    fn word(&mut self, expected: &str) -> Result<Token<'a>> {
        match self.token.kind {
            Kind::Word => Ok(self.take()),
            _ => Err(self.wanted(expected)),
        }
    }

    fn literal(&mut self, expected: &str) -> Result<Literal> {
        if self.token.kind != Kind::Number {
            return Err(self.wanted(expected));
        }
        match number::parse(self.token.text) {
            Some(literal) => {
                self.take();
                Ok(literal)
            }
            None => Err(self.malformed(
                self.token,
                format!("{} is no number of at most 64 bits", quote(self.token.text)),
                "",
            )),
        }
    }

    fn integer(&mut self, expected: &str) -> Result<u64> {
        let token = self.token;
        match self.literal(expected)? {
            Literal::Int(value) => Ok(value),
            _ => Err(self.malformed(token, format!("found {}, expected {expected}", quote(token.text)), "")),
        }
    }

    fn small(&mut self, expected: &str) -> Result<u32> {
        let token = self.token;
        let value = self.integer(expected)?;
        u32::try_from(value)
            .map_err(|_| self.malformed(token, format!("{value} is too large for {expected}"), ""))
    }

    /// Goes past everything up to a mark, and past the mark.
    fn skip_past(&mut self, mark: u8) -> Result<()> {
        while !self.is_mark(mark) {
            if matches!(self.token.kind, Kind::End | Kind::Bad(_)) {
                return Err(self.wanted(&format!("`{}`", mark as char)));
            }
            self.take();
        }
        self.take();
        Ok(())
    }

    /// Goes past a mark that opens something, everything in it, and the mark that closes it.
    fn skip_group(&mut self, open: u8, close: u8, place: &str) -> Result<()> {
        self.expect(open, "before the group")?;
        let mut depth = 1usize;
        while depth > 0 {
            match self.token.kind {
                Kind::Mark(mark) if mark == open => depth += 1,
                Kind::Mark(mark) if mark == close => depth -= 1,
                Kind::End | Kind::Bad(_) => return Err(self.wanted(&format!("`{}` {place}", close as char))),
                _ => {}
            }
            self.take();
        }
        Ok(())
    }

    /// The error that the token at hand is not the expected one.
    fn wanted(&self, expected: &str) -> Error {
        let found = match self.token.kind {
            Kind::End => "the end of the text".to_string(),
            Kind::Bad(what) => format!("{what}: {}", quote(self.token.text)),
            _ => quote(self.token.text),
        };
        self.malformed(self.token, format!("found {found}, expected {expected}"), "")
    }

    fn malformed(&self, at: Token<'a>, what: impl Into<String>, hint: &str) -> Error {
        self.error(error::Kind::Malformed, at, what.into(), hint)
    }

    fn unsupported(&self, at: Token<'a>, what: &str, hint: &str) -> Error {
        self.error(error::Kind::Unsupported, at, format!("{what} is not supported"), hint)
    }

    fn error(&self, kind: error::Kind, at: Token<'a>, what: String, hint: &str) -> Error {
        let line_start = self.text[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
        let column = self.text[line_start..at.start].chars().count() as u32 + 1;
        Error { kind, line: at.line, column, what, hint: hint.to_string() }
    }
}
