//! What a file that is not ONNX is, and how its model gets exported to ONNX.
//!
//! Looks at the first bytes and the file's name; knows nothing of how ONNX files are read.

mod formats;

use std::path::Path;

use crate::error::Error;
use formats::{
    CATBOOST, COREML, EMPTY, GGUF, GZIP, HDF5, HTML, JOBLIB, JSON, KERAS_ZIP, LFS, LIGHTGBM, NUMPY,
    ONNX_TEXT, PICKLE, PMML, PYTORCH, SAFETENSORS, SAVED_MODEL, TENSORFLOW, TEXT, TFLITE,
    XGBOOST_JSON, XGBOOST_UBJ, XML, ZIP, ZIP_OF_ONNX,
};

/// A file that is not an ONNX model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// With its article: `a Python pickle`.
    pub what: &'static str,
    /// How to make an ONNX model of it, one sentence a line.
    pub remedy: &'static str,
}

impl Foreign {
    /// The error that says so.
    pub(crate) fn error(self, path: &Path) -> Error {
        let message = if self == EMPTY {
            "not an ONNX model: the file is empty".to_owned()
        } else {
            format!("not an ONNX model: it looks like {}", self.what)
        };
        Error::model(path.display().to_string(), message).hint(self.remedy)
    }
}

/// The first bytes that tell a format, longest first where one begins another.
const MAGIC: [(&[u8], Foreign); 18] = [
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\x93NUMPY", NUMPY),
    (b"version https://git-lfs", LFS),
    (b"CBM1", CATBOOST),
    (b"GGUF", GGUF),
    (b"tree\nversion", LIGHTGBM),
    (b"tree\r\nversion", LIGHTGBM),
    (b"\x1f\x8b", GZIP),
    (b"{L\x00\x00\x00\x00\x00\x00\x00", XGBOOST_UBJ),
    (b"binf", XGBOOST_UBJ),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"\x78\x01", JOBLIB),
    (b"\x78\x5e", JOBLIB),
    (b"\x78\x9c", JOBLIB),
    (b"\x78\xda", JOBLIB),
];

/// What the file at `path` looks like, given its first bytes (the more the better); `None` if it
/// looks like nothing known.
pub(crate) fn describe(head: &[u8], path: &Path) -> Option<Foreign> {
    if head.is_empty() {
        return Some(EMPTY);
    }
    if let Some((_, foreign)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(by_name_inside(*foreign, path));
    }
    if head.get(4..8) == Some(b"TFL3") {
        return Some(TFLITE);
    }
    if head.starts_with(b"PK\x03\x04") {
        return Some(zip(head, path));
    }
    if is_safetensors(head) {
        return Some(SAFETENSORS);
    }
    // A pickle of the oldest kind is text, too: there the name knows better.
    text(head)
        .filter(|foreign| *foreign != TEXT)
        .or_else(|| by_name(head, path))
        .or_else(|| text(head))
}

/// The error for a folder in the place of a model file.
pub(crate) fn folder(path: &Path) -> Error {
    if path.join("saved_model.pb").is_file() {
        return SAVED_MODEL.error(path);
    }
    let error = Error::model(path.display().to_string(), "is a folder, not a model file");
    match onnx_inside(path) {
        Some(name) => error.hint(format!("give the file: {}", path.join(name).display())),
        None if path.join("model.safetensors").is_file() => error.hint(SAFETENSORS.remedy),
        None => error.hint("give the path of an .onnx or .ort file"),
    }
}

/// The first `.onnx` file of a folder, by name.
fn onnx_inside(path: &Path) -> Option<std::ffi::OsString> {
    let entries = std::fs::read_dir(path).ok()?.take(1000);
    let names = entries.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
    names
        .filter(|name| extension(Path::new(name)) == "onnx")
        .min()
}

/// Whether the bytes begin as exporters begin an ONNX model: the IR version, then the producer's
/// name, an opset, or the graph.
pub(crate) fn starts_like_onnx(head: &[u8]) -> bool {
    matches!(
        head,
        [0x08, 1..=32]
            | [
                0x08,
                1..=32,
                0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42,
                ..
            ]
    )
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

/// joblib's files are compressed with the same two methods as anything else: the name decides.
fn by_name_inside(foreign: Foreign, path: &Path) -> Foreign {
    match (foreign, extension(path).as_str()) {
        (GZIP, "joblib" | "pkl" | "pickle" | "sav") => JOBLIB,
        (PICKLE, "pt" | "pth") => PYTORCH,
        _ => foreign,
    }
}

/// Formats without a mark of their own (protobufs, mostly), by the file's name.
fn by_name(head: &[u8], path: &Path) -> Option<Foreign> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    match extension(path).as_str() {
        _ if name == "saved_model.pb" => Some(SAVED_MODEL),
        "pb" if !starts_like_onnx(head) => Some(TENSORFLOW),
        "mlmodel" => Some(COREML),
        "pkl" | "pickle" | "sav" => Some(PICKLE),
        "joblib" => Some(JOBLIB),
        "pt" | "pth" | "ckpt" => Some(PYTORCH),
        _ => None,
    }
}

/// How much of a zip archive is searched for file names, at each end.
const ZIP_BYTES: usize = 1 << 16;

