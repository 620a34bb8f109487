//! Models that change while they are served: by watching, by request, by SIGHUP; and what is set for them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

use super::{Serving, in_tests};
use crate::client::{FOREVER, get, post};
use crate::run::{Folder, ROOT, mlserve};

/// The weights of the corpus' model `features_json`, which it multiplies three features with.
const WEIGHTS: [f32; 3] = [1.0, 2.0, 3.0];
/// A record for it, whose score is the sum of the weights.
const ONES: &str = "[[1,1,1]]";

/// The model with its weights times `factor`, so that [`ONES`] score `6 * factor`.
fn scaled(factor: f32) -> Vec<u8> {
    let bytes = |factor: f32| -> Vec<u8> {
        let weights = WEIGHTS.iter();
        weights
            .flat_map(|weight| (weight * factor).to_le_bytes())
            .collect()
    };
    let mut model = fs::read(Path::new(ROOT).join("tests/corpus/features_json.onnx")).unwrap();
    let before = bytes(1.0);
    let mut places = model.windows(before.len()).enumerate();
    let place = places.find(|(_, window)| *window == before).unwrap().0;
    model[place..place + before.len()].copy_from_slice(&bytes(factor));
    model
}

/// Puts a model there as one should: whole, by renaming.
fn put(folder: &Folder, place: &str, model: &[u8]) {
    let path = folder.file(place);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_extension("new");
    fs::write(&new, model).unwrap();
    fs::rename(new, path).unwrap();
}

/// The program serving `models` of `folder` with `args`.
fn serving(folder: &Folder, args: &[&str]) -> Serving {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlserve"));
    command
        .args(["serve", "-p", "0", "--log", "none"])
        .args(args);
    in_tests(&mut command);
    command.current_dir(folder.file(""));
    Serving::start(&mut command)
}

fn asked(serving: &Serving, target: &str) -> Value {
    let mut client = serving.connect();
    client.send(get(target));
    serde_json::from_str(&client.reply().text()).unwrap_or_default()
}

/// Status, version and score of an answer.
fn scored(serving: &Serving, path: &str, fields: &str) -> (u16, String, f64) {
    let mut client = serving.connect();
    client.send(post(path, fields, ONES.as_bytes()));
    let reply = client.reply();
    let told: Value = serde_json::from_str(&reply.text()).unwrap_or_default();
    let score = told["predictions"][0].as_object();
    let score = score
        .and_then(|fields| fields.values().next())
        .and_then(Value::as_f64);
    let version = reply
        .field("x-model-version")
        .unwrap_or_default()
        .to_owned();
    if reply.status == 200 {
        assert_eq!(told["version"], version.as_str(), "{told}");
    }
    (reply.status, version, score.unwrap_or_default())
}

/// `m/2 ready`, for all versions.
fn states(serving: &Serving) -> Vec<String> {
    let told = asked(serving, "/models");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let models = told["models"].as_array().unwrap().iter();
    models
        .map(|model| {
            let [name, version, state] = ["name", "version", "state"].map(|key| word(&model[key]));
            format!("{name}/{version} {state}")
        })
        .collect()
}

/// Waits until the models are in these states.
#[track_caller]
fn until(serving: &Serving, expected: &[&str]) {
    let started = Instant::now();
    loop {
        let states = states(serving);
        if states == expected {
            return;
        }
        assert!(
            started.elapsed() < FOREVER,
            "{states:?} and not {expected:?}"
        );
    }
}

