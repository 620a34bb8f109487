//! Weights in files beside the model: where they are, and that they stay in the model's folder.
//!
//! A model file is not trusted: a location such as `../../etc/passwd`, an absolute path or a
//! symbolic link out of the folder would make ONNX Runtime read any file into a tensor.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::onnx::Facts;
use super::proto::Tensor;
use crate::error::{Error, Result};

/// A file that a model's weights are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalFile {
    /// The path as the model has it, relative to the model's folder.
    pub location: String,
    /// How long the file must be for all its tensors.
    pub bytes: u64,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// Where one tensor's data is, as the model says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    path: String,
    /// Where in the file it begins, in bytes.
    start: u64,
    /// Offset plus length in bytes; `Err` with the text that is no number.
    end: std::result::Result<u64, String>,
}

impl Location {
    /// The place that `tensor` gives for its data.
    pub(crate) fn of(tensor: &Tensor<'_>) -> Self {
        // The last of equal keys counts, as in ONNX Runtime.
        let value = |key: &str| {
            let mut entries = tensor.external.iter().rev();
            entries.find(|(k, _)| k == key).map(|(_, value)| &**value)
        };
        let number = |key: &str| match value(key) {
            None => Ok(0),
            Some(text) => text
                .trim()
                .parse::<u64>()
                .map_err(|_| format!("{key} {text:?}")),
        };
        let end = number("offset").and_then(|offset| {
            let length = number("length")?;
            offset
                .checked_add(length)
                .ok_or_else(|| format!("offset {offset} and length {length}"))
        });
        Location {
            path: value("location").unwrap_or_default().to_owned(),
            start: number("offset").unwrap_or(0),
            end,
        }
    }
}

impl Location {
    /// The file, as the model has it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The bytes of a tensor of `bytes` bytes in its file; `None` where they cannot be said.
    pub(crate) fn range(&self, bytes: u64) -> Option<std::ops::Range<usize>> {
        let end = self.end.as_ref().ok()?;
        // Without a length it goes as far as the tensor does.
        let end = match *end == self.start {
            true => self.start.checked_add(bytes)?,
            false => *end,
        };
        Some(usize::try_from(self.start).ok()?..usize::try_from(end).ok()?)
    }
}

/// Looks at every file that tensors of the model at `model` are in.
pub(crate) fn examine(model: &Path, locations: &[Location]) -> Vec<ExternalFile> {
    let mut files: Vec<ExternalFile> = Vec::new();
    let mut index = HashMap::new();
    for location in locations {
        let at = *index.entry(location.path.as_str()).or_insert_with(|| {
            files.push(ExternalFile {
                location: location.path.clone(),
                bytes: 0,
                problem: None,
            });
            files.len() - 1
        });
        let Some(file) = files.get_mut(at) else {
            continue;
        };
        match &location.end {
            Ok(end) => file.bytes = file.bytes.max(*end),
            Err(text) => file.problem = Some(format!("{text} is not a place in a file")),
        }
    }
    for file in &mut files {
        if file.problem.is_none() {
            file.problem = problem(model, &file.location, file.bytes);
        }
    }
    files
}

/// Fails with the first problem of the model's external files.
///
/// # Errors
/// [`Error::Model`] that names the location and the remedy.
pub fn check(facts: &Facts) -> Result<()> {
    let problem = |file: &ExternalFile| file.problem.clone().map(|p| (file.location.clone(), p));
    let Some((location, problem)) = facts.external.iter().find_map(problem) else {
        return Ok(());
    };
    let message = format!("external data {location:?}: {problem}");
    let hint = if is_plain(&location) {
        format!(
            "put the file beside the model, where it was exported, under the name {location}\n\
             or export the model with all weights in one file: \
             onnx.save_model(onnx.load(\"model.onnx\"), \"whole.onnx\")"
        )
    } else {
        "export the model with all weights in one file: \
         onnx.save_model(onnx.load(\"model.onnx\"), \"whole.onnx\")\n\
         or, if you did not make this model yourself, do not trust it"
            .to_owned()
    };
    Err(Error::model(facts.path.display().to_string(), message).hint(hint))
}

/// Whether `location` is a relative path that goes down only, on every system.
fn is_plain(location: &str) -> bool {
    let drive = location.as_bytes().get(1) == Some(&b':');
    let rooted = location.starts_with(['/', '\\']);
    let climbs = location.split(['/', '\\']).any(|part| part == "..");
    // ONNX Runtime takes this name for an address in its own memory.
    let address = location.contains("_ORT_MEM_ADDR_");
    !(location.is_empty() || drive || rooted || climbs || address || location.contains('\0'))
}

