//! A case for every fault of global memory, blocks that race on threads, and the host's side.

use super::*;
use crate::check::{Fault, Party, Wrong};
use crate::memory::{Lanes, Traffic};

type Verdict = Result<Traffic, Fault>;

fn access(site: u32, mask: u32, bytes: u32, address: &[u64; 32], order: Order) -> Access<'_> {
    Access { warp: 0, site: Site(site), mask, address, bytes, order }
}

/// Lane by lane, one word behind the other.
fn row(at: u64) -> [u64; 32] {
    std::array::from_fn(|lane| at.wrapping_add(4 * lane as u64))
}

fn load(view: &mut View, clocks: &Clocks, site: u32, at: u64) -> Verdict {
    view.load(clocks, &access(site, u32::MAX, 4, &row(at), Order::Weak), &mut [[0; 32]; 4])
}

fn store(view: &mut View, clocks: &Clocks, site: u32, at: u64) -> Verdict {
    view.store(clocks, &access(site, u32::MAX, 4, &row(at), Order::Weak), &[[1; 32]; 4])
}

/// What is wrong, for which lane, and who else was there.
type Told = Option<(Wrong, u32, Other)>;

type Other = Option<(Party, bool)>;

fn told(verdict: Verdict) -> Told {
    verdict.err().map(|fault| (fault.wrong, fault.lane, fault.other))
}

fn other(block: u64, site: u32, wrote: bool) -> Other {
    Some((Party { block, warp: 0, lane: 0, site: Site(site) }, wrote))
}

/// Two arrays, `q` written and `o` not.
fn memory() -> Result<(Global, u64, u64), HostError> {
    let mut memory = Global::new();
    let q = memory.alloc_named(4096, 256, "q")?;
    let o = memory.alloc_named(4096, 256, "o")?;
    memory.fill(q, 4096, 0)?;
    Ok((memory, q, o))
}

#[test]
fn the_nearest_allocation_is_named() -> Result<(), HostError> {
    let (mut memory, q, o) = memory()?;
    let clocks = Clocks::new(32);
    let mut view = memory.launch(Strictness::Lanes).view(0);
    for (at, lane, words) in [
        (q + 4128, 0, "32 bytes past the end of `q` (4096 bytes)"),
        (q + 4096 - 64, 16, "0 bytes past the end of `q` (4096 bytes)"),
        (o - 128, 0, "128 bytes before the start of `o` (4096 bytes)"),
        (o + 4096 + 512, 0, "512 bytes past the end of `o` (4096 bytes)"),
        (64, 0, "null pointer"),
        (u64::MAX - 3, 0, "past the end of `o`"),
    ] {
        let fault = load(&mut view, &clocks, 1, at).err();
        let (wrong, first, detail) =
            fault.map(|fault| (Some(fault.wrong), fault.lane, fault.detail)).unwrap_or_default();
        assert_eq!((wrong, first), (Some(Wrong::OutOfBounds), lane), "{words}");
        assert!(detail.contains(words), "{detail}");
    }
    let mut ragged = Global::new();
    let at = ragged.alloc_named(6, 16, "r")?;
    let mut view = ragged.launch(Strictness::Lanes).view(0);
    let detail = store(&mut view, &clocks, 1, at).err().map(|fault| (fault.lane, fault.detail));
    assert_eq!(detail, Some((1, "it ends 2 bytes past the end of `r` (6 bytes)".into())));
    assert!(load(&mut Global::new().launch(Strictness::Lanes).view(0), &clocks, 1, 1 << 41).is_err());
    Ok(())
}

#[test]
fn misaligned_and_never_written() -> Result<(), HostError> {
    let (mut memory, q, o) = memory()?;
    let clocks = Clocks::new(32);
    let mut view = memory.launch(Strictness::Lanes).view(0);
    let address = [q + 8; 32];
    let wide = access(1, 2, 16, &address, Order::Weak);
    assert_eq!(told(view.load(&clocks, &wide, &mut [[0; 32]; 4])), Some((Wrong::Misaligned, 1, None)));
    let fault = load(&mut view, &clocks, 1, o).err();
    assert_eq!(fault.as_ref().map(|fault| fault.wrong), Some(Wrong::Uninitialised));
    assert_eq!(fault.map(|fault| fault.detail), Some("in `o` (4096 bytes)".into()));
    assert!(store(&mut view, &clocks, 1, o).is_ok() && load(&mut view, &clocks, 1, o).is_ok());
    let fault = load(&mut view, &clocks, 1, o + 4).err();
    assert_eq!(fault.map(|fault| (fault.wrong, fault.lane)), Some((Wrong::Uninitialised, 31)));
    Ok(())
}

