//! What only the operating system knows: how many descriptors there may be, which it passed on, and
//! whether something has come.

#![cfg_attr(
    unix,
    expect(
        unsafe_code,
        reason = "poll, listen and getrlimit, and descriptors that systemd passes on"
    )
)]

use crate::error::Result;

use super::listen::Listener;

/// Descriptors that this process may have open at once.
#[cfg(unix)]
pub(super) fn descriptors() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the one struct that the call fills.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0;
    match failed {
        true => 1024,
        false => usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX),
    }
}

#[cfg(not(unix))]
pub(super) fn descriptors() -> usize {
    usize::MAX
}

/// Waits until one of `fds` can be read, or is broken, for `most_ms` milliseconds, -1 for ever.
#[cfg(unix)]
pub(super) fn wait<const N: usize>(fds: [std::os::fd::BorrowedFd<'_>; N], most_ms: i32) -> bool {
    use std::os::fd::AsRawFd;

    let mut polled = fds.map(|fd| libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    // The type of a count of descriptors is not the same everywhere.
    let count = polled.len() as libc::nfds_t;
    // SAFETY: `polled` is an array of so many structs, which outlives the call, and its descriptors
    // are open for as long as they are borrowed.
    unsafe { libc::poll(polled.as_mut_ptr(), count, most_ms) > 0 }
}

/// Waits until `fd` can be written or read, as is wanted, or is broken, or `most` is over.
#[cfg(unix)]
pub(super) fn wait_for(
    fd: std::os::fd::BorrowedFd<'_>,
    (writes, reads): (bool, bool),
    most: Option<std::time::Duration>,
) {
    use std::os::fd::AsRawFd;

    let of = |wanted, event| if wanted { event } else { 0 };
    let mut polled = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: of(writes, libc::POLLOUT) | of(reads, libc::POLLIN),
        revents: 0,
    };
    let most_ms = most.map_or(-1, |most| i32::try_from(most.as_millis()).unwrap_or(-1));
    // SAFETY: as in `wait`, with one descriptor.
    unsafe { libc::poll(&raw mut polled, 1, most_ms) };
}

/// Lets this many connections wait to be accepted; the standard library asks for 128, of which a
/// crowd that comes at once needs more.
#[cfg(unix)]
pub(super) fn let_wait(listener: std::os::fd::BorrowedFd<'_>, count: i32) {
    use std::os::fd::AsRawFd;

    // SAFETY: the descriptor is open, and a listener may be told so again (listen(2)); one that
    // cannot is as it was.
    unsafe { libc::listen(listener.as_raw_fd(), count) };
}

/// The listeners of systemd's socket activation (sd_listen_fds(3)): descriptors from 3 on, as many as
/// LISTEN_FDS says, if LISTEN_PID is this process.
#[cfg(unix)]
pub(super) fn passed_on() -> Result<Vec<Listener>> {
    use crate::error::Error;

    let number = |name: &str| -> Result<Option<u32>> {
        let Ok(text) = std::env::var(name) else {
            return Ok(None);
        };
        let wrong = |_| Error::usage(format!("{name} is \"{text}\", not a number"));
        text.parse().map(Some).map_err(wrong)
    };
    let (Some(process), Some(count)) = (number("LISTEN_PID")?, number("LISTEN_FDS")?) else {
        return Ok(Vec::new());
    };
    if process != std::process::id() {
        return Ok(Vec::new());
    }
    (3..3 + count.min(64))
        .map(|fd| of_descriptor(fd.cast_signed()))
        .collect()
}

#[cfg(not(unix))]
pub(super) fn passed_on() -> Result<Vec<Listener>> {
    Ok(Vec::new())
}

/// The listener behind descriptor `fd`, which is owned from here on.
#[cfg(unix)]
fn of_descriptor(fd: std::os::fd::RawFd) -> Result<Listener> {
    use std::net::TcpListener;
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::os::unix::net::UnixListener;

    use super::listen::UnixPath;
    use crate::error::Error;

    // SAFETY: the call only looks at the descriptor, whatever it is.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(Error::usage(format!(
            "LISTEN_FDS: descriptor {fd} is not open"
        )));
    }
    if !is_listening(fd) {
        return Err(Error::usage(format!(
            "LISTEN_FDS: descriptor {fd} is no listening socket"
        )));
    }
    // SAFETY: it is open, and by the contract of LISTEN_FDS it is this process' own and nobody else's
    // here: this is called once, before any other thread is started.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    let unix = UnixListener::from(owned);
    match unix.local_addr() {
        Ok(address) => {
            let path = address.as_pathname().map(std::path::Path::to_owned);
            let path = UnixPath::of_other(path.unwrap_or_default());
            Ok(Listener::Unix(unix, path))
        }
        // Its address is none of a Unix socket.
        Err(_) => {
            let tcp = TcpListener::from(OwnedFd::from(unix));
            match tcp.local_addr() {
                Ok(_) => Ok(Listener::Tcp(tcp)),
                Err(source) => Err(Error::usage(format!(
                    "LISTEN_FDS: descriptor {fd} is no listening socket ({source})"
                ))),
            }
        }
    }
}

/// Whether `fd` is a socket that connections can be accepted from.
#[cfg(unix)]
fn is_listening(fd: std::os::fd::RawFd) -> bool {
    let mut listens: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the places of the answer and of its length are valid for the call, which looks at
    // any descriptor.
    let failed = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut listens).cast(),
            &raw mut length,
        )
    } != 0;
    !failed && listens != 0
}
