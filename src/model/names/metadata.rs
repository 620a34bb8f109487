//! The names that a model's metadata holds, by the keys that exporters give them.

use serde_json::Value as Json;

use super::MOST;
use super::list::{json_list, list};
use crate::model::proto::Text;
use crate::model::signature::{Dim, Port};

/// The keys for class names: the first that can be read counts.
const CLASS_KEYS: [&str; 6] = [
    "classes",
    "labels",
    "class_names",
    "target_names",
    "names",
    "id2label",
];

/// The keys for feature names: the first whose names fit the matrix counts.
const FEATURE_KEYS: [&str; 4] = ["feature_names", "features", "columns", "input_features"];

/// Keys and values as the file holds them.
type Metadata<'a> = [(Text<'a>, Text<'a>)];

/// The names of the model's classes.
pub(super) fn class_names(metadata: &Metadata<'_>) -> Option<Vec<String>> {
    catboost_classes(metadata)
        .or_else(|| lists(metadata, &CLASS_KEYS).find(|names| names.len() > 1))
        .filter(|names| names.len() <= MOST)
}

/// CatBoost's `class_params`: a JSON object with `class_names`.
fn catboost_classes(metadata: &Metadata<'_>) -> Option<Vec<String>> {
    let params: Json = serde_json::from_str(value(metadata, "class_params")?).ok()?;
    json_list(params.get("class_names")?).filter(|names| !names.is_empty())
}

/// The names of the columns of the one matrix among `inputs`.
pub(super) fn feature_names(inputs: &[Port], metadata: &Metadata<'_>) -> Option<Vec<String>> {
    let width = matrix_width(inputs)?;
    lists(metadata, &FEATURE_KEYS).find(|names| width.is_none_or(|width| width == names.len()))
}

/// The lists of names under `keys`, in their order.
fn lists(metadata: &Metadata<'_>, keys: &[&str]) -> impl Iterator<Item = Vec<String>> {
    keys.iter().filter_map(|key| list(value(metadata, key)?))
}

fn value<'m>(metadata: &'m Metadata<'_>, key: &str) -> Option<&'m str> {
    let entry = metadata.iter().find(|(k, _)| k == key)?;
    Some(&entry.1)
}

/// The width of the one matrix among the inputs: `None` if there is not exactly one, `Some(None)`
/// if its width is free.
fn matrix_width(inputs: &[Port]) -> Option<Option<usize>> {
    let width = |port: &Port| match port.tensor()? {
        (_, None) => Some(None),
        (_, Some([_, width])) => Some(width.fixed()),
        _ => None,
    };
    if let [only] = inputs {
        return width(only);
    }
    let is_column = |port: &&Port| matches!(port.tensor(), Some((_, Some([_, Dim::Fixed(1)]))));
    let mut matrices = inputs
        .iter()
        .filter(|port| !is_column(port))
        .filter_map(width);
    matrices.next().filter(|_| matrices.next().is_none())
}
