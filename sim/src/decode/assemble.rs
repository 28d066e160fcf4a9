//! A kernel of a module, assembled: variables get their places, calls are replaced by what they call.
//!
//! ```text
//! kernel:  st.param.f32 [param0], %f1;  call (retval0), square, (param0);  ld.param.f32 %f2, [retval0];
//! square:  ld.param.f32 %f1, [square_param_0];  mul.f32 %f2, %f1, %f1;  st.param.f32 [func_retval0], %f2;  ret;
//!
//!     0  Store  local[0]        `param0` and `square_param_0` are one place
//!     1  Load   local[0]
//!     2  Float  Mul             in registers of its own
//!     3  Store  local[4]        so are `retval0` and `func_retval0`
//!     4  Branch 5               `ret`
//!     5  Load   local[4]
//! ```
//!
//! So the machine needs no stack of calls, and lanes that part inside a function meet again as they do elsewhere. What
//! cannot be put in place is refused: recursion, calls by a register, functions without a body.

use super::kernel::{Banks, Instruction, Kernel, Parameter};
use super::op::{Guard, Op, Pred};
use super::place::{Bump, Named, Place, Scope, Slot};
use super::text::text;
use super::unwritten::{self, Uses};
use super::words::What;
use super::{Error, instruction};
use crate::flow::Next;
use crate::syntax::ast::{self, Function, Module, Operand, Space, Variable};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// More instructions than this come from functions that call one another without end, or nearly so.
const MOST: usize = 1 << 22;

/// The most bytes of local memory of a lane, as on all GPUs since sm_50.
const MOST_LOCAL: u32 = 512 << 10;

/// How deep calls may be nested.
const DEEPEST: usize = 64;

/// A kernel by name.
pub fn kernel(module: &Module, name: &str) -> Result<Kernel, Error> {
    let function = module.kernel(name).ok_or_else(|| {
        let known: Vec<&str> =
            module.functions.iter().filter(|f| f.is_entry).map(|f| f.name.as_str()).collect();
        Error {
            line: 1,
            text: format!(".entry {name}"),
            what: format!("the module has no kernel of this name; it has {}", known.join(", ")),
        }
    })?;
    let mut assembly = Assembly::new(module, function)?;
    let params = function.variables.iter().take(function.params);
    let (params, param_bytes) =
        parameters(params).ok_or_else(|| too_large(function, "parameter", "4 GiB"))?;
    let places: Vec<Place> = params.iter().map(|p| Place::At(Space::Param, p.offset)).collect();
    assembly.function(function, &places)?;
    let steps: Vec<Next> = assembly.code.iter().map(Instruction::next).collect();
    Ok(Kernel {
        name: name.to_string(),
        code: assembly.code,
        texts: assembly.texts,
        banks: assembly.banks,
        suspects: unwritten::suspects(&steps, &assembly.uses, &assembly.registers),
        params,
        param_bytes,
        shared_bytes: assembly.shared_bytes,
        local_bytes: assembly.local.bytes(),
        max_threads: function.max_threads,
    })
}

/// The places of parameters, each aligned as declared.
fn parameters<'a>(variables: impl Iterator<Item = &'a Variable>) -> Option<(Vec<Parameter>, u32)> {
    let mut space = Bump::default();
    let mut params = Vec::new();
    for v in variables {
        let offset = space.take(v.bytes(), v.align)?;
        params.push(Parameter { name: v.name.clone(), ty: v.ty, offset, bytes: v.bytes() as u32 });
    }
    Some((params, space.bytes()))
}

fn too_large(function: &Function, space: &str, most: &str) -> Error {
    let what = format!("its {space} variables, with those of what it calls, need more than {most}");
    Error { line: function.line, text: function.name.clone(), what }
}

/// Offsets of shared variables by function (empty for the module) and index.
type Offsets<'m> = HashMap<(&'m str, usize), u32>;

