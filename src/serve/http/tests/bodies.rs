//! Bodies: chunked, packed, announced, too large, withheld.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::server::{Server, get, patient, post};
use crate::serve::http::Limits;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(50);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("bytes")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("bytes")
}

fn chunked(path: &str, fields: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut out =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}Transfer-Encoding: chunked\r\n\r\n")
            .into_bytes();
    for chunk in body.chunks(size) {
        out.extend(format!("{:x}\r\n", chunk.len()).bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[test]
fn bodies_in_every_coding_are_the_same_body() {
    let server = Server::new();
    let mut client = server.connect();
    let body = b"the same bytes again and again ".repeat(2000);
    let gzip_field = "Content-Encoding: gzip\r\n";
    let deflate_field = "Content-Encoding: deflate\r\n";
    let two_members = [gzip(&body[..100]), gzip(&body[100..])].concat();
    for request in [
        post("/echo", "", &body),
        chunked("/echo", "", &body, 1),
        chunked("/echo", "", &body, 1000),
        chunked("/echo", "", &body, 1 << 20),
        post("/echo", gzip_field, &gzip(&body)),
        post("/echo", gzip_field, &two_members),
        post("/echo", deflate_field, &zlib(&body)),
        chunked("/echo", gzip_field, &gzip(&body), 7),
        chunked("/echo", deflate_field, &zlib(&body), 7),
    ] {
        client.send(request);
        let reply = client.reply();
        assert_eq!((reply.status, reply.body == body), (200, true));
        // The connection stays in step.
        client.send(get("/"));
        assert_eq!(client.reply().text(), "hello");
    }
}

#[test]
fn replies_are_packed_for_those_who_accept_it() {
    let server = Server::new();
    let mut client = server.connect();
    for (accept, coding) in [
        ("gzip", Some("gzip")),
        ("deflate", Some("deflate")),
        ("br", None),
    ] {
        client.send(format!(
            "GET /large?100000 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accept}\r\n\r\n"
        ));
        let reply = client.reply();
        assert_eq!(reply.field("content-encoding"), coding);
        assert_eq!(reply.field("vary"), Some("accept-encoding"));
        assert_eq!(reply.body.len() < 1000, coding.is_some());
    }
    client.send("GET /large?100 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(client.reply().text().len(), 100);
}

#[test]
fn broken_codings_are_told_of() {
    let server = Server::new();
    let whole = gzip(b"body");
    for (request, status) in [
        (post("/echo", "Content-Encoding: br\r\n", b"x"), 415),
        (post("/echo", "Content-Encoding: gzip, gzip\r\n", b"x"), 415),
        (post("/echo", "Content-Encoding: gzip\r\n", b"plain"), 400),
        (
            post("/echo", "Content-Encoding: gzip\r\n", &whole[..10]),
            400,
        ),
        (
            post(
                "/echo",
                "Content-Encoding: gzip\r\n",
                &[&whole[..], b"rest"].concat(),
            ),
            400,
        ),
        (
            post(
                "/echo",
                "Content-Encoding: deflate\r\n",
                &[&zlib(b"body")[..], b"rest"].concat(),
            ),
            400,
        ),
        (post("/echo", "Content-Encoding: deflate\r\n", &whole), 400),
        (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_vec(),
            400,
        ),
        (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 2\r\n".to_vec(),
            400,
        ),
    ] {
        let mut client = server.connect();
        let text = String::from_utf8_lossy(&request).into_owned();
        client.send(request);
        assert_eq!(client.reply().status, status, "{text}");
    }
    server.assert_alive();
}

#[test]
fn a_million_chunks_of_one_byte_cost_as_much_as_their_bytes() {
    let server = Server::new();
    let body = vec![b'a'; 1_000_000];
    let (mut least, mut most) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        for (count, best) in [(100_000, &mut least), (1_000_000, &mut most)] {
            let mut client = server.connect();
            let started = Instant::now();
            client.send(chunked("/count", "", &body[..count], 1));
            assert_eq!(client.reply().text(), count.to_string());
            *best = started.elapsed().min(*best);
        }
    }
    // Ten times the chunks; quadratic would be a hundred times the time.
    assert!(
        most < least * 40 + Duration::from_millis(200),
        "{least:?} {most:?}"
    );
}

#[test]
fn an_endless_line_of_a_chunk_is_not_kept() {
    let server = Server::new();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    // The server stops listening long before the end.
    let _ = client.socket.write_all(&vec![b'x'; 1 << 20]);
    assert_eq!(client.reply().status, 400);
}

#[test]
fn a_body_is_asked_for_only_when_it_is_wanted() {
    let server = Server::with(Limits {
        body_bytes: 1000,
        ..patient()
    });
    let head = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut client = server.connect();
    client.send(head("/echo", 4));
    assert_eq!(client.until("\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    assert_eq!(client.reply().text(), "body");
    // With the body right behind it nothing need be asked.
    client.send([head("/echo", 4).as_bytes(), b"body"].concat());
    assert_eq!(client.reply().text(), "body");
    for (path, length, status) in [("/nothing", 4, 404), ("/echo", 1001, 413)] {
        let mut client = server.connect();
        client.send(head(path, length));
        let reply = client.reply();
        assert_eq!(reply.status, status);
        // The client may send the body or not: nobody can tell what comes next.
        assert_eq!(reply.field("connection"), Some("close"));
    }
}

#[test]
fn bodies_too_large_are_refused_before_they_come() {
    let server = Server::with(Limits {
        body_bytes: 100_000,
        ..patient()
    });
    for length in [
        "100001",
        "4611686018427387904",
        "9223372036854775807",
        "18446744073709551615",
        "999999999999999999999999999999",
    ] {
        for (path, status) in [("/echo", 413), ("/nothing", 404)] {
            let mut client = server.connect();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
            ));
            let reply = client.reply();
            assert_eq!(reply.status, status, "{length}");
            assert_eq!(reply.field("connection"), Some("close"));
        }
    }
    let sized = |size: usize| chunked("/echo", "", &vec![b'a'; size], 1000);
    let packed = |size: usize| post("/echo", "Content-Encoding: gzip\r\n", &gzip(&vec![0; size]));
    for (request, status) in [
        (sized(100_000), 200),
        (sized(100_001), 413),
        (packed(100_000), 200),
        (packed(100_001), 413),
        (post("/echo", "", &vec![0; 100_000]), 200),
    ] {
        let mut client = server.connect();
        client.send(request);
        assert_eq!(client.reply().status, status);
    }
}

#[test]
fn an_upload_that_is_refused_hears_why() {
    let server = Server::with(Limits {
        body_bytes: 1 << 20,
        ..patient()
    });
    // Without Expect, the body is on its way while the reply is: a reset would take the reply along.
    for _ in 0..5 {
        let mut client = server.connect();
        client.send(post("/echo", "", &vec![b'a'; 16 << 20]));
        assert_eq!(client.reply().status, 413);
    }
}

#[test]
fn what_is_packed_to_nothing_is_unpacked_to_the_limit_only() {
    let server = Server::with(Limits {
        body_bytes: 1 << 20,
        ..patient()
    });
    // A thousandth of what it says: 640 MB in all, behind the first megabyte nobody looks.
    let member = gzip(&vec![0; 16 << 20]);
    let bomb = member.repeat(40);
    assert!(bomb.len() < 1 << 20);
    let mut client = server.connect();
    client.send(post("/echo", "Content-Encoding: gzip\r\n", &bomb));
    let reply = client.reply();
    assert_eq!((reply.status, &*reply.text()), (413, "body_too_large"));
    // Members that hold nothing give nothing, one after the other.
    let empty = gzip(b"").repeat(20_000);
    let mut client = server.connect();
    client.send(post("/echo", "Content-Encoding: gzip\r\n", &empty));
    assert_eq!(client.reply().text(), "");
}

#[test]
fn withheld_bodies_are_given_up() {
    let server = Server::with(Limits {
        body: SOON,
        ..patient()
    });
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    }
    server.assert_alive();
    for client in &mut clients {
        let reply = client.reply();
        assert_eq!((reply.status, &*reply.text()), (408, "body_timeout"));
        client.assert_closed();
    }
    // As is what is left of one that the service has no use for.
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(client.reply().text(), "hello");
    client.assert_closed();
}

#[test]
fn a_body_cut_off_is_told_of() {
    let server = Server::new();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    client.done();
    let reply = client.reply();
    assert_eq!((reply.status, &*reply.text()), (400, "body_incomplete"));
}

#[test]
fn bodies_that_nobody_reads_do_not_become_requests() {
    let server = Server::new();
    let mut client = server.connect();
    let request = get("/echo");
    client.send(post("/", "", request.repeat(100).as_bytes()));
    assert_eq!(client.reply().text(), "hello");
    client.send(get("/none"));
    assert_eq!(client.reply().status, 204);
}
