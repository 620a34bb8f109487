//! The profiles that models are held against, as `--baseline` names them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::profile::json;
use crate::profile::summary::Profile;

/// Records of a window where nobody says how many.
const WINDOW: u64 = 10_000;

/// The profiles of models, by their names.
#[derive(Debug, Clone)]
pub struct Baselines {
    list: Arc<[Baseline]>,
    /// Records that are looked back on.
    pub window: u64,
}

/// One profile; without a name that of the only model.
#[derive(Debug)]
struct Baseline {
    model: Option<String>,
    path: PathBuf,
    profile: Arc<Profile>,
}

impl Default for Baselines {
    fn default() -> Baselines {
        Baselines {
            list: Arc::new([]),
            window: WINDOW,
        }
    }
}

impl Baselines {
    /// Reads the profiles of `typed`, each `FILE` or `NAME=FILE`.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no profile, and for two for one model; [`Error::Io`].
    pub fn new(typed: &[String], window: u64) -> Result<Baselines> {
        let list: Result<Vec<Baseline>> = typed.iter().map(|typed| Baseline::read(typed)).collect();
        let list = list?;
        for (index, baseline) in list.iter().enumerate() {
            let mut others = list.iter().skip(index + 1);
            if others.any(|other| other.model == baseline.model) {
                let whose = match &baseline.model {
                    Some(model) => format!("the model \"{model}\""),
                    None => "one model".to_owned(),
                };
                return Err(
                    Error::usage(format!("--baseline: two profiles for {whose}"))
                        .hint("NAME=FILE says whose a profile is"),
                );
            }
        }
        Ok(Baselines {
            list: list.into(),
            window,
        })
    }

    /// The profile of the model `name`, with the file that it is from.
    pub fn of(&self, name: &str) -> Option<(&Path, &Arc<Profile>)> {
        let named = |baseline: &&Baseline| baseline.model.as_deref() == Some(name);
        let found = self.list.iter().find(named);
        let found = found.or_else(|| self.list.iter().find(|one| one.model.is_none()))?;
        Some((&found.path, &found.profile))
    }

    /// Holds the names against those of the models that are served.
    ///
    /// # Errors
    /// [`Error::Usage`] for a profile of a model that is not served, and for one without a name where
    /// there are several.
    pub fn check(&self, models: &[&str]) -> Result<()> {
        for baseline in self.list.iter() {
            match &baseline.model {
                Some(model) if !models.contains(&model.as_str()) => {
                    let message =
                        format!("--baseline {model}=...: no model of this name is served");
                    return Err(
                        Error::usage(message).hint(format!("the models are {}", models.join(", ")))
                    );
                }
                None if models.iter().any(|model| Some(model) != models.first()) => {
                    return Err(Error::usage("--baseline: several models are served")
                        .hint("NAME=FILE says whose a profile is"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Baseline {
    fn read(typed: &str) -> Result<Baseline> {
        // A file that is there is meant, whatever its name.
        let (model, path) = match typed.split_once('=') {
            Some((model, path)) if !Path::new(typed).exists() => (Some(model.to_owned()), path),
            _ => (None, typed),
        };
        let text = fs::read_to_string(path).map_err(|source| Error::io(path, &source))?;
        let profile = json::read(&text).map_err(|wrong| {
            Error::usage(format!("--baseline {path}: {wrong}"))
                .hint("mlserve predict MODEL TRAINING.csv --profile FILE makes one")
        })?;
        Ok(Baseline {
            model,
            path: path.into(),
            profile: Arc::new(profile),
        })
    }
}
