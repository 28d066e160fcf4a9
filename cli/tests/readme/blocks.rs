//! Fenced blocks of a Markdown text, the commands in them, and comparing what is shown with what is printed.

/// A fenced block.
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) language: String,
    /// What is inside, with its last newline.
    pub(crate) text: String,
}

/// All fenced blocks, in order.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new() });
            }
            (None, Some(block)) => block.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
}

/// What stands outside of fenced blocks.
pub(crate) fn prose(markdown: &str) -> String {
    let parts = markdown.split("```").step_by(2);
    parts.collect()
}

/// Each command of a console block, with what is shown below it.
pub(crate) fn commands(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command.to_owned(), String::new())),
            (None, Some((_, shown))) => shown.push_str(&format!("{line}\n")),
            (None, None) => panic!("a console block begins with `$ `, not with `{line}`"),
        }
    }
    found
}

/// Whether what is shown is what was printed, `..` standing for anything.
pub(crate) fn fits(shown: &str, printed: &str) -> bool {
    let (shown, printed): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), printed.lines().collect());
    lines_fit(&shown, &printed)
}

fn lines_fit(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([".."], _) => true,
        (["..", rest @ ..], _) => (0..=printed.len()).any(|skipped| lines_fit(rest, &printed[skipped..])),
        ([line, shown @ ..], [real, printed @ ..]) => line_fits(line, real) && lines_fit(shown, printed),
        _ => false,
    }
}

fn line_fits(shown: &str, printed: &str) -> bool {
    shown == printed.trim_end()
        || shown.strip_suffix("..").is_some_and(|start| !start.is_empty() && printed.starts_with(start))
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    let printed = "a 1\nb 2\nc 3\n";
    for shown in ["a 1\nb 2\nc 3\n", "..\nc 3\n", "a ..\n..\n", "..\nb ..\n..\n", ".."] {
        assert!(fits(shown, printed), "{shown}");
    }
    for shown in ["", "a 1\nb 2\n", "..\nb 3\n..\n", "c 3\n..\n", "a 1\n..\na 1\n..\n"] {
        assert!(!fits(shown, printed), "{shown}");
    }
}

#[test]
fn blocks_and_commands_are_found() {
    let found = blocks("text\n```console\n$ one\nout\n$ two\n```\nmore\n```\nplain\n```\n");
    assert_eq!(found.len(), 2);
    assert_eq!(prose("text\n```console\n$ one\n```\nmore\n"), "text\n\nmore\n");
    let shown = commands(&found[0].text);
    assert_eq!(shown, [("one".into(), "out\n".into()), ("two".into(), String::new())]);
    assert_eq!((found[1].language.as_str(), found[1].text.as_str()), ("", "plain\n"));
}
