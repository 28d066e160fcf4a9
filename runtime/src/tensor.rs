//! Tensors on the host: a shape and typed numbers in row-major order, the last dim contiguous.
//!
//! ```
//! use chunkwise_runtime::Tensor;
//! let q = Tensor::new([1, 3, 2, 4], vec![0.5f32; 24])?; // [B, T, H, K]
//! assert_eq!(q.shape(), [1, 3, 2, 4]);
//! # Ok::<(), chunkwise_runtime::Error>(())
//! ```
//!
//! Invariant: the product of the shape is the number of elements, checked for overflow, so code that has a tensor can
//! index it by shape alone. A dim of 0 is allowed here; whether it makes sense is for the rule to say.

use crate::error::{Error, Result};
use half::{bf16, f16};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Element {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an `F32`.
    BF16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
}

impl Element {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Element::F64 | Element::I64 => 8,
            Element::F32 | Element::I32 => 4,
            Element::F16 | Element::BF16 => 2,
        }
    }

    /// Whether this is one of the floating-point types.
    pub fn is_float(self) -> bool {
        !matches!(self, Element::I32 | Element::I64)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Element::F64 => "f64",
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::BF16 => "bf16",
            Element::I32 => "i32",
            Element::I64 => "i64",
        })
    }
}

impl FromStr for Element {
    type Err = Error;

    /// Reads `f64`, `f32`, `f16`, `bf16`, `i32` or `i64`.
    fn from_str(text: &str) -> Result<Self> {
        use Element::*;
        [F64, F32, F16, BF16, I32, I64].into_iter().find(|e| e.to_string() == text).ok_or_else(|| {
            Error::mistake(
                format!("`{text}` is not an element type"),
                "the types are f64, f32, f16, bf16, i32 and i64",
            )
        })
    }
}

/// The numbers of a tensor.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// `f64`
    F64(Vec<f64>),
    /// `f32`
    F32(Vec<f32>),
    /// `f16`
    F16(Vec<f16>),
    /// `bf16`
    BF16(Vec<bf16>),
    /// `i32`
    I32(Vec<i32>),
    /// `i64`
    I64(Vec<i64>),
}

/// Applies one expression to whichever vector a `Data` holds.
macro_rules! each {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::F64($v) => $body,
            Data::F32($v) => $body,
            Data::F16($v) => $body,
            Data::BF16($v) => $body,
            Data::I32($v) => $body,
            Data::I64($v) => $body,
        }
    };
}

/// `From<Vec<T>>`, so that constructors take any vector of a known type.
macro_rules! from_vec {
    ($($t:ty => $variant:ident),*) => {
        $(impl From<Vec<$t>> for Data {
            fn from(v: Vec<$t>) -> Data {
                Data::$variant(v)
            }
        })*
    };
}
from_vec!(f64 => F64, f32 => F32, f16 => F16, bf16 => BF16, i32 => I32, i64 => I64);

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        each!(self, v => v.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn element(&self) -> Element {
        match self {
            Data::F64(_) => Element::F64,
            Data::F32(_) => Element::F32,
            Data::F16(_) => Element::F16,
            Data::BF16(_) => Element::BF16,
            Data::I32(_) => Element::I32,
            Data::I64(_) => Element::I64,
        }
    }

    /// The elements at these places, each of which there is.
    pub(crate) fn pick(&self, places: impl Iterator<Item = usize>) -> Data {
        each!(self, v => places.map(|at| v[at]).collect::<Vec<_>>().into())
    }

    /// The little-endian bytes, in order.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        each!(self, v => v.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// The elements that little-endian `bytes` hold; a rest that fills no element is left out.
    pub fn from_le_bytes(element: Element, bytes: &[u8]) -> Data {
        /// Decodes whole elements of `N` bytes.
        fn decode<const N: usize, T>(bytes: &[u8], one: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks::<N>().0.iter().map(|c| one(*c)).collect()
        }
        match element {
            Element::F64 => Data::F64(decode(bytes, f64::from_le_bytes)),
            Element::F32 => Data::F32(decode(bytes, f32::from_le_bytes)),
            Element::F16 => Data::F16(decode(bytes, f16::from_le_bytes)),
            Element::BF16 => Data::BF16(decode(bytes, bf16::from_le_bytes)),
            Element::I32 => Data::I32(decode(bytes, i32::from_le_bytes)),
            Element::I64 => Data::I64(decode(bytes, i64::from_le_bytes)),
        }
    }
}

