//! The metrics by name, and for each model the handles on its own, so that a request looks nothing up.
//!
//! Counting a request takes atomic additions and no lock.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use crate::serve::call::Call;
use crate::serve::message::Method;

/// Bounds of the time that a request takes, in seconds.
const REQUEST_S: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];
/// Bounds of the time that a run of a model takes or waits, in seconds.
const RUN_S: [f64; 18] = [
    0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Bounds of the records of a run.
const RECORDS: [f64; 14] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0,
];
/// Triton's words for why an inference failed.
const FAILURES: [&str; 4] = ["REJECTED", "CANCELED", "BACKEND", "OTHER"];

const MODEL: &[&str] = &["model", "version"];

/// What cannot fail: names and labels are literals, each registered once, as the tests show.
#[expect(
    clippy::expect_used,
    reason = "only a wrong literal can fail, and then every start and every test does"
)]
fn known<T>(made: prometheus::Result<T>) -> T {
    made.expect("names and labels of metrics are valid and unique")
}

/// All metrics that have labels, and the registry of these and the others.
pub struct Families {
    pub(super) registry: Registry,
    pub(super) rejected: IntCounterVec,
    pub(super) build: IntGaugeVec,
    requests: IntCounterVec,
    duration: HistogramVec,
    inference: HistogramVec,
    queue: HistogramVec,
    batch: HistogramVec,
    records: IntCounterVec,
    triton: Triton<IntCounterVec>,
}

/// Triton's counters of a model, by which dashboards and load generators know them.
struct Triton<C> {
    success: C,
    failure: C,
    count: C,
    exec_count: C,
    request_us: C,
    queue_us: C,
    input_us: C,
    infer_us: C,
    output_us: C,
}

impl Default for Families {
    fn default() -> Families {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let histograms = |name: &str, help: &str, labels: &[&str], bounds: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
            registered(&registry, HistogramVec::new(options, labels))
        };
        let triton =
            |name: &str, help: &str| counters(&format!("nv_inference_{name}"), help, MODEL);
        Families {
            requests: counters(
                "mlserve_requests_total",
                "Requests that were answered",
                &["model", "version", "route", "status"],
            ),
            duration: histograms(
                "mlserve_request_duration_seconds",
                "Time from a request's head to its answer",
                &["model", "version", "route"],
                &REQUEST_S,
            ),
            inference: histograms(
                "mlserve_inference_duration_seconds",
                "Time of one run of the model",
                MODEL,
                &RUN_S,
            ),
            queue: histograms(
                "mlserve_queue_duration_seconds",
                "Time that a request waited for the model",
                MODEL,
                &RUN_S,
            ),
            batch: histograms(
                "mlserve_batch_records",
                "Records of one run of the model",
                MODEL,
                &RECORDS,
            ),
            records: counters("mlserve_records_total", "Records that were scored", MODEL),
            rejected: counters(
                "mlserve_rejected_total",
                "Requests that were not answered as asked, by reason",
                &["reason"],
            ),
            build: registered(
                &registry,
                IntGaugeVec::new(
                    Opts::new("mlserve_build_info", "Versions of mlserve and ONNX Runtime"),
                    &["version", "runtime"],
                ),
            ),
            triton: Triton {
                success: triton("request_success", "Inference requests that succeeded"),
                failure: counters(
                    "nv_inference_request_failure",
                    "Inference requests that failed, by Triton's reasons",
                    &["model", "version", "reason"],
                ),
                count: triton("count", "Inferences, each record counts"),
                exec_count: triton("exec_count", "Runs of the model"),
                request_us: triton("request_duration_us", "Time of inference requests"),
                queue_us: triton("queue_duration_us", "Time of waiting for the model"),
                input_us: triton("compute_input_duration_us", "Time before the first run"),
                infer_us: triton("compute_infer_duration_us", "Time inside the model"),
                output_us: triton("compute_output_duration_us", "Time after the last run"),
            },
            registry,
        }
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    let collector = known(made);
    known(registry.register(Box::new(collector.clone())));
    collector
}

impl Families {
    /// A gauge of whole numbers without labels.
    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        registered(&self.registry, IntGauge::new(name, help))
    }

    /// A gauge without labels.
    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        registered(&self.registry, Gauge::new(name, help))
    }

    /// A counter without labels.
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        registered(&self.registry, IntCounter::new(name, help))
    }

    /// A counter of fractions without labels.
    pub(super) fn float_counter(&self, name: &str, help: &str) -> Counter {
        registered(&self.registry, Counter::new(name, help))
    }
}

