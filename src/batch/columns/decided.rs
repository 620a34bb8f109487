//! --activation, --threshold, --top and --argmax: which output they are about, and what it becomes.

use crate::batch::decide::Activation;
use crate::batch::names::listed;
use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::signature::Signature;

use super::field::{Field, Form, Source};
use super::shape::Shape;
use super::{Layout, Wanted};

impl Layout {
    /// Applies --activation, --threshold, --top and --argmax to the one output that has scores.
    pub(super) fn decide(
        &mut self,
        signature: &Signature,
        shapes: &[Shape],
        wanted: &Wanted,
    ) -> Result<()> {
        let flag = match wanted {
            Wanted { top: Some(_), .. } => "--top",
            Wanted { argmax: true, .. } => "--argmax",
            Wanted {
                threshold: Some(_), ..
            } => "--threshold",
            Wanted {
                activation: Some(_),
                ..
            } => "--activation",
            _ => return Ok(()),
        };
        let at = self.scores(flag, shapes)?;
        let Some(scores) = self.fields.get(at).cloned() else {
            return Ok(());
        };
        let Source::Output(output) = scores.source else {
            return Ok(());
        };
        self.activation = wanted.activation.map(|activation| (output, activation));
        if wanted.activation == Some(Activation::Softmax) && scores.form == Form::Scalar {
            return Err(Error::usage(format!(
                "--activation softmax: output \"{}\" has one value a record",
                scores.name
            ))
            .hint("--activation sigmoid fits it"));
        }
        let classes = match &scores.form {
            Form::Classes(classes) => classes.clone(),
            Form::List(size) => (0..*size).map(|class| class.to_string()).collect(),
            _ => two_classes(signature, wanted),
        };
        if let Some(field) = self.fields.get_mut(at) {
            match (wanted.argmax, wanted.top) {
                (true, _) if scores.form != Form::Scalar => {
                    field.source = Source::Argmax(output, classes.clone());
                    field.form = Form::Scalar;
                }
                (_, Some(most)) if scores.form != Form::Scalar => {
                    let most = most.min(classes.len());
                    field.form = Form::Top {
                        most,
                        classes: classes.clone(),
                    };
                }
                (false, None) => {}
                _ => {
                    return Err(Error::usage(format!(
                        "{flag}: output \"{}\" has one value a record, not one for each class",
                        scores.name
                    )));
                }
            }
        }
        if wanted.threshold.is_some() {
            self.decide_label(output, classes, shapes, &scores.name)?;
        }
        Ok(())
    }

    /// The field with the scores that a flag is about.
    fn scores(&self, flag: &str, shapes: &[Shape]) -> Result<usize> {
        let is_score = |field: &Field| match (&field.source, &field.form) {
            (Source::Output(output), Form::Scalar | Form::Classes(_) | Form::List(_)) => shapes
                .get(*output)
                .is_some_and(|shape| shape.dtype().is_float()),
            _ => false,
        };
        let found: Vec<usize> = (0..self.fields.len())
            .filter(|at| self.fields.get(*at).is_some_and(is_score))
            .collect();
        let names: Vec<&str> = found
            .iter()
            .filter_map(|at| self.fields.get(*at))
            .map(|field| field.name.as_str())
            .collect();
        match found.as_slice() {
            [only] => Ok(*only),
            [] => Err(Error::usage(format!(
                "{flag}: the model has no output of scores to apply it to"
            ))
            .hint("mlserve inspect MODEL shows the outputs")),
            _ => Err(Error::usage(format!(
                "{flag}: it could mean any of the outputs {}",
                listed(&names)
            ))
            .hint("--outputs NAME chooses one")),
        }
    }

    /// Puts the class that the threshold decides in the place of the model's own label, or, where
    /// the model has none, in a field `label` before the scores.
    fn decide_label(
        &mut self,
        scores: usize,
        classes: Vec<String>,
        shapes: &[Shape],
        name: &str,
    ) -> Result<()> {
        if classes.len() != 2 {
            return Err(Error::usage(format!(
                "--threshold: output \"{name}\" has {} classes, not two",
                classes.len()
            ))
            .hint("a threshold decides between two classes; --top or --argmax rank more"));
        }
        let is_label = |field: &Field| match field.source {
            Source::Output(output) => {
                field.form == Form::Scalar
                    && shapes
                        .get(output)
                        .is_some_and(|shape| !shape.dtype().is_float())
            }
            _ => false,
        };
        let numbers = classes.iter().all(|class| class.parse::<i64>().is_ok());
        match self.fields.iter_mut().find(|field| is_label(field)) {
            Some(label) => {
                let Source::Output(output) = label.source else {
                    return Ok(());
                };
                let dtype = shapes.get(output).map_or(Dtype::String, Shape::dtype);
                label.source = Source::Threshold {
                    scores,
                    classes,
                    dtype,
                };
            }
            None => {
                let dtype = if numbers { Dtype::Int64 } else { Dtype::String };
                let source = Source::Threshold {
                    scores,
                    classes,
                    dtype,
                };
                self.fields.insert(
                    0,
                    Field {
                        name: "label".to_owned(),
                        form: Form::Scalar,
                        source,
                    },
                );
            }
        }
        Ok(())
    }
}

/// The negative and the positive class of a single score.
fn two_classes(signature: &Signature, wanted: &Wanted) -> Vec<String> {
    let known = wanted.classes.as_ref().or(signature.classes.as_ref());
    match known {
        Some(classes) if classes.len() == 2 => classes.clone(),
        _ => vec!["0".to_owned(), "1".to_owned()],
    }
}
