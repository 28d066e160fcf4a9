//! One launch: every argument of a kernel from the tensors of a run, and the results back to the host.
//!
//! A kernel lists its arguments by role ([`chunkwise_codegen::kernel`]); each becomes a [`Slot`] here, in that order.
//! The same code serves a GPU and the simulator.

use super::driver::{Call, Driver, Launch, Session, Value};
use crate::bind::Tensors;
use crate::error::{Error, Result};
use crate::layout::{output_axes, state_axes};
use crate::tensor::{Data, Element, Tensor, element_count};
use crate::validate::{Problem, index_text};
use chunkwise_codegen::schedule::{Buffer, Extent, Pieces};
use chunkwise_codegen::{Argument, DType, Kernel, Role, Schedule, Strides};
use chunkwise_dsl::signature::Signature;

/// One argument, with the memory that it stands for.
enum Slot<B> {
    Buffer(B),
    Null,
    Count(i64),
    Heads(u32),
    Strides(Strides),
}

impl<B> Slot<B> {
    fn value(&self) -> Value<'_, B> {
        match self {
            Slot::Buffer(buffer) => Value::Buffer(buffer),
            Slot::Null => Value::Null,
            Slot::Count(count) => Value::Count(*count),
            Slot::Heads(heads) => Value::Heads(*heads),
            Slot::Strides(strides) => Value::Strides(strides.to_le_bytes()),
        }
    }
}

/// What the kernels of a plan are given: each role once, whichever of them take it.
struct Slots<B>(Vec<(Argument, Slot<B>)>);

impl<B> Slots<B> {
    fn of(&self, role: Role) -> Option<&(Argument, Slot<B>)> {
        self.0.iter().find(|(argument, _)| argument.role == role)
    }

    /// A kernel's arguments as they are passed.
    fn values(&self, kernel: &Kernel) -> Vec<Value<'_, B>> {
        let slots = kernel.arguments.iter().filter_map(|argument| self.of(argument.role));
        slots.map(|(_, slot)| slot.value()).collect()
    }
}

/// The kernels of a plan, loaded.
#[derive(Debug)]
pub(super) struct Loaded<D: Driver> {
    pub(super) schedule: Schedule,
    /// In the schedule's order.
    pub(super) functions: Vec<D::Function>,
}

/// A run's rule and tensors.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) signature: &'a Signature,
    pub(super) problem: &'a Problem<'a>,
    /// Tokens of a piece, where the plan leaves them open and the caller does not.
    pub(super) piece: Option<usize>,
}

