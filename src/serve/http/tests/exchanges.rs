//! One request after the other on a connection, and what each version of HTTP expects.

use super::server::{Server, get, post};

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::new();
    let mut client = server.connect();
    let mut all = Vec::new();
    for number in 0..500 {
        all.extend(post("/echo", "", format!("number {number}").as_bytes()));
        all.extend(get("/nothing").as_bytes());
    }
    let mut sending = super::server::Client::new(client.socket.try_clone().expect("a socket"));
    let sender = std::thread::spawn(move || sending.send(all));
    for number in 0..500 {
        assert_eq!(client.reply().text(), format!("number {number}"));
        assert_eq!(client.reply().status, 404);
    }
    sender.join().expect("sent");
}

#[test]
fn connections_opened_at_one_instant_are_all_answered() {
    let server = Server::new();
    for _ in 0..20 {
        let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(get("/"));
        }
        for client in &mut clients {
            assert_eq!(client.reply().text(), "hello");
        }
    }
}

#[test]
fn threads_that_wait_take_the_connections_that_follow() {
    let server = Server::new();
    for _ in 0..200 {
        let reply = server.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(reply.ends_with("\r\n\r\nhello"), "{reply}");
    }
}

#[test]
fn a_connection_lasts_as_long_as_its_version_says() {
    let server = Server::new();
    for (request, connection, is_kept) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None, true),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Some("close"),
            false,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
            Some("close"),
            false,
        ),
        ("GET / HTTP/1.0\r\n\r\n", Some("close"), false),
        (
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            Some("keep-alive"),
            true,
        ),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
            Some("close"),
            false,
        ),
    ] {
        let mut client = server.connect();
        client.send(request);
        let reply = client.reply();
        assert_eq!(reply.text(), "hello", "{request:?}");
        assert_eq!(reply.field("connection"), connection, "{request:?}");
        let version = &request.to_lowercase()[6..14];
        assert!(reply.head.starts_with(version), "{}", reply.head);
        if is_kept {
            client.send(get("/"));
            assert_eq!(client.reply().text(), "hello", "{request:?}");
        } else {
            client.assert_closed();
        }
    }
}

#[test]
fn the_head_alone_is_sent_to_head() {
    let server = Server::new();
    let mut client = server.connect();
    for path in ["/", "/large?100000", "/reflect", "/nothing"] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply_to("HEAD");
        let length = match path {
            "/" => Some("5"),
            "/large?100000" => Some("100000"),
            "/nothing" => Some("9"),
            _ => None,
        };
        assert_eq!(reply.field("content-length"), length, "{path}");
    }
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn a_reply_without_content_has_no_length() {
    let server = Server::new();
    let mut client = server.connect();
    client.send(get("/none"));
    let reply = client.reply();
    assert_eq!((reply.status, reply.field("content-length")), (204, None));
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn no_header_field_of_a_reply_makes_another() {
    let server = Server::new();
    let mut client = server.connect();
    client.send(get("/split"));
    let reply = client.reply();
    assert_eq!(reply.field("x-evil"), None, "{}", reply.head);
    assert_eq!(reply.field("x-fine"), Some("c"));
}

#[test]
fn what_is_no_request_is_told_so_once_and_closed() {
    let server = Server::new();
    let long = "a".repeat(20_000);
    for (bytes, status) in [
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\n".to_owned(), 400),
        ("\r\n\r\n\r\n\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nX: {long}"), 431),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200)),
            431,
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
                .to_owned(),
            400,
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 31\r\n\r\n\
             GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                .to_owned(),
            400,
        ),
    ] {
        let mut client = server.connect();
        client.send(&bytes);
        let reply = client.reply();
        assert_eq!(reply.status, status, "{bytes:.60?}");
        assert_eq!(reply.field("connection"), Some("close"));
        client.assert_closed();
    }
    server.assert_alive();
}

#[test]
fn a_blank_line_after_a_body_is_no_request() {
    let server = Server::new();
    let mut client = server.connect();
    client.send([&post("/echo", "", b"body")[..], b"\r\n"].concat());
    assert_eq!(client.reply().text(), "body");
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn what_is_pipelined_behind_the_last_request_does_not_reset_its_reply() {
    let server = Server::new();
    let many = get("/").repeat(2000);
    for _ in 0..20 {
        let reply = server.send(format!(
            "GET /large?300000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{many}"
        ));
        assert!(reply.ends_with(&"x".repeat(300_000)), "{}", reply.len());
    }
}
