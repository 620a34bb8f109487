//! `mlserve predict`, flag by flag, and what must never make a difference. The predictions were
//! made with Python's ONNX Runtime; the activations with NumPy in float64.

use crate::run::{Folder, Outcome, predict, repository_file};

const IRIS: &str = "\
id,sepal length,sepal width,petal length,petal width
007,5.1,3.5,1.4,0.2
008,6.3,2.9,5.6,1.8
";
const IRIS_HEADER: &str =
    "label,probabilities_setosa,probabilities_versicolor,probabilities_virginica";
const SETOSA: &str = "setosa,0.9741182,0.025881454,3.74413e-7";
const VIRGINICA: &str = "virginica,0.000132709,0.13616005,0.86370724";

/// Scores `IRIS`, whose id is no feature.
#[track_caller]
fn iris(args: &[&str], expected: &str) {
    predict("iris", &[&["--id", "id"], args].concat())
        .given(IRIS)
        .prints(expected);
}

/// `IRIS` scored, with these columns before the predictions.
fn iris_table(kept: [&str; 3]) -> String {
    let [header, first, second] = kept;
    format!("{header}{IRIS_HEADER}\n{first}{SETOSA}\n{second}{VIRGINICA}\n")
}

const PENGUIN: &str = "island,sex,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g";
const PENGUIN_HEADER: &str =
    "output_label,output_probability_Adelie,output_probability_Chinstrap,output_probability_Gentoo";
/// Dream, male, 40, 18, 190, 3700.
const ADELIE: &str = "Adelie,0.9709692,0.027505243,0.0015255652";
/// The same without its flipper.
const NO_FLIPPER: &str = "Adelie,0.96376294,0.032765437,0.0034716348";

/// Scores one penguin.
#[track_caller]
fn penguin(record: &str, args: &[&str], expected: &str) {
    predict("penguins", args)
        .given(format!("{PENGUIN}\n{record}\n"))
        .prints(&format!("{PENGUIN_HEADER}\n{expected}\n"));
}

// --- Columns

#[test]
fn keep_chooses_the_columns_that_are_copied() {
    iris(&[], &iris_table(["id,", "007,", "008,"]));
    iris(&["--keep", "unused"], &iris_table(["id,", "007,", "008,"]));
    iris(&["--keep", "none"], &iris_table(["", "", ""]));
    iris(
        &["--keep", "all"],
        &iris_table([
            "id,sepal length,sepal width,petal length,petal width,",
            "007,5.1,3.5,1.4,0.2,",
            "008,6.3,2.9,5.6,1.8,",
        ]),
    );
    // In the order of the input, whatever the order of the list.
    iris(
        &["--keep", "petal width,id"],
        &iris_table(["id,petal width,", "007,0.2,", "008,1.8,"]),
    );
}

#[test]
fn features_name_the_columns_of_a_matrix_in_its_order() {
    let shuffled = "petal width,note,sepal length,petal length,sepal width\n0.2,?,5.1,1.4,3.5\n";
    let names = "sepal length,sepal width,petal length,petal width";
    let expected = format!("note,{IRIS_HEADER}\n?,{SETOSA}\n");
    predict("iris", &["--features", names])
        .given(shuffled)
        .prints(&expected);
    // The same from a file, as an editor on Windows may leave it.
    let file = "\u{feff}sepal length\r\nsepal width\r\n\r\npetal length\r\npetal width\r\n";
    let folder = Folder::with(&[("names.txt", file.as_bytes())]);
    predict("iris", &["--features", "@names.txt"])
        .within(&folder)
        .given(shuffled)
        .prints(&expected);
}

#[test]
fn a_feature_may_be_called_as_the_matrix_is() {
    // The matrix is `X`; skl2onnx calls it so whatever the features are.
    let expected = format!("{IRIS_HEADER}\n{SETOSA}\n");
    for header in ["x,y,z,w", "X,Y,Z,W"] {
        predict("iris", &[])
            .given(format!("{header}\n5.1,3.5,1.4,0.2\n"))
            .prints(&expected);
    }
    predict("iris", &["--features", "x,y,z,w", "--keep", "none"])
        .given("w,z,y,x\n0.2,1.4,3.5,5.1\n")
        .prints(&expected);
}

#[test]
fn id_label_and_exclude_set_columns_aside() {
    let input = "truth,a,key,b,note,c,d\nsetosa,5.1,k1,3.5,n1,1.4,0.2\n";
    predict(
        "iris",
        &["--id", "key", "--label", "truth", "--exclude", "note"],
    )
    .given(input)
    .prints(&format!(
        "truth,key,note,{IRIS_HEADER}\nsetosa,k1,n1,{SETOSA}\n"
    ));
    predict("iris", &["--exclude", "key,truth,note", "--keep", "key"])
        .given(input)
        .prints(&format!("key,{IRIS_HEADER}\nk1,{SETOSA}\n"));
}

