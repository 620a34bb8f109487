//! Any format in, any format out: typed twins of the samples, made by pyarrow and NumPy, and outputs
//! read back without this program's own readers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use crate::compare;
use crate::run::{Folder, Program, ROOT, predict, repository_file};

/// A file that `make_formats.py` made.
fn twin(name: &str) -> String {
    format!("{ROOT}/tests/corpus/formats/{name}")
}

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(twin(name)).unwrap()
}

fn expected(sample: &str) -> String {
    repository_file(&format!("sample_data/{sample}.expected.csv"))
}

/// The samples in all formats that they exist in.
const INPUTS: [(&str, &[&str]); 2] = [
    (
        "iris",
        &["csv", "jsonl", "parquet", "arrow", "arrows", "npy", "npz"],
    ),
    ("penguins", &["csv", "jsonl", "parquet", "arrow", "arrows"]),
];

fn input(sample: &str, extension: &str) -> String {
    match extension {
        "csv" | "jsonl" => format!("{ROOT}/sample_data/{sample}.{extension}"),
        _ => twin(&format!("{sample}.{extension}")),
    }
}

/// All rows of a table in a file, by the format that its extension names.
fn table_in(path: &Path) -> (SchemaRef, Vec<RecordBatch>) {
    let file = File::open(path).unwrap();
    match path.extension().unwrap().to_str().unwrap() {
        "parquet" => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            let schema = Arc::clone(builder.schema());
            (
                schema,
                builder.build().unwrap().map(Result::unwrap).collect(),
            )
        }
        "arrow" => {
            let reader = FileReader::try_new(file, None).unwrap();
            (reader.schema(), reader.map(Result::unwrap).collect())
        }
        _ => {
            let reader = StreamReader::try_new(file, None).unwrap();
            (reader.schema(), reader.map(Result::unwrap).collect())
        }
    }
}

/// A table as CSV, so that it can be compared with what else is CSV.
fn csv_of((schema, batches): &(SchemaRef, Vec<RecordBatch>)) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = schema.fields().iter().map(|field| field.name());
    writer.write_record(names).unwrap();
    let options = FormatOptions::default();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|array| ArrayFormatter::try_new(array, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|cells| cells.value(row).to_string());
            writer.write_record(cells).unwrap();
        }
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// Whether an array file is the golden one: the header and all texts to the byte, floats but for
/// their last digits.
#[track_caller]
fn assert_array(found: &[u8], golden: &str, what: &str) {
    let golden = bytes_of(golden);
    assert_eq!(found.len(), golden.len(), "{what}");
    let start = 10 + usize::from(u16::from_le_bytes([golden[8], golden[9]]));
    assert_eq!(
        String::from_utf8_lossy(&found[..start]),
        String::from_utf8_lossy(&golden[..start]),
        "{what}"
    );
    // Everything in these files is four bytes wide: floats, and characters, which as floats would be
    // much smaller than any normal one.
    for (found, golden) in found[start..].chunks(4).zip(golden[start..].chunks(4)) {
        let number = |word: &[u8]| f32::from_le_bytes(word.try_into().unwrap());
        let (one, other) = (number(found), number(golden));
        let near = (one - other).abs() <= 1e-6_f32.max(1e-5 * other.abs());
        let is_same = found == golden || (one.is_normal() && other.is_normal() && near);
        assert!(is_same, "{what}: {one} for {other}");
    }
}

