//! PTX that Triton wrote (`make.py`), run against the CPU.
//!
//! Its files begin with `// launch: kernel=matmul warps=4 shared=16384`, and its kernels take two pointers to scratch memory
//! after their own parameters, which none of these uses.

use crate::cases::{Arg, Case, Element, bytes, changed, input, int, long, near, parts};
use crate::harness::check;
use crate::random::{Random, seed};

/// A launch of the kernel of a file that `make.py` made.
fn case(text: &'static str, what: &str, grid: [u32; 3], args: Vec<Arg>) -> Case {
    let (kernel, warps, shared) = head(text);
    Case {
        name: format!("{kernel} by Triton, {what}"),
        text,
        kernel,
        grid,
        block: [warps * 32, 1, 1],
        dynamic: shared,
        args: args.into_iter().chain([long(0), long(0)]).collect(),
    }
}

/// What the first line says: the kernel, its warps, its bytes of dynamic shared memory.
fn head(text: &'static str) -> (&'static str, u32, u32) {
    let line = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("// launch: "))
        .expect("a first line of make.py");
    let word = |key: &str| {
        let found = line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {key} in {line}"))
    };
    (word("kernel"), word("warps").parse().expect("a number"), word("shared").parse().expect("a number"))
}

/// `n` random numbers as an element type holds them, and their bytes.
fn floats(random: &mut Random, n: usize, scale: f32, element: Element) -> (Vec<f64>, Vec<u8>) {
    let written: Vec<Vec<u8>> = random.floats(n, scale).into_iter().map(|x| element.write(x)).collect();
    (written.iter().map(|bytes| element.read(bytes)).collect(), written.concat())
}

/// C = A B in bf16, three stages of asynchronous copies; n and k are multiples of 16.
pub(crate) fn matmul(m: usize, n: usize, k: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let (a, a_bytes) = floats(&mut random, m * k, 1.0, Element::BF16);
    let (b, b_bytes) = floats(&mut random, k * n, 1.0, Element::BF16);
    let c = products(m, n, k, |i, p| a[i * k + p], |p, j| b[p * n + j]);
    let args = vec![
        input(a_bytes),
        input(b_bytes),
        near(Element::F32, c),
        int(m as i32),
        int(n as i32),
        int(k as i32),
    ];
    case(include_str!("matmul.ptx"), &format!("{m} x {n} x {k}"), [parts(m, 64), parts(n, 64), 1], args)
}

/// Sums of `k` products and how far they may be off in f32.
fn products(
    m: usize,
    n: usize,
    k: usize,
    a: impl Fn(usize, usize) -> f64,
    b: impl Fn(usize, usize) -> f64,
) -> Vec<(f64, f64)> {
    let mut c = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let terms = (0..k).map(|p| a(i, p) * b(p, j));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), x: f64| (sum + x, size + x.abs()));
            c.push((sum, size * k as f64 * 2f64.powi(-23)));
        }
    }
    c
}

/// The lower triangle of x x^T for f32. This compiler hands f32 to tensor cores as it is, and they ignore 13 bits.
fn gram(n: usize, seed: u64) -> Case {
    let x = Random::new(seed).floats(n * 32, 1.0);
    let seen = |i: usize, d: usize| f64::from(f32::from_bits(x[i * 32 + d].to_bits() & !0x1FFF));
    let mut g = products(n, n, 32, seen, |d, j| seen(j, d));
    for (index, entry) in g.iter_mut().enumerate() {
        if index / n < index % n {
            *entry = (0.0, 0.0);
        }
    }
    let args = vec![input(bytes(&x)), near(Element::F32, g), int(n as i32)];
    case(include_str!("gram.ptx"), &format!("{n} rows"), [parts(n, 32), parts(n, 32), 1], args)
}