#[test]
fn columns_find_their_inputs_whatever_the_case_blanks_and_order() {
    let input = " Body_Mass_G,bill length (mm),SEX,bill-depth-mm,island ,flipper_length_mm,bill_length_mm\n\
                 3700,x,male,18,Dream,190,40\n";
    predict("penguins", &[])
        .given(input)
        .prints(&format!("bill length (mm),{PENGUIN_HEADER}\nx,{ADELIE}\n"));
}

#[test]
fn allow_missing_columns_scores_absent_columns_as_missing() {
    predict("penguins", &["--allow-missing-columns"])
        .given("island,sex,bill_length_mm,bill_depth_mm,body_mass_g\nDream,male,40,18,3700\n")
        .prints(&format!("{PENGUIN_HEADER}\n{NO_FLIPPER}\n"));
}

#[test]
fn set_gives_what_does_not_change_from_record_to_record() {
    let model = "tests/corpus/scalar_input.onnx";
    let input = ["tests/corpus/scalar_input.csv", "--limit", "2", "--set"];
    predict(model, &[&input[..], &["sr=16000"]].concat())
        .prints("Y_0,Y_1\n0.00003125,0.0000625\n-0.00009375,0.0\n");
    predict(model, &[&input[..], &["sr=8000"]].concat())
        .prints("Y_0,Y_1\n0.0000625,0.000125\n-0.0001875,0.0\n");
}

// --- Values

#[test]
fn missing_lists_the_texts_that_mean_nothing_was_measured() {
    penguin("Dream,male,40,18,,3700", &[], NO_FLIPPER);
    penguin("Dream,male,40,18, ,3700", &[], NO_FLIPPER);
    penguin(
        "Dream,male,40,18,n/a,3700",
        &["--missing", "NA,n/a"],
        NO_FLIPPER,
    );
    let folder = Folder::with(&[("missing.txt", b"NA\nn/a\n")]);
    predict("penguins", &["--missing", "@missing.txt"])
        .within(&folder)
        .given(format!("{PENGUIN}\nDream,male,40,18,NA,3700\n"))
        .prints(&format!("{PENGUIN_HEADER}\n{NO_FLIPPER}\n"));
}

#[test]
fn missing_texts_are_texts_in_string_columns_unless_told_otherwise() {
    let model = "tests/corpus/text_rank1.onnx";
    let args = [
        "tests/corpus/text_rank1.csv",
        "--keep",
        "word",
        "--limit",
        "3",
    ];
    predict(model, &[&args[..], &["--missing", "NA"]].concat())
        .prints("word,code\n007,3\nNA,1\n,2\n");
    // Now NA is scored as the empty text is.
    predict(
        model,
        &[&args[..], &["--missing", "NA", "--missing-in-strings"]].concat(),
    )
    .prints("word,code\n007,3\nNA,2\n,2\n");
}

#[test]
fn fill_gives_missing_values_a_value() {
    penguin(
        "Dream,male,40,18,,3700",
        &["--fill", "flipper_length_mm=190"],
        ADELIE,
    );
    penguin(
        "Dream,male,40,18,?,",
        &[
            "--missing",
            "?",
            "--fill",
            "flipper_length_mm=190",
            "--fill",
            "body_mass_g=3.7e3",
        ],
        ADELIE,
    );
    let cars = "cyl,displ,hp,weight,accel,yr,origin,maker\n,350,165,3693,11.5,70,USA,buick\n";
    predict("auto_mpg", &["--fill", "cyl=8"])
        .given(cars)
        .prints("variable\n13.7257395\n");
}

#[test]
fn lenient_accepts_numbers_in_quotes() {
    predict("iris", &["--lenient", "--outputs", "label"])
        .given("{\"a\":\"5.1\",\"b\":\" 3.5\",\"c\":\"+1.4\",\"d\":0.2}\n")
        .prints("{\"label\":\"setosa\"}\n");
}

#[test]
fn number_texts_are_read_as_people_write_them() {
    let same = format!("{IRIS_HEADER}\n{SETOSA}\n");
    for record in [
        "5.1,3.5,1.4,0.2",
        "+5.1, 3.5 ,1.4e0,.2",
        "51e-1,\"3.5\",0001.40,2E-1",
    ] {
        predict("iris", &[])
            .given(format!("a,b,c,d\n{record}\n"))
            .prints(&same);
    }
    // Infinity and NaN are numbers, too.
    for text in ["inf", "-Infinity", "nan", "NaN", "INF"] {
        let outcome = predict("iris", &["-q"])
            .given(format!("a,b,c,d\n{text},1,2,3\n"))
            .run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{text}");
    }
    let cars = "cyl,displ,hp,weight,accel,yr,origin,maker\n8.0,350,165,3693,11.5,7e1,USA,buick\n";
    predict("auto_mpg", &[])
        .given(cars)
        .prints("variable\n13.7257395\n");
}

