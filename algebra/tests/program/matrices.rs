//! Matrices as the text of a chunk program writes them: sums of products, read and computed.
//!
//! ```text
//! diag(c0) (V - tap(K)) + inverse(M) R
//! ```

use crate::expression::{Row, zip};
use crate::reader::{Matrix, Run};

/// `S += a u^T`; one number goes with every channel.
pub(crate) fn write(state: &mut Matrix, key: &[f64], values: &[f64]) {
    for (k, row) in state.iter_mut().enumerate() {
        let a = if key.len() == 1 { key[0] } else { key[k] };
        *row = zip(row, values, |x, u| x + a * u);
    }
}

/// `S^T b`
pub(crate) fn read(state: &Matrix, key: &[f64]) -> Row {
    let mut row = vec![0.0; state[0].len()];
    for (k, s) in state.iter().enumerate() {
        let b = if key.len() == 1 { key[0] } else { key[k] };
        row = zip(&row, s, |x, s| x + b * s);
    }
    row
}

pub(crate) fn sum(x: &Matrix, y: &Matrix, sign: f64) -> Matrix {
    assert_eq!(x.len(), y.len(), "matrices of different lengths");
    x.iter().zip(y).map(|(x, y)| zip(x, y, |a, b| a + sign * b)).collect()
}

fn product(x: &Matrix, y: &Matrix) -> Matrix {
    let row = |x: &Row| {
        let zero = vec![0.0; y[0].len()];
        x.iter().zip(y).fold(zero, |sum, (a, y)| zip(&sum, y, |s, b| s + a * b))
    };
    x.iter().map(row).collect()
}

/// `(I - M)^-1` by the series, which ends: M is strictly lower triangular.
fn inverse(m: &Matrix) -> Matrix {
    let identity = |n: usize| (0..n).map(|r| (0..n).map(|c| f64::from(r == c)).collect()).collect::<Matrix>();
    let mut inverse = identity(m.len());
    for _ in 0..m.len() {
        inverse = sum(&identity(m.len()), &product(m, &inverse), 1.0);
    }
    inverse
}

/// Sums of products of matrices.
pub(crate) struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    pub(crate) fn new(text: &str) -> Parser {
        let mut tokens: Vec<String> = Vec::new();
        for part in text.split(' ') {
            let mut word = String::new();
            for c in part.chars() {
                if "(),".contains(c) {
                    tokens.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                    tokens.push(c.to_string());
                } else {
                    word.push(c);
                }
            }
            tokens.extend((!word.is_empty()).then_some(word));
        }
        Parser { tokens, at: 0 }
    }

    pub(crate) fn all(mut self, run: &Run<'_>) -> Matrix {
        let matrix = self.sum(run);
        assert_eq!(self.at, self.tokens.len(), "{:?} has more than a matrix", self.tokens);
        matrix
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn sum(&mut self, run: &Run<'_>) -> Matrix {
        let mut matrix = self.product(run);
        while let sign @ ("+" | "-") = self.peek() {
            let sign = if sign == "+" { 1.0 } else { -1.0 };
            self.at += 1;
            matrix = sum(&matrix, &self.product(run), sign);
        }
        matrix
    }

    /// Coefficients and matrices side by side, from the right.
    fn product(&mut self, run: &Run<'_>) -> Matrix {
        let token = self.next();
        let number = token.parse::<f64>().ok();
        let in_parentheses = token == "(" && self.tokens[self.at].parse::<f64>().is_ok();
        if let Some(number) = number.or_else(|| in_parentheses.then(|| self.number())) {
            let matrix = self.product(run);
            return matrix.iter().map(|row| row.iter().map(|x| number * x).collect()).collect();
        }
        if token == "diag" {
            let names = self.arguments();
            let matrix = self.product(run);
            let by = &run.matrices[&names[0]];
            assert_eq!(by.len(), matrix.len(), "a coefficient for each row");
            return matrix.iter().zip(by).map(|(row, c)| zip(row, c, |x, c| x * c)).collect();
        }
        let first = self.factor(&token, run);
        match self.peek() {
            "" | ")" | "," | "+" | "-" => first,
            _ => product(&first, &self.product(run)),
        }
    }

    /// `-0.2)`
    fn number(&mut self) -> f64 {
        let number = self.next().parse().expect("a number");
        assert_eq!(self.next(), ")");
        number
    }

    /// `(a, b)`: names.
    fn arguments(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        assert_eq!(self.next(), "(");
        loop {
            names.push(self.next());
            if self.next() == ")" {
                return names;
            }
        }
    }

    fn factor(&mut self, token: &str, run: &Run<'_>) -> Matrix {
        match token {
            "(" | "inverse" => {
                self.at += usize::from(token == "inverse");
                let matrix = self.sum(run);
                assert_eq!(self.next(), ")");
                if token == "(" { matrix } else { inverse(&matrix) }
            }
            "tap" => {
                let keys = self.arguments();
                run.run(Some(&run.data.states), None, Some(&keys[0]), None).0
            }
            "gram" | "plain" => {
                let keys = self.arguments();
                if token == "gram" { run.gram(&keys[0], &keys[1]) } else { run.plain(&keys[0], &keys[1]) }
            }
            "decay" => {
                let keys = self.arguments();
                assert_eq!(self.next(), ".*");
                let factor = self.next();
                let matrix = self.factor(&factor, run);
                run.between(&keys[0], &keys[1])
                    .iter()
                    .zip(&matrix)
                    .map(|(d, x)| zip(d, x, |d, x| d * x))
                    .collect()
            }
            "reach" => {
                let names = self.arguments();
                run.run(None, Some((&names[1], &run.matrices[&names[2]])), Some(&names[0]), None).0
            }
            name => run.matrices.get(name).unwrap_or_else(|| panic!("`{name}` is no matrix")).clone(),
        }
    }
}
