//! Vectors and matrices of [`Num`], as loops: what the reference recurrences are written in.
//!
//! A matrix is a list of rows: `s[i][j]` is row `i` (key side) and column `j` (value side), so `read(s, b)` is the
//! definition in the design, `p[j] = sum_i b[i] s[i][j]`. Nothing here is clever, on purpose.

use crate::tape::Num;

/// A list of numbers.
pub(crate) type Vector = Vec<Num>;
/// A list of rows.
pub(crate) type Matrix = Vec<Vector>;

/// `f` of each element.
pub(crate) fn map(x: &[Num], f: impl Fn(Num) -> Num) -> Vector {
    x.iter().map(|&x| f(x)).collect()
}

/// `f` of the pairs; both must have one length.
pub(crate) fn zip(x: &[Num], y: &[Num], f: impl Fn(Num, Num) -> Num) -> Vector {
    assert_eq!(x.len(), y.len(), "elementwise operation on vectors of two lengths");
    x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect()
}

/// `x y`, element by element
pub(crate) fn mul(x: &[Num], y: &[Num]) -> Vector {
    zip(x, y, |x, y| x * y)
}

/// `c x`
pub(crate) fn scale(c: impl Into<Num>, x: &[Num]) -> Vector {
    let c = c.into();
    map(x, |x| c * x)
}

/// The sum of the elements.
pub(crate) fn sum(x: &[Num]) -> Num {
    x.iter().fold(Num::from(0.0), |total, &x| total + x)
}

/// The inner product.
pub(crate) fn dot(x: &[Num], y: &[Num]) -> Num {
    sum(&mul(x, y))
}

/// `x / sqrt(sum(x^2) + 1e-6)`
pub(crate) fn l2norm(x: &[Num]) -> Vector {
    let length = (dot(x, x) + 1e-6).sqrt();
    map(x, |x| x / length)
}

/// `e^x / sum(e^x)`, for elements of ordinary size.
pub(crate) fn softmax(x: &[Num]) -> Vector {
    let powers = map(x, Num::exp);
    let total = sum(&powers);
    map(&powers, |p| p / total)
}

/// `S^T b`
pub(crate) fn read(s: &Matrix, b: &[Num]) -> Vector {
    assert_eq!(s.len(), b.len(), "a read key has as many elements as the state has rows");
    let columns = s[0].len();
    (0..columns).map(|j| (0..b.len()).fold(Num::from(0.0), |p, i| p + b[i] * s[i][j])).collect()
}

/// `S <- S + a u^T`
pub(crate) fn write(s: &mut Matrix, a: &[Num], u: &[Num]) {
    assert_eq!((s.len(), s[0].len()), (a.len(), u.len()), "a write has the state's shape");
    for (row, &a) in s.iter_mut().zip(a) {
        for (x, &u) in row.iter_mut().zip(u) {
            *x += a * u;
        }
    }
}

/// `S <- c S`
pub(crate) fn decay(s: &mut Matrix, c: impl Into<Num>) {
    let c = c.into();
    s.iter_mut().flatten().for_each(|x| *x = *x * c);
}

/// `S <- diag(d) S`
pub(crate) fn decay_rows(s: &mut Matrix, d: &[Num]) {
    assert_eq!(s.len(), d.len(), "a row decay has one factor a row");
    for (row, &d) in s.iter_mut().zip(d) {
        row.iter_mut().for_each(|x| *x = *x * d);
    }
}

/// `S <- S diag(e)`
pub(crate) fn decay_columns(s: &mut Matrix, e: &[Num]) {
    for row in s {
        *row = mul(row, e);
    }
}

/// `S <- S + c R`
pub(crate) fn add_state(s: &mut Matrix, c: impl Into<Num>, r: &Matrix) {
    let c = c.into();
    for (row, other) in s.iter_mut().zip(r) {
        for (x, &y) in row.iter_mut().zip(other) {
            *x += c * y;
        }
    }
}
