//! What goes wrong, word for word: the message, its remedy and the exit code.

use crate::run::{Folder, mlserve, predict};

/// A record that must be refused, on standard input.
struct Case {
    what: &'static str,
    model: &'static str,
    flags: &'static [&'static str],
    input: &'static [u8],
    code: i32,
    stderr: &'static str,
}

/// Holds every case to its message and code.
#[track_caller]
fn check(cases: &[Case]) {
    let mut faults = Vec::new();
    for case in cases {
        let outcome = predict(case.model, case.flags).given(case.input).run();
        let expected = format!("{}\n", case.stderr);
        if outcome.stderr != expected || outcome.code != case.code {
            let Case { what, code, .. } = case;
            faults.push(format!(
                "{what}: expected exit code {code} and\n{expected}found {} and\n{}",
                outcome.code, outcome.stderr
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const IRIS: &str = "iris";
const PENGUINS: &str = "penguins";
const AUTO_MPG: &str = "auto_mpg";

const CELLS: [Case; 15] = [
    Case {
        what: "a text for a number",
        model: PENGUINS,
        flags: &[],
        input: b"island,sex,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g\n\
                 Dream,male,40,18,190,3700\n\
                 Dream,male,40,18,n/a,3700\n",
        code: 1,
        stderr: "stdin:3: column \"flipper_length_mm\": expected a number (float32), found \"n/a\"\n\
                 hint: --missing 'n/a' scores it as missing",
    },
    Case {
        what: "a number in hexadecimal digits",
        model: IRIS,
        flags: &[],
        input: b"a,b,c,d\n1,2,0x1F,4\n",
        code: 1,
        stderr: "stdin:2: column \"c\": expected a number (float32), found \"0x1F\"\n\
                 hint: --missing '0x1F' scores it as missing",
    },
    Case {
        what: "a number too large for float32",
        model: IRIS,
        flags: &[],
        input: b"a,b,c,d\n1,2,1e39,4\n",
        code: 1,
        stderr: "stdin:2: column \"c\": expected a number (float32), found \"1e39\", which is out of range",
    },
    Case {
        what: "nothing for an integer",
        model: AUTO_MPG,
        flags: &[],
        input: b"cyl,displ,hp,weight,accel,yr,origin,maker\n,350,165,3693,11.5,70,USA,buick\n",
        code: 1,
        stderr: "stdin:2: column \"cyl\": expected an integer (int64), found nothing\n\
                 hint: int64 has no missing value; --fill 'cyl=VALUE' gives it one",
    },
    Case {
        what: "a fraction for an integer",
        model: AUTO_MPG,
        flags: &[],
        input: b"cyl,displ,hp,weight,accel,yr,origin,maker\n8.5,350,165,3693,11.5,70,USA,buick\n",
        code: 1,
        stderr: "stdin:2: column \"cyl\": expected an integer (int64), found \"8.5\"",
    },
    Case {
        what: "a text for an integer",
        model: AUTO_MPG,
        flags: &[],
        input: b"cyl,displ,hp,weight,accel,yr,origin,maker\neight,350,165,3693,11.5,70,USA,buick\n",
        code: 1,
        stderr: "stdin:2: column \"cyl\": expected an integer (int64), found \"eight\"",
    },
    Case {
        what: "an integer out of range",
        model: AUTO_MPG,
        flags: &[],
        input: b"cyl,displ,hp,weight,accel,yr,origin,maker\n8,350,165,3693,11.5,9223372036854775808,USA,buick\n",
        code: 1,
        stderr: "stdin:2: column \"yr\": expected an integer (int64), found \"9223372036854775808\", which is out of range",
    },
    Case {
        what: "a NUL in a string input",
        model: PENGUINS,
        flags: &[],
        input: b"island,sex,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g\nDr\0eam,male,1,2,3,4\n",
        code: 1,
        stderr: "stdin:2: column \"island\": expected text (string), found \"Dr\\x00eam\", which holds a NUL character",
    },
    Case {
        what: "Latin-1 in a string input",
        model: PENGUINS,
        flags: &[],
        input: b"island,sex,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g\n\xcele,male,1,2,3,4\n",
        code: 1,
        stderr: "stdin:2: column \"island\": expected text (string), found \"\u{fffd}le\", which is not UTF-8\n\
                 hint: --encoding latin1, or what it is, reads the file as UTF-8",
    },
    Case {
        what: "Latin-1 to be copied into JSON",
        model: IRIS,
        flags: &["--id", "id", "--to", "jsonl"],
        input: b"id,a,b,c,d\ncaf\xe9,1,2,3,4\n",
        code: 1,
        stderr: "stdin:2: a field to be copied is not UTF-8, which the output cannot hold\n\
                 hint: --encoding latin1 reads it as what it is; or leave the column out with --keep LIST",
    },
    Case {
        what: "a number in quotes",
        model: IRIS,
        flags: &[],
        input: b"{\"a\":1,\"b\":2,\"c\":3,\"d\":4}\n\n{\"a\":1,\"b\":\"2\",\"c\":3,\"d\":4}\n",
        code: 1,
        stderr: "stdin:3: column \"b\": expected a number (float32), found \"2\"\n\
                 hint: --lenient accepts numbers in quotes",
    },
    Case {
        what: "a boolean for a number",
        model: IRIS,
        flags: &[],
        input: b"{\"a\":1,\"b\":true,\"c\":3,\"d\":4}\n",
        code: 1,
        stderr: "stdin:1: column \"b\": expected a number (float32), found true",
    },
    Case {
        what: "a number for a tensor",
        model: "tests/corpus/tensor_rank3.onnx",
        flags: &[],
        input: b"{\"X\": 5}\n",
        code: 1,
        stderr: "stdin:1: column \"X\": expected JSON lists of shape [2, 3] (float32), found 5\n\
                 hint: mlserve inspect MODEL --example jsonl prints a record that fits",
    },
    Case {
        what: "a tensor of another shape",
        model: "tests/corpus/tensor_rank3.onnx",
        flags: &[],
        input: b"{\"X\": [[1,2,3],[4,5,6]]}\n{\"X\": [[1,2,3]]}\n",
        code: 1,
        stderr: "stdin:2: column \"X\": expected JSON lists of shape [2, 3] (float32), found lists of another shape: [[1,2,3]]\n\
                 hint: mlserve inspect MODEL --example jsonl prints a record that fits",
    },
    Case {
        what: "a record that the model itself refuses",
        model: "titanic",
        flags: &[],
        input: b"class,sex,age\n1st,male,40\n2nd,female,2\nfourth,female,2\n1st,male,40\n",
        code: 1,
        stderr: "stdin:4: ONNX Runtime failed on this record: Unknown Category and zeros = 0\n\
                 hint: the model itself refuses this record: a category that it has not seen in training, or a value out of its range",
    },
];

#[test]
fn a_cell_that_does_not_fit_is_named_with_its_line_and_column() {
    check(&CELLS);
}

const RECORDS: [Case; 10] = [
    Case {
        what: "too few fields",
        model: IRIS,
        flags: &[],
        input: b"a,b,c,d\n1,2,3,4\n1,2,3\n",
        code: 1,
        stderr: "stdin:3: expected 4 fields, found 3\n\
                 hint: a field that holds the delimiter must be in double quotes",
    },
    Case {
        what: "too many fields",
        model: IRIS,
        flags: &[],
        input: b"a,b,c,d\n1,2,3,4,5\n",
        code: 1,
        stderr: "stdin:2: expected 4 fields, found 5\n\
                 hint: a field that holds the delimiter must be in double quotes",
    },
    Case {
        what: "a quote that is never closed",
        model: IRIS,
        flags: &[],
        input: b"a,b,c,d\n1,2,3,4\n1,\"2,3,4\n1,2,3,4\n",
        code: 1,
        stderr: "stdin:3: a quote is opened in this record and never closed\n\
                 hint: close it, or write a quote inside a quoted field as \"\"",
    },
    Case {
        what: "a key twice",
        model: IRIS,
        flags: &[],
        input: b"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"b\":2}\n",
        code: 1,
        stderr: "stdin:1: key \"b\" stands twice in one object\n\
                 hint: a key names one value",
    },
    Case {
        what: "a key twice that the model does not consume",
        model: PENGUINS,
        flags: &["--allow-missing-columns"],
        input: b"{\"sex\":\"male\",\"x\":1,\"x\":2}\n",
        code: 1,
        stderr: "stdin:1: key \"x\" stands twice in one object\n\
                 hint: a key names one value",
    },
    Case {
        what: "text that is no JSON",
        model: IRIS,
        flags: &[],
        input: b"{\"a\":1,\"b\":2,\"c\":3,\"d\":4}\n\nhello\n",
        code: 1,
        stderr: "stdin:3: not valid JSON at character 1: expected value\n\
                 hint: every line must be one JSON object",
    },
    Case {
        what: "text after the object",
        model: IRIS,
        flags: &[],
        input: b"{\"a\":1} {\"a\":2}\n",
        code: 1,
        stderr: "stdin:1: not valid JSON at character 9: trailing characters\n\
                 hint: every line must be one JSON object",
    },
    Case {
        what: "a list instead of an object",
        model: IRIS,
        flags: &["--from", "jsonl"],
        input: b"[1,2,3,4]\n",
        code: 1,
        stderr: "stdin:1: expected a JSON object, found a list\n\
                 hint: every line must be one JSON object; jq -c . and jq -c '.[]' make such lines",
    },
    Case {
        what: "CSV that was called JSONL",
        model: IRIS,
        flags: &["--from", "jsonl"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 1,
        stderr: "stdin:1: not valid JSON at character 1: expected value\n\
                 hint: every line must be one JSON object",
    },
    Case {
        what: "nothing at all",
        model: IRIS,
        flags: &[],
        input: b"",
        code: 1,
        stderr: "stdin: empty: expected a header line",
    },
];

#[test]
fn a_record_that_cannot_be_taken_apart_is_named_with_its_line() {
    check(&RECORDS);
}

const COLUMNS: [Case; 9] = [
    Case {
        what: "a column twice",
        model: IRIS,
        flags: &[],
        input: b"a,b,a,d\n1,2,3,4\n",
        code: 1,
        stderr: "stdin: the header has column \"a\" twice\n\
                 hint: rename one of the two columns, so that each can be found by its name",
    },
    Case {
        what: "absent columns, all in one message",
        model: PENGUINS,
        flags: &[],
        input: b"island,sex,bill_lenght_mm,bill_depth_mm,flipper_length_mm\nDream,male,1,2,3\n",
        code: 1,
        stderr: "stdin: no columns \"bill_length_mm\", \"body_mass_g\"\n\
                 hint: did you mean \"bill_lenght_mm\"?\n\
                 hint: its columns are \"island\", \"sex\", \"bill_lenght_mm\", \"bill_depth_mm\", \"flipper_length_mm\"\n\
                 hint: --allow-missing-columns scores absent columns as missing values",
    },
    Case {
        what: "an absent column that the metadata names",
        model: "tests/corpus/features_comma.onnx",
        flags: &[],
        input: b"a,b,c\n1,2,3\n",
        code: 1,
        stderr: "stdin: no column \"d\" of input \"X\"\n\
                 hint: its columns are \"a\", \"b\", \"c\"\n\
                 hint: --allow-missing-columns scores absent columns as missing values",
    },
    Case {
        what: "two columns that could both be meant",
        model: PENGUINS,
        flags: &[],
        input: b"island,sex,bill length mm,bill-length-mm,bill_depth_mm,flipper_length_mm,body_mass_g\nDream,male,1,2,3,4,5\n",
        code: 1,
        stderr: "stdin: columns \"bill length mm\" and \"bill-length-mm\" could both be \"bill_length_mm\"\n\
                 hint: rename the one that is meant to exactly \"bill_length_mm\"",
    },
    Case {
        what: "too many columns for a matrix",
        model: IRIS,
        flags: &[],
        input: b"id,a,b,c,d\nx,1,2,3,4\n",
        code: 1,
        stderr: "stdin: input \"X\" takes 4 columns and the model does not name them, found 5: \"id\", \"a\", \"b\", \"c\", \"d\"\n\
                 hint: --id, --label or --exclude LIST sets columns aside that are no features\n\
                 hint: --features LIST names the columns in the model's order",
    },
    Case {
        what: "too few columns for a matrix",
        model: IRIS,
        flags: &[],
        input: b"a,b,c\n1,2,3\n",
        code: 1,
        stderr: "stdin: input \"X\" takes 4 columns and the model does not name them, found 3: \"a\", \"b\", \"c\"\n\
                 hint: --features LIST names the columns in the model's order",
    },
    Case {
        what: "UTF-16",
        model: IRIS,
        flags: &[],
        input: b"\xff\xfea\0,\0b\0\n\0",
        code: 1,
        stderr: "stdin: input \"X\" takes 4 columns and the model does not name them, found 2: \"a\", \"b\"\n\
                 hint: --features LIST names the columns in the model's order",
    },
    Case {
        what: "gzip",
        model: IRIS,
        flags: &[],
        input: b"\x1f\x8b\x08\0\0\0\0\0",
        code: 1,
        stderr: "stdin: the gzip data ends too early",
    },
    Case {
        what: "a header in Latin-1",
        model: IRIS,
        flags: &[],
        input: b"a,b,c,\xe9\n1,2,3,4\n",
        code: 1,
        stderr: "stdin:1: the header is not UTF-8\n\
                 hint: --encoding latin1, or what it is, reads the file as UTF-8",
    },
];

#[test]
fn columns_that_do_not_fit_are_all_named_at_once() {
    check(&COLUMNS);
}

const FLAGS: [Case; 19] = [
    Case {
        what: "an unknown column in --id",
        model: IRIS,
        flags: &["--id", "idd"],
        input: b"id,a,b,c,d\nx,1,2,3,4\n",
        code: 2,
        stderr: "--id idd: stdin has no such column\n\
                 hint: did you mean \"id\"?\n\
                 hint: its columns are \"id\", \"a\", \"b\", \"c\", \"d\"",
    },
    Case {
        what: "an unknown column in --label",
        model: IRIS,
        flags: &["--label", "truth"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--label truth: stdin has no such column\nhint: its columns are \"a\", \"b\", \"c\", \"d\"",
    },
    Case {
        what: "an unknown column in --exclude",
        model: IRIS,
        flags: &["--exclude", "truth"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--exclude truth: stdin has no such column\nhint: its columns are \"a\", \"b\", \"c\", \"d\"",
    },
    Case {
        what: "an unknown column in --keep",
        model: IRIS,
        flags: &["--keep", "truth"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--keep truth: stdin has no such column\nhint: its columns are \"a\", \"b\", \"c\", \"d\"",
    },
    Case {
        what: "an unknown column in --features",
        model: IRIS,
        flags: &["--features", "width,length,c,d"],
        input: b"width,lenght,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--features: stdin has no column \"length\"\n\
                 hint: did you mean \"lenght\"?\n\
                 hint: its columns are \"width\", \"lenght\", \"c\", \"d\"",
    },
    Case {
        what: "too few columns in --features",
        model: IRIS,
        flags: &["--features", "a,b,c"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--features: input \"X\" has shape [?, 4], which 3 features do not fill",
    },
    Case {
        what: "a list file that is absent",
        model: IRIS,
        flags: &["--features", "@absent.txt"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--features @absent.txt: no such file or directory",
    },
    Case {
        what: "an unknown output",
        model: IRIS,
        flags: &["--outputs", "lable"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--outputs lable: the model has no such output\nhint: its outputs are \"label\", \"probabilities\"",
    },
    Case {
        what: "an unknown input in --set",
        model: IRIS,
        flags: &["--set", "Y=1"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--set Y: the model has no such input\nhint: its inputs are \"X\"",
    },
    Case {
        what: "a scalar that nobody gave",
        model: "tests/corpus/scalar_input.onnx",
        flags: &[],
        input: b"a,b\n1,2\n",
        code: 2,
        stderr: "input \"sr\" is a single int64 for all records and must be given\nhint: --set sr=VALUE gives it",
    },
    Case {
        what: "a fill that does not fit",
        model: AUTO_MPG,
        flags: &["--fill", "cyl=many"],
        input: b"cyl,displ,hp,weight,accel,yr,origin,maker\n8,350,165,3693,11.5,70,USA,buick\n",
        code: 2,
        stderr: "--fill cyl=many: expected an integer (int64), found \"many\"",
    },
    Case {
        what: "an unknown column in --fill",
        model: IRIS,
        flags: &["--fill", "truth=1"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--fill truth: stdin has no such column\nhint: its columns are \"a\", \"b\", \"c\", \"d\"",
    },
    Case {
        what: "too few class names",
        model: IRIS,
        flags: &["--classes", "a,b"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--classes: 2 names, but probabilities has 3",
    },
    Case {
        what: "too many class names",
        model: IRIS,
        flags: &["--classes", "a,b,c,d"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--classes: 4 names, but probabilities has 3",
    },
    Case {
        what: "a threshold among three classes",
        model: IRIS,
        flags: &["--threshold", "0.5"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--threshold: output \"probabilities\" has 3 classes, not two\n\
                 hint: a threshold decides between two classes; --top or --argmax rank more",
    },
    Case {
        what: "a threshold that could mean either of two outputs",
        model: "titanic",
        flags: &["--threshold", "0.5"],
        input: b"class,sex,age\n1st,male,40\n",
        code: 2,
        stderr: "--threshold: it could mean any of the outputs \"i0\", \"i1\"\nhint: --outputs NAME chooses one",
    },
    Case {
        what: "a threshold that is no number",
        model: IRIS,
        flags: &["--threshold", "nan"],
        input: b"a,b,c,d\n1,2,3,4\n",
        code: 2,
        stderr: "--threshold: expected a number, found NaN",
    },
    Case {
        what: "a softmax over one value",
        model: "tests/corpus/raw_scores.onnx",
        flags: &["--activation", "softmax"],
        input: b"x1,x2\n0.5,1\n",
        code: 2,
        stderr: "--activation softmax: output \"Y\" has one value a record\nhint: --activation sigmoid fits it",
    },
    Case {
        what: "the best class of one value",
        model: "tests/corpus/raw_scores.onnx",
        flags: &["--argmax"],
        input: b"x1,x2\n0.5,1\n",
        code: 2,
        stderr: "--argmax: output \"Y\" has one value a record, not one for each class",
    },
];

#[test]
fn a_flag_that_makes_no_sense_is_named() {
    check(&FLAGS);
}

#[test]
fn what_clap_refuses_is_usage_too() {
    for (args, first) in [
        (
            &["--bogus"][..],
            "error: unexpected argument '--bogus' found",
        ),
        (
            &["--jobs", "0"],
            "error: invalid value '0' for '--jobs <N>': 0 is not in 1..=1024",
        ),
        (
            &["--batch-size", "0"],
            "error: invalid value '0' for '--batch-size <N>': 0 is not in 1..=1048576",
        ),
        (
            &["--top", "0"],
            "error: invalid value '0' for '--top <K>': 0 is not in 1..=4294967295",
        ),
        (
            &["--top", "1", "--argmax"],
            "error: the argument '--top <K>' cannot be used with '--argmax'",
        ),
        (
            &["--set", "X"],
            "error: invalid value 'X' for '--set <NAME=JSON>': expected NAME=VALUE",
        ),
        (
            &["--from", "xml"],
            "error: invalid value 'xml' for '--from <FORMAT>'",
        ),
        (
            &["--delimiter", ";;"],
            "error: invalid value ';;' for '--delimiter <CHAR>': expected one ASCII character or \"tab\"",
        ),
        (
            &["--missing-in-strings"],
            "error: the following required arguments were not provided:",
        ),
    ] {
        let outcome = predict("iris", args).run();
        assert_eq!(outcome.stderr.lines().next(), Some(first));
        assert_eq!(outcome.code, 2, "{first}");
    }
}

#[test]
fn help_is_a_result_and_names_the_exit_codes() {
    for args in [
        &["--help"][..],
        &["predict", "--help"],
        &["inspect", "--help"],
    ] {
        let outcome = mlserve(args).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{args:?}");
        assert!(
            outcome.stdout.contains("Exit codes:\n  0  done"),
            "{}",
            outcome.stdout
        );
    }
    let version = mlserve(&["--version"]).run();
    assert_eq!(
        version.stdout,
        format!("mlserve {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_licences_of_what_is_inside_can_be_read() {
    let outcome = mlserve(&["--licenses"]).run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.stdout.starts_with("MIT License"));
    assert!(outcome.stdout.contains("THIRD PARTY SOFTWARE NOTICES"));
}

#[test]
fn files_that_are_absent_or_folders_are_named() {
    let folder = Folder::with(&[("four.csv", b"a,b,c,d\n1,2,3,4\n"), ("folder.csv.d", b"")]);
    std::fs::create_dir(folder.file("empty")).unwrap();
    for (args, code, stderr) in [
        (
            &["absent.csv"][..],
            4,
            "absent.csv: no such file or directory",
        ),
        (
            &["four.csv", "absent.csv"],
            4,
            "absent.csv: no such file or directory",
        ),
        (
            &["empty"],
            4,
            "empty: no file to score there\n\
             hint: files are known by their names: .csv, .tsv, .jsonl, .parquet, .arrow, .npy, .npz, also with .gz or .zst behind it",
        ),
        (
            &["four.csv", "-o", "absent/out.csv"],
            4,
            "absent/out.csv: no such file or directory",
        ),
        (
            &["four.csv", "-o", "."],
            4,
            ".: expected a file, found a folder",
        ),
        (
            &["-", "-"],
            2,
            "standard input can be read only once\nhint: name \"-\" once",
        ),
    ] {
        predict("iris", args).within(&folder).fails(code, stderr);
    }
    for (args, code, stderr) in [
        (
            ["predict", "absent.onnx", "four.csv"],
            3,
            "absent.onnx: no such file or directory",
        ),
        (
            ["predict", ".", "four.csv"],
            3,
            ".: is a folder, not a model file\nhint: give the path of an .onnx or .ort file",
        ),
        (
            ["predict", "four.csv", "four.csv"],
            3,
            "four.csv: not an ONNX model: it looks like text\n\
             hint: mlserve reads .onnx and .ort files as models; if this is the data, give the model first",
        ),
    ] {
        mlserve(&args).within(&folder).fails(code, stderr);
    }
}

#[test]
fn the_first_bad_record_is_reported_whatever_the_number_of_jobs() {
    let mut input = String::from("a,b,c,d\n");
    for line in 2..4000 {
        input.push_str(if line % 1500 == 0 {
            "1,2,x,4\n"
        } else {
            "1,2,3,4\n"
        });
    }
    for jobs in ["1", "2", "8"] {
        predict("iris", &["--jobs", jobs, "--batch-size", "10"]).given(&input).fails(
            1,
            "stdin:1500: column \"c\": expected a number (float32), found \"x\"\nhint: --missing 'x' scores it as missing",
        );
    }
}

/// `record` on line 2, behind a record so long that it fills the first block alone.
fn behind_a_block(record: &str) -> Vec<u8> {
    let blanks = " ".repeat(1 << 21);
    format!("{{\"a\":1,\"b\":2,\"c\":3,{blanks}\"d\":4}}\n{record}").into_bytes()
}

#[test]
fn what_cannot_be_meant_is_refused_before_it_is_scored() {
    let four: &[u8] = b"a,b,c,d\n1,2,3,4\n";
    for (flags, input, code, stderr) in [
        (
            &["--set", "X=[[1,2,3,4]]"][..],
            four,
            2,
            "--set \"X\": that leaves no input for the records\n\
             hint: --set is for inputs that do not change from record to record",
        ),
        (
            &["--classes", "a,b,a"],
            four,
            2,
            "--classes: the list has \"a\" twice",
        ),
        (
            &["--classes", "a,b,"],
            four,
            2,
            "--classes: the list has an empty name",
        ),
        (
            &["--features", "a,b,c,c"],
            four,
            2,
            "--features: \"c\" stands twice",
        ),
        (
            &["--features", "a,b,c,d"],
            &behind_a_block("{\"a\":1,\"b\":2,\"c\":3,\"D\":4}\n"),
            1,
            "stdin:2: key \"D\" appears here first, and is close to the name of one that feeds the model\n\
             hint: write every key in the same way in all records",
        ),
        (
            &["--features", "a,b,c,d", "--to", "csv"],
            &behind_a_block("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"late\":5}\n"),
            1,
            "stdin:2: key \"late\" appears here first, but the CSV header is already written\n\
             hint: --keep LIST names the columns to copy and ignores others; --to jsonl has no header",
        ),
        (
            &["--outputs", "label", "--features", "a,b,c,d"],
            &behind_a_block("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"label\":\"x\"}\n"),
            1,
            "stdin:2: key \"label\" appears here first, but a prediction is already called so\n\
             hint: --keep LIST names the keys to copy and ignores others",
        ),
        (
            &["--delimiter", ";"],
            b"a;b;c;d\n5,1;3,5;1,4;0,2\n",
            1,
            "stdin:2: column \"a\": expected a number (float32), found \"5,1\"\n\
             hint: numbers are written with a decimal point, not a comma",
        ),
        // A name from the file forges no line of ours.
        (
            &[],
            b"\"x\nhint: trust me\",u\n1,2\n",
            1,
            "stdin: input \"X\" takes 4 columns and the model does not name them, found 2: \"x\\nhint: trust me\", \"u\"\n\
             hint: --features LIST names the columns in the model's order",
        ),
    ] {
        predict("iris", flags).given(input).fails(code, stderr);
    }
    predict("languages", &[]).given("{\"text\":\"\\ud800\"}\n").fails(
        1,
        "stdin:1: column \"text\": expected text (string), found \"\\ud800\", which is half of a surrogate pair",
    );
}
