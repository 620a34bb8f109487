//! Files and pipes: a file appears whole or not at all, a pipe is written through, a signal or an
//! error leaves nothing behind.

#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::run::{Folder, Program, predict};

const FOUR: &[u8] = b"a,b,c,d\n5.1,3.5,1.4,0.2\n6.3,2.9,5.6,1.8\n";
const LABELS: &str = "label\nsetosa\nvirginica\n";
const LABEL: [&str; 2] = ["--outputs", "label"];

/// Scores the file `four.csv`, the labels alone.
fn labels(folder: &Folder, args: &[&str]) -> Program {
    predict("iris", &[&["four.csv"][..], &LABEL, args].concat()).within(folder)
}

/// A thousand times `FOUR`.
/// More than a block, of which the rest waits for more to come.
fn long_input() -> Vec<u8> {
    let (header, records) = FOUR.split_at(8);
    [header, &records.repeat(100_000)].concat()
}

#[test]
fn a_file_is_written_and_named_in_the_closing_line() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    let outcome = labels(&folder, &["-o", "out.csv"]).run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
    assert_eq!(
        outcome.notes(),
        "2 rows in _ s (_ rows/s), written to out.csv\n"
    );
    assert_eq!(folder.read("out.csv"), LABELS);
    assert_eq!(folder.names(), ["four.csv", "out.csv"]);
}

#[test]
fn a_dash_is_standard_output_and_no_file() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    labels(&folder, &["-o", "-"]).prints(LABELS);
    assert_eq!(folder.names(), ["four.csv"]);
}

#[test]
fn an_error_leaves_the_old_file_and_nothing_else() {
    let bad = [&long_input()[..], b"1,2,x,4\n"].concat();
    let folder = Folder::with(&[("four.csv", &bad), ("out.csv", b"old")]);
    labels(&folder, &["-o", "out.csv", "--batch-size", "10"]).fails(
        1,
        "four.csv:200002: column \"c\": expected a number (float32), found \"x\"\n\
         hint: --missing 'x' scores it as missing",
    );
    assert_eq!(folder.read("out.csv"), "old");
    labels(&folder, &["-o", "new.csv", "--batch-size", "10", "-q"]).run();
    assert_eq!(folder.names(), ["four.csv", "out.csv"]);
}

#[test]
fn a_file_can_be_replaced_by_its_own_predictions() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    labels(&folder, &["-o", "four.csv"]).prints("");
    assert_eq!(folder.read("four.csv"), LABELS);
}

#[test]
fn a_new_file_has_the_rights_that_the_umask_leaves() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    let command = labels(&folder, &["-q", "-o", "out.csv"]).command();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask 027; exec \"$0\" \"$@\""])
        .arg(command.get_program());
    shell.args(command.get_args()).current_dir(folder.path());
    shell.env("MLSERVE_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    assert!(shell.status().unwrap().success());
    assert_eq!(mode_of(&folder, "out.csv"), 0o640);
}

#[test]
fn a_replaced_file_keeps_its_rights() {
    let folder = Folder::with(&[("four.csv", FOUR), ("out.csv", b"old")]);
    fs::set_permissions(folder.file("out.csv"), fs::Permissions::from_mode(0o604)).unwrap();
    labels(&folder, &["-o", "out.csv"]).prints("");
    assert_eq!(folder.read("out.csv"), LABELS);
    assert_eq!(mode_of(&folder, "out.csv"), 0o604);
}

