//! `mlserve predict --expected`: predictions held against known ones.

use crate::run::{Folder, Outcome, mlserve, model_path, predict, repository_file};

#[track_caller]
fn validate(expected: &str, more: &[&str]) -> Outcome {
    let folder = Folder::with(&[("expected.csv", expected.as_bytes())]);
    let data = model_path("tests/corpus/iris.csv");
    let args = [
        &[data.as_str(), "-q", "--expected", "expected.csv"][..],
        more,
    ]
    .concat();
    predict("tests/corpus/iris.onnx", &args)
        .within(&folder)
        .run()
}

#[test]
fn what_python_predicted_is_as_expected_for_the_whole_corpus() {
    for case in [
        "iris",
        "catboost_classifier",
        "regressor",
        "nan_inf",
        "kmeans",
        "multi_output",
        "double_matrix",
    ] {
        let [model, data, expected] = ["onnx", "csv", "expected.csv"]
            .map(|end| model_path(&format!("tests/corpus/{case}.{end}")));
        let outcome = mlserve(&["predict", &model, &data, "-q", "--expected", &expected]).run();
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (0, ""),
            "{case}: {}",
            outcome.stdout
        );
        assert!(
            outcome.stdout.starts_with("AS EXPECTED: "),
            "{case}: {}",
            outcome.stdout
        );
    }
}

#[test]
fn what_differs_is_told_with_the_worst_first() {
    let expected = repository_file("tests/corpus/iris.expected.csv");
    let mut lines: Vec<String> = expected.lines().map(str::to_owned).collect();
    let columns: Vec<String> = lines[0].split(',').map(str::to_owned).collect();
    let mut cells: Vec<String> = lines[2].split(',').map(str::to_owned).collect();
    let number: f64 = cells[1].parse().unwrap();
    cells[1] = (number + 0.25).to_string();
    lines[2] = cells.join(",");
    let mut cells: Vec<String> = lines[3].split(',').map(str::to_owned).collect();
    cells[0] = "other".to_owned();
    lines[3] = cells.join(",");
    let changed = lines.join("\n") + "\n";
    let outcome = validate(&changed, &[]);
    assert_eq!(outcome.code, 1);
    let records = lines.len() - 1;
    let verdict =
        format!("2 of {records} records differ by more than --rtol 0.0001 --atol 0.000001");
    assert_eq!(outcome.stderr, format!("expected.csv: {verdict}\n"));
    assert!(
        outcome
            .stdout
            .starts_with(&format!("NOT AS EXPECTED: {verdict}\n")),
        "{}",
        outcome.stdout
    );
    let mut worst = outcome
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("RECORD"));
    let first = worst.nth(1).unwrap_or_default();
    assert!(
        first.starts_with("3 ") && first.contains("other"),
        "{first}"
    );
    let second = worst.next().unwrap_or_default();
    assert!(
        second.starts_with("2 ") && second.contains(&columns[1]),
        "{second}"
    );
    assert_eq!(validate(&changed, &["--atol", "0.3"]).code, 1);
    let one = changed.replacen(
        "other",
        expected.lines().nth(3).unwrap().split(',').next().unwrap(),
        1,
    );
    assert_eq!(validate(&one, &["--atol", "0.3"]).code, 0);
}

#[test]
fn json_lines_and_other_orders_of_columns_compare_as_well() {
    let folder = Folder::with(&[]);
    let data = model_path("tests/corpus/iris.csv");
    let model = model_path("tests/corpus/iris.onnx");
    let written = mlserve(&["predict", &model, &data, "-q", "-o", "expected.jsonl"])
        .within(&folder)
        .run();
    assert_eq!(written.code, 0, "{}", written.stderr);
    let outcome = mlserve(&[
        "predict",
        &model,
        &data,
        "-q",
        "--expected",
        "expected.jsonl",
    ])
    .within(&folder)
    .run();
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn expected_files_that_do_not_fit_are_refused_in_words() {
    let whole = repository_file("tests/corpus/iris.expected.csv");
    let records = whole.lines().count() - 1;
    let short: String = whole
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    for (expected, message) in [
        (
            short.as_str(),
            format!("expected.csv: expected 2 records, found {records}\n"),
        ),
        (
            "a,b\n1,2\n",
            "expected.csv: no column of a prediction: expected one of ".to_owned(),
        ),
    ] {
        let outcome = validate(expected, &[]);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        assert!(outcome.stderr.starts_with(&message), "{}", outcome.stderr);
    }
    for args in [&["--atol", "-1"][..], &["-o", "x.csv"]] {
        assert_eq!(validate(&whole, args).code, 2, "{args:?}");
    }
    let outcome = predict("iris", &["--expected", "none.parquet"])
        .given("")
        .run();
    assert_eq!(outcome.code, 2);
    let message = "--expected none.parquet: expected a .csv, .tsv or .jsonl file";
    assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
}
