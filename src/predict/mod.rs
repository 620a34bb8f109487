//! `mlserve predict`: files or a pipe in, predictions out, in input order, on all cores.
//!
//! ```text
//! source -> cut (blocks) -> order ( score: rows -> encode -> Model::run -> layout -> text ) -> sink
//! ```

#[cfg(feature = "columnar")]
pub mod columnar;
pub mod cut;
pub mod disk;
pub mod explain;
pub mod feeder;
pub mod first;
pub mod format;
pub mod hint;
pub mod interrupt;
pub mod numpy;
pub mod object;
pub mod opened;
pub mod options;
pub mod order;
pub mod passthrough;
pub mod progress;
pub mod rows;
mod scan;
pub mod score;
pub mod sink;
pub mod source;

use std::path::PathBuf;

use crate::batch::columns::Layout;
use crate::cli::PredictArgs;
use crate::error::{Error, Result};
use crate::model::{Model, onnx};

use feeder::Feeder;
use opened::Opened;
use options::Options;
use order::Workers;
use progress::Progress;
use score::Scored;
use sink::Sink;

/// Runs `mlserve predict`.
///
/// # Errors
/// Whatever stops the run; nothing half-written is then left behind.
pub fn run(args: &PredictArgs) -> Result<()> {
    let options = Options::new(args)?;
    score(&options).map_err(|error| match error {
        // What is wrong with a model's inputs or outputs is found where its path is not known.
        Error::Model(_) => error.at(options.model.display()),
        other => other,
    })
}

/// The straight line of the command.
fn score(options: &Options) -> Result<()> {
    let facts = onnx::read(&options.model)?;
    let paths = source::resolve(&options.inputs)?;
    if options.explain {
        return explain(&paths, &facts, options);
    }
    interrupt::watch();
    let model = Model::from_facts(facts, &options.runtime)?;
    let workers = Workers::start(options.jobs)?;
    let mut sink = Sink::open(options.output.as_deref())?;
    let mut progress = Progress::new(source::total_bytes(&paths), options.quiet);
    let mut feeder = Feeder::new(&model, options, paths);
    let scored = feeder.start(&mut sink, &progress).and_then(|()| {
        order::in_order(
            &workers,
            || feeder.next_task(),
            |(scorer, block)| scorer.score(&block),
            |scored: Scored| {
                progress.advance(scored.records, scored.missing, scored.bytes);
                sink.write(&scored.text)
            },
        )
    });
    progress.clear();
    scored?;
    sink.finish()?;
    warn_of_missing(&model, &progress);
    progress.close(options.output.as_deref());
    Ok(())
}

fn explain(paths: &[PathBuf], facts: &onnx::Facts, options: &Options) -> Result<()> {
    let mut stdout = Sink::open(None)?;
    for path in paths {
        let Some(opened) = Opened::new(path, &facts.signature, options)? else {
            continue;
        };
        let to = options.output_format.of(opened.format);
        let mut layout = Layout::declared(&facts.signature, opened.plan.batch, &options.wanted)?;
        layout.avoid(&opened.plan.kept_names());
        let text = explain::text(&opened.name, opened.format, to, &opened.plan, &layout);
        stdout.write(text.as_bytes())?;
    }
    stdout.finish()
}

/// Some models give an answer for a missing value that means nothing; the user must know.
fn warn_of_missing(model: &Model, progress: &Progress) {
    if let (Some(risk), nan @ 1..) = (model.facts.nan_risk, progress.missing.nan) {
        let values = if nan == 1 { "value" } else { "values" };
        progress.note(&format!("warning: {nan} missing {values}: {risk}"));
    }
}
