//! The messages of `onnx.proto` (IR version 13) that we read, borrowed from the file's bytes.
//!
//! Hand-written over `wire`, so that weights are never looked at and a hostile file cannot make us
//! allocate more than [`MEMORY`] or recurse deeper than [`DEPTH`]. Text is taken as it comes:
//! `onnx.proto` is proto2, whose readers and writers do not check UTF-8.

use std::borrow::Cow;

use super::wire::{self, Fault, Field};

/// Text of a file, with U+FFFD where it is not UTF-8.
pub(crate) type Text<'a> = Cow<'a, str>;

/// Bytes that the structs of one model may take in memory; a graph of 50,000 nodes takes about 50 MB.
const MEMORY: usize = 512 << 20;

/// How deep graphs within graphs, or types within types, may go.
const DEPTH: u32 = 32;

/// What is left of the limits while a model is read.
#[derive(Debug)]
pub(crate) struct Budget {
    memory: usize,
    depth: u32,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Budget {
            memory: MEMORY,
            depth: DEPTH,
        }
    }

    /// Takes `bytes` out of the memory limit.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Fault::TooMuch)?;
        Ok(())
    }

    /// Pushes `item`, if the memory limit allows one more.
    pub(crate) fn push<T>(&mut self, list: &mut Vec<T>, item: T) -> Result<(), Fault> {
        // Twice, because a growing `Vec` holds up to twice what is in it.
        self.spend(2 * size_of::<T>())?;
        list.push(item);
        Ok(())
    }

    /// Runs `read` one level deeper, if the depth limit allows.
    pub(crate) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.depth = self.depth.checked_sub(1).ok_or(Fault::TooMuch)?;
        let value = read(self);
        self.depth += 1;
        value
    }
}

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
    pub doc: Text<'a>,
    pub nodes: Vec<Node<'a>>,
    pub initializers: Vec<Tensor<'a>>,
    pub inputs: Vec<ValueInfo<'a>>,
    pub outputs: Vec<ValueInfo<'a>>,
}

/// `NodeProto`.
#[derive(Debug, Default)]
pub(crate) struct Node<'a> {
    pub op: Text<'a>,
    pub domain: Text<'a>,
    pub inputs: Vec<Text<'a>>,
    pub outputs: Vec<Text<'a>>,
    pub attributes: Vec<Attribute<'a>>,
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

/// `TensorProto` without its data, which is read when it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Tensor<'a> {
    pub name: Text<'a>,
    pub dims: Vec<i64>,
    pub data_type: i32,
    /// Whether `data_location` is EXTERNAL or there is any `external_data`.
    pub is_external: bool,
    pub external: Vec<(Text<'a>, Text<'a>)>,
    pub body: Cow<'a, [u8]>,
}

/// `ValueInfoProto`.
#[derive(Debug, Default)]
pub(crate) struct ValueInfo<'a> {
    pub name: Text<'a>,
    pub kind: Type<'a>,
}

/// `TypeProto`.
#[derive(Debug, Default)]
pub(crate) enum Type<'a> {
    Tensor(i32, Option<Vec<Dimension<'a>>>),
    SparseTensor(i32),
    Sequence(Box<Type<'a>>),
    Map(i32, Box<Type<'a>>),
    Optional(Box<Type<'a>>),
    Opaque,
    #[default]
    Undeclared,
}

/// `TensorShapeProto.Dimension`.
#[derive(Debug, Default)]
pub(crate) enum Dimension<'a> {
    Value(i64),
    Param(Text<'a>),
    #[default]
    Free,
}

/// What comes of reading a message.
type Read<T> = Result<T, Fault>;

fn text<'a>(field: &Field<'a>) -> Read<Text<'a>> {
    field.bytes().map(String::from_utf8_lossy)
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
    pub(crate) fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
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
                15 => sparse(field.bytes()?, &mut graph.initializers, budget)?,
                _ => {}
            }
        }
        Ok(graph)
    }

    /// The nodes of a `FunctionProto`.
    fn read_function(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut graph = Graph::default();
        for field in wire::fields(bytes) {
            let field = field?;
            if field.number == 7 {
                graph.take_node(&field, budget)?;
            }
        }
        Ok(graph)
    }

    fn take_node(&mut self, field: &Field<'a>, budget: &mut Budget) -> Read<()> {
        let node = Node::read(field.bytes()?, budget)?;
        budget.push(&mut self.nodes, node)
    }
}

