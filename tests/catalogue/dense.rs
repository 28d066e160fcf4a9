//! Dense linear algebra in f64, as papers write it: matrices are rows of numbers, nothing is clever. The token loops of this
//! test are written with it alone, so that they share no code with what they check.

/// A matrix, by rows.
pub(crate) type Matrix = Vec<Vec<f64>>;

/// `rows x columns` zeros.
pub(crate) fn zeros(rows: usize, columns: usize) -> Matrix {
    vec![vec![0.0; columns]; rows]
}

/// The identity.
pub(crate) fn eye(n: usize) -> Matrix {
    diag(&vec![1.0; n])
}

/// A diagonal matrix.
pub(crate) fn diag(d: &[f64]) -> Matrix {
    let mut m = zeros(d.len(), d.len());
    d.iter().enumerate().for_each(|(i, x)| m[i][i] = *x);
    m
}

/// `a b^T`.
pub(crate) fn outer(a: &[f64], b: &[f64]) -> Matrix {
    a.iter().map(|x| b.iter().map(|y| x * y).collect()).collect()
}

/// `A B`.
pub(crate) fn mul(a: &Matrix, b: &Matrix) -> Matrix {
    let mut c = zeros(a.len(), b[0].len());
    for i in 0..a.len() {
        for j in 0..b[0].len() {
            c[i][j] = (0..b.len()).map(|k| a[i][k] * b[k][j]).sum();
        }
    }
    c
}

/// `A x`.
pub(crate) fn apply(a: &Matrix, x: &[f64]) -> Vec<f64> {
    a.iter().map(|row| dot(row, x)).collect()
}

/// `A + B`.
pub(crate) fn add(a: &Matrix, b: &Matrix) -> Matrix {
    a.iter().zip(b).map(|(x, y)| plus(x, y)).collect()
}

/// `A - B`.
pub(crate) fn sub(a: &Matrix, b: &Matrix) -> Matrix {
    add(a, &scale(-1.0, b))
}

/// `c A`.
pub(crate) fn scale(c: f64, a: &Matrix) -> Matrix {
    a.iter().map(|row| times(c, row)).collect()
}

/// Entry by entry.
pub(crate) fn hadamard(a: &Matrix, b: &Matrix) -> Matrix {
    a.iter().zip(b).map(|(x, y)| each(x, y)).collect()
}

/// `A^T`.
pub(crate) fn transpose(a: &Matrix) -> Matrix {
    (0..a[0].len()).map(|j| a.iter().map(|row| row[j]).collect()).collect()
}

/// `x . y`.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// `x + y`.
pub(crate) fn plus(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(a, b)| a + b).collect()
}

/// `x - y`.
pub(crate) fn minus(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(a, b)| a - b).collect()
}

/// `c x`.
pub(crate) fn times(c: f64, x: &[f64]) -> Vec<f64> {
    x.iter().map(|a| c * a).collect()
}

/// Entry by entry.
pub(crate) fn each(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(a, b)| a * b).collect()
}

/// A function of each entry.
pub(crate) fn map(x: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
    x.iter().map(|a| f(*a)).collect()
}

/// Unit length, with the language's epsilon.
pub(crate) fn unit(x: &[f64]) -> Vec<f64> {
    times(1.0 / (dot(x, x) + 1e-6).sqrt(), x)
}

/// Layer norm over a row, without gain and bias; also 1 / sigma.
pub(crate) fn layer_norm(x: &[f64]) -> (Vec<f64>, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|a| (a - mean) * (a - mean)).sum::<f64>() / n;
    let rstd = 1.0 / (variance + 1e-6).sqrt();
    (map(x, |a| (a - mean) * rstd), rstd)
}

/// The logistic function.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `log(1 + e^x)`.
pub(crate) fn softplus(x: f64) -> f64 {
    if x > 30.0 { x } else { x.exp().ln_1p() }
}

/// `elu(x) + 1`.
pub(crate) fn elu_plus_one(x: f64) -> f64 {
    if x > 0.0 { x + 1.0 } else { x.exp() }
}
