//! What requests find, and what becomes of it when models change.

use super::*;

#[test]
fn names_are_plain() {
    for (name, is_fine) in [
        ("iris", true),
        ("_a.b-c_1", true),
        ("", false),
        ("..", false),
        (".hidden", false),
        ("-flag", false),
        ("a/b", false),
        ("a b", false),
        ("größe", false),
        ("a:b", false),
    ] {
        assert_eq!(is_name(name), is_fine, "{name}");
    }
}

use std::fs;
use std::path::{Path, PathBuf};

use keeper::{Event, Extent, Keeper, What, Wishes};
use settings::{Settings, Shares, Typed};
use source::Source;
use version::Policy;

use crate::serve::tests::hosting;

/// A folder with models, and a keeper of what is in it.
struct Store {
    root: tempfile::TempDir,
}

/// Where a model of the repository is.
fn model(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("models").join(format!("{name}.onnx"))
}

impl Store {
    fn with(models: &[(&str, &str)]) -> Store {
        let store = Store {
            root: tempfile::tempdir().expect("a folder"),
        };
        for (place, name) in models {
            store.put(place, name);
        }
        store
    }

    /// Puts a model there as those do who care: under another name first.
    fn put(&self, place: &str, name: &str) {
        let path = self.root.path().join(place);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let new = path.with_extension("new");
        match name {
            "broken" => fs::write(&new, b"no model").expect("a file"),
            name => {
                fs::copy(model(name), &new).expect("a copy");
            }
        }
        fs::rename(new, path).expect("a rename");
    }

    fn remove(&self, place: &str) {
        fs::remove_dir_all(self.root.path().join(place)).expect("a folder");
    }

    fn wishes(&self, sources: &[&str]) -> Wishes {
        let source = |place: &&str| Source {
            name: None,
            path: self.root.path().join(place),
        };
        Wishes {
            sources: sources.iter().map(source).collect(),
            hosting: hosting(),
            refuse_breaks: false,
            policies: Vec::new(),
            labels: Vec::new(),
            defaults: Vec::new(),
            shares: Vec::new(),
            shadows: Vec::new(),
        }
    }
}

fn typed<T>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Vec<Typed<T>> {
    vec![Typed::read(text, read).expect("a setting")]
}

fn started(wishes: Wishes) -> Keeper {
    Keeper::start(wishes)
        .map_err(|error| error.to_string())
        .expect("a keeper")
        .0
}

/// `iris 1 ready`, for all that is there.
fn states(keeper: &Keeper) -> Vec<String> {
    let table = keeper.registry().table();
    let states = table.entries.iter().flat_map(|entry| {
        let of = |slot: &Slot| format!("{} {} {}", entry.name, slot.version, slot.state.word());
        entry.slots.iter().map(of).collect::<Vec<_>>()
    });
    states.collect()
}

/// `loaded iris 2`, for all that happened.
fn told(events: &[Event]) -> Vec<String> {
    let told = events.iter().map(|event| {
        let Event { model, version, .. } = event;
        format!("{} {model} {version}", event.what.word())
    });
    told.collect()
}

fn refreshed(keeper: &Keeper) -> Vec<String> {
    told(&keeper.refresh(Extent::Changed).expect("a change"))
}

/// The version that is found, or the status of why none is.
fn found(keeper: &Keeper, pick: Pick<'_>) -> Result<String, u16> {
    let found = keeper.registry().find("iris", pick, 0);
    found
        .map(|hosted| hosted.version.clone())
        .map_err(|problem| problem.status())
}

