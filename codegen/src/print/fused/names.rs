//! What everything in a fused kernel is called.

use super::super::Context;
use super::super::names::Names;
use super::handed::HandedNames;
use super::substitution::{SubstitutionNames, row_names};
use crate::dtype::DType;
use crate::fused::{
    ChannelClock, Clock, ClockKind, ClockPart, Decayed, Input, Mixing, Number, Operand, Owner, Part, Plan,
    Region, Square, Substitution,
};
use crate::kernel::Spec;
use crate::layout::{self, Layout};
use crate::namer::Namer;
use crate::program::Program;
use crate::writer::Writer;
use chunkwise_algebra::program::{KeysId, Phase, StackId, System};
use chunkwise_dsl::graph::{ParamId, StateId, Value};
use std::cell::RefCell;

/// A tile of rounded numbers, one of what rounding lost, where there is one, and one of what rounding that lost.
#[derive(Clone)]
pub(super) struct TileName {
    pub(super) high: String,
    pub(super) low: Option<String>,
    pub(super) last: Option<String>,
}

/// Everything a printer function may look at.
pub(super) struct Fused<'a> {
    pub(super) plan: &'a Plan,
    /// Names, and what prints the prologue's expressions.
    pub(super) context: Context<'a>,
    /// By [`Plan::inputs`].
    pub(super) inputs: Vec<TileName>,
    /// By [`Plan::numbers`].
    pub(super) numbers: Vec<String>,
    /// By [`Plan::operands`]: the name of the tile, also where it is an input's.
    pub(super) operands: Vec<TileName>,
    /// By [`Plan::coefficients`].
    pub(super) coefficients: Vec<String>,
    /// By [`Plan::clocks`].
    pub(super) clocks: Vec<ClockNames>,
    /// By [`Plan::channel_clocks`]: rows of decays.
    pub(super) channels: Vec<String>,
    /// By [`Plan::mixings`].
    pub(super) mixings: Vec<MixNames>,
    /// By [`Plan::decayed`].
    pub(super) decayed: Vec<TileName>,
    /// By [`Plan::own`].
    pub(super) own: Vec<String>,
    /// Pairs within blocks, by Gram matrix.
    pub(super) near: Vec<String>,
    /// By [`Plan::squares`].
    pub(super) squares: Vec<TileName>,
    /// The number of a warp.
    pub(super) warp: String,
    /// The block's first value column.
    pub(super) column: String,
    /// The chunk's first token, and how many tokens it has.
    pub(super) first: String,
    pub(super) count: String,
    /// Whether the sequence has a token.
    pub(super) there: String,
    /// A row on its way to shared memory.
    pub(super) line: String,
    /// The tile that outputs leave through, where each is a read.
    pub(super) output: String,
    /// By [`Epilogue::reads`](crate::fused::Epilogue): the rows that outputs are made from.
    pub(super) reads: Vec<String>,
    /// By [`Plan::owners`]: where a vector state lies between chunks.
    pub(super) vectors: Vec<String>,
    /// What prints the expressions of scalar decays.
    pub(super) decays: Option<Context<'a>>,
    /// What prints the epilogue's expressions.
    pub(super) after: Option<Context<'a>>,
    /// By [`Plan::substitutions`].
    pub(super) substitutions: Vec<SubstitutionNames<'a>>,
    /// The number of a chunk's stage, of two and of three, and the function that fetches a chunk.
    pub(super) stage: String,
    pub(super) third: String,
    pub(super) fetch: String,
    /// What crosses to other kernels, or from them.
    pub(super) handed: HandedNames,
    /// Where this head's rows of each tensor begin, in shared memory.
    pub(super) pointers: String,
    pub(super) namer: RefCell<Namer>,
}

/// What one clock is called.
pub(super) enum ClockNames {
    Scalar {
        /// The log2 of the decays before each token; the last entry is that of the chunk.
        before: String,
        /// The log2 of each of a token's decays.
        steps: Vec<String>,
        /// Rows of keys, by combination of places.
        rows: Vec<RowNames>,
        /// Signs before each token, and of each of a token's decays.
        signs: Option<(String, Vec<String>)>,
    },
    ByChannel {
        /// Rows of decays.
        decay: String,
        /// The decays of the chunk.
        all: String,
        /// The decays of blocks of 16 tokens.
        blocks: String,
    },
}