fn mode_of(folder: &Folder, name: &str) -> u32 {
    fs::metadata(folder.file(name))
        .unwrap()
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn a_symbolic_link_stays_and_its_target_is_written() {
    let elsewhere = Folder::with(&[("real.csv", b"old")]);
    let folder = Folder::with(&[("four.csv", FOUR)]);
    symlink(elsewhere.file("real.csv"), folder.file("out.csv")).unwrap();
    labels(&folder, &["-o", "out.csv"]).prints("");
    assert!(
        fs::symlink_metadata(folder.file("out.csv"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(elsewhere.read("real.csv"), LABELS);
    assert_eq!(elsewhere.names(), ["real.csv"]);
}

#[test]
fn a_link_whose_target_is_yet_to_come_stays_too() {
    let elsewhere = Folder::with(&[]);
    let folder = Folder::with(&[("four.csv", FOUR)]);
    symlink(elsewhere.file("real.csv"), folder.file("out.csv")).unwrap();
    labels(&folder, &["-o", "out.csv"]).prints("");
    assert!(
        fs::symlink_metadata(folder.file("out.csv"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(elsewhere.read("real.csv"), LABELS);
}

#[test]
fn a_device_is_written_through() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    labels(&folder, &["-o", "/dev/null"]).prints("");
    let device = fs::metadata("/dev/null").unwrap();
    assert!(device.file_type().is_char_device());
}

#[test]
fn a_named_pipe_is_written_through() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    let pipe = folder.file("pipe.csv");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    labels(&folder, &["-o", "pipe.csv"]).prints("");
    assert_eq!(reader.join().unwrap(), LABELS);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_output() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    labels(&folder, &["-o", "/dev/full"]).fails(4, "/dev/full: no space left on device");
    let mut command = labels(&folder, &[]).command();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command.stdout(full).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "stdout: no space left on device\n"
    );
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // Much more than a pipe holds, so that the program has to notice.
    let folder = Folder::with(&[("four.csv", &long_input())]);
    let mut child = predict(
        "iris",
        &["four.csv", "--keep", "all", "--batch-size", "100"],
    )
    .within(&folder)
    .command()
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for start in [
        "a,b,c,d,label",
        "5.1,3.5,1.4,0.2,setosa",
        "6.3,2.9,5.6,1.8,virginica",
    ] {
        assert!(lines.next().unwrap().unwrap().starts_with(start));
    }
    drop(lines);
    let (code, stderr) = ended(child);
    assert_eq!(stderr, "");
    assert_eq!(code, Some(0));
}

#[test]
fn a_signal_during_a_run_leaves_nothing_behind() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::with(&[("out.csv", b"old")]);
        let (child, input) = started(predict("iris", &["-o", "out.csv"]).within(&folder));
        // The header is in the temporary file: the run goes on, and waits for more records.
        wait_until(|| {
            let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
            let mut others = files.filter(|file| file.file_name() != "out.csv");
            others.any(|file| file.metadata().is_ok_and(|meta| meta.len() > 0))
        });
        send(signal, &child);
        assert_eq!(ended(child), (Some(code), String::new()), "{signal}");
        assert_eq!(folder.names(), ["out.csv"]);
        assert_eq!(folder.read("out.csv"), "old");
        drop(input);
    }
}

#[test]
fn a_signal_ends_a_run_to_standard_output() {
    let (mut child, input) = started(predict("iris", &[]));
    let mut header = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut header).unwrap();
    assert!(header.starts_with("label,"), "{header}");
    send("TERM", &child);
    assert_eq!(ended(child), (Some(143), String::new()));
    drop(input);
}

/// Starts the program with records on a pipe that stays open as long as the second value lives.
fn started(program: Program) -> (Child, impl Write) {
    let mut child = program.command().spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&long_input()).unwrap();
    input.flush().unwrap();
    (child, input)
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "it did not happen within a minute"
        );
        std::thread::yield_now();
    }
}

fn send(signal: &str, child: &Child) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
}

/// The exit code and standard error of a process that is about to end.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    (child.wait().unwrap().code(), stderr)
}

