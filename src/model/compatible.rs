//! Whether a caller of one signature still works with another: what a new version of a model breaks.
//!
//! The caller is taken at its strictest: it feeds every input by its name with the declared dtype, any
//! shape that was declared, and records with the known column names; it reads every output by its
//! name. What it may have relied on must hold; what is only more than before breaks nothing:
//!
//! | of | is a break | is none |
//! |---|---|---|
//! | inputs | gone, new, another type, a dimension that takes less, another rank | a fixed dimension that became free |
//! | feature names | any other list: by position, columns would silently change places | the same list |
//! | outputs | gone, another type, a dimension that was fixed and is another or free, another rank | new, a free dimension that became fixed, undeclared shapes |
//! | class names | one gone, none where there were some or the reverse, another order of a tensor's | new ones at the end |
//!
//! The first axis of an output is its batch, whatever is declared, where the first of an input is
//! free: exporters declare it wrongly. Names of free dimensions, and the order of inputs and outputs,
//! bind nobody.

use std::fmt;

use super::signature::{Dim, Port, Signature, ValueType, shape_text};

/// One thing that a caller of the old signature relied on and the new one does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    pub side: Side,
    /// The input or output.
    pub name: String,
    pub what: What,
    /// As it was, in text; empty where it was not there.
    pub old: String,
    /// As it is; empty where it is gone.
    pub new: String,
}

/// Where a break is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Input,
    Output,
}

/// What of an input or output is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is no longer there.
    Gone,
    /// An input that old callers do not give.
    New,
    /// The type of its elements, or the kind of value that it is.
    Type,
    Shape,
    /// The names of the columns of a matrix, or their order.
    Features,
    /// The names of the classes, or their order.
    Classes,
}

impl Side {
    /// `input` or `output`, as text and JSON have it.
    pub fn word(self) -> &'static str {
        match self {
            Side::Input => "input",
            Side::Output => "output",
        }
    }
}

impl What {
    /// The word that JSON has for it.
    pub fn word(self) -> &'static str {
        match self {
            What::Gone => "gone",
            What::New => "new",
            What::Type => "type",
            What::Shape => "shape",
            What::Features => "features",
            What::Classes => "classes",
        }
    }
}

impl fmt::Display for Break {
    /// `input "X": its shape was [?, 4] and is [?, 5]`; nothing of it is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Break { name, old, new, .. } = self;
        write!(f, "{} \"{name}\": ", self.side.word())?;
        let noun = match self.what {
            What::Gone => return write!(f, "it is gone ({old})"),
            What::New => return write!(f, "it is new and must be given ({new})"),
            What::Type => "type",
            What::Shape => "shape",
            What::Features => "feature names",
            What::Classes => "class names",
        };
        let verb = match self.what {
            What::Type | What::Shape => ["was", "is"],
            _ => ["were", "are"],
        };
        write!(f, "its {noun} {} {old} and {} {new}", verb[0], verb[1])
    }
}

/// What callers of `old` lose with `new`; nothing where all of them still work. Inputs come before
/// outputs, each in the order of `old`.
pub fn compatible(old: &Signature, new: &Signature) -> Vec<Break> {
    let mut breaks = Vec::new();
    for port in &old.inputs {
        match named(&new.inputs, &port.name) {
            None => breaks.push(gone(Side::Input, port)),
            Some(now) => input(&mut breaks, port, now),
        }
    }
    let is_new = |port: &&Port| named(&old.inputs, &port.name).is_none() && !is_optional(port);
    breaks.extend(new.inputs.iter().filter(is_new).map(|port| Break {
        side: Side::Input,
        name: port.name.clone(),
        what: What::New,
        old: String::new(),
        new: whole_type(port),
    }));
    features(&mut breaks, old, new);
    for port in &old.outputs {
        match named(&new.outputs, &port.name) {
            None => breaks.push(gone(Side::Output, port)),
            Some(now) => output(&mut breaks, (old, port), (new, now)),
        }
    }
    breaks
}

fn named<'s>(ports: &'s [Port], name: &str) -> Option<&'s Port> {
    ports.iter().find(|port| port.name == name)
}

fn is_optional(port: &Port) -> bool {
    matches!(port.kind, ValueType::Optional(_))
}