impl ClockNames {
    pub(super) fn part(&self, part: ClockPart) -> &str {
        match (self, part) {
            (ClockNames::ByChannel { decay, .. }, ClockPart::Decays) => decay,
            (ClockNames::ByChannel { all, .. }, ClockPart::All) => all,
            (ClockNames::ByChannel { blocks, .. }, ClockPart::Blocks) => blocks,
            (ClockNames::Scalar { before, .. }, ClockPart::Before) => before,
            (ClockNames::Scalar { signs: Some((before, _)), .. }, ClockPart::SignBefore) => before,
            (ClockNames::Scalar { rows, .. }, ClockPart::Log(at)) => &rows[at].log,
            (ClockNames::Scalar { rows, .. }, ClockPart::FromStart(at)) => &rows[at].from_start,
            (ClockNames::Scalar { rows, .. }, ClockPart::ToEnd(at)) => &rows[at].to_end,
            (ClockNames::Scalar { rows, .. }, ClockPart::Sign(at)) => {
                rows[at].sign.as_deref().unwrap_or_default()
            }
            _ => "",
        }
    }
}

/// What a mixing is called.
pub(super) struct MixNames {
    /// The matrices of tokens, and of runs.
    pub(super) runs: String,
    /// By table.
    pub(super) tables: Vec<String>,
}

/// Numbers of the rows of keys.
pub(super) struct RowNames {
    /// The log2 of the decay from the chunk's start.
    pub(super) log: String,
    pub(super) from_start: String,
    pub(super) to_end: String,
    pub(super) sign: Option<String>,
}

impl Fused<'_> {
    /// `bf16_pair` or `f16_pair`.
    pub(super) fn operand(&self) -> &'static str {
        if self.plan.operand == DType::BF16 { "bf16_pair" } else { "f16_pair" }
    }

    /// The same, of one number.
    pub(super) fn element(&self) -> DType {
        self.plan.operand
    }

    /// A name that nothing has yet.
    pub(super) fn fresh(&self, wish: &str) -> String {
        self.namer.borrow_mut().fresh(wish)
    }

    /// Threads of a block.
    pub(super) fn threads(&self) -> u32 {
        self.plan.warps * 32
    }

    /// The tile of keys.
    pub(super) fn keys(&self, id: KeysId) -> TileName {
        let none = || TileName { high: String::new(), low: None, last: None };
        self.plan.operand_of_keys(id).map_or_else(none, |o| self.operands[o].clone())
    }

    pub(super) fn coefficient(&self, values: &[Value]) -> &str {
        self.plan.coefficient_of(values).map_or("", |c| &self.coefficients[c])
    }

    /// The clock of a state.
    pub(super) fn clock(&self, state: StateId) -> Option<(&ClockKind, &ClockNames)> {
        let at = self.plan.clocks.iter().position(|c| c.states.contains(&state))?;
        Some((&self.plan.clocks[at].kind, &self.clocks[at]))
    }

    /// The rows of decays of keys whose state decays by one number.
    pub(super) fn decays(&self, id: KeysId) -> Option<&RowNames> {
        let keys = self.plan.chunk.keys(id);
        let (ClockKind::Scalar { places, .. }, ClockNames::Scalar { rows, .. }) = self.clock(keys.state)?
        else {
            return None;
        };
        let here: Vec<usize> = keys.slots.iter().map(|s| s.place).collect();
        Some(&rows[places.iter().position(|p| *p == here)?])
    }

    /// The tile of keys as products with the state take them: decayed, where the state decays by channel.
    pub(super) fn state_keys(&self, id: KeysId) -> TileName {
        self.plan.decayed_of(id).map_or_else(|| self.keys(id), |d| self.decayed[d].clone())
    }

    /// Groups of 8 rows of a stack: the columns of a fragment.
    pub(super) fn eighths(&self, stack: StackId) -> u32 {
        self.plan.rows(self.plan.chunk.slots(stack)) / 8
    }

    /// Groups of 8 channels of the key dim.
    pub(super) fn key_eighths(&self) -> u32 {
        self.plan.columns(self.plan.dims.0) / 8
    }

    /// This warp's number among those from `first` on.
    pub(super) fn warp_from(&self, first: u32) -> String {
        match first {
            0 => self.warp.clone(),
            first => format!("({} - {first})", self.warp),
        }
    }

    /// Of the warps that compute what depends on the state: whether this is one of an owner's; `None` where all are.
    pub(super) fn is_owner(&self, owner: &Owner) -> Option<String> {
        let (warp, crew) = (&self.warp, self.plan.crew(Phase::Carry));
        match (owner.first, owner.first + owner.warps) {
            (first, end) if (first..end) == crew => None,
            (first, end) if end > first + 1 && first == crew.start => Some(format!("{warp} < {end}")),
            (0, end) => Some(format!("{warp} < {end}")),
            (first, end) if end == first + 1 => Some(format!("{warp} == {first}")),
            (first, end) if end == crew.end => Some(format!("{warp} >= {first}")),
            (first, end) => Some(format!("{warp} >= {first} && {warp} < {end}")),
        }
    }

    /// Threads that compute a phase.
    pub(super) fn crew_threads(&self, phase: Phase) -> u32 {
        self.plan.crew(phase).len() as u32 * 32
    }

    /// All warps that compute a phase wait for each other.
    pub(super) fn barrier(&self, phase: Phase, w: &mut Writer) {
        let crew = self.plan.crew(phase);
        match crew.len() as u32 == self.plan.warps {
            true => w.line("__syncthreads();"),
            false => w.line(format_args!("meet_warps<{}, {}>();", 1 + crew.start.min(1), crew.len())),
        }
    }
}

