//! Records in JSON: objects by the names of their fields, lists by position, or plain values.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::batch::cell::Cell;
use crate::batch::json::{Broken, Cursor};
use crate::batch::plan::Header;

use crate::serve::hosted::Hosted;
use crate::serve::problem::{Fault, JSON_INVALID, Problem, Step};

use super::planned::{Fit, Planned};
use super::{Ask, Encoded, Intake, Place, Shape};

/// Encodes the records of `text`: a list of them, one alone, or one on each line, as `place` says.
///
/// # Errors
/// [`Problem::Invalid`] with everything that is wrong with the records.
pub fn encode<'b>(
    hosted: &Hosted,
    text: &'b str,
    ask: &Ask,
    place: &Place,
) -> Result<Encoded<'b>, Problem> {
    encode_all(hosted, text, ask, place).map_err(|stopped| stopped.of(text, place))
}

fn encode_all<'b>(
    hosted: &Hosted,
    text: &'b str,
    ask: &Ask,
    place: &Place,
) -> Result<Encoded<'b>, Stopped> {
    let start = Walk::new(text, place.shape);
    let mut first = start.clone();
    if !first.next()? {
        let planned = hosted.expected()?;
        let intake = Intake::new(hosted, planned, ask, place);
        return Ok(intake.finish(Arc::clone(planned))?);
    }
    let objects = Objects {
        hosted,
        ask,
        place,
        start,
    };
    match first.cursor.peek() {
        Some(b'{') => objects.encode(first),
        _ => encode_rows(hosted, objects.start, ask, place),
    }
}

/// What is not JSON at all.
pub fn broken(broken: Broken) -> Problem {
    let fault = Fault::of_body(JSON_INVALID, broken.to_string());
    Problem::Invalid(fault.below(Step::Index(broken.at)).into())
}

/// Why the records cannot be encoded.
enum Stopped {
    Broken(Broken),
    Problem(Problem),
}

impl From<Broken> for Stopped {
    fn from(broken: Broken) -> Stopped {
        Stopped::Broken(broken)
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Stopped {
        Stopped::Problem(problem)
    }
}

impl Stopped {
    /// As the request's problem. Of records on lines the place is the line and a byte of it.
    fn of(self, text: &str, place: &Place) -> Problem {
        let at_byte = match self {
            Stopped::Problem(problem) => return problem,
            Stopped::Broken(at_byte) if place.shape != Shape::Lines => return broken(at_byte),
            Stopped::Broken(at_byte) => at_byte,
        };
        // A record that never ends is at fault on its own line, not behind the last.
        let at = at_byte.at.min(text.trim_end().len());
        let before = text.as_bytes().get(..at).unwrap_or_default();
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let line = memchr::memchr_iter(b'\n', before).count();
        let in_line = Broken {
            at: at - start,
            ..at_byte
        };
        let message = format!("line {}: {in_line}", place.first + line);
        let fault = place.fault(line, JSON_INVALID, message);
        Problem::Invalid(fault.below(Step::Index(in_line.at)).into())
    }
}

/// A way through the records of a text.
#[derive(Clone)]
struct Walk<'b> {
    cursor: Cursor<'b>,
    /// Nothing has been gone over.
    is_start: bool,
    shape: Shape,
}

