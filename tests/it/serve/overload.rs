//! Crowds and floods: whatever one client does, memory stays bounded and the others are served.

use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{RECORD, Serving, in_tests, serve};
use crate::client::{get, post};
use crate::run::model_path;

#[test]
fn slow_and_silent_crowds_are_closed_while_others_are_served() {
    let serving = Serving::with(&[
        "--header-timeout-s",
        "1",
        "--body-timeout-s",
        "1",
        "--idle-timeout-s",
        "2",
    ]);
    let mut silent: Vec<_> = (0..200).map(|_| serving.connect()).collect();
    let mut slow: Vec<_> = (0..200).map(|_| serving.connect()).collect();
    let mut withheld: Vec<_> = (0..8).map(|_| serving.connect()).collect();
    for client in &mut slow {
        client.send("GET /livez HTTP/1.1\r\nHost: a\r\nX: ");
    }
    for client in &mut withheld {
        client.send("POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n[");
    }
    for _ in 0..50 {
        serving.assert_alive();
    }
    for client in withheld.iter_mut().chain(&mut slow) {
        assert_eq!(client.reply().status, 408);
        client.assert_closed();
    }
    for client in &mut silent {
        client.assert_closed();
    }
    serving.assert_alive();
}

#[test]
fn descriptors_that_run_out_come_back() {
    for limit in ["64", "24"] {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_mlserve"), "serve"]);
        command.args([&model_path("iris"), "-p", "0"]);
        in_tests(&mut command);
        let serving = Serving::start(&mut command);
        for _ in 0..2 {
            let mut slow: Vec<_> = (0..150).map(|_| serving.connect()).collect();
            for client in &mut slow {
                // It may have been turned away already.
                let _ = client
                    .socket
                    .write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ");
            }
            // Whoever comes now is told to come back, not refused and not left waiting.
            let mut late = serving.connect();
            let reply = late.reply();
            assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
            drop(slow);
            // As the crowd is gone, there is room again.
            let mut client = serving.connect();
            client.send(get("/livez"));
            while client.is_turned_away() {
                client = serving.connect();
                client.send(get("/livez"));
            }
        }
        // While all descriptors are in use, a signal still ends it.
        let _silent: Vec<_> = (0..150).map(|_| serving.connect()).collect();
        serving.signal("-TERM");
        assert_eq!(serving.ended().0, 0);
    }
}

#[test]
fn large_replies_that_nobody_reads_do_not_fill_the_memory() {
    let serving = Serving::start(&mut serve(&["-p", "0", "--max-body", "1M"]));
    serving.assert_alive();
    let before = serving.status("VmRSS");
    let body = format!("[{}{RECORD}]", "[5,3,1,0],".repeat(60_000));
    let mut clients: Vec<_> = (0..30).map(|_| serving.connect()).collect();
    // One after the other, so that it is the replies that wait and not the work.
    let answered = clients.iter_mut().filter_map(|client| {
        client.send(post("/predict", "", body.as_bytes()));
        (client.peek_status() == 200).then_some(())
    });
    assert!(answered.count() > 4);
    serving.assert_alive();
    // All of them would be 180 MB of replies.
    let more = serving.status("VmHWM") - before;
    assert!(more < 130, "{more} MB more");
    drop(clients);
    serving.assert_alive();
}

#[test]
fn what_large_answers_took_is_given_back() {
    let serving = Serving::start(&mut serve(&["-p", "0"]));
    serving.assert_alive();
    let before = serving.status("VmRSS");
    let body = format!("[{}{RECORD}]", "[5,3,1,0],".repeat(20_000));
    for _ in 0..2 {
        let mut clients: Vec<_> = (0..8).map(|_| serving.connect()).collect();
        for client in &mut clients {
            client.send(post("/predict", "", body.as_bytes()));
        }
        for client in &mut clients {
            assert_eq!(client.reply().status, 200);
        }
    }
    let started = std::time::Instant::now();
    let most = before + 25;
    while serving.status("VmRSS") > most {
        let more = serving.status("VmRSS") - before;
        assert!(started.elapsed() < crate::client::FOREVER, "{more} MB more");
        std::thread::yield_now();
    }
}