/// Names for everything: who comes first has what it wishes for.
pub(super) fn name<'a>(spec: &Spec, plan: &'a Plan) -> Fused<'a> {
    let timeline = &plan.chunk.timeline;
    let mut namer = Namer::default();
    let n = &mut namer;
    let names = Names::new(timeline, &plan.prologue, plan.part, n);
    let of_decays = layout::decay_params(timeline);
    let params: Vec<DType> = (0..timeline.signature.params.len() as u32)
        .map(|p| layout::dtype_of(timeline, &of_decays, ParamId(p), spec.dtype))
        .collect();
    let of_state = |state: StateId| timeline.signature.state(state).name.as_str();
    let inputs = inputs(plan, n);
    let number = |i: &Number| n.fresh(&format!("{}_rows", timeline.signature.param(i.param).name));
    let numbers = plan.numbers.iter().map(number).collect();
    let operands = operands(plan, &inputs, n);
    let coefficients = (0..plan.coefficients.len()).map(|c| n.fresh(&format!("c{c}"))).collect();
    let clocks = plan.clocks.iter().map(|clock| clock_names(clock, of_state(clock.states[0]), n)).collect();
    let channel = |clock: &ChannelClock| n.fresh(&format!("{}_channel_decays", of_state(clock.state)));
    let channels = plan.channel_clocks.iter().map(channel).collect();
    let mixings = plan.mixings.iter().map(|mixing| mix_names(mixing, n)).collect();
    let decayed = decayed(plan, n);
    let own = plan.own.iter().map(|_| n.fresh("own")).collect();
    let near = plan.own.iter().map(|_| n.fresh("near")).collect();
    let squares = squares(plan, n);
    let [warp, column, first, count, there, line] =
        ["warp", "column", "first", "count", "there", "line"].map(|wish| n.fresh(wish));
    let reads = plan.epilogue.iter().flat_map(|e| &e.reads).map(|_| n.fresh("reads")).collect();
    let output = plan.output.map_or_else(|| n.fresh("output_tile"), |o| operands[o].high.clone());
    let context = |program: &'a Program, layout: &'a Layout, names: Names| Context {
        timeline,
        program,
        layout,
        names,
        params: params.clone(),
        output: spec.dtype,
    };
    let after = plan.epilogue.as_ref().map(|epilogue| &epilogue.program);
    let after = after.map(|program| context(program, &plan.layout, names.with(program, n)));
    let decays = (!plan.decay_roots.is_empty())
        .then(|| context(&plan.decays, &plan.layout, names.with(&plan.decays, n)));
    let substitution = |s: &'a Substitution| {
        let own = row_names(s, names.with(&s.program, n), plan.dims.1.index(), n);
        substitution_names(plan.chunk.system(s.system), context(&s.program, &s.layout, own), n)
    };
    let substitutions = plan.substitutions.iter().map(substitution).collect();
    let vector = |owner: &Owner| n.fresh(&format!("{}_numbers", of_state(owner.state)));
    let vectors = plan.owners.iter().map(vector).collect();
    let [stage, third, fetch, pointers] = ["stage", "third", "fetch", "pointers"].map(|wish| n.fresh(wish));
    let handed = HandedNames {
        buffers: ["regions", "registers"].map(|wish| n.fresh(wish)),
        rows: ["regions_row", "registers_row"].map(|wish| n.fresh(wish)),
    };
    let context = context(&plan.prologue, &plan.layout, names);
    Fused {
        plan,
        context,
        inputs,
        numbers,
        operands,
        coefficients,
        clocks,
        channels,
        mixings,
        decayed,
        own,
        near,
        squares,
        warp,
        column,
        first,
        count,
        there,
        line,
        output,
        reads,
        vectors,
        decays,
        after,
        substitutions,
        stage,
        third,
        fetch,
        handed,
        pointers,
        namer: RefCell::new(namer),
    }
}

