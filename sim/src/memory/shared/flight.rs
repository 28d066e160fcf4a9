//! Copies in flight: `cp.async`, and the groups of each thread.
//!
//! ```text
//! cp.async A;  commit_group;     group 0 = {A}
//! cp.async B;  commit_group;     group 1 = {B}
//! cp.async C;                    not committed
//! wait_group 1;                  all but the newest committed group: A lands
//! wait_all;                      B and C land
//! ```
//!
//! Groups are those of a thread: lanes of one warp may commit and wait apart. Nothing but a wait lands a copy, so that one
//! which is never waited for stays in flight until the block ends, as it may on a GPU.
//! Source: PTX ISA, "cp.async.commit_group", "cp.async.wait_group / cp.async.wait_all".

use crate::check::Site;
use crate::memory::{Access, Lanes};

/// Who moves data asynchronously.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Agent {
    /// `cp.async`: the thread's own, in the generic proxy, completed by its groups.
    CpAsync,
}

/// A copy by the lanes of a warp.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) agent: Agent,
    pub(super) site: Site,
    /// Lanes whose copies have not landed.
    pub(super) mask: u32,
    pub(super) bytes: u32,
    pub(super) address: [u64; 32],
    pub(super) data: [Lanes; 4],
    /// By lane, its group: how many it had committed before.
    group: Lanes,
    /// Whether two lanes copy the same bytes to the same place.
    pub(super) doubled: bool,
}

/// A warp's copies.
#[derive(Clone, Default, Debug)]
struct Warp {
    copies: Vec<Copy>,
    /// By lane, how many groups it has committed.
    committed: Lanes,
}

/// All copies of a block that are in flight.
#[derive(Clone, Default, Debug)]
pub(super) struct Flights {
    warps: Vec<Warp>,
}

/// Which copies a wait waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// All but so many of the newest committed groups.
    AllBut(u32),
    /// All, committed or not.
    All,
}

/// The lanes for whose part of a copy a wait waits.
fn due(copy: &Copy, committed: &Lanes, wait: Wait) -> u32 {
    let Wait::AllBut(newest) = wait else { return u32::MAX };
    let lanes = copy.group.iter().zip(committed).zip(0..32);
    lanes.fold(0, |due, ((group, committed), lane)| {
        due | u32::from(committed.saturating_sub(newest) > *group) << lane
    })
}

/// Who has a copy in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Issuer {
    pub(super) agent: Agent,
    pub(super) warp: u32,
    pub(super) lane: u32,
    pub(super) site: Site,
    pub(super) committed: bool,
}

impl Flights {
    pub(super) fn reset(&mut self) {
        for warp in &mut self.warps {
            warp.copies.clear();
            warp.committed = [0; 32];
        }
    }

    fn warp(&mut self, warp: u32) -> &mut Warp {
        let index = warp as usize;
        if self.warps.len() <= index {
            self.warps.resize_with(index + 1, Warp::default);
        }
        &mut self.warps[index]
    }

    /// A copy sets out.
    pub(super) fn depart(&mut self, access: &Access, data: &[Lanes; 4], doubled: bool) {
        let warp = self.warp(access.warp);
        warp.copies.push(Copy {
            agent: Agent::CpAsync,
            site: access.site,
            mask: access.mask,
            bytes: access.bytes,
            address: *access.address,
            data: *data,
            group: warp.committed,
            doubled,
        });
    }

    /// Closes the groups of these lanes.
    pub(super) fn commit(&mut self, warp: u32, mask: u32) {
        let committed = &mut self.warp(warp).committed;
        for lane in (0..32).filter(|lane| mask >> lane & 1 == 1) {
            committed[lane] += 1;
        }
    }

    /// Takes out what a wait lands, copy by copy; its mask says which lanes, and the number which are still in flight.
    pub(super) fn land(&mut self, warp: u32, mask: u32, wait: Wait, mut land: impl FnMut(&Copy, u32)) {
        let Warp { copies, committed } = self.warp(warp);
        let mut index = 0;
        while let Some(copy) = copies.get_mut(index) {
            let flying = copy.mask;
            let landing = mask & flying & due(copy, committed, wait);
            if landing != 0 {
                copy.mask = landing;
                land(copy, flying & !landing);
                copy.mask = flying & !landing;
            }
            if copy.mask == 0 {
                copies.swap_remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Who is copying to this word.
    pub(super) fn issuer(&self, word: usize) -> Option<Issuer> {
        for (warp, Warp { copies, committed }) in self.warps.iter().enumerate() {
            for copy in copies {
                let start = |lane: usize| copy.address[lane] as usize / 4;
                let covers = |lane: &usize| {
                    copy.mask >> lane & 1 == 1
                        && (start(*lane)..start(*lane) + copy.bytes as usize / 4).contains(&word)
                };
                if let Some(lane) = (0..32).find(covers) {
                    let committed = copy.group[lane] < committed[lane];
                    let (agent, site) = (copy.agent, copy.site);
                    return Some(Issuer { agent, warp: warp as u32, lane: lane as u32, site, committed });
                }
            }
        }
        None
    }
}
