//! Calls: the functions of the language, and the one method `s.read(b)`.
//!
//! ```text
//! dot(a, b), s.read(b)    contract: the sum over the dim of b, keeping nothing, or the value dim of s
//! outer(a, u)             mul of two vectors of different dims
//! ```

use super::elaborate::{Elaborator, address, unwrapped};
use super::names::suggest;
use super::show::show;
use crate::graph::{Binary, Dim, Expr as Node, Shape, Unary, Value};
use syn::ext::IdentExt;
use syn::{Expr, ExprCall, ExprMethodCall};

/// One function of the language.
#[derive(Debug)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: &'static str,
    /// How a call looks, for hints; its commas give the number of arguments.
    pub(super) usage: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Elementwise(Unary),
    Pair(Binary),
    Dot,
    Outer,
    Sum,
    Softmax,
    L2norm,
    Dim,
}

const fn elementwise(name: &'static str, usage: &'static str, op: Unary) -> Function {
    Function { name, usage, kind: Kind::Elementwise(op) }
}

/// Every function of the language.
pub(super) const FUNCTIONS: [Function; 22] = [
    elementwise("exp", "exp(x)", Unary::Exp),
    elementwise("log", "log(x)", Unary::Log),
    elementwise("sigmoid", "sigmoid(x)", Unary::Sigmoid),
    elementwise("log_sigmoid", "log_sigmoid(x)", Unary::LogSigmoid),
    elementwise("softplus", "softplus(x)", Unary::Softplus),
    elementwise("silu", "silu(x)", Unary::Silu),
    elementwise("elu", "elu(x)", Unary::Elu),
    elementwise("gelu", "gelu(x)", Unary::Gelu),
    elementwise("relu", "relu(x)", Unary::Relu),
    elementwise("tanh", "tanh(x)", Unary::Tanh),
    elementwise("sqrt", "sqrt(x)", Unary::Sqrt),
    elementwise("rsqrt", "rsqrt(x)", Unary::Rsqrt),
    elementwise("square", "square(x)", Unary::Square),
    elementwise("abs", "abs(x)", Unary::Abs),
    Function { name: "max", usage: "max(x, y)", kind: Kind::Pair(Binary::Max) },
    Function { name: "min", usage: "min(x, y)", kind: Kind::Pair(Binary::Min) },
    Function { name: "dot", usage: "dot(a, b)", kind: Kind::Dot },
    Function { name: "outer", usage: "outer(key, value)", kind: Kind::Outer },
    Function { name: "sum", usage: "sum(x)", kind: Kind::Sum },
    Function { name: "softmax", usage: "softmax(x)", kind: Kind::Softmax },
    Function { name: "l2norm", usage: "l2norm(x)", kind: Kind::L2norm },
    Function { name: "dim", usage: "dim(K)", kind: Kind::Dim },
];

/// Whether a name is a function of the language.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

impl Function {
    fn arity(&self) -> usize {
        self.usage.matches(',').count() + 1
    }
}

