//! Good rules: everything that the language has, once.

use chunkwise_dsl::parse_file;

const GATED_DELTANET: &str = "
/// Gated DeltaNet. Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464.
#[rule]
fn gated_deltanet(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
    s *= exp(g);                              // decay: g is a log decay
    s += outer(beta * k, v - s.read(k));      // delta rule: s.read(k) = S^T k
    s.read(q)
}
";

#[test]
fn gated_deltanet() {
    let rules = parse_file(GATED_DELTANET).unwrap_or_else(|e| panic!("{e}"));
    let rule = &rules[0];
    assert_eq!(rule.signature.name, "gated_deltanet");
    assert_eq!(rule.body.updates.len(), 2);
    assert!(rule.timeline.is_ok());
}
