//! `mlserve inspect --ops`, `--weights`...: the parts of a model in depth.

use serde_json::{Value as Json, json};

use crate::run::mlserve;

const PARTS: &str = "tests/corpus/inspect/parts.onnx";

/// What `mlserve inspect` prints with these arguments, held to success and silence.
#[track_caller]
fn inspect(args: &[&str]) -> String {
    let outcome = mlserve(&[&["inspect"], args].concat()).run();
    assert_eq!(outcome.stderr, "", "{args:?}");
    assert_eq!(outcome.code, 0, "{args:?}");
    outcome.stdout
}

#[track_caller]
fn report(args: &[&str]) -> Json {
    serde_json::from_str(&inspect(&[args, &["--json"]].concat())).expect("JSON")
}

#[track_caller]
fn assert_lines(args: &[&str], lines: &[&str]) {
    let text = inspect(args);
    for line in lines {
        assert!(text.lines().any(|l| l == *line), "{line}\nin\n{text}");
    }
}

/// Whether both are the same, floats within the last bits.
fn near(found: &Json, expected: f64) -> bool {
    let found = found.as_f64().unwrap_or(f64::NAN);
    (found - expected).abs() <= 1e-12 * expected.abs()
}

#[test]
fn operators_say_whether_the_runtime_has_them() {
    assert_lines(
        &[PARTS, "--ops"],
        &[
            "OPERATOR          DOMAIN      OPSET  SINCE  COUNT               RUNTIME",
            "Identity          ai.onnx     21     21     2 (2 in subgraphs)  yes",
            "Add               ai.onnx     21     14     1 (1 in functions)  yes",
            "Foo               my.company  3      -      1                   only in a runtime built with this domain",
            "HardSwish         ai.onnx     21     14     1                   yes, made of other operators",
            "Twice             my.local    1      -      1                   a function of this model",
            "Upsample          ai.onnx     21     10     1                   deprecated in this opset",
            "note: ONNX Runtime 1.32.0 lacks Foo, Upsample",
        ],
    );
    let ops = &report(&[PARTS, "--ops"])["ops"];
    assert_eq!(
        (&ops["runtime"], &ops["lacking"]),
        (&json!("1.32.0"), &json!(2))
    );
    let identity = json!({
        "domain": "ai.onnx",
        "name": "Identity",
        "count": 2,
        "in_subgraphs": 2,
        "in_functions": 0,
        "opset": 21,
        "since": 21,
        "support": "kernel",
    });
    assert_eq!(ops["operators"][0], identity);
}

#[test]
fn operators_that_the_runtime_refuses_are_among_those_it_lacks() {
    for (model, lacking) in [
        ("tests/corpus/broken/unknown_op.onnx", 1),
        ("tests/corpus/broken/unknown_standard_op.onnx", 1),
        ("tests/corpus/broken/opset_too_new.onnx", 1),
        ("models/languages.onnx", 0),
        ("tests/corpus/tree_ensemble_v5.onnx", 0),
        ("tests/corpus/iris.ort", 0),
    ] {
        assert_eq!(
            report(&[model, "--ops"])["ops"]["lacking"],
            lacking,
            "{model}"
        );
    }
}

