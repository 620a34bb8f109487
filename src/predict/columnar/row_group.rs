//! How a row group is decoded: column by column, in bounded memory.
//!
//! To decode a column from its first row to its last, its dictionary and its current page lie
//! unpacked in memory, up to two megabytes as most writers make them, and that for each column at
//! once. Where that is too much, the largest are decoded a stretch of rows at a time and let go in
//! between: the page that a stretch ends in, and the dictionary, are unpacked again for the next.

use std::sync::{Arc, OnceLock};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

use super::pages::Pages;
use super::parquet_file::{ParquetFile, parquet_error};
use super::segment::Opening;
use super::{Container, damaged};
use crate::error::Result;

/// What the columns of a row group may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Bytes that the dictionaries and pages of all columns together should stay below.
    held_bytes: u64,
    /// Rows of a column that are decoded at once where its pages are not kept.
    stretch_rows: u64,
    /// Bytes of a page, before it is looked at.
    page_bytes: u64,
}

impl Limits {
    /// With what the rest of a run takes, some 20 MB for 30 columns stay below 80 MB; a stretch is
    /// less than a page, and unpacking a dictionary again costs about as much as its rows. Most
    /// writers end a page, and a dictionary, at a megabyte.
    pub(super) const USUAL: Limits = Limits {
        held_bytes: 20 * 1024 * 1024,
        stretch_rows: 32 * 1024,
        page_bytes: 1024 * 1024,
    };
}

/// One row group and which rows of it are wanted.
pub(super) struct RowGroup {
    pub(super) file: ParquetFile,
    pub(super) index: usize,
    /// The columns, ascending.
    pub(super) roots: Vec<usize>,
    pub(super) skip: u64,
    pub(super) rows: u64,
    pub(super) batch_rows: u64,
    pub(super) limits: Limits,
}

impl RowGroup {
    /// How each column is decoded, `batch_rows` at a time.
    pub(super) fn openings(self) -> Vec<Opening> {
        // Without columns there still are rows.
        let columns: Vec<Option<usize>> = match self.roots.as_slice() {
            [] => vec![None],
            roots => roots.iter().copied().map(Some).collect(),
        };
        let group = Arc::new(Planned {
            group: self,
            plan: OnceLock::new(),
        });
        let opening = |root: Option<usize>| -> Opening {
            let group = Arc::clone(&group);
            Box::new(move || {
                let rows = Rows {
                    stretch: group.stretch(root),
                    next: group.group.skip,
                    root,
                    reader: None,
                    ahead: None,
                    group,
                };
                Ok(Box::new(rows))
            })
        };
        columns.into_iter().map(opening).collect()
    }

    fn column(&self, leaf: usize) -> Option<&ColumnChunkMetaData> {
        let groups = self.file.metadata.metadata().row_groups();
        groups.get(self.index)?.columns().get(leaf)
    }

    /// The columns of the file that make up column `root`.
    fn leaves(&self, root: usize) -> impl Iterator<Item = usize> {
        let metadata = self.file.metadata.metadata();
        let schema = metadata.file_metadata().schema_descr();
        (0..schema.num_columns()).filter(move |leaf| schema.get_column_root_idx(*leaf) == root)
    }
}

/// A row group whose memory is planned when its first column is.
struct Planned {
    group: RowGroup,
    plan: OnceLock<Option<Plan>>,
}

/// Which columns are decoded by stretches, and by what.
struct Plan {
    /// The row group alone, with the places of these columns' pages.
    metadata: ArrowReaderMetadata,
    by_stretches: Vec<usize>,
}

impl Planned {
    /// Rows that are decoded at once of column `root`, where not all are decoded in one go.
    fn stretch(&self, root: Option<usize>) -> Option<u64> {
        let plan = self.plan().as_ref()?;
        let batch_rows = self.group.batch_rows.max(1);
        plan.by_stretches
            .contains(&root?)
            .then(|| (self.group.limits.stretch_rows / batch_rows).max(1) * batch_rows)
    }

    fn plan(&self) -> &Option<Plan> {
        self.plan.get_or_init(|| Plan::of(&self.group))
    }
}

