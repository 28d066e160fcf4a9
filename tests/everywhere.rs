//! Rules at the top level, in a module, in a function, from a macro; public and private; their inputs by name.

use chunkwise::prelude::*;

/// Linear attention.
#[rule]
pub fn linear(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    // This comment is part of the rule's text.
    s += outer(k, v);
    s.read(q)
}

mod inner {
    use chunkwise::rule;

    #[rule]
    pub(crate) fn decayed(
        mut s: State<K, V>,
        q: Vector<K>,
        k: Vector<K>,
        v: Vector<V>,
        r#type: Scalar,
    ) -> Vector<V> {
        s *= sigmoid(r#type);
        s += outer(k, v);
        s.read(q)
    }
}

macro_rules! delta {
    ($name:ident, $key:ident, $body:expr) => {
        #[rule]
        fn $name(mut s: State<K, V>, q: Vector<K>, $key: Vector<K>, v: Vector<V>) -> Vector<V> {
            s += outer($key, v - s.read($key));
            s.read($body * q)
        }
    };
}

delta!(delta, key, 1.0 + 1.0);

#[test]
fn rules_and_their_inputs() {
    #[rule(recurrent)]
    fn squashed(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
        s = tanh(s + outer(k, v));
        s.read(q)
    }

    let rule: &'static Rule = linear();
    assert_eq!(rule.signature.name, "linear");
    assert_eq!(rule.signature.docs, "Linear attention.");
    assert!(rule.source.contains("// This comment is part of the rule's text."), "{}", rule.source);
    assert!(std::ptr::eq(rule, linear()));
    assert!(squashed().timeline.is_err());
    assert_eq!(inner::decayed().signature.params[3].name, "type");
    // `2 * q`, with the precedence that the macro's caller gave it.
    assert_eq!(delta().body.outputs.len(), 1);
    assert!(
        delta().body.graph.values().any(|v| delta().body.graph.literal(v) == Some(2.0)),
        "{}",
        delta().source
    );

    let x = Tensor::new([1, 1, 1, 1], vec![1.0f64]).expect("one number");
    let names = |bindings: Bindings| bindings.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(linear::Inputs { q: &x, k: &x, v: &x }.bind()), ["q", "k", "v"]);
    assert_eq!(
        names(inner::decayed::Inputs { q: &x, k: &x, v: &x, r#type: &x }.bind()),
        ["q", "k", "v", "type"]
    );
    assert_eq!(names(delta::Inputs { q: &x, key: &x, v: &x }.bind()), ["q", "key", "v"]);
    assert_eq!(names(squashed::Inputs { q: &x, k: &x, v: &x }.bind()), ["q", "k", "v"]);
}
