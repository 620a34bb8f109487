//! Predictions as MLflow has them, and in the forms that SageMaker's clients ask for.

use crate::batch::write::{NonFinite, json_field, json_joined};

use crate::serve::bound;
use crate::serve::hosted::Hosted;
use crate::serve::native::encode;
use crate::serve::native::form::Form;
use crate::serve::problem::Problem;
use crate::serve::records::Predictions;

/// Bytes of an answer for each record, to begin with.
const BYTES_OF_RECORD: usize = 64;

/// The predictions in a form; CSV with a header row or without.
///
/// # Errors
/// As [`encode::answer`].
pub(super) fn answer(
    hosted: &Hosted,
    predictions: &Predictions<'_>,
    (form, has_header): (Form, bool),
    nan: NonFinite,
) -> Result<Vec<u8>, Problem> {
    match form {
        Form::Json => bound::within(json(predictions, nan), predictions.most_bytes),
        Form::Csv => {
            let out = encode::csv(predictions, nan, has_header);
            bound::within(out, predictions.most_bytes)
        }
        Form::Ndjson | Form::Npy => encode::answer(hosted, predictions, form, nan),
    }
}

/// `{"predictions": [...]}`: values where the model gives one for each record and nothing else is
/// asked for, else objects.
fn json(predictions: &Predictions<'_>, nan: NonFinite) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + predictions.records.saturating_mul(BYTES_OF_RECORD));
    out.extend_from_slice(b"{\"predictions\":");
    match predictions.layout.fields.as_slice() {
        [field] if predictions.kept_names.is_empty() => {
            let each = predictions.each();
            json_joined(&mut out, b'[', b']', each, |out, ((tensors, record), _)| {
                if let Some(tensor) = tensors.first()
                    && out.len() <= predictions.most_bytes
                {
                    json_field(out, field, tensor, record, nan);
                }
            });
        }
        _ => encode::json_list(&mut out, predictions, nan),
    }
    out.push(b'}');
    out
}
