//! What the planner says when columns and inputs do not fit.

use crate::batch::names::{Ambiguous, listed};
use crate::batch::once::shape_of;
use crate::error::Error;
use crate::model::signature::Port;

use super::Planner;

impl Planner<'_> {
    pub(super) fn columns_hint(&self, wanted: &str) -> String {
        let columns = format!(
            "{}its columns are {}",
            self.delimiter_hint(),
            listed(self.columns)
        );
        match self.names.nearest(wanted) {
            Some(near) => format!("did you mean {}?\n{columns}", listed(&[near])),
            None => columns,
        }
    }

    pub(super) fn ambiguous(&self, wanted: &str, columns: &Ambiguous) -> Error {
        let name = |index: usize| self.columns.get(index).map_or("", String::as_str);
        let (a, b) = (name(columns.0), name(columns.1));
        Error::data(
            self.place,
            format!("columns \"{a}\" and \"{b}\" could both be \"{wanted}\""),
        )
        .hint(format!(
            "rename the one that is meant to exactly \"{wanted}\""
        ))
    }

    pub(super) fn wrong_width(&self, port: &Port, features: usize, told_by_flag: bool) -> Error {
        let message = format!(
            "input \"{}\" has shape {}, which {features} features do not fill",
            port.name,
            shape_of(port)
        );
        if told_by_flag {
            Error::usage(format!("--features: {message}"))
        } else {
            Error::data(self.place, message).hint(
                "name the columns in the model's order with --features LIST or --features @FILE",
            )
        }
    }

    pub(super) fn wrong_count(&self, port: &Port, wanted: usize, free: &[usize]) -> Error {
        let seen: Vec<&str> = free
            .iter()
            .filter_map(|column| self.columns.get(*column))
            .map(String::as_str)
            .collect();
        let found = match seen.as_slice() {
            [] => "found none".to_owned(),
            seen => format!("found {}: {}", seen.len(), listed(seen)),
        };
        let message = format!(
            "input \"{}\" takes {wanted} columns and the model does not name them, {found}",
            port.name
        );
        let error = Error::data(self.place, message);
        if free.len() > wanted {
            error
                .hint("--id, --label or --exclude LIST sets columns aside that are no features")
                .hint_more("--features LIST names the columns in the model's order")
        } else {
            error.hint(format!(
                "{}--features LIST names the columns in the model's order",
                self.delimiter_hint()
            ))
        }
    }

    pub(super) fn absent_columns(&self, absent: &[&str], input: &str) -> Error {
        let of = if input.is_empty() {
            String::new()
        } else {
            format!(" of input \"{input}\"")
        };
        let noun = if absent.len() == 1 {
            "column"
        } else {
            "columns"
        };
        let first = absent.first().copied().unwrap_or_default();
        Error::data(self.place, format!("no {noun} {}{of}", listed(absent)))
            .hint(self.columns_hint(first))
            .hint_more("--allow-missing-columns scores absent columns as missing values")
    }

    /// Every input is given once, so that no record would be scored.
    pub(super) fn nothing_left(&self) -> Error {
        let set: Vec<&str> = self
            .rules
            .set
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        match set.as_slice() {
            [] => Error::model(
                "",
                "no input of the model has a batch axis, so there is nothing to score records with",
            )
            .hint("mlserve inspect MODEL shows the inputs"),
            set => Error::usage(format!(
                "--set {}: that leaves no input for the records",
                listed(set)
            ))
            .hint("--set is for inputs that do not change from record to record"),
        }
    }

    pub(super) fn no_such_input(&self, name: &str) -> Error {
        let inputs: Vec<&str> = self
            .signature
            .inputs
            .iter()
            .map(|port| port.name.as_str())
            .collect();
        Error::usage(format!("--set {name}: the model has no such input"))
            .hint(format!("its inputs are {}", listed(&inputs)))
    }

    /// A header that was cut at the wrong character has one column with that character in it.
    fn delimiter_hint(&self) -> String {
        let [header] = self.columns else {
            return String::new();
        };
        let delimiter = [';', '\t', '|'].into_iter().find(|c| header.contains(*c));
        let name = |c| {
            if c == '\t' {
                "tab".to_owned()
            } else {
                format!("'{c}'")
            }
        };
        delimiter.map_or(String::new(), |c| {
            format!(
                "--delimiter {} divides the fields at that character\n",
                name(c)
            )
        })
    }
}

pub(super) fn unfeedable(port: &Port) -> Error {
    Error::model(
        "",
        format!(
            "input \"{}\" is of type {}, which no file can feed",
            port.name, port.kind
        ),
    )
    .hint("export the model with tensor inputs")
}
