//! Reads and evaluates an expression of the rule language as a page prints it: `rsqrt(dim(K)) * q_1`, `v - tanh(p0)`. It knows
//! the language from its description alone, and nothing of the compiler that printed the text.

use std::collections::BTreeMap;

/// Numbers of a vector, or one number.
pub(crate) type Row = Vec<f64>;

/// What names mean at one token.
pub(crate) struct Names<'a> {
    /// Rows that are known.
    pub(crate) rows: &'a dyn Fn(&str) -> Option<Row>,
    /// Definitions by `let`.
    pub(crate) definitions: &'a BTreeMap<String, String>,
    /// Sizes of dims.
    pub(crate) sizes: &'a BTreeMap<String, usize>,
    /// The array index that `[j]` stands for.
    pub(crate) lane: usize,
}

/// Evaluates an expression.
pub(crate) fn evaluate(text: &str, names: &Names<'_>) -> Row {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, names, text };
    let row = reader.sum();
    assert_eq!(reader.at, tokens.len(), "`{text}` has more than an expression");
    row
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let exponent =
            (c == '-' || c == '+') && word.ends_with('e') && word.starts_with(|d: char| d.is_ascii_digit());
        let in_word = c.is_alphanumeric() || "._⁻'·".contains(c) || exponent;
        if in_word {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

struct Reader<'a, 'n> {
    tokens: &'a [String],
    at: usize,
    names: &'a Names<'n>,
    text: &'a str,
}

impl Reader<'_, '_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_string();
        self.at += 1;
        token
    }

    fn expect(&mut self, token: &str) {
        let found = self.next();
        assert_eq!(found, token, "in `{}`", self.text);
    }

    fn sum(&mut self) -> Row {
        let mut row = self.product();
        while let op @ ("+" | "-") = self.peek() {
            let sign = if op == "+" { 1.0 } else { -1.0 };
            self.at += 1;
            let other = self.product();
            row = zip(&row, &other, |a, b| a + sign * b);
        }
        row
    }

    fn product(&mut self) -> Row {
        let mut row = self.unary();
        while let op @ ("*" | "/") = self.peek() {
            let divide = op == "/";
            self.at += 1;
            let other = self.unary();
            row = zip(&row, &other, |a, b| if divide { a / b } else { a * b });
        }
        row
    }

    fn unary(&mut self) -> Row {
        if self.peek() == "-" {
            self.at += 1;
            return self.unary().iter().map(|x| -x).collect();
        }
        self.primary()
    }

    fn primary(&mut self) -> Row {
        let token = self.next();
        match token.as_str() {
            "(" => {
                let row = self.sum();
                self.expect(")");
                row
            }
            word if self.peek() == "(" => {
                self.at += 1;
                let row = if word == "dim" { self.size() } else { self.call(word) };
                self.expect(")");
                row
            }
            "log" if self.peek() == "|" => {
                self.at += 1;
                let row = self.sum();
                self.expect("|");
                row.iter().map(|x| x.abs().ln()).collect()
            }
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {
                vec![number.parse().unwrap_or_else(|_| panic!("`{number}` in `{}`", self.text))]
            }
            name => self.named(name.to_string()),
        }
    }

    fn size(&mut self) -> Row {
        let dim = self.next();
        vec![self.names.sizes[&dim] as f64]
    }

    fn named(&mut self, mut name: String) -> Row {
        if self.peek() == "[" {
            self.at += 1;
            let index = self.next();
            let lane = if index == "j" { self.names.lane.to_string() } else { index };
            name = format!("{name}[{lane}]");
            self.expect("]");
        }
        if let Some(row) = (self.names.rows)(&name) {
            return row;
        }
        match self.names.definitions.get(&name) {
            Some(body) => evaluate(body, self.names),
            None => panic!("`{name}` in `{}` means nothing", self.text),
        }
    }

    fn call(&mut self, function: &str) -> Row {
        let x = self.sum();
        if self.peek() == "," {
            self.at += 1;
            let y = self.sum();
            return match function {
                "dot" => vec![zip(&x, &y, |a, b| a * b).iter().sum()],
                "max" => zip(&x, &y, f64::max),
                "min" => zip(&x, &y, f64::min),
                other => panic!("`{other}` of two in `{}`", self.text),
            };
        }
        let each = |f: &dyn Fn(f64) -> f64| -> Row { x.iter().map(|a| f(*a)).collect() };
        match function {
            "exp" => each(&f64::exp),
            "log" => each(&f64::ln),
            "sigmoid" => each(&|a| 1.0 / (1.0 + (-a).exp())),
            "log_sigmoid" => each(&|a| -((-a).exp()).ln_1p()),
            "softplus" => each(&|a| a.exp().ln_1p()),
            "elu" => each(&|a| if a > 0.0 { a } else { a.exp() - 1.0 }),
            "tanh" => each(&f64::tanh),
            "sqrt" => each(&f64::sqrt),
            "rsqrt" => each(&|a| 1.0 / a.sqrt()),
            "square" => each(&|a| a * a),
            "abs" => each(&f64::abs),
            "sum" => vec![x.iter().sum()],
            "softmax" => {
                let total: f64 = x.iter().map(|a| a.exp()).sum();
                each(&|a| a.exp() / total)
            }
            "l2norm" => {
                let length = (x.iter().map(|a| a * a).sum::<f64>() + 1e-6).sqrt();
                each(&|a| a / length)
            }
            other => panic!("`{other}` in `{}`", self.text),
        }
    }
}

/// Entry by entry; one number goes with every entry.
pub(crate) fn zip(x: &[f64], y: &[f64], f: impl Fn(f64, f64) -> f64) -> Row {
    match (x.len(), y.len()) {
        (1, _) => y.iter().map(|b| f(x[0], *b)).collect(),
        (_, 1) => x.iter().map(|a| f(*a, y[0])).collect(),
        (n, m) => {
            assert_eq!(n, m, "rows of different lengths");
            x.iter().zip(y).map(|(a, b)| f(*a, *b)).collect()
        }
    }
}