#[test]
fn a_new_version_takes_over_and_the_old_one_drains() {
    let store = Store::with(&[("repo/iris/1/model.onnx", "iris")]);
    let keeper = started(store.wishes(&["repo"]));
    assert_eq!(states(&keeper), ["iris 1 ready"]);
    assert_eq!(refreshed(&keeper), [""; 0]);
    let held = keeper.registry().only(0).map_err(|_| ()).expect("a model");
    store.put("repo/iris/2/model.onnx", "iris");
    assert_eq!(refreshed(&keeper), ["loaded iris 2", "retired iris 1"]);
    assert_eq!(states(&keeper), ["iris 1 draining", "iris 2 ready"]);
    assert_eq!(found(&keeper, Pick::Default), Ok("2".to_owned()));
    assert_eq!(found(&keeper, Pick::Version("1")), Err(404));
    // Whoever has it may use it to the end.
    assert_eq!(held.version, "1");
    drop(held);
    refreshed(&keeper);
    assert_eq!(states(&keeper), ["iris 2 ready"]);
    // Back again, as it is done when a version turns out to be bad.
    store.remove("repo/iris/2");
    assert_eq!(refreshed(&keeper), ["loaded iris 1", "retired iris 2"]);
    assert_eq!(found(&keeper, Pick::Default), Ok("1".to_owned()));
}

#[test]
fn what_fails_leaves_what_was_there() {
    let store = Store::with(&[("iris.onnx", "iris")]);
    let keeper = started(store.wishes(&["iris.onnx"]));
    store.put("iris.onnx", "broken");
    assert_eq!(refreshed(&keeper), ["failed iris 2"]);
    assert_eq!(states(&keeper), ["iris 1 ready", "iris 2 failed"]);
    assert_eq!(found(&keeper, Pick::Default), Ok("1".to_owned()));
    assert_eq!(found(&keeper, Pick::Version("2")), Err(503));
    // It is not tried again and again.
    assert_eq!(refreshed(&keeper), [""; 0]);
    let again = keeper.refresh(Extent::Only("iris")).expect("a change");
    assert_eq!(told(&again), ["failed iris 2"]);
    fs::remove_file(store.root.path().join("iris.onnx")).expect("a file");
    assert_eq!(refreshed(&keeper), ["failed iris 3"]);
    assert_eq!(found(&keeper, Pick::Default), Ok("1".to_owned()));
    store.put("iris.onnx", "iris");
    let done = refreshed(&keeper);
    assert_eq!(
        done.first().map(|event| event.starts_with("loaded iris ")),
        Some(true)
    );
    assert_eq!(found(&keeper, Pick::Version("1")), Err(404));
    assert!(keeper.registry().is_ready());
}

#[test]
fn a_version_that_changes_in_its_folder_is_replaced_by_itself() {
    let store = Store::with(&[("iris/7/model.onnx", "iris")]);
    let keeper = started(store.wishes(&["iris"]));
    let before = keeper.registry().only(0).map_err(|_| ()).expect("a model");
    store.put("iris/7/model.onnx", "iris");
    assert_eq!(refreshed(&keeper), ["loaded iris 7"]);
    let after = keeper.registry().only(0).map_err(|_| ()).expect("a model");
    assert!(!Arc::ptr_eq(&before, &after));
    assert_eq!(states(&keeper), ["iris 7 draining", "iris 7 ready"]);
    store.put("iris/7/model.onnx", "broken");
    assert_eq!(refreshed(&keeper), ["failed iris 7"]);
    assert_eq!(found(&keeper, Pick::Version("7")), Ok("7".to_owned()));
}

