//! Text that is not UTF-8, on its way to becoming so.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};
pub use encoding_rs::{Encoding, UTF_8};

/// The encoding that `label` names, by the labels of the web (WHATWG Encoding Standard): `latin1`,
/// `windows-1252`, `utf-16le`, `shift_jis`...
pub fn named(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.trim().as_bytes())
}

/// The encoding that a byte order mark at the start of a source names; none for UTF-8.
pub fn of_bytes(start: &[u8]) -> Option<&'static Encoding> {
    let (encoding, _) = Encoding::for_bom(start)?;
    (encoding != UTF_8).then_some(encoding)
}

/// Reads text of any encoding as UTF-8. Bytes that the encoding does not know are an error with the
/// place of the first of them: to replace them would change data without a word.
pub struct Transcoder<R> {
    reader: R,
    decoder: Decoder,
    name: &'static str,
    raw: Vec<u8>,
    /// Bytes of `raw` that are not decoded yet: those from `at` to `filled`.
    at: usize,
    filled: usize,
    /// Bytes before those in `raw`.
    before: u64,
    ended: bool,
    finished: bool,
}

/// Bytes read at once.
const RAW_BYTES: usize = 64 * 1024;

impl<R: Read> Transcoder<R> {
    /// A reader of `encoding` behind `reader`; a byte order mark is taken off.
    pub fn new(reader: R, encoding: &'static Encoding) -> Transcoder<R> {
        Transcoder {
            reader,
            decoder: encoding.new_decoder_with_bom_removal(),
            name: encoding.name(),
            raw: vec![0; RAW_BYTES],
            at: 0,
            filled: 0,
            before: 0,
            ended: false,
            finished: false,
        }
    }

    /// Reads more once all that was read is decoded.
    fn fill(&mut self) -> io::Result<()> {
        if self.at < self.filled || self.ended {
            return Ok(());
        }
        self.before += self.filled as u64;
        (self.at, self.filled) = (0, 0);
        self.filled = loop {
            match self.reader.read(&mut self.raw) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.ended = self.filled == 0;
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // The decoder writes whole characters only.
        if out.len() < 4 {
            return Err(io::Error::other("no room for a character"));
        }
        loop {
            if self.finished {
                return Ok(0);
            }
            self.fill()?;
            let raw = self.raw.get(self.at..self.filled).unwrap_or_default();
            let (result, read, written) = self
                .decoder
                .decode_to_utf8_without_replacement(raw, out, self.ended);
            self.at += read;
            match result {
                DecoderResult::Malformed(length, after) => {
                    let end = self.before + self.at as u64;
                    let at = end.saturating_sub(u64::from(length) + u64::from(after));
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("byte {at} is not {} text", self.name),
                    ));
                }
                DecoderResult::InputEmpty => self.finished = self.ended,
                DecoderResult::OutputFull => {}
            }
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives one byte at a time.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1);
            out.get_mut(..count)
                .map(|room| room.copy_from_slice(&self.0[..count]));
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn text_of_other_encodings_becomes_utf8() {
        for (label, raw, text) in [
            (
                "utf-16le",
                &b"\xff\xfea\0,\0\xe4\0\n\0\x3d\xd8\x00\xde"[..],
                "a,ä\n😀",
            ),
            ("utf-16be", b"\xfe\xff\0a\0,\0\xe4", "a,ä"),
            ("latin1", b"gr\xf6\xdfe", "größe"),
            ("windows-1252", b"\x80", "€"),
            ("shift_jis", b"\x83\x65", "テ"),
            ("utf-8", b"\xef\xbb\xbfa", "a"),
        ] {
            let encoding = named(label).expect("a known label");
            for read in [
                read_all(Transcoder::new(raw, encoding)),
                read_all(Transcoder::new(Trickle(raw), encoding)),
            ] {
                assert_eq!(read.expect("valid text"), text, "{label}");
            }
        }
    }

    fn read_all(mut reader: impl Read) -> io::Result<String> {
        let mut text = Vec::new();
        let mut room = [0; 8];
        loop {
            match reader.read(&mut room)? {
                0 => return Ok(String::from_utf8(text).expect("whole characters")),
                count => text.extend_from_slice(&room[..count]),
            }
        }
    }

    #[test]
    fn what_the_encoding_does_not_know_is_an_error_with_its_place() {
        let raw = b"a\0\x00\xd8b\0";
        let encoding = named("utf-16le").expect("a known label");
        let error = read_all(Transcoder::new(&raw[..], encoding)).expect_err("half a pair");
        assert_eq!(error.to_string(), "byte 2 is not UTF-16LE text");
    }

    #[test]
    fn a_byte_order_mark_names_utf16_and_leaves_utf8_alone() {
        assert_eq!(
            of_bytes(b"\xff\xfea\0").map(Encoding::name),
            Some("UTF-16LE")
        );
        assert_eq!(
            of_bytes(b"\xfe\xff\0a").map(Encoding::name),
            Some("UTF-16BE")
        );
        assert_eq!(of_bytes(b"\xef\xbb\xbfa"), None);
        assert_eq!(of_bytes(b"abc"), None);
        assert_eq!(named("klingon"), None);
    }
}
