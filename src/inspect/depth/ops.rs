//! `--ops`: the operators and what the built-in runtime has of each.
//!
//! Key `ops`: `{runtime, lacking, operators}`. `runtime` is the version that is spoken of; `lacking` is how
//! many of the operators it lacks; `operators` is a list of `{domain, name, count, in_subgraphs,
//! in_functions, opset, since, support}`, most frequent first. `opset` is the version that the model
//! imports of the domain, or null; `since` the opset that brought this version of the operator, or
//! null; `support` is `kernel`, `composed` (made of other operators), `local` (a function of the
//! model), `no_kernel`, `deprecated`, `unknown`, `newer_opset` or `other_domain`.

use serde_json::{Value, json};

use super::{heading, more};
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::inspect::table;
use crate::model::anatomy::{OperatorUse, Support, known_runtime};

pub(super) fn text(out: &mut String, operators: &[OperatorUse], top: usize) {
    heading(out, "OPERATORS");
    let heads = ["OPERATOR", "DOMAIN", "OPSET", "SINCE", "COUNT", "RUNTIME"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(operators.iter().take(top).map(row));
    table::append(out, &rows);
    more(out, operators.len(), top);
    let runtime = known_runtime();
    let lacking: Vec<String> = operators
        .iter()
        .filter(|operator| operator.support.is_lacking())
        .map(|operator| cut(&operator.name, LONGEST_NAME))
        .collect();
    let note = match lacking.is_empty() {
        true => format!("ONNX Runtime {runtime} has all of them; of dtypes --check tells"),
        false => format!(
            "note: ONNX Runtime {runtime} lacks {}",
            shown::list(&lacking, 200)
        ),
    };
    out.extend(["\n", &note, "\n"]);
}

fn row(operator: &OperatorUse) -> Vec<String> {
    let number = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
    vec![
        cut(&operator.name, LONGEST_NAME),
        cut(&operator.domain, LONGEST_NAME),
        number(operator.opset),
        number(operator.since),
        count(operator),
        support(operator.support).to_owned(),
    ]
}

/// `12 (3 in subgraphs)`.
fn count(operator: &OperatorUse) -> String {
    let mut places = Vec::new();
    for (count, place) in [
        (operator.in_subgraphs, "subgraphs"),
        (operator.in_functions, "functions"),
    ] {
        if count > 0 {
            places.push(format!("{count} in {place}"));
        }
    }
    match places.is_empty() {
        true => operator.count.to_string(),
        false => format!("{} ({})", operator.count, places.join(", ")),
    }
}

fn support(support: Support) -> &'static str {
    match support {
        Support::Kernel => "yes",
        Support::Composed => "yes, made of other operators",
        Support::Local => "a function of this model",
        Support::NoKernel => "no kernel on the CPU",
        Support::Deprecated => "deprecated in this opset",
        Support::Unknown => "no such operator in this opset",
        Support::NewerOpset => "the opset is too new",
        Support::OtherDomain => "only in a runtime built with this domain",
    }
}

pub(super) fn json(operators: &[OperatorUse]) -> Value {
    let lacking = operators.iter().filter(|o| o.support.is_lacking()).count();
    let operator = |o: &OperatorUse| {
        json!({
            "domain": o.domain,
            "name": o.name,
            "count": o.count,
            "in_subgraphs": o.in_subgraphs,
            "in_functions": o.in_functions,
            "opset": o.opset,
            "since": o.since,
            "support": o.support.word(),
        })
    };
    json!({
        "runtime": known_runtime(),
        "lacking": lacking,
        "operators": operators.iter().map(operator).collect::<Vec<_>>(),
    })
}
