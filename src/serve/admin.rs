//! Changing models over HTTP, where the server was started with `--admin`: load, unload, labels, shares.
//!
//! ```text
//! POST /models/M/load, /models/M/unload, /v2/repository/models/M/{load,unload} (oip)
//! PUT  /models/M/settings   {"labels", "default", "route", "shadow"}
//!   -> allowed? -> keeper -> log, metrics
//! ```
//!
//! Nothing here reads a file that a client names: what can be loaded is what the command line says.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::app::App;
use super::call::Call;
use super::message::{Body, Head, Method, Reply};
use super::problem::{Fault, Problem, Step};
use super::registry::keeper::{Extent, Keeper, What};
use super::registry::settings::{self, Settings, Shares};
use super::routes::Found;

use crate::error::Error;

/// Whether models may be changed over HTTP, and what requests that are shared out are known by.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub is_allowed: bool,
    /// The header field whose value keeps a client with one version.
    pub sticky: Option<String>,
}

/// What a path here means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    Control(&'p str, Control),
    Settings(&'p str),
}

/// What becomes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Load,
    Unload,
}

/// The route of a path in segments.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    let (route, template, methods): (_, _, &[Method]) = match *segments {
        ["models", name, "load"] => (
            Route::Control(name, Control::Load),
            "/models/{model}/load",
            &[Method::Post],
        ),
        ["models", name, "unload"] => (
            Route::Control(name, Control::Unload),
            "/models/{model}/unload",
            &[Method::Post],
        ),
        ["models", name, "settings"] => (
            Route::Settings(name),
            "/models/{model}/settings",
            &[Method::Get, Method::Head, Method::Put],
        ),
        _ => return None,
    };
    Some(Found::new(route, template, methods))
}

impl Change {
    /// What a request's version hangs on: its client, where a header field says which that is, else
    /// the request itself. The same here and in every other process.
    pub fn key(&self, head: &Head<'_>, id: &str) -> u64 {
        let client = self.sticky.as_deref().and_then(|name| head.header(name));
        let hash = Sha256::digest(client.unwrap_or(id).as_bytes());
        let bytes = hash.iter().take(8);
        bytes.fold(0, |key, byte| (key << 8) | u64::from(*byte))
    }
}

/// The keeper, for a request that may change models.
///
/// # Errors
/// 403 where nobody may.
pub fn allowed<'s>(app: &'s App, _head: &Head<'_>) -> Result<&'s Keeper, Problem> {
    match &app.keeper {
        Some(keeper) if app.change.is_allowed => Ok(keeper),
        _ => Err(Problem::refused(
            403,
            "no_admin",
            "models are changed over HTTP only where the server was started with --admin",
        )),
    }
}

/// Answers a request to change a model, or for what is set for it.
///
/// # Errors
/// 403, 404, 400 where it cannot be loaded, 422 for settings that are none.
pub fn answer<'s>(
    app: &'s App,
    call: &mut Call,
    route: Route<'_>,
    head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    let name = match route {
        Route::Control(name, _) | Route::Settings(name) => name,
    };
    let table = app.registry.table();
    let Some(entry) = table.entry(name) else {
        return Err(app
            .registry
            .find(name, Default::default(), call.key)
            .err()
            .unwrap_or_else(|| {
                Problem::refused(404, "unknown_model", "there is no such model here")
            }));
    };
    match route {
        Route::Settings(_) if head.method != Method::Put => Ok(reply(&told(&entry.settings))),
        Route::Settings(_) => {
            let keeper = allowed(app, head)?;
            let wanted = read(&entry.settings, body.whole()?)?;
            let told = told(&wanted);
            let set = keeper.set(name, |settings| *settings = wanted);
            app.note(&set.map_err(refused)?);
            Ok(reply(&told))
        }
        Route::Control(_, control) => {
            let keeper = allowed(app, head)?;
            change(app, keeper, name, control)?;
            let state = match control {
                Control::Load => "ready",
                Control::Unload => "unloaded",
            };
            Ok(reply(&json!({"name": name, "state": state})))
        }
    }
}

fn reply<'s>(value: &Value) -> Reply<'s> {
    Reply::json(200, value.to_string().into_bytes())
}

/// Loads or unloads a model that is here.
///
/// # Errors
/// 400 with the reason, where it cannot be loaded; what was ready before is so still.
pub fn change(app: &App, keeper: &Keeper, name: &str, control: Control) -> Result<(), Problem> {
    let events = match control {
        Control::Load => keeper.refresh(Extent::Only(name)).map_err(refused)?,
        Control::Unload => keeper.unload(name).unwrap_or_default(),
    };
    app.note(&events);
    match events.iter().find(|event| event.what == What::Failed) {
        None => Ok(()),
        Some(event) => {
            let table = app.registry.table();
            let slot = table
                .entry(name)
                .and_then(|entry| entry.slot(&event.version));
            let why = match slot.map(|slot| &slot.state) {
                Some(super::registry::table::State::Failed(why)) => why.as_str(),
                _ => "the log of the server says why",
            };
            let message = format!("failed to load '{name}' version {}: {why}", event.version);
            Err(Problem::refused(400, "load_failed", message))
        }
    }
}

