//! `--expected FILE`: predictions held against those that are known, record by record: is the export
//! right?
//!
//! ```text
//! predict as always, into a file of our own -> row beside row of FILE -> what is too far apart -> text
//! ```
//!
//! Columns go together by their names, records by their places. Memory does not grow with the files.

mod close;
mod rows;

use std::path::{Path, PathBuf};

use crate::batch::names::listed;
use crate::batch::plan::Keep;
use crate::cli::ExpectedArgs;
use crate::error::{Error, Result, escape_controls};

use super::options::Options;
use super::output::sink::Sink;
use close::{Column, Comparison, Tolerance};
use rows::Rows;

/// What predictions are held against.
pub(super) struct Against {
    expected: PathBuf,
    tolerance: Tolerance,
}

impl Against {
    /// What the flags ask for; `None` where nothing is expected.
    ///
    /// # Errors
    /// [`Error::Usage`] for a tolerance that is no number from 0 on.
    pub(super) fn of(args: &ExpectedArgs) -> Result<Option<Against>> {
        let Some(expected) = args.expected.clone() else {
            return Ok(None);
        };
        for (flag, value) in [("--rtol", args.rtol), ("--atol", args.atol)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::usage(format!("{flag}: expected a number from 0 on")));
            }
        }
        Ok(Some(Against {
            expected,
            tolerance: Tolerance {
                relative: args.rtol,
                absolute: args.atol,
            },
        }))
    }
}

/// Scores with `options`, and says how far the predictions are from what is expected.
///
/// # Errors
/// As [`super::run`]; after the report [`Error::Data`], whose exit code is 1, where they are too far.
pub(super) fn run(
    mut options: Options,
    against: &Against,
    score: impl Fn(&Options) -> Result<()>,
) -> Result<()> {
    // Before there is work done for nothing.
    let expected = Rows::open(&against.expected)?;
    let folder = tempfile::tempdir().map_err(|error| Error::io("a temporary folder", &error))?;
    let found = folder.path().join("predictions.csv");
    options.set_output(found.clone());
    options.rules.keep = Keep::None;
    // Where the predictions are for now is nobody's business.
    options.quiet = true;
    "NaN".clone_into(&mut options.nan_as);
    score(&options)?;
    let comparison = compare(Rows::open(&found)?, expected, against)?;
    let mut stdout = Sink::open(None)?;
    stdout.write(comparison.text().as_bytes())?;
    stdout.finish()?;
    match comparison.verdict() {
        None => Ok(()),
        Some(verdict) => Err(Error::data(place(&against.expected), verdict)),
    }
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

fn compare(mut found: Rows, mut expected: Rows, against: &Against) -> Result<Comparison> {
    let mut comparison: Option<Comparison> = None;
    loop {
        let (row, wanted) = (found.next()?, expected.next()?);
        let comparison = match &mut comparison {
            Some(comparison) => comparison,
            // JSON tells its columns by its first record.
            None => comparison.insert(Comparison::new(
                columns(&found, &expected, against)?,
                against.tolerance,
            )),
        };
        match (row, wanted) {
            (None, None) => break,
            (row, wanted) => {
                comparison.found += u64::from(row.is_some());
                comparison.expected += u64::from(wanted.is_some());
                if let (Some(row), Some(wanted)) = (row, wanted) {
                    comparison.take(&row, &wanted);
                }
            }
        }
    }
    comparison.ok_or_else(|| Error::data(place(&against.expected), "there is nothing to compare"))
}

/// The columns that both have.
fn columns(found: &Rows, expected: &Rows, against: &Against) -> Result<Vec<Column>> {
    let both: Vec<Column> = found
        .columns()
        .iter()
        .enumerate()
        .filter_map(|(at, name)| {
            let other = expected.columns().iter().position(|other| other == name)?;
            Some(Column::new(name, at, other))
        })
        .collect();
    if !both.is_empty() {
        return Ok(both);
    }
    let names = |rows: &Rows| {
        listed(
            &rows
                .columns()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )
    };
    Err(Error::data(
        place(&against.expected),
        format!(
            "no column of a prediction: expected one of {}, found {}",
            escape_controls(&names(found)),
            match expected.columns().is_empty() {
                true => "none".to_owned(),
                false => escape_controls(&names(expected)),
            }
        ),
    )
    .hint("mlserve predict without --expected shows how predictions are called"))
}
