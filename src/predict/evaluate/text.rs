//! Metrics as lines for a terminal and as JSON for programs.
//!
//! | key | value |
//! |---|---|
//! | `label` | the column with the truth |
//! | `records`, `missing` | all records; those without a label |
//! | `kind` | `classification` or `regression` |
//! | `judged` | records that the metrics are of |
//! | `accuracy`, `balanced_accuracy`, `f1_macro`, `log_loss`, `brier`, `roc_auc` | of a classification; null where it cannot be said |
//! | `roc_auc_error` | how far off `roc_auc` may be; 0 where it is exact |
//! | `unknown` | labels that the model cannot predict |
//! | `classes` | their names, or null where there are too many |
//! | `confusion` | list of `[label, prediction, records]` with the numbers of the classes, zeros left out, or null |
//! | `calibration` | list of `{from, to, records, score, rate}` |
//! | `mae`, `rmse`, `r2` | of a regression |
//! | `notes` | list of texts: what was left out or is approximate |

use std::fmt::Write;

use serde_json::{Value, json};

use crate::error::escape_controls;

use super::confusion::Confusion;
use super::metrics::{Classification, Metrics, Of, Regression};

/// Classes of a confusion matrix that a terminal shows as a table, and mistakes that it lists else.
const SHOWN: usize = 10;
/// Characters of a class name in a table's head.
const WIDEST: usize = 14;

impl Metrics {
    /// Lines for a terminal, each ending in a newline; names from files are escaped.
    pub fn text(&self) -> String {
        let mut text = format!("label {}: {} records", quoted(&self.label), self.records);
        if self.missing > 0 {
            let _ = write!(text, ", {} without a label", self.missing);
        }
        text.push('\n');
        match &self.of {
            Of::Classes(of) => {
                for (name, value) in of.values() {
                    line(&mut text, name, value);
                }
                if let Some(confusion) = &of.confusion {
                    text.push_str(&matrix(confusion));
                }
            }
            Of::Numbers(of) => {
                for (name, value) in of.values() {
                    line(&mut text, name, value);
                }
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {}", escape_controls(note));
        }
        text
    }

    /// One object with stable keys.
    pub fn json(&self) -> Value {
        let mut object = json!({
            "label": self.label,
            "records": self.records,
            "missing": self.missing,
        });
        let of = match &self.of {
            Of::Classes(of) => of.json(),
            Of::Numbers(of) => of.json(),
        };
        if let (Some(object), Value::Object(of)) = (object.as_object_mut(), of) {
            object.extend(of);
            object.insert("notes".to_owned(), json!(self.notes));
        }
        object
    }
}

impl Classification {
    /// The metrics that are one number, in the order in which they are shown.
    pub fn values(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("accuracy", self.accuracy),
            ("balanced accuracy", self.balanced_accuracy),
            ("macro F1", self.f1_macro),
            ("ROC AUC", self.roc_auc.map(|auc| auc.value)),
            ("log loss", self.log_loss),
            ("Brier score", self.brier),
        ]
    }

    fn json(&self) -> Value {
        let confusion = self.confusion.as_ref();
        let cells = |confusion: &Confusion| -> Vec<Value> {
            let all = confusion.counts.iter();
            all.map(|((row, column), records)| json!([row, column, records]))
                .collect()
        };
        let bins = self.calibration.iter().map(|bin| {
            json!({
                "from": bin.from, "to": bin.to, "records": bin.records,
                "score": bin.score, "rate": bin.rate,
            })
        });
        json!({
            "kind": "classification",
            "judged": self.judged,
            "unknown": self.unknown,
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "f1_macro": self.f1_macro,
            "log_loss": self.log_loss,
            "roc_auc": self.roc_auc.map(|auc| auc.value),
            "roc_auc_error": self.roc_auc.map(|auc| auc.error),
            "brier": self.brier,
            "classes": confusion.map(|confusion| &confusion.classes),
            "confusion": confusion.map(cells),
            "calibration": bins.collect::<Vec<Value>>(),
        })
    }
}

impl Regression {
    /// The metrics that are one number, in the order in which they are shown.
    pub fn values(&self) -> [(&'static str, Option<f64>); 3] {
        [("MAE", self.mae), ("RMSE", self.rmse), ("R2", self.r2)]
    }

    fn json(&self) -> Value {
        json!({
            "kind": "regression",
            "judged": self.judged,
            "mae": self.mae,
            "rmse": self.rmse,
            "r2": self.r2,
        })
    }
}

fn line(text: &mut String, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        let _ = writeln!(text, "  {name:<18} {}", number(value));
    }
}

/// Six digits after the point, or in all where that says too little or too much.
pub(in crate::predict) fn number(value: f64) -> String {
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
        format!("{value:.6}")
    } else {
        format!("{value:.5e}")
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", escape_controls(name))
}

/// A table of few classes, else the most frequent mistakes.
fn matrix(confusion: &Confusion) -> String {
    let classes = confusion.classes.len();
    if classes > SHOWN {
        return mistakes(confusion);
    }
    let name = |number: usize| cut(&escape_controls(confusion.name(number)));
    let width = |column: usize| {
        let counts = (0..classes).map(|row| confusion.count(row, column).to_string().len());
        counts.max().unwrap_or(0).max(name(column).chars().count())
    };
    let first = (0..classes)
        .map(|row| name(row).chars().count())
        .max()
        .unwrap_or(0);
    let mut text =
        String::from("  confusion, a row for each label, a column for each prediction:\n");
    let _ = write!(text, "    {:first$}", "");
    for column in 0..classes {
        let _ = write!(text, "  {:>1$}", name(column), width(column));
    }
    text.push('\n');
    for row in 0..classes {
        let _ = write!(text, "    {:<first$}", name(row));
        for column in 0..classes {
            let _ = write!(
                text,
                "  {:>1$}",
                confusion.count(row, column),
                width(column)
            );
        }
        text.push('\n');
    }
    text
}

fn mistakes(confusion: &Confusion) -> String {
    let mistakes = confusion.mistakes();
    let mut text = String::new();
    if !mistakes.is_empty() {
        text.push_str("  most frequent mistakes:\n");
    }
    for (row, column, records) in mistakes.into_iter().take(SHOWN) {
        let (label, prediction) = (quoted(confusion.name(row)), quoted(confusion.name(column)));
        let _ = writeln!(text, "    {label} predicted as {prediction}: {records}");
    }
    text
}

/// A name of at most [`WIDEST`] characters.
fn cut(name: &str) -> String {
    if name.chars().count() <= WIDEST {
        return name.to_owned();
    }
    let start: String = name.chars().take(WIDEST - 1).collect();
    start + "…"
}
