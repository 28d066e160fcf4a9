//! What is printed parses to the tree that was printed.

use crate::texts::{module, real, without_lines};
use crate::{random, texts};
use chunkwise_sim::syntax::ast::Module;
use chunkwise_sim::syntax::{parse, print, verify};
use proptest::prelude::*;

/// A module without the names that scopes may share, and which printing therefore numbers.
fn without_local_names(module: Module) -> Module {
    let mut module = without_lines(module);
    for function in &mut module.functions {
        function.registers.iter_mut().for_each(|register| register.name.clear());
        function.labels.iter_mut().for_each(|label| label.name.clear());
        let own = function.params..function.params + function.locals;
        function.variables[own].iter_mut().for_each(|variable| variable.name.clear());
    }
    module
}

#[test]
fn real_texts_survive_printing() {
    for (name, text) in real() {
        let parsed = module(&text);
        assert_eq!(verify(&parsed), Ok(()), "{name}");
        let printed = print(&parsed);
        let again = module(&printed);
        assert_eq!(verify(&again), Ok(()), "{name}");
        assert!(without_local_names(again.clone()) == without_local_names(parsed), "{name} changed");
        // Once the names are all different, they stay.
        assert_eq!(print(&again), printed, "{name}");
        assert!(without_lines(module(&printed)) == without_lines(again), "{name} changed");
    }
}

#[test]
fn shared_names_get_numbers() {
    let body = "{ .reg .b32 t; mov.b32 t, 1; bra L; L: } { .reg .b32 t, t$1; mov.b32 t, t$1; bra L; L: }
        .local .b8 L$1[4]; ret;";
    let printed = print(&module(&texts::around(body)));
    let expected = "\
.version 9.0
.target sm_90a
.address_size 64

.visible .entry f(
	.param .align 8 .u64 p
)
{
	.reg .b32 t, t$1, t$1$1;
	.local .align 1 .b8 L$1[4];
	mov.b32 t, 1;
	bra L;
L:
	mov.b32 t$1, t$1$1;
	bra L$2;
L$2:
	ret;
}
";
    assert_eq!(printed, expected);
}

#[test]
fn a_name_of_the_module_stays_the_modules() {
    let text = format!(
        "{}.global .u32 a; .entry f() {{ .reg .b32 r; ld.u32 r, [a]; {{ .local .u32 a; ld.u32 r, [a]; }} }}",
        texts::HEADER
    );
    let printed = print(&module(&text));
    assert!(printed.contains(".local .align 4 .u32 a$1;"), "{printed}");
    assert!(printed.contains("ld.u32 r, [a];\n\tld.u32 r, [a$1];"), "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_modules_survive_printing(seed in any::<u64>()) {
        let module = random::module(seed);
        let printed = print(&module);
        match parse(&printed) {
            Ok(again) => prop_assert!(without_lines(again) == module, "changed:\n{printed}"),
            Err(error) => prop_assert!(false, "{error}\n{printed}"),
        }
    }
}
