//! From a request to its reply, whatever the dialect: who may ask, which route, what went wrong.
//!
//! ```text
//! request -> id -> allowed? -> route -> dialect -> reply | problem in the dialect's shape -> log, metrics
//! ```

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::admin::{self, Change};
use super::auth::{self, Auth};
use super::call::Call;
use super::cors::Cors;
use super::log::Log;
use super::message::{Asked, Body, Head, Method, Refusal, Reply, Service};
use super::metrics::Metrics;
use super::observed::{self, Observed};
use super::options::Operation;
use super::problem::Problem;
use super::record::Recorder;
use super::registry::Registry;
use super::registry::keeper::{Event, Keeper, What};
use super::routes::{self, Found, Route};
use super::{cloud, drift, info, metrics, mlflow, native, oip, openapi, page, tfs};

use crate::batch::write::NonFinite;

/// Everything that answering needs; shared by all threads.
pub struct App {
    pub registry: Arc<Registry>,
    /// What JSON answers have for NaN.
    pub nan: NonFinite,
    /// How long a request may take.
    pub timeout: Option<Duration>,
    /// Paths that the container is told to answer at.
    pub cloud: cloud::Paths,
    /// What is told of it all; made when it is first asked for.
    pub document: openapi::Document,
    pub pages: page::Pages,
    pub metrics: Metrics,
    pub log: Log,
    /// Who loads and unloads; none where the models are as they are.
    pub keeper: Option<Arc<Keeper>>,
    pub change: Change,
    /// Who records requests, where somebody does.
    pub recorder: Option<Arc<Recorder>>,
    auth: Auth,
    cors: Cors,
    is_stopping: AtomicBool,
}

impl App {
    /// Serves `registry`.
    pub fn new(registry: Arc<Registry>, nan: NonFinite, timeout: Option<Duration>) -> App {
        let metrics = Metrics::default();
        for hosted in registry.models() {
            metrics.adopt(&hosted);
        }
        let app = App {
            registry,
            nan,
            timeout,
            cloud: cloud::Paths::default(),
            document: openapi::Document::default(),
            pages: page::Pages::default(),
            metrics,
            log: Log::default(),
            keeper: None,
            change: Change::default(),
            recorder: None,
            auth: Auth::default(),
            cors: Cors::default(),
            is_stopping: AtomicBool::new(false),
        };
        app.metrics.say_runtime(&app.runtime_version());
        app
    }

    /// Lets in and tells of requests as `operation` says, instead of letting in all and telling of none.
    #[must_use]
    pub fn operated(self, operation: Operation) -> App {
        App {
            auth: operation.auth,
            cors: operation.cors,
            log: operation.log,
            change: operation.change,
            ..self
        }
    }