// --- Predictions

#[test]
fn outputs_are_chosen_by_name() {
    iris(
        &["--outputs", "label"],
        "id,label\n007,setosa\n008,virginica\n",
    );
    // In the model's order.
    iris(
        &["--outputs", "probabilities,label"],
        &iris_table(["id,", "007,", "008,"]),
    );
}

#[test]
fn classes_name_the_columns_of_scores() {
    iris(
        &["--classes", "a,\"b\",c c", "--limit", "1"],
        "id,label,probabilities_a,\"probabilities_\"\"b\"\"\",probabilities_c c\n\
         007,setosa,0.9741182,0.025881454,3.74413e-7\n",
    );
    let folder = Folder::with(&[("classes.txt", b"x\ny\nz\n")]);
    predict("iris", &["--id", "id", "--classes", "@classes.txt", "--limit", "1", "--to", "jsonl"])
        .within(&folder)
        .given(IRIS)
        .prints("{\"id\":\"007\",\"label\":\"setosa\",\"probabilities\":{\"x\":0.9741182,\"y\":0.025881454,\"z\":3.74413e-7}}\n");
}

#[test]
fn a_sigmoid_is_applied_on_demand_only() {
    let model = "tests/corpus/raw_scores.onnx";
    let input = ["tests/corpus/raw_scores.csv", "--limit", "3"];
    predict(model, &input).prints("Y\n-1.25\n-1.25\n2.5\n");
    predict(model, &[&input[..], &["--activation", "sigmoid"]].concat())
        .prints("Y\n0.22270013882530884\n0.22270013882530884\n0.9241418199787566\n");
}

#[test]
fn a_softmax_is_applied_on_demand_only() {
    let input = [
        "sample_data/digits.jsonl",
        "--limit",
        "2",
        "--keep",
        "digit",
    ];
    predict("digits", &[&input[..], &["--activation", "softmax"]].concat()).prints(
        "{\"digit\":9,\"logits\":[2.27516068e-7,0.062746189534,6.60939576e-7,0.191847994923,3.856504463e-6,\
         0.097817279398,3.900895535e-6,2.148652e-7,0.008466484025,0.639113187789]}\n\
         {\"digit\":0,\"logits\":[0.999837517738,3.2150509e-7,6.695257980e-6,1.114241e-7,1.5180909e-9,\
         5.776551915e-6,7.008427928e-6,9.3620528e-8,5.385583790e-6,0.000137092109]}\n",
    );
}

#[test]
fn a_threshold_decides_between_two_classes() {
    let input = [
        "sample_data/breast_cancer.csv",
        "--limit",
        "3",
        "--keep",
        "id",
        "--outputs",
    ];
    // In the place of the model's own label, or before the scores where it is not shown.
    for outputs in ["label,probabilities", "probabilities"] {
        predict(
            "breast_cancer",
            &[&input[..], &[outputs, "--threshold", "0.95"]].concat(),
        )
        .prints(
            "id,label,probabilities_benign,probabilities_malignant\n\
             case-006,malignant,0.002198875,0.9978011\n\
             case-008,malignant,0.0029855967,0.9970144\n\
             case-013,benign,0.08042711,0.9195729\n",
        );
    }
    let input = [
        "tests/corpus/raw_scores.csv",
        "--limit",
        "3",
        "--activation",
        "sigmoid",
        "--threshold",
        "0.9",
    ];
    let model = "tests/corpus/raw_scores.onnx";
    predict(model, &input).prints("label,Y\n0,0.2227001\n0,0.2227001\n1,0.9241418\n");
    predict(model, &[&input[..], &["--classes", "no,yes"]].concat())
        .prints("label,Y\nno,0.2227001\nno,0.2227001\nyes,0.9241418\n");
}

#[test]
fn top_shows_the_best_classes_and_their_scores() {
    iris(
        &["--top", "2"],
        "id,label,probabilities_top1,probabilities_top1_score,probabilities_top2,probabilities_top2_score\n\
         007,setosa,setosa,0.9741182,versicolor,0.025881454\n\
         008,virginica,virginica,0.86370724,versicolor,0.13616005\n",
    );
    // No more than there are.
    iris(
        &["--top", "9", "--to", "jsonl", "--limit", "1"],
        "{\"id\":\"007\",\"label\":\"setosa\",\"probabilities\":[{\"class\":\"setosa\",\"score\":0.9741182},\
         {\"class\":\"versicolor\",\"score\":0.025881454},{\"class\":\"virginica\",\"score\":3.74413e-7}]}\n",
    );
}

