//! The report for people: tables of inputs and outputs, the columns of predictions, facts, warnings.
//!
//! Everything that comes from the file is escaped and cut (`shown.rs`); the JSON has it whole.

use std::collections::HashSet;

use crate::batch::columns::Layout;
use crate::error::Result;
use crate::model::onnx::{Facts, Format, Operator};
use crate::model::signature::{Port, Signature, shape_text};

use super::check::{Checked, Ran, RanOutput};
use super::ports::{self, Fed};
use super::shown::{self, LONGEST_NAME, cut, one_line};
use super::table;

/// Lines are kept to this many characters, where names allow it.
const WIDTH: usize = 100;
/// The room beside the labels of the model's facts.
const BESIDE_LABEL: usize = WIDTH - 12;
/// The last column of a table is never narrower.
const LEAST: usize = 36;
/// Rows of a table; the JSON has the rest.
const MOST_ROWS: usize = 200;

/// The report on `facts` and, after `--check`, on what ONNX Runtime said.
///
/// # Errors
/// As [`ports::declared`].
pub fn text(facts: &Facts, checked: Option<&Checked>) -> Result<String> {
    let mut out = first_line(facts);
    inputs(&mut out, facts);
    let declared = ports::declared(&facts.signature)?;
    outputs(&mut out, &facts.signature, &declared);
    // What a run showed counts more than what the file declares.
    let real = checked
        .and_then(ran)
        .map(|ran| ran.outputs.iter().map(|output| &output.layout).collect());
    let layouts: Vec<&Layout> = real.unwrap_or_else(|| declared.iter().collect());
    columns(&mut out, &facts.signature, &layouts);
    section(&mut out, "MODEL", model(facts, &declared));
    section(&mut out, "METADATA", metadata(facts));
    if let Some(checked) = checked {
        section(&mut out, "CHECK", check(checked));
    }
    let notes = notes(facts, &layouts, checked);
    if !notes.is_empty() {
        out = out + "\n" + &notes.join("\n") + "\n";
    }
    Ok(out)
}

fn ran(checked: &Checked) -> Option<&Ran> {
    checked.ran.as_ref()?.as_ref().ok()
}

fn first_line(facts: &Facts) -> String {
    let format = match facts.format {
        Format::Onnx => "ONNX",
        Format::Ort => "ORT (ONNX Runtime's own format)",
    };
    format!(
        "{}: {format}, {}\n",
        one_line(&facts.path.display().to_string()),
        shown::bytes(facts.file_bytes)
    )
}

/// A heading and rows under it, if there are any.
fn section(out: &mut String, heading: &str, rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        *out = std::mem::take(out) + "\n" + heading + "\n";
        table::append(out, &rows);
    }
}

/// A table whose last column takes the room that the others leave.
fn ports_table<'p>(
    out: &mut String,
    heading: [&str; 4],
    ports: &'p [Port],
    last: impl Fn(usize, &'p Port, usize) -> String,
) {
    out.push('\n');
    if ports.is_empty() {
        out.push_str(heading.first().copied().unwrap_or_default());
        out.push_str("\nnone\n");
        return;
    }
    let mut rows: Vec<Vec<String>> = vec![
        heading
            .iter()
            .take(3)
            .map(|cell| (*cell).to_owned())
            .collect(),
    ];
    rows.extend(ports.iter().take(MOST_ROWS).map(|port| {
        let shape = ports::shape(port).map(shape_text).unwrap_or_default();
        vec![
            cut(&port.name, LONGEST_NAME),
            cut(&port.kind.to_string(), LONGEST_NAME),
            cut(&shape, LONGEST_NAME),
        ]
    }));
    let room = table::left(&rows, WIDTH, LEAST);
    for (index, (row, port)) in rows.iter_mut().skip(1).zip(ports).enumerate() {
        row.push(last(index, port, room));
    }
    if let (Some(first), Some(cell)) = (rows.first_mut(), heading.last()) {
        first.push((*cell).to_owned());
    }
    table::append(out, &rows);
    if let Some(more @ 1..) = ports.len().checked_sub(MOST_ROWS) {
        out.push_str(&format!("and {more} more; --json shows them all\n"));
    }
}

