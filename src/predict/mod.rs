//! `mlserve predict`: files or a pipe in, predictions out, in input order, on all cores.
//!
//! ```text
//! source -> cut (blocks) -> order ( intake (lanes | rows) -> Model::run -> layout -> text ) -> outlet
//! ```

pub mod account;
pub mod begin;
pub mod closing;
#[cfg(feature = "columnar")]
pub mod columnar;
pub mod cut;
pub mod digest;
pub mod disk;
pub mod encoding;
pub mod evaluate;
pub mod explain;
pub mod feeder;
pub mod first;
pub mod format;
pub mod hint;
pub mod insight;
pub mod intake;
pub mod interrupt;
pub mod journal;
pub mod lines;
pub mod look;
pub mod manifest;
pub mod numpy;
pub mod object;
pub mod opened;
pub mod options;
pub mod order;
pub mod outlet;
pub mod output;
pub mod packing;
pub mod passthrough;
pub mod pipe;
pub mod progress;
pub mod reject;
pub mod report;
pub mod route;
pub mod rows;
mod scan;
pub mod score;
pub mod sink;
pub mod source;
pub mod tables;

use std::path::PathBuf;

use crate::batch::columns::Layout;
use crate::cli::PredictArgs;
use crate::error::{Error, Result};
use crate::model::{Model, onnx};

use begin::Begin;
use closing::Closing;
use feeder::{Feeder, Journey, Task};
use opened::Opened;
use options::Options;
use order::Workers;
use pipe::Stop;
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
    let Some(begin) = Begin::new(options, &facts, &paths)? else {
        progress::note_finished(options);
        return Ok(());
    };
    let model = Model::from_facts(facts, &options.runtime)?;
    let workers = Workers::start(options.jobs)?;
    let progress = Progress::new(source::total_bytes(&paths), options.quiet);
    let journey = Journey {
        paths: paths.clone(),
        route: begin.route.clone(),
        done: begin.records(),
        stop: workers.stop.clone(),
    };
    let mut feeder = Feeder::new(&model, options, journey);
    let mut outlet = begin.open(options)?;
    let scored = feeder.start(&mut outlet, &progress).and_then(|()| {
        order::in_order(
            &workers,
            || feeder.next_task(),
            |task: Task<'_>| Ok((task.scorer.score(task.piece)?, task.after)),
            |(scored, after)| outlet.take(scored, after, &progress),
        )
    });
    progress.clear();
    let (account, insight) = outlet.finish(scored)?;
    let closing = Closing {
        model: &model,
        options,
        inputs: &paths,
        plan: feeder.plan_text(),
        account: &account,
    };
    closing.tell(insight, &progress)
}

fn explain(paths: &[PathBuf], facts: &onnx::Facts, options: &Options) -> Result<()> {
    let mut stdout = Sink::open(None)?;
    for path in paths {
        let Some(opened) = Opened::new(path, &facts.signature, options, &Stop::default())? else {
            continue;
        };
        let to = options.output_format.of(opened.format);
        let mut layout = Layout::declared(&facts.signature, opened.plan.batch, &options.wanted)?;
        layout.avoid(&opened.plan.kept_names());
        let text = explain::text(&opened.name, (opened.format, to), &opened.plan, &layout);
        stdout.write(text.as_bytes())?;
    }
    stdout.finish()
}
