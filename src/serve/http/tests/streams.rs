//! Replies that are written while their request still comes.

use super::server::{Server, get, patient};
use crate::serve::http::Limits;
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
    client.send("4\r\nbody\r\nno chunk\r\n");
    let reply = client.rest();
    assert!(reply.ends_with("4\r\nbody\r\n"), "{reply}");
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

#[test]
fn a_stream_that_nobody_reads_ends() {
    let server = Server::with(Limits {
        write: Duration::from_millis(100),
        ..patient()
    });
    let client = server.connect();
    let mut sending = super::server::Client::new(client.socket.try_clone().expect("a socket"));
    // It sends and does not listen; once all buffers are full, neither does the server.
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        let _ = sending.socket.write_all(CHUNKED.as_bytes());
        let chunk = [b"10000\r\n".as_slice(), &vec![b'a'; 1 << 16], b"\r\n"].concat();
        while sending.socket.write_all(&chunk).is_ok() {}
    });
    sender.join().expect("an end");
    server.until_connections(0);
    server.assert_alive();
}