/// What has been assembled so far.
struct Assembly<'m> {
    module: &'m Module,
    code: Vec<Instruction>,
    texts: Vec<String>,
    /// What each instruction reads and writes, and the names of these registers.
    uses: Vec<Uses>,
    registers: BTreeMap<u32, String>,
    banks: Banks,
    local: Bump,
    shared: Offsets<'m>,
    shared_bytes: u32,
    /// Functions whose calls are being replaced, outermost first.
    stack: Vec<&'m str>,
}

impl<'m> Assembly<'m> {
    fn new(module: &'m Module, kernel: &'m Function) -> Result<Assembly<'m>, Error> {
        let (shared, shared_bytes) =
            shared(module, kernel).ok_or_else(|| too_large(kernel, "shared", "4 GiB"))?;
        Ok(Assembly {
            module,
            code: Vec::new(),
            texts: Vec::new(),
            uses: Vec::new(),
            registers: BTreeMap::new(),
            banks: Banks::default(),
            local: Bump::default(),
            shared,
            shared_bytes,
            stack: Vec::new(),
        })
    }

    /// Appends a function whose parameters lie at `params`.
    fn function(&mut self, function: &'m Function, params: &[Place]) -> Result<(), Error> {
        let places = self.places(function, params).filter(|_| self.local.bytes() <= MOST_LOCAL);
        let places = places.ok_or_else(|| too_large(function, "local", "512 KiB"))?;
        let scope = Scope::new(function, places, self.banks);
        let mut scope = scope.ok_or_else(|| too_large(function, "register", "a million places"))?;
        self.banks = scope.banks;
        self.stack.push(&function.name);
        let mut starts = Vec::with_capacity(function.body.len() + 1);
        let mut branches = Vec::new();
        for (index, i) in function.body.iter().enumerate() {
            starts.push(self.code.len() as u32);
            let done = match i.opcode.as_str() {
                "call" => self.call(&scope, function, index, &mut branches),
                _ => self.plain(&mut scope, function, i, &mut branches),
            };
            done.map_err(|stop| match stop {
                Stop::Inner(error) => error,
                Stop::Here(what) => Error { line: i.line, text: text(function, i), what },
            })?;
        }
        starts.push(self.code.len() as u32);
        self.stack.pop();
        for branch in branches {
            retarget(&mut self.code[branch].op, &starts);
        }
        Ok(())
    }

    /// Appends an instruction that is no call.
    fn plain(
        &mut self,
        scope: &mut Scope,
        function: &Function,
        i: &ast::Instruction,
        branches: &mut Vec<usize>,
    ) -> Result<(), Stop> {
        // Calls in between have taken registers too.
        scope.banks = self.banks;
        let guard = guard(scope, i)?;
        let ops = instruction(scope, i)?;
        self.banks = scope.banks;
        self.describe(function, i)?;
        let last = ops.len() - 1;
        let uses = Uses::of(scope, i, &mut self.registers);
        for (n, op) in ops.into_iter().enumerate() {
            // What fetches a special register does no harm in lanes that the guard excludes.
            let (guard, uses) = if n == last { (guard, uses.clone()) } else { (None, Uses::default()) };
            if matches!(op, Op::Branch { .. } | Op::BranchIndexed { .. }) {
                branches.push(self.code.len());
            }
            self.push(i, guard, op, uses);
        }
        Ok(())
    }

    /// The text of the instruction whose operations come next.
    fn describe(&mut self, function: &Function, i: &ast::Instruction) -> Result<(), Stop> {
        self.texts.push(text(function, i));
        match self.texts.len() > MOST {
            true => Err(Stop::Here(format!("the kernel has more than {MOST} instructions, calls replaced"))),
            false => Ok(()),
        }
    }

    fn push(&mut self, i: &ast::Instruction, guard: Option<Guard>, op: Op, uses: Uses) {
        self.uses.push(uses);
        let text = self.texts.len().saturating_sub(1) as u32;
        self.code.push(Instruction { guard, op, line: i.line, source: i.source, text });
    }

    /// Appends what a call calls.
    fn call(
        &mut self,
        scope: &Scope,
        function: &Function,
        index: usize,
        branches: &mut Vec<usize>,
    ) -> Result<(), Stop> {
        let i = &function.body[index];
        let call = Call::read(i)?;
        self.describe(function, i)?;
        if let Some(Guard { pred, negated }) = guard(scope, i)? {
            branches.push(self.code.len());
            let skip = Op::Branch { target: index as u32 + 1, uniform: false };
            let uses = Uses::of(scope, i, &mut self.registers);
            self.push(i, Some(Guard { pred, negated: !negated }), skip, uses);
        }
        let module = self.module;
        let Some(callee) = module.functions.iter().find(|f| f.name == call.name && f.has_body && !f.is_entry)
        else {
            return self.without_body(i, call.name);
        };
        if self.stack.contains(&call.name) {
            return Err(Stop::Here(format!("`{}` calls itself: recursion is not supported", call.name)));
        }
        if self.stack.len() >= DEEPEST {
            return Err(Stop::Here(format!("calls are nested more than {DEEPEST} deep")));
        }
        let params = call.places(scope, callee)?;
        self.function(callee, &params).map_err(Stop::Inner)
    }

    /// What a failed `assert` calls does not return; of nothing else that CUDA provides the simulator knows what it does.
    fn without_body(&mut self, i: &ast::Instruction, name: &str) -> Result<(), Stop> {
        if name == "__assertfail" {
            self.push(i, None, Op::Trap, Uses::default());
            return Ok(());
        }
        let hint = if name == "vprintf" { " (take `printf` out)" } else { "" };
        Err(Stop::Here(format!("`{name}` has no body{hint}: only functions of this module can be called")))
    }

    /// Where the variables of a function lie.
    fn places(&mut self, function: &'m Function, params: &[Place]) -> Option<Vec<Place>> {
        let mut places = params.to_vec();
        let own = function.params + function.locals;
        for (index, v) in function.variables.iter().enumerate().skip(params.len()) {
            places.push(match v.space {
                Space::Param | Space::Local => Place::At(Space::Local, self.local.take(v.bytes(), v.align)?),
                Space::Shared => {
                    let key = if index < own { Some((function.name.as_str(), index)) } else { None };
                    let key = key.or_else(|| Some(("", position(self.module, v)?)));
                    let place = key.and_then(|key| self.shared.get(&key));
                    place.map_or(Place::Nowhere("a shared variable that is declared nowhere"), |at| {
                        Place::At(Space::Shared, *at)
                    })
                }
                space => position(self.module, v)
                    .map_or(Place::Nowhere("a variable that the module does not define"), |at| {
                        Place::Module(space, at as u32)
                    }),
            });
        }
        Some(places)
    }
}

