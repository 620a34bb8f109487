//! Where the embedded library is unpacked to: a file in the user's cache folder, made once; where
//! there is no such folder to rely on, memory; where there is neither, a temporary folder.
//!
//! Whoever can write the unpacked file runs code as this user, so the folder and the file must be
//! ours and nobody else's to write (`owner.rs`), and the file's content must be what was embedded.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Source, embedded};

#[cfg(target_os = "linux")]
mod memory;
mod owner;

/// The places to unpack to, best first.
///
/// Measured start of the runtime on a 2-core machine: from the cache file 16 ms; from memory or a
/// temporary folder 110 ms, since the library is unpacked each time; unpacked to the cache 150 ms.
#[cfg(target_os = "linux")]
pub(super) const PLACES: [Place; 3] = [Place::Cache, Place::Memory, Place::Temporary];
#[cfg(not(target_os = "linux"))]
pub(super) const PLACES: [Place; 2] = [Place::Cache, Place::Temporary];

/// A place to unpack the library to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Cache,
    #[cfg(target_os = "linux")]
    Memory,
    Temporary,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Cache => "the cache folder",
            #[cfg(target_os = "linux")]
            Place::Memory => "memory",
            Place::Temporary => "a temporary folder",
        })
    }
}

impl Place {
    /// Puts the library there, or finds it there; else says why this place will not do.
    pub(super) fn hold(self, content: &Content) -> Result<Held, String> {
        match self {
            Place::Cache => hold_in_cache(content),
            #[cfg(target_os = "linux")]
            Place::Memory => memory::hold(content).map_err(|error| error.to_string()),
            Place::Temporary => hold_in_temporary(content).map_err(|error| error.to_string()),
        }
    }
}

/// What is embedded: one zstd frame, and what must come out of it.
pub(super) struct Content<'a> {
    pub(super) packed: &'a [u8],
    pub(super) version: &'a str,
    pub(super) sha256: &'a str,
    pub(super) length_bytes: u64,
}

impl Content<'static> {
    pub(super) fn embedded() -> Self {
        Content {
            packed: embedded::LIBRARY,
            version: embedded::VERSION,
            sha256: embedded::SHA256,
            length_bytes: embedded::LENGTH_BYTES,
        }
    }
}

impl Content<'_> {
    /// The unpacked file's name: the hash tells apart what two builds embed; the version is there
    /// for whoever clears the folder out.
    fn file_name(&self) -> String {
        let (version, hash) = (self.version, &self.sha256[..32]);
        format!("onnxruntime-{version}-{hash}{}", env::consts::DLL_SUFFIX)
    }

    /// Writes the unpacked library to `to`. The frame's own checksum and the length tell a damaged
    /// program file; for what is to be kept, `unpack_checked` compares the hash as well.
    fn unpack(&self, to: &mut impl Write) -> io::Result<()> {
        let length_bytes = io::copy(&mut zstd::stream::read::Decoder::new(self.packed)?, to)?;
        if length_bytes != self.length_bytes {
            return Err(damaged());
        }
        Ok(())
    }

    /// Writes the unpacked library to `to`, and makes sure that it has the hash it is named by.
    fn unpack_checked(&self, to: &mut impl Write) -> io::Result<()> {
        let poured = pour(zstd::stream::read::Decoder::new(self.packed)?, to)?;
        if poured != (self.length_bytes, self.sha256.to_owned()) {
            return Err(damaged());
        }
        Ok(())
    }

    /// Whether the file's whole content is the embedded library.
    fn is_in(&self, path: &Path) -> bool {
        File::open(path)
            .and_then(|file| pour(file, &mut io::sink()))
            .is_ok_and(|poured| poured == (self.length_bytes, self.sha256.to_owned()))
    }
}

fn damaged() -> io::Error {
    io::Error::other("the embedded ONNX Runtime is damaged; install mlserve again")
}

/// Copies everything, and returns its length and its SHA-256.
fn pour(mut from: impl Read, to: &mut impl Write) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut length_bytes = 0;
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        length_bytes += count as u64;
    }
    let hash = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((length_bytes, hash))
}

/// The unpacked library, there to be loaded as long as this lives.
pub(super) struct Held {
    path: PathBuf,
    source: Source,
    /// What vanishes with this value; a loaded library stays loaded all the same. Windows cannot
    /// remove a loaded library, and leaves the temporary folder to its disk clean-up.
    _keep: Option<Keep>,
}

/// What an unpacked library that is for this process only lives in.
#[expect(dead_code, reason = "held for what its drop does")]
enum Keep {
    #[cfg(target_os = "linux")]
    Memory(File),
    Folder(tempfile::TempDir),
}

impl Held {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn source(&self) -> Source {
        self.source.clone()
    }