#[test]
fn lines_may_all_be_sent_before_an_answer_is_read() {
    let serving = Serving::with(&["--write-timeout-s", "1"]);
    let mut client = serving.connect();
    client.send(
        "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
    );
    let lines = format!("{RECORD}\n").repeat(1000);
    for _ in 0..200 {
        client.send(format!("{:x}\r\n{lines}\r\n", lines.len()));
    }
    client.send("0\r\n\r\n");
    let answers = client.reply().text();
    assert_eq!(answers.matches("\"label\":\"setosa\"").count(), 200_000);
    assert_eq!(answers.lines().count(), 200_000);
    drop(client);
    // Who takes nothing and has too much to take is told so at the end.
    let serving = Serving::with(&["--write-timeout-s", "1", "--max-reply", "1M"]);
    let mut client = serving.connect();
    client.send(
        "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
    );
    for _ in 0..2000 {
        client.send(format!("{:x}\r\n{lines}\r\n", lines.len()));
    }
    client.send("0\r\n\r\n");
    let answers = client.reply().text();
    let last = answers.lines().last().unwrap();
    assert!(
        last.starts_with("{\"error\":\"the answers to the first "),
        "{last}"
    );
    serving.assert_alive();
}

#[test]
fn a_hundred_thousand_requests_at_once_are_answered_as_they_are_read() {
    let serving = Serving::with(&[]);
    let mut client = serving.connect();
    let requests = get("/livez").repeat(1000);
    let writer = client.socket.try_clone().unwrap();
    let sent = std::thread::spawn(move || {
        for _ in 0..100 {
            { &writer }.write_all(requests.as_bytes()).unwrap();
        }
    });
    // Nobody reads, yet the others are served and little is kept.
    for _ in 0..20 {
        serving.assert_alive();
    }
    let used = serving.status("VmRSS");
    for _ in 0..100_000 {
        assert_eq!(client.reply().status, 200);
    }
    sent.join().unwrap();
    let more = serving.status("VmRSS").saturating_sub(used);
    assert!(more < 50, "{more} MB more");
}

#[test]
fn sixteen_connections_at_one_instant_are_answered() {
    let serving = Serving::with(&[]);
    for _ in 0..20 {
        let mut clients: Vec<_> = (0..16).map(|_| serving.connect()).collect();
        for client in &mut clients {
            client.send(post("/predict", "", RECORD.as_bytes()));
        }
        for client in &mut clients {
            assert_eq!(client.reply().status, 200);
        }
    }
}

#[test]
fn ten_gigabytes_in_ten_megabytes_are_unpacked_to_the_limit_only() {
    let serving = Serving::with(&["--max-body", "16M"]);
    serving.assert_alive();
    let before = serving.status("VmRSS");
    let mut member = GzEncoder::new(Vec::new(), Compression::best());
    member.write_all(&vec![b' '; 16 << 20]).unwrap();
    let bomb = member.finish().unwrap().repeat(640);
    assert!(bomb.len() < 12 << 20);
    for path in [
        "/predict",
        "/v2/models/iris/infer",
        "/v1/models/iris:predict",
        "/invocations",
    ] {
        let mut client = serving.connect();
        client.send(post(path, "Content-Encoding: gzip\r\n", &bomb));
        assert_eq!(client.reply().status, 413, "{path}");
    }
    let more = serving.status("VmHWM") - before;
    assert!(more < 100, "{more} MB more");
    serving.assert_alive();
}

#[test]
fn a_million_chunks_of_one_byte_are_a_body() {
    let serving = Serving::with(&[]);
    let mut request =
        b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for byte in " ".repeat(1_000_000).bytes().chain(RECORD.bytes()) {
        request.extend_from_slice(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let mut client = serving.connect();
    client.send(request);
    let reply = client.reply();
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn threads_and_descriptors_of_those_who_left_are_given_back() {
    let serving = Serving::start(&mut serve(&["-p", "0"]));
    serving.assert_alive();
    let descriptors = || {
        let path = format!("/proc/{}/fd", serving.child.id());
        std::fs::read_dir(path).unwrap().count()
    };
    let before = descriptors();
    for _ in 0..20 {
        for bytes in [
            &b"GET / HTTP/2.0\r\n\r\n"[..],
            b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n[",
            b"\0",
            b"",
        ] {
            serving.ask(bytes);
        }
    }
    let started = std::time::Instant::now();
    while descriptors() > before {
        assert!(
            started.elapsed() < crate::client::FOREVER,
            "{} more",
            descriptors() - before
        );
        std::thread::yield_now();
    }
    // One at a time, they were all served by few.
    assert!(serving.status("Threads") < 40);
}
