//! `--memory` and `--flops`: what a run costs at each batch size.
//!
//! Key `memory`: a list of `{batch, weight_bytes, peak_bytes, peak_at, values, unknown_values}`, one for
//! each batch size. `peak_bytes` is the most that values between operators take at once, inputs and
//! outputs included; `peak_at` is the node at which that is, or null; `unknown_values` of the `values`
//! have no known size and are not in it.
//!
//! Key `flops`: a list of `{batch, macs, flops, uncounted_nodes, operators}`; `operators` is a list of
//! `{domain, name, count, uncounted, macs, flops}`, most multiplications first. `macs` are
//! multiplications with an addition each; `flops` count these twice, and what goes element by element.

use serde_json::{Value, json};

use super::{heading, more};
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::inspect::table;
use crate::model::anatomy::{Cost, Work};

pub(super) fn memory(out: &mut String, costs: &[Cost]) {
    heading(out, "MEMORY OF A RUN (estimate)");
    let heads = ["BATCH", "WEIGHTS", "VALUES AT MOST", "BOTH", "MOST AT"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(costs.iter().map(|cost| {
        let memory = &cost.memory;
        let at = memory.peak_at.as_deref().unwrap_or("the inputs");
        vec![
            cost.batch.to_string(),
            shown::bytes(cost.weight_bytes),
            shown::bytes(memory.peak_bytes),
            shown::bytes(cost.weight_bytes.saturating_add(memory.peak_bytes)),
            cut(at, LONGEST_NAME),
        ]
    }));
    table::append(out, &rows);
    let memory = costs.first().map(|cost| &cost.memory);
    if let Some(memory) = memory.filter(|memory| memory.unknown > 0) {
        out.push_str(&format!(
            "note: {} of {} values have no known size and are not counted; --dim NAME=N gives a free \
             dimension a size\n",
            memory.unknown, memory.values
        ));
    }
}

pub(super) fn flops(out: &mut String, costs: &[Cost], top: usize) {
    for cost in costs {
        let title = format!(
            "ARITHMETIC OF A RUN OF {}",
            shown::plural(cost.batch as usize, "record")
        );
        heading(out, &title.to_uppercase());
        let (macs, flops) = total(cost);
        let heads = ["OPERATOR", "COUNT", "MACS", "FLOPS", "SHARE"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(cost.work.iter().take(top).map(|work| row(work, flops)));
        rows.push(vec![
            "all".to_owned(),
            cost.work
                .iter()
                .map(|work| work.count)
                .sum::<usize>()
                .to_string(),
            shown::count(macs),
            shown::count(flops),
            String::new(),
        ]);
        table::append(out, &rows);
        more(out, cost.work.len(), top);
    }
    uncounted(out, costs);
}

fn row(work: &Work, all: u64) -> Vec<String> {
    let share = 100.0 * work.flops as f64 / all.max(1) as f64;
    let is_counted = work.uncounted < work.count;
    let text = |text: String| if is_counted { text } else { "?".to_owned() };
    vec![
        cut(&work.operator, LONGEST_NAME),
        work.count.to_string(),
        text(shown::count(work.macs)),
        text(shown::count(work.flops)),
        text(format!("{share:.1} %")),
    ]
}

/// Says what is not in the sums.
fn uncounted(out: &mut String, costs: &[Cost]) {
    let works = costs.first().into_iter().flat_map(|cost| &cost.work);
    let missing = works.filter(|work| work.uncounted > 0);
    let missing: Vec<String> = missing
        .map(|work| match work.uncounted {
            1 => cut(&work.operator, LONGEST_NAME),
            times => format!("{} x{times}", cut(&work.operator, LONGEST_NAME)),
        })
        .collect();
    if !missing.is_empty() {
        out.push_str(&format!(
            "note: not counted: {}\n",
            shown::list(&missing, 200)
        ));
    }
}

fn total(cost: &Cost) -> (u64, u64) {
    cost.work
        .iter()
        .fold((0, 0), |(macs, flops): (u64, u64), work| {
            (
                macs.saturating_add(work.macs),
                flops.saturating_add(work.flops),
            )
        })
}

pub(super) fn memory_json(costs: &[Cost]) -> Value {
    let one = |cost: &Cost| {
        json!({
            "batch": cost.batch,
            "weight_bytes": cost.weight_bytes,
            "peak_bytes": cost.memory.peak_bytes,
            "peak_at": cost.memory.peak_at,
            "values": cost.memory.values,
            "unknown_values": cost.memory.unknown,
        })
    };
    costs.iter().map(one).collect()
}

pub(super) fn flops_json(costs: &[Cost]) -> Value {
    let operator = |work: &Work| {
        json!({
            "domain": work.domain,
            "name": work.operator,
            "count": work.count,
            "uncounted": work.uncounted,
            "macs": work.macs,
            "flops": work.flops,
        })
    };
    let one = |cost: &Cost| {
        let (macs, flops) = total(cost);
        json!({
            "batch": cost.batch,
            "macs": macs,
            "flops": flops,
            "uncounted_nodes": cost.work.iter().map(|work| work.uncounted).sum::<usize>(),
            "operators": cost.work.iter().map(operator).collect::<Vec<_>>(),
        })
    };
    costs.iter().map(one).collect()
}
