//! A rule together with everything needed to test it: its text, what its tensors look like, and the same recurrence
//! written by hand for one token.
//!
//! ```text
//! Problem { rule: "..", fields: [vector("k", "K", ..), ..], step: |x, s| { write(&mut s[0], &x.vector("k"), ..); .. } }
//!     .pose(&layout, seed)  ->  Posed { inputs, expected }      outputs, final states and every gradient, exact
//! ```
//!
//! [`Problem::pose`] walks sequences, heads and tokens in the order that the design's layouts state, so it also defines
//! grouped heads (state `h` of `HV` reads head `floor(h H / HV)` of a tensor with `H` heads) and packed sequences.
//! All random numbers are rounded to `f32`, so that one reference serves both element types.

use crate::maths::{Matrix, Vector};
use crate::random::Random;
use crate::tape::{self, Num};
use std::collections::BTreeMap;

/// A tensor: its shape, and its elements with the last dim contiguous.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// Named tensors.
pub(crate) type Arrays = BTreeMap<String, Array>;

/// How a parameter is declared, dims by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Scalar,
    Vector(String),
    Scalars(usize),
    Vectors(usize, String),
    PerHeadScalar,
    PerHeadVector(String),
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fill {
    /// Standard normal.
    Normal,
    /// Rows of length 1.
    Unit,
    /// Uniform between the two.
    Uniform(f64, f64),
    /// Uniform between the first two, but one number in five is the third.
    Sometimes(f64, f64, f64),
    /// A power of 10 with its exponent uniform between the two, of either sign.
    Powers(f64, f64),
    /// The same, always negative.
    Sinks(f64, f64),
}

/// One parameter that is not a state.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) heads: usize,
    pub(crate) fill: Fill,
}

/// The recurrence of one token, by hand: changes the states, returns the outputs.
pub(crate) type Step = Box<dyn Fn(&Token, &mut [Matrix]) -> Vec<Vector>>;

/// A rule and its reference.
pub(crate) struct Problem {
    /// The rule's name in its file.
    pub(crate) name: String,
    /// The text of the file.
    pub(crate) text: String,
    pub(crate) sizes: BTreeMap<String, usize>,
    pub(crate) fields: Vec<Field>,
    /// Names and dims; a `State<K>` is one row of `K` numbers in [`Step`].
    pub(crate) states: Vec<(String, Vec<String>)>,
    /// Dims of each output: none for a scalar, one for a vector.
    pub(crate) outputs: Vec<Vec<String>>,
    pub(crate) step: Step,
}

/// How tokens form sequences.
#[derive(Clone, Debug)]
pub(crate) enum Sequences {
    Batch { batch: usize, tokens: usize },
    Packed(Vec<usize>),
}

/// One way to pose a problem.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) name: &'static str,
    pub(crate) sequences: Sequences,
    /// Dims whose size differs from the problem's own.
    pub(crate) sizes: Vec<(&'static str, usize)>,
    /// Whether initial states are given.
    pub(crate) initial: bool,
    /// Whether outputs, and final states, have a cotangent.
    pub(crate) cotangents: (bool, bool),
}

/// A problem with numbers in it: what goes in (cotangents included) and what must come out.
pub(crate) struct Posed {
    pub(crate) inputs: Arrays,
    pub(crate) expected: Arrays,
}

impl Sequences {
    /// The batch and token dims of a tensor.
    pub(crate) fn extent(&self) -> (usize, usize) {
        match self {
            Sequences::Batch { batch, tokens } => (*batch, *tokens),
            Sequences::Packed(lengths) => (1, lengths.iter().sum()),
        }
    }

    /// First row (over batch and tokens) and length of each sequence.
    pub(crate) fn rows(&self) -> Vec<(usize, usize)> {
        match self {
            Sequences::Batch { batch, tokens } => (0..*batch).map(|n| (n * tokens, *tokens)).collect(),
            Sequences::Packed(lengths) => {
                let starts =
                    lengths.iter().scan(0, |end, length| Some(std::mem::replace(end, *end + length)));
                starts.zip(lengths.iter().copied()).collect()
            }
        }
    }

    fn cu_seqlens(&self) -> Option<Array> {
        let Sequences::Packed(lengths) = self else { return None };
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end as f64)
        });
        let data: Vec<f64> = std::iter::once(0.0).chain(ends).collect();
        Some(Array { shape: vec![data.len()], data })
    }
}

/// The parameters as one token of one head sees them.
pub(crate) struct Token<'a> {
    leaves: &'a BTreeMap<&'a str, (&'a Field, Vec<Num>)>,
    /// Sizes of dims by name.
    pub(crate) sizes: &'a BTreeMap<String, usize>,
    row: usize,
    head: usize,
    heads: usize,
}

