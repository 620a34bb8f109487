//! The command line as clap types: the one source of help, man pages and completions.
//!
//! Only what was typed is here; what it means is decided by the command that takes it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub mod config;

const EXIT_CODES: &str = "\
Exit codes:
  0  done (a reader that closes the pipe early counts as done)
  1  the data is wrong: a bad record, an absent column
  2  the command line makes no sense
  3  the model or ONNX Runtime cannot be used
  4  reading or writing failed
  128+n  ended by signal n";

/// Puts trained models (ONNX) to work: scores files and pipes, answers HTTP, says what a model expects.
///
/// Everything happens on this machine; nothing is ever sent anywhere.
#[derive(Debug, Parser)]
#[command(name = "mlserve", version, max_term_width = 100, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Print the licences of the ONNX Runtime inside this program
    #[arg(long, exclusive = true)]
    pub licenses: bool,
}

/// Why a command line means nothing.
#[derive(Debug)]
pub enum Failure {
    /// Help, too, is one.
    Line(clap::Error),
    Config(config::Fault),
}

/// Reads a command line, and the configuration file that it names.
///
/// # Errors
/// What is wrong with either.
pub fn parse(typed: Vec<OsString>) -> Result<Cli, Failure> {
    let command = Cli::command();
    let read = |typed: &[OsString]| command.clone().try_get_matches_from(typed);
    let mut matches = read(&typed).map_err(Failure::Line)?;
    let mut built = command.clone();
    built.build();
    if let Some(("serve", of_serve)) = matches.subcommand()
        && let Some(file) = of_serve.get_one::<PathBuf>("config")
    {
        let merged = config::merged(&built, &typed, of_serve, file).map_err(Failure::Config)?;
        matches = read(&merged).map_err(Failure::Line)?;
    }
    Cli::from_arg_matches(&matches).map_err(Failure::Line)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Predict(Box<PredictArgs>),
    Serve(Box<ServeArgs>),
    Inspect(InspectArgs),
}

/// Score the records of files, folders or a pipe, on all cores, in input order
///
/// Reads and writes CSV, TSV, JSONL, Parquet, Arrow and NumPy, any to any; text also compressed (.gz,
/// .zst). Columns find the model's inputs by name. What the model does not consume (ids, labels) is
/// copied to the output beside the predictions. A bad record stops the run with its file, line and
/// column, and leaves no half-written output, unless --on-error says otherwise.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct PredictArgs {
    /// The model: an ONNX file (.onnx) or ONNX Runtime's own format (.ort)
    pub model: PathBuf,

    /// Files, folders or patterns to score, in this order; standard input where there is none or for
    /// "-"
    pub input: Vec<PathBuf>,

    #[command(flatten)]
    pub formats: FormatArgs,
    #[command(flatten)]
    pub columns: ColumnArgs,
    #[command(flatten)]
    pub values: ValueArgs,
    #[command(flatten)]
    pub predictions: PredictionArgs,
    /// Write a page about the run to FILE (HTML): distributions, metrics, missing values, rejects
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Predictions",
        conflicts_with = "resume"
    )]
    pub report: Option<PathBuf>,

    /// Write the distributions of the model's inputs and predictions to FILE (JSON), for serve
    /// --baseline
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Predictions",
        conflicts_with = "resume"
    )]
    pub profile: Option<PathBuf>,

    #[command(flatten)]
    pub faults: FaultArgs,
    #[command(flatten)]
    pub long: LongRunArgs,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// How input and output are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input and output")]
pub struct FormatArgs {
    /// Write to FILE instead of standard output; a file appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write one output for each input to DIR, with the same relative name; --rejects, --manifest,
    /// --report and --profile are folders then, too
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub output_dir: Option<PathBuf>,

    /// Format of the input; by default from the file's extension or first bytes
    #[arg(long, value_name = "FORMAT")]
    pub from: Option<FormatName>,

    /// Format of the output; by default from the extension of --output, else as the input, or CSV
    /// where that is a table
    #[arg(long, value_name = "FORMAT")]
    pub to: Option<FormatName>,