/// A shape and its numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// The number of elements of a shape, or `None` where it passes `usize`.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    // A zero anywhere makes the product 0, even where the other dims alone would overflow.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// As many zeros as a tensor of `shape` has elements; a mistake where they do not fit in memory.
pub(crate) fn zeros<T: Clone>(shape: &[usize], zero: T) -> Result<Vec<T>> {
    let mut data = Vec::new();
    match element_count(shape) {
        Some(n) if data.try_reserve_exact(n).is_ok() => data.resize(n, zero),
        _ => {
            return Err(Error::mistake(
                format!("a tensor of shape {} does not fit in memory", shape_text(shape)),
                "use smaller tensors",
            ));
        }
    }
    Ok(data)
}

/// A shape as it prints in messages: `[2, 16, 4, 64]`.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    format!("{shape:?}")
}

impl Tensor {
    /// A tensor of `shape` (row-major) that holds `data`, a `Vec` of `f64`, `f32`, `f16`, `bf16`, `i32` or `i64`.
    ///
    /// # Errors
    /// A mistake where the shape's product is not the number of elements, or passes `usize`.
    pub fn new(shape: impl Into<Vec<usize>>, data: impl Into<Data>) -> Result<Tensor> {
        let (shape, data) = (shape.into(), data.into());
        if element_count(&shape) != Some(data.len()) {
            let product = match element_count(&shape) {
                Some(n) => format!("{n} elements"),
                None => "more elements than fit in memory".to_string(),
            };
            return Err(Error::mistake(
                format!(
                    "a tensor of shape {} has {product}, but {} were given",
                    shape_text(&shape),
                    data.len()
                ),
                "the product of the shape must be the number of elements",
            ));
        }
        Ok(Tensor { shape, data })
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// A mistake where the memory is not there.
    pub fn zeros(shape: impl Into<Vec<usize>>, element: Element) -> Result<Tensor> {
        let shape = shape.into();
        let data = match element {
            Element::F64 => Data::F64(zeros(&shape, 0.0)?),
            Element::F32 => Data::F32(zeros(&shape, 0.0)?),
            Element::F16 => Data::F16(zeros(&shape, f16::ZERO)?),
            Element::BF16 => Data::BF16(zeros(&shape, bf16::ZERO)?),
            Element::I32 => Data::I32(zeros(&shape, 0)?),
            Element::I64 => Data::I64(zeros(&shape, 0)?),
        };
        Ok(Tensor { shape, data })
    }

    /// The size of each dim, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of the elements.
    pub fn element(&self) -> Element {
        self.data.element()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The numbers, row-major.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The numbers, row-major.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The numbers where they are `f32`.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Data::F32(v) = &self.data { Some(v) } else { None }
    }

    /// The numbers where they are `f64`.
    pub fn as_f64(&self) -> Option<&[f64]> {
        if let Data::F64(v) = &self.data { Some(v) } else { None }
    }

    /// The numbers as `f32`, borrowed where they are that already, otherwise rounded to nearest.
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        Cow::Owned(match &self.data {
            Data::F32(v) => return Cow::Borrowed(v),
            Data::F64(v) => v.iter().map(|&x| x as f32).collect(),
            Data::F16(v) => v.iter().map(|x| x.to_f32()).collect(),
            Data::BF16(v) => v.iter().map(|x| x.to_f32()).collect(),
            Data::I32(v) => v.iter().map(|&x| x as f32).collect(),
            Data::I64(v) => v.iter().map(|&x| x as f32).collect(),
        })
    }

