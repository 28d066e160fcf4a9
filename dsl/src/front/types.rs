//! Types of parameters and outputs: `State<K, V>`, `Vector<D>`, `Scalar`, `[Vector<D>; N]`, `PerHead<Vector<D>>`.
//!
//! ```text
//! Vector<K>            -> Declared::Token { shape: Vector(d0), count: None, per_head: false }
//! [Scalar; 3]          -> Declared::Token { shape: Scalar, count: Some(3), per_head: false }
//! State<K, V>          -> Declared::State(Matrix(d0, d1))
//! ```
//!
//! Dims are names, entered in order of first appearance. A type that is wrong has been reported and is `None`.

use super::names::suggest;
use super::show::show;
use super::spans::Messages;
use crate::graph::{Dim, Shape};
use syn::{Expr, ExprLit, GenericArgument, Lit, PathArguments, PathSegment, Type, TypeArray};

/// The types there are.
const TYPES: [&str; 4] = ["State", "Vector", "Scalar", "PerHead"];

/// More elements than this in `[Vector<D>; N]` is a limitation: every one is unrolled.
const MOST_ELEMENTS: u64 = 256;

/// What a parameter's type says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Declared {
    /// `State<K, V>` or `State<K>`.
    State(Shape),
    /// Anything else.
    Token {
        /// The shape of one element.
        shape: Shape,
        /// `Some(n)` for an array.
        count: Option<u32>,
        /// Whether it is wrapped in `PerHead`.
        per_head: bool,
    },
}

/// Reads a type; new dim names are added to `dims`.
pub(super) fn declared(messages: &mut Messages, dims: &mut Vec<String>, ty: &Type) -> Option<Declared> {
    match ty {
        Type::Paren(inner) => declared(messages, dims, &inner.elem),
        Type::Group(inner) => declared(messages, dims, &inner.elem),
        Type::Array(array) => self::array(messages, dims, array),
        Type::Path(path) if path.qself.is_none() && path.path.segments.len() == 1 => {
            named(messages, dims, ty, &path.path.segments[0])
        }
        Type::Reference(reference) => {
            messages.wrong(
                ty,
                "a parameter is a value, not a reference",
                format!("write `{}`", show(&reference.elem)),
            );
            None
        }
        Type::Slice(_) => {
            messages.wrong(ty, "an array says how many elements it has", "write `[Vector<K>; 2]`");
            None
        }
        Type::Tuple(_) => {
            messages.wrong(ty, "a tuple is not a type here", "write one parameter for each element");
            None
        }
        _ => {
            messages.wrong(ty, format!("`{}` is not a type of the rule language", show(ty)), all_types());
            None
        }
    }
}

fn all_types() -> String {
    "the types are `State<K, V>`, `State<K>`, `Vector<D>`, `Scalar`, `[Vector<D>; N]`, `[Scalar; N]`, \
     `PerHead<Vector<D>>` and `PerHead<Scalar>`"
        .into()
}

fn named(
    messages: &mut Messages,
    dims: &mut Vec<String>,
    ty: &Type,
    segment: &PathSegment,
) -> Option<Declared> {
    let token = |shape| Declared::Token { shape, count: None, per_head: false };
    match segment.ident.to_string().as_str() {
        "Scalar" => {
            if !segment.arguments.is_none() {
                messages.wrong(
                    &segment.arguments,
                    "`Scalar` has no dim",
                    "write `Scalar`, or `Vector<D>` for a vector",
                );
                return None;
            }
            Some(token(Shape::Scalar))
        }
        "Vector" => match dim_arguments(messages, dims, segment)?.as_slice() {
            [d] => Some(token(Shape::Vector(*d))),
            found => {
                let message = format!("`Vector` has one dim, not {}", found.len());
                let hint = if found.len() == 2 {
                    "write `Vector<D>`; a matrix is a `State<K, V>`"
                } else {
                    "write `Vector<D>`"
                };
                messages.wrong(ty, message, hint);
                None
            }
        },
        "State" => state(messages, dims, ty, segment),
        "PerHead" => per_head(messages, dims, ty, segment),
        other => {
            let hint = match other {
                "f64" | "f32" | "f16" | "bf16" | "usize" | "i32" | "i64" | "u32" | "u64" => {
                    "a number per token is a `Scalar`; the device chooses its precision".into()
                }
                "Vec" => "did you mean `Vector`?".into(),
                "Matrix" | "Tensor" => "a matrix is a `State<K, V>`".into(),
                _ => suggest(other, "types", TYPES),
            };
            messages.wrong(&segment.ident, format!("there is no type `{other}`"), hint);
            None
        }
    }
}

