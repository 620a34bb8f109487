//! Threads that are used again: starting one for each connection costs more than its first request.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a thread waits for the next connection before it ends.
const IDLE: Duration = Duration::from_secs(10);
/// Of a thread: connections keep their buffers on the heap, models run on it.
const STACK_BYTES: usize = 1 << 21;

/// What a thread does.
type Job = Box<dyn FnOnce() + Send>;

/// Threads and what waits for them.
#[derive(Clone, Default)]
pub(super) struct Threads {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads that wait for one. Never fewer than jobs: every job has its thread.
    waiting: usize,
}

impl Threads {
    /// Does `job` in a thread.
    ///
    /// # Errors
    /// No thread waits, and none can be started; the job is then dropped.
    pub(super) fn run(&self, job: Job) -> io::Result<()> {
        let mut queue = self.inner.lock();
        if queue.waiting > queue.jobs.len() {
            queue.jobs.push_back(job);
            drop(queue);
            self.inner.wake.notify_one();
            return Ok(());
        }
        drop(queue);
        let inner = Arc::clone(&self.inner);
        let work = move || {
            job();
            while let Some(job) = inner.next() {
                job();
            }
        };
        let thread = std::thread::Builder::new().name("connection".to_owned());
        thread.stack_size(STACK_BYTES).spawn(work).map(|_| ())
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; `None` after a while without one.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        queue.waiting += 1;
        let waited = self
            .wake
            .wait_timeout_while(queue, IDLE, |queue| queue.jobs.is_empty());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.waiting -= 1;
        queue.jobs.pop_front()
    }
}
