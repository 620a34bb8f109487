//! Reads a tree operator's attributes off its node: the long lists straight off the wire, each once,
//! into lists of plain numbers.
//!
//! It knows where what stands and of which type it must be; what the lists mean is
//! [`trees::read`](crate::trees::read)'s. What is malformed, of another type, external or not where
//! it belongs is refused, and so is what comes twice. A list takes at most eight times its bytes.

mod list;
mod tensor;
#[cfg(test)]
mod tests;

use crate::model::proto::{Attribute, Node};
use crate::trees::attributes::{
    Attributes, Family, Joint, Mode, Numbers, Output, Pair, PairNodes, PairWeights, Precision,
};
use crate::trees::read::Refusal;
use crate::trees::read::levels::{self, Deepest};

/// Reads the attributes of a tree operator whose input is of the ONNX element type `input`.
///
/// # Errors
/// [`Refusal`] where `node` is no tree operator, its input is neither float32 nor float64, or an
/// attribute is not what it should be.
pub(crate) fn read(node: &Node<'_>, input: i32) -> Result<Attributes, Refusal> {
    let precision = match input {
        1 => Precision::Single,
        11 => Precision::Double,
        6 | 7 => return Err(Refusal::new("its input is of integers")),
        _ => return Err(Refusal::new("its input is of an unknown type")),
    };
    let source = Source::new(node, precision)?;
    let family = if node.is_ml("TreeEnsembleClassifier") {
        Family::Pair(source.pair("class", source.classes()?)?)
    } else if node.is_ml("TreeEnsembleRegressor") {
        Family::Pair(source.pair("target", Output::Targets(source.int("n_targets", 0)?))?)
    } else if node.is_ml("TreeEnsemble") {
        Family::Joint(source.joint()?)
    } else {
        return Err(Refusal::new("it is no tree operator"));
    };
    Ok(Attributes { precision, family })
}

/// The deepest tree of a tree operator; `None` where its lists cannot be read.
pub(crate) fn deepest(node: &Node<'_>) -> Option<Deepest> {
    // The lists that say so are of integers, whatever the precision.
    let source = Source::new(node, Precision::Single).ok()?;
    match node.is_ml("TreeEnsemble") {
        true => source
            .joint_links()
            .ok()
            .map(|joint| levels::of_joint(&joint)),
        false => source
            .pair_links()
            .ok()
            .map(|nodes| levels::of_pair(&nodes)),
    }
}

/// The attributes of one node, by name.
struct Source<'a> {
    node: &'a Node<'a>,
    precision: Precision,
}

impl<'a> Source<'a> {
    fn new(node: &'a Node<'a>, precision: Precision) -> Result<Self, Refusal> {
        for (number, attribute) in node.attributes.iter().enumerate() {
            let others = node.attributes.iter().skip(number + 1);
            // A node has a score of attributes; one with thousands is not a tree operator's.
            if number > 64 || others.take(64).any(|other| other.name == attribute.name) {
                return Err(Refusal::new("it has an attribute twice, or far too many"));
            }
        }
        Ok(Source { node, precision })
    }

    fn attribute(&self, name: &str) -> Option<&'a Attribute<'a>> {
        self.node.attribute(name)
    }

    fn pair(&self, prefix: &str, output: Output) -> Result<Pair, Refusal> {
        Ok(Pair {
            output,
            aggregate: self.text("aggregate_function", "SUM")?,
            transform: self.text("post_transform", "NONE")?,
            base: self.numbers("base_values")?,
            nodes: PairNodes {
                features: self.ints("nodes_featureids")?,
                values: self.numbers("nodes_values")?,
                // As ONNX Runtime has it: 1 is yes, and everything else is no.
                missing: self.flags("nodes_missing_value_tracks_true", |value| value == 1)?,
                ..self.pair_links()?
            },
            weights: PairWeights {
                trees: self.ints(&format!("{prefix}_treeids"))?,
                nodes: self.ints(&format!("{prefix}_nodeids"))?,
                targets: self.ints(&format!("{prefix}_ids"))?,
                values: self.numbers(&format!("{prefix}_weights"))?,
            },
        })
    }

    /// Which node leads to which.
    fn pair_links(&self) -> Result<PairNodes, Refusal> {
        Ok(PairNodes {
            trees: self.ints("nodes_treeids")?,
            ids: self.ints("nodes_nodeids")?,
            modes: self.modes("nodes_modes")?,
            yes: self.ints("nodes_truenodeids")?,
            no: self.ints("nodes_falsenodeids")?,
            ..PairNodes::default()
        })
    }

    fn joint(&self) -> Result<Joint, Refusal> {
        Ok(Joint {
            targets: self.int("n_targets", 0)?,
            aggregate: self.int("aggregate_function", 1)?,
            transform: self.int("post_transform", 0)?,
            features: self.ints("nodes_featureids")?,
            values: self.tensor("nodes_splits")?,
            missing: self.flags("nodes_missing_value_tracks_true", |value| value == 1)?,
            members: self.tensor("membership_values")?,
            leaf_targets: self.ints("leaf_targetids")?,
            leaf_weights: self.tensor("leaf_weights")?,
            ..self.joint_links()?
        })
    }

