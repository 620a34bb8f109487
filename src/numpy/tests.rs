use std::fs;
use std::path::PathBuf;

use ndarray::{ArrayD, array};

use super::*;
use crate::batch::cell::CellRules;
use crate::batch::feed::{BatchAxis, Feed, How, Source};
use crate::batch::plan::Plan;
use crate::batch::typed::encode;
use crate::error::Result;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;
use output::Part;

fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus/columnar")
        .join(name)
}

fn open(name: &str) -> Result<Reader> {
    let container = Container::of_name(name).expect("a known extension");
    Reader::open(&corpus(name), container, "x", name)
}

/// A plan that feeds one input from column `name`.
fn plan(reader: &Reader, name: &str, dtype: Dtype, dims: Option<Vec<Option<usize>>>) -> Plan {
    let columns = reader.header().columns;
    let source = Source {
        name: name.to_owned(),
        column: columns.iter().position(|column| column == name),
        fill: None,
    };
    Plan {
        columns,
        feeds: vec![Feed {
            input: "x".to_owned(),
            dtype,
            how: match dims {
                Some(dims) => How::List { source, dims },
                None => How::Cells {
                    sources: vec![source],
                    dims: vec![],
                },
            },
        }],
        unused: Vec::new(),
        kept: Vec::new(),
        batch: BatchAxis::Free,
        cells: CellRules::default(),
    }
}

/// The input that all rows from `first` on make, by blocks of `rows`, one tensor for each.
fn read(mut reader: Reader, plan: &Plan, rows: usize, first: u64) -> Result<Vec<Tensor>> {
    reader.start(plan, rows, first)?;
    let mut tensors = Vec::new();
    while let Some(block) = reader.next_block()? {
        let table = block.decode(plan)?;
        let encoded = encode(plan, &table.columns(), 0..table.rows);
        assert_eq!(encoded.faults, []);
        tensors.extend(encoded.groups.into_iter().flat_map(|group| group.inputs));
    }
    Ok(tensors)
}

fn matrix(rows: std::ops::Range<usize>) -> Tensor {
    let count = rows.len();
    let values: Vec<f32> = (rows.start * 3..rows.end * 3)
        .map(|n| n as f32 / 4.0)
        .collect();
    Tensor::Float32(ArrayD::from_shape_vec(vec![count, 3], values).expect("a matrix"))
}

