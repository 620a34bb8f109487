//! Making a plan: each input is fed by the closest rule that applies, and errors say which columns
//! were expected, which were found, and what to do. They are about columns, never about records.

use std::collections::HashSet;

use ndarray::ArrayD;

use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::signature::{Port, Signature};
use crate::model::tensor::Tensor;

use super::cell::{Cell, CellRules, expectation, read};
use super::element::{Element, ForElement, with_dtype};
use super::feed::{BatchAxis, Feed, How, Kind, Source, batch_axis, elements, kind};
use super::names::Names;
use super::once::{given, state};
use super::plan::{Header, Keep, Plan, Rules};

mod errors;
mod rest;

use errors::unfeedable;

impl Plan {
    /// Decides how the columns of the source `place` feed the model.
    ///
    /// # Errors
    /// [`Error::Data`] for columns that are absent, duplicate or do not fit; [`Error::Usage`] for a
    /// flag that names an unknown column or input; [`Error::Model`] for an input that no file can
    /// feed.
    pub fn new(
        signature: &Signature,
        header: impl Into<Header>,
        rules: &Rules,
        place: &str,
    ) -> Result<Plan> {
        let Header {
            mut columns,
            lists,
            open,
        } = header.into();
        reject_duplicates(&columns, place)?;
        if signature.inputs.is_empty() {
            return Err(
                Error::model("", "the model has no inputs, so there is nothing to score")
                    .hint("mlserve inspect MODEL shows what it gives"),
            );
        }
        let planner = Planner {
            signature,
            columns: &columns,
            lists: &lists,
            names: Names::new(&columns),
            inputs: signature
                .inputs
                .iter()
                .map(|port| port.name.as_str())
                .collect(),
            rules,
            place,
        };
        planner.check_flags()?;
        let batch = batch_axis(signature, |input| planner.set_text(input).is_some());
        let mut feeds = planner.feeds(batch)?;
        let batch = if planner.has_sized_state(batch) {
            BatchAxis::Fixed(1)
        } else {
            batch
        };
        if feeds.iter().all(|feed| matches!(feed.how, How::Once(_))) {
            return Err(planner.nothing_left());
        }
        let used: HashSet<usize> = feeds.iter().flat_map(used_columns).collect();
        let unused: Vec<usize> = (0..columns.len())
            .filter(|index| !used.contains(index))
            .collect();
        let kept = planner.kept(&unused)?;
        if open {
            feeds
                .iter_mut()
                .for_each(|feed| await_columns(feed, &mut columns));
        }
        Ok(Plan {
            feeds,
            unused,
            kept,
            batch,
            cells: rules.cells.clone(),
            columns,
        })
    }
}

/// What `Plan::new` looks at; nothing here outlives it.
struct Planner<'a> {
    signature: &'a Signature,
    columns: &'a [String],
    lists: &'a [bool],
    names: Names<'a>,
    inputs: HashSet<&'a str>,
    rules: &'a Rules,
    place: &'a str,
}

