//! Matrix formulas over one chunk: what the equations of `explain` are made of.
//!
//! ```text
//! Sum[Q S0, tril(Q Kᵀ) V]            prints  Q S0 + tril(Q Kᵀ) V
//! Product[Hadamard[Q, e^G], S0]      prints  (Q ⊙ e^G) S0
//! ```
//!
//! Products bind tighter than `⊙`, which binds tighter than sums. Formulas are values: passes rebuild them, compare them
//! and look inside them; only [`Formula::to_string`](std::fmt::Display) turns them into text.

use std::collections::BTreeSet;
use std::fmt;

/// A matrix, by how it is made.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Formula {
    /// A named matrix: `Q`, `S0`, `U`.
    Symbol(String),
    /// The identity.
    Identity,
    /// A column of ones.
    Ones,
    /// `e^x`, entry by entry.
    Exp(String),
    /// One number for all tokens.
    Number(String),
    /// `diag(x)` of one number per token.
    Diag(String),
    /// The matrix product, left to right.
    Product(Vec<Formula>),
    /// The entrywise product.
    Hadamard(Vec<Formula>),
    /// A sum; `true` marks a term that is subtracted.
    Sum(Vec<(bool, Formula)>),
    /// The transpose.
    Transpose(Box<Formula>),
    /// The inverse.
    Inverse(Box<Formula>),
    /// The lower triangle; `strict` leaves the diagonal out.
    Tril {
        /// The whole matrix.
        of: Box<Formula>,
        /// Whether the diagonal is left out.
        strict: bool,
    },
    /// Blocks by rows; `None` is a zero block.
    Blocks(Vec<Vec<Option<Formula>>>),
}

use Formula::*;

impl Formula {
    /// A named matrix.
    pub(crate) fn symbol(name: impl Into<String>) -> Formula {
        Symbol(name.into())
    }

