//! From what was typed, and from the environments that containers are run in, to what it means.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::batch::columns::Wanted;
use crate::batch::plan::{Keep, Rules};
use crate::batch::write::NonFinite;
use crate::cli::{LimitArgs, LogName, NanName, SeenArgs, ServeArgs};
use crate::error::{Error, Result};
use crate::flags;

use super::admin::Change;
use super::auth::Auth;
use super::batching::{self, pool::Pool};
use super::cloud::{Paths, is_container};
use super::cors::Cors;
use super::drift::Baselines;
use super::hosted::Hosting;
use super::http::Limits;
use super::http::tls::Tls;
use super::log::{Form, Log};
use super::record::{Recorder, Settings};
use super::registry::keeper::Wishes;
use super::registry::settings::{self, Shares, Typed};
use super::registry::source::Source;
use super::registry::version::Policy;

/// A run of `serve`, ready to start.
pub struct Options {
    /// What is to be served.
    pub wishes: Wishes,
    /// How often it is looked whether that has changed.
    pub watch: Option<Duration>,
    /// Where to listen: `HOST:PORT` or `unix:PATH`.
    pub listen: Vec<String>,
    /// What TCP is under, if anything; its files can be read again at any time.
    pub tls: Option<Arc<Tls>>,
    pub nan: NonFinite,
    /// Where Vertex AI asks.
    pub cloud: Paths,
    pub limits: Limits,
    pub operation: Operation,
    pub quiet: bool,
}

/// Who may ask, and where requests are told of.
#[derive(Default)]
pub struct Operation {
    pub auth: Auth,
    pub cors: Cors,
    pub log: Log,
    pub change: Change,
}

