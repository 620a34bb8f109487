//! What must not get through, as literal bytes: each has the right status or a close, tells nothing of
//! this machine, and leaves the server as it was.

use super::Serving;
use crate::client::post;
use crate::run::ROOT;

/// Sends each and holds it to one of its statuses; 0 is a close without a word.
#[track_caller]
fn check(cases: impl IntoIterator<Item = (Vec<u8>, &'static [u16])>) {
    let serving = Serving::with(&[]);
    let mut faults = Vec::new();
    for (bytes, statuses) in cases {
        let (status, body) = serving.ask(&bytes);
        let sent = String::from_utf8_lossy(bytes.get(..300).unwrap_or(&bytes)).into_owned();
        if !statuses.contains(&status) {
            faults.push(format!("{status} for {sent:?}: {body:.300}"));
        }
        for secret in [
            ROOT,
            "/home/",
            "/tmp/",
            "/usr/",
            "/root/",
            "iris.onnx",
            ".rs:",
        ] {
            // What a client says itself is no secret.
            if body.contains(secret) && !sent.contains(secret) {
                faults.push(format!("{secret} in the reply to {sent:?}: {body:.300}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    serving.assert_alive();
}

#[test]
fn what_is_no_http_is_refused() {
    let cases: [(&str, &[u16]); 21] = [
        ("GET /livez HTTP/2.0\r\nHost: a\r\n\r\n", &[505]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505]),
        ("GET /livez HTTP/0.9\r\n\r\n", &[505]),
        ("GET /livez\r\n\r\n", &[400]),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03", &[0, 400]),
        ("\0\0\0\0", &[0, 400]),
        ("\r\n\r\n\r\n\r\n", &[400]),
        ("\n", &[400]),
        ("", &[0]),
        ("GET", &[0]),
        ("GET /livez HTTP/1.1\r\n\r\n", &[400]),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", &[400]),
        ("GET /livez\0 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET livez HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("TRACE /livez HTTP/1.1\r\nHost: a\r\n\r\n", &[405]),
        ("BREW /livez HTTP/1.1\r\nHost: a\r\n\r\n", &[405]),
        (
            "GET http://other/livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            &[200],
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n",
            &[417],
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            &[200],
        ),
    ];
    check(cases.map(|(text, statuses)| (text.as_bytes().to_vec(), statuses)));
}

#[test]
fn no_request_hides_in_another() {
    // Behind each is a request that must not be answered: it is part of the first, or nothing.
    let hidden = "GET /version HTTP/1.1\r\nHost: a\r\n\r\n";
    let fields: [(&str, &'static [u16]); 22] = [
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            &[400],
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            &[400],
        ),
        ("Content-Length: 0\r\nContent-Length: 36\r\n", &[400]),
        ("Content-Length: 0\r\ncontent-length: 0\r\n", &[400]),
        ("Content-Length: 0, 0\r\n", &[400]),
        ("Content-Length: +0\r\n", &[400]),
        ("Content-Length: -1\r\n", &[400]),
        ("Content-Length: 0x0\r\n", &[400]),
        ("Content-Length: 0 0\r\n", &[400]),
        ("Content-Length: 0;\r\n", &[400]),
        ("Content-Length:\r\n", &[400]),
        ("Content-Length : 0\r\n", &[400]),
        ("Content-Length: 0\n", &[400]),
        ("X: y\r\n Content-Length: 0\r\n", &[400]),
        ("Transfer-Encoding: xchunked\r\n", &[501]),
        ("Transfer-Encoding: chunked, identity\r\n", &[501]),
        ("Transfer-Encoding: identity, chunked\r\n", &[501]),
        ("Transfer-Encoding: gzip\r\n", &[501]),
        ("Transfer-Encoding: \"chunked\"\r\n", &[501]),
        ("Transfer-Encoding : chunked\r\n", &[400]),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            &[400],
        ),
        ("Transfer-Encoding:\x0bchunked\r\n", &[400, 501]),
    ];
    let serving = Serving::with(&[]);
    for (fields, statuses) in fields {
        let request = format!("POST /predict HTTP/1.1\r\nHost: a\r\n{fields}\r\n{hidden}");
        let (status, body) = serving.ask(&request);
        assert!(statuses.contains(&status), "{status} for {fields:?}");
        assert!(
            !body.contains("HTTP/1.1 "),
            "two replies to {fields:?}: {body}"
        );
    }
    // As a whole body, or as chunks that are none.
    let (_, body) = serving.ask(post("/nothing", "Connection: close\r\n", hidden.as_bytes()));
    assert!(!body.contains("HTTP/1.1 "), "{body}");
    for chunks in [
        "0\r\n",
        "0\n\r\n",
        "1;\n\r\n",
        "ffffffffffffffffff\r\n",
        "8000000000000000\r\n",
    ] {
        let request = format!(
            "POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{hidden}"
        );
        let (status, body) = serving.ask(&request);
        assert!(matches!(status, 400 | 413 | 422), "{status} for {chunks:?}");
        assert!(
            !body.contains("HTTP/1.1 "),
            "two replies to {chunks:?}: {body}"
        );
    }
    serving.assert_alive();
}

#[test]
fn names_lead_nowhere_but_to_models() {
    let names = [
        "..",
        "../iris",
        "%2e%2e",
        "%2E%2E%2Firis",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%252e%252e%252f",
        "..%5c..%5cetc",
        "..\\..\\etc",
        "%00",
        "iris%00",
        "iris%00.onnx",
        "%c0%ae%c0%ae",
        "%e0%80%ae",
        "%ef%bc%8e%ef%bc%8e",
        "%u002e",
        "%",
        "%2",
        "%zz",
        "iris.onnx",
        "models%2firis",
        "%2fetc%2fpasswd",
        "file:%2f%2f%2fetc%2fpasswd",
        "IRIS",
        "iris%20",
        "iris;a=b",
    ];
    let paths = names.iter().flat_map(|name| {
        [
            format!("/models/{name}"),
            format!("/models/{name}/predict"),
            format!("/models/iris/versions/{name}"),
            format!("/v2/models/{name}"),
            format!("/v2/models/{name}/infer"),
            format!("/v2/models/iris/versions/{name}"),
            format!("/v1/models/{name}:predict"),
            format!("/v1/models/{name}/metadata"),
        ]
    });
    let long = format!("/models/{}", "a".repeat(8000));
    let other = [
        "//models/iris/../x",
        "/models//iris",
        "/models/iris//",
        "/.",
        "/..",
        "/%2f",
    ];
    let paths = paths.chain([long]).chain(other.map(str::to_owned));
    check(paths.flat_map(|path| {
        let statuses: &'static [u16] = &[400, 404, 405];
        let request = |method: &str, body: &str| {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        };
        [
            (request("GET", ""), statuses),
            (request("POST", "{}"), statuses),
        ]
    }));
}

/// A body for `path`, closed behind.
fn body(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    post(
        path,
        &format!("Content-Type: {kind}\r\nConnection: close\r\n"),
        body,
    )
}

#[test]
fn absurd_shapes_and_depths_are_refused() {
    let deep = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
    let json: [(String, &'static [u16]); 17] = [
        (deep(1000), &[400, 422]),
        (deep(200_000), &[400, 422]),
        ("[".repeat(1_000_000), &[400, 422]),
        ("{\"a\":".repeat(100_000), &[400, 422]),
        (format!("{{\"instances\":{}}}", deep(1000)), &[400, 422]),
        ("[[1e999999,1,1,1]]".to_owned(), &[400, 422]),
        (format!("[[{},1,1,1]]", "9".repeat(100_000)), &[400, 422]),
        (
            format!("[[\"{}\",1,1,1]]", "a".repeat(1_000_000)),
            &[400, 422],
        ),
        ("[[1,1,1]]".to_owned(), &[400, 422]),
        ("[[\"\\ud800\",1,1,1]]".to_owned(), &[400, 422]),
        ("\u{feff}x".to_owned(), &[400, 422]),
        ("[[1,1,1,1]] x".to_owned(), &[400, 422]),
        (String::new(), &[400, 422]),
        ("\0".repeat(1000), &[400, 422]),
        (
            format!("{{\"a\":[{}]}}", "{},".repeat(100_000)),
            &[400, 422],
        ),
        (format!("[{}]", "5,".repeat(300_000)), &[400, 422]),
        (
            format!("{{{}\"b\":1}}", "\"a\":1,".repeat(100_000)),
            &[400, 422],
        ),
    ];
    let tensor = |shape: &str, data: &str, outputs: &str| {
        format!(
            "{{\"inputs\":[{{\"name\":\"X\",\"datatype\":\"FP32\",\"shape\":{shape},\"data\":{data}}}]{outputs}}}"
        )
    };
    let many = format!(
        ",\"outputs\":[{}{{\"name\":\"x\"}}]",
        "{\"name\":\"label\"},".repeat(100_000)
    );
    let v2 = [
        tensor("[4611686018427387904,4]", "[1,2,3,4]", ""),
        tensor("[4294967296,4294967296]", "[]", ""),
        tensor("[9223372036854775807,9223372036854775807]", "[1]", ""),
        tensor("[18446744073709551615,4]", "[1]", ""),
        tensor("[-1,4]", "[1,2,3,4]", ""),
        tensor("[1,4,0]", "[]", ""),
        tensor("[1e3,4]", "[1]", ""),
        tensor("[]", "[1]", ""),
        tensor("[2,4]", "[1,2,3,4]", ""),
        tensor(&format!("[{}1]", "1,".repeat(100_000)), "[1]", ""),
        tensor("[1,4]", &deep(1000), ""),
        tensor("[1,4]", "[1,2,3,4]", &many),
        "{\"inputs\":[]}".to_owned(),
        format!("{{\"inputs\":[{}]}}", "{},".repeat(10_000) + "{}"),
        tensor(
            "[1,4]",
            "[]",
            ",\"parameters\":{\"binary_data_size\":9223372036854775807}",
        ),
    ];
    let v2 = v2.map(|text| {
        (
            body("/v2/models/iris/infer", "application/json", text.as_bytes()),
            &[400u16, 413, 422][..],
        )
    });
    let json = json.map(|(text, statuses)| {
        (
            body("/predict", "application/json", text.as_bytes()),
            statuses,
        )
    });
    check(json.into_iter().chain(v2));
}

#[test]
fn other_forms_are_held_to_the_same() {
    let npy = |dict: &str| {
        let length = u16::try_from(dict.len()).unwrap().to_le_bytes();
        [
            b"\x93NUMPY\x01\0".as_slice(),
            &length,
            dict.as_bytes(),
            &[0; 64],
        ]
        .concat()
    };
    let dict = |dtype: &str, shape: &str| {
        npy(&format!(
            "{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}\n"
        ))
    };
    let binary = |length: &str, json: &[u8]| {
        let field = format!("Inference-Header-Content-Length: {length}\r\nConnection: close\r\n");
        (
            post("/v2/models/iris/infer", &field, json),
            &[400u16, 413, 422][..],
        )
    };
    let arrays = [
        dict("|O", "1, 4"),
        dict("<f4", "4611686018427387904, 4"),
        dict("<f4", "18446744073709551616, 4"),
        dict("<f4", "-1, 4"),
        dict("<f999999999", "1, 4"),
        dict("<f4", "1000, 4"),
        dict("<f4", ""),
        npy("no dict"),
        b"\x93NUMPY\x01\0\xff\xff".to_vec(),
        b"\x93NUMPY\x09\0\x10\0".to_vec(),
        b"\x80\x04\x95\x0b\0\0\0".to_vec(),
        Vec::new(),
    ];
    let arrays = arrays.map(|bytes| {
        (
            body("/predict", "application/x-npy", &bytes),
            &[400u16, 415, 422][..],
        )
    });
    let tables = [
        b"a,b,c,d\n1,2,3\n".to_vec(),
        b"a,b,c,d\n\"1,2,3,4\n".to_vec(),
        [b"a,b,c,d\n1,2,3,".as_slice(), &vec![b'"'; 1 << 20]].concat(),
        vec![b','; 1 << 20],
        vec![0; 1000],
    ];
    let tables = tables.map(|bytes| {
        (
            body("/predict", "text/csv", &bytes),
            &[400u16, 413, 422][..],
        )
    });
    let headers = [
        binary("-1", b"{}"),
        binary("18446744073709551615", b"{}"),
        binary("4611686018427387904", b"{}"),
        binary("3", b"{}"),
        binary("x", b"{}"),
        binary("1", b"{}"),
    ];
    check(arrays.into_iter().chain(tables).chain(headers));
}

#[test]
fn lengths_beyond_all_memory_are_refused_without_a_byte() {
    let lengths = [
        "4611686018427387904",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "999999999999999999999999999999",
        "67108865",
    ];
    let paths = [
        ("/predict", &[413u16][..]),
        ("/v2/models/iris/infer", &[413]),
        ("/nothing", &[404]),
        ("/livez", &[200, 405]),
    ];
    check(lengths.iter().flat_map(|length| {
        paths.map(|(path, statuses)| {
            let head =
                format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            (head.into_bytes(), statuses)
        })
    }));
}