    /// Who may ask.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Whether requests are welcome: some model is ready, and the end has not begun.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.registry.is_ready()
    }

    /// Whether the end has begun.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Why it is not ready.
    pub fn not_ready(&self) -> Problem {
        let message = match self.is_stopping() {
            true => "the server is stopping",
            false => "no model is ready",
        };
        Problem::refused(503, "not_ready", message)
    }

    /// Tells of what happened to models.
    pub fn note(&self, events: &[Event]) {
        for event in events {
            self.metrics.happened(event);
            if !self.log.note(event) && event.what == What::Failed {
                let _ = writeln!(std::io::stderr(), "{}", event.text());
            }
        }
    }

    /// Says that no more requests are welcome: those that know should go elsewhere.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The version of ONNX Runtime.
    pub fn runtime_version(&self) -> String {
        let models = self.registry.models();
        let first = models.first();
        first
            .map_or("", |hosted| hosted.model.runtime_version())
            .to_owned()
    }

    /// The path with its variable parts named; empty where no route has it.
    pub fn template(&self, path: &str) -> &'static str {
        if let Some(found) = self.cloud.find(path) {
            return found.template;
        }
        let Some(segments) = routes::segments(path) else {
            return "";
        };
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        routes::find(&segments).map_or("", |found| found.template)
    }

    fn route<'s>(
        &'s self,
        call: &mut Call,
        head: &Head<'_>,
        body: &mut dyn Body,
    ) -> Result<Reply<'s>, Problem> {
        let not_found = || Problem::refused(404, "not_found", "Not Found");
        let segments = routes::segments(head.path);
        let segments: Option<Vec<&str>> = segments
            .as_ref()
            .map(|segments| segments.iter().map(AsRef::as_ref).collect());
        let cloud = self.cloud.find(head.path);
        let found = cloud.map(|found| found.map(Route::Cloud));
        let Found {
            route,
            template,
            methods,
        } = found
            .or_else(|| routes::find(segments.as_deref()?))
            .ok_or_else(not_found)?;
        call.route = template;
        if !methods.contains(&head.method) {
            return Ok(self.not_allowed(call, head, methods));
        }
        match route {
            Route::Native(route) => native::answer(self, call, route, head, body),
            Route::Oip(route) => oip::answer(self, call, route, head, body),
            Route::Tfs(route) => tfs::answer(self, call, route, head, body),
            Route::Mlflow(route) => mlflow::answer(self, call, route, head, body),
            Route::Cloud(route) => cloud::answer(self, call, route, body),
            Route::Info(route) => info::answer(self, call, route),
            Route::Drift(route) => drift::answer(self, call, route),
            Route::OpenApi(route) => openapi::answer(self, route, head),
            Route::Page(route) => page::answer(self, route, head),
            Route::Metrics(_) => metrics::answer(self),
            Route::Admin(route) => admin::answer(self, call, route, head, body),
        }
    }

    /// 405, with the methods that the route takes; `OPTIONS` asks for nothing else.
    fn not_allowed<'s>(&self, call: &mut Call, head: &Head<'_>, methods: &[Method]) -> Reply<'s> {
        let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
        let allow = names.join(", ");
        if head.method == Method::Options {
            return Reply::empty(204).with("Allow", allow);
        }
        let problem = Problem::refused(405, "method_not_allowed", "Method Not Allowed");
        call.note(&problem);
        self.error(head.path, &problem).with("Allow", allow)
    }

    /// A problem in the shape of the dialect that `path` belongs to.
    fn error(&self, path: &str, problem: &Problem) -> Reply<'static> {
        match self.cloud.find(path) {
            Some(_) => cloud::error(problem),
            None => routes::error(path, problem),
        }
    }

    /// The reply to a request that is no preflight; a problem is noted in `call`.
    fn reply<'s>(&'s self, call: &mut Call, head: &Head<'_>, body: &mut dyn Body) -> Reply<'s> {
        if let Err(problem) = self.auth.check(head) {
            call.note(&problem);
            let reply = self.error(head.path, &problem);
            return reply.with("WWW-Authenticate", auth::challenge(&problem));
        }
        // A fault of ours must not end the connections of others; nothing is shared that a panic
        // could leave half-done but locks, which are taken over.
        let answered = catch_unwind(AssertUnwindSafe(|| self.route(call, head, body)));
        // What is posted to a model asks it for predictions, in every dialect.
        if let Some(hosted) = call.model.as_ref().filter(|_| head.method == Method::Post) {
            hosted.counters.add(call, matches!(answered, Ok(Ok(_))));
        }
        let problem = match answered {
            Ok(Ok(reply)) => return reply,
            Ok(Err(problem)) => problem,
            Err(_) => Problem::refused(500, "panic", "internal error"),
        };
        call.note(&problem);
        let reply = self.error(head.path, &problem);
        match &problem {
            Problem::Refused(Refusal {
                retry_after_s: Some(seconds),
                ..
            }) => reply.with("Retry-After", seconds.to_string()),
            _ => reply,
        }
    }
}

impl Service for App {
    fn answer<'s>(&'s self, head: &Head<'_>, body: &mut dyn Body) -> Reply<'s> {
        let observed = Observed::new(self, head);
        let mut call = Call::new(self.timeout);
        if self.registry.has_shares() {
            call.key = self.change.key(head, observed.id());
        }
        let wants = |recorder: &Arc<Recorder>| recorder.wants(observed.id());
        if self.recorder.as_ref().is_some_and(wants) {
            call.recorded = Some(observed.id().into());
        }
        // A browser asks without a token whether it may ask with one.
        let reply = match self.cors.preflight(head) {
            Some(reply) => reply,
            None => self.reply(&mut call, head, body),
        };
        let reply = self.cors.allow(head, reply);
        let mut reply = reply.with("X-Content-Type-Options", "nosniff");
        if let Some(hosted) = &call.model {
            reply = reply.with("X-Model-Version", hosted.version.clone());
        }
        match body.is_answered() {
            // It was told of when the client was.
            true => observed.too_late(head.method, &call, reply),
            false => observed.close(head, call, reply),
        }
    }

    fn refuse<'s>(&'s self, refusal: &Refusal, asked: Option<&Asked<'_>>) -> Reply<'s> {
        let problem = Problem::Refused(refusal.clone());
        let reply = match asked {
            Some(asked) => self.error(asked.path, &problem),
            None => native::error(&problem),
        };
        observed::refused(self, (refusal, asked), reply)
    }

    fn is_vital(&self, path: &str) -> bool {
        let cloud = || self.cloud.find(path).map(|found| found.route);
        auth::is_health(path) || cloud() == Some(cloud::Route::Health)
    }
}

#[cfg(test)]
mod tests;
