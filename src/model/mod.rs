//! Everything that knows ONNX and ONNX Runtime: the one model loader of all commands.
//!
//! ```text
//! file -> onnx (facts, signature) -> trees -> rewrite -> session (runtime) -> run
//! ```

pub mod anatomy;
pub mod assigned;
pub mod compatible;
pub mod dtype;
pub mod external;
pub mod onnx;
pub mod provider;
pub mod runtime;
pub mod session;
pub mod signature;
pub mod tensor;
pub mod trees;

mod foreign;
mod graph;
mod lineage;
mod locale;
mod mapped;
mod names;
mod ortfile;
mod proto;
mod refusal;
mod rewrite;
mod signs;
mod wire;

use crate::error::Result;

use assigned::Assigned;
use onnx::Facts;
use runtime::{Runtime, RuntimeChoice};
use session::{Session, Source};
use signature::{Port, Signature};
use tensor::{Tensor, Value};
use trees::{Choice, Direct, Evaluated, Folded, Operators, Slots};

/// One loaded model: its facts, its signature, its session.
pub struct Model {
    pub facts: Facts,
    session: Session,
    /// The tree ensemble that is the whole graph.
    direct: Option<Direct>,
    evaluated: Evaluated,
    warnings: Vec<String>,
    runtime: &'static Runtime,
}

impl Model {
    /// Loads the model that `facts` were read from ([`onnx::read`]) into ONNX Runtime, and its tree
    /// ensembles into our kernel where `trees` lets it.
    ///
    /// # Errors
    /// Everything that can be wrong with external data, the model or the runtime, with a remedy.
    pub fn from_facts(facts: Facts, choice: &RuntimeChoice, trees: Choice) -> Result<Model> {
        external::check(&facts)?;
        trees::check_depth(&facts)?;
        let runtime = runtime::start(choice)?;
        let bytes = onnx::open(&facts.path)?;
        let parsed = onnx::parsed(&facts.path, &bytes)?;
        let folded = trees::fold(runtime, &parsed, &bytes, &facts, trees);
        let loaded = folded.and_then(|folded| load_folded(runtime, &facts, &folded, trees));
        let mut loaded = match loaded {
            Some(loaded) => loaded,
            None => load_whole(runtime, &facts, (&bytes, &parsed), trees)?,
        };
        let without = assigned::unused(loaded.session.assigned());
        loaded.warnings.extend(without);
        Ok(Model {
            direct: loaded.direct,
            evaluated: loaded.evaluated,
            session: loaded.session,
            warnings: loaded.warnings,
            runtime,
            facts,
        })
    }

    /// What evaluates its tree ensembles.
    pub fn evaluated(&self) -> &Evaluated {
        &self.evaluated
    }

    /// What each provider got of its nodes; empty where the CPU alone was asked for.
    pub fn assigned(&self) -> &[Assigned] {
        self.session.assigned()
    }

    /// What the user should hear about how it was loaded.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The ONNX Runtime that runs it.
    pub fn runtime(&self) -> &'static Runtime {
        self.runtime
    }

    /// The version of the ONNX Runtime that runs it.
    pub fn runtime_version(&self) -> &str {
        self.runtime.version()
    }

    /// What the model takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.facts.signature
    }

    /// Runs the model on one tensor for each input, in the signature's order; any number of threads
    /// may do so at once.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Value>> {
        let direct = self.direct.as_ref().and_then(|direct| direct.run(inputs));
        let values = match direct {
            Some(values) => values,
            None => self.session.run(inputs)?,
        };
        let signature = self.signature();
        let in_order = |(value, port): (Value, &Port)| {
            let classes = port.classes.as_ref().or(signature.classes.as_ref());
            match classes {
                Some(classes) => value.in_order(classes),
                None => value,
            }
        };
        Ok(values
            .into_iter()
            .zip(&signature.outputs)
            .map(in_order)
            .collect())
    }
}

/// A model that is ready to run.
struct Loaded {
    session: Session,
    direct: Option<Direct>,
    evaluated: Evaluated,
    warnings: Vec<String>,
}

/// The model as its file has it, with its tree ensembles in our kernel.
fn load_whole(
    runtime: &Runtime,
    facts: &Facts,
    (bytes, parsed): (&[u8], &proto::Model<'_>),
    trees: Choice,
) -> Result<Loaded> {
    let mut slots = trees::find(parsed, bytes.len(), facts, trees);
    let mut warnings = trees::check(runtime, parsed, &mut slots);
    let session = match load(runtime, facts, bytes, &slots) {
        // ONNX Runtime then has the last word on the model as it is.
        Err(_) if !slots.is_empty() => {
            let reason = "it does not load the graph around mlserve's kernel";
            warnings.push(format!("tree ensembles stay with ONNX Runtime: {reason}"));
            slots.refuse_all(reason);
            load(runtime, facts, bytes, &slots)?
        }
        loaded => loaded?,
    };
    let session = match slots.refuse_axes(&axes(&session)) {
        true => load(runtime, facts, bytes, &slots)?,
        false => session,
    };
    Ok(Loaded {
        direct: Direct::of(parsed, &slots, &facts.signature),
        evaluated: Evaluated::of(&slots),
        session,
        warnings,
    })
}

/// The folded model; `None` where not all that was folded can go to our kernel after all.
fn load_folded(runtime: &Runtime, facts: &Facts, folded: &Folded, trees: Choice) -> Option<Loaded> {
    let parsed = onnx::parsed(&facts.path, &folded.bytes).ok()?;
    let mut slots = trees::find(&parsed, folded.bytes.len(), facts, trees);
    let warnings = trees::check(runtime, &parsed, &mut slots);
    folded.complete(&mut slots)?;
    let session = load(runtime, facts, &folded.bytes, &slots).ok()?;
    if slots.refuse_axes(&axes(&session)) {
        return None;
    }
    let mut evaluated = Evaluated::of(&slots);
    evaluated.folded = folded.trees;
    Some(Loaded {
        direct: Direct::of(&parsed, &slots, &facts.signature),
        evaluated,
        session,
        warnings,
    })
}

/// How many axes the inputs of our operators in `session` have, by the nodes' numbers.
fn axes(session: &Session) -> Vec<(usize, usize)> {
    session.operators().map(Operators::axes).unwrap_or_default()
}

/// The session of the model in `bytes` with our operators in `slots`.
fn load(runtime: &Runtime, facts: &Facts, bytes: &[u8], slots: &Slots<'_>) -> Result<Session> {
    let rewritten = rewrite::rewrite(bytes, facts, slots)?;
    let folder = rewrite::external_folder(facts);
    let operators = match slots.is_empty() {
        true => None,
        false => Some(Operators::new(slots.evaluators()).map_err(session::failed)?),
    };
    let source = Source {
        rewritten: rewritten.as_deref(),
        folder: folder.as_deref(),
        operators,
        is_for_use: true,
    };
    Session::load(runtime, facts, source)
}
