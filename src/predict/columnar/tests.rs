use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    FixedSizeListArray, Float32Array, Int64Array, LargeStringArray, ListArray, NullArray,
    RecordBatch, StringArray, StringViewArray, StructArray, UInt8Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field};
use ndarray::{ArrayD, array};
use serde_json::Value;

use super::*;
use crate::batch::cell::CellRules;
use crate::batch::feed::{BatchAxis, Feed, How, Source};
use crate::batch::plan::Plan;
use crate::batch::typed::encode;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

const FILES: [&str; 16] = [
    "none.parquet",
    "snappy.parquet",
    "gzip.parquet",
    "brotli.parquet",
    "lz4.parquet",
    "zstd.parquet",
    "groups.parquet",
    "pages_v2.parquet",
    "foreign.parquet",
    "plain.arrow",
    "lz4.arrow",
    "zstd.arrow",
    "version2.feather",
    "plain.arrows",
    "lz4.arrows",
    "zstd.arrows",
];

fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus/columnar")
        .join(name)
}

fn open(name: &str) -> Reader {
    let container = Container::of_name(name).expect("a known extension");
    let reader = Reader::open(&corpus(name), container, name);
    reader.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A plan that keeps every column and feeds `feeds`.
fn plan(reader: &Reader, feeds: Vec<(Dtype, How)>) -> Plan {
    let columns = reader.header().columns;
    Plan {
        kept: (0..columns.len()).collect(),
        columns,
        feeds: feeds
            .into_iter()
            .map(|(dtype, how)| Feed {
                input: "x".to_owned(),
                dtype,
                how,
            })
            .collect(),
        unused: Vec::new(),
        batch: BatchAxis::Free,
        cells: CellRules::default(),
    }
}

fn source(reader: &Reader, name: &str) -> Source {
    let columns = reader.header().columns;
    Source {
        name: name.to_owned(),
        column: columns.iter().position(|column| column == name),
        fill: None,
    }
}

fn cells(reader: &Reader, names: &[&str]) -> How {
    How::Cells {
        sources: names.iter().map(|name| source(reader, name)).collect(),
        dims: vec![names.len()],
    }
}

fn blocks(reader: &mut Reader) -> Vec<Block> {
    std::iter::from_fn(|| reader.next_block().expect("a block")).collect()
}

/// All rows as JSON objects.
fn rows(mut reader: Reader, batch_rows: usize, first_row: u64) -> Result<Vec<Value>> {
    let plan = plan(&reader, Vec::new());
    reader.start(&plan, batch_rows, first_row)?;
    let mut rows = Vec::new();
    while let Some(block) = reader.next_block()? {
        assert!(block.rows <= batch_rows);
        assert_eq!(block.first_row, first_row + rows.len() as u64);
        let table = block.decode(&plan)?;
        let cells = Cells::new(&plan.kept_names(), &table.kept(&plan));
        for row in 0..table.rows {
            let mut text = b"{".to_vec();
            cells.json(&mut text, row);
            text.pop();
            text.push(b'}');
            rows.push(serde_json::from_slice(&text).expect("an object"));
        }
    }
    Ok(rows)
}

fn expected() -> Vec<Value> {
    let text = fs::read_to_string(corpus("expected.json")).expect("the expectation");
    serde_json::from_str(&text).expect("a list")
}

#[test]
fn every_file_of_pyarrow_is_read_as_pyarrow_reads_it() {
    let expected = expected();
    for name in FILES {
        for batch_rows in [1, 2, 3, 5, 100] {
            let rows = rows(open(name), batch_rows, 0).unwrap_or_else(|error| panic!("{error}"));
            for (row, expected) in rows.iter().zip(&expected) {
                assert_eq!(row, expected, "{name} by {batch_rows}");
            }
            assert_eq!(rows.len(), expected.len(), "{name} by {batch_rows}");
        }
    }
}

#[test]
fn reading_may_start_at_any_row() {
    let expected = expected();
    for name in [
        "none.parquet",
        "groups.parquet",
        "plain.arrow",
        "plain.arrows",
    ] {
        for first_row in 0..=8 {
            let rows = rows(open(name), 2, first_row).expect("rows");
            let rest = expected.get(usize::try_from(first_row).unwrap()..).unwrap();
            assert_eq!(rows, rest, "{name} from {first_row}");
        }
    }
}

#[test]
fn totals_are_known_of_files() {
    for (name, rows, blocks_of_two) in [
        ("none.parquet", Some(8), &[0, 2, 4, 6][..]),
        ("groups.parquet", Some(8), &[0, 2, 3, 5, 6]),
        ("plain.arrow", Some(8), &[0, 2, 3, 5, 6]),
        ("plain.arrows", Some(8), &[0, 2, 3, 5, 6]),
        ("empty.parquet", Some(0), &[]),
        ("empty.arrow", Some(0), &[]),
    ] {
        let mut reader = open(name);
        let plan = plan(&reader, Vec::new());
        reader.start(&plan, 2, 0).expect("a start");
        assert_eq!(reader.total_rows(), rows, "{name}");
        let starts: Vec<u64> = blocks(&mut reader)
            .iter()
            .map(|block| block.first_row)
            .collect();
        if let Some(rows) = rows {
            assert_eq!(starts, blocks_of_two, "{name}");
            for row in 0..=rows {
                let next = starts.iter().find(|start| **start >= row);
                assert_eq!(
                    reader.block_start(row),
                    *next.unwrap_or(&rows),
                    "{name} {row}"
                );
            }
        }
        assert!(reader.header().columns.len() == 21, "{name}");
    }
}

/// A batch of more than is read as a whole, with a column of each kind of layout; its numbers do not
/// compress.
fn large_batch() -> RecordBatch {
    const ROWS: u64 = 50_000;
    let mixed = |row: u64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (row << 7);
    let numbers = (0..ROWS).map(|row| (row % 5 > 0).then(|| mixed(row) as i64));
    let numbers: Int64Array = numbers.collect();
    let flags: BooleanArray = (0..ROWS)
        .map(|row| (row % 11 > 0).then_some(mixed(row) % 3 > 0))
        .collect();
    let text =
        |row: u64| (!row.is_multiple_of(9)).then(|| format!("a text as long as {}", mixed(row)));
    let items = (0..ROWS * 8).map(|item| (mixed(item) >> 40) as f32);
    let items: ArrayRef = Arc::new(Float32Array::from_iter_values(items));
    let item = |nullable| Arc::new(Field::new("item", DataType::Float32, nullable));
    let tensors = FixedSizeListArray::new(item(false), 8, Arc::clone(&items), None);
    let lengths: OffsetBuffer<i32> = OffsetBuffer::from_lengths((0..50_000).map(|row| row % 4));
    let lists = items.slice(0, lengths.last() as usize);
    let lists = ListArray::new(item(true), lengths, lists, None);
    let words: DictionaryArray<Int32Type> = (0..ROWS)
        .map(|row| ["a", "b", "c"][row as usize % 3])
        .collect();
    let ids = (0..ROWS).map(|row| mixed(row).to_le_bytes());
    let ids = FixedSizeBinaryArray::try_from_iter(ids).expect("ids");
    let pairs = StructArray::from(vec![(
        Arc::new(Field::new("member", DataType::Int64, true)),
        Arc::new(numbers.clone()) as ArrayRef,
    )]);
    let prices = Decimal128Array::from_iter_values((0..ROWS).map(|row| i128::from(mixed(row))));
    let columns: [(&str, ArrayRef); 13] = [
        ("number", Arc::new(numbers)),
        ("flag", Arc::new(flags)),
        (
            "text",
            Arc::new((0..ROWS).map(text).collect::<StringArray>()),
        ),
        (
            "large",
            Arc::new((0..ROWS).map(text).collect::<LargeStringArray>()),
        ),
        (
            "view",
            Arc::new((0..ROWS).map(text).collect::<StringViewArray>()),
        ),
        ("tensor", Arc::new(tensors)),
        ("list", Arc::new(lists)),
        ("word", Arc::new(words)),
        ("id", Arc::new(ids)),
        ("nothing", Arc::new(NullArray::new(50_000))),
        ("pair", Arc::new(pairs)),
        ("price", Arc::new(prices)),
        (
            "last",
            Arc::new((0..ROWS).map(|row| Some(row as u8)).collect::<UInt8Array>()),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
        .expect("a batch")
}

#[test]
fn a_large_record_batch_is_read_by_columns_as_it_is() {
    let batch = large_batch();
    for packing in [
        None,
        Some(CompressionType::LZ4_FRAME),
        Some(CompressionType::ZSTD),
    ] {
        for extension in ["arrow", "arrows"] {
            let options = IpcWriteOptions::default().try_with_compression(packing);
            let options = options.expect("options");
            let file = tempfile::Builder::new()
                .suffix(extension)
                .tempfile()
                .expect("a file");
            let container = if extension == "arrow" {
                let mut writer = FileWriter::try_new_with_options(&file, &batch.schema(), options)
                    .expect("a writer");
                writer
                    .write(&batch)
                    .and_then(|()| writer.finish())
                    .expect("written");
                assert!(
                    ipc::IpcFile::open(file.path(), "x")
                        .expect("a file")
                        .is_by_columns(0)
                );
                Container::IpcFile
            } else {
                let mut writer =
                    StreamWriter::try_new_with_options(&file, &batch.schema(), options)
                        .expect("a writer");
                writer
                    .write(&batch)
                    .and_then(|()| writer.finish())
                    .expect("written");
                Container::IpcStream
            };
            for first_row in [0, 4_097, 49_999] {
                let mut reader = Reader::open(file.path(), container, "x").expect("a reader");
                let plan = plan(&reader, Vec::new());
                reader.start(&plan, 3_001, first_row).expect("a start");
                let mut row = first_row as usize;
                while let Some(block) = reader.next_block().expect("a block") {
                    let table = block.decode(&plan).expect("a table");
                    for (kept, column) in table.kept(&plan).iter().zip(batch.columns()) {
                        assert_eq!(kept, &column.slice(row, table.rows), "{packing:?} {row}");
                    }
                    row += table.rows;
                }
                assert_eq!(row, batch.num_rows());
            }
        }
    }
}

#[test]
fn a_large_record_batch_with_turned_bytes_is_an_error_or_other_values() {
    let batch = large_batch();
    let mut bytes = Vec::new();
    let mut writer = FileWriter::try_new(&mut bytes, &batch.schema()).expect("a writer");
    writer
        .write(&batch)
        .and_then(|()| writer.finish())
        .expect("written");
    drop(writer);
    // The message of the batch and the footer, where all the places are.
    let ends = (0..2_500).chain(bytes.len() - 2_500..bytes.len());
    let mut refused = 0;
    for at in ends.step_by(97) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        let read = || {
            let file = tempfile::NamedTempFile::new().expect("a file");
            fs::write(file.path(), bytes).expect("the bytes");
            let mut reader = Reader::open(file.path(), Container::IpcFile, "damaged")?;
            let plan = plan(&reader, Vec::new());
            reader.start(&plan, 5_000, 0)?;
            while let Some(block) = reader.next_block()? {
                block.decode(&plan)?;
            }
            Ok::<(), Error>(())
        };
        refused += usize::from(read().is_err());
    }
    assert!(refused > 3, "{refused}");
}

#[test]
fn blocks_are_decoded_in_any_order_by_any_thread() {
    let mut reader = open("none.parquet");
    let plan = plan(&reader, Vec::new());
    reader.start(&plan, 1, 0).expect("a start");
    let mut blocks = blocks(&mut reader);
    blocks.reverse();
    let expected = expected();
    std::thread::scope(|scope| {
        for block in blocks {
            let (plan, expected) = (&plan, &expected);
            scope.spawn(move || {
                let row = usize::try_from(block.index).unwrap();
                let table = block.decode(plan).expect("a table");
                let mut text = b"{".to_vec();
                Cells::new(&plan.kept_names(), &table.kept(plan)).json(&mut text, 0);
                text.pop();
                text.push(b'}');
                let found: Value = serde_json::from_slice(&text).expect("an object");
                assert_eq!(found, expected[row]);
            });
        }
    });
}

#[test]
fn typed_columns_feed_inputs_by_their_types() {
    for name in FILES {
        let mut reader = open(name);
        let feeds = vec![
            (Dtype::Float32, cells(&reader, &["f16", "f32"])),
            (Dtype::String, cells(&reader, &["dict", "view", "day"])),
            (
                Dtype::Int32,
                How::List {
                    source: source(&reader, "nested"),
                    dims: vec![Some(2), Some(1)],
                },
            ),
            (
                Dtype::Float64,
                How::List {
                    source: source(&reader, "fixed"),
                    dims: vec![None],
                },
            ),
        ];
        let plan = plan(&reader, feeds);
        reader.start(&plan, 100, 6).expect("a start");
        let block = blocks(&mut reader).pop().expect("a block");
        let table = block.decode(&plan).expect("a table");
        let encoded = encode(&plan, &table.columns(), 0..table.rows);
        assert_eq!(encoded.faults, [], "{name}");
        let text = |rows: [[&str; 3]; 2]| {
            let rows: Vec<String> = rows.concat().into_iter().map(str::to_owned).collect();
            ArrayD::from_shape_vec(vec![2, 3], rows).expect("a matrix")
        };
        let inputs = vec![
            Tensor::Float32(array![[6.0, 6.0], [7.0, 7.0]].into_dyn()),
            Tensor::String(text([["red", "x", "2024-02-29"], ["blue", "y", ""]])),
            Tensor::Int32(array![[[6], [7]], [[7], [8]]].into_dyn()),
            Tensor::Float64(array![[6.0, 6.5], [7.0, 7.5]].into_dyn()),
        ];
        assert_eq!(encoded.groups[0].inputs, inputs, "{name}");
        // The last `day` is a null.
        assert_eq!(
            (encoded.missing.cells, encoded.missing.nan),
            (1, 0),
            "{name}"
        );
    }
}

#[test]
fn faults_are_told_by_row_with_the_value() {
    let mut reader = open("none.parquet");
    let plan = plan(&reader, vec![(Dtype::Int64, cells(&reader, &["dec"]))]);
    reader.start(&plan, 100, 0).expect("a start");
    let block = blocks(&mut reader).pop().expect("a block");
    let table = block.decode(&plan).expect("a table");
    let encoded = encode(&plan, &table.columns(), 0..3);
    let faults: Vec<String> = encoded
        .faults
        .iter()
        .map(|(row, fault)| format!("{row}: {fault}"))
        .collect();
    assert_eq!(
        faults,
        [
            "1: column \"dec\": expected an integer (int64), found 2.50",
            "2: column \"dec\": expected an integer (int64), found -0.05"
        ]
    );
    assert_eq!(
        encoded.groups[0].inputs,
        [Tensor::Int64(array![[1]].into_dyn())]
    );
}

#[test]
fn a_type_that_feeds_no_model_is_named_where_it_is_used() {
    let mut reader = open("none.parquet");
    let plan = plan(&reader, vec![(Dtype::Int64, cells(&reader, &["struct"]))]);
    let error = reader.start(&plan, 100, 0).expect_err("no feed");
    assert_eq!(
        error.to_string(),
        "none.parquet: column \"struct\" holds a struct, which feeds no model\n\
         hint: --exclude struct leaves it out, where the model does not need it"
    );
}

#[test]
fn kept_cells_are_those_of_csv() {
    let mut reader = open("none.parquet");
    let plan = plan(&reader, Vec::new());
    reader.start(&plan, 100, 0).expect("a start");
    let block = blocks(&mut reader).pop().expect("a block");
    let table = block.decode(&plan).expect("a table");
    let mut text = Vec::new();
    let cells = Cells::new(&plan.kept_names(), &table.kept(&plan));
    for row in [3, 4] {
        cells.csv(&mut text, row, b',');
        text.push(b'\n');
    }
    assert_eq!(
        String::from_utf8_lossy(&text),
        "3.25,,3.0,,0,2,true,\"ä,\"\"b\"\"\",b,longer than twelve bytes,red,,,,,\"[3.0,3.5]\",,\
         \"[[3],[4]]\",\"{\"\"a\"\":3,\"\"b\"\":null}\",,\n\
         -4.0,inf,4.0,1,,3,true,5,5,5,red,,2024-02-29,2024-02-29T12:30:15.250,\
         2024-02-29T12:30:15.250Z,\"[4.0,4.5]\",[4],\"[[4],[5]]\",\
         \"{\"\"a\"\":4,\"\"b\"\":null}\",c,\n"
    );
}

/// Reads a damaged file to its end, or to the error that there should be.
fn read_damaged(bytes: &[u8], container: Container) -> Result<usize> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("the bytes");
    let reader = Reader::open(file.path(), container, "damaged")?;
    rows(reader, 4, 0).map(|rows| rows.len())
}

#[test]
fn a_truncated_file_is_an_error_and_never_a_panic() {
    for name in ["snappy.parquet", "zstd.parquet", "lz4.arrow", "plain.arrow"] {
        let container = Container::of_name(name).expect("a container");
        let bytes = fs::read(corpus(name)).expect("the file");
        for length in (0..bytes.len()).step_by(50) {
            let read = read_damaged(bytes.get(..length).unwrap(), container);
            let error = read.expect_err("a truncated file").to_string();
            assert!(error.starts_with("damaged: "), "{name} {length}: {error}");
            assert!(!error.contains("contradict"), "{name} {length}: {error}");
        }
    }
    // A stream may end after any message, so that only what is cut within one can be told.
    let bytes = fs::read(corpus("plain.arrows")).expect("the file");
    for length in (0..bytes.len()).step_by(50) {
        let read = read_damaged(bytes.get(..length).unwrap(), Container::IpcStream);
        match read {
            Ok(rows) => assert!(rows < 8, "{length}"),
            Err(error) => assert!(!error.to_string().contains("contradict"), "{error}"),
        }
    }
}

#[test]
fn a_file_with_turned_bytes_is_an_error_or_other_values() {
    let (mut read, mut refused, mut cornered) = (0, 0, 0);
    for name in [
        "snappy.parquet",
        "pages_v2.parquet",
        "plain.arrow",
        "zstd.arrow",
        "plain.arrows",
    ] {
        let container = Container::of_name(name).expect("a container");
        let bytes = fs::read(corpus(name)).expect("the file");
        for at in (0..bytes.len()).step_by(23) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x55;
            match read_damaged(&bytes, container) {
                Ok(_) => read += 1,
                Err(error) if error.to_string().contains("contradict") => {
                    cornered += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    // The few panics that are left in arrow are caught.
    assert!(
        read > 100 && refused > 100 && cornered < 10,
        "{read} {refused} {cornered}"
    );
}

/// The decoder itself would ask for all the memory that a buffer says it unpacks to.
#[test]
fn a_compressed_buffer_cannot_ask_for_any_memory() {
    let bytes = fs::read(corpus("zstd.arrow")).expect("the file");
    // Before each frame of zstd is the length that it unpacks to.
    let frame = [0x28, 0xb5, 0x2f, 0xfd];
    let frames = bytes.windows(4).enumerate();
    let frames = frames.filter(|(_, window)| *window == frame);
    let places: Vec<usize> = frames.map(|(at, _)| at - 8).collect();
    assert!(places.len() > 10);
    for at in places {
        let mut bytes = bytes.clone();
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        let error = read_damaged(&bytes, Container::IpcFile).expect_err("a hostile length");
        assert!(
            error
                .to_string()
                .ends_with("a buffer says that it is larger than it can be")
        );
    }
}

#[test]
fn what_is_written_is_read_back() {
    let reader = open("none.parquet");
    for container in [Container::Parquet, Container::IpcFile, Container::IpcStream] {
        let mut reader2 = open("none.parquet");
        let plan = plan(&reader, Vec::new());
        reader2.start(&plan, 5, 0).expect("a start");
        let schema = output::schema(&reader.kept_fields(&plan), &[], &[]);
        let mut writer = Writer::new(container, schema, Vec::new(), "out").expect("a writer");
        for block in blocks(&mut reader2) {
            let table = block.decode(&plan).expect("a table");
            writer
                .write(table.kept(&plan), table.rows)
                .expect("written");
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), writer.finish().expect("a file")).expect("written");
        let back = Reader::open(file.path(), container, "back").expect("a file");
        assert_eq!(back.kept_fields(&plan), reader.kept_fields(&plan));
        assert_eq!(
            rows(back, 100, 0).expect("rows"),
            expected(),
            "{container:?}"
        );
    }
}

#[test]
fn a_file_without_rows_is_valid() {
    for container in [Container::Parquet, Container::IpcFile, Container::IpcStream] {
        let schema = output::schema(&[output::text_field("id")], &[], &[]);
        let writer = Writer::new(container, schema, Vec::new(), "out").expect("a writer");
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), writer.finish().expect("a file")).expect("written");
        let back = Reader::open(file.path(), container, "back").expect("a file");
        assert_eq!(back.header().columns, ["id"]);
        assert!(rows(back, 100, 0).expect("rows").is_empty());
    }
}

#[test]
fn rows_are_picked_and_texts_are_checked() {
    let all: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let picked: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None]));
    assert_eq!(&output::pick(&all, &[2, 1]).expect("rows"), &picked);
    assert!(output::pick(&all, &[3]).is_err());
    let text = output::text_array([Some(&b"a"[..]), None]).expect("text");
    assert_eq!((text.data_type(), text.null_count()), (&DataType::Utf8, 1));
    assert_eq!(
        output::text_array([Some(&b"a"[..]), Some(b"\xff")]).unwrap_err(),
        1
    );
}

#[test]
fn containers_are_known_by_name_and_by_start() {
    for name in FILES {
        let bytes = fs::read(corpus(name)).expect("the file");
        let start = bytes.get(..8).unwrap();
        assert_eq!(
            Container::of_start(start),
            Container::of_name(name),
            "{name}"
        );
    }
    assert_eq!(Container::of_name("a.csv"), None);
    assert_eq!(Container::of_start(b"id,age"), None);
}

#[test]
fn a_rejected_record_is_shown_with_all_that_was_read() {
    let mut reader = open("groups.parquet");
    let plan = plan(
        &reader,
        vec![(Dtype::Int64, cells(&reader, &["i8", "dict"]))],
    );
    let plan = Plan {
        kept: vec![0],
        ..plan
    };
    reader.start(&plan, 100, 1).expect("a start");
    let block = reader.next_block().expect("a block").expect("rows");
    let table = block.decode(&plan).expect("a table");
    let mut text = Vec::new();
    table.record().json(&mut text, 0);
    assert_eq!(text, b"\"f32\":1.5,\"i8\":127,\"dict\":\"blue\",");
}
