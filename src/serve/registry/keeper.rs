//! Keeps the registry as its operator wants it: looks what is there, loads what is new, swaps, retires.
//!
//! ```text
//! wishes (sources, settings) + what lies there -> jobs -> loaded beside what serves -> one new table
//! ```
//!
//! One change at a time. What fails leaves what was there before, and says why.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use crate::error::{Error, Result, escape_controls};
use crate::serve::hosted::{Hosted, Hosting};

use super::Registry;
use super::loader::{self, Job, Loaded};
use super::settings::{Settings, Shares, Target, Typed, value_for};
use super::source::{Found, Scan, Source, Stamp};
use super::table::{Entry, Slot, State};
use super::version::{self, Policy};

/// What the operator wants served.
#[derive(Clone)]
pub struct Wishes {
    pub sources: Vec<Source>,
    pub hosting: Hosting,
    /// A version that breaks its callers is not served.
    pub refuse_breaks: bool,
    pub policies: Vec<Typed<Policy>>,
    pub labels: Vec<Typed<Vec<(String, String)>>>,
    pub defaults: Vec<Typed<Target>>,
    pub shares: Vec<Typed<Shares>>,
    pub shadows: Vec<Typed<Target>>,
}

/// Something that happened to a model, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub model: String,
    pub version: String,
    pub what: What,
    /// Lower case, no full stop; for the operator, so that it may name files.
    pub message: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Loaded,
    Failed,
    /// Takes no more requests.
    Retired,
    Set,
}

impl Event {
    /// `model iris version 2 loaded: ready after 12.1 ms`
    pub fn text(&self) -> String {
        let version = match self.version.as_str() {
            "" => String::new(),
            version => format!(" version {version}"),
        };
        let Event { model, message, .. } = self;
        escape_controls(&format!(
            "model {model}{version} {}: {message}",
            self.what.word()
        ))
    }
}

impl What {
    /// The word for it in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            What::Loaded => "loaded",
            What::Failed => "failed",
            What::Retired => "retired",
            What::Set => "set",
        }
    }
}

