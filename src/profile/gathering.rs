//! The figures of records as they go by: run by run, then block by block, in the order of the input.

use crate::batch::encode::Group;
use crate::batch::feed::elements;
use crate::each_dtype;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use super::columns::{Column, Columns};
use super::counts::Counts;
use super::measure::Measure;
use super::moments::{self, Moments};
use super::sample::{self, Level, Sample};

/// What is gathered; shared by all who gather.
#[derive(Debug, Default)]
pub struct Gather {
    pub columns: Columns,
    level: Level,
}

impl Gather {
    /// Gathers `columns`.
    pub fn new(columns: Columns) -> Gather {
        Gather {
            columns,
            level: Level::default(),
        }
    }
}

/// What is held of one column, by what its tensor turned out to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Held {
    #[default]
    Nothing,
    Numbers(Moments),
    Texts(Counts),
}

/// The figures of records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gathering {
    pub records: u64,
    /// One for each feature, then one for each column of predictions.
    pub held: Vec<Held>,
    /// The values of numbers; a column of texts has none.
    pub sample: Sample,
    /// Records of sources whose columns stand elsewhere, of which nothing is held.
    pub unlike: u64,
}

impl Gathering {
    /// Figures of no records.
    pub fn new(gather: &Gather) -> Gathering {
        let columns = gather.columns.features.len() + gather.columns.predictions.len();
        Gathering {
            held: vec![Held::Nothing; columns],
            sample: Sample::new(columns, gather.level.now()),
            ..Gathering::default()
        }
    }

    /// Looks at one run: its records, of which the first is at `place` in the input, and one tensor for
    /// each field of their predictions.
    pub fn look(&mut self, columns: &Columns, (group, outputs): (&Group, &[Tensor]), place: u64) {
        self.records += group.records as u64;
        let level = self.sample.level;
        let keyed = (0..group.records).map(|row| (row, sample::key(place + row as u64)));
        let chosen: Vec<(usize, u64)> = keyed
            .filter(|(_, key)| sample::is_in(*key, level))
            .collect();
        self.sample.keys.extend(chosen.iter().map(|(_, key)| key));
        let (mut held, mut values) = (self.held.as_mut_slice(), self.sample.values.as_mut_slice());
        let features = columns.features.chunk_by(|a, b| a.tensor == b.tensor);
        let predictions = columns.predictions.chunk_by(|a, b| a.tensor == b.tensor);
        let tensors = features
            .map(|columns| (columns, group.inputs.as_slice()))
            .chain(predictions.map(|columns| (columns, outputs)));
        for (columns, tensors) in tensors {
            let (here, later) = held.split_at_mut(columns.len().min(held.len()));
            let (sampled, others) = values.split_at_mut(columns.len().min(values.len()));
            (held, values) = (later, others);
            let tensor = columns
                .first()
                .and_then(|column| tensors.get(column.tensor));
            let Some(tensor) = tensor else { continue };
            let part = Part {
                columns,
                records: group.records,
                width: elements(tensor.shape().get(1..).unwrap_or_default()),
                chosen: &chosen,
            };
            let is_text = tensor.dtype() == Dtype::String;
            each_dtype!(tensor, array => if let Some(all) = array.as_slice() {
                match is_text {
                    true => part.add_texts(all, here),
                    false => part.add_numbers(all, here, sampled),
                }
            });
        }
    }

    /// Adds what was gathered of later records.
    pub fn merge(&mut self, later: &Gathering, gather: &Gather) {
        self.records += later.records;
        for (held, later) in self.held.iter_mut().zip(&later.held) {
            match (&mut *held, later) {
                (Held::Numbers(moments), Held::Numbers(later)) => moments.merge(later),
                (Held::Texts(counts), Held::Texts(later)) => counts.merge(later),
                (Held::Nothing, later) => *held = later.clone(),
                _ => {}
            }
        }
        self.sample.merge(&later.sample);
        gather.level.raise(self.sample.level);
    }
}

/// The columns of one tensor of a run.
struct Part<'p> {
    columns: &'p [Column],
    records: usize,
    /// Elements of a record.
    width: usize,
    /// Records of the sample: row and key.
    chosen: &'p [(usize, u64)],
}

impl Part<'_> {
    fn add_texts<T: Measure>(&self, all: &[T], held: &mut [Held]) {
        let rows = all.chunks_exact(self.width.max(1)).take(self.records);
        for (column, held) in self.columns.iter().zip(held) {
            if !matches!(held, Held::Texts(_)) {
                *held = Held::Texts(Counts::default());
            }
            let Held::Texts(counts) = held else { continue };
            let mut add = |value: &T| counts.add(value.text().unwrap_or_default());
            match column.element {
                Some(at) => rows
                    .clone()
                    .filter_map(|row| row.get(at))
                    .for_each(&mut add),
                None => rows.clone().flatten().for_each(&mut add),
            }
        }
    }

    fn add_numbers<T: Measure>(&self, all: &[T], held: &mut [Held], sampled: &mut [Vec<f64>]) {
        let all_moments = held.iter_mut().filter_map(|held| {
            if *held == Held::Nothing {
                *held = Held::Numbers(Moments::default());
            }
            match held {
                Held::Numbers(moments) => Some(moments),
                _ => None,
            }
        });
        let mut all_moments: Vec<&mut Moments> = all_moments.collect();
        let together = self.columns.iter().any(|column| column.element.is_none());
        match together {
            true => moments::add(all, 1, self.records * self.width, &mut all_moments),
            false => moments::add(all, self.width, self.records, &mut all_moments),
        }
        for (column, values) in self.columns.iter().zip(sampled) {
            let value = |&(row, key): &(usize, u64)| {
                // One element speaks for all of a record.
                let any = || key.checked_rem(self.width as u64).unwrap_or(0) as usize;
                let value = all.get(row * self.width + column.element.unwrap_or_else(any));
                value.and_then(T::number).unwrap_or(f64::NAN)
            };
            values.extend(self.chosen.iter().map(value));
        }
    }
}