#[test]
fn argmax_shows_the_best_class_alone() {
    iris(
        &["--argmax", "--outputs", "probabilities"],
        "id,probabilities\n007,setosa\n008,virginica\n",
    );
    // Classes without names are numbers.
    predict(
        "digits",
        &[
            "sample_data/digits.jsonl",
            "--limit",
            "2",
            "--keep",
            "digit",
            "--argmax",
        ],
    )
    .prints("{\"digit\":9,\"logits\":9}\n{\"digit\":0,\"logits\":0}\n");
}

#[test]
fn nan_as_names_what_is_not_a_number() {
    let model = "tests/corpus/nan_inf.onnx";
    let input = "x\n0\n-1\n1\n";
    predict(model, &[])
        .given(input)
        .prints("log,inverse\n,\n,-1.0\n0.0,1.0\n");
    predict(model, &["--nan-as", "N,A"])
        .given(input)
        .prints("log,inverse\n-inf,inf\n\"N,A\",-1.0\n0.0,1.0\n");
    predict(model, &["--to", "jsonl", "--nan-as", "NA"])
        .given(input)
        .prints("{\"log\":null,\"inverse\":null}\n{\"log\":null,\"inverse\":-1.0}\n{\"log\":0.0,\"inverse\":1.0}\n");
}

#[test]
fn a_prediction_gives_way_to_a_column_of_its_name() {
    let input = format!("output_label,{PENGUIN}\nmine,Dream,male,40,18,190,3700\n");
    let outcome = predict("penguins", &["--outputs", "output_label"])
        .given(&input)
        .run();
    assert_eq!(
        outcome.stdout,
        "output_label,predicted_output_label\nmine,Adelie\n"
    );
    assert_eq!(
        outcome.notes(),
        "note: the input has a column \"output_label\", so the prediction \"output_label\" is called \"predicted_output_label\"\n\
         1 row in _ s (_ rows/s)\n"
    );
    predict("penguins", &["--outputs", "output_label", "--to", "jsonl"])
        .given(&input)
        .prints("{\"output_label\":\"mine\",\"predicted_output_label\":\"Adelie\"}\n");
}

// --- Run

#[test]
fn limit_scores_only_the_first_records() {
    iris(
        &["--limit", "1"],
        &format!("id,{IRIS_HEADER}\n007,{SETOSA}\n"),
    );
    iris(&["--limit", "0"], &format!("id,{IRIS_HEADER}\n"));
    iris(&["--limit", "9"], &iris_table(["id,", "007,", "008,"]));
    // What lies beyond the limit is not even looked at.
    predict("iris", &["--limit", "1", "--outputs", "label"])
        .given("a,b,c,d\n5.1,3.5,1.4,0.2\nbad\n")
        .prints("label\nsetosa\n");
    predict("iris", &["--limit", "1", "--outputs", "label"])
        .given("{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\n{\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\n")
        .prints("{\"label\":\"setosa\"}\n");
}

#[test]
fn explain_prints_the_plan_and_scores_nothing() {
    predict("penguins", &["sample_data/penguins.csv", "--explain"]).prints(
        "sample_data/penguins.csv: CSV, 9 columns\n  \
           input island             string    from column \"island\"\n  \
           input sex                string    from column \"sex\"\n  \
           input bill_length_mm     float32   from column \"bill_length_mm\"\n  \
           input bill_depth_mm      float32   from column \"bill_depth_mm\"\n  \
           input flipper_length_mm  float32   from column \"flipper_length_mm\"\n  \
           input body_mass_g        float32   from column \"body_mass_g\"\n  \
           passed through: \"id\", \"species\", \"year\"\n  \
           CSV columns out: \"id\", \"species\", \"year\", \"output_label\", \"output_probability_Adelie\", \"output_probability_Chinstrap\", \"output_probability_Gentoo\"\n",
    );
    predict("iris", &["--id", "id", "--explain", "--keep", "none"]).given(IRIS).prints(
        "stdin: CSV, 5 columns\n  \
           input X  float32   from 4 columns: \"sepal length\", \"sepal width\", \"petal length\", \"petal width\"\n  \
           left out: \"id\"\n  \
           CSV columns out: \"label\", \"probabilities_setosa\", \"probabilities_versicolor\", \"probabilities_virginica\"\n",
    );
    predict(
        "tests/corpus/fixed_batch.onnx",
        &["tests/corpus/fixed_batch.csv", "--explain"],
    )
    .prints(
        "tests/corpus/fixed_batch.csv: CSV, 2 columns\n  \
           input X  float32   from 2 columns: \"x1\", \"x2\"\n  \
           runs of 3 records: the model has a fixed batch\n  \
           CSV columns out: \"label\", \"probabilities_low\", \"probabilities_mid\", \"probabilities_high\"\n",
    );
}

