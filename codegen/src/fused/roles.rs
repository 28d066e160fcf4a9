//! Warps that prepare the next chunk while the others do this one.
//!
//! ```text
//! one crew    tokens 0 | squares 0 | columns 0 | tokens 1 | squares 1 | columns 1 ..        |: all warps wait
//! two crews   tokens 0,  squares 0 | tokens 1,  squares 1 | tokens 2,  squares 2 ..
//!                                  | columns 0            | columns 1 ..
//! ```
//!
//! The cut is that of the split plan: what is free of the carried state, and the rest. What crosses it lies in shared memory,
//! twice, and so do inputs, once more where there is room for it: then those of a chunk arrive while the one before it is prepared,
//! and nobody waits but once a chunk. That is
//! for launches of fewer blocks than multiprocessors, where nothing else hides a chunk's latency; it needs the shared memory
//! of a large multiprocessor, and few enough value columns that both crews have 255 registers a thread.
//!
//! Where a chunk has rows to solve, there is more to prepare. Then every warp that holds no state prepares, and the squares
//! that only outputs need are late: the others make them, right before they use them, so that they lie there once.
//!
//! Source: the data flow of the design's notes on kernels ("roles").

use super::plan::Plan;
use super::shared::Region;
use chunkwise_algebra::program::{NodeId, Op, Phase, Program};
use std::ops::Range;

/// The fewest warps that prepare: as many as a square has blocks of 16 rows.
pub(super) const PREPARING: u32 = 4;

/// Whether a chunk has rows to solve, so that to prepare it is most of the work.
pub(super) fn solves(chunk: &Program) -> bool {
    chunk.nodes.iter().any(|node| matches!(node.op, Op::Inverse(_)))
}

impl Plan {
    /// The warps that compute a phase.
    pub fn crew(&self, phase: Phase) -> Range<u32> {
        match (self.preparing, phase) {
            (0, _) => 0..self.warps,
            (preparing, Phase::Before) => 0..preparing,
            (preparing, Phase::Carry | Phase::After) => preparing..self.warps,
        }
    }

    /// Which crew makes a square: by a phase of its own.
    pub fn maker(&self, square: NodeId) -> Phase {
        if self.cut.late.contains(&square) { Phase::After } else { Phase::Before }
    }

    /// Whether there is room for the inputs of three chunks: those that one crew prepares, that the other does, and that arrive.
    pub fn arrives_ahead(&self) -> bool {
        self.preparing > 0 && self.stages > 2
    }

    /// How often a region is there: of how many chunks one after the other.
    pub fn depth(&self, region: Region) -> u32 {
        match self.preparing {
            0 if self.is_staged(region) => self.stages,
            0 => 1,
            _ => {
                let crosses = u32::from(self.cut.crosses(region));
                if self.arrives(region) { self.stages - 1 + crosses } else { 1 + crosses }
            }
        }
    }

    /// Whether the crew that prepares uses a region.
    pub fn is_prepared(&self, region: Region) -> bool {
        match (self.phase_of(region), region) {
            (Some(phase), _) => phase == Phase::Before,
            (None, Region::Input(..)) => self.cut.prepares(region),
            (None, Region::Square(at, _)) => self.maker(self.squares[at].node) == Phase::Before,
            (None, _) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::dtype::DType;
    use crate::fused::shared::{ClockPart, Part};
    use crate::fused::{choose, verify};
    use crate::kernel::Spec;

    /// A plan of blocks of so many of 128 value columns, verified.
    fn plan(body: &str, columns: usize) -> Plan {
        plan_for(body, columns, Arch::Sm90)
    }

    fn plan_for(body: &str, columns: usize, arch: Arch) -> Plan {
        let text = format!(
            "#[rule] fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {{ {body} }}"
        );
        let rule = chunkwise_dsl::parse_file(&text).unwrap().remove(0);
        let spec = Spec { columns, ..Spec::new(vec![128, 128], DType::BF16) };
        let plan = choose(rule.timeline.as_ref().unwrap(), &spec, arch).unwrap();
        assert_eq!(verify(&plan, arch), Ok(()));
        plan
    }

    const DELTA: &str = "s *= exp(g); s += outer(k, v - s.read(k)); s.read(q)";
    const LINEAR: &str = "s *= exp(g); s += outer(k, v); s.read(q)";

    #[test]
    fn who_prepares_what() {
        let makers = |plan: &Plan| -> Vec<(bool, Phase)> {
            plan.squares.iter().map(|s| (s.feedback.is_some(), plan.maker(s.node))).collect()
        };
        // Rows are solved: what only outputs need is late, where there is a warp for every 16 rows.
        let delta = plan(DELTA, 64);
        assert_eq!(delta.crew(Phase::Before), 0..4);
        assert_eq!(makers(&delta), [(true, Phase::Before), (false, Phase::After)]);
        let narrower = plan(DELTA, 32);
        assert_eq!(narrower.crew(Phase::Before), 0..6);
        assert_eq!(makers(&narrower), [(true, Phase::Before), (false, Phase::Before)]);
        // Nothing is solved: to prepare is not the longer part.
        let linear = plan(LINEAR, 32);
        assert_eq!(linear.crew(Phase::Before), 0..4);
        assert_eq!(makers(&linear), [(false, Phase::Before)]);
        assert_eq!(plan(DELTA, 128).preparing, 0);
    }

    #[test]
    fn chunks_are_shorter_where_only_so_two_crews_fit() {
        let crews = |plan: Plan| (plan.tokens, plan.stages, plan.preparing);
        assert_eq!(crews(plan(DELTA, 64)), (64, 3, 4));
        assert_eq!(crews(plan_for(DELTA, 64, Arch::Sm86)), (32, 3, 4));
        // To compute keys is most of a chunk's work where nothing is solved.
        assert_eq!(crews(plan(&LINEAR.replace("outer(k", "outer(elu(k)"), 64)), (64, 2, 0));
    }

    #[test]
    fn a_late_square_is_there_once_and_what_it_is_made_from_twice() {
        let (early, late) = (plan(DELTA, 32), plan(DELTA, 64));
        let (square, log) = (Region::Square(1, Part::High), Region::Clock(0, ClockPart::Log(0)));
        assert_eq!((early.depth(square), early.depth(log)), (2, 1));
        assert_eq!((late.depth(square), late.depth(log)), (1, 2));
    }

    #[test]
    fn what_rows_are_solved_with_is_never_late() {
        let mut broken = plan(DELTA, 64);
        broken.cut.late = broken.squares.iter().map(|square| square.node).collect();
        let error = verify(&broken, Arch::Sm90).expect_err("its rows are not solved yet").to_string();
        assert!(error.contains("rows are solved with what the warps that hold states make"), "{error}");
    }
}
