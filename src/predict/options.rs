//! From what was typed to what it means: lists are read, formats chosen, flags checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::batch::columns::Wanted;
use crate::batch::names::Names;
use crate::batch::plan::{Plan, Rules};
use crate::cli::{FaultArgs, FormatName, LongRunArgs, MaxErrors, OnErrorName, PredictArgs, Shard};
use crate::error::{Error, Result};
use crate::flags;
use crate::model::runtime::RuntimeChoice;
use crate::model::trees::Choice;

use crate::predict::format::{FileFormat, Format, TableFormat};
use crate::predict::input::route;
use crate::predict::score::reject::{Budget, OnError};
use crate::predict::text::cut::Limits;
use crate::predict::text::encoding::{self, Encoding};
use crate::predict::text::packing::{Packing, without_packing};

/// A run of `predict`, ready to start.
#[derive(Clone)]
pub struct Options {
    pub model: PathBuf,
    pub inputs: Vec<PathBuf>,
    pub output: Option<PathBuf>,
    /// Where there is an output for each input.
    pub output_dir: Option<PathBuf>,
    /// The format that was asked for.
    pub to: Option<FormatName>,
    pub input_format: InputFormat,
    pub output_format: OutputFormat,
    /// Compression of the output.
    pub packing: Packing,
    pub rules: Rules,
    pub wanted: Wanted,
    pub nan_as: String,
    pub limit: Option<u64>,
    pub explain: bool,
    pub jobs: usize,
    pub batch_size: usize,
    pub on_error: OnError,
    /// Where rejects are told of.
    pub rejects: Option<PathBuf>,
    pub budget: Option<Budget>,
    /// Bytes of a record at most.
    pub record_bytes: usize,
    /// Encoding of text that has no byte order mark; UTF-8 where there is none.
    pub encoding: Option<&'static Encoding>,
    /// Go on where an earlier run stopped.
    pub resume: bool,
    pub shard: Option<Shard>,
    /// Score what is finished already.
    pub force: bool,
    /// How often a run that can be resumed keeps what it has done.
    pub checkpoint_every: Duration,
    /// Where an account of the run goes.
    pub manifest: Option<PathBuf>,
    /// Where the page about the run goes.
    pub report: Option<PathBuf>,
    /// Where the profile of the records goes.
    pub profile: Option<PathBuf>,
    /// Score what has arrived, and write it at once.
    pub stream: bool,
    pub quiet: bool,
    pub runtime: RuntimeChoice,
    /// What evaluates tree ensembles.
    pub trees: Choice,
}

/// How the format of a source is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFormat {
    from: Option<FormatName>,
    delimiter: Option<u8>,
    pub no_header: bool,
}

impl InputFormat {
    /// The format of a table, where the flag, the first bytes or, of an archive, the name say so.
    pub fn table(&self, path: &Path, start: &[u8]) -> Option<TableFormat> {
        match self
            .from
            .map(|name| FileFormat::named(name, self.delimiter))
        {
            Some(FileFormat::Table(format)) => Some(format),
            Some(FileFormat::Text(_)) => None,
            None => TableFormat::of_bytes(start, TableFormat::of_path(path)),
        }
    }

    /// The format of text: the flag decides, then the file's extension, then its first bytes.
    pub fn text(&self, by_name: Option<Format>, start: &[u8]) -> Format {
        match (
            self.from
                .map(|name| FileFormat::named(name, self.delimiter)),
            by_name,
        ) {
            (Some(FileFormat::Text(format)), _) => format,
            (_, Some(format)) => format.with_delimiter(self.delimiter),
            (_, None) => Format::of_bytes(start).with_delimiter(self.delimiter),
        }
    }
}

/// How the format of the output is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFormat {
    to: Option<FormatName>,
    by_name: Option<FileFormat>,
    delimiter: Option<u8>,
}

