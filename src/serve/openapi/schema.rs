//! The schemas of one model: its records, its requests, its predictions.

use serde_json::{Map, Value, json};

use crate::batch::columns::{Field, Form};
use crate::inspect::ports;
use crate::model::dtype::Dtype;

use super::told::{Column, Told, shown, sizes};

/// Adds the schemas of a model: `NAME.Record`, `.Row`, `.Tensors`, `.Request`, `.Prediction`, `.Answer`.
pub(super) fn add(schemas: &mut Map<String, Value>, told: &Told<'_>) {
    let mut add =
        |part: &str, schema: Value| schemas.insert(format!("{}.{part}", told.name), schema);
    if told.hosted.expected().is_ok() {
        add("Record", record(told));
        add("Row", row(told));
    }
    add("Tensors", tensors(told));
    add("Request", request(told));
    add("Prediction", prediction(told));
    add("Answer", answer(told));
}

/// A reference to one of a model's schemas.
pub(super) fn reference(told: &Told<'_>, part: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{}.{part}", told.name)})
}

/// One value. What is missing is `null` where the dtype can say so.
pub(super) fn value(dtype: Dtype) -> Value {
    match dtype {
        Dtype::Float64 => json!({"type": ["number", "null"], "format": "double"}),
        dtype if dtype.is_float() => json!({"type": ["number", "null"], "format": "float"}),
        Dtype::Bool => json!({"type": "boolean"}),
        Dtype::String => json!({"type": "string"}),
        dtype => integer(dtype),
    }
}

fn integer(dtype: Dtype) -> Value {
    let (least, most): (i64, u64) = match dtype {
        Dtype::Int8 => (i8::MIN.into(), i8::MAX as u64),
        Dtype::Int16 => (i16::MIN.into(), i16::MAX as u64),
        Dtype::Int32 => (i32::MIN.into(), i32::MAX as u64),
        Dtype::Uint8 => (0, u8::MAX.into()),
        Dtype::Uint16 => (0, u16::MAX.into()),
        Dtype::Uint32 => (0, u32::MAX.into()),
        Dtype::Uint64 => (0, u64::MAX),
        _ => (i64::MIN, i64::MAX as u64),
    };
    json!({"type": "integer", "format": dtype.name(), "minimum": least, "maximum": most})
}

/// Lists of these sizes in lists.
fn lists(dims: &[Option<usize>], inner: Value) -> Value {
    dims.iter().rev().fold(inner, |items, size| match size {
        Some(size) => json!({"type": "array", "items": items, "minItems": size, "maxItems": size}),
        None => json!({"type": "array", "items": items}),
    })
}

fn column(column: &Column<'_>) -> Value {
    let mut schema = value(column.dtype);
    if let (Some(known), Some(members)) = (&column.known, schema.as_object_mut()) {
        match known
            .iter()
            .map(|word| category(column.dtype, word))
            .collect::<Option<Vec<_>>>()
        {
            Some(known) => members.insert("enum".to_owned(), known.into()),
            None => None,
        };
    }
    lists(&column.dims, schema)
}

/// A known category as a value of the column's dtype.
fn category(dtype: Dtype, word: &str) -> Option<Value> {
    match dtype {
        Dtype::String => Some(json!(word)),
        _ => serde_json::from_str(word).ok(),
    }
}

fn record(told: &Told<'_>) -> Value {
    let name = &told.hosted.name;
    let Some(columns) = &told.columns else {
        let description = format!("A record of \"{name}\", by the names of its columns.");
        return json!({"type": "object", "description": description});
    };
    let properties = columns.iter().map(|one| (one.name.to_owned(), column(one)));
    let required = columns.iter().filter(|column| column.is_required);
    let mut schema = json!({
        "type": "object",
        "title": format!("Record of {}", shown(name)),
        "properties": properties.collect::<Map<_, _>>(),
        "required": required.map(|column| column.name).collect::<Vec<_>>(),
    });
    if told.hosted.hosting.strict
        && let Some(members) = schema.as_object_mut()
    {
        members.insert("additionalProperties".to_owned(), false.into());
    }
    with_example(schema, told.examples.records.first())
}

/// A record by position.
fn row(told: &Told<'_>) -> Value {
    let Some(columns) = &told.columns else {
        return json!({"type": "array", "items": {}});
    };
    if let [only] = columns.as_slice()
        && !only.dims.is_empty()
    {
        // A list that is all of a record stands for it.
        return with_example(column(only), told.examples.rows().first());
    }
    let items: Vec<Value> = columns.iter().map(column).collect();
    let mut schema = json!({
        "type": "array",
        "title": "Record by position",
        "description": "The values of a record in the model's own order.",
        "minItems": items.len(),
        "maxItems": items.len(),
    });
    let are_alike = items.iter().all(|item| Some(item) == items.first());
    if let Some(members) = schema.as_object_mut() {
        match (are_alike, items.first()) {
            (true, Some(first)) => members.insert("items".to_owned(), first.clone()),
            _ => {
                members.insert("prefixItems".to_owned(), items.into());
                members.insert("items".to_owned(), json!({}))
            }
        };
    }
    with_example(schema, told.examples.rows().first())
}

