//! Which format a source or the output has.

use std::path::Path;

use crate::cli::FormatName;

/// A record format, ready to read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-, tab- or otherwise separated fields, quoted as RFC 4180 says.
    Csv { delimiter: u8 },
    /// One JSON object a line.
    Jsonl,
}

const CSV: Format = Format::Csv { delimiter: b',' };
const TSV: Format = Format::Csv { delimiter: b'\t' };

impl Format {
    /// The format that a flag names; `delimiter` overrides that of CSV and TSV.
    pub fn named(name: FormatName, delimiter: Option<u8>) -> Format {
        match name {
            FormatName::Csv => CSV.with_delimiter(delimiter),
            FormatName::Tsv => TSV.with_delimiter(delimiter),
            FormatName::Jsonl => Format::Jsonl,
        }
    }

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
