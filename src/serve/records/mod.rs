//! The records of a request into predictions: the way that every dialect with records shares.
//!
//! ```text
//! JSON (json) | NPY (npy) | CSV (csv), rows (table) -> planned -> cells -> Encoder -> groups -> Way::run -> Predictions
//! ```

pub mod csv;
pub mod flat;
pub mod json;
pub mod npy;
pub mod planned;
pub mod table;

use std::sync::Arc;

use crate::batch::cell::Cell;
use crate::batch::columns::{Layout, Wanted};
use crate::batch::encode::{self, Encoder, Group};
use crate::batch::feed::BatchAxis;
use crate::batch::json::Cursor;
use crate::batch::plan::Keep;
use crate::batch::run::{Part, Prediction, Way};
use crate::error::Error;
use crate::model::tensor::Tensor;

use super::bound::Bound;
use super::call::Call;
use super::hosted::Hosted;
use super::problem::{Fault, Faults, Problem, Step};
use super::record::{self, Recorder, Rows};
use planned::{Learned, Planned};

/// What a request wants of its records and their predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub wanted: Wanted,
    /// Columns that are given back beside the predictions.
    pub keep: Keep,
    /// A column that a record lacks counts as missing, as in a data frame of records.
    pub absent_is_missing: bool,
    /// Columns that nobody has a use for are a fault.
    pub strict: bool,
    /// The records are kept as they came.
    pub is_recorded: bool,
}

impl Ask {
    /// What the server's flags ask for.
    pub fn of(hosted: &Hosted) -> Ask {
        Ask {
            wanted: hosted.hosting.wanted.clone(),
            keep: Keep::None,
            absent_is_missing: hosted.hosting.rules.allow_missing_columns,
            strict: hosted.hosting.strict,
            is_recorded: false,
        }
    }

    /// The same for a request that may be recorded.
    #[must_use]
    pub fn recorded(self, call: &Call) -> Ask {
        Ask {
            is_recorded: call.recorded.is_some(),
            ..self
        }
    }
}

/// The records of a request in tensors.
pub struct Encoded<'b> {
    planned: Arc<Planned>,
    groups: Vec<Group>,
    /// The cells that are given back, as many for each record as the plan keeps.
    kept: Vec<Cell<'b>>,
    records: usize,
    /// The records as they came, where they are recorded.
    rows: Option<Rows>,
}

impl Encoded<'_> {
    /// The way that the records took.
    pub fn planned(&self) -> &Planned {
        &self.planned
    }
}

/// Where the records of a request stand in it, for its faults.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Steps to the list of records: `body`, `instances`.
    pub steps: Vec<Step>,
    pub shape: Shape,
    /// The number of the first record.
    pub first: usize,
}

/// How the records of a request stand in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// In a list.
    #[default]
    List,
    /// There is one, which is the body itself and has no number.
    One,
    /// One on each line.
    Lines,
}

impl Place {
    /// Records in the list that `keys` lead to.
    pub fn below(keys: &[&str]) -> Place {
        let steps = std::iter::once(&"body").chain(keys);
        Place {
            steps: steps.map(|key| Step::Key((*key).to_owned())).collect(),
            ..Place::default()
        }
    }

    /// A fault of record `index`.
    fn fault(&self, index: usize, code: &'static str, message: impl Into<String>) -> Fault {
        let mut loc = self.steps.clone();
        if self.shape != Shape::One {
            loc.push(Step::Index(self.first + index));
        }
        Fault {
            loc,
            message: message.into(),
            code,
            input: None,
        }
    }
}

/// Records on their way into tensors, with what is wrong with them.
struct Intake<'p, 'b> {
    planned: &'p Planned,
    ask: &'p Ask,
    place: &'p Place,
    encoder: Encoder<'p>,
    faults: Faults,
    kept: Vec<Cell<'b>>,
    records: usize,
    /// Who records the records, and what they are so far.
    rows: Option<(&'p Recorder, Rows)>,
}

impl<'p, 'b> Intake<'p, 'b> {
    fn new(hosted: &'p Hosted, planned: &'p Planned, ask: &'p Ask, place: &'p Place) -> Self {
        let mut faults = Faults::default();
        if ask.strict {
            for name in planned.useless() {
                let fault =
                    place.fault(0, "extra_forbidden", "the model has no use for this field");
                faults.push(fault.below(Step::Key(name.to_owned())));
            }
        }
        let recorder = hosted.hosting.recorder.as_deref();
        let recorder = recorder.filter(|_| ask.is_recorded);
        Intake {
            planned,
            ask,
            place,
            encoder: Encoder::new(&planned.plan, hosted.hosting.batch_size),
            faults,
            kept: Vec::new(),
            records: 0,
            rows: recorder.map(|recorder| (recorder, Rows::default())),
        }
    }

