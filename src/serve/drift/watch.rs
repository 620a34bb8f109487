//! Counting of what a model is asked and says, in the bins of its baseline.
//!
//! On the way of every request: each thread counts in a copy of its own, which goes to the window when
//! some records have come together; of many records in one request a part is looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::columns::Layout;
use crate::batch::encode::Group;
use crate::batch::feed::elements;
use crate::batch::run::Part;
use crate::each_dtype;
use crate::flags;
use crate::model::tensor::{Tensor, Value};
use crate::profile::columns::Columns;
use crate::profile::measure::Measure;
use crate::profile::summary::{Bins, Numbers, Profile, Summary, What};

use crate::serve::metrics::thread_number;

use super::window::{Segment, Window};

/// Records of a run that are all looked at; of more, these or an eighth.
const ALL_OF: usize = 16;
/// Records that a thread keeps to itself at most.
const MOST_KEPT: u64 = 64;

/// What is counted of one model.
#[derive(Debug)]
pub struct Watch {
    pub profile: Arc<Profile>,
    /// Records that are looked back on.
    pub window: u64,
    /// For each input with features those.
    inputs: Vec<Watched>,
    /// For each field of predictions its columns.
    fields: Vec<Watched>,
    shards: Vec<Mutex<Shard>>,
    counts: Mutex<Window>,
}

/// One thread's counts since it last gave them away.
#[derive(Debug)]
struct Shard {
    counted: Segment,
    /// Where the next long run is looked at first, so that not always the same records are.
    turn: usize,
}

/// The columns of one tensor.
#[derive(Debug)]
struct Watched {
    tensor: usize,
    columns: Vec<Column>,
}

/// One column and its counts: missing values in the first cell, then one for each bin.
#[derive(Debug)]
struct Column {
    element: Option<usize>,
    cell: usize,
    places: Places,
}

/// How the bin of a value is found.
#[derive(Debug)]
enum Places {
    Numbers(Bins),
    /// What is not here goes into the bin behind all.
    Texts(HashMap<String, usize>),
}

impl Watch {
    /// Watches for what `profile` tells of. `columns` are those of the model, with its usual
    /// predictions.
    ///
    /// # Errors
    /// What the profile has and the model has not, for people.
    pub fn new(profile: &Arc<Profile>, columns: &Columns, window: u64) -> Result<Watch, String> {
        let mut cells = 0;
        let mut watch = Watch {
            profile: Arc::clone(profile),
            window,
            inputs: Vec::new(),
            fields: Vec::new(),
            shards: Vec::new(),
            counts: Mutex::new(Window::new(window, 0)),
        };
        for summary in &profile.features {
            let name = summary.input.as_deref().unwrap_or_default();
            let tensor = columns.inputs.iter().position(|input| input == name);
            let tensor = tensor.ok_or_else(|| {
                format!(
                    "the model has no input \"{name}\", which \"{}\" fed",
                    summary.name
                )
            })?;
            let column = Column::new(summary, summary.element, &mut cells);
            put(&mut watch.inputs, tensor, column);
        }
        for summary in &profile.predictions {
            let mut named = columns.predictions.iter();
            let found = named.find(|column| column.name == summary.name);
            let found = found.ok_or_else(|| {
                format!(
                    "the model's predictions have no column \"{}\"",
                    summary.name
                )
            })?;
            let column = Column::new(summary, found.element, &mut cells);
            put(&mut watch.fields, found.tensor, column);
        }
        let shards = (4 * flags::available_threads()).clamp(4, 64);
        let shard = |_| {
            Mutex::new(Shard {
                counted: Segment::new(cells),
                turn: 0,
            })
        };
        watch.shards = (0..shards).map(shard).collect();
        watch.counts = Mutex::new(Window::new(window, cells));
        Ok(watch)
    }

    /// Counts records and their predictions; `parts` are none where those are not the usual ones.
    pub fn records(&self, groups: &[Group], parts: &[Part]) {
        self.count(|counting| {
            for group in groups {
                counting.features(&self.inputs, group);
            }
            for part in parts {
                if let Part::Scored { records, outputs } = part {
                    counting.fields(&self.fields, *records, |field| outputs.get(field));
                }
            }
        });
    }

    /// Counts records that came as tensors, and what the model said to them, whose columns `layout`
    /// has.
    pub fn tensors(&self, group: &Group, values: &[Value], layout: Option<&Layout>) {
        self.count(|counting| {
            counting.features(&self.inputs, group);
            // These are the model's own scores.
            let Some(layout) = layout.filter(|layout| layout.activation().is_none()) else {
                return;
            };
            counting.fields(&self.fields, group.records, |field| {
                layout.fields.get(field)?.tensor(values)
            });
        });
    }

