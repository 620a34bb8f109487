//! The runs of one model: at once, in the line, or joined with others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::batch::feed::elements;
use crate::error::Result;
use crate::model::tensor::{Tensor, Value};
use crate::serve::call::TOO_LATE;
use crate::serve::message::Refusal;
use crate::serve::problem::Problem;

use super::join;
use super::pool::{Permit, Pool};
use super::waiter::{Joint, Ran, Turn, Waiter};

/// Most elements of an input without records that two runs may share: they are compared first.
const MOST_SHARED: usize = 1 << 12;

/// What the flags say of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most records of what runs together; 1 joins nothing.
    pub max_batch: usize,
    /// Most runs of one model that wait.
    pub max_queue: usize,
    /// How long a run waits for others, also while a permit is free.
    pub delay: Duration,
}

/// One run that is wanted.
pub struct Work<'w> {
    /// One tensor for each input of the model.
    pub inputs: &'w [Tensor],
    pub records: usize,
    /// For each input whether its first axis counts records.
    pub counts: &'w [bool],
    /// Whether the model takes any number of records.
    pub is_free: bool,
    /// When nobody waits for it any more.
    pub deadline: Option<Instant>,
}

/// A run that is over.
pub struct Done {
    /// What the model gave for these records, or why it failed on them.
    pub values: Result<Vec<Value>>,
    pub started: Instant,
    pub took: Duration,
    /// How long it waited before.
    pub queued: Duration,
    /// Whether it was this thread's, and not one that it was taken along in.
    pub is_own: bool,
}

/// What runs a model on tensors that hold so many records.
pub type Runner<'r> = &'r dyn Fn(&[Tensor], usize) -> Result<Vec<Value>>;

/// How runs are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Joins {
    /// What a record costs less in a batch than alone.
    pub saves: Duration,
}

/// What a record must cost less in a batch for others to be let forward before a run begins: what it
/// costs them to wait in the line and to be woken.
const WORTH_WAITING: Duration = Duration::from_micros(5);
/// After so many runs that found no company, only one in so many looks for it.
const PATIENCE: usize = 16;

/// The runs of one model.
pub struct Queue {
    pool: Arc<Pool>,
    limits: Limits,
    /// How its runs are joined, or why never.
    joins: std::result::Result<Joins, String>,
    /// Set where a run gave something that cannot be divided, whatever was found at load.
    is_indivisible: AtomicBool,
    /// How many of its runs are in the line.
    waiting: Arc<AtomicUsize>,
    /// Runs in a row that found no company; it need not be exact.
    in_vain: AtomicUsize,
}

impl Queue {
    /// Runs with the permits of `pool`; joined unless `joins` says why not.
    pub fn new(
        pool: &Arc<Pool>,
        limits: Limits,
        joins: std::result::Result<Joins, String>,
    ) -> Queue {
        Queue {
            pool: Arc::clone(pool),
            limits,
            joins,
            is_indivisible: AtomicBool::new(false),
            waiting: Arc::default(),
            in_vain: AtomicUsize::new(0),
        }
    }

    /// What the flags say.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// # Errors
    /// Why its runs are not joined.
    pub fn joins(&self) -> std::result::Result<Joins, &str> {
        match &self.joins {
            Ok(_) if self.is_indivisible.load(Ordering::Relaxed) => {
                Err("a batch gave results that do not divide by records")
            }
            Ok(joins) => Ok(*joins),
            Err(why) => Err(why),
        }
    }

    /// How many runs wait, to be read at any time.
    pub fn waiting(&self) -> &Arc<AtomicUsize> {
        &self.waiting
    }

