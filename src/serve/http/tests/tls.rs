//! TLS: sessions with a client of rustls, what is none, and certificates that change.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::client::{Client, get, post};
use super::server::{Server, patient};
use crate::serve::http::Limits;
use crate::serve::http::listen::Listener;
use crate::serve::http::tls::Tls;

const SOON: Duration = Duration::from_millis(50);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

/// A pair of files by its name.
fn pair(name: &str) -> (PathBuf, PathBuf) {
    let of = |kind| fixture(&format!("{name}.{kind}.pem"));
    (of("cert"), of("key"))
}

fn server(tls: &Arc<Tls>, limits: Limits) -> Server {
    let listener = Listener::bind("127.0.0.1:0").expect("a port");
    let address = listener.address().parse().expect("an address");
    let listener = listener.with_tls(Some(tls));
    assert_eq!(listener.address(), format!("https://{address}"));
    Server::on(listener, address, limits)
}

fn first() -> Arc<Tls> {
    let (cert, key) = pair("first");
    Arc::new(Tls::new(&cert, &key).expect("a certificate"))
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts both certificates, and wants to speak `protocols`.
fn connect(server: &Server, protocols: &[&str]) -> Client<Secured> {
    let mut roots = RootCertStore::empty();
    for name in ["first", "second"] {
        let cert = CertificateDer::from_pem_file(pair(name).0).expect("a certificate");
        roots.add(cert).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = protocols.collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    Client::new(StreamOwned::new(connection, server.connect().socket))
}

#[test]
fn requests_and_replies_go_through_a_session() {
    let server = server(&first(), patient());
    let mut client = connect(&server, &["h2", "http/1.1"]);
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
    let protocol = client.socket.conn.alpn_protocol();
    assert_eq!(protocol, Some(&b"http/1.1"[..]));
    let body = b"0123456789".repeat(200_000);
    client.send(post("/echo", "", &body));
    assert_eq!(client.reply().body, body);
    client.send(get("/") + &get("/none") + &get("/large?24000000"));
    assert_eq!(client.reply().text(), "hello");
    assert_eq!(client.reply().status, 204);
    assert_eq!(client.reply().body.len(), 24_000_000);
    // A reply is over before the connection is.
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.reply().text(), "hello");
    client.assert_closed();
}

#[test]
fn streams_go_both_ways_under_tls() {
    let server = server(&first(), patient());
    let mut client = connect(&server, &[]);
    client.send("POST /reflect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for number in 0..20 {
        client.send(format!("2\r\n{number:02}\r\n"));
        client.until(&format!("2\r\n{number:02}\r\n"));
    }
    // Far more than all buffers of the system hold, sent before an answer is read.
    let chunk = [b"10000\r\n".as_slice(), &vec![b'a'; 1 << 16], b"\r\n"].concat();
    for _ in 0..300 {
        client.send(&chunk);
    }
    client.send("0\r\n\r\n");
    let rest = client.until("0\r\n\r\n");
    assert!(rest.iter().filter(|byte| **byte == b'a').count() >= 300 << 16);
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn whoever_speaks_plainly_is_told_so() {
    let server = server(&first(), patient());
    let mut plain = server.connect();
    plain.send(get("/"));
    let reply = plain.reply();
    assert_eq!((reply.status, &*reply.text()), (400, "plain_http"));
    let _ = plain.socket.shutdown(Shutdown::Write);
    plain.assert_closed();
    let mut other = connect(&server, &["h2"]);
    // No protocol in common: the handshake ends.
    assert!(other.socket.write_all(get("/").as_bytes()).is_err());
    for bytes in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        b"\x16\xff\xff\xff\xff",
        b"\x80\x2e\x01\x03\x01",
        b"\0\0\0\0",
    ] {
        let mut client = server.connect();
        client.send(bytes);
        // It may have been closed meanwhile.
        let _ = client.socket.shutdown(Shutdown::Write);
        let _ = client.rest();
    }
    server.until_connections(0);
    let mut client = connect(&server, &[]);
    client.send(get("/"));
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn handshakes_have_the_time_of_a_head() {
    let limits = Limits {
        header: SOON,
        idle: SOON,
        ..patient()
    };
    let server = server(&first(), limits);
    let mut silent = server.connect();
    let mut slow = server.connect();
    slow.send(b"\x16\x03\x01\x02\x00\x01\x00");
    silent.assert_closed();
    // At most an alert.
    assert!(slow.rest().len() < 16);
    server.until_connections(0);
}

#[test]
fn a_handler_that_takes_too_long_is_answered_for_under_tls() {
    let limits = Limits {
        handler: Some(SOON),
        ..patient()
    };
    let server = server(&first(), limits);
    let mut client = connect(&server, &[]);
    client.send(get("/gate"));
    let reply = client.reply();
    assert_eq!((reply.status, &*reply.text()), (504, "timeout"));
    server.service.gate.open();
    server.until_connections(0);
}

#[test]
fn certificates_are_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
    let copy = |(from_cert, from_key): (PathBuf, PathBuf)| {
        fs::copy(from_cert, &cert).expect("a copy");
        fs::copy(from_key, &key).expect("a copy");
    };
    copy(pair("first"));
    let tls = Arc::new(Tls::new(&cert, &key).expect("a certificate"));
    let server = server(&tls, patient());
    let shown = || {
        let mut client = connect(&server, &[]);
        client.send(get("/"));
        assert_eq!(client.reply().text(), "hello");
        let chain = client.socket.conn.peer_certificates().expect("a chain");
        ["first", "second"].into_iter().find(|name| {
            let cert = CertificateDer::from_pem_file(pair(name).0).expect("a certificate");
            chain.first() == Some(&cert)
        })
    };
    let mut kept = connect(&server, &[]);
    kept.send(get("/"));
    assert_eq!(kept.reply().text(), "hello");
    assert_eq!(shown(), Some("first"));
    copy(pair("second"));
    assert_eq!(shown(), Some("first"));
    tls.reload().expect("certificates");
    assert_eq!(shown(), Some("second"));
    // Half replaced: the old ones stay.
    fs::copy(pair("first").1, &key).expect("a copy");
    let error = tls.reload().expect_err("another's key").to_string();
    assert!(error.contains("is not that of the certificate"), "{error}");
    fs::write(&cert, "nothing").expect("a file");
    assert!(tls.reload().is_err());
    assert_eq!(shown(), Some("second"));
    kept.send(get("/"));
    assert_eq!(kept.reply().text(), "hello");
}

#[test]
fn files_that_are_wrong_are_told_of() {
    let (cert, key) = pair("first");
    for (cert, key, told) in [
        ("none.pem", "first.key.pem", "none.pem: "),
        ("first.cert.pem", "none.pem", "none.pem: "),
        ("first.cert.der", "first.key.pem", "found DER or PKCS #12"),
        (
            "first.key.pem",
            "first.key.pem",
            "expected a certificate as PEM (-----BEGIN ...), found other PEM",
        ),
        (
            "first.cert.pem",
            "first.cert.pem",
            "expected a private key as PEM (-----BEGIN ...), found other PEM",
        ),
        (
            "first.cert.pem",
            "encrypted.key.pem",
            "the key is encrypted",
        ),
        (
            "first.cert.pem",
            "second.key.pem",
            "the key is not that of the certificate",
        ),
        ("README.md", "first.key.pem", "found something else"),
    ] {
        let error = Tls::new(&fixture(cert), &fixture(key)).err();
        let error = error.expect("an error").to_string();
        assert!(error.contains(told), "{cert} {key}: {error}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.pem");
    let text = fs::read_to_string(&cert).expect("a file");
    for (text, told) in [
        (String::new(), "found nothing"),
        (text.replace("MII", "AAA"), "malformed"),
        (
            text.replace("-----END CERTIFICATE-----", ""),
            "malformed PEM",
        ),
    ] {
        fs::write(&broken, text).expect("a file");
        let error = Tls::new(&broken, &key).err().expect("an error");
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn who_connects_beyond_the_cap_is_closed() {
    let limits = Limits {
        connections: 1,
        ..patient()
    };
    let server = server(&first(), limits);
    let mut client = connect(&server, &[]);
    client.send(get("/gate"));
    server.service.gate.until(1);
    let mut more = server.connect();
    let mut nothing = Vec::new();
    let _ = more.socket.read_to_end(&mut nothing);
    assert!(nothing.is_empty());
    server.service.gate.open();
    assert_eq!(client.reply().text(), "passed");
}
