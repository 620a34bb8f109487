//! The tables of inputs and outputs, and the columns of predictions.

use super::{LEAST, MOST_ROWS, WIDTH};
use crate::batch::columns::Layout;
use crate::inspect::ports::{self, Fed};
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::inspect::table;
use crate::model::onnx::Facts;
use crate::model::signature::{Port, Signature, shape_text};

/// Appends the table of inputs, with what feeds each.
pub(super) fn inputs(out: &mut String, facts: &Facts) {
    let fed = ports::fed(&facts.signature);
    let heading = ["INPUT", "DTYPE", "SHAPE", "FED BY"];
    let last = |index: usize, port: &Port, room| {
        let Some(fed) = fed.get(index) else {
            return String::new();
        };
        let text = fed_by(fed, port, room);
        match ports::categories(facts, port) {
            // The categories of a matrix belong to no column in particular.
            Some(categories) if *fed == Fed::Column => {
                let room = room.saturating_sub(shown::width(&text) + 2);
                format!("{text}: {}", shown::names(&categories, room))
            }
            _ => text,
        }
    };
    ports_table(out, heading, &facts.signature.inputs, last);
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

/// Appends the table of outputs, with the class names that their columns have.
pub(super) fn outputs(out: &mut String, signature: &Signature, layouts: &[Layout]) {
    let heading = ["OUTPUT", "DTYPE", "SHAPE", "CLASSES"];
    ports_table(out, heading, &signature.outputs, |index, _, room| {
        let classes = layouts.get(index).and_then(ports::classes);
        classes.map_or(String::new(), |names| shown::names(names, room))
    });
}

/// A table whose last column takes the room that the others leave.
fn ports_table(
    out: &mut String,
    heading: [&str; 4],
    ports: &[Port],
    last: impl Fn(usize, &Port, usize) -> String,
) {
    let [name, dtype, shape, last_heading] = heading;
    if ports.is_empty() {
        out.extend(["\n", name, "\nnone\n"]);
        return;
    }
    let mut rows = vec![[name, dtype, shape].map(str::to_owned).to_vec()];
    rows.extend(ports.iter().take(MOST_ROWS).map(|port| {
        let shape = ports::shape(port).map(shape_text).unwrap_or_default();
        vec![
            cut(&port.name, LONGEST_NAME),
            cut(&port.kind.to_string(), LONGEST_NAME),
            cut(&shape, LONGEST_NAME),
        ]
    }));
    let room = table::left(&rows, WIDTH, LEAST);
    let numbered = ports.iter().enumerate();
    let cells = numbered.map(|(index, port)| last(index, port, room));
    let last_column = std::iter::once(last_heading.to_owned()).chain(cells);
    for (row, cell) in rows.iter_mut().zip(last_column) {
        row.push(cell);
    }
    out.push('\n');
    table::append(out, &rows);
    if let Some(more @ 1..) = ports.len().checked_sub(MOST_ROWS) {
        out.push_str(&format!("and {more} more; --json shows them all\n"));
    }
}

/// Appends the columns of predictions, as far as they are known.
pub(super) fn columns(out: &mut String, signature: &Signature, layouts: &[&Layout]) {
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
