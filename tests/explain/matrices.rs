//! Reads and evaluates a matrix formula as a page prints it: `(Q ⊙ e^G) S0 + tril(Q Kᵀ ⊙ D) U`.
//!
//! Conventions of the page: a product binds tighter than `⊙`, which binds tighter than a sum; `tril(X, -1)` leaves the diagonal
//! out; `G_C` is the last row of `G`; in `⊙` a vector goes along the side whose length it has. Where several steps a token
//! are stacked, a row of one token goes with all of its steps.

/// A matrix by rows.
pub(crate) type Matrix = Vec<Vec<f64>>;

/// What a formula may use.
pub(crate) struct Scope<'a> {
    /// A matrix by name; `None` where the name is not known (yet).
    pub(crate) matrix: &'a dyn Fn(&str) -> Option<Matrix>,
    /// Text inside `diag(..)`: one number for each row.
    pub(crate) numbers: &'a dyn Fn(&str) -> Vec<f64>,
    /// Tokens in the chunk.
    pub(crate) tokens: usize,
}

/// Evaluates a formula.
pub(crate) fn evaluate(text: &str, scope: &Scope<'_>) -> Matrix {
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, scope, text };
    let value = reader.sum();
    reader.blanks();
    assert_eq!(reader.at, chars.len(), "`{text}` has more than a formula");
    match value {
        Value::Matrix(m) => m,
        Value::Identity => panic!("`{text}` is an identity of no size"),
    }
}

/// A matrix, or the identity of whatever size is wanted.
enum Value {
    Matrix(Matrix),
    Identity,
}

struct Reader<'a, 'n> {
    chars: &'a [char],
    at: usize,
    scope: &'a Scope<'n>,
    text: &'a str,
}

impl Reader<'_, '_> {
    fn blanks(&mut self) {
        while self.chars.get(self.at) == Some(&' ') {
            self.at += 1;
        }
    }

    fn starts(&self, with: &str) -> bool {
        self.chars[self.at.min(self.chars.len())..]
            .iter()
            .take(with.chars().count())
            .copied()
            .eq(with.chars())
    }

    fn take(&mut self, what: &str) -> bool {
        let found = self.starts(what);
        if found {
            self.at += what.chars().count();
        }
        found
    }

    fn word(&mut self) -> String {
        let from = self.at;
        let in_word = |c: &char| (c.is_alphanumeric() && *c != 'ᵀ') || "_'⁻·".contains(*c);
        while self.chars.get(self.at).is_some_and(in_word) {
            self.at += 1;
        }
        self.chars[from..self.at].iter().collect()
    }

    fn sum(&mut self) -> Value {
        self.blanks();
        let minus = self.take("-");
        let mut total = self.entrywise();
        if minus {
            total = Value::Matrix(scale(-1.0, &self.matrix(total)));
        }
        loop {
            self.blanks();
            let sign = if self.take("+ ") {
                1.0
            } else if self.take("- ") {
                -1.0
            } else {
                return total;
            };
            let term = self.entrywise();
            total = Value::Matrix(match (total, term) {
                (Value::Identity, Value::Matrix(m)) => add(&eye(m.len()), &scale(sign, &m)),
                (a, b) => add(&self.matrix(a), &scale(sign, &self.matrix(b))),
            });
        }
    }

    fn matrix(&self, value: Value) -> Matrix {
        match value {
            Value::Matrix(m) => m,
            Value::Identity => panic!("an identity of no size in `{}`", self.text),
        }
    }

    fn entrywise(&mut self) -> Value {
        let mut value = self.product();
        loop {
            self.blanks();
            if !self.take("⊙") {
                return value;
            }
            let other = self.product();
            value = Value::Matrix(hadamard(&self.matrix(value), &self.matrix(other)));
        }
    }

    fn product(&mut self) -> Value {
        self.blanks();
        let mut value = self.postfix();
        loop {
            self.blanks();
            let more = self.chars.get(self.at).is_some_and(|c| c.is_alphanumeric() || "([".contains(*c));
            if !more {
                return value;
            }
            let other = self.postfix();
            value = Value::Matrix(multiply(&self.matrix(value), &self.matrix(other)));
        }
    }

