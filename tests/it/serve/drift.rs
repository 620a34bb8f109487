//! From a profile of the training data to the drift of what clients send.

use serde_json::Value;

use crate::client::{get, post};
use crate::run::{Folder, mlserve, predict};

use super::Serving;

/// The sample's records, their third feature as `change` makes it.
fn records(change: impl Fn(f64) -> f64) -> Vec<String> {
    let text = crate::run::repository_file("sample_data/iris.csv");
    let record = |line: &str| {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        fields[2] = format!("{:.1}", change(fields[2].parse().unwrap()));
        format!("[{}]", fields.join(","))
    };
    text.lines().skip(1).map(record).collect()
}

/// The iris model, held against a profile of its sample data.
fn against_sample(folder: &Folder) -> Serving {
    let profile = folder.file("profile.json").display().to_string();
    let flags = ["-q", "-o", "/dev/null", "--profile", &profile];
    let made = predict("iris", &[&["sample_data/iris.csv"], &flags[..]].concat()).run();
    assert_eq!(made.code, 0, "{}", made.stderr);
    Serving::with(&[
        "--baseline",
        &profile,
        "--drift-window",
        "1000",
        "--log",
        "none",
    ])
}

/// What is told of the drift after each of `records` was asked for ten times.
fn indices(serving: &Serving, records: &[String]) -> Value {
    let mut client = serving.connect();
    for _ in 0..10 {
        for record in records {
            client.send(post("/predict", "", record.as_bytes()));
            assert_eq!(client.reply().status, 200);
        }
    }
    client.send(get("/models/iris/drift"));
    serde_json::from_str(&client.reply().text()).unwrap()
}

/// The indices are NumPy's, of the sample's counts in the deciles of the sample.
#[test]
fn records_that_moved_are_told_from_those_that_did_not() {
    let folder = Folder::with(&[]);
    let serving = against_sample(&folder);
    let same = indices(&serving, &records(|length| length));
    assert_eq!(same["records"], 600);
    for column in ["features", "predictions"]
        .map(|key| same[key].as_array().unwrap().clone())
        .concat()
    {
        assert_eq!(column["psi"], 0.0, "{column}");
    }

    let serving = against_sample(&folder);
    let moved = indices(&serving, &records(|length| length + 1.5));
    for (column, expected) in [
        (&moved["features"][2], 4.422_399_284_511_592_5),
        (&moved["features"][1], 0.0),
        (&moved["predictions"][0], 0.266_694_702_502_904_2),
    ] {
        let psi = column["psi"].as_f64().unwrap();
        assert!((psi - expected).abs() < 1e-9, "{column} {expected}");
    }
    let (_, metrics) = serving.ask(get("/metrics"));
    let line =
        "mlserve_drift_psi{model=\"iris\",version=\"1\",kind=\"prediction\",feature=\"label\"} 0.";
    assert!(metrics.contains(line), "{metrics}");
    let (status, page) = serving.ask(get("/drift"));
    assert_eq!(status, 200);
    assert!(
        page.contains("600 records of the last 1000 against 60 of the baseline"),
        "{page}"
    );
}

#[test]
fn a_baseline_that_is_none_ends_the_start() {
    let folder = Folder::with(&[("profile.json", b"{\"records\": 1}")]);
    let start = |args: &[&str]| {
        let outcome =
            mlserve(&[&["serve", &crate::run::model_path("iris"), "-p", "0"], args].concat())
                .within(&folder)
                .run();
        (outcome.code, outcome.stderr)
    };
    let (code, told) = start(&["--baseline", "profile.json"]);
    let expected = "--baseline profile.json: it is no profile: \"mlserve_profile\" is absent\n\
                    hint: mlserve predict MODEL TRAINING.csv --profile FILE makes one\n";
    assert_eq!((code, told.as_str()), (2, expected));
    let (code, told) = start(&["--baseline", "no-such.json"]);
    assert_eq!(code, 4, "{told}");
}
