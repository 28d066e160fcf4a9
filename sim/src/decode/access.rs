//! The words that loads, stores, atomics and prefetches share: order, scope, space, advice to caches.
//!
//! ```text
//! ld.relaxed.gpu.global.L1::no_allocate.L2::cache_hint.v2.f32
//!     order Relaxed(Gpu), space Global, hint (an operand more), the rest is advice and dropped
//! ld.global.acquire.gpu.b32, atom.global.gpu.acq_rel.add.f32
//!     the same words in the order that CUTLASS and Triton write them; `ptxas` takes both, and they mean the same
//! ```
//!
//! Each kind of word may stand once. Source: PTX ISA, sections "ld", "st", "atom", "red", and "Cache Operators".

use super::op::{Order, Scope};
use super::words::{Reader, What};
use crate::syntax::ast::{Space, Type};

/// How strong an access is, without its scope.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Volatile,
    Relaxed,
    Acquire,
    Release,
    AcqRel,
}

const STRENGTHS: [(&str, Strength); 6] = [
    ("weak", Strength::Weak),
    ("volatile", Strength::Volatile),
    ("relaxed", Strength::Relaxed),
    ("acquire", Strength::Acquire),
    ("release", Strength::Release),
    ("acq_rel", Strength::AcqRel),
];

pub(crate) const SCOPES: [(&str, Scope); 4] =
    [("cta", Scope::Cta), ("cluster", Scope::Cluster), ("gpu", Scope::Gpu), ("sys", Scope::Sys)];

pub(crate) const SPACES: [(&str, Space); 8] = [
    ("global", Space::Global),
    ("shared", Space::Shared),
    ("shared::cta", Space::Shared),
    ("local", Space::Local),
    ("const", Space::Const),
    ("param", Space::Param),
    ("param::entry", Space::Param),
    ("param::func", Space::Param),
];

/// What kind of access: each has its own cache operators and strengths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Load,
    Store,
    Atomic,
    Reduction,
}

/// The shared words, understood.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flags {
    strength: Option<Strength>,
    scope: Option<Scope>,
    space: Option<Space>,
    operator: Option<()>,
    first_level: Option<()>,
    second_level: Option<()>,
    prefetch: Option<()>,
    hint: Option<()>,
    constant: Option<()>,
}

/// Stores what a word says, unless something of its kind stood before.
fn once<T>(slot: &mut Option<T>, value: T, word: &str) -> What<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`.{word}` contradicts or repeats a word before it")),
    }
}

impl Flags {
    /// Takes all such words that come next.
    pub(crate) fn read(&mut self, r: &mut Reader, kind: Kind) -> What<()> {
        loop {
            let word = r.peek();
            if let Some(strength) = r.one_of(&STRENGTHS) {
                once(&mut self.strength, strength, word)?;
            } else if let Some(scope) = r.one_of(&SCOPES) {
                once(&mut self.scope, scope, word)?;
            } else if let Some(space) = r.one_of(&SPACES) {
                once(&mut self.space, space, word)?;
            } else if operators(kind).contains(&word) {
                once(&mut self.operator, (), r.next())?;
            } else if kind == Kind::Load && word == "nc" {
                once(&mut self.constant, (), r.next())?;
            } else if word == "L2::cache_hint" {
                once(&mut self.hint, (), r.next())?;
            } else if !self.advice(r, kind)? {
                return Ok(());
            }
        }
    }

    /// Words on where in the caches the bytes should lie.
    fn advice(&mut self, r: &mut Reader, kind: Kind) -> What<bool> {
        let memory = matches!(kind, Kind::Load | Kind::Store);
        let slot = match r.peek() {
            "L1::evict_normal"
            | "L1::evict_unchanged"
            | "L1::evict_first"
            | "L1::evict_last"
            | "L1::no_allocate"
                if memory =>
            {
                &mut self.first_level
            }
            "L2::evict_normal" | "L2::evict_first" | "L2::evict_last" if memory => &mut self.second_level,
            "L2::64B" | "L2::128B" | "L2::256B" if kind == Kind::Load => &mut self.prefetch,
            _ => return Ok(false),
        };
        once(slot, (), r.next())?;
        Ok(true)
    }

    /// The space, and the order among other accesses.
    pub(crate) fn resolve(&self, kind: Kind) -> What<(Space, Order)> {
        let space = self.space.unwrap_or(Space::Generic);
        let order = self.order(kind)?;
        let strong = order != Order::Weak;
        let lane_only = space == Space::Local && order == Order::Volatile;
        if strong && !matches!(space, Space::Generic | Space::Global | Space::Shared) && !lane_only {
            return Err("an ordered access needs global, shared or generic space".into());
        }
        if self.constant.is_some() && (space != Space::Global || strong) {
            return Err("`.nc` is of weak loads from `.global`".into());
        }
        let advised = self.first_level.is_some() || self.second_level.is_some();
        let cached = matches!(space, Space::Generic | Space::Global);
        if (advised || self.prefetch.is_some()) && !cached {
            return Err("advice to the caches needs global or generic space".into());
        }
        if advised && order == Order::Volatile {
            return Err("an eviction priority does not go with `.volatile`".into());
        }
        if self.operator.is_some() && (strong && memory(kind) || advised) {
            return Err("a cache operator goes with neither an order nor an eviction priority".into());
        }
        Ok((space, order))
    }

    fn order(&self, kind: Kind) -> What<Order> {
        // Atomics are relaxed, on this GPU, where nothing is said.
        let scope = match (self.scope, memory(kind)) {
            (None, false) => Some(Scope::Gpu),
            (scope, _) => scope,
        };
        let needs = "`.relaxed`, `.acquire` and `.release` need a scope: `.cta`, `.gpu` or `.sys`";
        let scoped = || scope.ok_or_else(|| needs.to_string());
        let order = match (kind, self.strength) {
            (Kind::Load | Kind::Store, None | Some(Strength::Weak)) => Order::Weak,
            (Kind::Load | Kind::Store, Some(Strength::Volatile)) => Order::Volatile,
            (Kind::Atomic | Kind::Reduction, None) | (_, Some(Strength::Relaxed)) => {
                Order::Relaxed(scoped()?)
            }
            (Kind::Load | Kind::Atomic, Some(Strength::Acquire)) => Order::Acquire(scoped()?),
            (Kind::Store | Kind::Atomic | Kind::Reduction, Some(Strength::Release)) => {
                Order::Release(scoped()?)
            }
            (Kind::Atomic, Some(Strength::AcqRel)) => Order::AcqRel(scoped()?),
            _ => return Err("this order does not exist for this instruction".into()),
        };
        if matches!(order, Order::Weak | Order::Volatile) && self.scope.is_some() {
            return Err("a scope needs `.relaxed`, `.acquire` or `.release`".into());
        }
        Ok(order)
    }

    /// Whether nobody may write the bytes during the launch.
    pub(crate) fn is_constant(&self) -> bool {
        self.constant.is_some()
    }

    /// Takes the cache policy that `.L2::cache_hint` announces; it is advice.
    pub(crate) fn policy(&self, r: &mut Reader) -> What<()> {
        match self.hint {
            Some(()) => r.src64(Type::B64).map(|_| ()),
            None => Ok(()),
        }
    }
}

fn memory(kind: Kind) -> bool {
    matches!(kind, Kind::Load | Kind::Store)
}

fn operators(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Load => &["ca", "cg", "cs", "lu", "cv"],
        Kind::Store => &["wb", "cg", "cs", "wt"],
        Kind::Atomic | Kind::Reduction => &[],
    }
}
