//! Pages and their files, with the fields that browsers go by.

use std::io::Cursor;

use crate::serve::app::App;
use crate::serve::message::{Content, Head, Header, Method, Reply, Service};
use crate::serve::openapi::tests::{HOSTILE, named};
use crate::serve::tests::{app, ask, hosting};

fn get<'s>(app: &'s App, path: &str, fields: &[(&str, &str)]) -> Reply<'s> {
    let headers: Vec<Header<'_>> = fields
        .iter()
        .map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    let head = Head {
        method: Method::Get,
        path,
        query: "",
        headers: &headers,
    };
    app.answer(&head, &mut Cursor::new(Vec::new()))
}

fn field<'r>(reply: &'r Reply<'_>, name: &str) -> Option<&'r str> {
    let mut fields = reply.headers.iter();
    let found = fields.find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_ref())
}

fn bytes<'r>(reply: &'r Reply<'_>) -> &'r [u8] {
    match &reply.content {
        Content::Whole(bytes) => bytes,
        Content::Stream(_) => &[],
    }
}

#[test]
fn files_go_out_packed_to_those_who_take_gzip_and_plain_to_others() {
    let app = app("iris.onnx", &hosting());
    for (path, content_type, start, size) in [
        (
            "/assets/swagger-ui-bundle.js",
            "text/javascript; charset=utf-8",
            "/*! For license information",
            1_732_839,
        ),
        (
            "/assets/swagger-ui.css",
            "text/css; charset=utf-8",
            ".swagger-ui{",
            187_956,
        ),
        (
            "/assets/redoc.standalone.js",
            "text/javascript; charset=utf-8",
            "/*! For license information",
            1_103_471,
        ),
    ] {
        let packed = get(&app, path, &[("Accept-Encoding", "gzip, br")]);
        assert_eq!(field(&packed, "Content-Encoding"), Some("gzip"), "{path}");
        assert_eq!(field(&packed, "Content-Type"), Some(content_type), "{path}");
        assert_eq!(bytes(&packed).get(..2), Some(&[0x1f, 0x8b][..]), "{path}");
        let plain = get(&app, path, &[]);
        assert_eq!(field(&plain, "Content-Encoding"), None, "{path}");
        assert_eq!(bytes(&plain).len(), size, "{path}");
        assert!(bytes(&plain).starts_with(start.as_bytes()), "{path}");
        assert_eq!(field(&packed, "ETag"), field(&plain, "ETag"), "{path}");
    }
    assert_eq!(get(&app, "/assets/../mod.rs", &[]).status, 404);
    assert_eq!(get(&app, "/assets/docs.html", &[]).status, 404);
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let app = app("iris.onnx", &hosting());
    for path in ["/", "/docs", "/redoc", "/openapi.json", "/assets/home.js"] {
        let first = get(&app, path, &[]);
        let etag = field(&first, "ETag").unwrap_or_default().to_owned();
        assert_eq!((first.status, etag.len()), (200, 28), "{path} {etag}");
        let again = get(&app, path, &[("If-None-Match", &format!("\"x\", {etag}"))]);
        assert_eq!((again.status, bytes(&again).len()), (304, 0), "{path}");
        assert_eq!(field(&again, "ETag"), Some(etag.as_str()), "{path}");
        assert_eq!(get(&app, path, &[("If-None-Match", "\"x\"")]).status, 200);
    }
}

#[test]
fn pages_may_load_nothing_but_what_is_here() {
    let app = app("iris.onnx", &hosting());
    for path in ["/", "/docs", "/redoc"] {
        let page = get(&app, path, &[]);
        let policy = field(&page, "Content-Security-Policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(
            !policy.contains("http") && !policy.contains("unsafe-eval"),
            "{policy}"
        );
        assert_eq!(path == "/", !policy.contains("unsafe-inline"), "{policy}");
        let text = String::from_utf8_lossy(bytes(&page)).into_owned();
        for attribute in ["src=\"", "href=\""] {
            for link in text.split(attribute).skip(1) {
                let link = link.split('"').next().unwrap_or_default();
                let is_here = !link.contains("//") && !link.starts_with('/');
                assert!(is_here, "{path}: {link}");
                if let Some(asset) = link.strip_prefix("assets/") {
                    let name = asset.split('?').next().unwrap_or_default();
                    assert_eq!(get(&app, &format!("/assets/{name}"), &[]).status, 200);
                }
            }
        }
    }
    let moved = get(&app, "/docs/", &[]);
    assert_eq!(
        (moved.status, field(&moved, "Location")),
        (308, Some("../docs"))
    );
}

#[test]
fn names_are_text_whatever_they_say() {
    let app = named(&[
        (HOSTILE, "models/titanic.onnx"),
        ("x\" onload=\"y", "tests/corpus/features_json.onnx"),
    ]);
    let (status, page) = ask(&app, Method::Get, "/", &[], b"");
    assert_eq!(status, 200);
    for wrong in ["</script><b>", "<b>", "\" onload", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(wrong), "{wrong:?}");
    }
    for right in [
        "a&lt;/script&gt;&lt;b&gt;&quot;&#39;&amp;{x}/\\x1b[2J\\u{202e}%2f",
        "data-path=\"models/a%3C%2Fscript%3E%3Cb%3E%22%27%26%7Bx%7D%2F%1B%5B2J%E2%80%AE%252f/predict\"",
        "<th scope=\"row\">a&quot;b</th>",
    ] {
        assert!(page.contains(right), "{right}");
    }
    assert_eq!(page.matches("<script").count(), 1);
}
