//! A model file's bytes, memory-mapped: only the pages that are read cost time and memory.
#![expect(unsafe_code, reason = "memory-mapping a file is unsafe by nature")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps the whole of `file`, which must be a regular file.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private. Its bytes change only if another process writes to
    // the file while we look, which memmap2 documents as the caller's risk: we hand out `&[u8]`
    // alone, check every length we read from it, and never use it as `str` without decoding it, so
    // changed bytes make a wrong or failed reading of the model. A file that is cut short while it
    // is read ends the process with SIGBUS, as it would in ONNX Runtime, which maps weights too.
    unsafe { Mmap::map(file) }
}
