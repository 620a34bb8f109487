//! ONNX Runtime's own `.ort` files: a flatbuffer, read into the messages of `proto`.
//!
//! The table layout is that of `onnxruntime/core/flatbuffers/schema/ort.fbs` (format versions 1 to
//! 6); a field's number is its place in the schema. Every offset is checked against the file.
//! Flatbuffers may share parts, so a small file can describe an endless graph: the budget of
//! `proto` ends that.

use std::borrow::Cow;

use super::proto::{
    Attribute, Budget, Dimension, Graph, Model, Node, TREE_LISTS, Tensor, Text, Type, ValueInfo,
};
use super::wire::{self, Fault};

/// What comes of reading a part.
type Read<T> = Result<T, Fault>;

/// A label tensor is never larger than this; other tensors' data is not looked at.
const LABEL_BYTES: usize = 1 << 16;

/// Lists of tree ensembles that the facts are made from; the other long ones are left out.
const KEPT_LISTS: [&str; 4] = [
    "nodes_treeids",
    "nodes_featureids",
    "nodes_missing_value_tracks_true",
    "class_weights",
];

/// Whether the bytes carry the identifier of ONNX Runtime's format.
pub(crate) fn is_ort(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"ORTM")
}

/// Reads an `.ort` file.
pub(crate) fn read(bytes: &[u8]) -> Read<Model<'_>> {
    let budget = &mut Budget::new();
    let session = Table::at(bytes, follow(bytes, 0)?)?;
    let table = session.table(1)?.ok_or(Fault::Malformed)?;
    let graph = table.table(7)?.ok_or(Fault::Malformed)?;
    let mut model = Model {
        ir_version: table.int(0)?,
        producer_name: table.text(2)?,
        producer_version: table.text(3)?,
        domain: table.text(4)?,
        model_version: table.int(5)?,
        doc: table.text(6)?,
        graph: Some(read_graph(graph, budget)?),
        ..Model::default()
    };
    for opset in table.tables(1)? {
        let opset = opset?;
        budget.push(&mut model.opsets, (opset.text(0)?, opset.int(1)?))?;
    }
    for entry in table.tables(9)? {
        let entry = entry?;
        budget.push(&mut model.metadata, (entry.text(0)?, entry.text(1)?))?;
    }
    if let (Some(graph), doc) = (&mut model.graph, table.text(8)?) {
        graph.doc = doc;
    }
    Ok(model)
}

fn read_graph<'a>(table: Table<'a>, budget: &mut Budget) -> Read<Graph<'a>> {
    let mut graph = Graph::default();
    for tensor in table.tables(0)? {
        let tensor = read_tensor(tensor?, budget)?;
        budget.push(&mut graph.initializers, tensor)?;
    }
    for sparse in table.tables(7)? {
        if let Some(values) = sparse?.table(0)? {
            let values = read_tensor(values, budget)?;
            budget.push(&mut graph.initializers, values)?;
        }
    }
    for node in table.tables(2)? {
        let node = node?;
        let node = budget.deeper(|budget| read_node(node, budget))?;
        budget.push(&mut graph.nodes, node)?;
    }
    graph.inputs = read_ports(&table, 5, budget)?;
    graph.outputs = read_ports(&table, 6, budget)?;
    Ok(graph)
}

/// The inputs or outputs: names in `field`, types in the list of all values.
fn read_ports<'a>(
    table: &Table<'a>,
    field: usize,
    budget: &mut Budget,
) -> Read<Vec<ValueInfo<'a>>> {
    let mut ports: Vec<ValueInfo<'a>> = Vec::new();
    for name in table.texts(field)? {
        let port = ValueInfo {
            name: name?,
            kind: Type::Undeclared,
        };
        budget.push(&mut ports, port)?;
    }
    let index: std::collections::HashMap<Text<'a>, usize> = ports
        .iter()
        .enumerate()
        .map(|(i, port)| (port.name.clone(), i))
        .collect();
    for info in table.tables(1)? {
        let info = info?;
        let port = index.get(&info.text(0)?).and_then(|i| ports.get_mut(*i));
        if let (Some(port), Some(kind)) = (port, info.table(2)?) {
            port.kind = read_type(kind, budget)?;
        }
    }
    Ok(ports)
}

