//! A file that must not change while it is read: what was scored would then be neither the old file
//! nor the new one.

use std::fs::File;
use std::io::{self, Read};

/// A regular file, read from its start to its end.
pub(super) struct Steady {
    file: File,
    /// Its length when it was opened.
    length: u64,
    read: u64,
}

impl Steady {
    /// Watches `file`, whose length is `length`.
    pub(super) fn new(file: File, length: u64) -> Steady {
        Steady {
            file,
            length,
            read: 0,
        }
    }

    fn changed(&self, how: &str) -> io::Error {
        io::Error::other(format!(
            "the file has become {how} while it was read: it had {} bytes",
            self.length
        ))
    }
}

impl Read for Steady {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(out)?;
        self.read += count as u64;
        if self.read > self.length {
            return Err(self.changed("longer"));
        }
        if count == 0 && !out.is_empty() && self.read < self.length {
            return Err(self.changed("shorter"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_an_error() {
        for (before, after, what) in [
            ("a,b\n1,2\n", "a,b\n1,2\n", None),
            ("a,b\n1,2\n", "a,b\n", Some("shorter")),
            ("a,b\n1,2\n", "a,b\n1,2\n3,4\n", Some("longer")),
        ] {
            let mut path = tempfile::NamedTempFile::new().expect("a file");
            path.write_all(before.as_bytes()).expect("written");
            let file = File::open(path.path()).expect("the file");
            let mut steady = Steady::new(file, before.len() as u64);
            let mut first = [0; 2];
            steady.read_exact(&mut first).expect("two bytes");
            std::fs::write(path.path(), after).expect("a change");
            let mut rest = String::new();
            match (steady.read_to_string(&mut rest), what) {
                (Ok(_), None) => assert_eq!(rest, &after[2..]),
                (Err(error), Some(what)) => assert!(error.to_string().contains(what), "{error}"),
                (read, _) => panic!("{before:?} to {after:?}: {read:?}"),
            }
        }
    }
}