    fn postfix(&mut self) -> Value {
        let mut value = self.atom();
        loop {
            if self.take("ᵀ") {
                value = Value::Matrix(transpose(&self.matrix(value)));
            } else if self.take("⁻¹") {
                value = Value::Matrix(inverse(self.matrix(value)));
            } else {
                return value;
            }
        }
    }

    fn atom(&mut self) -> Value {
        if self.take("(") {
            let value = self.sum();
            assert!(self.take(")"), "`)` wanted in `{}`", self.text);
            return value;
        }
        if self.take("[") {
            return Value::Matrix(self.blocks());
        }
        if self.take("tril(") {
            let value = self.sum();
            let strict = self.take(", -1");
            assert!(self.take(")"), "`)` wanted in `{}`", self.text);
            return Value::Matrix(lower(&self.matrix(value), strict));
        }
        if self.take("diag(") {
            let inside = self.inside();
            return Value::Matrix(diagonal(&(self.scope.numbers)(&inside)));
        }
        if self.take("e^") {
            return Value::Matrix(map(&self.exponent(), f64::exp));
        }
        let word = self.word();
        if self.chars.get(self.at) == Some(&'.') {
            self.at += 1;
            let decimals = self.word();
            return self.number(&format!("{word}.{decimals}"));
        }
        match word.as_str() {
            "I" => Value::Identity,
            "1" => Value::Matrix(vec![vec![1.0]; self.scope.tokens]),
            digits if digits.starts_with(|c: char| c.is_ascii_digit()) => self.number(digits),
            name => Value::Matrix(self.named(name)),
        }
    }

    fn number(&self, digits: &str) -> Value {
        Value::Matrix(vec![vec![digits.parse().unwrap_or_else(|_| panic!("`{digits}` in `{}`", self.text))]])
    }

    /// The text up to the parenthesis that closes.
    fn inside(&mut self) -> String {
        let from = self.at;
        let mut depth = 1;
        while depth > 0 {
            match self.chars[self.at] {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        self.chars[from..self.at - 1].iter().collect()
    }

    /// `G`, `-G`, `G_C`, `(G_C - G⁻)`.
    fn exponent(&mut self) -> Matrix {
        if self.take("(") {
            let end = self.word();
            assert!(self.take(" - "), "a difference wanted in `{}`", self.text);
            let here = self.word();
            assert!(self.take(")"), "`)` wanted in `{}`", self.text);
            let (end, here) = (self.named(&end), self.named(&here));
            return here
                .iter()
                .map(|row| end.concat().iter().zip(row).map(|(a, b)| a - b).collect())
                .collect();
        }
        let sign = if self.take("-") { -1.0 } else { 1.0 };
        let name = self.word();
        scale(sign, &self.named(&name))
    }

    /// A matrix by name; `X_C` is the last row of `X`, as a column.
    fn named(&self, name: &str) -> Matrix {
        if let Some(m) = (self.scope.matrix)(name) {
            return m;
        }
        let last = name.strip_suffix("_C").and_then(|base| (self.scope.matrix)(base));
        match last.and_then(|m| m.last().cloned()) {
            Some(row) => row.into_iter().map(|x| vec![x]).collect(),
            None => panic!("`{name}` in `{}` is not known here", self.text),
        }
    }

    /// `[A, B; C, D]`, with 0 for a block of zeros (of the size of its neighbours).
    fn blocks(&mut self) -> Matrix {
        let mut rows: Vec<Vec<Option<Matrix>>> = vec![Vec::new()];
        loop {
            self.blanks();
            let zero = self.starts("0,") || self.starts("0;") || self.starts("0]");
            let block = if zero {
                self.at += 1;
                None
            } else {
                let value = self.sum();
                Some(self.matrix(value))
            };
            rows.last_mut().unwrap().push(block);
            if self.take("]") {
                break;
            }
            if self.take(";") {
                rows.push(Vec::new());
            } else {
                assert!(self.take(","), "`,` wanted in `{}`", self.text);
            }
        }
        let height = |r: &Vec<Option<Matrix>>| r.iter().flatten().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..rows[0].len())
            .map(|c| rows.iter().filter_map(|r| r[c].as_ref()).map(|m| m[0].len()).max().unwrap_or(0))
            .collect();
        let mut out = Vec::new();
        for r in &rows {
            for i in 0..height(r) {
                let parts = r.iter().zip(&widths).map(|(b, w)| match b {
                    Some(m) => m[i].clone(),
                    None => vec![0.0; *w],
                });
                out.push(parts.collect::<Vec<_>>().concat());
            }
        }
        out
    }
}

fn eye(n: usize) -> Matrix {
    diagonal(&vec![1.0; n])
}

fn diagonal(d: &[f64]) -> Matrix {
    (0..d.len()).map(|i| (0..d.len()).map(|j| if i == j { d[i] } else { 0.0 }).collect()).collect()
}

fn map(a: &Matrix, f: impl Fn(f64) -> f64) -> Matrix {
    a.iter().map(|r| r.iter().map(|x| f(*x)).collect()).collect()
}

fn scale(c: f64, a: &Matrix) -> Matrix {
    map(a, |x| c * x)
}

fn transpose(a: &Matrix) -> Matrix {
    (0..a[0].len()).map(|j| a.iter().map(|r| r[j]).collect()).collect()
}

fn add(a: &Matrix, b: &Matrix) -> Matrix {
    assert_eq!((a.len(), a[0].len()), (b.len(), b[0].len()), "a sum of different shapes");
    a.iter().zip(b).map(|(x, y)| x.iter().zip(y).map(|(x, y)| x + y).collect()).collect()
}

/// The product; a single number scales, and a diagonal of one number a token goes with all of its steps.
fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    if a.len() == 1 && a[0].len() == 1 && b.len() != 1 {
        return scale(a[0][0], b);
    }
    assert_eq!(a[0].len(), b.len(), "a product of {}x{} and {}x{}", a.len(), a[0].len(), b.len(), b[0].len());
    let columns = transpose(b);
    a.iter().map(|r| columns.iter().map(|c| r.iter().zip(c).map(|(x, y)| x * y).sum()).collect()).collect()
}

