//! What a server may use of the machine.

use super::{Serving, in_tests};
use crate::client::post;
use crate::run::model_path;

use std::process::Command;

/// A record of the diabetes model, which ONNX Runtime runs where it is asked for the trees.
const RECORD: &str = "[0.04,0.05,0.06,0.02,-0.04,-0.03,-0.04,0,0.02,-0.02]";

/// The threads of a server of so many `models`, each of which has been asked.
fn threads(models: usize, args: &[&str]) -> usize {
    let path = model_path("diabetes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlserve"));
    command.args(["serve", "-p", "0", "--trees", "ort"]);
    command.args(args);
    command.args((0..models).map(|number| format!("m{number}={path}")));
    in_tests(&mut command);
    let serving = Serving::start(&mut command);
    let mut client = serving.connect();
    for number in 0..models {
        let path = format!("/models/m{number}/predict");
        client.send(post(&path, "", RECORD.as_bytes()));
        let reply = client.reply();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    serving.status("Threads")
}

#[test]
fn ten_models_share_one_pool_of_threads() {
    let of_one = threads(1, &[]);
    assert_eq!(threads(10, &[]), of_one);
    assert_eq!(threads(10, &["--intra-op", "4"]), of_one + 3);
}

#[test]
fn the_banner_tells_of_threads() {
    let serving = Serving::with(&["--threads", "3", "--intra-op", "2"]);
    serving.assert_alive();
    serving.signal("-TERM");
    let (_, said) = serving.ended();
    let runs_on = "Runs on  3 threads at most, and 1 more that help inside runs";
    assert!(said.contains(runs_on), "{said}");
}
