//! The nodes of a graph and their attributes.

use std::borrow::Cow;

use super::{Budget, Graph, Read, Tensor, Text, lists, tensor, text};
use crate::model::wire::{self, Field};

/// `NodeProto`.
#[derive(Debug, Default)]
pub(crate) struct Node<'a> {
    pub name: Text<'a>,
    pub op: Text<'a>,
    pub domain: Text<'a>,
    pub inputs: Vec<Text<'a>>,
    pub outputs: Vec<Text<'a>>,
    pub attributes: Vec<Attribute<'a>>,
    /// The message itself; empty where it is none.
    pub body: &'a [u8],
}

/// `AttributeProto`; lists are read when they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Attribute<'a> {
    pub name: Text<'a>,
    pub int: Option<i64>,
    pub string: Option<Text<'a>>,
    /// `t`, `tensors`, and both parts of sparse tensors.
    pub tensors: Vec<Tensor<'a>>,
    pub graphs: Vec<Graph<'a>>,
    /// The message itself, for `strings`, `each_int` and `each_float`.
    pub body: Cow<'a, [u8]>,
}

impl<'a> Node<'a> {
    pub(crate) fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut node = Node {
            body: bytes,
            ..Node::default()
        };
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => budget.push(&mut node.inputs, text(&field)?)?,
                2 => budget.push(&mut node.outputs, text(&field)?)?,
                3 => node.name = text(&field)?,
                4 => node.op = text(&field)?,
                5 => {
                    let attribute = Attribute::read(field.bytes()?, budget)?;
                    budget.push(&mut node.attributes, attribute)?;
                }
                7 => node.domain = text(&field)?,
                _ => {}
            }
        }
        Ok(node)
    }

    /// The documentation of this node; empty where there is none.
    pub(crate) fn doc(&self) -> Text<'a> {
        let mut fields = wire::fields(self.body).map_while(Result::ok);
        let doc = fields.find(|field| field.number == 6);
        doc.and_then(|field| text(&field).ok()).unwrap_or_default()
    }

    /// Whether this is the operator `op` of ONNX-ML.
    pub(crate) fn is_ml(&self, op: &str) -> bool {
        self.domain == "ai.onnx.ml" && self.op == op
    }

    /// Whether this is the operator `op` of ONNX itself.
    pub(crate) fn is_onnx(&self, op: &str) -> bool {
        matches!(&*self.domain, "" | "ai.onnx") && self.op == op
    }

    /// The attribute called `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|a| a.name == name)
    }
}

/// The long lists of the tree operators: one entry for each node or leaf, and in no version of
/// ONNX-ML a tensor. Reading stops at their first entry, which makes forests of tens of megabytes
/// as quick to read as small ones.
pub(crate) const TREE_LISTS: [&str; 17] = [
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_values",
    "nodes_hitrates",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_missing_value_tracks_true",
    "class_treeids",
    "class_nodeids",
    "class_ids",
    "class_weights",
    "target_treeids",
    "target_nodeids",
    "target_ids",
    "target_weights",
    "leaf_targetids",
];

impl<'a> Attribute<'a> {
    fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut attribute = Attribute {
            body: Cow::Borrowed(bytes),
            ..Attribute::default()
        };
        for field in wire::fields(bytes) {
            let field = field?;
            if matches!(field.number, 7 | 8) && TREE_LISTS.contains(&&*attribute.name) {
                break;
            }
            attribute.take(&field, budget)?;
        }
        Ok(attribute)
    }

    fn take(&mut self, field: &Field<'a>, budget: &mut Budget) -> Read<()> {
        match field.number {
            1 => self.name = text(field)?,
            3 => self.int = Some(field.int()?),
            4 => self.string = Some(text(field)?),
            5 | 10 => {
                let tensor = Tensor::read(field.bytes()?, budget)?;
                budget.push(&mut self.tensors, tensor)?;
            }
            6 | 11 => {
                let graph = Graph::read(field.bytes()?, budget)?;
                budget.push(&mut self.graphs, graph)?;
            }
            22 | 23 => tensor::read_sparse(field.bytes()?, &mut self.tensors, budget)?,
            _ => {}
        }
        Ok(())
    }

    /// `strings`, as far as `most` of them.
    pub(crate) fn strings(&self, most: usize) -> Vec<String> {
        lists::texts(&self.body, 9, most)
    }

    /// `ints`, as far as `most` of them.
    pub(crate) fn ints(&self, most: usize) -> Vec<i64> {
        let mut ints = Vec::new();
        lists::push_ints(&mut ints, &self.body, 8, most);
        ints
    }

    /// Hands each of `ints` to `each` until it says `false`.
    pub(crate) fn each_int(&self, each: impl FnMut(i64) -> bool) {
        lists::each_int(&self.body, 8, each);
    }

    /// Whether `is` holds for any of `floats`.
    pub(crate) fn any_float(&self, is: impl Fn(f32) -> bool) -> bool {
        let floats = wire::fields(&self.body)
            .map_while(Result::ok)
            .filter(|field| field.number == 7);
        floats
            .map_while(|field| wire::each_float(&field, |value| !is(value)).ok())
            .any(|went_on| !went_on)
    }
}
