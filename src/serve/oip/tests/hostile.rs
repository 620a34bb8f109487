//! Requests that are wrong, by mistake or on purpose: each has its answer, and none takes memory.

use super::*;

/// The status and the sentence of an answer that must be an error.
fn refused(app: &App, length: Option<&str>, body: &[u8]) -> (u16, String) {
    let (status, text, _) = infer(app, "/v2/models/int_matrix/infer", length, body);
    let error: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let members = error.as_object().expect("an object");
    assert_eq!(members.len(), 1, "{text}");
    assert!(!text.contains("/work") && !text.contains(".rs"), "{text}");
    let sentence = members.get("error").and_then(|error| error.as_str());
    (status, sentence.expect("a sentence").to_owned())
}

/// The one input `X`, INT64 `[N, 2]`, with these members besides its name.
fn input(members: &str) -> String {
    format!(r#"{{"inputs":[{{"name":"X",{members}}}]}}"#)
}

#[test]
fn what_is_wrong_in_json_is_told() {
    let app = app("int_matrix.onnx", &hosting());
    let with = |more: &str| {
        format!(
            r#"{{"inputs":[{{"name":"X","datatype":"INT64","shape":[1,2],"data":[1,2]}}],{more}}}"#
        )
    };
    let sized = |shape: &str, data: &str| {
        input(&format!(
            r#""datatype":"INT64","shape":{shape},"data":{data}"#
        ))
    };
    for (body, message) in [
        (String::new(), "not valid JSON at byte 0: expected an object"),
        ("[]".to_owned(), "not valid JSON at byte 0: expected an object"),
        ("{".to_owned(), "not valid JSON at byte 1: it ends in the middle"),
        ("{}".to_owned(), "the body has no inputs"),
        (r#"{"inputs":[]}"#.to_owned(), "inputs.X: input required"),
        (r#"{"inputs":{}}"#.to_owned(), "not valid JSON at byte 10: expected a list"),
        (r#"{"inputs":[7]}"#.to_owned(), "not valid JSON at byte 11: expected an object"),
        (with(r#""inputs":[]"#), "inputs stands twice"),
        (with(r#""id":7"#), "id should be a string"),
        (with(r#""id":"\ud800""#), "id should be a string"),
        (r#"{"inputs":[{"shape":[1,2],"datatype":"INT64","data":[1,2]}]}"#.to_owned(), "inputs[0].name: field required"),
        (r#"{"inputs":[{"name":"Y","shape":[1,2],"datatype":"INT64","data":[1,2]}]}"#.to_owned(), "inputs[0].name: the model has no such input"),
        (r#"{"inputs":[{"name":7}]}"#.to_owned(), "inputs[0].name: expected a string"),
        (input(r#""shape":[1,2],"data":[1,2]"#), "inputs[0].datatype: field required"),
        (input(r#""datatype":"INT64","data":[1,2]"#), "inputs[0].shape: field required"),
        (input(r#""datatype":"INT64","shape":[1,2]"#), "inputs[0].data: field required"),
        (input(r#""datatype":"FP32","shape":[1,2],"data":[1,2]"#), "inputs[0].datatype: expected INT64 for input \"X\", found \"FP32\""),
        (input(r#""datatype":"int64","shape":[1,2],"data":[1,2]"#), "inputs[0].datatype: expected INT64 for input \"X\", found \"int64\""),
        (sized("2", "[1,2]"), "inputs[0].shape: expected a list of sizes"),
        (sized("[1,-2]", "[1,2]"), "inputs[0].shape: expected whole sizes, 0 or more"),
        (sized("[1.0,2]", "[1,2]"), "inputs[0].shape: expected whole sizes, 0 or more"),
        (sized("[99999999999999999999]", "[1]"), "inputs[0].shape: expected whole sizes, 0 or more"),
        (sized("[4611686018427387904,4]", "[1]"), "inputs[0].shape: more elements than any request holds"),
        (sized("[4611686018427387904,2]", "[1]"), "inputs[0].shape: more elements than any request holds"),
        (sized("[0,1099511627776]", "[]"), "inputs[0].shape: more elements than any request holds"),
        (sized("[4611686018427387904,1]", "[1]"), "inputs[0].data: expected 4611686018427387904 elements of INT64 for shape [4611686018427387904, 1], found 1"),
        (sized("[1,2]", "[1,2,3]"), "inputs[0].data: expected 2 elements of INT64 for shape [1, 2], found more"),
        (sized("[1,2]", "[1]"), "inputs[0].data: expected 2 elements of INT64 for shape [1, 2], found 1"),
        (sized("[1,2]", "[1,\"2\"]"), "inputs[0].data: expected 2 elements of INT64 for shape [1, 2], and one is a number in quotes"),
        (sized("[1,2]", "[1,1.5]"), "inputs[0].data: expected 2 elements of INT64 for shape [1, 2], and one is not an integer"),
        (sized("[1,2]", "[1,null]"), "inputs[0].data: expected 2 elements of INT64 for shape [1, 2], and one is missing"),
        (sized("[1,2]", "[1,1e99]"), "inputs[0].data: expected 2 elements of INT64 for shape [1, 2], and one is out of range"),
        (sized("[1,2]", "7"), "inputs[0].data: expected 2 elements of INT64 for shape [1, 2], and one is not nested lists"),
        (sized("[1,3]", "[1,2,3]"), "inputs.X: expected shape [N, 2], found [1, 3]"),
        (sized("[2]", "[1,2]"), "inputs.X: expected shape [N, 2], found [2]"),
        (sized(&format!("[{}1]", "1,".repeat(32)), "[1]"), "inputs[0].shape: it has too many axes"),
        (input(r#""datatype":"INT64","shape":[1,2],"data":[1,2],"parameters":{"binary_data_size":16}"#), "inputs[0]: it has both data and binary_data_size"),
        (input(r#""datatype":"INT64","shape":[1,2],"parameters":{"shared_memory_region":"a"}"#), "inputs[0].shared_memory_region: there is no shared memory here"),
        (input(r#""datatype":"INT64","shape":[1,2],"parameters":7"#), "not valid JSON at byte 69: expected an object"),
        (
            r#"{"inputs":[{"name":"X","datatype":"INT64","shape":[1,2],"data":[1,2]},{"name":"X","datatype":"INT64","shape":[1,2],"data":[1,2]}]}"#.to_owned(),
            "inputs[1].name: the input stands twice",
        ),
        (with(r#""outputs":[{"name":"same"},{"name":"same"}]"#), "outputs[1].name: the output stands twice"),
        (with(r#""outputs":[{"name":"other"}]"#), "outputs[0].name: the model has no such output"),
        (with(r#""outputs":[{}]"#), "outputs[0].name: expected a string"),
        (with(r#""outputs":[{"name":"same","parameters":{"binary_data":1}}]"#), "outputs[0].binary_data: expected true or false"),
        (with(r#""outputs":[{"name":"same","parameters":{"classification":0}}]"#), "outputs[0].classification: expected a number of classes"),
        (with(r#""outputs":[{"name":"same","parameters":{"classification":-1}}]"#), "outputs[0].classification: expected a number of classes"),
        (with(r#""parameters":{"binary_data_output":"yes"}"#), "parameters.binary_data_output should be true or false"),
        (with(r#""parameters":{"timeout":-1}"#), "parameters.timeout should be a number of microseconds"),
        (with(r#""parameters":{"triton_mine":1}"#), "parameters.triton_mine: names with triton_ are reserved"),
        (with(&format!("\"a\":{}", "[".repeat(1000))), "not valid JSON at byte 175: it is nested too deeply"),
    ] {
        let found = refused(&app, None, body.as_bytes());
        assert_eq!(found, (400, message.to_owned()), "{body}");
    }
    let many = format!(
        "\"outputs\":[{}{{}}]",
        r#"{"name":"same"},"#.repeat(100_000)
    );
    let twice = (400, "outputs[1].name: the output stands twice".to_owned());
    assert_eq!(refused(&app, None, with(&many).as_bytes()), twice);
    let not_utf8 = (400, "the body is not UTF-8, which JSON is".to_owned());
    assert_eq!(refused(&app, None, b"{\"\xff\":1}"), not_utf8);
}

/// A request for so many bytes in binary for this shape.
fn promised(shape: &str, size: &str) -> String {
    input(&format!(
        r#""datatype":"INT64","shape":{shape},"parameters":{{"binary_data_size":{size}}}"#
    ))
}

/// Shape, bytes that are promised, bytes that are sent, and what is said to that.
const BINARY: [(&str, &str, usize, &str); 14] = [
    (
        "[1,2]",
        "16",
        17,
        "1 bytes at the body's end belong to no input",
    ),
    (
        "[1,2]",
        "16",
        15,
        "inputs[0].binary_data_size: 16 bytes are promised, and 15 are left in the body",
    ),
    (
        "[1,2]",
        "8",
        8,
        "inputs[0].binary_data_size: expected 16 bytes for shape [1, 2], found 8",
    ),
    (
        "[1,2]",
        "17",
        17,
        "inputs[0].binary_data_size: expected 16 bytes for shape [1, 2], found 17",
    ),
    (
        "[1,2]",
        "0",
        0,
        "inputs[0].binary_data_size: expected 16 bytes for shape [1, 2], found 0",
    ),
    (
        "[1,2]",
        "-16",
        16,
        "inputs[0].binary_data_size: expected a number of bytes",
    ),
    (
        "[1,2]",
        "1.6e1",
        16,
        "inputs[0].binary_data_size: expected a number of bytes",
    ),
    (
        "[1,2]",
        "\"16\"",
        16,
        "inputs[0].binary_data_size: expected a number of bytes",
    ),
    (
        "[1,2]",
        "18446744073709551616",
        16,
        "inputs[0].binary_data_size: expected a number of bytes",
    ),
    (
        "[1,2]",
        "18446744073709551615",
        16,
        "inputs[0].binary_data_size: 18446744073709551615 bytes are promised, and 16 are left in the body",
    ),
    (
        "[1,2]",
        "9223372036854775808",
        16,
        "inputs[0].binary_data_size: 9223372036854775808 bytes are promised, and 16 are left in the body",
    ),
    // 2^61 elements of 8 bytes are 2^64 bytes, which must not become 0.
    (
        "[2305843009213693952,1]",
        "0",
        0,
        "inputs[0].binary_data_size: expected 18446744073709551616 bytes for shape [2305843009213693952, 1], found 0",
    ),
    (
        "[4611686018427387904,4]",
        "0",
        0,
        "inputs[0].shape: more elements than any request holds",
    ),
    (
        "[0,2]",
        "8",
        8,
        "inputs[0].binary_data_size: expected 0 bytes for shape [0, 2], found 8",
    ),
];

#[test]
fn what_is_wrong_in_binary_is_told() {
    let app = app("int_matrix.onnx", &hosting());
    for (shape, size, sent, message) in BINARY {
        let text = promised(shape, size);
        let body = [text.as_bytes(), &vec![0; sent]].concat();
        let length = text.len().to_string();
        let found = refused(&app, Some(&length), &body);
        assert_eq!(found, (400, message.to_owned()), "{shape} {size} {sent}");
    }
}

#[test]
fn lengths_of_the_json_part_are_held_to_the_body() {
    let app = app("int_matrix.onnx", &hosting());
    let no_number =
        "Inference-Header-Content-Length should be the number of bytes of the JSON part";
    let too_many =
        "Inference-Header-Content-Length says more bytes than the body has, which are 95";
    let text = promised("[1,2]", "16");
    assert_eq!(text.len(), 95);
    for (length, message) in [
        ("-1", no_number),
        ("+90", no_number),
        ("", no_number),
        ("9 0", no_number),
        ("0x5a", no_number),
        ("1e2", no_number),
        ("18446744073709551616", no_number),
        ("96", too_many),
        ("18446744073709551615", too_many),
        ("9223372036854775808", too_many),
        ("94", "not valid JSON at byte 94: it ends in the middle"),
        ("1", "not valid JSON at byte 1: it ends in the middle"),
        // All of it is JSON, and nothing is left for the tensor.
        (
            "95",
            "inputs[0].binary_data_size: 16 bytes are promised, and 0 are left in the body",
        ),
        (
            "0",
            "the body's 95 bytes are no input of INT64 with shape [1, 2]",
        ),
    ] {
        let found = refused(&app, Some(length), text.as_bytes());
        assert_eq!(found, (400, message.to_owned()), "{length}");
    }
    let none = "inputs[0].binary_data_size: 16 bytes are promised, and 0 are left in the body";
    assert_eq!(refused(&app, None, text.as_bytes()), (400, none.to_owned()));
}

/// Input, shape, bytes that are sent, and what is said to them.
const TEXTS: [(&str, &str, &[u8], &str); 10] = [
    (
        "word",
        "[1]",
        b"\x05\0\0\0abcd",
        "the last element of BYTES is cut off",
    ),
    (
        "word",
        "[1]",
        b"\xff\xff\xff\xffabcd",
        "the last element of BYTES is cut off",
    ),
    (
        "word",
        "[2]",
        b"\x02\0\0\0ab\0\0",
        "the last element of BYTES is cut off",
    ),
    (
        "word",
        "[1]",
        b"\x01\0\0\0ab",
        "1 bytes are left behind 1 elements of BYTES",
    ),
    (
        "word",
        "[0]",
        b"\0",
        "1 bytes are left behind 0 elements of BYTES",
    ),
    (
        "word",
        "[3]",
        b"\0\0\0\0\0\0\0\0",
        "8 bytes are too few for 3 elements of BYTES",
    ),
    (
        "word",
        "[1099511627776]",
        b"\0\0\0\0",
        "4 bytes are too few for 1099511627776 elements of BYTES",
    ),
    (
        "word",
        "[1]",
        b"\x02\0\0\0\xff\xfe",
        "the model takes text, and an element of BYTES is not UTF-8",
    ),
    (
        "word",
        "[1]",
        b"\x02\0\0\0a\0",
        "the model takes text, and an element of BYTES is text with a NUL character",
    ),
    (
        "flag",
        "[2,1]",
        b"\x01\x02",
        "a BOOL is one byte, 0 or 1, and one is 2",
    ),
];

#[test]
fn texts_and_flags_in_binary_are_held_to_what_they_are() {
    let texts = app("text_rank1.onnx", &hosting());
    let flags = app("dtypes.onnx", &hosting());
    for (input, shape, sent, message) in TEXTS {
        let (app, target, datatype) = match input {
            "word" => (&texts, "text_rank1", "BYTES"),
            _ => (&flags, "dtypes", "BOOL"),
        };
        let text = format!(
            r#"{{"inputs":[{{"name":"{input}","datatype":"{datatype}","shape":{shape},"parameters":{{"binary_data_size":{}}}}}]}}"#,
            sent.len()
        );
        let body = [text.as_bytes(), sent].concat();
        let length = text.len().to_string();
        let target = format!("/v2/models/{target}/infer");
        let (status, answer, _) = infer(app, &target, Some(&length), &body);
        let expected = format!(r#"{{"error":"inputs[0].binary_data_size: {message}"}}"#);
        assert_eq!((status, answer), (400, expected), "{sent:?}");
    }
}

#[test]
fn a_body_without_json_is_refused_where_it_says_too_little() {
    for (model, sent, message) in [
        (
            "int_matrix.onnx",
            &[0; 15][..],
            "the body's 15 bytes are no input of INT64 with shape [1, 2]",
        ),
        (
            "int_matrix.onnx",
            &[0; 32],
            "the body's 32 bytes are no input of INT64 with shape [1, 2]",
        ),
        (
            "int_matrix.onnx",
            &[],
            "the body's 0 bytes are no input of INT64 with shape [1, 2]",
        ),
        (
            "variable_length.onnx",
            &[0; 5],
            "the body's 5 bytes are no input of FP32 with shape [1, 1]",
        ),
        (
            "scalar_input.onnx",
            &[0; 8],
            "a body without JSON is for models with one input, and this has 2",
        ),
        (
            "string_matrix.onnx",
            b"ab",
            "the body's 2 bytes are no input of BYTES with shape [1, 2]",
        ),
        (
            "text_rank1.onnx",
            b"\xff",
            "the model takes text, and an element of BYTES is not UTF-8",
        ),
    ] {
        let app = app(model, &hosting());
        let target = format!("/v2/models/{}/infer", model.trim_end_matches(".onnx"));
        let (status, answer, _) = infer(&app, &target, Some("0"), sent);
        assert_eq!(
            (status, answer),
            (400, format!(r#"{{"error":"{message}"}}"#)),
            "{model}"
        );
    }
}

#[test]
fn outputs_without_numbers_have_no_classes() {
    let app = app("iris.onnx", &hosting());
    let body = r#"{"inputs":[{"name":"X","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}],"outputs":[{"name":"label","parameters":{"classification":1}}]}"#;
    let answer =
        r#"{"error":"outputs[0].classification: the output has no numbers to choose classes by"}"#;
    assert_eq!(
        post(&app, "/v2/models/iris/infer", body),
        (400, answer.to_owned())
    );
}

/// A small generator of numbers that need not be good, only the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most.max(1)
    }
}

#[test]
fn damaged_requests_are_answered_and_never_our_fault() {
    let app = app("state_zeros.onnx", &hosting());
    let json = r#"{"id":"a","parameters":{"timeout":99000000,"binary_data_output":true},"inputs":[{"name":"X","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}},{"name":"h","datatype":"FP32","shape":[1,4],"data":[1,2.5,-3e1,4]}],"outputs":[{"name":"Y","parameters":{"classification":1}},{"name":"hn"}]}"#;
    let whole = [json.as_bytes(), &[0; 16]].concat();
    let pieces = b"{}[]\",:-0123456789eE.\\nulltrueNaN\xff\x00 ";
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut answered = [0; 2];
    for _ in 0..20_000 {
        let mut body = whole.clone();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(body.len());
            match numbers.below(8) {
                0 | 1 => drop(body.remove(at)),
                2 | 3 => body.insert(at, pieces[numbers.below(pieces.len())]),
                4 => body.truncate(at.max(1)),
                _ => body[at] = pieces[numbers.below(pieces.len())],
            }
        }
        let length = match numbers.below(4) {
            0 => numbers.below(body.len() + 2),
            1 => (json.len() + body.len()).saturating_sub(whole.len()),
            _ => json.len(),
        };
        let length = length.to_string();
        let target = "/v2/models/state_zeros/infer";
        let (status, answer, _) = infer(&app, target, Some(&length), &body);
        assert!(matches!(status, 200 | 400 | 504), "{status} {answer}");
        answered[usize::from(status == 200)] += 1;
    }
    assert!(answered.iter().all(|count| *count > 100), "{answered:?}");
}
