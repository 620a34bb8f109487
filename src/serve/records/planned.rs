//! A plan for records with certain columns, kept for the next request with the same ones.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::batch::cell::Cell;
use crate::batch::feed::How;
use crate::batch::json::{Broken, Cursor};
use crate::batch::lanes::Lanes;
use crate::batch::plan::{Header, Keep, Plan, Rules};
use crate::batch::spelling::Spelling;
use crate::error::Error;
use crate::model::signature::Signature;

use crate::serve::problem::Problem;

/// The way of records with certain columns into the model.
pub struct Planned {
    pub plan: Plan,
    header: Header,
    keep: Keep,
    /// From names to the plan's columns.
    indices: HashMap<String, usize>,
    /// For each of the plan's columns whether the model reads it.
    is_read: Vec<bool>,
    /// Whether the columns of the header are all that the model reads.
    is_complete: bool,
    /// The columns that nobody has a use for.
    useless: Vec<usize>,
    /// For each input whether its first axis counts records.
    pub counts: Vec<bool>,
    /// How the last objects were spelled.
    learned: RwLock<Option<Arc<Learned>>>,
}

/// How plain objects with the plan's columns in their order are spelled: such an object goes into the
/// tensors without being taken apart.
pub struct Learned {
    pub lanes: Lanes,
    pub spelling: Spelling,
}

/// How a JSON object fits the plan's columns.
#[derive(Debug, PartialEq, Eq)]
pub enum Fit {
    /// The plan's columns in their order, and all is there that the model reads.
    Exact,
    /// All is there that the model reads.
    Whole,
    /// Some columns that the model reads are absent.
    Lacking,
    /// It has a key that the plan does not know.
    Unknown,
    /// It has a key twice.
    Double(String),
}

impl Planned {
    /// Plans for records with the columns of `header`. What the model reads and they do not have
    /// is planned for as absent; the records are told so one by one.
    ///
    /// # Errors
    /// [`Problem::Invalid`] for columns that cannot feed the model, whatever the records hold.
    pub fn new(
        signature: &Signature,
        header: Header,
        rules: &Rules,
        keep: &Keep,
    ) -> Result<Planned, Problem> {
        let mut rules = Rules {
            keep: keep.clone(),
            ..rules.clone()
        };
        let open = Header {
            open: true,
            ..header.clone()
        };
        let plan = Plan::new(signature, open.clone(), &rules, "the request").or_else(|error| {
            rules.allow_missing_columns = true;
            // What was wrong at first says more than what is wrong after it.
            Plan::new(signature, open, &rules, "the request").map_err(|_| error)
        });
        let plan = plan.map_err(problem)?;
        let mut is_read = vec![false; plan.columns.len()];
        for feed in &plan.feeds {
            let sources = match &feed.how {
                How::Cells { sources, .. } => sources.as_slice(),
                How::List { source, .. } => std::slice::from_ref(source),
                How::Once(_) => &[],
            };
            for column in sources.iter().filter_map(|source| source.column) {
                if let Some(is_read) = is_read.get_mut(column) {
                    *is_read = true;
                }
            }
        }
        let is_useless = |column: &usize| !plan.kept.contains(column);
        Ok(Planned {
            indices: (0..)
                .zip(&plan.columns)
                .map(|(index, name)| (name.clone(), index))
                .collect(),
            is_complete: is_read
                .iter()
                .skip(header.columns.len())
                .all(|is_read| !is_read),
            useless: plan.unused.iter().copied().filter(is_useless).collect(),
            counts: plan.counts_records(),
            learned: RwLock::default(),
            is_read,
            header,
            keep: keep.clone(),
            plan,
        })
    }

    /// Whether it may have been made for objects with this first field.
    pub fn is_likely(&self, first: &str, keep: &Keep) -> bool {
        self.is_complete
            && self
                .header
                .columns
                .first()
                .is_some_and(|name| name == first)
            && self.keep == *keep
    }

