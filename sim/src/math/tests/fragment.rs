//! Fragments against the ISA's formulas, shape by shape and type by type as its sections have them, and against rows of its
//! figures.

use super::super::tensor::fragment::*;
use super::super::tensor::{Lanes, Shape, matrix};
use super::Random;
use std::collections::BTreeSet;

/// A matrix of a section: rows, columns, elements a register, elements a lane, and (row, column) of element i of the lane
/// with `groupID = g` and `threadID_in_group = t`.
type Section = (&'static str, Shape, u8, u32, fn(u32, u32, u32) -> (u32, u32));

const fn shape(m: u8, n: u8, k: u16) -> Shape {
    Shape { m, n, k }
}

/// Whether i is in the first or third quarter, which many formulas ask.
fn even_part(i: u32, part: u32) -> bool {
    i < part || 2 * part <= i && i < 3 * part
}

/// Multiplicand A.
const A: [Section; 17] = [
    ("m8n8k4 f64", shape(8, 8, 4), 1, 1, |g, t, _| (g, t)),
    ("m8n8k16 s8", shape(8, 8, 16), 4, 4, |g, t, i| (g, t * 4 + i)),
    ("m8n8k32 s4", shape(8, 8, 32), 8, 8, |g, t, i| (g, t * 8 + i)),
    ("m8n8k128 b1", shape(8, 8, 128), 32, 32, |g, t, i| (g, t * 32 + i)),
    ("m16n8k4 tf32, f64", shape(16, 8, 4), 1, 2, |g, t, i| (if i == 0 { g } else { g + 8 }, t)),
    ("m16n8k8 f16, bf16", shape(16, 8, 8), 2, 4, |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1))),
    ("m16n8k8 tf32, f64", shape(16, 8, 8), 1, 4, |g, t, i| {
        (if i == 0 || i == 2 { g } else { g + 8 }, if i < 2 { t } else { t + 4 })
    }),
    ("m16n8k16 f16, bf16", shape(16, 8, 16), 2, 8, |g, t, i| {
        (if even_part(i, 2) { g } else { g + 8 }, if i < 4 { t * 2 + (i & 1) } else { t * 2 + (i & 1) + 8 })
    }),
    ("m16n8k16 f64", shape(16, 8, 16), 1, 8, |g, t, i| {
        if i % 2 == 0 { (g, i * 2 + t) } else { (g + 8, i * 2 - 2 + t) }
    }),
    ("m16n8k16 s8, e4m3", shape(16, 8, 16), 4, 8, |g, t, i| (if i < 4 { g } else { g + 8 }, t * 4 + (i & 3))),
    ("m16n8k32 s4", shape(16, 8, 32), 8, 16, |g, t, i| (if i < 8 { g } else { g + 8 }, t * 8 + (i & 7))),
    ("m16n8k32 s8, e4m3", shape(16, 8, 32), 4, 16, |g, t, i| {
        (if even_part(i, 4) { g } else { g + 8 }, if i < 8 { t * 4 + (i & 3) } else { t * 4 + (i & 3) + 16 })
    }),
    ("m16n8k64 s4", shape(16, 8, 64), 8, 32, |g, t, i| {
        (if even_part(i, 8) { g } else { g + 8 }, if i < 16 { t * 8 + (i & 7) } else { t * 8 + (i & 7) + 32 })
    }),
    ("m16n8k128 b1", shape(16, 8, 128), 32, 64, |g, t, i| {
        (if i < 32 { g } else { g + 8 }, t * 32 + (i & 31))
    }),
    ("m16n8k256 b1", shape(16, 8, 256), 32, 128, |g, t, i| {
        (
            if even_part(i, 32) { g } else { g + 8 },
            if i < 64 { t * 32 + i % 32 } else { t * 32 + i % 32 + 128 },
        )
    }),
    // The same layouts in the types that the sections above name together.
    ("m16n8k8 bf16", shape(16, 8, 8), 2, 4, |g, t, i| (g + 8 * (i / 2), 2 * t + i % 2)),
    ("m8n8k16 u8", shape(8, 8, 16), 4, 4, |g, t, i| (g, 4 * t + i)),
];