    /// The numbers as `f32` for rounding on to 16 bits: inexact ones end in a set bit instead of being rounded to
    /// nearest, so that the second rounding sees on which side of a middle they lie.
    fn to_odd_f32(&self) -> Cow<'_, [f32]> {
        let odd = |&x: &f64| {
            let near = x as f32;
            if near.is_nan() || f64::from(near) == x {
                return near;
            }
            let past = f64::from(near).abs() > x.abs();
            f32::from_bits((near.to_bits() - u32::from(past)) | 1)
        };
        match &self.data {
            Data::F64(v) => Cow::Owned(v.iter().map(odd).collect()),
            _ => self.to_f32(),
        }
    }

    /// The numbers as `f64`, borrowed where they are that already. Exact, but for `i64` beyond 2^53.
    pub fn to_f64(&self) -> Cow<'_, [f64]> {
        Cow::Owned(match &self.data {
            Data::F64(v) => return Cow::Borrowed(v),
            Data::F32(v) => v.iter().map(|&x| x.into()).collect(),
            Data::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Data::BF16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Data::I32(v) => v.iter().map(|&x| x.into()).collect(),
            Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
        })
    }

    /// The numbers as `i64` where they are integers; `None` for floats.
    pub fn to_i64(&self) -> Option<Cow<'_, [i64]>> {
        match &self.data {
            Data::I64(v) => Some(Cow::Borrowed(v)),
            Data::I32(v) => Some(Cow::Owned(v.iter().map(|&x| x.into()).collect())),
            _ => None,
        }
    }

    /// The same numbers as another float type, rounded to nearest once (never through a third type).
    ///
    /// # Errors
    /// A mistake where either type is an integer.
    pub fn cast(&self, to: Element) -> Result<Tensor> {
        if self.element() == to {
            return Ok(self.clone());
        }
        let data = match to {
            _ if !self.element().is_float() => None,
            Element::F64 => Some(Data::F64(self.to_f64().into_owned())),
            Element::F32 => Some(Data::F32(self.to_f32().into_owned())),
            Element::F16 => Some(Data::F16(self.to_odd_f32().iter().map(|&x| f16::from_f32(x)).collect())),
            Element::BF16 => Some(Data::BF16(self.to_odd_f32().iter().map(|&x| bf16::from_f32(x)).collect())),
            Element::I32 | Element::I64 => None,
        };
        let Some(data) = data else {
            return Err(Error::mistake(
                format!("{} does not convert to {to}", self.element()),
                "only float types convert into each other",
            ));
        };
        Ok(Tensor { shape: self.shape.clone(), data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_must_match_the_data() {
        let e = Tensor::new([2, 3], vec![0f32; 5]).unwrap_err();
        assert_eq!(
            e.to_string(),
            "error: a tensor of shape [2, 3] has 6 elements, but 5 were given\n\
             help: the product of the shape must be the number of elements"
        );
        assert!(Tensor::new([usize::MAX, 2], Vec::<f32>::new()).is_err());
        assert!(Tensor::new([usize::MAX, 2, 0], Vec::<f32>::new()).is_ok());
        assert!(Tensor::zeros([usize::MAX / 4], Element::F64).is_err());
    }

    #[test]
    fn conversions_borrow_when_they_can() {
        let t = Tensor::new([2], vec![1f32, 2.0]).unwrap();
        assert!(matches!(t.to_f32(), Cow::Borrowed(_)));
        assert!(matches!(t.to_f64(), Cow::Owned(_)));
        assert_eq!(*t.to_f64(), [1.0, 2.0]);
        assert_eq!(t.to_i64(), None);
    }

    #[test]
    fn bytes_round_trip() {
        for element in [Element::F64, Element::F32, Element::F16, Element::BF16, Element::I32, Element::I64] {
            let bytes: Vec<u8> = (0..element.bytes() as u8 * 3).collect();
            let data = Data::from_le_bytes(element, &bytes);
            assert_eq!((data.len(), data.element()), (3, element));
            assert_eq!(data.to_le_bytes(), bytes);
            assert_eq!(element.to_string().parse::<Element>().unwrap(), element);
        }
    }

    #[test]
    fn casts_round_once() {
        // 1 + 2^-11 + 2^-40 lies above the middle of two f16 neighbours; through f32 it would fall on the middle
        // and round down.
        let x = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        let t = Tensor::new([1], vec![x]).unwrap().cast(Element::F16).unwrap();
        assert_eq!(*t.to_f64(), [1.0 + 2f64.powi(-10)]);
        let t = Tensor::new([3], vec![1e300, -1e-300, f64::NAN]).unwrap().cast(Element::F16).unwrap();
        assert_eq!(t.to_f64()[..2], [f64::INFINITY, -0.0]);
        assert!(t.to_f64()[2].is_nan());
        assert!(t.cast(Element::I32).is_err());
    }
}
