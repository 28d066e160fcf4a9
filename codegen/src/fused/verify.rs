//! What must hold of a plan, whatever the rule: every name that the printer looks up is there, and fits.
//!
//! ```text
//! product(left, right)     left has a square of its rows and columns
//! gram, tap, deposit       their keys have an operand of as many slots; decayed ones where the state decays by channel
//! scale                    its numbers have a coefficient
//! shared memory            regions of whole 16 bytes, within the architecture; no place for two that live at one time
//! ```
//!
//! A plan that fails is our bug: [`Limitation::Invalid`].

use super::channels::factors;
use super::choose::BLOCK_WARPS;
use super::places::Place;
use super::plan::{ClockKind, Operand, Plan};
use crate::arch::Arch;
use crate::kernel::Limitation;
use chunkwise_algebra::program::{Columns, KeysId, Op, Phase};

/// Checks a plan.
///
/// # Errors
/// [`Limitation::Invalid`], which says what is wrong.
pub fn verify(plan: &Plan, arch: Arch) -> Result<(), Limitation> {
    sizes(plan)?;
    operands(plan)?;
    nodes(plan)?;
    clocks(plan)?;
    shared(plan, arch)
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Limitation> {
    Err(Limitation::Invalid(format!("a fused plan whose {}", what.into())))
}

fn holds(holds: bool, what: &str) -> Result<(), Limitation> {
    if holds { Ok(()) } else { wrong(what) }
}

fn sizes(plan: &Plan) -> Result<(), Limitation> {
    holds([16, 32, 64].contains(&plan.tokens), "chunk is not of 16, 32 or 64 tokens")?;
    let most = if plan.preparing == 0 { 2 } else { 3 };
    holds(plan.warps <= BLOCK_WARPS, "warps are more than a block can have")?;
    holds((1..=most).contains(&plan.stages), "stages are not one or two, or three where warps prepare")?;
    for owner in &plan.owners {
        holds(owner.first + owner.warps <= plan.warps, "state is held by warps that are not there")?;
    }
    let holds_states = plan.computes(Phase::Carry) || plan.computes(Phase::After);
    let states = if holds_states { plan.chunk.timeline.signature.state_ids().count() } else { 0 };
    holds(plan.owners.len() == states, "states are not each held once")
}

fn operands(plan: &Plan) -> Result<(), Limitation> {
    for operand in &plan.operands {
        holds(operand.columns.is_multiple_of(16), "operand has columns beside its blocks of 16")?;
        if let Some(at) = operand.alias {
            let fits = plan.inputs.get(at).is_some_and(|input| {
                (input.dim, input.slots as usize, input.columns)
                    == (operand.dim, operand.rows.len(), operand.columns)
            });
            holds(fits, "operand is an input of another shape")?;
        }
    }
    for square in &plan.squares {
        holds(
            square.rows.is_multiple_of(16) && square.columns.is_multiple_of(16),
            "square has no whole blocks",
        )?;
        let warps = plan.crew(plan.maker(square.node)).len() as u32;
        let enough = square.rows / 16 <= warps || !plan.computes(Phase::Before);
        holds(enough, "square has more blocks of rows than there are warps")?;
        let solved = square.feedback.is_some() && plan.maker(square.node) != Phase::Before;
        holds(!solved, "rows are solved with what the warps that hold states make")?;
    }
    Ok(())
}

/// Every matrix that a product, a read or a deposit takes.
fn nodes(plan: &Plan) -> Result<(), Limitation> {
    for node in &plan.chunk.nodes {
        match &node.op {
            Op::Gram(reads, writes) | Op::Plain(reads, writes) | Op::Decay(reads, writes, _) => {
                keys(plan, *reads)?;
                keys(plan, *writes)?;
            }
            Op::Tap(reads) => keys(plan, *reads)?,
            Op::Scale(by, _) => holds(plan.coefficient_of(by).is_some(), "coefficient has no rows")?,
            Op::Values(rows) if node.columns != Columns::Value(None) => {
                holds(plan.operand_of(rows).is_some(), "values have no rows")?;
            }
            Op::Product(left, _) => {
                let slots = |columns| match columns {
                    Columns::Rows(stack) => plan.rows(plan.chunk.slots(stack)),
                    Columns::Value(_) => 0,
                };
                let of = plan.chunk.node(*left);
                let shape = (plan.rows(plan.chunk.slots(of.rows)), slots(of.columns));
                let found = plan.squares.iter().any(|s| s.node == *left && (s.rows, s.columns) == shape);
                holds(found, "product has no square for its left side")?;
            }
            _ => {}
        }
    }
    plan.chunk.deposits.iter().try_for_each(|deposit| keys(plan, deposit.keys))
}

fn keys(plan: &Plan, id: KeysId) -> Result<(), Limitation> {
    let keys = plan.chunk.keys(id);
    let fits = |operand: &Operand| operand.dim == plan.dims.0;
    let operand = plan.operand_of_keys(id).map(|at| &plan.operands[at]);
    holds(operand.is_some_and(fits), "keys have no operand")?;
    let by_channel = plan
        .clocks
        .iter()
        .any(|clock| clock.states.contains(&keys.state) && matches!(clock.kind, ClockKind::ByChannel { .. }));
    holds(
        by_channel == plan.decayed_of(id).is_some(),
        "keys are decayed where their state is not, or the other way round",
    )
}

/// Each state that decays has one clock, and each scalar clock knows where its keys stand.
fn clocks(plan: &Plan) -> Result<(), Limitation> {
    for state in plan.chunk.timeline.signature.state_ids() {
        let (factors, channels) = factors(&plan.chunk.timeline, state);
        let of_channels = plan.channel_clocks.iter().filter(|clock| clock.state == state).count();
        holds(
            of_channels == usize::from(!channels.is_empty()),
            "state does not have one clock of value channels where they decay",
        )?;
        let count = plan.clocks.iter().filter(|clock| clock.states.contains(&state)).count();
        let alone = plan.mixing_of(state).is_none();
        holds(
            count == usize::from(alone && !factors.is_empty()),
            "state does not have one clock where it decays",
        )?;
    }
    for clock in &plan.clocks {
        let ClockKind::Scalar { places, .. } = &clock.kind else { continue };
        for keys in plan.chunk.keys.iter().filter(|keys| clock.states.contains(&keys.state)) {
            let here: Vec<usize> = keys.slots.iter().map(|slot| slot.place).collect();
            holds(places.contains(&here), "keys stand at places that their clock does not know")?;
        }
    }
    Ok(())
}

fn shared(plan: &Plan, arch: Arch) -> Result<(), Limitation> {
    for (region, bytes) in plan.regions() {
        if !bytes.is_multiple_of(16) {
            return wrong(format!(
                "{region:?} takes {bytes} bytes of shared memory, which are no pieces of 16"
            ));
        }
    }
    apart(&plan.places())?;
    holds(plan.shared() as usize <= arch.max_shared_per_block(), "shared memory is more than a block has")
}

/// Nobody's place is written while it lives.
fn apart(places: &[Place]) -> Result<(), Limitation> {
    for (at, one) in places.iter().enumerate() {
        if let Some(other) = places[..at].iter().find(|other| other.clashes(one)) {
            let (one, other) = (one.region, other.region);
            return wrong(format!("{other:?} and {one:?} live at one time in one place of shared memory"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::fused::choose;
    use crate::kernel::Spec;

    fn plan(text: &str) -> Plan {
        let rules = chunkwise_dsl::parse_file(text).unwrap();
        let timeline = rules[0].timeline.as_ref().unwrap();
        choose(timeline, &Spec::new(vec![64; 2], DType::BF16), Arch::Sm90).unwrap()
    }

    const GATED: &str = "#[rule] fn gated(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, \
                         beta: Scalar) -> Vector<V> { s *= exp(g); s += outer(beta * k, v - s.read(k)); s.read(q) }";

    /// What the error says, and what breaks the plan.
    type Break = (&'static str, fn(&mut Plan));

    #[test]
    fn places_that_clash_are_found() {
        let mut places = plan(GATED).places();
        assert_eq!(apart(&places), Ok(()));
        places[1].at = places[0].at;
        let error = apart(&places).expect_err("inputs lie in one place").to_string();
        assert!(error.contains("live at one time in one place"), "{error}");
    }

    #[test]
    fn broken_plans_are_found() {
        let breaks: [Break; 9] = [
            ("64 tokens", |plan| plan.tokens = 48),
            ("stages", |plan| plan.stages = 0),
            ("not there", |plan| plan.warps = 2),
            ("keys have no operand", |plan| plan.operands.retain(|operand| operand.dim != plan.dims.0)),
            ("another shape", |plan| plan.operands[0].alias = Some(2)),
            ("no square", |plan| plan.squares.clear()),
            ("no rows", |plan| plan.coefficients.clear()),
            ("one clock", |plan| plan.clocks.clear()),
            ("more than a block has", |plan| plan.stages = 2),
        ];
        let whole = plan(GATED);
        assert_eq!(verify(&whole, Arch::Sm90), Ok(()));
        for (what, change) in breaks {
            let mut broken = whole.clone();
            change(&mut broken);
            if what == "more than a block has" {
                broken.inputs.iter_mut().for_each(|input| input.columns *= 64);
                broken.operands.iter_mut().for_each(|operand| operand.columns *= 64);
            }
            let error = verify(&broken, Arch::Sm90).expect_err(what).to_string();
            assert!(error.contains(what), "{what}: {error}");
        }
    }
}
