//! What is known of one request while it is answered: its deadline, and what it has cost.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::hosted::Hosted;
use super::problem::Problem;

/// Said to who comes too late.
pub const TOO_LATE: &str = "the request took longer than it may";

/// One request on its way, for logs, metrics and its deadline.
pub struct Call {
    /// When its head had arrived.
    pub started: Instant,
    /// The path with its variable parts named; empty where no route has it.
    pub route: &'static str,
    /// The model that was asked, once it is known.
    pub model: Option<Arc<Hosted>>,
    /// What its version hangs on where requests are shared out; 0 where none are.
    pub key: u64,
    /// When nobody waits for its answer any more.
    pub deadline: Option<Instant>,
    /// Records that were scored.
    pub records: usize,
    /// Runs of the model that took, but for those that another request has made.
    pub batches: usize,
    /// Time inside the model.
    pub inference: Duration,
    /// Time that it waited for the model.
    pub queued: Duration,
    /// From its arrival to the begin of the first run and to the end of the last.
    runs: Option<(Duration, Duration)>,
    /// Why it was not answered as asked: a word for metrics and logs; empty where it was.
    pub reason: &'static str,
    /// The same for people, with the first fault.
    pub fault: String,
    /// Its id, where it is recorded.
    pub recorded: Option<Arc<str>>,
    /// Where a streamed answer counts.
    stream: Option<Arc<Mutex<Call>>>,
}

impl Call {
    /// A request that has just arrived and may take `most`.
    pub fn new(most: Option<Duration>) -> Call {
        let started = Instant::now();
        Call {
            started,
            route: "",
            model: None,
            key: 0,
            deadline: most.and_then(|most| started.checked_add(most)),
            records: 0,
            batches: 0,
            inference: Duration::ZERO,
            queued: Duration::ZERO,
            runs: None,
            reason: "",
            fault: String::new(),
            recorded: None,
            stream: None,
        }
    }

    /// The call of a streamed answer: its stream takes it along and counts there, for the request is
    /// told of when that is over.
    pub fn stream(&mut self) -> Arc<Mutex<Call>> {
        let stream = Arc::new(Mutex::new(Call {
            started: self.started,
            route: self.route,
            model: self.model.clone(),
            recorded: self.recorded.clone(),
            // It takes as long as its client.
            ..Call::new(None)
        }));
        self.stream = Some(Arc::clone(&stream));
        stream
    }

    /// What [`Call::stream`] gave out.
    pub fn streamed(&self) -> Option<&Mutex<Call>> {
        self.stream.as_deref()
    }

    /// Notes the model that was asked.
    pub fn of(&mut self, hosted: &Arc<Hosted>) {
        self.model = Some(Arc::clone(hosted));
    }

    /// An earlier deadline, which the client gave.
    pub fn within(&mut self, most: Duration) {
        let asked = self.started.checked_add(most);
        self.deadline = match (self.deadline, asked) {
            (Some(ours), Some(asked)) => Some(ours.min(asked)),
            (ours, asked) => ours.or(asked),
        };
    }

    /// # Errors
    /// 504 where the deadline has passed.
    pub fn check(&self) -> Result<(), Problem> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Problem::refused(504, "timeout", TOO_LATE))
            }
            _ => Ok(()),
        }
    }

    /// Counts a run of the model, its own or one that it was taken along in, that began at `started`
    /// and scored `records` of its records.
    pub fn ran(&mut self, started: Instant, took: Duration, records: usize) {
        let begin = started.saturating_duration_since(self.started);
        let first = self.runs.map_or(begin, |(first, _)| first);
        self.runs = Some((first, begin + took));
        self.inference += took;
        self.records += records;
    }

    /// Whether the model has run for it.
    pub fn has_run(&self) -> bool {
        self.runs.is_some()
    }

    /// Time before the first run of the model and after the last, of `total`.
    pub fn around(&self, total: Duration) -> (Duration, Duration) {
        let (first, last) = self.runs.unwrap_or((total, total));
        (first, total.saturating_sub(last))
    }

    /// Notes why it is not answered as asked.
    pub fn note(&mut self, problem: &Problem) {
        self.reason = problem.reason();
        self.fault = match problem {
            // The log is read here, so the place may be told.
            Problem::Failed(error) => error.to_string(),
            _ => problem.message(),
        };
    }
}