#[test]
fn quiet_says_nothing_and_otherwise_there_is_one_closing_line() {
    let run =
        |args: &[&str]| predict("penguins", &[&["sample_data/penguins.csv"], args].concat()).run();
    assert_eq!(run(&["--quiet"]).stderr, "");
    assert_eq!(run(&["-q"]).stderr, "");
    assert_eq!(
        run(&[]).notes(),
        "344 rows in _ s (_ rows/s), 8 missing values\n"
    );
    assert_eq!(run(&["--limit", "1"]).notes(), "1 row in _ s (_ rows/s)\n");
}

#[test]
fn a_missing_value_that_the_model_cannot_handle_is_warned_of() {
    let run = |args: &[&str]| {
        predict("iris", &[&["-", "--id", "id"], args].concat())
            .given("id,a,b,c,d\nx,1,,3,4\n")
            .run()
    };
    let notes = run(&[]).notes();
    assert!(notes.starts_with("warning: 1 missing value: "), "{notes}");
    assert!(
        notes.ends_with("\n1 row in _ s (_ rows/s), 1 missing value\n"),
        "{notes}"
    );
    assert_eq!(run(&["--quiet"]).notes(), "");
    // A filled value is not missing any more for the model.
    let notes = run(&["--fill", "b=2"]).notes();
    assert!(!notes.contains("warning"), "{notes}");
    // This model imputes missing values: nothing to warn of.
    let notes = predict("penguins", &["sample_data/penguins.csv"])
        .run()
        .notes();
    assert!(!notes.contains("warning"), "{notes}");
}

#[test]
fn outputs_that_are_no_columns_are_named_in_a_note() {
    let model = "tests/corpus/class_labels_output.onnx";
    let outcome = predict(model, &["tests/corpus/class_labels_output.csv"]).run();
    assert_eq!(
        outcome.notes(),
        "note: output \"class_labels\" has no batch axis and is no column\n3 rows in _ s (_ rows/s)\n"
    );
}

// --- Formats

#[test]
fn the_format_is_told_by_flag_then_extension_then_first_bytes() {
    let csv = "id,a,b,c,d\n1,5.1,3.5,1.4,0.2\n";
    let tsv = "id\ta\tb\tc\td\n1\t5.1\t3.5\t1.4\t0.2\n";
    let jsonl = " {\"id\":1,\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2}\n";
    let label = ["--id", "id", "--outputs", "label"];
    let (as_csv, as_tsv, as_jsonl) = (
        "id,label\n1,setosa\n",
        "id\tlabel\n1\tsetosa\n",
        "{\"id\":1,\"label\":\"setosa\"}\n",
    );
    for (input, expected) in [(csv, as_csv), (tsv, as_tsv), (jsonl, as_jsonl)] {
        predict("iris", &label).given(input).prints(expected);
        let with_mark = format!("\u{feff}{input}");
        predict("iris", &label).given(with_mark).prints(expected);
    }
    // Named .csv, so it is CSV, though it looks like TSV: one column that is named so oddly.
    let folder = Folder::with(&[
        ("a.csv", tsv.as_bytes()),
        ("a.tsv", tsv.as_bytes()),
        ("a.ndjson", jsonl.as_bytes()),
    ]);
    let outcome = predict("iris", &["a.csv"]).within(&folder).run();
    assert!(
        outcome.stderr.contains("found 1: \"id\\ta\\tb\\tc\\td\""),
        "{}",
        outcome.stderr
    );
    predict("iris", &[&["a.csv", "--from", "tsv"][..], &label].concat())
        .within(&folder)
        .prints(as_tsv);
    predict("iris", &[&["a.tsv"][..], &label].concat())
        .within(&folder)
        .prints(as_tsv);
    predict("iris", &[&["a.ndjson"][..], &label].concat())
        .within(&folder)
        .prints(as_jsonl);
}

