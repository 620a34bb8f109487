//! The messages of `onnx.proto` (IR version 13) that we read, borrowed from the file's bytes.
//!
//! Hand-written over `wire`, so that weights are never looked at and a hostile file cannot make us
//! allocate more or recurse deeper than [`Budget`] allows. Text is taken as it comes: `onnx.proto` is
//! proto2, whose readers and writers do not check UTF-8.

mod budget;
mod lists;
mod node;
mod tensor;
mod types;

use std::borrow::Cow;

use super::wire::{self, Fault, Field};

pub(crate) use budget::Budget;
pub(crate) use node::{Attribute, Node, TREE_LISTS};
pub(crate) use tensor::Tensor;
pub(crate) use types::{Dimension, Type, ValueInfo};

/// Text of a file, with U+FFFD where it is not UTF-8.
pub(crate) type Text<'a> = Cow<'a, str>;

/// `ModelProto`.
#[derive(Debug, Default)]
pub(crate) struct Model<'a> {
    pub ir_version: i64,
    pub producer_name: Text<'a>,
    pub producer_version: Text<'a>,
    pub domain: Text<'a>,
    pub model_version: i64,
    pub doc: Text<'a>,
    pub graph: Option<Graph<'a>>,
    pub opsets: Vec<(Text<'a>, i64)>,
    pub metadata: Vec<(Text<'a>, Text<'a>)>,
    /// The nodes of each `FunctionProto`, as graphs without tensors.
    pub functions: Vec<Graph<'a>>,
}

/// `GraphProto`.
#[derive(Debug, Default)]
pub(crate) struct Graph<'a> {
    pub name: Text<'a>,
    /// Of a function's body: the domain that it is an operator of.
    pub domain: Text<'a>,
    pub doc: Text<'a>,
    pub nodes: Vec<Node<'a>>,
    pub initializers: Vec<Tensor<'a>>,
    pub inputs: Vec<ValueInfo<'a>>,
    pub outputs: Vec<ValueInfo<'a>>,
    /// What the file declares of the values between them.
    pub values: Vec<ValueInfo<'a>>,
}

/// What comes of reading a message.
type Read<T> = Result<T, Fault>;

fn text<'a>(field: &Field<'a>) -> Read<Text<'a>> {
    field.bytes().map(String::from_utf8_lossy)
}

/// An element type by its number; one that no enum can hold counts as undefined.
fn data_type(field: &Field<'_>) -> Read<i32> {
    field
        .int()
        .map(|number| i32::try_from(number).unwrap_or_default())
}

/// Sets a singular message field. A second one would have to be merged into the first, which no
/// writer asks for; refusing it leaves no place to hide a graph or a tensor from our checks.
fn set_once<T>(slot: &mut Option<T>, value: T) -> Read<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::Malformed),
    }
}

impl<'a> Model<'a> {
    /// Reads a whole `.onnx` file. [`Fault::Ends`] means that the file itself was cut short.
    pub(crate) fn read(bytes: &'a [u8]) -> Read<Self> {
        let budget = &mut Budget::new();
        let mut model = Model::default();
        for field in wire::fields(bytes) {
            let field = field?;
            model.take(&field, budget).map_err(inner)?;
        }
        Ok(model)
    }

    fn take(&mut self, field: &Field<'a>, budget: &mut Budget) -> Read<()> {
        match field.number {
            1 => self.ir_version = field.int()?,
            2 => self.producer_name = text(field)?,
            3 => self.producer_version = text(field)?,
            4 => self.domain = text(field)?,
            5 => self.model_version = field.int()?,
            6 => self.doc = text(field)?,
            7 => set_once(&mut self.graph, Graph::read(field.bytes()?, budget)?)?,
            8 => budget.push(&mut self.opsets, opset(field.bytes()?)?)?,
            14 => budget.push(&mut self.metadata, pair(field.bytes()?)?)?,
            25 => {
                let function = Graph::read_function(field.bytes()?, budget)?;
                budget.push(&mut self.functions, function)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Every graph at the top: the main one and the functions' bodies.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = &Graph<'a>> {
        self.graph.iter().chain(&self.functions)
    }
}

/// An inner message that ends too early is malformed: its length was given.
fn inner(fault: Fault) -> Fault {
    match fault {
        Fault::Ends => Fault::Malformed,
        other => other,
    }
}

/// `OperatorSetIdProto`.
fn opset(bytes: &[u8]) -> Read<(Text<'_>, i64)> {
    let mut opset = (Text::default(), 0);
    for field in wire::fields(bytes) {
        let field = field?;
        match field.number {
            1 => opset.0 = text(&field)?,
            2 => opset.1 = field.int()?,
            _ => {}
        }
    }
    Ok(opset)
}

/// `StringStringEntryProto`.
fn pair(bytes: &[u8]) -> Read<(Text<'_>, Text<'_>)> {
    let mut pair = (Text::default(), Text::default());
    for field in wire::fields(bytes) {
        let field = field?;
        match field.number {
            1 => pair.0 = text(&field)?,
            2 => pair.1 = text(&field)?,
            _ => {}
        }
    }
    Ok(pair)
}

impl<'a> Graph<'a> {
    fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut graph = Graph::default();
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => budget.deeper(|budget| graph.take_node(&field, budget))?,
                2 => graph.name = text(&field)?,
                5 => {
                    let tensor = Tensor::read(field.bytes()?, budget)?;
                    budget.push(&mut graph.initializers, tensor)?;
                }
                10 => graph.doc = text(&field)?,
                11 => {
                    let info = ValueInfo::read(field.bytes()?, budget)?;
                    budget.push(&mut graph.inputs, info)?;
                }
                12 => {
                    let info = ValueInfo::read(field.bytes()?, budget)?;
                    budget.push(&mut graph.outputs, info)?;
                }
                13 => {
                    let info = ValueInfo::read(field.bytes()?, budget)?;
                    budget.push(&mut graph.values, info)?;
                }
                15 => tensor::read_sparse(field.bytes()?, &mut graph.initializers, budget)?,
                _ => {}
            }
        }
        Ok(graph)
    }

    /// The name, the domain and the nodes of a `FunctionProto`.
    fn read_function(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut graph = Graph::default();
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => graph.name = text(&field)?,
                7 => graph.take_node(&field, budget)?,
                10 => graph.domain = text(&field)?,
                _ => {}
            }
        }
        Ok(graph)
    }

    fn take_node(&mut self, field: &Field<'a>, budget: &mut Budget) -> Read<()> {
        let node = Node::read(field.bytes()?, budget)?;
        budget.push(&mut self.nodes, node)
    }
}
