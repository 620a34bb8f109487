//! Weights that came, went, changed their names or their values. Values are compared part by part, in
//! constant memory.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::numbers::NumberChange;
use super::{Files, Graph, Part};
use crate::model::anatomy::values;
use crate::model::anatomy::weights::{all_tensors, elements};
use crate::model::dtype;
use crate::model::proto::Tensor;

/// What became of a tensor of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightChange {
    /// Its name, the old one where it has another now.
    pub name: String,
    pub part: Part,
    pub state: WeightState,
}

/// How it changed.
#[derive(Debug, Clone, PartialEq)]
pub enum WeightState {
    /// Its type and shape, `float32 [3, 4]`.
    Added(String),
    Removed(String),
    /// It is called so now, and else is as it was.
    Renamed(String),
    /// Its type or shape: as it was, and as it is. Values are compared where there are as many.
    Retyped {
        old: String,
        new: String,
        values: Option<NumberChange>,
    },
    Values(NumberChange),
    /// Why its values could not be compared, as a clause.
    Unknown(String),
}

/// Values that are looked at together.
const WINDOW: usize = 1 << 16;

type Key<'g> = (Part, &'g str, usize);

/// What changed, and how many were compared.
pub(super) fn changes<'g>(
    old: &'g [(Part, &'g Graph<'g>)],
    new: &'g [(Part, &'g Graph<'g>)],
    (old_files, new_files): (&mut Files, &mut Files),
) -> (Vec<WeightChange>, usize) {
    let (old, new) = (named(old), named(new));
    let new_at: HashMap<Key<'_>, &Tensor<'_>> = new.iter().copied().collect();
    let old_at: HashMap<Key<'_>, &Tensor<'_>> = old.iter().copied().collect();
    let mut compared = 0;
    let mut changes = Vec::new();
    let mut gone = Vec::new();
    for (key, tensor) in &old {
        let Some(now) = new_at.get(key) else {
            gone.push((*key, *tensor));
            continue;
        };
        compared += 1;
        if let Some(state) = compare((*tensor, old_files), (*now, new_files)) {
            changes.push(change(*key, state));
        }
    }
    let is_new = |(key, _): &&(Key<'_>, &Tensor<'_>)| !old_at.contains_key(key);
    let came: Vec<_> = new.iter().filter(is_new).copied().collect();
    changes.extend(moved((gone, old_files), (came, new_files)));
    let size = |change: &WeightChange| match &change.state {
        WeightState::Values(values) => values.absolute,
        // What is more than another value comes first.
        _ => f64::INFINITY,
    };
    changes.sort_by(|a, b| size(b).total_cmp(&size(a)));
    (changes, compared)
}

fn change((part, name, _): Key<'_>, state: WeightState) -> WeightChange {
    WeightChange {
        name: name.to_owned(),
        part,
        state,
    }
}

/// All weights by part and name; those of one name are numbered.
fn named<'g>(parts: &'g [(Part, &'g Graph<'g>)]) -> Vec<(Key<'g>, &'g Tensor<'g>)> {
    let mut times: HashMap<(Part, &str), usize> = HashMap::new();
    let all = parts.iter().flat_map(|(part, graph)| {
        all_tensors(graph).map(move |(name, tensor, _)| (*part, name, tensor))
    });
    all.map(|(part, name, tensor)| {
        let time = times.entry((part, name)).or_default();
        *time += 1;
        ((part, name, *time), tensor)
    })
    .collect()
}

fn kind(tensor: &Tensor<'_>) -> String {
    const MOST: usize = 8;
    let mut dims: Vec<String> = tensor.dims.iter().take(MOST).map(i64::to_string).collect();
    if tensor.dims.len() > MOST {
        dims.push("…".to_owned());
    }
    format!("{} [{}]", dtype::name_of(tensor.data_type), dims.join(", "))
}

fn compare(
    (old, old_files): (&Tensor<'_>, &mut Files),
    (new, new_files): (&Tensor<'_>, &mut Files),
) -> Option<WeightState> {
    let is_same_kind = old.data_type == new.data_type && old.dims == new.dims;
    let count = elements(&old.dims);
    if is_same_kind && old.data_type == 8 {
        const MOST: usize = 1 << 20;
        let is_same = old.strings(MOST) == new.strings(MOST);
        return (!is_same).then(|| WeightState::Unknown("its texts changed".to_owned()));
    }
    let values = match count == elements(&new.dims) {
        true => Some(apart((old, old_files), (new, new_files), count)),
        false => None,
    };
    if !is_same_kind {
        return Some(WeightState::Retyped {
            old: kind(old),
            new: kind(new),
            values: values.and_then(Result::ok),
        });
    }
    match values? {
        Ok(values) if values.changed == 0 => None,
        Ok(values) => Some(WeightState::Values(values)),
        Err(reason) => Some(WeightState::Unknown(reason)),
    }
}

/// How far the values of two tensors are apart.
fn apart(
    (old, old_files): (&Tensor<'_>, &mut Files),
    (new, new_files): (&Tensor<'_>, &mut Files),
    count: u64,
) -> Result<NumberChange, String> {
    let old = values::located(old, old_files, count)?;
    let new = values::located(new, new_files, count)?;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut change = NumberChange::default();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut start = 0;
    while start < count {
        let most = WINDOW.min(count - start);
        old.window(start, WINDOW, &mut left);
        new.window(start, WINDOW, &mut right);
        // The last byte may have room for more than there is.
        if left.len() < most || right.len() < most {
            return Err("it has fewer values than it declares".to_owned());
        }
        for (old, new) in left.iter().zip(&right).take(most) {
            change.take(*old, *new);
        }
        start += WINDOW;
    }
    Ok(change)
}

/// What went and what came: those that only have another name are told as such.
fn moved<'g>(
    (gone, old_files): (Vec<(Key<'g>, &'g Tensor<'g>)>, &mut Files),
    (came, new_files): (Vec<(Key<'g>, &'g Tensor<'g>)>, &mut Files),
) -> Vec<WeightChange> {
    let mut by_print: HashMap<(i32, &[i64], u64), Vec<Key<'_>>> = HashMap::new();
    let mut changes = Vec::new();
    let mut left: HashMap<Key<'_>, &Tensor<'_>> = HashMap::new();
    for (key, tensor) in &came {
        left.insert(*key, tensor);
        if let Some(print) = print(tensor, new_files) {
            let same = (tensor.data_type, tensor.dims.as_slice(), print);
            by_print.entry(same).or_default().push(*key);
        }
    }
    for (key, tensor) in &gone {
        let print = print(tensor, old_files);
        let same = print.map(|print| (tensor.data_type, tensor.dims.as_slice(), print));
        let found = same.and_then(|same| by_print.get_mut(&same)?.pop());
        let state = match found {
            Some(now) => {
                left.remove(&now);
                WeightState::Renamed(now.1.to_owned())
            }
            None => WeightState::Removed(kind(tensor)),
        };
        changes.push(change(*key, state));
    }
    let new = came.iter().filter(|(key, _)| left.contains_key(key));
    changes.extend(new.map(|(key, tensor)| change(*key, WeightState::Added(kind(tensor)))));
    changes
}

/// A fingerprint of the values.
fn print(tensor: &Tensor<'_>, files: &mut Files) -> Option<u64> {
    let count = elements(&tensor.dims);
    let mut hasher = DefaultHasher::new();
    let each = |value: f64| value.to_bits().hash(&mut hasher);
    values::each_value(tensor, files, count, each).ok()?;
    Some(hasher.finish())
}
