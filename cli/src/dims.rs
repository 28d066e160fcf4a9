//! Sizes of a rule's dims, from `-k`, `-v` and `--dim`.

use crate::args::Dims;
use crate::failure::{Failure, Outcome};
use crate::nearest::nearest;
use chunkwise_dsl::signature::Signature;

/// The size of every dim, by `Dim`; those that were not given are `default(index)`.
///
/// # Errors
/// A mistake where a name is no dim of the rule, or is given two sizes.
pub fn sizes(signature: &Signature, given: &Dims, default: impl Fn(usize) -> usize) -> Outcome<Vec<usize>> {
    let short = [("K", given.k, "-k"), ("V", given.v, "-v")];
    let short = short.into_iter().filter_map(|(name, size, flag)| Some((name, size?, flag)));
    let named = given.named.iter().map(|(name, size)| (name.as_str(), *size, "--dim"));
    let mut sizes: Vec<Option<usize>> = vec![None; signature.dims.len()];
    for (name, size, flag) in short.chain(named) {
        let index = signature
            .dims
            .iter()
            .position(|dim| dim == name)
            .ok_or_else(|| unknown(signature, name, flag))?;
        if let Some(other) = sizes[index].replace(size).filter(|&other| other != size) {
            return Err(Failure::mistake(
                format!("dim `{name}` is given two sizes, {other} and {size}"),
                format!("give `{name}` once"),
            ));
        }
    }
    Ok(sizes.into_iter().enumerate().map(|(index, size)| size.unwrap_or_else(|| default(index))).collect())
}

/// A name that is no dim of the rule.
fn unknown(signature: &Signature, name: &str, flag: &str) -> Failure {
    let dims = signature.dims.iter().map(|dim| format!("`{dim}`")).collect::<Vec<_>>().join(", ");
    let help = match nearest(name, signature.dims.iter().map(String::as_str)) {
        Some(known) if flag == "--dim" => format!("did you mean `{known}`? The dims of this rule are {dims}"),
        _ => format!("the dims of this rule are {dims}; `--dim NAME=SIZE` sets any of them"),
    };
    Failure::mistake(format!("rule `{}` has no dim `{name}`, which {flag} sets", signature.name), help)
}
