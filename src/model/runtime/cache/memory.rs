//! A file in memory (memfd) to load the library from: needs no folder, no home and no write access,
//! and nobody else can reach it.

#![expect(
    unsafe_code,
    reason = "memfd_create has no safe form in the standard library"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use super::{Content, Held, Keep, Source};

/// Unpacks the library into memory; its path is good while the result lives.
pub(super) fn hold(content: &Content) -> io::Result<Held> {
    let mut file = memory_file()?;
    content.unpack(&mut file)?;
    Ok(Held {
        path: PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
        source: Source::Memory,
        _keep: Some(Keep::Memory(file)),
    })
}

fn memory_file() -> io::Result<File> {
    // Since Linux 6.3 an administrator may ask for memfds to be non-executable unless they say
    // otherwise (vm.memfd_noexec); older kernels do not know the flag and refuse it.
    create(libc::MFD_CLOEXEC | libc::MFD_EXEC).or_else(|_| create(libc::MFD_CLOEXEC))
}

fn create(flags: libc::c_uint) -> io::Result<File> {
    // SAFETY: the name is a null-terminated string, which the call only reads.
    let descriptor = unsafe { libc::memfd_create(c"mlserve-onnxruntime".as_ptr(), flags) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just made this descriptor, and nothing else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}