    /// Notes what is wrong with the next record as a whole.
    fn refuse(&mut self, code: &'static str, message: impl Into<String>, found: &str) {
        let fault = self.place.fault(self.records, code, message);
        self.faults.push(fault.found(found));
        self.records += 1;
    }

    /// Takes the record at the cursor if it is plain, and spelled as others before it.
    #[inline]
    fn take_plain(
        &mut self,
        learned: &Learned,
        cursor: &mut Cursor<'b>,
        cells: &mut [Cell<'b>],
    ) -> bool {
        if self.rows.is_some() {
            // It has to be taken apart.
            return false;
        }
        let Learned { lanes, spelling } = learned;
        let pushed = self
            .encoder
            .push_text(lanes, spelling, cursor.rest(), cells);
        let Some(length) = pushed else {
            return false;
        };
        cursor.advance(length);
        self.keep(cells);
        self.records += 1;
        true
    }

    fn keep(&mut self, cells: &[Cell<'b>]) {
        let kept = self.planned.plan.kept.iter();
        self.kept
            .extend(kept.filter_map(|column| cells.get(*column)));
    }

    /// Takes the next record.
    fn take(&mut self, cells: &[Cell<'b>], is_lacking: bool) {
        let is_lacking = is_lacking && !self.ask.absent_is_missing;
        if is_lacking {
            for name in self.planned.lacking(cells) {
                let fault = self.place.fault(self.records, "missing", "field required");
                self.faults.push(fault.below(Step::Key(name.to_owned())));
            }
        }
        if let Err(first) = self.encoder.push(cells) {
            let room = self.faults.room().max(1);
            let mut faults = self.encoder.faults(cells, room);
            if faults.is_empty() {
                faults.push(first);
            }
            // What is absent has been told of.
            let is_told = |fault: &encode::Fault| {
                is_lacking && self.planned.lacking(cells).any(|name| name == fault.column)
            };
            for fault in faults.iter().filter(|fault| !is_told(fault)) {
                self.faults
                    .push(cell_fault(self.place, self.records, fault));
            }
        }
        if self.faults.is_empty() {
            self.keep(cells);
            if let Some((recorder, rows)) = &mut self.rows {
                rows.push(&self.planned.plan, cells, recorder);
            }
        }
        self.records += 1;
    }

    /// All records, if nothing is wrong with any.
    fn finish(mut self, planned: Arc<Planned>) -> Result<Encoded<'b>, Problem> {
        if !self.faults.is_empty() {
            return Err(Problem::Invalid(self.faults));
        }
        let (groups, _) = self.encoder.finish();
        Ok(Encoded {
            planned,
            groups,
            kept: self.kept,
            records: self.records,
            rows: self.rows.map(|(_, rows)| rows),
        })
    }
}

fn cell_fault(place: &Place, record: usize, fault: &encode::Fault) -> Fault {
    // `column "age": expected ..., found ...` without the column, which is the place.
    let text = fault.to_string();
    let prefix = format!("column \"{}\": ", fault.column);
    let message = text.strip_prefix(&prefix).unwrap_or(&text);
    let told = place.fault(record, fault.reason.code(), message);
    let told = told.below(Step::Key(fault.column.clone()));
    match fault.found.as_str() {
        "nothing" => told,
        found => told.found(found),
    }
}

/// What the model said to the records of a request.
pub struct Predictions<'b> {
    pub layout: Arc<Layout>,
    /// The names of the columns that are given back.
    pub kept_names: Vec<String>,
    kept: Vec<Cell<'b>>,
    pub parts: Vec<Part>,
    /// How many there are.
    pub records: usize,
    /// Bytes of their answer at most, after which its writers stop (`bound`).
    pub most_bytes: usize,
}

impl<'b> Predictions<'b> {
    /// Predictions of which nothing else is given back.
    pub fn new(hosted: &Hosted, layout: Arc<Layout>, parts: Vec<Part>) -> Predictions<'b> {
        Predictions {
            most_bytes: hosted.hosting.reply_bytes,
            layout,
            kept_names: Vec::new(),
            kept: Vec::new(),
            records: parts.iter().map(Part::records).sum(),
            parts,
        }
    }

    /// For each record its predictions and the cells that are given back.
    pub fn each(&self) -> impl Iterator<Item = (Prediction<'_>, &[Cell<'b>])> {
        let width = self.kept_names.len();
        let kept = (0..self.records).map(move |record| {
            let cells = self.kept.get(record * width..(record + 1) * width);
            cells.unwrap_or_default()
        });
        // All were scored, else there were no predictions.
        self.parts.iter().flat_map(Part::each).flatten().zip(kept)
    }
}

