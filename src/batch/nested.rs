//! JSON lists, nested to any depth, into the elements of a tensor.

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::cell::{Cell, CellRules, Reason, read};
use super::element::Element;

/// The elements of a nested list, row-major, and how many were missing.
#[derive(Debug, PartialEq)]
pub struct Nested<T> {
    /// One size for each level of nesting.
    pub shape: Vec<usize>,
    pub elements: Vec<T>,
    pub missing: u64,
}

/// Deepest nesting accepted; ONNX Runtime itself has no use for more axes.
const DEEPEST: usize = 16;

/// Reads a list nested `rank` levels deep, such as `[[1, 2], [3, 4]]` for rank 2.
///
/// # Errors
/// [`Reason::NotAList`] where a list was expected, [`Reason::WrongShape`] where lists of one level
/// differ in length, and whatever an element's own text is at fault for.
pub fn read_nested<T: Element>(
    raw: &str,
    rank: usize,
    rules: &CellRules,
) -> Result<Nested<T>, Reason> {
    if rank > DEEPEST {
        return Err(Reason::WrongShape);
    }
    let mut nested = Nested {
        shape: vec![usize::MAX; rank],
        elements: Vec::new(),
        missing: 0,
    };
    let mut fault = None;
    let level = Level {
        nested: &mut nested,
        fault: &mut fault,
        depth: 0,
        rules,
    };
    let mut text = serde_json::Deserializer::from_str(raw);
    let parsed = level.deserialize(&mut text);
    match (parsed.is_ok() && text.end().is_ok(), fault) {
        (_, Some(reason)) => Err(reason),
        (false, None) => Err(Reason::NotAList),
        (true, None) => {
            // A level below an empty list was never seen.
            nested
                .shape
                .iter_mut()
                .filter(|size| **size == usize::MAX)
                .for_each(|size| *size = 0);
            Ok(nested)
        }
    }
}

/// One level of the nesting: a list of lists, or, below the last level, one element.
struct Level<'a, T> {
    nested: &'a mut Nested<T>,
    /// Why the walk stopped; serde's own error carries only text.
    fault: &'a mut Option<Reason>,
    depth: usize,
    rules: &'a CellRules,
}

impl<T: Element> Level<'_, T> {
    fn element(self, raw: &str) -> Result<(), Reason> {
        let element = match read(Cell::Json(raw), self.rules)? {
            Some(element) => element,
            None => {
                self.nested.missing += 1;
                T::missing().ok_or(Reason::Missing)?
            }
        };
        self.nested.elements.push(element);
        Ok(())
    }
}

impl<'de, T: Element> DeserializeSeed<'de> for Level<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth < self.nested.shape.len() {
            return deserializer.deserialize_seq(self);
        }
        let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
        let Level {
            nested,
            fault,
            depth,
            rules,
        } = self;
        let level = Level {
            nested,
            fault: &mut *fault,
            depth,
            rules,
        };
        level.element(raw.get()).map_err(|reason| {
            *fault = Some(reason);
            D::Error::custom(reason.code())
        })
    }
}

impl<'de, T: Element> Visitor<'de> for Level<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut length = 0;
        loop {
            let below = Level {
                nested: &mut *self.nested,
                fault: &mut *self.fault,
                depth: self.depth + 1,
                rules: self.rules,
            };
            if items.next_element_seed(below)?.is_none() {
                break;
            }
            length += 1;
        }
        match self.nested.shape.get_mut(self.depth) {
            Some(size) if *size == usize::MAX => *size = length,
            Some(size) if *size == length => {}
            _ => {
                *self.fault = Some(Reason::WrongShape);
                return Err(A::Error::custom("ragged"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(raw: &str, rank: usize) -> Result<(Vec<usize>, Vec<i64>), Reason> {
        let nested = read_nested::<i64>(raw, rank, &CellRules::default())?;
        Ok((nested.shape, nested.elements))
    }

    #[test]
    fn lists_are_read_row_by_row() {
        assert_eq!(nested("[1, 2]", 1), Ok((vec![2], vec![1, 2])));
        assert_eq!(
            nested("[[1,2],[3,4]]", 2),
            Ok((vec![2, 2], vec![1, 2, 3, 4]))
        );
        assert_eq!(nested("7", 0), Ok((vec![], vec![7])));
        assert_eq!(nested("[]", 2), Ok((vec![0, 0], vec![])));
    }

    #[test]
    fn wrong_shapes_and_elements_are_told_apart() {
        for (raw, rank, reason) in [
            ("[[1,2],[3]]", 2, Reason::WrongShape),
            ("[1, [2]]", 1, Reason::NotANumber),
            ("[1, 2]", 2, Reason::NotAList),
            ("{}", 1, Reason::NotAList),
            ("[1.5]", 1, Reason::NotAnInteger),
            ("[null]", 1, Reason::Missing),
            ("[1", 1, Reason::NotAList),
            ("[1] 2", 1, Reason::NotAList),
            ("[1]", 17, Reason::WrongShape),
        ] {
            assert_eq!(nested(raw, rank), Err(reason), "{raw}");
        }
    }

    #[test]
    fn missing_floats_are_counted_and_become_nan() {
        let read = read_nested::<f32>("[1, null]", 1, &CellRules::default());
        let read = read.expect("a list of floats");
        assert_eq!(read.missing, 1);
        assert!(read.elements[1].is_nan());
    }
}
