//! Everything that knows ONNX and ONNX Runtime: the one model loader of all commands.
//!
//! ```text
//! file -> onnx (facts, signature) -> rewrite -> session (runtime) -> run
//! ```

pub mod dtype;
pub mod external;
pub mod onnx;
pub mod runtime;
pub mod session;
pub mod signature;
pub mod tensor;

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
mod trees;
mod wire;

use crate::error::Result;

use onnx::Facts;
use runtime::{Runtime, RuntimeChoice};
use session::Session;
use signature::{Port, Signature};
use tensor::{Tensor, Value};

/// One loaded model: its facts, its signature, its session.
pub struct Model {
    pub facts: Facts,
    session: Session,
    runtime: &'static Runtime,
}

impl Model {
    /// Loads the model that `facts` were read from ([`onnx::read`]) into ONNX Runtime.
    ///
    /// # Errors
    /// Everything that can be wrong with external data, the model or the runtime, with a remedy.
    pub fn from_facts(facts: Facts, choice: &RuntimeChoice) -> Result<Model> {
        external::check(&facts)?;
        let rewritten = {
            let bytes = onnx::open(&facts.path)?;
            rewrite::rewrite(&bytes, &facts)?
        };
        let folder = rewrite::external_folder(&facts);
        let runtime = runtime::start(choice)?;
        let session = Session::load(runtime, &facts, rewritten.as_deref(), folder.as_deref())?;
        Ok(Model {
            facts,
            session,
            runtime,
        })
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
        let values = self.session.run(inputs)?;
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
