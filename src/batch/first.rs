//! The first run: what it returns decides the columns of the output.

use super::columns::{Layout, Wanted};
use super::encode::Group;
use super::plan::Plan;
use crate::error::Result;
use crate::model::Model;
use crate::model::tensor::Tensor;

/// Records of the first run, or of zeros that stand for them: they will be scored again with their
/// block, so few; more than one, so that an output of a single row is told from rows of records.
const FEW: usize = 7;

/// Lays out the predictions by what the model returns for `group`, the first records; for zeros
/// where there are no records.
///
/// # Errors
/// Flags that fit no output.
pub fn layout(model: &Model, plan: &Plan, group: Option<Group>, wanted: &Wanted) -> Result<Layout> {
    let laid_out = match &group {
        Some(group) => {
            let few = group.first(FEW, &plan.counts_records(), plan.batch);
            run(model, plan, &few, wanted).or_else(|| run_alone(model, plan, group, wanted))
        }
        None => Group::of_zeros(plan, FEW).and_then(|zeros| run(model, plan, &zeros, wanted)),
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

/// The layout of a run; `None` where the model refuses the records.
fn run(model: &Model, plan: &Plan, group: &Group, wanted: &Wanted) -> Option<Result<Layout>> {
    let values = model.run(&group.inputs).ok()?;
    let rows = group.rows(plan.batch);
    let doubled = || model.run(&group.doubled(&plan.counts_records()).inputs);
    Some(Layout::new(
        model.signature(),
        &values,
        rows,
        plan.batch,
        wanted,
        doubled,
    ))
}

/// The layout of the first record that the model accepts alone.
fn run_alone(model: &Model, plan: &Plan, group: &Group, wanted: &Wanted) -> Option<Result<Layout>> {
    let counts = plan.counts_records();
    let alone = |record| group.part(record..record + 1, &counts, plan.batch);
    (0..group.records).find_map(|record| run(model, plan, &alone(record), wanted))
}