/// Multiplicand B.
const B: [Section; 14] = [
    ("m8n8k4 f64", shape(8, 8, 4), 1, 1, |g, t, _| (t, g)),
    ("m8n8k16 s8", shape(8, 8, 16), 4, 4, |g, t, i| (t * 4 + i, g)),
    ("m8n8k32 s4", shape(8, 8, 32), 8, 8, |g, t, i| (t * 8 + i, g)),
    ("m8n8k128 b1", shape(8, 8, 128), 32, 32, |g, t, i| (t * 32 + i, g)),
    ("m16n8k4 tf32, f64", shape(16, 8, 4), 1, 1, |g, t, _| (t, g)),
    ("m16n8k8 f16, bf16", shape(16, 8, 8), 2, 2, |g, t, i| (t * 2 + i, g)),
    ("m16n8k8 tf32, f64", shape(16, 8, 8), 1, 2, |g, t, i| (if i == 0 { t } else { t + 4 }, g)),
    ("m16n8k16 f16, bf16", shape(16, 8, 16), 2, 4, |g, t, i| {
        (if i < 2 { t * 2 + (i & 1) } else { t * 2 + (i & 1) + 8 }, g)
    }),
    ("m16n8k16 f64", shape(16, 8, 16), 1, 4, |g, t, i| (t + i * 4, g)),
    ("m16n8k16 s8, e4m3", shape(16, 8, 16), 4, 4, |g, t, i| (t * 4 + i, g)),
    ("m16n8k32 s4", shape(16, 8, 32), 8, 8, |g, t, i| (t * 8 + (i & 7), g)),
    ("m16n8k32 s8, e4m3", shape(16, 8, 32), 4, 8, |g, t, i| {
        (if i < 4 { t * 4 + (i & 3) } else { t * 4 + (i & 3) + 16 }, g)
    }),
    ("m16n8k64 s4", shape(16, 8, 64), 8, 16, |g, t, i| {
        (if i < 8 { t * 8 + (i & 7) } else { t * 8 + (i & 7) + 32 }, g)
    }),
    ("m16n8k256 b1", shape(16, 8, 256), 32, 64, |g, t, i| {
        (if i < 32 { t * 32 + i } else { t * 32 + i - 32 + 128 }, g)
    }),
];

/// Accumulators.
const C: [Section; 4] = [
    ("m8n8k4 f64", shape(8, 8, 4), 1, 2, |g, t, i| (g, t * 2 + (i & 1))),
    ("m8n8k16 s32", shape(8, 8, 16), 1, 2, |g, t, i| (g, t * 2 + i)),
    ("m16n8 f32, s32, f64", shape(16, 8, 16), 1, 4, |g, t, i| {
        (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1))
    }),
    ("m16n8 f16", shape(16, 8, 16), 2, 4, |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1))),
];

/// Checks a section: the formula, its inverse, and that every element of the matrix has exactly one holder.
fn check(
    (name, _, packed, per_lane, formula): Section,
    (rows, columns): (u16, u16),
    place: impl Fn(Slot) -> Place,
    slot: impl Fn(Place) -> Slot,
) {
    assert_eq!(
        registers(rows, columns, packed) as u32 * u32::from(packed),
        per_lane,
        "{name}: elements a lane"
    );
    let mut held = BTreeSet::new();
    for lane in 0..32 {
        for i in 0..per_lane {
            let (register, index) = ((i / u32::from(packed)) as u8, (i % u32::from(packed)) as u8);
            let at = Slot { lane: lane as u8, register, slot: index };
            let (row, column) = formula(lane >> 2, lane % 4, i);
            let expected = Place { row: row as u8, column: column as u8 };
            assert_eq!(place(at), expected, "{name}: element {i} of lane {lane}");
            assert_eq!(slot(expected), at, "{name}: who holds ({row}, {column})");
            assert!(row < rows.into() && column < columns.into(), "{name}: ({row}, {column}) is outside");
            assert!(held.insert(expected), "{name}: ({row}, {column}) is held twice");
        }
    }
    assert_eq!(held.len(), usize::from(rows) * usize::from(columns), "{name}: every element is held");
}

