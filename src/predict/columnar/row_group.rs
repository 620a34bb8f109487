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
use parquet::errors::ParquetError;
use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

use super::pages::Pages;
use super::parquet_file::{ParquetFile, parquet_error};
use super::segment::Opening;
use super::{Container, damaged};
use crate::error::Result;

/// Bytes that the dictionaries and pages of all columns together should stay below.
const MOST_HELD_BYTES: u64 = 20 * 1024 * 1024;

/// Rows of a column that are decoded at once where its pages are not kept: few enough to be less
/// than a page, enough that unpacking a dictionary again costs less than the rows.
const STRETCH_ROWS: u64 = 32 * 1024;

/// What a page is taken for before it is looked at; most writers end a page there.
const USUAL_PAGE_BYTES: u64 = 1024 * 1024;

/// One row group and which rows of it are wanted.
pub(super) struct RowGroup {
    pub(super) file: ParquetFile,
    pub(super) index: usize,
    /// The columns, ascending.
    pub(super) roots: Vec<usize>,
    pub(super) skip: u64,
    pub(super) rows: u64,
    pub(super) batch_rows: u64,
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
            .then(|| (STRETCH_ROWS / batch_rows).max(1) * batch_rows)
    }

    fn plan(&self) -> &Option<Plan> {
        self.plan.get_or_init(|| Plan::of(&self.group))
    }
}

impl Plan {
    /// `None` where all columns may be decoded in one go.
    fn of(group: &RowGroup) -> Option<Plan> {
        let usual = |root: &usize| {
            let leaves = group.leaves(*root).filter_map(|leaf| group.column(leaf));
            leaves.map(usual_bytes).fold(0, u64::saturating_add)
        };
        let most = group.roots.iter().map(usual);
        if most.fold(0, u64::saturating_add) <= MOST_HELD_BYTES {
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
                        None => held += usual_bytes(column),
                    }
                }
                // Its parts are decoded side by side, and a list's pages say nothing of rows.
                _ => held += usual(root),
            }
        }
        places.sort_by_key(|(_, _, pages)| std::cmp::Reverse(pages.held_bytes));
        let stretched = places.into_iter().take_while(|(_, leaf, pages)| {
            let stretch = group.column(*leaf).map_or(u64::MAX, stretch_bytes);
            let pays = held > MOST_HELD_BYTES && pages.held_bytes > stretch;
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

/// Bytes of the dictionary and a page, if the file was written as most are.
fn usual_bytes(column: &ColumnChunkMetaData) -> u64 {
    let all = u64::try_from(column.uncompressed_size()).unwrap_or_default();
    let pages = if column.dictionary_page_offset().is_some() {
        2
    } else {
        1
    };
    all.min(pages * USUAL_PAGE_BYTES)
}

/// Bytes of the stretches of a column: of one blocks are taken while others of the one before are
/// still in work.
fn stretch_bytes(column: &ColumnChunkMetaData) -> u64 {
    use parquet::basic::Type;
    let width = match column.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE => 8,
        // Texts are of any length.
        Type::INT96 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => 24,
    };
    2 * STRETCH_ROWS * width
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
