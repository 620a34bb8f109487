//! Records in an NPY array, one for each row, by the rules of `predict`.

use std::io::Cursor;

use crate::batch::typed;
use crate::error::Error;
use crate::numpy::Reader;

use crate::serve::hosted::Hosted;
use crate::serve::problem::{Faults, Problem};

use super::{Ask, Encoded, Place, cell_fault};

/// Encodes the rows of the array in `body`. An array without named columns feeds the model's first
/// input.
///
/// # Errors
/// [`Problem::Invalid`] for what is no such array, holds objects, or does not fit the model.
pub fn encode<'b>(
    hosted: &Hosted,
    body: &[u8],
    ask: &Ask,
    place: &Place,
) -> Result<Encoded<'b>, Problem> {
    let inputs = &hosted.model.signature().inputs;
    let only = inputs.first().map_or("", |port| port.name.as_str());
    let source = Box::new(Cursor::new(body.to_vec()));
    let mut reader = Reader::stream(source, only, "the body").map_err(wrong)?;
    let planned = hosted.planned(reader.header(), &ask.keep)?;
    if let Some(absent) = planned.absent().next() {
        let message = format!("the array has no column \"{absent}\"");
        return Err(Problem::invalid("missing", message));
    }
    let plan = &planned.plan;
    reader
        .start(plan, hosted.hosting.batch_size, 0)
        .map_err(wrong)?;
    let mut groups = Vec::new();
    let mut faults = Faults::default();
    let mut records = 0;
    while let Some(block) = reader.next_block().map_err(wrong)? {
        let table = block.decode(plan).map_err(wrong)?;
        let encoded = typed::encode(plan, &table.columns(), 0..table.rows);
        for (row, fault) in &encoded.faults {
            faults.push(cell_fault(place, records + row, fault));
        }
        groups.extend(encoded.groups);
        records += table.rows;
    }
    if !faults.is_empty() {
        return Err(Problem::Invalid(faults));
    }
    Ok(Encoded {
        planned,
        groups,
        kept: Vec::new(),
        records,
        rows: None,
    })
}

/// What is wrong with an array is the request's fault.
fn wrong(error: Error) -> Problem {
    match error.report() {
        Some(report) => Problem::invalid("npy", report.message.clone()),
        None => Problem::Failed(error),
    }
}