/// A change that cannot be is the request's fault, and what fails is ours.
fn refused(error: Error) -> Problem {
    match &error {
        Error::Usage(report) => Problem::invalid("settings", report.message.clone()),
        _ => Problem::Failed(error),
    }
}

/// What is set for a model, as it can be set.
fn told(settings: &Settings) -> Value {
    let labels = settings.labels.iter();
    let labels = labels.map(|(label, version)| (label.clone(), json!(version)));
    let shares = settings.shares.0.iter();
    let shares = shares.map(|(target, weight)| (target.clone(), json!(weight)));
    json!({
        "versions": settings.policy.to_string(),
        "labels": labels.collect::<serde_json::Map<_, _>>(),
        "default": settings.default,
        "route": shares.collect::<serde_json::Map<_, _>>(),
        "shadow": settings.shadow,
    })
}

/// The settings that a body asks for; what it does not name stays as it is, and `null` takes it away.
///
/// # Errors
/// 422 with every member that is not understood.
fn read(now: &Settings, body: &[u8]) -> Result<Settings, Problem> {
    let asked: Value = serde_json::from_slice(body)
        .map_err(|_| Problem::invalid("json_invalid", "the body is not valid JSON"))?;
    let Some(asked) = asked.as_object() else {
        return Err(Problem::invalid("not_an_object", "expected a JSON object"));
    };
    let mut settings = now.clone();
    let mut faults = super::problem::Faults::default();
    for (name, value) in asked {
        let text = as_text(value);
        let set = match name.as_str() {
            "labels" => of(&text, settings::labels).map(|labels| settings.labels = labels),
            "default" => of(&text, |text| settings::target(text).map(Some))
                .map(|target| settings.default = target),
            "route" => of(&text, Shares::read).map(|shares| settings.shares = shares),
            "shadow" => of(&text, |text| settings::target(text).map(Some))
                .map(|target| settings.shadow = target),
            "versions" if text == now.policy.to_string() => Ok(()),
            "versions" => {
                Err("which versions are served is set where the server starts".to_owned())
            }
            _ => Err("expected labels, default, route or shadow".to_owned()),
        };
        if let Err(message) = set {
            let fault = Fault::of_body("settings", message);
            faults.push(fault.below(Step::Key(name.clone())));
        }
    }
    match faults.is_empty() {
        true => Ok(settings),
        false => Err(Problem::Invalid(faults)),
    }
}

/// The value of a member; nothing takes away what was set.
fn of<T: Default>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
    match text.is_empty() {
        true => Ok(T::default()),
        false => read(text),
    }
}

