//! The configuration file of `serve`: TOML whose keys are the flags, put before the command line.
//!
//! ```text
//! port = 9000                       --port 9000
//! models = ["iris.onnx", "repo"]    iris.onnx repo
//! watch = true                      --watch
//! label = ["iris: stable=1"]        --label 'iris: stable=1'
//! [label]
//! iris = { stable = 1 }             the same
//! ```
//!
//! What is typed goes before what stands in the file, flag by flag. A value is checked by the flag's own
//! rules, so that there is nothing here to fall behind them.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 20;
/// The key of what has no flag: the models.
const MODELS: &str = "models";

/// What is wrong with a configuration file: `FILE:LINE: what`.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// `FILE:LINE`, or `FILE` alone.
    pub place: String,
    /// Lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// The command line as it would be typed with what stands in `file`.
///
/// `command` is the whole program's; `typed` is what was typed, program and subcommand first, and
/// `matches` what clap made of the subcommand's part of it.
///
/// # Errors
/// A file that cannot be read, is no TOML, or has a key or value that is no flag's.
pub fn merged(
    command: &Command,
    typed: &[OsString],
    matches: &ArgMatches,
    file: &Path,
) -> Result<Vec<OsString>, Fault> {
    let text = read(file)?;
    let [program, subcommand, rest @ ..] = typed else {
        return Ok(typed.to_vec());
    };
    let mut merged = vec![program.clone(), subcommand.clone()];
    let found = command.find_subcommand(subcommand);
    if let Some(flags) = found {
        let flags = Flags {
            program: command,
            command: flags,
            matches,
            file,
            text: &text,
        };
        merged.extend(flags.arguments()?.into_iter().map(OsString::from));
    }
    merged.extend_from_slice(rest);
    Ok(merged)
}

fn read(file: &Path) -> Result<String, Fault> {
    let fault = |message: String| Fault {
        place: file.display().to_string(),
        message,
    };
    let size = std::fs::metadata(file).map(|metadata| metadata.len());
    if size.is_ok_and(|size| size > MOST_BYTES) {
        return Err(fault(format!("is larger than {MOST_BYTES} bytes")));
    }
    std::fs::read_to_string(file).map_err(|source| fault(source.to_string()))
}

/// The flags that a file may set.
struct Flags<'f> {
    program: &'f Command,
    command: &'f Command,
    matches: &'f ArgMatches,
    file: &'f Path,
    text: &'f str,
}