fn softmax(rows: usize, columns: usize, seed: u64) -> Case {
    let x = Random::new(seed).floats(rows * columns, 8.0);
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(columns) {
        let top = row.iter().fold(f64::NEG_INFINITY, |top, &x| top.max(f64::from(x)));
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - top).exp()).sum();
        // Exponents up to 24 in f32, ex2.approx and a division of 2 units each.
        y.extend(row.iter().map(|&x| (f64::from(x) - top).exp() / sum).map(|y| (y, y * 4e-6 + 1e-37)));
    }
    let args = vec![input(bytes(&x)), near(Element::F32, y), int(columns as i32)];
    case(include_str!("softmax.ptx"), &format!("{rows} x {columns}"), [rows as u32, 1, 1], args)
}

fn layer_norm(rows: usize, columns: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let (x, x_bytes) = floats(&mut random, rows * columns, 2.0, Element::BF16);
    let (w, w_bytes) = floats(&mut random, columns, 1.0, Element::F32);
    let (b, b_bytes) = floats(&mut random, columns, 1.0, Element::F32);
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(columns) {
        let mean = row.iter().sum::<f64>() / columns as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
        let scale = 1.0 / (variance + 1e-5).sqrt();
        // Half a unit of bf16, at most 2^-8 of the number, and f32 before it.
        y.extend((0..columns).map(|i| {
            let (term, shift) = ((row[i] - mean) * scale * w[i], b[i]);
            (term + shift, (term + shift).abs() * 2f64.powi(-8) + (term.abs() + shift.abs()) * 1e-5)
        }));
    }
    let args =
        vec![input(x_bytes), input(w_bytes), input(b_bytes), near(Element::BF16, y), int(columns as i32)];
    case(include_str!("layer_norm.ptx"), &format!("{rows} x {columns}"), [rows as u32, 1, 1], args)
}

/// Chunkwise on tensor cores; the token loop is its definition.
fn linear_attention(heads: usize, tokens: usize, seed: u64) -> Case {
    const D: usize = 32;
    let mut random = Random::new(seed);
    let n = heads * tokens * D;
    let [(q, q_bytes), (k, k_bytes), (v, v_bytes)] =
        [0, 1, 2].map(|_| floats(&mut random, n, 1.0, Element::BF16));
    let g: Vec<f32> = (0..heads * tokens).map(|_| -0.3 * random.float().abs()).collect();
    let (mut out, mut states) = (Vec::with_capacity(n), Vec::new());
    for head in 0..heads {
        // Beside the state, the state of the sizes: what the roundings to bf16 in between are relative to.
        let (mut state, mut size) = (vec![0.0; D * D], vec![0.0; D * D]);
        for t in head * tokens..(head + 1) * tokens {
            let decay = f64::from(g[t]).exp2();
            for i in 0..D {
                for j in 0..D {
                    let term = k[t * D + i] * v[t * D + j];
                    state[i * D + j] = decay * state[i * D + j] + term;
                    size[i * D + j] = decay * size[i * D + j] + term.abs();
                }
            }
            out.extend((0..D).map(|j| {
                let read = |i: usize| (q[t * D + i] * state[i * D + j], q[t * D + i].abs() * size[i * D + j]);
                let (o, size) = (0..D).map(read).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
                (o, size * 2f64.powi(-8))
            }));
        }
        states.extend(state.into_iter().zip(size).map(|(s, size)| (s, size * 2f64.powi(-8))));
    }
    let args = vec![
        input(q_bytes),
        input(k_bytes),
        input(v_bytes),
        input(bytes(&g)),
        near(Element::F32, out),
        near(Element::F32, states),
        int(tokens as i32),
    ];
    let what = format!("{heads} heads, {tokens} tokens");
    case(include_str!("linear_attention.ptx"), &what, [heads as u32, 1, 1], args)
}

fn total(n: usize, seed: u64) -> Case {
    let x = Random::new(seed).integers(n, -100_000, 100_000);
    let top = x.iter().fold(7, |top, &x| top.max(x));
    let after = [5 + x.iter().sum::<i32>(), top];
    let args = vec![input(bytes(&x)), changed(bytes(&[5i32, 7]), bytes(&after)), int(n as i32)];
    case(include_str!("total.ptx"), &format!("{n} numbers"), [parts(n, 256), 1, 1], args)
}

