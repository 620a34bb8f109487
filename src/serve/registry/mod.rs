//! The models that are served, in which versions, and which of them a request means.
//!
//! ```text
//! sources (source) -> scan -> policy (version), settings -> keeper: load, check, warm up (loader)
//!     -> table: what is ready now, swapped as a whole -> Registry::find, for each request
//! ```
//!
//! A request holds the version that it was given for as long as it needs it; a version that is replaced
//! ends with the last of its requests.

pub mod keeper;
pub mod loader;
pub mod settings;
pub mod source;
pub mod table;
pub mod version;
pub mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::hosted::Hosted;
use super::problem::Problem;
use super::shadow::{Counts, Shadow};

use table::{Entry, Slot, State, Table};

/// The version that a request asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pick<'p> {
    /// The one that is served by default.
    #[default]
    Default,
    Version(&'p str),
    Label(&'p str),
}

/// What requests see of the models: the present table, which one keeper replaces.
#[derive(Default)]
pub struct Registry {
    table: ArcSwap<Table>,
    /// What shadows have been compared to, by model, version and shadow.
    compared: Mutex<HashMap<[String; 3], Arc<Counts>>>,
}

impl Registry {
    /// Serves `models`, all ready and with nothing set for them.
    pub fn new(models: Vec<Arc<Hosted>>) -> Registry {
        let registry = Registry::default();
        let mut entries: Vec<Entry> = Vec::new();
        for hosted in models {
            let slot = Slot::ready(Arc::clone(&hosted));
            match entries.iter_mut().find(|entry| entry.name == hosted.name) {
                Some(entry) => entry.slots.push(slot),
                None => {
                    let mut entry = Entry::new(&hosted.name);
                    entry.slots.push(slot);
                    entries.push(entry);
                }
            }
        }
        registry.publish(entries);
        registry
    }

    /// What is served at this moment.
    pub fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Counts how often the table has been replaced.
    pub fn generation(&self) -> u64 {
        self.table.load().generation
    }

    /// Serves `entries` from now on.
    pub(super) fn publish(&self, entries: Vec<Entry>) {
        let generation = self.generation() + 1;
        let table = Table::new(entries, generation);
        table.entries.iter().for_each(|entry| self.cast(entry));
        self.table.store(Arc::new(table));
    }

    /// Links the versions of a model to its shadow.
    fn cast(&self, entry: &Entry) {
        let shadow = entry.shadow();
        for hosted in entry.ready() {
            let target = shadow.filter(|shadow| !Arc::ptr_eq(shadow, hosted));
            let now = hosted.shadow.load();
            let now = now.as_ref().map(|shadow| &shadow.target);
            let is_new = match (now, target) {
                (Some(now), Some(target)) => !Arc::ptr_eq(now, target),
                (now, target) => now.is_some() || target.is_some(),
            };
            if is_new {
                let link = target.map(|target| {
                    let key = [&hosted.name, &hosted.version, &target.version].map(String::clone);
                    Arc::new(Shadow::new(hosted, target, self.counts(key)))
                });
                hosted.shadow.store(link);
            }
        }
    }

    fn counts(&self, key: [String; 3]) -> Arc<Counts> {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(compared.entry(key).or_default())
    }

    /// All versions that are ready: the models in the order of the command line, the highest version
    /// of each last.
    pub fn models(&self) -> Vec<Arc<Hosted>> {
        self.table.load().ready().cloned().collect()
    }

    /// For each model the version that answers where none is asked for.
    pub fn defaults(&self) -> Vec<Arc<Hosted>> {
        let table = self.table.load();
        let defaults = table.entries.iter().filter_map(Entry::default);
        defaults.cloned().collect()
    }

    /// Whether there is anything to ask. Every model was ready at the start; one that is loaded anew
    /// later, or cannot be, is no reason to send the requests for all others elsewhere.
    pub fn is_ready(&self) -> bool {
        let table = self.table.load();
        let mut entries = table.entries.iter();
        entries.any(|entry| entry.default().is_some() || entry.is_unloaded)
    }

    /// Whether any requests are shared out between versions, so that they need a key.
    pub fn has_shares(&self) -> bool {
        self.table.load().has_shares
    }

    /// The model that a request means that names none. Requests of one `key` get one version where
    /// they are shared out.
    ///
    /// # Errors
    /// 404 where there are several, 503 where it is not ready.
    pub fn only(&self, key: u64) -> Result<Arc<Hosted>, Problem> {
        let table = self.table.load();
        match table.entries.as_slice() {
            [only] => only.choose(key).cloned().ok_or_else(|| not_ready(only)),
            [] => Err(Problem::refused(404, "unknown_model", "no model is here")),
            entries => {
                let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
                let message = format!(
                    "several models are served, so the path must name one of them: {}",
                    names.join(", ")
                );
                Err(Problem::refused(404, "unknown_model", message))
            }
        }
    }

    /// The model `name`, in the version that is asked for. Requests of one `key` get one version where
    /// they are shared out.
    ///
    /// # Errors
    /// 404 for a model or version that is not here, 503 for one that is not ready.
    pub fn find(&self, name: &str, pick: Pick<'_>, key: u64) -> Result<Arc<Hosted>, Problem> {
        let table = self.table.load();
        let Some(entry) = table.entry(name) else {
            let message = format!("there is no model \"{}\" here", shortened(name));
            return Err(Problem::refused(404, "unknown_model", message));
        };
        let asked = match pick {
            Pick::Default => {
                return entry.choose(key).cloned().ok_or_else(|| not_ready(entry));
            }
            Pick::Version(version) => entry.slot(version),
            Pick::Label(label) => entry.labelled(label),
        };
        match asked.map(|slot| (&slot.state, slot)) {
            Some((State::Ready(hosted), _)) => Ok(Arc::clone(hosted)),
            Some((State::Loading, slot)) => Err(Problem::Refused(loading(&format!(
                "version {} of the model \"{name}\"",
                slot.version
            )))),
            Some((State::Failed(_), slot)) => {
                let message = format!(
                    "version {} of the model \"{name}\" could not be loaded",
                    slot.version
                );
                Err(Problem::refused(503, "not_ready", message))
            }
            Some((State::Draining(_), _)) | None => {
                let asked = match pick {
                    Pick::Label(label) => format!("label \"{}\"", shortened(label)),
                    Pick::Version(version) => format!("version \"{}\"", shortened(version)),
                    Pick::Default => "version".to_owned(),
                };
                let message = format!("the model \"{}\" has no {asked} here", shortened(name));
                Err(Problem::refused(404, "unknown_version", message))
            }
        }
    }
}

/// Why a model without any version that is ready cannot be asked.
fn not_ready(entry: &Entry) -> Problem {
    let name = &entry.name;
    let is = |wanted: fn(&State) -> bool| entry.slots.iter().any(|slot| wanted(&slot.state));
    if is(|state| matches!(state, State::Loading)) {
        return Problem::Refused(loading(&format!("the model \"{name}\"")));
    }
    let message = match is(|state| matches!(state, State::Failed(_))) {
        true => format!("the model \"{name}\" could not be loaded"),
        false => format!("the model \"{name}\" is not loaded"),
    };
    Problem::refused(503, "not_ready", message)
}

fn loading(what: &str) -> super::message::Refusal {
    super::message::Refusal {
        retry_after_s: Some(1),
        ..super::message::Refusal::new(503, "not_ready", format!("{what} is being loaded"))
    }
}

/// A name from outside, as an error shows it.
fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Whether a name can stand in a path, a metric's label and a log without any escape.
pub fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= 100
        && name.chars().all(is_plain)
        && name
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
