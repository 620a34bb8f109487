//! Where models come from: files, folders of numbered versions, repositories of such folders.
//!
//! ```text
//! iris.onnx              the model iris
//! iris/model.onnx        the model iris, as MLflow and scripts save it
//! iris/1/model.onnx      its version 1, as TensorFlow Serving and Triton lay it out
//! repo/iris/1/...        many models; repo/churn.onnx is one, too
//! ```
//!
//! Looks and reads names, sizes and times; what is in a file is `loader`'s business.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};

use super::{is_name, version};

/// One thing that was named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name that was given for it.
    pub name: Option<String>,
    pub path: PathBuf,
}

/// One version of a model that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    /// The folder's number; none where a model lies there alone.
    pub version: Option<String>,
    /// The model's file, or why there is none.
    pub file: std::result::Result<PathBuf, String>,
    pub stamp: Stamp,
}

/// What all sources hold at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    pub found: Vec<Found>,
    /// What was looked at and cannot be served.
    pub faults: Vec<String>,
}

/// The files of a version with what changes when they do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp(Vec<(OsString, u64, Option<SystemTime>, u64)>);

/// Names of a model's file in its folder, the likeliest first.
const USUAL: [&str; 2] = ["model.onnx", "model.ort"];

impl Source {
    /// Reads `PATH` or `NAME=PATH`; a file that is there is meant, whatever its name.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no name.
    pub fn read(typed: &Path) -> Result<Source> {
        let text = typed.to_str().unwrap_or_default();
        let source = match text.split_once('=') {
            Some((name, path)) if !typed.exists() => Source {
                name: Some(name.to_owned()),
                path: PathBuf::from(path),
            },
            _ => Source {
                name: None,
                path: typed.to_owned(),
            },
        };
        match source.name.as_deref().filter(|name| !is_name(name)) {
            None => Ok(source),
            Some(name) => Err(no_name(name, &source.path)),
        }
    }

    /// Looks what is there, a file also where it is not.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be read, [`Error::Usage`] for a name that cannot be used
    /// and for a repository of many models that was given one name.
    pub fn scan(&self, into: &mut Scan) -> Result<()> {
        let cannot_read = |source: io::Error| Error::io(self.path.display().to_string(), &source);
        if !self.path.is_dir() {
            let found = of_file(self.own_name(self.path.file_stem())?, &self.path);
            into.found.push(found);
            return Ok(());
        }
        if let Some(found) = of_model(&self.path).map_err(cannot_read)? {
            // The current folder has a name only beyond itself.
            let whole = fs::canonicalize(&self.path).map_err(cannot_read)?;
            let name = self.own_name(whole.file_name())?;
            into.found
                .extend(found.into_iter().map(|found| found.named(&name)));
            return Ok(());
        }
        if let Some(name) = &self.name {
            return Err(Error::usage(format!(
                "{} has many models or none, so that it cannot have the name \"{name}\"",
                self.path.display()
            ))
            .hint("a model's folder has folders such as 1 with a model.onnx each"));
        }
        for entry in entries(&self.path).map_err(cannot_read)? {
            self.child(&entry, into);
        }
        Ok(())
    }

    /// A model of a repository; what is none is passed over.
    fn child(&self, entry: &Path, into: &mut Scan) {
        let is_folder = entry.is_dir();
        let name = match is_folder {
            true => entry.file_name(),
            false => entry.file_stem(),
        };
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        let found = match is_folder {
            true => of_model(entry).map(Option::unwrap_or_default),
            false if is_model(entry) => Ok(vec![of_file(name.clone(), entry)]),
            false => return,
        };
        match found {
            Err(source) => into.faults.push(format!("{}: {source}", entry.display())),
            Ok(found) if found.is_empty() => {}
            Ok(_) if !is_name(&name) => {
                let fault = no_name(&name, entry).to_string();
                into.faults.push(fault);
            }
            Ok(found) => into
                .found
                .extend(found.into_iter().map(|found| found.named(&name))),
        }
    }

