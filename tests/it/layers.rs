//! Imports go down only: main -> predict, inspect -> batch -> model -> trees, error; each outside crate
//! is named in as few files as possible. DESIGN.md says why; `src/lib.rs` shows it.

use std::fs;
use std::path::Path;

use crate::run::ROOT;

/// What each module may import of this crate. `each_dtype` is a macro of `model`.
const LAYERS: [(&str, &[&str]); 14] = [
    ("allocator", &[]),
    ("error", &[]),
    ("trees", &["trees"]),
    ("model", &["model", "trees", "error", "each_dtype"]),
    ("batch", &["batch", "model", "error", "each_dtype"]),
    ("cli", &["cli"]),
    ("disk", &[]),
    (
        "numpy",
        &["numpy", "batch", "model", "error", "disk", "each_dtype"],
    ),
    ("flags", &["batch", "model", "error", "cli"]),
    ("profile", &["profile", "batch", "model", "each_dtype"]),
    (
        "predict",
        &[
            "predict",
            "profile",
            "numpy",
            "batch",
            "model",
            "error",
            "cli",
            "flags",
            "disk",
            "each_dtype",
        ],
    ),
    (
        "inspect",
        &[
            "inspect",
            "batch",
            "model",
            "error",
            "cli",
            "flags",
            "each_dtype",
        ],
    ),
    // What a model expects is told over HTTP as it is on the command line.
    (
        "serve",
        &[
            "serve",
            "inspect",
            "profile",
            "numpy",
            "batch",
            "model",
            "error",
            "cli",
            "flags",
            "allocator",
            "each_dtype",
        ],
    ),
    (
        "lib",
        &[
            "predict", "inspect", "serve", "batch", "numpy", "model", "trees", "error", "cli",
        ],
    ),
];

/// The files or folders that may name an outside crate.
const CRATES: [(&str, &[&str]); 25] = [
    ("arrow_array", &["predict/columnar/"]),
    ("arrow_buffer", &["predict/columnar/"]),
    ("arrow_cast", &["predict/columnar/"]),
    ("arrow_data", &["predict/columnar/"]),
    ("arrow_ipc", &["predict/columnar/"]),
    ("arrow_schema", &["predict/columnar/"]),
    ("arrow_select", &["predict/columnar/"]),
    ("parquet", &["predict/columnar/"]),
    ("bytes", &["predict/columnar/"]),
    ("zip", &["numpy/"]),
    ("ort", &["model/"]),
    ("clap", &["cli.rs", "cli/", "main.rs"]),
    ("indicatif", &["predict/output/progress.rs"]),
    // The test of the cutter holds it to what the csv crate sees.
    (
        "csv",
        &[
            "predict/text/rows.rs",
            "predict/text/cut/tests.rs",
            "serve/records/csv.rs",
        ],
    ),
    (
        "flate2",
        &[
            "predict/text/packing.rs",
            "numpy/zipped.rs",
            "serve/http/coding.rs",
            "serve/http/tests",
        ],
    ),
    ("tiny_http", &["serve/http/"]),
    ("httparse", &["serve/http/"]),
    (
        "zstd",
        &[
            "predict/text/packing.rs",
            "predict/columnar/ipc_columns.rs",
            "model/runtime",
        ],
    ),
    ("lz4_flex", &["predict/columnar/ipc_columns.rs"]),
    ("encoding_rs", &["predict/text/encoding.rs"]),
    ("prometheus", &["serve/metrics/"]),
    ("subtle", &["serve/auth.rs"]),
    ("arc_swap", &["serve/registry/mod.rs", "serve/hosted.rs"]),
    ("toml", &["cli/config.rs"]),
    ("rustls", &["serve/http/tls.rs", "serve/http/tests"]),
];

#[test]
fn imports_go_down_only() {
    let mut faults = Vec::new();
    let files = sources(Path::new(ROOT).join("src").as_path());
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let path = file.strip_prefix(&format!("{ROOT}/src/")).unwrap();
        faults.extend(faults_of(path, &fs::read_to_string(&file).unwrap()));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// All Rust files below `folder`.
fn sources(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.display().to_string());
        }
    }
    files
}

/// What the file at `path` (below `src/`) imports against the rules.
fn faults_of(path: &str, text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let tests_start = code
        .iter()
        .position(|line| line.starts_with("mod tests"))
        .unwrap_or(code.len());
    let (code, tests) = code.split_at(tests_start);
    let depth = path.split('/').filter(|part| *part != "mod.rs").count();
    let mut imported = imports(&code.join("\n"), depth);
    imported.extend(imports(&tests.join("\n"), depth + 1));

    let module = path.split(['/', '.']).next().unwrap_or_default();
    let allowed = LAYERS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, allowed)| *allowed);
    let mut faults = Vec::new();
    match allowed {
        // The program itself stands above all modules.
        None if module == "main" => {}
        None => faults.push(format!(
            "src/{path}: module {module} has no place in the layers"
        )),
        Some(allowed) => {
            let above = imported
                .iter()
                .filter(|name| !allowed.contains(&name.as_str()));
            faults.extend(above.map(|name| format!("src/{path}: {module} imports {name}")));
        }
    }
    let all = [code, tests].concat().join("\n");
    for (name, places) in CRATES {
        if names_crate(&all, name) && !places.iter().any(|place| path.starts_with(place)) {
            faults.push(format!("src/{path}: names the crate {name}"));
        }
    }
    faults
}

