//! `mlserve inspect`: what goes into a model, what comes out and what is inside.
//!
//! ```text
//! file -> facts (-> check: ONNX Runtime, one made-up batch) -> text | JSON | example
//! ```
//!
//! Only the file is read; ONNX Runtime is started for `--check` alone. The parts that flags such as
//! `--weights` ask for are `depth`; `--diff` reads two files and says what changed. The text is for people
//! and may change; the JSON (`json.rs` lists its keys) is for programs and is stable.

mod check;
mod depth;
mod diff;
pub(crate) mod example;
mod json;
pub(crate) mod ports;
pub(crate) mod shown;
mod table;
mod text;

use std::io::{self, Write};

use crate::cli::{ExampleKind, InspectArgs};
use crate::error::{Error, Result, escape_controls};
use crate::flags;
use crate::model::Model;
use crate::model::onnx::{self, Facts};
use crate::model::trees::{Evaluated, foretell};

use check::Checked;
use depth::Depth;

/// Runs `mlserve inspect`.
///
/// # Errors
/// [`Error::Model`] for a file that is no model, and, after the report, for `--check` whatever keeps
/// ONNX Runtime from loading it; for `--diff` [`Error::Data`] where callers break.
pub fn run(args: &InspectArgs) -> Result<()> {
    let facts = onnx::read(&args.model)?;
    if let Some(kind) = args.example {
        return print_example(&facts, kind).map_err(|error| error.at(args.model.display()));
    }
    if let Some(new) = &args.diff {
        return diff::run(&facts, new, args);
    }
    let trees = flags::trees_choice(&args.runtime);
    let choice = flags::runtime_choice(&args.runtime, 1)?;
    let checked = args.check.then(|| check::check(&facts, &choice, trees));
    // What a load showed counts more than what the file lets expect.
    let evaluated = match checked
        .as_ref()
        .and_then(|checked| checked.evaluated.clone())
    {
        Some(evaluated) => evaluated,
        None => foretell(&facts, trees)?,
    };
    let depth = depth::look(&facts, &args.depth)?;
    let told = Told {
        facts: &facts,
        evaluated: &evaluated,
        checked: checked.as_ref(),
        depth: depth.as_ref(),
    };
    let report = if args.json {
        json::text(&told)?
    } else {
        text::text(&told)?
    };
    print(&report)?;
    checked.map_or(Ok(()), |checked| checked.loaded)
}

/// All that a report tells of.
struct Told<'a> {
    facts: &'a Facts,
    /// What evaluates the tree ensembles.
    evaluated: &'a Evaluated,
    /// After `--check`: what ONNX Runtime said.
    checked: Option<&'a Checked>,
    /// The parts that were asked for.
    depth: Option<&'a Depth>,
}

/// What `--json` prints of a loaded model, on one line, with its name and version instead of its path.
///
/// # Errors
/// As the report itself.
pub(crate) fn description(model: &Model, named: (&str, &str)) -> Result<String> {
    json::description(model, named)
}

fn print_example(facts: &Facts, kind: ExampleKind) -> Result<()> {
    let example = example::example(facts, kind)?;
    for flag in &example.flags {
        // A note that nobody can read is no reason to fail.
        let _ = writeln!(
            io::stderr(),
            "note: the model also wants {}",
            escape_controls(flag)
        );
    }
    print(&example.text)
}

/// Not `print!`, which panics when the reader of a pipe goes away.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    written.map_err(|source| Error::io("standard output", &source))
}