#[test]
fn policies_labels_and_the_default_choose() {
    let store = Store::with(&[
        ("iris/1/model.onnx", "iris"),
        ("iris/2/model.onnx", "iris"),
        ("iris/10/model.onnx", "iris"),
    ]);
    let mut wishes = store.wishes(&["iris"]);
    wishes.policies = typed("latest 2", Policy::read);
    wishes.labels = typed("iris: stable=2 canary=10", settings::labels);
    wishes.defaults = typed("stable", settings::target);
    let keeper = started(wishes.clone());
    assert_eq!(states(&keeper), ["iris 2 ready", "iris 10 ready"]);
    for (pick, expected) in [
        (Pick::Default, Ok("2")),
        (Pick::Label("canary"), Ok("10")),
        (Pick::Label("other"), Err(404)),
        (Pick::Version("10"), Ok("10")),
        (Pick::Version("1"), Err(404)),
    ] {
        assert_eq!(
            found(&keeper, pick),
            expected.map(str::to_owned),
            "{pick:?}"
        );
    }
    // Wishes that cannot be leave all as it is.
    let mut wrong = wishes.clone();
    wrong.policies = typed("1", Policy::read);
    assert!(keeper.rewish(wrong).is_err());
    assert_eq!(states(&keeper), ["iris 2 ready", "iris 10 ready"]);
    wishes.policies = typed("all", Policy::read);
    wishes.defaults = typed("1", settings::target);
    let events = keeper.rewish(wishes).expect("a change");
    assert_eq!(told(&events), ["loaded iris 1"]);
    assert_eq!(found(&keeper, Pick::Default), Ok("1".to_owned()));
    let set = |settings: &mut Settings| settings.default = Some("9".to_owned());
    assert!(keeper.set("iris", set).is_err());
    let set = |settings: &mut Settings| settings.default = Some("canary".to_owned());
    assert!(keeper.set("iris", set).is_ok());
    assert_eq!(found(&keeper, Pick::Default), Ok("10".to_owned()));
    // What was set by hand stays when models are looked at again.
    refreshed(&keeper);
    assert_eq!(found(&keeper, Pick::Default), Ok("10".to_owned()));
}

#[test]
fn requests_are_shared_out_by_weight_and_each_key_stays_with_its_version() {
    let store = Store::with(&[("iris/1/model.onnx", "iris"), ("iris/2/model.onnx", "iris")]);
    let mut wishes = store.wishes(&["iris"]);
    wishes.policies = typed("all", Policy::read);
    wishes.labels = typed("canary=2", settings::labels);
    wishes.shares = typed("1=95 canary=5", Shares::read);
    let keeper = started(wishes);
    let registry = keeper.registry();
    assert!(registry.has_shares());
    let chosen = |key| {
        let chosen = registry.find("iris", Pick::Default, key);
        chosen
            .map(|hosted| hosted.version.clone())
            .unwrap_or_default()
    };
    let canaries = (0..1000).filter(|key| chosen(*key) == "2").count();
    assert_eq!(canaries, 50);
    assert!((0..1000).all(|key| chosen(key) == chosen(key)));
    // Whoever asks for a version gets it.
    assert_eq!(found(&keeper, Pick::Version("1")), Ok("1".to_owned()));
    // A version that is not there takes no share.
    store.remove("iris/2");
    refreshed(&keeper);
    assert!((0..1000).all(|key| chosen(key) == "1"));
}

#[test]
fn unloading_lasts_until_it_is_loaded_again() {
    let store = Store::with(&[("repo/iris.onnx", "iris"), ("repo/titanic.onnx", "titanic")]);
    let keeper = started(store.wishes(&["repo"]));
    let events = keeper.unload("iris").expect("a model");
    assert_eq!(told(&events), ["retired iris 1"]);
    assert_eq!(keeper.unload("nothing"), None);
    assert_eq!(found(&keeper, Pick::Default), Err(503));
    assert!(keeper.registry().is_ready());
    store.put("repo/iris.onnx", "iris");
    assert_eq!(refreshed(&keeper), [""; 0]);
    let again = keeper.refresh(Extent::Only("iris")).expect("a change");
    assert_eq!(told(&again).len(), 1);
    assert!(found(&keeper, Pick::Default).is_ok());
    assert_eq!(states(&keeper).len(), 2);
}

