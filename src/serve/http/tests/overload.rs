//! Too many, too slow, too long: one client's cost to the others.

use std::time::Duration;

use super::server::{Server, get, patient};
use crate::serve::http::Limits;

const SOON: Duration = Duration::from_millis(50);

#[test]
fn slow_heads_are_given_up() {
    let server = Server::with(Limits {
        header: SOON,
        ..patient()
    });
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    }
    server.assert_alive();
    for client in &mut clients {
        let reply = client.reply();
        assert_eq!((reply.status, &*reply.text()), (408, "header_timeout"));
        client.assert_closed();
    }
}

#[test]
fn heads_that_trickle_are_given_up_all_the_same() {
    let server = Server::with(Limits {
        header: SOON,
        ..patient()
    });
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\n");
    // Progress is no excuse: one byte after the other until it has had enough.
    use std::io::Write;
    let mut writer = client.socket.try_clone().expect("a socket");
    let trickle = std::thread::spawn(move || while writer.write_all(b"a").is_ok() {});
    let status = client.reply().status;
    // 431 where the bytes were faster than the clock.
    assert!(matches!(status, 408 | 431), "{status}");
    drop(client);
    trickle.join().expect("an end");
}

#[test]
fn connections_that_say_nothing_are_closed() {
    let server = Server::with(Limits {
        idle: SOON,
        ..patient()
    });
    let mut never = server.connect();
    let mut once = server.connect();
    once.send(get("/"));
    assert_eq!(once.reply().text(), "hello");
    let mut blank = server.connect();
    blank.send("\r\n");
    for client in [&mut never, &mut once, &mut blank] {
        client.assert_closed();
    }
    server.until_connections(0);
}

#[test]
fn replies_that_nobody_takes_free_their_thread() {
    let server = Server::with(Limits {
        write: SOON,
        ..patient()
    });
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/large?10000000"));
    }
    server.until_connections(0);
    server.assert_alive();
}

#[test]
fn pipelined_requests_whose_replies_nobody_takes_end() {
    let server = Server::with(Limits {
        write: SOON,
        ..patient()
    });
    use std::io::Write;
    let mut client = server.connect();
    let many = get("/").repeat(1000);
    while client.socket.write_all(many.as_bytes()).is_ok() {}
    server.until_connections(0);
    server.assert_alive();
}

#[test]
fn a_large_reply_is_sent_as_long_as_some_of_it_is_taken() {
    let write = Duration::from_millis(200);
    let server = Server::with(Limits { write, ..patient() });
    let mut client = server.connect();
    client.send(get("/large?24000000"));
    // Slower than the deadline for all of it, much faster for each piece.
    let started = std::time::Instant::now();
    let mut took = 0;
    use std::io::Read;
    let mut piece = vec![0; 64 << 10];
    while took < 24_000_000 {
        let count = client.socket.read(&mut piece).expect("more");
        assert!(count > 0, "cut off after {took} bytes");
        took += count;
        let due = write * 3 * u32::try_from(took >> 10).expect("fits") / (24_000_000 >> 10);
        while started.elapsed() < due {
            std::thread::yield_now();
        }
    }
}

#[test]
fn handlers_that_take_too_long_are_answered_for_once() {
    let server = Server::with(Limits {
        handler: Some(SOON),
        ..patient()
    });
    let mut client = server.connect();
    client.send(get("/gate"));
    let reply = client.reply();
    assert_eq!(reply.status, 504);
    assert!(reply.text().ends_with('}'), "{}", reply.text());
    server.service.gate.until(1);
    server.service.gate.open();
    // Its own reply comes too late, and is not sent.
    client.assert_closed();
    server.until_connections(0);
}

#[test]
fn a_panic_costs_its_own_request() {
    let server = Server::new();
    let mut client = server.connect();
    client.send(get("/panic"));
    let reply = client.reply();
    assert_eq!((reply.status, &*reply.text()), (500, "panic"));
    client.assert_closed();
    server.assert_alive();
}

#[test]
fn more_requests_than_may_be_worked_on_are_told_to_come_back() {
    let server = Server::with(Limits {
        requests: 2,
        ..patient()
    });
    let mut working: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut working {
        client.send(get("/gate"));
    }
    server.service.gate.until(2);
    let mut third = server.connect();
    third.send(get("/"));
    let reply = third.reply();
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    assert_eq!(
        reply.head.matches("retry-after").count(),
        1,
        "{}",
        reply.head
    );
    server.service.gate.open();
    for client in &mut working {
        assert_eq!(client.reply().text(), "passed");
    }
    // On the connection that was told so.
    while {
        third.send(get("/"));
        third.reply().status == 503
    } {}
}

#[test]
fn more_connections_than_there_may_be_are_told_to_come_back() {
    let server = Server::with(Limits {
        connections: 4,
        ..patient()
    });
    let mut working: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut working {
        client.send(get("/gate"));
    }
    server.service.gate.until(4);
    for _ in 0..30 {
        let mut more = server.connect();
        // Whoever has not sent its request yet hears of it, too.
        let reply = more.reply();
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
        more.send(get("/"));
        more.assert_closed();
    }
    server.service.gate.open();
    for client in &mut working {
        assert_eq!(client.reply().text(), "passed");
    }
    drop(working);
    server.until_connections(0);
    server.assert_alive();
}
