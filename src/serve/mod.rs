//! `mlserve serve`: a local HTTP API around models.
//!
//! ```text
//! socket (http) -> app (who, which route) -> dialect (native, ...) -> records | tensors
//!     -> hosted model: plan, Model::run, layout -> dialect -> socket
//! ```

pub mod app;
pub mod auth;
pub mod banner;
pub mod call;
pub mod cors;
pub mod hosted;
pub mod info;
pub mod log;
pub mod message;
pub mod metrics;
pub mod native;
pub mod observed;
pub mod options;
pub mod problem;
pub mod query;
pub mod records;
pub mod registry;
pub mod routes;
pub mod tensors;

use std::sync::Arc;

use crate::cli::ServeArgs;
use crate::error::Result;

use app::App;
use hosted::Hosted;
use options::Options;
use registry::Registry;

/// Runs `mlserve serve` until a signal ends it.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(args: &ServeArgs) -> Result<()> {
    let options = Options::new(args)?;
    let app = App::new(load(&options)?, options.nan, options.timeout).operated(options.operation);
    let _ = app;
    Ok(())
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
