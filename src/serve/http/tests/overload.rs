//! Too many, too slow, too long: one client's cost to the others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::client::{FOREVER, get, post};
use super::server::{Server, patient};
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
    assert_eq!((reply.status, &*reply.text()), (504, "timeout"));
    assert_eq!(reply.field("connection"), Some("close"));
    let refused = server.service.refused.lock().expect("a list").clone();
    assert_eq!(refused, ["GET /gate"]);
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
fn who_waits_for_its_client_takes_no_place() {
    let server = Server::with(Limits {
        requests: 2,
        ..patient()
    });
    let in_flight = |count: usize| {
        let started = std::time::Instant::now();
        while server.gauges.in_flight.load(Ordering::Acquire) != count {
            assert!(started.elapsed() < FOREVER, "never {count} in flight");
            std::thread::yield_now();
        }
    };
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha";
    let mut withheld: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let mut streams: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut withheld {
        client.send(head);
    }
    for client in &mut streams {
        client.send(
            "POST /reflect HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nConnection: close\r\n\r\nhalf",
        );
        client.until("half\r\n");
    }
    in_flight(0);
    server.assert_alive();
    in_flight(0);
    // Both places are taken: what has its body now comes too late, but for what tells of health.
    let mut working: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut working {
        client.send(get("/gate"));
    }
    server.service.gate.until(2);
    for (client, status) in withheld.iter_mut().take(2).zip([503, 503]) {
        client.send("lf");
        let reply = client.reply();
        assert_eq!(
            (reply.status, reply.field("retry-after")),
            (status, Some("1"))
        );
    }
    let mut other = server.connect();
    for (path, status) in [("/none", 204), ("/", 503), ("/none", 204)] {
        other.send(get(path));
        assert_eq!(other.reply().status, status, "{path}");
    }
    // A stream that was let in goes on.
    streams[0].send("half");
    assert!(streams[0].rest().contains("half"));
    server.service.gate.open();
    for client in &mut working {
        assert_eq!(client.reply().text(), "passed");
    }
    in_flight(0);
    // On the connections that were told so, as well.
    for client in &mut withheld[..2] {
        client.send(post("/echo", "", b"half"));
        assert_eq!(client.reply().text(), "half");
    }
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

#[test]
fn a_crowd_that_says_nothing_does_not_keep_others_out() {
    let server = Server::with(Limits {
        connections: 8,
        ..patient()
    });
    let mut asked = server.connect();
    asked.send(get("/"));
    assert_eq!(asked.reply().text(), "hello");
    for _ in 0..10 {
        // Each time one more crowd than there is room for, and somebody who asks.
        let _crowd: Vec<_> = (0..12).map(|_| server.connect()).collect();
        let mut client = server.connect();
        client.send(get("/"));
        while client.is_turned_away() {
            client = server.connect();
            client.send(get("/"));
        }
        // Those who never asked go first.
        asked.send(get("/"));
        assert_eq!(asked.reply().text(), "hello");
    }
}

#[test]
fn large_replies_that_nobody_takes_share_a_bound() {
    // 64 MiB in all, whatever the limits.
    let server = Server::with(Limits {
        body_bytes: 1 << 20,
        ..patient()
    });
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/large?16000000"));
    }
    let statuses: Vec<u16> = clients
        .iter_mut()
        .map(|client| client.peek_status())
        .collect();
    let answered = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert_eq!((answered, refused), (4, 16));
    // Small ones are not held up by them.
    server.assert_alive();
    drop(clients);
    server.until_connections(0);
    let mut client = server.connect();
    client.send(get("/large?16000000"));
    assert_eq!(client.reply().body.len(), 16_000_000);
}

#[test]
fn large_bodies_that_are_withheld_share_a_bound() {
    let server = Server::with(Limits {
        body_bytes: 16 << 20,
        ..patient()
    });
    // Each all but the last byte of what it may be; eight of them are as much as there may be.
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        16 << 20
    );
    let most = vec![b'a'; (16 << 20) - 1];
    let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(&head);
        client.send(&most);
    }
    // Two were told so before they had sent it all.
    let mut refused = 0;
    let mut small = server.connect();
    while refused < 2 {
        small.send(post("/echo", "", b"small"));
        assert_eq!(small.reply().text(), "small");
        refused = clients
            .iter_mut()
            .filter(|client| client.has_reply())
            .count();
    }
    assert_eq!(refused, 2);
}