    /// Runs `work` by `run` when its turn comes; it may be joined with others, and then `run` is
    /// called with all their records, in one of the threads. Where that fails, each runs alone.
    ///
    /// # Errors
    /// 503 where too many wait, 504 where the deadline passes before.
    pub fn run(&self, work: &Work<'_>, run: Runner<'_>) -> std::result::Result<Done, Problem> {
        let is_joint = self.is_joint(work);
        let gathers = is_joint && !self.limits.delay.is_zero();
        if !gathers && let Some(permit) = self.pool.enter() {
            return self.go(work, run, permit, is_joint);
        }
        let since = Instant::now();
        let mut waiter = Waiter::new(&self.waiting, since, work.deadline);
        waiter.ripe_at = gathers.then(|| since + self.limits.delay);
        waiter.joint = is_joint.then(|| self.joint(work));
        let waiter = Arc::new(waiter);
        match self.turn(&waiter, self.limits.max_queue)? {
            Turn::Leads => self.lead(&waiter, work, run, self.pool.permit()),
            Turn::Ran(ran) => Ok(Done {
                queued: ran.started.saturating_duration_since(since),
                values: Ok(ran.values),
                started: ran.started,
                took: ran.took,
                is_own: false,
            }),
            Turn::Alone | Turn::Late => self.again(since, work, run),
        }
    }

    /// Runs `work`, for which a permit was free, with what comes while other threads are let forward.
    ///
    /// A thread that has the core ends its run before others get it, so that what has arrived would be
    /// run one by one, each with a permit that is free again: with as many permits as cores nothing
    /// would ever wait (measured: 1.1 records a run with 64 clients).
    fn go(
        &self,
        work: &Work<'_>,
        run: Runner<'_>,
        permit: Permit<'_>,
        is_joint: bool,
    ) -> std::result::Result<Done, Problem> {
        let is_worth_it = |joins: Joins| joins.saves >= WORTH_WAITING;
        let since = Instant::now();
        if !is_joint || !self.joins().is_ok_and(is_worth_it) || !self.finds_company() {
            return Ok(alone(work, run, permit, Duration::ZERO));
        }
        let mut first = Waiter::new(&self.waiting, since, work.deadline);
        first.joint = Some(self.joint(work));
        self.lead(&first, work, run, permit)
    }

    /// Lets other threads forward, and says whether some of them have come to wait here. Where that
    /// was in vain lately it is mostly left out: while other programs want the core, it takes long.
    fn finds_company(&self) -> bool {
        let in_vain = self.in_vain.load(Ordering::Relaxed);
        let is_tried = in_vain < PATIENCE || in_vain.is_multiple_of(PATIENCE);
        if is_tried {
            std::thread::yield_now();
        }
        let has_come = self.waiting.load(Ordering::Relaxed) > 0;
        let in_vain = match has_come {
            true => 0,
            false => in_vain.wrapping_add(1),
        };
        self.in_vain.store(in_vain, Ordering::Relaxed);
        has_come
    }

    fn joint(&self, work: &Work<'_>) -> Joint {
        Joint {
            // Others run them while this thread only waits, and it may give up before.
            inputs: work.inputs.to_vec(),
            counts: work.counts.to_vec(),
            records: work.records,
            most: self.limits.max_batch,
        }
    }

