//! From a request to its reply, whatever the dialect: who may ask, which route, what went wrong.
//!
//! ```text
//! request -> id -> allowed? -> route -> dialect -> reply | problem in the dialect's shape -> log, metrics
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::call::Call;
use super::message::{Body, Head, Method, Refusal, Reply, Service};
use super::problem::Problem;
use super::registry::Registry;
use super::routes::{self, Found, Route};
use super::{cloud, info, mlflow, native, oip, openapi, page, tfs};

use crate::batch::write::NonFinite;

/// Everything that answering needs; shared by all threads.
pub struct App {
    pub registry: Registry,
    /// What JSON answers have for NaN.
    pub nan: NonFinite,
    /// How long a request may take.
    pub timeout: Option<Duration>,
    /// Paths that the container is told to answer at.
    pub cloud: cloud::Paths,
    /// What is told of it all; made when it is first asked for.
    pub document: openapi::Document,
    pub pages: page::Pages,
    is_stopping: AtomicBool,
}

impl App {
    /// Serves `registry`.
    pub fn new(registry: Registry, nan: NonFinite, timeout: Option<Duration>) -> App {
        App {
            registry,
            nan,
            timeout,
            cloud: cloud::Paths::default(),
            document: openapi::Document::default(),
            pages: page::Pages::default(),
            is_stopping: AtomicBool::new(false),
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
            return Ok(self.not_allowed(head, methods));
        }
        match route {
            Route::Native(route) => native::answer(self, call, route, head, body),
            Route::Oip(route) => oip::answer(self, call, route, head, body),
            Route::Tfs(route) => tfs::answer(self, call, route, head, body),
            Route::Mlflow(route) => mlflow::answer(self, call, route, head, body),
            Route::Cloud(route) => cloud::answer(self, call, route, body),
            Route::Info(route) => info::answer(self, call, route),
            Route::OpenApi(route) => openapi::answer(self, route, head),
            Route::Page(route) => page::answer(self, route, head),
        }
    }

    /// 405, with the methods that the route takes; `OPTIONS` asks for nothing else.
    fn not_allowed<'s>(&self, head: &Head<'_>, methods: &[Method]) -> Reply<'s> {
        let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
        let allow = names.join(", ");
        if head.method == Method::Options {
            return Reply::empty(204).with("Allow", allow);
        }
        let problem = Problem::refused(405, "method_not_allowed", "Method Not Allowed");
        self.error(head.path, &problem).with("Allow", allow)
    }

    /// A problem in the shape of the dialect that `path` belongs to.
    fn error(&self, path: &str, problem: &Problem) -> Reply<'static> {
        match self.cloud.find(path) {
            Some(_) => cloud::error(problem),
            None => routes::error(path, problem),
        }
    }
}

impl Service for App {
    fn answer<'s>(&'s self, head: &Head<'_>, body: &mut dyn Body) -> Reply<'s> {
        let mut call = Call::new(self.timeout);
        // A fault of ours must not end the connections of others; nothing is shared that a panic
        // could leave half-done but locks, which are taken over.
        let answered = catch_unwind(AssertUnwindSafe(|| self.route(&mut call, head, body)));
        // What is posted to a model asks it for predictions, in every dialect.
        if let Some(hosted) = call.model.as_ref().filter(|_| head.method == Method::Post) {
            hosted.counters.add(&call, matches!(answered, Ok(Ok(_))));
        }
        match answered {
            Ok(Ok(reply)) => reply,
            Ok(Err(problem)) => {
                let reply = self.error(head.path, &problem);
                match &problem {
                    Problem::Refused(Refusal {
                        retry_after_s: Some(seconds),
                        ..
                    }) => reply.with("Retry-After", seconds.to_string()),
                    _ => reply,
                }
            }
            Err(_) => {
                let problem = Problem::refused(500, "panic", "internal error");
                self.error(head.path, &problem)
            }
        }
    }

    fn refuse<'s>(&'s self, refusal: &Refusal) -> Reply<'s> {
        native::error(&Problem::Refused(refusal.clone()))
    }
}