/// Why an instruction could not be appended.
enum Stop {
    /// What is wrong with it.
    Here(String),
    /// What is wrong with an instruction of a function that it calls.
    Inner(Error),
}

impl From<String> for Stop {
    fn from(what: String) -> Stop {
        Stop::Here(what)
    }
}

fn position(module: &Module, variable: &Variable) -> Option<usize> {
    module.variables.iter().position(|v| v.name == variable.name)
}

/// Moves the targets of a branch from instructions of the body to those of the code.
fn retarget(op: &mut Op, starts: &[u32]) {
    let code = |target: u32| starts.get(target as usize).copied().unwrap_or_else(|| starts[starts.len() - 1]);
    match op {
        Op::Branch { target, .. } => *target = code(*target),
        Op::BranchIndexed { targets, .. } => targets.iter_mut().for_each(|t| *t = code(*t)),
        _ => {}
    }
}

fn guard(scope: &Scope, i: &ast::Instruction) -> What<Option<Guard>> {
    let Some(guard) = i.guard else { return Ok(None) };
    match scope.registers.get(guard.register.0 as usize) {
        Some((Slot::Pred(Pred(p)), _)) => Ok(Some(Guard { pred: Pred(*p), negated: guard.negated })),
        _ => Err("a guard has to be a predicate register".into()),
    }
}

/// `call{.uni} (results), name, (arguments);`
struct Call<'a> {
    name: &'a str,
    results: &'a [Operand],
    arguments: &'a [Operand],
}

