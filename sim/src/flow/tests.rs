//! The flow of small programs by hand, and of random ones against the definition.

use super::Next::{Aborts, Ends, Falls};
use super::*;
use proptest::prelude::*;

fn when(target: u32) -> Next {
    Next::Branch { targets: vec![target], conditional: true }
}

fn jump(target: u32) -> Next {
    Next::Branch { targets: vec![target], conditional: false }
}

#[test]
fn two_sides_of_an_if_meet_behind_it() {
    //          0: if    1: then  2: goto 4  3: else  4: after
    let steps = [when(3), Falls, jump(4), Falls, Falls, Ends];
    let flow = Flow::of(&steps);
    assert_eq!(flow.meet(0), 4);
    assert_eq!(flow.meet(2), 4);
    assert_eq!(flow.meet(4), 5);
    assert_eq!(flow.blocks().collect::<Vec<_>>(), [0..1, 1..3, 3..4, 4..6]);
    assert_eq!((flow.block(0), flow.block(2), flow.block(5), flow.block(6)), (0, 1, 3, 4));
}

#[test]
fn lanes_that_leave_a_loop_wait_behind_it() {
    let steps = [Falls, Falls, when(1), Falls, Ends];
    assert_eq!(Flow::of(&steps).meet(2), 3);
}

#[test]
fn a_return_inside_a_loop_keeps_nobody_waiting() {
    //          0       1: bad?  2: again? 3: after     5     6: return 7
    let steps = [Falls, when(6), when(1), Falls, Falls, Ends, Falls, Ends];
    let flow = Flow::of(&steps);
    assert_eq!(flow.meet(2), 3);
    assert_eq!(flow.meet(1), 2);
}

#[test]
fn a_trap_counts_only_where_nothing_else_does() {
    // As many instructions lead to the trap as to the return, and it stands behind it.
    let steps = [Falls, when(5), when(1), Falls, Ends, Falls, Aborts];
    assert_eq!(Flow::of(&steps).meet(2), 3);
    assert_eq!(Flow::of(&[when(2), Falls, Aborts]).meet(0), 1);
}

#[test]
fn a_jump_to_a_bare_return_is_a_return() {
    // if (a) { if (b) return; x } else { y }  z
    let steps = [when(4), when(6), Falls, jump(5), Falls, Falls, Ends];
    let flow = Flow::of(&steps);
    assert_eq!(flow.meet(0), 5, "x and y meet at z although some lanes of the first side return");
    assert_eq!(flow.meet(1), 2);
}

#[test]
fn sides_that_never_meet_go_to_the_end() {
    let steps = [when(3), Falls, Ends, Falls, Ends];
    let flow = Flow::of(&steps);
    // One side's end counts: the other side vanishes, and what is left needs to wait for nobody.
    assert_eq!(flow.meet(0), 3);
    assert_eq!(flow.meet(2), Flow::END);
    assert_eq!(Flow::of(&[]).meet(0), Flow::END);
    assert_eq!(Flow::of(&[Falls]).meet(7), Flow::END);
}

#[test]
fn a_loop_without_end_has_its_own_meeting_points() {
    //          0: if   1        2: goto 4 3      4: goto 0
    let steps = [when(3), Falls, jump(4), Falls, jump(0)];
    let flow = Flow::of(&steps);
    assert_eq!(flow.meet(0), 4);
    assert_eq!(Flow::of(&[jump(0)]).meet(0), Flow::END);
    // The only end is that of the first block, to which the second one leads back.
    let steps = [when(2), jump(0), Ends];
    assert_eq!((Flow::of(&steps).meet(0), Flow::of(&steps).meet(1)), (Flow::END, 0));
    assert_eq!(Flow::of(&[jump(1), jump(0), Ends]).meet(0), 1);
}

#[test]
fn a_switch_meets_behind_its_cases() {
    let switch = Next::Branch { targets: vec![1, 3, 5, 3], conditional: false };
    let steps = [switch, Falls, jump(6), Falls, jump(6), Falls, Falls, Ends];
    assert_eq!(Flow::of(&steps).meet(0), 6);
}