impl Run<'_> {
    /// Uploads, launches, downloads. The tensors were checked and fit the kernels' sizes.
    pub(super) fn launch<D: Driver>(self, driver: &D, loaded: &Loaded<D>) -> Result<Tensors> {
        let extent = self.extent(&loaded.schedule, driver.multiprocessors());
        let mut session = driver.session()?;
        let slots = self.slots(&mut session, &loaded.schedule, &extent)?;
        for call in calls(loaded, &slots, &extent)? {
            session.launch(&call)?;
        }
        self.download(&mut session, &loaded.schedule, &slots)
    }

    /// Uploads the tensors `copies` times and times `repeats` launches, each on the next copy. Milliseconds.
    pub(super) fn time<D: Driver>(
        self,
        driver: &D,
        loaded: &Loaded<D>,
        copies: usize,
        repeats: usize,
    ) -> Result<Vec<f64>> {
        let extent = self.extent(&loaded.schedule, driver.multiprocessors());
        if loaded.schedule.kernels.iter().all(|kernel| kernel.grid(&extent) == Some(0)) {
            return Ok(vec![0.0; repeats]);
        }
        let mut session = driver.session()?;
        let copies = (0..copies.max(1)).map(|_| self.slots(&mut session, &loaded.schedule, &extent));
        let copies: Vec<_> = copies.collect::<Result<_>>()?;
        let sets = copies.iter().map(|slots| calls(loaded, slots, &extent));
        let sets: Vec<_> = sets.collect::<Result<_>>()?;
        session.time(&sets, repeats)
    }

    /// How large the launch is.
    fn extent(self, schedule: &Schedule, multiprocessors: usize) -> Extent {
        let layout = &self.problem.layout;
        let (sequences, heads) = (layout.sequences.len(), layout.heads);
        let tokens = layout.sequences.last().map_or(0, |s| s.end);
        let piece = match (schedule.pieces, self.piece) {
            (Pieces::MultipleOf(of), Some(given)) => given.max(1).next_multiple_of(of.max(1) as usize),
            _ => schedule.piece(sequences, tokens, heads, multiprocessors),
        };
        Extent { sequences, tokens, heads, piece }
    }

    /// Every argument of every kernel.
    fn slots<S: Session>(
        self,
        session: &mut S,
        schedule: &Schedule,
        extent: &Extent,
    ) -> Result<Slots<S::Buffer>> {
        let mut slots = Slots(Vec::new());
        for argument in schedule.kernels.iter().flat_map(|kernel| &kernel.arguments) {
            if slots.of(argument.role).is_none() {
                let slot = match argument.role {
                    Role::Workspace(at) => workspace(session, schedule.buffers.get(at), extent),
                    Role::Sequences => Ok(Slot::Count(extent.sequences as i64)),
                    Role::PieceTokens => Ok(Slot::Count(extent.piece as i64)),
                    _ => self.slot(session, argument),
                };
                slots.0.push((argument.clone(), slot?));
            }
        }
        Ok(slots)
    }

    /// One argument from the tensors of the run.
    fn slot<S: Session>(self, session: &mut S, argument: &Argument) -> Result<Slot<S::Buffer>> {
        let layout = &self.problem.layout;
        // A row of tokens for each sequence, all of one length: `cu_seqlens` would say nothing new.
        let dense = layout.sequences.len() == layout.batch;
        match argument.role {
            Role::Input(p) => tensor(session, argument, self.problem.params.get(p.index()).copied()),
            Role::InitialState(s) => match self.problem.initial.get(s.index()).copied().flatten() {
                Some(given) => tensor(session, argument, Some(given)),
                None => Ok(Slot::Null),
            },
            Role::Output(_) | Role::FinalState(_) => {
                room(session, argument, &self.result_shape(argument.role)?)
            }
            Role::CuSeqlens if dense => Ok(Slot::Null),
            Role::CuSeqlens => {
                let cuts = std::iter::once(0).chain(layout.sequences.iter().map(|s| s.end as i64));
                let bytes: Vec<u8> = cuts.flat_map(i64::to_le_bytes).collect();
                session.upload(&argument.name, &bytes).map(Slot::Buffer)
            }
            Role::Tokens => Ok(Slot::Count(layout.tokens as i64)),
            Role::Heads => heads(layout.heads),
            Role::Strides(p) => {
                let (param, heads) = (self.signature.param(p), layout.param_heads[p.index()]);
                let strides = Strides::contiguous(param, &layout.sizes, layout.tokens, heads, layout.heads);
                Ok(Slot::Strides(strides))
            }
            Role::Workspace(_) | Role::Sequences | Role::PieceTokens => {
                Err(Error::bug(format!("`{}` is no tensor of the rule", argument.name)))
            }
        }
    }

    /// The shape of an output or a final state.
    fn result_shape(self, role: Role) -> Result<Vec<usize>> {
        let signature = self.signature;
        let axes = match role {
            Role::Output(i) => signature.outputs.get(i).map(|o| output_axes(o.shape)),
            Role::FinalState(s) => signature.states.get(s.index()).map(|s| state_axes(s.shape)),
            _ => None,
        };
        let axes = axes.ok_or_else(|| Error::bug("a kernel writes what its rule does not have"))?;
        Ok(self.problem.layout.shape(&axes, self.problem.layout.heads))
    }

    /// Outputs, then final states, under the names that every device gives them.
    fn download<S: Session>(
        self,
        session: &mut S,
        schedule: &Schedule,
        slots: &Slots<S::Buffer>,
    ) -> Result<Tensors> {
        let signature = self.signature;
        let mut tensors = Tensors::new();
        let outputs = signature.outputs.iter().enumerate().map(|(i, o)| (Role::Output(i), &o.name));
        let states = signature.state_ids().map(|s| (Role::FinalState(s), &signature.state(s).name));
        for (role, name) in outputs.chain(states) {
            let Some((argument, Slot::Buffer(buffer))) = slots.of(role) else {
                return Err(Error::bug(format!("no kernel writes `{name}`")));
            };
            let (shape, element) = (self.result_shape(role)?, element(argument)?);
            if let Some(at) = session.unwritten(buffer) {
                let (place, kernels) = (index_text(&shape, at / element.bytes()), names(schedule));
                return Err(Error::bug(format!("{kernels} never wrote `{name}` at {place}")));
            }
            let data = Data::from_le_bytes(element, &session.download(buffer)?);
            tensors.insert(name.as_str(), Tensor::new(shape, data)?);
        }
        Ok(tensors)
    }
}

