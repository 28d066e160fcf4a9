//! Counts against counts by hand.

use crate::cases::{gemm, pipeline, softmax, transpose};
use crate::harness::check;
use crate::random::seed;

#[test]
fn work_of_products() {
    for kind in [gemm::BF16, gemm::F16, gemm::F16_SMALL, gemm::TF32, gemm::CONFLICTS] {
        for (m, n, k) in [(64, 64, 32), (128, 64, 128), (100, 70, 90)] {
            let (report, work) = (check(&gemm::case(&kind, m, n, k, seed())), gemm::work(&kind, m, n, k));
            let (total, what) = (report.total, format!("{} {m} x {n} x {k}", kind.kernel));
            assert_eq!(total.tensor_flops, work.tensor_flops, "tensor flops of {what}");
            assert_eq!(total.global_load_bytes, work.load_bytes, "bytes loaded by {what}");
            assert_eq!(total.global_store_bytes, work.store_bytes, "bytes stored by {what}");
            assert_eq!(total.barriers, work.barriers, "barriers of {what}");
            assert_eq!(total.conflicts, work.conflicts, "bank conflicts of {what}");
            assert_eq!(total.local, 0, "{what} has no local memory");
        }
    }
}

#[test]
fn sectors_of_a_transpose() {
    // Every row of 32 floats is 4 sectors, in both directions; 64 x 96 is 6 tiles of 32 rows.
    let total = check(&transpose::case("transpose_padded", 64, 96, seed())).total;
    assert_eq!((total.load_sectors, total.store_sectors), (6 * 32 * 4, 6 * 32 * 4));
    assert_eq!((total.global_load_bytes, total.global_store_bytes), (64 * 96 * 4, 64 * 96 * 4));
    assert_eq!((total.shared, total.wavefronts, total.conflicts), (6 * 64, 6 * 64, 0));
    // Without the padding a column lies in one bank: 32 passes for each of 32 loads a tile.
    let total = check(&transpose::case("transpose_conflicts", 64, 96, seed())).total;
    assert_eq!((total.shared, total.conflicts), (6 * 64, 6 * 32 * 31));
}

#[test]
fn exchanges_and_special_functions() {
    // Five steps for the maximum and five for the sum, by row; an exponential for the sum and one for the result.
    let total = check(&softmax::by_warp(4, 64, seed())).total;
    assert_eq!(total.exchanges, 4 * 10);
    assert_eq!(total.lane_special, 4 * 64 * 2);
    assert_eq!((total.shared, total.barriers), (0, 0));
}

#[test]
fn named_barriers() {
    // 8 rows: each of 3 warps takes part in 8 rounds of FULL, and in 6 of EMPTY.
    let total = check(&pipeline::case(8, seed())).total;
    assert_eq!(total.barriers, 3 * (8 + 6));
}
