//! Long runs: interrupted and resumed, cut into shards, repeated, accounted for.

use std::fs;
use std::process::Child;

use serde_json::Value;

use crate::run::{Folder, Program, mlserve, model_path, predict};

/// `count` records of four features and an id, of the same bytes every time.
fn records(count: u32) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut text = String::from("id,a,b,c,d\n");
    for id in 0..count {
        text.push_str(&format!("r{id}"));
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(&format!(",{}.{:03}", state % 8, (state >> 8) % 1000));
        }
        text.push('\n');
    }
    text
}

/// About six blocks, some records of which cannot be scored.
fn dirty() -> String {
    let records = records(220_000);
    let dirty = records
        .lines()
        .enumerate()
        .map(|(number, line)| match number % 997 {
            500 => line.replacen(',', ",x", 1) + "\n",
            501 => format!("{line},9\n"),
            _ => format!("{line}\n"),
        });
    dirty.collect()
}

fn iris(folder: &Folder, flags: &[&str]) -> Program {
    let mut all = vec!["in.csv", "--id", "id"];
    all.extend(flags);
    predict("iris", &all).within(folder)
}

/// Numbers that need not be good, only the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn a_run_that_is_killed_fifty_times_ends_like_one_that_never_was() {
    let text = dirty();
    let folder = Folder::with(&[("in.csv", text.as_bytes())]);
    let whole = ["-o", "whole.csv", "--rejects", "whole.jsonl", "-q"];
    assert_eq!(iris(&folder, &whole).run().code, 0);
    let output_bytes = fs::metadata(folder.file("whole.csv")).unwrap().len();

    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut kills = 0;
    while kills < 50 {
        for name in ["out.csv", "out.jsonl"] {
            let _ = fs::remove_file(folder.file(name));
        }
        loop {
            let flags = ["-o", "out.csv", "--rejects", "out.jsonl", "--resume", "-q"];
            let mut child = iris(&folder, &flags)
                .with("MLSERVE_CHECKPOINT_MS", "0")
                .command()
                .spawn()
                .unwrap();
            let moment = numbers.below(output_bytes);
            match killed(&mut child, &folder, moment, numbers.below(100_000)) {
                true => kills += 1,
                false => break,
            }
        }
        assert!(
            folder.read("out.csv") == folder.read("whole.csv"),
            "after {kills} kills"
        );
        assert!(
            folder.read("out.jsonl") == folder.read("whole.jsonl"),
            "after {kills} kills"
        );
        assert_eq!(
            folder.names(),
            ["in.csv", "out.csv", "out.jsonl", "whole.csv", "whole.jsonl"]
        );
    }
}

