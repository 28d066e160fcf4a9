//! A case for every fault of shared memory, with the other party it names.

use super::*;

/// A block of 64 threads and 256 bytes, with short ways to do things.
struct Bench {
    clocks: Clocks,
    shared: Shared,
}

type Verdict = Result<Traffic, Fault>;

impl Bench {
    fn new() -> Bench {
        Bench { clocks: Clocks::new(64), shared: Shared::new(256, 7, Strictness::Lanes) }
    }

    fn access(warp: u32, site: u32, mask: u32, bytes: u32, address: &[u64; 32]) -> Access<'_> {
        Access { warp, site: Site(site), mask, address, bytes, order: Order::Weak }
    }

    fn store(&mut self, warp: u32, site: u32, mask: u32, at: u64) -> Verdict {
        self.shared.store(&self.clocks, &Bench::access(warp, site, mask, 4, &row(at)), &[[1; 32]; 4])
    }

    fn load(&mut self, warp: u32, site: u32, mask: u32, at: u64) -> Verdict {
        self.shared.load(&self.clocks, &Bench::access(warp, site, mask, 4, &row(at)), &mut [[0; 32]; 4])
    }

    fn copy(&mut self, warp: u32, site: u32, mask: u32, at: u64) -> Verdict {
        self.shared.copy(&self.clocks, &Bench::access(warp, site, mask, 4, &row(at)), &[[5; 32]; 4])
    }

    fn barrier(&mut self) {
        self.clocks.arrive(0, 0);
        self.clocks.arrive(0, 1);
        self.clocks.release(0, &[0, 1]);
    }
}

/// Lane by lane, one word behind the other.
fn row(at: u64) -> [u64; 32] {
    std::array::from_fn(|lane| at + 4 * lane as u64)
}

fn other(warp: u32, lane: u32, site: u32, wrote: bool) -> Other {
    Some((Party { block: 7, warp, lane, site: Site(site) }, wrote))
}

/// What is wrong, for which lane, and who else was there.
type Told = Option<(Wrong, u32, Other)>;

type Other = Option<(Party, bool)>;

fn told(verdict: Verdict) -> Told {
    verdict.err().map(|fault| (fault.wrong, fault.lane, fault.other))
}

#[test]
fn outside_and_misaligned() {
    let mut bench = Bench::new();
    for (at, bytes, wrong, lane) in [
        (256, 4, Wrong::OutOfBounds, 0),
        (136, 4, Wrong::OutOfBounds, 30),
        (u64::MAX - 3, 4, Wrong::OutOfBounds, 0),
        (2, 4, Wrong::Misaligned, 0),
        (4, 8, Wrong::Misaligned, 0),
        (8, 16, Wrong::Misaligned, 0),
    ] {
        let address = std::array::from_fn(|lane| u64::wrapping_add(at, u64::from(bytes) * lane as u64));
        let access = Bench::access(0, 0, u32::MAX, bytes, &address);
        let stored = bench.shared.store(&bench.clocks, &access, &[[0; 32]; 4]);
        let copied = bench.shared.copy(&bench.clocks, &access, &[[0; 32]; 4]);
        let loaded = bench.shared.load(&bench.clocks, &access, &mut [[0; 32]; 4]);
        for verdict in [stored, copied, loaded] {
            assert_eq!(told(verdict), Some((wrong, lane, None)), "{bytes} bytes at {at:#x}");
        }
    }
    let none = Bench::access(0, 0, 0, 4, &[999; 32]);
    assert!(bench.shared.load(&bench.clocks, &none, &mut [[0; 32]; 4]).is_ok(), "no lane, no fault");
    let mut empty = Shared::new(0, 0, Strictness::Lanes);
    assert!(empty.load(&bench.clocks, &Bench::access(0, 0, 1, 1, &[0; 32]), &mut [[0; 32]; 4]).is_err());
}

#[test]
fn what_nobody_wrote() {
    let mut bench = Bench::new();
    assert!(bench.store(0, 1, 0xf, 0).is_ok());
    assert_eq!(told(bench.load(0, 2, 0x1f, 0)), Some((Wrong::Uninitialised, 4, None)));
    bench.shared.reset(7);
    bench.clocks.reset();
    assert_eq!(told(bench.load(0, 2, 1, 0)), Some((Wrong::Uninitialised, 0, None)));
    let update = &mut |_: usize, old| old + 1;
    let atomic = Bench::access(0, 3, 1, 4, &[0; 32]);
    let verdict = bench.shared.atomic(&bench.clocks, &atomic, update, &mut [[0; 32]; 4]);
    assert_eq!(told(verdict), Some((Wrong::Uninitialised, 0, None)));
}

