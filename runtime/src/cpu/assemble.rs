//! Puts the results of single heads together into whole tensors.
//!
//! | result | tensor | how |
//! |---|---|---|
//! | output of (n, h) | `[B, T, HV, ..]` | copied |
//! | final state, gradient of an initial state | `[N, HV, ..]` | copied |
//! | gradient of a token input | `[B, T, (n), H, ..]` | summed over the state heads that read head H, in order |
//! | gradient of a `PerHead` input | `[(n), H, ..]` | summed over those heads and all sequences, in order |
//!
//! `parts` always holds one slice a pair of sequence and state head, heads fastest. Sequences are filled in parallel;
//! every number is the work of one thread, in a fixed order.

use crate::error::Result;
use crate::layout::Layout;
use crate::precision::Computed;
use crate::tensor::zeros;
use chunkwise_dsl::signature::Param;
use rayon::prelude::*;

/// One state head of one sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) sequence: usize,
    pub(super) head: usize,
}

/// The part of a tensor over the joint token axis that each sequence owns; `row` numbers a token.
fn split<'d, R>(layout: &Layout, mut data: &'d mut [R], row: usize) -> Vec<&'d mut [R]> {
    let mut parts = Vec::with_capacity(layout.sequences.len());
    for sequence in &layout.sequences {
        let (part, rest) = std::mem::take(&mut data).split_at_mut(sequence.len() * row);
        parts.push(part);
        data = rest;
    }
    parts
}

/// `[B, T, HV, len]` from `T x len` of each head.
pub(super) fn token_values<R: Computed>(
    layout: &Layout,
    shape: &[usize],
    len: usize,
    parts: &[&[R]],
) -> Result<Vec<R>> {
    let mut data = zeros(shape, R::of(0.0))?;
    let (heads, row) = (layout.heads, layout.heads * len);
    split(layout, &mut data, row).into_par_iter().enumerate().for_each(|(n, sequence)| {
        sequence.par_chunks_mut(row).with_min_len(64).enumerate().for_each(|(t, out)| {
            for (h, slot) in out.chunks_mut(len).enumerate() {
                slot.copy_from_slice(&parts[n * heads + h][t * len..(t + 1) * len]);
            }
        });
    });
    Ok(data)
}

/// `[N, HV, ..]` from each head's state.
pub(super) fn state_values<R: Computed>(shape: &[usize], parts: &[&[R]]) -> Result<Vec<R>> {
    let mut data = zeros(shape, R::of(0.0))?;
    let mut rest = data.as_mut_slice();
    for part in parts {
        let (slot, tail) = std::mem::take(&mut rest).split_at_mut(part.len());
        slot.copy_from_slice(part);
        rest = tail;
    }
    Ok(data)
}

/// `[B, T, (n), H, len]` from `T x n x len` of each state head.
pub(super) fn param_gradient<R: Computed>(
    layout: &Layout,
    param: &Param,
    index: usize,
    shape: &[usize],
    parts: &[&[R]],
) -> Result<Vec<R>> {
    let mut data = zeros(shape, R::of(0.0))?;
    let len = layout.size(param.shape);
    let (count, own) = (param.count.map_or(1, |n| n as usize), layout.param_heads[index]);
    let (heads, group) = (layout.heads, layout.heads / own);
    let row = count * own * len;
    split(layout, &mut data, row).into_par_iter().enumerate().for_each(|(n, sequence)| {
        sequence.par_chunks_mut(row).with_min_len(64).enumerate().for_each(|(t, out)| {
            for (slot_number, slot) in out.chunks_mut(len).enumerate() {
                let (j, head) = (slot_number / own, slot_number % own);
                let start = (t * count + j) * len;
                let members = n * heads + head * group..n * heads + (head + 1) * group;
                for part in &parts[members] {
                    add(slot, &part[start..start + len]);
                }
            }
        });
    });
    Ok(data)
}

/// `[(n), H, len]` from `n x len` of each state head, over all sequences; added up in f64.
pub(super) fn per_head_gradient<R: Computed>(
    layout: &Layout,
    param: &Param,
    index: usize,
    shape: &[usize],
    parts: &[&[R]],
) -> Result<Vec<R>> {
    let mut sums = zeros(shape, 0.0f64)?;
    let (len, own) = (layout.size(param.shape), layout.param_heads[index]);
    for (i, part) in parts.iter().enumerate() {
        let head = layout.group(own, i % layout.heads);
        for (j, entry) in part.chunks(len).enumerate() {
            let start = (j * own + head) * len;
            for (sum, x) in sums[start..start + len].iter_mut().zip(entry) {
                *sum += x.wide();
            }
        }
    }
    Ok(sums.into_iter().map(R::of).collect())
}

/// `a += b`
fn add<R: Computed>(a: &mut [R], b: &[R]) {
    for (x, &y) in a.iter_mut().zip(b) {
        *x += y;
    }
}