/// Why and how far models are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent<'m> {
    /// Whatever has changed.
    Changed,
    /// Whatever has changed, where its files are as this earlier scan saw them.
    Settled(&'m Scan),
    /// One model, also if it was unloaded or has failed before.
    Only(&'m str),
}

/// The registry's only writer.
pub struct Keeper {
    registry: Arc<Registry>,
    kept: Mutex<Kept>,
}

struct Kept {
    wishes: Wishes,
    entries: Vec<Entry>,
}

/// Versions that are loaded at once.
const MOST_LOADERS: usize = 4;

impl Keeper {
    /// Loads what is wished, the first time.
    ///
    /// # Errors
    /// What keeps any model from being loaded: nobody watches yet who could mend it.
    pub fn start(wishes: Wishes) -> Result<(Keeper, Vec<Event>)> {
        let keeper = Keeper {
            registry: Arc::default(),
            kept: Mutex::new(Kept {
                wishes,
                entries: Vec::new(),
            }),
        };
        let mut kept = keeper.locked();
        let scan = kept.wishes.scan()?;
        if let Some(fault) = scan.faults.first() {
            return Err(Error::usage(fault.clone()));
        }
        if scan.found.is_empty() {
            return Err(Error::usage("no model is there to be served")
                .hint("a folder has models as iris.onnx, iris/model.onnx or iris/1/model.onnx"));
        }
        let names: Vec<&str> = scan.found.iter().map(|found| found.name.as_str()).collect();
        kept.wishes.hosting.baselines.check(&names)?;
        kept.wishes.check(&names)?;
        let mut change = Change::new(&keeper.registry, &mut kept);
        change.apply(&scan, Extent::Changed);
        let events = change.finish();
        if let Some(error) = events.1.into_iter().next() {
            return Err(error);
        }
        astray(&kept.entries)?;
        drop(kept);
        Ok((keeper, events.0))
    }

    /// What requests look up.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// How models are loaded and run, which is as it was from the start.
    pub fn hosting(&self) -> Hosting {
        self.locked().wishes.hosting.clone()
    }

    /// What lies there now.
    ///
    /// # Errors
    /// As [`Source::scan`].
    pub fn scan(&self) -> Result<Scan> {
        let wishes = self.locked().wishes.clone();
        wishes.scan()
    }

    /// Loads what is new and retires what is gone.
    ///
    /// # Errors
    /// As [`Source::scan`]; a version that cannot be loaded is an event.
    pub fn refresh(&self, extent: Extent<'_>) -> Result<Vec<Event>> {
        let mut kept = self.locked();
        let scan = kept.wishes.scan()?;
        let mut change = Change::new(&self.registry, &mut kept);
        change.apply(&scan, extent);
        Ok(change.finish().0)
    }

    /// Serves by `wishes` from now on.
    ///
    /// # Errors
    /// Wishes that cannot be: all is as before then.
    pub fn rewish(&self, wishes: Wishes) -> Result<Vec<Event>> {
        let mut kept = self.locked();
        let scan = wishes.scan()?;
        if let Some(fault) = scan.faults.first() {
            return Err(Error::usage(fault.clone()));
        }
        let gone = scan.found.iter().find(|found| found.stamp.is_empty());
        if let Some(Ok(file)) = gone.map(|found| &found.file) {
            return Err(Error::usage("there is no such file").at(file.display()));
        }
        let names: Vec<&str> = scan.found.iter().map(|found| found.name.as_str()).collect();
        wishes.check(&names)?;
        // What would be set is tried on the versions that there will be.
        let mut planned: Vec<Entry> = Vec::new();
        for (name, found) in by_name(&scan) {
            let mut entry = Entry::new(&name);
            entry.settings = wishes.settings(&name);
            let now = kept.entries.iter().find(|entry| entry.name == name);
            let versions = wanted(&entry, now, &found);
            entry.slots = versions
                .into_iter()
                .map(|(version, _)| Slot::loading(version))
                .collect();
            planned.push(entry);
        }
        astray(&planned)?;
        kept.wishes = wishes;
        let mut change = Change::new(&self.registry, &mut kept);
        change.apply(&scan, Extent::Changed);
        Ok(change.finish().0)
    }

    /// Takes no more requests for a model, until it is loaded again; `None` for one that is not here.
    pub fn unload(&self, name: &str) -> Option<Vec<Event>> {
        let mut kept = self.locked();
        let mut change = Change::new(&self.registry, &mut kept);
        let place = change.place(name)?;
        let entry = change.kept.entries.get_mut(place)?;
        entry.is_unloaded = true;
        entry
            .slots
            .retain(|slot| !matches!(slot.state, State::Failed(_)));
        change.retire(place, &[]);
        Some(change.finish().0)
    }

    /// Sets labels, the default, shares and the shadow of a model anew.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model that is not here, and for what stands for no version of it.
    pub fn set(&self, name: &str, set: impl FnOnce(&mut Settings)) -> Result<Vec<Event>> {
        let mut kept = self.locked();
        let mut change = Change::new(&self.registry, &mut kept);
        let entry = change
            .place(name)
            .and_then(|place| change.kept.entries.get_mut(place));
        let Some(entry) = entry else {
            return Err(Error::usage(format!("there is no model \"{name}\" here")));
        };
        let mut settings = entry.settings.clone();
        set(&mut settings);
        let before = std::mem::replace(&mut entry.settings, settings.clone());
        if let Err(error) = astray(std::slice::from_ref(entry)) {
            entry.settings = before;
            return Err(error);
        }
        change.kept.wishes.pin(name, &settings);
        change.say(name, "", What::Set, settings.to_string());
        Ok(change.finish().0)
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// # Errors
/// [`Error::Usage`] for a setting that stands for no version.
fn astray(entries: &[Entry]) -> Result<()> {
    let mut astray = entries
        .iter()
        .filter_map(|entry| Some((entry, entry.astray()?)));
    match astray.next() {
        None => Ok(()),
        Some((entry, target)) => {
            let versions: Vec<&str> = entry
                .slots
                .iter()
                .map(|slot| slot.version.as_str())
                .collect();
            Err(Error::usage(format!(
                "the model \"{}\" has no version or label \"{target}\"",
                entry.name
            ))
            .hint(format!("served are: {}", versions.join(", "))))
        }
    }
}

impl Wishes {
    /// What lies there.
    fn scan(&self) -> Result<Scan> {
        let mut scan = Scan::default();
        for source in &self.sources {
            let before = scan.found.len();
            source.scan(&mut scan)?;
            let (old, new) = scan.found.split_at(before);
            let is_twice = |new: &&Found| old.iter().any(|old| old.name == new.name);
            if let Some(twice) = new.iter().find(is_twice) {
                let place = |found: &Found| match &found.file {
                    Ok(path) => path.display().to_string(),
                    Err(_) => format!("version {}", found.version.as_deref().unwrap_or("1")),
                };
                let other = old.iter().find(|old| old.name == twice.name);
                return Err(Error::usage(format!(
                    "two models have the name \"{}\": {} and {}",
                    twice.name,
                    other.map_or_else(String::new, place),
                    place(twice),
                ))
                .hint("NAME=PATH gives a model another name"));
            }
        }
        Ok(scan)
    }

    /// # Errors
    /// [`Error::Usage`] where something is set for a model that is not among `names`.
    fn check(&self, names: &[&str]) -> Result<()> {
        fn models<T>(typed: &[Typed<T>]) -> impl Iterator<Item = &str> {
            typed.iter().filter_map(|typed| typed.model.as_deref())
        }
        let mut set = models(&self.policies)
            .chain(models(&self.labels))
            .chain(models(&self.defaults))
            .chain(models(&self.shares))
            .chain(models(&self.shadows));
        match set.find(|model| !names.contains(model)) {
            None => Ok(()),
            Some(model) => {
                let mut served = names.to_vec();
                served.dedup();
                Err(Error::usage(format!(
                    "something is set for a model \"{model}\", which is not here"
                ))
                .hint(format!("served are: {}", served.join(", "))))
            }
        }
    }

    /// What is set for a model.
    fn settings(&self, name: &str) -> Settings {
        Settings {
            policy: value_for(&self.policies, name).cloned().unwrap_or_default(),
            labels: value_for(&self.labels, name).cloned().unwrap_or_default(),
            default: value_for(&self.defaults, name).cloned(),
            shares: value_for(&self.shares, name).cloned().unwrap_or_default(),
            shadow: value_for(&self.shadows, name).cloned(),
        }
    }

    /// Keeps what was set by hand, for what is looked at again later.
    fn pin(&mut self, name: &str, settings: &Settings) {
        fn put<T>(typed: &mut Vec<Typed<T>>, name: &str, value: Option<T>) {
            typed.retain(|typed| typed.model.as_deref() != Some(name));
            typed.extend(value.map(|value| Typed {
                model: Some(name.to_owned()),
                value,
            }));
        }
        put(&mut self.labels, name, Some(settings.labels.clone()));
        put(&mut self.defaults, name, settings.default.clone());
        put(&mut self.shares, name, Some(settings.shares.clone()));
        put(&mut self.shadows, name, settings.shadow.clone());
    }
}

/// What was found, by model, in order.
fn by_name(scan: &Scan) -> Vec<(String, Vec<&Found>)> {
    let mut models: Vec<(String, Vec<&Found>)> = Vec::new();
    for found in &scan.found {
        match models.iter_mut().find(|(name, _)| *name == found.name) {
            Some((_, of_model)) => of_model.push(found),
            None => models.push((found.name.clone(), vec![found])),
        }
    }
    models
}

/// The versions of a model that should be served. A model that lies there alone has no version of its
/// own: each time that it changes it gets the next.
fn wanted<'f>(entry: &Entry, now: Option<&Entry>, found: &[&'f Found]) -> Vec<(String, &'f Found)> {
    if let [only] = found
        && only.version.is_none()
    {
        let slots = now.map_or(&[][..], |now| &now.slots);
        let same = slots.iter().rev().find(|slot| slot.stamp == only.stamp);
        let version = same.map(|slot| slot.version.clone()).unwrap_or_else(|| {
            let numbers = slots
                .iter()
                .filter_map(|slot| version::number(&slot.version));
            (numbers.max().unwrap_or(0) + 1).to_string()
        });
        return vec![(version, only)];
    }
    let versions: Vec<&str> = found
        .iter()
        .filter_map(|found| found.version.as_deref())
        .collect();
    let chosen = entry.settings.policy.chosen(&versions);
    let of = |version: &str| {
        let is_it = |found: &&&Found| found.version.as_deref() == Some(version);
        Some((version.to_owned(), *found.iter().find(is_it)?))
    };
    chosen.into_iter().filter_map(of).collect()
}

/// A change on its way.
struct Change<'k> {
    registry: &'k Registry,
    kept: &'k mut Kept,
    events: Vec<Event>,
    errors: Vec<Error>,
}

