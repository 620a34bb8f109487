//! Execution providers: what the user asked for, held against what the ONNX Runtime at hand has, and
//! given to the sessions in the order in which they may take nodes.
//!
//! A provider that was asked for is used or is an error, never passed over: a model that silently
//! ran on the CPU would be a service ten times too slow that nobody knows of. Only `cpu` at the end of
//! the list lets the CPU have what the others do not take; `assigned.rs` sees to that.
//!
//! Which providers there are is `provider/known.rs`, what comes out of a library of its own
//! `provider/plugin.rs`.

use std::path::PathBuf;

use ort::environment::Environment;
use ort::session::builder::SessionBuilder;

use crate::error::{Error, Result};

mod known;
mod plugin;

use known::Known;

/// The provider that every ONNX Runtime has.
pub const CPU: &str = "cpu";

/// A provider as it was asked for, `name:key=value,...`; keys and values are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub name: String,
    pub options: Vec<(String, String)>,
}

/// Holds what was asked for against what no library is needed to know.
///
/// # Errors
/// [`Error::Usage`] for a name that is nobody's, one that comes twice, and `cpu` before another.
pub fn check(asked: &[Asked], libraries: &[PathBuf]) -> Result<()> {
    for (at, Asked { name, options }) in asked.iter().enumerate() {
        if libraries.is_empty() && name != CPU && known::find(name).is_none() {
            return Err(Error::usage(format!(
                "--provider {name}: there is no provider of this name"
            ))
            .hint(format!("those are {CPU}, {}", known::names().join(", ")))
            .hint_more("--provider-library PATH adds those of a library"));
        }
        if asked.iter().take(at).any(|other| other.name == *name) {
            return Err(Error::usage(format!(
                "--provider {name}: it is named twice"
            )));
        }
        let has_nul = |text: &str| text.contains('\0');
        let mut pairs = options.iter();
        if pairs.any(|(key, value)| key.is_empty() || has_nul(key) || has_nul(value)) {
            return Err(Error::usage(format!(
                "--provider {name}: a key is empty, or has a NUL character"
            )));
        }
        if name == CPU && !options.is_empty() {
            return Err(Error::usage("--provider cpu: it has no keys")
                .hint("--intra-op N gives a run more threads"));
        }
        if name == CPU && at + 1 < asked.len() {
            return Err(Error::usage(
                "--provider cpu: the CPU takes every node, so what comes after it would never be used",
            )
            .hint("put it last"));
        }
    }
    Ok(())
}

/// The providers of all sessions.
#[derive(Debug)]
pub struct Providers {
    /// Without the CPU, which is always the last.
    chosen: Vec<Chosen>,
    /// Whether the CPU may run what they do not take.
    has_cpu: bool,
}

#[derive(Debug)]
struct Chosen {
    asked: Asked,
    /// Its name in ONNX Runtime.
    name: String,
    /// None for a plugin.
    built_in: Option<&'static Known>,
}

impl Providers {
    /// Those that were `asked` for, with `libraries` loaded first; `runtime` is said of the ONNX
    /// Runtime at hand.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a library that is none, and a provider that is not here.
    pub(super) fn new(
        environment: &Environment,
        asked: &[Asked],
        libraries: &[PathBuf],
        runtime: &str,
    ) -> Result<Providers> {
        for path in libraries {
            plugin::register(environment, path)?;
        }
        let others = asked.iter().filter(|asked| asked.name != CPU);
        let chosen = others.map(|asked| {
            let plugged = plugin::find(environment, &asked.name).filter(|_| !libraries.is_empty());
            let built_in = known::find(&asked.name).filter(|known| known.is_here());
            let name = match (&plugged, built_in) {
                (Some(name), _) => name.clone(),
                (None, Some(known)) => known.name_in_runtime().to_owned(),
                (None, None) => return Err(missing(environment, &asked.name, libraries, runtime)),
            };
            Ok(Chosen {
                asked: asked.clone(),
                name,
                built_in: built_in.filter(|_| plugged.is_none()),
            })
        });
        Ok(Providers {
            chosen: chosen.collect::<Result<_>>()?,
            has_cpu: asked.is_empty() || asked.iter().any(|asked| asked.name == CPU),
        })
    }

