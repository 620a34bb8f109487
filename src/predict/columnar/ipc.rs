//! Arrow IPC files, whose record batches are found by their footer.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, Message, MessageHeader, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::SchemaRef;

use super::ipc_columns::{Body, Column, is_known};
use super::segment::{Batches, Opening};
use super::{Container, damaged};
use crate::disk::Disk;
use crate::error::{Error, Result};

/// An open IPC file; clones share it.
#[derive(Clone)]
pub(super) struct IpcFile {
    disk: Disk,
    decoder: Arc<FileDecoder>,
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Arc<[Block]>,
    batches: Arc<[(Block, u64)]>,
    name: Arc<str>,
    container: Container,
}

/// Bytes of a record batch that is read as a whole; a larger one is read by columns.
const MOST_WHOLE_BYTES: u64 = 4 * 1024 * 1024;

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
        let found = Found {
            schema,
            version: footer.version(),
            dictionaries: footer.dictionaries().iter().flatten().copied().collect(),
            batches: footer.recordBatches().iter().flatten().copied().collect(),
        };
        IpcFile::with(disk, found, name, Container::IpcFile)
    }

    /// Opens a stream that lies in a file by going from message to message; `None` where that does
    /// not do: it is damaged, or its dictionaries change on the way.
    pub(super) fn of_stream(path: &Path, name: &str) -> Option<IpcFile> {
        let disk = Disk::open(path).ok()?;
        let found = Found::in_stream(&disk)?;
        IpcFile::with(disk, found, name, Container::IpcStream).ok()
    }

    fn with(disk: Disk, found: Found, name: &str, container: Container) -> Result<IpcFile> {
        let wrong = |text: String| damaged(name, container, text);
        let rows = |block: &Block| Ok((*block, rows(&disk, block)?));
        let batches: std::result::Result<_, String> = found.batches.iter().map(rows).collect();
        let mut file = IpcFile {
            decoder: Arc::new(FileDecoder::new(Arc::clone(&found.schema), found.version)),
            batches: batches.map_err(wrong)?,
            schema: found.schema,
            version: found.version,
            dictionaries: found.dictionaries.into(),
            disk,
            name: name.into(),
            container,
        };
        file.decoder = Arc::new(file.decoder_of(None).map_err(wrong)?);
        Ok(file)
    }

    /// What decodes record batches, or the column `root` of them.
    fn decoder_of(&self, root: Option<usize>) -> std::result::Result<FileDecoder, String> {
        let mut decoder = FileDecoder::new(Arc::clone(&self.schema), self.version);
        for block in self.dictionaries.iter() {
            let read = decoder.read_dictionary(block, &read(&self.disk, block)?);
            read.map_err(|error| error.to_string())?;
        }
        Ok(match root {
            Some(root) => decoder.with_projection(vec![root]),
            None => decoder,
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

    /// Whether record batch `index` is read by columns, in which case its rows cost memory only as
    /// they come.
    pub(super) fn is_by_columns(&self, index: usize) -> bool {
        let fields = self.schema.fields();
        self.bytes(index) > MOST_WHOLE_BYTES
            && fields
                .iter()
                .all(|field| is_known(field.data_type(), self.version))
    }

    /// How the rows of record batch `index` from `skip` on are decoded, `batch_rows` at a time.
    pub(super) fn openings(
        &self,
        index: usize,
        skip: u64,
        batch_rows: usize,
        roots: &[usize],
    ) -> Vec<Opening> {
        let opening = |roots: &[usize], open: fn(&IpcFile, &Wanted) -> Opened| -> Opening {
            let file = self.clone();
            let wanted = Wanted {
                index,
                skip: usize::try_from(skip).unwrap_or(usize::MAX),
                batch_rows,
                roots: roots.to_vec(),
            };
            Box::new(move || {
                open(&file, &wanted).map_err(|text| damaged(&file.name, file.container, text))
            })
        };
        if self.is_by_columns(index) && !roots.is_empty() {
            let columns = roots.chunks(1);
            columns
                .map(|root| opening(root, IpcFile::open_column))
                .collect()
        } else {
            vec![opening(roots, IpcFile::open_whole)]
        }
    }

    fn block(&self, index: usize) -> std::result::Result<(&Block, u64), String> {
        let batch = self.batches.get(index).ok_or("a record batch is gone")?;
        Ok((&batch.0, batch.1))
    }

    fn open_whole(&self, wanted: &Wanted) -> Opened {
        let (block, _) = self.block(wanted.index)?;
        let buffer = read(&self.disk, block)?;
        let batch = decode(&self.decoder, block, &buffer)?;
        let batch = batch.project(&wanted.roots);
        let batch = batch.map_err(|error| error.to_string())?;
        Ok(Box::new(
            slices(batch, wanted.skip, wanted.batch_rows).map(Ok),
        ))
    }

    /// One column alone.
    fn open_column(&self, wanted: &Wanted) -> Opened {
        let root = wanted.roots.first().copied().unwrap_or_default();
        let (block, rows) = self.block(wanted.index)?;
        let (start, metadata) = place(block)?;
        let head = self.disk.bytes(start, metadata);
        let head = head.map_err(|error| error.to_string())?;
        let message = message(&head)?;
        let (body, length) = (start + metadata as u64, self.bytes(wanted.index));
        if body
            .checked_add(length)
            .is_none_or(|end| end > self.disk.length())
        {
            return Err("a record batch lies beyond its end".to_owned());
        }
        let body = Body {
            disk: &self.disk,
            start: body,
            length,
            header: message
                .header_as_record_batch()
                .ok_or("a block that is no record batch")?,
            version: self.version,
        };
        let shares = body.shares(self.schema.fields());
        let shares = shares.ok_or("a record batch with too few buffers")?;
        let fields = self.schema.fields();
        let (field, share) = fields.get(root).zip(shares.get(root)).ok_or("no column")?;
        if let Some(column) = body.column(field, share)? {
            let rows = usize::try_from(rows).map_err(|_| "more rows than memory")?;
            return self.batches_of(column, rows, wanted);
        }
        // Of its buffers alone the bytes are read; the rest stays zeros that take no memory.
        let length = usize::try_from(body.length).map_err(|_| "a block of no size")?;
        let mut bytes = vec![0; metadata.checked_add(length).ok_or("a block of no size")?];
        let mut copy = |bytes_start: u64, length: usize| {
            let from = usize::try_from(bytes_start - start).map_err(|_| "a block of no size")?;
            let read = self.disk.bytes(bytes_start, length);
            let read = read.map_err(|error| error.to_string())?;
            let target = bytes.get_mut(from..from.saturating_add(length));
            target
                .ok_or("a buffer lies outside of its record batch")?
                .copy_from_slice(&read);
            Ok::<(), String>(())
        };
        copy(start, metadata)?;
        for buffer in share.buffers.clone() {
            let place = body.place(buffer)?;
            let length = usize::try_from(place.end - place.start);
            copy(place.start, length.map_err(|_| "a buffer of no size")?)?;
        }
        check(message, bytes.get(metadata..).unwrap_or_default())?;
        let decoder = self.decoder_of(Some(root))?;
        let batch = decode(&decoder, block, &bytes.into())?;
        Ok(Box::new(
            slices(batch, wanted.skip, wanted.batch_rows).map(Ok),
        ))
    }

    /// The rows of `column` behind those to be skipped.
    fn batches_of(&self, mut column: Column, rows: usize, wanted: &Wanted) -> Opened {
        let batch_rows = wanted.batch_rows.max(1);
        let mut skip = wanted.skip.min(rows);
        let mut rest = rows - skip;
        while skip > 0 {
            let part = skip.min(batch_rows);
            column.read(part)?;
            skip -= part;
        }
        let (name, container) = (Arc::clone(&self.name), self.container);
        Ok(Box::new(std::iter::from_fn(move || {
            let rows = rest.min(batch_rows);
            rest -= rows;
            let read = (rows > 0).then(|| column.read(rows));
            read.map(|read| read.map_err(|text| damaged(&name, container, text)))
        })))
    }
}

type Opened = std::result::Result<Batches, String>;

/// Which rows and columns of a record batch are wanted.
struct Wanted {
    index: usize,
    skip: usize,
    batch_rows: usize,
    roots: Vec<usize>,
}

/// What a file holds, as its footer or its messages say.
struct Found {
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
}

impl Found {
    /// Goes from message to message of a stream.
    fn in_stream(disk: &Disk) -> Option<Found> {
        let mut found: Option<Found> = None;
        let mut start = 0;
        while start < disk.length() {
            let prefix = disk.bytes(start, 4).ok()?;
            let (prefix, before) = if prefix == MARK {
                (disk.bytes(start + 4, 4).ok()?, 8)
            } else {
                (prefix, 4)
            };
            let length = i32::from_le_bytes(*prefix.first_chunk()?);
            if length == 0 {
                break;
            }
            let metadata = before + usize::try_from(length).ok()?;
            let head = disk.bytes(start, metadata).ok()?;
            let message = message(&head).ok()?;
            let body = message.bodyLength();
            let block = Block::new(
                i64::try_from(start).ok()?,
                i32::try_from(metadata).ok()?,
                body,
            );
            start = start.checked_add(metadata as u64)?;
            start = start.checked_add(u64::try_from(body).ok()?)?;
            match (&mut found, message.header_type()) {
                (None, MessageHeader::Schema) => {
                    let schema = message.header_as_schema()?;
                    schema
                        .endianness()
                        .equals_to_target_endianness()
                        .then_some(())?;
                    found = Some(Found {
                        schema: Arc::new(try_fb_to_schema(schema).ok()?),
                        version: message.version(),
                        dictionaries: Vec::new(),
                        batches: Vec::new(),
                    });
                }
                (Some(found), MessageHeader::RecordBatch) => found.batches.push(block),
                (Some(found), MessageHeader::DictionaryBatch) if found.batches.is_empty() => {
                    found.dictionaries.push(block);
                }
                _ => return None,
            }
        }
        found.filter(|_| start <= disk.length())
    }
}

fn decode(
    decoder: &FileDecoder,
    block: &Block,
    buffer: &Buffer,
) -> std::result::Result<RecordBatch, String> {
    let batch = decoder.read_record_batch(block, buffer);
    let batch = batch.map_err(|error| error.to_string())?;
    batch.ok_or_else(|| "a record batch is empty".to_owned())
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