impl<'k> Change<'k> {
    fn new(registry: &'k Registry, kept: &'k mut Kept) -> Change<'k> {
        Change {
            registry,
            kept,
            events: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn say(&mut self, model: &str, version: &str, what: What, message: String) {
        self.events.push(Event {
            model: model.to_owned(),
            version: version.to_owned(),
            what,
            message,
        });
    }

    fn place(&self, name: &str) -> Option<usize> {
        let mut entries = self.kept.entries.iter();
        entries.position(|entry| entry.name == name)
    }

    fn publish(&self) {
        self.registry.publish(self.kept.entries.clone());
    }

    /// Publishes what has become of it; what happened, and the errors of what failed.
    fn finish(self) -> (Vec<Event>, Vec<Error>) {
        // The table before this one may be the last that has what drains.
        self.publish();
        for entry in &mut self.kept.entries {
            entry.slots.retain(|slot| !slot.is_gone());
        }
        self.publish();
        (self.events, self.errors)
    }

    fn apply(&mut self, scan: &Scan, extent: Extent<'_>) {
        let models = by_name(scan);
        let mut jobs = Vec::new();
        for (name, found) in &models {
            let place = self.place(name).unwrap_or_else(|| {
                self.kept.entries.push(Entry::new(name));
                self.kept.entries.len() - 1
            });
            self.plan(place, found, extent, &mut jobs);
        }
        let order: Vec<&str> = models.iter().map(|(name, _)| name.as_str()).collect();
        let place = |entry: &Entry| order.iter().position(|name| *name == entry.name);
        self.kept
            .entries
            .sort_by_key(|entry| place(entry).unwrap_or(usize::MAX));
        // Who asks for what is not there yet is told to come back.
        self.publish();
        self.load(jobs);
        for place in 0..self.kept.entries.len() {
            let Some(entry) = self.kept.entries.get(place) else {
                continue;
            };
            let found = models.iter().find(|(name, _)| *name == entry.name);
            let found = found.map_or(&[][..], |(_, found)| found);
            let versions: Vec<String> = match entry.is_unloaded {
                true => Vec::new(),
                false => {
                    let versions = wanted(entry, Some(entry), found).into_iter();
                    versions.map(|(version, _)| version).collect()
                }
            };
            self.retire(place, &versions);
        }
        let named: HashSet<&str> = order.into_iter().collect();
        self.kept.entries.retain(|entry| {
            named.contains(entry.name.as_str()) || entry.slots.iter().any(|slot| !slot.is_gone())
        });
    }

    /// Adds what is to be loaded of one model to `jobs`.
    fn plan(&mut self, place: usize, found: &[&Found], extent: Extent<'_>, jobs: &mut Vec<Job>) {
        let settings = |name: &str| self.kept.wishes.settings(name);
        let Some(name) = self.kept.entries.get(place).map(|entry| entry.name.clone()) else {
            return;
        };
        let settings = settings(&name);
        let Some(entry) = self.kept.entries.get_mut(place) else {
            return;
        };
        entry.settings = settings;
        let is_asked = extent == Extent::Only(&name);
        if is_asked {
            entry.is_unloaded = false;
        }
        if entry.is_unloaded || (matches!(extent, Extent::Only(_)) && !is_asked) {
            return;
        }
        for (version, found) in wanted(entry, Some(entry), found) {
            let is_settled = match extent {
                Extent::Settled(earlier) => earlier.found.contains(found),
                Extent::Changed | Extent::Only(_) => true,
            };
            let now = entry
                .slots
                .iter()
                .position(|slot| slot.version == version && !slot.is_draining());
            let slot = now.and_then(|now| entry.slots.get(now));
            let is_needed = match slot {
                None => true,
                Some(slot) => {
                    let has_failed = matches!(slot.state, State::Failed(_));
                    slot.stamp != found.stamp || (is_asked && has_failed)
                }
            };
            if !is_settled || !is_needed {
                continue;
            }
            // One that cannot be replaced stays, whatever becomes of this.
            if slot.is_none_or(|slot| slot.hosted().is_none()) {
                entry
                    .slots
                    .retain(|slot| slot.version != version || slot.is_draining());
                entry.slots.push(Slot::loading(version.clone()));
            }
            jobs.push(Job {
                name: name.clone(),
                version,
                file: found.file.clone(),
                stamp: found.stamp.clone(),
            });
        }
    }

    /// Loads all, several at once, and puts each in its place as soon as it is there.
    fn load(&mut self, jobs: Vec<Job>) {
        let wishes = self.kept.wishes.clone();
        let befores: Vec<Option<Arc<Hosted>>> = {
            let table = self.registry.table();
            let before = |job: &Job| table.entry(&job.name)?.default().cloned();
            jobs.iter().map(before).collect()
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let (send, receive) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..threads.min(MOST_LOADERS).min(jobs.len()) {
                let send = send.clone();
                let (next, jobs, befores, wishes) = (&next, &jobs, &befores, &wishes);
                scope.spawn(move || {
                    while let Some((job, before)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        jobs.get(index).zip(befores.get(index))
                    } {
                        let before = before.as_deref();
                        let hosting = &wishes.hosting;
                        let loaded = loader::load(job, hosting, before, wishes.refuse_breaks);
                        let _ = send.send((job.clone(), loaded));
                    }
                });
            }
            drop(send);
            for (job, loaded) in receive {
                self.place_loaded(job, loaded);
                self.publish();
            }
        });
    }

