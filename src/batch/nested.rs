//! JSON lists, nested to any depth, into the elements of a tensor.

use super::cell::{Cell, CellRules, Reason, read};
use super::element::Element;
use super::json::Cursor;

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
    let mut reader = Reader::new(raw, rules);
    reader.shape = vec![usize::MAX; rank];
    reader.level(0)?;
    reader.cursor.end().map_err(|_| Reason::NotAList)?;
    // A level below an empty list was never seen.
    let seen = |size: usize| if size == usize::MAX { 0 } else { size };
    Ok(Nested {
        shape: reader.shape.into_iter().map(seen).collect(),
        elements: reader.elements,
        missing: reader.missing,
    })
}

/// Reads the elements of a list one after the other, however they are nested: `[1, 2, 3, 4]` and
/// `[[1, 2], [3, 4]]` are the same. The shape has one size, that of all elements.
///
/// # Errors
/// As [`read_nested`]; [`Reason::WrongShape`] as soon as there are more than `most`.
pub fn read_flat<T: Element>(
    raw: &str,
    most: usize,
    rules: &CellRules,
) -> Result<Nested<T>, Reason> {
    let mut reader = Reader::new(raw, rules);
    reader.flat(most)?;
    reader.cursor.end().map_err(|_| Reason::NotAList)?;
    Ok(Nested {
        shape: vec![reader.elements.len()],
        elements: reader.elements,
        missing: reader.missing,
    })
}

/// The elements read so far.
struct Reader<'r, T> {
    cursor: Cursor<'r>,
    rules: &'r CellRules,
    /// For each level the length of its lists, once one was read.
    shape: Vec<usize>,
    elements: Vec<T>,
    missing: u64,
}

impl<'r, T: Element> Reader<'r, T> {
    fn new(raw: &'r str, rules: &'r CellRules) -> Reader<'r, T> {
        Reader {
            cursor: Cursor::new(raw),
            rules,
            shape: Vec::new(),
            elements: Vec::new(),
            missing: 0,
        }
    }

    /// A list of lists, or, below the last level, one element; no deeper than [`DEEPEST`].
    fn level(&mut self, depth: usize) -> Result<(), Reason> {
        if depth == self.shape.len() {
            return self.element();
        }
        self.cursor.enter(b'[').map_err(|_| Reason::NotAList)?;
        let mut length = 0;
        while self.cursor.next_item().map_err(|_| Reason::NotAList)? {
            self.level(depth + 1)?;
            length += 1;
        }
        match self.shape.get_mut(depth) {
            Some(size) if *size == usize::MAX => *size = length,
            Some(size) if *size == length => {}
            _ => return Err(Reason::WrongShape),
        }
        Ok(())
    }

    fn flat(&mut self, most: usize) -> Result<(), Reason> {
        let mut depth = 0;
        loop {
            match self.cursor.peek() {
                Some(b'[') if depth < DEEPEST => {
                    self.cursor.enter(b'[').map_err(|_| Reason::NotAList)?;
                    depth += 1;
                }
                _ if depth == 0 => return Err(Reason::NotAList),
                _ if self.elements.len() == most => return Err(Reason::WrongShape),
                _ => self.element()?,
            }
            while !self.cursor.next_item().map_err(|_| Reason::NotAList)? {
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
            }
        }
    }

    #[inline]
    fn element(&mut self) -> Result<(), Reason> {
        self.cursor.peek();
        let rest = self.cursor.rest();
        if let Some((element, length)) = T::scan(rest)
            && matches!(
                rest.get(length),
                None | Some(b',' | b']' | b' ' | b'\n' | b'\r' | b'\t')
            )
        {
            self.cursor.advance(length);
            self.elements.push(element);
            return Ok(());
        }
        let raw = self.cursor.value().map_err(|_| Reason::NotAList)?;
        let element = match read(Cell::Json(raw), self.rules)? {
            Some(element) => element,
            None => {
                self.missing += 1;
                T::missing().ok_or(Reason::Missing)?
            }
        };
        self.elements.push(element);
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

    #[test]
    fn the_tokens_for_what_is_not_finite_are_floats() {
        let read = read_nested::<f64>("[NaN, Infinity, -Infinity]", 1, &CellRules::default());
        let read = read.expect("a list of floats");
        assert_eq!((read.missing, read.elements[0].is_nan()), (0, true));
        assert_eq!(read.elements[1..], [f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!(nested("[NaN]", 1), Err(Reason::NotANumber));
    }

    #[test]
    fn flat_elements_do_not_care_for_their_nesting() {
        let flat = |raw: &str| {
            let read = read_flat::<i64>(raw, 4, &CellRules::default());
            read.map(|nested| nested.elements)
        };
        for raw in ["[1,2,3,4]", "[[1,2],[3,4]]", "[[[1],[2,3]],[4],[]]"] {
            assert_eq!(flat(raw), Ok(vec![1, 2, 3, 4]), "{raw}");
        }
        assert_eq!(flat("[1,2,3,4,5]"), Err(Reason::WrongShape));
        assert_eq!(flat("1"), Err(Reason::NotAList));
        assert_eq!(flat("[1,2"), Err(Reason::NotAList));
        assert_eq!(flat(&"[".repeat(17)), Err(Reason::NotAList));
    }
}
