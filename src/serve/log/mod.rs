//! One line for each request, on standard error: what was asked, what came of it, what it took.
//!
//! ```text
//! request over -> line (text | JSON) -> sink: memory, bounded -> its own thread -> standard error
//! ```
//!
//! A terminal that is slow or gone costs lines, never a request.

pub mod line;
mod sink;
pub(in crate::serve) mod stamp;
pub mod trace;

use std::cell::RefCell;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};

use super::registry::keeper::Event;
use line::Line;
use sink::Sink;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

/// Where requests are told of; nowhere by default.
#[derive(Default)]
pub struct Log(Option<(Form, Sink)>);

thread_local! {
    /// A thread's line in the making: its memory is used again and again.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Log {
    /// Lines of `form` on standard error.
    ///
    /// # Errors
    /// [`Error::Io`] where no thread can be started.
    pub fn new(form: Form) -> Result<Log> {
        Log::to(form, io::stderr())
    }

    /// Lines of `form` into `target`.
    pub(in crate::serve) fn to(form: Form, target: impl Write + Send + 'static) -> Result<Log> {
        let sink = Sink::new(target).map_err(|source| Error::io("the log", &source))?;
        Ok(Log(Some((form, sink))))
    }

    /// Whether lines are written at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line, unless it is of a path that is asked all the time and all is well.
    pub fn tell(&self, line: &Line<'_>) {
        let Some((form, sink)) = &self.0 else { return };
        if line.is_quiet() {
            return;
        }
        LINE.with_borrow_mut(|out| {
            out.clear();
            line.write(*form, SystemTime::now(), out);
            sink.push(out);
        });
    }

    /// Tells of what happened to a model, with the log's own form; whether there is a log.
    pub fn note(&self, event: &Event) -> bool {
        let Some((form, sink)) = &self.0 else {
            return false;
        };
        LINE.with_borrow_mut(|out| {
            out.clear();
            line::event(event, *form, SystemTime::now(), out);
            sink.push(out);
        });
        true
    }

    /// Waits until all lines are written, but no longer than `most`.
    pub fn flush(&self, most: Duration) {
        if let Some((_, sink)) = &self.0 {
            sink.flush(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::message::Method;
    use crate::serve::tests::Shared;

    #[test]
    fn paths_that_are_asked_all_the_time_are_told_of_only_when_they_fail() {
        let lines = Shared::default();
        let log = Log::to(Form::Text, lines.clone()).expect("a log");
        for (path, status) in [
            ("/healthz", 200),
            ("/metrics", 200),
            ("/v2/health/ready", 200),
            ("/readyz", 503),
            ("/predict", 200),
        ] {
            log.tell(&Line {
                method: Method::Get.name(),
                path,
                status,
                ..Line::default()
            });
        }
        drop(log);
        let text = lines.text();
        let told: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3))
            .collect();
        assert_eq!(told, ["/readyz", "/predict"]);
    }
}
