//! Lines on their way to the file: whoever has some puts them into a queue, or, where that is full, loses
//! them; one thread writes. A slow disk so never delays an answer.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

use super::file::Rotating;
use super::{Counted, Settings};

/// Bytes that may wait.
const MOST_BYTES: usize = 8 << 20;
/// Portions of lines that may wait.
const MOST_PORTIONS: usize = 4096;

/// Why a line was lost.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lost {
    /// The queue was full.
    Queue,
    /// The file could not be written.
    Disk,
    /// A record that is no line: an image, a long text, tensors that no columns feed.
    Size,
}

const REASONS: [&str; 3] = ["queue", "disk", "size"];

/// The queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting_bytes: AtomicUsize,
    written: AtomicU64,
    lost: [AtomicU64; 3],
    was_told: AtomicBool,
}

enum Message {
    Lines { text: Vec<u8>, count: u64 },
    Flush(SyncSender<()>),
}

impl Shared {
    fn lose(&self, why: Lost, lines: u64) {
        if let Some(lost) = self.lost.get(why as usize) {
            lost.fetch_add(lines, Ordering::Relaxed);
        }
    }

    /// Says once that lines are lost.
    fn tell(&self, path: &Path, why: &str) {
        if !self.was_told.swap(true, Ordering::Relaxed) {
            let told = format!(
                "--record {}: {why}; lines are lost, which mlserve_record_lost_total counts\n",
                path.display()
            );
            let _ = io::stderr().write_all(told.as_bytes());
        }
    }
}

impl Writer {
    /// Opens the file and starts the thread.
    pub(super) fn start(settings: &Settings) -> Result<Writer> {
        let path = settings.path.clone();
        let cannot =
            |source: io::Error| Error::io(format!("--record {}", settings.path.display()), &source);
        let file = Rotating::open(&path, settings.most_bytes, settings.keep).map_err(cannot)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let (queue, messages) = mpsc::sync_channel(MOST_PORTIONS);
        thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || write(file, &path, &messages, &theirs))
            .map_err(cannot)?;
        Ok(Writer { queue, shared })
    }

    /// Takes whole lines.
    pub(super) fn push(&self, text: Vec<u8>, lines: u64) {
        let length = text.len();
        let waiting = self
            .shared
            .waiting_bytes
            .fetch_add(length, Ordering::Relaxed);
        let message = Message::Lines { text, count: lines };
        let is_taken = waiting + length <= MOST_BYTES && self.queue.try_send(message).is_ok();
        if !is_taken {
            self.shared
                .waiting_bytes
                .fetch_sub(length, Ordering::Relaxed);
            self.shared.lose(Lost::Queue, lines);
        }
    }

    /// Counts lines that are none.
    pub(super) fn lose(&self, why: Lost, lines: usize) {
        self.shared.lose(why, lines as u64);
    }

    /// Waits until all is written that was pushed before, but no longer than `most`.
    pub(super) fn flush(&self, most: Duration) {
        let (done, is_done) = mpsc::sync_channel(1);
        let mut message = Message::Flush(done);
        let until = std::time::Instant::now() + most;
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
            if std::time::Instant::now() >= until {
                return;
            }
            message = back;
            thread::sleep(Duration::from_millis(1));
        }
        let left = until.saturating_duration_since(std::time::Instant::now());
        let _ = is_done.recv_timeout(left);
    }

    /// What has been counted so far.
    pub(super) fn counted(&self) -> Counted {
        let lost = |at: usize| {
            let lost = self.shared.lost.get(at);
            lost.map_or(0, |lost| lost.load(Ordering::Relaxed))
        };
        Counted {
            written: self.shared.written.load(Ordering::Relaxed),
            lost: [0, 1, 2].map(|at| (REASONS[at], lost(at))),
        }
    }
}

/// Writes what comes until nothing will come any more.
fn write(mut file: Rotating, path: &Path, messages: &Receiver<Message>, shared: &Shared) {
    for message in messages {
        match message {
            Message::Lines { text, count } => {
                shared
                    .waiting_bytes
                    .fetch_sub(text.len(), Ordering::Relaxed);
                match file.write(&text) {
                    Ok(()) => {
                        shared.written.fetch_add(count, Ordering::Relaxed);
                    }
                    Err((error, done)) => {
                        let done = text.get(..done).unwrap_or_default();
                        let done = memchr::memchr_iter(b'\n', done).count() as u64;
                        shared.written.fetch_add(done, Ordering::Relaxed);
                        shared.lose(Lost::Disk, count.saturating_sub(done));
                        shared.tell(path, &error.to_string());
                    }
                }
                let is_queue_full = shared
                    .lost
                    .get(Lost::Queue as usize)
                    .is_some_and(|lost| lost.load(Ordering::Relaxed) > 0);
                if is_queue_full {
                    shared.tell(path, "it is written more slowly than requests come");
                }
            }
            Message::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_takes_nothing_costs_lines_and_no_time() {
        // A full pipe is as slow as a disk can be.
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        let reader = thread::spawn({
            let path = path.clone();
            move || std::fs::File::open(path)
        });
        let writer = Writer::start(&Settings {
            path,
            sample: 1.0,
            most_bytes: 1 << 20,
            keep: 1,
            redact: Vec::new(),
        });
        let writer = writer.expect("a writer");
        let mut pipe = reader.join().expect("a thread").expect("a pipe");
        let line = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            writer.push([line.as_slice(), b"\n"].concat(), 1);
        }
        let lost = writer.counted().lost;
        assert!(lost[0].1 >= 11, "{lost:?}");
        // What was not lost comes when somebody reads.
        let kept = 20 - lost[0].1;
        let mut bytes = vec![0; kept as usize * ((1 << 20) + 1)];
        io::Read::read_exact(&mut pipe, &mut bytes).expect("lines");
        writer.flush(Duration::from_secs(10));
        assert_eq!(writer.counted().written, kept);
        // And nothing more, once nobody does.
        drop(pipe);
        writer.push(b"y\n".to_vec(), 1);
        writer.flush(Duration::from_secs(10));
        assert_eq!(writer.counted().lost[1], ("disk", 1));
    }
}