    /// Character between the fields of CSV input, or "tab"; the output has the same
    #[arg(short, long, value_name = "CHAR")]
    pub delimiter: Option<Delimiter>,

    /// Character between the fields of CSV output, or "tab"
    #[arg(long, value_name = "CHAR")]
    pub out_delimiter: Option<Delimiter>,

    /// Encoding of text input without a byte order mark: latin1, windows-1252, utf-16le, shift_jis...
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,

    /// The first line is a record: columns are called 1, 2, 3... and the output has no header
    #[arg(long)]
    pub no_header: bool,

    /// Write NaN as TEXT and infinities as inf in CSV; by default both are empty
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub nan_as: String,
}

/// Which columns are what.
#[derive(Debug, Args)]
#[command(next_help_heading = "Columns (a LIST is a,b,c or @FILE with one name a line)")]
pub struct ColumnArgs {
    /// Columns copied to the output: unused (what the model does not consume), all, none or a list
    #[arg(long, value_name = "LIST", default_value = "unused")]
    pub keep: NameList,

    /// Columns of the model's one matrix input, in the model's order
    #[arg(long, value_name = "LIST")]
    pub features: Option<NameList>,

    /// Columns that identify a record and are no features
    #[arg(long, value_name = "LIST")]
    pub id: Option<NameList>,

    /// Column with the true label, which is no feature; metrics are printed at the end
    #[arg(long, value_name = "LIST")]
    pub label: Option<NameList>,

    /// Further columns that are no features
    #[arg(long, value_name = "LIST")]
    pub exclude: Option<NameList>,

    /// Score columns that the input lacks as missing values
    #[arg(long)]
    pub allow_missing_columns: bool,

    /// Give an input that does not change from record to record (a scalar, a state)
    #[arg(long, value_name = "NAME=JSON")]
    pub set: Vec<Pair>,
}

/// How cells are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Values")]
pub struct ValueArgs {
    /// Texts that mean a missing value in numeric columns, besides the empty one
    #[arg(long, value_name = "LIST")]
    pub missing: Option<NameList>,

    /// Apply --missing to string columns too
    #[arg(long, requires = "missing")]
    pub missing_in_strings: bool,

    /// Read missing values of a column as VALUE
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub fill: Vec<Pair>,

    /// Accept numbers in quotes in JSON
    #[arg(long)]
    pub lenient: bool,
}

/// What of the predictions is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Predictions")]
pub struct PredictionArgs {
    /// Model outputs to show; all by default
    #[arg(long, value_name = "LIST")]
    pub outputs: Option<NameList>,

    /// Names of the classes, in the model's order
    #[arg(long, value_name = "LIST")]
    pub classes: Option<NameList>,

    /// Apply a function to raw scores
    #[arg(long, value_name = "FUNCTION")]
    pub activation: Option<ActivationName>,

    /// Decide for the positive class from this probability on (two classes)
    #[arg(long, value_name = "P")]
    pub threshold: Option<f64>,

    /// Show only the K best classes and their scores
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "argmax")]
    pub top: Option<u32>,

    /// Show only the best class
    #[arg(long)]
    pub argmax: bool,
}

/// What becomes of records that cannot be scored.
#[derive(Debug, Args)]
#[command(next_help_heading = "Records that cannot be scored")]
pub struct FaultArgs {
    /// End the run, leave the record out, or keep it with empty predictions; skip with --rejects or
    /// --max-errors, else fail
    #[arg(long, value_name = "WHAT")]
    pub on_error: Option<OnErrorName>,

    /// Tell of each such record in FILE (JSONL: file, line, column, code, message, record)
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,

    /// Fail when there are more than N, or more than P% of all records
    #[arg(long, value_name = "N|P%")]
    pub max_errors: Option<MaxErrors>,

    /// Longest record, such as 64M; a longer one cannot be scored
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub max_record_bytes: ByteSize,
}

/// Runs that take long, are cut in pieces or are looked at later.
#[derive(Debug, Args)]
#[command(next_help_heading = "Long runs")]
pub struct LongRunArgs {
    /// Go on where an interrupted run with the same command line stopped; needs --output or
    /// --output-dir
    #[arg(long)]
    pub resume: bool,

