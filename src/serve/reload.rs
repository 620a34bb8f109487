//! SIGHUP: the command line and its configuration file are read again, and what can change does.
//!
//! ```text
//! SIGHUP -> flags as they are now -> models, versions, labels, shares, shadows -> keeper
//!                                 -> tokens -> app, certificates -> tls
//!                                 -> what cannot change without a restart is said
//! ```

use std::fmt::Debug;
use std::io::Write;
use std::sync::Arc;

use crate::cli::ServeArgs;
use crate::error::{Result, escape_controls};

use super::app::App;
use super::auth::Auth;
use super::http::tls::Tls;
use super::options;

/// What a server was started with, to see what is new.
pub struct Reload<R> {
    app: Arc<App>,
    read: R,
    tls: Option<Arc<Tls>>,
    fixed: Vec<(&'static str, String)>,
}

impl<R: Fn() -> Result<Box<ServeArgs>>> Reload<R> {
    /// For a server that was started with `args`; `read` says what they are now.
    pub fn new(app: &Arc<App>, args: &ServeArgs, read: R, tls: Option<Arc<Tls>>) -> Reload<R> {
        Reload {
            app: Arc::clone(app),
            read,
            tls,
            fixed: fixed(args),
        }
    }

    /// Reads all again. What is wrong leaves all as it was, and is said.
    pub fn now(&self) {
        let outcome = self.try_now();
        match &outcome {
            Ok(said) => said.iter().for_each(|said| tell(said)),
            Err(error) => tell(&format!("nothing is changed: {error}")),
        }
        self.app.metrics.reloaded(outcome.is_ok());
    }

    fn try_now(&self) -> Result<Vec<String>> {
        let args = (self.read)()?;
        let typed = &args.operation;
        let auth = Auth::new(typed.token_file.as_deref())?;
        let admins = Auth::of_admins(typed.admin_token_file.as_deref())?;
        if let Some(tls) = &self.tls {
            tls.reload()?;
        }
        if let Some(keeper) = &self.app.keeper {
            let wishes = options::wishes(&args, keeper.hosting())?;
            let events = keeper.rewish(wishes)?;
            self.app.note(&events);
        }
        self.app.let_in(auth, admins);
        let now = fixed(&args);
        let pairs = self.fixed.iter().zip(&now);
        let changed = pairs.filter(|(before, now)| before != now);
        let said =
            changed.map(|((what, _), _)| format!("what is new about {what} needs a restart"));
        Ok(said
            .chain(["the configuration was read".to_owned()])
            .collect())
    }
}

/// What is as it is until the server is started again.
fn fixed(args: &ServeArgs) -> Vec<(&'static str, String)> {
    let shown = |what: &dyn Debug| format!("{what:?}");
    vec![
        ("the address", shown(&args.address)),
        (
            "logs and origins",
            shown(&(&args.operation.log, &args.operation.cors)),
        ),
        ("limits", shown(&args.limits)),
        ("batching", shown(&args.batching)),
        ("hardware", shown(&args.hardware)),
        (
            "what is recorded and held against baselines",
            shown(&args.seen),
        ),
        ("fields", shown(&args.fields)),
        ("values", shown(&args.values)),
        ("predictions", shown(&args.predictions)),
        ("ONNX Runtime", shown(&args.runtime)),
        (
            "--watch, --admin and --sticky",
            shown(&(
                args.registry.watch,
                args.registry.watch_interval_ms,
                args.registry.admin,
                &args.registry.sticky,
            )),
        ),
    ]
}

/// A line for whoever watches; nobody may.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "reload: {}", escape_controls(text));
}
