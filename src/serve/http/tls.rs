//! TLS on TCP connections, by rustls: certificates that can be read anew, and sessions.
//!
//! A session is a socket like others: its reads and writes wait where the socket below does, and the
//! clock ends it by ending that. Its lock is its connection's own; the clock alone may find it taken,
//! and then leaves it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::error::{Error, Result};

/// What clients may speak on top.
const ALPN: &[u8] = b"http/1.1";
/// The first byte of a TLS record that opens a session.
const HANDSHAKE: u8 = 0x16;

/// A certificate and its key, from files that may be replaced while the server runs.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads a chain of certificates and the key of the first, both as PEM.
    ///
    /// # Errors
    /// [`Error::Usage`] for a file that cannot be read, holds something else, or belongs to another.
    pub fn new(cert: &Path, key: &Path) -> Result<Tls> {
        Ok(Tls {
            config: RwLock::new(config(cert, key)?),
            cert: cert.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Reads both files again, for the connections that follow.
    ///
    /// # Errors
    /// As [`Tls::new`]; what was read before then stays in use.
    pub fn reload(&self) -> Result<()> {
        let config = config(&self.cert, &self.key)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// A session for a new connection, which has not begun.
    ///
    /// # Errors
    /// None that the configuration has not had before.
    pub(super) fn session(&self, socket: TcpStream) -> io::Result<Session> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        Ok(Session {
            socket,
            connection: Mutex::new(connection),
        })
    }
}

fn config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let chain = certificates(cert)?;
    let secret = private_key(key)?;
    let wrong = |error: rustls::Error| {
        let (cert, key) = (cert.display(), key.display());
        let message = match &error {
            rustls::Error::InconsistentKeys(_) => {
                format!("--tls-key {key}: the key is not that of the certificate in {cert}")
            }
            rustls::Error::InvalidCertificate(_) => {
                format!("--tls-cert {cert}: the first certificate is malformed ({error})")
            }
            _ => format!("--tls-key {key}: the key cannot be used ({error})"),
        };
        Error::usage(message)
    };
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(wrong)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let name = format!("--tls-cert {}", path.display());
    let bytes = read(&name, path)?;
    let chain: std::result::Result<Vec<_>, pem::Error> =
        CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(no_pem(&name, "certificate", &bytes).hint(format!(
            "openssl x509 -inform der -in {0} -out cert.pem makes PEM of DER, openssl pkcs12 -in {0} \
             -nokeys -out cert.pem of PKCS #12",
            path.display()
        ))),
        Err(error) => Err(Error::usage(format!("{name}: malformed PEM: {error}"))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let name = format!("--tls-key {}", path.display());
    let bytes = read(&name, path)?;
    if memchr::memmem::find(&bytes, b"ENCRYPTED").is_some() {
        let message =
            format!("{name}: the key is encrypted, and nobody is there to type its password");
        let remedy = format!(
            "openssl pkey -in {} -out key.pem decrypts it",
            path.display()
        );
        return Err(Error::usage(message).hint(remedy));
    }
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(no_pem(&name, "private key", &bytes).hint(format!(
            "openssl pkey -inform der -in {} -out key.pem makes PEM of DER",
            path.display()
        ))),
        Err(error) => Err(Error::usage(format!("{name}: malformed PEM: {error}"))),
    }
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| {
        let error = Error::io("", &source);
        Error::usage(format!("{name}: {error}"))
    })
}

/// A file without what it should hold.
fn no_pem(name: &str, wanted: &str, bytes: &[u8]) -> Error {
    let found = match bytes {
        [] => "nothing",
        // A sequence: what DER and PKCS #12 begin with.
        [0x30, ..] => "DER or PKCS #12",
        _ if memchr::memmem::find(bytes, b"-----BEGIN ").is_some() => "other PEM",
        _ => "something else",
    };
    Error::usage(format!(
        "{name}: expected a {wanted} as PEM (-----BEGIN ...), found {found}"
    ))
}

/// What a client that connects to speak TLS says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Handshake,
    /// A letter, such as a request without TLS begins with.
    Plain,
    /// It has left, or says what nobody does.
    Nothing,
}

/// A TLS session over a socket.
pub(super) struct Session {
    pub(super) socket: TcpStream,
    connection: Mutex<ServerConnection>,
}

impl Session {
    /// Waits for the first byte, and leaves it there.
    pub(super) fn opening(&self) -> Opening {
        let mut first = [0];
        match self.socket.peek(&mut first) {
            Ok(1) if first == [HANDSHAKE] => Opening::Handshake,
            Ok(1) if first[0].is_ascii_alphabetic() => Opening::Plain,
            _ => Opening::Nothing,
        }
    }

    /// Agrees with the client on a session.
    ///
    /// # Errors
    /// They do not agree, which the client is told, or it is gone.
    pub(super) fn shake_hands(&self) -> io::Result<()> {
        let mut connection = self.connection()?;
        while connection.is_handshaking() {
            connection.complete_io(&mut &self.socket)?;
        }
        Ok(())
    }

    /// Whether bytes wait to be written, though everything was said.
    pub(super) fn wants_write(&self) -> bool {
        self.connection()
            .is_ok_and(|connection| connection.wants_write())
    }

    /// Says that nothing follows, as far as the socket takes that.
    pub(super) fn close(&self) {
        if let Ok(mut connection) = self.connection() {
            connection.send_close_notify();
            let _ = send(&mut connection, &self.socket);
        }
    }

    /// # Errors
    /// It is another thread's at this moment: the clock ends the connection.
    fn connection(&self) -> io::Result<MutexGuard<'_, ServerConnection>> {
        match self.connection.try_lock() {
            Ok(connection) => Ok(connection),
            Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// Writes what is encrypted and waits.
fn send(connection: &mut ServerConnection, socket: &TcpStream) -> io::Result<()> {
    while connection.wants_write() {
        match connection.write_tls(&mut &*socket) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error is that a socket would have to wait.
fn would_wait(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl Read for &Session {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut connection = self.connection()?;
        loop {
            match connection.reader().read(into) {
                Err(error) if would_wait(&error) => {}
                // The client left without a word; what it sent has its own end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            match send(&mut connection, &self.socket) {
                Err(error) if !would_wait(&error) => return Err(error),
                _ => {}
            }
            // 0 at the end of the socket, of which the reader then knows.
            connection.read_tls(&mut &self.socket)?;
            if let Err(error) = connection.process_new_packets() {
                let _ = send(&mut connection, &self.socket);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

impl Write for &Session {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut connection = self.connection()?;
        // As much as is kept for a socket that takes nothing now.
        let written = connection.writer().write(bytes)?;
        match send(&mut connection, &self.socket) {
            Err(error) if !would_wait(&error) || written == 0 => Err(error),
            _ if written == 0 && !bytes.is_empty() => {
                // There is room again.
                connection.writer().write(bytes)
            }
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        send(&mut *self.connection()?, &self.socket)
    }
}