/// The arrays of an NPZ file, by name.
fn arrays_in(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let count = archive.len();
    let member = |index: usize| {
        let mut member = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        (member.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(member).collect()
}

#[test]
fn any_format_comes_out_in_any_format() {
    let folder = Folder::with(&[]);
    for (sample, extensions) in INPUTS {
        for extension in extensions {
            let input = input(sample, extension);
            for to in ["csv", "jsonl", "parquet", "arrow", "arrows", "npy", "npz"] {
                let what = format!("{sample}.{extension} to {to}");
                let output = format!("out.{to}");
                predict(sample, &[&input, "--keep", "none", "-o", &output])
                    .within(&folder)
                    .prints("");
                let path = folder.file(&output);
                let is_right = match to {
                    "csv" => compare::texts(&folder.read(&output), &expected(sample)),
                    "jsonl" => compare::texts(&flat(&folder.read(&output)), &expected(sample)),
                    "npy" => {
                        let found = fs::read(path).unwrap();
                        assert_array(&found, &format!("{sample}_records.npy"), &what);
                        Ok(())
                    }
                    "npz" => {
                        let arrays = arrays_in(&path);
                        assert_eq!(arrays.len(), 2, "{what}");
                        for (name, bytes) in arrays {
                            let golden = if name.ends_with("label.npy") {
                                "labels"
                            } else {
                                "scores"
                            };
                            assert_array(&bytes, &format!("{sample}_{golden}.npy"), &what);
                        }
                        Ok(())
                    }
                    _ => compare::texts(&csv_of(&table_in(&path)), &expected(sample)),
                };
                assert_eq!(is_right, Ok(()), "{what}");
            }
        }
    }
}

/// Objects of a label and a map of scores as CSV.
fn flat(jsonl: &str) -> String {
    let mut lines = Vec::new();
    for line in jsonl.lines() {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        let (mut names, mut cells) = (Vec::new(), Vec::new());
        for (name, value) in object {
            match value {
                serde_json::Value::Object(scores) => {
                    for (class, score) in scores {
                        names.push(format!("{name}_{class}"));
                        cells.push(score.to_string());
                    }
                }
                value => {
                    names.push(name);
                    cells.push(value.as_str().unwrap().to_owned());
                }
            }
        }
        if lines.is_empty() {
            lines.push(names.join(","));
        }
        lines.push(cells.join(","));
    }
    lines.join("\n") + "\n"
}

#[test]
fn kept_columns_keep_their_types_and_values() {
    let folder = Folder::with(&[]);
    let whole = table_in(Path::new(&twin("penguins.parquet")));
    let kept = ["id", "species", "year", "seen", "tags"];
    let types = |(schema, _): &(SchemaRef, Vec<RecordBatch>)| {
        kept.map(|name| schema.field_with_name(name).unwrap().data_type().clone())
    };
    let values = |(schema, batches): &(SchemaRef, Vec<RecordBatch>)| {
        let places = kept.map(|name| schema.index_of(name).unwrap());
        let batches: Vec<_> = batches
            .iter()
            .map(|batch| batch.project(&places).unwrap())
            .collect();
        csv_of(&(batches[0].schema(), batches))
    };
    for from in ["parquet", "arrow", "arrows"] {
        for to in ["parquet", "arrow", "arrows"] {
            let (input, output) = (twin(&format!("penguins.{from}")), format!("out.{to}"));
            predict("penguins", &[&input, "-o", &output])
                .within(&folder)
                .prints("");
            let found = table_in(&folder.file(&output));
            assert!(
                matches!(
                    types(&found),
                    [
                        DataType::Utf8,
                        DataType::Dictionary(..),
                        DataType::Int64,
                        DataType::Timestamp(..),
                        DataType::List(_)
                    ]
                ),
                "{from} to {to}: {:?}",
                types(&found)
            );
            assert_eq!(values(&found), values(&whole), "{from} to {to}");
        }
    }
}

#[test]
fn kept_values_are_plain_in_text() {
    let input = twin("penguins.parquet");
    let args = [input.as_str(), "--outputs", "output_label", "--limit", "3"];
    predict("penguins", &[&args[..], &["--to", "csv"]].concat()).prints(
        "id,species,year,seen,tags,output_label\n\
         PAL0708-A001,Adelie,2007,,,Adelie\n\
         PAL0708-A002,Adelie,2007,2007-11-11T13:30:00,\"[1,1]\",Adelie\n\
         PAL0708-A003,Adelie,2007,2007-11-11T20:30:00,\"[2,4]\",Adelie\n",
    );
    predict("penguins", &[&args[..], &["--to", "jsonl"]].concat()).prints(
        "{\"id\":\"PAL0708-A001\",\"species\":\"Adelie\",\"year\":2007,\"seen\":null,\"tags\":null,\"output_label\":\"Adelie\"}\n\
         {\"id\":\"PAL0708-A002\",\"species\":\"Adelie\",\"year\":2007,\"seen\":\"2007-11-11T13:30:00\",\"tags\":[1,1],\"output_label\":\"Adelie\"}\n\
         {\"id\":\"PAL0708-A003\",\"species\":\"Adelie\",\"year\":2007,\"seen\":\"2007-11-11T20:30:00\",\"tags\":[2,4],\"output_label\":\"Adelie\"}\n",
    );
}

#[test]
fn an_array_beside_the_features_is_kept_with_its_type() {
    let folder = Folder::with(&[]);
    predict("iris", &[&twin("iris.npz"), "-o", "out.parquet"])
        .within(&folder)
        .prints("");
    let (schema, batches) = table_in(&folder.file("out.parquet"));
    assert_eq!(schema.field(0).name(), "id");
    let ids = batches[0].column(0).as_any().downcast_ref::<Int64Array>();
    let expected: Vec<i64> = (1000..1060).collect();
    assert_eq!(ids.unwrap().values().to_vec(), expected);
}

#[test]
fn a_matrix_of_predictions_is_a_matrix_of_numpy() {
    let args = ["sample_data/digits.jsonl", "--outputs", "logits", "-q"];
    let outcome = predict("digits", &[&args[..], &["--to", "npy"]].concat()).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_array(&outcome.bytes, "digits_logits.npy", "logits");
    let folder = Folder::with(&[("logits.npy", &outcome.bytes)]);
    let refused = predict("iris", &["logits.npy"]).within(&folder).run();
    assert_eq!(refused.code, 1, "ten columns do not feed four");
}

#[test]
fn arrays_say_that_they_hold_predictions_alone() {
    let folder = Folder::with(&[]);
    for (to, name) in [("npy", "NPY"), ("npz", "NPZ")] {
        let output = format!("out.{to}");
        let outcome = predict("penguins", &[&twin("penguins.parquet"), "-o", &output])
            .within(&folder)
            .run();
        assert_eq!(
            outcome.notes(),
            format!(
                "note: {name} holds predictions alone, no other columns\n\
                 344 rows in _ s (_ rows/s), 19 missing values, written to {output}\n"
            )
        );
    }
}

#[test]
fn tables_come_through_pipes_and_packed() {
    for (name, flags) in [
        ("iris.parquet", &[][..]),
        ("iris.arrow", &[]),
        ("iris.arrows", &[]),
        ("iris.npy", &[]),
        ("iris.npz", &["--from", "npz"]),
    ] {
        let bytes = bytes_of(name);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&bytes).unwrap();
        for bytes in [bytes, packed.finish().unwrap()] {
            let flags = [flags, &["--keep", "none", "--to", "csv"]].concat();
            predict("iris", &flags)
                .given(bytes)
                .prints(&expected("iris"));
        }
    }
    predict("iris", &[]).given(bytes_of("iris.npz")).fails(
        1,
        "stdin: expected CSV or JSONL text, found a zip archive or spreadsheet\n\
         hint: --from npz reads one with arrays of NumPy; save a spreadsheet as CSV first",
    );
}

#[test]
fn a_stream_of_batches_is_answered_by_a_stream_of_the_same_batches() {
    let args = ["--stream", "--to", "arrow-stream", "-q"];
    let outcome = predict("iris", &args).given(bytes_of("iris.arrows")).run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let reader = StreamReader::try_new(Cursor::new(outcome.bytes), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let sizes: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [20, 20, 20]);
    let found = csv_of(&(schema, batches));
    assert_eq!(compare::texts(&found, &expected("iris")), Ok(()));
}

#[test]
fn a_table_is_not_compressed_as_a_whole() {
    let folder = Folder::with(&[]);
    for flags in [
        &["-o", "out.parquet.gz"][..],
        &["-o", "out.npy.zst"],
        &["-o", "out.csv.gz", "--to", "parquet"],
    ] {
        predict("iris", &[&[twin("iris.parquet").as_str()], flags].concat())
            .within(&folder)
            .fails(
                2,
                "-o: a table is not compressed as a whole\n\
                 hint: Parquet and Arrow compress their own columns",
            );
    }
    assert!(folder.names().is_empty());
}

/// The records of `dirty.parquet`, two of which cannot be scored.
fn dirty(folder: &Folder, flags: &[&str]) -> Program {
    folder.write("in.parquet", &bytes_of("dirty.parquet"));
    let args = ["in.parquet", "--features", "a,b,c,d", "--outputs", "label"];
    predict("iris", &[&args[..], flags].concat()).within(folder)
}

#[test]
fn a_row_that_cannot_be_scored_ends_the_run_or_is_set_aside() {
    let folder = Folder::with(&[]);
    dirty(&folder, &["-o", "out.csv"]).fails(
        1,
        "in.parquet: row 2: column \"b\": expected a number (float32), found \"x\"\n\
         hint: --missing 'x' scores it as missing",
    );
    assert_eq!(folder.names(), ["in.parquet"]);
    let skip = [
        "--on-error",
        "skip",
        "--rejects",
        "bad.jsonl",
        "--to",
        "csv",
    ];
    let outcome = dirty(&folder, &skip).run();
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.notes(),
        "10 rows in _ s (_ rows/s)\n2 records left out: 2 not_a_number; bad.jsonl tells which\n"
    );
    let day = |row: usize| {
        if row.is_multiple_of(2) {
            "2024-02-29"
        } else {
            ""
        }
    };
    let rows = [0, 1, 3, 4, 5, 6, 7, 8];
    let lines = rows.map(|row| format!("r{row},{},setosa\n", day(row)));
    assert_eq!(outcome.stdout, format!("id,day,label\n{}", lines.concat()));
    let told = |row: u32, value: &str, a: &str, day: &str| {
        format!(
            "{{\"file\":\"in.parquet\",\"row\":{row},\"column\":\"b\",\"code\":\"not_a_number\",\
             \"message\":\"column \\\"b\\\": expected a number (float32), found \\\"{value}\\\"\",\
             \"record\":{{\"id\":\"r{row}\",\"a\":{a},\"b\":\"{value}\",\"c\":1.4,\"d\":0.2,\"day\":{day}}}}}\n"
        )
    };
    assert_eq!(
        folder.read("bad.jsonl"),
        told(2, "x", "5.1", "\"2024-02-29\"") + &told(9, "y", "6.3", "null")
    );
}

