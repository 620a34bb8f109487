//! `mlserve serve` as its clients meet it: the built program, asked over sockets.

mod batching;
mod change;
mod drift;
mod hardware;
mod hostile;
mod lifecycle;
mod overload;
mod record;
mod same;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::client::{Client, FOREVER, get, post};
use crate::run::{ROOT, model_path};

/// One record of the iris model, by position.
const RECORD: &str = "[5.1,3.5,1.4,0.2]";

/// A running server, killed when it is dropped.
struct Serving {
    child: Child,
    address: SocketAddr,
    stderr: Option<JoinHandle<String>>,
}

/// The program, about to serve the iris model with `args`.
fn serve(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlserve"));
    command.args(["serve", &model_path("iris")]).args(args);
    in_tests(&mut command);
    command
}

fn in_tests(command: &mut Command) {
    command
        .current_dir(ROOT)
        .env("MLSERVE_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
}

impl Serving {
    /// The iris model, on a free port.
    fn with(args: &[&str]) -> Serving {
        Serving::start(&mut serve(&[&["-p", "0"], args].concat()))
    }

    /// Starts `command` and waits until it says where it listens.
    fn start(command: &mut Command) -> Serving {
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let place = loop {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
            if let Some((_, place)) = said.split_once("http://") {
                break place.split(['/', '\n', ' ']).next().unwrap().to_owned();
            }
            // A Unix socket has no address; whoever asks knows its path.
            if said.contains("unix:") {
                break "0.0.0.0:0".to_owned();
            }
        };
        let rest = move || {
            let _ = stderr.read_to_string(&mut said);
            said
        };
        Serving {
            child,
            address: place.parse().unwrap(),
            stderr: Some(std::thread::spawn(rest)),
        }
    }

    fn connect(&self) -> Client<std::net::TcpStream> {
        Client::connect(self.address)
    }

    /// What comes back for these bytes; the status alone is 0 where it is a close.
    fn ask(&self, bytes: impl AsRef<[u8]>) -> (u16, String) {
        use std::io::Write;
        let mut client = self.connect();
        // It may be closed before all of it is sent.
        let _ = client.socket.write_all(bytes.as_ref());
        client.done();
        let reply = client.rest();
        let status = reply.get(9..12).and_then(|status| status.parse().ok());
        let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.unwrap_or(0), body.to_owned())
    }

    /// Whether a healthy client is served.
    #[track_caller]
    fn assert_alive(&self) {
        let mut client = self.connect();
        client.send(post("/predict", "", RECORD.as_bytes()));
        let reply = client.reply();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains("setosa"), "{}", reply.text());
        client.send(get("/livez"));
        assert_eq!(client.reply().status, 200);
    }

    /// A line of the process' status: megabytes, or a count.
    fn status(&self, name: &str) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let text = line.unwrap().trim_start_matches(':').trim();
        match text.strip_suffix(" kB") {
            Some(kilobytes) => kilobytes.parse::<usize>().unwrap() >> 10,
            None => text.parse().unwrap(),
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until nobody can connect any more.
    fn until_refused(&self) {
        let started = Instant::now();
        while std::net::TcpStream::connect(self.address).is_ok() {
            assert!(started.elapsed() < FOREVER, "it still accepts");
            std::thread::yield_now();
        }
    }

    /// Its exit code (128 + the signal where one ended it), and all it said.
    fn ended(mut self) -> (i32, String) {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.wait().unwrap();
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap());
        (code, self.stderr.take().unwrap().join().unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
