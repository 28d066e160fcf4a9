//! A plan's kernels, derived, compiled and loaded when they are first needed; and what stands in for them while they compile.
//!
//! ```text
//! first run     recurrent: compiles .3 s, runs | fused: begins to compile
//! other runs    recurrent runs ..  recurrent runs ..        | fused runs ..
//! ```
//!
//! The kernel of a token loop compiles in a fraction of the time of those that use tensor cores, and any other plan of the same
//! rule, sizes and type may be loaded already: such a plan gives the first results of a rule that was never seen. It computes the
//! same and rounds less or the same; its bits are not those of the chosen plan. So nothing stands in where a caller wants one plan
//! alone ([`Cold::Wait`](crate::Cold), every prepared launch), where a kernel was changed by hand, and in the simulator.

use super::Gpu;
use super::driver::Driver;
use super::launches::Loaded;
use crate::error::{Error, Result};
use crate::jit::{Behind, Jit, Source};
use crate::nvrtc::Binary;
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Kernel, Plan, Schedule};
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};

/// Kernels by what they were made for; few, so a list will do.
pub(super) type Known<D> = Vec<(Plan, Spec, State<D>)>;

/// How far kernels are.
#[derive(Debug)]
pub(super) enum State<D: Driver> {
    /// Compiled on a thread of its own; not loaded, whether or not it is done.
    Compiling(Schedule, Arc<Behind>),
    Loaded(Arc<Loaded<D>>),
}

/// What there is of a plan's kernels without waiting.
enum Now<D: Driver> {
    Ready(Arc<Loaded<D>>),
    Compiling,
    /// Derived, and nowhere compiled.
    Cold(Schedule),
}

impl<D: Driver> Gpu<D> {
    /// A plan's kernels for these sizes and types, compiled and loaded where they are not yet. Other runs go on meanwhile: what
    /// waits for the compiler does not hold the list.
    pub(super) fn load(&self, plan: Plan, spec: &Spec) -> Result<Arc<Loaded<D>>> {
        let compiling = match found(&mut self.known(), plan, spec) {
            Some(State::Loaded(loaded)) => return Ok(loaded.clone()),
            Some(State::Compiling(schedule, behind)) => Some((schedule.clone(), behind.clone())),
            None => None,
        };
        let (schedule, binaries) = match compiling {
            Some((schedule, behind)) => (schedule, behind.wait().to_vec()),
            None => {
                let schedule = self.derive(plan, spec)?;
                let binaries = self.jit().compile_all(&self.sources(&schedule), self.driver.arch());
                (schedule, binaries)
            }
        };
        self.finish(&mut self.known(), (plan, spec), schedule, binaries)
    }

    /// The same without waiting for the compiler where another of `plans` can stand in: one that is loaded, or the token loop.
    pub(super) fn load_or_stand_in(
        &self,
        plan: Plan,
        spec: &Spec,
        plans: &[Plan],
        any_columns: bool,
    ) -> Result<Arc<Loaded<D>>> {
        let now = self.now(plan, spec)?;
        if let Now::Ready(loaded) = now {
            return Ok(loaded);
        }
        let token_loop = || match plan {
            Plan::Recurrent => None,
            _ if plans.contains(&Plan::Recurrent) => self.load(Plan::Recurrent, spec).ok(),
            _ => None,
        };
        let Some(stand_in) = self.similar(spec, plans, any_columns).or_else(token_loop) else {
            return self.load(plan, spec);
        };
        if let Now::Cold(schedule) = now {
            self.begin(plan, spec, schedule)?;
        }
        Ok(stand_in)
    }

    fn now(&self, plan: Plan, spec: &Spec) -> Result<Now<D>> {
        let mut known = self.known();
        let (schedule, binaries) = match found(&mut known, plan, spec) {
            Some(State::Loaded(loaded)) => return Ok(Now::Ready(loaded.clone())),
            Some(State::Compiling(schedule, behind)) => match behind.get() {
                None => return Ok(Now::Compiling),
                Some(binaries) => (schedule.clone(), binaries.to_vec()),
            },
            None => {
                let schedule = self.derive(plan, spec)?;
                let sources = self.sources(&schedule);
                let kept = sources.iter().map(|source| self.jit().kept(source, self.driver.arch()).map(Ok));
                match kept.collect() {
                    None => return Ok(Now::Cold(schedule)),
                    Some(binaries) => (schedule, binaries),
                }
            }
        };
        self.finish(&mut known, (plan, spec), schedule, binaries).map(Now::Ready)
    }

