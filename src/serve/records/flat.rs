//! The values of a record one by one, in the model's own order: what a row without names is fed by.

use crate::inspect::ports::{self, Fed};
use crate::model::signature::{Dim, Port};

use crate::serve::hosted::Hosted;
use crate::serve::problem::Problem;

/// The names of the columns that feed the model one value each: its features where it names them,
/// else `NAME_0`, `NAME_1`... for the elements of an input.
///
/// # Errors
/// [`Problem::Invalid`] where an input takes lists of any length, or no values at all.
pub fn columns(hosted: &Hosted) -> Result<Vec<String>, Problem> {
    let signature = hosted.model.signature();
    let rules = &hosted.hosting.rules;
    let mut columns = Vec::new();
    for (port, fed) in signature.inputs.iter().zip(ports::fed(signature)) {
        if rules.set.iter().any(|(set, _)| *set == port.name) {
            continue;
        }
        match (fed, &rules.features) {
            (Fed::Features(_) | Fed::Position(_), Some(names)) => columns.extend_from_slice(names),
            (Fed::Features(names), None) => columns.extend_from_slice(names),
            (Fed::Column, _) => columns.push(port.name.clone()),
            (Fed::Position(_) | Fed::ListsOrNumbered(_) | Fed::Lists, _) => {
                let elements = elements(port).ok_or_else(|| no_row(port))?;
                columns.extend((0..elements).map(|index| format!("{}_{index}", port.name)));
            }
            (Fed::State, _) => {}
            (Fed::Set | Fed::Nothing, _) => return Err(no_row(port)),
        }
    }
    Ok(columns)
}

/// Most values of a record that are told apart by name.
const MOST_ELEMENTS: usize = 1 << 20;

/// Elements that one record has of an input.
fn elements(port: &Port) -> Option<usize> {
    let (_, shape) = port.tensor()?;
    let sizes = shape?.iter().skip(1).map(Dim::fixed);
    let elements = sizes
        .into_iter()
        .try_fold(1, |product: usize, size| product.checked_mul(size?))?;
    (elements <= MOST_ELEMENTS).then_some(elements)
}

fn no_row(port: &Port) -> Problem {
    let message = format!("a row of values cannot feed the input \"{}\"", port.name);
    Problem::invalid("columns", message)
}
