//! Predictions as Arrow arrays with their types, and the schema that they make with what is kept.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float16Array, ListArray, PrimitiveArray,
    StringArray, types,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field as Column, FieldRef, Schema, SchemaRef};
use half::{bf16, f16};
use ndarray::{ArrayD, Axis};

use crate::batch::columns::{Field, Form};
use crate::batch::decide;
use crate::batch::feed;
use crate::each_dtype;
use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

/// The schema of the output: the kept columns as they are, then the prediction columns of `fields`,
/// whose element types and ranks `tensors` (of any run, one for each field) show.
pub fn schema(kept: &[FieldRef], fields: &[Field], tensors: &[Tensor]) -> SchemaRef {
    let predicted = fields.iter().zip(tensors).flat_map(|(field, tensor)| {
        let names = field.columns().into_iter();
        let data_type = move |position| column_type(field, tensor, position);
        names
            .enumerate()
            .map(move |(position, name)| Arc::new(Column::new(name, data_type(position), true)))
    });
    Arc::new(Schema::new(
        kept.iter()
            .map(Arc::clone)
            .chain(predicted)
            .collect::<Vec<_>>(),
    ))
}

/// A kept column that comes as text: a CSV cell.
pub fn text_field(name: &str) -> FieldRef {
    Arc::new(Column::new(name, DataType::Utf8, true))
}

/// Kept cells as an array of text; `None` is a null.
///
/// # Errors
/// The first cell that is not UTF-8, which Arrow's text has to be.
pub fn text_array<'c>(
    cells: impl IntoIterator<Item = Option<&'c [u8]>>,
) -> std::result::Result<ArrayRef, usize> {
    let texts = cells.into_iter().enumerate().map(|(row, cell)| {
        let text = cell.map(std::str::from_utf8).transpose();
        text.map_err(|_| row)
    });
    let texts = texts.collect::<std::result::Result<StringArray, usize>>()?;
    Ok(Arc::new(texts))
}

/// The rows `rows` of `array`, in that order.
///
/// # Errors
/// [`Error::Data`] where Arrow has no such row, or cannot pick from the type.
pub fn pick(array: &ArrayRef, rows: &[usize]) -> Result<ArrayRef> {
    if let Some(row) = rows.iter().find(|row| **row >= array.len()) {
        return Err(Error::data("", format!("there is no row {row}")));
    }
    let indices = rows.iter().map(|row| *row as u64);
    let indices = arrow_array::UInt64Array::from_iter_values(indices);
    arrow_select::take::take(array, &indices, None)
        .map_err(|error| Error::data("", format!("cannot pick rows: {error}")))
}

/// Joins arrays of one type.
///
/// # Errors
/// [`Error::Data`] where the types differ or the text is too long for one array.
pub fn joined(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
    arrow_select::concat::concat(&parts)
        .map_err(|error| Error::data("", format!("cannot join columns: {error}")))
}

/// The prediction columns of `fields`: one array for each column, one value for each of `records`
/// (a record of `tensors`, or `None` for a null: a record that was not scored).
pub fn arrays(fields: &[Field], tensors: &[Tensor], records: &[Option<usize>]) -> Vec<ArrayRef> {
    let columns = fields.iter().zip(tensors);
    columns
        .flat_map(|(field, tensor)| field_arrays(field, tensor, records))
        .collect()
}

/// The column that holds `tensor`, `[rows, ...]`: arrays of NumPy that are passed through.
pub fn tensor_field(name: &str, tensor: &Tensor) -> FieldRef {
    Arc::new(Column::new(name, nested_type(tensor), true))
}

/// The rows `records` of `tensor`, `[rows, ...]`, as one array.
pub fn tensor_array(tensor: &Tensor, records: &[Option<usize>]) -> ArrayRef {
    nested(tensor, records)
}

fn column_type(field: &Field, tensor: &Tensor, position: usize) -> DataType {
    match &field.form {
        Form::Top { .. } if position.is_multiple_of(2) => DataType::Utf8,
        Form::Nested | Form::Unknown => nested_type(tensor),
        _ => element_type(tensor.dtype()),
    }
}