    /// A permit for runs that are never joined, when its turn comes.
    ///
    /// # Errors
    /// As [`Queue::run`].
    pub fn permit(&self, deadline: Option<Instant>) -> std::result::Result<Permit<'_>, Problem> {
        if let Some(permit) = self.pool.enter() {
            return Ok(permit);
        }
        // It has been let in before.
        self.permit_since(Instant::now(), deadline, usize::MAX)
    }

    fn permit_since(
        &self,
        since: Instant,
        deadline: Option<Instant>,
        most: usize,
    ) -> std::result::Result<Permit<'_>, Problem> {
        let waiter = Arc::new(Waiter::new(&self.waiting, since, deadline));
        // What is never joined can only lead.
        self.turn(&waiter, most).map(|_| self.pool.permit())
    }

    /// Waits for what becomes of `waiter`, which is never [`Turn::Late`].
    fn turn(&self, waiter: &Arc<Waiter>, most: usize) -> std::result::Result<Turn, Problem> {
        let turn = self.pool.wait(waiter, most).map_err(|_| full())?;
        match turn {
            Turn::Late => Err(late()),
            Turn::Leads if waiter.is_late(Instant::now()) => {
                drop(self.pool.permit());
                Err(late())
            }
            turn => Ok(turn),
        }
    }

    /// Runs `first`, which has a permit, and what can be run along with it.
    fn lead(
        &self,
        first: &Waiter,
        work: &Work<'_>,
        run: Runner<'_>,
        permit: Permit<'_>,
    ) -> std::result::Result<Done, Problem> {
        let companions = Companions(self.pool.companions(first));
        let queued = first.since.elapsed();
        if companions.0.is_empty() {
            return Ok(alone(work, run, permit, queued));
        }
        match self.together(first, companions, run, permit) {
            Some(ran) => Ok(Done {
                values: Ok(ran.values),
                started: ran.started,
                took: ran.took,
                queued,
                is_own: true,
            }),
            None => self.again(first.since, work, run),
        }
    }

    /// Runs all of them as one, tells the companions, and returns the part of `first`; `None` where
    /// that failed, also by a panic.
    fn together(
        &self,
        first: &Waiter,
        mut companions: Companions,
        run: Runner<'_>,
        permit: Permit<'_>,
    ) -> Option<Ran> {
        let others = companions.0.iter().map(Arc::as_ref);
        let all = std::iter::once(first).chain(others);
        let joints: Vec<&Joint> = all.filter_map(|waiter| waiter.joint.as_ref()).collect();
        let sizes: Vec<usize> = joints.iter().map(|joint| joint.records).collect();
        let started = Instant::now();
        // A panic is the fault of one of them at most: each has its own when it runs alone.
        let values = catch_unwind(AssertUnwindSafe(|| {
            let inputs = join::inputs(&joints)?;
            run(&inputs, sizes.iter().sum()).ok()
        }));
        let took = started.elapsed();
        // The next may run while the answers are divided.
        drop(permit);
        let values = values.ok().flatten()?;
        let Some(parts) = join::split(&values, &sizes) else {
            self.is_indivisible.store(true, Ordering::Relaxed);
            return None;
        };
        let mut parts = parts.into_iter().map(|values| Ran {
            values,
            started,
            took,
        });
        let own = parts.next();
        let told = std::mem::take(&mut companions.0);
        for (waiter, part) in told.iter().zip(parts) {
            waiter.tell(Turn::Ran(part));
        }
        own
    }

    /// Runs alone what was a part of something that failed.
    fn again(
        &self,
        since: Instant,
        work: &Work<'_>,
        run: Runner<'_>,
    ) -> std::result::Result<Done, Problem> {
        let permit = match self.pool.enter() {
            Some(permit) => permit,
            None => self.permit_since(since, work.deadline, usize::MAX)?,
        };
        Ok(alone(work, run, permit, since.elapsed()))
    }

    /// Whether it may be run with others.
    fn is_joint(&self, work: &Work<'_>) -> bool {
        let is_small = |(input, is_counted): (&Tensor, &bool)| {
            *is_counted || elements(input.shape()) <= MOST_SHARED
        };
        work.is_free
            && (1..self.limits.max_batch).contains(&work.records)
            && self.joins().is_ok()
            && work.inputs.len() == work.counts.len()
            && work.counts.contains(&true)
            && work.inputs.iter().zip(work.counts).all(is_small)
    }
}

/// Runs with the permit, and gives it back.
fn alone(work: &Work<'_>, run: Runner<'_>, permit: Permit<'_>, queued: Duration) -> Done {
    let started = Instant::now();
    let values = run(work.inputs, work.records);
    let took = started.elapsed();
    drop(permit);
    Done {
        values,
        started,
        took,
        queued,
        is_own: true,
    }
}

/// Those that are run along and have not been told how that went; they are told in any case.
struct Companions(Vec<Arc<Waiter>>);

impl Drop for Companions {
    fn drop(&mut self) {
        self.0.iter().for_each(|waiter| waiter.tell(Turn::Alone));
    }
}

fn full() -> Problem {
    let refusal = Refusal::new(503, "queue_full", "too many requests wait for this model");
    Problem::Refused(Refusal {
        retry_after_s: Some(1),
        ..refusal
    })
}

fn late() -> Problem {
    Problem::refused(504, "timeout", TOO_LATE)
}