impl OutputFormat {
    /// The flag decides, then the extension of the output, then the format of the input; a table
    /// without a name for the output is written as CSV, but for a stream, which is one.
    pub fn of(&self, input: FileFormat) -> FileFormat {
        match (self.to, self.by_name, input) {
            (Some(name), _, _) => FileFormat::named(name, self.delimiter),
            (None, Some(FileFormat::Text(format)), _) | (None, None, FileFormat::Text(format)) => {
                FileFormat::Text(format.with_delimiter(self.delimiter))
            }
            (None, Some(table), _) => table,
            (None, None, stream @ FileFormat::Table(TableFormat::ArrowStream)) => stream,
            (None, None, FileFormat::Table(_)) => {
                FileFormat::named(FormatName::Csv, self.delimiter)
            }
        }
    }
}

impl Options {
    /// Reads the flags of `predict`.
    ///
    /// # Errors
    /// [`Error::Usage`] for flags that contradict each other or name a list file that cannot be
    /// read.
    pub fn new(args: &PredictArgs) -> Result<Options> {
        let formats = &args.formats;
        let output = formats
            .output
            .clone()
            .filter(|path| path.as_os_str() != "-");
        check_rejects(&args.faults)?;
        let mut options = Options {
            model: args.model.clone(),
            inputs: args.input.clone(),
            input_format: InputFormat {
                from: formats.from,
                delimiter: formats.delimiter.map(|delimiter| delimiter.0),
                no_header: formats.no_header,
            },
            to: formats.to,
            output_format: OutputFormat {
                to: formats.to,
                by_name: None,
                delimiter: formats.out_delimiter.map(|delimiter| delimiter.0),
            },
            packing: Packing::None,
            output: None,
            output_dir: formats.output_dir.clone(),
            rules: rules(args)?,
            wanted: flags::wanted(&args.predictions)?,
            nan_as: formats.nan_as.clone(),
            limit: args.run.limit,
            explain: args.run.explain,
            jobs: flags::runs_at_once(args.run.jobs, args.run.intra_op),
            batch_size: args.run.batch_size as usize,
            on_error: on_error(&args.faults),
            rejects: args.faults.rejects.clone(),
            budget: args.faults.max_errors.map(|most| match most {
                MaxErrors::Records(records) => Budget::Records(records),
                MaxErrors::Percent(percent) => Budget::Percent(percent),
            }),
            record_bytes: args.faults.max_record_bytes.0,
            encoding: encoding(formats.encoding.as_deref())?,
            resume: args.long.resume,
            shard: shard(&args.long)?,
            force: args.long.force,
            checkpoint_every: checkpoint_every()?,
            manifest: args.long.manifest.clone(),
            report: args.report.clone(),
            profile: args.profile.clone(),
            stream: args.long.stream,
            quiet: args.run.quiet,
            runtime: flags::runtime_choice(&args.runtime, args.run.intra_op)?,
            trees: flags::trees_choice(&args.runtime),
        };
        if let Some(output) = output {
            options.set_output(output);
        }
        options.check()?;
        Ok(options)
    }

    /// Writes to `output`, whose name tells format and compression.
    pub fn set_output(&mut self, output: PathBuf) {
        self.output_format.by_name = FileFormat::of_path(&without_packing(&output));
        self.packing = Packing::of_path(&output);
        self.output = Some(output);
    }

    /// Whether the output is a table, as far as flag and name tell.
    pub fn is_table(&self) -> bool {
        match (self.to, self.output_format.by_name) {
            (Some(name), _) => matches!(FileFormat::named(name, None), FileFormat::Table(_)),
            (None, Some(format)) => matches!(format, FileFormat::Table(_)),
            (None, None) => false,
        }
    }

    /// What no single flag can know.
    fn check(&self) -> Result<()> {
        let is_table = self.is_table();
        if self.resume && self.output.is_none() && self.output_dir.is_none() {
            return Err(
                Error::usage("--resume: standard output cannot be gone on with")
                    .hint("-o FILE names the output"),
            );
        }
        if is_table && self.packing != Packing::None {
            let hint = "Parquet and Arrow compress their own columns";
            return Err(Error::usage("-o: a table is not compressed as a whole").hint(hint));
        }
        if is_table && self.resume && self.output.is_some() {
            return Err(
                Error::usage("--resume: only text can be gone on with, CSV or JSONL").hint(
                    "--output-dir with --resume leaves finished files alone and scores the others",
                ),
            );
        }
        Ok(())
    }
}

