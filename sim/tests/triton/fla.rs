//! Kernels of flash-linear-attention, as Triton compiles them for sm_80, against the CPU.
//!
//! They are no part of this project: `fla.py` makes their PTX from the wheel into a folder, and `CHUNKWISE_FLA_PTX` says where
//! that is. Without it these tests say so and do nothing. One sequence, two heads of 64, chunks of 64.

use super::{case, floats};
use crate::cases::{Arg, Buffer, Element, Expected, bytes, input, int, near, parts};
use crate::harness::{check, check_as};
use crate::random::{Random, seed};
use chunkwise_sim::count::Report;
use chunkwise_sim::memory::Strictness;

const HEADS: usize = 2;
const DIM: usize = 64;
const CHUNK: usize = 64;

/// The PTX of a kernel, where it was made. Read once a test and kept for good.
fn text(name: &str) -> Option<&'static str> {
    let Some(folder) = std::env::var_os("CHUNKWISE_FLA_PTX") else {
        eprintln!("CHUNKWISE_FLA_PTX names no folder: `{name}` is not run");
        return None;
    };
    let path = std::path::Path::new(&folder).join(format!("{name}.ptx"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(Box::leak(text.into_boxed_str()))
}

/// Says what a kernel did, and how much.
fn tell(name: &str, report: &Report) {
    let total = report.total;
    eprintln!(
        "{name}: {} instructions, {} tensor flops, {} + {} bytes, {} wavefronts, {} of them conflicts",
        total.instructions,
        total.tensor_flops,
        total.global_load_bytes,
        total.global_store_bytes,
        total.wavefronts,
        total.conflicts
    );
}

/// Log2 decays, summed up inside each chunk: [T, H].
fn decays(random: &mut Random, tokens: usize) -> Vec<f32> {
    let mut g = vec![0.0; tokens * HEADS];
    for t in 0..tokens {
        for h in 0..HEADS {
            let before = if t.is_multiple_of(CHUNK) { 0.0 } else { g[(t - 1) * HEADS + h] };
            g[t * HEADS + h] = before - 0.2 * random.float().abs();
        }
    }
    g
}

fn dot(a: &[f64], b: &[f64]) -> (f64, f64) {
    a.iter().zip(b).map(|(a, b)| a * b).fold((0.0, 0.0), |(sum, size), x: f64| (sum + x, size + x.abs()))
}

/// The vector of a token and a head in [T, H, D].
fn at(x: &[f64], t: usize, h: usize) -> &[f64] {
    &x[(t * HEADS + h) * DIM..][..DIM]
}

#[test]
fn fla_cumulative_sums() {
    let Some(text) = text("chunk_cumsum") else { return };
    for tokens in [64, 150] {
        let s = Random::new(seed()).floats(tokens * HEADS, 1.0);
        let mut out = vec![(0.0, 1e-5); tokens * HEADS];
        for i in 0..out.len() {
            let before = if (i / HEADS).is_multiple_of(CHUNK) { 0.0 } else { out[i - HEADS].0 };
            out[i].0 = before + f64::from(s[i]);
        }
        let args = vec![input(bytes(&s)), near(Element::F32, out), int(tokens as i32)];
        let grid = [HEADS as u32 * parts(tokens, CHUNK), 1, 1];
        tell("chunk_cumsum", &check(&case(text, &format!("{tokens} tokens"), grid, args)));
    }
}

#[test]
fn fla_gram_of_keys() {
    let Some(text) = text("chunk_scaled_dot_kkt") else { return };
    for tokens in [64, 150] {
        let mut random = Random::new(seed());
        let (k, k_bytes) = floats(&mut random, tokens * HEADS * DIM, 1.0, Element::BF16);
        let (g, beta) = (decays(&mut random, tokens), random.floats(tokens * HEADS, 1.0));
        let mut a = Vec::new();
        for (t, h) in (0..tokens).flat_map(|t| (0..HEADS).map(move |h| (t, h))) {
            a.extend((t / CHUNK * CHUNK..).take(CHUNK).map(|s| {
                if s >= t {
                    return (0.0, 0.0);
                }
                let fade = f64::from(g[t * HEADS + h] - g[s * HEADS + h]).exp2();
                let scale = f64::from(beta[t * HEADS + h]) * fade;
                let (sum, size) = dot(at(&k, t, h), at(&k, s, h));
                (sum * scale, size * scale.abs() * 1e-5)
            }));
        }
        let args = vec![
            input(k_bytes),
            input(bytes(&g)),
            input(bytes(&beta)),
            near(Element::F32, a),
            int(tokens as i32),
        ];
        let grid = [parts(tokens, CHUNK), HEADS as u32, 1];
        tell("chunk_scaled_dot_kkt", &check(&case(text, &format!("{tokens} tokens"), grid, args)));
    }
}

#[test]
fn fla_triangular_inverse() {
    let Some(text) = text("solve_tril") else { return };
    let tokens = 128;
    let mut random = Random::new(seed());
    let mut a = vec![0.0; tokens * HEADS * CHUNK];
    let mut inverse = vec![(0.0, 0.0); a.len()];
    let place = |t: usize, h: usize, s: usize| (t * HEADS + h) * CHUNK + s;
    for (t, h) in (0..tokens).flat_map(|t| (0..HEADS).map(move |h| (t, h))) {
        let first = t / CHUNK * CHUNK;
        (0..t - first).for_each(|s| a[place(t, h, s)] = random.float() * 0.3);
        // Row by row: X[t] = e_t - sum over s of A[t, s] X[s]; beside it the sizes.
        inverse[place(t, h, t - first)] = (1.0, 1.0);
        for s in 0..t - first {
            for column in 0..=s {
                let factor = f64::from(a[place(t, h, s)]);
                let (x, size) = inverse[place(first + s, h, column)];
                let entry = &mut inverse[place(t, h, column)];
                *entry = (entry.0 - factor * x, entry.1 + factor.abs() * size);
            }
        }
    }
    let after = inverse.iter().map(|(x, size)| (*x, size * 2e-6)).collect();
    // What lies above the diagonal is not written.
    let result = Buffer { before: Some(vec![0; a.len() * 4]), after: Expected::Near(Element::F32, after) };
    let args = vec![input(bytes(&a)), Arg::Buffer(result), int(tokens as i32)];
    let grid = [parts(tokens, CHUNK), HEADS as u32, 1];
    // Lanes that hold copies of one sum store it to one place, and a fused multiply-add in the first step of the butterfly
    // makes the copies differ in their last bit. Which one stays is open; checks between warps find nothing.
    let case = case(text, &format!("{tokens} tokens"), grid, args);
    tell("solve_tril", &check_as(&case, Strictness::Warps));
}

#[test]
fn fla_outputs() {
    let Some(text) = text("chunk_fwd_o") else { return };
    for tokens in [64, 150] {
        let mut random = Random::new(seed());
        let n = tokens * HEADS * DIM;
        let [(q, q_bytes), (k, k_bytes), (v, v_bytes)] =
            [0, 1, 2].map(|_| floats(&mut random, n, 1.0, Element::BF16));
        let chunks = tokens.div_ceil(CHUNK);
        let (states, state_bytes) = floats(&mut random, chunks * HEADS * DIM * DIM, 1.0, Element::BF16);
        let (g, scale) = (decays(&mut random, tokens), 0.125f32);
        let mut out = Vec::with_capacity(n);
        for (t, h) in (0..tokens).flat_map(|t| (0..HEADS).map(move |h| (t, h))) {
            let now = f64::from(g[t * HEADS + h]);
            let state = &states[(t / CHUNK * HEADS + h) * DIM * DIM..][..DIM * DIM];
            let weights: Vec<(usize, (f64, f64))> = (t / CHUNK * CHUNK..=t)
                .map(|s| (s, dot(at(&q, t, h), at(&k, s, h)), (now - f64::from(g[s * HEADS + h])).exp2()))
                .map(|(s, (sum, size), fade)| (s, (sum * fade, size * fade)))
                .collect();
            out.extend((0..DIM).map(|d| {
                let column: Vec<f64> = (0..DIM).map(|i| state[i * DIM + d]).collect();
                let (carried, mut size) = dot(at(&q, t, h), &column);
                let mut sum = carried * now.exp2();
                size *= 1e-5;
                for (s, (weight, weight_size)) in &weights {
                    let value = at(&v, *s, h)[d];
                    sum += weight * value;
                    // The weight is rounded to bf16.
                    size += (weight.abs() * 2f64.powi(-8) + weight_size * 1e-5) * value.abs();
                }
                let (sum, size) = (sum * f64::from(scale), size * f64::from(scale));
                (sum, size + sum.abs() * 2f64.powi(-8))
            }));
        }
        let args = vec![
            input(q_bytes),
            input(k_bytes),
            input(v_bytes),
            input(state_bytes),
            input(bytes(&g)),
            near(Element::BF16, out),
            Arg::Value(scale.to_le_bytes().to_vec()),
            int(tokens as i32),
        ];
        let grid = [parts(tokens, CHUNK), HEADS as u32, 1];
        tell("chunk_fwd_o", &check(&case(text, &format!("{tokens} tokens"), grid, args)));
    }
}

#[test]
fn fla_states_of_the_gated_delta_rule() {
    let Some(text) = text("chunk_delta_h") else { return };
    for tokens in [64, 150] {
        let mut random = Random::new(seed());
        let n = tokens * HEADS * DIM;
        let (k, k_bytes) = floats(&mut random, n, 0.2, Element::BF16);
        let (v, v_bytes) = floats(&mut random, n, 1.0, Element::BF16);
        let (w, w_bytes) = floats(&mut random, n, 0.2, Element::BF16);
        let g = decays(&mut random, tokens);
        let (first, first_bytes) = floats(&mut random, HEADS * DIM * DIM, 1.0, Element::F32);
        let chunks = tokens.div_ceil(CHUNK);
        let mut new = vec![(0.0, 0.0); n];
        let mut states = vec![(0.0, 0.0); chunks * HEADS * DIM * DIM];
        let mut last = Vec::new();
        for h in 0..HEADS {
            let mut state: Vec<f64> = first[h * DIM * DIM..][..DIM * DIM].to_vec();
            // By how much each entry may be off.
            let mut slack = vec![0.0; DIM * DIM];
            for chunk in 0..chunks {
                let start = chunk * CHUNK;
                let end = (start + CHUNK).min(tokens);
                for (i, (x, slack)) in state.iter().zip(&slack).enumerate() {
                    states[(chunk * HEADS + h) * DIM * DIM + i] =
                        (*x, slack + (x.abs() + slack) * 2f64.powi(-8));
                }
                let until = f64::from(g[(end - 1) * HEADS + h]);
                let fade = until.exp2();
                let (before, off): (Vec<f64>, Vec<f64>) = (state.clone(), slack.clone());
                state.iter_mut().for_each(|x| *x *= fade);
                slack.iter_mut().for_each(|x| *x *= fade);
                for t in start..end {
                    let left = (until - f64::from(g[t * HEADS + h])).exp2();
                    for d in 0..DIM {
                        let (mut value, mut error) = (at(&v, t, h)[d], 0.0);
                        for i in 0..DIM {
                            let (w, x, off) = (at(&w, t, h)[i], before[i * DIM + d], off[i * DIM + d]);
                            value -= w * x;
                            error += w.abs() * (off + (x.abs() + off) * 2f64.powi(-8));
                        }
                        new[(t * HEADS + h) * DIM + d] =
                            (value, error + (value.abs() + error) * 2f64.powi(-8));
                        for i in 0..DIM {
                            let k = at(&k, t, h)[i] * left;
                            state[i * DIM + d] += k * value;
                            slack[i * DIM + d] += k.abs() * (error + (value.abs() + error) * 2f64.powi(-8));
                        }
                    }
                }
            }
            last.extend(state.into_iter().zip(slack));
        }
        let args = vec![
            input(k_bytes),
            input(v_bytes),
            input(w_bytes),
            near(Element::BF16, new),
            input(bytes(&g)),
            near(Element::BF16, states),
            input(first_bytes),
            near(Element::F32, last),
            int(tokens as i32),
        ];
        let grid = [2 * HEADS as u32, 1, 1];
        tell("chunk_delta_h", &check(&case(text, &format!("{tokens} tokens"), grid, args)));
    }
}