    /// Score only part I of N of the input, counted from 1; the parts' outputs one after the other
    /// are the whole output
    #[arg(long, value_name = "I/N", conflicts_with = "limit")]
    pub shard: Option<Shard>,

    /// Score the part of N that the environment names (JOB_COMPLETION_INDEX,
    /// AWS_BATCH_JOB_ARRAY_INDEX, SLURM_ARRAY_TASK_ID)
    #[arg(long, value_name = "N", conflicts_with_all = ["shard", "limit"], value_parser = clap::value_parser!(u32).range(1..))]
    pub shards: Option<u32>,

    /// Score anew what --resume or a shard has already finished
    #[arg(long)]
    pub force: bool,

    /// Score records as they arrive and write each batch at once; batches, and with them the last
    /// bits of predictions, then depend on timing
    #[arg(long, conflicts_with_all = ["resume", "shard", "shards"])]
    pub stream: bool,

    /// Write a JSON account of the run to FILE: what was scored, by what, with which outcome
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
}

/// How the run goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// Score only the first N records
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// Print which column feeds which input and which columns come out; score nothing
    #[arg(long)]
    pub explain: bool,

    /// Threads that score; by default as many as this process may use, less those of --intra-op
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

    /// Records of one run of the model; the last bits of predictions may depend on it
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub batch_size: u32,

    /// Threads inside one run of the model, out of one pool for all; the last bits of predictions may
    /// depend on it. Pays where batches are few and large; tree ensembles stay on one thread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub intra_op: u16,

    /// No progress bar, no notes, no closing line
    #[arg(short, long)]
    pub quiet: bool,
}

/// Which ONNX Runtime is used.
#[derive(Debug, Args)]
#[command(next_help_heading = "ONNX Runtime")]
pub struct RuntimeArgs {
    /// Use this ONNX Runtime library instead of the built-in one
    #[arg(long, value_name = "PATH")]
    pub runtime: Option<PathBuf>,

    /// Run models on this execution provider, such as cuda:device_id=1; may be given several times, the
    /// first takes what it can. With "cpu" last the CPU runs what is left, else that is an error
    #[arg(long, value_name = "NAME[:KEY=VALUE,...]")]
    pub provider: Vec<ProviderName>,

    /// Load execution providers from this library of theirs
    #[arg(long, value_name = "PATH")]
    pub provider_library: Vec<PathBuf>,

    /// Use a runtime even if its version is known to give wrong answers
    #[arg(long)]
    pub allow_known_bad_runtime: bool,

    /// What evaluates tree ensembles: mlserve's own kernel where it can, with the same scores, or ONNX
    /// Runtime
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    pub trees: TreesName,

    /// Say more: -vv shows ONNX Runtime's own messages
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Answer requests for predictions over HTTP
///
/// One address takes JSON, CSV and NDJSON records (POST /predict) and speaks the protocols of other
/// model servers: Open Inference Protocol v2 (/v2), TensorFlow Serving and KServe v1 (/v1), MLflow and
/// SageMaker (/invocations). GET /docs explains it all for the models that are served.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ServeArgs {
    /// Models: ONNX files (.onnx, or ONNX Runtime's own .ort), folders of numbered versions
    /// (iris/1/model.onnx), or repositories of many; NAME=PATH gives a model another name
    #[arg(value_name = "MODEL")]
    pub models: Vec<PathBuf>,

    /// Take flags from FILE (TOML) as well: its keys are their names, and `models` the models. What is
    /// typed goes first. SIGHUP reads it anew
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub address: AddressArgs,
    #[command(flatten)]
    pub operation: OperationArgs,
    #[command(flatten)]
    pub seen: SeenArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub batching: BatchingArgs,
    #[command(flatten)]
    pub hardware: HardwareArgs,
    #[command(flatten)]
    pub fields: FieldArgs,
    #[command(flatten)]
    pub values: ValueArgs,
    #[command(flatten)]
    pub predictions: PredictionArgs,
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// Which versions of the models are served, and to whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Versions (VALUE for all models, or NAME: VALUE for one)")]
pub struct RegistryArgs {
    /// Versions that are served: latest, latest N, all, or such as 1,3; by default the latest
    #[arg(long, value_name = "[NAME:] WHICH")]
    pub versions: Vec<String>,

