//! Every kernel at several sizes.

use crate::cases::{
    atomics, attention, calls, diverge, gemm, memory, pipeline, scan, softmax, transpose, warp,
};
use crate::harness::check;
use crate::random::seed;

#[test]
fn products_of_any_size() {
    for kind in [gemm::BF16, gemm::F16, gemm::F16_SMALL, gemm::TF32, gemm::CONFLICTS] {
        for (m, n, k) in [(64, 64, 64), (1, 1, 1), (5, 7, 3), (64, 128, 33), (100, 70, 90), (65, 129, 200)] {
            check(&gemm::case(&kind, m, n, k, seed()));
        }
    }
}

#[test]
fn attention_with_scores_that_stay_in_registers() {
    for length in [1, 32, 64, 100, 200] {
        check(&attention::case(length, seed()));
    }
}

#[test]
fn softmax_by_warps_and_by_blocks() {
    for (rows, columns) in [(1, 1), (2, 32), (5, 33), (3, 300), (2, 1000)] {
        check(&softmax::by_warp(rows, columns, seed()));
        check(&softmax::by_block(rows, columns, seed()));
    }
}

#[test]
fn segmented_scans() {
    for n in [1, 31, 128, 129, 1000] {
        check(&scan::segmented(n, seed()));
    }
}

#[test]
fn atomics_in_any_order() {
    for (n, blocks) in [(1, 1), (100, 1), (1000, 3), (3000, 8)] {
        check(&atomics::histogram(n, blocks, seed()));
        check(&atomics::extremes(n, blocks, seed()));
        check(&atomics::last_block(n, blocks, seed()));
    }
}

#[test]
fn transposition() {
    for (rows, columns) in [(1, 1), (32, 32), (40, 7), (100, 65)] {
        check(&transpose::case("transpose_padded", rows, columns, seed()));
        check(&transpose::case("transpose_conflicts", rows, columns, seed()));
    }
}

#[test]
fn producers_and_consumers() {
    for rows in [1, 2, 3, 8, 101] {
        check(&pipeline::case(rows, seed()));
    }
}

#[test]
fn what_lanes_tell_each_other() {
    for blocks in [1, 2, 7] {
        check(&warp::collectives(blocks, seed()));
        check(&warp::halves(blocks, seed()));
        check(&warp::block_votes(blocks, seed()));
    }
}

#[test]
fn lanes_that_go_their_own_ways() {
    for n in [1, 64, 500] {
        check(&diverge::collatz(n, seed()));
    }
    for (n, steps) in [(32, 0), (32, 40), (256, 100)] {
        check(&diverge::interpret(n, steps, seed()));
    }
    for turns in [1, 9] {
        check(&diverge::meet(turns, seed()));
    }
}

#[test]
fn addresses_of_every_sort() {
    for n in [1, 32, 200] {
        check(&memory::index64(n, seed()));
        check(&memory::sort16(n, seed()));
        check(&memory::tables(n, seed()));
    }
    // From nothing to all that sm_80 has: 163 KB.
    for words in [4, 1000, 12_292, 41_728] {
        check(&memory::reverse(2, words, seed()));
    }
}

#[test]
fn functions_that_are_called() {
    for n in [1, 64, 100] {
        check(&calls::case(n, seed()));
    }
}

/// FNV-1a (Fowler, Noll, Vo).
fn fnv(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xCBF2_9CE4_8422_2325, |value, byte| (value ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3))
}

#[test]
fn no_ptx_is_older_than_its_source() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels");
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of this file") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "cu") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let source = std::fs::read(&path).expect("a source");
            let text = std::fs::read_to_string(path.with_extension("ptx")).expect("its PTX");
            let first = format!("// of {name}, whose FNV-1a is {:016x}", fnv(&source));
            assert_eq!(text.lines().next(), Some(first.as_str()), "{name} changed: run compile.py");
            found += 1;
        }
    }
    assert!(found >= 11, "only {found} sources");
}