#[test]
fn fragments_of_a() {
    for section in A {
        let (_, shape, packed, ..) = section;
        let place = |at| place_a(shape, packed, at);
        check(section, (shape.m.into(), shape.k), place, |at| slot_a(shape, packed, at));
    }
}

#[test]
fn fragments_of_b() {
    for section in B {
        let (_, shape, packed, ..) = section;
        check(section, (shape.k, shape.n.into()), |at| place_b(packed, at), |at| slot_b(packed, at));
    }
}

#[test]
fn fragments_of_c_and_d() {
    for section in C {
        let (_, shape, packed, ..) = section;
        check(section, (shape.m.into(), shape.n.into()), |at| place_c(packed, at), |at| slot_c(packed, at));
    }
}

/// A line of a figure: what stands from left to right (or, of B, from top to bottom), as lane and element.
fn line(text: &str) -> Vec<(u8, u8)> {
    let number = |text: &str| text.parse().expect("a number");
    text.split_whitespace()
        .map(|cell| {
            let (lane, element) = cell.trim_start_matches('T').split_once(':').expect("lane:element");
            (number(lane), number(&element[1..]))
        })
        .collect()
}

#[test]
fn rows_of_the_isas_figures() {
    let bf16 = shape(16, 8, 16);
    let a = |row, column| slot_a(bf16, 2, Place { row, column });
    let cells = |slots: Vec<Slot>, packed: u8| -> Vec<(u8, u8)> {
        slots.into_iter().map(|at| (at.lane, at.register * packed + at.slot)).collect()
    };
    // Figure 79, A of m16n8k16: rows 0, 1 and 8.
    let row = |row: u8| cells((0..16).map(|column| a(row, column)).collect(), 2);
    assert_eq!(
        row(0),
        line(
            "T0:a0 T0:a1 T1:a0 T1:a1 T2:a0 T2:a1 T3:a0 T3:a1 T0:a4 T0:a5 T1:a4 T1:a5 T2:a4 T2:a5 T3:a4 T3:a5"
        )
    );
    assert_eq!(
        row(1),
        line(
            "T4:a0 T4:a1 T5:a0 T5:a1 T6:a0 T6:a1 T7:a0 T7:a1 T4:a4 T4:a5 T5:a4 T5:a5 T6:a4 T6:a5 T7:a4 T7:a5"
        )
    );
    assert_eq!(
        row(8),
        line(
            "T0:a2 T0:a3 T1:a2 T1:a3 T2:a2 T2:a3 T3:a2 T3:a3 T0:a6 T0:a7 T1:a6 T1:a7 T2:a6 T2:a7 T3:a6 T3:a7"
        )
    );
    // Figure 81, B of m16n8k16: columns 0 and 7.
    let column = |column: u8| cells((0..16).map(|row| slot_b(2, Place { row, column })).collect(), 2);
    assert_eq!(
        column(0),
        line(
            "T0:b0 T0:b1 T1:b0 T1:b1 T2:b0 T2:b1 T3:b0 T3:b1 T0:b2 T0:b3 T1:b2 T1:b3 T2:b2 T2:b3 T3:b2 T3:b3"
        )
    );
    assert_eq!(column(7)[..4], line("T28:b0 T28:b1 T29:b0 T29:b1"));
    // Figure 83, C of m16n8k16: rows 0 and 15.
    let row = |row: u8| cells((0..8).map(|column| slot_c(1, Place { row, column })).collect(), 1);
    assert_eq!(row(0), line("T0:c0 T0:c1 T1:c0 T1:c1 T2:c0 T2:c1 T3:c0 T3:c1"));
    assert_eq!(row(15), line("T28:c2 T28:c3 T29:c2 T29:c3 T30:c2 T30:c3 T31:c2 T31:c3"));
    // Figure 72, A of m16n8k8 in tf32: row 8.
    let tf32 = shape(16, 8, 8);
    let row: Vec<Slot> = (0..8).map(|column| slot_a(tf32, 1, Place { row: 8, column })).collect();
    assert_eq!(cells(row, 1), line("T0:a1 T1:a1 T2:a1 T3:a1 T0:a3 T1:a3 T2:a3 T3:a3"));
}

