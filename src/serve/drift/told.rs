//! Drift in JSON, for programs.

use serde_json::{Value, json};

use crate::profile::summary::{Bins, Numbers, What};
use crate::serve::hosted::Hosted;

use super::seen::{Column, Kind};

/// What is known of a model's drift; without a baseline that there is none.
pub(super) fn json(hosted: &Hosted) -> Value {
    let Some(watch) = &hosted.watch else {
        return json!({
            "model": hosted.name,
            "version": hosted.version,
            "baseline": null,
            "records": 0,
            "features": [],
            "predictions": [],
        });
    };
    let seen = watch.seen();
    let of = |kind: Kind| -> Vec<Value> {
        let columns = seen.columns.iter().filter(|column| column.kind == kind);
        columns.map(column).collect()
    };
    json!({
        "model": hosted.name,
        "version": hosted.version,
        "baseline": {"model": watch.profile.model, "records": watch.profile.records},
        "window": watch.window,
        "records": seen.records,
        "features": of(Kind::Input),
        "predictions": of(Kind::Prediction),
    })
}

fn column(column: &Column<'_>) -> Value {
    let (key, bins) = match &column.before.what {
        What::Numbers(Numbers { bins, .. }) => match bins {
            Bins::Edges { edges, .. } => ("edges", json!(edges)),
            Bins::Values { values, .. } => ("values", json!(values)),
        },
        What::Texts(texts) => {
            let texts = texts.values.iter().map(|(text, _)| text);
            ("values", texts.cloned().collect())
        }
    };
    json!({
        "name": column.before.name,
        "psi": column.psi,
        "missing_ratio": column.missing_ratio,
        "baseline_missing_ratio": column.before.missing_ratio(),
        key: bins,
        "baseline_counts": column.before.counts(),
        "counts": column.counts,
    })
}
