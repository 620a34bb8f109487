//! Records that could not be scored: what becomes of them, and how each is told of.

use std::collections::BTreeMap;

use crate::batch::write::json_string;
use crate::error::{Error, Result};

use crate::predict::account::Account;

/// What becomes of a record that cannot be scored (`--on-error`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It ends the run.
    Fail,
    /// It is left out.
    Skip,
    /// It stays in its place, with its kept columns and empty predictions.
    Null,
}

impl OnError {
    /// Records of the output.
    pub fn written(self, account: &Account) -> u64 {
        match self {
            OnError::Null => account.records,
            OnError::Fail | OnError::Skip => account.scored(),
        }
    }
}

/// How many rejects a run may have (`--max-errors`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// This many.
    Records(u64),
    /// This part of all records, in percent.
    Percent(f64),
}

/// A record that could not be scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub place: Place,
    /// The column at fault, where it is one.
    pub column: Option<String>,
    /// Stable, for machines: `not_a_number`, `wrong_field_count`, `refused`...
    pub code: &'static str,
    pub message: String,
    pub hint: String,
    /// The record as it was read, without its line end; of a row of a table, the columns that were
    /// read as a JSON object.
    pub raw: Vec<u8>,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Of text, counted from 1.
    Line(u64),
    /// Of typed columns, counted from 0.
    Row(u64),
}

impl Reject {
    /// The error that this record is to a run that goes on no further.
    pub fn error(&self, source: &str) -> Error {
        let place = match self.place {
            Place::Line(line) => format!("{source}:{line}"),
            Place::Row(row) => format!("{source}: row {row}"),
        };
        Error::data(place, self.message.as_str()).hint(self.hint.as_str())
    }

    /// Appends the reject as one line of JSON: `file`, `line` or `row`, `column`, `code`, `message`,
    /// `record`. Bytes of the record that are not UTF-8 become U+FFFD, the others stay as they are.
    pub fn write(&self, out: &mut Vec<u8>, source: &str) {
        let mut member = |name: &str, value: &dyn Fn(&mut Vec<u8>)| {
            out.push(if name == "file" { b'{' } else { b',' });
            json_string(out, name);
            out.push(b':');
            value(out);
        };
        member("file", &|out| json_string(out, source));
        let (unit, number) = match self.place {
            Place::Line(line) => ("line", line),
            Place::Row(row) => ("row", row),
        };
        member(unit, &|out| {
            out.extend_from_slice(number.to_string().as_bytes())
        });
        member("column", &|out| match &self.column {
            Some(column) => json_string(out, column),
            None => out.extend_from_slice(b"null"),
        });
        member("code", &|out| json_string(out, self.code));
        member("message", &|out| json_string(out, &self.message));
        match self.place {
            Place::Line(_) => member("record", &|out| {
                json_string(out, &String::from_utf8_lossy(&self.raw));
            }),
            Place::Row(_) => member("record", &|out| out.extend_from_slice(&self.raw)),
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Rejects by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, code: &str) {
        self.add_many(code, 1);
    }

    /// Counts `more` of one reason.
    pub fn add_many(&mut self, code: &str, more: u64) {
        match self.0.get_mut(code) {
            Some(count) => *count += more,
            None => {
                self.0.insert(code.to_owned(), more);
            }
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// By reason, in alphabetical order.
    pub fn by_code(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(code, count)| (code.as_str(), *count))
    }
}

impl Budget {
    /// Whether `rejects` are too many while the run goes on; a share is only known at its end.
    ///
    /// # Errors
    /// [`Error::Data`] where they are.
    pub fn check(self, rejects: u64) -> Result<()> {
        match self {
            Budget::Records(most) if rejects > most => {
                let records = if most == 1 { "record" } else { "records" };
                Err(spent(format!(
                    "more than {most} {records} could not be scored (--max-errors {most})"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether `rejects` of `records` are too many.
    ///
    /// # Errors
    /// [`Error::Data`] where they are.
    pub fn check_end(self, rejects: u64, records: u64) -> Result<()> {
        self.check(rejects)?;
        match self {
            Budget::Percent(most) if rejects as f64 * 100.0 > most * records as f64 => {
                Err(spent(format!(
                    "{rejects} of {records} records could not be scored, more than {most}% (--max-errors {most}%)"
                )))
            }
            _ => Ok(()),
        }
    }
}

fn spent(message: String) -> Error {
    Error::data("", message).hint("--rejects FILE tells which, and why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reject_is_one_line_of_json() {
        let mut reject = Reject {
            place: Place::Line(7),
            column: Some("a \"b\"".to_owned()),
            code: "not_a_number",
            message: "expected a number".to_owned(),
            hint: String::new(),
            raw: b"x,\xff\ny".to_vec(),
        };
        let mut out = Vec::new();
        reject.write(&mut out, "d.csv");
        reject.place = Place::Row(0);
        reject.column = None;
        reject.raw = b"{\"a\":1}".to_vec();
        reject.write(&mut out, "d.parquet");
        assert_eq!(
            String::from_utf8(out).expect("JSON is UTF-8"),
            "{\"file\":\"d.csv\",\"line\":7,\"column\":\"a \\\"b\\\"\",\"code\":\"not_a_number\",\
             \"message\":\"expected a number\",\"record\":\"x,\u{fffd}\\ny\"}\n\
             {\"file\":\"d.parquet\",\"row\":0,\"column\":null,\"code\":\"not_a_number\",\
             \"message\":\"expected a number\",\"record\":{\"a\":1}}\n"
        );
    }

    #[test]
    fn the_budget_is_a_number_or_a_share_of_all_records() {
        for (budget, rejects, records, during, end) in [
            (Budget::Records(0), 0, 9, true, true),
            (Budget::Records(0), 1, 9, false, false),
            (Budget::Records(3), 3, 9, true, true),
            (Budget::Records(3), 4, 9, false, false),
            (Budget::Percent(10.0), 9, 10, true, false),
            (Budget::Percent(10.0), 1, 10, true, true),
            (Budget::Percent(0.5), 1, 199, true, false),
            (Budget::Percent(0.5), 1, 200, true, true),
            (Budget::Percent(0.0), 0, 0, true, true),
        ] {
            assert_eq!(
                budget.check(rejects).is_ok(),
                during,
                "{budget:?} {rejects}"
            );
            assert_eq!(
                budget.check_end(rejects, records).is_ok(),
                end,
                "{budget:?} {rejects}"
            );
        }
    }
}