/// `{"stable": 95, "canary": 5}` as it is typed: `stable=95 canary=5`.
fn as_text(value: &Value) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    };
    match value {
        Value::Object(members) => {
            let pairs = members.iter();
            let pairs = pairs.map(|(name, value)| format!("{name}={}", plain(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        value => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::batch::write::NonFinite;
    use crate::serve::registry::keeper::Wishes;
    use crate::serve::registry::source::Source;
    use crate::serve::tests::{ask, hosting, post};

    /// An app that may be changed, and the folder of its model's versions 1 and 2.
    fn changeable() -> (App, tempfile::TempDir) {
        let root = tempfile::tempdir().expect("a folder");
        let iris = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/iris.onnx");
        for version in ["1", "2"] {
            let folder = root.path().join("iris").join(version);
            fs::create_dir_all(&folder).expect("a folder");
            fs::copy(&iris, folder.join("model.onnx")).expect("a copy");
        }
        let wishes = Wishes {
            sources: vec![Source {
                name: None,
                path: root.path().to_owned(),
            }],
            hosting: hosting(),
            refuse_breaks: false,
            policies: vec![settings::Typed {
                model: None,
                value: crate::serve::registry::version::Policy::All,
            }],
            labels: Vec::new(),
            defaults: Vec::new(),
            shares: Vec::new(),
            shadows: Vec::new(),
        };
        let (keeper, _) = Keeper::start(wishes).expect("a keeper");
        let registry = std::sync::Arc::clone(keeper.registry());
        let mut app = App::new(registry, NonFinite::Null, None);
        app.keeper = Some(std::sync::Arc::new(keeper));
        app.change.is_allowed = true;
        (app, root)
    }

    fn versions(app: &App) -> Vec<String> {
        let (_, told) = ask(app, Method::Get, "/models", &[], b"");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let models = told["models"].as_array().expect("a list").iter();
        let line = |model: &Value| {
            let labels = model["labels"].to_string();
            let default = model["default"].as_bool().unwrap_or_default();
            format!("{} {default} {labels}", model["version"])
        };
        models.map(line).collect()
    }

    #[test]
    fn models_are_loaded_and_unloaded_in_both_dialects() {
        let (app, root) = changeable();
        let bad = root.path().join("iris/3");
        for (target, status) in [
            ("/v2/repository/models/iris/unload", 200),
            ("/v2/models/iris/ready", 503),
            ("/v2/repository/models/iris/load", 200),
            ("/v2/repository/models/other/load", 400),
            ("/models/iris/unload", 200),
            ("/predict", 503),
            ("/models/iris/load", 200),
            ("/models/other/load", 404),
        ] {
            let method = match target.ends_with("ready") {
                true => Method::Get,
                false => Method::Post,
            };
            let told = ask(&app, method, target, &[], b"");
            assert_eq!(told.0, status, "{target} {}", told.1);
        }
        assert_eq!(post(&app, "/predict", "[5.1,3.5,1.4,0.2]").0, 200);
        fs::create_dir(&bad).expect("a folder");
        fs::write(bad.join("model.onnx"), b"no model").expect("a file");
        let (status, told) = post(&app, "/v2/repository/models/iris/load", "{}");
        assert_eq!(status, 400);
        assert!(told.contains("failed to load 'iris' version 3"), "{told}");
        // What clients are told has no path of this machine.
        assert!(!told.contains(&root.path().display().to_string()), "{told}");
        assert_eq!(post(&app, "/predict", "[5.1,3.5,1.4,0.2]").0, 200);
        let body = r#"{"parameters":{"config":"{}"}}"#;
        assert_eq!(post(&app, "/v2/repository/models/iris/load", body).0, 400);
    }

    #[test]
    fn settings_are_read_set_and_refused() {
        let (app, _root) = changeable();
        let put = |body: &str| {
            ask(
                &app,
                Method::Put,
                "/models/iris/settings",
                &[],
                body.as_bytes(),
            )
        };
        assert_eq!(versions(&app), [r#""1" false null"#, r#""2" true null"#]);
        let (status, told) = put(r#"{"labels":{"stable":1},"default":"stable"}"#);
        let expected = r#"{"versions":"all","labels":{"stable":"1"},"default":"stable","route":{},"shadow":null}"#;
        assert_eq!((status, told.as_str()), (200, expected));
        assert_eq!(
            versions(&app),
            [r#""1" true ["stable"]"#, r#""2" false null"#]
        );
        for (body, words) in [
            ("[]", "expected a JSON object"),
            (r#"{"default":"7"}"#, "no version or label \\\"7\\\""),
            (r#"{"route":{"1":"x"}}"#, "route: expected a weight"),
            (
                r#"{"weight":1}"#,
                "weight: expected labels, default, route or shadow",
            ),
            (
                r#"{"versions":"latest"}"#,
                "versions: which versions are served",
            ),
        ] {
            let (status, told) = put(body);
            assert_eq!(status, 422, "{body}: {told}");
            assert!(told.contains(words), "{body}: {told}");
        }
        assert_eq!(put(r#"{"default":null,"labels":{}}"#).0, 200);
        assert_eq!(versions(&app), [r#""1" false null"#, r#""2" true null"#]);
    }

    #[test]
    fn nothing_is_changed_where_nobody_may() {
        let (mut app, _root) = changeable();
        app.change.is_allowed = false;
        for target in [
            "/v2/repository/models/iris/unload",
            "/models/iris/load",
            "/models/iris/unload",
        ] {
            assert_eq!(post(&app, target, "").0, 403, "{target}");
        }
        let put = ask(&app, Method::Put, "/models/iris/settings", &[], b"{}");
        assert_eq!(put.0, 403);
        assert_eq!(
            ask(&app, Method::Get, "/models/iris/settings", &[], b"").0,
            200
        );
    }

    #[test]
    fn a_client_stays_with_its_version_where_a_header_says_who_it_is() {
        let field = |value: &'static [u8]| {
            [crate::serve::message::Header {
                name: "X-User",
                value,
            }]
        };
        let change = Change {
            is_allowed: false,
            sticky: Some("x-user".to_owned()),
        };
        let key = |value, id| {
            let headers = field(value);
            let head = Head {
                method: Method::Post,
                path: "/predict",
                query: "",
                headers: &headers,
            };
            change.key(&head, id)
        };
        assert_eq!(key(b"ada", "1"), key(b"ada", "2"));
        assert_ne!(key(b"ada", "1"), key(b"bob", "1"));
        // sha256("ada"), first eight bytes: the same in every process.
        assert_eq!(key(b"ada", ""), 0xfdee_430d_40bd_57de);
    }
}
