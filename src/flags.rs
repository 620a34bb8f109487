//! What the flags mean that several commands share: from what was typed to rules, wishes and choices.

use std::path::Path;

use crate::batch::cell::CellRules;
use crate::batch::columns::Wanted;
use crate::batch::decide::Activation;
use crate::batch::plan::{Keep, Rules};
use crate::cli::{
    ActivationName, NameList, Pair, PredictionArgs, RuntimeArgs, ServeArgs, TreesName, ValueArgs,
};
use crate::error::{Error, Result};
use crate::model::provider::{self, Asked};
use crate::model::runtime::RuntimeChoice;
use crate::model::trees::Choice;

/// Threads that this process may use: affinity and cgroup quota (v1 and v2, its own and its parents')
/// count, not the machine's cores. A quota of 2.5 cores is 2 threads: a third one would use the quota
/// up before its period ends, and all three would stand still for the rest of it.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs of models at once: as many as the flag says, else as many as leave the threads that one pool
/// adds inside runs their share, so that both together are what this process may use.
pub fn runs_at_once(flag: Option<u16>, intra_op: u16) -> usize {
    let helpers = usize::from(intra_op).saturating_sub(1);
    let rest = || available_threads().saturating_sub(helpers).max(1);
    flag.map_or_else(rest, usize::from)
}

/// Runs of models at once, over all models of `serve`.
pub fn serve_threads(args: &ServeArgs) -> usize {
    runs_at_once(args.hardware.threads, args.hardware.intra_op)
}

/// The runtime that the flags ask for, with `intra_op` threads inside one run.
///
/// # Errors
/// As [`provider::check`].
pub fn runtime_choice(args: &RuntimeArgs, intra_op: u16) -> Result<RuntimeChoice> {
    let asked = args.provider.iter().map(|typed| Asked {
        name: typed.name.clone(),
        options: typed.options.clone(),
    });
    let providers: Vec<Asked> = asked.collect();
    provider::check(&providers, &args.provider_library)?;
    Ok(RuntimeChoice {
        library: args.runtime.clone(),
        allow_known_bad: args.allow_known_bad_runtime,
        verbosity: args.verbose,
        intra_op: usize::from(intra_op),
        providers,
        provider_libraries: args.provider_library.clone(),
    })
}

/// What the flags let evaluate tree ensembles.
pub fn trees_choice(args: &RuntimeArgs) -> Choice {
    match args.trees {
        TreesName::Auto => Choice::Auto,
        TreesName::Ort => Choice::Ort,
    }
}

/// Rules that say how values are read, and nothing about columns.
///
/// # Errors
/// [`Error::Usage`] for a list file that cannot be read.
pub fn rules(values: &ValueArgs) -> Result<Rules> {
    Ok(Rules {
        fill: pairs(&values.fill),
        cells: CellRules {
            missing: names("--missing", values.missing.as_ref())?,
            missing_in_strings: values.missing_in_strings,
            lenient: values.lenient,
        },
        ..Rules::default()
    })
}

/// What is wanted of the predictions.
///
/// # Errors
/// [`Error::Usage`] for a list file that cannot be read, and a threshold that is no number.
pub fn wanted(predictions: &PredictionArgs) -> Result<Wanted> {
    if predictions.threshold.is_some_and(f64::is_nan) {
        return Err(Error::usage("--threshold: expected a number, found NaN"));
    }
    Ok(Wanted {
        outputs: optional("--outputs", predictions.outputs.as_ref())?,
        classes: optional("--classes", predictions.classes.as_ref())?,
        activation: predictions.activation.map(|name| match name {
            ActivationName::Sigmoid => Activation::Sigmoid,
            ActivationName::Softmax => Activation::Softmax,
        }),
        threshold: predictions.threshold,
        top: predictions.top.map(|most| most as usize),
        argmax: predictions.argmax,
    })
}

/// Which columns are copied.
///
/// # Errors
/// [`Error::Usage`] for a list file that cannot be read.
pub fn keep(list: &NameList) -> Result<Keep> {
    match list.0.as_str() {
        "unused" => Ok(Keep::Unused),
        "all" => Ok(Keep::All),
        "none" => Ok(Keep::None),
        _ => names("--keep", Some(list)).map(Keep::List),
    }
}

/// The pairs of flags such as `--set NAME=JSON`.
pub fn pairs(pairs: &[Pair]) -> Vec<(String, String)> {
    let pair = |pair: &Pair| (pair.name.clone(), pair.value.clone());
    pairs.iter().map(pair).collect()
}

/// The names of a list flag; none where it was not given.
///
/// # Errors
/// As [`optional`].
pub fn names(flag: &str, list: Option<&NameList>) -> Result<Vec<String>> {
    Ok(optional(flag, list)?.unwrap_or_default())
}

/// The names of a list flag: after commas, or one a line from `@FILE`.
///
/// # Errors
/// [`Error::Usage`] for a list that is empty or cannot be read.
pub fn optional(flag: &str, list: Option<&NameList>) -> Result<Option<Vec<String>>> {
    let Some(NameList(text)) = list else {
        return Ok(None);
    };
    let names: Vec<String> = match text.strip_prefix('@') {
        None => text.split(',').map(str::to_owned).collect(),
        Some(path) => {
            let file = std::fs::read_to_string(Path::new(path)).map_err(|source| {
                let error = Error::io(path, &source);
                let reason = error
                    .report()
                    .map_or(String::new(), |report| report.message.clone());
                Error::usage(format!("{flag} @{path}: {reason}"))
            })?;
            let lines = file.trim_start_matches('\u{feff}').lines();
            lines
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        }
    };
    if names.is_empty() {
        return Err(Error::usage(format!("{flag} {text}: the list is empty")));
    }
    Ok(Some(names))
}