fn read_type<'a>(table: Table<'a>, budget: &mut Budget) -> Read<Type<'a>> {
    let Some(value) = table.table(2)? else {
        return Ok(Type::Undeclared);
    };
    let mut item = |field| match value.table(field)? {
        Some(inner) => budget
            .deeper(|budget| read_type(inner, budget))
            .map(Box::new),
        None => Ok(Box::default()),
    };
    match table.byte(1)? {
        1 => {
            let shape = value.table(1)?;
            let dims = shape.map(|shape| read_shape(&shape, budget)).transpose()?;
            Ok(Type::Tensor(value.int32(0)?, dims))
        }
        2 => Ok(Type::Sequence(item(0)?)),
        3 => Ok(Type::Map(value.int32(0)?, item(1)?)),
        _ => Ok(Type::Opaque),
    }
}

fn read_shape<'a>(shape: &Table<'a>, budget: &mut Budget) -> Read<Vec<Dimension<'a>>> {
    let mut dims = Vec::new();
    for dim in shape.tables(0)? {
        let dim = match dim?.table(0)? {
            Some(value) => match value.byte(0)? {
                1 => Dimension::Value(value.int(1)?),
                2 => Dimension::Param(value.text(2)?),
                _ => Dimension::Free,
            },
            None => Dimension::Free,
        };
        budget.push(&mut dims, dim)?;
    }
    Ok(dims)
}

fn read_node<'a>(table: Table<'a>, budget: &mut Budget) -> Read<Node<'a>> {
    let mut node = Node {
        op: table.text(5)?,
        domain: table.text(2)?,
        ..Node::default()
    };
    for name in table.texts(8)? {
        budget.push(&mut node.inputs, name?)?;
    }
    for name in table.texts(9)? {
        budget.push(&mut node.outputs, name?)?;
    }
    for attribute in table.tables(10)? {
        let attribute = read_attribute(attribute?, budget)?;
        budget.push(&mut node.attributes, attribute)?;
    }
    Ok(node)
}

fn read_attribute<'a>(table: Table<'a>, budget: &mut Budget) -> Read<Attribute<'a>> {
    let mut attribute = Attribute {
        name: table.text(0)?,
        int: Some(table.int(4)?),
        string: Some(table.text(5)?),
        ..Attribute::default()
    };
    for tensor in table.table(6)?.into_iter().map(Ok).chain(table.tables(11)?) {
        let tensor = read_tensor(tensor?, budget)?;
        budget.push(&mut attribute.tensors, tensor)?;
    }
    for graph in table.table(7)?.into_iter().map(Ok).chain(table.tables(12)?) {
        let graph = read_graph(graph?, budget)?;
        budget.push(&mut attribute.graphs, graph)?;
    }
    let name = &*attribute.name;
    if KEPT_LISTS.contains(&name) || !TREE_LISTS.contains(&name) {
        attribute.body = Cow::Owned(lists(&table, budget)?);
    }
    Ok(attribute)
}

/// The lists of an attribute as the protobuf message would hold them.
fn lists(table: &Table<'_>, budget: &mut Budget) -> Read<Vec<u8>> {
    let mut body = Vec::new();
    let floats = table.vector(8, 4)?;
    if !floats.is_empty() {
        budget.spend(floats.len())?;
        wire::put_bytes(&mut body, 7, floats);
    }
    let ints = table.vector(9, 8)?;
    budget.spend(2 * ints.len())?;
    for int in ints.as_chunks().0 {
        wire::put_int(&mut body, 8, i64::from_le_bytes(*int));
    }
    for text in table.texts(10)? {
        let text = text?;
        budget.spend(text.len() + 16)?;
        wire::put_bytes(&mut body, 9, text.as_bytes());
    }
    Ok(body)
}

fn read_tensor<'a>(table: Table<'a>, budget: &mut Budget) -> Read<Tensor<'a>> {
    let mut tensor = Tensor {
        name: table.text(0)?,
        data_type: table.int32(3)?,
        ..Tensor::default()
    };
    for dim in table.vector(2, 8)?.as_chunks().0 {
        budget.push(&mut tensor.dims, i64::from_le_bytes(*dim))?;
    }
    let mut body = Vec::new();
    let raw = table.vector(4, 1)?;
    if raw.len() <= LABEL_BYTES {
        budget.spend(raw.len())?;
        wire::put_bytes(&mut body, 9, raw);
    }
    for text in table.texts(5)? {
        let text = text?;
        budget.spend(text.len() + 16)?;
        wire::put_bytes(&mut body, 6, text.as_bytes());
        if body.len() > LABEL_BYTES {
            break;
        }
    }
    tensor.body = Cow::Owned(body);
    Ok(tensor)
}

