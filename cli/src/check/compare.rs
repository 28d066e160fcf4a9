//! How far a tensor is from its reference: RMS(error) / RMS(reference), and the limit for each element type.

use chunkwise::Tensor;
use chunkwise_codegen::dtype::DType;

/// The greatest ratio that passes. f32 and f64 leave room for the condition number of a chunk's solve (numerics: below
/// 7e3 for contractions); storing a result as bf16 alone costs 1.7e-3, as f16 2e-4.
pub fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-9,
        DType::F32 => 1e-4,
        DType::F16 => 1e-3,
        DType::BF16 => 5e-3,
    }
}

/// RMS(error) / RMS(reference). Where the reference is all zeros: 0 for an exact result, otherwise infinite. A NaN
/// anywhere, and shapes that differ, are infinite too.
pub fn ratio(result: &Tensor, reference: &Tensor) -> f64 {
    if result.shape() != reference.shape() {
        return f64::INFINITY;
    }
    let (result, reference) = (result.to_f64(), reference.to_f64());
    let error: f64 = result.iter().zip(reference.iter()).map(|(x, y)| (x - y) * (x - y)).sum();
    let size: f64 = reference.iter().map(|y| y * y).sum();
    match (error, size) {
        (0.0, _) => 0.0,
        (error, size) if error.is_finite() && size > 0.0 => (error / size).sqrt(),
        _ => f64::INFINITY,
    }
}

/// Whether every number is finite and none is beyond use.
pub fn is_tame(tensor: &Tensor) -> bool {
    tensor.to_f64().iter().all(|x| x.abs() < 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &[f64]) -> Tensor {
        Tensor::new([values.len()], values.to_vec()).unwrap()
    }

    #[test]
    fn ratios() {
        let two = vector(&[3.0, 4.0]);
        assert_eq!(ratio(&two, &two), 0.0);
        assert_eq!(ratio(&vector(&[3.0, 3.0]), &two), 0.2);
        assert_eq!(ratio(&vector(&[0.0]), &vector(&[0.0])), 0.0);
        assert_eq!(ratio(&vector(&[1.0]), &vector(&[0.0])), f64::INFINITY);
        assert_eq!(ratio(&vector(&[f64::NAN]), &vector(&[1.0])), f64::INFINITY);
        assert_eq!(ratio(&vector(&[1.0]), &vector(&[f64::NAN])), f64::INFINITY);
        assert_eq!(ratio(&vector(&[1.0]), &two), f64::INFINITY);
        assert!(is_tame(&two) && !is_tame(&vector(&[f64::NAN])) && !is_tame(&vector(&[1e9])));
    }
}