/// Eight rows whose element (r, c) is `16 r + c`.
fn numbered() -> matrix::Rows {
    std::array::from_fn(|r| {
        std::array::from_fn(|w| 0x1_0000 * (16 * r + 2 * w + 1) as u32 + (16 * r + 2 * w) as u32)
    })
}

#[test]
fn ldmatrix_gives_each_lane_its_pair() {
    let (plain, turned) = (matrix::load(&numbered(), false), matrix::load(&numbered(), true));
    for lane in 0..32u32 {
        let (g, t) = (lane / 4, lane % 4);
        // Figure 104: a row of the matrix to four neighbouring lanes, two elements each; transposed, a column.
        let pair = |low: (u32, u32), high: (u32, u32)| (16 * low.0 + low.1) | ((16 * high.0 + high.1) << 16);
        assert_eq!(plain[lane as usize], pair((g, 2 * t), (g, 2 * t + 1)), "lane {lane}");
        assert_eq!(turned[lane as usize], pair((2 * t, g), (2 * t + 1, g)), "lane {lane}, .trans");
    }
}

#[test]
fn ldmatrix_fills_the_fragments_of_mma() {
    // The four 8x8 blocks of a row-major 16x16 A, in the order of its registers; B as stored by columns, or by rows with
    // .trans.
    let element = |row: u8, column: u8| u32::from(row) << 8 | u32::from(column);
    let block = |row: u8, column: u8| -> matrix::Rows {
        std::array::from_fn(|r| {
            std::array::from_fn(|w| {
                let (r, c) = (row + r as u8, column + 2 * w as u8);
                element(r, c) | element(r, c + 1) << 16
            })
        })
    };
    let shape = shape(16, 8, 16);
    for (register, (row, column)) in [(0, 0), (8, 0), (0, 8), (8, 8)].into_iter().enumerate() {
        let lanes = matrix::load(&block(row, column), false);
        for (lane, word) in lanes.into_iter().enumerate() {
            for slot in 0..2 {
                let at = place_a(shape, 2, Slot { lane: lane as u8, register: register as u8, slot });
                assert_eq!(word >> (16 * slot) & 0xffff, element(at.row, at.column), "A, lane {lane}");
            }
        }
    }
    for (register, row) in [0, 8].into_iter().enumerate() {
        // Rows k of a row-major B with eight columns, so .trans.
        let lanes = matrix::load(&block(row, 0), true);
        for (lane, word) in lanes.into_iter().enumerate() {
            for slot in 0..2 {
                let at = place_b(2, Slot { lane: lane as u8, register: register as u8, slot });
                assert_eq!(word >> (16 * slot) & 0xffff, element(at.row, at.column), "B, lane {lane}");
            }
        }
    }
}

#[test]
fn stmatrix_and_movmatrix_are_inverses() {
    let mut random = Random::new();
    let lanes: Lanes = std::array::from_fn(|_| random.u32());
    for trans in [false, true] {
        assert_eq!(matrix::load(&matrix::store(&lanes, trans), trans), lanes);
    }
    assert_eq!(matrix::transpose(&matrix::transpose(&lanes)), lanes);
    assert_eq!(matrix::load(&matrix::store(&lanes, false), true), matrix::transpose(&lanes));
    assert_ne!(matrix::transpose(&lanes), lanes);
}
