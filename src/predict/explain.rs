//! `predict --explain`: the plan in words, before anything is scored.

use std::collections::HashSet;

use crate::batch::columns::Layout;
use crate::batch::feed::{BatchAxis, Feed, How, Source};
use crate::batch::names::listed;
use crate::batch::plan::Plan;
use crate::error::escape_controls;

use crate::predict::format::{FileFormat, Format};

/// The plan of one source as text, one line for each input and for each group of columns.
pub fn text(
    source: &str,
    (format, to): (FileFormat, FileFormat),
    plan: &Plan,
    layout: &Layout,
) -> String {
    let mut lines = vec![format!(
        "{source}: {}, {} columns",
        format.name(),
        plan.columns.len()
    )];
    lines.extend(inputs(plan));
    lines.extend(columns(plan));
    for (output, reason) in &layout.left_out {
        lines.push(format!("  output \"{output}\" is no column: it {reason}"));
    }
    lines.push(out(to, plan, layout));
    let lines = lines.iter().map(|line| escape_controls(line) + "\n");
    lines.collect()
}

/// One line for each input, and one on a fixed batch.
fn inputs(plan: &Plan) -> Vec<String> {
    let names = plan.feeds.iter().map(|feed| feed.input.chars().count());
    let width = names.max().unwrap_or(0);
    let line = |feed: &Feed| {
        let (input, dtype) = (&feed.input, feed.dtype.name());
        format!("  input {input:width$}  {dtype:8}  {}", origin(feed))
    };
    let mut lines: Vec<String> = plan.feeds.iter().map(line).collect();
    if let BatchAxis::Fixed(size) = plan.batch {
        lines.push(format!(
            "  runs of {size} records: the model has a fixed batch"
        ));
    }
    lines
}

/// What becomes of the columns that the model does not read.
fn columns(plan: &Plan) -> Vec<String> {
    // Both may be a hundred thousand.
    let kept: HashSet<usize> = plan.kept.iter().copied().collect();
    let is_dropped = |index: &&usize| !kept.contains(*index);
    let dropped = plan.unused.iter().filter(is_dropped);
    let dropped: Vec<&str> = dropped.map(|index| plan.column(*index)).collect();
    let groups = [("passed through", plan.kept_names()), ("left out", dropped)];
    let groups = groups.into_iter().filter(|(_, names)| !names.is_empty());
    groups
        .map(|(what, names)| format!("  {what}: {}", listed(&names)))
        .collect()
}

/// The columns, or in JSONL the keys, of the output.
fn out(to: FileFormat, plan: &Plan, layout: &Layout) -> String {
    let (what, predictions) = match to {
        FileFormat::Text(Format::Csv { .. }) | FileFormat::Table(_) => {
            ("columns", layout.columns())
        }
        FileFormat::Text(Format::Jsonl) => (
            "keys",
            layout
                .fields
                .iter()
                .map(|field| field.name.clone())
                .collect(),
        ),
    };
    let kept = plan.kept_names().into_iter().map(str::to_owned);
    let all: Vec<String> = kept.chain(predictions).collect();
    format!("  {} {what} out: {}", to.name(), listed(&all))
}

/// Where the elements of one input come from.
fn origin(feed: &Feed) -> String {
    match &feed.how {
        How::Cells { sources, .. } => {
            let [source] = sources.as_slice() else {
                let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
                let absent = sources
                    .iter()
                    .filter(|source| source.column.is_none())
                    .count();
                let note = if absent > 0 {
                    format!(" ({absent} absent: missing values)")
                } else {
                    String::new()
                };
                return format!("from {} columns: {}{note}", names.len(), listed(&names));
            };
            column(source)
        }
        How::List { source, dims } => {
            let size = |dim: &Option<usize>| dim.map_or("?".to_owned(), |size| size.to_string());
            let dims: Vec<String> = dims.iter().map(size).collect();
            format!(
                "{}, JSON lists of shape [{}]",
                column(source),
                dims.join(", ")
            )
        }
        How::Once(tensor) => format!("given once, shape {:?}", tensor.shape()),
    }
}

fn column(source: &Source) -> String {
    let fill = source.fill.as_ref().map_or(String::new(), |fill| {
        format!(", missing values read as {fill}")
    });
    match source.column {
        Some(_) => format!("from column \"{}\"{fill}", source.name),
        None => format!("absent: missing values{fill}"),
    }
}
