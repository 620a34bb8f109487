//! Dirty data: what cannot be scored is set aside and told of, record by record, and all else is
//! scored as if it had not been there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::run::{Folder, Outcome, Program, predict};

const IRIS: [&str; 4] = ["--id", "id", "--outputs", "label"];
const AUTO_MPG: &str = "cyl,displ,hp,weight,accel,yr,origin,maker";
const PENGUIN: &str = "island,sex,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g";

/// Scores irises, whose predictions are their labels alone.
fn iris(args: &[&str]) -> Program {
    predict("iris", &[&IRIS, args].concat())
}

/// A run that sets records aside, in the folder `folder` where it writes `rejects.jsonl`.
struct Aside {
    folder: Folder,
    outcome: Outcome,
}

impl Aside {
    /// Scores `input` on standard input with `model`.
    #[track_caller]
    fn of(model: &str, args: &[&str], input: impl AsRef<[u8]>) -> Aside {
        let folder = Folder::with(&[]);
        let args = [args, &["--rejects", "rejects.jsonl"]].concat();
        let outcome = predict(model, &args).within(&folder).given(input).run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        Aside { folder, outcome }
    }

    /// Holds the output, standard error (without its first line, that of the speed) and the rejects
    /// to these.
    #[track_caller]
    fn gives(&self, output: &str, note: &str, rejects: &[&str]) {
        assert_eq!(self.outcome.stdout, output);
        let notes = self.outcome.notes();
        let (_, found) = notes.split_once('\n').unwrap();
        assert_eq!(found.trim_end(), note);
        let told = self.folder.read("rejects.jsonl");
        assert_eq!(told.lines().collect::<Vec<_>>(), rejects);
        assert!(told.is_empty() || told.ends_with('\n'));
    }
}

/// Dirty irises: one record of each kind of fault, and good ones around them.
const DIRTY: &str = "\
id,a,b,c,d
1,5.1,3.5,1.4,0.2
2,5.1,n/a,1.4,0.2
3,6.3,2.9,5.6,1.8
4,1,2,3
5,1,2,3,1e39
6,6.3,2.9,\"5.6\",1.8
7,\"6.3,2.9,5.6,1.8
8,5.1,3.5,1.4,0.2
";
const DIRTY_NOTE: &str = "1 not_a_number, 1 out_of_range, 1 unclosed_quote, 1 wrong_field_count; rejects.jsonl tells which";
const DIRTY_REJECTS: [&str; 4] = [
    r#"{"file":"stdin","line":3,"column":"b","code":"not_a_number","message":"column \"b\": expected a number (float32), found \"n/a\"","record":"2,5.1,n/a,1.4,0.2"}"#,
    r#"{"file":"stdin","line":5,"column":null,"code":"wrong_field_count","message":"expected 5 fields, found 4","record":"4,1,2,3"}"#,
    r#"{"file":"stdin","line":6,"column":"d","code":"out_of_range","message":"column \"d\": expected a number (float32), found \"1e39\", which is out of range","record":"5,1,2,3,1e39"}"#,
    r#"{"file":"stdin","line":8,"column":null,"code":"unclosed_quote","message":"a quote is opened in this record and never closed","record":"7,\"6.3,2.9,5.6,1.8"}"#,
];

#[test]
fn skip_leaves_the_records_out_and_null_leaves_them_empty() {
    let run = |args: &[&str]| Aside::of("iris", &[&IRIS, args].concat(), DIRTY);
    let left_out = format!("4 records left out: {DIRTY_NOTE}");
    run(&[]).gives(
        "id,label\n1,setosa\n3,virginica\n6,virginica\n8,setosa\n",
        &left_out,
        &DIRTY_REJECTS,
    );
    run(&["--on-error", "skip", "--to", "jsonl"]).gives(
        "{\"id\":\"1\",\"label\":\"setosa\"}\n{\"id\":\"3\",\"label\":\"virginica\"}\n\
         {\"id\":\"6\",\"label\":\"virginica\"}\n{\"id\":\"8\",\"label\":\"setosa\"}\n",
        &left_out,
        &DIRTY_REJECTS,
    );
    // What can be taken apart keeps its columns; what cannot keeps its place.
    let left_empty = format!("4 records left empty: {DIRTY_NOTE}");
    run(&["--on-error", "null"]).gives(
        "id,label\n1,setosa\n2,\n3,virginica\n,\n5,\n6,virginica\n,\n8,setosa\n",
        &left_empty,
        &DIRTY_REJECTS,
    );
    run(&["--on-error", "null", "--to", "jsonl"]).gives(
        "{\"id\":\"1\",\"label\":\"setosa\"}\n{\"id\":\"2\",\"label\":null}\n\
         {\"id\":\"3\",\"label\":\"virginica\"}\n{\"label\":null}\n{\"id\":\"5\",\"label\":null}\n\
         {\"id\":\"6\",\"label\":\"virginica\"}\n{\"label\":null}\n{\"id\":\"8\",\"label\":\"setosa\"}\n",
        &left_empty,
        &DIRTY_REJECTS,
    );
}

