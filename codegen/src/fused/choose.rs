//! From a chunk program to a plan: what is refused, how many blocks, warps and tokens.

use super::channels::with_grams;
use super::cut::{Cut, WHOLE};
use super::mixes;
use super::plan::{Owner, Plan, WARP_COLUMNS};
use super::roles::{PREPARING, solves};
use super::substitution;
use super::teams::team_of;
use super::width::is_narrow;
use crate::arch::Arch;
use crate::dtype::DType;
use crate::kernel::{Ends, Limitation, Precision, Spec};
use crate::layout::{self, Axis, Layout};
use crate::program;
use crate::schedule::Unit;
use chunkwise_algebra::program::{NodeId, Op, Phase, Program, derive, share};
use chunkwise_dsl::class::{self, Feedback};
use chunkwise_dsl::graph::{Dim, Expr, StateId, Value};
use chunkwise_dsl::timeline::{Form, Timeline};

/// The most rows of a stack in one chunk; twice as many where a chunk of 16 tokens has them.
const ROWS: u32 = 64;

/// The most rows of a stack a token: a warp makes 16 rows of a square, so that a chunk has no more than there are warps.
const SLOTS: u32 = MOST_WARPS;

/// Fewer warps would leave too little to share the square matrices.
const LEAST_WARPS: u32 = 4;

/// More would leave a thread fewer than 255 registers.
const MOST_WARPS: u32 = 8;

/// No GPU has more in a block.
pub(super) const BLOCK_WARPS: u32 = 32;

/// Tokens of a chunk that is made shorter for two crews.
const LEAST_SHARED: u32 = 32;

/// Of a multiprocessor, one for each thread and number.
const REGISTERS: u32 = 1 << 16;

/// Numbers of states that a block of all value columns may have: half of the registers.
pub(super) const MOST_NUMBERS: u32 = REGISTERS / 2;

/// Value columns of a block that carries, in warps: few, so that few heads have many blocks; as many as a multiprocessor has
/// schedulers, which do a chunk in the same time and share its inputs (gated delta rule, K = V = 128, 8 heads of 8192 tokens on an
/// H200, by the model: .174 ms and 1.7 KB a token with 64 columns, .227 ms and 2.4 KB with 32).
const CARRY_WARPS: u32 = 4;