/// One value for each row, or lists as deep as a row has axes.
fn nested_type(tensor: &Tensor) -> DataType {
    let sizes = tensor.shape().iter().skip(1);
    // Sizes may differ from run to run, so the lists are of any length.
    sizes.fold(element_type(tensor.dtype()), |item, _| {
        DataType::List(Arc::new(Column::new_list_field(item, true)))
    })
}

fn element_type(dtype: Dtype) -> DataType {
    match dtype {
        // Arrow has no bfloat16; a float32 holds every one.
        Dtype::Float32 | Dtype::Bfloat16 => DataType::Float32,
        Dtype::Float64 => DataType::Float64,
        Dtype::Float16 => DataType::Float16,
        Dtype::Int8 => DataType::Int8,
        Dtype::Int16 => DataType::Int16,
        Dtype::Int32 => DataType::Int32,
        Dtype::Int64 => DataType::Int64,
        Dtype::Uint8 => DataType::UInt8,
        Dtype::Uint16 => DataType::UInt16,
        Dtype::Uint32 => DataType::UInt32,
        Dtype::Uint64 => DataType::UInt64,
        Dtype::Bool => DataType::Boolean,
        Dtype::String => DataType::Utf8,
    }
}

fn field_arrays(field: &Field, tensor: &Tensor, records: &[Option<usize>]) -> Vec<ArrayRef> {
    let every = |width: usize, at: usize| -> Vec<Option<usize>> {
        let index = |record: &Option<usize>| record.map(|record| record * width + at);
        records.iter().map(index).collect()
    };
    let width = |width: usize| (0..width).map(move |at| every(width, at));
    match &field.form {
        Form::Scalar => vec![elements(tensor, records)],
        Form::Classes(classes) => width(classes.len())
            .map(|indices| elements(tensor, &indices))
            .collect(),
        Form::List(size) => width(*size)
            .map(|indices| elements(tensor, &indices))
            .collect(),
        Form::Top { most, classes } => top(tensor, *most, classes, records),
        Form::Nested | Form::Unknown => vec![nested(tensor, records)],
    }
}

/// The elements of `tensor`, row-major, at `indices`; null where there is none.
fn elements(tensor: &Tensor, indices: &[Option<usize>]) -> ArrayRef {
    each_dtype!(tensor, array => {
        let all = array.as_slice().unwrap_or_default();
        ToArrow::array(indices.iter().map(|index| all.get((*index)?)))
    })
}

/// An element type of tensors that Arrow has arrays of.
trait ToArrow: Sized {
    fn array<'e>(elements: impl Iterator<Item = Option<&'e Self>>) -> ArrayRef
    where
        Self: 'e;
}

fn primitives<'e, T: ArrowPrimitiveType>(
    elements: impl Iterator<Item = Option<&'e T::Native>>,
) -> ArrayRef {
    Arc::new(
        elements
            .map(|element| element.copied())
            .collect::<PrimitiveArray<T>>(),
    )
}

macro_rules! to_arrow {
    ($($element:ty => $arrow:ident;)*) => {$(
        impl ToArrow for $element {
            fn array<'e>(elements: impl Iterator<Item = Option<&'e Self>>) -> ArrayRef {
                primitives::<types::$arrow>(elements)
            }
        }
    )*};
}

to_arrow! {
    f32 => Float32Type; f64 => Float64Type;
    i8 => Int8Type; i16 => Int16Type; i32 => Int32Type; i64 => Int64Type;
    u8 => UInt8Type; u16 => UInt16Type; u32 => UInt32Type; u64 => UInt64Type;
}

impl ToArrow for f16 {
    fn array<'e>(elements: impl Iterator<Item = Option<&'e Self>>) -> ArrayRef {
        let values = elements.map(|element| element.copied());
        Arc::new(values.collect::<Float16Array>())
    }
}

impl ToArrow for bf16 {
    fn array<'e>(elements: impl Iterator<Item = Option<&'e Self>>) -> ArrayRef {
        let wide = elements.map(|element| element.map(|element| element.to_f32()));
        Arc::new(wide.collect::<PrimitiveArray<types::Float32Type>>())
    }
}

impl ToArrow for bool {
    fn array<'e>(elements: impl Iterator<Item = Option<&'e Self>>) -> ArrayRef {
        let values = elements.map(|element| element.copied());
        Arc::new(values.collect::<BooleanArray>())
    }
}