impl Planner<'_> {
    /// Every flag that names a column or an input must name one that exists.
    fn check_flags(&self) -> Result<()> {
        let Rules {
            id,
            label,
            exclude,
            keep,
            ..
        } = self.rules;
        let kept: &[String] = match keep {
            Keep::List(names) => names,
            Keep::Unused | Keep::All | Keep::None => &[],
        };
        let flags = [
            ("--id", id.as_slice()),
            ("--label", label),
            ("--exclude", exclude),
            ("--keep", kept),
        ];
        for (flag, names) in flags {
            for name in names {
                self.flag_column(flag, name)?;
            }
        }
        for (name, _) in &self.rules.fill {
            let is_feature = self
                .rules
                .features
                .as_ref()
                .or(self.signature.features.as_ref());
            if !self.inputs.contains(name.as_str())
                && !is_feature.is_some_and(|features| features.contains(name))
            {
                self.flag_column("--fill", name)?;
            }
        }
        let mut features = HashSet::new();
        let mut named = self.rules.features.iter().flatten();
        if let Some(double) = named.find(|name| !features.insert(name.as_str())) {
            return Err(Error::usage(format!(
                "--features: \"{double}\" stands twice"
            )));
        }
        match self
            .rules
            .set
            .iter()
            .find(|(input, _)| !self.inputs.contains(input.as_str()))
        {
            Some((input, _)) => Err(self.no_such_input(input)),
            None => Ok(()),
        }
    }

    /// The column that a flag names.
    fn flag_column(&self, flag: &str, name: &str) -> Result<usize> {
        let unknown = || {
            Error::usage(format!("{flag} {name}: {} has no such column", self.place))
                .hint(self.columns_hint(name))
        };
        let found = self
            .names
            .find(name)
            .map_err(|ambiguous| self.ambiguous(name, &ambiguous))?;
        found.ok_or_else(unknown)
    }

    fn set_text(&self, input: &str) -> Option<&str> {
        let set = self.rules.set.iter().find(|(name, _)| name == input);
        set.map(|(_, json)| json.as_str())
    }

    /// Whether a state that nobody gave has a free dimension. It may count the records, so such a
    /// model is run record by record.
    fn has_sized_state(&self, batch: BatchAxis) -> bool {
        self.signature.inputs.iter().any(|port| {
            let free = |dims: &[Option<usize>]| dims.iter().any(Option::is_none);
            self.set_text(&port.name).is_none()
                && matches!(kind(port, batch), Kind::Once(dims) if free(&dims))
        })
    }

    /// Feeds every input: first those given once, then those found by their own name, then the one
    /// matrix that takes what is left.
    fn feeds(&self, batch: BatchAxis) -> Result<Vec<Feed>> {
        let ports = &self.signature.inputs;
        let mut feeds: Vec<Option<Feed>> = Vec::with_capacity(ports.len());
        for port in ports {
            feeds.push(self.feed_alone(port, batch)?);
        }
        let open: Vec<&Port> = ports
            .iter()
            .zip(&feeds)
            .filter(|(_, feed)| feed.is_none())
            .map(|(port, _)| port)
            .collect();
        let used: HashSet<usize> = feeds.iter().flatten().flat_map(used_columns).collect();
        let mut rest = self.feed_rest(&open, batch, &used)?.into_iter();
        Ok(feeds
            .into_iter()
            .filter_map(|feed| feed.or_else(|| rest.next()))
            .collect())
    }

    /// The feed of an input that needs no look at the other inputs; `None` where it does.
    fn feed_alone(&self, port: &Port, batch: BatchAxis) -> Result<Option<Feed>> {
        let Some((dtype, _)) = port.tensor() else {
            return Err(unfeedable(port));
        };
        let how = match (self.set_text(&port.name), kind(port, batch)) {
            (Some(json), _) => Some(How::Once(given(port, dtype, json)?)),
            (None, Kind::Once(dims)) => Some(How::Once(state(port, dtype, &dims)?)),
            (None, Kind::PerRecord(dims)) => self.by_own_name(port, dtype, &dims)?,
        };
        Ok(how.map(|how| Feed {
            input: port.name.clone(),
            dtype,
            how,
        }))
    }

    /// A column named as the input, or columns named `<input>_0`, `<input>_1`... for each element.
    fn by_own_name(
        &self,
        port: &Port,
        dtype: Dtype,
        dims: &[Option<usize>],
    ) -> Result<Option<How>> {
        let numbered = self
            .names
            .find_numbered(&port.name, |name| self.inputs.contains(name));
        let found = match numbered {
            Some(column) => Some(column),
            None => self
                .names
                .find(&port.name)
                .map_err(|ambiguous| self.ambiguous(&port.name, &ambiguous))?,
        };
        let fixed = fixed_dims(dims);
        match (found, fixed) {
            (Some(column), Some(dims)) if elements(&dims) == 1 => {
                let sources = vec![self.source(&port.name, Some(column), dtype)?];
                Ok(Some(How::Cells { sources, dims }))
            }
            (Some(column), _) if self.holds_lists(port, dims, column)? => {
                let source = self.source(&port.name, Some(column), dtype)?;
                Ok(Some(How::List {
                    source,
                    dims: dims.to_vec(),
                }))
            }
            (_, Some(dims)) if elements(&dims) > 1 => self.numbered(port, dtype, dims),
            _ => Ok(None),
        }
    }

    /// Whether the column that is named like an input of many elements holds lists of them. It may
    /// as well be one of its features: skl2onnx calls every matrix `X`, and `x` is a common column.
    fn holds_lists(&self, port: &Port, dims: &[Option<usize>], column: usize) -> Result<bool> {
        if let Some(is_list) = self.lists.get(column)
            && *is_list
        {
            return Ok(true);
        }
        let has_features = self.rules.features.is_some() || self.signature.features.is_some();
        let is_exact = self.columns.get(column) == Some(&port.name);
        let width = fixed_dims(dims).map(|dims| elements(&dims));
        let fits_by_position = Some(self.free_columns(&HashSet::new())?.len()) == width;
        Ok(is_exact && !has_features && !fits_by_position)
    }

    fn numbered(&self, port: &Port, dtype: Dtype, dims: Vec<usize>) -> Result<Option<How>> {
        if elements(&dims) > self.columns.len() {
            return Ok(None);
        }
        let wanted = (0..elements(&dims)).map(|index| format!("{}_{index}", port.name));
        let columns: Option<Vec<usize>> = wanted
            .map(|name| self.columns.iter().position(|column| *column == name))
            .collect();
        let Some(columns) = columns else {
            return Ok(None);
        };
        let sources = columns
            .into_iter()
            .map(|column| self.source(&port.name, Some(column), dtype));
        Ok(Some(How::Cells {
            sources: sources.collect::<Result<_>>()?,
            dims,
        }))
    }

    /// The feed of an input of one cell a record; `None` where the column is absent.
    fn cell_feed(&self, port: &Port, column: Option<usize>, batch: BatchAxis) -> Result<Feed> {
        let Some((dtype, _)) = port.tensor() else {
            return Err(unfeedable(port));
        };
        let dims = match kind(port, batch) {
            Kind::PerRecord(dims) | Kind::Once(dims) => fixed_dims(&dims).unwrap_or_default(),
        };
        let sources = vec![self.source(&port.name, column, dtype)?];
        Ok(Feed {
            input: port.name.clone(),
            dtype,
            how: How::Cells { sources, dims },
        })
    }

    /// A source with its `--fill`, whose value must fit the dtype.
    fn source(&self, name: &str, column: Option<usize>, dtype: Dtype) -> Result<Source> {
        let name = column
            .and_then(|index| self.columns.get(index))
            .map_or(name, String::as_str)
            .to_owned();
        let is_meant =
            |flag: &str| flag == name || column.is_some() && self.names.find(flag) == Ok(column);
        let fills = self.rules.fill.iter();
        let fill = fills
            .filter(|(flag, _)| is_meant(flag))
            .map(|(_, value)| value.clone())
            .next_back();
        if let Some(value) = &fill {
            check_fill(&name, value, dtype)?;
        }
        Ok(Source { name, column, fill })
    }

    fn kept(&self, unused: &[usize]) -> Result<Vec<usize>> {
        match &self.rules.keep {
            Keep::None => Ok(Vec::new()),
            Keep::All => Ok((0..self.columns.len()).collect()),
            Keep::Unused => Ok(unused.to_vec()),
            Keep::List(names) => {
                let mut kept = names
                    .iter()
                    .map(|name| self.flag_column("--keep", name))
                    .collect::<Result<Vec<_>>>()?;
                kept.sort_unstable();
                kept.dedup();
                Ok(kept)
            }
        }
    }
}

