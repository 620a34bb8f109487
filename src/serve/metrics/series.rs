//! What is counted of one model, or of the requests that are about none.
//!
//! Counting takes no lock, looks nothing up but a route among the few that were asked, and adds to
//! cells that no other thread adds to at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use crate::serve::call::Call;
use crate::serve::message::Method;

use super::page::{Labels, Page};
use super::sharded::{Held, Histogram, Sharded};

const NS_PER_S: f64 = 1e9;
/// Bounds of the time that a request takes, in nanoseconds.
const REQUEST_NS: [u64; 18] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];
/// Bounds of the time that a run of a model takes or waits, in nanoseconds.
const RUN_NS: [u64; 18] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];
/// Bounds of the records of a run.
const RECORDS: [u64; 14] = [
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536,
];
/// Triton's words for why an inference failed; their counts stand in the cells from 0 on.
const FAILURES: [&str; 4] = ["REJECTED", "CANCELED", "BACKEND", "OTHER"];
/// The cells of the times of requests that succeeded, in nanoseconds.
const REQUEST: usize = FAILURES.len();
const INPUT: usize = REQUEST + 1;
const OUTPUT: usize = REQUEST + 2;

/// The metrics of one model, or of the requests that are about none.
pub struct Series {
    pub(super) model: String,
    pub(super) version: String,
    /// By route and status.
    answers: Answers,
    runs: Option<Runs>,
}

/// What only a model has.
struct Runs {
    inference: Histogram,
    batch: Histogram,
    /// One for each request that succeeded.
    queue: Histogram,
    cells: Sharded,
    /// How many wait at this moment, as their queue counts them; gone with it.
    waiting: Mutex<Weak<AtomicUsize>>,
}

/// A list that only grows, by as many entries as there are routes and statuses: readers take no lock.
#[derive(Default)]
struct Answers(OnceLock<Box<Answer>>);

struct Answer {
    route: &'static str,
    status: u16,
    duration: Histogram,
    next: Answers,
}

impl Answers {
    fn iter(&self) -> impl Iterator<Item = &Answer> {
        let first = self.0.get().map(Box::as_ref);
        std::iter::successors(first, |answer| answer.next.0.get().map(Box::as_ref))
    }
}

