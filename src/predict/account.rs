//! What a run has done so far: records, rejects, missing values. Added up in input order, so that it
//! is the same whatever `--jobs` says.

use crate::batch::encode::Missing;

use crate::predict::score::reject::Counts;
use crate::predict::score::scorer::Scored;

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Records that were read, rejects included.
    pub records: u64,
    pub rejects: Counts,
    pub missing: Missing,
    /// Bytes of the sources, as they are after decompression and decoding.
    pub bytes: u64,
}

impl Account {
    /// Adds a scored block.
    pub fn add(&mut self, scored: &Scored) {
        self.records += scored.records;
        self.missing.cells += scored.missing.cells;
        self.missing.nan += scored.missing.nan;
        self.bytes += scored.bytes;
        for reject in &scored.rejects {
            self.rejects.add(reject.code);
        }
    }

    /// Records that were scored.
    pub fn scored(&self) -> u64 {
        self.records.saturating_sub(self.rejects.total())
    }
}