/// The tiles of inputs.
fn inputs(plan: &Plan, n: &mut Namer) -> Vec<TileName> {
    let signature = &plan.chunk.timeline.signature;
    let input = |(at, input): (usize, &Input)| {
        let whole = plan.keeps(Region::Input(at, Part::Last)) && plan.input_whole(input);
        tile_name(n, &signature.param(input.param).name, (plan.input_split(), whole))
    };
    plan.inputs.iter().enumerate().map(input).collect()
}

/// The tiles of operands, some of them inputs'.
fn operands(plan: &Plan, inputs: &[TileName], n: &mut Namer) -> Vec<TileName> {
    let operand = |(at, operand): (usize, &Operand)| {
        let whole = plan.operand_whole(operand);
        match operand.alias {
            // What tokens compute may need all of an input whose products do not.
            Some(input) => {
                let tile = inputs[input].clone();
                TileName { last: tile.last.filter(|_| whole), ..tile }
            }
            None => {
                let parts =
                    (plan.operand_split(operand), plan.keeps(Region::Operand(at, Part::Last)) && whole);
                tile_name(n, &format!("operand{at}"), parts)
            }
        }
    };
    plan.operands.iter().enumerate().map(operand).collect()
}

/// The tiles of keys that decay by channel.
fn decayed(plan: &Plan, n: &mut Namer) -> Vec<TileName> {
    let tile = |(at, d): (usize, &Decayed)| {
        let what = if d.writes { "writes" } else { "reads" };
        let state = &plan.chunk.timeline.signature.state(plan.chunk.keys(d.keys).state).name;
        let whole = plan.keeps(Region::Decayed(at, Part::Last)) && plan.decayed_whole(d);
        let parts = (plan.decayed_split(d), whole);
        tile_name(n, &format!("{state}_{what}"), parts)
    };
    plan.decayed.iter().enumerate().map(tile).collect()
}

/// The tiles of squares.
fn squares(plan: &Plan, n: &mut Namer) -> Vec<TileName> {
    let tile = |square: &Square| match square.feedback {
        Some(_) => TileName { high: n.fresh("feedback"), low: None, last: None },
        None => tile_name(n, "gram", (plan.square_split(square), false)),
    };
    plan.squares.iter().map(tile).collect()
}

fn mix_names(mixing: &Mixing, n: &mut Namer) -> MixNames {
    MixNames {
        runs: n.fresh("mixes"),
        tables: mixing.tables.iter().map(|t| n.fresh(if t.writes { "until" } else { "since" })).collect(),
    }
}

fn substitution_names<'a>(system: &System, context: Context<'a>, n: &mut Namer) -> SubstitutionNames<'a> {
    SubstitutionNames {
        context,
        found: system.sought.iter().map(|_| n.fresh("found")).collect(),
        solved: system.members.iter().map(|_| n.fresh("solved")).collect(),
        diagonals: system.pairs().map(|(r, m, _)| ((r, m), n.fresh("diagonal"))).collect(),
    }
}

fn tile_name(n: &mut Namer, of: &str, (split, whole): (bool, bool)) -> TileName {
    let high = n.fresh(&format!("{of}_tile"));
    let mut part = |is: bool, what: &str| is.then(|| n.fresh(&format!("{of}_{what}")));
    TileName { low: part(split, "rest"), last: part(whole, "last"), high }
}

impl TileName {
    pub(super) fn part(&self, part: Part) -> &str {
        match part {
            Part::High => &self.high,
            Part::Low => self.low.as_deref().unwrap_or_default(),
            Part::Last => self.last.as_deref().unwrap_or_default(),
        }
    }

    /// Both tiles as a `Split` of `columns` columns; without a second one its place is null.
    pub(super) fn both(&self, columns: u32) -> String {
        let low = self.low.clone().unwrap_or_else(|| format!("Tile<{columns}>{{nullptr}}"));
        format!("Split<{columns}>{{{}, {low}}}", self.high)
    }
}

fn clock_names(clock: &Clock, state: &str, n: &mut Namer) -> ClockNames {
    let mut fresh = |what: &str| n.fresh(&format!("{state}_{what}"));
    match &clock.kind {
        ClockKind::Scalar { factors, places, signed } => ClockNames::Scalar {
            before: fresh("before"),
            steps: factors.iter().map(|_| fresh("step")).collect(),
            rows: places
                .iter()
                .map(|_| RowNames {
                    log: fresh("log"),
                    from_start: fresh("from_start"),
                    to_end: fresh("to_end"),
                    sign: signed.then(|| fresh("sign")),
                })
                .collect(),
            signs: signed.then(|| (fresh("sign_before"), factors.iter().map(|_| fresh("turn")).collect())),
        },
        ClockKind::ByChannel { .. } => {
            let [decay, all, blocks] = ["decays", "decay_all", "block_decays"].map(fresh);
            ClockNames::ByChannel { decay, all, blocks }
        }
    }
}
