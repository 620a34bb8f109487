//! A file as the parquet crate reads it.

use std::io::BufReader;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::disk::{At, Disk};

impl Length for Disk {
    fn len(&self) -> u64 {
        self.length()
    }
}

impl ChunkReader for Disk {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Only page headers are read this way, and they are short.
        Ok(BufReader::with_capacity(1024, self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.bytes(start, length)?.into())
    }
}