impl Options {
    /// Whether the output of an earlier run with the same command line is as good as that of another.
    pub fn is_repeatable(&self) -> bool {
        self.resume || self.shard.is_some()
    }

    /// The column of the one true label, if there is one.
    pub fn label(&self, plan: &Plan) -> Option<usize> {
        match self.rules.label.as_slice() {
            [label] => Names::new(&plan.columns).find(label).ok().flatten(),
            _ => None,
        }
    }

    /// How text is cut into blocks.
    pub fn limits(&self) -> Limits {
        Limits::new(self.batch_size, self.record_bytes)
    }

    /// All that decides the bytes of the output, besides model and inputs.
    pub fn identity(&self) -> String {
        format!(
            "{:?}",
            (
                (
                    &self.input_format,
                    &self.output_format,
                    self.packing,
                    self.encoding.map(Encoding::name)
                ),
                (&self.rules, &self.wanted, &self.nan_as, self.limit),
                (
                    self.batch_size,
                    self.on_error,
                    self.record_bytes,
                    self.shard
                ),
                (
                    &self.rejects,
                    &self.runtime.library,
                    self.runtime.intra_op,
                    &self.runtime.providers,
                ),
            )
        )
    }
}

fn encoding(label: Option<&str>) -> Result<Option<&'static Encoding>> {
    let Some(label) = label else {
        return Ok(None);
    };
    let known = encoding::named(label).ok_or_else(|| {
        Error::usage(format!("--encoding {label}: there is no such encoding"))
            .hint("such as utf-8, latin1, windows-1252, utf-16le, shift_jis")
    })?;
    // Bytes that are not UTF-8 are looked at where they matter: kept ones are copied.
    Ok((known != encoding::UTF_8).then_some(known))
}

fn shard(args: &LongRunArgs) -> Result<Option<Shard>> {
    match args.shards {
        Some(count) => {
            route::shard_of_environment(count, |name| std::env::var(name).ok()).map(Some)
        }
        None => Ok(args.shard),
    }
}

/// A second loses little work and costs little time; MLSERVE_CHECKPOINT_MS says otherwise.
fn checkpoint_every() -> Result<Duration> {
    let Ok(text) = std::env::var("MLSERVE_CHECKPOINT_MS") else {
        return Ok(Duration::from_secs(1));
    };
    let wrong = |_| Error::usage(format!("MLSERVE_CHECKPOINT_MS is \"{text}\", not a number"));
    text.parse().map(Duration::from_millis).map_err(wrong)
}

/// # Errors
/// [`Error::Usage`] for flags about rejects where there can be none.
fn check_rejects(faults: &FaultArgs) -> Result<()> {
    let flag = match faults {
        FaultArgs {
            rejects: Some(_), ..
        } => "--rejects",
        FaultArgs {
            max_errors: Some(_),
            ..
        } => "--max-errors",
        _ => return Ok(()),
    };
    match faults.on_error {
        Some(OnErrorName::Fail) => Err(Error::usage(format!(
            "{flag} has nothing to tell of where --on-error fail ends the run"
        ))
        .hint("--on-error skip or null sets records aside")),
        _ => Ok(()),
    }
}

/// Whoever asks where rejects go, or how many there may be, wants the run to go on.
fn on_error(args: &FaultArgs) -> OnError {
    match args.on_error {
        Some(OnErrorName::Fail) => OnError::Fail,
        Some(OnErrorName::Skip) => OnError::Skip,
        Some(OnErrorName::Null) => OnError::Null,
        None if args.rejects.is_some() || args.max_errors.is_some() => OnError::Skip,
        None => OnError::Fail,
    }
}

fn rules(args: &PredictArgs) -> Result<Rules> {
    let columns = &args.columns;
    Ok(Rules {
        features: flags::optional("--features", columns.features.as_ref())?,
        id: flags::names("--id", columns.id.as_ref())?,
        label: flags::names("--label", columns.label.as_ref())?,
        exclude: flags::names("--exclude", columns.exclude.as_ref())?,
        by_position: args.formats.no_header,
        allow_missing_columns: columns.allow_missing_columns,
        set: flags::pairs(&columns.set),
        keep: flags::keep(&columns.keep)?,
        ..flags::rules(&args.values)?
    })
}