#[test]
fn to_and_the_extension_of_the_output_choose_its_format() {
    let labels = ["--outputs", "label"];
    iris(
        &[&labels[..], &["--to", "csv"]].concat(),
        "id,label\n007,setosa\n008,virginica\n",
    );
    iris(
        &[&labels[..], &["--to", "tsv"]].concat(),
        "id\tlabel\n007\tsetosa\n008\tvirginica\n",
    );
    // A CSV cell has no type: it stays the text that it is.
    let as_jsonl =
        "{\"id\":\"007\",\"label\":\"setosa\"}\n{\"id\":\"008\",\"label\":\"virginica\"}\n";
    iris(&[&labels[..], &["--to", "jsonl"]].concat(), as_jsonl);
    iris(&[&labels[..], &["--to", "ndjson"]].concat(), as_jsonl);
    let folder = Folder::with(&[]);
    for (path, expected) in [
        ("out.jsonl", as_jsonl),
        ("out.tsv", "id\tlabel\n007\tsetosa\n008\tvirginica\n"),
        ("out.csv", "id,label\n007,setosa\n008,virginica\n"),
        ("out.txt", "id,label\n007,setosa\n008,virginica\n"),
    ] {
        predict("iris", &["--id", "id", "--outputs", "label", "-o", path])
            .within(&folder)
            .given(IRIS)
            .prints("");
        assert_eq!(folder.read(path), expected);
    }
}

#[test]
fn the_output_has_the_delimiter_of_the_input_unless_told_otherwise() {
    let input = IRIS.replace(',', ";");
    let run = |args: &[&str], expected: &str| {
        let args = [
            &[
                "--id",
                "id",
                "--outputs",
                "label",
                "--limit",
                "1",
                "--delimiter",
                ";",
            ],
            args,
        ]
        .concat();
        predict("iris", &args).given(&input).prints(expected);
    };
    run(&[], "id;label\n007;setosa\n");
    run(&["--out-delimiter", "tab"], "id\tlabel\n007\tsetosa\n");
    run(&["--out-delimiter", "|"], "id|label\n007|setosa\n");
    run(&["--to", "csv"], "id,label\n007,setosa\n");
    run(&["--to", "tsv"], "id\tlabel\n007\tsetosa\n");
    run(
        &["--to", "jsonl"],
        "{\"id\":\"007\",\"label\":\"setosa\"}\n",
    );
}

#[test]
fn without_a_header_columns_are_numbered_and_the_output_has_none() {
    let (_, records) = IRIS.split_once('\n').unwrap();
    predict("iris", &["--no-header", "--id", "1"])
        .given(records)
        .prints(&format!("007,{SETOSA}\n008,{VIRGINICA}\n"));
    predict(
        "iris",
        &["--no-header", "--features", "2,3,4,5", "--keep", "none"],
    )
    .given(records)
    .prints(&format!("{SETOSA}\n{VIRGINICA}\n"));
    // Single inputs are fed in the model's order.
    predict("penguins", &["--no-header"])
        .given("Dream,male,40,18,190,3700\n")
        .prints(&format!("{ADELIE}\n"));
}

#[test]
fn a_header_alone_gives_the_full_header_and_no_error() {
    let header = IRIS.lines().next().unwrap();
    for input in [
        header.to_owned(),
        format!("{header}\n"),
        format!("\u{feff}{header}\r\n\r\n"),
    ] {
        predict("iris", &["--id", "id"])
            .given(input)
            .prints(&format!("id,{IRIS_HEADER}\n"));
    }
    predict("penguins", &[])
        .given(PENGUIN)
        .prints(&format!("{PENGUIN_HEADER}\n"));
    predict("iris", &["--id", "id", "--to", "jsonl"])
        .given(header)
        .prints("");
    predict("iris", &["--from", "jsonl"]).given("").prints("");
}

#[test]
fn line_ends_blank_lines_and_byte_order_marks_make_no_difference() {
    let expected = iris_table(["id,", "007,", "008,"]);
    let quoted = IRIS.replace("007,5.1", "\"007\",\"5.1\"");
    for input in [
        IRIS.replace('\n', "\r\n"),
        IRIS.replace('\n', "\r"),
        IRIS.replace('\n', "\n\n"),
        IRIS.trim_end().to_owned(),
        format!("\u{feff}{IRIS}"),
        quoted,
    ] {
        predict("iris", &["--id", "id"])
            .given(input)
            .prints(&expected);
    }
}

#[test]
fn kept_cells_keep_their_bytes() {
    let cells: [&[u8]; 8] = [
        b"007",
        b"1e400",
        b" blanks ",
        b"",
        b"caf\xe9",
        b"nul\0nul",
        b"\"two\nlines, \"\"quoted\"\"\"",
        "größe 🐧".as_bytes(),
    ];
    let mut input = format!("note,{PENGUIN}\n").into_bytes();
    let mut expected = b"note,output_label\n".to_vec();
    for cell in cells {
        input.extend([cell, b",Dream,male,40,18,190,3700\n"].concat());
        expected.extend([cell, b",Adelie\n"].concat());
    }
    let outcome = predict("penguins", &["-q", "--outputs", "output_label"])
        .given(input)
        .run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(outcome.bytes, expected, "{}", outcome.stdout);
}