/// The values and indices of a `SparseTensorProto`.
fn sparse<'a>(bytes: &'a [u8], into: &mut Vec<Tensor<'a>>, budget: &mut Budget) -> Read<()> {
    for field in wire::fields(bytes) {
        let field = field?;
        if matches!(field.number, 1 | 2) {
            let tensor = Tensor::read(field.bytes()?, budget)?;
            budget.push(into, tensor)?;
        }
    }
    Ok(())
}

impl<'a> Node<'a> {
    pub(crate) fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut node = Node::default();
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => budget.push(&mut node.inputs, text(&field)?)?,
                2 => budget.push(&mut node.outputs, text(&field)?)?,
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

    /// Whether this is the operator `op` of ONNX-ML.
    pub(crate) fn is_ml(&self, op: &str) -> bool {
        self.domain == "ai.onnx.ml" && self.op == op
    }

    /// Whether this is the operator `op` of ONNX itself.
    pub(crate) fn is_onnx(&self, op: &str) -> bool {
        matches!(&*self.domain, "" | "ai.onnx") && self.op == op
    }

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
            22 | 23 => sparse(field.bytes()?, &mut self.tensors, budget)?,
            _ => {}
        }
        Ok(())
    }

    /// `strings`, as far as `most` of them.
    pub(crate) fn strings(&self, most: usize) -> Vec<String> {
        texts(&self.body, 9, most)
    }

    /// `ints`, as far as `most` of them.
    pub(crate) fn ints(&self, most: usize) -> Vec<i64> {
        let mut ints = Vec::new();
        self.each_int(|value| {
            ints.push(value);
            ints.len() < most
        });
        ints
    }

    /// Hands each of `ints` to `each` until it says `false`.
    pub(crate) fn each_int(&self, each: impl FnMut(i64) -> bool) {
        each_int_of(&self.body, 8, each);
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

fn texts(body: &[u8], number: u32, most: usize) -> Vec<String> {
    wire::fields(body)
        .map_while(Result::ok)
        .filter(|field| field.number == number)
        .filter_map(|field| text(&field).ok().map(Cow::into_owned))
        .take(most)
        .collect()
}

fn each_int_of(body: &[u8], number: u32, mut each: impl FnMut(i64) -> bool) {
    for field in wire::fields(body).map_while(Result::ok) {
        if field.number == number && wire::each_int(&field, &mut each) != Ok(true) {
            return;
        }
    }
}

impl<'a> Tensor<'a> {
    fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut tensor = Tensor {
            body: Cow::Borrowed(bytes),
            ..Tensor::default()
        };
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => tensor.take_dims(&field, budget)?,
                2 => tensor.data_type = i32::try_from(field.int()?).unwrap_or(0),
                8 => tensor.name = text(&field)?,
                13 => {
                    tensor.is_external = true;
                    budget.push(&mut tensor.external, pair(field.bytes()?)?)?;
                }
                14 => tensor.is_external |= field.int()? == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn take_dims(&mut self, field: &Field<'_>, budget: &mut Budget) -> Read<()> {
        let mut pushed = Ok(());
        wire::each_int(field, |dim| {
            pushed = budget.push(&mut self.dims, dim);
            pushed.is_ok()
        })?;
        pushed
    }

    /// `string_data`, as far as `most` of them.
    pub(crate) fn strings(&self, most: usize) -> Vec<String> {
        texts(&self.body, 6, most)
    }

    /// The data of an int64 or int32 tensor, as far as `most` elements; empty for other types and
    /// for external data.
    pub(crate) fn ints(&self, most: usize) -> Vec<i64> {
        let (number, width) = match self.data_type {
            7 => (7, 8),
            6 => (5, 4),
            _ => return Vec::new(),
        };
        let mut ints = self.raw_ints(width, most);
        each_int_of(&self.body, number, |value| {
            ints.push(value);
            ints.len() < most
        });
        ints
    }

    fn raw_ints(&self, width: usize, most: usize) -> Vec<i64> {
        wire::fields(&self.body)
            .map_while(Result::ok)
            .filter(|field| field.number == 9)
            .filter_map(|field| field.bytes().ok())
            .flat_map(|raw| raw.chunks_exact(width))
            .take(most)
            .map(signed_le)
            .collect()
    }
}

/// A little-endian integer of 4 or 8 bytes.
fn signed_le(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|top| top & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    bytes
        .iter()
        .rev()
        .fold(start, |value, byte| value << 8 | i64::from(*byte))
}

impl<'a> ValueInfo<'a> {
    fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut info = ValueInfo::default();
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => info.name = text(&field)?,
                2 => info.kind = Type::read(field.bytes()?, budget)?,
                _ => {}
            }
        }
        Ok(info)
    }
}