#[test]
fn addresses_are_aligned_as_asked_and_no_more() -> Result<(), HostError> {
    let mut memory = Global::new();
    for align in [1, 2, 16, 256, 4096, 1 << 20] {
        let at = memory.alloc(100, align)?;
        assert_eq!(at % (2 * align.max(16)), align.max(16));
        assert!(at > u64::from(u32::MAX));
    }
    for align in [0, 3, 1 << 31] {
        assert_eq!(memory.alloc(1, align), Err(HostError::Alignment(align)));
    }
    for bytes in [1 << 47, u64::MAX] {
        assert_eq!(memory.alloc(bytes, 16), Err(HostError::TooLarge(bytes)));
    }
    Ok(())
}

#[test]
fn races_of_blocks() -> Result<(), HostError> {
    let (mut memory, q, o) = memory()?;
    let clocks = Clocks::new(32);
    let launch = memory.launch(Strictness::Lanes);
    let (mut first, mut second) = (launch.view(0), launch.view(1));
    assert!(store(&mut first, &clocks, 5, o).is_ok());
    assert_eq!(told(load(&mut second, &clocks, 6, o)), Some((Wrong::Race, 0, other(0, 5, true))));
    assert_eq!(told(store(&mut second, &clocks, 7, o)), Some((Wrong::Race, 0, other(0, 5, true))));
    assert!(load(&mut first, &clocks, 8, q).is_ok() && load(&mut second, &clocks, 9, q).is_ok());
    assert_eq!(told(store(&mut second, &clocks, 7, q)), Some((Wrong::Race, 0, other(0, 8, false))));
    let launch = memory.launch(Strictness::Lanes);
    assert!(load(&mut launch.view(1), &clocks, 6, o).is_ok(), "the next launch comes after this one");
    Ok(())
}

#[test]
fn blocks_may_share_a_word_but_no_byte() -> Result<(), HostError> {
    let (mut memory, _, o) = memory()?;
    let clocks = Clocks::new(32);
    let launch = memory.launch(Strictness::Lanes);
    let half = |block: u64, at: u64| {
        let address = [at; 32];
        let access = access(3, 1, 2, &address, Order::Weak);
        told(launch.view(block).store(&clocks, &access, &[[block as u32 + 1; 32]; 4]))
    };
    assert_eq!((half(0, o), half(1, o + 2), half(2, o + 4)), (None, None, None));
    assert_eq!(half(2, o), Some((Wrong::Race, 0, other(0, 3, true))));
    assert_eq!(half(0, o + 2), Some((Wrong::Race, 0, other(1, 3, true))));
    let mut bytes = [0; 6];
    memory.read(o, &mut bytes)?;
    assert_eq!(bytes[4..], [3, 0]);
    Ok(())
}

#[test]
fn warps_of_a_block_need_a_barrier() -> Result<(), HostError> {
    let (mut memory, _, o) = memory()?;
    let mut clocks = Clocks::new(64);
    let mut view = memory.launch(Strictness::Lanes).view(4);
    assert!(store(&mut view, &clocks, 1, o).is_ok());
    let address = row(o);
    let read = Access { warp: 1, ..access(2, u32::MAX, 4, &address, Order::Weak) };
    let verdict = view.load(&clocks, &read, &mut [[0; 32]; 4]);
    assert_eq!(told(verdict), Some((Wrong::Race, 0, other(4, 1, true))));
    [0, 1].iter().for_each(|warp| clocks.arrive(0, *warp));
    clocks.release(0, &[0, 1]);
    assert!(view.load(&clocks, &read, &mut [[0; 32]; 4]).is_ok());
    Ok(())
}