/// What a zip archive holds, by the file names at its beginning and in the directory at its end.
fn zip(head: &[u8], path: &Path) -> Foreign {
    let start = head.get(..ZIP_BYTES).unwrap_or(head);
    let end = head
        .get(head.len().saturating_sub(ZIP_BYTES)..)
        .unwrap_or_default();
    let has = |name: &[u8]| {
        let find = |part| memchr::memmem::find(part, name).is_some();
        find(start) || find(end)
    };
    match extension(path).as_str() {
        "keras" => KERAS_ZIP,
        "npz" => NUMPY,
        "pt" | "pth" | "ckpt" => PYTORCH,
        _ if has(b"/data.pkl") || has(b"/constants.pkl") => PYTORCH,
        _ if has(b"config.json") && has(b"model.weights.h5") => KERAS_ZIP,
        _ if has(b".onnx") => ZIP_OF_ONNX,
        _ if has(b".npy") => NUMPY,
        _ => ZIP,
    }
}

/// safetensors: the length of a JSON header in eight bytes, then the header.
fn is_safetensors(head: &[u8]) -> bool {
    let length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    head.get(8..10) == Some(b"{\"") && length.is_some_and(|length| length < 1 << 30)
}

/// How much of a file is looked at as text.
const TEXT_BYTES: usize = 4096;

fn text(head: &[u8]) -> Option<Foreign> {
    let head = head.get(..TEXT_BYTES).unwrap_or(head);
    let head = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c);
    let has = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    if head.iter().any(is_control) || !is_utf8_start(head) {
        return None;
    }
    let lower = head.get(..64).unwrap_or(head).to_ascii_lowercase();
    let foreign = match head.first()? {
        b'<' if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") => HTML,
        b'<' if has(b"<PMML") => PMML,
        b'<' if has(b"ir_version:") => ONNX_TEXT,
        b'<' => XML,
        b'{' if has(b"\"learner\"") => XGBOOST_JSON,
        b'{' if has(b"\"oblivious_trees\"") || has(b"\"features_info\"") => CATBOOST,
        b'{' | b'[' => JSON,
        b'i' if lower.starts_with(b"ir_version:") => ONNX_TEXT,
        _ => TEXT,
    };
    Some(foreign)
}

/// Whether `head` is UTF-8, but for a character cut off at its end.
fn is_utf8_start(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_formats_are_recognised() {
        let cases: [(&[u8], &str, Option<Foreign>); 38] = [
            (b"", "m.onnx", Some(EMPTY)),
            (b"\x80\x04\x95", "m.pkl", Some(PICKLE)),
            (b"\x80\x02\x8a\nl\xfc\x9cF", "m.pth", Some(PYTORCH)),
            (b"\x78\x9c\xab", "m.joblib", Some(JOBLIB)),
            (b"\x1f\x8b\x08", "m.joblib", Some(JOBLIB)),
            (b"\x1f\x8b\x08", "m.onnx.gz", Some(GZIP)),
            (
                b"{\"learner\":{\"attributes\"",
                "m.json",
                Some(XGBOOST_JSON),
            ),
            (b"{L\0\0\0\0\0\0\0\x07learner", "m.ubj", Some(XGBOOST_UBJ)),
            (b"tree\nversion=v4", "m.txt", Some(LIGHTGBM)),
            (b"CBM1\0\0", "m.cbm", Some(CATBOOST)),
            (b"PK\x03\x04....m/data.pkl", "m", Some(PYTORCH)),
            (b"PK\x03\x04....", "m.pt", Some(PYTORCH)),
            (
                b"PK\x03\x04...metadata.json..config.json..model.weights.h5",
                "m",
                Some(KERAS_ZIP),
            ),
            (b"PK\x03\x04.....", "m.keras", Some(KERAS_ZIP)),
            (b"PK\x03\x04....arr_0.npy", "m.zip", Some(NUMPY)),
            (b"PK\x03\x04....net.onnx", "m.zip", Some(ZIP_OF_ONNX)),
            (b"PK\x03\x04....", "m.zip", Some(ZIP)),
            (b"\x89HDF\r\n\x1a\n", "m.h5", Some(HDF5)),
            (b"\x08\x01\x12\x00", "saved_model.pb", Some(SAVED_MODEL)),
            (b"\x0a\x05", "frozen.pb", Some(TENSORFLOW)),
            (b"\x1c\0\0\0TFL3", "m.tflite", Some(TFLITE)),
            (b"\x08\x05\x12\x00", "m.mlmodel", Some(COREML)),
            (
                b"\x40\0\0\0\0\0\0\0{\"a\"",
                "m.safetensors",
                Some(SAFETENSORS),
            ),
            (b"GGUF\x03", "m.gguf", Some(GGUF)),
            (
                b"<?xml version=\"1.0\"?>\n<PMML xmlns",
                "m.pmml",
                Some(PMML),
            ),
            (b"<?xml version=\"1.0\"?>\n<svg", "m.xml", Some(XML)),
            (b"\x93NUMPY\x01", "m.npy", Some(NUMPY)),
            (
                b"version https://git-lfs.github.com/spec/v1",
                "m.onnx",
                Some(LFS),
            ),
            (b"\n<!DOCTYPE HTML>", "m.onnx", Some(HTML)),
            (b"[1, 2]", "m.json", Some(JSON)),
            (b"a,b\n1,2\n", "m.csv", Some(TEXT)),
            ("größe\n".as_bytes(), "m.csv", Some(TEXT)),
            (b"(lp0\nI1\n", "m.pkl", Some(PICKLE)),
            (b"ir_version: 8\n", "m.txt", Some(ONNX_TEXT)),
            (b"<\n  ir_version: 7,", "m.onnxtxt", Some(ONNX_TEXT)),
            (b"\x08\x08\x12\x07skl2onnx", "m.pb", None),
            (b"\x08\x08\x12\x07skl2onnx", "m.onnx", None),
            (b"\x08\x08\x3a\x07", "m.onnx", None),
        ];
        for (head, path, expected) in cases {
            assert_eq!(describe(head, Path::new(path)), expected, "{path} {head:?}");
        }
    }
}