#[test]
fn a_version_that_breaks_its_callers_is_told_of_or_refused() {
    let store = Store::with(&[("m/1/model.onnx", "iris")]);
    let mut wishes = store.wishes(&["m"]);
    let keeper = started(wishes.clone());
    store.put("m/2/model.onnx", "titanic");
    let events = keeper.refresh(Extent::Changed).expect("a change");
    let first = events.first().expect("an event");
    assert!(
        first.message.contains("input \"X\": it is gone"),
        "{first:?}"
    );
    assert_eq!(states(&keeper), ["m 2 ready"]);

    let store = Store::with(&[("m/1/model.onnx", "iris")]);
    wishes = Wishes {
        refuse_breaks: true,
        ..store.wishes(&["m"])
    };
    let keeper = started(wishes);
    store.put("m/2/model.onnx", "titanic");
    assert_eq!(refreshed(&keeper), ["failed m 2"]);
    assert_eq!(states(&keeper), ["m 1 ready", "m 2 failed"]);
}

#[test]
fn samples_beside_a_model_must_be_scored_before_it_serves() {
    let store = Store::with(&[("iris/1/model.onnx", "iris")]);
    let samples = store.root.path().join("iris/1/warmup.jsonl");
    fs::write(&samples, "[5.1,3.5,1.4,0.2]\n[6.1,2.8,4.7,1.2]\n").expect("a file");
    let keeper = started(store.wishes(&["iris"]));
    assert_eq!(states(&keeper), ["iris 1 ready"]);
    fs::write(&samples, "[5.1,3.5,1.4,0.2]\n[5.1,3.5]\n").expect("a file");
    let events = keeper.refresh(Extent::Changed).expect("a change");
    let first = events.first().expect("an event");
    assert_eq!(first.what, What::Failed);
    assert!(
        first.message.contains("warmup.jsonl: the warm-up fails: "),
        "{first:?}"
    );
}

#[test]
fn what_is_still_being_written_is_not_loaded() {
    let store = Store::with(&[("iris.onnx", "iris")]);
    let keeper = started(store.wishes(&["iris.onnx"]));
    let mut look = watch::Look::default();
    let mut looked = || told(&look.look(&keeper).expect("a look"));
    assert_eq!(looked(), [""; 0]);
    assert_eq!(looked(), [""; 0]);
    let whole = fs::read(model("iris")).expect("a model");
    let path = store.root.path().join("iris.onnx");
    fs::write(&path, &whole[..100]).expect("a file");
    assert_eq!(looked(), [""; 0]);
    fs::write(&path, &whole).expect("a file");
    assert_eq!(looked(), [""; 0]);
    assert_eq!(looked(), ["loaded iris 2", "retired iris 1"]);
    assert_eq!(looked(), [""; 0]);
}

#[test]
fn what_cannot_be_served_at_the_start_is_an_error() {
    let store = Store::with(&[
        ("a/iris.onnx", "iris"),
        ("b/iris.onnx", "iris"),
        ("bad/x/1/model.onnx", "broken"),
    ]);
    fs::create_dir(store.root.path().join("empty")).expect("a folder");
    for (sources, words) in [
        (
            &["a", "b/iris.onnx"][..],
            "two models have the name \"iris\"",
        ),
        (&["empty"], "no model is there"),
        (&["bad"], "model.onnx"),
        (&["a", "gone.onnx"], "gone.onnx"),
    ] {
        let error = Keeper::start(store.wishes(sources))
            .err()
            .expect("an error");
        assert!(error.to_string().contains(words), "{error}");
    }
    let mut wishes = store.wishes(&["a"]);
    wishes.labels = typed("iri: stable=1", settings::labels);
    let error = Keeper::start(wishes).err().expect("an error");
    assert!(
        error
            .to_string()
            .contains("set for a model \"iri\", which is not here"),
        "{error}"
    );
    let mut wishes = store.wishes(&["a"]);
    wishes.labels = typed("stable=9", settings::labels);
    let error = Keeper::start(wishes).err().expect("an error");
    assert!(
        error.to_string().contains("no version or label \"9\""),
        "{error}"
    );
}