#[test]
fn races_of_warps() {
    let mut bench = Bench::new();
    assert!(bench.store(0, 10, u32::MAX, 0).is_ok());
    assert_eq!(told(bench.load(1, 11, 1 << 3, 0)), Some((Wrong::Race, 3, other(0, 3, 10, true))));
    assert_eq!(told(bench.store(1, 12, 1 << 5, 0)), Some((Wrong::Race, 5, other(0, 5, 10, true))));
    bench.barrier();
    assert!(bench.load(1, 11, u32::MAX, 0).is_ok());
    assert_eq!(told(bench.store(0, 13, 1 << 9, 0)), Some((Wrong::Race, 9, other(1, 9, 11, false))));
    bench.barrier();
    assert!(bench.store(0, 13, u32::MAX, 0).is_ok());
}

#[test]
fn the_writer_is_named_among_several_readers() {
    let mut bench = Bench::new();
    assert!(bench.store(0, 1, 1, 0).is_ok());
    bench.barrier();
    assert!(bench.load(0, 2, 1, 0).is_ok() && bench.load(1, 3, 1, 0).is_ok());
    assert_eq!(told(bench.store(0, 4, 1, 0)), Some((Wrong::Race, 0, other(1, 0, 3, false))));
    assert_eq!(told(bench.store(1, 4, 1, 0)), Some((Wrong::Race, 0, other(0, 0, 2, false))));
}

#[test]
fn races_of_lanes_need_a_warp_sync() {
    let mut bench = Bench::new();
    let neighbour: [u64; 32] = std::array::from_fn(|lane| 4 * (lane as u64 ^ 1));
    let mut swapped = |sync: bool| {
        bench.barrier();
        assert!(bench.store(0, 1, u32::MAX, 0).is_ok());
        if sync {
            bench.clocks.warp_sync(0, u32::MAX);
        }
        let access = Bench::access(0, 2, u32::MAX, 4, &neighbour);
        told(bench.shared.load(&bench.clocks, &access, &mut [[0; 32]; 4]))
    };
    assert_eq!(swapped(false), Some((Wrong::Race, 0, other(0, 1, 1, true))));
    assert_eq!(swapped(true), None);
}

#[test]
fn lanes_of_one_store_agree_or_race() {
    let mut bench = Bench::new();
    let access = Bench::access(0, 1, 0b111, 4, &[8; 32]);
    let mut data = [[3; 32]; 4];
    assert!(bench.shared.store(&bench.clocks, &access, &data).is_ok());
    bench.barrier();
    data[0][2] = 4;
    let verdict = bench.shared.store(&bench.clocks, &access, &data);
    assert_eq!(told(verdict), Some((Wrong::Race, 2, other(0, 0, 1, true))));
    let halves = Bench::access(0, 1, 0b110, 2, &[8; 32]);
    bench.barrier();
    let verdict = bench.shared.store(&bench.clocks, &halves, &data);
    assert_eq!(told(verdict), Some((Wrong::Race, 2, other(0, 1, 1, true))));
}

#[test]
fn warps_may_repeat_a_store_and_nothing_else() {
    let mut bench = Bench::new();
    assert!(bench.store(0, 1, 1, 0).is_ok());
    assert!(bench.store(1, 1, 1, 0).is_ok(), "the same instruction, the same value");
    assert_eq!(told(bench.store(1, 2, 1, 0)), Some((Wrong::Race, 0, other(0, 0, 1, true))));
    let access = Bench::access(1, 1, 1, 4, &[0; 32]);
    let verdict = bench.shared.store(&bench.clocks, &access, &[[2; 32]; 4]);
    assert_eq!(told(verdict), Some((Wrong::Race, 0, other(0, 0, 1, true))), "another value");
}

