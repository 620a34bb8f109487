//! What is served at one moment, as requests look it up. Nothing here changes once it is made.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use crate::serve::hosted::Hosted;

use super::settings::{Settings, Target};
use super::source::Stamp;
use super::version;

/// All models.
#[derive(Default)]
pub struct Table {
    /// In the order of the command line.
    pub entries: Vec<Entry>,
    /// Tables are counted.
    pub generation: u64,
    /// Whether any entry shares requests out.
    pub has_shares: bool,
    places: HashMap<String, usize>,
}

/// One model in all its versions.
#[derive(Clone)]
pub struct Entry {
    pub name: String,
    pub settings: Settings,
    /// In ascending order.
    pub slots: Vec<Slot>,
    /// Somebody had it unloaded; it stays so until it is loaded again.
    pub is_unloaded: bool,
    default: Option<Arc<Hosted>>,
    /// Those among whom requests are shared out, with the weights up to and with each.
    shares: Vec<(Arc<Hosted>, u64)>,
}

/// One version of a model.
#[derive(Clone)]
pub struct Slot {
    pub version: String,
    pub state: State,
    pub stamp: Stamp,
    /// Of the model's file, in hexadecimal digits; empty where it was not loaded.
    pub sha256: String,
    /// What callers of the version before it have to know.
    pub breaks: Vec<String>,
    /// When it became what it is.
    pub since: SystemTime,
}

/// What a version is at the moment.
#[derive(Clone)]
pub enum State {
    Loading,
    Ready(Arc<Hosted>),
    /// Why, without the place where its files are: clients are told, too.
    Failed(String),
    /// Replaced, and still at work for those that have it.
    Draining(Weak<Hosted>),
}

impl State {
    /// The word for it in answers.
    pub fn word(&self) -> &'static str {
        match self {
            State::Loading => "loading",
            State::Ready(_) => "ready",
            State::Failed(_) => "failed",
            State::Draining(_) => "draining",
        }
    }
}

impl Table {
    /// A table of `entries`.
    pub(super) fn new(mut entries: Vec<Entry>, generation: u64) -> Table {
        entries.iter_mut().for_each(Entry::settle);
        let names = entries.iter().enumerate();
        let places = names.map(|(place, entry)| (entry.name.clone(), place));
        Table {
            generation,
            has_shares: entries.iter().any(|entry| !entry.shares.is_empty()),
            places: places.collect(),
            entries,
        }
    }

    /// The model of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.places.get(name)?)
    }

    /// All versions that are ready.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<Hosted>> {
        self.entries.iter().flat_map(Entry::ready)
    }
}

impl Entry {
    /// A model without versions and settings.
    pub(super) fn new(name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            settings: Settings::default(),
            slots: Vec::new(),
            is_unloaded: false,
            default: None,
            shares: Vec::new(),
        }
    }

    /// Works out who answers, from the slots and the settings.
    fn settle(&mut self) {
        let slots = &mut self.slots;
        slots.sort_by(|one, other| version::compare(&one.version, &other.version));
        let asked = self.settings.default.as_deref();
        let default = asked.and_then(|target| self.target(target));
        // One that is not ready yet must not keep the others from answering.
        self.default = default.or_else(|| self.ready().last()).cloned();
        let mut shares = Vec::new();
        let mut sum = 0;
        for (target, weight) in &self.settings.shares.0 {
            if let Some(hosted) = self.target(target).filter(|_| *weight > 0) {
                sum += u64::from(*weight);
                shares.push((Arc::clone(hosted), sum));
            }
        }
        self.shares = shares;
    }

    /// The versions that are ready, the highest last.
    pub fn ready(&self) -> impl DoubleEndedIterator<Item = &Arc<Hosted>> {
        self.slots.iter().filter_map(Slot::hosted)
    }

    /// The versions that somebody may still have.
    pub fn present(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.is_gone())
    }

    /// The version that answers where none is asked for.
    pub fn default(&self) -> Option<&Arc<Hosted>> {
        self.default.as_ref()
    }

    /// The version for a request that asks for none: for one key always the same.
    pub fn choose(&self, key: u64) -> Option<&Arc<Hosted>> {
        let Some((_, sum)) = self.shares.last() else {
            return self.default.as_ref();
        };
        let point = key % sum;
        let chosen = self.shares.iter().find(|(_, upto)| point < *upto);
        chosen.map(|(hosted, _)| hosted)
    }

    /// Those among whom requests are shared out, with their parts of 1.
    pub fn parts(&self) -> Vec<(&Arc<Hosted>, f64)> {
        let sum = self.shares.last().map_or(1, |(_, sum)| *sum) as f64;
        let mut before = 0;
        let mut parts = Vec::new();
        for (hosted, upto) in &self.shares {
            parts.push((hosted, (upto - before) as f64 / sum));
            before = *upto;
        }
        parts
    }

    /// The version that also runs and is only compared.
    pub fn shadow(&self) -> Option<&Arc<Hosted>> {
        self.target(self.settings.shadow.as_deref()?)
    }

    /// The version by name.
    pub fn slot(&self, version: &str) -> Option<&Slot> {
        let mut slots = self.slots.iter().filter(|slot| slot.version == version);
        let first = slots.next()?;
        // One that drains may have its successor beside it.
        let is_draining = matches!(first.state, State::Draining(_));
        match is_draining {
            true => slots.next().or(Some(first)),
            false => Some(first),
        }
    }

    /// The version that has a label.
    pub fn labelled(&self, label: &str) -> Option<&Slot> {
        self.slot(self.version_of(label)?)
    }

    /// The version that a label stands for.
    pub fn version_of(&self, label: &str) -> Option<&str> {
        let mut labels = self.settings.labels.iter();
        let found = labels.find(|(name, _)| name == label)?;
        Some(&found.1)
    }

    /// The labels of a version.
    pub fn labels_of<'e>(&'e self, version: &str) -> Vec<&'e str> {
        let labels = self.settings.labels.iter();
        labels
            .filter(|(_, of)| of == version)
            .map(|(label, _)| label.as_str())
            .collect()
    }

    /// What a target stands for, where it is ready.
    fn target(&self, target: &str) -> Option<&Arc<Hosted>> {
        let slot = self.labelled(target).or_else(|| self.slot(target))?;
        slot.hosted()
    }

    /// The first target of the settings that stands for no version at all.
    pub fn astray(&self) -> Option<&Target> {
        let settings = &self.settings;
        let labelled = settings.labels.iter().map(|(_, version)| version);
        let shared = settings.shares.0.iter().map(|(target, _)| target);
        let mut targets = labelled
            .chain(settings.default.iter())
            .chain(shared)
            .chain(settings.shadow.iter());
        targets.find(|target| {
            self.labelled(target)
                .or_else(|| self.slot(target))
                .is_none()
        })
    }
}

impl Slot {
    /// A version that is ready.
    pub(super) fn ready(hosted: Arc<Hosted>) -> Slot {
        Slot {
            version: hosted.version.clone(),
            state: State::Ready(hosted),
            stamp: Stamp::default(),
            sha256: String::new(),
            breaks: Vec::new(),
            since: SystemTime::now(),
        }
    }

    /// The model, where it is ready.
    pub fn hosted(&self) -> Option<&Arc<Hosted>> {
        match &self.state {
            State::Ready(hosted) => Some(hosted),
            _ => None,
        }
    }

    /// Whether nobody has it any more.
    pub fn is_gone(&self) -> bool {
        matches!(&self.state, State::Draining(hosted) if hosted.strong_count() == 0)
    }
}
