//! How a server starts, where it listens, and how it ends.

use std::io::Read;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use super::{RECORD, Serving, in_tests, serve};
use crate::client::{Client, get};
use crate::run::{Folder, mlserve, model_path};

/// The first half of a request, which is then in flight.
const HALF: &str = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n[5.1,3";

#[test]
fn a_signal_lets_what_is_in_flight_end() {
    for signal in ["-TERM", "-INT"] {
        let serving = Serving::with(&[]);
        let mut idle = serving.connect();
        idle.send(get("/livez"));
        assert_eq!(idle.reply().status, 200);
        let mut working = serving.connect();
        working.send(HALF);
        serving.assert_alive();
        serving.signal(signal);
        idle.assert_closed();
        serving.until_refused();
        working.send(&RECORD[6..]);
        let reply = working.reply();
        assert_eq!(
            (reply.status, reply.field("connection")),
            (200, Some("close"))
        );
        working.assert_closed();
        drop(working);
        let (code, said) = serving.ended();
        assert_eq!(code, 0, "{said}");
        assert!(!said.contains("cut off"), "{said}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let serving = Serving::with(&[]);
    let mut working = serving.connect();
    working.send(HALF);
    serving.assert_alive();
    serving.signal("-TERM");
    serving.until_refused();
    serving.signal("-TERM");
    assert_eq!(serving.ended().0, 128 + 15);
    working.assert_closed();
}

#[test]
fn what_takes_longer_than_the_grace_is_cut_off_and_told_of() {
    let serving = Serving::with(&["--grace-s", "0"]);
    let mut working = serving.connect();
    working.send(HALF);
    serving.assert_alive();
    serving.signal("-TERM");
    working.assert_closed();
    let (code, said) = serving.ended();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("cut off"), "{said}");
}

#[test]
fn what_cannot_be_served_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let outcome = mlserve(&["serve", &model_path("iris"), "-p", &port.to_string()]).run();
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains(&format!("127.0.0.1:{port}")),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome
            .stderr
            .contains("hint: another program listens there"),
        "{}",
        outcome.stderr
    );
    let folder = Folder::with(&[("bad.onnx", b"no model")]);
    for (args, code, words) in [
        (&["bad.onnx", "-p", "0"][..], 3, "bad.onnx"),
        (&["none.onnx", "-p", "0"], 3, "none.onnx"),
        (&["-p", "0"], 2, "no model is named"),
        (
            &["bad.onnx", "--listen", "nowhere"],
            2,
            "expected HOST:PORT",
        ),
        (&["bad.onnx", "-p", "70000"], 2, "70000"),
    ] {
        let outcome = mlserve(&[&["serve"], args].concat()).within(&folder).run();
        assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(words),
            "{args:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn a_unix_socket_is_served_also_where_one_was_left_behind() {
    let folder = Folder::with(&[]);
    let path = folder.file("socket");
    drop(UnixListener::bind(&path).unwrap());
    let place = format!("unix:{}", path.display());
    let serving = Serving::start(&mut serve(&["--listen", &place]));
    let mut client = Client::new(UnixStream::connect(&path).unwrap());
    client.send(get("/readyz"));
    assert_eq!(client.reply().status, 200);
    serving.signal("-TERM");
    client.assert_closed();
    assert_eq!(serving.ended().0, 0);
    assert!(!path.exists());
}

#[test]
fn several_places_are_served_at_once() {
    let folder = Folder::with(&[]);
    let path = folder.file("socket");
    let place = format!("unix:{}", path.display());
    let serving = Serving::start(&mut serve(&["--listen", "127.0.0.1:0", "--listen", &place]));
    serving.assert_alive();
    let mut client = Client::new(UnixStream::connect(&path).unwrap());
    client.send(get("/readyz"));
    assert_eq!(client.reply().status, 200);
    serving.signal("-TERM");
    assert_eq!(serving.ended().0, 0);
}

/// The program with descriptor 3, as systemd starts it: what it is given as its standard input.
fn activated(socket: OwnedFd) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_mlserve"), "serve"]);
    command.arg(model_path("iris"));
    in_tests(&mut command);
    command.stdin(Stdio::from(socket));
    command
}

#[test]
fn sockets_that_systemd_passes_on_are_served_and_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Serving::start(&mut activated(listener.try_clone().unwrap().into()));
    assert_eq!(serving.address, address);
    serving.assert_alive();
    serving.signal("-TERM");
    assert_eq!(serving.ended().0, 0);
    // The socket is systemd's: the next process takes it over, with those who came in between.
    let mut early = Client::connect(address);
    early.send(get("/readyz"));
    let serving = Serving::start(&mut activated(listener.into()));
    assert_eq!(early.reply().status, 200);
    serving.assert_alive();

    let folder = Folder::with(&[]);
    let path = folder.file("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = Serving::start(&mut activated(listener.into()));
    let mut client = Client::new(UnixStream::connect(&path).unwrap());
    client.send(get("/readyz"));
    assert_eq!(client.reply().status, 200);
    serving.signal("-TERM");
    assert_eq!(serving.ended().0, 0);
    assert!(path.exists(), "it is not ours");
}

#[test]
fn what_is_passed_on_and_does_not_listen_is_refused() {
    let folder = Folder::with(&[("file", b"x")]);
    let (one, _other) = UnixStream::pair().unwrap();
    let file = std::fs::File::open(folder.file("file")).unwrap();
    for socket in [OwnedFd::from(one), OwnedFd::from(file)] {
        let mut child = activated(socket).spawn().unwrap();
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
        assert!(
            said.contains("descriptor 3 is no listening socket"),
            "{said}"
        );
    }
}
