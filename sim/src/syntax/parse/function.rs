//! Kernels and functions: headers, statements, instructions.
//!
//! ```text
//! .entry f(.param .u64 x) .maxntid 128, 1, 1 { .reg .b32 %r<2>; .loc 1 5 3  $L: @%p1 bra $L; ret; }
//! ```

use super::operand::Scopes;
use super::{Parser, Result};
use crate::syntax::ast::*;
use crate::syntax::error::quote;
use crate::syntax::lexer::{Kind, Token};

impl<'a> Parser<'a> {
    /// A kernel or a function, after the word that says which.
    pub(super) fn function(&mut self, is_entry: bool) -> Result<()> {
        let line = self.token.line;
        let returns = if !is_entry && self.accept(b'(') { self.parameters()? } else { Vec::new() };
        let name = self.word("a function's name")?;
        let takes = if self.accept(b'(') { self.parameters()? } else { Vec::new() };
        let max_threads = self.performance()?;
        let mut scopes = Scopes::new(Function {
            name: name.text.to_string(),
            is_entry,
            params: returns.len() + takes.len(),
            returns: returns.len(),
            locals: 0,
            variables: Vec::new(),
            registers: Vec::new(),
            labels: Vec::new(),
            branch_targets: Vec::new(),
            max_threads,
            has_body: false,
            body: Vec::new(),
            line,
        });
        for (token, parameter) in returns.into_iter().chain(takes) {
            if scopes.variable(token.text, parameter).is_none() {
                return Err(self.twice(token));
            }
        }
        if self.accept(b';') {
            return self.declare(name, scopes.function);
        }
        self.expect(b'{', "or `;` after the head of the function")?;
        scopes.function.has_body = true;
        self.body(&mut scopes)?;
        match scopes.finish(&self.module.variables) {
            Ok(function) => self.declare(name, function),
            Err((label, place)) => Err(self.malformed(
                place,
                format!("{} is no label of this function", quote(label)),
                "a branch reaches labels of its own scope and of those around it",
            )),
        }
    }

    fn declare(&mut self, name: Token<'a>, function: Function) -> Result<()> {
        let before = self.functions.get(name.text).copied();
        let is_known = before.is_some();
        if before.is_some_and(|defined| defined && function.has_body)
            || self.variables.contains_key(name.text)
        {
            return Err(self.twice(name));
        }
        if !is_known || function.has_body {
            self.functions.insert(name.text, function.has_body);
            self.module.functions.push(function);
        }
        Ok(())
    }

    fn twice(&self, name: Token<'a>) -> super::Error {
        self.malformed(name, format!("{} is declared twice", quote(name.text)), "")
    }

    /// Directives between the head and the body; the most threads of a block is what they say that matters.
    fn performance(&mut self) -> Result<Option<u32>> {
        let mut max_threads = None;
        while self.token.kind == Kind::Dot {
            let directive = self.take();
            match directive.text {
                ".maxntid" | ".reqntid" => max_threads = Some(self.threads()?),
                ".pragma" => self.skip_past(b';')?,
                ".minnctapersm"
                | ".maxnctapersm"
                | ".maxnreg"
                | ".maxclusterrank"
                | ".noreturn"
                | ".explicitcluster"
                | ".reqnctapercluster"
                | ".blocksareclusters"
                | ".abi_preserve"
                | ".abi_preserve_control" => {
                    while self.token.kind == Kind::Number {
                        self.integer("a number")?;
                        self.accept(b',');
                    }
                }
                text => {
                    return Err(self.malformed(
                        directive,
                        format!("found {}, expected `{{` or a directive such as `.maxntid`", quote(text)),
                        "",
                    ));
                }
            }
        }
        Ok(max_threads)
    }

    fn threads(&mut self) -> Result<u32> {
        let token = self.token;
        let mut threads = self.small("a number of threads")?;
        while self.accept(b',') {
            let more = self.small("a number of threads")?;
            threads = threads
                .checked_mul(more)
                .ok_or_else(|| self.malformed(token, "more threads than a block can have", ""))?;
        }
        Ok(threads)
    }

    /// Statements up to the brace that closes the function. Scopes are a list, not calls, so that depth costs nothing.
    fn body(&mut self, scopes: &mut Scopes<'a>) -> Result<()> {
        let outside = scopes.depth();
        let mut source = None;
        scopes.open();
        while scopes.depth() > outside {
            match self.token.kind {
                Kind::Mark(b'{') => {
                    self.take();
                    scopes.open();
                }
                Kind::Mark(b'}') => {
                    self.take();
                    scopes.close();
                }
                Kind::Mark(b';') => {
                    self.take();
                }
                Kind::Mark(b'@') => {
                    let guard = self.guard(scopes)?;
                    let opcode = self.word("an instruction after the guard")?;
                    self.instruction(scopes, Some(guard), opcode, source)?;
                }
                Kind::Word => {
                    let word = self.take();
                    if self.accept(b':') {
                        self.labelled(scopes, word)?;
                    } else {
                        self.instruction(scopes, None, word, source)?;
                    }
                }
                Kind::Dot if self.token.text == ".loc" => {
                    self.take();
                    source = self.location()?;
                }
                Kind::Dot => self.declaration(scopes)?,
                _ => return Err(self.wanted("an instruction, a label, a declaration or `}`")),
            }
        }
        Ok(())
    }

