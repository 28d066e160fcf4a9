use chunkwise::prelude::*;

/// Channels that are pulled towards the input by a saturating function of themselves.
#[rule]
fn elementwise_feedback(mut h: State<D>, x: Vector<D>, f: Vector<D>) -> Vector<D> {
    h *= sigmoid(f);
    h += 0.5 * (x - tanh(h));
    h
}
