//! What happens on Ctrl-C and SIGTERM: the unfinished file goes, then the process, with 128 + n.
//!
//! The only process-wide state of the program, for a signal concerns the process.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The temporary file to remove.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on a signal removes the file at `path`.
pub fn remove_on_signal(path: &Path) {
    set(Some(path.to_owned()));
}

/// The file is finished or gone: a signal removes nothing.
pub fn nothing_to_remove() {
    set(None);
}

fn set(path: Option<PathBuf>) {
    if let Ok(mut unfinished) = UNFINISHED.lock() {
        *unfinished = path;
    }
}

/// Starts the thread that waits for signals. It needs no cooperation of the threads that read,
/// score or write, any of which may be blocked for ever.
#[cfg(unix)]
pub fn watch() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else {
        return; // Without the handler the system's own takes its place: the process ends.
    };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next()
            && let Ok(unfinished) = UNFINISHED.lock()
        {
            if let Some(path) = unfinished.as_deref() {
                let _ = std::fs::remove_file(path);
            }
            // Still locked, so that no other file can take its place before the end.
            std::process::exit(crate::error::Error::Signal(signal).exit_code());
        }
    });
}

#[cfg(not(unix))]
pub fn watch() {}
