//! Where records come from: files, folders and pipes, opened one after the other, text and tables alike.
//!
//! ```text
//! files -> source (packing, encoding) -> opened (plan) -> feeder -> pieces of records
//! ```

pub mod digest;
pub mod feeder;
pub mod files;
pub mod opened;
pub mod pipe;
pub mod route;
pub mod source;
mod steady;
pub mod tables;