fn gone(side: Side, port: &Port) -> Break {
    Break {
        side,
        name: port.name.clone(),
        what: What::Gone,
        old: whole_type(port),
        new: String::new(),
    }
}

/// `float32 [?, 4]`.
fn whole_type(port: &Port) -> String {
    match declared(port) {
        Some(shape) => format!("{} {}", port.kind, shape_text(shape)),
        None => port.kind.to_string(),
    }
}

fn declared(port: &Port) -> Option<&[Dim]> {
    port.tensor().and_then(|(_, shape)| shape)
}

fn shown(shape: Option<&[Dim]>) -> String {
    shape.map_or("undeclared".to_owned(), shape_text)
}

/// The break of one thing, where `holds` is false.
fn hold(breaks: &mut Vec<Break>, holds: bool, broken: impl FnOnce() -> Break) {
    if !holds {
        breaks.push(broken());
    }
}

fn input(breaks: &mut Vec<Break>, old: &Port, new: &Port) {
    let (was, is) = (declared(old), declared(new));
    let takes = match (was, is) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(was), Some(is)) => was.len() == is.len() && was.iter().zip(is).all(takes_all),
    };
    ports(breaks, Side::Input, (old, new), takes);
}

/// Whether an input takes every size that it took before.
fn takes_all((was, is): (&Dim, &Dim)) -> bool {
    is.fixed().is_none() || was.fixed() == is.fixed()
}

fn output(
    breaks: &mut Vec<Break>,
    (before, old): (&Signature, &Port),
    (after, new): (&Signature, &Port),
) {
    let (was, is) = (declared(old), declared(new));
    let batched = has_free_batch(before) && has_free_batch(after);
    let gives = match (was, is) {
        (Some(was), Some(is)) => {
            let mut dims = was.iter().zip(is).enumerate();
            let as_before = |(axis, (was, is)): (usize, (&Dim, &Dim))| {
                (axis == 0 && batched) || was.fixed().is_none() || was.fixed() == is.fixed()
            };
            was.len() == is.len() && dims.all(as_before)
        }
        // Results are laid out as they come, so an undeclared shape has promised nothing.
        _ => true,
    };
    ports(breaks, Side::Output, (old, new), gives);
    let (was, is) = (classes(before, old), classes(after, new));
    let kept = match (was, is) {
        (None, None) => true,
        (Some(was), Some(is)) => match old.tensor() {
            Some(_) => is.starts_with(was),
            // A map names its values, wherever they stand.
            None => was.iter().all(|class| is.contains(class)),
        },
        _ => false,
    };
    hold(breaks, kept, || Break {
        side: Side::Output,
        name: old.name.clone(),
        what: What::Classes,
        old: listed(was),
        new: listed(is),
    });
}

/// The breaks of type and shape of one input or output.
fn ports(breaks: &mut Vec<Break>, side: Side, (old, new): (&Port, &Port), shape_holds: bool) {
    let (was, is) = (old.kind.to_string(), new.kind.to_string());
    let same_type = was == is;
    hold(breaks, same_type, || Break {
        side,
        name: old.name.clone(),
        what: What::Type,
        old: was,
        new: is,
    });
    hold(breaks, shape_holds || !same_type, || Break {
        side,
        name: old.name.clone(),
        what: What::Shape,
        old: shown(declared(old)),
        new: shown(declared(new)),
    });
}

fn has_free_batch(signature: &Signature) -> bool {
    let first = |port: &Port| declared(port).and_then(|shape| shape.first().cloned());
    let dims = signature.inputs.iter().filter_map(first);
    dims.into_iter().any(|dim| dim.fixed().is_none())
}

/// The class names that the columns of an output have: those of its own, or the model's where they
/// fit its last axis.
fn classes<'s>(signature: &'s Signature, port: &'s Port) -> Option<&'s [String]> {
    if let Some(own) = &port.classes {
        return Some(own);
    }
    let classes = signature.classes.as_deref()?;
    let fits = match (&port.kind, declared(port)) {
        (ValueType::Tensor { .. }, Some([_, .., last])) => {
            last.fixed().is_none_or(|size| size == classes.len())
        }
        (ValueType::Tensor { .. }, _) => false,
        _ => true,
    };
    fits.then_some(classes)
}

