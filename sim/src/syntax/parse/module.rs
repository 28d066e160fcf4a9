//! Directives outside functions.
//!
//! ```text
//! .version 9.5   .target sm_90a   .address_size 64   .file 1 "a.cu"   .section .debug_str { .. }
//! .visible .global .align 4 .u32 table[4] = {1, 2};     .extern .shared .align 16 .b8 buffer[];
//! .visible .entry f(..) { .. }     .func (..) g(..) { .. }     .extern .func h;
//! ```

use super::{Parser, Result};
use crate::syntax::ast::Space;
use crate::syntax::error::quote;
use crate::syntax::lexer::{Kind, Token};

impl<'a> Parser<'a> {
    /// Everything up to the end of the text.
    pub(super) fn module(&mut self) -> Result<()> {
        while self.token.kind != Kind::End {
            if self.token.kind != Kind::Dot {
                return Err(self.wanted("a directive such as `.entry`"));
            }
            self.directive()?;
        }
        self.has_header()?;
        self.only_known_functions()?;
        self.forget_defined_declarations();
        Ok(())
    }

    fn directive(&mut self) -> Result<()> {
        let directive = self.take();
        match directive.text {
            ".version" => self.version(),
            ".target" => self.target(),
            ".address_size" => self.address_size(),
            ".file" => self.file(),
            ".section" => self.section(),
            ".pragma" => self.skip_past(b';'),
            ".loc" => self.location().map(|_| ()),
            ".visible" | ".weak" => self.linked(directive, false),
            ".extern" => self.linked(directive, true),
            ".global" | ".const" | ".shared" | ".local" | ".entry" | ".func" => {
                self.declared(directive, false)
            }
            ".alias" => Err(self.unsupported(directive, "`.alias`", "name the function itself")),
            ".common" => {
                Err(self.unsupported(directive, "`.common`", "define the variable with `.visible .global`"))
            }
            ".tex" | ".texref" | ".samplerref" | ".surfref" => {
                Err(self.unsupported(directive, "a texture", "read through a pointer instead"))
            }
            _ => Err(self.malformed(directive, format!("unknown directive {}", quote(directive.text)), "")),
        }
    }

    fn linked(&mut self, linkage: Token<'a>, is_extern: bool) -> Result<()> {
        match self.token.kind {
            Kind::Dot => {
                let directive = self.take();
                self.declared(directive, is_extern)
            }
            _ => Err(self.wanted(&format!("a variable or a function after `{}`", linkage.text))),
        }
    }

    fn declared(&mut self, directive: Token<'a>, is_extern: bool) -> Result<()> {
        match directive.text {
            ".entry" => self.function(true),
            ".func" => self.function(false),
            ".global" => self.module_variables(Space::Global, is_extern),
            ".const" => self.module_variables(Space::Const, is_extern),
            ".shared" => self.module_variables(Space::Shared, is_extern),
            ".local" => Err(self.unsupported(
                directive,
                "a local variable outside a function",
                "declare it in the function",
            )),
            text => Err(self.malformed(
                directive,
                format!("found {}, expected `.entry`, `.func` or a state space", quote(text)),
                "",
            )),
        }
    }

    fn module_variables(&mut self, space: Space, is_extern: bool) -> Result<()> {
        for (name, variable) in self.variables_of(space, is_extern)? {
            let index = self.module.variables.len() as u32;
            if self.variables.insert(name.text, index).is_some() || self.functions.contains_key(name.text) {
                return Err(self.malformed(name, format!("{} is declared twice", quote(name.text)), ""));
            }
            self.module.variables.push(variable);
        }
        Ok(())
    }

    fn version(&mut self) -> Result<()> {
        let token = self.token;
        let parts = token.text.split_once('.').map(|(major, minor)| (major.parse(), minor.parse()));
        match (token.kind, parts) {
            (Kind::Number, Some((Ok(major), Ok(minor)))) => {
                self.module.version = (major, minor);
                self.take();
                Ok(())
            }
            _ => Err(self.wanted("a version such as `8.0`")),
        }
    }

    fn target(&mut self) -> Result<()> {
        let target = self.word("a target such as `sm_80`")?;
        self.module.target = target.text.to_string();
        while self.accept(b',') {
            let option = self.word("an option of the target")?;
            if option.text == "map_f64_to_f32" {
                return Err(self.unsupported(option, "`map_f64_to_f32`", "compile for sm_20 or later"));
            }
        }
        Ok(())
    }

    fn address_size(&mut self) -> Result<()> {
        let token = self.token;
        match self.integer("an address size")? {
            64 => Ok(()),
            _ => Err(self.unsupported(token, "an address size other than 64", "compile for 64 bits")),
        }
    }

    fn file(&mut self) -> Result<()> {
        let number = self.small("a file's number")?;
        if self.token.kind != Kind::Text {
            return Err(self.wanted("a file's name in quotes"));
        }
        let name = self.take().text.trim_matches('"').to_string();
        self.module.files.push((number, name));
        // A time stamp and a size may follow.
        while self.accept(b',') {
            self.integer("a number")?;
        }
        Ok(())
    }

    /// Data for debuggers, which means nothing to the simulator: everything up to the closing brace.
    fn section(&mut self) -> Result<()> {
        while !self.is_mark(b'{') {
            if !matches!(self.token.kind, Kind::Dot | Kind::Word | Kind::Text) {
                return Err(self.wanted("`{` after the section's name"));
            }
            self.take();
        }
        self.skip_group(b'{', b'}', "at the end of the section")
    }

    fn has_header(&self) -> Result<()> {
        if self.module.version == (0, 0) {
            return Err(self.wanted("a `.version` before it"));
        }
        if self.module.target.is_empty() {
            return Err(self.wanted("a `.target` before it"));
        }
        Ok(())
    }

    fn only_known_functions(&self) -> Result<()> {
        match self.named.iter().find(|name| !self.functions.contains_key(name.text)) {
            None => Ok(()),
            Some(name) => Err(self.malformed(
                *name,
                format!("{} is not declared", quote(name.text)),
                "declare a register, a variable or a function of this name before",
            )),
        }
    }

    /// A declaration that a definition follows says nothing more.
    fn forget_defined_declarations(&mut self) {
        let functions = &self.functions;
        self.module
            .functions
            .retain(|f| f.has_body || functions.get(f.name.as_str()).is_none_or(|defined| !defined));
    }
}
