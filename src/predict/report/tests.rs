//! The page of a made-up run: whole, well nested, and safe whatever its names are.

use ndarray::{Array1, Array2};

use super::super::evaluate::tests::laid_out;
use super::super::evaluate::{Judge, Metrics};
use super::*;
use crate::batch::cell::CellRules;
use crate::batch::columns::{Layout, Wanted};
use crate::batch::encode::Group;
use crate::batch::feed::{BatchAxis, Feed, How, Source};
use crate::batch::plan::Plan;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

/// Noise between 0 and 1, the same in every run.
fn noise(seed: usize) -> f32 {
    let mut bits = (seed as u32).wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x85eb_ca6b);
    bits ^= bits >> 13;
    bits as f32 / u32::MAX as f32
}

fn bell(seed: usize) -> f32 {
    (0..6).map(|part| noise(seed * 6 + part)).sum::<f32>() - 3.0
}

fn plan(names: &[&str], dtype: Dtype) -> Plan {
    let source = |(index, name): (usize, &&str)| Source {
        name: (*name).to_owned(),
        column: Some(index),
        fill: None,
    };
    Plan {
        columns: names.iter().map(|name| (*name).to_owned()).collect(),
        feeds: vec![Feed {
            input: "X".to_owned(),
            dtype,
            how: How::Cells {
                sources: names.iter().enumerate().map(source).collect(),
                dims: vec![names.len()],
            },
        }],
        unused: Vec::new(),
        kept: Vec::new(),
        batch: BatchAxis::Free,
        cells: CellRules::default(),
    }
}

/// What one run of records saw and gave, and the truth.
struct Run {
    plan: Plan,
    layout: Layout,
    group: Group,
    outputs: Vec<Tensor>,
    truths: Vec<String>,
}

/// A run of a classifier over `names`, whose classes are `classes`.
fn run(records: usize, names: &[&str], classes: &[&str]) -> Run {
    let plan = plan(names, Dtype::Float32);
    let width = names.len();
    let features = Array2::from_shape_fn((records, width), |(record, column)| {
        if noise(record * 31 + column * 7) < 0.02 * (column % 4) as f32 {
            f32::NAN
        } else {
            bell(record * width + column) * 10_f32.powi(column as i32 % 5 - 1) + column as f32
        }
    });
    let wide = classes.len();
    let mut scores = Array2::<f32>::zeros((records, wide));
    let (mut truths, mut labels) = (Vec::new(), Vec::new());
    for record in 0..records {
        let truth = record % wide;
        let raw: Vec<f32> = (0..wide)
            .map(|class| {
                (bell(record * wide + class) * 1.5 + if class == truth { 1.6 } else { 0.0 }).exp()
            })
            .collect();
        let sum: f32 = raw.iter().sum();
        let mut best = 0;
        for (class, power) in raw.iter().enumerate() {
            scores[[record, class]] = power / sum;
            best = if raw[class] > raw[best] { class } else { best };
        }
        truths.push(classes[truth].to_owned());
        labels.push(classes[best].to_owned());
    }
    let outputs = [
        ("label", Tensor::String(Array1::from(labels).into_dyn())),
        ("probability", Tensor::Float32(scores.into_dyn())),
        (
            "amount",
            Tensor::Float32(
                Array1::from_shape_fn(records, |record| bell(record).exp() * 120.0).into_dyn(),
            ),
        ),
    ];
    let known: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
    let (layout, outputs) = laid_out(&outputs, Some(&known), &Wanted::default());
    Run {
        plan,
        layout,
        group: Group {
            records,
            inputs: vec![Tensor::Float32(features.into_dyn())],
        },
        outputs,
        truths,
    }
}

impl Run {
    fn metrics(&self) -> Metrics {
        let judge = Judge::new(&self.layout, &self.outputs, "true <class>", None).unwrap();
        let truths: Vec<Option<&[u8]>> = self
            .truths
            .iter()
            .map(|text| Some(text.as_bytes()))
            .collect();
        judge
            .tally(&truths, &self.outputs, truths.len())
            .finish(&judge)
    }

    fn profile(&self) -> Profile {
        Profile::of(&self.plan, &self.layout, &self.group, &self.outputs)
    }
}

fn page(run: &Run, model: &str) -> String {
    let metrics = run.metrics();
    let profile = run.profile();
    html(&Report {
        model,
        inputs: &["data/customers <new>.csv".to_owned()],
        rows: 2_000_000,
        rejected: 1_234,
        missing: 48_200,
        seconds: 4.18,
        peak_memory_bytes: Some(36_000_000),
        profile: Some(&profile),
        metrics: Some(&metrics),
        rejects: [
            ("not_a_number", 1_102),
            ("missing", 120),
            ("refused_by_the_model", 12),
        ]
        .map(|(code, records)| (code.to_owned(), records))
        .into(),
        throughput: (1..=240_u32)
            .map(|at| {
                (
                    f64::from(at) * 4.18 / 240.0,
                    u64::from(at) * 8_300 + (noise(at as usize) * 9_000.0) as u64,
                )
            })
            .collect(),
        facts: vec![
            ("mlserve".to_owned(), "0.1.0".to_owned()),
            ("ONNX Runtime".to_owned(), "1.30.1 (embedded)".to_owned()),
            (
                "options".to_owned(),
                "--label class --on-error skip".to_owned(),
            ),
        ],
    })
}

