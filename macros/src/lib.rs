//! The `#[rule]` attribute: it parses, reports and delegates. The language is `chunkwise_dsl::front`.
//!
//! ```text
//! #[rule] fn f(mut s: State<K, V>, q: Vector<K>) -> Vector<V> { .. }
//!
//! fn f() -> &'static Rule { /* the text above, parsed once by the path that reads files */ }
//! mod f { pub struct Inputs<'a> { pub q: &'a Tensor }   impl<'a> Bind<'a> for Inputs<'a> { .. } }
//! ```
//!
//! A mistake is a compile error over exactly its tokens, all of them at once, each with a line that says what to write.

use chunkwise_dsl::front::source_text;
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::signature::Param;
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Ident, ItemFn, Pat};

/// Declares a rule: how a sequence model's memory changes at one token, and what the token puts out.
///
/// `fn f` under `#[rule]` becomes a function `f() -> &'static Rule` and a module `f` with the struct `f::Inputs`, one
/// field for each input, so that a missing input is a compile error. The body is the rule language: `let`, `for` over
/// literal bounds, assignments to states, arithmetic, `s.read(b)`, `outer`, `dot`, `exp`, `sigmoid`, and so on.
///
/// ```
/// use chunkwise::prelude::*;
///
/// /// Linear attention: the memory is a sum of outer products.
/// #[rule]
/// fn linear(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
///     s += outer(k, v);
///     s.read(q)
/// }
///
/// // Two tokens, one head, K = 2, V = 1: [B, T, H, D].
/// let k = Tensor::new([1, 2, 1, 2], vec![1.0, 0.0, 0.0, 1.0])?;
/// let v = Tensor::new([1, 2, 1, 1], vec![5.0, 7.0])?;
/// let out = linear().on(&Device::cpu())?.forward(&linear::Inputs { q: &k, k: &k, v: &v })?;
/// assert_eq!(&out["o"].to_f64()[..], [5.0, 7.0]);
/// # Ok::<(), chunkwise::Error>(())
/// ```
///
/// `#[rule(recurrent)]` lifts the bounds on what may be done to a state (`s = tanh(s)`); such a rule may have the token
/// loop only. `#[range(lo..=hi)]` on a parameter states the values that it takes.
///
/// A mistake is told at its tokens:
///
/// ```compile_fail
/// # use chunkwise::prelude::*;
/// #[rule]
/// fn linear(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
///     s += outer(v, k); // error: the key of dim `K` comes first
///     s.read(q)
/// }
/// ```
#[proc_macro_attribute]
pub fn rule(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let (attribute, item) = (Tokens::from(attribute), Tokens::from(item));
    let function = syn::parse2::<ItemFn>(item.clone());
    let expanded = match (chunkwise_dsl::parse_item(attribute.clone(), item.clone()), function) {
        (Ok(rule), Ok(function)) => expand(&rule, &function, &source_text(&attribute, &item)),
        (Ok(_), Err(error)) => error.to_compile_error(),
        (Err(errors), function) => {
            let errors = errors.iter().map(syn::Error::to_compile_error);
            let stub = function.ok().map(|f| declaration(&f, quote!(::core::unreachable!())));
            quote!(#(#errors)* #stub)
        }
    };
    expanded.into()
}

/// The function and the module.
fn expand(rule: &Rule, function: &ItemFn, text: &str) -> Tokens {
    let (vis, name) = (&function.vis, &function.sig.ident);
    let function_item = declaration(
        function,
        quote! {
            static RULE: ::std::sync::LazyLock<::chunkwise::Rule> =
                ::std::sync::LazyLock::new(|| ::chunkwise::__private::embedded(#text));
            &RULE
        },
    );
    let module_doc = format!("The inputs of the rule [`{0}()`]({0}()).", name.unraw());
    let conditions = function.attrs.iter().filter(|a| a.path().is_ident("cfg"));
    let inputs = inputs(rule, function);
    quote! {
        #function_item

        #[doc = #module_doc]
        #(#conditions)*
        #vis mod #name { #inputs }
    }
}

/// `fn f() -> &'static Rule`, with the author's attributes.
fn declaration(function: &ItemFn, body: Tokens) -> Tokens {
    let (vis, name) = (&function.vis, &function.sig.ident);
    let attributes = function.attrs.iter().filter(|a| !is_rule(a));
    quote!(#(#attributes)* #vis fn #name() -> &'static ::chunkwise::Rule { #body })
}

fn is_rule(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|s| s.ident == "rule")
}

/// The struct with one field an input, under the author's own identifiers.
fn inputs(rule: &Rule, function: &ItemFn) -> Tokens {
    let field = |argument: &FnArg| -> Option<(Ident, String, String)> {
        let FnArg::Typed(typed) = argument else { return None };
        let Pat::Ident(pattern) = &*typed.pat else { return None };
        let name = pattern.ident.unraw().to_string();
        let param = rule.signature.params.iter().find(|p| p.name == name)?;
        Some((pattern.ident.clone(), layout(rule, param), name))
    };
    let fields: Vec<_> = function.sig.inputs.iter().filter_map(field).collect();
    let (idents, docs, names) = (
        fields.iter().map(|f| &f.0).collect::<Vec<_>>(),
        fields.iter().map(|f| &f.1).collect::<Vec<_>>(),
        fields.iter().map(|f| &f.2).collect::<Vec<_>>(),
    );
    let lifetime = quote!('a);
    let inputs = format_ident!("Inputs");
    quote! {
        /// One tensor for each input.
        #[derive(Clone, Copy, Debug)]
        #[allow(non_snake_case)]
        pub struct #inputs<#lifetime> {
            #(#[doc = #docs] pub #idents: &#lifetime ::chunkwise::Tensor,)*
        }

        impl<#lifetime> ::chunkwise::Bind<#lifetime> for #inputs<#lifetime> {
            fn bind(&self) -> ::chunkwise::Bindings<#lifetime> {
                ::chunkwise::Bindings::new()#(.with(#names, self.#idents))*
            }
        }
    }
}

/// The layout of an input's tensor: `[B, T, H, K]`.
fn layout(rule: &Rule, param: &Param) -> String {
    let mut dims = if param.per_head { vec![] } else { vec!["B".to_string(), "T".to_string()] };
    dims.extend(param.count.map(|n| n.to_string()));
    dims.push("H".into());
    dims.extend(param.shape.dims().map(|d| rule.signature.dim(d).to_string()));
    format!("`[{}]`", dims.join(", "))
}
