//! What a served model has done so far, in numbers that anybody may read at any time.
//!
//! Plain atomics without order among them: a reader may see one count ahead of another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::call::Call;

/// How often something happened, and how long that took in all.
#[derive(Debug, Default)]
pub struct Timed {
    count: AtomicU64,
    ns: AtomicU64,
}

impl Timed {
    fn add(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.ns.fetch_add(whole_ns(took), Ordering::Relaxed);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// How long in all, in nanoseconds.
    pub fn ns(&self) -> u64 {
        self.ns.load(Ordering::Relaxed)
    }
}

/// The counters of one model, named as Triton's statistics are.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that were answered with predictions, from their head to their answer.
    pub success: Timed,
    /// Requests that were not.
    pub fail: Timed,
    /// Time in which a request with an answer waited for others.
    pub queue: Timed,
    /// Time before the model: reading and decoding.
    pub input: Timed,
    /// Time inside the model.
    pub infer: Timed,
    /// Time after the model: encoding.
    pub output: Timed,
    inferences: AtomicU64,
    executions: AtomicU64,
    last_ms: AtomicU64,
}

impl Counters {
    /// Counts a request that asked for predictions.
    pub fn add(&self, call: &Call, is_success: bool) {
        let took = call.started.elapsed();
        if !is_success {
            self.fail.add(took);
            return;
        }
        self.success.add(took);
        self.queue.add(call.queued);
        let (before, after) = call.around(took);
        self.input.add(before);
        self.infer.add(call.inference);
        self.output.add(after);
        let records = u64::try_from(call.records).unwrap_or(u64::MAX);
        let batches = u64::try_from(call.batches).unwrap_or(u64::MAX);
        self.inferences.fetch_add(records, Ordering::Relaxed);
        self.executions.fetch_add(batches, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| now.as_millis() as u64);
        self.last_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// Records that were scored.
    pub fn inferences(&self) -> u64 {
        self.inferences.load(Ordering::Relaxed)
    }

    /// Runs of the model.
    pub fn executions(&self) -> u64 {
        self.executions.load(Ordering::Relaxed)
    }

    /// When the last answer was ready, in milliseconds since 1970; 0 where there was none.
    pub fn last_ms(&self) -> u64 {
        self.last_ms.load(Ordering::Relaxed)
    }
}

fn whole_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
