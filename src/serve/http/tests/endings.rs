//! How a server stops, and where it listens.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use crate::serve::auth::Auth;

use super::client::{Client, FOREVER, get};
use super::server::{Server, patient};
use crate::serve::http::listen::Listener;
use crate::serve::http::{Ended, Limits};

#[test]
fn idle_connections_are_closed_and_requests_are_finished() {
    let server = Server::new();
    let mut idle = server.connect();
    idle.send(get("/"));
    assert_eq!(idle.reply().text(), "hello");
    let mut working = server.connect();
    working.send(get("/gate"));
    let mut pipelined = server.connect();
    pipelined.send(get("/gate") + &get("/"));
    server.service.gate.until(2);
    server.stop.begin();
    idle.assert_closed();
    server.service.gate.open();
    let reply = working.reply();
    assert_eq!(
        (&*reply.text(), reply.field("connection")),
        ("passed", Some("close"))
    );
    working.assert_closed();
    let reply = pipelined.reply();
    assert_eq!(
        (&*reply.text(), reply.field("connection")),
        ("passed", Some("close"))
    );
    let address = server.address;
    assert_eq!(server.ended(), Ended::All);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_request_that_was_sent_before_the_end_is_answered() {
    for _ in 0..30 {
        let server = Server::new();
        // Some are still in the queue of the listener, some were accepted, none was read.
        let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(get("/"));
        }
        server.stop.begin();
        for client in &mut clients {
            assert_eq!(client.reply().text(), "hello");
        }
        drop(clients);
        assert_eq!(server.ended(), Ended::All);
    }
}

#[test]
fn what_takes_longer_than_the_grace_is_cut_off() {
    let server = Server::with(Limits {
        grace: Duration::from_millis(50),
        ..patient()
    });
    let mut client = server.connect();
    client.send(get("/gate"));
    server.service.gate.until(1);
    server.stop.begin();
    client.assert_closed();
    let service = std::sync::Arc::clone(&server.service);
    assert_eq!(server.ended(), Ended::Some(1));
    service.gate.open();
}

#[test]
fn a_server_ends_when_nobody_is_connected() {
    for _ in 0..20 {
        let server = Server::new();
        let started = Instant::now();
        server.stop.begin();
        assert_eq!(server.ended(), Ended::All);
        assert!(started.elapsed() < FOREVER / 2);
    }
    let server = Server::new();
    // Twice is as good as once.
    server.stop.begin();
    server.stop.begin();
    assert_eq!(server.ended(), Ended::All);
}

fn unix(path: &std::path::Path) -> Server {
    let place = format!("unix:{}", path.display());
    let listener = Listener::bind(&place).expect("a socket");
    assert_eq!(listener.address(), place);
    // Other machines cannot reach it.
    assert_eq!(Auth::default().warning(&[listener.address()]), None);
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    Server::on(listener, nowhere, patient())
}

#[test]
fn unix_sockets_are_served_and_cleared_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    // Left behind by a process that was killed.
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let server = unix(&path);
    let socket = UnixStream::connect(&path).expect("a connection");
    let mut client = Client::new(socket);
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
    // One that is in use is not taken away.
    let again = Listener::bind(&format!("unix:{}", path.display()));
    assert!(again.is_err());
    server.stop.begin();
    client.assert_closed();
    assert_eq!(server.ended(), Ended::All);
    assert!(!path.exists());
}

#[test]
fn a_server_ends_though_its_unix_socket_was_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let server = unix(&path);
    // Served, so that it waits for the next connection.
    let mut client = Client::new(UnixStream::connect(&path).expect("a connection"));
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
    std::fs::remove_file(&path).expect("removed");
    server.stop.begin();
    assert_eq!(server.ended(), Ended::All);
}

#[test]
fn a_file_is_never_taken_for_an_old_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").expect("written");
    assert!(Listener::bind(&format!("unix:{}", path.display())).is_err());
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "data");
}

#[test]
fn places_that_are_none_are_usage_errors_and_taken_ones_are_not() {
    for place in ["", "8080", "localhost", "localhost:http", "localhost:70000"] {
        let error = Listener::bind(place).err().expect("an error");
        assert_eq!(error.exit_code(), 2, "{place}");
    }
    let taken = Listener::bind("127.0.0.1:0").expect("a port");
    let place = taken.address();
    let error = Listener::bind(&place).err().expect("an error");
    assert_eq!(error.exit_code(), 4);
}
