//! What became of the lines of `--record`.

use crate::serve::record::Recorder;

use super::page::Page;

/// Appends the counters of lines.
pub(super) fn append(page: &mut Page, recorder: &Recorder) {
    let counted = recorder.counted();
    page.counter(
        "mlserve_record_lines_total",
        "Records that were written by --record",
        &[],
        counted.written as f64,
    );
    for (reason, lines) in counted.lost {
        page.counter(
            "mlserve_record_lost_total",
            "Records that --record could not write, by reason",
            &[("reason", reason)],
            lines as f64,
        );
    }
}