fn state(
    messages: &mut Messages,
    dims: &mut Vec<String>,
    ty: &Type,
    segment: &PathSegment,
) -> Option<Declared> {
    match dim_arguments(messages, dims, segment)?.as_slice() {
        [d] => Some(Declared::State(Shape::Vector(*d))),
        [k, v] if k == v => {
            let name = &dims[k.index()];
            let message = format!("the two dims of a state need two names: both are `{name}`");
            let hint = format!(
                "write `State<K, V>`; they may be equal at run time (with one name, \
                  `s *= e` on a `Vector<{name}>` could scale rows or columns)"
            );
            messages.wrong(ty, message, hint);
            None
        }
        [k, v] => Some(Declared::State(Shape::Matrix(*k, *v))),
        found => {
            let message = format!("a state has one or two dims, not {}", found.len());
            messages.wrong(ty, message, "write `State<K, V>` or `State<K>`");
            None
        }
    }
}

fn per_head(
    messages: &mut Messages,
    dims: &mut Vec<String>,
    ty: &Type,
    segment: &PathSegment,
) -> Option<Declared> {
    let hint = "write `PerHead<Vector<D>>` or `PerHead<Scalar>`";
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        messages.wrong(ty, "`PerHead` says what there is per head", hint);
        return None;
    };
    let mut inner = arguments.args.iter();
    let (Some(GenericArgument::Type(element)), None) = (inner.next(), inner.next()) else {
        messages.wrong(ty, "`PerHead` takes one type", hint);
        return None;
    };
    match declared(messages, dims, element)? {
        Declared::Token { shape, count: None, per_head: false } => {
            Some(Declared::Token { shape, count: None, per_head: true })
        }
        Declared::State(_) => {
            messages.wrong(ty, "a state already belongs to one head", "write `State<K, V>` alone");
            None
        }
        Declared::Token { count: Some(_), .. } => {
            messages.wrong(
                ty,
                "`PerHead` of an array is not a type",
                "write one `PerHead` parameter for each element",
            );
            None
        }
        Declared::Token { .. } => {
            messages.wrong(ty, "`PerHead` stands here twice", hint);
            None
        }
    }
}

fn array(messages: &mut Messages, dims: &mut Vec<String>, array: &TypeArray) -> Option<Declared> {
    let element = declared(messages, dims, &array.elem);
    let count = element_count(messages, &array.len);
    match element? {
        Declared::Token { shape, count: None, per_head: false } => {
            Some(Declared::Token { shape, count: Some(count?), per_head: false })
        }
        Declared::State(_) => {
            messages.wrong(array, "an array of states is not a type", "write one parameter for each state");
            None
        }
        Declared::Token { per_head: true, .. } => {
            messages.wrong(
                array,
                "an array of `PerHead` is not a type",
                "write one `PerHead` parameter for each element",
            );
            None
        }
        Declared::Token { .. } => {
            messages.wrong(
                array,
                "an array of arrays is not a type",
                "write one array parameter for each row",
            );
            None
        }
    }
}

fn element_count(messages: &mut Messages, len: &Expr) -> Option<u32> {
    let hint = "write the number of elements out: `[Vector<K>; 2]`";
    let Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) = len else {
        messages.wrong(len, "the number of elements is not an integer literal", hint);
        return None;
    };
    match int.base10_parse::<u64>() {
        Ok(0) => {
            messages.wrong(len, "an array of no elements is not a type", hint);
            None
        }
        Ok(n) if n <= MOST_ELEMENTS => Some(n as u32),
        _ => {
            let span = messages.span(len);
            let message = format!("an array of {} elements is not supported", int.base10_digits());
            let hint = format!("at most {MOST_ELEMENTS} are; they are unrolled at each token");
            messages.push(crate::diagnostic::Diagnostic::limitation(span, message, hint));
            None
        }
    }
}

/// The dims between `<` and `>`; `None` where one of them is not a name.
fn dim_arguments(messages: &mut Messages, dims: &mut Vec<String>, segment: &PathSegment) -> Option<Vec<Dim>> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Some(Vec::new());
    };
    let mut found = Some(Vec::new());
    for argument in &arguments.args {
        match dim_name(argument) {
            Some(name) => {
                if let Some(found) = &mut found {
                    found.push(intern(dims, name));
                }
            }
            None => {
                let message = format!("`{}` is not the name of a dim", show(argument));
                messages.wrong(
                    argument,
                    message,
                    "a dim is a name such as `K`; its size is known at run time",
                );
                found = None;
            }
        }
    }
    found
}

fn dim_name(argument: &GenericArgument) -> Option<String> {
    let GenericArgument::Type(Type::Path(path)) = argument else {
        return None;
    };
    let name = path.path.get_ident()?.to_string();
    (path.qself.is_none() && !TYPES.contains(&name.as_str())).then_some(name)
}

fn intern(dims: &mut Vec<String>, name: String) -> Dim {
    let at = dims.iter().position(|d| *d == name).unwrap_or_else(|| {
        dims.push(name);
        dims.len() - 1
    });
    Dim(at as u32)
}
