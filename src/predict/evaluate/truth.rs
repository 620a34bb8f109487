//! From the text of a label to the class that it means.

use std::borrow::Cow;
use std::collections::HashMap;

/// The classes that the model knows, and how texts name them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Classes {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    /// All names are whole numbers: `1.0` is then `1`.
    whole: bool,
    /// The names are a no and a yes: the number of each.
    sides: Option<[usize; 2]>,
}

impl Classes {
    /// Classes of these names; of none, where the model does not say. Labels are whole numbers where
    /// the model's own are (`whole`).
    pub(super) fn new(names: &[String], whole: bool) -> Classes {
        let all_whole = names.iter().all(|name| whole_number(name).is_some());
        let mut classes = Classes {
            names: names.to_vec(),
            numbers: HashMap::new(),
            whole: if names.is_empty() { whole } else { all_whole },
            sides: sides(names),
        };
        for (number, name) in names.iter().enumerate() {
            let key = classes.canonical(name).into_owned();
            classes.numbers.entry(key).or_insert(number);
        }
        classes
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether whole numbers name the classes.
    pub(super) fn are_whole(&self) -> bool {
        self.whole
    }

    /// Whether the classes are a no and a yes.
    pub(super) fn are_sides(&self) -> bool {
        self.sides.is_some()
    }

    /// The number of the class that `text` means.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        // Nearly all labels are written as the model writes them.
        let exact = self.numbers.get(text);
        let number = exact.or_else(|| self.numbers.get(self.canonical(text).as_ref()));
        number.copied().or_else(|| {
            let [no, yes] = self.sides?;
            Some(if is_yes(text)? { yes } else { no })
        })
    }

    /// The one text of all that mean the same class.
    pub(super) fn canonical<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let text = text.trim();
        match whole_number(text).filter(|_| self.whole) {
            Some(number) => Cow::Owned(number.to_string()),
            None => Cow::Borrowed(text),
        }
    }
}

/// A whole number as `1`, `+1`, `1.0` or `1e0`.
fn whole_number(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let float: f64 = text.parse().ok()?;
    // Beyond 2^53 a float does not tell neighbours apart.
    let exact = float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
    exact.then_some(float as i128)
}

/// Whether a text says yes or no, in the words that files have for it.
fn is_yes(text: &str) -> Option<bool> {
    let said = |words: &[&str]| {
        let text = text.trim();
        words.iter().any(|word| word.eq_ignore_ascii_case(text))
    };
    if said(&["1", "1.0", "true", "t", "yes", "y"]) {
        Some(true)
    } else if said(&["0", "0.0", "false", "f", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// The numbers of no and yes, where two names say just that.
fn sides(names: &[String]) -> Option<[usize; 2]> {
    let [first, second] = names else {
        return None;
    };
    match (is_yes(first)?, is_yes(second)?) {
        (false, true) => Some([0, 1]),
        (true, false) => Some([1, 0]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(names: &[&str]) -> Classes {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Classes::new(&names, false)
    }

    #[test]
    fn labels_find_their_class_in_the_texts_that_files_have() {
        for (names, text, found) in [
            (&["setosa", "virginica"][..], " virginica ", Some(1)),
            (&["setosa", "virginica"], "Virginica", None),
            (&["-1", "5", "10"], "5.0", Some(1)),
            (&["-1", "5", "10"], "+5", Some(1)),
            (&["-1", "5", "10"], "5.5", None),
            (&["-1", "5", "10"], "1e1", Some(2)),
            (&["1.5", "2"], "2.0", None),
            (&["0.0", "1.0"], "1", Some(1)),
            (&["0", "1"], "true", Some(1)),
            (&["0", "1"], "No", Some(0)),
            (&["False", "True"], "1.0", Some(1)),
            (&["yes", "no"], "0", Some(1)),
            (&["0", "1"], "2", None),
            (&["0", "1", "2"], "true", None),
            (&["9007199254740993", "0"], "9007199254740993", Some(0)),
            (&[], "a", None),
        ] {
            assert_eq!(classes(names).find(text), found, "{names:?} {text:?}");
        }
    }

    #[test]
    fn without_names_whole_numbers_are_one_text_where_the_label_is_one() {
        assert_eq!(Classes::new(&[], true).canonical("3.0"), "3");
        assert_eq!(Classes::new(&[], false).canonical(" 3.0"), "3.0");
    }
}