impl Token<'_> {
    /// A `Vector` or `PerHead<Vector>`.
    pub(crate) fn vector(&self, name: &str) -> Vector {
        self.item(name, 0)
    }

    /// Element `index` of a `[Vector; N]` (a `[Scalar; N]` gives a list of one).
    pub(crate) fn item(&self, name: &str, index: usize) -> Vector {
        let (field, leaves) =
            self.leaves.get(name).unwrap_or_else(|| panic!("the case declares no field `{name}`"));
        let head = self.head * field.heads / self.heads;
        let (count, length, per_head) = field.kind.extents(self.sizes);
        let row = if per_head { head } else { (self.row * count + index) * field.heads + head };
        leaves[row * length..(row + 1) * length].to_vec()
    }
}

impl Kind {
    /// Entries a token, length of an entry, and whether it is constant in time.
    fn extents(&self, sizes: &BTreeMap<String, usize>) -> (usize, usize, bool) {
        match self {
            Kind::Scalar => (1, 1, false),
            Kind::Vector(d) => (1, sizes[d], false),
            Kind::Scalars(n) => (*n, 1, false),
            Kind::Vectors(n, d) => (*n, sizes[d], false),
            Kind::PerHeadScalar => (1, 1, true),
            Kind::PerHeadVector(d) => (1, sizes[d], true),
        }
    }

    fn shape(
        &self,
        sizes: &BTreeMap<String, usize>,
        (batch, tokens): (usize, usize),
        heads: usize,
    ) -> Vec<usize> {
        match self {
            Kind::Scalar => vec![batch, tokens, heads],
            Kind::Vector(d) => vec![batch, tokens, heads, sizes[d]],
            Kind::Scalars(n) => vec![batch, tokens, *n, heads],
            Kind::Vectors(n, d) => vec![batch, tokens, *n, heads, sizes[d]],
            Kind::PerHeadScalar => vec![heads],
            Kind::PerHeadVector(d) => vec![heads, sizes[d]],
        }
    }
}