/// Kills `child` when its output has `bytes` and it has been asked `times` more; false where it ended
/// well before.
fn killed(child: &mut Child, folder: &Folder, bytes: u64, times: u64) -> bool {
    let partial = folder.file("out.csv.partial");
    let mut left = times / 1000;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        let there = fs::metadata(&partial).map_or(0, |meta| meta.len());
        if there >= bytes {
            left = left.saturating_sub(1);
            if left == 0 {
                break;
            }
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

#[test]
fn a_run_goes_on_only_where_it_is_the_same_run() {
    let text = records(100_000);
    let folder = Folder::with(&[("in.csv", text.as_bytes())]);
    let flags = ["-o", "out.csv", "--resume", "-q"];
    interrupt(&folder, &flags);
    let journal = folder.read("out.csv.partial.json");
    let refused = |flags: &[&str], reason: &str| {
        let hint = "hint: --force starts anew";
        iris(&folder, flags).fails(
            2,
            &format!("--resume: cannot go on from out.csv.partial.json: {reason}\n{hint}"),
        );
        assert_eq!(folder.read("out.csv.partial.json"), journal, "{reason}");
    };
    refused(
        &["-o", "out.csv", "--resume", "--keep", "none"],
        "the command line is another one",
    );
    let more = format!("{text}more,1,2,3,4\n");
    fs::write(folder.file("in.csv"), &more).unwrap();
    refused(&flags, "the input in.csv has changed");

    iris(&folder, &["-o", "out.csv", "--resume", "--force"]).prints("");
    iris(&folder, &["-o", "whole.csv"]).prints("");
    assert!(folder.read("out.csv") == folder.read("whole.csv"));
    assert_eq!(folder.names(), ["in.csv", "out.csv", "whole.csv"]);

    iris(&folder, &["-o", "out.parquet", "--resume"]).fails(
        2,
        "--resume: only text can be gone on with, CSV or JSONL\n\
         hint: --output-dir with --resume leaves finished files alone and scores the others",
    );
    iris(&folder, &["--resume"]).fails(
        2,
        "--resume: standard output cannot be gone on with\nhint: -o FILE names the output",
    );
    predict("iris", &["-", "--resume", "-o", "x.csv"])
        .given("a\n")
        .fails(
            2,
            "--resume: standard input cannot be read a second time\nhint: save it to a file first",
        );
}

/// Starts a run and kills it once it has kept something.
fn interrupt(folder: &Folder, flags: &[&str]) {
    let program = iris(folder, flags).with("MLSERVE_CHECKPOINT_MS", "0");
    let mut child = program.command().spawn().unwrap();
    while !folder.file("out.csv.partial.json").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended too early");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn shards_in_order_are_the_whole_run_byte_for_byte() {
    let csv = dirty();
    let quoted = csv.replace("r1", "\"r\n1\"");
    let jsonl: String = records(60_000)
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!(
                "{{\"id\":\"{}\",\"a\":{},\"b\":{},\"c\":{},\"d\":{}}}\n",
                cells[0], cells[1], cells[2], cells[3], cells[4]
            )
        })
        .collect();
    for (name, text, count) in [
        ("in.csv", &csv, 3),
        ("quoted.csv", &quoted, 4),
        ("in.jsonl", &jsonl, 2),
        ("in.jsonl", &jsonl, 7),
    ] {
        let folder = Folder::with(&[
            (name, text.as_bytes()),
            ("more.csv", records(30_000).as_bytes()),
        ]);
        let mut inputs = vec![name];
        if name == "in.csv" {
            inputs.push("more.csv");
        }
        let run = |flags: &[String]| {
            let mut all = inputs.clone();
            all.extend(["--id", "id", "--on-error", "skip", "-q"]);
            all.extend(flags.iter().map(String::as_str));
            let outcome = predict("iris", &all).within(&folder).run();
            assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
            outcome.stdout
        };
        let whole = run(&["--rejects".to_owned(), "whole.rejects".to_owned()]);
        let mut parts = String::new();
        let mut rejects = String::new();
        for index in 1..=count {
            let told = format!("{index}.rejects");
            parts += &run(&[
                "--shard".to_owned(),
                format!("{index}/{count}"),
                "--rejects".to_owned(),
                told.clone(),
            ]);
            rejects += &folder.read(&told);
        }
        assert!(parts == whole, "{name} in {count}");
        assert!(rejects == folder.read("whole.rejects"), "{name} in {count}");
    }
}

#[test]
fn a_job_array_names_the_shard_and_a_finished_one_is_left_alone() {
    let folder = Folder::with(&[("in.csv", records(10).as_bytes())]);
    let run = |index: &str, flags: &[&str]| {
        let mut all = vec!["--shards", "2", "-o", "out.csv"];
        all.extend(flags);
        iris(&folder, &all)
            .with("JOB_COMPLETION_INDEX", index)
            .run()
    };
    assert_eq!(run("0", &["-q"]).code, 0);
    let first = folder.read("out.csv");
    let again = run("0", &[]);
    assert_eq!(again.code, 0);
    assert_eq!(
        again.stderr,
        "out.csv is there already, and left alone (--force scores it again)\n"
    );
    assert_eq!(run("1", &["--force", "-q"]).code, 0);
    assert_ne!(folder.read("out.csv"), first);
    iris(&folder, &["--shards", "2", "-o", "out.csv"]).fails(
        2,
        "--shards 2: the environment has none of JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX and SLURM_ARRAY_TASK_ID\n\
         hint: --shard I/N names the shard itself",
    );
    iris(&folder, &["--shard", "0/2"]).fails(
        2,
        "error: invalid value '0/2' for '--shard <I/N>': shards are counted from 1; --shards N takes an index from 0 out of the environment\n\
         \n\
         For more information, try '--help'.",
    );
    predict("iris", &["-", "--shard", "1/2"])
        .given("a\n")
        .fails(
            2,
            "--shard: - is a pipe, and cannot be cut by its size\n\
         hint: one file for each shard needs no --shard; or decompress it first",
        );
}