    /// Whether nothing but the CPU runs models.
    pub fn is_cpu_alone(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Whether the CPU may run what the others do not take.
    pub fn has_cpu(&self) -> bool {
        self.has_cpu
    }

    /// The names as they were typed, in order.
    pub fn names(&self) -> Vec<&str> {
        let cpu = self.has_cpu.then_some(CPU);
        let chosen = self.chosen.iter().map(|chosen| chosen.asked.name.as_str());
        chosen.chain(cpu).collect()
    }

    /// The name as it was typed of the provider that ONNX Runtime calls `name`.
    pub(super) fn typed<'n>(&'n self, name: &'n str) -> &'n str {
        if name == "CPUExecutionProvider" {
            return CPU;
        }
        let chosen = self.chosen.iter().find(|chosen| chosen.name == name);
        chosen.map_or(name, |chosen| chosen.asked.name.as_str())
    }

    /// Lets the session that `builder` will make use them.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a provider that does not start, such as one whose own libraries are not
    /// installed, with the runtime's own words; [`Error::Usage`] for options that it does not know.
    pub(super) fn add_to(
        &self,
        mut builder: SessionBuilder,
        environment: &Environment,
    ) -> Result<SessionBuilder> {
        for chosen in &self.chosen {
            let Asked { name, options } = &chosen.asked;
            let place = |error: Error| error.at(format_args!("--provider {name}"));
            builder = match chosen.built_in {
                Some(known) => known.add_to(builder, options).map_err(place)?,
                None => {
                    plugin::add_to(builder, environment, &chosen.name, options).map_err(place)?
                }
            };
        }
        Ok(builder)
    }
}

/// The error for a provider that is not here, with where it is to be had.
fn missing(environment: &Environment, name: &str, libraries: &[PathBuf], runtime: &str) -> Error {
    let here = [CPU].into_iter().chain(known::here()).collect::<Vec<_>>();
    let here = here.join(", ");
    let plugged = plugin::names(environment);
    let (in_libraries, those) = match (libraries, plugged.as_slice()) {
        ([], _) => ("", None),
        (_, []) => (
            ", and the provider libraries find no device of theirs on this machine",
            None,
        ),
        (_, names) => (
            ", and the provider libraries have others",
            Some(format!("they have {}", names.join(", "))),
        ),
    };
    let remedy = match known::find(name) {
        Some(known) => known.remedy(),
        None => "--provider-library PATH names a library that has it".to_owned(),
    };
    let hints: Vec<String> = those.into_iter().chain([remedy]).collect();
    Error::runtime(format!(
        "--provider {name}: {runtime} was built without it; it has {here}{in_libraries}"
    ))
    .hint(hints.join("\n"))
}

/// The error of a provider that does not start, from the runtime's `message`.
fn unusable(message: &str, remedy: &str) -> Error {
    let words = super::refusal::first_sentence(message);
    Error::runtime(format!("it cannot be used: {words}")).hint(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::assigned::{self, Assigned};
    use crate::model::onnx::{self, Facts};
    use crate::model::refusal;
    use crate::model::runtime::{self, Runtime, RuntimeChoice};
    use ort::session::Session;
    use std::path::Path;

    fn iris() -> (&'static Runtime, Facts) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/iris.onnx");
        let runtime = runtime::start(&RuntimeChoice::default()).expect("a runtime");
        (runtime, onnx::read(&path).expect("a model"))
    }

    /// As if `name` were here, with the CPU behind it or not.
    fn providers(name: &str, has_cpu: bool) -> Providers {
        Providers {
            chosen: vec![Chosen {
                asked: asked(name, &[]),
                name: format!("{name}ExecutionProvider"),
                built_in: None,
            }],
            has_cpu,
        }
    }

    #[test]
    fn nodes_that_nobody_let_the_cpu_have_are_an_error() {
        let (runtime, facts) = iris();
        let (key, value) = assigned::RECORD;
        let builder = Session::builder(runtime.environment()).expect("a builder");
        let mut builder = builder.with_config_entry(key, value).expect("an entry");
        let session = builder.commit_from_file(&facts.path).expect("a session");
        let strict = providers("future", false);
        let found = assigned::of(&session, &strict).expect("nodes");
        // The nodes of the file, as Python's onnx lists them: LinearClassifier, Normalizer, Cast...
        let of_cpu = found.iter().find(|assigned| assigned.provider == CPU);
        let of_cpu = of_cpu.expect("nodes of the CPU");
        assert!(
            of_cpu.operators_text().contains("LinearClassifier"),
            "{found:?}"
        );
        assert_eq!(
            found.first().map(Assigned::text).as_deref(),
            Some("future: no nodes")
        );
        let warnings: Vec<String> = assigned::unused(&found).collect();
        assert_eq!(warnings, ["future takes none of its nodes"]);
        let refused = refusal::left_to_cpu(&facts, &strict, &found);
        let said = refused
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        let words = format!("future does not take {0} of its {0} nodes", of_cpu.nodes);
        assert!(
            said.contains(&words) && said.contains("--provider cpu"),
            "{said}"
        );
        let lenient = providers("future", true);
        assert!(refusal::left_to_cpu(&facts, &lenient, &found).is_ok());
        assert_eq!(lenient.names(), ["future", "cpu"]);
    }

    #[test]
    fn what_the_runtime_lacks_is_an_error_that_says_where_it_is() {
        let (runtime, _) = iris();
        for (name, remedy) in [
            ("cuda", "onnxruntime-gpu"),
            ("openvino", "onnxruntime-ep-openvino"),
            ("xnnpack", "--use_xnnpack"),
        ] {
            let list = [asked(name, &[]), asked("cpu", &[])];
            let made = Providers::new(runtime.environment(), &list, &[], "ONNX Runtime 1.N");
            // Somebody may test with a runtime that has it.
            let Err(error) = made else { continue };
            let said = error.to_string();
            let start =
                format!("--provider {name}: ONNX Runtime 1.N was built without it; it has cpu");
            assert!(said.starts_with(&start), "{said}");
            assert!(said.contains(remedy), "{said}");
        }
    }

    fn asked(name: &str, options: &[(&str, &str)]) -> Asked {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Asked {
            name: name.to_owned(),
            options: options.iter().map(owned).collect(),
        }
    }

    #[test]
    fn what_was_asked_for_is_checked_before_anything_is_loaded() {
        let library = [PathBuf::from("libfuture.so")];
        for (list, libraries, said) in [
            (vec![], &[][..], None),
            (vec![asked("cpu", &[])], &[], None),
            (
                vec![asked("cuda", &[("device_id", "1")]), asked("cpu", &[])],
                &[],
                None,
            ),
            (vec![asked("tensorrt", &[]), asked("cuda", &[])], &[], None),
            (
                vec![asked("cudda", &[])],
                &[],
                Some("no provider of this name"),
            ),
            (vec![asked("future", &[])], &library[..], None),
            (
                vec![asked("cuda", &[]), asked("cuda", &[])],
                &[],
                Some("twice"),
            ),
            (
                vec![asked("cpu", &[]), asked("cuda", &[])],
                &[],
                Some("never be used"),
            ),
            (
                vec![asked("cpu", &[("a", "b")])],
                &[],
                Some("it has no keys"),
            ),
            (
                vec![asked("cuda", &[("", "b")])],
                &[],
                Some("a key is empty"),
            ),
            (vec![asked("cuda", &[("a", "b\0")])], &[], Some("NUL")),
        ] {
            let found = check(&list, libraries).err().map(|error| error.to_string());
            match said {
                None => assert_eq!(found, None, "{list:?}"),
                Some(words) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(words)),
                    "{list:?}: {found:?}"
                ),
            }
        }
    }
}
