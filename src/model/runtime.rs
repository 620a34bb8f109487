//! Finds ONNX Runtime, refuses versions that would answer wrongly, and starts it once per process.
//!
//! It is looked for in this order: `--runtime`, `ORT_DYLIB_PATH`, beside the executable, and else
//! the library that `build.rs` embedded. What the user names is used or refused, never passed over:
//! a GPU build that silently gave way to the embedded one would be worse than an error.
//!
//! Owns the process-wide environment and its log. Knows nothing of models and sessions. Where the
//! embedded library is unpacked to is `runtime/cache.rs`, what a library file tells about itself
//! `runtime/library.rs`.

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;

use super::provider::{Asked, Providers};
use crate::error::{Error, Report, Result};

mod cache;
mod library;

use library::Library;

/// What `build.rs` left: the library, its licences, and what is known about them.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// The version of the ONNX Runtime inside this program.
pub const EMBEDDED_VERSION: &str = embedded::VERSION;

/// The file that the embedded ONNX Runtime was taken from when the program was built.
pub const EMBEDDED_SOURCE: &str = embedded::SOURCE;

/// What the user said about the runtime.
#[derive(Debug, Clone)]
pub struct RuntimeChoice {
    /// `--runtime`: the library to use instead of the embedded one.
    pub library: Option<PathBuf>,
    /// `--allow-known-bad-runtime`: go on with a version that is known to score wrongly.
    pub allow_known_bad: bool,
    /// How often `-v` was given; from 2 on, the runtime's own messages are shown.
    pub verbosity: u8,
    /// Threads inside one run, the caller's among them.
    pub intra_op: usize,
    /// What runs models, in order of priority; the CPU where there is none.
    pub providers: Vec<Asked>,
    /// Libraries that have further providers.
    pub provider_libraries: Vec<PathBuf>,
}

impl Default for RuntimeChoice {
    fn default() -> Self {
        RuntimeChoice {
            library: None,
            allow_known_bad: false,
            verbosity: 0,
            intra_op: 1,
            providers: Vec::new(),
            provider_libraries: Vec::new(),
        }
    }
}

/// ONNX Runtime, loaded, with the one environment that a process can have.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
    version: String,
    source: Source,
    intra_op: usize,
    providers: Providers,
}

impl Runtime {
    /// What every session is made in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The version that the library reports, `1.32.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Threads inside one run; from 2 on they are those of one pool, which all sessions share.
    pub fn intra_op(&self) -> usize {
        self.intra_op
    }

    /// What runs models.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Where the library came from.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

/// Where the library came from; prints as a few words with the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Named by `--runtime`.
    Flag(PathBuf),
    /// Named by `ORT_DYLIB_PATH`.
    Variable(PathBuf),
    /// Lies beside the executable.
    Beside(PathBuf),
    /// Embedded, and kept in the user's cache folder.
    Cached(PathBuf),
    /// Embedded, and unpacked to memory for this process only.
    Memory,
    /// Embedded, and unpacked to a temporary folder for this process only.
    Temporary,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(path) => write!(f, "given by --runtime: {}", path.display()),
            Source::Variable(path) => write!(f, "given by ORT_DYLIB_PATH: {}", path.display()),
            Source::Beside(path) => write!(f, "beside the executable: {}", path.display()),
            Source::Cached(path) => write!(f, "embedded (cached at {})", path.display()),
            Source::Memory => f.write_str("embedded (unpacked to memory)"),
            Source::Temporary => f.write_str("embedded (unpacked to a temporary folder)"),
        }
    }
}