/// The metrics of one model, or of the requests that are about none.
pub struct Series {
    families: Arc<Families>,
    model: String,
    version: String,
    /// By route and status.
    answers: Answers,
    runs: Option<Runs>,
}

/// What only a model has.
struct Runs {
    inference: Histogram,
    queue: Histogram,
    batch: Histogram,
    records: IntCounter,
    failures: [IntCounter; FAILURES.len()],
    triton: Triton<IntCounter>,
}

/// A list that only grows, by as many entries as there are routes and statuses: readers take no lock.
#[derive(Default)]
struct Answers(OnceLock<Box<Answer>>);

struct Answer {
    route: &'static str,
    status: u16,
    requests: IntCounter,
    duration: Histogram,
    next: Answers,
}

impl Series {
    /// The series of a model; without a name those of requests that are about none.
    pub(super) fn new(families: &Arc<Families>, model: &str, version: &str) -> Series {
        let labels = [model, version];
        Series {
            runs: (!model.is_empty()).then(|| Runs::new(families, labels)),
            families: Arc::clone(families),
            model: model.to_owned(),
            version: version.to_owned(),
            answers: Answers::default(),
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, route: &'static str, status: u16, total: Duration) {
        let mut answers = &self.answers;
        loop {
            let answer = answers
                .0
                .get_or_init(|| Box::new(self.answer(route, status)));
            if answer.status == status && answer.route == route {
                answer.requests.inc();
                answer.duration.observe(total.as_secs_f64());
                return;
            }
            answers = &answer.next;
        }
    }

    fn answer(&self, route: &'static str, status: u16) -> Answer {
        let (model, version) = (self.model.as_str(), self.version.as_str());
        let labels = [model, version, route];
        let status_text = status.to_string();
        let requests = [model, version, route, &status_text];
        Answer {
            route,
            status,
            requests: self.families.requests.with_label_values(&requests),
            duration: self.families.duration.with_label_values(&labels),
            next: Answers::default(),
        }
    }

    /// Counts one run of the model.
    pub fn ran(&self, took: Duration, records: usize) {
        let Some(runs) = &self.runs else { return };
        runs.inference.observe(took.as_secs_f64());
        runs.batch.observe(records as f64);
        runs.records.inc_by(records as u64);
        runs.triton.count.inc_by(records as u64);
        runs.triton.exec_count.inc();
        runs.triton.infer_us.inc_by(micros(took));
    }

    /// Counts an inference request; what is asked about a model is none.
    pub(super) fn inferred(&self, call: &Call, method: Method, status: u16, total: Duration) {
        let Some(runs) = &self.runs else { return };
        let has_run = call.batches > 0;
        if status >= 400 {
            if has_run || method == Method::Post {
                let [rejected, canceled, backend, other] = &runs.failures;
                let failures = match status {
                    429 | 503 | 504 => rejected,
                    408 | 499 => canceled,
                    500.. => backend,
                    _ => other,
                };
                failures.inc();
            }
            return;
        }
        if !has_run {
            return;
        }
        runs.queue.observe(call.queued.as_secs_f64());
        let triton = &runs.triton;
        triton.success.inc();
        triton.request_us.inc_by(micros(total));
        triton.queue_us.inc_by(micros(call.queued));
        let (before, after) = call.around(total);
        triton.input_us.inc_by(micros(before));
        triton.output_us.inc_by(micros(after));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Runs {
    fn new(families: &Families, labels: [&str; 2]) -> Runs {
        let [model, version] = labels;
        let triton = &families.triton;
        let of = |counters: &IntCounterVec| counters.with_label_values(&labels);
        let failure = |reason| triton.failure.with_label_values(&[model, version, reason]);
        Runs {
            inference: families.inference.with_label_values(&labels),
            queue: families.queue.with_label_values(&labels),
            batch: families.batch.with_label_values(&labels),
            records: of(&families.records),
            failures: FAILURES.map(failure),
            triton: Triton {
                success: of(&triton.success),
                failure: failure("OTHER"),
                count: of(&triton.count),
                exec_count: of(&triton.exec_count),
                request_us: of(&triton.request_us),
                queue_us: of(&triton.queue_us),
                input_us: of(&triton.input_us),
                infer_us: of(&triton.infer_us),
                output_us: of(&triton.output_us),
            },
        }
    }
}