/// A recurrence of first order for 16 columns, as an associative scan.
fn recurrence(tokens: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let a: Vec<f32> = (0..tokens * 16).map(|_| 0.5 + 0.5 * random.float().abs()).collect();
    let b = random.floats(tokens * 16, 1.0);
    let (mut h, mut size) = ([0.0; 16], [0.0; 16]);
    let mut out = Vec::with_capacity(a.len());
    for t in 0..tokens {
        for d in 0..16 {
            let (a, b) = (f64::from(a[t * 16 + d]), f64::from(b[t * 16 + d]));
            h[d] = a * h[d] + b;
            size[d] = a * size[d] + b.abs();
            out.push((h[d], size[d] * 40.0 * 2f64.powi(-24)));
        }
    }
    let args = vec![input(bytes(&a)), input(bytes(&b)), near(Element::F32, out), int(tokens as i32)];
    case(include_str!("recurrence.ptx"), &format!("{tokens} tokens"), [1, 1, 1], args)
}

/// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
fn philox(seed: u32, counter: u32) -> u32 {
    let (mut c, mut k) = ([counter, 0, 0, 0], [seed, 0u32]);
    for _ in 0..10 {
        let wide = |factor: u32, c: u32| {
            let product = u64::from(factor) * u64::from(c);
            [(product >> 32) as u32, product as u32]
        };
        let ([high_a, low_a], [high_b, low_b]) = (wide(0xD251_1F53, c[0]), wide(0xCD9E_8D57, c[2]));
        c = [high_b ^ c[1] ^ k[0], low_b, high_a ^ c[3] ^ k[1], low_a];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c[0]
}

fn dropout(n: usize, seed: u64) -> Case {
    let x = Random::new(seed).floats(n, 1.0);
    let key = seed as u32 + 100;
    let kept = |i: usize| {
        let bits = philox(key, i as u32) as i32;
        (if bits < 0 { -bits - 1 } else { bits }) as f32 * 4.656_612_7e-10 > 0.25
    };
    let y = x.iter().enumerate().map(|(i, &x)| if kept(i) { f64::from(x) / 0.75 } else { 0.0 });
    let y = y.map(|y| (y, y.abs() * 2f64.powi(-22))).collect();
    let args = vec![input(bytes(&x)), near(Element::F32, y), int(n as i32), int(key as i32)];
    case(include_str!("dropout.ptx"), &format!("{n} numbers"), [parts(n, 256), 1, 1], args)
}

#[test]
fn triton_matmul_with_three_stages() {
    for (m, n, k) in [(64, 64, 32), (1, 16, 16), (64, 64, 96), (100, 80, 144), (130, 64, 256)] {
        let report = check(&matmul(m, n, k, seed()));
        // Every tile of 64 x 64 takes 4 x 8 blocks of 16 x 8, and steps of 16 up to a multiple of 32.
        let flops = m.div_ceil(64) * n.div_ceil(64) * 64 * 64 * k.next_multiple_of(32) * 2;
        assert_eq!(report.total.tensor_flops, flops as u64, "{m} x {n} x {k}");
        assert_eq!(report.total.global_store_bytes, (m * n * 4) as u64, "{m} x {n} x {k}");
    }
}

#[test]
fn triton_gram_in_tf32() {
    for n in [1, 32, 50, 96] {
        check(&gram(n, seed()));
    }
}

#[test]
fn triton_softmax_and_layer_norm() {
    for (rows, columns) in [(1, 1), (2, 130), (3, 512)] {
        check(&softmax(rows, columns, seed()));
        check(&layer_norm(rows, columns, seed()));
    }
}

#[test]
fn triton_linear_attention_in_chunks() {
    for (heads, tokens) in [(1, 1), (1, 64), (2, 150), (1, 320)] {
        check(&linear_attention(heads, tokens, seed()));
    }
}

#[test]
fn triton_sums_scans_and_random_numbers() {
    for n in [1, 256, 1000] {
        check(&total(n, seed()));
        check(&recurrence(n, seed()));
        check(&dropout(n, seed()));
    }
}
