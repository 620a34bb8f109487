//! One model as it is served: loaded, named, and with the plans and layouts that requests share.

use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::batch::columns::{Layout, Wanted};
use crate::batch::encode::Group;
use crate::batch::first;
use crate::batch::plan::{Header, Keep, Plan, Rules};
use crate::error::{Error, Result};
use crate::inspect;
use crate::inspect::ports::{self, Fed};
use crate::model::runtime::RuntimeChoice;
use crate::model::signature::Signature;
use crate::model::trees::Choice;
use crate::model::{Model, onnx};
use crate::profile::columns::Columns;

use super::batching::pool::Pool;
use super::batching::queue::{Joins, Limits, Queue};
use super::counters::Counters;
use super::drift::{Baselines, Watch};
use super::metrics::series::Series;
use super::outputs::Output;
use super::problem::Problem;
use super::record::Recorder;
use super::records::planned::Planned;
use super::shadow::Shadow;

/// Plans and layouts that are kept: requests choose them, so they are bounded.
const MOST_KEPT: usize = 32;
/// Columns of a plan that is kept.
const MOST_COLUMNS: usize = 10_000;

/// How models are loaded and what is made of their records.
#[derive(Clone)]
pub struct Hosting {
    pub runtime: RuntimeChoice,
    pub trees: Choice,
    /// Runs of models at once, over all models.
    pub threads: usize,
    pub rules: Rules,
    pub wanted: Wanted,
    /// Unknown fields are a fault.
    pub strict: bool,
    /// Records of one run at most.
    pub batch_size: usize,
    /// What all models share to run.
    pub pool: Arc<Pool>,
    pub queueing: Limits,
    /// What models are held against.
    pub baselines: Baselines,
    /// Who records requests, where somebody does.
    pub recorder: Option<Arc<Recorder>>,
    /// Bytes of an answer in memory at most.
    pub reply_bytes: usize,
}

/// A model that answers requests.
pub struct Hosted {
    pub name: String,
    pub version: String,
    pub model: Model,
    pub hosting: Hosting,
    pub load: Duration,
    /// What `inspect --json` says of it, with its name and version, and without its path.
    pub description: String,
    /// What it has done so far.
    pub counters: Counters,
    /// Its outputs as they really come, once somebody has asked.
    pub(super) outputs: OnceLock<Vec<Output>>,
    /// Who also runs what it runs, and is compared with it.
    pub shadow: ArcSwapOption<Shadow>,
    /// Its runs, at once or in the line.
    pub queue: Queue,
    /// What it sees, held against its baseline.
    pub watch: Option<Watch>,
    /// Where its requests are counted, once the metrics know it.
    pub series: OnceLock<Arc<Series>>,
    /// For records without names; an error where no record alone can feed the model.
    expected: std::result::Result<Arc<Planned>, String>,
    plans: RwLock<Vec<Arc<Planned>>>,
    layouts: RwLock<Vec<(Wanted, Arc<Layout>)>>,
}

impl Hosted {
    /// Loads the model at `path`.
    ///
    /// # Errors
    /// As [`onnx::read`] and [`Model::from_facts`]; [`Error::Usage`] for flags that fit none of its
    /// inputs or outputs.
    pub fn load(path: &Path, name: &str, version: &str, hosting: &Hosting) -> Result<Hosted> {
        let started = Instant::now();
        let facts = onnx::read(path)?;
        let model = Model::from_facts(facts, &hosting.runtime, hosting.trees)?;
        let signature = model.signature();
        let header = expected(signature, &hosting.rules);
        // Flags that name what is not there are found before the first request.
        let planned = Plan::new(signature, header.clone(), &hosting.rules, "the model");
        let expected = match planned {
            Ok(_) => Planned::new(signature, header, &hosting.rules, &Keep::None)
                .map(Arc::new)
                .map_err(|problem| problem.message()),
            Err(error @ Error::Usage(_)) if signature_is_fed(signature, &hosting.rules) => {
                return Err(error.at(path.display()));
            }
            Err(error) => Err(error
                .report()
                .map_or(String::new(), |report| report.message.clone())),
        };
        let mut hosted = Hosted {
            watch: None,
            name: name.to_owned(),
            version: version.to_owned(),
            hosting: hosting.clone(),
            load: Duration::ZERO,
            description: inspect::description(&model, (name, version))?,
            counters: Counters::default(),
            outputs: OnceLock::new(),
            shadow: ArcSwapOption::empty(),
            queue: Queue::new(&hosting.pool, hosting.queueing, Ok(Joins::default())),
            series: OnceLock::new(),
            expected,
            plans: RwLock::default(),
            layouts: RwLock::default(),
            model,
        };
        if let Ok(expected) = &hosted.expected {
            let wanted = &hosted.hosting.wanted;
            hosted
                .layout(&expected.plan, None, wanted)
                .map_err(|error| error.at(path.display()))?;
        }
        let queue = hosted.batching();
        hosted.watch = hosted.watched()?;
        Ok(Hosted {
            description: queue.told_in(&hosted.description),
            queue,
            load: started.elapsed(),
            ..hosted
        })
    }