#[test]
fn kept_json_values_keep_their_text() {
    let record = "\"a\":5.1,\"b\":3.5,\"c\":1.4,\"d\":0.2";
    let values = "\"id\":\"007\",\"big\":12345678901234567890.10,\"list\":[1, {\"x\": null}],\"esc\":\"\\u00e9\"";
    let names = ["--features", "a,b,c,d", "--outputs", "label"];
    let input = format!("{{{values},{record}}}\n\n{{{record},\"late\":true}}\n");
    let outcome = predict("iris", &[&names[..], &["-q"]].concat())
        .given(&input)
        .run();
    assert_eq!(
        outcome.stdout,
        format!("{{{values},\"label\":\"setosa\"}}\n{{\"late\":true,\"label\":\"setosa\"}}\n")
    );
    let outcome = predict("iris", &[&names[..], &["-q", "--to", "csv"]].concat())
        .given(&input)
        .run();
    assert_eq!(
        outcome.stdout,
        "id,big,list,esc,late,label\n\
         007,12345678901234567890.10,\"[1, {\"\"x\"\": null}]\",é,,setosa\n,,,,true,setosa\n"
    );
}

#[test]
fn json_keys_may_come_in_any_order_and_missing_ones_are_missing() {
    let full = "{\"island\":\"Dream\",\"sex\":\"male\",\"bill_length_mm\":40,\"bill_depth_mm\":18,\
                \"flipper_length_mm\":190,\"body_mass_g\":3700}";
    let shuffled = "{\"body_mass_g\":3700,\"sex\":\"male\",\"island\":\"Dream\",\"bill_depth_mm\":18,\"bill_length_mm\":40}";
    let null = full.replace("190", "null");
    predict("penguins", &["--to", "csv"])
        .given(format!("{full}\n{shuffled}\n{null}\n"))
        .prints(&format!(
            "{PENGUIN_HEADER}\n{ADELIE}\n{NO_FLIPPER}\n{NO_FLIPPER}\n"
        ));
}

#[test]
fn a_list_feeds_the_matrix_of_its_name() {
    predict("iris", &["--to", "csv"])
        .given("{\"X\":[5.1,3.5,1.4,0.2]}\n{\"X\":[6.3,2.9,5.6,1.8]}\n")
        .prints(&iris_table(["", "", ""]));
    // A single value may stand in a list of one.
    predict("penguins", &["--outputs", "output_label"])
        .given(
            "{\"island\":[\"Dream\"],\"sex\":\"male\",\"bill_length_mm\":[40],\"bill_depth_mm\":18,\
             \"flipper_length_mm\":190,\"body_mass_g\":3700}\n",
        )
        .prints("{\"output_label\":\"Adelie\"}\n");
}

#[test]
fn tensors_come_as_json_in_a_cell_or_as_numbered_columns() {
    let model = "tests/corpus/tensor_rank3.onnx";
    let expected = "Y\n\"[[-2.0,2.8],[-2.0,7.6]]\"\n";
    predict(model, &[])
        .given("X\n\"[[1,2,3],[4,5,6]]\"\n")
        .prints(expected);
    predict(model, &[])
        .given("X_0,X_1,X_2,X_3,X_4,X_5\n1,2,3,4,5,6\n")
        .prints(expected);
    predict(model, &[])
        .given("{\"X\":[[1,2,3],[4,5,6]]}\n")
        .prints("{\"Y\":[[-2.0,2.8],[-2.0,7.6]]}\n");
}

// --- What must never make a difference

const RECORDS: u32 = 5000;

/// Four numbers for record `number`, different from record to record.
fn measures(number: u32) -> [String; 4] {
    [(43, 37), (20, 25), (10, 60), (1, 25)].map(|(least, span)| {
        let tenths = least + number.wrapping_mul(2_654_435_761) % 1000 * span / 1000 + number % 7;
        format!("{}.{}", tenths / 10, tenths % 10)
    })
}

fn generated_csv() -> String {
    let records =
        (0..RECORDS).map(|number| format!("{number:05},{}\n", measures(number).join(",")));
    "id,a,b,c,d\n".to_owned() + &records.collect::<String>()
}

fn generated_jsonl() -> String {
    let record = |number: u32| {
        let [a, b, c, d] = measures(number);
        format!("{{\"id\":\"{number:05}\",\"a\":{a},\"b\":{b},\"c\":{c},\"d\":{d}}}\n")
    };
    (0..RECORDS).map(record).collect()
}