impl Flags<'_> {
    fn fault(&self, at: usize, message: impl Into<String>) -> Fault {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Fault {
            place: format!("{}:{line}", self.file.display()),
            message: message.into(),
        }
    }

    /// All that the file says, as it would be typed.
    fn arguments(&self) -> Result<Vec<String>, Fault> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.fault(at, error.message())
        })?;
        let mut arguments = Vec::new();
        for (key, value) in table.get_ref() {
            let at = key.span().start;
            let name = key.get_ref();
            let Some(flag) = self.flag(name) else {
                let message = format!("there is no flag --{name} that the key could set");
                return Err(self.fault(at, message));
            };
            let of_flag = self.of(flag, name, value)?;
            // Also what is not used has to be right.
            self.check(at, &of_flag)?;
            if !self.is_typed(flag) {
                arguments.extend(of_flag);
            }
        }
        Ok(arguments)
    }

    /// The flag of this name; the models are an argument.
    fn flag(&self, name: &str) -> Option<&Arg> {
        if matches!(name, "config" | "help") {
            return None;
        }
        let mut flags = self.command.get_arguments();
        flags.find(|flag| match flag.get_long() {
            Some(long) => long == name,
            None => name == MODELS && flag.get_id() == MODELS,
        })
    }

    /// Whether the flag, or one that it cannot stand beside, was typed.
    fn is_typed(&self, flag: &Arg) -> bool {
        let is_typed = |flag: &Arg| {
            let source = self.matches.value_source(flag.get_id().as_str());
            source == Some(ValueSource::CommandLine)
        };
        let excludes = |one: &Arg, other: &Arg| {
            let excluded = self.command.get_arg_conflicts_with(one);
            excluded
                .iter()
                .any(|excluded| excluded.get_id() == other.get_id())
        };
        let mut typed = self.command.get_arguments().filter(|other| is_typed(other));
        is_typed(flag) || typed.any(|other| excludes(flag, other) || excludes(other, flag))
    }

    /// What one key says, as it would be typed.
    fn of(
        &self,
        flag: &Arg,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<String>, Fault> {
        let wrong = |expected: &str| self.fault(value.span().start, format!("{name}: {expected}"));
        match (flag.get_action(), value.get_ref()) {
            (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![format!("--{name}")]),
            (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
            (ArgAction::SetTrue, _) => Err(wrong("expected true or false")),
            (ArgAction::Count, value) => match scalar(value).and_then(|text| text.parse().ok()) {
                Some(count @ 0..=9) => Ok(vec![format!("--{name}"); count]),
                _ => Err(wrong("expected a small number")),
            },
            (ArgAction::Append, DeValue::Array(values)) => {
                let mut typed = Vec::new();
                for value in values {
                    let at = value.span().start;
                    let text = scalar(value.get_ref()).ok_or_else(|| {
                        self.fault(at, format!("{name}: expected text or a number"))
                    })?;
                    typed.push(one(flag, name, &text));
                }
                Ok(typed)
            }
            (ArgAction::Append, DeValue::Table(table)) => {
                let between = between(flag).ok_or_else(|| wrong("expected text or a list"))?;
                let mut typed = Vec::new();
                for (key, value) in table {
                    let at = value.span().start;
                    let text = pairs(value.get_ref()).ok_or_else(|| {
                        self.fault(at, format!("{name}.{}: expected text", key.get_ref()))
                    })?;
                    typed.push(one(
                        flag,
                        name,
                        &format!("{}{between}{text}", key.get_ref()),
                    ));
                }
                Ok(typed)
            }
            (_, value) => match scalar(value) {
                Some(text) => Ok(vec![one(flag, name, &text)]),
                None => Err(wrong("expected text or a number")),
            },
        }
    }

    /// Has clap look at what one key says.
    fn check(&self, at: usize, typed: &[String]) -> Result<(), Fault> {
        use clap::error::ErrorKind;
        let start = [self.program.get_name(), self.command.get_name()];
        let line = start.into_iter().chain(typed.iter().map(String::as_str));
        let Err(error) = self.program.clone().try_get_matches_from(line) else {
            return Ok(());
        };
        match error.kind() {
            // Of other flags, which may well be there.
            ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict => Ok(()),
            _ => {
                let text = error.render().to_string();
                let line = text.lines().next().unwrap_or_default();
                let line = line.strip_prefix("error: ").unwrap_or(line);
                Err(self.fault(at, line))
            }
        }
    }
}

/// `--name=value`, or the value alone for an argument.
fn one(flag: &Arg, name: &str, value: &str) -> String {
    match flag.get_long() {
        Some(_) => format!("--{name}={value}"),
        None => value.to_owned(),
    }
}

/// What stands between a table's key and its value for a flag that takes both.
fn between(flag: &Arg) -> Option<&'static str> {
    let names = flag.get_value_names()?;
    let shown = names.first()?.as_str();
    match shown {
        shown if shown.starts_with("[NAME:]") => Some(": "),
        shown if shown.contains("NAME=") => Some("="),
        _ => None,
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A scalar, or a table of them as `a=1 b=2`.
fn pairs(value: &DeValue<'_>) -> Option<String> {
    let DeValue::Table(table) = value else {
        return scalar(value);
    };
    let pair = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let value = scalar(value.get_ref())?;
        Some(format!("{}={value}", AsRef::<str>::as_ref(key.get_ref())))
    };
    let pairs: Option<Vec<String>> = table.iter().map(pair).collect();
    Some(pairs?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as Chosen, Failure, parse};

    fn parsed(config: &str, typed: &[&str]) -> Result<Box<crate::cli::ServeArgs>, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), config).expect("a file");
        let path = file.path().display().to_string();
        let line = ["mlserve", "serve", "--config", &path];
        let line = line.into_iter().chain(typed.iter().copied());
        match parse(line.map(OsString::from).collect()) {
            Ok(Cli {
                command: Some(Chosen::Serve(args)),
                ..
            }) => Ok(args),
            Ok(_) => Err("another command".to_owned()),
            Err(Failure::Config(fault)) => Err(fault.to_string().replace(&path, "FILE")),
            Err(Failure::Line(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn every_kind_of_flag_can_stand_in_the_file() {
        let args = parsed(
            "models = ['iris.onnx', \"b=repo\"]\nport = 9_000\nwatch = true\nquiet = false\n\
             max-body = '2M'\nverbose = 2\nlabel = ['a: stable=1']\nlog = 'json'\n\
             [route]\niris = { stable = 95, canary = 5 }\nother = '1=1'\n[set]\nx = '[1]'\n",
            &[],
        );
        let args = args.expect("arguments");
        assert_eq!(args.models.len(), 2);
        assert_eq!(args.address.port, Some(9000));
        assert!(args.registry.watch && !args.address.quiet);
        assert_eq!(args.limits.max_body.0, 2 << 20);
        assert_eq!(args.runtime.verbose, 2);
        assert_eq!(args.registry.label, ["a: stable=1"]);
        assert_eq!(
            args.registry.route,
            ["iris: stable=95 canary=5", "other: 1=1"]
        );
        assert_eq!(args.fields.set.len(), 1);
    }

    #[test]
    fn what_is_typed_goes_first() {
        let config = "models = ['a.onnx']\nport = 1\nlabel = ['a=1']\nlisten = ['unix:/x']\n";
        let args = parsed(
            "port = 1\nlabel = ['a=1']\n",
            &["-p", "2", "m.onnx", "--label", "b=2"],
        );
        let args = args.expect("arguments");
        assert_eq!(args.address.port, Some(2));
        assert_eq!(args.registry.label, ["b=2"]);
        let args = parsed(
            "models = ['a.onnx']\nlisten = ['unix:/x']\n",
            &["-p", "2", "m.onnx"],
        );
        let args = args.expect("arguments");
        assert_eq!(args.models.len(), 1);
        assert!(args.address.listen.is_empty());
        // Two that cannot stand beside each other in the file are an error as they are when typed.
        assert!(parsed(config, &[]).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (config, told) in [
            (
                "port = ",
                "FILE:1: string values must be quoted, expected literal string",
            ),
            (
                "\nports = 1\n",
                "FILE:2: there is no flag --ports that the key could set",
            ),
            (
                "config = 'x'",
                "FILE:1: there is no flag --config that the key could set",
            ),
            ("watch = 1", "FILE:1: watch: expected true or false"),
            ("port = [1]", "FILE:1: port: expected text or a number"),
            (
                "watch = true\nport = 70000",
                "FILE:2: invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535",
            ),
            (
                "log = 'xml'",
                "FILE:1: invalid value 'xml' for '--log <FORM>'",
            ),
            (
                "[limits]\nmax-body = 1",
                "FILE:1: there is no flag --limits that the key could set",
            ),
            ("[cors]\na = 'b'", "FILE:1: cors: expected text or a list"),
            ("label = [[1]]", "FILE:1: label: expected text or a number"),
        ] {
            assert_eq!(
                parsed(config, &["m.onnx"]).err().as_deref(),
                Some(told),
                "{config}"
            );
        }
        let gone = OsString::from("/no/such/file.toml");
        let line = ["mlserve", "serve", "m.onnx", "--config"].map(OsString::from);
        let parsed = parse(line.into_iter().chain([gone]).collect());
        assert!(matches!(parsed, Err(Failure::Config(_))));
    }
}
