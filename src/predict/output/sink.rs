//! Where predictions go: standard output, or a file that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

use crate::predict::interrupt;
use crate::predict::output::journal;

/// An open output.
pub struct Sink {
    target: Target,
    name: String,
    /// Bytes written so far, those of earlier runs included.
    bytes: u64,
}

enum Target {
    Stdout,
    /// A pipe or device, written through.
    Through(File),
    /// Beside the final path until it is whole, also between two runs.
    Partial {
        file: File,
        path: PathBuf,
        partial: PathBuf,
    },
    /// Beside the final path until it is whole.
    Temporary {
        file: NamedTempFile,
        path: PathBuf,
    },
}

impl Sink {
    /// Opens the output; nothing of that name is touched before [`Sink::finish`].
    ///
    /// # Errors
    /// [`Error::Io`] where the folder or the file cannot be written.
    pub fn open(path: Option<&Path>) -> Result<Sink> {
        let Some(path) = path.filter(|path| !is_stdout(path)) else {
            return Ok(Sink {
                target: Target::Stdout,
                name: "stdout".to_owned(),
                bytes: 0,
            });
        };
        let name = path.display().to_string();
        let target = open_target(path).map_err(|source| Error::io(name.as_str(), &source))?;
        Ok(Sink {
            target,
            name,
            bytes: 0,
        })
    }

    /// Opens the output that `path` will be, and what an earlier run has left of it: its first `kept`
    /// bytes, behind which this one goes on.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written, is shorter than that, or another run is writing it.
    pub fn open_partial(path: &Path, kept: u64) -> Result<Sink> {
        let path = final_path(path)?;
        let partial = journal::partial(&path);
        let name = partial.display().to_string();
        let file = open_rest(&partial, kept).map_err(|source| Error::io(name.as_str(), &source))?;
        if let Ok(existing) = fs::metadata(&path) {
            // Where it cannot be had, the rights of a new file are as good.
            let _ = file.set_permissions(existing.permissions());
        }
        Ok(Sink {
            target: Target::Partial {
                file,
                path,
                partial,
            },
            name,
            bytes: kept,
        })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes written so far, those of earlier runs included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Brings what was written to the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&mut self) -> Result<()> {
        match &mut self.target {
            Target::Partial { file, .. } => file.sync_data().map_err(|source| self.failed(&source)),
            Target::Stdout | Target::Through(_) | Target::Temporary { .. } => Ok(()),
        }
    }

    /// Writes `text` after what was written before.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::ClosedPipe`] when nobody reads any more.
    pub fn write(&mut self, text: &[u8]) -> Result<()> {
        let written = self.write_all(text);
        written.map_err(|source| self.failed(&source))
    }

    /// Makes what was written final: for a file, flushed to the disk and put in place of the old
    /// one in one step.
    ///
    /// # Errors
    /// [`Error::Io`]; the old file is then still there.
    pub fn finish(self) -> Result<()> {
        let name = self.name;
        let failed = |source: &io::Error| Error::io(name.as_str(), source);
        match self.target {
            Target::Stdout => io::stdout()
                .lock()
                .flush()
                .map_err(|source| failed(&source)),
            Target::Through(mut file) => file.flush().map_err(|source| failed(&source)),
            Target::Partial {
                file,
                path,
                partial,
            } => {
                file.sync_all().map_err(|source| failed(&source))?;
                fs::rename(&partial, &path).map_err(|source| failed(&source))?;
                // Where a folder cannot be opened, its entries reach the disk in their own time.
                let folder = File::open(folder_of(&path));
                let _ = folder.and_then(|folder| folder.sync_all());
                Ok(())
            }
            Target::Temporary { file, path } => {
                file.as_file()
                    .sync_all()
                    .map_err(|source| failed(&source))?;
                let temporary = file.path().to_owned();
                let persisted = file.persist(&path);
                interrupt::no_longer(&temporary);
                persisted.map(|_| ()).map_err(|error| failed(&error.error))
            }
        }
    }

    fn failed(&self, source: &io::Error) -> Error {
        Error::io(self.name.as_str(), source)
    }
}