/// Where SageMaker mounts the model of a container.
const SAGEMAKER_MODELS: &str = "/opt/ml/model";
/// The port that SageMaker and Vertex AI ask at.
const PORT: u16 = 8080;
/// Where the server listens: on this machine alone, or, in a container of a cloud, for all that reach
/// the container. SageMaker's has no variable that says so, but its models are where it mounts them.
const LOOPBACK: &str = "127.0.0.1";
const ALL: &str = "0.0.0.0";
/// The longest that a run waits for others while it could run.
const MOST_DELAY: Duration = Duration::from_secs(10);
/// Variables that name the port.
const PORT_VARIABLES: [&str; 3] = ["PORT", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"];

impl Options {
    /// Reads the flags of `serve`.
    ///
    /// # Errors
    /// [`Error::Usage`] for flags that make no sense, and where no model is named.
    pub fn new(args: &ServeArgs) -> Result<Options> {
        let environment = |name: &str| std::env::var(name).ok();
        Ok(Options {
            wishes: wishes(args, hosting(args)?)?,
            listen: match args.address.listen.as_slice() {
                [] => vec![address(
                    match &args.address.host {
                        Some(host) => host,
                        None if args.models.is_empty() || is_container(environment) => ALL,
                        None => LOOPBACK,
                    },
                    port(args.address.port, environment)?,
                )],
                listen => listen.to_vec(),
            },
            watch: watch(args),
            tls: match (&args.address.tls_cert, &args.address.tls_key) {
                (Some(cert), Some(key)) => Some(Arc::new(Tls::new(cert, key)?)),
                // Each requires the other.
                _ => None,
            },
            cloud: Paths::new(environment)?,
            nan: match args.fields.nan {
                NanName::Null => NonFinite::Null,
                NanName::Token => NonFinite::Token,
            },
            limits: limits(&args.limits),
            operation: operation(args)?,
            quiet: args.address.quiet,
        })
    }
}

fn limits(args: &LimitArgs) -> Limits {
    let seconds = |count: u32| Duration::from_secs(count.into());
    Limits {
        head_bytes: args.max_head.0,
        fields: args.max_fields.into(),
        target_bytes: args.max_url.0,
        body_bytes: args.max_body.0,
        reply_bytes: args.max_reply.0,
        compress_from: args.compress_from.0,
        connections: args.max_connections as usize,
        requests: args.max_requests as usize,
        header: seconds(args.header_timeout_s),
        body: seconds(args.body_timeout_s),
        idle: seconds(args.idle_timeout_s),
        write: seconds(args.write_timeout_s),
        handler: (args.timeout_s > 0).then_some(seconds(args.timeout_s)),
        grace: seconds(args.grace_s),
    }
}

fn queueing(args: &ServeArgs) -> Result<batching::queue::Limits> {
    let typed = &args.batching;
    let delay = Duration::try_from_secs_f64(typed.batch_delay_ms / 1000.0);
    let delay = delay.ok().filter(|delay| *delay <= MOST_DELAY);
    Ok(batching::queue::Limits {
        max_batch: typed.max_batch.unwrap_or(args.limits.batch_size) as usize,
        max_queue: typed.max_queue as usize,
        delay: delay.ok_or_else(|| {
            Error::usage(format!(
                "--batch-delay-ms {}: expected a number from 0 to {}",
                typed.batch_delay_ms,
                MOST_DELAY.as_millis()
            ))
        })?,
    })
}

fn recorder(args: &SeenArgs) -> Result<Option<Arc<Recorder>>> {
    let Some(path) = &args.record else {
        return Ok(None);
    };
    let redact = flags::optional("--redact", args.redact.as_ref())?;
    let recorder = Recorder::open(&Settings {
        path: path.clone(),
        sample: args.record_sample.0,
        most_bytes: args.record_max.0 as u64,
        keep: args.record_keep.into(),
        redact: redact.unwrap_or_default(),
    })?;
    Ok(Some(Arc::new(recorder)))
}

fn operation(args: &ServeArgs) -> Result<Operation> {
    let typed = &args.operation;
    // A log that is asked for by name is written whatever --quiet says.
    let form = match (typed.log, args.address.quiet) {
        (Some(LogName::None), _) | (None, true) => None,
        (Some(LogName::Json), _) => Some(Form::Json),
        (Some(LogName::Text), _) | (None, false) => Some(Form::Text),
    };
    Ok(Operation {
        auth: Auth::new(typed.token_file.as_deref())?,
        cors: Cors::new(&typed.cors)?,
        log: form.map_or(Ok(Log::default()), Log::new)?,
        change: Change {
            is_allowed: args.registry.admin,
            sticky: args.registry.sticky.clone(),
        },
    })
}

/// How often models are looked at.
fn watch(args: &ServeArgs) -> Option<Duration> {
    let typed = &args.registry;
    let interval = Duration::from_millis(u64::from(typed.watch_interval_ms));
    typed.watch.then_some(interval)
}

fn rules(args: &ServeArgs) -> Result<Rules> {
    let fields = &args.fields;
    Ok(Rules {
        features: flags::optional("--features", fields.features.as_ref())?,
        allow_missing_columns: fields.allow_missing_columns,
        set: flags::pairs(&fields.set),
        keep: Keep::None,
        ..flags::rules(&args.values)?
    })
}

fn wanted(args: &ServeArgs) -> Result<Wanted> {
    flags::wanted(&args.predictions)
}

/// An address as it is bound; one of IPv6 in brackets.
fn address(host: &str, port: u16) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// The port that the flag says, else the first of the variables, else [`PORT`].
fn port(flag: Option<u16>, environment: impl Fn(&str) -> Option<String>) -> Result<u16> {
    if let Some(port) = flag {
        return Ok(port);
    }
    let named = PORT_VARIABLES
        .iter()
        .find_map(|name| Some((*name, environment(name)?)));
    match named {
        None => Ok(PORT),
        Some((name, text)) => text.trim().parse().map_err(|_| {
            Error::usage(format!("{name} is \"{text}\", which is no port"))
                .hint("--port N takes its place")
        }),
    }
}

/// Where the models are.
fn sources(typed: &[PathBuf]) -> Result<Vec<Source>> {
    let found = match typed {
        [] => in_container(Path::new(SAGEMAKER_MODELS))?,
        typed => typed.to_vec(),
    };
    found.iter().map(|path| Source::read(path)).collect()
}

/// What is to be served, and what is set for it.
///
/// # Errors
/// [`Error::Usage`] for flags that make no sense.
pub fn wishes(args: &ServeArgs, hosting: Hosting) -> Result<Wishes> {
    let typed = &args.registry;
    Ok(Wishes {
        sources: sources(&args.models)?,
        hosting,
        refuse_breaks: typed.refuse_breaks,
        policies: set("--versions", &typed.versions, Policy::read)?,
        labels: set("--label", &typed.label, settings::labels)?,
        defaults: set("--default", &typed.default, settings::target)?,
        shares: set("--route", &typed.route, Shares::read)?,
        shadows: set("--shadow", &typed.shadow, settings::target)?,
    })
}

/// How models are loaded and run.
fn hosting(args: &ServeArgs) -> Result<Hosting> {
    let threads = flags::serve_threads(args);
    Ok(Hosting {
        runtime: flags::runtime_choice(&args.runtime, args.hardware.intra_op)?,
        threads,
        trees: flags::trees_choice(&args.runtime),
        rules: rules(args)?,
        wanted: wanted(args)?,
        strict: args.fields.strict,
        batch_size: args.limits.batch_size as usize,
        reply_bytes: args.limits.max_reply.0,
        pool: Arc::new(Pool::new(threads)),
        queueing: queueing(args)?,
        recorder: recorder(&args.seen)?,
        baselines: Baselines::new(&args.seen.baseline, args.seen.drift_window.into())?,
    })
}

/// The values of a flag that sets something for one model or for all.
fn set<T>(
    flag: &str,
    typed: &[String],
    read: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<Vec<Typed<T>>> {
    let one = |text: &String| {
        let wrong = |message| Error::usage(format!("{flag} \"{text}\": {message}"));
        Typed::read(text, &read).map_err(wrong)
    };
    typed.iter().map(one).collect()
}

/// The models of a container, where none is named.
fn in_container(folder: &Path) -> Result<Vec<PathBuf>> {
    let nothing =
        || Error::usage("no model is named").hint("mlserve serve model.onnx serves a file");
    let entries = std::fs::read_dir(folder).map_err(|_| nothing())?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "onnx" || end == "ort")
        })
        .collect();
    paths.sort();
    match paths.is_empty() {
        true => Err(nothing().hint(format!("{} has no .onnx file either", folder.display()))),
        false => Ok(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_comes_from_the_flag_or_the_container() {
        let none = |_: &str| None;
        let vertex = |name: &str| (name == "AIP_HTTP_PORT").then(|| "9000".to_owned());
        let wrong = |name: &str| (name == "PORT").then(|| "web".to_owned());
        assert_eq!(port(Some(0), vertex).ok(), Some(0));
        assert_eq!(port(None, vertex).ok(), Some(9000));
        assert_eq!(port(None, none).ok(), Some(8080));
        assert!(port(None, wrong).is_err());
    }

    #[test]
    fn addresses_of_ipv6_are_in_brackets() {
        assert_eq!(address("::1", 80), "[::1]:80");
        assert_eq!(address("[::1]", 80), "[::1]:80");
        assert_eq!(address("localhost", 80), "localhost:80");
    }
}
