//! mlserve: puts trained models (ONNX) to work.
//!
//! For the program, its tests, benches and fuzz targets; no promise of a stable API.
//!
//! Imports go one way, down:
//!
//! ```text
//! main -> predict | inspect -> batch -> model -> error
//! ```

pub mod batch;
pub mod cli;
pub mod error;
pub mod inspect;
pub mod model;
pub mod predict;
