//! The kernels, and what they compute, on the CPU: by the sums and recurrences that define it, in f64.

use crate::case::{Arg, Case, Element, Near, Random, bytes};
use chunkwise_sim::memory::Strictness;
use std::ops::Range;

const HEADS: usize = 2;
const DIM: usize = 64;
const CHUNK: usize = 64;

/// A unit in the last place of bf16, relative.
const BF16: f64 = 1.0 / 256.0;

/// All launches: each kernel with sequences of whole chunks and, where it takes them, of others.
pub(crate) fn all(seed: u64) -> impl Iterator<Item = Case> {
    let kernels: [fn(usize, Random) -> Case; 4] = [cumulative_sums, gram_of_keys, outputs, states];
    let launches = kernels.into_iter().flat_map(|kernel| [(kernel, 64), (kernel, 150)]);
    launches
        .map(move |(kernel, tokens)| kernel(tokens, Random(seed)))
        .chain([triangular_inverse(128, Random(seed))])
}

/// A launch with all checks, the number of tokens its last argument.
fn case(file: &'static str, tokens: usize, grid: [usize; 2], mut args: Vec<Arg>) -> Case {
    args.push(Arg::Value((tokens as i32).to_le_bytes().to_vec()));
    let grid = [grid[0] as u32, grid[1] as u32, 1];
    Case { file, tokens, grid, args, checks: Strictness::default() }
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

/// `out[t]` is the sum of the chunk up to `t`.
fn cumulative_sums(tokens: usize, mut random: Random) -> Case {
    let (s, s_bytes) = random.floats(tokens * HEADS, 1.0, Element::F32);
    let mut out = vec![(0.0, 1e-5); tokens * HEADS];
    for i in 0..out.len() {
        let before = if (i / HEADS).is_multiple_of(CHUNK) { 0.0 } else { out[i - HEADS].0 };
        out[i].0 = before + s[i];
    }
    let grid = [HEADS * tokens.div_ceil(CHUNK), 1];
    case("chunk_cumsum", tokens, grid, vec![Arg::Input(s_bytes), Arg::Output(Element::F32, out)])
}

/// `A[t, s] = beta[t] exp2(g[t] - g[s]) k[t] . k[s]` below the diagonal of each chunk.
fn gram_of_keys(tokens: usize, mut random: Random) -> Case {
    let (k, k_bytes) = random.floats(tokens * HEADS * DIM, 1.0, Element::Bf16);
    let g = decays(&mut random, tokens);
    let (beta, beta_bytes) = random.floats(tokens * HEADS, 1.0, Element::F32);
    let mut a = Vec::new();
    for (t, h) in (0..tokens).flat_map(|t| (0..HEADS).map(move |h| (t, h))) {
        a.extend((t / CHUNK * CHUNK..).take(CHUNK).map(|s| {
            if s >= t {
                return (0.0, 0.0);
            }
            let fade = f64::from(g[t * HEADS + h] - g[s * HEADS + h]).exp2();
            let scale = beta[t * HEADS + h] * fade;
            let (sum, size) = dot(at(&k, t, h), at(&k, s, h));
            (sum * scale, size * scale.abs() * 1e-5)
        }));
    }
    let args = vec![
        Arg::Input(k_bytes),
        Arg::Input(bytes(&g)),
        Arg::Input(beta_bytes),
        Arg::Output(Element::F32, a),
    ];
    case("chunk_scaled_dot_kkt", tokens, [tokens.div_ceil(CHUNK), HEADS], args)
}

/// `X = (1 + A)^-1` chunk by chunk, A below the diagonal.
fn triangular_inverse(tokens: usize, mut random: Random) -> Case {
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
    let args = vec![Arg::Input(bytes(&a)), Arg::Zeroed(Element::F32, after)];
    let case = case("solve_tril", tokens, [tokens.div_ceil(CHUNK), HEADS], args);
    // Lanes that hold copies of one sum store it to one place, and a fused multiply-add in the first step of the butterfly
    // makes the copies differ in their last bit. Which one stays is open; checks between warps find nothing.
    Case { checks: Strictness::Warps, ..case }
}

/// `o[t] = scale (exp2(g[t]) S q[t] + sum over s of exp2(g[t] - g[s]) (q[t] . k[s]) v[s])`, S the state before the chunk.
fn outputs(tokens: usize, mut random: Random) -> Case {
    let n = tokens * HEADS * DIM;
    let [(q, q_bytes), (k, k_bytes), (v, v_bytes)] = [0, 1, 2].map(|_| random.floats(n, 1.0, Element::Bf16));
    let (states, state_bytes) = random.floats(tokens.div_ceil(CHUNK) * HEADS * DIM * DIM, 1.0, Element::Bf16);
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
                size += (weight.abs() * BF16 + weight_size * 1e-5) * value.abs();
            }
            let (sum, size) = (sum * f64::from(scale), size * f64::from(scale));
            (sum, size + sum.abs() * BF16)
        }));
    }
    let args = vec![
        Arg::Input(q_bytes),
        Arg::Input(k_bytes),
        Arg::Input(v_bytes),
        Arg::Input(state_bytes),
        Arg::Input(bytes(&g)),
        Arg::Output(Element::Bf16, out),
        Arg::Value(scale.to_le_bytes().to_vec()),
    ];
    case("chunk_fwd_o", tokens, [tokens.div_ceil(CHUNK), HEADS], args)
}

