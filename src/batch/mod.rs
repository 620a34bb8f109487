//! Records to tensors and back: the middle of the way that `predict` and `serve` share.
//!
//! Knows neither files nor HTTP: a record is a row of [`cell::Cell`]s, a prediction is a row of
//! [`columns::Field`]s.
//!
//! ```text
//! cells -> plan -> encode -> run (Model::run) -> columns (decide) -> write
//! ```

mod buffer;
pub mod cell;
pub mod columns;
pub mod decide;
pub mod element;
pub mod encode;
pub mod feed;
pub mod first;
pub mod group;
pub mod json;
pub mod lanes;
pub mod names;
pub mod nested;
mod number;
pub mod once;
pub mod plan;
mod planner;
pub mod run;
pub mod spelling;
pub mod typed;
pub mod write;