    fn count(&self, count: impl FnOnce(&mut Counting<'_>)) {
        let Some(shard) = self.shards.get(thread_number() % self.shards.len().max(1)) else {
            return;
        };
        let mut shard = locked(shard);
        let Shard { counted, turn } = &mut *shard;
        *turn = turn.wrapping_add(1);
        count(&mut Counting {
            counted,
            turn: *turn,
        });
        if shard.counted.records >= MOST_KEPT.min(self.window / 100) {
            self.give_away(&mut shard);
        }
    }

    fn give_away(&self, shard: &mut Shard) {
        locked(&self.counts).add(&shard.counted);
        shard.counted.clear();
    }

    /// What the window holds now: how many records, and all cells.
    pub(super) fn sum(&self) -> (u64, Vec<u64>) {
        for shard in &self.shards {
            self.give_away(&mut locked(shard));
        }
        let Segment { records, counts } = locked(&self.counts).sum();
        (records, counts)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a column to those of its tensor.
fn put(watched: &mut Vec<Watched>, tensor: usize, column: Column) {
    match watched.iter_mut().find(|watched| watched.tensor == tensor) {
        Some(watched) => watched.columns.push(column),
        None => watched.push(Watched {
            tensor,
            columns: vec![column],
        }),
    }
}

impl Column {
    /// Takes its cells behind the first `cells`, which then are those and these.
    fn new(summary: &Summary, element: Option<usize>, cells: &mut usize) -> Column {
        let column = Column {
            element,
            cell: *cells,
            places: match &summary.what {
                What::Numbers(Numbers { bins, .. }) => Places::Numbers(bins.clone()),
                What::Texts(texts) => {
                    let texts = texts.values.iter().zip(0..);
                    Places::Texts(texts.map(|((text, _), at)| (text.clone(), at)).collect())
                }
            },
        };
        *cells += 1 + summary.counts().len();
        column
    }

    /// Counts its value of each of `rows`.
    fn count<T: Measure>(
        &self,
        (all, width): (&[T], usize),
        rows: impl Iterator<Item = usize>,
        (counts, turn): (&mut [u64], usize),
    ) {
        // One element speaks for all of a record.
        let element = self.element.or_else(|| turn.checked_rem(width));
        let Some(element) = element.filter(|element| *element < width) else {
            return;
        };
        for row in rows {
            let Some(value) = all.get(row * width + element) else {
                continue;
            };
            let place = match (&self.places, value.number(), value.text()) {
                _ if value.is_missing() => 0,
                (Places::Numbers(bins), Some(number), _) => 1 + bins.place(number),
                (Places::Texts(texts), _, Some(text)) => {
                    1 + texts.get(text).copied().unwrap_or(texts.len())
                }
                _ => return,
            };
            if let Some(count) = counts.get_mut(self.cell + place) {
                *count += 1;
            }
        }
    }
}

/// One thread, counting.
struct Counting<'c> {
    counted: &'c mut Segment,
    turn: usize,
}

impl Counting<'_> {
    fn features(&mut self, inputs: &[Watched], group: &Group) {
        self.counted.records += looked_at(group.records, self.turn).count() as u64;
        for watched in inputs {
            if let Some(tensor) = group.inputs.get(watched.tensor) {
                self.tensor(watched, tensor, group.records);
            }
        }
    }

    fn fields<'t>(
        &mut self,
        fields: &[Watched],
        records: usize,
        tensor_of: impl Fn(usize) -> Option<&'t Tensor>,
    ) {
        for watched in fields {
            if let Some(tensor) = tensor_of(watched.tensor) {
                self.tensor(watched, tensor, records);
            }
        }
    }

    fn tensor(&mut self, watched: &Watched, tensor: &Tensor, records: usize) {
        let width = elements(tensor.shape().get(1..).unwrap_or_default());
        let (counts, turn) = (&mut self.counted.counts, self.turn);
        each_dtype!(tensor, array => if let Some(all) = array.as_slice() {
            for column in &watched.columns {
                column.count((all, width), looked_at(records, turn), (counts, turn));
            }
        });
    }
}

/// The rows that are looked at.
fn looked_at(records: usize, turn: usize) -> impl Iterator<Item = usize> {
    let looks = records.min((records / 8).max(ALL_OF));
    let step = records.checked_div(looks).unwrap_or(1);
    let first = turn.checked_rem(step).unwrap_or(0);
    (0..looks).map(move |look| first + look * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_few_records_are_looked_at_and_a_part_of_many() {
        for (records, looks) in [(0, 0), (1, 1), (16, 16), (17, 16), (100, 16), (1024, 128)] {
            for turn in 0..20 {
                let rows: Vec<usize> = looked_at(records, turn).collect();
                assert_eq!(rows.len(), looks, "{records}");
                assert!(rows.iter().all(|row| *row < records), "{records} {rows:?}");
                assert!(rows.is_sorted_by(|a, b| a < b), "{rows:?}");
            }
        }
    }
}
