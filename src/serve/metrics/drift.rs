//! Drift as gauges: their labels are the columns of the baseline, which clients add nothing to.

use crate::serve::hosted::Hosted;

use super::page::Page;

/// Appends the gauges of a model that has a baseline.
pub(super) fn append(page: &mut Page, hosted: &Hosted) {
    let Some(watch) = &hosted.watch else { return };
    let seen = watch.seen();
    let of = [
        ("model", hosted.name.as_str()),
        ("version", &hosted.version),
    ];
    page.gauge(
        "mlserve_drift_records",
        "Records that are held against the baseline",
        &of,
        seen.records as f64,
    );
    for column in &seen.columns {
        let labels = [
            of[0],
            of[1],
            ("kind", column.kind.word()),
            ("feature", column.before.name.as_str()),
        ];
        for (name, help, value) in [
            (
                "mlserve_drift_psi",
                "Population stability index against the baseline",
                column.psi,
            ),
            (
                "mlserve_drift_missing_ratio",
                "Share of missing values",
                column.missing_ratio,
            ),
            (
                "mlserve_drift_baseline_missing_ratio",
                "Share of missing values in the baseline",
                column.before.missing_ratio(),
            ),
        ] {
            if let Some(value) = value {
                page.gauge(name, help, &labels, value);
            }
        }
    }
}