/// A tensor of random numbers, each exact in `f32`.
pub(crate) fn random_array(random: &mut Random, shape: Vec<usize>, fill: Fill) -> Array {
    let mut data: Vec<f64> = (0..shape.iter().product()).map(|_| random.draw(fill)).collect();
    if fill == Fill::Unit {
        for row in data.chunks_mut(*shape.last().expect("a vector tensor has dims")) {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    data.iter_mut().for_each(|x| *x = f64::from(*x as f32));
    Array { shape, data }
}

impl Problem {
    /// `o`, or `o0, o1, ..`.
    pub(crate) fn output_names(&self) -> Vec<String> {
        match self.outputs.len() {
            1 => vec!["o".into()],
            n => (0..n).map(|i| format!("o{i}")).collect(),
        }
    }

    /// The largest head count.
    pub(crate) fn heads(&self) -> usize {
        self.fields.iter().map(|f| f.heads).max().unwrap_or(1)
    }

    fn sizes(&self, layout: &Layout) -> BTreeMap<String, usize> {
        let mut sizes = self.sizes.clone();
        for (dim, size) in &layout.sizes {
            if let Some(known) = sizes.get_mut(*dim) {
                *known = *size;
            }
        }
        sizes
    }

    /// Random inputs and cotangents.
    fn inputs(&self, layout: &Layout, sizes: &BTreeMap<String, usize>, random: &mut Random) -> Arrays {
        let extent = layout.sequences.extent();
        let mut inputs = Arrays::new();
        for f in &self.fields {
            inputs.insert(f.name.clone(), random_array(random, f.kind.shape(sizes, extent, f.heads), f.fill));
        }
        for (name, dims) in &self.states {
            let mut shape = vec![layout.sequences.rows().len(), self.heads()];
            shape.extend(dims.iter().map(|d| sizes[d]));
            if layout.initial {
                inputs.insert(format!("{name}0"), random_array(random, shape.clone(), Fill::Normal));
            }
            if layout.cotangents.1 {
                inputs.insert(format!("d{name}"), random_array(random, shape, Fill::Normal));
            }
        }
        for (name, dims) in self.output_names().iter().zip(&self.outputs) {
            let mut shape = vec![extent.0, extent.1, self.heads()];
            shape.extend(dims.iter().map(|d| sizes[d]));
            if layout.cotangents.0 {
                inputs.insert(format!("d{name}"), random_array(random, shape, Fill::Normal));
            }
        }
        inputs.extend(layout.sequences.cu_seqlens().map(|c| ("cu_seqlens".into(), c)));
        inputs
    }

    /// Fills the tensors and runs the recurrence by hand.
    pub(crate) fn pose(&self, layout: &Layout, seed: u64) -> Posed {
        let inputs = self.inputs(layout, &self.sizes(layout), &mut Random::new(seed));
        let expected = self.solve(layout, &inputs);
        Posed { inputs, expected }
    }

    /// Outputs, final states and gradients for given inputs.
    pub(crate) fn solve(&self, layout: &Layout, inputs: &Arrays) -> Arrays {
        tape::clear();
        let sizes = self.sizes(layout);
        let leaf = |array: &Array| -> Vec<Num> { array.data.iter().map(|&x| Num::leaf(x)).collect() };
        let leaves: BTreeMap<&str, (&Field, Vec<Num>)> =
            self.fields.iter().map(|f| (f.name.as_str(), (f, leaf(&inputs[&f.name])))).collect();
        let sequences = layout.sequences.rows();
        let starts: Vec<Vec<Num>> = self
            .states
            .iter()
            .map(|(name, dims)| match inputs.get(&format!("{name}0")) {
                Some(given) => leaf(given),
                None => {
                    let length: usize = dims.iter().map(|d| sizes[d]).product();
                    vec![0.0; sequences.len() * self.heads() * length].into_iter().map(Num::leaf).collect()
                }
            })
            .collect();

        let (outputs, finals) = self.run(&sizes, &leaves, &starts, &sequences, layout.sequences.extent());
        let mut roots = Vec::new();
        let results = self.output_names().into_iter().zip(&outputs);
        for (name, results) in results.chain(self.states.iter().map(|s| s.0.clone()).zip(&finals)) {
            if let Some(cotangent) = inputs.get(&format!("d{name}")) {
                roots.extend(results.iter().copied().zip(cotangent.data.iter().copied()));
            }
        }
        let adjoints = tape::adjoints(&roots);

        let extent = layout.sequences.extent();
        let mut expected = Arrays::new();
        let values = |x: &[Num]| -> Vec<f64> { x.iter().map(|x| x.value).collect() };
        let slopes = |x: &[Num]| -> Vec<f64> { x.iter().map(|x| adjoints.of(*x)).collect() };
        for (name, (dims, results)) in self.output_names().into_iter().zip(self.outputs.iter().zip(&outputs))
        {
            let shape =
                [extent.0, extent.1, self.heads()].into_iter().chain(dims.iter().map(|d| sizes[d])).collect();
            expected.insert(name, Array { shape, data: values(results) });
        }
        for (((name, dims), end), start) in self.states.iter().zip(&finals).zip(&starts) {
            let shape: Vec<usize> =
                [sequences.len(), self.heads()].into_iter().chain(dims.iter().map(|d| sizes[d])).collect();
            expected.insert(name.clone(), Array { shape: shape.clone(), data: values(end) });
            expected.insert(format!("d{name}0"), Array { shape, data: slopes(start) });
        }
        for f in &self.fields {
            let shape = f.kind.shape(&sizes, extent, f.heads);
            expected
                .insert(format!("d{}", f.name), Array { shape, data: slopes(&leaves[f.name.as_str()].1) });
        }
        expected
    }

    /// The recurrence over sequences, heads and tokens: outputs and final states in tensor order.
    fn run(
        &self,
        sizes: &BTreeMap<String, usize>,
        leaves: &BTreeMap<&str, (&Field, Vec<Num>)>,
        starts: &[Vec<Num>],
        sequences: &[(usize, usize)],
        extent: (usize, usize),
    ) -> (Vec<Vec<Num>>, Vec<Vec<Num>>) {
        let heads = self.heads();
        let lengths: Vec<usize> =
            self.outputs.iter().map(|dims| dims.iter().map(|d| sizes[d]).product()).collect();
        let mut outputs: Vec<Vec<Num>> =
            lengths.iter().map(|n| vec![Num::from(0.0); extent.0 * extent.1 * heads * n]).collect();
        let mut finals: Vec<Vec<Num>> = starts.to_vec();
        for (n, &(first, tokens)) in sequences.iter().enumerate() {
            for head in 0..heads {
                let mut states: Vec<Matrix> = self
                    .states
                    .iter()
                    .zip(starts)
                    .map(|((_, dims), start)| {
                        let (length, columns) = matrix_extent(dims, sizes);
                        let at = (n * heads + head) * length;
                        start[at..at + length].chunks(columns).map(<[Num]>::to_vec).collect()
                    })
                    .collect();
                for t in 0..tokens {
                    let token = Token { leaves, sizes, row: first + t, head, heads };
                    let results = (self.step)(&token, &mut states);
                    assert_eq!(results.len(), lengths.len(), "the step returns every output");
                    for ((output, result), length) in outputs.iter_mut().zip(results).zip(&lengths) {
                        let at = ((first + t) * heads + head) * length;
                        output[at..at + length].copy_from_slice(&result);
                    }
                }
                for (end, state) in finals.iter_mut().zip(states) {
                    let flat = state.concat();
                    let at = (n * heads + head) * flat.len();
                    end[at..at + flat.len()].copy_from_slice(&flat);
                }
            }
        }
        (outputs, finals)
    }
}

/// Numbers in a state, and numbers in one of its rows.
fn matrix_extent(dims: &[String], sizes: &BTreeMap<String, usize>) -> (usize, usize) {
    let length = dims.iter().map(|d| sizes[d]).product();
    (length, sizes[dims.last().expect("a state has dims")])
}
