//! SHA-256 of files, as `sha256sum` prints it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The digest of the file at `path`, in hexadecimal.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn of_file(path: &Path) -> Result<String> {
    let digest = || {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut room = vec![0; 1 << 18];
        loop {
            let count = file.read(&mut room)?;
            if count == 0 {
                break;
            }
            hasher.update(room.get(..count).unwrap_or_default());
        }
        Ok(hex(&hasher.finalize()))
    };
    digest().map_err(|source| Error::io(path.display().to_string(), &source))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").expect("a file");
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(&path).expect("readable"), expected);
    }
}