/// Whether one cell feeds the input: `[N]`, `[N, 1]`.
fn is_one_cell(port: &Port, batch: BatchAxis) -> bool {
    match kind(port, batch) {
        Kind::PerRecord(dims) => fixed_dims(&dims).is_some_and(|dims| elements(&dims) == 1),
        Kind::Once(_) => false,
    }
}

/// The sizes, where all are fixed.
fn fixed_dims(dims: &[Option<usize>]) -> Option<Vec<usize>> {
    dims.iter().copied().collect()
}

fn check_fill(column: &str, value: &str, dtype: Dtype) -> Result<()> {
    let check = CheckText { value };
    match with_dtype(dtype, check) {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "--fill {column}={value}: expected {}, found \"{value}\"",
            expectation(dtype)
        ))),
    }
}

struct CheckText<'a> {
    value: &'a str,
}

impl ForElement for CheckText<'_> {
    type Output = bool;
    fn call<T: Element>(self, _: fn(ArrayD<T>) -> Tensor) -> bool {
        matches!(
            read::<T>(Cell::Text(self.value.as_bytes()), &CellRules::default()),
            Ok(Some(_))
        )
    }
}

/// Gives each absent source a column of its name, which later records may have.
fn await_columns(feed: &mut Feed, columns: &mut Vec<String>) {
    let sources = match &mut feed.how {
        How::Cells { sources, .. } => sources.as_mut_slice(),
        How::List { source, .. } => std::slice::from_mut(source),
        How::Once(_) => &mut [],
    };
    for source in sources.iter_mut().filter(|source| source.column.is_none()) {
        source.column = Some(columns.len());
        columns.push(source.name.clone());
    }
}

fn used_columns(feed: &Feed) -> Vec<usize> {
    match &feed.how {
        How::Cells { sources, .. } => sources.iter().filter_map(|source| source.column).collect(),
        How::List { source, .. } => source.column.into_iter().collect(),
        How::Once(_) => Vec::new(),
    }
}

fn reject_duplicates(columns: &[String], place: &str) -> Result<()> {
    let mut seen = HashSet::new();
    match columns.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(()),
        Some(name) => Err(
            Error::data(place, format!("the header has column \"{name}\" twice"))
                .hint("rename one of the two columns, so that each can be found by its name"),
        ),
    }
}

#[cfg(test)]
mod tests;