/// All generated records scored, as CSV.
fn score_all(input: &str, args: &[&str]) -> Outcome {
    let outcome = predict(
        "iris",
        &[&["--id", "id", "--to", "csv", "-q"], args].concat(),
    )
    .given(input)
    .run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert_eq!(outcome.stdout.lines().count(), RECORDS as usize + 1);
    outcome
}

#[test]
fn the_number_of_jobs_does_not_change_a_byte() {
    let input = generated_csv();
    for batch_size in ["37", "1024"] {
        let run = |jobs: &str| score_all(&input, &["--jobs", jobs, "--batch-size", batch_size]);
        let one = run("1");
        assert_eq!(run("2").bytes, one.bytes);
        assert_eq!(run("8").bytes, one.bytes);
        assert_eq!(run("8").bytes, one.bytes, "a second time");
    }
}

/// The unsafe sharing of one session in `src/model/session.rs` stands on this.
#[test]
fn one_session_serves_many_threads() {
    for model in ["penguins", "languages", "breast_cancer", "digits", "wine"] {
        let records = repository_file(&format!("sample_data/{model}.jsonl")).repeat(10);
        let run = |jobs: &str| {
            let flags: &[&str] = match model {
                "wine" => &["--id", "id", "--label", "cultivar"],
                _ => &[],
            };
            let many = &["--jobs", jobs, "--batch-size", "1", "-q"];
            predict(model, &[flags, many].concat())
                .given(&records)
                .run()
        };
        let one = run("1");
        assert_eq!((one.code, one.stderr.as_str()), (0, ""));
        for _ in 0..3 {
            assert_eq!(run("16").bytes, one.bytes, "{model}");
        }
    }
}

#[test]
fn records_come_out_in_the_order_they_went_in() {
    let outcome = score_all(
        &generated_csv(),
        &["--jobs", "8", "--batch-size", "3", "--outputs", "label"],
    );
    let ids = outcome
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().parse().unwrap());
    assert_eq!(
        ids.collect::<Vec<u32>>(),
        (0..RECORDS).collect::<Vec<u32>>()
    );
}

#[test]
fn the_size_of_a_batch_does_not_change_a_prediction() {
    let input = generated_csv();
    let whole = score_all(&input, &["--batch-size", "1048576"]);
    for batch_size in ["1", "7", "1000", "1024"] {
        score_all(&input, &["--batch-size", batch_size]).assert_stdout(&whole.stdout);
    }
}

#[test]
fn the_format_of_the_input_does_not_change_a_byte() {
    let csv = generated_csv();
    let expected = score_all(&csv, &[]);
    assert_eq!(score_all(&generated_jsonl(), &[]).bytes, expected.bytes);
    assert_eq!(
        score_all(&csv.replace(',', "\t"), &[]).bytes,
        expected.bytes
    );
    assert_eq!(
        score_all(&csv.replace('\n', "\r\n"), &[]).bytes,
        expected.bytes
    );
    let quoted: String = csv
        .lines()
        .map(|line| format!("\"{}\"\n", line.replace(',', "\",\"")))
        .collect();
    assert_eq!(score_all(&quoted, &[]).bytes, expected.bytes);
    let folder = Folder::with(&[("all.csv", csv.as_bytes())]);
    let outcome = predict("iris", &["all.csv", "--id", "id", "-q"])
        .within(&folder)
        .run();
    assert_eq!(outcome.bytes, expected.bytes);
}

#[test]
fn a_key_that_only_later_objects_have_is_read_where_absent_ones_are_allowed() {
    let with = "{\"cyl\":8,\"displ\":350,\"hp\":165,\"weight\":3693,\"accel\":11.5,\"yr\":70,\"origin\":\"USA\",\"maker\":\"buick\"}\n";
    let without = with.replace("\"hp\":165,", "");
    let run = |input: String| {
        let flags = ["--allow-missing-columns", "--batch-size", "1", "-q"];
        predict("auto_mpg", &flags).given(input).run().stdout
    };
    let expected = run(with.to_owned());
    assert!(!expected.contains("null"), "{expected}");
    let both = run(without + with);
    assert_eq!(both.lines().nth(1), expected.lines().next());
}

#[test]
fn a_single_empty_cell_is_written_so_that_readers_see_it() {
    let input = "cyl,displ,hp,weight,accel,yr,origin,maker\n8,350,,3693,11.5,70,USA,buick\n";
    let outcome = predict("auto_mpg", &["-q"]).given(input).run();
    assert_eq!(outcome.stdout, "variable\n\"\"\n");
}
