//! Inputs without a column of their own name: the one matrix that takes what is left, and those that
//! nothing feeds.

use std::collections::HashSet;

use crate::batch::feed::{BatchAxis, Feed, How, Kind, Source, elements, kind};
use crate::batch::names::listed;
use crate::batch::once::shape_of;
use crate::batch::plan::Rules;
use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::signature::Port;

use super::errors::unfeedable;
use super::{Planner, fixed_dims, is_one_cell};

impl Planner<'_> {
    /// Feeds the inputs that have no column of their own name.
    pub(super) fn feed_rest(
        &self,
        open: &[&Port],
        batch: BatchAxis,
        used: &HashSet<usize>,
    ) -> Result<Vec<Feed>> {
        let free = self.free_columns(used)?;
        if self.rules.by_position
            && open.len() == free.len()
            && open.iter().all(|port| is_one_cell(port, batch))
        {
            let feed =
                |(port, column): (&&Port, &usize)| self.cell_feed(port, Some(*column), batch);
            return open.iter().zip(&free).map(feed).collect();
        }
        match open {
            [] => Ok(Vec::new()),
            [port] if self.takes_the_rest(port, batch) => {
                self.feed_matrix(port, batch, &free).map(|feed| vec![feed])
            }
            _ => self.absent(open, batch, &free),
        }
    }

    /// Whether `port` may be fed from columns of other names: a matrix or fixed-size tensor, or the
    /// only input of the model.
    fn takes_the_rest(&self, port: &Port, batch: BatchAxis) -> bool {
        if !matches!(kind(port, batch), Kind::PerRecord(_)) {
            return false;
        }
        let per_record = |port: &&Port| {
            self.set_text(&port.name).is_none() && matches!(kind(port, batch), Kind::PerRecord(_))
        };
        !is_one_cell(port, batch) || self.signature.inputs.iter().filter(per_record).count() == 1
    }

    /// The columns that may be features: neither used by name nor set aside by a flag.
    pub(super) fn free_columns(&self, used: &HashSet<usize>) -> Result<Vec<usize>> {
        let mut taken = used.clone();
        let Rules {
            id, label, exclude, ..
        } = self.rules;
        for (flag, names) in [("--id", id), ("--label", label), ("--exclude", exclude)] {
            for name in names {
                taken.insert(self.flag_column(flag, name)?);
            }
        }
        Ok((0..self.columns.len())
            .filter(|column| !taken.contains(column))
            .collect())
    }

    fn feed_matrix(&self, port: &Port, batch: BatchAxis, free: &[usize]) -> Result<Feed> {
        let Some((dtype, _)) = port.tensor() else {
            return Err(unfeedable(port));
        };
        let Kind::PerRecord(dims) = kind(port, batch) else {
            return Err(unfeedable(port));
        };
        let (names, told_by_flag) = match (&self.rules.features, &self.signature.features) {
            (Some(features), _) => (Some(features), true),
            (None, features) => (features.as_ref(), false),
        };
        let one_cell = is_one_cell(port, batch) && names.is_none();
        if one_cell && free.len() != 1 {
            return Err(self.absent_columns(&[port.name.as_str()], ""));
        }
        let sources = match names {
            Some(features) => self.by_features(port, dtype, features, told_by_flag)?,
            None => self.by_position(port, dtype, &dims, free)?,
        };
        let dims = match fixed_dims(&dims) {
            Some(dims) if elements(&dims) == sources.len() => dims,
            None if dims.len() == 1 => vec![sources.len()],
            _ => return Err(self.wrong_width(port, sources.len(), told_by_flag)),
        };
        Ok(Feed {
            input: port.name.clone(),
            dtype,
            how: How::Cells { sources, dims },
        })
    }

    /// One column for each feature name, wherever it stands.
    fn by_features(
        &self,
        port: &Port,
        dtype: Dtype,
        features: &[String],
        told_by_flag: bool,
    ) -> Result<Vec<Source>> {
        let mut sources = Vec::with_capacity(features.len());
        let mut absent = Vec::new();
        for feature in features {
            let column = self
                .names
                .find(feature)
                .map_err(|ambiguous| self.ambiguous(feature, &ambiguous))?;
            if column.is_none() {
                absent.push(feature.as_str());
            }
            sources.push(self.source(feature, column, dtype)?);
        }
        match absent.first() {
            Some(first) if told_by_flag && !self.rules.allow_missing_columns => {
                Err(Error::usage(format!(
                    "--features: {} has no column {}",
                    self.place,
                    listed(&absent)
                ))
                .hint(self.columns_hint(first)))
            }
            Some(_) if !self.rules.allow_missing_columns => {
                Err(self.absent_columns(&absent, &port.name))
            }
            _ => Ok(sources),
        }
    }

    /// All free columns in their order, if there are exactly as many as the input has elements.
    fn by_position(
        &self,
        port: &Port,
        dtype: Dtype,
        dims: &[Option<usize>],
        free: &[usize],
    ) -> Result<Vec<Source>> {
        let Some(wanted) = fixed_dims(dims).map(|dims| elements(&dims)) else {
            return Err(Error::data(
                self.place,
                format!(
                    "input \"{}\" has shape {}: how many columns it takes is not in the model",
                    port.name,
                    shape_of(port)
                ),
            )
            .hint("name its columns in the model's order with --features LIST or --features @FILE")
            .hint_more(format!(
                "or give it one column \"{}\" of JSON lists",
                port.name
            )));
        };
        if free.len() != wanted {
            return Err(self.wrong_count(port, wanted, free));
        }
        let name = |column: usize| self.columns.get(column).map_or("", String::as_str);
        free.iter()
            .map(|column| self.source(name(*column), Some(*column), dtype))
            .collect()
    }

    /// Inputs that no column feeds: an error that lists them all, or missing values if the user
    /// allows that.
    fn absent(&self, open: &[&Port], batch: BatchAxis, free: &[usize]) -> Result<Vec<Feed>> {
        if let Some(matrix) = open.iter().find(|port| !is_one_cell(port, batch)) {
            let matrices = open.iter().filter(|port| !is_one_cell(port, batch)).count();
            if matrices == 1 && self.rules.allow_missing_columns {
                return self.absent_and_matrix(open, matrix, batch, free);
            }
            let names: Vec<&str> = open.iter().map(|port| port.name.as_str()).collect();
            return Err(Error::data(
                self.place,
                format!("no column for the inputs {}", listed(&names)),
            )
            .hint(format!(
                "input \"{}\" has shape {}: give it one column of that name with JSON lists",
                matrix.name,
                shape_of(matrix)
            ))
            .hint_more(format!("or columns \"{0}_0\", \"{0}_1\"...", matrix.name))
            .hint_more(self.columns_hint(&matrix.name)));
        }
        let names: Vec<&str> = open.iter().map(|port| port.name.as_str()).collect();
        if !self.rules.allow_missing_columns {
            return Err(self.absent_columns(&names, ""));
        }
        open.iter()
            .map(|port| self.cell_feed(port, None, batch))
            .collect()
    }

    fn absent_and_matrix(
        &self,
        open: &[&Port],
        matrix: &Port,
        batch: BatchAxis,
        free: &[usize],
    ) -> Result<Vec<Feed>> {
        let feed = |port: &&Port| {
            if port.name == matrix.name {
                self.feed_matrix(port, batch, free)
            } else {
                self.cell_feed(port, None, batch)
            }
        };
        open.iter().map(feed).collect()
    }
}
