//! Which files are scored: those that are named, those in folders, those that patterns match.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::error::{Error, Report, Result};

use crate::predict::format::FileFormat;
use crate::predict::input::source::is_stdin;
use crate::predict::text::packing::without_packing;

/// A file to be scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    /// Its path below the folder that was named, or below where a pattern starts to be one; of a
    /// file that was named itself, its name.
    pub relative: PathBuf,
}

/// The inputs that the command line names; standard input where it names none. Files of a folder, and
/// of those in it, come in the order of their paths; hidden ones and those of no known format are no
/// inputs.
///
/// # Errors
/// [`Error::Usage`] where standard input is a terminal that nobody meant, or named twice, and for a
/// pattern that is none; [`Error::Io`] for a file that is not there, so that nothing is scored before.
///
/// What is below `output_dir` was written by an earlier run, and is no input where only its folder was
/// named.
pub fn resolve(arguments: &[PathBuf], output_dir: Option<&Path>) -> Result<Vec<Input>> {
    if arguments.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Error::usage("standard input can be read only once").hint("name \"-\" once"));
    }
    if arguments.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Error::usage(
                "no input: expected files after the model, or data on standard input",
            )
            .hint("mlserve predict MODEL FILE.csv, or ... | mlserve predict MODEL"));
        }
        return Ok(vec![named(Path::new("-"))]);
    }
    let mut inputs = Vec::new();
    for argument in arguments {
        add(argument, &mut inputs)?;
    }
    if let Some(folder) = output_dir.and_then(|folder| folder.canonicalize().ok()) {
        inputs.retain(|input| {
            let real = input.path.canonicalize();
            arguments.contains(&input.path) || !real.is_ok_and(|real| real.starts_with(&folder))
        });
    }
    Ok(inputs)
}

fn named(path: &Path) -> Input {
    Input {
        path: path.to_owned(),
        relative: path
            .file_name()
            .map_or_else(|| path.to_owned(), PathBuf::from),
    }
}

/// Adds what one argument means.
fn add(argument: &Path, inputs: &mut Vec<Input>) -> Result<()> {
    if is_stdin(argument) {
        inputs.push(named(argument));
        return Ok(());
    }
    let place = argument.display().to_string();
    let before = inputs.len();
    match argument.metadata() {
        Ok(meta) if meta.is_dir() => {
            let failed = |source: io::Error| Error::io(place.as_str(), &source);
            add_folder(argument, argument, inputs).map_err(failed)?;
        }
        Ok(_) => inputs.push(named(argument)),
        Err(source) if is_pattern(&place) => add_matches(&place, inputs).map_err(|error| {
            // What looks like a pattern may be the name of a file that is not there.
            error.unwrap_or_else(|| Error::io(place.as_str(), &source))
        })?,
        Err(source) => return Err(Error::io(place.as_str(), &source)),
    }
    if inputs.len() == before {
        return Err(Error::Io(Report {
            place,
            message: "no file to score there".to_owned(),
            hint: "files are known by their names: .csv, .tsv, .jsonl, .parquet, .arrow, .npy, \
                   .npz, also with .gz or .zst behind it"
                .to_owned(),
        }));
    }
    Ok(())
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Adds the files below `folder`, in the order of their paths.
fn add_folder(top: &Path, folder: &Path, inputs: &mut Vec<Input>) -> io::Result<()> {
    let entries = folder.read_dir()?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if name.is_none_or(|name| name.starts_with(['.', '_'])) {
            continue;
        }
        // Of links only those to files are followed: those to folders may go round in circles.
        let is_link = path.symlink_metadata()?.is_symlink();
        if path.is_dir() && !is_link {
            add_folder(top, &path, inputs)?;
        } else if path.is_file() && FileFormat::of_path(&without_packing(&path)).is_some() {
            let relative = path.strip_prefix(top).unwrap_or(&path).to_owned();
            inputs.push(Input { path, relative });
        }
    }
    Ok(())
}

/// Adds the files that `pattern` matches, in the order of their paths.
fn add_matches(pattern: &str, inputs: &mut Vec<Input>) -> std::result::Result<(), Option<Error>> {
    let paths = glob::glob(pattern).map_err(|error| {
        Some(Error::usage(format!(
            "{pattern}: no pattern: {}",
            error.msg
        )))
    })?;
    let top: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy()))
        .collect();
    let tail = Path::new(pattern)
        .components()
        .skip(top.components().count());
    let wants_hidden = tail.into_iter().any(|part| is_hidden(part.as_os_str()));
    let before = inputs.len();
    for path in paths {
        let path = path.map_err(|error| {
            let place = error.path().display().to_string();
            Some(Error::io(place, error.error()))
        })?;
        let relative = path.strip_prefix(&top).unwrap_or(&path).to_owned();
        // As in a shell: a dot alone matches a dot at the start of a name.
        let mut parts = relative.components();
        let is_hidden = parts.any(|part| is_hidden(part.as_os_str()));
        if path.is_file() && (wants_hidden || !is_hidden) {
            inputs.push(Input { path, relative });
        }
    }
    if inputs.len() == before {
        Err(None)
    } else {
        Ok(())
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_and_patterns_name_the_files_in_them_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path();
        fs::create_dir_all(top.join("b/c")).expect("folders");
        for name in [
            "z.csv",
            "a.jsonl",
            "b/c/x.csv.gz",
            "b/y.parquet",
            "_SUCCESS",
            ".hidden.csv",
            "b/notes.txt",
        ] {
            fs::write(top.join(name), "").expect("a file");
        }
        let relative = |argument: &str| {
            let found = resolve(&[top.join(argument)], None);
            found.map(|inputs| {
                let names = inputs
                    .iter()
                    .map(|input| input.relative.display().to_string());
                names.collect::<Vec<_>>()
            })
        };
        for (argument, expected) in [
            ("", &["a.jsonl", "b/c/x.csv.gz", "b/y.parquet", "z.csv"][..]),
            ("b", &["c/x.csv.gz", "y.parquet"]),
            ("*.csv", &["z.csv"]),
            ("**/*.csv*", &["b/c/x.csv.gz", "z.csv"]),
            ("b/*/x*", &["c/x.csv.gz"]),
            ("z.csv", &["z.csv"]),
        ] {
            assert_eq!(relative(argument).expect("files"), expected, "{argument}");
        }
        for (argument, what) in [
            ("*.tsv", "no such file"),
            ("none.csv", "no such file"),
            ("b/[", "no pattern"),
        ] {
            let error = relative(argument).expect_err("nothing");
            assert!(error.to_string().contains(what), "{error}");
        }
        fs::create_dir(top.join("empty")).expect("a folder");
        let error = relative("empty").expect_err("nothing");
        assert!(
            error.to_string().contains("no file to score there"),
            "{error}"
        );
    }
}
