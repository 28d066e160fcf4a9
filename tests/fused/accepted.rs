//! Which rules of the catalogue have fused kernels, as a golden list: `INSTA_UPDATE=always cargo test --test fused` renews it.
//! A rule that is lost, and a size that no longer fits, changes it.

use crate::case::{Case, rules};
use chunkwise::{Arch, Rule};
use chunkwise_codegen::{DType, Plan, Precision};
use rayon::prelude::*;
use std::sync::Arc;

/// What takes the most room in one number, in two, and in f32.
const KINDS: [(DType, Precision); 3] =
    [(DType::BF16, Precision::Fast), (DType::BF16, Precision::High), (DType::F32, Precision::Fast)];

/// Sizes of the key dim and the others: models' usual one, the largest, and each alone the largest.
const SIZES: [(usize, usize); 4] = [(128, 128), (256, 256), (256, 64), (64, 256)];

/// What rules of no catalogue are asked for.
const OF_OTHERS: [(DType, Precision, usize); 4] = [
    (DType::BF16, Precision::Fast, 128),
    (DType::BF16, Precision::Fast, 256),
    (DType::BF16, Precision::High, 128),
    (DType::F32, Precision::Fast, 256),
];

/// The least shared memory, more, and the most: what the least suffices for, the others do as well.
const ARCHS: [Arch; 3] = [Arch::Sm86, Arch::Sm80, Arch::Sm90];

/// A rule's kernels that are asked for: the segmented plan has those of the fused one.
fn asked(rule: &Arc<Rule>) -> Vec<Case> {
    let case = |plan, (dtype, precision), (first, others)| {
        let sizes = (0..rule.signature.dims.len()).map(|dim| if dim == 0 { first } else { others }).collect();
        Case { plan, precision, ..Case::new(rule.clone(), dtype, sizes) }
    };
    if !case(Plan::Fused, KINDS[0], SIZES[0]).is_in_catalogue() {
        return OF_OTHERS
            .map(|(dtype, precision, size)| case(Plan::Fused, (dtype, precision), (size, size)))
            .to_vec();
    }
    let kinds = [Plan::Fused, Plan::Split].into_iter().flat_map(|plan| KINDS.map(|kind| (plan, kind)));
    kinds.flat_map(|(plan, kind)| SIZES.map(|sizes| case(plan, kind, sizes))).collect()
}

/// `; not f32 256 x 64 on sm_86, sm_80`, where it is refused there.
fn refused(case: &Case) -> String {
    let missing: Vec<&str> =
        ARCHS.into_iter().take_while(|arch| case.schedule(*arch).is_err()).map(Arch::name).collect();
    if missing.is_empty() {
        return String::new();
    }
    let plan = if case.plan == Plan::Split { "split " } else { "" };
    let precision = if case.precision == Precision::High { " high" } else { "" };
    let sizes: Vec<String> = case.sizes.iter().map(usize::to_string).collect();
    let places = match missing.len() == ARCHS.len() {
        true => "anywhere".to_owned(),
        false => format!("on {}", missing.join(", ")),
    };
    format!("; not {plan}{}{precision} {} {places}", case.dtype, sizes.join(" x "))
}

/// The rule's line.
fn line(rule: &Arc<Rule>) -> String {
    let name = &rule.signature.name;
    let case = Case::new(rule.clone(), DType::BF16, vec![16; rule.signature.dims.len()]);
    match case.kernel(Arch::Sm80) {
        Err(why) => format!("{name}: {why}\n"),
        Ok(_) => format!("{name}{}\n", asked(rule).iter().map(refused).collect::<String>()),
    }
}

#[test]
fn rules_with_fused_kernels() {
    let list = rules().par_iter().map(line).collect::<Vec<_>>().concat();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("accepted", list);
    });
}
