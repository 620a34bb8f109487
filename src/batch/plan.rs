//! Which column feeds which input: decided once, from the signature and the columns' names.
//!
//! What the user may say and what is decided; `planner` decides. The rules, in the user's words, are
//! in the README under "How columns find their inputs"; `predict --explain` prints the result.

use crate::model::dtype::Dtype;

use super::cell::CellRules;
use super::feed::{BatchAxis, Feed, How, Source};

/// What the user said about columns and values; the same words as the flags of `predict`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Columns of the one matrix input, in the model's order.
    pub features: Option<Vec<String>>,
    /// Columns that are no features but may be passed through.
    pub id: Vec<String>,
    pub label: Vec<String>,
    pub exclude: Vec<String>,
    /// The columns have no names of their own (`--no-header`): single columns are fed in order.
    pub by_position: bool,
    /// Score absent columns as missing.
    pub allow_missing_columns: bool,
    /// Inputs without a batch axis, as JSON.
    pub set: Vec<(String, String)>,
    /// What a missing cell of a column is read as.
    pub fill: Vec<(String, String)>,
    pub keep: Keep,
    pub cells: CellRules,
}

/// Which columns are copied to the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keep {
    /// What the model does not consume: ids, labels.
    #[default]
    Unused,
    All,
    None,
    List(Vec<String>),
}

/// What is known of a source's columns before its records are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    pub columns: Vec<String>,
    /// For each column whether the first record holds a JSON list there; empty where no record was
    /// seen.
    pub lists: Vec<bool>,
    /// Whether later records may have columns that are not listed here, as JSON objects do.
    pub open: bool,
}

impl From<Vec<String>> for Header {
    fn from(columns: Vec<String>) -> Self {
        Header {
            columns,
            ..Header::default()
        }
    }
}

/// The way from columns to inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The names of the source's columns.
    pub columns: Vec<String>,
    /// One for each model input, in the signature's order.
    pub feeds: Vec<Feed>,
    /// Columns that no feed reads.
    pub unused: Vec<usize>,
    /// Columns copied to the output, in the source's order.
    pub kept: Vec<usize>,
    /// Records of one run.
    pub batch: BatchAxis,
    pub cells: CellRules,
}

impl Plan {
    /// For each input whether its first axis counts records.
    pub fn counts_records(&self) -> Vec<bool> {
        self.feeds
            .iter()
            .map(|feed| !matches!(feed.how, How::Once(_)))
            .collect()
    }

    /// The sources of the row of input `feed`, where it is made of cells.
    pub(super) fn sources(&self, feed: usize) -> &[Source] {
        match self.feeds.get(feed).map(|feed| &feed.how) {
            Some(How::Cells { sources, .. }) => sources,
            _ => &[],
        }
    }

    /// The dtype that column `name` feeds.
    pub fn dtype_of(&self, name: &str) -> Option<Dtype> {
        let reads = |how: &How| match how {
            How::Cells { sources, .. } => sources.iter().any(|source| source.name == name),
            How::List { source, .. } => source.name == name,
            How::Once(_) => false,
        };
        let feed = self.feeds.iter().find(|feed| reads(&feed.how));
        feed.map(|feed| feed.dtype)
    }

    /// The names of the columns copied to the output.
    pub fn kept_names(&self) -> Vec<&str> {
        self.kept.iter().map(|index| self.column(*index)).collect()
    }

    /// The name of column `index`; empty for an index that is not one.
    pub fn column(&self, index: usize) -> &str {
        self.columns.get(index).map_or("", String::as_str)
    }
}
