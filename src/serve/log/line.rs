//! One request as a line of text or JSON.
//!
//! Nothing that a client sends can end the line, forge another or drive the terminal that shows it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::batch::write::json_string;
use crate::error::escape_controls;

use crate::serve::registry::keeper::Event;

use super::{Form, stamp};

/// Characters of a path or a fault that are shown.
const LONGEST: usize = 500;
/// Paths that are asked all the time.
const QUIET: [&str; 1] = ["/metrics"];

/// What is told of a request; what is empty is left out.
#[derive(Debug, Default)]
pub struct Line<'l> {
    pub id: &'l str,
    pub method: &'l str,
    /// Without the query, which may hold data.
    pub path: &'l str,
    pub model: &'l str,
    pub version: &'l str,
    pub records: usize,
    pub status: u16,
    /// Of the answer, before it is compressed.
    pub bytes: usize,
    pub queued: Duration,
    pub inference: Duration,
    pub total: Duration,
    pub trace: &'l str,
    /// Why it was not answered as asked, and the first fault.
    pub reason: &'l str,
    pub fault: &'l str,
}

/// Appends the line of what happened to a model, with its end.
pub(super) fn event(event: &Event, form: Form, now: SystemTime, out: &mut Vec<u8>) {
    match form {
        Form::Text => {
            stamp::push(out, now);
            out.push(b' ');
            out.extend_from_slice(event.text().as_bytes());
        }
        Form::Json => {
            out.extend_from_slice(b"{\"time\":\"");
            stamp::push(out, now);
            out.push(b'"');
            for (name, value) in [
                ("event", event.what.word()),
                ("model", &event.model),
                ("version", &event.version),
                ("message", &event.message),
            ] {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                json_string(out, &escape_controls(value));
            }
            out.push(b'}');
        }
    }
    out.push(b'\n');
}

impl Line<'_> {
    /// Whether nobody would read it.
    pub(super) fn is_quiet(&self) -> bool {
        let is_asked_often = QUIET.contains(&self.path) || super::super::auth::is_health(self.path);
        self.status < 400 && is_asked_often
    }

    /// Appends the line, with its end.
    pub(super) fn write(&self, form: Form, now: SystemTime, out: &mut Vec<u8>) {
        match form {
            Form::Text => self.text(now, out),
            Form::Json => self.json(now, out),
        }
    }

    /// `2026-11-25T08:24:51.042Z 200 POST /predict iris/1 records=1 bytes=120 infer=0.011ms ...`
    fn text(&self, now: SystemTime, out: &mut Vec<u8>) {
        stamp::push(out, now);
        out.push(b' ');
        number(out, u64::from(self.status));
        for word in [self.method, self.path] {
            out.push(b' ');
            out.extend_from_slice(shown(word).as_bytes());
        }
        if !self.model.is_empty() {
            for part in [" ", self.model, "/", self.version, " records="] {
                out.extend_from_slice(part.as_bytes());
            }
            number(out, self.records as u64);
        }
        out.extend_from_slice(b" bytes=");
        number(out, self.bytes as u64);
        for (name, time) in self.times() {
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            milliseconds(out, time);
            out.extend_from_slice(b"ms");
        }
        for (name, value) in [(" id=", self.id), (" trace=", self.trace)] {
            if !value.is_empty() {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(value.as_bytes());
            }
        }
        if !self.reason.is_empty() {
            for part in [" ", self.reason, ": ", &shown(self.fault)] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.push(b'\n');
    }

    fn json(&self, now: SystemTime, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        stamp::push(out, now);
        out.push(b'"');
        let mut member = |name: &str, value: &str| {
            if !value.is_empty() {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                json_string(out, &shown(value));
            }
        };
        member("id", self.id);
        member("method", self.method);
        member("path", self.path);
        member("model", self.model);
        member("version", self.version);
        member("trace_id", self.trace);
        member("reason", self.reason);
        member("error", self.fault);
        let counts = [
            (",\"records\":", self.records as u64),
            (",\"status\":", u64::from(self.status)),
            (",\"bytes\":", self.bytes as u64),
        ];
        for (name, value) in counts {
            out.extend_from_slice(name.as_bytes());
            number(out, value);
        }
        for (name, time) in self.times() {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"_ms\":");
            milliseconds(out, time);
        }
        out.extend_from_slice(b"}\n");
    }

    fn times(&self) -> [(&'static str, Duration); 3] {
        [
            ("queue", self.queued),
            ("infer", self.inference),
            ("total", self.total),
        ]
    }
}

/// `text` without control characters, and not longer than anybody reads.
fn shown(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    if text.len() <= LONGEST && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(LONGEST) {
        None => Cow::Owned(escape_controls(text)),
        Some((end, _)) => {
            let start = text.get(..end).unwrap_or_default();
            Cow::Owned(escape_controls(start) + "…")
        }
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `1.234`: whole microseconds.
fn milliseconds(out: &mut Vec<u8>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    number(out, micros / 1000);
    let rest = micros % 1000;
    // Digits are below 10.
    let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
    out.push(b'.');
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn written(line: &Line<'_>, form: Form) -> String {
        let mut out = Vec::new();
        line.write(
            form,
            UNIX_EPOCH + Duration::from_millis(1_709_210_096_789),
            &mut out,
        );
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_request_is_one_line() {
        let scored = Line {
            id: "4f2a",
            method: "POST",
            path: "/predict",
            model: "iris",
            version: "1",
            records: 3,
            status: 200,
            bytes: 120,
            inference: Duration::from_micros(11),
            total: Duration::from_nanos(1_234_567),
            trace: "0af7651916cd43dd8448eb211c80319c",
            ..Line::default()
        };
        assert_eq!(
            written(&scored, Form::Text),
            "2024-02-29T12:34:56.789Z 200 POST /predict iris/1 records=3 bytes=120 queue=0.000ms \
             infer=0.011ms total=1.234ms id=4f2a trace=0af7651916cd43dd8448eb211c80319c\n"
        );
        assert_eq!(
            written(&scored, Form::Json),
            "{\"time\":\"2024-02-29T12:34:56.789Z\",\"id\":\"4f2a\",\"method\":\"POST\",\
             \"path\":\"/predict\",\"model\":\"iris\",\"version\":\"1\",\
             \"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"records\":3,\"status\":200,\
             \"bytes\":120,\"queue_ms\":0.000,\"infer_ms\":0.011,\"total_ms\":1.234}\n"
        );
    }

    #[test]
    fn a_refusal_says_why_and_cannot_forge_a_line() {
        let refused = Line {
            method: "GET",
            path: "/a\u{1b}[2J\n\u{202e}\u{9b}x",
            status: 422,
            reason: "invalid",
            fault: "age: expected a number, found \"x\ny\"",
            ..Line::default()
        };
        assert_eq!(
            written(&refused, Form::Text),
            "2024-02-29T12:34:56.789Z 422 GET /a\\x1b[2J\\n\\u{202e}\\u{9b}x bytes=0 queue=0.000ms \
             infer=0.000ms total=0.000ms invalid: age: expected a number, found \"x\\ny\"\n"
        );
        let json = written(&refused, Form::Json);
        assert!(json.is_ascii() && json.lines().count() == 1, "{json}");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["error"], "age: expected a number, found \"x\\ny\"");
    }

    #[test]
    fn long_texts_are_cut() {
        let path = "/".repeat(100_000);
        let line = Line {
            path: &path,
            ..Line::default()
        };
        assert!(written(&line, Form::Text).len() < 700);
    }
}
