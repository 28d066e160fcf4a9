//! The help of every command, as whole golden texts; `INSTA_UPDATE=always` renews them.

use crate::binary::Folder;

#[test]
fn every_command_explains_itself() {
    let folder = Folder::new();
    for command in ["", "list", "explain", "emit", "run", "check", "bench", "cache", "doctor"] {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|part| !part.is_empty()).collect();
        let text = folder.succeed(&arguments);
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "a line of the help is too long:\n{text}"
        );
        insta::assert_snapshot!(format!("help_{}", if command.is_empty() { "all" } else { command }), text);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(Folder::new().succeed(&["--version"]), concat!("chunkwise ", env!("CARGO_PKG_VERSION"), "\n"));
}
