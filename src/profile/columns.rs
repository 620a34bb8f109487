//! Which elements of a model's tensors are a column of a profile, and what the column is called.
//!
//! A feature is found again by its input and its place in a record's part of it, whatever the client
//! calls it; a column of predictions by its name.

use crate::batch::columns::{Field, Form, Layout};
use crate::batch::feed::{How, elements};
use crate::batch::plan::Plan;

/// Features at most; further ones are counted only.
pub const MOST_FEATURES: usize = 1000;
/// Columns of predictions at most.
pub const MOST_PREDICTIONS: usize = 200;
/// Elements of a record that are columns of their own; of more, as images have, all are one column.
pub const MOST_ELEMENTS: usize = 512;

/// One column: which elements of which tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The tensor's place among all inputs, or among the fields of the layout.
    pub tensor: usize,
    /// The element of each record, row-major; `None` where all of them are one column.
    pub element: Option<usize>,
}

/// The columns of a model's inputs and of its predictions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// In the order of the inputs; of each tensor the elements from the first on.
    pub features: Vec<Column>,
    pub features_left_out: usize,
    pub predictions: Vec<Column>,
    pub predictions_left_out: usize,
    /// The names of the inputs.
    pub inputs: Vec<String>,
}

impl Columns {
    /// The columns that records by `plan` have, whose predictions are laid out by `layout`.
    pub fn new(plan: &Plan, layout: &Layout) -> Columns {
        let mut columns = Columns {
            inputs: plan.feeds.iter().map(|feed| feed.input.clone()).collect(),
            ..Columns::default()
        };
        for (tensor, feed) in plan.feeds.iter().enumerate() {
            let named: Named = match &feed.how {
                How::Once(_) => continue,
                How::Cells { sources, .. } if sources.len() <= MOST_ELEMENTS => {
                    Named::Each(sources.iter().map(|source| source.name.clone()).collect())
                }
                How::Cells { .. } => Named::Together(feed.input.clone()),
                How::List { source, dims } => {
                    let sizes: Option<Vec<usize>> = dims.iter().copied().collect();
                    match sizes.map(|sizes| elements(&sizes)) {
                        Some(1) => Named::Each(vec![source.name.clone()]),
                        Some(width @ 2..=MOST_ELEMENTS) => {
                            let named = (0..width).map(|at| format!("{}_{at}", source.name));
                            Named::Each(named.collect())
                        }
                        _ => Named::Together(source.name.clone()),
                    }
                }
            };
            let left_out = named.put(tensor, &mut columns.features, MOST_FEATURES);
            columns.features_left_out += left_out;
        }
        for (tensor, field) in layout.fields.iter().enumerate() {
            let named = of_field(field, name_before(layout, field));
            let left_out = named.put(tensor, &mut columns.predictions, MOST_PREDICTIONS);
            columns.predictions_left_out += left_out;
        }
        columns
    }

    /// Whether the same elements are columns in both, whatever they are called.
    pub fn are_as(&self, other: &Columns) -> bool {
        let place = |column: &Column| (column.tensor, column.element);
        let are_same = |some: &[Column], others: &[Column]| {
            some.iter().map(place).eq(others.iter().map(place))
        };
        are_same(&self.features, &other.features) && are_same(&self.predictions, &other.predictions)
    }
}

/// The name that a field had before it gave way to a column of the input, which says nothing of the
/// model.
fn name_before<'l>(layout: &'l Layout, field: &'l Field) -> &'l str {
    let renamed = layout.renamed().iter();
    let mut renamed = renamed.filter(|renamed| renamed.after == field.name);
    renamed
        .next()
        .map_or(field.name.as_str(), |renamed| renamed.before.as_str())
}

/// The columns of a field; `name` is what it is called.
fn of_field(field: &Field, name: &str) -> Named {
    let each = |names: &mut dyn Iterator<Item = String>| Named::Each(names.collect());
    match &field.form {
        Form::Scalar => Named::Each(vec![name.to_owned()]),
        // Of the best all are there, before they are chosen from.
        Form::Classes(classes) | Form::Top { classes, .. } if !classes.is_empty() => {
            each(&mut classes.iter().map(|class| format!("{name}_{class}")))
        }
        Form::List(size) if *size <= MOST_ELEMENTS => {
            each(&mut (0..*size).map(|at| format!("{name}_{at}")))
        }
        _ => Named::Together(name.to_owned()),
    }
}

/// What the elements of a record are called.
enum Named {
    Each(Vec<String>),
    Together(String),
}

impl Named {
    /// Adds columns of `tensor` until there are `most`; returns how many were not added.
    fn put(self, tensor: usize, columns: &mut Vec<Column>, most: usize) -> usize {
        let room = most.saturating_sub(columns.len());
        match self {
            Named::Together(_) if room == 0 => 1,
            Named::Together(name) => {
                columns.push(Column {
                    name,
                    tensor,
                    element: None,
                });
                0
            }
            Named::Each(names) => {
                let left_out = names.len().saturating_sub(room);
                let named = names.into_iter().take(room).enumerate();
                columns.extend(named.map(|(element, name)| Column {
                    name,
                    tensor,
                    element: Some(element),
                }));
                left_out
            }
        }
    }
}
