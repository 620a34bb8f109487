//! Questions for membership as a walk asks them: a record's value is replaced by its place among all the
//! values that its column is asked for, once, and each question is then one bit of a table.

use std::collections::BTreeMap;

use super::super::categories::Values;
use super::super::forest::{Forest, NAN_NUMBER, Real, Test};
use super::super::read::Refusal;

/// Words of tables at most: a node carries the place of its own in a NaN ([`Real::nan_with`]).
const MOST_WORDS: usize = NAN_NUMBER as usize;

/// The columns whose values have places, and the tables of all questions for membership.
#[derive(Debug)]
pub(in crate::trees) struct Places<T> {
    /// How many columns of a record walk with it.
    features: usize,
    /// Columns and all values that they are asked for; their places are the columns behind.
    categories: Vec<(u32, Values<T>)>,
    /// A bit for each place: whether the answer is yes. The first word is 0.
    pub(in crate::trees) words: Vec<u32>,
    /// Where the table of each question begins: of a column, of a set, whether NaN is yes.
    tables: BTreeMap<(u32, u32, bool), u32>,
}

impl<T: Real> Places<T> {
    /// Of all questions in the forest; `None` where there are none.
    ///
    /// # Errors
    /// [`Refusal`] where there is no room for them.
    pub(super) fn of(forest: &Forest<T>) -> Result<Option<Places<T>>, Refusal> {
        let mut questions: Vec<(u32, u32, bool)> = forest
            .branches()
            .filter_map(|branch| match branch.test {
                Test::In(set) => Some((branch.feature, set, branch.missing)),
                Test::AtMost(_) => None,
            })
            .collect();
        questions.sort_unstable();
        questions.dedup();
        if questions.is_empty() {
            return Ok(None);
        }
        let mut places = Places {
            features: forest.features(),
            categories: Vec::new(),
            words: vec![0],
            tables: BTreeMap::new(),
        };
        for of_feature in questions.chunk_by(|a, b| a.0 == b.0) {
            places.add(forest, of_feature)?;
        }
        Ok(Some(places))
    }

    /// Adds the questions that are asked of one column.
    fn add(&mut self, forest: &Forest<T>, questions: &[(u32, u32, bool)]) -> Result<(), Refusal> {
        let set = |number: u32| {
            let set = forest.sets().get(number as usize);
            set.map(Vec::as_slice).unwrap_or_default()
        };
        let values = questions.iter().flat_map(|q| set(q.1)).copied();
        let values = Values::of(values.collect())?;
        let length = values.places().div_ceil(32);
        if self.words.len() + length * questions.len() > MOST_WORDS {
            return Err(Refusal::new("it asks for too many sets of too many values"));
        }
        for question in questions {
            let (_, number, missing) = *question;
            self.tables.insert(*question, self.words.len() as u32);
            let mut table = vec![0_u32; length];
            for place in values.yes(set(number), missing) {
                if let Some(word) = table.get_mut(place / 32) {
                    *word |= 1 << (place % 32);
                }
            }
            self.words.extend(table);
        }
        if let Some((feature, ..)) = questions.first() {
            self.categories.push((*feature, values));
        }
        Ok(())
    }

    /// Where the table of a question begins, which is never 0, and the column that has the place.
    pub(super) fn question(&self, feature: u32, set: u32, missing: bool) -> Option<(u32, usize)> {
        let table = self.tables.get(&(feature, set, missing))?;
        let category = self
            .categories
            .binary_search_by_key(&feature, |c| c.0)
            .ok()?;
        Some((*table, self.features + category))
    }

    /// How many columns a record has once it has places.
    pub(in crate::trees) fn columns(&self) -> usize {
        self.features + self.categories.len()
    }

    /// Writes the records, row-major of `columns` columns, with their places: row-major of
    /// [`Places::columns`].
    pub(in crate::trees) fn put(&self, rows: &[T], columns: usize, to: &mut Vec<T>) {
        to.clear();
        for row in rows.chunks_exact(columns) {
            let row = row.get(..self.features).unwrap_or_default();
            to.extend_from_slice(row);
            to.extend(self.categories.iter().map(|(feature, values)| {
                let value = row.get(*feature as usize).copied().unwrap_or_default();
                T::of_bits(values.place(value) as u32)
            }));
        }
    }
}