#[test]
fn constant_data_stay() -> Result<(), HostError> {
    let (mut memory, q, o) = memory()?;
    let clocks = Clocks::new(32);
    let mut view = memory.launch(Strictness::Lanes).view(0);
    let constant = |view: &mut View, at: u64| {
        let address = row(at);
        told(view.load(&clocks, &access(2, u32::MAX, 4, &address, Order::Constant), &mut [[0; 32]; 4]))
    };
    assert_eq!(constant(&mut view, q), None);
    assert_eq!(told(store(&mut view, &clocks, 3, q)), Some((Wrong::ReadOnly, 0, other(0, 2, false))));
    assert!(store(&mut view, &clocks, 3, o).is_ok());
    assert_eq!(constant(&mut view, o), Some((Wrong::ReadOnly, 0, other(0, 3, true))));
    Ok(())
}

#[test]
fn lanes_of_one_store_agree_or_race() -> Result<(), HostError> {
    let (mut memory, _, o) = memory()?;
    let clocks = Clocks::new(32);
    let mut view = memory.launch(Strictness::Lanes).view(0);
    let mut data: [Lanes; 4] = [[3; 32]; 4];
    let address = [o; 32];
    assert!(view.store(&clocks, &access(1, u32::MAX, 4, &address, Order::Weak), &data).is_ok());
    data[0][4] = 1;
    let verdict = view.store(&clocks, &access(1, u32::MAX, 4, &address, Order::Weak), &data);
    assert_eq!(told(verdict), Some((Wrong::Race, 4, other(0, 1, true))));
    let verdict = view.store(&clocks, &access(1, 0b1_0001, 4, &address, Order::Weak), &data);
    assert_eq!(told(verdict), Some((Wrong::Race, 4, other(0, 1, true))));
    Ok(())
}

#[test]
fn sectors_are_counted() -> Result<(), HostError> {
    let (mut memory, q, _) = memory()?;
    let clocks = Clocks::new(32);
    let mut view = memory.launch(Strictness::Bounds).view(0);
    for (stride, bytes, mask, sectors) in [
        (4, 4, u32::MAX, 4),
        (0, 4, u32::MAX, 1),
        (16, 16, u32::MAX, 16),
        (2, 2, u32::MAX, 2),
        (64, 4, u32::MAX, 32),
        (64, 4, 0b101, 2),
        (4, 4, 0, 0),
    ] {
        let address: [u64; 32] = std::array::from_fn(|lane| q + stride * lane as u64);
        // The lanes' order does not matter; multiplying by 13 mixes it.
        let mixed = std::array::from_fn(|lane| address[lane * 13 % 32]);
        let mixed_mask =
            (0..32).filter(|lane| mask >> (lane * 13 % 32) & 1 == 1).fold(0, |set, lane| set | 1 << lane);
        for (address, mask) in [(address, mask), (mixed, mixed_mask)] {
            let access = access(1, mask, bytes, &address, Order::Weak);
            let counted = view.load(&clocks, &access, &mut [[0; 32]; 4]).map(|traffic| traffic.sectors);
            assert_eq!(counted, Ok(sectors), "stride {stride}");
        }
    }
    Ok(())
}

#[test]
fn the_host_reads_what_it_and_kernels_wrote() -> Result<(), HostError> {
    let mut memory = Global::new();
    let at = memory.alloc_named(10_000, 256, "x")?;
    let bytes: Vec<u8> = (0..5000).map(|i| (i % 251) as u8).collect();
    memory.write(at + 3, &bytes)?;
    let mut back = vec![0; 5002];
    memory.read(at + 2, &mut back)?;
    assert_eq!((back[0], &back[1..5001], back[5001]), (0xff, &bytes[..], 0xff));
    assert_eq!((memory.written(at + 3, 5000), memory.written(at + 2, 5000)), (Ok(true), Ok(false)));
    assert_eq!(memory.written(at + 4, 5000), Ok(false));
    let clocks = Clocks::new(32);
    assert!(store(&mut memory.launch(Strictness::Lanes).view(0), &clocks, 1, at + 8192).is_ok());
    assert_eq!(memory.written(at + 8192, 128), Ok(true));
    assert_eq!(memory.written(at + 8192, 129), Ok(false));
    assert!(matches!(memory.write(at + 9990, &[0; 11]), Err(HostError::Range { bytes: 11, .. })));
    assert!(memory.read(at + 10_000, &mut []).is_ok() && memory.fill(at, 0, 1).is_ok());
    assert_eq!(memory.free(at + 1), Err(HostError::NotAllocated(at + 1)));
    memory.free(at)?;
    assert!(memory.read(at, &mut [0]).is_err(), "what was given back is gone");
    Ok(())
}