#[test]
fn without_kept_columns_an_empty_record_is_still_a_record() {
    iris(&["--on-error", "null", "--keep", "none", "--limit", "3"])
        .given(DIRTY)
        .prints("label\nsetosa\n\"\"\nvirginica\n");
    predict("iris", &["--id", "id", "--on-error", "null"])
        .given("id,a,b,c,d\n1,5.1,x,1.4,0.2\n")
        .prints("id,label,probabilities_setosa,probabilities_versicolor,probabilities_virginica\n1,,,,\n");
}

#[test]
fn the_first_record_may_be_the_broken_one() {
    iris(&["--on-error", "null"])
        .given("id,a,b,c,d\n\"1,5.1,3.5,1.4,0.2\n2,6.3,2.9,5.6,1.8\n")
        .prints("id,label\n,\n2,virginica\n");
    iris(&["--on-error", "null"])
        .given("[1]\n{\"id\":2,\"a\":6.3,\"b\":2.9,\"c\":5.6,\"d\":1.8}\n")
        .prints("{\"label\":null}\n{\"id\":2,\"label\":\"virginica\"}\n");
    // Without a header it is what tells how many columns there are.
    predict("iris", &["--no-header", "--on-error", "skip"])
        .given("\"5.1,3.5,1.4,0.2\n6.3,2.9,5.6,1.8\n")
        .fails(
            1,
            "stdin:1: a quote is opened in this record and never closed\n\
             hint: close it, or write a quote inside a quoted field as \"\"",
        );
}

#[test]
fn every_record_may_be_at_fault() {
    let aside = Aside::of("iris", &IRIS, "id,a,b,c,d\n1,x,2,3,4\n");
    aside.gives(
        "id,label\n",
        "1 record left out: 1 not_a_number; rejects.jsonl tells which",
        &[
            r#"{"file":"stdin","line":2,"column":"a","code":"not_a_number","message":"column \"a\": expected a number (float32), found \"x\"","record":"1,x,2,3,4"}"#,
        ],
    );
    let aside = Aside::of("iris", &IRIS, "id,a,b,c,d\n1,5.1,3.5,1.4,0.2\n");
    assert_eq!(aside.outcome.notes(), "1 row in _ s (_ rows/s)\n");
    assert_eq!(aside.folder.read("rejects.jsonl"), "");
}

#[test]
fn integers_and_texts_have_their_own_reasons() {
    let cars = format!(
        "id,{AUTO_MPG}\n1,8,350,165,3693,11.5,70,USA,buick\n2,,350,165,3693,11.5,70,USA,buick\n\
         3,8.5,350,165,3693,11.5,70,USA,buick\n4,8,350,165,3693,11.5,9223372036854775808,USA,buick\n"
    );
    let aside = Aside::of("auto_mpg", &["--on-error", "null", "--id", "id"], cars);
    let ids = aside
        .outcome
        .stdout
        .lines()
        .map(|line| line.split_once(','));
    let ids: Vec<_> = ids
        .map(|cut| cut.map(|(id, rest)| (id, rest.is_empty())))
        .collect();
    assert_eq!(
        ids,
        [
            Some(("id", false)),
            Some(("1", false)),
            Some(("2", true)),
            Some(("3", true)),
            Some(("4", true))
        ]
    );
    assert_eq!(
        aside.folder.read("rejects.jsonl"),
        r#"{"file":"stdin","line":3,"column":"cyl","code":"missing","message":"column \"cyl\": expected an integer (int64), found nothing","record":"2,,350,165,3693,11.5,70,USA,buick"}
{"file":"stdin","line":4,"column":"cyl","code":"not_an_integer","message":"column \"cyl\": expected an integer (int64), found \"8.5\"","record":"3,8.5,350,165,3693,11.5,70,USA,buick"}
{"file":"stdin","line":5,"column":"yr","code":"out_of_range","message":"column \"yr\": expected an integer (int64), found \"9223372036854775808\", which is out of range","record":"4,8,350,165,3693,11.5,9223372036854775808,USA,buick"}
"#
    );
    let birds = [
        format!("{PENGUIN}\n").as_bytes(),
        b"Dream,male,40,18,190,3700\nDr\0eam,male,40,18,190,3700\n\xcele,male,40,18,190,3700\n",
    ]
    .concat();
    let aside = Aside::of("penguins", &["--outputs", "output_label"], birds);
    aside.gives(
        "output_label\nAdelie\n",
        "2 records left out: 1 has_nul, 1 not_utf8; rejects.jsonl tells which",
        &[
            r#"{"file":"stdin","line":3,"column":"island","code":"has_nul","message":"column \"island\": expected text (string), found \"Dr\u0000eam\", which holds a NUL character","record":"Dr\u0000eam,male,40,18,190,3700"}"#,
            "{\"file\":\"stdin\",\"line\":4,\"column\":\"island\",\"code\":\"not_utf8\",\"message\":\"column \\\"island\\\": expected text (string), found \\\"\u{fffd}le\\\", which is not UTF-8\",\"record\":\"\u{fffd}le,male,40,18,190,3700\"}",
        ],
    );
}