impl Plan {
    /// `None` where all columns may be decoded in one go.
    fn of(group: &RowGroup) -> Option<Plan> {
        let limits = group.limits;
        let usual = |root: &usize| {
            let leaves = group.leaves(*root).filter_map(|leaf| group.column(leaf));
            leaves
                .map(|column| limits.usual_bytes(column))
                .fold(0, u64::saturating_add)
        };
        let most = group.roots.iter().map(usual);
        if most.fold(0, u64::saturating_add) <= limits.held_bytes {
            return None;
        }
        let mut held = 0;
        let mut places = Vec::new();
        for root in &group.roots {
            let mut leaves = group.leaves(*root);
            match (leaves.next(), leaves.next()) {
                (Some(leaf), None) => {
                    let column = group.column(leaf)?;
                    match Pages::of(&group.file.disk, column, group.rows) {
                        Some(pages) => {
                            held += pages.held_bytes;
                            places.push((*root, leaf, pages));
                        }
                        None => held += limits.usual_bytes(column),
                    }
                }
                // Its parts are decoded side by side, and a list's pages say nothing of rows.
                _ => held += usual(root),
            }
        }
        places.sort_by_key(|(_, _, pages)| std::cmp::Reverse(pages.held_bytes));
        let stretched = places.into_iter().filter(|(_, leaf, pages)| {
            let stretch = group
                .column(*leaf)
                .map_or(u64::MAX, |column| limits.stretch_bytes(column));
            let pays = held > limits.held_bytes && pages.held_bytes > stretch;
            if pays {
                held = (held - pages.held_bytes).saturating_add(stretch);
            }
            pays
        });
        let stretched: Vec<_> = stretched.collect();
        if stretched.is_empty() {
            return None;
        }
        Plan::with(group, stretched).ok()
    }

    fn with(
        group: &RowGroup,
        stretched: Vec<(usize, usize, Pages)>,
    ) -> std::result::Result<Plan, ParquetError> {
        let metadata = group.file.metadata.metadata();
        let columns = metadata.file_metadata().schema_descr().num_columns();
        let mut places = PageIndexBuilder::default();
        places.allocate_offset_indexes(1, columns);
        let mut by_stretches = Vec::new();
        for (root, leaf, pages) in stretched {
            let index = OffsetIndexMetaData {
                page_locations: pages.locations,
                unencoded_byte_array_data_bytes: None,
            };
            places.put_offset_index(index, 0, leaf);
            by_stretches.push(root);
        }
        let row_group = metadata.row_groups().get(group.index).cloned();
        let alone = ParquetMetaDataBuilder::new(metadata.file_metadata().clone())
            .set_row_groups(row_group.into_iter().collect())
            .set_page_index(Some(Arc::new(places.build())));
        Ok(Plan {
            metadata: alone_reader(alone.build())?,
            by_stretches,
        })
    }
}

fn alone_reader(
    metadata: ParquetMetaData,
) -> std::result::Result<ArrowReaderMetadata, ParquetError> {
    ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
}

impl Limits {
    /// Bytes of the dictionary and a page, if the file was written as most are.
    fn usual_bytes(self, column: &ColumnChunkMetaData) -> u64 {
        let all = u64::try_from(column.uncompressed_size()).unwrap_or_default();
        let has_dictionary = column.dictionary_page_offset().is_some();
        all.min(self.page_bytes * if has_dictionary { 2 } else { 1 })
    }

    /// Bytes of the stretches of a column: blocks are taken from one while others of the one before
    /// it are still in work.
    fn stretch_bytes(self, column: &ColumnChunkMetaData) -> u64 {
        let width = match column.column_type() {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            // Texts are of any length.
            Type::INT96 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => 24,
        };
        2 * self.stretch_rows * width
    }
}