impl<'b> Walk<'b> {
    fn new(text: &'b str, shape: Shape) -> Walk<'b> {
        Walk {
            cursor: Cursor::new(text),
            is_start: true,
            shape,
        }
    }

    /// Whether there is another record, which then stands at the cursor.
    fn next(&mut self) -> Result<bool, Broken> {
        let is_start = std::mem::take(&mut self.is_start);
        let has_more = match (self.shape, is_start) {
            (Shape::One, is_start) => is_start,
            (Shape::Lines, _) => self.cursor.peek().is_some(),
            (Shape::List, true) => {
                self.cursor.enter(b'[')?;
                self.cursor.next_item()?
            }
            (Shape::List, false) => self.cursor.next_item()?,
        };
        if !has_more {
            self.cursor.end()?;
        }
        Ok(has_more)
    }
}

/// Records that are objects.
struct Objects<'h, 'b> {
    hosted: &'h Hosted,
    ask: &'h Ask,
    place: &'h Place,
    start: Walk<'b>,
}

impl<'b> Objects<'_, 'b> {
    /// By the fields of the first record, at which `first` stands; by those of all, where a later one
    /// has others.
    fn encode(&self, mut first: Walk<'b>) -> Result<Encoded<'b>, Stopped> {
        if let Some(encoded) = self.encode_likely(&first)? {
            return Ok(encoded);
        }
        let mut names = Fields::default();
        let added = names.add(&mut first.cursor)?;
        if let Some(key) = added {
            let fault = self.place.fault(0, "double_key", "the field stands twice");
            return Err(Problem::Invalid(fault.below(Step::Key(key)).into()).into());
        }
        let planned = self.hosted.planned(names.header, &self.ask.keep)?;
        if let Some(encoded) = self.encode_by(planned, false)? {
            return Ok(encoded);
        }
        let planned = self.hosted.planned(self.all_fields()?, &self.ask.keep)?;
        let encoded = self.encode_by(planned, false)?;
        // Cannot be: all fields are known now.
        let other = || Problem::invalid("columns", "the records have other fields each");
        Ok(encoded.ok_or_else(other)?)
    }

    /// By a plan that was made before, if it is for just these records: the fields need not be told
    /// from each other then.
    fn encode_likely(&self, first: &Walk<'b>) -> Result<Option<Encoded<'b>>, Stopped> {
        let mut cursor = first.cursor.clone();
        cursor.enter(b'{')?;
        let Some(key) = cursor.next_key()? else {
            return Ok(None);
        };
        match self.hosted.likely(&key, &self.ask.keep) {
            Some(planned) => self.encode_by(planned, true),
            None => Ok(None),
        }
    }

    /// The fields of all records, in the order of their first appearance.
    fn all_fields(&self) -> Result<Header, Stopped> {
        let mut fields = Fields::default();
        let mut walk = self.start.clone();
        while walk.next()? {
            let is_object = walk.cursor.peek() == Some(b'{');
            let gone_over = match is_object {
                true => fields.add(&mut walk.cursor).map(|_| ()),
                false => walk.cursor.value().map(|_| ()),
            };
            gone_over?;
        }
        Ok(fields.header)
    }

    /// Encodes all records; `None` where one has a field that the plan does not know, and where the
    /// first is not what a likely plan was made for.
    fn encode_by(
        &self,
        planned: Arc<Planned>,
        is_likely: bool,
    ) -> Result<Option<Encoded<'b>>, Stopped> {
        let mut intake = Intake::new(self.hosted, &planned, self.ask, self.place);
        let mut learned = planned.learned();
        let mut cells = vec![Cell::Absent; planned.plan.columns.len()];
        let mut walk = self.start.clone();
        while walk.next()? {
            if walk.cursor.peek() != Some(b'{') {
                let found = walk.cursor.value()?;
                let message = "expected an object, as the first record is one";
                intake.refuse("not_an_object", message, found);
                continue;
            }
            let plain = learned.as_ref();
            if plain.is_some_and(|learned| intake.take_plain(learned, &mut walk.cursor, &mut cells))
            {
                continue;
            }
            let start = walk.cursor.clone();
            let fit = planned.take_apart(&mut walk.cursor, &mut cells);
            let fit = fit?;
            let is_first = intake.records == 0;
            if is_first && is_likely && (fit != Fit::Exact || !planned.is_exactly_for(&cells)) {
                return Ok(None);
            }
            match fit {
                Fit::Unknown => return Ok(None),
                Fit::Double(key) => {
                    let message = format!("the field \"{key}\" stands twice");
                    intake.refuse("double_key", message, &key);
                }
                Fit::Exact => {
                    intake.take(&cells, false);
                    if learned.is_none() || !is_first {
                        learned = planned.learn(walk.cursor.since(&start), &cells);
                    }
                }
                fit => intake.take(&cells, fit == Fit::Lacking),
            }
        }
        Ok(Some(intake.finish(Arc::clone(&planned))?))
    }
}

/// The names of fields, each once, and whether their first values are lists.
#[derive(Default)]
struct Fields<'b> {
    header: Header,
    seen: HashSet<Cow<'b, str>>,
}

impl<'b> Fields<'b> {
    /// Adds the fields of the object at the cursor that are new. Returns one that stands twice in it.
    fn add(&mut self, cursor: &mut Cursor<'b>) -> Result<Option<String>, Broken> {
        let is_first = self.header.columns.is_empty();
        let mut double = None;
        cursor.enter(b'{')?;
        while let Some(key) = cursor.next_key()? {
            let value = cursor.value()?;
            if self.seen.insert(key.clone()) {
                self.header.columns.push(key.into_owned());
                self.header.lists.push(value.starts_with('['));
            } else if is_first {
                double = Some(key.into_owned());
            }
        }
        Ok(double)
    }
}

/// Records that are lists of values in the model's own order; where the model wants one value, they
/// are that value, list or not.
fn encode_rows<'b>(
    hosted: &Hosted,
    mut walk: Walk<'b>,
    ask: &Ask,
    place: &Place,
) -> Result<Encoded<'b>, Stopped> {
    let planned = hosted.expected()?;
    let wanted = planned.columns().len();
    let mut intake = Intake::new(hosted, planned, ask, place);
    let mut cells = Vec::with_capacity(planned.plan.columns.len());
    while walk.next()? {
        cells.clear();
        match (wanted, walk.cursor.peek()) {
            (1, _) => cells.push(Cell::Json(walk.cursor.value()?)),
            (_, Some(b'[')) => items(&mut walk.cursor, &mut cells)?,
            _ => {
                let found = walk.cursor.value()?;
                let message = format!("expected an object, or a list of {wanted} values");
                intake.refuse("not_an_object", message, found);
                continue;
            }
        }
        if cells.len() == wanted {
            cells.resize(planned.plan.columns.len(), Cell::Absent);
            intake.take(&cells, false);
        } else {
            let message = format!("expected {wanted} values, found {}", cells.len());
            intake.refuse("wrong_length", message, "");
        }
    }
    Ok(intake.finish(Arc::clone(planned))?)
}

fn items<'b>(cursor: &mut Cursor<'b>, cells: &mut Vec<Cell<'b>>) -> Result<(), Broken> {
    cursor.enter(b'[')?;
    while cursor.next_item()? {
        cells.push(Cell::Json(cursor.value()?));
    }
    Ok(())
}