    /// Removes a cached file that could not be loaded, if its content is to blame, so that the next
    /// start makes it anew. A whole file that this system will not run is left alone.
    pub(super) fn discard_if_damaged(&self, content: &Content) {
        if matches!(self.source, Source::Cached(_)) && !content.is_in(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

// The cache folder.

/// Where this user's cache is, after the conventions of each system; none when the environment does
/// not say. Relative paths are passed over, as the XDG specification asks.
fn cache_folder(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(own) = folder("MLSERVE_CACHE_DIR") {
        return Some(own);
    }
    let base = match os {
        "windows" => folder("LOCALAPPDATA"),
        "macos" => folder("HOME").map(|home| home.join("Library/Caches")),
        _ => folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache"))),
    };
    base.map(|base| base.join("mlserve"))
}

fn hold_in_cache(content: &Content) -> Result<Held, String> {
    let folder = cache_folder(env::consts::OS, |name| env::var_os(name))
        .ok_or("neither MLSERVE_CACHE_DIR nor the user's home folder is known")?;
    let path = cached_file(&folder, content)?;
    Ok(Held {
        source: Source::Cached(path.clone()),
        path,
        _keep: None,
    })
}

/// The library's file in `folder`, checked, or made if it is missing or will not do.
fn cached_file(folder: &Path, content: &Content) -> Result<PathBuf, String> {
    let folder = owner::private_folder(folder)?;
    let path = folder.join(content.file_name());
    if check(&path, content) {
        return Ok(path);
    }
    let placed = write_private(&folder, &path, |file| {
        content.unpack_checked(file)?;
        // Without it, a power cut could leave a file of the right length full of zeros.
        file.sync_all()
    });
    match placed {
        Ok(()) => leave_stamp(&path, content),
        // Another process may have put the same file there first, and on Windows it may be in use.
        Err(_) if check(&path, content) => {}
        Err(error) => return Err(format!("cannot write {}: {error}", path.display())),
    }
    Ok(path)
}

/// Whether the file at `path` can be loaded as it is.
///
/// Hashing 35 MB takes 25 ms with the processor's help and 100 ms without, more than all the rest
/// of a start. So the hash is taken once, and then a stamp beside the file records its change
/// times. On Unix, any program that writes to a file moves its ctime, which no program can set back
/// (only the clock can, and a write in the same tick of it, some 4 ms, as the unpacking). What a
/// stamp does not see is a disk that returns other bytes than were written, and that is the file
/// system's to detect. Comparing samples of the content instead would miss most damage; a fast hash
/// of everything still reads 35 MB (5 ms).
fn check(path: &Path, content: &Content) -> bool {
    // Not `metadata`: a link could point at a file that is ours and yet not for running.
    let Ok(facts) = fs::symlink_metadata(path) else {
        return false;
    };
    if !facts.is_file() || !owner::is_ours_alone(&facts) || facts.len() != content.length_bytes {
        return false;
    }
    if fs::read_to_string(stamp_path(path)).is_ok_and(|found| found == stamp(&facts, content)) {
        return true;
    }
    let whole = content.is_in(path);
    if whole {
        leave_stamp(path, content);
    }
    whole
}

/// Records that the file at `path` was found whole as it is now. Not being able to is no failure:
/// the next start hashes the file again.
fn leave_stamp(path: &Path, content: &Content) {
    if let (Some(folder), Ok(facts)) = (path.parent(), fs::symlink_metadata(path)) {
        let text = stamp(&facts, content);
        let _ = write_private(folder, &stamp_path(path), |file| {
            file.write_all(text.as_bytes())
        });
    }
}

fn stamp_path(path: &Path) -> PathBuf {
    path.with_added_extension("checked")
}

fn stamp(facts: &Metadata, content: &Content) -> String {
    format!("{} {}\n", content.sha256, owner::change_times(facts))
}

/// Writes a file that only we can use, under another name first, so that no other process ever sees
/// half of it: the last of two at once wins, and both wrote the same.
fn write_private(
    folder: &Path,
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    // tempfile makes it with mode 0600 and O_EXCL, and removes it when anything below fails.
    let mut file = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempfile_in(folder)?;
    fill(file.as_file_mut())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

// A temporary folder.

fn hold_in_temporary(content: &Content) -> io::Result<Held> {
    // tempfile makes it with mode 0700 and a name that nobody can foresee.
    let folder = tempfile::Builder::new().prefix("mlserve-").tempdir()?;
    let path = folder.path().join(content.file_name());
    content.unpack(&mut File::create_new(&path)?)?;
    Ok(Held {
        path,
        source: Source::Temporary,
        _keep: Some(Keep::Folder(folder)),
    })
}

#[cfg(test)]
mod tests;
