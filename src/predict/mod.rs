//! `mlserve predict`: files or a pipe in, predictions out, in input order, on all cores.
//!
//! ```text
//! input (files -> source -> opened -> feeder)
//!   -> order, on all cores ( text::intake | input::tables -> score -> text::lines | output::written )
//!   -> output (outlet -> sink; rejects, journal)
//!   -> closing (progress, evaluate, report, manifest) | validate (against what is expected)
//! ```

pub mod account;
pub mod begin;
pub mod closing;
#[cfg(feature = "columnar")]
pub mod columnar;
pub mod evaluate;
pub mod explain;
pub mod format;
pub mod input;
pub mod interrupt;
pub mod jobs;
pub mod options;
pub mod order;
pub mod output;
mod places;
pub mod report;
pub mod score;
pub mod text;
mod validate;

use crate::batch::columns::Layout;
use crate::cli::PredictArgs;
use crate::error::{Error, Result};
use crate::model::{Model, onnx};

use begin::Begin;
use closing::{Closing, Papers};
use input::feeder::{Feeder, Journey, Task};
use input::files::{self, Input};
use input::opened::Opened;
use input::pipe::Stop;
use input::source;
use jobs::Job;
use options::Options;
use order::Workers;
use output::progress::{self, Progress};
use output::sink::Sink;

/// Runs `mlserve predict`.
///
/// # Errors
/// Whatever stops the run; nothing half-written is then left behind.
pub fn run(args: &PredictArgs) -> Result<()> {
    let options = Options::new(args)?;
    let place = options.model.clone();
    let done = match validate::Against::of(&args.against)? {
        Some(against) => validate::run(options, &against, score),
        None => score(&options),
    };
    done.map_err(|error| match error {
        // What is wrong with a model's inputs or outputs is found where its path is not known.
        Error::Model(_) => error.at(place.display()),
        other => other,
    })
}

/// The straight line of the command.
fn score(options: &Options) -> Result<()> {
    let facts = onnx::read(&options.model)?;
    let inputs = files::resolve(&options.inputs, options.output_dir.as_deref())?;
    if options.explain {
        return explain(&inputs, &facts, options);
    }
    interrupt::watch();
    let mut facts = Some(facts);
    let mut loaded = None;
    let jobs = jobs::of(options, inputs)?;
    for job in &jobs {
        places::check(&job.options, &job.inputs)?;
    }
    for job in jobs {
        let Some(begin) = Begin::new(&job.options, &job.inputs)? else {
            progress::note_finished(&job.options);
            continue;
        };
        // Not before there is something to do, and once for all.
        if let Some(facts) = facts.take() {
            let model = Model::from_facts(facts, &options.runtime, options.trees)?;
            progress::warn(model.warnings(), options);
            loaded = Some((model, Workers::start(options.jobs)?));
        }
        if let Some((model, workers)) = &loaded {
            score_job(&job, begin, model, workers)?;
        }
    }
    Ok(())
}

/// Scores the inputs of one output.
fn score_job(job: &Job, begin: Begin, model: &Model, workers: &Workers) -> Result<()> {
    let Job { inputs, options } = job;
    let done_before = begin.records();
    let progress = Progress::new(source::total_bytes(inputs), options.quiet).after(done_before);
    let papers = Papers::open(options)?;
    let journey = Journey {
        paths: inputs.clone(),
        route: begin.route.clone(),
        done: done_before,
        stop: workers.stop.clone(),
    };
    let mut feeder = Feeder::new(model, options, journey);
    let mut outlet = begin.open(options)?;
    let scored = feeder.start(&mut outlet, &progress).and_then(|()| {
        order::in_order(
            workers,
            || feeder.next_task(),
            |task: Task<'_>| Ok((task.scorer.score(task.piece)?, task.after)),
            |(scored, after)| outlet.take(scored, after, &progress),
        )
    });
    progress.clear();
    let (account, insight) = outlet.end(scored)?;
    let closing = Closing {
        model,
        options,
        inputs,
        plan: feeder.plan_text(),
        account: &account,
        done_before,
    };
    // What tells of the run is there before the output: a run whose output is finished is not done
    // again.
    let metrics = closing.write(papers, insight, &progress)?;
    outlet.finish()?;
    closing.say(metrics.as_ref(), &progress);
    Ok(())
}

fn explain(inputs: &[Input], facts: &onnx::Facts, options: &Options) -> Result<()> {
    let mut stdout = Sink::open(None)?;
    for Input { path, .. } in inputs {
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
