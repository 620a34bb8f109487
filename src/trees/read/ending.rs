//! What is done with what the trees give: aggregate, base values, transform, labels.

use super::lists::in_precision;
use super::{Refusal, refuse};
use crate::trees::attributes::{Joint, Numbers, Output, Pair};
use crate::trees::forest::{Forest, Node, Real};
use crate::trees::outcome::{Aggregate, Labels, Outcome, Transform};

/// More targets or classes than any model has, and few enough for the sums of a block of rows.
const MOST_TARGETS: usize = 1 << 16;

/// All of an outcome that does not depend on the trees.
pub(super) struct Ending<T> {
    pub targets: usize,
    aggregate: Aggregate,
    transform: Transform,
    base: Vec<T>,
    labels: Labels,
    one_score: bool,
    all_positive: bool,
}

/// The ending of TreeEnsembleClassifier or TreeEnsembleRegressor.
pub(super) fn of_pair<T: Real>(pair: &Pair) -> Result<Ending<T>, Refusal> {
    let (targets, labels) = match &pair.output {
        Output::Targets(count) => (*count, Labels::None),
        Output::Ints(labels) => (labels.len() as i64, Labels::Ints(labels.clone())),
        Output::Texts(labels) => (labels.len() as i64, Labels::Texts(labels.clone())),
    };
    let targets = count(targets)?;
    let is_classifier = labels != Labels::None;
    let aggregate = match pair.aggregate.as_str() {
        _ if is_classifier => Aggregate::Sum,
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        _ => return refuse("its aggregate_function is unknown"),
    };
    let transform = match pair.transform.as_str() {
        "NONE" => Transform::None,
        "LOGISTIC" => Transform::Logistic,
        "SOFTMAX" => Transform::Softmax,
        "SOFTMAX_ZERO" => Transform::SoftmaxZero,
        "PROBIT" => Transform::Probit,
        _ => return refuse("its post_transform is unknown"),
    };
    check_base(pair.base.len(), targets, is_classifier)?;
    check_targets(&pair.weights.targets, targets)?;
    let mut classes = pair.weights.targets.clone();
    classes.sort_unstable();
    classes.dedup();
    Ok(Ending {
        targets,
        aggregate,
        transform,
        base: in_precision(&pair.base)?,
        labels,
        one_score: is_classifier && targets == 2 && classes.len() == 1,
        all_positive: !any_negative(&pair.weights.values),
    })
}

/// The ending of TreeEnsemble, which has neither base values nor labels.
pub(super) fn of_joint<T: Real>(joint: &Joint) -> Result<Ending<T>, Refusal> {
    let targets = count(joint.targets)?;
    check_targets(&joint.leaf_targets, targets)?;
    Ok(Ending {
        targets,
        aggregate: match joint.aggregate {
            0 => Aggregate::Average,
            1 => Aggregate::Sum,
            2 => Aggregate::Min,
            3 => Aggregate::Max,
            _ => return refuse("its aggregate_function is unknown"),
        },
        transform: match joint.transform {
            0 => Transform::None,
            // The specification has these two the other way round; ONNX Runtime has them like this.
            1 => Transform::Logistic,
            2 => Transform::Softmax,
            3 => Transform::SoftmaxZero,
            4 => Transform::Probit,
            _ => return refuse("its post_transform is unknown"),
        },
        base: Vec::new(),
        labels: Labels::None,
        one_score: false,
        all_positive: false,
    })
}

impl<T: Real> Ending<T> {
    /// The outcome of a forest of `trees` trees.
    pub(super) fn outcome(self, forest: &Forest<T>) -> Result<Outcome<T>, Refusal> {
        self.check_classes(forest)?;
        Ok(Outcome {
            aggregate: self.aggregate,
            transform: self.transform,
            base: self.base,
            trees: forest.trees().len(),
            targets: self.targets,
            labels: self.labels,
            one_score: self.one_score,
            all_positive: self.all_positive,
        })
    }

    /// Refuses classifiers of which ONNX Runtime writes too few scores or too many, or whose labels
    /// it looks for where there are none.
    fn check_classes(&self, forest: &Forest<T>) -> Result<(), Refusal> {
        let is_text = matches!(self.labels, Labels::Texts(_));
        match (&self.labels, self.targets) {
            (Labels::None, _) => Ok(()),
            (_, 1) if is_text => refuse("it has a single class with a text for its label"),
            (_, 1) if self.base.len() > 1 => refuse("it has a single class but two base values"),
            (_, 2) => {
                let may_be_alone = self.base.len() < 2 && !always_gives(forest, 1);
                let second_is_unset = self.transform == Transform::Probit
                    || (self.base.len() == 1 && !self.one_score);
                if may_be_alone && second_is_unset {
                    return refuse("ONNX Runtime leaves its second score unset");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether every row gets a weight for `target`: all leaves of some tree give one.
fn always_gives<T: Real>(forest: &Forest<T>, target: u32) -> bool {
    let gives = |node: &Node<T>| match node {
        Node::Branch(_) => true,
        Node::Leaf(leaf) => {
            let weights = forest.given(leaf);
            weights.iter().any(|weight| weight.target == target)
        }
    };
    forest
        .trees()
        .iter()
        .any(|tree| tree.nodes.iter().all(gives))
}

fn count(targets: i64) -> Result<usize, Refusal> {
    match usize::try_from(targets) {
        Ok(targets @ 1..=MOST_TARGETS) => Ok(targets),
        Ok(1..) => refuse("it has more targets than fit"),
        _ => refuse("it has no targets"),
    }
}

fn check_base(length: usize, targets: usize, is_classifier: bool) -> Result<(), Refusal> {
    let fits = if is_classifier && targets <= 2 {
        length <= 2
    } else {
        length == 0 || length == targets
    };
    if fits {
        Ok(())
    } else {
        refuse("its base values are not as many as its targets")
    }
}

fn check_targets(list: &[i32], targets: usize) -> Result<(), Refusal> {
    let is_there = |target: &i32| usize::try_from(*target).is_ok_and(|target| target < targets);
    if list.iter().all(is_there) {
        Ok(())
    } else {
        refuse("a leaf gives to a target that is not there")
    }
}

fn any_negative(numbers: &Numbers) -> bool {
    match numbers {
        Numbers::Singles(list) => list.iter().any(|value| *value < 0.0),
        Numbers::Doubles(list) => list.iter().any(|value| *value < 0.0),
    }
}
