//! PTX as text and as a tree.
//!
//! [`parse`] reads what compilers emit into an [`ast::Module`]; [`verify`] says whether the tree makes sense; [`print()`]
//! writes it as text again, which parses to the same tree. What no compiler emits around tensor cores (textures, vector
//! registers, addresses in initial values) is an [`Error`] of the kind [`Kind::Unsupported`].

pub mod ast;
mod error;
mod lexer;
mod number;
mod parse;
mod print;
mod special;
mod verify;

pub use error::{Error, Kind};
pub use parse::parse;
pub use print::print;
pub use verify::verify;