#[test]
fn an_empty_prediction_is_a_null_of_the_table() {
    let folder = Folder::with(&[]);
    for output in ["out.parquet", "out.arrow", "out.arrows"] {
        let null = ["--on-error", "null", "-q", "-o", output];
        assert_eq!(dirty(&folder, &null).run().code, 0);
        let (_, batches) = table_in(&folder.file(output));
        let rows = batches.iter().flat_map(|batch| {
            let labels = batch.column_by_name("label").unwrap();
            let ids = batch.column_by_name("id").unwrap();
            (0..batch.num_rows()).map(move |row| (ids.is_valid(row), labels.is_valid(row)))
        });
        let expected: Vec<_> = (0..10).map(|row| (true, row != 2 && row != 9)).collect();
        assert_eq!(rows.collect::<Vec<_>>(), expected, "{output}");
    }
}

#[test]
fn a_file_that_was_cut_off_is_damaged() {
    for (name, length, message) in [
        (
            "iris.parquet",
            2000,
            "not a Parquet file: Parquet error: Invalid Parquet file. Corrupt footer",
        ),
        (
            "iris.arrow",
            2000,
            "not an Arrow IPC file: Parser error: Arrow file does not contain correct footer",
        ),
        (
            "iris.arrows",
            2000,
            "not an Arrow IPC stream: it ends within a message",
        ),
        (
            "iris.npy",
            500,
            "not an NPY array that can be fed: it has fewer than the 60 rows it says",
        ),
        (
            "iris.npz",
            500,
            "not an NPZ file: invalid Zip archive: Could not find EOCD",
        ),
    ] {
        let folder = Folder::with(&[(name, &bytes_of(name)[..length])]);
        predict("iris", &[name, "-o", "out.csv"])
            .within(&folder)
            .fails(1, &format!("{name}: damaged, or {message}"));
        assert_eq!(folder.names(), [name]);
    }
}

