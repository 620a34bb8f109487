//! Parquet and Arrow IPC, in and out: the only folder that names the arrow and parquet crates.
//!
//! ```text
//! input (blocks) -> decode (any thread) -> view -> batch::typed::encode
//!                                       '-> kept (arrays | cells | members)
//! output (fields -> arrays) -> writer (Parquet, IPC file, IPC stream)
//! ```

mod disk;
pub mod input;
mod ipc;
mod ipc_columns;
mod kept;
pub mod output;

mod pages;
mod parquet_file;
mod row_group;
mod segment;
mod stream;
mod types;
mod view;
mod writer;

pub use arrow_array::ArrayRef;
pub use arrow_schema::{FieldRef, SchemaRef};
pub use input::{Block, Reader, Table};
pub use kept::Cells;
pub use view::{column, flat};
pub use writer::Writer;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::error::{Error, Result};

/// The columnar containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Parquet,
    /// Arrow IPC with a footer, also called Feather (version 2).
    IpcFile,
    /// Arrow IPC as it comes over a pipe.
    IpcStream,
}

impl Container {
    /// The container that a file of this name holds.
    pub fn of_name(name: &str) -> Option<Container> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "parquet" | "pq" | "parq" => Some(Container::Parquet),
            "arrow" | "feather" | "ipc" => Some(Container::IpcFile),
            "arrows" => Some(Container::IpcStream),
            _ => None,
        }
    }

    /// The container that starts with these bytes; eight are enough.
    pub fn of_start(start: &[u8]) -> Option<Container> {
        match start {
            [b'P', b'A', b'R', b'1', ..] => Some(Container::Parquet),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Container::IpcFile),
            // The mark of a message, then its length: no text starts like that.
            [0xff, 0xff, 0xff, 0xff, ..] => Some(Container::IpcStream),
            _ => None,
        }
    }

    /// What errors call it.
    pub fn words(self) -> &'static str {
        match self {
            Container::Parquet => "a Parquet file",
            Container::IpcFile => "an Arrow IPC file",
            Container::IpcStream => "an Arrow IPC stream",
        }
    }
}

/// The error of a file that is damaged, or not what its name says.
fn damaged(name: &str, container: Container, text: impl std::fmt::Display) -> Error {
    let text = text.to_string();
    let text = text.lines().next().unwrap_or_default();
    Error::data(
        name,
        format!("damaged, or not {}: {text}", container.words()),
    )
}

thread_local! {
    /// Whether the thread is in a decoder whose panics are caught.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does `job`; a panic of a decoder that a hostile file drove into a corner becomes an error.
fn guarded<T>(name: &str, container: Container, job: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        // What is caught and told as an error must not be told as a panic before.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                hook(info);
            }
        }));
    });
    GUARDED.set(true);
    // The state that a panic leaves behind is never looked at again.
    let done = panic::catch_unwind(AssertUnwindSafe(job));
    GUARDED.set(false);
    done.unwrap_or_else(|_| Err(damaged(name, container, "its parts contradict each other")))
}

#[cfg(test)]
mod tests;
