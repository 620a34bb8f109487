//! The report for people: tables of inputs and outputs, the columns of predictions, facts, warnings.
//!
//! Everything that comes from the file is escaped and cut (`shown.rs`); the JSON has it whole.

mod check;
mod facts;
mod signature;

use crate::batch::columns::Layout;
use crate::error::Result;
use crate::error::escape_controls;
use crate::model::onnx::{Facts, Format};

use super::Told;
use super::check::Checked;
use super::depth;
use super::ports;
use super::shown::{self, LONGEST_NAME, cut};
use super::table;

/// Lines are kept to this many characters, where names allow it.
const WIDTH: usize = 100;
/// The room beside the labels of the model's facts.
const BESIDE_LABEL: usize = WIDTH - 12;
/// The last column of a table is never narrower.
const LEAST: usize = 36;
/// Rows of a table; the JSON has the rest.
const MOST_ROWS: usize = 200;

/// The report on what is `told`.
///
/// # Errors
/// As [`ports::declared`].
pub(super) fn text(told: &Told<'_>) -> Result<String> {
    let Told { facts, checked, .. } = *told;
    let mut out = first_line(facts);
    if let Some(depth) = told.depth {
        // Who asks for parts does not ask for the whole.
        out.push_str(&depth::text(facts, depth));
        if let Some(checked) = checked {
            section(&mut out, "CHECK", check::check(checked));
        }
        return Ok(out);
    }
    signature::inputs(&mut out, facts);
    let declared = ports::declared(&facts.signature)?;
    signature::outputs(&mut out, &facts.signature, &declared);
    // What a run showed counts more than what the file declares.
    let real = checked
        .and_then(Checked::ran)
        .map(|ran| ran.outputs.iter().map(|output| &output.layout).collect());
    let layouts: Vec<&Layout> = real.unwrap_or_else(|| declared.iter().collect());
    signature::columns(&mut out, &facts.signature, &layouts);
    section(&mut out, "MODEL", facts::model(told, &declared));
    section(&mut out, "METADATA", facts::metadata(facts));
    if let Some(checked) = checked {
        section(&mut out, "CHECK", check::check(checked));
    }
    let notes = notes(facts, &layouts, checked);
    if !notes.is_empty() {
        out = out + "\n" + &notes.join("\n") + "\n";
    }
    Ok(out)
}

fn first_line(facts: &Facts) -> String {
    let format = match facts.format {
        Format::Onnx => "ONNX",
        Format::Ort => "ORT (ONNX Runtime's own format)",
    };
    format!(
        "{}: {format}, {}\n",
        escape_controls(&facts.path.display().to_string()),
        shown::bytes(facts.file_bytes)
    )
}

/// Appends a heading and rows under it, if there are any.
fn section(out: &mut String, heading: &str, rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        out.extend(["\n", heading, "\n"]);
        table::append(out, &rows);
    }
}

/// What the user should know before trusting the predictions.
fn notes(facts: &Facts, layouts: &[&Layout], checked: Option<&Checked>) -> Vec<String> {
    let mut notes = Vec::new();
    for file in &facts.external {
        if let Some(problem) = &file.problem {
            notes.push(format!(
                "warning: external data \"{}\": {problem}",
                cut(&file.location, WIDTH)
            ));
        }
    }
    if let Some(reason) = &facts.raw_scores {
        notes.push(format!(
            "note: the scores look raw, not like probabilities: {reason}"
        ));
        notes.push(
            "hint: predict --activation sigmoid (or softmax) makes probabilities of raw scores"
                .to_owned(),
        );
    }
    if let Some(risk) = facts.nan_risk {
        notes.push(format!("note: missing values: {risk}"));
    }
    for (output, reason) in layouts
        .iter()
        .flat_map(|layout| &layout.left_out)
        .take(MOST_ROWS)
    {
        notes.push(format!(
            "note: output \"{}\" is no column: it {reason}",
            cut(output, LONGEST_NAME)
        ));
    }
    let warnings = checked.into_iter().flat_map(|checked| &checked.warnings);
    notes.extend(warnings.map(|warning| format!("warning: {warning}")));
    if let Some(report) = checked.and_then(Checked::refused) {
        notes.push(format!(
            "note: the made-up batch was refused: {}",
            report.message
        ));
    }
    notes.iter().map(|note| escape_controls(note)).collect()
}