/// Chooses the plan of a rule: one kernel of every phase.
///
/// # Errors
/// A [`Limitation`]: the rule has no chunk program, the type or a size has no fused kernel, or shared memory is too small.
pub fn choose(timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Plan, Limitation> {
    let mut plans = choose_parts(timeline, spec, arch, &[WHOLE])?;
    plans.pop().ok_or_else(|| Limitation::Invalid("a kernel of no phases".to_owned()))
}

/// Chooses the plans of kernels that compute some phases each, all with the same chunks.
///
/// # Errors
/// See [`choose`].
pub fn choose_parts(
    timeline: &Timeline,
    spec: &Spec,
    arch: Arch,
    parts: &[&'static [Phase]],
) -> Result<Vec<Plan>, Limitation> {
    if spec.dtype == DType::F64 {
        return Err(Limitation::DType(spec.dtype));
    }
    spec.checked_sizes(&timeline.signature.dims)?;
    let chunk = derive(timeline).map_err(|e| Limitation::NotFused(e.to_string()))?;
    let chunk = with_grams(&share(&chunk));
    supported(&chunk)?;
    let dims = matrix_dims(timeline)?;
    let slots = most_slots(&chunk);
    let mut tokens = (ROWS / slots / 16 * 16).max(16);
    if slots > SLOTS {
        return not_fused(timeline, &format!("has more than {SLOTS} reads or writes of one kind a token"));
    }
    while tokens > 16 && tokens as usize > spec.chunk {
        tokens /= 2;
    }
    let shares: Vec<Share> = parts.iter().map(|phases| Share::of(&chunk, spec, dims, phases)).collect();
    // One stage where two do not fit, and shorter chunks where longer ones do not; where even the shortest do not, computed
    // operands lose their second part.
    let mut lean = false;
    loop {
        let plans = shares.iter().map(|share| with_tokens(&chunk, spec, share, (tokens, lean)));
        let mut plans = plans.collect::<Result<Vec<Plan>, Limitation>>()?;
        plans.iter_mut().for_each(|plan| plan.pairs_floats = arch.pairs_floats());
        let most = plans.iter().map(Plan::most_tokens).min().unwrap_or(tokens);
        if tokens > most {
            tokens = most;
            continue;
        }
        for plan in &mut plans {
            let walks = plan.computes(Phase::Carry);
            plan.stages = if spec.dtype == DType::F32 || !walks { 1 } else { 2 };
            if plan.fits(arch).is_err() {
                plan.stages = 1;
            }
            // What warps have of one block's pairs lies side by side.
            if plan.fits(arch).is_err() {
                plan.near_parts = 1;
            }
        }
        match plans.iter().try_for_each(|plan| plan.fits(arch)) {
            Err(_) if tokens > 16 => {
                tokens /= 2;
                continue;
            }
            Err(_) if !lean => {
                lean = true;
                continue;
            }
            other => other?,
        }
        for (plan, share) in plans.iter_mut().zip(&shares) {
            if let Some(with) = with_roles(&chunk, spec, (plan, share), arch)? {
                *plan = with;
            }
        }
        return Ok(plans);
    }
}

/// The same plan with two crews, where a launch has fewer blocks than multiprocessors and shared memory suffices: what is
/// computed stays the same, to the bit, for chunks of one length. Where keys decay by channel, or tokens compute keys and nothing is
/// solved, what is prepared is most of a chunk's work, and half of the warps would take longer for it than all of them for both.
///
/// Chunks half as long are worth it where inputs arrive ahead: by the model 16 heads of 4096 tokens in blocks of 64 columns take
/// .124 ms on an L40S for .156 with one crew (gated delta rule), .101 for .138 (Mamba-2).
fn with_roles(
    chunk: &Program,
    spec: &Spec,
    (plan, share): (&Plan, &Share),
    arch: Arch,
) -> Result<Option<Plan>, Limitation> {
    let computed = plan.operands.iter().any(|operand| operand.alias.is_none());
    let solved = solves(chunk) || !chunk.systems.is_empty();
    let pays = plan.decayed.is_empty() && (solved || !computed);
    if spec.dtype == DType::F32 || !pays || !is_narrow(value_size(spec, plan.dims.1), spec.columns) {
        return Ok(None);
    }
    let Some(share) = share.with_roles(chunk) else { return Ok(None) };
    for (tokens, stages) in [(plan.tokens, 3), (plan.tokens, 2), (plan.tokens / 2, 3)] {
        if tokens < plan.tokens && tokens < LEAST_SHARED {
            continue;
        }
        let mut with = with_tokens(chunk, spec, &share, (tokens, plan.lean))?;
        (with.stages, with.pairs_floats) = (stages, plan.pairs_floats);
        // A warp of the first crew makes 16 rows of a square.
        let rows = with.squares.iter().map(|square| square.rows).max().unwrap_or(0);
        if rows <= 16 * PREPARING && with.fits(arch).is_ok() {
            return Ok(Some(with));
        }
    }
    Ok(None)
}

/// Warps of value columns, at most so many, halved until all warps of a block that hold states are no more than it can have, and
/// suffice.
fn few_enough(timeline: &Timeline, most: u32, suffice: impl Fn(u32) -> bool) -> u32 {
    let fit = |columns: &u32| {
        let warps = holding(&owners(timeline, *columns, 0));
        warps <= BLOCK_WARPS && suffice(warps)
    };
    let halves = std::iter::successors(Some(most), |most| (most > &1).then_some(most.div_ceil(2)));
    { halves }.find(fit).unwrap_or(1)
}

/// The warps that hold states, and those before them.
fn holding(owners: &[Owner]) -> u32 {
    owners.iter().map(|owner| owner.first + owner.warps).max().unwrap_or(1)
}

/// How the phases of a kernel are shared among blocks and warps.
pub(super) struct Share {
    phases: &'static [Phase],
    dims: (Dim, Dim),
    /// Who holds value columns of which state.
    owners: Vec<Owner>,
    /// Warps in a block, and those of them that have 16 value columns each of a state.
    warps: u32,
    value_warps: u32,
    /// The first warps, where they prepare the next chunk while the others do this one.
    preparing: u32,
    /// Blocks of a head.
    blocks: u32,
}

impl Share {
    fn of(chunk: &Program, spec: &Spec, dims: (Dim, Dim), phases: &'static [Phase]) -> Share {
        let timeline = &chunk.timeline;
        let has = |phase: Phase| phases.contains(&phase);
        let tiles = (value_size(spec, dims.1) as u32).div_ceil(WARP_COLUMNS);
        let asked = (spec.columns as u32 / WARP_COLUMNS).clamp(1, MOST_WARPS);
        // What several states need leaves each thread registers for three times its part of a state.
        let of_state = spec.sizes[dims.0.index()] as u32 * WARP_COLUMNS;
        let roomy = |warps: u32| warps <= MOST_WARPS || 3 * of_state * warps <= REGISTERS;
        // A row that is summed over has one block, and registers for as much as its states have.
        let sums = sums_over(timeline, dims.1);
        let wide = |warps: u32| tiles <= MOST_WARPS || of_state * warps <= MOST_NUMBERS;
        let whole = || few_enough(timeline, tiles.max(MOST_WARPS), wide);
        let most = match (has(Phase::Before), has(Phase::Carry), has(Phase::After)) {
            (true, true, true) if !sums => few_enough(timeline, asked, roomy),
            // What tokens compute is computed once for all value columns.
            (true, false, false) => tiles,
            (false, true, after) if !(mixes_rows(chunk) || after && sums) => {
                few_enough(timeline, asked.min(CARRY_WARPS), roomy)
            }
            (_, carry, _) if sums || carry && mixes_rows(chunk) => whole(),
            _ => few_enough(timeline, MOST_WARPS, |_| true),
        };
        let blocks = tiles.div_ceil(most);
        let value_warps = tiles.div_ceil(blocks);
        let holds = has(Phase::Carry) || has(Phase::After);
        let owners = if holds { owners(timeline, value_warps, 0) } else { Vec::new() };
        let least = match (has(Phase::Before), holds) {
            (true, true) => least_warps(spec, dims.1),
            (true, false) => LEAST_WARPS,
            _ => 1,
        };
        let least = if has(Phase::Before) { least.max(most_slots(chunk)) } else { least };
        let warps = holding(&owners).max(least);
        Share { phases, dims, owners, warps, value_warps, preparing: 0, blocks }
    }

    /// The same with warps that only prepare, where that leaves every thread its registers: all that are left, where rows are
    /// solved.
    fn with_roles(&self, chunk: &Program) -> Option<Share> {
        let timeline = &chunk.timeline;
        if self.phases != WHOLE {
            return None;
        }
        let holding = holding(&owners(timeline, self.value_warps, 0));
        let left = MOST_WARPS.saturating_sub(holding);
        let preparing = if solves(chunk) { left } else { left.min(PREPARING) };
        let (owners, warps) = (owners(timeline, self.value_warps, preparing), preparing + holding);
        let (phases, dims, value_warps, blocks) = (self.phases, self.dims, self.value_warps, self.blocks);
        let share = Share { phases, dims, owners, warps, value_warps, preparing, blocks };
        (preparing >= PREPARING).then_some(share)
    }

    fn part(&self) -> &'static str {
        match self.phases {
            [Phase::Before] => "split_before",
            [Phase::Carry] => "split_carry",
            [Phase::After] => "split_after",
            [Phase::Carry, Phase::After] => "split_rest",
            _ => "fused",
        }
    }

    /// Only the carry has to walk a sequence's chunks.
    fn unit(&self) -> Unit {
        if self.phases.contains(&Phase::Carry) { Unit::Sequence } else { Unit::Piece }
    }
}

/// The plan with chunks of this length.
pub(super) fn with_tokens(
    chunk: &Program,
    spec: &Spec,
    share: &Share,
    (tokens, lean): (u32, bool),
) -> Result<Plan, Limitation> {
    let (dims, value_warps, blocks, warps) = (share.dims, share.value_warps, share.blocks, share.warps);
    let mut plan = Plan {
        chunk: chunk.clone(),
        cut: Cut::default(),
        tokens,
        stages: 1,
        warps,
        value_warps,
        near_parts: 1,
        preparing: share.preparing,
        owners: share.owners.clone(),
        part: share.part(),
        unit: share.unit(),
        ends: chunk.timeline.signature.state_ids().map(Ends::whole).collect(),
        blocks,
        operand: if spec.dtype == DType::F16 { DType::F16 } else { DType::BF16 },
        dtype: spec.dtype,
        lean,
        pairs_floats: false,
        // A reduction over the channels of a row (a norm divides by it) magnifies what rounding loses.
        split: spec.dtype == DType::F32 || spec.precision == Precision::High || mixes_rows(chunk),
        dims,
        inputs: Vec::new(),
        numbers: Vec::new(),
        operands: Vec::new(),
        coefficients: Vec::new(),
        clocks: Vec::new(),
        channel_clocks: Vec::new(),
        mixings: Vec::new(),
        decayed: Vec::new(),
        own: Vec::new(),
        squares: Vec::new(),
        substitutions: Vec::new(),
        output: None,
        epilogue: None,
        prologue: program::Program::default(),
        roots: Vec::new(),
        decays: program::Program::default(),
        decay_roots: Vec::new(),
        layout: token_layout(&chunk.timeline, spec, dims, (warps, value_warps), (blocks, false)),
    };
    plan.settle_keys();
    plan.take_inputs(spec)?;
    plan.take_substitutions()?;
    plan.take_operands();
    plan.take_clocks();
    plan.take_channel_clocks()?;
    plan.take_mixings();
    plan.take_squares();
    plan.take_prologue()?;
    plan.take_numbers();
    plan.take_epilogue()?;
    let long = token_layout(&chunk.timeline, spec, dims, (warps, value_warps), (blocks, true));
    let groups = plan.crew(Phase::Before).len() as u32 * long.groups();
    if plan.has_short_rows() && groups <= tokens {
        plan.layout = long;
    }
    plan.take_cut(share.phases);
    let strips = plan.columns(dims.0).div_ceil(64);
    plan.near_parts = (plan.crew(Phase::Before).len() as u32 / (tokens / 16)).clamp(1, strips);
    plan.check_warps()?;
    plan.check_reductions()?;
    Ok(plan)
}

/// Whether anything that a token computes is a sum over this dim.
fn sums_over(timeline: &Timeline, dim: Dim) -> bool {
    let g = &timeline.graph;
    let has = |v: Value| g.shape(v).dims().any(|d| d == dim);
    g.values().any(|v| match g.expr(v) {
        Expr::Softmax(x) | Expr::L2norm(x) => has(x),
        other => !has(v) && other.operands().any(has),
    })
}

/// A launch that asks for fewer value columns a block than there are has more multiprocessors than blocks: a chunk is to be
/// done soon, and the square matrices are shared among as many warps as there can be.
fn least_warps(spec: &Spec, value: Dim) -> u32 {
    if is_narrow(value_size(spec, value), spec.columns) { MOST_WARPS } else { LEAST_WARPS }
}

fn value_size(spec: &Spec, value: Dim) -> usize {
    spec.sizes[value.index()]
}

/// The most rows a token of any stack.
fn most_slots(chunk: &Program) -> u32 {
    chunk.stacks.iter().map(|s| s.slots as u32).max().unwrap_or(1)
}

fn mixes_rows(chunk: &Program) -> bool {
    class::classify(&chunk.timeline).feedback == Feedback::RowMixing
}

/// Each matrix state has warps of its own from `first` on, 16 value columns each; the states of a team share them.
pub(super) fn owners(timeline: &Timeline, value_warps: u32, first: u32) -> Vec<Owner> {
    let mut teams: Vec<Vec<StateId>> = Vec::new();
    let owner = |state: StateId| {
        let value = timeline.form(state).value;
        if value.is_none() {
            return Owner { state, first, warps: 1, value };
        }
        let team = team_of(timeline, state);
        if !teams.contains(&team) {
            teams.push(team.clone());
        }
        let at = teams.iter().position(|t| *t == team).unwrap_or(0) as u32;
        Owner { state, first: first + at * value_warps, warps: value_warps, value }
    };
    timeline.signature.state_ids().map(owner).collect()
}

pub(super) fn not_fused<T>(timeline: &Timeline, why: &str) -> Result<T, Limitation> {
    Err(Limitation::NotFused(format!(
        "the fused plan of `{}` is not built: the rule {why}",
        timeline.signature.name
    )))
}

/// What the printer can say of a chunk program: what a state stores, and what is read of it, is made of its team's states.
pub(super) fn supported(chunk: &Program) -> Result<(), Limitation> {
    let t = &chunk.timeline;
    substitution::supported(chunk)?;
    mixes::supported(chunk)?;
    let alone = |node: NodeId, state: StateId| {
        let team = team_of(t, state);
        states_of(chunk, node).iter().all(|s| team.contains(s))
    };
    let deposits = chunk.deposits.iter().all(|d| alone(d.values, chunk.keys(d.keys).state));
    match deposits && chunk.reads.iter().all(|(r, found)| alone(found.node, t.read(*r).state)) {
        true => Ok(()),
        false => not_fused(t, "stores reads of a vector state in a matrix, or the other way round"),
    }
}

/// The states that a matrix is made from.
pub(super) fn states_of(chunk: &Program, node: NodeId) -> Vec<StateId> {
    match &chunk.node(node).op {
        Op::Gram(reads, writes) => vec![chunk.keys(*reads).state, chunk.keys(*writes).state],
        Op::Tap(keys) => vec![chunk.keys(*keys).state],
        Op::Scale(_, x) | Op::Inverse(x) => states_of(chunk, *x),
        Op::Decay(_, writes, x) => [vec![chunk.keys(*writes).state], states_of(chunk, *x)].concat(),
        Op::Add(x, y) | Op::Product(x, y) => [states_of(chunk, *x), states_of(chunk, *y)].concat(),
        Op::Solved(system, _) => {
            let found = chunk.system(*system).sought.iter().map(|s| (chunk.keys(s.keys).state, s.found));
            found.flat_map(|(state, node)| [vec![state], states_of(chunk, node)].concat()).collect()
        }
        Op::Reach { reads, writes, values } => {
            let keys = [chunk.keys(*reads).state, chunk.keys(*writes).state];
            [keys.to_vec(), states_of(chunk, *values)].concat()
        }
        // Products of keys are no state's, before they decay.
        Op::Values(_) | Op::Plain(..) => Vec::new(),
    }
}

/// The key and the value dim, which all states share.
pub(super) fn matrix_dims(timeline: &Timeline) -> Result<(Dim, Dim), Limitation> {
    let matrix = |f: &Form| f.key.zip(f.value);
    let Some((key, value)) = timeline.forms.iter().find_map(matrix).filter(|(key, value)| key != value)
    else {
        return Err(Limitation::NotFused(format!(
            "there is no fused plan of `{}`: its states are vectors, which each token scales and adds to, so that there is \
             nothing to multiply on tensor cores; the recurrent plan does the least work there is",
            timeline.signature.name
        )));
    };
    match timeline.forms.iter().all(|f| f.key == Some(key) && f.value.is_none_or(|v| v == value)) {
        true => Ok((key, value)),
        false => not_fused(timeline, "has states of different dims"),
    }
}

/// A group of lanes holds a token's vectors, 8 numbers or so a lane. Of `short` numbers, 16 bits each, a lane has twice as many,
/// in pieces of 16 bytes as of others: eight lanes, which read them in one turn, have a whole round of the banks.
pub(super) fn token_layout(
    timeline: &Timeline,
    spec: &Spec,
    dims: (Dim, Dim),
    (warps, value_warps): (u32, u32),
    (blocks, short): (u32, bool),
) -> Layout {
    let size = |dim: Dim| spec.sizes[dim.index()] as u32;
    let lanes = (size(dims.0).max(WARP_COLUMNS * value_warps) / 8).next_power_of_two().clamp(4, 32);
    let (lanes, run) = if short { (lanes.min(8.max(lanes / 2)), 8) } else { (lanes, 4) };
    let axes = (0..timeline.signature.dims.len()).map(|at| {
        let dim = Dim(at as u32);
        // Runs divide the size, and the lanes reach the end of the tile: they write its padding too.
        let (here, tile, parts) = match dim == dims.1 {
            true => (size(dim).min(WARP_COLUMNS * value_warps), WARP_COLUMNS * value_warps, blocks),
            false => (size(dim), size(dim).div_ceil(16) * 16, 1),
        };
        let axis = layout::lane_axis_of(size(dim), here, lanes, run);
        let registers = tile.div_ceil(axis.stride) * axis.run;
        Axis { size: size(dim), registers, padded: registers * lanes * parts != size(dim), ..axis }
    });
    let axes = axes.collect();
    Layout { lanes, columns: 1, warps, blocks, whole: blocks == 1, memory: false, axes, registers: 0 }
}
