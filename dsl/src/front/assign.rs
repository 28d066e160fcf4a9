//! Assignments to states: `s *= e`, `s += e`, `s -= e`, `s = e`.
//!
//! ```text
//! s *= exp(g);               update: mul s (exp g)       scalar, rows (Vector<K>) or columns (Vector<V>)
//! s += outer(k, v);          update: add s (mul k v)
//! z += k;                    update: add z k             a State<K>
//! ```
//!
//! The right side sees the states before the statement; afterwards the state is the leaf `Updated(n)`. Checked here:
//! the target is a state and the shapes fit. What a state may depend on is [`crate::lower`]'s to say.

use super::elaborate::{Elaborator, statement_span};
use super::names::suggest;
use super::show::show;
use super::signature::Named;
use crate::graph::{Binary, Expr as Node, Shape, StateId, Value};
use crate::rule::Update;
use syn::{BinOp, Expr, ExprBinary, Stmt};

impl Elaborator<'_> {
    /// `s = e;`
    pub(super) fn assign(&mut self, target: &Expr, right: &Expr, statement: &Stmt) {
        let state = self.target(target, "=", right);
        let value = self.value(right);
        let (Some(state), Some(value)) = (state, value) else { return };
        let (wanted, found) = (self.state_shape(state), self.shape(value));
        if wanted == found {
            return self.update(state, value, statement);
        }
        let name = self.state_name(state);
        let message =
            format!("{} cannot be assigned to `{name}: {}`", self.describe(found), self.state_type(state));
        self.wrong(right, message, self.write_hint(state, "=", found));
    }

    /// `s *= e;` and its kind.
    pub(super) fn compound(&mut self, binary: &ExprBinary, statement: &Stmt) {
        let (op, text) = match binary.op {
            BinOp::AddAssign(_) => (Some(Binary::Add), "+="),
            BinOp::SubAssign(_) => (Some(Binary::Sub), "-="),
            BinOp::MulAssign(_) => (Some(Binary::Mul), "*="),
            BinOp::DivAssign(_) => (None, "/="),
            _ => (None, "this operator"),
        };
        let state = self.target(&binary.left, text, &binary.right);
        let value = self.value(&binary.right);
        let Some(op) = op else {
            let hint = match text {
                "/=" => format!("multiply by the inverse: `{} *= 1 / x`", show(&binary.left)),
                _ => "the assignments are `=`, `+=`, `-=` and `*=`".into(),
            };
            let message = format!("a state has no `{}`", show(&binary.op));
            return self.messages.wrong(&binary.op, message, hint);
        };
        let (Some(state), Some(value)) = (state, value) else { return };
        let leaf = self.state_leaf(state, &binary.left);
        let fits = match op {
            Binary::Mul => self.scales(state, value),
            _ => self.adds(state, value),
        };
        match fits.then(|| self.graph().binary(op, leaf, value)).flatten() {
            Some(new) => self.update(state, new, statement),
            None => self.unfit(op, state, value, binary, text),
        }
    }

    /// Whether `s *= value` has a meaning: every dim of the value is one of the state's.
    fn scales(&self, state: StateId, value: Value) -> bool {
        let (state, found) = (self.state_shape(state), self.shape(value));
        match found {
            Shape::Matrix(..) => self.recurrent && found == state,
            _ => found.dims().all(|d| state.has(d)),
        }
    }

    /// Whether `s += value` has a meaning: one shape, or a scalar onto every element where no write of rank one is needed.
    fn adds(&self, state: StateId, value: Value) -> bool {
        let (state, found) = (self.state_shape(state), self.shape(value));
        found == state || (found == Shape::Scalar && (self.recurrent || !state.is_matrix()))
    }

    fn unfit(&mut self, op: Binary, state: StateId, value: Value, binary: &ExprBinary, text: &str) {
        let (shape, found) = (self.state_shape(state), self.shape(value));
        let (name, wanted, found_text) =
            (self.state_name(state), self.state_type(state), self.describe(found));
        if op != Binary::Mul {
            let message = format!("{found_text} cannot be added to `{name}: {wanted}`");
            return self.wrong(&binary.right, message, self.write_hint(state, text, found));
        }
        let message = format!("{found_text} cannot scale `{name}: {wanted}`");
        let hint = match (shape, found) {
            (Shape::Matrix(..), Shape::Matrix(..)) => {
                "scale rows and columns by vectors, or write `#[rule(recurrent)]` to get the token loop only"
                    .into()
            }
            (Shape::Matrix(k, v), _) => {
                let (k, v) = (self.header.signature.dim(k), self.header.signature.dim(v));
                format!("a `Scalar` scales all of it, a `Vector<{k}>` its rows, a `Vector<{v}>` its columns")
            }
            _ => format!("a `Scalar` scales all of it, a {} each element", self.describe(vector_of(shape))),
        };
        self.wrong(&binary.right, message, hint);
    }

    /// What to write to a state, given a value of the wrong shape.
    fn write_hint(&self, state: StateId, op: &str, found: Shape) -> String {
        let name = self.state_name(state);
        let signature = &self.header.signature;
        match (self.state_shape(state), found) {
            (Shape::Matrix(k, v), Shape::Matrix(a, b)) if (k, v) == (b, a) => {
                let (k, v) = (signature.dim(k), signature.dim(v));
                format!("the key of dim `{k}` comes first, then the value of dim `{v}`: `outer(key, value)`")
            }
            (Shape::Matrix(k, v), found) => {
                let (k, v) = (signature.dim(k), signature.dim(v));
                let zero = if found == Shape::Scalar && op == "=" {
                    format!("; `{name} *= 0` clears it")
                } else {
                    String::new()
                };
                format!(
                    "write `{name} {op} outer(key, value)` with a `Vector<{k}>` and a `Vector<{v}>`{zero}"
                )
            }
            (shape, _) => format!("write `{name} {op} x` with a {}", self.describe(vector_of(shape))),
        }
    }

    /// Records the new value of a state.
    fn update(&mut self, state: StateId, value: Value, statement: &Stmt) {
        let span = statement_span(self.messages, statement);
        self.body.origins.entry(value).or_insert(span);
        let n = self.body.updates.len() as u32;
        self.body.updates.push(Update { state, value, span });
        self.current[state.index()] = Node::Updated(n);
    }

    /// The state that an assignment changes.
    fn target(&mut self, target: &Expr, op: &str, right: &Expr) -> Option<StateId> {
        let Expr::Path(path) = target else {
            self.mention_all(target);
            let hint = match target {
                Expr::Index(_) => {
                    "a state changes as a whole: `s *= ..` scales rows or columns, `s += outer(..)` writes"
                }
                _ => "write the name of a state on the left",
            };
            self.wrong(target, "only a state can be assigned to", hint);
            return None;
        };
        let name = path.path.get_ident().map(|i| i.to_string()).unwrap_or_default();
        if let Some(state) = self.state_named(&name) {
            return Some(state);
        }
        let value = show(right);
        let hint = match op {
            "=" => format!("write `let {name} = {value};`"),
            _ => format!("write `let {name} = {name} {} ..;`", op.trim_end_matches('=')),
        };
        if self.scope.find(&name).is_some() {
            self.wrong(target, format!("`{name}` is a `let`, not a state, so it cannot change"), hint);
            return None;
        }
        match self.header.names.get(&name) {
            Some(Named::Wrong) => {}
            Some(_) => {
                self.mentioned.insert(name.clone());
                self.wrong(target, format!("`{name}` is an input, not a state, so it cannot change"), hint);
            }
            None => {
                let states: Vec<&str> =
                    self.header.signature.states.iter().map(|s| s.name.as_str()).collect();
                self.wrong(target, format!("there is no state `{name}`"), suggest(&name, "states", states));
            }
        }
        None
    }

    /// The state as it stands now, as a value.
    pub(super) fn state_leaf(&mut self, state: StateId, at: &Expr) -> Value {
        let (leaf, shape) = (self.current[state.index()], self.state_shape(state));
        let value = self.graph().push(leaf, shape);
        let span = self.span(at);
        self.body.origins.entry(value).or_insert(span);
        value
    }

    pub(super) fn state_shape(&self, state: StateId) -> Shape {
        self.header.signature.state(state).shape
    }

    pub(super) fn state_name(&self, state: StateId) -> String {
        self.header.signature.state(state).name.clone()
    }

    /// The state's declared type.
    pub(super) fn state_type(&self, state: StateId) -> String {
        state_type(&self.header.signature, self.state_shape(state))
    }
}

/// `State<K, V>` or `State<K>`.
fn state_type(signature: &crate::signature::Signature, shape: Shape) -> String {
    let dims: Vec<&str> = shape.dims().map(|d| signature.dim(d)).collect();
    format!("State<{}>", dims.join(", "))
}

fn vector_of(shape: Shape) -> Shape {
    shape.dims().next().map_or(Shape::Scalar, Shape::Vector)
}
