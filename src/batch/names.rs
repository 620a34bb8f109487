//! Finding a column by the name that a model gives its input.
//!
//! Names differ for harmless reasons: a byte order mark, blanks, case, and the exporters that write
//! `sepal length (cm)` as `sepal_length__cm_` (skl2onnx before 1.21). Each is tried in turn, the
//! closest first; where two columns are equally close there is no guess.

/// The columns of a source, to be looked up by name.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    columns: &'a [String],
}

/// Two columns that are equally close to the wanted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguous(pub usize, pub usize);

/// The ways to compare two names, the closest first.
const WAYS: [fn(&str) -> String; 4] = [str::to_owned, trimmed, lower_case, folded];

impl<'a> Names<'a> {
    /// Looks names up among `columns`.
    pub fn new(columns: &'a [String]) -> Self {
        Names { columns }
    }

    /// The column for `wanted`, by the first way of comparing that finds any.
    ///
    /// # Errors
    /// The first two columns, where that way finds several.
    pub fn find(&self, wanted: &str) -> Result<Option<usize>, Ambiguous> {
        for way in WAYS {
            let wanted = way(wanted);
            let mut found = (0..self.columns.len()).filter(|index| {
                self.columns
                    .get(*index)
                    .is_some_and(|name| way(name) == wanted)
            });
            match (found.next(), found.next()) {
                (Some(first), Some(second)) => return Err(Ambiguous(first, second)),
                (Some(only), None) => return Ok(Some(only)),
                (None, _) => {}
            }
        }
        Ok(None)
    }

    /// The column for `wanted` where exporters had to number names that fold to one: of the columns
    /// `a b` and `a-b` the first became `a_b` and the second `a_b1` (skl2onnx before 1.21). Only
    /// where `inputs` has as many numbered names as there are such columns.
    pub fn find_numbered(&self, wanted: &str, inputs: &[&str]) -> Option<usize> {
        if self.columns.iter().any(|name| trimmed(name) == wanted) {
            return None;
        }
        let stem = wanted.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = wanted.get(stem.len()..).unwrap_or_default();
        let (stem, number) = if inputs.contains(&stem) {
            (stem, number)
        } else {
            (wanted, "")
        };
        let number: usize = if number.is_empty() {
            0
        } else {
            number.parse().ok()?
        };
        let folds = |index: &usize| {
            self.columns
                .get(*index)
                .is_some_and(|name| folded(name) == folded(stem))
        };
        let columns: Vec<usize> = (0..self.columns.len()).filter(folds).collect();
        let numbered =
            (1..columns.len()).all(|number| inputs.contains(&format!("{stem}{number}").as_str()));
        let is_family = columns.len() > 1 && numbered && inputs.contains(&stem);
        columns.get(number).copied().filter(|_| is_family)
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
        .map(|name| format!("\"{}\"", name.as_ref()))
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
fn folded(name: &str) -> String {
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
        let inputs = ["a_b", "a_b1", "x"];
        assert_eq!(names.find_numbered("a_b", &inputs), Some(0));
        assert_eq!(names.find_numbered("a_b1", &inputs), Some(2));
        assert_eq!(names.find_numbered("x", &inputs), None);
        assert_eq!(names.find_numbered("a_b", &["a_b", "x"]), None);
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