    fn guard(&mut self, scopes: &mut Scopes<'a>) -> Result<Guard> {
        self.take();
        let negated = self.accept(b'!');
        let register = self.predicate(scopes)?;
        Ok(Guard { register, negated })
    }

    fn instruction(
        &mut self,
        scopes: &mut Scopes<'a>,
        guard: Option<Guard>,
        opcode: Token<'a>,
        source: Option<Source>,
    ) -> Result<()> {
        let mut modifiers = Vec::new();
        while self.token.kind == Kind::Dot {
            modifiers.push(self.take().text[1..].to_string());
        }
        let operands = self.operands(scopes, opcode.text)?;
        let instruction = Instruction {
            guard,
            opcode: opcode.text.to_string(),
            modifiers,
            operands: operands.list,
            line: opcode.line,
            source,
        };
        scopes.instruction(instruction, operands.is_provisional);
        Ok(())
    }

    /// What stands behind the colon of a label.
    fn labelled(&mut self, scopes: &mut Scopes<'a>, name: Token<'a>) -> Result<()> {
        // These name what an indirect call may reach, not a place in the code; the call itself says that it is indirect.
        if self.accept_dot(".callprototype") || self.accept_dot(".calltargets") {
            return self.skip_past(b';');
        }
        let label = scopes.label(name.text).ok_or_else(|| self.twice(name))?;
        if !self.accept_dot(".branchtargets") {
            return Ok(());
        }
        let mut targets = Vec::new();
        loop {
            let target = self.word("a label")?;
            targets.push(scopes.mention(target.text, target));
            if !self.accept(b',') {
                break;
            }
        }
        self.expect(b';', "after the targets")?;
        scopes.function.branch_targets.push((label, targets));
        Ok(())
    }

    fn declaration(&mut self, scopes: &mut Scopes<'a>) -> Result<()> {
        let directive = self.take();
        match directive.text {
            ".reg" => self.registers(scopes),
            ".local" => self.locals(scopes, Space::Local, false),
            ".shared" => self.locals(scopes, Space::Shared, false),
            ".global" => self.locals(scopes, Space::Global, false),
            ".const" => self.locals(scopes, Space::Const, false),
            ".param" => self.locals(scopes, Space::Param, false),
            ".extern" if self.accept_dot(".shared") => self.locals(scopes, Space::Shared, true),
            ".pragma" => self.skip_past(b';'),
            text => Err(self.malformed(
                directive,
                format!("found {}, expected `.reg`, `.loc`, `.pragma` or a state space", quote(text)),
                "",
            )),
        }
    }

    fn locals(&mut self, scopes: &mut Scopes<'a>, space: Space, is_extern: bool) -> Result<()> {
        for (name, variable) in self.variables_of(space, is_extern)? {
            if scopes.variable(name.text, variable).is_none() {
                return Err(self.twice(name));
            }
        }
        Ok(())
    }

    /// `.b32 %r<12>, t;`
    fn registers(&mut self, scopes: &mut Scopes<'a>) -> Result<()> {
        let token = self.token;
        if matches!(token.text, ".v2" | ".v4") {
            return Err(self.unsupported(token, "a vector register", "declare its components one by one"));
        }
        let ty = match token.kind {
            Kind::Dot => Type::parse(&token.text[1..]).ok_or_else(|| self.wanted("a type"))?,
            _ => return Err(self.wanted("a type such as `.b32`")),
        };
        self.take();
        loop {
            let name = self.word("a register's name")?;
            let is_new = if self.accept(b'<') {
                let count = self.integer("a number of registers")?;
                self.expect(b'>', "after the number of registers")?;
                scopes.range(name.text, ty, count).is_some()
            } else {
                scopes.register(name.text, ty).is_some()
            };
            if !is_new {
                return Err(self.twice(name));
            }
            if !self.accept(b',') {
                break;
            }
        }
        self.expect(b';', "after the registers")?;
        Ok(())
    }

    /// What stands behind `.loc`; line 0 is code that no line of the source stands for. Of inlined code it is the line of
    /// the callee that is kept.
    pub(super) fn location(&mut self) -> Result<Option<Source>> {
        let file = self.small("a file's number")?;
        let line = self.small("a line")?;
        self.small("a column")?;
        while self.accept(b',') {
            let word = self.word("`function_name` or `inlined_at`")?;
            match word.text {
                "function_name" => {
                    self.word("a label of debug data")?;
                    if self.accept(b'+') {
                        self.integer("an offset in bytes")?;
                    }
                }
                "inlined_at" => {
                    self.small("a file's number")?;
                    self.small("a line")?;
                    self.small("a column")?;
                }
                text => {
                    return Err(self.malformed(
                        word,
                        format!("found {}, expected `function_name` or `inlined_at`", quote(text)),
                        "",
                    ));
                }
            }
        }
        Ok((line > 0).then_some(Source { file, line }))
    }
}