/// The rows of one column.
struct Rows {
    group: Arc<Planned>,
    root: Option<usize>,
    stretch: Option<u64>,
    /// The next row, counted in the row group.
    next: u64,
    reader: Option<ParquetRecordBatchReader>,
    /// What is left of the last stretch.
    ahead: Option<RecordBatch>,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = &self.group.group;
        let rows = group.batch_rows.min(group.rows - self.next.min(group.rows));
        if rows == 0 {
            return None;
        }
        let batch = match self.stretch {
            Some(stretch) => self.of_stretch(rows, stretch),
            None => self.decode(rows),
        };
        self.next += rows;
        if self.next >= self.group.group.rows {
            // What it holds would wait until the slowest column is done.
            (self.reader, self.ahead) = (None, None);
        }
        batch.transpose()
    }
}

impl Rows {
    /// The next batch of one reader for all rows.
    fn decode(&mut self, rows: u64) -> Result<Option<RecordBatch>> {
        if self.reader.is_none() {
            let group = &self.group.group;
            let rest = group.rows - self.next;
            let (metadata, index) = (&group.file.metadata, group.index);
            self.reader = Some(self.reader(metadata, index, (rest, rows))?);
        }
        let batch = self.reader.as_mut().and_then(Iterator::next).transpose();
        let name = &self.group.group.file.name;
        batch.map_err(|error| damaged(name, Container::Parquet, error))
    }

