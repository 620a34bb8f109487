//! README.md does what it says: every command in it is run as written, and prints what stands there.
//!
//! In a block fenced as `console` or `sh`, a line that starts with `$ ` is a command, also with pipes;
//! what follows up to the next command is its output, standard error included. `...` stands for any
//! number of lines, and the figures of the closing line may be any.

use std::env;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::compare::{texts, without_speed};
use crate::run::{Folder, ROOT, names_in, repository_file};

/// A command of the README with the output that it promises.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    line: usize,
    command: String,
    output: Vec<String>,
}

#[test]
fn every_command_in_the_readme_prints_what_the_readme_says() {
    let examples = examples(&repository_file("README.md"));
    let ours: Vec<&Example> = examples
        .iter()
        .filter(|example| example.is_ours())
        .collect();
    assert!(!ours.is_empty(), "README.md shows no command");
    // The repository's files by links, so that what a command writes does not land among them.
    let folder = Folder::with(&[]);
    for name in names_in(ROOT) {
        symlink(Path::new(ROOT).join(&name), folder.file(&name)).unwrap();
    }
    let faults: Vec<String> = ours
        .iter()
        .filter_map(|example| example.fault(&folder))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// The commands of all blocks, in their order.
fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut in_block = false;
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            in_block = !in_block && matches!(line, "```console" | "```sh");
            goes_on = false;
            // What follows belongs to no command of the last block.
            examples.push(Example {
                line: 0,
                command: String::new(),
                output: Vec::new(),
            });
        } else if let (true, Some(command)) = (in_block, line.strip_prefix("$ ")) {
            goes_on = command.ends_with('\\');
            examples.push(Example {
                line: index + 1,
                command: command.to_owned(),
                output: Vec::new(),
            });
        } else if let (true, Some(example)) = (in_block, examples.last_mut()) {
            if goes_on {
                example.command.push_str(&format!("\n{line}"));
                goes_on = line.ends_with('\\');
            } else {
                example.output.push(line.to_owned());
            }
        }
    }
    examples.retain(|example| !example.command.is_empty());
    examples
}

impl Example {
    /// The command with the program as it is called when it is installed.
    fn installed(&self) -> String {
        let command = self.command.replace("cargo run --release -- ", "mlserve ");
        command
            .replace("./target/release/mlserve ", "mlserve ")
            .replace("target/release/mlserve ", "mlserve ")
    }

    /// Whether it runs the program: others build it, or fetch it.
    fn is_ours(&self) -> bool {
        let command = self.installed();
        let is_program = |word: &str| word == "mlserve";
        let elsewhere = ["cargo ", "git ", "cd ", "pip ", "docker "];
        command.split_whitespace().any(is_program)
            && !elsewhere.iter().any(|start| command.starts_with(start))
    }

    /// What is wrong with the output; nothing, if all is well.
    fn fault(&self, folder: &Folder) -> Option<String> {
        let Example {
            line,
            command,
            output,
        } = self;
        let found = self.run(folder);
        let found: Vec<&str> = found.lines().collect();
        let expected = without_speed(&output.join("\n"));
        let expected: Vec<&str> = expected.lines().collect();
        if matches(&found, &expected) {
            return None;
        }
        Some(format!(
            "README.md:{line}: $ {command}\n--- expected\n{}\n--- found\n{}",
            expected.join("\n"),
            found.join("\n")
        ))
    }

    /// Both streams: as they come, or, in a pipeline, whose programs write at any time, standard
    /// error last.
    fn run(&self, folder: &Folder) -> String {
        let is_pipeline = self.command.contains(" | ");
        let command = self.installed();
        let script = if is_pipeline {
            command
        } else {
            format!("{{ {command}\n}} 2>&1")
        };
        let bin = Path::new(env!("CARGO_BIN_EXE_mlserve")).parent().unwrap();
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(
            [bin.to_path_buf()]
                .into_iter()
                .chain(env::split_paths(&path)),
        )
        .unwrap();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script])
            .current_dir(folder.path())
            .env("PATH", path);
        shell.env("MLSERVE_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
        let output = shell.output().unwrap();
        without_speed(
            &(String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)),
        )
    }
}

/// Whether `found` is `expected`, in which `...` stands for any number of lines.
fn matches(found: &[&str], expected: &[&str]) -> bool {
    match (found, expected) {
        ([], []) => true,
        (_, ["...", rest @ ..]) => {
            (0..=found.len()).any(|skipped| matches(&found[skipped..], rest))
        }
        ([first, more @ ..], [wanted, rest @ ..]) => {
            texts(first, wanted).is_ok() && matches(more, rest)
        }
        _ => false,
    }
}

#[test]
fn blocks_are_taken_apart_into_commands_and_outputs() {
    let text = "$ no block\n```console\n$ mlserve a | head -1\none\n\ntwo\n$ mlserve b \\\n    -q\n```\ntext\n\
                ```json\n$ no command\n```\n```sh\ncargo build\n$ cargo run --release -- c\n```\n";
    let example = |line, command: &str, output: &[&str]| Example {
        line,
        command: command.to_owned(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
    };
    let found = examples(text);
    assert_eq!(
        found,
        [
            example(3, "mlserve a | head -1", &["one", "", "two"]),
            example(7, "mlserve b \\\n    -q", &[]),
            example(16, "cargo run --release -- c", &[]),
        ]
    );
    assert_eq!(found[2].installed(), "mlserve c");
    assert!(found.iter().all(Example::is_ours));
    assert!(!example(1, "cargo install mlserve", &[]).is_ours());
    assert!(!example(1, "ls", &[]).is_ours());
}

#[test]
fn dots_stand_for_any_number_of_lines() {
    for (found, expected, same) in [
        (&["a", "b"][..], &["a", "b"][..], true),
        (&["a", "b"], &["a", "..."], true),
        (&["a", "b", "c"], &["a", "...", "c"], true),
        (&["a", "c"], &["a", "...", "c"], true),
        (&["a", "b"], &["a", "...", "c"], false),
        (&["a"], &["a", "b"], false),
        (&["a", "b"], &["a"], false),
        (&[], &["..."], true),
    ] {
        assert_eq!(matches(found, expected), same, "{found:?} {expected:?}");
    }
}
