//! A Parquet file: its schema, its row groups, and where its row groups lie.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use super::row_group::{Limits, RowGroup};
use super::segment::Opening;
use super::{Container, damaged};
use crate::disk::Disk;
use crate::error::{Error, Result};

/// An open Parquet file; clones share it.
#[derive(Clone)]
pub(super) struct ParquetFile {
    pub(super) disk: Disk,
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) name: Arc<str>,
}

impl ParquetFile {
    /// Opens the file and reads its footer.
    pub(super) fn open(path: &Path, name: &str) -> Result<ParquetFile> {
        let disk = Disk::open(path).map_err(|error| Error::io(name, &error))?;
        let metadata = ArrowReaderMetadata::load(&disk, ArrowReaderOptions::new())
            .map_err(|error| parquet_error(name, &error))?;
        for group in metadata.metadata().row_groups() {
            check(group, disk.length()).map_err(|text| damaged(name, Container::Parquet, text))?;
        }
        Ok(ParquetFile {
            disk,
            metadata,
            name: name.into(),
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub(super) fn length(&self) -> u64 {
        self.disk.length()
    }

    /// Rows of each row group.
    pub(super) fn rows(&self) -> Vec<u64> {
        let groups = self.metadata.metadata().row_groups();
        groups
            .iter()
            .map(|group| unsigned(group.num_rows()))
            .collect()
    }

    /// Bytes of row group `index` in the file, and those of its columns `roots` in memory.
    pub(super) fn bytes(&self, index: usize, roots: &[usize]) -> (u64, u64) {
        let metadata = self.metadata.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let Some(group) = metadata.row_groups().get(index) else {
            return (0, 0);
        };
        let leaves = group.columns().iter().enumerate();
        let used = leaves.filter(|(leaf, _)| roots.contains(&schema.get_column_root_idx(*leaf)));
        (
            unsigned(group.compressed_size()),
            used.map(|(_, column)| unsigned(column.uncompressed_size()))
                .fold(0, u64::saturating_add),
        )
    }

    /// How the rows of row group `index` from `skip` on are decoded, `batch_rows` at a time.
    pub(super) fn openings(
        &self,
        index: usize,
        skip: u64,
        batch_rows: u64,
        roots: &[usize],
    ) -> Vec<Opening> {
        let group = RowGroup {
            file: self.clone(),
            index,
            roots: roots.to_vec(),
            skip,
            rows: self.rows().get(index).copied().unwrap_or_default(),
            batch_rows,
            limits: Limits::USUAL,
        };
        group.openings()
    }
}

/// The pages of a row group must lie in the file: its reader takes their places on trust.
fn check(group: &RowGroupMetaData, length: u64) -> std::result::Result<(), String> {
    if group.num_rows() < 0 {
        return Err(format!("a row group of {} rows", group.num_rows()));
    }
    for column in group.columns() {
        let start = column.dictionary_page_offset().filter(|at| *at > 0);
        let start = start.unwrap_or_else(|| column.data_page_offset());
        let size = column.compressed_size();
        let end = u64::try_from(start)
            .ok()
            .zip(u64::try_from(size).ok())
            .and_then(|(start, size)| start.checked_add(size));
        if end.is_none_or(|end| end > length) {
            return Err(format!(
                "column \"{}\" has {size} bytes at {start}, beyond its end",
                column.column_path()
            ));
        }
    }
    Ok(())
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// A read that failed is worth a retry; anything else is the file's fault.
pub(super) fn parquet_error(name: &str, error: &ParquetError) -> Error {
    if let ParquetError::External(source) = error
        && let Some(source) = source.downcast_ref::<std::io::Error>()
        && source.kind() != std::io::ErrorKind::UnexpectedEof
    {
        return Error::io(name, source);
    }
    damaged(name, Container::Parquet, error)
}