/// Runs the model on all records of a request.
///
/// # Errors
/// [`Problem::Invalid`] for records that the model refuses and for wishes that fit no output;
/// [`Problem::Failed`]; 504.
pub fn score<'b>(
    hosted: &Hosted,
    call: &mut Call,
    encoded: Encoded<'b>,
    ask: &Ask,
    place: &Place,
) -> Result<Predictions<'b>, Problem> {
    let Encoded {
        planned,
        groups,
        kept,
        records,
        rows,
    } = encoded;
    let plan = &planned.plan;
    let first = groups.first();
    let layout = hosted.layout(plan, first, &ask.wanted).map_err(wish)?;
    let way = Runs {
        hosted,
        batch: plan.batch,
        counts: &planned.counts,
    };
    let (mut layout, parts) = way.run(call, &groups, layout, || {
        hosted.lay_out(plan, first, &ask.wanted)
    })?;
    check_refused(&parts, place)?;
    if let (Some(watch), Some(_)) = (&hosted.watch, &call.model) {
        let is_usual = ask.wanted == hosted.hosting.wanted;
        watch.records(&groups, if is_usual { &parts } else { &[] });
    }
    let of = (hosted, call.recorded.as_ref());
    record::note(of, (&layout, &parts), Some(plan), (rows.as_ref(), &groups));
    if !plan.kept.is_empty() {
        let mut renamed = Layout::clone(&layout);
        renamed.avoid(&plan.kept_names());
        layout = Arc::new(renamed);
    }
    Ok(Predictions {
        layout,
        kept_names: plan.kept_names().into_iter().map(str::to_owned).collect(),
        kept,
        parts,
        records,
        most_bytes: hosted.hosting.reply_bytes,
    })
}

/// How the groups of a request are run.
pub struct Runs<'r> {
    pub hosted: &'r Hosted,
    pub batch: BatchAxis,
    /// For each input whether its first axis counts records.
    pub counts: &'r [bool],
}

impl Runs<'_> {
    /// Runs all groups. A model whose outputs have another form than `layout` expects is laid out
    /// again, once.
    pub fn run(
        &self,
        call: &mut Call,
        groups: &[Group],
        layout: Arc<Layout>,
        again: impl FnOnce() -> crate::error::Result<Arc<Layout>>,
    ) -> Result<(Arc<Layout>, Vec<Part>), Problem> {
        match self.run_once(call, groups, &layout) {
            Err(Problem::Failed(Error::Model(_))) => {
                let layout = again().map_err(wish)?;
                let parts = self.run_once(call, groups, &layout)?;
                Ok((layout, parts))
            }
            parts => Ok((layout, parts?)),
        }
    }

    fn run_once(
        &self,
        call: &mut Call,
        groups: &[Group],
        layout: &Layout,
    ) -> Result<Vec<Part>, Problem> {
        let way = Way {
            model: &self.hosted.model,
            layout,
            batch: self.batch,
            counts: self.counts,
        };
        let mut parts = Vec::with_capacity(groups.len());
        let mut bound = Bound::new(self.hosted);
        let mut first = 0;
        for group in groups {
            let before = parts.len();
            let ran = self.hosted.run(call, group, self.counts, self.batch)?;
            // The search for the records at fault takes more runs.
            let _permit = match ran.is_err() && group.records > 1 {
                true => Some(self.hosted.queue.permit(call.deadline)?),
                false => None,
            };
            let look = &mut |_, _: &Group, _: &[Tensor]| {};
            way.settle((first, group), ran, &mut parts, look)?;
            // One run gives what its batch gives; it is many that add up.
            if groups.len() > 1 {
                bound.add_parts(parts.get(before..).unwrap_or_default())?;
            }
            first += group.records;
        }
        Ok(parts)
    }
}

/// # Errors
/// The records that the model refuses.
pub fn check_refused(parts: &[Part], place: &Place) -> Result<(), Problem> {
    let mut faults = Faults::default();
    let messages = parts.iter().flat_map(Part::messages).enumerate();
    for (record, message) in messages.filter_map(|(record, message)| Some((record, message?))) {
        faults.push(place.fault(record, "refused", message));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Problem::Invalid(faults)),
    }
}

/// A wish that fits no output is the request's fault.
pub fn wish(error: Error) -> Problem {
    match &error {
        Error::Usage(report) => {
            let message = report.message.trim_start_matches("--").to_owned();
            Problem::invalid("wish", message)
        }
        _ => Problem::Failed(error),
    }
}
