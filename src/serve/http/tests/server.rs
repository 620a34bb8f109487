//! A server on a free port with a service for tests.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::client::{Client, FOREVER, get};
use crate::serve::http::listen::Listener;
use crate::serve::http::stop::Stop;
use crate::serve::http::{Ended, Gauges, Limits, serve};
use crate::serve::message::{Asked, Body, Content, Head, Refusal, Reply, Service};

/// Where handlers wait until a test lets them go.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    fn wait(&self, mut until: impl FnMut(&mut (usize, bool)) -> bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(state, FOREVER, |state| !until(state))
            .expect("the gate");
        assert!(!waited.1.timed_out(), "nobody came to the gate");
    }

    /// As a handler: until the gate is open.
    fn pass(&self) {
        self.state.lock().expect("the gate").0 += 1;
        self.changed.notify_all();
        self.wait(|state| state.1);
    }

    /// As a test: until so many handlers have come.
    pub(super) fn until(&self, count: usize) {
        self.wait(|state| state.0 >= count);
    }

    pub(super) fn open(&self) {
        let state = self.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

/// The service: its paths say what it does.
#[derive(Default)]
pub(super) struct Paths {
    pub(super) gate: Gate,
    /// Methods and paths of what was refused as a request.
    pub(super) refused: Mutex<Vec<String>>,
}

impl Paths {
    fn echo<'s>(&'s self, body: &mut dyn Body) -> Reply<'s> {
        match body.whole() {
            Ok(bytes) => Reply::new(200, "text/plain", bytes.to_vec()),
            Err(refusal) => self.refuse(&refusal, None),
        }
    }

    fn count<'s>(&'s self, body: &mut dyn Body) -> Reply<'s> {
        let (mut total, mut piece) = (0, vec![0; 1 << 16]);
        loop {
            match body.read(&mut piece) {
                Ok(0) => return Reply::new(200, "text/plain", total.to_string().into_bytes()),
                Ok(count) => total += count,
                Err(refusal) => return self.refuse(&refusal, None),
            }
        }
    }
}

fn text(status: u16, text: &'static str) -> Reply<'static> {
    Reply::new(status, "text/plain", text.as_bytes())
}

/// Sends back what comes, each piece at once.
fn reflect(body: &mut dyn Body, out: &mut dyn Write) -> io::Result<()> {
    let mut piece = [0; 1024];
    loop {
        let count = body
            .read(&mut piece)
            .map_err(|refusal| io::Error::other(refusal.message))?;
        if count == 0 {
            return Ok(());
        }
        match out.write_all(&piece[..count]).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
                return out.write_all(b"not taken");
            }
            written => written?,
        }
    }
}

fn stream(
    write: impl FnOnce(&mut dyn Body, &mut dyn Write) -> io::Result<()> + 'static,
) -> Reply<'static> {
    Reply {
        content: Content::Stream(Box::new(write)),
        ..text(200, "")
    }
}

impl Service for Paths {
    fn answer<'s>(&'s self, head: &Head<'_>, body: &mut dyn Body) -> Reply<'s> {
        match head.path {
            "/" => text(200, "hello"),
            "/echo" => self.echo(body),
            "/count" => self.count(body),
            "/large" => {
                let length = head.query.parse().expect("a number");
                Reply::new(200, "text/plain", vec![b'x'; length])
            }
            "/reflect" => stream(reflect),
            "/half" => stream(|_, out| {
                out.write_all(b"half")?;
                out.flush()?;
                panic!("in the middle of a stream")
            }),
            "/panic" => panic!("in a handler"),
            "/gate" => {
                self.gate.pass();
                text(200, "passed")
            }
            "/split" => Reply::empty(200)
                .with("X-Split", "a\r\nX-Evil: b")
                .with("X-Fine", "c"),
            "/none" => Reply::empty(204),
            _ => self.refuse(&Refusal::new(404, "not_found", "Not Found"), None),
        }
    }

    fn refuse<'s>(&'s self, refusal: &Refusal, asked: Option<&Asked<'_>>) -> Reply<'s> {
        if let Some(asked) = asked {
            let mut refused = self.refused.lock().expect("a list");
            refused.push(format!("{} {}", asked.method.name(), asked.path));
        }
        let reply = text(refusal.status, refusal.reason);
        match refusal.retry_after_s {
            Some(seconds) => reply.with("Retry-After", seconds.to_string()),
            None => reply,
        }
    }

    fn is_vital(&self, path: &str) -> bool {
        path == "/none"
    }
}

/// A running server, stopped when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) stop: Stop,
    pub(super) gauges: Arc<Gauges>,
    pub(super) service: Arc<Paths>,
    thread: Option<JoinHandle<io::Result<Ended>>>,
}

/// Limits that a test need not wait long for, where it sets one; the others it never meets.
pub(super) fn patient() -> Limits {
    Limits {
        header: FOREVER,
        body: FOREVER,
        idle: FOREVER,
        write: FOREVER,
        handler: None,
        grace: FOREVER,
        ..Limits::default()
    }
}

impl Server {
    pub(super) fn new() -> Server {
        Server::with(patient())
    }

    pub(super) fn with(limits: Limits) -> Server {
        let listener = Listener::bind("127.0.0.1:0").expect("a port");
        let address = listener.address().parse();
        Server::on(listener, address.expect("an address"), limits)
    }

    pub(super) fn on(listener: Listener, address: SocketAddr, limits: Limits) -> Server {
        let (stop, gauges, service) = (Stop::default(), Arc::default(), Arc::default());
        let running = (Arc::clone(&gauges), stop.clone(), Arc::clone(&service));
        let thread = std::thread::spawn(move || {
            let (gauges, stop, service) = running;
            serve(vec![listener], limits, service, gauges, &stop)
        });
        Server {
            address,
            stop,
            gauges,
            service,
            thread: Some(thread),
        }
    }

    pub(super) fn connect(&self) -> Client<TcpStream> {
        Client::connect(self.address)
    }

    /// What comes back for these bytes until the server closes.
    pub(super) fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect();
        client.send(bytes);
        client.rest()
    }

    /// Whether a healthy client is served.
    #[track_caller]
    pub(super) fn assert_alive(&self) {
        let mut client = self.connect();
        client.send(get("/"));
        assert_eq!(client.reply().status, 200);
    }

    /// Waits until this many connections are open.
    #[track_caller]
    pub(super) fn until_connections(&self, count: usize) {
        let started = std::time::Instant::now();
        while self.gauges.connections.load(Ordering::Acquire) != count {
            assert!(started.elapsed() < FOREVER, "connections stay open");
            std::thread::yield_now();
        }
    }

    /// How it ended, once it was told to.
    pub(super) fn ended(mut self) -> Ended {
        let thread = self.thread.take().expect("a thread");
        thread.join().expect("no panic").expect("an end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.begin();
        self.service.gate.open();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
