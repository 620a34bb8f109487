//! NDJSON: any number of records in constant memory, answered while they still come.
//!
//! Every line has its answer on a line, in order: its prediction, or `{"error", "detail"}` for a line
//! that has none. The status has long been sent when a line turns out to be wrong.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::write::NonFinite;

use crate::serve::bound;
use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::message::{Body, Refusal};
use crate::serve::problem::{Fault, Problem, Step};
use crate::serve::records::{self, Ask, Place, Shape};

use super::{encode, error_text};

/// Bytes that are read at once, and of a block of lines at least if there are more.
const READ_BYTES: usize = 64 << 10;
/// Bytes of a line at most.
const LONGEST_LINE: usize = 16 << 20;

/// A stream of records on its way.
pub struct Lines {
    pub hosted: Arc<Hosted>,
    pub ask: Ask,
    pub nan: NonFinite,
    /// Where it is counted.
    pub call: Arc<Mutex<Call>>,
}

impl Lines {
    /// Answers all lines of `body`, each block of them as soon as it is there.
    ///
    /// # Errors
    /// The client is gone, or its body broke off; it then finds the answer without its end.
    pub fn answer(self, body: &mut dyn Body, out: &mut dyn Write) -> io::Result<()> {
        let mut text = Vec::new();
        let mut first = 1;
        let mut piece = vec![0; READ_BYTES];
        loop {
            let count = match body.read(&mut piece) {
                Ok(count) => count,
                Err(refusal) => return broken_off(refusal, out),
            };
            // Of what came before, no line has its end.
            let before = text.len();
            let piece = piece.get(..count).unwrap_or_default();
            text.extend_from_slice(piece);
            let end = match (count, memchr::memrchr(b'\n', piece)) {
                (0, _) => text.len(),
                (_, Some(end)) => before + end + 1,
                (_, None) if text.len() > LONGEST_LINE => {
                    let message = format!("line {first} is longer than {LONGEST_LINE} bytes");
                    return broken_off(Refusal::new(413, "line_too_long", message), out);
                }
                (_, None) => continue,
            };
            let block: Vec<u8> = text.drain(..end).collect();
            let answers = self.block(&block, first);
            first += memchr::memchr_iter(b'\n', &block).count();
            match out.write_all(&answers).and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
                    return not_taken(first - 1, out);
                }
                written => written?,
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    /// The answers to a block of whole lines.
    fn block(&self, block: &[u8], first: usize) -> Vec<u8> {
        if let Ok(text) = std::str::from_utf8(block)
            && let Ok(answers) = self.lines(text, first)
        {
            return answers;
        }
        // One of them is wrong: they are told apart.
        let mut answers = Vec::new();
        for (line, text) in (first..).zip(block.split(|byte| *byte == b'\n')) {
            if text.trim_ascii().is_empty() {
                continue;
            }
            let answer = match std::str::from_utf8(text) {
                Ok(text) => self.lines(text, line),
                Err(_) => {
                    let fault = Fault::of_body("not_utf8", "the line is not UTF-8");
                    Err(Problem::Invalid(fault.below(Step::Index(line)).into()))
                }
            };
            match answer {
                Ok(answer) => answers.extend_from_slice(&answer),
                Err(problem) => {
                    error_text(&mut answers, &problem);
                    answers.push(b'\n');
                }
            }
        }
        answers
    }

    fn lines(&self, text: &str, first: usize) -> Result<Vec<u8>, Problem> {
        let place = Place {
            shape: Shape::Lines,
            first,
            ..Place::below(&[])
        };
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = records::json::encode(&self.hosted, text, &self.ask, &place)?;
        let predictions = records::score(&self.hosted, &mut call, encoded, &self.ask, &place)?;
        let answers = encode::ndjson(&predictions, self.nan);
        bound::within(answers, predictions.most_bytes)
    }
}

/// The last line of an answer to a body that broke off.
fn broken_off(refusal: Refusal, out: &mut dyn Write) -> io::Result<()> {
    let message = refusal.message.clone();
    last_line(refusal, out)?;
    Err(io::Error::other(message))
}

/// The last line of an answer to a client that sends and takes nothing: it has all that was answered,
/// and finds why there is no more. `lines` were answered.
fn not_taken(lines: usize, out: &mut dyn Write) -> io::Result<()> {
    let message = format!(
        "the answers to the first {lines} lines wait and are not taken, and no more are kept: the lines \
         after them have no answer; read while sending, or send fewer lines at once"
    );
    last_line(Refusal::new(413, "answers_not_taken", message), out)
}

fn last_line(refusal: Refusal, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::new();
    error_text(&mut line, &Problem::Refused(refusal));
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use crate::serve::message::Method;
    use crate::serve::tests::{app, ask, hosting};

    #[test]
    fn every_line_that_has_no_prediction_says_which_it_is() {
        let app = app("iris.onnx", &hosting());
        let fine = "[5.1,3.5,1.4,0.2]";
        let lines: [(&[u8], Option<&str>); 8] = [
            (fine.as_bytes(), None),
            (
                b"[5.1,3.5,",
                Some("line 2: not valid JSON at byte 9: it ends in the middle"),
            ),
            (
                b"[1]",
                Some(
                    "[3].X: expected JSON lists of shape [4] (float32), found lists of another shape: [1]",
                ),
            ),
            (b"", None),
            (b"\xff", Some("[5]: the line is not UTF-8")),
            (fine.as_bytes(), None),
            (
                b"  nonsense",
                Some("line 7: not valid JSON at byte 2: expected a value"),
            ),
            (
                b"[1,2,3,\"x\"]",
                Some("[8].X: expected JSON lists of shape [4] (float32), found [1,2,3,\"x\"]"),
            ),
        ];
        let body: Vec<&[u8]> = lines.iter().map(|(line, _)| *line).collect();
        let headers = [("Content-Type", "application/x-ndjson")];
        let (_, text) = ask(&app, Method::Post, "/predict", &headers, &body.join(&b'\n'));
        let mut answers = text.lines();
        for (line, expected) in lines.iter().filter(|(line, _)| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            let answer = answers.next().expect("an answer");
            let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
            assert_eq!(answer["error"].as_str(), *expected, "{line}");
            assert_eq!(answer["label"].is_string(), expected.is_none(), "{line}");
        }
        assert_eq!(answers.next(), None);
        // The same where they are answered all at once.
        let all_at_once = [headers[0], ("Accept", "application/json")];
        let body = format!("{fine}\n{fine}\n[5.1,\n");
        let (status, text) = ask(
            &app,
            Method::Post,
            "/predict",
            &all_at_once,
            body.as_bytes(),
        );
        assert_eq!(status, 422);
        let text: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let message = "line 3: not valid JSON at byte 5: it ends in the middle";
        assert_eq!(text["error"], message);
        assert_eq!(text["detail"][0]["loc"], serde_json::json!(["body", 3, 5]));
    }
}
