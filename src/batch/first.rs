//! The first run: what it returns decides the columns of the output.

use super::columns::{Layout, Wanted};
use super::encode::Group;
use super::feed::BatchAxis;
use super::plan::Plan;
use crate::error::Result;
use crate::model::Model;
use crate::model::tensor::Tensor;

/// Records of the first run, or of zeros that stand for them: they will be scored again with their
/// block, so few; more than one, so that an output of a single row is told from rows of records.
const FEW: usize = 7;

/// What the first records go through.
pub struct FirstRun<'f> {
    pub model: &'f Model,
    /// Records of one run.
    pub batch: BatchAxis,
    /// For each input whether its first axis counts records.
    pub counts: &'f [bool],
}

/// Lays out the predictions by what the model returns for `group`, the first records; for zeros
/// where there are no records.
///
/// # Errors
/// Flags that fit no output.
pub fn layout(model: &Model, plan: &Plan, group: Option<Group>, wanted: &Wanted) -> Result<Layout> {
    let way = FirstRun {
        model,
        batch: plan.batch,
        counts: &plan.counts_records(),
    };
    let laid_out = match &group {
        Some(group) => way.layout(group, wanted),
        None => Group::of_zeros(plan, FEW).and_then(|zeros| way.layout_of(&zeros, wanted)),
    };
    // What cannot run can still be laid out; why it cannot comes out when the block is scored.
    laid_out.unwrap_or_else(|| Layout::declared(model.signature(), plan.batch, wanted))
}

/// What the fields of `layout` hold for the first records, or for zeros; `None` where the model
/// refuses them.
pub fn outputs(
    model: &Model,
    plan: &Plan,
    group: Option<Group>,
    layout: &Layout,
) -> Option<Vec<Tensor>> {
    let few = match &group {
        Some(group) => group.first(FEW, &plan.counts_records(), plan.batch),
        None => Group::of_zeros(plan, FEW)?,
    };
    let values = model.run(&few.inputs).ok()?;
    layout.arrange(values, few.rows(plan.batch)).ok()
}

impl FirstRun<'_> {
    /// The layout by a run of the first records of `group`, or of the first of them that the model
    /// accepts alone; `None` where it accepts none.
    pub fn layout(&self, group: &Group, wanted: &Wanted) -> Option<Result<Layout>> {
        let few = group.first(FEW, self.counts, self.batch);
        let alone = |record| group.part(record..record + 1, self.counts, self.batch);
        self.layout_of(&few, wanted).or_else(|| {
            (0..group.records).find_map(|record| self.layout_of(&alone(record), wanted))
        })
    }

    /// The layout of a run; `None` where the model refuses the records.
    fn layout_of(&self, group: &Group, wanted: &Wanted) -> Option<Result<Layout>> {
        let values = self.model.run(&group.inputs).ok()?;
        let rows = group.rows(self.batch);
        let doubled = || self.model.run(&group.doubled(self.counts).inputs);
        Some(Layout::new(
            self.model.signature(),
            &values,
            rows,
            self.batch,
            wanted,
            doubled,
        ))
    }
}
