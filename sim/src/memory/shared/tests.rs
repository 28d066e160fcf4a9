//! Shared memory against a reference that keeps every access ever made, with one vector clock a thread; and a case for every
//! fault.

mod faults;
mod model;

use self::model::{Finding, Model, Touch};
use super::*;
use crate::check::{Party, Site};
use crate::memory::Order;
use proptest::prelude::*;

const WARPS: u32 = 3;
const BYTES: u32 = 16;
/// The lanes that take part: enough for any pattern among lanes.
const LANES: [u32; 4] = [0, 1, 17, 31];

/// A step of a random program.
#[derive(Clone, Debug)]
enum Step {
    Access { warp: u32, site: u32, what: What, lanes: u32, size: u32, addresses: [u64; 4], values: [u32; 4] },
    WarpSync { warp: u32, lanes: u32 },
    Arrive { barrier: u32, warp: u32 },
    Barrier { barrier: u32, warps: u32 },
    Commit { warp: u32, lanes: u32 },
    Wait { warp: u32, lanes: u32, newest: Option<u32> },
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum What {
    Load(Order),
    Store(Order),
    Atomic,
    Copy,
}

fn lanes_mask(lanes: u32) -> u32 {
    (0..4).filter(|i| lanes >> i & 1 == 1).fold(0, |mask, i| mask | 1 << LANES[i])
}

/// One warp does more than the others, so that its lanes meet each other.
fn a_warp() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![1 => Just(0), 1 => 0..WARPS]
}