    /// What holds it against its baseline, if there is one.
    fn watched(&self) -> Result<Option<Watch>> {
        let baselines = &self.hosting.baselines;
        let Some((path, profile)) = baselines.of(&self.name) else {
            return Ok(None);
        };
        let plan = self.expected.as_ref().map(|planned| &planned.plan);
        let wanted = &self.hosting.wanted;
        let layout = match self.kept_layout(wanted) {
            Some(layout) => layout,
            None => Layout::declared(self.model.signature(), self.batch(), wanted).map(Arc::new)?,
        };
        let columns = match plan {
            Ok(plan) => Columns::new(plan, &layout),
            Err(why) => {
                let message = format!(
                    "--baseline: the model \"{}\" takes no records: {why}",
                    self.name
                );
                return Err(Error::usage(message));
            }
        };
        let watch = Watch::new(profile, &columns, baselines.window);
        watch.map(Some).map_err(|wrong| {
            Error::usage(format!("--baseline {}: {wrong}", path.display()))
                .hint("a baseline is made by the model that it is for, with the same flags")
        })
    }

    /// The plan for records whose values come in the model's own order.
    ///
    /// # Errors
    /// Why no record alone can feed the model.
    pub fn expected(&self) -> std::result::Result<&Arc<Planned>, Problem> {
        let why = |why: &String| Problem::invalid("columns", why.clone());
        self.expected.as_ref().map_err(why)
    }

    /// A plan that may be for objects with this first field.
    pub fn likely(&self, first: &str, keep: &Keep) -> Option<Arc<Planned>> {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        plans
            .iter()
            .find(|planned| planned.is_likely(first, keep))
            .cloned()
    }

    /// The plan for records with the columns of `header`.
    ///
    /// # Errors
    /// As [`Planned::new`].
    pub fn planned(
        &self,
        header: Header,
        keep: &Keep,
    ) -> std::result::Result<Arc<Planned>, Problem> {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(planned) = plans.iter().find(|planned| planned.is_for(&header, keep)) {
            return Ok(Arc::clone(planned));
        }
        drop(plans);
        let is_kept = header.columns.len() <= MOST_COLUMNS;
        let planned = Planned::new(self.model.signature(), header, &self.hosting.rules, keep)?;
        let planned = Arc::new(planned);
        if is_kept {
            let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
            plans.truncate(MOST_KEPT - 1);
            plans.insert(0, Arc::clone(&planned));
        }
        Ok(planned)
    }

    /// How what is wanted of the predictions is laid out: by an earlier run, else by one of `group`,
    /// else by one of zeros.
    ///
    /// # Errors
    /// [`Error::Usage`] for wishes that fit no output.
    pub fn layout(
        &self,
        plan: &Plan,
        group: Option<&Group>,
        wanted: &Wanted,
    ) -> Result<Arc<Layout>> {
        match self.kept_layout(wanted) {
            Some(layout) => Ok(layout),
            None => self.lay_out(plan, group, wanted),
        }
    }

    /// The layout of an earlier run.
    pub fn kept_layout(&self, wanted: &Wanted) -> Option<Arc<Layout>> {
        let layouts = self.layouts.read().unwrap_or_else(PoisonError::into_inner);
        let kept = layouts.iter().find(|(kept, _)| kept == wanted);
        kept.map(|(_, layout)| Arc::clone(layout))
    }

    /// Lays out anew, for the outputs have another form than before.
    ///
    /// # Errors
    /// As [`Hosted::layout`].
    pub fn lay_out(
        &self,
        plan: &Plan,
        group: Option<&Group>,
        wanted: &Wanted,
    ) -> Result<Arc<Layout>> {
        let layout = first::layout(&self.model, plan, group.cloned(), wanted)?;
        let layout = Arc::new(layout);
        let mut layouts = self.layouts.write().unwrap_or_else(PoisonError::into_inner);
        layouts.retain(|(kept, _)| kept != wanted);
        layouts.truncate(MOST_KEPT - 1);
        layouts.insert(0, (wanted.clone(), Arc::clone(&layout)));
        Ok(layout)
    }
}

/// Whether every input that has to be given once is: what else is wrong then is wrong with flags.
fn signature_is_fed(signature: &Signature, rules: &Rules) -> bool {
    let is_set = |name: &str| rules.set.iter().any(|(set, _)| set == name);
    let fed = ports::fed(signature);
    let mut inputs = signature.inputs.iter().zip(&fed);
    inputs.all(|(port, fed)| *fed != Fed::Set || is_set(&port.name))
}

/// The columns that a model expects, in its own order.
fn expected(signature: &Signature, rules: &Rules) -> Header {
    let mut header = Header::default();
    let mut add = |name: &str, is_list: bool| {
        header.columns.push(name.to_owned());
        header.lists.push(is_list);
    };
    for (port, fed) in signature.inputs.iter().zip(ports::fed(signature)) {
        let is_set = rules.set.iter().any(|(set, _)| *set == port.name);
        match (fed, &rules.features) {
            _ if is_set => {}
            (Fed::Set | Fed::State | Fed::Nothing, _) => {}
            (Fed::Features(_) | Fed::Position(_), Some(features)) => {
                features.iter().for_each(|name| add(name, false));
            }
            (Fed::Features(names), None) => names.iter().for_each(|name| add(name, false)),
            (Fed::Column, _) => add(&port.name, false),
            (Fed::Position(_) | Fed::Lists | Fed::ListsOrNumbered(_), _) => add(&port.name, true),
        }
    }
    header
}
