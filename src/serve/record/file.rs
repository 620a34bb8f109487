//! A file of lines that makes room: full, it becomes FILE.1, what was FILE.1 becomes FILE.2, and so on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file that is written now.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines that it holds.
    bytes: u64,
    most_bytes: u64,
    keep: usize,
    /// A pipe or a device is only written to.
    is_file: bool,
}

impl Rotating {
    /// Opens `path`, of which others read nothing, behind what it holds.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(path: &Path, most_bytes: u64, keep: usize) -> io::Result<Rotating> {
        let file = open(path)?;
        let meta = file.metadata()?;
        let mut rotating = Rotating {
            path: path.to_owned(),
            file,
            bytes: meta.len(),
            most_bytes,
            keep,
            is_file: meta.is_file(),
        };
        if rotating.is_file && rotating.bytes > 0 {
            // A process that was killed may have left a part of a line.
            let mut last = [0];
            rotating.file.seek(SeekFrom::End(-1))?;
            rotating.file.read_exact(&mut last)?;
            if last != *b"\n" {
                rotating.append(b"\n")?;
            }
        }
        Ok(rotating)
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// What the system says; how many bytes of the lines are written then is the second value, and no
    /// part of a line is.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), (io::Error, usize)> {
        let mut done = 0;
        while let Some(left) = lines.get(done..).filter(|left| !left.is_empty()) {
            let fitting = self.fitting(left);
            if fitting == 0 {
                self.rotate().map_err(|error| (error, done))?;
                continue;
            }
            let portion = left.get(..fitting).unwrap_or_default();
            self.append(portion).map_err(|error| (error, done))?;
            done += fitting;
        }
        Ok(())
    }

    /// Bytes of `lines` that the file has room for; at least a line where it is empty.
    fn fitting(&self, lines: &[u8]) -> usize {
        let room = self.most_bytes.saturating_sub(self.bytes);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if !self.is_file || lines.len() <= room {
            return lines.len();
        }
        let before = lines.get(..room).unwrap_or_default();
        match memchr::memrchr(b'\n', before) {
            Some(end) => end + 1,
            None if self.bytes == 0 => {
                memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1)
            }
            None => 0,
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                if self.is_file {
                    // The disk is full, and the part of a line that still fitted is none.
                    let _ = self.file.set_len(self.bytes);
                }
                Err(error)
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        match self.keep {
            0 => fs::remove_file(&self.path)?,
            _ => rename(&self.path, &self.numbered(1))?,
        }
        self.file = open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What clients sent is for the owner of the process alone.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // A pipe cannot be opened for both by one end.
    let is_file = fs::metadata(path).map_or(true, |meta| meta.is_file());
    options.read(is_file);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    #[cfg(unix)]
    if is_file {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut texts: Vec<(String, String)> = entries
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).expect("text");
                (entry.file_name().to_string_lossy().into_owned(), text)
            })
            .collect();
        texts.sort();
        texts
    }

    #[test]
    fn full_files_are_renamed_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.jsonl");
        let mut file = Rotating::open(&path, 10, 2).expect("a file");
        file.write(b"1234\n5678\nabcd\n").expect("written");
        file.write(b"longer than a file\n").expect("written");
        file.write(b"x\n").expect("written");
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let expected = [
            text("r.jsonl", "x\n"),
            text("r.jsonl.1", "longer than a file\n"),
            text("r.jsonl.2", "abcd\n"),
        ];
        assert_eq!(texts(folder.path()), expected);
        // What is there is gone on with, and a line that was cut off is ended.
        fs::write(&path, "cut").expect("written");
        let mut file = Rotating::open(&path, 10, 2).expect("a file");
        file.write(b"y\n").expect("written");
        assert_eq!(texts(folder.path())[0], text("r.jsonl", "cut\ny\n"));
    }

    #[test]
    fn without_any_to_keep_a_full_file_is_begun_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = Rotating::open(&folder.path().join("r"), 4, 0).expect("a file");
        file.write(b"abc\nd\n").expect("written");
        assert_eq!(texts(folder.path()), [("r".to_owned(), "d\n".to_owned())]);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r");
        fs::write(&path, "old\n").expect("written");
        let mut file = Rotating::open(&path, 8, 1).expect("a file");
        file.write(b"more\nand more\n").expect("written");
        for name in ["r", "r.1"] {
            let meta = fs::metadata(folder.path().join(name)).expect("a file");
            assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
}
