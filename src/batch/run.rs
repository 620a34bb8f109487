//! A group of records through the model: their predictions, or which of them the model refuses.

use super::columns::Layout;
use super::encode::Group;
use super::feed::BatchAxis;
use crate::error::Result;
use crate::model::Model;
use crate::model::tensor::{Tensor, Value};

/// What a group goes through.
#[derive(Clone, Copy)]
pub struct Way<'w> {
    pub model: &'w Model,
    pub layout: &'w Layout,
    /// Records of one run.
    pub batch: BatchAxis,
    /// For each input whether its first axis counts records.
    pub counts: &'w [bool],
}

/// Consecutive records of a group after their run.
pub enum Part {
    Scored {
        records: usize,
        /// One tensor for each field of the layout, shape `[records, ...]`, padding included.
        outputs: Vec<Tensor>,
    },
    /// One record that the model refuses, in the model's words.
    Refused(String),
}

/// A record's predictions: the tensors of its run, and its row in them.
pub type Prediction<'p> = (&'p [Tensor], usize);

impl Way<'_> {
    /// Runs one group, whose first record is record `first` of all groups, and shows `look` what
    /// came out. Where the model fails on it, the halves are tried, and their halves, until the
    /// records at fault are alone.
    ///
    /// # Errors
    /// [`crate::error::Error::Model`] where the outputs have another form than the layout.
    pub fn run(
        &self,
        first: usize,
        group: &Group,
        parts: &mut Vec<Part>,
        look: &mut dyn FnMut(usize, &Group, &[Tensor]),
    ) -> Result<()> {
        let ran = self.model.run(&group.inputs);
        self.settle((first, group), ran, parts, look)
    }

    /// As [`Way::run`], after the run of the whole group, which gave `ran`.
    ///
    /// # Errors
    /// As [`Way::run`].
    pub fn settle(
        &self,
        (first, group): (usize, &Group),
        ran: Result<Vec<Value>>,
        parts: &mut Vec<Part>,
        look: &mut dyn FnMut(usize, &Group, &[Tensor]),
    ) -> Result<()> {
        let batch = self.batch;
        let records = group.records;
        let failure = match ran {
            Ok(values) => {
                let outputs = self.layout.arrange(values, group.rows(batch))?;
                look(first, group, &outputs);
                parts.push(Part::Scored { records, outputs });
                return Ok(());
            }
            Err(failure) => failure,
        };
        if records <= 1 {
            let message = failure.report().map_or("", |report| &report.message);
            let message = message.replace("on this batch", "on this record");
            parts.push(Part::Refused(message));
            return Ok(());
        }
        for half in [0..records / 2, records / 2..records] {
            let start = first + half.start;
            self.run(start, &group.part(half, self.counts, batch), parts, look)?;
        }
        Ok(())
    }
}

impl Part {
    /// How many records it stands for.
    pub fn records(&self) -> usize {
        match self {
            Part::Scored { records, .. } => *records,
            Part::Refused(_) => 1,
        }
    }

    /// For each record its predictions; nothing for a refused one.
    pub fn each(&self) -> impl Iterator<Item = Option<Prediction<'_>>> {
        (0..self.records()).map(move |record| match self {
            Part::Scored { outputs, .. } => Some((outputs.as_slice(), record)),
            Part::Refused(_) => None,
        })
    }

    /// For each record why it was refused; nothing for the others.
    pub fn messages(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.records()).map(move |_| match self {
            Part::Scored { .. } => None,
            Part::Refused(message) => Some(message.as_str()),
        })
    }
}
