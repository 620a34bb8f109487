//! When a model runs, and for whom: as many runs at once as there are threads, over all models, and
//! what waits for a run goes together.
//!
//! ```text
//! request -> queue (its model's) -> a permit is free ------------------> run
//!                                -> none is: the line (pool) -> leads -> what waits with it (join) -> run
//!                                                            -> runs with another that leads
//! ```
//!
//! A request runs in its own thread, at once, while a permit is free: nobody ever waits for others to
//! come (but with `--batch-delay-ms`), and one client alone pays for two atomic exchanges. Where none is
//! free it waits in one line, the oldest first, whatever its model. Who gives a permit back hands it to
//! the first in the line, who takes along all that waits for the same model and fits, as one batch.
//!
//! A thread whose model's batches are much cheaper than its single runs lets other threads forward
//! before it runs (`sched_yield`), so that what has arrived can come into the line; where that brings
//! nobody it is soon left out. Models of a few microseconds run at once: to wait and to be woken costs
//! more than a batch saves them.
//!
//! Records of one batch must not change each other's predictions: [`check`] tries that when a model is
//! loaded. Knows no dialect and no socket. Whether a client still waits is not known either: one that
//! has closed its sending half may well want its answer, so deadlines are what bounds waiting.

pub mod check;
pub mod join;
pub mod pool;
pub mod queue;
mod waiter;

use std::time::Instant;

use serde_json::{Value as Json, json};

use crate::batch::encode::Group;
use crate::batch::feed::BatchAxis;
use crate::error::Result;
use crate::model::tensor::{Tensor, Value};

use super::call::Call;
use super::hosted::Hosted;
use super::problem::Problem;
use queue::{Queue, Work};

impl Hosted {
    /// Runs the model on `group`, alone or with what else waits; for each input `counts` says whether
    /// its first axis counts records.
    ///
    /// # Errors
    /// 503 where too many wait, 504 where the deadline passes before its turn. What the model itself
    /// says to the records is inside.
    pub fn run(
        &self,
        call: &mut Call,
        group: &Group,
        counts: &[bool],
        batch: BatchAxis,
    ) -> std::result::Result<Result<Vec<Value>>, Problem> {
        call.check()?;
        // A batch is counted once, by who runs it, and only what was scored.
        let run = |inputs: &[Tensor], records: usize| {
            let started = Instant::now();
            let values = self.model.run(inputs);
            if let (Ok(_), Some(series)) = (&values, self.series.get()) {
                series.ran(started.elapsed(), records);
            }
            values
        };
        let work = Work {
            inputs: &group.inputs,
            records: group.records,
            counts,
            is_free: batch == BatchAxis::Free,
            deadline: call.deadline,
        };
        let done = self.queue.run(&work, &run)?;
        call.queued += done.queued;
        call.ran(done.started, done.took, group.records);
        call.batches += usize::from(done.is_own);
        if let (Ok(values), Some(shadow)) = (&done.values, &*self.shadow.load()) {
            shadow.compare(&group.inputs, group.records, values);
        }
        Ok(done.values)
    }

    /// Its queue, after it was tried whether its runs can be joined.
    pub(super) fn batching(&self) -> Queue {
        Queue::new(&self.hosting.pool, self.hosting.queueing, self.try_batch())
    }
}

impl Queue {
    /// What the user should hear: a model that answers by what else is asked is mostly a mistake.
    pub(super) fn warning(&self) -> Option<String> {
        let is_told = self.joins() == Err(check::MEDDLE);
        is_told.then(|| format!("{}, so each request runs alone", check::MEDDLE))
    }

    /// The JSON object `description` with how runs are batched.
    pub(super) fn told_in(&self, description: &str) -> String {
        let Ok(Json::Object(mut told)) = serde_json::from_str::<Json>(description) else {
            return description.to_owned();
        };
        let limits = self.limits();
        let batching = json!({
            "joined": self.joins().is_ok(),
            "saves_us": self.joins().ok().map(|joins| joins.saves.as_micros() as u64),
            "reason": self.joins().err(),
            "max_batch": limits.max_batch,
            "max_queue": limits.max_queue,
        });
        told.insert("batching".to_owned(), batching);
        Json::Object(told).to_string()
    }
}

#[cfg(test)]
mod tests;
