//! Work on all cores whose results come out in the order that it went in.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use rayon::ThreadPool;

use crate::error::{Error, Report, Result};

use crate::predict::input::pipe::Stop;

/// Threads that work, started before anything else of a run, so that nothing is half done when they
/// cannot be had.
pub struct Workers {
    pool: ThreadPool,
    jobs: usize,
    /// Set where the run ends before its input does.
    pub stop: Stop,
}

impl Workers {
    /// Starts `jobs` threads.
    ///
    /// # Errors
    /// [`Error::Io`] where the system has no more threads to give.
    pub fn start(jobs: usize) -> Result<Workers> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(jobs)
            .thread_name(|index| format!("score-{index}"))
            .build();
        let refused = |error| no_thread(&format!("cannot start {jobs} threads: {error}"));
        Ok(Workers {
            pool: pool.map_err(refused)?,
            jobs,
            stop: Stop::default(),
        })
    }
}

fn no_thread(message: &str) -> Error {
    Error::Io(Report {
        place: String::new(),
        message: message.to_owned(),
        hint: "--jobs N asks for fewer".to_owned(),
    })
}

/// Calls `work` on everything that `produce` gives, on the threads of `workers`, and `consume` on the
/// results in their order, on this thread. The workers themselves produce, one at a time: what one
/// has just read is still in its processor's cache when it works on it. At most `2 * jobs + 2` items
/// are on their way, which bounds the memory.
///
/// # Errors
/// The first error in the order of the items, whoever had it. Nothing after it is consumed.
pub fn in_order<I, O: Send>(
    workers: &Workers,
    produce: impl FnMut() -> Result<Option<I>> + Send,
    work: impl Fn(I) -> Result<O> + Sync,
    consume: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let most = 2 * workers.jobs + 2;
    let (give, permits) = sync_channel(most);
    for _ in 0..most {
        // The channel holds as many; it cannot be full.
        let _ = give.try_send(());
    }
    let (done, results) = channel();
    let line = Mutex::new(Line {
        produce,
        permits,
        next: 0,
        ended: false,
    });
    workers.pool.in_place_scope(|scope| {
        for _ in 0..workers.jobs {
            let (line, work, done) = (&line, &work, done.clone());
            scope.spawn(move |_| {
                // The lock is free again before the work starts.
                while let Some((number, produced)) = take(line) {
                    let _ = done.send((number, produced.and_then(work)));
                }
            });
        }
        drop(done);
        // The scope waits for the workers, one of which may wait for input.
        consume_in_order(results, give, consume).inspect_err(|_| workers.stop.stop())
    })
}

/// Where the workers take turns.
struct Line<P> {
    produce: P,
    permits: Receiver<()>,
    next: u64,
    ended: bool,
}

/// The next item and its number; `None` when there are no more, or nobody wants them.
fn take<I>(line: &Mutex<Line<impl FnMut() -> Result<Option<I>>>>) -> Option<(u64, Result<I>)> {
    // A worker that panicked while it produced ends the others.
    let mut line = line.lock().ok()?;
    // No permit comes any more once the consumer has stopped.
    if line.ended || line.permits.recv().is_err() {
        return None;
    }
    let number = line.next;
    line.next += 1;
    match (line.produce)() {
        Ok(Some(item)) => Some((number, Ok(item))),
        Ok(None) => {
            line.ended = true;
            None
        }
        Err(error) => {
            line.ended = true;
            Some((number, Err(error)))
        }
    }
}

fn consume_in_order<O>(
    results: Receiver<(u64, Result<O>)>,
    give: SyncSender<()>,
    mut consume: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, result) in results {
        waiting.insert(number, result);
        while let Some(result) = waiting.remove(&next) {
            consume(result?)?;
            next += 1;
            // Only a producer that has ended leaves the channel full or closed.
            let _ = give.try_send(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(jobs: usize, count: u64, fail_at: Option<u64>) -> (Vec<u64>, Result<()>) {
        let mut numbers = 0..count;
        let mut out = Vec::new();
        let workers = Workers::start(jobs).expect("threads");
        let result = in_order(
            &workers,
            || Ok(numbers.next()),
            |number| {
                // Early items take longest, so that results arrive in the wrong order.
                let spin = (count - number) * 200;
                std::hint::black_box((0..spin).sum::<u64>());
                match fail_at {
                    Some(at) if number >= at => Err(Error::data(number.to_string(), "failed")),
                    _ => Ok(number * number),
                }
            },
            |square| {
                out.push(square);
                Ok(())
            },
        );
        (out, result)
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for jobs in [1, 2, 5] {
            let (out, result) = squares(jobs, 300, None);
            assert!(result.is_ok());
            assert_eq!(
                out,
                (0..300).map(|number| number * number).collect::<Vec<u64>>()
            );
        }
    }

    #[test]
    fn the_first_error_in_order_wins_and_nothing_after_it_is_consumed() {
        for jobs in [1, 4] {
            let (out, result) = squares(jobs, 300, Some(100));
            assert_eq!(out.len(), 100);
            assert_eq!(result.expect_err("a failure").to_string(), "100: failed");
        }
    }

    #[test]
    fn an_endless_producer_stops_when_the_consumer_does() {
        let workers = Workers::start(2).expect("threads");
        let result = in_order(&workers, || Ok(Some(())), Ok, |()| Err(Error::ClosedPipe));
        assert!(matches!(result, Err(Error::ClosedPipe)));
    }
}
