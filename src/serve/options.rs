//! From what was typed, and from the environments that containers are run in, to what it means.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::batch::columns::Wanted;
use crate::batch::plan::{Keep, Rules};
use crate::batch::write::NonFinite;
use crate::cli::{LimitArgs, LogName, NanName, ServeArgs};
use crate::error::{Error, Result};
use crate::flags;

use super::auth::Auth;
use super::cloud::{Paths, is_container};
use super::cors::Cors;
use super::hosted::Hosting;
use super::http::Limits;
use super::http::tls::Tls;
use super::log::{Form, Log};

/// A run of `serve`, ready to start.
pub struct Options {
    /// Names and paths of the models.
    pub models: Vec<(String, PathBuf)>,
    /// Where to listen: `HOST:PORT` or `unix:PATH`.
    pub listen: Vec<String>,
    /// What TCP is under, if anything; its files can be read again at any time.
    pub tls: Option<Arc<Tls>>,
    pub hosting: Hosting,
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
}

/// Where SageMaker mounts the model of a container.
const SAGEMAKER_MODELS: &str = "/opt/ml/model";
/// The port that SageMaker and Vertex AI ask at.
const PORT: u16 = 8080;
/// Where the server listens: on this machine alone, or, in a container of a cloud, for all that reach
/// the container. SageMaker's has no variable that says so, but its models are where it mounts them.
const LOOPBACK: &str = "127.0.0.1";
const ALL: &str = "0.0.0.0";
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
            models: models(&args.models)?,
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
            tls: match (&args.address.tls_cert, &args.address.tls_key) {
                (Some(cert), Some(key)) => Some(Arc::new(Tls::new(cert, key)?)),
                // Each requires the other.
                _ => None,
            },
            hosting: Hosting {
                runtime: flags::runtime_choice(&args.runtime),
                trees: flags::trees_choice(&args.runtime),
                rules: rules(args)?,
                wanted: wanted(args)?,
                strict: args.fields.strict,
                batch_size: args.limits.batch_size as usize,
                reply_bytes: args.limits.max_reply.0,
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
    })
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

/// The models with their names.
fn models(typed: &[PathBuf]) -> Result<Vec<(String, PathBuf)>> {
    let mut models: Vec<(String, PathBuf)> = Vec::new();
    let found = match typed {
        [] => in_container(Path::new(SAGEMAKER_MODELS))?,
        typed => typed.to_vec(),
    };
    for typed in found {
        let (name, path) = named(&typed)?;
        if let Some((_, other)) = models.iter().find(|(other, _)| *other == name) {
            return Err(Error::usage(format!(
                "two models have the name \"{name}\": {} and {}",
                other.display(),
                path.display()
            ))
            .hint("NAME=PATH gives a model another name"));
        }
        models.push((name, path));
    }
    Ok(models)
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

/// The name of a model and its path: `NAME=PATH`, or the file's own name.
fn named(typed: &Path) -> Result<(String, PathBuf)> {
    let text = typed.to_str().unwrap_or_default();
    let (name, path) = match text.split_once('=') {
        // A file that is there is meant, whatever its name.
        Some((name, path)) if !typed.exists() => (name.to_owned(), PathBuf::from(path)),
        _ => {
            let stem = typed.file_stem().unwrap_or_default();
            (stem.to_string_lossy().into_owned(), typed.to_owned())
        }
    };
    match is_name(&name) {
        true => Ok((name, path)),
        false => Err(Error::usage(format!(
            "\"{name}\" is no name for a model: letters, digits, and . _ - after the first"
        ))
        .hint(format!("NAME={} gives the model another", path.display()))),
    }
}

/// Whether a name can stand in a path, a metric's label and a log without any escape.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= 100
        && name.chars().all(is_plain)
        && name
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for (name, is_fine) in [
            ("iris", true),
            ("_a.b-c_1", true),
            ("", false),
            ("..", false),
            (".hidden", false),
            ("-flag", false),
            ("a/b", false),
            ("a b", false),
            ("größe", false),
            ("a:b", false),
        ] {
            assert_eq!(is_name(name), is_fine, "{name}");
        }
    }

    #[test]
    fn a_model_is_named_by_its_file_or_by_hand() {
        let (name, path) = named(Path::new("models/iris.v2.onnx")).expect("a name");
        assert_eq!(
            (name.as_str(), path.to_str()),
            ("iris.v2", Some("models/iris.v2.onnx"))
        );
        let (name, path) = named(Path::new("flowers=no/such.onnx")).expect("a name");
        assert_eq!(
            (name.as_str(), path.to_str()),
            ("flowers", Some("no/such.onnx"))
        );
        assert!(named(Path::new("a b=no/such.onnx")).is_err());
    }

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
