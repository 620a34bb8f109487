//! Content codings: gzip and deflate, of bodies and of replies.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::serve::message::Refusal;

/// A coding that both sides know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    /// The zlib format (RFC 9110, 8.4.1.2).
    Deflate,
}

impl Coding {
    /// The token in header fields.
    pub(super) fn token(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    /// The coding of a body by its Content-Encoding.
    ///
    /// # Errors
    /// 415 for one that is not known here.
    pub(super) fn of_body(value: Option<&str>) -> Result<Option<Coding>, Refusal> {
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        match value.to_ascii_lowercase().as_str() {
            "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Coding::Gzip)),
            "deflate" => Ok(Some(Coding::Deflate)),
            _ => Err(Refusal::new(
                415,
                "content_encoding",
                "of content codings gzip and deflate are known",
            )),
        }
    }

    /// The coding that a client likes best, by its Accept-Encoding (RFC 9110, 12.5.3); none where it
    /// likes the plain bytes as well or better.
    pub(super) fn accepted(value: Option<&str>) -> Option<Coding> {
        let mut best = None;
        let mut best_weight = 0.0;
        for item in value?.split(',') {
            let (token, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters
                .trim()
                .strip_prefix("q=")
                .map_or(Some(1.0), |q| q.trim().parse().ok());
            let weight: f32 = weight.unwrap_or(0.0);
            let coding = match token.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                _ => continue,
            };
            if weight > best_weight {
                (best, best_weight) = (Some(coding), weight);
            }
        }
        best
    }

    /// `bytes` in this coding.
    pub(super) fn encode(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        // The fastest level: a reply is compressed while its client waits.
        let (level, room) = (Compression::fast(), Vec::with_capacity(bytes.len() / 4));
        match self {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(room, level);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(room, level);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// A body's bytes without their coding.
pub(super) enum Decoded<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Deflate(Box<ZlibDecoder<R>>),
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(raw: R, coding: Option<Coding>) -> Decoded<R> {
        match coding {
            None => Decoded::Plain(raw),
            Some(Coding::Gzip) => Decoded::Gzip(Box::new(MultiGzDecoder::new(raw))),
            Some(Coding::Deflate) => Decoded::Deflate(Box::new(ZlibDecoder::new(raw))),
        }
    }

    /// What the coding is taken off.
    pub(super) fn raw(&self) -> &R {
        match self {
            Decoded::Plain(raw) => raw,
            Decoded::Gzip(decoder) => decoder.get_ref(),
            Decoded::Deflate(decoder) => decoder.get_ref(),
        }
    }

    /// As [`Decoded::raw`].
    pub(super) fn raw_mut(&mut self) -> &mut R {
        match self {
            Decoded::Plain(raw) => raw,
            Decoded::Gzip(decoder) => decoder.get_mut(),
            Decoded::Deflate(decoder) => decoder.get_mut(),
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Decoded::Plain(_))
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoded::Plain(raw) => raw.read(into),
            Decoded::Gzip(decoder) => decoder.read(into),
            Decoded::Deflate(decoder) => decoder.read(into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_the_coding() {
        for (value, coding) in [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br", Some(Coding::Gzip)),
            ("deflate", Some(Coding::Deflate)),
            ("gzip;q=0.5, deflate;q=0.8", Some(Coding::Deflate)),
            ("gzip;q=0", None),
            ("identity", None),
            ("br", None),
            ("*", None),
            ("gzip;q=0, *", None),
            ("", None),
            ("gzip;q=x", None),
        ] {
            assert_eq!(Coding::accepted(Some(value)), coding, "{value}");
        }
        assert_eq!(Coding::accepted(None), None);
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let text = b"the same bytes again and again ".repeat(100);
        for coding in [Coding::Gzip, Coding::Deflate] {
            let packed = coding.encode(&text).expect("bytes");
            assert!(packed.len() < text.len() / 4);
            let mut plain = Vec::new();
            let mut decoded = Decoded::new(packed.as_slice(), Some(coding));
            decoded.read_to_end(&mut plain).expect("bytes");
            assert_eq!(plain, text);
        }
    }
}
