//! Global memory against a reference that keeps every access of a launch; blocks that race on threads; the host's side.

mod faults;
mod model;

use self::model::{Finding, Model};
use super::*;
use crate::check::Site;
use crate::memory::clock::Clocks;
use crate::memory::{Access, Order};
use proptest::prelude::*;

const BLOCKS: usize = 3;
const WARPS: u32 = 3;
const BYTES: u32 = 32;

#[derive(Clone, Copy, PartialEq, Debug)]
enum What {
    Load,
    Store,
    Atomic,
}

/// A step of a random program.
#[derive(Clone, Debug)]
enum Step {
    Access {
        block: usize,
        warp: u32,
        site: u32,
        what: What,
        order: Order,
        lanes: u32,
        size: u32,
        addresses: [u64; 4],
        values: [u32; 4],
    },
    Barrier {
        block: usize,
        warps: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![4 => Just(What::Load), 4 => Just(What::Store), 1 => Just(What::Atomic)];
    let order = prop_oneof![6 => Just(Order::Weak), 1 => Just(Order::Strong), 1 => Just(Order::Constant)];
    let size = prop_oneof![1 => Just(0u32), 3 => Just(1), 5 => Just(2), 2 => Just(3), 2 => Just(4)];
    let place =
        (0..3u32, any::<bool>(), 0..32u64, prop::array::uniform4(0..32u64), prop::array::uniform4(0..3u32));
    let access = (0..BLOCKS, 0..WARPS, 0..6u32, what, order, 1..16u32, size, place).prop_map(
        |(block, warp, site, what, order, lanes, size, place)| {
            let (shape, same, base, spread, values) = place;
            let size = if what == What::Atomic { size.clamp(1, 3) } else { size };
            let order = if what == What::Load || order != Order::Constant { order } else { Order::Weak };
            let count = u64::from(BYTES) >> size;
            let index = |lane: usize| match shape {
                0 => base + lane as u64,
                1 => base,
                _ => spread[lane],
            };
            let addresses = std::array::from_fn(|lane| (index(lane) % count) << size);
            let values = if same { [values[0]; 4] } else { values };
            Step::Access { block, warp, site, what, order, lanes, size, addresses, values }
        },
    );
    let barrier = (0..BLOCKS, prop_oneof![Just(7u32), 1..8u32]);
    prop_oneof![5 => access, 1 => barrier.prop_map(|(block, warps)| Step::Barrier { block, warps })]
}

/// Runs a program on both; steps that would fault are left out, but for the one of number
/// `fatal`, which ends it. Gives how many there are.
fn run(steps: &[Step], (written, alone): (bool, bool), fatal: Option<usize>) -> Result<usize, TestCaseError> {
    let mut memory = Global::new();
    let base = memory.alloc_named(BYTES.into(), 32, "x").unwrap_or_default();
    let mut model = Model::new(BLOCKS, WARPS as usize, BYTES as usize);
    if written {
        memory.fill(base, BYTES.into(), 9).unwrap_or_default();
        model.bytes.fill(Some(9));
    }
    let launch = memory.launch(Strictness::Lanes);
    let launch = if alone { launch.by_one_thread() } else { launch };
    let mut views: Vec<View> = (0..BLOCKS).map(|block| launch.view(block as u64)).collect();
    let mut clocks = vec![Clocks::new(32 * WARPS); BLOCKS];
    let mut faulty = 0;
    for step in steps {
        let (block, warp, site, what, order, lanes, size, addresses, values) = match *step {
            Step::Access { block, warp, site, what, order, lanes, size, addresses, values } => {
                (block, warp, site, what, order, lanes, size, addresses, values)
            }
            Step::Barrier { block, warps } => {
                let warps: Vec<u32> = (0..WARPS).filter(|warp| warps >> warp & 1 == 1).collect();
                warps.iter().for_each(|warp| clocks[block].arrive(0, *warp));
                clocks[block].release(0, &warps);
                model.barrier(block, &warps);
                continue;
            }
        };
        let (mut relative, mut data, mut out) = ([0; 32], [[0u32; 32]; 4], [[7; 32]; 4]);
        relative[..4].copy_from_slice(&addresses);
        let address = relative.map(|at| base + at);
        for (word, row) in data.iter_mut().enumerate() {
            for (cell, value) in row.iter_mut().zip(values) {
                *cell = 0x0101_0101 * (value + 1) + word as u32;
            }
        }
        let access =
            Access { warp, site: Site(site), mask: lanes, address: &relative, bytes: 1 << size, order };
        let findings = model.findings(block as u64, &access, &data, what);
        if !findings.is_empty() {
            faulty += 1;
            if fatal != Some(faulty) {
                continue;
            }
        }
        let real = Access { address: &address, ..access };
        let (view, clocks) = (&mut views[block], &clocks[block]);
        let result = match what {
            What::Load => view.load(clocks, &real, &mut out),
            What::Store => view.store(clocks, &real, &data),
            What::Atomic => view.atomic(clocks, &real, &mut |_, old| old.wrapping_mul(3) + 1, &mut out),
        };
        match result {
            Ok(_) => {
                prop_assert!(findings.is_empty(), "missed {findings:?}");
                let expected = model.apply(block as u64, &access, &data, what);
                if what != What::Store {
                    prop_assert_eq!(out, expected);
                }
            }
            Err(fault) => {
                let found = Finding::of(&fault);
                let matches = findings.iter().any(|finding| finding.is_met_by(&found));
                prop_assert!(matches, "{found:?} ({fault:?}) is none of {findings:?}");
                break;
            }
        }
    }
    Ok(faulty)
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(400), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_launches_are_judged_as_by_the_reference(
        steps in prop::collection::vec(step(), 1..100), written: bool, alone: bool,
    ) {
        // Once without faults, and once up to each of them.
        let faulty = run(&steps, (written, alone), None)?;
        for fatal in 1..=faulty {
            run(&steps, (written, alone), Some(fatal))?;
        }
    }
}