/// Whole inputs by name, the first axis counting records.
fn tensors(told: &Told<'_>) -> Value {
    let inputs = told.inputs().iter().filter_map(|port| {
        let (dtype, _) = port.tensor()?;
        let schema = match sizes(port) {
            Some(sizes) => lists(&sizes, value(dtype)),
            None => json!({}),
        };
        Some((port.name.clone(), schema))
    });
    let example = told.examples.inputs();
    let schema = json!({
        "type": "object",
        "title": "Tensors by input",
        "properties": inputs.collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    with_example(
        schema,
        Some(&example).filter(|_| !told.examples.tensors.is_empty()),
    )
}

fn with_example(mut schema: Value, example: Option<&Value>) -> Value {
    if let (Some(members), Some(example)) = (schema.as_object_mut(), example) {
        members.insert("examples".to_owned(), json!([example]));
    }
    schema
}

/// All shapes that a body of JSON may have.
fn request(told: &Told<'_>) -> Value {
    let record = || reference(told, "Record");
    let mut shapes = Vec::new();
    if told.hosted.expected().is_ok() {
        let either = json!({"anyOf": [record(), reference(told, "Row")]});
        shapes.push(record());
        shapes.push(json!({"title": "Records", "type": "array", "items": either}));
        if !told.has_column("instances") {
            shapes.push(with_wishes(
                "instances",
                &json!({"type": "array", "items": either}),
            ));
        }
    }
    if !told.has_column("inputs") {
        shapes.push(with_wishes("inputs", &reference(told, "Tensors")));
    }
    json!({
        "title": format!("Request of {}", shown(&told.hosted.name)),
        "anyOf": shapes,
    })
}

/// An object of `member` and what may be wished beside it.
fn with_wishes(member: &str, schema: &Value) -> Value {
    let mut properties = Map::new();
    properties.insert(member.to_owned(), schema.clone());
    for (name, schema, _) in super::native::WISHES.iter().map(super::native::Wish::told) {
        properties.insert(name.to_owned(), schema);
    }
    json!({"title": format!("With \"{member}\""), "type": "object", "properties": properties, "required": [member]})
}

/// A prediction as it is where nothing else is asked for.
fn prediction(told: &Told<'_>) -> Value {
    let title = format!("Prediction of {}", shown(&told.hosted.name));
    let Some(layout) = &told.layout else {
        return json!({"title": title, "type": "object"});
    };
    let fields = layout
        .fields
        .iter()
        .map(|one| (one.name.clone(), field(told, one)));
    let names: Vec<&str> = layout
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    json!({
        "title": title,
        "type": "object",
        "properties": fields.collect::<Map<_, _>>(),
        "required": names,
    })
}

/// The outputs of a model, each a field or several.
fn field(told: &Told<'_>, field: &Field) -> Value {
    let signature = told.hosted.model.signature();
    let output = field
        .output()
        .and_then(|output| signature.outputs.get(output));
    let dtype = output.and_then(|port| ports::element(&port.kind));
    // A class that was decided for is a name, or a number where all names are numbers.
    let inner = dtype.map_or_else(|| json!({"type": ["string", "integer"]}), value);
    match &field.form {
        Form::Scalar => inner,
        Form::Classes(classes) => {
            let scores = classes.iter().map(|class| (class.clone(), inner.clone()));
            json!({
                "type": "object",
                "properties": scores.collect::<Map<_, _>>(),
                "required": classes,
            })
        }
        Form::List(size) => lists(&[Some(*size)], inner),
        Form::Top { most, .. } => json!({
            "type": "array",
            "maxItems": most,
            "items": {
                "type": "object",
                "properties": {"class": {"type": "string"}, "score": inner},
                "required": ["class", "score"],
            },
        }),
        Form::Nested | Form::Unknown => json!({"description": "Nested lists."}),
    }
}

fn answer(told: &Told<'_>) -> Value {
    let as_asked = json!({
        "title": "Prediction as the query asks",
        "type": "object",
        "description": "What `outputs`, `top`, `argmax`, `threshold`, `activation`, `classes` and `keep` \
            make of it.",
    });
    let schema = json!({
        "title": format!("Answer of {}", shown(&told.hosted.name)),
        "type": "object",
        "properties": {
            "model": {"type": "string", "const": told.hosted.name},
            "version": {"type": "string", "const": told.hosted.version},
            "predictions": {
                "type": "array",
                "description": "One for each record, in their order.",
                "items": {"anyOf": [reference(told, "Prediction"), as_asked]},
            },
        },
        "required": ["model", "version", "predictions"],
    });
    with_example(schema, told.examples.answer.as_ref())
}
