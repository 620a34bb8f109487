//! The paths of the document: only those that there are, each operation with an id of its own.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::serve::message::Method;
use crate::serve::routes;

use super::told::Told;

/// The paths that are told of so far.
pub(super) struct Paths {
    paths: Map<String, Value>,
    ids: HashSet<String>,
    models: Vec<String>,
    versions: Vec<String>,
}

impl Paths {
    pub(super) fn new(models: &[Told<'_>]) -> Paths {
        let mut paths = Paths {
            paths: Map::new(),
            ids: HashSet::new(),
            models: Vec::new(),
            versions: Vec::new(),
        };
        for told in models {
            for (list, name) in [
                (&mut paths.models, &told.hosted.name),
                (&mut paths.versions, &told.hosted.version),
            ] {
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
        }
        paths
    }

    /// Tells of an operation, if there is one at that path; `id` is what its id begins with. The
    /// parameters of the path are added to those that it has.
    pub(super) fn add(&mut self, method: Method, path: &str, id: &str, mut operation: Value) {
        if !exists(method, path) {
            return;
        }
        let id = self.unique(id);
        let Some(members) = operation.as_object_mut() else {
            return;
        };
        members.insert("operationId".to_owned(), id.into());
        let mut parameters = self.parameters(path);
        if let Some(Value::Array(others)) = members.remove("parameters") {
            parameters.extend(others);
        }
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), parameters.into());
        }
        let item = self
            .paths
            .entry(path.to_owned())
            .or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(method.name().to_lowercase(), operation);
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.paths)
    }

    fn parameters(&self, path: &str) -> Vec<Value> {
        let known = [("model", &self.models), ("version", &self.versions)];
        let in_path = known
            .iter()
            .filter(|(name, _)| path.contains(&format!("{{{name}}}")));
        in_path
            .map(|(name, values)| {
                json!({
                    "name": name,
                    "in": "path",
                    "required": true,
                    "schema": {"type": "string", "enum": values},
                    "example": values.first(),
                })
            })
            .collect()
    }

    fn unique(&mut self, wanted: &str) -> String {
        let wanted = identifier(wanted);
        let mut id = wanted.clone();
        let mut number = 1;
        while !self.ids.insert(id.clone()) {
            number += 1;
            id = format!("{wanted}_{number}");
        }
        id
    }
}

/// Whether a path leads somewhere; any word will do for its parameters.
fn exists(method: Method, path: &str) -> bool {
    let concrete = path.replace(['{', '}'], "");
    let Some(segments) = routes::segments(&concrete) else {
        return false;
    };
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    routes::find(&segments).is_some_and(|found| found.methods.contains(&method))
}

/// `text` as a name in code: what is no letter, digit or `_` becomes `_`.
pub(super) fn identifier(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = text.chars().map(plain).take(60).collect();
    if name.is_empty() {
        "_".to_owned()
    } else {
        name
    }
}

/// `text` as a segment of a path.
pub(super) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