#[test]
fn a_hundred_thousand_blocks_take_no_time_and_no_stack() {
    let count = 100_000u32;
    // A ladder in which each block may also go back to the beginning or on to the end: deep trees in both directions.
    let ladder: Vec<Next> = (0..count)
        .map(|i| match i % 3 {
            0 => when(count - 1 - i),
            1 => when(i / 2),
            _ => when(i + 2),
        })
        .collect();
    let start = std::time::Instant::now();
    let flow = Flow::of(&ladder);
    assert!(flow.blocks().count() > 90_000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// The definition, by removing one block after the other and looking what still reaches the exit.
fn by_definition(graph: &Graph) -> Vec<Option<u32>> {
    let count = graph.leaves.len() as u32;
    let exit_of = exits_by_definition(graph);
    let reaches = |from: u32, without: u32| {
        let exit = exit_of[from as usize];
        let (mut seen, mut waiting) = (vec![false; count as usize], vec![from]);
        while let Some(block) = waiting.pop() {
            if block == without || std::mem::replace(&mut seen[block as usize], true) {
                continue;
            }
            waiting.extend(
                graph.successors[block as usize].iter().filter(|next| exit_of[**next as usize] == exit),
            );
        }
        seen[exit as usize]
    };
    let dominates = |above: u32, below: u32| above == below || !reaches(below, above);
    (0..count)
        .map(|block| {
            let mut strict =
                (0..count).filter(|&d| d != block && exit_of[d as usize] == exit_of[block as usize]);
            let all: Vec<u32> = strict.by_ref().filter(|&d| dominates(d, block)).collect();
            all.iter().copied().find(|&d| all.iter().all(|&other| dominates(other, d)))
        })
        .collect()
}

/// Which exit a block counts towards: the first of the ranking that it reaches.
fn exits_by_definition(graph: &Graph) -> Vec<u32> {
    let count = graph.leaves.len();
    let mut reach = vec![vec![false; count]; count];
    for (block, row) in reach.iter_mut().enumerate() {
        let mut waiting = vec![block as u32];
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut row[at as usize], true) {
                waiting.extend(&graph.successors[at as usize]);
            }
        }
    }
    let ranked = graph.ranked();
    let first = |block: usize| ranked.iter().copied().find(|exit| reach[block][*exit as usize]);
    (0..count).map(|block| first(block).unwrap_or(block as u32)).collect()
}

fn steps() -> impl Strategy<Value = Vec<Next>> {
    (1u32..24).prop_flat_map(|count| {
        let target = 0..count + 2;
        let step = prop_oneof![
            3 => Just(Falls),
            6 => target.clone().prop_map(when),
            2 => target.clone().prop_map(jump),
            1 => prop::collection::vec(target, 0..4)
                .prop_map(|targets| Next::Branch { targets, conditional: false }),
            1 => Just(Ends),
            1 => Just(Aborts),
        ];
        prop::collection::vec(step, count as usize)
    })
}

/// Where lanes meet in a function whose only end is its last instruction, from the instructions alone: the nearest one that
/// every way to the end goes through. `None` where no way leads to the end.
fn meet_by_instruction(steps: &[Next], branch: u32) -> Option<u32> {
    let last = steps.len() as u32 - 1;
    let ways = |from: u32| match &steps[from as usize] {
        Falls => vec![from + 1],
        Next::Branch { targets, conditional } => {
            let mut ways = targets.clone();
            ways.extend(conditional.then_some(from + 1));
            ways
        }
        Ends | Aborts => vec![],
    };
    let reaches = |from: Vec<u32>, without: u32| {
        let (mut seen, mut waiting) = (vec![false; steps.len()], from);
        while let Some(at) = waiting.pop() {
            if at != without && !std::mem::replace(&mut seen[at as usize], true) {
                waiting.extend(ways(at));
            }
        }
        seen[last as usize]
    };
    if !reaches(ways(branch), u32::MAX) {
        return None;
    }
    let on_all_ways: Vec<u32> = (0..=last).filter(|m| !reaches(ways(branch), *m) && *m != branch).collect();
    // The nearest is the one that the others are still on all ways from.
    on_all_ways
        .iter()
        .copied()
        .find(|m| on_all_ways.iter().all(|other| other == m || !reaches(ways(*m), *other)))
}

fn steps_with_one_end() -> impl Strategy<Value = Vec<Next>> {
    (1u32..20).prop_flat_map(|count| {
        let target = 0..count + 1;
        let step = prop_oneof![
            3 => Just(Falls),
            6 => target.clone().prop_map(when),
            2 => target.prop_map(jump),
        ];
        // Nothing jumps to the end itself, which would be an end of its own.
        prop::collection::vec(step, count as usize).prop_map(|mut steps| {
            steps.extend([Falls, Ends]);
            steps
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn branches_of_a_function_with_one_end_meet_at_the_post_dominator(steps in steps_with_one_end()) {
        let flow = Flow::of(&steps);
        for branch in (0..steps.len() as u32 - 2).filter(|i| steps[*i as usize] != Falls) {
            if let Some(meet) = meet_by_instruction(&steps, branch) {
                prop_assert_eq!(flow.meet(branch), meet, "branch at {}", branch);
            }
        }
    }

    #[test]
    fn random_graphs_meet_where_the_definition_says(steps in steps()) {
        let starts = starts(&steps);
        let graph = Graph::new(&steps, &starts);
        let expected: Vec<u32> = by_definition(&graph)
            .into_iter()
            .map(|block| block.map_or(Flow::END, |block| starts[block as usize]))
            .collect();
        let flow = Flow::of(&steps);
        prop_assert_eq!(&flow.meets, &expected);
        for (block, range) in flow.blocks().enumerate() {
            prop_assert_eq!(flow.block(range.start), block);
            prop_assert_eq!(flow.meet(range.end - 1), expected[block]);
        }
    }
}
