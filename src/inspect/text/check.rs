//! What ONNX Runtime said to the model: `--check`, as labels and texts.

use super::{BESIDE_LABEL, MOST_ROWS};
use crate::error::escape_controls;
use crate::inspect::check::{Checked, RanOutput};
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::model::runtime::Runtime;

/// The runtime, the loading and the made-up batch.
pub(super) fn check(checked: &Checked) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |label: &str, text: String| rows.push(vec![label.to_owned(), text]);
    let started = checked.runtime.map(runtime);
    row(
        "runtime",
        started.unwrap_or("could not be started".to_owned()),
    );
    let loaded = checked.load_ms.map(shown::milliseconds);
    row("load", loaded.unwrap_or("failed".to_owned()));
    for (index, assigned) in checked.assigned.iter().enumerate() {
        let label = if index == 0 { "runs on" } else { " " };
        row(label, escape_controls(&assigned.text()));
    }
    match &checked.ran {
        Some(Ok(ran)) => {
            let records = shown::plural(ran.batch, "made-up record");
            let time = shown::milliseconds(ran.run_ms);
            row("run", format!("{time} for {records}"));
            for (index, output) in ran.outputs.iter().take(MOST_ROWS).enumerate() {
                row(if index == 0 { "outputs" } else { " " }, ran_output(output));
            }
        }
        Some(Err(_)) => row(
            "run",
            "a made-up batch was refused; real data may well be accepted".to_owned(),
        ),
        None if checked.loaded.is_ok() => {
            row("run", "not tried: no file can feed this model".to_owned())
        }
        None => {}
    }
    rows
}

fn runtime(runtime: &Runtime) -> String {
    escape_controls(&format!(
        "ONNX Runtime {}, {}",
        runtime.version(),
        runtime.source()
    ))
}

/// `label: string [7]`
fn ran_output(output: &RanOutput) -> String {
    let tensor = |(dtype, shape): &(String, Vec<usize>)| format!("{dtype} {shape:?}");
    let tensors: Vec<String> = output.tensors.iter().map(tensor).collect();
    let sequence = if output.is_sequence {
        "sequence of "
    } else {
        ""
    };
    format!(
        "{}: {sequence}{}",
        cut(&output.name, LONGEST_NAME),
        shown::list(&tensors, BESIDE_LABEL)
    )
}
