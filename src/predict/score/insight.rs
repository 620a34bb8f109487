//! What a run learns about its predictions, where `--label`, `--report`, `--profile` or `--manifest` asks for
//! it:
//! added up block by block in input order, with bounded memory.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::columns::Layout;
use crate::batch::encode::Group;
use crate::batch::plan::Plan;
use crate::model::tensor::Tensor;

use crate::predict::evaluate::{Judge, Metrics, Tally};
use crate::predict::report::Profile;
use crate::profile::gathering::{Gather, Gathering};

/// What there is to learn.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// Holds predictions against the truth.
    pub judge: Option<Arc<Judge>>,
    /// Whether distributions are looked at.
    pub profile: bool,
    /// What is gathered for others to compare with.
    pub gather: Option<Arc<Gather>>,
}

/// What one block has answered.
#[derive(Debug, Default)]
pub struct Answers {
    tallies: Vec<Tally>,
    profile: Profile,
    gathering: Option<Gathering>,
}

impl Questions {
    /// Whether there is nothing to learn.
    pub fn is_empty(&self) -> bool {
        self.judge.is_none() && !self.profile && self.gather.is_none()
    }
}

impl Answers {
    /// Looks at one run of the model: `truths` are the labels of its records, as they come next, and
    /// `place` is that of the first of them in the input.
    pub fn look(
        &mut self,
        questions: &Questions,
        (plan, layout): (&Plan, &Layout),
        (group, outputs): (&Group, &[Tensor]),
        (truths, place): (&[Option<&[u8]>], u64),
    ) {
        if let Some(judge) = &questions.judge {
            self.tallies
                .push(judge.tally(truths, outputs, group.records));
        }
        if questions.profile {
            self.profile
                .merge(Profile::of(plan, layout, group, outputs));
        }
        if let Some(gather) = &questions.gather {
            let gathering = self.gathering.get_or_insert_with(|| Gathering::new(gather));
            gathering.look(&gather.columns, (group, outputs), place);
        }
    }
}

/// What a whole run has learnt.
#[derive(Debug, Default)]
pub struct Insight {
    judged: Option<(Arc<Judge>, Tally)>,
    pub profile: Profile,
    /// What was gathered, as the first source has its columns.
    pub gathered: Option<(Arc<Gather>, Gathering)>,
    /// Time since the start, and the records until then.
    pub throughput: Vec<(f64, u64)>,
}

/// Points of the throughput that are kept; every second one goes when there are more.
const MOST_POINTS: usize = 512;

impl Insight {
    /// Adds the answers of the next block.
    pub fn add(&mut self, questions: &Questions, answers: Answers) {
        if let Some(judge) = &questions.judge {
            let (judge, whole) = self
                .judged
                .get_or_insert_with(|| (Arc::clone(judge), judge.start()));
            for tally in answers.tallies {
                whole.merge(tally, judge);
            }
        }
        self.profile.merge(answers.profile);
        if let (Some(gather), Some(later)) = (&questions.gather, answers.gathering) {
            let (first, whole) = self
                .gathered
                .get_or_insert_with(|| (Arc::clone(gather), Gathering::new(gather)));
            match first.columns.are_as(&gather.columns) {
                true => whole.merge(&later, gather),
                false => whole.unlike += later.records,
            }
        }
    }

    /// Notes that `records` were scored after `elapsed`.
    pub fn note_time(&mut self, elapsed: Duration, records: u64) {
        if self.throughput.len() >= MOST_POINTS {
            let mut is_even = false;
            self.throughput.retain(|_| {
                is_even = !is_even;
                is_even
            });
        }
        self.throughput.push((elapsed.as_secs_f64(), records));
    }

    /// The metrics, where there was a truth to hold predictions against.
    pub fn metrics(&mut self) -> Option<Metrics> {
        let (judge, tally) = self.judged.take()?;
        Some(tally.finish(&judge))
    }
}
