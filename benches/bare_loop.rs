//! The least that can answer predictions over HTTP with the same session: what `mlserve serve` is
//! measured against. No limits, no deadlines, no checks, one shape of request; not for anybody's use.
//!
//! ```sh
//! cargo bench --bench bare_loop -- MODEL PORT
//! ```
#![allow(clippy::expect_used, reason = "a bench may panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use mlserve::model::runtime::{self, RuntimeChoice};
use mlserve::model::tensor::{Tensor, Value};
use mlserve::model::trees::Choice;
use mlserve::model::{Model, onnx};

fn main() {
    runtime::disable_telemetry();
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (Some(model), Some(port)) = (args.next(), args.next()) else {
        // `cargo bench` runs every bench, this one too.
        return;
    };
    let facts = onnx::read(Path::new(&model)).expect("a model");
    let model = Model::from_facts(facts, &RuntimeChoice::default(), Choice::Auto).expect("a model");
    let model = Arc::new(model);
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("a free port");
    for stream in listener.incoming().flatten() {
        let model = Arc::clone(&model);
        std::thread::spawn(move || converse(stream, &model));
    }
}

/// Answers requests until the client goes away.
fn converse(mut stream: TcpStream, model: &Model) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let (head, length) = loop {
            if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                break (end + 4, content_length(&buffer[..end])?);
            }
            let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
            buffer.extend_from_slice(&piece[..count]);
        };
        while buffer.len() < head + length {
            let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
            buffer.extend_from_slice(&piece[..count]);
        }
        let body = answer(&buffer[head..head + length], model)?;
        let mut reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        reply.extend_from_slice(&body);
        stream.write_all(&reply).ok()?;
        buffer.drain(..head + length);
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(head).ok()?;
    let line = text
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("content-length:"))?;
    line.get(15..)?.trim().parse().ok()
}

/// `[{name: number, ...}, ...]` to `{"predictions": [[label, score...], ...]}`.
fn answer(body: &[u8], model: &Model) -> Option<Vec<u8>> {
    let Rows { values, rows } = serde_json::from_slice(body).ok()?;
    let width = values.len() / rows.max(1);
    let matrix = Array2::from_shape_vec((rows, width), values).ok()?;
    let outputs = model.run(&[Tensor::Float32(matrix.into_dyn())]).ok()?;
    let mut out = b"{\"predictions\":[".to_vec();
    for row in 0..rows {
        if row > 0 {
            out.push(b',');
        }
        out.push(b'[');
        for (index, value) in outputs.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_row(&mut out, value, row)?;
        }
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
    Some(out)
}

fn write_row(out: &mut Vec<u8>, value: &Value, row: usize) -> Option<()> {
    match value {
        Value::Tensor(Tensor::Int64(labels)) => {
            out.extend_from_slice(
                itoa::Buffer::new()
                    .format(*labels.as_slice()?.get(row)?)
                    .as_bytes(),
            );
        }
        Value::Tensor(Tensor::Float32(scores))
        | Value::Maps {
            values: Tensor::Float32(scores),
            ..
        } => {
            let width = scores.len() / scores.shape().first()?.max(&1);
            for (index, score) in scores
                .as_slice()?
                .get(row * width..(row + 1) * width)?
                .iter()
                .enumerate()
            {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(zmij::Buffer::new().format(*score).as_bytes());
            }
        }
        _ => return None,
    }
    Some(())
}

/// The numbers of all objects, in the order in which they stand.
#[derive(Default)]
struct Rows {
    values: Vec<f32>,
    rows: usize,
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ReadRows)
    }
}

struct ReadRows;

impl<'de> Visitor<'de> for ReadRows {
    type Value = Rows;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows, A::Error> {
        let mut rows = Rows::default();
        while list.next_element_seed(ReadRow(&mut rows.values))?.is_some() {
            rows.rows += 1;
        }
        Ok(rows)
    }
}

struct ReadRow<'r>(&'r mut Vec<f32>);

impl<'de> DeserializeSeed<'de> for ReadRow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ReadRow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            self.0.push(map.next_value()?);
        }
        Ok(())
    }
}
