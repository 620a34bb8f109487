//! ONNX Runtime's own `.ort` files: a flatbuffer, read into the messages of `proto`.
//!
//! The table layout is that of `onnxruntime/core/flatbuffers/schema/ort.fbs` (format versions 1 to
//! 6). Flatbuffers may share parts, so a small file can describe an endless graph: the budget of
//! `proto` ends that.

mod table;

use std::borrow::Cow;
use std::collections::HashMap;

use super::proto::{
    Attribute, Budget, Dimension, Graph, Model, Node, TREE_LISTS, Tensor, Text, Type, ValueInfo,
};
use super::wire::{self, Fault};
use table::Table;

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
    let session = Table::root(bytes)?;
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
    for info in table.tables(1)? {
        let info = info?;
        let value = ValueInfo {
            name: info.text(0)?,
            doc: info.text(1)?,
            kind: match info.table(2)? {
                Some(kind) => read_type(kind, budget)?,
                None => Type::Undeclared,
            },
        };
        budget.push(&mut graph.values, value)?;
    }
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
            ..ValueInfo::default()
        };
        budget.push(&mut ports, port)?;
    }
    let index: HashMap<Text<'a>, usize> = ports
        .iter()
        .enumerate()
        .map(|(i, port)| (port.name.clone(), i))
        .collect();
    for info in table.tables(1)? {
        let info = info?;
        let port = index.get(&info.text(0)?).and_then(|i| ports.get_mut(*i));
        if let (Some(port), Some(kind)) = (port, info.table(2)?) {
            port.doc = info.text(1)?;
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
        name: table.text(0)?,
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
