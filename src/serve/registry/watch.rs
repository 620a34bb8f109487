//! Looks at the sources again and again, and has the keeper load what has changed and come to rest.
//!
//! A file that is being copied has another size or time at the next look; only what is the same twice
//! is loaded. What is renamed into place is whole at once, and waits for one look more.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::Result;

use super::keeper::{Event, Extent, Keeper};
use super::source::Scan;

/// A thread that looks; it ends when this is dropped.
pub struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What one who looks has seen so far.
#[derive(Default)]
pub struct Look {
    seen: Option<Scan>,
    applied: Option<Scan>,
    /// A fault that has been told of.
    told: Option<String>,
}

impl Look {
    /// Looks once. Events where something was loaded, could not be, or was retired.
    ///
    /// # Errors
    /// What cannot be looked at, once for as long as it stays so.
    pub fn look(&mut self, keeper: &Keeper) -> Result<Vec<Event>> {
        let events = self.looked(keeper);
        let Err(error) = events else {
            self.told = None;
            return events;
        };
        let told = Some(error.to_string());
        match self.told == told {
            true => Ok(Vec::new()),
            false => {
                self.told = told;
                Err(error)
            }
        }
    }

    fn looked(&mut self, keeper: &Keeper) -> Result<Vec<Event>> {
        let scan = keeper.scan()?;
        let is_new = self.applied.as_ref() != Some(&scan);
        let before = self.seen.replace(scan);
        let Some(before) = before.filter(|_| is_new) else {
            return Ok(Vec::new());
        };
        let events = keeper.refresh(Extent::Settled(&before))?;
        // What had not come to rest yet is looked at again.
        self.applied = self.seen.clone().filter(|seen| *seen == before);
        Ok(events)
    }
}

impl Watch {
    /// Calls `look` every `interval`.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(interval: Duration, mut look: impl FnMut() + Send + 'static) -> io::Result<Watch> {
        let (stop, stopped) = mpsc::channel();
        let watch = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                look();
            }
        };
        let thread = thread::Builder::new()
            .name("watch".to_owned())
            .spawn(watch)?;
        Ok(Watch {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