impl ToArrow for String {
    fn array<'e>(elements: impl Iterator<Item = Option<&'e Self>>) -> ArrayRef {
        Arc::new(elements.collect::<StringArray>())
    }
}

/// For each rank a column of classes and one of their scores.
fn top(
    tensor: &Tensor,
    most: usize,
    classes: &[String],
    records: &[Option<usize>],
) -> Vec<ArrayRef> {
    let width = classes.len();
    let scores = decide::floats(tensor).unwrap_or_default();
    let ranked = |record: usize| {
        let row = scores.get(record * width..(record + 1) * width);
        decide::ranked(row.unwrap_or_default())
    };
    let ranked: Vec<Option<Vec<usize>>> = records.iter().map(|record| record.map(ranked)).collect();
    let best = |rank: usize| {
        ranked
            .iter()
            .map(move |ranked| ranked.as_ref()?.get(rank).copied())
    };
    let columns = (0..most).flat_map(|rank| {
        let names = best(rank).map(|class| classes.get(class?));
        let indices = best(rank).zip(records);
        let indices: Vec<Option<usize>> = indices
            .map(|(class, record)| Some((*record)? * width + class?))
            .collect();
        [
            Arc::new(names.collect::<StringArray>()) as ArrayRef,
            elements(tensor, &indices),
        ]
    });
    columns.collect()
}

/// Lists in lists, one for each record.
fn nested(tensor: &Tensor, records: &[Option<usize>]) -> ArrayRef {
    let shape = tensor.shape();
    let whole = each_dtype!(tensor, array => {
        let all = in_order(array);
        ToArrow::array(all.iter().map(Some))
    });
    // From the innermost axis outwards: lists of each axis, as many as all axes before it have.
    let lists = (1..shape.len()).rev().fold(whole, |items, axis| {
        let count = feed::elements(shape.get(..axis).unwrap_or_default());
        list(items, count, shape.get(axis).copied().unwrap_or_default())
    });
    let indices = records
        .iter()
        .map(|record| record.map(|record| record as u64));
    let indices: arrow_array::UInt64Array = indices.collect();
    arrow_select::take::take(&lists, &indices, None)
        .unwrap_or_else(|_| arrow_array::new_null_array(lists.data_type(), records.len()))
}

/// The elements of an array, row-major.
fn in_order<T: Clone>(array: &ArrayD<T>) -> Vec<T> {
    if array.len_of(Axis(0)) == 0 {
        return Vec::new();
    }
    array.iter().cloned().collect()
}

