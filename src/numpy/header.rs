//! The header of an NPY array: a Python dictionary of its element type, order and shape.
//!
//! Format: numpy.lib.format, versions 1.0 to 3.0.

use std::fmt::Write as _;
use std::io::Read;

use super::literal::Literal;

/// What an array holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NpyHeader {
    pub(super) elements: Elements,
    /// Column-major.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
}

/// The element type: one item, or named items side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Elements {
    Plain(Item),
    Record(Vec<Member>),
}

/// One member of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Empty for padding.
    pub(super) name: String,
    pub(super) item: Item,
    pub(super) dims: Vec<usize>,
}

/// One number, boolean or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// Bytes of one.
    pub(super) size: usize,
    pub(super) big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Bool,
    Int,
    Uint,
    Float,
    /// Bytes, padded with NUL.
    Bytes,
    /// UTF-32, padded with NUL.
    Text,
    /// Padding of a record.
    Void,
}

/// Digits that NumPy has room for in the first axis of a shape.
const GROWTH: usize = 21;

/// Longest header that is read; NumPy itself refuses longer ones than 10,000 bytes.
const LONGEST: usize = 1 << 20;

impl NpyHeader {
    /// Reads the header; `source` is then at the first element.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn read(source: &mut impl Read) -> Result<NpyHeader, String> {
        let mut start = [0; 8];
        source
            .read_exact(&mut start)
            .map_err(|_| "it is too short".to_owned())?;
        let (mark, version) = start.split_at(6);
        if mark != b"\x93NUMPY" {
            return Err("it does not start as one".to_owned());
        }
        let mut length = [0; 4];
        let width = if version.first() == Some(&1) { 2 } else { 4 };
        let read = length.get_mut(..width).map(|part| source.read_exact(part));
        let length = u32::from_le_bytes(length) as usize;
        if !matches!(read, Some(Ok(()))) || length > LONGEST {
            return Err("its header has no end".to_owned());
        }
        let mut text = vec![0; length];
        source
            .read_exact(&mut text)
            .map_err(|_| "it ends within its header".to_owned())?;
        // Version 1.0 and 2.0 are Latin-1, of which all but the names of members is ASCII.
        let text = match String::from_utf8(text) {
            Ok(text) => text,
            Err(latin) => latin.into_bytes().into_iter().map(char::from).collect(),
        };
        NpyHeader::parse(&text)
    }

    fn parse(text: &str) -> Result<NpyHeader, String> {
        let Some(Literal::Map(members)) = Literal::parse(text) else {
            return Err("its header is no dictionary".to_owned());
        };
        let get = |key: &str| {
            let member = members.iter().find(|(name, _)| name == key);
            let missing = || format!("its header has no '{key}'");
            member.map(|(_, value)| value).ok_or_else(missing)
        };
        let Literal::Bool(fortran) = get("fortran_order")? else {
            return Err("its 'fortran_order' is neither True nor False".to_owned());
        };
        Ok(NpyHeader {
            elements: elements(get("descr")?)?,
            fortran: *fortran,
            shape: shape(get("shape")?)?,
        })
    }

    /// Rows of the array; `None` where it has no axis.
    pub(super) fn rows(&self) -> Option<usize> {
        self.shape.first().copied()
    }

    /// Bytes of one row; `None` where no memory could hold it.
    pub(super) fn row_bytes(&self) -> Option<usize> {
        let dims = self.shape.get(1..).unwrap_or_default();
        product(dims)?.checked_mul(self.element_bytes()?)
    }

    fn element_bytes(&self) -> Option<usize> {
        match &self.elements {
            Elements::Plain(item) => Some(item.size),
            Elements::Record(members) => members
                .iter()
                .try_fold(0_usize, |sum, member| sum.checked_add(member.bytes()?)),
        }
    }

    /// The header as it is written, padded so that the elements are aligned.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = String::from("{'descr': ");
        match &self.elements {
            Elements::Plain(item) => text.push_str(&quoted(&item.name())),
            Elements::Record(members) => {
                let members: Vec<String> = members.iter().map(Member::literal).collect();
                // Writing into memory cannot fail.
                let _ = write!(text, "[{}]", members.join(", "));
            }
        }
        let order = if self.fortran { "True" } else { "False" };
        let _ = write!(
            text,
            ", 'fortran_order': {order}, 'shape': {}, }}",
            tuple(&self.shape)
        );
        // NumPy leaves room here for a first axis that grows, so that files are equal to its own.
        let digits = self.rows().map_or(GROWTH, |rows| rows.to_string().len());
        text.extend(std::iter::repeat_n(' ', GROWTH.saturating_sub(digits)));
        // Version 3.0 is UTF-8; all others may be read by any NumPy.
        let version = if text.is_ascii() { 1 } else { 3 };
        let start = if version == 1 && text.len() < 60_000 {
            10
        } else {
            12
        };
        let padding = 63 - (start + text.len()) % 64;
        text.extend(std::iter::repeat_n(' ', padding));
        text.push('\n');
        let mut bytes = b"\x93NUMPY".to_vec();
        if start == 10 {
            bytes.extend_from_slice(&[1, 0]);
            bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        } else {
            bytes.extend_from_slice(&[version.max(2), 0]);
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }
}