/// Why the file at `location` cannot be used, if so.
fn problem(model: &Path, location: &str, bytes: u64) -> Option<String> {
    if location.is_empty() {
        return Some("the model does not say which file".to_owned());
    }
    if !is_plain(location) {
        return Some("only a path inside the model's folder is allowed".to_owned());
    }
    let Ok(real) = folder(model).join(location).canonicalize() else {
        return Some("no such file".to_owned());
    };
    if !homes(model).iter().any(|home| real.starts_with(home)) {
        return Some("a symbolic link leads out of the model's folder".to_owned());
    }
    let Ok(meta) = real.metadata() else {
        return Some("the file cannot be read".to_owned());
    };
    if !meta.is_file() {
        return Some("not a regular file".to_owned());
    }
    let length = meta.len();
    (length < bytes).then(|| format!("expected at least {bytes} bytes, found {length}"))
}

/// Whether ONNX Runtime takes the external files of a model that is loaded from bytes: there it
/// knows only the folder, and refuses links that lead out of it, even those of [`homes`].
pub(crate) fn can_load_from_bytes(facts: &Facts) -> bool {
    let folder = folder(&facts.path);
    let home = folder.canonicalize();
    let is_inside = |file: &ExternalFile| {
        let real = folder.join(&file.location).canonicalize();
        matches!((real, &home), (Ok(real), Ok(home)) if real.starts_with(home))
    };
    facts.external.iter().all(is_inside)
}

/// The folder that locations are relative to.
pub(crate) fn folder(model: &Path) -> PathBuf {
    match model.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The folders that data may really lie in: the model's, and where the model is a symbolic link,
/// also that of the file it leads to. Hugging Face's cache is laid out so: model and data are links
/// into one folder of blobs.
fn homes(model: &Path) -> Vec<PathBuf> {
    let named = folder(model).canonicalize();
    let real = model.canonicalize().map(|path| folder(&path));
    [named, real].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(path: &str, offset: &str, length: &str) -> Location {
        let pairs = [("location", path), ("offset", offset), ("length", length)];
        let external = pairs.iter().filter(|(_, value)| !value.is_empty());
        Location::of(&Tensor {
            external: external.map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..Tensor::default()
        })
    }

    #[test]
    fn only_long_enough_files_inside_the_folder_are_used() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let model = folder.path().join("models/m.onnx");
        std::fs::create_dir_all(folder.path().join("models/sub"))?;
        std::fs::write(&model, b"")?;
        std::fs::write(folder.path().join("secret"), [0; 64])?;
        std::fs::write(folder.path().join("models/w.bin"), [0; 16])?;
        std::fs::write(folder.path().join("models/sub/w.bin"), [0; 16])?;
        let outside = "only a path inside the model's folder is allowed";
        for (path, offset, length, expected) in [
            ("w.bin", "8", "8", None),
            ("./sub/w.bin", "", "16", None),
            (
                "w.bin",
                "8",
                "9",
                Some("expected at least 17 bytes, found 16"),
            ),
            (
                "w.bin",
                "18446744073709551615",
                "1",
                Some("offset 18446744073709551615 and length 1 is not a place in a file"),
            ),
            (
                "w.bin",
                "-1",
                "1",
                Some("offset \"-1\" is not a place in a file"),
            ),
            ("none.bin", "", "", Some("no such file")),
            ("sub", "", "", Some("not a regular file")),
            ("", "", "", Some("the model does not say which file")),
            ("../secret", "", "", Some(outside)),
            ("sub/../../secret", "", "", Some(outside)),
            ("..\\secret", "", "", Some(outside)),
            ("/etc/passwd", "", "", Some(outside)),
            ("C:\\secret", "", "", Some(outside)),
            ("w.bin\0", "", "", Some(outside)),
            ("*/_ORT_MEM_ADDR_/*", "4096", "8", Some(outside)),
        ] {
            let files = examine(&model, &[location(path, offset, length)]);
            let problems: Vec<_> = files.iter().map(|file| file.problem.as_deref()).collect();
            assert_eq!(problems, [expected], "{path:?} {offset} {length}");
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn links_may_not_leave_the_folder_but_a_cache_of_links_works() -> std::io::Result<()> {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir()?;
        for name in ["blobs", "snapshot", "models"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        std::fs::write(folder.path().join("blobs/a"), b"")?;
        std::fs::write(folder.path().join("blobs/b"), [0; 8])?;
        symlink("../blobs/a", folder.path().join("snapshot/m.onnx"))?;
        symlink("../blobs/b", folder.path().join("snapshot/m.data"))?;
        std::fs::write(folder.path().join("models/m.onnx"), b"")?;
        symlink("../blobs/b", folder.path().join("models/m.data"))?;
        let leads_out = Some("a symbolic link leads out of the model's folder");
        for (model, expected) in [("snapshot/m.onnx", None), ("models/m.onnx", leads_out)] {
            let files = examine(&folder.path().join(model), &[location("m.data", "", "8")]);
            assert_eq!(
                files.first().and_then(|f| f.problem.as_deref()),
                expected,
                "{model}"
            );
        }
        Ok(())
    }
}