impl Series {
    /// The series of a model; without a name those of requests that are about none.
    pub(super) fn new(model: &str, version: &str) -> Series {
        Series {
            model: model.to_owned(),
            version: version.to_owned(),
            answers: Answers::default(),
            runs: (!model.is_empty()).then(|| Runs {
                inference: Histogram::new(&RUN_NS),
                batch: Histogram::new(&RECORDS),
                queue: Histogram::new(&RUN_NS),
                cells: Sharded::new(OUTPUT + 1),
                waiting: Mutex::default(),
            }),
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, route: &'static str, status: u16, total: Duration) {
        let new = || Answer {
            route,
            status,
            duration: Histogram::new(&REQUEST_NS),
            next: Answers::default(),
        };
        let mut answers = &self.answers;
        loop {
            let answer = answers.0.get_or_init(|| Box::new(new()));
            if answer.status == status && answer.route == route {
                answer.duration.observe(nanos(total));
                return;
            }
            answers = &answer.next;
        }
    }

    /// Tells from now on how many wait by the count of this queue.
    pub(super) fn watch(&self, waiting: &Arc<AtomicUsize>) {
        if let Some(runs) = &self.runs {
            *runs.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(waiting);
        }
    }

    /// Counts one run of the model.
    pub fn ran(&self, took: Duration, records: usize) {
        if let Some(runs) = &self.runs {
            runs.inference.observe(nanos(took));
            runs.batch.observe(records as u64);
        }
    }

    /// Counts an inference request; what is asked about a model is none.
    pub(super) fn inferred(&self, call: &Call, method: Method, status: u16, total: Duration) {
        let Some(runs) = &self.runs else { return };
        let has_run = call.has_run();
        if status >= 400 {
            if has_run || method == Method::Post {
                runs.cells.add(failure(status), 1);
            }
            return;
        }
        if has_run {
            let (before, after) = call.around(total);
            runs.queue.observe(nanos(call.queued));
            runs.cells.add(REQUEST, nanos(total));
            runs.cells.add(INPUT, nanos(before));
            runs.cells.add(OUTPUT, nanos(after));
        }
    }

    /// Tells of everything.
    pub(super) fn append(&self, page: &mut Page) {
        let of = [("model", self.model.as_str()), ("version", &self.version)];
        let mut by_route: Vec<(&str, Held)> = Vec::new();
        for answer in self.answers.iter() {
            let held = answer.duration.held();
            let status = answer.status.to_string();
            let [model, version] = of;
            page.counter(
                "mlserve_requests_total",
                "Requests that were answered",
                &[model, version, ("route", answer.route), ("status", &status)],
                held.count() as f64,
            );
            match by_route
                .iter_mut()
                .find(|(route, _)| *route == answer.route)
            {
                Some((_, all)) => all.merge(&held),
                None => by_route.push((answer.route, held)),
            }
        }
        for (route, held) in by_route {
            let [model, version] = of;
            page.histogram(
                (
                    "mlserve_request_duration_seconds",
                    "Time from a request's head to its answer",
                ),
                &[model, version, ("route", route)],
                (&REQUEST_NS, NS_PER_S),
                &held,
            );
        }
        if let Some(runs) = &self.runs {
            runs.append(page, &of);
        }
    }
}

/// The cell that counts failures with this status: Triton refuses what waited too long.
fn failure(status: u16) -> usize {
    match status {
        429 | 503 | 504 => 0,
        408 | 499 => 1,
        500.. => 2,
        _ => 3,
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Runs {
    /// How many wait at this moment.
    fn waiting(&self) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = waiting.upgrade();
        waiting.map_or(0, |waiting| waiting.load(Ordering::Relaxed))
    }

    fn append(&self, page: &mut Page, of: Labels<'_>) {
        let (inference, batch, queue) =
            (self.inference.held(), self.batch.held(), self.queue.held());
        let seconds = (&RUN_NS[..], NS_PER_S);
        for (name, bounds, held) in [
            (
                (
                    "mlserve_inference_duration_seconds",
                    "Time of one run of the model",
                ),
                seconds,
                &inference,
            ),
            (
                (
                    "mlserve_queue_duration_seconds",
                    "Time that a request waited for the model",
                ),
                seconds,
                &queue,
            ),
            (
                ("mlserve_batch_records", "Records of one run of the model"),
                (&RECORDS[..], 1.0),
                &batch,
            ),
        ] {
            page.histogram(name, of, bounds, held);
        }
        let waiting = self.waiting();
        for (name, help) in [
            ("mlserve_queue_requests", "Requests that wait for the model"),
            (
                "nv_inference_pending_request_count",
                "Requests that wait for the model, by Triton's name",
            ),
        ] {
            page.gauge(name, help, of, waiting as f64);
        }
        let records = "Records that were scored";
        page.counter("mlserve_records_total", records, of, batch.sum as f64);
        self.triton(page, of, [&inference, &batch, &queue]);
    }

    /// Triton's counters of a model, by which dashboards and load generators know them.
    fn triton(&self, page: &mut Page, of: Labels<'_>, [inference, batch, queue]: [&Held; 3]) {
        let us = |ns: u64| ns / 1000;
        let time = |cell| us(self.cells.total(cell));
        for (name, help, value) in [
            (
                "request_success",
                "Inference requests that succeeded",
                queue.count(),
            ),
            ("count", "Inferences, each record counts", batch.sum),
            ("exec_count", "Runs of the model", batch.count()),
            (
                "request_duration_us",
                "Time of inference requests",
                time(REQUEST),
            ),
            (
                "queue_duration_us",
                "Time of waiting for the model",
                us(queue.sum),
            ),
            (
                "compute_input_duration_us",
                "Time before the first run",
                time(INPUT),
            ),
            (
                "compute_infer_duration_us",
                "Time inside the model",
                us(inference.sum),
            ),
            (
                "compute_output_duration_us",
                "Time after the last run",
                time(OUTPUT),
            ),
        ] {
            page.counter(&format!("nv_inference_{name}"), help, of, value as f64);
        }
        for (cell, reason) in FAILURES.into_iter().enumerate() {
            let labels: Vec<_> = of.iter().copied().chain([("reason", reason)]).collect();
            page.counter(
                "nv_inference_request_failure",
                "Inference requests that failed, by Triton's reasons",
                &labels,
                self.cells.total(cell) as f64,
            );
        }
    }
}
