//! From a request to its reply, whatever the dialect: who may ask, which route, what went wrong.
//!
//! ```text
//! request -> id -> allowed? -> route -> dialect -> reply | problem in the dialect's shape -> log, metrics
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::auth::{self, Auth};
use super::call::Call;
use super::cors::Cors;
use super::log::Log;
use super::message::{Body, Head, Method, Refusal, Reply, Service};
use super::metrics::Metrics;
use super::observed::{self, Observed};
use super::options::Operation;
use super::problem::Problem;
use super::registry::Registry;
use super::routes::{self, Found, Route};
use super::{info, metrics, native};

use crate::batch::write::NonFinite;

/// Everything that answering needs; shared by all threads.
pub struct App {
    pub registry: Registry,
    /// What JSON answers have for NaN.
    pub nan: NonFinite,
    /// How long a request may take.
    pub timeout: Option<Duration>,
    pub metrics: Metrics,
    pub log: Log,
    auth: Auth,
    cors: Cors,
    is_stopping: AtomicBool,
}

impl App {
    /// Serves `registry`.
    pub fn new(registry: Registry, nan: NonFinite, timeout: Option<Duration>) -> App {
        let metrics = Metrics::default();
        for hosted in registry.models() {
            metrics.adopt(hosted);
        }
        let app = App {
            registry,
            nan,
            timeout,
            metrics,
            log: Log::default(),
            auth: Auth::default(),
            cors: Cors::default(),
            is_stopping: AtomicBool::new(false),
        };
        app.metrics.say_runtime(app.runtime_version());
        app
    }

    /// Lets in and tells of requests as `operation` says, instead of letting in all and telling of none.
    #[must_use]
    pub fn operated(self, operation: Operation) -> App {
        App {
            auth: operation.auth,
            cors: operation.cors,
            log: operation.log,
            ..self
        }
    }

    /// Whether requests are welcome.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping.load(Ordering::Relaxed)
    }

    /// Says that no more requests are welcome: those that know should go elsewhere.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The version of ONNX Runtime.
    pub fn runtime_version(&self) -> &str {
        let first = self.registry.models().first();
        first.map_or("", |hosted| hosted.model.runtime_version())
    }

    fn route<'s>(
        &'s self,
        call: &mut Call,
        head: &Head<'_>,
        body: &mut dyn Body,
    ) -> Result<Reply<'s>, Problem> {
        let not_found = || Problem::refused(404, "not_found", "Not Found");
        let segments = routes::segments(head.path).ok_or_else(not_found)?;
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let Found {
            route,
            template,
            methods,
        } = routes::find(&segments).ok_or_else(not_found)?;
        call.route = template;
        if !methods.contains(&head.method) {
            return Ok(not_allowed(call, head, methods));
        }
        match route {
            Route::Native(route) => native::answer(self, call, route, head, body),
            Route::Info(route) => info::answer(self, call, route),
            Route::Metrics(_) => metrics::answer(self),
        }
    }
}

/// 405, with the methods that the route takes; `OPTIONS` asks for nothing else.
fn not_allowed<'s>(call: &mut Call, head: &Head<'_>, methods: &[Method]) -> Reply<'s> {
    let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
    let allow = names.join(", ");
    if head.method == Method::Options {
        return Reply::empty(204).with("Allow", allow);
    }
    let problem = Problem::refused(405, "method_not_allowed", "Method Not Allowed");
    call.note(&problem);
    routes::error(head.path, &problem).with("Allow", allow)
}

impl App {
    /// The reply to a request that is no preflight; a problem is noted in `call`.
    fn reply<'s>(&'s self, call: &mut Call, head: &Head<'_>, body: &mut dyn Body) -> Reply<'s> {
        if let Err(problem) = self.auth.check(head) {
            call.note(&problem);
            let reply = routes::error(head.path, &problem);
            return reply.with("WWW-Authenticate", auth::challenge(&problem));
        }
        // A fault of ours must not end the connections of others; nothing is shared that a panic
        // could leave half-done but locks, which are taken over.
        let answered = catch_unwind(AssertUnwindSafe(|| self.route(call, head, body)));
        let problem = match answered {
            Ok(Ok(reply)) => return reply,
            Ok(Err(problem)) => problem,
            Err(_) => Problem::refused(500, "panic", "internal error"),
        };
        call.note(&problem);
        let reply = routes::error(head.path, &problem);
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
        // A browser asks without a token whether it may ask with one.
        let reply = match self.cors.preflight(head) {
            Some(reply) => reply,
            None => self.reply(&mut call, head, body),
        };
        let reply = self.cors.allow(head, reply);
        let reply = reply.with("X-Content-Type-Options", "nosniff");
        observed.close(head, call, reply)
    }

    fn refuse<'s>(&'s self, refusal: &Refusal) -> Reply<'s> {
        let reply = native::error(&Problem::Refused(refusal.clone()));
        observed::refused(self, refusal, reply)
    }
}

#[cfg(test)]
mod tests;
