//! Records as text, in and out: where they end, what is in them, and how they are written.
//!
//! ```text
//! bytes -> cut (scan, window) -> block -> intake ( batch::lanes | rows, object ) -> tensors, kept cells
//!                                                                 lines <- predictions
//! ```

pub mod cut;
pub mod encoding;
pub mod intake;
pub mod lines;
pub mod object;
pub mod packing;
pub mod passthrough;
pub mod rows;
mod scan;
mod window;