/// Entry by entry; a column goes along the side whose length it has, rows and columns of tokens repeat for stacked steps.
fn hadamard(a: &Matrix, b: &Matrix) -> Matrix {
    let column = a[0].len() == 1 && b.len() == 1;
    let (big, small) = if !column && a.len() * a[0].len() >= b.len() * b[0].len() { (a, b) } else { (b, a) };
    let (rows, columns) = (big.len(), big[0].len());
    let at = |i: usize, j: usize| match (small.len(), small[0].len()) {
        (1, 1) => small[0][0],
        (r, 1) if r == columns && r != rows => small[j][0],
        (r, c) => small[i * r / rows][j * c / columns],
    };
    (0..rows).map(|i| (0..columns).map(|j| big[i][j] * at(i, j)).collect()).collect()
}

/// The lower triangle, by tokens: a row of one token sees all steps of the tokens up to it.
fn lower(a: &Matrix, strict: bool) -> Matrix {
    let (rows, columns) = (a.len(), a[0].len());
    let steps = (columns / rows).max(1);
    let keep = |i: usize, j: usize| if strict { j < i * steps } else { j / steps <= i };
    (0..rows).map(|i| (0..columns).map(|j| if keep(i, j) { a[i][j] } else { 0.0 }).collect()).collect()
}

/// Gauss and Jordan, with pivots.
fn inverse(mut a: Matrix) -> Matrix {
    let n = a.len();
    let mut b = eye(n);
    for c in 0..n {
        let pivot = (c..n).max_by(|&i, &j| a[i][c].abs().total_cmp(&a[j][c].abs())).unwrap();
        a.swap(c, pivot);
        b.swap(c, pivot);
        let d = a[c][c];
        a[c].iter_mut().chain(&mut b[c]).for_each(|x| *x /= d);
        for r in (0..n).filter(|r| *r != c) {
            let f = a[r][c];
            let (ac, bc) = (a[c].clone(), b[c].clone());
            a[r].iter_mut().zip(&ac).for_each(|(x, y)| *x -= f * y);
            b[r].iter_mut().zip(&bc).for_each(|(x, y)| *x -= f * y);
        }
    }
    b
}
