use chunkwise::prelude::*;

/// A gated recurrence of single channels, no matrix anywhere.
#[rule]
fn elementwise(mut h: State<D>, x: Vector<D>, gate: Vector<D>, rate: Vector<D>) -> Vector<D> {
    let a = -softplus(rate);
    h = exp(a) * h + sqrt(1 - exp(2 * a)) * x;
    h * silu(gate)
}
