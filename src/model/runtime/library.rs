//! A library file that claims to be ONNX Runtime: opens it, asks its version, and says which
//! versions will not do.
//!
//! `ort` does this too, but panics or speaks of its own release where the user wants to hear which
//! file is wrong and which version to get; so everything it could stumble on is asked here first.

#![expect(
    unsafe_code,
    reason = "a shared library is opened and its entry point called before ort touches it"
)]

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Report, Result};

/// The oldest release whose C API this program can use: 1.N speaks the APIs up to N.
const OLDEST_MINOR: u32 = ort::MINOR_VERSION;

/// Releases that score wrongly without an error, and how that is known.
const KNOWN_BAD: [(&str, &str); 2] = [("1.26.0", WRONG_TREES), ("1.27.0", WRONG_TREES)];
const WRONG_TREES: &str =
    "it scores binary scikit-learn trees and forests wrongly (onnxruntime#28557)";

const HINT: &str = "leave --runtime and ORT_DYLIB_PATH away to use the embedded ONNX Runtime";

/// Why a version will not do, and the remedy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    message: String,
    hint: String,
}

/// An opened library with ONNX Runtime's entry point.
///
/// It is never closed: `ort` keeps the one that is used open for ever, and unloading one that is
/// refused would run the destructors of 35 MB of C++ for a process that is about to end.
pub(super) struct Library {
    path: PathBuf,
    base: &'static ort::sys::OrtApiBase,
}

impl Library {
    /// Opens the library at `path`, which must be absolute.
    pub(super) fn open(path: &Path) -> Result<Library> {
        let refuse = |message: String| {
            Error::Runtime(Report {
                place: path.display().to_string(),
                message,
                hint: HINT.to_owned(),
            })
        };
        // dlopen's own words for a missing file or a folder are misleading.
        let facts = std::fs::metadata(path).map_err(|error| {
            refuse(format!(
                "cannot be read as an ONNX Runtime library: {}",
                plain(&error)
            ))
        })?;
        if !facts.is_file() {
            return Err(refuse(
                "expected an ONNX Runtime library, found a folder".to_owned(),
            ));
        }
        // SAFETY: opening a library runs its initialisers. It is a file that the user named or that
        // we unpacked and checked; running its code is the purpose.
        let handle = unsafe { libloading::Library::new(path) }.map_err(|error| {
            refuse(format!(
                "expected an ONNX Runtime library, but it cannot be loaded: {error}"
            ))
        })?;
        let base = entry_point(handle).ok_or_else(|| {
            refuse("expected an ONNX Runtime library, found one without OrtGetApiBase".to_owned())
        })?;
        Ok(Library {
            path: path.to_owned(),
            base,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error's text with this library as its place.
    pub(super) fn report(&self, message: String) -> Report {
        Report {
            place: self.path.display().to_string(),
            message,
            hint: HINT.to_owned(),
        }
    }

    /// The version that the library reports, unless it will not do.
    pub(super) fn checked_version(&self, allow_known_bad: bool) -> Result<String> {
        let version = self.version();
        check_version(&version, allow_known_bad).map_err(|refusal| {
            let mut report = self.report(refusal.message);
            report.hint = refusal.hint;
            Error::Runtime(report)
        })?;
        // Only now: an old release asked for a newer API writes to standard error.
        // SAFETY: `base` is the library's own table, and GetApi takes any number.
        let api = unsafe { (self.base.GetApi)(OLDEST_MINOR) };
        if api.is_null() {
            return Err(Error::Runtime(self.report(format!(
                "ONNX Runtime {version} does not offer version {OLDEST_MINOR} of its C API"
            ))));
        }
        Ok(version)
    }

    fn version(&self) -> String {
        // SAFETY: `base` is the library's own table; GetVersionString takes nothing.
        let text = unsafe { (self.base.GetVersionString)() };
        if text.is_null() {
            return String::new();
        }
        // SAFETY: OrtApiBase documents a null-terminated string that is never freed.
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    }
}

/// The table behind `OrtGetApiBase`; none when the library has no such function.
fn entry_point(handle: libloading::Library) -> Option<&'static ort::sys::OrtApiBase> {
    type GetApiBase = unsafe extern "system" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: onnxruntime_c_api.h declares the function under this name with this type.
    let function = unsafe { handle.get::<GetApiBase>(b"OrtGetApiBase\0") }.ok()?;
    // SAFETY: as declared there it takes nothing and returns null or a table that lives as long as
    // the library is loaded, which is for ever: the handle is not dropped from here on.
    let base = unsafe { function().as_ref() };
    std::mem::forget(handle);
    base
}

/// Says why `version` will not do, if it will not.
pub(super) fn check_version(
    version: &str,
    allow_known_bad: bool,
) -> std::result::Result<(), Refusal> {
    if let Some((_, reason)) = KNOWN_BAD.iter().find(|(bad, _)| *bad == version)
        && !allow_known_bad
    {
        return Err(Refusal {
            message: format!("ONNX Runtime {version} is refused: {reason}"),
            hint: format!("use ONNX Runtime 1.{OLDEST_MINOR} or later\n{HINT}"),
        });
    }
    if minor(version).is_some_and(|minor| minor >= OLDEST_MINOR) {
        return Ok(());
    }
    Err(Refusal {
        message: format!("expected ONNX Runtime 1.{OLDEST_MINOR} or later, found {version:?}"),
        hint: HINT.to_owned(),
    })
}

/// N of `1.N.x`; all releases there are begin with 1, and what a 2 would keep nobody can know.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

/// The system's words without Rust's "(os error N)".
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_score_wrongly_or_are_too_old_are_refused_with_the_reason() {
        for (version, allow_known_bad, said) in [
            ("1.26.0", false, Some("onnxruntime#28557")),
            ("1.27.0", false, Some("onnxruntime#28557")),
            // Allowed, and still too old for the API.
            (
                "1.27.0",
                true,
                Some("expected ONNX Runtime 1.31 or later, found \"1.27.0\""),
            ),
            ("1.30.2", false, Some("found \"1.30.2\"")),
            ("1.9.0", false, Some("found \"1.9.0\"")),
            ("", false, Some("found \"\"")),
            ("2.40.0", false, Some("found \"2.40.0\"")),
            ("nonsense", false, Some("found \"nonsense\"")),
            ("1.31.0", false, None),
            ("1.32.0", false, None),
            ("1.40.1-dev", false, None),
        ] {
            let found = check_version(version, allow_known_bad);
            match said {
                None => assert_eq!(found, Ok(()), "{version}"),
                Some(words) => assert!(
                    found
                        .as_ref()
                        .is_err_and(|refusal| refusal.message.contains(words)),
                    "{version}: {found:?}"
                ),
            }
        }
    }
}
