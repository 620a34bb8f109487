//! Arrow IPC streams: messages one after the other, as they come over a pipe.
//!
//! The messages are taken apart here and decoded as a file's are: the crate's own stream reader
//! allocates what a message says it needs, before it knows that the bytes are there.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, MessageHeader};
use arrow_schema::SchemaRef;

use super::ipc::{MARK, check, message};
use super::{Container, damaged};
use crate::error::{Error, Result};

/// An IPC stream whose schema was read.
pub(super) struct IpcStream {
    source: BufReader<Box<dyn Read + Send>>,
    decoder: FileDecoder,
    schema: SchemaRef,
    name: Arc<str>,
}

/// A message with its body, and where the body starts.
struct Packet {
    bytes: Vec<u8>,
    metadata: usize,
    body: usize,
    header: MessageHeader,
}

impl IpcStream {
    /// Reads the schema.
    pub(super) fn open(source: Box<dyn Read + Send>, name: &str) -> Result<IpcStream> {
        let wrong = |text: String| damaged(name, Container::IpcStream, text);
        let mut source = BufReader::new(source);
        let packet = Packet::read(&mut source).map_err(|failure| failure.error(name))?;
        let packet = packet.ok_or_else(|| wrong("it is empty".to_owned()))?;
        let message = message(&packet.bytes).map_err(wrong)?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| wrong("it does not start with a schema".to_owned()))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(wrong("it has the other byte order".to_owned()));
        }
        let schema = try_fb_to_schema(schema).map_err(|error| wrong(error.to_string()))?;
        let schema = Arc::new(schema);
        Ok(IpcStream {
            decoder: FileDecoder::new(Arc::clone(&schema), message.version()),
            source,
            schema,
            name: name.into(),
        })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The columns `roots` of the next record batch.
    pub(super) fn next(&mut self, roots: &[usize]) -> Result<Option<RecordBatch>> {
        let name = Arc::clone(&self.name);
        let wrong = |text: String| damaged(&name, Container::IpcStream, text);
        loop {
            let packet = Packet::read(&mut self.source).map_err(|failure| failure.error(&name))?;
            let Some(packet) = packet else {
                return Ok(None);
            };
            let metadata = i32::try_from(packet.metadata).unwrap_or(i32::MAX);
            let block = Block::new(0, metadata, packet.body as i64);
            let buffer = Buffer::from(packet.bytes);
            if packet.header == MessageHeader::DictionaryBatch {
                let read = self.decoder.read_dictionary(&block, &buffer);
                read.map_err(|error| wrong(error.to_string()))?;
                continue;
            }
            let batch = self.decoder.read_record_batch(&block, &buffer);
            let batch = batch.and_then(|batch| batch.map(|batch| batch.project(roots)).transpose());
            let batch = batch.map_err(|error| wrong(error.to_string()))?;
            if batch.is_some() {
                return Ok(batch);
            }
        }
    }
}

impl Packet {
    /// The next message; `None` at the end, which a length of zero says, too.
    fn read(source: &mut impl Read) -> std::result::Result<Option<Packet>, Failure> {
        let mut bytes = take(source, 4)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes == MARK {
            bytes.extend(take(source, 4)?);
        }
        let length = match bytes.last_chunk::<4>() {
            Some(length) if bytes.len() % 4 == 0 => i32::from_le_bytes(*length),
            _ => return Err(Failure::cut()),
        };
        if length == 0 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| "a message of no size".to_owned())?;
        bytes.extend(take(source, length)?);
        let metadata = bytes.len();
        let (header, body) = {
            let message = message(&bytes)?;
            (message.header_type(), message.bodyLength())
        };
        let body = usize::try_from(body).map_err(|_| "a message of no size".to_owned())?;
        let read = source.take(body as u64).read_to_end(&mut bytes);
        if read.map_err(Failure::Io)? < body {
            return Err(Failure::cut());
        }
        check(message(&bytes)?, bytes.get(metadata..).unwrap_or_default())?;
        Ok(Some(Packet {
            bytes,
            metadata,
            body,
            header,
        }))
    }
}

/// At most `length` bytes: no more memory is taken than there are bytes.
fn take(source: &mut impl Read, length: usize) -> std::result::Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(length as u64).read_to_end(&mut bytes);
    read.map_err(Failure::Io)?;
    Ok(bytes)
}

/// Why a message cannot be had.
enum Failure {
    Io(io::Error),
    Damaged(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Failure::Damaged(text)
    }
}

impl Failure {
    fn cut() -> Failure {
        Failure::Damaged("it ends within a message".to_owned())
    }

    fn error(self, name: &str) -> Error {
        match self {
            Failure::Io(error) => Error::io(name, &error),
            Failure::Damaged(text) => damaged(name, Container::IpcStream, text),
        }
    }
}