#[test]
fn the_manifest_accounts_for_the_run() {
    let text = "id,a,b,c,d,species\n1,5.1,3.5,1.4,0.2,setosa\n2,6.3,,5.1,1.5,virginica\n3,x,2,1,1,setosa\n4,6.3,2.7,4.9,1.8,\n";
    let folder = Folder::with(&[("in.csv", text.as_bytes())]);
    let flags = [
        "--label",
        "species",
        "-o",
        "out.csv",
        "--manifest",
        "m.json",
        "--on-error",
        "null",
        "-q",
    ];
    assert_eq!(iris(&folder, &flags).run().code, 0);
    let manifest: Value = serde_json::from_str(&folder.read("m.json")).unwrap();
    for (pointer, value) in [
        ("/mlserve", Value::from(env!("CARGO_PKG_VERSION"))),
        ("/inputs/0/path", "in.csv".into()),
        ("/inputs/0/bytes", text.len().into()),
        // As sha256sum prints it.
        ("/inputs/0/sha256", "SHA".into()),
        ("/output", "out.csv".into()),
        ("/records/read", 4.into()),
        ("/records/scored", 3.into()),
        ("/records/rejected", 1.into()),
        ("/records/written", 4.into()),
        ("/rejects/not_a_number", 1.into()),
        ("/missing/values", 1.into()),
        ("/missing/columns/b", 1.into()),
        ("/metrics/records", 3.into()),
        ("/metrics/missing", 1.into()),
        ("/plan/0", "in.csv: CSV, 6 columns".into()),
    ] {
        let found = manifest.pointer(pointer).cloned().unwrap_or_default();
        if value == "SHA" {
            let sum = std::process::Command::new("sha256sum")
                .arg(folder.file("in.csv"))
                .output();
            let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
            assert_eq!(found.as_str().unwrap(), sum.split(' ').next().unwrap());
        } else {
            assert_eq!(found, value, "{pointer}");
        }
    }
    assert!(manifest["seconds"].as_f64().unwrap() > 0.0);
    assert!(manifest["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
}

#[test]
fn a_report_is_one_page_that_asks_for_nothing_else() {
    let folder = Folder::with(&[("in.csv", records(500).as_bytes())]);
    assert_eq!(
        iris(&folder, &["-o", "out.csv", "--report", "r.html", "-q"])
            .run()
            .code,
        0
    );
    let page = folder.read("r.html");
    assert!(page.starts_with("<!doctype html>"), "{}", &page[..100]);
    for text in ["probabilities_setosa", "500", "<svg"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
}

#[test]
fn two_runs_never_write_one_output() {
    let folder = Folder::with(&[("in.csv", records(10).as_bytes())]);
    let partial = fs::File::create(folder.file("out.csv.partial")).unwrap();
    partial.lock().unwrap();
    iris(&folder, &["-o", "out.csv", "--resume"])
        .fails(4, "out.csv.partial: another run is writing it");
}

#[test]
fn nothing_is_written_over_something_else() {
    let folder = Folder::with(&[("in.csv", records(10).as_bytes())]);
    fs::copy(model_path("iris"), folder.file("m.onnx")).unwrap();
    let whole = folder.read("in.csv");
    for (flags, message) in [
        (
            &["-o", "x.csv", "--manifest", "./x.csv"][..],
            "-o and --manifest would go to the same place",
        ),
        (
            &["--manifest", "-"],
            "standard output and --manifest would go to the same place",
        ),
        (
            &["-o", "x.csv", "--rejects", "in.csv"],
            "--rejects would be written over the input in.csv",
        ),
        (
            &["-o", "in.csv", "--resume"],
            "-o would be written over the input in.csv",
        ),
        (&["-o", "m.onnx"], "-o would be written over the model"),
        (
            &["--output-dir", "."],
            "--output-dir would be written over the input in.csv",
        ),
    ] {
        let all = [&["predict", "m.onnx", "in.csv", "--id", "id"], flags].concat();
        mlserve(&all).within(&folder).fails(2, message);
        assert_eq!(folder.read("in.csv"), whole);
        assert_eq!(folder.names(), ["in.csv", "m.onnx"], "{flags:?}");
    }
}

#[test]
fn a_run_that_can_go_on_keeps_what_is_there_already() {
    let text = dirty();
    let folder = Folder::with(&[("in.csv", text.as_bytes())]);
    let run = |budget: &str, flags: &[&str]| {
        let flags = [
            &[
                "-o",
                "out.csv",
                "--rejects",
                "r.jsonl",
                "--max-errors",
                budget,
                "-q",
            ],
            flags,
        ]
        .concat();
        iris(&folder, &flags)
            .with("MLSERVE_CHECKPOINT_MS", "0")
            .run()
    };
    // An error of the data is no end either: with a larger budget the run goes on.
    let spent = run("100", &["--resume"]);
    assert_eq!(spent.code, 1);
    assert!(
        spent.stderr.contains("r.jsonl.partial tells which"),
        "{}",
        spent.stderr
    );
    let names = folder.names();
    assert!(names.contains(&"r.jsonl.partial".to_owned()), "{names:?}");
    assert_eq!(run("100000", &["--resume"]).code, 0);
    let (output, rejects) = (folder.read("out.csv"), folder.read("r.jsonl"));
    assert_eq!(run("100000", &[]).code, 0);
    assert!(folder.read("out.csv") == output && folder.read("r.jsonl") == rejects);

    // An unfinished output is newer than a finished one.
    interrupt(
        &folder,
        &[
            "-o",
            "out.csv",
            "--resume",
            "--force",
            "--on-error",
            "skip",
            "-q",
        ],
    );
    let outcome = iris(
        &folder,
        &["-o", "out.csv", "--resume", "--on-error", "skip"],
    )
    .run();
    assert!(
        outcome.stderr.contains("written to out.csv"),
        "{}",
        outcome.stderr
    );

    // What keeps nothing cannot be gone on with.
    iris(&folder, &["-o", "/dev/null", "--resume"]).fails(
        2,
        "--resume: /dev/null is no regular file, and keeps nothing to go on with",
    );
}

#[test]
fn a_header_longer_than_a_block_is_nobodys_shard() {
    let blanks = "\n".repeat(3 << 20);
    let csv = format!("a,b,c,d{blanks}{}", "5.1,3.5,1.4,0.2\n".repeat(100_000));
    let jsonl = format!(
        "{blanks}{}",
        "{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\n".repeat(50_000)
    );
    let folder = Folder::with(&[("in.csv", csv.as_bytes()), ("in.jsonl", jsonl.as_bytes())]);
    for (name, lines) in [("in.csv", 100_001), ("in.jsonl", 50_000)] {
        let run = |flags: &[&str]| {
            let all = [&[name, "-q", "--outputs", "label"], flags].concat();
            predict("iris", &all).within(&folder).run().stdout
        };
        let whole = run(&[]);
        assert_eq!(whole.lines().count(), lines);
        let shards: String = (1..=4)
            .map(|shard| run(&["--shard", &format!("{shard}/4")]))
            .collect();
        assert!(shards == whole, "{name}");
    }
}

#[test]
fn a_limit_gives_so_many_records_whatever_the_batches() {
    let line = format!(
        "{{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2,\"pad\":\"{}\"}}\n",
        "x".repeat(4000)
    );
    let folder = Folder::with(&[("in.jsonl", line.repeat(3000).as_bytes())]);
    for flags in [&["--batch-size", "16384"][..], &[], &["--stream"]] {
        let all = [
            &["in.jsonl", "-q", "--exclude", "pad", "--limit", "1000"],
            flags,
        ]
        .concat();
        let outcome = predict("iris", &all).within(&folder).run();
        assert_eq!(outcome.stdout.lines().count(), 1000, "{flags:?}");
    }
    // What lies behind the limit is not even opened.
    fs::write(folder.file("bad.jsonl"), "no object\n").unwrap();
    let all = [
        "in.jsonl",
        "bad.jsonl",
        "-q",
        "--exclude",
        "pad",
        "--limit",
        "3000",
    ];
    let outcome = predict("iris", &all).within(&folder).run();
    assert_eq!((outcome.code, outcome.stdout.lines().count()), (0, 3000));
}
