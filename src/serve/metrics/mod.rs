//! `GET /metrics`: what the server has done and what it costs, as Prometheus reads it.
//!
//! Labels hold only what this program and its models are called: what a client sends (a path, a model
//! that is not here) never makes a series. Knows no socket: whoever has connections counts them in
//! [`Gauges`].

mod drift;
mod models;
mod page;
mod process;
mod record;
pub mod series;
mod sharded;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::app::App;
use super::call::Call;
use super::hosted::Hosted;
use super::http::Gauges;
use super::message::{Method, Reply};
use super::problem::Problem;
use super::record::Recorder;
use super::registry::keeper::Event;
use super::registry::table::Table;
use super::routes::Found;
use page::Page;
use series::Series;
use sharded::Sharded;
pub use sharded::thread_number;

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
/// 500 where they cannot be written, which no value makes so.
pub fn answer<'s>(app: &App) -> Result<Reply<'s>, Problem> {
    let text = app
        .metrics
        .text(&app.registry.table(), app.recorder.as_deref())
        .map_err(|_| Problem::refused(500, "metrics", "the metrics cannot be written as text"))?;
    Ok(Reply::new(
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        text,
    ))
}

/// Versions that nobody has any more and whose series are still told of, so that the last that was
/// counted is read.
const MOST_GONE: usize = 16;

/// All that is counted and measured.
pub struct Metrics {
    /// What only the socket layer knows; it counts here.
    pub gauges: Arc<Gauges>,
    /// The series of requests that are about no model.
    none: Series,
    /// Those of each model that is served, or was.
    models: Mutex<Vec<Arc<Series>>>,
    /// One cell: requests that are worked on.
    in_flight: Sharded,
    /// What was not answered as asked, by reason: words of this program.
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    /// What happened to models, by model and word.
    events: Mutex<BTreeMap<(String, &'static str), u64>>,
    reloads: Mutex<BTreeMap<&'static str, u64>>,
    runtime: OnceLock<String>,
    /// When the process started, in seconds since 1970; it has done nothing before.
    started_s: f64,
}

/// One request that is worked on; it counts until it is dropped.
pub struct InFlight<'m>(&'m Sharded);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        // Adding -1, if need be to another thread's copy.
        self.0.add(0, 1_u64.wrapping_neg());
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        Metrics {
            gauges: Arc::default(),
            none: Series::new("", ""),
            models: Mutex::default(),
            in_flight: Sharded::new(1),
            rejected: Mutex::default(),
            events: Mutex::default(),
            reloads: Mutex::default(),
            runtime: OnceLock::new(),
            started_s: started.unwrap_or_default().as_secs_f64(),
        }
    }
}

