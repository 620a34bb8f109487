//! A typed value as an error text shows it.

use half::f16;

use super::target::Target;
use super::{Column, Values};
use crate::batch::cell::Cell;

/// Items of a list that are shown; the text is cut after 60 characters anyway.
const MOST_ITEMS: usize = 8;

impl Column<'_> {
    /// The value of `row`, as errors show it.
    pub(super) fn show(&self, row: usize) -> String {
        match self.text(row) {
            Some(Shown::Quoted(text)) => Cell::Text(&text).to_string(),
            Some(Shown::Bare(text)) => Cell::Json(&text).to_string(),
            None => Cell::Absent.to_string(),
        }
    }

    fn text(&self, row: usize) -> Option<Shown> {
        fn of<S: Copy, E>(
            values: &[S],
            row: usize,
            text: impl Fn(S) -> Result<String, E>,
        ) -> Option<Shown> {
            values
                .get(row)
                .and_then(|value| text(*value).ok())
                .map(Shown::Bare)
        }
        if self.valid.is_some_and(|valid| !valid.get(row)) {
            return None;
        }
        match &self.values {
            Values::Int8(values) => of(values, row, |value| String::from_i64(value.into())),
            Values::Int16(values) => of(values, row, |value| String::from_i64(value.into())),
            Values::Int32(values) => of(values, row, |value| String::from_i64(value.into())),
            Values::Int64(values) => of(values, row, String::from_i64),
            Values::Uint8(values) => of(values, row, |value| String::from_u64(value.into())),
            Values::Uint16(values) => of(values, row, |value| String::from_u64(value.into())),
            Values::Uint32(values) => of(values, row, |value| String::from_u64(value.into())),
            Values::Uint64(values) => of(values, row, String::from_u64),
            Values::Float16(values) => of(values, row, |value: f16| String::from_f32(value.into())),
            Values::Float32(values) => of(values, row, String::from_f32),
            Values::Float64(values) => of(values, row, String::from_f64),
            Values::Bool(bits) => Some(Shown::Bare(bits.get(row).to_string())),
            Values::Text(text) => Some(Shown::Quoted(text(row).to_vec())),
            Values::Decimal(text) => Some(Shown::Bare(text(row))),
            Values::Moment(text) => Some(Shown::Bare(format!("the date or time {}", text(row)))),
            Values::List { items, bounds } => {
                let range = bounds(row);
                let shown = range.clone().take(MOST_ITEMS).map(|row| items.show(row));
                let more = if range.len() > MOST_ITEMS {
                    ", …"
                } else {
                    ""
                };
                let shown: Vec<String> = shown.collect();
                Some(Shown::Bare(format!("[{}{more}]", shown.join(", "))))
            }
            Values::Nothing => None,
            Values::Other(what) => Some(Shown::Bare((*what).to_owned())),
        }
    }
}

/// A value in words.
enum Shown {
    Quoted(Vec<u8>),
    Bare(String),
}
