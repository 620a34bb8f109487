//! Where connections come from: TCP, Unix sockets, or what systemd passes on; and the connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};

use super::tls::{Session, Tls};

/// A bound listener.
pub enum Listener {
    Tcp(TcpListener),
    /// TCP under TLS.
    Tls(TcpListener, Arc<Tls>),
    #[cfg(unix)]
    Unix(UnixListener, UnixPath),
}

/// The path of a Unix socket, which is removed with its listener if we made it.
#[cfg(unix)]
pub struct UnixPath {
    path: PathBuf,
    is_ours: bool,
}

#[cfg(unix)]
impl Drop for UnixPath {
    fn drop(&mut self) {
        if self.is_ours {
            // It may be gone already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A connection.
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<Session>),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Connections that may wait to be accepted.
pub(super) const BACKLOG: i32 = 1024;
impl Listener {
    /// Binds `HOST:PORT` or `unix:PATH`.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is neither; [`Error::Io`] where it cannot be bound.
    pub fn bind(place: &str) -> Result<Listener> {
        if let Some(path) = place.strip_prefix("unix:") {
            return bind_unix(path);
        }
        let port = place.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(Error::usage(format!(
                "--listen {place}: expected HOST:PORT or unix:PATH"
            )));
        }
        let listener = TcpListener::bind(place).map_err(|source| {
            let error = Error::io(place, &source);
            match source.kind() {
                io::ErrorKind::AddrInUse => error
                    .hint("another program listens there; --port takes another port, 0 a free one"),
                _ => error,
            }
        })?;
        #[cfg(unix)]
        super::system::let_wait(listener.as_fd(), BACKLOG);
        Ok(Listener::Tcp(listener))
    }

    /// The listeners that systemd has opened for this process; none where it has not.
    ///
    /// # Errors
    /// [`Error::Usage`] for variables that make no sense.
    pub fn passed_on() -> Result<Vec<Listener>> {
        super::system::passed_on()
    }

    /// The same under TLS, where it is TCP.
    #[must_use]
    pub fn with_tls(self, tls: Option<&Arc<Tls>>) -> Listener {
        match (self, tls) {
            (Listener::Tcp(listener), Some(tls)) => Listener::Tls(listener, Arc::clone(tls)),
            (listener, _) => listener,
        }
    }

    /// Where it listens: `HOST:PORT` with the port that it really has, `https://HOST:PORT` under TLS, or
    /// `unix:PATH`.
    pub fn address(&self) -> String {
        let of = |listener: &TcpListener| {
            let address = listener.local_addr();
            address.map_or(String::new(), |address| address.to_string())
        };
        match self {
            Listener::Tcp(listener) => of(listener),
            Listener::Tls(listener, _) => format!("https://{}", of(listener)),
            #[cfg(unix)]
            Listener::Unix(_, path) => format!("unix:{}", path.path.display()),
        }
    }

    /// Makes [`Listener::accept`] return at once. It could not be woken otherwise: not by a connection
    /// where the descriptors have run out or the path of a Unix socket is gone, and not by a poll,
    /// behind which another process may take what had come.
    pub(super) fn no_waiting(&self) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) | Listener::Tls(listener, _) => listener.set_nonblocking(true),
            #[cfg(unix)]
            Listener::Unix(listener, _) => listener.set_nonblocking(true),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// `WouldBlock` where none waits, and whatever keeps it from being accepted.
    pub(super) fn accept(&self) -> io::Result<Socket> {
        match self {
            Listener::Tcp(listener) => accept_tcp(listener).map(Socket::Tcp),
            Listener::Tls(listener, tls) => {
                let session = tls.session(accept_tcp(listener)?)?;
                Ok(Socket::Tls(Box::new(session)))
            }
            #[cfg(unix)]
            Listener::Unix(listener, _) => {
                let (socket, _) = listener.accept()?;
                #[cfg(not(target_os = "linux"))]
                socket.set_nonblocking(false)?;
                Ok(Socket::Unix(socket))
            }
        }
    }
}

fn accept_tcp(listener: &TcpListener) -> io::Result<TcpStream> {
    let (socket, _) = listener.accept()?;
    // Linux alone does not hand on that its listener does not wait.
    #[cfg(not(target_os = "linux"))]
    socket.set_nonblocking(false)?;
    // Answers are written whole: nothing is gained by waiting for more. A socket that refuses the option
    // is still a connection.
    let _ = socket.set_nodelay(true);
    Ok(socket)
}