    fn place_loaded(&mut self, job: Job, loaded: Result<Loaded>) {
        let Some(place) = self.place(&job.name) else {
            return;
        };
        let Some(entry) = self.kept.entries.get_mut(place) else {
            return;
        };
        let mut slot = Slot {
            stamp: job.stamp,
            ..Slot::loading(job.version.clone())
        };
        match loaded {
            Ok(loaded) => {
                let mut message = format!(
                    "ready after {:.1} ms, sha256 {}",
                    loaded.hosted.load.as_secs_f64() * 1000.0,
                    loaded.sha256.get(..16).unwrap_or_default()
                );
                if !loaded.breaks.is_empty() {
                    message += &format!("; callers may break: {}", loaded.breaks.join("; "));
                }
                slot.state = State::Ready(loaded.hosted);
                slot.sha256 = loaded.sha256;
                slot.breaks = loaded.breaks;
                for slot in &mut entry.slots {
                    if slot.version == job.version {
                        slot.drain();
                    }
                }
                entry.slots.retain(|slot| {
                    slot.version != job.version || (slot.is_draining() && !slot.is_gone())
                });
                entry.slots.push(slot);
                self.say(&job.name, &job.version, What::Loaded, message);
            }
            Err(error) => {
                let why = error.report().map(|report| report.message.clone());
                slot.state = State::Failed(why.unwrap_or_default());
                let now = entry.slots.iter_mut();
                let mut now = now.filter(|slot| slot.version == job.version && !slot.is_draining());
                match now.next() {
                    // The version before it serves on; only what has changed again is tried again.
                    Some(now) if now.hosted().is_some() => now.stamp = slot.stamp,
                    Some(now) => *now = slot,
                    None => entry.slots.push(slot),
                }
                self.say(
                    &job.name,
                    &job.version,
                    What::Failed,
                    error.to_string().replace('\n', "; "),
                );
                self.errors.push(error);
            }
        }
    }

