//! Standard input and named pipes, read by a thread of their own: a run that has failed, or whose
//! reader has gone, can end while nothing comes in, which no read of the system's can be woken from.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Whether the run has ended before its input has.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The run has ended.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the thread has read; the input is at its end when the run is.
pub struct Pipe {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    stop: Stop,
}

/// Bytes read at once, and chunks that wait.
const CHUNK_BYTES: usize = 256 * 1024;
const WAITING_CHUNKS: usize = 4;

/// How often a waiting reader looks whether the run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Pipe {
    /// Starts to read what `source` gives.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn new(mut source: impl Read + Send + 'static, stop: Stop) -> io::Result<Pipe> {
        let (give, chunks) = sync_channel(WAITING_CHUNKS);
        thread::Builder::new()
            .name("pipe".to_owned())
            .spawn(move || {
                loop {
                    let mut chunk = vec![0; CHUNK_BYTES];
                    let read = match source.read(&mut chunk) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) => Err(error),
                        Ok(count) => {
                            chunk.truncate(count);
                            Ok(chunk)
                        }
                    };
                    let is_end = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                    if give.send(read).is_err() || is_end {
                        return;
                    }
                }
            })?;
        Ok(Pipe {
            chunks,
            chunk: Vec::new(),
            at: 0,
            stop,
        })
    }
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.chunk.len() {
            match self.chunks.recv_timeout(LOOK_EVERY) {
                Ok(chunk) => (self.chunk, self.at) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) if self.stop.is_set() => return Ok(0),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
            if self.chunk.is_empty() {
                return Ok(0);
            }
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(out), Some(rest)) = (out.get_mut(..count), rest.get(..count)) {
            out.copy_from_slice(rest);
        }
        self.at += count;
        Ok(count)
    }
}
