//! mlserve: puts trained models (ONNX) to work.
//!
//! This is the inside of the program, open to its tests, benches and fuzz targets; there is no
//! promise of a stable API.
//!
//! # The way of the data
//!
//! ```text
//! predict   files|stdin -> blocks -> [ records -> plan -> groups -> Model::run -> fields -> text|table ] -> sink
//!                                    '------------ one worker, one pass, nothing shared -----------'
//! serve     socket -> head, body -> route -> dialect -> records | tensors -> [ plan -> groups -> Model::run -> fields ]
//!                                                  '-> dialect -> socket
//! inspect   file -> facts -> signature -> text | JSON            (no session needed)
//!
//! Model::run   tensors -> ONNX Runtime ( any operators, and ours where tree ensembles were ) -> values
//!                      '-> trees::kernel alone, where the graph is nothing but an ensemble -'
//! ```
//!
//! # Layout
//!
//! | module | owns |
//! |---|---|
//! | [`error`] | the one error type: place, message, hint, exit code |
//! | [`trees`] | tree ensembles: from attributes to a kernel; knows neither ONNX files nor ONNX Runtime |
//! | [`model`] | everything that knows ONNX and ONNX Runtime: facts, signature, session, runtime |
//! | [`batch`] | records to tensors and back: plan, cells, groups, fields; knows neither files nor HTTP |
//! | [`profile`] | figures of what a model sees and says, and how far others are from them |
//! | [`predict`] | the command: input, text, score, output; tables; what is told of a run |
//! | [`serve`] | the command: the socket, the dialects, the models that are served |
//! | [`inspect`] | the command: text, JSON, check, examples |
//! | [`numpy`] | NPY and NPZ, in and out |
//! | [`disk`] | a file that threads read at given positions |
//! | [`cli`] | the clap types: help, man pages, completions |
//! | [`flags`] | what flags mean that several commands share |
//! | [`allocator`] | how freed memory is kept, set once by `main` |
//!
//! Imports go one way, down, which `tests/it/layers.rs` checks:
//!
//! ```text
//! main -> predict | serve -> inspect -> batch -> model -> trees, error
//!                     (profile, numpy, flags, cli)
//! ```

pub mod allocator;
pub mod batch;
pub mod cli;
pub mod disk;
pub mod error;
pub mod flags;
pub mod inspect;
pub mod model;
pub mod numpy;
pub mod predict;
pub mod profile;
pub mod serve;
pub mod trees;
