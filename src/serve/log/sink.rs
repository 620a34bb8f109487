//! Lines on their way to a file descriptor that may be slow, full or closed.
//!
//! Whoever has a line puts it into memory and goes on; one thread writes what has gathered. Its pause
//! before it does makes a busy server write hundreds of lines with one system call, and bounds how
//! often it is woken up.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What may wait; further lines are lost, and counted.
const MOST_BYTES: usize = 1 << 20;
/// How long lines gather before they are written.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the end waits for a target that does not take its lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lines for one target.
pub(super) struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or nothing will come any more.
    wake: Condvar,
    /// All is written.
    done: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    lost: u64,
    is_writing: bool,
    is_closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Starts the thread that writes to `target`.
    pub(super) fn new(target: impl Write + Send + 'static) -> io::Result<Sink> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&theirs, target))?;
        Ok(Sink(shared))
    }

    /// Takes a line.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.lines.len() + line.len() > MOST_BYTES {
            state.lost += 1;
            return;
        }
        let is_first = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        drop(state);
        if is_first {
            self.0.wake.notify_one();
        }
    }

    /// Waits until all is written, but no longer than `most`.
    pub(super) fn flush(&self, most: Duration) {
        let until = Instant::now() + most;
        let mut state = self.0.lock();
        while !state.lines.is_empty() || state.is_writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.done.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.wake.notify_one();
        // A thread that cannot write is left behind: it ends with the process.
        self.flush(PATIENCE);
    }
}

/// Writes what comes until nothing will come any more.
fn write(shared: &Shared, mut target: impl Write) {
    let mut taken = Vec::new();
    loop {
        let mut state = shared.lock();
        while state.lines.is_empty() && !state.is_closed {
            state = shared
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.lines.is_empty() {
            return;
        }
        if !state.is_closed {
            drop(state);
            thread::sleep(PAUSE);
            state = shared.lock();
        }
        std::mem::swap(&mut state.lines, &mut taken);
        let lost = std::mem::take(&mut state.lost);
        state.is_writing = true;
        drop(state);
        if lost > 0 {
            taken.extend_from_slice(lost_line(lost).as_bytes());
        }
        // Nobody may be there to read it, which is no reason to stop serving.
        let _ = target.write_all(&taken);
        taken.clear();
        shared.lock().is_writing = false;
        shared.done.notify_all();
    }
}

/// The same in text and JSON, which has comments for nobody: a reader of JSON lines finds an object.
fn lost_line(lost: u64) -> String {
    format!("{{\"lost_lines\":{lost}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver, Sender};

    /// A target that writes only when it is told to.
    struct Slow {
        go: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            self.go.recv().map_err(|_| gone())?;
            self.written.send(bytes.to_vec()).map_err(|_| gone())?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_target_that_takes_nothing_costs_lines_and_no_time() {
        let (go, told) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let sink = Sink::new(Slow { go: told, written }).expect("a thread");
        let line = [b'x'; 1 << 10];
        // The writer takes what is there and then waits for its target.
        sink.push(&line);
        while !sink.0.lock().is_writing {
            thread::yield_now();
        }
        for _ in 0..1030 {
            sink.push(&line);
        }
        assert_eq!(sink.0.lock().lost, 6);
        go.send(()).expect("a writer");
        go.send(()).expect("a writer");
        sink.flush(Duration::from_secs(10));
        let all: Vec<u8> = lines.try_iter().flatten().collect();
        assert_eq!(all.len(), 1025 * 1024 + "{\"lost_lines\":6}\n".len());
        assert!(all.ends_with(b"{\"lost_lines\":6}\n"));
    }

    #[test]
    fn a_target_that_is_gone_is_borne() {
        let (go, told) = mpsc::channel();
        let (written, _) = mpsc::channel();
        drop(go);
        let sink = Sink::new(Slow { go: told, written }).expect("a thread");
        for _ in 0..3 {
            sink.push(b"line\n");
            sink.flush(Duration::from_secs(10));
        }
        assert_eq!(sink.0.lock().lost, 0);
    }
}
