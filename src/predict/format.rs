//! Which format a source or the output has: text, record after record, or a table of typed columns.

use std::path::Path;

use crate::cli::FormatName;

/// A format of text, ready to read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-, tab- or otherwise separated fields, quoted as RFC 4180 says.
    Csv { delimiter: u8 },
    /// One JSON object a line.
    Jsonl,
}

/// The format of a source or of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Text(Format),
    Table(TableFormat),
}

/// A format of typed columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    Parquet,
    /// Arrow IPC with a footer, also called Feather.
    ArrowFile,
    /// Arrow IPC as it comes over a pipe.
    ArrowStream,
    /// One NumPy array.
    Npy,
    /// Named NumPy arrays.
    Npz,
}

impl TableFormat {
    /// The format that a file's extension names.
    pub fn of_path(path: &Path) -> Option<TableFormat> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "parquet" | "pq" => Some(TableFormat::Parquet),
            "arrow" | "feather" | "ipc" => Some(TableFormat::ArrowFile),
            "arrows" => Some(TableFormat::ArrowStream),
            "npy" => Some(TableFormat::Npy),
            "npz" => Some(TableFormat::Npz),
            _ => None,
        }
    }

    /// The format that the first bytes of a source show. An NPZ file is a ZIP archive like others:
    /// only its name tells.
    pub fn of_bytes(start: &[u8], by_name: Option<TableFormat>) -> Option<TableFormat> {
        match start {
            [b'P', b'A', b'R', b'1', ..] => Some(TableFormat::Parquet),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(TableFormat::ArrowFile),
            // The mark of a message; no text starts like that.
            [0xff, 0xff, 0xff, 0xff, ..] => Some(TableFormat::ArrowStream),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(TableFormat::Npy),
            [b'P', b'K', ..] => by_name.filter(|name| *name == TableFormat::Npz),
            // Nothing is no text either, where the name says table.
            [] => by_name,
            _ => None,
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            TableFormat::Parquet => "Parquet",
            TableFormat::ArrowFile => "Arrow IPC",
            TableFormat::ArrowStream => "Arrow IPC stream",
            TableFormat::Npy => "NPY",
            TableFormat::Npz => "NPZ",
        }
    }
}

impl FileFormat {
    /// The format that a flag names; `delimiter` is that of text.
    pub fn named(name: FormatName, delimiter: Option<u8>) -> FileFormat {
        match name {
            FormatName::Csv => FileFormat::Text(CSV.with_delimiter(delimiter)),
            FormatName::Tsv => FileFormat::Text(TSV.with_delimiter(delimiter)),
            FormatName::Jsonl => FileFormat::Text(Format::Jsonl),
            FormatName::Parquet => FileFormat::Table(TableFormat::Parquet),
            FormatName::Arrow => FileFormat::Table(TableFormat::ArrowFile),
            FormatName::ArrowStream => FileFormat::Table(TableFormat::ArrowStream),
            FormatName::Npy => FileFormat::Table(TableFormat::Npy),
            FormatName::Npz => FileFormat::Table(TableFormat::Npz),
        }
    }

    /// The format that a file's extension names.
    pub fn of_path(path: &Path) -> Option<FileFormat> {
        let text = Format::of_path(path).map(FileFormat::Text);
        text.or_else(|| TableFormat::of_path(path).map(FileFormat::Table))
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            FileFormat::Text(format) => format.name(),
            FileFormat::Table(format) => format.name(),
        }
    }
}

const CSV: Format = Format::Csv { delimiter: b',' };
const TSV: Format = Format::Csv { delimiter: b'\t' };

impl Format {
    /// The format that a file's extension names.
    pub fn of_path(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(CSV),
            "tsv" | "tab" => Some(TSV),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            _ => None,
        }
    }

    /// The format that the first bytes of a source look like: an object starts JSONL (an array too,
    /// which is then refused in words that help), a first line with tabs and no comma is TSV, all else
    /// is CSV.
    pub fn of_bytes(start: &[u8]) -> Format {
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if let Some(b'{' | b'[') = start.trim_ascii_start().first() {
            return Format::Jsonl;
        }
        let line = start
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        if line.contains(&b'\t') && !line.contains(&b',') {
            TSV
        } else {
            CSV
        }
    }

    /// The same format with another delimiter, where it has one.
    #[must_use]
    pub fn with_delimiter(self, delimiter: Option<u8>) -> Format {
        match (self, delimiter) {
            (Format::Csv { .. }, Some(delimiter)) => Format::Csv { delimiter },
            _ => self,
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            CSV => "CSV",
            TSV => "TSV",
            Format::Csv { .. } => "delimited text",
            Format::Jsonl => "JSONL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_name_formats() {
        for (path, format) in [
            ("a.csv", Some(CSV)),
            ("a.CSV", Some(CSV)),
            ("a.tsv", Some(TSV)),
            ("a.tab", Some(TSV)),
            ("a.jsonl", Some(Format::Jsonl)),
            ("a.ndjson", Some(Format::Jsonl)),
            ("a.txt", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of_path(Path::new(path)), format, "{path}");
        }
    }

    #[test]
    fn first_bytes_name_formats() {
        for (start, format) in [
            (&b"{\"a\": 1}\n"[..], Format::Jsonl),
            (b"\xef\xbb\xbf  {\"a\": 1}", Format::Jsonl),
            (b"[{\"a\": 1}]", Format::Jsonl),
            (b"a\tb\n1,5\t2\n", TSV),
            (b"a,b\tc\n", CSV),
            (b"text\n", CSV),
            (b"", CSV),
        ] {
            assert_eq!(Format::of_bytes(start), format, "{start:?}");
        }
    }
}