fn inputs(out: &mut String, facts: &Facts) {
    let fed = ports::fed(&facts.signature);
    let heading = ["INPUT", "DTYPE", "SHAPE", "FED BY"];
    ports_table(
        out,
        heading,
        &facts.signature.inputs,
        |index, port, room| {
            let text = fed
                .get(index)
                .map_or(String::new(), |fed| fed_by(fed, port, room));
            // The categories of a matrix belong to no column in particular.
            let is_column = fed.get(index) == Some(&Fed::Column);
            let Some(categories) = ports::categories(facts, port).filter(|_| is_column) else {
                return text;
            };
            let room = room.saturating_sub(shown::width(&text) + 2);
            format!("{text}: {}", shown::names(&categories, room))
        },
    );
}

/// What feeds an input, in at most about `room` characters.
fn fed_by(fed: &Fed<'_>, port: &Port, room: usize) -> String {
    let name = cut(&port.name, LONGEST_NAME);
    match fed {
        Fed::Column => format!("column \"{name}\""),
        Fed::Features([only]) => format!("column \"{}\"", cut(only, LONGEST_NAME)),
        Fed::Features(names) => format!("columns {}", shown::names(names, room.saturating_sub(8))),
        Fed::Position(elements) => {
            format!(
                "{} by position (the model does not name them)",
                shown::plural(*elements, "column")
            )
        }
        Fed::Lists => format!(
            "column \"{name}\" with JSON lists of shape {}",
            record_shape(port)
        ),
        Fed::ListsOrNumbered(elements) => {
            let last = elements.saturating_sub(1);
            format!("columns {name}_0 to {name}_{last}, or \"{name}\" with JSON lists")
        }
        Fed::Set => format!("--set {name}=VALUE, one for all records"),
        Fed::State => format!("zeros, unless --set {name}=JSON gives it"),
        Fed::Nothing => "nothing: no file can hold this type".to_owned(),
    }
}

/// The shape of one record: that of the input without its batch axis.
fn record_shape(port: &Port) -> String {
    let shape = ports::shape(port)
        .and_then(|shape| shape.get(1..))
        .unwrap_or_default();
    cut(&shape_text(shape), LONGEST_NAME)
}

fn outputs(out: &mut String, signature: &Signature, layouts: &[Layout]) {
    let heading = ["OUTPUT", "DTYPE", "SHAPE", "CLASSES"];
    ports_table(out, heading, &signature.outputs, |index, _, room| {
        let classes = layouts.get(index).and_then(ports::classes);
        classes.map_or(String::new(), |names| shown::names(names, room))
    });
}

/// The columns of predictions, as far as they are known.
fn columns(out: &mut String, signature: &Signature, layouts: &[&Layout]) {
    let columns: Vec<Option<Vec<String>>> = layouts
        .iter()
        .map(|layout| ports::columns(layout))
        .collect();
    let is_unknown = columns.contains(&None);
    let named = signature.outputs.iter().zip(columns);
    let named = named
        .flat_map(|(port, columns)| columns.unwrap_or_else(|| vec![format!("{}_*", port.name)]));
    let names: Vec<String> = named.collect();
    if names.is_empty() {
        return;
    }
    out.push_str("\nCOLUMNS OF PREDICTIONS\n");
    out.push_str(&wrapped(&names));
    if is_unknown {
        out.push_str("* is known after the first run; --check shows it\n");
    }
}

/// Names after commas on a few lines.
fn wrapped(names: &[String]) -> String {
    const MOST_LINES: usize = 4;
    let text = shown::names(names, WIDTH * MOST_LINES - LONGEST_NAME);
    let mut lines = String::new();
    let mut used = 0;
    for part in text.split_inclusive(", ") {
        let width = shown::width(part.trim_end());
        if used > 0 && used + width > WIDTH {
            lines.truncate(lines.trim_end().len());
            lines.push('\n');
            used = 0;
        }
        lines.push_str(part);
        used += shown::width(part);
    }
    lines + "\n"
}

/// Label and text of every fact that the model states.
fn model(facts: &Facts, layouts: &[Layout]) -> Vec<Vec<String>> {
    let version = |version: i64| {
        if version == 0 {
            String::new()
        } else {
            version.to_string()
        }
    };
    let rows = [
        ("producer", producer(facts)),
        ("graph", facts.graph_name.clone()),
        ("domain", facts.domain.clone()),
        ("version", version(facts.model_version)),
        ("doc", facts.doc.trim().to_owned()),
        ("IR version", version(facts.ir_version)),
        ("opsets", opsets(facts)),
        ("parameters", parameters(facts)),
        ("nodes", nodes(facts)),
        ("trees", trees(facts)),
        ("classes", classes_elsewhere(facts, layouts)),
        ("external", external(facts)),
    ];
    let row = |(label, text): (&str, String)| vec![label.to_owned(), cut(&text, BESIDE_LABEL)];
    rows.into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(row)
        .collect()
}