/// What the recurrence of the states takes, [T, H, D] but for the decays.
struct Chunks {
    k: Vec<f64>,
    v: Vec<f64>,
    w: Vec<f64>,
    g: Vec<f32>,
}

/// A state with by how much each number may be off.
type State = (Vec<f64>, Vec<f64>);

/// Chunk by chunk `v'[t] = v[t] - S w[t]`, then `S = exp2(g_end) S + sum over t of exp2(g_end - g[t]) k[t] v'[t]`; all
/// states before chunks, all `v'`, and the last state.
fn states(tokens: usize, mut random: Random) -> Case {
    let n = tokens * HEADS * DIM;
    let (k, k_bytes) = random.floats(n, 0.2, Element::Bf16);
    let (v, v_bytes) = random.floats(n, 1.0, Element::Bf16);
    let (w, w_bytes) = random.floats(n, 0.2, Element::Bf16);
    let g = decays(&mut random, tokens);
    let (first, first_bytes) = random.floats(HEADS * DIM * DIM, 1.0, Element::F32);
    let g_bytes = bytes(&g);
    let chunks = Chunks { k, v, w, g };
    let mut new = vec![(0.0, 0.0); n];
    let mut states = vec![(0.0, 0.0); tokens.div_ceil(CHUNK) * HEADS * DIM * DIM];
    let mut last = Vec::new();
    for h in 0..HEADS {
        let mut state: State = (first[h * DIM * DIM..][..DIM * DIM].to_vec(), vec![0.0; DIM * DIM]);
        for start in (0..tokens).step_by(CHUNK) {
            let before = state.0.iter().zip(&state.1).map(|(x, slack)| (*x, rounded(*x, *slack)));
            let place = (start / CHUNK * HEADS + h) * DIM * DIM;
            states[place..place + DIM * DIM].iter_mut().zip(before).for_each(|(to, from)| *to = from);
            chunk(&chunks, h, start..(start + CHUNK).min(tokens), &mut state, &mut new);
        }
        last.extend(state.0.into_iter().zip(state.1));
    }
    let args = vec![
        Arg::Input(k_bytes),
        Arg::Input(v_bytes),
        Arg::Input(w_bytes),
        Arg::Output(Element::Bf16, new),
        Arg::Input(g_bytes),
        Arg::Output(Element::Bf16, states),
        Arg::Input(first_bytes),
        Arg::Output(Element::F32, last),
    ];
    case("chunk_delta_h", tokens, [2 * HEADS, 1], args)
}

/// One chunk of one head.
fn chunk(of: &Chunks, h: usize, tokens: Range<usize>, (state, slack): &mut State, new: &mut Near) {
    let until = f64::from(of.g[(tokens.end - 1) * HEADS + h]);
    let (before, off) = (state.clone(), slack.clone());
    state.iter_mut().chain(slack.iter_mut()).for_each(|x| *x *= until.exp2());
    for t in tokens {
        let left = (until - f64::from(of.g[t * HEADS + h])).exp2();
        for d in 0..DIM {
            let (mut value, mut error) = (at(&of.v, t, h)[d], 0.0);
            for i in 0..DIM {
                let (w, x, off) = (at(&of.w, t, h)[i], before[i * DIM + d], off[i * DIM + d]);
                value -= w * x;
                error += w.abs() * rounded(x, off);
            }
            new[(t * HEADS + h) * DIM + d] = (value, rounded(value, error));
            for i in 0..DIM {
                let k = at(&of.k, t, h)[i] * left;
                state[i * DIM + d] += k * value;
                slack[i * DIM + d] += k.abs() * rounded(value, error);
            }
        }
    }
}

/// By how much a number may be off that was off by `slack` and is rounded to bf16.
fn rounded(x: f64, slack: f64) -> f64 {
    slack + (x.abs() + slack) * BF16
}
