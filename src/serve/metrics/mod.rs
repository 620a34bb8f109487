//! `GET /metrics`: what the server has done and what it costs, as Prometheus reads it.
//!
//! Labels hold only what this program and its models are called: what a client sends (a path, a model
//! that is not here) never makes a series. Knows no socket: whoever has connections counts them in
//! [`Gauges`].

mod process;
pub mod series;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{Encoder, IntCounter, IntGauge, TextEncoder};

use super::app::App;
use super::call::Call;
use super::hosted::Hosted;
use super::message::{Method, Reply};
use super::problem::Problem;
use super::routes::Found;
use process::Process;
use series::{Families, Series};

/// The only route here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route;

/// The route of a path in segments.
pub fn find(segments: &[&str]) -> Option<Found<Route>> {
    let is_here = matches!(segments, ["metrics"]);
    is_here.then(|| Found::new(Route, "/metrics", &[Method::Get, Method::Head]))
}

/// Answers with all metrics.
///
/// # Errors
/// 500 where they cannot be written, which no value does.
pub fn answer<'s>(app: &App) -> Result<Reply<'s>, Problem> {
    let text = app
        .metrics
        .text()
        .map_err(|_| Problem::refused(500, "metrics", "the metrics cannot be written as text"))?;
    Ok(Reply::new(
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        text,
    ))
}

/// What only the socket layer knows; it counts here.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Connections that are open.
    pub connections: AtomicI64,
    /// Connections that were ever accepted.
    pub accepted: AtomicU64,
}

/// All that is counted and measured.
pub struct Metrics {
    pub gauges: Gauges,
    families: Arc<Families>,
    /// The series of requests that are about no model.
    none: Series,
    in_flight: IntGauge,
    connections: IntGauge,
    accepted: IntCounter,
    process: Process,
    /// Held while values are brought up to date.
    scrape: Mutex<()>,
}

/// One request that is worked on; it counts until it is dropped.
pub struct InFlight<'m>(&'m IntGauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        let families = Arc::new(Families::default());
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        Metrics {
            gauges: Gauges::default(),
            none: Series::new(&families, "", ""),
            in_flight: families.gauge("mlserve_requests_in_flight", "Requests that are worked on"),
            connections: families.gauge("mlserve_connections", "Connections that are open"),
            accepted: families.counter(
                "mlserve_connections_total",
                "Connections that were accepted",
            ),
            process: Process::new(&families, started.unwrap_or_default().as_secs_f64()),
            families,
            scrape: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Counts a request as worked on.
    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    /// The series of a model, which are looked up once and then stay with it.
    pub fn adopt<'h>(&self, hosted: &'h Hosted) -> &'h Series {
        let new = || Series::new(&self.families, &hosted.name, &hosted.version);
        hosted.series.get_or_init(new)
    }

    /// Counts a request that was answered with `status` after `total`.
    pub fn observe(&self, call: &Call, method: Method, status: u16, total: Duration) {
        let route = match call.route {
            "" => "other",
            route => route,
        };
        let hosted = call.model.as_deref();
        let series = hosted.map_or(&self.none, |hosted| self.adopt(hosted));
        series.answered(route, status, total);
        if hosted.is_some() {
            series.inferred(call, method, status, total);
        }
        if !call.reason.is_empty() {
            self.reject(call.reason);
        }
    }

    /// Counts what never became a request.
    pub fn refused(&self, status: u16, reason: &'static str) {
        self.none.answered("other", status, Duration::ZERO);
        self.reject(reason);
    }

    fn reject(&self, reason: &'static str) {
        self.families.rejected.with_label_values(&[reason]).inc();
    }

    /// Says which program and ONNX Runtime these are.
    pub fn say_versions(&self, runtime: &str) {
        let labels = [env!("CARGO_PKG_VERSION"), runtime];
        self.families.build.with_label_values(&labels).set(1);
    }

    /// Everything as Prometheus text (0.0.4).
    ///
    /// # Errors
    /// What the encoder refuses.
    fn text(&self) -> prometheus::Result<Vec<u8>> {
        let guard = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.connections
            .set(self.gauges.connections.load(Ordering::Relaxed));
        let accepted = self.gauges.accepted.load(Ordering::Relaxed);
        self.accepted
            .inc_by(accepted.saturating_sub(self.accepted.get()));
        self.process.measure();
        drop(guard);
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.families.registry.gather(), &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
