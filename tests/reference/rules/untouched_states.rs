use chunkwise::prelude::*;

/// A memory that is read and never written, and one that only decays.
#[rule]
fn untouched_states(
    mut s: State<K, V>,
    mut z: State<K>,
    q: Vector<K>,
    v: Vector<V>,
    f: Scalar,
) -> (Vector<V>, Scalar) {
    z *= sigmoid(f);
    (v + s.read(q), dot(z, q))
}
