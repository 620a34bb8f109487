//! Replies that are written while their request still comes.

use super::client::{Client, get};
use super::server::{Server, patient};
use crate::serve::http::Limits;
use std::io::{Read, Write};
use std::time::Duration;

const CHUNKED: &str = "POST /reflect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_reply_flows_while_its_request_arrives() {
    // Streams have no deadline of their own.
    let server = Server::with(Limits {
        handler: Some(Duration::from_millis(1)),
        ..patient()
    });
    let mut client = server.connect();
    client.send(CHUNKED);
    client.until("\r\n\r\n");
    for number in 0..50 {
        client.send(format!("2\r\n{number:02}\r\n"));
        let piece = client.until(&format!("2\r\n{number:02}\r\n"));
        assert_eq!(piece.len(), 7);
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.until("0\r\n\r\n"), b"0\r\n\r\n");
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn a_stream_asks_for_its_body_before_it_replies() {
    let server = Server::new();
    let mut client = server.connect();
    client.send(CHUNKED.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    let asked = client.until("\r\n\r\n");
    assert_eq!(asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("4\r\nbody\r\n0\r\n\r\n");
    assert_eq!(client.reply().text(), "body");
}

#[test]
fn a_stream_to_an_old_client_ends_with_its_connection() {
    let server = Server::new();
    let reply = server
        .send("POST /reflect HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, "body");
    let head = head.to_lowercase();
    assert!(head.contains("connection: close"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
}

#[test]
fn a_stream_that_breaks_off_has_no_last_chunk() {
    let server = Server::new();
    let reply = server.send(get("/half"));
    assert!(reply.ends_with("\r\n\r\n4\r\nhalf\r\n"), "{reply}");
    let mut client = server.connect();
    client.send(CHUNKED);
    client.send("4\r\nbody\r\n");
    client.until("4\r\nbody\r\n");
    client.send("no chunk\r\n");
    client.assert_closed();
    server.assert_alive();
}

#[test]
fn a_stream_whose_client_is_gone_or_silent_ends() {
    let server = Server::with(Limits {
        body: Duration::from_millis(50),
        ..patient()
    });
    let mut silent = server.connect();
    silent.send(CHUNKED);
    let reply = silent.rest();
    assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    let mut gone = server.connect();
    gone.send(CHUNKED);
    drop(gone);
    server.until_connections(0);
}

/// Chunks of 64 KiB of the body.
fn chunk() -> Vec<u8> {
    [b"10000\r\n".as_slice(), &vec![b'a'; 1 << 16], b"\r\n"].concat()
}

#[test]
fn a_client_may_send_everything_before_it_reads() {
    let server = Server::new();
    let mut client = server.connect();
    client.send(CHUNKED);
    // Far more than all buffers of the system hold.
    for _ in 0..400 {
        client.send(chunk());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.reply().body.len(), 400 << 16);
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn who_takes_nothing_is_told_so_once_it_reads() {
    let server = Server::with(Limits {
        write: Duration::from_millis(500),
        reply_bytes: 16 << 20,
        ..patient()
    });
    let mut client = server.connect();
    client.send(CHUNKED);
    for _ in 0..800 {
        client.send(chunk());
    }
    client.send("0\r\n\r\n");
    let body = client.reply().body;
    assert!(body.ends_with(b"not taken"), "{}", body.len());
    assert!((16 << 20..40 << 20).contains(&body.len()), "{}", body.len());
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn who_reads_slowly_is_waited_for() {
    // The body stands still for longer than it may, while its answers are taken.
    let body = Duration::from_secs(1);
    let server = Server::with(Limits { body, ..patient() });
    let mut client = server.connect();
    client.send(CHUNKED);
    for _ in 0..200 {
        client.send(chunk());
    }
    let started = std::time::Instant::now();
    let mut took = 0;
    let mut piece = vec![0; 64 << 10];
    while took < 200 << 16 {
        let count = client.socket.read(&mut piece).expect("more");
        assert!(count > 0, "cut off after {took} bytes");
        took += count;
        while started.elapsed() < body * 2 * (took >> 10) as u32 / (200 << 6) {
            std::thread::yield_now();
        }
    }
    client.send("0\r\n\r\n");
    client.until("0\r\n\r\n");
}

#[test]
fn a_stream_that_nobody_reads_ends() {
    let server = Server::with(Limits {
        write: Duration::from_millis(100),
        reply_bytes: 1 << 20,
        body_bytes: 1 << 20,
        ..patient()
    });
    let client = server.connect();
    let mut sending = Client::new(client.socket.try_clone().expect("a socket"));
    // It sends and does not listen; once all buffers are full, neither does the server.
    let sender = std::thread::spawn(move || {
        let _ = sending.socket.write_all(CHUNKED.as_bytes());
        while sending.socket.write_all(&chunk()).is_ok() {}
    });
    sender.join().expect("an end");
    server.until_connections(0);
    server.assert_alive();
}