impl Elaborator<'_> {
    /// `exp(x)`
    pub(super) fn call(&mut self, expr: &Expr, call: &ExprCall) -> Option<Value> {
        let name = match unwrapped(&call.func) {
            Expr::Path(path) => path.path.get_ident().map(|i| i.unraw().to_string()),
            _ => None,
        };
        let Some(found) = name.as_deref().and_then(function) else {
            let shown = show(&call.func);
            let names = FUNCTIONS.iter().map(|f| f.name);
            let hint = match name.as_deref() {
                Some("pow" | "powf" | "powi") => "write `square(x)`, or `exp(n * log(x))`".to_string(),
                Some("read") => "the state comes first: `s.read(q)`".to_string(),
                Some("norm" | "normalize") => "did you mean `l2norm`?".to_string(),
                Some(name) => suggest(name, "functions", names),
                None => suggest("", "functions", names),
            };
            self.mention_all(&call.func);
            self.arguments(&call.args);
            self.wrong(&call.func, format!("there is no function `{shown}`"), hint);
            return None;
        };
        let arguments: Vec<&Expr> = call.args.iter().collect();
        if arguments.len() != found.arity() {
            let expected = if found.arity() == 1 { "one argument" } else { "two arguments" };
            if !matches!(found.kind, Kind::Dim) {
                self.arguments(&call.args);
            }
            let message = format!("`{}` takes {expected}, not {}", found.name, arguments.len());
            self.wrong(expr, message, format!("write `{}`", found.usage));
            return None;
        }
        self.apply(expr, found, &arguments)
    }

    /// Looks at arguments for their own mistakes only.
    fn arguments<'e>(&mut self, arguments: impl IntoIterator<Item = &'e Expr>) {
        for argument in arguments {
            self.value(argument);
        }
    }

    fn apply(&mut self, expr: &Expr, function: &Function, arguments: &[&Expr]) -> Option<Value> {
        if let Kind::Dim = function.kind {
            return self.size(arguments[0]);
        }
        let values: Vec<Option<Value>> = arguments.iter().map(|a| self.value(a)).collect();
        let values: Vec<Value> = values.into_iter().collect::<Option<_>>()?;
        let x = values[0];
        match function.kind {
            Kind::Elementwise(op) => Some(self.graph().unary(op, x)),
            Kind::Pair(op) => self.combine(op, function.name, x, values[1], expr),
            Kind::Dot => self.dot(expr, arguments, x, values[1]),
            Kind::Outer => self.outer(expr, arguments, x, values[1]),
            Kind::Sum => self.vector(function, arguments[0], x).map(|x| self.graph().sum(x, Shape::Scalar)),
            Kind::Softmax => self.of_vector(function, arguments[0], x, Node::Softmax),
            Kind::L2norm => self.of_vector(function, arguments[0], x, Node::L2norm),
            Kind::Dim => None,
        }
    }

    fn of_vector(
        &mut self,
        function: &Function,
        at: &Expr,
        x: Value,
        node: fn(Value) -> Node,
    ) -> Option<Value> {
        let x = self.vector(function, at, x)?;
        let shape = self.shape(x);
        Some(self.graph().push(node(x), shape))
    }

    /// The value, if it is a vector.
    fn vector(&mut self, function: &Function, at: &Expr, x: Value) -> Option<Value> {
        let shape = self.shape(x);
        if let Shape::Vector(_) = shape {
            return Some(x);
        }
        let message = format!("`{}` takes a vector, not a {}", function.name, self.describe(shape));
        let hint = match shape {
            Shape::Scalar => format!("write `{}` with a `Vector<D>`", function.usage),
            _ => "read the state first: `s.read(q)` is a vector".into(),
        };
        self.wrong(at, message, hint);
        None
    }

    fn dot(&mut self, expr: &Expr, arguments: &[&Expr], x: Value, y: Value) -> Option<Value> {
        let (sx, sy) = (self.shape(x), self.shape(y));
        match (sx, sy) {
            (Shape::Vector(a), Shape::Vector(b)) if a == b => {
                Some(self.graph().contract(x, y, Shape::Scalar))
            }
            _ => {
                let message =
                    format!("`dot` cannot combine {} with {}", self.describe(sx), self.describe(sy));
                let hint = match (sx.is_matrix(), sy.is_matrix()) {
                    (true, false) => {
                        format!("a state is read with `{}.read({})`", show(arguments[0]), show(arguments[1]))
                    }
                    (false, true) => {
                        format!("a state is read with `{}.read({})`", show(arguments[1]), show(arguments[0]))
                    }
                    _ => "`dot(a, b)` takes two vectors of one dim".into(),
                };
                self.wrong(expr, message, hint);
                None
            }
        }
    }

    fn outer(&mut self, expr: &Expr, arguments: &[&Expr], x: Value, y: Value) -> Option<Value> {
        let (sx, sy) = (self.shape(x), self.shape(y));
        match (sx, sy) {
            (Shape::Vector(a), Shape::Vector(b)) if a != b => self.graph().binary(Binary::Mul, x, y),
            // A state of two equal dims has been reported, and this follows from it.
            (Shape::Vector(_), Shape::Vector(_)) if self.header.has_wrong() => None,
            (Shape::Vector(a), Shape::Vector(_)) => {
                let dim = self.header.signature.dim(a);
                let message = format!("`outer` needs two dims, and both of these are `Vector<{dim}>`");
                self.wrong(
                    expr,
                    message,
                    "the second is the value, of the state's second dim: `outer(key, value)`",
                );
                None
            }
            _ => {
                let (at, shape) =
                    if matches!(sx, Shape::Vector(_)) { (arguments[1], sy) } else { (arguments[0], sx) };
                let message = format!("`outer` takes two vectors, not a {}", self.describe(shape));
                let hint = "write `outer(key, value)`; a scalar scales either: `outer(beta * k, v)`";
                self.wrong(at, message, hint);
                None
            }
        }
    }

    /// `dim(K)`
    fn size(&mut self, argument: &Expr) -> Option<Value> {
        let name = match unwrapped(argument) {
            Expr::Path(path) => path.path.get_ident().map(|i| i.unraw().to_string()),
            _ => None,
        };
        let dims = &self.header.signature.dims;
        if let Some(at) = name.as_ref().and_then(|n| dims.iter().position(|d| d == n)) {
            return Some(self.graph().push(Node::Size(Dim(at as u32)), Shape::Scalar));
        }
        let names: Vec<&str> = dims.iter().map(String::as_str).collect();
        let shown = show(argument);
        let hint = suggest(name.as_deref().unwrap_or(""), "dims", names);
        self.mention_all(argument);
        self.wrong(argument, format!("`{shown}` is not a dim of this rule"), hint);
        None
    }

    /// `s.read(b)`
    pub(super) fn method(&mut self, expr: &Expr, call: &ExprMethodCall) -> Option<Value> {
        let method = call.method.unraw().to_string();
        if method != "read" {
            return self.unknown_method(call, &method);
        }
        let state = match unwrapped(&call.receiver) {
            // The one receiver that makes sense is a name; a chain of calls is not followed.
            Expr::Path(_) => self.value(&call.receiver),
            other => {
                self.mention_all(other);
                self.wrong(other, "only a state can be read", "write `s.read(b)` with the name of a state");
                None
            }
        };
        if let Some(turbofish) = &call.turbofish {
            self.messages.wrong(turbofish, "`read` has no type arguments", "write `s.read(b)`");
        }
        if call.args.len() != 1 {
            self.arguments(&call.args);
            let message = format!("`read` takes one argument, not {}", call.args.len());
            self.wrong(expr, message, "write `s.read(b)` with a vector of the state's first dim");
            return None;
        }
        let key = self.value(&call.args[0]);
        let state = self.readable(call, state?)?;
        self.read(call, state, key?)
    }

    /// The receiver of a `read`, if it is a matrix state.
    fn readable(&mut self, call: &ExprMethodCall, state: Value) -> Option<Value> {
        let receiver = show(&call.receiver);
        let is_state = matches!(self.body.graph.expr(state), Node::State(_) | Node::Updated(_));
        let shape = self.shape(state);
        if is_state && shape.is_matrix() {
            return Some(state);
        }
        let (message, hint) = match (is_state, shape) {
            (true, _) => {
                let key = call.args.first().map(show).unwrap_or_default();
                let message = format!("`{receiver}` is a vector, so it is not read with a key");
                (message, format!("write `dot({receiver}, {key})`, or `{receiver}` for all of it"))
            }
            (false, Shape::Matrix(..)) => (
                format!("`{receiver}` is not a state"),
                "add it to a state first, and read that: `s.read(b)`".into(),
            ),
            (false, shape) => {
                let message =
                    format!("`{receiver}` is a {}, and only a state can be read", self.describe(shape));
                (message, "write `s.read(b)` with the name of a `State<K, V>`".into())
            }
        };
        self.wrong(&call.receiver, message, hint);
        None
    }

    fn read(&mut self, call: &ExprMethodCall, state: Value, key: Value) -> Option<Value> {
        let Shape::Matrix(k, v) = self.shape(state) else { return None };
        let found = self.shape(key);
        if found == Shape::Vector(k) {
            return Some(self.graph().contract(state, key, Shape::Vector(v)));
        }
        let signature = &self.header.signature;
        let receiver = show(&call.receiver);
        let (wanted, whole) = (signature.describe(Shape::Vector(k)), signature.describe(Shape::Matrix(k, v)));
        let message =
            format!("`{receiver}: {whole}` is read with a `{wanted}`, not a {}", self.describe(found));
        let hint = match found {
            Shape::Vector(d) if d == v => {
                format!(
                    "a read contracts the first dim, `{}`, and returns the second: `{receiver}.read(key)`",
                    signature.dim(k)
                )
            }
            _ => format!("write `{receiver}.read(key)` with a `{wanted}`"),
        };
        let at = &call.args[0];
        if self.told.insert(address(at)) {
            self.wrong(at, message, hint);
        }
        None
    }

    fn unknown_method(&mut self, call: &ExprMethodCall, method: &str) -> Option<Value> {
        self.mention_all(&call.receiver);
        self.arguments(&call.args);
        let receiver = show(&call.receiver);
        let hint = match function(method) {
            Some(f) if f.arity() == 1 => format!("it is a function: write `{method}({receiver})`"),
            Some(f) => format!("it is a function: write `{}`", f.usage),
            None => "the only method is `s.read(b)`".into(),
        };
        self.messages.wrong(&call.method, format!("there is no method `{method}`"), hint);
        None
    }
}
