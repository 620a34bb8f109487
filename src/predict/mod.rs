//! `mlserve predict`: files or a pipe in, predictions out, in input order, on all cores.
//!
//! ```text
//! source -> cut (blocks) -> order ( intake (lanes | rows) -> Model::run -> layout -> text ) -> outlet
//! ```

pub mod account;
pub mod cut;
pub mod encoding;
pub mod evaluate;
pub mod explain;
pub mod feeder;
pub mod first;
pub mod format;
pub mod hint;
pub mod intake;
pub mod interrupt;
pub mod object;
pub mod opened;
pub mod options;
pub mod order;
pub mod outlet;
pub mod packing;
pub mod passthrough;
pub mod progress;
pub mod reject;
pub mod report;
pub mod rows;
mod scan;
pub mod score;
pub mod sink;
pub mod source;
mod window;

use std::path::PathBuf;

use crate::batch::columns::Layout;
use crate::cli::PredictArgs;
use crate::error::{Error, Result};
use crate::model::{Model, onnx};

use account::Account;
use feeder::Feeder;
use opened::Opened;
use options::Options;
use order::Workers;
use outlet::Outlet;
use progress::Progress;
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
    let mut outlet = Outlet::open(options)?;
    let progress = Progress::new(source::total_bytes(&paths), options.quiet);
    let mut feeder = Feeder::new(&model, options, paths);
    let scored = feeder.start(&mut outlet, &progress).and_then(|()| {
        order::in_order(
            &workers,
            || feeder.next_task(),
            |(scorer, cut)| scorer.score(&cut),
            |scored| outlet.take(&scored, &progress),
        )
    });
    progress.clear();
    let account = outlet.finish(scored)?;
    warn_of_missing(&model, &account, &progress);
    progress.close(&account, options);
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
fn warn_of_missing(model: &Model, account: &Account, progress: &Progress) {
    if let (Some(risk), nan @ 1..) = (model.facts.nan_risk, account.missing.nan) {
        let values = if nan == 1 { "value" } else { "values" };
        progress.note(&format!("warning: {nan} missing {values}: {risk}"));
    }
}
