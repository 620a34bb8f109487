//! Arrow IPC files, whose record batches are found by their footer.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, Message, root_as_footer, root_as_message};
use arrow_schema::SchemaRef;

use super::segment::Opening;
use super::{Container, damaged};
use crate::error::{Error, Result};
use crate::predict::input::disk::Disk;

/// An open IPC file; clones share it.
#[derive(Clone)]
pub(super) struct IpcFile {
    disk: Disk,
    decoder: Arc<FileDecoder>,
    schema: SchemaRef,
    batches: Arc<[(Block, u64)]>,
    name: Arc<str>,
}

/// What messages start with.
pub(super) const MARK: [u8; 4] = [0xff; 4];

/// Bytes after the footer: its length and the file's mark.
const TRAILER: u64 = 10;

impl IpcFile {
    /// Opens the file, reads its footer, its dictionaries and how long its batches are.
    pub(super) fn open(path: &Path, name: &str) -> Result<IpcFile> {
        let wrong = |text: String| damaged(name, Container::IpcFile, text);
        let disk = Disk::open(path).map_err(|error| Error::io(name, &error))?;
        let footer = footer(&disk).map_err(wrong)?;
        let footer = root_as_footer(&footer).map_err(|error| wrong(error.to_string()))?;
        let schema = footer
            .schema()
            .ok_or_else(|| wrong("it has no schema".to_owned()))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(wrong("it has the other byte order".to_owned()));
        }
        let schema = Arc::new(try_fb_to_schema(schema).map_err(|error| wrong(error.to_string()))?);
        let mut decoder = FileDecoder::new(Arc::clone(&schema), footer.version());
        for block in footer.dictionaries().iter().flatten() {
            let buffer = read(&disk, block).map_err(wrong)?;
            decoder
                .read_dictionary(block, &buffer)
                .map_err(|error| wrong(error.to_string()))?;
        }
        let blocks = footer.recordBatches();
        let batches = blocks
            .iter()
            .flatten()
            .map(|block| Ok((*block, rows(&disk, block)?)));
        Ok(IpcFile {
            batches: batches
                .collect::<std::result::Result<_, String>>()
                .map_err(wrong)?,
            disk,
            decoder: Arc::new(decoder),
            schema,
            name: name.into(),
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn length(&self) -> u64 {
        self.disk.length()
    }

    /// Rows of each record batch.
    pub(super) fn rows(&self) -> Vec<u64> {
        self.batches.iter().map(|(_, rows)| *rows).collect()
    }

    /// Bytes of record batch `index`, which it has in memory, too.
    pub(super) fn bytes(&self, index: usize) -> u64 {
        let block = self.batches.get(index).map(|(block, _)| block);
        block.map_or(0, |block| {
            u64::try_from(block.bodyLength()).unwrap_or_default()
        })
    }

    /// How the rows of record batch `index` from `skip` on are decoded, `batch_rows` at a time.
    pub(super) fn opening(
        &self,
        index: usize,
        skip: u64,
        batch_rows: usize,
        roots: &[usize],
    ) -> Opening {
        let file = self.clone();
        let roots = roots.to_vec();
        Box::new(move || {
            let wrong = |text: String| damaged(&file.name, Container::IpcFile, text);
            let (block, _) = file
                .batches
                .get(index)
                .ok_or_else(|| wrong("a record batch is gone".to_owned()))?;
            let buffer = read(&file.disk, block).map_err(wrong)?;
            let batch = file
                .decoder
                .read_record_batch(block, &buffer)
                .and_then(|batch| batch.map(|batch| batch.project(&roots)).transpose())
                .map_err(|error| wrong(error.to_string()))?;
            let batch = batch.ok_or_else(|| wrong("a record batch is empty".to_owned()))?;
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            Ok(Box::new(slices(batch, skip, batch_rows).map(Ok)))
        })
    }
}

/// The rows of `batch` from `skip` on, at most `most` at a time; nothing is copied.
pub(super) fn slices(
    batch: RecordBatch,
    skip: usize,
    most: usize,
) -> impl Iterator<Item = RecordBatch> + Send {
    let starts = (skip..batch.num_rows()).step_by(most.max(1));
    starts.map(move |start| batch.slice(start, most.min(batch.num_rows() - start)))
}

/// The footer's bytes.
fn footer(disk: &Disk) -> std::result::Result<Vec<u8>, String> {
    let start = disk
        .length()
        .checked_sub(TRAILER)
        .ok_or("it is too short")?;
    let trailer = disk
        .bytes(start, TRAILER as usize)
        .map_err(|error| error.to_string())?;
    let trailer = trailer.try_into().map_err(|_| "it is too short")?;
    let length = read_footer_length(trailer).map_err(|error| error.to_string())?;
    let start = start
        .checked_sub(length as u64)
        .ok_or("its footer is longer than itself")?;
    disk.bytes(start, length).map_err(|error| error.to_string())
}

/// The message of `block` with its body.
fn read(disk: &Disk, block: &Block) -> std::result::Result<Buffer, String> {
    let (start, metadata) = place(block)?;
    let body = usize::try_from(block.bodyLength()).map_err(|_| "a block of no size")?;
    let length = metadata.checked_add(body).ok_or("a block of no size")?;
    let bytes = disk
        .bytes(start, length)
        .map_err(|error| error.to_string())?;
    let (head, tail) = bytes.split_at_checked(metadata).unwrap_or_default();
    check(message(head)?, tail)?;
    Ok(bytes.into())
}

/// The message that starts with its length, and before it a mark, in files since 2019.
pub(super) fn message(bytes: &[u8]) -> std::result::Result<Message<'_>, String> {
    let message = match bytes.get(..4) {
        Some(mark) if *mark == MARK => bytes.get(8..),
        _ => bytes.get(4..),
    };
    root_as_message(message.unwrap_or_default()).map_err(|error| error.to_string())
}

/// The buffers of a message must lie in its body, and unpack to what they can hold: the decoder
/// panics at the one and allocates the other.
pub(super) fn check(message: Message<'_>, body: &[u8]) -> std::result::Result<(), String> {
    let dictionary = message.header_as_dictionary_batch();
    let batch = match dictionary {
        Some(dictionary) => dictionary.data(),
        None => message.header_as_record_batch(),
    };
    let Some(batch) = batch else {
        return Ok(());
    };
    let is_packed = batch.compression().is_some();
    for buffer in batch.buffers().iter().flatten() {
        let start = usize::try_from(buffer.offset()).ok();
        let range = start.zip(usize::try_from(buffer.length()).ok());
        let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
        let bytes = range.and_then(|range| body.get(range));
        let bytes = bytes.ok_or("a buffer lies outside of its record batch")?;
        if is_packed && unpacked(bytes) > most_unpacked(bytes.len()) {
            return Err("a buffer says that it is larger than it can be".to_owned());
        }
    }
    Ok(())
}

/// The length that a compressed buffer starts with; -1 stands for one that is not.
fn unpacked(bytes: &[u8]) -> u64 {
    let length = bytes
        .first_chunk()
        .map_or(0, |length| i64::from_le_bytes(*length));
    match length {
        -1 => 0,
        length => u64::try_from(length).unwrap_or(u64::MAX),
    }
}

/// Zeros are the best that can be compressed: zstd makes one byte of some 13,000.
fn most_unpacked(length: usize) -> u64 {
    (64 << 20) + 20_000 * length as u64
}

fn place(block: &Block) -> std::result::Result<(u64, usize), String> {
    let start = u64::try_from(block.offset()).map_err(|_| "a block without a place")?;
    let metadata = usize::try_from(block.metaDataLength()).map_err(|_| "a block of no size")?;
    Ok((start, metadata))
}

/// Rows of the record batch of `block`, as its message says.
fn rows(disk: &Disk, block: &Block) -> std::result::Result<u64, String> {
    let (start, length) = place(block)?;
    let bytes = disk
        .bytes(start, length)
        .map_err(|error| error.to_string())?;
    let message = message(&bytes)?;
    let batch = message.header_as_record_batch();
    let rows = batch.map(|batch| batch.length());
    rows.and_then(|rows| u64::try_from(rows).ok())
        .ok_or_else(|| "a block that is no record batch".to_owned())
}
