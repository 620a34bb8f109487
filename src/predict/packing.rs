//! Compression, of what is read and of what is written: gzip and zstd.
//!
//! What is written is compressed block by block, each a gzip member or zstd frame of its own, as
//! both formats allow (RFC 1952 section 2.2, RFC 8878 section 3.1): the workers do it side by side,
//! and an interrupted run can go on behind any block.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
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
            Packing::Gzip => Box::new(Unpacked(MultiGzDecoder::new(reader), self.name())),
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
            Packing::Gzip => {
                let room = Vec::with_capacity(text.len() / 3);
                let mut encoder = GzEncoder::new(room, Compression::new(GZIP_LEVEL));
                encoder.write_all(&text)?;
                encoder.finish()
            }
            Packing::Zstd => zstd::encode_all(text.as_slice(), ZSTD_LEVEL),
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