impl<'a> Call<'a> {
    fn read(i: &'a ast::Instruction) -> What<Call<'a>> {
        if let Some(word) = i.modifiers.iter().find(|m| *m != "uni") {
            return Err(format!("`call.{word}` does not exist"));
        }
        let (results, rest) = match i.operands.split_first() {
            Some((Operand::Vector(list), rest)) => (list.as_slice(), rest),
            _ => (&[][..], i.operands.as_slice()),
        };
        match rest {
            [Operand::Name(name)] => Ok(Call { name, results, arguments: &[] }),
            [Operand::Name(name), Operand::Vector(arguments)] => Ok(Call { name, results, arguments }),
            [Operand::Reg(_), ..] => {
                Err("calls by a register are not supported: call the function by name".into())
            }
            _ => Err("`call` needs results in parentheses, a function, arguments in parentheses".into()),
        }
    }

    /// Where the callee's parameters lie: where the caller's variables do.
    fn places(&self, scope: &Scope, callee: &Function) -> What<Vec<Place>> {
        let given: Vec<&Operand> = self.results.iter().chain(self.arguments).collect();
        if self.results.len() != callee.returns || given.len() != callee.params {
            return Err(format!(
                "`{}` returns {} and takes {} parameters, but {} and {} are given",
                self.name,
                callee.returns,
                callee.params.saturating_sub(callee.returns),
                self.results.len(),
                self.arguments.len()
            ));
        }
        given.iter().zip(&callee.variables).map(|(given, own)| self.place(scope, given, own)).collect()
    }

    fn place(&self, scope: &Scope, given: &Operand, own: &Variable) -> What<Place> {
        let Operand::Variable(var, 0) = given else {
            return Err(format!("parameters of `{}` have to be given as `.param` variables", self.name));
        };
        match scope.variables.get(var.0 as usize) {
            Some(Named { place: place @ Place::At(Space::Local, _), bytes, .. }) if *bytes == own.bytes() => {
                Ok(*place)
            }
            Some(Named { place: Place::At(Space::Local, _), name, bytes, .. }) => {
                Err(format!("`{name}` has {bytes} bytes, but `{}` has {}", own.name, own.bytes()))
            }
            _ => Err(format!("parameters of `{}` have to be given as `.param` variables", self.name)),
        }
    }
}

/// Places of the shared variables of a kernel and of what it calls; and the bytes in all. What `extern .shared` declares begins
/// behind the rest, all at one place.
fn shared<'m>(module: &'m Module, kernel: &'m Function) -> Option<(Offsets<'m>, u32)> {
    let (mut places, mut open, mut space) = (HashMap::new(), Vec::new(), Bump::default());
    for function in reachable(module, kernel) {
        for (index, v) in function.variables.iter().enumerate().filter(|(_, v)| v.space == Space::Shared) {
            let is_own = index < function.params + function.locals;
            let key = if is_own { (function.name.as_str(), index) } else { ("", position(module, v)?) };
            if v.elements.is_none() {
                open.push((key, v.align));
            } else if let Entry::Vacant(place) = places.entry(key) {
                place.insert(space.take(v.bytes(), v.align)?);
            }
        }
    }
    let align = open.iter().map(|(_, align)| *align).max().unwrap_or(1);
    let end = space.take(0, align)?;
    places.extend(open.into_iter().map(|(key, _)| (key, end)));
    Some((places, end))
}

/// A kernel, and the functions that it calls directly or not, in the order of first mention.
fn reachable<'m>(module: &'m Module, kernel: &'m Function) -> Vec<&'m Function> {
    let mut found = vec![kernel];
    let mut next = 0;
    while let Some(function) = found.get(next).copied() {
        next += 1;
        for i in function.body.iter().filter(|i| i.opcode == "call") {
            let Ok(call) = Call::read(i) else { continue };
            let callee = module.functions.iter().find(|f| f.name == call.name && f.has_body);
            if let Some(callee) = callee.filter(|c| !found.iter().any(|f| f.name == c.name)) {
                found.push(callee);
            }
        }
    }
    found
}
