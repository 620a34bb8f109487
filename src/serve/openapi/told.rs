//! What there is to tell of a model: its columns, its fields, where it is asked, and examples.

use std::collections::HashSet;
use std::sync::Arc;

use crate::batch::columns::{Form, Layout};
use crate::batch::feed::How;
use crate::inspect::ports;
use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port};

use crate::serve::app::App;
use crate::serve::hosted::Hosted;
use crate::serve::records::planned::Planned;

use super::examples::Examples;
use super::paths::{identifier, segment};

/// Columns that are told of one by one; a record of more is only an object.
const MOST_COLUMNS: usize = 2_000;

/// What there is to tell of a model.
pub struct Told<'a> {
    pub hosted: &'a Arc<Hosted>,
    /// What the names of its schemas begin with; no other model has it.
    pub name: String,
    /// Its heading among the operations.
    pub tag: String,
    /// The columns of a record; `None` where no record alone can feed it, or where there are too many.
    pub columns: Option<Vec<Column<'a>>>,
    /// How its predictions are laid out, where they are of records.
    pub layout: Option<Arc<Layout>>,
    pub examples: Examples,
}

/// One column of a record.
pub struct Column<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    /// The sizes of the lists that it holds, `None` where they are free; no sizes for a plain value.
    pub dims: Vec<Option<usize>>,
    /// The values that the model knows, where it says so.
    pub known: Option<Vec<&'a str>>,
    /// Whether the model reads it from every record.
    pub is_required: bool,
}

impl<'a> Told<'a> {
    /// These models, in their order.
    pub fn all(app: &App, models: &'a [Arc<Hosted>]) -> Vec<Told<'a>> {
        let mut names = HashSet::new();
        models
            .iter()
            .map(|hosted| {
                let mut name = identifier(&hosted.name);
                while !names.insert(name.clone()) {
                    name.push('_');
                }
                Told::new(app, hosted, name)
            })
            .collect()
    }

    fn new(app: &App, hosted: &'a Arc<Hosted>, name: String) -> Told<'a> {
        let planned = hosted.expected().ok();
        let columns = planned
            .filter(|planned| planned.plan.columns.len() <= MOST_COLUMNS)
            .map(|planned| columns(hosted, planned));
        let wanted = &hosted.hosting.wanted;
        Told {
            layout: planned.and_then(|planned| hosted.layout(&planned.plan, None, wanted).ok()),
            examples: Examples::new(app, hosted, columns.as_deref()),
            tag: shown(&hosted.name),
            columns,
            name,
            hosted,
        }
    }

    /// The path that a person types for it: the short one where it is the only one.
    pub fn path(&self, is_only: bool) -> String {
        match is_only {
            true => "/predict".to_owned(),
            false => format!("/models/{}/predict", segment(&self.hosted.name)),
        }
    }

    /// Its path with its version.
    pub(super) fn version_path(&self) -> String {
        let [name, version] = [&self.hosted.name, &self.hosted.version].map(|text| segment(text));
        format!("/models/{name}/versions/{version}/predict")
    }

    /// Whether a record has a column of this name, so that it means nothing else beside records.
    pub(super) fn has_column(&self, name: &str) -> bool {
        let columns = self.columns.iter().flatten();
        columns.into_iter().any(|column| column.name == name)
    }

    /// Whether a wish about scores may have something to be about.
    pub(super) fn has_scores(&self) -> bool {
        let is_score = |form: &Form| !matches!(form, Form::Nested | Form::Unknown);
        let layout = self.layout.iter();
        layout
            .flat_map(|layout| &layout.fields)
            .any(|field| is_score(&field.form))
    }

    /// Its inputs as they are declared.
    pub(super) fn inputs(&self) -> &'a [Port] {
        &self.hosted.model.signature().inputs
    }
}

/// A name from a file, on one line and without what drives what shows it.
pub fn shown(text: &str) -> String {
    let start: String = text.chars().take(200).collect();
    crate::error::escape_controls(&start)
}

/// The declared sizes of an input; none where its rank is free.
pub(super) fn sizes(port: &Port) -> Option<Vec<Option<usize>>> {
    let shape = ports::shape(port)?;
    Some(shape.iter().map(Dim::fixed).collect())
}

fn columns<'a>(hosted: &'a Hosted, planned: &'a Planned) -> Vec<Column<'a>> {
    let plan = &planned.plan;
    let mut columns: Vec<Option<Column<'a>>> = plan.columns.iter().map(|_| None).collect();
    let required = !hosted.hosting.rules.allow_missing_columns;
    for (feed, port) in plan.feeds.iter().zip(&hosted.model.signature().inputs) {
        let known = ports::categories(&hosted.model.facts, port);
        let mut add = |index: Option<usize>, dims: &[Option<usize>]| {
            let at = index.and_then(|index| Some((columns.get_mut(index)?, plan.column(index))));
            if let Some((column, name)) = at {
                *column = Some(Column {
                    name,
                    dtype: feed.dtype,
                    dims: dims.to_vec(),
                    known: known.clone(),
                    is_required: required,
                });
            }
        };
        match &feed.how {
            How::Cells { sources, .. } => sources.iter().for_each(|source| add(source.column, &[])),
            How::List { source, dims } => add(source.column, dims),
            How::Once(_) => {}
        }
    }
    columns.into_iter().flatten().collect()
}
