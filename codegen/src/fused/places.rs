//! Where each region of shared memory lies: what never lives at one time may lie in one place.
//!
//! ```text
//!                      tokens | squares | columns |        |: all warps wait
//! scalar inputs        ######
//! decays by channel    ################
//! pairs within blocks           #######
//! squares                       ###################
//! reads, outputs                          #########
//! keys, values         ############################
//! ```
//!
//! All warps wait after a chunk's tokens, and after its squares. Where they wait at its end too, which they do where there is one
//! stage, each of the three steps has the memory for itself; with two stages a warp may be at the next chunk's tokens while others
//! still have columns to do, so that what tokens write lives always. Two crews are at two chunks at one time: there all lives always.
//!
//! ```text
//! lower end   always | squares and columns | columns ..  |   .. tokens | tokens and squares   upper end
//!                                          | squares ..  |
//! ```
//!
//! What dies before the columns lies at the upper end of the memory and the rest at the lower one, those that live through two steps
//! outside. So a chunk needs no more than the step that needs the most, and no search finds anything better.
//!
//! Invariant: no two regions that live at one time overlap (`verify`).

use super::plan::Plan;
use super::shared::{ClockPart, Region};
use chunkwise_algebra::program::Phase;
use std::cmp::Reverse;

/// A part of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Step {
    /// Inputs arrive, and each token's numbers are computed.
    Tokens,
    /// Square matrices.
    Squares,
    /// What value columns are for: reads, the solve, the next state, outputs.
    Columns,
}

/// The steps from a region's first write to its last use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Life {
    first: Step,
    last: Step,
}

/// From chunk to chunk.
const ALWAYS: Life = Life { first: Step::Tokens, last: Step::Columns };

impl Life {
    /// Whether two regions live at one time.
    fn meets(self, other: Life) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether it lies at the upper end of the memory: what tokens write and columns do not need.
    fn is_upper(self) -> bool {
        self.first == Step::Tokens && self.last < Step::Columns
    }
}

/// A region with its place in shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The region.
    pub region: Region,
    /// Where it begins, in bytes.
    pub at: u32,
    /// Bytes of one chunk's.
    pub bytes: u32,
    /// How often it is there, one after the other: [`Plan::depth`].
    pub depth: u32,
    life: Life,
}

impl Place {
    /// Bytes of it all.
    fn size(&self) -> u32 {
        self.bytes * self.depth
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u32 {
        self.at + self.size()
    }

    /// Whether two regions would write what the other one still needs.
    pub(super) fn clashes(&self, other: &Place) -> bool {
        self.life.meets(other.life) && self.at < other.end() && other.at < self.end()
    }
}

impl Plan {
    /// What a block keeps in shared memory, in order, each at its place.
    pub fn places(&self) -> Vec<Place> {
        let place = |(region, bytes)| {
            let (depth, life) = (self.depth(region), self.life(region));
            Place { region, at: 0, bytes, depth, life }
        };
        let mut places: Vec<Place> = self.regions().into_iter().map(place).collect();
        settle(&mut places);
        places
    }

    /// The steps at which nobody else may have a region's place.
    fn life(&self, region: Region) -> Life {
        use Region::*;
        let (made, waits_at_end) = (!self.imports(region), self.stages == 1);
        let first = match region {
            // Decayed keys are written half by half, and what a product meets before that must be a number.
            Decayed(..) | Vector(_) | Pointers => return ALWAYS,
            Square(..) | Near(_) | Diagonal(..) if made => Step::Squares,
            Clock(_, ClockPart::All | ClockPart::Blocks) if made => Step::Squares,
            Output | Read(_) | Found(..) | Solved(..) => Step::Columns,
            Input(..) | Operand(..) | Number(_) | Coefficient(_) | Own(_) | Clock(..) => Step::Tokens,
            Mixes(_) | Table(..) | Channels(_) => Step::Tokens,
            Square(..) | Near(_) | Diagonal(..) => Step::Tokens,
        };
        let last = match (region, self.phase_of(region)) {
            (Number(_), _) => Step::Tokens,
            (_, Some(Phase::Before)) => Step::Squares,
            (_, Some(Phase::Carry | Phase::After)) => Step::Columns,
            (_, None) if self.cut.crosses(region) => Step::Columns,
            (Input(..), None) if !self.cut.squares(region) => Step::Tokens,
            (_, None) => Step::Squares,
        };
        match self.preparing == 0 && (waits_at_end || first > Step::Tokens) {
            true => Life { first, last },
            false => ALWAYS,
        }
    }
}

/// Gives each region its place, those that live longest into the chunk first: as far from its end of the memory as what lies there
/// already and lives at the same time takes.
fn settle(places: &mut [Place]) {
    let total = most_at_once(places);
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&at| (Reverse(places[at].life.last), places[at].life.first));
    for (nth, &at) in order.iter().enumerate() {
        let life = places[at].life;
        let before = order[..nth].iter().map(|&other| &places[other]);
        let beside =
            before.filter(|other| other.life.is_upper() == life.is_upper() && other.life.meets(life));
        let distance: u32 = beside.map(Place::size).sum();
        places[at].at = if life.is_upper() { total - distance - places[at].size() } else { distance };
    }
}

