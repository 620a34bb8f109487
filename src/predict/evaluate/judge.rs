//! Decides once what the label is held against: a predicted class, classes' scores, or a number.

use std::borrow::Cow;

use crate::batch::columns::{Field, Form, Layout};
use crate::batch::decide::Activation;
use crate::batch::names::listed;
use crate::each_dtype;
use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use super::truth::Classes;

/// What a label is compared with; shared by all workers.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The label's column.
    pub(super) label: String,
    pub(super) judged: Judged,
    /// What is not judged, and why.
    pub(super) notes: Vec<String>,
}

/// The fields, by their place in the layout.
#[derive(Debug, Clone)]
pub(super) enum Judged {
    Class {
        /// The field that names the predicted class; without one the best score decides.
        label: Option<usize>,
        scores: Option<ScoreField>,
        classes: Classes,
    },
    Number {
        field: usize,
    },
}

/// The field with the classes' scores.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScoreField {
    pub(super) field: usize,
    /// One value a record: the score of the second of two classes.
    pub(super) single: bool,
    pub(super) dtype: Dtype,
}

impl Judge {
    /// Decides from the layout and `outputs`, the first tensors that [`Layout::arrange`] gave.
    ///
    /// `label` is the truth's column; `names` are the class names of `--classes` or the model, which
    /// name the two sides of a single score.
    ///
    /// # Errors
    /// [`Error::Usage`] where several outputs could be meant, or none.
    pub fn new(
        layout: &Layout,
        outputs: &[Tensor],
        label: &str,
        names: Option<&[String]>,
    ) -> Result<Judge> {
        let found = Found::of(layout, outputs);
        let chosen = found.chosen(label)?;
        let mut notes = Vec::new();
        let judged = match chosen {
            Chosen {
                label: None,
                single: Some(at),
                ..
            } => match found.sides(layout, None, names) {
                Some(sides) => Judged::Class {
                    label: None,
                    scores: found.score_field(at),
                    classes: Classes::new(&sides, false),
                },
                None => Judged::Number { field: at },
            },
            Chosen {
                label: Some(at),
                single: Some(single),
                ..
            } => found.label_and_single(layout, (at, single), names, &mut notes),
            Chosen {
                label,
                table: Some(at),
                ..
            } => found.table(label, at, names, &mut notes),
            Chosen { label, .. } => found.label_alone(label, names),
        };
        Ok(Judge {
            label: label.to_owned(),
            judged,
            notes,
        })
    }
}

/// The fields that a label could be held against, by form, as places in the layout.
struct Found<'l> {
    fields: Vec<(&'l Field, Dtype)>,
    /// One value a record that is no float: names of classes.
    labels: Vec<usize>,
    /// One float a record.
    singles: Vec<usize>,
    /// Scores of named classes.
    tables: Vec<usize>,
    /// Floats without names.
    lists: Vec<usize>,
}

/// The fields that are meant.
#[derive(Default)]
struct Chosen {
    label: Option<usize>,
    table: Option<usize>,
    single: Option<usize>,
}