/// Keeps ONNX Runtime from sending telemetry, which official builds since 1.29 do by default.
///
/// The switch in the C API alone is not enough: it can be thrown only once there is an environment,
/// and by then 1.32.0 has written a device's number and a database to `~/.cache/Microsoft`.
///
/// Must be the first thing in `main`: neither threads nor `ort` may run while the process's
/// environment changes.
#[expect(
    unsafe_code,
    reason = "set_var is unsafe while other threads could read the environment"
)]
pub fn disable_telemetry() {
    // SAFETY: called first in `main`, where this is the only thread, so nothing reads or writes the
    // environment meanwhile (the condition that std::env::set_var documents).
    unsafe { env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

/// The licence texts of the embedded ONNX Runtime and of what is inside it.
pub fn licenses() -> Result<String> {
    let mut text = Vec::new();
    zstd::stream::copy_decode(embedded::LICENSES, &mut text).map_err(|error| {
        Error::runtime(format!("the embedded licence texts are damaged: {error}"))
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Starts ONNX Runtime once per process; later calls return the same one, or the same error, and
/// their `choice` is ignored.
pub fn start(choice: &RuntimeChoice) -> Result<&'static Runtime> {
    static STARTED: OnceLock<std::result::Result<Runtime, Report>> = OnceLock::new();
    STARTED
        .get_or_init(|| find_and_start(choice).map_err(into_report))
        .as_ref()
        .map_err(|report| Error::Runtime(report.clone()))
}

/// An error's text, which can be given out more than once.
fn into_report(error: Error) -> Report {
    match error {
        Error::Runtime(report) => report,
        other => Report {
            place: String::new(),
            message: other.to_string(),
            hint: String::new(),
        },
    }
}

fn find_and_start(choice: &RuntimeChoice) -> Result<Runtime> {
    let log = Log(choice.verbosity);
    match user_library(
        choice.library.as_deref(),
        env::var_os("ORT_DYLIB_PATH"),
        beside_executable(),
    ) {
        Some((path, source)) => {
            let path = std::path::absolute(&path)
                .map_err(|error| Error::io(path.display().to_string(), &error))?;
            let library = Library::open(&path)?;
            start_library(&library, source, choice, log)
        }
        None => start_embedded(choice, log),
    }
}

/// The library that takes precedence over the embedded one, if there is any.
fn user_library(
    flag: Option<&Path>,
    variable: Option<std::ffi::OsString>,
    beside: Option<PathBuf>,
) -> Option<(PathBuf, Source)> {
    if let Some(path) = flag {
        return Some((path.to_owned(), Source::Flag(path.to_owned())));
    }
    if let Some(path) = variable.filter(|path| !path.is_empty()).map(PathBuf::from) {
        return Some((path.clone(), Source::Variable(path)));
    }
    beside.map(|path| (path.clone(), Source::Beside(path)))
}

/// `libonnxruntime.so` (or what this system calls it) in the executable's own folder.
fn beside_executable() -> Option<PathBuf> {
    let name = format!(
        "{}onnxruntime{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    );
    let path = env::current_exe()
        .ok()?
        .canonicalize()
        .ok()?
        .with_file_name(name);
    path.is_file().then_some(path)
}

/// Starts the embedded library from the first place that can hold it and run it.
fn start_embedded(choice: &RuntimeChoice, log: Log) -> Result<Runtime> {
    let content = cache::Content::embedded();
    let mut reasons = Vec::new();
    for place in cache::PLACES {
        let held = match place.hold(&content) {
            Ok(held) => held,
            Err(reason) => {
                log.note(&format!("not using {place}: {reason}"));
                reasons.push(format!("{place}: {reason}"));
                continue;
            }
        };
        // A system may refuse to run what a folder holds (noexec, SELinux), which only loading it
        // tells. A refused version is no such thing: that error is final.
        match Library::open(held.path()) {
            Ok(library) => return start_library(&library, held.source(), choice, log),
            Err(error) => {
                log.note(&format!("not using {place}: {error}"));
                reasons.push(format!("{place}: {error}"));
                held.discard_if_damaged(&content);
            }
        }
    }
    Err(Error::runtime(format!(
        "cannot unpack the embedded ONNX Runtime\n{}",
        reasons.join("\n")
    ))
    .hint(
        "set MLSERVE_CACHE_DIR to a folder of yours on a file system that allows programs\n\
         or name an ONNX Runtime library with --runtime",
    ))
}

/// Checks the version, then makes the environment.
fn start_library(
    library: &Library,
    source: Source,
    choice: &RuntimeChoice,
    log: Log,
) -> Result<Runtime> {
    let version = library.checked_version(choice.allow_known_bad)?;
    let fault = |message: String| Error::Runtime(library.report(message));
    // The path is loaded already, so this finds the same library again and cannot fail for want of it.
    let unstarted = |error: String| fault(format!("cannot start ONNX Runtime {version}: {error}"));
    let mut environment = ort::init_from(library.path())
        .map_err(|error| unstarted(error.to_string()))?
        .with_name("mlserve")
        .with_telemetry(false)
        .with_logger(Arc::new(move |level, _category, _id, place, message| {
            log.runtime_message(level, place, message);
        }));
    if choice.intra_op > 1 {
        let pool = pool(choice.intra_op).map_err(|error| unstarted(error.to_string()))?;
        environment = environment.with_global_thread_pool(pool);
    }
    let environment = environment
        .build()
        .map_err(|error| unstarted(error.to_string()))?;
    environment.set_log_level(log.level());
    log.note(&format!("ONNX Runtime {version}, {source}"));
    let providers = Providers::new(
        &environment,
        &choice.providers,
        &choice.provider_libraries,
        &format!("ONNX Runtime {version}, {source},"),
    )?;
    Ok(Runtime {
        providers,
        environment,
        version,
        source,
        intra_op: choice.intra_op.max(1),
    })
}

/// The one pool of all sessions, of `threads` with the one that calls: a pool for each session would
/// start twenty threads for ten models on two cores. Idle threads sleep, they do not spin.
fn pool(threads: usize) -> ort::Result<GlobalThreadPoolOptions> {
    GlobalThreadPoolOptions::default()
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_spin_control(false)
}

/// What becomes of the runtime's messages: dropped, or on standard error from `-vv` on.
///
/// ONNX Runtime on its own writes coloured warnings to standard error at every run of, say, a
/// LightGBM model (its declared label shape is wrong). An error also comes back as a status, which
/// is where the user hears of it.
#[derive(Debug, Clone, Copy)]
struct Log(u8);

impl Log {
    /// The least level that the runtime should put together a message for.
    fn level(self) -> LogLevel {
        match self.0 {
            0 | 1 => LogLevel::Error,
            2 => LogLevel::Warning,
            _ => LogLevel::Info,
        }
    }

    fn shows(self) -> bool {
        self.0 >= 2
    }

    fn runtime_message(self, level: LogLevel, place: &str, message: &str) {
        // While the environment is being made the runtime does not know our level yet.
        if self.shows() && level >= self.level() {
            self.note(&format!("onnxruntime {level:?} {place}: {message}"));
        }
    }

    /// A line on standard error; not `eprintln!`, which would panic inside the runtime's C++ when
    /// standard error is closed.
    fn note(self, text: &str) {
        if self.shows() {
            let _ = writeln!(
                io::stderr(),
                "mlserve: {}",
                crate::error::escape_controls(text)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_variable_and_that_over_the_executables_folder() {
        let beside = || Some(PathBuf::from("/b/libonnxruntime.so"));
        for (flag, variable, beside, expected) in [
            (
                Some("/f.so"),
                Some("/v.so"),
                beside(),
                Some(Source::Flag("/f.so".into())),
            ),
            (
                None,
                Some("/v.so"),
                beside(),
                Some(Source::Variable("/v.so".into())),
            ),
            (
                None,
                Some(""),
                beside(),
                Some(Source::Beside("/b/libonnxruntime.so".into())),
            ),
            (None, None, None, None),
        ] {
            let found = user_library(flag.map(Path::new), variable.map(Into::into), beside);
            assert_eq!(found.map(|(_, source)| source), expected);
        }
    }

    #[test]
    fn the_runtimes_messages_are_kept_back_below_two_vs() {
        for (verbosity, shows, level) in [
            (0, false, LogLevel::Error),
            (1, false, LogLevel::Error),
            (2, true, LogLevel::Warning),
            (3, true, LogLevel::Info),
        ] {
            assert_eq!(Log(verbosity).shows(), shows);
            assert_eq!(Log(verbosity).level(), level);
        }
    }

    #[test]
    fn the_licence_texts_name_onnx_runtimes_own_and_others() -> Result<()> {
        let text = licenses()?;
        assert!(text.starts_with("MIT License"), "{}", &text[..40]);
        assert!(text.contains("Microsoft Corporation"));
        Ok(())
    }

    #[test]
    fn the_embedded_library_is_not_one_we_would_refuse() {
        if EMBEDDED_VERSION != "unknown" {
            assert_eq!(library::check_version(EMBEDDED_VERSION, false), Ok(()));
        }
    }
}