    /// Lets the versions that are not `wanted` drain. For each that should be there and is not ready,
    /// the highest of the others stays.
    fn retire(&mut self, place: usize, wanted: &[String]) {
        let Some(entry) = self.kept.entries.get_mut(place) else {
            return;
        };
        let is_wanted = |slot: &Slot| wanted.contains(&slot.version);
        let is_absent = |version: &&String| {
            let mut ready = entry.slots.iter().filter(|slot| slot.hosted().is_some());
            !ready.any(|slot| slot.version == **version)
        };
        let mut stay = wanted.iter().filter(is_absent).count();
        let mut retired = Vec::new();
        for slot in entry.slots.iter_mut().rev() {
            if is_wanted(slot) || slot.is_draining() {
                continue;
            }
            if slot.hosted().is_some() && stay > 0 {
                stay -= 1;
                continue;
            }
            if slot.hosted().is_some() {
                retired.push(slot.version.clone());
                slot.drain();
            }
        }
        entry
            .slots
            .retain(|slot| is_wanted(slot) || slot.hosted().is_some() || slot.is_draining());
        let name = entry.name.clone();
        for version in retired {
            self.say(
                &name,
                &version,
                What::Retired,
                "takes no more requests".to_owned(),
            );
        }
    }
}

impl Slot {
    fn loading(version: String) -> Slot {
        Slot {
            version,
            state: State::Loading,
            stamp: Stamp::default(),
            sha256: String::new(),
            breaks: Vec::new(),
            since: SystemTime::now(),
        }
    }

    fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining(_))
    }

    fn drain(&mut self) {
        if let State::Ready(hosted) = &self.state {
            self.state = State::Draining(Arc::downgrade(hosted));
            self.since = SystemTime::now();
        }
    }
}