    fn own_name(&self, of_path: Option<&std::ffi::OsStr>) -> Result<String> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => of_path.unwrap_or_default().to_string_lossy().into_owned(),
        };
        match is_name(&name) {
            true => Ok(name),
            false => Err(no_name(&name, &self.path)),
        }
    }
}

impl Found {
    fn named(self, name: &str) -> Found {
        Found {
            name: name.to_owned(),
            ..self
        }
    }
}

impl Stamp {
    /// That of these files, as far as they are there.
    fn of(mut paths: Vec<PathBuf>) -> Stamp {
        paths.sort();
        let stamps = paths.iter().filter_map(|path| {
            let metadata = fs::metadata(path).ok()?;
            let name = path.file_name()?.to_owned();
            let modified = metadata.modified().ok();
            Some((name, metadata.len(), modified, inode(&metadata)))
        });
        Stamp(stamps.collect())
    }

    /// Whether no file is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        let sizes = self.0.iter().map(|(_, bytes, ..)| *bytes);
        sizes.fold(0, u64::saturating_add)
    }
}

/// A file that takes another's place by its name may have the same size and time.
#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

/// A model that is one file, with the data beside it that has its name (`model.onnx.data`).
fn of_file(name: String, path: &Path) -> Found {
    let mut files = vec![path.to_owned()];
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = entries(folder.unwrap_or(Path::new("."))).unwrap_or_default();
    files.extend(beside.into_iter().filter(|other| {
        let other = other.file_name().unwrap_or_default().to_string_lossy();
        other.len() > own.len() && other.starts_with(own.as_ref())
    }));
    Found {
        name,
        version: None,
        file: Ok(path.to_owned()),
        stamp: Stamp::of(files),
    }
}

/// The versions of the model that `folder` is of; `None` where it is of none.
fn of_model(folder: &Path) -> io::Result<Option<Vec<Found>>> {
    let entries = entries(folder)?;
    let numbered = entries.iter().filter(|entry| {
        let name = entry.file_name().unwrap_or_default();
        entry.is_dir()
            && name
                .to_str()
                .is_some_and(|name| version::number(name).is_some())
    });
    let versions: Vec<Found> = numbered.map(|entry| of_version(entry)).collect();
    if !versions.is_empty() {
        return Ok(Some(versions));
    }
    let usual = USUAL.iter().map(|name| folder.join(name));
    let file = usual.into_iter().find(|file| file.is_file());
    Ok(file.map(|file| vec![of_file(String::new(), &file)]))
}

/// A folder with a number for its name.
fn of_version(folder: &Path) -> Found {
    let files = entries(folder).unwrap_or_default();
    let usual = USUAL.iter().map(|name| folder.join(name));
    let models: Vec<&PathBuf> = files.iter().filter(|file| is_model(file)).collect();
    let file = match usual.into_iter().find(|file| file.is_file()) {
        Some(file) => Ok(file),
        None => match models.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err("its folder has no model.onnx".to_owned()),
            _ => Err("its folder has several models, and none is model.onnx".to_owned()),
        },
    };
    let name = folder.file_name().unwrap_or_default();
    Found {
        name: String::new(),
        version: Some(name.to_string_lossy().into_owned()),
        file,
        stamp: Stamp::of(files),
    }
}

/// What is in a folder, in the order of names; what is hidden is not looked at.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if !name.as_encoded_bytes().starts_with(b".") {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

fn is_model(path: &Path) -> bool {
    let end = path.extension();
    path.is_file() && end.is_some_and(|end| end == "onnx" || end == "ort")
}

