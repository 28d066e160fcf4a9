//! Shared memory: every region by its name, at its place.

use super::names::Fused;
use crate::fused::{Place, Region};
use crate::writer::Writer;
use chunkwise_algebra::program::Columns;

/// The chosen ones of the things that a block shares; a staged one lies at its place stage by stage.
pub(super) fn shared_memory(fused: &Fused<'_>, chosen: impl Fn(Region) -> bool, w: &mut Writer) {
    for Place { region, at, bytes, depth, .. } in fused.plan.places().into_iter().filter(|p| chosen(p.region))
    {
        let (ty, name) = region_name(fused, region);
        let place = match depth {
            1 => format!("shared + {at}"),
            2 => format!("shared + {at} + {} * {bytes}", fused.stage),
            _ => format!("shared + {at} + {} * {bytes}", fused.third),
        };
        w.line(match ty {
            Some(Type::Pointers) => format!("char *const {name} = {place};"),
            Some(tile @ Type::Tile(_)) => format!("const {tile} {name}{{{place}}};"),
            Some(floats) => format!("const {floats} {name}{{reinterpret_cast<float *>({place})}};"),
            None => format!("float *const {name} = reinterpret_cast<float *>({place});"),
        });
    }
}

/// The type of a matrix in shared memory, with its columns.
pub(super) enum Type {
    Tile(u32),
    Square(u32),
    Fine(u32),
    Floats(u32),
    Wide(u32),
    Pointers,
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Type::Tile(columns) => write!(f, "Tile<{columns}>"),
            Type::Square(columns) => write!(f, "Square<{columns}>"),
            Type::Fine(columns) => write!(f, "Fine<{columns}>"),
            Type::Floats(columns) => write!(f, "Floats<{columns}>"),
            Type::Wide(columns) => write!(f, "Wide<{columns}>"),
            Type::Pointers => write!(f, "char *"),
        }
    }
}

/// What a region is called, and what it is; `None` is a list of numbers.
pub(super) fn region_name<'a>(fused: &'a Fused<'_>, region: Region) -> (Option<Type>, &'a str) {
    let plan = fused.plan;
    let decayed = |at: usize| plan.operands[plan.decayed[at].operand].columns;
    match region {
        Region::Input(at, part) => (Some(Type::Tile(plan.inputs[at].columns)), fused.inputs[at].part(part)),
        Region::Operand(at, part) => {
            let ty = if plan.is_floats(&plan.operands[at]) { Type::Floats } else { Type::Tile };
            (Some(ty(plan.operands[at].columns)), fused.operands[at].part(part))
        }
        Region::Decayed(at, part) => (Some(Type::Tile(decayed(at))), fused.decayed[at].part(part)),
        Region::Square(at, part) => {
            let square = &plan.squares[at];
            let ty = match square.feedback {
                Some(_) => Type::Square,
                None if plan.is_fine(square) => Type::Fine,
                None => Type::Tile,
            };
            (Some(ty(square.columns)), fused.squares[at].part(part))
        }
        Region::Output => (Some(Type::Tile(plan.columns(plan.dims.1))), &fused.output),
        Region::Read(at) => {
            let node = plan.epilogue.as_ref().map(|e| plan.chunk.node(e.reads[at]).columns);
            let columns = match node {
                Some(Columns::Value(Some(dim))) => Some(Type::Wide(plan.columns(dim))),
                _ => None,
            };
            (columns, &fused.reads[at])
        }
        Region::Found(at, sought) => {
            (Some(Type::Wide(plan.columns(plan.dims.1))), &fused.substitutions[at].found[sought])
        }
        Region::Solved(at, member) => {
            (Some(Type::Wide(plan.columns(plan.dims.1))), &fused.substitutions[at].solved[member])
        }
        Region::Diagonal(at, sought, member) => {
            let system = plan.chunk.system(plan.substitutions[at].system);
            let writes = system.members[member].values.len() as u32;
            (Some(Type::Square(16 * writes)), fused.substitutions[at].diagonal(sought, member))
        }
        Region::Pointers => (Some(Type::Pointers), &fused.pointers),
        Region::Number(at) => (None, &fused.numbers[at]),
        Region::Coefficient(at) => (None, &fused.coefficients[at]),
        Region::Own(at) => (None, &fused.own[at]),
        Region::Near(at) => (None, &fused.near[at]),
        Region::Vector(at) => (None, &fused.vectors[at]),
        Region::Mixes(at) => (None, &fused.mixings[at].runs),
        Region::Table(at, table) => (None, &fused.mixings[at].tables[table]),
        Region::Channels(at) => (Some(Type::Wide(plan.columns(plan.dims.1))), &fused.channels[at]),
        Region::Clock(at, part) => (None, fused.clocks[at].part(part)),
    }
}
