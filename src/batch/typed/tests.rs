use half::{bf16, f16};
use ndarray::array;

use super::*;
use crate::batch::encode::Encoder;

fn source(column: usize) -> Source {
    Source {
        name: format!("c{column}"),
        column: Some(column),
        fill: None,
    }
}

fn plan(feeds: Vec<(Dtype, How)>, batch: BatchAxis) -> Plan {
    let feed = |(dtype, how)| Feed {
        input: "x".to_owned(),
        dtype,
        how,
    };
    Plan {
        columns: vec!["c0".to_owned(), "c1".to_owned()],
        feeds: feeds.into_iter().map(feed).collect(),
        unused: Vec::new(),
        kept: Vec::new(),
        batch,
        cells: CellRules::default(),
    }
}

fn cells(columns: &[usize]) -> How {
    How::Cells {
        sources: columns.iter().map(|column| source(*column)).collect(),
        dims: if columns.len() == 1 {
            vec![]
        } else {
            vec![columns.len()]
        },
    }
}

fn full(values: Values<'_>) -> Column<'_> {
    Column {
        values,
        valid: None,
    }
}

/// Rows that have a value: bit 0 is row 0.
fn gaps<'a>(values: Values<'a>, valid: &'a [u8]) -> Column<'a> {
    Column {
        values,
        valid: Some(Bits {
            bytes: valid,
            offset: 0,
        }),
    }
}

fn text<'a>(cells: &'a [&'a str]) -> Values<'a> {
    Values::Text(Box::new(|row| cells[row].as_bytes()))
}

fn lists<'a>(items: Column<'a>, ends: &'a [usize]) -> Values<'a> {
    let start = |row: usize| row.checked_sub(1).map_or(0, |before| ends[before]);
    Values::List {
        items: Box::new(items),
        bounds: Box::new(move |row| start(row)..ends[row]),
    }
}

/// What one value becomes as an input of `dtype`, or why it does not.
fn one(dtype: Dtype, values: Values<'_>) -> Result<Tensor, Reason> {
    let encoded = encode(
        &plan(vec![(dtype, cells(&[0]))], BatchAxis::Free),
        &[full(values)],
        0..1,
    );
    match encoded.faults.first() {
        Some((0, fault)) => Err(fault.reason),
        _ => Ok(encoded.groups[0].inputs[0].clone()),
    }
}

macro_rules! tensor {
    ($dtype:ident, $value:expr) => {
        Ok(Tensor::$dtype(array![$value].into_dyn()))
    };
}

#[test]
fn numbers_become_integers_exactly_or_not_at_all() {
    use Values::{Float32, Float64, Int8, Int64, Uint64};
    for (case, found, expected) in [
        (
            "3.0 is an integer",
            one(Dtype::Int64, Float64(&[3.0])),
            tensor!(Int64, 3),
        ),
        (
            "3.5 is none",
            one(Dtype::Int64, Float64(&[3.5])),
            Err(Reason::NotAnInteger),
        ),
        (
            "nan is none",
            one(Dtype::Int64, Float64(&[f64::NAN])),
            Err(Reason::NotANumber),
        ),
        (
            "inf is none",
            one(Dtype::Int8, Float32(&[f32::INFINITY])),
            Err(Reason::NotANumber),
        ),
        (
            "300 is no int8",
            one(Dtype::Int8, Int64(&[300])),
            Err(Reason::OutOfRange),
        ),
        (
            "1e300 is no int64",
            one(Dtype::Int64, Float64(&[1e300])),
            Err(Reason::OutOfRange),
        ),
        (
            "-1 is no uint8",
            one(Dtype::Uint8, Int8(&[-1])),
            Err(Reason::OutOfRange),
        ),
        (
            "2^64-1 stays",
            one(Dtype::Uint64, Uint64(&[u64::MAX])),
            tensor!(Uint64, u64::MAX),
        ),
        (
            "2^53+1 stays",
            one(Dtype::Int64, Int64(&[9_007_199_254_740_993])),
            tensor!(Int64, 9_007_199_254_740_993),
        ),
    ] {
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn numbers_become_floats_by_one_rounding() {
    use Values::{Float16, Float32, Float64, Int64};
    for (case, found, expected) in [
        (
            "0.1 is rounded",
            one(Dtype::Float32, Float64(&[0.1])),
            tensor!(Float32, 0.1_f32),
        ),
        (
            "1e39 is no float32",
            one(Dtype::Float32, Float64(&[1e39])),
            Err(Reason::OutOfRange),
        ),
        (
            "infinity stays",
            one(Dtype::Float32, Float64(&[f64::NEG_INFINITY])),
            tensor!(Float32, f32::NEG_INFINITY),
        ),
        (
            "70000 is no float16",
            one(Dtype::Float16, Float32(&[7e4])),
            Err(Reason::OutOfRange),
        ),
        (
            "2049.0000001 is rounded once",
            one(Dtype::Float16, Float64(&[2_049.000_000_1])),
            tensor!(Float16, f16::from_f32(2050.0)),
        ),
        (
            "float16 is a float32",
            one(Dtype::Float32, Float16(&[f16::from_f32(1.5)])),
            tensor!(Float32, 1.5),
        ),
        (
            "integers are bfloat16",
            one(Dtype::Bfloat16, Int64(&[3])),
            tensor!(Bfloat16, bf16::from_f32(3.0)),
        ),
    ] {
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn booleans_are_0_and_1_and_structs_are_nothing() {
    use Values::{Bool, Float64, Int8, Uint64};
    let yes = Bits {
        bytes: &[1],
        offset: 0,
    };
    for (case, found, expected) in [
        (
            "true is 1",
            one(Dtype::Float32, Bool(yes)),
            tensor!(Float32, 1.0),
        ),
        (
            "1 is true",
            one(Dtype::Bool, Int8(&[1])),
            tensor!(Bool, true),
        ),
        (
            "1.0 is true",
            one(Dtype::Bool, Float64(&[1.0])),
            tensor!(Bool, true),
        ),
        (
            "2 is no bool",
            one(Dtype::Bool, Int8(&[2])),
            Err(Reason::NotABool),
        ),
        (
            "2 is no bool",
            one(Dtype::Bool, Uint64(&[2])),
            Err(Reason::NotABool),
        ),
        (
            "a struct is no number",
            one(Dtype::Float32, Values::Other("a struct")),
            Err(Reason::NotANumber),
        ),
        (
            "a struct is no text",
            one(Dtype::String, Values::Other("a struct")),
            Err(Reason::NotText),
        ),
    ] {
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn texts_are_read_as_csv_cells_and_numbers_are_written_as_such() {
    let string = |value: &str| Ok(Tensor::String(array![value.to_owned()].into_dyn()));
    assert_eq!(
        one(Dtype::Float32, text(&[" +1.5 "])),
        tensor!(Float32, 1.5)
    );
    assert_eq!(one(Dtype::Int64, text(&["1e3"])), tensor!(Int64, 1000));
    assert_eq!(one(Dtype::Int64, text(&["x"])), Err(Reason::NotANumber));
    assert_eq!(one(Dtype::Int64, text(&[""])), Err(Reason::Missing));
    assert_eq!(one(Dtype::String, text(&["a\0b"])), Err(Reason::HasNul));
    assert_eq!(
        one(Dtype::String, Values::Text(Box::new(|_| b"\xff"))),
        Err(Reason::NotUtf8)
    );
    assert_eq!(one(Dtype::String, Values::Int64(&[-12])), string("-12"));
    assert_eq!(one(Dtype::String, Values::Float32(&[0.1])), string("0.1"));
    assert_eq!(
        one(Dtype::String, Values::Float64(&[f64::NAN])),
        string("nan")
    );
    let decimal = || Values::Decimal(Box::new(|_| "12.00".to_owned()));
    assert_eq!(one(Dtype::Int64, decimal()), tensor!(Int64, 12));
    assert_eq!(one(Dtype::String, decimal()), string("12.00"));
    let date = || Values::Moment(Box::new(|_| "2024-02-29".to_owned()));
    assert_eq!(one(Dtype::String, date()), string("2024-02-29"));
    assert_eq!(one(Dtype::Float32, date()), Err(Reason::NotANumber));
}

#[test]
fn a_fault_names_the_column_and_shows_the_value() {
    let plan = plan(vec![(Dtype::Float32, cells(&[0, 1]))], BatchAxis::Free);
    let columns = [
        full(text(&["1", "n/a", "oops"])),
        full(Values::Moment(Box::new(|_| "2024-02-29".to_owned()))),
    ];
    let encoded = encode(&plan, &columns, 0..3);
    let faults: Vec<(usize, String)> = encoded
        .faults
        .iter()
        .map(|(row, fault)| (*row, fault.to_string()))
        .collect();
    let date = "column \"c1\": expected a number (float32), found the date or time 2024-02-29";
    let cell = |text: &str| format!("column \"c0\": expected a number (float32), found \"{text}\"");
    assert_eq!(
        faults,
        [(0, date.to_owned()), (1, cell("n/a")), (2, cell("oops"))]
    );
    assert!(encoded.groups.is_empty());
}

#[test]
fn a_faulty_row_is_left_out_whole_and_not_counted() {
    let plan = plan(
        vec![(Dtype::Float32, cells(&[0])), (Dtype::Int64, cells(&[1]))],
        BatchAxis::Free,
    );
    // Row 1 lacks both values, and an int64 may not be missing; row 3 lacks the float alone.
    let columns = [
        gaps(Values::Float32(&[0.0, 9.0, 2.0, 9.0]), &[0b0101]),
        gaps(Values::Int64(&[0, 9, 2, 3]), &[0b1101]),
    ];
    let encoded = encode(&plan, &columns, 0..4);
    assert_eq!(encoded.missing, Missing { cells: 1, nan: 1 });
    let rows: Vec<usize> = encoded.faults.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [1]);
    let group = &encoded.groups[0];
    assert_eq!(group.records, 3);
    let Tensor::Float32(floats) = &group.inputs[0] else {
        panic!("floats");
    };
    assert_eq!(floats[0], 0.0);
    assert!(floats[2].is_nan());
    assert_eq!(group.inputs[1], Tensor::Int64(array![0, 2, 3].into_dyn()));
}

#[test]
fn fill_replaces_what_is_missing() {
    let mut plan = plan(vec![(Dtype::Int64, cells(&[0]))], BatchAxis::Free);
    if let How::Cells { sources, .. } = &mut plan.feeds[0].how {
        sources[0].fill = Some("-1".to_owned());
    }
    let encoded = encode(&plan, &[gaps(Values::Int64(&[7, 8]), &[0b10])], 0..2);
    assert_eq!(
        encoded.groups[0].inputs[0],
        Tensor::Int64(array![-1, 8].into_dyn())
    );
    assert_eq!(encoded.missing, Missing { cells: 1, nan: 0 });
}

#[test]
fn lists_become_tensors_and_ragged_ones_start_a_group() {
    let list = |dims: Vec<Option<usize>>| How::List {
        source: source(0),
        dims,
    };
    let free = plan(vec![(Dtype::Float32, list(vec![None]))], BatchAxis::Free);
    let items = [1.0, 2.0, 3.0, 4.0, 5.0];
    let columns = [full(lists(full(Values::Float64(&items)), &[2, 4, 5, 5]))];
    let encoded = encode(&free, &columns, 0..4);
    let shapes: Vec<&[usize]> = encoded
        .groups
        .iter()
        .map(|group| group.inputs[0].shape())
        .collect();
    assert_eq!(shapes, [&[2, 2][..], &[1, 1], &[1, 0]]);
    let fixed = plan(vec![(Dtype::Float32, list(vec![Some(2)]))], BatchAxis::Free);
    let encoded = encode(&fixed, &columns, 0..4);
    let faults: Vec<String> = encoded
        .faults
        .iter()
        .map(|(_, fault)| fault.to_string())
        .collect();
    assert_eq!(
        faults[0],
        "column \"c0\": expected lists of shape [2] (float32), found lists of another shape: [5.0]"
    );
    assert_eq!(faults.len(), 2);
    let nested = plan(
        vec![(Dtype::Int64, list(vec![Some(2), Some(1)]))],
        BatchAxis::Free,
    );
    let ints = [1, 2, 3, 4];
    let inner = full(lists(full(Values::Int64(&ints)), &[1, 2, 3, 4]));
    let encoded = encode(&nested, &[full(lists(inner, &[2, 4]))], 0..2);
    let expected = array![[[1_i64], [2]], [[3], [4]]].into_dyn();
    assert_eq!(encoded.groups[0].inputs, [Tensor::Int64(expected)]);
    let json = plan(vec![(Dtype::Int64, list(vec![Some(2)]))], BatchAxis::Free);
    let encoded = encode(&json, &[full(text(&["[1, 2]", "7", ""]))], 0..3);
    assert_eq!(
        encoded.groups[0].inputs,
        [Tensor::Int64(array![[1, 2]].into_dyn())]
    );
    let reasons: Vec<Reason> = encoded
        .faults
        .iter()
        .map(|(_, fault)| fault.reason)
        .collect();
    assert_eq!(reasons, [Reason::NotAList, Reason::Missing]);
}

/// Lists that lie one after the other are copied as one; a fault among them is still its row's.
#[test]
fn dense_lists_keep_their_faults_and_gaps() {
    let plan = plan(
        vec![(
            Dtype::Float32,
            How::List {
                source: source(0),
                dims: vec![Some(2)],
            },
        )],
        BatchAxis::Fixed(2),
    );
    let items = [1.0, 2.0, 1e39, 4.0, 5.0, 6.0];
    let column = || full(lists(full(Values::Float64(&items)), &[2, 4, 6]));
    let encoded = encode(&plan, &[column()], 0..3);
    let rows: Vec<usize> = encoded.faults.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [1]);
    let expected = Tensor::Float32(array![[1.0, 2.0], [5.0, 6.0]].into_dyn());
    assert_eq!(encoded.groups[0].inputs, [expected]);
    let encoded = encode(&plan, &[column()], 2..3);
    let padded = Tensor::Float32(array![[5.0, 6.0], [5.0, 6.0]].into_dyn());
    assert_eq!(
        (encoded.groups[0].records, &encoded.groups[0].inputs[0]),
        (1, &padded)
    );
    let gappy = full(lists(
        gaps(Values::Float64(&items), &[0b01_1011]),
        &[2, 4, 6],
    ));
    let encoded = encode(&plan, &[gappy], 0..3);
    assert_eq!(encoded.faults, []);
    assert_eq!(encoded.missing, Missing { cells: 2, nan: 2 });
    assert_eq!(encoded.groups.len(), 2);
}

#[test]
fn a_list_of_one_feeds_a_single_cell() {
    let items = [1.0, 2.0, 3.0];
    let plan = plan(vec![(Dtype::Float32, cells(&[0]))], BatchAxis::Free);
    let columns = [full(lists(full(Values::Float64(&items)), &[1, 3]))];
    let encoded = encode(&plan, &columns, 0..2);
    assert_eq!(
        encoded.groups[0].inputs[0],
        Tensor::Float32(array![1.0].into_dyn())
    );
    assert_eq!(encoded.faults[0].1.reason, Reason::NotANumber);
}

/// The encoder of texts is the reference: the same cells must give the same groups.
#[test]
fn groups_are_those_of_the_encoder_of_texts() {
    let floats: Vec<f32> = (0..1000_u16).map(|n| f32::from(n) / 7.0 - 50.0).collect();
    let ints: Vec<i64> = (0..1000).collect();
    for (batch, count) in [
        (BatchAxis::Free, 1000),
        (BatchAxis::Fixed(3), 7),
        (BatchAxis::Fixed(4), 8),
        (BatchAxis::Fixed(5), 2),
    ] {
        let plan = plan(
            vec![
                (Dtype::Float32, cells(&[1, 0, 1])),
                (Dtype::String, cells(&[0])),
                (
                    Dtype::Float32,
                    How::Once(Tensor::Float32(array![1.0].into_dyn())),
                ),
            ],
            batch,
        );
        let mut encoder = Encoder::new(&plan, usize::MAX);
        for row in 0..count {
            let (int, float) = (ints[row].to_string(), floats[row].to_string());
            let cells = [int.as_bytes(), float.as_bytes()].map(crate::batch::cell::Cell::Text);
            encoder.push(&cells).expect("a record");
        }
        let columns = [full(Values::Int64(&ints)), full(Values::Float32(&floats))];
        let encoded = encode(&plan, &columns, 0..count);
        assert_eq!(
            (encoded.groups, encoded.missing),
            encoder.finish(),
            "{batch:?}"
        );
    }
}

#[test]
fn a_part_of_the_rows_is_encoded_alone() {
    let plan = plan(vec![(Dtype::Int64, cells(&[0]))], BatchAxis::Free);
    let encoded = encode(&plan, &[full(Values::Int64(&[1, 2, 3, 4]))], 1..3);
    assert_eq!(
        encoded.groups[0].inputs,
        [Tensor::Int64(array![2, 3].into_dyn())]
    );
    let none = encode(&plan, &[full(Values::Int64(&[]))], 0..0);
    assert!(none.groups.is_empty() && none.faults.is_empty());
}

#[test]
fn values_are_written_as_csv_cells_and_as_json() {
    let items = [1, 2, 3];
    let floats = [0.1, f32::NAN, f32::NEG_INFINITY];
    let words = ["a,b", "", "x"];
    let bytes: [&[u8]; 3] = [b"\xe4", b"", b"x"];
    let columns = [
        (
            full(Values::Float32(&floats)),
            ["0.1", "", "-inf"],
            ["0.1", "null", "null"],
        ),
        (
            gaps(Values::Int64(&[1, 2, 3]), &[0b101]),
            ["1", "", "3"],
            ["1", "null", "3"],
        ),
        (
            full(text(&words)),
            ["\"a,b\"", "", "x"],
            ["\"a,b\"", "\"\"", "\"x\""],
        ),
        (
            full(lists(full(Values::Int8(&items)), &[2, 2, 3])),
            ["\"[1,2]\"", "[]", "[3]"],
            ["[1,2]", "[]", "[3]"],
        ),
        (
            full(Values::Moment(Box::new(|_| "2024-02-29".to_owned()))),
            ["2024-02-29"; 3],
            ["\"2024-02-29\""; 3],
        ),
        (
            full(Values::Text(Box::new(|row| bytes[row]))),
            ["\u{fffd}", "", "x"],
            ["\"ä\"", "\"\"", "\"x\""],
        ),
    ];
    for (column, cells, members) in columns {
        for (row, (cell, member)) in cells.iter().zip(members).enumerate() {
            let (mut csv, mut json) = (Vec::new(), Vec::new());
            column.csv(&mut csv, row, b',');
            column.json(&mut json, row);
            assert_eq!(String::from_utf8_lossy(&csv), *cell);
            assert_eq!(String::from_utf8_lossy(&json), member);
        }
    }
}

#[test]
fn a_column_alone_is_a_tensor_of_its_type() {
    let ints = full(Values::Int16(&[1, 2, 3]));
    assert_eq!(
        tensor("c", ints, 1..3),
        Ok(Tensor::Int16(array![2, 3].into_dyn()))
    );
    let items = [1, 2, 3, 4];
    let pairs = || full(lists(full(Values::Int8(&items)), &[2, 4]));
    let expected = Tensor::Int8(array![[1, 2], [3, 4]].into_dyn());
    assert_eq!(tensor("c", pairs(), 0..2), Ok(expected));
    assert_eq!(
        tensor("c", pairs(), 0..0).map(|none| none.shape().to_vec()),
        Ok(vec![0, 0])
    );
    let ragged = full(lists(full(Values::Int8(&items)), &[1, 4]));
    assert_eq!(tensor("c", ragged, 0..2).map_err(|(row, _)| row), Err(1));
    let gap = gaps(
        Values::Bool(Bits {
            bytes: &[1],
            offset: 0,
        }),
        &[0b01],
    );
    assert_eq!(tensor("c", gap, 0..2).map_err(|(row, _)| row), Err(1));
}
