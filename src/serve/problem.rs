//! Why a request has no prediction: faults with their places, or one sentence.
//!
//! Knows no dialect: each says a problem in its own shape.

use crate::error::Error;

use super::message::Refusal;

/// Faults that are told of at most; the others are only counted.
pub const MOST_FAULTS: usize = 100;
/// The code of a body that is no JSON; its place is a byte.
pub const JSON_INVALID: &str = "json_invalid";
/// Characters of an input that are shown with its fault.
const MOST_SHOWN: usize = 200;

/// Why there is no prediction.
#[derive(Debug)]
pub enum Problem {
    /// The request cannot be taken: too large, of an unknown type, for a model that is not here.
    Refused(Refusal),
    /// The request was understood, and what it says is wrong.
    Invalid(Faults),
    /// The model or the runtime failed.
    Failed(Error),
}

/// One step on the way to a value in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as FastAPI's `loc`: `body`, `instances`, 3, `age`.
    pub loc: Vec<Step>,
    /// Lower case, no full stop: what was expected and what was found.
    pub message: String,
    /// A stable word for machines, FastAPI's `type`: `missing`, `not_a_number`.
    pub code: &'static str,
    /// What was found, as JSON or text; nothing where nothing is there.
    pub input: Option<String>,
}

/// What is wrong with a request: no more than [`MOST_FAULTS`] of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    list: Vec<Fault>,
    /// All of them.
    total: usize,
}

impl Fault {
    /// A fault of the body as a whole.
    pub fn of_body(code: &'static str, message: impl Into<String>) -> Fault {
        Fault {
            loc: vec![Step::Key("body".to_owned())],
            message: message.into(),
            code,
            input: None,
        }
    }

    /// Adds a step to where it is.
    #[must_use]
    pub fn below(mut self, step: Step) -> Fault {
        self.loc.push(step);
        self
    }

    /// Adds what was found there.
    #[must_use]
    pub fn found(mut self, input: &str) -> Fault {
        let mut shown: String = input.chars().take(MOST_SHOWN).collect();
        if shown.len() < input.len() {
            shown.push('…');
        }
        self.input = Some(shown);
        self
    }

    /// `instances[3].age: expected a number (float32), found "x"`.
    pub fn sentence(&self) -> String {
        if self.code == JSON_INVALID {
            // It says where itself.
            return self.message.clone();
        }
        let mut place = String::new();
        // That it is in the body needs no saying.
        for step in self.loc.iter().skip(1) {
            match step {
                Step::Key(key) if place.is_empty() => place.push_str(key),
                Step::Key(key) => {
                    place.push('.');
                    place.push_str(key);
                }
                Step::Index(index) => place.push_str(&format!("[{index}]")),
            }
        }
        match place.is_empty() {
            true => self.message.clone(),
            false => format!("{place}: {}", self.message),
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Faults {
        let mut faults = Faults::default();
        faults.push(fault);
        faults
    }
}

impl Faults {
    /// Adds a fault, which is only counted when there are many already.
    pub fn push(&mut self, fault: Fault) {
        self.total += 1;
        if self.list.len() < MOST_FAULTS {
            self.list.push(fault);
        }
    }

    /// How many more would be told of.
    pub fn room(&self) -> usize {
        MOST_FAULTS - self.list.len().min(MOST_FAULTS)
    }

    /// Those that are told of.
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// How many there are in all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The first fault, and how many more there are.
    pub fn sentence(&self) -> String {
        let first = self.list.first().map(Fault::sentence).unwrap_or_default();
        match self.total {
            0 | 1 => first,
            total => format!("{first} (and {} more)", total - 1),
        }
    }
}

impl Problem {
    /// The body says something that is wrong as a whole.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Problem {
        Problem::Invalid(Fault::of_body(code, message).into())
    }

    /// The request cannot be taken.
    pub fn refused(status: u16, reason: &'static str, message: impl Into<String>) -> Problem {
        Problem::Refused(Refusal::new(status, reason, message))
    }

    /// The status that most dialects answer with; those that know no 422 say 400 for it.
    pub fn status(&self) -> u16 {
        match self {
            Problem::Refused(refusal) => refusal.status,
            Problem::Invalid(_) => 422,
            Problem::Failed(_) => 500,
        }
    }

    /// A stable word for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Problem::Refused(refusal) => refusal.reason,
            Problem::Invalid(_) => "invalid",
            Problem::Failed(_) => "failed",
        }
    }

    /// One sentence for the client, without a path of this machine.
    pub fn message(&self) -> String {
        match self {
            Problem::Refused(refusal) => refusal.message.clone(),
            Problem::Invalid(faults) => faults.sentence(),
            // The place of an error is a file here, which is nobody's business there.
            Problem::Failed(error) => match error.report() {
                Some(report) => report.message.clone(),
                None => "the server is stopping".to_owned(),
            },
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem::Refused(refusal)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_place_without_the_body() {
        let fault = Fault::of_body("missing", "field required")
            .below(Step::Key("instances".to_owned()))
            .below(Step::Index(3))
            .below(Step::Key("age".to_owned()));
        assert_eq!(fault.sentence(), "instances[3].age: field required");
        let whole = Fault::of_body("json_invalid", "not valid JSON");
        assert_eq!(whole.sentence(), "not valid JSON");
    }

    #[test]
    fn many_faults_are_counted_and_few_are_kept() {
        let mut faults = Faults::default();
        for index in 0..250 {
            faults.push(Fault::of_body("missing", "field required").below(Step::Index(index)));
        }
        assert_eq!((faults.list().len(), faults.total()), (MOST_FAULTS, 250));
        assert_eq!(faults.sentence(), "[0]: field required (and 249 more)");
    }

    #[test]
    fn long_inputs_are_cut() {
        let fault = Fault::of_body("not_a_number", "x").found(&"ä".repeat(1000));
        assert_eq!(fault.input.map(|input| input.chars().count()), Some(201));
    }
}