    /// The product of the factors that are not the identity.
    pub(crate) fn product(factors: impl IntoIterator<Item = Formula>) -> Formula {
        let mut flat = Vec::new();
        for f in factors {
            match f {
                Identity => {}
                Product(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Identity,
            1 => flat.remove(0),
            _ => Product(flat),
        }
    }

    /// The entrywise product; one factor stands alone.
    pub(crate) fn hadamard(factors: impl IntoIterator<Item = Formula>) -> Formula {
        let mut flat = Vec::new();
        for f in factors {
            match f {
                Hadamard(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Hadamard(flat) }
    }

    /// The sum of signed terms, inner sums opened; `None` where there is no term.
    pub(crate) fn sum(terms: impl IntoIterator<Item = (bool, Formula)>) -> Option<Formula> {
        let mut flat = Vec::new();
        for (minus, f) in terms {
            match f {
                Sum(inner) => flat.extend(inner.into_iter().map(|(m, f)| (m ^ minus, f))),
                other => flat.push((minus, other)),
            }
        }
        match flat.as_slice() {
            [] => None,
            [(false, _)] => flat.pop().map(|t| t.1),
            _ => Some(Sum(flat)),
        }
    }

    /// The transpose.
    pub(crate) fn transpose(self) -> Formula {
        Transpose(Box::new(self))
    }

    /// The lower triangle.
    pub(crate) fn tril(self, strict: bool) -> Formula {
        Tril { of: Box::new(self), strict }
    }

    /// The text in lines of at most `width` characters, broken between the terms of a sum where it can be.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let Sum(terms) = self else { return vec![self.to_string()] };
        let mut lines: Vec<String> = Vec::new();
        for (n, (minus, t)) in terms.iter().enumerate() {
            let sign = match (n, minus) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => "+ ",
                (_, true) => "- ",
            };
            let term = format!("{sign}{}", t.at(1));
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + term.chars().count() <= width => {
                    line.push(' ');
                    line.push_str(&term);
                }
                _ => lines.push(term),
            }
        }
        lines
    }

    /// The direct parts.
    pub(crate) fn parts(&self) -> Vec<&Formula> {
        match self {
            Symbol(_) | Identity | Ones | Exp(_) | Number(_) | Diag(_) => Vec::new(),
            Product(f) | Hadamard(f) => f.iter().collect(),
            Sum(terms) => terms.iter().map(|t| &t.1).collect(),
            Transpose(f) | Inverse(f) | Tril { of: f, .. } => vec![f],
            Blocks(rows) => rows.iter().flatten().flatten().collect(),
        }
    }

    /// The same node over other parts.
    pub(crate) fn map(&self, mut f: impl FnMut(&Formula) -> Formula) -> Formula {
        match self {
            Symbol(_) | Identity | Ones | Exp(_) | Number(_) | Diag(_) => self.clone(),
            Product(parts) => Formula::product(parts.iter().map(f)),
            Hadamard(parts) => Formula::hadamard(parts.iter().map(f)),
            Sum(terms) => Sum(terms.iter().map(|(m, t)| (*m, f(t))).collect()),
            Transpose(x) => Transpose(Box::new(f(x))),
            Inverse(x) => Inverse(Box::new(f(x))),
            Tril { of, strict } => Tril { of: Box::new(f(of)), strict: *strict },
            Blocks(rows) => {
                Blocks(rows.iter().map(|r| r.iter().map(|b| b.as_ref().map(&mut f)).collect()).collect())
            }
        }
    }

    /// Replaces every part that equals `what`.
    pub(crate) fn replace(&self, what: &Formula, with: &Formula) -> Formula {
        if self == what { with.clone() } else { self.map(|p| p.replace(what, with)) }
    }

    /// The names of all symbols inside.
    pub(crate) fn symbols(&self) -> BTreeSet<String> {
        match self {
            Symbol(name) => BTreeSet::from([name.clone()]),
            _ => self.parts().into_iter().flat_map(|p| p.symbols()).collect(),
        }
    }

    /// Calls `f` on this formula and everything inside it, outermost first.
    pub(crate) fn walk<'a>(&'a self, f: &mut impl FnMut(&'a Formula)) {
        f(self);
        self.parts().into_iter().for_each(|p| p.walk(f));
    }

    /// Whether a product of two matrices (not of a matrix and a diagonal one) is at the top of this.
    pub(crate) fn is_matmul(&self) -> bool {
        match self {
            Product(f) => f.iter().filter(|p| !matches!(p, Diag(_) | Number(_))).count() > 1,
            Hadamard(f) => f.iter().any(Formula::is_matmul),
            Tril { of, .. } => of.is_matmul(),
            _ => false,
        }
    }

    fn level(&self) -> u8 {
        match self {
            Sum(_) => 0,
            Hadamard(_) => 1,
            Product(_) => 2,
            _ => 3,
        }
    }

    fn at(&self, level: u8) -> String {
        if self.level() < level { format!("({self})") } else { self.to_string() }
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbol(name) => write!(out, "{name}"),
            Identity => write!(out, "I"),
            Ones => write!(out, "1"),
            Exp(x) if x.contains(' ') => write!(out, "e^({x})"),
            Exp(x) => write!(out, "e^{x}"),
            Number(x) if x.contains(' ') => write!(out, "({x})"),
            Number(x) => write!(out, "{x}"),
            Diag(x) => write!(out, "diag({x})"),
            Product(f) => write!(out, "{}", join(f.iter().map(|p| p.at(3)), " ")),
            Hadamard(f) => write!(out, "{}", join(f.iter().map(|p| p.at(2)), " ⊙ ")),
            Sum(terms) => {
                for (n, (minus, t)) in terms.iter().enumerate() {
                    let sign = match (n, minus) {
                        (0, false) => "",
                        (0, true) => "-",
                        (_, false) => " + ",
                        (_, true) => " - ",
                    };
                    write!(out, "{sign}{}", t.at(1))?;
                }
                Ok(())
            }
            Transpose(f) => write!(out, "{}ᵀ", f.at(3)),
            Inverse(f) => write!(out, "({f})⁻¹"),
            Tril { of, strict } => write!(out, "tril({of}{})", if *strict { ", -1" } else { "" }),
            Blocks(rows) => {
                let block = |b: &Option<Formula>| b.as_ref().map_or("0".into(), |f| f.to_string());
                let row = |r: &Vec<Option<Formula>>| join(r.iter().map(block), ", ");
                write!(out, "[{}]", join(rows.iter().map(row), "; "))
            }
        }
    }
}

fn join(parts: impl Iterator<Item = String>, with: &str) -> String {
    parts.collect::<Vec<_>>().join(with)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(name: &str) -> Formula {
        Formula::symbol(name)
    }

    #[test]
    fn parentheses_follow_precedence() {
        let read = Formula::product([Formula::hadamard([s("Q"), Exp("G".into())]), s("S0")]);
        let gram = Formula::hadamard([Formula::product([s("Q"), s("K").transpose()]), s("D")]).tril(true);
        let sum = Formula::sum([(false, read), (true, Formula::product([gram, s("V")]))]).unwrap();
        assert_eq!(sum.to_string(), "(Q ⊙ e^G) S0 - tril(Q Kᵀ ⊙ D, -1) V");
        assert_eq!(Formula::product([s("T"), sum]).to_string(), "T ((Q ⊙ e^G) S0 - tril(Q Kᵀ ⊙ D, -1) V)");
    }

    #[test]
    fn sums_open_with_their_sign() {
        let inner = Formula::sum([(false, s("A")), (true, s("B"))]).unwrap();
        assert_eq!(Formula::sum([(false, s("X")), (true, inner)]).unwrap().to_string(), "X - A + B");
        assert_eq!(Formula::sum([]), None);
    }

    #[test]
    fn parts_are_replaced_where_they_are_equal() {
        let gram = Formula::product([s("K"), s("K").transpose()]);
        let f =
            Inverse(Box::new(Formula::sum([(false, Identity), (false, gram.clone().tril(true))]).unwrap()));
        assert_eq!(f.replace(&gram, &s("L")).to_string(), "(I + tril(L, -1))⁻¹");
        assert_eq!(f.symbols(), BTreeSet::from(["K".to_string()]));
    }
}
