//! What is counted of requests that are answered without a socket.

use super::*;
use crate::serve::tests::{app, ask, hosting, post};

const IRIS: &str = "[[5.1,3.5,1.4,0.2],[6.2,2.9,4.3,1.3]]";

/// The value of a series as the text has it.
fn value<'t>(text: &'t str, series: &str) -> Option<&'t str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

fn scraped(app: &App) -> String {
    let (status, text) = ask(app, Method::Get, "/metrics", &[], b"");
    assert_eq!(status, 200);
    text
}

#[test]
fn requests_are_counted_by_model_route_and_status() {
    let app = app("iris.onnx", &hosting());
    for _ in 0..3 {
        assert_eq!(post(&app, "/predict", IRIS).0, 200);
    }
    assert_eq!(post(&app, "/predict", "[[1]]").0, 422);
    assert_eq!(post(&app, "/models/other/predict", IRIS).0, 404);
    assert_eq!(post(&app, "/no/such/path", IRIS).0, 404);
    assert_eq!(ask(&app, Method::Get, "/predict", &[], b"").0, 405);
    assert_eq!(ask(&app, Method::Get, "/models/iris", &[], b"").0, 200);
    app.metrics.gauges.connections.store(7, Ordering::Relaxed);
    let text = scraped(&app);
    let of = "model=\"iris\",version=\"1\"";
    let rejected = |reason: &str| format!("mlserve_rejected_total{{reason=\"{reason}\"}}");
    let by_route = |model: &str, route: &str, status: u16| {
        let (model, version) = (model, if model.is_empty() { "" } else { "1" });
        format!(
            "mlserve_requests_total{{model=\"{model}\",version=\"{version}\",route=\"{route}\",status=\"{status}\"}}"
        )
    };
    for (series, expected) in [
        (by_route("iris", "/predict", 200), "3"),
        (by_route("iris", "/predict", 422), "1"),
        (by_route("iris", "/models/{model}", 200), "1"),
        (by_route("", "/models/{model}/predict", 404), "1"),
        (by_route("", "other", 404), "1"),
        (by_route("", "/predict", 405), "1"),
        (rejected("invalid"), "1"),
        (rejected("unknown_model"), "1"),
        (rejected("not_found"), "1"),
        (rejected("method_not_allowed"), "1"),
        (format!("mlserve_records_total{{{of}}}"), "6"),
        (format!("mlserve_batch_records_sum{{{of}}}"), "6"),
        (format!("mlserve_batch_records_count{{{of}}}"), "3"),
        (
            format!("mlserve_batch_records_bucket{{{of},le=\"1\"}}"),
            "0",
        ),
        (
            format!("mlserve_batch_records_bucket{{{of},le=\"2\"}}"),
            "3",
        ),
        (format!("mlserve_queue_duration_seconds_count{{{of}}}"), "3"),
        (
            format!("mlserve_inference_duration_seconds_count{{{of}}}"),
            "3",
        ),
        (format!("nv_inference_request_success{{{of}}}"), "3"),
        (format!("nv_inference_count{{{of}}}"), "6"),
        (format!("nv_inference_exec_count{{{of}}}"), "3"),
        (format!("nv_inference_queue_duration_us{{{of}}}"), "0"),
        (
            "nv_inference_request_failure{model=\"iris\",version=\"1\",reason=\"OTHER\"}"
                .to_owned(),
            "1",
        ),
        (
            "nv_inference_request_failure{model=\"iris\",version=\"1\",reason=\"BACKEND\"}"
                .to_owned(),
            "0",
        ),
        ("mlserve_requests_in_flight".to_owned(), "1"),
        ("mlserve_connections".to_owned(), "7"),
    ] {
        assert_eq!(value(&text, &series), Some(expected), "{series}\n{text}");
    }
    assert!(
        !text.contains("no/such") && !text.contains("model=\"other\""),
        "{text}"
    );
}

#[test]
fn the_process_is_measured_where_the_system_says_what_it_costs() {
    let text = scraped(&app("iris.onnx", &hosting()));
    let number = |series| value(&text, series).and_then(|value| value.parse::<f64>().ok());
    assert!(number("process_start_time_seconds") > Some(1.7e9), "{text}");
    if cfg!(target_os = "linux") {
        for (series, least) in [
            ("process_resident_memory_bytes", 1e6),
            ("process_virtual_memory_bytes", 1e6),
            ("process_open_fds", 3.0),
            ("process_max_fds", 10.0),
            ("process_threads", 1.0),
            ("process_cpu_seconds_total", 0.0),
        ] {
            assert!(number(series) >= Some(least), "{series}: {text}");
        }
    }
}

#[test]
fn what_clients_invent_makes_no_series() {
    let app = app("iris.onnx", &hosting());
    post(&app, "/predict", IRIS);
    let lines = |app: &App| scraped(app).lines().count();
    let invent = |index: usize| {
        for path in [
            "/x/PATH",
            "/models/PATH/predict",
            "/models/iris/versions/PATH/predict",
        ] {
            let path = path.replace("PATH", &format!("n{index}"));
            assert_eq!(post(&app, &path, IRIS).0, 404);
        }
    };
    invent(0);
    let _ = scraped(&app);
    let before = lines(&app);
    (1..200).for_each(invent);
    assert_eq!(lines(&app), before);
}
