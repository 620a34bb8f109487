//! NDJSON: any number of records in constant memory, answered while they still come.
//!
//! Every line has its answer on a line, in order: its prediction, or `{"error", "detail"}` for a line
//! that has none. The status has long been sent when a line turns out to be wrong.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::write::NonFinite;

use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::message::{Body, Refusal};
use crate::serve::problem::Problem;
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
            out.write_all(&answers)?;
            out.flush()?;
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
                Err(_) => Err(Problem::invalid("not_utf8", "the line is not UTF-8")),
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
        Ok(encode::ndjson(&predictions, self.nan))
    }
}

/// The last line of an answer to a body that broke off.
fn broken_off(refusal: Refusal, out: &mut dyn Write) -> io::Result<()> {
    let message = refusal.message.clone();
    let mut line = Vec::new();
    error_text(&mut line, &Problem::Refused(refusal));
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()?;
    Err(io::Error::other(message))
}