#[test]
fn several_files_are_scored_in_their_order_under_one_header() {
    let folder = Folder::with(&[
        ("first.csv", b"id,a,b,c,d\n1,5.1,3.5,1.4,0.2\n"),
        (
            "second.jsonl",
            b"{\"d\":1.8,\"c\":5.6,\"b\":2.9,\"a\":6.3,\"id\":2}\n",
        ),
        ("third.tsv", b"d\tid\ta\tb\tc\n0.2\t3\t5.1\t3.5\t1.4\n"),
        ("header.csv", b"id,a,b,c,d\n"),
    ]);
    let args = |files: &[&'static str]| [files, &["--features", "a,b,c,d"], &LABEL].concat();
    predict(
        "iris",
        &args(&["first.csv", "second.jsonl", "header.csv", "third.tsv", "-"]),
    )
    .within(&folder)
    .given("id,a,b,c,d\n4,6.3,2.9,5.6,1.8\n")
    .prints("id,label\n1,setosa\n2,virginica\n3,setosa\n4,virginica\n");
    predict("iris", &args(&["header.csv", "first.csv"]))
        .within(&folder)
        .prints("id,label\n1,setosa\n");
    predict("iris", &args(&["second.jsonl", "first.csv"]))
        .within(&folder)
        .prints("{\"id\":2,\"label\":\"virginica\"}\n{\"id\":\"1\",\"label\":\"setosa\"}\n");
    let outcome = predict("iris", &args(&["first.csv", "third.tsv"]))
        .within(&folder)
        .run();
    assert_eq!(outcome.notes(), "2 rows in _ s (_ rows/s)\n");
}

#[test]
fn a_further_file_must_have_the_columns_that_are_copied() {
    let folder = Folder::with(&[
        ("first.csv", b"id,a,b,c,d\n1,5.1,3.5,1.4,0.2\n"),
        ("second.csv", b"key,a,b,c,d\n2,6.3,2.9,5.6,1.8\n"),
    ]);
    let args = ["first.csv", "second.csv", "--features", "a,b,c,d"];
    predict("iris", &args).within(&folder).fails(
        1,
        "second.csv: expected the columns to be copied of the first file, \"id\", found \"key\"\n\
         hint: --keep LIST names columns that all files have; or score the files one by one",
    );
    predict("iris", &[&args[..], &["--keep", "none"], &LABEL].concat())
        .within(&folder)
        .prints(LABELS);
}

#[test]
fn a_limit_counts_the_records_of_all_files() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    labels(&folder, &["four.csv", "--limit", "3"]).prints("label\nsetosa\nvirginica\nsetosa\n");
}

/// What a shell line with `$BIN` and `$M` (the program and a model) prints and exits with.
fn shell(folder: &Folder, script: &str) -> (i32, String) {
    let output = Command::new("sh")
        .args(["-c", script])
        .env("BIN", env!("CARGO_BIN_EXE_mlserve"))
        .env("M", crate::run::model_path("iris"))
        .env("MLSERVE_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn streams_that_are_closed_or_full_are_no_panic() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    for (script, code) in [
        ("$BIN predict $M four.csv -o out.csv 2>&-", 0),
        ("$BIN predict $M four.csv -o out.csv 2>/dev/full", 0),
        ("$BIN predict $M four.csv --keep nope 2>&-", 2),
        ("$BIN predict $M four.csv --explain >/dev/full", 4),
        ("$BIN predict $M four.csv -q >/dev/full", 4),
        ("$BIN inspect $M >/dev/full", 4),
    ] {
        assert_eq!(shell(&folder, script).0, code, "{script}");
    }
}

#[test]
fn explaining_to_a_reader_that_left_is_success() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    let mut child = labels(&folder, &["--explain"]).command().spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_names_of_open_streams_are_written_through() {
    let folder = Folder::with(&[("four.csv", FOUR)]);
    let score = "$BIN predict $M four.csv --outputs label -q -o";
    let (code, out) = shell(&folder, &format!("{score} /dev/stdout | cat"));
    assert_eq!((code, out.as_str()), (0, LABELS));
    // A log that others have written to keeps what they wrote.
    let script = format!("(echo before; {score} /dev/stdout; echo after) >log; cat log");
    assert_eq!(
        shell(&folder, &script).1,
        format!("before\n{LABELS}after\n")
    );
    let script = format!("echo before >log; {score} /dev/fd/9 9>>log; cat log");
    assert_eq!(shell(&folder, &script).1, format!("before\n{LABELS}"));
}
