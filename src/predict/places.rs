//! That nothing is written over something else: the files of a job, by where they really are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use crate::predict::input::source::is_stdin;
use crate::predict::options::Options;

/// Where something goes.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Stdout,
    File(PathBuf),
    /// Devices take everything from everybody.
    Device,
}

/// Refuses a job two of whose outputs are one file, or one of whose outputs is the model or an input.
/// Predictions alone may replace their own input, once they are whole, where that was said.
///
/// # Errors
/// [`Error::Usage`] with both flags.
pub(super) fn check(options: &Options, inputs: &[PathBuf]) -> Result<()> {
    let predictions = options.output.as_deref().unwrap_or(Path::new("-"));
    let flag = match (&options.output_dir, &options.output) {
        (Some(_), _) => "--output-dir",
        (None, Some(_)) => "-o",
        (None, None) => "standard output",
    };
    let papers = [
        ("--rejects", &options.rejects),
        ("--manifest", &options.manifest),
        ("--report", &options.report),
        ("--profile", &options.profile),
    ];
    let mut outputs = vec![(flag, place(predictions))];
    outputs.extend(
        papers
            .iter()
            .filter_map(|(flag, path)| Some((*flag, place(path.as_deref()?)))),
    );
    for (index, (flag, output)) in outputs.iter().enumerate() {
        let others = outputs.iter().skip(index + 1);
        if let Some((other, _)) = others
            .into_iter()
            .find(|(_, other)| other == output && *other != Place::Device)
        {
            return Err(Error::usage(format!(
                "{flag} and {other} would go to the same place"
            )));
        }
        if *output == place(&options.model) {
            return Err(Error::usage(format!(
                "{flag} would be written over the model"
            )));
        }
        let may_replace = *flag == "-o" && !options.is_repeatable();
        let files = inputs.iter().filter(|input| !is_stdin(input));
        let input = files
            .into_iter()
            .find(|input| place(input) == *output && *output != Place::Device);
        if let Some(input) = input.filter(|_| !may_replace) {
            return Err(Error::usage(format!(
                "{flag} would be written over the input {}",
                input.display()
            )));
        }
    }
    Ok(())
}

/// Where `path` really is, also where there is nothing yet.
fn place(path: &Path) -> Place {
    let is_stdout = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    if path.to_str().is_some_and(|path| is_stdout.contains(&path)) {
        return Place::Stdout;
    }
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return Place::Device;
    }
    let real = fs::canonicalize(path).or_else(|_| {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
        Ok::<_, std::io::Error>(folder.join(path.file_name().unwrap_or_default()))
    });
    Place::File(real.unwrap_or_else(|_| path.to_owned()))
}
