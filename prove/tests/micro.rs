//! Every micro-kernel runs in the simulator without a complaint, and the judge tells good from bad.

use chunkwise_prove::micro::run::{Machine, Simulator, drawn, judge};
use chunkwise_prove::micro::{Agree, BLOCKS, all};
use std::collections::BTreeSet;

#[test]
fn every_form_runs_in_the_simulator() {
    let mut failures = Vec::new();
    let mut count = 0;
    for (group, forms) in all() {
        assert!(!forms.is_empty(), "{group} has no form");
        for form in forms {
            count += 1;
            assert_eq!(form.draw.len(), form.reads as usize, "{}", form.name);
            let reads = drawn(&form, 1);
            let writes = (form.writes * BLOCKS * 32) as usize;
            match Simulator.run(&form.ptx(), &reads, writes) {
                // A result that is the same everywhere would prove nothing.
                Ok(words) => {
                    let distinct: BTreeSet<u32> = words.iter().copied().collect();
                    // (But 16 bytes of which none come from the source are zero, whatever was drawn.)
                    if distinct.len() < 2 && !form.name.ends_with("16, 0") {
                        failures.push(format!("{}: all results are {:#x}", form.name, words[0]));
                    }
                }
                Err(error) => failures.push(format!("{}: {error}", form.name)),
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 300, "only {count} forms");
}

#[test]
fn names_are_unique() {
    let mut seen = BTreeSet::new();
    for form in all().into_iter().flat_map(|(_, forms)| forms) {
        assert!(seen.insert(form.name.clone()), "two forms are called `{}`", form.name);
    }
}

#[test]
fn one_flipped_bit_is_seen() {
    for form in all().into_iter().flat_map(|(_, forms)| forms) {
        let reads = drawn(&form, 1);
        let writes = (form.writes * BLOCKS * 32) as usize;
        let words = Simulator.run(&form.ptx(), &reads, writes).unwrap();
        assert_eq!(judge(&form, &reads, &words, &words).different, 0, "{}", form.name);
        let at = words
            .iter()
            .position(|&w| is_ordinary(form.agree, w))
            .unwrap_or_else(|| panic!("{}: nothing ordinary", form.name));
        // The lowest bit where all count; else one of the exponent.
        let bit = match form.agree {
            Agree::Bits { .. } => 0,
            Agree::Ulps { .. } | Agree::Sum { halves: false, .. } => 24,
            Agree::HalfUlps { .. } | Agree::Sum { halves: true, .. } => 27,
        };
        let mut changed = words.clone();
        changed[at] ^= 1 << bit;
        let outcome = judge(&form, &reads, &words, &changed);
        assert_eq!(outcome.wrong, 1, "{} at {at}: {:#x}", form.name, words[at]);
        assert!(outcome.example.contains("lane"), "{}", outcome.example);
    }
}

/// Not a NaN in any type, and neither tiny nor huge where sums and approximations are concerned.
fn is_ordinary(agree: Agree, word: u32) -> bool {
    let exponent = word >> 23 & 0xff;
    let no_nan = exponent < 0xf0 && word & 0x7fff <= 0x7800;
    no_nan && (matches!(agree, Agree::Bits { .. }) || (118..=137).contains(&exponent))
}
