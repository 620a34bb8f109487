//! What is told of the models that are served now: which versions, in which state, with which shares.

use std::sync::Arc;

use crate::serve::registry::table::{Entry, Slot, State, Table};
use crate::serve::shadow::Shadow;

use super::page::Page;

/// Tells of all models.
pub(super) fn append(page: &mut Page, table: &Table) {
    for entry in &table.entries {
        for slot in entry.present() {
            of_version(page, entry, slot);
        }
    }
}

fn of_version(page: &mut Page, entry: &Entry, slot: &Slot) {
    let of = [("model", entry.name.as_str()), ("version", &slot.version)];
    let [model, version] = of;
    for state in ["loading", "ready", "failed", "draining"] {
        page.gauge(
            "mlserve_model_state",
            "1 for the state that a version is in",
            &[model, version, ("state", state)],
            f64::from(u8::from(slot.state.word() == state)),
        );
    }
    let State::Ready(hosted) = &slot.state else {
        return;
    };
    page.gauge(
        "mlserve_model_load_seconds",
        "Time that loading a version took",
        &of,
        hosted.load.as_secs_f64(),
    );
    if let Some(shadow) = &*hosted.shadow.load() {
        of_shadow(page, of, shadow);
    }
    let parts = entry.parts();
    if parts.is_empty() {
        return;
    }
    let part = parts.iter().find(|(shared, _)| Arc::ptr_eq(shared, hosted));
    page.gauge(
        "mlserve_model_share",
        "Part of the requests that ask for no version",
        &of,
        part.map_or(0.0, |(_, part)| *part),
    );
}

/// How a version and its shadow compare.
fn of_shadow(page: &mut Page, [model, version]: [(&'static str, &str); 2], shadow: &Shadow) {
    let of = [model, version, ("shadow", shadow.target.version.as_str())];
    let counts = &shadow.counts;
    for (name, help, value) in [
        (
            "mlserve_shadow_records_total",
            "Records that a version and its shadow have scored",
            counts.records(),
        ),
        (
            "mlserve_shadow_agreeing_records_total",
            "Records for which a version and its shadow say the same",
            counts.agreeing(),
        ),
        (
            "mlserve_shadow_failed_runs_total",
            "Runs of a shadow that failed or gave something of another form",
            counts.failed(),
        ),
        (
            "mlserve_shadow_left_out_runs_total",
            "Runs that were not compared, for too many waited",
            counts.left_out(),
        ),
    ] {
        page.counter(name, help, &of, value as f64);
    }
    page.gauge(
        "mlserve_shadow_largest_difference",
        "Largest difference between the numbers of a version and those of its shadow",
        &of,
        counts.largest(),
    );
}