fn no_name(name: &str, path: &Path) -> Error {
    Error::usage(format!(
        "\"{name}\" is no name for a model: letters, digits, and . _ - after the first"
    ))
    .hint(format!("NAME={} gives the model another", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, name: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, name).expect("a file");
    }

    fn scanned(source: &str, root: &Path) -> Scan {
        let mut scan = Scan::default();
        let (name, path) = source.split_once('=').unwrap_or(("", source));
        let source = Source {
            name: (!name.is_empty()).then(|| name.to_owned()),
            path: root.join(path),
        };
        source.scan(&mut scan).expect("a scan");
        scan
    }

    #[test]
    fn every_layout_is_found() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        for name in [
            "repo/churn.onnx",
            "repo/notes.txt",
            "repo/.git/1/model.onnx",
            "repo/iris/config.pbtxt",
            "repo/iris/1/model.onnx",
            "repo/iris/10/other.onnx",
            "repo/iris/2/model.onnx",
            "repo/iris/2/extra.onnx",
            "repo/iris/03/model.onnx",
            "repo/iris/draft/model.onnx",
            "repo/saved/model.onnx",
            "repo/saved/MLmodel",
            "repo/empty/README",
            "repo/a b/1/model.onnx",
            "repo/torn/1/weights.bin",
            "repo/torn/2/a.onnx",
            "repo/torn/2/b.onnx",
        ] {
            touch(root, name);
        }
        let told = |scan: Scan| -> Vec<String> {
            let of = |found: Found| {
                let version = found.version.as_deref().unwrap_or("-");
                let file = match found.file {
                    Ok(path) => {
                        let below = path.strip_prefix(root).expect("a path below");
                        below.display().to_string()
                    }
                    Err(why) => why,
                };
                format!("{} {version} {file}", found.name)
            };
            scan.found.into_iter().map(of).collect()
        };
        let scan = scanned("repo", root);
        assert_eq!(scan.faults.len(), 1, "{:?}", scan.faults);
        assert_eq!(
            told(scan),
            [
                "churn - repo/churn.onnx",
                "iris 1 repo/iris/1/model.onnx",
                "iris 10 repo/iris/10/other.onnx",
                "iris 2 repo/iris/2/model.onnx",
                "saved - repo/saved/model.onnx",
                "torn 1 its folder has no model.onnx",
                "torn 2 its folder has several models, and none is model.onnx",
            ]
        );
        assert_eq!(
            told(scanned("flowers=repo/saved", root)),
            ["flowers - repo/saved/model.onnx"]
        );
        assert_eq!(
            told(scanned("repo/churn.onnx", root)),
            ["churn - repo/churn.onnx"]
        );
        let named = Source {
            name: Some("x".to_owned()),
            path: root.join("repo"),
        };
        assert!(named.scan(&mut Scan::default()).is_err());
        let gone = scanned("gone.onnx", root);
        assert_eq!(gone.found.len(), 1);
    }

    #[test]
    fn a_stamp_changes_with_the_file_and_with_the_data_beside_it() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let stamp = || scanned("m.onnx", root).found.remove(0).stamp;
        let gone = stamp();
        touch(root, "m.onnx");
        let first = stamp();
        assert_ne!(gone, first);
        assert_eq!(first, stamp());
        touch(root, "other.onnx");
        assert_eq!(first, stamp());
        touch(root, "m.onnx.data");
        assert_ne!(first, stamp());
        // Another file of the same size in its place.
        let second = stamp();
        fs::write(root.join("new"), "m.onnx").expect("a file");
        fs::rename(root.join("new"), root.join("m.onnx")).expect("a rename");
        assert_ne!(second, stamp());
    }

    #[test]
    fn a_source_is_a_path_or_a_name_and_a_path() {
        let source = Source::read(Path::new("flowers=no/such.onnx")).expect("a source");
        assert_eq!(source.name.as_deref(), Some("flowers"));
        assert_eq!(source.path, Path::new("no/such.onnx"));
        assert!(Source::read(Path::new("a b=no/such.onnx")).is_err());
        let source = Source::read(Path::new("no/such.onnx")).expect("a source");
        assert_eq!(source.name, None);
    }
}