    /// Which node leads to which.
    fn joint_links(&self) -> Result<Joint, Refusal> {
        let is_leaf = |value| value != 0;
        Ok(Joint {
            roots: self.ints("tree_roots")?,
            modes: self.numbered_modes("nodes_modes")?,
            yes: self.ints("nodes_truenodeids")?,
            yes_is_leaf: self.flags("nodes_trueleafs", is_leaf)?,
            no: self.ints("nodes_falsenodeids")?,
            no_is_leaf: self.flags("nodes_falseleafs", is_leaf)?,
            ..Joint::default()
        })
    }

    fn classes(&self) -> Result<Output, Refusal> {
        let mut texts = Vec::new();
        self.each_text("classlabels_strings", |label| {
            texts.push(label.to_owned());
            Some(())
        })?;
        if !texts.is_empty() {
            return Ok(Output::Texts(texts));
        }
        let mut labels = Vec::new();
        self.each_int("classlabels_int64s", |label| {
            labels.push(label);
            Some(())
        })?;
        Ok(Output::Ints(labels))
    }

    fn int(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        match self.attribute(name) {
            None => Ok(default),
            Some(attribute) => {
                list::check(attribute, list::Kind::Int)?;
                attribute.int.ok_or_else(|| list::unreadable(name))
            }
        }
    }

    fn text(&self, name: &str, default: &str) -> Result<String, Refusal> {
        match self.attribute(name) {
            None => Ok(default.to_owned()),
            Some(attribute) => {
                list::check(attribute, list::Kind::Text)?;
                let text = attribute.string.as_deref();
                text.map(str::to_owned)
                    .ok_or_else(|| list::unreadable(name))
            }
        }
    }

    fn each_int(&self, name: &str, each: impl FnMut(i64) -> Option<()>) -> Result<(), Refusal> {
        match self.attribute(name) {
            None => Ok(()),
            Some(attribute) => list::each_int(attribute, each),
        }
    }

    fn each_text(&self, name: &str, each: impl FnMut(&str) -> Option<()>) -> Result<(), Refusal> {
        match self.attribute(name) {
            None => Ok(()),
            Some(attribute) => list::each_text(attribute, each),
        }
    }

    /// Numbers that ONNX Runtime keeps in 32 bits.
    fn ints(&self, name: &str) -> Result<Vec<i32>, Refusal> {
        let mut ints = Vec::new();
        self.each_int(name, |value| {
            ints.push(i32::try_from(value).ok()?);
            Some(())
        })?;
        Ok(ints)
    }

    fn flags(&self, name: &str, is_set: impl Fn(i64) -> bool) -> Result<Vec<bool>, Refusal> {
        let mut flags = Vec::new();
        self.each_int(name, |value| {
            flags.push(is_set(value));
            Some(())
        })?;
        Ok(flags)
    }

    fn modes(&self, name: &str) -> Result<Vec<Mode>, Refusal> {
        let mut modes = Vec::new();
        self.each_text(name, |text| {
            modes.push(Mode::named(text)?);
            Some(())
        })?;
        Ok(modes)
    }

    fn numbered_modes(&self, name: &str) -> Result<Vec<Mode>, Refusal> {
        let Some(attribute) = self.attribute(name) else {
            return Ok(Vec::new());
        };
        let numbers = tensor::bytes(attribute)?;
        let modes = numbers.iter().map(|number| Mode::numbered(*number));
        modes
            .collect::<Option<_>>()
            .ok_or_else(|| list::unreadable(name))
    }

    /// A list of float32, or since version 3 a tensor of the input's type in its place.
    fn numbers(&self, name: &str) -> Result<Numbers, Refusal> {
        let list = match self.attribute(name) {
            None => Vec::new(),
            Some(attribute) => list::floats(attribute)?,
        };
        let tensor = self.tensor(&format!("{name}_as_tensor"))?;
        match (list.is_empty(), tensor.is_empty()) {
            (_, true) => Ok(Numbers::Singles(list)),
            (true, false) => Ok(tensor),
            (false, false) => Err(Refusal::new(format!("it has {name} twice"))),
        }
    }

    /// A tensor of the input's type.
    fn tensor(&self, name: &str) -> Result<Numbers, Refusal> {
        match (self.attribute(name), self.precision) {
            (None, _) => Ok(Numbers::default()),
            (Some(attribute), Precision::Single) => {
                tensor::singles(attribute).map(Numbers::Singles)
            }
            (Some(attribute), Precision::Double) => {
                tensor::doubles(attribute).map(Numbers::Doubles)
            }
        }
    }
}