#[test]
fn atomics_meet_atomics_only() {
    let mut bench = Bench::new();
    assert!(bench.store(0, 1, 1, 0).is_ok());
    bench.barrier();
    let mut old = [[0; 32]; 4];
    for warp in 0..2 {
        let access = Bench::access(warp, 2, u32::MAX, 4, &[0; 32]);
        let add = &mut |_: usize, old| old + 1;
        assert!(bench.shared.atomic(&bench.clocks, &access, add, &mut old).is_ok());
    }
    assert_eq!((old[0][0], old[0][31]), (33, 64), "lanes in order, warps in order");
    assert_eq!(told(bench.load(0, 3, 1, 0)), Some((Wrong::Race, 0, other(1, 0, 2, true))));
    bench.barrier();
    assert!(bench.load(0, 3, 1, 0).is_ok());
    let wide = Bench::access(0, 4, 1, 8, &[64; 32]);
    assert!(bench.shared.store(&bench.clocks, &wide, &[[u32::MAX; 32]; 4]).is_ok());
    bench.barrier();
    let add = &mut |_: usize, old: u64| old.wrapping_add(1);
    assert!(bench.shared.atomic(&bench.clocks, &wide, add, &mut old).is_ok());
    assert!(bench.shared.load(&bench.clocks, &wide, &mut old).is_ok());
    assert_eq!((old[0][0], old[1][0]), (0, 0), "64 bits carry over");
}

#[test]
fn copies_in_flight() {
    let mut bench = Bench::new();
    assert!(bench.copy(0, 1, 0b11, 0).is_ok());
    let flying = |lane| Some((Wrong::CopyInFlight, lane, other(0, lane, 1, true)));
    let uncommitted = bench.load(0, 2, 0b10, 0).err().map(|fault| fault.detail).unwrap_or_default();
    assert!(uncommitted.contains("commit_group"), "{uncommitted}");
    bench.shared.wait(&bench.clocks, 0, u32::MAX, 0);
    assert_eq!(told(bench.load(0, 2, 0b10, 0)), flying(1), "wait_group leaves what is not committed");
    bench.shared.commit(0, u32::MAX);
    assert!(bench.copy(0, 3, 0b11, 64).is_ok());
    bench.shared.commit(0, u32::MAX);
    bench.shared.wait(&bench.clocks, 0, 0b01, 1);
    assert_eq!(told(bench.load(0, 2, 0b11, 0)), flying(1), "lane 1 has not waited");
    bench.shared.wait(&bench.clocks, 0, u32::MAX, 1);
    assert!(bench.load(0, 2, 0b11, 0).is_ok());
    assert_eq!(told(bench.load(1, 2, 0b01, 0)), Some((Wrong::Race, 0, other(0, 0, 1, true))));
    assert_eq!(told(bench.store(0, 4, 0b01, 64)).map(|(wrong, ..)| wrong), Some(Wrong::CopyInFlight));
    bench.shared.wait_all(&bench.clocks, 0, u32::MAX);
    bench.barrier();
    assert!(bench.load(1, 2, 0b11, 0).is_ok() && bench.load(1, 2, 0b11, 64).is_ok());
    assert_eq!(told(bench.copy(0, 5, 0b01, 0)), Some((Wrong::Race, 0, other(1, 0, 2, false))));
}

#[test]
fn a_copy_lands_only_at_the_wait() {
    let mut bench = Bench::new();
    let mut out = [[0; 32]; 4];
    assert!(bench.copy(0, 1, u32::MAX, 0).is_ok());
    bench.shared.wait_all(&bench.clocks, 0, u32::MAX);
    let address = row(0);
    let access = Bench::access(0, 2, u32::MAX, 4, &address);
    assert!(bench.shared.load(&bench.clocks, &access, &mut out).is_ok());
    assert_eq!(out[0], [5; 32]);
}

#[test]
fn without_checks_only_bounds_remain() {
    let mut bench = Bench { shared: Shared::new(256, 7, Strictness::Bounds), ..Bench::new() };
    assert!(bench.load(0, 1, u32::MAX, 0).is_ok());
    assert!(bench.copy(0, 1, u32::MAX, 0).is_ok() && bench.store(1, 2, u32::MAX, 0).is_ok());
    assert_eq!(told(bench.load(0, 1, 1, 256)), Some((Wrong::OutOfBounds, 0, None)));
}

#[test]
fn strong_accesses_meet() {
    let mut bench = Bench::new();
    let address = [12; 32];
    let strong = |warp, site| Access { order: Order::Strong, ..Bench::access(warp, site, 1, 4, &address) };
    assert!(bench.shared.store(&bench.clocks, &strong(0, 1), &[[1; 32]; 4]).is_ok());
    assert!(bench.shared.load(&bench.clocks, &strong(1, 2), &mut [[0; 32]; 4]).is_ok());
    let weak = Bench::access(1, 3, 1, 4, &address);
    let verdict = bench.shared.load(&bench.clocks, &weak, &mut [[0; 32]; 4]);
    assert_eq!(told(verdict), Some((Wrong::Race, 0, other(0, 0, 1, true))));
}
