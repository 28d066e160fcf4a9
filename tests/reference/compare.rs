//! Whether what came out is what must come out: names, shapes, and the root mean square of the error over that of the
//! reference, tensor by tensor.

use crate::problem::{Array, Arrays};

fn rms(x: impl Iterator<Item = f64>, n: usize) -> f64 {
    (x.map(|x| x * x).sum::<f64>() / n.max(1) as f64).sqrt()
}

/// RMS of the elements.
pub(crate) fn size(x: &Array) -> f64 {
    rms(x.data.iter().copied(), x.data.len())
}

/// RMS of the difference of two tensors of one shape; NaN where any element differs from the other by NaN.
pub(crate) fn distance(x: &Array, y: &Array) -> f64 {
    rms(x.data.iter().zip(&y.data).map(|(x, y)| x - y), x.data.len())
}

/// What is wrong with one tensor, or nothing. A reference that is zero but for rounding is held to `scale`, the
/// largest RMS among its kin, instead of to itself.
fn judge(expected: &Array, got: &Array, tolerance: f64, scale: f64) -> Option<String> {
    if expected.shape != got.shape {
        return Some(format!("has shape {:?}, expected {:?}", got.shape, expected.shape));
    }
    let own = size(expected);
    let reference = if own > 1e-7 * scale { own } else { scale };
    let error = distance(expected, got);
    // Written so that a NaN fails.
    let fine = error <= tolerance * reference;
    (!fine).then(|| {
        format!("is off by {:.2e} of its RMS, {own:.2e} (allowed {tolerance:.1e})", error / reference)
    })
}

/// Every difference between two sets of tensors, as text; empty where they agree. Names in `got` that are not expected
/// are differences too.
pub(crate) fn differences(expected: &Arrays, got: &Arrays, tolerance: f64) -> Vec<String> {
    differences_by(expected, got, |_, _| tolerance)
}

/// The same, with a tolerance for each tensor.
pub(crate) fn differences_by(
    expected: &Arrays,
    got: &Arrays,
    tolerance: impl Fn(&str, &Array) -> f64,
) -> Vec<String> {
    let scale = |gradients: bool| {
        let kin = expected.iter().filter(|(name, _)| name.starts_with('d') == gradients);
        kin.map(|(_, x)| size(x)).fold(0.0, f64::max)
    };
    let mut found = Vec::new();
    for (name, reference) in expected {
        match got.get(name) {
            None => found.push(format!("`{name}` is missing")),
            Some(x) => {
                let wrong = judge(reference, x, tolerance(name, reference), scale(name.starts_with('d')));
                found.extend(wrong.map(|w| format!("`{name}` {w}")));
            }
        }
    }
    found.extend(
        got.keys().filter(|name| !expected.contains_key(*name)).map(|name| format!("`{name}` is unexpected")),
    );
    found
}
