//! Decays at the ends of what the language accepts: gone at once, hardly fading, of either sign, above 1.

use crate::declare::*;
use crate::maths::*;
use crate::problem::{Field, Fill, Problem};
use crate::tape::Num;

const ONE_STATE: &[(&str, &[&str])] = &[("s", &["K", "V"])];

/// Queries, keys and values, and one decay for each side.
fn with_decays(rows: Fill, columns: Fill, whole: Fill) -> Vec<Field> {
    let mut fields = attention();
    fields.extend([
        vector("rows", "K", 2, rows),
        vector("columns", "V", 1, columns),
        scalar("whole", 2, whole),
    ]);
    fields
}

pub(crate) fn steep() -> Problem {
    let fields = with_decays(sinks(-6.0, 3.0), sinks(-6.0, 3.0), sinks(-6.0, 2.0));
    problem(rule_file!("steep"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        let k = x.vector("k");
        decay_rows(s, &map(&x.vector("rows"), Num::exp));
        let u = sub(&x.vector("v"), &read(s, &k));
        write(s, &scale(0.5, &k), &u);
        decay_columns(s, &map(&x.vector("columns"), Num::exp));
        decay(s, x.scalar("whole").exp());
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn tiny() -> Problem {
    let fields = with_decays(powers(-30.0, 0.0), powers(-30.0, 0.0), powers(-30.0, 0.0));
    problem(rule_file!("tiny"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        let (q, k, v) = (x.vector("q"), x.vector("k"), x.vector("v"));
        decay_rows(s, &x.vector("rows"));
        let u = sub(&v, &read(s, &k));
        write(s, &scale(0.5, &k), &u);
        decay_columns(s, &x.vector("columns"));
        let p = read(s, &q);
        decay(s, x.scalar("whole"));
        write(s, &k, &v);
        vec![add(&p, &read(s, &q))]
    })
}

pub(crate) fn near_one() -> Problem {
    let mut fields = with_decays(sinks(-7.0, -4.0), sinks(-7.0, -4.0), sinks(-7.0, -4.0));
    fields.push(scalar("half", 1, sinks(-7.0, -4.0)));
    let states: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("t", &["K", "V"])];
    problem(rule_file!("near_one"), states, &[&["V"], &["V"]], fields, |x, states| {
        let [s, t] = states else { unreachable!("two states") };
        let (q, k, v) = (x.vector("q"), x.vector("k"), x.vector("v"));
        decay_rows(s, &map(&x.vector("rows"), Num::exp));
        decay_columns(s, &map(&x.vector("columns"), Num::exp));
        let u = sub(&v, &read(s, &k));
        write(s, &k, &u);
        decay(t, x.scalar("whole").exp());
        decay(t, x.scalar("half").exp());
        write(t, &k, &v);
        vec![read(s, &q), scale(0.1, &read(t, &q))]
    })
}

pub(crate) fn growing() -> Problem {
    let fields = with_decays(within(-1.2, 0.6), within(-1.4, 1.4), within(-1.3, 1.3));
    problem(rule_file!("growing"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        let k = x.vector("k");
        decay_rows(s, &map(&x.vector("rows"), Num::exp));
        decay_columns(s, &x.vector("columns"));
        let u = sub(&x.vector("v"), &read(s, &k));
        write(s, &scale(0.5, &k), &u);
        decay(s, x.scalar("whole"));
        vec![read(s, &x.vector("q"))]
    })
}