/// Bytes of what lives at one step, of the step with the most.
fn most_at_once(places: &[Place]) -> u32 {
    let during =
        |step: Step| places.iter().filter(move |place| place.life.meets(Life { first: step, last: step }));
    [Step::Tokens, Step::Squares, Step::Columns]
        .map(|step| during(step).map(Place::size).sum())
        .into_iter()
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::dtype::DType;
    use crate::fused::choose;
    use crate::fused::shared::Part;
    use crate::kernel::Spec;
    use Step::{Columns, Squares, Tokens};

    const LIVES: [(Step, Step); 6] = [
        (Tokens, Tokens),
        (Tokens, Squares),
        (Tokens, Columns),
        (Squares, Squares),
        (Squares, Columns),
        (Columns, Columns),
    ];

    fn life((first, last): (Step, Step)) -> Life {
        Life { first, last }
    }

    /// Regions of these lives and sizes, settled.
    fn settled(lives: &[(Life, u32)]) -> Vec<Place> {
        let place = |&(life, bytes)| Place { region: Region::Output, at: 0, bytes, depth: 1, life };
        let mut places: Vec<Place> = lives.iter().map(place).collect();
        settle(&mut places);
        places
    }

    fn top(places: &[Place]) -> u32 {
        places.iter().map(Place::end).max().unwrap_or(0)
    }

    /// Whatever lives when: nothing that lives clashes, and there is no more memory than the fullest step needs.
    #[test]
    fn any_regions_find_places() {
        let mut state = 1u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..2000 {
            let count = draw(20);
            let lives: Vec<(Life, u32)> =
                (0..count).map(|_| (life(LIVES[draw(6) as usize]), draw(8) as u32 * 16)).collect();
            let places = settled(&lives);
            for (at, one) in places.iter().enumerate() {
                assert!(places[..at].iter().all(|other| !other.clashes(one)), "{places:#?}");
            }
            let during = |step: Step| lives.iter().filter(move |(l, _)| l.first <= step && step <= l.last);
            let most =
                [Tokens, Squares, Columns].map(|step| during(step).map(|(_, bytes)| bytes).sum::<u32>());
            assert_eq!(Some(top(&places)), most.into_iter().max(), "{places:#?}");
        }
    }

    #[test]
    fn lives_meet_where_they_share_a_step() {
        let meets = |x: usize, y: usize| life(LIVES[x]).meets(life(LIVES[y]));
        let met: Vec<(usize, usize)> =
            (0..6).flat_map(|x| (0..x).map(move |y| (y, x))).filter(|&(x, y)| !meets(x, y)).collect();
        assert_eq!(met, [(0, 3), (0, 4), (0, 5), (1, 5), (3, 5)]);
    }

    /// The delta rule with a decay of this type.
    fn plan(decay: &str, output: &str, (columns, dtype): (usize, DType)) -> Plan {
        let text = format!(
            "#[rule] fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: {decay}) -> Vector<V> {{ \
             s *= exp(g); s += outer(k, v - s.read(k)); {output} }}"
        );
        let rule = chunkwise_dsl::parse_file(&text).unwrap().remove(0);
        let spec = Spec { columns, ..Spec::new(vec![128; 2], dtype) };
        choose(rule.timeline.as_ref().unwrap(), &spec, Arch::Sm90).unwrap()
    }

    fn life_of(plan: &Plan, region: Region) -> Life {
        plan.places().into_iter().find(|place| place.region == region).unwrap().life
    }

    /// One stage: the decays that keys take have the place of what is read later.
    #[test]
    fn where_all_wait_at_the_end() {
        let plan = plan("Vector<K>", "tanh(s.read(q))", (128, DType::F32));
        assert_eq!((plan.stages, plan.preparing), (1, 0));
        let decays = life_of(&plan, Region::Clock(0, ClockPart::Decays));
        assert_eq!(decays, life((Tokens, Squares)));
        assert_eq!(life_of(&plan, Region::Near(0)), life((Squares, Squares)));
        assert_eq!(life_of(&plan, Region::Read(0)), life((Columns, Columns)));
        let sum: u32 = plan.places().iter().map(Place::size).sum();
        assert!(plan.shared() + plan.tokens * 128 * 4 <= sum, "{} of {sum}", plan.shared());
    }

    /// Two stages: a warp may be at the next chunk's tokens while others read. And what tokens write lives always.
    #[test]
    fn where_nobody_waits_at_the_end() {
        let plan = plan("Scalar", "tanh(s.read(q))", (128, DType::BF16));
        assert_eq!((plan.stages, plan.preparing), (2, 0));
        let lives = plan.places().into_iter().filter(|place| place.life.first == Tokens);
        assert!(lives.into_iter().all(|place| place.life == ALWAYS));
        assert_eq!(life_of(&plan, Region::Square(0, Part::High)), life((Squares, Columns)));
        assert_eq!(life_of(&plan, Region::Read(0)), life((Columns, Columns)));
    }

    /// Two crews: nothing shares a place.
    #[test]
    fn where_crews_are_at_two_chunks() {
        let plan = plan("Scalar", "s.read(q)", (64, DType::BF16));
        assert!(plan.preparing > 0);
        assert!(plan.places().iter().all(|place| place.life == ALWAYS));
    }
}
