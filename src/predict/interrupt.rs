//! What happens on Ctrl-C and SIGTERM: the unfinished file goes, then the process, with 128 + n.
//!
//! The only process-wide state of the program, for a signal concerns the process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

#[cfg(unix)]
use crate::error::Error;

/// The temporary files to remove.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Calls `create`, and from then on a signal removes the file that it made. A signal in between has
/// to wait.
pub fn remove_on_signal<T>(
    create: impl FnOnce() -> io::Result<T>,
    path: impl Fn(&T) -> &Path,
) -> io::Result<T> {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    let created = create()?;
    unfinished.push(path(&created).to_owned());
    Ok(created)
}

/// The file at `path` is finished or gone: no signal removes it any more.
pub fn no_longer(path: &Path) {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    unfinished.retain(|other| other != path);
}

/// Starts the thread that waits for signals. It needs no cooperation of the threads that read,
/// score or write, any of which may be blocked for ever.
#[cfg(unix)]
pub fn watch() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    // What was ignored when the program started stays ignored: `nohup` and `&` rely on it.
    let ignored = ignored();
    let wanted = [SIGHUP, SIGINT, SIGTERM]
        .into_iter()
        .filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let Ok(mut signals) = signal_hook::iterator::Signals::new(wanted) else {
        return; // Without the handler the system's own takes its place: the process ends.
    };
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
            for path in unfinished.iter() {
                let _ = std::fs::remove_file(path);
            }
            // Still locked, so that no other file can take its place; and at once, without the exit
            // handlers of a runtime that other threads are in the middle of.
            signal_hook::low_level::exit(Error::Signal(signal).exit_code());
        }
    };
    // Where no thread can be had, the run itself is about to say so.
    let _ = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait);
}

/// The set of ignored signals, signal 1 as the lowest bit; where the system has no /proc, the hang-up
/// alone, which is then left to the system.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(1)
}

#[cfg(not(unix))]
pub fn watch() {}
