//! `mlserve serve`: a local HTTP API around models.
//!
//! ```text
//! socket (http) -> app (who, which route) -> dialect (native, ...) -> records | tensors
//!     -> hosted model: plan, Model::run, layout -> dialect -> socket
//! ```

pub mod admin;
pub mod app;
pub mod auth;
pub mod b64;
pub mod banner;
pub mod batching;
pub mod bound;
pub mod call;
pub mod cloud;
pub mod cors;
pub mod counters;
pub mod drift;
pub mod fixed;
pub mod hosted;
pub mod http;
pub mod info;
pub mod instances;
pub mod log;
pub mod message;
pub mod metrics;
pub mod mlflow;
pub mod native;
pub mod observed;
pub mod oip;
pub mod openapi;
pub mod options;
pub mod outputs;
pub mod page;
pub mod problem;
pub mod query;
pub mod record;
pub mod records;
pub mod registry;
pub mod reload;
pub mod routes;
pub mod shadow;
pub mod tensors;
pub mod tfs;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::ServeArgs;
use crate::error::{Error, Result};

use app::App;
use banner::Banner;
use http::Ended;
use http::listen::Listener;
use http::stop::{self, Stop};
use options::Options;
use registry::keeper::Keeper;
use registry::watch::{Look, Watch};
use reload::Reload;

/// At the end the log has so long to be written, and so has what is recorded.
const FLUSH: Duration = Duration::from_secs(1);

/// Runs `mlserve serve` until a signal ends it. `typed_again` says what the flags are when SIGHUP has
/// them read again.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(
    args: &ServeArgs,
    typed_again: impl Fn() -> Result<Box<ServeArgs>> + Send + 'static,
) -> Result<()> {
    let options = Options::new(args)?;
    // Before the models: an address that is taken is found at once, and who connects early waits.
    let listeners = listen(&options)?;
    let threads = options.wishes.hosting.threads;
    let recorder = options.wishes.hosting.recorder.clone();
    let (keeper, _) = Keeper::start(options.wishes)?;
    let registry = Arc::clone(keeper.registry());
    let app = App::new(registry, options.nan, options.limits.handler);
    let mut app = app.operated(options.operation);
    app.cloud = options.cloud;
    app.keeper = Some(Arc::new(keeper));
    app.recorder = recorder;
    let app = Arc::new(app);
    let stop = Stop::default();
    let stopping = Arc::clone(&app);
    let reload = Reload::new(&app, args, typed_again);
    stop::on_signals(&stop, move || stopping.stop(), move || reload.now()).map_err(cannot_start)?;
    if !options.quiet {
        let addresses: Vec<String> = listeners.iter().map(Listener::address).collect();
        let models = app.registry.defaults();
        let banner = Banner::new(&models, &addresses, threads, app.auth());
        tell(&banner.beside(&app.registry.table()).text());
    }
    let watch = options.watch.map(|interval| watch(interval, &app));
    let watch = watch.transpose()?;
    let gauges = Arc::clone(&app.metrics.gauges);
    let served = http::serve(listeners, options.limits, Arc::clone(&app), gauges, &stop);
    drop(watch);
    app.log.flush(FLUSH);
    if let Some(recorder) = &app.recorder {
        recorder.flush(FLUSH);
    }
    match served.map_err(cannot_start)? {
        Ended::All => {}
        Ended::Some(open) => {
            tell(&format!("{open} connections were cut off\n"));
            stop::leave()
        }
    }
    Ok(())
}

/// The sockets that systemd passes on, else those that are asked for.
fn listen(options: &Options) -> Result<Vec<Listener>> {
    let passed_on = Listener::passed_on()?;
    let listeners = match passed_on.is_empty() {
        false => passed_on,
        true => options
            .listen
            .iter()
            .map(|place| Listener::bind(place))
            .collect::<Result<_>>()?,
    };
    let tls = options.tls.as_ref();
    let listeners = listeners.into_iter();
    Ok(listeners.map(|listener| listener.with_tls(tls)).collect())
}

/// Lines for whoever watches; nobody may.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn cannot_start(source: io::Error) -> Error {
    Error::io("the server", &source)
}

/// Loads what changes on the disk, as long as what this returns is kept.
fn watch(interval: Duration, app: &Arc<App>) -> Result<Watch> {
    let app = Arc::clone(app);
    let mut look = Look::default();
    let look = move || {
        let Some(keeper) = &app.keeper else { return };
        match look.look(keeper) {
            Ok(events) => app.note(&events),
            Err(error) => tell(&format!("warning: {error}\n")),
        }
    };
    Watch::start(interval, look).map_err(cannot_start)
}

#[cfg(test)]
mod tests;
