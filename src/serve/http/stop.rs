//! How a server ends: a handle that anybody may pull, and the signals that do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::listen::{Listener, Waker};

/// Ends a server, from anywhere.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    has_begun: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Stop {
    /// Accepts no more, closes what waits, lets what is in flight end.
    pub fn begin(&self) {
        self.inner.has_begun.store(true, Ordering::Release);
        let wakers = self
            .inner
            .wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        wakers.iter().for_each(Waker::wake);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.inner.has_begun.load(Ordering::Acquire)
    }

    /// Wakes those who wait at `listeners` when it begins; at once if it has.
    pub(super) fn wakes(&self, listeners: &[Listener]) {
        let mut wakers = self
            .inner
            .wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        wakers.extend(listeners.iter().map(Listener::waker));
        if self.has_begun() {
            wakers.iter().for_each(Waker::wake);
        }
    }
}

/// Ends the server at the first SIGTERM, SIGINT or SIGHUP, after `first` was called, and the process
/// at the second.
///
/// # Errors
/// The handlers cannot be installed.
#[cfg(unix)]
pub fn on_signals(stop: &Stop, first: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = stop.clone();
    let mut first = Some(first);
    let wait = move || {
        for signal in signals.forever() {
            match first.take() {
                Some(first) => {
                    first();
                    stop.begin();
                }
                None => std::process::exit(128 + signal),
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)?;
    Ok(())
}

#[cfg(not(unix))]
pub fn on_signals(_: &Stop, _: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    Ok(())
}
