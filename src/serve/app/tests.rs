//! Who is let in, and what every reply carries.

use std::io::Cursor;

use super::*;
use crate::serve::log::Form;
use crate::serve::message::{Content, Header};
use crate::serve::tests::{Shared, app, ask, hosting};

const IRIS: &str = "[[5.1,3.5,1.4,0.2]]";

/// Status, fields and text of a reply.
struct Answer {
    status: u16,
    fields: Vec<(&'static str, String)>,
    text: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        field.map(|(_, value)| value.as_str())
    }
}

fn asked(app: &App, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<Header<'_>> = headers
        .iter()
        .map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    let head = Head {
        method,
        path,
        query: "",
        headers: &headers,
    };
    let mut body = Cursor::new(IRIS.as_bytes().to_vec());
    answer(app.answer(&head, &mut body))
}

fn answer(reply: Reply<'_>) -> Answer {
    let fields = reply.headers.into_iter();
    let text = match reply.content {
        Content::Whole(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Content::Stream(_) => String::new(),
    };
    Answer {
        status: reply.status,
        fields: fields
            .map(|(name, value)| (name, value.into_owned()))
            .collect(),
        text,
    }
}

/// An app with a token and one origin.
fn guarded() -> App {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "alpha\n").expect("a token");
    app("iris.onnx", &hosting()).operated(Operation {
        auth: Auth::new(Some(file.path())).expect("a token"),
        cors: Cors::new(&["https://a.example".to_owned()]).expect("an origin"),
        ..Operation::default()
    })
}

#[test]
fn one_check_stands_before_all_routes_but_health() {
    let app = guarded();
    let token = ("Authorization", "Bearer alpha");
    for (method, path, headers, status) in [
        (Method::Post, "/predict", &[][..], 401),
        (Method::Post, "/predict", &[("X-API-Key", "beta")], 401),
        (Method::Post, "/predict", &[token], 200),
        (Method::Post, "/predict", &[("x-api-key", "alpha")], 200),
        (Method::Get, "/metrics", &[], 401),
        (Method::Get, "/metrics", &[token], 200),
        // Whether a path is there is nobody's business either.
        (Method::Get, "/nothing", &[], 401),
        (Method::Get, "/nothing", &[token], 404),
        (Method::Get, "/healthz", &[], 200),
        (Method::Get, "/livez", &[], 200),
        (Method::Get, "/readyz", &[], 200),
        (Method::Get, "/healthz/", &[], 401),
    ] {
        let answer = asked(&app, method, path, headers);
        assert_eq!(answer.status, status, "{path} {headers:?}");
        let challenge = answer.field("WWW-Authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{path} {headers:?}");
    }
    let refused = asked(&app, Method::Post, "/predict", &[]);
    assert_eq!(
        (refused.text.as_str(), refused.field("WWW-Authenticate")),
        (
            r#"{"error":"a token is required","detail":"a token is required"}"#,
            Some("Bearer realm=\"mlserve\"")
        )
    );
    let wrong = asked(&app, Method::Post, "/predict", &[("X-API-Key", "beta")]);
    assert_eq!(
        wrong.field("WWW-Authenticate"),
        Some("Bearer realm=\"mlserve\", error=\"invalid_token\"")
    );
}

#[test]
fn a_preflight_needs_no_token_and_a_refusal_can_be_read() {
    let app = guarded();
    let origin = ("Origin", "https://a.example");
    let asks = ("Access-Control-Request-Method", "POST");
    let preflight = asked(&app, Method::Options, "/predict", &[origin, asks]);
    let allowed = "Access-Control-Allow-Origin";
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.field(allowed), Some("https://a.example"));
    let refused = asked(&app, Method::Post, "/predict", &[origin]);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.field(allowed), Some("https://a.example"));
    let elsewhere = ("Origin", "https://b.example");
    let preflight = asked(&app, Method::Options, "/predict", &[elsewhere, asks]);
    assert_eq!((preflight.status, preflight.field(allowed)), (401, None));
}

#[test]
fn every_reply_has_an_id() {
    let app = app("iris.onnx", &hosting());
    let id = "X-Request-Id";
    for (given, is_taken) in [("abc-1", true), ("two words", false), ("", false)] {
        for path in ["/predict", "/nothing", "/healthz"] {
            let answer = asked(&app, Method::Post, path, &[("x-request-id", given)]);
            let found = answer.field(id).unwrap_or_default().to_owned();
            assert_eq!(found == given, is_taken, "{given} {path}: {found}");
            assert!(!found.is_empty());
            assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
        }
    }
    let refusal = Refusal::new(431, "head_too_large", "the head is too large");
    let answer = answer(app.refuse(&refusal, None));
    assert_eq!(answer.status, 431);
    assert!(answer.field(id).is_some());
}

/// A body whose client was answered by the clock.
struct Late;

impl Body for Late {
    fn whole(&mut self) -> Result<&[u8], Refusal> {
        Ok(IRIS.as_bytes())
    }

    fn read(&mut self, _: &mut [u8]) -> Result<usize, Refusal> {
        Ok(0)
    }

    fn is_answered(&self) -> bool {
        true
    }
}

