//! What a run of `predict` may use of the machine.

use crate::run::{Folder, mlserve, predict};

/// A model of PyTorch on images, whose runs have work for several threads.
const DIGITS: &[&str] = &["sample_data/digits.jsonl"];

#[test]
fn threads_inside_a_run_leave_the_predictions_as_they_are() {
    let alone = predict("digits", &[DIGITS, &["-q"]].concat()).run();
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    let helped = [DIGITS, &["--intra-op", "4", "--jobs", "2"]].concat();
    predict("digits", &helped).prints(&alone.stdout);
    // Trees are held against ONNX Runtime's on one thread, and stay with our kernel.
    let forest = ["sample_data/breast_cancer.csv", "-q"];
    let alone = predict("breast_cancer", &forest).run();
    let helped = predict(
        "breast_cancer",
        &[&forest[..], &["--intra-op", "4"]].concat(),
    )
    .run();
    assert_eq!((helped.code, helped.stderr.as_str()), (0, ""));
    assert_eq!(helped.stdout, alone.stdout);
}

#[test]
fn a_manifest_tells_of_the_threads() {
    let folder = Folder::with(&[("in.csv", b"a,b,c,d\n5.1,3.5,1.4,0.2\n")]);
    let arguments = ["in.csv", "-q", "-o", "out.csv", "--manifest", "m.json"];
    let arguments = [&arguments[..], &["--jobs", "3", "--intra-op", "2"]].concat();
    let outcome = predict("iris", &arguments).within(&folder).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let manifest = std::fs::read(folder.file("m.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["hardware"]["jobs"], 3);
    assert_eq!(manifest["hardware"]["intra_op"], 2);
}

#[test]
fn counts_of_threads_are_checked() {
    for arguments in [
        ["predict", "models/iris.onnx", "--intra-op", "0"],
        ["serve", "models/iris.onnx", "--threads", "0"],
        ["serve", "models/iris.onnx", "--intra-op", "many"],
    ] {
        let outcome = mlserve(&arguments).run();
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn a_provider_that_makes_no_sense_is_refused_before_anything_is_loaded() {
    for (arguments, said) in [
        (
            &["--provider", "cudda"][..],
            "there is no provider of this name",
        ),
        (
            &["--provider", "cuda:device_id"],
            "expected KEY=VALUE after cuda:",
        ),
        (&["--provider", "cuda:=1"], "expected KEY=VALUE after cuda:"),
        (&["--provider", ":a=b"], "expected NAME or NAME:KEY=VALUE"),
        (
            &["--provider", "cuda", "--provider", "cuda"],
            "it is named twice",
        ),
        (&["--provider", "cpu", "--provider", "cuda"], "put it last"),
    ] {
        for command in ["predict", "serve", "inspect"] {
            let arguments = [&[command, "models/iris.onnx"], arguments].concat();
            let outcome = mlserve(&arguments).run();
            assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
            assert!(
                outcome.stderr.contains(said),
                "{arguments:?}: {}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn a_provider_that_is_not_here_is_an_error_and_not_the_cpu() {
    let with_cpu = &["--provider", "xnnpack", "--provider", "cpu"][..];
    for asked in [&["--provider", "xnnpack"][..], with_cpu] {
        let predict = [
            &["predict", "models/iris.onnx", "sample_data/iris.csv", "-q"],
            asked,
        ]
        .concat();
        let serve = [&["serve", "models/iris.onnx", "-p", "0"], asked].concat();
        let inspect = [&["inspect", "models/iris.onnx", "--check"], asked].concat();
        for arguments in [predict, serve, inspect] {
            let outcome = mlserve(&arguments).run();
            assert_eq!(outcome.code, 3, "{arguments:?}: {}", outcome.stderr);
            let said = "--provider xnnpack: ONNX Runtime";
            assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
            let said = "was built without it; it has cpu\nhint: --runtime PATH";
            assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
            if arguments[0] == "predict" {
                assert_eq!(outcome.stdout, "");
            }
        }
    }
    let asked = ["sample_data/iris.csv", "-q", "--provider", "cpu"];
    let alone = predict("iris", &["sample_data/iris.csv", "-q"]).run();
    assert_eq!(predict("iris", &asked).run().stdout, alone.stdout);
}

/// What is no library, and a library that is none of providers.
#[test]
fn a_provider_library_that_is_none_is_an_error() {
    let folder = Folder::with(&[("text.so", b"not a library")]);
    for (library, said) in [
        (
            "absent.so",
            "cannot be read as a provider library: no such file or directory",
        ),
        (".", "expected a provider library, found a folder"),
        (
            "text.so",
            "expected a provider library, but it cannot be used: Failed to load library",
        ),
    ] {
        let asked = ["--provider", "future", "--provider-library", library];
        let arguments = [&["in.csv", "-q"][..], &asked].concat();
        std::fs::write(folder.file("in.csv"), "a,b,c,d\n1,2,3,4\n").unwrap();
        let outcome = predict("iris", &arguments).within(&folder).run();
        assert_eq!(outcome.code, 3, "{library}: {}", outcome.stderr);
        let start = format!("{library}: {said}");
        assert!(
            outcome.stderr.starts_with(&start),
            "{library}: {}",
            outcome.stderr
        );
    }
}

/// The processors that this process may use.
#[cfg(target_os = "linux")]
fn allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = list.unwrap().trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse().unwrap()..=last.parse::<usize>().unwrap()
    });
    ranges.flatten().collect()
}

/// As many jobs as the process may use processors, which `taskset` takes from it.
#[cfg(target_os = "linux")]
#[test]
fn affinity_decides_how_many_threads_score() {
    let folder = Folder::with(&[("in.csv", b"a,b,c,d\n5.1,3.5,1.4,0.2\n")]);
    let jobs = |first: &str| {
        let arguments = ["in.csv", "-q", "-o", "out.csv", "--manifest", "m.json"];
        let program = predict("iris", &arguments).within(&folder).command();
        let mut taskset = std::process::Command::new("taskset");
        taskset.args(["-c", first]).arg(program.get_program());
        taskset.args(program.get_args()).current_dir(folder.path());
        taskset.env("MLSERVE_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
        assert!(taskset.status().unwrap().success());
        let manifest = std::fs::read(folder.file("m.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        manifest["hardware"]["jobs"].as_u64().unwrap()
    };
    if std::process::Command::new("taskset")
        .arg("-V")
        .output()
        .is_err()
    {
        return;
    }
    let allowed = allowed();
    assert_eq!(jobs(&allowed[0].to_string()), 1);
    if let [first, second, ..] = allowed[..]
        && std::thread::available_parallelism().unwrap().get() >= 2
    {
        assert_eq!(jobs(&format!("{first},{second}")), 2);
    }
}
