//! Random modules: any tree that the parser could have made, whatever its instructions mean.

use chunkwise_sim::syntax::ast::*;

/// Numbers from a seed (Marsaglia's xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const TYPES: [Type; 9] =
    [Type::B8, Type::U16, Type::B32, Type::S32, Type::F32, Type::U64, Type::B64, Type::F64, Type::F16x2];

const OPCODES: [&str; 8] = ["add", "ld", "mma", "frobnicate", "mov", "call", "bra", "brx"];

const MODIFIERS: [&str; 8] = ["f32", "L2::128B", "v4", "m16n8k16", "shared::cta", "1x", "global", "e4m3x2"];

/// A module from a seed.
pub(crate) fn module(seed: u64) -> Module {
    let random = &mut Random::new(seed);
    let mut module = Module {
        version: (random.below(10) as u32 + 1, random.below(10) as u32),
        target: random.pick(&["sm_80", "sm_90a", "sm_100"]).to_string(),
        variables: Vec::new(),
        functions: Vec::new(),
        files: (1..=random.below(3) as u32).map(|number| (number, format!("/a b/{number}.cu"))).collect(),
    };
    for index in 0..random.below(5) {
        let space = random.pick(&[Space::Global, Space::Const, Space::Shared]);
        let variable = variable(random, space, format!("g{index}"));
        module.variables.push(variable);
    }
    for index in 0..random.below(4) {
        let function = Maker { random, module: &module, function: head(format!("f{index}")) }.function();
        module.functions.push(function);
    }
    module
}

fn variable(random: &mut Random, space: Space, name: String) -> Variable {
    let ty = random.pick(&TYPES[..8]);
    let is_dynamic = space == Space::Shared && random.chance(3);
    let elements = if is_dynamic { None } else { Some(random.below(6) as u64 + 1) };
    let has_values = matches!(space, Space::Global | Space::Const) && random.chance(2);
    let count = if has_values { random.below(elements.unwrap_or(0) as usize + 1) } else { 0 };
    let initial = (0..count * ty.bytes() as usize).map(|_| random.next() as u8).collect();
    Variable { space, name, ty, elements, align: 1 << random.below(8), initial, line: 0 }
}

fn head(name: String) -> Function {
    Function {
        name,
        is_entry: false,
        params: 0,
        returns: 0,
        locals: 0,
        variables: Vec::new(),
        registers: Vec::new(),
        labels: Vec::new(),
        branch_targets: Vec::new(),
        max_threads: None,
        has_body: true,
        body: Vec::new(),
        line: 0,
    }
}

struct Maker<'m> {
    random: &'m mut Random,
    module: &'m Module,
    function: Function,
}

