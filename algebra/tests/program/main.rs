//! Chunk programs: derived for every rule of the catalogue and for random ones, they give what the token loop gives.
//!
//! `CHUNKWISE_CASES` sets the number of random rules (default 500), `CHUNKWISE_SEED` the first seed; a failure prints its
//! seed and the smallest rule found that still fails.

#[allow(
    dead_code,
    reason = "the interpreter of tests/properties, which reads all of the tree, is not used here"
)]
#[path = "../../../tests/properties/ast.rs"]
mod ast;
#[path = "../../../tests/properties/complete.rs"]
mod complete;
#[path = "../../../tests/explain/expression.rs"]
mod expression;
#[path = "../../../tests/properties/generate.rs"]
mod generate;
#[allow(dead_code, reason = "the reference by hand of tests/reference is not used here")]
#[path = "../../../tests/reference/maths.rs"]
mod maths;
#[allow(dead_code, reason = "the reference by hand of tests/reference is not used here")]
#[path = "../../../tests/reference/problem.rs"]
mod problem;
#[path = "../../../tests/reference/random.rs"]
mod random;
#[path = "../../../tests/properties/shadow.rs"]
mod shadow;
#[path = "../../../tests/properties/source.rs"]
mod source;
#[path = "../../../tests/properties/statements.rs"]
mod statements;
#[allow(dead_code, reason = "the reference by hand of tests/reference is not used here")]
#[path = "../../../tests/reference/tape.rs"]
mod tape;

mod agree;
mod broken;
mod case;
mod dual;
mod extremes;
mod matrices;
mod phases;
mod reader;
mod rules;
mod segments;
mod share;
mod simplify;
mod texts;
mod work;