fn access_step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        8 => Just(What::Load(Order::Weak)),
        8 => Just(What::Store(Order::Weak)),
        1 => Just(What::Load(Order::Strong)),
        1 => Just(What::Store(Order::Strong)),
        2 => Just(What::Atomic),
        1 => Just(What::Copy),
    ];
    let size = prop_oneof![2 => Just(0u32), 3 => Just(1), 6 => Just(2), 2 => Just(3), 2 => Just(4)];
    let shape =
        (0..3u32, any::<bool>(), 0..32u64, prop::array::uniform4(0..32u64), prop::array::uniform4(0..3u32));
    let lanes = prop_oneof![2 => 1..16u32, 1 => (0..4u32).prop_map(|lane| 1 << lane)];
    (a_warp(), 0..6u32, what, lanes, size, shape).prop_map(|(warp, site, what, lanes, size, shape)| {
        let (shape, same, base, spread, values) = shape;
        let size = match what {
            What::Atomic => size.clamp(1, 3),
            What::Copy => size.max(2),
            _ => size,
        };
        let count = u64::from(BYTES) >> size;
        let index = |lane: usize| match shape {
            0 => base + lane as u64,
            1 => base,
            _ => spread[lane],
        };
        let addresses = std::array::from_fn(|lane| (index(lane) % count) << size);
        let values = if same { [values[0]; 4] } else { values };
        Step::Access { warp, site, what, lanes, size, addresses, values }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let some = prop_oneof![2 => Just(15u32), 1 => 1..16u32];
    let newest = prop_oneof![1 => (0..3u32).prop_map(Some), 2 => Just(None)];
    prop_oneof![
        12 => access_step(),
        2 => (a_warp(), some.clone()).prop_map(|(warp, lanes)| Step::WarpSync { warp, lanes }),
        1 => (0..2u32, 0..WARPS).prop_map(|(barrier, warp)| Step::Arrive { barrier, warp }),
        3 => (0..2u32, prop_oneof![3 => Just(7u32), 1 => 1..8u32])
            .prop_map(|(barrier, warps)| Step::Barrier { barrier, warps }),
        1 => (0..WARPS, some.clone()).prop_map(|(warp, lanes)| Step::Commit { warp, lanes }),
        2 => (0..WARPS, some, newest).prop_map(|(warp, lanes, newest)| Step::Wait { warp, lanes, newest }),
    ]
}

/// Both, side by side.
struct Pair {
    clocks: Clocks,
    shared: Shared,
    model: Model,
    /// Whether two lanes of one copy wrote the same bytes.
    doubled: bool,
}

impl Pair {
    fn new(strictness: Strictness) -> Pair {
        Pair {
            clocks: Clocks::new(32 * WARPS),
            shared: Shared::new(BYTES, 5, strictness),
            model: Model::new(WARPS, BYTES, strictness),
            doubled: false,
        }
    }

    /// Does a step. One that would fault is judged on a copy, and left out.
    fn run(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Access { warp, site, what, lanes, size, addresses, values } => {
                return self.access(warp, Site(site), what, lanes, size, addresses, values);
            }
            Step::WarpSync { warp, lanes } => {
                // A sync of all four lanes of the test is one of the whole warp: the others do nothing.
                let mask = if lanes == 15 { u32::MAX } else { lanes_mask(lanes) };
                self.clocks.warp_sync(warp, mask);
                self.model.warp_sync(warp, mask);
            }
            Step::Arrive { barrier, warp } => {
                self.clocks.arrive(barrier, warp);
                self.model.arrive(barrier, warp);
            }
            Step::Barrier { barrier, warps } => {
                let warps: Vec<u32> = (0..WARPS).filter(|warp| warps >> warp & 1 == 1).collect();
                for &warp in &warps {
                    self.clocks.arrive(barrier, warp);
                    self.model.arrive(barrier, warp);
                }
                self.clocks.release(barrier, &warps);
                self.model.release(barrier, &warps);
            }
            Step::Commit { warp, lanes } => {
                self.shared.commit(warp, lanes_mask(lanes));
                self.model.commit(warp, lanes_mask(lanes));
            }
            Step::Wait { warp, lanes, newest } => {
                // Lanes that copied the same bytes wait together: see `shared`.
                let (lanes, newest) = if self.doubled { (15, None) } else { (lanes, newest) };
                let mask = lanes_mask(lanes);
                match newest {
                    Some(newest) => self.shared.wait(&self.clocks, warp, mask, newest),
                    None => self.shared.wait_all(&self.clocks, warp, mask),
                }
                self.model.wait(warp, mask, newest);
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one step")]
    fn access(
        &mut self,
        warp: u32,
        site: Site,
        what: What,
        lanes: u32,
        size: u32,
        addresses: [u64; 4],
        values: [u32; 4],
    ) -> Result<(), TestCaseError> {
        let (mut address, mut data, mut out) = ([0; 32], [[0u32; 32]; 4], [[7; 32]; 4]);
        for (i, &lane) in LANES.iter().enumerate() {
            address[lane as usize] = addresses[i];
            for (word, row) in data.iter_mut().enumerate() {
                row[lane as usize] = 0x0101_0101 * (values[i] + 1) + word as u32;
            }
        }
        let order = if let What::Load(order) | What::Store(order) = what { order } else { Order::Weak };
        let access =
            Access { warp, site, mask: lanes_mask(lanes), address: &address, bytes: 1 << size, order };
        let touch = Touch { access, data: &data, what };
        let findings = self.model.findings(&touch);
        let mut scratch = if findings.is_empty() { None } else { Some(self.shared.clone()) };
        let (shared, clocks) = (scratch.as_mut().unwrap_or(&mut self.shared), &self.clocks);
        let result = match what {
            What::Load(_) => shared.load(clocks, &access, &mut out),
            What::Store(_) => shared.store(clocks, &access, &data),
            What::Copy => shared.copy(clocks, &access, &data),
            What::Atomic => shared.atomic(clocks, &access, &mut |_, old| old.wrapping_mul(3) + 1, &mut out),
        };
        match result {
            Ok(_) => {
                prop_assert!(findings.is_empty(), "missed {findings:?}");
                let expected = self.model.apply(&touch);
                let used = || (0..4).filter(|i| lanes >> i & 1 == 1).map(|i| addresses[i]);
                self.doubled |= what == What::Copy && used().any(|a| used().filter(|b| *b == a).count() > 1);
                if matches!(what, What::Load(_) | What::Atomic) {
                    prop_assert_eq!(out, expected);
                }
            }
            Err(fault) => {
                let found = Finding::of(&fault);
                let matches = findings.iter().any(|finding| finding.is_met_by(&found));
                prop_assert!(matches, "{found:?} is none of {findings:?}");
            }
        }
        Ok(())
    }
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(1500), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_programs_are_judged_as_by_the_reference(
        steps in prop::collection::vec(step(), 1..120), by_lane: bool,
    ) {
        let mut pair = Pair::new(if by_lane { Strictness::Lanes } else { Strictness::Warps });
        for step in &steps {
            pair.run(step)?;
        }
    }
}
