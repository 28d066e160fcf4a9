//! Files: what is written is read back, and no file, however damaged or hostile, does more than give a message.

use chunkwise_runtime::{Element, Tensor, Tensors, io};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A file of this header and these numbers, with the true header length in front.
fn file_of(header: &str, numbers: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(numbers);
    bytes
}

fn write_bytes(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("x.safetensors");
    fs::write(&path, bytes).unwrap();
    path
}

/// What reading these bytes says, the folder's name left out.
fn refusal(bytes: &[u8]) -> String {
    let folder = folder();
    let path = write_bytes(folder.path(), bytes);
    let e = io::read(&path).unwrap_err();
    assert_eq!(e.exit_code(), 2, "{e}");
    e.to_string().replace(&format!("{}/", folder.path().display()), "")
}

/// Files in a folder, sorted.
fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn some_tensors() -> Tensors {
    let f32s = Tensor::new([2, 3], vec![1f32, -2.5, f32::INFINITY, -0.0, 1e-40, 7.0]).unwrap();
    [
        ("b", f32s.cast(Element::BF16).unwrap()),
        ("a", f32s.cast(Element::F64).unwrap()),
        ("h", f32s.cast(Element::F16).unwrap()),
        ("empty", Tensor::new([1, 0, 2], Vec::<f32>::new()).unwrap()),
        ("cu_seqlens", Tensor::new([3], vec![0i32, 4, i32::MAX]).unwrap()),
        ("long", Tensor::new([1], vec![i64::MIN]).unwrap()),
        ("f", f32s),
    ]
    .into_iter()
    .collect()
}

#[test]
fn every_element_type_comes_back_in_every_bit() {
    let folder = folder();
    let path = folder.path().join("x.safetensors");
    io::write(&path, &some_tensors()).unwrap();
    let back = io::read(&path).unwrap();
    assert_eq!(back.names().collect::<Vec<_>>(), ["a", "b", "cu_seqlens", "empty", "f", "h", "long"]);
    for (name, tensor) in some_tensors() {
        assert_eq!(back[name.as_str()], tensor, "{name}");
    }
    assert_eq!(files_in(folder.path()), ["x.safetensors"]);
}

