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
fn ensembles_are_what_onnx_says_of_their_lists() {
    // Counted in Python from the attributes that onnx reads.
    for (model, sizes, mean_depth, names, top, range) in [
        (
            "models/breast_cancer.onnx",
            [60, 420, 480, 7, 420, 30],
            4.783_333_333_333_333,
            ["LgbmClassifier", "LOGISTIC"],
            json!({"column": 21, "name": "worst texture", "splits": 45}),
            [20.174_999_237_060_547, 36.810_001_373_291_016],
        ),
        (
            "models/wine.onnx",
            [40, 280, 320, 3, 0, 13],
            3.0,
            ["label", "SOFTMAX"],
            json!({"column": 6, "name": null, "splits": 59}),
            [0.605_000_019_073_486_3, 4.505_000_114_440_918],
        ),
        (
            "models/diabetes.onnx",
            [50, 150, 200, 2, 0, 8],
            2.0,
            ["TreeEnsembleRegressor", "NONE"],
            json!({"column": 2, "name": null, "splits": 49}),
            [23.700_000_762_939_453, 38.0],
        ),
        (
            "tests/corpus/tree_ensemble_v5.onnx",
            [1, 1, 2, 1, 0, 1],
            1.0,
            ["Y", "NONE"],
            json!({"column": 0, "name": "x1", "splits": 1}),
            [0.1, 0.1],
        ),
    ] {
        let ensembles = &report(&[model, "--ensembles"])["ensembles"];
        let one = &ensembles[0];
        let features = one["features"].as_array().unwrap();
        let keys = ["trees", "questions", "leaves", "depth", "missing_to_yes"];
        let mut found: Vec<u64> = keys.iter().map(|key| one[key].as_u64().unwrap()).collect();
        found.push(features.len() as u64);
        assert_eq!(found, sizes, "{model}");
        assert!(near(&one["mean_depth"], mean_depth), "{model}: {one}");
        assert_eq!([&one["name"], &one["transform"]], names, "{model}");
        for key in ["column", "name", "splits"] {
            assert_eq!(features[0][key], top[key], "{model}: {key}");
        }
        let limits = [&features[0]["range"][0], &features[0]["range"][1]];
        for (found, expected) in limits.into_iter().zip(range) {
            assert!(near(found, expected), "{model}: {found}");
        }
    }
}

#[test]
fn ensembles_are_told_in_words() {
    assert_lines(
        &["models/breast_cancer.onnx", "--ensembles", "--top", "2"],
        &[
            "TreeEnsembleClassifier \"LgbmClassifier\"",
            "depth      7 at most, 4.8 on average",
            "leaves     480 (8.0 a tree)",
            "weights    -0.6777 to 0.2319",
            "asks       BRANCH_LEQ x420",
            "missing    goes to \"yes\" everywhere",
            "features   30 are asked for",
            "FEATURE               COLUMN  SPLITS  SHARE   THRESHOLDS",
            "worst texture         21      45      10.7 %  20.17 to 36.81",
            "and 28 more; --top 30 or --json shows them all",
        ],
    );
    assert_lines(
        &["models/iris.onnx", "--ensembles"],
        &["TREE ENSEMBLES", "none"],
    );
    let forest = report(&["tests/corpus/isolation_forest.onnx", "--ensembles"]);
    let second = &forest["ensembles"][1];
    assert_eq!(second["name"], "node_sample1_TreeEnsembleRegressor");
    assert_eq!(second["leaf_range"], json!([3.0, 18.0]));
}

#[test]
fn arithmetic_is_counted_from_shapes() {
    // By hand: 8x6x6 pixels of 1x3x3, 16x4x4 of 8x3x3, 256 to 10; Div of 64, Relu of 288 and 256.
    let report = report(&["models/digits.onnx", "--flops", "--batch", "1,100"]);
    let [one, hundred] = [&report["flops"][0], &report["flops"][1]];
    let macs = 8 * 6 * 6 * 9 + 16 * 4 * 4 * 72 + 256 * 10;
    assert_eq!(one["macs"], macs);
    assert_eq!(one["flops"], 2 * macs + 64 + 288 + 256);
    assert_eq!(
        (&hundred["batch"], &hundred["macs"]),
        (&json!(100), &json!(100 * macs))
    );
    assert_eq!(one["uncounted_nodes"], 0);
    let conv = json!({
        "domain": "ai.onnx",
        "name": "Conv",
        "count": 2,
        "uncounted": 0,
        "macs": 21_024,
        "flops": 42_048,
    });
    assert_eq!(one["operators"][0], conv);
    // 60 trees that are 287 questions deep together.
    let trees =
        &self::report(&["models/breast_cancer.onnx", "--flops", "--batch", "2"])["flops"][0];
    assert_eq!(
        (&trees["macs"], &trees["flops"]),
        (&json!(0), &json!(2 * 287))
    );
    assert_lines(
        &["models/digits.onnx", "--flops", "--batch", "1"],
        &[
            "ARITHMETIC OF A RUN OF 1 RECORD",
            "OPERATOR  COUNT  MACS    FLOPS   SHARE",
            "Conv      2      21.0 k  42.0 k  88.0 %",
            "all       7      23.6 k  47.8 k",
        ],
    );
    assert_lines(
        &[PARTS, "--flops"],
        &["note: not counted: Foo, If, Twice, Upsample"],
    );
}

#[test]
fn memory_is_the_most_that_is_alive_at_once() {
    // By hand, of float32: the input, what the first convolution gave and what the second gives; the
    // functions in between write over what they read.
    let report = report(&["models/digits.onnx", "--memory"]);
    let memory = &report["memory"];
    for (at, batch) in [(0, 1), (1, 1024)] {
        let of = &memory[at];
        assert_eq!(
            (&of["batch"], &of["weight_bytes"]),
            (&json!(batch), &json!(15_292))
        );
        assert_eq!(of["peak_bytes"], batch * 4 * (64 + 8 * 6 * 6 + 16 * 4 * 4));
        assert_eq!(of["peak_at"], "Conv \"node_conv2d_1\"");
        assert_eq!(of["unknown_values"], 0);
    }
    assert_lines(
        &["models/digits.onnx", "--memory"],
        &[
            "MEMORY OF A RUN (estimate)",
            "BATCH  WEIGHTS  VALUES AT MOST  BOTH     MOST AT",
            "1      15.3 kB  2.4 kB          17.7 kB  Conv \"node_conv2d_1\"",
        ],
    );
    let outcome = mlserve(&["inspect", "models/iris.onnx", "--memory", "--dim", "N=x"]).run();
    assert_eq!(outcome.code, 2);
    let message = "--dim N: expected a size such as 128, found \"x\"";
    assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
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
    let all = [
        "--ops",
        "--weights",
        "--ensembles",
        "--memory",
        "--flops",
        "--metadata",
    ];
    let model = "tests/corpus/evil_names.onnx";
    for json in [&[][..], &["--json"]] {
        let text = inspect(&[&[model][..], &all, json].concat());
        let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(raw), "{text:?}");
    }
    let text = inspect(&[&["models/digits.onnx"][..], &all].concat());
    let headings = [
        "OPERATORS",
        "WEIGHTS",
        "WEIGHTS BY DTYPE",
        "TREE ENSEMBLES",
        "MEMORY OF A RUN (estimate)",
        "ARITHMETIC OF A RUN OF 1 RECORD",
        "ARITHMETIC OF A RUN OF 1,024 RECORDS",
        "METADATA",
    ];
    let found: Vec<&str> = text
        .lines()
        .filter(|line| headings.contains(line))
        .collect();
    assert_eq!(found, headings);
}