#[test]
fn a_damaged_row_group_is_named_and_leaves_nothing() {
    let mut bytes = bytes_of("penguins.parquet");
    // The pages come first: the footer stays whole.
    let damage = 9000.min(bytes.len() / 2);
    bytes[200..damage].fill(0xff);
    let folder = Folder::with(&[("in.parquet", &bytes)]);
    let outcome = predict("penguins", &["in.parquet", "-o", "out.csv"])
        .within(&folder)
        .run();
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    let told = "in.parquet: damaged, or not a Parquet file: ";
    assert!(outcome.stderr.starts_with(told), "{}", outcome.stderr);
    assert_eq!(folder.names(), ["in.parquet"]);
}

#[test]
fn a_limit_ends_within_a_row_group() {
    let input = twin("penguins.parquet");
    let args = [input.as_str(), "--keep", "none", "--to", "csv", "--limit"];
    for limit in [0, 1, 100, 101, 344, 1000] {
        let lines = expected("penguins");
        let lines: String = lines.split_inclusive('\n').take(limit + 1).collect();
        predict("penguins", &[&args[..], &[&limit.to_string()]].concat()).prints(&lines);
    }
}

/// An NPY file of `rows` rows of four features.
fn npy(rows: usize) -> Vec<u8> {
    let shape = format!("({rows}, 4)");
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").as_bytes());
    for number in 0..rows * 4 {
        bytes.extend(((number * 7919 % 80) as f32 / 10.0).to_le_bytes());
    }
    bytes
}

