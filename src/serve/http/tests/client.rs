//! A client that speaks bytes, for tests beside the code and of the program alike.

#![allow(dead_code, reason = "not all tests need all of it")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// What any wait of a test may take before it counts as for ever.
pub(crate) const FOREVER: Duration = Duration::from_secs(20);

/// A reply taken apart.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A connection of a test's.
pub(crate) struct Client<S> {
    pub(crate) socket: S,
    came: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(socket: S) -> Client<S> {
        Client {
            socket,
            came: Vec::new(),
        }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("sent");
    }

    /// Reads more; whether there was more.
    pub(crate) fn more(&mut self) -> bool {
        let mut piece = vec![0; 1 << 16];
        match self.socket.read(&mut piece) {
            Ok(count) => {
                self.came.extend_from_slice(&piece[..count]);
                count > 0
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}, after {} bytes", self.came.len()),
        }
    }

    /// All that still comes.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.came)).into_owned()
    }

    /// The next bytes up to and with `end`.
    pub(crate) fn until(&mut self, end: &str) -> Vec<u8> {
        loop {
            let found = memchr::memmem::find(&self.came, end.as_bytes());
            if let Some(at) = found {
                return self.came.drain(..at + end.len()).collect();
            }
            let came = String::from_utf8_lossy(&self.came).into_owned();
            assert!(self.more(), "no {end:?} in {came:?}");
        }
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.came.len() < count {
            assert!(self.more(), "cut off");
        }
        self.came.drain(..count).collect()
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> Received {
        self.reply_to("GET")
    }

    /// The next reply to a request of this method.
    pub(crate) fn reply_to(&mut self, method: &str) -> Received {
        let head = self.until("\r\n\r\n");
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let mut received = Received {
            status: head[9..12].parse().expect("a status"),
            head,
            body: Vec::new(),
        };
        if received.status == 204 || received.status < 200 || method == "HEAD" {
            return received;
        }
        if received.field("transfer-encoding") == Some("chunked") {
            loop {
                let size = String::from_utf8(self.until("\r\n")).expect("text");
                let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
                let chunk = self.bytes(size);
                received.body.extend(chunk);
                assert_eq!(self.until("\r\n"), b"\r\n");
                if size == 0 {
                    return received;
                }
            }
        }
        let length = received.field("content-length").expect("a length");
        received.body = self.bytes(length.parse().expect("a number"));
        received
    }

    /// Whether the server has closed, with nothing more said.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        assert_eq!(self.rest(), "");
    }
}

impl Client<TcpStream> {
    pub(crate) fn connect(address: SocketAddr) -> Client<TcpStream> {
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_read_timeout(Some(FOREVER)).expect("a timeout");
        socket.set_write_timeout(Some(FOREVER)).expect("a timeout");
        Client::new(socket)
    }

    /// The status of the next reply, of which no more is read than that.
    pub(crate) fn peek_status(&self) -> u16 {
        let mut line = [0; 12];
        while self.socket.peek(&mut line).expect("a reply") < line.len() {}
        let status = std::str::from_utf8(&line[9..]).expect("text");
        status.parse().expect("a status")
    }

    /// Whether something can be read.
    pub(crate) fn has_reply(&self) -> bool {
        self.socket.set_nonblocking(true).expect("no waiting");
        let has_reply = self.socket.peek(&mut [0]).is_ok();
        self.socket.set_nonblocking(false).expect("waiting");
        has_reply
    }

    /// Whether the server is too busy to answer, or has closed.
    pub(crate) fn is_turned_away(&mut self) -> bool {
        while self.came.len() < 12 {
            if !self.more() {
                return true;
            }
        }
        self.came[9..12] == *b"503"
    }

    pub(crate) fn done(&self) {
        self.socket.shutdown(Shutdown::Write).expect("half closed");
    }
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A request with one.
pub(crate) fn post(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