#[test]
fn objects_have_their_own_reasons() {
    let lines = r#"{"id":1,"a":5.1,"b":3.5,"c":1.4,"d":0.2}
{"id":2,"a":5.1,"b":3.5,"c":1.4,"d":0.2
[5.1,3.5,1.4,0.2]

{"id":4,"a":6.3,"a":6.3,"b":2.9,"c":5.6,"d":1.8}
{"id":5,"a":"6.3","b":2.9,"c":5.6,"d":1.8}
{"id":6,"a":true,"b":2.9,"c":5.6,"d":1.8}
{"id":7,"a":6.3,"b":2.9,"c":5.6,"d":1.8}
"#;
    let rejects = [
        r#"{"file":"stdin","line":2,"column":null,"code":"not_json","message":"the JSON object ends in the middle of the line","record":"{\"id\":2,\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2"}"#,
        r#"{"file":"stdin","line":3,"column":null,"code":"not_an_object","message":"expected a JSON object, found a list","record":"[5.1,3.5,1.4,0.2]"}"#,
        r#"{"file":"stdin","line":5,"column":null,"code":"double_key","message":"key \"a\" stands twice in one object","record":"{\"id\":4,\"a\":6.3,\"a\":6.3,\"b\":2.9,\"c\":5.6,\"d\":1.8}"}"#,
        r#"{"file":"stdin","line":6,"column":"a","code":"quoted_number","message":"column \"a\": expected a number (float32), found \"6.3\"","record":"{\"id\":5,\"a\":\"6.3\",\"b\":2.9,\"c\":5.6,\"d\":1.8}"}"#,
        r#"{"file":"stdin","line":7,"column":"a","code":"not_a_number","message":"column \"a\": expected a number (float32), found true","record":"{\"id\":6,\"a\":true,\"b\":2.9,\"c\":5.6,\"d\":1.8}"}"#,
    ];
    let note = "1 double_key, 1 not_a_number, 1 not_an_object, 1 not_json, 1 quoted_number; rejects.jsonl tells which";
    let run = |args: &[&str]| Aside::of("iris", &[&IRIS, args].concat(), lines);
    run(&[]).gives(
        "{\"id\":1,\"label\":\"setosa\"}\n{\"id\":7,\"label\":\"virginica\"}\n",
        &format!("5 records left out: {note}"),
        &rejects,
    );
    run(&["--on-error", "null", "--to", "csv"]).gives(
        "id,label\n1,setosa\n,\n,\n,\n5,\n6,\n7,virginica\n",
        &format!("5 records left empty: {note}"),
        &rejects,
    );
}

/// Three batches of passengers, of which those at `guilty` are of a class that the model never saw.
fn passengers(guilty: &[usize]) -> String {
    let mut text = "id,class,sex,age\n".to_owned();
    for id in 0..2500 {
        let class = if guilty.contains(&id) {
            "crew"
        } else {
            ["1st", "2nd", "3rd"][id % 3]
        };
        let sex = ["male", "female"][id % 2];
        text.push_str(&format!("{id},{class},{sex},{}\n", id % 70));
    }
    text
}

#[test]
fn of_a_batch_that_the_model_refuses_exactly_the_guilty_records_are_set_aside() {
    let guilty = [0, 5, 1023, 1024, 1700, 1701, 2499];
    let clean = predict("titanic", &["--id", "id"])
        .given(passengers(&[]))
        .run();
    let reject = |id: usize| {
        let sex = ["male", "female"][id % 2];
        format!(
            "{{\"file\":\"stdin\",\"line\":{},\"column\":null,\"code\":\"refused\",\
             \"message\":\"ONNX Runtime failed on this record: Unknown Category and zeros = 0\",\
             \"record\":\"{id},crew,{sex},{}\"}}",
            id + 2,
            id % 70
        )
    };
    let rejects: Vec<String> = guilty.iter().map(|id| reject(*id)).collect();
    for (on_error, empty, what) in [("skip", "", "left out"), ("null", ",,,\n", "left empty")] {
        let args = ["--id", "id", "--on-error", on_error];
        let aside = Aside::of("titanic", &args, passengers(&guilty));
        let expected = clean.stdout.lines().map(|line| {
            let id = line.split(',').next().unwrap_or_default();
            match id.parse::<usize>() {
                Ok(number) if guilty.contains(&number) && empty.is_empty() => String::new(),
                Ok(number) if guilty.contains(&number) => format!("{id}{empty}"),
                _ => format!("{line}\n"),
            }
        });
        aside.outcome.assert_stdout(&expected.collect::<String>());
        assert_eq!(
            aside.outcome.notes(),
            format!(
                "2,500 rows in _ s (_ rows/s)\n7 records {what}: 7 refused; rejects.jsonl tells which\n"
            )
        );
        let told = aside.folder.read("rejects.jsonl");
        assert_eq!(told.lines().collect::<Vec<_>>(), rejects);
    }
    predict("titanic", &[]).given(passengers(&[7])).fails(
        1,
        "stdin:9: ONNX Runtime failed on this record: Unknown Category and zeros = 0\n\
         hint: the model itself refuses this record: a category that it has not seen in training, or a value out of its range",
    );
}

// --- Budget and places

#[test]
fn too_many_rejects_end_the_run_without_output_and_with_what_is_known() {
    for (most, code, stderr, told) in [
        ("4", 0, "", 4),
        (
            "2",
            1,
            "more than 2 records could not be scored (--max-errors 2)\nhint: bad.jsonl tells which, and why\n",
            3,
        ),
        (
            "1",
            1,
            "more than 1 record could not be scored (--max-errors 1)\nhint: bad.jsonl tells which, and why\n",
            3,
        ),
        ("50%", 0, "", 4),
        (
            "49.9%",
            1,
            "4 of 8 records could not be scored, more than 49.9% (--max-errors 49.9%)\nhint: bad.jsonl tells which, and why\n",
            4,
        ),
    ] {
        let folder = Folder::with(&[("dirty.csv", DIRTY.as_bytes())]);
        let args = ["dirty.csv", "-o", "out.csv", "--rejects", "bad.jsonl", "-q"];
        let outcome = iris(&[&args[..], &["--max-errors", most]].concat())
            .within(&folder)
            .run();
        assert_eq!(outcome.code, code, "{most}");
        assert_eq!(outcome.stderr, stderr, "{most}");
        // The block that spends the budget is told of whole.
        assert_eq!(folder.read("bad.jsonl").lines().count(), told, "{most}");
        let output = if code == 0 { &["out.csv"][..] } else { &[] };
        let expected = [&["bad.jsonl", "dirty.csv"], output].concat();
        assert_eq!(folder.names(), expected, "{most}");
    }
    iris(&["--max-errors", "0"]).given(DIRTY).fails(
        1,
        "more than 0 records could not be scored (--max-errors 0)\nhint: --rejects FILE tells which, and why",
    );
}

#[test]
fn a_budget_that_is_spent_stops_the_reading() {
    let mut child = iris(&[
        "--max-errors",
        "10",
        "--rejects",
        "/dev/null",
        "-o",
        "/dev/null",
    ])
    .command()
    .spawn()
    .unwrap();
    // The pipe stays open: only the budget can end this run.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"id,a,b,c,d\n").unwrap();
    let wrong = b"1,x,2,3,4\n".repeat(1000);
    while input.write_all(&wrong).is_ok() {}
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_run_that_never_was_leaves_no_files() {
    for (args, code) in [
        (["--id", "nope"], 2),
        (["--keep", "nope"], 2),
        (["--set", "x=1"], 2),
    ] {
        let folder = Folder::with(&[("dirty.csv", DIRTY.as_bytes())]);
        let files = ["dirty.csv", "-o", "out.csv", "--rejects", "bad.jsonl"];
        let outcome = predict("iris", &[&files[..], &args].concat())
            .within(&folder)
            .run();
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        assert_eq!(folder.names(), ["dirty.csv"]);
    }
}

#[test]
fn rejects_and_predictions_are_kept_apart() {
    iris(&["--rejects", "-"]).given(DIRTY).fails(
        2,
        "standard output and --rejects would go to the same place",
    );
    iris(&["--rejects", "./x.csv", "-o", "x.csv"])
        .given(DIRTY)
        .fails(2, "-o and --rejects would go to the same place");
    for (flag, value) in [("--rejects", "x.jsonl"), ("--max-errors", "3")] {
        iris(&["--on-error", "fail", flag, value])
            .given(DIRTY)
            .fails(
                2,
                &format!(
                    "{flag} has nothing to tell of where --on-error fail ends the run\n\
                 hint: --on-error skip or null sets records aside"
                ),
            );
    }
    let folder = Folder::with(&[]);
    let outcome = iris(&["--rejects", "-", "-o", "out.csv"])
        .within(&folder)
        .given(DIRTY)
        .run();
    assert_eq!(outcome.stdout.lines().collect::<Vec<_>>(), DIRTY_REJECTS);
    assert!(
        outcome.stderr.ends_with("; stdout tells which\n"),
        "{}",
        outcome.stderr
    );
}

// --- Lengths

#[test]
fn a_record_that_is_too_long_costs_its_first_line() {
    let input = "id,a,b,c,d\n1,5.1,3.5,1.4,0.2\n20000000,5.1,3.5,1.4,0.2\n\"3\n4\n5\n6\n7\n8\n9\n10\n11\n12\",1\n4,6.3,2.9,5.6,1.8\n";
    let args = [&IRIS[..], &["--max-record-bytes", "20"]].concat();
    let aside = Aside::of("iris", &args, input);
    assert_eq!(aside.outcome.stdout, "id,label\n1,setosa\n4,virginica\n");
    let told = aside.folder.read("rejects.jsonl");
    let mut told = told.lines();
    for (line, record) in [(3, "20000000,5.1,3.5,1.4,0.2"), (4, "\\\"3")] {
        let expected = format!(
            "{{\"file\":\"stdin\",\"line\":{line},\"column\":null,\"code\":\"record_too_long\",\
             \"message\":\"a record of more than 20 bytes\",\"record\":\"{record}\"}}"
        );
        assert_eq!(told.next(), Some(expected.as_str()));
    }
    // The other lines of the long one are taken for records: a quote that is never closed is the
    // likelier reason.
    assert_eq!(
        told.filter(|line| line.contains("wrong_field_count"))
            .count(),
        9
    );
    // The same in JSON, where every line is a record.
    let input = "{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\n{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.20000}\n";
    predict("iris", &["--outputs", "label", "--max-record-bytes", "35"])
        .given(input)
        .fails(
            1,
            "stdin:2: a record of more than 35 bytes\nhint: --max-record-bytes N allows longer ones",
        );
}

#[test]
fn a_cell_of_a_hundred_megabytes_is_copied_or_set_aside() {
    let cell = vec![b'x'; 100_000_000];
    let kept = [
        b"id,a,b,c,d\n1,5.1,3.5,1.4,0.2\n",
        &cell[..],
        b",6.3,2.9,5.6,1.8\n",
    ]
    .concat();
    let outcome = iris(&[]).given(kept).run();
    let expected = [b"id,label\n1,setosa\n", &cell[..], b",virginica\n"].concat();
    assert!(outcome.bytes == expected, "{}", outcome.stderr);
    let used = [
        b"id,a,b,c,d\n1,",
        &cell[..],
        b",3.5,1.4,0.2\n2,6.3,2.9,5.6,1.8\n",
    ]
    .concat();
    let outcome = iris(&["--on-error", "skip"]).given(used).run();
    assert_eq!(outcome.stdout, "id,label\n2,virginica\n");
    assert_eq!(
        outcome.notes(),
        "2 rows in _ s (_ rows/s)\n1 record left out: 1 not_a_number; --rejects FILE tells which\n"
    );
}

#[test]
fn a_hundred_thousand_columns_are_as_good_as_four() {
    let names: Vec<String> = (4..100_000).map(|number| format!("k{number}")).collect();
    let header = format!("{},a,b,c,d\n", names.join(","));
    let record = format!("{}5.1,3.5,1.4,0.2\n", "7,".repeat(names.len()));
    let args = [
        "--features",
        "a,b,c,d",
        "--keep",
        "k7,k99999",
        "--outputs",
        "label",
    ];
    predict("iris", &args)
        .given([header.as_str(), &record, &record].concat())
        .prints("k7,k99999,label\n7,7,setosa\n7,7,setosa\n");
    let members: String = names.iter().map(|name| format!("\"{name}\":7,")).collect();
    let object = format!("{{{members}\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}}\n");
    let line = "{\"k7\":7,\"k99999\":7,\"label\":\"setosa\"}\n";
    predict("iris", &args)
        .given(object.repeat(2))
        .prints(&line.repeat(2));
}

// --- Encodings and line ends

#[test]
fn text_of_any_encoding_comes_out_as_utf8() {
    let text = "id,a,b,c,d\ngröße 漢😀,5.1,3.5,1.4,0.2\n";
    let marked = format!("\u{feff}{text}");
    let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (args, input) in [
        (&[][..], marked.as_bytes()),
        (&[], &little),
        (&[], &big),
        // The mark tells more than the flag.
        (&["--encoding", "latin1"], &little),
        (&["--encoding", "latin1"], marked.as_bytes()),
        (&["--encoding", "utf-16le"], &little[2..]),
    ] {
        iris(args)
            .given(input)
            .prints("id,label\ngröße 漢😀,setosa\n");
    }
    let latin1 = b"id,a,b,c,d\ngr\xf6\xdfe,5.1,3.5,1.4,0.2\n";
    for label in ["latin1", "ISO-8859-1", "windows-1252"] {
        iris(&["--encoding", label])
            .given(latin1)
            .prints("id,label\ngröße,setosa\n");
    }
    iris(&["--encoding", "klingon"]).given(latin1).fails(
        2,
        "--encoding klingon: there is no such encoding\nhint: such as utf-8, latin1, windows-1252, utf-16le, shift_jis",
    );
    // More than is read at once, in characters of every length.
    let record = "é漢😀,5.1,3.5,1.4,0.2\n".repeat(60_000);
    let text = format!("\u{feff}id,a,b,c,d\n{record}");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let outcome = iris(&["-q"]).given(wide).run();
    assert_eq!(outcome.stderr, "");
    let expected = format!("id,label\n{}", "é漢😀,setosa\n".repeat(60_000));
    assert!(outcome.stdout == expected);
}

#[test]
fn text_that_is_not_in_its_encoding_is_an_error_with_its_place() {
    let half = b"\xff\xfei\0d\0\x00\xd8\n\0";
    iris(&[])
        .given(half)
        .fails(1, "stdin: byte 6 is not UTF-16LE text");
    iris(&["--encoding", "shift_jis"])
        .given(b"id,a,b,c,d\n\x83\xff,1,2,3,4\n")
        .fails(1, "stdin: byte 11 is not Shift_JIS text");
}

#[test]
fn bytes_that_are_no_text_are_copied_where_nobody_reads_them() {
    let input = b"id,a,b,c,d\n\xff\xfe\0caf\xe9,5.1,3.5,1.4,0.2\n\"\0\xe9\n\",6.3,2.9,5.6,1.8\n\xef\xbb\xbfx,5.1,3.5,1.4,0.2\n";
    let outcome = iris(&[]).given(input).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(
        outcome.bytes,
        b"id,label\n\xff\xfe\0caf\xe9,setosa\n\"\0\xe9\n\",virginica\n\xef\xbb\xbfx,setosa\n"
    );
    // JSON cannot hold them; that record alone is set aside, and NUL has an escape.
    let aside = Aside::of(
        "iris",
        &[&IRIS[..], &["--to", "jsonl"]].concat(),
        b"id,a,b,c,d\ncaf\xe9,5.1,3.5,1.4,0.2\n\0,6.3,2.9,5.6,1.8\n",
    );
    aside.gives(
        "{\"id\":\"\\u0000\",\"label\":\"virginica\"}\n",
        "1 record left out: 1 not_utf8; rejects.jsonl tells which",
        &["{\"file\":\"stdin\",\"line\":2,\"column\":null,\"code\":\"not_utf8\",\"message\":\"a field to be copied is not UTF-8, which the output cannot hold\",\"record\":\"caf\u{fffd},5.1,3.5,1.4,0.2\"}"],
    );
}

#[test]
fn a_nul_in_a_number_is_no_number() {
    iris(&[]).given(b"id,a,b,c,d\n1,5.1\0,3.5,1.4,0.2\n").fails(
        1,
        "stdin:2: column \"a\": expected a number (float32), found \"5.1\\x00\"\nhint: --missing '5.1\\x00' scores it as missing",
    );
}

#[test]
fn all_line_ends_are_line_ends() {
    let lines = [
        "id,a,b,c,d",
        "1,5.1,3.5,1.4,0.2",
        "\"two\nlines\",6.3,2.9,5.6,1.8",
        "3,x,2,3,4",
        "4,5.1,3.5,1.4,0.2",
    ];
    // Of the reject: behind a quoted cell with a line end of its own.
    let reject = r#"{"file":"stdin","line":5,"column":"a","code":"not_a_number","message":"column \"a\": expected a number (float32), found \"x\"","record":"3,x,2,3,4"}"#;
    for ends in [
        ["\n"; 5],
        ["\r\n"; 5],
        ["\r"; 5],
        ["\n", "\r", "\r\n", "\r", ""],
        ["\r", "\r\n", "\n", "\r\n", "\r"],
    ] {
        let input: String = lines
            .iter()
            .zip(ends)
            .map(|(line, end)| format!("{line}{end}"))
            .collect();
        Aside::of("iris", &IRIS, input).gives(
            "id,label\n1,setosa\n\"two\nlines\",virginica\n4,setosa\n",
            "1 record left out: 1 not_a_number; rejects.jsonl tells which",
            &[reject],
        );
    }
    let objects = "{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\r\n\r\n{\"a\":6.3,\"b\":2.9,\"c\":5.6,\"d\":1.8}\r\n";
    predict("iris", &["--outputs", "label"])
        .given(objects)
        .prints("{\"label\":\"setosa\"}\n{\"label\":\"virginica\"}\n");
}

// --- Compression

const HEADER: &[u8] = b"id,a,b,c,d\n";
const ONE: &[u8] = b"1,5.1,3.5,1.4,0.2\n";
const TWO: &[u8] = b"2,6.3,2.9,5.6,1.8\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

#[test]
fn compressed_input_is_read_by_what_it_is_whatever_its_name() {
    for (pack, extension) in [(gzip as fn(&[u8]) -> Vec<u8>, "gz"), (zstd, "zst")] {
        let whole = pack(&[HEADER, ONE, TWO].concat());
        // A record may begin in one member and end in the next.
        let (start, end) = ONE.split_at(5);
        let parts = [pack(HEADER), pack(start), pack(b""), pack(end), pack(TWO)].concat();
        for packed in [whole, parts] {
            let named = format!("data.csv.{extension}");
            let folder = Folder::with(&[(named.as_str(), &packed), ("data.csv", &packed)]);
            for input in [named.as_str(), "data.csv", "-"] {
                iris(&[input])
                    .within(&folder)
                    .given(&packed)
                    .prints("id,label\n1,setosa\n2,virginica\n");
            }
        }
    }
}

#[test]
fn broken_compression_is_an_error_of_the_data() {
    let text = [HEADER, &[ONE, TWO].concat().repeat(5000)].concat();
    for (packed, cut, garbage) in [
        (
            gzip(&text),
            "data: the gzip data ends too early",
            "data: broken gzip data: bytes behind its end that are no gzip",
        ),
        (
            zstd(&text),
            "data: the zstd data ends too early",
            "data: broken zstd data: Unknown frame descriptor",
        ),
    ] {
        let args = ["data", "-o", "out.csv", "--on-error", "skip", "-q"];
        let fails = |content: &[u8], stderr: &str| {
            let folder = Folder::with(&[("data", content)]);
            iris(&args).within(&folder).fails(1, stderr);
            assert_eq!(folder.names(), ["data"]);
        };
        fails(&packed[..packed.len() / 2], cut);
        fails(&packed[..packed.len() - 1], cut);
        fails(&packed[..5], cut);
        fails(&[&packed[..], b"garbage"].concat(), garbage);
    }
    // Zeros are what tapes and block stores leave behind the end of a file.
    iris(&[])
        .given([gzip(&[HEADER, ONE].concat()), vec![0; 512]].concat())
        .prints("id,label\n1,setosa\n");
}

/// What another program makes of a compressed file.
fn unpacked_by(program: &str, args: &[&str], folder: &Folder) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder.path())
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn compressed_output_is_read_by_other_programs() {
    const PYTHON: &str = "import gzip,sys; sys.stdout.write(gzip.open(sys.argv[1], 'rt').read())";
    // Several blocks, each a member of its own; and none at all.
    let records = [ONE, TWO].concat().repeat(70_000);
    let labels = format!("id,label\n{}", "1,setosa\n2,virginica\n".repeat(70_000));
    let rejects = format!("{}\n", DIRTY_REJECTS[0].replace("stdin", "bad.csv"));
    let bad: String = DIRTY
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    let folder = Folder::with(&[
        ("in.csv", &[HEADER, &records].concat()),
        ("bad.csv", bad.as_bytes()),
        ("empty.jsonl", b""),
    ]);
    for (input, output, expected) in [
        ("in.csv", "out.csv", labels.as_str()),
        ("empty.jsonl", "empty.jsonl", ""),
        ("bad.csv", "bad.csv", "id,label\n1,setosa\n"),
    ] {
        for extension in ["gz", "zst"] {
            let output = format!("{output}.{extension}");
            let rejected = format!("rejects.jsonl.{extension}");
            iris(&[input, "-o", &output, "--rejects", &rejected])
                .within(&folder)
                .prints("");
            let told = if input == "bad.csv" {
                rejects.as_str()
            } else {
                ""
            };
            for (file, text) in [(&output, expected), (&rejected, told)] {
                let found = match extension {
                    "gz" => unpacked_by("python3", &["-c", PYTHON, file], &folder),
                    _ => unpacked_by("zstd", &["-dcq", file], &folder),
                };
                // Neither program has to be there.
                assert!(found.is_none_or(|found| found == text), "{file}");
                if extension == "gz" {
                    let found = unpacked_by("gzip", &["-dc", file], &folder);
                    assert!(found.is_none_or(|found| found == text), "{file}");
                }
            }
        }
    }
    // And by ourselves.
    let args = [
        "--from",
        "csv",
        "--outputs",
        "label",
        "--features",
        "a,b,c,d",
    ];
    iris(&["in.csv", "--keep", "all", "-o", "all.csv.gz"])
        .within(&folder)
        .prints("");
    let outcome = predict("iris", &[&["all.csv.gz", "-q"], &args[..]].concat())
        .within(&folder)
        .run();
    assert_eq!(
        (outcome.code, outcome.stdout.lines().count()),
        (0, 140_001),
        "{}",
        outcome.stderr
    );
}

// --- Streams

/// A program kept open, that is told one line and answers with one.
#[track_caller]
fn converse(program: Program, lines: &[(&str, &[&str])]) {
    let mut command = program.command();
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for (line, answers) in lines {
        input.write_all(line.as_bytes()).unwrap();
        input.flush().unwrap();
        for answer in *answers {
            let mut found = String::new();
            output.read_line(&mut found).unwrap();
            assert_eq!(found, *answer);
        }
    }
    drop(input);
    let mut rest = String::new();
    assert_eq!(output.read_line(&mut rest).unwrap(), 0, "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_stream_answers_line_by_line() {
    converse(
        iris(&["--stream"]),
        &[
            ("id,a,b,c,d\n", &[]),
            ("1,5.1,3.5,1.4,0.2\n", &["id,label\n", "1,setosa\n"]),
            ("2,6.3,2.9,5.6,1.8\n", &["2,virginica\n"]),
            ("\"3\n", &[]),
            ("3\",5.1,3.5,1.4,0.2\n", &["\"3\n", "3\",setosa\n"]),
            ("4,6.3,", &[]),
            ("2.9,5.6,1.8\r\n", &["4,virginica\n"]),
            (
                "5,5.1,3.5,1.4,0.2\n6,6.3,2.9,5.6,1.8\n",
                &["5,setosa\n", "6,virginica\n"],
            ),
        ],
    );
    converse(
        iris(&["--stream"]),
        &[
            (
                "{\"id\":1,\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\n",
                &["{\"id\":1,\"label\":\"setosa\"}\n"],
            ),
            (
                "{\"id\":2,\"a\":6.3,\"b\":2.9,\"c\":5.6,\"d\":1.8}\n",
                &["{\"id\":2,\"label\":\"virginica\"}\n"],
            ),
            ("\n", &[]),
            (
                "{\"d\":0.2,\"c\":1.4,\"b\":3.5,\"a\":5.1}\n",
                &["{\"label\":\"setosa\"}\n"],
            ),
        ],
    );
    let alone = [
        "--stream",
        "--no-header",
        "--outputs",
        "label",
        "--jobs",
        "1",
    ];
    converse(
        predict("iris", &alone),
        &[
            ("5.1,3.5,1.4,0.2\n", &["setosa\n"]),
            ("6.3,2.9,5.6,1.8\n", &["virginica\n"]),
        ],
    );
}

#[test]
fn a_stream_goes_on_behind_what_it_cannot_score() {
    converse(
        iris(&["--stream", "--on-error", "null"]),
        &[
            ("id,a,b,c,d\n", &[]),
            ("1,5.1,3.5,1.4,0.2\n", &["id,label\n", "1,setosa\n"]),
            ("2,x,2.9,5.6,1.8\n", &["2,\n"]),
            ("3,6.3\n", &[",\n"]),
            ("4,6.3,2.9,5.6,1.8\n", &["4,virginica\n"]),
        ],
    );
}

#[test]
fn a_stream_with_a_limit_ends_with_it() {
    let mut child = iris(&["--stream", "--limit", "2"])
        .command()
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || output.next().transpose().unwrap();
    input.write_all(b"id,a,b,c,d\n1,5.1,3.5,1.4,0.2\n").unwrap();
    assert_eq!(next().as_deref(), Some("id,label"));
    assert_eq!(next().as_deref(), Some("1,setosa"));
    input
        .write_all(b"2,6.3,2.9,5.6,1.8\n3,6.3,2.9,5.6,1.8\n")
        .unwrap();
    assert_eq!(next().as_deref(), Some("2,virginica"));
    // The pipe is still open.
    assert_eq!(next(), None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(input);
}