/// ``the kernels `a`, `b` ``, for messages.
fn names(schedule: &Schedule) -> String {
    let names: Vec<String> = schedule.kernels.iter().map(|kernel| format!("`{}`", kernel.name)).collect();
    let what = if names.len() == 1 { "the kernel" } else { "the kernels" };
    format!("{what} {}", names.join(", "))
}

/// The launches, in order. Where a kernel has no block there is nothing to launch, and results are without elements.
fn calls<'a, D: Driver, B>(
    loaded: &'a Loaded<D>,
    slots: &'a Slots<B>,
    extent: &Extent,
) -> Result<Vec<Call<'a, D::Function, B>>> {
    let mut calls = Vec::new();
    for (kernel, function) in loaded.schedule.kernels.iter().zip(&loaded.functions) {
        let blocks = kernel.grid(extent).ok_or_else(|| {
            Error::limitation(
                format!(
                    "{} sequences of {} heads are more than one launch holds",
                    extent.sequences, extent.heads
                ),
                "run fewer sequences at a time, or run on `cpu`",
            )
        })?;
        if blocks > 0 {
            let values = slots.values(kernel);
            calls.push(Call { function, launch: Launch { kernel, blocks }, values });
        }
    }
    Ok(calls)
}

/// Memory between kernels.
fn workspace<S: Session>(
    session: &mut S,
    buffer: Option<&Buffer>,
    extent: &Extent,
) -> Result<Slot<S::Buffer>> {
    let buffer = buffer.ok_or_else(|| Error::bug("a kernel takes memory that its plan does not have"))?;
    let bytes = buffer.len(extent).and_then(|n| n.checked_mul(buffer.dtype.size())).ok_or_else(|| {
        Error::mistake(format!("the plan's `{}` does not fit in memory", buffer.name), "use smaller tensors")
    })?;
    session.allocate(&buffer.name, bytes).map(Slot::Buffer)
}

/// A head count as kernels take it.
fn heads<B>(count: usize) -> Result<Slot<B>> {
    u32::try_from(count).map(Slot::Heads).map_err(|_| {
        Error::limitation(format!("{count} heads are more than a kernel counts"), "run on `cpu`")
    })
}

/// A tensor's numbers in the argument's type, in the machine's memory.
fn tensor<S: Session>(
    session: &mut S,
    argument: &Argument,
    given: Option<&Tensor>,
) -> Result<Slot<S::Buffer>> {
    let given = given
        .ok_or_else(|| Error::bug(format!("a kernel reads `{}`, which the rule lacks", argument.name)))?;
    let bytes = given.cast(element(argument)?)?.data().to_le_bytes();
    session.upload(&argument.name, &bytes).map(Slot::Buffer)
}

/// Room for a result.
fn room<S: Session>(session: &mut S, argument: &Argument, shape: &[usize]) -> Result<Slot<S::Buffer>> {
    let bytes = element_count(shape).and_then(|n| n.checked_mul(element(argument).ok()?.bytes()));
    let bytes = bytes.ok_or_else(|| {
        Error::mistake(format!("`{}` does not fit in memory", argument.name), "use smaller tensors")
    })?;
    session.allocate(&argument.name, bytes).map(Slot::Buffer)
}