#[test]
fn matrices_of_every_order_are_read_by_blocks() {
    for name in [
        "matrix.npy",
        "big_endian.npy",
        "fortran.npy",
        "stored.npz",
        "deflated.npz",
    ] {
        let reader = open(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(reader.total_rows(), 8, "{name}");
        let plan = plan(&reader, "x", Dtype::Float32, Some(vec![Some(3)]));
        let tensors = read(reader, &plan, 3, 1).expect("rows");
        assert_eq!(
            tensors,
            [matrix(1..4), matrix(4..7), matrix(7..8)],
            "{name}"
        );
    }
    let bytes = fs::read(corpus("matrix.npy")).expect("the file");
    let reader = Reader::stream(Box::new(std::io::Cursor::new(bytes)), "x", "stdin");
    let reader = reader.expect("an array");
    let plan = plan(&reader, "x", Dtype::Float32, Some(vec![None]));
    assert_eq!(read(reader, &plan, 100, 2).expect("rows"), [matrix(2..8)]);
}

#[test]
fn arrays_of_every_type_are_read() {
    let texts = |list: &[&str]| {
        let list: Vec<String> = list.iter().map(|text| (*text).to_owned()).collect();
        Tensor::String(ArrayD::from_shape_vec(vec![list.len()], list).expect("a column"))
    };
    for (name, column, dtype, expected) in [
        (
            "flags.npy",
            "x",
            Dtype::Bool,
            Tensor::Bool(array![true, false, true, false, true, false, true, false].into_dyn()),
        ),
        (
            "texts.npy",
            "x",
            Dtype::String,
            texts(&["a", "", "ä😀", "longer"]),
        ),
        ("bytes.npy", "x", Dtype::String, texts(&["a", "", "abc"])),
        (
            "half.npy",
            "x",
            Dtype::Int8,
            Tensor::Int8(array![0, 1, 2, 3, 4, 5, 6, 7].into_dyn()),
        ),
        (
            "records.npy",
            "age",
            Dtype::Int64,
            Tensor::Int64(array![1, 2, 3, 4].into_dyn()),
        ),
        (
            "records.npy",
            "name",
            Dtype::String,
            texts(&["a", "b", "", "abc"]),
        ),
        (
            "stored.npz",
            "id",
            Dtype::Uint8,
            Tensor::Uint8(array![0, 1, 2, 3, 4, 5, 6, 7].into_dyn()),
        ),
        (
            "deflated.npz",
            "name",
            Dtype::String,
            texts(&["a", "b", "c", "d", "e", "f", "g", "h"]),
        ),
    ] {
        let reader = open(name).unwrap_or_else(|error| panic!("{error}"));
        let plan = plan(&reader, column, dtype, None);
        assert_eq!(
            read(reader, &plan, 100, 0).expect("rows"),
            [expected],
            "{name}"
        );
    }
    let reader = open("tensor.npy").expect("an array");
    assert_eq!(reader.header().lists, [true]);
    let tensor = plan(&reader, "x", Dtype::Int16, Some(vec![Some(2), Some(3)]));
    let values: Vec<i16> = (0..48).collect();
    let expected = ArrayD::from_shape_vec(vec![8, 2, 3], values).expect("a tensor");
    assert_eq!(
        read(reader, &tensor, 100, 0).expect("rows"),
        [Tensor::Int16(expected)]
    );
    let reader = open("records.npy").expect("an array");
    let pairs = plan(&reader, "pair", Dtype::Float32, Some(vec![Some(2)]));
    let expected = array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]].into_dyn();
    assert_eq!(
        read(reader, &pairs, 100, 0).expect("rows"),
        [Tensor::Float32(expected)]
    );
    let reader = open("empty.npy").expect("an array");
    let none = plan(&reader, "x", Dtype::Float32, Some(vec![Some(3)]));
    assert_eq!(read(reader, &none, 100, 0).expect("rows"), []);
}

#[test]
fn what_cannot_be_read_is_told_in_words() {
    for (name, words) in [
        (
            "pickled.npy",
            "pickled.npy: damaged, or not an NPY array that can be fed: it holds pickled Python objects, which can run code when they are read",
        ),
        (
            "uneven.npz",
            "uneven.npz: its arrays are of different lengths: \"x\" has 8 rows, \"id\" has 7",
        ),
        ("no_arrays.npz", "no_arrays.npz: it holds no arrays"),
    ] {
        let error = open(name).err().expect("no source");
        assert_eq!(error.to_string(), words);
    }
}

fn read_damaged(name: &str, bytes: &[u8]) -> Result<Vec<Tensor>> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("the bytes");
    let container = Container::of_name(name).expect("a known extension");
    let reader = Reader::open(file.path(), container, "x", "damaged")?;
    let plan = plan(&reader, "x", Dtype::Float32, Some(vec![None]));
    read_lenient(reader, &plan)
}

/// Reads everything, whatever the values are.
fn read_lenient(mut reader: Reader, plan: &Plan) -> Result<Vec<Tensor>> {
    reader.start(plan, 3, 0)?;
    let mut tensors = Vec::new();
    while let Some(block) = reader.next_block()? {
        let table = block.decode(plan)?;
        let encoded = encode(plan, &table.columns(), 0..table.rows);
        tensors.extend(encoded.groups.into_iter().flat_map(|group| group.inputs));
    }
    Ok(tensors)
}

#[test]
fn damaged_files_are_errors_or_other_values() {
    for name in [
        "matrix.npy",
        "fortran.npy",
        "records.npy",
        "stored.npz",
        "deflated.npz",
    ] {
        let whole = fs::read(corpus(name)).expect("the file");
        for length in (0..whole.len()).step_by(25) {
            assert!(
                read_damaged(name, &whole[..length]).is_err(),
                "{name} {length}"
            );
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            // Whatever comes of it, it is no panic.
            let _ = read_damaged(name, &bytes);
        }
    }
}

