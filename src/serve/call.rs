//! What is known of one request while it is answered: its deadline, and what it has cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hosted::Hosted;
use super::problem::Problem;

/// One request on its way, for logs, metrics and its deadline.
pub struct Call {
    /// When its head had arrived.
    pub started: Instant,
    /// The path with its variable parts named; empty where no route has it.
    pub route: &'static str,
    /// The model that was asked, once it is known.
    pub model: Option<Arc<Hosted>>,
    /// When nobody waits for its answer any more.
    pub deadline: Option<Instant>,
    /// Records that were scored.
    pub records: usize,
    /// Runs of the model that took.
    pub batches: usize,
    /// Time before the model first ran.
    pub input: Duration,
    /// Time inside the model.
    pub inference: Duration,
}

impl Call {
    /// A request that has just arrived and may take `most`.
    pub fn new(most: Option<Duration>) -> Call {
        let started = Instant::now();
        Call {
            started,
            route: "",
            model: None,
            deadline: most.and_then(|most| started.checked_add(most)),
            records: 0,
            batches: 0,
            input: Duration::ZERO,
            inference: Duration::ZERO,
        }
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
            Some(deadline) if Instant::now() >= deadline => Err(Problem::refused(
                504,
                "timeout",
                "the request took longer than it may",
            )),
            _ => Ok(()),
        }
    }

    /// Counts one run of the model that began at `started` with `records` records.
    pub fn ran(&mut self, started: Instant, records: usize) {
        if self.batches == 0 {
            self.input = started.saturating_duration_since(self.started);
        }
        self.inference += started.elapsed();
        self.batches += 1;
        self.records += records;
    }
}