#[test]
fn weights_are_what_numpy_says_of_them() {
    // Zeros, NaN, infinities, least, greatest, mean and deviation, as make_models.py prints them.
    let expected = [
        ("c", [0, 0, 0], [1.0, 4.5, 2.625, 1.293_010_054_098_575_2]),
        (
            "half",
            [3, 1, 1],
            [-2.25, 8.0, 1.208_333_333_333_333_3, 3.228_830_627_676_562],
        ),
        (
            "quantized",
            [0, 0, 0],
            [-114.0, 112.0, 21.833_333_333_333_332, 73.479_967_035_618_33],
        ),
        (
            "scale",
            [0, 0, 0],
            [
                0.125,
                0.5,
                0.291_666_666_666_666_7,
                0.155_902_391_115_580_88,
            ],
        ),
    ];
    let report = report(&[PARTS, "--weights"]);
    let weights = &report["weights"];
    let list = weights["list"].as_array().unwrap();
    for (name, counts, numbers) in expected {
        let weight = list.iter().find(|weight| weight["name"] == name).unwrap();
        let stats = &weight["stats"];
        let found = ["zeros", "nans", "infinities"].map(|key| stats[key].as_u64());
        assert_eq!(found, counts.map(Some), "{name}");
        for (key, number) in ["min", "max", "mean", "deviation"].into_iter().zip(numbers) {
            assert!(near(&stats[key], number), "{name} {key}: {}", stats[key]);
        }
    }
    assert_eq!(
        (&weights["nans"], &weights["infinities"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        list.iter()
            .find(|weight| weight["name"] == "quantized")
            .unwrap()["quantized"],
        json!({"by": "DequantizeLinear", "scale": "axis 1"})
    );
    assert_eq!(list[0]["constant"], true);
    assert_eq!(list[1]["part"], "subgraph");
    for key in ["elements", "bytes"] {
        let whole = [&report["parameters"], &report["weight_bytes"]];
        assert!(whole.contains(&&weights[key]), "{key}");
    }
}

#[test]
fn weights_say_what_is_wrong_with_them_and_who_reads_them() {
    assert_lines(
        &[PARTS, "--weights"],
        &[
            "NAME       DTYPE    SHAPE   BYTES  ZEROS  MIN     MAX     MEAN     READ BY",
            "half       float16  [8]     16 B   38 %   -2.250  8       1.208    nothing here",
            "quantized  int8     [4, 3]  12 B   0      -114    112     21.83    DequantizeLinear, a scale for each index of axis 1",
            "four       int4     [5]     3 B    20 %   -8      7       -0.2000  nothing here",
            "names      string   [2]     0 B    -      -       -       -        nothing here",
            "warning: weights \"half\": 1 NaN and 1 infinite of 8 values",
        ],
    );
    assert_lines(
        &[PARTS, "--weights", "--top", "1"],
        &["and 7 more; --top 8 or --json shows them all"],
    );
    let external = report(&["tests/corpus/ext.onnx", "--weights"]);
    let weight = &external["weights"]["list"][0];
    assert_eq!(weight["external"], "ext.onnx.data");
    assert!(weight["stats"]["max"].is_f64(), "{weight}");
    let missing = report(&["tests/corpus/broken/missing_ext.onnx", "--weights"]);
    let problem = &missing["weights"]["list"][0]["problem"];
    assert_eq!(
        problem,
        "external data \"missing_ext.onnx.data\" cannot be used"
    );
    for evil in ["evil_ext", "evil_ext_abs", "evil_ext_link"] {
        let evil = report(&[&format!("tests/corpus/broken/{evil}.onnx"), "--weights"]);
        let list = evil["weights"]["list"].as_array().unwrap();
        assert!(
            list.iter().any(|weight| weight["stats"].is_null()),
            "{evil}"
        );
    }
}

#[test]
fn metadata_is_shown_in_full() {
    let text = inspect(&[PARTS, "--metadata"]);
    let expected = "\
tests/corpus/inspect/parts.onnx: ONNX, 932 B

METADATA
producer: make_models.py
producer_version:
  two
  lines
graph_name: parts
doc: all parts

METADATA OF THE AUTHOR
author:
  somebody
  else

DOCUMENTATION
input x: four measures
node product: x times w
graph branch: either way
graph branch: either way
";
    assert_eq!(text, expected);
    let docs = &report(&[PARTS, "--metadata"])["docs"];
    assert_eq!(
        docs[1],
        json!({"of": "node", "name": "product", "text": "x times w"})
    );
}

#[test]
fn parts_can_be_combined_and_nothing_of_them_reaches_the_terminal_raw() {
    let all = ["--ops", "--weights", "--metadata"];
    let model = "tests/corpus/evil_names.onnx";
    for json in [&[][..], &["--json"]] {
        let text = inspect(&[&[model][..], &all, json].concat());
        let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(raw), "{text:?}");
    }
    let text = inspect(&[&["models/digits.onnx"][..], &all].concat());
    let headings = ["OPERATORS", "WEIGHTS", "WEIGHTS BY DTYPE", "METADATA"];
    let found: Vec<&str> = text
        .lines()
        .filter(|line| headings.contains(line))
        .collect();
    assert_eq!(found, headings);
}
