//! `--output-dir`: an output for each input, in folders that mirror theirs.

use std::fs;
use std::path::Path;

use flate2::write::GzEncoder;
use serde_json::Value;

use crate::run::{Folder, Program, names_in, predict};

const HEADER: &str = "a,b,c,d\n";
const SETOSA: &str = "5.1,3.5,1.4,0.2\n";
const VIRGINICA: &str = "6.3,2.9,5.6,1.8\n";

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Inputs of several formats, in folders.
fn tree() -> Folder {
    let folder = Folder::with(&[]);
    fs::create_dir_all(folder.file("in/2024/01")).unwrap();
    let setosa = format!("{HEADER}{SETOSA}");
    let virginica = format!("{HEADER}{VIRGINICA}");
    folder.write("in/first.csv", setosa.as_bytes());
    folder.write("in/2024/first.csv", virginica.as_bytes());
    folder.write("in/2024/01/packed.csv.gz", &gzip(&virginica));
    folder.write(
        "in/2024/01/objects.jsonl",
        b"{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\n",
    );
    folder.write("in/notes.txt", b"no records");
    folder.write("in/.hidden.csv", b"no records");
    folder.write("in/_SUCCESS", b"");
    folder
}

fn labels(folder: &Folder, args: &[&str]) -> Program {
    predict("iris", &[args, &["--outputs", "label"]].concat()).within(folder)
}

/// All files below `folder`, by their paths.
fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for name in names_in(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            let below = files_below(&path);
            files.extend(below.into_iter().map(|below| format!("{name}/{below}")));
        } else {
            files.push(name);
        }
    }
    files
}