impl<'l> Found<'l> {
    fn of(layout: &'l Layout, outputs: &[Tensor]) -> Found<'l> {
        let dtypes = outputs.iter().map(Tensor::dtype);
        let fields: Vec<(&Field, Dtype)> = layout.fields.iter().zip(dtypes).collect();
        let all = |is_one: fn(&Form, Dtype) -> bool| -> Vec<usize> {
            let places = fields.iter().enumerate();
            let ones = places.filter(|(_, (field, dtype))| is_one(&field.form, *dtype));
            ones.map(|(at, _)| at).collect()
        };
        Found {
            labels: all(|form, dtype| *form == Form::Scalar && !dtype.is_float()),
            singles: all(|form, dtype| *form == Form::Scalar && dtype.is_float()),
            tables: all(|form, dtype| {
                dtype.is_float() && matches!(form, Form::Classes(_) | Form::Top { .. })
            }),
            lists: all(|form, dtype| dtype.is_float() && matches!(form, Form::List(2..))),
            fields,
        }
    }

    /// # Errors
    /// [`Error::Usage`] where several fields could be meant, or none.
    fn chosen(&self, label: &str) -> Result<Chosen> {
        let tables = if self.tables.is_empty() {
            &self.lists
        } else {
            &self.tables
        };
        match (
            self.labels.as_slice(),
            tables.as_slice(),
            self.singles.as_slice(),
        ) {
            ([], [], []) => Err(Error::usage(format!(
                "--label {label}: the model gives nothing that a label can be compared with"
            ))
            .hint("a label is compared with one value a record, or with one score for each class")),
            ([], [], [single]) => Ok(Chosen {
                single: Some(*single),
                ..Chosen::default()
            }),
            ([], [table], []) => Ok(Chosen {
                table: Some(*table),
                ..Chosen::default()
            }),
            ([at], [table], _) => Ok(Chosen {
                label: Some(*at),
                table: Some(*table),
                single: None,
            }),
            ([at], [], singles) => Ok(Chosen {
                label: Some(*at),
                table: None,
                single: match singles {
                    [single] => Some(*single),
                    _ => None,
                },
            }),
            (labels, tables, singles) => {
                let all = if labels.len() > 1 {
                    labels.to_vec()
                } else {
                    let mut all = [tables, singles].concat();
                    all.sort_unstable();
                    all
                };
                let names: Vec<&str> = all.iter().map(|at| self.name(*at)).collect();
                Err(Error::usage(format!(
                    "--label {label}: it could be compared with any of the outputs {}",
                    listed(&names)
                ))
                .hint("--outputs NAME chooses one"))
            }
        }
    }

    fn name(&self, at: usize) -> &str {
        self.fields.get(at).map_or("", |(field, _)| &field.name)
    }

    fn dtype(&self, at: usize) -> Option<Dtype> {
        self.fields.get(at).map(|(_, dtype)| *dtype)
    }

    fn score_field(&self, at: usize) -> Option<ScoreField> {
        let (field, dtype) = self.fields.get(at)?;
        Some(ScoreField {
            field: at,
            single: field.form == Form::Scalar,
            dtype: *dtype,
        })
    }

    /// The names that the label's field says it chooses from.
    fn decided(&self, label: Option<usize>) -> Option<&[String]> {
        self.fields.get(label?)?.0.decides()
    }

    /// The two sides of a single score, where it is one.
    fn sides(
        &self,
        layout: &Layout,
        label: Option<usize>,
        names: Option<&[String]>,
    ) -> Option<Vec<String>> {
        let two = |first: &str, second: &str| vec![first.to_owned(), second.to_owned()];
        let known = self.decided(label).or(names);
        if let Some(known) = known.filter(|known| known.len() == 2) {
            return Some(known.to_vec());
        }
        if label.and_then(|at| self.dtype(at)) == Some(Dtype::Bool) {
            return Some(two("false", "true"));
        }
        (layout.activation() == Some(Activation::Sigmoid)).then(|| two("0", "1"))
    }

    fn label_and_single(
        &self,
        layout: &Layout,
        (label, single): (usize, usize),
        names: Option<&[String]>,
        notes: &mut Vec<String>,
    ) -> Judged {
        let Some(sides) = self.sides(layout, Some(label), names) else {
            notes.push(format!(
                "output \"{}\" is not judged: nothing says which class it is the score of",
                self.name(single)
            ));
            return self.label_alone(Some(label), names);
        };
        let classes = Classes::new(&sides, false);
        Judged::Class {
            label: Some(label).filter(|_| self.speaks_of(label, &classes)),
            scores: self.score_field(single),
            classes,
        }
    }

    fn label_alone(&self, label: Option<usize>, names: Option<&[String]>) -> Judged {
        let whole = label
            .and_then(|at| self.dtype(at))
            .is_some_and(Dtype::is_int);
        let known = self.decided(label).or(names).unwrap_or_default();
        let classes = Classes::new(known, whole);
        let speaks = label.is_some_and(|at| self.speaks_of(at, &classes));
        Judged::Class {
            label,
            scores: None,
            classes: if speaks {
                classes
            } else {
                Classes::new(&[], whole)
            },
        }
    }

    /// Whether the values of the field `label` are names of `classes`: numbers are none where the
    /// classes are called otherwise, as by `--classes`, and stand for their places then.
    fn speaks_of(&self, label: usize, classes: &Classes) -> bool {
        match self.dtype(label) {
            Some(dtype) if dtype.is_int() => classes.are_whole(),
            Some(Dtype::Bool) => classes.are_sides(),
            _ => true,
        }
    }

    fn table(
        &self,
        label: Option<usize>,
        at: usize,
        names: Option<&[String]>,
        notes: &mut Vec<String>,
    ) -> Judged {
        let form = self.fields.get(at).map(|(field, _)| &field.form);
        let known = match form {
            Some(Form::Classes(classes) | Form::Top { classes, .. }) => classes.clone(),
            Some(Form::List(size)) => match names.filter(|names| names.len() == *size) {
                Some(names) => names.to_vec(),
                None => {
                    notes.push(format!(
                        "the classes of output \"{}\" have no names and are taken for 0 to {}; --classes names them",
                        self.name(at),
                        size.saturating_sub(1)
                    ));
                    (0..*size).map(|class| class.to_string()).collect()
                }
            },
            _ => Vec::new(),
        };
        let classes = Classes::new(&known, false);
        Judged::Class {
            label: label.filter(|label| self.speaks_of(*label, &classes)),
            scores: self.score_field(at),
            classes,
        }
    }
}

impl ScoreField {
    /// The machine epsilon of the scores' dtype, as scikit-learn clips by it; NumPy has no bfloat16,
    /// which is read as float32.
    pub(super) fn epsilon(&self) -> f64 {
        match self.dtype {
            Dtype::Float64 => f64::EPSILON,
            Dtype::Float16 => half::f16::EPSILON.to_f64(),
            _ => f64::from(f32::EPSILON),
        }
    }

    /// What is left to the first class by a score of the second, rounded as the dtype has it.
    pub(super) fn rest(&self, score: f64) -> f64 {
        match self.dtype {
            Dtype::Float64 => 1.0 - score,
            Dtype::Float16 => half::f16::from_f64(1.0 - score).to_f64(),
            _ => f64::from((1.0 - score) as f32),
        }
    }
}

/// The text of element `index` of a label's field.
pub(super) fn name_at(labels: &Tensor, index: usize) -> Option<Cow<'_, str>> {
    if let Tensor::String(array) = labels {
        return array
            .as_slice()?
            .get(index)
            .map(|name| Cow::Borrowed(name.as_str()));
    }
    each_dtype!(labels, array => array
        .as_slice()
        .and_then(|all| all.get(index))
        .map(|element| Cow::Owned(element.to_string())))
}
