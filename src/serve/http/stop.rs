//! How a server ends: a handle that anybody may pull, and the signals that do.

#[cfg(unix)]
use std::io::Write;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::listen::Listener;

/// Ends a server, from anywhere.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    has_begun: AtomicBool,
    #[cfg(unix)]
    bell: Bell,
}

/// Two ends of a wire: what is written into one wakes all who wait at the other, and stays there.
#[cfg(unix)]
struct Bell {
    wire: Option<(UnixStream, UnixStream)>,
}

#[cfg(unix)]
impl Default for Bell {
    fn default() -> Bell {
        Bell {
            wire: UnixStream::pair().ok(),
        }
    }
}

/// Between two looks where nothing can wake who waits.
const LOOK: Duration = Duration::from_millis(20);

impl Stop {
    /// Accepts no more, closes what waits, lets what is in flight end.
    pub fn begin(&self) {
        let has_begun = self.inner.has_begun.swap(true, Ordering::AcqRel);
        #[cfg(unix)]
        if let (false, Some((ring, _))) = (has_begun, &self.inner.bell.wire) {
            // One byte fits into a wire that is empty.
            let _ = { ring }.write(b"!");
        }
        #[cfg(not(unix))]
        let _ = has_begun;
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.inner.has_begun.load(Ordering::Acquire)
    }

    /// Waits until a connection has come, the end has begun, or `most` is over; whether it is not.
    pub(super) fn wait_for(&self, listener: &Listener, most: Option<Duration>) -> bool {
        #[cfg(unix)]
        {
            let bell = self.inner.bell.wire.as_ref();
            let heard: BorrowedFd<'_> = match bell {
                Some((_, heard)) => heard.as_fd(),
                None => listener.as_fd(),
            };
            let most = match bell {
                Some(_) => most,
                None => Some(LOOK),
            };
            let ms = most.map_or(-1, |most| i32::try_from(most.as_millis()).unwrap_or(-1));
            super::system::wait([listener.as_fd(), heard], ms)
        }
        #[cfg(not(unix))]
        {
            let _ = (listener, most);
            true
        }
    }

    /// After nothing was found: where [`Stop::wait_for`] cannot wait, this does.
    pub(super) fn look_again() {
        #[cfg(not(unix))]
        std::thread::sleep(LOOK);
    }
}

/// Ends the process, though threads are still at work: what an ordinary end would take apart under
/// them, such as the runtime's memory, stays as it is.
pub fn leave() -> ! {
    #[cfg(unix)]
    signal_hook::low_level::exit(0);
    #[cfg(not(unix))]
    std::process::exit(0)
}

/// Ends the server at the first SIGTERM or SIGINT, after `first` was called, and the process at the
/// second. SIGHUP calls `hung_up`; where the input is a terminal, it says that this has gone, and ends the
/// server as well.
///
/// # Errors
/// The handlers cannot be installed.
#[cfg(unix)]
pub fn on_signals(
    stop: &Stop,
    first: impl FnOnce() + Send + 'static,
    mut hung_up: impl FnMut() + Send + 'static,
) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::io::IsTerminal;

    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let is_attended = std::io::stdin().is_terminal();
    let stop = stop.clone();
    let mut first = Some(first);
    let wait = move || {
        for signal in signals.forever() {
            if signal == SIGHUP && !is_attended {
                hung_up();
                continue;
            }
            match first.take() {
                Some(first) => {
                    first();
                    stop.begin();
                }
                // Nothing is cleaned up under threads that are still at work.
                None => signal_hook::low_level::exit(128 + signal),
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)?;
    Ok(())
}

#[cfg(not(unix))]
pub fn on_signals(
    _: &Stop,
    _: impl FnOnce() + Send + 'static,
    _: impl FnMut() + Send + 'static,
) -> std::io::Result<()> {
    Ok(())
}