#[test]
fn every_file_of_a_folder_has_its_output_in_the_same_place() {
    let folder = tree();
    let outcome = labels(&folder, &["in", "--output-dir", "out"]).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    let told = |name: &str| format!("1 row in _ s (_ rows/s), written to out/{name}\n");
    let names = [
        "2024/01/objects.jsonl",
        "2024/01/packed.csv.gz",
        "2024/first.csv",
        "first.csv",
    ];
    assert_eq!(outcome.notes(), names.map(told).concat());
    assert_eq!(files_below(&folder.file("out")), names);
    assert_eq!(folder.read("out/first.csv"), "label\nsetosa\n");
    assert_eq!(folder.read("out/2024/first.csv"), "label\nvirginica\n");
    assert_eq!(
        folder.read("out/2024/01/objects.jsonl"),
        "{\"label\":\"setosa\"}\n"
    );
    let mut text = String::new();
    let packed = fs::File::open(folder.file("out/2024/01/packed.csv.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(packed), &mut text)
        .unwrap();
    assert_eq!(text, "label\nvirginica\n");
}

#[test]
fn another_format_gives_the_outputs_its_extension() {
    let folder = tree();
    labels(&folder, &["in", "--output-dir", "out", "--to", "npy"]).prints("");
    assert_eq!(
        files_below(&folder.file("out")),
        [
            "2024/01/objects.npy",
            "2024/01/packed.npy",
            "2024/first.npy",
            "first.npy"
        ]
    );
    labels(&folder, &["in", "--output-dir", "text", "--to", "jsonl"]).prints("");
    assert_eq!(
        files_below(&folder.file("text")),
        [
            "2024/01/objects.jsonl",
            "2024/01/packed.jsonl.gz",
            "2024/first.jsonl",
            "first.jsonl"
        ]
    );
}

#[test]
fn a_pattern_keeps_what_comes_after_its_fixed_part() {
    let folder = tree();
    labels(&folder, &["in/**/first.csv", "--output-dir", "out"]).prints("");
    assert_eq!(
        files_below(&folder.file("out")),
        ["2024/first.csv", "first.csv"]
    );
    labels(&folder, &["in/2024/*.csv", "--output-dir", "year"]).prints("");
    assert_eq!(files_below(&folder.file("year")), ["first.csv"]);
    labels(&folder, &["in/*.parquet", "--output-dir", "none"])
        .fails(4, "in/*.parquet: no such file or directory");
    fs::create_dir(folder.file("empty")).unwrap();
    labels(&folder, &["empty", "--output-dir", "none"]).fails(
        4,
        "empty: no file to score there\n\
         hint: files are known by their names: .csv, .tsv, .jsonl, .parquet, .arrow, .npy, .npz, also with .gz or .zst behind it",
    );
    assert!(!folder.file("none").exists());
}

#[test]
fn two_inputs_never_have_one_output() {
    let folder = tree();
    let hint = "hint: name the folder that holds them: the paths below it are kept";
    for (args, output) in [
        (&["in/first.csv", "in/2024/first.csv"][..], "first.csv"),
        (&["in", "in/first.csv"], "first.csv"),
    ] {
        labels(&folder, &[args, &["--output-dir", "out"]].concat()).fails(
            2,
            &format!("--output-dir: two inputs would be written to {output}\n{hint}"),
        );
    }
    folder.write("in/first.jsonl", b"{}\n");
    labels(&folder, &["in", "--output-dir", "out", "--to", "npy"]).fails(
        2,
        &format!("--output-dir: two inputs would be written to first.npy\n{hint}"),
    );
    labels(&folder, &["in/first.csv", "-", "--output-dir", "out"]).fails(
        2,
        "--output-dir: standard input has no name to call its output by\n\
         hint: -o FILE names the output",
    );
    let written = files_below(folder.path());
    assert!(
        written.iter().all(|name| name.starts_with("in/")),
        "{written:?}"
    );
}

#[test]
fn rejects_and_manifests_are_folders_then() {
    let folder = tree();
    folder.write(
        "in/first.csv",
        format!("{HEADER}{SETOSA}1,x,2,3\n").as_bytes(),
    );
    let flags = ["--rejects", "bad", "--manifest", "told", "--report", "seen"];
    labels(
        &folder,
        &[&["in", "--output-dir", "out"], &flags[..]].concat(),
    )
    .prints("");
    let with = |extension: &str| {
        [
            "2024/01/objects.jsonl",
            "2024/01/packed.csv.gz",
            "2024/first.csv",
            "first.csv",
        ]
        .map(|name| format!("{name}.{extension}"))
    };
    assert_eq!(files_below(&folder.file("bad")), with("jsonl"));
    assert_eq!(files_below(&folder.file("told")), with("json"));
    assert_eq!(files_below(&folder.file("seen")), with("html"));
    assert_eq!(folder.read("bad/2024/first.csv.jsonl"), "");
    let bad: Value = serde_json::from_str(&folder.read("bad/first.csv.jsonl")).unwrap();
    assert_eq!(
        (&bad["file"], &bad["line"]),
        (&"in/first.csv".into(), &3.into())
    );
    let told: Value = serde_json::from_str(&folder.read("told/first.csv.json")).unwrap();
    assert_eq!(told["output"], "out/first.csv");
    assert_eq!(told["inputs"][0]["path"], "in/first.csv");
    assert_eq!(told["records"]["rejected"], 1);
    assert_eq!(folder.read("out/first.csv"), "label\nsetosa\n");
}

#[test]
fn what_is_finished_is_left_alone_when_the_run_is_repeated() {
    let folder = tree();
    let args = ["in", "--output-dir", "out", "--resume"];
    labels(&folder, &args).prints("");
    // What the second run must not touch, and what it has to do.
    folder.write("out/first.csv", b"mine");
    fs::remove_file(folder.file("out/2024/first.csv")).unwrap();
    folder.write("in/later.csv", format!("{HEADER}{VIRGINICA}").as_bytes());
    let outcome = labels(&folder, &args).run();
    assert_eq!(outcome.code, 0);
    let alone = |name: &str| {
        format!("out/{name} is there already, and left alone (--force scores it again)\n")
    };
    let scored = |name: &str| format!("1 row in _ s (_ rows/s), written to out/{name}\n");
    assert_eq!(
        outcome.notes(),
        [
            alone("2024/01/objects.jsonl"),
            alone("2024/01/packed.csv.gz"),
            scored("2024/first.csv"),
            alone("first.csv"),
            scored("later.csv"),
        ]
        .concat()
    );
    assert_eq!(folder.read("out/first.csv"), "mine");
    assert_eq!(folder.read("out/2024/first.csv"), "label\nvirginica\n");
    assert_eq!(folder.read("out/later.csv"), "label\nvirginica\n");

    labels(&folder, &[&args[..], &["--force"]].concat()).prints("");
    assert_eq!(folder.read("out/first.csv"), "label\nsetosa\n");
    assert_eq!(
        files_below(&folder.file("out")),
        [
            "2024/01/objects.jsonl",
            "2024/01/packed.csv.gz",
            "2024/first.csv",
            "first.csv",
            "later.csv"
        ]
    );
}

#[test]
fn the_outputs_before_a_bad_file_stay() {
    let folder = tree();
    folder.write("in/2024/first.csv", format!("{HEADER}1,x,2,3\n").as_bytes());
    labels(&folder, &["in", "--output-dir", "out", "-q"]).fails(
        1,
        "in/2024/first.csv:2: column \"b\": expected a number (float32), found \"x\"\n\
         hint: --missing 'x' scores it as missing",
    );
    assert_eq!(
        files_below(&folder.file("out")),
        ["2024/01/objects.jsonl", "2024/01/packed.csv.gz"]
    );
}