#[cfg(unix)]
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) | Listener::Tls(listener, _) => listener.as_fd(),
            Listener::Unix(listener, _) => listener.as_fd(),
        }
    }
}

#[cfg(unix)]
fn bind_unix(path: &str) -> Result<Listener> {
    let listener = match UnixListener::bind(path) {
        // A socket that nobody listens on any more was left behind by a process that was killed.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(Path::new(path)) => {
            std::fs::remove_file(path).and_then(|()| UnixListener::bind(path))
        }
        bound => bound,
    };
    let listener = listener.map_err(|source| Error::io(format!("unix:{path}"), &source))?;
    let path = UnixPath {
        path: PathBuf::from(path),
        is_ours: true,
    };
    Ok(Listener::Unix(listener, path))
}

#[cfg(unix)]
fn is_abandoned(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;

    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|meta| meta.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(refused)
}

#[cfg(not(unix))]
fn bind_unix(path: &str) -> Result<Listener> {
    Err(Error::usage(format!(
        "--listen unix:{path}: this system has no Unix sockets"
    )))
}

#[cfg(unix)]
impl UnixPath {
    /// The path of a socket that another process has made.
    pub(super) fn of_other(path: PathBuf) -> UnixPath {
        UnixPath {
            path,
            is_ours: false,
        }
    }
}

impl Socket {
    /// Ends one or both directions; whoever reads or writes then wakes.
    pub(super) fn shutdown(&self, how: Shutdown) {
        // A connection that is gone needs no end.
        let _ = match self {
            Socket::Tcp(socket) => socket.shutdown(how),
            Socket::Tls(session) => session.socket.shutdown(how),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.shutdown(how),
        };
    }

    /// The session of a connection under TLS.
    pub(super) fn session(&self) -> Option<&Session> {
        match self {
            Socket::Tls(session) => Some(session),
            _ => None,
        }
    }

    /// Says that nothing follows, where the client can hear that but by the end of the connection.
    pub(super) fn say_the_end(&self) {
        if let Some(session) = self.session() {
            // Not waiting for a client that takes nothing.
            self.set_waiting(false);
            session.close();
            self.set_waiting(true);
        }
    }

    /// Whether a read would return at once: something has come, or nothing will.
    pub(super) fn has_something(&self) -> bool {
        #[cfg(unix)]
        return super::system::wait([self.as_fd()], 0);
        #[cfg(not(unix))]
        false
    }

    #[cfg(unix)]
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Tls(session) => session.socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }

    /// Makes calls return at once: for a connection that is about to be closed, and one whose stream
    /// waits for both directions.
    pub(super) fn no_waiting(&self) {
        self.set_waiting(false);
    }

    /// Whether calls wait from now on.
    pub(super) fn set_waiting(&self, waits: bool) {
        let _ = match self {
            Socket::Tcp(socket) => socket.set_nonblocking(!waits),
            Socket::Tls(session) => session.socket.set_nonblocking(!waits),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.set_nonblocking(!waits),
        };
    }

    /// Waits until something can be written, if that is wanted, or read, if that is, but not longer
    /// than `most`; whoever waits so where the system cannot waits a moment.
    pub(super) fn wait(&self, writes: bool, reads: bool, most: Option<Duration>) {
        let writes = writes || matches!(self, Socket::Tls(session) if session.wants_write());
        #[cfg(unix)]
        super::system::wait_for(self.as_fd(), (writes, reads), most);
        #[cfg(not(unix))]
        {
            let _ = (writes, reads);
            let moment = Duration::from_millis(10);
            std::thread::sleep(most.unwrap_or(moment).min(moment));
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&*socket).read(into),
            Socket::Tls(session) => (&**session).read(into),
            #[cfg(unix)]
            Socket::Unix(socket) => (&*socket).read(into),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&*socket).write(bytes),
            Socket::Tls(session) => (&**session).write(bytes),
            #[cfg(unix)]
            Socket::Unix(socket) => (&*socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Tls(session) => (&**session).flush(),
            // They keep nothing back.
            _ => Ok(()),
        }
    }
}
