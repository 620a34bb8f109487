//! Bytes in JSON: `{"b64": "..."}` stands for text in the dialects that have it.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ndarray::ArrayViewD;

use crate::batch::write::{json_joined, json_string};

use super::problem::Problem;

/// The usual alphabet; clients differ about the `=` at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The JSON `text` with each `{"b64": "..."}` in it as the string that it stands for.
///
/// # Errors
/// [`Problem::Invalid`] for what is not base64, and for bytes that are no UTF-8: strings are text here.
pub fn plain(text: &str) -> Result<Cow<'_, str>, Problem> {
    if !text.contains("\"b64\"") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '{']) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        let length = match object(from) {
            Some((base64, length)) => {
                json_string(&mut out, &decoded(base64)?);
                length
            }
            None => {
                let length = if from.starts_with('"') {
                    string(from)
                } else {
                    1
                };
                out.extend_from_slice(from.get(..length).unwrap_or_default().as_bytes());
                length
            }
        };
        rest = from.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    let out = String::from_utf8(out).map_err(|_| Problem::invalid("not_utf8", "not UTF-8"))?;
    Ok(Cow::Owned(out))
}

/// The base64 of the object that `text` starts with, and the bytes that the object takes.
fn object(text: &str) -> Option<(&str, usize)> {
    let key = text.strip_prefix('{')?.trim_start();
    let colon = key.strip_prefix("\"b64\"")?.trim_start();
    let value = colon.strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (base64, behind) = value.split_at_checked(value.find('"')?)?;
    let behind = behind.strip_prefix('"')?.trim_start().strip_prefix('}')?;
    Some((base64, text.len() - behind.len()))
}

/// Bytes of the JSON string that `text` starts with.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

fn decoded(base64: &str) -> Result<String, Problem> {
    // The one escape that base64 may have in JSON.
    let base64 = base64.replace("\\/", "/");
    let bytes = BASE64
        .decode(base64)
        .map_err(|error| Problem::invalid("base64", format!("\"b64\" is not base64: {error}")))?;
    String::from_utf8(bytes).map_err(|_| {
        let message = "\"b64\" holds bytes that are not UTF-8, and a model's strings are text";
        Problem::invalid("not_utf8", message)
    })
}

/// Appends an array of texts as nested lists of `{"b64": "..."}`.
pub fn write(out: &mut Vec<u8>, texts: ArrayViewD<'_, String>) {
    match texts.first().filter(|_| texts.ndim() == 0) {
        Some(text) => {
            out.extend_from_slice(b"{\"b64\":");
            json_string(out, &BASE64.encode(text));
            out.push(b'}');
        }
        None => json_joined(out, b'[', b']', texts.outer_iter(), write),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// As Python's base64 module has them.
    #[test]
    fn bytes_stand_for_text_wherever_they_are() {
        for (text, plainly) in [
            ("[1,\"a\"]", Some("[1,\"a\"]")),
            ("[{\"b64\":\"aGVsbG8=\"}]", Some("[\"hello\"]")),
            ("[{ \"b64\" : \"aGVsbG8\" } ]", Some("[\"hello\" ]")),
            ("{\"t\":{\"b64\":\"w6Qi\"}}", Some("{\"t\":\"ä\\\"\"}")),
            ("{\"b64\":\"Pz8\\/\"}", Some("\"???\"")),
            ("{\"b64\":\"\"}", Some("\"\"")),
            // No such objects.
            (
                "[{\"b64\":1},{\"b64\":\"YQ==\",\"x\":1}]",
                Some("[{\"b64\":1},{\"b64\":\"YQ==\",\"x\":1}]"),
            ),
            (
                "[\"{\\\"b64\\\":\\\"YQ==\\\"}\",\"b64\"]",
                Some("[\"{\\\"b64\\\":\\\"YQ==\\\"}\",\"b64\"]"),
            ),
            ("[{\"b64\":\"!\"}]", None),
            ("[{\"b64\":\"//79\"}]", None),
        ] {
            assert_eq!(plain(text).ok().as_deref(), plainly, "{text}");
        }
    }

    #[test]
    fn texts_are_written_as_bytes() {
        let mut out = Vec::new();
        write(
            &mut out,
            array![["hello".to_owned()], [String::new()]]
                .into_dyn()
                .view(),
        );
        assert_eq!(out, b"[[{\"b64\":\"aGVsbG8=\"}],[{\"b64\":\"\"}]]");
    }
}