fn npz(member: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("X.npy", options).unwrap();
    archive.write_all(member).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn shards_of_a_table_in_order_are_the_whole_run() {
    let array = npy(30_000);
    let folder = Folder::with(&[
        ("penguins.parquet", &bytes_of("penguins.parquet")),
        ("penguins.arrow", &bytes_of("penguins.arrow")),
        ("iris.npy", &array),
        ("iris.npz", &npz(&array)),
    ]);
    // A block goes to the shard that has its first row: a row group, or 8,192 rows of an array.
    for (name, sizes) in [
        ("penguins.parquet", &[200, 100, 44][..]),
        ("penguins.parquet", &[344]),
        ("penguins.parquet", &[100, 0, 100, 0, 100, 0, 44]),
        ("penguins.arrow", &[200, 100, 44]),
        ("iris.npy", &[16_384, 8_192, 5_424]),
        ("iris.npz", &[16_384, 8_192, 5_424]),
        ("iris.npz", &[8_192, 8_192, 8_192, 0, 5_424]),
    ] {
        let sample = name.split('.').next().unwrap();
        let run = |flags: &[&str]| {
            let args = [&[name, "--to", "csv", "-q"], flags].concat();
            let outcome = predict(sample, &args).within(&folder).run();
            assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{name}");
            outcome.stdout
        };
        let parts: Vec<String> = (1..=sizes.len())
            .map(|index| run(&["--shard", &format!("{index}/{}", sizes.len())]))
            .collect();
        assert!(parts.concat() == run(&[]), "{name} in {}", sizes.len());
        let mut lines: Vec<usize> = parts.iter().map(|part| part.lines().count()).collect();
        // The header.
        lines[0] -= 1;
        assert_eq!(lines, sizes, "{name}");
    }
    predict("iris", &[&twin("iris.arrows"), "--shard", "1/2"]).fails(
        2,
        &format!(
            "--shard: {} is a stream, and cannot be cut by its size\n\
             hint: one file for each shard needs no --shard; or decompress it first",
            twin("iris.arrows")
        ),
    );
}

#[test]
fn shards_write_tables_too() {
    let folder = Folder::with(&[]);
    let input = twin("penguins.parquet");
    let mut found = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let flags = ["--keep", "none", "--shard", shard, "-o", "out.parquet"];
        predict(
            "penguins",
            &[&[input.as_str(), "--force"], &flags[..]].concat(),
        )
        .within(&folder)
        .prints("");
        let (schema, batches) = table_in(&folder.file("out.parquet"));
        found.extend(batches);
        assert_eq!(schema.fields().len(), 4);
    }
    let found = csv_of(&(found[0].schema(), found));
    assert_eq!(compare::texts(&found, &expected("penguins")), Ok(()));
}