    /// Names for versions, such as 'iris: stable=1 canary=2'
    #[arg(long, value_name = "[NAME:] LABEL=VERSION...")]
    pub label: Vec<String>,

    /// Version or label that answers where none is asked for; by default the highest version
    #[arg(long, value_name = "[NAME:] VERSION")]
    pub default: Vec<String>,

    /// Share requests that ask for no version out by weights, such as 'iris: stable=95 canary=5'
    #[arg(long, value_name = "[NAME:] VERSION=WEIGHT...")]
    pub route: Vec<String>,

    /// Header field whose value keeps a client with one version; by default each request is drawn by
    /// its id
    #[arg(long, value_name = "FIELD")]
    pub sticky: Option<String>,

    /// Version or label that runs beside the one that answers, and is only compared with it (/metrics)
    #[arg(long, value_name = "[NAME:] VERSION")]
    pub shadow: Vec<String>,

    /// Load models again when their files change, and versions and models that are new
    #[arg(long)]
    pub watch: bool,

    /// Milliseconds between two looks; what is the same in two of them is loaded
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=86_400_000))]
    pub watch_interval_ms: u32,

    /// Do not serve a version that lacks an input or output of the version before it, or has other
    /// types
    #[arg(long)]
    pub refuse_breaks: bool,

    /// Let models be loaded, unloaded and set over HTTP (/models/NAME/load, /v2/repository/...)
    #[arg(long)]
    pub admin: bool,
}

/// Where the server listens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Address")]
pub struct AddressArgs {
    /// Address to listen on; 0.0.0.0 or [::] is all of this machine's. By default 127.0.0.1, and in a
    /// container of Vertex AI or SageMaker 0.0.0.0
    #[arg(long, value_name = "ADDRESS", conflicts_with = "listen")]
    pub host: Option<String>,

    /// Port to listen on; 0 takes a free one. By default what PORT, AIP_HTTP_PORT or
    /// SAGEMAKER_BIND_TO_PORT says, else 8080
    #[arg(short, long, value_name = "PORT", conflicts_with = "listen")]
    pub port: Option<u16>,

    /// Listen here instead: HOST:PORT, or unix:PATH; may be given several times
    #[arg(long, value_name = "WHERE")]
    pub listen: Vec<String>,

    /// Speak HTTPS on TCP, with the certificates of FILE (PEM, the server's own first)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The key of the certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// No banner at the start, no line for each request
    #[arg(short, long)]
    pub quiet: bool,
}

/// Who may ask, and where requests are told of.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access and logs")]
pub struct OperationArgs {
    /// Answer only requests with a token of FILE, one a line (Authorization: Bearer, or X-API-Key); by
    /// default what MLSERVE_TOKEN holds, else all. Health paths stay open
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Let pages of ORIGIN ask, such as https://example.org, or * for all; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<String>,

    /// A line on standard error for each request: text, or none with --quiet, by default
    #[arg(long, value_name = "FORM")]
    pub log: Option<LogName>,
}

/// What becomes of what a model sees.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the model sees")]
pub struct SeenArgs {
    /// Hold the records of a model against a profile that predict --profile made: GET /drift and
    /// metrics say how far they are from it. NAME=FILE where there are several models; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    pub baseline: Vec<String>,

    /// Records that are held against the baseline: the last N
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..))]
    pub drift_window: u32,

    /// Write each record with its prediction to FILE (JSONL), which predict reads and scores again.
    /// Readable by the owner alone
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Share of requests that are recorded, from 0 to 1, chosen by the hash of their ids
    #[arg(long, value_name = "SHARE", default_value = "1", requires = "record")]
    pub record_sample: Share,

    /// Begin a new file at this size: FILE becomes FILE.1, FILE.1 becomes FILE.2...
    #[arg(long, value_name = "SIZE", default_value = "64M", requires = "record")]
    pub record_max: ByteSize,

    /// Full files that are kept
    #[arg(long, value_name = "N", default_value_t = 5, requires = "record")]
    pub record_keep: u16,

    /// Fields that are recorded as null; of those that feed the model predict then makes another
    /// prediction, or none
    #[arg(long, value_name = "LIST", requires = "record")]
    pub redact: Option<NameList>,
}