#[test]
fn no_request_is_lost_while_versions_are_swapped() {
    const CLIENTS: usize = 4;
    const SWAPS: u32 = 12;
    let folder = Folder::with(&[]);
    put(&folder, "m.onnx", &scaled(1.0));
    let serving = serving(&folder, &["m.onnx", "--watch", "--watch-interval-ms", "10"]);
    let is_over = AtomicBool::new(false);
    let answers = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = serving.connect();
                while !is_over.load(Ordering::Relaxed) {
                    client.send(post("/predict", "", ONES.as_bytes()));
                    let reply = client.reply();
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    // The version that is named is the one that scored.
                    let version: f64 = reply.field("x-model-version").unwrap().parse().unwrap();
                    let told: Value = serde_json::from_str(&reply.text()).unwrap();
                    let score = told["predictions"][0].as_object().unwrap().values().next();
                    assert_eq!(score.and_then(Value::as_f64), Some(6.0 * version), "{told}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for version in 2..=SWAPS {
            let before = answers.load(Ordering::Relaxed);
            put(&folder, "m.onnx", &scaled(version as f32));
            until(&serving, &[&format!("m/{version} ready")]);
            while answers.load(Ordering::Relaxed) < before + CLIENTS {
                std::thread::yield_now();
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(scored(&serving, "/predict", "").1, SWAPS.to_string());
    let mut client = serving.connect();
    client.send(get("/metrics"));
    let metrics = client.reply().text().to_owned();
    let line = format!(
        "mlserve_model_events_total{{model=\"m\",event=\"loaded\"}} {}",
        SWAPS - 1
    );
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn what_is_watched_and_broken_leaves_what_serves() {
    let folder = Folder::with(&[]);
    put(&folder, "repo/m/1/model.onnx", &scaled(1.0));
    let serving = serving(&folder, &["repo", "--watch", "--watch-interval-ms", "10"]);
    put(&folder, "repo/m/2/model.onnx", b"no model");
    until(&serving, &["m/1 ready", "m/2 failed"]);
    assert_eq!(scored(&serving, "/predict", ""), (200, "1".to_owned(), 6.0));
    put(&folder, "repo/other/5/model.onnx", &scaled(5.0));
    until(&serving, &["m/1 ready", "m/2 failed", "other/5 ready"]);
    assert_eq!(
        scored(&serving, "/models/other/predict", ""),
        (200, "5".to_owned(), 30.0)
    );
    put(&folder, "repo/m/2/model.onnx", &scaled(2.0));
    until(&serving, &["m/2 ready", "other/5 ready"]);
    fs::remove_dir_all(folder.file("repo/other")).unwrap();
    until(&serving, &["m/2 ready"]);
    // The pages and the document are of what is there now.
    let document = asked(&serving, "/openapi.json");
    let paths = document["paths"].as_object().unwrap();
    assert!(
        paths.keys().all(|path| !path.contains("other")),
        "{paths:?}"
    );
}

#[test]
fn a_hangup_reads_the_file_again_and_a_mistake_in_it_changes_nothing() {
    let folder = Folder::with(&[]);
    for version in 1..=3_u8 {
        let place = format!("m/{version}/model.onnx");
        put(&folder, &place, &scaled(f32::from(version)));
    }
    let config = |text: &str| fs::write(folder.file("serve.toml"), text).unwrap();
    config(
        "models = ['m']\nversions = ['1,2']\n[label]\nm = { stable = 1, canary = 2 }\n[default]\nm = 'stable'\n",
    );
    let serving = serving(&folder, &["--config", "serve.toml"]);
    until(&serving, &["m/1 ready", "m/2 ready"]);
    assert_eq!(scored(&serving, "/predict", "").1, "1");
    assert_eq!(
        scored(&serving, "/models/m/labels/canary/predict", "").1,
        "2"
    );
    let reloads = |outcome: &str, count: usize| {
        let started = Instant::now();
        let line = format!("mlserve_config_reloads_total{{outcome=\"{outcome}\"}} {count}\n");
        loop {
            let mut client = serving.connect();
            client.send(get("/metrics"));
            if client.reply().text().contains(&line) {
                return;
            }
            assert!(started.elapsed() < FOREVER, "{line}");
        }
    };
    let mistakes = [
        "versions = [\n",
        "models = ['m']\ndefault = ['9']\n",
        "port = 1\nmodels = ['gone/']\n",
    ];
    for (index, mistake) in mistakes.iter().enumerate() {
        config(mistake);
        serving.signal("-HUP");
        reloads("failure", index + 1);
        assert_eq!(scored(&serving, "/predict", "").1, "1", "{mistake}");
    }
    config("models = ['m']\nversions = ['all']\nquiet = true\n[route]\nm = { 3 = 1, 1 = 0 }\n");
    serving.signal("-HUP");
    until(&serving, &["m/1 ready", "m/2 ready", "m/3 ready"]);
    reloads("success", 1);
    assert_eq!(scored(&serving, "/predict", "").1, "3");
    serving.signal("-TERM");
    let (code, said) = serving.ended();
    assert_eq!(code, 0, "{said}");
    for line in [
        "reload: nothing is changed: serve.toml:",
        "reload: nothing is changed: the model \"m\" has no version or label \"9\"",
        "reload: nothing is changed: gone/: there is no such file",
        "reload: what is new about the address needs a restart",
        "reload: the configuration was read",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

#[test]
fn a_client_stays_with_the_version_that_it_was_given() {
    let folder = Folder::with(&[]);
    for version in 1..=2_u8 {
        put(
            &folder,
            &format!("m/{version}/model.onnx"),
            &scaled(f32::from(version)),
        );
    }
    let serving = serving(
        &folder,
        &[
            "m",
            "--versions",
            "all",
            "--route",
            "m: 1=50 2=50",
            "--sticky",
            "X-User",
            "--admin",
        ],
    );
    let mut seen = Vec::new();
    for user in 0..20 {
        let field = format!("X-User: {user}\r\n");
        let first = scored(&serving, "/predict", &field).1;
        for _ in 0..3 {
            assert_eq!(scored(&serving, "/predict", &field).1, first);
        }
        seen.push(first);
    }
    assert!(
        seen.contains(&"1".to_owned()) && seen.contains(&"2".to_owned()),
        "{seen:?}"
    );
    // Whoever names a version gets it, in every dialect.
    assert_eq!(scored(&serving, "/models/m/versions/1/predict", "").1, "1");
    let mut client = serving.connect();
    client.send(
        "PUT /models/m/settings HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\n{\"route\":null}",
    );
    assert_eq!(client.reply().status, 200);
    assert_eq!(scored(&serving, "/predict", "X-User: 0\r\n").1, "2");
}

#[test]
fn configuration_that_is_wrong_is_told_of_with_its_line() {
    let folder = Folder::with(&[("serve.toml", b"\nmodels = ['m']\nprot = 8080\n")]);
    mlserve(&["serve", "--config", "serve.toml"])
        .within(&folder)
        .fails(
            2,
            "serve.toml:3: there is no flag --prot that the key could set",
        );
}

#[test]
fn a_shadow_is_compared_and_never_answers() {
    let folder = Folder::with(&[]);
    for version in 1..=2_u8 {
        put(
            &folder,
            &format!("m/{version}/model.onnx"),
            &scaled(f32::from(version)),
        );
    }
    let args = ["m", "--versions", "all", "--default", "1", "--shadow", "2"];
    let serving = serving(&folder, &args);
    for _ in 0..3 {
        assert_eq!(scored(&serving, "/predict", "").1, "1");
    }
    let started = Instant::now();
    let compared = loop {
        let told = asked(&serving, "/models");
        let compared = told["models"][0]["shadow"].clone();
        if compared["records"] == 3 || started.elapsed() > FOREVER {
            break compared;
        }
    };
    // 6 against 12, three times.
    let expected = serde_json::json!({
        "version": "2", "records": 3, "agreeing": 0, "largest_difference": 6.0,
        "failed_runs": 0, "left_out_runs": 0,
    });
    assert_eq!(compared, expected);
    let mut client = serving.connect();
    client.send(get("/metrics"));
    let metrics = client.reply().text();
    let line = "mlserve_shadow_largest_difference{model=\"m\",version=\"1\",shadow=\"2\"} 6\n";
    assert!(metrics.contains(line), "{metrics}");
}
