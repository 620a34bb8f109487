//! Where the pages of a column chunk lie, and what it takes to have one of them in memory.
//!
//! A file may say where its pages are, and most do not; the headers of the pages always do.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use parquet::column::page::{PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use std::sync::Arc;

use crate::disk::Disk;

/// The pages of a column chunk.
pub(super) struct Pages {
    /// The pages with values, in their order.
    pub(super) locations: Vec<PageLocation>,
    /// Bytes in memory, nearly, of the dictionary and the largest page.
    pub(super) held_bytes: u64,
}

impl Pages {
    /// Walks over the headers of a chunk of `rows` rows; `None` where they do not say which rows a
    /// page holds (pages of lists), or what they say does not fit together.
    pub(super) fn of(disk: &Disk, column: &ColumnChunkMetaData, rows: u64) -> Option<Pages> {
        if column.column_descr().max_rep_level() > 0 {
            return None;
        }
        let headers = Arc::new(Headers {
            disk: disk.clone(),
            last: Mutex::new(0),
        });
        let rows = usize::try_from(rows).ok()?;
        let mut walk = SerializedPageReader::new(Arc::clone(&headers), column, rows, None).ok()?;
        let mut starts: Vec<(u64, Option<u64>)> = Vec::new();
        while let Some(page) = walk.peek_next_page().ok()? {
            starts.push((headers.last(), first_rows(&page)));
            walk.skip_next_page().ok()?;
        }
        let (start, length) = column.byte_range();
        let ends = starts.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([start.checked_add(length)?]);
        let (mut locations, mut row) = (Vec::new(), 0_u64);
        let (mut dictionary, mut largest) = (0, 0);
        for ((start, rows), end) in starts.iter().zip(ends) {
            let size = end.checked_sub(*start)?;
            let Some(rows) = rows else {
                dictionary = size;
                continue;
            };
            largest = size.max(largest);
            locations.push(PageLocation {
                offset: i64::try_from(*start).ok()?,
                compressed_page_size: i32::try_from(size).ok()?,
                first_row_index: i64::try_from(row).ok()?,
            });
            row = row.checked_add(*rows)?;
        }
        (row == rows as u64).then(|| Pages {
            locations,
            held_bytes: unpacked(column, dictionary + largest),
        })
    }
}

/// Rows of a page, where no value is a list; `None` for a dictionary.
fn first_rows(page: &PageMetadata) -> Option<u64> {
    let rows = page.num_rows.or(page.num_levels).unwrap_or_default();
    (!page.is_dict).then_some(rows as u64)
}

/// What `bytes` of a chunk become in memory, if all of it is compressed alike.
fn unpacked(column: &ColumnChunkMetaData, bytes: u64) -> u64 {
    let size = |size: i64| u64::try_from(size).unwrap_or_default().max(1);
    let (packed, plain) = (
        size(column.compressed_size()),
        size(column.uncompressed_size()),
    );
    let ratio = (plain as f64 / packed as f64).max(1.0);
    (bytes as f64 * ratio) as u64
}

/// Remembers where the last header was read: the crate counts pages, and tells no places.
struct Headers {
    disk: Disk,
    last: Mutex<u64>,
}

impl Headers {
    fn last(&self) -> u64 {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Length for Headers {
    fn len(&self) -> u64 {
        self.disk.len()
    }
}

impl ChunkReader for Headers {
    type T = <Disk as ChunkReader>::T;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = start;
        self.disk.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.disk.get_bytes(start, length)
    }
}
