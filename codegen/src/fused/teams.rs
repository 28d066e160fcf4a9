//! States whose warps are shared: those that meet in mixes, and those of which one stores what is read of another.
//!
//! ```text
//! s = a * s + m;  m += outer(k, v - s.read(k))         s and m    (they meet)
//! s += outer(k, v - s.read(k) - t.read(k))             s and t    (the error of both; t may store it as well)
//! o = s.read(q) + t.read(q)                            s; t       (outputs are made of rows in shared memory)
//! ```
//!
//! What is found of one state then lies in the accumulators of the warp that writes the other, in the same columns, and nothing
//! has to cross. Vector states, which have one column, are each alone.

use super::plan::Plan;
use chunkwise_algebra::program::reads_of;
use chunkwise_dsl::graph::StateId;
use chunkwise_dsl::timeline::{Event, Timeline};

/// The states that share a state's warps, itself among them, in order.
pub(super) fn team_of(t: &Timeline, state: StateId) -> Vec<StateId> {
    let is_matrix = |s: &StateId| t.form(*s).value.is_some();
    let mut team = vec![state];
    if !is_matrix(&state) {
        return team;
    }
    loop {
        let joins = |s: &StateId| is_matrix(s) && !team.contains(s) && team.iter().any(|m| meet(t, *m, *s));
        let Some(next) = t.signature.state_ids().find(joins) else { break };
        team.push(next);
    }
    team.sort();
    team
}

/// Whether one state is part of the other's next value, or stores what is read of it.
fn meet(t: &Timeline, x: StateId, y: StateId) -> bool {
    t.events.iter().any(|event| match event {
        Event::Mix { states, .. } => states.contains(&x) && states.contains(&y),
        Event::Write { state, value, .. } if [x, y].contains(state) => {
            let read = reads_of(t, *value).into_iter().map(|r| t.read(r).state);
            read.filter(|of| of != state).any(|of| [x, y].contains(&of))
        }
        _ => false,
    })
}

impl Plan {
    /// The states that share a state's warps; the first one's owner does the work of all.
    pub fn team(&self, state: StateId) -> Vec<StateId> {
        team_of(&self.chunk.timeline, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(body: &str) -> Vec<u32> {
        let text = format!(
            "#[rule] fn r(mut s: State<K, V>, mut t: State<K, V>, mut z: State<K>, q: Vector<K>, k: Vector<K>, v: Vector<V>) \
             -> Vector<V> {{ {body} z += k; s.read(q) + t.read(q) * dot(z, q) }}"
        );
        let rules = chunkwise_dsl::parse_file(&text).unwrap();
        team_of(rules[0].timeline.as_ref().unwrap(), StateId(0)).iter().map(|s| s.0).collect()
    }

    #[test]
    fn states_that_meet_or_store_reads_of_each_other_are_a_team() {
        assert_eq!(team("s += outer(k, v); t += outer(k, v);"), [0]);
        assert_eq!(team("t += outer(k, v); s = 0.5 * s + 0.5 * t;"), [0, 1]);
        assert_eq!(team("s += outer(k, v); t += outer(k, tanh(s.read(k)));"), [0, 1]);
        assert_eq!(team("t += outer(k, v); s += outer(k, v - t.read(k));"), [0, 1]);
    }
}