/// Walks all tags; every one that opens must close in its order.
fn assert_nested(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let body = page.split_once("</style>").unwrap().1;
    let head = page.split_once("<style>").unwrap().0;
    for text in [head, "</style>", body] {
        for tag in text.split('<').skip(1) {
            let (tag, after) = tag.split_once('>').unwrap_or_else(|| panic!("<{tag}"));
            assert!(!after.contains('>'), "{after}");
            let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if tag.starts_with('!') || tag.ends_with('/') || name == "meta" || name == "style" {
                continue;
            } else if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "</{name}>");
            } else {
                open.push(name);
            }
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

const NAMES: [&str; 12] = [
    "age",
    "income",
    "months as a customer",
    "calls",
    "balance",
    "tenure",
    "rate",
    "visits",
    "discount",
    "products",
    "complaints",
    "distance to the nearest branch in kilometres",
];

#[test]
fn the_page_is_whole_well_nested_and_names_no_other_place() {
    let page = page(&run(2_000, &NAMES, &["stays", "leaves"]), "churn.onnx");
    assert_nested(&page);
    for part in [
        "<title>churn.onnx – predictions</title>",
        "<dt>rows scored</dt><dd>2,000,000</dd>",
        "<dt>time</dt><dd>4.18 s</dd>",
        "data/customers &lt;new&gt;.csv",
        "Against the label <q>true &lt;class&gt;</q>",
        "<h3>Confusion</h3>",
        "<h3>Calibration</h3><span>score of leaves</span>",
        "<h3>probability_leaves</h3>",
        "<h2>Input columns</h2>",
        "<th scope=\"row\">not_a_number</th><td>1,102</td>",
        "<h2>Throughput</h2>",
        "<dt>ONNX Runtime</dt><dd>1.30.1 (embedded)</dd>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for foreign in [
        "://", "<script", "url(", "@import", "<link", "<img", "NaN", "inf ",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn names_from_files_cannot_become_markup() {
    let evil = "</td><script>alert(1)</script>\"onload='x\u{202e}";
    let run = run(60, &[evil, "b"], &[evil, "other"]);
    let page = page(&run, evil);
    assert_nested(&page);
    assert!(!page.contains("<script") && !page.contains("'x") && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn many_classes_are_listed_by_their_mistakes() {
    let names: Vec<String> = (0..30).map(|class| format!("class {class}")).collect();
    let classes: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = page(&run(3_000, &NAMES, &classes), "many.onnx");
    assert_nested(&page);
    assert!(page.contains("<h3>Most frequent mistakes</h3>"));
    assert!(page.contains("10 others"));
}

#[test]
fn a_run_of_nothing_has_a_page() {
    let page = html(&Report::default());
    assert_nested(&page);
    assert!(page.contains("<dt>rows scored</dt><dd>0</dd>"));
}

#[test]
fn profiles_of_parts_make_the_profile_of_the_whole() {
    let whole = run(300, &NAMES, &["a", "b", "c"]);
    let counts = [true];
    let mut merged = Profile::default();
    for record in 0..300 {
        let group = whole
            .group
            .part(record..record + 1, &counts, BatchAxis::Free);
        let alone = Group {
            records: 1,
            inputs: whole.outputs.clone(),
        };
        let outputs = alone
            .part(record..record + 1, &[true; 3], BatchAxis::Free)
            .inputs;
        merged.merge(Profile::of(&whole.plan, &whole.layout, &group, &outputs));
    }
    let profile = whole.profile();
    assert_eq!(merged.records, 300);
    assert_eq!(merged.counts, profile.counts);
    assert_eq!(merged.predictions, profile.predictions);
    for (merged, whole) in merged.inputs.iter().zip(&profile.inputs) {
        assert_eq!(
            (merged.values, merged.missing),
            (whole.values, whole.missing)
        );
        assert_eq!((merged.min, merged.max), (whole.min, whole.max));
        let (merged, whole) = (merged.mean().unwrap(), whole.mean().unwrap());
        assert!(
            (merged - whole).abs() <= 1e-12 * whole.abs().max(1.0),
            "{merged} {whole}"
        );
    }
}

#[test]
fn a_column_is_measured_without_its_missing_values() {
    let mut run = run(3, &["a", "b"], &["x", "y"]);
    let table = ndarray::array![[1.0_f32, f32::NAN], [2.0, 5.0], [6.0, f32::INFINITY]];
    run.group.inputs = vec![Tensor::Float32(table.into_dyn())];
    let profile = run.profile();
    let [a, b] = profile.inputs.as_slice() else {
        panic!("two columns");
    };
    assert_eq!(
        (a.values, a.missing, a.min, a.max, a.mean()),
        (3, 0, 1.0, 6.0, Some(3.0))
    );
    assert_eq!(
        (b.values, b.missing, b.min, b.max, b.mean()),
        (3, 1, 5.0, 5.0, Some(5.0))
    );
}

#[test]
fn wide_models_are_looked_at_in_part_and_the_page_says_so() {
    let names: Vec<String> = (0..250).map(|column| format!("f{column}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = run(5, &names, &["x", "y"]);
    let profile = run.profile();
    assert_eq!((profile.inputs.len(), profile.inputs_left_out), (200, 50));
    assert!(page(&run, "wide.onnx").contains("50 further ones were not looked at"));
}