impl<'a> Type<'a> {
    fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut kind = Type::Undeclared;
        for field in wire::fields(bytes) {
            let field = field?;
            kind = match field.number {
                1 => {
                    let (dtype, shape) = tensor_type(field.bytes()?, budget)?;
                    Type::Tensor(dtype, shape)
                }
                4 => Type::Sequence(item(field.bytes()?, 1, budget)?.1),
                5 => {
                    let (key, value) = item(field.bytes()?, 2, budget)?;
                    Type::Map(key, value)
                }
                7 => Type::Opaque,
                8 => Type::SparseTensor(tensor_type(field.bytes()?, budget)?.0),
                9 => Type::Optional(item(field.bytes()?, 1, budget)?.1),
                _ => kind,
            };
        }
        Ok(kind)
    }
}

/// `TypeProto.Tensor`: element type and shape.
fn tensor_type<'a>(
    bytes: &'a [u8],
    budget: &mut Budget,
) -> Read<(i32, Option<Vec<Dimension<'a>>>)> {
    let mut dtype = 0;
    let mut shape = None;
    for field in wire::fields(bytes) {
        let field = field?;
        match field.number {
            1 => dtype = i32::try_from(field.int()?).unwrap_or(0),
            2 => set_once(&mut shape, dimensions(field.bytes()?, budget)?)?,
            _ => {}
        }
    }
    Ok((dtype, shape))
}

/// `TensorShapeProto`.
fn dimensions<'a>(bytes: &'a [u8], budget: &mut Budget) -> Read<Vec<Dimension<'a>>> {
    let mut dims = Vec::new();
    for field in wire::fields(bytes) {
        let field = field?;
        if field.number == 1 {
            budget.push(&mut dims, dimension(field.bytes()?)?)?;
        }
    }
    Ok(dims)
}

fn dimension(bytes: &[u8]) -> Read<Dimension<'_>> {
    let mut dim = Dimension::Free;
    for field in wire::fields(bytes) {
        let field = field?;
        dim = match field.number {
            1 => Dimension::Value(field.int()?),
            2 => Dimension::Param(text(&field)?),
            _ => dim,
        };
    }
    Ok(dim)
}

/// The item type of a sequence, optional or map (field `number`), and a map's key type.
fn item<'a>(bytes: &'a [u8], number: u32, budget: &mut Budget) -> Read<(i32, Box<Type<'a>>)> {
    let mut key = 0;
    let mut kind = Type::Undeclared;
    for field in wire::fields(bytes) {
        let field = field?;
        if field.number == number {
            kind = budget.deeper(|budget| Type::read(field.bytes()?, budget))?;
        } else if field.number == 1 {
            key = i32::try_from(field.int()?).unwrap_or(0);
        }
    }
    Ok((key, Box::new(kind)))
}
