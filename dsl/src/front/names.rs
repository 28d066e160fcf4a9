//! Names: the nearest one to a misspelt one, and the names that would be one tensor twice.
//!
//! ```text
//! fn f(mut s: State<K, V>, q: .., ds: ..)      `ds` would also be the cotangent of the state `s`
//! ```
//!
//! A rule's tensors share one flat space of names (a safetensors file): parameters, states, `<state>0`, outputs (`o`, or
//! `o0`, `o1`, ..), the gradient or cotangent `d<name>` of each of them, and `cu_seqlens`.

use std::collections::BTreeMap;

/// The candidate within a third of the name's length in edits (at least one), the nearest first.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = name.chars().count().div_ceil(3).max(1);
    let shares = |distance: usize, c: &str| distance < name.chars().count().max(c.chars().count());
    let near =
        candidates.into_iter().map(|c| (edits(name, c), c)).filter(|(d, c)| *d <= limit && shares(*d, c));
    near.min().map(|(_, c)| c)
}

/// `did you mean ..?`, or else the list of what there is.
pub(super) fn suggest<'a>(
    name: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(near) = nearest(name, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<_> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
    match all.as_slice() {
        [] => format!("there are no {what}"),
        [one] => format!("the only one is {one}"),
        all => format!("the {what} are {}", all.join(", ")),
    }
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`; case counts as nothing.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j - 1] + same).min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// One tensor that a rule's signature brings with it.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// The name it would have.
    pub(super) name: String,
    /// What it is: "the gradient of the parameter `q`".
    pub(super) role: String,
    /// The declaration that it comes from: the parameter's position, or `None` for outputs and `cu_seqlens`.
    pub(super) owner: Option<usize>,
}

/// Every tensor of a rule: `params` are (name, whether it is a state), `outputs` the outputs' names.
pub(super) fn tensors(params: &[(String, bool)], outputs: &[String]) -> Vec<Tensor> {
    let mut list = Vec::new();
    let mut add = |name: String, role: String, owner| list.push(Tensor { name, role, owner });
    for (i, (name, is_state)) in params.iter().enumerate() {
        let owner = Some(i);
        if *is_state {
            add(name.clone(), format!("the state `{name}`"), owner);
            add(format!("{name}0"), format!("the initial value of the state `{name}`"), owner);
            add(format!("d{name}"), format!("the cotangent of the state `{name}`"), owner);
            add(format!("d{name}0"), format!("the gradient of the initial state `{name}0`"), owner);
        } else {
            add(name.clone(), format!("the parameter `{name}`"), owner);
            add(format!("d{name}"), format!("the gradient of the parameter `{name}`"), owner);
        }
    }
    for name in outputs {
        add(name.clone(), format!("the output `{name}`"), None);
        add(format!("d{name}"), format!("the cotangent of the output `{name}`"), None);
    }
    add("cu_seqlens".into(), "the sequence boundaries `cu_seqlens`".into(), None);
    list
}

/// The pairs of tensors that bear one name; of several pairs from the same two declarations only the first.
pub(super) fn collisions(tensors: &[Tensor]) -> Vec<(&Tensor, &Tensor)> {
    let mut seen: BTreeMap<&str, &Tensor> = BTreeMap::new();
    let mut pairs: Vec<(&Tensor, &Tensor)> = Vec::new();
    for tensor in tensors {
        match seen.get(tensor.name.as_str()) {
            Some(first) if !pairs.iter().any(|(a, b)| (a.owner, b.owner) == (first.owner, tensor.owner)) => {
                pairs.push((first, tensor));
            }
            Some(_) => {}
            None => {
                seen.insert(&tensor.name, tensor);
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_suggested_only_when_it_is_near() {
        assert_eq!(nearest("kk", ["q", "k", "v"]), Some("k"));
        assert_eq!(nearest("beta_", ["q", "beta", "bet"]), Some("beta"));
        assert_eq!(nearest("sigmiod", ["sigmoid", "silu"]), Some("sigmoid"));
        assert_eq!(nearest("x", ["q", "k"]), None);
        assert_eq!(nearest("betas", ["state", "beta"]), Some("beta"));
    }

    #[test]
    fn tensors_that_share_a_name_are_found_once_a_pair() {
        let params = [("s".into(), true), ("ds".into(), false), ("s0".into(), false)];
        let all = tensors(&params, &["o".into()]);
        let pairs: Vec<_> = collisions(&all).iter().map(|(a, b)| (a.name.clone(), b.role.clone())).collect();
        let expected = [
            ("ds".to_string(), "the parameter `ds`".to_string()),
            ("s0".to_string(), "the parameter `s0`".to_string()),
        ];
        assert_eq!(pairs, expected);
    }
}
