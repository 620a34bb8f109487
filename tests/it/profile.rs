//! `predict --profile`: the figures of what went in and what came out, held against NumPy's.

use std::fmt::Write;

use serde_json::Value;

use crate::run::{Folder, ROOT, predict};

/// The profile of `args`, written to a file.
#[track_caller]
fn profile(folder: &Folder, model: &str, args: &[&str]) -> Value {
    let path = folder.file("profile.json").display().to_string();
    let flags = ["-q", "-o", "/dev/null", "--profile", &path];
    let outcome = predict(model, &[args, &flags].concat()).run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    serde_json::from_str(&folder.read("profile.json")).unwrap()
}

fn close(found: &Value, expected: f64) {
    let number = found.as_f64().unwrap();
    assert!((number - expected).abs() < 1e-9, "{found} {expected}");
}

#[test]
fn figures_are_those_of_numpy() {
    let folder = Folder::with(&[]);
    let input = format!("{ROOT}/sample_data/iris.csv");
    let profile = profile(&folder, "iris", &[&input]);
    assert_eq!(profile["mlserve_profile"], 1);
    assert_eq!(
        (&profile["records"], &profile["sampled"]),
        (&60.into(), &60.into())
    );
    let length = &profile["features"][0];
    assert_eq!(length["name"], "sepal length (cm)");
    assert_eq!(
        (&length["input"], &length["element"]),
        (&"X".into(), &0.into())
    );
    for (key, expected) in [
        ("mean", 5.824999976158142),
        ("sd", 0.7905425967625864),
        ("min", 4.599999904632568),
        ("max", 7.699999809265137),
    ] {
        close(&length[key], expected);
    }
    close(&length["quantiles"]["0.01"], 4.599999904632568);
    close(&length["quantiles"]["0.99"], 7.5229999780654895);
    let edges = length["bins"]["edges"].as_array().unwrap();
    let expected = [
        4.900000095367432,
        5.099999904632568,
        5.5,
        5.699999809265137,
        5.940000057220459,
        6.300000190734863,
        6.539999961853028,
        6.9100000858306885,
    ];
    assert_eq!(edges.len(), expected.len());
    edges
        .iter()
        .zip(expected)
        .for_each(|(edge, expected)| close(edge, expected));
    assert_eq!(
        length["bins"]["counts"],
        serde_json::json!([8, 11, 6, 6, 5, 8, 4, 6, 6])
    );
    let label = &profile["predictions"][0];
    assert_eq!(label["name"], "label");
    let values = serde_json::json!([
        {"value": "virginica", "count": 21},
        {"value": "setosa", "count": 20},
        {"value": "versicolor", "count": 19},
    ]);
    assert_eq!(label["values"], values);
    assert_eq!(profile["predictions"][1]["name"], "probabilities_setosa");
    close(&profile["predictions"][1]["mean"], 0.33436118497394063);
}

#[test]
fn texts_are_counted_and_missing_values_too() {
    let folder = Folder::with(&[]);
    let input = format!("{ROOT}/sample_data/penguins.csv");
    let profile = profile(&folder, "penguins", &[&input, "--label", "species"]);
    let features = profile["features"].as_array().unwrap();
    let find = |name: &str| {
        features
            .iter()
            .find(|feature| feature["name"] == name)
            .unwrap()
    };
    let island = find("island");
    assert_eq!(
        (&island["kind"], &island["missing"]),
        (&"text".into(), &0.into())
    );
    assert_eq!(
        island["values"][0],
        serde_json::json!({"value": "Biscoe", "count": 168})
    );
    assert_eq!(
        (&find("sex")["missing"], &find("sex")["count"]),
        (&11.into(), &333.into())
    );
    assert_eq!(find("body_mass_g")["missing"], 2);
}

/// Records whose four numbers are known for each row.
fn table(rows: u64) -> String {
    let mut table = String::from("a,b,c,d\n");
    for row in 0..rows {
        let noise = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let even = noise as f64 / (1 << 24) as f64;
        let _ = writeln!(table, "{even:.6},{row},{},{}", row % 3, row % 7);
    }
    table
}

#[test]
fn a_sample_is_the_same_on_all_numbers_of_threads_and_near_the_whole() {
    let folder = Folder::with(&[("many.csv", table(100_000).as_bytes())]);
    let input = folder.file("many.csv").display().to_string();
    let one = profile(&folder, "iris", &[&input, "--jobs", "1"]);
    for jobs in ["2", "5"] {
        assert_eq!(profile(&folder, "iris", &[&input, "--jobs", jobs]), one);
    }
    assert_eq!(one["records"], 100_000);
    let sampled = one["sampled"].as_u64().unwrap();
    assert!((16_000..=32_768).contains(&sampled), "{sampled}");
    for (quantile, expected) in [("0.05", 0.05), ("0.5", 0.5), ("0.99", 0.99)] {
        let even = one["features"][0]["quantiles"][quantile].as_f64().unwrap();
        let row = one["features"][1]["quantiles"][quantile].as_f64().unwrap();
        assert!((even - expected).abs() < 0.01, "{quantile} {even}");
        assert!((row / 1e5 - expected).abs() < 0.01, "{quantile} {row}");
    }
    close(&one["features"][1]["mean"], 49_999.5);
    close(&one["features"][1]["sd"], 28_867.657_796_687_74);
    assert_eq!(
        one["features"][3]["bins"]["values"],
        serde_json::json!([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    );
}

#[test]
fn a_profile_needs_a_place_and_a_whole_run() {
    let folder = Folder::with(&[("few.csv", table(3).as_bytes())]);
    let input = folder.file("few.csv").display().to_string();
    let outcome = predict("iris", &[&input, "--profile", "/no/such/place.json"]).run();
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    let outcome = predict("iris", &[&input, "--profile", "p", "-o", "o", "--resume"]).run();
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    let outcome = predict("iris", &[&input, "--profile", "p", "-o", "p"])
        .within(&folder)
        .run();
    assert_eq!(
        outcome.stderr,
        "-o and --profile would go to the same place\n"
    );
}
