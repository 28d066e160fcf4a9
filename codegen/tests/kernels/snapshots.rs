//! Whole texts of kernels, one a rule, at sizes that the rule is used with (and some that leave padding). The real
//! compiler takes each of these files in `runtime/tests/kernels.rs`. `INSTA_UPDATE=always` blesses them anew.

use chunkwise_codegen::schedule::Extent;
use chunkwise_codegen::{DType, Role};

/// Rule, size of the other dims, size of `V`, dtype.
const KERNELS: [(&str, usize, usize, DType); 15] = [
    ("linear_attention", 64, 64, DType::F32),
    ("normalised", 64, 64, DType::BF16),
    ("retnet", 256, 256, DType::BF16),
    ("mamba2", 128, 64, DType::BF16),
    ("gla", 128, 256, DType::BF16),
    ("rwkv6", 64, 64, DType::BF16),
    ("delta", 128, 128, DType::F16),
    ("gated_delta", 128, 128, DType::BF16),
    ("kda", 128, 128, DType::BF16),
    ("rwkv7", 64, 64, DType::BF16),
    ("gated_delta_product", 128, 128, DType::BF16),
    ("momentum", 100, 100, DType::BF16),
    ("two_sided", 63, 65, DType::F32),
    ("hgrn", 200, 200, DType::BF16),
    ("normed_feedback", 72, 100, DType::F16),
];

#[test]
fn texts() {
    for (name, k, v, dtype) in KERNELS {
        let kernel = crate::kernel(&crate::rule(name), k, v, dtype);
        insta::assert_snapshot!(format!("{name}_{k}x{v}_{dtype}"), kernel.source);
    }
}

#[test]
fn the_text_of_a_rule_is_always_the_same() {
    let rule = crate::rule("gated_delta");
    let first = crate::kernel(&rule, 128, 128, DType::BF16);
    assert_eq!(first, crate::kernel(&crate::rule("gated_delta"), 128, 128, DType::BF16));
}

/// Counted where the text is regular: loops over registers, exchanges between lanes, barriers.
#[test]
fn structure() {
    let count = |name: &str, word: &str| {
        crate::kernel(&crate::rule(name), 64, 64, DType::BF16).source.matches(word).count()
    };
    // One exchange a read; the delta rule also takes two norms.
    assert_eq!(count("linear_attention", " = sum_lanes<"), 1);
    assert_eq!(count("gated_delta", " = sum_lanes<"), 2);
    assert_eq!(count("delta", " = sum_lanes<"), 4);
    assert_eq!(count("gated_delta_product", " = sum_lanes<"), 4);
    // One pass over the state an event: decay, write.
    assert_eq!(count("gated_delta", "s[i][j] *= "), 1);
    assert_eq!(count("gated_delta", "s[i][j] = fmaf("), 1);
    assert_eq!(count("gated_delta_product", "s[i][j] = fmaf("), 3);
    // Strips of columns are on their own, unless an expression sums over them.
    assert_eq!(count("gated_delta", "__syncthreads"), 0);
    assert_eq!(count("normed_feedback", " = sum_block<"), 3);
    // What is constant in time is computed once: two loads and the exponential of mamba's rate, above the loop.
    let mamba = crate::kernel(&crate::rule("mamba2"), 64, 64, DType::BF16).source;
    let (before, inside) = mamba.split_once("for (i64 t").unwrap();
    assert!(before.contains("expf(a)") && !inside.contains("expf(a)"));
}

#[test]
fn arguments_come_in_the_order_of_the_table() {
    let kernel = crate::kernel(&crate::rule("mamba2"), 128, 64, DType::BF16);
    let names: Vec<&str> = kernel.arguments.iter().map(|argument| argument.name.as_str()).collect();
    let tensors = ["x", "b", "c", "dt", "bias", "a", "d"];
    let pointers = [&tensors[..], &["s0", "o", "s", "cu_seqlens"]].concat();
    assert_eq!(names[..pointers.len()], pointers);
    assert!(kernel.arguments[..pointers.len()].iter().all(|argument| argument.is_pointer()));
    let strides: Vec<String> = tensors.iter().map(|name| format!("{name}_strides")).collect();
    assert_eq!(names[pointers.len()..pointers.len() + 2], ["tokens", "heads"]);
    assert_eq!(names[pointers.len() + 2..], strides);
    let optional: Vec<&str> = kernel
        .arguments
        .iter()
        .filter(|argument| argument.is_optional())
        .map(|argument| argument.name.as_str())
        .collect();
    assert_eq!(optional, ["s0", "s", "cu_seqlens"]);
    // Token vectors have the kernel's dtype; scalars, what is constant in time and states are f32.
    for argument in &kernel.arguments {
        let expected = match argument.name.as_str() {
            "x" | "b" | "c" | "o" => Some(DType::BF16),
            _ if argument.is_pointer() && argument.role != Role::CuSeqlens => Some(DType::F32),
            _ => None,
        };
        assert_eq!(argument.dtype, expected, "{}", argument.name);
    }
}

#[test]
fn decays_are_f32_in_every_dtype() {
    for (name, decay) in [("gla", "g"), ("kda", "g"), ("rwkv7", "w"), ("two_sided", "alpha"), ("hgrn", "f")] {
        let kernel = crate::kernel(&crate::rule(name), 64, 64, DType::F16);
        let argument = kernel.arguments.iter().find(|argument| argument.name == decay).unwrap();
        assert_eq!(argument.dtype, Some(DType::F32), "{name}");
    }
}

#[test]
fn grids_are_counted_and_bounded() {
    let kernel = crate::kernel(&crate::rule("gated_delta"), 128, 128, DType::BF16);
    let grid = |sequences, heads| kernel.grid(&Extent { sequences, tokens: 0, heads, piece: 0 });
    assert_eq!(grid(3, 5), Some(15 * kernel.blocks_per_head));
    assert_eq!(grid(0, 5), Some(0));
    assert_eq!(grid(1 << 20, 1 << 11), None);
    assert_eq!(grid(usize::MAX, 2), None);
}
