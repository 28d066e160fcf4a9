//! Which rules of the catalogue have fused kernels, as a golden list: `INSTA_UPDATE=always cargo test --test fused` renews it.
//! A rule that is lost, and a size that no longer fits, changes it.

use crate::case::{Case, rules};
use chunkwise::Arch;
use chunkwise_codegen::{DType, Precision};
use std::fmt::Write;

/// What is asked for of each rule: models' usual sizes, and what takes the most room.
const ASKED: [(DType, Precision, usize); 4] = [
    (DType::BF16, Precision::Fast, 128),
    (DType::BF16, Precision::Fast, 256),
    (DType::BF16, Precision::High, 128),
    (DType::F32, Precision::Fast, 256),
];

/// The least shared memory, and more.
const ARCHS: [Arch; 2] = [Arch::Sm86, Arch::Sm80];

#[test]
fn rules_with_fused_kernels() {
    let mut list = String::new();
    for rule in rules() {
        let name = &rule.signature.name;
        let case = |dtype, precision, size| {
            let sizes = vec![size; rule.signature.dims.len()];
            Case { precision, ..Case::new(rule.clone(), dtype, sizes) }
        };
        if let Err(why) = case(DType::BF16, Precision::Fast, 16).kernel(Arch::Sm80) {
            writeln!(list, "{name}: {why}").unwrap();
            continue;
        }
        let mut missing = String::new();
        for (dtype, precision, size) in ASKED {
            for arch in ARCHS.into_iter().filter(|a| case(dtype, precision, size).kernel(*a).is_err()) {
                let precision = if precision == Precision::High { " high" } else { "" };
                write!(missing, "; not {dtype}{precision} {size} on {arch}").unwrap();
            }
        }
        writeln!(list, "{name}{missing}").unwrap();
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("accepted", list);
    });
}
