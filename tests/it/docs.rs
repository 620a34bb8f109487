//! Man pages and completions: made from the clap types, and current. The user's packages take them
//! from `man/` as they are.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::{Generator, Shell, generate};
use clap_mangen::Man;

use mlserve::cli::Cli;

use crate::run::{ROOT, names_in};

#[test]
fn man_pages_are_those_of_the_command_line() {
    assert_current("man", man_pages());
}

#[test]
fn completions_are_those_of_the_command_line() {
    assert_current("man/completions", completions());
}

/// Every page by its file name: the program's own, and one for each command.
fn man_pages() -> Vec<(String, Vec<u8>)> {
    let mut program = Cli::command();
    program.build();
    let commands = program
        .get_subcommands()
        .filter(|command| command.get_name() != "help");
    let mut pages: Vec<(String, Vec<u8>)> = commands
        .map(|command| {
            let name = format!("mlserve-{}", command.get_name());
            // A page is called as people look it up: man mlserve-predict.
            page(
                &name,
                command
                    .clone()
                    .display_name(&name)
                    .version(env!("CARGO_PKG_VERSION")),
            )
        })
        .collect();
    // There is no page about the command `help`.
    pages.insert(
        0,
        page("mlserve", Cli::command().disable_help_subcommand(true)),
    );
    pages
}

fn page(name: &str, command: clap::Command) -> (String, Vec<u8>) {
    let mut text = Vec::new();
    let source = concat!("mlserve ", env!("CARGO_PKG_VERSION"));
    Man::new(command).source(source).render(&mut text).unwrap();
    (format!("{name}.1"), text)
}

fn completions() -> Vec<(String, Vec<u8>)> {
    let shells = [
        Shell::Bash,
        Shell::Elvish,
        Shell::Fish,
        Shell::PowerShell,
        Shell::Zsh,
    ];
    let script = |shell: Shell| {
        let mut text = Vec::new();
        generate(shell, &mut Cli::command(), "mlserve", &mut text);
        (shell.file_name("mlserve"), text)
    };
    shells.into_iter().map(script).collect()
}

/// Holds the files in `folder` to `files`, or writes them where MLSERVE_UPDATE is set.
#[track_caller]
fn assert_current(folder: &str, files: Vec<(String, Vec<u8>)>) {
    let path = Path::new(ROOT).join(folder);
    let remedy = "to bring it up to date: MLSERVE_UPDATE=1 cargo test --test it docs::";
    if std::env::var_os("MLSERVE_UPDATE").is_some() {
        fs::create_dir_all(&path).unwrap();
        for (name, text) in &files {
            fs::write(path.join(name), text).unwrap();
        }
    }
    for (name, text) in &files {
        let found = fs::read(path.join(name)).unwrap_or_default();
        assert!(
            found == *text,
            "{folder}/{name} is not what src/cli.rs says; {remedy}"
        );
    }
    let mut names: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
    names.sort();
    let mut found = names_in(&path);
    found.retain(|name| path.join(name).is_file());
    assert_eq!(found, names, "{folder} holds other files; {remedy}");
}