impl Metrics {
    /// Counts a request as worked on.
    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.add(0, 1);
        InFlight(&self.in_flight)
    }

    /// The series of a model, which are looked up once and then stay with it; a model that is loaded
    /// again goes on with those it had.
    pub fn adopt<'h>(&self, hosted: &'h Hosted) -> &'h Series {
        hosted.series.get_or_init(|| {
            let mut models = locked(&self.models);
            let is_it = |series: &&Arc<Series>| {
                series.model == hosted.name && series.version == hosted.version
            };
            let series = match models.iter().find(is_it) {
                Some(series) => Arc::clone(series),
                None => {
                    let series = Arc::new(Series::new(&hosted.name, &hosted.version));
                    models.push(Arc::clone(&series));
                    series
                }
            };
            series.watch(hosted.queue.waiting());
            series
        })
    }

    /// Counts a request that was answered with `status` after `total`.
    pub fn observe(&self, call: &Call, method: Method, status: u16, total: Duration) {
        let route = named(call.route);
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

    /// Counts what was not asked of any model, or is still at work there; `route` is empty where there
    /// is none.
    pub fn refused(&self, route: &'static str, status: u16, reason: &'static str, total: Duration) {
        self.none.answered(named(route), status, total);
        self.reject(reason);
    }

    /// Counts with its model a request that [`Metrics::refused`] has counted as too late.
    pub fn too_late(&self, call: &Call, method: Method) {
        if let Some(hosted) = &call.model {
            let series = self.adopt(hosted);
            series.inferred(call, method, 504, call.started.elapsed());
        }
    }

    fn reject(&self, reason: &'static str) {
        *locked(&self.rejected).entry(reason).or_default() += 1;
    }

    /// Counts what happened to a model.
    pub fn happened(&self, event: &Event) {
        let key = (event.model.clone(), event.what.word());
        *locked(&self.events).entry(key).or_default() += 1;
    }

    /// Counts that the configuration was read again, or could not be.
    pub fn reloaded(&self, is_read: bool) {
        let outcome = if is_read { "success" } else { "failure" };
        *locked(&self.reloads).entry(outcome).or_default() += 1;
    }

    /// Says which ONNX Runtime this is.
    pub fn say_runtime(&self, version: &str) {
        self.runtime.get_or_init(|| version.to_owned());
    }

    /// Everything as Prometheus text.
    fn text(&self, table: &Table, recorder: Option<&Recorder>) -> prometheus::Result<Vec<u8>> {
        let mut page = Page::default();
        self.none.append(&mut page);
        let models = {
            let mut models = locked(&self.models);
            let gone = |series: &&Arc<Series>| Arc::strong_count(series) == 1;
            let mut too_many = models.iter().filter(gone).count().saturating_sub(MOST_GONE);
            models.retain(|series| {
                let is_let_go = too_many > 0 && Arc::strong_count(series) == 1;
                too_many -= usize::from(is_let_go);
                !is_let_go
            });
            models.clone()
        };
        models.iter().for_each(|series| series.append(&mut page));
        table
            .ready()
            .for_each(|hosted| drift::append(&mut page, hosted));
        if let Some(recorder) = recorder {
            record::append(&mut page, recorder);
        }
        for (reason, count) in locked(&self.rejected).iter() {
            page.counter(
                "mlserve_rejected_total",
                "Requests that were not answered as asked, by reason",
                &[("reason", reason)],
                *count as f64,
            );
        }
        for ((model, what), count) in locked(&self.events).iter() {
            page.counter(
                "mlserve_model_events_total",
                "What happened to models: loaded, failed, retired, set",
                &[("model", model), ("event", what)],
                *count as f64,
            );
        }
        for (outcome, count) in locked(&self.reloads).iter() {
            page.counter(
                "mlserve_config_reloads_total",
                "How often SIGHUP had the configuration read again, by outcome",
                &[("outcome", outcome)],
                *count as f64,
            );
        }
        models::append(&mut page, table);
        self.of_server(&mut page);
        process::append(&mut page, self.started_s);
        page.text()
    }

    /// What the server is and does at this moment.
    fn of_server(&self, page: &mut Page) {
        // Below zero for a moment where one is counted between two copies.
        let in_flight = (self.in_flight.total(0) as i64).max(0);
        let connections = self.gauges.connections.load(Ordering::Relaxed) as i64;
        for (name, help, value) in [
            (
                "mlserve_requests_in_flight",
                "Requests that are worked on",
                in_flight,
            ),
            (
                "mlserve_connections",
                "Connections that are open",
                connections,
            ),
        ] {
            page.gauge(name, help, &[], value as f64);
        }
        page.counter(
            "mlserve_connections_accepted_total",
            "Connections that were accepted",
            &[],
            self.gauges.accepted.load(Ordering::Relaxed) as f64,
        );
        let runtime = self.runtime.get().map_or("", String::as_str);
        page.gauge(
            "mlserve_build_info",
            "Versions of mlserve and ONNX Runtime",
            &[("version", env!("CARGO_PKG_VERSION")), ("runtime", runtime)],
            1.0,
        );
    }
}

/// A route as its label says it.
fn named(route: &'static str) -> &'static str {
    match route {
        "" => "other",
        route => route,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
