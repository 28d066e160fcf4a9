//! States in the order in which their writes can be known.
//!
//! What is written to a state depends on another state where a read in the written value can find what stands in the other,
//! through mixes too. States that depend on each other are one family; families come after those that they depend on.
//!
//! ```text
//! s += outer(k, v - s.read(k));  z += k                        {s}, {z}
//! m += outer(k, v - s.read(k));  s = a * s + m                 {m} (it feeds itself through s), {s}
//! a += outer(k, v - b.read(k));  b += outer(k, w - a.read(k))  {a, b}
//! ```

use super::build::by_channel;
use super::derive::reads_of;
use super::walk::reaches;
use chunkwise_dsl::graph::{ReadId, StateId};
use chunkwise_dsl::timeline::{Event, Timeline};

/// States whose writes are known together.
pub(super) struct Family {
    pub states: Vec<StateId>,
    /// Whether a decay acts on the value channels of one of them.
    pub by_channel: bool,
    /// By state: whether what is written to the family can come to stand there.
    reached: Vec<bool>,
    /// By read: whether it can find what is written to the family.
    feeds: Vec<bool>,
}

impl Family {
    /// Whether the read can find what is written to the family.
    pub(super) fn feeds(&self, r: ReadId) -> bool {
        self.feeds[r.index()]
    }

    /// Whether what is written to the family can come to stand in the state.
    pub(super) fn reached(&self, s: StateId) -> bool {
        self.reached[s.index()]
    }
}

/// The families of a timeline, in order.
pub(super) fn families(t: &Timeline) -> Vec<Family> {
    let (depends, reaches) = (dependences(t), reaches(t));
    let n = t.forms.len();
    let mut order: Vec<usize> = (0..n).collect();
    // Whoever depends on another depends on all that the other does, and on more.
    order.sort_by_key(|&s| depends[s].iter().filter(|d| **d).count());
    let mut families: Vec<Family> = Vec::new();
    for s in order {
        if families.iter().any(|f| f.states.contains(&StateId(s as u32))) {
            continue;
        }
        let together = (0..n).filter(|&o| o == s || (depends[s][o] && depends[o][s]));
        let states: Vec<StateId> = together.map(|o| StateId(o as u32)).collect();
        let reached: Vec<bool> =
            (0..n).map(|to| states.iter().any(|from| reaches[from.index()][to])).collect();
        let feeds = t.reads.iter().map(|r| reached[r.state.index()]).collect();
        let by_channel = states.iter().any(|&s| by_channel(t, s));
        families.push(Family { states, by_channel, reached, feeds });
    }
    families
}

/// `depends[x][z]`: whether writes to `x` may use what is written to `z`; every state depends on itself.
fn dependences(t: &Timeline) -> Vec<Vec<bool>> {
    let (n, reaches) = (t.forms.len(), reaches(t));
    let mut depends: Vec<Vec<bool>> = (0..n).map(|x| (0..n).map(|z| x == z).collect()).collect();
    for event in &t.events {
        if let Event::Write { state, value, .. } = event {
            for read in reads_of(t, *value) {
                let found = t.read(read).state.index();
                (0..n).for_each(|z| depends[state.index()][z] |= reaches[z][found]);
            }
        }
    }
    for via in 0..n {
        for x in 0..n {
            for z in 0..n {
                depends[x][z] |= depends[x][via] && depends[via][z];
            }
        }
    }
    depends
}
