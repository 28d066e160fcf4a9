//! The names of special registers. Source: PTX ISA, "Special Registers".

use super::ast::Special;

/// Makes a component of a register, given its index.
type Component = fn(u8) -> Special;

/// Registers of three components.
const WIDE: [(&str, Component); 4] = [
    ("%tid", Special::Tid),
    ("%ntid", Special::Ntid),
    ("%ctaid", Special::Ctaid),
    ("%nctaid", Special::Nctaid),
];

const COMPONENTS: [&str; 3] = [".x", ".y", ".z"];

const SCALAR: [(&str, Special); 17] = [
    ("%laneid", Special::LaneId),
    ("%warpid", Special::WarpId),
    ("%nwarpid", Special::NwarpId),
    ("%smid", Special::SmId),
    ("%nsmid", Special::NsmId),
    ("%gridid", Special::GridId),
    ("%lanemask_eq", Special::LanemaskEq),
    ("%lanemask_le", Special::LanemaskLe),
    ("%lanemask_lt", Special::LanemaskLt),
    ("%lanemask_ge", Special::LanemaskGe),
    ("%lanemask_gt", Special::LanemaskGt),
    ("%clock", Special::Clock),
    ("%clock_hi", Special::ClockHi),
    ("%clock64", Special::Clock64),
    ("%globaltimer", Special::Globaltimer),
    ("%dynamic_smem_size", Special::DynamicSmemSize),
    ("%total_smem_size", Special::TotalSmemSize),
];

/// The special register of a name without a component.
pub(super) fn scalar(name: &str) -> Option<Special> {
    SCALAR.iter().find(|(known, _)| *known == name).map(|(_, special)| *special)
}

/// The special register of a name and a component such as `.x`.
pub(super) fn component(name: &str, component: &str) -> Option<Special> {
    let (_, make) = WIDE.iter().find(|(known, _)| *known == name)?;
    let index = COMPONENTS.iter().position(|known| *known == component)?;
    Some(make(index as u8))
}

/// The text of a special register.
pub(super) fn name(special: Special) -> String {
    if let Some((name, _)) = SCALAR.iter().find(|(_, known)| *known == special) {
        return (*name).to_string();
    }
    for (name, make) in WIDE {
        for (index, component) in COMPONENTS.iter().enumerate() {
            if make(index as u8) == special {
                return format!("{name}{component}");
            }
        }
    }
    "%unknown".to_string()
}

/// What to say of a special register that is not known.
pub(super) const KNOWN: &str = "known are %tid, %ntid, %ctaid, %nctaid (with .x, .y, .z), %laneid, %warpid, %nwarpid, \
     %smid, %nsmid, %gridid, %lanemask_*, %clock, %clock_hi, %clock64, %globaltimer, %dynamic_smem_size, %total_smem_size";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for (text, special) in SCALAR {
            assert_eq!((scalar(text), name(special)), (Some(special), text.to_string()));
        }
        assert_eq!(component("%tid", ".y"), Some(Special::Tid(1)));
        assert_eq!(name(Special::Nctaid(2)), "%nctaid.z");
        assert_eq!((component("%tid", ".w"), scalar("%tid")), (None, None));
    }
}
