//! NPY and NPZ, in and out: arrays with the records along their first axis.
//!
//! ```text
//! input (blocks of bytes) -> decode (any thread) -> values -> batch::typed::encode
//! output (fields -> spools, one for each array) -> NPY or NPZ, once the rows are counted
//! ```

mod header;
pub mod input;
mod literal;
pub mod output;
mod values;
mod zipped;

pub use input::{Block, Reader, Table};
pub use output::Writer;

/// The NumPy containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// One array.
    Npy,
    /// Named arrays in a ZIP file.
    Npz,
}

impl Container {
    /// The container that a file of this name holds.
    pub fn of_name(name: &str) -> Option<Container> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "npy" => Some(Container::Npy),
            "npz" => Some(Container::Npz),
            _ => None,
        }
    }

    /// The container that starts with these bytes; eight are enough.
    pub fn of_start(start: &[u8]) -> Option<Container> {
        match start {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Container::Npy),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Container::Npz),
            _ => None,
        }
    }

    /// What errors call it.
    pub fn words(self) -> &'static str {
        match self {
            Container::Npy => "an NPY array",
            Container::Npz => "an NPZ file",
        }
    }
}

#[cfg(test)]
mod tests;