fn part(name: &str, columns: &[&str], values: Tensor) -> Part {
    Part {
        name: name.to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        values,
    }
}

fn written(container: Container, rows: &[Vec<Part>]) -> Vec<u8> {
    let mut writer = Writer::new(container, &std::env::temp_dir(), "out");
    for parts in rows {
        writer.write(parts).expect("written");
    }
    writer.finish(Vec::new()).expect("a file")
}

/// Golden bytes: `np.save` of the same arrays.
#[test]
fn arrays_are_written_as_numpy_saves_them() {
    let matrix = |rows: std::ops::Range<usize>| vec![part("x", &["a", "b", "c"], matrix(rows))];
    let bytes = written(Container::Npy, &[matrix(0..0), matrix(0..5), matrix(5..8)]);
    assert_eq!(bytes, fs::read(corpus("matrix.npy")).expect("the file"));
    let ages = Tensor::Int32(array![1, 2, 3, 4].into_dyn());
    let names = ["a", "b", "", "abc"].map(str::to_owned);
    let names = Tensor::String(ArrayD::from_shape_vec(vec![4], names.to_vec()).expect("texts"));
    let pairs = Tensor::Float32(array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]].into_dyn());
    let records = vec![
        part("age", &["age"], ages),
        part("name", &["name"], names),
        part("pair", &["pair"], pairs),
    ];
    let bytes = written(Container::Npy, &[records]);
    assert_eq!(bytes, fs::read(corpus("records.npy")).expect("the file"));
}

#[test]
fn columns_of_one_dtype_are_a_matrix() {
    let parts = vec![
        part("a", &["a"], Tensor::Float32(array![1.0, 2.0].into_dyn())),
        part(
            "b",
            &["b_0", "b_1"],
            Tensor::Float32(array![[3.0, 4.0], [5.0, 6.0]].into_dyn()),
        ),
    ];
    let file = tempfile::Builder::new()
        .suffix(".npy")
        .tempfile()
        .expect("a file");
    fs::write(file.path(), written(Container::Npy, &[parts])).expect("written");
    let reader = Reader::open(file.path(), Container::Npy, "x", "back").expect("an array");
    let plan = plan(&reader, "x", Dtype::Float32, Some(vec![None]));
    let expected = array![[1.0, 3.0, 4.0], [2.0, 5.0, 6.0]].into_dyn();
    assert_eq!(
        read(reader, &plan, 9, 0).expect("rows"),
        [Tensor::Float32(expected)]
    );
}

#[test]
fn npz_has_an_array_for_each_part() {
    let bytes = written(
        Container::Npz,
        &[vec![
            part(
                "label",
                &["label"],
                Tensor::String(array!["ä".to_owned(), "bc".to_owned()].into_dyn()),
            ),
            part(
                "score",
                &["s_0", "s_1"],
                Tensor::Float64(array![[0.5, 0.5], [0.25, 0.75]].into_dyn()),
            ),
        ]],
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("written");
    let open = || Reader::open(file.path(), Container::Npz, "x", "back").expect("arrays");
    assert_eq!(open().header().columns, ["label", "score"]);
    let labels = plan(&open(), "label", Dtype::String, None);
    let expected = Tensor::String(array!["ä".to_owned(), "bc".to_owned()].into_dyn());
    assert_eq!(read(open(), &labels, 9, 0).expect("rows"), [expected]);
    let scores = plan(&open(), "score", Dtype::Float64, Some(vec![Some(2)]));
    let expected = Tensor::Float64(array![[0.5, 0.5], [0.25, 0.75]].into_dyn());
    assert_eq!(
        read(open(), &scores, 1, 1).expect("rows"),
        [Tensor::Float64(array![[0.25, 0.75]].into_dyn())]
    );
    assert_eq!(read(open(), &scores, 9, 0).expect("rows"), [expected]);
}

#[test]
fn containers_are_known_by_name_and_by_start() {
    for name in ["matrix.npy", "stored.npz"] {
        let bytes = fs::read(corpus(name)).expect("the file");
        assert_eq!(
            Container::of_start(&bytes[..8]),
            Container::of_name(name),
            "{name}"
        );
    }
    assert_eq!(Container::of_name("a.csv"), None);
}
