//! The classification extension: of a tensor of scores the best classes of each record, as text.

use ndarray::{ArrayD, IxDyn};

use crate::batch::decide::{floats, ranked};
use crate::batch::write::{NonFinite, json_flat};
use crate::model::tensor::Tensor;

use crate::serve::outputs::Output;

/// The `most` best classes of each record: `score:index`, or `score:index:label` where the classes have
/// names; the shape is `[records, classes]`, or `[classes]` for an output that does not count records.
///
/// # Errors
/// An output that has no numbers to choose by.
pub(super) fn best(tensor: &Tensor, output: &Output, most: usize) -> Result<Tensor, String> {
    let scores = numbers(tensor)
        .ok_or_else(|| "the output has no numbers to choose classes by".to_owned())?;
    let shape = tensor.shape();
    let records = match output.counts_records {
        true => shape.first().copied().unwrap_or(1),
        false => 1,
    };
    let width = scores.len().checked_div(records).unwrap_or_default();
    let most = most.min(width);
    let names = output.classes.as_ref().filter(|names| names.len() == width);
    // The scores as JSON has them, one for each.
    let mut json = Vec::new();
    json_flat(&mut json, tensor, NonFinite::Token, usize::MAX);
    let json = String::from_utf8_lossy(&json);
    let written: Vec<&str> = json.trim_matches(['[', ']']).split(',').collect();
    let mut texts = Vec::with_capacity(records.saturating_mul(most));
    for (record, row) in scores.chunks_exact(width.max(1)).enumerate() {
        for class in ranked(row).into_iter().take(most) {
            let score = written
                .get(record * width + class)
                .copied()
                .unwrap_or_default();
            let name = names.and_then(|names| names.get(class));
            texts.push(match name {
                Some(name) => format!("{score}:{class}:{name}"),
                None => format!("{score}:{class}"),
            });
        }
    }
    let shape = match output.counts_records {
        true => vec![records, most],
        false => vec![most],
    };
    let texts = ArrayD::from_shape_vec(IxDyn(&shape), texts);
    texts
        .map(Tensor::String)
        .map_err(|_| "the output's shape changes from run to run".to_owned())
}

/// The elements to choose by.
fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    macro_rules! numbers {
        ($($dtype:ident)*) => {
            match tensor {
                $(Tensor::$dtype(array) => {
                    // Only their order matters; what is beyond 2^53 may tie.
                    Some(array.iter().map(|number| *number as f64).collect())
                })*
                other => floats(other),
            }
        };
    }
    numbers!(Int8 Int16 Int32 Int64 Uint8 Uint16 Uint32 Uint64)
}
