//! `predict --explain`: the plan in words, before anything is scored.

use crate::batch::columns::Layout;
use crate::batch::feed::{BatchAxis, Feed, How, Source};
use crate::batch::names::listed;
use crate::batch::plan::Plan;
use crate::error::escape_controls;

use super::format::Format;

/// The plan of one source as text, one line for each input and for each group of columns.
pub fn text(source: &str, format: Format, to: Format, plan: &Plan, layout: &Layout) -> String {
    let mut lines = vec![format!(
        "{source}: {}, {} columns",
        format.name(),
        plan.columns.len()
    )];
    let width = plan
        .feeds
        .iter()
        .map(|feed| feed.input.chars().count())
        .max()
        .unwrap_or(0);
    for feed in &plan.feeds {
        lines.push(format!(
            "  input {:width$}  {:8}  {}",
            feed.input,
            feed.dtype.name(),
            origin(feed)
        ));
    }
    if let BatchAxis::Fixed(size) = plan.batch {
        lines.push(format!(
            "  runs of {size} records: the model has a fixed batch"
        ));
    }
    let names = |indices: &[usize]| {
        indices
            .iter()
            .map(|index| plan.column(*index))
            .collect::<Vec<_>>()
    };
    let dropped: Vec<usize> = plan
        .unused
        .iter()
        .copied()
        .filter(|index| !plan.kept.contains(index))
        .collect();
    if !plan.kept.is_empty() {
        lines.push(format!("  passed through: {}", listed(&names(&plan.kept))));
    }
    if !dropped.is_empty() {
        lines.push(format!("  left out: {}", listed(&names(&dropped))));
    }
    for (output, reason) in &layout.left_out {
        lines.push(format!("  output \"{output}\" is no column: it {reason}"));
    }
    let kept = plan.kept.iter().map(|index| plan.column(*index).to_owned());
    let (what, predictions) = match to {
        Format::Csv { .. } => ("columns", layout.columns()),
        Format::Jsonl => (
            "keys",
            layout
                .fields
                .iter()
                .map(|field| field.name.clone())
                .collect(),
        ),
    };
    let out: Vec<String> = kept.chain(predictions).collect();
    lines.push(format!("  {} {what} out: {}", to.name(), listed(&out)));
    let text = lines.join("\n");
    escape_controls(&text) + "\n"
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
