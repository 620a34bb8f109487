//! One request as it is told of: known by its id from the start, counted and logged when it is over.
//!
//! A reply in memory is over when it is made; a stream when it has been written, or given up.

use std::io::{self, Write};
use std::sync::PoisonError;
use std::time::Duration;

use super::app::App;
use super::call::Call;
use super::log::line::Line;
use super::log::trace::{TraceId, new_id, request_id};
use super::message::{Asked, Body, Content, Head, Method, Refusal, Reply, Stream};
use super::metrics::InFlight;

/// A request that is being answered.
pub struct Observed<'s> {
    app: &'s App,
    id: String,
    trace: Option<TraceId>,
    /// Counts it as worked on for as long as it is here.
    _in_flight: InFlight<'s>,
}

impl<'s> Observed<'s> {
    /// A request that has just arrived.
    pub fn new(app: &'s App, head: &Head<'_>) -> Observed<'s> {
        Observed {
            app,
            id: request_id(head),
            trace: app.log.is_on().then(|| TraceId::of(head)).flatten(),
            _in_flight: app.metrics.enter(),
        }
    }

    /// What it is called in logs and in its reply.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Tells of it, now or when its stream is over, and gives the reply its id.
    pub fn close(self, head: &Head<'_>, call: Call, reply: Reply<'s>) -> Reply<'s> {
        let Reply {
            status,
            headers,
            content,
        } = reply;
        match content {
            Content::Whole(bytes) => {
                self.tell(head.method, head.path, &call, (status, bytes.len()));
                let reply = Reply {
                    status,
                    headers,
                    content: Content::Whole(bytes),
                };
                reply.with("X-Request-Id", self.id)
            }
            Content::Stream(write) => {
                let id = self.id.clone();
                let mut streamed = Streamed {
                    observed: self,
                    method: head.method,
                    path: head.path.to_owned(),
                    call,
                    status,
                    bytes: 0,
                };
                let write = Box::new(move |body: &mut dyn Body, out: &mut dyn Write| {
                    streamed.write(write, body, out)
                });
                let reply = Reply {
                    status,
                    headers,
                    content: Content::Stream(write),
                };
                reply.with("X-Request-Id", id)
            }
        }
    }

    /// Counts with its model what the client was told of already, as too late.
    pub fn too_late(self, method: Method, call: &Call, reply: Reply<'s>) -> Reply<'s> {
        self.app.metrics.too_late(call, method);
        reply
    }

    fn tell(&self, method: Method, path: &str, call: &Call, (status, bytes): (u16, usize)) {
        let total = call.started.elapsed();
        self.app.metrics.observe(call, method, status, total);
        let hosted = call.model.as_deref();
        self.app.log.tell(&Line {
            id: &self.id,
            method: method.name(),
            path,
            model: hosted.map_or("", |hosted| &hosted.name),
            version: hosted.map_or("", |hosted| &hosted.version),
            records: call.records,
            status,
            bytes,
            queued: call.queued,
            inference: call.inference,
            total,
            trace: self.trace.as_ref().map_or("", TraceId::as_str),
            reason: call.reason,
            fault: &call.fault,
        });
    }
}

/// Tells of what was not answered here, and gives the reply an id.
pub fn refused<'s>(
    app: &App,
    (refusal, asked): (&Refusal, Option<&Asked<'_>>),
    reply: Reply<'s>,
) -> Reply<'s> {
    let id = new_id();
    let waited = asked.map_or(Duration::ZERO, |asked| asked.waited);
    let route = asked.map_or("", |asked| app.template(asked.path));
    app.metrics
        .refused(route, reply.status, refusal.reason, waited);
    app.log.tell(&Line {
        id: &id,
        method: asked.map_or("-", |asked| asked.method.name()),
        path: asked.map_or("-", |asked| asked.path),
        status: reply.status,
        bytes: reply.bytes().unwrap_or_default(),
        total: waited,
        reason: refusal.reason,
        fault: &refusal.message,
        ..Line::default()
    });
    reply.with("X-Request-Id", id)
}

/// A request whose answer is a stream; told of when it is dropped, however that comes about.
struct Streamed<'s> {
    observed: Observed<'s>,
    method: Method,
    path: String,
    call: Call,
    status: u16,
    bytes: usize,
}

impl Streamed<'_> {
    fn write(
        &mut self,
        stream: Stream<'_>,
        body: &mut dyn Body,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let bytes = &mut self.bytes;
        stream(body, &mut Counted { out, bytes })
    }
}

impl Drop for Streamed<'_> {
    fn drop(&mut self) {
        let told = (self.status, self.bytes);
        let tell = |call: &Call| self.observed.tell(self.method, &self.path, call, told);
        match self.call.streamed() {
            Some(call) => tell(&call.lock().unwrap_or_else(PoisonError::into_inner)),
            None => tell(&self.call),
        }
    }
}

/// A writer that counts.
struct Counted<'w> {
    out: &'w mut dyn Write,
    bytes: &'w mut usize,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        *self.bytes += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
