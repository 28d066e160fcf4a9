//! The identifiers of one kernel. The rule's own names come first, so that `q` is `q` and a loop variable gives way.

use crate::namer::Namer;
use crate::program::{Node, Program};
use chunkwise_dsl::timeline::Timeline;

/// Variables of one parameter.
#[derive(Clone)]
pub(super) struct ParamNames {
    pub(super) pointer: String,
    pub(super) at: String,
    pub(super) strides: String,
}

impl ParamNames {
    /// The distance between tokens.
    pub(super) fn token(&self) -> String {
        format!("{}.token", self.strides)
    }

    /// What lies before an entry of an array, as a term of a sum; nothing before the first.
    pub(super) fn entry(&self, entry: u32) -> String {
        match entry {
            0 => String::new(),
            1 => format!(" + {}.entry", self.strides),
            entry => format!(" + {}.entry * {entry}", self.strides),
        }
    }
}

/// Variables of one state.
#[derive(Clone)]
pub(super) struct StateNames {
    pub(super) registers: String,
    pub(super) initial: String,
    pub(super) end: String,
}

/// Variables of one output.
#[derive(Clone)]
pub(super) struct OutputNames {
    pub(super) pointer: String,
    pub(super) at: String,
    pub(super) step: String,
}

/// Variables of one dim.
#[derive(Clone)]
pub(super) struct DimNames {
    /// The first element that a lane holds.
    pub(super) first: String,
    /// How many elements follow it, itself included.
    pub(super) left: String,
}

/// Every identifier.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) kernel: String,
    /// By node; empty where the node is not stored.
    pub(super) nodes: Vec<String>,
    /// By node: what an input is fetched into.
    pub(super) next: Vec<String>,
    pub(super) params: Vec<ParamNames>,
    pub(super) states: Vec<StateNames>,
    pub(super) outputs: Vec<OutputNames>,
    pub(super) dims: Vec<DimNames>,
    pub(super) i: String,
    pub(super) j: String,
    pub(super) token: String,
    pub(super) tokens: String,
    pub(super) heads: String,
    pub(super) cu_seqlens: String,
    pub(super) lane: String,
    pub(super) member: String,
    pub(super) group: String,
    pub(super) strip: String,
    pub(super) head: String,
    pub(super) sequence: String,
    /// The row of a dense batch; 0 where sequences are packed.
    pub(super) row: String,
    /// The first token within that row.
    pub(super) begin: String,
    /// The first token among those of all rows.
    pub(super) start: String,
    pub(super) length: String,
    pub(super) place: String,
    pub(super) fetch: String,
    pub(super) scratch: String,
    pub(super) turn: String,
    pub(super) sequences: String,
    pub(super) piece_tokens: String,
    /// The piece that a block has, where blocks are for pieces.
    pub(super) piece: String,
    /// The first token of the piece's sequence within that row.
    pub(super) origin: String,
}

impl Names {
    /// Names for a kernel of the plan called `plan`; what else the kernel has may be named after.
    pub(super) fn new(timeline: &Timeline, program: &Program, plan: &str, n: &mut Namer) -> Names {
        let signature = &timeline.signature;
        let kernel = n.fresh(&format!("{}_{plan}", signature.name));
        let registers: Vec<String> = signature.states.iter().map(|state| n.fresh(&state.name)).collect();
        let inputs: Vec<_> = program.inputs(false).chain(program.inputs(true)).map(|(id, ..)| id).collect();
        let mut nodes = vec![String::new(); program.nodes.len()];
        for &id in &inputs {
            nodes[id.index()] = n.fresh(&program.node(id).wish);
        }
        for (at, node) in program.nodes.iter().enumerate().filter(|(_, node)| node.stored) {
            if nodes[at].is_empty() {
                nodes[at] = n.fresh(&node.wish);
            }
        }
        let mut next = vec![String::new(); program.nodes.len()];
        for id in inputs {
            next[id.index()] = n.fresh(&format!("{}_next", nodes[id.index()]));
        }
        let [i, j, token, tokens, heads, cu_seqlens] =
            ["i", "j", "t", "tokens", "heads", "cu_seqlens"].map(|wish| n.fresh(wish));
        let [lane, member, group, strip, head, sequence, row, begin] =
            ["lane", "member", "group", "strip", "head", "sequence", "batch_row", "begin"]
                .map(|wish| n.fresh(wish));
        let [start, length, place, fetch, scratch, turn] =
            ["start", "length", "place", "fetch_token", "scratch", "turn"].map(|wish| n.fresh(wish));
        let params = signature.params.iter().map(|param| param_names(n, &param.name)).collect();
        let states = signature.states.iter().zip(registers).map(|(state, registers)| StateNames {
            registers,
            initial: n.fresh(&format!("{}_in", state.name)),
            end: n.fresh(&format!("{}_out", state.name)),
        });
        let states = states.collect();
        let outputs = signature.outputs.iter().map(|output| OutputNames {
            pointer: n.fresh(&format!("{}_out", output.name)),
            at: n.fresh(&format!("{}_at", output.name)),
            step: n.fresh(&format!("{}_step", output.name)),
        });
        let outputs = outputs.collect();
        let dims = signature.dims.iter().map(|dim| DimNames {
            first: n.fresh(&format!("{dim}_first")),
            left: n.fresh(&format!("{dim}_left")),
        });
        let dims = dims.collect();
        let [sequences, piece_tokens, piece, origin] =
            ["sequences", "piece_tokens", "piece", "origin"].map(|wish| n.fresh(wish));
        Names {
            kernel,
            nodes,
            next,
            params,
            states,
            outputs,
            dims,
            i,
            j,
            token,
            tokens,
            heads,
            cu_seqlens,
            lane,
            member,
            group,
            strip,
            head,
            sequence,
            row,
            begin,
            start,
            length,
            place,
            fetch,
            scratch,
            turn,
            sequences,
            piece_tokens,
            piece,
            origin,
        }
    }
}

impl Names {
    /// The same names for everything but the values, which are those of another program of the same kernel.
    pub(super) fn with(&self, program: &Program, n: &mut Namer) -> Names {
        let name = |node: &Node| if node.stored { n.fresh(&node.wish) } else { String::new() };
        Names { nodes: program.nodes.iter().map(name).collect(), next: Vec::new(), ..self.clone() }
    }
}

fn param_names(n: &mut Namer, name: &str) -> ParamNames {
    ParamNames {
        pointer: n.fresh(&format!("{name}_in")),
        at: n.fresh(&format!("{name}_at")),
        strides: n.fresh(&format!("{name}_strides")),
    }
}