/// The element type of a pointer.
fn element(argument: &Argument) -> Result<Element> {
    match argument.dtype {
        Some(DType::F64) => Ok(Element::F64),
        Some(DType::F32) => Ok(Element::F32),
        Some(DType::F16) => Ok(Element::F16),
        Some(DType::BF16) => Ok(Element::BF16),
        None => Err(Error::bug(format!("a kernel states no type for `{}`", argument.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::Bindings;
    use crate::nvrtc::Binary;
    use crate::validate::{Pass, validate};
    use chunkwise_codegen::recurrent::{Spec, emit};
    use chunkwise_codegen::{Arch, DType};
    use std::sync::Mutex;

    /// A machine that writes down what it is asked for and fills every result with the byte 0x3f.
    #[derive(Debug, Default)]
    struct Scribe(Mutex<Vec<String>>);

    impl Driver for Scribe {
        type Function = ();
        type Session<'a> = &'a Scribe;

        fn arch(&self) -> Arch {
            Arch::Sm80
        }

        fn multiprocessors(&self) -> usize {
            108
        }

        fn compiler_options(&self) -> &'static [&'static str] {
            &[]
        }

        fn load(&self, _: &Binary, _: &Kernel) -> Result<()> {
            Ok(())
        }

        fn session(&self) -> Result<&Scribe> {
            Ok(self)
        }
    }

    impl Session for &Scribe {
        type Function = ();
        type Buffer = (String, usize);

        fn upload(&mut self, name: &str, bytes: &[u8]) -> Result<(String, usize)> {
            self.0.lock().unwrap().push(format!("upload {name} {}", bytes.len()));
            Ok((name.to_owned(), bytes.len()))
        }

        fn allocate(&mut self, name: &str, bytes: usize) -> Result<(String, usize)> {
            self.0.lock().unwrap().push(format!("allocate {name} {bytes}"));
            Ok((name.to_owned(), bytes))
        }

        fn launch(&mut self, call: &Call<'_, (), (String, usize)>) -> Result<()> {
            let values = call.values.iter().map(|value| match value {
                Value::Buffer((name, _)) => name.clone(),
                Value::Null => "null".to_owned(),
                Value::Count(count) => format!("{count}"),
                Value::Heads(heads) => format!("H={heads}"),
                Value::Strides(bytes) => {
                    let numbers = bytes.as_chunks::<8>().0.iter().map(|&n| i64::from_le_bytes(n));
                    let [batch, token, _, head, group] = numbers.collect::<Vec<_>>()[..] else { panic!() };
                    format!("{batch}/{token}/{head}x{group}")
                }
            });
            let values = values.collect::<Vec<_>>().join(" ");
            self.0.lock().unwrap().push(format!("launch {} blocks: {values}", call.launch.blocks));
            Ok(())
        }

        fn time(&mut self, sets: &[Vec<Call<'_, (), (String, usize)>>], repeats: usize) -> Result<Vec<f64>> {
            for call in sets.iter().cycle().take(repeats).flatten() {
                self.launch(call)?;
            }
            Ok(vec![1.0; repeats])
        }

        fn unwritten(&self, (name, _): &(String, usize)) -> Option<usize> {
            self.0.lock().unwrap().iter().any(|line| line == "forget").then_some(9).filter(|_| name == "o")
        }

        fn download(&mut self, (name, bytes): &(String, usize)) -> Result<Vec<u8>> {
            self.0.lock().unwrap().push(format!("download {name}"));
            Ok(vec![0x3f; *bytes])
        }
    }

    const RULE: &str = "#[rule]
        fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
            s *= exp(g);
            s += outer(k, v);
            s.read(q)
        }";

    /// What a machine is asked for, for tensors of bf16 vectors.
    fn asked(tensors: &[(&str, &[usize])], cuts: Option<Vec<i32>>) -> (Vec<String>, Tensors) {
        let (log, results) = ask(Scribe::default(), tensors, cuts);
        (log, results.unwrap())
    }

    fn ask(
        scribe: Scribe,
        tensors: &[(&str, &[usize])],
        cuts: Option<Vec<i32>>,
    ) -> (Vec<String>, Result<Tensors>) {
        let results = with_run(tensors, cuts, |run, loaded| run.launch(&scribe, loaded));
        (scribe.0.into_inner().unwrap(), results)
    }

    /// Makes the run and the kernel for tensors of bf16 vectors.
    fn with_run<R>(
        tensors: &[(&str, &[usize])],
        cuts: Option<Vec<i32>>,
        work: impl FnOnce(Run<'_>, &Loaded<Scribe>) -> R,
    ) -> R {
        let rule = chunkwise_dsl::parse_file(RULE).unwrap().remove(0);
        let timeline = rule.timeline.as_ref().unwrap();
        let owned: Vec<_> =
            tensors.iter().map(|(n, s)| (*n, Tensor::zeros(*s, Element::BF16).unwrap())).collect();
        let cuts = cuts.map(|cuts| Tensor::new([cuts.len()], cuts).unwrap());
        let bindings = owned.iter().fold(Bindings::new(), |b, (name, tensor)| b.with(*name, tensor));
        let bindings = cuts.iter().fold(bindings, |b, cuts| b.with("cu_seqlens", cuts));
        let problem = validate(&rule.signature, &bindings, Pass::Forward).unwrap();
        let spec = Spec::new(problem.layout.sizes.clone(), DType::BF16);
        let kernel = emit(timeline, &spec).unwrap();
        let loaded = Loaded { schedule: Schedule::from(kernel), functions: vec![()] };
        work(Run { signature: &rule.signature, problem: &problem, piece: None }, &loaded)
    }

    #[test]
    fn timed_launches_take_the_copies_in_turns() {
        let shapes: [(&str, &[usize]); 4] =
            [("q", &[1, 3, 1, 4]), ("k", &[1, 3, 1, 4]), ("v", &[1, 3, 1, 8]), ("g", &[1, 3, 1])];
        let scribe = Scribe::default();
        let times = with_run(&shapes, None, |run, loaded| run.time(&scribe, loaded, 2, 5)).unwrap();
        assert_eq!(times, [1.0; 5]);
        let log = scribe.0.into_inner().unwrap();
        let count = |start: &str| log.iter().filter(|line| line.starts_with(start)).count();
        assert_eq!(
            (count("upload q"), count("allocate o"), count("launch"), count("download")),
            (2, 2, 5, 0)
        );
        // Nothing to launch takes no time.
        let empty: [(&str, &[usize]); 4] =
            [("q", &[0, 3, 1, 4]), ("k", &[0, 3, 1, 4]), ("v", &[0, 3, 1, 8]), ("g", &[0, 3, 1])];
        let scribe = Scribe::default();
        let times = with_run(&empty, None, |run, loaded| run.time(&scribe, loaded, 2, 5)).unwrap();
        assert_eq!((times, scribe.0.into_inner().unwrap().len()), (vec![0.0; 5], 0));
    }

    #[test]
    fn a_dense_batch_without_states() {
        let shapes: [(&str, &[usize]); 4] =
            [("q", &[2, 3, 2, 4]), ("k", &[2, 3, 1, 4]), ("v", &[2, 3, 2, 8]), ("g", &[2, 3, 2])];
        let (log, results) = asked(&shapes, None);
        // Vectors are bf16, the decay is f32; states are f32, and every result is allocated, none uploaded.
        let expected = [
            "upload q 96",
            "upload k 48",
            "upload v 192",
            "upload g 48",
            "allocate o 192",
            "allocate s 512",
            "launch 4 blocks: q k v g null o s null 3 H=2 24/8/4x1 12/4/4x2 48/16/8x1 6/2/1x1",
            "download o",
            "download s",
        ];
        assert_eq!(log, expected);
        assert_eq!((results["o"].shape(), results["o"].element()), (&[2, 3, 2, 8][..], Element::BF16));
        assert_eq!((results["s"].shape(), results["s"].element()), (&[2, 2, 4, 8][..], Element::F32));
    }

    #[test]
    fn packed_sequences_with_states() {
        let shapes: [(&str, &[usize]); 5] = [
            ("q", &[1, 5, 1, 4]),
            ("k", &[1, 5, 1, 4]),
            ("v", &[1, 5, 1, 8]),
            ("g", &[1, 5, 1]),
            ("s0", &[3, 1, 4, 8]),
        ];
        let (log, results) = asked(&shapes, Some(vec![0, 2, 2, 5]));
        // Cuts are always i64, whatever the user's type.
        assert!(log.contains(&"upload cu_seqlens 32".to_owned()), "{log:?}");
        let launch = "launch 3 blocks: q k v g s0 o s cu_seqlens 5 H=1 20/4/4x1 20/4/4x1 40/8/8x1 5/1/1x1";
        assert!(log.contains(&launch.to_owned()), "{log:?}");
        assert_eq!(results["s"].shape(), [3, 1, 4, 8]);
    }

    #[test]
    fn what_was_never_written_is_named_by_its_index() {
        let shapes: [(&str, &[usize]); 4] =
            [("q", &[2, 3, 2, 4]), ("k", &[2, 3, 1, 4]), ("v", &[2, 3, 2, 3]), ("g", &[2, 3, 2])];
        let (_, results) = ask(Scribe(Mutex::new(vec!["forget".to_owned()])), &shapes, None);
        let error = results.unwrap_err();
        // Byte 9 is in element 4: the second number of the second head.
        assert!(error.to_string().contains("_recurrent` never wrote `o` at [0, 0, 1, 1]"), "{error}");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn without_a_sequence_nothing_is_launched() {
        let shapes: [(&str, &[usize]); 4] =
            [("q", &[0, 3, 1, 4]), ("k", &[0, 3, 1, 4]), ("v", &[0, 3, 1, 8]), ("g", &[0, 3, 1])];
        let (log, results) = asked(&shapes, None);
        assert!(!log.iter().any(|line| line.starts_with("launch")), "{log:?}");
        assert!(results["o"].is_empty() && results["s"].is_empty());
    }
}
