//! Predictions as TensorFlow Serving writes them: by row, or by output.

use crate::batch::columns::{Field, Form, Wanted};
use crate::batch::write::{
    NonFinite, json_field, json_joined, json_record, json_string, json_tensor,
};
use crate::model::signature::Port;
use crate::model::tensor::{Tensor, Value};

use crate::serve::b64;
use crate::serve::hosted::Hosted;
use crate::serve::instances::Said;
use crate::serve::outputs;
use crate::serve::records::Predictions;

/// Bytes of an answer for each record, to begin with.
const BYTES_OF_RECORD: usize = 64;
/// Outputs of text with such names are bytes.
const BYTES: &str = "_bytes";

/// `{"predictions": [...]}`: for each record its only output, else an object by output.
pub(super) fn rows(predictions: &Predictions<'_>, nan: NonFinite) -> Vec<u8> {
    let fields = &predictions.layout.fields;
    let mut out = Vec::with_capacity(32 + predictions.records.saturating_mul(BYTES_OF_RECORD));
    out.extend_from_slice(b"{\"predictions\":");
    let each = predictions.each();
    json_joined(&mut out, b'[', b']', each, |out, ((tensors, record), _)| {
        if out.len() > predictions.most_bytes {
            return;
        }
        let names = fields.iter().enumerate();
        let named = names.map(|(index, field)| (field.name.as_str(), index));
        by_output(out, named, |out, _, index| {
            if let (Some(field), Some(tensor)) = (fields.get(index), tensors.get(index)) {
                value(out, field, tensor, record, nan);
            }
        });
    });
    out.push(b'}');
    out
}

/// `{"outputs": ...}`: the only output, else an object by output.
pub(super) fn columns(hosted: &Hosted, said: Said<'_>, wanted: &Wanted, nan: NonFinite) -> Vec<u8> {
    let most = hosted.hosting.reply_bytes;
    let mut out = b"{\"outputs\":".to_vec();
    match said {
        Said::Values(values) => {
            let ports = &hosted.model.signature().outputs;
            let names = wanted.outputs.as_ref();
            let is_wanted = |port: &Port| names.is_none_or(|names| names.contains(&port.name));
            let (ports, values): (Vec<&Port>, Vec<Value>) = ports
                .iter()
                .zip(values)
                .filter(|(port, _)| is_wanted(port))
                .unzip();
            let tensors = outputs::named(ports, values);
            let named = tensors.iter().map(|(name, tensor)| (name.as_ref(), tensor));
            by_output(&mut out, named, |out, name, tensor| match tensor {
                Tensor::String(texts) if name.ends_with(BYTES) => b64::write(out, texts.view()),
                tensor => json_tensor(out, tensor, nan, most),
            });
        }
        Said::Predictions(predictions) => {
            let fields = &predictions.layout.fields;
            let names = fields.iter().enumerate();
            let named = names.map(|(index, field)| (field.name.as_str(), index));
            by_output(&mut out, named, |out, _, index| {
                let each = predictions.each();
                json_joined(out, b'[', b']', each, |out, ((tensors, record), _)| {
                    if let (Some(field), Some(tensor)) = (fields.get(index), tensors.get(index))
                        && out.len() <= most
                    {
                        value(out, field, tensor, record, nan);
                    }
                });
            });
        }
    }
    out.push(b'}');
    out
}

/// The only one alone, else each by its name.
fn by_output<'n, T>(
    out: &mut Vec<u8>,
    mut named: impl ExactSizeIterator<Item = (&'n str, T)>,
    mut write: impl FnMut(&mut Vec<u8>, &str, T),
) {
    if named.len() == 1 {
        if let Some((name, only)) = named.next() {
            write(out, name, only);
        }
        return;
    }
    json_joined(out, b'{', b'}', named, |out, (name, output)| {
        json_string(out, name);
        out.push(b':');
        write(out, name, output);
    });
}

/// What a field has for one record, in the shape that the model gives it.
fn value(out: &mut Vec<u8>, field: &Field, tensor: &Tensor, record: usize, nan: NonFinite) {
    match (&field.form, tensor) {
        (Form::Top { .. }, _) => json_field(out, field, tensor, record, nan),
        (_, Tensor::String(texts)) if field.name.ends_with(BYTES) => {
            if let Some(texts) = texts.outer_iter().nth(record) {
                b64::write(out, texts);
            }
        }
        _ => json_record(out, tensor, record, nan),
    }
}