impl Member {
    /// Bytes of the member in a record.
    pub(super) fn bytes(&self) -> Option<usize> {
        product(&self.dims)?.checked_mul(self.item.size)
    }

    fn literal(&self) -> String {
        let (name, item) = (quoted(&self.name), quoted(&self.item.name()));
        if self.dims.is_empty() {
            format!("({name}, {item})")
        } else {
            format!("({name}, {item}, {})", tuple(&self.dims))
        }
    }
}

impl Item {
    /// The type as NumPy writes it: `<f4`, `<U12`.
    fn name(self) -> String {
        let order = match (self.size, self.kind) {
            (1, _) | (_, Kind::Bytes | Kind::Void) => '|',
            _ if self.big_endian => '>',
            _ => '<',
        };
        let (letter, size) = match self.kind {
            Kind::Bool => ('b', 1),
            Kind::Int => ('i', self.size),
            Kind::Uint => ('u', self.size),
            Kind::Float => ('f', self.size),
            Kind::Bytes => ('S', self.size),
            Kind::Text => ('U', self.size / 4),
            Kind::Void => ('V', self.size),
        };
        format!("{order}{letter}{size}")
    }

    fn parse(name: &str) -> Result<Item, String> {
        let (order, rest) = match name.chars().next() {
            Some(order @ ('<' | '>' | '|' | '=')) => (order, name.get(1..).unwrap_or_default()),
            _ => ('=', name),
        };
        let letter = rest.chars().next().unwrap_or(' ');
        let digits = rest.get(letter.len_utf8()..).unwrap_or_default();
        let size: usize = digits.parse().unwrap_or(usize::MAX);
        let (kind, size) = match (letter, size) {
            ('b', 1) => (Kind::Bool, size),
            ('i', 1 | 2 | 4 | 8) => (Kind::Int, size),
            ('u', 1 | 2 | 4 | 8) => (Kind::Uint, size),
            ('f', 2 | 4 | 8) => (Kind::Float, size),
            ('S' | 'a', 0..=MOST_TEXT) => (Kind::Bytes, size),
            ('U', 0..=MOST_TEXT) => (Kind::Text, size * 4),
            ('V', 0..=MOST_TEXT) => (Kind::Void, size),
            ('O', _) => {
                return Err(
                    "it holds pickled Python objects, which can run code when they are read"
                        .to_owned(),
                );
            }
            _ => {
                return Err(format!(
                    "it holds {}, which feeds no model",
                    words(letter, name)
                ));
            }
        };
        let big_endian = order == '>' || order == '=' && cfg!(target_endian = "big");
        Ok(Item {
            kind,
            size,
            big_endian,
        })
    }
}

/// Longest text of one element.
const MOST_TEXT: usize = 1 << 28;

