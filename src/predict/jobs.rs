//! One output for all inputs, or one for each (`--output-dir`).

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::FormatName;
use crate::error::{Error, Result};

use crate::predict::input::files::Input;
use crate::predict::input::source::is_stdin;
use crate::predict::options::Options;
use crate::predict::text::packing::{Packing, without_packing};

/// Inputs that are scored into one output.
pub struct Job {
    pub inputs: Vec<PathBuf>,
    pub options: Options,
}

/// The jobs of a run.
///
/// # Errors
/// [`Error::Usage`] where two inputs would have one output, or one has no name; [`Error::Io`] where a
/// folder cannot be made.
pub fn of(options: &Options, inputs: Vec<Input>) -> Result<Vec<Job>> {
    let Some(folder) = &options.output_dir else {
        let inputs = inputs.into_iter().map(|input| input.path);
        return Ok(vec![Job {
            inputs: inputs.collect(),
            options: options.clone(),
        }]);
    };
    let mut outputs = HashSet::new();
    let mut jobs = Vec::with_capacity(inputs.len());
    for Input { path, relative } in inputs {
        if is_stdin(&path) {
            return Err(Error::usage(
                "--output-dir: standard input has no name to call its output by",
            )
            .hint("-o FILE names the output"));
        }
        let relative = renamed(&relative, options.to);
        if !outputs.insert(relative.clone()) {
            return Err(Error::usage(format!(
                "--output-dir: two inputs would be written to {}",
                relative.display()
            ))
            .hint("name the folder that holds them: the paths below it are kept"));
        }
        let beside = |folder: &Option<PathBuf>, extension: &str| {
            folder
                .as_ref()
                .map(|folder| with_extension(&folder.join(&relative), extension))
        };
        let mut options = options.clone();
        options.rejects = beside(&options.rejects, "jsonl");
        options.manifest = beside(&options.manifest, "json");
        options.report = beside(&options.report, "html");
        options.profile = beside(&options.profile, "profile.json");
        options.set_output(folder.join(&relative));
        jobs.push(Job {
            inputs: vec![path],
            options,
        });
    }
    // Not before all is known to go well.
    for Job { options, .. } in &jobs {
        let papers = [
            &options.rejects,
            &options.manifest,
            &options.report,
            &options.profile,
        ];
        let written = papers.into_iter().chain([&options.output]);
        written.flatten().try_for_each(|path| make_folder(path))?;
    }
    Ok(jobs)
}

fn make_folder(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|source| Error::io(folder.display().to_string(), &source))
}

/// `a/b.csv` as `a/b.csv.jsonl`.
fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// The name of the output: that of the input, with the extension of another format where `--to` asks
/// for one. Compression stays, but for formats that have their own.
fn renamed(relative: &Path, to: Option<FormatName>) -> PathBuf {
    let Some(to) = to else {
        return relative.to_owned();
    };
    let (extension, is_text) = match to {
        FormatName::Csv => ("csv", true),
        FormatName::Tsv => ("tsv", true),
        FormatName::Jsonl => ("jsonl", true),
        FormatName::Parquet => ("parquet", false),
        FormatName::Arrow => ("arrow", false),
        FormatName::ArrowStream => ("arrows", false),
        FormatName::Npy => ("npy", false),
        FormatName::Npz => ("npz", false),
    };
    let plain = without_packing(relative).with_extension(extension);
    match Packing::of_path(relative) {
        Packing::Gzip if is_text => with_extension(&plain, "gz"),
        Packing::Zstd if is_text => with_extension(&plain, "zst"),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_called_like_their_inputs() {
        for (input, to, output) in [
            ("a/b.csv", None, "a/b.csv"),
            ("a/b.csv.gz", None, "a/b.csv.gz"),
            ("a/b.csv.gz", Some(FormatName::Jsonl), "a/b.jsonl.gz"),
            ("b.csv.zst", Some(FormatName::Parquet), "b.parquet"),
            ("b.parquet", Some(FormatName::Csv), "b.csv"),
            ("b", Some(FormatName::Csv), "b.csv"),
        ] {
            assert_eq!(
                renamed(Path::new(input), to),
                PathBuf::from(output),
                "{input}"
            );
        }
    }
}
