//! Finding a column by the name that a model gives its input.
//!
//! Names differ for harmless reasons: a byte order mark, blanks, case, and the exporters that write
//! `sepal length (cm)` as `sepal_length__cm_` (skl2onnx before 1.21). Each is tried in turn, the
//! closest first; where two columns are equally close there is no guess.

use std::collections::HashMap;

use crate::error::escape_controls;

/// The columns of a source, to be looked up by name.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    columns: &'a [String],
    /// For each of `WAYS` the columns of each name.
    indices: Vec<HashMap<String, Vec<usize>>>,
}

/// Two columns that are equally close to the wanted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguous(pub usize, pub usize);

/// The ways to compare two names, the closest first.
const WAYS: [fn(&str) -> String; 4] = [str::to_owned, trimmed, lower_case, folded];

impl<'a> Names<'a> {
    /// Looks names up among `columns`.
    pub fn new(columns: &'a [String]) -> Self {
        let by_way = |way: &fn(&str) -> String| {
            let mut indices: HashMap<String, Vec<usize>> = HashMap::with_capacity(columns.len());
            for (index, name) in columns.iter().enumerate() {
                indices.entry(way(name)).or_default().push(index);
            }
            indices
        };
        Names {
            columns,
            indices: WAYS.iter().map(by_way).collect(),
        }
    }

    /// The column for `wanted`, by the first way of comparing that finds any.
    ///
    /// # Errors
    /// The first two columns, where that way finds several.
    pub fn find(&self, wanted: &str) -> Result<Option<usize>, Ambiguous> {
        for (way, indices) in WAYS.iter().zip(&self.indices) {
            match indices.get(&way(wanted)).map(Vec::as_slice) {
                Some([only]) => return Ok(Some(*only)),
                Some([first, second, ..]) => return Err(Ambiguous(*first, *second)),
                Some([]) | None => {}
            }
        }
        Ok(None)
    }

    /// The column for `wanted` where exporters had to number names that fold to one: of the columns
    /// `a b` and `a-b` the first became `a_b` and the second `a_b1` (skl2onnx before 1.21). Only
    /// where the model has as many numbered inputs as there are such columns.
    pub fn find_numbered(&self, wanted: &str, is_input: impl Fn(&str) -> bool) -> Option<usize> {
        let stem = wanted.trim_end_matches(|c: char| c.is_ascii_digit());
        let (stem, number) = match wanted.get(stem.len()..) {
            Some(digits) if !digits.is_empty() && is_input(stem) => (stem, digits.parse().ok()?),
            _ => (wanted, 0),
        };
        let family = self.indices.last()?.get(&folded(stem))?;
        let is_exact = |index: &usize| {
            self.columns
                .get(*index)
                .is_some_and(|name| trimmed(name) == wanted)
        };
        let numbered = (1..family.len()).all(|number| is_input(&format!("{stem}{number}")));
        let is_family = family.len() > 1 && numbered && !family.iter().any(is_exact);
        family.get::<usize>(number).copied().filter(|_| is_family)
    }

    /// The column whose name looks most like `wanted`, for a hint.
    pub fn nearest(&self, wanted: &str) -> Option<&'a str> {
        let wanted = folded(wanted);
        let distances = self
            .columns
            .iter()
            .map(|name| (distance(&folded(name), &wanted), name));
        let (steps, name) = distances.min_by_key(|(steps, _)| *steps)?;
        (steps <= wanted.chars().count() / 3).then_some(name)
    }
}

/// `"a", "b" and 3 more`: names as error texts list them.
pub fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 40;
    let quoted: Vec<String> = names
        .iter()
        .take(MOST)
        .map(|name| format!("\"{}\"", escape_controls(name.as_ref())))
        .collect();
    match names.len().saturating_sub(MOST) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

fn trimmed(name: &str) -> String {
    name.trim_start_matches('\u{feff}').trim().to_owned()
}

fn lower_case(name: &str) -> String {
    trimmed(name).to_lowercase()
}

/// The name as exporters make identifiers of it: every other character becomes `_`.
pub fn folded(name: &str) -> String {
    let identifier = |c: char| if c.is_alphanumeric() { c } else { '_' };
    lower_case(name).chars().map(identifier).collect()
}

/// Levenshtein's distance in characters; names are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.iter().skip(1)) {
            let best = (corner + usize::from(x != *y)).min(left + 1).min(above + 1);
            corner = *above;
            left = best;
            next.push(best);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_closest_way_of_comparing_wins() {
        for (header, wanted, found) in [
            (vec!["Age", "age"], "age", Ok(Some(1))),
            (vec!["\u{feff}id", " age "], "age", Ok(Some(1))),
            (vec!["\u{feff}id"], "id", Ok(Some(0))),
            (vec!["AGE"], "age", Ok(Some(0))),
            (vec!["sepal length (cm)"], "sepal_length__cm_", Ok(Some(0))),
            (vec!["GRÖßE"], "größe", Ok(Some(0))),
            (vec!["a b", "a-b"], "a_b", Err(Ambiguous(0, 1))),
            (vec!["AGE", "Age"], "age", Err(Ambiguous(0, 1))),
            (vec!["height"], "age", Ok(None)),
        ] {
            let header = columns(&header);
            assert_eq!(
                Names::new(&header).find(wanted),
                found,
                "{header:?} {wanted}"
            );
        }
    }

    #[test]
    fn numbered_names_follow_the_order_of_the_columns() {
        let header = columns(&["a b", "x", "a-b"]);
        let names = Names::new(&header);
        let is_input = |name: &str| ["a_b", "a_b1", "x"].contains(&name);
        assert_eq!(names.find_numbered("a_b", is_input), Some(0));
        assert_eq!(names.find_numbered("a_b1", is_input), Some(2));
        assert_eq!(names.find_numbered("x", is_input), None);
        assert_eq!(names.find_numbered("a_b", |name| name == "a_b"), None);
    }

    #[test]
    fn a_misspelt_column_is_suggested() {
        let header = columns(&["bill_lenght_mm", "island"]);
        assert_eq!(
            Names::new(&header).nearest("bill_length_mm"),
            Some("bill_lenght_mm")
        );
        assert_eq!(Names::new(&header).nearest("sex"), None);
    }
}