/// A Parquet file of `rows` records of an id and four features.
fn records(path: &Path, rows: i64) {
    let column = |step: i64| -> ArrayRef {
        let values = (0..rows).map(|row| (row * step % 80) as f32 / 10.0);
        Arc::new(Float32Array::from_iter_values(values))
    };
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let columns = [
        ("id", ids),
        ("a", column(7919)),
        ("b", column(104_729)),
        ("c", column(1_299_709)),
        ("d", column(31)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(30_000));
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_run_from_a_table_goes_on_after_a_kill() {
    let folder = Folder::with(&[]);
    records(&folder.file("in.parquet"), 200_000);
    let run = |flags: &[&str]| {
        let args = ["in.parquet", "--id", "id", "--to", "csv", "-q"];
        predict("iris", &[&args[..], flags].concat())
            .within(&folder)
            .with("MLSERVE_CHECKPOINT_MS", "0")
    };
    assert_eq!(run(&["-o", "whole.csv"]).run().code, 0);
    let whole = folder.read("whole.csv");
    assert_eq!(whole.lines().count(), 200_001);
    let mut kills = 0;
    for part in 1..8 {
        let mut child = run(&["-o", "out.csv", "--resume"])
            .command()
            .spawn()
            .unwrap();
        let partial = folder.file("out.csv.partial");
        let moment = whole.len() as u64 * part / 9;
        let has_come = || fs::metadata(&partial).is_ok_and(|meta| meta.len() > moment);
        while child.try_wait().unwrap().is_none() && !has_come() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert!(kills > 1, "{kills} kills");
    assert_eq!(run(&["-o", "out.csv", "--resume"]).run().code, 0);
    assert!(folder.read("out.csv") == whole, "after {kills} kills");
    assert_eq!(folder.names(), ["in.parquet", "out.csv", "whole.csv"]);
}

#[test]
fn the_label_of_a_table_is_read_whether_it_is_kept_or_not() {
    let of_text = predict(
        "penguins",
        &["sample_data/penguins.csv", "--label", "species"],
    )
    .run();
    let (metrics, _) = of_text.stderr.split_once("344 rows").unwrap();
    assert!(
        metrics.contains("accuracy           0.997093\n"),
        "{metrics}"
    );
    for extension in ["parquet", "arrow", "arrows"] {
        for keep in ["none", "id", "unused"] {
            let input = twin(&format!("penguins.{extension}"));
            let outcome =
                predict("penguins", &[&input, "--label", "species", "--keep", keep]).run();
            assert_eq!(outcome.code, 0);
            let what = format!("{extension}, {keep}: {}", outcome.stderr);
            assert!(outcome.stderr.starts_with(metrics), "{what}");
        }
    }
}

#[test]
fn a_table_without_rows_has_columns_all_the_same() {
    let folder = Folder::with(&[]);
    records(&folder.file("in.parquet"), 0);
    let args = ["in.parquet", "--id", "id"];
    predict("iris", &[&args[..], &["--to", "csv"]].concat())
        .within(&folder)
        .prints("id,label,probabilities_setosa,probabilities_versicolor,probabilities_virginica\n");
    predict("iris", &[&args[..], &["-o", "out.parquet"]].concat())
        .within(&folder)
        .prints("");
    let (schema, batches) = table_in(&folder.file("out.parquet"));
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(*schema.field(0).data_type(), DataType::Int64);
    assert_eq!(*schema.field(2).data_type(), DataType::Float32);
}