#[test]
fn beyond_four_gibibytes() -> Result<(), HostError> {
    let mut memory = Global::new();
    let at = memory.alloc(5 << 30, 256)?;
    let clocks = Clocks::new(32);
    let far = at + (5 << 30) - 128;
    assert!(store(&mut memory.launch(Strictness::Lanes).view(0), &clocks, 1, far).is_ok());
    assert_eq!((memory.written(far, 128), memory.written(at, 128)), (Ok(true), Ok(false)));
    Ok(())
}

/// Two blocks on two threads, word by word at the same time: at least one of them sees the other, each time.
#[test]
fn threads_cannot_hide_a_race() -> Result<(), HostError> {
    let (mut memory, q, o) = memory()?;
    let clocks = Clocks::new(32);
    for round in 0..200 {
        let launch = memory.launch(Strictness::Lanes);
        let gate = std::sync::Barrier::new(2);
        let run = |block: u64| {
            let mut view = launch.view(block);
            gate.wait();
            let writes = block == 0 || round % 2 == 0;
            (0..16u64)
                .map(|index| {
                    let at = if round % 4 < 2 { o } else { q } + 128 * index;
                    if writes { store(&mut view, &clocks, 1, at) } else { load(&mut view, &clocks, 2, at) }
                        .is_err()
                })
                .collect::<Vec<bool>>()
        };
        let (mine, theirs) = on_two_threads(&run);
        for (index, pair) in mine.iter().zip(&theirs).enumerate() {
            assert!(*pair.0 || *pair.1, "round {round}, access {index}: neither block saw the other");
        }
    }
    Ok(())
}

/// The same where one block touches whole sectors and the other their words, in an order that makes no row.
#[test]
fn threads_cannot_hide_a_race_of_sectors_with_words() -> Result<(), HostError> {
    let (mut memory, q, _) = memory()?;
    let clocks = Clocks::new(32);
    for round in 0..200 {
        let launch = memory.launch(Strictness::Lanes);
        let gate = std::sync::Barrier::new(2);
        let run = |block: u64| {
            let mut view = launch.view(block);
            gate.wait();
            (0..16u64)
                .map(|index| {
                    let mut address = row(q + 128 * index);
                    if block == 1 {
                        address.reverse();
                    }
                    let access = access(1, u32::MAX, 4, &address, Order::Weak);
                    if block == round % 2 || round % 4 < 2 {
                        view.store(&clocks, &access, &[[1; 32]; 4]).is_err()
                    } else {
                        view.load(&clocks, &access, &mut [[0; 32]; 4]).is_err()
                    }
                })
                .collect::<Vec<bool>>()
        };
        let (mine, theirs) = on_two_threads(&run);
        for (index, pair) in mine.iter().zip(&theirs).enumerate() {
            assert!(*pair.0 || *pair.1, "round {round}, access {index}: neither block saw the other");
        }
    }
    Ok(())
}

/// Blocks 0 and 1, each on a thread of its own.
fn on_two_threads<T: Send>(run: &(impl Fn(u64) -> Vec<T> + Sync)) -> (Vec<T>, Vec<T>) {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        let mine = run(0);
        (mine, other.join().unwrap_or_default())
    })
}

#[test]
fn atomics_of_many_threads_lose_nothing() -> Result<(), HostError> {
    let (mut memory, q, _) = memory()?;
    let clocks = Clocks::new(32);
    let launch = memory.launch(Strictness::Lanes);
    std::thread::scope(|scope| {
        for block in 0..4 {
            let clocks = &clocks;
            scope.spawn(move || {
                let mut view = launch.view(block);
                let address = [q + 8; 32];
                for _ in 0..50 {
                    let access = access(1, u32::MAX, 8, &address, Order::Weak);
                    let add = &mut |_: usize, old: u64| old + 0x1_0000_0001;
                    assert!(view.atomic(clocks, &access, add, &mut [[0; 32]; 4]).is_ok());
                }
            });
        }
    });
    let mut bytes = [0; 8];
    memory.read(q + 8, &mut bytes)?;
    assert_eq!(u64::from_le_bytes(bytes), 6400 * 0x1_0000_0001);
    Ok(())
}