fn words(letter: char, name: &str) -> String {
    let what = match letter {
        'c' => "complex numbers",
        'M' => "dates",
        'm' => "durations",
        'f' => "extended floats",
        _ => "another type",
    };
    format!("{what} ({name})")
}

fn product(dims: &[usize]) -> Option<usize> {
    dims.iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn tuple(sizes: &[usize]) -> String {
    match sizes {
        [only] => format!("({only},)"),
        _ => {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            format!("({})", sizes.join(", "))
        }
    }
}

fn elements(descr: &Literal) -> Result<Elements, String> {
    match descr {
        Literal::Text(name) => Item::parse(name).map(Elements::Plain),
        Literal::List(members) => {
            let members: Result<_, String> = members.iter().map(member).collect();
            members.map(Elements::Record)
        }
        _ => Err("its 'descr' is no type".to_owned()),
    }
}

fn member(literal: &Literal) -> Result<Member, String> {
    let unknown = "a member of its records has a type that feeds no model";
    let Literal::List(parts) = literal else {
        return Err(unknown.to_owned());
    };
    let (name, item, dims) = match parts.as_slice() {
        [Literal::Text(name), Literal::Text(item)] => (name, item, Vec::new()),
        [Literal::Text(name), Literal::Text(item), dims] => (name, item, shape(dims)?),
        _ => return Err(unknown.to_owned()),
    };
    Ok(Member {
        name: name.clone(),
        item: Item::parse(item)?,
        dims,
    })
}

fn shape(literal: &Literal) -> Result<Vec<usize>, String> {
    let wrong = || "its 'shape' is no list of sizes".to_owned();
    let size = |literal: &Literal| match literal {
        Literal::Number(size) => Ok(*size),
        _ => Err(wrong()),
    };
    match literal {
        Literal::Number(size) => Ok(vec![*size]),
        Literal::List(sizes) => sizes.iter().map(size).collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NpyHeader, String> {
        NpyHeader::parse(text)
    }

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        let header = parse("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3), }").unwrap();
        assert_eq!((header.rows(), header.row_bytes()), (Some(8), Some(12)));
        let header = parse(
            r"{'descr': [('age', '>i2'), ('', '|V2'), ('n\'\xe4', '<U3', (2, 1))], 'fortran_order': False, 'shape': (4L,)}",
        )
        .unwrap();
        assert_eq!(header.row_bytes(), Some(2 + 2 + 24));
        let Elements::Record(members) = header.elements else {
            panic!("records");
        };
        assert_eq!(members[2].name, "n'ä");
        assert!(members[0].item.big_endian);
    }

    #[test]
    fn what_is_no_header_is_told_apart() {
        for (text, words) in [
            ("", "its header is no dictionary"),
            ("{", "its header is no dictionary"),
            ("[]", "its header is no dictionary"),
            ("{'descr': '<f4'}", "its header has no 'fortran_order'"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
                "its header is no dictionary",
            ),
            (
                "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
                "it holds pickled Python objects, which can run code when they are read",
            ),
            (
                "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}",
                "it holds complex numbers (<c8), which feeds no model",
            ),
            (
                "{'descr': [('a', [('b', '<f4')])], 'fortran_order': False, 'shape': (1,)}",
                "a member of its records has a type that feeds no model",
            ),
        ] {
            assert_eq!(parse(text), Err(words.to_owned()), "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 4611686018427387904)}";
        assert_eq!(parse(huge).unwrap().row_bytes(), None);
    }

    #[test]
    fn a_written_header_is_aligned_and_reads_back() {
        for elements in [
            Elements::Plain(Item::parse("<f4").unwrap()),
            Elements::Record(vec![Member {
                name: "größe'".to_owned(),
                item: Item::parse("<U7").unwrap(),
                dims: vec![2],
            }]),
        ] {
            let header = NpyHeader {
                elements,
                fortran: false,
                shape: vec![5],
            };
            let bytes = header.bytes();
            assert_eq!(bytes.len() % 64, 0);
            assert_eq!(NpyHeader::read(&mut bytes.as_slice()), Ok(header));
        }
    }
}
