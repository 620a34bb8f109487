//! Compression, of what is read and of what is written: gzip and zstd.
//!
//! What is written is compressed block by block, each a gzip member or zstd frame of its own, as
//! both formats allow (RFC 1952 section 2.2, RFC 8878 section 3.1): the workers do it side by side,
//! and an interrupted run can go on behind any block.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// The compression that the first bytes of a source show.
    pub fn of_bytes(start: &[u8]) -> Packing {
        match start {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            // A skippable frame, as pzstd and seekable zstd put in front.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
            _ => Packing::None,
        }
    }

    /// The compression that a path's last extension names.
    pub fn of_path(path: &Path) -> Packing {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Packing::Gzip,
            "zst" | "zstd" => Packing::Zstd,
            _ => Packing::None,
        }
    }

    /// `reader` without its compression. Several members or frames one after the other are one text.
    ///
    /// # Errors
    /// Whatever the system says to the first read.
    pub fn unpack<'r>(
        self,
        reader: Box<dyn Read + Send + 'r>,
    ) -> io::Result<Box<dyn Read + Send + 'r>> {
        Ok(match self {
            Packing::None => reader,
            Packing::Gzip => Box::new(Unpacked(Members::new(reader), self.name())),
            Packing::Zstd => Box::new(Unpacked(zstd::Decoder::new(reader)?, self.name())),
        })
    }

    /// `text` compressed, whole in itself; nothing for nothing.
    ///
    /// # Errors
    /// Whatever zstd says, which has no reason to fail in memory.
    pub fn pack(self, text: Vec<u8>) -> io::Result<Vec<u8>> {
        if text.is_empty() {
            return Ok(text);
        }
        match self {
            Packing::None => Ok(text),
            _ => self.member(&text),
        }
    }

    /// What stands in a compressed file for no text at all: an empty file is none that gzip or zstd
    /// would read. Nothing where there is no compression.
    ///
    /// # Errors
    /// As [`Packing::pack`].
    pub fn nothing(self) -> io::Result<Vec<u8>> {
        self.member(&[])
    }

    /// One member or frame.
    fn member(self, text: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Packing::None => Ok(text.to_vec()),
            Packing::Gzip => {
                let room = Vec::with_capacity(text.len() / 3);
                let mut encoder = GzEncoder::new(room, Compression::new(GZIP_LEVEL));
                encoder.write_all(text)?;
                encoder.finish()
            }
            Packing::Zstd => zstd::encode_all(text, ZSTD_LEVEL),
        }
    }

    /// What people call it; empty for none.
    pub fn name(self) -> &'static str {
        match self {
            Packing::None => "",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// `data.csv` of `data.csv.gz`.
pub fn without_packing(path: &Path) -> PathBuf {
    match Packing::of_path(path) {
        Packing::None => path.to_owned(),
        _ => path.with_extension(""),
    }
}

/// The members of a gzip file, one after the other. Zeros behind the last one are padding (tapes and
/// some block stores leave them, gzip and Python skip them); other bytes are an error: they may be
/// what is left of records.
struct Members<R> {
    /// Nothing once the last member is read.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    fn new(reader: R) -> Members<R> {
        Members {
            member: Some(GzDecoder::new(BufReader::with_capacity(64 * 1024, reader))),
        }
    }

    /// Goes on with the next member, if there is one.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(mut reader) = self.member.take().map(GzDecoder::into_inner) else {
            return Ok(());
        };
        let mut padded = false;
        loop {
            let rest = match reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let Some(first) = rest.iter().position(|byte| *byte != 0) else {
                let count = rest.len();
                reader.consume(count);
                if count == 0 {
                    return Ok(());
                }
                padded = true;
                continue;
            };
            if first > 0 || padded || rest.first() != Some(&0x1f) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "bytes behind its end that are no gzip",
                ));
            }
            self.member = Some(GzDecoder::new(reader));
            return Ok(());
        }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(out)?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            self.next_member()?;
        }
        Ok(0)
    }
}

/// A decoder whose own errors, unlike those of the file below it, are [`io::ErrorKind::InvalidData`].
struct Unpacked<R>(R, &'static str);

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Unpacked(decoder, name) = self;
        decoder
            .read(out)
            .map_err(|error| match error.raw_os_error() {
                Some(_) => error,
                None if error.kind() == io::ErrorKind::Interrupted => error,
                None => {
                    let text = match error.kind() {
                        io::ErrorKind::UnexpectedEof => format!("the {name} data ends too early"),
                        _ => format!("broken {name} data: {error}"),
                    };
                    io::Error::new(io::ErrorKind::InvalidData, text)
                }
            })
    }
}

/// The levels that both programs take by default are made for archives; these are a third of the
/// work for a tenth more bytes.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_compressed_one_by_one_are_one_text() {
        for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
            let mut packed = Vec::new();
            for part in ["a,b\n", "", "1,2\n", "3,4\n"] {
                packed.extend(packing.pack(part.as_bytes().to_vec()).expect("in memory"));
            }
            assert_eq!(Packing::of_bytes(&packed), packing);
            let reader = Box::new(packed.as_slice());
            let mut text = String::new();
            let read = packing
                .unpack(reader)
                .and_then(|mut reader| reader.read_to_string(&mut text));
            assert!(read.is_ok());
            assert_eq!(text, "a,b\n1,2\n3,4\n", "{packing:?}");
        }
    }

    fn unpacked(packing: Packing, packed: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        let mut reader = packing.unpack(Box::new(packed))?;
        reader.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn no_text_is_a_member_too() {
        for packing in [Packing::Gzip, Packing::Zstd] {
            let nothing = packing.nothing().expect("in memory");
            assert_eq!(Packing::of_bytes(&nothing), packing);
            assert_eq!(unpacked(packing, &nothing).expect("whole"), "");
        }
        assert_eq!(Packing::None.nothing().expect("in memory"), b"");
    }

    #[test]
    fn what_stands_behind_the_last_member_is_padding_or_an_error() {
        let gzip = Packing::Gzip.pack(b"a,b\n".to_vec()).expect("in memory");
        for (behind, text) in [
            (vec![0; 1], Ok("a,b\n")),
            (vec![0; 200_000], Ok("a,b\n")),
            (
                b"x".to_vec(),
                Err("broken gzip data: bytes behind its end that are no gzip"),
            ),
            (
                [&[0; 512][..], &gzip].concat(),
                Err("broken gzip data: bytes behind its end that are no gzip"),
            ),
            (vec![0x1f, 0x8b, 8], Err("the gzip data ends too early")),
        ] {
            let found = unpacked(Packing::Gzip, &[gzip.as_slice(), &behind].concat());
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), text, "{behind:?}");
        }
    }

    #[test]
    fn the_last_extension_names_the_compression() {
        for (path, packing) in [
            ("a.csv.gz", Packing::Gzip),
            ("a.CSV.GZ", Packing::Gzip),
            ("a.jsonl.zst", Packing::Zstd),
            ("a.csv", Packing::None),
            ("gz", Packing::None),
        ] {
            assert_eq!(Packing::of_path(Path::new(path)), packing, "{path}");
        }
    }
}
