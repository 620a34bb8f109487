//! Every sample model on its sample data, in every format and from every side, against the
//! predictions that Python's ONNX Runtime made.

use crate::compare;
use crate::run::{Outcome, ROOT, names_in, predict, repository_file};

/// A sample: the flags that its records need, and how its outputs are nested in JSON.
struct Sample {
    name: &'static str,
    flags: &'static [&'static str],
    formats: &'static [&'static str],
    outputs: &'static [Output],
}

/// One output of a model, as columns of the expected predictions.
enum Output {
    /// A column of that name.
    Value(&'static str),
    /// Columns `<name>_<class>`, in JSON an object.
    Classes(&'static str, &'static [&'static str]),
    /// Columns `<name>_0`, `<name>_1`..., in JSON a list.
    List(&'static str, usize),
}

use Output::{Classes, List, Value};

const BOTH: &[&str] = &["csv", "jsonl"];
const JSONL: &[&str] = &["jsonl"];

const SAMPLES: [Sample; 10] = [
    Sample {
        name: "auto_mpg",
        flags: &[],
        formats: BOTH,
        outputs: &[Value("variable")],
    },
    Sample {
        name: "breast_cancer",
        flags: &[],
        formats: BOTH,
        outputs: &[
            Value("label"),
            Classes("probabilities", &["benign", "malignant"]),
        ],
    },
    Sample {
        name: "diabetes",
        flags: &[],
        formats: BOTH,
        outputs: &[Value("variable")],
    },
    Sample {
        name: "diamonds",
        flags: &[],
        formats: JSONL,
        outputs: &[Value("price")],
    },
    Sample {
        name: "digits",
        flags: &[],
        formats: JSONL,
        outputs: &[List("logits", 10)],
    },
    Sample {
        name: "iris",
        flags: &[],
        formats: BOTH,
        outputs: &[
            Value("label"),
            Classes("probabilities", &["setosa", "versicolor", "virginica"]),
        ],
    },
    Sample {
        name: "languages",
        flags: &[],
        formats: BOTH,
        outputs: &[
            Value("output_label"),
            Classes(
                "output_probability",
                &[
                    "Dutch",
                    "English",
                    "French",
                    "German",
                    "Italian",
                    "Portuguese",
                    "Spanish",
                ],
            ),
        ],
    },
    Sample {
        name: "penguins",
        flags: &[],
        formats: BOTH,
        outputs: &[
            Value("output_label"),
            Classes("output_probability", &["Adelie", "Chinstrap", "Gentoo"]),
        ],
    },
    Sample {
        name: "titanic",
        flags: &[],
        formats: BOTH,
        outputs: &[Value("output_label"), Value("i0"), Value("i1")],
    },
    Sample {
        name: "wine",
        flags: &["--id", "id", "--label", "cultivar"],
        formats: BOTH,
        outputs: &[
            Value("label"),
            Classes("probabilities", &["class_0", "class_1", "class_2"]),
        ],
    },
];

#[test]
fn no_sample_is_forgotten() {
    let models = names_in(format!("{ROOT}/models"));
    let models: Vec<&str> = models
        .iter()
        .filter_map(|name| name.strip_suffix(".onnx"))
        .collect();
    let samples: Vec<&str> = SAMPLES.iter().map(|sample| sample.name).collect();
    assert_eq!(models, samples);
    let data = names_in(format!("{ROOT}/sample_data")).len();
    let named: usize = SAMPLES.iter().map(|sample| sample.formats.len() + 1).sum();
    assert_eq!(data, named, "each format and the expected predictions");
}

#[test]
fn every_sample_scores_as_python_does() {
    for sample in &SAMPLES {
        for format in sample.formats {
            let path = format!("sample_data/{}.{format}", sample.name);
            sample.assert_table(&sample.run(&[&path], None), &path);
        }
    }
}

#[test]
fn a_pipe_scores_as_the_file_does() {
    for sample in &SAMPLES {
        for format in sample.formats {
            let text = repository_file(&format!("sample_data/{}.{format}", sample.name));
            for paths in [&[][..], &["-"]] {
                let outcome = sample.run(paths, Some(&text));
                sample.assert_table(&outcome, &format!("{} {format} by {paths:?}", sample.name));
            }
        }
    }
}

#[test]
fn json_keeps_the_nesting_of_the_outputs() {
    for sample in &SAMPLES {
        let input = format!("sample_data/{}.jsonl", sample.name);
        let args = [&[input.as_str(), "--keep", "none", "-q"], sample.flags].concat();
        let outcome = predict(sample.name, &args).run();
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (0, ""),
            "{}",
            sample.name
        );
        outcome.assert_stdout(&sample.expected_json());
    }
}

#[test]
fn what_the_model_does_not_consume_stands_beside_the_predictions() {
    predict("penguins", &["sample_data/penguins.csv", "--limit", "4"]).prints(
        "id,species,year,output_label,output_probability_Adelie,output_probability_Chinstrap,output_probability_Gentoo\n\
         PAL0708-A001,Adelie,2007,Adelie,0.99939424,0.00054106244,0.000064690066\n\
         PAL0708-A002,Adelie,2007,Adelie,0.9880086,0.009458993,0.0025323816\n\
         PAL0708-A003,Adelie,2007,Adelie,0.9686339,0.028825324,0.0025407728\n\
         PAL0708-A004,Adelie,2007,Adelie,0.84580153,0.09890119,0.05529723\n",
    );
    predict("digits", &["sample_data/digits.jsonl", "--limit", "1"]).prints(
        "{\"id\":\"digit-0037\",\"digit\":9,\"logits\":[-12.203747,0.3236408,-11.137305,1.4412463,-9.373451,\
         0.7676441,-9.362006,-12.260957,-1.6793418,2.6446245]}\n",
    );
}

impl Sample {
    /// Its predictions alone, as CSV.
    fn run(&self, paths: &[&str], input: Option<&str>) -> Outcome {
        let args = [
            paths,
            self.flags,
            &["--keep", "none", "--to", "csv", "--quiet"],
        ]
        .concat();
        let program = predict(self.name, &args);
        match input {
            Some(input) => program.given(input).run(),
            None => program.run(),
        }
    }

    #[track_caller]
    fn assert_table(&self, outcome: &Outcome, what: &str) {
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{what}");
        let difference = compare::texts(&outcome.stdout, &self.expected());
        assert_eq!(difference, Ok(()), "{what}");
    }

    fn expected(&self) -> String {
        repository_file(&format!("sample_data/{}.expected.csv", self.name))
    }

    /// The expected predictions as JSONL.
    fn expected_json(&self) -> String {
        let text = self.expected();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names = reader.headers().unwrap().clone();
        let mut lines = String::new();
        for record in reader.records() {
            let record = record.unwrap();
            let cell = |name: &str| {
                let at = names.iter().position(|column| column == name);
                json(&record[at.unwrap_or_else(|| panic!("no column {name}"))])
            };
            let outputs: Vec<String> = self
                .outputs
                .iter()
                .map(|output| output.json(&cell))
                .collect();
            lines.push_str(&format!("{{{}}}\n", outputs.join(",")));
        }
        lines
    }
}

impl Output {
    /// The output as a member of a JSON object.
    fn json(&self, cell: &dyn Fn(&str) -> String) -> String {
        match self {
            Value(name) => format!("\"{name}\":{}", cell(name)),
            Classes(name, classes) => {
                let member =
                    |class: &&str| format!("\"{class}\":{}", cell(&format!("{name}_{class}")));
                let members: Vec<String> = classes.iter().map(member).collect();
                format!("\"{name}\":{{{}}}", members.join(","))
            }
            List(name, size) => {
                let items: Vec<String> = (0..*size)
                    .map(|index| cell(&format!("{name}_{index}")))
                    .collect();
                format!("\"{name}\":[{}]", items.join(","))
            }
        }
    }
}

/// A cell as JSON: a number where it is one.
fn json(cell: &str) -> String {
    match cell.parse::<f64>() {
        Ok(_) => cell.to_owned(),
        Err(_) => serde_json::to_string(cell).unwrap(),
    }
}