/// What a client may cost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Largest body of a request, also after it is unpacked
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    pub max_body: ByteSize,

    /// Largest answer that is made in memory (413 beyond it); NDJSON is answered line by line and has
    /// no limit
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub max_reply: ByteSize,

    /// Largest head of a request
    #[arg(long, value_name = "SIZE", default_value = "16K")]
    pub max_head: ByteSize,

    /// Most header fields of a request
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_fields: u16,

    /// Longest path with its query
    #[arg(long, value_name = "SIZE", default_value = "8K")]
    pub max_url: ByteSize,

    /// Most connections at once; further ones are told to come back (503)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,

    /// Most requests that are worked on at once; further ones are told to come back (503). Health paths
    /// are always answered, and a request counts once its body is there
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_requests: u32,

    /// Seconds that an answer may take (504 after that); 0 is no limit
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub timeout_s: u32,

    /// Seconds in which the head of a request must have come
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub header_timeout_s: u32,

    /// Seconds in which more of a body must have come
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    pub body_timeout_s: u32,

    /// Seconds that a connection may wait for its next request
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub idle_timeout_s: u32,

    /// Seconds in which a client must take more of its answer
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub write_timeout_s: u32,

    /// Seconds in which requests are finished after SIGTERM or Ctrl-C; a second signal ends at once
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub grace_s: u32,

    /// Answers of this size on are compressed for clients that accept it
    #[arg(long, value_name = "SIZE", default_value = "16K")]
    pub compress_from: ByteSize,

    /// Most records of one run of the model
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub batch_size: u32,
}

/// What becomes of requests that come while all threads run models.
#[derive(Debug, Args)]
#[command(next_help_heading = "Batching")]
pub struct BatchingArgs {
    /// Most records of what waits for a model and is run together; 1 runs each request alone. By
    /// default what --batch-size says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub max_batch: Option<u32>,

    /// Most requests that wait for one model; further ones are told to come back (503)
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub max_queue: u32,

    /// Milliseconds that a request waits for others, also while a thread is free: for accelerators
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    pub batch_delay_ms: f64,
}

/// What of the machine the models may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hardware")]
pub struct HardwareArgs {
    /// Runs of models at once, over all models; by default as many as this process may use threads
    /// (affinity and cgroup quota count), less those of --intra-op
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Threads inside one run of a model, out of one pool for all models; the last bits of predictions
    /// may depend on it. Pays for large models and few clients; tree ensembles stay on one thread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub intra_op: u16,
}

/// Which fields of a record are what.
#[derive(Debug, Args)]
#[command(next_help_heading = "Records (a LIST is a,b,c or @FILE with one name a line)")]
pub struct FieldArgs {
    /// Fields of the model's one matrix input, in the model's order
    #[arg(long, value_name = "LIST")]
    pub features: Option<NameList>,

    /// Score fields that a record lacks as missing values
    #[arg(long)]
    pub allow_missing_columns: bool,

    /// Give an input that does not change from record to record (a scalar, a state)
    #[arg(long, value_name = "NAME=JSON")]
    pub set: Vec<Pair>,

    /// Refuse records with fields that the model has no use for
    #[arg(long)]
    pub strict: bool,

    /// What JSON answers have for NaN and infinities, which it cannot say
    #[arg(long, value_name = "WHAT", default_value = "null")]
    pub nan: NanName,
}