impl Maker<'_> {
    fn function(mut self) -> Function {
        self.function.is_entry = self.random.chance(2);
        self.function.has_body = self.function.is_entry || !self.random.chance(4);
        self.function.params = self.random.below(4);
        if !self.function.is_entry {
            self.function.returns = self.random.below(self.function.params + 1).min(1);
        }
        for index in 0..self.function.params {
            let param = variable(self.random, Space::Param, format!("p{index}"));
            self.function.variables.push(param);
        }
        if self.function.has_body {
            self.function.max_threads = self.random.chance(2).then_some(self.random.below(1024) as u32 + 1);
            self.declarations();
            self.labels();
            self.body();
        }
        self.function
    }

    fn declarations(&mut self) {
        self.function.locals = self.random.below(4);
        for index in 0..self.function.locals {
            let space =
                self.random.pick(&[Space::Shared, Space::Local, Space::Global, Space::Const, Space::Param]);
            let local = variable(self.random, space, format!("local{index}"));
            self.function.variables.push(local);
        }
        for index in 0..self.random.below(30) + 1 {
            let ty = if self.random.chance(5) { Type::Pred } else { self.random.pick(&TYPES) };
            let name = format!("{}{index}", self.random.pick(&["%r", "t", "$", "%rd_"]));
            self.function.registers.push(Register { name, ty });
        }
    }

    fn labels(&mut self) {
        let mut place = 0;
        for index in 0..self.random.below(6) + 1 {
            place += self.random.below(5) as u32;
            self.function.labels.push(Target { name: format!("$L_{index}"), instruction: place });
        }
        for index in 0..self.function.labels.len() as u32 {
            if self.random.chance(4) {
                let targets = (0..self.random.below(4) + 1).map(|_| self.label()).collect();
                self.function.branch_targets.push((Label(index), targets));
            }
        }
    }

    fn label(&mut self) -> Label {
        Label(self.random.below(self.function.labels.len()) as u32)
    }

    fn body(&mut self) {
        let fewest = self.function.labels.last().map_or(0, |label| label.instruction as usize);
        let mut source = None;
        for _ in 0..fewest + self.random.below(20) {
            if self.random.chance(3) {
                source = self.source();
            }
            let opcode = self.random.pick(&OPCODES);
            let modifiers =
                (0..self.random.below(4)).map(|_| self.random.pick(&MODIFIERS).to_string()).collect();
            let operands = self.operands(opcode);
            let guard = self
                .random
                .chance(4)
                .then(|| Guard { register: self.register(), negated: self.random.chance(2) });
            let opcode = opcode.to_string();
            self.function.body.push(Instruction { guard, opcode, modifiers, operands, line: 0, source });
        }
    }

    fn source(&mut self) -> Option<Source> {
        let files = self.module.files.len();
        if files == 0 || self.random.chance(3) {
            return None;
        }
        let file = self.module.files[self.random.below(files)].0;
        Some(Source { file, line: self.random.below(1000) as u32 + 1 })
    }

    fn operands(&mut self, opcode: &str) -> Vec<Operand> {
        let count = self.random.below(4);
        match opcode {
            "bra" => vec![Operand::Label(self.label())],
            "brx" => vec![Operand::Reg(self.register()), Operand::Label(self.label())],
            "call" => {
                let list = (0..count).map(|_| self.element()).collect();
                vec![Operand::Name("f0".to_string()), Operand::Vector(list)]
            }
            _ => (0..count).map(|_| self.operand()).collect(),
        }
    }

    fn operand(&mut self) -> Operand {
        let elements = |maker: &mut Self| (0..maker.random.below(4) + 1).map(|_| maker.element()).collect();
        match self.random.below(8) {
            0 => Operand::Vector(elements(self)),
            1 => Operand::Address { base: self.base(), offset: self.offset() },
            2 => Operand::Tensor { base: self.base(), offset: self.offset(), coordinates: elements(self) },
            3 => {
                let first = self.element();
                let second =
                    if self.random.chance(2) { Operand::Sink } else { Operand::Reg(self.register()) };
                Operand::Pair(Box::new(first), Box::new(second))
            }
            _ => self.element(),
        }
    }

    fn element(&mut self) -> Operand {
        match self.random.below(12) {
            0 => Operand::Not(self.register()),
            1 => Operand::Special(Special::Ctaid(self.random.below(3) as u8)),
            2 => {
                Operand::Special(self.random.pick(&[Special::LaneId, Special::Clock64, Special::LanemaskGe]))
            }
            3 => Operand::Int(self.random.next() as i64),
            4 => Operand::Int(self.random.below(64) as i64 - 32),
            5 => Operand::F32(self.random.next() as u32),
            6 => Operand::F64(self.random.next()),
            7 => Operand::Sink,
            8 => match self.base() {
                Base::Var(var) => Operand::Variable(var, self.offset()),
                _ => Operand::Int(i64::MIN),
            },
            _ => Operand::Reg(self.register()),
        }
    }

    fn register(&mut self) -> Reg {
        Reg(self.random.below(self.function.registers.len()) as u32)
    }

    fn offset(&mut self) -> i64 {
        match self.random.below(4) {
            0 => self.random.next() as i64,
            1 => -(self.random.below(100) as i64),
            2 => self.random.below(100) as i64,
            _ => 0,
        }
    }

    fn base(&mut self) -> Base {
        let own = self.function.params + self.function.locals;
        match self.random.below(5) {
            0 => Base::Absolute,
            1 if own > 0 => Base::Var(Var(self.random.below(own) as u32)),
            2 if !self.module.variables.is_empty() => {
                let index = self.random.below(self.module.variables.len());
                Base::Var(self.of_module(index))
            }
            _ => Base::Reg(self.register()),
        }
    }

    /// The function's id of a variable of the module, as the first use gives it.
    fn of_module(&mut self, index: usize) -> Var {
        let view = Variable { initial: Vec::new(), ..self.module.variables[index].clone() };
        let own = self.function.params + self.function.locals;
        let known = self.function.variables[own..].iter().position(|variable| *variable == view);
        let place = known.map_or(self.function.variables.len(), |place| own + place);
        if known.is_none() {
            self.function.variables.push(view);
        }
        Var(place as u32)
    }
}