    /// Whether it was made for records such as the one that `cells` were taken from, all of whose
    /// fields stood in order.
    pub fn is_exactly_for(&self, cells: &[Cell<'_>]) -> bool {
        let is_list = |cell: &Cell<'_>| matches!(cell, Cell::Json(raw) if raw.starts_with('['));
        let lists = cells.iter().map(is_list);
        self.header
            .lists
            .iter()
            .copied()
            .eq(lists.take(self.header.columns.len()))
    }

    /// How the last objects were spelled.
    pub fn learned(&self) -> Option<Arc<Learned>> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        learned.clone()
    }

    /// Learns how `record` is spelled, whose cells these are and whose fields stood in order.
    pub fn learn(&self, record: &str, cells: &[Cell<'_>]) -> Option<Arc<Learned>> {
        let order: Vec<usize> = (0..self.header.columns.len()).collect();
        let mut before = Vec::with_capacity(order.len());
        let mut at = 0;
        for column in &order {
            let Some(Cell::Json(value)) = cells.get(*column) else {
                return None;
            };
            // The value is a part of the record.
            let start = (value.as_ptr() as usize).checked_sub(record.as_ptr() as usize)?;
            before.push(record.get(at..start)?.as_bytes().to_vec());
            at = start + value.len();
        }
        let learned = Arc::new(Learned {
            lanes: Lanes::new(&self.plan, &order)?,
            spelling: Spelling::Members {
                before,
                after: record.get(at..)?.as_bytes().to_vec(),
                ends_line: false,
            },
        });
        let mut place = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::clone(&learned));
        Some(learned)
    }

    /// Whether it was made for records with these columns.
    pub fn is_for(&self, header: &Header, keep: &Keep) -> bool {
        self.header == *header && self.keep == *keep
    }

    /// The columns that it was made for, without those that are absent.
    pub fn columns(&self) -> &[String] {
        &self.header.columns
    }

    /// Whether its first column holds lists.
    pub fn takes_a_list(&self) -> bool {
        self.header.lists.first() == Some(&true)
    }

    /// The names of the columns that nobody has a use for.
    pub fn useless(&self) -> impl Iterator<Item = &str> {
        self.useless.iter().map(|column| self.plan.column(*column))
    }

    /// The columns that the model reads and that are not among those it was made for.
    pub fn absent(&self) -> impl Iterator<Item = &str> {
        let columns = self.plan.columns.iter().zip(&self.is_read);
        let absent = columns.skip(self.header.columns.len());
        absent.filter_map(|(name, is_read)| is_read.then_some(name.as_str()))
    }

    /// The columns that the model reads and `cells` lacks.
    pub fn lacking<'p>(&'p self, cells: &'p [Cell<'_>]) -> impl Iterator<Item = &'p str> {
        let columns = self.plan.columns.iter().zip(&self.is_read).zip(cells);
        let absent = columns.filter(|((_, is_read), cell)| **is_read && **cell == Cell::Absent);
        absent.map(|((name, _), _)| name.as_str())
    }

    /// Takes the object apart that stands at the cursor, one cell for each of the plan's columns.
    ///
    /// # Errors
    /// What is no JSON object.
    pub fn take_apart<'b>(
        &self,
        cursor: &mut Cursor<'b>,
        cells: &mut Vec<Cell<'b>>,
    ) -> Result<Fit, Broken> {
        cells.clear();
        cells.resize(self.plan.columns.len(), Cell::Absent);
        cursor.enter(b'{')?;
        let mut fit = Fit::Whole;
        let mut is_in_order = true;
        let mut found = 0;
        let mut guess = 0;
        while let Some(key) = cursor.next_key()? {
            let value = cursor.value()?;
            let column = match self.plan.columns.get(guess) {
                Some(name) if *name == key => Some(guess),
                _ => {
                    is_in_order = false;
                    self.indices.get(key.as_ref()).copied()
                }
            };
            let Some((column, cell)) = column.and_then(|at| Some((at, cells.get_mut(at)?))) else {
                fit = Fit::Unknown;
                continue;
            };
            if std::mem::replace(cell, Cell::Json(value)) != Cell::Absent {
                fit = Fit::Double(key.into_owned());
            }
            found += 1;
            guess = column + 1;
        }
        let is_whole = self.is_complete && found == self.header.columns.len();
        match fit {
            Fit::Whole if is_whole && is_in_order => Ok(Fit::Exact),
            Fit::Whole if !is_whole && self.lacking(cells).next().is_some() => Ok(Fit::Lacking),
            fit => Ok(fit),
        }
    }
}

/// What is wrong with columns is wrong with the request, unless the model itself is at fault.
fn problem(error: Error) -> Problem {
    match &error {
        Error::Data(report) | Error::Usage(report) => {
            Problem::invalid("columns", report.message.clone())
        }
        _ => Problem::Failed(error),
    }
}