#[test]
fn what_takes_too_long_is_answered_in_its_dialect_and_counted_once() {
    let app = app("iris.onnx", &hosting());
    let refusal = Refusal::new(504, "timeout", "too long");
    for (path, start) in [
        ("/predict", r#"{"error":"too long","detail":"too long"}"#),
        ("/v2/models/iris/infer", r#"{"error":"too long"}"#),
        ("/v1/models/iris:predict", r#"{"error":"too long"}"#),
        ("/invocations", r#"{"error_code":""#),
    ] {
        let asked = Asked {
            method: Method::Post,
            path,
            waited: Duration::from_secs(60),
        };
        let answer = answer(app.refuse(&refusal, Some(&asked)));
        assert_eq!(answer.status, 504, "{path}");
        assert!(answer.text.starts_with(start), "{path}: {}", answer.text);
        let headers = [];
        let head = Head {
            method: Method::Post,
            path: "/predict",
            query: "",
            headers: &headers,
        };
        let _ = app.answer(&head, &mut Late);
    }
    let text = asked(&app, Method::Get, "/metrics", &[]).text;
    for line in [
        "mlserve_requests_total{model=\"\",version=\"\",route=\"/v2/models/{model}/infer\",status=\"504\"} 1",
        "mlserve_requests_total{model=\"\",version=\"\",route=\"/predict\",status=\"504\"} 1",
        "mlserve_rejected_total{reason=\"timeout\"} 4",
        "nv_inference_request_failure{model=\"iris\",version=\"1\",reason=\"REJECTED\"} 4",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("status=\"200\""), "{text}");
}

#[test]
fn a_stream_is_told_of_when_it_is_over() {
    let app = app("iris.onnx", &hosting());
    let headers = [];
    let head = Head {
        method: Method::Post,
        path: "/predict",
        query: "",
        headers: &headers,
    };
    let streamed = || {
        let mut call = Call::new(None);
        call.route = "/predict";
        let counted = call.stream();
        let reply = Reply {
            status: 200,
            headers: Vec::new(),
            content: Content::Stream(Box::new(move |_, out| {
                if let Ok(mut call) = counted.lock() {
                    call.note(&Problem::refused(500, "broke_off", "it broke off"));
                }
                out.write_all(b"line\n")
            })),
        };
        Observed::new(&app, &head).close(&head, call, reply)
    };
    let told = || {
        let text = asked(&app, Method::Get, "/metrics", &[]).text;
        let count = |series: &str| {
            let line = text.lines().find(|line| line.starts_with(series));
            line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
                .unwrap_or(0)
        };
        let requests = count("mlserve_requests_total{model=\"\",version=\"\",route=\"/predict\"");
        let broken = count("mlserve_rejected_total{reason=\"broke_off\"}");
        // The request for the metrics is in flight itself.
        (requests, broken, count("mlserve_requests_in_flight ") - 1)
    };
    let reply = streamed();
    assert_eq!(told(), (0, 0, 1));
    let Content::Stream(write) = reply.content else {
        return;
    };
    let mut out = Vec::new();
    assert!(write(&mut Cursor::new(Vec::new()), &mut out).is_ok());
    assert_eq!((out.as_slice(), told()), (&b"line\n"[..], (1, 1, 0)));
    // A stream that nobody writes, for the client has left.
    drop(streamed());
    assert_eq!(told(), (2, 1, 0));
}

#[test]
fn a_line_says_what_was_asked_and_what_came_of_it() {
    let lines = Shared::default();
    let app = app("iris.onnx", &hosting()).operated(Operation {
        log: Log::to(Form::Json, lines.clone()).expect("a log"),
        ..Operation::default()
    });
    let trace = (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    let headers = [trace, ("X-Request-Id", "abc")];
    let ask = |target, body: &str| ask(&app, Method::Post, target, &headers, body.as_bytes());
    ask("/predict?top=1&secret=x", IRIS);
    let (_, invalid) = ask("/predict", "[[1,2,3,\"x\"]]");
    let invalid: serde_json::Value = serde_json::from_str(&invalid).expect("JSON");
    ask("/nothing", "");
    let refusal = Refusal::new(431, "head_too_large", "the head is too large");
    let _ = app.refuse(&refusal, None);
    drop(app);
    let text = lines.text();
    assert!(!text.contains("secret"), "{text}");
    let told = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let keys = [
            "id", "method", "path", "model", "records", "status", "trace_id", "reason", "error",
        ];
        keys.map(|key| line[key].to_string()).join(" ")
    };
    let told: Vec<String> = text.lines().map(told).collect();
    let trace = r#""0af7651916cd43dd8448eb211c80319c""#;
    let post = |rest: &str| format!("\"abc\" \"POST\" {}", rest.replace("TRACE", trace));
    assert_eq!(
        told.get(..3).unwrap_or_default(),
        [
            post(r#""/predict" "iris" 1 200 TRACE null null"#),
            // The fault as the client is told of it.
            post(r#""/predict" "iris" 0 422 TRACE "invalid" "#) + &invalid["error"].to_string(),
            post(r#""/nothing" null 0 404 TRACE "not_found" "Not Found""#),
        ]
    );
    let refused = r#""-" "-" null 0 431 null "head_too_large" "the head is too large""#;
    assert!(
        told.last().is_some_and(|last| last.ends_with(refused)),
        "{told:?}"
    );
}