#[test]
fn hostile_files_are_refused_by_name() {
    let one = r#"{"q":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let good = file_of(one, &[0; 4]);
    let gigabytes = [&(3u64 << 30).to_le_bytes()[..], b"{}"].concat();
    let overflowing = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    let mut long_header = one.to_string();
    long_header.push_str(&" ".repeat(17 << 20));
    let twice = r#"{"q":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0071":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let nested = "[".repeat(100_000);
    let cases: &[(&str, Vec<u8>)] = &[
        ("empty", vec![]),
        ("seven bytes", vec![0; 7]),
        ("header of gigabytes", gigabytes),
        ("header of 2^64 bytes", overflowing),
        ("header over the limit", file_of(&long_header, &[0; 4])),
        ("not JSON", file_of("{q}", &[])),
        ("nested", file_of(&nested, &[])),
        ("not UTF-8", [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("too long", [&good[..], &[0]].concat()),
        ("wrong bytes", file_of(&one.replace("[1]", "[2]"), &[0; 4])),
        ("offsets that fall", file_of(&one.replace("[0,4]", "[4,0]"), &[0; 4])),
        ("offsets with a hole", file_of(&one.replace("[0,4]", "[4,8]"), &[0; 8])),
        ("shape past memory", file_of(&one.replace("[1]", "[4294967296,4294967296,4]"), &[0; 4])),
        ("negative shape", file_of(&one.replace("[1]", "[-1]"), &[0; 4])),
        ("element type", file_of(&one.replace("F32", "U32"), &[0; 4])),
        ("unknown element type", file_of(&one.replace("F32", "F99"), &[0; 4])),
        ("a name twice", file_of(twice, &[0; 4])),
    ];
    let text: Vec<_> =
        cases.iter().map(|(name, bytes)| format!("--- {name}\n{}\n", refusal(bytes))).collect();
    insta::assert_snapshot!(text.concat());
}

#[test]
fn what_is_no_file_cannot_be_read() {
    let folder = folder();
    let missing = io::read(&folder.path().join("nothing")).unwrap_err();
    assert!(missing.to_string().contains("nothing` cannot be read: there is no such file"), "{missing}");
    let directory = io::read(folder.path()).unwrap_err();
    assert!(directory.to_string().contains("cannot be read: it is a folder"), "{directory}");
    #[cfg(unix)]
    {
        let endless = io::read(Path::new("/dev/zero")).unwrap_err();
        assert!(
            endless.to_string().contains("`/dev/zero` cannot be read: it is not a plain file"),
            "{endless}"
        );
    }
}

#[cfg(unix)]
#[test]
fn an_output_is_never_an_input_however_it_is_spelled() {
    let folder = folder();
    let input = folder.path().join("in.safetensors");
    io::write(&input, &some_tensors()).unwrap();
    let before = fs::read(&input).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("in.safetensors", &link).unwrap();
    let hard = folder.path().join("hard");
    fs::hard_link(&input, &hard).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    for spelling in [input.clone(), link, hard, folder.path().join("sub/../in.safetensors")] {
        let e = io::check_output(&spelling, &[&input]).unwrap_err();
        assert!(e.to_string().contains("is the input"), "{e}");
        assert_eq!(e.exit_code(), 2);
    }
    io::check_output(&folder.path().join("out"), &[&input]).unwrap();
    assert_eq!(fs::read(&input).unwrap(), before);
    assert_eq!(files_in(folder.path()), ["hard", "in.safetensors", "link", "sub"]);
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing_behind() {
    let folder = folder();
    let refused = |path: &Path, why: &str| {
        for e in [io::check_output(path, &[]).unwrap_err(), io::write(path, &some_tensors()).unwrap_err()] {
            assert!(e.to_string().contains(why), "{e}");
            assert_eq!(e.exit_code(), 2);
        }
    };
    refused(&folder.path().join("no/such/folder/out"), "there is no folder");
    refused(folder.path(), "it is a folder");
    refused(Path::new(""), "it names no file");
    refused(Path::new("/"), "it names no file");
    let protected = folder.path().join("protected");
    fs::write(&protected, b"mine").unwrap();
    let mut permissions = fs::metadata(&protected).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&protected, permissions).unwrap();
    refused(&protected, "it is marked read-only");
    assert_eq!(fs::read(&protected).unwrap(), b"mine");
    #[cfg(unix)]
    refused(Path::new("/dev/null"), "it is not a plain file");
    assert_eq!(files_in(folder.path()), ["protected"]);
}

#[cfg(unix)]
#[test]
fn a_link_is_written_through_and_permissions_are_the_usual_ones() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let (real, link, plain) =
        (folder.path().join("real"), folder.path().join("link"), folder.path().join("plain"));
    fs::write(&real, b"old").unwrap();
    fs::write(&plain, b"").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    io::write(&link, &some_tensors()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(io::read(&real).unwrap().len(), 7);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&real), mode(&plain));
}

proptest! {
    /// proptest prints the bytes that fail, and keeps their seed.
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = folder();
        let _ = io::read(&write_bytes(folder.path(), &bytes));
    }

    #[test]
    fn no_damage_to_a_good_file_panics(at in 0usize..700, byte in any::<u8>(), cut in 0usize..900) {
        let folder = folder();
        let path = folder.path().join("x.safetensors");
        io::write(&path, &some_tensors()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = io::read(&write_bytes(folder.path(), &bytes));
    }

    #[test]
    fn no_header_panics(header in r#"\{("[a-z]{0,2}":\{"dtype":"(F32|I64|BF16)","shape":\[[0-9]{0,22}(,[0-9]{1,22})?\],"data_offsets":\[[0-9]{1,22},[0-9]{1,3}\]\},?){0,3}\}"#) {
        let folder = folder();
        let _ = io::read(&write_bytes(folder.path(), &file_of(&header, &[0; 16])));
    }
}
