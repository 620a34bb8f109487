//! What the window says about each column of the baseline.

use crate::profile::psi;
use crate::profile::summary::Summary;

use super::watch::Watch;

/// Below so many values an index is the chance of few records.
const ENOUGH: u64 = 500;

/// What a column is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Input,
    Prediction,
}

impl Kind {
    /// Its word in labels, JSON and the page.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Input => "input",
            Kind::Prediction => "prediction",
        }
    }
}

/// What was seen of a model.
pub struct Seen<'w> {
    /// Records of the window that were looked at.
    pub records: u64,
    pub columns: Vec<Column<'w>>,
}

/// What was seen of one column.
pub struct Column<'w> {
    pub kind: Kind,
    /// What the baseline says.
    pub before: &'w Summary,
    /// The index, where there are values enough.
    pub psi: Option<f64>,
    /// The share of missing values, where there are values.
    pub missing_ratio: Option<f64>,
    /// How often each bin of the baseline was met.
    pub counts: Vec<u64>,
}

impl Watch {
    /// What the window holds now.
    pub fn seen(&self) -> Seen<'_> {
        let (records, cells) = self.sum();
        let enough = ENOUGH.min(self.window / 2).max(1);
        let features = self.profile.features.iter().map(|one| (Kind::Input, one));
        let predictions = self.profile.predictions.iter();
        let predictions = predictions.map(|one| (Kind::Prediction, one));
        let mut cells = cells.as_slice();
        let columns = features.chain(predictions).map(|(kind, before)| {
            let expected = before.counts();
            let (here, others) = cells.split_at((1 + expected.len()).min(cells.len()));
            cells = others;
            let missing = here.first().copied().unwrap_or(0);
            let counts = here.get(1..).unwrap_or_default().to_vec();
            let there: u64 = counts.iter().sum();
            let all = missing + there;
            Column {
                kind,
                before,
                psi: (there >= enough)
                    .then(|| psi::psi(&expected, &counts))
                    .flatten(),
                missing_ratio: (all > 0).then(|| missing as f64 / all as f64),
                counts,
            }
        });
        Seen {
            records,
            columns: columns.collect(),
        }
    }
}