    /// Loaded kernels that compute the same, of other plans or other columns of a block.
    fn similar(&self, spec: &Spec, plans: &[Plan], any_columns: bool) -> Option<Arc<Loaded<D>>> {
        let fits = |other: &Spec| {
            let columns = if any_columns { other.columns } else { spec.columns };
            *other == Spec { columns, ..spec.clone() }
        };
        self.known().iter().find_map(|(plan, of, state)| match state {
            State::Loaded(loaded) if plans.contains(plan) && fits(of) => Some(loaded.clone()),
            _ => None,
        })
    }

    /// Begins to compile kernels, where no other thread has meanwhile.
    fn begin(&self, plan: Plan, spec: &Spec, schedule: Schedule) -> Result<()> {
        let mut known = self.known();
        if found(&mut known, plan, spec).is_none() {
            let behind = self.jit().compile_behind(self.sources(&schedule), self.driver.arch())?;
            known.push((plan, spec.clone(), State::Compiling(schedule, behind)));
        }
        Ok(())
    }

    /// Loads kernels that are compiled, and remembers them; those of a thread that was faster stay.
    fn finish(
        &self,
        known: &mut Known<D>,
        (plan, spec): (Plan, &Spec),
        schedule: Schedule,
        binaries: Vec<Result<Arc<Binary>>>,
    ) -> Result<Arc<Loaded<D>>> {
        if let Some(State::Loaded(loaded)) = found(known, plan, spec) {
            return Ok(loaded.clone());
        }
        let load = |(kernel, binary): (&Kernel, Result<Arc<Binary>>)| self.driver.load(&*binary?, kernel);
        let functions = schedule.kernels.iter().zip(binaries).map(load).collect::<Result<_>>();
        let functions = functions.map_err(|error| self.blamed(error))?;
        let loaded = Arc::new(Loaded { schedule, functions });
        match found(known, plan, spec) {
            Some(state) => *state = State::Loaded(loaded.clone()),
            None => known.push((plan, spec.clone(), State::Loaded(loaded.clone()))),
        }
        Ok(loaded)
    }

    /// A plan's kernels as text.
    fn derive(&self, plan: Plan, spec: &Spec) -> Result<Schedule> {
        let mut schedule = plan.emit(&self.timeline, spec, self.driver.arch())?;
        if let Some(edited) = &self.edited {
            edited.replace(&mut schedule)?;
        }
        Ok(schedule)
    }

    /// The kernels' texts, as the compiler takes them.
    fn sources(&self, schedule: &Schedule) -> Vec<Source> {
        let options: Vec<String> = self.driver.compiler_options().iter().map(|&o| o.to_owned()).collect();
        let source = |kernel: &Kernel| {
            let name = self.edited.as_deref().and_then(|edited| edited.name_of(kernel));
            let name = name.unwrap_or_else(|| kernel.name.clone());
            Source { name, text: kernel.source.clone(), options: options.clone(), code: self.driver.code() }
        };
        schedule.kernels.iter().map(source).collect()
    }

    /// A text that somebody changed is theirs, and so are its faults.
    pub(super) fn blamed(&self, error: Error) -> Error {
        match (&self.edited, error) {
            (Some(edited), Error::Bug(messages)) => Error::of_kernel(&edited.file, messages),
            (_, error) => error,
        }
    }

    /// A panic elsewhere leaves the list whole: entries are only ever pushed or replaced.
    fn known(&self) -> MutexGuard<'_, Known<D>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jit(&self) -> &Arc<Jit> {
        self.jit.as_ref().unwrap_or_else(|| shared_jit())
    }
}

fn found<'a, D: Driver>(known: &'a mut Known<D>, plan: Plan, spec: &Spec) -> Option<&'a mut State<D>> {
    known.iter_mut().find(|(p, s, _)| (*p, s) == (plan, spec)).map(|(.., state)| state)
}

/// The compiler and cache that all devices of this process share.
fn shared_jit() -> &'static Arc<Jit> {
    static JIT: OnceLock<Arc<Jit>> = OnceLock::new();
    JIT.get_or_init(|| Arc::new(Jit::user()))
}
