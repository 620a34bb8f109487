//! How often each text was there, with bounded memory.

use std::collections::HashMap;

/// Different texts that are counted, those that come first; further ones are counted together.
const MOST: usize = 1000;
/// Bytes of a text that is counted by itself: longer ones are no categories.
const LONGEST: usize = 200;

/// How often each text was there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Empty texts.
    pub missing: u64,
    /// Texts that are not counted by themselves.
    pub other: u64,
    places: HashMap<String, usize>,
    /// In the order in which they came, which makes the result the same every time.
    texts: Vec<(String, u64)>,
}

impl Counts {
    /// Counts a text.
    pub fn add(&mut self, text: &str) {
        match text {
            "" => self.missing += 1,
            text => self.add_many(text, 1),
        }
    }

    fn add_many(&mut self, text: &str, count: u64) {
        if let Some((_, sum)) = self.places.get(text).and_then(|at| self.texts.get_mut(*at)) {
            *sum += count;
        } else if self.texts.len() < MOST && text.len() <= LONGEST {
            self.places.insert(text.to_owned(), self.texts.len());
            self.texts.push((text.to_owned(), count));
        } else {
            self.other += count;
        }
    }

    /// Adds the counts of later texts.
    pub fn merge(&mut self, later: &Counts) {
        self.missing += later.missing;
        self.other += later.other;
        for (text, count) in &later.texts {
            self.add_many(text, *count);
        }
    }

    /// The `most` most frequent texts with their counts, and the count of all others.
    pub fn top(&self, most: usize) -> (Vec<(String, u64)>, u64) {
        let mut ranked = self.texts.clone();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rest = ranked.split_off(most.min(ranked.len()));
        let others: u64 = rest.iter().map(|(_, count)| count).sum();
        (ranked, self.other + others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_the_rest_is_one() {
        let mut counts = Counts::default();
        let long = "x".repeat(LONGEST + 1);
        for text in ["b", "a", "b", "", "c", "a", "d", &long] {
            counts.add(text);
        }
        let pair = |text: &str, count| (text.to_owned(), count);
        assert_eq!(counts.top(2), (vec![pair("a", 2), pair("b", 2)], 3));
        assert_eq!(counts.missing, 1);
        let mut twice = counts.clone();
        twice.merge(&counts);
        assert_eq!(twice.top(1), (vec![pair("a", 4)], 10));
    }

    #[test]
    fn memory_is_bounded() {
        let mut counts = Counts::default();
        (0..5000).for_each(|number| counts.add(&number.to_string()));
        assert_eq!((counts.texts.len(), counts.other), (MOST, 4000));
    }
}
