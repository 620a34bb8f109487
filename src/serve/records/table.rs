//! Records that are rows below one header: CSV, and data frames in JSON.

use std::sync::Arc;

use crate::batch::cell::Cell;

use crate::serve::hosted::Hosted;
use crate::serve::problem::{Fault, Faults, Problem, Step};

use super::planned::Planned;
use super::{Ask, Encoded, Intake, Place};

/// Encodes the rows that `next` gives: it fills in the cells of a row and says whether there was one.
///
/// # Errors
/// [`Problem::Invalid`] for columns that the model reads and no row has, unless absent ones count as
/// missing by the server's flags; for rows of another width, and for whatever is wrong with cells;
/// whatever `next` fails with.
pub fn encode<'b>(
    hosted: &Hosted,
    planned: &Arc<Planned>,
    (ask, place): (&Ask, &Place),
    mut next: impl FnMut(&mut Vec<Cell<'b>>) -> Result<bool, Problem>,
) -> Result<Encoded<'b>, Problem> {
    check_absent(hosted, planned.absent(), place)?;
    let columns = planned.columns().len();
    let mut intake = Intake::new(hosted, planned, ask, place);
    let mut cells = Vec::with_capacity(planned.plan.columns.len());
    loop {
        cells.clear();
        if !next(&mut cells)? {
            return intake.finish(Arc::clone(planned));
        }
        if cells.len() == columns {
            cells.resize(planned.plan.columns.len(), Cell::Absent);
            intake.take(&cells, false);
        } else {
            let message = format!("expected {columns} values, found {}", cells.len());
            intake.refuse("wrong_field_count", message, "");
        }
    }
}

/// A column that no record has is no missing value but another table.
///
/// # Errors
/// [`Problem::Invalid`] with all such columns, unless the server's flags allow for them.
pub fn check_absent<'n>(
    hosted: &Hosted,
    absent: impl Iterator<Item = &'n str>,
    place: &Place,
) -> Result<(), Problem> {
    if hosted.hosting.rules.allow_missing_columns {
        return Ok(());
    }
    let mut faults = Faults::default();
    for name in absent {
        let fault = Fault {
            loc: place.steps.clone(),
            message: "the model needs this column".to_owned(),
            code: "missing",
            input: None,
        };
        faults.push(fault.below(Step::Key(name.to_owned())));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Problem::Invalid(faults)),
    }
}