/// The columns of the one matrix: both those who name them and those who only count them must find
/// what they found.
fn features(breaks: &mut Vec<Break>, old: &Signature, new: &Signature) {
    if old.features == new.features {
        return;
    }
    let is_matrix =
        |port: &&Port| declared(port).is_some_and(|shape| shape.len() == 2 && !is_one_wide(shape));
    let matrix = old.inputs.iter().find(is_matrix).or(old.inputs.first());
    let Some(port) = matrix.filter(|port| named(&new.inputs, &port.name).is_some()) else {
        return;
    };
    breaks.push(Break {
        side: Side::Input,
        name: port.name.clone(),
        what: What::Features,
        old: listed(old.features.as_deref()),
        new: listed(new.features.as_deref()),
    });
}

fn is_one_wide(shape: &[Dim]) -> bool {
    matches!(shape, [_, Dim::Fixed(1)])
}

/// `a, b, c`, cut after a few; `none`.
fn listed(names: Option<&[String]>) -> String {
    const MOST: usize = 8;
    let Some(names) = names else {
        return "none".to_owned();
    };
    let mut text = names
        .iter()
        .take(MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(MOST) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;

    /// `name:float32[?,3]`, as the tables below write a port.
    fn port(text: &str) -> Port {
        let (name, kind) = text.split_once(':').unwrap_or((text, ""));
        let (word, shape) = kind.split_once('[').unwrap_or((kind, ""));
        let dtype = match word {
            "int64" => Dtype::Int64,
            "string" => Dtype::String,
            _ => Dtype::Float32,
        };
        let dim = |text: &str| match text.parse() {
            Ok(size) => Dim::Fixed(size),
            Err(_) if text == "?" => Dim::Free,
            Err(_) => Dim::Symbol(text.to_owned()),
        };
        let dims = || shape.trim_end_matches(']').split(',').map(dim).collect();
        let tensor = ValueType::Tensor {
            dtype,
            shape: kind.contains('[').then(dims),
        };
        let kind = match word {
            "maps" => ValueType::Sequence(Box::new(ValueType::Map {
                key: Dtype::String,
                value: Box::new(tensor),
            })),
            "optional" => ValueType::Optional(Box::new(tensor)),
            _ => tensor,
        };
        Port {
            name: name.to_owned(),
            kind,
            classes: None,
        }
    }

    fn signature(inputs: &[&str], outputs: &[&str]) -> Signature {
        Signature {
            inputs: inputs.iter().map(|text| port(text)).collect(),
            outputs: outputs.iter().map(|text| port(text)).collect(),
            ..Signature::default()
        }
    }

    fn texts(old: &Signature, new: &Signature) -> Vec<String> {
        compatible(old, new).iter().map(Break::to_string).collect()
    }

    #[test]
    fn inputs_may_take_more_but_never_less_or_something_else() {
        for (old, new, expected) in [
            ("X:float32[?,4]", "X:float32[?,4]", None),
            ("X:float32[?,4]", "X:float32[batch,?]", None),
            ("X:float32[1,4]", "X:float32[?,4]", None),
            ("X:float32[?,4]", "X:float32", None),
            (
                "X:float32[?,4]",
                "X:float32[1,4]",
                Some("input \"X\": its shape was [?, 4] and is [1, 4]"),
            ),
            (
                "X:float32[?,4]",
                "X:float32[?,5]",
                Some("input \"X\": its shape was [?, 4] and is [?, 5]"),
            ),
            (
                "X:float32[?,4]",
                "X:float32[?,4,1]",
                Some("input \"X\": its shape was [?, 4] and is [?, 4, 1]"),
            ),
            (
                "X:float32",
                "X:float32[?,4]",
                Some("input \"X\": its shape was undeclared and is [?, 4]"),
            ),
            (
                "X:float32[?,4]",
                "X:int64[?,5]",
                Some("input \"X\": its type was float32 and is int64"),
            ),
        ] {
            let breaks = texts(&signature(&[old], &[]), &signature(&[new], &[]));
            assert_eq!(breaks.first().map(String::as_str), expected, "{old} {new}");
            assert!(breaks.len() < 2, "{breaks:?}");
        }
    }

    #[test]
    fn inputs_that_come_or_go_break_callers_unless_they_are_optional() {
        let old = signature(&["a:float32[?,1]", "b:string[?,1]"], &[]);
        let new = signature(&["c:int64[?,1]", "a:float32[?,1]", "d:optional"], &[]);
        assert_eq!(
            texts(&old, &new),
            [
                "input \"b\": it is gone (string [?, 1])",
                "input \"c\": it is new and must be given (int64 [?, 1])",
            ]
        );
    }

    #[test]
    fn outputs_keep_their_names_types_and_fixed_dimensions() {
        for (old, new, expected) in [
            ("y:float32[?,3]", "y:float32[?,3]", None),
            ("y:float32[?,?]", "y:float32[?,3]", None),
            ("y:int64[1]", "y:int64[?]", None),
            ("y:float32[?,3]", "y:float32", None),
            (
                "y:float32[?,3]",
                "y:float32[?,2]",
                Some("output \"y\": its shape was [?, 3] and is [?, 2]"),
            ),
            (
                "y:float32[?,3]",
                "y:float32[?,?]",
                Some("output \"y\": its shape was [?, 3] and is [?, ?]"),
            ),
            (
                "y:float32[?]",
                "y:float32[?,1]",
                Some("output \"y\": its shape was [?] and is [?, 1]"),
            ),
            (
                "y:maps",
                "y:float32[?,2]",
                Some("output \"y\": its type was sequence(map(string, float32)) and is float32"),
            ),
            (
                "y:float32[?]",
                "z:float32[?]",
                Some("output \"y\": it is gone (float32 [?])"),
            ),
        ] {
            let input = &["X:float32[?,4]"];
            let new = signature(input, &[new, "more:int64[?]"]);
            let breaks = texts(&signature(input, &[old]), &new);
            assert_eq!(breaks.first().map(String::as_str), expected, "{old}");
            assert!(breaks.len() < 2, "{breaks:?}");
        }
    }

    #[test]
    fn classes_may_be_added_but_not_renamed_and_not_reordered_in_a_tensor() {
        let names = |list: &str| {
            let names = list.split(' ').filter(|name| !name.is_empty());
            Some(names.map(str::to_owned).collect::<Vec<_>>()).filter(|names| !names.is_empty())
        };
        for (kind, old, new, expected) in [
            ("maps", "a b", "b a", None),
            ("maps", "a b", "b a c", None),
            (
                "maps",
                "a b",
                "a c",
                Some("output \"p\": its class names were a, b and are a, c"),
            ),
            ("float32[?,?]", "a b", "a b c", None),
            (
                "float32[?,2]",
                "a b",
                "b a",
                Some("output \"p\": its class names were a, b and are b, a"),
            ),
            (
                "float32[?,2]",
                "",
                "b a",
                Some("output \"p\": its class names were none and are b, a"),
            ),
            ("float32[?]", "a b", "b a", None),
        ] {
            let mut both = [old, new].map(|classes| {
                let mut one = signature(&["X:float32[?,4]"], &[&format!("p:{kind}")]);
                one.classes = names(classes);
                one
            });
            let breaks = texts(&both[0], &both[1]);
            assert_eq!(breaks.first().map(String::as_str), expected, "{kind} {old}");
            // The output's own go before the model's.
            for one in &mut both {
                one.outputs[0].classes = names("x y");
            }
            assert_eq!(texts(&both[0], &both[1]), [""; 0]);
        }
    }

    #[test]
    fn feature_names_are_a_contract_with_their_order() {
        let with = |features: &[&str]| {
            let mut one = signature(&["id:int64[?,1]", "X:float32[?,2]"], &[]);
            one.features = (!features.is_empty())
                .then(|| features.iter().map(|name| (*name).to_owned()).collect());
            one
        };
        assert_eq!(texts(&with(&["a", "b"]), &with(&["a", "b"])), [""; 0]);
        for (old, new, expected) in [
            (vec!["a", "b"], vec!["b", "a"], "were a, b and are b, a"),
            (vec!["a", "b"], vec![], "were a, b and are none"),
            (vec![], vec!["a", "b"], "were none and are a, b"),
        ] {
            let text = format!("input \"X\": its feature names {expected}");
            assert_eq!(texts(&with(&old), &with(&new)), [text]);
        }
    }
}
