//! The models that are served, and which of them a request means.

use std::sync::Arc;

use super::hosted::Hosted;
use super::problem::Problem;

/// The version that a request asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pick<'p> {
    /// The one that is served by default.
    #[default]
    Default,
    Version(&'p str),
    Label(&'p str),
}

/// All models, in the order of the command line.
pub struct Registry {
    models: Vec<Arc<Hosted>>,
}

impl Registry {
    /// Serves `models`, each under its own name.
    pub fn new(models: Vec<Arc<Hosted>>) -> Registry {
        Registry { models }
    }

    /// All models.
    pub fn models(&self) -> &[Arc<Hosted>] {
        &self.models
    }

    /// The model that a request means that names none.
    ///
    /// # Errors
    /// 404 where there are several.
    pub fn only(&self) -> Result<&Arc<Hosted>, Problem> {
        match self.models.as_slice() {
            [only] => Ok(only),
            models => {
                let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
                let message = format!(
                    "several models are served, so the path must name one of them: {}",
                    names.join(", ")
                );
                Err(Problem::refused(404, "unknown_model", message))
            }
        }
    }

    /// The model `name`, in the version that is asked for.
    ///
    /// # Errors
    /// 404 for a model or version that is not here.
    pub fn find(&self, name: &str, pick: Pick<'_>) -> Result<&Arc<Hosted>, Problem> {
        let mut named = self
            .models
            .iter()
            .filter(|model| model.name == name)
            .peekable();
        if named.peek().is_none() {
            let message = format!("there is no model \"{}\" here", shortened(name));
            return Err(Problem::refused(404, "unknown_model", message));
        }
        let found = match pick {
            Pick::Default => named.next(),
            Pick::Version(version) => named.find(|model| model.version == version),
            Pick::Label(_) => None,
        };
        found.ok_or_else(|| {
            let asked = match pick {
                Pick::Label(label) => format!("label \"{}\"", shortened(label)),
                Pick::Version(version) => format!("version \"{}\"", shortened(version)),
                Pick::Default => "version".to_owned(),
            };
            let message = format!("the model \"{}\" has no {asked} here", shortened(name));
            Problem::refused(404, "unknown_version", message)
        })
    }
}

/// A name from outside, as an error shows it.
fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}
