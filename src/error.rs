//! The one error type of the program: what went wrong, where, what to do, and the exit code.
//!
//! Variants are cut by what the user would do about it. Only `main.rs` prints them and exits; only
//! the HTTP layer will map them to a status.

use std::fmt;
use std::io;

/// The result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, by what the user would do about it.
#[derive(Debug)]
pub enum Error {
    /// A flag or argument makes no sense: change the command line. Exit code 2.
    Usage(Report),
    /// A record or a column of the input is wrong: mend the data. Exit code 1.
    Data(Report),
    /// The model file cannot be used. Exit code 3.
    Model(Report),
    /// ONNX Runtime is missing, refused, or failed while it ran. Exit code 3.
    Runtime(Report),
    /// Reading or writing failed: worth a retry. Exit code 4.
    Io(Report),
    /// The reader of our output went away (`| head`): not a failure. Exit code 0.
    ClosedPipe,
    /// A signal ended the run. Exit code 128 + its number.
    Signal(i32),
}

/// The text of an error: place first, then expected and found, then a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where it happened: `people.csv:7`, a path, a flag; empty when there is no place.
    pub place: String,
    /// Lower case, no full stop: what was expected and what was found.
    pub message: String,
    /// What to do about it, one sentence a line; empty when there is nothing to say.
    pub hint: String,
}

impl Report {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Report {
            place: place.into(),
            message: message.into(),
            hint: String::new(),
        }
    }
}

impl Error {
    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::Usage(Report::new("", message))
    }

    /// A fault in the input at `place` (`file:line`, or the file's name alone).
    pub fn data(place: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Data(Report::new(place, message))
    }

    /// A model file that cannot be used; `place` is its path.
    pub fn model(place: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Model(Report::new(place, message))
    }

    /// A failure of ONNX Runtime itself, or of finding it.
    pub fn runtime(message: impl Into<String>) -> Self {
        Error::Runtime(Report::new("", message))
    }

    /// A failed read or write of `place`; a closed pipe becomes [`Error::ClosedPipe`].
    pub fn io(place: impl Into<String>, source: &io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Error::ClosedPipe;
        }
        Error::Io(Report::new(place, io_text(source)))
    }

    /// Sets the remedy that is printed on the `hint:` lines.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(report) = self.report_mut() {
            report.hint = hint.into();
        }
        self
    }

    /// Sets the place of an error that has none: who found it did not know the file.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        if let Some(report) = self.report_mut().filter(|report| report.place.is_empty()) {
            report.place = place.to_string();
        }
        self
    }

    /// Adds a further line to the remedy.
    #[must_use]
    pub fn hint_more(mut self, hint: impl AsRef<str>) -> Self {
        if let Some(report) = self.report_mut() {
            report.hint.push('\n');
            report.hint.push_str(hint.as_ref());
        }
        self
    }

    /// The text of the error; none for a closed pipe or a signal, about which nothing is printed.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Error::Usage(report)
            | Error::Data(report)
            | Error::Model(report)
            | Error::Runtime(report)
            | Error::Io(report) => Some(report),
            Error::ClosedPipe | Error::Signal(_) => None,
        }
    }

    fn report_mut(&mut self) -> Option<&mut Report> {
        match self {
            Error::Usage(report)
            | Error::Data(report)
            | Error::Model(report)
            | Error::Runtime(report)
            | Error::Io(report) => Some(report),
            Error::ClosedPipe | Error::Signal(_) => None,
        }
    }

    /// The exit code of the process, as the README documents it for schedulers.
    pub fn exit_code(&self) -> i32 {
        match self {
            Error::ClosedPipe => 0,
            Error::Data(_) => 1,
            Error::Usage(_) => 2,
            Error::Model(_) | Error::Runtime(_) => 3,
            Error::Io(_) => 4,
            Error::Signal(number) => 128 + number,
        }
    }
}

/// The system's own words, lower case and without Rust's "(os error N)".
fn io_text(source: &io::Error) -> String {
    let text = source.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match (chars.next(), chars.as_str()) {
        (Some(first), rest) if !rest.starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(rest.chars()).collect()
        }
        _ => text.to_owned(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ClosedPipe => f.write_str("closed pipe"),
            Error::Signal(number) => write!(f, "ended by signal {number}"),
            _ => self.report().map_or(Ok(()), |report| report.fmt(f)),
        }
    }
}

impl fmt::Display for Report {
    /// `place: message`, then a `hint:` line for each line of the remedy; control characters that
    /// came from a file are escaped before a terminal sees them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", escape_controls(&self.place))?;
        }
        write!(f, "{}", escape_controls(&self.message))?;
        for line in self.hint.lines() {
            write!(f, "\nhint: {}", escape_controls(line))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// `text` with every control character written as `\n`, `\x1b` or `\u{202e}`, so that no file can
/// drive the terminal that shows its names, nor forge a line of ours.
pub fn escape_controls(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => "\\n".to_owned(),
            '\t' => "\\t".to_owned(),
            '\r' => "\\r".to_owned(),
            c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
            c if c.is_control() || is_direction_override(c) => format!("\\u{{{:x}}}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

/// The bidirectional overrides that can make a terminal show text in another order.
fn is_direction_override(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_place_message_and_hints_in_that_order() {
        let error = Error::data(
            "people.csv:7",
            "column \"age\": expected a number (float32), found \"n/a\"",
        )
        .hint("--missing n/a scores it as missing\nor mend the file");
        assert_eq!(
            error.to_string(),
            "people.csv:7: column \"age\": expected a number (float32), found \"n/a\"\n\
             hint: --missing n/a scores it as missing\n\
             hint: or mend the file"
        );
    }

    #[test]
    fn every_kind_of_error_has_its_documented_exit_code() {
        let io_error = io::Error::from(io::ErrorKind::NotFound);
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        for (error, code) in [
            (Error::data("a", "b"), 1),
            (Error::usage("b"), 2),
            (Error::model("a", "b"), 3),
            (Error::runtime("b"), 3),
            (Error::io("a", &io_error), 4),
            (Error::io("a", &pipe), 0),
            (Error::Signal(2), 130),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }

    #[test]
    fn io_errors_speak_lower_case_without_the_error_number() {
        let error = Error::io("x.csv", &io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "x.csv: no such file or directory");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        for (text, shown) in [
            ("\u{1b}[2J", "\\x1b[2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("tab\there", "tab\\there"),
            ("größe", "größe"),
            ("two\nlines", "two\\nlines"),
        ] {
            assert_eq!(escape_controls(text), shown);
        }
    }
}