    /// The next `rows` rows of the stretch, which is decoded where none is left.
    fn of_stretch(&mut self, rows: u64, stretch: u64) -> Result<Option<RecordBatch>> {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => match self.decode_stretch(stretch)? {
                Some(ahead) => ahead,
                None => return Ok(None),
            },
        };
        if rows >= ahead.num_rows() {
            return Ok(Some(ahead));
        }
        self.ahead = Some(ahead.slice(rows, ahead.num_rows() - rows));
        Ok(Some(ahead.slice(0, rows)))
    }

    fn decode_stretch(&self, stretch: u64) -> Result<Option<RecordBatch>> {
        let group = &self.group.group;
        let rows = stretch.min(group.rows - self.next);
        let (metadata, index) = match self.group.plan() {
            Some(plan) => (&plan.metadata, 0),
            None => (&group.file.metadata, group.index),
        };
        let mut reader = self.reader(metadata, index, (rows, rows))?;
        let batch = reader.next().transpose();
        batch.map_err(|error| damaged(&group.file.name, Container::Parquet, error))
    }

    /// Decodes so many rows from the next one on, and so many of them at a time.
    fn reader(
        &self,
        metadata: &ArrowReaderMetadata,
        index: usize,
        (rows, batch_rows): (u64, u64),
    ) -> Result<ParquetRecordBatchReader> {
        let file = &self.group.group.file;
        let size = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let schema = metadata.metadata().file_metadata().schema_descr();
        let mask = ProjectionMask::roots(schema, self.root);
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file.disk.clone(), metadata.clone())
                .with_row_groups(vec![index])
                .with_projection(mask)
                .with_batch_size(size(batch_rows));
        if self.next > 0 || rows < self.group.group.rows {
            builder = builder.with_row_selection(RowSelection::from(vec![
                RowSelector::skip(size(self.next)),
                RowSelector::select(size(rows)),
            ]));
        }
        builder
            .build()
            .map_err(|error| parquet_error(&file.name, &error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Float64Type;
    use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray};
    use arrow_select::concat::concat_batches;
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::file::properties::{WriterProperties, WriterVersion};

    use super::*;

    const ROWS: usize = 9_000;

    /// Columns with and without nulls, dictionaries that are given up on the way, texts and lists.
    fn table() -> RecordBatch {
        let rows = 0..ROWS;
        let numbers = rows.clone().map(|row| row as f64 * 0.1);
        let gaps = rows
            .clone()
            .map(|row| (row % 7 > 0).then_some(row as i64 * 3));
        let few = rows.clone().map(|row| (row % 5) as i64);
        let texts = rows.clone().map(|row| format!("name {}", row * row));
        let lists = rows.map(|row| Some(vec![Some(row as f64); row % 3]));
        let columns: [(&str, ArrayRef); 5] = [
            ("number", Arc::new(Float64Array::from_iter_values(numbers))),
            ("gap", Arc::new(gaps.collect::<Int64Array>())),
            ("few", Arc::new(Int64Array::from_iter_values(few))),
            ("text", Arc::new(StringArray::from_iter_values(texts))),
            (
                "list",
                Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists)),
            ),
        ];
        RecordBatch::try_from_iter(columns).expect("a batch")
    }

    fn written(table: &RecordBatch, properties: WriterProperties) -> ParquetFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let clone = file.reopen().expect("the file");
        let mut writer =
            ArrowWriter::try_new(clone, table.schema(), Some(properties)).expect("a writer");
        writer.write(table).expect("written");
        writer.close().expect("closed");
        ParquetFile::open(file.path(), "x").expect("a file")
    }

    /// The rows from `skip` on by columns, and how many columns were read by stretches.
    fn read(file: &ParquetFile, skip: u64, limits: Limits) -> (RecordBatch, usize) {
        let columns = file.schema().fields().len();
        let group = RowGroup {
            file: file.clone(),
            index: 0,
            roots: (0..columns).collect(),
            skip,
            rows: file.rows()[0],
            batch_rows: 100,
            limits,
        };
        let by_stretches = Plan::of(&group).map_or(0, |plan| plan.by_stretches.len());
        let mut arrays = Vec::new();
        for opening in group.openings() {
            let batches = opening().expect("a column");
            let batches: Vec<RecordBatch> = batches
                .collect::<Result<_>>()
                .expect("the column's batches");
            assert!(
                batches
                    .iter()
                    .rev()
                    .skip(1)
                    .all(|batch| batch.num_rows() == 100)
            );
            let all = concat_batches(&batches[0].schema(), &batches).expect("one column");
            arrays.push(ArrayRef::clone(all.column(0)));
        }
        let batch = RecordBatch::try_new(Arc::clone(file.schema()), arrays);
        (batch.expect("a batch"), by_stretches)
    }

    #[test]
    fn columns_decoded_by_stretches_are_those_decoded_in_one_go() {
        let table = table();
        let small = |properties: WriterProperties| {
            let builder = properties.into_builder();
            builder
                .set_dictionary_page_size_limit(16 * 1024)
                .set_data_page_row_count_limit(1_300)
                .set_write_batch_size(50)
                .build()
        };
        let plain = WriterProperties::builder;
        let zstd = Compression::ZSTD(ZstdLevel::default());
        for properties in [
            plain().build(),
            plain().set_compression(zstd).build(),
            plain().set_compression(Compression::SNAPPY).build(),
            plain()
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .build(),
            plain().set_dictionary_enabled(false).build(),
        ] {
            let file = written(&table, small(properties));
            for skip in [0, 1, 1_300, 4_321, 8_999] {
                let expected = table.slice(skip, ROWS - skip);
                // The list's pages do not say which rows they hold, and few values are few bytes.
                for (held_bytes, stretches) in [(u64::MAX, 0), (0, 3)] {
                    for stretch_rows in [100, 500] {
                        let limits = Limits {
                            held_bytes,
                            stretch_rows,
                            page_bytes: 1 << 20,
                        };
                        let (rows, by_stretches) = read(&file, skip as u64, limits);
                        assert_eq!(rows, expected, "{skip} {stretch_rows}");
                        assert!(by_stretches >= stretches.min(1), "{by_stretches}");
                        assert!(by_stretches <= 4 * stretches, "{by_stretches}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_largest_columns_are_decoded_by_stretches_until_the_rest_is_little() {
        let columns = (0..4).map(|column| {
            let spread = [1, 10, 1_000, 100_000][column];
            let values = (0..ROWS).map(|row| (row * 7_919 % spread) as i64);
            let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
            (format!("c{column}"), values)
        });
        let table = RecordBatch::try_from_iter(columns).expect("a batch");
        let file = written(&table, WriterProperties::default());
        let by_stretches = |held_bytes| {
            let limits = Limits {
                held_bytes,
                stretch_rows: 100,
                page_bytes: 1 << 20,
            };
            read(&file, 0, limits).1
        };
        // Values of 8 bytes: 9,000 of them in the last column's dictionary, 1,000 in the one before.
        assert_eq!(by_stretches(200_000), 0);
        assert_eq!(by_stretches(60_000), 1);
        // The first column's single value is less than a stretch.
        assert_eq!(by_stretches(0), 3);
    }
}