fn metadata(facts: &Facts) -> Vec<Vec<String>> {
    let entries = facts.metadata.iter().take(MOST_ROWS);
    let mut rows: Vec<Vec<String>> = entries
        .clone()
        .map(|(key, _)| vec![cut(key, LONGEST_NAME)])
        .collect();
    let room = table::left(&rows, WIDTH, LEAST);
    for (row, (_, value)) in rows.iter_mut().zip(entries) {
        row.push(cut(value, room));
    }
    rows
}

/// Name and version; of a version of many lines the first, unless it is a heading: CatBoost's has ten
/// lines and begins with `Git info:`.
fn producer(facts: &Facts) -> String {
    let first = facts.producer_version.trim().lines().next();
    let version = first
        .filter(|line| !line.ends_with(':'))
        .unwrap_or_default();
    format!("{} {}", facts.producer, version.trim())
        .trim()
        .to_owned()
}

fn opsets(facts: &Facts) -> String {
    let mut opsets: Vec<String> = facts
        .opsets
        .iter()
        .map(|(domain, version)| format!("{domain} {version}"))
        .collect();
    // Some exporters import the standard operators twice, by both of their names.
    let mut seen = HashSet::new();
    opsets.retain(|opset| seen.insert(opset.clone()));
    shown::list(&opsets, BESIDE_LABEL)
}

fn parameters(facts: &Facts) -> String {
    if facts.parameters == 0 {
        return String::new();
    }
    format!(
        "{} ({})",
        shown::count(facts.parameters),
        shown::bytes(facts.weight_bytes)
    )
}

fn nodes(facts: &Facts) -> String {
    let number = shown::count(facts.nodes as u64);
    if facts.operators.is_empty() {
        return number;
    }
    let operators: Vec<String> = facts.operators.iter().map(operator).collect();
    format!(
        "{number}: {}",
        shown::list(&operators, BESIDE_LABEL - number.len() - 2)
    )
}

/// `Cast x2`, `my.company:Foo`: the domains that come with ONNX go without saying.
fn operator(operator: &Operator) -> String {
    let Operator {
        domain,
        name,
        count,
    } = operator;
    let domain = match domain.as_str() {
        "ai.onnx" | "ai.onnx.ml" => String::new(),
        domain => format!("{domain}:"),
    };
    let times = if *count > 1 {
        format!(" x{count}")
    } else {
        String::new()
    };
    format!("{domain}{name}{times}")
}

fn trees(facts: &Facts) -> String {
    facts.trees.map_or(String::new(), |trees| {
        format!(
            "{} ({})",
            shown::count(trees.trees as u64),
            shown::plural(trees.nodes, "node")
        )
    })
}

/// Class names that no output's columns show.
fn classes_elsewhere(facts: &Facts, layouts: &[Layout]) -> String {
    let is_shown = layouts
        .iter()
        .any(|layout| ports::classes(layout).is_some());
    let classes = facts.signature.classes.as_ref().filter(|_| !is_shown);
    classes.map_or(String::new(), |classes| shown::names(classes, BESIDE_LABEL))
}

fn external(facts: &Facts) -> String {
    let file = |file: &crate::model::external::ExternalFile| match file.bytes {
        0 => file.location.clone(),
        bytes => format!("{} ({})", file.location, shown::bytes(bytes)),
    };
    let files: Vec<String> = facts.external.iter().map(file).collect();
    shown::list(&files, BESIDE_LABEL)
}

fn check(checked: &Checked) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |label: &str, text: String| rows.push(vec![label.to_owned(), text]);
    let runtime = |runtime: &crate::model::runtime::Runtime| {
        one_line(&format!(
            "ONNX Runtime {}, {}",
            runtime.version(),
            runtime.source()
        ))
    };
    row(
        "runtime",
        checked
            .runtime
            .map_or("could not be started".to_owned(), runtime),
    );
    row(
        "load",
        match checked.load_ms {
            Some(ms) => shown::milliseconds(ms),
            None => "failed".to_owned(),
        },
    );
    match &checked.ran {
        Some(Ok(ran)) => {
            let records = shown::plural(ran.batch, "made-up record");
            row(
                "run",
                format!("{} for {records}", shown::milliseconds(ran.run_ms)),
            );
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
    if let Some(Err(report)) = checked.and_then(|checked| checked.ran.as_ref()) {
        notes.push(format!(
            "note: the made-up batch was refused: {}",
            report.message
        ));
    }
    notes.iter().map(|note| one_line(note)).collect()
}