/// Show what goes into a model, what comes out and what is inside
///
/// Reads only the file; ONNX Runtime is not started unless --check asks for it.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct InspectArgs {
    /// The model: an ONNX file (.onnx) or ONNX Runtime's own format (.ort)
    pub model: PathBuf,

    /// Print JSON with stable keys
    #[arg(long, conflicts_with = "example")]
    pub json: bool,

    /// Load the model into ONNX Runtime, run one made-up batch and report what happened
    #[arg(long, conflicts_with = "example")]
    pub check: bool,

    /// Print a ready input for predict or the server instead
    #[arg(long, value_name = "KIND")]
    pub example: Option<ExampleKind>,

    /// Say what changed from this model to NEW; exit code 1 where callers of this one break
    #[arg(long, value_name = "NEW", conflicts_with_all = ["example", "check", "ops", "weights", "ensembles", "memory", "flops", "metadata"])]
    pub diff: Option<PathBuf>,

    #[command(flatten)]
    pub depth: DepthArgs,

    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// Parts of a model that are looked at in depth.
#[derive(Debug, Args)]
#[command(next_help_heading = "In depth (only these parts are shown; several may be given)")]
pub struct DepthArgs {
    /// Operators with their opsets and counts, and which of them the built-in ONNX Runtime lacks
    #[arg(long, conflicts_with = "example")]
    pub ops: bool,

    /// Tensors of weights by size: dtype, range, zeros, NaN, quantization; reads all of their values
    #[arg(long, conflicts_with = "example")]
    pub weights: bool,

    /// Tree ensembles: their size, depth and leaves, and the features that they ask for most (--trees
    /// says what evaluates them)
    #[arg(long, conflicts_with = "example")]
    pub ensembles: bool,

    /// Estimate the memory of a run: weights, and the most that lies between operators at once
    #[arg(long, conflicts_with = "example")]
    pub memory: bool,

    /// Count the arithmetic of a run by operator, as far as shapes are known
    #[arg(long, conflicts_with = "example")]
    pub flops: bool,

    /// Records of the run that --memory and --flops tell of; several after commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,1024", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Vec<u32>,

    /// Size of a free dimension, such as sequence=128, for --memory and --flops; may be given several
    /// times
    #[arg(long, value_name = "NAME=N")]
    pub dim: Vec<Pair>,

    /// All metadata and documentation in full
    #[arg(long, conflicts_with = "example")]
    pub metadata: bool,

    /// Most rows of a table; JSON has all
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,
}

/// A record format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    Csv,
    Tsv,
    /// One JSON object a line
    #[value(alias = "ndjson")]
    Jsonl,
    Parquet,
    /// Arrow IPC file (Feather)
    #[value(alias = "feather")]
    Arrow,
    /// Arrow IPC stream
    ArrowStream,
    /// One NumPy array
    Npy,
    /// Named NumPy arrays
    Npz,
}

/// What becomes of a record that cannot be scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnErrorName {
    /// End the run; nothing half-written is left
    Fail,
    /// Leave the record out
    Skip,
    /// Keep the record with empty predictions
    Null,
}

/// How requests are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogName {
    Text,
    /// One object a line
    Json,
    None,
}

/// A function over raw scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ActivationName {
    Sigmoid,
    Softmax,
}

/// What evaluates tree ensembles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TreesName {
    /// mlserve's kernel for those that it knows
    Auto,
    /// ONNX Runtime for all
    Ort,
}

/// What JSON has for NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NanName {
    Null,
    /// The bare tokens NaN, Infinity and -Infinity, which Python reads
    Token,
}

/// What `inspect --example` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExampleKind {
    Csv,
    Jsonl,
    Curl,
}

/// One byte between fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiter(pub u8);

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(Delimiter(b'\t')),
            [b'"' | b'\n' | b'\r' | 0] => {
                Err("a delimiter cannot be a quote or a line end".to_owned())
            }
            [byte] if byte.is_ascii_alphanumeric() || b".+-".contains(byte) => {
                Err("a delimiter cannot be a character of numbers or words".to_owned())
            }
            [byte] if byte.is_ascii() => Ok(Delimiter(*byte)),
            _ => Err("expected one ASCII character or \"tab\"".to_owned()),
        }
    }
}

/// Part `index` (from 1) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub index: u32,
    pub count: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, count) = text.split_once('/').ok_or("expected I/N, such as 3/10")?;
        let number = |text: &str| text.trim().parse::<u32>();
        match (number(index), number(count)) {
            (Ok(0), Ok(_)) => Err(
                "shards are counted from 1; --shards N takes an index from 0 out of the environment"
                    .to_owned(),
            ),
            (Ok(index), Ok(count)) if index <= count => Ok(Shard { index, count }),
            (Ok(index), Ok(count)) => Err(format!("there is no shard {index} of {count}")),
            _ => Err("expected I/N, such as 3/10".to_owned()),
        }
    }
}

