//! Tensors both ways, in JSON and in binary.

use super::*;

/// `00ff` as bytes.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    let pair = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16);
    digits
        .chunks(2)
        .map(|chunk| pair(chunk).expect("hexadecimal"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Input, datatype, elements as JSON and as NumPy's little-endian bytes; output, its datatype, JSON and
/// bytes. The model casts the first and the third to FP32, negates `flag`, and gives the others back.
const TYPES: [[&str; 8]; 14] = [
    [
        "f16",
        "FP16",
        "0.1,65504",
        "662eff7b",
        "f16_out",
        "FP32",
        "0.099975586,65504.0",
        "00c0cc3d00e07f47",
    ],
    [
        "half",
        "FP16",
        "0.5,-2.25",
        "003880c0",
        "half_out",
        "FP16",
        "0.5,-2.25",
        "003880c0",
    ],
    [
        "bf16",
        "BF16",
        "0.1,256.5",
        "cd3d8043",
        "bf16_out",
        "FP32",
        "0.100097656,256.0",
        "0000cd3d00008043",
    ],
    [
        "f64",
        "FP64",
        "0.1,5e-324",
        "9a9999999999b93f0100000000000000",
        "f64_out",
        "FP64",
        "0.1,5e-324",
        "9a9999999999b93f0100000000000000",
    ],
    [
        "i8", "INT8", "-128,127", "807f", "i8_out", "INT8", "-128,127", "807f",
    ],
    [
        "i16",
        "INT16",
        "-32768,32767",
        "0080ff7f",
        "i16_out",
        "INT16",
        "-32768,32767",
        "0080ff7f",
    ],
    [
        "i32",
        "INT32",
        "-2147483648,3",
        "0000008003000000",
        "i32_out",
        "INT32",
        "-2147483648,3",
        "0000008003000000",
    ],
    [
        "i64",
        "INT64",
        "9007199254740993,-1",
        "0100000000002000ffffffffffffffff",
        "i64_out",
        "INT64",
        "9007199254740993,-1",
        "0100000000002000ffffffffffffffff",
    ],
    [
        "u8", "UINT8", "0,255", "00ff", "u8_out", "UINT8", "0,255", "00ff",
    ],
    [
        "u16", "UINT16", "7,65535", "0700ffff", "u16_out", "UINT16", "7,65535", "0700ffff",
    ],
    [
        "u32",
        "UINT32",
        "7,4294967295",
        "07000000ffffffff",
        "u32_out",
        "UINT32",
        "7,4294967295",
        "07000000ffffffff",
    ],
    [
        "u64",
        "UINT64",
        "18446744073709551615,1",
        "ffffffffffffffff0100000000000000",
        "u64_out",
        "UINT64",
        "18446744073709551615,1",
        "ffffffffffffffff0100000000000000",
    ],
    [
        "flag",
        "BOOL",
        "true,false",
        "0100",
        "flag_out",
        "BOOL",
        "false,true",
        "0001",
    ],
    [
        "text",
        "BYTES",
        r#""größe","""#,
        "070000006772ec3b6dfc39f650000000000",
        "text_out",
        "BYTES",
        r#""größe","""#,
        "",
    ],
];

/// The bytes of a row's input and output; those of the text by hand.
fn bytes_of(row: &[&str; 8]) -> (Vec<u8>, Vec<u8>) {
    match row[0] {
        "text" => {
            let text = b"\x07\0\0\0gr\xc3\xb6\xc3\x9fe\0\0\0\0".to_vec();
            (text.clone(), text)
        }
        _ => (bytes(row[3]), bytes(row[7])),
    }
}

#[test]
fn every_datatype_goes_both_ways_in_json_and_in_binary() {
    let app = app("dtypes.onnx", &hosting());
    let target = "/v2/models/dtypes/infer";
    let inputs = |of: &dyn Fn(&[&str; 8]) -> String| {
        let inputs: Vec<String> = TYPES
            .iter()
            .map(|row| {
                let [name, datatype, ..] = row;
                format!(
                    r#"{{"name":"{name}","shape":[2,1],"datatype":"{datatype}",{}}}"#,
                    of(row)
                )
            })
            .collect();
        inputs.join(",")
    };
    let outputs = |of: &dyn Fn(&[&str; 8]) -> String| {
        let outputs: Vec<String> = TYPES
            .iter()
            .map(|row| {
                let [_, _, _, _, name, datatype, ..] = row;
                format!(
                    r#"{{"name":"{name}","datatype":"{datatype}","shape":[2,1],{}}}"#,
                    of(row)
                )
            })
            .collect();
        let outputs = outputs.join(",");
        format!(r#"{{"model_name":"dtypes","model_version":"1","outputs":[{outputs}]}}"#)
    };
    let as_json = inputs(&|row| format!(r#""data":[{}]"#, row[2]));
    let as_binary = inputs(&|row| {
        format!(
            r#""parameters":{{"binary_data_size":{}}}"#,
            bytes_of(row).0.len()
        )
    });
    let sent: Vec<u8> = TYPES.iter().flat_map(|row| bytes_of(row).0).collect();
    let back: Vec<u8> = TYPES.iter().flat_map(|row| bytes_of(row).1).collect();
    let json = outputs(&|row| format!(r#""data":[{}]"#, row[6]));
    let binary = outputs(&|row| {
        format!(
            r#""parameters":{{"binary_data_size":{}}}"#,
            bytes_of(row).1.len()
        )
    });
    for (inputs, sent) in [(&as_json, &[][..]), (&as_binary, &sent)] {
        for (is_binary, json, back) in [("false", &json, &[][..]), ("true", &binary, &back)] {
            let text = format!(
                r#"{{"parameters":{{"binary_data_output":{is_binary}}},"inputs":[{inputs}]}}"#
            );
            let body = [text.as_bytes(), sent].concat();
            let length = text.len().to_string();
            let (status, answer, tensors) = infer(&app, target, Some(&length), &body);
            assert_eq!((status, &answer), (200, json));
            assert_eq!(hex(&tensors), hex(back));
        }
    }
}

/// The rest of a request for iris.
const IRIS: &str = r#""inputs":[{"name":"X","datatype":"FP32","shape":[2,4],"data":[5.1,3.5,1.4,0.2,6.7,3.0,5.2,2.3]}]"#;

#[test]
fn requests_in_json_have_these_answers() {
    let label = r#"{"name":"label","datatype":"BYTES","shape":[2],"data":["setosa","virginica"]}"#;
    let scores = r#"{"name":"probabilities","datatype":"FP32","shape":[2,3],"data":[0.9741182,0.025881454,3.74413e-7,0.00020633846,0.10501312,0.8947806]}"#;
    let model = r#""model_name":"iris","model_version":"1""#;
    let both = format!("{{{model},\"outputs\":[{label},{scores}]}}");
    let app = app("iris.onnx", &hosting());
    for (body, answer) in [
        (format!("{{{IRIS}}}"), both.clone()),
        // What KServe's client sends besides.
        (
            format!(r#"{{"id":"3f-\"a\"","model_name":"iris",{IRIS},"more":{{"a":[1,{{}}]}}}}"#),
            format!(r#"{{"id":"3f-\"a\"",{model},"outputs":[{label},{scores}]}}"#),
        ),
        (format!(r#"{{"id":"","outputs":[],{IRIS}}}"#), both.clone()),
        (
            format!(r#"{{"id":null,"outputs":null,"parameters":null,{IRIS}}}"#),
            both.clone(),
        ),
        (
            format!(
                "{{{}}}",
                IRIS.replace(
                    "[5.1,3.5,1.4,0.2,6.7,3.0,5.2,2.3]",
                    "[[5.1,3.5,1.4,0.2],[6.7,3,5.2,23e-1]]"
                )
            ),
            both.clone(),
        ),
        (
            format!(
                r#"{{"parameters":{{"priority":1,"sequence_id":"x","timeout":60000000,"mine":true}},{IRIS}}}"#
            ),
            both.clone(),
        ),
        (
            format!(r#"{{{IRIS},"outputs":[{{"name":"label"}}]}}"#),
            format!("{{{model},\"outputs\":[{label}]}}"),
        ),
        (
            format!(
                r#"{{"outputs":[{{"name":"probabilities"}},{{"name":"label","parameters":{{}}}}],{IRIS}}}"#
            ),
            format!("{{{model},\"outputs\":[{scores},{label}]}}"),
        ),
        (
            format!(
                r#"{{{IRIS},"outputs":[{{"name":"probabilities","parameters":{{"classification":2}}}}]}}"#
            ),
            format!(
                r#"{{{model},"outputs":[{{"name":"probabilities","datatype":"BYTES","shape":[2,2],"data":["0.9741182:0:setosa","0.025881454:1:versicolor","0.8947806:2:virginica","0.10501312:1:versicolor"]}}]}}"#
            ),
        ),
    ] {
        for target in ["/v2/models/iris/infer", "/v2/models/iris/versions/1/infer"] {
            assert_eq!(post(&app, target, &body), (200, answer.clone()), "{body}");
        }
    }
    let body = format!(r#"{{"parameters":{{"timeout":1}},{IRIS}}}"#);
    let late = r#"{"error":"the request took longer than it may"}"#;
    assert_eq!(
        post(&app, "/v2/models/iris/infer", &body),
        (504, late.to_owned())
    );
}

/// What `model` answers to these inputs: the answer's outputs.
fn outputs_for(model: &str, inputs: &str) -> String {
    let app = app(model, &hosting());
    let name = model.trim_end_matches(".onnx");
    let body = format!(r#"{{"inputs":[{inputs}]}}"#);
    let (status, text) = post(&app, &format!("/v2/models/{name}/infer"), &body);
    assert_eq!(status, 200, "{text}");
    let start = format!(r#"{{"model_name":"{name}","model_version":"1","outputs":["#);
    let outputs = text
        .strip_prefix(&start)
        .and_then(|text| text.strip_suffix("]}"));
    outputs.expect("the frame of an answer").to_owned()
}

#[test]
fn models_of_all_kinds_answer_by_the_names_of_their_outputs() {
    for (model, inputs, outputs) in [
        (
            "nan_inf.onnx",
            r#"{"name":"x","datatype":"FP32","shape":[4,1],"data":[0,-1,1,null]}"#,
            r#"{"name":"log","datatype":"FP32","shape":[4,1],"data":[null,null,0.0,null]},{"name":"inverse","datatype":"FP32","shape":[4,1],"data":[null,-1.0,1.0,null]}"#,
        ),
        (
            "state_zeros.onnx",
            r#"{"name":"h","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]},{"name":"X","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}"#,
            r#"{"name":"Y","datatype":"FP32","shape":[2,1],"data":[13.0,17.0]},{"name":"hn","datatype":"FP32","shape":[1,4],"data":[5.0,6.0,7.0,8.0]}"#,
        ),
        (
            "scalar_input.onnx",
            r#"{"name":"X","datatype":"FP32","shape":[1,2],"data":[1,2]},{"name":"sr","datatype":"INT64","shape":[],"data":[3]}"#,
            r#"{"name":"Y","datatype":"FP32","shape":[1,2],"data":[0.33333334,0.6666667]}"#,
        ),
        (
            "tensor_rank3.onnx",
            r#"{"name":"X","datatype":"FP32","shape":[1,2,3],"data":[[[0,1,2],[3,4,5]]]}"#,
            r#"{"name":"Y","datatype":"FP32","shape":[1,2,2],"data":[-2.0,1.2,-2.0,6.0]}"#,
        ),
        // Runs of three: four records are two runs.
        (
            "fixed_batch.onnx",
            r#"{"name":"X","datatype":"FP32","shape":[4,2],"data":[1,2,3,4,5,6,0.5,0.25]}"#,
            r#"{"name":"label","datatype":"BYTES","shape":[4],"data":["high","high","high","high"]},{"name":"probabilities","datatype":"FP32","shape":[4,3],"data":[0.037540775,0.04148898,0.92097026,0.0007415115,0.006055309,0.99320316,0.000013662739,0.0008244135,0.99916196,0.16876622,0.39485332,0.43638042]}"#,
        ),
        (
            "multi_output.onnx",
            r#"{"name":"X","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}"#,
            r#"{"name":"label","datatype":"BYTES","shape":[1,2],"data":["no","setosa"]},{"name":"probabilities_0","datatype":"FP32","shape":[1,2],"data":[0.99831843,0.0016815364]},{"name":"probabilities_1","datatype":"FP32","shape":[1,3],"data":[0.98157287,0.018427137,1.4781146e-8]}"#,
        ),
        (
            "zipmap_int64.onnx",
            r#"{"name":"X","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}"#,
            r#"{"name":"output_label","datatype":"INT64","shape":[1],"data":[-1]},{"name":"output_probability","datatype":"FP32","shape":[1,3],"data":[0.98157287,0.018427137,1.4781146e-8]}"#,
        ),
        (
            "variable_length.onnx",
            r#"{"name":"tokens","datatype":"FP32","shape":[2,3],"data":[1,2,3,4,5,6]}"#,
            r#"{"name":"mean","datatype":"FP32","shape":[2],"data":[2.0,5.0]}"#,
        ),
        (
            "int_matrix.onnx",
            r#"{"name":"X","datatype":"INT64","shape":[0,2],"data":[]}"#,
            r#"{"name":"same","datatype":"INT64","shape":[0,2],"data":[]}"#,
        ),
    ] {
        assert_eq!(outputs_for(model, inputs), outputs, "{model}");
    }
}

#[test]
fn what_json_cannot_say_is_null_or_a_token() {
    let mut app = app("nan_inf.onnx", &hosting());
    app.nan = crate::batch::write::NonFinite::Token;
    let body = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[4,1],"data":[0,-1,Infinity,NaN]}],"outputs":[{"name":"log"}]}"#;
    let (_, text) = post(&app, "/v2/models/nan_inf/infer", body);
    assert!(
        text.ends_with(r#""data":[-Infinity,NaN,Infinity,NaN]}]}"#),
        "{text}"
    );
}

#[test]
fn each_output_says_for_itself_whether_it_is_binary() {
    let app = app("state_zeros.onnx", &hosting());
    let target = "/v2/models/state_zeros/infer";
    let inputs = r#"[{"name":"X","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}},{"name":"h","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]"#;
    let text = format!(
        r#"{{"inputs":{inputs},"parameters":{{"binary_data_output":true}},"outputs":[{{"name":"hn"}},{{"name":"Y","parameters":{{"binary_data":false}}}}]}}"#
    );
    let tensor = bytes("0000803f000000400000404000008040");
    let body = [text.as_bytes(), &tensor].concat();
    let length = text.len().to_string();
    let answer = r#"{"model_name":"state_zeros","model_version":"1","outputs":[{"name":"hn","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":16}},{"name":"Y","datatype":"FP32","shape":[2,1],"data":[13.0,17.0]}]}"#;
    assert_eq!(
        infer(&app, target, Some(&length), &body),
        (
            200,
            answer.to_owned(),
            bytes("0000a0400000c0400000e04000000041")
        )
    );
}

#[test]
fn a_binary_output_without_elements_has_no_bytes_and_no_header_field() {
    let app = app("int_matrix.onnx", &hosting());
    let body = r#"{"inputs":[{"name":"X","datatype":"INT64","shape":[0,2],"parameters":{"binary_data_size":0}}],"parameters":{"binary_data_output":true}}"#;
    let answer = r#"{"model_name":"int_matrix","model_version":"1","outputs":[{"name":"same","datatype":"INT64","shape":[0,2],"parameters":{"binary_data_size":0}}]}"#;
    // KServe's client writes null beside it.
    let with_null = body.replace(r#""shape":[0,2]"#, r#""shape":[0,2],"data":null"#);
    for body in [body, &with_null] {
        assert_eq!(
            infer(&app, "/v2/models/int_matrix/infer", None, body.as_bytes()),
            (200, answer.to_owned(), Vec::new())
        );
    }
}

#[test]
fn a_body_without_json_is_the_only_input() {
    for (model, sent, outputs, back) in [
        (
            "int_matrix.onnx",
            &b"\x01\0\0\0\0\0\x20\0\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            r#"{"name":"same","datatype":"INT64","shape":[1,2],"parameters":{"binary_data_size":16}}"#,
            "0100000000002000ffffffffffffffff",
        ),
        // The free size is what the body makes it.
        (
            "variable_length.onnx",
            b"\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40",
            r#"{"name":"mean","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}"#,
            "00000040",
        ),
        // A text is the body as it is.
        (
            "text_rank1.onnx",
            b"NA",
            r#"{"name":"code","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}}"#,
            "0100000000000000",
        ),
    ] {
        let app = app(model, &hosting());
        let name = model.trim_end_matches(".onnx");
        let target = format!("/v2/models/{name}/infer");
        let answer =
            format!(r#"{{"model_name":"{name}","model_version":"1","outputs":[{outputs}]}}"#);
        let found = infer(&app, &target, Some("0"), sent);
        assert_eq!(found, (200, answer, bytes(back)), "{model}");
    }
}