/// `items` in `count` lists of `size`, in the type that [`column_type`] promises.
fn list(items: ArrayRef, count: usize, size: usize) -> ArrayRef {
    let item = Arc::new(Column::new_list_field(items.data_type().clone(), true));
    let target = DataType::List(Arc::clone(&item));
    if count.saturating_mul(size) != items.len() || i32::try_from(items.len()).is_err() {
        return arrow_array::new_null_array(&target, count);
    }
    let bounds = OffsetBuffer::from_repeated_length(size, count);
    match ListArray::try_new(item, bounds, items, None) {
        Ok(lists) => Arc::new(lists),
        Err(_) => arrow_array::new_null_array(&target, count),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int32Builder, ListBuilder};
    use arrow_array::{Float32Array, Int64Array};
    use ndarray::array;

    use super::*;
    use crate::batch::columns::{Layout, Wanted};
    use crate::batch::feed::BatchAxis;
    use crate::model::signature::{Port, Signature, ValueType};
    use crate::model::tensor::Value;

    fn layout(values: &[(&str, Tensor)], wanted: &Wanted) -> Layout {
        let port = |(name, tensor): &(&str, Tensor)| Port {
            name: (*name).to_owned(),
            kind: ValueType::Tensor {
                dtype: tensor.dtype(),
                shape: None,
            },
            classes: None,
        };
        let signature = Signature {
            outputs: values.iter().map(port).collect(),
            ..Signature::default()
        };
        let tensors: Vec<Value> = values
            .iter()
            .map(|(_, tensor)| Value::Tensor(tensor.clone()))
            .collect();
        let again = || Ok(tensors.clone());
        Layout::new(&signature, &tensors, 2, BatchAxis::Free, wanted, again).expect("a layout")
    }

    #[test]
    fn fields_become_columns_of_their_types() {
        let outputs = [
            ("label", Tensor::Int64(array![7, 8].into_dyn())),
            (
                "score",
                Tensor::Float32(array![[0.25, 0.75], [0.5, 0.5]].into_dyn()),
            ),
            ("box", Tensor::Int32(array![[[1, 2]], [[3, 4]]].into_dyn())),
            (
                "word",
                Tensor::String(array!["a".to_owned(), String::new()].into_dyn()),
            ),
            (
                "half",
                Tensor::Float16(array![f16::ONE, f16::NAN].into_dyn()),
            ),
        ];
        let layout = layout(&outputs, &Wanted::default());
        let tensors = outputs.map(|(_, tensor)| tensor);
        let schema = schema(&[text_field("id")], &layout.fields, &tensors);
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect();
        assert_eq!(
            columns,
            [
                "id Utf8",
                "label Int64",
                "score_0 Float32",
                "score_1 Float32",
                "box List(List(Int32))",
                "word Utf8",
                "half Float16",
            ]
        );
        let arrays = arrays(&layout.fields, &tensors, &[Some(1), None]);
        let types: Vec<&DataType> = arrays.iter().map(|array| array.data_type()).collect();
        let promised: Vec<&DataType> = schema
            .fields()
            .iter()
            .skip(1)
            .map(|field| field.data_type())
            .collect();
        assert_eq!(types, promised);
        let labels: ArrayRef = Arc::new(Int64Array::from(vec![Some(8), None]));
        let scores: ArrayRef = Arc::new(Float32Array::from(vec![Some(0.5), None]));
        assert_eq!((&arrays[0], &arrays[1]), (&labels, &scores));
        let mut boxes = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
        boxes.values().append_value([Some(3), Some(4)]);
        boxes.append(true);
        boxes.append_null();
        let boxes: ArrayRef = Arc::new(boxes.finish());
        assert_eq!(&arrays[3], &boxes);
        assert!(arrays.iter().all(|array| array.is_null(1)));
    }

    #[test]
    fn an_axis_of_no_size_is_a_list_of_nothing() {
        let outputs = [("box", Tensor::Int32(ArrayD::zeros(vec![2, 0, 3])))];
        let layout = layout(&outputs, &Wanted::default());
        let tensors = outputs.map(|(_, tensor)| tensor);
        let arrays = arrays(&layout.fields, &tensors, &[Some(0), Some(1)]);
        let mut boxes = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
        boxes.append(true);
        boxes.append(true);
        let boxes: ArrayRef = Arc::new(boxes.finish());
        assert_eq!(&arrays[0], &boxes);
    }

    #[test]
    fn arrays_of_numpy_become_columns() {
        let tensor = Tensor::Bool(array![[true], [false]].into_dyn());
        assert_eq!(
            tensor_field("c", &tensor).data_type().to_string(),
            "List(Boolean)"
        );
        let column = tensor_array(&tensor, &[Some(1)]);
        assert_eq!(
            (column.len(), column.data_type()),
            (1, tensor_field("c", &tensor).data_type())
        );
    }

    #[test]
    fn the_best_classes_are_pairs_of_columns() {
        let outputs = [(
            "score",
            Tensor::Float32(array![[0.25, 0.75], [0.625, 0.375]].into_dyn()),
        )];
        let wanted = Wanted {
            classes: Some(vec!["no".to_owned(), "yes".to_owned()]),
            top: Some(1),
            ..Wanted::default()
        };
        let layout = layout(&outputs, &wanted);
        let tensors = outputs.map(|(_, tensor)| tensor);
        let schema = schema(&[], &layout.fields, &tensors);
        let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, ["score_top1", "score_top1_score"]);
        let arrays = arrays(&layout.fields, &tensors, &[Some(0), Some(1), None]);
        let classes: ArrayRef = Arc::new(StringArray::from(vec![Some("yes"), Some("no"), None]));
        let scores: ArrayRef = Arc::new(Float32Array::from(vec![Some(0.75), Some(0.625), None]));
        assert_eq!(arrays, [classes, scores]);
    }
}
