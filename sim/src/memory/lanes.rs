//! The lanes of an access.

use super::{Access, Lanes};

/// How the addresses of an access lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// All 32 lanes, one behind the other.
    Run,
    /// All 32 lanes at one address.
    Same,
    /// Anything else.
    Any,
}

impl Shape {
    /// The shape of an access.
    #[inline]
    pub(crate) fn of(access: &Access) -> Shape {
        let [first, second, ..] = *access.address;
        let step = second.wrapping_sub(first);
        if access.mask != u32::MAX || (step != 0 && step != u64::from(access.bytes)) {
            return Shape::Any;
        }
        let mut stray = 0;
        let mut expected = first;
        for address in access.address {
            stray |= address ^ expected;
            expected = expected.wrapping_add(step);
        }
        match (stray, step) {
            (0, 0) => Shape::Same,
            (0, _) if first.checked_add(32 * step).is_some() => Shape::Run,
            _ => Shape::Any,
        }
    }
}

/// The lanes of a mask, in order.
#[inline]
pub(crate) fn lanes_of(mask: u32) -> impl Iterator<Item = usize> + Clone {
    let mut left = mask;
    std::iter::from_fn(move || {
        let lane = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (lane < 32).then_some(lane)
    })
}

/// Neighbouring lanes of an access at one address, as the first of them and as a mask.
#[inline]
pub(crate) fn groups_of<'a>(access: &'a Access) -> impl Iterator<Item = (usize, u32)> + use<'a> {
    let mut left = access.mask;
    std::iter::from_fn(move || {
        let first = left.trailing_zeros() as usize;
        let address = access.address.get(first)?;
        let mut group = 0;
        while let Some(next) = access.address.get(left.trailing_zeros() as usize)
            && next == address
        {
            group |= left & left.wrapping_neg();
            left &= left - 1;
        }
        Some((first, group))
    })
}

/// Which bytes of each word (a bit each) a lane's access touches; the first word begins at `address / 4`.
#[inline]
pub(crate) fn bytes_of(address: u64, bytes: u32) -> u32 {
    if bytes < 4 { ((1 << bytes) - 1) << (address & 3) } else { 0xf }
}

/// So many bytes of a word, from its low end, as a mask of bits.
#[inline]
pub(crate) fn low_bits(bytes: u32) -> u32 {
    u32::MAX >> (32 - 8 * bytes.clamp(1, 4))
}

/// Two lanes of one store that write different values to the same bytes: the later one and the earlier one. Addresses are
/// multiples of the size, so that two lanes' bytes are the same or apart.
pub(crate) fn clash(access: &Access, data: &[Lanes; 4]) -> Option<(usize, usize)> {
    let words = access.bytes.div_ceil(4) as usize;
    let differ = |a: usize, b: usize| {
        data.iter().take(words).any(|row| (row[a] ^ row[b]) & low_bits(access.bytes) != 0)
    };
    match Shape::of(access) {
        Shape::Run => return None,
        Shape::Same => return (1..32).find(|&lane| differ(lane, 0)).map(|lane| (lane, 0)),
        Shape::Any => {}
    }
    let rising = |(a, b): (usize, usize)| access.address[a] < access.address[b];
    if lanes_of(access.mask).zip(lanes_of(access.mask).skip(1)).all(rising) {
        return None;
    }
    lanes_of(access.mask).find_map(|lane| {
        lanes_of(access.mask & ((1 << lane) - 1))
            .find(|&other| access.address[other] == access.address[lane] && differ(lane, other))
            .map(|other| (lane, other))
    })
}
