//! Which operators the built-in ONNX Runtime has on the CPU: `known.txt`, which `make_known.py` writes.
//!
//! It knows nothing of dtypes: an operator may have a kernel for float32 and none for float64, which
//! only loading the model tells.

use std::collections::HashMap;
use std::sync::OnceLock;

/// The lines of `known.txt`.
const TABLE: &str = include_str!("known.txt");

/// What the built-in runtime has of an operator at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// A kernel.
    Kernel,
    /// It is made of other operators when the model is loaded.
    Composed,
    /// It is known, but there is no kernel on the CPU.
    NoKernel,
    /// The opset has deprecated it.
    Deprecated,
    /// The domain has no such operator at this version.
    Unknown,
    /// The model imports a newer opset than the runtime loads.
    NewerOpset,
    /// A function of the model itself.
    Local,
    /// A domain that needs a runtime built with it.
    OtherDomain,
}

impl Support {
    /// The word that JSON has for it.
    pub fn word(self) -> &'static str {
        match self {
            Support::Kernel => "kernel",
            Support::Composed => "composed",
            Support::NoKernel => "no_kernel",
            Support::Deprecated => "deprecated",
            Support::Unknown => "unknown",
            Support::NewerOpset => "newer_opset",
            Support::Local => "local",
            Support::OtherDomain => "other_domain",
        }
    }

    /// Whether the runtime lacks it.
    pub fn is_lacking(self) -> bool {
        !matches!(self, Support::Kernel | Support::Composed | Support::Local)
    }
}

/// The table, by domain and name.
struct Known {
    runtime: &'static str,
    newest: HashMap<&'static str, i64>,
    /// The schema versions with their letters, oldest first.
    operators: HashMap<(&'static str, &'static str), Vec<(i64, Support)>>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| read(TABLE))
}

fn read(table: &'static str) -> Known {
    let mut known = Known {
        runtime: "",
        newest: HashMap::new(),
        operators: HashMap::new(),
    };
    for line in table.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["runtime", version] => known.runtime = version,
            ["newest", domain, version] => {
                known.newest.extend(version.parse().map(|v| (*domain, v)));
            }
            [domain, name, versions @ ..] => {
                let versions = versions.iter().filter_map(|word| version(word)).collect();
                known.operators.insert((domain, name), versions);
            }
            _ => {}
        }
    }
    known
}

/// `k13`.
fn version(word: &str) -> Option<(i64, Support)> {
    let mut chars = word.chars();
    let support = match chars.next()? {
        'k' => Support::Kernel,
        'f' => Support::Composed,
        'd' => Support::Deprecated,
        _ => Support::NoKernel,
    };
    Some((chars.as_str().parse().ok()?, support))
}

/// The version of the runtime that the table is of.
pub(super) fn runtime() -> &'static str {
    known().runtime
}

/// The version of the schema that opset `opset` of `domain` has of operator `name`, and what the
/// runtime has of it.
pub(super) fn support(domain: &str, name: &str, opset: i64) -> (Option<i64>, Support) {
    let known = known();
    let Some(newest) = known.newest.get(domain) else {
        return (None, Support::OtherDomain);
    };
    let versions = known.operators.get(&(domain, name));
    let valid = versions
        .and_then(|versions| versions.iter().rev().find(|(since, _)| *since <= opset))
        .copied();
    match valid {
        _ if opset > *newest => (valid.map(|(since, _)| since), Support::NewerOpset),
        Some((since, support)) => (Some(since), support),
        None => (None, Support::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_of_the_built_in_runtime() {
        let line = include_str!("../../../build.rs")
            .lines()
            .find(|line| line.starts_with("const VERSION"));
        assert_eq!(
            line,
            Some(&*format!("const VERSION: &str = {:?};", runtime()))
        );
        assert!(known().operators.len() > 300);
    }

    #[test]
    fn an_operator_has_the_newest_schema_that_its_opset_knows() {
        // As onnxruntime 1.32.0 loaded or refused models of one such node.
        for (domain, name, opset, expected) in [
            ("ai.onnx", "Abs", 20, (Some(13), Support::Kernel)),
            ("ai.onnx", "HardSwish", 20, (Some(14), Support::Composed)),
            ("ai.onnx", "HardSwish", 13, (None, Support::Unknown)),
            ("ai.onnx", "ImageDecoder", 20, (Some(20), Support::NoKernel)),
            ("ai.onnx", "Upsample", 10, (Some(10), Support::Deprecated)),
            ("ai.onnx", "Foo", 20, (None, Support::Unknown)),
            ("ai.onnx", "Abs", 99, (Some(13), Support::NewerOpset)),
            ("ai.onnx.ml", "TreeEnsemble", 5, (Some(5), Support::Kernel)),
            ("com.microsoft", "Gelu", 1, (Some(1), Support::Kernel)),
            ("my.company", "Abs", 1, (None, Support::OtherDomain)),
        ] {
            assert_eq!(support(domain, name, opset), expected, "{domain} {name}");
        }
    }
}
