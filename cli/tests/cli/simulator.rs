//! The simulator from the command line: results, counters, and kernels that somebody broke by hand.

use crate::binary::{Folder, numbers, tensor};
use chunkwise::{Tensor, Tensors};

/// A gated delta rule, with packed sequences, a state and a head of `q` for two of `v`.
fn inputs() -> Tensors {
    let (tokens, k, v) = (9, 20, 36);
    let keys = numbers(tokens * 2 * k, 2).into_iter().map(|x| 0.3 * x).collect();
    let rates = numbers(tokens * 2, 5).into_iter().map(|x| 0.5 + 0.4 * x).collect();
    let decays = numbers(tokens * 2, 4).into_iter().map(|x| -1.0 + 0.5 * x).collect();
    let mut tensors = Tensors::new();
    tensors.insert("q", tensor(&[1, tokens, 1, k], numbers(tokens * k, 1)));
    tensors.insert("k", tensor(&[1, tokens, 2, k], keys));
    tensors.insert("v", tensor(&[1, tokens, 2, v], numbers(tokens * 2 * v, 3)));
    tensors.insert("g", tensor(&[1, tokens, 2], decays));
    tensors.insert("beta", tensor(&[1, tokens, 2], rates));
    tensors.insert("s0", tensor(&[3, 2, k, v], numbers(3 * 2 * k * v, 6)));
    tensors.insert("cu_seqlens", Tensor::new([4], vec![0i64, 4, 4, tokens as i64]).unwrap());
    tensors
}

const RUN: [&str; 6] = ["run", "gated_deltanet", "--input", "in.safetensors", "--output", "out.safetensors"];

/// What a run on a device leaves in its output file.
fn results(folder: &Folder, dtype: &str, extra: &[&str]) -> (Tensors, String) {
    let printed = folder.succeed(&[RUN.as_slice(), &["--dtype", dtype], extra].concat());
    (folder.read("out.safetensors"), printed)
}

/// The greatest difference, as a part of the greatest number.
fn distance(x: &Tensor, y: &Tensor) -> f64 {
    assert_eq!((x.shape(), x.element()), (y.shape(), y.element()));
    let (x, y) = (x.to_f64(), y.to_f64());
    let most = y.iter().fold(0.0f64, |most, y| most.max(y.abs()));
    x.iter().zip(y.iter()).fold(0.0f64, |most, (x, y)| most.max((x - y).abs())) / most
}

#[test]
fn the_simulator_computes_what_the_cpu_does() {
    let folder = Folder::new();
    folder.tensors("in.safetensors", &inputs());
    for (dtype, limit) in [("f32", 1e-5), ("f16", 1e-3), ("bf16", 8e-3)] {
        let (expected, printed) = results(&folder, dtype, &[]);
        assert_eq!(printed, "");
        for device in ["sim", "sim:sm_90"] {
            let (got, printed) = results(&folder, dtype, &["--device", device]);
            assert_eq!(printed, "");
            assert_eq!(got.names().collect::<Vec<_>>(), expected.names().collect::<Vec<_>>());
            for (name, tensor) in got.iter() {
                let off = distance(tensor, &expected[name]);
                assert!(off < limit, "{dtype} on {device}: `{name}` is off by {off:.1e}");
            }
        }
    }
}

#[test]
fn counters_are_printed_whole_and_by_line() {
    let folder = Folder::new();
    folder.tensors("in.safetensors", &inputs());
    let (_, text) = results(&folder, "bf16", &["--device", "sim", "--counters"]);
    let count = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        let number = line.and_then(|line| line.rsplit("  ").next());
        let number = number.unwrap_or_else(|| panic!("no `{name}` in\n{text}")).trim().replace(',', "");
        number.parse().unwrap_or_else(|_| panic!("`{name}` is no number in\n{text}"))
    };
    // A result of nine tokens and two heads in two bytes a number, and three states of two heads in four.
    assert_eq!(count("global bytes stored"), 9 * 2 * 36 * 2 + 3 * 2 * 20 * 36 * 4);
    assert!(count("warp instructions") > 1000 && count("multiply-adds of lanes") > 9 * 2 * 3 * 20 * 36);
    let fma =
        text.lines().find(|line| line.contains("fmaf(")).unwrap_or_else(|| panic!("no line in\n{text}"));
    assert!(
        fma.split_whitespace().nth(1).is_some_and(|n| n.replace(',', "").parse::<u64>().is_ok()),
        "{fma}"
    );
    // The same run counts the same.
    assert_eq!(results(&folder, "bf16", &["--device", "sim", "--counters"]).1, text);
    let ended = folder.run(&[RUN.as_slice(), &["--counters"]].concat());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("only the simulator counts"), "{ended:?}");
}

