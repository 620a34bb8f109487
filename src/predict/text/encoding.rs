//! Text that is not UTF-8, on its way to becoming so.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};
pub use encoding_rs::{Encoding, UTF_8};

/// The encoding that `label` names, by the labels of the web (WHATWG Encoding Standard): `latin1`,
/// `windows-1252`, `utf-16le`, `shift_jis`...
pub fn named(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.trim().as_bytes())
}

/// The encoding of a source that starts with `start`: what its byte order mark says, else what was
/// `asked` for; none for UTF-8.
pub fn of_source(start: &[u8], asked: Option<&'static Encoding>) -> Option<&'static Encoding> {
    let marked = Encoding::for_bom(start).map(|(encoding, _)| encoding);
    marked.or(asked).filter(|encoding| *encoding != UTF_8)
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
    /// What is decoded and not yet handed out. The decoder writes whole characters only, and whoever
    /// reads may have room for less than one.
    text: Vec<u8>,
    handed_out: usize,
    /// Bytes before those in `raw`.
    before: u64,
    ended: bool,
    finished: bool,
}

/// Bytes read at once.
const RAW_BYTES: usize = 64 * 1024;
/// Bytes decoded at once; a decoder needs room for a few characters.
const TEXT_BYTES: usize = 64 * 1024;

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
            text: Vec::new(),
            handed_out: 0,
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

impl<R: Read> Transcoder<R> {
    /// Decodes some text, unless all of it is decoded.
    fn decode(&mut self) -> io::Result<()> {
        self.text.resize(TEXT_BYTES, 0);
        self.handed_out = 0;
        let mut written = 0;
        while written == 0 && !self.finished {
            self.fill()?;
            let raw = self.raw.get(self.at..self.filled).unwrap_or_default();
            let (result, read, decoded) =
                self.decoder
                    .decode_to_utf8_without_replacement(raw, &mut self.text, self.ended);
            self.at += read;
            written = decoded;
            match result {
                DecoderResult::Malformed(length, after) => {
                    self.text.clear();
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
        }
        self.text.truncate(written);
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.handed_out == self.text.len() {
            self.decode()?;
        }
        let mut text = self.text.get(self.handed_out..).unwrap_or_default();
        let count = text.read(out)?;
        self.handed_out += count;
        Ok(count)
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
            out[..count].copy_from_slice(&self.0[..count]);
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
                read_all(Transcoder::new(raw, encoding), 8),
                read_all(Transcoder::new(Trickle(raw), encoding), 8),
                read_all(Transcoder::new(raw, encoding), 1),
            ] {
                assert_eq!(read.expect("valid text"), text, "{label}");
            }
        }
    }

    /// Reads at most `step` bytes at a time.
    fn read_all(mut reader: impl Read, step: usize) -> io::Result<String> {
        let mut text = Vec::new();
        let mut room = vec![0; step];
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
        let error = read_all(Transcoder::new(&raw[..], encoding), 8).expect_err("half a pair");
        assert_eq!(error.to_string(), "byte 2 is not UTF-16LE text");
    }

    #[test]
    fn a_byte_order_mark_tells_more_than_what_was_asked_for() {
        let asked = named("latin1");
        for (start, by_itself, against_latin1) in [
            (&b"\xff\xfea\0"[..], Some("UTF-16LE"), Some("UTF-16LE")),
            (b"\xfe\xff\0a", Some("UTF-16BE"), Some("UTF-16BE")),
            (b"\xef\xbb\xbfa", None, None),
            (b"abc", None, Some("windows-1252")),
        ] {
            let name = |asked| of_source(start, asked).map(Encoding::name);
            assert_eq!(name(None), by_itself, "{start:?}");
            assert_eq!(name(asked), against_latin1, "{start:?}");
        }
        assert_eq!(named("klingon"), None);
    }
}
