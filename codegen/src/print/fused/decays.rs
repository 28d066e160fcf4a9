//! A token's decays: each one's logarithm, what stands before each row inside the token, and the sums over the chunk.
//!
//! ```text
//! s_step = 1.44269504f * g                        a token's decay, in log2; its sign apart, where it may have one
//! s_before[t] = s_step;  s_log[t] = 0.0f          the whole token's, and what stands before a row in it
//! sum_before(..), decay_rows(..)                  one warp: from the chunk's start, and to its end
//! ```
//!
//! Decays by channel are rows of a tile, as they are.

use super::inputs::row;
use super::{ClockNames, Fused, RowNames, mixes};
use crate::fused::ClockKind;
use crate::writer::Writer;
use chunkwise_dsl::graph::Dim;
use chunkwise_dsl::timeline::Factor;

/// Whether one warp makes sums or products over the chunk's tokens.
pub(super) fn has_sums(fused: &Fused<'_>) -> bool {
    let scalar = fused.plan.clocks.iter().any(|c| matches!(c.kind, ClockKind::Scalar { .. }));
    scalar || !fused.plan.mixings.is_empty()
}

/// One of a token's decays, and its sign.
pub(super) fn decay(fused: &Fused<'_>, clock: usize, factor: usize, text: &str, w: &mut Writer) {
    let (ClockKind::Scalar { factors, .. }, ClockNames::Scalar { steps, signs, .. }) =
        (&fused.plan.clocks[clock].kind, &fused.clocks[clock])
    else {
        return;
    };
    let log2 = match (factors[factor], signs) {
        (Factor::Log(_), _) => format!("1.44269504f * ({text})"),
        (Factor::Raw(_), None) => format!("log2f({text})"),
        (Factor::Raw(_), Some(_)) => format!("log2f(fabsf({text}))"),
    };
    let there = &fused.there;
    w.line(format_args!("const float {} = {there} ? bounded_log2({log2}) : 0.0f;", steps[factor]));
    if let Some((_, turns)) = signs {
        w.line(match factors[factor] {
            Factor::Log(_) => format!("const float {} = 1.0f;", turns[factor]),
            Factor::Raw(_) => {
                format!("const float {} = {there} && {text} < 0.0f ? -1.0f : 1.0f;", turns[factor])
            }
        });
    }
}

/// A row of decays by channel; tokens after the sequence's end, and padding, keep everything.
pub(super) fn decay_row(fused: &Fused<'_>, dim: Dim, to: &str, text: &str, w: &mut Writer) {
    let (context, names) = (&fused.context, &fused.context.names);
    let (axis, i, columns) = (context.axis(dim), context.index(dim), fused.plan.columns(dim));
    let inside = match axis.padded {
        true => {
            let shared = dim == fused.plan.dims.1 && fused.plan.blocks > 1;
            let left =
                if shared { format!("{} - {}", axis.size, fused.column) } else { axis.size.to_string() };
            let at = format!("{i} / {} * {} + {i} % {}", axis.run, axis.stride, axis.run);
            format!(" && {} * {} + {at} < {left}", names.member, axis.run)
        }
        false => String::new(),
    };
    w.block("", |w| {
        w.line(format_args!("float {}[{}];", fused.line, axis.registers));
        let value = format!("{}{inside} ? {text} : 1.0f", fused.there);
        w.unrolled(i, axis.registers, format_args!("{}[{i}] = {value};", fused.line));
        w.line(format_args!(
            "store_floats<{}, {}, {columns}>({to}, {}, {} * {});",
            axis.run, axis.stride, fused.line, names.member, axis.run
        ));
    });
}

/// The decays that stand before each row in its token.
pub(super) fn sums_in_token(fused: &Fused<'_>, w: &mut Writer) {
    let names = &fused.context.names;
    let t = &names.token;
    for (clock, own) in fused.plan.clocks.iter().zip(&fused.clocks) {
        let (ClockKind::Scalar { places, .. }, ClockNames::Scalar { before, steps, rows, signs }) =
            (&clock.kind, own)
        else {
            continue;
        };
        let joined = |names: &[String], by: &str, none: &str| match names {
            [] => none.to_owned(),
            names => names.join(by),
        };
        w.line(format_args!("{before}[{t}] = {};", joined(steps, " + ", "0.0f")));
        if let Some((sign, turns)) = signs {
            w.line(format_args!("{sign}[{t}] = {};", joined(turns, " * ", "1.0f")));
        }
        for (places, RowNames { log, sign, .. }) in places.iter().zip(rows) {
            for (slot, &place) in places.iter().enumerate() {
                let row = row(t, places.len(), slot);
                w.line(format_args!("{log}[{row}] = {};", joined(&steps[..place], " + ", "0.0f")));
                if let (Some(sign), Some((_, turns))) = (sign, signs) {
                    w.line(format_args!("{sign}[{row}] = {};", joined(&turns[..place], " * ", "1.0f")));
                }
            }
        }
    }
}

/// Decays from the chunk's start and to its end, of the rows of keys. For one warp.
pub(super) fn cumulative(fused: &Fused<'_>, w: &mut Writer) {
    let plan = fused.plan;
    for (clock, own) in plan.clocks.iter().zip(&fused.clocks) {
        let (ClockKind::Scalar { places, .. }, ClockNames::Scalar { before, rows, signs, .. }) =
            (&clock.kind, own)
        else {
            continue;
        };
        let tokens = plan.tokens;
        w.line(format_args!("sum_before<{tokens}>({before});"));
        if let Some((sign, _)) = signs {
            w.line(format_args!("signs_before<{tokens}>({sign});"));
        }
        for (places, RowNames { log, from_start, to_end, sign }) in places.iter().zip(rows) {
            let slots = places.len();
            w.line(format_args!("decay_rows<{tokens}, {slots}>({before}, {log}, {from_start}, {to_end});"));
            if let (Some(sign), Some((all, _))) = (sign, signs) {
                w.line("__syncwarp();");
                w.line(format_args!("sign_rows<{tokens}, {slots}>({all}, {sign}, {from_start}, {to_end});"));
            }
        }
    }
    mixes::cumulative(fused, w);
}