/// How many records may fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxErrors {
    Records(u64),
    Percent(f64),
}

impl FromStr for MaxErrors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a number such as 100, or a share such as 0.5%".to_owned();
        match text.strip_suffix('%') {
            Some(share) => match share.trim().parse::<f64>() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(MaxErrors::Percent(share)),
                _ => Err(wrong()),
            },
            None => text.parse().map(MaxErrors::Records).map_err(|_| wrong()),
        }
    }
}

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Share(share)),
            _ => Err("expected a share from 0 to 1, such as 0.01".to_owned()),
        }
    }
}

/// A number of bytes: `4096`, `64K`, `256M`, `2G`, in units of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub usize);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text.get(digits.len()..).unwrap_or_default();
        let shift = match unit.to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "K" | "KB" | "KIB" => 10,
            "M" | "MB" | "MIB" => 20,
            "G" | "GB" | "GIB" => 30,
            _ => return Err("expected a size such as 4096, 64K, 256M or 2G".to_owned()),
        };
        let count: usize = digits
            .parse()
            .map_err(|_| "expected a size such as 4096, 64K, 256M or 2G".to_owned())?;
        match count.checked_mul(1 << shift) {
            Some(size @ 1..) => Ok(ByteSize(size)),
            _ => Err("expected a size between 1 byte and what memory can hold".to_owned()),
        }
    }
}

/// `a,b,c` or `@FILE`, as it was typed; a file is read when the command starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameList(pub String);

impl FromStr for NameList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a list such as a,b,c or @FILE".to_owned());
        }
        Ok(NameList(text.to_owned()))
    }
}

/// An execution provider, `NAME` or `NAME:KEY=VALUE,KEY=VALUE`; `\,` is a comma within a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderName {
    pub name: String,
    pub options: Vec<(String, String)>,
}

impl FromStr for ProviderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        if name.is_empty() {
            return Err("expected NAME or NAME:KEY=VALUE,KEY=VALUE".to_owned());
        }
        let mut parts: Vec<String> = Vec::new();
        let mut is_within = false;
        for part in rest.into_iter().flat_map(|rest| rest.split(',')) {
            let whole = part.strip_suffix('\\');
            let text = whole.unwrap_or(part);
            match parts.last_mut().filter(|_| is_within) {
                Some(last) => *last = format!("{last},{text}"),
                None => parts.push(text.to_owned()),
            }
            is_within = whole.is_some();
        }
        let option = |part: String| match part.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!(
                "expected KEY=VALUE after {name}:, found \"{part}\"; \\, is a comma within a value"
            )),
        };
        Ok(ProviderName {
            name: name.to_owned(),
            options: parts.into_iter().map(option).collect::<Result<_, _>>()?,
        })
    }
}

/// `NAME=VALUE`; the first `=` divides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub name: String,
    pub value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Pair {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("expected NAME=VALUE".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_has_options_after_a_colon() {
        for (text, name, options) in [
            ("cpu", "cpu", &[][..]),
            ("cuda:device_id=1", "cuda", &[("device_id", "1")]),
            ("a:b=c=d,e=", "a", &[("b", "c=d"), ("e", "")]),
            // TensorRT's shapes have commas and colons.
            (
                r"tensorrt:trt_profile_min_shapes=x:1x3\,y:1,trt_fp16_enable=1",
                "tensorrt",
                &[
                    ("trt_profile_min_shapes", "x:1x3,y:1"),
                    ("trt_fp16_enable", "1"),
                ],
            ),
        ] {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let expected = ProviderName {
                name: name.to_owned(),
                options: options.iter().map(owned).collect(),
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", ":a=b", "cuda:", "cuda:a", "cuda:=b", "cuda:a=b,"] {
            assert!(text.parse::<ProviderName>().is_err(), "{text}");
        }
    }
}
