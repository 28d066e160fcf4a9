//! What there is no kernel for, and what is said about it.

use chunkwise_codegen::{DType, Limitation};

#[test]
fn sizes_outside_1_to_256() {
    let rule = crate::rule("gated_delta");
    for (k, v, dim, size) in
        [(0, 64, "K", 0), (257, 64, "K", 257), (64, 0, "V", 0), (64, 1 << 40, "V", 1 << 40)]
    {
        let got = crate::try_kernel(&rule, k, v, DType::BF16);
        assert_eq!(got, Err(Limitation::Size { dim: dim.to_owned(), size }));
    }
    let text = crate::try_kernel(&rule, 257, 64, DType::BF16).unwrap_err();
    assert_eq!(text.to_string(), "no kernel for K = 257");
    assert_eq!(text.hint(), "kernels take sizes from 1 to 256; the cpu device takes any");
}

#[test]
fn f64_is_for_the_cpu() {
    let got = crate::try_kernel(&crate::rule("gated_delta"), 64, 64, DType::F64);
    assert_eq!(got, Err(Limitation::DType(DType::F64)));
}

#[test]
fn a_dim_on_both_sides() {
    let rules = crate::rules(
        "#[rule]
        fn chain(mut a: State<K, M>, mut b: State<M, V>, q: Vector<K>, m: Vector<M>, v: Vector<V>) -> Vector<V> {
            a += outer(q, m);
            b += outer(m, v);
            b.read(m) * sum(a.read(q))
        }",
    );
    let got = crate::try_kernel(&rules[0], 64, 64, DType::F32);
    assert_eq!(got, Err(Limitation::BothSides { dim: "M".to_owned() }));
}
