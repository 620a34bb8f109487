//! One worker's job, and what decides how it is done.
//!
//! ```text
//! look (once: first records -> layout) -> scorer ( intake -> Model::run -> rejects, insight -> output )
//! ```

pub mod hint;
pub mod insight;
pub mod look;
pub mod reject;
pub mod scorer;
