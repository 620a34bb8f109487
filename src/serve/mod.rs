//! `mlserve serve`: a local HTTP API around models.
//!
//! ```text
//! socket (http) -> app (who, which route) -> dialect (native, ...) -> records | tensors
//!     -> hosted model: plan, Model::run, layout -> dialect -> socket
//! ```

pub mod app;
pub mod auth;
pub mod b64;
pub mod banner;
pub mod bound;
pub mod call;
pub mod cloud;
pub mod cors;
pub mod counters;
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
pub mod records;
pub mod registry;
pub mod routes;
pub mod tensors;
pub mod tfs;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::ServeArgs;
use crate::error::{Error, Result};
use crate::flags;

use app::App;
use banner::Banner;
use hosted::Hosted;
use http::Ended;
use http::listen::Listener;
use http::stop::{self, Stop};
use options::Options;
use registry::Registry;

/// At the end the log has so long to be written.
const FLUSH: Duration = Duration::from_secs(1);

/// Runs `mlserve serve` until a signal ends it.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(args: &ServeArgs) -> Result<()> {
    let options = Options::new(args)?;
    // Before the models: an address that is taken is found at once, and who connects early waits.
    let listeners = listen(&options)?;
    let app = App::new(load(&options)?, options.nan, options.limits.handler);
    let mut app = app.operated(options.operation);
    app.cloud = options.cloud;
    let app = Arc::new(app);
    let stop = Stop::default();
    let stopping = Arc::clone(&app);
    stop::on_signals(&stop, move || stopping.stop()).map_err(cannot_start)?;
    if !options.quiet {
        let addresses: Vec<String> = listeners.iter().map(Listener::address).collect();
        let threads = flags::available_threads();
        let banner = Banner::new(app.registry.models(), &addresses, threads, app.auth());
        tell(&banner.text());
    }
    let gauges = Arc::clone(&app.metrics.gauges);
    let served = http::serve(listeners, options.limits, Arc::clone(&app), gauges, &stop);
    app.log.flush(FLUSH);
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

/// Loads all models, the first of which also starts ONNX Runtime.
fn load(options: &Options) -> Result<Registry> {
    let models = options
        .models
        .iter()
        .map(|(name, path)| Hosted::load(path, name, "1", &options.hosting).map(Arc::new));
    models.collect::<Result<_>>().map(Registry::new)
}

#[cfg(test)]
mod tests;