/// For writers that know no more than this; [`Sink::write`] has the better errors.
impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.write_all(text).map(|()| text.len())
    }

    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.bytes += text.len() as u64;
        match &mut self.target {
            Target::Stdout => {
                // Line by line is for text; a reader waits for what a batch of a table ends with.
                let mut stdout = io::stdout().lock();
                stdout.write_all(text).and_then(|()| stdout.flush())
            }
            Target::Through(file) | Target::Partial { file, .. } => file.write_all(text),
            Target::Temporary { file, .. } => file.write_all(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Stdout => io::stdout().lock().flush(),
            Target::Through(_) | Target::Partial { .. } | Target::Temporary { .. } => Ok(()),
        }
    }
}

/// The names of standard output. Opening them anew would write over what is there already.
fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .contains(&path.to_str().unwrap_or_default())
}

/// A regular file, also behind a symbolic link, is replaced as a whole; anything else is written
/// through.
fn open_target(path: &Path) -> io::Result<Target> {
    let is_device = path.starts_with("/dev") || path.starts_with("/proc");
    if is_device || fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        // Appending, so that what another program has written to the same open file stays.
        return OpenOptions::new()
            .append(true)
            .open(path)
            .map(Target::Through);
    }
    let path = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            // A link to a file that is yet to come; a circle of links is another error.
            Ok(target) => return open_target(&folder_of(path).join(target)),
            Err(_) => path.to_owned(),
        },
        Err(error) => return Err(error),
    };
    let existing = fs::metadata(&path).ok();
    if existing.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(io::Error::other("expected a file, found a folder"));
    }
    let folder = folder_of(&path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mlserve.").suffix(".tmp");
    let permissions = existing.map(|meta| meta.permissions());
    let create = || create(&builder, folder, permissions);
    let file = interrupt::remove_on_signal(create, NamedTempFile::path)?;
    Ok(Target::Temporary { file, path })
}

/// Where the output of a run that can be resumed will be: a regular file, behind all links.
///
/// # Errors
/// [`Error::Usage`] for a pipe or a device, which keeps nothing.
pub fn final_path(path: &Path) -> Result<PathBuf> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&path) {
        Ok(meta) if !meta.is_file() => Err(Error::usage(format!(
            "--resume: {} is no regular file, and keeps nothing to go on with",
            path.display()
        ))),
        _ => Ok(path),
    }
}

/// The file at `path` without what is behind its first `kept` bytes, to be written there. Locked, so
/// that two runs of one job never write into each other.
fn open_rest(path: &Path, kept: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path)?;
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        return Err(io::Error::other("another run is writing it"));
    }
    if !is_at(&file, path) {
        return Err(io::Error::other("another run has just finished it"));
    }
    match file.metadata()?.len() {
        length if length >= kept => {}
        0 => {
            return Err(io::Error::other(
                "gone, though its journal is there; --force starts anew",
            ));
        }
        _ => {
            return Err(io::Error::other(format!(
                "shorter than the {kept} bytes that its journal says; --force starts anew"
            )));
        }
    }
    file.set_len(kept)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Whether `file` is still what is called `path`: it may have got another name before it was locked.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => number(open) == number(there),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// The folder that `path` lies in.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The temporary file, with the rights that the final one will have: those of the file it
/// replaces, else those that any new file gets.
#[cfg(unix)]
fn create(
    builder: &tempfile::Builder<'_, '_>,
    folder: &Path,
    existing: Option<fs::Permissions>,
) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mode = existing
        .as_ref()
        .map_or(0o666, |permissions| permissions.mode() & 0o777);
    let open = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
    };
    let file = builder.make_in(folder, open)?;
    let (file, path) = file.into_parts();
    if let Some(permissions) = existing {
        file.set_permissions(permissions)?;
    }
    Ok(NamedTempFile::from_parts(file, path))
}

#[cfg(not(unix))]
fn create(
    builder: &tempfile::Builder<'_, '_>,
    folder: &Path,
    _: Option<fs::Permissions>,
) -> io::Result<NamedTempFile> {
    builder.tempfile_in(folder)
}