/// The modules of this crate that `code` names, by `crate::` or by enough `super::` to reach the
/// root from a module `depth` levels below it.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let to_root = "super::".repeat(depth);
    let mut names = Vec::new();
    for start in ["crate::", to_root.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':')) {
                names.extend(first_names(&code[at + start.len()..]));
            }
        }
    }
    names
}

/// The first name of a path, or of each path in braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| {
        text.trim()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let stands_alone = |at: usize| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':'))
    };
    code.match_indices(&path).any(|(at, _)| stands_alone(at))
        || code.lines().any(|line| {
            let line = line.trim().trim_start_matches("pub ");
            line == format!("use {name};") || line.starts_with(&format!("use {name} as "))
        })
}

#[test]
fn what_breaks_the_rules_is_found() {
    for (path, line, fault) in [
        (
            "error.rs",
            "use crate::model::Model;",
            "error imports model",
        ),
        (
            "model/mod.rs",
            "use crate::batch::plan;",
            "model imports batch",
        ),
        (
            "model/runtime/cache.rs",
            "use super::super::super::cli::Cli;",
            "model imports cli",
        ),
        (
            "batch/plan.rs",
            "use crate::{error::Error, predict::run};",
            "batch imports predict",
        ),
        (
            "batch/plan.rs",
            "use crate::{\n    model::{self, Model},\n    cli,\n};",
            "batch imports cli",
        ),
        (
            "batch/mod.rs",
            "pub use super::predict;",
            "batch imports predict",
        ),
        (
            "predict/mod.rs",
            "use super::inspect::run;",
            "predict imports inspect",
        ),
        (
            "predict/score/scorer.rs",
            "    let x = crate::inspect::run();",
            "predict imports inspect",
        ),
        (
            "inspect/text.rs",
            "use crate::predict::format::Format;",
            "inspect imports predict",
        ),
        (
            "inspect/text.rs",
            "mod tests {\n    use super::super::super::predict;",
            "inspect imports predict",
        ),
        (
            "other/mod.rs",
            "",
            "module other has no place in the layers",
        ),
        ("batch/plan.rs", "use ort::Value;", "names the crate ort"),
        (
            "predict/mod.rs",
            "fn f() -> ort::Result<()> {",
            "names the crate ort",
        ),
        (
            "predict/options.rs",
            "use clap::Parser;",
            "names the crate clap",
        ),
        (
            "predict/score/scorer.rs",
            "use indicatif::ProgressBar;",
            "names the crate indicatif",
        ),
        ("batch/write.rs", "use csv;", "names the crate csv"),
        ("batch/write.rs", "use csv as table;", "names the crate csv"),
    ] {
        let faults = faults_of(path, line);
        assert_eq!(faults, [format!("src/{path}: {fault}")], "{line}");
    }
}

#[test]
fn trees_know_no_model_and_only_the_model_knows_trees() {
    for (path, line, fault) in [
        (
            "trees/read.rs",
            "use crate::model::proto::Node;",
            "trees imports model",
        ),
        (
            "batch/plan.rs",
            "use crate::trees::kernel::Kernel;",
            "batch imports trees",
        ),
    ] {
        let faults = faults_of(path, line);
        assert_eq!(faults, [format!("src/{path}: {fault}")], "{line}");
    }
}

#[test]
fn what_keeps_the_rules_passes() {
    for (path, line) in [
        (
            "model/session.rs",
            "use ort::session::Session;\nuse super::tensor::Tensor;\nuse crate::error::Result;",
        ),
        (
            "batch/write.rs",
            "use crate::each_dtype;\nuse super::columns::Field;",
        ),
        ("batch/write.rs", "// use crate::predict;"),
        (
            "predict/mod.rs",
            "use crate::cli::PredictArgs;\npub(crate) fn f() {}\nmod tests {\n    use super::*;",
        ),
        (
            "predict/score/scorer.rs",
            "field.csv(out); support::x(); super::super::batch::f();",
        ),
        (
            "cli.rs",
            "use clap::Parser;\nmod tests {\n    use super::Cli;",
        ),
        ("main.rs", "use mlserve::predict;\nuse clap::Parser;"),
    ] {
        assert_eq!(faults_of(path, line), Vec::<String>::new(), "{line}");
    }
}