/// A flatbuffer table inside `file`.
#[derive(Debug, Clone, Copy)]
struct Table<'a> {
    file: &'a [u8],
    /// Where the table begins.
    at: usize,
    /// The places of its fields, two bytes each.
    fields: &'a [u8],
}

fn array<const N: usize>(file: &[u8], at: usize) -> Read<[u8; N]> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().ok_or(Fault::Malformed)
}

/// Where the forward offset at `at` leads.
fn follow(file: &[u8], at: usize) -> Read<usize> {
    let offset = u32::from_le_bytes(array(file, at)?) as usize;
    at.checked_add(offset).ok_or(Fault::Malformed)
}

/// The elements of the vector at `at`, `width` bytes each.
fn elements(file: &[u8], at: usize, width: usize) -> Read<&[u8]> {
    let count = u32::from_le_bytes(array(file, at)?) as usize;
    let length = count.checked_mul(width).ok_or(Fault::Malformed)?;
    let rest = file.get(at + 4..).ok_or(Fault::Malformed)?;
    rest.get(..length).ok_or(Fault::Malformed)
}

fn text_at(file: &[u8], at: usize) -> Read<Text<'_>> {
    elements(file, at, 1).map(String::from_utf8_lossy)
}

impl<'a> Table<'a> {
    fn at(file: &'a [u8], at: usize) -> Read<Self> {
        let back = i64::from(i32::from_le_bytes(array(file, at)?));
        let start = i64::try_from(at).ok().and_then(|at| at.checked_sub(back));
        let start = start.and_then(|start| usize::try_from(start).ok());
        let start = start.ok_or(Fault::Malformed)?;
        let length = usize::from(u16::from_le_bytes(array(file, start)?));
        let vtable = file.get(start..).and_then(|rest| rest.get(..length));
        let fields = vtable.and_then(|vtable| vtable.get(4..));
        let fields = fields.ok_or(Fault::Malformed)?;
        Ok(Table { file, at, fields })
    }

    /// Where field `number` is; none if it has its default value.
    fn field(&self, number: usize) -> Option<usize> {
        let place: [u8; 2] = array(self.fields, number * 2).ok()?;
        match u16::from_le_bytes(place) {
            0 => None,
            offset => Some(self.at + usize::from(offset)),
        }
    }

    fn fixed<const N: usize>(&self, number: usize) -> Read<[u8; N]> {
        self.field(number)
            .map_or(Ok([0; N]), |at| array(self.file, at))
    }

    fn int(&self, number: usize) -> Read<i64> {
        self.fixed(number).map(i64::from_le_bytes)
    }

    fn int32(&self, number: usize) -> Read<i32> {
        self.fixed(number).map(i32::from_le_bytes)
    }

    fn byte(&self, number: usize) -> Read<u8> {
        self.fixed(number).map(|[byte]| byte)
    }

    fn text(&self, number: usize) -> Read<Text<'a>> {
        match self.field(number) {
            Some(at) => text_at(self.file, follow(self.file, at)?),
            None => Ok(Text::default()),
        }
    }

    fn table(&self, number: usize) -> Read<Option<Table<'a>>> {
        let at = self
            .field(number)
            .map(|at| follow(self.file, at))
            .transpose()?;
        at.map(|at| Table::at(self.file, at)).transpose()
    }

    fn vector(&self, number: usize, width: usize) -> Read<&'a [u8]> {
        match self.field(number) {
            Some(at) => elements(self.file, follow(self.file, at)?, width),
            None => Ok(&[]),
        }
    }

    /// Where the elements of a vector of offsets lead.
    fn places(&self, number: usize) -> Read<impl Iterator<Item = Read<usize>> + use<'a>> {
        let file = self.file;
        let start = match self.field(number) {
            Some(at) => follow(file, at)?.saturating_add(4),
            None => 0,
        };
        let count = self.vector(number, 4)?.len() / 4;
        Ok((0..count).map(move |i| follow(file, start + i * 4)))
    }

    fn tables(&self, number: usize) -> Read<impl Iterator<Item = Read<Table<'a>>> + use<'a>> {
        let file = self.file;
        let places = self.places(number)?;
        Ok(places.map(move |at| Table::at(file, at?)))
    }

    fn texts(&self, number: usize) -> Read<impl Iterator<Item = Read<Text<'a>>> + use<'a>> {
        let file = self.file;
        let places = self.places(number)?;
        Ok(places.map(move |at| text_at(file, at?)))
    }
}