#[test]
fn check_passes_in_the_simulator() {
    let folder = Folder::new();
    for (rule, dtype) in
        [("rwkv7", "bf16"), ("linear_attention_normalised", "f16"), ("momentum_delta", "f32")]
    {
        let text = folder.succeed(&["check", rule, "--device", "sim", "--dtype", dtype, "-t", "7"]);
        assert!(text.contains("on sim:sm_80"), "{text}");
        // A plan that has no kernel of this rule is named, not passed over.
        assert!(text.contains("\nchunkwise  ") || text.contains("chunkwise: not checked"), "{text}");
        assert!(text.ends_with("pass\n"), "{text}");
    }
}

/// A rule that sums over the columns of its state, so that the warps of a block exchange numbers.
const MIXING: [&str; 8] = ["ttt_linear_online", "-k", "64", "-v", "64", "--dtype", "f32", "--heads"];

/// What a check says of the kernel after an edit.
fn checked(folder: &Folder, from: &str, to: &str) -> crate::binary::Ended {
    let text = folder.succeed(&[["emit"].as_slice(), &MIXING[..7]].concat());
    assert!(text.contains(from), "no `{from}` in\n{text}");
    folder.write("edited.cu", text.replace(from, to));
    let line = [["check"].as_slice(), &MIXING, &["2", "-t", "3", "--device", "sim", "--kernel", "edited.cu"]];
    folder.run(&line.concat())
}

#[test]
fn an_edited_kernel_that_is_right_passes() {
    let ended = checked(&Folder::new(), "extern \"C\"", "// Mine.\nextern \"C\"");
    assert!(ended.code == Some(0) && ended.stdout.ends_with("pass\n"), "{ended:?}");
}

/// Without its barrier a kernel may well give the right numbers; the simulator says what is wrong and where.
#[test]
fn a_dropped_barrier_is_a_race_with_two_places() {
    let folder = Folder::new();
    let ended = checked(&folder, "    __syncthreads();\n", "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let text = std::fs::read_to_string(folder.path("edited.cu")).unwrap();
    let line = |code: &str| text.lines().position(|line| line.contains(code)).unwrap() + 1;
    let (write, read) = (line("scratch[turn][threadIdx.x / 32] = x;"), line("x += scratch[turn][w];"));
    for part in [
        "error: edited.cu: race on shared memory in `ttt_linear_online_recurrent`".to_owned(),
        format!("line {write} of edited.cu"),
        format!("line {read} of edited.cu"),
        "__syncthreads".to_owned(),
        "warp".to_owned(),
    ] {
        assert!(ended.stderr.contains(&part), "no `{part}` in\n{}", ended.stderr);
    }
}

#[test]
fn other_mistakes_in_a_kernel_are_found_too() {
    let folder = Folder::new();
    for (from, to, code, said) in [
        // One block too far.
        (
            "const i64 place = sequence * heads + head;",
            "const i64 place = sequence * heads + head + 1;",
            1,
            "out of bounds",
        ),
        // An update that is forgotten, which no memory check sees.
        ("w[i][j] = fmaf(w_key[i], w_value[j], w[i][j]);", "", 1, "differs from the token loop"),
        // An argument of another type.
        ("const f32 *__restrict__ q_in", "const bf16 *__restrict__ q_in", 2, "other parameters"),
        (
            "ttt_linear_online_recurrent",
            "another_name",
            2,
            "edited.cu has no kernel `ttt_linear_online_recurrent`",
        ),
        ("int turn = 0;", "int turn = zero;", 1, "edited.cu"),
    ] {
        let ended = checked(&folder, from, to);
        assert_eq!(ended.code, Some(code), "{from}: {ended:?}");
        assert!(ended.stderr.contains(said), "{from}: no `{said}` in\n{}", ended.stderr);
    }
}

#[test]
fn a_kernel_needs_a_device_that_runs_kernels_and_a_file() {
    let folder = Folder::new();
    folder.write("edited.cu", "");
    let ended = folder.run(&["check", "gla", "--kernel", "edited.cu", "-t", "3"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let ended = folder.run(&["check", "gla", "--device", "sim", "--kernel", "nowhere.cu"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("cannot read the kernel nowhere.cu"), "{ended:?}");
}
